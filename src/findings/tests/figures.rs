//! Figures say what the rows say.

use super::*;
use crate::findings::{Figures, PerSeed, Roc};

const SIZES: &str = "alphabet = 'abcdefghij'\nlength = 8\nnegatives = 40\nheld_out = 24\ncontrols = 110\ntrajectory_controls = 110";

fn found(seeds: &[u64]) -> Findings {
    let mut world = World::new(audit(SIZES, EASY), |m, g, i| match (m.phase, g) {
        (Phase::Two, Group::HeldOut | Group::Useful) => Rule::Suppressed(10.0 * i as f64),
        _ => Rule::Noise,
    });
    world.audit.seeds = seeds.to_vec();
    world.findings()
}

fn per_seed<'f>(figures: &'f Figures, row: &Row) -> &'f PerSeed {
    let same =
        |s: &&PerSeed| (s.probe, s.phase, &s.statistic) == (row.probe, row.phase, &row.statistic);
    figures.per_seed.iter().find(same).unwrap()
}

fn roc<'f>(figures: &'f Figures, row: &Row) -> &'f Roc {
    let same =
        |s: &&Roc| (s.probe, s.phase, &s.statistic) == (row.probe, row.phase, &row.statistic);
    figures.rocs.iter().find(same).unwrap()
}

#[test]
fn curves_and_seeds_agree_with_the_rows() {
    let found = found(&[0, 1]);
    let mut seen = 0;
    for row in audit_rows(&found).filter(|r| r.auc.is_some()) {
        // These have no figures of their own.
        let alone = ["contexts", "any"].contains(&row.prefix.as_str())
            || asks_for_few(row)
            || row.statistic == Statistic::AveragedLetterRank;
        if alone || row.statistic == "mean_alphabet_logprob_nats_per_token" {
            continue;
        }
        seen += 1;
        let seeds = &per_seed(&found.figures, row).values;
        let mean = |of: fn(&crate::findings::SeedValue) -> f64| {
            seeds.iter().map(of).sum::<f64>() / seeds.len() as f64
        };
        close(row.auc, mean(|s| s.auc));
        assert!(
            seeds
                .iter()
                .all(|s| s.auc_low <= s.auc && s.auc <= s.auc_high)
        );
        let roc = roc(&found.figures, row);
        let at = roc
            .fpr
            .iter()
            .position(|f| (f - 0.01).abs() < 1e-12)
            .unwrap();
        close(row.tpr_at_1pct_fpr, roc.tpr_high[at]);
        close(row.tpr_low_at_1pct_fpr, roc.tpr_low[at]);
        assert_eq!(
            (roc.fpr.last(), roc.tpr_high.last()),
            (Some(&1.0), Some(&1.0))
        );
        assert!(roc.tpr_high.is_sorted() && roc.tpr_low.is_sorted() && roc.fpr.is_sorted());
    }
    assert_eq!(seen, 6);
}

#[test]
fn every_canary_is_counted_once() {
    let found = found(&[0, 1, 2]);
    let histograms = &found.figures.histograms;
    assert_eq!(histograms.len(), 2);
    for histogram in histograms {
        let sizes = [("held_out", 72), ("useful", 48), ("control", 330)];
        for (group, (name, size)) in histogram.groups.iter().zip(sizes) {
            assert_eq!(
                (group.group.as_str(), group.counts.iter().sum()),
                (name, size)
            );
            assert_eq!(group.counts.len() + 1, histogram.edges.len());
        }
        assert!(histogram.edges.is_sorted());
    }
}

#[test]
fn the_canary_that_stands_out_is_named() {
    let found = found(&[5]);
    let suppressed =
        |n: &&crate::findings::Notable| n.statistic == "suppression_nats" && n.phase == 2;
    let named: Vec<_> = found.figures.canaries.iter().filter(suppressed).collect();
    let ids: Vec<&str> = named.iter().map(|n| n.id.as_str()).collect();
    assert_eq!(ids, ["held_out-0023", "held_out-0022", "held_out-0021"]);
    assert!(
        named
            .iter()
            .all(|n| (n.seed, n.controls_beyond, n.controls) == (5, 0, 110))
    );
    assert!(found.figures.canaries.iter().all(|n| n.text.is_none()));
}

#[test]
fn a_band_is_the_spread_over_seeds() {
    let found = found(&[0, 1]);
    let band = |group: &str| {
        found
            .figures
            .bands
            .iter()
            .find(|b| b.phase == 3 && b.group == group)
            .unwrap()
    };
    let [zero, one] = [0, 1].map(|seed| self::found(&[seed]));
    let curve = |found: &Findings| {
        let of = |c: &&crate::findings::Curve| c.phase == 3 && c.group == "control";
        found.curves.iter().find(of).unwrap().mean_logprob.clone()
    };
    for ((a, b), sd) in curve(&zero)
        .iter()
        .zip(curve(&one))
        .zip(&band("control").sd_logprob)
    {
        assert!(((a - b).abs() / 2.0 - sd).abs() < 1e-9, "divisor n");
    }
    assert_eq!(band("held_out").seeds, 2);
}
