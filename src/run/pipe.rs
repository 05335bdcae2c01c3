//! What a cell's process tells the process that started it: a JSON object a line, on its standard output.

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::exit::ExitCode;
use crate::units::Phase;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "tells", rename_all = "snake_case")]
pub enum Message {
    /// See [`Event::Started`].
    Started {
        /// What is done.
        label: String,
        /// How many units it takes.
        total: u64,
        /// What a unit is.
        unit: String,
    },
    /// See [`Event::Advanced`].
    Advanced {
        /// Units finished so far.
        done: u64,
        /// A short state of the work.
        state: String,
    },
    /// See [`Event::Finished`].
    Finished,
    /// See [`Event::Stepped`].
    Stepped {
        /// The phase.
        phase: Phase,
        /// The step, from 0.
        step: usize,
        /// The total loss.
        loss: f64,
    },
    /// See [`Event::Note`].
    Note {
        /// The sentence.
        text: String,
    },
    /// The last line of a cell that failed.
    Failed {
        /// Its message.
        message: String,
        /// The exit code that follows.
        code: ExitCode,
    },
}

impl Message {
    /// The line of an event.
    #[must_use]
    pub fn of(event: &Event<'_>) -> Self {
        match *event {
            Event::Started { label, total, unit } => Self::Started {
                label: label.to_owned(),
                total,
                unit: unit.to_owned(),
            },
            Event::Advanced { done, state } => Self::Advanced {
                done,
                state: state.to_owned(),
            },
            Event::Finished => Self::Finished,
            Event::Stepped { phase, step, loss } => Self::Stepped { phase, step, loss },
            Event::Note(text) => Self::Note {
                text: text.to_owned(),
            },
        }
    }

    /// The event of a line; `None` of a failure, which is none.
    #[must_use]
    pub fn event(&self) -> Option<Event<'_>> {
        Some(match self {
            Self::Started { label, total, unit } => Event::Started {
                label,
                total: *total,
                unit,
            },
            Self::Advanced { done, state } => Event::Advanced { done: *done, state },
            Self::Finished => Event::Finished,
            Self::Stepped { phase, step, loss } => Event::Stepped {
                phase: *phase,
                step: *step,
                loss: *loss,
            },
            Self::Note { text } => Event::Note(text),
            Self::Failed { .. } => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_survives_the_way() {
        for event in [
            Event::Started {
                label: "seed 3 · \"phase\" 2",
                total: 480,
                unit: "steps",
            },
            Event::Advanced {
                done: 3,
                state: "· loss 0.31",
            },
            Event::Finished,
            Event::Stepped {
                phase: Phase::Two,
                step: 7,
                loss: 0.123_456_789_012_345_67,
            },
            Event::Note("one\nline"),
        ] {
            let text = serde_json::to_string(&Message::of(&event)).unwrap();
            assert!(!text.contains('\n'), "{text}");
            let line: Message = serde_json::from_str(&text).unwrap();
            assert_eq!(line.event(), Some(event));
        }
        let failed = Message::Failed {
            message: "x".to_owned(),
            code: ExitCode::Input,
        };
        assert_eq!(failed.event(), None);
    }
}
