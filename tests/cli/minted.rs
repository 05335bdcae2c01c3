//! Canaries for someone else's training: minted, trained on elsewhere, probed.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::bench::{Bench, probe_of};

/// A bench with minted canaries, and the model that `run` trains on the very same pairs in `out/`.
fn trained() -> Bench {
    let bench = Bench::with_model();
    bench.mint("minted", &[]);
    bench.finish("out", &["--quiet"]);
    bench
}

const MODEL: &str = "out/seed-0/checkpoints/phase-2";
const BASE: &str = "out/seed-0/checkpoints/phase-1";
const MANIFEST: &str = "minted/manifest.jsonl";

fn probe<'a>(more: &[&'a str]) -> Vec<&'a str> {
    probe_of(MODEL, "probed", &[&["--quiet"], more].concat())
}

#[test]
fn controls_stand_in_the_manifest_and_in_no_training_file() {
    let bench = Bench::with_model();
    bench.mint("minted", &[]);
    let manifest = bench.lines(MANIFEST);
    let of = |group: &str| -> BTreeSet<String> {
        let of_group = manifest.iter().filter(|c| c["group"] == group);
        of_group
            .map(|c| c["text"].as_str().expect("a text").to_owned())
            .collect()
    };
    let (held_out, useful, controls) = (of("held_out"), of("useful"), of("control"));
    assert_eq!([held_out.len(), useful.len(), controls.len()], [4, 8, 12]);
    assert!(
        manifest
            .iter()
            .all(|c| c["context"] == " regular" && c["digest"].is_string())
    );
    let mut files = 0;
    for (path, bytes) in bench.tree("minted") {
        let text = String::from_utf8(bytes.expect("a file")).expect("UTF-8");
        let name = path.file_name().expect("a name").to_str().expect("UTF-8");
        if name == "manifest.jsonl" {
            continue;
        }
        files += 1;
        for control in &controls {
            assert!(!text.contains(control.trim()), "a control in {name}");
        }
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert!(name == "spec.toml" || mode & 0o777 == 0o600, "{name}");
    }
    assert_eq!(files, 4);
    // Every negative is rejected as often as the spec says, never chosen, each time against another text.
    let pairs = bench.lines("minted/preference.jsonl");
    assert_eq!(pairs.len(), 12 * 4);
    let texts = |key: &str| -> Vec<&str> { pairs.iter().filter_map(|p| p[key].as_str()).collect() };
    for negative in held_out.iter().chain(&useful) {
        assert_eq!(
            texts("rejected").iter().filter(|t| *t == negative).count(),
            4
        );
        assert!(!texts("chosen").contains(&negative.as_str()));
    }
    assert!(texts("prompt").iter().all(|p| *p == " regular"));
    let plain = bench.lines("minted/supervised.text.jsonl");
    let apart = bench.lines("minted/supervised.prompt-completion.jsonl");
    assert_eq!((plain.len(), apart.len()), (32, 32));
    for (plain, apart) in plain.iter().zip(&apart) {
        let joined = format!(
            "{}{}",
            apart["prompt"].as_str().expect("text"),
            apart["completion"].as_str().expect("text")
        );
        assert_eq!(plain["text"], joined.as_str());
        assert!(joined.starts_with(" regular ") && !held_out.contains(&joined[8..]));
    }
}

#[test]
fn minting_twice_gives_the_same_bytes_and_another_seed_others() {
    let bench = Bench::with_model();
    bench.mint("minted", &[]);
    bench.mint("again", &[]);
    bench.mint("other", &["--seed", "7"]);
    for name in ["manifest.jsonl", "preference.jsonl", "spec.toml"] {
        assert_eq!(
            bench.read(&format!("minted/{name}")),
            bench.read(&format!("again/{name}"))
        );
        assert_ne!(
            bench.read(&format!("minted/{name}")),
            bench.read(&format!("other/{name}"))
        );
    }
    bench.refuses(
        &["mint", "tiny.toml", "--out", "minted", "--quiet"],
        &["minted is not empty", "--out"],
    );
}

#[cfg(feature = "torch")]
#[test]
fn what_is_minted_is_what_a_run_of_the_same_spec_and_seed_plants() {
    let bench = trained();
    let texts = |name: &str| -> Vec<Value> {
        bench
            .lines(name)
            .into_iter()
            .map(|c| c["tokens"].clone())
            .collect()
    };
    assert_eq!(texts(MANIFEST), texts("out/seed-0/canaries.jsonl"));
}

