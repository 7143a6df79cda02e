//! From an exported program to a graph libtorch can run.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value as Json;
use tch::{Device, Kind, Tensor};

use super::archive::Archive;
use super::schema::{Argument as ExportedArgument, ExportedModel, ExportedNode, Payload, TensorMeta};
use crate::model::graph::{Graph, Module, Node, ValueId};
use crate::model::signature::{Argument, ArgumentType, TensorType};
use crate::model::torchscript::ffi::{Constant, Element, Program};
use crate::model::torchscript::{first_paragraph, unknown_operator};
use crate::{Error, Result};

/// Checks of shapes that were assumed at export; they compute nothing.
const GUARDS: &[&str] = &[
    "_assert_scalar",
    "_assert_tensor_metadata",
    "_assert_async",
    "sym_constrain_range",
    "sym_constrain_range_for_size",
];

/// Operators that reach for other files.
const FILES: &[&str] = &["aten::save", "aten::from_file"];

struct Builder<'a> {
    archive: &'a mut Archive,
    program: Program,
    nodes: Vec<Node>,
    values: HashMap<String, ValueId>,
    constants: HashMap<String, ValueId>,
}

pub fn build(archive: &mut Archive, model: &ExportedModel, device: Option<usize>) -> Result<(Program, Graph)> {
    let program = Program::new()?;
    let mut builder =
        Builder { archive, program, nodes: Vec::new(), values: HashMap::new(), constants: HashMap::new() };
    let (inputs, parameters) = builder.inputs(model, device)?;
    for node in &model.graph_module.graph.nodes {
        builder.node(node)?;
    }
    let outputs = builder.outputs(model)?;
    let first = inputs.first().map(|(name, _)| name);
    let sizes = first
        .and_then(|name| model.graph_module.graph.tensor_values.get(name))
        .map(TensorMeta::sizes)
        .unwrap_or_default();
    let input_shape =
        sizes.get(1..).and_then(|rest| rest.iter().map(|size| size.and_then(|n| usize::try_from(n).ok())).collect());
    let fixed_batch = sizes.first().copied().flatten().and_then(|n| usize::try_from(n).ok());
    let classes = builder.classes(model);
    let modules = model.graph_module.module_call_graph.iter();
    let modules = modules
        .map(|call| Module { class: classes.get(&call.fqn).cloned().unwrap_or_default(), path: call.fqn.clone() });
    let graph = Graph {
        nodes: builder.nodes,
        inputs: inputs.iter().map(|(_, id)| *id).collect(),
        flat: true,
        signature: inputs.iter().map(|(name, _)| argument(name)).collect(),
        outputs,
        modules: modules.collect(),
        parameters,
        weight_element: None,
        input_shape,
        fixed_batch,
    };
    Ok((builder.program, graph))
}

