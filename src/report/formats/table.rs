//! The terminal report: no line longer than the width, colour only beside words.

use super::columns;
use crate::report::blocks::{self, Block, Document, Grid, Medium, Room, Tone};
use crate::report::error::{MIN_WIDTH, ReportError};
use crate::report::numbers;
use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, ContentLineStyle,
    LineStyle, Table, TableStyle, Width, presets,
};

/// A box without vertical lines inside: at 80 columns they would be in the way of the numbers.
const BOX: TableStyle = TableStyle::new()
    .top_border(LineStyle::new('╭', '─', '─', '╮'))
    .header_lines(ContentLineStyle::none().left('│').right('│'))
    .header_separator(LineStyle::new('├', '─', '─', '┤'))
    .content_lines(ContentLineStyle::none().left('│').right('│'))
    .row_separator(LineStyle::new('├', '╌', '╌', '┤'))
    .bottom_border(LineStyle::new('╰', '─', '─', '╯'));

/// Sentences are set no wider than this: a line across a wide terminal is hard to read.
const SENTENCE_WIDTH: usize = 100;

/// Tables gain nothing from more room than this.
const TABLE_WIDTH: usize = 132;

/// From here on the table has its further columns.
const WIDE: usize = 110;

/// The document for a terminal of this width.
pub(in crate::report) fn written(
    width: usize,
    color: bool,
    document: impl Fn(Medium) -> Result<Document, ReportError>,
) -> Result<String, ReportError> {
    if width < MIN_WIDTH {
        return Err(ReportError::TooNarrow { width });
    }
    let document = roomiest(width, document)?;
    let page = Page { width, color };
    let mut text = page.prose("", &document.title, &[Attribute::Bold], Tone::Plain);
    for block in &document.blocks {
        text.push_str(&page.block(block));
    }
    Ok(text.replace(numbers::NBSP, " "))
}

/// The document in the most room that a terminal of this width has for it without a break inside a word.
fn roomiest(
    width: usize,
    document: impl Fn(Medium) -> Result<Document, ReportError>,
) -> Result<Document, ReportError> {
    let rooms: &[Room] = match width {
        ..80 => &[],
        80..WIDE => &[Room::Standard],
        _ => &[Room::Wide, Room::Standard],
    };
    for room in rooms {
        let document = document(Medium::Terminal(*room))?;
        if fits(&document, width) {
            return Ok(document);
        }
    }
    document(Medium::Terminal(Room::Narrow))
}

fn fits(document: &Document, width: usize) -> bool {
    document.blocks.iter().all(|block| match block {
        Block::Grid(grid) => columns::fits(grid, width.min(TABLE_WIDTH)),
        _ => true,
    })
}

/// How wide, and whether in colour.
struct Page {
    width: usize,
    color: bool,
}

impl Page {
    fn block(&self, block: &Block) -> String {
        match block {
            Block::Heading(heading) => format!(
                "\n{}",
                self.prose("", heading, &[Attribute::Bold], Tone::Plain)
            ),
            Block::Headline(tone, headline) => {
                format!("\n{}", self.prose("", headline, &[Attribute::Bold], *tone))
            }
            Block::Text(sentence) => self.prose("", sentence, &[], Tone::Plain),
            Block::List(items) => items
                .iter()
                .map(|item| self.prose("•", item, &[], Tone::Plain))
                .collect::<String>(),
            Block::Grid(grid) => self.grid(grid),
            Block::Plots(_) | Block::Listing(..) => String::new(),
        }
    }

    /// A sentence, wrapped; a bullet hangs before it. The table library wraps it, since it knows how wide letters are.
    fn prose(&self, bullet: &str, sentence: &str, attributes: &[Attribute], tone: Tone) -> String {
        let mut table = self.empty(presets::NOTHING, self.width.min(SENTENCE_WIDTH));
        let cell = Cell::new(sentence).add_attributes(attributes.to_vec());
        let cells = if bullet.is_empty() {
            vec![tinted(cell, tone)]
        } else {
            vec![Cell::new(bullet), tinted(cell, tone)]
        };
        table.add_row(cells);
        for (place, column) in table.column_iter_mut().enumerate() {
            column.set_padding((u16::from(place > 0), 0));
        }
        lines(&table)
    }

