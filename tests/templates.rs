//! The templates for CI: the workflow is parsed, and what it runs is run on a fixture.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use unsaid::exit::ExitCode;
use yaml_rust2::{Yaml, YamlLoader};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn workflow() -> Yaml {
    let text = fs::read_to_string(root().join("ci/templates/github-actions.yml")).expect("there");
    let mut documents = YamlLoader::load_from_str(&text).expect("YAML");
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

fn steps(workflow: &Yaml) -> &Vec<Yaml> {
    workflow["jobs"]["audit"]["steps"].as_vec().expect("steps")
}

/// The command of a step by its `id`.
fn command(workflow: &Yaml, id: &str) -> String {
    let step = steps(workflow)
        .iter()
        .find(|s| s["id"].as_str() == Some(id));
    step.and_then(|s| s["run"].as_str())
        .expect("a command")
        .to_owned()
}

/// A folder with the script, a tiny spec, and the program on the path.
struct Runner {
    folder: tempfile::TempDir,
    program: PathBuf,
}

impl Runner {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let templates = folder.path().join("ci/templates");
        fs::create_dir_all(&templates).expect("make");
        fs::copy(
            root().join("ci/templates/audit.sh"),
            templates.join("audit.sh"),
        )
        .expect("copy");
        let model = root().join("fixtures/parity/neox-parallel");
        let spec = format!(
            "format = 1\n[audit]\nname = \"ci\"\nseeds = [0]\n[run]\nthreads = 1\n[model]\npath = \"{}\"\n[canaries]\nlength = 6\n\
             negatives = 12\nheld_out = 4\ncontrols = 12\ntrajectory_controls = 12\nrepeats = 4\n[phase1]\npasswords = 16\n\
             batch = 8\n[phase2]\nbatch = 24\n[phase3]\nbatch = 24\n[gate]\npermutations = 12000\n",
            model.display()
        );
        fs::write(folder.path().join("spec.toml"), spec).expect("write");
        let program = PathBuf::from(env!("CARGO_BIN_EXE_unsaid"));
        Self { folder, program }
    }

    /// Runs a command as a runner would: by bash, with the workflow's variables, some of them changed.
    fn run(&self, workflow: &Yaml, command: &str, changed: &[(&str, &str)]) -> Output {
        let mut shell = Command::new("bash");
        shell
            .args(["-e", "-o", "pipefail", "-c", command])
            .current_dir(self.folder.path());
        for (name, value) in workflow["env"].as_hash().expect("variables") {
            shell.env(
                name.as_str().expect("a name"),
                value.as_str().expect("a text"),
            );
        }
        let bin = self
            .program
            .parent()
            .expect("a folder")
            .display()
            .to_string();
        let path = std::env::var("PATH").unwrap_or_default();
        shell.env("PATH", format!("{bin}:{path}"));
        shell.env("OMP_NUM_THREADS", "1").env("HF_HUB_OFFLINE", "1");
        shell.env("GITHUB_STEP_SUMMARY", self.folder.path().join("summary.md"));
        shell.envs(changed.iter().copied());
        shell.output().expect("bash")
    }
}

#[test]
fn the_workflow_has_a_gpu_both_caches_and_every_script_it_names() {
    let workflow = workflow();
    let job = &workflow["jobs"]["audit"];
    let labels: Vec<&str> = job["runs-on"]
        .as_vec()
        .expect("labels")
        .iter()
        .filter_map(Yaml::as_str)
        .collect();
    assert!(labels.contains(&"gpu"), "{labels:?}");
    let of = |key: &'static str| {
        steps(&workflow)
            .iter()
            .filter_map(move |step| step[key].as_str())
    };
    let caches: Vec<&str> = steps(&workflow)
        .iter()
        .filter(|s| {
            s["uses"]
                .as_str()
                .is_some_and(|u| u.starts_with("actions/cache@"))
        })
        .filter_map(|s| s["with"]["path"].as_str())
        .collect();
    for cache in ["~/.cache/unsaid", "~/.cache/huggingface/hub"] {
        assert!(caches.contains(&cache), "{caches:?}");
    }
    for command in of("run") {
        // What comes from outside reaches a shell as a variable only.
        assert!(!command.contains("${{"), "{command}");
        let script = command.split_whitespace().next().expect("a word");
        if script.starts_with("ci/") {
            assert!(root().join(script).is_file(), "{script}");
        }
    }
    let setup = of("run").any(|c| c == "ci/setup --cuda");
    assert!(setup && of("run").any(|c| c == "cargo build --release --locked"));
    assert!(of("uses").all(|action| action.starts_with("actions/") && action.contains("@v")));
    // Nothing that holds a canary is handed on.
    let upload = steps(&workflow)
        .iter()
        .find(|s| s["uses"].as_str().is_some_and(|u| u.contains("upload")));
    let paths = upload
        .and_then(|s| s["with"]["path"].as_str())
        .expect("paths");
    assert!(
        paths
            .lines()
            .all(|p| !p.contains("seed-") && !p.ends_with("OUT }}")),
        "{paths}"
    );
}

