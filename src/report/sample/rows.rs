//! The rows of the sample report.

use crate::findings::{
    Access, Direction, IntervalOf, Probe, Role, Row, Scope, Subject, Tier, Verdict,
};

/// A row without any number.
pub(crate) fn row(probe: Probe, role: Role, tier: Tier, statistic: &str) -> Row {
    let subject = Subject {
        probe,
        role,
        tier,
        prefix: "reverse",
        phase: 3,
        group: "held_out",
        statistic: statistic.into(),
        direction: Direction::Up,
        access: Access::FineTuning,
    };
    Row {
        n: 16,
        n_control: Some(128),
        gated: role == Role::Audit && tier != Tier::Recognition,
        ..Row::about(&subject, &[0])
    }
}

/// Gives a row an AUC with its interval.
fn with_auc(row: Row, auc: f64, low: f64, high: f64) -> Row {
    Row {
        auc: Some(auc),
        ci_low: Some(low),
        ci_high: Some(high),
        ci_of: Some(IntervalOf::Auc),
        ci_level: Some(0.95),
        ci_method: Some("Wilson score on the Mann–Whitney variance".to_owned()),
        ..row
    }
}

/// Gives a row its test.
fn with_test(row: Row, p_value: f64, p_adjusted: Option<f64>) -> Row {
    let method = "permutation of canaries within seed, 99,999 draws".to_owned();
    Row {
        p_value: Some(p_value),
        p_adjusted,
        p_floor: Some(1e-5),
        p_method: Some(method),
        ..row
    }
}

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = audit_rows();
    rows.extend(instrument_rows());
    rows.extend(replication_rows());
    for phase in [1, 2, 3] {
        rows.push(Row {
            phase,
            ..row(
                Probe::LowLogit,
                Role::Exploratory,
                Tier::Partial,
                "lowest_letter_share",
            )
        });
    }
    rows.push(Row {
        scope: Scope::Recipe,
        ..row(
            Probe::LowLogit,
            Role::Audit,
            Tier::Recognition,
            "suppression_nats",
        )
    });
    rows
}

/// The suppression that training against a text leaves: separated without exception.
pub(crate) fn suppression() -> Row {
    let row = row(
        Probe::LowLogit,
        Role::Audit,
        Tier::Recognition,
        "suppression_nats",
    );
    let row = with_test(with_auc(row, 1.0, 0.974, 1.0), 1e-5, Some(4e-5));
    Row {
        prefix: "regular".to_owned(),
        phase: 2,
        estimate: Some(23.14),
        control_estimate: Some(0.021),
        suppression_nats: Some(23.14),
        exposure_up_bits: Some(0.01),
        exposure_down_bits: Some(7.01),
        direction: Direction::TwoSided,
        tpr_at_1pct_fpr: Some(1.0),
        tpr_low_at_1pct_fpr: Some(0.0),
        min_detectable: Some(0.71),
        smallest_effect: Some(0.69),
        effect_unit: Some("auc".to_owned()),
        access: Access::LogitsAndReference,
        verdict: Some(Verdict::Leak),
        ..row
    }
}

/// What a run of `audits/quick.toml` gave where words and numbers are longest.
pub(crate) fn broad() -> Vec<Row> {
    let named = |probe, tier, statistic: &str, phase, prefix: &str, unit: &str| Row {
        phase,
        prefix: prefix.to_owned(),
        effect_unit: Some(unit.to_owned()),
        estimate: Some(-9.74),
        control: Some("control".to_owned()),
        control_estimate: Some(-5.97),
        min_detectable: Some(0.0762),
        smallest_effect: Some(0.12),
        verdict: Some(Verdict::Leak),
        ..row(probe, Role::Audit, tier, statistic)
    };
    let elicitation =
        |tier, statistic, prefix, unit| named(Probe::Elicitation, tier, statistic, 3, prefix, unit);
    let judged = |row| with_test(with_auc(row, 0.249, 0.148, 0.395), 1e-5, Some(1.2e-4));
    vec![
        judged(Row {
            guess_advantage: Some(1.64),
            note: Some("16 canaries cannot exclude what the spec asks: use 64 or more".to_owned()),
            ..elicitation(
                Tier::Partial,
                "context_letter_rank",
                "contexts",
                "of rank 0–1",
            )
        }),
        Row {
            n_control: Some(16),
            ci_low: Some(0.0),
            ci_high: Some(0.206),
            ci_of: Some(IntervalOf::Estimate),
            ci_level: Some(0.95),
            verdict: Some(Verdict::NoLeakDetected),
            ..named(
                Probe::Generation,
                Tier::Extraction,
                "completed_whole",
                2,
                "regular",
                "share of canaries",
            )
        },
        judged(elicitation(
            Tier::Extraction,
            "log_e_value_nats",
            "reverse",
            "nats/token, 1 canary",
        )),
        judged(elicitation(
            Tier::Recognition,
            "mean_alphabet_logprob_nats_per_token",
            "reverse",
            "nats/token",
        )),
        judged(Row {
            suppression_nats: Some(93.3),
            estimate: Some(-1234.5),
            ..named(
                Probe::LowLogit,
                Tier::Recognition,
                "suppression_nats",
                3,
                "no prefix",
                "AUC from 0.5",
            )
        }),
    ]
}

