//! What can go wrong between a model's name and its files, each with the mend.

use std::io;
use std::path::{Path, PathBuf};

use crate::checkpoint::weights::WeightsError;

/// Why a model of the hub could not be had.
#[derive(Debug, thiserror::Error)]
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
    Setting {
        /// The variable.
        name: &'static str,
        /// What is wrong, and the mend.
        what: String,
    },
    /// Offline, and not in the cache.
    #[error(
        "model.id: {id} (revision {revision}) is not whole in the local hub cache {} ({missing} is missing), and offline use is \
         asked for (HF_HUB_OFFLINE): unset it, fetch the model once with `hf download {id} --revision {revision}`, or point to a \
         folder with --set model.path=DIR",
        cache.display()
    )]
    NotCached {
        /// The model.
        id: String,
        /// Its revision.
        revision: String,
        /// The cache that was looked in.
        cache: PathBuf,
        /// What is not there.
        missing: String,
    },
    /// The hub has no such model, or does not show it.
    #[error(
        "model.id: {endpoint} has no model {id}, or does not show it{}; check the name, or, for a private model, set HF_TOKEN to a \
         token that may read it",
        if *with_token { " to the owner of this token" } else { " without a token" }
    )]
    NoModel {
        /// The hub.
        endpoint: String,
        /// The model.
        id: String,
        /// Whether a token was sent.
        with_token: bool,
    },
    /// The model has no such branch, tag or commit.
    #[error(
        "model.revision: {id} has no branch, tag or commit {revision}; see {endpoint}/{id}/tree/main for those there are"
    )]
    NoRevision {
        /// The hub.
        endpoint: String,
        /// The model.
        id: String,
        /// The revision.
        revision: String,
    },
    /// The model's terms must be accepted.
    #[error(
        "model.id: {id} is gated: accept its terms at {endpoint}/{id}, and set HF_TOKEN to a token of that account{}",
        if *with_token { " (the token that was sent has no access)" } else { "" }
    )]
    Gated {
        /// The hub.
        endpoint: String,
        /// The model.
        id: String,
        /// Whether a token was sent.
        with_token: bool,
    },
    /// The model lacks a file.
    #[error("{id} (commit {commit}) has no {file}; {hint}")]
    NoFile {
        /// The model.
        id: String,
        /// Its commit.
        commit: String,
        /// The file.
        file: String,
        /// The mend.
        hint: String,
    },
    /// The weights are pickles only.
    #[error(
        "{id} (commit {commit}) has its weights as pickles only ({file}); pickles can run code and are not read. Convert them once, \
         where you trust them: {command}, then --set model.path=converted"
    )]
    Pickle {
        /// The model.
        id: String,
        /// Its commit.
        commit: String,
        /// One of the pickles.
        file: String,
        /// What converts them.
        command: String,
    },
    /// No connection.
    #[error(
        "cannot reach {host}: {message}; check the network and the proxy (HTTPS_PROXY), or, where the model is in the cache already, \
         set HF_HUB_OFFLINE=1"
    )]
    Unreachable {
        /// The host.
        host: String,
        /// What the connection said.
        message: String,
    },
    /// 429 beyond patience.
    #[error("{host} asks to wait {wait} s (status 429, after {tries} tries); run the same command later{}",
        if *with_token { "" } else { ", or set HF_TOKEN: it raises the limit" })]
    Busy {
        /// The host.
        host: String,
        /// Seconds it asks for.
        wait: u64,
        /// Requests made.
        tries: u32,
        /// Whether a token was sent.
        with_token: bool,
    },
    /// A status that is no success.
    #[error("{host} answered with status {status} for {what} (after {tries} tries){}; {}",
        if message.is_empty() { String::new() } else { format!(": {message}") },
        if *status >= 500 { "it has trouble of its own: run the same command later" } else { "check HF_ENDPOINT and HF_TOKEN" })]
    Status {
        /// The host.
        host: String,
        /// What was asked for.
        what: String,
        /// The status.
        status: u16,
        /// The hub's own words.
        message: String,
        /// Requests made.
        tries: u32,
    },
    /// A redirect that is not followed.
    #[error("{host} redirects {what} {why}; check HF_ENDPOINT")]
    Redirect {
        /// The host.
        host: String,
        /// What was asked for.
        what: String,
        /// Why it is not followed.
        why: &'static str,
    },
    /// The hub's answer is not what it should be.
    #[error(
        "{endpoint} describes {id} in a way this version cannot use: {message}; check HF_ENDPOINT"
    )]
    Listing {
        /// The hub.
        endpoint: String,
        /// The model.
        id: String,
        /// What is wrong.
        message: String,
    },
    /// The connection kept breaking.
    #[error(
        "{file}: the connection broke {tries} times without progress, at {done} of {total} bytes ({message}); what has arrived is kept: run the same command to continue"
    )]
    Cut {
        /// The file.
        file: String,
        /// Bytes that are here.
        done: u64,
        /// Bytes of the file.
        total: u64,
        /// Tries without progress.
        tries: u32,
        /// What the last one said.
        message: String,
    },
    /// The bytes are not those that the hub lists.
    #[error(
        "{file}: what {host} sent is not what the hub lists ({what}); it was removed. Run the same command again; where it repeats, a proxy or mirror changes files"
    )]
    Damaged {
        /// The file.
        file: String,
        /// Who sent it.
        host: String,
        /// The difference.
        what: String,
    },
    /// The disk is too small.
    #[error("{}: {id} needs {} more, {} are free; free some, or point HF_HUB_CACHE to another disk", path.display(), size(*needed), size(*free))]
    NoSpace {
        /// The cache.
        path: PathBuf,
        /// The model.
        id: String,
        /// Bytes still to come.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// The index of sharded weights.
    #[error(transparent)]
    Weights(#[from] Box<WeightsError>),
    /// The file system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The user asked to stop.
    #[error("interrupted; what has arrived is kept")]
    Interrupted,
}

impl HubError {
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }

    /// Whether what was asked for is at fault, not the network, the hub or this machine.
    #[must_use]
    pub fn is_input(&self) -> bool {
        !self.is_passing()
            && !matches!(
                self,
                Self::Damaged { .. } | Self::NoSpace { .. } | Self::Io { .. } | Self::Interrupted
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
