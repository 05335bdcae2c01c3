//! What an adapter's file holds: pairs of matrices, and copies of the base's tensors.

use std::collections::BTreeMap;

use super::error::LoraError;
use super::{Adapter, Onto, WEIGHTS};
use crate::checkpoint::weights::{WeightsError, WeightsFile};

/// What PEFT puts before every name.
const WRAPPED: &str = "base_model.model.";

/// A pair of matrices, and what of the base they change.
pub(super) struct LoraPair {
    pub(super) place: usize,
    pub(super) is_transposed: bool,
    /// What B · A is multiplied by.
    pub(super) factor: f64,
    /// Names and shapes of A and B.
    pub(super) wanted: [(String, Vec<usize>); 2],
}

/// A tensor of the base that stands in the adapter's file too, as PEFT writes adapted embeddings: it must be the same.
pub(super) struct Copied {
    pub(super) name: String,
    pub(super) place: usize,
}

/// All of an adapter's file.
pub(super) struct AdapterTensors {
    pub(super) pairs: Vec<LoraPair>,
    pub(super) copies: Vec<Copied>,
}

/// What a name says that its tensor is.
enum LoraName<'n> {
    /// A half of a module's pair; the other half's name.
    Half(&'n str, String),
    /// A copy of a module's matrix.
    Copy(&'n str),
}

impl LoraPair {
    pub(super) fn torch(&self, source: tch::TchError) -> WeightsError {
        WeightsError::Torch {
            name: self.wanted[0].0.clone(),
            source,
        }
    }
}

impl LoraName<'_> {
    fn of(name: &str) -> Option<LoraName<'_>> {
        let bare = name.strip_prefix(WRAPPED).unwrap_or(name);
        let other = |ending: &str, its: &str| Some(format!("{}{its}", name.strip_suffix(ending)?));
        let (a, b) = (".lora_A.weight", ".lora_B.weight");
        if let (Some(module), Some(other)) = (bare.strip_suffix(a), other(a, b)) {
            return Some(LoraName::Half(module, other));
        }
        if let (Some(module), Some(other)) = (bare.strip_suffix(b), other(b, a)) {
            return Some(LoraName::Half(module, other));
        }
        let module = bare
            .strip_suffix(".base_layer.weight")
            .or_else(|| bare.strip_suffix(".weight"))?;
        (!bare.contains(".lora_")).then_some(LoraName::Copy(module))
    }

    fn module(&self) -> &str {
        let (Self::Half(module, _) | Self::Copy(module)) = self;
        module
    }
}

impl Adapter {
    /// Sorts what the file holds, in the order of the names.
    pub(super) fn found(
        &self,
        weights: &WeightsFile,
        base: &Onto<'_>,
    ) -> Result<AdapterTensors, WeightsError> {
        let path = || self.path().join(WEIGHTS);
        let shapes = weights.shapes()?;
        let places: BTreeMap<&str, usize> = (0..)
            .zip(base.expected)
            .map(|(place, (name, _))| (name.as_str(), place))
            .collect();
        let mut found = AdapterTensors {
            pairs: Vec::new(),
            copies: Vec::new(),
        };
        // The output embedding last: of another base the layers say more.
        let mut names: Vec<&String> = shapes.keys().collect();
        names.sort_by_key(|name| LoraName::of(name).is_some_and(|kind| is_output(kind.module())));
        for name in names {
            let Some(kind) = LoraName::of(name) else {
                return Err(LoraError::NotLora {
                    path: path(),
                    name: name.clone(),
                }
                .into());
            };
            let module = kind.module();
            // An embedding for both ends stands in the file once for each.
            let both_ends = base.folder.config.is_tied && is_output(module);
            let own = if both_ends && matches!(kind, LoraName::Copy(_)) {
                base.expected.iter().position(|(name, _)| is_input(name))
            } else {
                places.get(format!("{module}.weight").as_str()).copied()
            };
            let Some(place) = own else {
                return Err(self.no_matrix(name, module, base).into());
            };
            match &kind {
                LoraName::Copy(_) => {
                    self.same_vocabulary(name, &shapes[name], &base.expected[place], base)?;
                    found.copies.push(Copied {
                        name: name.clone(),
                        place,
                    });
                }
                LoraName::Half(_, other) if !shapes.contains_key(other) => {
                    return Err(LoraError::Half {
                        path: path(),
                        name: name.clone(),
                    }
                    .into());
                }
                LoraName::Half(_, other) if name < other => {
                    found
                        .pairs
                        .push(self.pair(module, [name, other], place, &shapes, base)?);
                }
                LoraName::Half(..) => {}
            }
        }
        if found.pairs.is_empty() {
            return Err(LoraError::Empty(path()).into());
        }
        Ok(found)
    }

