//! Weights in shards, in every float type, and what can be wrong with them.

use std::collections::BTreeMap;
use std::fs;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;

use crate::bench::{Array, Bench};

const QKV: &str = "gpt_neox.layers.1.attention.query_key_value.weight";
const SHARDS: [&str; 2] = [
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
];
const INDEX: &str = "model/model.safetensors.index.json";

/// The tensors of `model/`, dealt to two shards by turns.
fn shard(bench: &Bench) -> [BTreeMap<String, Array>; 2] {
    let mut shards = [BTreeMap::new(), BTreeMap::new()];
    bench.edit_weights(|arrays| {
        for (i, (name, array)) in arrays.iter().enumerate() {
            shards[i % 2].insert(name.clone(), array.clone());
        }
    });
    shards
}

/// Writes shards and their index into `model/`, in place of the one file.
fn write(bench: &Bench, shards: &[BTreeMap<String, Array>; 2]) {
    fs::remove_file(bench.path("model/model.safetensors")).ok();
    let mut map = serde_json::Map::new();
    for (name, arrays) in SHARDS.iter().zip(shards) {
        let views = arrays.iter().map(|(tensor, a)| {
            map.insert(tensor.clone(), (*name).into());
            let view = TensorView::new(a.kind, a.shape.clone(), &a.bytes).expect("shape and bytes");
            (tensor, view)
        });
        let bytes = safetensors::serialize(views, None).expect("serialise");
        bench.write(&format!("model/{name}"), bytes);
    }
    bench.write(
        INDEX,
        json!({"metadata": {}, "weight_map": map}).to_string(),
    );
}

fn sharded() -> Bench {
    let bench = Bench::with_model();
    write(&bench, &shard(&bench));
    bench
}

#[test]
fn shards_are_the_same_model_as_one_file() {
    let bench = Bench::with_model();
    bench.finish("one", &["--quiet"]);
    write(&bench, &shard(&bench));
    bench.finish("two", &["--quiet"]);
    assert_eq!(bench.rows("one"), bench.rows("two"));
    let digests = bench.json("two/provenance.json")["checkpoint_sha256"].take();
    for file in SHARDS.iter().chain(&["model.safetensors.index.json"]) {
        assert!(digests[file].is_string(), "{file}");
    }
}

#[test]
fn a_float_of_another_type_on_disk_is_the_same_number() {
    let score = |bench: &Bench| {
        bench.write("in.jsonl", "{\"text\": \" regular a b c\"}\n");
        bench
            .call(&["score", "--model", "model", "--device", "cpu", "in.jsonl"])
            .ended(0)
            .stdout
    };
    // Numbers that half precision holds exactly, so that every type is the same model.
    let rewrite = |bench: &Bench, kind: Dtype| {
        bench.edit_weights(|arrays| {
            for array in arrays.values_mut() {
                let rounded = array.bytes.chunks(4).map(|b| {
                    let short =
                        bf16::from_f32(f32::from_le_bytes([b[0], b[1], b[2], b[3]])).to_f32();
                    if short.abs() < 1e-4 { 0.0 } else { short }
                });
                array.bytes = match kind {
                    Dtype::F64 => rounded.flat_map(|x| f64::from(x).to_le_bytes()).collect(),
                    Dtype::F16 => rounded
                        .flat_map(|x| f16::from_f32(x).to_le_bytes())
                        .collect(),
                    Dtype::BF16 => rounded
                        .flat_map(|x| bf16::from_f32(x).to_le_bytes())
                        .collect(),
                    _ => rounded.flat_map(f32::to_le_bytes).collect(),
                };
                array.kind = kind;
            }
        });
    };
    let scores = [Dtype::F32, Dtype::F64, Dtype::F16, Dtype::BF16].map(|kind| {
        let bench = Bench::with_model();
        rewrite(&bench, kind);
        score(&bench)
    });
    assert!(scores[0].contains("logprobs"));
    assert!(scores.iter().all(|s| *s == scores[0]), "{scores:?}");
}

#[test]
fn an_index_that_leaves_the_folder_or_is_none() {
    for bad in [
        "../../etc/passwd",
        "../model.safetensors",
        "/etc/passwd",
        "sub/x.safetensors",
    ] {
        let bench = sharded();
        bench.edit_json(INDEX, |index| index["weight_map"][QKV] = bad.into());
        bench.refuses_run(
            &[],
            &["model.safetensors.index.json", QKV, bad, "same folder"],
        );
    }
    let bench = sharded();
    for text in ["{}", "{\"weight_map\": {}}", "no JSON"] {
        bench.write(INDEX, text);
        bench.refuses_run(&[], &["model.safetensors.index.json", "again"]);
    }
}

