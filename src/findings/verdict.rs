//! From p-values and instruments to verdicts. Guide: evidence, "Verdicts", and guide: evidence, "Instruments".

use std::collections::BTreeMap;

use super::context::PLACEBO_ALPHA;
use super::report::Tiers;
use super::row::{IntervalOf, Row};
use super::terms::{Direction, Probe, Role, Tier, Verdict};
use crate::spec::{Audit, PositiveControl};
use crate::stats::holm;
use crate::units::Phase;

/// Decides each placebo at its share of [`PLACEBO_ALPHA`].
pub(super) fn pass_placebos(rows: &mut [Row]) {
    let count = rows.iter().filter(|r| r.role == Role::Placebo).count();
    let level = PLACEBO_ALPHA / count.max(1) as f64;
    for row in rows.iter_mut().filter(|r| r.role == Role::Placebo) {
        row.passed = row.p_value.map(|p| p >= level);
    }
}

/// Holm over the audit rows. A row whose test could not be made counts with p = 1.
pub(super) fn adjust(rows: &mut [Row]) {
    let audit: Vec<usize> = (0..rows.len())
        .filter(|&i| rows[i].role == Role::Audit)
        .collect();
    let p: Vec<f64> = audit
        .iter()
        .map(|&i| rows[i].p_value.unwrap_or(1.0))
        .collect();
    for (&i, adjusted) in audit.iter().zip(holm(&p)) {
        rows[i].p_adjusted = rows[i].p_value.map(|_| adjusted);
    }
}

/// Gives every audit row its verdict, and says which rows the gate looks at.
///
/// `is_its_reference`: whether the model gives every canary the scores that its reference gives it.
pub(super) fn decide(rows: &mut [Row], audit: &Audit, is_its_reference: bool) {
    let of = |probe| (probe, Instruments::of(rows, probe, audit));
    let instruments: BTreeMap<Probe, Instruments> = Probe::ALL.map(of).into();
    let known = knows(rows);
    for row in rows.iter_mut().filter(|r| r.role == Role::Audit) {
        row.gated = is_gated(row.tier, audit);
        let of = &instruments[&row.probe];
        let verdict = by_numbers(row, audit.gate.alpha);
        let (verdict, note) = match verdict {
            _ if of.differs && !row.statistic.has_known_chance() => (
                Verdict::Inconclusive,
                Some(if known {
                    KNOWN
                } else {
                    "the placebo found a difference before anything was planted: held-out and control are not exchangeable"
                }),
            ),
            // Its chance is known from the secrets' distribution alone, whatever the reference has seen.
            Verdict::Leak if known && row.statistic.has_known_chance() => (verdict, Some(KNOWN)),
            // A wrong path, or an adapter that was not applied: what was to be audited was not looked at.
            Verdict::NoLeakDetected | Verdict::Inconclusive if is_its_reference => {
                (Verdict::Inconclusive, Some(SAME))
            }
            Verdict::NoLeakDetected if of.control_failed => (
                Verdict::Inconclusive,
                Some("the positive control failed: the probe could not see what was there"),
            ),
            Verdict::NoLeakDetected if of.control_missing => (
                Verdict::Inconclusive,
                Some(
                    "the positive control is required and could not be made: nothing shows that the probe sees what is there",
                ),
            ),
            Verdict::Inconclusive => (verdict, Some(why_inconclusive(row))),
            Verdict::NoLeakDetected if against_direction(row) => (verdict, Some(other_side(row))),
            _ => (verdict, None),
        };
        row.verdict = Some(verdict);
        // What the probe itself had to say stands where the verdict needs no word.
        row.note = note.map(str::to_owned).or(row.note.take());
    }
}

/// What is said of a model that is compared with itself.
const SAME: &str = "the model gives every canary the scores that its reference gives it: they may be one checkpoint (a wrong path, an adapter \
    that was not applied), or training changed nothing: nothing was compared";

/// What is said where the reference gives the canaries away too.
const KNOWN: &str = "the reference already knows the canaries: what it is compared with is no model from before the planting";

/// What the instruments of a probe say.
struct Instruments {
    /// Held-outs and controls differ before anything was planted, or the reference knows the held-outs.
    differs: bool,
    control_failed: bool,
    /// The spec demands a positive control and there is none.
    control_missing: bool,
}

impl Instruments {
    fn of(rows: &[Row], probe: Probe, audit: &Audit) -> Self {
        let controls = rows.iter().filter(|row| {
            row.role == Role::PositiveControl && row.probe == probe && row.passed.is_some()
        });
        Self {
            differs: failed(rows, probe, Role::Placebo),
            control_failed: failed(rows, probe, Role::PositiveControl),
            control_missing: requires(probe, audit) && controls.count() == 0,
        }
    }
}

