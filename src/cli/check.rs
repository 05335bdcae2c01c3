//! `unsaid check`.

use std::fmt::Write as _;

use super::args::CheckArgs;
use super::failure::Failure;
use super::output;
use super::spec::spec;
use crate::checkpoint::shapes::{like_pythia, published};
use crate::checkpoint::{Folder, ModelConfig, Source, locate};
use crate::exit::ExitCode;
use crate::forecast::{Cost, clean_run, cost};
use crate::spec::{Audit, ModelSource, key_tables, schema};
use crate::stats::guess_advantage;

/// A spec gets a warning where a clean model ends 0 with a smaller probability.
const FAIR_CHANCE: f64 = 0.9;

pub(super) fn check(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let mut text = String::new();
    if args.schema {
        text = schema();
    } else if args.keys {
        text = key_tables();
    }
    for (i, path) in args.specs.iter().enumerate() {
        let audit = spec(path, &args.spec_args, Vec::new())?;
        if i > 0 {
            text.push('\n');
        }
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}: valid ({})", path.display(), audit.name);
        match shape(&audit)? {
            Some((config, source)) => describe(&mut text, &audit, &cost(&audit, &config), &source),
            None => text.push_str(
                "  cost unknown: the model is neither on this machine nor one whose shape is known (Pythia, SmolLM2-135M); give its folder with --set model.path=DIR\n",
            ),
        }
        outlook(&mut text, &audit);
    }
    output::result(&text)?;
    Ok(ExitCode::WithinGate)
}

/// The model's shape and where it was found: its checkpoint on this machine, else the published shape of that name.
fn shape(audit: &Audit) -> Result<Option<(ModelConfig, String)>, Failure> {
    let base = audit.adapter_base.as_deref();
    match &audit.model {
        ModelSource::Path(path) => {
            let located =
                locate(Source::Path(path)).map_err(crate::checkpoint::CheckpointError::from)?;
            let folder = Folder::open_on(&located.path, base, &mut locate)?;
            Ok(Some((folder.config, path.display().to_string())))
        }
        ModelSource::Random(s) => Ok(Some((
            like_pythia(s.layers, s.width, s.heads, s.vocabulary),
            "random weights".to_owned(),
        ))),
        ModelSource::Hub { id, revision } => match locate(Source::Hub { id, revision }) {
            Ok(located) => {
                let folder = Folder::open_on(&located.path, base, &mut locate)?;
                Ok(Some((folder.config, located.path.display().to_string())))
            }
            Err(_) => Ok(published(id).map(|c| {
                (
                    c,
                    format!("the published shape of {id}; not in the local cache yet"),
                )
            })),
        },
    }
}

fn describe(text: &mut String, audit: &Audit, cost: &Cost, source: &str) {
    let mut line = |label: &str, value: String| {
        let _ = writeln!(text, "  {label:<12} {value}");
    };
    line(
        "model",
        format!("{} parameters ({source})", count(cost.parameters as f64)),
    );
    line(
        "canaries",
        format!(
            "{} useful, {} held out, {} controls; {} letters of {}",
            audit.useful(),
            audit.canaries.held_out,
            audit.canaries.controls,
            audit.canaries.length,
            audit.canaries.alphabet.len()
        ),
    );
    for phase in &cost.phases {
        line(
            &format!("phase {}", phase.phase),
            format!(
                "{} steps, {} sequences, {} FLOP; {} evaluations, {} FLOP",
                phase.steps,
                phase.sequences,
                scientific(phase.training_flops),
                phase.evaluations,
                scientific(phase.evaluation_flops)
            ),
        );
    }
    line(
        "reference",
        format!(
            "{} sequences, {} FLOP",
            cost.reference_sequences,
            scientific(cost.reference_flops)
        ),
    );
    line(
        "probes",
        format!(
            "{} sequences, {} FLOP",
            cost.probe_sequences,
            scientific(cost.probe_flops)
        ),
    );
    line(
        "per seed",
        format!("{} FLOP", scientific(cost.flops_per_seed())),
    );
    line(
        "total",
        format!("{} seed(s), {} FLOP", cost.seeds, scientific(cost.flops())),
    );
    line(
        "memory",
        format!("about {} at the peak", bytes(cost.memory_bytes)),
    );
    line("disk", format!("about {}", bytes(cost.disk_bytes)));
}

fn outlook(text: &mut String, audit: &Audit) {
    let outlook = clean_run(audit);
    for row in &outlook.rows {
        let enough = if row.detectable <= row.asked {
            ""
        } else {
            "  ← too large"
        };
        let letters = audit.canaries.alphabet.len();
        let of = |shift| guess_advantage(shift, letters).filter(|_| row.unit.contains("rank 0–1"));
        let guesses =
            of(row.detectable)
                .zip(of(row.asked))
                .map_or_else(String::new, |(found, asked)| {
                    format!(
                        " ({:+.0} % and {:+.0} % guesses)",
                        100.0 * found,
                        100.0 * asked
                    )
                });
        let _ = writeln!(
            text,
            "  {:<12} {}: minimum detectable effect {:.3}, effect to rule out {:.3} {}{guesses}{enough}",
            "power", row.name, row.detectable, row.asked, row.unit
        );
    }
    let _ = writeln!(
        text,
        "  {:<12} a clean model ends 0 with probability {:.2}",
        "outlook", outlook.chance_of_0
    );
    if outlook.chance_of_0 < FAIR_CHANCE {
        let _ = writeln!(
            text,
            "  {:<12} a clean model would end 3 (inconclusive): raise canaries.held_out, canaries.trajectory_controls or the\n  \
             {:<12} number of seeds, or the probe's smallest_effect_…",
            "warning", ""
        );
    }
}

fn scientific(x: f64) -> String {
    format!("{x:.2e}")
}

fn count(x: f64) -> String {
    match x {
        x if x >= 1e9 => format!("{:.2} G", x / 1e9),
        x if x >= 1e6 => format!("{:.1} M", x / 1e6),
        x => format!("{:.0} k", x / 1e3),
    }
}

fn bytes(x: f64) -> String {
    match x {
        x if x >= 1e9 => format!("{:.1} GB", x / 1e9),
        x => format!("{:.0} MB", (x / 1e6).max(1.0)),
    }
}
