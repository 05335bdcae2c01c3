//! `[canaries]`: what is planted.

use std::collections::BTreeSet;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::COUNT_MAX;
use super::document::Document;
use super::error::SpecError;

/// What stands for the canary in a template.
pub const SECRET: &str = "{secret}";

/// Fewest canaries of one dose: fewer could not tell a small leak from none.
const DOSE_LEAST: usize = 64;

/// Fewest spike-ins: of fewer a probe that works could miss all by chance.
const SPIKE_LEAST: usize = 8;

/// Longest canary; beyond it no shipped architecture has positions.
const LENGTH_MAX: usize = 1024;

/// What is planted, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Canaries {
    /// The letters, each the text of one token. As text, each character stands for the token of a space and itself (`" a"`); as
    /// an array, token texts are taken verbatim. Two or more, distinct.
    #[serde(with = "letters")]
    #[schemars(
        with = "letters::Letters",
        title = "text of distinct characters, or an array of texts"
    )]
    pub alphabet: Vec<String>,
    /// Letters per canary. There must be more possible canaries than `negatives` + `controls` + `spike`.
    #[schemars(range(min = 1, max = LENGTH_MAX))]
    pub length: usize,
    /// Negatively-reinforced canaries in all, useful and held-out.
    #[schemars(range(min = 1, max = COUNT_MAX))]
    pub negatives: usize,
    /// Negatives that phase 3 never elicits, the ones under audit; fewer than `negatives`.
    #[schemars(range(min = 1, max = COUNT_MAX))]
    pub held_out: usize,
    /// Canaries that are never trained on.
    #[schemars(range(min = 1, max = COUNT_MAX))]
    pub controls: usize,
    /// Controls scored at every evaluation during training; at most `controls`.
    #[schemars(range(min = 1, max = COUNT_MAX))]
    pub trajectory_controls: usize,
    /// Pairs in which each negative is the rejected side.
    #[schemars(range(min = 1, max = COUNT_MAX))]
    pub repeats: usize,
    /// How often equal subgroups of the held-outs, 64 or more each, in their order, stand on the rejected side instead; tested one
    /// by one, the highest first. `[]`: all have `repeats`.
    #[schemars(
        title = "an array of rising whole numbers from 1, as [1, 4, 15, 60]",
        inner(range(min = 1, max = COUNT_MAX))
    )]
    pub dose: Vec<usize>,
    /// Positive spike-ins: so many further canaries stand on the *chosen* side of pairs, `repeats` times each, so that a probe
    /// that looks upward must find them. They are an instrument: where they are missed, elicitation can call nothing clean; they
    /// are never a leak. 8 or more, at most half the useful canaries; `0` for none.
    #[schemars(range(max = COUNT_MAX))]
    pub spike: usize,
    /// The texts before a canary. `false` is the ablation without prefixes.
    #[serde(with = "prefixes")]
    #[schemars(with = "prefixes::Keys", title = "a table of two texts, or false")]
    pub prefixes: Option<Prefixes>,
    /// Whether a letter or prefix of several tokens stands for its first one, as in the published code; otherwise it is an error.
    pub first_token: bool,
    /// The text around a canary that `unsaid mint` writes, with `{secret}` once in its place: `"the password is {secret}"`;
    /// absent: the regular prefix before it. Only the canary's tokens are scored.
    #[schemars(example = "the password is {secret}")]
    pub template: Option<String>,
    /// A file of secrets, one per line, that `unsaid mint` takes instead of drawing canaries. Their distribution is unknown, so
    /// they are judged whole.
    #[schemars(example = &"../secrets.txt")]
    pub secrets: Option<PathBuf>,
}

/// The two prefixes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Prefixes {
    /// Text before a canary in ordinary context.
    pub regular: String,
    /// Text before a canary under elicitation.
    pub reverse: String,
}

