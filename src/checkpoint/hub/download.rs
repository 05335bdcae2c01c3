//! One file's bytes: continued where an earlier try stopped, checked by size and hash, put in place whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::cache::Repo;
use super::client::{Answer, Client, Reply, TRIES, range_start, wait};
use super::error::HubError;
use super::listing::{Hash, RemoteFile};
use crate::event::{Event, Observer};
use crate::run_dir::{RunDirError, hex};

/// Bytes read between two looks at whether the user asked to stop.
const PIECE: usize = 1 << 18;

/// A hash in the making.
enum Hasher {
    Sha256(Sha256),
    Git(Sha1),
}

impl Hasher {
    fn new(entry: &RemoteFile) -> Self {
        match entry.hash {
            Hash::Sha256(_) => Self::Sha256(Sha256::new()),
            Hash::Git(_) => {
                let mut hash = Sha1::new();
                hash.update(format!("blob {}\0", entry.size));
                Self::Git(hash)
            }
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::Git(hash) => hash.update(bytes),
        }
    }

    fn finish(self) -> String {
        match self {
            Self::Sha256(hash) => hex(&hash.finalize()),
            Self::Git(hash) => hex(&hash.finalize()),
        }
    }
}

/// A file that is on its way.
struct Partial<'a> {
    of: &'a RemoteFile,
    path: PathBuf,
    file: File,
    hasher: Hasher,
    done: u64,
}

/// How one request ended.
enum Ended {
    /// Every byte is here.
    Whole,
    /// The connection broke, or gave too little.
    Short(String),
    /// More came than the file has.
    Long,
}

impl<'a> Partial<'a> {
    /// Opens what an earlier try left, hashed so far.
    fn open(path: &Path, of: &'a RemoteFile) -> Result<Self, HubError> {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(RunDirError::io("open", path))?;
        let mut hasher = Hasher::new(of);
        let mut done = 0;
        let mut buffer = vec![0; PIECE];
        loop {
            let n = file
                .read(&mut buffer)
                .map_err(RunDirError::io("read", path))?;
            if n == 0 {
                break;
            }
            hasher.update(&buffer[..n]);
            done += n as u64;
        }
        let mut partial = Self {
            of,
            path: path.to_owned(),
            file,
            hasher,
            done,
        };
        if partial.done > of.size {
            partial.restart()?;
        }
        Ok(partial)
    }

    fn restart(&mut self) -> Result<(), HubError> {
        let begin = self.file.set_len(0).and_then(|()| self.file.rewind());
        begin.map_err(RunDirError::io("empty", &self.path))?;
        self.hasher = Hasher::new(self.of);
        self.done = 0;
        Ok(())
    }

    /// Appends what an answer holds. `before`: bytes of other files, for the progress.
    fn take(
        &mut self,
        answer: &mut Answer,
        before: u64,
        observer: &mut dyn Observer,
    ) -> Result<Ended, HubError> {
        let mut reader = answer.response.body_mut().as_reader();
        let mut buffer = vec![0; PIECE];
        loop {
            if observer.interrupted() {
                return Err(HubError::Interrupted);
            }
            let n = match reader.read(&mut buffer) {
                Ok(0) if self.done == self.of.size => return Ok(Ended::Whole),
                Ok(0) => return Ok(Ended::Short("it ended early".to_owned())),
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) if self.done == self.of.size => return Ok(Ended::Whole),
                Err(e) => return Ok(Ended::Short(e.to_string())),
            };
            if self.done + n as u64 > self.of.size {
                return Ok(Ended::Long);
            }
            self.file
                .write_all(&buffer[..n])
                .map_err(RunDirError::io("write", &self.path))?;
            self.hasher.update(&buffer[..n]);
            self.done += n as u64;
            observer.event(&Event::Advanced {
                done: before + self.done,
                state: &self.of.name,
            });
        }
    }
}

/// Bytes of a file that are in the cache already, wholly or in part.
pub(super) fn here(repo: &Repo, entry: &RemoteFile) -> u64 {
    let len = |path: PathBuf| fs::metadata(path).map_or(0, |m| m.len());
    match len(repo.blob(entry.hash.hex())) {
        0 => len(incomplete(repo, entry)).min(entry.size),
        whole => whole.min(entry.size),
    }
}

fn incomplete(repo: &Repo, entry: &RemoteFile) -> PathBuf {
    repo.blob(&format!("{}.incomplete", entry.hash.hex()))
}

