//! Every network of `fixtures/models` and of the example, in its three forms: layers, outputs and figures as the reference has them.

mod common;

use cleanai_harness::data::{DataSet, transform};
use cleanai_harness::declare::{DataLocation, DeviceChoice, OnBadInput, Selector};
use cleanai_harness::model::Model;
use common::{Case, compare, declaration, fixture, json, measured, root, run, same, specs, whole};
use serde_json::Value;
use tch::{Kind, Tensor};

const DIGITS: &str = "[\"grayscale\", \"scale\", { normalize = { mean = [0.5], std = [0.5] } }]";

/// The traced, the scripted and the exported file of a network, relative to the repository.
fn files(name: &str) -> [String; 3] {
    let folder = if name == "lenet5" { "examples/digits/models" } else { "fixtures/models" };
    [format!("{folder}/{name}.pt"), format!("fixtures/models/{name}.scripted.pt"), format!("{folder}/{name}.pt2")]
}

/// The four inputs a network's stored outputs belong to: in the file, or the first four of the test set it names.
fn inputs(network: &Value) -> Tensor {
    let mut shape: Vec<i64> = network["input_shape"].as_array().unwrap().iter().map(|n| n.as_i64().unwrap()).collect();
    shape.insert(0, 4);
    let values: Vec<f32> = match &network["inputs"] {
        Value::String(path) => {
            let steps = transform::parse(if path.ends_with(".npz") { "[]" } else { DIGITS }).unwrap();
            let location = DataLocation { path: format!("{path}#0..4"), root: root() };
            let set = DataSet::open(&location, &steps, OnBadInput::Fail).unwrap();
            set.batches(4).next().unwrap().unwrap().fields[0].values.to_floats().into_owned()
        }
        rows => numbers(rows).iter().map(|number| *number as f32).collect(),
    };
    Tensor::from_slice(&values).view(shape.as_slice())
}

/// All numbers of nested lists, in order.
fn numbers(value: &Value) -> Vec<f64> {
    match value.as_array() {
        Some(items) => items.iter().flat_map(numbers).collect(),
        None => vec![value.as_f64().unwrap()],
    }
}

