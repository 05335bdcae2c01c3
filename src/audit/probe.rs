//! Probing a model that somebody else trained on minted files: no training here, only what its logits show.

mod looking;
mod secrets;

use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use serde_json::{Value, json};

use super::attack::Attacker;
use super::base::codebook;
use super::plant::Corpus;
use super::sealed::{self, Content, SealError};
use super::{AuditError, LIBTORCH, mint, reports, store, trained};
use crate::bounded;
use crate::canary::{Codebook, Letters, Prefix};
use crate::checkpoint::{Folder, Tokenizer};
use crate::device::Device;
use crate::event::Observer;
use crate::findings::{Report, SCHEMA_VERSION, judge};
use crate::probes::elicitation::Attack;
use crate::probes::{CellObservations, Look, Snapshot};
use crate::run_dir::{RunDir, RunDirError, processor, rfc3339, sha256_hex, write_atomic};
use crate::spec::{Audit, Override, load, to_toml};
use crate::units::TokenId;
use looking::Looker;
use secrets::{WHOLE, Whole};

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
    /// Its folder.
    pub out: PathBuf,
}

/// What is said of a probe without a reference.
const WITHOUT: &str = "No reference was given: whole canaries are judged by the model's own likelihood, in which what the base model \
    already found likely is noise (the minimum detectable effect grows, AUC is nearer to 0.5); attacks that compare two models (completion with a base or reference, \
    scan) are left out; and there is no placebo: the groups are exchangeable because they were minted at random. --reference BASE \
    takes that noise away and adds those rows.";

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
    let asked = load(&beside, &options.overrides)?;
    let audit = without_training(asked.clone(), options)?;
    for file in &options.training {
        trained::check(file, &contents)?;
    }
    let folder = &options.model.folder;
    if let Some(reference) = &options.reference {
        folder.check_reference(&reference.folder)?;
    }
    let tokenizer = folder.tokenizer()?;
    let seed = audit.seeds.first().copied().unwrap_or_default();
    let dir = RunDir::existing(&out(options, &audit));
    let mut provenance = provenance(options, &asked, &manifest, &spec)?;
    let minted = Minted {
        options,
        audit: &audit,
        contents: &contents,
        tokenizer: &tokenizer,
        seed,
        dir: &dir,
        provenance: &provenance,
    };
    let (lines, cell) = if audit.canaries.secrets.is_some() {
        minted.whole(observer)?
    } else {
        minted.by_letters(observer)?
    };
    let cells = [cell];
    let findings = judge(&audit, &cells)?;
    provenance["started"] = rfc3339(started).into();
    provenance["finished"] = rfc3339(SystemTime::now()).into();
    provenance["seconds"] = clock.elapsed().as_secs_f64().into();
    let mut scope_note = format!(
        "{} {}",
        findings.scope_note,
        said(options, &audit, &cells[0])
    );
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
        setting: (audit.canaries.secrets.is_none()).then(|| crate::findings::Setting::of(&audit)),
        provenance,
    };
    let cell = dir.cell(seed);
    cell.create()?;
    write_atomic(&dir.spec(), to_toml(&asked).as_bytes())?;
    write_atomic(&cell.observations(), lines.as_bytes())?;
    write_atomic(&cell.looks(), store::look_lines(&cells[0].looks).as_bytes())?;
    let json = serde_json::to_string_pretty(&report.provenance).unwrap_or_default() + "\n";
    write_atomic(&dir.provenance(), json.as_bytes())?;
    reports::write(&report, &dir)?;
    Ok(Probed {
        report,
        out: dir.root().to_owned(),
    })
}

/// What was minted, to be looked for.
struct Minted<'a> {
    options: &'a ProbeOptions,
    audit: &'a Audit,
    contents: &'a [Content],
    tokenizer: &'a Tokenizer,
    seed: u64,
    /// Where the report goes, and what it will say of its origin: another model's report there is not written over.
    dir: &'a RunDir,
    provenance: &'a Value,
}

