//! `unsaid bench`.

use std::path::Path;

use super::args::BenchArgs;
use super::exit::{ExitCode, Failure};
use super::output;
use crate::audit::bench::bench;
use crate::device;
use crate::model::shapes::published;
use crate::spec::{Override, parse};
use crate::units::Phase;

pub(super) fn run(args: &BenchArgs) -> Result<ExitCode, Failure> {
    let config = published(&format!("pythia-{}", args.shape)).ok_or_else(|| {
        Failure::Input(format!(
            "--shape {}: known are 14m, 31m, 70m, 160m, 410m, 1b, 1.4b, 2.8b, 6.9b, 12b",
            args.shape
        ))
    })?;
    let phase = Phase::try_from(args.phase).map_err(Failure::Input)?;
    let device = device::resolve(args.device)?;
    let text = "format = 1\n[audit]\nname = \"bench\"\n[model]\nid = \"EleutherAI/pythia-160m\"\n";
    let batch = Override::parse(&format!("phase{}.batch={}", args.phase, args.batch))?;
    let audit = parse(text, Path::new("bench.toml"), &[batch])?;
    let found = bench(
        &audit,
        &config,
        &args.shape,
        phase,
        args.repeat.max(1),
        device,
    )?;
    if args.json {
        let json = serde_json::to_string(&found).map_err(|e| Failure::Other(e.to_string()))?;
        output::result(&(json + "\n"))?;
    } else {
        output::result(&format!(
            "{} phase {} batch {} on {} in {}: {:.2} s a step ({:.2} to {:.2}), MFU {:.2} of {:.0} GFLOP/s, peak memory {:.1} GB\n",
            found.shape,
            found.phase,
            found.batch,
            found.device,
            found.precision,
            found.step_s,
            found.step_s_min,
            found.step_s_max,
            found.mfu,
            found.peak_flops / 1e9,
            found.peak_memory_bytes.unwrap_or(0) as f64 / 1e9
        ))?;
    }
    Ok(ExitCode::WITHIN_GATE)
}