impl Builder<'_> {
    /// Weights, buffers and constants as bound inputs, then the user's: their names and values, and the number of parameters.
    fn inputs(&mut self, model: &ExportedModel, device: Option<usize>) -> Result<(Vec<(String, ValueId)>, u64)> {
        let weights = self.archive.payloads("weights")?.config;
        let constants = self.archive.payloads("constants")?.config;
        let (mut user, mut parameters) = (Vec::new(), 0);
        let mut loaded: HashMap<String, Tensor> = HashMap::new();
        for spec in &model.graph_module.signature.input_specs {
            let (kind, spec) = single(spec).ok_or_else(|| self.archive.error("an input has no kind"))?;
            let name = spec.pointer("/arg/name").or_else(|| spec.pointer("/arg/as_tensor/name")).and_then(Json::as_str);
            let Some(name) = name else {
                return Err(self
                    .archive
                    .error(format!("an input of kind {kind} is no tensor"))
                    .with_help("wrap the model in a module whose forward takes tensors only, and export that"));
            };
            let target = ["parameter_name", "buffer_name", "tensor_constant_name"]
                .iter()
                .find_map(|key| spec.get(key)?.as_str());
            if kind == "user_input" {
                user.push(name.to_owned());
                continue;
            }
            let Some(target) = target else {
                return Err(self.archive.error(format!("an input of kind {kind} is not supported")));
            };
            if !loaded.contains_key(target) {
                let (folder, payload) = match (weights.get(target), constants.get(target)) {
                    (Some(payload), _) => ("weights", payload),
                    (None, Some(payload)) => ("constants", payload),
                    (None, None) => return Err(self.archive.error(format!("{target} has no values in the archive"))),
                };
                let tensor = self.tensor(target, folder, payload)?;
                let tensor = tensor.f_to_device(device.map_or(Device::Cpu, Device::Cuda));
                let tensor = tensor.map_err(|why| {
                    self.archive.error(format!(
                        "weight {target} does not fit on the device: {}",
                        first_paragraph(&why.to_string())
                    ))
                })?;
                if kind == "parameter" {
                    parameters += tensor.numel() as u64;
                }
                loaded.insert(target.to_owned(), tensor);
            }
            let id = self.program.input(Some(&loaded[target])).map_err(|e| self.explain("weights", &e))?;
            self.values.insert(name.to_owned(), id);
        }
        let mut inputs = Vec::new();
        for name in user {
            let id = self.program.input(None).map_err(|e| self.explain("inputs", &e))?;
            self.values.insert(name.clone(), id);
            inputs.push((name, id));
        }
        Ok((inputs, parameters))
    }

    /// One weight from its raw bytes; strides and offset are checked against what is there.
    fn tensor(&mut self, name: &str, folder: &str, payload: &Payload) -> Result<Tensor> {
        let bad = |archive: &Archive, why: &str| archive.error(format!("weight {name} {why}"));
        if payload.use_pickle {
            return Err(bad(self.archive, "is pickled, not raw").with_help("export it again with torch 2.9 or later"));
        }
        let meta = payload.tensor_meta.as_ref().ok_or_else(|| bad(self.archive, "has no description"))?;
        let kind = scalar_kind(meta.dtype)
            .ok_or_else(|| bad(self.archive, &format!("has the unknown type {}", meta.dtype)))?;
        let (sizes, strides) = (TensorMeta::fixed(&meta.sizes), TensorMeta::fixed(&meta.strides));
        let offset = meta.storage_offset.get("as_int").and_then(Json::as_i64);
        let (Some(sizes), Some(strides), Some(offset)) = (sizes, strides, offset) else {
            return Err(bad(self.archive, "has a size that is no number"));
        };
        if payload.path_name.contains(['/', '\\']) || payload.path_name == ".." {
            return Err(bad(
                self.archive,
                &format!(
                    "has its values in {:?}, which leads outside the archive's folder of {folder}",
                    payload.path_name
                ),
            )
            .with_help("no export writes such a name; get the file again from where it comes from"));
        }
        let member = format!("data/{folder}/{}", payload.path_name);
        let width = kind.elt_size_in_bytes() as u64;
        let stored = self.archive.size(&member).ok_or_else(|| {
            bad(self.archive, &format!("has its values in {}, which is missing in the archive", member.escape_debug()))
                .with_help("copy or export it again")
        })?;
        let stored = stored / width;
        // The last element reached, without overflow whatever the file says.
        let mut last = i128::from(offset);
        let mut elements: i128 = 1;
        for (size, stride) in sizes.iter().zip(&strides) {
            if *size < 0 || *stride < 0 {
                return Err(bad(self.archive, "has a negative size or stride"));
            }
            elements = elements.saturating_mul(i128::from(*size));
            last += i128::from((*size - 1).max(0)) * i128::from(*stride);
        }
        if sizes.len() != strides.len() || offset < 0 || (elements > 0 && last >= i128::from(stored)) {
            let shape = format!("has the shape {sizes:?}, but only {stored} values are stored in the archive");
            return Err(bad(self.archive, &shape).with_help("copy or export it again"));
        }
        let bytes = self.archive.member(&member, stored * width)?;
        if elements == 0 {
            return Tensor::f_zeros(&sizes, (kind, Device::Cpu))
                .map_err(|why| bad(self.archive, &first_paragraph(&why.to_string())));
        }
        let count = (bytes.len() as u64 / width) as usize;
        let flat = Tensor::f_from_data_size(&bytes[..count * width as usize], &[count as i64], kind)
            .map_err(|why| bad(self.archive, &first_paragraph(&why.to_string())))?;
        let view = flat
            .f_as_strided(&sizes, &strides, offset)
            .map_err(|why| bad(self.archive, &first_paragraph(&why.to_string())))?;
        // A view of an oversized storage would keep all of it.
        Ok(if elements < count as i128 { view.copy() } else { view })
    }

    fn node(&mut self, node: &ExportedNode) -> Result<()> {
        let operator = operator_of(&node.target).ok_or_else(|| {
            self.archive
                .error(format!("it calls {}, which is no operator of torch itself", node.target))
                .with_help("export the model without custom operators and higher-order control flow")
        })?;
        if FILES.contains(&operator.as_str()) {
            return Err(self.archive.error(format!("it calls {operator}, which reaches for files outside the model")));
        }
        if GUARDS.iter().any(|guard| operator.ends_with(guard)) {
            return Ok(());
        }
        let (mut arguments, mut read) = (Vec::new(), Vec::new());
        for input in &node.inputs {
            let value = self.argument(&node.target, &input.arg, &mut read)?;
            // Arithmetic on sizes has no argument names in TorchScript.
            let name = if node.target.starts_with("_operator.") { String::new() } else { input.name.clone() };
            arguments.push((name, value));
        }
        let names = output_names(&node.outputs);
        let results = self
            .program
            .call(&operator, &arguments, names.len())
            .map_err(|error| self.explain(&format!("{} ({})", node.target, names.join(", ")), &error))?;
        for (name, id) in names.iter().zip(&results) {
            self.values.insert(name.clone(), *id);
        }
        let (path, class) = innermost_module(node);
        let tensors = node.outputs.iter().all(|output| output.keys().any(|key| key.starts_with("as_tensor")));
        self.nodes.push(Node {
            kind: operator,
            inputs: read,
            tensors: vec![tensors; results.len()],
            outputs: results,
            path,
            class,
            constant: None,
            place: String::new(),
        });
        Ok(())
    }

    /// The value of an argument; the values it reads are added to `read`, flat, in order.
    fn argument(&mut self, target: &str, argument: &ExportedArgument, read: &mut Vec<ValueId>) -> Result<ValueId> {
        let (kind, json) =
            single(argument).ok_or_else(|| self.archive.error(format!("{target} has an argument without a kind")))?;
        let unsupported = |archive: &Archive| {
            archive.error(format!("{target} has an argument of kind {kind}, which is not supported"))
        };
        let damaged = |archive: &Archive| archive.error(format!("{target} has a damaged argument of kind {kind}"));
        match kind {
            "as_none" => self.constant(&Constant::None),
            "as_tensor" | "as_sym_int" | "as_sym_bool" | "as_sym_float" => self.scalar_or_value(kind, json, read),
            "as_bool" => {
                let value = json.as_bool().ok_or_else(|| damaged(self.archive))?;
                self.constant(&Constant::Bool(value))
            }
            "as_int" => {
                let value = json.as_i64().ok_or_else(|| damaged(self.archive))?;
                self.constant(&Constant::Integer(value))
            }
            "as_float" => {
                let value = number(json).ok_or_else(|| damaged(self.archive))?;
                self.constant(&Constant::Number(value))
            }
            "as_string" => {
                let value = json.as_str().ok_or_else(|| damaged(self.archive))?.to_owned();
                self.constant(&Constant::Text(value))
            }
            "as_scalar_type" => {
                let value = json.as_i64().and_then(scalar_type).ok_or_else(|| unsupported(self.archive))?;
                self.constant(&Constant::Integer(value))
            }
            "as_layout" => match json.as_i64() {
                Some(7) => self.constant(&Constant::Integer(0)),
                _ => Err(unsupported(self.archive)),
            },
            "as_memory_format" => {
                // The schema counts contiguous, channels last, channels last 3d, preserve from 1; libtorch has its own order.
                let value = match json.as_i64() {
                    Some(1) => 0,
                    Some(2) => 2,
                    Some(3) => 3,
                    Some(4) => 1,
                    _ => return Err(unsupported(self.archive)),
                };
                self.constant(&Constant::Integer(value))
            }
            "as_device" => {
                let name = json.get("type").and_then(Json::as_str).ok_or_else(|| damaged(self.archive))?;
                let name = match json.get("index").and_then(Json::as_i64) {
                    Some(index) => format!("{name}:{index}"),
                    None => name.to_owned(),
                };
                self.constant(&Constant::Device(name))
            }
            "as_ints" | "as_sym_ints" => self.list(Element::Integer, "as_sym_int", json, target, read),
            "as_floats" | "as_sym_floats" => self.list(Element::Number, "as_sym_float", json, target, read),
            "as_bools" | "as_sym_bools" => self.list(Element::Bool, "as_sym_bool", json, target, read),
            "as_strings" => self.list(Element::Text, "as_string", json, target, read),
            "as_tensors" => self.list(Element::Tensor, "as_tensor", json, target, read),
            "as_optional_tensors" => self.list(Element::OptionalTensor, "as_tensor", json, target, read),
            _ => Err(unsupported(self.archive)),
        }
    }

    fn scalar_or_value(&mut self, kind: &str, json: &Json, read: &mut Vec<ValueId>) -> Result<ValueId> {
        if let Some(name) = json.get("name").or_else(|| json.get("as_name")).and_then(Json::as_str) {
            let id = self.values.get(name).copied();
            let unknown = || {
                self.archive
                    .error(format!("its graph is damaged: it reads the value {name:?}, which nothing before makes"))
            };
            let id = id.ok_or_else(|| unknown().with_help("copy or export it again"))?;
            read.push(id);
            return Ok(id);
        }
        let plain = ["as_int", "as_bool", "as_float"].iter().find_map(|key| json.get(key)).unwrap_or(json);
        match plain {
            Json::Bool(value) => self.constant(&Constant::Bool(*value)),
            Json::Number(value) if kind != "as_sym_float" && value.is_i64() => {
                self.constant(&Constant::Integer(value.as_i64().unwrap_or_default()))
            }
            other => {
                let value =
                    number(other).ok_or_else(|| self.archive.error(format!("a damaged argument of kind {kind}")))?;
                self.constant(&Constant::Number(value))
            }
        }
    }

    fn list(
        &mut self,
        element: Element,
        kind: &str,
        json: &Json,
        target: &str,
        read: &mut Vec<ValueId>,
    ) -> Result<ValueId> {
        let items = json.as_array().ok_or_else(|| self.archive.error(format!("{target} has a damaged list")))?;
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            let value = match (element, item.as_object()) {
                (Element::OptionalTensor, Some(object)) if object.contains_key("as_none") => {
                    self.constant(&Constant::None)?
                }
                (Element::OptionalTensor, Some(object)) if object.contains_key("as_tensor") => {
                    self.scalar_or_value(kind, &object["as_tensor"], read)?
                }
                (Element::Text, _) => {
                    let text =
                        item.as_str().ok_or_else(|| self.archive.error(format!("{target} has a damaged list")))?;
                    self.constant(&Constant::Text(text.to_owned()))?
                }
                _ => self.scalar_or_value(kind, item, read)?,
            };
            values.push(value);
        }
        self.program.list(element, &values).map_err(|e| self.explain(target, &e))
    }

    fn constant(&mut self, constant: &Constant) -> Result<ValueId> {
        let key = format!("{constant:?}");
        if let Some(id) = self.constants.get(&key) {
            return Ok(*id);
        }
        let id = self.program.constant(constant).map_err(|e| self.explain("a constant", &e))?;
        self.constants.insert(key, id);
        Ok(id)
    }

    /// The user's outputs; what is written back to buffers is dropped, so that every run starts from the exported state.
    fn outputs(&mut self, model: &ExportedModel) -> Result<Vec<ValueId>> {
        let mut outputs = Vec::new();
        for spec in &model.graph_module.signature.output_specs {
            let Some(("user_output", spec)) = single(spec) else { continue };
            let name = spec.pointer("/arg/as_tensor/name").and_then(Json::as_str);
            let Some(id) = name.and_then(|name| self.values.get(name)).copied() else { continue };
            self.program.output(id).map_err(|e| self.explain("outputs", &e))?;
            outputs.push(id);
        }
        if outputs.is_empty() {
            return Err(self.archive.error("it returns no tensor"));
        }
        Ok(outputs)
    }

    /// Classes of the modules that are called, by path.
    fn classes(&self, model: &ExportedModel) -> BTreeMap<String, String> {
        let stacks = model.graph_module.graph.nodes.iter().filter_map(|node| node.metadata.get("nn_module_stack"));
        stacks.flat_map(|stack| stack.split(';').filter_map(stack_entry)).collect()
    }

    fn explain(&self, doing: &str, error: &Error) -> Error {
        if let Some(operator) = unknown_operator(error.what()) {
            return self.archive.lacks(&operator);
        }
        self.archive.error(format!("{doing} cannot be built: {}", first_paragraph(error.what())))
    }
}

