//! A checkpoint's folder: config and tokenizer read, weights known by their files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::adapter::{Adapter, AdapterError};
use super::config::ModelConfig;
use super::error::CheckpointError;
use super::files::{
    self, ADDED_TOKENS, CHAT_TEMPLATE, CONFIG, SPECIAL_TOKENS, TOKENIZER, TOKENIZER_CONFIG,
};
use super::hub::Located;
use super::locate::{LocateError, Source, locate};
use super::tokenizer::{ChatTemplate, Tokenizer};
use crate::bounded;
use crate::run_dir::digest_file;

/// A checkpoint folder, its small files read, its weights not yet; with an adapter that is to be laid onto it, where one was named.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    adapter: Option<Adapter>,
    /// The architecture.
    pub config: ModelConfig,
    /// `config.json` as it stands.
    pub(super) config_text: String,
}

impl Folder {
    /// Opens a folder and reads its config. A PEFT folder is its base with the adapter, and the base must be on this machine.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        Self::open_on(path, None, &mut locate)
    }

    /// As [`Self::open`]; `find` finds the base of an adapter where its config names a model of the hub. `base`: the base's folder,
    /// whatever the adapter's config says.
    pub fn open_on(
        path: &Path,
        base: Option<&Path>,
        find: &mut dyn FnMut(Source<'_>) -> Result<Located, LocateError>,
    ) -> Result<Self, CheckpointError> {
        let adapter = match (Adapter::open(path)?, base) {
            (Some(adapter), _) => adapter,
            (None, None) => return Self::plain(path),
            (None, Some(base)) => {
                return Err(AdapterError::NoAdapter {
                    path: path.to_owned(),
                    base: base.to_owned(),
                }
                .into());
            }
        };
        let base = Self::plain(&adapter.base(base, find)?)?;
        Ok(Self {
            adapter: Some(adapter),
            ..base
        })
    }

    fn plain(path: &Path) -> Result<Self, CheckpointError> {
        let file = path.join(CONFIG);
        let hint = files::without_config(path);
        let config_text = bounded::read_text(&file, bounded::CONFIG)
            .map_err(CheckpointError::read(&file, &hint))?;
        let config = ModelConfig::parse(&config_text, &file)?;
        Ok(Self {
            path: path.to_owned(),
            adapter: None,
            config,
            config_text,
        })
    }

    /// The folder itself; of an adapter its own.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.adapter.as_ref().map_or(&self.path, Adapter::path)
    }

    /// The folder that holds the weights: of an adapter its base's.
    #[must_use]
    pub fn base(&self) -> &Path {
        &self.path
    }

    /// What is to be laid onto the weights.
    #[must_use]
    pub fn adapter(&self) -> Option<&Adapter> {
        self.adapter.as_ref()
    }

    /// Checks that a reference is the base, where this is an adapter: the same weights.
    pub fn check_reference(&self, reference: &Self) -> Result<(), CheckpointError> {
        let Some(adapter) = &self.adapter else {
            return Ok(());
        };
        let weights = |folder: &Self| -> Result<Vec<String>, CheckpointError> {
            let digests = weights_digests(&folder.path)?;
            Ok(digests.into_iter().map(|(_, digest)| digest).collect())
        };
        if reference.adapter.is_none()
            && (reference.path == self.path || weights(self)? == weights(reference)?)
        {
            return Ok(());
        }
        Err(AdapterError::OtherReference {
            adapter: adapter.path().to_owned(),
            reference: reference.path().to_owned(),
            base: self.path.clone(),
        }
        .into())
    }

    /// Where the tokenizer is: an adapter may have one of its own, which is then its base's with other settings.
    pub(super) fn tokenizer_path(&self) -> PathBuf {
        let own = self.path().join(TOKENIZER);
        if own.exists() {
            own
        } else {
            self.path.join(TOKENIZER)
        }
    }

    /// The files beside the tokenizer that say more of it, by name; those that are there.
    pub(super) fn beside_tokenizer(&self) -> Vec<(&'static str, PathBuf)> {
        let path = self.tokenizer_path();
        let names = [
            TOKENIZER_CONFIG,
            SPECIAL_TOKENS,
            ADDED_TOKENS,
            CHAT_TEMPLATE,
        ];
        let beside = names
            .into_iter()
            .map(|name| (name, path.with_file_name(name)));
        beside.filter(|(_, path)| path.exists()).collect()
    }

    /// Reads `tokenizer.json` and what stands beside it.
    pub fn tokenizer(&self) -> Result<Tokenizer, CheckpointError> {
        let path = self.tokenizer_path();
        Ok(Tokenizer::open(&path, self.config.vocab_size)?)
    }

    /// The chat template beside its tokenizer, where there is one.
    pub fn chat_template(&self) -> Result<Option<ChatTemplate>, CheckpointError> {
        let path = self.tokenizer_path();
        let folder = path.parent().unwrap_or(Path::new("."));
        Ok(ChatTemplate::of(folder)?)
    }

    /// SHA-256 of each file, by name: config, tokenizer with what stands beside it, weights, and the adapter's two.
    pub fn digests(&self) -> Result<BTreeMap<String, String>, CheckpointError> {
        let small = [self.path.join(CONFIG), self.tokenizer_path()];
        let beside = self.beside_tokenizer().into_iter().map(|(_, path)| path);
        let adapter = self.adapter.iter().flat_map(Adapter::files);
        let mut digests = weights_digests(&self.path)?;
        for path in small.into_iter().chain(beside).chain(adapter) {
            digests.push(digest(&path, "it belongs to the checkpoint")?);
        }
        Ok(digests.into_iter().collect())
    }
}

/// Name and SHA-256 of a file. `hint`: the fix where it cannot be read.
fn digest(path: &Path, hint: &str) -> Result<(String, String), CheckpointError> {
    let digest = digest_file(path).map_err(CheckpointError::read(path, hint))?;
    let name = path.file_name().unwrap_or_default();
    Ok((name.to_string_lossy().into_owned(), digest))
}

/// Name and SHA-256 of each file that holds a folder's weights.
fn weights_digests(folder: &Path) -> Result<Vec<(String, String)>, CheckpointError> {
    let hint = files::without_weights(folder);
    let files = files::weights(folder)?;
    files.iter().map(|path| digest(path, &hint)).collect()
}
