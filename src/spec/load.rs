//! From a file, or its text, to a validated [`Audit`].

use std::path::Path;

use super::audit::Audit;
use super::document::Document;
use super::error::SpecError;
use super::overrides::Override;
use super::validate::validate;
use crate::bounded;

/// Reads a spec file and checks it.
///
/// `overrides`: applied in order over the file, the last one wins; a table given there replaces the file's whole table.
/// Paths in the file are relative to the file, those of `overrides` to the working directory; all come out absolute.
///
/// Errors: the first thing wrong, with its line or argument and its mend.
pub fn load(path: &Path, overrides: &[Override]) -> Result<Audit, SpecError> {
    let read = bounded::read(path, bounded::SMALL).and_then(bounded::text);
    let text = read.map_err(|source| SpecError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    parse(&text, path, overrides)
}

/// Checks the text of a spec as if it stood in the file `origin`, which need not exist.
pub fn parse(text: &str, origin: &Path, overrides: &[Override]) -> Result<Audit, SpecError> {
    let document = Document::parse(origin, text, overrides)?;
    validate(&document, document.read()?)
}
