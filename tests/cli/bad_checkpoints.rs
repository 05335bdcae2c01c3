//! Checkpoints that cannot be audited.

use std::fs;

use safetensors::tensor::Dtype;

use crate::bench::{Array, Bench};

const QKV: &str = "gpt_neox.layers.1.attention.query_key_value.weight";

#[test]
fn a_folder_that_is_not_there_or_empty() {
    let bench = Bench::with_model();
    bench.refuses_run(
        &["--set", "model.path=nowhere"],
        &["model.path", "nowhere is not a folder", "--set model.path="],
    );
    bench.refuses_run(
        &["--set", "model.path=tiny.toml"],
        &["model.path", "tiny.toml is not a folder"],
    );
    fs::create_dir(bench.path("empty")).expect("make the folder");
    bench.refuses_run(
        &["--set", "model.path=empty"],
        &[
            "empty/config.json",
            "config.json, tokenizer.json and model.safetensors",
        ],
    );
    bench.refuses_run(
        &["--set", "model.id=EleutherAI/pythia-160m"],
        &[
            "EleutherAI/pythia-160m",
            "no-cache",
            "hf download",
            "--set model.path",
        ],
    );
}

#[test]
fn weights_that_are_missing() {
    let bench = Bench::with_model();
    let weights = bench.path("model/model.safetensors");
    let aside = bench.path("aside");
    fs::rename(&weights, &aside).expect("move");
    bench.refuses_run(&[], &["model/model.safetensors", "No such file"]);
    // Nor are quantised weights, beside a config or alone.
    bench.write("model/tiny.Q4_1.gguf", "GGUF");
    let mend = [
        "tiny.Q4_1.gguf",
        "quantised",
        "gguf_file=",
        "ci/real-checkpoint",
    ];
    bench.refuses_run(&[], &mend);
    bench.write("alone/tiny.Q4_1.gguf", "GGUF");
    bench.write("one.jsonl", "{\"text\": \" a\"}\n");
    for model in ["alone", "alone/tiny.Q4_1.gguf"] {
        bench.refuses(&["score", "--model", model, "one.jsonl"], &mend);
    }
    fs::remove_file(bench.path("model/tiny.Q4_1.gguf")).expect("remove");
    // A pickle is never read: the file need not even be one.
    bench.write("model/pytorch_model.bin", "no pickle");
    bench.refuses_run(
        &[],
        &[
            "model.safetensors",
            "pickle",
            "python3 -c",
            "save_pretrained",
        ],
    );
}

#[test]
fn weights_that_are_cut_short_or_no_safetensors() {
    let bench = Bench::with_model();
    let name = "model/model.safetensors";
    let whole = fs::read(bench.path(name)).expect("read the weights");
    for bytes in [
        &whole[..whole.len() - 1],
        &whole[..whole.len() / 2],
        // Within the header, then within its length.
        &whole[..100],
        &whole[..4],
        b"",
    ] {
        bench.write(name, bytes);
        bench.refuses_run(&[], &[name, "again"]);
    }
    // What git keeps in place of a large file, whichever it is.
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
    for name in [name, "model/tokenizer.json", "model/config.json"] {
        let kept = fs::read(bench.path(name)).expect("read the file");
        bench.write(name, pointer);
        bench.refuses_run(&[], &[name, "git lfs pull"]);
        bench.write(name, kept);
    }
}

#[test]
fn tensors_that_are_missing_unexpected_or_of_another_shape() {
    for (name, shape) in [
        (QKV, "[192, 64]"),
        ("gpt_neox.embed_in.weight", "[320, 64]"),
        ("embed_out.weight", "[320, 64]"),
        ("gpt_neox.final_layer_norm.bias", "[64]"),
    ] {
        let bench = Bench::with_model();
        bench.edit_weights(|arrays| {
            arrays.remove(name).expect("the tensor");
        });
        bench.refuses_run(&[], &["model.safetensors", name, "is missing", shape]);
    }

    let bench = Bench::with_model();
    bench.edit_weights(|arrays| {
        let extra = arrays[QKV].clone();
        arrays.insert("gpt_neox.layers.4.lora.weight".to_owned(), extra);
    });
    bench.refuses_run(
        &[],
        &[
            "model.safetensors",
            "gpt_neox.layers.4.lora.weight",
            "not part of",
        ],
    );

    // Transposed: as many numbers, and what a silent reshape would take.
    let bench = Bench::with_model();
    bench.edit_weights(|arrays| arrays.get_mut(QKV).expect("the tensor").shape.reverse());
    bench.refuses_run(
        &[],
        &[
            "model.safetensors",
            QKV,
            "[64, 192]",
            "config.json",
            "[192, 64]",
        ],
    );
}

