//! What is typed: subcommands, options, devices, help.

#[cfg(feature = "torch")]
use std::path::Path;

use crate::bench::Bench;
use crate::program::{call, repository};

#[test]
fn commands_and_options_that_are_unknown() {
    let bench = Bench::new();
    bench.refuses(
        &["audit", "tiny.toml"],
        &["unrecognized subcommand 'audit'", "--help"],
    );
    bench.refuses_spec(&["--sead", "1"], &["'--sead'", "--seed"]);
    bench.refuses_spec(&["--seed", "one"], &["'one'", "--seed"]);
    bench.refuses_spec(
        &["--seed", "3", "--seed", "3"],
        &["--seed 3 --seed 3", "distinct seeds"],
    );
    bench.refuses_canaries(&["--log-format", "xml"], &["'xml'", "json"]);
    if cfg!(feature = "torch") {
        bench.refuses(&["run"], &["<SPEC>"]);
        bench.refuses(&["score", "in.jsonl"], &["--model"]);
    }
    bench.refuses(&["check"], &["<SPEC>"]);
    bench.refuses(&["report", "out", "--format", "pdf"], &["'pdf'", "junit"]);
}

#[test]
fn settings_that_no_spec_has() {
    let bench = Bench::new();
    bench.refuses_spec(
        &["--set", "canaries.lenght=8"],
        &[
            "--set canaries.lenght=8",
            "unknown key `canaries.lenght`",
            "`canaries.length`?",
        ],
    );
    bench.refuses_spec(
        &["--set", "colour=red"],
        &["--set colour=red", "unknown key `colour`"],
    );
    for bad in ["canaries.length", "=3", "canaries..length=3"] {
        bench.refuses_spec(&["--set", bad], &[bad, "--set canaries.length=8"]);
    }
}

#[cfg(feature = "torch")]
#[test]
fn devices_that_are_not_there() {
    let bench = Bench::new();
    let run = |device| ["run", "tiny.toml", "--out", "out", "--device", device];
    bench.refuses(&run("cuda:63"), &["--device cuda:63", "--device cpu"]);
    bench.refuses(
        &["doctor", "--device", "cuda:63"],
        &["--device cuda:63", "--device cpu"],
    );
    for unknown in ["gpu", "cuda:", "cuda:-1", "CPU"] {
        bench.refuses(&run(unknown), &["unknown device", unknown, "cuda:N"]);
    }
    // On a machine with a GPU it is there, and a run on it proves nothing here.
    if !Path::new("/dev/nvidiactl").exists() {
        bench.refuses(&run("cuda"), &["--device cuda", "--device cpu"]);
    }
}

#[cfg(feature = "torch")]
#[test]
fn precisions_that_are_not_there() {
    let bench = Bench::new();
    bench.refuses_run(&["--precision", "tf32"], &["tf32", "CUDA", "f32 or bf16"]);
    bench.refuses_run(&["--precision", "f64"], &["'f64'", "f32"]);
}

/// Without a GPU too: libtorch's CUDA half loads and registers in this binary, where it lies beside libtorch.
#[cfg(feature = "torch")]
#[test]
fn cuda_registers_where_its_library_is() {
    let bench = Bench::new();
    let doctor = bench.call(&["doctor"]).ended(0).stdout;
    let line = |label: &str| {
        let line = doctor.lines().find_map(|line| line.strip_prefix(label));
        line.unwrap_or_else(|| panic!("no {label} in {doctor}"))
            .trim()
    };
    let libtorch = line("libtorch ").rsplit(' ').next().unwrap_or_default();
    let cuda = Path::new(libtorch).with_file_name("libtorch_cuda.so");
    let state = line("cuda ");
    assert_eq!(
        state.ends_with("device(s)"),
        cuda.exists(),
        "{state} beside {libtorch}"
    );
}

#[cfg(feature = "torch")]
#[test]
fn doctor_says_what_is_there() {
    let bench = Bench::new();
    let outcome = bench.call(&["doctor", "--device", "cpu"]).ended(0);
    for word in [
        "libtorch     built for 2.11.0",
        "device       cpu",
        "threads",
        "memory",
        "hub cache",
    ] {
        assert!(outcome.stdout.contains(word), "{word}: {}", outcome.stdout);
    }
}

#[test]
fn version_is_a_result() {
    let outcome = call(repository(), &["--version"]).ended(0);
    assert_eq!(
        outcome.stdout,
        format!("unsaid {}\n", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(outcome.stderr, "");
}

#[test]
fn help_of_every_command_shows_an_example() {
    let mut commands = vec!["", "report", "check"];
    if cfg!(feature = "torch") {
        commands.extend(["run", "score", "bench", "doctor"]);
    }
    for command in commands {
        let mut arguments = vec![command, "--help"];
        arguments.retain(|a| !a.is_empty());
        let outcome = call(repository(), &arguments).ended(0);
        assert_eq!(outcome.stderr, "");
        let (_, examples) = outcome.stdout.split_once("Example").expect("an example");
        assert!(
            examples.contains(&format!("unsaid {command}")),
            "{examples}"
        );
        for line in outcome.stdout.lines() {
            assert!(line.chars().count() <= 80, "{command}: {line}");
        }
        let name = if command.is_empty() {
            "unsaid"
        } else {
            command
        };
        insta::assert_snapshot!(format!("help_{name}"), outcome.stdout);
    }
}

#[test]
fn files_that_the_help_names_are_there() {
    for path in [
        "audits/quick.toml",
        "audits/pythia-160m.toml",
        "fixtures/tiny-neox",
    ] {
        assert!(repository().join(path).exists(), "{path}");
    }
}

#[test]
fn a_copied_binary_finds_libtorch_without_help() {
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("unsaid");
    // By another process: a child of another test, forked while this one had the copy open for writing, would keep it busy.
    let copied = std::process::Command::new("cp")
        .arg(env!("CARGO_BIN_EXE_unsaid"))
        .arg(&copy)
        .status()
        .expect("start cp");
    assert!(copied.success());
    let output = std::process::Command::new(&copy)
        .arg("--version")
        .env_clear()
        .output()
        .expect("start the copy");
    assert!(output.status.success(), "{output:?}");
}
