//! A survey: everything that the probes ask of one model as a phase left it. Runs, probes of other people's models, verification
//! and the calibration's made-up models all go through here.

mod compared;

use std::collections::BTreeMap;

use super::generation::Spoken;
use super::in_context::InContext;
use super::{
    CellObservations, LetterScores, ProbeError, ProbeResult, Snapshot, contexts, generation,
    observe,
};
use crate::canary::{Canary, Codebook, Frame, Group, Look, Planting, Prefix, Roster};
use crate::score::Scorer;
use crate::seed::{Purpose, RootSeed};
use crate::spec::Audit;
use crate::units::Phase;

/// What is looked for in the models of one seed.
#[derive(Debug, Clone, Copy)]
pub struct Survey<'a> {
    /// Which probes look, and how.
    pub audit: &'a Audit,
    /// The tokens of letters and prefixes.
    pub book: &'a Codebook,
    /// The canaries.
    pub planting: &'a Planting,
    /// Root seed of the scoring order and of samples.
    pub seed: u64,
    /// Tokens of the model's vocabulary, from which other contexts are taken.
    pub vocabulary: usize,
    /// What stands around prompts.
    pub frame: &'a Frame,
}

/// The models that a trained one is compared with.
#[derive(Default)]
pub struct References<'m> {
    /// What it was trained from: as phase 1 left it.
    pub reference: Option<Box<dyn Scorer + 'm>>,
    /// The public model that all began with.
    pub base: Option<Box<dyn Scorer + 'm>>,
}

/// Surveys a model that was trained elsewhere, and before it what it was trained from, where that is there: the observations
/// that [`judge`](crate::findings::judge) takes.
///
/// Errors: a model cannot score the canaries, or gives what is no number.
pub fn survey(
    survey: &Survey<'_>,
    model: &mut dyn Scorer,
    mut reference: Option<&mut dyn Scorer>,
) -> Result<CellObservations, ProbeError> {
    let mut snapshots = Vec::new();
    if let Some(reference) = &mut reference {
        snapshots.extend(survey.snapshots(&mut **reference, Phase::One)?);
    }
    snapshots.extend(survey.snapshots(model, Phase::Two)?);
    let references = || -> Result<References<'_>, ProbeError> {
        Ok(References {
            reference: reference.map(|reference| Box::new(reference) as Box<dyn Scorer>),
            base: None,
        })
    };
    let results = survey.results(model, Phase::Two, references)?;
    Ok(CellObservations {
        seed: survey.seed,
        snapshots,
        results,
        ..CellObservations::default()
    })
}

