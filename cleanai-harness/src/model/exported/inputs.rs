//! What `forward` takes: the tree of its arguments, the types of their tensors, and the batch size they are bound to.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::archive::Archive;
use super::schema::{Argument as ExportedArgument, CallSignature, ExportedModel, NamedTuple, TensorMeta, single};
use super::weights::element_type;
use crate::model::signature::{Argument, ArgumentType, TensorType};
use crate::{Error, Result};

/// A leaf of the arguments' tree, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leaf {
    /// A tensor, by the name of its value in the graph.
    Tensor(String),
    /// Something that was a constant at export, by its name there, and of what type.
    Constant(String, &'static str),
}

/// A bound input or a leaf of the arguments.
pub enum Input {
    /// A parameter, buffer or constant: its kind, its value in the graph, its name in the state dict.
    Bound { is_parameter: bool, value: String, target: String },
    /// What `forward` is given.
    User(Leaf),
}

/// The kind of input a spec describes.
pub fn input(archive: &Archive, spec: &ExportedArgument) -> Result<Input> {
    let damaged = || archive.error("an input has no kind").with_help("copy or export it again");
    let (kind, spec) = single(spec).ok_or_else(damaged)?;
    let text = |pointer: &str| spec.pointer(pointer).and_then(Json::as_str).map(str::to_owned);
    match kind {
        "parameter" | "buffer" | "tensor_constant" => {
            let (value, target) = (text("/arg/name"), text(&format!("/{kind}_name")));
            let (Some(value), Some(target)) = (value, target) else { return Err(damaged()) };
            Ok(Input::Bound { is_parameter: kind == "parameter", value, target })
        }
        "constant_input" => {
            let name = text("/name").ok_or_else(damaged)?;
            let kind = spec.get("value").and_then(Json::as_object).and_then(|value| value.keys().next());
            Ok(Input::User(Leaf::Constant(name, constant_type(kind.map_or("", String::as_str)))))
        }
        "user_input" => {
            if let Some(name) = text("/arg/as_tensor/name") {
                return Ok(Input::User(Leaf::Tensor(name)));
            }
            let kind = spec.get("arg").and_then(Json::as_object).and_then(|arg| arg.keys().next());
            match kind.map_or("", String::as_str) {
                kind @ ("as_none" | "as_int" | "as_float" | "as_bool" | "as_string") => {
                    Ok(Input::User(Leaf::Constant(String::new(), constant_type(kind))))
                }
                kind => {
                    let number = matches!(kind, "as_sym_int" | "as_sym_float" | "as_sym_bool");
                    let what = if number { "a number that may vary" } else { "something that is no tensor" };
                    Err(no_tensor(archive, what, kind))
                }
            }
        }
        other => Err(no_tensor(archive, "something that is no tensor", other)),
    }
}

fn no_tensor(archive: &Archive, what: &str, kind: &str) -> Error {
    archive
        .error(format!("it takes {what} (an input of kind {}); only tensors can be fed", kind.escape_debug()))
        .with_help("wrap the model in a module whose forward takes tensors only, and export that")
}

fn constant_type(kind: &str) -> &'static str {
    match kind {
        "as_int" => "int",
        "as_float" => "float",
        "as_bool" => "bool",
        "as_string" => "str",
        _ => "None",
    }
}

/// The arguments of `forward`, with the tensors of nested ones by name.
///
/// A leaf that was no tensor at export is a constant of the graph. It stays in the signature as an argument with a default;
/// within a tuple or dictionary it is left out.
pub fn signature(archive: &Archive, model: &ExportedModel, leaves: &[Leaf]) -> Result<Vec<Argument>> {
    let tensors = &model.graph_module.graph.tensor_values;
    let root = model.graph_module.module_call_graph.iter().find(|call| call.fqn.is_empty());
    let Some(call) = root.and_then(|call| call.signature.as_ref()) else {
        // Without a tree the leaves are the arguments.
        return Ok(leaves.iter().map(|leaf| argument(leaf_name(leaf), leaf_type(leaf, tensors))).collect());
    };
    let damaged =
        |why: &str| archive.error(format!("the tree of its inputs {why}")).with_help("copy or export it again");
    let Some((positional, keywords)) = arguments_of(call, &model.graph_module.treespec_namedtuple_fields) else {
        return Err(damaged("is damaged"));
    };
    let names = call.forward_arg_names.clone().unwrap_or_default();
    let mut rest = leaves;
    let mut arguments = Vec::new();
    for (place, tree) in positional.iter().enumerate() {
        let fallback = || rest.first().map(|leaf| without_path(leaf_name(leaf), tree)).unwrap_or_default();
        let name = names.get(place).cloned().unwrap_or_else(fallback);
        let kind =
            typed(tree, &mut rest, tensors).ok_or_else(|| damaged("has more leaves than the graph has inputs"))?;
        arguments.push(argument(&name, kind));
    }
    for (name, tree) in &keywords {
        let kind =
            typed(tree, &mut rest, tensors).ok_or_else(|| damaged("has more leaves than the graph has inputs"))?;
        arguments.push(argument(name, kind));
    }
    if !rest.is_empty() {
        return Err(damaged("has fewer leaves than the graph has inputs"));
    }
    Ok(arguments)
}

