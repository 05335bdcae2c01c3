//! The hub's cache on disk, in the layout that every tool of the hub shares:
//! `models--owner--name/{blobs, refs, snapshots/COMMIT}`, a snapshot's files being relative links to blobs named by their hashes,
//! and `.locks/models--owner--name/HASH.lock` beside them.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::HubError;
use crate::bounded;
use crate::checkpoint::files::{self, CONFIG};
use crate::event::{Event, Observer};
use crate::run_dir::{RunDirError, create_folder, write_atomic};

/// How long between two looks at a lock that another process holds.
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// Most bytes of a file that names a commit.
const REFERENCE: u64 = 4096;

/// Whether a part of a name is a plain file name.
pub(super) fn is_plain(part: &str) -> bool {
    !part.is_empty()
        && !part.starts_with('.')
        && part
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// Whether a text may be a model's name: `NAME` or `OWNER/NAME`.
#[must_use]
pub fn is_name(text: &str) -> bool {
    text.split('/').count() <= 2 && text.split('/').all(is_plain)
}

/// Whether a revision is a whole commit, which never moves.
pub(super) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|b| b.is_ascii_hexdigit())
}

/// One model's folder in the cache.
#[derive(Debug)]
pub(super) struct Repo {
    cache: PathBuf,
    folder: String,
    pub(super) id: String,
    pub(super) revision: String,
}

impl Repo {
    pub(super) fn new(cache: &Path, id: &str, revision: &str) -> Result<Self, HubError> {
        // Both become folders, so neither may climb out.
        if !is_name(id) {
            return Err(HubError::BadName(id.to_owned()));
        }
        if !revision.split('/').all(is_plain) {
            return Err(HubError::BadRevision(revision.to_owned()));
        }
        Ok(Self {
            cache: cache.to_owned(),
            folder: format!("models--{}", id.replace('/', "--")),
            id: id.to_owned(),
            revision: revision.to_owned(),
        })
    }

    fn root(&self) -> PathBuf {
        self.cache.join(&self.folder)
    }

    fn reference(&self) -> PathBuf {
        self.root().join("refs").join(&self.revision)
    }

    /// The commit that the revision stood for when it was last fetched; the revision itself where it may be one.
    pub(super) fn commit(&self) -> Option<String> {
        match bounded::read_text(&self.reference(), REFERENCE) {
            Ok(text) => Some(text.trim().to_owned()).filter(|c| is_plain(c)),
            Err(_) => Some(self.revision.clone()).filter(|r| is_plain(r)),
        }
    }

    /// The commit of a fetched branch or tag; `None` where it was never fetched.
    pub(super) fn fetched_commit(&self) -> Option<String> {
        let text = bounded::read_text(&self.reference(), REFERENCE).ok()?;
        Some(text.trim().to_owned())
    }

