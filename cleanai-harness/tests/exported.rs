//! Programs of torch.export: of every torch that writes them and of every shape a model has, against what torch itself gives.

mod common;

use std::io::{Cursor, Read, Write};

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

/// A copy of an archive with its members changed; a member that is emptied is left out.
fn rewritten(whole: &[u8], change: &mut dyn FnMut(&str, &mut Vec<u8>)) -> Vec<u8> {
    let mut source = zip::ZipArchive::new(Cursor::new(whole)).unwrap();
    let mut target = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for index in 0..source.len() {
        let mut entry = source.by_index(index).unwrap();
        let (name, mut bytes) = (entry.name().unwrap().to_string(), Vec::new());
        entry.read_to_end(&mut bytes).unwrap();
        change(&name, &mut bytes);
        if !bytes.is_empty() {
            target.start_file(name, options).unwrap();
            target.write_all(&bytes).unwrap();
        }
    }
    target.finish().unwrap().into_inner()
}

fn bytes_of(program: &str) -> Vec<u8> {
    std::fs::read(fixture(&format!("exported/{program}"))).unwrap()
}

/// The first line of the error an archive gives; there is always help.
fn refused(what: &str, bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.pt2");
    std::fs::write(&path, bytes).unwrap();
    let error = Model::open(&path, DeviceChoice::Cpu).expect_err(what).to_string();
    let text = error.replace(&format!("{}/", folder.path().display()), "");
    assert!(text.contains("\n  help: "), "{what}: {text}");
    assert!(!text.contains("Exception") && !text.contains(".cpp"), "{what}: {text}");
    text.lines().next().unwrap_or_default().to_owned()
}

/// The error of a program with its graph, or a table of its weights, changed.
fn refused_json(what: &str, program: &str, member: &str, change: &dyn Fn(&mut Value)) -> String {
    let mut changed = 0;
    let bytes = rewritten(&bytes_of(program), &mut |name, bytes| {
        if name.ends_with(member) {
            let mut tree: Value = serde_json::from_slice(bytes).unwrap();
            change(&mut tree);
            *bytes = serde_json::to_vec(&tree).unwrap();
            changed += 1;
        }
    });
    assert_eq!(changed, 1, "{what}");
    refused(what, &bytes)
}

const GRAPH: &str = "models/model.json";
const WEIGHTS: &str = "model_weights_config.json";

type Change = fn(&mut Value);

