//! A model on the loopback hub: the hub itself, and another host that holds its large files, as the real one has it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use sha1::{Digest, Sha1};
use sha2::Sha256;
use tempfile::TempDir;
use unsaid::checkpoint::Located;
use unsaid::checkpoint::hub::{Hub, HubError};
use unsaid::event::{Event, Observer};
use unsaid::run_dir::hex;

use super::server::{Reply, Request, Server};

pub(crate) const ID: &str = "lab/tiny-neox";
pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub(crate) const LATER: &str = "89abcdef0123456789abcdef0123456789abcdef";
pub(crate) const TOKEN: &str = "hf_not_for_others";

/// Files of this many bytes and more lie on the other host.
const LARGE: usize = 100_000;

type Files = BTreeMap<String, Vec<u8>>;

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(crate) fn git(bytes: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(format!("blob {}\0", bytes.len()));
    hash.update(bytes);
    hex(&hash.finalize())
}

/// The hash that a file's bytes are named by.
pub(crate) fn etag(bytes: &[u8]) -> String {
    if bytes.len() >= LARGE {
        sha256(bytes)
    } else {
        git(bytes)
    }
}

/// What the hub has: branches and tags, and the files of each commit.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) revisions: BTreeMap<String, String>,
    pub(crate) commits: BTreeMap<String, Files>,
    /// Sizes that the description tells instead of the true ones.
    pub(crate) sizes: BTreeMap<String, u64>,
}

impl Model {
    fn describe(&self, revision: &str) -> Reply {
        let refused = |code: &str| {
            Reply::new(404)
                .with("X-Error-Code", code)
                .body(json!({"error": "as told"}).to_string())
        };
        let revision = revision.replace("%2F", "/");
        let commit = match self.revisions.get(&revision) {
            Some(commit) => commit,
            None if self.commits.contains_key(&revision) => &revision,
            None => return refused("RevisionNotFound"),
        };
        let siblings = self.commits[commit].iter().map(|(name, bytes)| {
            let size = self.sizes.get(name).copied().unwrap_or(bytes.len() as u64);
            let mut entry = json!({"rfilename": name, "size": size, "blobId": git(bytes)});
            if bytes.len() >= LARGE {
                entry["lfs"] = json!({"sha256": sha256(bytes), "size": size, "pointerSize": 134});
            }
            entry
        });
        let siblings: Vec<_> = siblings.collect();
        let info = json!({"id": ID, "sha": commit, "gated": false, "siblings": siblings});
        Reply::new(200).body(info.to_string())
    }
}

/// A hub, the other host, and a cache.
pub(crate) struct Fixture {
    pub(crate) hub: Server,
    pub(crate) elsewhere: Server,
    pub(crate) model: Arc<Mutex<Model>>,
    pub(crate) root: TempDir,
}

