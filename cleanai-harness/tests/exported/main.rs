//! Programs of torch.export: of every torch that writes them and of every shape a model has, against what torch itself gives.

mod archive;
#[path = "../common/mod.rs"]
mod common;
mod damaged_graphs;
mod damaged_state_dicts;

use cleanai_harness::declare::DeviceChoice;
use cleanai_harness::model::Model;
use cleanai_harness::model::signature;
use common::{fixture, json, same};
use serde_json::Value;
use tch::{Kind, Tensor};

fn open(name: &str) -> Model {
    let path = fixture(&format!("exported/{name}"));
    Model::open(&path, DeviceChoice::Cpu).unwrap_or_else(|error| panic!("{error}"))
}

/// A tensor of the golden file.
fn tensor(value: &Value) -> Tensor {
    let shape: Vec<i64> = serde_json::from_value(value["shape"].clone()).unwrap();
    let numbers: Vec<f64> = value["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| n.as_f64().unwrap_or_else(|| f64::from(n == true)))
        .collect();
    Tensor::from_slice(&numbers).to_kind(kind(value["type"].as_str().unwrap())).view(shape.as_slice())
}

fn kind(name: &str) -> Kind {
    match name {
        "float32" => Kind::Float,
        "float64" => Kind::Double,
        "float16" => Kind::Half,
        "bfloat16" => Kind::BFloat16,
        "int64" => Kind::Int64,
        "uint8" => Kind::Uint8,
        "bool" => Kind::Bool,
        other => panic!("no kind {other}"),
    }
}

fn tensors(values: &Value) -> Vec<Tensor> {
    values.as_array().unwrap().iter().map(tensor).collect()
}

/// Runs a model on its golden inputs, by the names its signature gives them.
fn outputs(what: &str, model: &mut Model, inputs: &[Tensor]) -> Vec<Tensor> {
    let names: Vec<String> = signature::leaves(&model.graph().signature).into_iter().map(|leaf| leaf.name).collect();
    assert_eq!(names.len(), inputs.len(), "{what}: {names:?}");
    let named: Vec<(&str, &Tensor)> = names.iter().map(String::as_str).zip(inputs).collect();
    model.run_named(&named, &mut |_, _| Ok(())).unwrap_or_else(|error| panic!("{what}: {error}"))
}

fn check_outputs(what: &str, found: &[Tensor], expected: &[Tensor]) {
    assert_eq!(found.len(), expected.len(), "{what}: number of outputs");
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!((found.size(), found.kind()), (expected.size(), expected.kind()), "{what}");
        let half = matches!(found.kind(), Kind::Half | Kind::BFloat16);
        let (found, expected) = (found.to_kind(Kind::Double), expected.to_kind(Kind::Double));
        // What is nearly cancelled out is as near as its terms.
        let largest = if expected.numel() == 0 { 0.0 } else { expected.abs().max().double_value(&[]) };
        let tolerance = if half { 1e-2 } else { 1e-6 };
        assert!(found.allclose(&expected, tolerance, tolerance * largest, false), "{what}: {found} is not {expected}");
    }
}

fn layer_names(model: &Model) -> Vec<String> {
    model.layers().iter().map(|layer| layer.name.clone()).collect()
}

/// The module tree: every path in the order of registration, the class of every module that is called.
fn check_modules(what: &str, model: &Model, expected: &Value) {
    let found = &model.graph().modules;
    let paths: Vec<&str> = found.iter().map(|module| module.path.as_str()).collect();
    let expected: Vec<(&str, &str)> = expected
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
        .collect();
    assert_eq!(paths, expected.iter().map(|(path, _)| *path).collect::<Vec<_>>(), "{what}");
    for (module, (path, class)) in found.iter().zip(expected) {
        assert!(module.class.is_empty() || module.class == class, "{what}: {path} is a {}", module.class);
        let called = model.graph().nodes.iter().any(|node| node.path == path);
        assert!(!called || !module.class.is_empty(), "{what}: {path} is called, its class is known");
    }
}

