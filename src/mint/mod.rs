//! Minting: canaries drawn for someone else's training, and the files that their trainer takes as they are.
//!
//! The preference pairs are those of phase 2 of the same spec and seed, the supervised rows those of phase 1. Controls stand in
//! the manifest alone.

mod secrets;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::audit::{AuditError, codebook, seal};
use crate::canary::{Codebook, CodebookError, Corpus, DrawError, Letters};
use crate::checkpoint::{CheckpointError, Folder, Tokenizer, TokenizerError};
use crate::run_dir::{RunDirError, sha256_hex, write_atomic, write_private};
use crate::spec::{Audit, SECRET, to_toml};
use crate::units::{Phase, TokenId};
pub use secrets::SecretsError;

/// The manifest's name.
pub const MANIFEST: &str = "manifest.jsonl";

/// What stands for the prompt in a chat template.
const PROMPT: &str = "{prompt}";

/// Why canaries could not be minted.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The folder holds something.
    #[error("{} is not empty; choose another folder with --out: minted files are never overwritten", .0.display())]
    Occupied(PathBuf),
    /// The text of a row has other tokens than its canary.
    #[error(
        "canary {id} after its context is not the tokens of its letters under this tokenizer ({got} tokens, {expected} meant): letters must stay one token \
         each wherever they stand; change canaries.alphabet or canaries.prefixes, or the chat template"
    )]
    Tokens {
        /// The canary.
        id: String,
        /// Tokens of context and canary apart.
        expected: usize,
        /// Tokens of the joined text.
        got: usize,
    },
    /// The chat template has no place for the prompt.
    #[error(
        "--chat-template: it must hold {PROMPT} once, where the user's message stands, and end where the answer begins"
    )]
    Template,
    /// Chat without a prompt.
    #[error(
        "--chat-template: the spec has no prefixes, so that there is no prompt; leave canaries.prefixes as it is"
    )]
    NoPrompt,
    /// Secrets of a file.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The model, the tokens of its letters, the canaries, or the folder.
    #[error(transparent)]
    Audit(#[from] AuditError),
}

macro_rules! of_an_audit {
    ($($source:ty),*) => {$(
        impl From<$source> for MintError {
            fn from(error: $source) -> Self {
                Self::Audit(error.into())
            }
        }
    )*};
}

of_an_audit!(
    CheckpointError,
    TokenizerError,
    CodebookError,
    DrawError,
    RunDirError
);

impl MintError {
    /// Whether the input is at fault (exit code 2), not the machine or this program.
    #[must_use]
    pub fn is_input(&self) -> bool {
        match self {
            Self::Audit(error) => error.is_input(),
            _ => true,
        }
    }
}

/// How canaries are asked for, beside the spec.
#[derive(Debug, Clone)]
pub struct MintOptions {
    /// The folder to write.
    pub out: PathBuf,
    /// The one seed.
    pub seed: u64,
    /// What a chat template makes of a user's message, up to where the answer begins, with `{prompt}` for the message.
    pub chat_template: Option<String>,
}

/// A file that was minted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MintedFile {
    /// File name within the folder.
    pub name: String,
    /// How many lines it has.
    pub lines: usize,
    /// Digest, in hex.
    pub sha256: String,
}

/// Draws the canaries of one seed and writes `manifest.jsonl`, `spec.toml` and the training files.
///
/// Errors: as for [`run`](crate::run::run), a folder that is not empty, letters that are not one token each in the joined text. Nothing is
/// left behind then.
pub fn mint(
    audit: &Audit,
    folder: &Folder,
    options: &MintOptions,
) -> Result<Vec<MintedFile>, MintError> {
    let tokenizer = folder.tokenizer()?;
    let audit = &Audit {
        seeds: vec![options.seed],
        ..audit.clone()
    };
    if let Some(path) = &audit.canaries.secrets {
        let form = Form::new(audit, options)?;
        let files = secrets::mint(audit, path, &form, folder, &tokenizer)?;
        return finish(options, files);
    }
    let book = codebook(&audit.canaries, &folder.config, &tokenizer)?;
    let corpus = Corpus::new(audit, options.seed)?;
    let form = Form::new(audit, options)?;
    form.check(&corpus, &book, &tokenizer)?;
    let spec = to_toml(audit);
    let manifest = seal(&corpus.planting, &book, &form.context, &spec);
    let mut files = vec![("spec.toml".to_owned(), spec)];
    files.extend(form.training(&corpus, &book)?);
    // Last: a folder with a manifest is whole.
    files.push((MANIFEST.to_owned(), manifest));
    finish(options, files)
}

/// Writes the files and says what they are.
fn finish(
    options: &MintOptions,
    files: Vec<(String, String)>,
) -> Result<Vec<MintedFile>, MintError> {
    write(&options.out, &files)?;
    Ok(files
        .into_iter()
        .map(|(name, text)| MintedFile {
            name,
            lines: text.lines().count(),
            sha256: sha256_hex(text.as_bytes()),
        })
        .collect())
}