/// A tensor by this name.
fn argument(name: &str) -> Argument {
    Argument { name: name.to_owned(), kind: ArgumentType::Tensor(TensorType::default()), has_default: false }
}

/// The only entry of a one-key object.
fn single(object: &BTreeMap<String, Json>) -> Option<(&str, &Json)> {
    let mut entries = object.iter();
    let (key, value) = entries.next()?;
    entries.next().is_none().then_some((key.as_str(), value))
}

/// JSON has no infinities; the exporter writes them as strings.
fn number(json: &Json) -> Option<f64> {
    match json {
        Json::String(text) => match text.as_str() {
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            "NaN" => Some(f64::NAN),
            _ => None,
        },
        other => other.as_f64(),
    }
}

/// `torch.ops.aten.conv2d.default` is `aten::conv2d`; arithmetic on sizes is Python's `_operator`.
fn operator_of(target: &str) -> Option<String> {
    if let Some(rest) = target.strip_prefix("torch.ops.") {
        let mut parts = rest.split('.');
        let (namespace, name) = (parts.next()?, parts.next()?);
        return (namespace != "higher_order").then(|| format!("{namespace}::{name}"));
    }
    let name = match target.strip_prefix("_operator.")? {
        "truediv" => "div",
        "mod" => "remainder",
        "getitem" => "__getitem__",
        same @ ("add" | "sub" | "mul" | "floordiv" | "neg" | "pow" | "eq" | "ne" | "ge" | "gt" | "le" | "lt") => same,
        _ => return None,
    };
    Some(format!("aten::{name}"))
}

