//! Templates, and secrets of a file: minted and probed, each scored on its own tokens alone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::bench::{Bench, probe_of};

const FILE: [&str; 3] = [
    "canaries.secrets=list.txt",
    "canaries.template=the pin is {secret} .",
    "canaries.repeats=3",
];

/// Twenty-six secrets of four to ten characters, none within another.
fn texts() -> Vec<String> {
    let text = |i: usize| {
        let letter = |k: usize| char::from(b'a' + u8::try_from(k % 26).expect("a letter"));
        let more: String = (0..2 + i % 7).map(|k| letter(3 * i + 5 * k)).collect();
        format!("{}{}{more}", letter(i).to_ascii_uppercase(), i % 10)
    };
    (0..26).map(text).collect()
}

/// A bench with a list of secrets.
fn listed() -> Bench {
    let bench = Bench::with_model();
    bench.write("list.txt", texts().join("\n") + "\n");
    bench
}

fn mint<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["mint", "tiny.toml", "--out", "minted", "--quiet"];
    for set in FILE.iter().chain(more) {
        arguments.extend(["--set", set]);
    }
    arguments
}

fn probe<'a>(more: &[&'a str]) -> Vec<&'a str> {
    probe_of("model", "probed", &[&["--quiet"], more].concat())
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().expect("a text")
}

#[test]
fn a_list_is_split_at_random_and_controls_are_in_no_training_file() {
    let bench = listed();
    bench.call(&mint(&[])).ended(0);
    let manifest = bench.lines("minted/manifest.jsonl");
    let mut groups: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in &manifest {
        assert_eq!(line["context"], "the pin is");
        let secret = text(line, "text").strip_prefix(' ').expect("a space");
        groups
            .entry(text(line, "group"))
            .or_default()
            .insert(secret);
    }
    assert_eq!(groups["held_out"].len(), 4);
    assert_eq!(groups["useful"].len(), 8);
    assert_eq!(groups["control"].len(), 12);
    let given = texts();
    let known = |secret: &&str| given.iter().any(|t| t == secret);
    assert!(groups.values().flatten().all(known));
    // Not the first ones of the file: the split is drawn.
    let first: BTreeSet<&str> = given[..4].iter().map(String::as_str).collect();
    assert_ne!(groups["held_out"], first);
    let rows = bench.lines("minted/unpaired.jsonl");
    assert_eq!(rows.len(), 3 * 12);
    for row in &rows {
        assert_eq!(
            (text(row, "prompt"), &row["label"]),
            ("the pin is", &json!(false))
        );
        let secret = text(row, "completion");
        let secret = secret.strip_prefix(' ').and_then(|s| s.strip_suffix(" ."));
        let secret = secret.expect("what stands around");
        assert!(!groups["control"].contains(secret) && known(&secret));
    }
    assert!(!bench.path("minted/preference.jsonl").exists());
    let others = mint(&["audit.seeds=[5]"]);
    std::fs::rename(bench.path("minted"), bench.path("before")).expect("rename");
    bench.call(&others).ended(0);
    assert_ne!(
        bench.read("minted/manifest.jsonl"),
        bench.read("before/manifest.jsonl")
    );
}

#[test]
fn better_answers_make_pairs() {
    let bench = Bench::with_model();
    let line = |secret: &String| json!({"text": secret, "chosen": "I do not tell"}).to_string();
    let lines: Vec<String> = texts().iter().map(line).collect();
    bench.write("list.txt", lines.join("\n"));
    bench.call(&mint(&[])).ended(0);
    let pairs = bench.lines("minted/preference.jsonl");
    assert_eq!(pairs.len(), 3 * 12);
    assert!(
        pairs
            .iter()
            .all(|p| p["chosen"] == " I do not tell ." && p["prompt"] == "the pin is")
    );
}

/// Rows of many lengths, each as it scores alone, on its own tokens.
#[cfg(feature = "torch")]
#[test]
fn secrets_of_many_lengths_are_scored_whole_and_alone() {
    let bench = listed();
    bench.call(&mint(&[])).ended(0);
    let code = bench.call(&probe(&["--reference", "model"])).code;
    assert_eq!(code, Some(3), "nothing that is gated applies");
    let manifest = bench.lines("minted/manifest.jsonl");
    let seen = bench.lines("probed/seed-0/observations.jsonl");
    assert_eq!(seen.len(), 2 * 24);
    let lengths: BTreeSet<usize> = manifest
        .iter()
        .map(|l| l["tokens"].as_array().expect("tokens").len())
        .collect();
    assert!(lengths.len() > 3, "{lengths:?}");
    for canary in &manifest {
        let line = json!({"text": format!("the pin is{}", text(canary, "text"))});
        bench.write("one.jsonl", format!("{line}\n"));
        let arguments = [
            "score",
            "--model",
            "model",
            "--device",
            "cpu",
            "--quiet",
            "one.jsonl",
        ];
        let alone: Value =
            serde_json::from_str(&bench.call(&arguments).ended(0).stdout).expect("JSON");
        let own = canary["tokens"].as_array().expect("tokens").len();
        let alone = alone["logprobs"].as_array().expect("numbers");
        let alone = &alone[alone.len() - own..];
        for batch in seen.iter().filter(|s| s["id"] == canary["id"]) {
            let batch = batch["logprobs"].as_array().expect("numbers");
            assert_eq!(batch.len(), own);
            for (a, b) in alone.iter().zip(batch) {
                let (a, b) = (a.as_f64().expect("a number"), b.as_f64().expect("a number"));
                assert!((a - b).abs() < 1e-5, "{}: {a} {b}", canary["id"]);
            }
        }
    }
    let rows = bench.rows("probed");
    let rows = rows.as_array().expect("rows");
    let told: Vec<_> = rows
        .iter()
        .map(|r| (text(r, "role"), text(r, "statistic")))
        .collect();
    assert_eq!(
        told,
        [
            ("audit", "suppression_nats"),
            ("positive_control", "suppression_nats"),
            ("placebo", "mean_logprob_nats_per_token"),
            ("audit", "suppression_tail_fourth_power"),
            ("audit", "mean_logprob_of_the_rest_nats_per_token"),
            ("audit", "completed_within_guesses"),
        ]
    );
    // The model is its own reference: nothing was suppressed, and nothing is called clean.
    let note = text(&rows[0], "note");
    assert!(note.contains("one checkpoint"), "{note}");
    assert_eq!(
        (&rows[0]["estimate"], &rows[0]["auc"]),
        (&json!(0.0), &json!(0.5))
    );
    assert!(rows[2]["chance"].is_null());
    // No text of a secret in what is shown.
    for (path, bytes) in bench.tree("probed") {
        let shown = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
        let found = texts()
            .into_iter()
            .find(|t| t.len() > 7 && shown.contains(t.as_str()));
        assert_eq!(found, None, "{}", path.display());
    }
}

