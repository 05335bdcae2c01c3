//! Steps on a small model.

use tch::Kind;

use super::*;
use crate::checkpoint::ModelConfig;
use crate::checkpoint::shapes::like_pythia;
use crate::device::{Arithmetic, Device};
use crate::model::UsedRows;
use crate::spec::Freeze;
use crate::training::batch::TermName;
use crate::training::{DpoTerm, LikelihoodTerm, trainable_parts};
use crate::units::TokenId;

fn model() -> Model {
    model_in(Arithmetic::F32)
}

fn model_in(arithmetic: Arithmetic) -> Model {
    let config = ModelConfig {
        max_positions: 32,
        initializer_range: 0.2,
        ..like_pythia(4, 16, 2, 40)
    };
    Model::random(config, Device::CPU, arithmetic).unwrap()
}

fn batch() -> StepBatch {
    let rows = |salt: u32| -> Vec<Vec<TokenId>> {
        (0..7u32)
            .map(|r| {
                (0..6u32)
                    .map(|t| TokenId((r * 5 + t * t + salt) % 40))
                    .collect()
            })
            .collect()
    };
    StepBatch {
        dpo: Some(DpoTerm {
            weight: 1.0,
            beta: 0.3,
            chosen: rows(0),
            rejected: rows(11),
            reference_chosen: vec![-15.0; 7],
            reference_rejected: vec![-16.0; 7],
        }),
        likelihood: vec![LikelihoodTerm {
            name: TermName::Regular,
            weight: 0.2,
            rows: rows(23),
        }],
        ..StepBatch::default()
    }
}

const SETTINGS: Settings = Settings {
    weight_decay: 0.01,
    max_grad_norm: 1.0,
    micro_batch: None,
};

fn number(tensor: &Tensor) -> f64 {
    f64::try_from(tensor).unwrap()
}

/// All gradients in a row: the flat ones, and those of the input embedding's used rows.
fn gradients(trainer: &Trainer<'_>) -> Tensor {
    let rows = trainer.input.iter().map(|i| i.grad.reshape([-1i64]));
    let all: Vec<Tensor> = std::iter::once(trainer.grad.copy()).chain(rows).collect();
    Tensor::cat(&all, 0)
}

/// Micro-batching, ‖Δg‖/‖g‖ ≤ 1e-6. Guide: validation, "Tolerances".
#[test]
fn pieces_have_the_same_gradient_and_loss() {
    let (mut model, batch) = (model(), batch());
    for freeze in [Freeze::None, Freeze::Upper, Freeze::Lower] {
        let mut trainer = Trainer::new(&mut model, trainable_parts(freeze), SETTINGS).unwrap();
        trainer.model().meet(&batch.rows()).unwrap();
        let mut gradient = |pieces| {
            let numbers = trainer
                .gradient_in(&batch, pieces, &mut StepTimes::default())
                .unwrap();
            (numbers, gradients(&trainer))
        };
        let (whole, g) = gradient(1);
        for pieces in [2, 3, 7] {
            let (numbers, pieced) = gradient(pieces);
            assert!(number(&(numbers - &whole).abs().max()) < 1e-5);
            let difference = number(&(&pieced - &g).norm()) / number(&g.norm());
            assert!(difference <= 1e-6, "{pieces} pieces: {difference:e}");
        }
    }
}

/// A step in the pieces that a user asked for is the same step.
#[test]
fn a_micro_batch_that_was_asked_for_is_used() {
    let after = |micro_batch| {
        let mut model = model();
        let settings = Settings {
            micro_batch,
            ..SETTINGS
        };
        let parts = trainable_parts(Freeze::None);
        let mut trainer = Trainer::new(&mut model, parts, settings).unwrap();
        let report = trainer.step(&batch(), 1e-3).unwrap();
        (report.loss, report.grad_norm)
    };
    let (loss, norm) = after(None);
    for rows in [1, 3, 1000] {
        let (other_loss, other_norm) = after(Some(rows));
        assert!((other_loss / loss - 1.0).abs() < 1e-5 && (other_norm / norm - 1.0).abs() < 1e-5);
    }
}

fn tensors(model: &Model) -> Vec<(String, Tensor)> {
    let all = model.named_tensors();
    all.into_iter()
        .map(|(n, t)| (n, t.detach().copy()))
        .collect()
}

#[test]
fn frozen_parts_get_no_gradient_and_no_update() {
    for (freeze, frozen) in [
        (Freeze::Upper, &["layers.2", "layers.3", "embed_out"][..]),
        (Freeze::Lower, &["embed_in", "layers.0", "layers.1"]),
    ] {
        let mut model = model();
        let before = tensors(&model);
        let settings = Settings {
            weight_decay: 0.5,
            ..SETTINGS
        };
        let mut trainer = Trainer::new(&mut model, trainable_parts(freeze), settings).unwrap();
        trainer.step(&batch(), 1e-2).unwrap();
        trainer.finish().unwrap();
        for ((name, old), (_, new)) in before.iter().zip(tensors(&model)) {
            let moved = number(&(new - old).abs().max()) > 0.0;
            let is_frozen = frozen.iter().any(|part| name.contains(part));
            assert_eq!(moved, !is_frozen, "{name} under {freeze:?}");
        }
    }
}

