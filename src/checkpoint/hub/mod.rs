//! The hub: from a model's name to a folder of its files, in the cache that every tool of the hub shares.
//!
//! One request tells the commit, sizes and hashes; then each file that the cache lacks is fetched, continued where it stopped,
//! checked and linked. The token goes to the endpoint alone. Source: the layout and variables of `huggingface_hub`.

mod cache;
mod client;
mod download;
mod error;
mod listing;
mod settings;

pub use cache::is_name;
pub use error::HubError;
pub use settings::{Hub, cache_folder};

use std::path::{Path, PathBuf};

use cache::{Repo, is_commit};
use client::Client;
use download::Download;
use listing::{Listing, RemoteFile};

use super::files::WEIGHTS;
use super::index::{INDEX, Index};
use crate::event::{Event, Observer};

/// Room that is left free on the disk of the cache.
const SPARE: u64 = 64 << 20;

/// A checkpoint that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The folder that holds it.
    pub path: PathBuf,
    /// The commit, where it came from the hub.
    pub commit: Option<String>,
}

/// Finds a model in the cache by the last fetched commit of a revision. Makes no request, and asks for no more than its config.
pub(super) fn look_up(cache: &Path, id: &str, revision: &str) -> Result<Located, HubError> {
    let cached = Repo::new(cache, id, revision)?.cached()?;
    Ok(Located {
        path: cached.path,
        commit: Some(cached.commit),
    })
}

impl Hub {
    /// A model's folder in the cache, fetched where it is not whole there.
    ///
    /// `revision`: a branch, a tag or a commit. A branch or tag is asked for anew, so that a moved one is noticed; where the hub
    /// cannot be reached, the last fetched commit serves, and a note says so.
    ///
    /// Errors: see [`HubError`]; each names the fix.
    pub fn fetch(
        &self,
        id: &str,
        revision: &str,
        observer: &mut dyn Observer,
    ) -> Result<Located, HubError> {
        let repo = Repo::new(&self.cache, id, revision)?;
        if self.offline {
            let cached = repo.cached()?;
            return match cached.missing {
                None => Ok(located(&repo, cached.commit)),
                Some(missing) => Err(repo.not_cached(&missing)),
            };
        }
        let whole = || repo.cached().ok().filter(|c| c.missing.is_none());
        if is_commit(revision)
            && let Some(cached) = whole()
        {
            return Ok(located(&repo, cached.commit));
        }
        let client = Client::new(self);
        match Listing::ask(&client, id, revision, observer) {
            Ok(listing) => self.complete(&client, &repo, &listing, observer),
            Err(error) if error.is_passing() => match whole() {
                None => Err(error),
                Some(cached) => {
                    observer.event(&Event::Note(&format!(
                        "{id}: {error}. Going on with commit {} of {revision}, from the cache",
                        cached.commit
                    )));
                    Ok(located(&repo, cached.commit))
                }
            },
            Err(error) => Err(error),
        }
    }

    /// Fetches what the cache lacks of one commit.
    fn complete(
        &self,
        client: &Client<'_>,
        repo: &Repo,
        listing: &Listing,
        observer: &mut dyn Observer,
    ) -> Result<Located, HubError> {
        let commit = listing.commit.as_str();
        if let Some(before) = repo.fetched_commit().filter(|before| before != commit) {
            observer.event(&Event::Note(&format!(
                "{} {} has moved since it was last fetched: from commit {before} to {commit}",
                repo.id, repo.revision
            )));
        }
        let small = listing.small()?;
        self.fetch_all(client, repo, commit, &small, observer)?;
        let large = if listing.is_whole() {
            vec![listing.entry(WEIGHTS, "")?]
        } else {
            shards(repo, listing)?
        };
        self.fetch_all(client, repo, commit, &large, observer)?;
        // Last: a revision points to what is whole.
        repo.point(commit)?;
        Ok(located(repo, commit.to_owned()))
    }

    fn fetch_all(
        &self,
        client: &Client<'_>,
        repo: &Repo,
        commit: &str,
        entries: &[RemoteFile],
        observer: &mut dyn Observer,
    ) -> Result<(), HubError> {
        let total: u64 = entries.iter().map(|e| e.size).sum();
        let needed = total.saturating_sub(entries.iter().map(|e| download::here(repo, e)).sum());
        if needed > 0 {
            self.check_space(repo, needed)?;
            observer.event(&Event::Started {
                label: &format!("fetching {}", repo.id),
                total,
                unit: "bytes",
            });
        }
        repo.create(commit)?;
        let mut before = 0;
        for file in entries {
            let download = Download {
                client,
                repo,
                commit,
                file,
                before,
            };
            download.run(observer)?;
            repo.link(commit, &file.name, file.hash.hex())?;
            before += file.size;
        }
        if needed > 0 {
            observer.event(&Event::Finished);
        }
        Ok(())
    }

    fn check_space(&self, repo: &Repo, needed: u64) -> Result<(), HubError> {
        let folder = repo.existing();
        // A system that does not say how much is free is no reason not to try.
        let free =
            rustix::fs::statvfs(&folder).map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        match free {
            Ok(free) if free < needed.saturating_add(SPARE) => Err(HubError::NoSpace {
                path: self.cache.clone(),
                id: repo.id.clone(),
                needed,
                free,
            }),
            _ => Ok(()),
        }
    }
}

fn located(repo: &Repo, commit: String) -> Located {
    Located {
        path: repo.snapshot(&commit),
        commit: Some(commit),
    }
}

/// The shards that the fetched index names.
fn shards(repo: &Repo, listing: &Listing) -> Result<Vec<RemoteFile>, HubError> {
    let path = repo.snapshot(&listing.commit).join(INDEX);
    let index = Index::open(&path)?;
    index
        .files()
        .into_iter()
        .map(|file| {
            listing.entry(
                file,
                "its index names it as a shard: the model is not whole",
            )
        })
        .collect()
}
