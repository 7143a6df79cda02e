//! The module tree. The file has the path of every module, in the order of registration, called or not; the class only of
//! those that are called, with what computes in them.

use std::collections::{BTreeMap, BTreeSet};

use super::schema::{ExportedModel, ExportedNode};
use crate::model::graph::Module;

/// Every module, the root first; a module without a call has no class.
pub fn modules(model: &ExportedModel, nodes: &[ExportedNode]) -> Vec<Module> {
    let stacks = nodes.iter().filter_map(|node| node.metadata.get("nn_module_stack"));
    let classes: BTreeMap<String, String> = stacks.flat_map(|stack| stack.split(';').filter_map(stack_entry)).collect();
    let calls = model.graph_module.module_call_graph.iter();
    let paths = std::iter::once(String::new()).chain(calls.map(|call| plain_path(&call.fqn)));
    let mut seen = BTreeSet::new();
    let paths = paths.filter(|path| seen.insert(path.clone()));
    paths.map(|path| Module { class: classes.get(&path).cloned().unwrap_or_default(), path }).collect()
}

/// Path and class of the module a node belongs to.
pub fn innermost(node: &ExportedNode) -> (String, String) {
    let stack = node.metadata.get("nn_module_stack").map(String::as_str).unwrap_or_default();
    stack.split(';').next_back().and_then(stack_entry).unwrap_or_default()
}

/// `key,path,class` of a module stack.
fn stack_entry(entry: &str) -> Option<(String, String)> {
    let (key, rest) = entry.split_once(',')?;
    let (path, class) = rest.rsplit_once(',')?;
    // What torch puts where a node has no stack: the root.
    if key == "_empty_nn_module_stack_from_metadata_hook" {
        return None;
    }
    Some((plain_path(path), class.to_owned()))
}

/// A path without the `@n` of later calls, and without the `L['self'].` of a strict export.
fn plain_path(path: &str) -> String {
    let path = path.split('@').next().unwrap_or(path);
    let path = match path.strip_prefix("L['").and_then(|rest| rest.split_once("']")) {
        Some((_, rest)) => rest.strip_prefix('.').unwrap_or(rest),
        None => path,
    };
    path.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn module_stacks_give_path_and_class() {
        let entry = stack_entry("L__self__block1_conv1,block1_conv1,torch.nn.modules.conv.Conv2d");
        assert_eq!(entry, Some(("block1_conv1".into(), "torch.nn.modules.conv.Conv2d".into())));
        let path = |entry: &str| stack_entry(entry).map(|(path, _)| path);
        assert_eq!(path("k,layer.act@1,torch.nn.modules.activation.ReLU").as_deref(), Some("layer.act"));
        assert_eq!(path("L__s___conv,L['s'].conv,torch.nn.modules.conv.Conv2d").as_deref(), Some("conv"));
        assert_eq!(path("L__self__,,__main__.Net").as_deref(), Some(""));
        let hook = "_empty_nn_module_stack_from_metadata_hook";
        assert_eq!(stack_entry(&format!("{hook},{hook},{hook}")), None);
    }
}
