//! `[probes.*]`, and whether what is asked for is trained at all.

use super::super::audit::{Elicitation, Generation, LowLogit, PositiveControl, Probes, Scan};
use super::super::error::SpecError;
use super::super::typed::{Typed, TypedElicitation, TypedGeneration, TypedLowLogit};
use super::SEED_MAX;
use super::check::{COUNT_MAX, Checker};

/// Most beginnings that are enumerated: beyond it an attacker would search, not list.
const ENUMERATED_MAX: usize = 5_000_000;

/// Most contexts; more are tokens of one kind.
const CONTEXTS_MAX: usize = 1000;

/// Most rows a beam or a sample holds at once.
const ROWS_MAX: usize = 1_000_000;

pub(super) fn probes(checker: &Checker<'_>, typed: &Typed) -> Result<Probes, SpecError> {
    let probes = Probes {
        elicitation: elicitation(checker, &typed.probes.elicitation)?,
        low_logit: low_logit(checker, &typed.probes.low_logit)?,
        generation: generation(checker, &typed.probes.generation)?,
        scan: scan(checker, typed)?,
    };
    checker.demand(
        probes != Probes::default(),
        "probes.low_logit.enabled",
        "true where all other probes are switched off",
        "an audit without probes finds nothing: switch one on",
    )?;
    let (two, three) = (!typed.phase2.skip, !typed.phase3.skip);
    checker.demand(
        three || probes.elicitation.is_none(),
        "phase3.skip",
        "false where `probes.elicitation.enabled` is true, since only phase 3 trains the reverse prefix",
        "set `probes.elicitation.enabled = false`, or `phase3.skip = false`",
    )?;
    checker.demand(
        two || three,
        "phase3.skip",
        "false where `phase2.skip` is true too: with both skipped nothing is trained against",
        "set `phase2.skip = false` or `phase3.skip = false`",
    )?;
    Ok(probes)
}

fn elicitation(
    checker: &Checker<'_>,
    typed: &TypedElicitation,
) -> Result<Option<Elicitation>, SpecError> {
    let key = |name: &str| format!("probes.elicitation.{name}");
    let settings = Elicitation {
        positive_control: positive_control(
            checker,
            &key("positive_control"),
            &typed.positive_control,
        )?,
        smallest_effect_rank: half(
            checker,
            &key("smallest_effect_rank"),
            typed.smallest_effect_rank,
        )?,
        smallest_effect_nats: checker
            .positive(&key("smallest_effect_nats"), typed.smallest_effect_nats)?,
        smallest_effect_single: checker
            .positive(&key("smallest_effect_single"), typed.smallest_effect_single)?,
        contexts: checker.count(&key("contexts"), typed.contexts, 0, CONTEXTS_MAX)?,
    };
    Ok(typed.enabled.then_some(settings))
}

fn low_logit(checker: &Checker<'_>, typed: &TypedLowLogit) -> Result<Option<LowLogit>, SpecError> {
    let key = |name: &str| format!("probes.low_logit.{name}");
    let settings = LowLogit {
        positive_control: positive_control(
            checker,
            &key("positive_control"),
            &typed.positive_control,
        )?,
        smallest_effect_auc: half(
            checker,
            &key("smallest_effect_auc"),
            typed.smallest_effect_auc,
        )?,
        smallest_effect_rank: half(
            checker,
            &key("smallest_effect_rank"),
            typed.smallest_effect_rank,
        )?,
        smallest_effect_recovered: share(
            checker,
            &key("smallest_effect_recovered"),
            typed.smallest_effect_recovered,
        )?,
        completion_letters: rising(
            checker,
            &key("completion_letters"),
            &typed.completion_letters,
        )?,
        completion_guesses: checker.count(
            &key("completion_guesses"),
            typed.completion_guesses,
            1,
            ROWS_MAX,
        )?,
        top_k: checker.count(&key("top_k"), typed.top_k, 1, COUNT_MAX)?,
    };
    Ok(typed.enabled.then_some(settings))
}

