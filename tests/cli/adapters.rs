//! `LoRA` adapters onto their base, through the program.

use std::fs;

use crate::architectures::{copied, score, with};
use crate::bench::{Array, Bench, probe_of};

/// The header of a safetensors file, and where its data begin.
fn header(bytes: &[u8]) -> (serde_json::Value, usize) {
    let length: [u8; 8] = bytes[..8].try_into().expect("eight bytes");
    let data = 8 + usize::try_from(u64::from_le_bytes(length)).expect("a short header");
    let header = serde_json::from_slice(&bytes[8..data]).expect("JSON");
    (header, data)
}

/// Where a tensor's data begin (0) or end (1).
fn offset(tensor: &serde_json::Value, place: usize) -> usize {
    number(&tensor["data_offsets"][place])
}

fn number(value: &serde_json::Value) -> usize {
    usize::try_from(value.as_u64().expect("a number")).expect("a small one")
}

/// A folder with an adapter beside its base, both copies.
fn adapted() -> Bench {
    let bench = with("llama");
    copied(&bench, "llama", "llama");
    copied(&bench, "llama-lora", "adapter");
    fs::remove_file(bench.path("adapter/tokenizer.json")).expect("remove");
    bench
}

#[test]
fn an_adapter_is_its_base_with_more() {
    let bench = adapted();
    assert_ne!(score(&bench, "adapter"), score(&bench, "llama"));
    // Halves of zeros add nothing.
    let path = bench.path("adapter/adapter_model.safetensors");
    let mut bytes = fs::read(&path).expect("the adapter");
    let (header, data) = header(&bytes);
    for (name, tensor) in header.as_object().expect("names") {
        if name.contains(".lora_") {
            let at = |place: usize| data + offset(tensor, place);
            bytes[at(0)..at(1)].fill(0);
        }
    }
    fs::write(&path, bytes).expect("write");
    assert_eq!(score(&bench, "adapter"), score(&bench, "llama"));
}

#[test]
fn an_adapter_is_the_model_and_its_base_the_reference() {
    let bench = adapted();
    bench
        .call(&["mint", "tiny.toml", "--out", "minted", "--quiet"])
        .ended(0);
    let probe = |reference: &'static str| {
        probe_of("adapter", "probed", &["--quiet", "--reference", reference])
    };
    copied(&bench, "gpt2", "other");
    bench.refuses(
        &probe("other"),
        &["adapter", "other", "llama", "another base"],
    );
    let code = bench.call(&probe("llama")).code;
    assert!([Some(0), Some(1), Some(3)].contains(&code), "{code:?}");
    let files = bench.json("probed/provenance.json")["checkpoint_sha256"].take();
    assert!(
        files["adapter_model.safetensors"].is_string() && files["adapter_config.json"].is_string()
    );
}

/// The whole tensor of an adapted output embedding, which PEFT writes beside the pair, must be the base's.
#[test]
fn a_base_whose_copied_tensor_differs_is_refused() {
    let bench = adapted();
    copied(&bench, "llama", "trained-on");
    let shard = "llama/model-00003-of-00003.safetensors";
    let mut bytes = fs::read(bench.path(shard)).expect("a shard");
    // The sign of the embedding's last number.
    let (header, data) = header(&bytes);
    let end = data + offset(&header["lm_head.weight"], 1);
    bytes[end - 1] ^= 0x80;
    bench.write(shard, bytes);
    let arguments = ["score", "--model", "adapter", "--device", "cpu", "in.jsonl"];
    bench.refuses(&arguments, &["lm_head.base_layer", "llama", "another base"]);
    // The base that it was trained on stands elsewhere.
    let moved = [&arguments[..], &["--base", "trained-on", "--quiet"]].concat();
    assert!(bench.call(&moved).ended(0).stdout.contains("logprobs"));
}

/// PEFT writes an embedding for both ends once for each: the same numbers twice, or another vocabulary.
#[test]
fn a_copy_of_an_embedding_for_both_ends_is_accepted_and_another_vocabulary_named() {
    let bench = with("gpt2");
    copied(&bench, "gpt2", "gpt2");
    copied(&bench, "gpt2-lora", "adapter");
    let before = score(&bench, "adapter");
    let file = "adapter/adapter_model.safetensors";
    let ends = ["lm_head", "transformer.wte"];
    let names = ends.map(|module| format!("base_model.model.{module}.weight"));
    let bytes = fs::read(bench.path("gpt2/model.safetensors")).expect("the base");
    let (header, data) = header(&bytes);
    let tied = header
        .get("transformer.wte.weight")
        .unwrap_or(&header["wte.weight"]);
    let table = &bytes[data + offset(tied, 0)..data + offset(tied, 1)];
    let shape = tied["shape"].as_array().expect("a shape").iter();
    let shape: Vec<usize> = shape.map(number).collect();
    let array = |bytes: &[u8], rows: usize| Array {
        kind: safetensors::Dtype::F32,
        shape: vec![rows, shape[1]],
        bytes: bytes.to_vec(),
    };
    bench.edit_tensors(file, |arrays| {
        for name in &names {
            arrays.insert(name.clone(), array(table, shape[0]));
        }
    });
    assert_eq!(score(&bench, "adapter"), before);
    let refused = |words: &[&str]| {
        bench.refuses(
            &["score", "--model", "adapter", "--device", "cpu", "in.jsonl"],
            words,
        );
    };
    bench.edit_tensors(file, |arrays| {
        let other = arrays.get_mut(&names[0]).expect("the copy");
        other.bytes[3] ^= 0x80;
    });
    refused(&["lm_head", "merge_and_unload"]);
    bench.edit_tensors(file, |arrays| {
        for name in &names {
            let more = [table, &table[..4 * shape[1]]].concat();
            arrays.insert(name.clone(), array(&more, shape[0] + 1));
        }
    });
    let rows = format!("has {} tokens", shape[0] + 1);
    refused(&[&rows, "resized", "merge_and_unload"]);
}

