//! A document held against the schema: unknown keys, wrong types, values out of their range, required keys that are missing.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::document::Document;
use super::error::SpecError;
use super::{gate, keys, model, schema};

/// How grave a fault is: of several, the first of the gravest is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gravity {
    Unknown,
    Type,
    Range,
    Missing,
}

/// The first fault of each gravity.
type Faults = BTreeMap<Gravity, SpecError>;

impl Document<'_> {
    /// Whether every value is of its type and in its range.
    ///
    /// Errors: the first fault of the gravest kind, so that a misspelt key is not reported as a missing one.
    pub(super) fn fit(&self) -> Result<(), SpecError> {
        if let Some(DeValue::Integer(version)) = self.value("format")
            && whole(version) != Some(1)
        {
            let mend = "write `format = 1`, or use the unsaid that made this spec";
            return Err(self.refuse("format", "1", mend));
        }
        let mut faults = Faults::new();
        self.fit_table(self.root(), &schema::ROOT, "", &mut faults);
        let missing = faults.remove(&Gravity::Missing);
        if let Some((_, fault)) = faults.pop_first() {
            return Err(fault);
        }
        // What should not be there at all needs no more keys.
        model::one_source(self)?;
        gate::limited_probes_run(self)?;
        missing.map_or(Ok(()), Err)
    }

    fn fit_table(&self, table: &DeTable<'_>, schema: &Value, parent: &str, faults: &mut Faults) {
        for (name, value) in table {
            let key = keys::join(parent, name.get_ref());
            if let Some(schema) = schema["properties"].get(name.get_ref().as_ref()) {
                self.fit_value(value, schema, &key, faults);
            } else {
                let unknown = || SpecError::UnknownKey {
                    place: Box::new(self.place_of(&name.span())),
                    mend: keys::suggest(parent, name.get_ref()),
                    key,
                };
                faults.entry(Gravity::Unknown).or_insert_with(unknown);
            }
        }
        for name in schema::required(Some(schema)).filter(|name| !table.contains_key(*name)) {
            let key = keys::join(parent, name);
            let below = &schema["properties"][name];
            if schema::properties(below).is_some() {
                self.fit_table(&DeTable::new(), below, &key, faults);
            } else {
                let missing = || self.missing(&key, &self.example(&key));
                faults.entry(Gravity::Missing).or_insert_with(missing);
            }
        }
    }

    fn fit_value(
        &self,
        node: &Spanned<DeValue<'_>>,
        schema: &Value,
        key: &str,
        faults: &mut Faults,
    ) {
        let value = node.get_ref();
        let wrong_type = || self.wrong_type(node, schema, key);
        if let Some(Value::Array(kinds)) = schema.get("anyOf") {
            let mut deeper = Faults::new();
            let kind = kinds.iter().find(|kind| is_of_kind(value, kind));
            if let Some(kind) = kind {
                self.fit_value(node, kind, key, &mut deeper);
            }
            // Within a table, and of a number, the fault itself says more than what else it could be.
            if kind.is_some() && matches!(value, DeValue::Table(_) | DeValue::Integer(_)) {
                deeper.append(faults);
                *faults = deeper;
            } else if kind.is_none() || !deeper.is_empty() {
                faults.entry(Gravity::Type).or_insert_with(wrong_type);
            }
            return;
        }
        let out_of_range = |schema| {
            let expected = schema::range(key, schema);
            self.refuse(key, &expected, &self.usual(key))
        };
        match value {
            _ if !is_of_kind(value, schema) => {
                faults.entry(Gravity::Type).or_insert_with(wrong_type);
            }
            DeValue::Table(below) => self.fit_table(below, schema, key, faults),
            DeValue::Array(rows) => {
                let items = &schema["items"];
                for (index, row) in rows.iter().enumerate() {
                    let value = row.get_ref();
                    if schema::properties(items).is_some() {
                        self.fit_value(row, items, &format!("{key}[{index}]"), faults);
                    } else if !is_of_kind(value, items) || !is_within(value, items) {
                        let wrong_type = || self.wrong_type(row, schema, key);
                        faults.entry(Gravity::Type).or_insert_with(wrong_type);
                    } else if !is_offered(value, items) {
                        faults
                            .entry(Gravity::Range)
                            .or_insert_with(|| out_of_range(items));
                    }
                }
            }
            _ if !is_offered(value, schema) || !is_within(value, schema) => {
                faults
                    .entry(Gravity::Range)
                    .or_insert_with(|| out_of_range(schema));
            }
            _ => {}
        }
    }

    fn wrong_type(&self, node: &Spanned<DeValue<'_>>, schema: &Value, key: &str) -> SpecError {
        SpecError::WrongType {
            place: Box::new(self.place_of(&node.span())),
            got: self.shown(node),
            expected: schema::kind(key, schema),
            mend: self.example(key),
            key: key.to_owned(),
        }
    }

    /// The mend that shows how to write a key.
    fn example(&self, key: &str) -> String {
        let example =
            keys::find(&schema::EXAMPLES, key).filter(|value| keys::inner(value).is_none());
        match schema::default(key).or(example.map(ToString::to_string)) {
            Some(value) => self.write(key, &value),
            None if schema::is_required(key) => "see audits/README.md".to_owned(),
            None => "leave it out, or see audits/README.md".to_owned(),
        }
    }
}

fn whole(integer: &DeInteger<'_>) -> Option<u64> {
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Float(float) => float.as_str().parse().ok(),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .map(|n| n as f64),
        _ => None,
    }
}

fn is_of_kind(value: &DeValue<'_>, schema: &Value) -> bool {
    match (schema["type"].as_str(), value) {
        (Some("integer"), DeValue::Integer(integer)) => whole(integer).is_some(),
        (Some("number"), _) => number(value).is_some(),
        (Some("boolean"), DeValue::Boolean(_))
        | (Some("string"), DeValue::String(_))
        | (Some("array"), DeValue::Array(_))
        | (Some("object"), DeValue::Table(_)) => true,
        (None, DeValue::String(_)) => schema.get("oneOf").is_some(),
        _ => false,
    }
}

/// Whether a value is one of the choices, where there are any.
fn is_offered(value: &DeValue<'_>, schema: &Value) -> bool {
    let choices = schema::choices(schema);
    let given = match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Boolean(on) => Value::from(*on),
        DeValue::Integer(integer) => whole(integer).map_or(Value::Null, Value::from),
        _ => return true,
    };
    choices.is_empty() || choices.iter().any(|(choice, _)| **choice == given)
}

/// Whether a number is finite and within its bounds.
fn is_within(value: &DeValue<'_>, schema: &Value) -> bool {
    let Some(given) = number(value) else {
        return true;
    };
    let within = |keyword: &str, good: fn(Ordering) -> bool| {
        schema.get(keyword).is_none_or(|bound| {
            // Whole numbers as such: from 2^53 on, neighbours are one float.
            let order = match (value, bound.as_u64()) {
                (DeValue::Integer(given), Some(bound)) => whole(given).map(|n| n.cmp(&bound)),
                _ => None,
            };
            let order = order.or_else(|| given.partial_cmp(&bound.as_f64()?));
            order.is_some_and(good)
        })
    };
    given.is_finite()
        && within("minimum", Ordering::is_ge)
        && within("maximum", Ordering::is_le)
        && within("exclusiveMinimum", Ordering::is_gt)
        && within("exclusiveMaximum", Ordering::is_lt)
}
