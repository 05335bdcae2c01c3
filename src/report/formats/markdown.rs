//! The report as GitHub Markdown, for pull requests and safety reviews.

use crate::report::blocks::{Block, Document, Grid, Head};
use crate::report::numbers;

pub(in crate::report) fn written(document: &Document) -> String {
    let mut text = format!("# {}\n", escape(&document.title));
    let blocks = document.blocks.iter().map(block);
    for block in blocks.filter(|block| !block.is_empty()) {
        text.push('\n');
        text.push_str(&block);
    }
    text
}

fn block(block: &Block) -> String {
    match block {
        Block::Heading(heading) => format!("## {}\n", escape(heading)),
        Block::Headline(_, headline) => format!("**{}**\n", escape(headline)),
        Block::Text(sentence) => format!("{}\n", escape(sentence)),
        Block::List(items) => items
            .iter()
            .map(|item| "- ".to_owned() + &escape(item) + "\n")
            .collect(),
        Block::Grid(grid) => self::grid(grid),
        // Pictures and listings stand in the page and in files of their own.
        Block::Plots(_) | Block::Listing(..) => String::new(),
    }
}

fn grid(grid: &Grid) -> String {
    let rule = |head: &Head| if head.is_numeric { "---:" } else { "---" }.to_owned();
    let heads = line(grid.heads.iter().map(|head| escape_lines(&head.lines)));
    let rules = line(grid.heads.iter().map(rule));
    let rows: String = grid
        .rows
        .iter()
        .map(|row| line(row.iter().map(|cell| escape_lines(&cell.lines))))
        .collect();
    format!("{}:\n\n{heads}{rules}{rows}", escape(&grid.caption))
}

fn line(cells: impl Iterator<Item = String>) -> String {
    format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
}

fn escape_lines(lines: &[String]) -> String {
    lines
        .iter()
        .map(|line| escape(line))
        .collect::<Vec<_>>()
        .join("<br>")
}

/// Text that Markdown shows as it is. Cells and sentences hold no line breaks: those were cleaned away before.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // A digest or a name with '@' would otherwise notify whoever is called so.
            '@' => escaped.push_str("<span>@</span>"),
            '\\' | '`' | '*' | '_' | '|' | '[' | ']' | '~' | '#' | '$' => {
                escaped.push('\\');
                escaped.push(letter);
            }
            '\n' | '\r' | numbers::NBSP => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    // Addresses in names are no links of ours.
    let escaped = escaped
        .replace("://", "&#58;//")
        .replace("www.", "www&#46;");
    match escaped.chars().next() {
        // What would begin a list or a rule within a list.
        Some(first @ ('-' | '+' | '=')) => format!("\\{first}{}", &escaped[1..]),
        Some('0'..='9') => numbered(escaped),
        _ => escaped,
    }
}

/// A text that begins with a number and a full stop, or a bracket, would begin a list.
fn numbered(text: String) -> String {
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    match text[digits..].chars().next() {
        Some(after @ ('.' | ')')) if text[digits + 1..].starts_with(' ') => {
            format!("{}\\{after}{}", &text[..digits], &text[digits + 1..])
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::Report;
    use crate::report::blocks::Medium;
    use crate::report::{document, sample};

    fn render(report: &Report) -> String {
        written(&document::of(report, Medium::Markdown).expect("a document"))
    }

    #[test]
    fn the_sample() {
        insta::assert_snapshot!(render(&sample::report()));
    }

    #[test]
    fn nothing_from_outside_is_markup() {
        let mut report = sample::report();
        report.model = "<script>|`x`\n# y @me".to_owned();
        let text = render(&report);
        assert!(
            text.contains("Model &lt;script&gt;\\|\\`x\\` \\# y <span>@</span>me, seed 0."),
            "{text}"
        );
    }

    #[test]
    fn nothing_from_outside_is_a_link_or_begins_a_list() {
        assert_eq!(escape("https://x.y www.x"), "https&#58;//x.y www&#46;x");
        assert_eq!(escape("1. x"), "1\\. x");
        assert_eq!(escape("- x"), "\\- x");
        assert_eq!(escape("0.5 x"), "0.5 x");
        assert_eq!(escape("−1.5"), "−1.5");
    }

    #[test]
    fn every_line_of_a_table_has_as_many_cells_as_its_head() {
        let text = render(&sample::hostile());
        let mut expected = None;
        for line in text.lines() {
            let cells = line.replace("\\|", "").matches('|').count();
            if line.starts_with('|') {
                assert_eq!(*expected.get_or_insert(cells), cells, "{line}");
            } else {
                expected = None;
            }
        }
    }
}
