//! From an exported program to a graph libtorch can run.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::Value as Json;

use super::archive::Archive;
use super::inline::inlined;
use super::inputs::{self, Input, Leaf};
use super::modules::modules;
use super::mutation::overwritten;
use super::schema::{ExportedModel, ExportedNode, TensorMeta, reference, single};
use super::weights::{Weights, element_of};
use crate::model::graph::{Graph, Node, StateUpdate, ValueId};
use crate::model::signature::ElementType;
use crate::model::torchscript::ffi::Program;
use crate::model::torchscript::{first_paragraph, unknown_operator};
use crate::{Error, Result};

/// A program in the making.
pub struct Builder<'a> {
    pub archive: &'a mut Archive,
    pub program: Program,
    pub device: Option<usize>,
    pub nodes: Vec<Node>,
    /// The values made so far, by their names in the file.
    pub values: HashMap<String, ValueId>,
    pub constants: HashMap<String, ValueId>,
}

/// The inputs of a graph in order.
#[derive(Default)]
struct Inputs {
    /// Value and name of each parameter, buffer and constant.
    bound: Vec<(String, String)>,
    /// Of these, the name of each that is a parameter.
    weights: Vec<Option<String>>,
    /// What `forward` is given.
    leaves: Vec<Leaf>,
    /// Number of scalar parameters.
    parameters: u64,
    /// The types of floating-point weights.
    elements: HashSet<ElementType>,
}

pub fn build(archive: &mut Archive, mut model: ExportedModel, device: Option<usize>) -> Result<(Program, Graph)> {
    let nodes = inlined(archive, std::mem::take(&mut model.graph_module.graph.nodes))?;
    let program = Program::new()?;
    let mut builder =
        Builder { archive, program, device, nodes: Vec::new(), values: HashMap::new(), constants: HashMap::new() };
    let inputs = builder.inputs(&model)?;
    let user: Vec<&String> =
        inputs.leaves.iter().filter_map(|leaf| if let Leaf::Tensor(name) = leaf { Some(name) } else { None }).collect();
    let fed: Vec<ValueId> = user.iter().map(|name| builder.values[*name]).collect();
    let copies = builder.copies(&nodes)?;
    for node in &nodes {
        builder.node(node)?;
    }
    let outputs = builder.outputs(&model)?;
    let state = builder.state(&model, &inputs, copies)?;
    let metas = &model.graph_module.graph.tensor_values;
    let sizes: Vec<_> = user.iter().filter_map(|name| metas.get(*name)).map(TensorMeta::sizes).collect();
    let graph = Graph {
        nodes: builder.nodes,
        inputs: fed,
        flat: true,
        signature: inputs::signature(builder.archive, &model, &inputs.leaves)?,
        outputs,
        modules: modules(&model, &nodes),
        parameters: inputs.parameters,
        weight_element: inputs.elements.iter().next().copied().filter(|_| inputs.elements.len() == 1),
        input_shape: sizes.first().and_then(|sizes| sizes.get(1..)?.iter().copied().collect()),
        fixed_batch: inputs::fixed_batch(&sizes),
        state,
        weights: inputs.weights,
    };
    Ok((builder.program, graph))
}

