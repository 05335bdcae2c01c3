//! Audit specs: TOML, checked and filled in with the published recipe.
//!
//! A key lives in one place: the field of a struct in `audit`, `model`, `canaries`, `phases`, `probes` or `gate`, with its
//! default, its range and its documentation. `schema` makes a JSON schema of these types, from which all else follows:
//! `document` parses the text and grafts the `--set` arguments onto it, so that every value remembers where it was typed; `fit`
//! holds it against the schema; `validate` checks what must fit together; `resolved` writes an audit back; `reference` makes the
//! key tables of `audits/README.md`.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        reason = "a test that unwraps nothing fails, as it should"
    )
)]

mod audit;
mod canaries;
mod check;
mod counts;
mod document;
mod error;
mod every;
mod fit;
mod gate;
mod graft;
mod keys;
mod load;
mod model;
mod overrides;
mod phases;
mod probes;
mod reference;
mod resolved;
mod schema;
mod switched;
mod validate;

#[cfg(test)]
mod refusals;
#[cfg(test)]
mod shipped;

pub use audit::Audit;
pub use canaries::{Canaries, Prefixes, SECRET};
pub use error::{Place, SpecError};
pub use every::Every;
pub use gate::{Gate, GatedTier, Limit};
pub use load::{load, parse};
pub use model::{ModelSource, Precision, RandomShape};
pub use overrides::Override;
pub use phases::{Freeze, Optimisation, Phase1, Phase2, Phase3, Weights};
pub use probes::{Elicitation, Generation, LowLogit, PositiveControl, Probes, Scan};
pub use reference::{key_tables, schema};
pub use resolved::to_toml;

/// Largest seed, 2^53: beyond it a JSON reader may round, and a run could not be repeated from its report.
pub const SEED_MAX: u64 = 1 << 53;

/// Most cells at once; more is a slip of the hand.
pub const JOBS_MAX: usize = 1024;

/// Most of anything that is counted: products of two counts stay far inside 64 bits.
const COUNT_MAX: usize = 1_000_000_000;
