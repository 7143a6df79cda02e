//! How layers follow each other, and what is called how often.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Model;
use super::graph::{Flow, ValueId};

impl Model {
    /// For every layer, in order, the layers and inputs it reads first: those between which and itself there is no other layer.
    pub fn reads(&self) -> Vec<Vec<String>> {
        let flow = Flow::new(&self.graph);
        let mut names: HashMap<ValueId, String> = HashMap::new();
        for (value, argument) in self.graph.inputs.iter().zip(self.input_names()) {
            names.insert(*value, argument);
        }
        for layer in self.layers.iter().rev() {
            names.insert(layer.value, layer.name.clone());
        }
        self.layers.iter().map(|layer| reads_of(&flow, layer.value, &names)).collect()
    }

    /// A name for each value that is fed.
    fn input_names(&self) -> Vec<String> {
        if self.graph.flat {
            super::signature::leaves(&self.graph.signature).into_iter().map(|leaf| leaf.name).collect()
        } else {
            self.graph.signature.iter().map(|argument| argument.name.clone()).collect()
        }
    }

    /// How often each operator stands in the graph, helpers of the language left out.
    pub fn operators(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        let helper = |kind: &str| {
            (kind.starts_with("prim::") && !matches!(kind, "prim::If" | "prim::Loop")) || kind.starts_with("cleanai::")
        };
        for node in self.graph.nodes.iter().filter(|node| !helper(&node.kind)) {
            *counts.entry(node.kind.trim_start_matches("aten::").to_owned()).or_default() += 1;
        }
        counts
    }
}

fn reads_of(flow: &Flow<'_>, value: ValueId, names: &HashMap<ValueId, String>) -> Vec<String> {
    let (mut found, mut seen) = (Vec::new(), HashSet::from([value]));
    let mut open: Vec<ValueId> = flow.producer(value).map(|node| node.inputs.clone()).unwrap_or_default();
    while let Some(value) = open.pop() {
        if !flow.is_live(value) || !seen.insert(value) {
            continue;
        }
        match names.get(&value) {
            Some(name) => found.push((flow.position(value), name.clone())),
            None => open.extend(flow.producer(value).map(|node| node.inputs.as_slice()).unwrap_or_default()),
        }
    }
    found.sort();
    found.dedup();
    found.into_iter().map(|(_, name)| name).collect()
}
