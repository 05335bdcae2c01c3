//! Rows: one line each of the leakage table. Plain data.
//!
//! What does not apply is `None` (JSON `null`), never absent and never 0.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measure::{RANK, Statistic, measure};
use super::terms::{Access, Direction, Probe, Role, Scope, Tier, Verdict};
use crate::canary::Group;
use crate::spec::Audit;
use crate::stats::{Interval, guess_advantage};
use crate::units::Phase;

/// The quantity that a row's interval is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntervalOf {
    /// The AUC.
    Auc,
    /// The statistic of the group under test.
    Estimate,
    /// A quantity of another version, by its name.
    #[serde(untagged)]
    Other(String),
}

/// One line of the leakage table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// The probe that looked.
    pub probe: Probe,
    /// What the row is evidence of.
    pub role: Role,
    /// What a leak would hand to an attacker.
    pub tier: Tier,
    /// Prefix of the scored sequences: `regular`, `reverse` or `none`; in rows about other contexts `contexts`, or the name of one.
    pub prefix: String,
    /// Training phase after (or during) which the model was scored: 1, 2 or 3.
    pub phase: u8,
    /// Canary group under test: `held_out`, `useful` or, in replication rows, `control`.
    pub group: String,
    /// Canary group it is compared with; `None` where it is compared with a known chance level alone.
    pub control: Option<String>,
    /// Canaries of the group under test, per seed.
    pub n: usize,
    /// Canaries of the control group, per seed.
    pub n_control: Option<usize>,
    /// Seeds of the models that were scored.
    pub seeds: Vec<u64>,
    /// What was measured; the name carries the unit, as in `mean_logprob_nats_per_token`.
    pub statistic: Statistic,
    /// The statistic of the group under test.
    pub estimate: Option<f64>,
    /// The statistic of the control group.
    pub control_estimate: Option<f64>,
    /// Share of letters that the attacker's first guess gets, in the group under test.
    pub guess_rate: Option<f64>,
    /// Share of letters that the attacker's first guess gets, in the control group.
    pub control_guess_rate: Option<f64>,
    /// Better than chance by this fraction when guessing letters: 0.13 is "13 % more often". From the guess rate where the row
    /// has one; in replication rows from the mean (log-)probability, as the paper has it.
    pub guess_advantage: Option<f64>,
    /// Low-logit guesses: the same for someone who learned on useful canaries which ranks from the bottom the truth takes,
    /// as exp(mean log p − log chance) − 1. Negative where that experience does not carry over.
    pub learned_guess_advantage: Option<f64>,
    /// Mean suppression against the reference, in nats per canary.
    pub suppression_nats: Option<f64>,
    /// Mean exposure in bits when candidates are ranked from the most likely.
    pub exposure_up_bits: Option<f64>,
    /// Mean exposure in bits when candidates are ranked from the most suppressed.
    pub exposure_down_bits: Option<f64>,
    /// Lower end of the interval.
    pub ci_low: Option<f64>,
    /// Upper end of the interval.
    pub ci_high: Option<f64>,
    /// The quantity the interval is for: `auc` or `estimate`.
    #[schemars(with = "Option<String>")]
    pub ci_of: Option<IntervalOf>,
    /// Level of the interval, as 0.95.
    pub ci_level: Option<f64>,
    /// How the interval was made.
    pub ci_method: Option<String>,
    /// Value of the statistic for a model that carries nothing.
    pub chance: Option<f64>,
    /// Which way a leak would push the statistic.
    pub direction: Direction,
    /// Standard error of the group's mean less the controls', where the statistic is a mean.
    #[serde(default)]
    pub standard_error: Option<f64>,
    /// p-value of the row's own test.
    pub p_value: Option<f64>,
    /// The smallest p-value the test could give, where it is a Monte Carlo test: a p-value equal to it is shown as a bound.
    pub p_floor: Option<f64>,
    /// Holm-adjusted p-value over the audit rows of the run.
    pub p_adjusted: Option<f64>,
    /// How the p-value was made.
    pub p_method: Option<String>,
    /// Probability that a canary under test stands above a control on the row's score; 0 and 1 are both perfect separation.
    pub auc: Option<f64>,
    /// Share of canaries above the control that only 1 % of the controls exceed (upper tail).
    pub tpr_at_1pct_fpr: Option<f64>,
    /// Share of canaries below the control that only 1 % of the controls fall short of (lower tail).
    pub tpr_low_at_1pct_fpr: Option<f64>,
    /// The smallest effect this row would have found with 80 % power, in the unit of `effect_unit`.
    pub min_detectable: Option<f64>,
    /// The smallest effect it would have found if one canary in sixteen carried all of it and the others none.
    pub min_detectable_sparse: Option<f64>,
    /// The effect the spec asks to be able to exclude, in the same unit.
    pub smallest_effect: Option<f64>,
    /// Unit of the two.
    pub effect_unit: Option<String>,
    /// Of rank shifts: how much more often than chance someone would guess a letter for the smallest effect found.
    #[serde(default)]
    pub min_detectable_advantage: Option<f64>,
    /// The same for the effect to exclude.
    #[serde(default)]
    pub smallest_effect_advantage: Option<f64>,
    /// The least an attacker needs.
    pub access: Access,
    /// Other negatives that the attacker was taken to know and fine-tuned on; `None` where none was needed.
    pub known_negatives: Option<usize>,
    /// What the row speaks about.
    pub scope: Scope,
    /// Whether the gate looks at this row.
    pub gated: bool,
    /// For instruments: whether it worked. `None` elsewhere.
    pub passed: Option<bool>,
    /// The verdict; audit rows only.
    pub verdict: Option<Verdict>,
    /// Why the verdict is not what the numbers alone would say, or what a reader should know.
    pub note: Option<String>,
}

