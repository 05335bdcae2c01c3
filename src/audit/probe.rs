//! Probing a model that somebody else trained on minted files: no training here, only what its logits show.

use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use serde_json::{Value, json};

use super::base::codebook;
use super::in_context::InContext;
use super::plant::Corpus;
use super::sealed::{self, SealError};
use super::{AuditError, LIBTORCH, mint, reports, store, trained};
use crate::bounded;
use crate::canary::Prefix;
use crate::checkpoint::Folder;
use crate::device::{Arithmetic, Device};
use crate::event::{Event, Observer};
use crate::findings::{Report, SCHEMA_VERSION, judge};
use crate::model::Model;
use crate::probes::{CellObservations, Snapshot};
use crate::run_dir::{RunDir, RunDirError, processor, rfc3339, sha256_hex, write_atomic};
use crate::score::Scorer;
use crate::spec::{Audit, Override, load, to_toml};
use crate::units::Phase;

/// A checkpoint to be scored, and how it is called.
#[derive(Debug)]
pub struct Subject {
    /// Its folder.
    pub folder: Folder,
    /// Its name in the report.
    pub name: String,
    /// Its commit, where it is the hub's.
    pub commit: Option<String>,
}

/// How a probe is asked for.
#[derive(Debug)]
pub struct ProbeOptions {
    /// The trained model.
    pub model: Subject,
    /// The model that it was trained from.
    pub reference: Option<Subject>,
    /// `manifest.jsonl` of `mint`, with its `spec.toml` beside it.
    pub canaries: PathBuf,
    /// Files that the model was trained on, to be searched for controls.
    pub training: Vec<PathBuf>,
    /// Folder of the reports; `runs/NAME-probe` where absent.
    pub out: Option<PathBuf>,
    /// Changes of `[gate]` and `[probes]`.
    pub overrides: Vec<Override>,
    /// Where the models run.
    pub device: Device,
    /// The command line, for provenance.
    pub command: Vec<String>,
}

/// What a probe found.
#[derive(Debug)]
pub struct Probed {
    /// The report that was also written.
    pub report: Report,
    /// Its folder.
    pub out: PathBuf,
}

/// What is said of a probe without a reference.
const WITHOUT: &str = "No reference was given: whole canaries are judged by the model's own likelihood, in which what the base model \
    already found likely is noise (finds grows, AUC is nearer to 0.5), and there is no placebo; the groups are exchangeable because \
    they were minted at random. --reference BASE takes that noise away.";

/// Probes a model for minted canaries, judges it, and writes every report.
///
/// Errors: the manifest is not what was minted, a control stands in a training file, the model has another tokenizer, or it cannot
/// be read or scored. Nothing is written then.
pub fn probe(options: &ProbeOptions, observer: &mut dyn Observer) -> Result<Probed, AuditError> {
    let (started, clock) = (SystemTime::now(), Instant::now());
    let path = options.canaries.as_path();
    let manifest = read(path, "give the manifest.jsonl that `unsaid mint` wrote")?;
    let beside = path.with_file_name("spec.toml");
    let spec = read(
        &beside,
        "`unsaid mint` wrote it beside the manifest: keep the two together",
    )?;
    let contents = sealed::unseal(&manifest, path, &spec)?;
    let audit = without_training(load(&beside, &options.overrides)?);
    for file in &options.training {
        trained::check(file, &contents)?;
    }
    let folder = &options.model.folder;
    if let Some(reference) = &options.reference {
        folder.check_reference(&reference.folder)?;
    }
    let tokenizer = folder.tokenizer()?;
    let book = codebook(&audit.canaries, &folder.config, &tokenizer)?;
    let planting = sealed::planting(&contents, &book, path, folder.path())?;
    let seed = audit.seeds.first().copied().unwrap_or_default();
    let corpus = Corpus::of(&audit, &book, seed, planting);
    let context = contents.first().map_or("", |c| c.context.as_str());
    let tokens = mint::context_tokens(context, &book, &tokenizer)?;

    let dir = RunDir::existing(&out(options, &audit));
    let mut provenance = provenance(options, &audit, &manifest, &spec)?;
    same_subject(&dir, &provenance)?;

    let mut snapshots = Vec::new();
    let mut lines = String::new();
    let subjects = options.reference.iter().map(|r| (r, Phase::One));
    for (subject, phase) in subjects.chain([(&options.model, Phase::Two)]) {
        if observer.interrupted() {
            return Err(AuditError::Interrupted);
        }
        let canaries = corpus.observed();
        observer.event(&Event::Started {
            label: &format!("scoring {}", subject.name),
            total: canaries.len() as u64,
            unit: "canaries",
        });
        let mut model = Model::load(&subject.folder, options.device, Arithmetic::F32)?;
        let mut in_context = InContext {
            scorer: &mut model,
            context: tokens.clone(),
        };
        let scorer: &mut dyn Scorer = if book.prefixes.is_some() {
            &mut in_context
        } else {
            in_context.scorer
        };
        let snapshot = Snapshot {
            phase,
            prefix: Prefix::Regular,
            groups: corpus.score(scorer, &canaries, Prefix::Regular)?,
        };
        lines.push_str(&store::observation_lines(&snapshot, &canaries));
        snapshots.push(snapshot);
        observer.event(&Event::Finished);
    }
    let cells = [CellObservations {
        seed,
        snapshots,
        ..CellObservations::default()
    }];
    let findings = judge(&audit, &cells)?;
    provenance["started"] = rfc3339(started).into();
    provenance["finished"] = rfc3339(SystemTime::now()).into();
    provenance["seconds"] = clock.elapsed().as_secs_f64().into();
    let mut scope_note = findings.scope_note;
    if options.reference.is_none() {
        scope_note = format!("{scope_note} {WITHOUT}");
    }
    let report = Report {
        schema_version: SCHEMA_VERSION.to_owned(),
        name: format!("{} (probe)", audit.name),
        model: options.model.name.clone(),
        seeds: vec![seed],
        verdict: findings.verdict,
        scope_note,
        tiers: findings.tiers,
        gate: findings.gate,
        rows: findings.rows,
        curves: findings.curves,
        figures: findings.figures,
        setting: Some(crate::findings::Setting::of(&audit)),
        provenance,
    };
    let cell = dir.cell(seed);
    cell.create()?;
    write_atomic(&dir.spec(), to_toml(&audit).as_bytes())?;
    write_atomic(&cell.observations(), lines.as_bytes())?;
    let json = serde_json::to_string_pretty(&report.provenance).unwrap_or_default() + "\n";
    write_atomic(&dir.provenance(), json.as_bytes())?;
    reports::write(&report, &dir)?;
    Ok(Probed {
        report,
        out: dir.root().to_owned(),
    })
}

