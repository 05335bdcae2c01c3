//! What can be wrong with a spec. Every message names the place, the key, what was given, what is allowed and the mend.

use std::fmt;
use std::path::PathBuf;

/// Where a value was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the spec's file.
    Line {
        /// The spec.
        path: PathBuf,
        /// Line of the key, from 1.
        line: usize,
    },
    /// On the command line.
    Argument {
        /// As typed, `--set canaries.length=0`.
        given: String,
    },
    /// Nowhere: the value is the default of a key that the spec leaves out.
    Absent {
        /// The spec.
        path: PathBuf,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { path, line } => write!(f, "{}, line {line}", path.display()),
            Self::Argument { given } => write!(f, "`{given}`"),
            Self::Absent { path } => write!(f, "{} (key absent, so its default)", path.display()),
        }
    }
}

/// A spec that cannot be run, and how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The file is missing, unreadable or not UTF-8.
    #[error("{}: cannot read the spec: {source}; give the path of a UTF-8 TOML file, as `unsaid run audits/quick.toml`", path.display())]
    Unreadable {
        /// The spec.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is not TOML.
    #[error(
        "{place}: not valid TOML: {detail}; mend this line (text needs quotes, tables are `[name]`, a key stands once)"
    )]
    Syntax {
        /// The offending line.
        place: Box<Place>,
        /// What the parser said.
        detail: String,
    },
    /// A `--set` argument that is not `key.path=value`.
    #[error("`--set {given}`: {problem}; write it as `--set canaries.length=8`")]
    Argument {
        /// As typed.
        given: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A key that no spec has.
    #[error("{place}: unknown key `{key}`; {mend}")]
    UnknownKey {
        /// Where it was typed.
        place: Box<Place>,
        /// Path of the key, as `canaries.length`.
        key: String,
        /// The nearest known key, or all of that table.
        mend: String,
    },
    /// A value of the wrong TOML type.
    #[error("{place}: `{key}` is {got}, but must be {expected}; {mend}")]
    WrongType {
        /// Where it was typed.
        place: Box<Place>,
        /// Path of the key, as `canaries.length`.
        key: String,
        /// The value as typed.
        got: String,
        /// The type.
        expected: String,
        /// An example.
        mend: String,
    },
    /// A required key is missing.
    #[error("{place}: `{key}` is missing; {mend}")]
    Missing {
        /// The spec, or the table that lacks it.
        place: Box<Place>,
        /// Path of the key, as `canaries.length`.
        key: String,
        /// What to add.
        mend: String,
    },
    /// A value out of its range, or one that contradicts another.
    #[error("{place}: `{key}` is {got}, but must be {expected}; {mend}")]
    OutOfRange {
        /// Where it was typed.
        place: Box<Place>,
        /// Path of the key, as `canaries.length`.
        key: String,
        /// The value as typed.
        got: String,
        /// What is allowed.
        expected: String,
        /// What to do.
        mend: String,
    },
    /// A path that cannot be made absolute.
    #[error("{place}: `{key}` is {}, which cannot be made absolute: {source}; run from a folder that exists, or give an absolute path", path.display())]
    Relative {
        /// Where it was typed.
        place: Box<Place>,
        /// Path of the key, as `canaries.length`.
        key: String,
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A path that a TOML file could not hold.
    #[error("{place}: `{key}` is {}, which is not UTF-8, so the run could not record it; rename the folder or link to it", path.display())]
    NotUtf8 {
        /// Where it was typed.
        place: Box<Place>,
        /// Path of the key, as `canaries.length`.
        key: String,
        /// The path.
        path: PathBuf,
    },
}
