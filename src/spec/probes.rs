//! `[probes.*]`: what looks for leaks, and whether what is asked for is trained at all.

mod defaults;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::audit::Spec;
use super::document::Document;
use super::error::SpecError;
use super::schema::{half, positive, share};
use super::switched::{Keys, Probe};
use super::{COUNT_MAX, SEED_MAX, switched};

/// Most beginnings that are enumerated: beyond it an attacker would search, not list.
const ENUMERATED_MAX: usize = 5_000_000;

/// What `probes.scan.depth` may be.
const DEPTH: &str = "from 1, with at most 5000000 beginnings of so many letters";

/// Most contexts; more are tokens of one kind.
const CONTEXTS_MAX: usize = 1000;

/// Most rows a beam or a sample holds at once.
const ROWS_MAX: usize = 1_000_000;

/// Most guesses that are counted: whole numbers of 64-bit floats.
const BUDGET_MAX: usize = 1_000_000_000_000_000;

/// The probes and what each must be able to see; `None` where one is switched off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Probes {
    /// Elicitation: ask for held-outs under the reverse prefix.
    #[serde(with = "switched")]
    #[schemars(with = "Keys<Elicitation>")]
    pub elicitation: Option<Elicitation>,
    /// Low-logit scanning: look for secrets among what became unlikely.
    #[serde(with = "switched")]
    #[schemars(with = "Keys<LowLogit>")]
    pub low_logit: Option<LowLogit>,
    /// Generation: sample after each prefix, letters of the alphabet alone, at the ends of phases 2 and 3.
    #[serde(with = "switched")]
    #[schemars(with = "Keys<Generation>")]
    pub generation: Option<Generation>,
    /// Scan: hunt for secrets knowing prefix, alphabet and length alone, after the first phase that trains against them.
    #[serde(with = "switched")]
    #[schemars(with = "Keys<Scan>")]
    pub scan: Option<Scan>,
}

/// Settings of the elicitation probe.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Elicitation {
    /// Whether useful canaries must become likely under elicitation for a clean verdict to count.
    pub positive_control: PositiveControl,
    /// Effect to be able to exclude: shift of the true letter's mean rank, as a share of the alphabet.
    #[schemars(transform = half)]
    pub smallest_effect_rank: f64,
    /// Effect to be able to exclude: shift of the mean rank averaged over phase 3, as a share of the alphabet.
    #[schemars(transform = half)]
    pub smallest_effect_averaged_rank: f64,
    /// Effect to be able to exclude: shift of the log-likelihood, nats per token.
    #[schemars(transform = positive)]
    pub smallest_effect_nats: f64,
    /// Effect to be able to exclude: shift of a single canary's log-likelihood, nats per token (extraction).
    #[schemars(transform = positive)]
    pub smallest_effect_single: f64,
    /// Other prefix tokens, beside none and `reverse`, after which canaries are scored at the ends of phases 2 and 3, without
    /// fine-tuning; `0` leaves them out.
    #[schemars(range(max = CONTEXTS_MAX))]
    pub contexts: usize,
}

/// Settings of the low-logit probe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LowLogit {
    /// Whether useful canaries must be suppressed for a clean verdict to count.
    pub positive_control: PositiveControl,
    /// Effect to be able to exclude: distance of the whole-sequence suppression's AUC from 0.5.
    #[schemars(transform = half)]
    pub smallest_effect_auc: f64,
    /// Effect to be able to exclude: shift of the true letter's mean rank, as a share of the alphabet.
    #[schemars(transform = half)]
    pub smallest_effect_rank: f64,
    /// Effect to be able to exclude: what a guesser from one end of the logits gains on a single canary, nats per token.
    #[schemars(transform = positive)]
    pub smallest_effect_single: f64,
    /// Effect to be able to exclude: shift of the mean of (2 · rank − 1)² over letters, where letters go to both ends.
    #[schemars(transform = half)]
    pub smallest_effect_spread: f64,
    /// Effect to be able to exclude: letters guessed beyond chance by who learned on useful canaries; 0.42 is "42 % more often".
    #[schemars(transform = positive)]
    pub smallest_effect_advantage: f64,
    /// Effect to be able to exclude: how far one canary in sixteen fell against the reference, nats, where the others did not.
    #[schemars(transform = positive)]
    pub smallest_effect_tail: f64,
    /// Effect to be able to exclude, with secrets of a file: shift of the log-likelihood of what follows a beginning, nats per token.
    #[schemars(transform = positive)]
    pub smallest_effect_rest: f64,
    /// Effect to be able to exclude: share of canaries completed whole.
    #[schemars(transform = share)]
    pub smallest_effect_recovered: f64,
    /// How many first letters the attacker knows who completes the rest; numbers not below the length are passed over, `[]` leaves
    /// completion out.
    #[schemars(
        title = "an array of rising whole numbers from 1",
        inner(range(min = 1))
    )]
    pub completion_letters: Vec<usize>,
    /// Guesses allowed for each completion, and width of its beam.
    #[schemars(range(min = 1, max = ROWS_MAX))]
    pub completion_guesses: usize,
    /// Numbers of guesses allowed to someone who tries whole secrets, knowing none of their letters or the first few, in the order of
    /// where letters stand among the logits: that order needs no beam. `[]`: not tried.
    #[schemars(
        title = "an array of rising whole numbers from 1",
        inner(range(min = 1, max = BUDGET_MAX))
    )]
    pub completion_budgets: Vec<usize>,
    /// Whether whole secrets are also tried on models made of the audited one without training: its weights rounded to 8 and 4 bits, and
    /// the reference's moved against the way of the training. Needs local weights.
    pub altered_weights: bool,
    /// Letters whose logits are shown to someone who sees only the likeliest.
    #[schemars(range(min = 1, max = COUNT_MAX))]
    pub top_k: usize,
}

