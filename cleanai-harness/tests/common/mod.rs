//! What the tests against the reference implementation share: declarations, and the comparison with golden figures.

#![allow(dead_code)] // every test target uses its own part

pub mod kinds;

use std::path::{Path, PathBuf};

use cleanai_harness::data::transform;
use cleanai_harness::declare::{
    BaselinePolicy, CriterionSpec, DataChoice, DataLocation, Declaration, DeviceChoice, ModelChoice, NeuronKind,
    NonFinite, OnBadInput, Selector, TestIdentity,
};
use cleanai_harness::measure::{self, Measurement};
use cleanai_harness::model::{Model, Observed};
use serde_json::Value;
use tch::Tensor;

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A file of `fixtures`.
pub fn fixture(path: &str) -> PathBuf {
    root().join("fixtures").join(path)
}

/// The folder of real models and data; `None`, loudly, where this machine has none.
pub fn real_data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("CLEANAI_DATA").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no real models at {} (set CLEANAI_DATA)", folder.display());
    None
}

pub fn json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// A model and data to measure; paths are relative to the same folder.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    pub model: &'a str,
    pub profile: Option<&'a str>,
    pub test: &'a str,
    pub transform: &'a str,
}

/// The declaration of a case: on the CPU, in batches of 64, without requirements.
pub fn declaration(root: &Path, case: &Case<'_>) -> Declaration {
    let location = |path: &str| DataLocation { path: path.to_owned(), root: root.to_owned() };
    Declaration {
        test: TestIdentity {
            name: "golden".into(),
            package: String::new(),
            target: String::new(),
            file: PathBuf::new(),
            line: 0,
        },
        model: ModelChoice::file(case.model, root.join(case.model), DeviceChoice::Cpu),
        against: None,
        data: DataChoice {
            name: "data".into(),
            profile: case.profile.map(location),
            untrusted: None,
            test: location(case.test),
            transform: transform::parse(case.transform).unwrap(),
            on_bad_input: OnBadInput::Fail,
            augment: Vec::new(),
        },
        layers: Selector::Default,
        neurons: NeuronKind::Channel,
        batch: 64,
        non_finite: NonFinite::Error,
        requirements: Vec::new(),
        baseline: BaselinePolicy::default(),
        report: Vec::new(),
    }
}

/// The criteria among the keys of golden results that are of one of these names, and how they are written.
pub fn specs(results: &Value, names: &[&str]) -> Vec<(String, CriterionSpec)> {
    let texts = results.as_object().unwrap().keys();
    let texts = texts.filter(|text| names.contains(&text.split(['(', '@']).next().unwrap_or(text)));
    texts.map(|text| (text.clone(), text.parse().unwrap_or_else(|error| panic!("{text}: {error}")))).collect()
}

/// Measures these criteria and the accuracy.
pub fn measured(declaration: &Declaration, specs: &[(String, CriterionSpec)]) -> Measurement {
    let mut all: Vec<CriterionSpec> = specs.iter().map(|(_, spec)| spec.clone()).collect();
    all.push("accuracy".parse().unwrap());
    measure::once(declaration, &all).unwrap_or_else(|error| panic!("{}: {error}", declaration.model.name))
}

/// How far a covered count may lie from the golden one (the READMEs of the golden folders).
pub fn slack(spec: &CriterionSpec, total: u64) -> u64 {
    if spec.name != "kmnc" {
        return 0;
    }
    let sections = total as f64;
    match spec.to_string() {
        text if text.contains("k=10,") || text.contains("k=10)") => 0,
        text if text.contains("k=100") && !text.contains("k=1000") => (5e-5 * sections).max(2.0) as u64,
        _ => (1e-4 * sections).max(3.0) as u64,
    }
}

/// Equal, or within a millionth for what sums values up.
fn assert_close(found: Option<f64>, expected: &Value, spec: &CriterionSpec, what: &str) {
    match (found, expected.as_f64()) {
        (Some(found), Some(expected)) if spec.name == "nlc" => {
            assert!((found - expected).abs() <= 1e-6 * expected, "{what}: {found}, golden {expected}");
        }
        (found, expected) => assert_eq!(found, expected, "{what}"),
    }
}

