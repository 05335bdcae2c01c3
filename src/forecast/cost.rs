//! What a spec will cost, before anything runs: steps, sequences, floating-point operations, memory, disk.
//!
//! Operations are those of the matrix products (two a multiply-add), without attention scores, which at 17 tokens are
//! under one in a hundred. Guide: recipe, "What it costs".

use crate::canary::{Group, Look, Roster};
use crate::checkpoint::ModelConfig;
use crate::checkpoint::size::{
    ACTIVATIONS, KEPT_LOGITS, activations_per_token, matrix_parameters, parameters,
};
use crate::probes::ROWS_AT_ONCE;
use crate::probes::completion::Shown;
use crate::probes::generation::texts;
use crate::probes::scan::DRAWN;
use crate::spec::{Audit, Freeze};
use crate::units::Phase;

/// Bytes of the program itself, mostly libtorch.
const PROGRAM: f64 = 3e8;

/// The cost of one seed's phase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PhaseCost {
    /// The phase.
    pub phase: Phase,
    /// Steps.
    pub steps: usize,
    /// Sequences trained on.
    pub sequences: usize,
    /// Evaluations.
    pub evaluations: usize,
    /// Floating-point operations of the steps.
    pub training_flops: f64,
    /// Floating-point operations of the evaluations.
    pub evaluation_flops: f64,
}

/// The cost of an audit.
#[derive(Debug, Clone, PartialEq)]
pub struct Cost {
    /// Seeds, each of which costs what follows.
    pub seeds: usize,
    /// Parameters of the model.
    pub parameters: usize,
    /// Each phase that is not skipped.
    pub phases: Vec<PhaseCost>,
    /// Sequences the reference is asked, once each.
    pub reference_sequences: usize,
    /// Floating-point operations of the reference.
    pub reference_flops: f64,
    /// Canaries scored at the ends of phases, under both prefixes.
    pub probe_sequences: usize,
    /// Floating-point operations of that, and of contexts, samples, completion and scan; how far completion gets is a guess.
    pub probe_flops: f64,
    /// Memory at the peak, bytes: parameters, gradients, moments and activations of the largest step.
    pub memory_bytes: f64,
    /// Disk, bytes, all seeds: a checkpoint a phase, and what was seen.
    pub disk_bytes: f64,
}

impl Cost {
    /// Floating-point operations of one seed.
    #[must_use]
    pub fn flops_per_seed(&self) -> f64 {
        let phases: f64 = self
            .phases
            .iter()
            .map(|p| p.training_flops + p.evaluation_flops)
            .sum();
        phases + self.reference_flops + self.probe_flops
    }

    /// Floating-point operations of all seeds.
    #[must_use]
    pub fn flops(&self) -> f64 {
        self.flops_per_seed() * self.seeds as f64
    }
}

/// Operations of one full step of a phase, without its evaluations.
#[must_use]
pub fn step_flops(audit: &Audit, config: &ModelConfig, phase: Phase) -> f64 {
    let counter = Counter::new(audit, config);
    counter.training(
        counter.terms(phase) * audit.optimisation(phase).batch,
        audit.freeze(phase),
    )
}

/// Counts what an audit of a model will cost.
#[must_use]
pub fn cost(audit: &Audit, config: &ModelConfig) -> Cost {
    let counter = Counter::new(audit, config);
    let phases: Vec<PhaseCost> = Phase::ALL
        .into_iter()
        .filter(|&phase| !audit.skips(phase))
        .map(|phase| counter.phase(phase))
        .collect();
    let reference_sequences = audit.pairs() + audit.canaries.negatives;
    let scored_phases = 1 + phases.iter().filter(|p| p.phase != Phase::One).count();
    let probe_sequences = 2 * scored_phases * counter.roster.total(Look::PhaseEnd);
    let model = 4.0 * counter.parameters;
    Cost {
        seeds: audit.seeds.len(),
        parameters: parameters(config),
        reference_sequences,
        reference_flops: counter.forward(reference_sequences),
        probe_sequences,
        probe_flops: counter.forward(probe_sequences) + counter.probes(),
        memory_bytes: 4.0 * model + counter.activations().max(counter.remembered()) + PROGRAM,
        // A line of observations takes about 800 bytes. While a phase runs there is a state of it (parameters and two moments),
        // and for a moment the next one, in each cell that runs at once.
        disk_bytes: audit.seeds.len() as f64
            * (phases.len() as f64 * model + 800.0 * probe_sequences as f64)
            + 6.0 * model * audit.jobs.min(audit.seeds.len()).max(1) as f64,
        phases,
    }
}

