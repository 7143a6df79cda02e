//! The monitors on real models equal the figures of the reference oracle, within the tolerances of the goldens' README.

mod common;

use std::path::Path;

use cleanai_harness::data::DataSet;
use cleanai_harness::declare::{CriterionSpec, DataLocation, OnBadInput};
use cleanai_harness::measure::CriterionResult;
use common::{Case, declaration, json, measured, real_data};
use serde_json::Value;

const NAMES: &[&str] = &["src", "src_in_range", "mrc", "topk", "knn"];

/// The goldens' own word for a run without the untrusted set.
const WITHOUT: &str = "untrusted=False";

const TEST: &str = "mnist/t10k-images-idx3-ubyte.gz#0..500";

/// How far numbers of a monitor may lie apart: eta and tau, confidence, and accepted inputs.
struct Tolerance {
    eta: f64,
    confidence: f64,
    inputs: u64,
}

fn tolerance(name: &str) -> Tolerance {
    match name {
        "mrc" => Tolerance { eta: 0.3, confidence: 0.01, inputs: 1 },
        "knn" => Tolerance { eta: 1e-4, confidence: 1e-5, inputs: 0 },
        _ => Tolerance { eta: 1e-9, confidence: 1e-9, inputs: 0 },
    }
}

fn check(golden_name: &str, stem: &str, case: &Case<'_>, untrusted: Option<&Path>, entries: usize) {
    let Some(data) = real_data() else { return };
    let golden = json(&data.join("../reference/golden").join(golden_name));
    let results = golden["results"].as_object().unwrap();
    let named = |text: &&String| NAMES.contains(&text.split('(').next().unwrap());
    let spec = |text: &String| -> (String, CriterionSpec) {
        let own = text.replace(&format!("{WITHOUT}, "), "").replace(WITHOUT, "");
        (text.clone(), own.parse().unwrap_or_else(|error| panic!("{text}: {error}")))
    };
    let (without, with): (Vec<_>, Vec<_>) =
        results.keys().filter(named).map(spec).partition(|(text, _)| text.contains(WITHOUT));
    assert_eq!(without.len() + with.len(), entries, "entries of {golden_name}");
    for form in ["traced.pt", "scripted.pt", "pt2"] {
        let model = format!("{stem}.{form}");
        let mut declaration = declaration(&data, &Case { model: &model, ..*case });
        for (specs, untrusted) in [(&with, untrusted), (&without, None)] {
            declaration.data.untrusted =
                untrusted.map(|path| DataLocation { path: path.to_str().unwrap().to_owned(), root: data.clone() });
            let measured = measured(&declaration, specs);
            for (text, spec) in specs {
                let result = &measured.criteria[&spec.to_string()];
                compare(&format!("{model} {text}"), &spec.name, &results[text], result);
            }
        }
        eprintln!("{model}: {} monitors agree", with.len() + without.len());
    }
}

fn near(what: &str, found: Option<f64>, expected: &Value, tolerance: f64) {
    let found = found.unwrap_or_else(|| panic!("{what} is missing"));
    let expected = expected.as_f64().unwrap_or_else(|| panic!("{what}: golden {expected}"));
    assert!((found - expected).abs() <= tolerance, "{what}: {found}, golden {expected}");
}

