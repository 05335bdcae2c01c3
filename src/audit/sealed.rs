//! `manifest.jsonl` of `mint`: the canaries of one seed, sealed together with the spec that drew them, so that an edited line, a
//! line more or a line less shows.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::canary::{Canary, Codebook, Group, Letters, Planting};
use crate::run_dir::sha256_hex;
use crate::units::TokenId;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SealedLine {
    #[serde(flatten)]
    content: Content,
    /// sha256 over the spec, all lines, and this one.
    digest: String,
}

/// What a line says of its canary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Its name, as `held_out-0003`.
    pub id: String,
    /// Held-out, useful, control or spike-in.
    pub group: Group,
    /// Without the context's.
    pub tokens: Vec<TokenId>,
    /// As it stands after the context.
    pub text: String,
    /// What stands before the canary.
    pub context: String,
}

/// Why a minted manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}; {hint}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The mend.
        hint: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line is none of a minted manifest.
    #[error("{}, line {line}: {message}; a minted manifest is {{id, group, tokens, text, context, digest}} a line: mint it again", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// The digests are not those of the lines.
    #[error(
        "{}, line {line}: the digest is not that of what was minted: the manifest or the spec.toml beside it was edited, or a line \
         was added or removed. Copy both again from where they were minted, or mint anew and train anew",
        path.display()
    )]
    Edited {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
    },
    /// The model's tokenizer makes other tokens of the texts.
    #[error(
        "{}: canary {id} has other tokens under the tokenizer of {model} than when it was minted: give the model that was trained \
         on these files, with its own tokenizer",
        path.display()
    )]
    OtherTokens {
        /// The manifest.
        path: PathBuf,
        /// The canary.
        id: String,
        /// The model's folder.
        model: String,
    },
    /// An attack was asked for that the spec has no probe for.
    #[error(
        "--elicit: the spec has probes.elicitation.enabled = false; add --set probes.elicitation.enabled=true"
    )]
    NoElicitation,
    /// Something that needs letters was asked of secrets that have none.
    #[error(
        "{0}: the canaries are secrets of a file (canaries.secrets), which are judged whole, by probes.low_logit alone; leave it out"
    )]
    NoLetters(&'static str),
    /// A control was trained on.
    #[error(
        "{}, line {line}: holds control {id}, which must stand in no training file: held-outs and controls could not be told apart \
         by training any more. Mint anew, and train on the minted files alone",
        path.display()
    )]
    ControlTrained {
        /// The training file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// The control.
        id: String,
    },
    /// A training file in which nothing can be found.
    #[error(
        "{} is {what}: whether a control stands in it cannot be seen. Give it unpacked, as UTF-8 text or a JSON object a line",
        path.display()
    )]
    NotSearched {
        /// The training file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
}

/// What binds lines to each other and to the spec.
fn binding(spec: &str, contents: &[String]) -> String {
    let mut all = format!("unsaid manifest 1\n{}\n", sha256_hex(spec.as_bytes()));
    for content in contents {
        all.push_str(content);
        all.push('\n');
    }
    sha256_hex(all.as_bytes())
}

fn digest(binding: &str, content: &str) -> String {
    sha256_hex(format!("{binding}\n{content}").as_bytes())
}

/// The line's content as it is digested.
fn canonical(content: &Content) -> String {
    // Plain texts and numbers always serialise.
    serde_json::to_string(content).unwrap_or_default()
}

/// The manifest of a planting as JSON lines. `context`: the text before every canary.
#[must_use]
pub fn seal(planting: &Planting, book: &Codebook, context: &str, spec: &str) -> String {
    let contents: Vec<Content> = planting
        .all()
        .map(|canary| Content {
            id: canary.id.clone(),
            group: canary.group,
            tokens: book.tokens(&canary.letters).collect(),
            text: book.text(&canary.letters),
            context: context.to_owned(),
        })
        .collect();
    seal_contents(contents, spec)
}

/// Seals lines that no codebook made.
pub fn seal_contents(contents: Vec<Content>, spec: &str) -> String {
    let texts: Vec<String> = contents.iter().map(canonical).collect();
    let binding = binding(spec, &texts);
    let line = |(content, text): (Content, &String)| {
        let line = SealedLine {
            digest: digest(&binding, text),
            content,
        };
        serde_json::to_string(&line).unwrap_or_default() + "\n"
    };
    contents.into_iter().zip(&texts).map(line).collect()
}

