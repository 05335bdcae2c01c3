//! `run.checkpoint_every`: a time or a number of steps.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::COUNT_MAX;

/// Longest time between two saves; a longer one is a slip of the hand.
const TIME_MAX: Duration = Duration::from_hours(24 * 7);

/// How often the state within a phase is saved, so that a killed run loses no more than this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Every {
    /// After so many steps, at least one.
    Steps(usize),
    /// After the first step that ends so long after the last save; whole seconds, at least one.
    Time(Duration),
}

impl Default for Every {
    fn default() -> Self {
        Self::Time(Duration::from_mins(5))
    }
}

impl TryFrom<String> for Every {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        read(&text).ok_or(
            "a time of whole seconds, from 1s to 7 days, or a number of steps; write it as \"5m\" or \"20 steps\"",
        )
    }
}

impl From<Every> for String {
    fn from(every: Every) -> Self {
        match every {
            Every::Steps(steps) => format!("{steps} steps"),
            Every::Time(time) => humantime::format_duration(time).to_string(),
        }
    }
}

fn read(text: &str) -> Option<Every> {
    let text = text.trim();
    let number = text
        .strip_suffix("steps")
        .or_else(|| text.strip_suffix("step"));
    if let Some(number) = number {
        let steps = number.trim().parse().ok()?;
        return (1..=COUNT_MAX)
            .contains(&steps)
            .then_some(Every::Steps(steps));
    }
    let time = humantime::parse_duration(text).ok()?;
    let good = time.subsec_nanos() == 0 && (Duration::from_secs(1)..=TIME_MAX).contains(&time);
    good.then_some(Every::Time(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_steps() {
        let time = |seconds| Some(Every::Time(Duration::from_secs(seconds)));
        for (text, every) in [
            ("5m", time(300)),
            ("1h 30m", time(5400)),
            ("90s", time(90)),
            ("7 days", time(604_800)),
            ("20 steps", Some(Every::Steps(20))),
            ("1 step", Some(Every::Steps(1))),
            ("0 steps", None),
            ("-1 steps", None),
            ("99999999999999999999 steps", None),
            ("steps", None),
            ("0s", None),
            ("1500ms", None),
            ("8 days", None),
            ("5", None),
            ("", None),
            ("never", None),
        ] {
            assert_eq!(read(text), every, "{text}");
        }
    }
}
