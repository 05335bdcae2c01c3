//! Secrets of a file, minted: split at random into negatives and controls, which are never invented.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::{Form, MANIFEST, MintError, lines};
use crate::audit::{Content, seal_contents};
use crate::bounded;
use crate::canary::Group;
use crate::checkpoint::{Folder, Tokenizer};
use crate::seed::{Purpose, RootSeed};
use crate::spec::{Audit, to_toml};
use crate::units::TokenId;

/// Why the secrets of a file cannot be minted. Names lines, never texts.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The file cannot be read.
    #[error("canaries.secrets: cannot read {}: {source}; give a file with a secret a line", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line that is no secret.
    #[error("{}, line {line}: {message}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong, and the mend.
        message: String,
    },
    /// Too few for the groups.
    #[error(
        "{} holds {found} secrets, but canaries.negatives + canaries.controls = {negatives} + {controls}: controls come from the same \
         file, and none are invented. Add secrets of the same kind, or set canaries.negatives, canaries.held_out, canaries.controls and \
         canaries.trajectory_controls to fewer", path.display()
    )]
    TooFew {
        /// The file.
        path: PathBuf,
        /// Secrets in it.
        found: usize,
        /// Negatives asked for.
        negatives: usize,
        /// Controls asked for.
        controls: usize,
    },
    /// Nothing stands before a secret.
    #[error(
        "canaries.prefixes = false: nothing would stand before a secret, so that its first token could not be scored; leave the key out, or \
         write canaries.template"
    )]
    NoContext,
    /// A control stands within what is trained on.
    #[error(
        "{}: the secret of line {inner}, a control by the split of this seed, stands within {outer}, which is trained on; leave one out",
        path.display()
    )]
    Within {
        /// The file.
        path: PathBuf,
        /// The control's line.
        inner: usize,
        /// Where it stands.
        outer: String,
    },
}

/// A line of the file that is an object.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Object {
    text: String,
    chosen: Option<String>,
}

/// A secret as it stands after its context.
struct Secret {
    /// Line, from 1.
    line: usize,
    text: String,
    /// What is preferred to it.
    chosen: Option<String>,
    tokens: Vec<TokenId>,
}

/// The minted files of a list of secrets: names and texts, the manifest last.
pub(super) fn mint(
    audit: &Audit,
    path: &Path,
    form: &Form,
    folder: &Folder,
    tokenizer: &Tokenizer,
) -> Result<Vec<(String, String)>, MintError> {
    let canaries = &audit.canaries;
    if form.context.is_empty() {
        return Err(SecretsError::NoContext.into());
    }
    let mut secrets = read(path)?;
    let (negatives, controls) = (canaries.negatives, canaries.controls);
    if secrets.len() < negatives.saturating_add(controls) {
        return Err(SecretsError::TooFew {
            path: path.to_owned(),
            found: secrets.len(),
            negatives,
            controls,
        }
        .into());
    }
    let seed = RootSeed(audit.seeds.first().copied().unwrap_or_default());
    let mut rng = seed.stream(Purpose::Canaries);
    // Where a secret stands in the file must say nothing of its group.
    secrets.shuffle(&mut rng);
    secrets.truncate(negatives + controls);
    if let Some(first) = secrets.first() {
        form.answers(&first.text)?;
    }
    let most = folder.config.max_positions + 1;
    let before = tokenizer.encode(&form.context)?;
    for secret in &mut secrets {
        let joined = tokenizer.encode(&format!("{}{}", form.context, secret.text))?;
        secret.tokens = own_tokens(secret, &joined, &before, path, most)?;
    }
    let (trained, kept) = secrets.split_at(negatives);
    no_control_within(form, path, trained, kept)?;
    let spec = to_toml(audit);
    let mut files = vec![("spec.toml".to_owned(), spec.clone())];
    files.extend(training(audit, form, trained, &mut rng));
    let groups = [
        (Group::HeldOut, &trained[..canaries.held_out]),
        (Group::Useful, &trained[canaries.held_out..]),
        (Group::Control, kept),
    ];
    let contents = groups.into_iter().flat_map(|(group, secrets)| {
        let content = move |(place, secret): (usize, &Secret)| Content {
            id: group.canary_id(place),
            group,
            tokens: secret.tokens.clone(),
            text: secret.text.clone(),
            context: form.context.clone(),
        };
        secrets.iter().enumerate().map(content)
    });
    let manifest = seal_contents(contents.collect(), &spec);
    files.push((MANIFEST.to_owned(), manifest));
    Ok(files)
}