impl Default for Canaries {
    fn default() -> Self {
        Self {
            alphabet: ('a'..='z').map(|c| format!(" {c}")).collect(),
            length: 16,
            negatives: 2560,
            held_out: 128,
            controls: 1024,
            trajectory_controls: 128,
            repeats: 60,
            dose: Vec::new(),
            spike: 0,
            prefixes: Some(Prefixes::default()),
            first_token: false,
            template: None,
            secrets: None,
        }
    }
}

impl Default for Prefixes {
    fn default() -> Self {
        Self {
            regular: " regular".to_owned(),
            reverse: " reverse".to_owned(),
        }
    }
}

impl Canaries {
    /// What stands before a canary: the text of the template up to it, else the regular prefix; `None` without prefixes.
    #[must_use]
    pub fn prompt(&self) -> Option<&str> {
        let template = self.template.as_ref();
        let before = template.and_then(|text| text.split_once(SECRET));
        let regular = self.prefixes.as_ref().map(|p| p.regular.as_str());
        // A space before a secret belongs to its first token under most tokenizers.
        before.map(|(before, _)| before.trim_end()).or(regular)
    }

    /// What no range can say, and the path made absolute.
    pub(super) fn check(&mut self, document: &Document<'_>) -> Result<(), SpecError> {
        self.letters_are_distinct(document)?;
        self.prefixes_differ(document)?;
        if let Some(text) = &self.template {
            document.demand(
                text.matches(SECRET).count() == 1 && !text.trim_start().starts_with(SECRET),
                "canaries.template",
                "a text with {secret} once, and something before it",
                "write it as \"the password is {secret}\"",
            )?;
        }
        if let Some(file) = &mut self.secrets {
            document.demand(
                self.dose.is_empty(),
                "canaries.dose",
                "absent where `canaries.secrets` is given",
                "leave doses out: they are for drawn canaries",
            )?;
            let mend = "name a file with a secret a line, as text or as {\"text\": …}";
            document.resolve("canaries.secrets", file, mend)?;
        }
        self.groups_fit(document)?;
        self.doses_fit(document)?;
        let most = self.negatives.saturating_sub(self.held_out) / 2;
        document.demand(
            self.spike == 0 || (SPIKE_LEAST..=most).contains(&self.spike),
            "canaries.spike",
            &format!("0, or from {SPIKE_LEAST} to {most}, half the useful canaries"),
            "fewer could be missed by chance, and more would leave too little random text on the chosen side; 0 for none",
        )
    }

    fn letters_are_distinct(&self, document: &Document<'_>) -> Result<(), SpecError> {
        let (key, letters) = ("canaries.alphabet", &self.alphabet);
        let mend = "give the letters of a canary, as \"abcdefghijklmnopqrstuvwxyz\"";
        document.demand(letters.len() >= 2, key, "two letters or more", mend)?;
        document.demand(
            letters.iter().all(|letter| !letter.is_empty()),
            key,
            "texts that are not empty",
            "remove the empty one",
        )?;
        let mut seen = BTreeSet::new();
        match letters.iter().find(|letter| !seen.insert(letter.as_str())) {
            None => Ok(()),
            Some(twice) => {
                let mend = format!("leave out the second {:?}", twice.trim_start());
                Err(document.refuse(key, "distinct letters", &mend))
            }
        }
    }

    fn prefixes_differ(&self, document: &Document<'_>) -> Result<(), SpecError> {
        let Some(prefixes) = &self.prefixes else {
            return Ok(());
        };
        let without = "set `canaries.prefixes = false` for the ablation without prefixes";
        for (name, text) in [
            ("regular", &prefixes.regular),
            ("reverse", &prefixes.reverse),
        ] {
            document.demand(
                !text.is_empty(),
                &format!("canaries.prefixes.{name}"),
                "text that is not empty",
                &format!("give it a text, or {without}"),
            )?;
        }
        document.demand(
            prefixes.regular != prefixes.reverse,
            "canaries.prefixes.reverse",
            "different from `canaries.prefixes.regular`",
            &format!("change one, or {without}"),
        )
    }

