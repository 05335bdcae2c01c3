//! `audits/*.schema.json`: what is committed, what is generated, and what runs and specs hold.

use serde_json::{Map, Value};

use crate::bench::Bench;
use crate::program::{call, repository};

/// What a value has against a schema: places and reasons. Panics at a keyword that it does not know.
#[allow(clippy::too_many_lines, reason = "an arm a keyword of the schema")]
fn faults(root: &Value, schema: &Value, value: &Value, place: &str) -> Vec<String> {
    let known = match schema {
        Value::Bool(true) => return Vec::new(),
        Value::Object(known) => known,
        _ => panic!("not a schema: {schema}"),
    };
    let mut found = Vec::new();
    for (keyword, wanted) in known {
        match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" | "default" | "examples" | "format" => {}
            "$ref" => {
                let path = wanted
                    .as_str()
                    .and_then(|r| r.strip_prefix('#'))
                    .expect("a reference");
                found.extend(faults(
                    root,
                    root.pointer(path).expect("defined"),
                    value,
                    place,
                ));
            }
            "type" => {
                let names = wanted
                    .as_array()
                    .map_or(std::slice::from_ref(wanted), Vec::as_slice);
                if !names
                    .iter()
                    .any(|name| is_a(value, name.as_str().expect("a name")))
                {
                    found.push(format!("{place}: {value} is no {wanted}"));
                }
            }
            "const" => {
                if value != wanted {
                    found.push(format!("{place}: {value} is not {wanted}"));
                }
            }
            "enum" => {
                if !wanted.as_array().expect("a list").contains(value) {
                    found.push(format!("{place}: {value} is not one of {wanted}"));
                }
            }
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => {
                let (number, bound) = (value.as_f64(), wanted.as_f64().expect("a bound"));
                let beyond = |n: f64| match keyword.as_str() {
                    "minimum" => n < bound,
                    "maximum" => n > bound,
                    "exclusiveMinimum" => n <= bound,
                    _ => n >= bound,
                };
                if number.is_some_and(beyond) {
                    found.push(format!("{place}: {value} lies beyond {wanted}"));
                }
            }
            "minItems" | "maxItems" => {
                let (size, bound) = (value.as_array().map_or(0, Vec::len) as u64, wanted.as_u64());
                let bound = bound.expect("a size");
                let bad = if keyword == "minItems" {
                    size < bound
                } else {
                    size > bound
                };
                if value.is_array() && bad {
                    found.push(format!("{place}: {size} items"));
                }
            }
            "items" => {
                for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                    found.extend(faults(root, wanted, item, &format!("{place}[{i}]")));
                }
            }
            "required" => {
                let keys = wanted
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str);
                let lacks = |key: &&str| value.is_object() && value.get(key).is_none();
                found.extend(
                    keys.filter(lacks)
                        .map(|key| format!("{place}: lacks {key}")),
                );
            }
            "properties" => {
                let empty = Map::new();
                for (key, field) in value.as_object().unwrap_or(&empty) {
                    if let Some(schema) = wanted.get(key) {
                        found.extend(faults(root, schema, field, &format!("{place}.{key}")));
                    }
                }
            }
            "additionalProperties" if *wanted == Value::Bool(false) => {
                let properties = known["properties"].as_object().expect("properties");
                let names = value.as_object().into_iter().flat_map(Map::keys);
                let others = names.filter(|name| !properties.contains_key(*name));
                found.extend(others.map(|name| format!("{place}: has {name}")));
            }
            "anyOf" | "oneOf" => {
                let kinds = wanted.as_array().expect("kinds").iter();
                let fits = kinds
                    .filter(|kind| faults(root, kind, value, place).is_empty())
                    .count();
                if fits == 0 || (keyword == "oneOf" && fits > 1) {
                    found.push(format!("{place}: {value} fits {fits} of {keyword}"));
                }
            }
            other => panic!("unknown keyword {other}: teach it to this test"),
        }
    }
    found
}

fn is_a(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("unknown type {other}"),
    }
}

fn committed(name: &str) -> String {
    let path = repository().join("audits").join(name);
    std::fs::read_to_string(path).expect("the committed schema")
}

#[test]
fn the_committed_schemas_are_those_that_the_types_make() {
    for (command, name) in [
        ("report", "report.schema.json"),
        ("check", "spec.schema.json"),
    ] {
        let fresh = call(repository(), &[command, "--schema"]).ended(0).stdout;
        assert!(
            fresh == committed(name),
            "write it anew: unsaid {command} --schema > audits/{name}"
        );
    }
}

#[test]
fn the_readme_of_the_specs_ends_with_the_keys() {
    let keys = call(repository(), &["check", "--keys"]).ended(0).stdout;
    assert!(
        committed("README.md").ends_with(&keys),
        "write it anew, as audits/README.md says"
    );
}

#[test]
fn the_shipped_specs_fit_and_damaged_ones_do_not() {
    let schema: Value = serde_json::from_str(&committed("spec.schema.json")).expect("JSON");
    let faults = |text: &str| {
        let spec: Value = toml::from_str(text).expect("TOML");
        faults(&schema, &schema, &spec, "spec")
    };
    for entry in std::fs::read_dir(repository().join("audits")).expect("specs") {
        let path = entry.expect("a file").path();
        if path.extension().is_some_and(|e| e == "toml") {
            let text = std::fs::read_to_string(&path).expect("text");
            assert_eq!(faults(&text), [""; 0], "{}", path.display());
        }
    }
    let head = "format = 1\n[audit]\nname = 'x'\n";
    assert_eq!(faults(head), [""; 0]);
    for lines in [
        "seeds = ['x']",
        "[canaries]\nlength = 0",
        "[canaries]\nlenght = 8",
        "[canaries]\nprefixes = true",
        "[probes.low_logit]\nsmallest_effect_rank = 0",
        "[phase2]\nfreeze = 'half'",
        "[[gate.limits]]\nprobe = 'low_logit'",
    ] {
        assert!(!faults(&format!("{head}{lines}")).is_empty(), "{lines}");
    }
    assert!(!faults("format = 2\naudit.name = 'x'").is_empty());
    assert!(!faults("format = 1").is_empty());
}

#[test]
fn a_real_report_fits_and_a_damaged_one_does_not() {
    let schema: Value = serde_json::from_str(&committed("report.schema.json")).expect("JSON");
    let bench = Bench::new();
    bench.finished("out");
    let report = bench.json("out/report.json");
    assert_eq!(faults(&schema, &schema, &report, "report"), [""; 0]);
    let damages: [fn(&mut Value); 6] = [
        |r| r["rows"][0]["probe"] = "unheard_of".into(),
        |r| r["rows"][0]["auc"] = "high".into(),
        |r| r["verdict"] = Value::Null,
        |r| {
            let row = r["rows"][0].as_object_mut().expect("a row");
            row.remove("p_value");
        },
        |r| r["gate"]["rules"][0]["interval"] = serde_json::json!([0.1]),
        |r| r["figures"]["rocs"][0]["fpr"] = serde_json::json!({}),
    ];
    for (place, damage) in damages.iter().enumerate() {
        let mut bad = report.clone();
        damage(&mut bad);
        let found = faults(&schema, &schema, &bad, "report");
        assert!(!found.is_empty(), "damage {place} is not seen");
    }
}