impl Builder<'_> {
    /// Weights, buffers and constants as bound inputs, then the user's.
    fn inputs(&mut self, model: &ExportedModel) -> Result<Inputs> {
        let mut weights = Weights::open(self.archive, self.device)?;
        let mut inputs = Inputs::default();
        let mut counted = BTreeSet::new();
        for spec in &model.graph_module.signature.input_specs {
            let (is_parameter, value, target) = match inputs::input(self.archive, spec)? {
                Input::Bound { is_parameter, value, target } => (is_parameter, value, target),
                Input::User(leaf) => {
                    inputs.leaves.push(leaf);
                    continue;
                }
            };
            let tensor = weights.get(self.archive, &target)?;
            // Tied parameters share their values and count once.
            if is_parameter && counted.insert(tensor.data_ptr() as usize) {
                inputs.parameters += tensor.numel() as u64;
            }
            inputs.elements.extend(element_of(tensor).filter(|element| !element.is_integer()));
            let id = self.program.input(Some(tensor)).map_err(|e| self.explain("weights", &e))?;
            self.define(value.clone(), id)?;
            inputs.weights.push(is_parameter.then(|| target.clone()));
            inputs.bound.push((value, target));
        }
        for leaf in &inputs.leaves {
            if let Leaf::Tensor(name) = leaf {
                let id = self.program.input(None).map_err(|e| self.explain("inputs", &e))?;
                self.define(name.clone(), id)?;
            }
        }
        Ok(inputs)
    }

    /// Copies the inputs that the graph overwrites; from now on their names mean the copies, which are given back.
    fn copies(&mut self, nodes: &[ExportedNode]) -> Result<HashMap<String, ValueId>> {
        let mut copies = HashMap::new();
        for name in overwritten(nodes, self.values.keys().map(String::as_str)) {
            let original = self.values[&name];
            let made = self.program.call("aten::clone", &[("self".to_owned(), original)], 1);
            let made = made.map_err(|e| self.explain("inputs", &e))?;
            self.push("aten::clone".to_owned(), vec![original], made.clone(), true, Default::default());
            self.values.insert(name.clone(), made[0]);
            copies.insert(name, made[0]);
        }
        Ok(copies)
    }

    /// The value of a name the signature uses.
    fn value(&self, name: &str) -> Result<ValueId> {
        self.values.get(name).copied().ok_or_else(|| {
            self.archive
                .error(format!("its graph is damaged: it returns the value {name:?}, which nothing makes"))
                .with_help("copy or export it again")
        })
    }

    /// The user's outputs that are tensors.
    fn outputs(&mut self, model: &ExportedModel) -> Result<Vec<ValueId>> {
        let mut outputs = Vec::new();
        for spec in &model.graph_module.signature.output_specs {
            let (kind, spec) = single(spec)
                .ok_or_else(|| self.archive.error("an output has no kind").with_help("copy or export it again"))?;
            match kind {
                "user_output" => {}
                // What is written back to buffers is state; what is written to the caller's tensors stays with the copy.
                "buffer_mutation" | "parameter_mutation" | "user_input_mutation" => continue,
                other => {
                    return Err(self
                        .archive
                        .error(format!("it has an output of kind {}, which is not supported", other.escape_debug()))
                        .with_help("export the model for inference: without a loss, gradients and side effects"));
                }
            }
            // A number or None, which no criterion looks at, has no value here.
            let Some(name) = spec.pointer("/arg/as_tensor").and_then(reference) else { continue };
            let id = self.value(name)?;
            self.program.output(id).map_err(|e| self.explain("outputs", &e))?;
            outputs.push(id);
        }
        if outputs.is_empty() {
            return Err(self
                .archive
                .error("it returns no tensor")
                .with_help("export a module whose forward returns what it computes"));
        }
        Ok(outputs)
    }

    /// Buffers that a run changes: those the signature names, and those the graph overwrites itself.
    fn state(
        &self,
        model: &ExportedModel,
        inputs: &Inputs,
        mut copies: HashMap<String, ValueId>,
    ) -> Result<Vec<StateUpdate>> {
        let mut state = Vec::new();
        for spec in &model.graph_module.signature.output_specs {
            let Some(("buffer_mutation" | "parameter_mutation", spec)) = single(spec) else { continue };
            let text = |pointer: &str| spec.pointer(pointer).and_then(Json::as_str);
            let buffer = text("/buffer_name").or_else(|| text("/parameter_name"));
            let place = inputs.bound.iter().position(|(_, target)| Some(target.as_str()) == buffer);
            let (Some(place), Some(name)) = (place, text("/arg/name")) else {
                return Err(self
                    .archive
                    .error("it changes a buffer that it does not have")
                    .with_help("copy or export it again"));
            };
            let (value, target) = &inputs.bound[place];
            copies.remove(value);
            state.push(StateUpdate { buffer: target.clone(), value: self.value(name)?, bound: place });
        }
        let own = inputs.bound.iter().enumerate().filter_map(|(bound, (value, target))| {
            Some(StateUpdate { buffer: target.clone(), value: *copies.get(value)?, bound })
        });
        state.extend(own);
        state.sort_by_key(|update| update.bound);
        Ok(state)
    }

    /// What libtorch says against a node, in the user's terms.
    pub fn explain(&self, doing: &str, error: &Error) -> Error {
        if let Some(operator) = unknown_operator(error.what()) {
            return self.archive.lacks(&operator);
        }
        self.archive
            .error(format!("{} cannot be built: {}", doing.escape_debug(), first_paragraph(error.what())))
            .with_help("export it again with torch 2.8 to 2.13; if that gives the same, report the operator")
    }
}