/// Rows of the input embedding that no step reads: `AdamW` on the whole table would only decay them, step by step.
#[test]
fn unused_rows_only_decay_and_used_ones_train() {
    let mut model = model();
    let before = tensors(&model);
    let settings = Settings {
        weight_decay: 0.5,
        ..SETTINGS
    };
    let rates = [0.0, 1e-2, 3e-3];
    let mut trainer = Trainer::new(&mut model, trainable_parts(Freeze::Upper), settings).unwrap();
    for rate in rates {
        trainer.step(&batch(), rate).unwrap();
    }
    trainer.finish().unwrap();
    let after = tensors(&model);
    // The last token of a row is no input.
    let batch = batch();
    let inputs: Vec<u32> = batch
        .rows()
        .iter()
        .flat_map(|r| &r[..5])
        .map(|t| t.0)
        .collect();
    let decay: f64 = rates.iter().map(|rate| 1.0 - rate * 0.5).product();
    let mut unused = 0;
    for token in 0..40u32 {
        let row = |tensors: &[(String, Tensor)]| tensors[0].1.get(i64::from(token));
        let decayed = row(&before) * decay;
        let apart = number(&(row(&after) - decayed).abs().max());
        let trains = inputs.contains(&token);
        assert_eq!(apart > 1e-4, trains, "token {token}: {apart}");
        if !trains {
            assert!(apart < 1e-7, "token {token}: {apart}");
            unused += 1;
        }
    }
    assert!(unused > 0);
}

/// A training that was cut in two by its state goes on bit by bit.
#[test]
fn a_state_continues_where_it_was_taken() {
    for arithmetic in [Arithmetic::F32, Arithmetic::EmulatedBf16] {
        let parts = trainable_parts(Freeze::None);
        let mut whole = model_in(arithmetic);
        let mut trainer = Trainer::new(&mut whole, parts, SETTINGS).unwrap();
        trainer.step(&batch(), 1e-3).unwrap();
        let taken = trainer.state();
        // As a file would hold it.
        let own = |t: &Tensor| t.detach().copy();
        let kept = TrainerState {
            least_pieces: taken.least_pieces,
            steps: taken.steps,
            body: taken.body.each_ref().map(own),
            input: taken.input.map(|(used, moments)| {
                let rows = own(&used.rows);
                (UsedRows { rows, ..used }, moments.each_ref().map(own))
            }),
        };
        trainer.step(&batch(), 1e-3).unwrap();
        trainer.finish().unwrap();
        let mut cut = model_in(arithmetic);
        let mut trainer = Trainer::new(&mut cut, parts, SETTINGS).unwrap();
        trainer.restore(&kept).unwrap();
        trainer.step(&batch(), 1e-3).unwrap();
        trainer.finish().unwrap();
        for ((name, a), (_, b)) in tensors(&whole).iter().zip(tensors(&cut)) {
            assert!(a.equal(&b), "{name} in {arithmetic}");
        }
    }
}

/// bfloat16 in hardware, emulated, and float32: the first two are one arithmetic, the third is close.
#[test]
fn bfloat16_steps_stay_near_float32_and_near_their_emulation() {
    let found = |arithmetic| {
        let mut model = model_in(arithmetic);
        let parts = trainable_parts(Freeze::None);
        let mut trainer = Trainer::new(&mut model, parts, SETTINGS).unwrap();
        let losses: Vec<f64> = (0..4)
            .map(|_| trainer.step(&batch(), 1e-2).unwrap().loss)
            .collect();
        (losses, gradients(&trainer).to_kind(Kind::Float))
    };
    let (exact, g) = found(Arithmetic::F32);
    let (emulated, g_emulated) = found(Arithmetic::EmulatedBf16);
    let (hardware, g_hardware) = found(Arithmetic::Bf16);
    let apart = |a: &Tensor, b: &Tensor| number(&(a - b).norm()) / number(&b.norm());
    for ((e, h), x) in emulated.iter().zip(&hardware).zip(&exact) {
        assert!((e / h - 1.0).abs() < 5e-3, "{emulated:?} {hardware:?}");
        assert!((e / x - 1.0).abs() < 2e-2, "{emulated:?} {exact:?}");
    }
    assert!(
        apart(&g_emulated, &g_hardware) < 0.05,
        "{}",
        apart(&g_emulated, &g_hardware)
    );
    assert!(apart(&g_emulated, &g) < 0.1, "{}", apart(&g_emulated, &g));
}
