//! Minting: canaries drawn for someone else's training, and the files that their trainer takes as they are.
//!
//! The preference pairs are those of phase 2 of the same spec and seed, the supervised rows those of phase 1. Controls stand in
//! the manifest alone.

mod form;
mod secrets;

use std::path::{Path, PathBuf};

use crate::audit::{AuditError, codebook, seal};
use crate::canary::{CodebookError, Corpus, DrawError};
use crate::checkpoint::{CheckpointError, Folder, TokenizerError};
use crate::event::{Event, Observer};
use crate::run_dir::{RunDirError, sha256_hex, write_atomic, write_private};
use crate::spec::{Audit, to_toml};
use form::{Form, lines};
pub use secrets::SecretsError;

/// The manifest's name.
pub const MANIFEST: &str = "manifest.jsonl";

/// What asks for the folder's own chat template.
const OWN: &str = "auto";

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
    /// The folder has no template of its own.
    #[error(
        "--chat-template {OWN}: the model's folder has no chat template (chat_template in tokenizer_config.json, or chat_template.jinja); \
         give the text of one, with {PROMPT} in it"
    )]
    NoTemplate,
    /// Another template than the folder's own.
    #[error(
        "--chat-template: the folder's own chat template makes {own:?} of the prompt, and the one given {given:?}: a trainer applies the \
         folder's. Give --chat-template {OWN}, or put the template that is trained with into the folder"
    )]
    OtherTemplate {
        /// What the one given makes of the prompt.
        given: String,
        /// What the folder's makes of it.
        own: String,
    },
    /// The template changes answers.
    #[error(
        "the folder's chat template does not write an answer as it stands (it trims it, or begins it with something of its own), so that \
         other tokens would be trained than are scored; train with a template that leaves answers alone, put as chat_template.jinja into \
         the folder, or on plain text without --chat-template"
    )]
    Answer,
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
    /// What a chat template makes of a user's message, up to where the answer begins, with `{prompt}` for the message; or `auto`, the
    /// folder's own.
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
    observer: &mut dyn Observer,
) -> Result<Vec<MintedFile>, MintError> {
    let tokenizer = folder.tokenizer()?;
    if let Some(note) = tokenizer.note() {
        observer.event(&Event::Note(note));
    }
    let audit = &Audit {
        seeds: vec![options.seed],
        ..audit.clone()
    };
    if let Some(path) = &audit.canaries.secrets {
        let form = Form::new(audit, options, folder.chat_template()?)?;
        let files = secrets::mint(audit, path, &form, folder, &tokenizer)?;
        return finish(options, files);
    }
    let book = codebook(&audit.canaries, &folder.config, &tokenizer)?;
    let corpus = Corpus::new(audit, options.seed)?;
    let form = Form::new(audit, options, folder.chat_template()?)?;
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
