//! A spec with the options that change it.

use std::path::Path;

use super::args::SpecArgs;
use super::failure::Failure;
use crate::spec::{Audit, Override, load};

/// Loads a spec, changed by `--set`, by `more`, and by `--seed`.
pub(super) fn spec(path: &Path, args: &SpecArgs, more: Vec<Override>) -> Result<Audit, Failure> {
    let mut overrides = args.overrides.clone();
    overrides.extend(more);
    let audit = load(path, &overrides)?;
    if args.seeds.is_empty() {
        return Ok(audit);
    }
    Ok(audit.with_seeds(args.seeds.clone())?)
}
