//! Writes results to standard output and everything else to standard error.

use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use console::Term;

use super::args::{LogArgs, LogFormat};
use super::failure::Failure;
use crate::report::MIN_WIDTH;

/// Writes a result to standard output.
pub(super) fn result(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|e| match e.kind() {
            ErrorKind::BrokenPipe => Failure::OutputClosed,
            _ => Failure::Other(format!("cannot write the result: {e}")),
        })
}

/// Set once the user asked for log lines in JSON.
static JSON: AtomicBool = AtomicBool::new(false);

/// Writes the one message of a failed command, as a line of JSON where the log is in JSON.
pub(super) fn error(message: &str) {
    if JSON.load(Ordering::Relaxed) {
        let line = serde_json::json!({ "level": "ERROR", "message": message });
        let _ = writeln!(io::stderr(), "{line}");
        return;
    }
    let label = console::style("error:").for_stderr().red().bold();
    // Where standard error is closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "{label} {message}");
}

/// Writes what the user can do next; nothing where the log is in JSON.
pub(super) fn hint(message: &str) {
    if JSON.load(Ordering::Relaxed) {
        return;
    }
    let _ = writeln!(io::stderr(), "hint: {message}");
}

/// Width of tables, in columns: the terminal's, 80 without a terminal.
pub(super) fn width() -> usize {
    let columns = Term::stdout()
        .size_checked()
        .map_or(80, |(_, columns)| usize::from(columns));
    columns.max(MIN_WIDTH)
}

/// Whether results may carry ANSI colours.
pub(super) fn color() -> bool {
    Term::stdout().is_term() && console::colors_enabled() && std::env::var_os("NO_COLOR").is_none()
}

/// Starts logging to standard error, as the options ask.
pub(super) fn start_log(log: &LogArgs) {
    JSON.store(log.log_format == LogFormat::Json, Ordering::Relaxed);
    if log.quiet {
        return;
    }
    let base = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_target(false)
        // Standard error may be closed; that is no reason to stop.
        .log_internal_errors(false)
        .with_max_level(tracing::Level::INFO);
    // A second start in one process keeps the first.
    let _ = match log.log_format {
        LogFormat::Json => base.json().flatten_event(true).try_init(),
        LogFormat::Text => base
            .with_ansi(Term::stderr().is_term() && console::colors_enabled_stderr())
            .without_time()
            .with_level(false)
            .try_init(),
    };
}
