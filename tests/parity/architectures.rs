//! The other architectures: `fixtures/architectures`, made by transformers.

use std::collections::BTreeSet;
use std::path::PathBuf;

use unsaid::device::Arithmetic;
use unsaid::model::Cached;
use unsaid::score::Scorer;
use unsaid::spec::Precision;
use unsaid::units::TokenId;

use crate::replay::{
    Allowed, BF16, device, fixtures, float32, load, replay, rows_of, scores_agree,
};

/// Beside the traces of GPT-NeoX.
fn folder() -> PathBuf {
    fixtures().with_file_name("architectures")
}

/// Names of what stands there with an ending, without it.
fn named(ending: &str) -> BTreeSet<String> {
    std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(ending).map(str::to_owned))
        .collect()
}

macro_rules! checkpoints {
    ($($test:ident: $name:literal,)*) => {
        $(#[test] fn $test() { scores($name); })*

        #[test]
        fn every_checkpoint_is_scored() {
            assert_eq!(named(".score.jsonl"), BTreeSet::from([$($name.to_owned()),*]));
        }
    };
}

checkpoints! {
    gpt2: "gpt2",
    gpt2_untied: "gpt2-untied",
    llama: "llama",
    llama_with_biases_tied: "llama-biased",
    mistral: "mistral",
    qwen2: "qwen2",
    qwen3: "qwen3",
    olmo2: "olmo2",
    phi3: "phi3",
    phi3_with_stretched_frequencies: "phi3-longrope",
    gemma: "gemma",
    gemma3: "gemma3",
    adapter_of_gpt2: "gpt2-lora",
    adapter_of_llama_stabilised: "llama-lora",
    adapter_of_phi3_by_module: "phi3-lora",
}

/// Whole rows against the reference; then the same rows a token at a time, by remembered keys and values.
fn scores(name: &str) {
    let (checkpoint, expected) = (
        folder().join(name),
        folder().join(format!("{name}.score.jsonl")),
    );
    scores_agree(&checkpoint, &expected);
    let alphabet: Vec<TokenId> = (0..320).step_by(13).map(TokenId).collect();
    let (mut model, mut other) = (
        load(&checkpoint, Arithmetic::F32),
        load(&checkpoint, Arithmetic::F32),
    );
    let mut cached = Cached::new(&mut other);
    let longest: Vec<_> = rows_of(&expected)
        .into_iter()
        .filter(|row| row.len() > 30)
        .collect();
    assert!(longest.len() > 2);
    for length in 1..30 {
        let prefixes: Vec<_> = longest.iter().map(|row| row[..length].to_vec()).collect();
        let whole = model.next(&prefixes, &alphabet).unwrap();
        let grown = cached.next(&prefixes, &alphabet).unwrap();
        for (a, b) in whole.iter().flatten().zip(grown.iter().flatten()) {
            assert!((a - b).abs() < 5e-5, "{name}, {length} tokens: {a} {b}");
        }
    }
}

macro_rules! traces {
    ($($test:ident: $name:literal,)*) => {
        $(#[test] fn $test() { replay(&folder().join(concat!($name, ".trace.json")), float32()); })*

        #[test]
        fn every_trace_is_replayed_in_bfloat16_too() {
            assert_eq!(named(".trace.json"), BTreeSet::from([$($name.to_owned()),*]));
            let here = Arithmetic::resolve(Precision::Bf16, device()).unwrap();
            for name in [$($name),*] {
                for arithmetic in BTreeSet::from([BF16.arithmetic, here]) {
                    let path = folder().join(format!("{name}.trace.json"));
                    replay(&path, Allowed { arithmetic, ..BF16 });
                }
            }
        }
    };
}

traces! {
    gpt2_trains: "gpt2-none",
    gpt2_freezes_its_upper_half: "gpt2-upper",
    gpt2_freezes_its_lower_half: "gpt2-lower",
    llama_trains: "llama-none",
    llama_freezes_its_upper_half: "llama-upper",
    llama_freezes_its_lower_half: "llama-lower",
    phi3_trains: "phi3-none",
    gemma3_trains: "gemma3-none",
    gemma3_freezes_its_lower_half: "gemma3-lower",
}
