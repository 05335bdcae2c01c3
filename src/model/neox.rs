//! GPT-NeoX (Pythia): parallel or sequential residual, partial rotary embedding, output embedding of its own.

pub(super) mod forward;

use std::path::Path;

use tch::{Tensor, no_grad};

use super::ModelError;
use super::embedding::{Embedding, UsedRows};
use super::params::{Params, Part, Trainable, operand};
use super::vocabulary::{self, Head, Workspace};
use crate::checkpoint::{CheckpointError, Folder, Likeness, NeoxConfig, WeightsFile};
use crate::device::{Arithmetic, Device};
use crate::units::TokenId;
use crate::units::to_i64;

/// Most floats of activations that one forward pass leaves for its backward pass (2 GiB).
pub const ACTIVATIONS: usize = 512 << 20;

/// Floats of activations that a token leaves for the backward pass, all layers: about twenty widths of the residual stream
/// (norms, projections, rotated copies, sums) and two of the MLP.
#[must_use]
pub fn activations_per_token(config: &NeoxConfig) -> usize {
    config.layers * (20 * config.hidden_size + 2 * config.intermediate_size)
}

/// Tensors of one layer, in the order of their slots.
const LAYER: [&str; 12] = [
    "input_layernorm.weight",
    "input_layernorm.bias",
    "post_attention_layernorm.weight",
    "post_attention_layernorm.bias",
    "attention.query_key_value.weight",
    "attention.query_key_value.bias",
    "attention.dense.weight",
    "attention.dense.bias",
    "mlp.dense_h_to_4h.weight",
    "mlp.dense_h_to_4h.bias",
    "mlp.dense_4h_to_h.weight",
    "mlp.dense_4h_to_h.bias",
];

/// Name of the input embedding.
const INPUT: &str = "gpt_neox.embed_in.weight";

/// A GPT-NeoX on a device: weights in float32, products in an [`Arithmetic`].
#[derive(Debug)]
pub struct Neox {
    config: NeoxConfig,
    embedding: Embedding,
    params: Params,
    device: Device,
    arithmetic: Arithmetic,
    /// First slot of each layer.
    layer_slots: Vec<usize>,
    final_norm_slot: usize,
    output_slot: usize,
    workspace: Workspace,
}

/// Names, shapes and parts of all tensors but the input embedding, in the order of the flat buffer.
fn layout(config: &NeoxConfig) -> Vec<(String, Vec<usize>, Part)> {
    let (h, i) = (config.hidden_size, config.intermediate_size);
    let embedding = vec![config.vocab_size, h];
    let mut tensors = Vec::new();
    let layer = |tensors: &mut Vec<_>, n: usize, part| {
        let shapes = [
            vec![h],
            vec![h],
            vec![h],
            vec![h],
            vec![3 * h, h],
            vec![3 * h],
            vec![h, h],
            vec![h],
            vec![i, h],
            vec![i],
            vec![h, i],
            vec![h],
        ];
        for (name, shape) in LAYER.iter().zip(shapes) {
            tensors.push((format!("gpt_neox.layers.{n}.{name}"), shape, part));
        }
    };
    let half = config.layers / 2;
    for n in 0..half {
        layer(&mut tensors, n, Part::Lower);
    }
    for name in ["weight", "bias"] {
        tensors.push((
            format!("gpt_neox.final_layer_norm.{name}"),
            vec![h],
            Part::FinalNorm,
        ));
    }
    for n in half..config.layers {
        layer(&mut tensors, n, Part::Upper);
    }
    tensors.push(("embed_out.weight".to_owned(), embedding, Part::Output));
    tensors
}

/// Names and shapes of all tensors of a checkpoint, the input embedding first.
fn expected(config: &NeoxConfig) -> Vec<(String, Vec<usize>)> {
    let input = (
        INPUT.to_owned(),
        vec![config.vocab_size, config.hidden_size],
    );
    let others = layout(config).into_iter();
    std::iter::once(input)
        .chain(others.map(|(name, shape, _)| (name, shape)))
        .collect()
}

/// Checks that a folder's weights are those of its config, and numbers.
pub fn check_weights(folder: &Folder, weights: &WeightsFile) -> Result<(), ModelError> {
    let expected = expected(&folder.config);
    weights
        .verify(&expected)
        .and_then(|verified| verified.check_values(&expected))
        .map_err(CheckpointError::from)?;
    Ok(())
}

