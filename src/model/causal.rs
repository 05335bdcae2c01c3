//! A causal language model on a device, of any architecture: its weights, what of them trains, and its vocabulary.

use tch::{Tensor, no_grad};

use super::ModelError;
use super::architecture::Architecture;
use super::embedding::{Embedding, UsedRows};
use super::layout::{Places, blueprint, layout};
use super::params::{Params, Part, Trainable, operand};
use super::vocabulary::{self, LmHead, Workspace};
use crate::checkpoint::ModelConfig;
use crate::checkpoint::size::{ACTIVATIONS, KEPT_LOGITS, activations_per_token};
use crate::device::{Arithmetic, Device};
use crate::units::{TokenId, to_i64};

/// A model on a device: weights in float32, products in an [`Arithmetic`].
///
/// A tied embedding is the last tensor of the flat buffer. It trains only where both its ends would (freezing `none`); its
/// gradient is that of the output plus that of the rows that were read, and the optimiser and the norm see all of it: every row
/// has a gradient from the output, so that there are no unused rows to leave out.
#[derive(Debug)]
pub struct Model {
    pub(super) config: ModelConfig,
    pub(super) architecture: Box<dyn Architecture>,
    pub(super) places: Places,
    /// The input embedding; none where it is the output's.
    pub(super) embedding: Option<Embedding>,
    pub(super) params: Params,
    pub(super) device: Device,
    arithmetic: Arithmetic,
    workspace: Workspace,
}

impl Model {
    pub(super) fn zeros(
        config: ModelConfig,
        device: Device,
        arithmetic: Arithmetic,
    ) -> Result<Self, ModelError> {
        let blueprint = blueprint(&config);
        let (tensors, places) = layout(&config, &blueprint);
        let embedding = if config.is_tied {
            None
        } else {
            let (rows, width) = (config.vocab_size, config.hidden_size);
            Some(Embedding::zeros(rows, width, device)?)
        };
        Ok(Self {
            params: Params::zeros(tensors, device, arithmetic)?,
            embedding,
            architecture: blueprint.architecture,
            places,
            workspace: Workspace::default(),
            config,
            device,
            arithmetic,
        })
    }

    /// The architecture.
    #[must_use]
    pub fn config(&self) -> &ModelConfig {
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
        if let Some(embedding) = &mut self.embedding
            && parts.contains(&Part::Input)
        {
            embedding.begin()?;
        }
        self.params.train(parts)
    }

    /// Takes rows of the input embedding into training.
    pub fn meet(&mut self, rows: &[Vec<TokenId>]) -> Result<(), tch::TchError> {
        match &mut self.embedding {
            Some(embedding) => embedding.meet(rows.iter().flatten().copied()),
            None => Ok(()),
        }
    }

    /// The rows of the input embedding in training: `[used, hidden]`, a leaf.
    pub fn input_leaf(&self) -> Option<&Tensor> {
        self.embedding.as_ref()?.leaf()
    }

    /// The tied embedding as it is read at the input, where it trains: `[vocabulary, hidden]`, a leaf.
    pub fn tied_leaf(&self) -> Option<&Tensor> {
        let table = self.params.tensor(self.places.output);
        (self.embedding.is_none() && table.requires_grad()).then_some(table)
    }

    /// Where [`Self::lookup`] finds a token.
    pub(super) fn place(&self, token: TokenId) -> Result<i64, tch::TchError> {
        match &self.embedding {
            Some(embedding) => embedding.place(token),
            None => Ok(i64::from(token.0)),
        }
    }

    /// Rows of the input embedding at `places` `[batch, time]`: `[batch, time, hidden]`.
    pub(super) fn lookup(&self, places: &Tensor) -> Result<Tensor, tch::TchError> {
        if let Some(embedding) = &self.embedding {
            return embedding.lookup(places);
        }
        let table = self.params.tensor(self.places.output);
        Tensor::f_embedding(table, places, -1, false, false)
    }

    /// The rows of the input embedding in training, to keep.
    pub fn used_rows(&self) -> Option<UsedRows> {
        self.embedding.as_ref()?.used()
    }

    /// Continues training with rows that [`Self::used_rows`] gave.
    pub fn restore_rows(&mut self, used: &UsedRows) -> Result<(), tch::TchError> {
        match &mut self.embedding {
            Some(embedding) => embedding.restore(used),
            None => Ok(()),
        }
    }

    /// Takes note of an update of what trains; rows of the input embedding that are not used were multiplied by `decay`.
    pub fn updated(&mut self, range: &Trainable, decay: f64) -> Result<(), tch::TchError> {
        if let Some(embedding) = &mut self.embedding {
            embedding.decay(decay);
        }
        self.params.updated(range)
    }

    /// Ends training: nothing trains any more, and the weights are whole.
    pub fn finish_training(&mut self) -> Result<(), tch::TchError> {
        if let Some(embedding) = &mut self.embedding {
            embedding.finish()?;
        }
        self.params.train(&[]).map(|_| ())
    }

    /// Slot of the output embedding: the last.
    #[must_use]
    pub fn output_slot(&self) -> usize {
        self.places.output
    }

    /// Inputs `[batch, time − 1]` and flat targets `[batch · (time − 1)]` of rows of equal length.
    ///
    /// Inputs are places of the input embedding, targets token ids.
    pub fn batch(&self, rows: &[Vec<TokenId>]) -> Result<(Tensor, Tensor), tch::TchError> {
        let n = rows.first().map_or(0, Vec::len).saturating_sub(1);
        let inputs: Vec<i64> = rows
            .iter()
            .flat_map(|row| &row[..n])
            .map(|&t| self.place(t))
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
            Device::CPU => (tokens * config.vocab_size).div_ceil(KEPT_LOGITS),
            _ => 1,
        };
        by_activations.max(by_logits).clamp(1, most.max(1))
    }

    /// The step from hidden states `[tokens, hidden]`, detached, to log-probabilities.
    pub(super) fn head<'a>(
        &'a self,
        hidden: &Tensor,
        targets: &'a Tensor,
    ) -> Result<LmHead<'a>, tch::TchError> {
        Ok(LmHead {
            hidden: operand(hidden, self.arithmetic)?,
            output: self
                .params
                .operand(self.places.output, self.arithmetic)
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
