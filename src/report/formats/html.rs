//! The report as one self-contained page: no network, no script, light and dark.

use crate::report::blocks::{Block, Cell, Document, Grid, Head, Tone};
use crate::report::plots::{self, Plot};
use crate::report::words;
use quick_xml::escape::escape;
use std::fmt::Write as _;

const STYLE: &str = include_str!("style.css");

/// A whole page.
pub(in crate::report) fn written(document: &Document) -> String {
    let title = escape(document.title.as_str());
    let first = document.blocks.iter().position(is_heading);
    let (lead, rest) = document
        .blocks
        .split_at(first.unwrap_or(document.blocks.len()));
    let lead: String = lead.iter().map(block).collect();
    let rest: String = rest.iter().map(block).collect();
    // The policy lets the page load and run nothing, whatever a name in it might hold.
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>\n{STYLE}{}</style>\n</head>\n\
         <body>\n<main>\n<h1>{title}</h1>\n{lead}{}{rest}</main>\n</body>\n</html>\n",
        plots::STYLE,
        contents(&document.blocks),
    )
}

fn is_heading(block: &Block) -> bool {
    matches!(block, Block::Heading(_))
}

/// Links to the headings of a page that has several.
fn contents(blocks: &[Block]) -> String {
    let headings = blocks.iter().filter_map(|block| match block {
        Block::Heading(heading) => Some(heading),
        _ => None,
    });
    let links: Vec<String> = headings
        .map(|heading| {
            let (id, short) = (
                words::slug(heading),
                heading.split(':').next().unwrap_or(heading),
            );
            format!("<li><a href=\"#{id}\">{}</a></li>\n", escape(short))
        })
        .collect();
    if links.len() < 4 {
        return String::new();
    }
    format!(
        "<nav aria-label=\"Contents\">\n<ul>\n{}</ul>\n</nav>\n",
        links.concat()
    )
}

fn block(block: &Block) -> String {
    match block {
        Block::Heading(heading) => {
            let id = words::slug(heading);
            format!("<h2 id=\"{id}\">{}</h2>\n", escape(heading.as_str()))
        }
        Block::Headline(tone, headline) => format!(
            "<p class=\"headline {}\">{}</p>\n",
            class(*tone),
            escape(headline)
        ),
        Block::Text(sentence) => format!("<p>{}</p>\n", text(sentence)),
        Block::List(items) => {
            let items: String = items
                .iter()
                .map(|item| "<li>".to_owned() + &text(item) + "</li>\n")
                .collect();
            format!("<ul>\n{items}</ul>\n")
        }
        Block::Grid(grid) => self::grid(grid),
        Block::Plots(plots) => {
            let figures: String = plots.iter().map(figure).collect();
            format!("<div class=\"figures\">\n{figures}</div>\n")
        }
        Block::Listing(name, text) => format!(
            "<details>\n<summary>{}</summary>\n<pre tabindex=\"0\">{}</pre>\n</details>\n",
            escape(name),
            escape(listed(text))
        ),
    }
}

fn figure(plot: &Plot) -> String {
    let wide = if plot.is_tall() {
        " class=\"wide\""
    } else {
        ""
    };
    format!("<figure{wide}>\n{}</figure>\n", plot.inline())
}

/// A text of several lines without what would steer a screen.
fn listed(text: &str) -> String {
    text.lines().map(|line| words::clean(line) + "\n").collect()
}

/// A table in a box of its own that scrolls, and that a keyboard can reach.
fn grid(grid: &Grid) -> String {
    let caption = escape(grid.caption.as_str());
    // Names and values: long digests may break anywhere.
    let facts = if grid.heads.len() == 2 {
        " class=\"facts\""
    } else {
        ""
    };
    let mut text = format!(
        "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{caption}\">\n<table{facts}>\n<caption>{caption}</caption>\n"
    );
    text.push_str("<thead>\n<tr>");
    for head in &grid.heads {
        let _ = write!(
            text,
            "<th scope=\"col\"{}>{}</th>",
            numeric(head),
            escape(head.lines.join("\n")).replace('\n', "<br>")
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
    // Numbers stand in columns of their own, where nothing breaks.
    let shown = |line: &String| {
        if head.is_numeric {
            escape(line.as_str()).into_owned()
        } else {
            text(line)
        }
    };
    let mut lines: Vec<String> = cell.lines.iter().map(shown).collect();
    if cell.tone != Tone::Plain
        && let Some(first) = lines.first_mut()
    {
        *first = format!("<strong class=\"{}\">{first}</strong>", class(cell.tone));
    }
    let shown = lines.join("<br>");
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

fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Bad => "bad",
        Tone::Good => "good",
        Tone::Unsure => "unsure",
    }
}

/// A sentence or a name, escaped, in which no number breaks.
fn text(text: &str) -> String {
    escape(unbroken(text)).into_owned()
}

/// The text with no break after the minus of an exponent, as in `1.2e-4`.
fn unbroken(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let ends_exponent_sign = |place: usize| match place.checked_sub(2).map(|from| &letters[from..])
    {
        Some([before, 'e', '-', after, ..]) => before.is_ascii_digit() && after.is_ascii_digit(),
        _ => false,
    };
    let mut unbroken = String::with_capacity(text.len());
    for (place, letter) in letters.iter().enumerate() {
        unbroken.push(*letter);
        if ends_exponent_sign(place) {
            // A word joiner: no line ends here.
            unbroken.push('\u{2060}');
        }
    }
    unbroken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::Report;
    use crate::report::blocks::Medium;
    use crate::report::{document, sample};

    fn render(report: &Report) -> String {
        written(&document::of(report, Medium::Page).expect("a document"))
    }

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
    fn a_number_in_a_sentence_does_not_break() {
        assert_eq!(
            text("p 1.2e-4 < 5e-12, e-4 of low-logit, 1e-"),
            "p 1.2e-\u{2060}4 &lt; 5e-\u{2060}12, e-4 of low-logit, 1e-"
        );
    }

    #[test]
    fn the_page_loads_nothing() {
        let text = render(&sample::report());
        // The name of SVG's vocabulary is an address that nothing loads.
        let text = text.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        for outside in [
            "http:", "https:", "src=", "href=\"/", "url(", "@import", "<link",
        ] {
            assert!(!text.contains(outside), "{outside}");
        }
        assert_eq!(
            text.matches("href=").count(),
            text.matches("href=\"#").count()
        );
    }
}
