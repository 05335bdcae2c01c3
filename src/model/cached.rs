//! A model that remembers the keys and values of the rows it was last asked about: a beam or a sample that grows by one token
//! costs one token, not the whole row again.

use std::collections::HashMap;

use tch::{Kind, Tensor, no_grad};

use super::layer::Heads;
use super::positions::Positions;
use super::{Model, vocabulary};
use crate::score::{RowScore, ScoreError, Scorer};
use crate::units::{TokenId, to_i64};

/// Tokens that are computed at once where nothing is remembered.
const TOKENS: usize = 4096;

/// A model for asking about growing rows. It borrows the model, so the weights cannot change under what is remembered.
pub struct Cached<'a> {
    model: &'a mut Model,
    memory: Option<Memory>,
}

/// Keys and values of the last rows, all of one length.
struct Memory {
    /// Place of each row.
    places: HashMap<Vec<TokenId>, i64>,
    /// `[rows, heads, length, dims]`, one tensor per layer.
    keys: Vec<Tensor>,
    values: Vec<Tensor>,
    length: usize,
}

impl<'a> Cached<'a> {
    /// Nothing remembered yet.
    pub fn new(model: &'a mut Model) -> Self {
        Self {
            model,
            memory: None,
        }
    }

    /// Last hidden states `[rows, hidden]` of rows of one length, which are remembered.
    fn last_hidden(&mut self, rows: &[Vec<TokenId>]) -> Result<Tensor, tch::TchError> {
        let length = rows.first().map_or(0, Vec::len);
        let places = rows.iter().cloned().zip(0..).collect();
        let known = self.memory.take().filter(|m| m.length + 1 == length);
        let parents: Option<Vec<i64>> = known.as_ref().and_then(|memory| {
            let parent = |row: &Vec<TokenId>| memory.places.get(&row[..length - 1]).copied();
            rows.iter().map(parent).collect()
        });
        let (hidden, keys, values) = match (known, parents) {
            (Some(memory), Some(parents)) => self.grown(rows, &memory, &parents)?,
            _ => self.afresh(rows)?,
        };
        self.memory = Some(Memory {
            places,
            keys,
            values,
            length,
        });
        Ok(hidden)
    }

    /// Every row from its first token on.
    fn afresh(&self, rows: &[Vec<TokenId>]) -> Result<Grown, tch::TchError> {
        let length = rows.first().map_or(1, Vec::len);
        let positions = Positions::new(self.model.config(), to_i64(length), self.model.device())?;
        let mut parts = Vec::new();
        for chunk in rows.chunks((TOKENS / length).max(1)) {
            let rows: Vec<&[TokenId]> = chunk.iter().map(Vec::as_slice).collect();
            parts.push(self.through(&rows, &positions, |_, heads| Ok(heads))?);
        }
        let layers = self.model.config().layers;
        let join = |part: &dyn Fn(&Grown) -> Tensor| {
            Tensor::f_cat(&parts.iter().map(part).collect::<Vec<_>>(), 0)
        };
        let keys = (0..layers).map(|layer| join(&|p| p.1[layer].shallow_clone()));
        let values = (0..layers).map(|layer| join(&|p| p.2[layer].shallow_clone()));
        Ok((
            join(&|p| p.0.shallow_clone())?,
            keys.collect::<Result<_, _>>()?,
            values.collect::<Result<_, _>>()?,
        ))
    }

    /// Every row by its last token, after the remembered ones of its parent.
    fn grown(
        &self,
        rows: &[Vec<TokenId>],
        memory: &Memory,
        parents: &[i64],
    ) -> Result<Grown, tch::TchError> {
        let place = to_i64(memory.length);
        let positions =
            Positions::new(self.model.config(), place + 1, self.model.device())?.at(place)?;
        let parents = Tensor::f_from_slice(parents)?.f_to_device(self.model.device().tch())?;
        let last: Vec<&[TokenId]> = rows.iter().map(|row| &row[memory.length..]).collect();
        self.through(&last, &positions, |layer, heads| {
            let after = |before: &Tensor, own: &Tensor| {
                Tensor::f_cat(&[&before.f_index_select(0, &parents)?, own], 2)
            };
            Ok(Heads {
                keys: after(&memory.keys[layer], &heads.keys)?,
                values: after(&memory.values[layer], &heads.values)?,
                queries: heads.queries,
            })
        })
    }

    /// Tokens `[rows][time]` through all layers; `whole` joins what stood before to a layer's keys and values.
    fn through(
        &self,
        tokens: &[&[TokenId]],
        positions: &Positions,
        whole: impl Fn(usize, Heads) -> Result<Heads, tch::TchError>,
    ) -> Result<Grown, tch::TchError> {
        let model = &*self.model;
        let mut x = model.embed(tokens, positions)?;
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        for layer in 0..model.config().layers {
            x = model.layer(layer, &x, positions, &mut |heads| {
                let heads = whole(layer, heads)?;
                let mixed = heads.attend(positions)?;
                keys.push(heads.keys);
                values.push(heads.values);
                Ok(mixed)
            })?;
        }
        let last = model.final_norm(&x.f_narrow(1, x.size()[1] - 1, 1)?)?;
        Ok((last.f_squeeze_dim(1)?, keys, values))
    }

