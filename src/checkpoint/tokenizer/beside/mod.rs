//! What stands beside `tokenizer.json` and changes tokens: `tokenizer_config.json`, `special_tokens_map.json` and
//! `added_tokens.json`, as transformers 4.57 reads them. Guide: models, "Tokenizers".

mod wrapping;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};
use tokenizers::{AddedToken, PreTokenizerWrapper};

use crate::bounded;
use crate::checkpoint::config::without_infinities;
use crate::checkpoint::files::{ADDED_TOKENS, CONFIG, SPECIAL_TOKENS, TOKENIZER, TOKENIZER_CONFIG};

use wrapping::{WRAPPING, Wrapping, around, template};

type Crate = tokenizers::Tokenizer;

/// Keys that name one special token.
const NAMED: [&str; 7] = [
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
];

/// Keys that hold several.
const LISTED: [&str; 2] = ["additional_special_tokens", "extra_special_tokens"];

/// The settings of a tokenizer's folder; empty where it has no `tokenizer_config.json`.
#[derive(Debug, Default)]
pub(super) struct Beside {
    is_there: bool,
    keys: Map<String, Value>,
    /// The class, without `Fast`.
    class: String,
    /// Tokens beside the vocabulary and the number each is said to have.
    added: BTreeMap<u32, AddedToken>,
}

impl Beside {
    /// Reads what stands in a folder. Errors: the file and what is wrong with it.
    pub(super) fn read(folder: &Path) -> Result<Self, String> {
        let Some(mut keys) = table(folder, TOKENIZER_CONFIG)? else {
            return Ok(Self::default());
        };
        let versions = keys.get("fast_tokenizer_files").and_then(Value::as_array);
        if versions.is_some_and(|files| files.len() > 1) {
            return Err(refused(
                "fast_tokenizer_files",
                "it names a tokenizer.json for each version of transformers; leave the one that is meant, as tokenizer.json",
            ));
        }
        let mut added = BTreeMap::new();
        if let Some(declared) = keys.remove("added_tokens_decoder") {
            let declared = declared
                .as_object()
                .ok_or_else(|| refused("added_tokens_decoder", "it is no table"))?;
            for (number, token) in declared {
                let number: u32 = number
                    .parse()
                    .map_err(|_| refused("added_tokens_decoder", "a key is no number"))?;
                let token = token_of(token)
                    .ok_or_else(|| refused("added_tokens_decoder", "a value is no token"))?;
                added.insert(number, token);
            }
        } else {
            // As older folders say it.
            for (key, value) in table(folder, SPECIAL_TOKENS)?.unwrap_or_default() {
                match (keys.get_mut(&key), value) {
                    (Some(Value::Array(list)), Value::Array(more)) => list.extend(more),
                    (_, value) => drop(keys.insert(key, value)),
                }
            }
            for (text, number) in table(folder, ADDED_TOKENS)?.unwrap_or_default() {
                let number = number.as_u64().and_then(|n| u32::try_from(n).ok());
                let number =
                    number.ok_or_else(|| format!("{ADDED_TOKENS}: a value is no number"))?;
                let special = named(&keys).iter().any(|token| token.content == text);
                added.insert(number, AddedToken::from(text, special));
            }
        }
        let class = class(folder, &keys)?;
        Ok(Self {
            is_there: true,
            keys,
            class,
            added,
        })
    }

    /// Makes a tokenizer what the folder says it is. Gives a word for the user where the two versions of transformers differ.
    pub(super) fn apply(&self, tokenizer: &mut Crate) -> Result<Option<String>, String> {
        if !self.is_there {
            return Ok(None);
        }
        let alone = around(tokenizer);
        self.add_tokens(tokenizer)?;
        let spaced = self.set_prefix_space(tokenizer)?;
        if self.flag("split_special_tokens")? == Some(true) {
            tokenizer.set_encode_special_tokens(true);
        }
        self.wrap(tokenizer)?;
        let whole = around(tokenizer);
        let (Some(alone), Some(whole)) = (alone, whole) else {
            return Ok(None);
        };
        Ok((alone != whole || spaced).then(|| {
            format!(
                "warning: {TOKENIZER_CONFIG} ({}) changes how a text begins or ends: {whole}, with \"…\" for the text, as in transformers 4, where \
                 {TOKENIZER} alone says {alone}, by which transformers 5 goes for some classes. Train and serve with one of them",
                if self.class.is_empty() { "no class" } else { &self.class }
            )
        }))
    }

    /// Tokens that are no part of `tokenizer.json`, in the order of their numbers, then special tokens that are none yet.
    fn add_tokens(&self, tokenizer: &mut Crate) -> Result<(), String> {
        let known = |tokenizer: &Crate| -> Vec<AddedToken> {
            let all = tokenizer.get_added_tokens_decoder();
            all.into_values().collect()
        };
        let before = known(tokenizer);
        let missing: Vec<_> = self
            .added
            .values()
            .filter(|t| !before.contains(t))
            .collect();
        tokenizer
            .add_tokens(missing.into_iter().cloned())
            .map_err(|e| e.to_string())?;
        for (number, token) in &self.added {
            let found = tokenizer.token_to_id(&token.content);
            if found != Some(*number) {
                let found = found.map_or("none".to_owned(), |n| n.to_string());
                return Err(refused(
                    "added_tokens_decoder",
                    &format!(
                        "the token of number {number} has the number {found} beside {TOKENIZER}; take both files from one checkpoint"
                    ),
                ));
            }
        }
        let texts: Vec<String> = known(tokenizer).into_iter().map(|t| t.content).collect();
        let special = named(&self.keys).into_iter();
        let special = special.filter(|t| !texts.contains(&t.content) && !t.content.is_empty());
        tokenizer
            .add_tokens(special)
            .map_err(|e| e.to_string())
            .map(drop)
    }

