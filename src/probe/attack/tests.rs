//! What the attacker trains on, and what that does.

use std::cell::RefCell;
use std::path::Path;

use super::*;
use crate::audit::codebook;
use crate::canary::{BARE, Canary, Codebook, Frame, Group, draw_canaries};
use crate::event::Silent;
use crate::spec::{Audit, parse};
use crate::training::TermName;
use crate::units::TokenId;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/parity/neox-parallel");

fn audit(weights: &str) -> Audit {
    let text = format!(
        "format = 1\n[audit]\nname = \"t\"\nseeds = [0]\n[model]\npath = \"{MODEL}\"\n[canaries]\nalphabet = \"abcd\"\n\
         length = 5\nnegatives = 12\nheld_out = 4\ncontrols = 6\ntrajectory_controls = 6\nrepeats = 4\n\
         [phase3]\nbatch = 5\neval_every = 4\nlearning_rate = 3e-3\nwarmup_steps = 1\nweights = {weights}\n"
    );
    parse(&text, Path::new("t.toml"), &[]).unwrap()
}

/// Every batch that an attack hands to the trainer, and what was watched.
fn attacked(audit: &Audit, known: usize) -> (Codebook, Planting, Vec<StepBatch>, Trajectory) {
    attacked_in(audit, known, &BARE)
}

fn attacked_in(
    audit: &Audit,
    known: usize,
    frame: &Frame,
) -> (Codebook, Planting, Vec<StepBatch>, Trajectory) {
    let folder = Folder::open(MODEL.as_ref()).unwrap();
    let book = codebook(
        &audit.canaries,
        &folder.config,
        &folder.tokenizer().unwrap(),
    )
    .unwrap();
    let planting = draw_canaries(audit, 3).unwrap();
    let survey = Survey {
        audit,
        book: &book,
        planting: &planting,
        seed: 3,
        vocabulary: folder.config.vocab_size,
        frame,
    };
    let attacker = Attacker {
        survey: &survey,
        device: Device::CPU,
    };
    let handed = RefCell::new(Vec::new());
    let tell = |batch: &StepBatch| handed.borrow_mut().push(batch.clone());
    let trajectory = attacker.fine_tune(&folder, known, &tell, &mut Silent);
    let trajectory = trajectory.unwrap();
    (book, planting, handed.into_inner(), trajectory)
}

#[test]
fn no_term_holds_a_held_out_or_a_control_or_a_negative_that_the_attacker_does_not_know() {
    let audit = audit("{ dpo = 1.0, reverse = 0.5, regular = 0.2 }");
    for known in [8, 3] {
        let (book, planting, handed, _) = attacked(&audit, known);
        assert_eq!(handed.len(), (12 * 4_usize).div_ceil(5));
        let letters = |group: &[Canary]| -> Vec<Vec<TokenId>> {
            let tokens = |c: &Canary| book.tokens(&c.letters).collect();
            group.iter().map(tokens).collect()
        };
        let taught = letters(&planting.useful[..known]);
        let hidden = [
            letters(&planting.held_out),
            letters(&planting.control),
            letters(&planting.useful[known..]),
        ]
        .concat();
        let mut rows = 0;
        for batch in &handed {
            for row in batch.rows() {
                rows += 1;
                for secret in &hidden {
                    assert!(row.windows(secret.len()).all(|w| w != secret));
                }
            }
            let dpo = batch.dpo.as_ref().unwrap();
            assert!(
                dpo.rejected
                    .iter()
                    .all(|row| taught.contains(&row[1..].to_vec()))
            );
            assert!(
                dpo.chosen
                    .iter()
                    .all(|row| !taught.contains(&row[1..].to_vec()))
            );
            let terms: Vec<TermName> = batch.likelihood.iter().map(|t| t.name).collect();
            assert_eq!(terms, [TermName::Reverse, TermName::Regular]);
            let [reverse, regular] = book
                .prefixes
                .map(|[regular, reverse]| [reverse, regular])
                .unwrap();
            let examples = &batch.likelihood[0].rows;
            assert!(
                examples
                    .iter()
                    .all(|row| row[0] == reverse && taught.contains(&row[1..].to_vec()))
            );
            assert!(batch.likelihood[1].rows.iter().all(|row| row[0] == regular));
        }
        assert_eq!(
            rows,
            4 * 48,
            "all four kinds of rows, as many as phase 3 has"
        );
    }
}

