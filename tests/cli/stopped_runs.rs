//! Runs whose training goes astray.

use crate::bench::Bench;

/// A rate at which one update makes every later number NaN.
const ABSURD: &str = "learning_rate=1e20";

#[test]
fn a_loss_that_is_no_number_names_phase_step_and_the_last_good_checkpoint() {
    let bench = Bench::new();
    for (phase, good) in [(2, 1), (3, 2)] {
        let out = format!("out-{phase}");
        let set = |value: &str| format!("phase{phase}.{value}");
        // The rate of step 0 is 0 and its evaluation good; step 1 does the harm; the loss of step 2 shows it.
        let outcome = bench.run(
            &out,
            &[
                "--set",
                &set(ABSURD),
                "--set",
                &set("warmup_steps=1"),
                "--set",
                &set("eval_every=100"),
            ],
        );
        let checkpoint = format!("{out}/seed-0/checkpoints/phase-{good}");
        outcome.failed(
            4,
            &[
                "seed 0",
                "loss",
                &format!("phase {phase}"),
                "step 2",
                "last good checkpoint",
                &checkpoint,
            ],
        );
        assert!(bench.path(&checkpoint).join("model.safetensors").exists());
        assert!(
            !bench
                .path(&format!("{out}/seed-0/checkpoints/phase-{phase}"))
                .exists()
        );
        assert!(!bench.path(&format!("{out}/report.json")).exists());
    }
}

#[test]
fn in_the_first_phase_the_last_good_checkpoint_is_the_given_one() {
    let bench = Bench::new();
    let more = [
        "--set",
        "phase1.learning_rate=1e20",
        "--set",
        "phase1.warmup_steps=1",
        "--set",
        "phase1.eval_every=100",
    ];
    bench.run("out", &more).failed(
        4,
        &[
            "seed 0",
            "phase 1",
            "step 2",
            "last good checkpoint",
            "began with",
        ],
    );
    // The model named in the spec is untouched, and the folder can be tried again: to the same end.
    bench
        .run("out", &more)
        .failed(4, &["seed 0", "phase 1", "step 2"]);
}

#[test]
fn an_evaluation_that_is_no_number_names_the_same() {
    let bench = Bench::new();
    // No warm-up: the update of step 0 does the harm, and the evaluation after it shows it.
    let more = [
        "--set",
        "phase2.learning_rate=1e20",
        "--set",
        "phase2.warmup_steps=0",
    ];
    let outcome = bench.run("out", &more);
    outcome.failed(
        4,
        &[
            "seed 0",
            "phase 2, step 0",
            "NaN",
            "last good checkpoint",
            "out/seed-0/checkpoints/phase-1",
        ],
    );
    for line in bench.lines("out/seed-0/canaries.jsonl") {
        assert!(
            !outcome
                .stderr
                .contains(line["text"].as_str().expect("a text")),
            "{}",
            outcome.stderr
        );
    }
}
