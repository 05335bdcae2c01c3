//! Ranks and α of single modules: PEFT's `rank_pattern` and `alpha_pattern`.

use crate::checkpoint::config::{ConfigError, Keys};

/// Numbers of single modules, by the ends of their names.
#[derive(Debug, Default)]
pub(super) struct Patterns(Vec<(String, f64)>);

impl Patterns {
    /// Reads a table of names and numbers. Errors: a name that is more of a regular expression than dots.
    pub(super) fn read(keys: &Keys, key: &'static str) -> Result<Self, ConfigError> {
        let Some(table) = keys.table(key)? else {
            return Ok(Self::default());
        };
        let mut patterns = Vec::new();
        for name in table.names() {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
            if !name.chars().all(is_plain) {
                return Err(keys.unsupported(
                    key,
                    format!("{name:?}"),
                    "supported: names of modules or their ends, as \"layers.0.self_attn.q_proj\"; write them out, or merge the adapter into \
                     its base with PEFT's merge_and_unload",
                ));
            }
            if let Some(number) = table.optional_number(name)? {
                patterns.push((name.to_owned(), keys.positive(key, number)?));
            }
        }
        Ok(Self(patterns))
    }

    /// These numbers, all of them whole.
    pub(super) fn whole(self, keys: &Keys, key: &'static str) -> Result<Self, ConfigError> {
        match self.0.iter().find(|(_, number)| number.fract() > 0.0) {
            None => Ok(self),
            Some((name, number)) => Err(keys.unsupported(
                key,
                format!("{number} by {name:?}"),
                "a rank is a whole number",
            )),
        }
    }

    /// The number of a module. Errors: names that disagree, of which PEFT would take the first that was written.
    pub(super) fn of(
        &self,
        keys: &Keys,
        key: &'static str,
        module: &str,
    ) -> Result<Option<f64>, ConfigError> {
        let mut found: Option<&(String, f64)> = None;
        for pattern in self.0.iter().filter(|(name, _)| is_end(name, module)) {
            match found {
                Some(first) if (first.1 - pattern.1).abs() > 0.0 => {
                    return Err(keys.unsupported(
                        key,
                        format!(
                            "{} by {:?} and {} by {:?}",
                            first.1, first.0, pattern.1, pattern.0
                        ),
                        format!("one number for {module}: leave one of the names"),
                    ));
                }
                _ => found = Some(pattern),
            }
        }
        Ok(found.map(|(_, number)| *number))
    }
}

/// Whether a module is called so, or its name ends so after a dot. A dot stands for any character, as in PEFT's regular expressions.
fn is_end(name: &str, module: &str) -> bool {
    let (name, module) = (name.as_bytes(), module.as_bytes());
    let Some(from) = module.len().checked_sub(name.len()) else {
        return false;
    };
    let same = |(a, b): (&u8, &u8)| a == b || *a == b'.';
    (from == 0 || module[from - 1] == b'.') && name.iter().zip(&module[from..]).all(same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn modules_are_named_by_their_ends() {
        let module = "model.layers.10.self_attn.q_proj";
        for (name, is_its) in [
            ("q_proj", true),
            ("self_attn.q_proj", true),
            ("layers.10.self_attn.q_proj", true),
            (module, true),
            // A regular expression's dot.
            ("q.proj", true),
            ("proj", false),
            ("0.self_attn.q_proj", false),
            ("q_proj.weight", false),
            ("x.model.layers.10.self_attn.q_proj", false),
        ] {
            assert_eq!(is_end(name, module), is_its, "{name}");
        }
    }

    #[test]
    fn names_that_disagree_are_refused_and_others_taken() {
        let text =
            r#"{"rank_pattern": {"q_proj": 8, "layers.0.self_attn.q_proj": 4, "o_proj": 2}}"#;
        let keys = Keys::parse(text, Path::new("adapter_config.json")).unwrap();
        let key = "rank_pattern";
        let patterns = Patterns::read(&keys, key).unwrap();
        let of = |module| patterns.of(&keys, key, module);
        assert_eq!(of("model.layers.1.self_attn.q_proj").unwrap(), Some(8.0));
        assert_eq!(of("model.layers.1.self_attn.o_proj").unwrap(), Some(2.0));
        let half = Patterns(vec![("q_proj".to_owned(), 2.5)]);
        assert!(half.whole(&keys, key).is_err());
        assert_eq!(of("model.layers.1.self_attn.k_proj").unwrap(), None);
        let message = of("model.layers.0.self_attn.q_proj")
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("8 by") && message.contains("4 by"),
            "{message}"
        );
    }
}
