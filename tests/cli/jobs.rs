//! Seeds of one run at once, each in a process of its own, and cells that are run one by one.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::bench::{Bench, CELL};
use crate::program::{Outcome, program};

const SEEDS: [&str; 6] = ["--seed", "0", "--seed", "1", "--seed", "2"];

/// Phases 2 and 3 long enough that a signal finds them at work.
const LONG: [&str; 6] = [
    "--set",
    "canaries.repeats=150",
    "--set",
    "phase2.eval_every=25",
    "--set",
    "phase3.eval_every=25",
];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&SEEDS[..], more].concat()
}

#[track_caller]
fn assert_same_run(bench: &Bench, one: &str, two: &str) {
    assert_eq!(bench.rows(one), bench.rows(two));
    for name in ["leakage.csv", "spec.toml"] {
        let [one, two] = [one, two].map(|out| bench.read(&format!("{out}/{name}")));
        assert_eq!(one, two, "{name}");
    }
    for seed in 0..3 {
        for file in CELL {
            let read = |out: &str| fs::read(bench.path(&format!("{out}/seed-{seed}/{file}")));
            assert!(
                read(one).expect("there") == read(two).expect("there"),
                "seed {seed}: {file}"
            );
        }
    }
}

#[test]
fn cells_at_once_make_the_run_of_cells_in_turn() {
    let bench = Bench::new();
    let turn = bench.finish("turn", &SEEDS);
    let once = bench.finish("once", &with(&["--jobs", "2"]));
    assert_same_run(&bench, "turn", "once");
    assert_eq!(turn.stdout, once.stdout);
    // What a cell tells, its parent shows.
    for seed in 0..3 {
        for phase in ["phase 1: 4 steps", "phase 3: done in"] {
            let line = format!("seed {seed} · {phase}");
            assert!(once.stderr.contains(&line), "{}", once.stderr);
        }
    }
    let provenance = bench.json("once/provenance.json");
    assert_eq!(provenance["jobs"], 2);
    assert_eq!(provenance["threads"], 1);
    assert_eq!(bench.json("turn/provenance.json")["jobs"], 1);
    for seed in 0..3 {
        let cell = &provenance["cells"][format!("seed-{seed}")];
        assert_eq!(
            (&cell["device"], &cell["threads"]),
            (&json!("cpu"), &json!(1))
        );
        assert!(cell["seconds"].as_f64().is_some_and(|s| s > 0.0), "{cell}");
        let own = bench.json(&format!("once/seed-{seed}/provenance.json"));
        assert!(own["finished"].is_string(), "{own}");
        assert_eq!(
            own["manifest_sha256"][format!("seed-{seed}")],
            provenance["manifest_sha256"][format!("seed-{seed}")]
        );
    }
    // A finished run is kept, whichever way it was made.
    let again = bench.finish("once", &with(&["--jobs", "3"]));
    assert!(again.stderr.contains("seed 2: complete, kept"));
    assert_same_run(&bench, "turn", "once");
}

#[test]
fn the_machines_threads_are_shared_out_unless_the_spec_says() {
    let bench = Bench::with_spec("threads = 1", "");
    let threads = |out: &str, more: &[&str]| {
        let mut arguments = vec![
            "run",
            "tiny.toml",
            "--device",
            "cpu",
            "--quiet",
            "--out",
            out,
        ];
        arguments.extend(more);
        // As many as libtorch takes by itself.
        let output = program(bench.root(), &arguments)
            .env_remove("OMP_NUM_THREADS")
            .output();
        let outcome: Outcome = output.expect("it starts").into();
        assert!(
            bench.path(&format!("{out}/report.json")).exists(),
            "{outcome:#?}"
        );
        let threads = &bench.json(&format!("{out}/seed-0/provenance.json"))["threads"];
        threads.as_u64().expect("a number")
    };
    let two = ["--seed", "0", "--seed", "1"];
    let at_once = [&two[..], &["--jobs", "2"]].concat();
    let all = threads("all", &two);
    assert_eq!(threads("shared", &at_once), (all / 2).max(1));
    // Three jobs of one seed are one.
    assert_eq!(threads("one", &["--jobs", "3"]), all);
    let asked = [&two[..], &["--jobs", "2", "--set", "run.threads=3"]].concat();
    assert_eq!(threads("asked", &asked), 3);
    // What has begun goes on as it began.
    let unfinished = |cell: &str| {
        bench.edit_json(&format!("{cell}/stages.json"), |stages| {
            let stages = stages["stages"].as_object_mut().expect("stages");
            stages.remove("complete").expect("a complete cell");
        });
    };
    unfinished("shared/seed-0");
    for (at, threads) in [("shared", 3), ("shared/seed-0", 5)] {
        bench.edit_json(&format!("{at}/provenance.json"), |p| {
            p["threads"] = threads.into();
        });
    }
    assert_eq!(threads("shared", &two), 5, "the cell's own record rules");
    let cell = [&two[..], &["--cell", "0"]].concat();
    unfinished("shared/seed-0");
    bench.edit_json("shared/seed-0/provenance.json", |p| p["threads"] = 5.into());
    assert_eq!(threads("shared", &cell), 5);
}