impl Neox {
    /// Loads a checkpoint folder.
    pub fn load(
        folder: &Folder,
        device: Device,
        arithmetic: Arithmetic,
    ) -> Result<Self, ModelError> {
        // Before memory is taken for what the config merely claims.
        folder
            .weights()
            .and_then(|weights| Ok(weights.verify(&expected(&folder.config)).map(drop)?))?;
        let mut model = Self::zeros(folder.config.clone(), device, arithmetic)?;
        model.read_weights(folder)?;
        Ok(model)
    }

    /// Replaces the weights by those of a folder of the same architecture.
    pub fn read_weights(&mut self, folder: &Folder) -> Result<(), ModelError> {
        let expected = expected(&self.config);
        let weights = folder.weights()?;
        weights
            .verify(&expected)
            .and_then(|verified| {
                verified.fill(&expected, |place, from, rows| {
                    self.set_rows(place, from, rows)
                })
            })
            .map_err(CheckpointError::from)?;
        Ok(())
    }

    pub(super) fn zeros(
        config: NeoxConfig,
        device: Device,
        arithmetic: Arithmetic,
    ) -> Result<Self, ModelError> {
        let params = Params::zeros(layout(&config), device, arithmetic)?;
        let half = config.layers / 2;
        // Two tensors of the final norm lie before the upper layers.
        let layer_slots = (0..config.layers)
            .map(|n| n * LAYER.len() + if n < half { 0 } else { 2 })
            .collect();
        Ok(Self {
            embedding: Embedding::zeros(config.vocab_size, config.hidden_size, device)?,
            final_norm_slot: half * LAYER.len(),
            output_slot: params.slots().len() - 1,
            workspace: Workspace::default(),
            layer_slots,
            config,
            params,
            device,
            arithmetic,
        })
    }

