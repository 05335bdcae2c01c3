//! Every refusal of a spec, with the message a user sees.

mod ranges;

use std::path::Path;

use super::{Audit, ModelSource, Override, RandomShape, SpecError, load, parse};

/// Four lines that every case below stands under, so its first line is line 5.
const HEAD: &str = "format = 1\naudit.name = 'x'\naudit.seeds = [0]\nmodel.path = 'm'\n";

fn read(text: &str, sets: &[&str]) -> Result<Audit, SpecError> {
    let sets: Vec<Override> = sets
        .iter()
        .map(|set| Override::parse(set).unwrap())
        .collect();
    parse(text, Path::new("/specs/x.toml"), &sets)
}

fn refusal(text: &str, sets: &[&str]) -> String {
    match read(text, sets) {
        Ok(_) => panic!("not refused: {text} {sets:?}"),
        Err(error) => error.to_string(),
    }
}

/// Each case: lines under `HEAD`, and what the message says in order.
fn expect(cases: &[(&str, &[&str])]) {
    for (lines, parts) in cases {
        let message = refusal(&format!("{HEAD}{lines}"), &[]);
        let mut rest = message.as_str();
        for part in *parts {
            let Some(at) = rest.find(part) else {
                panic!("`{lines}`: no `{part}` in order in: {message}");
            };
            rest = &rest[at + part.len()..];
        }
    }
}

#[test]
fn messages_are_whole_sentences() {
    for (lines, sets, message) in [
        (
            "[canaries]\nlength = 0",
            &[][..],
            "/specs/x.toml, line 6: `canaries.length` is 0, but must be a whole number from 1 to 1024; for the default write `length = 16` in [canaries]",
        ),
        (
            "",
            &["canaries.length=0"],
            "`--set canaries.length=0`: `canaries.length` is 0, but must be a whole number from 1 to 1024; for the default give `--set 'canaries.length=16'`",
        ),
        (
            "[canaries]\ncontrols = 64",
            &[],
            "/specs/x.toml (key absent, so its default): `canaries.trajectory_controls` is 128, but must be at most `canaries.controls`, 64; they are the first of the controls: set `canaries.trajectory_controls = 64`, or ask for more controls",
        ),
        (
            "[canaries]\nlenght = 8",
            &[],
            "/specs/x.toml, line 6: unknown key `canaries.lenght`; did you mean `canaries.length`?",
        ),
        (
            "[canaries]\nlength = '16'",
            &[],
            "/specs/x.toml, line 6: `canaries.length` is '16', but must be a whole number, not negative; write `length = 16` in [canaries]",
        ),
        (
            "",
            &["run.thread=2"],
            "`--set run.thread=2`: unknown key `run.thread`; did you mean `run.threads`?",
        ),
    ] {
        assert_eq!(refusal(&format!("{HEAD}{lines}"), sets), message);
    }
}

#[test]
fn files_that_cannot_be_read() {
    let message = load(Path::new("/nowhere/x.toml"), &[])
        .unwrap_err()
        .to_string();
    assert!(
        message.starts_with("/nowhere/x.toml: cannot read the spec:"),
        "{message}"
    );
    assert!(refusal("format = 1\n[audit", &[]).contains("x.toml, line 2: not valid TOML"));
    assert!(refusal("format = 1\nformat = 1", &[]).contains("line 2: not valid TOML"));
    assert!(refusal("", &[]).contains("line 1: `format` is missing; write `format = 1`"));
    assert!(refusal("format = 2", &[]).contains("`format` is 2, but must be 1"));
    assert!(refusal("format = 1\n\n[audit]", &[]).contains("line 3: `audit.name` is missing"));
    assert!(
        refusal("format = 1\naudit.name = 'x'", &[]).contains("`model` is missing; write `path =")
    );
}