    /// Refuses a copy of an embedding that has other tokens.
    fn same_vocabulary(
        &self,
        name: &str,
        found: &[usize],
        (whole, wanted): &(String, Vec<usize>),
        base: &Onto<'_>,
    ) -> Result<(), LoraError> {
        match (found, wanted.as_slice()) {
            (&[rows, width], &[tokens, of_base])
                if rows != tokens && width == of_base && is_embedding(whole) =>
            {
                Err(LoraError::Resized {
                    path: self.path().join(WEIGHTS),
                    base: base.folder.base().to_owned(),
                    name: name.to_owned(),
                    rows,
                    tokens,
                })
            }
            _ => Ok(()),
        }
    }

    /// Why a module is none of the base's. An embedding for both ends has no output of its own.
    fn no_matrix(&self, name: &str, module: &str, base: &Onto<'_>) -> LoraError {
        let is_tied = base.folder.config.is_tied;
        let (path, base, name) = (
            self.path().join(WEIGHTS),
            base.folder.base().to_owned(),
            name.to_owned(),
        );
        if is_tied && is_output(module) {
            LoraError::Tied { path, base, name }
        } else {
            LoraError::NoMatrix { path, base, name }
        }
    }

    fn pair(
        &self,
        module: &str,
        names: [&str; 2],
        place: usize,
        shapes: &BTreeMap<String, Vec<usize>>,
        base: &Onto<'_>,
    ) -> Result<LoraPair, WeightsError> {
        let (whole, matrix) = &base.expected[place];
        let &[rows, columns] = matrix.as_slice() else {
            return Err(self.no_matrix(names[0], whole, base).into());
        };
        // The output embedding lies as everyone's does.
        let is_transposed = base.is_transposed() && !is_output(whole.trim_end_matches(".weight"));
        let (to, from) = if is_transposed {
            (columns, rows)
        } else {
            (rows, columns)
        };
        let [a, b] = names.map(str::to_owned);
        let scale = self.scale(module).map_err(LoraError::from)?;
        let wanted = [(a, vec![scale.rank, from]), (b, vec![to, scale.rank])];
        for (name, shape) in &wanted {
            if shapes[name] != *shape {
                return Err(LoraError::Shape {
                    path: self.path().join(WEIGHTS),
                    base: base.folder.base().to_owned(),
                    name: name.clone(),
                    got: shapes[name].clone(),
                    wanted: shape.clone(),
                }
                .into());
            }
        }
        Ok(LoraPair {
            place,
            is_transposed,
            factor: scale.factor,
            wanted,
        })
    }
}

/// Whether a tensor is an input embedding.
fn is_input(name: &str) -> bool {
    let names = ["embed_tokens.weight", "embed_in.weight", "wte.weight"];
    names.iter().any(|ending| name.ends_with(ending))
}

/// Whether a tensor has a row for each token.
fn is_embedding(name: &str) -> bool {
    is_input(name) || is_output(name.trim_end_matches(".weight"))
}

/// Whether a module is an output embedding.
fn is_output(module: &str) -> bool {
    matches!(module, "lm_head" | "embed_out")
}