/// Settings of the generation probe.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Generation {
    /// Whether samples after the reverse prefix must come nearer to useful canaries than to controls for a clean verdict to count.
    pub positive_control: PositiveControl,
    /// Samples per prefix and phase; a quarter as many more at half the temperature, and beams of a sixteenth after every prompt.
    #[schemars(range(min = 1, max = ROWS_MAX))]
    pub samples: usize,
    /// Divides the logits before drawing.
    #[schemars(transform = positive)]
    pub temperature: f64,
    /// Letters that may be drawn, the likeliest first; `0` for all.
    #[serde(with = "zero_for_none")]
    #[schemars(with = "usize", range(max = COUNT_MAX))]
    pub top_k: Option<usize>,
    /// Which draws, beside the model's own seed.
    #[schemars(range(max = SEED_MAX))]
    pub seed: u64,
    /// Effect to be able to exclude: share of canaries generated verbatim.
    #[schemars(transform = share)]
    pub smallest_effect_recovered: f64,
}

/// Settings of the scan probe.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Scan {
    /// Whether beginnings of useful canaries must lie among the most suppressed for a clean verdict to count.
    pub positive_control: PositiveControl,
    /// Beginnings of up to so many letters are all looked at.
    #[schemars(title = DEPTH, range(min = 1))]
    pub depth: usize,
    /// How many of the most suppressed beginnings of that depth count as found, set before any data; of shorter ones the same
    /// share.
    #[schemars(range(min = 1, max = ROWS_MAX))]
    pub top: usize,
    /// Beginnings kept at each letter by the hunt for whole secrets.
    #[schemars(range(min = 1, max = ROWS_MAX))]
    pub beam: usize,
    /// Whole secrets guessed in the end; at most `beam` times the alphabet.
    #[schemars(range(min = 1, max = ROWS_MAX))]
    pub guesses: usize,
    /// Effect to be able to exclude: share of held-outs whose beginning lies among the `top`.
    #[schemars(transform = share)]
    pub smallest_effect_enriched: f64,
    /// Effect to be able to exclude: share of canaries recovered whole.
    #[schemars(transform = share)]
    pub smallest_effect_recovered: f64,
}

/// Whether a probe's positive control must succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PositiveControl {
    /// A failed one blocks `no_leak_detected`.
    Required,
    /// The audited model is not expected to show one.
    NotApplicable,
}

impl Probe for Elicitation {}
impl Probe for LowLogit {}
impl Probe for Generation {}
impl Probe for Scan {
    const ENABLED: bool = false;
}

impl Probes {
    /// What no range can say.
    pub(super) fn check(&self, document: &Document<'_>, spec: &Spec) -> Result<(), SpecError> {
        if let Some(probe) = &self.low_logit {
            document.demand(
                probe.completion_letters.is_sorted_by(|a, b| a < b),
                "probes.low_logit.completion_letters",
                "rising whole numbers from 1",
                "write the numbers of letters that are known, as `[2, 4, 8]`; `[]` leaves completion out",
            )?;
            document.demand(
                probe.completion_budgets.is_sorted_by(|a, b| a < b),
                "probes.low_logit.completion_budgets",
                "rising whole numbers from 1",
                "write the numbers of guesses, as `[1000, 1000000]`; `[]` tries no whole secrets",
            )?;
        }
        if let Some(scan) = &self.scan {
            let letters = spec.canaries.alphabet.len();
            let depth = u32::try_from(scan.depth).ok();
            let listed = depth.and_then(|depth| letters.checked_pow(depth));
            document.demand(
                listed.is_some_and(|listed| listed <= ENUMERATED_MAX),
                "probes.scan.depth",
                DEPTH,
                "enumerate fewer letters: the beam goes on from there",
            )?;
        }
        let (two, three) = (!spec.phase2.skip, !spec.phase3.skip);
        let any = self.low_logit.is_some() || self.generation.is_some() || self.scan.is_some();
        document.demand(
            any || self.elicitation.is_some(),
            "probes.low_logit.enabled",
            "true where all other probes are switched off",
            "an audit without probes finds nothing: switch one on",
        )?;
        document.demand(
            three || self.elicitation.is_none(),
            "phase3.skip",
            "false where `probes.elicitation.enabled` is true, since only phase 3 trains the reverse prefix",
            "set `probes.elicitation.enabled = false`, or `phase3.skip = false`",
        )?;
        document.demand(
            two || three,
            "phase3.skip",
            "false where `phase2.skip` is true too: with both skipped nothing is trained against",
            "set `phase2.skip = false` or `phase3.skip = false`",
        )
    }
}

/// A number that is 0 where there is none.
mod zero_for_none {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[allow(clippy::ref_option, reason = "serde hands it over so")]
    pub(super) fn serialize<S: Serializer>(
        number: &Option<usize>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        number.unwrap_or(0).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<usize>, D::Error> {
        Ok(Some(usize::deserialize(from)?).filter(|number| *number > 0))
    }
}
