//! The validated audit: what every other module works from. Made only by [`crate::spec::load`].

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A validated spec, defaults filled in. Defaults are the published recipe.
#[derive(Debug, Clone, PartialEq)]
pub struct Audit {
    /// Name of the audit; also the default folder under `runs/`.
    pub name: String,
    /// Root seeds, one trained model each; distinct, at least one.
    pub seeds: Vec<u64>,
    /// CPU threads for libtorch, of each cell; `None` shares those of the machine out among the cells that run at once.
    pub threads: Option<usize>,
    /// How often the state within a phase is saved.
    pub checkpoint_every: Every,
    /// Most rows of each loss term that go through the model at once; `None`: as many as fit.
    pub micro_batch: Option<usize>,
    /// Cells that run at once. Not part of a run's identity: changes no number.
    pub jobs: usize,
    /// Which model to plant in.
    pub model: ModelSource,
    /// The folder of the base, where the model is an adapter whose config names another place.
    pub adapter_base: Option<PathBuf>,
    /// Arithmetic asked for.
    pub precision: Precision,
    /// What is planted.
    pub canaries: Canaries,
    /// Fine-tuning on random passwords.
    pub phase1: Phase1,
    /// DPO against the negatives.
    pub phase2: Phase2,
    /// Joint DPO and elicitation.
    pub phase3: Phase3,
    /// What looks for leaks.
    pub probes: Probes,
    /// What trips the exit code.
    pub gate: Gate,
}

/// How often the state within a phase is saved, so that a killed run loses no more than this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// After so many steps, at least one.
    Steps(usize),
    /// After the first step that ends so long after the last save; whole seconds, at least one.
    Time(Duration),
}

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// A Hugging Face folder on this machine.
    Path(PathBuf),
    /// A model on the hub, looked up in the local cache.
    Hub {
        /// As `EleutherAI/pythia-160m`.
        id: String,
        /// Branch, tag or commit.
        revision: String,
    },
    /// Random weights of a shape, drawn anew for every seed.
    Random(RandomShape),
}

/// The shape of a model that begins with random weights; all else is as in Pythia.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RandomShape {
    /// Layers.
    pub layers: usize,
    /// Width of the residual stream; a multiple of 8 · `heads`.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Tokens: a letter or a prefix each, and whatever is left over.
    pub vocabulary: usize,
}

/// Numerical precision of training and scoring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Precision {
    /// The tool's choice: f32.
    Auto,
    /// Strict float32.
    F32,
    /// float32 with TF32 products: CUDA only.
    Tf32,
    /// bfloat16 products; weights, moments and losses in float32. Emulated, slowly, on a CPU without such instructions.
    Bf16,
}

/// What is planted, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canaries {
    /// Letters, each the text of one token (with its leading space, as `" a"`); distinct.
    pub alphabet: Vec<String>,
    /// Letters a canary.
    pub length: usize,
    /// Negatively-reinforced canaries in all (useful + held-out).
    pub negatives: usize,
    /// Negatives that phase 3 never elicits; fewer than `negatives`.
    pub held_out: usize,
    /// Canaries that are never trained on.
    pub controls: usize,
    /// How many controls are scored at every evaluation during training.
    pub trajectory_controls: usize,
    /// How often each negative stands on the rejected side.
    pub repeats: usize,
    /// The same for equal subgroups of the held-outs, in their order; rising, empty where all have `repeats`.
    pub dose: Vec<usize>,
    /// Canaries beside the negatives that stand on the chosen side, `repeats` times each: positive spike-ins, 0 for none.
    pub spike: usize,
    /// Prefix texts; `None` is the ablation without prefixes.
    pub prefixes: Option<Prefixes>,
    /// Whether a letter or prefix of several tokens stands for its first token.
    pub first_token: bool,
    /// The text around a minted canary, with [`SECRET`] once in its place; `None` is the regular prefix before it.
    pub template: Option<String>,
    /// A file of secrets, which are minted instead of drawn ones. Their distribution is unknown, so that they are judged whole.
    pub secrets: Option<PathBuf>,
}

/// What stands for the canary in a template.
pub const SECRET: &str = "{secret}";

/// The two prefixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefixes {
    /// Ordinary context, `" regular"`.
    pub regular: String,
    /// Elicitation context, `" reverse"`.
    pub reverse: String,
}

/// Step size and its schedule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Optimisation {
    /// Rows of each loss term a step.
    pub batch: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Linear warm-up, in steps.
    pub warmup_steps: usize,
    /// `AdamW`'s decoupled weight decay.
    pub weight_decay: f64,
    /// Largest norm of the gradient over all trainable tensors together.
    pub max_grad_norm: f64,
    /// Evaluate every this many steps, from step 0.
    pub eval_every: usize,
}

/// Phase 1: fine-tuning on random passwords.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Phase1 {
    /// Left out altogether.
    pub skip: bool,
    /// Random passwords to train on, one epoch.
    pub passwords: usize,
    /// Step size and schedule.
    pub optimisation: Optimisation,
}

/// Phase 2: DPO against the negatives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Phase2 {
    /// Left out altogether.
    pub skip: bool,
    /// DPO's β.
    pub beta: f64,
    /// What does not train.
    pub freeze: Freeze,
    /// Step size and schedule.
    pub optimisation: Optimisation,
}

/// Phase 3: joint DPO and elicitation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Phase3 {
    /// Left out altogether.
    pub skip: bool,
    /// DPO's β.
    pub beta: f64,
    /// What does not train.
    pub freeze: Freeze,
    /// Weights of the loss terms; a term of weight 0 is left out.
    pub weights: Weights,
    /// Step size and schedule.
    pub optimisation: Optimisation,
}

