//! Values out of range, and values that contradict each other.

use super::{HEAD, expect, read, refusal};

#[test]
fn canaries() {
    expect(&[
        ("canaries.length = 1025", &["from 1 to 1024"]),
        ("canaries.negatives = 0", &["from 1 to"]),
        ("canaries.controls = 0", &["from 1 to"]),
        ("canaries.repeats = 0", &["from 1 to"]),
        ("canaries.trajectory_controls = 0", &["from 1 to"]),
        ("canaries.held_out = 0", &["from 1 to"]),
        (
            "canaries.held_out = 2560",
            &["line 5", "less than `canaries.negatives`, 2560"],
        ),
        (
            "canaries.negatives = 128",
            &["key absent", "`canaries.held_out` is 128", "hold fewer out"],
        ),
        ("canaries.alphabet = ''", &["two letters or more"]),
        (
            "canaries.alphabet = 'abca'",
            &["distinct letters", "the second \"a\""],
        ),
        ("canaries.alphabet = ['x', 'x']", &["distinct letters"]),
        ("canaries.alphabet = ['x', '']", &["not empty"]),
        ("canaries.alphabet = 'a b'", &["without spaces"]),
        // 26^2 = 676, 60^2 = 3600 and 3584 are asked; the exact boundary is below.
        (
            "canaries.length = 2",
            &["line 5", "more than 3584 distinct canaries", "26 letters"],
        ),
        (
            "canaries.prefixes = true",
            &["a table of two texts, or false"],
        ),
        ("canaries.prefixes.regular = ''", &["line 5", "not empty"]),
        (
            "canaries.prefixes.reverse = ' regular'",
            &["different from"],
        ),
    ]);
    let boundary = |controls: usize| {
        let set = format!(
            "canaries={{ alphabet = 'ab', length = 4, negatives = 8, held_out = 2, controls = {controls}, trajectory_controls = 1 }}"
        );
        read(HEAD, &[&set]).is_ok()
    };
    assert!(boundary(7), "15 of 16, one left for training text");
    assert!(!boundary(8), "none left");
}

#[test]
fn cells_at_once() {
    expect(&[
        (
            "run.jobs = 0",
            &["line 5: `run.jobs` is 0", "from 1 to 1024"],
        ),
        ("run.jobs = 1025", &["from 1 to 1024"]),
        ("run.threads = 0", &["from 1 to 4096"]),
    ]);
    assert_eq!(read(HEAD, &[]).unwrap().jobs, 1);
    assert_eq!(read(HEAD, &["run.jobs=3"]).unwrap().jobs, 3);
}

#[test]
fn phases() {
    for phase in ["phase1", "phase2", "phase3"] {
        for (key, values) in [
            ("batch", &["0"][..]),
            ("eval_every", &["0"]),
            ("learning_rate", &["-1e-4", "nan", "inf"]),
            ("weight_decay", &["-0.1", "nan"]),
            ("max_grad_norm", &["0", "-1", "inf"]),
        ] {
            for value in values {
                let message = refusal(HEAD, &[&format!("{phase}.{key}={value}")]);
                assert!(
                    message.contains(&format!("`{phase}.{key}` is {value}, but must be")),
                    "{message}"
                );
            }
        }
    }
    expect(&[
        ("phase1.passwords = 0", &["from 1 to"]),
        ("phase2.beta = -0.1", &["larger than 0"]),
        ("phase3.beta = nan", &["larger than 0"]),
        (
            "phase3.freeze = 'half'",
            &["one of upper, lower, none", "`freeze = \"none\"`"],
        ),
        ("phase3.weights.dpo = -1", &["0 or larger"]),
        (
            "phase3.weights = { dpo = 0, reverse = 0, regular = 0 }",
            &["`phase3.weights` is {", "at least one", "phase3.skip"],
        ),
        (
            "[phase3.weights]\ndpo = 0\nreverse = 0\nregular = 0",
            &["line 5", "is a table", "at least one"],
        ),
    ]);
    assert!(read(HEAD, &["phase3.weights.reverse=0"]).is_ok());
    assert!(read(HEAD, &["phase1.skip=true", "phase1.warmup_steps=0"]).is_ok());
}

