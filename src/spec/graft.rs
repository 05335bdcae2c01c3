//! Moves the tree of a `--set` argument into the tree of the file.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Puts the single key of `from`, `depth` names deep, into `into`. A table on the way that is none is replaced.
pub(super) fn merge<'s>(into: &mut DeTable<'s>, from: DeTable<'s>, depth: usize) {
    for (name, value) in from {
        if depth > 1
            && let Some(old) = into.get_mut(name.get_ref().as_ref())
            && old.get_ref().is_table()
        {
            if let (DeValue::Table(below), DeValue::Table(new)) =
                (old.get_mut(), value.into_inner())
            {
                merge(below, new, depth - 1);
            }
            continue;
        }
        // Removed first: an insert alone would keep the old name, and with it the old place.
        into.remove(name.get_ref().as_ref());
        into.insert(name, value);
    }
}

/// Moves all positions of a table, to where its source begins.
pub(super) fn shift(table: DeTable<'_>, by: usize) -> DeTable<'_> {
    table
        .into_iter()
        .map(|(name, value)| (moved(name, by), shift_value(value, by)))
        .collect()
}

fn shift_value(value: Spanned<DeValue<'_>>, by: usize) -> Spanned<DeValue<'_>> {
    let span = value.span();
    let value = match value.into_inner() {
        DeValue::Table(table) => DeValue::Table(shift(table, by)),
        DeValue::Array(array) => DeValue::Array(
            array
                .into_iter()
                .map(|value| shift_value(value, by))
                .collect(),
        ),
        plain => plain,
    };
    moved(Spanned::new(span, value), by)
}

fn moved<T>(spanned: Spanned<T>, by: usize) -> Spanned<T> {
    let span = spanned.span();
    Spanned::new(span.start + by..span.end + by, spanned.into_inner())
}
