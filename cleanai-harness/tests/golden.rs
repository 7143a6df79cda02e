//! Every criterion on real models equals the figures of the reference oracle, within the tolerances stated beside them.

mod common;

use cleanai_harness::declare::CriterionSpec;
use cleanai_harness::measure::{self, CriterionResult};
use common::{Case, compare, declaration, json, measured, real_data, specs};
use serde_json::Value;

/// Criteria measured so far.
const NAMES: &[&str] = &["nc", "nac", "tknc", "tknp", "kmnc", "nbc", "snac", "cc", "nlc", "ss", "sv", "vs", "vv"];

/// Written in the golden files, but refused here: a single layer has no adjacent ones.
const REFUSED: &[&str] = &["ss(layers=\"penultimate\")"];

fn check(golden_name: &str, stem: &str, case: &Case<'_>) {
    let Some(data) = real_data() else { return };
    let golden = json(&data.join("../reference/golden").join(golden_name));
    let mut specs = specs(&golden["results"], NAMES);
    specs.retain(|(text, _)| !REFUSED.contains(&text.as_str()));
    assert!(specs.len() >= 21, "only {} criteria of the golden file are measured", specs.len());
    for form in ["traced.pt", "scripted.pt", "pt2"] {
        let model = format!("{stem}.{form}");
        let measured = measured(&declaration(&data, &Case { model: &model, ..*case }), &specs);
        compare(&model, &golden["results"], &measured, &specs);
        assert_eq!(measured.criteria["accuracy"].value, golden["meta"]["test_accuracy"].as_f64(), "{model}: accuracy");
        assert_eq!(measured.data.inputs as u64, golden["meta"]["test_inputs"].as_u64().unwrap());
        eprintln!("{model}: {} criteria agree, {:.2} s", specs.len(), measured.seconds.total);
    }
}

const CIFAR: &str = "[\"scale\", { normalize = { mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225] } }]";

const MNIST: Case<'static> = Case {
    model: "",
    profile: Some("mnist/train-images-idx3-ubyte.gz#0..2000"),
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
        profile: Some(&format!("{images}#0..400")),
        test: &format!("{images}#400..600"),
        transform: CIFAR,
    };
    check("cifar_resnet20.json", "cifar10/resnet20", &case);
}

/// The quantities of the CleanAI library on the first five test inputs, which the reference marks by `first=5`.
fn check_cleanai(golden_name: &str, stem: &str) {
    let Some(data) = real_data() else { return };
    let golden = json(&data.join("../reference/golden").join(golden_name));
    let results = golden["results"].as_object().unwrap();
    let own = |text: &str| text.starts_with("cleanai::").then(|| text.replace("first=5, ", "").replace("first=5", ""));
    let specs: Vec<(String, CriterionSpec)> =
        results.keys().filter_map(|key| Some((key.clone(), own(key)?.parse().unwrap()))).collect();
    assert!(specs.len() >= 14, "only {} golden entries", specs.len());
    let case = Case { test: "mnist/t10k-images-idx3-ubyte.gz#0..5", ..MNIST };
    for form in ["traced.pt", "scripted.pt", "pt2"] {
        let model = format!("{stem}.{form}");
        let measured = measured(&declaration(&data, &Case { model: &model, ..case }), &specs);
        for (key, spec) in &specs {
            let result = &measured.criteria[&spec.to_string()];
            compare_cleanai(&format!("{model} {key}"), &results[key], result);
        }
    }
}

fn compare_cleanai(name: &str, expected: &Value, result: &CriterionResult) {
    let layers = expected["per_layer"].as_object();
    for (layer, expected) in layers.into_iter().flatten() {
        let own = result.layers.iter().find(|own| own.name == *layer).unwrap_or_else(|| panic!("{name}: no {layer}"));
        assert_eq!(own.covered, expected["covered"].as_u64(), "{name} {layer}");
        assert_eq!(own.total, expected["total"].as_u64(), "{name} {layer}");
        if let Some(mean) = expected["mean"][0].as_f64() {
            assert!((result.details["means"][layer].as_f64().unwrap() - mean).abs() <= 1e-6 * mean, "{name} {layer}");
        }
        if let Some(sum) = expected["sum"].as_f64() {
            assert!((result.details["sums"][layer].as_f64().unwrap() - sum).abs() <= 1e-6 * sum, "{name} {layer}");
        }
    }
    if let Some(layers) = layers {
        assert_eq!(result.layers.len(), layers.len(), "{name}");
    }
    for detail in ["layer_index", "modules", "selected"] {
        if let Some(expected) = expected.get(detail) {
            assert_eq!(&result.details[detail], expected, "{name}: {detail}");
        }
    }
    for (layer, range) in expected["bounds"].as_object().into_iter().flatten() {
        for end in 0..2 {
            let (own, expected) = (result.details["bounds"][layer][end].as_f64(), range[end].as_f64().unwrap());
            assert!(
                (own.unwrap() - expected).abs() <= 1e-5 * expected.abs(),
                "{name} {layer}: {own:?}, golden {expected}"
            );
        }
    }
    match expected["intervals"].as_array() {
        Some(intervals) => {
            for (index, interval) in intervals.iter().enumerate() {
                assert_eq!(result.details["intervals_covered"][index], interval["covered"], "{name} {index}");
                assert_eq!(result.total, interval["total"].as_u64(), "{name} {index}");
                let figure = result.details[&format!("interval_{}", index + 1)].as_f64().unwrap();
                assert!((figure - interval["value"].as_f64().unwrap()).abs() < 1e-15, "{name} {index}");
            }
        }
        None => {
            let (own, expected) = (result.value.unwrap(), expected["value"].as_f64().unwrap());
            assert!((own - expected).abs() <= 1e-6 * expected.abs(), "{name}: {own}, golden {expected}");
            assert_eq!(result.covered, result.layers.iter().map(|layer| layer.covered).sum(), "{name}");
        }
    }
}

