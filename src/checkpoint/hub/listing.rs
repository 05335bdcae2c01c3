//! What a model consists of at one commit: names, sizes and hashes of its files, and which of them a checkpoint needs.

use serde::Deserialize;

use super::cache::is_commit;
use super::client::{Client, Reply};
use super::error::HubError;
use crate::checkpoint::files::{CONFIG, TOKENIZER, WEIGHTS, conversion};
use crate::checkpoint::index::INDEX;
use crate::event::Observer;

/// Longest description of a model.
const LONGEST: u64 = 64 << 20;

/// The hash that a file is named and checked by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hash {
    /// SHA-256 of the bytes: large files.
    Sha256(String),
    /// Git's own name of a file, SHA-1 of a header and the bytes: small ones.
    Git(String),
}

impl Hash {
    pub(super) fn hex(&self) -> &str {
        match self {
            Self::Sha256(hex) | Self::Git(hex) => hex,
        }
    }
}

/// One file of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteFile {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) hash: Hash,
}

/// A model at one commit.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) commit: String,
    files: Vec<Sibling>,
    id: String,
    endpoint: String,
}

#[derive(Deserialize)]
struct Info {
    sha: String,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Debug, Deserialize)]
struct Lfs {
    sha256: String,
    size: u64,
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit())
}

impl Listing {
    /// Asks the hub.
    pub(super) fn ask(
        client: &Client<'_>,
        id: &str,
        revision: &str,
        observer: &mut dyn Observer,
    ) -> Result<Self, HubError> {
        let hub = client.hub;
        let url = format!(
            "{}/api/models/{id}/revision/{}?blobs=true",
            hub.endpoint,
            revision.replace('/', "%2F")
        );
        let what = format!("the description of {id}");
        let bad = |message: String| HubError::Listing {
            endpoint: hub.endpoint.clone(),
            id: id.to_owned(),
            message,
        };
        let mut answer = match client.get(&url, &what, None, observer)? {
            Reply::Answer(answer) => answer,
            Reply::Refusal(refusal) => {
                return Err(refusal.of_model(hub, id, revision, &what));
            }
        };
        let body = answer.response.body_mut().with_config().limit(LONGEST);
        let bytes = body.read_to_vec().map_err(|e| HubError::Unreachable {
            host: answer.host,
            message: e.to_string(),
        })?;
        let info: Info = serde_json::from_slice(&bytes).map_err(|e| bad(e.to_string()))?;
        if !is_commit(&info.sha) {
            return Err(bad(format!("{:?} is no commit", info.sha)));
        }
        Ok(Self {
            commit: info.sha.to_lowercase(),
            files: info.siblings,
            id: id.to_owned(),
            endpoint: hub.endpoint.clone(),
        })
    }

    fn has(&self, name: &str) -> bool {
        self.files.iter().any(|f| f.rfilename == name)
    }

    /// A file that must be there, with its size and hash.
    pub(super) fn entry(&self, name: &str, hint: &str) -> Result<RemoteFile, HubError> {
        let Some(file) = self.files.iter().find(|f| f.rfilename == name) else {
            return Err(HubError::NoFile {
                id: self.id.clone(),
                commit: self.commit.clone(),
                file: name.to_owned(),
                hint: hint.to_owned(),
            });
        };
        let found = match (&file.lfs, &file.blob_id) {
            (Some(lfs), _) if is_hex(&lfs.sha256, 64) => {
                Some((lfs.size, Hash::Sha256(lfs.sha256.to_lowercase())))
            }
            (None, Some(blob)) if is_hex(blob, 40) => {
                file.size.map(|size| (size, Hash::Git(blob.to_lowercase())))
            }
            _ => None,
        };
        let (size, hash) = found.ok_or_else(|| HubError::Listing {
            endpoint: self.endpoint.clone(),
            id: self.id.clone(),
            message: format!("{name} has no size or no hash, so that it could not be checked"),
        })?;
        Ok(RemoteFile {
            name: name.to_owned(),
            size,
            hash,
        })
    }

    /// The small files that come first: config, tokenizer, and the index where the weights are sharded.
    ///
    /// Errors: one is not there, or the weights are pickles only.
    pub(super) fn small(&self) -> Result<Vec<RemoteFile>, HubError> {
        let config = "is this a transformers model? Give a model that is, or a folder with --set model.path=DIR";
        let tokenizer = format!(
            "only fast tokenizers are read. Make one: python3 -c \"from transformers import AutoTokenizer as T; \
             T.from_pretrained('{}', revision='{}').save_pretrained('converted')\", put the model beside it, and --set model.path=converted",
            self.id, self.commit
        );
        let mut entries = vec![
            self.entry(CONFIG, config)?,
            self.entry(TOKENIZER, &tokenizer)?,
        ];
        if self.has(WEIGHTS) {
            return Ok(entries);
        }
        if self.has(INDEX) {
            entries.push(self.entry(INDEX, "")?);
            return Ok(entries);
        }
        let pickle = |name: &str| {
            let end = std::path::Path::new(name).extension();
            end.is_some_and(|e| ["bin", "pt", "pth", "ckpt"].iter().any(|p| e == *p))
        };
        match self.files.iter().find(|f| pickle(&f.rfilename)) {
            Some(file) => Err(HubError::Pickle {
                id: self.id.clone(),
                commit: self.commit.clone(),
                file: file.rfilename.clone(),
                command: conversion(&self.id, Some(&self.commit)),
            }),
            None => Err(HubError::NoFile {
                id: self.id.clone(),
                commit: self.commit.clone(),
                file: WEIGHTS.to_owned(),
                hint: "weights are read from model.safetensors, or its shards by their index"
                    .to_owned(),
            }),
        }
    }

    /// Whether the weights lie in one file.
    pub(super) fn is_whole(&self) -> bool {
        self.has(WEIGHTS)
    }
}