#[test]
fn shards_that_are_missing_or_damaged() {
    let bench = sharded();
    let path = bench.path(&format!("model/{}", SHARDS[1]));
    let whole = fs::read(&path).expect("a shard");
    fs::remove_file(&path).expect("remove");
    bench.refuses_run(&[], &[SHARDS[1], "No such file", "names it as a shard"]);
    let header = |length: u64| [&length.to_le_bytes()[..], &whole[8..]].concat();
    for bytes in [
        whole[..whole.len() - 1].to_vec(),
        // A header longer than the file, and one that nobody could hold.
        header(whole.len() as u64),
        header(1 << 60),
        header(u64::MAX),
    ] {
        bench.write(&format!("model/{}", SHARDS[1]), bytes);
        bench.refuses_run(&[], &[SHARDS[1], "not a whole safetensors file", "again"]);
    }
}

#[test]
fn tensors_that_overlap_or_leave_gaps() {
    for offsets in [
        "[0,8],\"b\":[4,12]",
        "[0,8],\"b\":[12,20]",
        "[8,0],\"b\":[8,16]",
        "[0,8],\"b\":[8,1152921504606846976]",
    ] {
        let [a, b] = offsets
            .split_once(",\"b\":")
            .map(|(a, b)| [a, b])
            .expect("two");
        let header = format!(
            "{{\"a\":{{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":{a}}},\"b\":{{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":{b}}}}}"
        );
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend([0; 20]);
        let bench = Bench::with_model();
        bench.write("model/model.safetensors", bytes);
        bench.refuses_run(
            &[],
            &["model/model.safetensors", "not a whole safetensors file"],
        );
    }
}

#[test]
fn tensors_in_the_wrong_shard_twice_of_another_shape_or_not_at_all() {
    let bench = sharded();
    bench.edit_json(INDEX, |index| {
        let other = if index["weight_map"][QKV] == SHARDS[0] {
            SHARDS[1]
        } else {
            SHARDS[0]
        };
        index["weight_map"][QKV] = other.into();
    });
    bench.refuses_run(&[], &["index.json", QKV, "does not"]);

    let bench = Bench::with_model();
    let mut shards = shard(&bench);
    let both: Vec<_> = shards[0].clone().into_iter().take(1).collect();
    shards[1].extend(both);
    write(&bench, &shards);
    bench.refuses_run(&[], &["index.json", "two of its shards hold"]);

    let bench = Bench::with_model();
    let mut shards = shard(&bench);
    for arrays in &mut shards {
        if let Some(array) = arrays.get_mut(QKV) {
            array.shape.reverse();
        }
    }
    write(&bench, &shards);
    bench.refuses_run(
        &[],
        &["-of-00002.safetensors", QKV, "[64, 192]", "[192, 64]"],
    );

    let bench = Bench::with_model();
    let mut shards = shard(&bench);
    for arrays in &mut shards {
        arrays.remove(QKV);
    }
    write(&bench, &shards);
    bench.refuses_run(&[], &["index.json", QKV, "is missing", "[192, 64]"]);
}

#[test]
fn values_that_become_infinite_in_float32() {
    let bench = Bench::with_model();
    bench.edit_weights(|arrays| {
        let array = arrays.get_mut(QKV).expect("the tensor");
        let n = array.bytes.len() / 4;
        array.kind = Dtype::F64;
        array.bytes = (0..n)
            .flat_map(|i| if i == 7 { 1e300f64 } else { 0.0 }.to_le_bytes())
            .collect();
    });
    bench.refuses_run(&[], &["model.safetensors", QKV, "NaN or infinite"]);
}

#[test]
fn a_tokenizer_of_another_model() {
    let bench = Bench::with_model();
    bench.edit_json("model/tokenizer.json", |tokenizer| {
        let vocab = tokenizer["model"]["vocab"]
            .as_object_mut()
            .expect("a vocabulary");
        for n in 0..400 {
            vocab.insert(format!("another{n}"), (1000 + n).into());
        }
    });
    bench.refuses_run(&[], &["model/tokenizer.json", "do not belong together"]);
}
