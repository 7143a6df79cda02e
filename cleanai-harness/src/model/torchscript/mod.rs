//! TorchScript: `.pt` files lowered to a [`Graph`] by libtorch, through the C++ file beside this one.

pub(super) mod ffi;

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
    let (program, text) = Program::open_torchscript(path, device).map_err(|error| explain_open(path, &error))?;
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
        inputs: description.inputs,
        outputs: description.outputs,
        modules,
        parameters: description.parameters,
        input_shape: None,
        fixed_batch: None,
    };
    Ok((program, graph))
}

/// `__torch__.torch.nn.modules.conv.___torch_mangle_3.Conv2d` is `torch.nn.modules.conv.Conv2d`.
fn plain_class(qualified: &str) -> String {
    let parts = qualified.split('.').filter(|part| *part != "__torch__" && !part.starts_with("___torch_mangle_"));
    parts.collect::<Vec<_>>().join(".")
}

fn explain_open(path: &Path, error: &Error) -> Error {
    let text = error.what();
    let place = path.display();
    if let Some(operator) = unknown_operator(text) {
        return Error::new(
            ErrorKind::Model,
            format!("{place} calls {operator}, an operator this libtorch does not have"),
        )
        .with_help("replace it by operators of torch itself, or export the part of the model without it");
    }
    Error::new(
        ErrorKind::Model,
        format!("{place} is no TorchScript module libtorch can open: {}", first_paragraph(text)),
    )
    .with_help("export it again: torch.jit.trace(model.eval(), example).save(\"model.pt\")")
}

fn unknown_operator(text: &str) -> Option<String> {
    let marker = ["Unknown builtin op: ", "unknown builtin op: "].into_iter().find_map(|m| text.split_once(m))?.1;
    let end = marker.find(|c: char| !(c.is_alphanumeric() || c == ':' || c == '_')).unwrap_or(marker.len());
    Some(marker[..end].trim_end_matches(':').to_owned())
}

/// What libtorch says before it starts to quote source code and stacks.
pub(super) fn first_paragraph(text: &str) -> String {
    // A failure inside the interpreter ends with the exception itself.
    if let Some((_, last)) = text.rsplit_once("RuntimeError: ") {
        return last.lines().next().unwrap_or(last).trim().to_owned();
    }
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no reason given");
    line.trim_end_matches(':').to_owned()
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
}
