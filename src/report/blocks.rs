//! What a report says to readers, before any format: headings, sentences and tables in order. Terminal, Markdown and HTML draw it.

use super::plots::{self, Plot};
use super::{
    ReportError, curves, further, leakage, limits, ran, standing, summary, witnesses, words,
};
use crate::findings::{Outcome, Report, Verdict};

/// How much room the tables have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// Below 80 columns: few columns, labelled lines in them.
    Narrow,
    /// 80 columns and more.
    Standard,
    /// A wide terminal, or a format that scrolls: further columns.
    Wide,
}

/// What a piece of text tells beside its words. A colour may show it, never alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// No judgement.
    Plain,
    /// A leak, a failure.
    Bad,
    /// As it should be.
    Good,
    /// Undecided.
    Unsure,
}

impl From<Verdict> for Tone {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Leak => Self::Bad,
            Verdict::NoLeakDetected => Self::Good,
            Verdict::Inconclusive => Self::Unsure,
        }
    }
}

impl From<Outcome> for Tone {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Pass => Self::Good,
            Outcome::Fail => Self::Bad,
            Outcome::Undecided => Self::Unsure,
        }
    }
}

/// One cell of a table: its lines, already clean of control characters.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cell {
    pub(super) lines: Vec<String>,
    pub(super) tone: Tone,
}

impl Cell {
    pub(super) fn of<L: Into<String>>(lines: impl IntoIterator<Item = L>) -> Self {
        Self {
            lines: lines.into_iter().map(Into::into).collect(),
            tone: Tone::Plain,
        }
    }

    pub(super) fn line(text: impl Into<String>) -> Self {
        Self::of([text.into()])
    }

    pub(super) fn toned(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }
}

/// The head of a column: lines that stand over the like lines of its cells.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Head {
    pub(super) lines: Vec<String>,
    pub(super) is_numeric: bool,
}

impl Head {
    pub(super) fn text(lines: &[&str]) -> Self {
        Self {
            lines: lines.iter().map(ToString::to_string).collect(),
            is_numeric: false,
        }
    }

    pub(super) fn numeric(lines: &[&str]) -> Self {
        Self {
            is_numeric: true,
            ..Self::text(lines)
        }
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Grid {
    pub(super) caption: String,
    pub(super) heads: Vec<Head>,
    pub(super) rows: Vec<Vec<Cell>>,
}

/// One piece of a report.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Block {
    Heading(String),
    Headline(Tone, String),
    Text(String),
    List(Vec<String>),
    Grid(Grid),
    /// Pictures: for pages alone.
    Plots(Vec<Plot>),
    /// A text of several lines that is shown as it is, under a name, folded away where there is a fold.
    Listing(String, String),
}

/// Where a report is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Medium {
    /// A terminal: what matters most stands last, where the eye is.
    Terminal(Room),
    /// Text for a pull request.
    Markdown,
    /// A page with pictures.
    Page,
}

/// A whole report.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Document {
    pub(super) title: String,
    pub(super) blocks: Vec<Block>,
}

impl Document {
    /// The report in reading order.
    pub(super) fn new(report: &Report, medium: Medium) -> Result<Self, ReportError> {
        let blocks = match medium {
            Medium::Terminal(room) => for_terminal(report, room),
            Medium::Markdown => {
                let mut blocks = summary::verdicts(report);
                blocks.extend(summary::gate(&report.gate));
                blocks.extend(leakage::blocks(report, Room::Wide));
                blocks.extend(curves::blocks(report));
                blocks.extend(standing::seeds(report));
                blocks.extend(about(report));
                blocks
            }
            Medium::Page => {
                let mut blocks = summary::verdicts(report);
                blocks.extend(summary::gate(&report.gate));
                blocks.extend(leakage::blocks(report, Room::Wide));
                for group in plots::all(report)? {
                    blocks.push(Block::Heading(group.heading.to_owned()));
                    blocks.push(Block::Text(group.lead.to_owned()));
                    blocks.push(Block::Plots(group.plots));
                }
                blocks.extend(standing::seeds(report));
                blocks.extend(standing::canaries(report));
                blocks.extend(about(report));
                blocks
            }
        };
        Ok(Self {
            title: format!("unsaid · {}", words::clean(&report.name)),
            blocks,
        })
    }
}

fn for_terminal(report: &Report, room: Room) -> Vec<Block> {
    let mut blocks = summary::verdicts(report);
    blocks.extend(leakage::blocks(report, room));
    blocks.extend(curves::blocks(report));
    blocks.extend(standing::revealed(report));
    blocks.extend(further::blocks(report));
    blocks.extend(witnesses::instruments(report, room));
    blocks.extend(witnesses::replication(report));
    blocks.push(Block::Heading("How to read this".to_owned()));
    blocks.push(Block::List(how_to_read(report, room)));
    blocks.extend(summary::gate(&report.gate));
    blocks
}

/// What the evidence rests on: instruments, the published metric, what was run, and what it cannot say.
fn about(report: &Report) -> Vec<Block> {
    let mut blocks = further::blocks(report);
    blocks.extend(witnesses::instruments(report, Room::Wide));
    blocks.extend(witnesses::replication(report));
    blocks.extend(ran::blocks(report));
    blocks.extend(limits::blocks(report));
    blocks.push(Block::Heading("How to read this".to_owned()));
    blocks.push(Block::List(how_to_read(report, Room::Wide)));
    blocks
}

fn how_to_read(report: &Report, room: Room) -> Vec<String> {
    let mut lines: Vec<String> = words::HOW_TO_READ.iter().map(ToString::to_string).collect();
    if room == Room::Wide {
        lines.push(words::TPR.to_owned());
    }
    let intervals = distinct(
        report
            .rows
            .iter()
            .filter_map(|row| row.ci_method.as_deref()),
    );
    let p_values = distinct(report.rows.iter().filter_map(|row| row.p_method.as_deref()));
    if !intervals.is_empty() {
        lines.push(format!("Intervals: {intervals}."));
    }
    if !p_values.is_empty() {
        lines.push(format!("p-values: {p_values}."));
    }
    lines
}

/// Each name once, in the order of the rows.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut seen: Vec<String> = Vec::new();
    for name in names.map(words::spaced) {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen.join("; ")
}

/// Notes of rows: each text once, numbered as the rows refer to it.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<String>);

impl Notes {
    /// The mark for a row with this note; `None` without one.
    pub(super) fn mark(&mut self, note: Option<&str>) -> Option<String> {
        let text = words::clean(note?);
        let place = self
            .0
            .iter()
            .position(|known| *known == text)
            .unwrap_or_else(|| {
                self.0.push(text);
                self.0.len() - 1
            });
        Some(format!("note {}", place + 1))
    }

    /// The notes as a list under their table; nothing where there are none.
    pub(super) fn block(self) -> Option<Block> {
        let lines: Vec<_> = self
            .0
            .iter()
            .enumerate()
            .map(|(place, text)| format!("note {}: {text}", place + 1))
            .collect();
        (!lines.is_empty()).then_some(Block::List(lines))
    }
}
