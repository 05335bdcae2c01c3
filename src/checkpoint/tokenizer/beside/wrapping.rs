//! What stands around every text: the classes that put it there themselves, and how a tokenizer is made to do it.

use serde_json::{Map, Value, json};
use tokenizers::PostProcessorWrapper;

use super::Crate;

/// A class of tokenizers that puts its own beginning and end around a text, whatever `tokenizer.json` says.
pub(super) struct Wrapping {
    /// Names of it, without `Fast`.
    pub(super) names: &'static [&'static str],
    /// Whether a beginning is put where no key says so.
    pub(super) begins: bool,
    /// Beginning and end where the keys name none.
    pub(super) tokens: [&'static str; 2],
}

pub(super) const WRAPPING: [Wrapping; 4] = [
    Wrapping {
        names: &["LlamaTokenizer", "CodeLlamaTokenizer"],
        begins: true,
        tokens: ["<s>", "</s>"],
    },
    Wrapping {
        names: &["GemmaTokenizer"],
        begins: true,
        tokens: ["<bos>", "<eos>"],
    },
    Wrapping {
        names: &["CohereTokenizer"],
        begins: true,
        tokens: ["<BOS_TOKEN>", "<|END_OF_TURN_TOKEN|>"],
    },
    Wrapping {
        names: &["GPTNeoXTokenizer"],
        begins: false,
        tokens: ["<|endoftext|>", "<|endoftext|>"],
    },
];

/// What puts two tokens, or none, around a text.
pub(super) fn template(
    around: &[Option<(String, u32)>; 2],
) -> Result<PostProcessorWrapper, String> {
    let piece = |token: &Option<(String, u32)>, of: u32| {
        let (text, _) = token.as_ref()?;
        Some(json!({"SpecialToken": {"id": text, "type_id": of}}))
    };
    let text = |id: &str, of: u32| Some(json!({"Sequence": {"id": id, "type_id": of}}));
    let [begin, end] = around;
    let single = [piece(begin, 0), text("A", 0), piece(end, 0)];
    let second = [piece(begin, 1), text("B", 1), piece(end, 1)];
    let pair: Vec<_> = single.iter().chain(&second).flatten().collect();
    let special: Map<String, Value> = around
        .iter()
        .flatten()
        .map(|(text, number)| {
            let token = json!({"id": text, "ids": [number], "tokens": [text]});
            (text.clone(), token)
        })
        .collect();
    let single: Vec<_> = single.iter().flatten().collect();
    let template = json!({
        "type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special,
    });
    serde_json::from_value(template).map_err(|e| e.to_string())
}

/// The tokens that stand around any text, for people; `None` where a tokenizer does not know the text that is tried.
pub(super) fn around(tokenizer: &Crate) -> Option<String> {
    let ids = |special| {
        let encoding = tokenizer.encode("a", special).ok()?;
        Some(encoding.get_ids().to_vec())
    };
    let (own, whole) = (ids(false)?, ids(true)?);
    let [before, after] = super::super::around(&own, &whole);
    let words = |ids: &[u32]| ids.iter().map(u32::to_string).collect::<Vec<_>>();
    let all = [words(before), vec!["…".to_owned()], words(after)];
    Some(all.concat().join(" "))
}
