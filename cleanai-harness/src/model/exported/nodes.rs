//! Operator calls: which operator a node means, what it reads and makes, and the module it belongs to.

use serde_json::Value as Json;

use super::build::Builder;
use super::modules::innermost;
use super::schema::{Argument, ExportedNode, reference, single};
use crate::model::graph::{Node, ValueId};
use crate::{Error, Result};

/// Checks of shapes that were assumed at export; they compute nothing.
const GUARDS: &[&str] = &[
    "aten::_assert_scalar",
    "aten::_assert_tensor_metadata",
    "aten::_assert_async",
    "aten::sym_constrain_range",
    "aten::sym_constrain_range_for_size",
];

/// Operators that reach for other files.
const FILES: &[&str] = &["aten::save", "aten::from_file"];

/// Where torch's own operators live; the others of libtorch are meant for its own use.
const NAMESPACES: &[&str] = &["aten::", "quantized::", "_quantized::"];

impl Builder<'_> {
    pub fn node(&mut self, node: &ExportedNode) -> Result<()> {
        let operator = operator_of(node).ok_or_else(|| self.no_operator(node))?;
        if FILES.contains(&operator.as_str()) {
            return Err(self
                .archive
                .error(format!("it calls {operator}, which reaches for files outside the model"))
                .with_help("get the file again from where it comes from"));
        }
        if GUARDS.contains(&operator.as_str()) {
            return Ok(());
        }
        let is_torch = node.target.starts_with("torch.ops.");
        if is_torch && !NAMESPACES.iter().any(|namespace| operator.starts_with(namespace)) {
            return Err(self.archive.lacks(&operator));
        }
        // Arithmetic on sizes, and what is turned into it, has no argument names in TorchScript.
        let named = is_torch && !is_conversion(&node.target);
        let (mut arguments, mut read) = (Vec::new(), Vec::new());
        for input in &node.inputs {
            let value = self.argument(&node.target, &input.arg, &mut read)?;
            arguments.push((if named { input.name.clone() } else { String::new() }, value));
        }
        let names = output_names(&node.outputs);
        let results = self.program.call(&operator, &arguments, names.len()).map_err(|error| {
            let names: Vec<&str> = names.iter().flatten().map(String::as_str).collect();
            self.explain(&format!("{}{} ({})", node.target, shown_place(node), names.join(", ")), &error)
        })?;
        for (name, id) in names.into_iter().zip(&results) {
            if let Some(name) = name {
                self.define(name, *id)?;
            }
        }
        let tensors = node.outputs.iter().all(|output| {
            output.keys().any(|key| key.starts_with("as_tensor") || key.starts_with("as_optional_tensor"))
        });
        self.push(operator, read, results, tensors, innermost(node));
        if let Some(made) = self.nodes.last_mut() {
            made.place = place(node);
        }
        Ok(())
    }

    /// Keeps the name of a value.
    pub fn define(&mut self, name: String, id: ValueId) -> Result<()> {
        if self.values.contains_key(&name) {
            return Err(self
                .archive
                .error(format!("its graph is damaged: two of its values are named {name:?}"))
                .with_help("copy or export it again"));
        }
        self.values.insert(name, id);
        Ok(())
    }

    pub fn push(
        &mut self,
        kind: String,
        inputs: Vec<ValueId>,
        outputs: Vec<ValueId>,
        tensors: bool,
        (path, class): (String, String),
    ) {
        let tensors = vec![tensors; outputs.len()];
        self.nodes.push(Node { kind, inputs, outputs, tensors, path, class, constant: None, place: String::new() });
    }

    fn no_operator(&self, node: &ExportedNode) -> Error {
        let target = node.target.escape_debug();
        if let Some(name) = node.target.strip_prefix("torch.ops.higher_order.") {
            let what = format!("it calls {}{}, which runs graphs of its own", name.escape_debug(), shown_place(node));
            return self.archive.error(what).with_help(
                "export the model without control flow that depends on the data, or as TorchScript: torch.jit.script(model).save(\"model.pt\")",
            );
        }
        self.archive
            .error(format!("it calls {target}{}, which is no operator of torch itself", shown_place(node)))
            .with_help("export the model without custom operators and higher-order control flow")
    }
}

/// Whether it takes a number out of a tensor.
fn is_conversion(target: &str) -> bool {
    ["torch.ops.aten.item.", "torch.ops.aten._local_scalar_dense."].iter().any(|prefix| target.starts_with(prefix))
}

