//! `unsaid bench`: what it prints, not how fast it is.

use crate::program::{call, repository};

#[test]
fn a_bench_prints_one_object_with_every_promised_key() {
    for (phase, terms) in [("2", 2.0), ("3", 4.0)] {
        let arguments =
            format!("bench --shape 14m --phase {phase} --batch 2 --repeat 1 --device cpu --json");
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let outcome = call(repository(), &arguments).ended(0);
        let found: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("one object");
        let number = |key: &str| {
            found[key]
                .as_f64()
                .unwrap_or_else(|| panic!("{key}: {found}"))
        };
        assert_eq!(
            (found["shape"].as_str(), found["batch"].as_u64()),
            (Some("14m"), Some(2))
        );
        assert_eq!(
            (found["device"].as_str(), found["precision"].as_str()),
            (Some("cpu"), Some("f32"))
        );
        assert!(
            number("step_s_min") <= number("step_s") && number("step_s") <= number("step_s_max")
        );
        // Guide: recipe, "What it costs". Layers (1.18 M) and output embedding (6.44 M), two a multiply-add, 16 tokens a row.
        let (body, output) = match phase {
            "2" => (2.5, 2.0),
            _ => (3.0, 3.0),
        };
        let operations = 2.0 * (body * 1_179_648.0 + output * 6_438_912.0) * 16.0 * 2.0 * terms;
        let counted = number("achieved_flops") * number("step_s");
        assert!(
            (counted / operations - 1.0).abs() < 1e-6,
            "{counted} {operations}"
        );
        let mfu = number("achieved_flops") / number("peak_flops");
        assert!((number("mfu") / mfu - 1.0).abs() < 1e-6);
        assert!(number("peak_memory_bytes") > 1e8);
        for part in ["forward", "vocabulary", "backward", "optimiser"] {
            assert!(found["parts"][part].as_f64() > Some(0.0), "{part}");
        }
    }
}

#[test]
fn an_unknown_shape_or_phase_is_an_input_error() {
    for args in [["--shape", "3b"], ["--phase", "4"]] {
        let arguments = [&["bench"][..], &args].concat();
        let outcome = call(repository(), &arguments);
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
        let message = outcome.stderr;
        assert!(
            message.contains("14m") || message.contains("phases are 1, 2 and 3"),
            "{message}"
        );
    }
}

#[test]
fn a_bench_of_the_scan_counts_what_it_looked_at() {
    let model = "fixtures/tiny-neox";
    let arguments = [
        "bench", "--probe", "scan", "--model", model, "--repeat", "1",
    ];
    let more = ["--device", "cpu", "--json"];
    let outcome = call(repository(), &[&arguments[..], &more].concat()).ended(0);
    let found: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("one object");
    assert_eq!(found["probe"], "scan");
    // All beginnings of up to two letters are listed. Two hunts, one of them in both models, ask about a beam of 512 from the third
    // letter on, after 4096 texts of 16 letters were drawn.
    let (listed, hunted) = (1 + 26 + 26 * 26, 4096 * 16 + 1 + 26 + 14 * 512);
    assert_eq!(found["contexts"], listed + 2 * hunted);
    assert_eq!(found["distributions"], 2 * listed + 3 * hunted);
    let number = |key: &str| found[key].as_f64().expect(key);
    assert!(number("scan_s") > 0.0);
    for (rate, count) in [
        ("contexts_per_s", "contexts"),
        ("distributions_per_s", "distributions"),
    ] {
        let expected = number(count) / number("scan_s");
        assert!((number(rate) / expected - 1.0).abs() < 1e-9, "{rate}");
    }
    let text = call(
        repository(),
        &[&arguments[..], &["--device", "cpu"]].concat(),
    )
    .ended(0);
    assert!(
        text.stdout.contains("next-token distributions/s"),
        "{text:?}"
    );
    let refused = call(repository(), &["bench", "--probe", "scan", "--phase", "2"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
}