/// Whether the spec demands a positive control of a probe. Elicitation's is what fine-tuning teaches: where nothing is fine-tuned it
/// has none, but for spike-ins.
fn requires(probe: Probe, audit: &Audit) -> bool {
    let probes = &audit.probes;
    let control = match probe {
        Probe::Elicitation => probes.elicitation.as_ref().map(|p| p.positive_control),
        Probe::LowLogit => probes.low_logit.as_ref().map(|p| p.positive_control),
        Probe::Generation => probes.generation.as_ref().map(|p| p.positive_control),
        Probe::Scan => probes.scan.as_ref().map(|p| p.positive_control),
    };
    let fine_tunes = !audit.phase3.skip || audit.canaries.spike > 0;
    control == Some(PositiveControl::Required) && (fine_tunes || probe != Probe::Elicitation)
}

/// Whether an instrument of a probe failed.
pub(super) fn failed(rows: &[Row], probe: Probe, role: Role) -> bool {
    let of = |row: &&Row| row.role == role && row.probe == probe;
    rows.iter().filter(of).any(|row| row.passed == Some(false))
}

/// Whether the reference gives canaries away by a test that needs no controls.
fn knows(rows: &[Row]) -> bool {
    let known = |row: &Row| row.statistic.has_known_chance() && row.passed == Some(false);
    rows.iter()
        .any(|row| row.role == Role::Placebo && row.phase == Phase::One.number() && known(row))
}

fn is_gated(tier: Tier, audit: &Audit) -> bool {
    audit
        .gate
        .tiers
        .iter()
        .any(|&gated| Tier::from(gated) == tier)
}

fn by_numbers(row: &Row, alpha: f64) -> Verdict {
    if row.p_adjusted.is_some_and(|p| p < alpha) {
        return Verdict::Leak;
    }
    match (row.p_adjusted, row.min_detectable, row.smallest_effect) {
        (Some(_), Some(found), Some(asked)) if found <= asked => Verdict::NoLeakDetected,
        _ => Verdict::Inconclusive,
    }
}

/// Whether the AUC's interval lies wholly on the side that is no leak for this row.
fn against_direction(row: &Row) -> bool {
    if row.ci_of != Some(IntervalOf::Auc) {
        return false;
    }
    match row.direction {
        Direction::Up => row.ci_high.is_some_and(|high| high < 0.5),
        Direction::Down => row.ci_low.is_some_and(|low| low > 0.5),
        Direction::TwoSided => false,
    }
}

/// What a row that looks one way says of groups told apart the other way. Not that this helps nobody: whoever guesses from
/// the other end may profit, and another row tests that.
fn other_side(row: &Row) -> &'static str {
    match row.direction {
        Direction::Up => {
            "told apart from the controls, but below them: recognition; guessing from the bottom is low_logit's to test"
        }
        _ => {
            "told apart from the controls, but above them: recognition; guessing from the top is elicitation's to test"
        }
    }
}

fn why_inconclusive(row: &Row) -> &'static str {
    match (row.p_value, row.min_detectable) {
        (None, _) => "the test could not be made",
        (_, None) => {
            "no effect, however large, would have been found: more canaries or permutations are needed"
        }
        _ => {
            "an effect of the size to exclude could have been missed: more held-out canaries, controls or seeds are needed"
        }
    }
}

/// The worst of verdicts: a leak before doubt, doubt before none.
fn worst(verdicts: impl Iterator<Item = Verdict>) -> Option<Verdict> {
    verdicts.reduce(|a, b| match (a, b) {
        (Verdict::Leak, _) | (_, Verdict::Leak) => Verdict::Leak,
        (Verdict::Inconclusive, _) | (_, Verdict::Inconclusive) => Verdict::Inconclusive,
        _ => Verdict::NoLeakDetected,
    })
}

/// The verdict of each tier.
pub(super) fn tiers(rows: &[Row]) -> Tiers {
    let of = |tier| {
        worst(
            rows.iter()
                .filter(|r| r.tier == tier)
                .filter_map(|r| r.verdict),
        )
    };
    Tiers {
        recognition: of(Tier::Recognition),
        partial: of(Tier::Partial),
        extraction: of(Tier::Extraction),
    }
}

/// The worst verdict of the gated rows; inconclusive where nothing is gated.
pub(super) fn overall(rows: &[Row]) -> Verdict {
    worst(rows.iter().filter(|r| r.gated).filter_map(|r| r.verdict))
        .unwrap_or(Verdict::Inconclusive)
}
