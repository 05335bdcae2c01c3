//! `unsaid check`: what a spec will cost.

use std::fs;

use crate::bench::Bench;
use crate::program::{call, repository};

/// The number before " FLOP" on the line that begins with a label.
fn flop(text: &str, label: &str) -> f64 {
    let line = text
        .lines()
        .find_map(|l| l.trim_start().strip_prefix(label));
    let line = line.unwrap_or_else(|| panic!("no line `{label}`: {text}"));
    let (before, _) = line.split_once(" FLOP").expect("FLOP");
    let number = before.rsplit(' ').next().expect("a number");
    number.parse().unwrap_or_else(|e| panic!("{number}: {e}"))
}

#[test]
fn every_shipped_spec_is_valid() {
    let mut arguments = vec!["check".to_owned()];
    for entry in fs::read_dir(repository().join("audits")).expect("audits") {
        let name = entry
            .expect("an entry")
            .file_name()
            .into_string()
            .expect("a plain name");
        if name.strip_suffix(".toml").is_some() {
            arguments.push(format!("audits/{name}"));
        }
    }
    assert!(arguments.len() > 5, "{arguments:?}");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = call(repository(), &arguments).ended(0);
    for spec in &arguments[1..] {
        assert!(outcome.stdout.contains(&format!("{spec}: valid")), "{spec}");
    }
    let totals = outcome
        .stdout
        .lines()
        .filter(|l| l.trim_start().starts_with("total"));
    assert_eq!(totals.count(), arguments.len() - 1);
    // The quick audit is a check of the instrument and may be weak; the published ones must be able to say no.
    for block in outcome.stdout.split("\n\n") {
        if !block.starts_with("audits/quick.toml") {
            assert!(!block.contains("warning"), "{block}");
        }
    }
}

#[test]
fn the_published_audit_costs_what_the_recipe_says() {
    let text = call(repository(), &["check", "audits/pythia-160m.toml"])
        .ended(0)
        .stdout;
    let seed = flop(&text, "per seed");
    assert!((seed / 1.2e16 - 1.0).abs() <= 0.1, "{seed}");
    assert!(text.contains("64 steps, 8192 sequences"), "{text}");
    assert!(text.contains("1200 steps"), "{text}");
    // To the three digits that are printed.
    let total = flop(&text, "total");
    assert!((total / (8.0 * seed) - 1.0).abs() < 0.01, "{total}");
    let one = call(
        repository(),
        &["check", "audits/pythia-160m.toml", "--seed", "5"],
    );
    assert!((flop(&one.ended(0).stdout, "total") / seed - 1.0).abs() < 0.01);
}

#[test]
fn the_quick_audit_is_quick() {
    let text = call(repository(), &["check", "audits/quick.toml"])
        .ended(0)
        .stdout;
    let total = flop(&text, "total");
    assert!(total > 1e12 && total < 5e12, "{total}");
}

#[test]
fn settings_change_the_cost() {
    let bench = Bench::new();
    let steps = |more: &[&str]| {
        let arguments: Vec<&str> = ["check", "tiny.toml"].iter().chain(more).copied().collect();
        bench.call(&arguments).ended(0).stdout
    };
    let plain = steps(&[]);
    for part in [
        "phase 1      4 steps, 32 sequences",
        "phase 2      6 steps",
        "phase 3      6 steps",
        "8 useful, 4 held out, 12 controls; 6 letters of 26",
    ] {
        assert!(plain.contains(part), "{part}: {plain}");
    }
    let longer = steps(&["--set", "canaries.repeats=8"]);
    assert!(longer.contains("phase 2      12 steps"), "{longer}");
    assert!(flop(&longer, "phase 2") > 1.9 * flop(&plain, "phase 2"));
    assert!(flop(&longer, "per seed") > flop(&plain, "per seed"));
    let shorter = steps(&["--set", "phase2.skip=true"]);
    assert!(!shorter.contains("phase 2 "), "{shorter}");
    assert!(flop(&shorter, "per seed") < flop(&plain, "per seed"));
    assert!(!bench.path("runs").exists(), "check writes nothing");
}

#[test]
fn a_spec_too_weak_to_say_no_is_warned_about() {
    let bench = Bench::new();
    let text = bench.call(&["check", "tiny.toml"]).ended(0).stdout;
    assert!(text.contains("warning"), "{text}");
    assert!(text.contains("raise canaries.held_out"), "{text}");
}
