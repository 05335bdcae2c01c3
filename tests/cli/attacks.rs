//! `unsaid probe` with every probe that applies, and `--elicit`: phase 3 as an attack on a model that was trained elsewhere.

use serde_json::Value;

use crate::bench::{Bench, probe_of};

const MODEL: &str = "out/seed-0/checkpoints/phase-2";
const BASE: &str = "out/seed-0/checkpoints/phase-1";

/// A short scan; two rows more with a verdict need more permutations.
const SCAN: [&str; 8] = [
    "--set",
    "probes.scan.enabled=true",
    "--set",
    "probes.scan.depth=2",
    "--set",
    "probes.scan.top=64",
    "--set",
    "gate.permutations=14000",
];

/// Minted canaries and the model that `run` trains on the very same pairs.
fn trained() -> Bench {
    let bench = Bench::with_model();
    bench
        .call(&["mint", "tiny.toml", "--out", "minted", "--quiet"])
        .ended(0);
    bench.finish("out", &["--quiet"]);
    bench
}

/// The command line of a probe of the trained model.
fn probe<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    probe_of(MODEL, out, more)
}

#[track_caller]
fn probed(bench: &Bench, out: &str, more: &[&str]) -> Vec<Value> {
    let outcome = bench.call(&[&probe(out, more)[..], &["--quiet"]].concat());
    assert!(matches!(outcome.code, Some(0 | 1 | 3)), "{outcome:?}");
    bench.rows(out).as_array().expect("rows").clone()
}

/// Probe, statistic and access of every row with a verdict.
fn audits(rows: &[Value]) -> Vec<[&str; 3]> {
    let audit = rows.iter().filter(|row| row["role"] == "audit");
    let words = |row| {
        let [probe, statistic, access] = ["probe", "statistic", "access"].map(|key| text(row, key));
        // What is found most differs between models, and so does what that takes.
        let varies = [
            "completed_whole",
            "log_e_value_nats",
            "log_e_value_from_either_end_nats",
        ]
        .contains(&statistic);
        [probe, statistic, if varies { "varies" } else { access }]
    };
    let mut all: Vec<_> = audit.map(words).collect();
    all.sort_unstable();
    all
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_default()
}

#[track_caller]
fn find<'a>(rows: &'a [Value], statistic: &str, role: &str) -> &'a Value {
    let mut found = rows
        .iter()
        .filter(|r| r["statistic"] == statistic && r["role"] == role);
    found
        .next()
        .unwrap_or_else(|| panic!("no {role} row {statistic}"))
}

#[test]
fn every_probe_that_needs_no_training_looks_and_says_what_it_needs() {
    let bench = trained();
    let rows = probed(
        &bench,
        "with",
        &[&["--reference", BASE][..], &SCAN].concat(),
    );
    let expected = [
        ["elicitation", "context_letter_rank", "logits"],
        ["elicitation", "log_e_value_nats", "varies"],
        ["generation", "said_whole", "samples"],
        ["low_logit", "completed_whole", "varies"],
        ["low_logit", "context_letter_rank", "logits"],
        ["low_logit", "learned_guess_advantage", "logits"],
        ["low_logit", "letter_rank_spread", "logits"],
        ["low_logit", "log_e_value_from_either_end_nats", "varies"],
        ["low_logit", "mean_letter_rank", "logits"],
        ["low_logit", "suppression_nats", "logits_and_reference"],
        [
            "low_logit",
            "suppression_tail_fourth_power",
            "logits_and_reference",
        ],
        [
            "scan",
            "planted_among_the_64_most_suppressed",
            "logits_and_reference",
        ],
        ["scan", "recovered_whole", "logits_and_reference"],
    ];
    assert_eq!(audits(&rows), expected);
    // What a run sees of the same model in the same way, the probe sees too.
    let run = bench.rows("out").as_array().expect("rows").clone();
    let of_phase_2 = |rows: &[Value], statistic: &str| -> Vec<(Value, Value)> {
        let rows = rows
            .iter()
            .filter(|r| r["phase"] == 2 && r["statistic"] == statistic);
        rows.map(|r| (r["estimate"].clone(), r["control_estimate"].clone()))
            .collect()
    };
    for statistic in [
        "completed_whole_given_2_letters_and_logits",
        "completed_whole_given_4_letters_and_reference",
        "context_letter_rank",
    ] {
        let (here, there) = (of_phase_2(&rows, statistic), of_phase_2(&run, statistic));
        assert!(!here.is_empty(), "{statistic}");
        // The aggregate over contexts is one row more in the probe, whose only phase is 2.
        assert!(there.iter().all(|row| here.contains(row)), "{statistic}");
    }
    assert_eq!(
        bench.lines("with/seed-0/looks.jsonl").len(),
        // Contexts; samples and colder ones; beams after the same prompts and the training's own; completions; contrast; scan;
        // altered weights.
        18 + 2 + 2 + 19 + 3 * 2 + 1 + 1 + 4
    );
    let text = bench.read("with/report.md");
    assert!(text.contains("Nothing was fine-tuned"), "{text}");

    let rows = probed(&bench, "without", &SCAN);
    let mut left: Vec<_> = expected
        .into_iter()
        .filter(|[probe, ..]| *probe != "scan")
        .map(|[probe, statistic, access]| match statistic {
            "suppression_nats" => [probe, "surprisal_nats", "logits"],
            "suppression_tail_fourth_power" => [probe, statistic, "logits"],
            _ => [probe, statistic, access],
        })
        .collect();
    left.sort_unstable();
    assert_eq!(audits(&rows), left);
    assert!(rows.iter().all(|r| r["access"] != "logits_and_reference"));
    assert!(
        bench
            .read("without/report.md")
            .contains("attacks that compare two models")
    );
}

