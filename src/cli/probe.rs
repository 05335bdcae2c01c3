//! `unsaid probe`.

use super::args::{ProbeArgs, command_line};
use super::failure::Failure;
use super::model::open;
use super::output;
use super::progress::{Progress, watch_signals};
use super::show::show;
use crate::device;
use crate::exit::ExitCode;
use crate::probe::{self, ProbeOptions};

pub(super) fn probe(args: &ProbeArgs) -> Result<ExitCode, Failure> {
    output::start_log(&args.log);
    // The canaries stay as they were minted.
    let allowed =
        |table: &str| table == "gate" || table == "probes" || (args.elicit && table == "phase3");
    if let Some(other) = args.overrides.iter().find(|o| !allowed(o.table())) {
        return Err(Failure::Input(format!(
            "--set {}: the canaries are minted, so only keys of gate and probes can be set here (and of phase3 \
             with --elicit); mint anew for others",
            other.given()
        )));
    }
    // Before any other use of libtorch: its CUDA half registers on first touch only.
    let device = device::resolve(args.device)?;
    watch_signals()?;
    let mut progress = Progress::new(&args.log);
    let reference = args
        .reference
        .as_ref()
        .map(|name| open("--reference", name, None, &mut progress))
        .transpose()?;
    let options = ProbeOptions {
        model: open("--model", &args.model, args.base.as_deref(), &mut progress)?,
        reference,
        canaries: args.canaries.clone(),
        training: args.training.clone(),
        out: args.out.clone(),
        overrides: args.overrides.clone(),
        attack: args.elicit.then(|| args.attacker_knows.clone()),
        device,
        command: command_line(),
    };
    let probed = probe::probe(&options, &mut progress)?;
    let files = format!(
        "reports: {} (report.md, report.html, report.json, leakage.csv, junit.xml)",
        probed.out.display()
    );
    show(&probed.report, &files, &mut progress)
}
