//! What can go wrong between a model's name and its files, each with the fix.

use std::path::PathBuf;

use crate::checkpoint::index::IndexError;
use crate::run_dir::RunDirError;

/// Why a model of the hub could not be had.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message says what a field is")]
pub enum HubError {
    /// The name cannot be a model's.
    #[error("model.id: {0:?} is not a model name; write it as \"EleutherAI/pythia-160m\"")]
    BadName(String),
    /// The revision cannot be a branch's, tag's or commit's.
    #[error(
        "model.revision: {0:?} is not the name of a branch, tag or commit; write it as \"main\""
    )]
    BadRevision(String),
    /// A setting from the environment.
    #[error("{name}: {what}")]
    Setting { name: &'static str, what: String },
    /// Offline, and not in the cache.
    #[error(
        "model.id: {id} (revision {revision}) is not whole in the local hub cache {} ({missing} is missing), and offline use is \
         asked for (HF_HUB_OFFLINE): unset it, fetch the model once with `hf download {id} --revision {revision}`, or point to a \
         folder with --set model.path=DIR",
        cache.display()
    )]
    NotCached {
        id: String,
        revision: String,
        cache: PathBuf,
        missing: String,
    },
    /// The hub has no such model, or does not show it.
    #[error(
        "model.id: {endpoint} has no model {id}, or does not show it{}; check the name, or, for a private model, set HF_TOKEN to a \
         token that may read it",
        if *with_token { " to the owner of this token" } else { " without a token" }
    )]
    NoModel {
        endpoint: String,
        id: String,
        with_token: bool,
    },
    /// The model has no such branch, tag or commit.
    #[error(
        "model.revision: {id} has no branch, tag or commit {revision}; see {endpoint}/{id}/tree/main for those there are"
    )]
    NoRevision {
        endpoint: String,
        id: String,
        revision: String,
    },
    /// The model's terms must be accepted.
    #[error(
        "model.id: {id} is gated: accept its terms at {endpoint}/{id}, and set HF_TOKEN to a token of that account{}",
        if *with_token { " (the token that was sent has no access)" } else { "" }
    )]
    Gated {
        endpoint: String,
        id: String,
        with_token: bool,
    },
    /// The model lacks a file.
    #[error("{id} (commit {commit}) has no {file}; {hint}")]
    NoFile {
        id: String,
        commit: String,
        file: String,
        hint: String,
    },
    /// The weights are pickles only.
    #[error(
        "{id} (commit {commit}) has its weights as pickles only ({file}); pickles can run code and are not read. Convert them once, \
         where you trust them: {command}, then --set model.path=converted"
    )]
    Pickle {
        id: String,
        commit: String,
        file: String,
        command: String,
    },
    /// No connection.
    #[error(
        "cannot reach {host}: {message}; check the network and the proxy (HTTPS_PROXY), or, where the model is in the cache already, \
         set HF_HUB_OFFLINE=1"
    )]
    Unreachable { host: String, message: String },
    /// 429 beyond patience.
    #[error("{host} asks to wait {wait} s (status 429, after {tries} tries); run the same command later{}",
        if *with_token { "" } else { ", or set HF_TOKEN: it raises the limit" })]
    Busy {
        host: String,
        /// Seconds it asks for.
        wait: u64,
        tries: u32,
        with_token: bool,
    },
    /// A status that is no success.
    #[error("{host} answered with status {status} for {what} (after {tries} tries){}; {}",
        if message.is_empty() { String::new() } else { format!(": {message}") },
        if *status >= 500 { "it has trouble of its own: run the same command later" } else { "check HF_ENDPOINT and HF_TOKEN" })]
    Status {
        host: String,
        what: String,
        status: u16,
        message: String,
        tries: u32,
    },
    /// A redirect that is not followed.
    #[error("{host} redirects {what} {why}; check HF_ENDPOINT")]
    Redirect {
        host: String,
        what: String,
        why: &'static str,
    },
    /// The hub's answer is not what it should be.
    #[error(
        "{endpoint} describes {id} in a way this version cannot use: {message}; check HF_ENDPOINT"
    )]
    Listing {
        endpoint: String,
        id: String,
        message: String,
    },
    /// The connection kept breaking.
    #[error(
        "{file}: the connection broke {tries} times without progress, at {done} of {total} bytes ({message}); what has arrived is kept: run the same command to continue"
    )]
    Cut {
        file: String,
        /// Bytes that are here.
        done: u64,
        /// Bytes of the file.
        total: u64,
        /// Tries without progress.
        tries: u32,
        message: String,
    },
    /// The bytes are not those that the hub lists.
    #[error(
        "{file}: what {host} sent is not what the hub lists ({what}); it was removed. Run the same command again; where it repeats, a proxy or mirror changes files"
    )]
    Damaged {
        file: String,
        host: String,
        what: String,
    },
    /// The disk is too small.
    #[error("{}: {id} needs {} more, {} are free; free some, or point HF_HUB_CACHE to another disk", path.display(), size(*needed), size(*free))]
    NoSpace {
        path: PathBuf,
        id: String,
        /// Bytes still to come.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// The index of sharded weights.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The file system refused.
    #[error(transparent)]
    File(#[from] RunDirError),
    /// The user asked to stop.
    #[error("interrupted; what has arrived is kept")]
    Interrupted,
}

impl HubError {
    /// Whether what was asked for is at fault, not the network, the hub or this machine.
    #[must_use]
    pub fn is_input(&self) -> bool {
        !self.is_passing()
            && !matches!(
                self,
                Self::Damaged { .. } | Self::NoSpace { .. } | Self::File(_) | Self::Interrupted
            )
    }

    /// Whether the same request may work later: the cache serves meanwhile.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Busy { .. } | Self::Cut { .. } => true,
            Self::Status { status, .. } => *status >= 500,
            _ => false,
        }
    }
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    let bytes = bytes as f64;
    if bytes < 1e9 {
        format!("{:.1} MB", bytes / 1e6)
    } else {
        format!("{:.1} GB", bytes / 1e9)
    }
}