#[test]
fn an_attack_adds_the_rows_of_phase_3_and_a_sweep_says_how_much_was_known() {
    let bench = trained();
    let before = bench.tree("out");
    let sweep = [
        "--elicit",
        "--attacker-knows",
        "1.0,0.5,0.1,0",
        "--set",
        "phase3.learning_rate=3e-3",
    ];
    let rows = probed(
        &bench,
        "probed",
        &[&sweep[..], &["--reference", BASE]].concat(),
    );
    assert!(
        bench.tree("out") == before,
        "the audited model is not touched"
    );
    let elicited: Vec<_> = audits(&rows)
        .into_iter()
        .filter(|[probe, ..]| *probe == "elicitation")
        .collect();
    assert_eq!(
        elicited,
        [
            ["elicitation", "context_letter_rank", "logits"],
            ["elicitation", "log_e_value_nats", "varies"],
            [
                "elicitation",
                "mean_alphabet_logprob_nats_per_token",
                "fine_tuning"
            ],
            ["elicitation", "mean_letter_rank", "fine_tuning"],
            [
                "elicitation",
                "mean_letter_rank_averaged_over_phase",
                "fine_tuning",
            ],
            ["elicitation", "mean_logprob_nats_per_token", "fine_tuning"],
        ]
    );
    for row in &rows {
        let known = &row["known_negatives"];
        if row["role"] == "audit" {
            let all = row["access"] == "fine_tuning";
            assert_eq!(
                known,
                &(if all { Value::from(8) } else { Value::Null }),
                "{row}"
            );
        }
    }
    let taught = find(&rows, "mean_letter_rank", "positive_control");
    assert_eq!(
        (taught["group"].as_str(), taught["n"].as_u64()),
        (Some("useful"), Some(8))
    );
    for known in [4, 1, 0] {
        let row = find(
            &rows,
            &format!("mean_letter_rank_given_{known}_negatives"),
            "exploratory",
        );
        assert_eq!(
            (row["known_negatives"].as_u64(), row["access"].as_str()),
            (Some(known), Some("fine_tuning"))
        );
        assert!(row["estimate"].is_number(), "{row}");
        assert!(row["verdict"].is_null() && row["note"].is_string());
    }
    assert!(bench.read("probed/report.md").contains(
        "on 8, 4, 1 of the manifest's 8 useful canaries, and on random text of the kind"
    ));
    assert_eq!(
        bench.json("probed/provenance.json")["attacker_knows"]
            .as_array()
            .map(Vec::len),
        Some(4)
    );
    // The same attack twice is the same to the bit, with a reference or without.
    let again = probed(&bench, "again", &sweep);
    let numbers = |rows: &[Value]| find(rows, "mean_letter_rank", "audit")["estimate"].clone();
    assert_eq!(numbers(&rows), numbers(&again));
    assert!(
        again
            .iter()
            .all(|r| r["role"] != "placebo" || r["probe"] == "generation")
    );
}

