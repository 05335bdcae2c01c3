//! From what was typed to a checked [`Audit`]: ranges first, then what must fit together.

mod canaries;
mod check;
mod every;
mod gate;
mod model;
mod probes;
mod training;

use std::collections::BTreeSet;
use std::path::Path;

use check::Checker;

use super::audit::{Audit, Precision};
use super::document::Document;
use super::error::{Place, SpecError};
use super::typed::{Typed, TypedMicroBatch};

/// Largest seed, 2^53: beyond it a JSON reader may round, and a run could not be repeated from its report.
pub const SEED_MAX: u64 = 1 << 53;

/// Longest name: it becomes a folder.
const NAME_MAX: usize = 100;

/// Most cells at once; more is a slip of the hand.
pub const JOBS_MAX: usize = 1024;

/// Most tokens a seed draws, several hundred times the recipe's.
const CORPUS_MAX: usize = 1_000_000_000;

/// Most threads; more is a slip of the hand.
const THREADS_MAX: usize = 4096;
const MICRO_BATCH_MAX: usize = 1 << 20;

/// Checks everything.
///
/// `base`: the spec's folder.
pub(super) fn validate(
    document: &Document<'_>,
    typed: &Typed,
    base: &Path,
) -> Result<Audit, SpecError> {
    let checker = Checker::new(document);
    match typed.format {
        Some(1) => {}
        None => return Err(checker.missing("format", "write `format = 1` as the first line")),
        Some(_) => {
            return Err(checker.refuse(
                "format",
                "1",
                "write `format = 1`, or use the unsaid that made this spec",
            ));
        }
    }
    let canaries = canaries::canaries(&checker, &typed.canaries, base)?;
    let probes = probes::probes(&checker, typed)?;
    let audit = Audit {
        name: name(&checker, typed.audit.name.as_deref())?,
        seeds: seeds(&checker, &typed.audit.seeds)?,
        threads: typed
            .run
            .threads
            .map(|n| checker.count("run.threads", n, 1, THREADS_MAX))
            .transpose()?,
        checkpoint_every: every::checkpoint_every(&checker, &typed.run.checkpoint_every)?,
        micro_batch: micro_batch(&checker, typed.run.micro_batch.as_ref())?,
        jobs: checker.count("run.jobs", typed.run.jobs, 1, JOBS_MAX)?,
        model: model::model(&checker, &typed.model, base, &canaries)?,
        adapter_base: model::adapter_base(&checker, &typed.model, base)?,
        precision: precision(&checker, &typed.model.precision)?,
        canaries,
        phase1: training::phase1(&checker, &typed.phase1)?,
        phase2: training::phase2(&checker, &typed.phase2)?,
        phase3: training::phase3(&checker, &typed.phase3)?,
        gate: gate::gate(&checker, typed, &probes, base)?,
        probes,
    };
    corpus_fits(&checker, &audit)?;
    Ok(audit)
}

/// Everything that a seed trains on is drawn before it trains: a slip of the hand must not take all memory.
fn corpus_fits(checker: &Checker<'_>, audit: &Audit) -> Result<(), SpecError> {
    let canaries = &audit.canaries;
    let rows = [
        audit.pairs(),
        audit.phase1.passwords,
        canaries.negatives,
        canaries.controls,
    ];
    let rows = rows.into_iter().fold(0_usize, usize::saturating_add);
    checker.demand(
        rows.saturating_mul(canaries.length + 1) <= CORPUS_MAX,
        "canaries.repeats",
        &format!(
            "small enough for at most {CORPUS_MAX} tokens of canaries, pairs (negatives × repeats) and passwords per seed"
        ),
        "plant fewer, repeat them less often, or make them shorter",
    )
}

impl Audit {
    /// The same audit with other seeds, as `--seed` asks.
    ///
    /// Errors: no seed, one twice, or one above [`SEED_MAX`].
    pub fn with_seeds(self, seeds: Vec<u64>) -> Result<Self, SpecError> {
        if let Some(problem) = seeds_problem(&seeds) {
            let given = seeds
                .iter()
                .map(|seed| format!("--seed {seed}"))
                .collect::<Vec<_>>()
                .join(" ");
            return Err(SpecError::OutOfRange {
                place: Box::new(Place::Argument {
                    given: if given.is_empty() {
                        "--seed".to_owned()
                    } else {
                        given
                    },
                }),
                key: "audit.seeds".to_owned(),
                got: format!("{seeds:?}"),
                expected: problem.expected,
                mend: problem.mend,
            });
        }
        Ok(Self { seeds, ..self })
    }
}

/// What is wrong with a list of seeds.
struct SeedsProblem {
    expected: String,
    mend: String,
}

fn seeds_problem(seeds: &[u64]) -> Option<SeedsProblem> {
    let problem = |expected: &str, mend: String| {
        Some(SeedsProblem {
            expected: expected.to_owned(),
            mend,
        })
    };
    if seeds.is_empty() {
        return problem(
            "at least one seed",
            "give one, as `[0]`; the recipe's are 0 to 7".to_owned(),
        );
    }
    if let Some(seed) = seeds.iter().find(|seed| **seed > SEED_MAX) {
        return problem(
            "whole numbers from 0 to 2^53",
            format!("replace {seed} by a smaller one"),
        );
    }
    let mut seen = BTreeSet::new();
    let twice = seeds.iter().find(|seed| !seen.insert(**seed))?;
    problem(
        "distinct seeds",
        format!("a seed trained twice is no second sample: leave out the second {twice}"),
    )
}

fn seeds(checker: &Checker<'_>, seeds: &[u64]) -> Result<Vec<u64>, SpecError> {
    match seeds_problem(seeds) {
        Some(problem) => Err(checker.refuse("audit.seeds", &problem.expected, &problem.mend)),
        None => Ok(seeds.to_vec()),
    }
}

fn name(checker: &Checker<'_>, name: Option<&str>) -> Result<String, SpecError> {
    let name = name
        .ok_or_else(|| checker.missing("audit.name", "write `name = \"my-audit\"` in [audit]"))?;
    let good = !name.is_empty()
        && name.len() <= NAME_MAX
        && !name.starts_with('.')
        && name.chars().all(is_plain);
    checker.demand(
        good,
        "audit.name",
        "1 to 100 of the characters A-Z a-z 0-9 . _ - and not begin with a dot",
        "it names the folder under runs/: rename it, as `my-audit`",
    )?;
    Ok(name.to_owned())
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

fn micro_batch(
    checker: &Checker<'_>,
    typed: Option<&TypedMicroBatch>,
) -> Result<Option<usize>, SpecError> {
    let key = "run.micro_batch";
    match typed {
        None => Ok(None),
        Some(TypedMicroBatch::Word(word)) if word == "auto" => Ok(None),
        Some(TypedMicroBatch::Word(_)) => {
            Err(checker.refuse(key, "\"auto\" or a number of rows", "use one of them"))
        }
        Some(TypedMicroBatch::Rows(rows)) => {
            Ok(Some(checker.count(key, *rows, 1, MICRO_BATCH_MAX)?))
        }
    }
}

fn precision(checker: &Checker<'_>, typed: &str) -> Result<Precision, SpecError> {
    let key = "model.precision";
    match typed {
        "auto" => Ok(Precision::Auto),
        "f32" => Ok(Precision::F32),
        "tf32" => Ok(Precision::Tf32),
        "bf16" => Ok(Precision::Bf16),
        _ => Err(checker.refuse(key, "auto, f32, tf32 or bf16", "use one of them")),
    }
}