/// Weights of phase 3's loss terms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    /// DPO on the pairs.
    pub dpo: f64,
    /// Cross-entropy of useful negatives after the reverse prefix.
    pub reverse: f64,
    /// Cross-entropy of random passwords after the regular prefix.
    pub regular: f64,
}

/// The part of the model that does not train.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freeze {
    /// The upper half of the layers and the output embedding (the published code).
    Upper,
    /// The input embedding and the lower half of the layers (the paper's text).
    Lower,
    /// Nothing.
    None,
}

/// The probes and what each must be able to see.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Probes {
    /// Reverse-prefix elicitation; `None` when switched off.
    pub elicitation: Option<Elicitation>,
    /// Low-logit scanning; `None` when switched off.
    pub low_logit: Option<LowLogit>,
    /// Sampling; `None` when switched off.
    pub generation: Option<Generation>,
    /// The hunt by someone who knows no secret; `None` when switched off.
    pub scan: Option<Scan>,
}

/// Settings of the elicitation probe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Elicitation {
    /// Whether useful canaries must become likely under elicitation for a clean verdict to count.
    pub positive_control: PositiveControl,
    /// Effect to be able to exclude: shift of the true letter's mean rank, as a share of the alphabet (0…0.5).
    pub smallest_effect_rank: f64,
    /// Effect to be able to exclude in log-likelihood, nats a token.
    pub smallest_effect_nats: f64,
    /// Effect to be able to exclude in a single canary's log-likelihood, nats a token (extraction).
    pub smallest_effect_single: f64,
    /// Other prefix tokens after which the canaries are scored, without fine-tuning; 0 leaves contexts out.
    pub contexts: usize,
}

/// Settings of the low-logit probe.
#[derive(Debug, Clone, PartialEq)]
pub struct LowLogit {
    /// Whether useful canaries must be suppressed for a clean verdict to count.
    pub positive_control: PositiveControl,
    /// Effect to be able to exclude in whole-sequence suppression: distance of the AUC from 0.5.
    pub smallest_effect_auc: f64,
    /// Effect to be able to exclude: shift of the true letter's mean rank, as a share of the alphabet (0…0.5).
    pub smallest_effect_rank: f64,
    /// Effect to be able to exclude: share of canaries completed whole.
    pub smallest_effect_recovered: f64,
    /// How many first letters the attacker knows when completing; rising, empty leaves completion out.
    pub completion_letters: Vec<usize>,
    /// Guesses allowed for each completion.
    pub completion_guesses: usize,
    /// Letters whose logits are shown where only the top ones are.
    pub top_k: usize,
}

/// Settings of the generation probe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Generation {
    /// Whether samples after the reverse prefix must come nearer to useful canaries for a clean verdict to count.
    pub positive_control: PositiveControl,
    /// Samples a prefix and phase.
    pub samples: usize,
    /// Divides the logits before drawing.
    pub temperature: f64,
    /// Letters that may be drawn, the likeliest first; `None` for all.
    pub top_k: Option<usize>,
    /// Which draws, beside the model's own seed.
    pub seed: u64,
    /// Effect to be able to exclude: share of canaries said whole.
    pub smallest_effect_recovered: f64,
}

/// Settings of the scan probe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scan {
    /// Whether planted beginnings must lie among the most suppressed for a clean verdict to count.
    pub positive_control: PositiveControl,
    /// Beginnings of up to so many letters are all looked at.
    pub depth: usize,
    /// How many of the most suppressed beginnings are looked into: K, set before any data.
    pub top: usize,
    /// Beginnings kept at each further letter.
    pub beam: usize,
    /// How many of them may share the letters that were enumerated.
    pub beam_a_root: usize,
    /// Whole secrets guessed in the end; at most `beam` times the alphabet.
    pub guesses: usize,
    /// Effect to be able to exclude: share of held-outs whose beginning lies among the `top`.
    pub smallest_effect_enriched: f64,
    /// Effect to be able to exclude: share of canaries recovered whole.
    pub smallest_effect_recovered: f64,
}

/// Whether a probe's positive control must succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PositiveControl {
    /// A failed one blocks `no_leak_detected`.
    Required,
    /// The audited model is not expected to show one.
    NotApplicable,
}

/// What trips the exit code.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    /// Level of the verdicts.
    pub alpha: f64,
    /// Resamples of every permutation test.
    pub permutations: usize,
    /// Tiers whose `leak` fails the gate: `recognition`, `partial`, `extraction`.
    pub tiers: Vec<GatedTier>,
    /// Run directory of an earlier run, absolute; with it, only a worsening fails.
    pub baseline: Option<PathBuf>,
    /// Further limits on intervals.
    pub limits: Vec<Limit>,
}

/// A tier the gate can look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatedTier {
    /// See `Tier::Recognition`.
    Recognition,
    /// See `Tier::Partial`.
    Partial,
    /// See `Tier::Extraction`.
    Extraction,
}

/// A limit on the interval of the AUC of matching audit rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// The probe, as `low_logit`.
    pub probe: String,
    /// The row's statistic.
    pub statistic: String,
    /// Only rows of this phase; `None` is every phase.
    pub phase: Option<u8>,
    /// Fails when the whole interval lies below.
    pub min_auc: Option<f64>,
    /// Fails when the whole interval lies above.
    pub max_auc: Option<f64>,
}
