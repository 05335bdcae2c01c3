//! The figures of the sample report.

use crate::findings::{
    Access, Band, Figures, GroupCounts, GuessCurve, Histogram, Notable, PerSeed, Probe, Roc,
    SeedValue, Setting, Statistic,
};

pub(crate) fn setting() -> Setting {
    Setting {
        letters: 26,
        length: 16,
        useful: 48,
        held_out: 16,
        controls: 128,
        repeats: 120,
        prefixes: Some([" regular".to_owned(), " reverse".to_owned()]),
        chance_logprob: -3.2581,
        alpha: 0.05,
        spec: "format = 1\n[audit]\nname = \"quick\"\n".to_owned(),
    }
}

pub(crate) fn figures() -> Figures {
    let spread: Vec<f64> = vec![0.02, 0.03, 0.05, 0.04, 0.03, 0.03];
    let bands = ["held_out", "useful", "control"].map(|group| Band {
        phase: 3,
        group: group.to_owned(),
        seeds: 2,
        sd_logprob: spread.clone(),
        sd_letter_rank: spread.iter().map(|s| s / 4.0).collect(),
    });
    let counts = [
        ("held_out", vec![0, 0, 3, 13]),
        ("useful", vec![0, 1, 9, 38]),
        ("control", vec![90, 30, 8, 0]),
    ];
    let groups = counts.map(|(group, counts)| GroupCounts {
        group: group.to_owned(),
        counts,
    });
    Figures {
        bands: bands.into(),
        histograms: vec![Histogram {
            probe: Probe::LowLogit,
            statistic: Statistic::Suppression,
            phase: 2,
            prefix: "regular".to_owned(),
            edges: vec![-4.0, 4.0, 12.0, 20.0, 28.0],
            groups: groups.into(),
        }],
        rocs: vec![Roc {
            probe: Probe::LowLogit,
            statistic: Statistic::Suppression,
            phase: 2,
            prefix: "regular".to_owned(),
            fpr: vec![0.01, 0.1, 0.5, 1.0],
            tpr_high: vec![1.0, 1.0, 1.0, 1.0],
            tpr_low: vec![0.0, 0.0, 0.1, 1.0],
        }],
        guess_curves: vec![GuessCurve {
            phase: 2,
            access: Access::Logits,
            known_letters: 0,
            log10_guesses: vec![0.0, 3.0, 6.0, 9.0, 12.0],
            held_out: vec![0.0, 0.125, 0.5, 0.875, 1.0],
            hunted: vec![0.0, 0.0, 0.625],
            sought: vec![0.0, 0.25, 0.75, 1.0, 1.0],
            control: vec![0.0, 0.0, 0.0, 0.008, 1.0],
            chance: vec![0.0, 0.0, 0.0, 0.005, 1.0],
        }],
        per_seed: vec![PerSeed {
            probe: Probe::LowLogit,
            statistic: Statistic::Suppression,
            phase: 2,
            prefix: "regular".to_owned(),
            ci_level: 0.95,
            values: vec![SeedValue {
                seed: 0,
                estimate: 23.14,
                control_estimate: 0.021,
                auc: 1.0,
                auc_low: 0.974,
                auc_high: 1.0,
            }],
        }],
        canaries: vec![Notable {
            seed: 0,
            id: "held_out-0007".to_owned(),
            probe: Probe::LowLogit,
            statistic: Statistic::Suppression,
            phase: 2,
            value: 27.4,
            controls_beyond: 0,
            controls: 128,
            text: None,
        }],
    }
}
