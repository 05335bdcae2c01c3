//! The program on a model of the hub.

use std::fs;
use std::process::{Command, Output};

use super::fixture::{COMMIT, Fixture, ID, LATER, TOKEN};

const SPEC: &str = r#"format = 1
[audit]
name = "tiny"
seeds = [0]
[run]
threads = 1
[model]
id = "lab/tiny-neox"
[canaries]
length = 6
negatives = 12
held_out = 4
controls = 12
trajectory_controls = 12
repeats = 4
[phase1]
passwords = 32
batch = 8
[phase2]
batch = 8
[phase3]
batch = 8
[gate]
permutations = 12000
"#;

fn program(fixture: &Fixture, endpoint: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_unsaid"));
    command
        .args(arguments)
        .current_dir(fixture.root.path())
        .env("OMP_NUM_THREADS", "1")
        .env("HF_HOME", fixture.root.path())
        .env("HF_HUB_CACHE", fixture.cache())
        .env("HF_ENDPOINT", endpoint);
    for name in [
        "HF_TOKEN",
        "HF_TOKEN_PATH",
        "HF_HUB_OFFLINE",
        "TRANSFORMERS_OFFLINE",
        "RUST_LOG",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
    ] {
        command.env_remove(name);
    }
    command
}

fn run(fixture: &Fixture, out: &str, more: &[&str]) -> Output {
    fs::write(fixture.root.path().join("tiny.toml"), SPEC).expect("write the spec");
    let mut arguments = vec!["run", "tiny.toml", "--device", "cpu", "--out", out];
    arguments.extend(more);
    let command = &mut program(fixture, &fixture.hub.url(), &arguments);
    command.output().expect("the program starts")
}

fn provenance(fixture: &Fixture) -> serde_json::Value {
    let text = fs::read_to_string(fixture.root.path().join("out/provenance.json"));
    serde_json::from_str(&text.expect("provenance")).expect("JSON")
}

#[test]
fn a_run_by_name_fetches_the_model_and_a_moved_one_is_noticed() {
    let fixture = Fixture::new();
    // The token of the file beside the cache is the one that is sent.
    fs::write(fixture.root.path().join("token"), format!("{TOKEN}\n")).expect("write");
    let output = run(&fixture, "out", &[]);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{stderr}");
    assert!(stderr.contains("fetching lab/tiny-neox"), "{stderr}");
    assert!(!stderr.contains(TOKEN));
    assert_eq!(provenance(&fixture)["checkpoint_commit"], COMMIT);
    let bearer = format!("Bearer {TOKEN}");
    assert!(
        fixture
            .hub
            .requests("")
            .iter()
            .all(|r| r.token.as_ref() == Some(&bearer))
    );

    fixture.move_main();
    let output = run(&fixture, "out", &[]);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(
        stderr.contains(COMMIT) && stderr.contains(LATER),
        "{stderr}"
    );
    assert!(stderr.contains("commit"), "{stderr}");
    assert_eq!(provenance(&fixture)["checkpoint_commit"], COMMIT);
    // The commit by its name is still the old model, in a run of its own.
    let pinned = format!("model.revision={COMMIT}");
    let output = run(&fixture, "pinned", &["--set", &pinned, "--quiet"]);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{stderr}");
    assert!(fixture.root.path().join("pinned/report.json").exists());
}

#[test]
fn what_cannot_be_had_ends_2_and_what_failed_ends_4_with_nothing_written() {
    let fixture = Fixture::new();
    let ended = |endpoint: &str, id: &str, code: i32, word: &str| {
        fs::write(fixture.root.path().join("tiny.toml"), SPEC).expect("write the spec");
        let id = format!("model.id={id}");
        let arguments = [
            "run",
            "tiny.toml",
            "--device",
            "cpu",
            "--out",
            "out",
            "--set",
            &id,
        ];
        let output = program(&fixture, endpoint, &arguments)
            .output()
            .expect("the program starts");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert_eq!(stderr.matches("error: ").count(), 1, "{stderr}");
        assert!(stderr.contains(word), "{word}: {stderr}");
        assert!(!fixture.root.path().join("out").exists());
    };
    ended(&fixture.hub.url(), "lab/none", 2, "lab/none");
    ended("lab/none", ID, 2, "HF_ENDPOINT");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", closed.local_addr().expect("an address"));
    drop(closed);
    ended(&address, ID, 4, "cannot reach 127.0.0.1");
}
