//! The JSON Schema of a `cleanai.toml`, by which editors complete and check it.

use serde_json::{Map, Value, json};

use super::{Default, Key, Kind, SECTIONS, Section, TOLERANCE, augmentations};
use crate::data::transform::{LONGEST_SIDE, ResizeFilter};
use crate::synthesis::Augmentation;
use crate::synthesis::parameters::Within;

/// A JSON Schema (draft 2020-12) of `cleanai.toml`, with a line break at its end. Editors with Taplo (Even Better TOML) take it from a comment
/// in the file's first line: `#:schema https://…/cleanai.schema.json`, or a path.
///
/// It knows keys, types, words and bounds; whether names, requirements and selectors mean something only the program can tell.
///
/// ```
/// let schema: serde_json::Value = serde_json::from_str(&cleanai_harness::config::schema()).unwrap();
/// assert_eq!(schema["properties"]["baseline"]["properties"]["enabled"]["type"], "boolean");
/// ```
pub fn schema() -> String {
    let sections = SECTIONS.iter().map(|section| (section.name.to_owned(), section_schema(section)));
    let whole = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "cleanai.toml",
        "description": "What the tests of CleanAI leave open: models, data, requirements, baselines and reports.",
        "type": "object",
        "additionalProperties": false,
        "properties": sections.collect::<Map<_, _>>(),
        "$defs": { "step": step(), "augmentation": augmentation() },
    });
    // `{:#}` of a value is JSON; nothing in it can fail to be written.
    format!("{:#}\n", sorted(whole))
}

fn section_schema(section: &Section) -> Value {
    let mut table = object(section.keys);
    if !section.one_of.is_empty() {
        let one_of = section.one_of.iter().map(|key| json!({ "required": [key] }));
        table["oneOf"] = one_of.collect();
    }
    if section.named {
        table = json!({ "type": "object", "propertyNames": { "pattern": "\\S" }, "additionalProperties": table });
    }
    table["description"] = section.says.into();
    table
}

/// A table with these keys.
fn object(keys: &'static [Key]) -> Value {
    let properties: Map<String, Value> = keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let mut table = json!({ "type": "object", "additionalProperties": false, "properties": properties });
    let needed: Vec<_> = keys.iter().filter(|key| matches!(key.default, Default::Needed)).map(|key| key.name).collect();
    if !needed.is_empty() {
        table["required"] = needed.into();
    }
    table
}

fn property(key: &'static Key) -> Value {
    let mut schema = kind(&key.kind);
    schema["description"] = match key.default {
        Default::Words(words) => format!("{} Default: {words}.", key.says).into(),
        _ => key.says.into(),
    };
    if let Default::Value(text) = key.default {
        schema["default"] = value(text);
    }
    schema["examples"] = json!([value(key.example)]);
    schema
}

fn kind(kind_of: &'static Kind) -> Value {
    match kind_of {
        Kind::Text | Kind::Path | Kind::Location | Kind::Selector => json!({ "type": "string", "pattern": "\\S" }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Integer(i64::MIN, i64::MAX) => json!({ "type": "integer" }),
        Kind::Integer(low, high) => json!({ "type": "integer", "minimum": low, "maximum": high }),
        Kind::Number(within) => number(*within),
        Kind::Word(words) => json!({ "enum": words }),
        Kind::Device => {
            json!({ "type": "string", "pattern": "^(auto|cpu|cuda(:([0-9]{1,2}|0[0-9]{2}|1[01][0-9]|12[0-7]))?)$" })
        }
        Kind::Requirement => json!({ "type": "string", "pattern": "[<>]" }),
        Kind::List(inner, 0) => json!({ "type": "array", "items": kind(inner) }),
        Kind::List(inner, least) => json!({ "type": "array", "items": kind(inner), "minItems": least }),
        Kind::Map(_, inner) => json!({ "type": "object", "additionalProperties": kind(inner) }),
        Kind::Table(keys) => object(keys),
        Kind::Either(kinds) => json!({ "anyOf": kinds.iter().map(kind).collect::<Vec<_>>() }),
        Kind::Tolerances => tolerances(),
        Kind::Step => json!({ "$ref": "#/$defs/step" }),
        Kind::Augmentation => json!({ "$ref": "#/$defs/augmentation" }),
    }
}

/// One tolerance for all figures, or a table of them.
fn tolerances() -> Value {
    let mut table = object(TOLERANCE);
    (table["minProperties"], table["maxProperties"]) = (1.into(), 1.into());
    if let Some(schema) = table.as_object_mut() {
        schema.remove("required");
    }
    table["properties"]["relative"]["maximum"] = 1.into();
    let one = json!({ "anyOf": [number(Within::AtLeastZero), table] });
    let kinds: Vec<&str> = TOLERANCE.iter().map(|key| key.name).collect();
    let each = json!({ "type": "object", "propertyNames": { "not": { "enum": kinds } }, "additionalProperties": one });
    json!({ "anyOf": [one, each] })
}

/// A number within bounds.
pub(super) fn number(within: Within) -> Value {
    match within {
        Within::Share => json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 1 }),
        Within::SignedShare => json!({ "type": "number", "minimum": -1, "maximum": 1, "not": { "const": 0 } }),
        Within::AboveZero => json!({ "type": "number", "exclusiveMinimum": 0 }),
        Within::AtLeastZero => json!({ "type": "number", "minimum": 0 }),
    }
}