fn argument(name: &str, kind: ArgumentType) -> Argument {
    let has_default = matches!(kind, ArgumentType::Scalar(_) | ArgumentType::Other(_));
    Argument { name: name.to_owned(), kind, has_default }
}

fn leaf_name(leaf: &Leaf) -> &str {
    match leaf {
        Leaf::Tensor(name) | Leaf::Constant(name, _) => name,
    }
}

fn leaf_type(leaf: &Leaf, tensors: &BTreeMap<String, TensorMeta>) -> ArgumentType {
    match leaf {
        Leaf::Tensor(name) => {
            let meta = tensors.get(name);
            let element = meta.and_then(|meta| element_type(meta.dtype));
            ArgumentType::Tensor(TensorType { element, shape: meta.map(TensorMeta::sizes) })
        }
        Leaf::Constant(_, "None") => ArgumentType::Other("None".to_owned()),
        Leaf::Constant(_, kind) => ArgumentType::Scalar((*kind).to_owned()),
    }
}

/// A tree spec of torch's pytree.
#[derive(Debug, PartialEq, Eq)]
enum Tree {
    Leaf,
    Branch(Branches),
}

type Branches = Vec<(String, Tree)>;

/// The trees of the positional arguments and, by name, of the keywords.
fn arguments_of(call: &CallSignature, named_tuples: &BTreeMap<String, NamedTuple>) -> Option<(Vec<Tree>, Branches)> {
    let spec: Json = serde_json::from_str(&call.in_spec).ok()?;
    // [version, tree]
    let Tree::Branch(both) = tree(spec.get(1)?, named_tuples)? else { return None };
    let [(_, Tree::Branch(positional)), (_, Tree::Branch(keywords))] = <[_; 2]>::try_from(both).ok()? else {
        return None;
    };
    Some((positional.into_iter().map(|(_, tree)| tree).collect(), keywords))
}

fn tree(json: &Json, named_tuples: &BTreeMap<String, NamedTuple>) -> Option<Tree> {
    let Some(kind) = json.get("type")?.as_str() else { return Some(Tree::Leaf) };
    let children = json.get("children_spec")?.as_array()?;
    let context = json.get("context").and_then(Json::as_str).unwrap_or_default();
    let names: Option<Vec<String>> = match kind {
        "builtins.dict" | "collections.OrderedDict" | "collections.defaultdict" => keys(context),
        "collections.namedtuple" => named_tuples.get(context).map(|tuple| tuple.field_names.clone()),
        _ => None,
    };
    let names = match names {
        Some(names) if names.len() == children.len() => names,
        _ => (0..children.len()).map(|place| place.to_string()).collect(),
    };
    let children = children.iter().map(|child| tree(child, named_tuples));
    Some(Tree::Branch(names.into_iter().zip(children).map(|(name, tree)| Some((name, tree?))).collect::<Option<_>>()?))
}

/// The keys of a dictionary from its context: a JSON list, which a defaultdict has beside its factory.
fn keys(context: &str) -> Option<Vec<String>> {
    let context: Json = serde_json::from_str(context).ok()?;
    let keys = context.get("dict_context").unwrap_or(&context).as_array()?;
    Some(keys.iter().map(|key| key.as_str().map_or_else(|| key.to_string(), str::to_owned)).collect())
}