#[test]
fn a_cell_that_fails_is_named_with_its_code_and_the_others_end() {
    let bench = Bench::new();
    bench.finish("whole", &with(&["--quiet"]));
    // The record of one cell is damaged before it begins.
    fs::create_dir_all(bench.path("out")).expect("make the folder");
    fs::copy(bench.path("whole/spec.toml"), bench.path("out/spec.toml")).expect("copy");
    bench.write("out/seed-1/stages.json", "no record");
    let outcome = bench.run("out", &with(&["--jobs", "2"]));
    outcome.failed(
        2,
        &["seed 1: ", "seed-1/stages.json", "not a record of stages"],
    );
    assert!(
        outcome.stderr.contains("the other seeds go on"),
        "{}",
        outcome.stderr
    );
    for seed in [0, 2] {
        assert!(
            bench
                .read(&format!("out/seed-{seed}/stages.json"))
                .contains("\"complete\"")
        );
    }
    assert!(!bench.path("out/report.json").exists());
    // Once it is mended the run ends as if nothing had been.
    fs::remove_dir_all(bench.path("out/seed-1")).expect("remove");
    bench.finish("out", &with(&["--jobs", "2"]));
    assert_same_run(&bench, "whole", "out");
}

#[test]
fn every_failed_cell_has_its_own_message() {
    let bench = Bench::new();
    let absurd = [
        "--jobs",
        "3",
        "--set",
        "phase2.learning_rate=1e20",
        "--set",
        "phase2.warmup_steps=1",
        "--set",
        "phase2.eval_every=100",
    ];
    bench.run("out", &with(&absurd)).failed(
        4,
        &[
            "seed 0: ",
            "step 2",
            "last good",
            "seed-0",
            "\nseed 1: ",
            "seed-1",
            "\nseed 2: ",
            "seed-2",
        ],
    );
}

fn start(bench: &Bench, out: &str, more: &[&str]) -> Child {
    let mut arguments = vec!["run", "tiny.toml", "--device", "cpu", "--out", out];
    arguments.extend(with(more));
    arguments.extend(LONG);
    program(bench.root(), &arguments)
        .spawn()
        .expect("it starts")
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(
            start.elapsed() < Duration::from_mins(1),
            "{what}: not in a minute"
        );
        sleep(Duration::from_millis(10));
    }
}

fn has_stage(bench: &Bench, cell: &str, stage: &str) -> bool {
    fs::read_to_string(bench.path(&format!("{cell}/stages.json")))
        .is_ok_and(|text| text.contains(&format!("\"{stage}\"")))
}

/// Processes that have this folder in their command line.
fn processes_of(folder: &Path) -> usize {
    let folder = folder.to_str().expect("a plain path");
    let entries = fs::read_dir("/proc").expect("processes").flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines
        .filter(|line| String::from_utf8_lossy(line).contains(folder))
        .count()
}