    fn grid(&self, grid: &Grid) -> String {
        let mut table = self.empty(BOX, self.width.min(TABLE_WIDTH));
        let heads = grid
            .heads
            .iter()
            .map(|head| Cell::new(head.lines.join("\n")).add_attribute(Attribute::Bold));
        table.set_header(heads.collect::<Vec<_>>());
        for row in &grid.rows {
            table.add_row(row.iter().map(cell).collect::<Vec<_>>());
        }
        let widths = columns::widths(grid, self.width.min(TABLE_WIDTH));
        let last = widths.len().saturating_sub(1);
        for ((place, column), width) in table.column_iter_mut().enumerate().zip(widths) {
            if grid.heads.get(place).is_some_and(|head| head.is_numeric) {
                column.set_cell_alignment(CellAlignment::Right);
            }
            // The blank between two columns stands where a line would; after the last there is none.
            let after = u16::from(place == last);
            column
                .set_padding((1, after))
                .set_constraint(ColumnConstraint::Absolute(Width::Fixed(width + 1 + after)));
        }
        lines(&table)
    }

    fn empty(&self, style: TableStyle, width: usize) -> Table {
        let mut table = Table::new();
        table
            .load_style(style)
            .set_content_arrangement(ContentArrangement::Dynamic);
        table
            .set_width(u16::try_from(width).unwrap_or(u16::MAX))
            .force_no_tty();
        if self.color {
            table.enforce_styling();
        }
        table
    }
}

fn cell(cell: &blocks::Cell) -> Cell {
    let shown = tinted(Cell::new(cell.lines.join("\n")), cell.tone);
    if cell.tone == Tone::Bad {
        shown.add_attribute(Attribute::Bold)
    } else {
        shown
    }
}

fn tinted(cell: Cell, tone: Tone) -> Cell {
    match tone {
        Tone::Plain => cell,
        Tone::Bad => cell.fg(Color::Red),
        Tone::Good => cell.fg(Color::Green),
        Tone::Unsure => cell.fg(Color::Yellow),
    }
}

