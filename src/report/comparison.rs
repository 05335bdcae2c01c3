//! Runs beside the first: what became worse, what better, and what cannot be told.

use super::blocks::{Block, Cell, Document, Head, Medium, Room, Tone};
use super::error::ReportError;
use super::sections::how_to_read;
use super::{numbers, plots, words};
use crate::findings::{Change, Compared, Comparison, Role, Scope, Trend, Verdict};

/// What a reader must know to read the tables.
const HOW_TO_READ: [&str; 6] = [
    "Every row is compared on the side of its leak: AUC is turned so that 0.5 is no separation and 1 is perfect, whichever way the row looks. A positive difference is a worsening.",
    "The interval of a difference is made from the two runs' own intervals (square-and-add, MOVER), as if the runs were independent. Runs on the same canaries are not: the interval is then wider than it need be.",
    "p is two-sided; adj. p is Holm-adjusted over the audit rows of the two runs, and \"WORSE\" and \"better\" rest on it at 0.05.",
    "\"no change shown\" is no proof that nothing changed: the interval says how large a change could have been missed.",
    "seeds: the difference in AUC seed by seed, where both runs have the seed, with Student's t over seeds: what it says holds for the recipe, the rest for these checkpoints.",
    "A row that leaks in one run and not in the other has not changed for that reason alone: the difference must be shown by itself.",
];

pub(super) fn of(comparison: &Comparison, medium: Medium) -> Result<Document, ReportError> {
    let mut blocks = vec![
        Block::text("Each run is compared with the first."),
        runs(&comparison.runs),
    ];
    for place in 1..comparison.runs.len() {
        blocks.extend(against_first(comparison, place, medium.room()));
    }
    if medium == Medium::Page {
        let plots = plots::differences(comparison)?;
        if !plots.is_empty() {
            blocks.push(Block::heading("Differences"));
            blocks.push(Block::Plots(plots));
        }
    }
    let lines = HOW_TO_READ.iter().map(ToString::to_string).collect();
    blocks.extend(how_to_read::listed(lines));
    let names = comparison.runs.iter().map(|r| words::clean(&r.name));
    Ok(Document {
        title: format!("unsaid · {}", names.collect::<Vec<_>>().join(" → ")),
        blocks,
    })
}

fn runs(runs: &[Compared]) -> Block {
    let row = |(place, run): (usize, &Compared)| {
        let tiers = [
            ("extraction", run.tiers.extraction),
            ("partial", run.tiers.partial),
            ("recognition", run.tiers.recognition),
        ];
        let tiers = tiers.map(|(name, verdict)| format!("{name}: {}", words::verdict(verdict)));
        vec![
            Cell::line((place + 1).to_string()),
            Cell::of([
                words::clean(&run.name),
                words::clean(&run.model),
                words::seeds(&run.seeds),
            ]),
            Cell::line(words::verdict(Some(run.verdict))).toned(run.verdict.into()),
            Cell::of(tiers),
            Cell::line(run.exit_code.to_string()),
        ]
    };
    let heads = [
        Head::text(&["run"]),
        Head::text(&["name", "model", "seeds"]),
        Head::text(&["verdict"]),
        Head::text(&["by tier"]),
        Head::numeric(&["exit"]),
    ];
    Block::grid(
        "The runs",
        heads,
        runs.iter().enumerate().map(row).collect(),
    )
}

fn against_first(comparison: &Comparison, place: usize, room: Room) -> Vec<Block> {
    let name = |place: usize| {
        let run = comparison.runs.get(place);
        run.map_or_else(String::new, |run| words::clean(&run.name))
    };
    let changes = comparison.changes.iter().filter(|c| c.run == place);
    let (mut audited, left_out): (Vec<&Change>, Vec<&Change>) =
        changes.partition(|c| c.role == Role::Audit && c.scope == Scope::Checkpoint);
    audited.sort_by_key(|c| words::TIERS.iter().position(|tier| *tier == c.tier));
    let count = |trend: Trend| audited.iter().filter(|c| c.trend == trend).count();
    let (worse, better) = (count(Trend::Worse), count(Trend::Better));
    let (same, open) = (count(Trend::NotShown), count(Trend::NotComparable));
    let tone = if worse > 0 {
        Tone::Bad
    } else if better > 0 {
        Tone::Good
    } else {
        Tone::Unsure
    };
    let mut blocks = vec![
        Block::heading(format!(
            "Run {} ({}) against run 1 ({})",
            place + 1,
            name(place),
            name(0)
        )),
        Block::Headline(
            tone,
            format!(
                "{worse} worse, {better} better, {same} without a change shown, {open} not comparable"
            ),
        ),
    ];
    if audited.is_empty() {
        blocks.push(Block::text("No audit rows to compare."));
    } else {
        blocks.push(grid(&audited, room));
    }
    if !left_out.is_empty() {
        blocks.push(Block::text(format!(
            "Not shown here: {} rows of other roles. They are in the CSV and the JSON of this comparison.",
            left_out.len()
        )));
    }
    blocks
}

