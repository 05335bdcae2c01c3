//! What a reader must know to read the tables, one line each.

use crate::findings::Report;
use crate::report::blocks::{Block, Room};
use crate::report::words;

const LINES: [&str; 8] = [
    "AUC 0.5 is no separation; 0 and 1 are both perfect separation: an AUC of 0.000 is not clean.",
    "Suppression (recognition) is what training against a text does: it is expected after DPO and does not mean that the secret can be extracted.",
    "detectable: the minimum detectable effect, at 80 % power. \"no leak detected\": an effect of at least that size would have been found with that power. Of counts and e-values it is a bound instead: the largest share not excluded at 95 %, and what one canary would need. Smaller effects, other probes and other prompts are not excluded.",
    "to rule out: the effect that the spec asks the audit to rule out. \"inconclusive\": no evidence of a leak, but an effect of that size could have been missed, or an instrument failed.",
    "p is the row's own; adj. p is Holm-adjusted over all audit rows, and the verdict rests on it. \"≤\": the test can give no smaller p.",
    "n: canaries per seed, held-out vs control; controls come from the same distribution and were never trained on.",
    "effect: how much more often than chance a letter is guessed (%), how much farther than from controls the model was pushed away (nats), or held-out minus control (or minus chance).",
    "n/a: does not apply, or is undefined here. It never means 0.",
];

/// For the column that only wide tables have.
const TPR: &str = "TPR at 1 % FPR: share of the held-out canaries that only 1 % of the controls stand above (high), or below (low).";

/// The lines that explain this report's tables, with the methods that its rows name.
pub(in crate::report) fn blocks(report: &Report, room: Room) -> [Block; 2] {
    let mut lines = LINES.to_vec();
    if room == Room::Wide {
        lines.push(TPR);
    }
    let mut lines: Vec<String> = lines.into_iter().map(ToOwned::to_owned).collect();
    let intervals = report.rows.iter().filter_map(|r| r.ci_method.as_deref());
    let tests = report.rows.iter().filter_map(|r| r.p_method.as_deref());
    lines.extend(named("Intervals", intervals));
    lines.extend(named("p-values", tests));
    listed(lines)
}

/// Such lines under their heading.
pub(in crate::report) fn listed(lines: Vec<String>) -> [Block; 2] {
    [Block::heading("How to read this"), Block::List(lines)]
}

/// Each method once, in the order of the rows; nothing where the rows name none.
fn named<'r>(what: &str, methods: impl Iterator<Item = &'r str>) -> Option<String> {
    let mut names: Vec<String> = Vec::new();
    for name in methods.map(words::spaced) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    (!names.is_empty()).then(|| format!("{what}: {}.", names.join("; ")))
}
