//! What the probes beside the snapshots see at the end of a phase: contexts, completion, samples, scan.

use super::base::Base;
use super::in_context::InContext;
use super::plant::Corpus;
use super::{AuditError, EVALUATED};
use crate::canary::{Canary, Codebook, Group, Prefix};
use crate::checkpoint::Folder;
use crate::device::{Arithmetic, Device};
use crate::model::{Cached, Model};
use crate::probes::completion::{Shown, complete};
use crate::probes::scan::{Models, scan};
use crate::probes::{Look, contexts, generation};
use crate::score::Scorer;
use crate::seed::{Purpose, RootSeed};
use crate::spec::Audit;
use crate::units::{Phase, TokenId};

/// The models that others are compared with.
#[derive(Default)]
pub(super) struct Before {
    /// What the model was trained from: as phase 1 left it; `None` where that was skipped, and the base is the reference.
    pub(super) reference: Option<Model>,
    /// The public model that all began with.
    pub(super) base: Option<Model>,
}

impl Before {
    /// The models of a run. `reference`: the checkpoint of phase 1, where that was not skipped.
    pub(super) fn load(
        base: &Base,
        seed: u64,
        device: Device,
        reference: Option<&Folder>,
    ) -> Result<Self, AuditError> {
        // As the model is asked: in float32, whatever it trains in.
        let arithmetic = Arithmetic::F32;
        let load = |folder: &Folder| Model::load(folder, device, arithmetic);
        Ok(Self {
            reference: reference.map(load).transpose()?,
            base: Some(base.model(seed, device, arithmetic)?),
        })
    }
}

/// One look at one seed's model.
pub(super) struct Looking<'a> {
    pub(super) audit: &'a Audit,
    pub(super) book: &'a Codebook,
    pub(super) corpus: &'a Corpus<'a>,
    pub(super) seed: u64,
    pub(super) phase: Phase,
    /// What stands in the place of the regular prefix; empty: the prefix itself.
    pub(super) context: &'a [TokenId],
}

