//! What an architecture says of itself: its tensors' names and shapes, and how a layer is computed. All else is shared.

use tch::{TchError, Tensor};

use super::layer::{Heads, Layer, Linear, Norm};
use super::params::{Part, TensorSpec};

/// How queries meet keys and values: heads to what they found, `[batch, heads, time, dims]`.
pub(super) type Attend<'a> = dyn FnMut(Heads) -> Result<Tensor, TchError> + 'a;

/// How a layer is computed.
pub(super) trait Architecture: std::fmt::Debug + Send + Sync {
    /// From residual stream to residual stream, `[batch, time, hidden]`.
    fn layer(
        &self,
        layer: &Layer<'_>,
        x: &Tensor,
        attend: &mut Attend<'_>,
    ) -> Result<Tensor, TchError>;
}

/// All that an architecture says of itself.
pub(super) struct Blueprint {
    pub(super) names: TensorNames,
    /// The tensors of a layer, in the order of their slots.
    pub(super) tensors: Tensors,
    pub(super) architecture: Box<dyn Architecture>,
}

/// Lists the tensors of a norm of one kind, by its name and width.
pub(super) type ListNorm = fn(&mut Tensors, &str, usize) -> Norm;

/// Names of a checkpoint's tensors outside the layers.
pub(super) struct TensorNames {
    /// What stands before all names but the output embedding's; some checkpoints leave it out.
    pub(super) base: &'static str,
    /// The input embedding, after the base.
    pub(super) input: &'static str,
    /// Learned positions, after the base.
    pub(super) positions: Option<&'static str>,
    /// The layers, after the base.
    pub(super) layers: &'static str,
    /// The final norm, after the base, and its kind.
    pub(super) final_norm: (&'static str, ListNorm),
    /// The output embedding.
    pub(super) output: &'static str,
}

/// A tensor of a layer or a norm: the name after its owner's, the shape, and whether it stays in float32 in every arithmetic.
#[derive(Debug)]
struct LayerTensor {
    name: String,
    shape: Vec<usize>,
    is_exact: bool,
}

/// The tensors of one layer, listed as an architecture asks for places of them.
#[derive(Debug, Default)]
pub(super) struct Tensors(Vec<LayerTensor>);

impl Tensors {
    fn push(&mut self, name: String, shape: Vec<usize>, is_exact: bool) -> usize {
        self.0.push(LayerTensor {
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

    /// A product, with a bias, whose matrix lies the other way round: `[from, to]`.
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
        self.rms(name, width, false)
    }

    /// The same, times 1 + its weight.
    pub(super) fn rms_norm_from_one(&mut self, name: &str, width: usize) -> Norm {
        self.rms(name, width, true)
    }

    fn rms(&mut self, name: &str, width: usize, from_one: bool) -> Norm {
        Norm::Rms {
            weight: self.push(format!("{name}.weight"), vec![width], true),
            from_one,
        }
    }

    /// The tensors with their owner's name before theirs.
    pub(super) fn specs(&self, owner: &str, part: Part) -> impl Iterator<Item = TensorSpec> {
        self.0.iter().map(move |own| TensorSpec {
            name: format!("{owner}{}", own.name),
            shape: own.shape.clone(),
            part,
            is_exact: own.is_exact,
        })
    }
}