impl Survey<'_> {
    /// The canaries of a look, group by group.
    #[must_use]
    pub fn canaries(&self, look: Look) -> Vec<&Canary> {
        Roster::of(self.audit).take(look, self.planting)
    }

    /// Scores the canaries of an evaluation after a prefix, by group.
    pub fn evaluate(
        &self,
        scorer: &mut dyn Scorer,
        prefix: Prefix,
    ) -> Result<BTreeMap<Group, Vec<LetterScores>>, ProbeError> {
        self.score(scorer, &self.canaries(Look::Evaluation), prefix)
    }

    /// All canaries under both prefixes, with the model as `phase` left it.
    pub fn snapshots(
        &self,
        scorer: &mut dyn Scorer,
        phase: Phase,
    ) -> Result<[Snapshot; 2], ProbeError> {
        let canaries = self.canaries(Look::PhaseEnd);
        let mut snapshot = |prefix| -> Result<Snapshot, ProbeError> {
            Ok(Snapshot {
                phase,
                prefix,
                groups: self.score(scorer, &canaries, prefix)?,
            })
        };
        Ok([snapshot(Prefix::Regular)?, snapshot(Prefix::Reverse)?])
    }

    /// What the other probes see of the model as `phase` left it, in a fixed order. `references` is called where other models
    /// are needed.
    ///
    /// Errors: a model cannot be asked, or `references` fails.
    pub fn results<'m, E: From<ProbeError>>(
        &self,
        model: &mut dyn Scorer,
        phase: Phase,
        references: impl FnOnce() -> Result<References<'m>, E>,
    ) -> Result<Vec<ProbeResult>, E> {
        let looks = Look::after(self.audit, phase);
        let mut references = if looks.iter().any(|look| look.compares()) {
            references()?
        } else {
            References::default()
        };
        let mut results = Vec::new();
        for look in looks {
            match look {
                Look::Contexts => results.extend(self.contexts(model, phase)?),
                Look::Generation => results.extend(self.generations(model, phase)?),
                Look::Completion => {
                    results.extend(self.completions(model, phase, &mut references)?);
                }
                Look::Contrast => {
                    results.extend(self.contrasts(model, phase, &mut references)?);
                }
                Look::Scan => results.extend(self.scan(model, phase, &mut references)?),
                Look::Evaluation | Look::PhaseEnd => {}
            }
        }
        Ok(results)
    }

    /// Whether models with altered weights are asked for.
    #[must_use]
    pub fn alters(&self) -> bool {
        let probe = self.audit.probes.low_logit.as_ref();
        probe.is_some_and(|p| p.altered_weights)
    }

    /// Scores canaries after a prefix, by group.
    fn score(
        &self,
        scorer: &mut dyn Scorer,
        canaries: &[&Canary],
        prefix: Prefix,
    ) -> Result<BTreeMap<Group, Vec<LetterScores>>, ProbeError> {
        let mut rng = RootSeed(self.seed).stream(Purpose::ScoringOrder);
        let mut scorer = self.after(prefix, scorer);
        let scores = observe(&mut scorer, self.book, canaries, prefix, &mut rng)?;
        Ok(by_group(canaries.iter().map(|c| c.group).zip(scores)))
    }

    /// A model in the context that stands for a prefix.
    fn after<'m>(&self, prefix: Prefix, scorer: &'m mut dyn Scorer) -> InContext<'m> {
        let own = self.book.before(prefix);
        InContext {
            scorer,
            context: own.map_or_else(Vec::new, |token| self.frame.of(prefix, token)),
        }
    }

    /// What is put before canaries beside their own prefix.
    fn other_prompts(&self) -> Vec<contexts::Context> {
        let others = self.audit.probes.elicitation.map_or(0, |p| p.contexts);
        let length = self.audit.canaries.length;
        contexts::choose(self.book, length, self.vocabulary, others)
    }

    fn contexts(
        &self,
        model: &mut dyn Scorer,
        phase: Phase,
    ) -> Result<Vec<ProbeResult>, ProbeError> {
        let chosen = self.other_prompts();
        let canaries = self.canaries(Look::Contexts);
        let seed = RootSeed(self.seed);
        let about = (self.book, self.frame);
        let scores = contexts::look(model, about, &canaries, &chosen, phase, seed)?;
        Ok(scores.into_iter().map(ProbeResult::Context).collect())
    }

    fn generations(
        &self,
        model: &mut dyn Scorer,
        phase: Phase,
    ) -> Result<Vec<ProbeResult>, ProbeError> {
        let Some(settings) = &self.audit.probes.generation else {
            return Ok(Vec::new());
        };
        let targets = self.canaries(Look::Generation);
        let prefixes: &[Prefix] = match self.book.prefixes {
            Some(_) => &[Prefix::Regular, Prefix::Reverse],
            None => &[Prefix::Regular],
        };
        let mut said = Vec::new();
        for (spoken, cold) in [(Spoken::Sampled, ""), (Spoken::Cold, " cold")] {
            for &prefix in prefixes {
                let label = format!("{} {phase} {}{cold}", settings.seed, prefix.name());
                let mut rng = RootSeed(self.seed).labelled_stream(Purpose::Sampling, &label);
                let mut growing = model.growing();
                let mut scorer = self.after(prefix, &mut *growing);
                let about = (phase, prefix, spoken);
                let (book, targets) = (self.book, &targets);
                said.push(generation::sample(
                    &mut scorer,
                    book,
                    about,
                    targets,
                    settings,
                    &mut rng,
                )?);
            }
        }
        let greediest = |scorer: &mut dyn Scorer, name: &str, before| {
            let prompt = (name, before);
            generation::greediest(scorer, self.book, phase, prompt, &targets, settings)
        };
        if let Some(own) = self.book.before(Prefix::Regular) {
            let mut growing = model.growing();
            let mut scorer = self.after(Prefix::Regular, &mut *growing);
            said.push(greediest(&mut scorer, "regular", Some(own))?);
        }
        for prompt in self.other_prompts() {
            let mut growing = model.growing();
            let (mut scorer, first) = contexts::within(&mut *growing, self.frame, &prompt);
            said.push(greediest(&mut scorer, &prompt.name, first)?);
        }
        Ok(said.into_iter().map(ProbeResult::Generation).collect())
    }
}

/// Scores gathered by the groups of their canaries.
pub(super) fn by_group(
    scores: impl Iterator<Item = (Group, LetterScores)>,
) -> BTreeMap<Group, Vec<LetterScores>> {
    let mut groups: BTreeMap<Group, Vec<LetterScores>> = BTreeMap::new();
    for (group, score) in scores {
        groups.entry(group).or_default().push(score);
    }
    groups
}