/// What a row is about.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// The probe that looks.
    pub probe: Probe,
    /// What the row is evidence of.
    pub role: Role,
    /// What a leak would hand to an attacker.
    pub tier: Tier,
    /// Prefix of the scored sequences.
    pub prefix: &'a str,
    /// Training phase.
    pub phase: u8,
    /// Canary group under test.
    pub group: &'a str,
    /// What is measured.
    pub statistic: Statistic,
    /// Which way a leak would push it.
    pub direction: Direction,
    /// The least an attacker needs.
    pub access: Access,
}

impl<'a> Subject<'a> {
    /// A statistic of a probe, as the table has it.
    pub(super) fn of(
        (probe, role): (Probe, Role),
        (phase, prefix): (Phase, &'a str),
        group: &'a str,
        statistic: Statistic,
    ) -> Self {
        let measure = measure(probe, &statistic);
        Self {
            probe,
            role,
            tier: measure.tier,
            prefix,
            phase: phase.number(),
            group,
            statistic,
            direction: measure.direction,
            access: measure.access,
        }
    }
}

impl Row {
    /// Takes up what the spec asks to be able to exclude, and its unit.
    pub(super) fn ask(&mut self, audit: &Audit) {
        let asked = measure(self.probe, &self.statistic).asked;
        self.smallest_effect = asked.and_then(|asked| (asked.size)(&audit.probes));
        self.effect_unit = asked.map(|asked| asked.unit.to_owned());
    }

    /// Says effects that are shifts of ranks as guesses too.
    pub(super) fn say_as_guesses(&mut self, letters: usize) {
        if self.effect_unit.as_deref() == Some(RANK) {
            let of = |shift: Option<f64>| guess_advantage(shift?, letters);
            self.min_detectable_advantage = of(self.min_detectable);
            self.smallest_effect_advantage = of(self.smallest_effect);
        }
    }

    /// How far the group under test lies from the controls.
    pub(super) fn shift(&self) -> Option<f64> {
        Some(self.estimate? - self.control_estimate?)
    }

    /// Sets the interval of a quantity.
    pub(super) fn set_interval(&mut self, of: IntervalOf, interval: Interval) {
        self.ci_low = Some(interval.low);
        self.ci_high = Some(interval.high);
        self.ci_of = Some(of);
        self.ci_level = Some(interval.level);
        self.ci_method = Some(interval.method.to_owned());
    }

    /// A row about a subject against the controls, about these checkpoints, with every number undefined.
    #[must_use]
    pub fn about(subject: &Subject<'_>, seeds: &[u64]) -> Self {
        Self {
            probe: subject.probe,
            role: subject.role,
            tier: subject.tier,
            prefix: subject.prefix.to_owned(),
            phase: subject.phase,
            group: subject.group.to_owned(),
            control: Some(Group::Control.name().to_owned()),
            n: 0,
            n_control: None,
            seeds: seeds.to_vec(),
            statistic: subject.statistic.clone(),
            estimate: None,
            control_estimate: None,
            guess_rate: None,
            control_guess_rate: None,
            guess_advantage: None,
            learned_guess_advantage: None,
            suppression_nats: None,
            exposure_up_bits: None,
            exposure_down_bits: None,
            ci_low: None,
            ci_high: None,
            ci_of: None,
            ci_level: None,
            ci_method: None,
            chance: None,
            standard_error: None,
            direction: subject.direction,
            p_value: None,
            p_floor: None,
            p_adjusted: None,
            p_method: None,
            auc: None,
            tpr_at_1pct_fpr: None,
            tpr_low_at_1pct_fpr: None,
            min_detectable: None,
            min_detectable_sparse: None,
            smallest_effect: None,
            effect_unit: None,
            min_detectable_advantage: None,
            smallest_effect_advantage: None,
            access: subject.access,
            known_negatives: None,
            scope: Scope::Checkpoint,
            gated: false,
            passed: None,
            verdict: None,
            note: None,
        }
    }
}
