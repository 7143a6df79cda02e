//! Relevance: conserved at every cut through every kind of network that has rules, and importance as the reference oracle has it.

mod common;

use std::path::Path;

use cleanai_harness::declare::DeviceChoice;
use cleanai_harness::importance::{Bias, Explainer, Relevance, Rule, Rules, Stabiliser};
use cleanai_harness::measure::CriterionResult;
use cleanai_harness::model::Model;
use common::kinds::{inputs, numbers};
use common::{Case, declaration, fixture, json, measured, real_data, specs};
use serde_json::Value;
use tch::{Kind, Tensor};

/// Networks with operators that have no rule, and which one the error names.
const WITHOUT_RULES: &[(&str, &str)] = &[
    ("gru_time_first", "aten::gru"),
    ("lstm", "aten::lstm"),
    ("loop.pt2", "aten::rnn_tanh_cell"),
    ("loop.scripted.pt", "aten::rnn_tanh_cell"),
    ("transformer.scripted.pt", "not computed in a run with gradients"),
    ("transformer_fused", "aten::_transformer_encoder_layer_fwd"),
    ("quantised_conv", "in double precision"),
    ("quantised_linear", "in double precision"),
];

fn borrowed(inputs: &[(String, Tensor)]) -> Vec<(&str, &Tensor)> {
    inputs.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect()
}

fn explain(path: &Path, file: &Value, rules: Rules) -> cleanai_harness::Result<(Relevance, Vec<f64>)> {
    let mut model = Model::open(path, DeviceChoice::Cpu)?;
    let mut inputs = inputs(file);
    if file["kind"] == "gru_time_first" {
        inputs[0].1 = inputs[0].1.movedim_int(1, 0);
    }
    if model.fixed_batch() == Some(1) {
        inputs.iter_mut().for_each(|(_, tensor)| *tensor = tensor.narrow(0, 0, 1));
    }
    let layers = model.calibrate(&borrowed(&inputs))?;
    let mut largest = Vec::new();
    model.run_named(&borrowed(&inputs), &mut |observed, tensor| {
        if observed == cleanai_harness::model::Observed::Logits {
            let flat = tensor.reshape([tensor.size()[0], -1]).to_kind(Kind::Double);
            largest = Vec::try_from(flat.max_dim(1, false).0).unwrap();
        }
        Ok(())
    })?;
    let mut explainer = Explainer::new(model, rules)?;
    explainer.check_conservation();
    let all: Vec<usize> = (0..layers.len()).collect();
    let relevance = explainer.explain(&borrowed(&inputs), None, &all)?;
    for (relevance, layer) in relevance.layers.iter().zip(&layers) {
        let shape: Vec<i64> = layer.shape.iter().map(|size| *size as i64).collect();
        assert_eq!(relevance.size()[1..], shape, "{}: {}", path.display(), layer.name);
    }
    Ok((relevance, largest))
}

