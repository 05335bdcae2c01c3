//! Where the planted secrets stand, and where not.

#[cfg(feature = "torch")]
use std::collections::BTreeSet;
use std::fs;
#[cfg(feature = "torch")]
use std::os::unix::fs::PermissionsExt;

use crate::bench::Bench;

#[cfg(feature = "torch")]
#[test]
fn canaries_are_a_manifest_for_their_owner_only() {
    let bench = Bench::new();
    bench.finish("out", &["--quiet"]);
    let canaries = bench.lines("out/seed-0/canaries.jsonl");
    for (group, n) in [("useful", 8), ("held_out", 4), ("control", 12)] {
        assert_eq!(canaries.iter().filter(|c| c["group"] == group).count(), n);
    }
    let texts: BTreeSet<&str> = canaries.iter().filter_map(|c| c["text"].as_str()).collect();
    assert_eq!(texts.len(), 24, "all distinct");
    assert!(
        canaries
            .iter()
            .all(|c| c["tokens"].as_array().is_some_and(|t| t.len() == 6))
    );
    let mode = fs::metadata(bench.path("out/seed-0/canaries.jsonl"))
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[cfg(feature = "torch")]
#[test]
fn secrets_stand_in_the_manifest_and_nowhere_else() {
    let bench = Bench::new();
    let outcome = bench.finish("out", &["--log-format", "json"]);
    let mut places = vec![("printed".to_owned(), outcome.stdout + &outcome.stderr)];
    for (path, bytes) in bench.tree("out") {
        let Some(bytes) = bytes.filter(|_| !path.ends_with("canaries.jsonl")) else {
            continue;
        };
        places.push((
            path.display().to_string(),
            String::from_utf8_lossy(&bytes).into_owned(),
        ));
    }
    assert!(places.len() > 20);
    for canary in bench.lines("out/seed-0/canaries.jsonl") {
        let text = canary["text"].as_str().expect("a text");
        let tokens = canary["tokens"].to_string();
        let spellings = [
            text.trim().to_owned(),
            text.replace(' ', ""),
            tokens.trim_matches(['[', ']']).to_owned(),
        ];
        for (place, found) in &places {
            for spelling in &spellings {
                assert!(!found.contains(spelling), "{spelling} stands in {place}");
            }
        }
    }
}

#[test]
fn only_who_asks_is_shown_texts_and_nothing_is_written() {
    let bench = Bench::new();
    bench.finished("out");
    let before = bench.tree("");
    let manifest = bench.lines("out/seed-0/canaries.jsonl");
    let text_of = |id: &str| {
        let line = manifest
            .iter()
            .find(|line| line["id"] == id)
            .expect("in the manifest");
        line["text"].as_str().expect("a text").trim().to_owned()
    };
    let report = bench.json("out/report.json");
    let named = report["figures"]["canaries"].as_array().expect("canaries");
    assert!(!named.is_empty() && named.iter().all(|c| c["text"].is_null()));
    let id = named[0]["id"].as_str().expect("an id");
    for format in ["html", "md", "json", "table"] {
        let hidden = bench
            .call(&["report", "out", "--format", format])
            .ended(0)
            .stdout;
        assert!(!hidden.contains(&text_of(id)), "{format}");
        let arguments = ["report", "out", "--format", format, "--reveal"];
        let shown = bench.call(&arguments).ended(0).stdout;
        // Markdown has no table of canaries: it goes to pull requests.
        assert_eq!(shown.contains(&text_of(id)), format != "md", "{format}");
    }
    assert!(bench.tree("") == before);
    bench.refuses(
        &["report", "out", "out", "--reveal"],
        &["--reveal", "one run"],
    );
    fs::remove_file(bench.path("out/seed-0/canaries.jsonl")).expect("remove");
    bench.refuses(
        &["report", "out", "--reveal"],
        &["canaries.jsonl", "--reveal needs"],
    );
}

/// Every file in which a secret stands, in any spelling, is for its owner alone.
#[cfg(feature = "torch")]
#[test]
fn what_holds_a_secret_is_its_owners_alone() {
    let bench = Bench::new();
    let more = [
        &["--quiet", "--seed", "0", "--seed", "1"][..],
        &crate::child::KEPT,
    ]
    .concat();
    bench.finish("out", &more);
    let mut holders = 0;
    for seed in [0, 1] {
        for canary in bench.lines(&format!("out/seed-{seed}/canaries.jsonl")) {
            let text = canary["text"].as_str().expect("a text").to_owned();
            for (path, bytes) in bench.tree("out") {
                let found = bytes.is_some_and(|b| String::from_utf8_lossy(&b).contains(&text));
                if found {
                    holders += 1;
                    let mode = fs::metadata(&path).expect("there").permissions().mode();
                    assert_eq!(mode & 0o077, 0, "{}", path.display());
                }
            }
        }
    }
    assert_eq!(holders, 48, "each in its own manifest");
}

#[cfg(feature = "torch")]
#[test]
fn a_token_of_the_hub_is_written_nowhere() {
    let bench = Bench::new();
    let token = "hf_ThisIsNoRealTokenOfAnyone";
    let mut outputs = Vec::new();
    for arguments in [
        &[
            "run",
            "tiny.toml",
            "--device",
            "cpu",
            "--out",
            "out",
            "--log-format",
            "json",
        ][..],
        &[
            "run",
            "tiny.toml",
            "--device",
            "cpu",
            "--out",
            "out",
            "--set",
            "phase3.beta=0.5",
        ],
        &[
            "run",
            "tiny.toml",
            "--out",
            "x",
            "--set",
            "model.id=no/model",
        ],
        &["doctor", "--device", "cpu"],
        &["verify", "out"],
    ] {
        let mut command = crate::program::program(bench.root(), arguments);
        command.env("HF_TOKEN", token).env("RUST_LOG", "trace");
        let output = command.output().expect("the program starts");
        outputs.push([output.stdout, output.stderr].concat());
    }
    outputs.extend(bench.tree("").into_values().flatten());
    assert!(outputs.len() > 25);
    for output in outputs {
        assert!(!String::from_utf8_lossy(&output).contains(token));
    }
}

#[cfg(feature = "torch")]
#[test]
fn an_error_does_not_show_what_stands_in_a_bad_line() {
    let bench = Bench::new();
    let model = crate::program::parity("neox-parallel");
    for line in [
        r#"{"tokens": "hunter2"}"#,
        r#"{"tokens": [1, "hunter2"]}"#,
        r#"{"text": ["hunter2"]}"#,
        r"{hunter2",
    ] {
        bench.write("in.jsonl", format!("{line}\n"));
        let model = model.to_str().expect("plain");
        let outcome = bench.call(&["score", "--model", model, "--device", "cpu", "in.jsonl"]);
        outcome.failed(2, &["in.jsonl", "line 1"]);
        assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
    }
}
