//! Graphs within the graph that only mark a setting of training (`torch.no_grad()`, `torch.autocast` turned off): their nodes
//! become nodes of the graph around them.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::archive::Archive;
use super::schema::{Argument, ExportedGraph, ExportedNode, reference, single};
use crate::Result;

/// The most nodes of a graph, all together: the largest models have some ten thousand.
const MOST_NODES: usize = 1 << 20;

/// What running a graph under these operators changes is nothing: no gradients are computed here anyway.
const WRAPPERS: &[&str] = &["torch.ops.higher_order.wrap_with_set_grad_enabled"];

/// The nodes in order, with those of inner graphs in the place of their call. Inner values are named `call/value`.
pub fn inlined(archive: &Archive, nodes: Vec<ExportedNode>) -> Result<Vec<ExportedNode>> {
    let mut flat = Vec::with_capacity(nodes.len());
    inline(archive, nodes, "", &mut HashMap::new(), &mut flat)?;
    if flat.len() > MOST_NODES {
        return Err(archive
            .error(format!("its graph has {} nodes, more than the {MOST_NODES} allowed", flat.len()))
            .with_help("get the file again from where it comes from"));
    }
    Ok(flat)
}

fn inline(
    archive: &Archive,
    nodes: Vec<ExportedNode>,
    prefix: &str,
    names: &mut HashMap<String, String>,
    flat: &mut Vec<ExportedNode>,
) -> Result<()> {
    for mut node in nodes {
        for input in &mut node.inputs {
            for (kind, json) in &mut input.arg {
                if kind != "as_graph" {
                    rename(json, prefix, names);
                }
            }
        }
        if !WRAPPERS.contains(&node.target.as_str()) {
            for json in node.outputs.iter_mut().flat_map(Argument::values_mut) {
                rename(json, prefix, names);
            }
            flat.push(node);
            continue;
        }
        let target = node.target;
        let damaged = || archive.error(format!("{target} has damaged arguments")).with_help("copy or export it again");
        let mut arguments = node.inputs.iter_mut().map(|input| &mut input.arg);
        let graph = arguments.find_map(|argument| argument.get_mut("as_graph")).ok_or_else(damaged)?;
        let inner = graph.get("name").and_then(Json::as_str).unwrap_or_default();
        let inner_prefix = format!("{prefix}{inner}@{}/", flat.len());
        let graph: ExportedGraph = graph
            .get_mut("graph")
            .map(Json::take)
            .and_then(|json| serde_json::from_value(json).ok())
            .ok_or_else(damaged)?;
        let mut inner_names = HashMap::new();
        let operands: Vec<&Argument> = arguments.map(|argument| &*argument).collect();
        if operands.len() != graph.inputs.len() {
            return Err(damaged());
        }
        for (input, operand) in graph.inputs.iter().zip(operands) {
            let value = |argument: &Argument| single(argument).and_then(|(_, json)| reference(json)).map(str::to_owned);
            if let (Some(input), Some(operand)) = (value(input), value(operand)) {
                inner_names.insert(input, operand);
            }
        }
        inline(archive, graph.nodes, &inner_prefix, &mut inner_names, flat)?;
        let mut results = graph.outputs;
        for json in results.iter_mut().flat_map(Argument::values_mut) {
            rename(json, &inner_prefix, &inner_names);
        }
        let (outer, results) = (references(&node.outputs), references(&results));
        if outer.len() != results.len() {
            return Err(damaged());
        }
        names.extend(outer.into_iter().zip(results));
    }
    Ok(())
}

/// The values arguments refer to, in order.
pub fn references(arguments: &[Argument]) -> Vec<String> {
    let items = arguments.iter().filter_map(single).flat_map(|(_, json)| match json {
        Json::Array(items) => items.as_slice(),
        json => std::slice::from_ref(json),
    });
    items.filter_map(|item| reference(item).or_else(|| reference(item.get("as_tensor")?)).map(str::to_owned)).collect()
}

/// Gives every value an argument refers to its name in the flat graph.
fn rename(json: &mut Json, prefix: &str, names: &HashMap<String, String>) {
    match json {
        Json::Array(items) => items.iter_mut().for_each(|item| rename(item, prefix, names)),
        Json::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Json::String(name) if key == "name" || key == "as_name" => {
                        let flat = names.get(name.as_str()).cloned();
                        *name = flat.unwrap_or_else(|| format!("{prefix}{name}"));
                    }
                    value => rename(value, prefix, names),
                }
            }
        }
        _ => {}
    }
}