impl Minted<'_> {
    /// Secrets of a file: the lines of `observations.jsonl`, and what was seen.
    fn whole(&self, observer: &mut dyn Observer) -> Result<(String, CellObservations), AuditError> {
        let whole = Whole::new(self.contents, self.options, self.tokenizer, self.seed)?;
        same_subject(self.dir, self.provenance)?;
        let seen = whole.look(self.options, observer)?;
        Ok((
            seen.lines,
            self.cell(seen.snapshots, seen.looks, Vec::new()),
        ))
    }

    /// Canaries of letters: the same, and the attacks that were asked for.
    fn by_letters(
        &self,
        observer: &mut dyn Observer,
    ) -> Result<(String, CellObservations), AuditError> {
        let (audit, options) = (self.audit, self.options);
        let folder = &options.model.folder;
        let path = options.canaries.as_path();
        let book = codebook(&audit.canaries, &folder.config, self.tokenizer)?;
        let planting = sealed::planting(self.contents, &book, path, folder.path())?;
        let corpus = Corpus::of(audit, &book, self.seed, planting);
        let context = self.contents.first().map_or("", |c| c.context.as_str());
        let looker = Looker {
            audit,
            book: &book,
            corpus: &corpus,
            seed: self.seed,
            context: context_of(context, &book, self.tokenizer)?,
        };
        same_subject(self.dir, self.provenance)?;
        let seen = looker.look(options, observer)?;
        let attacks = match &options.attack {
            None => Vec::new(),
            Some(shares) => Attacker {
                audit,
                book: &book,
                planting: &corpus.planting,
                seed: self.seed,
                device: options.device,
            }
            .attack(folder, shares, observer)?,
        };
        Ok((seen.lines, self.cell(seen.snapshots, seen.looks, attacks)))
    }

    fn cell(
        &self,
        snapshots: Vec<Snapshot>,
        looks: Vec<Look>,
        attacks: Vec<Attack>,
    ) -> CellObservations {
        CellObservations {
            seed: self.seed,
            snapshots,
            trajectories: Vec::new(),
            attacks,
            looks,
        }
    }
}

fn read(path: &Path, hint: &'static str) -> Result<String, SealError> {
    bounded::read_text(path, bounded::LARGE).map_err(|source| SealError::Read {
        path: path.to_owned(),
        hint,
        source,
    })
}

/// The audit of a model that was trained elsewhere: one look, after what stands for phase 2.
fn without_training(audit: Audit, options: &ProbeOptions) -> Result<Audit, SealError> {
    let mut audit = audit;
    if audit.canaries.secrets.is_some() {
        if options.attack.is_some() {
            return Err(SealError::NoLetters("--elicit"));
        }
        if audit.probes.low_logit.is_none() {
            return Err(SealError::NoLetters("probes.low_logit.enabled = false"));
        }
        // What is left looks at a secret as a whole.
        audit.probes.elicitation = None;
        audit.probes.generation = None;
        audit.probes.scan = None;
    }
    if options.attack.is_some() && audit.probes.elicitation.is_none() {
        return Err(SealError::NoElicitation);
    }
    if options.reference.is_none() {
        // Its contrast is with what the model was trained from.
        audit.probes.scan = None;
    }
    audit.phase2.skip = false;
    audit.phase3.skip = true;
    Ok(audit)
}

/// What the fine-tuning of this probe was, or that there was none.
fn said(options: &ProbeOptions, audit: &Audit, cell: &CellObservations) -> String {
    let known = |attack: &Attack| attack.known.to_string();
    let counts: Vec<String> = cell.attacks.iter().map(known).collect();
    match (&options.attack, audit.probes.elicitation) {
        (Some(_), _) => format!(
            "Elicitation fine-tuned copies of the model on {} of the manifest's {} useful canaries after the reverse prefix; no \
             held-out and no control stood in any term.",
            counts.join(", "),
            audit.useful()
        ),
        (None, Some(_)) => "Nothing was fine-tuned: what someone could draw out who may fine-tune is not covered; --elicit tries it."
            .to_owned(),
        (None, None) if audit.canaries.secrets.is_some() => WHOLE.to_owned(),
        (None, None) => String::new(),
    }
}

/// What stands in the place of the regular prefix, where that is not the prefix's own token.
fn context_of(
    context: &str,
    book: &Codebook,
    tokenizer: &Tokenizer,
) -> Result<Vec<TokenId>, AuditError> {
    let tokens = mint::context_tokens(context, book, tokenizer)?;
    let own = book.row(&Letters::default(), Prefix::Regular);
    let stands = book.prefixes.is_some() && tokens != own;
    Ok(if stands { tokens } else { Vec::new() })
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
        "attacker_knows": options.attack,
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
