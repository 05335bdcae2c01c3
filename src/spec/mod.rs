//! Audit specs: TOML, checked and filled in with the published recipe.
//!
//! Four steps, one file each: `document` parses the text and grafts the `--set` arguments onto it, so that every
//! value remembers where it was typed; `typed` says which keys there are and their defaults; `validate` checks
//! ranges and combinations; `audit` is the result that every other module works from. `resolved` writes it back.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        reason = "a test that unwraps nothing fails, as it should"
    )
)]

mod audit;
mod counts;
mod document;
mod error;
mod graft;
mod keys;
mod load;
mod overrides;
mod resolved;
mod typed;
mod validate;

#[cfg(test)]
mod refusals;
#[cfg(test)]
mod shipped;

pub use audit::{
    Audit, Canaries, Elicitation, Every, Freeze, Gate, GatedTier, Generation, Limit, LowLogit,
    ModelSource, Optimisation, Phase1, Phase2, Phase3, PositiveControl, Precision, Prefixes,
    Probes, RandomShape, SECRET, Scan, Weights,
};
pub use error::{Place, SpecError};
pub use load::{load, parse};
pub use overrides::Override;
pub use resolved::to_toml;
pub use validate::{JOBS_MAX, SEED_MAX};