#[test]
fn what_the_other_probes_take() {
    expect(&[
        (
            "probes.low_logit.completion_letters = [4, 4]",
            &["rising whole numbers", "[2, 4, 8]"],
        ),
        (
            "probes.low_logit.completion_letters = [0]",
            &["rising whole numbers from 1"],
        ),
        (
            "probes.low_logit.completion_letters = 2",
            &["an array of rising whole numbers"],
        ),
        (
            "probes.low_logit.completion_budgets = [1000, 10]",
            &["rising whole numbers", "[1000, 1000000]"],
        ),
        (
            "probes.low_logit.completion_guesses = 0",
            &["from 1 to 1000000"],
        ),
        ("probes.low_logit.top_k = 0", &["from 1 to"]),
        (
            "probes.low_logit.smallest_effect_recovered = 0",
            &["above 0 and at most 1"],
        ),
        ("canaries.dose = [4, 1]", &["rising whole numbers from 1"]),
        ("canaries.dose = [0, 1]", &["rising whole numbers from 1"]),
        (
            "canaries.dose = [1, 4, 60]",
            &["128, gives equal subgroups of 64 or more", "held_out = 192"],
        ),
        ("canaries.spike = 7", &["0, or from 8 to 1216"]),
        ("canaries.spike = 1217", &["0, or from 8 to 1216"]),
        ("probes.elicitation.contexts = 1001", &["from 0 to 1000"]),
        ("probes.generation.samples = 0", &["from 1 to 1000000"]),
        ("probes.generation.temperature = 0", &["larger than 0"]),
        (
            "probes.generation.seed = 9007199254740993",
            &["from 0 to 2^53"],
        ),
        ("probes.scan.depth = 0", &["from 1, with at most"]),
        (
            "probes.scan.enabled = true\nprobes.scan.depth = 5",
            &["at most 5000000 beginnings", "enumerate fewer letters"],
        ),
        ("probes.scan.top = 0", &["from 1 to 1000000"]),
        ("probes.scan.beam = 0", &["from 1 to 1000000"]),
        ("probes.scan.guesses = 1000001", &["from 1 to 1000000"]),
        ("probes.scan.smallest_effect_enriched = 1.5", &["at most 1"]),
    ]);
}

#[test]
fn probes_and_gate() {
    let limit = |lines: &str| format!("{HEAD}[[gate.limits]]\n{lines}\n");
    expect(&[
        (
            "phase3.skip = true",
            &[
                "line 5: `phase3.skip` is true",
                "set `probes.elicitation.enabled = false`",
            ],
        ),
        (
            "phase2.skip = true\nphase3.skip = true\nprobes.elicitation.enabled = false",
            &["line 6: `phase3.skip` is true", "both skipped"],
        ),
        (
            "probes.elicitation.enabled = false\nprobes.low_logit.enabled = false\nprobes.generation.enabled = false",
            &["line 6", "switch one on"],
        ),
        (
            "probes.low_logit.positive_control = 'no'",
            &["required, not_applicable"],
        ),
        (
            "probes.low_logit.smallest_effect_auc = 0.6",
            &["at most 0.5"],
        ),
        (
            "probes.elicitation.smallest_effect_nats = 0",
            &["larger than 0"],
        ),
        ("gate.alpha = 0.5", &["below 0.5"]),
        ("gate.alpha = 0", &["above 0"]),
        ("gate.permutations = 10799", &["from 10800 to"]),
        (
            "gate.permutations = 11999\nprobes.scan.enabled = true",
            &["from 12000 to"],
        ),
        ("gate.tiers = []", &["at least one tier"]),
        (
            "gate.tiers = ['all']",
            &["recognition, partial, extraction"],
        ),
        ("gate.tiers = ['partial', 'partial']", &["distinct"]),
    ]);
    let whole = "probe = 'low_logit'\nstatistic = 'suppression_nats'\n";
    for (lines, part) in [
        (
            "statistic = 's'",
            "line 5: `gate.limits[0].probe` is missing",
        ),
        (
            "probe = 'spam'",
            "line 6: `gate.limits[0].probe` is 'spam', but must be one of elicitation, low_logit, generation, scan",
        ),
        ("probe = 'scan'", "a probe that is enabled"),
        (
            "probe = 'low_logit'",
            "`gate.limits[0].statistic` is missing",
        ),
        (whole, "a limit needs one"),
        (
            &format!("{whole}min_auc = 0.3\nmax_auc = 0.7"),
            "write two [[gate.limits]]",
        ),
        (
            &format!("{whole}min_auc = 1.5"),
            "line 8: `gate.limits[0].min_auc` is 1.5, but must be a number from 0 to 1",
        ),
        (&format!("{whole}phase = 1\nmax_auc = 0.7"), "2 or 3"),
        (
            &format!("{whole}phase = 2\nmax_auc = 0.7\n[phase2]\nskip = true"),
            "not skipped",
        ),
        (
            &format!("{whole}max_auc = 0.7\n[probes.low_logit]\nenabled = false"),
            "a probe that is enabled",
        ),
    ] {
        let message = refusal(&limit(lines), &[]);
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(
        read(&limit(&format!("{whole}max_auc = 0.7")), &[])
            .unwrap()
            .gate
            .limits[0]
            .max_auc,
        Some(0.7)
    );
}
