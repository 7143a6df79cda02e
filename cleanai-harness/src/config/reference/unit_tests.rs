//! What is described is read, what is read is described, and page and schema say it.

use std::path::PathBuf;

use serde_json::Value;

use super::*;
use crate::config::Config;
use crate::config::environment::Environment;
use crate::declare::{DEFAULT_BATCH, DeviceChoice, NeuronKind, NonFinite};
use crate::synthesis::Augmentation;

fn parse(text: &str) -> crate::Result<Config> {
    Config::parse(PathBuf::from("/p/cleanai.toml"), text)
}

/// A file whose only choice is this key.
fn file(section: &Section, key: &Key, value: &str) -> String {
    let line = format!("{} = {value}\n", key.name);
    match section.name {
        "models" if section.one_of.contains(&key.name) => format!("[models.m]\n{line}"),
        "models" => format!("[models.m]\npath = 'm.pt'\n{line}"),
        "data" if matches!(key.default, Default::Needed) => format!("[data.digits]\n{line}"),
        "data" => format!("[data.digits]\ntest = 't'\n{line}"),
        "tests" => format!("[data.digits]\ntest = 't'\n[tests.t]\n{line}"),
        name => format!("[data.digits]\ntest = 't'\n[{name}]\n{line}"),
    }
}

fn keys() -> impl Iterator<Item = (&'static Section, &'static Key)> {
    SECTIONS.iter().flat_map(|section| section.keys.iter().map(move |key| (section, key)))
}

fn json(text: &str) -> Value {
    let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    serde_json::to_value(table).expect("no dates")
}

fn validator() -> jsonschema::Validator {
    let schema = serde_json::from_str(&schema()).expect("JSON");
    jsonschema::validator_for(&schema).expect("a schema")
}

/// Whether only the program can tell if a string means something.
fn is_language(kind: &Kind) -> bool {
    match kind {
        Kind::Requirement | Kind::Selector => true,
        Kind::List(inner, _) | Kind::Map(_, inner) => is_language(inner),
        Kind::Either(kinds) => kinds.iter().any(is_language),
        _ => false,
    }
}

#[test]
fn the_committed_page_and_schema_are_the_generated_ones() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    for (name, word, text) in [("configuration.md", "reference", page()), ("cleanai.schema.json", "schema", schema())] {
        let committed = std::fs::read_to_string(folder.join(name)).expect(name);
        assert!(
            committed == text,
            "docs/{name} is not what the descriptions give: `cargo run -p cleanai-harness --bin cleanai-engine -- config {word}` writes it"
        );
    }
}

#[test]
fn every_described_key_is_read_and_its_example_is_good() {
    let validator = validator();
    for (section, key) in keys() {
        let text = file(section, key, key.example);
        let config = parse(&text).unwrap_or_else(|error| panic!("{error}"));
        let noted = config
            .lines
            .iter()
            .any(|((table, noted), _)| noted == key.name && table.starts_with(&format!("[{}", section.name)));
        assert!(noted, "`{}` in {} is not read", key.name, section.header());
        assert!(validator.is_valid(&json(&text)), "{text}");
        // No key takes a date: one that is read refuses it.
        assert!(
            parse(&file(section, key, "1979-05-27")).is_err(),
            "`{}` in {} takes a date",
            key.name,
            section.header()
        );
        // And not a second time under another name.
        let wrong = text.replace(&format!("{} = ", key.name), &format!("{}_ = ", key.name));
        assert!(parse(&wrong).is_err() && !validator.is_valid(&json(&wrong)), "{wrong}");
    }
}

#[test]
fn keys_of_tables_within_tables_are_read_too() {
    for (keys, key, before) in [(INPUT, "inputs", "x"), (AXIS, "axes", "x")] {
        for inner in keys {
            let text = |value: &str| {
                format!("[models.m]\npath = 'm.pt'\n{key} = {{ {before} = {{ {} = {value} }} }}\n", inner.name)
            };
            let (with, without) =
                (parse(&text(inner.example)).expect(inner.name), parse("[models.m]\npath = 'm.pt'\n").expect("a file"));
            assert_ne!(with.models, without.models);
            assert!(
                parse(&text("1979-05-27")).is_err() && validator().is_valid(&json(&text(inner.example))),
                "{}",
                inner.name
            );
        }
    }
}

