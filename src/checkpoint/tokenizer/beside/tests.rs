//! Folders with settings beside their tokenizer, against what transformers reads in them.

use std::fs;

use serde_json::json;

use super::*;
use crate::checkpoint::Tokenizer;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/tokenizers");

/// A folder with the fixture's tokenizer, changed, and files beside it.
fn folder(changes: &Value, files: &Value) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(format!("{FIXTURES}/tokenizer.json")).unwrap();
    let mut tokenizer: Map<String, Value> = serde_json::from_str(&text).unwrap();
    tokenizer.extend(changes.as_object().unwrap().clone());
    let tokenizer = serde_json::to_string(&tokenizer).unwrap();
    fs::write(folder.path().join(TOKENIZER), tokenizer).unwrap();
    for (name, content) in files.as_object().unwrap() {
        fs::write(folder.path().join(name), content.to_string()).unwrap();
    }
    folder
}

fn open(folder: &tempfile::TempDir) -> Result<Tokenizer, String> {
    Tokenizer::open(&folder.path().join(TOKENIZER), 512).map_err(|e| e.to_string())
}

fn read(tokenizer: &Tokenizer, texts: &Value) -> Value {
    let texts = texts.as_array().unwrap().iter();
    let tokens = texts.map(|text| tokenizer.encode_whole(text.as_str().unwrap()).unwrap());
    tokens
        .map(|ids| json!(ids.iter().map(|id| id.0).collect::<Vec<_>>()))
        .collect()
}

#[test]
fn folders_are_read_as_transformers_4_reads_them() {
    let cases = fs::read_to_string(format!("{FIXTURES}/cases.jsonl")).unwrap();
    let mut differ = 0;
    for case in cases.lines() {
        let case: Value = serde_json::from_str(case).unwrap();
        let tokenizer = open(&folder(&case["changes"], &case["files"])).unwrap();
        assert_eq!(
            read(&tokenizer, &case["texts"]),
            case["tokens"],
            "{}",
            case["name"]
        );
        differ += usize::from(case["tokens"] != case["five"]);
        // Whoever sees nothing said may take either version.
        let same = case["tokens"] == case["five"];
        assert!(
            same || tokenizer.note().is_some() || builds_its_own(&case),
            "{}",
            case["name"]
        );
    }
    assert!(cases.lines().count() > 25 && differ > 5);
}

/// Classes whose vocabulary transformers 5 takes out of the file and puts together in its own way.
fn builds_its_own(case: &Value) -> bool {
    let class = case["files"][TOKENIZER_CONFIG]["tokenizer_class"].as_str();
    class.is_some_and(|class| class.starts_with("CodeLlama") || class.starts_with("Gemma"))
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let token = json!({"content": "<|tool|>", "special": true});
    let cases = [
        (json!({"added_tokens_decoder": {"400": token}}), "400"),
        (
            json!({"added_tokens_decoder": {"x": token}}),
            "added_tokens_decoder",
        ),
        (
            json!({"add_bos_token": "yes", "tokenizer_class": "LlamaTokenizer"}),
            "add_bos_token",
        ),
        (
            json!({"bos_token": null, "tokenizer_class": "LlamaTokenizer"}),
            "bos_token",
        ),
        (
            json!({"fast_tokenizer_files": ["tokenizer.json", "tokenizer.4.0.0.json"]}),
            "fast_tokenizer_files",
        ),
    ];
    for (config, word) in cases {
        let files = json!({ TOKENIZER_CONFIG: config });
        let refusal = open(&folder(&json!({}), &files)).unwrap_err();
        assert!(
            refusal.contains(word) && refusal.contains(TOKENIZER_CONFIG),
            "{refusal}"
        );
    }
}

#[test]
fn merges_are_never_left_out_by_chance() {
    let text = fs::read_to_string(format!("{FIXTURES}/tokenizer.json")).unwrap();
    let mut file: Value = serde_json::from_str(&text).unwrap();
    let whole = Tokenizer::parse(&file.to_string()).unwrap();
    file["model"]["dropout"] = json!(0.9);
    let odd = Tokenizer::parse(&file.to_string()).unwrap();
    let text = " regular the cat regular the cat";
    assert_eq!(odd.encode(text).unwrap(), whole.encode(text).unwrap());
}

#[test]
fn a_pointer_and_a_missing_file_name_the_mend() {
    let made = folder(&json!({}), &json!({}));
    let path = made.path().join(TOKENIZER);
    fs::write(
        &path,
        "version https://git-lfs.github.com/spec/v1\noid sha256:ab\n",
    )
    .unwrap();
    assert!(open(&made).unwrap_err().contains("git lfs pull"));
    fs::remove_file(&path).unwrap();
    assert!(open(&made).unwrap_err().contains("AutoTokenizer"));
}
