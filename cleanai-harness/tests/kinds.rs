//! Every kind of model in every form it can be saved in: it opens, gives what torch gave, bit for bit what libtorch's own forward
//! gives, and has the same layers in all its forms.

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use cleanai_harness::declare::{DeviceChoice, ModelOptions, StateChoice};
use cleanai_harness::model::{LayerInfo, Model, Observed};
use common::kinds::{inputs, numbers};
use common::{fixture, json, same};
use serde_json::Value;
use tch::{IValue, Kind, Tensor};

/// Forms that hold something else than the network as it was written.
const NO_LAYERS_TO_COMPARE: &[&str] = &["frozen.pt", "ptl"];

/// Forms whose layers cannot be those of the others, and why.
const DIFFERENT_LAYERS: &[(&str, &str, &str)] = &[
    ("loop", "pt", "tracing takes the recurrent cell apart into linear and tanh"),
    ("transformer", "scripted.pt", "runs the whole block as one operator, as libtorch's own forward does"),
];

/// An argument as the file describes its nesting.
fn argument(shape: &Value, inputs: &[(String, Tensor)]) -> IValue {
    let tensor = |name: &str| {
        let (_, tensor) = inputs.iter().find(|(known, _)| known == name).unwrap();
        tensor.shallow_clone()
    };
    match shape {
        Value::Null => IValue::None,
        Value::String(name) => IValue::Tensor(tensor(name)),
        Value::Object(object) => {
            let (kind, parts) = object.iter().next().unwrap();
            match kind.as_str() {
                "tuple" => IValue::Tuple(parts.as_array().unwrap().iter().map(|part| argument(part, inputs)).collect()),
                "list" => IValue::TensorList(
                    parts.as_array().unwrap().iter().map(|part| tensor(part.as_str().unwrap())).collect(),
                ),
                "dictionary" => IValue::GenericDict(
                    parts
                        .as_object()
                        .unwrap()
                        .iter()
                        .map(|(key, part)| (IValue::String(key.clone()), argument(part, inputs)))
                        .collect(),
                ),
                other => panic!("no container {other}"),
            }
        }
        other => panic!("no argument {other}"),
    }
}

/// The tensors in what libtorch's own forward gives, in order.
fn tensors(value: IValue) -> Vec<Tensor> {
    match value {
        IValue::Tensor(tensor) => vec![tensor],
        IValue::Tuple(parts) | IValue::GenericList(parts) => parts.into_iter().flat_map(tensors).collect(),
        IValue::TensorList(parts) => parts,
        IValue::GenericDict(entries) => entries.into_iter().flat_map(|(_, value)| tensors(value)).collect(),
        other => panic!("an output {other:?}"),
    }
}

/// What libtorch's own forward of the whole file gives.
fn whole(path: &Path, model: &Model, file: &Value, inputs: &[(String, Tensor)]) -> Vec<Tensor> {
    tch::jit::f_set_profiling_mode(false).unwrap();
    let module = tch::CModule::load(path).unwrap();
    let described = file["arguments"].as_object().unwrap();
    // Old traces name their only argument otherwise.
    let first = described.values().next().unwrap();
    let arguments = model.graph().signature.iter();
    let arguments: Vec<IValue> =
        arguments.map(|known| argument(described.get(&known.name).unwrap_or(first), inputs)).collect();
    tensors(tch::no_grad(|| module.forward_is(&arguments).unwrap()))
}

struct Ran {
    layers: Vec<LayerInfo>,
    values: Vec<Tensor>,
    outputs: Vec<Tensor>,
}

fn run(model: &mut Model, inputs: &[(String, Tensor)]) -> Ran {
    let borrowed: Vec<(&str, &Tensor)> = inputs.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let layers = model.calibrate(&borrowed).unwrap_or_else(|error| panic!("{error}"));
    let mut values: Vec<Tensor> = layers.iter().map(|_| Tensor::new()).collect();
    let outputs = model.run_named(&borrowed, &mut |observed, tensor| {
        if let Observed::Layer(layer) = observed {
            values[layer] = tensor.copy();
        }
        Ok(())
    });
    Ran { layers, values, outputs: outputs.unwrap_or_else(|error| panic!("{error}")) }
}

fn row(inputs: &[(String, Tensor)], row: i64) -> Vec<(String, Tensor)> {
    inputs.iter().map(|(name, tensor)| (name.clone(), tensor.narrow(0, row, 1))).collect()
}

fn close(what: &str, found: &[Tensor], file: &Value) {
    let expected = file["outputs"].as_array().unwrap();
    assert_eq!(found.len(), expected.len(), "{what}: outputs");
    for (found, expected) in found.iter().zip(expected) {
        let shape: Vec<i64> = numbers(&expected["shape"]).iter().map(|size| *size as i64).collect();
        assert_eq!(found.size(), shape, "{what}");
        let tolerance = if expected["dtype"] == "float32" { 1e-5 } else { 1e-2 };
        let values: Vec<f64> = Vec::try_from(&found.to_kind(Kind::Double).contiguous().view(-1)).unwrap();
        for (found, expected) in values.iter().zip(numbers(&expected["values"])) {
            let difference = (found - expected).abs();
            assert!(difference <= tolerance * expected.abs().max(0.1), "{what}: {found}, torch gave {expected}");
        }
    }
}

