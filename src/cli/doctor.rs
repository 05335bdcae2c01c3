//! `unsaid doctor`.

use std::fmt::Write as _;

use super::args::DoctorArgs;
use super::failure::Failure;
use super::output;
use crate::checkpoint::cache_folder;
#[cfg(feature = "torch")]
use crate::device::{self, LIBTORCH};
use crate::exit::ExitCode;
use crate::run_dir::processor;

/// Processor flags that decide how fast matrix products are.
const FLAGS: [&str; 5] = ["avx2", "avx512f", "avx512_bf16", "amx_bf16", "fma"];

pub(super) fn doctor(args: &DoctorArgs) -> Result<ExitCode, Failure> {
    let found = libtorch(args)?;
    let mut text = String::new();
    let mut line = |label: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{label:<12} {value}");
    };
    line("unsaid", env!("CARGO_PKG_VERSION").to_owned());
    for (label, value) in found {
        line(label, value);
    }
    line("processor", processor());
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let has = |flag: &&&str| info.split_whitespace().any(|word| word == **flag);
    let flags: Vec<&str> = FLAGS.iter().filter(has).copied().collect();
    line("vectors", flags.join(" "));
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    for (label, key) in [("memory", "MemTotal:"), ("available", "MemAvailable:")] {
        let kilobytes = memory.lines().find_map(|l| {
            l.strip_prefix(key)?
                .split_whitespace()
                .next()?
                .parse::<f64>()
                .ok()
        });
        line(
            label,
            kilobytes.map_or("unknown".to_owned(), |k| format!("{:.1} GB", k / 1e6)),
        );
    }
    let cache = cache_folder();
    let state = if cache.is_dir() {
        "there"
    } else {
        "not there yet"
    };
    line("hub cache", format!("{} ({state})", cache.display()));
    output::result(&text)?;
    Ok(ExitCode::WithinGate)
}

/// What libtorch finds here.
#[cfg(feature = "torch")]
fn libtorch(args: &DoctorArgs) -> Result<Vec<(&'static str, String)>, Failure> {
    let device = device::resolve(args.device)?;
    let library =
        device::library().map_or_else(|| "not found".to_owned(), |p| p.display().to_string());
    Ok(vec![
        (
            "libtorch",
            format!("built for {LIBTORCH}, running from {library}"),
        ),
        ("device", device.to_string()),
        ("cuda", device::cuda_state()),
        ("threads", device::set_threads(None).to_string()),
    ])
}

/// This build has no libtorch.
#[cfg(not(feature = "torch"))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "with libtorch a device may be missing"
)]
fn libtorch(_: &DoctorArgs) -> Result<Vec<(&'static str, String)>, Failure> {
    Ok(vec![(
        "libtorch",
        "not in this build: no run, probe, score, bench".to_owned(),
    )])
}