fn check_layers(what: &str, network: &Value, layers: &[cleanai_harness::model::LayerInfo]) {
    let expected = network["layers"].as_array().unwrap();
    let names =
        |list: &[Value]| list.iter().map(|layer| layer["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(layers.iter().map(|layer| layer.name.clone()).collect::<Vec<_>>(), names(expected), "{what}");
    for (layer, expected) in layers.iter().zip(expected) {
        let found = serde_json::json!({
            "name": layer.name,
            "class": layer.class,
            "operator": layer.operator,
            "shape": layer.shape,
            "channel_axis": layer.channel_axis,
            "channels": layer.channels(),
            "units": layer.units(),
        });
        assert_eq!(&found, expected, "{what}");
    }
}

fn check_output(what: &str, network: &Value, output: &Tensor) {
    let expected = numbers(&network["output"]);
    let output: Vec<f32> = Vec::try_from(&output.to_kind(Kind::Float).contiguous().view(-1)).unwrap();
    assert_eq!(output.len(), expected.len(), "{what}: size of the output");
    let largest = expected.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    for (at, (found, expected)) in output.iter().zip(&expected).enumerate() {
        // Relative to the number itself; what is nearly cancelled out, to the largest.
        let difference = (f64::from(*found) - expected).abs();
        assert!(
            difference <= 1e-5 * expected.abs().max(0.1 * largest),
            "{what}: output {at} is {found}, stored {expected}"
        );
    }
}

#[test]
fn every_form_of_every_network_is_what_the_reference_says() {
    let golden = json(&fixture("golden/networks.json"));
    let networks = golden["networks"].as_object().unwrap();
    let files_there = std::fs::read_dir(fixture("models")).unwrap().count();
    // `bias_free.pt` has its own, in relevance.json.
    assert_eq!(files_there, 3 * (networks.len() - 1) + 2, "every model has golden figures");
    for (name, network) in networks {
        let input = inputs(network);
        let mut first = None;
        for file in files(name) {
            let path = root().join(&file);
            let mut model = Model::open(&path, DeviceChoice::Cpu).unwrap_or_else(|error| panic!("{error}"));
            let ran = run(&mut model, &input);
            check_layers(&file, network, &ran.layers);
            let layer = |index: Option<usize>| index.map(|index| model.layers()[index].name.clone());
            assert_eq!(layer(model.logits_layer()).as_deref(), network["logits"].as_str(), "{file}: logits");
            let penultimate = model.select(&Selector::Penultimate).unwrap();
            assert_eq!(
                layer(penultimate.first().copied()).as_deref(),
                network["penultimate"].as_str(),
                "{file}: penultimate"
            );
            assert_eq!(model.graph().parameters, network["parameters"].as_u64().unwrap(), "{file}: parameters");
            assert_eq!(ran.outputs.len(), 1, "{file}: outputs");
            check_output(&file, network, &ran.outputs[0]);
            if file.ends_with(".pt") {
                assert!(same(&ran.outputs[0], &whole(&path, &input)), "{file}: the output differs from libtorch's own");
            }
            let first = first.get_or_insert_with(|| run(&mut Model::open(&path, DeviceChoice::Cpu).unwrap(), &input));
            assert!(same(&ran.outputs[0], &first.outputs[0]), "{file}: the output differs from the traced form's");
            for (index, layer) in ran.values.iter().enumerate() {
                assert!(
                    same(layer, &first.values[index]),
                    "{file}: layer {} differs from the traced form's",
                    ran.layers[index].name
                );
            }
        }
    }
}

#[test]
fn a_run_changes_nothing_for_the_next() {
    let golden = json(&fixture("golden/networks.json"));
    for (name, network) in golden["networks"].as_object().unwrap() {
        let input = inputs(network);
        for file in files(name) {
            let mut model = Model::open(&root().join(&file), DeviceChoice::Cpu).unwrap();
            let kept = input.copy();
            let first = run(&mut model, &input);
            let second = run(&mut model, &input);
            assert!(same(&input, &kept), "{file}: the input was overwritten");
            for (index, layer) in first.values.iter().enumerate() {
                assert!(same(layer, &second.values[index]), "{file}: layer {}", first.layers[index].name);
            }
            assert!(same(&first.outputs[0], &second.outputs[0]), "{file}: output");
        }
    }
}

/// All criteria of the golden file on the three forms of a network.
fn check_figures(name: &str, transform: &str) {
    let golden = json(&fixture(&format!("golden/{name}.json")));
    let results = &golden["criteria"];
    let specs = specs(results, &["nc", "nac", "tknc", "tknp", "kmnc", "nbc", "snac"]);
    assert_eq!(specs.len(), results.as_object().unwrap().len(), "every criterion of the golden file is measured");
    assert!(specs.len() >= 30);
    let path = |key: &str| golden[key].as_str().unwrap();
    assert_eq!(golden["batch"], 64);
    for file in files(name) {
        let case = Case { model: &file, profile: Some(path("profile")), test: path("test"), transform };
        let measured = measured(&declaration(&root(), &case), &specs);
        compare(&file, results, &measured, &specs);
        assert_eq!(measured.criteria["accuracy"].value, golden["accuracy"].as_f64(), "{file}: accuracy");
        assert_eq!(measured.data.inputs as u64, golden["test_inputs"].as_u64().unwrap());
        assert_eq!(measured.data.profile_inputs.unwrap() as u64, golden["profile_inputs"].as_u64().unwrap());
    }
}

#[test]
fn lenet5_has_the_figures_of_the_reference() {
    check_figures("lenet5", DIGITS);
}

#[test]
fn resnet_has_the_figures_of_the_reference() {
    check_figures("resnet", "[]");
}