#[test]
fn cleanai_on_lenet1() {
    check_cleanai("deepxplore_lenet1.json", "lenet/deepxplore_lenet1");
}

#[test]
fn cleanai_on_lenet5() {
    check_cleanai("deepxplore_lenet5.json", "lenet/deepxplore_lenet5");
}

#[test]
fn cleanai_without_activation_modules_is_an_error() {
    let Some(data) = real_data() else { return };
    let case = Case {
        model: "cifar10/resnet20.traced.pt",
        profile: None,
        test: "cifar10/convnetjs_train4000_u8_nhwc.npy#0..5",
        transform: "[\"scale\"]",
    };
    let error = measure::once(&declaration(&data, &case), &["cleanai::nc".parse().unwrap()]).unwrap_err();
    assert!(error.what().contains("calls no module of class ReLU, Sigmoid"), "{error}");
    assert!(error.help().unwrap().contains("`nc`, `nac`"), "{error}");
}

/// How sure the model is and how often it is right, bin by bin; the reference has all of it in one entry.
fn check_confidence(golden_name: &str, stem: &str, case: &Case<'_>) {
    let Some(data) = real_data() else { return };
    let golden = json(&data.join("../reference/golden").join(golden_name));
    let (expected, inputs) = (&golden["results"]["calibration()"], golden["meta"]["test_inputs"].as_u64().unwrap());
    let specs = ["ece", "high_confidence"].map(|text| (text.to_owned(), text.parse().unwrap()));
    let close = |found: &Value, expected: &Value, what: &str| match (found.as_f64(), expected.as_f64()) {
        (Some(found), Some(expected)) => {
            assert!((found - expected).abs() <= 1e-6, "{what}: {found}, golden {expected}")
        }
        _ => assert_eq!(found, expected, "{what}"),
    };
    for form in ["traced.pt", "scripted.pt", "pt2"] {
        let model = format!("{stem}.{form}");
        let measured = measured(&declaration(&data, &Case { model: &model, profile: None, ..*case }), &specs);
        let (ece, high) = (&measured.criteria["ece"], &measured.criteria["high_confidence"]);
        close(&ece.value.into(), &expected["ece"], &format!("{model}: ece"));
        close(&ece.details["accuracy"], &expected["accuracy"], &format!("{model}: accuracy"));
        assert_eq!(ece.details["without_confidence"], 0, "{model}");
        let bins = expected["bins"].as_array().unwrap();
        let own = ece.details["bins"].as_array().unwrap();
        assert_eq!(own.len(), bins.len(), "{model}");
        for (at, (own, bin)) in own.iter().zip(bins).enumerate() {
            assert_eq!(own["lower"].as_f64(), bin["lo"].as_f64(), "{model} bin {at}");
            assert_eq!(own["upper"].as_f64(), bin["hi"].as_f64(), "{model} bin {at}");
            assert_eq!(own["inputs"], bin["count"], "{model} bin {at}");
            close(&own["accuracy"], &bin["accuracy"], &format!("{model} bin {at}: accuracy"));
            close(&own["mean_confidence"], &bin["confidence"], &format!("{model} bin {at}: mean confidence"));
            assert_eq!(ece.details[&format!("bin_{}", at + 1)], own["accuracy"], "{model} bin {at}");
        }
        let last = bins.last().unwrap();
        assert_eq!((high.covered, high.total), (last["count"].as_u64(), Some(inputs)), "{model}: high confidence");
        close(&high.details["accuracy"], &last["accuracy"], &format!("{model}: accuracy at high confidence"));
        // One row for each input, which together are the figures.
        for result in [ece, high] {
            let columns = &result.per_input.columns;
            assert_eq!(result.per_input.inputs, (0..inputs).collect::<Vec<_>>(), "{model}");
            assert!(columns.iter().all(|(_, numbers)| numbers.len() as u64 == inputs), "{model}");
            let right: f64 = columns[2].1.iter().sum();
            assert_eq!(Some(right / inputs as f64), golden["meta"]["test_accuracy"].as_f64(), "{model}");
            assert_eq!(result.classes.values().map(|class| class.inputs).sum::<u64>(), inputs, "{model}");
        }
        eprintln!("{model}: ece {}, golden {}", ece.value.unwrap(), expected["ece"]);
    }
}

#[test]
fn confidence_of_the_lenets_and_resnet20() {
    check_confidence("deepxplore_lenet1.json", "lenet/deepxplore_lenet1", &MNIST);
    check_confidence("deepxplore_lenet5.json", "lenet/deepxplore_lenet5", &MNIST);
    let images = "cifar10/convnetjs_train4000_u8_nhwc.npy,cifar10/convnetjs_train4000_labels_matched_u8.npy#400..600";
    check_confidence(
        "cifar_resnet20.json",
        "cifar10/resnet20",
        &Case { model: "", profile: None, test: images, transform: CIFAR },
    );
}