fn read(path: &Path, hint: &'static str) -> Result<String, SealError> {
    bounded::read_text(path, bounded::LARGE).map_err(|source| SealError::Read {
        path: path.to_owned(),
        hint,
        source,
    })
}

/// The audit of a model that was trained elsewhere: one look, after what stands for phase 2.
fn without_training(audit: Audit) -> Audit {
    let mut audit = audit;
    audit.probes.elicitation = None;
    // These look at a model in their own ways, which only a run plants for so far.
    audit.probes.generation = None;
    audit.probes.scan = None;
    if let Some(low_logit) = &mut audit.probes.low_logit {
        low_logit.completion_letters.clear();
    }
    audit.phase2.skip = false;
    audit.phase3.skip = true;
    audit
}

fn out(options: &ProbeOptions, audit: &Audit) -> PathBuf {
    options
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from("runs").join(format!("{}-probe", audit.name)))
}

/// What was probed with what.
fn provenance(
    options: &ProbeOptions,
    audit: &Audit,
    manifest: &str,
    minted_spec: &str,
) -> Result<Value, AuditError> {
    let (model, reference) = (&options.model, options.reference.as_ref());
    let digests = |s: &Subject| s.folder.digests();
    Ok(json!({
        "format": super::FORMAT,
        "unsaid": env!("CARGO_PKG_VERSION"),
        "libtorch": LIBTORCH,
        "device": options.device.to_string(),
        "precision": "f32",
        "processor": processor(),
        "platform": format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
        "spec_sha256": sha256_hex(to_toml(audit).as_bytes()),
        "minted_spec_sha256": sha256_hex(minted_spec.as_bytes()),
        "manifest_sha256": {"minted": sha256_hex(manifest.as_bytes())},
        "checkpoint_sha256": digests(model)?,
        "checkpoint_commit": model.commit,
        "reference": reference.map(|r| r.name.clone()),
        "reference_sha256": reference.map(digests).transpose()?,
        "reference_commit": reference.and_then(|r| r.commit.clone()),
        "command": options.command,
    }))
}

/// Refuses a folder that holds the probe of another model, or something else: a report must not be replaced unseen.
fn same_subject(dir: &RunDir, now: &Value) -> Result<(), AuditError> {
    let other = |what: &str| RunDirError::OtherRun {
        path: dir.root().to_owned(),
        what: what.to_owned(),
    };
    let Ok(text) = bounded::read_text(&dir.provenance(), bounded::SMALL) else {
        let occupied = std::fs::read_dir(dir.root()).is_ok_and(|mut e| e.next().is_some());
        return if occupied {
            Err(other("what it holds").into())
        } else {
            Ok(())
        };
    };
    let before: Value = serde_json::from_str(&text).unwrap_or_default();
    let checks = [
        ("checkpoint_sha256", "the model"),
        ("reference_sha256", "the reference"),
        ("manifest_sha256", "the manifest"),
    ];
    match checks.iter().find(|(key, _)| before[key] != now[key]) {
        None => Ok(()),
        Some((_, what)) => Err(other(what).into()),
    }
}
