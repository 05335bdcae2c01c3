//! What runs, probes, minting and verification share: the model that an audit begins with, observations on disk, records of what
//! made them, and the assembly of a report.

#[cfg(feature = "torch")]
mod altered;
mod base;
mod baseline;
mod elsewhere;
mod error;
#[cfg(feature = "torch")]
mod initial;
mod observations;
mod record;
mod reports;
mod sealed;

pub use error::{AuditError, CellFailure, code};
pub use observations::parse_cell;
pub use sealed::SealError;

#[cfg(feature = "torch")]
pub use altered::altered;
pub use base::{Base, codebook, origin};
pub use baseline::Baseline;
pub use observations::{
    attack_lines, numbers_from_file, numbers_to_bytes, observation_lines, read_cell, read_results,
    result_lines, trajectories_from_bytes, trajectories_to_bytes,
};
pub use record::{agree, go_on, here, of_cells, read_provenance, threads_before, write_provenance};
pub use reports::{REPORTS, all_complete, assemble, judged, make, write};
pub use sealed::{Content, planting, seal, seal_contents, unseal};

/// The last stage of a cell.
pub const COMPLETE: &str = "complete";