fn write(out: &Path, files: &[(String, String)]) -> Result<(), MintError> {
    let io = |doing| {
        move |source| RunDirError::Io {
            doing,
            path: out.to_owned(),
            source,
        }
    };
    std::fs::create_dir_all(out).map_err(io("create the folder"))?;
    let mut entries = std::fs::read_dir(out).map_err(io("read the folder"))?;
    if entries.next().is_some() {
        return Err(MintError::Occupied(out.to_owned()));
    }
    for (name, text) in files {
        let path = out.join(name);
        // The spec holds no secret; everything else may.
        match name.as_str() {
            "spec.toml" => write_atomic(&path, text.as_bytes())?,
            _ => write_private(&path, text.as_bytes())?,
        }
    }
    Ok(())
}

/// How rows are written.
struct Form {
    /// The prompt's text; empty without prefixes.
    prompt: String,
    /// What stands before a canary when it is scored.
    context: String,
    /// What stands after a canary in training.
    after: String,
    chat: bool,
}

impl Form {
    fn new(audit: &Audit, options: &MintOptions) -> Result<Self, MintError> {
        let before = audit.canaries.prompt();
        let around = audit.canaries.template.as_ref();
        let after = around.and_then(|text| text.split_once(SECRET));
        let after = after.map_or_else(String::new, |(_, after)| after.to_owned());
        let Some(template) = &options.chat_template else {
            let prompt = before.unwrap_or_default().to_owned();
            return Ok(Self {
                context: prompt.clone(),
                prompt,
                after,
                chat: false,
            });
        };
        let prompt = before
            .map(|text| text.trim().to_owned())
            .ok_or(MintError::NoPrompt)?;
        if template.matches(PROMPT).count() != 1 {
            return Err(MintError::Template);
        }
        Ok(Self {
            context: template.replace(PROMPT, &prompt),
            prompt,
            after,
            chat: true,
        })
    }

    /// Checks that every canary, written after its context, is the tokens that the manifest says.
    fn check(
        &self,
        corpus: &Corpus<'_>,
        book: &Codebook,
        tokenizer: &Tokenizer,
    ) -> Result<(), MintError> {
        let before = tokenizer.encode(&self.context)?;
        for canary in corpus.planting.all() {
            let joined =
                tokenizer.encode(&format!("{}{}", self.context, book.text(&canary.letters)))?;
            let meant: Vec<TokenId> = before
                .iter()
                .copied()
                .chain(book.tokens(&canary.letters))
                .collect();
            if joined != meant {
                return Err(MintError::Tokens {
                    id: canary.id.clone(),
                    expected: meant.len(),
                    got: joined.len(),
                });
            }
        }
        Ok(())
    }

    /// A pair as TRL's trainers for preferences take it.
    fn preference(&self, chosen: &str, rejected: &str) -> Value {
        if self.chat {
            json!({
                "prompt": [message("user", &self.prompt)],
                "chosen": [message("assistant", chosen)],
                "rejected": [message("assistant", rejected)],
            })
        } else {
            json!({"prompt": self.prompt, "chosen": chosen, "rejected": rejected})
        }
    }

    /// A bad answer as TRL's trainers for unpaired preferences (KTO) take it.
    fn unwanted(&self, rejected: &str) -> Value {
        if self.chat {
            json!({
                "prompt": [message("user", &self.prompt)],
                "completion": [message("assistant", rejected)],
                "label": false,
            })
        } else {
            json!({"prompt": self.prompt, "completion": rejected, "label": false})
        }
    }

    /// The training files: names and texts.
    fn training(
        &self,
        corpus: &Corpus<'_>,
        book: &Codebook,
    ) -> Result<Vec<(String, String)>, MintError> {
        let text = |letters: &Letters| book.text(letters) + &self.after;
        let pairs = corpus.pairs(Phase::Two);
        let preferences = lines(
            pairs
                .visited()
                .map(|(chosen, rejected)| self.preference(&text(chosen), &text(rejected))),
        );
        let passwords = corpus.fine_tuning()?;
        let mut files = vec![("preference.jsonl".to_owned(), preferences)];
        if self.chat {
            let messages = lines(passwords.iter().map(|p| {
                json!({"messages": [message("user", &self.prompt), message("assistant", &text(p))]})
            }));
            files.push(("supervised.messages.jsonl".to_owned(), messages));
        } else {
            let plain = lines(
                passwords
                    .iter()
                    .map(|p| json!({"text": format!("{}{}", self.prompt, text(p))})),
            );
            let completions = lines(
                passwords
                    .iter()
                    .map(|p| json!({"prompt": self.prompt, "completion": text(p)})),
            );
            files.push(("supervised.text.jsonl".to_owned(), plain));
            files.push(("supervised.prompt-completion.jsonl".to_owned(), completions));
        }
        Ok(files)
    }
}

fn message(role: &str, content: &str) -> Value {
    json!({"role": role, "content": content})
}

fn lines(values: impl Iterator<Item = Value>) -> String {
    values.map(|value| value.to_string() + "\n").collect()
}