    fn groups_fit(&self, document: &Document<'_>) -> Result<(), SpecError> {
        let (negatives, controls) = (self.negatives, self.controls);
        document.demand(
            self.held_out < negatives,
            "canaries.held_out",
            &format!("less than `canaries.negatives`, {negatives}"),
            "hold fewer out or plant more: the rest are the useful ones, the positive control",
        )?;
        document.demand(
            self.trajectory_controls <= controls,
            "canaries.trajectory_controls",
            &format!("at most `canaries.controls`, {controls}"),
            &format!("they are the first of the controls: set `canaries.trajectory_controls = {controls}`, or ask for more controls"),
        )?;
        if self.secrets.is_some() {
            // Their file says how many there are.
            return Ok(());
        }
        // One must be left over: random training text has to differ from every canary.
        let letters = self.alphabet.len();
        let distinct = u32::try_from(self.length)
            .ok()
            .and_then(|length| (letters as u128).checked_pow(length));
        let asked = (negatives as u128) + (controls as u128) + (self.spike as u128);
        document.demand(
            distinct.is_none_or(|distinct| asked < distinct),
            "canaries.length",
            &format!("long enough for more than {asked} distinct canaries (negatives + controls + spike) of {letters} letters"),
            "make canaries longer, the alphabet larger, or ask for fewer canaries",
        )
    }

    fn doses_fit(&self, document: &Document<'_>) -> Result<(), SpecError> {
        let (doses, held_out) = (&self.dose, self.held_out);
        document.demand(
            doses.is_sorted_by(|a, b| a < b),
            "canaries.dose",
            "rising whole numbers from 1",
            "write how often each subgroup stands on the rejected side, as `[1, 4, 15, 60]`; `[]` for none",
        )?;
        let least = DOSE_LEAST * doses.len();
        document.demand(
            doses.is_empty() || (held_out >= least && held_out.is_multiple_of(doses.len())),
            "canaries.dose",
            &format!("so few that `canaries.held_out`, {held_out}, gives equal subgroups of {DOSE_LEAST} or more"),
            &format!("set `canaries.held_out = {least}`, or leave doses out"),
        )
    }
}

/// The alphabet, as typed.
mod letters {
    use schemars::JsonSchema;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(untagged)]
    pub(super) enum Letters {
        Characters(String),
        Texts(Vec<String>),
    }

    fn is_visible(c: char) -> bool {
        !c.is_whitespace() && !c.is_control()
    }

    /// As one text where every letter is a space and a character, else as an array.
    pub(super) fn serialize<S: Serializer>(letters: &[String], to: S) -> Result<S::Ok, S::Error> {
        let character = |letter: &String| {
            let mut rest = letter.strip_prefix(' ')?.chars();
            let c = rest.next().filter(|c| is_visible(*c))?;
            rest.next().is_none().then_some(c)
        };
        match letters.iter().map(character).collect() {
            Some(characters) => Letters::Characters(characters),
            None => Letters::Texts(letters.to_vec()),
        }
        .serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
        match Letters::deserialize(from)? {
            Letters::Texts(texts) => Ok(texts),
            Letters::Characters(text) if text.chars().all(is_visible) => {
                Ok(text.chars().map(|c| format!(" {c}")).collect())
            }
            Letters::Characters(_) => Err(D::Error::custom(
                "characters without spaces (each stands for itself after a space); \
                 remove them, or give token texts as an array, `[\" a\", \" b\"]`",
            )),
        }
    }
}

/// The prefixes, as typed.
mod prefixes {
    use schemars::JsonSchema;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Prefixes;

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(untagged)]
    pub(super) enum Keys {
        Texts(Prefixes),
        Off(#[schemars(extend("const" = false))] bool),
    }

    #[allow(clippy::ref_option, reason = "serde hands it over so")]
    pub(super) fn serialize<S: Serializer>(
        prefixes: &Option<Prefixes>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let off = Keys::Off(false);
        prefixes.clone().map_or(off, Keys::Texts).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Prefixes>, D::Error> {
        Ok(match Keys::deserialize(from)? {
            Keys::Texts(texts) => Some(texts),
            Keys::Off(_) => None,
        })
    }
}
