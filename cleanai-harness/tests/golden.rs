//! Every criterion on real models equals the figures of the reference oracle, within the tolerances stated beside them.

use std::path::{Path, PathBuf};

use cleanai_harness::data::transform;
use cleanai_harness::declare::{
    BaselinePolicy, CriterionSpec, DataChoice, DataLocation, Declaration, DeviceChoice, ModelChoice, NeuronKind,
    NonFinite, OnBadInput, Selector, TestIdentity,
};
use cleanai_harness::measure::{self, Measurement};
use serde_json::Value;

/// Criteria measured so far.
const NAMES: &[&str] = &["nc", "nac", "tknc", "tknp", "kmnc", "nbc", "snac"];

/// The folder of real models and data; `None`, loudly, where this machine has none.
fn data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("CLEANAI_DATA").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no real models at {} (set CLEANAI_DATA)", folder.display());
    None
}

fn golden(data: &Path, name: &str) -> Value {
    let path = data.join("../reference/golden").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    serde_json::from_str(&text).unwrap()
}

struct Case<'a> {
    model: &'a str,
    profile: &'a str,
    test: &'a str,
    transform: &'a str,
}

fn declaration(root: &Path, case: &Case<'_>) -> Declaration {
    let location = |path: &str| DataLocation { path: path.to_owned(), root: root.to_owned() };
    Declaration {
        test: TestIdentity {
            name: "golden".into(),
            package: String::new(),
            target: String::new(),
            file: PathBuf::new(),
            line: 0,
        },
        model: ModelChoice { name: case.model.to_owned(), path: root.join(case.model), device: DeviceChoice::Cpu },
        data: DataChoice {
            name: "data".into(),
            profile: Some(location(case.profile)),
            test: location(case.test),
            transform: transform::parse(case.transform).unwrap(),
            on_bad_input: OnBadInput::Fail,
        },
        layers: Selector::Default,
        neurons: NeuronKind::Channel,
        batch: 64,
        non_finite: NonFinite::Error,
        requirements: Vec::new(),
        baseline: BaselinePolicy::default(),
    }
}

/// How far a covered count may lie from the golden one (the golden folder's README).
fn slack(spec: &CriterionSpec, total: u64) -> u64 {
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

fn compare(name: &str, golden: &Value, measured: &Measurement, specs: &[(String, CriterionSpec)]) {
    for (text, spec) in specs {
        let expected = &golden["results"][text];
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
            assert_eq!(result.value, expected["value"].as_f64(), "{name} {text}: value");
        }
        let layers = expected["per_layer"].as_object().unwrap();
        assert_eq!(result.layers.len(), layers.len(), "{name} {text}: layers");
        for layer in &result.layers {
            let expected = layers.get(&layer.name).unwrap_or_else(|| panic!("{name} {text}: no layer {}", layer.name));
            match expected["covered"].as_u64() {
                Some(covered) => {
                    let slack = slack(spec, layer.total.unwrap());
                    assert_eq!(layer.total, expected["total"].as_u64(), "{name} {text} {}: total", layer.name);
                    assert!(
                        layer.covered.unwrap().abs_diff(covered) <= slack,
                        "{name} {text} {}: {:?} golden {covered}",
                        layer.name,
                        layer.covered
                    );
                }
                None => assert_eq!(layer.value, expected["value"].as_f64(), "{name} {text} {}", layer.name),
            }
        }
        if let Some(constant) = expected["constant_neurons"].as_u64() {
            assert_eq!(result.details["constant_neurons"].as_u64(), Some(constant), "{name} {text}: constant neurons");
        }
    }
}

fn check(golden_name: &str, stem: &str, case: &Case<'_>) {
    let Some(data) = data() else { return };
    let golden = golden(&data, golden_name);
    let mut specs: Vec<(String, CriterionSpec)> = Vec::new();
    for text in golden["results"].as_object().unwrap().keys() {
        let name = text.split(['(', '@']).next().unwrap_or(text);
        if NAMES.contains(&name) {
            specs.push((text.clone(), text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))));
        }
    }
    assert!(specs.len() >= 11, "only {} criteria of the golden file are measured", specs.len());
    let mut all: Vec<CriterionSpec> = specs.iter().map(|(_, spec)| spec.clone()).collect();
    all.push("accuracy".parse().unwrap());
    for form in ["traced.pt", "scripted.pt", "pt2"] {
        let model = format!("{stem}.{form}");
        let declaration = declaration(&data, &Case { model: &model, ..*case });
        let measured = measure::once(&declaration, &all).unwrap_or_else(|error| panic!("{model}: {error}"));
        compare(&model, &golden, &measured, &specs);
        assert_eq!(measured.criteria["accuracy"].value, golden["meta"]["test_accuracy"].as_f64(), "{model}: accuracy");
        assert_eq!(measured.data.inputs as u64, golden["meta"]["test_inputs"].as_u64().unwrap());
        eprintln!("{model}: {} criteria agree, {:.2} s", specs.len(), measured.seconds.total);
    }
}

const MNIST: Case<'static> = Case {
    model: "",
    profile: "mnist/train-images-idx3-ubyte.gz#0..2000",
    test: "mnist/t10k-images-idx3-ubyte.gz#0..500",
    transform: "[\"scale\"]",
};

#[test]
fn lenet1_on_mnist() {
    check("deepxplore_lenet1.json", "lenet/deepxplore_lenet1", &MNIST);
}

#[test]
fn lenet5_on_mnist() {
    check("deepxplore_lenet5.json", "lenet/deepxplore_lenet5", &MNIST);
}

#[test]
fn resnet20_on_cifar10() {
    let images = "cifar10/convnetjs_train4000_u8_nhwc.npy,cifar10/convnetjs_train4000_labels_matched_u8.npy";
    let case = Case {
        model: "",
        profile: &format!("{images}#0..400"),
        test: &format!("{images}#400..600"),
        transform: "[\"scale\", { normalize = { mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225] } }]",
    };
    check("cifar_resnet20.json", "cifar10/resnet20", &case);
}
