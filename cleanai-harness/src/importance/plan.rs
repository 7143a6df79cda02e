//! Which values of a run are kept for relevance, and what each of them is.

use std::collections::{HashMap, HashSet};

use super::call::{Affine, Operator, Reader};
use crate::model::graph::{Flow, Graph, Node, ValueId};
use crate::model::tape::Role;
use crate::{Error, ErrorKind, Result};

/// One kept value.
#[derive(Debug)]
pub(super) struct Kept {
    pub value: ValueId,
    pub role: Role,
    pub operator: Operator,
    /// The operator's name, for errors: `aten::lstm (encoder.lstm, at code/__torch__/m.py:7)`.
    pub called: String,
    /// The module it belongs to, with the operator where it is no module of its own: what ranges of rules match.
    pub path: String,
}

/// All kept values, in the order of the graph.
#[derive(Debug)]
pub(super) struct Plan {
    pub kept: Vec<Kept>,
    places: HashMap<ValueId, usize>,
}

impl Plan {
    /// What is kept of the runs of these calls.
    ///
    /// # Errors
    /// If a value is changed in place and read again later: what was read first is then lost.
    pub fn of(calls: &Graph) -> Result<Self> {
        let flow = Flow::new(calls);
        let reader = Reader { flow: &flow };
        let changed = changed(calls, &flow)?;
        let merged = merged(calls, &reader);
        let mut plan = Self { kept: Vec::new(), places: HashMap::new() };
        let flat = calls.flat || calls.signature.len() != calls.inputs.len();
        for (at, input) in calls.inputs.iter().enumerate() {
            // Tuples and the like are taken apart by nodes, whose outputs are kept.
            let is_tensor =
                flat || matches!(calls.signature[at].kind, crate::model::signature::ArgumentType::Tensor(_));
            if is_tensor && flow.readers(*input).iter().any(|_| true) {
                plan.keep(*input, changed.contains(input), Operator::Start, "the input".to_owned(), String::new());
            }
        }
        for node in &calls.nodes {
            let takes_apart =
                matches!(node.kind.as_str(), "prim::ListUnpack" | "prim::TupleUnpack" | "aten::__getitem__");
            if !takes_apart && !node.kind.starts_with("aten::") && !node.kind.contains("::") {
                continue;
            }
            if (node.kind.starts_with("prim::") && !takes_apart) || node.kind.starts_with("cleanai::") {
                continue;
            }
            for output in node.outputs.iter().copied() {
                if !flow.is_live(output) || !flow.is_tensor(output) || merged.contains(&output) {
                    continue;
                }
                // What is taken out of a list or a tuple was made by the call that made the list.
                let made_by = if takes_apart { maker(&flow, node) } else { Some(node) };
                let Some(made_by) = made_by else {
                    plan.keep(
                        output,
                        changed.contains(&output),
                        Operator::Start,
                        "the input".to_owned(),
                        String::new(),
                    );
                    continue;
                };
                let operator = reader.operator(made_by);
                let (called, path) = (called(made_by), path(made_by, &reader));
                plan.keep(output, changed.contains(&output), operator, called, path);
            }
        }
        plan.keep_weights();
        Ok(plan)
    }

    /// The observer of a value.
    pub fn place(&self, value: ValueId) -> Option<usize> {
        self.places.get(&value).copied()
    }

    fn keep(&mut self, value: ValueId, changed: bool, operator: Operator, called: String, path: String) {
        if self.places.contains_key(&value) {
            return;
        }
        let role = if changed { Role::Changed } else { Role::Value };
        self.places.insert(value, self.kept.len());
        self.kept.push(Kept { value, role, operator, called, path });
    }

    fn keep_weights(&mut self) {
        let mut weights = Vec::new();
        for kept in &self.kept {
            match &kept.operator {
                Operator::Affine(Affine { weight, bias, norm, .. }) => {
                    weights.extend([Some(*weight), *bias]);
                    if let Some(norm) = norm {
                        weights.extend([norm.weight, norm.bias, Some(norm.mean), Some(norm.variance)]);
                    }
                }
                Operator::Norm(norm) => weights.extend([norm.weight, norm.bias]),
                _ => {}
            }
        }
        for value in weights.into_iter().flatten() {
            if !self.places.contains_key(&value) {
                self.places.insert(value, self.kept.len());
                let (role, operator) = (Role::Weight, Operator::Start);
                self.kept.push(Kept { value, role, operator, called: String::new(), path: String::new() });
            }
        }
    }
}

/// The operator call behind what a node takes apart; none for an argument of the model.
fn maker<'f>(flow: &Flow<'f>, node: &Node) -> Option<&'f Node> {
    let mut value = *node.inputs.first()?;
    for _ in 0..64 {
        let made = flow.producer(value)?;
        let hands_on =
            made.kind.starts_with("prim::") || made.kind == "aten::__getitem__" || made.kind.starts_with("cleanai::");
        if !hands_on {
            return Some(made);
        }
        value = flow.first_live_input(made)?;
    }
    None
}

/// Values that an operator changes in place.
fn changed(calls: &Graph, flow: &Flow<'_>) -> Result<HashSet<ValueId>> {
    let mut changed = HashSet::new();
    for (at, node) in calls.nodes.iter().enumerate() {
        let in_place = node.kind.starts_with("aten::") && node.kind.ends_with('_') && !node.kind.ends_with("__");
        let Some(target) = node.inputs.first().copied().filter(|target| in_place && flow.is_live(*target)) else {
            continue;
        };
        let target = flow.origin(target);
        changed.insert(target);
        let later =
            calls.nodes[at + 1..].iter().find(|later| later.inputs.iter().any(|input| flow.origin(*input) == target));
        let again =
            later.filter(|later| !later.kind.starts_with("prim::") && !matches!(later.operator(), "size" | "dim"));
        if let Some(again) = again {
            let what =
                format!("no relevance: {} changes a value in place that {} reads again", called(node), called(again));
            return Err(Error::new(ErrorKind::Model, what)
                .with_help("use the operator's result instead, or the form of it that does not work in place"));
        }
    }
    Ok(changed)
}

/// Values inside what is merged: convolutions before their batch norm, pads before their convolution.
fn merged(calls: &Graph, reader: &Reader<'_>) -> HashSet<ValueId> {
    let mut merged = HashSet::new();
    for node in &calls.nodes {
        if let Some(inner) = reader.merged(node) {
            merged.extend(&inner.outputs);
        }
        if let Operator::Affine(Affine { pad: Some(_), .. }) = reader.operator(node) {
            let convolution = reader.merged(node).unwrap_or(node);
            if let Some((pad, ..)) = reader.pad_before(convolution) {
                merged.extend(&pad.outputs);
            }
        }
    }
    merged
}

fn called(node: &Node) -> String {
    let beside = [node.path.as_str(), node.place.as_str()];
    let beside: Vec<&str> = beside.into_iter().filter(|text| !text.is_empty()).collect();
    if beside.is_empty() { node.kind.clone() } else { format!("{} ({})", node.kind, beside.join(", ")) }
}

fn path(node: &Node, reader: &Reader<'_>) -> String {
    let node = reader.merged(node).unwrap_or(node);
    match (node.path.is_empty(), node.class.starts_with("torch.")) {
        (true, _) => node.operator().to_owned(),
        (false, true) => node.path.clone(),
        (false, false) => format!("{}/{}", node.path, node.operator()),
    }
}