/// The type of a tree, whose leaves are taken from `rest`; `None` if there are too few.
fn typed(tree: &Tree, rest: &mut &[Leaf], tensors: &BTreeMap<String, TensorMeta>) -> Option<ArgumentType> {
    match tree {
        Tree::Leaf => {
            let (leaf, others) = rest.split_first()?;
            *rest = others;
            Some(leaf_type(leaf, tensors))
        }
        Tree::Branch(children) => {
            let mut fields = Vec::with_capacity(children.len());
            for (name, child) in children {
                let kind = typed(child, rest, tensors)?;
                if !matches!(kind, ArgumentType::Scalar(_) | ArgumentType::Other(_)) {
                    fields.push((name.clone(), kind));
                }
            }
            if fields.is_empty() {
                return Some(ArgumentType::Other("a structure without tensors".to_owned()));
            }
            Some(ArgumentType::Structure(fields))
        }
    }
}

/// `pair` of `pair_0`, the first leaf of a tuple.
fn without_path(name: &str, tree: &Tree) -> String {
    let mut path = String::new();
    let mut tree = tree;
    while let Tree::Branch(children) = tree {
        let Some((field, child)) = children.first() else { break };
        path = format!("{path}_{field}");
        tree = child;
    }
    name.strip_suffix(&path).unwrap_or(name).to_owned()
}

/// The only batch size that tensors of these sizes allow: their common first size, where none may vary. A tensor of one row
/// beside others of several goes with every one of them.
pub fn fixed_batch(sizes: &[Vec<Option<usize>>]) -> Option<usize> {
    let firsts: Option<Vec<usize>> = sizes.iter().filter_map(|sizes| sizes.first().copied()).collect();
    let firsts = firsts?;
    let largest = firsts.iter().copied().max()?;
    firsts.iter().all(|first| *first == largest || *first == 1).then_some(largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_read_whatever_they_are_made_of() {
        let leaf = r#"{"type": null, "context": null, "children_spec": []}"#;
        let branch = |kind: &str, context: &str, count: usize| {
            let text = format!(
                r#"{{"type": "{kind}", "context": {context:?}, "children_spec": [{}]}}"#,
                vec![leaf; count].join(",")
            );
            let named = NamedTuple { field_names: vec!["left".into(), "right".into()] };
            tree(&serde_json::from_str(&text).unwrap(), &BTreeMap::from([("Pair".to_owned(), named)]))
        };
        let fields =
            |names: &[&str]| Some(Tree::Branch(names.iter().map(|name| ((*name).to_owned(), Tree::Leaf)).collect()));
        assert_eq!(branch("builtins.tuple", "null", 2), fields(&["0", "1"]));
        assert_eq!(branch("builtins.dict", r#"["a", 3]"#, 2), fields(&["a", "3"]));
        assert_eq!(branch("collections.defaultdict", r#"{"dict_context": ["a"]}"#, 1), fields(&["a"]));
        assert_eq!(branch("collections.namedtuple", "Pair", 2), fields(&["left", "right"]));
        assert_eq!(branch("collections.namedtuple", "Unknown", 2), fields(&["0", "1"]));
        assert_eq!(branch("builtins.dict", "[]", 1), fields(&["0"]), "a damaged context");
        assert_eq!(tree(&Json::from(3), &BTreeMap::new()), None);
    }

    #[test]
    fn names_are_taken_from_the_first_leaf_where_there_are_no_others() {
        let pair = Tree::Branch(vec![("0".into(), Tree::Leaf), ("1".into(), Tree::Leaf)]);
        assert_eq!(without_path("pair_0", &pair), "pair");
        assert_eq!(without_path("x", &Tree::Leaf), "x");
        assert_eq!(without_path("odd", &pair), "odd");
    }

    #[test]
    fn a_batch_is_fixed_where_all_agree() {
        assert_eq!(fixed_batch(&[vec![Some(4), Some(3)]]), Some(4));
        assert_eq!(fixed_batch(&[vec![Some(1), Some(3)]]), Some(1));
        assert_eq!(fixed_batch(&[vec![None, Some(3)]]), None);
        assert_eq!(fixed_batch(&[vec![Some(4)], vec![Some(1), Some(3)], vec![]]), Some(4));
        assert_eq!(fixed_batch(&[vec![None], vec![Some(1)]]), None);
        assert_eq!(fixed_batch(&[vec![Some(4)], vec![Some(3)]]), None);
        assert_eq!(fixed_batch(&[vec![]]), None);
    }
}
