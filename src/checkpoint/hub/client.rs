//! Requests: redirects by hand, so that the token goes to the endpoint alone; refusals told apart; patience with bounds.

use std::time::{Duration, Instant};

use ureq::http::header::{AUTHORIZATION, CONTENT_RANGE, LOCATION, RANGE, RETRY_AFTER};
use ureq::http::{HeaderMap, Response, Uri};
use ureq::{Agent, Body};

use super::error::HubError;
use super::settings::Hub;
use crate::event::Observer;

/// Requests for one thing before it is given up.
pub(super) const TRIES: u32 = 4;

/// Redirects of one request.
const REDIRECTS: usize = 5;

/// Longest pause that a server may ask for and still be waited for.
const LONGEST_WAIT: u64 = 60;

/// How often a pause looks whether the user asked to stop.
const LOOK: Duration = Duration::from_millis(50);

/// Longest error text of a hub that is repeated to the user.
const EXCERPT: usize = 200;

/// Asks one hub.
pub(super) struct Client<'a> {
    pub(super) hub: &'a Hub,
    agent: Agent,
}

/// The response of a request that succeeded.
pub(super) struct Answer {
    pub(super) response: Response<Body>,
    /// Who gave it.
    pub(super) host: String,
}

/// A refusal, as the hub tells it.
pub(super) struct Refusal {
    status: u16,
    code: String,
    message: String,
    host: String,
    tries: u32,
    wait: Option<u64>,
}

/// What a request led to.
pub(super) enum Reply {
    Answer(Answer),
    Refusal(Refusal),
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|v| v.to_str().ok())
}

/// First byte of a partial answer.
pub(super) fn range_start(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (start, _) = value.strip_prefix("bytes ")?.split_once('-')?;
    start.parse().ok()
}

/// Scheme, host and port: what must be the same for a token to be sent.
fn origin(uri: &Uri) -> Option<(String, String, u16)> {
    let scheme = uri.scheme_str()?.to_lowercase();
    let port = uri
        .port_u16()
        .unwrap_or(if scheme == "https" { 443 } else { 80 });
    Some((scheme, uri.host()?.to_lowercase(), port))
}

fn host_of(uri: &Uri) -> String {
    uri.authority()
        .map_or_else(String::new, |a| match a.as_str().rsplit_once('@') {
            // Never repeat what may be a password.
            Some((_, host)) => host.to_owned(),
            None => a.as_str().to_owned(),
        })
}

/// Where a redirect leads; `Err` says why it is not followed.
fn redirected(from: &Uri, location: &str) -> Result<Uri, &'static str> {
    let next = if location.starts_with('/') && !location.starts_with("//") {
        let origin = format!(
            "{}://{}",
            from.scheme_str().unwrap_or("https"),
            from.authority().map_or("", |a| a.as_str())
        );
        (origin + location).parse::<Uri>()
    } else {
        location.parse::<Uri>()
    };
    match next {
        Ok(next) if from.scheme_str() == Some("https") && next.scheme_str() != Some("https") => {
            Err("to an address without encryption")
        }
        Ok(next) if matches!(next.scheme_str(), Some("http" | "https")) => Ok(next),
        _ => Err("to what is no address"),
    }
}

