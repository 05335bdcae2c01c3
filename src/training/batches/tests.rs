//! Which rows a step trains on.

use std::collections::BTreeMap;

use super::*;
use crate::canary::Corpus;
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

fn joint<'a>(
    audit: &Audit,
    book: &'a Codebook,
    corpus: &'a Corpus<'_>,
    reference: &'a [f32],
) -> Batches<'a> {
    let (pairs, known) = (corpus.pairs(Phase::Three), &corpus.planting.useful);
    Batches::joint(audit, book, &corpus.text, pairs, known, reference).unwrap()
}

#[test]
fn every_pair_is_visited_once_a_phase_with_its_own_reference() {
    let (audit, book) = (audit(), book());
    let corpus = Corpus::new(&audit, 3).unwrap();
    let rows = corpus.pairs(Phase::Two).reference_rows(&book);
    assert_eq!(rows.len(), 24 + 6);
    // The reference of a row is its place, so that a mix-up shows.
    #[allow(clippy::cast_precision_loss)]
    let reference: Vec<f32> = (0..rows.len()).map(|i| i as f32).collect();
    let batches = Batches::dpo(&audit, &book, corpus.pairs(Phase::Two), &reference);
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
    let corpus = Corpus::new(&audit, 3).unwrap();
    let reference = vec![0.0; 30];
    let batches = joint(&audit, &book, &corpus, &reference);
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
    let corpus = Corpus::new(&audit, 3).unwrap();
    let reference = vec![0.0; corpus.pairs(Phase::Two).reference_rows(&book).len()];
    let batches = Batches::dpo(&audit, &book, corpus.pairs(Phase::Two), &reference);
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
