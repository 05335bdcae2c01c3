//! Rotary embeddings and the ways to stretch them, by name: transformers 4 (`rope_theta`, `rope_scaling`) and 5 (`rope_parameters`).

use super::ConfigError;
use super::keys::{Keys, POSITIONS_BITS};

/// A rotary embedding.
#[derive(Debug, Clone, PartialEq)]
pub struct Rotary {
    /// Dimensions of a head that rotate.
    pub dims: usize,
    /// Base of the frequencies.
    pub base: f64,
    /// How frequencies are stretched for long contexts.
    pub scaling: Scaling,
}

/// How the frequencies of a rotary embedding are stretched.
#[derive(Debug, Clone, PartialEq)]
pub enum Scaling {
    /// They are not.
    None,
    /// All by one factor.
    Linear {
        /// The factor.
        factor: f64,
    },
    /// Slow ones by a factor, fast ones not, those between by a mixture. Source: the Llama 3.1 model card's code, `rope_type` "llama3".
    Llama3 {
        /// The factor.
        factor: f64,
        /// Wavelengths longer than `original / low` are slow.
        low: f64,
        /// Wavelengths shorter than `original / high` are fast.
        high: f64,
        /// The context that the model was first trained with.
        original: f64,
    },
}

/// The rotary embedding of a model all of whose dimensions rotate.
pub(super) fn parse(keys: &Keys, dims: usize, max_positions: usize) -> Result<Rotary, ConfigError> {
    let five = keys.table("rope_parameters")?;
    let four = keys.table("rope_scaling")?;
    let of_five = |key| five.as_ref().map_or(Ok(None), |r| r.optional_number(key));
    let base = match of_five("rope_theta")? {
        Some(base) => base,
        None => keys.number("rope_theta", 10_000.0)?,
    };
    let base = keys.positive("rope_theta", base)?;
    let share = match of_five("partial_rotary_factor")? {
        Some(share) => share,
        None => keys.number("partial_rotary_factor", 1.0)?,
    };
    if (share - 1.0).abs() > 0.0 {
        return Err(keys.unsupported(
            "partial_rotary_factor",
            share.to_string(),
            "supported: 1 (all dimensions of a head rotate)",
        ));
    }
    let scaling = match five.as_ref().or(four.as_ref()) {
        None => Scaling::None,
        Some(rope) => scaling(keys, rope, max_positions)?,
    };
    Ok(Rotary {
        dims,
        base,
        scaling,
    })
}

fn scaling(keys: &Keys, rope: &Keys, max_positions: usize) -> Result<Scaling, ConfigError> {
    let kind = match rope.optional_text("rope_type")? {
        Some(kind) => Some(kind),
        None => rope.optional_text("type")?,
    };
    let positive = |key: &'static str| match rope.optional_number(key)? {
        Some(n) => keys.positive(key, n),
        None => Err(keys.missing(&format!("rope_scaling.{key}"))),
    };
    match kind.unwrap_or("default") {
        // The dynamic kind stretches only beyond the context that the config names, and longer rows are refused.
        "default" | "dynamic" => Ok(Scaling::None),
        "linear" => Ok(Scaling::Linear {
            factor: positive("factor")?,
        }),
        "llama3" => {
            let scaling = Scaling::Llama3 {
                factor: positive("factor")?,
                low: positive("low_freq_factor")?,
                high: positive("high_freq_factor")?,
                original: rope
                    .optional_count("original_max_position_embeddings", POSITIONS_BITS)?
                    .unwrap_or(max_positions) as f64,
            };
            match scaling {
                Scaling::Llama3 { low, high, .. } if low >= high => Err(keys.unsupported(
                    "low_freq_factor",
                    low.to_string(),
                    "it must be below high_freq_factor",
                )),
                scaling => Ok(scaling),
            }
        }
        other => Err(keys.unsupported(
            "rope_scaling.rope_type",
            format!("{other:?}"),
            "supported: \"default\", \"linear\", \"dynamic\", \"llama3\"",
        )),
    }
}