#[test]
fn keys_and_types() {
    expect(&[
        ("[fase1]", &["line 5", "`fase1`", "did you mean `phase1`?"]),
        (
            "learning_rate = 1",
            &["`learning_rate`", "did you mean `phase1.learning_rate`?"],
        ),
        (
            "[run]\nworkers = 5",
            &["[run] has the keys checkpoint_every, threads"],
        ),
        (
            "[run]\ncheckpoint_every = 5",
            &["`run.checkpoint_every` is 5", "text in quotes"],
        ),
        (
            "[run]\ncheckpoint_every = \"never\"",
            &["`run.checkpoint_every` is \"never\"", "\"20 steps\""],
        ),
        (
            "[phase3]\nweights = { dpo = 1, revers = 1 }",
            &["line 6", "did you mean `phase3.weights.reverse`?"],
        ),
        (
            "[canaries]\nprefixes = { regulr = 'x' }",
            &["did you mean `canaries.prefixes.regular`?"],
        ),
        (
            "[[gate.limits]]\nprobe = 'low_logit'\n[[gate.limits]]\nmax = 1",
            &["line 8", "`gate.limits[1].max`"],
        ),
        (
            "[canaries]\nlength = -1",
            &["line 6", "is -1", "not negative"],
        ),
        (
            "[canaries]\nlength = 1.0",
            &["line 6", "is 1.0", "whole number"],
        ),
        (
            "[canaries]\nlength = 99999999999999999999",
            &["line 6", "whole number"],
        ),
        (
            "[canaries]\nprefixes = 3",
            &["`canaries.prefixes` is 3", "a table of two texts, or false"],
        ),
        (
            "[canaries]\nalphabet = [\n  ' a',\n  2 ]",
            &["line 6", "[ ' a', 2 ]", "text of distinct characters"],
        ),
        (
            "[phase2]\nskip = 'yes'",
            &["is 'yes'", "true or false", "`skip = false` in [phase2]"],
        ),
        ("phase1 = 3", &["line 5", "`phase1` is 3", "a table"]),
        (
            "[gate]\nlimits = 3",
            &["`gate.limits` is 3", "array of tables"],
        ),
        (
            "[[gate.limits]]\nprobe = 1",
            &["line 6", "`gate.limits[0].probe`", "text in quotes"],
        ),
        (
            "[phase1.batch]",
            &["line 5", "`phase1.batch`", "whole number"],
        ),
    ]);
    assert!(refusal(HEAD, &["audit.seeds=['x']"]).contains("`audit.seeds` is 'x'"));
    assert!(
        refusal(HEAD, &["audit.name=7"]).contains("text in quotes; give `--set 'audit.name=\"")
    );
}

#[test]
fn names_and_seeds() {
    for name in ["", ".x", "a b", "a/b", "é"] {
        let message = refusal(
            &format!("format = 1\naudit.name = '{name}'\nmodel.path = 'm'"),
            &[],
        );
        assert!(message.contains("line 2: `audit.name` is '"), "{message}");
    }
    for (seeds, part) in [
        ("[]", "at least one seed"),
        ("[1, 2, 1]", "leave out the second 1"),
        ("[9007199254740993]", "2^53"),
        ("[-1]", "2^53"),
    ] {
        assert!(refusal(HEAD, &[&format!("audit.seeds={seeds}")]).contains(part));
    }
    let audit = read(HEAD, &[]).unwrap();
    assert_eq!(audit.clone().with_seeds(vec![3, 1]).unwrap().seeds, [3, 1]);
    let message = audit
        .clone()
        .with_seeds(vec![3, 3])
        .unwrap_err()
        .to_string();
    assert!(
        message.starts_with("`--seed 3 --seed 3`: `audit.seeds` is [3, 3]"),
        "{message}"
    );
    assert!(audit.with_seeds(vec![]).is_err());
}

#[test]
fn models() {
    expect(&[
        (
            "model.id = 'a/b'",
            &[
                "line 4",
                "absent where `model.id` is given",
                "keep one of `path`, `id` and `random`",
            ],
        ),
        (
            "model.random = { layers = 2 }",
            &["line 4", "absent where `model.random` is given"],
        ),
        (
            "model.revision = 'main'",
            &["line 5", "`model.revision`", "only `id` has"],
        ),
        ("model.base = ''", &["line 5", "`model.base`", "trained on"]),
        ("model.precision = 'f64'", &["auto, f32, tf32 or bf16"]),
        (
            "run.micro_batch = 'most'",
            &["`run.micro_batch`", "\"auto\" or a number of rows"],
        ),
        ("run.micro_batch = 0", &["`run.micro_batch` is 0"]),
    ]);
    for id in ["", "a/b/c", "../x", "a//b", "a b"] {
        assert!(
            refusal(HEAD, &[&format!("model.id={id}")]).contains("`owner/name`"),
            "{id}"
        );
    }
    assert!(
        refusal(HEAD, &["model.id=a/b", "model.revision=../x"]).contains("branch, tag or commit")
    );
    assert!(refusal(HEAD, &["model.path="]).contains("config.json"));
}

