//! Events to progress bars on a terminal, to log lines elsewhere; Ctrl-C to a stop at the next safe point.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::args::{LogArgs, LogFormat};
use super::exit::{ExitCode, Failure};
use crate::event::{Event, Observer};

/// Set by the first signal.
static STOP: AtomicBool = AtomicBool::new(false);

/// From now on the first SIGINT or SIGTERM asks work to stop at its next safe point, and a second one stops at once.
pub(super) fn watch_signals() -> Result<(), Failure> {
    ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::SeqCst) {
            crate::native::leave(ExitCode::INTERRUPTED.0);
        }
    })
    .map_err(|e| Failure::Other(format!("cannot listen for signals: {e}")))
}

/// How often a log line tells of progress where there is no bar.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// Shows what happens.
pub(super) struct Progress {
    bars: bool,
    json: bool,
    bar: Option<ProgressBar>,
    label: String,
    unit: &'static str,
    total: u64,
    started: Instant,
    told: Instant,
}

impl Progress {
    pub(super) fn new(log: &LogArgs) -> Self {
        let terminal = console::Term::stderr().is_term();
        Self {
            bars: terminal && !log.quiet && log.log_format == LogFormat::Text,
            json: log.log_format == LogFormat::Json,
            bar: None,
            label: String::new(),
            unit: "",
            total: 0,
            started: Instant::now(),
            told: Instant::now(),
        }
    }

    fn start(&mut self, label: &str, total: u64, unit: &'static str) {
        label.clone_into(&mut self.label);
        self.unit = unit;
        self.total = total;
        self.started = Instant::now();
        self.told = self.started;
        if !self.bars {
            if self.json {
                tracing::info!(work = label, total, unit, "started");
            } else {
                tracing::info!("{label}: {total} {unit}");
            }
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        let amount = if unit == "bytes" {
            "{bytes}/{total_bytes} · {bytes_per_sec}".to_owned()
        } else {
            format!("{{pos}}/{{len}} {unit} · {{rate}}/s")
        };
        let template =
            format!("{{prefix:<20}} {{wide_bar:.cyan/dim}} {amount} · {{eta}} left {{msg}}");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                // Writing to the bar's own buffer cannot fail.
                let _ = write!(out, "{:.1}", state.per_sec());
            };
            bar.set_style(style.with_key("rate", rate).progress_chars("━━─"));
        }
        bar.set_prefix(self.label.clone());
        bar.enable_steady_tick(Duration::from_millis(500));
        self.bar = Some(bar);
    }

    fn advance(&mut self, done: u64, state: &str) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.set_message(state.to_owned());
        } else if self.told.elapsed() >= LINE_EVERY {
            self.told = Instant::now();
            let rate = done as f64 / self.started.elapsed().as_secs_f64();
            let left = (self.total.saturating_sub(done)) as f64 / rate.max(f64::MIN_POSITIVE);
            let (label, total, unit) = (&self.label, self.total, self.unit);
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
                    "{label}: {done}/{total} {unit}, {rate:.1} a second, {left:.0} s left {state}"
                );
            }
        }
    }

    fn finish(&mut self) {
        let seconds = self.started.elapsed().as_secs_f64();
        let (label, total, unit) = (&self.label, self.total, self.unit);
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
            let line = format!("{label}: {total} {unit} in {seconds:.1} s");
            let _ = console::Term::stderr().write_line(&line);
        } else if self.json {
            tracing::info!(work = label, seconds, "done");
        } else {
            tracing::info!("{label}: done in {seconds:.1} s");
        }
    }
}

impl Observer for Progress {
    fn event(&mut self, event: &Event<'_>) {
        match *event {
            Event::Started { label, total, unit } => self.start(label, total, unit),
            Event::Advanced { done, state } => self.advance(done, state),
            Event::Stepped { step, loss, .. } => {
                self.advance(step as u64 + 1, &format!("· loss {loss:.3}"));
            }
            Event::Finished => self.finish(),
            Event::Note(text) if self.bars => {
                let _ = console::Term::stderr().write_line(text);
            }
            Event::Note(text) => tracing::info!("{text}"),
        }
    }

    fn interrupted(&self) -> bool {
        STOP.load(Ordering::SeqCst)
    }
}
