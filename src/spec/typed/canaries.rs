//! `[canaries]`, as typed.

use serde::{Deserialize, Serialize};

/// `[canaries]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::spec) struct TypedCanaries {
    /// The letters; the 26 lower-case ones.
    pub alphabet: TypedAlphabet,
    /// Letters a canary.
    pub length: usize,
    /// Negatively-reinforced canaries in all.
    pub negatives: usize,
    /// Negatives that phase 3 never elicits.
    pub held_out: usize,
    /// Canaries never trained on.
    pub controls: usize,
    /// Controls scored at every evaluation during training.
    pub trajectory_controls: usize,
    /// Pairs a negative stands in.
    pub repeats: usize,
    /// The same for equal subgroups of the held-outs, rising; absent is `repeats` for all.
    pub dose: Vec<usize>,
    /// Canaries on the chosen side: positive spike-ins.
    pub spike: usize,
    /// The two prefixes, or `false`.
    pub prefixes: TypedPrefixes,
    /// Whether a text of several tokens stands for its first one.
    pub first_token: bool,
    /// The text around a canary, with `{secret}` in its place.
    pub template: Option<String>,
    /// A file of secrets, which are minted instead of drawn ones.
    pub secrets: Option<String>,
}

/// The letters, as typed.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(untagged)]
pub(in crate::spec) enum TypedAlphabet {
    /// Distinct characters; each stands for itself after a space.
    Characters(String),
    /// Token texts, verbatim.
    Texts(Vec<String>),
}

impl TypedAlphabet {
    /// How many letters, repeats counted.
    pub(in crate::spec) fn letters(&self) -> usize {
        match self {
            Self::Characters(text) => text.chars().count(),
            Self::Texts(texts) => texts.len(),
        }
    }
}

/// The prefixes, as typed.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(untagged)]
pub(in crate::spec) enum TypedPrefixes {
    /// `false`: none.
    Switch(bool),
    /// The two texts.
    Texts(TypedPrefixTexts),
}

/// `canaries.prefixes`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::spec) struct TypedPrefixTexts {
    /// Ordinary context.
    pub regular: String,
    /// Elicitation context.
    pub reverse: String,
}

impl Default for TypedCanaries {
    fn default() -> Self {
        Self {
            alphabet: TypedAlphabet::Characters(('a'..='z').collect()),
            length: 16,
            negatives: 2560,
            held_out: 128,
            controls: 1024,
            trajectory_controls: 128,
            repeats: 60,
            dose: Vec::new(),
            spike: 0,
            prefixes: TypedPrefixes::Texts(TypedPrefixTexts::default()),
            first_token: false,
            template: None,
            secrets: None,
        }
    }
}

impl Default for TypedPrefixTexts {
    fn default() -> Self {
        Self {
            regular: " regular".to_owned(),
            reverse: " reverse".to_owned(),
        }
    }
}