#[test]
fn every_torch_from_2_6_to_2_15_is_read_and_gives_the_same() {
    let golden = json(&fixture("golden/exported.json"));
    let golden = &golden["versions"];
    let traced = Model::open(&fixture("exported/versions.pt"), DeviceChoice::Cpu).unwrap();
    let files = golden["files"].as_object().unwrap();
    let mut torches: Vec<&str> = files.values().map(|file| file["torch"].as_str().unwrap()).collect();
    torches.dedup_by_key(|torch| torch.rsplit_once('.').unwrap().0);
    assert!(torches.len() >= 10, "{torches:?}");
    for name in files.keys() {
        let mut model = open(name);
        let found = outputs(name, &mut model, &tensors(&golden["inputs"]));
        check_outputs(name, &found, &tensors(&golden["outputs"]));
        assert_eq!(layer_names(&model), layer_names(&traced), "{name}");
        assert_eq!(serde_json::to_value(layer_names(&model)).unwrap(), golden["layers"], "{name}");
        let classes = |model: &Model| model.layers().iter().map(|layer| layer.class.clone()).collect::<Vec<_>>();
        assert_eq!(classes(&model), classes(&traced), "{name}");
        check_modules(name, &model, &golden["modules"]);
        let traced_paths = traced.graph().modules.iter().map(|module| &module.path);
        assert!(model.graph().modules.iter().map(|module| &module.path).eq(traced_paths), "{name}");
        if !matches!(name.as_str(), "torch-2.6.pt2" | "torch-2.6-deflated.pt2" | "torch-2.7.pt2") {
            // Strict exports leave weights out that no operator reads.
            assert_eq!(Some(model.graph().parameters), golden["parameters"].as_u64(), "{name}");
        }
        assert_eq!(model.graph().fixed_batch, None, "{name}");
        assert_eq!(model.graph().input_shape.as_deref(), Some(&[2, 4, 4][..]), "{name}");
        assert!(model.graph().state.is_empty(), "{name}");
    }
}

#[test]
fn every_kind_of_program_gives_what_torch_gives() {
    let golden = json(&fixture("golden/exported.json"));
    let cases: Vec<_> = golden.as_object().unwrap().iter().filter(|(name, _)| *name != "versions").collect();
    assert!(cases.len() >= 35);
    let programs = std::fs::read_dir(fixture("exported")).unwrap();
    let programs = programs.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|end| end == "pt2"));
    let versions = golden["versions"]["files"].as_object().unwrap().len();
    assert_eq!(programs.count(), cases.len() + versions, "every program has golden figures");
    for (name, case) in cases {
        if name == "branch" {
            continue;
        }
        let mut model = open(&format!("{name}.pt2"));
        let inputs = tensors(&case["inputs"]);
        let kept: Vec<Tensor> = inputs.iter().map(Tensor::copy).collect();
        let expected = tensors(&case["outputs"]);
        // Twice: buffers begin at the exported state every time, and nobody's tensors are overwritten.
        for _ in 0..2 {
            check_outputs(name, &outputs(name, &mut model, &inputs), &expected);
            assert!(
                inputs.iter().zip(&kept).all(|(input, kept)| same(input, kept)),
                "{name}: an input was overwritten"
            );
        }
        assert_eq!(serde_json::to_value(layer_names(&model)).unwrap(), case["layers"], "{name}");
        check_modules(name, &model, &case["modules"]);
        if name != "strict" {
            assert_eq!(Some(model.graph().parameters), case["parameters"].as_u64(), "{name}");
        }
        let traced = fixture(&format!("exported/{name}.pt"));
        if traced.exists() {
            let traced = Model::open(&traced, DeviceChoice::Cpu).unwrap();
            assert_eq!(layer_names(&model), layer_names(&traced), "{name}");
        }
        // The types the file tells are those of the inputs it was made with.
        for (leaf, input) in
            signature::leaves(&model.graph().signature).into_iter().zip(case["inputs"].as_array().unwrap())
        {
            assert_eq!(
                leaf.tensor.element.map(|element| element.name()),
                input["type"].as_str(),
                "{name} {}",
                leaf.name
            );
            let shape: Vec<usize> = serde_json::from_value(input["shape"].clone()).unwrap();
            let told = leaf.tensor.shape.clone().unwrap();
            assert_eq!(told.len(), shape.len(), "{name} {}", leaf.name);
            assert!(
                told.iter().zip(&shape).all(|(told, is)| told.is_none_or(|told| told == *is)),
                "{name} {}",
                leaf.name
            );
        }
    }
}

