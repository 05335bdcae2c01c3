//! What a report is made of before any format: headings, sentences, tables and pictures. Sections make blocks, formats draw them.

use super::plots::Plot;
use super::words;
use crate::findings::{Outcome, Verdict};
use std::ops::Range;

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

impl Medium {
    pub(super) fn room(self) -> Room {
        match self {
            Self::Terminal(room) => room,
            Self::Markdown | Self::Page => Room::Wide,
        }
    }
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

    /// A line of a cell under this head as it reads by itself: a number after what the head calls it.
    fn labelled(&self, place: usize, line: &str) -> String {
        match self.lines.get(place) {
            // "chance 0.5" says itself what it is.
            Some(name) if self.is_numeric && !line.starts_with("chance") => {
                format!("{name} {line}")
            }
            _ => line.to_owned(),
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

impl Grid {
    /// The table with these columns in one, for where there is no room for all; every number then names itself.
    pub(super) fn stacked(mut self, columns: Range<usize>, head: Head) -> Self {
        let heads: Vec<Head> = self.heads.splice(columns.clone(), [head]).collect();
        for row in &mut self.rows {
            let cells: Vec<Cell> = row.splice(columns.clone(), [Cell::of([""; 0])]).collect();
            let lines = cells.iter().zip(&heads).flat_map(|(cell, head)| {
                let lines = cell.lines.iter().enumerate();
                lines.map(|(place, line)| head.labelled(place, line))
            });
            row[columns.start] = Cell::of(lines);
        }
        self
    }
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

impl Block {
    pub(super) fn heading(text: impl Into<String>) -> Self {
        Self::Heading(text.into())
    }

    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn grid(
        caption: impl Into<String>,
        heads: impl Into<Vec<Head>>,
        rows: Vec<Vec<Cell>>,
    ) -> Self {
        Self::Grid(Grid {
            caption: caption.into(),
            heads: heads.into(),
            rows,
        })
    }
}

/// A whole report, or a comparison, for one medium.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Document {
    pub(super) title: String,
    pub(super) blocks: Vec<Block>,
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
        let lines = self.0.iter().enumerate();
        let lines: Vec<_> = lines
            .map(|(place, text)| format!("note {}: {text}", place + 1))
            .collect();
        (!lines.is_empty()).then_some(Block::List(lines))
    }
}