#[test]
fn defaults_are_what_holds_without_the_key() {
    for (section, key) in keys() {
        let Default::Value(default) = key.default else { continue };
        let written = parse(&file(section, key, default)).expect(default);
        let left_out =
            parse(&file(section, key, default).replace(&format!("{} = {default}\n", key.name), "")).expect(default);
        if section.name == "defaults" {
            let table = &written.defaults;
            match key.name {
                "require" => assert!(table.require.is_empty()),
                "batch" => assert_eq!(table.batch, Some(DEFAULT_BATCH)),
                "neurons" => assert_eq!(table.neurons, Some(NeuronKind::default())),
                "device" => assert_eq!(table.device, Some(DeviceChoice::default())),
                "non_finite" => assert_eq!(table.non_finite, Some(NonFinite::default())),
                other => panic!("what is the default of `{other}`?"),
            }
        } else {
            assert_eq!(
                Config { lines: left_out.lines.clone(), ..written },
                left_out,
                "`{}` in {}",
                key.name,
                section.header()
            );
        }
    }
}

#[test]
fn schema_and_readers_agree() {
    let validator = validator();
    let values = [
        "true",
        "0",
        "1",
        "-1",
        "65536",
        "65537",
        "1.5",
        "-0.5",
        "inf",
        "''",
        "' '",
        "'x'",
        "'auto'",
        "'cuda'",
        "'cuda:127'",
        "'cuda:128'",
        "'cuda:1x'",
        "'keep'",
        "'cleanai'",
        "'digits'",
        "[]",
        "['x']",
        "[1]",
        "['']",
        "['nc >= 0.1']",
        "'nc >= 0.1'",
        "{}",
        "{ default = 0.1 }",
        "{ nc = -1 }",
        "{ x = 'int64' }",
        "{ x = 'int63' }",
        "{ x = { batch = 1 } }",
        "{ x = { type = 'bool', batch = -1 } }",
        "{ x = { channel = 1 } }",
        "{ x = { chanel = 1 } }",
        "['scale']",
        "'scale'",
        "['scal']",
        "[{ resize = [28, 28] }]",
        "[{ resize = 28 }]",
        "[{ resize = [0, 28] }]",
        "[{ resize = [28, 28, 3] }]",
        "[{ resize = { size = 16385 } }]",
        "[{ resize = { size = 28, filter = 'lanczos' } }]",
        "[{ resize = { size = 28, filter = 'x' } }]",
        "[{ center_crop = [1, 16384] }]",
        "[{ center_crop = { size = 3, filter = 'nearest' } }]",
        "[{ normalize = { mean = 0.5, std = 0.5 } }]",
        "[{ normalize = { mean = [0.5], std = [0.0] } }]",
        "[{ normalize = { mean = [], std = 1 } }]",
        "[{ normalize = { mean = 0.5 } }]",
        "[{ grayscale = {} }]",
        "{ gaussian = {} }",
        "{ gaussian = { std = 0 } }",
        "{ gaussian = { range = [0, 255] } }",
        "{ gaussian = { seed = -1 } }",
        "{ gaussian = { share = 0.1 } }",
        "{ random_pixels = { share = 1.01 } }",
        "{ fgsm = { eps = 2 } }",
        "{ fgsm = { eps = 2, norm = '2' } }",
        "{ fgsm = { eps = 0, norm = '2' } }",
        "{ fgsm = { norm = 'x' } }",
        "{ bim = { iterations = 0 } }",
        "{ pgd = { iterations = 1000001 } }",
        "{ jsma = { theta = 0 } }",
        "{ jsma = { theta = -1, target = 'cat' } }",
        "{ jsma = { target = -1 } }",
        "{ cw = { confidence = 0, abort_early = false } }",
        "{ cw = { abort_early = 1 } }",
        "{ gaussian = {}, fgsm = {} }",
        "[{ cw = {} }, { bim = {} }]",
    ];
    for (section, key) in keys() {
        for value in values {
            let text = file(section, key, value);
            // JSON has no infinity, so what an editor sees of it is nothing.
            let valid = value != "inf" && validator.is_valid(&json(&text));
            match (parse(&text), valid) {
                (Ok(_), valid) => assert!(valid, "the schema refuses what is read: {text}"),
                (Err(error), true) => {
                    // Names and languages are the program's to check.
                    let is_name = key.name == "data" || error.what().contains("criterion");
                    assert!(is_language(&key.kind) || is_name, "the schema takes what is refused: {text}{error}");
                }
                (Err(_), false) => {}
            }
        }
    }
    for text in [
        "[model.a]\n",
        "models = 3\n",
        "[[report]]\n",
        "[models.'']\npath = 'a'\n",
        "[models]\npath = 'a.pt'\n",
        "[models.a]\n",
        "[data.a]\n",
        "[models.a]\npath = 'a'\nfunction = 'f'\n",
    ] {
        assert!(parse(text).is_err() && !validator.is_valid(&json(text)), "{text}");
    }
}

