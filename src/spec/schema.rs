//! The JSON schema of a spec, made from its types: what messages, documentation and editors say about a key comes from here.

use std::sync::LazyLock;

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde::Deserialize;
use serde_json::{Map, Value};
use toml::Table;

use super::audit::Spec;
use super::keys::plain;

/// The schema, every type in its place. Draft 7 is the newest that editors of TOML read.
pub(super) static ROOT: LazyLock<Value> = LazyLock::new(|| {
    SchemaSettings::draft07()
        .with(|settings| settings.inline_subschemas = true)
        .with_transform(RecursiveTransform(simplify))
        .into_generator()
        .into_root_schema_for::<Spec>()
        .to_value()
});

/// Every key in the order of the types, with an example: one of the type's own, or the default.
pub(super) static EXAMPLES: LazyLock<Table> = LazyLock::new(|| {
    let Some(toml::Value::Table(sorted)) = example_of(&ROOT) else {
        return Table::new();
    };
    // Through the types, since the schema has its keys in the order of the alphabet. Examples are valid: the tests would see it.
    Spec::deserialize(sorted)
        .and_then(|spec| Table::try_from(&spec).map_err(serde::de::Error::custom))
        .unwrap_or_default()
});

/// Documentation on one line, and none of what TOML does not have: null.
fn simplify(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
    if let Some(Value::Array(kinds)) = schema.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [kind] = &kinds[..] {
            let kind = kind.clone();
            schema.insert("type".to_owned(), kind);
        }
    }
    // A table's defaults are those of its keys.
    if matches!(schema.get("default"), Some(Value::Null | Value::Object(_))) {
        schema.remove("default");
    }
}

fn bound(schema: &mut Schema, keyword: &str, value: impl Into<Value>) {
    schema.insert(keyword.to_owned(), value.into());
}

/// A number larger than 0.
pub(super) fn positive(schema: &mut Schema) {
    bound(schema, "exclusiveMinimum", 0);
}

/// A number, 0 or larger.
pub(super) fn not_negative(schema: &mut Schema) {
    bound(schema, "minimum", 0);
}

/// A share that is not nothing.
pub(super) fn share(schema: &mut Schema) {
    positive(schema);
    bound(schema, "maximum", 1);
}

/// A distance from the middle of 0…1.
pub(super) fn half(schema: &mut Schema) {
    positive(schema);
    bound(schema, "maximum", 0.5);
}

/// A level of significance.
pub(super) fn below_half(schema: &mut Schema) {
    positive(schema);
    bound(schema, "exclusiveMaximum", 0.5);
}

/// An AUC.
pub(super) fn from_0_to_1(schema: &mut Schema) {
    not_negative(schema);
    bound(schema, "maximum", 1);
}

/// The schema of a key path.
///
/// `key`: as `gate.limits[1].probe`; the index is ignored.
pub(super) fn find(key: &str) -> Option<&'static Value> {
    plain(key)
        .split('.')
        .try_fold(&*ROOT, |schema, name| properties(schema)?.get(name))
}

/// The keys of a table, of the tables in an array, or of the one alternative that is a table.
pub(super) fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    if let Some(properties) = schema.get("properties") {
        return properties.as_object();
    }
    let items = schema.get("items").and_then(properties);
    items.or_else(|| schema.get("anyOf")?.as_array()?.iter().find_map(properties))
}

fn example_of(schema: &Value) -> Option<toml::Value> {
    if let Some(example) = schema.pointer("/examples/0") {
        return toml::Value::try_from(example).ok();
    }
    let Some(properties) = properties(schema) else {
        return toml::Value::try_from(schema.get("default")?).ok();
    };
    let table: Table = properties
        .iter()
        .filter_map(|(name, schema)| Some((name.clone(), example_of(schema)?)))
        .collect();
    Some(if schema["type"] == "array" {
        vec![table].into()
    } else {
        table.into()
    })
}

/// The default of a key, as TOML.
pub(super) fn default(key: &str) -> Option<String> {
    let value = find(key)?.get("default")?;
    Some(toml::Value::try_from(value).ok()?.to_string())
}

