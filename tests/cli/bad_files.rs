//! Files of the wrong kind, size or depth: refused at once, whatever they claim.

use std::fs::{self, File};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::bench::Bench;
use crate::program::program;

/// Calls the program under a limit of memory and time, so that what it takes for a bad file is seen.
#[track_caller]
fn refused_at_once(bench: &Bench, arguments: &[&str], words: &[&str]) {
    let clock = Instant::now();
    let binary = program(bench.root(), &[]).get_program().to_owned();
    let output = Command::new("timeout")
        .args(["60", "bash", "-c", "ulimit -v 4000000; exec \"$0\" \"$@\""])
        .arg(binary)
        .args(arguments)
        .current_dir(bench.root())
        .env("OMP_NUM_THREADS", "1")
        .output();
    let outcome = crate::program::Outcome::from(output.expect("it starts"));
    outcome.failed(2, words);
    assert!(clock.elapsed() < Duration::from_secs(50), "{arguments:?}");
}

const RUN: [&str; 6] = ["run", "tiny.toml", "--device", "cpu", "--out", "out"];

fn pipe(bench: &Bench, name: &str) {
    let path = bench.path(name);
    let _ = fs::remove_file(&path);
    let made = Command::new("mkfifo").arg(&path).status();
    assert!(made.expect("mkfifo is there").success());
}

/// A file of so many bytes that takes no room.
fn hole(bench: &Bench, name: &str, gigabytes: u64) {
    let file = File::create(bench.path(name)).expect("create");
    file.set_len(gigabytes << 30).expect("a hole");
}

#[test]
fn pipes_that_nobody_writes_to() {
    for name in ["model/config.json", "model/tokenizer.json"] {
        let bench = Bench::with_model();
        pipe(&bench, name);
        refused_at_once(&bench, &RUN, &[name, "no regular file"]);
    }
    let bench = Bench::new();
    bench.finish("out", &["--quiet"]);
    for (name, arguments) in [
        ("out/spec.toml", &RUN[..]),
        ("out/provenance.json", &RUN[..]),
        ("out/seed-0/stages.json", &RUN[..]),
        ("out/report.json", &["report", "out"]),
    ] {
        let good = fs::read(bench.path(name)).expect("read");
        pipe(&bench, name);
        refused_at_once(&bench, arguments, &[name, "no regular file"]);
        fs::remove_file(bench.path(name)).expect("remove");
        fs::write(bench.path(name), good).expect("write");
    }
}

#[test]
fn files_larger_than_anything_they_could_hold() {
    for name in ["model/config.json", "model/tokenizer.json"] {
        let bench = Bench::with_model();
        hole(&bench, name, 100);
        refused_at_once(&bench, &RUN, &[name, "holds more than", "bytes"]);
    }
    let bench = Bench::new();
    bench.finish("out", &["--quiet"]);
    for name in [
        "out/spec.toml",
        "out/provenance.json",
        "out/seed-0/stages.json",
    ] {
        let good = fs::read(bench.path(name)).expect("read");
        hole(&bench, name, 100);
        refused_at_once(&bench, &RUN, &[name, "holds more than"]);
        fs::write(bench.path(name), good).expect("write");
    }
    hole(&bench, "tiny.toml", 100);
    refused_at_once(
        &bench,
        &RUN,
        &["tiny.toml", "cannot read the spec", "holds more than"],
    );
    let score = ["score", "--device", "cpu", "--model"];
    let bench = Bench::with_model();
    hole(&bench, "in.jsonl", 100);
    let arguments = [&score[..], &["model", "in.jsonl"]].concat();
    refused_at_once(&bench, &arguments, &["in.jsonl", "holds more than"]);
}

#[test]
fn counts_that_no_machine_could_hold() {
    let bench = Bench::with_model();
    for (key, most) in [
        ("num_hidden_layers", 1_u64 << 40),
        ("num_hidden_layers", 4097),
        ("hidden_size", 1 << 24),
        ("vocab_size", u64::MAX),
        ("intermediate_size", 1 << 23),
    ] {
        let before = bench.read("model/config.json");
        bench.edit_json("model/config.json", |config| config[key] = most.into());
        refused_at_once(&bench, &RUN, &["model/config.json"]);
        bench.write("model/config.json", before);
    }
    // Allowed each, and more than the weights hold: seen before any memory is taken.
    bench.edit_json("model/config.json", |config| {
        config["num_hidden_layers"] = 4096.into();
        config["intermediate_size"] = (1 << 22).into();
    });
    refused_at_once(&bench, &RUN, &["model.safetensors", "config.json asks for"]);
    bench.write("in.jsonl", "{\"tokens\": [1, 2]}\n");
    let score = ["score", "--model", "model", "--device", "cpu", "in.jsonl"];
    refused_at_once(
        &bench,
        &score,
        &["model.safetensors", "config.json asks for"],
    );
    let bench = Bench::new();
    for more in ["canaries.repeats=1000000000", "phase1.passwords=1000000000"] {
        let set = [&RUN[..], &["--set", more]].concat();
        refused_at_once(
            &bench,
            &set,
            &["canaries.repeats", "at most", "plant fewer"],
        );
    }
}

#[test]
fn nesting_without_end() {
    let deep = |open: &str| open.repeat(200_000);
    let bench = Bench::with_model();
    bench.write("tiny.toml", format!("x = {}", deep("[")));
    refused_at_once(&bench, &RUN, &["tiny.toml", "not valid TOML"]);
    bench.write("tiny.toml", format!("{} = 1", deep("a.") + "a"));
    refused_at_once(&bench, &RUN, &["tiny.toml"]);
    bench.write("in.jsonl", format!("{{\"tokens\": {}", deep("[")));
    let score = ["score", "--model", "model", "--device", "cpu", "in.jsonl"];
    refused_at_once(&bench, &score, &["in.jsonl", "line 1", "not JSON"]);
    let bench = Bench::with_model();
    for name in ["model/config.json", "model/tokenizer.json"] {
        let good = bench.read(name);
        bench.write(name, format!("{{\"a\": {}", deep("[")));
        refused_at_once(&bench, &RUN, &[name]);
        bench.write(name, good);
    }
    bench.finish("out", &["--quiet"]);
    bench.write("out/report.json", deep("{\"a\":"));
    refused_at_once(&bench, &["report", "out"], &["out/report.json"]);
}
