//! TorchScript: `.pt` files lowered to a [`Graph`] by libtorch, through the C++ files in `engine`.

pub(super) mod archive;
pub(super) mod ffi;
pub(super) mod pickle;

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use tch::Tensor;

use self::ffi::Program;
use super::graph::{Constant, Flow, Graph, Module, Node, ValueId};
use super::signature::{Argument, ArgumentType, ElementType, TensorType};
use crate::declare::{ModelOptions, StateChoice};
use crate::{Error, ErrorKind, Result};

#[derive(Deserialize)]
struct Description {
    nodes: Vec<NodeDescription>,
    inputs: Vec<i64>,
    arguments: Vec<ArgumentDescription>,
    outputs: Vec<i64>,
    weights: Vec<i64>,
    modules: Vec<Module>,
    parameters: u64,
    element: String,
}

#[derive(Deserialize)]
struct ArgumentDescription {
    name: String,
    r#type: TypeDescription,
    has_default: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
enum TypeDescription {
    Tensor,
    Optional { of: Box<TypeDescription> },
    List { of: Box<TypeDescription> },
    Dictionary { of: Box<TypeDescription> },
    Structure { fields: Vec<FieldDescription> },
    Scalar { name: String },
    Other { name: String },
}

#[derive(Deserialize)]
struct FieldDescription {
    name: String,
    r#type: TypeDescription,
}

impl TypeDescription {
    fn argument_type(self) -> ArgumentType {
        match self {
            Self::Tensor => ArgumentType::Tensor(TensorType::default()),
            Self::Optional { of } => ArgumentType::Optional(Box::new(of.argument_type())),
            Self::List { of } => ArgumentType::List(Box::new(of.argument_type())),
            Self::Dictionary { of } => ArgumentType::Dictionary(Box::new(of.argument_type())),
            Self::Structure { fields } => ArgumentType::Structure(
                fields.into_iter().map(|field| (field.name, field.r#type.argument_type())).collect(),
            ),
            Self::Scalar { name } => ArgumentType::Scalar(name),
            Self::Other { name } => ArgumentType::Other(name),
        }
    }
}

#[derive(Deserialize)]
struct NodeDescription {
    kind: String,
    inputs: Vec<i64>,
    outputs: Vec<i64>,
    #[serde(default)]
    tensors: Vec<bool>,
    #[serde(default)]
    path: String,
    #[serde(default)]
    class: String,
    value: Option<Constant>,
    #[serde(default)]
    place: String,
}

impl NodeDescription {
    fn node(self) -> Node {
        Node {
            kind: self.kind,
            inputs: self.inputs,
            outputs: self.outputs,
            tensors: self.tensors,
            path: self.path,
            class: plain_class(&self.class),
            constant: self.value,
            place: self.place,
        }
    }
}

/// The operator calls of a program.
#[derive(Deserialize)]
struct Calls {
    nodes: Vec<NodeDescription>,
    inputs: Vec<ValueId>,
    outputs: Vec<ValueId>,
}

/// The calls of a program as they run, every argument where the operator's schema has it, with the values known as in `graph`.
pub(super) fn calls(program: &mut Program, graph: &Graph) -> Result<Graph> {
    let text = program.calls()?;
    let calls: Calls = serde_json::from_str(&text)
        .map_err(|why| Error::new(ErrorKind::Model, format!("the graph cannot be described: {why}")))?;
    let known: HashMap<ValueId, &Node> =
        graph.nodes.iter().flat_map(|node| node.outputs.iter().map(move |output| (*output, node))).collect();
    let nodes = calls.nodes.into_iter().map(|description| {
        let mut node = description.node();
        // A program that was built operator by operator does not know its modules.
        if let Some(own) = node.outputs.iter().find_map(|output| known.get(output)) {
            node.path.clone_from(&own.path);
            node.class.clone_from(&own.class);
            node.place.clone_from(&own.place);
        }
        node
    });
    Ok(Graph { nodes: nodes.collect(), inputs: calls.inputs, outputs: calls.outputs, ..graph.clone() })
}

/// Opens a TorchScript archive on this device (`None` is the CPU).
pub(super) fn open(path: &Path, device: Option<usize>, options: &ModelOptions) -> Result<(Program, Graph)> {
    archive::check(path, options.allow_files)?;
    let keep_state = options.state == StateChoice::Keep;
    let (program, text) =
        deep(|| Program::open_torchscript(path, device, keep_state))?.map_err(|error| explain_open(path, &error))?;
    let description = Description::read(&text).map_err(|error| error.context(format!("{}", path.display())))?;
    Ok((program, description.graph()))
}

/// Traces a function that computes with tensors. `name` gives the name of a weight, `conv1.weight`, where it has one: it tells the
/// module its operators belong to.
pub(super) fn trace(
    forward: &mut dyn FnMut(&Tensor) -> Tensor,
    example: &Tensor,
    name: &dyn Fn(&Tensor) -> Option<String>,
) -> Result<(Program, Graph, Vec<Tensor>)> {
    let (program, weights, text) = Program::trace(forward, example).map_err(|error| {
        Error::new(ErrorKind::Model, format!("the model cannot be traced: {}", first_paragraph(error.what())))
    })?;
    let description = Description::read(&text)?;
    let ids = description.weights.clone();
    let mut graph = description.graph();
    let paths: HashMap<i64, String> = ids
        .iter()
        .zip(&weights)
        .filter_map(|(id, weight)| Some((*id, name(weight)?.rsplit_once('.')?.0.to_owned())))
        .collect();
    let named = weights.iter().enumerate().map(|(at, weight)| name(weight).unwrap_or_else(|| format!("weight{at}")));
    graph.weights = named.map(Some).collect();
    for node in &mut graph.nodes {
        if let Some(path) = node.inputs.iter().find_map(|input| paths.get(input)) {
            node.path.clone_from(path);
            // A call of a module: it is named by its path alone.
            node.class = format!("torch.nn.modules.{}", node.operator());
        }
    }
    Ok((program, graph, weights))
}

impl Description {
    fn read(text: &str) -> Result<Self> {
        serde_json::from_str(text)
            .map_err(|why| Error::new(ErrorKind::Model, format!("the graph cannot be described: {why}")))
    }

    fn graph(self) -> Graph {
        let nodes = self.nodes.into_iter().map(NodeDescription::node);
        let modules = self.modules.into_iter().map(|m| Module { class: plain_class(&m.class), ..m }).collect();
        let signature = self.arguments.into_iter().map(|argument| Argument {
            name: argument.name,
            kind: argument.r#type.argument_type(),
            has_default: argument.has_default,
        });
        let mut graph = Graph {
            nodes: nodes.collect(),
            signature: signature.collect(),
            flat: false,
            inputs: self.inputs,
            outputs: self.outputs,
            modules,
            parameters: self.parameters,
            weight_element: match self.element.as_str() {
                "Half" => Some(ElementType::Float16),
                "BFloat16" => Some(ElementType::Bfloat16),
                "Float" => Some(ElementType::Float32),
                "Double" => Some(ElementType::Float64),
                _ => None,
            },
            input_shape: None,
            fixed_batch: None,
            state: Vec::new(),
            weights: Vec::new(),
        };
        let flow = Flow::new(&graph);
        let looked_up: Vec<bool> = graph.inputs.iter().map(|input| flow.is_looked_up(*input)).collect();
        for (argument, _) in graph.signature.iter_mut().zip(looked_up).filter(|(_, looked_up)| *looked_up) {
            if let ArgumentType::Tensor(tensor) = &mut argument.kind {
                tensor.element = Some(ElementType::Int64);
            }
        }
        graph
    }
}

/// Runs `work` where there is stack enough for libtorch's parser, which recurses; the depth of code is bounded before.
fn deep<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T> {
    const STACK: usize = 256 << 20;
    std::thread::scope(|scope| {
        let worker = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        let worker = worker
            .map_err(|why| Error::new(ErrorKind::Io, format!("no thread can be started to open a model: {why}")))?;
        worker.join().map_err(|panic| std::panic::resume_unwind(panic))
    })
}

/// `__torch__.torch.nn.modules.conv.___torch_mangle_3.Conv2d` is `torch.nn.modules.conv.Conv2d`.
fn plain_class(qualified: &str) -> String {
    let parts = qualified.split('.').filter(|part| *part != "__torch__" && !part.starts_with("___torch_mangle_"));
    parts.collect::<Vec<_>>().join(".")
}

/// Puts what libtorch says when it opens a file in the user's terms.
fn explain_open(path: &Path, error: &Error) -> Error {
    let text = error.what();
    if let Some(operator) = unknown_operator(text) {
        return lacks(path, &operator, last_place(text));
    }
    let why = first_paragraph(text);
    let what = if let Some((_, class)) = why.split_once("Unknown type name '") {
        let class = plain_class(class.trim_end_matches(['\'', '.']));
        format!("{}: the code of its class {class} is missing in the archive", path.display())
    } else if why.contains(" but found ") {
        format!("{}: its code does not parse: {}", path.display(), why.trim_end_matches(" here"))
    } else {
        format!("{} is no TorchScript module libtorch can open: {why}", path.display())
    };
    Error::new(ErrorKind::Model, what)
        .with_help("copy the file again, or export it again: torch.jit.trace(model.eval(), example).save(\"model.pt\")")
}

/// The error for an operator that libtorch does not have.
pub(super) fn lacks(path: &Path, operator: &str, place: Option<String>) -> Error {
    let place = place.map_or(String::new(), |place| format!(", at {place}"));
    Error::new(
        ErrorKind::Model,
        format!("{} calls {operator}, an operator this libtorch does not have{place}", path.display()),
    )
    .with_help(
        "name the library that brings it, `libraries = [\"libtorchvision.so\"]` in the model's table (--library), or export the model without it",
    )
}

pub(super) fn unknown_operator(text: &str) -> Option<String> {
    let marker = ["Unknown builtin op: ", "unknown builtin op: "].into_iter().find_map(|m| text.split_once(m))?.1;
    let end = marker.find(|c: char| !(c.is_alphanumeric() || c == ':' || c == '_')).unwrap_or(marker.len());
    Some(marker[..end].trim_end_matches(':').to_owned())
}

/// The longest reason that is shown; libtorch may quote whole types and lists.
const LONGEST_REASON: usize = 400;

/// The line of the model's own code that failed, where libtorch tells it: `code/__torch__/lenet.py:12`.
pub(super) fn last_place(text: &str) -> Option<String> {
    let (_, rest) = text.rsplit_once("File \"")?;
    let (file, rest) = rest.split_once("\", line ")?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let printable = file.chars().all(|c| !c.is_control()) && file.len() < 200;
    (printable && digits > 0).then(|| format!("{file}:{}", &rest[..digits]))
}

/// What libtorch says before it starts to quote source code, candidates and stacks: one line, without places in its own sources.
pub(super) fn first_paragraph(text: &str) -> String {
    // A failure inside the interpreter ends with the exception itself, behind the stack of the model's code.
    let text = ["RuntimeError: ", "Error: "]
        .into_iter()
        .find_map(|marker| text.rsplit_once(marker))
        .map_or(text, |(_, last)| last);
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut line = lines.next().unwrap_or("no reason given");
    // "..., but got x INTERNAL ASSERT FAILED at "../torch/csrc/x.cpp":12, please report a bug to PyTorch. the reason"
    let rest = line.split_once("please report a bug to PyTorch.").map(|(_, rest)| rest.trim());
    if line.contains("INTERNAL ASSERT FAILED") {
        line = rest.filter(|rest| !rest.is_empty()).unwrap_or("libtorch met something it does not expect");
    }
    let line = ["Exception raised from ", " (most recent call first)", "frame #"]
        .into_iter()
        .fold(line, |line, mark| line.split(mark).next().unwrap_or(line));
    let line = line.trim().trim_end_matches([':', '.']);
    match line.char_indices().nth(LONGEST_REASON) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_lose_what_torchscript_adds() {
        assert_eq!(
            plain_class("__torch__.torch.nn.modules.conv.___torch_mangle_3.Conv2d"),
            "torch.nn.modules.conv.Conv2d"
        );
        assert_eq!(plain_class("__torch__.LeNet"), "LeNet");
        assert_eq!(plain_class(""), "");
    }

    #[test]
    fn an_unknown_operator_is_named() {
        let text = "\nUnknown builtin op: mylib::twice.\nCould not find any similar ops to mylib::twice.";
        assert_eq!(unknown_operator(text).as_deref(), Some("mylib::twice"));
        assert_eq!(unknown_operator("something else"), None);
    }

    #[test]
    fn what_libtorch_says_is_one_line_without_its_own_sources() {
        let run = "The following operation failed in the TorchScript interpreter.\nTraceback of TorchScript, serialized code (most recent call last):\n  \
                   File \"code/__torch__/x.py\", line 3, in forward\n    _0 = torch.linear(x)\n         ~~~~~~~~~~~~ <--- HERE\nRuntimeError: shapes differ: 3 and 4\n";
        assert_eq!(first_paragraph(run), "shapes differ: 3 and 4");
        let stack = "no such file\nException raised from open at ../c10/x.cpp:7 (most recent call first):\nframe #0: c10::Error";
        assert_eq!(first_paragraph(stack), "no such file");
        let assertion = "isTuple() INTERNAL ASSERT FAILED at \"../aten/src/ATen/core/ivalue_inl.h\":1306, please report a bug to PyTorch. Expected Tuple but got Int";
        assert_eq!(first_paragraph(assertion), "Expected Tuple but got Int");
        assert_eq!(first_paragraph("\n\n"), "no reason given");
        assert_eq!(first_paragraph(&"x".repeat(1000)).len(), LONGEST_REASON + 3);
    }
}
