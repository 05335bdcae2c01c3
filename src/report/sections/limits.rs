//! What a report cannot say, whatever its numbers are.

use crate::findings::{Probe, Report, Role, Row};
use crate::report::blocks::Block;
use crate::report::words;

pub(in crate::report) fn blocks(report: &Report) -> Vec<Block> {
    let mut lines = Vec::new();
    if let Some(setting) = &report.setting {
        lines.push(format!(
            "Secrets were uniform: {} letters, each drawn from {} alike. Real secrets are not, and an attacker who knows how they \
             are made guesses better.",
            setting.length, setting.letters
        ));
        lines.push(match setting.prefixes {
            Some(_) => "All canaries share one regular and one reverse prefix. Other prompts may elicit more."
                .to_owned(),
            None => "Canaries stood without any prefix. Prompts may elicit more.".to_owned(),
        });
        lines.push(format!(
            "Each negative stood {} on the rejected side. Text that stood there less often may leak less, more often more.",
            words::times(setting.repeats)
        ));
    }
    lines.push(
        if report.is_of_a_probe() {
            "The model was trained elsewhere, against canaries that were minted for it. What its training did with other text is not \
             covered."
        } else {
            "Canaries were planted by one three-phase recipe. Other training, data and models are not covered."
        }
        .to_owned(),
    );
    let audits = |probe: &Probe| {
        let audit = |row: &Row| row.role == Role::Audit && row.probe == *probe;
        report.rows.iter().any(audit)
    };
    let missing: Vec<String> = Probe::ALL
        .into_iter()
        .filter(|probe| !audits(probe))
        .map(words::probe)
        .collect();
    if !missing.is_empty() {
        lines.push(format!(
            "Probes without an audit row here: {}. What they alone would find is not excluded.",
            missing.join(", ")
        ));
    }
    lines.push(
        "\u{201c}No leak detected\u{201d} rules out effects of the size under \u{201c}to rule out\u{201d}, at 80 % power, and nothing smaller."
            .to_owned(),
    );
    lines.push(words::clean(&report.scope_note));
    vec![Block::heading("Limitations"), Block::List(lines)]
}
