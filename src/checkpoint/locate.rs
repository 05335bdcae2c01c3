//! Where a checkpoint lies: a folder on this machine, or a model in the hub's local cache.

use std::path::{Path, PathBuf};

/// Where a checkpoint is asked from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// A folder.
    Path(&'a Path),
    /// A model of the hub, looked up in its local cache.
    Hub {
        /// As `EleutherAI/pythia-160m`.
        id: &'a str,
        /// Branch, tag or commit.
        revision: &'a str,
    },
}

/// A checkpoint that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// Its folder.
    pub path: PathBuf,
    /// Its commit, where the hub's cache tells it.
    pub commit: Option<String>,
}

/// Why a checkpoint was not found.
#[derive(Debug, thiserror::Error)]
pub enum LocateError {
    /// There is no such folder.
    #[error("model.path: {} is not a folder; give the folder that holds config.json (--set model.path=…)", .0.display())]
    NoFolder(PathBuf),
    /// The model is not in the cache.
    #[error(
        "model.id: {id} (revision {revision}) is not in the local hub cache {}; fetch it once with \
         `hf download {id} --revision {revision}`, or point to a folder with --set model.path=DIR",
        cache.display()
    )]
    NotCached {
        /// The model.
        id: String,
        /// Its revision.
        revision: String,
        /// The cache that was looked in.
        cache: PathBuf,
    },
    /// The name cannot be a model's.
    #[error("model.id: {0:?} is not a model name; write it as \"EleutherAI/pythia-160m\"")]
    BadName(String),
}

/// Finds a checkpoint. Never goes to the network.
pub fn locate(source: Source<'_>) -> Result<Located, LocateError> {
    match source {
        Source::Path(path) if path.is_dir() => Ok(Located {
            path: path.to_owned(),
            commit: None,
        }),
        Source::Path(path) => Err(LocateError::NoFolder(path.to_owned())),
        Source::Hub { id, revision } => in_cache(&cache_folder(), id, revision),
    }
}

/// The hub's cache: `HF_HUB_CACHE`, else `HF_HOME/hub`, else `~/.cache/huggingface/hub`.
#[must_use]
pub fn cache_folder() -> PathBuf {
    let var = |name| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    var("HF_HUB_CACHE")
        .or_else(|| var("HF_HOME").map(|home| home.join("hub")))
        .or_else(|| var("XDG_CACHE_HOME").map(|cache| cache.join("huggingface/hub")))
        .unwrap_or_else(|| {
            var("HOME")
                .unwrap_or_default()
                .join(".cache/huggingface/hub")
        })
}

fn in_cache(cache: &Path, id: &str, revision: &str) -> Result<Located, LocateError> {
    let safe = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    if !(1..=2).contains(&id.split('/').count()) || !id.split('/').all(safe) {
        return Err(LocateError::BadName(id.to_owned()));
    }
    let model = cache.join(format!("models--{}", id.replace('/', "--")));
    let not_cached = || LocateError::NotCached {
        id: id.to_owned(),
        revision: revision.to_owned(),
        cache: cache.to_owned(),
    };
    if !revision.split('/').all(safe) {
        return Err(not_cached());
    }
    let commit = crate::bounded::read_text(&model.join("refs").join(revision), 4096)
        .map_or_else(|_| revision.to_owned(), |text| text.trim().to_owned());
    let path = model.join("snapshots").join(&commit);
    if safe(&commit) && path.join("config.json").exists() {
        Ok(Located {
            path,
            commit: Some(commit),
        })
    } else {
        Err(not_cached())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cached_model_is_found_by_branch_and_by_commit() {
        let tmp = tempfile::tempdir().unwrap();
        let model = tmp.path().join("models--EleutherAI--pythia-160m");
        let snapshot = model.join("snapshots/abc123");
        std::fs::create_dir_all(&snapshot).unwrap();
        std::fs::create_dir_all(model.join("refs")).unwrap();
        std::fs::write(model.join("refs/main"), "abc123\n").unwrap();
        std::fs::write(snapshot.join("config.json"), "{}").unwrap();
        for revision in ["main", "abc123"] {
            let found = in_cache(tmp.path(), "EleutherAI/pythia-160m", revision).unwrap();
            assert_eq!(found.commit.as_deref(), Some("abc123"));
            assert_eq!(found.path, snapshot);
        }
        assert!(in_cache(tmp.path(), "EleutherAI/pythia-160m", "step3000").is_err());
        assert!(in_cache(tmp.path(), "../../etc", "main").is_err());
        assert!(in_cache(tmp.path(), "EleutherAI/pythia-160m", "../../..").is_err());
    }
}