/// Reads a manifest and checks that it is what was minted with this spec.
pub fn unseal(text: &str, path: &Path, spec: &str) -> Result<Vec<Content>, SealError> {
    let bad = |line: usize, message: String| SealError::Line {
        path: path.to_owned(),
        line,
        message,
    };
    let lines = text
        .lines()
        .enumerate()
        .map(|(i, line)| {
            serde_json::from_str::<SealedLine>(line).map_err(|e| bad(i + 1, e.to_string()))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let Some(first) = lines.first() else {
        return Err(bad(1, "it is empty".to_owned()));
    };
    let context = first.content.context.clone();
    let texts: Vec<String> = lines.iter().map(|l| canonical(&l.content)).collect();
    let binding = binding(spec, &texts);
    for (i, (line, text)) in lines.iter().zip(&texts).enumerate() {
        if line.digest != digest(&binding, text) {
            return Err(SealError::Edited {
                path: path.to_owned(),
                line: i + 1,
            });
        }
        if line.content.context != context {
            return Err(bad(i + 1, "its context differs from line 1's".to_owned()));
        }
    }
    Ok(lines.into_iter().map(|l| l.content).collect())
}

/// The canaries of a manifest as the letters of a tokenizer's codebook.
pub fn planting(
    contents: &[Content],
    book: &Codebook,
    path: &Path,
    model: &Path,
) -> Result<Planting, SealError> {
    let mut planting = Planting {
        held_out: Vec::new(),
        useful: Vec::new(),
        control: Vec::new(),
        spike: Vec::new(),
    };
    for content in contents {
        let place = |token: &TokenId| {
            let place = book.alphabet.iter().position(|t| t == token)?;
            u16::try_from(place).ok()
        };
        let letters: Option<Letters> = content.tokens.iter().map(place).collect();
        let letters = letters.filter(|letters| book.text(letters) == content.text);
        let Some(letters) = letters else {
            return Err(SealError::OtherTokens {
                path: path.to_owned(),
                id: content.id.clone(),
                model: model.display().to_string(),
            });
        };
        let group = match content.group {
            Group::HeldOut => &mut planting.held_out,
            Group::Useful => &mut planting.useful,
            Group::Control => &mut planting.control,
            Group::Spike => &mut planting.spike,
        };
        group.push(Canary {
            id: content.id.clone(),
            group: content.group,
            letters,
        });
    }
    Ok(planting)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book() -> Codebook {
        Codebook {
            alphabet: (0..4).map(TokenId).collect(),
            texts: [" a", " b", " c", " d"].map(str::to_owned).to_vec(),
            prefixes: Some([TokenId(8), TokenId(9)]),
        }
    }

    fn sealed() -> (Planting, String) {
        let canary = |group: Group, letters: &[u16]| Canary {
            id: format!("{}-0000", group.name()),
            group,
            letters: letters.into(),
        };
        let planting = Planting {
            held_out: vec![canary(Group::HeldOut, &[0, 1])],
            useful: vec![canary(Group::Useful, &[2, 1])],
            control: vec![canary(Group::Control, &[3, 3])],
            spike: vec![canary(Group::Spike, &[3, 1])],
        };
        let text = seal(&planting, &book(), " regular", "the spec");
        (planting, text)
    }

    #[test]
    fn what_was_sealed_is_read_back() {
        let (planted, text) = sealed();
        let path = Path::new("manifest.jsonl");
        let contents = unseal(&text, path, "the spec").unwrap();
        assert_eq!(contents[0].text, " a b");
        assert_eq!(contents[0].context, " regular");
        let read = planting(&contents, &book(), path, Path::new("m")).unwrap();
        assert_eq!(read, planted);
        let mut other = book();
        other.alphabet.reverse();
        assert!(matches!(
            planting(&contents, &other, path, Path::new("m")),
            Err(SealError::OtherTokens { .. })
        ));
    }

    #[test]
    fn every_edit_shows() {
        let (_, text) = sealed();
        let path = Path::new("manifest.jsonl");
        let lines: Vec<&str> = text.lines().collect();
        let edits = [
            lines[..2].join("\n"),
            lines[1..].join("\n"),
            [lines[1], lines[0], lines[2]].join("\n"),
            [&lines[..], &lines[2..]].concat().join("\n"),
            text.replace("\"control\"", "\"held_out\""),
            text.replace(" a b", " b a"),
            text.replace("[0,1]", "[1,0]"),
            text.replace(" regular", " reverse"),
            text.replace("useful-0000", "useful-0001"),
        ];
        for edited in edits {
            assert_ne!(edited, text);
            let error = unseal(&edited, path, "the spec").unwrap_err();
            assert!(matches!(error, SealError::Edited { .. }), "{error}");
        }
        assert!(unseal(&text, path, "another spec").is_err());
        for none in ["", "{}\n", "x"] {
            let error = unseal(none, path, "the spec").unwrap_err();
            assert!(matches!(error, SealError::Line { line: 1, .. }), "{error}");
        }
    }
}
