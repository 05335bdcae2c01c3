//! Faults on purpose, for tests: the n-th point of the process at which a file is half way to its place fails or is the last.
//!
//! `UNSAID_FAULT=kill:17` ends the process by SIGKILL at its 17th point; `enospc:17`, `eio:17` and `erofs:17` make the
//! system's error of that name up there. Without the variable nothing happens.

use std::io;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Kill,
    Error(i32),
}

/// What is asked for: a fault and its point, from 1.
fn parse(text: &str) -> Option<(Fault, u64)> {
    let (name, at) = text.split_once(':')?;
    let fault = match name {
        "kill" => Fault::Kill,
        "enospc" => Fault::Error(libc::ENOSPC),
        "eio" => Fault::Error(libc::EIO),
        "erofs" => Fault::Error(libc::EROFS),
        _ => return None,
    };
    Some((fault, at.parse().ok()?))
}

/// One point: before or after a step of writing, renaming or removing a file.
pub(super) fn point() -> io::Result<()> {
    static ASKED: OnceLock<Option<(Fault, u64)>> = OnceLock::new();
    static POINTS: AtomicU64 = AtomicU64::new(0);
    let asked = ASKED.get_or_init(|| std::env::var("UNSAID_FAULT").ok().and_then(|t| parse(&t)));
    let Some((fault, at)) = *asked else {
        return Ok(());
    };
    if POINTS.fetch_add(1, Ordering::Relaxed) + 1 != at {
        return Ok(());
    }
    match fault {
        Fault::Error(code) => Err(io::Error::from_raw_os_error(code)),
        Fault::Kill => {
            Command::new("kill")
                .args(["-KILL", &std::process::id().to_string()])
                .status()?;
            // Until the signal arrives nothing more may happen.
            loop {
                std::thread::sleep(Duration::from_secs(1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_named_with_its_point() {
        assert_eq!(parse("kill:3"), Some((Fault::Kill, 3)));
        assert_eq!(parse("enospc:1"), Some((Fault::Error(libc::ENOSPC), 1)));
        assert_eq!(parse("kill"), None);
        assert_eq!(parse("kill:x"), None);
        assert_eq!(parse("nap:1"), None);
    }
}