fn lines(table: &Table) -> String {
    table
        .lines()
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::{Probe, Report, Role, Row, Tier, Verdict};
    use crate::report::{document, sample};
    use std::collections::BTreeSet;

    fn render(report: &Report, width: usize, color: bool) -> Result<String, ReportError> {
        written(width, color, |medium| document::of(report, medium))
    }

    fn at(report: &Report, width: usize) -> String {
        render(report, width, false).expect("table")
    }

    #[test]
    fn at_60_columns() {
        insta::assert_snapshot!(at(&sample::report(), 60));
    }

    #[test]
    fn at_80_columns() {
        insta::assert_snapshot!(at(&sample::report(), 80));
    }

    #[test]
    fn at_120_columns() {
        insta::assert_snapshot!(at(&sample::report(), 120));
    }

    /// The words of a text, the box aside.
    fn words(text: &str) -> impl Iterator<Item = &str> {
        let between = |letter: char| letter.is_whitespace() || letter == '│';
        text.split(between).filter(|word| !word.is_empty())
    }

    #[test]
    fn no_word_and_no_number_breaks() {
        for (what, report) in [("sample", sample::report()), ("broad", sample::broad())] {
            for width in MIN_WIDTH..=140 {
                let document = roomiest(width, |medium| document::of(&report, medium));
                let text = at(&report, width);
                let shown: BTreeSet<&str> = words(&text).collect();
                for block in document.expect("document").blocks {
                    let Block::Grid(grid) = block else { continue };
                    let heads = grid.heads.iter().flat_map(|head| &head.lines);
                    let cells = grid.rows.iter().flatten().flat_map(|cell| &cell.lines);
                    for word in heads.chain(cells).flat_map(|line| words(line)) {
                        assert!(shown.contains(word), "{what}, {width}: {word}\n{text}");
                    }
                }
            }
        }
    }

    #[test]
    fn at_80_columns_with_broad_numbers() {
        insta::assert_snapshot!(leakage(&sample::broad(), 80));
    }

    #[test]
    fn at_60_columns_with_broad_numbers() {
        insta::assert_snapshot!(leakage(&sample::broad(), 60));
    }

    #[test]
    fn at_120_columns_with_broad_numbers() {
        insta::assert_snapshot!(leakage(&sample::broad(), 120));
    }

    /// The leakage table alone.
    fn leakage(report: &Report, width: usize) -> String {
        let text = at(report, width);
        let rest = text.split("Leakage").nth(1).expect("a leakage table");
        let table = rest.split("\n\n").next().expect("its end");
        table.to_owned()
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in (MIN_WIDTH..=140).chain([500, 100_000]) {
            for report in [sample::report(), sample::hostile()] {
                for line in at(&report, width).lines() {
                    assert!(breadth(line) <= width, "{width}: {line}");
                }
            }
        }
    }

    /// Columns of a line; a CJK letter takes two.
    fn breadth(line: &str) -> usize {
        line.chars()
            .map(|letter| {
                if ('\u{2e80}'..='\u{9fff}').contains(&letter) {
                    2
                } else {
                    1
                }
            })
            .sum()
    }

    #[test]
    fn below_the_narrowest_width_it_is_an_error() {
        assert!(matches!(
            render(&sample::report(), 59, false),
            Err(ReportError::TooNarrow { width: 59 })
        ));
    }

    #[test]
    fn an_auc_of_zero_reads_leak() {
        let mut report = sample::report();
        report.rows = vec![Row {
            auc: Some(0.0),
            ci_low: Some(0.0),
            ci_high: Some(0.026),
            ..sample::rows::suppression()
        }];
        for width in [60, 80, 120] {
            let text = at(&report, width);
            let row: String = text
                .split("Leakage")
                .nth(1)
                .and_then(|rest| rest.split("Instruments").next())
                .expect("row")
                .to_owned();
            assert!(row.contains("0.000") && row.contains("LEAK"), "{text}");
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words.contains("an AUC of 0.000 is not clean"));
        }
    }

    #[test]
    fn what_is_null_is_not_a_number() {
        let mut report = sample::report();
        let bare = sample::rows::row(
            Probe::Elicitation,
            Role::Audit,
            Tier::Partial,
            "letter_rank",
        );
        report.rows = vec![Row {
            verdict: Some(Verdict::Inconclusive),
            ..bare
        }];
        for width in [60, 80, 120] {
            let text = at(&report, width);
            let row = text
                .split("Leakage")
                .nth(1)
                .and_then(|rest| rest.split("Instruments").next())
                .expect("row");
            assert!(row.matches("n/a").count() >= 8, "{text}");
            assert!(!row.contains("NaN") && !row.contains("0.0"), "{text}");
        }
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let colored = render(&sample::report(), 80, true).expect("table");
        let mut plain = String::new();
        let mut rest = colored.as_str();
        while let Some((before, after)) = rest.split_once("\u{1b}[") {
            plain.push_str(before);
            rest = after.split_once('m').expect("end of the sequence").1;
        }
        plain.push_str(rest);
        let trimmed = |text: &str| {
            text.lines()
                .map(str::trim_end)
                .collect::<Vec<_>>()
                .join("\n")
        };
        assert_eq!(trimmed(&plain), trimmed(&at(&sample::report(), 80)));
    }

    #[test]
    fn text_from_outside_does_not_steer_the_terminal() {
        assert!(!at(&sample::hostile(), 80).contains(['\u{1b}', '\u{202e}']));
    }
}
