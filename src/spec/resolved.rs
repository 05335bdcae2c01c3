//! The resolved spec: an [`Audit`] as TOML with every key, `spec.toml` of a run directory.

use std::fmt::Write as _;
use std::path::absolute;

use super::audit::{
    Audit, Canaries, Elicitation, Every, Freeze, Gate, GatedTier, Generation, Limit, LowLogit,
    ModelSource, Optimisation, PositiveControl, Precision, Scan,
};
use super::overrides::quote;

/// An audit as a spec that [`super::parse`] reads back unchanged, wherever it is put.
///
/// Keys that have no value (no thread count, no limits) are left out; floats keep every bit. `run.jobs` is left out too: how
/// many cells run at once says nothing about the run, and may differ when it is continued.
#[must_use]
pub fn to_toml(audit: &Audit) -> String {
    let mut out = Writer {
        text: "format = 1\n".to_owned(),
    };
    out.table("audit");
    out.key("name", quote(&audit.name));
    out.key("seeds", format!("{:?}", audit.seeds));
    out.table("run");
    let every = match audit.checkpoint_every {
        Every::Steps(steps) => format!("{steps} steps"),
        Every::Time(time) => humantime::format_duration(time).to_string(),
    };
    out.key("checkpoint_every", quote(&every));
    if let Some(threads) = audit.threads {
        out.key("threads", threads);
    }
    match audit.micro_batch {
        None => out.key("micro_batch", quote("auto")),
        Some(rows) => out.key("micro_batch", rows),
    }
    model(&mut out, audit);
    canaries(&mut out, &audit.canaries);
    phases(&mut out, audit);
    elicitation(&mut out, audit.probes.elicitation.as_ref());
    low_logit(&mut out, audit.probes.low_logit.as_ref());
    generation(&mut out, audit.probes.generation.as_ref());
    scan(&mut out, audit.probes.scan.as_ref());
    gate(&mut out, &audit.gate);
    out.text
}

struct Writer {
    text: String,
}

impl Writer {
    fn table(&mut self, name: &str) {
        self.line(&format!("\n[{name}]"));
    }

    fn key(&mut self, name: &str, value: impl std::fmt::Display) {
        self.line(&format!("{name} = {value}"));
    }

    /// The shortest digits that read back to the same number.
    fn float(&mut self, name: &str, value: f64) {
        self.key(name, float(value));
    }

    fn line(&mut self, line: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{line}");
    }
}

fn float(value: f64) -> String {
    format!("{value:?}")
}

fn array(texts: impl Iterator<Item = String>) -> String {
    format!("[{}]", texts.collect::<Vec<_>>().join(", "))
}

fn model(out: &mut Writer, audit: &Audit) {
    out.table("model");
    match &audit.model {
        ModelSource::Path(path) => {
            let path = absolute(path).unwrap_or_else(|_| path.clone());
            out.key("path", quote(&path.to_string_lossy()));
        }
        ModelSource::Hub { id, revision } => {
            out.key("id", quote(id));
            out.key("revision", quote(revision));
        }
        ModelSource::Random(shape) => out.key(
            "random",
            format!(
                "{{ layers = {}, width = {}, heads = {}, vocabulary = {} }}",
                shape.layers, shape.width, shape.heads, shape.vocabulary
            ),
        ),
    }
    if let Some(base) = &audit.adapter_base {
        let base = absolute(base).unwrap_or_else(|_| base.clone());
        out.key("base", quote(&base.to_string_lossy()));
    }
    let precision = match audit.precision {
        Precision::Auto => "auto",
        Precision::F32 => "f32",
        Precision::Tf32 => "tf32",
        Precision::Bf16 => "bf16",
    };
    out.key("precision", quote(precision));
}

fn canaries(out: &mut Writer, canaries: &Canaries) {
    out.table("canaries");
    out.key("alphabet", alphabet(&canaries.alphabet));
    out.key("length", canaries.length);
    out.key("negatives", canaries.negatives);
    out.key("held_out", canaries.held_out);
    out.key("controls", canaries.controls);
    out.key("trajectory_controls", canaries.trajectory_controls);
    out.key("repeats", canaries.repeats);
    out.key("dose", format!("{:?}", canaries.dose));
    out.key("spike", canaries.spike);
    match &canaries.prefixes {
        Some(p) => {
            out.key(
                "prefixes",
                format!(
                    "{{ regular = {}, reverse = {} }}",
                    quote(&p.regular),
                    quote(&p.reverse)
                ),
            );
        }
        None => out.key("prefixes", false),
    }
    out.key("first_token", canaries.first_token);
    if let Some(template) = &canaries.template {
        out.key("template", quote(template));
    }
    if let Some(file) = &canaries.secrets {
        let file = absolute(file).unwrap_or_else(|_| file.clone());
        out.key("secrets", quote(&file.to_string_lossy()));
    }
}

/// As one text where every letter is a space and a character, else as an array.
fn alphabet(letters: &[String]) -> String {
    let character = |letter: &String| {
        let mut rest = letter.strip_prefix(' ')?.chars();
        let c = rest
            .next()
            .filter(|c| !c.is_whitespace() && !c.is_control())?;
        rest.next().is_none().then_some(c)
    };
    match letters.iter().map(character).collect::<Option<String>>() {
        Some(characters) => quote(&characters),
        None => array(letters.iter().map(|letter| quote(letter))),
    }
}

