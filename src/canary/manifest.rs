//! `canaries.jsonl`: a line a canary, `{id, group, tokens, text}`. Tokens are the canary's own, without a prefix.

use serde::{Deserialize, Serialize};

use super::{Codebook, Group, Planting};
use crate::units::TokenId;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestLine {
    /// The canary's name.
    pub id: String,
    /// Its group.
    pub group: Group,
    /// Its tokens.
    pub tokens: Vec<TokenId>,
    /// Its text.
    pub text: String,
}

/// Why a manifest could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A line is not what it should be.
    #[error("line {line} of the canary manifest is not {{id, group, tokens, text}}: {source}")]
    Line {
        /// Line, from 1.
        line: usize,
        /// What the parser said.
        source: serde_json::Error,
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
        let json = serde_json::to_string(&line).map_err(|source| ManifestError::Line {
            line: i + 1,
            source,
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
            serde_json::from_str(line).map_err(|source| ManifestError::Line {
                line: i + 1,
                source,
            })
        })
        .collect()
}