#[test]
fn an_attacker_who_knows_nothing_fine_tunes_on_random_text_and_has_no_verdict() {
    let bench = trained();
    let rows = probed(&bench, "probed", &["--elicit", "--attacker-knows", "0"]);
    let row = find(&rows, "mean_letter_rank_given_0_negatives", "exploratory");
    let note = row["note"].as_str();
    assert!(note.is_some_and(|n| n.contains("random text")), "{row}");
    assert!(row["estimate"].is_number(), "{row}");
    assert!(audits(&rows).iter().all(|row| row[2] != "fine_tuning"));
    find(&rows, "context_letter_rank", "audit");
}

#[test]
fn what_cannot_be_attacked_or_changed_is_refused() {
    let bench = trained();
    let probe = |more: &[&'static str]| probe("p", more);
    bench.refuses(&probe(&["--attacker-knows", "0.5"]), &["--elicit"]);
    bench.refuses(
        &probe(&["--elicit", "--attacker-knows", "1.5"]),
        &["--attacker-knows", "a share from 0 to 1"],
    );
    bench.refuses(
        &probe(&["--set", "phase3.batch=4"]),
        &["phase3.batch", "with --elicit"],
    );
    let off = ["--elicit", "--set", "probes.elicitation.enabled=false"];
    bench.refuses(
        &probe(&off),
        &["--elicit", "probes.elicitation.enabled=true"],
    );
}

#[test]
fn a_model_whose_vocabulary_ends_before_its_tokenizers_is_refused() {
    let bench = trained();
    let config = format!("{MODEL}/config.json");
    bench.edit_json(&format!("{MODEL}/tokenizer.json"), |tokenizer| {
        let vocabulary = tokenizer["model"]["vocab"].as_object_mut();
        let vocabulary = vocabulary.expect("a vocabulary");
        while vocabulary.len() < 328 {
            let next = vocabulary.len();
            vocabulary.insert(format!("extra{next}"), Value::from(next));
        }
    });
    let size = bench.json(&config)["vocab_size"].clone();
    for more in [&[][..], &["--elicit"]] {
        bench.refuses(
            &probe("p", more),
            &[
                "tokenizer.json",
                "328 tokens",
                &format!("has {size}"),
                "do not belong together",
            ],
        );
    }
}

/// A probe's folder is held against its records as a run's is, attacks and all, and holds one probe.
#[test]
fn a_probes_folder_is_verified_and_takes_no_other_probe() {
    let bench = trained();
    let attack = ["--reference", BASE, "--elicit", "--attacker-knows", "1.0,0"];
    probed(&bench, "out-probed", &attack);
    let outcome = bench.call(&["verify", "out-probed"]).ended(0);
    assert!(outcome.stdout.contains("; 0 differences"), "{outcome:#?}");
    assert!(bench.path("out-probed/seed-0/attacks.jsonl").exists());
    let before = bench.tree("out-probed");
    let less = [&attack[..3], &["--attacker-knows", "1.0"]].concat();
    for (more, words) in [
        (&attack[2..], "the reference differs"),
        (&attack[..2], "what attackers know"),
        (&less[..], "what attackers know"),
        (
            &[&attack[..], &["--set", "gate.alpha=0.01"]].concat()[..],
            "alpha = 0.01",
        ),
    ] {
        let arguments = [&probe("out-probed", more)[..], &["--quiet"]].concat();
        bench.refuses(
            &arguments,
            &["out-probed holds another run", words, "--out"],
        );
    }
    // A run does not go on in it either, nor a probe in a run's folder.
    let arguments = probe("out", &["--quiet"]);
    bench.refuses(&arguments, &["out holds another run"]);
    assert!(bench.tree("out-probed") == before, "a refused probe wrote");
    // The same probe may be made again, to the same rows.
    let rows = bench.rows("out-probed");
    probed(&bench, "out-probed", &attack);
    assert_eq!(bench.rows("out-probed"), rows);
    // What was altered is found.
    let path = bench.path("out-probed/seed-0/attacks.jsonl");
    let text = std::fs::read_to_string(&path).expect("read");
    std::fs::write(&path, text.replacen("0.", "0.0", 1)).expect("write");
    let outcome = bench.call(&["verify", "out-probed"]).ended(2);
    assert!(
        outcome.stdout.contains("attacks.jsonl changed"),
        "{outcome:#?}"
    );
}