#[test]
fn an_interrupt_of_the_parent_stops_every_cell_and_the_run_continues_to_the_same_end() {
    let bench = Bench::new();
    let out = bench.path("out");
    let out = out.to_str().expect("a plain path");
    let child = start(&bench, out, &["--jobs", "2"]);
    wait_until("the reference of two seeds", || {
        ["out/seed-0", "out/seed-1"]
            .iter()
            .all(|cell| has_stage(&bench, cell, "reference"))
    });
    assert_eq!(processes_of(&bench.path("out")), 3);
    let status = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(status.expect("kill is there").success());
    let outcome: Outcome = child.wait_with_output().expect("it ends").into();
    outcome.failed(130, &["interrupted"]);
    assert!(outcome.stderr.contains("hint: the same command continues"));
    // They had stopped before their parent did.
    assert_eq!(processes_of(&bench.path("out")), 0);
    assert!(!bench.path("out/seed-2").exists() && !bench.path("out/report.json").exists());
    assert!(!has_stage(&bench, "out/seed-0", "complete"));
    let outcome = bench.finish(out, &with(&[&LONG[..], &["--jobs", "3"]].concat()));
    assert!(
        outcome.stderr.contains("phase 1 is done, kept"),
        "{}",
        outcome.stderr
    );
    bench.finish("turn", &with(&[&LONG[..], &["--quiet"]].concat()));
    assert_same_run(&bench, "turn", "out");
}

#[test]
fn cells_do_not_outlive_a_parent_that_was_killed() {
    let bench = Bench::new();
    let out = bench.path("out");
    let mut child = start(
        &bench,
        out.to_str().expect("a plain path"),
        &["--jobs", "3"],
    );
    wait_until("the reference of a seed", || {
        has_stage(&bench, "out/seed-0", "reference")
    });
    child.kill().expect("kill");
    child.wait().expect("it ends");
    wait_until("the end of the cells", || processes_of(&out) == 0);
    assert!(!has_stage(&bench, "out/seed-2", "complete"));
}

#[test]
fn cells_run_one_by_one_make_the_run() {
    let bench = Bench::new();
    bench.finish("turn", &with(&["--quiet"]));
    // Two begin the run in the same moment, as a job array does.
    let cells: Vec<Child> = ["2", "0"]
        .iter()
        .map(|cell| {
            let mut arguments = vec!["run", "tiny.toml", "--device", "cpu", "--out", "out"];
            arguments.extend(with(&["--cell", cell]));
            program(bench.root(), &arguments)
                .spawn()
                .expect("it starts")
        })
        .collect();
    for cell in cells {
        let outcome: Outcome = cell.wait_with_output().expect("it ends").into();
        let outcome = outcome.ended(0);
        assert_eq!(outcome.stdout, "");
        assert!(outcome.stderr.contains("without --cell makes the report"));
    }
    assert!(!bench.path("out/report.json").exists());
    assert!(!bench.path("out/provenance.json").exists());
    assert!(!bench.path("out/seed-1").exists());
    // From the recorded spec too, as the cell of another machine would.
    bench
        .call(&[
            "run",
            "out/spec.toml",
            "--device",
            "cpu",
            "--out",
            "out",
            "--cell",
            "1",
            "--quiet",
        ])
        .ended(0);
    let outcome = bench.finish("out", &SEEDS);
    for seed in 0..3 {
        assert!(
            outcome
                .stderr
                .contains(&format!("seed {seed}: complete, kept"))
        );
    }
    assert!(!outcome.stderr.contains("phase"), "{}", outcome.stderr);
    assert_same_run(&bench, "turn", "out");
}

#[test]
fn cells_that_do_not_belong_together_are_refused() {
    let bench = Bench::new();
    let more = with(&["--quiet"]);
    bench.finish("out", &more);
    fs::remove_file(bench.path("out/provenance.json")).expect("remove");
    bench.edit_json("out/seed-1/provenance.json", |p| {
        p["device"] = "cuda:3".into();
    });
    bench
        .run("out", &more)
        .failed(2, &["seed-1", "the device", "--out"]);
    bench.edit_json("out/seed-1/provenance.json", |p| {
        p["device"] = "cpu".into();
        p["checkpoint_sha256"]["config.json"] = "00".into();
    });
    bench
        .run("out", &more)
        .failed(2, &["seed-1", "the checkpoint", "--out"]);
}

#[test]
fn cells_and_jobs_that_cannot_be_are_refused() {
    let bench = Bench::new();
    bench.refuses_run(&["--cell", "7"], &["--cell 7", "[0]", "audit.seeds"]);
    bench.refuses_run(&["--jobs", "0"], &["--jobs", "from 1 to 1024"]);
    bench.refuses_run(&["--jobs", "many"], &["--jobs", "from 1 to 1024"]);
    bench.refuses_run(&["--jobs", "2", "--cell", "0"], &["--jobs", "--cell"]);
    bench.refuses_run(
        &["--set", "run.jobs=0"],
        &["`run.jobs` is 0", "from 1 to 1024"],
    );
}
