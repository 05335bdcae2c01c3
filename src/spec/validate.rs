//! From a spec whose every value is in its range to a checked [`Audit`]: what must fit together.

use std::collections::BTreeSet;

use super::SEED_MAX;
use super::audit::{Audit, Spec};
use super::document::Document;
use super::error::{Place, SpecError};
use super::model::is_plain;

/// Longest name: it becomes a folder.
const NAME_MAX: usize = 100;

/// Most tokens a seed draws, several hundred times the recipe's.
const CORPUS_MAX: usize = 1_000_000_000;

/// Checks everything that ranges cannot say, and makes paths absolute.
pub(super) fn validate(document: &Document<'_>, mut spec: Spec) -> Result<Audit, SpecError> {
    spec.canaries.check(document)?;
    spec.probes.check(document, &spec)?;
    name(document, &spec.audit.name)?;
    if let Some((expected, mend)) = seeds_problem(&spec.audit.seeds) {
        return Err(document.refuse("audit.seeds", expected, &mend));
    }
    let source = spec.model.source(document, &spec.canaries)?;
    spec.phase3.weights.check(document)?;
    spec.gate.resolve(document)?;
    spec.gate.check(document, &spec)?;
    let audit = spec.into_audit(source);
    corpus_fits(document, &audit)?;
    Ok(audit)
}

/// Everything that a seed trains on is drawn before it trains: a slip of the hand must not take all memory.
fn corpus_fits(document: &Document<'_>, audit: &Audit) -> Result<(), SpecError> {
    let canaries = &audit.canaries;
    let rows = [
        audit.pairs(),
        audit.phase1.passwords,
        canaries.negatives,
        canaries.controls,
    ];
    let rows = rows.into_iter().fold(0_usize, usize::saturating_add);
    document.demand(
        rows.saturating_mul(canaries.length + 1) <= CORPUS_MAX,
        "canaries.repeats",
        &format!(
            "small enough for at most {CORPUS_MAX} tokens of canaries, pairs (negatives × repeats) and passwords per seed"
        ),
        "plant fewer, repeat them less often, or make them shorter",
    )
}

impl Audit {
    /// This audit with other seeds, as `--seed` asks.
    ///
    /// Errors: no seed, one twice, or one above [`SEED_MAX`].
    pub fn with_seeds(self, seeds: Vec<u64>) -> Result<Self, SpecError> {
        let Some((expected, mend)) = seeds_problem(&seeds) else {
            return Ok(Self { seeds, ..self });
        };
        let given: Vec<String> = seeds.iter().map(|seed| format!("--seed {seed}")).collect();
        Err(SpecError::OutOfRange {
            place: Box::new(Place::Argument {
                given: if given.is_empty() {
                    "--seed".to_owned()
                } else {
                    given.join(" ")
                },
            }),
            key: "audit.seeds".to_owned(),
            got: format!("{seeds:?}"),
            expected: expected.to_owned(),
            mend,
        })
    }
}

/// What is wrong with a list of seeds: what is expected, and the mend.
fn seeds_problem(seeds: &[u64]) -> Option<(&'static str, String)> {
    if seeds.is_empty() {
        let mend = "give one, as `[0]`; the recipe's are 0 to 7";
        return Some(("at least one seed", mend.to_owned()));
    }
    if let Some(seed) = seeds.iter().find(|seed| **seed > SEED_MAX) {
        let mend = format!("replace {seed} by a smaller one");
        return Some(("whole numbers from 0 to 2^53", mend));
    }
    let mut seen = BTreeSet::new();
    let twice = seeds.iter().find(|seed| !seen.insert(**seed))?;
    let mend = format!("a seed trained twice is no second sample: leave out the second {twice}");
    Some(("distinct seeds", mend))
}

fn name(document: &Document<'_>, name: &str) -> Result<(), SpecError> {
    let good = !name.is_empty()
        && name.len() <= NAME_MAX
        && !name.starts_with('.')
        && name.chars().all(is_plain);
    document.demand(
        good,
        "audit.name",
        "1 to 100 of the characters A-Z a-z 0-9 . _ - and not begin with a dot",
        "it names the folder under runs/: rename it, as `my-audit`",
    )
}
