//! TorchScript: `.pt` files lowered to a [`Graph`] by libtorch, through the C++ file beside this one.

pub(super) mod archive;
pub(super) mod ffi;
pub(super) mod pickle;

use std::path::Path;

use serde::Deserialize;

use self::ffi::Program;
use super::graph::{Constant, Graph, Module, Node};
use crate::{Error, ErrorKind, Result};

#[derive(Deserialize)]
struct Description {
    nodes: Vec<NodeDescription>,
    inputs: Vec<i64>,
    input_types: Vec<String>,
    outputs: Vec<i64>,
    modules: Vec<Module>,
    parameters: u64,
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
}

/// Opens a TorchScript archive on this device (`None` is the CPU).
pub(super) fn open(path: &Path, device: Option<usize>) -> Result<(Program, Graph)> {
    archive::check(path)?;
    let (program, text) =
        deep(|| Program::open_torchscript(path, device))?.map_err(|error| explain_open(path, &error))?;
    let description: Description = serde_json::from_str(&text).map_err(|why| {
        Error::new(ErrorKind::Model, format!("{}: its graph cannot be described: {why}", path.display()))
    })?;
    if let Some(other) = description.input_types.iter().find(|kind| *kind != "Tensor") {
        return Err(Error::new(
            ErrorKind::Model,
            format!("{}: forward takes an input of type {other}; only tensors can be fed", path.display()),
        )
        .with_help("wrap the model in a module whose forward takes tensors, and export that"));
    }
    let nodes = description.nodes.into_iter().map(|node| Node {
        kind: node.kind,
        inputs: node.inputs,
        outputs: node.outputs,
        tensors: node.tensors,
        path: node.path,
        class: plain_class(&node.class),
        constant: node.value,
    });
    let modules = description.modules.into_iter().map(|m| Module { class: plain_class(&m.class), ..m }).collect();
    let graph = Graph {
        nodes: nodes.collect(),
        signature: Vec::new(),
        inputs: description.inputs,
        outputs: description.outputs,
        modules,
        parameters: description.parameters,
        input_shape: None,
        fixed_batch: None,
        state: Vec::new(),
    };
    Ok((program, graph))
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
        return lacks(path, &operator);
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
pub(super) fn lacks(path: &Path, operator: &str) -> Error {
    Error::new(
        ErrorKind::Model,
        format!("{} calls {operator}, an operator this libtorch does not have", path.display()),
    )
    .with_help("replace it by operators of torch itself, or export the part of the model without it")
}

pub(super) fn unknown_operator(text: &str) -> Option<String> {
    let marker = ["Unknown builtin op: ", "unknown builtin op: "].into_iter().find_map(|m| text.split_once(m))?.1;
    let end = marker.find(|c: char| !(c.is_alphanumeric() || c == ':' || c == '_')).unwrap_or(marker.len());
    Some(marker[..end].trim_end_matches(':').to_owned())
}

/// The longest reason that is shown; libtorch may quote whole types and lists.
const LONGEST_REASON: usize = 400;

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