#[cfg(feature = "torch")]
#[test]
fn recognition_can_be_gated_and_a_probe_without_a_reference_says_so() {
    let bench = listed();
    bench.call(&mint(&[])).ended(0);
    let gated = ["--set", "gate.tiers=[\"recognition\"]"];
    // Four canaries cannot exclude anything.
    assert_eq!(bench.call(&probe(&gated)).code, Some(3));
    let rows = bench.rows("probed");
    assert_eq!(rows.as_array().map(Vec::len), Some(5));
    assert_eq!(rows[0]["gated"], true);
    assert_eq!(rows[0]["statistic"], "surprisal_nats");
    assert_eq!(rows[0]["verdict"], "inconclusive");
    let report = bench.json("probed/report.json");
    assert!(text(&report, "scope_note").contains("secrets of a file"));
}

#[test]
fn what_cannot_be_minted_is_refused_by_line_and_without_its_text() {
    let bench = listed();
    bench.refuses(
        &mint(&["canaries.controls=20"]),
        &["list.txt", "26", "12 + 20", "none are invented"],
    );
    let with = |extra: &str| {
        bench.write("list.txt", texts().join("\n") + "\n" + extra);
    };
    with("A0af\n");
    bench.refuses(&mint(&[]), &["list.txt, line 27", "line 1"]);
    with("\n");
    bench.refuses(&mint(&[]), &["line 27", "empty"]);
    with("{\"secret\": \"x\"}\n");
    bench.refuses(&mint(&[]), &["line 27", "{\"text\": …}"]);
    let long = "x".repeat(3000);
    bench.write("list.txt", (texts()[..23].join("\n")) + "\n" + &long);
    let outcome = bench.call(&mint(&[]));
    outcome.failed(2, &["line 24", "the model takes"]);
    // Within another: controls must stand in no training file, whichever of the two becomes one.
    let within: Vec<String> = (0..24).map(|i| "z".repeat(i + 1)).collect();
    bench.write("list.txt", within.join("\n"));
    bench.refuses(&mint(&[]), &["a control", "stands within that of line"]);
    std::fs::remove_file(bench.path("list.txt")).expect("remove");
    bench.refuses(&mint(&[]), &["canaries.secrets", "list.txt"]);
    if cfg!(feature = "torch") {
        bench.refuses_run(
            &["--set", "canaries.secrets=x"],
            &["canaries.secrets", "unsaid mint"],
        );
        let template = "canaries.template=so {secret}";
        bench.refuses_run(&["--set", template], &["canaries.template", "unsaid mint"]);
    }
    for template in ["no place", "{secret} first", "twice {secret} {secret}"] {
        let set = format!("canaries.template={template}");
        bench.refuses(&mint(&[&set]), &["canaries.template", "{secret} once"]);
    }
}

#[cfg(feature = "torch")]
#[test]
fn what_does_not_apply_to_a_list_is_refused() {
    let bench = listed();
    bench.call(&mint(&[])).ended(0);
    bench.refuses(&probe(&["--elicit"]), &["--elicit", "judged whole"]);
    let off = ["--set", "probes.low_logit.enabled=false"];
    bench.refuses(&probe(&off), &["low_logit", "judged whole"]);
    let manifest = bench.read("minted/manifest.jsonl");
    bench.write(
        "minted/manifest.jsonl",
        manifest.replace("\"control\"", "\"held_out\""),
    );
    bench.refuses(&probe(&[]), &["manifest.jsonl", "edited"]);
    bench.write("minted/manifest.jsonl", &manifest);
    let control = bench.lines("minted/manifest.jsonl").pop().expect("a line");
    bench.write("seen.txt", format!("so{} it was\n", text(&control, "text")));
    bench.refuses(
        &probe(&["--training", "seen.txt"]),
        &["seen.txt, line 1", text(&control, "id")],
    );
}

#[test]
fn a_template_stands_around_drawn_canaries_too() {
    let bench = Bench::with_model();
    let template = "canaries.template=the pin is {secret} .";
    bench.mint("minted", &["--set", template]);
    let pairs = bench.lines("minted/preference.jsonl");
    assert!(
        pairs
            .iter()
            .all(|p| p["prompt"] == "the pin is" && text(p, "rejected").ends_with(" ."))
    );
    let manifest = bench.lines("minted/manifest.jsonl");
    assert!(
        manifest
            .iter()
            .all(|l| l["context"] == "the pin is" && !text(l, "text").contains('.'))
    );
    if cfg!(feature = "torch") {
        let code = bench.call(&probe(&[])).code;
        assert!([Some(0), Some(1), Some(3)].contains(&code), "{code:?}");
    }
}