impl Looking<'_> {
    /// Everything the spec asks for, in a fixed order. `before` is called where other models are needed.
    pub(super) fn all(
        &self,
        model: &mut Model,
        before: impl FnOnce() -> Result<Before, AuditError>,
    ) -> Result<Vec<Look>, AuditError> {
        let mut looks = self.contexts(model)?;
        looks.extend(self.generations(model)?);
        if self.completes() || self.scans() {
            let mut before = before()?;
            looks.extend(self.completions(model, &mut before)?);
            looks.extend(self.scan(model, &mut before)?);
        }
        Ok(looks)
    }

    fn completes(&self) -> bool {
        let probe = self.audit.probes.low_logit.as_ref();
        probe.is_some_and(|p| !p.completion_letters.is_empty())
    }

    /// The first phase that trains against the negatives is where suppression is plainest.
    fn scans(&self) -> bool {
        let audit = self.audit;
        audit.probes.scan.is_some() && audit.negative_phases().first() == Some(&self.phase)
    }

    /// A model in the context that stands for the regular prefix.
    fn regularly<'m>(&'m self, scorer: &'m mut dyn Scorer) -> InContext<'m> {
        InContext {
            scorer,
            context: self.context,
        }
    }

    fn contexts(&self, model: &mut Model) -> Result<Vec<Look>, AuditError> {
        let audit = self.audit;
        let Some(others) = audit.probes.elicitation.map(|p| p.contexts) else {
            return Ok(Vec::new());
        };
        if others == 0 {
            return Ok(Vec::new());
        }
        let size = model.config().vocab_size;
        let book = self.book;
        let chosen = contexts::choose(book, audit.canaries.length, size, others);
        let canaries = self.corpus.contextual();
        let seed = RootSeed(self.seed);
        let scores = contexts::look(model, book, &canaries, &chosen, self.phase, seed)?;
        Ok(scores.into_iter().map(Look::Context).collect())
    }

    fn generations(&self, model: &mut Model) -> Result<Vec<Look>, AuditError> {
        let Some(settings) = &self.audit.probes.generation else {
            return Ok(Vec::new());
        };
        let mut targets = self.targets();
        targets.extend(self.corpus.planting.useful.iter().take(EVALUATED));
        let mut looks = Vec::new();
        let prefixes: &[Prefix] = match self.book.prefixes {
            Some(_) => &[Prefix::Regular, Prefix::Reverse],
            None => &[Prefix::Regular],
        };
        for &prefix in prefixes {
            let label = format!("{} {} {}", settings.seed, self.phase, prefix.name());
            let mut rng = RootSeed(self.seed).labelled_stream(Purpose::Sampling, &label);
            let mut cached = Cached::new(model);
            let mut regular;
            let scorer: &mut dyn Scorer = match prefix {
                Prefix::Regular => {
                    regular = self.regularly(&mut cached);
                    &mut regular
                }
                Prefix::Reverse => &mut cached,
            };
            let said = generation::sample(
                scorer,
                self.book,
                (self.phase, prefix),
                &targets,
                settings,
                &mut rng,
            )?;
            looks.push(Look::Generation(said));
        }
        Ok(looks)
    }

    /// The held-outs, and as many controls.
    fn targets(&self) -> Vec<&Canary> {
        let planting = &self.corpus.planting;
        let controls = planting.control.iter().take(planting.held_out.len());
        planting.held_out.iter().chain(controls).collect()
    }

    fn completions(&self, model: &mut Model, before: &mut Before) -> Result<Vec<Look>, AuditError> {
        let Some(settings) = &self.audit.probes.low_logit else {
            return Ok(Vec::new());
        };
        let observed = self.corpus.observed();
        let useful: Vec<&Canary> = observed
            .into_iter()
            .filter(|c| c.group == Group::Useful)
            .collect();
        let targets = self.targets();
        let mut looks = Vec::new();
        for shown in Shown::ALL {
            let other = match shown {
                Shown::Logits | Shown::TopK => None,
                Shown::Base => before.base.as_mut(),
                // Without phase 1 the base is the reference: one attack, not two.
                Shown::Reference => before.reference.as_mut(),
            };
            if other.is_none() && matches!(shown, Shown::Base | Shown::Reference) {
                continue;
            }
            let mut other = other.map(Cached::new);
            let mut other = other.as_mut().map(|other| self.regularly(other));
            let made = complete(
                &mut self.regularly(&mut Cached::new(model)),
                other.as_mut().map(|other| other as &mut dyn Scorer),
                shown,
                self.phase,
                self.book,
                [&useful, &targets],
                settings,
            )?;
            looks.extend(made.into_iter().map(Look::Completion));
        }
        Ok(looks)
    }

    fn scan(&self, model: &mut Model, before: &mut Before) -> Result<Option<Look>, AuditError> {
        let Some(settings) = self.audit.probes.scan.filter(|_| self.scans()) else {
            return Ok(None);
        };
        let Some(reference) = before.reference.as_mut().or(before.base.as_mut()) else {
            return Ok(None);
        };
        let planting = &self.corpus.planting;
        let controls = planting.control.iter().take(planting.held_out.len());
        let canaries: Vec<&Canary> = planting.negatives().chain(controls).collect();
        let (mut model, mut reference) = (Cached::new(model), Cached::new(reference));
        let mut models = Models {
            model: &mut self.regularly(&mut model),
            reference: &mut self.regularly(&mut reference),
        };
        let found = scan(&mut models, self.phase, self.book, &canaries, &settings)?;
        Ok(Some(Look::Scan(found)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::base::Base;
    use crate::device::Device;
    use crate::run_dir::RunDir;
    use std::path::{Path, PathBuf};
    use std::time::Instant;

    /// One way to look at a model; gives how many looks that were.
    type Part<'a> = &'a mut dyn FnMut(&mut Model) -> usize;

    /// The budget of the quick audit is 20 seconds for all probes, 30 with the scan: every evaluation of phases 2 and 3, and both
    /// ends of phases.
    ///
    /// `UNSAID_RUN=runs/quick cargo test --release --lib --locked -- --ignored --nocapture quick_probes` takes the models of a run
    /// of `audits/quick.toml`; without it those of the fixture, from which the truth is lost sooner.
    #[test]
    #[ignore = "a measurement: it needs an idle machine"]
    fn quick_probes_keep_their_time() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let set = crate::spec::Override::parse("probes.scan.enabled=true").unwrap();
        let audit = crate::spec::load(&root.join("audits/quick.toml"), &[set]).unwrap();
        let fixture = root.join("fixtures/tiny-neox");
        let run = std::env::var_os("UNSAID_RUN").map(PathBuf::from);
        let checkpoint = |phase: Phase| match &run {
            None => fixture.clone(),
            Some(run) => RunDir::existing(run).cell(0).checkpoint(phase),
        };
        let base = Base::find(&audit, &mut crate::event::Silent).unwrap();
        let corpus = Corpus::new(&audit, &base.book, 0).unwrap();
        let (mut all, mut scan) = (0.0, 0.0);
        for phase in [Phase::Two, Phase::Three] {
            let folder = Folder::open(&checkpoint(phase)).unwrap();
            let mut model = Model::load(&folder, Device::CPU, Arithmetic::F32).unwrap();
            let looking = Looking {
                audit: &audit,
                book: &base.book,
                corpus: &corpus,
                seed: 0,
                phase,
                context: &[],
            };
            let reference = Folder::open(&checkpoint(Phase::One)).unwrap();
            let load = || Before::load(&base, 0, Device::CPU, Some(&reference)).unwrap();
            let mut before = load();
            let canaries = corpus.evaluated();
            let evaluations = audit.evaluations(phase);
            let parts: [(&str, Part<'_>); 5] = [
                ("evaluations", &mut |m| {
                    for _ in 0..evaluations {
                        corpus.score(m, &canaries, Prefix::Reverse).unwrap();
                    }
                    evaluations
                }),
                ("contexts", &mut |m| looking.contexts(m).unwrap().len()),
                ("generation", &mut |m| looking.generations(m).unwrap().len()),
                ("completion", &mut |m| {
                    looking.completions(m, &mut before).unwrap().len()
                }),
                ("scan", &mut |m| {
                    let mut before = load();
                    usize::from(looking.scan(m, &mut before).unwrap().is_some())
                }),
            ];
            for (name, part) in parts {
                let start = Instant::now();
                let looks = part(&mut model);
                let seconds = start.elapsed().as_secs_f64();
                all += seconds;
                scan += if name == "scan" { seconds } else { 0.0 };
                #[allow(clippy::print_stderr, reason = "the figures are what it is run for")]
                {
                    eprintln!("phase {phase}, {name}: {looks} looks in {seconds:.2} s");
                }
            }
        }
        assert!(
            all - scan < 20.0,
            "{all:.1} s, of which {scan:.1} s are the scan's"
        );
        assert!(all < 30.0, "{all:.1} s");
    }
}