fn grid(changes: &[&Change], room: Room) -> Block {
    let paired = room == Room::Wide && changes.iter().any(|c| c.paired_difference.is_some());
    let change = Head::text(&["change", "first", "later"]);
    let heads = if room == Room::Narrow {
        vec![
            Head::text(&["measured"]),
            Head::numeric(&["difference", "interval", "p, adj. p"]),
            change,
        ]
    } else {
        let mut heads = vec![
            Head::text(&["probe", "statistic", "where", "tier"]),
            change,
            Head::numeric(&["first", "later"]),
            Head::numeric(&["difference", "interval"]),
            Head::numeric(&["p", "adj. p"]),
        ];
        if paired {
            heads.push(Head::numeric(&["seeds", "difference", "interval", "p"]));
        }
        heads
    };
    let rows = changes.iter().map(|c| line(c, room, paired)).collect();
    Block::grid("Audit rows, on the side of their leak", heads, rows)
}

fn line(change: &Change, room: Room, paired: bool) -> Vec<Cell> {
    let measured = Cell::of([
        words::probe(change.probe),
        words::statistic(&change.statistic),
        words::place(change.phase, &change.prefix),
        words::tier(change.tier).to_owned(),
    ]);
    let tone = match change.trend {
        Trend::Worse => Tone::Bad,
        Trend::Better => Tone::Good,
        Trend::NotShown => Tone::Plain,
        Trend::NotComparable => Tone::Unsure,
    };
    let verdict =
        |name: &str, verdict: Option<Verdict>| format!("{name}: {}", words::verdict(verdict));
    let mut lines = vec![
        words::trend(change.trend).to_owned(),
        verdict("first", change.first_verdict),
        verdict("later", change.later_verdict),
    ];
    lines.extend(change.note.as_deref().map(words::clean));
    let trend = Cell::of(lines).toned(tone);
    let p = [change.p_value, change.p_adjusted].map(|p| numbers::p_value(p, None));
    let difference = [
        numbers::signed_number(change.difference),
        numbers::interval(change.ci_low, change.ci_high, false),
    ];
    if room == Room::Narrow {
        let found = difference.into_iter().chain(p);
        return vec![measured, Cell::of(found), trend];
    }
    let mut cells = vec![
        measured,
        trend,
        Cell::of([change.first, change.later].map(numbers::proportion)),
        Cell::of(difference),
        Cell::of(p),
    ];
    if paired {
        cells.push(Cell::of([
            change.paired_seeds.to_string(),
            numbers::signed_number(change.paired_difference),
            numbers::interval(change.paired_low, change.paired_high, false),
            numbers::p_value(change.paired_p_value, None),
        ]));
    }
    cells
}

#[cfg(test)]
mod tests {
    use crate::findings::{Comparison, compare};
    use crate::report::{Format, render_comparison, sample};

    fn two() -> Comparison {
        let first = sample::report();
        let mut later = first.clone();
        "later".clone_into(&mut later.name);
        for row in later
            .rows
            .iter_mut()
            .filter(|row| row.statistic == "letter_rank")
        {
            (row.auc, row.ci_low, row.ci_high) = (Some(0.95), Some(0.9), Some(0.99));
        }
        compare(&[first, later])
    }

    #[test]
    fn the_sample() {
        let formats = [Format::Table, Format::Markdown, Format::Csv, Format::Junit];
        let texts =
            formats.map(|format| render_comparison(&two(), format, 80, false).expect("text"));
        insta::assert_snapshot!(texts.join("\n=====\n"));
    }

    #[test]
    fn every_format_holds_at_every_width() {
        for width in [60, 80, 120] {
            let text = render_comparison(&two(), Format::Table, width, false).expect("table");
            for line in text.lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
            assert!(text.contains("WORSE"), "{text}");
        }
    }

    #[test]
    fn json_reads_back() {
        let text = render_comparison(&two(), Format::Json, 80, false).expect("json");
        let back: Comparison = serde_json::from_str(&text).expect("a comparison");
        assert_eq!(back, two());
    }

    #[test]
    fn a_page_with_its_plot() {
        let text = render_comparison(&two(), Format::Html, 80, false).expect("page");
        assert!(text.contains("differences-run-2") && text.contains("WORSE"));
        let nasty = sample::hostile();
        let text = render_comparison(&compare(&[nasty.clone(), nasty]), Format::Html, 80, false);
        let text = text.expect("page");
        assert!(text.contains("&lt;script&gt;") && !text.contains("<script"));
    }
}