/// The operator by libtorch's name: `torch.ops.aten.conv2d.default` is `aten::conv2d`; arithmetic on sizes is Python's.
fn operator_of(node: &ExportedNode) -> Option<String> {
    if is_conversion(&node.target) {
        // TorchScript wants to know of what type the number is.
        let kind = node.outputs.first().and_then(single).map(|(kind, _)| kind)?;
        let name = match kind {
            "as_sym_int" | "as_int" => "aten::Int",
            "as_sym_float" | "as_float" => "aten::Float",
            "as_sym_bool" | "as_bool" => "aten::Bool",
            _ => return None,
        };
        return Some(name.to_owned());
    }
    if let Some(rest) = node.target.strip_prefix("torch.ops.") {
        let mut parts = rest.split('.');
        let (namespace, name) = (parts.next()?, parts.next()?);
        return (namespace != "higher_order").then(|| format!("{namespace}::{name}"));
    }
    let name = match node.target.as_str() {
        "torch.sym_int" | "math.trunc" => "aten::Int",
        "torch.sym_float" => "aten::Float",
        "torch.sym_not" => "aten::__not__",
        "torch.sym_max" => "prim::max",
        "torch.sym_min" => "prim::min",
        "torch.sym_sqrt" | "torch._sym_sqrt" => "aten::sqrt",
        other => match other.strip_prefix("_operator.")? {
            "truediv" => "aten::div",
            "mod" => "aten::remainder",
            "getitem" => "aten::__getitem__",
            "and_" => "aten::__and__",
            "or_" => "aten::__or__",
            "lshift" => "aten::__lshift__",
            "rshift" => "aten::__rshift__",
            same @ ("add" | "sub" | "mul" | "floordiv" | "neg" | "pow" | "eq" | "ne" | "ge" | "gt" | "le" | "lt") => {
                return Some(format!("aten::{same}"));
            }
            _ => return None,
        },
    };
    Some(name.to_owned())
}

/// The names of the values a node makes, in order; `None` for one that is None.
fn output_names(outputs: &[Argument]) -> Vec<Option<String>> {
    let mut names = Vec::new();
    for (kind, json) in outputs.iter().filter_map(single) {
        let items = json.as_array().map_or(std::slice::from_ref(json), Vec::as_slice);
        // An operator whose only output is None makes nothing.
        if kind == "as_none" && outputs.len() == 1 {
            continue;
        }
        let name = |item: &Json| reference(item).or_else(|| reference(item.get("as_tensor")?)).map(str::to_owned);
        names.extend(items.iter().map(name));
    }
    names
}

/// ` (model.py:12)`, where the file tells it.
fn shown_place(node: &ExportedNode) -> String {
    match place(node) {
        place if place.is_empty() => place,
        place => format!(" ({place})"),
    }
}

/// `model.py:12`, the line of the model's own source that made a call; empty where the file does not tell it.
fn place(node: &ExportedNode) -> String {
    let trace = node.metadata.get("stack_trace").map(String::as_str).unwrap_or_default();
    let mut lines = trace.lines().filter_map(|line| {
        let (file, rest) = line.trim().strip_prefix("File \"")?.split_once("\", line ")?;
        let number: u64 = rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
        let torch = file.starts_with("torch/") || file.contains("/torch/") || file.starts_with('<');
        (!torch).then(|| (file.rsplit(['/', '\\']).next().unwrap_or(file).escape_debug().to_string(), number))
    });
    lines.next_back().map(|(file, number)| format!("{file}:{number}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(target: &str, output: &str) -> ExportedNode {
        let json = serde_json::json!({ "target": target, "inputs": [], "outputs": [{ output: { "name": "y" } }] });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn operators_are_named_as_libtorch_names_them() {
        let operator = |target: &str| operator_of(&node(target, "as_tensor"));
        assert_eq!(operator("torch.ops.aten.conv2d.default").as_deref(), Some("aten::conv2d"));
        assert_eq!(operator("_operator.floordiv").as_deref(), Some("aten::floordiv"));
        assert_eq!(operator("torch.sym_max").as_deref(), Some("prim::max"));
        assert_eq!(operator("torch.ops.higher_order.cond"), None);
        assert_eq!(operator("math.sqrt"), None);
        let item = operator_of(&node("torch.ops.aten.item.default", "as_sym_int"));
        assert_eq!(item.as_deref(), Some("aten::Int"));
    }

    #[test]
    fn outputs_keep_their_places() {
        let outputs: Vec<Argument> = serde_json::from_str(
            r#"[{"as_tensor": {"name": "a"}}, {"as_none": true}, {"as_tensors": [{"name": "b"}, {"name": "c"}]}]"#,
        )
        .unwrap();
        let names = output_names(&outputs);
        assert_eq!(names.iter().map(Option::as_deref).collect::<Vec<_>>(), [Some("a"), None, Some("b"), Some("c")]);
        assert!(output_names(&outputs[1..2]).is_empty());
    }

    #[test]
    fn the_model_s_own_line_is_named() {
        let mut call = node("torch.ops.aten.relu.default", "as_tensor");
        let trace = "File \"/home/me/net.py\", line 8, in forward\n    x = self.fc(x)\n  File \"/venv/torch/nn/modules/linear.py\", line 134, in forward";
        call.metadata.insert("stack_trace".into(), trace.into());
        assert_eq!(place(&call), "net.py:8");
        assert_eq!(shown_place(&call), " (net.py:8)");
        call.metadata.clear();
        assert_eq!(shown_place(&call), "");
    }
}