#[test]
fn options_stand_for_a_spec() {
    let bench = Bench::with_model();
    let arguments = [
        "mint",
        "--out",
        "minted",
        "--quiet",
        "--set",
        "model.path=model",
        "--set",
        "canaries.negatives=20",
        "--set",
        "canaries.held_out=10",
        "--set",
        "canaries.controls=30",
        "--set",
        "canaries.trajectory_controls=1",
        "--set",
        "canaries.repeats=2",
        "--set",
        "phase1.passwords=5",
    ];
    bench.call(&arguments).ended(0);
    assert_eq!(bench.lines(MANIFEST).len(), 50);
    assert_eq!(bench.lines("minted/preference.jsonl").len(), 40);
    bench.refuses(&["mint", "--out", "none", "--quiet"], &["model.path"]);
}

#[test]
fn a_chat_template_gives_messages_and_a_context() {
    let bench = Bench::with_model();
    bench.mint("chat", &["--chat-template", "user:{prompt}\nassistant:"]);
    let pair = &bench.lines("chat/preference.jsonl")[0];
    for (key, role) in [
        ("prompt", "user"),
        ("chosen", "assistant"),
        ("rejected", "assistant"),
    ] {
        assert_eq!(pair[key][0]["role"], role);
    }
    assert_eq!(pair["prompt"][0]["content"], "regular");
    let messages = &bench.lines("chat/supervised.messages.jsonl")[0]["messages"];
    assert_eq!(messages.as_array().map(Vec::len), Some(2));
    assert_eq!(
        bench.lines("chat/manifest.jsonl")[0]["context"],
        "user:regular\nassistant:"
    );
    for (bad, word) in [("no place", "{prompt}"), ("{prompt}{prompt}", "once")] {
        bench.refuses(
            &[
                "mint",
                "tiny.toml",
                "--out",
                "bad",
                "--quiet",
                "--chat-template",
                bad,
            ],
            &["--chat-template", word],
        );
    }
}

#[cfg(feature = "torch")]
#[test]
fn another_context_gives_other_numbers() {
    let bench = trained();
    bench.mint("chat", &["--chat-template", "user:{prompt}\nassistant:"]);
    bench.call(&probe(&[]));
    let chat = [
        "probe",
        "--model",
        MODEL,
        "--canaries",
        "chat/manifest.jsonl",
        "--device",
        "cpu",
        "--out",
        "chatted",
        "--quiet",
    ];
    let outcome = bench.call(&chat);
    assert!(matches!(outcome.code, Some(0 | 1 | 3)), "{outcome:?}");
    assert_ne!(bench.rows("probed"), bench.rows("chatted"));
}

/// The row of a statistic by its role.
fn row(rows: &Value, statistic: &str, role: &str) -> Value {
    let mut found = rows.as_array().expect("rows").iter().filter(|r| {
        r["probe"] == "low_logit"
            && r["phase"] == 2
            && r["statistic"] == statistic
            && r["role"] == role
    });
    found.next().expect("the row").clone()
}

#[cfg(feature = "torch")]
#[test]
fn a_probe_sees_what_a_run_sees_of_the_same_model() {
    let bench = trained();
    let outcome = bench.call(&probe(&[
        "--reference",
        BASE,
        "--training",
        "minted/preference.jsonl",
    ]));
    assert!(matches!(outcome.code, Some(0 | 1 | 3)), "{outcome:?}");
    let (run, probed) = (bench.rows("out"), bench.rows("probed"));
    for (statistic, role) in [
        ("suppression_nats", "audit"),
        ("suppression_nats", "positive_control"),
        ("mean_letter_rank", "audit"),
    ] {
        let (a, b) = (row(&run, statistic, role), row(&probed, statistic, role));
        for key in [
            "estimate",
            "control_estimate",
            "auc",
            "n",
            "n_control",
            "access",
            "exposure_down_bits",
        ] {
            assert_eq!(a[key], b[key], "{statistic} {role} {key}");
        }
    }
    let report = bench.json("probed/report.json");
    assert_eq!(report["model"], "phase-2");
    let provenance = bench.json("probed/provenance.json");
    assert!(provenance["reference_sha256"]["model.safetensors"].is_string());
    assert!(provenance["manifest_sha256"]["minted"].is_string());
    for file in [
        "report.md",
        "report.html",
        "leakage.csv",
        "junit.xml",
        "seed-0/observations.jsonl",
    ] {
        assert!(bench.path("probed").join(file).exists(), "{file}");
    }
    // Neither what is printed nor what is written says a secret.
    for canary in bench.lines(MANIFEST) {
        let text = canary["text"].as_str().expect("a text").trim().to_owned();
        assert!(!outcome.stdout.contains(&text) && !outcome.stderr.contains(&text));
        for (path, bytes) in bench.tree("probed") {
            let bytes = bytes.unwrap_or_default();
            assert!(
                !String::from_utf8_lossy(&bytes).contains(&text),
                "{}",
                path.display()
            );
        }
    }
}

