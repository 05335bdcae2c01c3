//! Specs that cannot be run.

use crate::bench::Bench;

/// Line of `old` in the tiny spec, as messages name it.
fn line_of(bench: &Bench, text: &str) -> String {
    let spec = bench.read("tiny.toml");
    let line = spec.lines().position(|l| l == text);
    format!("tiny.toml, line {}", line.expect("the line") + 1)
}

/// The tiny spec with one line exchanged is refused at that line.
#[track_caller]
fn refused(old: &str, new: &str, words: &[&str]) {
    let bench = Bench::with_spec(old, new);
    let place = line_of(&bench, new.lines().last().expect("a line"));
    let words: Vec<&str> = [place.as_str()]
        .into_iter()
        .chain(words.iter().copied())
        .collect();
    bench.refuses_spec(&[], &words);
}

#[test]
fn a_file_that_is_not_there_or_no_text() {
    let bench = Bench::new();
    for (path, what) in [("nowhere.toml", "No such file"), (".", "directory")] {
        let words = [path, "cannot read the spec", what, "give the path"];
        bench.refuses(&["check", path], &words);
        if cfg!(feature = "torch") {
            bench.refuses(&["run", path, "--out", "out"], &words);
        }
    }
    bench.write("tiny.toml", b"format = 1 # \xff\xfe\n");
    bench.refuses_spec(
        &[],
        &[
            "tiny.toml",
            "cannot read the spec",
            "UTF-8",
            "give the path",
        ],
    );
}

#[test]
fn text_that_is_no_toml() {
    refused("[run]", "[run", &["not valid TOML", "mend this line"]);
    let twice = "length = 6\nlength = 6";
    let bench = Bench::with_spec("length = 6", twice);
    let second = bench
        .read("tiny.toml")
        .lines()
        .position(|l| l == "length = 6");
    let place = format!("line {}", second.expect("the line") + 2);
    bench.refuses_spec(&[], &[&place, "not valid TOML"]);
}

#[test]
fn keys_that_are_unknown_or_missing() {
    refused(
        "length = 6",
        "lenght = 6",
        &["unknown key `canaries.lenght`", "`canaries.length`?"],
    );
    refused("[phase2]", "[fase2]", &["`fase2`", "`phase2`?"]);
    let bench = Bench::with_spec("name = \"tiny\"", "");
    bench.refuses_spec(&[], &["`audit.name` is missing", "write"]);
    let bench = Bench::with_spec("format = 1", "");
    bench.refuses_spec(&[], &["`format` is missing", "write `format = 1`"]);
}

#[test]
fn values_of_the_wrong_type() {
    refused(
        "length = 6",
        "length = \"6\"",
        &["`canaries.length` is \"6\"", "a whole number"],
    );
    refused(
        "threads = 1",
        "threads = 1.5",
        &["`run.threads` is 1.5", "a whole number"],
    );
    refused(
        "seeds = [0]",
        "seeds = 0",
        &["`audit.seeds` is 0", "an array"],
    );
    refused(
        "[phase2]",
        "[phase2]\nskip = 1",
        &["`phase2.skip` is 1", "true or false"],
    );
}

#[test]
fn counts_out_of_their_range() {
    refused(
        "held_out = 4",
        "held_out = 12",
        &[
            "`canaries.held_out` is 12",
            "less than `canaries.negatives`, 12",
            "hold fewer out",
        ],
    );
    refused(
        "held_out = 4",
        "held_out = 13",
        &["`canaries.held_out` is 13", "12"],
    );
    refused(
        "length = 6",
        "length = 0",
        &["`canaries.length` is 0", "from 1", "write `length ="],
    );
    refused(
        "negatives = 12",
        "negatives = -1",
        &["`canaries.negatives` is -1", "not negative"],
    );
    refused(
        "trajectory_controls = 12",
        "trajectory_controls = 13",
        &[
            "`canaries.trajectory_controls` is 13",
            "`canaries.controls`, 12",
        ],
    );
    refused("batch = 8", "batch = 0", &["`phase1.batch` is 0", "from 1"]);
    refused(
        "permutations = 12000",
        "permutations = 999",
        &["`gate.permutations` is 999"],
    );
}