/// A step of a transform.
fn step() -> Value {
    let side = json!({ "type": "integer", "minimum": 1, "maximum": LONGEST_SIDE });
    let sides = json!({ "anyOf": [side, { "type": "array", "items": side, "minItems": 2, "maxItems": 2 }] });
    let table = |properties: Value, required: &[&str]| json!({ "type": "object", "additionalProperties": false, "properties": properties, "required": required });
    let one = |name: &str, value: Value| table(json!({ name: value }), &[name]);
    let filter = json!({ "enum": ResizeFilter::ALL.map(ResizeFilter::name) });
    let numbers = |element: Value| json!({ "anyOf": [element, { "type": "array", "items": element, "minItems": 1 }] });
    let normalize = json!({ "mean": numbers(json!({ "type": "number" })), "std": numbers(number(Within::AboveZero)) });
    json!({
        "description": "A step from a file to an input of the model.",
        "anyOf": [
            { "enum": ["grayscale", "rgb", "scale"] },
            one("resize", json!({ "anyOf": [sides, table(json!({ "size": sides, "filter": filter }), &["size"])] })),
            one("center_crop", json!({ "anyOf": [sides, table(json!({ "size": sides }), &["size"])] })),
            one("normalize", table(normalize, &["mean", "std"])),
        ],
    })
}

/// A table whose only key names an augmentation.
fn augmentation() -> Value {
    let named = Augmentation::NAMES.map(|name| {
        let parameters = augmentations::parameters(name).into_iter().map(|parameter| {
            let mut schema = parameter.schema;
            schema["description"] = parameter.says.into();
            if let Some(default) = parameter.default {
                schema["default"] = value(&default);
            }
            (parameter.name.to_owned(), schema)
        });
        let mut schema = json!({
            "type": "object",
            "additionalProperties": false,
            "properties": parameters.collect::<Map<_, _>>(),
            "description": augmentations::says(name),
        });
        if name == "fgsm" {
            // The Euclidean length of a change may be more than the length of the range.
            let eps = std::mem::replace(&mut schema["properties"]["eps"]["maximum"], Value::Null);
            if let Some(bounds) = schema["properties"]["eps"].as_object_mut() {
                bounds.remove("maximum");
            }
            schema["if"] = json!({ "not": { "properties": { "norm": { "const": "2" } }, "required": ["norm"] } });
            schema["then"] = json!({ "properties": { "eps": { "maximum": eps } } });
        }
        (name.to_owned(), schema)
    });
    json!({
        "description": "Further inputs made of the test set.",
        "type": "object",
        "additionalProperties": false,
        "minProperties": 1,
        "maxProperties": 1,
        "properties": named.into_iter().collect::<Map<_, _>>(),
    })
}

/// A value of the descriptions, written as TOML.
fn value(text: &str) -> Value {
    let table: Option<toml::Table> = format!("value = {text}").parse().ok();
    let value = table.and_then(|table| serde_json::to_value(table.get("value")?).ok());
    // The tests parse every value there is.
    debug_assert!(value.is_some(), "{text} is no TOML");
    value.unwrap_or_default()
}

/// The same with its keys in order, whatever order the map of this build has.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}
