//! Key paths: every key of a spec by its name, and the nearest to one that no spec has.

use strsim::levenshtein;
use toml::{Table, Value};

use super::schema::EXAMPLES;

/// A key path without the indices of arrays: `gate.limits.probe` of `gate.limits[1].probe`.
pub(super) fn plain(key: &str) -> String {
    let name = |segment: &'_ str| segment.split('[').next().unwrap_or_default().to_owned();
    key.split('.').map(name).collect::<Vec<_>>().join(".")
}

/// The value of a key path, where a table of `[[…]]` stands for all of its kind.
///
/// `key`: as `gate.limits[1].probe`; the index is ignored.
pub(super) fn find<'t>(table: &'t Table, key: &str) -> Option<&'t Value> {
    let key = plain(key);
    let mut segments = key.split('.');
    let mut value = table.get(segments.next()?)?;
    for segment in segments {
        value = inner(value)?.get(segment)?;
    }
    Some(value)
}

/// The table that a value is, or the first of an array of tables.
pub(super) fn inner(value: &Value) -> Option<&Table> {
    match value {
        Value::Table(table) => Some(table),
        Value::Array(array) => array.first().and_then(Value::as_table),
        _ => None,
    }
}

/// All key paths below a table, tables included, in the order of the docs.
pub(super) fn paths(table: &Table, parent: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (name, value) in table {
        let path = join(parent, name);
        found.push(path.clone());
        if let Some(below) = inner(value) {
            found.extend(paths(below, &path));
        }
    }
    found
}

/// `parent.name`, or `name` at the top.
pub(super) fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() {
        name.to_owned()
    } else {
        format!("{parent}.{name}")
    }
}

/// What to do about an unknown key: the nearest known one, or the list of its table.
///
/// `parent`: the known table that the key stands in, empty at the top.
pub(super) fn suggest(parent: &str, name: &str) -> String {
    let known = &*EXAMPLES;
    let parent = plain(parent);
    let full = join(&parent, name);
    let near = paths(known, "")
        .into_iter()
        .map(|path| (levenshtein(&path, &full).min(misplaced(&path, name)), path))
        .min_by_key(|(far, _)| *far);
    if let Some((far, path)) = near
        && far <= (name.chars().count() / 2).clamp(1, 3)
    {
        return format!("did you mean `{path}`?");
    }
    let siblings = if parent.is_empty() {
        Some(known)
    } else {
        find(known, &parent).and_then(inner)
    };
    let names: Vec<&str> = siblings
        .into_iter()
        .flat_map(Table::keys)
        .map(String::as_str)
        .collect();
    let place = if parent.is_empty() {
        "a spec".to_owned()
    } else {
        format!("[{parent}]")
    };
    format!("{place} has the keys {}", names.join(", "))
}

/// A known name in the wrong table counts as one slip.
fn misplaced(path: &str, name: &str) -> usize {
    if path.rsplit('.').next() == Some(name) {
        1
    } else {
        usize::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_listed_once() {
        let all = paths(&EXAMPLES, "");
        for key in [
            "format",
            "run.threads",
            "canaries.prefixes.reverse",
            "phase3.weights.dpo",
            "gate.limits.min_auc",
        ] {
            assert_eq!(all.iter().filter(|path| *path == key).count(), 1, "{key}");
        }
    }

    #[test]
    fn the_nearest_key_is_named() {
        assert_eq!(
            suggest("canaries", "lenght"),
            "did you mean `canaries.length`?"
        );
        assert_eq!(
            suggest("", "experiment"),
            "a spec has the keys format, audit, run, model, canaries, phase1, phase2, phase3, probes, gate"
        );
        assert_eq!(suggest("", "held_out"), "did you mean `canaries.held_out`?");
        assert_eq!(
            suggest("gate.limits[3]", "min_auk"),
            "did you mean `gate.limits.min_auc`?"
        );
        assert_eq!(
            suggest("run", "workers"),
            "[run] has the keys checkpoint_every, threads, micro_batch, jobs"
        );
    }
}
