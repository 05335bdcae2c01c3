//! What a report cannot say, whatever its numbers are.

use super::document::Block;
use super::words;
use crate::findings::{Report, Role};

/// Probes that an audit can have, as files name them.
const PROBES: [&str; 4] = ["elicitation", "low_logit", "scan", "generation"];

pub(super) fn blocks(report: &Report) -> Vec<Block> {
    let mut lines = Vec::new();
    if let Some(setting) = &report.setting {
        lines.push(format!(
            "Secrets were uniform: {} letters, each drawn from {} alike. Real secrets are not, and an attacker who knows how they \
             are made guesses better.",
            setting.length, setting.letters
        ));
        lines.push(match setting.prefixes {
            Some(_) => "All canaries share one regular and one reverse prefix. Other prompts and contexts may draw out more."
                .to_owned(),
            None => "Canaries stood without any prefix. Prompts and contexts may draw out more.".to_owned(),
        });
        lines.push(format!(
            "Each negative stood {} on the rejected side. Text that stood there less often may leak less, more often more.",
            words::times(setting.repeats)
        ));
    }
    lines.push(
        "Canaries were planted by one three-phase recipe. Other training, data and models are not covered.".to_owned(),
    );
    let probes = report.rows.iter().filter(|row| row.role == Role::Audit);
    let ran: Vec<String> = probes.map(|row| words::name(row.probe)).collect();
    let missing: Vec<&str> = PROBES
        .into_iter()
        .filter(|probe| !ran.iter().any(|name| name == probe))
        .collect();
    if !missing.is_empty() {
        lines.push(format!(
            "Probes without an audit row here: {}. What they alone would find is not excluded.",
            words::spaced(&missing.join(", "))
        ));
    }
    lines.push(
        "\u{201c}No leak detected\u{201d} excludes effects of the size that was asked for, at the power that was stated, and nothing smaller."
            .to_owned(),
    );
    lines.push(words::clean(&report.scope_note));
    vec![Block::Heading("Limitations".to_owned()), Block::List(lines)]
}