fn output_names(outputs: &[ExportedArgument]) -> Vec<String> {
    let mut names = Vec::new();
    for output in outputs {
        let Some((_, json)) = single(output) else { continue };
        let items = json.as_array().map_or(std::slice::from_ref(json), Vec::as_slice);
        names.extend(
            items
                .iter()
                .filter_map(|item| item.get("name").or_else(|| item.get("as_name"))?.as_str().map(str::to_owned)),
        );
    }
    names
}

/// `key,path,class` of a module stack: path and class, without the `@n` of later calls.
fn stack_entry(entry: &str) -> Option<(String, String)> {
    let (_, rest) = entry.split_once(',')?;
    let (path, class) = rest.rsplit_once(',')?;
    Some((path.split('@').next().unwrap_or(path).to_owned(), class.to_owned()))
}

fn innermost_module(node: &ExportedNode) -> (String, String) {
    let stack = node.metadata.get("nn_module_stack").map(String::as_str).unwrap_or_default();
    stack.split(';').next_back().and_then(stack_entry).unwrap_or_default()
}

/// libtorch's number of a schema scalar type: the schema counts from 1 and has its own place for bfloat16.
fn scalar_type(schema: i64) -> Option<i64> {
    match schema {
        1..=12 => Some(schema - 1),
        13 => Some(15),
        _ => None,
    }
}

