//! The sections of a report, each made of blocks.

pub(super) mod curves;
pub(super) mod further;
pub(super) mod gate;
pub(super) mod how_to_read;
pub(super) mod instruments;
pub(super) mod leakage;
pub(super) mod limits;
pub(super) mod ran;
pub(super) mod replication;
pub(super) mod standing;
pub(super) mod verdicts;
