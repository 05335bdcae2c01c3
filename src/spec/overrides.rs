//! `--set key.path=value`: one key of a spec, from the command line.

use std::fmt::Write as _;

use toml::de::DeTable;

use super::error::SpecError;

/// Deepest key path of any spec, with room; a bound keeps a hostile argument from deep recursion.
const DEPTH_MAX: usize = 8;

/// One `--set` argument: a one-line spec of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The key path.
    pub(super) key: Vec<String>,
    /// `key.path = value` as TOML.
    pub(super) document: String,
    /// The whole argument as typed, for messages.
    pub(super) given: String,
}

impl Override {
    /// Reads `key.path=value`, where the value is TOML or else bare text: `model.path=../x` needs no quotes.
    ///
    /// Errors: no `=`, or a key that is not names joined by dots. Whether the key exists is seen by [`super::parse`].
    pub fn parse(argument: &str) -> Result<Self, SpecError> {
        let refuse = |problem: &str| SpecError::Argument {
            given: argument.to_owned(),
            problem: problem.to_owned(),
        };
        let (key, value) = argument
            .split_once('=')
            .ok_or_else(|| refuse("there is no `=`"))?;
        let key: Vec<String> = key
            .trim()
            .split('.')
            .map(|segment| segment.trim().to_owned())
            .collect();
        let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if key.len() > DEPTH_MAX
            || key
                .iter()
                .any(|segment| segment.is_empty() || !segment.chars().all(bare))
        {
            return Err(refuse(
                "the key must be names joined by dots, without brackets",
            ));
        }
        let value = value.trim();
        let value = if is_toml(value) {
            value.to_owned()
        } else {
            quote(value)
        };
        let document = format!("{} = {value}\n", key.join("."));
        Ok(Self {
            key,
            document,
            given: format!("--set {argument}"),
        })
    }
}

impl Override {
    /// The table of the spec that it changes, as `gate`.
    #[must_use]
    pub fn table(&self) -> &str {
        self.key.first().map_or("", String::as_str)
    }

    /// The argument as typed, without `--set`.
    #[must_use]
    pub fn given(&self) -> &str {
        self.given.strip_prefix("--set ").unwrap_or(&self.given)
    }
}

/// Whether the text is one TOML value and nothing more.
fn is_toml(value: &str) -> bool {
    DeTable::parse(&format!("value = {value}\n")).is_ok_and(|table| table.get_ref().len() == 1)
}

/// Text as a TOML basic string.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c.is_control() => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_toml_or_bare_text() {
        for (argument, document) in [
            ("canaries.length=8", "canaries.length = 8\n"),
            (
                "model.path=../fixtures/a b",
                "model.path = \"../fixtures/a b\"\n",
            ),
            ("audit.seeds=[0, 1]", "audit.seeds = [0, 1]\n"),
            (" audit . name = x", "audit.name = \"x\"\n"),
            ("audit.name=a=b", "audit.name = \"a=b\"\n"),
            ("audit.name=", "audit.name = \"\"\n"),
            (
                "run.threads=1\nformat = 2",
                "run.threads = \"1\\u000Aformat = 2\"\n",
            ),
        ] {
            assert_eq!(Override::parse(argument).unwrap().document, document);
        }
    }

    #[test]
    fn malformed_arguments_are_refused() {
        for argument in [
            "canaries.length",
            "=3",
            "canaries..length=3",
            "gate.limits[0].phase=2",
            "a.a.a.a.a.a.a.a.a=1",
        ] {
            let message = Override::parse(argument).unwrap_err().to_string();
            assert!(
                message.contains(argument) && message.contains("write it as"),
                "{message}"
            );
        }
    }
}
