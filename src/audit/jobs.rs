//! Several cells at once: a process each, started by this one, which shows what they tell and makes the report.
//!
//! Processes, not threads: on a GPU threads would share one stream and one autograd thread, and on a CPU one pool of workers.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::cell::{self, COMPLETE};
use super::lines::Line;
use super::{AuditError, Setting};
use crate::event::{Event, Observer};
use crate::exit::ExitCode;

/// How long it takes at most until a wish to stop is passed on.
const GLANCE: Duration = Duration::from_millis(100);

/// The program that runs one cell. Called with `arguments`, then `--cell SEED --cell-threads N`, it writes [`Line`]s to its
/// standard output, and stops at the next safe point when its standard input ends.
#[derive(Debug, Clone)]
pub struct Worker {
    /// This program.
    pub program: PathBuf,
    /// What names the run: spec, folder, device.
    pub arguments: Vec<OsString>,
}

/// A cell that failed while others went on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellFailure {
    /// Its seed.
    pub seed: u64,
    /// Its own message.
    pub message: String,
    /// Its own exit code.
    pub code: ExitCode,
}

impl std::fmt::Display for CellFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seed = format!("seed {}", self.seed);
        // A message of training names its seed itself.
        if self.message.starts_with(&seed) {
            f.write_str(&self.message)
        } else {
            write!(f, "{seed}: {}", self.message)
        }
    }
}

/// What reaches the parent from one cell.
enum News {
    Line(Line),
    /// It writes no more.
    Closed,
}

struct Running {
    child: Child,
    /// Held open while the cell shall go on.
    leash: Option<ChildStdin>,
    failure: Option<CellFailure>,
}

/// Runs every unfinished cell, as many at once and each with as many CPU threads as the setting's provenance says.
///
/// Errors: a cell failed, after all others ended; the observer asked to stop, after all stopped.
pub(super) fn run(
    setting: &Setting<'_>,
    worker: &Worker,
    observer: &mut dyn Observer,
) -> Result<(), AuditError> {
    let (jobs, threads) = (setting.provenance.jobs, setting.provenance.threads);
    let mut waiting = VecDeque::new();
    for &seed in &setting.audit.seeds {
        // A cell whose record cannot be read is for its own process to refuse, so that the others go on.
        if matches!(setting.dir.cell(seed).is_done(COMPLETE), Ok(true)) {
            observer.event(&Event::Note(&cell::kept(seed)));
        } else {
            waiting.push_back(seed);
        }
    }
    let (sender, news) = channel();
    let mut pool = Pool {
        running: BTreeMap::new(),
        failures: Vec::new(),
        stopping: false,
    };
    loop {
        pool.heed(observer);
        while !pool.stopping && pool.running.len() < jobs {
            let Some(seed) = waiting.pop_front() else {
                break;
            };
            pool.start(worker, seed, threads, &sender);
        }
        if pool.running.is_empty() {
            break;
        }
        pool.listen(&news, observer);
    }
    if pool.stopping {
        return Err(AuditError::Interrupted);
    }
    if pool.failures.is_empty() {
        return Ok(());
    }
    pool.failures.sort_by_key(|failure| failure.seed);
    Err(AuditError::Cells(pool.failures))
}

struct Pool {
    running: BTreeMap<u64, Running>,
    failures: Vec<CellFailure>,
    stopping: bool,
}

impl Pool {
    /// Passes a wish to stop on: a cell whose standard input ends stops at its next safe point.
    fn heed(&mut self, observer: &dyn Observer) {
        if observer.interrupted() && !self.stopping {
            self.stopping = true;
            for running in self.running.values_mut() {
                running.leash = None;
            }
        }
    }

