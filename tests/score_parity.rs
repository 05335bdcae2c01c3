//! `unsaid score` against the reference implementation's committed numbers, and on lines that are not as they should be.
#![cfg(feature = "torch")]

#[path = "cli/program.rs"]
mod program;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use program::{Outcome, call, copy_checkpoint, parity, program};
use serde_json::Value;
use tempfile::TempDir;

/// Nats.
const TOLERANCE: f64 = 2e-4;

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("make a temporary folder")
}

/// Scores a file.
fn score(model: &Path, input: &Path, more: &[&str]) -> Outcome {
    let mut arguments = vec![
        "score",
        "--device",
        "cpu",
        "--model",
        text(model),
        text(input),
    ];
    arguments.extend(more);
    call(&parity(""), &arguments)
}

/// Calls the program with something on its standard input.
fn call_with(folder: &Path, arguments: &[&str], input: &[u8]) -> Outcome {
    let mut child = program(folder, arguments)
        .stdin(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("standard input is piped");
    stdin.write_all(input).expect("the program reads its input");
    drop(stdin);
    child.wait_with_output().expect("the program ends").into()
}

/// Scores lines with the parallel fixture.
fn score_lines(lines: impl AsRef<[u8]>, more: &[&str]) -> Outcome {
    let model = parity("neox-parallel");
    let mut arguments = vec!["score", "--device", "cpu", "--model", text(&model), "-"];
    arguments.extend(more);
    call_with(&parity(""), &arguments, lines.as_ref())
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    let numbers = value
        .as_array()
        .unwrap_or_else(|| panic!("no numbers: {value}"));
    numbers
        .iter()
        .map(|n| n.as_f64().expect("a number"))
        .collect()
}

#[track_caller]
fn assert_close(found: &Value, wanted: &Value) {
    let (found, wanted) = (numbers(found), numbers(wanted));
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.into_iter().zip(wanted) {
        assert!(
            (found - wanted).abs() <= TOLERANCE,
            "{found} instead of {wanted}"
        );
    }
}

/// Every line of the fixture's input, in its order, with the reference's numbers.
#[track_caller]
fn assert_parity(model: &Path, expected: &str) {
    let found = lines(
        &score(model, &parity("score-input.jsonl"), &[])
            .ended(0)
            .stdout,
    );
    let wanted = lines(&fs::read_to_string(parity(expected)).expect("the fixture"));
    assert_eq!(found.len(), wanted.len());
    assert!(wanted.len() > 20);
    for (found, wanted) in found.iter().zip(&wanted) {
        assert_eq!(found["tokens"], wanted["tokens"]);
        assert_close(&found["logprobs"], &wanted["logprobs"]);
    }
}

#[test]
fn every_checkpoint_agrees_with_the_reference() {
    for name in ["parallel", "sequential", "parallel-f16", "parallel-bf16"] {
        assert_parity(
            &parity(&format!("neox-{name}")),
            &format!("score-{name}.jsonl"),
        );
    }
    // No checkpoint of the fixtures is forgotten.
    let folders = fs::read_dir(parity(""))
        .expect("the fixtures")
        .filter(|entry| {
            let name = entry.as_ref().expect("an entry").file_name();
            name.to_string_lossy().starts_with("neox-")
        });
    assert_eq!(folders.count(), 4);
}

#[test]
fn both_spellings_of_the_config_agree_with_the_reference() {
    let expected = [
        ("config-v5.json", "score-parallel.jsonl"),
        ("config-v5-rotary.json", "score-v5-rotary.jsonl"),
    ];
    for (config, expected) in expected {
        let tmp = folder();
        copy_checkpoint("neox-parallel", tmp.path());
        fs::copy(parity(config), tmp.path().join("config.json")).expect("copy the config");
        assert_parity(tmp.path(), expected);
    }
}

#[test]
fn a_reference_adds_its_own_numbers() {
    let reference = parity("neox-sequential");
    let more = ["--reference", text(&reference)];
    let outcome = score(
        &parity("neox-parallel"),
        &parity("score-input.jsonl"),
        &more,
    )
    .ended(0);
    let [ours, theirs] = ["score-parallel.jsonl", "score-sequential.jsonl"]
        .map(|name| lines(&fs::read_to_string(parity(name)).expect("the fixture")));
    let found = lines(&outcome.stdout);
    assert_eq!(found.len(), ours.len());
    for ((found, ours), theirs) in found.iter().zip(&ours).zip(&theirs) {
        assert_close(&found["logprobs"], &ours["logprobs"]);
        assert_close(&found["reference_logprobs"], &theirs["logprobs"]);
    }
}

#[test]
fn order_and_other_keys_are_kept() {
    // Rows of different lengths are scored in other batches than they stand in.
    let input = concat!(
        "{\"id\": \"é\\n\", \"tokens\": [1, 2, 3, 4], \"group\": null}\n",
        "{\"tokens\": [5, 6], \"n\": {\"deep\": [1, 2.5, true]}}\n",
        "\n",
        "{\"tokens\": [1, 2, 3, 9], \"logprobs\": \"old\"}\n",
        "{\"tokens\": [7, 8], \"id\": 9007199254740993}\n",
    );
    let outcome = score_lines(input, &["--quiet"]).ended(0);
    let (found, given) = (lines(&outcome.stdout), lines(&input.replace("\n\n", "\n")));
    assert_eq!(found.len(), 4, "an empty line is no line");
    for (found, given) in found.iter().zip(&given) {
        let length = given["tokens"].as_array().map(Vec::len);
        assert_eq!(Some(numbers(&found["logprobs"]).len() + 1), length);
        for (key, value) in given.as_object().expect("an object") {
            if key != "logprobs" {
                assert_eq!(&found[key], value);
            }
        }
    }
    // The same beginning has the same numbers, whatever stands beside it.
    let beginning = |line: &Value| Value::from(numbers(&line["logprobs"])[..2].to_vec());
    assert_close(&beginning(&found[2]), &beginning(&found[0]));
}

#[test]
fn text_is_scored_as_its_tokens() {
    let outcome = score_lines("{\"text\": \" regular a b c\", \"id\": 1}\n", &[]).ended(0);
    let by_text = lines(&outcome.stdout).remove(0);
    let tokenizer =
        fs::read_to_string(parity("neox-parallel/tokenizer.json")).expect("the fixture");
    let tokenizer: Value = serde_json::from_str(&tokenizer).expect("JSON");
    let ids =
        ["Ġregular", "Ġa", "Ġb", "Ġc"].map(|token| tokenizer["model"]["vocab"][token].clone());
    assert_eq!(by_text["tokens"], Value::from(ids.to_vec()));
    assert_eq!(
        (&by_text["text"], &by_text["id"]),
        (&" regular a b c".into(), &1.into())
    );
    let line = serde_json::json!({ "tokens": ids }).to_string();
    let by_tokens = lines(&score_lines(line, &[]).ended(0).stdout).remove(0);
    assert_eq!(by_text["logprobs"], by_tokens["logprobs"]);
    // Tokens need no tokenizer, text does.
    let tmp = folder();
    copy_checkpoint("neox-parallel", tmp.path());
    fs::remove_file(tmp.path().join("tokenizer.json")).expect("remove");
    let input = tmp.path().join("in.jsonl");
    fs::write(&input, "{\"tokens\": [1, 2]}\n").expect("write");
    score(tmp.path(), &input, &[]).ended(0);
    fs::write(&input, "{\"text\": \" a\"}\n").expect("write");
    score(tmp.path(), &input, &[]).failed(2, &["tokenizer.json"]);
}

#[test]
fn bad_lines_are_named_and_nothing_is_scored() {
    let good = "{\"tokens\": [1, 2]}\n\n";
    for (bad, words) in [
        (
            "{\"tokens\": [1, 2, 320]}",
            &["line 3", "token 320", "319"][..],
        ),
        ("{\"tokens\": []}", &["line 3", "0 token"]),
        ("{\"tokens\": [1]}", &["line 3", "1 token"]),
        ("{\"text\": \"\"}", &["line 3", "0 token"]),
        (
            "{\"tokens\": [1, -2]}",
            &["line 3", "\"tokens\"", "from 0 to 4294967295"],
        ),
        (
            "{\"tokens\": [1, 2.5]}",
            &["line 3", "\"tokens\"", "whole numbers"],
        ),
        (
            "{\"tokens\": [1, 4294967296]}",
            &["line 3", "\"tokens\"", "to 4294967295"],
        ),
        ("{\"tokens\": \"1 2\"}", &["line 3", "\"tokens\""]),
        ("{\"text\": 3}", &["line 3", "\"text\" is not a string"]),
        (
            "{\"id\": 1}",
            &["line 3", "neither \"tokens\" nor \"text\""],
        ),
        (
            "{\"tokens\": [1, 2}",
            &["line 3", "{\"tokens\": [1, 2, …]}"],
        ),
        ("[1, 2]", &["line 3", "{\"tokens\": [1, 2, …]}"]),
        ("tokens 1 2", &["line 3", "{\"tokens\": [1, 2, …]}"]),
    ] {
        score_lines(format!("{good}{bad}\n{good}"), &[]).failed(2, words);
    }
    let long = serde_json::json!({ "tokens": vec![1; 2050] });
    score_lines(format!("{good}{long}\n"), &[]).failed(2, &["line 3", "2050 tokens", "2048"]);
    score_lines(b"{\"text\": \"\xff\"}\n", &[]).failed(2, &["UTF-8"]);
}

#[test]
fn the_longest_row_is_scored() {
    let line = serde_json::json!({ "tokens": vec![1; 2049] }).to_string();
    let found = lines(&score_lines(line, &[]).ended(0).stdout);
    assert_eq!(numbers(&found[0]["logprobs"]).len(), 2048);
}

#[test]
fn an_empty_input_has_an_empty_result() {
    for input in ["", "\n", "\n \n"] {
        assert_eq!(score_lines(input, &[]).ended(0).stdout, "");
    }
}

#[test]
fn results_and_progress_keep_to_their_streams() {
    let loud = score_lines("{\"tokens\": [1, 2]}\n", &[]).ended(0);
    assert!(loud.stderr.contains("scoring"), "{}", loud.stderr);
    let quiet = score_lines("{\"tokens\": [1, 2]}\n", &["--quiet"]).ended(0);
    assert_eq!(quiet.stderr, "");
    assert_eq!(loud.stdout, quiet.stdout);
}

#[test]
fn files_that_are_not_there() {
    let (model, input) = (parity("neox-parallel"), parity("score-input.jsonl"));
    let nowhere = parity("nowhere");
    score(&nowhere, &input, &[]).failed(2, &["nowhere", "config.json"]);
    score(&model, &nowhere, &[]).failed(2, &["nowhere"]);
    score(&model, &parity(""), &[]).failed(2, &["fixtures/parity", "directory"]);
    score(&model, &input, &["--reference", text(&nowhere)]).failed(2, &["nowhere", "config.json"]);
}
