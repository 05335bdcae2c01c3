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
            Value::Table(tables) if tables.values().all(Value::is_table) => {
                for (below, table) in tables {
                    section(&mut text, &format!("{name}.{below}"), table);
                }
            }
            Value::Table(_) => section(&mut text, name, value),
            _ => text.push_str(&line(name, value)),
        }
    }
    text
}

/// A table under its header, and its arrays of tables after it.
fn section(text: &mut String, name: &str, table: &Value) {
    let rows = |value: &Value| {
        value
            .as_array()
            .is_some_and(|a| a.iter().any(Value::is_table))
    };
    let keys = || table.as_table().into_iter().flatten();
    let plain: String = keys()
        .filter(|(_, v)| !rows(v))
        .map(|(k, v)| line(k, v))
        .collect();
    text.push_str(&format!("\n[{name}]\n{plain}"));
    for (key, value) in keys().filter(|(_, value)| rows(value)) {
        for row in value.as_array().into_iter().flatten() {
            let lines: String = row
                .as_table()
                .into_iter()
                .flatten()
                .map(|(k, v)| line(k, v))
                .collect();
            text.push_str(&format!("\n[[{name}.{key}]]\n{lines}"));
        }
    }
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
            format!(
                "[{}]",
                items.iter().map(inline).collect::<Vec<_>>().join(", ")
            )
        }
        Value::Table(table) => {
            let keys: Vec<String> = table
                .iter()
                .map(|(k, v)| format!("{k} = {}", inline(v)))
                .collect();
            format!("{{ {} }}", keys.join(", "))
        }
        plain => plain.to_string(),
    }
}

#[cfg(test)]
#[path = "resolved_tests.rs"]
mod tests;