    /// A class that is not Llama's decides whether a space stands before a text, where the pieces are bytes.
    /// Gives whether that changes what `tokenizer.json` says.
    fn set_prefix_space(&self, tokenizer: &mut Crate) -> Result<bool, String> {
        let wanted = self.flag("add_prefix_space")?.unwrap_or(false);
        if self.class == "LlamaTokenizer" {
            return Ok(false);
        }
        if let Some(PreTokenizerWrapper::ByteLevel(bytes)) = tokenizer.get_pre_tokenizer() {
            let mut bytes = *bytes;
            let said = std::mem::replace(&mut bytes.add_prefix_space, wanted);
            tokenizer.with_pre_tokenizer(Some(bytes));
            return Ok(said != wanted);
        }
        Ok(false)
    }

    /// Puts beginning and end around texts as the class does.
    fn wrap(&self, tokenizer: &mut Crate) -> Result<(), String> {
        let by_class = |w: &&Wrapping| w.names.contains(&self.class.as_str());
        let Some(class) = WRAPPING.iter().find(by_class) else {
            return Ok(());
        };
        let [begin, end] = class.tokens;
        let wanted = [
            ("add_bos_token", "bos_token", class.begins, begin),
            ("add_eos_token", "eos_token", false, end),
        ];
        let mut around = [None, None];
        for (place, (switch, key, otherwise, default)) in around.iter_mut().zip(wanted) {
            if !self.flag(switch)?.unwrap_or(otherwise) {
                continue;
            }
            let text = match self.keys.get(key) {
                None => default.to_owned(),
                Some(value) => token_of(value).map(|t| t.content).ok_or_else(|| {
                    refused(switch, &format!("it is true, and {key} names no token"))
                })?,
            };
            let number = tokenizer.token_to_id(&text).ok_or_else(|| {
                refused(
                    key,
                    "it is no token of the vocabulary, and would stand in every text",
                )
            })?;
            *place = Some((text, number));
        }
        tokenizer.with_post_processor(Some(template(&around)?));
        Ok(())
    }

    fn flag(&self, key: &str) -> Result<Option<bool>, String> {
        match self.keys.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(refused(key, "it is neither true nor false")),
        }
    }
}

fn refused(key: &str, what: &str) -> String {
    format!("{TOKENIZER_CONFIG}, {key}: {what}")
}

/// A table of a file in a folder; `None` where there is no such file.
pub(super) fn table(folder: &Path, name: &str) -> Result<Option<Map<String, Value>>, String> {
    let path = folder.join(name);
    if !path.exists() {
        return Ok(None);
    }
    let text = bounded::read_text(&path, bounded::CONFIG).map_err(|e| format!("{name}: {e}"))?;
    let table =
        serde_json::from_str(&without_infinities(&text)).map_err(|e| format!("{name}: {e}"))?;
    Ok(Some(table))
}

/// The class that transformers would take: what the settings say, or the model's config, or what its architecture is given.
fn class(folder: &Path, keys: &Map<String, Value>) -> Result<String, String> {
    let text = |table: &Map<String, Value>, key: &str| {
        table.get(key).and_then(Value::as_str).map(str::to_owned)
    };
    let mut class = text(keys, "tokenizer_class");
    if class.is_none() {
        let config = table(folder, CONFIG)?.unwrap_or_default();
        class = text(&config, "tokenizer_class").or_else(|| {
            match text(&config, "model_type")?.as_str() {
                "llama" | "mistral" => Some("LlamaTokenizer".to_owned()),
                "gpt_neox" => Some("GPTNeoXTokenizer".to_owned()),
                _ => None,
            }
        });
    }
    let class = class.unwrap_or_default();
    Ok(class.strip_suffix("Fast").unwrap_or(&class).to_owned())
}

/// A token as text or as a table of its settings.
fn token_of(value: &Value) -> Option<AddedToken> {
    let flag = |key: &str| value.get(key).and_then(Value::as_bool);
    match value {
        Value::String(text) => Some(AddedToken::from(text.clone(), true)),
        Value::Object(map) => {
            let special = flag("special").unwrap_or(false);
            Some(AddedToken {
                content: map.get("content")?.as_str()?.to_owned(),
                single_word: flag("single_word").unwrap_or(false),
                lstrip: flag("lstrip").unwrap_or(false),
                rstrip: flag("rstrip").unwrap_or(false),
                normalized: flag("normalized").unwrap_or(!special),
                special,
            })
        }
        _ => None,
    }
}

/// The texts of the special tokens that settings name, by key.
pub(super) fn special_tokens(keys: &Map<String, Value>) -> BTreeMap<String, String> {
    let text = |key: &&str| {
        let token = token_of(keys.get(*key)?)?;
        Some(((*key).to_owned(), token.content))
    };
    NAMED.iter().filter_map(text).collect()
}

/// The special tokens that the keys name.
fn named(keys: &Map<String, Value>) -> Vec<AddedToken> {
    let one = NAMED.iter().filter_map(|key| keys.get(*key));
    let many = LISTED
        .iter()
        .filter_map(|key| keys.get(*key))
        .flat_map(|value| {
            let list = value.as_array().into_iter().flatten();
            list.chain(value.as_object().into_iter().flat_map(Map::values))
        });
    let special = |value| {
        token_of(value).map(|token| AddedToken {
            special: true,
            ..token
        })
    };
    one.chain(many).filter_map(special).collect()
}

#[cfg(test)]
mod tests;