/// The files of a checkpoint of the repository's fixtures.
pub(crate) fn checkpoint() -> Files {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/parity/neox-parallel");
    ["config.json", "tokenizer.json", "model.safetensors"]
        .map(|name| {
            let bytes = fs::read(folder.join(name)).expect("the fixture");
            (name.to_owned(), bytes)
        })
        .into()
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with(checkpoint())
    }

    pub(crate) fn with(files: Files) -> Self {
        let model = Arc::new(Mutex::new(Model {
            revisions: [
                ("main", COMMIT),
                ("step3000", COMMIT),
                ("refs/pr/1", COMMIT),
            ]
            .map(|(name, commit)| (name.to_owned(), commit.to_owned()))
            .into(),
            commits: [(COMMIT.to_owned(), files)].into(),
            sizes: BTreeMap::new(),
        }));
        let held = Arc::clone(&model);
        let elsewhere = Server::new(move |request| {
            let held = held.lock().expect("no panic");
            let wanted = request.path.split('?').next().unwrap_or_default();
            let mut all = held.commits.values().flat_map(|files| files.values());
            match all.find(|bytes| wanted == format!("/blobs/{}", sha256(bytes))) {
                Some(bytes) => Reply::file(bytes, request.range),
                None => Reply::new(403),
            }
        });
        let (known, other) = (Arc::clone(&model), elsewhere.url());
        let hub =
            Server::new(move |request| answer(&known.lock().expect("no panic"), &other, request));
        Self {
            hub,
            elsewhere,
            model,
            root: tempfile::tempdir().expect("a folder"),
        }
    }

    /// Lets `main` be another commit with other weights.
    pub(crate) fn move_main(&self) {
        let mut model = self.model.lock().expect("no panic");
        let mut files = model.commits[COMMIT].clone();
        let weights = files.get_mut("model.safetensors").expect("weights");
        let last = weights.len() - 1;
        weights[last - 1] ^= 1;
        model.commits.insert(LATER.to_owned(), files);
        model.revisions.insert("main".to_owned(), LATER.to_owned());
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.root.path().join("cache")
    }

    pub(crate) fn repo(&self) -> PathBuf {
        self.cache().join("models--lab--tiny-neox")
    }

    pub(crate) fn client(&self) -> Hub {
        Hub {
            endpoint: self.hub.url(),
            cache: self.cache(),
            token: Some(TOKEN.to_owned()),
            offline: false,
            pause: Duration::from_millis(1),
            silence: Duration::from_secs(5),
        }
    }

    pub(crate) fn fetch(&self, revision: &str) -> Result<Located, HubError> {
        self.client().fetch(ID, revision, &mut Notes::default())
    }

    /// The bytes of a large file and the end of the address they are sent from.
    pub(crate) fn weights(&self) -> (Vec<u8>, String) {
        let model = self.model.lock().expect("no panic");
        let bytes = model.commits[COMMIT]["model.safetensors"].clone();
        let end = format!("/blobs/{}?signed=yes", sha256(&bytes));
        (bytes, end)
    }

    /// A file that is on its way.
    pub(crate) fn incomplete(&self) -> PathBuf {
        let (bytes, _) = self.weights();
        self.repo()
            .join("blobs")
            .join(format!("{}.incomplete", sha256(&bytes)))
    }

    /// The files of a snapshot are those that the hub has, byte for byte.
    #[track_caller]
    pub(crate) fn is_whole(&self, located: &Located) {
        let commit = located.commit.as_deref().expect("a commit");
        let model = self.model.lock().expect("no panic");
        for name in ["config.json", "tokenizer.json", "model.safetensors"] {
            let found = fs::read(located.path.join(name)).expect("a file");
            assert!(found == model.commits[commit][name], "{name}");
        }
    }
}

fn answer(model: &Model, elsewhere: &str, request: &Request) -> Reply {
    let path = request.path.strip_prefix('/').unwrap_or_default();
    if let Some(rest) = path.strip_prefix("api/models/") {
        let revision = rest
            .strip_prefix(&format!("{ID}/revision/"))
            .and_then(|r| r.strip_suffix("?blobs=true"));
        return match revision {
            Some(revision) => model.describe(revision),
            None => Reply::new(401).with("X-Error-Code", "RepoNotFound"),
        };
    }
    let file = path
        .strip_prefix(&format!("{ID}/resolve/"))
        .and_then(|rest| rest.split_once('/'))
        .and_then(|(commit, name)| model.commits.get(commit)?.get(name));
    match file {
        None => Reply::new(404).with("X-Error-Code", "EntryNotFound"),
        Some(bytes) if bytes.len() >= LARGE => {
            let to = format!("{elsewhere}/blobs/{}?signed=yes", sha256(bytes));
            Reply::new(302).with("Location", &to)
        }
        Some(bytes) => Reply::file(bytes, request.range),
    }
}

/// Remembers notes, and asks to stop after some bytes.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) told: Vec<String>,
    pub(crate) stop_after: Option<u64>,
    pub(crate) done: u64,
}

impl Observer for Notes {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Note(text) => self.told.push((*text).to_owned()),
            Event::Advanced { done, .. } => self.done = *done,
            _ => {}
        }
    }

    fn interrupted(&self) -> bool {
        self.stop_after.is_some_and(|n| self.done >= n)
    }
}