/// Whether a key must be given.
pub(super) fn is_required(key: &str) -> bool {
    let (table, name) = key.rsplit_once('.').unwrap_or(("", key));
    let table = if table.is_empty() {
        Some(&*ROOT)
    } else {
        find(table)
    };
    required(table.map(|table| table.get("items").unwrap_or(table)))
        .any(|required| required == name)
}

/// The keys that a table must have.
pub(super) fn required(table: Option<&Value>) -> impl Iterator<Item = &str> {
    let names = table.and_then(|table| table.get("required")?.as_array());
    names.into_iter().flatten().filter_map(Value::as_str)
}

/// The values that a key may have where they are few, each with what the types say about it.
pub(super) fn choices(schema: &Value) -> Vec<(&Value, Option<&str>)> {
    if let Some(Value::Array(values)) = schema.get("enum") {
        return values.iter().map(|value| (value, None)).collect();
    }
    if let Some(value) = schema.get("const") {
        return vec![(value, schema["description"].as_str())];
    }
    let alternatives = schema.get("oneOf").and_then(Value::as_array);
    alternatives
        .into_iter()
        .flatten()
        .flat_map(choices)
        .collect()
}

/// The type of a key's value, in words.
pub(super) fn kind(key: &str, schema: &Value) -> String {
    match schema["type"].as_str() {
        Some("integer") => "a whole number, not negative".to_owned(),
        Some("number") => "a number".to_owned(),
        Some("boolean") => "true or false".to_owned(),
        Some("string") => "text in quotes".to_owned(),
        Some("object") => "a table".to_owned(),
        _ if schema.get("oneOf").is_some() => "text in quotes".to_owned(),
        _ => match (schema["title"].as_str(), &schema["items"]) {
            (Some(title), _) => title.to_owned(),
            (None, items) if properties(items).is_some() => {
                format!("an array of tables, `[[{key}]]`")
            }
            (None, items) if items["type"] == "integer" => {
                format!("an array of whole numbers {}", from_to(items))
            }
            (None, _) => "an array of texts".to_owned(),
        },
    }
}

/// What a key's value must be beyond its type, in words.
pub(super) fn range(key: &str, schema: &Value) -> String {
    if let Some(title) = schema["title"].as_str() {
        return title.to_owned();
    }
    let choices = choices(schema);
    if !choices.is_empty() {
        return format!("one of {}", words(&choices, str::to_owned));
    }
    let bound = |keyword: &str| schema.get(keyword).map(number);
    match (schema["type"].as_str(), bound("minimum"), bound("maximum")) {
        (Some("integer"), ..) => format!("a whole number {}", from_to(schema)),
        (Some("number"), Some(least), Some(most)) => format!("a number from {least} to {most}"),
        (Some("number"), Some(least), None) => format!("a finite number, {least} or larger"),
        (Some("number"), None, most) => {
            match (bound("exclusiveMinimum"), bound("exclusiveMaximum")) {
                (Some(above), Some(below)) => format!("a number above {above} and below {below}"),
                (Some(above), None) => most.map_or_else(
                    || format!("a finite number larger than {above}"),
                    |most| format!("a number above {above} and at most {most}"),
                ),
                _ => kind(key, schema),
            }
        }
        _ => kind(key, schema),
    }
}

/// The values of choices, separated by commas.
pub(super) fn words(choices: &[(&Value, Option<&str>)], show: impl Fn(&str) -> String) -> String {
    let word = |(value, _): &(&Value, _)| match value {
        Value::String(text) => show(text),
        other => show(&other.to_string()),
    };
    choices.iter().map(word).collect::<Vec<_>>().join(", ")
}

fn from_to(schema: &Value) -> String {
    let least = schema.get("minimum").map_or("0".to_owned(), number);
    match schema.get("maximum") {
        Some(most) => format!("from {least} to {}", number(most)),
        None => format!("from {least}"),
    }
}

/// A bound; a power of two too large to be read is written as one.
fn number(bound: &Value) -> String {
    match bound.as_u64() {
        Some(n) if n.is_power_of_two() && n > 1 << 32 => format!("2^{}", n.ilog2()),
        _ => bound.to_string(),
    }
}
