//! The run that a gate compares with.

use std::collections::BTreeMap;

use super::AuditError;
use crate::bounded;
use crate::findings::Report;
use crate::report;
use crate::run_dir::{RunDir, sha256_hex};
use crate::spec::{Audit, to_toml};

/// Another run's report.
pub struct Baseline {
    /// What it says.
    pub report: Report,
    /// Of its `report.json`.
    pub sha256: String,
    /// Keys of its spec that have another value and leave the rows' meaning as it is.
    pub differing: Vec<String>,
}

impl Baseline {
    /// Reads the baseline of a spec, where it names one.
    ///
    /// Errors: it is no finished run.
    pub fn read(audit: &Audit) -> Result<Option<Self>, AuditError> {
        let Some(folder) = &audit.gate.baseline else {
            return Ok(None);
        };
        let path = RunDir::existing(folder).report("report.json");
        let refused = |message: String| AuditError::Baseline {
            path: path.clone(),
            message,
        };
        let text = bounded::read_text(&path, bounded::LARGE)
            .map_err(|e| refused(format!("{e}; name the folder of a finished run")))?;
        let report = report::parse(&text).map_err(|e| refused(e.to_string()))?;
        let differing = report
            .setting
            .as_ref()
            .map(|s| differences(&s.spec, &to_toml(audit)));
        let differing = differing.unwrap_or_default();
        let (other, same): (Vec<String>, Vec<String>) =
            differing.into_iter().partition(|key| changes_rows(key));
        if !other.is_empty() {
            let keys = other.join(", ");
            return Err(refused(format!(
                "its spec differs in {keys}, so that its rows mean something else; compare with a run of the same canaries and probes"
            )));
        }
        Ok(Some(Self {
            report,
            sha256: sha256_hex(text.as_bytes()),
            differing: same,
        }))
    }
}

/// Whether rows mean something else where a key has another value: other canaries, other looks at them.
fn changes_rows(key: &str) -> bool {
    let judged = ["smallest_effect", "positive_control"];
    let planted = ["canaries.repeats", "canaries.dose", "canaries.spike"];
    let looks = key.starts_with("probes.") && !judged.iter().any(|part| key.contains(part));
    looks || (key.starts_with("canaries.") && !planted.contains(&key))
}

/// Keys of two resolved specs whose values differ, or that one of them lacks, in their order. What a version before did not know is no
/// difference.
fn differences(then: &str, now: &str) -> Vec<String> {
    let flat = |text: &str| {
        let mut keys = BTreeMap::new();
        if let Ok(table) = text.parse::<toml::Table>() {
            flatten("", &table, &mut keys);
        }
        keys
    };
    let (then, now) = (flat(then), flat(now));
    let about_itself = |key: &str| key.starts_with("audit.") || key.starts_with("gate.");
    let differs = |(key, value): (&String, &String)| {
        let other = now.get(key).is_some_and(|now| now != value);
        (other && !about_itself(key)).then(|| key.clone())
    };
    then.iter().filter_map(differs).collect()
}

fn flatten(path: &str, table: &toml::Table, keys: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        match value {
            toml::Value::Table(table) => flatten(&path, table, keys),
            value => {
                keys.insert(path, value.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named_and_what_changes_rows_is_refused() {
        let then = "[canaries]\nlength = 16\nrepeats = 60\n[probes.low_logit]\ntop_k = 5\nsmallest_effect_rank = 0.05\n\
            [phase2]\nbatch = 128\n[gate]\nalpha = 0.05\n";
        let now = "[canaries]\nlength = 12\nrepeats = 15\n[probes.low_logit]\ntop_k = 7\nsmallest_effect_rank = 0.1\nnew = 1\n\
            [phase2]\nbatch = 32\n[gate]\nalpha = 0.01\n";
        let keys = differences(then, now);
        let expected = [
            "canaries.length",
            "canaries.repeats",
            "phase2.batch",
            "probes.low_logit.smallest_effect_rank",
            "probes.low_logit.top_k",
        ];
        assert_eq!(keys, expected);
        let other: Vec<&String> = keys.iter().filter(|key| changes_rows(key)).collect();
        assert_eq!(other, ["canaries.length", "probes.low_logit.top_k"]);
        assert!(differences(then, then).is_empty());
    }
}
