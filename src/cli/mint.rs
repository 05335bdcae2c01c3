//! `unsaid mint`.

use std::fmt::Write as _;
use std::path::Path;

use super::args::MintArgs;
use super::failure::Failure;
use super::output;
use super::progress::{Progress, watch_signals};
use crate::checkpoint::{CheckpointError, Folder, Source, obtain};
use crate::exit::ExitCode;
use crate::mint::{MANIFEST, MintOptions, mint as draw};
use crate::spec::{ModelSource, load, parse};

/// The spec of a call without one: the recipe's defaults, for the model that `--set` names.
const RECIPE: &str = "format = 1\n[audit]\nname = \"mint\"\nseeds = [0]\n";

pub(super) fn mint(args: &MintArgs) -> Result<ExitCode, Failure> {
    output::start_log(&args.log);
    let audit = match &args.spec {
        Some(path) => load(path, &args.overrides)?,
        None => parse(RECIPE, Path::new("the recipe"), &args.overrides)?,
    };
    let audit = match args.seed {
        Some(seed) => audit.with_seeds(vec![seed])?,
        None => audit,
    };
    watch_signals()?;
    let mut progress = Progress::new(&args.log);
    let source = match &audit.model {
        ModelSource::Path(path) => Source::Path(path),
        ModelSource::Hub { id, revision } => Source::Hub { id, revision },
        ModelSource::Random(_) => {
            return Err(Failure::Input(
                "model.random: canaries are minted for a tokenizer; name the model that will be trained with --set model.path=DIR \
                 or --set model.id=OWNER/NAME"
                    .to_owned(),
            ));
        }
    };
    let located = obtain(source, &mut progress).map_err(CheckpointError::from)?;
    let base = audit.adapter_base.as_deref();
    let folder = Folder::open_on(&located.path, base, &mut |of| obtain(of, &mut progress))?;
    let options = MintOptions {
        out: args.out.clone(),
        seed: audit.seeds.first().copied().unwrap_or_default(),
        chat_template: args.chat_template.clone(),
    };
    let files = draw(&audit, &folder, &options, &mut progress)?;
    let mut text = String::new();
    for file in &files {
        let path = args.out.join(&file.name);
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{}: {} lines, sha256 {}",
            path.display(),
            file.lines,
            file.sha256
        );
    }
    let _ = writeln!(
        text,
        "Train on these files, not on {MANIFEST}; then: unsaid probe --model TRAINED --reference BASE --canaries {}",
        args.out.join(MANIFEST).display()
    );
    output::result(&text)?;
    Ok(ExitCode::WithinGate)
}
