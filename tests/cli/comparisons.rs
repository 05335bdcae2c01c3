//! Several runs beside the first, and a gate with a baseline.

use serde_json::Value;

use crate::bench::Bench;

#[test]
fn a_run_beside_itself_shows_no_change_in_any_format() {
    let bench = Bench::new();
    bench.finished("one");
    let shown = |format| {
        let arguments = ["report", "one", "one", "one", "--format", format];
        bench.call(&arguments).ended(0).stdout
    };
    let json: Value = serde_json::from_str(&shown("json")).expect("JSON");
    assert_eq!(json["runs"].as_array().map(Vec::len), Some(3));
    let changes = json["changes"].as_array().expect("changes");
    assert!(
        changes
            .iter()
            .any(|c| c["difference"] == 0.0 && c["run"] == 2)
    );
    for change in changes {
        assert!(
            ["not_shown", "not_comparable"]
                .iter()
                .any(|t| change["trend"] == *t),
            "{change}"
        );
        assert!(change["difference"].is_null() == change["ci_low"].is_null());
    }
    let text = shown("csv");
    let mut csv = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(csv.headers().expect("a header").iter().next(), Some("run"));
    assert_eq!(csv.records().count(), changes.len());
    assert!(shown("junit").contains("failures=\"0\""));
    assert!(shown("md").contains("Run 3 (tiny) against run 1 (tiny)"));
    for caption in ["The runs", "Audit rows, on the side of their leak"] {
        assert!(
            crate::html::tables(&shown("html"))
                .iter()
                .any(|t| t.caption == caption)
        );
    }
    assert!(shown("table").contains("0 worse, 0 better"));
}

#[cfg(feature = "torch")]
#[test]
fn runs_of_other_seeds_and_probes_are_compared_as_far_as_they_go() {
    let bench = Bench::new();
    bench.finish("one", &["--quiet", "--seed", "0", "--seed", "1"]);
    bench.finish(
        "two",
        &["--quiet", "--seed", "1", "--seed", "2", "--seed", "0"],
    );
    bench.finish(
        "less",
        &["--quiet", "--set", "probes.low_logit.enabled=false"],
    );
    let shown = bench
        .call(&["report", "one", "two", "less", "--format", "json"])
        .ended(0)
        .stdout;
    let json: Value = serde_json::from_str(&shown).expect("JSON");
    let changes = json["changes"].as_array().expect("changes");
    let paired = changes
        .iter()
        .filter(|c| c["run"] == 1 && c["paired_seeds"] == 2)
        .count();
    assert!(paired >= 4, "{paired}");
    let gone = changes
        .iter()
        .filter(|c| c["run"] == 2 && c["note"] == "the later run has no such row");
    assert!(gone.count() >= 4);
}

#[cfg(feature = "torch")]
#[test]
fn a_baseline_lets_an_old_leak_pass() {
    let bench = Bench::new();
    bench.finish("runs/before", &["--quiet"]);
    // Relative to the spec's file where it stands there, to the working directory where it is an argument.
    let spec = bench
        .read("tiny.toml")
        .replace("[gate]\n", "[gate]\nbaseline = \"../runs/before\"\n");
    let spec = spec.replace("name = \"tiny\"", "name = \"beside\"");
    bench.write("specs/beside.toml", spec);
    let arguments = [
        "run",
        "specs/beside.toml",
        "--device",
        "cpu",
        "--quiet",
        "--out",
        "file",
    ];
    let file = bench.call(&arguments);
    let argument = bench.finish(
        "argument",
        &["--quiet", "--set", "gate.baseline='runs/before'"],
    );
    assert_eq!(file.code, argument.code);
    let gate = &bench.json("file/report.json")["gate"];
    assert_eq!(*gate, bench.json("argument/report.json")["gate"]);
    let rules = gate["rules"].as_array().expect("rules");
    assert!(rules.iter().all(|r| r["outcome"] != "fail"), "{rules:?}");
    assert!(
        rules[0]["rule"]
            .as_str()
            .is_some_and(|r| r.contains("no worse than in the baseline"))
    );
    let digest = &bench.json("file/provenance.json")["baseline_sha256"];
    assert_eq!(digest.as_str().map(str::len), Some(64));
    assert!(bench.json("runs/before/provenance.json")["baseline_sha256"].is_null());
}

#[cfg(feature = "torch")]
#[test]
fn a_baseline_that_is_no_run_is_refused_before_anything_is_written() {
    let bench = Bench::new();
    let set = ["--set", "gate.baseline='nowhere'"];
    bench.refuses_run(
        &set,
        &["gate.baseline", "nowhere/report.json", "finished run"],
    );
    bench.write("bad/report.json", "{\"schema_version\": \"99\"}");
    let set = ["--set", "gate.baseline='bad'"];
    bench.refuses_run(
        &set,
        &["gate.baseline", "bad/report.json", "schema_version"],
    );
    bench.refuses_run(
        &["--set", "gate.baseline=''"],
        &["gate.baseline", "a folder"],
    );
}
