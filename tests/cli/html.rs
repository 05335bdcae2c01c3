//! A reader of the pages that the program writes: strict about what it does not know.

/// A table of a page: cells are lists of lines.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) caption: String,
    pub(crate) heads: Vec<Vec<String>>,
    pub(crate) rows: Vec<Vec<Vec<String>>>,
}

/// An element as it was opened, or a text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Piece {
    Open(String, Vec<(String, String)>),
    Close(String),
    Text(String),
}

/// Elements that have no end.
const VOID: [&str; 2] = ["meta", "br"];

/// The pieces of a page, with every element closed in its turn.
pub(crate) fn pieces(page: &str) -> Vec<Piece> {
    let mut rest = page.strip_prefix("<!doctype html>").expect("a page");
    let (mut pieces, mut open) = (Vec::new(), Vec::new());
    while let Some(start) = rest.find('<') {
        let (text, tag) = rest.split_at(start);
        if !text.trim().is_empty() {
            pieces.push(Piece::Text(unescaped(text)));
        }
        let end = tag.find('>').expect("the end of a tag");
        let inside = &tag[1..end];
        rest = &tag[end + 1..];
        if let Some(name) = inside.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "closed in turn");
            pieces.push(Piece::Close(name.to_owned()));
            continue;
        }
        let (name, attributes) = tag_of(inside.trim_end_matches('/'));
        pieces.push(Piece::Open(name.clone(), attributes));
        if inside.ends_with('/') || VOID.contains(&name.as_str()) {
            pieces.push(Piece::Close(name));
        } else if name == "style" {
            let (_, after) = rest.split_once("</style>").expect("the end of the style");
            rest = after;
            pieces.push(Piece::Close(name));
        } else {
            open.push(name);
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?}");
    pieces
}

fn tag_of(inside: &str) -> (String, Vec<(String, String)>) {
    let (name, mut rest) = inside.split_once(' ').unwrap_or((inside, ""));
    assert!(
        name.bytes().all(|b| b.is_ascii_alphanumeric()),
        "<{inside}>"
    );
    let mut attributes = Vec::new();
    while let Some((key, after)) = rest.trim_start().split_once("=\"") {
        let (value, more) = after.split_once('"').expect("a quoted value");
        attributes.push((key.to_owned(), unescaped(value)));
        rest = more;
    }
    assert!(rest.trim().is_empty(), "<{inside}>");
    (name.to_owned(), attributes)
}

fn unescaped(text: &str) -> String {
    let pairs = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&apos;", "'"),
    ];
    let text = pairs
        .into_iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    text.replace("&amp;", "&")
}

/// The tables of a page; every one must have a caption, heads with a scope and rows as wide as the heads.
pub(crate) fn tables(page: &str) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    let mut inside: Vec<String> = Vec::new();
    for piece in pieces(page) {
        match piece {
            Piece::Open(name, attributes) => {
                if name == "table" {
                    let (caption, heads, rows) = Default::default();
                    tables.push(Table {
                        caption,
                        heads,
                        rows,
                    });
                }
                if name == "th" {
                    assert!(
                        attributes.iter().any(|(key, _)| key == "scope"),
                        "a head without scope"
                    );
                }
                let is_head = inside.iter().any(|n| n == "thead");
                if let Some(table) = tables.last_mut() {
                    match name.as_str() {
                        "tr" if !is_head => table.rows.push(Vec::new()),
                        "th" | "td" if is_head => table.heads.push(vec![String::new()]),
                        "th" | "td" => table
                            .rows
                            .last_mut()
                            .expect("a row")
                            .push(vec![String::new()]),
                        "br" => cell(table, is_head).expect("a cell").push(String::new()),
                        _ => {}
                    }
                }
                inside.push(name);
            }
            Piece::Close(name) => assert_eq!(inside.pop(), Some(name)),
            Piece::Text(text) if inside.iter().any(|n| n == "table") => {
                let is_head = inside.iter().any(|n| n == "thead");
                let table = tables.last_mut().expect("a table");
                if inside.last().is_some_and(|n| n == "caption") {
                    table.caption = text;
                } else {
                    let lines = cell(table, is_head).expect("a cell");
                    lines.last_mut().expect("a line").push_str(text.trim());
                }
            }
            Piece::Text(_) => {}
        }
    }
    for table in &tables {
        assert!(!table.caption.is_empty(), "a table without a caption");
        assert!(
            table.rows.iter().all(|row| row.len() == table.heads.len()),
            "{}",
            table.caption
        );
    }
    tables
}

fn cell(table: &mut Table, is_head: bool) -> Option<&mut Vec<String>> {
    if is_head {
        table.heads.last_mut()
    } else {
        table.rows.last_mut()?.last_mut()
    }
}

impl Table {
    /// The line of a row's cell that stands under this line of the head.
    #[track_caller]
    pub(crate) fn under(&self, row: &[Vec<String>], head: &str) -> String {
        let find = |lines: &Vec<String>| {
            lines
                .iter()
                .position(|line| line.replace('\u{a0}', " ") == head)
        };
        let column = self.heads.iter().position(|lines| find(lines).is_some());
        let column = column.unwrap_or_else(|| panic!("no head {head}"));
        let line = find(&self.heads[column]).expect("a line");
        row[column]
            .get(line)
            .map_or("n/a", String::as_str)
            .replace('\u{a0}', " ")
    }
}

/// Whether a shown number is the JSON value, to the last digit that is shown.
#[track_caller]
pub(crate) fn shows(shown: &str, value: &serde_json::Value) -> bool {
    let Some(value) = value.as_f64() else {
        return shown == "n/a" && value.is_null();
    };
    let (text, is_bound) = match shown.strip_prefix("≤ ") {
        Some(text) => (text, true),
        None => (shown, false),
    };
    let (text, scale) = match text.strip_suffix(" %") {
        Some(text) => (text, 0.01),
        None => (text, 1.0),
    };
    let text = text.trim_start_matches('+').replace('−', "-");
    let Ok(number) = text.parse::<f64>() else {
        return false;
    };
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let decimals = digits.split_once('.').map_or(0, |(_, d)| d.len());
    let decimals = i32::try_from(decimals).expect("few digits");
    let last = 10f64.powi(exponent.parse::<i32>().expect("an exponent") - decimals);
    let distance = number * scale - value;
    if is_bound {
        // A bound is rounded up.
        (-1e-12..=1.001 * last * scale).contains(&distance)
    } else {
        distance.abs() <= 0.501 * last * scale
    }
}

#[test]
fn shown_numbers_are_told_from_others() {
    let number = |x: f64| serde_json::json!(x);
    assert!(shows("−0.25", &number(-0.2504)) && !shows("−0.25", &number(-0.26)));
    assert!(shows("+12 %", &number(0.118)) && !shows("12 %", &number(0.13)));
    assert!(shows("≤ 1.1e-5", &number(1.04e-5)) && !shows("≤ 1e-5", &number(1.04e-5)));
    assert!(shows("n/a", &serde_json::Value::Null) && !shows("0", &serde_json::Value::Null));
    assert!(!shows("n/a", &number(0.0)));
}