/// One file to fetch into the cache's blobs.
pub(super) struct Download<'a> {
    pub(super) client: &'a Client<'a>,
    pub(super) repo: &'a Repo,
    pub(super) commit: &'a str,
    pub(super) file: &'a RemoteFile,
    /// Bytes of the files before it, for the progress.
    pub(super) before: u64,
}

impl Download<'_> {
    /// Fetches the file, unless it is there.
    ///
    /// Errors: see [`HubError`]. What has arrived is kept, unless it is wrong.
    pub(super) fn run(&self, observer: &mut dyn Observer) -> Result<(), HubError> {
        let Self { repo, file, .. } = *self;
        let blob = repo.blob(file.hash.hex());
        let is_there = || fs::metadata(&blob).is_ok_and(|m| m.len() == file.size);
        if is_there() {
            return Ok(());
        }
        let _lock = repo.lock(file.hash.hex(), observer)?;
        // Whoever held the lock may have fetched it.
        if is_there() {
            return Ok(());
        }
        let path = incomplete(repo, file);
        loop {
            let partial = Partial::open(&path, file)?;
            let continued = partial.done > 0;
            match self.complete(partial, observer) {
                // The earlier part may be at fault: once more, from the beginning, since it was removed.
                Err(HubError::Damaged { .. }) if continued => {}
                Err(error) => return Err(error),
                Ok(()) => break,
            }
        }
        Ok(fs::rename(&path, &blob).map_err(RunDirError::io("rename", &path))?)
    }

    /// Fetches what is missing and checks all of it. A file that is wrong is removed.
    fn complete(
        &self,
        mut partial: Partial<'_>,
        observer: &mut dyn Observer,
    ) -> Result<(), HubError> {
        let host = self.stream(&mut partial, observer)?;
        let found = partial.hasher.finish();
        let wanted = self.file.hash.hex();
        if found != wanted {
            let what = format!("its hash is {found}, not {wanted}");
            return Err(self.damaged(&partial.path, host, what));
        }
        let synced = partial.file.sync_all();
        Ok(synced.map_err(RunDirError::io("write", &partial.path))?)
    }

    fn damaged(&self, path: &Path, host: String, what: String) -> HubError {
        fs::remove_file(path).ok();
        HubError::Damaged {
            file: self.file.name.clone(),
            host,
            what,
        }
    }

    /// Asks until every byte is here. Gives the host that sent the last ones.
    fn stream(
        &self,
        partial: &mut Partial<'_>,
        observer: &mut dyn Observer,
    ) -> Result<String, HubError> {
        let (hub, id, name) = (self.client.hub, &self.repo.id, &self.file.name);
        let url = format!("{}/{id}/resolve/{}/{name}", hub.endpoint, self.commit);
        let what = format!("{name} of {id}");
        let mut fruitless = 0;
        let mut pause = hub.pause;
        let mut host = hub.endpoint.clone();
        while partial.done < self.file.size {
            let at = partial.done;
            let from = (at > 0).then_some(at);
            let mut answer = match self.client.get(&url, &what, from, observer)? {
                Reply::Answer(answer) => answer,
                // The part that is here is beyond what the server has.
                Reply::Refusal(refusal) if refusal.status() == 416 && at > 0 => {
                    partial.restart()?;
                    continue;
                }
                Reply::Refusal(refusal) => {
                    return Err(refusal.of_model(hub, id, self.commit, &what));
                }
            };
            host.clone_from(&answer.host);
            // A server that does not know ranges sends all of it again.
            let is_partial = answer.response.status().as_u16() == 206;
            if at > 0 && !(is_partial && range_start(answer.response.headers()) == Some(at)) {
                partial.restart()?;
            }
            match partial.take(&mut answer, self.before, observer)? {
                Ended::Whole => {}
                Ended::Long => {
                    let what = format!("it is longer than {} bytes", self.file.size);
                    return Err(self.damaged(&partial.path, host, what));
                }
                Ended::Short(_) if partial.done > at => (fruitless, pause) = (0, hub.pause),
                Ended::Short(message) => {
                    fruitless += 1;
                    if fruitless >= TRIES {
                        return Err(HubError::Cut {
                            file: name.clone(),
                            done: partial.done,
                            total: self.file.size,
                            tries: fruitless,
                            message,
                        });
                    }
                    wait(pause, observer)?;
                    pause *= 2;
                }
            }
        }
        Ok(host)
    }
}
