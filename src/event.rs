//! Through which lower floors tell of progress, and learn that they should stop.

use crate::units::Phase;

/// Something a person watching would want to know.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// Long work begins: `total` units of `unit`.
    Started {
        /// What is done, as "seed 0 · phase 2".
        label: &'a str,
        /// How many units it takes.
        total: u64,
        /// What a unit is, as "steps".
        unit: &'a str,
    },
    /// `done` units are finished.
    Advanced {
        /// Units finished so far.
        done: u64,
        /// A short state of the work, as "loss 0.31".
        state: &'a str,
    },
    /// The long work ended.
    Finished,
    /// A training step ended.
    Stepped {
        /// The phase.
        phase: Phase,
        /// The step, from 0.
        step: usize,
        /// The total loss.
        loss: f64,
    },
    /// A sentence worth a line.
    Note(&'a str),
}

/// Watches a run.
pub trait Observer {
    /// Something happened. Does nothing by default.
    fn event(&mut self, _event: &Event<'_>) {}

    /// Something happened in the cell of one seed, while other cells run beside it.
    fn of_cell(&mut self, _seed: u64, event: &Event<'_>) {
        self.event(event);
    }

    /// The cell of one seed, of those that run beside each other, ended in whatever way.
    fn cell_ended(&mut self, _seed: u64) {}

    /// Whether the user asked to stop; work stops at its next safe point.
    fn interrupted(&self) -> bool {
        false
    }
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}
