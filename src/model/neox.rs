//! GPT-NeoX (Pythia): parallel or sequential residual, partial rotary embedding, output embedding of its own.

use std::path::Path;

use tch::{Kind, Tensor, no_grad};

use super::ModelError;
use super::params::{Params, Part};
use super::rotary::Rotary;
use super::vocabulary::{self, Workspace};
use crate::checkpoint::{CheckpointError, Folder, NeoxConfig, WeightsFile};
use crate::device::Device;
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

/// A GPT-NeoX on a device, in float32.
#[derive(Debug)]
pub struct Neox {
    config: NeoxConfig,
    params: Params,
    device: Device,
    /// First slot of each layer.
    layer_slots: Vec<usize>,
    final_norm_slot: usize,
    output_slot: usize,
    workspace: Workspace,
}

/// Names, shapes and parts of all tensors, in the order of the flat buffer.
fn layout(config: &NeoxConfig) -> Vec<(String, Vec<usize>, Part)> {
    let (h, i) = (config.hidden_size, config.intermediate_size);
    let embedding = vec![config.vocab_size, h];
    let mut tensors = vec![(
        "gpt_neox.embed_in.weight".to_owned(),
        embedding.clone(),
        Part::Input,
    )];
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

/// Checks that a folder's weights are those of its config, and numbers.
pub fn check_weights(folder: &Folder, weights: &WeightsFile) -> Result<(), ModelError> {
    let expected: Vec<_> = layout(&folder.config)
        .into_iter()
        .map(|(name, shape, _)| (name, shape))
        .collect();
    weights
        .read(&expected, |_, _| Ok(()))
        .map_err(CheckpointError::from)?;
    Ok(())
}

impl Neox {
    /// Loads a checkpoint folder.
    pub fn load(folder: &Folder, device: Device) -> Result<Self, ModelError> {
        let mut model = Self::zeros(folder.config.clone(), device)?;
        model.read_weights(folder)?;
        Ok(model)
    }

    /// Replaces the weights by those of a folder of the same architecture.
    pub fn read_weights(&mut self, folder: &Folder) -> Result<(), ModelError> {
        let expected: Vec<_> = self
            .params
            .slots()
            .iter()
            .map(|s| (s.name.clone(), s.shape.clone()))
            .collect();
        let weights = folder.weights()?;
        weights
            .read(&expected, |slot, tensor| self.params.set(slot, &tensor))
            .map_err(CheckpointError::from)?;
        Ok(())
    }

    pub(super) fn zeros(config: NeoxConfig, device: Device) -> Result<Self, ModelError> {
        let params = Params::zeros(layout(&config), device)?;
        let half = config.layers / 2;
        // One input embedding before the lower layers, two tensors of the final norm before the upper ones.
        let layer_slots = (0..config.layers)
            .map(|n| 1 + n * LAYER.len() + if n < half { 0 } else { 2 })
            .collect();
        Ok(Self {
            final_norm_slot: 1 + half * LAYER.len(),
            output_slot: params.slots().len() - 1,
            workspace: Workspace::default(),
            layer_slots,
            config,
            params,
            device,
        })
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

    /// The output embedding: `[vocabulary, hidden]`.
    pub fn output(&self) -> &Tensor {
        self.params.tensor(self.output_slot)
    }

    /// Slot of the output embedding.
    #[must_use]
    pub fn output_slot(&self) -> usize {
        self.output_slot
    }

    /// Names and tensors, as a checkpoint holds them.
    #[must_use]
    pub fn named_tensors(&self) -> Vec<(String, Tensor)> {
        let params = &self.params;
        (0..params.slots().len())
            .map(|slot| {
                (
                    params.slots()[slot].name.clone(),
                    params.tensor(slot).shallow_clone(),
                )
            })
            .collect()
    }

    /// Saves the weights as a folder like `like`, which transformers loads.
    pub fn save(&self, like: &Folder, path: &Path) -> Result<Vec<std::path::PathBuf>, ModelError> {
        Ok(like.save_like(path, &self.named_tensors())?)
    }

    /// Final hidden states of `tokens` `[batch, time]` (int64): `[batch, time, hidden]`.
    pub fn hidden(&self, tokens: &Tensor) -> Result<Tensor, tch::TchError> {
        let rotary = Rotary::new(&self.config, tokens.size()[1], self.device)?;
        let mut x = Tensor::f_embedding(self.params.tensor(0), tokens, -1, false, false)?;
        for layer in 0..self.config.layers {
            x = self.layer(layer, &x, &rotary)?;
        }
        self.norm(&x, self.final_norm_slot)
    }

    fn layer(&self, layer: usize, x: &Tensor, rotary: &Rotary) -> Result<Tensor, tch::TchError> {
        let slot = self.layer_slots[layer];
        let attention = self.attention(slot, &self.norm(x, slot)?, rotary)?;
        if self.config.parallel_residual {
            let mlp = self.mlp(slot, &self.norm(x, slot + 2)?)?;
            x.f_add(&attention)?.f_add(&mlp)
        } else {
            let x = x.f_add(&attention)?;
            let mlp = self.mlp(slot, &self.norm(&x, slot + 2)?)?;
            x.f_add(&mlp)
        }
    }

    fn norm(&self, x: &Tensor, slot: usize) -> Result<Tensor, tch::TchError> {
        x.f_layer_norm(
            [to_i64(self.config.hidden_size)],
            Some(self.params.tensor(slot)),
            Some(self.params.tensor(slot + 1)),
            self.config.layer_norm_eps,
            false,
        )
    }

    fn linear(&self, x: &Tensor, slot: usize) -> Result<Tensor, tch::TchError> {
        x.f_linear(self.params.tensor(slot), Some(self.params.tensor(slot + 1)))
    }

    fn mlp(&self, slot: usize, x: &Tensor) -> Result<Tensor, tch::TchError> {
        self.linear(&self.linear(x, slot + 8)?.f_gelu("none")?, slot + 10)
    }

    fn attention(&self, slot: usize, x: &Tensor, rotary: &Rotary) -> Result<Tensor, tch::TchError> {
        let (batch, time) = (x.size()[0], x.size()[1]);
        let (heads, dims) = (to_i64(self.config.heads), to_i64(self.config.head_dims()));
        // Each head's query, key and value lie together: [batch, heads, time, 3 · dims].
        let qkv = self
            .linear(x, slot + 4)?
            .f_view([batch, time, heads, 3 * dims])?
            .f_transpose(1, 2)?;
        let part = |n| qkv.f_narrow(3, n * dims, dims);
        let (q, k, v) = (rotary.apply(&part(0)?)?, rotary.apply(&part(1)?)?, part(2)?);
        #[allow(clippy::cast_precision_loss)]
        let scale = 1.0 / (dims as f64).sqrt();
        let scores = q.f_matmul(&k.f_transpose(2, 3)?)?.f_mul_scalar(scale)?;
        let mixed = scores
            .f_add(&rotary.mask)?
            .f_softmax(-1, Kind::Float)?
            .f_matmul(&v)?;
        let joined = mixed
            .f_transpose(1, 2)?
            .f_reshape([batch, time, heads * dims])?;
        self.linear(&joined, slot + 6)
    }

    /// Inputs `[batch, time − 1]` and flat targets `[batch · (time − 1)]` of rows of equal length.
    pub fn batch(&self, rows: &[Vec<TokenId>]) -> Result<(Tensor, Tensor), tch::TchError> {
        let time = rows.first().map_or(0, Vec::len);
        let flat: Vec<i64> = rows.iter().flatten().map(|t| i64::from(t.0)).collect();
        let all = Tensor::f_from_slice(&flat)?
            .f_view([to_i64(rows.len()), to_i64(time)])?
            .f_to_device(self.device.tch())?;
        let n = to_i64(time) - 1;
        Ok((
            all.f_narrow(1, 0, n)?,
            all.f_narrow(1, 1, n)?.f_reshape([-1i64])?,
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

    /// Memory for logits.
    pub(super) fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// Log-probabilities of `targets` `[tokens]` from detached hidden states `[tokens, hidden]`, and the derivatives of a
    /// loss over them. `loss` gives its numbers and its derivative by each log-probability, `[tokens]`.
    ///
    /// Returns those numbers and the loss's derivative by the hidden states; that by the output embedding is added to
    /// `grad_output` `[vocabulary, hidden]` where given.
    pub fn vocabulary_loss(
        &self,
        hidden: &Tensor,
        targets: &Tensor,
        grad_output: Option<&Tensor>,
        loss: impl FnOnce(&Tensor) -> Result<(Tensor, Tensor), tch::TchError>,
    ) -> Result<(Tensor, Tensor), tch::TchError> {
        let output = self.output().f_detach()?;
        let scored = vocabulary::forward(hidden, &output, targets, true, &self.workspace)?;
        let (numbers, slopes) = no_grad(|| loss(&scored.logprobs))?;
        let grad = vocabulary::backward(
            hidden,
            &output,
            targets,
            &scored,
            &slopes,
            grad_output,
            &self.workspace,
        )?;
        Ok((numbers, grad))
    }
}
