//! `unsaid score` for text: special tokens, order, batches, long lines.

use serde_json::{Value, json};

use crate::bench::Bench;

fn scored(bench: &Bench, lines: &[Value], more: &[&str]) -> Vec<Value> {
    let mut text = lines
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n");
    text.push('\n');
    bench.write("in.jsonl", text);
    let mut arguments = vec!["score", "--model", "model", "--device", "cpu", "in.jsonl"];
    arguments.extend(more);
    let outcome = bench.call(&arguments).ended(0);
    let lines = outcome.stdout.lines().map(serde_json::from_str);
    lines.map(|line| line.expect("JSON")).collect()
}

fn logprobs(line: &Value) -> Vec<f64> {
    let all = line["logprobs"].as_array().expect("log-probabilities");
    all.iter().map(|p| p.as_f64().expect("a number")).collect()
}

/// A tokenizer that puts a beginning of sequence before every text.
fn with_beginning(bench: &Bench) {
    bench.edit_json("model/tokenizer.json", |tokenizer| {
        tokenizer["post_processor"] = json!({
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [0], "tokens": ["<|endoftext|>"]}},
        });
    });
}

#[test]
fn text_gets_the_special_tokens_of_its_own_tokenizer_unless_told_otherwise() {
    let bench = Bench::with_model();
    let text = json!({"text": " a b c"});
    let plain = scored(&bench, std::slice::from_ref(&text), &[]);
    with_beginning(&bench);
    let whole = scored(&bench, std::slice::from_ref(&text), &[]);
    let without = scored(
        &bench,
        std::slice::from_ref(&text),
        &["--no-special-tokens"],
    );
    assert_eq!(plain, without);
    let tokens = plain[0]["tokens"].as_array().expect("tokens").clone();
    assert_eq!(tokens.len(), 3);
    let all: Vec<Value> = [vec![json!(0)], tokens].concat();
    assert_eq!(whole[0]["tokens"], Value::from(all.clone()));
    // The first letter is scored now, and all are as they are when the same tokens are given.
    assert_eq!(logprobs(&whole[0]).len(), 3);
    let given = scored(&bench, &[json!({"tokens": all})], &[]);
    assert_eq!(given[0]["logprobs"], whole[0]["logprobs"]);
    // One letter alone has something before it now.
    assert_eq!(
        logprobs(&scored(&bench, &[json!({"text": " a"})], &[])[0]).len(),
        1
    );
}

#[test]
fn lines_of_all_lengths_keep_their_order_and_score_as_each_alone() {
    let bench = Bench::with_model();
    let letters = ["a", "b", "c", "d", "e", "f", "g"];
    let lines: Vec<Value> = (0..23)
        .map(|i| {
            let length = 2 + (i * 5) % 7;
            let words: Vec<&str> = (0..length).map(|k| letters[(i + k) % 7]).collect();
            let text = format!(" {}", words.join(" "));
            json!({"id": i, "text": text})
        })
        .collect();
    let together = scored(&bench, &lines, &[]);
    assert_eq!(together.len(), lines.len());
    for (asked, got) in lines.iter().zip(&together) {
        assert_eq!((&got["id"], &got["text"]), (&asked["id"], &asked["text"]));
        let alone = scored(&bench, std::slice::from_ref(asked), &[]);
        for (a, b) in logprobs(got).iter().zip(logprobs(&alone[0])) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }
}

#[test]
fn long_lines_are_refused_or_cut_with_a_warning() {
    let bench = Bench::with_model();
    bench.edit_json("model/config.json", |config| {
        config["max_position_embeddings"] = json!(4);
    });
    let (short, long) = (json!({"text": " a b c"}), json!({"text": " a b c d e f g"}));
    bench.write("in.jsonl", format!("{short}\n{long}\n"));
    let score = ["score", "--model", "model", "--device", "cpu", "in.jsonl"];
    bench.refuses(&score, &["line 2", "7 tokens", "context ends at 4", "cut"]);
    let lines = scored(&bench, &[short.clone(), long], &["--long", "cut"]);
    assert_eq!(lines[0], scored(&bench, &[short], &[])[0]);
    assert!(lines[0].get("cut_from").is_none());
    assert_eq!(lines[1]["cut_from"], 7);
    // Four places of context score five tokens, the last of which is only scored.
    assert_eq!(lines[1]["tokens"].as_array().map(Vec::len), Some(5));
    let whole = scored(&bench, &[json!({"text": " a b c d e"})], &[]);
    assert_eq!(lines[1]["logprobs"], whole[0]["logprobs"]);
    bench.write("in.jsonl", "{\"text\": \" a b c d e f g\"}\n");
    let outcome = bench
        .call(&[&score[..], &["--long", "cut"]].concat())
        .ended(0);
    assert!(
        outcome
            .stderr
            .contains("1 line(s) were cut to the first 5 tokens"),
        "{outcome:?}"
    );
    // Given tokens are cut alike; with a reference of a shorter context, to that.
    let tokens = scored(
        &bench,
        &[json!({"tokens": [260, 257, 258, 259, 260, 261]})],
        &["--long", "cut"],
    );
    assert_eq!(
        (
            &tokens[0]["cut_from"],
            tokens[0]["logprobs"].as_array().map(Vec::len)
        ),
        (&json!(6), Some(4))
    );
}