#[test]
fn alphabets_that_make_no_canaries() {
    let letters = "alphabet = \"abcdefghijklmnopqrstuvwxyz\"";
    for (new, words) in [
        (
            "alphabet = \"\"",
            ["two letters or more", "give the letters"],
        ),
        ("alphabet = []", ["two letters or more", "give the letters"]),
        (
            "alphabet = \"abca\"",
            ["distinct letters", "leave out the second \"a\""],
        ),
        (
            "alphabet = [\" a\", \" b\", \" b\"]",
            ["distinct letters", "the second \"b\""],
        ),
        ("alphabet = [\" a\", \"\"]", ["not empty", "remove"]),
    ] {
        let words: Vec<&str> = ["`canaries.alphabet`"].into_iter().chain(words).collect();
        refused(letters, new, &words);
    }
}

#[test]
fn more_distinct_canaries_than_there_are() {
    // Four letters, length 2: 16 texts for 12 negatives and 12 controls.
    let bench = Bench::with_spec("abcdefghijklmnopqrstuvwxyz", "abcd");
    bench.refuses_spec(
        &["--set", "canaries.length=2"],
        &[
            "`canaries.length` is 2",
            "24 distinct canaries",
            "4 letters",
            "make canaries longer",
        ],
    );
    // 25 are just enough for 24 and one more to train on; five letters give them.
    bench.refuses_spec(
        &[
            "--set",
            "canaries.alphabet=abcde",
            "--set",
            "canaries.length=2",
            "--set",
            "canaries.controls=13",
        ],
        &["25 distinct canaries"],
    );
}

#[test]
fn rates_that_are_no_rates() {
    let rate = "learning_rate = 1e-3";
    for bad in ["-1e-3", "nan", "-nan", "inf"] {
        let new = format!("learning_rate = {bad}");
        let is = format!("`phase1.learning_rate` is {bad}");
        refused(rate, &new, &[&is, "a finite number, 0 or larger", "write"]);
    }
    let bench = Bench::new();
    for (set, words) in [
        ("phase2.beta=0", ["`phase2.beta` is 0", "larger than 0"]),
        ("phase2.beta=nan", ["`phase2.beta` is nan", "larger than 0"]),
        (
            "phase3.weights.dpo=-1",
            ["`phase3.weights.dpo` is -1", "0 or larger"],
        ),
        (
            "phase3.max_grad_norm=0",
            ["`phase3.max_grad_norm` is 0", "larger than 0"],
        ),
        ("gate.alpha=nan", ["`gate.alpha` is nan", "above 0"]),
    ] {
        bench.refuses_spec(
            &["--set", set],
            &[&format!("--set {set}"), words[0], words[1]],
        );
    }
}

#[test]
fn choices_that_are_not_offered() {
    let bench = Bench::new();
    for (set, words) in [
        ("phase2.freeze=middle", ["`phase2.freeze` is", "upper"]),
        (
            "probes.low_logit.positive_control=maybe",
            ["positive_control` is", "not_applicable"],
        ),
        (
            "model.precision=f64",
            ["`model.precision` is", "auto, f32, tf32 or bf16"],
        ),
        ("gate.tiers=[]", ["`gate.tiers`", "name a tier"]),
        ("audit.seeds=[1, 1]", ["`audit.seeds`", "distinct seeds"]),
    ] {
        bench.refuses_spec(&["--set", set], &words);
    }
}

#[test]
fn check_refuses_what_run_refuses() {
    let bench = Bench::with_spec("length = 6", "length = 0");
    bench.refuses(
        &["check", "tiny.toml"],
        &["`canaries.length` is 0", "from 1"],
    );
    // One bad spec among good ones: no half of a result.
    let good = crate::program::repository().join("audits/quick.toml");
    let good = good.to_str().expect("a plain path");
    bench.refuses(
        &["check", good, "tiny.toml"],
        &["tiny.toml", "`canaries.length`"],
    );
    bench.refuses(
        &["check", good, "nowhere.toml"],
        &["nowhere.toml", "cannot read"],
    );
}
