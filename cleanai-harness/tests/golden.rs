//! Every criterion on real models equals the figures of the reference oracle, within the tolerances stated beside them.

mod common;

use common::{Case, compare, declaration, json, measured, real_data, specs};

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
        transform: "[\"scale\", { normalize = { mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225] } }]",
    };
    check("cifar_resnet20.json", "cifar10/resnet20", &case);
}
