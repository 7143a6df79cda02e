//! What was found, for programs.

use crate::model::LayerInfo;
use crate::model::signature;
use crate::{Error, ErrorKind, Result};
use serde_json::{Value, json};

use super::{Findings, text};

/// The whole record, schema 1.
pub fn text(findings: &Findings) -> Result<String> {
    let model = &findings.model;
    let graph = model.graph();
    let reads = model.reads();
    let layers: Vec<Value> = model
        .layers()
        .iter()
        .enumerate()
        .map(|(index, layer)| {
            let info = findings.layers.as_ref().map(|layers| &layers[index]);
            json!({
                "name": layer.name, "class": layer.class, "operator": layer.operator,
                "shape": info.map(|info| &info.shape), "channel_axis": info.map(|info| info.channel_axis),
                "channels": info.map(LayerInfo::channels), "units": info.map(LayerInfo::units),
                "logits": model.logits_layer() == Some(index), "reads": reads[index],
            })
        })
        .collect();
    let leaves: Vec<Value> = signature::leaves(&graph.signature)
        .iter()
        .map(|leaf| {
            json!({
                "name": leaf.name, "required": leaf.required,
                "element": leaf.tensor.element.map(signature::ElementType::name), "shape": leaf.tensor.shape,
            })
        })
        .collect();
    let shapes = findings.inputs.as_ref().map(|inputs| inputs.shapes.clone()).unwrap_or_default();
    let all = json!({
        "schema": 1,
        "model": {
            "path": model.path(), "format": model.format(), "sha256": model.sha256(), "parameters": graph.parameters,
            "fixed_batch": model.fixed_batch(), "branches_on_data": model.branches_on_data(),
        },
        "signature": graph.signature.iter().map(text::argument).collect::<Vec<_>>(),
        "inputs": leaves,
        // The shape that was tried, where the model takes one input.
        "input": match (&shapes[..], &findings.inputs) {
            ([(_, shape)], Some(inputs)) => json!({ "shape": shape, "source": inputs.source }),
            _ => Value::Null,
        },
        "tried": shapes.into_iter().map(|(name, shape)| json!({ "name": name, "shape": shape })).collect::<Vec<_>>(),
        "outputs": findings.outputs,
        "modules": graph.modules.iter().map(|module| json!({ "path": module.path, "class": module.class })).collect::<Vec<_>>(),
        "operators": model.operators(),
        "layers": layers,
        "left_out": model.left_out().iter().map(|left| json!({ "name": left.name, "why": left.why })).collect::<Vec<_>>(),
        "selectors": findings.selectors.iter().map(|(text, names)| json!({ "selector": text, "layers": names })).collect::<Vec<_>>(),
    });
    serde_json::to_string_pretty(&all)
        .map_err(|why| Error::new(ErrorKind::Io, format!("the result cannot be written as JSON: {why}")))
}
