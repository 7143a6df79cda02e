//! The activation modules of a model, for criteria that look at modules in the order in which they were registered
//! (CRITERIA section 4), not at calls in the order in which they run.

use std::collections::HashMap;

use super::Model;
use super::graph::{Graph, ValueId};
use super::layers::Layer;

/// Qualified names, without what TorchScript adds to them.
const CLASSES: &[&str] = &[
    "torch.nn.modules.activation.ReLU",
    "torch.nn.modules.activation.Sigmoid",
    "torch.nn.modules.activation.Tanh",
    "torch.nn.modules.activation.LeakyReLU",
    "torch.nn.modules.activation.ELU",
    "torch.nn.modules.activation.ReLU6",
];

/// A module that is an activation function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivationModule {
    /// Position in the walk over all modules in registration order, the root at 0: index into
    /// [`Graph::modules`](super::graph::Graph::modules).
    pub index: usize,
    /// Path from the root: `layer1.0.relu`.
    pub path: String,
    /// `ReLU`
    pub class: String,
    /// Index into [`Model::layers`] of what its last call gives; `None` if `forward` never calls it.
    pub layer: Option<usize>,
}

impl Model {
    /// The modules of class ReLU, Sigmoid, Tanh, LeakyReLU, ELU or ReLU6 in registration order.
    ///
    /// A module that is registered under two names is there twice, each time with the calls made by that name. A `.pt2`
    /// file tells the class of a module only where it is called: one that is not is left out.
    pub fn activation_modules(&self) -> Vec<ActivationModule> {
        activation_modules(self.graph(), self.layers())
    }
}

fn activation_modules(graph: &Graph, layers: &[Layer]) -> Vec<ActivationModule> {
    let paths: HashMap<ValueId, &str> =
        graph.nodes.iter().flat_map(|node| node.outputs.iter().map(|output| (*output, node.path.as_str()))).collect();
    // Layers are in execution order: what is inserted last is the last call.
    let last: HashMap<&str, usize> =
        layers.iter().enumerate().filter_map(|(index, layer)| Some((*paths.get(&layer.value)?, index))).collect();
    let modules = graph.modules.iter().enumerate().filter(|(_, module)| CLASSES.contains(&module.class.as_str()));
    modules
        .map(|(index, module)| ActivationModule {
            index,
            path: module.path.clone(),
            class: module.class.rsplit('.').next().unwrap_or_default().to_owned(),
            layer: last.get(module.path.as_str()).copied(),
        })
        .collect()
}