impl Secret {
    /// Whether a text stands in what is trained on.
    fn holds(&self, text: &str) -> bool {
        let chosen = self.chosen.as_deref().unwrap_or_default();
        self.text.contains(text) || chosen.contains(text)
    }
}

/// Controls stand in no training file, not even within another text.
fn no_control_within(
    form: &Form,
    path: &Path,
    trained: &[Secret],
    controls: &[Secret],
) -> Result<(), SecretsError> {
    for control in controls {
        let text = control.text.trim();
        let around = [&form.prompt, &form.context, &form.after];
        let outer = if around.iter().any(|around| around.contains(text)) {
            Some("the text around every secret".to_owned())
        } else {
            let outer = trained.iter().find(|secret| secret.holds(text));
            outer.map(|secret| format!("that of line {}", secret.line))
        };
        if let Some(outer) = outer {
            return Err(SecretsError::Within {
                path: path.to_owned(),
                inner: control.line,
                outer,
            });
        }
    }
    Ok(())
}

/// Reads a secret a line, as text or as `{"text": …, "chosen": …}`; each gets the space that stands before it.
fn read(path: &Path) -> Result<Vec<Secret>, SecretsError> {
    let text = bounded::read_text(path, bounded::LARGE).map_err(|source| SecretsError::Read {
        path: path.to_owned(),
        source,
    })?;
    let bad = |line: usize, message: String| SecretsError::Line {
        path: path.to_owned(),
        line,
        message,
    };
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut secrets = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let object = if text.starts_with('{') {
            // What the parser says of a wrong line may quote it.
            serde_json::from_str(text).map_err(|e| {
                let column = e.column();
                bad(line, format!("it is no {{\"text\": …}} and no {{\"text\": …, \"chosen\": …}} (column {column})"))
            })?
        } else {
            Object {
                text: text.to_owned(),
                chosen: None,
            }
        };
        let secret = object.text.trim();
        if secret.is_empty() {
            return Err(bad(line, "it is empty; remove the line".to_owned()));
        }
        if let Some(before) = seen.insert(secret.to_owned(), line) {
            let message = format!("the same secret stands in line {before}; remove one");
            return Err(bad(line, message));
        }
        secrets.push(Secret {
            line,
            text: format!(" {secret}"),
            chosen: object.chosen.map(|text| format!(" {}", text.trim())),
            tokens: Vec::new(),
        });
    }
    Ok(secrets)
}

/// The tokens of a secret after its context, which must stay as it is alone.
///
/// `joined`: both together; `before`: the context alone.
fn own_tokens(
    secret: &Secret,
    joined: &[TokenId],
    before: &[TokenId],
    path: &Path,
    most: usize,
) -> Result<Vec<TokenId>, SecretsError> {
    let bad = |message: String| SecretsError::Line {
        path: path.to_owned(),
        line: secret.line,
        message,
    };
    if joined.len() > most {
        let message = format!(
            "with its context it is {} tokens, and the model takes {most}; shorten it",
            joined.len()
        );
        return Err(bad(message));
    }
    match joined.strip_prefix(before) {
        Some(own) if !own.is_empty() && !before.is_empty() => Ok(own.to_vec()),
        _ => {
            let message = "under this tokenizer it has no tokens of its own after its context; change canaries.template or the chat template";
            Err(bad(message.to_owned()))
        }
    }
}

/// The training files: bad answers one by one, and pairs where every secret has its better answer.
fn training(
    audit: &Audit,
    form: &Form,
    trained: &[Secret],
    rng: &mut ChaCha8Rng,
) -> Vec<(String, String)> {
    let mut order: Vec<&Secret> = (0..audit.canaries.repeats).flat_map(|_| trained).collect();
    order.shuffle(rng);
    let whole = |text: &str| format!("{text}{}", form.after);
    let unwanted = order.iter().map(|s| form.unwanted(&whole(&s.text)));
    let mut files = vec![("unpaired.jsonl".to_owned(), lines(unwanted))];
    let pair = |s: &&Secret| {
        let chosen = s.chosen.as_deref()?;
        Some(form.preference(&whole(chosen), &whole(&s.text)))
    };
    let pairs: Option<Vec<_>> = order.iter().map(pair).collect();
    if let Some(pairs) = pairs {
        files.push(("preference.jsonl".to_owned(), lines(pairs.into_iter())));
    }
    files
}
