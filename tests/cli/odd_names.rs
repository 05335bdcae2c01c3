//! Files and folders whose names are no text: the system allows any bytes.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;

use crate::bench::Bench;
use crate::program::{Outcome, program};

/// A name with bytes that are no UTF-8, and a space.
fn odd(name: &str) -> OsString {
    let bytes = [name.as_bytes(), b" \xff\xfe"].concat();
    OsStr::from_bytes(&bytes).to_owned()
}

fn call(bench: &Bench, arguments: &[&OsStr]) -> Outcome {
    let mut command = program(bench.root(), &[]);
    command.args(arguments);
    command.output().expect("the program starts").into()
}

#[test]
fn every_command_takes_them() {
    let bench = Bench::with_model();
    let [model, input, minted, probed, run] = ["model", "in", "minted", "probed", "run"].map(odd);
    fs::rename(bench.path("model"), bench.root().join(&model)).expect("rename");
    std::os::unix::fs::symlink(&model, bench.path("model")).expect("link");
    fs::write(bench.root().join(&input), "{\"text\": \" a b\"}\n").expect("write");
    let text = OsStr::new;
    let scored = call(&bench, &[text("score"), text("--model"), &model, &input]);
    assert!(scored.ended(0).stdout.contains("logprobs"));
    let mint = ["mint", "tiny.toml", "--quiet", "--out"].map(text);
    call(&bench, &[&mint[..], &[&minted]].concat()).ended(0);
    let manifest = bench.root().join(&minted).join("manifest.jsonl");
    let probe = [
        text("probe"),
        text("--quiet"),
        text("--device"),
        text("cpu"),
        text("--model"),
        &model,
        text("--reference"),
        &model,
        text("--canaries"),
        manifest.as_os_str(),
        text("--out"),
        &probed,
    ];
    // A model beside itself: inconclusive.
    call(&bench, &probe).ended(3);
    let train = [
        "run",
        "tiny.toml",
        "--quiet",
        "--device",
        "cpu",
        "--jobs",
        "2",
        "--out",
    ]
    .map(text);
    let code = call(&bench, &[&train[..], &[&run]].concat()).code;
    assert!(matches!(code, Some(0 | 1 | 3)), "{code:?}");
    for command in ["verify", "report"] {
        for folder in [&probed, &run] {
            call(&bench, &[text(command), folder]).ended(0);
        }
    }
}

#[test]
fn a_key_of_a_spec_is_text() {
    let bench = Bench::with_model();
    let set = OsStr::from_bytes(b"model.path=model\xff");
    let mint = ["mint", "tiny.toml", "--out", "minted", "--set"].map(OsStr::new);
    let outcome = call(&bench, &[&mint[..], &[set]].concat());
    outcome.failed(2, &["--set", "UTF-8", "link"]);
}
