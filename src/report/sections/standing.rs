//! Where single seeds and single canaries stand.

use crate::findings::{Notable, PerSeed, Report, SeedValue};
use crate::report::blocks::{Block, Cell, Head};
use crate::report::{numbers, rows, words};

/// Every seed by itself, in numbers.
pub(in crate::report) fn seeds(report: &Report) -> Vec<Block> {
    let scores = &report.figures.per_seed;
    let of = |score: &PerSeed| -> Vec<Vec<Cell>> {
        score.values.iter().map(|v| seed(score, v)).collect()
    };
    let rows: Vec<Vec<Cell>> = scores.iter().flat_map(of).collect();
    let Some(first) = scores.first().filter(|_| !rows.is_empty()) else {
        return Vec::new();
    };
    let heads = [
        Head::text(&["score"]),
        Head::numeric(&["seed"]),
        Head::numeric(&["held-out"]),
        Head::numeric(&["control"]),
        Head::numeric(&["AUC"]),
        Head::numeric(&[&rows::interval_head(Some(first.ci_level))]),
    ];
    let caption = "Seeds one by one: means, and how well a score separates held-outs from controls";
    vec![Block::grid(caption, heads, rows)]
}

fn seed(score: &PerSeed, value: &SeedValue) -> Vec<Cell> {
    let name = [
        words::probe(score.probe),
        words::statistic(&score.statistic),
        format!("phase {} · {}", score.phase, words::clean(&score.prefix)),
    ];
    vec![
        Cell::of(name),
        Cell::line(value.seed.to_string()),
        Cell::line(numbers::number(Some(value.estimate))),
        Cell::line(numbers::number(Some(value.control_estimate))),
        Cell::line(numbers::proportion(Some(value.auc))),
        Cell::line(numbers::interval(
            Some(value.auc_low),
            Some(value.auc_high),
            true,
        )),
    ]
}

/// The canaries that stand out most, by name; by text too where that was asked for.
pub(in crate::report) fn canaries(report: &Report) -> Vec<Block> {
    standing_out(report, words::clean)
}

/// `text` writes the text of a canary.
fn standing_out(report: &Report, text: fn(&str) -> String) -> Vec<Block> {
    let canaries = &report.figures.canaries;
    if canaries.is_empty() {
        return Vec::new();
    }
    let reveals = canaries.iter().any(|canary| canary.text.is_some());
    let mut heads = vec![
        Head::text(&["canary"]),
        Head::numeric(&["seed"]),
        Head::text(&["score"]),
        Head::numeric(&["value"]),
        Head::numeric(&["controls as far out"]),
    ];
    if reveals {
        heads.insert(1, Head::text(&["text"]));
    }
    let rows = canaries
        .iter()
        .map(|canary| named(canary, reveals.then_some(text)))
        .collect();
    let sentence = if reveals {
        "The held-out canaries that stand out most in each score. This output holds their texts: keep it as secret as they are."
    } else {
        "The held-out canaries that stand out most in each score, by name; their texts stand in the run directory alone \
         (seed-N/canaries.jsonl). That some canary stands out is no evidence by itself: one always does."
    };
    vec![
        Block::heading("Canaries that stand out"),
        Block::text(sentence),
        Block::grid(
            "Farthest out on the side where the probe looks",
            heads,
            rows,
        ),
    ]
}

/// [`canaries`], only where texts were asked for, each whole on its line where the terminal has room for it.
pub(in crate::report) fn revealed(report: &Report) -> Vec<Block> {
    if report.figures.canaries.iter().any(|c| c.text.is_some()) {
        standing_out(report, |text| {
            words::clean(text).replace(' ', &numbers::NBSP.to_string())
        })
    } else {
        Vec::new()
    }
}

fn named(canary: &Notable, reveal: Option<fn(&str) -> String>) -> Vec<Cell> {
    let score = [
        words::probe(canary.probe),
        words::statistic(&canary.statistic),
        format!("phase {}", canary.phase),
    ];
    let mut cells = vec![
        Cell::line(words::clean(&canary.id)),
        Cell::line(canary.seed.to_string()),
        Cell::of(score),
        Cell::line(numbers::number(Some(canary.value))),
        Cell::line(format!("{} of {}", canary.controls_beyond, canary.controls)),
    ];
    if let Some(written) = reveal {
        let text = canary
            .text
            .as_deref()
            .map_or_else(|| numbers::NA.to_owned(), written);
        cells.insert(1, Cell::line(text));
    }
    cells
}
