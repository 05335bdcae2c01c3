//! Tokenizers that do not have the letters.

use std::fs;

use serde_json::Value;

use crate::bench::Bench;

/// Lets the tokenizer of `model/` forget how some texts become one token.
fn without_merges(bench: &Bench, texts: &[[&str; 2]]) {
    bench.edit_json("model/tokenizer.json", |tokenizer| {
        let merges = tokenizer["model"]["merges"].as_array_mut().expect("merges");
        let before = merges.len();
        merges.retain(|merge| !texts.iter().any(|t| *merge == Value::from(t.to_vec())));
        assert_eq!(before - merges.len(), texts.len(), "all were there");
    });
}

fn vocabulary(bench: &Bench) -> Value {
    bench.json("model/tokenizer.json")["model"]["vocab"].take()
}

/// The identifier of a token, as messages print it.
fn token(bench: &Bench, text: &str) -> String {
    vocabulary(bench)[text].to_string()
}

#[test]
fn a_letter_of_two_tokens_is_refused_with_the_tokens() {
    let bench = Bench::with_model();
    without_merges(&bench, &[["Ġ", "c"]]);
    let tokens = format!(
        "2 tokens under this tokenizer ({}, {})",
        token(&bench, "Ġ"),
        token(&bench, "c")
    );
    bench.refuses_canaries(
        &[],
        &["letter \" c\" is", &tokens, "canaries.first_token = true"],
    );
}

#[cfg(feature = "torch")]
#[test]
fn a_letter_of_two_tokens_stands_for_its_first_where_that_is_allowed() {
    let bench = Bench::with_model();
    without_merges(&bench, &[["Ġ", "c"]]);
    bench.finish("out", &["--set", "canaries.first_token=true"]);
    let space = vocabulary(&bench)["Ġ"].clone();
    let canaries = bench.read("out/seed-0/canaries.jsonl");
    let mut seen = 0;
    for line in canaries.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let text = line["text"].as_str().expect("a text");
        let tokens = line["tokens"].as_array().expect("tokens");
        for (letter, token) in text.split(' ').skip(1).zip(tokens) {
            assert_eq!(letter == "c", *token == space, "{line}");
            seen += usize::from(letter == "c");
        }
    }
    assert!(seen > 0, "no canary has the letter");
}

#[test]
fn two_letters_with_one_first_token_are_refused() {
    let bench = Bench::with_model();
    without_merges(&bench, &[["Ġ", "c"], ["Ġ", "x"]]);
    let shared = format!("the same token {}", token(&bench, "Ġ"));
    bench.refuses_canaries(
        &["--set", "canaries.first_token=true"],
        &["\" c\" and \" x\"", &shared, "canaries.alphabet"],
    );
}

#[test]
fn a_prefix_of_several_tokens_is_refused_with_the_tokens() {
    let bench = Bench::with_model();
    let [o, k] = ["Ġo", "k"].map(|text| token(&bench, text));
    bench.refuses_canaries(
        &["--set", "canaries.prefixes.regular=' ok'"],
        &[
            "prefix \" ok\" is 2 tokens",
            &format!("({o}, {k})"),
            "canaries.first_token",
        ],
    );
    // Two prefixes that begin alike are one prefix, and then nothing is elicited.
    bench.refuses_canaries(
        &[
            "--set",
            "canaries.first_token=true",
            "--set",
            "canaries.prefixes={ regular = ' ok', reverse = ' on' }",
        ],
        &[
            "\" ok\" and \" on\"",
            &format!("the same token {o}"),
            "canaries.prefixes",
        ],
    );
}

#[test]
fn a_tokenizer_that_is_missing_or_none() {
    let bench = Bench::with_model();
    let tokenizer = bench.read("model/tokenizer.json");
    fs::remove_file(bench.path("model/tokenizer.json")).expect("remove");
    bench.refuses_canaries(&[], &["model/tokenizer.json", "No such file"]);
    for text in ["", "{}", &tokenizer[..tokenizer.len() / 2]] {
        bench.write("model/tokenizer.json", text);
        bench.refuses_canaries(&[], &["model/tokenizer.json"]);
    }
}

#[test]
fn a_tokenizer_of_another_model() {
    let bench = Bench::with_model();
    bench.edit_json("model/tokenizer.json", |tokenizer| {
        tokenizer["model"]["vocab"]["Ġb"] = 5000.into();
    });
    bench.refuses_canaries(
        &[],
        &[
            "\" b\" is token 5000",
            "ends at 319",
            "tokenizer.json and config.json",
        ],
    );
}
