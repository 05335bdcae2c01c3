//! Architectures beside GPT-NeoX, through the program.

use std::fs;
use std::path::PathBuf;

use crate::bench::Bench;
use crate::program::{parity, repository};

fn fixture(name: &str) -> PathBuf {
    repository().join("fixtures/architectures").join(name)
}

/// Copies a fixture's files into a folder of the bench, with a tokenizer of as many tokens.
pub(crate) fn copied(bench: &Bench, name: &str, to: &str) {
    let tokenizer = fs::read(parity("neox-parallel/tokenizer.json")).expect("the fixture");
    for entry in fs::read_dir(fixture(name)).expect("the fixture") {
        let path = entry.expect("an entry").path();
        let file = path.file_name().and_then(|f| f.to_str()).expect("a name");
        bench.write(&format!("{to}/{file}"), fs::read(&path).expect("a file"));
    }
    bench.write(&format!("{to}/tokenizer.json"), tokenizer);
}

/// A bench whose spec names a copy of a fixture in `model/`.
pub(crate) fn with(name: &str) -> Bench {
    let bench = Bench::new();
    copied(&bench, name, "model");
    let neox = parity("neox-parallel");
    let spec = bench.read("tiny.toml");
    bench.write(
        "tiny.toml",
        spec.replace(neox.to_str().expect("a plain path"), "model"),
    );
    bench.write(
        "in.jsonl",
        "{\"text\": \" regular a b c\"}\n{\"tokens\": [5, 6, 7]}\n",
    );
    bench
}

pub(crate) fn score(bench: &Bench, model: &str) -> String {
    let arguments = [
        "score", "--model", model, "--device", "cpu", "--quiet", "in.jsonl",
    ];
    bench.call(&arguments).ended(0).stdout
}

/// The whole story on each: planted, probed, judged, saved as a folder of the same architecture, and told what it costs.
#[test]
fn runs_from_start_to_end() {
    for name in [
        "gpt2", "llama", "mistral", "qwen2", "qwen3", "olmo2", "phi3", "gemma", "gemma3",
    ] {
        let bench = with(name);
        let cost = bench.call(&["check", "tiny.toml"]).ended(0).stdout;
        assert!(
            cost.contains("parameters") && cost.contains("FLOP"),
            "{cost}"
        );
        bench.finish("out", &["--quiet"]);
        let saved = "out/seed-0/checkpoints/phase-3";
        let (before, after) = (
            bench.json("model/config.json"),
            bench.json(&format!("{saved}/config.json")),
        );
        for key in ["model_type", "architectures", "vocab_size"] {
            assert_eq!(before[key], after[key], "{name}");
        }
        let (trained, base) = (score(&bench, saved), score(&bench, "model"));
        assert!(trained.contains("logprobs") && trained != base, "{name}");
        // Rows of a look are scored again from the saved folder.
        bench
            .call(&["verify", "out", "--device", "cpu", "--quiet"])
            .ended(0);
    }
}

#[test]
fn steps_are_timed() {
    for name in ["gpt2", "llama"] {
        let bench = with(name);
        let arguments = [
            "bench", "--model", "model", "--batch", "2", "--repeat", "1", "--phase", "3", "--json",
            "--device", "cpu",
        ];
        let found = bench.call(&arguments).ended(0).stdout;
        let found: serde_json::Value = serde_json::from_str(&found).expect("JSON");
        assert!(
            found["achieved_flops"].as_f64().is_some_and(|f| f > 0.0),
            "{found}"
        );
    }
}

#[test]
fn what_is_not_known_is_refused_with_what_is() {
    let bench = with("llama");
    for (key, value, words) in [
        (
            "model_type",
            "\"mamba\"",
            &[
                "model_type",
                "mamba",
                "gpt_neox, gpt2, llama, mistral, qwen2, qwen3, olmo2, phi3, gemma, gemma3_text",
            ][..],
        ),
        (
            "rope_scaling",
            "{\"rope_type\": \"yarn\", \"factor\": 2.0}",
            &["rope_type", "yarn", "llama3"],
        ),
        ("hidden_act", "\"relu\"", &["hidden_act", "silu"]),
        (
            "num_key_value_heads",
            "3",
            &["num_key_value_heads", "divide"],
        ),
        (
            "tie_word_embeddings",
            "true",
            &["safetensors", "tied", "lm_head.weight"],
        ),
    ] {
        let before = bench.read("model/config.json");
        bench.edit_json("model/config.json", |config| {
            config[key] = serde_json::from_str(value).expect("JSON");
        });
        bench.refuses_run(&[], words);
        bench.write("model/config.json", before);
    }
}

/// Places beyond a sliding window would see less than the whole row, which is not what is computed here.
#[test]
fn a_row_longer_than_the_sliding_window_is_refused() {
    let bench = with("mistral");
    let row = |n: usize| serde_json::json!({ "tokens": vec![1; n] }).to_string();
    bench.write("in.jsonl", row(49));
    score(&bench, "model");
    bench.write("in.jsonl", row(50));
    bench.refuses(
        &["score", "--model", "model", "--device", "cpu", "in.jsonl"],
        &["line 1", "50 tokens", "48"],
    );
}