fn generation(
    checker: &Checker<'_>,
    typed: &TypedGeneration,
) -> Result<Option<Generation>, SpecError> {
    let key = |name: &str| format!("probes.generation.{name}");
    let top_k = checker.count(&key("top_k"), typed.top_k, 0, COUNT_MAX)?;
    checker.demand(
        typed.seed <= SEED_MAX,
        &key("seed"),
        "a whole number from 0 to 2^53",
        "take a smaller one",
    )?;
    let settings = Generation {
        positive_control: positive_control(
            checker,
            &key("positive_control"),
            &typed.positive_control,
        )?,
        samples: checker.count(&key("samples"), typed.samples, 1, ROWS_MAX)?,
        temperature: checker.positive(&key("temperature"), typed.temperature)?,
        top_k: (top_k > 0).then_some(top_k),
        seed: typed.seed,
        smallest_effect_recovered: share(
            checker,
            &key("smallest_effect_recovered"),
            typed.smallest_effect_recovered,
        )?,
    };
    Ok(typed.enabled.then_some(settings))
}

fn scan(checker: &Checker<'_>, typed: &Typed) -> Result<Option<Scan>, SpecError> {
    let key = |name: &str| format!("probes.scan.{name}");
    let scan = &typed.probes.scan;
    let letters = typed.canaries.alphabet.letters();
    let listed = u32::try_from(scan.depth)
        .ok()
        .and_then(|depth| letters.checked_pow(depth));
    checker.demand(
        scan.depth > 0 && (!scan.enabled || listed.is_some_and(|listed| listed <= ENUMERATED_MAX)),
        &key("depth"),
        &format!("from 1, with at most {ENUMERATED_MAX} beginnings of so many letters"),
        "enumerate fewer letters: the beam goes on from there",
    )?;
    let rows = |name: &str, value| checker.count(&key(name), value, 1, ROWS_MAX);
    let share = |name: &str, value| share(checker, &key(name), value);
    let settings = Scan {
        positive_control: positive_control(
            checker,
            &key("positive_control"),
            &scan.positive_control,
        )?,
        depth: scan.depth,
        top: rows("top", scan.top)?,
        beam: rows("beam", scan.beam)?,
        beam_a_root: rows("beam_a_root", scan.beam_a_root)?,
        guesses: rows("guesses", scan.guesses)?,
        smallest_effect_enriched: share("smallest_effect_enriched", scan.smallest_effect_enriched)?,
        smallest_effect_recovered: share(
            "smallest_effect_recovered",
            scan.smallest_effect_recovered,
        )?,
    };
    Ok(scan.enabled.then_some(settings))
}

/// Whole numbers from 1, each larger than the one before.
fn rising(checker: &Checker<'_>, key: &str, values: &[usize]) -> Result<Vec<usize>, SpecError> {
    let good = values.iter().all(|&v| v > 0) && values.is_sorted_by(|a, b| a < b);
    checker.demand(
        good,
        key,
        "rising whole numbers from 1",
        "write the numbers of letters that are known, as `[2, 4, 8]`; `[]` leaves completion out",
    )?;
    Ok(values.to_vec())
}

/// A share of canaries.
fn share(checker: &Checker<'_>, key: &str, value: f64) -> Result<f64, SpecError> {
    checker.number(
        key,
        value,
        "a number above 0 and at most 1",
        value > 0.0 && value <= 1.0,
    )
}

/// A distance from the middle of 0…1.
fn half(checker: &Checker<'_>, key: &str, value: f64) -> Result<f64, SpecError> {
    checker.number(
        key,
        value,
        "a number above 0 and at most 0.5",
        value > 0.0 && value <= 0.5,
    )
}

fn positive_control(
    checker: &Checker<'_>,
    key: &str,
    typed: &str,
) -> Result<PositiveControl, SpecError> {
    let words = [
        ("required", PositiveControl::Required),
        ("not_applicable", PositiveControl::NotApplicable),
    ];
    checker.choice(key, typed, &words)
}