    /// Folder of a commit's files.
    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.root().join("snapshots").join(commit)
    }

    /// The snapshot of the revision, and what it still lacks to be used.
    pub(super) fn cached(&self) -> Result<Snapshot, HubError> {
        let commit = self.commit();
        let path = commit.as_deref().map(|c| self.snapshot(c));
        match (path, commit) {
            (Some(path), Some(commit)) if path.join(CONFIG).exists() => {
                let missing = files::missing(&path)?;
                Ok(Snapshot {
                    path,
                    commit,
                    missing,
                })
            }
            _ => Err(self.not_cached("its config.json")),
        }
    }

    pub(super) fn not_cached(&self, missing: &str) -> HubError {
        HubError::NotCached {
            id: self.id.clone(),
            revision: self.revision.clone(),
            cache: self.cache.clone(),
            missing: missing.to_owned(),
        }
    }

    /// Where a file's bytes lie, by their hash.
    pub(super) fn blob(&self, hash: &str) -> PathBuf {
        self.root().join("blobs").join(hash)
    }

    /// Makes the folders that a download writes to.
    pub(super) fn create(&self, commit: &str) -> Result<(), HubError> {
        for folder in [self.root().join("blobs"), self.snapshot(commit)] {
            create_folder(&folder)?;
        }
        Ok(())
    }

    /// Names a blob in a snapshot: a relative link, or a copy where the file system has no links.
    pub(super) fn link(&self, commit: &str, name: &str, hash: &str) -> Result<(), HubError> {
        let (link, target) = (
            self.snapshot(commit).join(name),
            Path::new("../../blobs").join(hash),
        );
        if fs::read_link(&link).is_ok_and(|found| found == target) {
            return Ok(());
        }
        match fs::remove_file(&link) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(RunDirError::io("replace", &link)(e).into());
            }
            _ => {}
        }
        match std::os::unix::fs::symlink(&target, &link) {
            Ok(()) => Ok(()),
            // Another process made it meanwhile.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(_) => match fs::copy(self.blob(hash), &link) {
                Ok(_) => Ok(()),
                Err(e) => Err(RunDirError::io("write", &link)(e).into()),
            },
        }
    }

    /// Remembers which commit a branch or tag stands for.
    pub(super) fn point(&self, commit: &str) -> Result<(), HubError> {
        if self.revision == commit || self.fetched_commit().as_deref() == Some(commit) {
            return Ok(());
        }
        let path = self.reference();
        create_folder(path.parent().unwrap_or(&path))?;
        Ok(write_atomic(&path, commit.as_bytes())?)
    }

    /// Waits until no other process fetches the same bytes. Held until dropped.
    pub(super) fn lock(&self, hash: &str, observer: &mut dyn Observer) -> Result<File, HubError> {
        let folder = self.cache.join(".locks").join(&self.folder);
        create_folder(&folder)?;
        let path = folder.join(format!("{hash}.lock"));
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(RunDirError::io("open", &path))?;
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(e)) => return Err(RunDirError::io("lock", &path)(e).into()),
                Err(TryLockError::WouldBlock) => {
                    if observer.interrupted() {
                        return Err(HubError::Interrupted);
                    }
                    if !told {
                        told = true;
                        observer.event(&Event::Note(&format!(
                            "another process fetches {}: waiting for it",
                            self.id
                        )));
                    }
                    std::thread::sleep(LOCK_PAUSE);
                }
            }
        }
    }

    /// The nearest folder towards the cache that exists.
    pub(super) fn existing(&self) -> PathBuf {
        let all = self.cache.ancestors();
        all.into_iter()
            .find(|p| p.is_dir())
            .unwrap_or(Path::new("/"))
            .to_owned()
    }
}

/// A snapshot in the cache.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) path: PathBuf,
    pub(super) commit: String,
    /// A file that is not there although the checkpoint needs it.
    pub(super) missing: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cached_model_is_found_by_branch_and_by_commit() {
        let tmp = tempfile::tempdir().unwrap();
        let model = tmp.path().join("models--EleutherAI--pythia-160m");
        let snapshot = model.join("snapshots/abc123");
        fs::create_dir_all(&snapshot).unwrap();
        fs::create_dir_all(model.join("refs")).unwrap();
        fs::write(model.join("refs/main"), "abc123\n").unwrap();
        fs::write(snapshot.join("config.json"), "{}").unwrap();
        let find = |id: &str, revision: &str| {
            Repo::new(tmp.path(), id, revision).and_then(|repo| repo.cached())
        };
        for revision in ["main", "abc123"] {
            let found = find("EleutherAI/pythia-160m", revision).unwrap();
            assert_eq!(found.commit, "abc123");
            assert_eq!(found.path, snapshot);
            assert_eq!(found.missing.as_deref(), Some("tokenizer.json"));
        }
        assert!(find("EleutherAI/pythia-160m", "step3000").is_err());
        for (id, revision) in [
            ("../../etc", "main"),
            ("a/b/c", "main"),
            ("a/.b", "main"),
            ("EleutherAI/pythia-160m", "../../.."),
            ("EleutherAI/pythia-160m", ""),
        ] {
            assert!(find(id, revision).is_err(), "{id} {revision}");
        }
    }

    #[test]
    fn a_link_is_relative_and_replaced_where_it_points_elsewhere() {
        let tmp = tempfile::tempdir().unwrap();
        let repo = Repo::new(tmp.path(), "a/b", "main").unwrap();
        repo.create("c0").unwrap();
        fs::write(repo.blob("one"), "1").unwrap();
        fs::write(repo.blob("two"), "2").unwrap();
        for (hash, text) in [("one", "1"), ("one", "1"), ("two", "2")] {
            repo.link("c0", "config.json", hash).unwrap();
            let link = repo.snapshot("c0").join("config.json");
            assert_eq!(fs::read_to_string(&link).unwrap(), text);
            assert_eq!(
                fs::read_link(&link).unwrap(),
                Path::new("../../blobs").join(hash)
            );
        }
    }
}
