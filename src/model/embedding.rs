//! The input embedding: while it trains, only the rows that are used are touched.
//!
//! A run reads some 28 of 50304 rows. The gradient of every other row is zero, so that `AdamW` only multiplies it by
//! 1 − rate · decay at every step: those factors are gathered and applied once, when training ends.

use std::collections::HashMap;

use tch::{Kind, Tensor, no_grad};

use super::params::copied;
use crate::device::Device;
use crate::units::{TokenId, to_i64};

/// A table `[vocabulary, hidden]` in float32, and the rows in training.
#[derive(Debug)]
pub(super) struct Embedding {
    table: Tensor,
    training: Option<Used>,
}

/// The rows that training has met.
#[derive(Debug)]
struct Used {
    place: HashMap<TokenId, i64>,
    tokens: Vec<TokenId>,
    /// `[used, hidden]`, a leaf.
    rows: Tensor,
    /// What the other rows are to be multiplied by.
    decay: f64,
}

/// The rows in training as plain numbers: with the table as training found it, all there is.
#[derive(Debug)]
pub struct UsedRows {
    /// Their tokens.
    pub tokens: Vec<TokenId>,
    /// Their values: `[tokens, hidden]`.
    pub rows: Tensor,
    /// What all other rows are to be multiplied by.
    pub decay: f64,
}

impl Embedding {
    pub(super) fn zeros(
        vocabulary: usize,
        hidden: usize,
        device: Device,
    ) -> Result<Self, tch::TchError> {
        let size = [to_i64(vocabulary), to_i64(hidden)];
        Ok(Self {
            table: Tensor::f_zeros(size, (Kind::Float, device.tch()))?,
            training: None,
        })
    }

    /// The table, as training found it where it is on.
    pub(super) fn table(&self) -> &Tensor {
        &self.table
    }

    /// Overwrites the rows from `from` on: `rows` is `[rows, hidden]`.
    pub(super) fn set_rows(&mut self, from: i64, rows: &Tensor) -> Result<(), tch::TchError> {
        self.training = None;
        let n = rows.size().first().copied().unwrap_or(1);
        no_grad(|| self.table.f_narrow(0, from, n)?.f_copy_(rows))
    }

    /// Begins training: no row has been used yet.
    pub(super) fn begin(&mut self) -> Result<(), tch::TchError> {
        let hidden = self.table.size()[1];
        self.training = Some(Used {
            place: HashMap::new(),
            tokens: Vec::new(),
            rows: Tensor::f_empty([0, hidden], (Kind::Float, self.table.device()))?
                .f_set_requires_grad(true)?,
            decay: 1.0,
        });
        Ok(())
    }

    /// Takes what [`Self::used`] gave; the table must be as training found it.
    pub(super) fn restore(&mut self, used: &UsedRows) -> Result<(), tch::TchError> {
        let place = used.tokens.iter().zip(0..).map(|(&t, i)| (t, i)).collect();
        let rows = copied(&used.rows, self.table.device())?;
        self.training = Some(Used {
            place,
            tokens: used.tokens.clone(),
            rows: rows.f_set_requires_grad(true)?,
            decay: used.decay,
        });
        Ok(())
    }

    /// The rows in training, where it is on.
    pub(super) fn used(&self) -> Option<UsedRows> {
        self.training.as_ref().map(|used| UsedRows {
            tokens: used.tokens.clone(),
            rows: used.rows.detach(),
            decay: used.decay,
        })
    }

    /// The leaf that trains: `[used, hidden]`.
    pub(super) fn leaf(&self) -> Option<&Tensor> {
        self.training.as_ref().map(|used| &used.rows)
    }

    /// Takes rows that `tokens` name and that training has not met into it, decayed as they would have been.
    pub(super) fn meet(
        &mut self,
        tokens: impl IntoIterator<Item = TokenId>,
    ) -> Result<(), tch::TchError> {
        let Some(used) = &mut self.training else {
            return Ok(());
        };
        let mut fresh = Vec::new();
        for token in tokens {
            if !used.place.contains_key(&token) {
                used.place.insert(token, to_i64(used.tokens.len()));
                used.tokens.push(token);
                fresh.push(i64::from(token.0));
            }
        }
        if fresh.is_empty() {
            return Ok(());
        }
        let rows = no_grad(|| {
            let places = Tensor::f_from_slice(&fresh)?.f_to_device(self.table.device())?;
            let fresh = self.table.f_index_select(0, &places)?;
            Tensor::f_cat(&[&used.rows, &fresh.f_mul_scalar(used.decay)?], 0)
        })?;
        used.rows = rows.f_set_requires_grad(true)?;
        Ok(())
    }

    /// Where [`Self::lookup`] finds a token. Errors: training is on and has not met it.
    pub(super) fn place(&self, token: TokenId) -> Result<i64, tch::TchError> {
        match &self.training {
            None => Ok(i64::from(token.0)),
            Some(used) => used.place.get(&token).copied().ok_or_else(|| {
                tch::TchError::Shape(format!("token {} was not met in training", token.0))
            }),
        }
    }

    /// Rows at `places` `[batch, time]`: `[batch, time, hidden]`.
    pub(super) fn lookup(&self, places: &Tensor) -> Result<Tensor, tch::TchError> {
        let rows = self.leaf().unwrap_or(&self.table);
        Tensor::f_embedding(rows, places, -1, false, false)
    }

    /// Notes that every row without a gradient was multiplied by `factor`.
    pub(super) fn decay(&mut self, factor: f64) {
        if let Some(used) = &mut self.training {
            used.decay *= factor;
        }
    }

    /// Ends training: the table holds what `AdamW` on all of it would have left.
    pub(super) fn finish(&mut self) -> Result<(), tch::TchError> {
        let Some(used) = self.training.take() else {
            return Ok(());
        };
        no_grad(|| {
            let _ = self.table.f_mul_scalar_(used.decay)?;
            let places: Vec<i64> = used.tokens.iter().map(|t| i64::from(t.0)).collect();
            let places = Tensor::f_from_slice(&places)?.f_to_device(self.table.device())?;
            let _ = self.table.f_index_copy_(0, &places, &used.rows)?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(tensor: &Tensor) -> Vec<f32> {
        Vec::try_from(tensor.detach().reshape([-1i64])).unwrap()
    }

    #[test]
    fn rows_are_met_late_with_their_decay_and_written_back() {
        let mut embedding = Embedding::zeros(4, 1, Device::CPU).unwrap();
        let table = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0]).view([4, 1]);
        embedding.set_rows(0, &table).unwrap();
        embedding.begin().unwrap();
        embedding.meet([TokenId(2)]).unwrap();
        embedding.decay(0.5);
        embedding.meet([TokenId(0), TokenId(2)]).unwrap();
        let places: Vec<i64> = [0, 2].map(|t| embedding.place(TokenId(t)).unwrap()).into();
        let rows = embedding.lookup(&Tensor::from_slice(&places)).unwrap();
        // Row 2 trains: only its own updates change it. Row 0 came after one step of decay.
        assert_eq!(numbers(&rows), [0.5, 3.0]);
        assert!(embedding.place(TokenId(1)).is_err());
        // What was used can be kept and taken back.
        let used = embedding.used().unwrap();
        embedding.set_rows(0, &table).unwrap();
        embedding.restore(&used).unwrap();
        embedding.decay(0.5);
        embedding.finish().unwrap();
        assert_eq!(numbers(embedding.table()), [0.5, 0.5, 3.0, 1.0]);
        assert_eq!(embedding.place(TokenId(1)).unwrap(), 1);
    }
}