#[test]
fn arguments_are_named_as_forward_names_them() {
    let names = |file: &str| {
        let model = open(file);
        let leaves = signature::leaves(&model.graph().signature);
        leaves.into_iter().map(|leaf| leaf.name).collect::<Vec<_>>()
    };
    assert_eq!(names("tuple_input.pt2"), ["pair.0", "pair.1"]);
    assert_eq!(names("dictionary_input.pt2"), ["batch.image", "batch.mask"]);
    assert_eq!(names("named_tuple_input.pt2"), ["pair.left", "pair.right"]);
    assert_eq!(names("keywords.pt2"), ["x", "scale", "offset"]);
    assert_eq!(names("nested.pt2"), ["batch.pair.0", "batch.pair.1", "batch.weights.outer", "extra.0"]);
    assert_eq!(names("unused.pt2"), ["image", "label"]);
    assert_eq!(names("optional.pt2"), ["x", "pair.1"], "what was None or a number at export is no tensor");
    assert_eq!(names("torch-2.6.pt2"), ["x"]);
    let arguments: Vec<String> =
        open("optional.pt2").graph().signature.iter().map(|argument| argument.name.clone()).collect();
    assert_eq!(arguments, ["x", "mask", "power", "pair"]);
}

#[test]
fn a_fixed_batch_is_found_and_honoured() {
    let batch = |name: &str| open(name).graph().fixed_batch;
    assert_eq!(batch("fixed_1.pt2"), Some(1));
    assert_eq!(batch("fixed_4.pt2"), Some(4));
    assert_eq!(batch("besides_batch.pt2"), Some(4), "one row beside four, and a number");
    assert_eq!(batch("nested.pt2"), Some(2));
    assert_eq!(batch("keywords.pt2"), None);
    assert_eq!(batch("oversized.pt2"), None);
    let mut model = open("fixed_4.pt2");
    let three = Tensor::zeros([3, 2, 4, 4], (Kind::Float, tch::Device::Cpu));
    let error = model.run(&[&three], &mut |_, _| Ok(())).unwrap_err().to_string();
    assert!(error.contains("was exported for batches of exactly 4 inputs, it is given 3"), "{error}");
}

#[test]
fn buffers_that_change_are_told() {
    let state = |name: &str| {
        let model = open(name);
        let made: Vec<_> = model.graph().nodes.iter().flat_map(|node| node.outputs.clone()).collect();
        let state = &model.graph().state;
        assert!(state.iter().all(|update| made.contains(&update.value)), "{name}: nothing makes the new state");
        state.iter().map(|update| (update.buffer.clone(), update.bound)).collect::<Vec<_>>()
    };
    // fc.weight and fc.bias are bound before the buffers.
    for name in ["counter.pt2", "counter_functional.pt2"] {
        assert_eq!(state(name), [("calls".to_owned(), 2), ("mean".to_owned(), 3)], "{name}");
    }
    assert_eq!(state("slice_of_buffer.pt2"), [("memory".to_owned(), 2)]);
    for name in ["training.pt2", "training_functional.pt2"] {
        let names: Vec<String> = state(name).into_iter().map(|(buffer, _)| buffer).collect();
        assert_eq!(names, ["bn.running_mean", "bn.running_var", "bn.num_batches_tracked"], "{name}");
    }
    assert!(state("overwrites_input.pt2").is_empty() && state("overwrites_input_functional.pt2").is_empty());
    assert!(state("constants.pt2").is_empty());
}

#[test]
fn graphs_of_their_own_are_refused_with_their_place() {
    let error = Model::open(&fixture("exported/branch.pt2"), DeviceChoice::Cpu).unwrap_err().to_string();
    let (what, help) = error.split_once("\n  help: ").unwrap();
    let (_, what) = what.split_once("branch.pt2: ").unwrap();
    let (start, rest) = what.split_once(" (make_exported.py:").unwrap();
    assert_eq!((start, rest.split_once(')').unwrap().1), ("it calls cond", ", which runs graphs of its own"));
    assert!(help.contains("torch.jit.script"), "{help}");
}