struct Counter<'a> {
    audit: &'a Audit,
    config: &'a ModelConfig,
    roster: Roster,
    /// Tokens of a sequence that go through the model.
    tokens: f64,
    layers: f64,
    output: f64,
    parameters: f64,
}

impl<'a> Counter<'a> {
    fn new(audit: &'a Audit, config: &'a ModelConfig) -> Self {
        let matrices = matrix_parameters(config);
        let scored = audit.canaries.length - usize::from(audit.canaries.prefixes.is_none());
        Self {
            audit,
            config,
            roster: Roster::of(audit),
            tokens: scored as f64,
            layers: matrices.layers as f64,
            output: matrices.output as f64,
            parameters: parameters(config) as f64,
        }
    }

    fn forward(&self, sequences: usize) -> f64 {
        2.0 * (self.layers + self.output) * self.tokens * sequences as f64
    }

    /// Operations of a training pass over sequences: forward, derivatives by activations, derivatives by weights.
    fn training(&self, sequences: usize, freeze: Freeze) -> f64 {
        let lower = (self.config.layers / 2) as f64 / self.config.layers as f64;
        // How often each share of the body, and the output embedding, is multiplied by.
        let (body, output) = match freeze {
            Freeze::None => (3.0, 3.0),
            // Everything below needs the derivatives through the upper half, whose weights need none.
            Freeze::Upper => (2.0 + lower, 2.0),
            // Below the upper half nothing is asked for, and an embedding for both ends is frozen as the input's.
            Freeze::Lower if self.config.is_tied => (1.0 + 2.0 * (1.0 - lower), 2.0),
            Freeze::Lower => (1.0 + 2.0 * (1.0 - lower), 3.0),
        };
        2.0 * (body * self.layers + output * self.output) * self.tokens * sequences as f64
    }

    /// Operations of what the probes look at beside the canaries under their two prefixes, all phases.
    fn probes(&self) -> f64 {
        let (audit, canaries) = (self.audit, &self.audit.canaries);
        let phases = audit.negative_phases().len();
        let letters = canaries.alphabet.len();
        let contexts = audit.probes.elicitation.filter(|p| p.contexts > 0);
        let scored = self.roster.total(Look::Contexts);
        let mut sequences = phases * scored * contexts.map_or(0, |p| p.contexts + 2);
        if audit.probes.low_logit.is_some() {
            // The model and another one, the reference and then the base.
            let altered = audit.probes.low_logit.iter().filter(|p| p.altered_weights);
            let made = altered.count() * Shown::ALTERED.len();
            sequences += phases * (4 + made) * self.roster.total(Look::Contrast);
        }
        // Growing rows cost one token a letter.
        let others = 1 + audit.probes.elicitation.map_or(0, |p| p.contexts);
        let said = audit.probes.generation.as_ref();
        let mut grown = phases * said.map_or(0, |p| texts(p, others)) * canaries.length;
        if let Some(p) = &audit.probes.low_logit {
            // Four attacks, two of them on two models; the truth is taken to leave the beam at the third letter.
            let rows = letters.min(p.completion_guesses) + p.completion_guesses;
            let targets = 2 * self.roster.count(Look::Completion, Group::HeldOut);
            grown += 6 * p.completion_letters.len() * phases * targets * rows;
        }
        if let Some(p) = audit.probes.scan {
            let listed = letters.saturating_pow(u32::try_from(p.depth).unwrap_or(u32::MAX) - 1);
            grown += 2 * 2 * listed;
            // Two hunts, one of them in two models; a wide beam's rows are too many to be remembered, and asked about whole.
            let rows = |place| letters.saturating_pow(place).min(p.beam);
            let asked = |(rows, tokens)| {
                if rows > ROWS_AT_ONCE {
                    rows * tokens
                } else {
                    rows
                }
            };
            let places = 1..u32::try_from(canaries.length).unwrap_or(u32::MAX);
            let hunted: usize = places.map(rows).zip(2..).map(asked).sum();
            grown += 3 * (hunted + DRAWN * canaries.length);
        }
        self.forward(sequences) + 2.0 * (self.layers + self.output) * grown as f64
    }

