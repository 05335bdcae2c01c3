//! The loop of a phase: steps, and evaluations after the update of every n-th of them.

use super::{Settings, StepBatch, StepReport, Trainer, TrainingError, learning_rate};
use crate::event::{Event, Observer};
use crate::model::{Model, Part};
use crate::spec::{Audit, Freeze};
use crate::units::Phase;

/// A phase as data.
#[derive(Debug, Clone, PartialEq)]
pub struct PhasePlan {
    /// Which phase.
    pub phase: Phase,
    /// Steps.
    pub steps: usize,
    /// What does not train.
    pub freeze: Freeze,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Warm-up steps.
    pub warmup_steps: usize,
    /// Evaluate after the update of every step that this divides.
    pub eval_every: usize,
    /// Weight decay and clipping.
    pub settings: Settings,
}

impl PhasePlan {
    /// A phase as a spec has it, with so many steps.
    #[must_use]
    pub fn of(audit: &Audit, phase: Phase, steps: usize) -> Self {
        let optimisation = audit.optimisation(phase);
        Self {
            phase,
            steps,
            freeze: audit.freeze(phase),
            learning_rate: optimisation.learning_rate,
            warmup_steps: optimisation.warmup_steps,
            eval_every: optimisation.eval_every,
            settings: Settings {
                micro_batch: audit.micro_batch,
                ..Settings::from(optimisation)
            },
        }
    }
}

/// What happens between steps.
pub trait Control {
    /// The rows of a step.
    fn batch(&self, step: usize) -> StepBatch;

    /// Evaluates the model after the update of `step`.
    fn evaluate(
        &mut self,
        model: &mut Model,
        step: usize,
        report: &StepReport,
    ) -> Result<(), Failure>;

    /// Puts a fresh trainer where an interrupted phase left it; gives the first step that is still to do.
    fn begin(&mut self, _trainer: &mut Trainer<'_>) -> Result<usize, Failure> {
        Ok(0)
    }

    /// Called between two steps, `next` the one to come: may save what the trainer goes on from. `stopping`: it must,
    /// since work stops here.
    fn between(
        &mut self,
        _trainer: &mut Trainer<'_>,
        _next: usize,
        _stopping: bool,
    ) -> Result<(), Failure> {
        Ok(())
    }
}

/// What a [`Control`] fails with.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The parts that train under a freezing. Guide: recipe, "Phases".
///
/// Learned positions go with the input embedding. One embedding for both ends trains only where both would: `upper` freezes it as
/// the output, `lower` as the input.
#[must_use]
pub fn trainable_parts(freeze: Freeze) -> &'static [Part] {
    match freeze {
        Freeze::Upper => &[Part::Input, Part::Positions, Part::Lower, Part::FinalNorm],
        Freeze::Lower => &[Part::FinalNorm, Part::Upper, Part::Output],
        Freeze::None => &[
            Part::Input,
            Part::Positions,
            Part::Lower,
            Part::FinalNorm,
            Part::Upper,
            Part::Output,
            Part::Tied,
        ],
    }
}

/// Runs a phase from its first step (or the one its control begins at) to its last, with a fresh optimiser.
///
/// Errors: libtorch fails, the loss is no number, an evaluation or a save fails, the observer asks to stop.
pub fn run_phase(
    model: &mut Model,
    plan: &PhasePlan,
    control: &mut dyn Control,
    observer: &mut dyn Observer,
) -> Result<(), TrainingError> {
    let phase = plan.phase;
    let mut trainer = Trainer::new(model, trainable_parts(plan.freeze), plan.settings)?;
    let state = |step| {
        move |source| TrainingError::State {
            phase,
            step,
            source,
        }
    };
    let first = control.begin(&mut trainer).map_err(state(0))?;
    for step in first..plan.steps {
        if step > first {
            let stopping = observer.interrupted();
            control
                .between(&mut trainer, step, stopping)
                .map_err(state(step))?;
        }
        if observer.interrupted() {
            return Err(TrainingError::Interrupted { phase, step });
        }
        let rate = learning_rate(step, plan.steps, plan.learning_rate, plan.warmup_steps);
        let report = trainer.step(&control.batch(step), rate)?;
        refuse_nan(&report, phase, step)?;
        observer.event(&Event::Stepped {
            phase,
            step,
            loss: report.loss,
        });
        if step.is_multiple_of(plan.eval_every) {
            control
                .evaluate(trainer.model(), step, &report)
                .map_err(|source| TrainingError::Evaluation {
                    phase,
                    step,
                    source,
                })?;
        }
    }
    trainer.finish()?;
    Ok(())
}

fn refuse_nan(report: &StepReport, phase: Phase, step: usize) -> Result<(), TrainingError> {
    for (what, value) in [("loss", report.loss), ("gradient norm", report.grad_norm)] {
        if !value.is_finite() {
            return Err(TrainingError::NotFinite {
                what,
                value,
                phase,
                step,
            });
        }
    }
    Ok(())
}
