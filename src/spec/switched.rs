//! A probe's table: the key `enabled` beside the probe's settings, which are dropped where it is off.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Settings of a probe that can be switched off.
pub(super) trait Probe: Default {
    /// Whether it runs where a spec does not say.
    const ENABLED: bool = true;
}

/// The settings of a spec that does not say; `None` for a probe that is off by default.
pub(super) fn default<T: Probe>() -> Option<T> {
    T::ENABLED.then(T::default)
}

/// The keys of the table.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Keys<T: Probe> {
    /// Whether the probe runs.
    #[schemars(example = true)]
    enabled: bool,
    #[serde(flatten)]
    settings: T,
}

impl<T: Probe> Default for Keys<T> {
    fn default() -> Self {
        Self {
            enabled: T::ENABLED,
            settings: T::default(),
        }
    }
}

#[allow(clippy::ref_option, reason = "serde hands it over so")]
pub(super) fn serialize<T: Serialize, S: Serializer>(
    probe: &Option<T>,
    to: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Written<'p, T> {
        enabled: bool,
        #[serde(flatten)]
        settings: &'p Option<T>,
    }
    Written {
        enabled: probe.is_some(),
        settings: probe,
    }
    .serialize(to)
}

pub(super) fn deserialize<'de, T: Probe + Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    let keys = Keys::<T>::deserialize(from)?;
    Ok(keys.enabled.then_some(keys.settings))
}
