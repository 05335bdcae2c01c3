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
    let base = once(keys, "rope_theta", &["rope_theta"])?.unwrap_or(10_000.0);
    let base = keys.positive("rope_theta", base)?;
    let share = once(keys, "partial_rotary_factor", &["partial_rotary_factor"])?.unwrap_or(1.0);
    if (share - 1.0).abs() > 0.0 {
        return Err(keys.unsupported(
            "partial_rotary_factor",
            share.to_string(),
            "supported: 1 (all dimensions of a head rotate)",
        ));
    }
    // Where both stand, both versions of transformers take `rope_scaling`.
    let rope = keys.table("rope_scaling")?;
    let scaling = match rope.or(keys.table("rope_parameters")?) {
        None => Scaling::None,
        Some(rope) => scaling(keys, &rope, max_positions)?,
    };
    Ok(Rotary {
        dims,
        base,
        scaling,
    })
}

/// A number that may stand in `rope_parameters` (transformers 5), in `rope_scaling` and under some names beside them (4).
///
/// Errors: it stands more than once and differs, so that one version would compute what the other does not.
pub(super) fn once(
    keys: &Keys,
    key: &'static str,
    names: &[&'static str],
) -> Result<Option<f64>, ConfigError> {
    let mut found: Option<(String, f64)> = None;
    for table in ["rope_parameters", "rope_scaling"] {
        if let Some(rope) = keys.table(table)? {
            let name = format!("{table}.{key}");
            agreed(keys, key, &mut found, name, rope.optional_number(key)?)?;
        }
    }
    for name in names {
        agreed(
            keys,
            key,
            &mut found,
            (*name).to_owned(),
            keys.optional_number(name)?,
        )?;
    }
    Ok(found.map(|(_, number)| number))
}

fn agreed(
    keys: &Keys,
    key: &'static str,
    found: &mut Option<(String, f64)>,
    name: String,
    number: Option<f64>,
) -> Result<(), ConfigError> {
    match (found.as_ref(), number) {
        (Some((first, a)), Some(b)) if (a - b).abs() > 0.0 => Err(keys.unsupported(
            key,
            format!("{a} by {first} and {b} by {name}"),
            "both must say the same: some versions of transformers read the one, some the other; leave one",
        )),
        (None, Some(number)) => {
            *found = Some((name, number));
            Ok(())
        }
        _ => Ok(()),
    }
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
