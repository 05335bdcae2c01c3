//! Names of statistics: written from their fields, and read back.

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