#[test]
fn a_base_that_neither_this_machine_nor_the_hub_has_is_said_to_be_the_adapters() {
    let bench = adapted();
    bench.edit_json("adapter/adapter_config.json", |config| {
        config["base_model_name_or_path"] = "models/base-v2".into();
    });
    bench.refuses(
        &["score", "--model", "adapter", "--device", "cpu", "in.jsonl"],
        &[
            "adapter_config.json",
            "models/base-v2",
            "no folder",
            "--base",
        ],
    );
}

/// Planted in what the adapter makes of its base, wherever that stands, and saved whole.
#[test]
fn an_audit_begins_with_an_adapter() {
    let bench = adapted();
    let spec = bench.read("tiny.toml");
    bench.write(
        "tiny.toml",
        spec.replace("path = \"model\"", "path = \"adapter\""),
    );
    fs::rename(bench.path("llama"), bench.path("elsewhere")).expect("rename");
    bench.refuses_run(&[], &["base_model_name_or_path", "../llama", "model.base"]);
    bench.refuses_run(&["--set", "model.base=absent"], &["absent", "not a folder"]);
    bench.refuses_run(
        &["--set", "model.path=model", "--set", "model.base=elsewhere"],
        &["model is no adapter", "elsewhere"],
    );
    bench.finish("out", &["--quiet", "--set", "model.base=elsewhere"]);
    assert!(bench.read("out/spec.toml").contains("base = "));
    let files = bench.json("out/provenance.json")["checkpoint_sha256"].take();
    assert!(files["adapter_model.safetensors"].is_string(), "{files}");
    let saved = "out/seed-0/checkpoints/phase-3";
    assert!(!bench.path(saved).join("adapter_config.json").exists());
    assert!(score(&bench, saved).contains("logprobs"));
}

#[test]
fn adapters_that_do_not_fit_are_refused() {
    let bench = adapted();
    let refused = |words: &[&str]| {
        bench.refuses(
            &["score", "--model", "adapter", "--device", "cpu", "in.jsonl"],
            words,
        );
    };
    let config = bench.read("adapter/adapter_config.json");
    for (key, value, words) in [
        (
            "peft_type",
            "\"IA3\"",
            &["adapter_config.json", "peft_type", "IA3", "LORA"][..],
        ),
        ("use_dora", "true", &["use_dora", "merge"]),
        (
            "modules_to_save",
            "[\"embed_tokens\"]",
            &["modules_to_save", "embed_tokens"],
        ),
        (
            "rank_pattern",
            "{\".*q_proj\": 8}",
            &["rank_pattern", ".*q_proj", "merge"],
        ),
        (
            "alpha_pattern",
            "{\"q_proj\": 8, \"self_attn.q_proj\": 9}",
            &["alpha_pattern", "8 by", "9 by"],
        ),
        (
            "init_lora_weights",
            "\"pissa\"",
            &["init_lora_weights", "pissa"],
        ),
        ("bias", "\"all\"", &["bias", "none"]),
        ("r", "5", &["lora_A", "another base"]),
        (
            "base_model_name_or_path",
            "\"../qwen2\"",
            &["adapter_config.json", "../qwen2", "set it to", "--base"],
        ),
        (
            "base_model_name_or_path",
            "null",
            &["adapter_config.json", "base_model_name_or_path", "--base"],
        ),
        (
            "base_model_name_or_path",
            "\"../gpt2\"",
            &["adapter_model.safetensors", "gpt2", "another base"],
        ),
        (
            "base_model_name_or_path",
            "\"../mistral\"",
            &["adapter_model.safetensors", "mistral", "another base"],
        ),
    ] {
        if value.contains("gpt2") || value.contains("mistral") {
            let name = value.trim_matches(['"', '.', '/']);
            copied(&bench, name, name);
        }
        bench.edit_json("adapter/adapter_config.json", |config| {
            config[key] = serde_json::from_str(value).expect("JSON");
        });
        refused(words);
        bench.write("adapter/adapter_config.json", &config);
    }
    fs::remove_file(bench.path("adapter/adapter_model.safetensors")).expect("remove");
    refused(&["adapter_model.safetensors", "save_pretrained"]);
    copied(&bench, "gpt2", "adapter");
    refused(&["adapter", "a model and an adapter"]);
}
