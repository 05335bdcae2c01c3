//! Which rows a step trains on.

use super::*;
use crate::spec::parse;

fn audit() -> Audit {
    let text = "format = 1\n[audit]\nname = \"t\"\nseeds = [0]\n[model]\npath = \"x\"\n[canaries]\nalphabet = \"abcd\"\n\
        length = 5\nnegatives = 6\nheld_out = 2\ncontrols = 3\ntrajectory_controls = 2\nrepeats = 4\n\
        [phase1]\nbatch = 4\npasswords = 10\n[phase2]\nbatch = 5\n[phase3]\nbatch = 5\n";
    parse(text, std::path::Path::new("t.toml"), &[]).unwrap()
}

fn book() -> Codebook {
    Codebook {
        alphabet: (0..4).map(TokenId).collect(),
        texts: ["a", "b", "c", "d"].map(str::to_owned).to_vec(),
        prefixes: Some([TokenId(8), TokenId(9)]),
    }
}

#[test]
fn every_pair_is_visited_once_a_phase_with_its_own_reference() {
    let (audit, book) = (audit(), book());
    let corpus = Corpus::new(&audit, &book, 3).unwrap();
    let rows = corpus.reference_rows();
    assert_eq!(rows.len(), 24 + 6);
    // The reference of a row is its place, so that a mix-up shows.
    #[allow(clippy::cast_precision_loss)]
    let reference: Vec<f32> = (0..rows.len()).map(|i| i as f32).collect();
    let batches = corpus.dpo(&reference);
    let mut seen = Vec::new();
    for step in 0..5 {
        let dpo = batches.step(step).dpo.unwrap();
        assert_eq!(dpo.chosen.len(), if step < 4 { 5 } else { 4 });
        for i in 0..dpo.chosen.len() {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let (c, r) = (
                dpo.reference_chosen[i] as usize,
                dpo.reference_rejected[i] as usize,
            );
            assert_eq!(dpo.chosen[i], rows[c]);
            assert_eq!(dpo.rejected[i], rows[r]);
            seen.push(c);
        }
    }
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..24));
}

#[test]
fn phase_3_elicits_useful_canaries_only_and_drops_terms_of_weight_0() {
    let (mut audit, book) = (audit(), book());
    audit.phase3.weights.regular = 0.0;
    let corpus = Corpus::new(&audit, &book, 3).unwrap();
    let reference = vec![0.0; 30];
    let batches = corpus.joint(&reference).unwrap();
    let useful: Vec<_> = corpus
        .planting
        .useful
        .iter()
        .map(|c| book.row(&c.letters, Prefix::Reverse))
        .collect();
    let mut count = BTreeMap::new();
    for step in 0..5 {
        let batch = batches.step(step);
        assert_eq!(batch.likelihood.len(), 1);
        for row in &batch.likelihood[0].rows {
            assert!(useful.contains(row));
            *count.entry(row.clone()).or_insert(0) += 1;
        }
    }
    // 24 rows over 4 useful canaries.
    assert!(count.values().all(|&n| n == 6));
}

#[test]
fn a_dose_is_how_often_a_canary_is_rejected() {
    let text = "format = 1\n[audit]\nname = \"t\"\n[model]\npath = \"x\"\n[canaries]\nalphabet = \"abcd\"\nlength = 6\n\
        negatives = 130\nheld_out = 128\ncontrols = 3\ntrajectory_controls = 2\nrepeats = 3\ndose = [1, 5]\n\
        [phase2]\nbatch = 50\n";
    let audit = parse(text, std::path::Path::new("t.toml"), &[]).unwrap();
    let book = book();
    let corpus = Corpus::new(&audit, &book, 3).unwrap();
    let reference = vec![0.0; corpus.reference_rows().len()];
    let batches = corpus.dpo(&reference);
    let mut count: BTreeMap<Vec<TokenId>, usize> = BTreeMap::new();
    for step in 0..audit.steps(Phase::Two) {
        for row in batches.step(step).dpo.unwrap().rejected {
            *count.entry(row).or_default() += 1;
        }
    }
    let of = |canary: &Canary| count[&book.row(&canary.letters, Prefix::Regular)];
    assert!(corpus.planting.held_out[..64].iter().all(|c| of(c) == 1));
    assert!(corpus.planting.held_out[64..].iter().all(|c| of(c) == 5));
    assert!(corpus.planting.useful.iter().all(|c| of(c) == 3));
}

#[test]
fn evaluations_and_observations_take_the_groups_they_should() {
    let (audit, book) = (audit(), book());
    let corpus = Corpus::new(&audit, &book, 0).unwrap();
    let count = |canaries: &[&Canary], g| canaries.iter().filter(|c| c.group == g).count();
    let evaluated = corpus.evaluated();
    let observed = corpus.observed();
    assert_eq!(Group::ALL.map(|g| count(&evaluated, g)), [2, 4, 2, 0]);
    assert_eq!(Group::ALL.map(|g| count(&observed, g)), [2, 3, 3, 0]);
}

#[test]
fn spikes_stand_on_the_chosen_side_as_often_as_negatives_on_the_rejected() {
    let (plain, mut audit, book) = (audit(), audit(), book());
    let without = Corpus::new(&plain, &book, 3).unwrap();
    audit.canaries.spike = 2;
    let with = Corpus::new(&audit, &book, 3).unwrap();
    assert_eq!(with.planting.spike.len(), 2);
    for spike in &with.planting.spike {
        let often = with.chosen.iter().filter(|l| **l == spike.letters).count();
        assert_eq!(often, audit.canaries.repeats);
        assert!(
            with.planting
                .negatives()
                .all(|n| n.letters != spike.letters)
        );
    }
    // What else is planted, rejected and scored stays what it was.
    assert_eq!(with.planting.held_out, without.planting.held_out);
    assert_eq!(with.planting.control, without.planting.control);
    assert_eq!(with.rejected, without.rejected);
    let count = |canaries: &[&Canary], group| canaries.iter().filter(|c| c.group == group).count();
    assert_eq!(count(&with.observed(), Group::Spike), 2);
    assert_eq!(count(&with.evaluated(), Group::Spike), 0);
    assert_eq!(count(&with.contextual(), Group::Spike), 0);
}
