//! `[gate]`.

use std::path::Path;

use super::super::audit::{Gate, GatedTier, Limit, Probes};
use super::super::counts::audit_rows;
use super::super::error::SpecError;
use super::super::typed::{Typed, TypedLimit};
use super::check::{COUNT_MAX, Checker};

/// Resamples that each audit row needs, for its adjusted p-value to reach the levels asked of it.
const PERMUTATIONS_A_ROW: usize = 1000;

pub(super) fn gate(
    checker: &Checker<'_>,
    typed: &Typed,
    probes: &Probes,
    base: &Path,
) -> Result<Gate, SpecError> {
    let gate = &typed.gate;
    let good = gate.alpha > 0.0 && gate.alpha < 0.5;
    let phases = usize::from(!typed.phase2.skip) + usize::from(!typed.phase3.skip);
    let least = PERMUTATIONS_A_ROW * audit_rows(probes, phases).max(1);
    Ok(Gate {
        alpha: checker.number(
            "gate.alpha",
            gate.alpha,
            "a number above 0 and below 0.5",
            good,
        )?,
        permutations: checker.count("gate.permutations", gate.permutations, least, COUNT_MAX)?,
        tiers: tiers(checker, &gate.tiers)?,
        baseline: gate
            .baseline
            .as_deref()
            .map(|path| {
                let mend = "name the run directory of an earlier run, or leave the key out";
                super::model::folder(checker, "gate.baseline", path, base, mend)
            })
            .transpose()?,
        limits: gate
            .limits
            .iter()
            .enumerate()
            .map(|(i, limit)| self::limit(checker, typed, i, limit))
            .collect::<Result<_, _>>()?,
    })
}

fn tiers(checker: &Checker<'_>, typed: &[String]) -> Result<Vec<GatedTier>, SpecError> {
    let key = "gate.tiers";
    let words = [
        ("recognition", GatedTier::Recognition),
        ("partial", GatedTier::Partial),
        ("extraction", GatedTier::Extraction),
    ];
    let tiers = typed
        .iter()
        .map(|tier| checker.choice(key, tier, &words))
        .collect::<Result<Vec<_>, _>>()?;
    checker.demand(
        !tiers.is_empty(),
        key,
        "at least one tier",
        "a gate on nothing always passes: name a tier",
    )?;
    let distinct = tiers
        .iter()
        .enumerate()
        .all(|(i, tier)| !tiers[..i].contains(tier));
    checker.demand(
        distinct,
        key,
        "distinct tiers",
        "leave out the second of the same name",
    )?;
    Ok(tiers)
}

fn limit(
    checker: &Checker<'_>,
    typed: &Typed,
    index: usize,
    limit: &TypedLimit,
) -> Result<Limit, SpecError> {
    let table = format!("gate.limits[{index}]");
    let key = |name: &str| format!("{table}.{name}");
    Ok(Limit {
        probe: limited_probe(checker, typed, &key("probe"), limit)?,
        statistic: limited_statistic(checker, &key("statistic"), limit)?,
        phase: limited_phase(checker, typed, &key("phase"), limit)?,
        min_auc: limit
            .min_auc
            .map(|auc| share(checker, &key("min_auc"), auc))
            .transpose()?,
        max_auc: one_bound(checker, &table, limit)?
            .map(|auc| share(checker, &key("max_auc"), auc))
            .transpose()?,
    })
}

fn limited_probe(
    checker: &Checker<'_>,
    typed: &Typed,
    key: &str,
    limit: &TypedLimit,
) -> Result<String, SpecError> {
    let mend = "write `probe = \"low_logit\"`, or another probe's name";
    let probe = limit
        .probe
        .as_deref()
        .ok_or_else(|| checker.missing(key, mend))?;
    let words = [
        ("elicitation", typed.probes.elicitation.enabled),
        ("low_logit", typed.probes.low_logit.enabled),
        ("generation", typed.probes.generation.enabled),
        ("scan", typed.probes.scan.enabled),
    ];
    let enabled = checker.choice(key, probe, &words)?;
    let mend = "a limit on a probe that is switched off holds nothing: remove the limit, or switch the probe on";
    checker.demand(enabled, key, "a probe that is enabled", mend)?;
    Ok(probe.to_owned())
}

fn limited_statistic(
    checker: &Checker<'_>,
    key: &str,
    limit: &TypedLimit,
) -> Result<String, SpecError> {
    let mend = "name the row's statistic, as `statistic = \"suppression_nats\"`";
    let statistic = limit
        .statistic
        .clone()
        .ok_or_else(|| checker.missing(key, mend))?;
    checker.demand(
        !statistic.trim().is_empty(),
        key,
        "the name of a statistic",
        mend,
    )?;
    Ok(statistic)
}

fn limited_phase(
    checker: &Checker<'_>,
    typed: &Typed,
    key: &str,
    limit: &TypedLimit,
) -> Result<Option<u8>, SpecError> {
    let (phase, skipped) = match limit.phase {
        None => return Ok(None),
        Some(2) => (2, typed.phase2.skip),
        Some(3) => (3, typed.phase3.skip),
        Some(_) => {
            return Err(checker.refuse(
                key,
                "2 or 3",
                "name the phase, or leave the key out for both",
            ));
        }
    };
    let mend =
        "a limit on a phase that does not run holds nothing: remove the limit, or run the phase";
    checker.demand(!skipped, key, "a phase that is not skipped", mend)?;
    Ok(Some(phase))
}

/// Exactly one bound a limit, so that every rule of the report has one outcome. Returns the upper one.
fn one_bound(
    checker: &Checker<'_>,
    table: &str,
    limit: &TypedLimit,
) -> Result<Option<f64>, SpecError> {
    match (limit.min_auc, limit.max_auc) {
        (None, None) => Err(checker.missing(
            &format!("{table}.max_auc"),
            "write `max_auc = 0.7`, or a `min_auc`: a limit needs one",
        )),
        (Some(_), Some(_)) => {
            let mend = "write two [[gate.limits]], one for each bound";
            Err(checker.refuse(
                &format!("{table}.max_auc"),
                "absent where `min_auc` is given",
                mend,
            ))
        }
        (_, upper) => Ok(upper),
    }
}

fn share(checker: &Checker<'_>, key: &str, value: f64) -> Result<f64, SpecError> {
    checker.number(
        key,
        value,
        "a number from 0 to 1",
        (0.0..=1.0).contains(&value),
    )
}
