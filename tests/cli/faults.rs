//! Faults of the machine: a full disk, a folder that cannot be written or goes away, a clock set back, too little memory.
//!
//! Each ends with one message and exit code 4, and what was finished stays: the same command goes on to the same end.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bench::Bench;
use crate::child::{KEPT, LONG, assert_same, command, start, timeless, wait_for};
use crate::program::{Outcome, program};

/// A small tmpfs, unmounted when dropped; `None` where this process may not mount.
struct Tmpfs(PathBuf);

impl Tmpfs {
    fn new(at: PathBuf, kilobytes: u32) -> Option<Self> {
        fs::create_dir_all(&at).expect("make the folder");
        let size = format!("size={kilobytes}k");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(&at)
            .output();
        if mount.is_ok_and(|output| output.status.success()) {
            return Some(Self(at));
        }
        println!("not tried: this process may not mount a tmpfs");
        None
    }

    fn remount(&self, options: &str) {
        let mount = Command::new("mount")
            .args(["-o", &format!("remount,{options}")])
            .arg(&self.0)
            .status();
        assert!(mount.expect("mount is there").success(), "{options}");
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk() {
    let undisturbed = Bench::new();
    undisturbed.finish("out", &KEPT);
    let bench = Bench::new();
    // Room for one checkpoint, not for three and a state.
    let Some(tmpfs) = Tmpfs::new(bench.path("out"), 2500) else {
        return;
    };
    let outcome = bench.run("out", &KEPT);
    outcome.failed(4, &["cannot ", "out", "No space left"]);
    assert!(
        bench
            .path("out/seed-0/checkpoints/phase-1/model.safetensors")
            .exists()
    );
    assert!(!bench.path("out/report.json").exists());
    tmpfs.remount("size=50000k");
    let outcome = bench.finish("out", &KEPT);
    assert!(
        outcome.stderr.contains("phase 1 is done, kept"),
        "{}",
        outcome.stderr
    );
    assert_same(&bench, &undisturbed, "out");
}

#[test]
fn a_limit_on_the_size_of_files() {
    let bench = Bench::new();
    // As a quota would: files end at 100 blocks of 1024 bytes, and the signal that tells of it is not taken.
    let run = command(&bench, "out", &[]);
    let arguments: Vec<_> = run.get_args().map(|a| a.to_str().expect("plain")).collect();
    let script = "trap '' XFSZ; ulimit -f 100; exec \"$0\" \"$@\"";
    let mut limited = program(bench.root(), &[]);
    let program = limited.get_program().to_owned();
    limited = {
        let mut shell = Command::new("bash");
        shell.args(["-c", script]).arg(program).args(arguments);
        shell.current_dir(bench.root()).env("OMP_NUM_THREADS", "1");
        shell
    };
    let outcome: Outcome = limited.output().expect("bash is there").into();
    outcome.failed(
        4,
        &[
            "cannot write",
            "phase-1/model.safetensors",
            "File too large",
        ],
    );
    let left = bench.tree("out/seed-0");
    assert!(
        left.keys().all(|p| !p.ends_with("model.safetensors")),
        "{left:?}"
    );
    bench.finish("out", &[]);
}

#[test]
fn a_folder_that_cannot_be_written() {
    let bench = Bench::new();
    bench.finish("out", &["--quiet"]);
    let table = bench.call(&["report", "out"]).ended(0).stdout;
    let Some(tmpfs) = Tmpfs::new(bench.path("mounted"), 20_000) else {
        return;
    };
    tmpfs.remount("ro");
    bench
        .run("mounted/out", &[])
        .failed(4, &["cannot create the folder", "mounted/out", "Read-only"]);
    tmpfs.remount("rw");
    bench.finish("mounted/out", &["--quiet"]);
    tmpfs.remount("ro");
    bench
        .run("mounted/out", &[])
        .failed(4, &["cannot ", "mounted/out", "Read-only"]);
    // What was finished is read all the same.
    assert_eq!(
        bench.call(&["report", "mounted/out"]).ended(0).stdout,
        table
    );
    bench.call(&["verify", "mounted/out"]).ended(0);
}

#[test]
fn a_folder_that_is_removed_under_the_run() {
    let bench = Bench::new();
    let mut child = start(&bench, "out", &LONG);
    wait_for(&mut child, &bench.path("out/seed-0/stages.json"), "phase-1");
    // More than once: a file may be written while the folder goes.
    while fs::remove_dir_all(bench.path("out")).is_err() {}
    let outcome: Outcome = child.wait_with_output().expect("it ends").into();
    outcome.failed(4, &["cannot ", "out", "No such file"]);
    bench.finish("out", &LONG);
}

/// A library that sets the wall clock back by an hour at every look at it.
const CLOCK: &str = r"
#define _GNU_SOURCE
#include <time.h>
#include <sys/syscall.h>
#include <unistd.h>
static long looks;
int clock_gettime(clockid_t clock, struct timespec *now) {
    int code = syscall(SYS_clock_gettime, clock, now);
    if (code == 0 && clock == CLOCK_REALTIME) now->tv_sec -= 3600 * ++looks;
    return code;
}
";

#[test]
fn a_clock_that_is_set_back() {
    let bench = Bench::new();
    bench.write("clock.c", CLOCK);
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o", "clock.so", "clock.c"])
        .current_dir(bench.root())
        .status();
    if !compiled.is_ok_and(|status| status.success()) {
        println!("not tried: no C compiler");
        return;
    }
    let undisturbed = Bench::new();
    let timed = [&LONG[..], &["--set", "run.checkpoint_every=1s"]].concat();
    undisturbed.finish("out", &timed);
    let mut run = command(&bench, "out", &timed);
    run.env("LD_PRELOAD", bench.path("clock.so"));
    let outcome: Outcome = run.output().expect("the program starts").into();
    assert!(matches!(outcome.code, Some(0 | 1 | 3)), "{outcome:#?}");
    assert_same(&bench, &undisturbed, "out");
    let provenance = bench.json("out/provenance.json");
    assert!(
        provenance["finished"].as_str() < provenance["started"].as_str(),
        "the clock did go back: {provenance}"
    );
    assert!(provenance["seconds"].as_f64().expect("seconds") > 0.0);
}

/// A checkpoint whose weights are a hole of 8 GB.
fn enormous(folder: &Path) {
    fs::create_dir_all(folder).expect("make the folder");
    let small = crate::program::parity("neox-parallel");
    fs::copy(small.join("tokenizer.json"), folder.join("tokenizer.json")).expect("copy");
    let text = fs::read_to_string(small.join("config.json")).expect("read");
    let mut config: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    config["vocab_size"] = (1 << 24).into();
    fs::write(folder.join("config.json"), config.to_string()).expect("write");
    let width = config["hidden_size"].as_u64().expect("a width");
    let bytes = (1 << 24) * width * 4;
    let mut header = serde_json::Map::new();
    let names = ["gpt_neox.embed_in.weight", "embed_out.weight"];
    for (i, name) in (0..).zip(names) {
        let range = [i * bytes, (i + 1) * bytes];
        let tensor =
            serde_json::json!({"dtype": "F32", "shape": [1 << 24, width], "data_offsets": range});
        header.insert(name.to_owned(), tensor);
    }
    let header = serde_json::Value::from(header).to_string();
    let mut file = fs::File::create(folder.join("model.safetensors")).expect("create");
    file.write_all(&(header.len() as u64).to_le_bytes())
        .expect("write");
    file.write_all(header.as_bytes()).expect("write");
    file.set_len(8 + header.len() as u64 + 2 * bytes)
        .expect("a hole");
}

#[test]
fn too_little_memory_while_loading() {
    let bench = Bench::new();
    enormous(&bench.path("model"));
    let script = "ulimit -v 4000000; exec \"$0\" \"$@\"";
    let binary = program(bench.root(), &[]).get_program().to_owned();
    bench.write("in.jsonl", "{\"tokens\": [1, 2]}\n");
    for arguments in [
        &["score", "--model", "model", "--device", "cpu", "in.jsonl"][..],
        &[
            "run",
            "tiny.toml",
            "--device",
            "cpu",
            "--out",
            "out",
            "--set",
            "model.path=model",
        ],
    ] {
        let output = Command::new("bash")
            .args(["-c", script])
            .arg(&binary)
            .args(arguments)
            .current_dir(bench.root())
            .env("OMP_NUM_THREADS", "1")
            .output();
        let outcome: Outcome = output.expect("bash is there").into();
        outcome.failed(
            4,
            &["cannot read", "model.safetensors", "Cannot allocate memory"],
        );
    }
    assert!(!bench.path("out").exists());
}

#[test]
fn a_clock_and_a_kill_leave_no_trace_in_the_report() {
    // The report's times are the only thing that a second run of the same command changes.
    let bench = Bench::new();
    bench.finish("out", &["--quiet"]);
    let first = timeless(&bench, "out");
    fs::remove_dir_all(bench.path("out")).expect("remove");
    bench.finish("out", &["--quiet"]);
    assert_eq!(timeless(&bench, "out"), first);
}
