//! Replays a trace, or scores a file's rows, and holds each number against the reference's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use unsaid::checkpoint::Folder;
use unsaid::device::{Arithmetic, Device, resolve};
use unsaid::model::Model;
use unsaid::score::Scorer;
use unsaid::spec::Freeze;
use unsaid::training::{
    DpoTerm, LikelihoodTerm, Settings, StepBatch, TermName, Trainer, learning_rate, trainable_parts,
};
use unsaid::units::TokenId;

/// Log-probabilities in float32, nats.
const SCORE_TOLERANCE: f64 = 2e-4;
/// Learning rate, absolute: it is 0 at step 0.
const RATE_TOLERANCE: f64 = 1e-6;

/// How far an arithmetic may stray from the reference's float32.
#[derive(Clone, Copy)]
pub(crate) struct Allowed {
    pub(crate) arithmetic: Arithmetic,
    /// Losses and terms, relative.
    pub(crate) loss: f64,
    /// Gradient norm, relative.
    pub(crate) norm: f64,
    /// Evaluation means, nats.
    pub(crate) evaluation: f64,
}

/// The reference's own float32 gradient norm differs from its float64 by 8.5e-5.
const F32: Allowed = Allowed {
    arithmetic: Arithmetic::F32,
    loss: 1e-5,
    norm: 1e-3,
    evaluation: 5e-4,
};

/// Float32 on a GPU sums in other orders, and in more of them.
const F32_CUDA: Allowed = Allowed { loss: 1e-3, ..F32 };

/// bfloat16 keeps 8 bits of an operand (0.4 %): a loss is a mean over hundreds of tokens, a norm over thousands of numbers.
pub(crate) const BF16: Allowed = Allowed {
    arithmetic: Arithmetic::EmulatedBf16,
    loss: 5e-3,
    norm: 1e-2,
    evaluation: 5e-3,
};

pub(crate) fn float32() -> Allowed {
    if device() == Device::CPU {
        F32
    } else {
        F32_CUDA
    }
}

pub(crate) type Rows = Vec<Vec<TokenId>>;

#[derive(Deserialize)]
struct Trace {
    model: String,
    freeze: String,
    beta: f64,
    weights: BTreeMap<String, f64>,
    peak_lr: f64,
    warmup: usize,
    weight_decay: f64,
    max_grad_norm: f64,
    eval_sets: BTreeMap<String, BTreeMap<String, Rows>>,
    phases: Vec<TracePhase>,
}