    /// Names and shapes of its tensors, in the order of [`Self::named_tensors`].
    #[must_use]
    pub fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        expected(&self.config)
    }

    /// Overwrites the tensor at a place of [`Self::named_tensors`].
    pub fn set(&mut self, place: usize, value: &Tensor) -> Result<(), tch::TchError> {
        self.set_rows(place, 0, value)
    }

    /// The same for the rows from `from` on: `rows` is `[rows, …]`.
    fn set_rows(&mut self, place: usize, from: i64, rows: &Tensor) -> Result<(), tch::TchError> {
        match place.checked_sub(1) {
            None => self.embedding.set_rows(from, rows),
            Some(slot) => self.params.set_rows(slot, from, rows),
        }
    }

    /// The architecture.
    #[must_use]
    pub fn config(&self) -> &NeoxConfig {
        &self.config
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The parameters, to train.
    pub fn params_mut(&mut self) -> &mut Params {
        &mut self.params
    }

    /// Where it runs.
    #[must_use]
    pub fn device(&self) -> Device {
        self.device
    }

    /// How its products are made.
    #[must_use]
    pub fn arithmetic(&self) -> Arithmetic {
        self.arithmetic
    }

    /// What `with` gives while all products are made in strict float32, whatever the model trains in.
    pub fn strictly<T>(&mut self, with: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.arithmetic, Arithmetic::F32);
        let found = with(self);
        self.arithmetic = before;
        found
    }

    /// Begins training of the parts: gives what trains of the flat buffer. The input embedding trains by the rows that
    /// [`Self::meet`] names.
    pub fn begin_training(&mut self, parts: &[Part]) -> Result<Trainable, tch::TchError> {
        if parts.contains(&Part::Input) {
            self.embedding.begin()?;
        }
        self.params.train(parts)
    }

    /// Takes rows of the input embedding into training.
    pub fn meet(&mut self, rows: &[Vec<TokenId>]) -> Result<(), tch::TchError> {
        self.embedding.meet(rows.iter().flatten().copied())
    }

    /// The rows of the input embedding in training: `[used, hidden]`, a leaf.
    pub fn input_leaf(&self) -> Option<&Tensor> {
        self.embedding.leaf()
    }

    /// See [`UsedRows`].
    pub fn used_rows(&self) -> Option<UsedRows> {
        self.embedding.used()
    }

    /// Continues training with rows that [`Self::used_rows`] gave.
    pub fn restore_rows(&mut self, used: &UsedRows) -> Result<(), tch::TchError> {
        self.embedding.restore(used)
    }

    /// Takes note of an update of what trains; rows of the input embedding that are not used were multiplied by `decay`.
    pub fn updated(&mut self, range: &Trainable, decay: f64) -> Result<(), tch::TchError> {
        self.embedding.decay(decay);
        self.params.updated(range)
    }

    /// Ends training: nothing trains any more, and the weights are whole.
    pub fn finish_training(&mut self) -> Result<(), tch::TchError> {
        self.embedding.finish()?;
        self.params.train(&[]).map(|_| ())
    }

    /// Slot of the output embedding.
    #[must_use]
    pub fn output_slot(&self) -> usize {
        self.output_slot
    }

    /// Names and tensors, as a checkpoint holds them. Training must have ended.
    #[must_use]
    pub fn named_tensors(&self) -> Vec<(String, Tensor)> {
        debug_assert!(self.embedding.leaf().is_none(), "training is on");
        let input = self.embedding.table().shallow_clone();
        let others =
            (0..self.params.slots().len()).map(|slot| self.params.tensor(slot).shallow_clone());
        let names = expected(&self.config).into_iter().map(|(name, _)| name);
        names.zip(std::iter::once(input).chain(others)).collect()
    }

    /// Saves the weights with the files of `like` as a folder that transformers loads.
    pub fn save(
        &self,
        like: &Likeness,
        path: &Path,
    ) -> Result<Vec<std::path::PathBuf>, ModelError> {
        Ok(like.save(path, &self.named_tensors())?)
    }

    /// Inputs `[batch, time − 1]` and flat targets `[batch · (time − 1)]` of rows of equal length.
    ///
    /// Inputs are places of the input embedding, targets token ids.
    pub fn batch(&self, rows: &[Vec<TokenId>]) -> Result<(Tensor, Tensor), tch::TchError> {
        let n = rows.first().map_or(0, Vec::len).saturating_sub(1);
        let inputs: Vec<i64> = rows
            .iter()
            .flat_map(|row| &row[..n])
            .map(|&t| self.embedding.place(t))
            .collect::<Result<_, _>>()?;
        let targets: Vec<i64> = rows
            .iter()
            .flat_map(|row| &row[1..])
            .map(|t| i64::from(t.0))
            .collect();
        let on_device = |ids: &[i64]| Tensor::f_from_slice(ids)?.f_to_device(self.device.tch());
        Ok((
            on_device(&inputs)?.f_view([to_i64(rows.len()), to_i64(n)])?,
            on_device(&targets)?,
        ))
    }

    /// Pieces that a step over `tokens` is best cut into, at most `most`: small enough for the activations to stay within
    /// [`ACTIVATIONS`] and, on the CPU, for the logits to be kept. The same on every machine.
    pub fn pieces(&self, tokens: usize, most: usize) -> usize {
        let config = &self.config;
        let by_activations = (tokens * activations_per_token(config)).div_ceil(ACTIVATIONS);
        let by_logits = match self.device {
            Device::CPU => (tokens * config.vocab_size).div_ceil(vocabulary::KEPT_LOGITS),
            _ => 1,
        };
        by_activations.max(by_logits).clamp(1, most.max(1))
    }

    /// The step from hidden states `[tokens, hidden]`, detached, to log-probabilities.
    pub(super) fn head<'a>(
        &'a self,
        hidden: &Tensor,
        targets: &'a Tensor,
    ) -> Result<Head<'a>, tch::TchError> {
        Ok(Head {
            hidden: operand(hidden, self.arithmetic)?,
            output: self
                .params
                .operand(self.output_slot, self.arithmetic)
                .f_detach()?,
            targets,
            arithmetic: self.arithmetic,
            workspace: &self.workspace,
        })
    }

    /// Log-probabilities of `targets` `[tokens]` from detached hidden states `[tokens, hidden]`, and the derivatives of a
    /// loss over them. `loss` gives its numbers and its derivative by each log-probability, `[tokens]`.
    ///
    /// Returns those numbers and the loss's derivative by the hidden states; that by the output embedding is added to
    /// `grad_output` `[vocabulary, hidden]` where given. Both derivatives are float32.
    pub fn vocabulary_loss(
        &self,
        hidden: &Tensor,
        targets: &Tensor,
        grad_output: Option<&Tensor>,
        loss: impl FnOnce(&Tensor) -> Result<(Tensor, Tensor), tch::TchError>,
    ) -> Result<(Tensor, Tensor), tch::TchError> {
        let head = self.head(hidden, targets)?;
        let scored = vocabulary::forward(&head, true)?;
        let (numbers, slopes) = no_grad(|| loss(&scored.logprobs))?;
        let grad = vocabulary::backward(&head, &scored, &slopes, grad_output)?;
        Ok((numbers, grad))
    }
}
