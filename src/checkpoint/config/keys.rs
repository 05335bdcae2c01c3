//! The keys of `config.json`, each read with its type and its range.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::ConfigError;

/// A config's keys and where they stand. `null` is as absent.
#[derive(Debug)]
pub(in crate::checkpoint) struct Keys {
    path: PathBuf,
    map: Map<String, Value>,
}

impl Keys {
    pub(in crate::checkpoint) fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        match serde_json::from_str(&without_infinities(text)) {
            Ok(map) => Ok(Self {
                path: path.to_owned(),
                map,
            }),
            Err(e) => Err(ConfigError::Unreadable {
                path: path.to_owned(),
                message: e.to_string(),
            }),
        }
    }

    /// A table within.
    pub(in crate::checkpoint) fn table(
        &self,
        key: &'static str,
    ) -> Result<Option<Self>, ConfigError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Self {
                path: self.path.clone(),
                map: map.clone(),
            })),
            Some(other) => Err(self.mistyped(key, other, "a table")),
        }
    }

    /// These keys, with a table that holds one table a kind replaced by that of one kind. Errors: it is there and has none for it.
    pub(super) fn within(&self, key: &'static str, kind: &str) -> Result<Self, ConfigError> {
        let mut map = self.map.clone();
        if let Some(nested) = self.table(key)? {
            let Some(own) = nested.get(kind) else {
                return Err(self.missing(&format!("{key}.{kind}")));
            };
            map.insert(key.to_owned(), own.clone());
        }
        Ok(Self {
            path: self.path.clone(),
            map,
        })
    }

    /// These keys but some.
    pub(super) fn without(mut self, keys: &[&str]) -> Self {
        for key in keys {
            self.map.remove(*key);
        }
        self
    }

    /// A list of positive numbers.
    pub(super) fn optional_numbers(
        &self,
        key: &'static str,
    ) -> Result<Option<Vec<f64>>, ConfigError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let number = |v: &Value| v.as_f64().filter(|n| *n > 0.0);
        let all = value.as_array().map(|all| all.iter().map(number).collect());
        match all.flatten() {
            Some(numbers) => Ok(Some(numbers)),
            None => Err(self.mistyped(key, value, "a list of positive numbers")),
        }
    }

    pub(in crate::checkpoint) fn get(&self, key: &str) -> Option<&Value> {
        self.map.get(key).filter(|v| !v.is_null())
    }

    /// The names of all keys.
    pub(in crate::checkpoint) fn names(&self) -> impl Iterator<Item = &str> {
        self.map.keys().map(String::as_str)
    }

    /// Whether the key stands there, be it as `null`.
    pub(super) fn says(&self, key: &str) -> bool {
        self.map.contains_key(key)
    }

    pub(in crate::checkpoint) fn unsupported(
        &self,
        key: &'static str,
        found: impl Into<String>,
        supported: impl Into<String>,
    ) -> ConfigError {
        ConfigError::Unsupported {
            path: self.path.clone(),
            key,
            found: found.into(),
            supported: supported.into(),
        }
    }

    pub(super) fn missing(&self, key: &str) -> ConfigError {
        ConfigError::Unreadable {
            path: self.path.clone(),
            message: format!("{key} is missing"),
        }
    }

    fn mistyped(&self, key: &str, found: &Value, wanted: &str) -> ConfigError {
        ConfigError::Unreadable {
            path: self.path.clone(),
            message: format!("{key} is {found}, not {wanted}"),
        }
    }

    /// A count from 1 to 2 to the power of `bits`.
    pub(super) fn optional_count(
        &self,
        key: &'static str,
        bits: u32,
    ) -> Result<Option<usize>, ConfigError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let most = 1_u64 << bits;
        match value.as_u64() {
            None => Err(self.mistyped(key, value, "a whole number")),
            Some(n) if n == 0 || n > most => {
                Err(self.unsupported(key, n.to_string(), format!("allowed: 1 to {most}")))
            }
            Some(n) => Ok(usize::try_from(n).ok()),
        }
    }

    pub(in crate::checkpoint) fn count(
        &self,
        key: &'static str,
        bits: u32,
    ) -> Result<usize, ConfigError> {
        self.optional_count(key, bits)?
            .ok_or_else(|| self.missing(key))
    }

    pub(in crate::checkpoint) fn optional_number(
        &self,
        key: &str,
    ) -> Result<Option<f64>, ConfigError> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => match value.as_f64() {
                Some(number) => Ok(Some(number)),
                None => Err(self.mistyped(key, value, "a number")),
            },
        }
    }

    pub(in crate::checkpoint) fn number(
        &self,
        key: &str,
        otherwise: f64,
    ) -> Result<f64, ConfigError> {
        Ok(self.optional_number(key)?.unwrap_or(otherwise))
    }

    /// `number`, refused where it is no positive number.
    pub(in crate::checkpoint) fn positive(
        &self,
        key: &'static str,
        number: f64,
    ) -> Result<f64, ConfigError> {
        if number > 0.0 && number.is_finite() {
            return Ok(number);
        }
        Err(self.unsupported(key, number.to_string(), "allowed: a positive number"))
    }

    pub(in crate::checkpoint) fn flag(
        &self,
        key: &str,
        otherwise: bool,
    ) -> Result<bool, ConfigError> {
        match self.get(key) {
            None => Ok(otherwise),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.mistyped(key, other, "true or false")),
        }
    }

    pub(in crate::checkpoint) fn optional_text(
        &self,
        key: &str,
    ) -> Result<Option<&str>, ConfigError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.mistyped(key, other, "a text")),
        }
    }

    /// Refuses a text that is not as it must be, where it is there.
    pub(in crate::checkpoint) fn must_say(
        &self,
        key: &'static str,
        wanted: &str,
    ) -> Result<(), ConfigError> {
        match self.optional_text(key)? {
            Some(text) if text != wanted => {
                let supported = format!("supported: {wanted:?}");
                Err(self.unsupported(key, format!("{text:?}"), supported))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a flag that is not as it must be.
    pub(in crate::checkpoint) fn must_be(
        &self,
        key: &'static str,
        wanted: bool,
        why: &str,
    ) -> Result<(), ConfigError> {
        if self.flag(key, wanted)? == wanted {
            return Ok(());
        }
        let why = if why.is_empty() {
            String::new()
        } else {
            format!(" ({why})")
        };
        Err(self.unsupported(
            key,
            (!wanted).to_string(),
            format!("supported: {wanted}{why}"),
        ))
    }

    /// Refuses dropout where published checkpoints have none: who wrote a rate there wants it.
    pub(super) fn refuse_dropout(&self, keys: &[&'static str]) -> Result<(), ConfigError> {
        for key in keys {
            let rate = self.number(key, 0.0)?;
            if rate != 0.0 {
                return Err(self.unsupported(
                    key,
                    rate.to_string(),
                    "the recipe trains without dropout: set it to 0",
                ));
            }
        }
        Ok(())
    }

    pub(super) fn refuse_quantized(&self) -> Result<(), ConfigError> {
        match self.get("quantization_config") {
            None => Ok(()),
            Some(_) => Err(self.unsupported(
                "quantization_config",
                "…",
                "use a checkpoint in float32, float16 or bfloat16",
            )),
        }
    }
}

/// JSON as Python writes it, with `null` for `NaN` and `Infinity`, which are no JSON.
pub(in crate::checkpoint) fn without_infinities(text: &str) -> Cow<'_, str> {
    const WORDS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];
    if !WORDS.iter().any(|word| text.contains(word)) {
        return Cow::Borrowed(text);
    }
    let mut made = String::with_capacity(text.len());
    let (mut rest, mut in_text) = (text, false);
    while let Some(first) = rest.chars().next() {
        let word = WORDS
            .iter()
            .find(|word| !in_text && rest.starts_with(**word));
        let (piece, len) = match (word, first) {
            (Some(word), _) => ("null", word.len()),
            // An escaped character ends no text.
            (None, '\\') if in_text => {
                let len = 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
                (&rest[..len], len)
            }
            (None, first) => {
                in_text ^= first == '"';
                (&rest[..first.len_utf8()], first.len_utf8())
            }
        };
        made.push_str(piece);
        rest = &rest[len..];
    }
    Cow::Owned(made)
}

// A hundred times what any model has, and every count of parameters stays within 64 bits.
pub(super) const VOCABULARY_BITS: u32 = 24;
pub(super) const WIDTH_BITS: u32 = 20;
pub(super) const LAYERS_BITS: u32 = 12;
pub(super) const HEADS_BITS: u32 = 16;
pub(super) const INTERMEDIATE_BITS: u32 = 22;
pub(super) const POSITIONS_BITS: u32 = 24;
