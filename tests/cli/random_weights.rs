//! Audits of models that begin with random weights: no checkpoint, no tokenizer, each seed its own.

use std::fs;

use serde_json::json;

use crate::bench::Bench;

/// Step 0 has learning rate 0, so one step leaves the model as it began.
const UNTRAINED: [&str; 3] = ["--quiet", "--set", "phase1.passwords=8"];

fn bytes(bench: &Bench, name: &str) -> Vec<u8> {
    fs::read(bench.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn weights(bench: &Bench, run: &str, seed: u64, phase: u8) -> Vec<u8> {
    bytes(
        bench,
        &format!("{run}/seed-{seed}/checkpoints/phase-{phase}/model.safetensors"),
    )
}

#[test]
fn a_run_without_any_checkpoint_ends_with_a_report_that_says_so() {
    let bench = Bench::with_random_weights();
    bench.finish("out", &[]);
    let report = bench.json("out/report.json");
    assert_eq!(
        report["model"],
        "random weights, 2 layers × 32, 2 heads, vocabulary 40"
    );
    let shape = json!({ "layers": 2, "width": 32, "heads": 2, "vocabulary": 40 });
    let provenance = bench.json("out/provenance.json");
    for provenance in [&report["provenance"], &provenance] {
        assert_eq!(provenance["random"], shape);
        assert_eq!(provenance["checkpoint_sha256"], json!({}));
    }
    assert!(
        bench
            .read("out/spec.toml")
            .contains("random = { layers = 2, width = 32, heads = 2, vocabulary = 40 }")
    );
    // Letters are the first tokens.
    let canary = &bench.lines("out/seed-0/canaries.jsonl")[0];
    let letters: Vec<u64> = canary["text"]
        .as_str()
        .expect("a text")
        .bytes()
        .filter(|b| *b != b' ')
        .map(|b| u64::from(b - b'a'))
        .collect();
    assert_eq!(canary["tokens"], json!(letters));
}

#[test]
fn a_run_of_a_checkpoint_has_no_random_shape() {
    let bench = Bench::new();
    bench.finish("out", &["--quiet"]);
    let provenance = bench.json("out/provenance.json");
    assert_eq!(provenance["random"], json!(null));
    assert!(provenance["checkpoint_sha256"]["model.safetensors"].is_string());
}

#[test]
fn seeds_begin_apart_and_a_seed_begins_alike() {
    let bench = Bench::with_random_weights();
    let run = |out: &str, seeds: &[&str]| bench.finish(out, &[&UNTRAINED[..], seeds].concat());
    run("both", &["--seed", "3", "--seed", "4"]);
    run("again", &["--seed", "3"]);
    assert!(weights(&bench, "both", 3, 1) == weights(&bench, "again", 3, 1));
    assert!(weights(&bench, "both", 3, 3) == weights(&bench, "again", 3, 3));
    assert_eq!(
        bench.read("both/seed-3/observations.jsonl"),
        bench.read("again/seed-3/observations.jsonl")
    );
    assert!(weights(&bench, "both", 3, 1) != weights(&bench, "both", 4, 1));
    // Far apart: of all the entries of the two models, hardly one is nearly equal.
    let floats = |seed| {
        let bytes = weights(&bench, "both", seed, 1);
        let file = safetensors::SafeTensors::deserialize(&bytes).expect("whole");
        let tensor = file.tensor("embed_out.weight").expect("there");
        let floats = tensor.data().chunks_exact(4);
        floats
            .map(|b| f32::from_le_bytes(b.try_into().expect("four")))
            .collect::<Vec<_>>()
    };
    let (one, other) = (floats(3), floats(4));
    assert_eq!(one.len(), 40 * 32);
    let near = one
        .iter()
        .zip(&other)
        .filter(|(a, b)| (**a - **b).abs() < 1e-4);
    assert!(near.count() < 30);
}

#[test]
fn a_run_that_lost_its_last_phases_continues_to_the_same_end() {
    let bench = Bench::with_random_weights();
    bench.finish("whole", &["--quiet"]);
    bench.finish("out", &["--quiet"]);
    bench.edit_json("out/seed-0/stages.json", |stages| {
        let stages = stages["stages"].as_object_mut().expect("stages");
        for lost in ["phase-2", "phase-3", "complete"] {
            assert!(stages.remove(lost).is_some(), "{lost}");
        }
    });
    fs::remove_dir_all(bench.path("out/seed-0/checkpoints/phase-3")).expect("remove");
    let outcome = bench.finish("out", &["--resume"]);
    assert!(outcome.stderr.contains("phase 1 is done, kept"));
    assert_eq!(bench.rows("whole"), bench.rows("out"));
    assert!(weights(&bench, "whole", 0, 3) == weights(&bench, "out", 0, 3));
}

#[test]
fn a_saved_checkpoint_scores_the_texts_of_its_letters_and_begins_another_audit() {
    let bench = Bench::with_random_weights();
    bench.finish("out", &["--quiet"]);
    let model = "out/seed-0/checkpoints/phase-3";
    let lines = "{\"text\": \" regular a b z\"}\n{\"text\": \" reverse z a\"}\n{\"tokens\": [26, 0, 1, 25]}\n";
    bench.write("in.jsonl", lines);
    let outcome = bench
        .call(&["score", "--model", model, "--device", "cpu", "in.jsonl"])
        .ended(0);
    let scored: Vec<serde_json::Value> = outcome
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(scored[0]["logprobs"].as_array().map(Vec::len), Some(3));
    assert_eq!(scored[1]["logprobs"].as_array().map(Vec::len), Some(2));
    assert_eq!(scored[0]["logprobs"], scored[2]["logprobs"]);
    bench.write("in.jsonl", "{\"text\": \" regular ä\"}\n");
    bench
        .call(&["score", "--model", model, "--device", "cpu", "in.jsonl"])
        .failed(2, &["cannot encode", "is no token of the vocabulary"]);
    let path = format!("model.path={model}");
    bench.finish("next", &["--quiet", "--set", &path]);
    assert_eq!(bench.json("next/report.json")["model"], "phase-3");
}

#[test]
fn shapes_that_cannot_be_are_refused_before_anything_is_written() {
    let bench = Bench::with_random_weights();
    for (set, words) in [
        (
            "model.random.vocabulary=27",
            &["`model.random.vocabulary` is 27", "at least 28"][..],
        ),
        (
            "model.random.heads=3",
            &["`model.random.width` is 32", "a multiple of 24"],
        ),
        (
            "model.random={ layers = 2 }",
            &["`model.random.width` is missing"],
        ),
        ("model.revision=main", &["only `id` has a revision"]),
    ] {
        bench.refuses_run(&["--set", set], words);
    }
}

#[test]
fn check_knows_what_random_weights_cost() {
    let bench = Bench::with_random_weights();
    let text = bench.call(&["check", "tiny.toml"]).ended(0).stdout;
    // 2 layers of 12 · 32² + 13 · 32, two embeddings of 40 · 32, a norm.
    assert!(
        text.contains("model        28 k parameters (random weights)"),
        "{text}"
    );
    assert!(!text.contains("cost unknown"), "{text}");
}