fn compare(what: &str, name: &str, expected: &Value, result: &CriterionResult) {
    let detail = |name: &str| result.details.get(name).and_then(Value::as_f64);
    let total = expected["total"].as_u64().unwrap();
    assert_eq!(result.total, Some(total), "{what}: total");
    if name == "src_in_range" {
        in_range(what, expected, result);
        return;
    }
    let tolerance = tolerance(name);
    let covered = expected["covered"].as_u64().unwrap();
    assert!(result.covered.unwrap().abs_diff(covered) <= tolerance.inputs, "{what}: {:?}, {covered}", result.covered);
    assert_eq!(result.value.unwrap(), result.covered.unwrap() as f64 / total as f64, "{what}");
    let share = |inputs: f64| tolerance.inputs as f64 / inputs + 1e-12;
    assert_eq!(detail("trusted_inputs"), expected["trusted_inputs"].as_f64(), "{what}: trusted inputs");
    let trusted = detail("trusted_inputs").unwrap();
    let key = "trusted_acceptance_rate";
    near(&format!("{what}: {key}"), detail(key), &expected[key], share(trusted));
    assert!((detail("false_alarm_rate").unwrap() + detail(key).unwrap() - 1.0).abs() < 1e-12, "{what}");
    near(
        &format!("{what}: acceptance_rate"),
        detail("acceptance_rate"),
        &expected["acceptance_rate"],
        share(total as f64),
    );
    near(&format!("{what}: accuracy"), detail("accuracy"), &expected["accuracy"], 1e-12);
    let key = "accuracy_accepted";
    near(&format!("{what}: {key}"), detail(key), &expected[key], share(covered as f64));
    for key in ["auroc", "tpr_at_5_fpr", "untrusted_acceptance_rate"] {
        assert_eq!(expected.get(key).is_some(), result.details.contains_key(key), "{what}: {key}");
        if expected.get(key).is_some() {
            near(&format!("{what}: {key}"), detail(key), &expected[key], 1e-6);
        }
    }
    let classes = result.details["monitor"]["classes"].as_array().unwrap();
    for (class, count) in expected["trusted_per_class"].as_array().unwrap().iter().enumerate() {
        assert_eq!(classes[class]["trusted"], *count, "{what}: trusted of class {class}");
        let tau = &expected["tau"][class.to_string()];
        near(&format!("{what}: tau of class {class}"), classes[class]["tau"].as_f64(), tau, tolerance.eta);
    }
    assert_eq!(result.per_input.inputs, (0..total).collect::<Vec<_>>(), "{what}: inputs");
    let column = |name: &str| &result.per_input.columns.iter().find(|(own, _)| own == name).unwrap().1;
    for (name, tolerance) in [("eta", tolerance.eta), ("confidence", tolerance.confidence)] {
        for (input, expected) in expected[name].as_array().unwrap().iter().enumerate() {
            near(&format!("{what}: {name} of input {input}"), Some(column(name)[input]), expected, tolerance);
        }
    }
    let accepted = column("accepted").iter().filter(|accepted| **accepted == 1.0).count();
    assert_eq!(result.covered, Some(accepted as u64), "{what}: accepted");
}

fn in_range(what: &str, expected: &Value, result: &CriterionResult) {
    assert_eq!(result.covered, expected["covered"].as_u64(), "{what}");
    let rows = result.details["monitor"]["layers"].as_array().unwrap();
    assert_eq!(result.layers.len(), expected["per_layer"].as_object().unwrap().len(), "{what}: layers");
    for (layer, row) in result.layers.iter().zip(rows) {
        assert_eq!(row["layer"], layer.name.as_str(), "{what}");
        let own = &expected["per_layer"][&layer.name];
        assert_eq!(layer.covered, own["covered"].as_u64(), "{what} {}", layer.name);
        assert_eq!(layer.total, own["total"].as_u64(), "{what} {}", layer.name);
        for of in ["trusted", "untrusted"] {
            let own = &expected[of]["per_layer"][&layer.name]["value"];
            let found = &row[format!("in_range_{of}")];
            assert_eq!(found.as_f64(), own.as_f64(), "{what} {} {of}", layer.name);
        }
    }
    for of in ["trusted", "untrusted"] {
        let found = result.details.get(&format!("in_range_{of}")).and_then(Value::as_f64);
        assert_eq!(found, expected[of]["value"].as_f64(), "{what} {of}");
    }
}

const MNIST: Case<'static> =
    Case { model: "", profile: Some("mnist/train-images-idx3-ubyte.gz#0..2000"), test: TEST, transform: "[]" };

/// The first 200 test images, black and white exchanged, in numpy's format.
fn inverted(data: &Path, path: &Path) {
    let location = DataLocation { path: TEST.replace("0..500", "0..200"), root: data.to_owned() };
    let set = DataSet::open(&location, &[], OnBadInput::Fail).unwrap();
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, 1, 28, 28), }}", set.len());
    let header = format!("{header:<117}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    bytes.extend(header.as_bytes());
    for batch in set.batches(50) {
        let batch = batch.unwrap();
        assert_eq!(batch.inputs, batch.size);
        bytes.extend(batch.fields[0].values.to_floats().iter().flat_map(|pixel| (1.0 - pixel).to_le_bytes()));
    }
    std::fs::write(path, bytes).unwrap();
}

fn check_mnist(golden_name: &str, stem: &str) {
    let Some(data) = real_data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inverted.npy");
    inverted(&data, &path);
    check(golden_name, stem, &MNIST, Some(&path), 11);
}

#[test]
fn lenet1_on_mnist() {
    check_mnist("deepxplore_lenet1.json", "lenet/deepxplore_lenet1");
}

#[test]
fn lenet5_on_mnist() {
    check_mnist("deepxplore_lenet5.json", "lenet/deepxplore_lenet5");
}

#[test]
fn resnet20_on_cifar10() {
    let images = "cifar10/convnetjs_train4000_u8_nhwc.npy,cifar10/convnetjs_train4000_labels_matched_u8.npy";
    let case = Case {
        model: "",
        profile: Some(&format!("{images}#0..400")),
        test: &format!("{images}#400..600"),
        transform: "[{ normalize = { mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225] } }]",
    };
    check("cifar_resnet20.json", "cifar10/resnet20", &case, None, 6);
}
