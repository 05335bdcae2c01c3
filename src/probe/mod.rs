//! Probing a model that somebody else trained on minted files: no training here, only what its logits show.

mod attack;
mod format;
mod trained;
mod wanted;

use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use attack::Attacker;
use wanted::Wanted;

use crate::audit::{
    AuditError, Baseline, COMPLETE, SealError, assemble, attack_lines, here, read_provenance,
    result_lines, trajectories_to_bytes, unseal, write, write_provenance,
};
use crate::bounded;
use crate::checkpoint::Folder;
use crate::device::{self, Device, LIBTORCH};
use crate::event::{Event, Observer};
use crate::findings::Report;
use crate::probes::CellObservations;
use crate::run_dir::{
    ProbeProvenance, Provenance, RunDir, RunDirError, rfc3339, sha256_hex, write_atomic,
};
use crate::spec::{Audit, Override, load, to_toml};

/// A checkpoint to be scored, and how it is called.
#[derive(Debug)]
pub struct NamedFolder {
    /// Where its config, tokenizer and weights lie.
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
    pub model: NamedFolder,
    /// The model that it was trained from.
    pub reference: Option<NamedFolder>,
    /// `manifest.jsonl` of `mint`, with its `spec.toml` beside it.
    pub canaries: PathBuf,
    /// Files that the model was trained on, to be searched for controls.
    pub training: Vec<PathBuf>,
    /// Folder of the reports; `runs/NAME-probe` where absent.
    pub out: Option<PathBuf>,
    /// Changes of `[gate]` and `[probes]`.
    pub overrides: Vec<Override>,
    /// Shares of the useful canaries that attackers fine-tune copies of the model on, 0 to 1; absent: no such attack.
    pub attack: Option<Vec<f64>>,
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
    /// The folder of the report and of all that was seen.
    pub out: PathBuf,
}

