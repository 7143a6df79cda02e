//! Which inputs a graph writes to. They are copied first, so that every run starts from the exported state and no caller's tensor changes.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value as Json;

use super::inline::references;
use super::schema::ExportedNode;

/// Operators whose results may share memory with their first argument.
const VIEWS: &[&str] = &[
    "_reshape_alias",
    "_unsafe_view",
    "adjoint",
    "alias",
    "alpha_dropout",
    "as_strided",
    "broadcast_to",
    "chunk",
    "contiguous",
    "detach",
    "diagonal",
    "dropout",
    "expand",
    "expand_as",
    "feature_alpha_dropout",
    "feature_dropout",
    "flatten",
    "imag",
    "lift",
    "lift_fresh",
    "mH",
    "mT",
    "matrix_H",
    "moveaxis",
    "movedim",
    "narrow",
    "numpy_T",
    "permute",
    "positive",
    "ravel",
    "real",
    "reshape",
    "reshape_as",
    "resolve_conj",
    "resolve_neg",
    "select",
    "slice",
    "split",
    "split_with_sizes",
    "squeeze",
    "swapaxes",
    "swapdims",
    "t",
    "tensor_split",
    "to",
    "transpose",
    "type_as",
    "unbind",
    "unflatten",
    "unfold",
    "unsqueeze",
    "view",
    "view_as",
    "view_as_complex",
    "view_as_real",
];

/// Python's operators of assignment.
const ASSIGNMENTS: &[&str] = &["__iand__", "__ior__", "__ixor__", "__ilshift__", "__irshift__"];

/// The inputs, out of these, that some node overwrites, directly or through a view.
pub fn overwritten<'a>(nodes: &[ExportedNode], inputs: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    // From a value to the input whose memory it shares.
    let mut origins: HashMap<String, String> = inputs.map(|name| (name.to_owned(), name.to_owned())).collect();
    let mut found = BTreeSet::new();
    for node in nodes {
        let operator = node.target.strip_prefix("torch.ops.").and_then(|rest| rest.split('.').nth(1));
        let Some(operator) = operator else { continue };
        let argument = |name: &str| {
            let input = node.inputs.iter().find(|input| input.name == name);
            input.map(|input| references(std::slice::from_ref(&input.arg))).unwrap_or_default()
        };
        let first = || {
            let first = node.inputs.first();
            first.map(|input| references(std::slice::from_ref(&input.arg))).unwrap_or_default()
        };
        let in_place = ASSIGNMENTS.contains(&operator) || operator.ends_with('_') && !operator.ends_with("__");
        let mut written = argument("out");
        if in_place {
            written.extend(first());
        }
        if ["training", "train", "use_input_stats"].into_iter().any(|flag| {
            let input = node.inputs.iter().find(|input| input.name == flag);
            input.is_some_and(|input| input.arg.get("as_bool") == Some(&Json::Bool(true)))
        }) {
            written.extend(argument("running_mean"));
            written.extend(argument("running_var"));
        }
        found.extend(written.iter().filter_map(|value| origins.get(value).cloned()));
        let shared = if written.is_empty() && VIEWS.contains(&operator) { first() } else { written };
        if let Some(origin) = shared.iter().find_map(|value| origins.get(value).cloned()) {
            for output in references(&node.outputs) {
                origins.insert(output, origin.clone());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(target: &str, reads: &str, makes: &str) -> ExportedNode {
        let text = format!(
            r#"{{"target": "torch.ops.aten.{target}", "inputs": [{{"name": "self", "arg": {{"as_tensor": {{"name": "{reads}"}}}}}}],
                "outputs": [{{"as_tensor": {{"name": "{makes}"}}}}]}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn found(nodes: &[ExportedNode]) -> Vec<String> {
        overwritten(nodes, ["a", "b"].into_iter()).into_iter().collect()
    }

    #[test]
    fn writes_are_followed_through_views() {
        assert_eq!(found(&[node("add_.Tensor", "a", "c")]), ["a"]);
        assert_eq!(found(&[node("select.int", "a", "c"), node("copy_.default", "c", "d")]), ["a"]);
        assert_eq!(found(&[node("relu_.default", "b", "c"), node("mul_.Tensor", "c", "d")]), ["b"]);
        assert!(found(&[node("conv2d.default", "a", "c"), node("relu_.default", "c", "d")]).is_empty());
        assert!(found(&[node("lift_fresh_copy.default", "a", "c"), node("detach_.default", "c", "d")]).is_empty());
        assert!(found(&[node("__and__.Tensor", "a", "c")]).is_empty());
        assert_eq!(found(&[node("__iand__.Tensor", "a", "c")]), ["a"]);
    }
}