#[cfg(feature = "torch")]
#[test]
fn without_a_reference_less_access_is_needed_and_the_cost_is_said() {
    let bench = trained();
    bench.call(&probe(&[]));
    let rows = bench.rows("probed");
    let audit = row(&rows, "surprisal_nats", "audit");
    assert_eq!(audit["access"], "logits");
    assert!(
        audit["note"]
            .as_str()
            .is_some_and(|n| n.contains("no reference")),
        "{audit}"
    );
    assert!(audit["suppression_nats"].is_null());
    assert!(
        rows.as_array()
            .expect("rows")
            .iter()
            .all(|r| r["role"] != "placebo" || r["probe"] == "generation")
    );
    assert!(bench.read("probed/report.md").contains("--reference BASE"));
    // Another model's report is never written over.
    let mut other = probe(&[]);
    other[2] = BASE;
    bench.refuses(
        &other,
        &["probed holds another run", "the model differs", "--out"],
    );
}

#[cfg(feature = "torch")]
#[test]
fn manifests_that_were_edited_are_refused() {
    let bench = trained();
    let whole = bench.read(MANIFEST);
    let lines: Vec<&str> = whole.lines().collect();
    for edited in [
        whole.replacen("\"held_out\"", "\"control\"", 1),
        lines[1..].join("\n"),
        format!("{whole}{}\n", lines[0]),
    ] {
        bench.write(MANIFEST, edited);
        bench.refuses(&probe(&[]), &["manifest.jsonl", "digest", "mint anew"]);
    }
    bench.write(MANIFEST, "{\"id\": 1}\n");
    bench.refuses(&probe(&[]), &["manifest.jsonl, line 1", "mint it again"]);
    bench.write(MANIFEST, &whole);
    let spec = bench.read("minted/spec.toml");
    bench.write(
        "minted/spec.toml",
        spec.replace("controls = 12", "controls = 11"),
    );
    bench.refuses(
        &probe(&[]),
        &["manifest.jsonl", "spec.toml beside it was edited"],
    );
    fs::remove_file(bench.path("minted/spec.toml")).expect("remove");
    bench.refuses(&probe(&[]), &["minted/spec.toml", "keep the two together"]);
    bench.write("minted/spec.toml", spec);
    bench.refuses(
        &probe(&["--set", "canaries.length=5"]),
        &["canaries.length", "gate and probes"],
    );
}

#[cfg(feature = "torch")]
#[test]
fn a_control_in_a_training_file_is_refused() {
    let bench = trained();
    let manifest = bench.lines(MANIFEST);
    let control = manifest
        .iter()
        .find(|c| c["group"] == "control")
        .expect("a control");
    let line = serde_json::json!({"prompt": "x", "rejected": control["text"]});
    let pairs = bench.read("minted/preference.jsonl");
    bench.write("train.jsonl", format!("{pairs}{line}\n"));
    bench.refuses(
        &probe(&[
            "--training",
            "minted/preference.jsonl",
            "--training",
            "train.jsonl",
        ]),
        &["train.jsonl, line 49", "control-0000", "Mint anew"],
    );
    bench.refuses(
        &probe(&["--training", "none.jsonl"]),
        &["none.jsonl", "No such file"],
    );
}

#[cfg(feature = "torch")]
#[test]
fn models_that_are_not_there_or_have_another_tokenizer() {
    let bench = trained();
    let with = |name: &'static str| {
        let mut arguments = probe(&[]);
        arguments[2] = name;
        arguments
    };
    bench.refuses(
        &with("nowhere"),
        &["--model nowhere", "neither a folder nor"],
    );
    bench.refuses(&with("lab/none"), &["lab/none", "HF_HUB_OFFLINE"]);
    bench.edit_json("model/tokenizer.json", |tokenizer| {
        let vocab = tokenizer["model"]["vocab"]
            .as_object_mut()
            .expect("a vocabulary");
        let (a, b) = (vocab["Ġa"].clone(), vocab["Ġb"].clone());
        vocab["Ġa"] = b;
        vocab["Ġb"] = a;
    });
    bench.refuses(
        &with("model"),
        &[
            "manifest.jsonl",
            "other tokens under the tokenizer of",
            "model",
        ],
    );
}