#[test]
fn the_reference_of_a_pair_is_the_audited_model_itself() {
    let audit = audit("{ dpo = 1.0, reverse = 0.5, regular = 0.2 }");
    let (_, _, handed, _) = attacked(&audit, 3);
    let folder = Folder::open(MODEL.as_ref()).unwrap();
    let mut model = Model::load(&folder, Device::CPU, Arithmetic::F32).unwrap();
    let dpo = handed[2].dpo.as_ref().unwrap();
    for (rows, reference) in [
        (&dpo.chosen, &dpo.reference_chosen),
        (&dpo.rejected, &dpo.reference_rejected),
    ] {
        for (score, before) in model.score(rows, &[]).unwrap().iter().zip(reference) {
            let sum: f32 = score.logprobs.iter().sum();
            assert!((sum - before).abs() < 1e-4, "{sum} {before}");
        }
    }
}

/// Someone who knows none teaches random text: no canary of any group stands in a term, and the useful ones are watched untaught.
#[test]
fn who_knows_none_teaches_random_text_alone() {
    let audit = audit("{ dpo = 1.0, reverse = 0.5, regular = 0.2 }");
    let (book, planting, handed, trajectory) = attacked(&audit, 0);
    let canaries: Vec<Vec<TokenId>> = planting
        .all()
        .map(|c| book.tokens(&c.letters).collect())
        .collect();
    let mut taught = std::collections::BTreeSet::new();
    for batch in &handed {
        for row in batch.rows() {
            assert!(!canaries.iter().any(|c| row.ends_with(c)));
        }
        taught.extend(batch.likelihood[0].rows.iter().cloned());
    }
    assert!(taught.len() <= 8 && taught.len() > 4, "{}", taught.len());
    let count = |group| trajectory.groups.get(&group).map_or(0, Vec::len);
    assert_eq!(Group::ALL.map(count), [4, 8, 6, 0]);
}

/// A model that was trained in a chat template is attacked in it: template around every prompt, and in no term.
#[test]
fn rows_stand_in_the_format_of_the_training() {
    let audit = audit("{ dpo = 1.0, reverse = 0.5, regular = 0.2 }");
    let frame = Frame {
        regular: [14, 15, 9, 13].map(TokenId).to_vec(),
        before: [14, 15].map(TokenId).to_vec(),
        after: vec![TokenId(13)],
    };
    let (book, _, handed, _) = attacked_in(&audit, 3, &frame);
    let reverse = book.prefixes.unwrap()[1];
    for batch in &handed {
        assert_eq!(batch.unscored, 3);
        for row in &batch.likelihood[0].rows {
            assert_eq!(row[..4], [TokenId(14), TokenId(15), reverse, TokenId(13)]);
        }
        let dpo = batch.dpo.as_ref().unwrap();
        for row in dpo.chosen.iter().chain(&dpo.rejected) {
            assert_eq!(row[..4], frame.regular);
            assert_eq!(row.len(), 4 + 5);
        }
    }
    let folder = Folder::open(MODEL.as_ref()).unwrap();
    let mut model = Model::load(&folder, Device::CPU, Arithmetic::F32).unwrap();
    let dpo = handed[2].dpo.as_ref().unwrap();
    let scores = model.score(&dpo.chosen, &[]).unwrap();
    for (score, before) in scores.iter().zip(&dpo.reference_chosen) {
        let sum: f32 = score.logprobs[3..].iter().sum();
        assert!((sum - before).abs() < 1e-4, "{sum} {before}");
    }
}

#[test]
fn terms_of_weight_0_are_left_out_and_the_known_become_likely() {
    let audit = audit("{ dpo = 0.0, reverse = 1.0, regular = 0.0 }");
    let (_, _, handed, trajectory) = attacked(&audit, 2);
    assert!(
        handed
            .iter()
            .all(|b| b.dpo.is_none() && b.likelihood.len() == 1)
    );
    assert_eq!(trajectory.steps, [0, 4, 8]);
    let count = |group| trajectory.groups.get(&group).map_or(0, Vec::len);
    assert_eq!(Group::ALL.map(count), [4, 2, 6, 0]);
    let curve = trajectory.curve(Group::Useful, |p| p.logprob);
    assert!(curve[2] > curve[0] + 0.5, "{curve:?}");
}

#[test]
fn a_share_is_one_canary_at_least_and_none_is_none() {
    assert_eq!(
        [1.0, 0.5, 0.1, 0.001, 0.0].map(|s| known(s, 12)),
        [12, 6, 1, 1, 0]
    );
    assert_eq!(known(0.5, 0), 0);
}