#[test]
fn damaged_and_hostile_graphs_are_one_clear_error() {
    fn nodes(tree: &mut Value) -> &mut Value {
        &mut tree["graph_module"]["graph"]["nodes"]
    }
    fn meta(tree: &mut Value) -> &mut Value {
        &mut tree["config"]["fc.weight"]["tensor_meta"]
    }
    let cases: &[(&str, &str, Change, &str)] = &[
        (
            "two values of one name",
            GRAPH,
            |tree| nodes(tree)[1]["outputs"][0]["as_tensor"]["name"] = "linear".into(),
            "model.pt2: its graph is damaged: two of its values are named \"linear\"",
        ),
        (
            "a cycle",
            GRAPH,
            |tree| nodes(tree)[0]["inputs"][0]["arg"]["as_tensor"]["name"] = "mul".into(),
            "model.pt2: its graph is damaged: it reads the value \"mul\", which nothing before makes",
        ),
        (
            "no such output",
            GRAPH,
            |tree| {
                tree["graph_module"]["signature"]["output_specs"][0]["user_output"]["arg"]["as_tensor"]["name"] =
                    "nowhere".into()
            },
            "model.pt2: its graph is damaged: it returns the value \"nowhere\", which nothing makes",
        ),
        (
            "a loss",
            GRAPH,
            |tree| {
                tree["graph_module"]["signature"]["output_specs"][0] =
                    serde_json::json!({ "loss_output": { "arg": { "name": "add" } } })
            },
            "model.pt2: it has an output of kind loss_output, which is not supported",
        ),
        (
            "a changed buffer that is not there",
            GRAPH,
            |tree| {
                tree["graph_module"]["signature"]["output_specs"]
                    .as_array_mut()
                    .unwrap()
                    .push(serde_json::json!({ "buffer_mutation": { "arg": { "name": "add" }, "buffer_name": "none" } }))
            },
            "model.pt2: it changes a buffer that it does not have",
        ),
        (
            "a number that may vary",
            GRAPH,
            |tree| {
                *tree["graph_module"]["signature"]["input_specs"].as_array_mut().unwrap().last_mut().unwrap() =
                    serde_json::json!({ "user_input": { "arg": { "as_sym_int": { "as_name": "n" } } } })
            },
            "model.pt2: it takes a number that may vary (an input of kind as_sym_int); only tensors can be fed",
        ),
        (
            "an object of torch",
            GRAPH,
            |tree| tree["graph_module"]["signature"]["input_specs"][0] = serde_json::json!({ "custom_obj": { "arg": { "name": "o", "class_fqn": "c" }, "custom_obj_name": "o" } }),
            "model.pt2: it takes something that is no tensor (an input of kind custom_obj); only tensors can be fed",
        ),
        (
            "a file",
            GRAPH,
            |tree| nodes(tree)[0]["target"] = "torch.ops.aten.from_file.default".into(),
            "model.pt2: it calls aten::from_file, which reaches for files outside the model",
        ),
        (
            "an operator of the interpreter",
            GRAPH,
            |tree| nodes(tree)[0]["target"] = "torch.ops.prim.Print.default".into(),
            "model.pt2 calls prim::Print, an operator this libtorch does not have",
        ),
        (
            "a Python function",
            GRAPH,
            |tree| nodes(tree)[0]["target"] = "os.system".into(),
            "model.pt2: it calls os.system, which is no operator of torch itself",
        ),
        (
            "a missing argument",
            GRAPH,
            |tree| drop(nodes(tree)[0]["inputs"].as_array_mut().unwrap().remove(1)),
            "model.pt2: torch.ops.aten.linear.default (linear) cannot be built: Arguments for call are not valid",
        ),
        (
            "an argument of two kinds",
            GRAPH,
            |tree| nodes(tree)[0]["inputs"][0]["arg"]["as_int"] = 3.into(),
            "model.pt2: torch.ops.aten.linear.default has an argument without a kind",
        ),
        (
            "too few leaves",
            GRAPH,
            |tree| {
                tree["graph_module"]["module_call_graph"][0]["signature"]["in_spec"] = r#"[1, {"type": "t", "context": "", "children_spec": [{"type": "t", "context": "", "children_spec": []}, {"type": "t", "context": "", "children_spec": []}]}]"#.into()
            },
            "model.pt2: the tree of its inputs has fewer leaves than the graph has inputs",
        ),
        (
            "no tree",
            GRAPH,
            |tree| tree["graph_module"]["module_call_graph"][0]["signature"]["in_spec"] = "[1, {]".into(),
            "model.pt2: the tree of its inputs is damaged",
        ),
        (
            "an older schema",
            GRAPH,
            |tree| {
                tree["schema_version"] = serde_json::json!({ "major": 7, "minor": 3 });
                tree["torch_version"] = "2.5.1+cpu".into();
            },
            "model.pt2: it has export schema version 7 (written by 2.5.1+cpu), this CleanAI reads version 8",
        ),
        (
            "a newer schema",
            GRAPH,
            |tree| {
                tree["schema_version"]["minor"] = 99.into();
                tree["torch_version"] = "3.1.0".into();
            },
            "model.pt2: it has export schema version 8.99 (written by 3.1.0), this CleanAI reads version 8.0 to 8.20",
        ),
        (
            "no schema",
            GRAPH,
            |tree| drop(tree.as_object_mut().unwrap().remove("schema_version")),
            "model.pt2: it has export schema version none (written by 2.13.0+cu130), this CleanAI reads version 8",
        ),
        (
            "deep nesting",
            GRAPH,
            |tree| {
                nodes(tree)[0]["inputs"][0]["arg"] =
                    (0..100).fold(Value::Null, |inner, _| serde_json::json!({ "as_tensor": inner }))
            },
            "model.pt2: an operator has a damaged argument of kind as_tensor",
        ),
        (
            "strides that lead outside",
            WEIGHTS,
            |tree| meta(tree)["strides"][0]["as_int"] = 4.into(),
            "model.pt2: weight fc.weight has the shape [4, 3] with strides [4, 1] from 0, which leads outside the 12 values stored in the archive",
        ),
        (
            "an offset that leads outside",
            WEIGHTS,
            |tree| meta(tree)["storage_offset"]["as_int"] = 1.into(),
            "model.pt2: weight fc.weight has the shape [4, 3] with strides [3, 1] from 1, which leads outside the 12 values stored in the archive",
        ),
        (
            "a negative stride",
            WEIGHTS,
            |tree| meta(tree)["strides"][0]["as_int"] = (-3).into(),
            "model.pt2: weight fc.weight has a negative size or stride",
        ),
        (
            "a size beyond memory",
            WEIGHTS,
            |tree| {
                meta(tree)["sizes"] = serde_json::json!([{ "as_int": i64::MAX }, { "as_int": i64::MAX }]);
                meta(tree)["strides"] = serde_json::json!([{ "as_int": 0 }, { "as_int": 0 }]);
            },
            "model.pt2: weight fc.weight has the shape [9223372036854775807, 9223372036854775807], but only 12 values are stored in the archive",
        ),
        (
            "a symbolic size",
            WEIGHTS,
            |tree| meta(tree)["sizes"][0] = serde_json::json!({ "as_expr": { "expr_str": "s0" } }),
            "model.pt2: weight fc.weight has a size that is no number",
        ),
        (
            "fewer strides than sizes",
            WEIGHTS,
            |tree| drop(meta(tree)["strides"].as_array_mut().unwrap().pop()),
            "model.pt2: weight fc.weight has the shape [4, 3] with strides [3] from 0, which leads outside the 12 values stored in the archive",
        ),
        (
            "an unknown type",
            WEIGHTS,
            |tree| meta(tree)["dtype"] = 29.into(),
            "model.pt2: weight fc.weight has the unknown type 29",
        ),
        (
            "no table entry",
            WEIGHTS,
            |tree| drop(tree["config"].as_object_mut().unwrap().remove("fc.weight")),
            "model.pt2: fc.weight has no values in the archive",
        ),
        (
            "a pickle that is none",
            WEIGHTS,
            |tree| tree["config"]["fc.weight"]["use_pickle"] = true.into(),
            "model.pt2: data/weights/weight_0 is a damaged or truncated archive: the list of its members, at its end, is missing",
        ),
        (
            "a path",
            WEIGHTS,
            |tree| tree["config"]["fc.weight"]["path_name"] = "../../secret".into(),
            "model.pt2: weight fc.weight has its values in \"../../secret\", which leads outside the archive's folder of weights",
        ),
    ];
    let mut wrong = String::new();
    for (what, member, change, expected) in cases {
        let found = refused_json(what, "keywords.pt2", member, change);
        if found != *expected {
            wrong += &format!("{what}\n  found    {found:?}\n  expected {expected:?}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn damaged_and_hostile_state_dicts_are_one_clear_error() {
    // Changes a member of an archive within the archive of torch 2.6 or 2.8.
    let inner = |what: &str, program: &str, archive: &str, member: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut changed = 0;
        let bytes = rewritten(&bytes_of(program), &mut |name, bytes| {
            if name.ends_with(archive) {
                *bytes = rewritten(bytes, &mut |name, bytes| {
                    if name.ends_with(member) {
                        change(bytes);
                        changed += 1;
                    }
                });
            }
        });
        assert_eq!(changed, 1, "{what}");
        refused(what, &bytes)
    };
    let replace = |bytes: &mut Vec<u8>, old: &[u8], new: &[u8]| {
        let at = bytes.windows(old.len()).position(|window| window == old).expect("the text to replace");
        bytes.splice(at..at + old.len(), new.iter().copied());
    };
    let (old, state) = ("torch-2.6.pt2", "serialized_state_dict.pt");
    let cases = [
        (
            "a function",
            inner("a function", old, state, "data.pkl", &|bytes| {
                replace(bytes, b"ctorch._utils\n_rebuild_parameter\n", b"cos\nsystem\n");
            }),
            "model.pt2: serialized_state_dict.pt: data.pkl names os.system, which no plain tensor needs",
        ),
        (
            "another tensor",
            inner("another tensor", old, state, "data.pkl", &|bytes| {
                replace(bytes, b"_rebuild_tensor_v2\n", b"_rebuild_sparse_tensor\n");
            }),
            "model.pt2: serialized_state_dict.pt: data.pkl is damaged or not supported: it holds a tensor made by _rebuild_sparse_tensor, which is not supported",
        ),
        (
            "an unknown storage",
            inner("an unknown storage", old, state, "data.pkl", &|bytes| {
                replace(bytes, b"FloatStorage", b"QInt8Storage");
            }),
            "model.pt2: weight conv.weight has the unknown type QInt8Storage",
        ),
        (
            "the pickle cut off",
            inner("the pickle cut off", old, state, "data.pkl", &|bytes| bytes.truncate(40)),
            "model.pt2: serialized_state_dict.pt: data.pkl is damaged or not supported: it ends too early",
        ),
        (
            "a short storage",
            inner("a short storage", "torch-2.8.pt2", "weights/model.pt", "data/0", &|bytes| bytes.truncate(80)),
            "model.pt2: weight conv.weight has the shape [3, 2, 3, 3], but only 20 values are stored in the archive",
        ),
        (
            "a missing storage",
            inner("a missing storage", "torch-2.8.pt2", "weights/model.pt", "data/0", &Vec::clear),
            "model.pt2: weight conv.weight has its values in data/0, which is missing in the archive",
        ),
        (
            "no pickle",
            inner("no pickle", old, state, "data.pkl", &Vec::clear),
            "model.pt2: serialized_state_dict.pt: data.pkl is missing in the archive",
        ),
        (
            "the other end first",
            inner("the other end first", old, state, "byteorder", &|bytes| *bytes = b"big".to_vec()),
            "model.pt2: serialized_state_dict.pt: its weights are big-endian",
        ),
        (
            "no state dict",
            refused(
                "no state dict",
                &rewritten(&bytes_of(old), &mut |name, bytes| {
                    if name == state {
                        bytes.clear();
                    }
                }),
            ),
            "model.pt2: conv.weight has no values in the archive",
        ),
        (
            "half a state dict",
            refused(
                "half a state dict",
                &rewritten(&bytes_of(old), &mut |name, bytes| {
                    if name == state {
                        bytes.truncate(bytes.len() / 2);
                    }
                }),
            ),
            "model.pt2: serialized_state_dict.pt is a damaged or truncated archive: the list of its members, at its end, is missing",
        ),
        (
            "a path within",
            refused(
                "a path within",
                &rewritten(&bytes_of(old), &mut |name, bytes| {
                    if name == state {
                        let mut added = zip::ZipWriter::new_append(Cursor::new(std::mem::take(bytes))).unwrap();
                        added.start_file("archive/../../escaped", zip::write::SimpleFileOptions::default()).unwrap();
                        added.write_all(b"outside").unwrap();
                        *bytes = added.finish().unwrap().into_inner();
                    }
                }),
            ),
            "model.pt2: serialized_state_dict.pt is refused: its member archive/../../escaped has a path that leads outside the archive",
        ),
        (
            "a wrong checksum",
            {
                // The inner archive is stored as it is: one bit of a weight, and its checksum is another.
                let mut bytes = bytes_of("torch-2.8.pt2");
                let gain = 1.5f32.to_le_bytes();
                let at = bytes.windows(4).position(|window| window == gain).expect("the gain of the network");
                bytes[at] ^= 1;
                refused("a wrong checksum", &bytes)
            },
            "model.pt2: data/constants/model.pt is damaged: invalid checksum",
        ),
        (
            "another framework",
            {
                let mut keras = zip::ZipWriter::new(Cursor::new(Vec::new()));
                for member in ["metadata.json", "config.json", "model.weights.h5"] {
                    keras.start_file(member, zip::write::SimpleFileOptions::default()).unwrap();
                    keras.write_all(b"{}").unwrap();
                }
                refused("another framework", &keras.finish().unwrap().into_inner())
            },
            "model.pt2 is a zip archive, but neither TorchScript nor torch.export",
        ),
    ];
    let mut wrong = String::new();
    for (what, found, expected) in cases {
        if found != expected {
            wrong += &format!("{what}\n  found    {found:?}\n  expected {expected:?}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