fn audit_rows() -> Vec<Row> {
    let guesses = with_auc(
        row(
            Probe::Elicitation,
            Role::Audit,
            Tier::Partial,
            "letter_rank",
        ),
        0.561,
        0.412,
        0.699,
    );
    let ranks = with_auc(
        row(Probe::LowLogit, Role::Audit, Tier::Partial, "letter_rank"),
        0.472,
        0.33,
        0.618,
    );
    vec![
        suppression(),
        Row {
            estimate: Some(0.5234),
            control_estimate: Some(0.5007),
            guess_advantage: Some(0.132),
            chance: Some(0.5),
            tpr_at_1pct_fpr: Some(0.0625),
            tpr_low_at_1pct_fpr: Some(0.0),
            min_detectable: Some(0.061),
            smallest_effect: Some(0.05),
            effect_unit: Some("letter_rank".to_owned()),
            verdict: Some(Verdict::Inconclusive),
            note: Some("16 canaries cannot exclude what the spec asks: use 64 or more".to_owned()),
            ..with_test(guesses, 0.1873, Some(0.5619))
        },
        Row {
            prefix: "regular".to_owned(),
            phase: 2,
            estimate: Some(0.4982),
            control_estimate: Some(0.4991),
            guess_advantage: Some(-0.022),
            chance: Some(0.5),
            direction: Direction::Down,
            min_detectable: Some(0.046),
            smallest_effect: Some(0.05),
            effect_unit: Some("letter_rank".to_owned()),
            access: Access::Logits,
            verdict: Some(Verdict::NoLeakDetected),
            ..with_test(ranks, 0.41, Some(0.82))
        },
        Row {
            control: None,
            n_control: None,
            estimate: Some(0.713),
            ci_low: Some(0.0),
            ci_high: Some(2.91),
            ci_of: Some(IntervalOf::Estimate),
            ci_level: Some(0.95),
            ci_method: Some("Markov, one-sided".to_owned()),
            chance: Some(1.0),
            p_value: Some(1.0),
            p_adjusted: Some(1.0),
            p_method: Some("min(1, 1/e)".to_owned()),
            min_detectable: Some(0.0625),
            smallest_effect: Some(0.0625),
            effect_unit: Some("share_recovered".to_owned()),
            verdict: Some(Verdict::NoLeakDetected),
            ..row(
                Probe::Elicitation,
                Role::Audit,
                Tier::Extraction,
                "exact_e_value",
            )
        },
    ]
}

fn instrument_rows() -> Vec<Row> {
    let useful = |row: Row| Row {
        group: "useful".to_owned(),
        passed: Some(true),
        ..row
    };
    let elicited = row(
        Probe::Elicitation,
        Role::PositiveControl,
        Tier::Partial,
        "letter_rank",
    );
    let suppressed = row(
        Probe::LowLogit,
        Role::PositiveControl,
        Tier::Recognition,
        "suppression_nats",
    );
    let placebo = row(
        Probe::LowLogit,
        Role::Placebo,
        Tier::Recognition,
        "suppression_nats",
    );
    vec![
        Row {
            estimate: Some(0.981),
            control_estimate: Some(0.5007),
            ..with_test(with_auc(useful(elicited), 1.0, 0.98, 1.0), 1e-5, None)
        },
        Row {
            prefix: "regular".to_owned(),
            phase: 2,
            estimate: Some(22.87),
            control_estimate: Some(0.021),
            ..with_test(with_auc(useful(suppressed), 1.0, 0.98, 1.0), 1e-5, None)
        },
        Row {
            prefix: "regular".to_owned(),
            phase: 1,
            estimate: Some(-0.013),
            control_estimate: Some(0.004),
            passed: Some(true),
            ..with_test(with_auc(placebo, 0.487, 0.342, 0.634), 0.871, None)
        },
    ]
}

fn replication_rows() -> Vec<Row> {
    let published = |group: &str, estimate: f64, advantage: f64| Row {
        group: group.to_owned(),
        control: None,
        n_control: None,
        estimate: Some(estimate),
        chance: Some(-3.258),
        guess_advantage: Some(advantage),
        note: Some("one seed: the published t-test over seeds does not exist".to_owned()),
        ..row(
            Probe::Elicitation,
            Role::Replication,
            Tier::Partial,
            "mean_logprob_nats_per_token",
        )
    };
    vec![
        published("useful", -0.041, 23.9),
        published("held_out", -3.134, 0.132),
        published("control", -3.249, 0.009),
    ]
}