fn scalar_kind(schema: i64) -> Option<Kind> {
    Some(match schema {
        1 => Kind::Uint8,
        2 => Kind::Int8,
        3 => Kind::Int16,
        4 => Kind::Int,
        5 => Kind::Int64,
        6 => Kind::Half,
        7 => Kind::Float,
        8 => Kind::Double,
        12 => Kind::Bool,
        13 => Kind::BFloat16,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_named_as_libtorch_names_them() {
        assert_eq!(operator_of("torch.ops.aten.conv2d.default").as_deref(), Some("aten::conv2d"));
        assert_eq!(operator_of("_operator.floordiv").as_deref(), Some("aten::floordiv"));
        assert_eq!(operator_of("torch.ops.higher_order.cond"), None);
        assert_eq!(operator_of("math.sqrt"), None);
    }

    #[test]
    fn module_stacks_give_the_innermost_module() {
        let entry = stack_entry("L__self__block1_conv1,block1_conv1,torch.nn.modules.conv.Conv2d");
        assert_eq!(entry, Some(("block1_conv1".into(), "torch.nn.modules.conv.Conv2d".into())));
        assert_eq!(
            stack_entry("k,layer.act@1,torch.nn.modules.activation.ReLU").map(|e| e.0).as_deref(),
            Some("layer.act")
        );
    }

    #[test]
    fn scalar_types_follow_the_schema() {
        assert_eq!(scalar_type(7), Some(6));
        assert_eq!(scalar_type(13), Some(15));
        assert_eq!(scalar_type(0), None);
        assert_eq!(scalar_kind(7), Some(Kind::Float));
    }
}
