//! What an architecture says of itself: its tensors' names and shapes, and how a layer is computed. All else is shared.

use tch::{TchError, Tensor};

use super::layer::{Heads, Layer, Linear, Norm};
use super::params::{Entry, Part};
use super::{gpt2::Gpt2, llama::Llama, neox::Neox};
use crate::checkpoint::{Family, ModelConfig};

/// How queries meet keys and values: heads to what they found, `[batch, heads, time, dims]`.
pub(super) type Attend<'a> = dyn FnMut(Heads) -> Result<Tensor, TchError> + 'a;

/// One architecture.
pub(super) trait Architecture: std::fmt::Debug + Send + Sync {
    /// Names outside its layers.
    fn names(&self) -> Names;

    /// The tensors of a layer, in the order of their slots.
    fn tensors(&self) -> &Tensors;

    /// Asks for the tensors of the final norm.
    fn final_norm(&self, tensors: &mut Tensors, hidden: usize) -> Norm;

    /// A layer: from residual stream to residual stream, `[batch, time, hidden]`.
    fn layer(
        &self,
        layer: &Layer<'_>,
        x: &Tensor,
        attend: &mut Attend<'_>,
    ) -> Result<Tensor, TchError>;

    /// Floats that a token of one layer leaves for the backward pass: about twenty widths of the residual stream (norms,
    /// projections, rotated copies, sums) and those of the MLP.
    fn activations(&self, config: &ModelConfig) -> usize {
        20 * config.hidden_size + 2 * config.intermediate_size
    }
}

/// Names of a checkpoint's tensors outside the layers.
pub(super) struct Names {
    /// What stands before all names but the output embedding's; some checkpoints leave it out.
    pub(super) base: &'static str,
    /// The input embedding, after the base.
    pub(super) input: &'static str,
    /// Learned positions, after the base.
    pub(super) positions: Option<&'static str>,
    /// The layers, after the base.
    pub(super) layers: &'static str,
    /// The output embedding.
    pub(super) output: &'static str,
}

/// The architecture of a config.
pub(super) fn of(config: &ModelConfig) -> Box<dyn Architecture> {
    match &config.family {
        Family::Neox(neox) => Box::new(Neox::new(config, neox)),
        Family::Gpt2(gpt2) => Box::new(Gpt2::new(config, gpt2)),
        Family::Llama(llama) => Box::new(Llama::new(config, llama)),
    }
}

/// A tensor of a layer or a norm: the name after its owner's, the shape, and whether it stays in float32 in every arithmetic.
#[derive(Debug)]
struct Own {
    name: String,
    shape: Vec<usize>,
    is_exact: bool,
}

/// The tensors of one layer, listed as an architecture asks for places of them.
#[derive(Debug, Default)]
pub(super) struct Tensors(Vec<Own>);

impl Tensors {
    fn push(&mut self, name: String, shape: Vec<usize>, is_exact: bool) -> usize {
        self.0.push(Own {
            name,
            shape,
            is_exact,
        });
        self.0.len() - 1
    }

    /// A product: `from` numbers to `to` numbers.
    pub(super) fn linear(&mut self, name: &str, from: usize, to: usize, has_bias: bool) -> Linear {
        let weight = self.push(format!("{name}.weight"), vec![to, from], false);
        Linear {
            weight,
            bias: has_bias.then(|| self.push(format!("{name}.bias"), vec![to], false)),
            is_transposed: false,
        }
    }

    /// The same whose matrix lies the other way round: `[from, to]`.
    pub(super) fn transposed(&mut self, name: &str, from: usize, to: usize) -> Linear {
        Linear {
            weight: self.push(format!("{name}.weight"), vec![from, to], false),
            bias: Some(self.push(format!("{name}.bias"), vec![to], false)),
            is_transposed: true,
        }
    }

    /// A layer norm.
    pub(super) fn layer_norm(&mut self, name: &str, width: usize) -> Norm {
        Norm::Layer {
            weight: self.push(format!("{name}.weight"), vec![width], true),
            bias: self.push(format!("{name}.bias"), vec![width], true),
        }
    }

    /// A norm by the root of the mean square.
    pub(super) fn rms_norm(&mut self, name: &str, width: usize) -> Norm {
        Norm::Rms {
            weight: self.push(format!("{name}.weight"), vec![width], true),
        }
    }

    /// Numbers of the matrices.
    pub(super) fn in_matrices(&self) -> usize {
        let matrices = self.0.iter().filter(|own| own.shape.len() == 2);
        matrices
            .map(|own| own.shape.iter().product::<usize>())
            .sum()
    }

    fn entries(&self, owner: &str, part: Part) -> impl Iterator<Item = Entry> {
        self.0.iter().map(move |own| Entry {
            name: format!("{owner}{}", own.name),
            shape: own.shape.clone(),
            part,
            is_exact: own.is_exact,
        })
    }
}

/// The flat buffer of a model: what lies where.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) entries: Vec<Entry>,
    /// Learned positions.
    pub(super) positions: Option<usize>,
    /// First slot of each layer.
    pub(super) layers: Vec<usize>,
    /// The final norm, and its first slot.
    pub(super) final_norm: (Norm, usize),
    /// The output embedding, or the one for both ends: always the last.
    pub(super) output: usize,
}

/// Lays out all tensors but an input embedding of its own, in the order of [`Part`].
pub(super) fn layout(config: &ModelConfig, architecture: &dyn Architecture) -> Layout {
    let names = architecture.names();
    let (base, hidden) = (names.base, config.hidden_size);
    let whole = |name: String, rows, part, is_exact| Entry {
        name,
        shape: vec![rows, hidden],
        part,
        is_exact,
    };
    let mut entries = Vec::new();
    if let Some(name) = names.positions {
        let rows = config.max_positions;
        entries.push(whole(format!("{base}{name}"), rows, Part::Positions, true));
    }
    let mut layers = Vec::new();
    let mut add_layers = |entries: &mut Vec<Entry>, range: std::ops::Range<usize>, part| {
        for n in range {
            layers.push(entries.len());
            let owner = format!("{base}{}.{n}.", names.layers);
            entries.extend(architecture.tensors().entries(&owner, part));
        }
    };
    let half = config.layers / 2;
    add_layers(&mut entries, 0..half, Part::Lower);
    let norm_slot = entries.len();
    let mut last = Tensors::default();
    let norm = architecture.final_norm(&mut last, hidden);
    entries.extend(last.entries(base, Part::FinalNorm));
    add_layers(&mut entries, half..config.layers, Part::Upper);
    entries.push(if config.is_tied {
        whole(
            format!("{base}{}", names.input),
            config.vocab_size,
            Part::Tied,
            false,
        )
    } else {
        whole(
            names.output.to_owned(),
            config.vocab_size,
            Part::Output,
            false,
        )
    });
    Layout {
        positions: names.positions.map(|_| 0),
        layers,
        final_norm: (norm, norm_slot),
        output: entries.len() - 1,
        entries,
    }
}

/// Names and shapes of all tensors of a checkpoint, the input embedding first where it has one of its own.
pub(super) fn expected(config: &ModelConfig) -> Vec<(String, Vec<usize>)> {
    let architecture = of(config);
    let names = architecture.names();
    let input = (
        format!("{}{}", names.base, names.input),
        vec![config.vocab_size, config.hidden_size],
    );
    let others = layout(config, architecture.as_ref()).entries.into_iter();
    let own = (!config.is_tied).then_some(input);
    own.into_iter()
        .chain(others.map(|entry| (entry.name, entry.shape)))
        .collect()
}
