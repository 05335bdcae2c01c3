//! `leakage.csv`: every row, one column per field of [`Row`], in the order of its declaration.
//!
//! The columns are asked of serde, so that a field added to [`Row`] is a column here without a second list to forget it in.

use super::json;
use crate::findings::{Change, Comparison, Report, Row};
use crate::report::error::ReportError;
use serde::Serialize;
use serde::de::value::Error as NoValue;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_json::Value;

pub(in crate::report) fn report(report: &Report) -> Result<String, ReportError> {
    json::ensure_finite(report)?;
    written(&report.rows, fields::<Row>())
}

/// Every change, one column per field of [`Change`].
pub(in crate::report) fn comparison(comparison: &Comparison) -> Result<String, ReportError> {
    written(&comparison.changes, fields::<Change>())
}

fn written<T: Serialize>(rows: &[T], fields: &[&str]) -> Result<String, ReportError> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(fields)?;
    for row in rows {
        let value = serde_json::to_value(row)?;
        writer.write_record(fields.iter().map(|field| text(&value[*field])))?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|unfinished| ::csv::Error::from(unfinished.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A field as a cell: empty for `None`, lists joined by semicolons, numbers in as many digits as they have.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => harmless(text),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(";"),
        other => other.to_string(),
    }
}

/// A text that a spreadsheet does not take for a formula: an apostrophe before what would begin one.
fn harmless(text: &str) -> String {
    let begins = |letter: char| {
        matches!(
            letter,
            '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠'
        )
    };
    if text.starts_with(begins) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

/// The names of the fields of a struct.
fn fields<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // It always ends in an error: what is wanted are the names that the struct asks for on its way there.
    let _ = T::deserialize(Names(&mut names));
    names
}

/// A deserializer that gives nothing and remembers which fields it was asked for.
struct Names<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = NoValue;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, NoValue> {
        Err(NoValue::custom("no value"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, NoValue> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq
        tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use crate::report::sample;

    #[test]
    fn the_sample() {
        insta::assert_snapshot!(super::report(&sample::report()).expect("csv"));
    }

    #[test]
    fn every_field_of_a_row_is_a_column_and_every_row_a_line() {
        let report = sample::report();
        let text = super::report(&report).expect("csv");
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        let columns = reader.headers().expect("header").clone();
        let row = serde_json::to_value(&report.rows[0]).expect("row");
        let mut expected: Vec<_> = row
            .as_object()
            .expect("object")
            .keys()
            .map(String::as_str)
            .collect();
        let mut found: Vec<_> = columns.iter().collect();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected);
        assert_eq!(reader.records().count(), report.rows.len());
    }

    #[test]
    fn no_text_begins_a_formula() {
        let mut report = sample::report();
        report.rows.truncate(1);
        for text in ["=1+1", "+1", "-1", "@x", "\tx", "\r=x", "＝1"] {
            report.rows[0].note = Some(text.to_owned());
            report.rows[0].estimate = Some(-1.5);
            let text = format!("'{text}");
            let csv = super::report(&report).expect("csv");
            let mut reader = ::csv::Reader::from_reader(csv.as_bytes());
            let record = reader.records().next().expect("row").expect("row");
            assert!(record.iter().any(|cell| cell == text), "{text}: {csv}");
            assert!(
                record.iter().any(|cell| cell == "-1.5"),
                "numbers stay numbers: {csv}"
            );
        }
    }

    #[test]
    fn without_rows_the_header_stays() {
        let mut report = sample::report();
        report.rows.clear();
        assert!(
            super::report(&report)
                .expect("csv")
                .starts_with("probe,role,tier,prefix,")
        );
    }

    #[test]
    fn floats_keep_their_digits_and_none_is_empty() {
        let mut report = sample::report();
        report.rows.truncate(1);
        report.rows[0].estimate = Some(0.1 + 0.2);
        report.rows[0].auc = None;
        report.rows[0].seeds = vec![0, 7];
        let text = super::report(&report).expect("csv");
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        let columns = reader.headers().expect("header").clone();
        let record = reader.records().next().expect("row").expect("row");
        let cell = |name: &str| {
            &record[columns
                .iter()
                .position(|column| column == name)
                .expect("column")]
        };
        assert_eq!(cell("estimate"), "0.30000000000000004");
        assert_eq!(cell("auc"), "");
        assert_eq!(cell("seeds"), "0;7");
    }
}
