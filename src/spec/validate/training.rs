//! `[phase1]`, `[phase2]`, `[phase3]`.

use super::super::audit::{Freeze, Optimisation, Phase1, Phase2, Phase3, Weights};
use super::super::error::SpecError;
use super::super::typed::{TypedPhase1, TypedPhase2, TypedPhase3, TypedWeights};
use super::check::{COUNT_MAX, Checker};

pub(super) fn phase1(checker: &Checker<'_>, typed: &TypedPhase1) -> Result<Phase1, SpecError> {
    Ok(Phase1 {
        skip: typed.skip,
        passwords: checker.count("phase1.passwords", typed.passwords, 1, COUNT_MAX)?,
        optimisation: optimisation(checker, "phase1", typed.optimisation())?,
    })
}

pub(super) fn phase2(checker: &Checker<'_>, typed: &TypedPhase2) -> Result<Phase2, SpecError> {
    Ok(Phase2 {
        skip: typed.skip,
        beta: checker.positive("phase2.beta", typed.beta)?,
        freeze: freeze(checker, "phase2.freeze", &typed.freeze)?,
        optimisation: optimisation(checker, "phase2", typed.optimisation())?,
    })
}

pub(super) fn phase3(checker: &Checker<'_>, typed: &TypedPhase3) -> Result<Phase3, SpecError> {
    Ok(Phase3 {
        skip: typed.skip,
        beta: checker.positive("phase3.beta", typed.beta)?,
        freeze: freeze(checker, "phase3.freeze", &typed.freeze)?,
        weights: weights(checker, &typed.weights)?,
        optimisation: optimisation(checker, "phase3", typed.optimisation())?,
    })
}

fn optimisation(
    checker: &Checker<'_>,
    phase: &str,
    typed: Optimisation,
) -> Result<Optimisation, SpecError> {
    let key = |name: &str| format!("{phase}.{name}");
    checker.count(&key("batch"), typed.batch, 1, COUNT_MAX)?;
    checker.not_negative(&key("learning_rate"), typed.learning_rate)?;
    checker.count(&key("warmup_steps"), typed.warmup_steps, 0, COUNT_MAX)?;
    checker.not_negative(&key("weight_decay"), typed.weight_decay)?;
    checker.positive(&key("max_grad_norm"), typed.max_grad_norm)?;
    checker.count(&key("eval_every"), typed.eval_every, 1, COUNT_MAX)?;
    Ok(typed)
}

fn weights(checker: &Checker<'_>, typed: &TypedWeights) -> Result<Weights, SpecError> {
    let TypedWeights {
        dpo,
        reverse,
        regular,
    } = *typed;
    for (name, weight) in [("dpo", dpo), ("reverse", reverse), ("regular", regular)] {
        checker.not_negative(&format!("phase3.weights.{name}"), weight)?;
    }
    checker.demand(
        dpo > 0.0 || reverse > 0.0 || regular > 0.0,
        "phase3.weights",
        "larger than 0 in at least one of dpo, reverse and regular",
        "give one a weight (the recipe has dpo = 1.0, reverse = 0.2, regular = 0.2), or set `phase3.skip = true`",
    )?;
    Ok(Weights {
        dpo,
        reverse,
        regular,
    })
}

fn freeze(checker: &Checker<'_>, key: &str, typed: &str) -> Result<Freeze, SpecError> {
    checker.choice(
        key,
        typed,
        &[
            ("upper", Freeze::Upper),
            ("lower", Freeze::Lower),
            ("none", Freeze::None),
        ],
    )
}
