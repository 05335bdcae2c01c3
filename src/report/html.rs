//! The report as one self-contained page: no network, no script, light and dark.

use super::document::{Block, Cell, Document, Grid, Head, Room, Tone};
use crate::findings::Report;
use std::fmt::Write as _;

const STYLE: &str = include_str!("style.css");

pub(super) fn render(report: &Report) -> String {
    let document = Document::new(report, Room::Wide, true);
    let title = escape(&document.title);
    let body: String = document.blocks.iter().map(block).collect();
    // The policy lets the page load and run nothing, whatever a name in it might hold.
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<main>\n<h1>{title}</h1>\n{body}</main>\n</body>\n</html>\n"
    )
}

fn block(block: &Block) -> String {
    match block {
        Block::Heading(heading) => format!("<h2>{}</h2>\n", escape(heading)),
        Block::Headline(tone, headline) => format!(
            "<p class=\"headline {}\">{}</p>\n",
            class(*tone),
            escape(headline)
        ),
        Block::Text(sentence) => format!("<p>{}</p>\n", escape(sentence)),
        Block::List(items) => {
            let items: String = items
                .iter()
                .map(|item| "<li>".to_owned() + &escape(item) + "</li>\n")
                .collect();
            format!("<ul>\n{items}</ul>\n")
        }
        Block::Grid(grid) => self::grid(grid),
    }
}

/// A table in a box of its own that scrolls, and that a keyboard can reach.
fn grid(grid: &Grid) -> String {
    let caption = escape(&grid.caption);
    let mut text = format!(
        "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{caption}\">\n<table>\n<caption>{caption}</caption>\n"
    );
    text.push_str("<thead>\n<tr>");
    for head in &grid.heads {
        let _ = write!(
            text,
            "<th scope=\"col\"{}>{}</th>",
            numeric(head),
            lines(&head.lines)
        );
    }
    text.push_str("</tr>\n</thead>\n<tbody>\n");
    for row in &grid.rows {
        text.push_str("<tr>");
        for (place, (cell, head)) in row.iter().zip(&grid.heads).enumerate() {
            text.push_str(&data(cell, head, place == 0));
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</tbody>\n</table>\n</div>\n");
    text
}

fn data(cell: &Cell, head: &Head, is_first: bool) -> String {
    let shown = if cell.tone == Tone::Plain {
        lines(&cell.lines)
    } else {
        let (first, rest) = cell
            .lines
            .split_first()
            .map_or((String::new(), &[][..]), |(first, rest)| {
                (escape(first), rest)
            });
        let rest: String = rest
            .iter()
            .map(|line| "<br>".to_owned() + &escape(line))
            .collect();
        format!(
            "<strong class=\"{}\">{first}</strong>{rest}",
            class(cell.tone)
        )
    };
    if is_first {
        format!("<th scope=\"row\">{shown}</th>")
    } else {
        format!("<td{}>{shown}</td>", numeric(head))
    }
}

fn numeric(head: &Head) -> &'static str {
    if head.is_numeric {
        " class=\"number\""
    } else {
        ""
    }
}

fn lines(lines: &[String]) -> String {
    lines
        .iter()
        .map(|line| escape(line))
        .collect::<Vec<_>>()
        .join("<br>")
}

fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Bad => "bad",
        Tone::Good => "good",
        Tone::Unsure => "unsure",
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_sample() {
        insta::assert_snapshot!(render(&sample::report()));
    }

    #[test]
    fn a_model_named_script_is_shown_and_not_run() {
        let text = render(&sample::hostile());
        assert!(
            text.contains("&lt;script&gt;alert(1)&lt;/script&gt;"),
            "{text}"
        );
        assert!(!text.contains("<script"));
    }

    #[test]
    fn the_page_loads_nothing() {
        let text = render(&sample::report());
        for outside in ["http://", "https://", "src=", "href=", "url(", "@import"] {
            assert!(!text.contains(outside), "{outside}");
        }
    }
}
