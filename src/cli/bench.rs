//! `unsaid bench`.

use std::path::Path;

use serde::Serialize;

use super::args::{BenchArgs, ProbeArg};
use super::failure::Failure;
use super::output;
use crate::bench::{Bench, ScanBench, Setup, bench, bench_scan};
use crate::checkpoint::shapes::published;
use crate::checkpoint::{Folder, ModelConfig};
use crate::device::{self, Arithmetic};
use crate::exit::ExitCode;
use crate::spec::{Override, parse};
use crate::units::Phase;

pub(super) fn run(args: &BenchArgs) -> Result<ExitCode, Failure> {
    let (shape, config) = shape(args)?;
    if args.probe == Some(ProbeArg::Scan) {
        return run_scan(args, &shape, &config);
    }
    let phase = Phase::try_from(args.phase).map_err(Failure::Input)?;
    let device = device::resolve(args.device)?;
    let arithmetic = Arithmetic::resolve(args.precision, device)?;
    let mut keys = vec![Override::parse(&format!(
        "phase{}.batch={}",
        args.phase, args.batch
    ))?];
    if let Some(rows) = args.micro_batch {
        keys.push(Override::parse(&format!("run.micro_batch={rows}"))?);
    }
    let audit = parse(SPEC, Path::new("bench.toml"), &keys)?;
    let subject = Setup {
        shape,
        config,
        phase,
        device,
        arithmetic,
    };
    let found =
        bench(&audit, &subject, args.repeat.max(1)).map_err(|e| Failure::Other(e.to_string()))?;
    print(args, &found, step_text)
}

/// Every phase and probe as the recipe has them; only the model's shape is not taken from here.
const SPEC: &str =
    "format = 1\n[audit]\nname = \"bench\"\n[model]\nid = \"EleutherAI/pythia-160m\"\n";

/// Prints what was measured, as JSON or as text.
fn print<T: Serialize>(
    args: &BenchArgs,
    found: &T,
    text: fn(&T) -> String,
) -> Result<ExitCode, Failure> {
    if args.json {
        let json = serde_json::to_string(found).map_err(|e| Failure::Other(e.to_string()))?;
        output::result(&(json + "\n"))?;
    } else {
        output::result(&text(found))?;
    }
    Ok(ExitCode::WithinGate)
}

fn run_scan(args: &BenchArgs, shape: &str, config: &ModelConfig) -> Result<ExitCode, Failure> {
    let device = device::resolve(args.device)?;
    let arithmetic = Arithmetic::resolve(args.precision, device)?;
    let on = Override::parse("probes.scan.enabled=true")?;
    let audit = parse(SPEC, Path::new("bench.toml"), &[on])?;
    let Some(settings) = audit.probes.scan else {
        return Err(Failure::Other("the scan has no settings".to_owned()));
    };
    let found = bench_scan(shape, config, &settings, device, arithmetic, args.repeat)
        .map_err(|e| Failure::Other(e.to_string()))?;
    print(args, &found, scan_text)
}

/// What a scan cost, one number per line.
fn scan_text(found: &ScanBench) -> String {
    let about = format!(
        "scan of {} on {} in {}: every sequence of {} letters, then a beam of {}\n",
        found.shape, found.device, found.precision, found.depth, found.beam
    );
    let lines = [
        ("seconds per scan", format!("{:.2}", found.scan_s)),
        ("fastest", format!("{:.2}", found.scan_s_min)),
        ("slowest", format!("{:.2}", found.scan_s_max)),
        ("contexts", found.contexts.to_string()),
        ("contexts/s", format!("{:.0}", found.contexts_per_s)),
        ("next-token distributions", found.distributions.to_string()),
        (
            "next-token distributions/s",
            format!("{:.0}", found.distributions_per_s),
        ),
        (
            "peak memory, GB",
            found
                .peak_memory_bytes
                .map_or_else(|| "n/a".to_owned(), |b| format!("{:.1}", b as f64 / 1e9)),
        ),
    ];
    let line = |(name, value): &(&str, String)| format!("{name:<28}{value:>12}\n");
    about + &lines.iter().map(line).collect::<String>()
}

fn shape(args: &BenchArgs) -> Result<(String, ModelConfig), Failure> {
    let (name, mut config) = if let Some(path) = &args.model {
        let folder = Folder::open(path).map_err(|e| Failure::Input(e.to_string()))?;
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
        (name.unwrap_or_default(), folder.config)
    } else {
        let config = published(&format!("pythia-{}", args.shape)).ok_or_else(|| {
            Failure::Input(format!(
                "--shape {}: known are 14m, 31m, 70m, 160m, 410m, 1b, 1.4b, 2.8b, 6.9b, 12b",
                args.shape
            ))
        })?;
        (args.shape.clone(), config)
    };
    if let Some(layers) = args.layers {
        if layers == 0 {
            return Err(Failure::Input("--layers 0: at least 1".to_owned()));
        }
        config.layers = layers;
    }
    Ok((name, config))
}

fn step_text(found: &Bench) -> String {
    let parts = &found.parts;
    format!(
        "{} phase {} batch {} on {} in {}: {:.3} s per step ({:.3} to {:.3}), {:.0} tokens/s, MFU {:.2} of {:.0} GFLOP/s, peak memory {:.1} GB\n\
         time of a step: data {:.3} s, forward {:.3}, vocabulary {:.3}, backward {:.3}, optimiser {:.3}; evaluation {:.3} more (one in {} steps)\n",
        found.shape,
        found.phase,
        found.batch,
        found.device,
        found.precision,
        found.step_s,
        found.step_s_min,
        found.step_s_max,
        found.tokens_per_s,
        found.mfu,
        found.peak_flops / 1e9,
        found.peak_memory_bytes.unwrap_or(0) as f64 / 1e9,
        parts.data,
        parts.forward,
        parts.vocabulary,
        parts.backward,
        parts.optimiser,
        parts.evaluation,
        found.eval_every,
    )
}
