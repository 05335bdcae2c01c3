//! One check each, and the message when it fails.

use super::super::document::Document;
use super::super::error::{Place, SpecError};
use super::super::keys;

/// Most of anything that is counted: products of two counts stay far inside 64 bits.
pub(super) const COUNT_MAX: usize = 1_000_000_000;

/// Makes the messages: it knows where each key was typed.
pub(super) struct Checker<'d> {
    document: &'d Document<'d>,
    defaults: toml::Table,
}

impl<'d> Checker<'d> {
    pub(super) fn new(document: &'d Document<'d>) -> Self {
        Self {
            document,
            defaults: keys::defaults(),
        }
    }

    pub(super) fn place(&self, key: &str) -> Place {
        self.document.place(key)
    }

    /// The message for a value that is not `expected`.
    pub(super) fn refuse(&self, key: &str, expected: &str, mend: &str) -> SpecError {
        SpecError::OutOfRange {
            place: Box::new(self.place(key)),
            key: key.to_owned(),
            got: self
                .document
                .given(key)
                .or_else(|| self.default(key))
                .unwrap_or_else(|| "absent".to_owned()),
            expected: expected.to_owned(),
            mend: mend.to_owned(),
        }
    }

    /// The message for a required key that is missing; placed at the table that lacks it.
    pub(super) fn missing(&self, key: &str, mend: &str) -> SpecError {
        let mut at = key;
        let place = loop {
            match (self.place(at), at.rsplit_once('.')) {
                (Place::Absent { .. }, Some((table, _))) => at = table,
                (Place::Absent { path }, None) => break Place::Line { path, line: 1 },
                (place, _) => break place,
            }
        };
        SpecError::Missing {
            place: Box::new(place),
            key: key.to_owned(),
            mend: mend.to_owned(),
        }
    }

    /// Refuses unless `good`.
    pub(super) fn demand(
        &self,
        good: bool,
        key: &str,
        expected: &str,
        mend: &str,
    ) -> Result<(), SpecError> {
        if good {
            Ok(())
        } else {
            Err(self.refuse(key, expected, mend))
        }
    }

    /// A count from `least` to `most`.
    pub(super) fn count(
        &self,
        key: &str,
        value: usize,
        least: usize,
        most: usize,
    ) -> Result<usize, SpecError> {
        let good = (least..=most).contains(&value);
        self.demand(
            good,
            key,
            &format!("a whole number from {least} to {most}"),
            &self.usual(key),
        )?;
        Ok(value)
    }

    /// A finite number, 0 or larger.
    pub(super) fn not_negative(&self, key: &str, value: f64) -> Result<f64, SpecError> {
        self.number(key, value, "a finite number, 0 or larger", value >= 0.0)
    }

    /// A finite number larger than 0.
    pub(super) fn positive(&self, key: &str, value: f64) -> Result<f64, SpecError> {
        self.number(key, value, "a finite number larger than 0", value > 0.0)
    }

    /// A number that also fulfils `good`; infinities and NaN never do.
    pub(super) fn number(
        &self,
        key: &str,
        value: f64,
        expected: &str,
        good: bool,
    ) -> Result<f64, SpecError> {
        self.demand(good && value.is_finite(), key, expected, &self.usual(key))?;
        Ok(value)
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(
        &self,
        key: &str,
        value: &str,
        words: &[(&str, T)],
    ) -> Result<T, SpecError> {
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        words
            .iter()
            .find(|(word, _)| *word == value)
            .map(|(_, meaning)| *meaning)
            .ok_or_else(|| {
                self.refuse(
                    key,
                    &format!("one of {}", names.join(", ")),
                    &self.usual(key),
                )
            })
    }

    /// The mend that fits any range: the value of the recipe.
    fn usual(&self, key: &str) -> String {
        match self.default(key) {
            Some(value) => format!("for the default {}", self.document.write(key, &value)),
            None => "change it or leave the key out".to_owned(),
        }
    }

    fn default(&self, key: &str) -> Option<String> {
        keys::find(&self.defaults, key).map(ToString::to_string)
    }
}
