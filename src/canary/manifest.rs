//! `canaries.jsonl`: one line per canary, `{id, group, tokens, text}`. Tokens are the canary's own, without a prefix.

use serde::{Deserialize, Serialize};

use super::{Codebook, Group, Planting};
use crate::units::TokenId;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestLine {
    /// The canary's name.
    pub id: String,
    /// Held-out, useful, control or spike-in.
    pub group: Group,
    /// Token ids, without a prefix's.
    pub tokens: Vec<TokenId>,
    /// As the tokenizer reads it.
    pub text: String,
}

/// Why a manifest could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A line is not what it should be.
    /// What stands there is not shown: it is a secret.
    #[error(
        "line {line} of the canary manifest is not {{id, group, tokens, text}} (column {column})"
    )]
    Line {
        /// Line, from 1.
        line: usize,
        /// Column, from 1; 0 where it is the whole line.
        column: usize,
    },
}

/// The manifest of a planting, as JSON lines.
pub fn write_manifest(planting: &Planting, book: &Codebook) -> Result<String, ManifestError> {
    let mut out = String::new();
    for (i, canary) in planting.all().enumerate() {
        let line = ManifestLine {
            id: canary.id.clone(),
            group: canary.group,
            tokens: book.tokens(&canary.letters).collect(),
            text: book.text(&canary.letters),
        };
        let json = serde_json::to_string(&line).map_err(|e| ManifestError::Line {
            line: i + 1,
            column: e.column(),
        })?;
        out.push_str(&json);
        out.push('\n');
    }
    Ok(out)
}

/// Reads a manifest back. Unknown keys are allowed: `mint` writes more.
pub fn read_manifest(text: &str) -> Result<Vec<ManifestLine>, ManifestError> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(i, line)| {
            serde_json::from_str(line).map_err(|e| ManifestError::Line {
                line: i + 1,
                column: e.column(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_line_is_named_and_not_shown() {
        let good = r#"{"id":"a","group":"useful","tokens":[1],"text":" a","more":1}"#;
        assert_eq!(read_manifest(good).unwrap().len(), 1);
        for bad in [
            r#"{"id":"a","group":"useful","tokens":"hunter2","text":" a"}"#,
            r#"{"id":"a","group":"hunter2","tokens":[1],"text":" a"}"#,
            "hunter2",
        ] {
            let error = read_manifest(&format!("{good}\n{bad}"))
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("line 2") && !error.contains("hunter2"),
                "{error}"
            );
        }
    }
}
