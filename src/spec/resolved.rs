//! The resolved spec: an [`Audit`] as TOML with every key, `spec.toml` of a run directory.

use toml::{Table, Value};

use super::audit::{Audit, Spec};
use super::overrides::quote;

/// An audit as a spec that [`super::parse`] reads back unchanged, wherever it is put.
///
/// Keys that have no value (no thread count, no limits) are left out; floats keep every bit. `run.jobs` is left out too: how
/// many cells run at once says nothing about the run, and may differ when it is continued. The text identifies a run, so that its
/// layout never changes: top-level tables and probes have headers, other tables are inline.
#[must_use]
pub fn to_toml(audit: &Audit) -> String {
    // Plain values always convert: the tests would see an empty table.
    let mut spec = Table::try_from(Spec::from(audit)).unwrap_or_default();
    if let Some(Value::Table(run)) = spec.get_mut("run") {
        run.remove("jobs");
    }
    let mut text = String::new();
    for (name, value) in &spec {
        match value {
            Value::Table(table) if table.values().all(Value::is_table) => {
                for (below, value) in table {
                    text += &section(&format!("[{name}.{below}]"), value);
                }
            }
            Value::Table(_) => text += &section(&format!("[{name}]"), value),
            _ => text += &line(name, value),
        }
    }
    text
}

/// A table under its header, and its arrays of tables after it.
fn section(header: &str, value: &Value) -> String {
    let is_rows = |value: &Value| {
        value
            .as_array()
            .is_some_and(|a| a.iter().any(Value::is_table))
    };
    let keys = value.as_table().into_iter().flatten();
    let (rows, plain): (Vec<_>, Vec<_>) = keys.partition(|(_, value)| is_rows(value));
    let mut text = format!("\n{header}\n");
    text.extend(plain.into_iter().map(|(key, value)| line(key, value)));
    for (key, value) in rows {
        let header = format!("[[{}.{key}]]", header.trim_matches(['[', ']']));
        let rows = value.as_array().into_iter().flatten();
        text.extend(rows.map(|row| section(&header, row)));
    }
    text
}

fn line(key: &str, value: &Value) -> String {
    format!("{key} = {}\n", inline(value))
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        // The shortest digits that read back to the same number.
        Value::Float(number) => format!("{number:?}"),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(table) => {
            let keys: Vec<String> = table
                .iter()
                .map(|(key, value)| format!("{key} = {}", inline(value)))
                .collect();
            format!("{{ {} }}", keys.join(", "))
        }
        plain => plain.to_string(),
    }
}

#[cfg(test)]
#[path = "resolved_tests.rs"]
mod tests;
