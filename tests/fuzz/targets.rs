//! What strangers' bytes reach, each as a function that must return.

use std::path::Path;
use std::sync::OnceLock;

use unsaid::audit::parse_cell;
use unsaid::canary::read_manifest;
use unsaid::checkpoint::size::parameters;
use unsaid::checkpoint::{ModelConfig, Tokenizer};
use unsaid::findings::judge;
use unsaid::report::{self, Format};
use unsaid::run_dir::{Provenance, parse_stages};
use unsaid::spec::{self, Audit, Override, to_toml};

/// What must return, whatever it is given.
type Target = fn(&[u8]);

/// Name, which is also the folder of its seeds, and function.
pub(crate) const TARGETS: &[(&str, Target)] = &[
    ("spec", spec),
    ("override", set),
    ("manifest", manifest),
    #[cfg(feature = "torch")]
    ("weights", weights),
    ("config", config),
    ("tokenizer", tokenizer),
    ("report", shown),
    #[cfg(feature = "torch")]
    ("score", score),
    ("stages", stages),
    ("provenance", provenance),
    ("observations", observations),
    ("likelihoods", likelihoods),
];

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn spec(bytes: &[u8]) {
    let Ok(audit) = spec::parse(&text(bytes), Path::new("x/spec.toml"), &[]) else {
        return;
    };
    let back = spec::parse(&to_toml(&audit), Path::new("spec.toml"), &[]);
    // How many cells run at once is no part of what is written.
    let written = Audit { jobs: 1, ..audit };
    assert_eq!(back.expect("what is written is read"), written);
}

fn set(bytes: &[u8]) {
    if let Ok(argument) = Override::parse(&text(bytes)) {
        let _ = spec::parse("format = 1", Path::new("x.toml"), &[argument]);
    }
}

fn manifest(bytes: &[u8]) {
    let _ = read_manifest(&text(bytes));
}

#[cfg(feature = "torch")]
fn weights(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("make a temporary folder");
    std::fs::write(folder.path().join("model.safetensors"), bytes).expect("write");
    let expected = [("a".to_owned(), vec![2, 2])];
    if let Ok(file) = unsaid::checkpoint::WeightsFile::open(folder.path())
        && let Ok(verified) = file.verify(&expected)
    {
        let _ = verified.check_values(&expected);
    }
}

fn config(bytes: &[u8]) {
    if let Ok(config) = ModelConfig::parse(&text(bytes), Path::new("config.json")) {
        assert!(parameters(&config) > 0);
        assert!(config.heads.is_multiple_of(config.key_heads));
    }
}

fn tokenizer(bytes: &[u8]) {
    if let Ok(tokenizer) = Tokenizer::parse(&text(bytes)) {
        for words in ["", " regular a b c", "é漢😀\0\n"] {
            let _ = tokenizer.encode(words);
        }
    }
}

fn shown(bytes: &[u8]) {
    let Ok(report) = report::parse(&text(bytes)) else {
        return;
    };
    for format in [
        Format::Table,
        Format::Markdown,
        Format::Html,
        Format::Csv,
        Format::Junit,
        Format::Json,
    ] {
        let Ok(shown) = report::render(&report, format, 80, false) else {
            continue;
        };
        if matches!(format, Format::Table | Format::Markdown | Format::Html) {
            assert!(!shown.contains('\u{1b}'), "an escape reaches a terminal");
        }
        if matches!(format, Format::Markdown | Format::Html | Format::Junit) {
            assert!(!shown.contains("<script"), "markup reaches a page");
        }
    }
}

#[cfg(feature = "torch")]
fn score(bytes: &[u8]) {
    for line in text(bytes).lines() {
        let _ = unsaid::cli::parse_line(line);
    }
}

fn stages(bytes: &[u8]) {
    let _ = parse_stages(&text(bytes));
}

fn provenance(bytes: &[u8]) {
    let _ = serde_json::from_slice::<Provenance>(bytes);
}

fn seed(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/fuzz");
    std::fs::read(folder.join(name)).expect("a seed")
}

/// The audit that the seeds of observations and likelihoods are of.
fn audit() -> &'static Audit {
    static AUDIT: OnceLock<Audit> = OnceLock::new();
    AUDIT.get_or_init(|| {
        let text = text(&seed("tiny.toml"));
        spec::parse(&text, Path::new("fixtures/fuzz/tiny.toml"), &[]).expect("a good spec")
    })
}

fn judged(observations: &[u8], likelihoods: &[u8]) {
    if let Ok(cell) = parse_cell(0, &text(observations), likelihoods) {
        let _ = judge(audit(), &[cell]);
    }
}

fn observations(bytes: &[u8]) {
    judged(bytes, &seed("likelihoods/good"));
}

fn likelihoods(bytes: &[u8]) {
    judged(&seed("observations/good"), bytes);
}
