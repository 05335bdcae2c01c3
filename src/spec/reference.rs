//! What the types say about their keys, for people and for editors.

use std::fmt::Write as _;

use super::keys::{inner, paths};
use super::schema::{
    EXAMPLES, ROOT, choices, default, find, is_required, properties, range, words,
};

const HEAD: &str = "\
## Keys

A dash (—) is no default: leave the key out unless it is required. An ellipsis (…) is a table, whose keys follow.
";

const COLUMNS: &str = "\n| key | default | value | meaning |\n|---|---|---|---|\n";

/// The JSON schema of a spec, for editors: `audits/spec.schema.json`.
#[must_use]
pub fn schema() -> String {
    format!("{:#}\n", *ROOT)
}

/// Every key with its default, its values and its meaning, as Markdown: the last section of `audits/README.md`.
#[must_use]
pub fn key_tables() -> String {
    let mut text = HEAD.to_owned() + COLUMNS;
    let (tables, plain): (Vec<_>, Vec<_>) = EXAMPLES.iter().partition(|(_, v)| v.is_table());
    for (key, _) in plain {
        text += &row(key);
    }
    for (name, table) in tables {
        let about = find(name).map_or("", |schema| {
            schema["description"].as_str().unwrap_or_default()
        });
        // Writing to a string cannot fail.
        let _ = write!(text, "\n### `[{name}]`\n\n{about}\n{COLUMNS}");
        for key in paths(inner(table).unwrap_or(&EXAMPLES), name) {
            text += &row(&key);
        }
    }
    text
}

fn row(key: &str) -> String {
    let Some(schema) = find(key) else {
        return String::new();
    };
    let default = match default(key) {
        _ if properties(schema).is_some() => "…".to_owned(),
        Some(value) => format!("`{value}`"),
        None => "—".to_owned(),
    };
    let items = schema.get("items").unwrap_or(schema);
    let offered = choices(items);
    let values = if offered.is_empty() {
        range(key, schema)
    } else {
        words(&offered, |word| format!("`{word}`"))
    };
    let required = if is_required(key) { "Required. " } else { "" };
    let mut meaning = schema["description"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    for (value, about) in offered {
        if let (serde_json::Value::String(word), Some(about)) = (value, about) {
            let _ = write!(meaning, " `{word}`: {about}");
        }
    }
    format!("| `{key}` | {default} | {values} | {required}{meaning} |\n")
}
