//! `report.json`, and back.

use crate::findings::{Comparison, Report, SCHEMA_VERSION};
use crate::report::error::ReportError;
use crate::report::words;
use serde_json::Value;

pub(in crate::report) fn report(report: &Report) -> Result<String, ReportError> {
    ensure_finite(report)?;
    Ok(serde_json::to_string_pretty(report)? + "\n")
}

/// A comparison as JSON.
pub(in crate::report) fn comparison(comparison: &Comparison) -> Result<String, ReportError> {
    if !survives(comparison) {
        return Err(ReportError::NotFinite {
            place: "the comparison".to_owned(),
        });
    }
    Ok(serde_json::to_string_pretty(comparison)? + "\n")
}

/// The JSON schema of `report.json`, made from the types that it is written from.
pub fn schema() -> Result<String, ReportError> {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    let schema = settings.into_generator().into_root_schema_for::<Report>();
    Ok(serde_json::to_string_pretty(&schema)? + "\n")
}

/// Reads a `report.json`. Fields that this version does not know are passed over: additions keep the schema's version.
pub fn parse(text: &str) -> Result<Report, ReportError> {
    let value: Value = serde_json::from_str(text)?;
    match value.get("schema_version") {
        Some(Value::String(version)) if version == SCHEMA_VERSION => {
            Ok(serde_json::from_value(value)?)
        }
        Some(other) => Err(ReportError::SchemaVersion {
            found: other.to_string(),
            supported: SCHEMA_VERSION,
        }),
        None => Err(ReportError::NoSchemaVersion {
            supported: SCHEMA_VERSION,
        }),
    }
}

/// An error where a number is NaN or infinite.
///
/// `serde_json` writes those as null, silently. So what comes back from JSON is compared with what went in: only such a number differs.
pub(super) fn ensure_finite(report: &Report) -> Result<(), ReportError> {
    let row = report.rows.iter().enumerate().find(|(_, r)| !survives(*r));
    let rule = report.gate.rules.iter().find(|rule| !survives(*rule));
    let place = if let Some((place, row)) = row {
        let probe = words::probe(row.probe);
        format!("row {place} of the report ({probe}, {})", row.statistic)
    } else if let Some(rule) = rule {
        format!("gate rule \"{}\"", rule.rule)
    } else if survives(report) {
        return Ok(());
    } else {
        "the report".to_owned()
    };
    Err(ReportError::NotFinite { place })
}

fn survives<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq>(value: &T) -> bool {
    let back = serde_json::to_value(value).and_then(serde_json::from_value::<T>);
    back.is_ok_and(|back| back == *value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_sample() {
        insta::assert_snapshot!(super::report(&sample::report()).expect("json"));
    }

    #[test]
    fn what_was_written_is_read() {
        let mut report = sample::report();
        report.rows[0].estimate = Some(0.1 + 0.2);
        report.rows[0].p_value = Some(f64::MIN_POSITIVE);
        let text = super::report(&report).expect("json");
        assert!(text.ends_with("}\n"));
        assert_eq!(parse(&text).expect("report"), report);
    }

    #[test]
    fn a_field_of_a_later_version_is_passed_over() {
        let text =
            super::report(&sample::report())
                .expect("json")
                .replacen('{', "{\"later\": 1,", 1);
        assert_eq!(parse(&text).expect("report"), sample::report());
    }

    #[test]
    fn another_schema_version_is_named_with_the_one_supported() {
        let text = super::report(&sample::report())
            .expect("json")
            .replace("\"schema_version\": \"1\"", "\"schema_version\": \"2\"");
        let message = parse(&text).expect_err("version 2").to_string();
        assert!(
            message.contains("\"2\"") && message.contains("\"1\""),
            "{message}"
        );
        assert!(matches!(
            parse("{}"),
            Err(ReportError::NoSchemaVersion { .. })
        ));
        assert!(matches!(parse("no"), Err(ReportError::Json(_))));
    }

    #[test]
    fn a_number_that_is_not_finite_is_an_error_that_says_where() {
        for number in [f64::NAN, f64::INFINITY] {
            let mut report = sample::report();
            report.rows[1].estimate = Some(number);
            let message = super::report(&report).expect_err("not finite").to_string();
            assert!(message.contains("row 1"), "{message}");
            let mut report = sample::report();
            report.gate.rules[0].interval = Some([0.0, number]);
            assert!(matches!(
                super::report(&report),
                Err(ReportError::NotFinite { .. })
            ));
        }
    }
}