impl<'a> Client<'a> {
    pub(super) fn new(hub: &'a Hub) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .accept_encoding("identity")
            .user_agent(concat!("unsaid/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(hub.silence))
            .timeout_connect(Some(hub.silence))
            .timeout_recv_response(Some(hub.silence))
            .timeout_per_read(Some(hub.silence))
            .build();
        Self {
            hub,
            agent: config.into(),
        }
    }

    /// Asks for `url`, from byte `from` on where given. `what`: its name in messages. Passing trouble is waited out, a few times.
    ///
    /// Errors: no connection, a redirect that is not followed, patience at an end.
    pub(super) fn get(
        &self,
        url: &str,
        what: &str,
        from: Option<u64>,
        observer: &mut dyn Observer,
    ) -> Result<Reply, HubError> {
        let mut pause = self.hub.pause;
        for tries in 1.. {
            let trouble = match self.once(url, what, from) {
                Ok(Reply::Refusal(mut refusal)) => {
                    refusal.tries = tries;
                    let passing = refusal.status == 429 || refusal.status >= 500;
                    let long = refusal.wait.is_some_and(|s| s > LONGEST_WAIT);
                    if !passing || long || tries >= TRIES {
                        return self.give_up(refusal, what);
                    }
                    refusal.wait.map(Duration::from_secs)
                }
                Ok(answer) => return Ok(answer),
                Err(error) if tries >= TRIES || !matches!(error, HubError::Unreachable { .. }) => {
                    return Err(error);
                }
                Err(_) => None,
            };
            wait(trouble.unwrap_or(pause), observer)?;
            pause *= 2;
        }
        Err(HubError::Interrupted)
    }

    fn give_up(&self, refusal: Refusal, what: &str) -> Result<Reply, HubError> {
        match refusal.status {
            429 => Err(HubError::Busy {
                host: refusal.host,
                wait: refusal.wait.unwrap_or(LONGEST_WAIT),
                tries: refusal.tries,
                with_token: self.hub.token.is_some(),
            }),
            500.. => Err(refusal.into_error(what)),
            _ => Ok(Reply::Refusal(refusal)),
        }
    }

    fn once(&self, url: &str, what: &str, from: Option<u64>) -> Result<Reply, HubError> {
        let parse = |text: &str| {
            text.parse::<Uri>().map_err(|e| HubError::Unreachable {
                host: self.hub.endpoint.clone(),
                message: e.to_string(),
            })
        };
        let home = origin(&parse(&self.hub.endpoint)?);
        let mut uri = parse(url)?;
        for _ in 0..=REDIRECTS {
            let mut request = self.agent.get(&uri);
            if let Some(from) = from {
                request = request.header(RANGE, format!("bytes={from}-"));
            }
            // Elsewhere the address itself is signed, and a token would be a gift.
            if let Some(token) = self.hub.token.as_ref().filter(|_| origin(&uri) == home) {
                request = request.header(AUTHORIZATION, format!("Bearer {token}"));
            }
            let response = request.call().map_err(|e| HubError::Unreachable {
                host: host_of(&uri),
                message: e.to_string(),
            })?;
            let status = response.status().as_u16();
            if let (301 | 302 | 303 | 307 | 308, Some(location)) =
                (status, header(response.headers(), LOCATION.as_str()))
            {
                uri = redirected(&uri, location).map_err(|why| HubError::Redirect {
                    host: host_of(&uri),
                    what: what.to_owned(),
                    why,
                })?;
                continue;
            }
            let host = host_of(&uri);
            return Ok(if status < 300 {
                Reply::Answer(Answer { response, host })
            } else {
                Reply::Refusal(Refusal::read(response, host))
            });
        }
        Err(HubError::Redirect {
            host: host_of(&uri),
            what: what.to_owned(),
            why: "in circles",
        })
    }
}

/// Waits, but no longer than until the user asks to stop.
pub(super) fn wait(duration: Duration, observer: &mut dyn Observer) -> Result<(), HubError> {
    let end = Instant::now() + duration;
    loop {
        if observer.interrupted() {
            return Err(HubError::Interrupted);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(LOOK));
    }
}

impl Refusal {
    fn read(mut response: Response<Body>, host: String) -> Self {
        let headers = response.headers();
        let text = |name| header(headers, name).unwrap_or_default().to_owned();
        let (code, mut message) = (text("x-error-code"), text("x-error-message"));
        let wait = header(headers, RETRY_AFTER.as_str()).and_then(|v| v.trim().parse().ok());
        if message.is_empty() {
            let body = response.body_mut().with_config().limit(1 << 16);
            let body: serde_json::Value =
                serde_json::from_slice(&body.read_to_vec().unwrap_or_default()).unwrap_or_default();
            body["error"]
                .as_str()
                .unwrap_or_default()
                .clone_into(&mut message);
        }
        Self {
            status: response.status().as_u16(),
            code,
            message: message
                .chars()
                .filter(|c| !c.is_control())
                .take(EXCERPT)
                .collect(),
            host,
            tries: 1,
            wait,
        }
    }

    pub(super) fn into_error(self, what: &str) -> HubError {
        HubError::Status {
            host: self.host,
            what: what.to_owned(),
            status: self.status,
            message: self.message,
            tries: self.tries,
        }
    }

    pub(super) fn status(&self) -> u16 {
        self.status
    }

    /// What it means for a model of this name.
    pub(super) fn of_model(self, hub: &Hub, id: &str, revision: &str, what: &str) -> HubError {
        let (endpoint, id) = (hub.endpoint.clone(), id.to_owned());
        let with_token = hub.token.is_some();
        match (self.code.as_str(), self.status) {
            ("GatedRepo", _) | ("", 403) => HubError::Gated {
                endpoint,
                id,
                with_token,
            },
            ("RevisionNotFound", _) => HubError::NoRevision {
                endpoint,
                id,
                revision: revision.to_owned(),
            },
            // The hub does not tell a stranger whether a private model exists: 401 is "none that you may see".
            ("RepoNotFound", _) | (_, 401) | ("", 404) => HubError::NoModel {
                endpoint,
                id,
                with_token,
            },
            _ => self.into_error(what),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_keep_encryption_and_know_their_origin() {
        let from: Uri = "https://hub.example/a/b".parse().unwrap();
        let to = |location: &str| redirected(&from, location).map(|u| u.to_string());
        assert_eq!(to("/c?d=1").unwrap(), "https://hub.example/c?d=1");
        assert_eq!(
            to("https://cdn.example/x").unwrap(),
            "https://cdn.example/x"
        );
        for bad in ["http://hub.example/c", "file:///etc/passwd", "//x/y", "c"] {
            assert!(to(bad).is_err(), "{bad}");
        }
        let same = |a: &str, b: &str| origin(&a.parse().unwrap()) == origin(&b.parse().unwrap());
        assert!(same("https://Hub.example/x", "https://hub.example:443/y"));
        for other in [
            "https://hub.example:8443/",
            "http://hub.example/",
            "https://hub.example.evil/",
            "https://hub.example@evil/",
        ] {
            assert!(!same("https://hub.example/", other), "{other}");
        }
    }
}
