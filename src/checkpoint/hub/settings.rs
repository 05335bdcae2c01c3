//! Where the hub is and how it is asked, from the variables that every tool of the hub reads.

use std::path::PathBuf;
use std::time::Duration;

use super::error::HubError;
use crate::bounded;

/// The hub where `HF_ENDPOINT` names no other.
const ENDPOINT: &str = "https://huggingface.co";

/// First pause before a request is repeated; it doubles.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a connection may be silent.
const SILENCE: Duration = Duration::from_secs(30);

/// A hub, and the cache before it.
#[derive(Clone)]
pub struct Hub {
    /// As `https://huggingface.co`, without a slash at its end.
    pub endpoint: String,
    /// Folder of the cache.
    pub cache: PathBuf,
    /// Sent to the endpoint, to nobody else.
    pub token: Option<String>,
    /// The cache alone: no request is made.
    pub offline: bool,
    /// First pause before a request is repeated; it doubles.
    pub pause: Duration,
    /// How long a connection may be silent.
    pub silence: Duration,
}

/// Shows everything but the token.
impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub")
            .field("endpoint", &self.endpoint)
            .field("cache", &self.cache)
            .field("offline", &self.offline)
            .finish_non_exhaustive()
    }
}

/// A variable that is set and not empty.
fn text(name: &str) -> Option<String> {
    let value = std::env::var(name).ok()?.trim().to_owned();
    Some(value).filter(|v| !v.is_empty())
}

/// A variable that is set and not empty, as a path.
fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|v| !v.is_empty())
        .map(PathBuf::from)
}

/// `HF_HOME`, else `$XDG_CACHE_HOME/huggingface`, else `~/.cache/huggingface`.
fn home() -> PathBuf {
    path("HF_HOME").unwrap_or_else(|| {
        path("XDG_CACHE_HOME")
            .unwrap_or_else(|| path("HOME").unwrap_or_default().join(".cache"))
            .join("huggingface")
    })
}

/// The hub's cache: `HF_HUB_CACHE`, else `HF_HOME/hub`, else `~/.cache/huggingface/hub`.
#[must_use]
pub fn cache_folder() -> PathBuf {
    path("HF_HUB_CACHE").unwrap_or_else(|| home().join("hub"))
}

fn is_true(value: &str) -> bool {
    ["1", "on", "yes", "true"].contains(&value.to_lowercase().as_str())
}

impl Hub {
    /// Reads `HF_ENDPOINT`, `HF_HUB_CACHE`, `HF_HOME`, `HF_TOKEN` (else the file `HF_TOKEN_PATH` or `HF_HOME/token`),
    /// `HF_HUB_DISABLE_IMPLICIT_TOKEN` and `HF_HUB_OFFLINE`.
    ///
    /// Errors: an endpoint that is no address, a token that cannot be sent.
    pub fn from_env() -> Result<Self, HubError> {
        let endpoint = text("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned());
        let file = || {
            if text("HF_HUB_DISABLE_IMPLICIT_TOKEN").is_some_and(|v| is_true(&v)) {
                return None;
            }
            let path = path("HF_TOKEN_PATH").unwrap_or_else(|| home().join("token"));
            let token = bounded::read_text(&path, bounded::SMALL)
                .ok()?
                .trim()
                .to_owned();
            Some(token).filter(|t| !t.is_empty())
        };
        let offline = text("HF_HUB_OFFLINE").or_else(|| text("TRANSFORMERS_OFFLINE"));
        Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            cache: cache_folder(),
            token: text("HF_TOKEN").or_else(file),
            offline: offline.is_some_and(|v| is_true(&v)),
            pause: PAUSE,
            silence: SILENCE,
        }
        .checked()
    }

    fn checked(self) -> Result<Self, HubError> {
        let address = self.endpoint.parse::<ureq::http::Uri>();
        let good = address.is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some_and(|host| !host.is_empty())
                && uri.query().is_none()
        });
        if !good {
            return Err(HubError::Setting {
                name: "HF_ENDPOINT",
                what: format!(
                    "{:?} is no address of a hub; write it as \"{ENDPOINT}\"",
                    self.endpoint
                ),
            });
        }
        if let Some(token) = &self.token
            && !token.bytes().all(|b| b.is_ascii_graphic())
        {
            return Err(HubError::Setting {
                name: "HF_TOKEN",
                what: "it holds spaces or characters that no token has; copy it again".to_owned(),
            });
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(endpoint: &str, token: Option<&str>) -> Result<Hub, HubError> {
        Hub {
            endpoint: endpoint.to_owned(),
            cache: PathBuf::new(),
            token: token.map(str::to_owned),
            offline: false,
            pause: PAUSE,
            silence: SILENCE,
        }
        .checked()
    }

    #[test]
    fn endpoints_and_tokens_that_cannot_be_used_are_refused_and_no_token_is_shown() {
        for good in ["https://huggingface.co", "http://127.0.0.1:8080/mirror"] {
            assert!(hub(good, Some("hf_abc")).is_ok(), "{good}");
        }
        for bad in [
            "huggingface.co",
            "ftp://x",
            "http://",
            "https://x/?y=1",
            "not a host",
        ] {
            let error = hub(bad, None).unwrap_err();
            assert!(error.to_string().contains("HF_ENDPOINT"), "{error}");
        }
        let error = hub("https://x", Some("hf_se cret")).unwrap_err();
        assert!(!error.to_string().contains("cret"), "{error}");
        let shown = format!("{:?}", hub("https://x", Some("hf_secret")).unwrap());
        assert!(!shown.contains("secret"), "{shown}");
    }
}
