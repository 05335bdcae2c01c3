//! Exit codes: each number and its meaning stands here and nowhere else.

use serde::{Deserialize, Serialize};

/// What the process ends with; a plain number in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
#[repr(u8)]
pub enum ExitCode {
    /// Completed, and every rule of the gate passed.
    WithinGate = 0,
    /// A rule of the gate failed.
    Leakage = 1,
    /// The input is at fault, and nothing was overwritten; for `unsaid verify`, something is not as recorded.
    Input = 2,
    /// No rule failed, but a leak of the size to rule out could have been missed, or an instrument failed.
    Inconclusive = 3,
    /// The machine or this program is at fault.
    Failure = 4,
    /// Stopped by SIGINT or SIGTERM, the second of which does not wait for a safe point.
    Interrupted = 130,
}

impl ExitCode {
    /// Every code, rising.
    pub const ALL: [Self; 6] = [
        Self::WithinGate,
        Self::Leakage,
        Self::Input,
        Self::Inconclusive,
        Self::Failure,
        Self::Interrupted,
    ];

    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What it means, in a few words without a full stop.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::WithinGate => "completed, within the gate",
            Self::Leakage => "the gate tripped: leakage",
            Self::Input => "usage, spec or input error",
            Self::Inconclusive => "inconclusive",
            Self::Failure => "any other failure",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<ExitCode> for u8 {
    fn from(code: ExitCode) -> Self {
        code.code()
    }
}

impl TryFrom<u8> for ExitCode {
    type Error = String;

    fn try_from(code: u8) -> Result<Self, String> {
        let mut all = Self::ALL.into_iter();
        all.find(|known| known.code() == code)
            .ok_or_else(|| format!("no exit code of unsaid: {code}"))
    }
}
