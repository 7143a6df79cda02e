//! Relevance is conserved at every cut, through every kind of network that has rules.

mod common;

use cleanai_harness::declare::DeviceChoice;
use cleanai_harness::importance::{Bias, Explained, Explainer, Relevance, Rules, Stabiliser};
use cleanai_harness::model::Model;
use common::kinds::inputs;
use common::{fixture, json, real_data};
use serde_json::Value;
use tch::{Kind, Tensor};

fn explain(path: &std::path::Path, file: &Value, rules: Rules) -> cleanai_harness::Result<Relevance> {
    let model = Model::open(path, DeviceChoice::Cpu)?;
    let mut model = model;
    let mut inputs = inputs(file);
    if file["kind"] == "gru_time_first" {
        inputs[0].1 = inputs[0].1.movedim_int(1, 0);
    }
    if model.fixed_batch() == Some(1) {
        inputs.iter_mut().for_each(|(_, tensor)| *tensor = tensor.narrow(0, 0, 1));
    }
    let borrowed: Vec<(&str, &Tensor)> = inputs.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    model.calibrate(&borrowed)?;
    let mut explainer = Explainer::new(model, rules)?;
    explainer.check_conservation();
    let layers: Vec<usize> = (0..explainer.model().layers().len()).collect();
    explainer.explain(&borrowed, None, &layers)
}

#[test]
fn kinds() {
    let golden = json(&fixture("golden/kinds.json"));
    for (name, file) in golden["files"].as_object().unwrap() {
        if file["kind"] == "condition" {
            continue;
        }
        match explain(&fixture("kinds").join(name), file, Rules::default()) {
            Ok(relevance) => eprintln!(
                "{name}: f {:.3?} errors {:?} excess {:?} inputs {}",
                relevance.outputs,
                relevance.errors,
                relevance.excess,
                relevance.inputs.len()
            ),
            Err(error) => eprintln!("{name}: ERROR {error} {:?}", error.help()),
        }
    }
}

#[test]
fn real() {
    let Some(data) = real_data() else { return };
    for (name, shape) in [
        ("lenet/deepxplore_lenet1", [5, 1, 28, 28]),
        ("lenet/deepxplore_lenet4", [5, 1, 28, 28]),
        ("lenet/deepxplore_lenet5", [5, 1, 28, 28]),
        ("cifar10/resnet20", [5, 3, 32, 32]),
    ] {
        for eps in [1e-2, 1e-9] {
            for form in ["traced.pt", "scripted.pt", "pt2"] {
                tch::manual_seed(7);
                let input = Tensor::rand(shape.as_slice(), (Kind::Float, tch::Device::Cpu));
                let model = Model::open(&data.join(format!("{name}.{form}")), DeviceChoice::Cpu).unwrap();
                let mut rules = Rules::default();
                rules.eps = eps;
                let mut explainer = Explainer::new(model, rules).unwrap();
                explainer.check_conservation();
                let relevance = explainer.explain(&[("x", &input)], None, &[]).unwrap();
                eprintln!(
                    "{name} {form} {eps}: errors {:?} excess {:?} {:.6e}",
                    relevance.errors,
                    relevance.excess,
                    relevance.inputs[0].abs().sum(Kind::Double).double_value(&[])
                );
            }
        }
    }
}

#[test]
fn stateful_debug() {
    let golden = json(&fixture("golden/kinds.json"));
    let file = &golden["files"]["stateful.pt"];
    let inputs = inputs(file);
    let borrowed: Vec<(&str, &Tensor)> = inputs.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    for calibrate in [false, true] {
        let mut model = Model::open(&fixture("kinds").join("stateful.pt"), DeviceChoice::Cpu).unwrap();
        if calibrate {
            model.calibrate(&borrowed).unwrap();
        }
        let outputs = model.run_named(&borrowed, &mut |_, _| Ok(())).unwrap();
        outputs[0].print();
        let mut explainer = Explainer::new(model, Rules::default()).unwrap();
        for _ in 0..3 {
            eprintln!("{:?}", explainer.explain(&borrowed, None, &[]).unwrap().outputs);
        }
    }
}
