//! Graphs, and tables of weights, that are damaged or hostile.

use serde_json::Value;

use crate::archive::{bytes_of, refused, rewritten};

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
