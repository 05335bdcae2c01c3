//! Kill-safety: SIGKILL at random moments, and at every point between the steps of writing a file.
//!
//! The quick form runs always. `UNSAID_KILLS=full` runs the whole of it: at least 50 random kills, and every fault point.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use safetensors::SafeTensors;
use serde_json::Value;

use crate::bench::Bench;
use crate::child::{KEPT, assert_same, command, start};
use crate::program::Outcome;

fn is_full() -> bool {
    std::env::var("UNSAID_KILLS").as_deref() == Ok("full")
}

/// Every file under a final name is whole, and what holds a canary is its owner's alone, temporary files included.
#[track_caller]
fn assert_whole(bench: &Bench) {
    if !bench.path("out").exists() {
        return;
    }
    let mut secrets: Vec<String> = Vec::new();
    if bench.path("out/seed-0/canaries.jsonl").exists() {
        let lines = bench.lines("out/seed-0/canaries.jsonl");
        secrets.extend(
            lines
                .iter()
                .filter_map(|l| Some(l["text"].as_str()?.to_owned())),
        );
    }
    for (path, bytes) in bench.tree("out") {
        let Some(bytes) = bytes else { continue };
        let shown = path.display();
        let name = path.file_name().and_then(|n| n.to_str()).expect("plain");
        let text = String::from_utf8_lossy(&bytes);
        if secrets.iter().any(|secret| text.contains(secret)) {
            let mode = fs::metadata(&path).expect("there").permissions().mode();
            assert_eq!(mode & 0o077, 0, "{shown} holds a canary");
        }
        if name.starts_with(".unsaid-") {
            continue;
        }
        match path.extension().and_then(|e| e.to_str()) {
            Some("json") => {
                serde_json::from_slice::<Value>(&bytes).unwrap_or_else(|e| panic!("{shown}: {e}"));
            }
            Some("jsonl") => assert!(
                text.lines()
                    .all(|l| serde_json::from_str::<Value>(l).is_ok()),
                "{shown}"
            ),
            Some("safetensors") => {
                SafeTensors::deserialize(&bytes).unwrap_or_else(|e| panic!("{shown}: {e}"));
            }
            Some("toml") => assert!(text.contains("[gate]"), "{shown}"),
            _ => {}
        }
    }
}

/// Bytes below a folder.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|e| match e.metadata() {
            Ok(m) if m.is_dir() => size(&e.path()),
            Ok(m) => m.len(),
            Err(_) => 0,
        })
        .sum()
}

/// A little generator: which moments are tried is written down nowhere, since no two machines meet the same ones.
struct Moments(u64);

impl Moments {
    fn next(&mut self, below: Duration) -> Duration {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let share = (self.0 >> 40) as f64 / f64::from(1 << 24);
        below.mul_f64(share)
    }
}

/// The names of the states that were saved within phases.
fn states(bench: &Bench) -> BTreeSet<OsString> {
    let entries = fs::read_dir(bench.path("out/seed-0/midway"));
    let entries = entries.into_iter().flatten().flatten();
    entries.map(|e| e.file_name()).collect()
}