/// Compares every criterion, layer by layer, with the golden results.
pub fn compare(name: &str, results: &Value, measured: &Measurement, specs: &[(String, CriterionSpec)]) {
    for (text, spec) in specs {
        let expected = &results[text];
        let result = &measured.criteria[&spec.to_string()];
        if let Some(covered) = expected["covered"].as_u64() {
            let total = expected["total"].as_u64().unwrap();
            let slack = slack(spec, total);
            assert_eq!(result.total, Some(total), "{name} {text}: total");
            assert!(
                result.covered.unwrap().abs_diff(covered) <= slack,
                "{name} {text}: {:?} covered, golden {covered}",
                result.covered
            );
            let value = result.covered.unwrap() as f64 / total as f64;
            assert!((result.value.unwrap() - value).abs() < 1e-15, "{name} {text}: value");
        } else {
            assert_close(result.value, &expected["value"], spec, &format!("{name} {text}: value"));
        }
        // The reference tells which inputs joined, and nothing by layer.
        if let Some(members) = expected["members"].as_array() {
            let found: Vec<_> = result.contributions.iter().map(|own| own.input).collect();
            let members: Vec<_> = members.iter().filter_map(Value::as_u64).collect();
            assert_eq!(found, members, "{name} {text}: members");
            continue;
        }
        let layers = expected["per_layer"].as_object().unwrap();
        assert_eq!(result.layers.len(), layers.len(), "{name} {text}: layers");
        for layer in &result.layers {
            let expected = layers.get(&layer.name).unwrap_or_else(|| panic!("{name} {text}: no layer {}", layer.name));
            match expected["covered"].as_u64() {
                Some(covered) => {
                    let slack = slack(spec, layer.total.unwrap());
                    assert_eq!(layer.total, expected["total"].as_u64(), "{name} {text} {}: total", layer.name);
                    let found = layer.covered.unwrap();
                    assert!(
                        found.abs_diff(covered) <= slack,
                        "{name} {text} {}: {found} covered, golden {covered}",
                        layer.name
                    );
                }
                None => assert_close(layer.value, &expected["value"], spec, &format!("{name} {text} {}", layer.name)),
            }
        }
        // Counts beside the coverage, wherever the reference gives them.
        for count in ["constant_neurons", "upper", "lower"] {
            if let Some(expected) = expected[count].as_u64() {
                assert_eq!(result.details[count].as_u64(), Some(expected), "{name} {text}: {count}");
            }
        }
    }
}

/// What a run hands over: every layer with its shape, copied, and the outputs.
pub struct Ran {
    pub layers: Vec<cleanai_harness::model::LayerInfo>,
    pub values: Vec<Tensor>,
    pub outputs: Vec<Tensor>,
}

/// Runs an open model on one batch.
pub fn run(model: &mut Model, input: &Tensor) -> Ran {
    let layers = model.calibrate(&[("x", input)]).unwrap_or_else(|error| panic!("{error}"));
    let mut values: Vec<Tensor> = layers.iter().map(|_| Tensor::new()).collect();
    let outputs = model.run(&[input], &mut |observed, tensor| {
        if let Observed::Layer(index) = observed {
            assert_eq!(&tensor.size()[1..], layers[index].shape.iter().map(|n| *n as i64).collect::<Vec<_>>());
            values[index] = tensor.copy();
        }
        Ok(())
    });
    let outputs = outputs.unwrap_or_else(|error| panic!("{error}"));
    Ran { layers, values, outputs }
}

/// Bit for bit the same, of the same shape and type.
pub fn same(a: &Tensor, b: &Tensor) -> bool {
    a.size() == b.size() && a.kind() == b.kind() && a.equal(b)
}

/// The output of libtorch's own forward of a TorchScript file.
pub fn whole(path: &Path, input: &Tensor) -> Tensor {
    tch::jit::f_set_profiling_mode(false).unwrap();
    let module = tch::CModule::load(path).unwrap();
    tch::no_grad(|| module.forward_ts(&[input]).unwrap())
}