    fn start(&mut self, worker: &Worker, seed: u64, threads: usize, sender: &Sender<(u64, News)>) {
        let child = Command::new(&worker.program)
            .args(&worker.arguments)
            .args(["--cell", &seed.to_string()])
            .args(["--cell-threads", &threads.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(e) => {
                self.failures.push(CellFailure {
                    seed,
                    message: format!("cannot start {}: {e}", worker.program.display()),
                    code: ExitCode::Failure,
                });
                return;
            }
        };
        let (leash, output) = (child.stdin.take(), child.stdout.take());
        let sender = sender.clone();
        std::thread::spawn(move || {
            for text in output.into_iter().flat_map(|o| BufReader::new(o).lines()) {
                let Ok(text) = text else { break };
                // What is no line of ours was printed by a library.
                let line = serde_json::from_str(&text).unwrap_or(Line::Note { text });
                // The parent listens until the end is told.
                let _ = sender.send((seed, News::Line(line)));
            }
            let _ = sender.send((seed, News::Closed));
        });
        self.running.insert(
            seed,
            Running {
                child,
                leash,
                failure: None,
            },
        );
    }

    /// Waits a moment for news, and shows it.
    fn listen(&mut self, news: &Receiver<(u64, News)>, observer: &mut dyn Observer) {
        let (seed, news) = match news.recv_timeout(GLANCE) {
            Ok(news) => news,
            // The sender that makes others lives in our caller: it is never disconnected.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
        };
        match news {
            News::Line(Line::Failed { message, code }) => {
                if let Some(running) = self.running.get_mut(&seed) {
                    running.failure = Some(CellFailure {
                        seed,
                        message,
                        code,
                    });
                }
            }
            News::Line(line) => {
                if let Some(event) = line.event() {
                    observer.of_cell(seed, &event);
                }
            }
            News::Closed => self.end(seed, observer),
        }
    }

    fn end(&mut self, seed: u64, observer: &mut dyn Observer) {
        let Some(mut running) = self.running.remove(&seed) else {
            return;
        };
        let status = running.child.wait();
        observer.cell_ended(seed);
        let Some(failure) = running.failure.or_else(|| unexplained(seed, &status)) else {
            return;
        };
        if !self.stopping {
            let others = if self.running.is_empty() {
                ""
            } else {
                "; the other seeds go on"
            };
            observer.event(&Event::Note(&format!("{failure}{others}")));
        }
        self.failures.push(failure);
    }
}

/// The failure of a process that ended without a word.
fn unexplained(seed: u64, status: &std::io::Result<ExitStatus>) -> Option<CellFailure> {
    let (message, code) = match status {
        Ok(status) if status.success() => return None,
        Ok(status) => match status.code() {
            Some(code) if code == i32::from(ExitCode::Interrupted.code()) => {
                ("interrupted".to_owned(), ExitCode::Interrupted)
            }
            _ => (
                format!(
                    "its process ended without a message ({status}); where the machine ran out of memory, use fewer --jobs"
                ),
                ExitCode::Failure,
            ),
        },
        Err(e) => (format!("its process was lost: {e}"), ExitCode::Failure),
    };
    Some(CellFailure {
        seed,
        message,
        code,
    })
}

/// The exit code of failed cells: of the first one that was not merely interrupted.
#[must_use]
pub fn code(failures: &[CellFailure]) -> ExitCode {
    let mut codes = failures.iter().map(|failure| failure.code);
    codes
        .find(|code| *code != ExitCode::Interrupted)
        .unwrap_or(ExitCode::Interrupted)
}

/// The failures, a line each.
pub(super) fn list(failures: &[CellFailure]) -> String {
    let lines: Vec<String> = failures.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(seed: u64, message: &str, code: u8) -> CellFailure {
        CellFailure {
            seed,
            message: message.to_owned(),
            code: code.try_into().unwrap(),
        }
    }

    #[test]
    fn a_failure_names_its_seed_once() {
        let both = [
            failure(1, "seed 1: loss is NaN", 4),
            failure(2, "disk full", 4),
        ];
        assert_eq!(list(&both), "seed 1: loss is NaN\nseed 2: disk full");
    }

    #[test]
    fn an_interrupt_gives_way_to_any_other_code() {
        let stopped = failure(0, "interrupted", 130);
        assert_eq!(code(std::slice::from_ref(&stopped)).code(), 130);
        let all = [stopped, failure(1, "x", 2), failure(2, "y", 4)];
        assert_eq!(code(&all).code(), 2);
    }
}
