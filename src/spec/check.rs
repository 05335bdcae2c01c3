//! The messages of a document's checks: they know where each key was typed.

use std::path::{PathBuf, absolute};

use super::document::Document;
use super::error::{Place, SpecError};
use super::schema;

impl Document<'_> {
    /// The message for a value that is not `expected`.
    pub(super) fn refuse(&self, key: &str, expected: &str, mend: &str) -> SpecError {
        SpecError::OutOfRange {
            place: Box::new(self.place(key)),
            key: key.to_owned(),
            got: self
                .given(key)
                .or_else(|| schema::default(key))
                .unwrap_or_else(|| "absent".to_owned()),
            expected: expected.to_owned(),
            mend: mend.to_owned(),
        }
    }

    /// The message for a required key that is missing; placed at the table that lacks it.
    pub(super) fn missing(&self, key: &str, mend: &str) -> SpecError {
        let mut at = key;
        let place = loop {
            match (self.place(at), at.rsplit_once('.')) {
                (Place::Absent { .. }, Some((table, _))) => at = table,
                (Place::Absent { path }, None) => break Place::Line { path, line: 1 },
                (place, _) => break place,
            }
        };
        SpecError::Missing {
            place: Box::new(place),
            key: key.to_owned(),
            mend: mend.to_owned(),
        }
    }

    /// Refuses unless `good`.
    pub(super) fn demand(
        &self,
        good: bool,
        key: &str,
        expected: &str,
        mend: &str,
    ) -> Result<(), SpecError> {
        if good {
            Ok(())
        } else {
            Err(self.refuse(key, expected, mend))
        }
    }

    /// The mend that fits any range: the value of the recipe.
    pub(super) fn usual(&self, key: &str) -> String {
        match schema::default(key) {
            Some(value) => format!("for the default {}", self.write(key, &value)),
            None if schema::is_required(key) => "change it".to_owned(),
            None => "change it or leave the key out".to_owned(),
        }
    }

    /// Makes a path absolute: one of the file hangs on the file's folder, one of an argument on the working directory.
    pub(super) fn resolve(
        &self,
        key: &str,
        path: &mut PathBuf,
        mend: &str,
    ) -> Result<(), SpecError> {
        self.demand(!path.as_os_str().is_empty(), key, "a folder", mend)?;
        let place = self.place(key);
        if !matches!(place, Place::Argument { .. }) {
            *path = self.folder().join(&path);
        }
        let (place, key) = (Box::new(place), key.to_owned());
        match absolute(&path) {
            Ok(whole) if whole.to_str().is_some() => {
                *path = whole;
                Ok(())
            }
            Ok(path) => Err(SpecError::NotUtf8 { place, key, path }),
            Err(source) => Err(SpecError::Relative {
                place,
                key,
                path: path.clone(),
                source,
            }),
        }
    }
}
