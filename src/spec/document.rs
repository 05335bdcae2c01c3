//! The text of a spec with the `--set` arguments grafted on: one tree whose every node knows where it was typed.
//!
//! The sources lie one after the other on one axis of byte positions (the file first, then each argument), so that a
//! span alone says which source it came from.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::audit::Spec;
use super::error::{Place, SpecError};
use super::graft;
use super::keys;
use super::overrides::Override;

/// Longest excerpt of a value in a message, in characters.
const EXCERPT_MAX: usize = 60;

/// A parsed spec, before types and ranges are looked at.
pub(super) struct Document<'s> {
    path: PathBuf,
    text: &'s str,
    /// Each argument with the position where its text begins.
    arguments: Vec<(usize, &'s Override)>,
    root: DeTable<'s>,
}

impl<'s> Document<'s> {
    /// Parses the file's text and grafts the arguments, last one wins.
    pub(super) fn parse(
        path: &Path,
        text: &'s str,
        overrides: &'s [Override],
    ) -> Result<Self, SpecError> {
        let root = DeTable::parse(text).map_err(|error| {
            let line = line_of(text, error.span().map_or(0, |span| span.start));
            SpecError::Syntax {
                place: Box::new(Place::Line {
                    path: path.to_owned(),
                    line,
                }),
                detail: error.message().to_owned(),
            }
        })?;
        let mut document = Self {
            path: path.to_owned(),
            text,
            arguments: Vec::new(),
            root: root.into_inner(),
        };
        let mut position = text.len() + 1;
        for argument in overrides {
            document.graft(argument, position)?;
            position += argument.document.len() + 1;
        }
        Ok(document)
    }

    fn graft(&mut self, argument: &'s Override, position: usize) -> Result<(), SpecError> {
        let parsed = DeTable::parse(&argument.document).map_err(|error| SpecError::Syntax {
            place: Box::new(Place::Argument {
                given: argument.given.clone(),
            }),
            detail: error.message().to_owned(),
        })?;
        self.arguments.push((position, argument));
        graft::merge(
            &mut self.root,
            graft::shift(parsed.into_inner(), position),
            argument.key.len(),
        );
        // A model is named one way: the argument replaces whatever the file named it by.
        let replaced: &[&str] = match argument.key.iter().map(String::as_str).collect::<Vec<_>>()[..]
        {
            ["model", "path"] => &["id", "revision", "random"],
            ["model", "id"] => &["path", "random"],
            ["model", "random", ..] => &["path", "id", "revision"],
            _ => &[],
        };
        if let Some(model) = self.root.get_mut("model")
            && let DeValue::Table(model) = model.get_mut()
        {
            for key in replaced {
                model.remove(*key);
            }
        }
        Ok(())
    }

    /// The tree as the types of a spec.
    pub(super) fn read(&self) -> Result<Spec, SpecError> {
        self.fit()?;
        let tree = Spanned::new(0..0, self.root.clone());
        Spec::deserialize(Deserializer::from(tree)).map_err(|error| {
            // Only a type that reads a text itself still fails: it says what the text must be, and the mend after a semicolon.
            let key = error.span().and_then(|span| locate(&self.root, "", &span));
            let (expected, mend) = error
                .message()
                .split_once("; ")
                .unwrap_or((error.message(), "see audits/README.md"));
            self.refuse(&key.unwrap_or_default(), expected, mend)
        })
    }

    pub(super) fn root(&self) -> &DeTable<'s> {
        &self.root
    }

    /// A key's value, where it is given.
    pub(super) fn value(&self, key: &str) -> Option<&DeValue<'s>> {
        self.node(key).map(|(_, node)| node.get_ref())
    }

    /// Where a key was typed.
    ///
    /// `key`: as `canaries.length` or `gate.limits[0].probe`.
    pub(super) fn place(&self, key: &str) -> Place {
        match self.node(key) {
            Some((span, _)) => self.place_of(&span),
            None => Place::Absent {
                path: self.path.clone(),
            },
        }
    }

    /// A key's value as typed, shortened; `None` where the key is absent.
    pub(super) fn given(&self, key: &str) -> Option<String> {
        self.node(key).map(|(_, node)| self.shown(node))
    }

    /// A value as typed, shortened.
    pub(super) fn shown(&self, node: &Spanned<DeValue<'_>>) -> String {
        let text = self.excerpt(&node.span());
        // A table that is not inline has no text of its own, only a header.
        if node.get_ref().is_table() && !text.starts_with('{') {
            return "a table".to_owned();
        }
        text
    }

    /// How to write a key's value in the place where it stands.
    pub(super) fn write(&self, key: &str, value: &str) -> String {
        if matches!(self.place(key), Place::Argument { .. }) {
            return format!("give `--set '{key}={value}'`");
        }
        match key.rsplit_once('.') {
            Some((table, name)) => format!("write `{name} = {value}` in [{table}]"),
            None => format!("write `{key} = {value}` at the top"),
        }
    }

    /// The span of a key, and its value.
    fn node(&self, key: &str) -> Option<(Range<usize>, &Spanned<DeValue<'s>>)> {
        let mut table = &self.root;
        let mut segments = key.split('.').peekable();
        loop {
            let segment = segments.next()?;
            let (name, index) = match segment.strip_suffix(']').and_then(|s| s.split_once('[')) {
                Some((name, index)) => (name, Some(index.parse::<usize>().ok()?)),
                None => (segment, None),
            };
            let (name, mut value) = table.get_key_value(name)?;
            let mut span = name.span();
            if let Some(index) = index {
                value = value.get_ref().as_array()?.get(index)?;
                span = value.span();
            }
            if segments.peek().is_none() {
                return Some((span, value));
            }
            table = value.get_ref().as_table()?;
        }
    }

    pub(super) fn place_of(&self, span: &Range<usize>) -> Place {
        match self.argument_at(span.start) {
            Some((_, argument)) => Place::Argument {
                given: argument.given.clone(),
            },
            None => Place::Line {
                path: self.path.clone(),
                line: line_of(self.text, span.start),
            },
        }
    }

    /// The folder of the file.
    pub(super) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    fn argument_at(&self, position: usize) -> Option<(usize, &'s Override)> {
        self.arguments
            .iter()
            .rev()
            .find(|(start, _)| *start <= position)
            .copied()
    }

    fn excerpt(&self, span: &Range<usize>) -> String {
        let (start, text) = self
            .argument_at(span.start)
            .map_or((0, self.text), |(start, a)| (start, &a.document));
        let raw = text
            .get(span.start - start..span.end - start)
            .unwrap_or_default();
        let line = raw.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(EXCERPT_MAX) {
            Some((cut, _)) => format!("{}…", &line[..cut]),
            None => line,
        }
    }
}

/// Line of a byte position, from 1.
fn line_of(text: &str, position: usize) -> usize {
    1 + text
        .bytes()
        .take(position)
        .filter(|byte| *byte == b'\n')
        .count()
}

/// The deepest key whose value has a span.
fn locate(table: &DeTable<'_>, parent: &str, span: &Range<usize>) -> Option<String> {
    table.iter().find_map(|(name, value)| {
        let key = keys::join(parent, name.get_ref());
        let below = match value.get_ref() {
            DeValue::Table(below) => locate(below, &key, span),
            DeValue::Array(rows) => rows.iter().enumerate().find_map(|(index, row)| {
                row.get_ref()
                    .as_table()
                    .and_then(|below| locate(below, &format!("{key}[{index}]"), span))
            }),
            _ => None,
        };
        below.or_else(|| (value.span() == *span).then_some(key))
    })
}