#[test]
fn a_model_that_was_saved_while_it_was_wrapped_is_named() {
    for prefix in ["_orig_mod.", "module.", "pretrained_model."] {
        let bench = Bench::with_model();
        bench.edit_weights(|arrays| {
            let wrapped = std::mem::take(arrays).into_iter();
            *arrays = wrapped
                .map(|(name, a)| (format!("{prefix}{name}"), a))
                .collect();
        });
        bench.refuses_run(&[], &["model.safetensors", prefix, "save_pretrained"]);
    }
}

#[test]
fn known_buffers_and_value_heads_are_passed_over() {
    let bench = Bench::with_model();
    bench.edit_weights(|arrays| {
        for (name, shape) in [
            ("attention.bias", vec![1, 1, 2, 2]),
            ("attention.masked_bias", vec![]),
            ("attention.rotary_emb.inv_freq", vec![2]),
        ] {
            let array = Array {
                kind: Dtype::U8,
                bytes: vec![1; shape.iter().product()],
                shape,
            };
            arrays.insert(format!("gpt_neox.layers.0.{name}"), array);
        }
        let head = arrays["embed_out.weight"].clone();
        arrays.insert("v_head.summary.weight".to_owned(), head);
    });
    bench.finish("out", &["--quiet"]);
}

#[test]
fn tensors_of_a_type_that_is_no_float() {
    let bench = Bench::with_model();
    bench.edit_weights(|arrays| arrays.get_mut(QKV).expect("the tensor").kind = Dtype::I32);
    bench.refuses_run(
        &[],
        &["model.safetensors", QKV, "I32", "F64, F32, F16 and BF16"],
    );
}

#[test]
fn weights_that_are_no_numbers() {
    for bad in [f32::NAN, f32::INFINITY] {
        let bench = Bench::with_model();
        bench.edit_weights(|arrays| {
            let bytes = &mut arrays.get_mut(QKV).expect("the tensor").bytes;
            bytes[400..404].copy_from_slice(&bad.to_le_bytes());
        });
        bench.refuses_run(&[], &["model.safetensors", QKV, "NaN or infinite"]);
    }
}

#[test]
fn configs_that_are_not_supported() {
    for (key, value, word) in [
        ("model_type", "\"mamba\"", "gpt_neox, gpt2, llama"),
        ("hidden_act", "\"relu\"", "\"gelu\""),
        ("hidden_dropout", "0.1", "without dropout"),
        ("attention_dropout", "0.5", "without dropout"),
        ("attention_bias", "false", "true"),
        ("tie_word_embeddings", "true", "false"),
        (
            "rope_scaling",
            "{\"type\":\"linear\",\"factor\":2.0}",
            "null",
        ),
        ("quantization_config", "{\"bits\":4}", "float32"),
        ("num_attention_heads", "5", "divide hidden_size"),
        ("num_hidden_layers", "0", "1 to"),
        ("rotary_pct", "1.5", "by partial_rotary_factor"),
    ] {
        let bench = Bench::with_model();
        bench.edit_json("model/config.json", |config| {
            config[key] = serde_json::from_str(value).expect("JSON");
        });
        bench.refuses_run(&[], &["model/config.json", key, word]);
    }
}

#[test]
fn configs_that_cannot_be_read() {
    let bench = Bench::with_model();
    let config = bench.read("model/config.json");
    bench.write("model/config.json", &config[..config.len() / 2]);
    bench.refuses_run(&[], &["model/config.json", "EOF"]);
    bench.write("model/config.json", "{}");
    bench.refuses_run(&[], &["model/config.json", "model_type"]);
    bench.write("model/config.json", b"\xff");
    bench.refuses_run(&[], &["model/config.json", "UTF-8"]);
    bench.write("model/config.json", config.replace(": 64", ": \"64\""));
    bench.refuses_run(&[], &["model/config.json", "64"]);
    // The weights of another size than the config says.
    bench.write(
        "model/config.json",
        config.replace("\"num_hidden_layers\": 4", "\"num_hidden_layers\": 3"),
    );
    bench.refuses_run(
        &[],
        &["model.safetensors", "gpt_neox.layers.3", "not part of"],
    );
}

#[test]
fn canaries_beyond_the_context() {
    let bench = Bench::with_model();
    bench.edit_json("model/config.json", |config| {
        config["max_position_embeddings"] = 5.into();
    });
    bench.refuses_run(
        &[],
        &["canaries.length", "6 letters", "5 tokens", "shorten"],
    );
}