fn phases(out: &mut Writer, audit: &Audit) {
    out.table("phase1");
    out.key("skip", audit.phase1.skip);
    out.key("passwords", audit.phase1.passwords);
    optimisation(out, &audit.phase1.optimisation);
    out.table("phase2");
    out.key("skip", audit.phase2.skip);
    out.float("beta", audit.phase2.beta);
    out.key("freeze", freeze(audit.phase2.freeze));
    optimisation(out, &audit.phase2.optimisation);
    out.table("phase3");
    out.key("skip", audit.phase3.skip);
    out.float("beta", audit.phase3.beta);
    out.key("freeze", freeze(audit.phase3.freeze));
    let w = audit.phase3.weights;
    let weights = [
        ("dpo", w.dpo),
        ("reverse", w.reverse),
        ("regular", w.regular),
    ];
    let weights = weights.map(|(name, weight)| format!("{name} = {}", float(weight)));
    out.key("weights", format!("{{ {} }}", weights.join(", ")));
    optimisation(out, &audit.phase3.optimisation);
}

fn optimisation(out: &mut Writer, optimisation: &Optimisation) {
    out.key("batch", optimisation.batch);
    out.float("learning_rate", optimisation.learning_rate);
    out.key("warmup_steps", optimisation.warmup_steps);
    out.float("weight_decay", optimisation.weight_decay);
    out.float("max_grad_norm", optimisation.max_grad_norm);
    out.key("eval_every", optimisation.eval_every);
}

fn freeze(freeze: Freeze) -> String {
    quote(match freeze {
        Freeze::Upper => "upper",
        Freeze::Lower => "lower",
        Freeze::None => "none",
    })
}

/// A probe that is switched off keeps no settings: only the switch is written.
fn elicitation(out: &mut Writer, probe: Option<&Elicitation>) {
    out.table("probes.elicitation");
    out.key("enabled", probe.is_some());
    if let Some(probe) = probe {
        out.key("positive_control", positive_control(probe.positive_control));
        out.float("smallest_effect_rank", probe.smallest_effect_rank);
        out.float("smallest_effect_nats", probe.smallest_effect_nats);
        out.float("smallest_effect_single", probe.smallest_effect_single);
        out.key("contexts", probe.contexts);
    }
}

fn low_logit(out: &mut Writer, probe: Option<&LowLogit>) {
    out.table("probes.low_logit");
    out.key("enabled", probe.is_some());
    if let Some(probe) = probe {
        out.key("positive_control", positive_control(probe.positive_control));
        out.float("smallest_effect_auc", probe.smallest_effect_auc);
        out.float("smallest_effect_rank", probe.smallest_effect_rank);
        out.float("smallest_effect_recovered", probe.smallest_effect_recovered);
        out.key(
            "completion_letters",
            format!("{:?}", probe.completion_letters),
        );
        out.key("completion_guesses", probe.completion_guesses);
        out.key("top_k", probe.top_k);
    }
}

fn generation(out: &mut Writer, probe: Option<&Generation>) {
    out.table("probes.generation");
    out.key("enabled", probe.is_some());
    if let Some(probe) = probe {
        out.key("positive_control", positive_control(probe.positive_control));
        out.key("samples", probe.samples);
        out.float("temperature", probe.temperature);
        out.key("top_k", probe.top_k.unwrap_or(0));
        out.key("seed", probe.seed);
        out.float("smallest_effect_recovered", probe.smallest_effect_recovered);
    }
}

fn scan(out: &mut Writer, probe: Option<&Scan>) {
    out.table("probes.scan");
    out.key("enabled", probe.is_some());
    if let Some(probe) = probe {
        out.key("positive_control", positive_control(probe.positive_control));
        out.key("depth", probe.depth);
        out.key("top", probe.top);
        out.key("beam", probe.beam);
        out.key("beam_a_root", probe.beam_a_root);
        out.key("guesses", probe.guesses);
        out.float("smallest_effect_enriched", probe.smallest_effect_enriched);
        out.float("smallest_effect_recovered", probe.smallest_effect_recovered);
    }
}

fn positive_control(control: PositiveControl) -> String {
    quote(match control {
        PositiveControl::Required => "required",
        PositiveControl::NotApplicable => "not_applicable",
    })
}

fn gate(out: &mut Writer, gate: &Gate) {
    out.table("gate");
    out.float("alpha", gate.alpha);
    out.key("permutations", gate.permutations);
    let tier = |tier: &GatedTier| match tier {
        GatedTier::Recognition => "recognition",
        GatedTier::Partial => "partial",
        GatedTier::Extraction => "extraction",
    };
    out.key("tiers", array(gate.tiers.iter().map(|t| quote(tier(t)))));
    if let Some(baseline) = &gate.baseline {
        out.key("baseline", quote(&baseline.to_string_lossy()));
    }
    for limit in &gate.limits {
        self::limit(out, limit);
    }
}

fn limit(out: &mut Writer, limit: &Limit) {
    out.line("\n[[gate.limits]]");
    out.key("probe", quote(&limit.probe));
    out.key("statistic", quote(&limit.statistic));
    if let Some(phase) = limit.phase {
        out.key("phase", phase);
    }
    if let Some(auc) = limit.min_auc {
        out.float("min_auc", auc);
    }
    if let Some(auc) = limit.max_auc {
        out.float("max_auc", auc);
    }
}

#[cfg(test)]
#[path = "resolved_tests.rs"]
mod tests;