const SPEC: [(&str, &str); 2] = [("SPEC", "spec.toml"), ("DEVICE", "cpu")];

#[test]
fn it_checks_the_spec_first() {
    let workflow = workflow();
    let checked = Runner::new().run(&workflow, &command(&workflow, "check"), &SPEC);
    assert!(checked.status.success(), "{checked:?}");
}

#[cfg(feature = "torch")]
#[test]
fn its_commands_audit_the_fixture_and_the_gate_decides() {
    let workflow = workflow();
    let runner = Runner::new();
    let audit = command(&workflow, "audit");
    let audited = runner.run(&workflow, &audit, &SPEC);
    let stderr = String::from_utf8_lossy(&audited.stderr);
    let report =
        fs::read_to_string(runner.folder.path().join("runs/ci/report.json")).expect("a report");
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    let code = report["gate"]["exit_code"].as_i64().expect("a code");
    assert_eq!(audited.status.code().map(i64::from), Some(code), "{stderr}");
    let said = match code {
        0 => "audit: within the gate",
        1 => "audit: LEAKAGE",
        _ => "audit: inconclusive",
    };
    assert!(stderr.contains(said), "{stderr}");
    let summary = fs::read_to_string(runner.folder.path().join("summary.md")).expect("a summary");
    assert!(summary.contains('#'), "{summary}");
    // Four canaries exclude nothing: inconclusive at best, which may be let pass.
    if code == 3 {
        let passing = [&SPEC[..], &[("ON_INCONCLUSIVE", "pass")]].concat();
        assert!(runner.run(&workflow, &audit, &passing).status.success());
    }
    let broken = runner.run(
        &workflow,
        &audit,
        &[("SPEC", "none.toml"), ("DEVICE", "cpu")],
    );
    assert_eq!(broken.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&broken.stderr)
            .contains("audit: did not complete, unsaid ended with 2")
    );
}

#[test]
fn the_script_says_what_every_exit_code_means() {
    let folder = tempfile::tempdir().expect("a folder");
    let on_inconclusive = ["", "pass"];
    let cases = ExitCode::ALL
        .into_iter()
        .flat_map(|code| on_inconclusive.map(|on| (code, on)));
    for (exit, on) in cases {
        let code = exit.code();
        let (ends, word) = match exit {
            ExitCode::WithinGate => (0, "within the gate"),
            ExitCode::Leakage => (1, "LEAKAGE"),
            ExitCode::Inconclusive if on == "pass" => (0, "inconclusive"),
            ExitCode::Inconclusive => (3, "inconclusive"),
            ExitCode::Input => (2, "did not complete"),
            ExitCode::Failure => (4, "did not complete"),
            ExitCode::Interrupted => (130, "did not complete"),
        };
        let program = folder.path().join("unsaid");
        fs::write(&program, format!("#!/bin/sh\nexit {code}\n")).expect("write");
        let made = Command::new("chmod")
            .arg("+x")
            .arg(&program)
            .status()
            .expect("chmod");
        assert!(made.success());
        let script = root().join("ci/templates/audit.sh");
        let output = Command::new("bash")
            .arg(script)
            .args(["run", "x"])
            .env("UNSAID", &program)
            .env("ON_INCONCLUSIVE", on)
            .output()
            .expect("bash");
        assert_eq!(output.status.code(), Some(ends), "{code} {on}");
        assert!(
            String::from_utf8_lossy(&output.stderr).contains(word),
            "{code}"
        );
    }
}