#[test]
fn random_models() {
    let random = |shape: &str, more: &str| {
        let text = format!(
            "format = 1\naudit.name = 'x'\naudit.seeds = [0]\n[model]\nrandom = {shape}\n{more}"
        );
        read(&text, &[]).map_err(|error| error.to_string())
    };
    let whole = "{ layers = 2, width = 64, heads = 4, vocabulary = 28 }";
    let shape = RandomShape {
        layers: 2,
        width: 64,
        heads: 4,
        vocabulary: 28,
    };
    assert_eq!(random(whole, "").unwrap().model, ModelSource::Random(shape));
    for (shape, more, parts) in [
        (
            "{ layers = 2, width = 64, heads = 4 }",
            "",
            &[
                "line 5: `model.random.vocabulary` is missing",
                "vocabulary = 64",
            ][..],
        ),
        (
            "{ layers = 0, width = 64, heads = 4, vocabulary = 28 }",
            "",
            &["`model.random.layers` is 0", "from 1 to 1000"],
        ),
        (
            "{ layers = 2, width = 72, heads = 4, vocabulary = 28 }",
            "",
            &[
                "line 5: `model.random.width` is 72",
                "a multiple of 32 (8 for each of 4 heads)",
            ],
        ),
        (
            "{ layers = 2, width = 64, heads = 5, vocabulary = 28 }",
            "",
            &["`model.random.width` is 64", "a multiple of 40"],
        ),
        (
            "{ layers = 2, width = 64, heads = 4, vocabulary = 27 }",
            "",
            &[
                "`model.random.vocabulary` is 27",
                "at least 28",
                "26 letters and 2 prefixes",
            ],
        ),
        (
            "{ layers = 2, width = 64, heads = 4, vocabulary = 28, stacks = 3 }",
            "",
            &[
                "unknown key `model.random.stacks`",
                "keys layers, width, heads, vocabulary",
            ],
        ),
        (
            whole,
            "revision = 'main'",
            &["line 6: `model.revision`", "only `id` has a revision"],
        ),
    ] {
        let message = random(shape, more).unwrap_err();
        for part in parts {
            assert!(message.contains(part), "no `{part}` in: {message}");
        }
    }
    // A prefix that is also a letter takes no second token; without prefixes none are needed.
    let small = "{ layers = 2, width = 64, heads = 4, vocabulary = 26 }";
    assert!(random(small, "[canaries]\nprefixes = false").is_ok());
    let letters = "[canaries.prefixes]\nregular = ' a'\nreverse = ' b'";
    assert!(random(small, letters).is_ok());
}

#[test]
fn the_last_way_to_name_a_model_wins() {
    let here = std::env::current_dir().unwrap();
    let hub = |id: &str, revision: &str| ModelSource::Hub {
        id: id.to_owned(),
        revision: revision.to_owned(),
    };
    let model = |sets: &[&str]| read(HEAD, sets).unwrap().model;
    assert_eq!(model(&[]), ModelSource::Path("/specs/m".into()));
    assert_eq!(model(&["model.path=n"]), ModelSource::Path(here.join("n")));
    assert_eq!(model(&["model.id=a/b"]), hub("a/b", "main"));
    assert_eq!(
        model(&["model.id=a/b", "model.revision=v1"]),
        hub("a/b", "v1")
    );
    let back = ["model.id=a/b", "model.revision=v1", "model.path=/n"];
    assert_eq!(model(&back), ModelSource::Path("/n".into()));
    assert_eq!(
        model(&["model={ path = 'n' }"]),
        ModelSource::Path(here.join("n"))
    );
    let shape = "model.random={ layers = 1, width = 8, heads = 1, vocabulary = 64 }";
    let random = |vocabulary| {
        ModelSource::Random(RandomShape {
            layers: 1,
            width: 8,
            heads: 1,
            vocabulary,
        })
    };
    assert_eq!(model(&[shape]), random(64));
    assert_eq!(model(&[shape, "model.random.vocabulary=99"]), random(99));
    assert_eq!(model(&[shape, "model.id=a/b"]), hub("a/b", "main"));
    assert_eq!(model(&["model.id=a/b", shape]), random(64));
}

#[test]
fn arguments_go_over_the_file() {
    let text = format!("{HEAD}[canaries]\nprefixes = false\n[phase3.weights]\ndpo = 0.5\n");
    let audit = read(
        &text,
        &["phase3.weights.regular=3", "canaries.prefixes.regular=' x'"],
    )
    .unwrap();
    let weights = audit.phase3.weights;
    let weights = [weights.dpo, weights.reverse, weights.regular];
    assert_eq!(weights.map(f64::to_bits), [0.5, 0.2, 3.0].map(f64::to_bits));
    let prefixes = audit.canaries.prefixes.unwrap();
    assert_eq!([prefixes.regular, prefixes.reverse], [" x", " reverse"]);
    let whole = read(
        &text,
        &[
            "phase3.weights={ reverse = 1 }",
            "canaries.length=4",
            "canaries.length=5",
        ],
    )
    .unwrap();
    assert_eq!(whole.phase3.weights.dpo.to_bits(), 1.0_f64.to_bits());
    assert_eq!(whole.canaries.length, 5);
}
