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

use super::pipe::Message;
use super::{Setting, cell};
use crate::audit::{AuditError, COMPLETE, CellFailure};
use crate::event::{Event, Observer};
use crate::exit::ExitCode;

/// How long it takes at most until a wish to stop is passed on.
const GLANCE: Duration = Duration::from_millis(100);

/// The program that runs one cell. Called with `arguments`, then `--cell SEED --cell-threads N`, it writes [`Message`]s to its
/// standard output, and stops at the next safe point when its standard input ends.
#[derive(Debug, Clone)]
pub struct Worker {
    /// This program.
    pub program: PathBuf,
    /// What names the run: spec, folder, device.
    pub arguments: Vec<OsString>,
}

/// What reaches the parent from one cell.
enum News {
    Message(Message),
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
        let ledger = setting.dir.cell(seed).ledger();
        if matches!(ledger.and_then(|l| l.is_done(COMPLETE)), Ok(true)) {
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
                let line = serde_json::from_str(&text).unwrap_or(Message::Note { text });
                // The parent listens until the end is told.
                let _ = sender.send((seed, News::Message(line)));
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
            News::Message(Message::Failed { message, code }) => {
                if let Some(running) = self.running.get_mut(&seed) {
                    running.failure = Some(CellFailure {
                        seed,
                        message,
                        code,
                    });
                }
            }
            News::Message(line) => {
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