    fn next_of(
        &mut self,
        rows: &[Vec<TokenId>],
        candidates: &[i64],
    ) -> Result<Vec<f32>, tch::TchError> {
        let hidden = self.last_hidden(rows)?;
        let device = self.model.device().tch();
        let targets = Tensor::f_zeros([to_i64(rows.len())], (Kind::Int64, device))?;
        let head = self.model.head(&hidden, &targets)?;
        let scored = vocabulary::forward(&head, false)?;
        let candidates = Tensor::f_from_slice(candidates)?.f_to_device(device)?;
        let all = vocabulary::candidates(&head, &scored, &candidates)?;
        Vec::<f32>::try_from(&all.f_reshape([-1i64])?)
    }
}

/// Last hidden states, and each layer's keys and values.
type Grown = (Tensor, Vec<Tensor>, Vec<Tensor>);

impl Scorer for Cached<'_> {
    fn score(
        &mut self,
        rows: &[Vec<TokenId>],
        alphabet: &[TokenId],
    ) -> Result<Vec<RowScore>, ScoreError> {
        self.model.score(rows, alphabet)
    }

    /// Prefixes of one length that each continue one of the last call's by a token cost that token alone.
    fn next(
        &mut self,
        prefixes: &[Vec<TokenId>],
        candidates: &[TokenId],
    ) -> Result<Vec<Vec<f32>>, ScoreError> {
        let Some(first) = prefixes.first() else {
            return Ok(Vec::new());
        };
        if candidates.is_empty() || prefixes.iter().any(|p| p.len() != first.len()) {
            return Err(ScoreError::Backend(
                "next tokens are asked of prefixes of one length, among candidates".into(),
            ));
        }
        // One more token than the prefix has: the checks of whole rows hold for prefixes too.
        let rows: Vec<Vec<TokenId>> = prefixes
            .iter()
            .map(|prefix| prefix.iter().copied().chain([candidates[0]]).collect())
            .collect();
        self.model.check(&rows)?;
        let letters: Vec<i64> = candidates.iter().map(|t| i64::from(t.0)).collect();
        let flat = no_grad(|| self.next_of(prefixes, &letters))
            .map_err(|e| ScoreError::Backend(Box::new(e)))?;
        Ok(flat.chunks(candidates.len()).map(<[f32]>::to_vec).collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that meets an error should stop")]
mod tests {
    use super::*;
    use crate::checkpoint::Folder;
    use crate::device::{Arithmetic, Device};

    fn model() -> Model {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/tiny-neox");
        Model::load(
            &Folder::open(path.as_ref()).unwrap(),
            Device::CPU,
            Arithmetic::F32,
        )
        .unwrap()
    }

    /// Without memory, with it, and over a pruned and reordered beam: the same numbers to float32's rounding.
    #[test]
    fn what_is_remembered_changes_nothing() {
        let (mut plain, mut other) = (model(), model());
        let mut cached = Cached::new(&mut other);
        let alphabet: Vec<TokenId> = (3..12).map(TokenId).collect();
        let mut rows: Vec<Vec<TokenId>> = (0..5).map(|i| vec![TokenId(40), TokenId(i)]).collect();
        for step in 0..4 {
            let expected = plain.next(&rows, &alphabet).unwrap();
            let got = cached.next(&rows, &alphabet).unwrap();
            for (row, (a, b)) in expected.iter().zip(&got).enumerate() {
                for (a, b) in a.iter().zip(b) {
                    assert!((a - b).abs() < 2e-5, "step {step}, row {row}: {a} {b}");
                }
            }
            rows = (0..7)
                .map(|i| {
                    let mut row = rows[(3 * i + step) % rows.len()].clone();
                    row.push(alphabet[(i + step) % alphabet.len()]);
                    row
                })
                .collect();
        }
        // Rows that continue nothing are computed from their beginning.
        rows = vec![vec![TokenId(7); 6], vec![TokenId(9); 6]];
        let (expected, got) = (plain.next(&rows, &alphabet), cached.next(&rows, &alphabet));
        assert!((expected.unwrap()[1][2] - got.unwrap()[1][2]).abs() < 2e-5);
    }

    #[test]
    fn prefixes_that_cannot_be_asked_are_refused() {
        let mut model = model();
        let mut cached = Cached::new(&mut model);
        let letters = [TokenId(1)];
        let uneven = [vec![TokenId(1)], vec![TokenId(1); 2]];
        assert!(cached.next(&uneven, &letters).is_err());
        assert!(cached.next(&[vec![]], &letters).is_err());
        assert!(cached.next(&[vec![TokenId(9999)]], &letters).is_err());
        assert!(cached.next(&[], &letters).unwrap().is_empty());
    }
}
