//! No bytes that a stranger wrote make the program panic, hang or take memory without bound.
//!
//! Every target is a plain function of bytes. The seeds of `fixtures/fuzz` are replayed, then mutated from a fixed stream:
//! a few hundred times each here, and for `UNSAID_FUZZ_SECONDS` a target where that is set (`UNSAID_FUZZ_STREAM` picks
//! another stream, `UNSAID_FUZZ_TARGETS` some targets). An input that fails is left in `target/fuzz/`.

#![allow(
    clippy::print_stdout,
    reason = "what was tried is shown under --nocapture"
)]

#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "fuzz/targets.rs"]
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mutate::Mutator;
use targets::TARGETS;

/// Mutations of each target in the quick form.
const QUICK: u64 = 400;

/// Longest that one small input may take.
const SLOW: Duration = Duration::from_secs(20);

/// Most memory of this process, all targets together.
const MEMORY_MAX: u64 = 3 << 30;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = repository().join("fixtures/fuzz").join(target);
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| fs::read(path).expect("read"))
        .collect()
}

/// Runs one input; `Err` says what went wrong.
fn try_input(run: fn(&[u8]), input: &[u8]) -> Result<(), String> {
    let clock = Instant::now();
    catch_unwind(AssertUnwindSafe(|| run(input))).map_err(|_| "it panics".to_owned())?;
    let took = clock.elapsed();
    if took > SLOW {
        return Err(format!("it takes {took:?}"));
    }
    Ok(())
}

fn leave(target: &str, input: &[u8]) -> PathBuf {
    let folder = repository().join("target/fuzz");
    fs::create_dir_all(&folder).expect("make the folder");
    let sum = input.iter().fold(0_u64, |sum, b| {
        sum.wrapping_mul(31).wrapping_add(u64::from(*b))
    });
    let path = folder.join(format!("{target}-{sum:016x}"));
    fs::write(&path, input).expect("write");
    path
}

/// Most memory that this process has had, bytes.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|l| l.trim().trim_end_matches(" kB").trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) << 10
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn no_bytes_do_harm() {
    let seconds = number("UNSAID_FUZZ_SECONDS");
    let stream = number("UNSAID_FUZZ_STREAM").unwrap_or(0);
    let only = std::env::var("UNSAID_FUZZ_TARGETS").ok();
    let mut faults = Vec::new();
    for (name, run) in TARGETS {
        if only
            .as_ref()
            .is_some_and(|only| !only.split(',').any(|o| o == *name))
        {
            continue;
        }
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name}");
        let mut mutator = Mutator::new(stream, name, seeds.clone());
        let clock = Instant::now();
        let mut inputs = 0_u64;
        let mut found = 0;
        loop {
            let input = match seeds.get(usize::try_from(inputs).expect("few")) {
                Some(seed) => seed.clone(),
                None => mutator.next(),
            };
            if let Err(fault) = try_input(*run, &input) {
                faults.push(format!(
                    "{name}: {fault}: {}",
                    leave(name, &input).display()
                ));
                found += 1;
            }
            inputs += 1;
            let is_over = match seconds {
                Some(seconds) => clock.elapsed().as_secs() >= seconds,
                None => inputs >= QUICK,
            };
            if found >= 5 || (is_over && inputs > seeds.len() as u64) {
                break;
            }
        }
        println!(
            "{name}: {inputs} inputs in {:.0} s, {found} faults",
            clock.elapsed().as_secs_f64()
        );
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(peak_memory() < MEMORY_MAX, "{} bytes", peak_memory());
}

#[test]
fn a_target_that_fails_is_found() {
    fn fails(input: &[u8]) {
        assert!(input.len() != 3, "three bytes");
    }
    assert!(try_input(fails, b"abc").is_err());
    assert!(try_input(fails, b"ab").is_ok());
    let mut mutator = Mutator::new(0, "x", vec![b"abcd".to_vec()]);
    let found = (0..1000).any(|_| try_input(fails, &mutator.next()).is_err());
    assert!(found, "mutations change lengths");
    let mut again = Mutator::new(0, "x", vec![b"abcd".to_vec()]);
    let mut once = Mutator::new(0, "x", vec![b"abcd".to_vec()]);
    assert!(
        (0..100).all(|_| again.next() == once.next()),
        "a stream is a stream"
    );
}