#[test]
fn every_kind_conserves_relevance() {
    let golden = json(&fixture("golden/kinds.json"));
    let mut failures = Vec::new();
    for (name, file) in golden["files"].as_object().unwrap() {
        if file["kind"] == "condition" {
            continue;
        }
        let without = WITHOUT_RULES.iter().find(|(stem, _)| name.starts_with(stem));
        match (explain(&fixture("kinds").join(name), file, Rules::default()), without) {
            (Err(error), Some((_, operator))) if error.to_string().contains(operator) => {}
            (Err(error), _) => failures.push(format!("{name}: {error}")),
            (Ok(_), Some((_, operator))) => failures.push(format!("{name}: {operator} has no rule")),
            (Ok((relevance, largest)), None) => {
                for ((output, expected), excess) in relevance.outputs.iter().zip(&largest).zip(&relevance.excess) {
                    let tolerance = if name.contains("half") || name.contains("bfloat16") { 2e-2 } else { 1e-5 };
                    let near = (output - expected).abs() <= tolerance * expected.abs().max(0.1);
                    if !near || *excess > 1.0 {
                        failures
                            .push(format!("{name}: explains {output}, the logit is {expected}; excess {excess:.1e}"));
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn without_a_rule_the_gradient_can_stand_in() {
    let golden = json(&fixture("golden/kinds.json"));
    for name in ["lstm.pt", "lstm.scripted.pt", "lstm.pt2", "gru_time_first.pt", "loop.scripted.pt"] {
        let (path, file) = (fixture("kinds").join(name), &golden["files"][name]);
        let error = explain(&path, file, Rules::default()).unwrap_err();
        assert!(error.help().unwrap().contains("fallback = \"gradient\""), "{error}");
        let mut rules = Rules::default();
        rules.gradient_fallback = true;
        let (relevance, _) = explain(&path, file, rules).unwrap_or_else(|error| panic!("{name}: {error}"));
        let size: f64 = relevance.layers.iter().map(|layer| layer.abs().sum(Kind::Double).double_value(&[])).sum();
        assert!(size.is_finite() && size > 0.0, "{name}");
    }
}

#[test]
fn other_rules_go_by_ranges_of_layers() {
    let model = || Model::open(&fixture("models/mlp.pt"), DeviceChoice::Cpu).unwrap();
    let input = Tensor::arange(24, (Kind::Float, tch::Device::Cpu)).view([3, 8]).sin();
    let pixels = |rules: Rules| {
        let relevance = Explainer::new(model(), rules).unwrap().explain(&[("x", &input)], None, &[]).unwrap();
        Vec::<f64>::try_from(relevance.inputs[0].contiguous().view(-1)).unwrap()
    };
    let mut everywhere = Rules::default();
    everywhere.rule = Rule::ZPlus;
    assert_eq!(pixels(Rules::default().on("*", Rule::ZPlus).unwrap()), pixels(everywhere));
    assert_ne!(pixels(Rules::default().on("fc1", Rule::Gamma(0.5)).unwrap()), pixels(Rules::default()));
    assert_eq!(pixels(Rules::default().on("no such layer", Rule::ZPlus).unwrap()), pixels(Rules::default()));
    // The first range that matches counts.
    let twice = Rules::default().on("fc*", Rule::Epsilon).unwrap().on("*", Rule::ZPlus).unwrap();
    assert_eq!(pixels(twice), pixels(Rules::default()));
    for (layers, rule) in [("[", Rule::ZPlus), ("*", Rule::Gamma(-1.0)), ("*", Rule::AlphaBeta(0.5))] {
        assert!(Rules::default().on(layers, rule).is_err(), "{layers} {rule:?}");
    }
}

#[test]
fn what_cannot_be_explained_is_told() {
    let refused = |path: &str, rules: Rules| {
        let model = Model::open(&fixture(path), DeviceChoice::Cpu).unwrap();
        Explainer::new(model, rules).err().unwrap().to_string()
    };
    let mut rules = Rules::default();
    rules.eps = 0.0;
    assert!(refused("models/mlp.pt", rules).contains("must be above 0, not 0"));
    let mut explainer =
        Explainer::new(Model::open(&fixture("models/mlp.pt"), DeviceChoice::Cpu).unwrap(), Rules::default()).unwrap();
    let input = Tensor::zeros([2, 8], (Kind::Float, tch::Device::Cpu));
    let mut explain = |input: &Tensor, classes: &[i64], layers: &[usize]| {
        explainer.explain(&[("x", input)], Some(classes), layers).unwrap_err().to_string()
    };
    assert!(explain(&input, &[0, 99], &[]).contains("class 99 cannot be explained"));
    assert!(explain(&input, &[0], &[]).contains("1 classes are given for 2 inputs"));
    assert!(explain(&input, &[0, 0], &[77]).contains("there is no layer 77"));
    assert!(explain(&(input.zeros_like() * f64::NAN), &[0, 0], &[0]).contains("is not finite"));
    assert!(explain(&Tensor::zeros([2, 5], (Kind::Float, tch::Device::Cpu)), &[0, 0], &[]).contains("shape [2, 5]"));
}

const REAL: [(&str, [i64; 4]); 4] = [
    ("lenet/deepxplore_lenet1", [5, 1, 28, 28]),
    ("lenet/deepxplore_lenet4", [5, 1, 28, 28]),
    ("lenet/deepxplore_lenet5", [5, 1, 28, 28]),
    ("cifar10/resnet20", [5, 3, 32, 32]),
];

fn real_input(shape: [i64; 4]) -> Tensor {
    // The same digits and objects for every run: waves of different lengths.
    let count: i64 = shape.iter().product();
    let wave: Vec<f32> = (0..count).map(|at| ((at as f32) * 0.013).sin().abs()).collect();
    Tensor::from_slice(&wave).view(shape)
}

#[test]
fn real_networks_conserve_relevance_in_every_form() {
    let Some(data) = real_data() else { return };
    for (name, shape) in REAL {
        for eps in [1e-2, 1e-9] {
            let mut first: Option<Vec<f64>> = None;
            for form in ["traced.pt", "scripted.pt", "pt2"] {
                let model = Model::open(&data.join(format!("{name}.{form}")), DeviceChoice::Cpu).unwrap();
                let mut rules = Rules::default();
                rules.eps = eps;
                let mut explainer = Explainer::new(model, rules).unwrap();
                explainer.check_conservation();
                let relevance = explainer.explain(&[("x", &real_input(shape))], None, &[]).unwrap();
                let worst = relevance.excess.iter().copied().fold(0.0, f64::max);
                assert!(worst <= 1.0, "{name} {form}, eps {eps}: {:?}", relevance.errors);
                let pixels: Vec<f64> = Vec::try_from(relevance.inputs[0].contiguous().view(-1)).unwrap();
                let known = first.get_or_insert_with(|| pixels.clone());
                let largest = known.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
                let apart = known.iter().zip(&pixels).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                assert!(apart <= 1e-9 * largest, "{name} {form}: pixels differ by {apart}");
            }
        }
    }
}

#[test]
fn batches_do_not_matter() {
    let Some(data) = real_data() else { return };
    for (name, shape) in REAL {
        let open = || Model::open(&data.join(format!("{name}.pt2")), DeviceChoice::Cpu).unwrap();
        let mut explainer = Explainer::new(open(), Rules::default()).unwrap();
        let all = explainer.explain(&[("x", &real_input(shape))], None, &[0]).unwrap();
        for row in 0..shape[0] {
            let one = explainer.explain(&[("x", &real_input(shape).narrow(0, row, 1))], None, &[0]).unwrap();
            for (whole, single) in all.layers.iter().chain(&all.inputs).zip(one.layers.iter().chain(&one.inputs)) {
                let apart = (whole.narrow(0, row, 1) - single).abs().max().double_value(&[]);
                let largest = single.abs().max().double_value(&[]);
                assert!(apart <= 1e-9 * largest, "{name}, input {row}: {apart} of {largest}");
            }
        }
    }
}

/// The rules that a figure of another tool was made with.
fn rules_of(figure: &Value) -> Rules {
    let mut rules = Rules::default();
    (rules.bias, rules.stabiliser) = (Bias::Absorb, Stabiliser::Plain);
    rules.eps = figure["eps"].as_f64().unwrap_or(1e-12);
    rules.rule = match figure["rule"].as_str().unwrap() {
        "gamma" => Rule::Gamma(figure["gamma"].as_f64().unwrap()),
        "alpha_beta" => Rule::AlphaBeta(figure["alpha"].as_f64().unwrap()),
        "z_plus" => Rule::ZPlus,
        _ => Rule::Epsilon,
    };
    rules
}

#[test]
fn captum_zennit_and_gradients_agree() {
    let golden = json(&fixture("golden/relevance.json"));
    for case in golden["cases"].as_array().unwrap() {
        let name = case["model"].as_str().unwrap();
        let shape: Vec<i64> = numbers(&case["shape"]).iter().map(|size| *size as i64).collect();
        // The formula of the file.
        let input: Vec<f32> =
            (0..shape.iter().product::<i64>()).map(|at| (2 * ((at * at * 79) % 1009) - 1009) as f32 / 512.0).collect();
        let input = Tensor::from_slice(&input).view(shape.as_slice());
        let classes: Vec<i64> = numbers(&case["classes"]).iter().map(|class| *class as i64).collect();
        for figure in case["figures"].as_array().unwrap() {
            let (tool, rule, layer) = (&figure["tool"], &figure["rule"], figure["layer"].as_str().unwrap());
            let model = Model::open(&fixture(name), DeviceChoice::Cpu).unwrap();
            let wanted: Vec<usize> = model.layers().iter().position(|known| known.name == layer).into_iter().collect();
            let mut explainer = Explainer::new(model, rules_of(figure)).unwrap();
            let relevance = explainer.explain(&[("x", &input)], Some(&classes), &wanted).unwrap();
            for (own, logit) in relevance.outputs.iter().zip(numbers(&case["logits"])) {
                assert!((own - logit).abs() < 1e-9, "{name}: explains {own}, the logit is {logit}");
            }
            let own = if layer == "input" { &relevance.inputs[0] } else { &relevance.layers[0] };
            let own: Vec<f64> = Vec::try_from(own.contiguous().view(-1)).unwrap();
            let expected = numbers(&figure["values"]);
            assert_eq!(own.len(), expected.len(), "{name} {tool} {rule} {layer}");
            // With an absolute stabiliser beside ours, which is relative to the largest value; the tools differ by more among themselves in
            // the residual network.
            let tolerance = match (rule.as_str().unwrap(), name.contains("resnet")) {
                ("epsilon_of_largest", _) => 1e-9,
                (_, true) => 1e-5,
                _ => 1e-6,
            };
            let per_input = expected.len() / classes.len();
            for (input, (own, expected)) in own.chunks(per_input).zip(expected.chunks(per_input)).enumerate() {
                let largest = expected.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
                let apart = own.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                assert!(
                    apart <= tolerance * largest,
                    "{name} {tool} {rule} {layer}, input {input}: differs by {:.1e} of the largest",
                    apart / largest
                );
            }
        }
    }
}

/// Importance-driven coverage on real models, in every form they are saved in.
fn check_importance(golden_name: &str, stem: &str, case: &Case<'_>, at_least: usize) {
    let Some(data) = real_data() else { return };
    let golden = json(&data.join("../reference/golden").join(golden_name));
    let specs = specs(&golden["results"], &["idc"]);
    assert!(specs.len() >= at_least, "only {} entries in the golden file", specs.len());
    for form in ["traced.pt", "scripted.pt", "pt2"] {
        let model = format!("{stem}.{form}");
        let measured = measured(&declaration(&data, &Case { model: &model, ..*case }), &specs);
        for (text, spec) in &specs {
            compare(&format!("{model} {text}"), &golden["results"][text], &measured.criteria[&spec.to_string()]);
        }
        eprintln!("{model}: {} times idc agree, {:.1} s", specs.len(), measured.seconds.total);
    }
}

fn compare(name: &str, expected: &Value, result: &CriterionResult) {
    let layers: Vec<(&str, &Value)> = match expected["per_layer"].as_object() {
        Some(layers) => layers.iter().map(|(layer, value)| (layer.as_str(), value)).collect(),
        None => vec![(expected["layer"].as_str().unwrap(), expected)],
    };
    assert_eq!(result.layers.len(), layers.len(), "{name}");
    for (layer, expected_layer) in layers {
        let own =
            result.layers.iter().find(|own| own.name == layer).unwrap_or_else(|| panic!("{name}: no layer {layer}"));
        let detail = &result.details["importance"][layer];
        assert_eq!(own.covered, expected_layer["covered"].as_u64(), "{name} {layer}");
        assert_eq!(own.total, expected_layer["total"].as_u64(), "{name} {layer}");
        assert_eq!(detail["inputs"], expected["profile_inputs_used"], "{name} {layer}");
        let number = |value: &Value| value.as_f64().unwrap();
        let near = |own: f64, expected: f64, scale: f64, what: &str| {
            assert!((own - expected).abs() <= scale, "{name} {layer}: {what} {own}, golden {expected}");
        };
        let amplification = number(&expected["amplification"][layer]);
        near(number(&detail["amplification"]), amplification, 1e-6 * amplification, "amplification");
        let neurons = expected_layer["neurons"].as_array().unwrap();
        assert_eq!(detail["neurons"].as_array().unwrap().len(), neurons.len(), "{name} {layer}");
        let largest = number(&neurons[0]["relevance"]);
        for (own, expected) in detail["neurons"].as_array().unwrap().iter().zip(neurons) {
            assert_eq!(own["neuron"], expected["neuron"], "{name} {layer}");
            near(number(&own["relevance"]), number(&expected["relevance"]), 1e-6 * largest, "relevance");
            near(number(&own["silhouette"]), number(&expected["silhouette"]), 1e-5, "silhouette");
            let (own, expected) = (own["centroids"].as_array().unwrap(), expected["centroids"].as_array().unwrap());
            assert_eq!(own.len(), expected.len(), "{name} {layer}: clusters");
            for (own, expected) in own.iter().zip(expected) {
                near(number(own), number(expected), 1e-5 * number(expected).abs().max(1e-6), "centroid");
            }
        }
    }
}

const MNIST: Case<'static> = Case {
    model: "",
    profile: Some("mnist/train-images-idx3-ubyte.gz#0..2000"),
    test: "mnist/t10k-images-idx3-ubyte.gz#0..500",
    transform: "[\"scale\"]",
};

#[test]
fn importance_of_lenet1() {
    check_importance("deepxplore_lenet1.json", "lenet/deepxplore_lenet1", &MNIST, 8);
}

#[test]
fn importance_of_lenet5() {
    check_importance("deepxplore_lenet5.json", "lenet/deepxplore_lenet5", &MNIST, 12);
}

#[test]
fn importance_of_resnet20() {
    let images = "cifar10/convnetjs_train4000_u8_nhwc.npy,cifar10/convnetjs_train4000_labels_matched_u8.npy";
    let case = Case {
        model: "",
        profile: Some(&format!("{images}#0..400")),
        test: &format!("{images}#400..600"),
        transform: "[\"scale\", { normalize = { mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225] } }]",
    };
    check_importance("cifar_resnet20.json", "cifar10/resnet20", &case, 5);
}