#[test]
fn every_kind_gives_what_torch_gives() {
    let golden = json(&fixture("golden/kinds.json"));
    let mut layers_of: BTreeMap<String, Vec<(String, Vec<LayerInfo>)>> = BTreeMap::new();
    let mut failures = Vec::new();
    for (name, file) in golden["files"].as_object().unwrap() {
        if file["kind"] == "condition" {
            continue;
        }
        let checked = std::panic::catch_unwind(|| check(name, file));
        match checked {
            Ok(layers) => {
                if name.starts_with("old/") {
                    // Without classes torch 1.4 may write what torch of today does otherwise, under the same names.
                    let names: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
                    assert_eq!(names, ["relu", "fc"], "{name}");
                    continue;
                }
                let (stem, form) = name.split_once('.').unwrap();
                let of_kind = layers_of.entry(stem.to_owned()).or_default();
                if !NO_LAYERS_TO_COMPARE.contains(&form) {
                    of_kind.push((form.to_owned(), layers));
                }
            }
            Err(_) => failures.push(name.clone()),
        }
    }
    assert!(failures.is_empty(), "{failures:?}");
    for (stem, forms) in layers_of {
        let (first_form, first) = &forms[0];
        for (form, layers) in &forms[1..] {
            let differ = DIFFERENT_LAYERS.iter().any(|(of, one, _)| *of == stem && (one == form || one == first_form));
            assert_eq!(layers != first, differ, "{stem}: layers of {form} and {first_form}:\n{layers:#?}\n{first:#?}");
        }
    }
}

fn check(name: &str, file: &Value) -> Vec<LayerInfo> {
    let path = fixture("kinds").join(name);
    let mut inputs = inputs(file);
    let mut model = Model::open(&path, DeviceChoice::Cpu).unwrap_or_else(|error| panic!("{error}"));
    let parameters = file["parameters"].as_u64().unwrap();
    assert_eq!(model.graph().parameters, parameters, "{name}: parameters");
    let of_torch = inputs.iter().map(|(name, tensor)| (name.clone(), tensor.copy())).collect::<Vec<_>>();
    if file["kind"] == "gru_time_first" {
        inputs[0].1 = inputs[0].1.movedim_int(1, 0);
    }
    let torchscript = name.ends_with(".pt") || name.ends_with(".ptl");
    if model.branches_on_data() {
        assert_eq!(model.fixed_batch(), Some(1));
        for index in 0..file["batch"].as_i64().unwrap() {
            let one = row(&inputs, index);
            let ran = run(&mut model, &one);
            for (found, expected) in ran.outputs.iter().zip(whole(&path, &model, file, &one)) {
                assert!(same(found, &expected), "{name}, input {index}: differs from libtorch's own forward");
            }
        }
        return run(&mut model, &row(&inputs, 0)).layers;
    }
    let ran = run(&mut model, &inputs);
    close(name, &ran.outputs, file);
    if torchscript && file["kind"] != "cuda" {
        for (found, expected) in ran.outputs.iter().zip(whole(&path, &model, file, &of_torch)) {
            assert!(same(found, &expected), "{name}: differs from libtorch's own forward");
        }
    }
    // The second run starts where the first one did.
    let again = run(&mut model, &inputs);
    for (first, second) in ran.outputs.iter().zip(&again.outputs) {
        assert!(same(first, second), "{name}: the second run differs");
    }
    for (index, (first, second)) in ran.values.iter().zip(&again.values).enumerate() {
        assert!(same(first, second), "{name}: the second run differs in {}", ran.layers[index].name);
    }
    ran.layers
}

#[test]
fn state_can_be_kept() {
    let golden = json(&fixture("golden/kinds.json"));
    for form in ["pt", "scripted.pt", "pt2"] {
        let name = format!("stateful.{form}");
        let file = &golden["files"][&name];
        let options = ModelOptions { device: DeviceChoice::Cpu, state: StateChoice::Keep, ..ModelOptions::default() };
        let mut model = Model::open_with(&fixture("kinds").join(&name), &options).unwrap();
        let inputs = inputs(file);
        let borrowed: Vec<(&str, &Tensor)> = inputs.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        model.run_named(&borrowed, &mut |_, _| Ok(())).unwrap();
        let second = model.run_named(&borrowed, &mut |_, _| Ok(())).unwrap();
        let values: Vec<f64> = Vec::try_from(&second[0].to_kind(Kind::Double).contiguous().view(-1)).unwrap();
        for (found, expected) in values.iter().zip(numbers(&file["second_outputs"][0])) {
            assert!(
                (found - expected).abs() < 1e-5 * expected.abs().max(1.0),
                "{name}: {found}, torch gave {expected}"
            );
        }
    }
}
