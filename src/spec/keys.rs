//! Which keys a spec may have, read off the typed structs so that no second list can disagree with them.

use toml::{Table, Value};

use super::typed::{Typed, TypedLimit, TypedMicroBatch, TypedRandom};

/// Every key with an example: the default, or something plausible where there is none.
pub(super) fn examples() -> Table {
    let mut typed = Typed {
        format: Some(1),
        ..Typed::default()
    };
    typed.audit.name = Some("my-audit".to_owned());
    typed.run.threads = Some(2);
    typed.run.micro_batch = Some(TypedMicroBatch::Word("auto".to_owned()));
    typed.model.path = Some("../models/pythia-160m".to_owned());
    typed.model.id = Some("EleutherAI/pythia-160m".to_owned());
    typed.model.revision = Some("main".to_owned());
    typed.canaries.template = Some("the password is {secret}".to_owned());
    typed.canaries.secrets = Some("../secrets.txt".to_owned());
    typed.model.base = Some("../models/base".to_owned());
    typed.model.random = Some(TypedRandom {
        layers: Some(8),
        width: Some(512),
        heads: Some(8),
        vocabulary: Some(64),
    });
    typed.gate.baseline = Some("../runs/before".to_owned());
    typed.gate.limits = vec![TypedLimit {
        probe: Some("low_logit".to_owned()),
        statistic: Some("suppression_nats".to_owned()),
        phase: Some(3),
        min_auc: Some(0.3),
        max_auc: Some(0.7),
    }];
    // Structs of plain values always convert; the tests below would see an empty table.
    Table::try_from(&typed).unwrap_or_default()
}

/// The keys that have a default, with it.
pub(super) fn defaults() -> Table {
    Table::try_from(Typed::default()).unwrap_or_default()
}

/// The value of a key path, where a table of `[[…]]` stands for all of its kind.
///
/// `key`: as `gate.limits[1].probe`; the index is ignored.
pub(super) fn find<'t>(table: &'t Table, key: &str) -> Option<&'t Value> {
    let mut segments = key
        .split('.')
        .map(|segment| segment.split('[').next().unwrap_or(segment));
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
    let known = examples();
    let plain: String = parent
        .split('.')
        .map(|s| s.split('[').next().unwrap_or(s))
        .collect::<Vec<_>>()
        .join(".");
    let full = join(&plain, name);
    let near = paths(&known, "")
        .into_iter()
        .map(|path| (distance(&path, &full).min(misplaced(&path, name)), path))
        .min_by_key(|(far, _)| *far);
    if let Some((far, path)) = near
        && far <= (name.chars().count() / 2).clamp(1, 3)
    {
        return format!("did you mean `{path}`?");
    }
    let siblings = if plain.is_empty() {
        Some(&known)
    } else {
        find(&known, &plain).and_then(inner)
    };
    let names: Vec<&str> = siblings
        .into_iter()
        .flat_map(Table::keys)
        .map(String::as_str)
        .collect();
    let place = if plain.is_empty() {
        "a spec".to_owned()
    } else {
        format!("[{plain}]")
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

/// Levenshtein distance in characters.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

/// The type of a key's value, in words.
pub(super) fn expected(key: &str) -> String {
    let plain = key.split('[').next().unwrap_or(key);
    match plain {
        "audit.seeds" => return "an array of whole numbers from 0 to 2^53".to_owned(),
        "canaries.alphabet" => {
            return "text of distinct characters, or an array of texts".to_owned();
        }
        "canaries.prefixes" => return "a table of two texts, or false".to_owned(),
        "canaries.dose" | "probes.low_logit.completion_letters" => {
            return "an array of rising whole numbers".to_owned();
        }
        "gate.tiers" => return "an array of texts".to_owned(),
        _ => {}
    }
    match find(&examples(), key) {
        Some(Value::Integer(_)) => "a whole number, not negative",
        Some(Value::Float(_)) => "a number",
        Some(Value::Boolean(_)) => "true or false",
        Some(Value::String(_)) => "text in quotes",
        Some(Value::Array(_)) => "an array of tables, `[[gate.limits]]`",
        Some(Value::Table(_)) => "a table",
        _ => "something else",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_listed_once() {
        let all = paths(&examples(), "");
        for key in [
            "format",
            "run.threads",
            "canaries.prefixes.reverse",
            "phase3.weights.dpo",
            "gate.limits.min_auc",
        ] {
            assert_eq!(all.iter().filter(|path| *path == key).count(), 1, "{key}");
        }
        assert!(paths(&defaults(), "").iter().all(|path| all.contains(path)));
    }

    #[test]
    fn distances() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("same", "same"), 0);
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
