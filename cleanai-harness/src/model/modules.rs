//! The activation modules of a model, for criteria that look at modules in the order in which they were registered
//! (CRITERIA section 4), not at calls in the order in which they run.

use std::collections::HashMap;

use super::graph::{Graph, ValueId};
use super::layers::Layer;
use super::select::{glob, near};
use super::{LayerInfo, Model};
use crate::declare::Selector;
use crate::{Error, ErrorKind, Result};

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

    /// The activation modules that are called and that a selector names, in registration order: a glob on their paths, their class,
    /// `default` for all. `penultimate` and `logits` name a module only where the layer they stand for is one's last call.
    ///
    /// # Errors
    /// If the model calls none, or none is named; the error lists near matches.
    pub fn select_modules(&self, selector: &Selector) -> Result<Vec<ActivationModule>> {
        let called: Vec<ActivationModule> =
            self.activation_modules().into_iter().filter(|module| module.layer.is_some()).collect();
        if called.is_empty() {
            let what = format!(
                "{} calls no module of class ReLU, Sigmoid, Tanh, LeakyReLU, ELU or ReLU6, which are all that criteria of `cleanai::` \
                 look at",
                self.path().display()
            );
            return Err(Error::new(ErrorKind::Criterion, what).with_help(
                "activations called as functions (torch.relu) are no modules: take a criterion that looks at every call, \
                 such as `nc`, `nac`, `tknc` or `kmnc`, or make them modules (torch.nn.ReLU)",
            ));
        }
        let wanted = self.wanted_modules(&called, selector)?;
        let found: Vec<ActivationModule> =
            called.iter().zip(&wanted).filter(|(_, wanted)| **wanted).map(|(module, _)| module.clone()).collect();
        if !found.is_empty() {
            return Ok(found);
        }
        let (written, candidates): (String, Vec<&str>) = match selector {
            Selector::Class(class) => (class.clone(), called.iter().map(|module| module.class.as_str()).collect()),
            other => (other.to_string(), called.iter().map(|module| module.path.as_str()).collect()),
        };
        let what = format!("layer selector {selector} matches no activation module of {}", self.path().display());
        Err(Error::new(ErrorKind::Configuration, what).with_help(format!(
            "near: {}; there are {}",
            near(candidates, &written).join(", "),
            called.len()
        )))
    }

    /// For each of these modules whether a selector names it.
    fn wanted_modules(&self, modules: &[ActivationModule], selector: &Selector) -> Result<Vec<bool>> {
        let every = |test: &dyn Fn(&ActivationModule) -> bool| modules.iter().map(test).collect();
        Ok(match selector {
            Selector::Default => vec![true; modules.len()],
            Selector::Class(class) => every(&|module| module.class == *class),
            Selector::Glob(pattern) => {
                let matcher = glob(pattern)?;
                every(&|module| module.path == *pattern || matcher.is_match(&module.path))
            }
            // The layer may well be no module's: then none is wanted.
            Selector::Penultimate | Selector::Logits => {
                let layers = self.select(selector).unwrap_or_default();
                every(&|module| module.layer.is_some_and(|layer| layers.contains(&layer)))
            }
            Selector::Any(selectors) => {
                let mut wanted = vec![false; modules.len()];
                for selector in selectors {
                    let also = self.wanted_modules(modules, selector)?;
                    wanted.iter_mut().zip(also).for_each(|(wanted, also)| *wanted |= also);
                }
                wanted
            }
        })
    }
}

impl ActivationModule {
    /// What is known of its last call, under the module's own name and class.
    pub fn info(&self, layers: &[LayerInfo]) -> Option<LayerInfo> {
        let layer = layers.get(self.layer?)?.clone();
        Some(LayerInfo { name: self.path.clone(), class: self.class.clone(), ..layer })
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
