//! Names of statistics: written from their fields, and read back.

use std::fmt;

use super::Statistic;
use crate::probes::completion::Shown;
use crate::probes::scan::Ranking;

/// A field of a statistic, as its name has it.
pub(super) enum Part {
    Count(usize),
    Word(&'static str),
}

/// What the braces of a name may stand for.
pub(super) trait Field: Sized {
    fn part(&self) -> Part;
    fn read(text: &str) -> Option<Self>;
}

impl Field for usize {
    fn part(&self) -> Part {
        Part::Count(*self)
    }
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Field for Shown {
    fn part(&self) -> Part {
        Part::Word(self.name())
    }
    fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|shown| shown.name() == text)
    }
}

impl Field for Ranking {
    fn part(&self) -> Part {
        Part::Word(self.name())
    }
    fn read(text: &str) -> Option<Self> {
        let all = [Self::Plain, Self::Contrast];
        all.into_iter().find(|ranking| ranking.name() == text)
    }
}

/// Declares [`Statistic`] and its names; `{}` in a name stands for the fields, in their order.
macro_rules! statistics {
    ($($(#[$doc:meta])* $variant:ident $({ $($field:ident: $of:ty),+ })? = $name:literal,)+) => {
        /// What is measured. In files it is a name that carries the unit, as `mean_logprob_nats_per_token`.
        #[allow(missing_docs, reason = "a field is what it is called")]
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(into = "String", from = "String")]
        #[schemars(with = "String")]
        pub enum Statistic {
            $($(#[$doc])* $variant $({ $($field: $of),+ })?,)+
            /// A statistic of another version, by its name.
            Other(String),
        }

        impl Statistic {
            /// The name with its braces, and what they stand for.
            fn parts(&self) -> (&str, Vec<Part>) {
                match self {
                    $(Self::$variant $({ $($field),+ })? => ($name, vec![$($($field.part()),+)?]),)+
                    Self::Other(name) => (name, Vec::new()),
                }
            }

            fn known(name: &str) -> Option<Self> {
                $(if let Some(fields) = between($name, name) {
                    let mut _fields = fields.into_iter();
                    return Some(Self::$variant $({ $($field: Field::read(_fields.next()?)?),+ })?);
                })+
                None
            }
        }
    };
}
pub(super) use statistics;

/// What stands in `text` where `pattern` has braces; `None` where it does not fit.
pub(super) fn between<'t>(pattern: &str, text: &'t str) -> Option<Vec<&'t str>> {
    let mut pieces = pattern.split("{}");
    let mut rest = text.strip_prefix(pieces.next()?)?;
    let mut found = Vec::new();
    for piece in pieces {
        let end = if piece.is_empty() {
            rest.len()
        } else {
            rest.find(piece)?
        };
        found.push(&rest[..end]);
        rest = &rest[end + piece.len()..];
    }
    rest.is_empty().then_some(found)
}

impl Statistic {
    /// The counts that it is given for, in the order of its name: known letters, known negatives, depth.
    #[must_use]
    pub fn counts(&self) -> Vec<usize> {
        let (_, parts) = self.parts();
        let count = |part| match part {
            Part::Count(count) => Some(count),
            Part::Word(_) => None,
        };
        parts.into_iter().filter_map(count).collect()
    }

    /// The name with other words for its counts, as many as [`Statistic::counts`] has.
    #[must_use]
    pub fn name_with(&self, counts: &[String]) -> String {
        let (pattern, parts) = self.parts();
        let mut counts = counts.iter();
        parts
            .iter()
            .fold(pattern.to_owned(), |name, part| match part {
                Part::Count(_) => name.replacen("{}", counts.next().map_or("", String::as_str), 1),
                Part::Word(word) => name.replacen("{}", word, 1),
            })
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<String> = self.counts().iter().map(usize::to_string).collect();
        f.pad(&self.name_with(&counts))
    }
}

impl From<String> for Statistic {
    fn from(name: String) -> Self {
        // "+7" and "007" are numbers too, but would be written otherwise.
        let same = |known: &Self| known.to_string() == name;
        Self::known(&name).filter(same).unwrap_or(Self::Other(name))
    }
}

impl From<&str> for Statistic {
    fn from(name: &str) -> Self {
        name.to_owned().into()
    }
}

impl From<Statistic> for String {
    fn from(statistic: Statistic) -> Self {
        statistic.to_string()
    }
}

impl PartialEq<&str> for Statistic {
    fn eq(&self, name: &&str) -> bool {
        self.to_string() == **name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        let given = |known_letters, shown| Statistic::CompletedWholeGiven {
            known_letters,
            shown,
        };
        for (name, expected) in [
            ("suppression_nats", Statistic::Suppression),
            ("completed_whole", Statistic::CompletedWhole),
            (
                "completed_whole_given_12_letters_and_top_k",
                given(12, Shown::TopK),
            ),
            (
                "planted_among_the_512_most_suppressed",
                Statistic::PlantedAmong { top: 512 },
            ),
            (
                "planted_among_the_512_most_suppressed_of_3_letters_plain",
                Statistic::PlantedAmongOf {
                    top: 512,
                    depth: 3,
                    ranking: Ranking::Plain,
                },
            ),
        ] {
            assert_eq!(Statistic::from(name), expected);
            assert_eq!(expected.to_string(), name);
        }
    }

    #[test]
    fn a_name_of_another_version_stays_what_it_is() {
        for name in [
            "",
            "{}",
            "letter_rank",
            "mean_letter_rank_given_007_negatives",
            "mean_letter_rank_given_+7_negatives",
            "mean_letter_rank_given__negatives",
            "mean_letter_rank_given_99999999999999999999_negatives",
            "completed_whole_given_2_letters_and_",
            "completed_whole_given_2_letters_and_weights",
            "suppression_nats_",
        ] {
            let statistic = Statistic::from(name);
            assert_eq!(statistic, Statistic::Other(name.to_owned()));
            assert_eq!(statistic.to_string(), name);
            let json = serde_json::to_value(&statistic).unwrap();
            assert_eq!(json, name);
            assert!(statistic.counts().is_empty());
        }
    }

    #[test]
    fn counts_have_other_words_on_demand() {
        let statistic = Statistic::from("planted_among_the_512_most_suppressed_of_3_letters_plain");
        assert_eq!(statistic.counts(), [512, 3]);
        let words = ["n", "k"].map(str::to_owned);
        let named = statistic.name_with(&words);
        assert_eq!(
            named,
            "planted_among_the_n_most_suppressed_of_k_letters_plain"
        );
    }
}