#[test]
fn files_of_the_examples_and_of_the_page_are_good() {
    let validator = validator();
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut texts = Vec::new();
    for folder in std::fs::read_dir(examples).expect("the examples") {
        let file = folder.expect("an example").path().join("cleanai.toml");
        if file.is_file() {
            texts.push(std::fs::read_to_string(file).expect("a file"));
        }
    }
    assert!(texts.len() >= 2, "the examples have moved");
    let page = page();
    let blocks = page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    // A name of data needs its table.
    let blocks: Vec<String> =
        blocks
            .map(|block| {
                if block.contains("data = ") { format!("{block}[data.digits]\ntest = 't'\n") } else { block.to_owned() }
            })
            .collect();
    assert_eq!(blocks.len(), SECTIONS.len());
    texts.extend(blocks);
    for text in texts {
        // Criteria of other crates' own have a namespace, and are read as any.
        parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert!(validator.is_valid(&json(&text)), "{text}");
    }
}

#[test]
fn every_augmentation_and_parameter_has_words() {
    for name in Augmentation::NAMES {
        assert!(!augmentations::says(name).is_empty(), "{name}");
        let parameters = augmentations::parameters(name);
        assert!(!parameters.is_empty());
        let mut written = Vec::new();
        for parameter in parameters {
            assert!(!parameter.says.is_empty(), "`{}` of {name}", parameter.name);
            written.extend(parameter.default.map(|default| format!("{} = {default}", parameter.name)));
        }
        // The defaults, written out, are the defaults.
        let text = |inside: &str| format!("[data.d]\ntest = 't'\naugment = {{ {name} = {{ {inside} }} }}\n");
        let all = text(&written.join(", "));
        assert_eq!(parse(&all).expect(&all).data, parse(&text("")).expect(name).data);
    }
}

#[test]
fn every_variable_of_a_key_is_described_and_read() {
    for (section, key) in keys() {
        let Some(name) = key.variable else { continue };
        let variable = VARIABLES
            .iter()
            .find(|variable| variable.name == name)
            .unwrap_or_else(|| panic!("{name} is not described"));
        assert!(matches!(variable.read, Read::By(_)), "{name} is not read");
        if section.name == "report" {
            assert!(crate::config::ReportTable::default().file(key.name).is_some(), "{name} changes nothing");
        }
    }
    for variable in VARIABLES {
        assert!(variable.name.starts_with(PREFIX) && !variable.says.is_empty());
        let read = Environment::read([(variable.name.into(), variable.example.into())]).expect(variable.name);
        assert_eq!(read.set.get(variable.name).map(String::as_str), Some(variable.example));
        let changed = Environment { set: std::collections::BTreeMap::new(), ..read } != Environment::default();
        assert_eq!(changed, matches!(variable.read, Read::By(_)), "{}", variable.name);
    }
}