#[derive(Deserialize)]
struct TracePhase {
    phase: u8,
    steps: Vec<TraceStep>,
    eval_mean_logprob: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct TraceStep {
    lr: f64,
    pub(crate) loss: f64,
    grad_norm: f64,
    terms: BTreeMap<String, f64>,
    rows: BTreeMap<String, Rows>,
}

/// The largest difference seen of each kind.
#[derive(Default)]
struct Worst(BTreeMap<&'static str, f64>);

impl Worst {
    fn close(
        &mut self,
        what: &'static str,
        place: &str,
        ours: f64,
        theirs: f64,
        tolerance: Tolerance,
    ) {
        let (difference, limit) = match tolerance {
            Tolerance::Absolute(limit) => ((ours - theirs).abs(), limit),
            Tolerance::Relative(limit) => ((ours - theirs).abs() / theirs.abs(), limit),
        };
        // Written so that a NaN fails.
        assert!(
            difference <= limit,
            "{place}: {what} is {ours}, the reference has {theirs}: differs by {difference:.3e}, allowed {limit:.0e}"
        );
        let worst = self.0.entry(what).or_default();
        *worst = worst.max(difference);
    }
}

#[derive(Clone, Copy)]
enum Tolerance {
    Absolute(f64),
    Relative(f64),
}

/// The CPU, or what `UNSAID_PARITY_DEVICE` names: `cuda` on a machine that has one (with `--test-threads 1`: one GPU, and
/// its half of libtorch registers before all else).
pub(crate) fn device() -> Device {
    static DEVICE: std::sync::OnceLock<Device> = std::sync::OnceLock::new();
    *DEVICE.get_or_init(|| {
        let name = std::env::var("UNSAID_PARITY_DEVICE").unwrap_or_else(|_| "cpu".to_owned());
        resolve(name.parse().unwrap()).unwrap_or_else(|e| panic!("{e}"))
    })
}

/// Where `UNSAID_PARITY_FIXTURES` says, for a binary that was carried to another machine.
pub(crate) fn fixtures() -> PathBuf {
    std::env::var_os("UNSAID_PARITY_FIXTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/parity"),
        PathBuf::from,
    )
}

pub(crate) fn load(folder: &Path, arithmetic: Arithmetic) -> Model {
    let device = device();
    let folder = Folder::open(folder).unwrap_or_else(|e| panic!("{e}"));
    Model::load(&folder, device, arithmetic).unwrap_or_else(|e| panic!("{e}"))
}

fn sums(model: &mut Model, rows: &Rows) -> Vec<f32> {
    let scores = model.score(rows, &[]).unwrap();
    scores.iter().map(|s| s.logprobs.iter().sum()).collect()
}

fn mean(model: &mut Model, rows: &Rows) -> f64 {
    let scores = model.score(rows, &[]).unwrap();
    let all: Vec<f64> = scores
        .iter()
        .flat_map(|s| s.logprobs.iter().map(|&lp| f64::from(lp)))
        .collect();
    all.iter().sum::<f64>() / all.len() as f64
}

fn batch(trace: &Trace, phase: u8, step: &TraceStep, reference: Option<&mut Model>) -> StepBatch {
    let weight = |name: &str| if phase == 1 { 1.0 } else { trace.weights[name] };
    let dpo = reference.map(|model| {
        let (chosen, rejected) = (&step.rows["chosen"], &step.rows["rejected"]);
        DpoTerm {
            weight: weight("dpo"),
            beta: trace.beta,
            reference_chosen: sums(model, chosen),
            reference_rejected: sums(model, rejected),
            chosen: chosen.clone(),
            rejected: rejected.clone(),
        }
    });
    let likelihood = [TermName::Reverse, TermName::Regular]
        .into_iter()
        .filter_map(|name| {
            let rows = step.rows.get(name.name())?.clone();
            Some(LikelihoodTerm {
                name,
                weight: weight(name.name()),
                rows,
            })
        })
        .collect();
    StepBatch {
        dpo,
        likelihood,
        ..StepBatch::default()
    }
}

fn replay_phase(
    trace: &Trace,
    phase: &TracePhase,
    model: &mut Model,
    batches: &[StepBatch],
    allowed: Allowed,
    worst: &mut Worst,
) {
    let freeze = match (phase.phase, trace.freeze.as_str()) {
        (2, "upper") => Freeze::Upper,
        (2, "lower") => Freeze::Lower,
        (1 | 3, _) | (2, "none") => Freeze::None,
        other => panic!("unknown freezing {other:?}"),
    };
    let settings = Settings {
        weight_decay: trace.weight_decay,
        max_grad_norm: trace.max_grad_norm,
        micro_batch: None,
    };
    let mut trainer = Trainer::new(model, trainable_parts(freeze), settings).unwrap();
    for (i, (step, batch)) in phase.steps.iter().zip(batches).enumerate() {
        let place = format!("phase {} step {i}", phase.phase);
        let rate = learning_rate(i, phase.steps.len(), trace.peak_lr, trace.warmup);
        let report = trainer.step(batch, rate).unwrap();
        worst.close(
            "learning rate",
            &place,
            rate,
            step.lr,
            Tolerance::Absolute(RATE_TOLERANCE),
        );
        worst.close(
            "loss",
            &place,
            report.loss,
            step.loss,
            Tolerance::Relative(allowed.loss),
        );
        assert_eq!(report.terms.len(), step.terms.len(), "{place}");
        for (name, ours) in report.terms {
            worst.close(
                "term",
                &place,
                ours,
                step.terms[name.name()],
                Tolerance::Relative(allowed.loss),
            );
        }
        let tolerance = Tolerance::Relative(allowed.norm);
        worst.close(
            "gradient norm",
            &place,
            report.grad_norm,
            step.grad_norm,
            tolerance,
        );
    }
    trainer.finish().unwrap();
}

pub(crate) fn replay(path: &Path, allowed: Allowed) {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let trace: Trace =
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let folder = path.with_file_name(&trace.model);
    let mut model = load(&folder, allowed.arithmetic);
    let mut reference = None;
    let mut worst = Worst::default();
    assert!(!trace.phases.is_empty());
    for phase in &trace.phases {
        if phase.phase == 2 {
            reference = Some(copy_of(&model, &folder));
        }
        let batches: Vec<_> = phase
            .steps
            .iter()
            .map(|step| batch(&trace, phase.phase, step, reference.as_mut()))
            .collect();
        assert!(!batches.is_empty());
        replay_phase(&trace, phase, &mut model, &batches, allowed, &mut worst);
        let prefix = if phase.phase == 3 {
            "reverse"
        } else {
            "regular"
        };
        assert_eq!(phase.eval_mean_logprob.len(), 3);
        for (set, theirs) in &phase.eval_mean_logprob {
            let ours = mean(&mut model, &trace.eval_sets[set][prefix]);
            let place = format!("after phase {}, {set}", phase.phase);
            worst.close(
                "evaluation mean",
                &place,
                ours,
                *theirs,
                Tolerance::Absolute(allowed.evaluation),
            );
        }
    }
    println!(
        "{} in {}: largest differences {:?}",
        path.display(),
        allowed.arithmetic,
        worst.0
    );
}

/// The model as it stands, apart from the one that trains on.
fn copy_of(model: &Model, folder: &Path) -> Model {
    let mut copy = load(folder, model.arithmetic());
    for (slot, (_, tensor)) in model.named_tensors().into_iter().enumerate() {
        copy.set(slot, &tensor).unwrap();
    }
    copy
}

#[derive(Deserialize)]
struct ScoredLine {
    tokens: Vec<TokenId>,
    logprobs: Vec<f64>,
}

/// The rows of such a file.
pub(crate) fn rows_of(expected: &Path) -> Rows {
    let text =
        std::fs::read_to_string(expected).unwrap_or_else(|e| panic!("{}: {e}", expected.display()));
    let lines = text
        .lines()
        .map(|l| serde_json::from_str::<ScoredLine>(l).unwrap());
    lines.map(|line| line.tokens).collect()
}

/// A folder's log-probabilities of the rows of a file that holds the reference's.
pub(crate) fn scores_agree(folder: &Path, expected: &Path) {
    let text =
        std::fs::read_to_string(expected).unwrap_or_else(|e| panic!("{}: {e}", expected.display()));
    let lines: Vec<ScoredLine> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert!(!lines.is_empty());
    let rows: Rows = lines.iter().map(|l| l.tokens.clone()).collect();
    let ours = load(folder, Arithmetic::F32).score(&rows, &[]).unwrap();
    let mut worst = Worst::default();
    for (i, (line, ours)) in lines.iter().zip(ours).enumerate() {
        assert_eq!(line.logprobs.len(), ours.logprobs.len());
        for (theirs, ours) in line.logprobs.iter().zip(ours.logprobs) {
            let tolerance = Tolerance::Absolute(SCORE_TOLERANCE);
            let place = format!("line {}", i + 1);
            worst.close(
                "log-probability",
                &place,
                f64::from(ours),
                *theirs,
                tolerance,
            );
        }
    }
    println!("{}: largest differences {:?}", folder.display(), worst.0);
}
