//! What a run does is what was promised of it: the steps and operations of `unsaid check`, and the probes' time.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::*;
use crate::audit::Base;
use crate::canary::{Codebook, Corpus, Look, Prefix};
use crate::checkpoint::Folder;
use crate::checkpoint::shapes::like_pythia;
use crate::forecast::cost;
use crate::model::Model;
use crate::probes::Survey;
use crate::training::{Batches, Control, PhasePlan, StepBatch, StepReport, run_phase};
use crate::units::{Phase, TokenId};

/// Stands between the loop of a phase and its rows, and counts what goes by.
struct Counting<'a> {
    survey: Survey<'a>,
    batches: Batches<'a>,
    steps: std::cell::Cell<usize>,
    /// Tokens that went through the model with derivatives.
    trained: std::cell::Cell<usize>,
    evaluations: usize,
    evaluated: usize,
}

impl Control for Counting<'_> {
    fn batch(&self, step: usize) -> StepBatch {
        let batch = self.batches.step(step);
        let tokens: usize = batch.rows().iter().map(|row| row.len() - 1).sum();
        self.steps.set(self.steps.get() + 1);
        self.trained.set(self.trained.get() + tokens);
        batch
    }

    fn evaluate(
        &mut self,
        _: &mut Model,
        _: usize,
        _: &StepReport,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.evaluations += 1;
        self.evaluated += self.survey.canaries(Look::Evaluation).len();
        Ok(())
    }
}

/// What `unsaid check` promises is what the phases' loop really does: each term's rows once a step, no pass more.
#[test]
fn the_loop_does_the_steps_and_operations_that_were_promised() {
    let text = "format = 1\n[audit]\nname = \"x\"\nseeds = [0]\n[model]\npath = \"x\"\n\
        [canaries]\nalphabet = \"abcd\"\nlength = 5\nnegatives = 6\nheld_out = 2\ncontrols = 3\n\
        trajectory_controls = 2\nrepeats = 4\n[phase1]\nbatch = 4\npasswords = 10\n\
        [phase2]\nbatch = 5\neval_every = 2\n[phase3]\nbatch = 5\neval_every = 3\n";
    let audit = crate::spec::parse(text, std::path::Path::new("x.toml"), &[]).unwrap();
    let config = like_pythia(2, 8, 1, 16);
    let book = Codebook {
        alphabet: (0..4).map(TokenId).collect(),
        texts: ["a", "b", "c", "d"].map(str::to_owned).to_vec(),
        prefixes: Some([TokenId(8), TokenId(9)]),
    };
    let promised = cost(&audit, &config);
    let corpus = Corpus::new(&audit, 0).unwrap();
    let pairs = |phase| corpus.pairs(phase);
    let reference = vec![-7.0; pairs(Phase::Two).reference_rows(&book).len()];
    assert_eq!(reference.len(), promised.reference_sequences);
    let mut model = Model::random(config.clone(), Device::CPU, Arithmetic::F32).unwrap();
    for (phase, promise) in Phase::ALL.into_iter().zip(&promised.phases) {
        let batches = match phase {
            Phase::One => Batches::fine_tuning(&audit, &book, corpus.fine_tuning().unwrap()),
            Phase::Two => Batches::dpo(&audit, &book, pairs(phase), &reference),
            Phase::Three => {
                let known = &corpus.planting.useful;
                Batches::joint(&audit, &book, &corpus.text, pairs(phase), known, &reference)
                    .unwrap()
            }
        };
        let mut counting = Counting {
            survey: Survey {
                audit: &audit,
                book: &book,
                planting: &corpus.planting,
                seed: 0,
                vocabulary: 16,
                frame: &crate::canary::BARE,
            },
            batches,
            steps: 0.into(),
            trained: 0.into(),
            evaluations: 0,
            evaluated: 0,
        };
        let plan = PhasePlan {
            learning_rate: 1e-3,
            warmup_steps: 0,
            ..PhasePlan::of(&audit, phase, audit.steps(phase))
        };
        run_phase(&mut model, &plan, &mut counting, &mut crate::event::Silent).unwrap();
        assert_eq!(counting.steps.get(), promise.steps);
        assert_eq!(counting.evaluations, promise.evaluations);
        // A layer has 4 · 8² + 2 · 8 · 32 multiply-adds a token, the output 16 · 8. Two operations each; forward, and what is asked of the way back.
        let (layers, output) = (768.0, 128.0);
        let (body, head) = if phase == Phase::Two {
            (2.5, 2.0)
        } else {
            (3.0, 3.0)
        };
        let trained = 2.0 * counting.trained.get() as f64 * (body * 2.0 * layers + head * output);
        let evaluated = 2.0 * 5.0 * counting.evaluated as f64 * (2.0 * layers + output);
        let near = |ours: f64, theirs: f64| (ours / theirs - 1.0).abs() < 1e-12;
        assert!(
            near(promise.training_flops, trained),
            "phase {phase}: {trained}"
        );
        assert!(
            near(promise.evaluation_flops, evaluated),
            "phase {phase}: {evaluated}"
        );
    }
}

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
    let corpus = Corpus::new(&audit, 0).unwrap();
    let only = |keep: &[&str]| {
        let mut audit = audit.clone();
        let probes = &mut audit.probes;
        let keeps = |name| keep.contains(&name);
        probes.elicitation = probes.elicitation.take().filter(|_| keeps("contexts"));
        probes.generation = probes.generation.take().filter(|_| keeps("generation"));
        probes.low_logit = probes.low_logit.take().filter(|_| keeps("completion"));
        probes.scan = probes.scan.take().filter(|_| keeps("scan"));
        audit
    };
    let (mut all, mut scan) = (0.0, 0.0);
    for phase in [Phase::Two, Phase::Three] {
        let folder = Folder::open(&checkpoint(phase)).unwrap();
        let mut model = Model::load(&folder, Device::CPU, Arithmetic::F32).unwrap();
        for name in [
            "evaluations",
            "contexts",
            "generation",
            "completion",
            "scan",
        ] {
            let audit = only(&[name]);
            let survey = survey(&audit, &base, &corpus.planting, 0);
            let start = Instant::now();
            let looks = if name == "evaluations" {
                let evaluations = audit.evaluations(phase);
                for _ in 0..evaluations {
                    survey.evaluate(&mut model, Prefix::Reverse).unwrap();
                }
                evaluations
            } else {
                let (from, reference) = ((&base, Device::CPU), checkpoint(Phase::One));
                let seen = results(&survey, &mut model, phase, from, &reference);
                seen.unwrap().len()
            };
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