#[test]
fn kills_at_random_moments_change_nothing() {
    let (wanted, per_audit) = if is_full() { (60, 10) } else { (5, 5) };
    let mut settings = KEPT.to_vec();
    if is_full() {
        // Phases long beside the program's start and its probes, so that most kills land within one.
        settings.extend(["--set", "canaries.repeats=90"]);
    }
    let undisturbed = Bench::new();
    let clock = Instant::now();
    undisturbed.finish("out", &settings);
    let whole = clock.elapsed();
    let mut moments = Moments(1);
    let (mut kills, mut within, mut audits, mut resumed, mut largest) = (0, 0, 0, 0, 0);
    while kills < wanted {
        let bench = Bench::new();
        for n in 0..per_audit {
            let mut child = start(&bench, "out", &settings);
            if n % 2 == 0 {
                sleep(moments.next(whole.mul_f64(0.8)) + whole.mul_f64(0.1));
            } else {
                // Soon after a state was saved, however fast the machine is just now: the next one resumes within a phase.
                let before = states(&bench);
                while states(&bench) == before && child.try_wait().expect("a child").is_none() {
                    sleep(Duration::from_millis(2));
                }
                sleep(moments.next(whole.mul_f64(0.05)));
            }
            child.kill().expect("kill");
            let output = child.wait_with_output().expect("it ends");
            if output.status.signal() != Some(9) {
                // It was faster than its killer.
                break;
            }
            kills += 1;
            let log = String::from_utf8_lossy(&output.stderr).into_owned();
            let begun = log
                .lines()
                .filter(|l| l.contains("· phase") && l.ends_with(" steps"));
            let done = log
                .lines()
                .filter(|l| l.contains("· phase") && l.contains(": done"));
            within += usize::from(begun.count() > done.count());
            resumed += usize::from(log.contains("resumed at phase"));
            largest = largest.max(size(&bench.path("out")));
            assert_whole(&bench);
        }
        let outcome = bench.finish("out", &settings);
        resumed += usize::from(outcome.stderr.contains("resumed at phase"));
        assert_same(&bench, &undisturbed, "out");
        let left = bench.tree("out");
        let left = left.keys().filter(|p| {
            let name = p.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(".unsaid-") && name != ".unsaid-lock"
        });
        assert_eq!(left.count(), 0, "temporary files stay behind");
        audits += 1;
    }
    println!(
        "{kills} random kills in {audits} audits, {within} of them within a phase; {resumed} times resumed within one; \
         largest folder {largest} bytes, the undisturbed one {}",
        size(&undisturbed.path("out"))
    );
    assert!(kills >= wanted);
    if is_full() {
        assert!(2 * within > kills, "most kills should land within a phase");
        assert!(resumed >= 10, "{resumed} resumptions of {kills}");
    }
}

/// A run that a fault stops at its n-th point; `None` where it has fewer.
fn faulted(bench: &Bench, fault: &str, at: u64, more: &[&str]) -> Option<Outcome> {
    let mut command = command(bench, "out", more);
    command.env("UNSAID_FAULT", format!("{fault}:{at}"));
    let output = command.output().expect("the program starts");
    let ended = matches!(output.status.code(), Some(0 | 1 | 3));
    if output.status.signal().is_some() {
        assert_eq!(output.status.signal(), Some(9));
    }
    (!ended).then(|| output.into())
}

/// Few steps with a state between them: every kind of file is written.
const SHORT: [&str; 2] = ["--set", "run.checkpoint_every=3 steps"];

#[test]
fn kills_at_the_points_of_writing_change_nothing() {
    let step = if is_full() { 1 } else { 61 };
    let undisturbed = Bench::new();
    undisturbed.finish("out", &SHORT);
    let (mut at, mut kills) = (1, 0);
    loop {
        let bench = Bench::new();
        if faulted(&bench, "kill", at, &SHORT).is_none() {
            break;
        }
        assert_whole(&bench);
        bench.finish("out", &SHORT);
        assert_whole(&bench);
        assert_same(&bench, &undisturbed, "out");
        kills += 1;
        at += step;
    }
    println!(
        "{kills} kills, at every {step}th of about {} points of writing",
        at - 1
    );
    assert!(kills >= if is_full() { 300 } else { 4 }, "{kills}");
}

#[test]
fn errors_of_the_disk_are_one_message_and_lose_nothing() {
    let (step, faults) = if is_full() {
        (1, &["enospc", "eio", "erofs"][..])
    } else {
        (97, &["enospc"][..])
    };
    let undisturbed = Bench::new();
    undisturbed.finish("out", &SHORT);
    let mut errors = 0;
    for fault in faults {
        let mut at = 1;
        loop {
            let bench = Bench::new();
            let Some(outcome) = faulted(&bench, fault, at, &SHORT) else {
                break;
            };
            let words = match *fault {
                "enospc" => "No space left",
                "eio" => "Input/output error",
                _ => "Read-only file system",
            };
            outcome.failed(4, &["cannot ", "out", words]);
            assert_whole(&bench);
            bench.finish("out", &SHORT);
            assert_same(&bench, &undisturbed, "out");
            errors += 1;
            at += step;
        }
    }
    println!("{errors} errors of the disk");
    assert!(errors >= 3);
}