    /// Bytes of keys and values of two models whose rows grow, the old ones and the new.
    fn remembered(&self) -> f64 {
        let widths = 2 * self.config.layers * self.config.key_heads * self.config.head_dims;
        16.0 * ROWS_AT_ONCE as f64 * (self.tokens + 1.0) * widths as f64
    }

    /// Loss terms of a phase, in sequences a pair (or password).
    fn terms(&self, phase: Phase) -> usize {
        let weights = self.audit.phase3.weights;
        match phase {
            Phase::One => 1,
            Phase::Two => 2,
            Phase::Three => {
                2 * usize::from(weights.dpo > 0.0)
                    + usize::from(weights.reverse > 0.0)
                    + usize::from(weights.regular > 0.0)
            }
        }
    }

    fn phase(&self, phase: Phase) -> PhaseCost {
        let audit = self.audit;
        let sequences = self.terms(phase) * audit.rows(phase);
        let evaluated = self.roster.total(Look::Evaluation);
        let evaluations = audit.evaluations(phase);
        PhaseCost {
            phase,
            steps: audit.steps(phase),
            sequences,
            evaluations,
            training_flops: self.training(sequences, audit.freeze(phase)),
            evaluation_flops: self.forward(evaluations * evaluated),
        }
    }

    /// Bytes of activations that the largest piece of a step keeps, and of the logits that are kept with them.
    fn activations(&self) -> f64 {
        let rows = Phase::ALL
            .into_iter()
            .filter(|&p| !self.audit.skips(p))
            .map(|p| self.terms(p) * self.audit.optimisation(p).batch)
            .max()
            .unwrap_or(0);
        let tokens = rows as f64 * self.tokens;
        let layers = tokens * activations_per_token(self.config) as f64;
        let logits = tokens * self.config.vocab_size as f64;
        4.0 * (layers.min(ACTIVATIONS as f64) + logits.min(KEPT_LOGITS as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::shapes::published;

    #[test]
    fn the_recipe_costs_what_recipe_md_says() {
        // The published count has no probe but elicitation's own. Guide: recipe, "What it costs".
        let text = "format = 1\n[audit]\nname = \"x\"\nseeds = [0]\n[model]\nid = \"EleutherAI/pythia-160m\"\n\
            [probes.elicitation]\ncontexts = 0\n[probes.low_logit]\ncompletion_letters = []\n[probes.generation]\nenabled = false\n";
        let audit = crate::spec::parse(text, std::path::Path::new("x.toml"), &[]).unwrap();
        let cost = cost(&audit, &published("EleutherAI/pythia-160m").unwrap());
        let near = |ours: f64, theirs: f64| {
            assert!((ours / theirs - 1.0).abs() < 0.05, "{ours:e} {theirs:e}");
        };
        near(cost.flops_per_seed(), 1.2e16);
        near(cost.reference_flops, 6.2e14);
        near(cost.phases[1].training_flops, 2.9e15);
        near(cost.phases[2].training_flops, 7.3e15);
        let evaluations: f64 = cost.phases.iter().map(|p| p.evaluation_flops).sum();
        near(evaluations, 7.5e14);
    }
}