/// Probes a model for minted canaries, judges it, and writes every report.
///
/// Errors: the manifest is not what was minted, a control stands in a training file, the model has another tokenizer, or it cannot
/// be read or scored, or the folder holds something else. Nothing is written then.
pub fn probe(options: &ProbeOptions, observer: &mut dyn Observer) -> Result<Probed, AuditError> {
    let clock = Instant::now();
    let path = options.canaries.as_path();
    let manifest = read(path, "give the manifest.jsonl that `unsaid mint` wrote")?;
    let beside = path.with_file_name("spec.toml");
    let minted_spec = read(
        &beside,
        "`unsaid mint` wrote it beside the manifest: keep the two together",
    )?;
    let contents = unseal(&manifest, path, &minted_spec)?;
    let asked = load(&beside, &options.overrides)?;
    applies(&asked, options)?;
    for file in &options.training {
        trained::check(file, &contents)?;
    }
    let folder = &options.model.folder;
    if let Some(reference) = &options.reference {
        folder.check_reference(&reference.folder)?;
    }
    let spec = to_toml(&asked);
    let made_with = made_with(options, &minted_spec)?;
    let audit = asked.without_training(made_with.reference.is_some());
    let baseline = Baseline::read(&audit)?;
    let seed = audit.seeds.first().copied().unwrap_or_default();
    let tokenizer = folder.tokenizer()?;
    if let Some(note) = tokenizer.note() {
        observer.event(&Event::Note(note));
    }
    let wanted = Wanted::new(&audit, &contents, options, &tokenizer)?;
    let mut provenance = Provenance {
        libtorch: LIBTORCH.to_owned(),
        device: options.device.to_string(),
        precision: "f32".to_owned(),
        threads: device::set_threads(None),
        checkpoint_sha256: folder.digests()?,
        checkpoint_commit: options.model.commit.clone(),
        manifest_sha256: [("minted".to_owned(), sha256_hex(manifest.as_bytes()))].into(),
        baseline_sha256: baseline.as_ref().map(|b| b.sha256.clone()),
        probe: Some(made_with),
        ..here(&spec, &options.command)
    };
    let (dir, _lock) = RunDir::open(&out(options, &audit), &spec)?;
    if let Some(before) = read_provenance(&dir.provenance())? {
        same_subject(&before, &provenance, dir.root())?;
    }
    let seen = wanted.look(&audit, seed, options, observer)?;
    let attacks = match (&options.attack, wanted.survey(&audit, seed)) {
        (Some(shares), Some(survey)) => Attacker {
            survey: &survey,
            device: options.device,
        }
        .attack(folder, shares, observer)?,
        _ => Vec::new(),
    };
    let cell = dir.cell(seed);
    cell.create()?;
    let mut files = Vec::new();
    let mut keep = |path: PathBuf, bytes: &[u8]| -> Result<(), RunDirError> {
        write_atomic(&path, bytes)?;
        files.push(path);
        Ok(())
    };
    let none = trajectories_to_bytes(&[]).map_err(|message| RunDirError::Unreadable {
        path: cell.likelihoods(),
        message,
    })?;
    keep(cell.observations(), seen.lines.as_bytes())?;
    keep(cell.looks(), result_lines(&seen.results).as_bytes())?;
    keep(cell.attacks(), attack_lines(&attacks).as_bytes())?;
    keep(cell.likelihoods(), &none)?;
    cell.ledger()?.record(COMPLETE, &files, None)?;
    provenance.finished = Some(rfc3339(SystemTime::now()));
    provenance.seconds = Some(clock.elapsed().as_secs_f64());
    write_provenance(&dir.provenance(), &provenance)?;
    let cells = [CellObservations {
        seed,
        snapshots: seen.snapshots,
        trajectories: Vec::new(),
        attacks,
        results: seen.results,
    }];
    let report = assemble(&asked, &cells, &provenance, baseline.as_ref())?;
    write(&report, &dir)?;
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

/// Refuses what cannot be asked of the canaries that were minted.
fn applies(audit: &Audit, options: &ProbeOptions) -> Result<(), SealError> {
    let attacks = options.attack.is_some();
    if audit.canaries.secrets.is_some() {
        if attacks {
            return Err(SealError::NoLetters("--elicit"));
        }
        if audit.probes.low_logit.is_none() {
            return Err(SealError::NoLetters("probes.low_logit.enabled = false"));
        }
    } else if attacks && audit.probes.elicitation.is_none() {
        return Err(SealError::NoElicitation);
    }
    Ok(())
}

fn out(options: &ProbeOptions, audit: &Audit) -> PathBuf {
    options
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from("runs").join(format!("{}-probe", audit.name)))
}

/// What is probed with what.
fn made_with(options: &ProbeOptions, minted_spec: &str) -> Result<ProbeProvenance, AuditError> {
    let reference = options.reference.as_ref();
    Ok(ProbeProvenance {
        minted_spec_sha256: sha256_hex(minted_spec.as_bytes()),
        model: Some(options.model.name.clone()),
        reference: reference.map(|r| r.name.clone()),
        reference_sha256: reference.map(|r| r.folder.digests()).transpose()?,
        reference_commit: reference.and_then(|r| r.commit.clone()),
        attacker_knows: options.attack.clone(),
    })
}

/// Refuses a folder that holds the probe of another model, or something else: a report must not be replaced unseen.
fn same_subject(before: &Provenance, now: &Provenance, root: &Path) -> Result<(), AuditError> {
    let part = |of: &Provenance| of.probe.clone();
    let (Some(old), Some(new)) = (part(before), part(now)) else {
        return Err(other("what it holds", root));
    };
    let checks = [
        (
            before.checkpoint_sha256 == now.checkpoint_sha256,
            "the model",
        ),
        (
            old.reference_sha256 == new.reference_sha256,
            "the reference",
        ),
        (
            before.manifest_sha256 == now.manifest_sha256,
            "the manifest",
        ),
        (
            old.attacker_knows == new.attacker_knows,
            "what attackers know (--elicit, --attacker-knows)",
        ),
    ];
    match checks.iter().find(|(same, _)| !same) {
        None => Ok(()),
        Some((_, what)) => Err(other(what, root)),
    }
}

fn other(what: &str, root: &Path) -> AuditError {
    RunDirError::OtherRun {
        path: root.to_owned(),
        what: what.to_owned(),
    }
    .into()
}
