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
    /// Each pair of dimensions by its own factor, and cosines and sines by one (`LongRoPE`, arXiv 2402.13753), for rows within the context
    /// that the model was first trained with.
    Long {
        /// What the frequencies are divided by, `[dims / 2]`.
        factors: Vec<f64>,
        /// What cosines and sines are multiplied by.
        attention: f64,
        /// The longest row that these factors hold for.
        original: usize,
    },
}

/// What of a config decides how heads rotate, beside the rotary settings.
pub(super) struct Turning {
    pub(super) head_dims: usize,
    pub(super) max_positions: usize,
    /// The context that the model was first trained with.
    pub(super) original: usize,
    /// The name of the base's key beside the tables, and what the library takes where it is absent.
    pub(super) base: (&'static str, f64),
    /// Whether a part of a head may rotate.
    pub(super) is_partial: bool,
}

impl Turning {
    /// All dimensions of a head, by Llama's own base.
    pub(super) fn plain(head_dims: usize, max_positions: usize) -> Self {
        Self {
            head_dims,
            max_positions,
            original: max_positions,
            base: ("rope_theta", 10_000.0),
            is_partial: false,
        }
    }
}

/// The rotary embedding of a model.
pub(super) fn parse(keys: &Keys, turning: &Turning) -> Result<Rotary, ConfigError> {
    let (name, otherwise) = turning.base;
    let base = once(keys, "rope_theta", &[name])?.unwrap_or(otherwise);
    let base = keys.positive(name, base)?;
    let share = once(keys, "partial_rotary_factor", &["partial_rotary_factor"])?.unwrap_or(1.0);
    if !turning.is_partial && (share - 1.0).abs() > 0.0 {
        return Err(keys.unsupported(
            "partial_rotary_factor",
            share.to_string(),
            "supported: 1 (all dimensions of a head rotate)",
        ));
    }
    let share = keys.positive("partial_rotary_factor", share)?;
    let dims = rotating(keys, "partial_rotary_factor", share, turning.head_dims)?;
    // Where both stand, both versions of transformers take `rope_scaling`.
    let rope = keys.table("rope_scaling")?;
    let scaling = match rope.or(keys.table("rope_parameters")?) {
        None => Scaling::None,
        Some(rope) => scaling(keys, &rope, dims, turning)?,
    };
    Ok(Rotary {
        dims,
        base,
        scaling,
    })
}

/// Dimensions of a head that rotate, by their share.
pub(super) fn rotating(
    keys: &Keys,
    key: &'static str,
    share: f64,
    head_dims: usize,
) -> Result<usize, ConfigError> {
    if !(0.0..=1.0).contains(&share) {
        return Err(keys.unsupported(key, share.to_string(), "allowed: 0 to 1"));
    }
    // Truncated, as transformers does.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let dims = (head_dims as f64 * share) as usize;
    if !dims.is_multiple_of(2) {
        return Err(keys.unsupported(
            key,
            share.to_string(),
            "it must give each head an even number of rotating dimensions",
        ));
    }
    Ok(dims)
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

fn scaling(
    keys: &Keys,
    rope: &Keys,
    dims: usize,
    turning: &Turning,
) -> Result<Scaling, ConfigError> {
    let max_positions = turning.max_positions;
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
        "longrope" | "su" if turning.is_partial => long(keys, rope, dims, turning),
        other => Err(keys.unsupported(
            "rope_scaling.rope_type",
            format!("{other:?}"),
            "supported: \"default\", \"linear\", \"dynamic\", \"llama3\", for Phi-3 \"longrope\" too",
        )),
    }
}

/// `LongRoPE`, as Phi-3 has it: the ratio of the two contexts decides the factor of cosines and sines.
fn long(keys: &Keys, rope: &Keys, dims: usize, turning: &Turning) -> Result<Scaling, ConfigError> {
    let within = rope.optional_count("original_max_position_embeddings", POSITIONS_BITS)?;
    let original = within.unwrap_or(turning.original);
    let factors = rope
        .optional_numbers("short_factor")?
        .ok_or_else(|| keys.missing("rope_scaling.short_factor"))?;
    if factors.len() != dims / 2 {
        return Err(keys.unsupported(
            "rope_scaling.short_factor",
            format!("{} numbers", factors.len()),
            format!(
                "it must have {}, one for each pair of rotating dimensions",
                dims / 2
            ),
        ));
    }
    let ratio = turning.max_positions as f64 / original as f64;
    let by_ratio = (1.0 + ratio.max(1.0).ln() / (original as f64).ln()).sqrt();
    let attention = rope.number("attention_factor", by_ratio)?;
    let attention = keys.positive("attention_factor", attention)?;
    Ok(Scaling::Long {
        factors,
        attention,
        original,
    })
}
