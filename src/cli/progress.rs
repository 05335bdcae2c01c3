//! Shows events as progress bars on a terminal and as log lines elsewhere; turns Ctrl-C into a stop at the next safe point.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::args::{LogArgs, LogFormat};
use super::failure::Failure;
use crate::event::{Event, Observer};
use crate::exit::ExitCode;

/// Set by the first signal.
static STOP: AtomicBool = AtomicBool::new(false);

/// From now on the first SIGINT or SIGTERM asks work to stop at its next safe point, and the second one ends the process.
pub(super) fn watch_signals() -> Result<(), Failure> {
    ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::SeqCst) {
            super::leave(ExitCode::Interrupted);
        }
    })
    .map_err(|e| Failure::Other(format!("cannot listen for signals: {e}")))
}

/// Asks work to stop at its next safe point.
#[cfg(feature = "torch")]
pub(super) fn stop() {
    STOP.store(true, Ordering::SeqCst);
}

/// Whether work was asked to stop.
pub(super) fn stopped() -> bool {
    STOP.load(Ordering::SeqCst)
}

/// Time between two log lines about the same work, where there is no bar.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// Shows a bar, or a log line every [`LINE_EVERY`], for each piece of work in progress.
pub(super) struct Progress {
    bars: Option<MultiProgress>,
    json: bool,
    /// By seed, where cells run in parallel.
    works: BTreeMap<Option<u64>, Work>,
}

/// A piece of work in progress.
struct Work {
    label: String,
    unit: String,
    total: u64,
    started: Instant,
    told: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(super) fn new(log: &LogArgs) -> Self {
        let terminal = console::Term::stderr().is_term();
        let bars = terminal && !log.quiet && log.log_format == LogFormat::Text;
        Self {
            bars: bars.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr())),
            json: log.log_format == LogFormat::Json,
            works: BTreeMap::new(),
        }
    }

    fn show(&mut self, seed: Option<u64>, event: &Event<'_>) {
        match *event {
            Event::Started { label, total, unit } => self.start(seed, label, total, unit),
            Event::Advanced { done, state } => self.advance(seed, done, state),
            Event::Stepped { step, loss, .. } => {
                self.advance(seed, step as u64 + 1, &format!("· loss {loss:.3}"));
            }
            Event::Finished => self.finish(seed),
            Event::Note(text) => {
                if let Some(bars) = &self.bars {
                    line_above(bars, text);
                } else {
                    tracing::info!("{text}");
                }
            }
        }
    }

    fn start(&mut self, seed: Option<u64>, label: &str, total: u64, unit: &str) {
        let bar = self
            .bars
            .as_ref()
            .map(|bars| bars.add(bar(label, total, unit)));
        match &bar {
            Some(bar) => bar.enable_steady_tick(Duration::from_millis(500)),
            None if self.json => tracing::info!(work = label, total, unit, "started"),
            None => tracing::info!("{label}: {total} {unit}"),
        }
        let now = Instant::now();
        self.works.insert(
            seed,
            Work {
                label: label.to_owned(),
                unit: unit.to_owned(),
                total,
                started: now,
                told: now,
                bar,
            },
        );
    }

    fn advance(&mut self, seed: Option<u64>, done: u64, state: &str) {
        let Some(work) = self.works.get_mut(&seed) else {
            return;
        };
        if let Some(bar) = &work.bar {
            bar.set_position(done);
            bar.set_message(state.to_owned());
        } else if work.told.elapsed() >= LINE_EVERY {
            work.told = Instant::now();
            let rate = done as f64 / work.started.elapsed().as_secs_f64();
            let left = (work.total.saturating_sub(done)) as f64 / rate.max(f64::MIN_POSITIVE);
            let Work {
                label, total, unit, ..
            } = work;
            if self.json {
                tracing::info!(
                    work = label,
                    done,
                    total,
                    unit,
                    rate,
                    seconds_left = left,
                    "running"
                );
            } else {
                tracing::info!(
                    "{label}: {done}/{total} {unit}, {rate:.1} per second, {left:.0} s left {state}"
                );
            }
        }
    }

    fn finish(&mut self, seed: Option<u64>) {
        let Some(work) = self.works.remove(&seed) else {
            return;
        };
        let seconds = work.started.elapsed().as_secs_f64();
        let Work {
            label, total, unit, ..
        } = &work;
        if let (Some(bars), Some(bar)) = (&self.bars, &work.bar) {
            bar.finish_and_clear();
            bars.remove(bar);
            line_above(bars, &format!("{label}: {total} {unit} in {seconds:.1} s"));
        } else if self.json {
            tracing::info!(work = label, seconds, "done");
        } else {
            tracing::info!("{label}: done in {seconds:.1} s");
        }
    }
}

/// A line that stays, above the bars.
fn line_above(bars: &MultiProgress, text: &str) {
    bars.suspend(|| {
        let _ = console::Term::stderr().write_line(text);
    });
}

fn bar(label: &str, total: u64, unit: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
    let amount = if unit == "bytes" {
        "{bytes}/{total_bytes} · {bytes_per_sec}".to_owned()
    } else {
        format!("{{pos}}/{{len}} {unit} · {{rate}}/s")
    };
    let template = format!("{{prefix:<20}} {{wide_bar:.cyan/dim}} {amount} · {{eta}} left {{msg}}");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            // Writing to the bar's own buffer cannot fail.
            let _ = write!(out, "{:.1}", state.per_sec());
        };
        bar.set_style(style.with_key("rate", rate).progress_chars("━━─"));
    }
    bar.set_prefix(label.to_owned());
    bar
}

impl Observer for Progress {
    fn event(&mut self, event: &Event<'_>) {
        self.show(None, event);
    }

    fn of_cell(&mut self, seed: u64, event: &Event<'_>) {
        self.show(Some(seed), event);
    }

    fn cell_ended(&mut self, seed: u64) {
        // A cell that failed leaves its bar where it stopped.
        if let Some(work) = self.works.remove(&Some(seed))
            && let (Some(bars), Some(bar)) = (&self.bars, &work.bar)
        {
            bar.finish_and_clear();
            bars.remove(bar);
        }
    }

    fn interrupted(&self) -> bool {
        stopped()
    }
}
