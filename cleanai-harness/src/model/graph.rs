//! A model as a flat list of operator calls, whatever file it came from. Plain data: no torch here.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use super::signature::{Argument, ElementType};

/// The number a value (a result of a node, or an input) is known by; the same on the side that runs the graph.
pub type ValueId = i64;

/// A constant that analyses read.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Constant {
    /// A truth value.
    Bool(bool),
    /// An integer.
    Integer(i64),
    /// A list of integers.
    Integers(Vec<i64>),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
}

/// One operator call.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Qualified name: `aten::conv2d`, `prim::ListConstruct`. Control flow appears as data flow: what a block
    /// returns is an input of the `prim::If` or `prim::Loop` behind it, its parameters are outputs of `cleanai::parameters` before it.
    pub kind: String,
    /// Values read, in order.
    pub inputs: Vec<ValueId>,
    /// Values made, in order.
    pub outputs: Vec<ValueId>,
    /// Which of the outputs are tensors; empty means all.
    pub tensors: Vec<bool>,
    /// Path of the module the call belongs to (`layer1.0.relu`), empty for the root.
    pub path: String,
    /// Qualified class of that module (`torch.nn.modules.activation.ReLU`).
    pub class: String,
    /// Value of a constant.
    pub constant: Option<Constant>,
    /// Where it stands in the source the file keeps, `code/__torch__/lenet.py:12`; empty where it does not tell.
    pub place: String,
}

impl Node {
    /// The operator without namespace and trailing underscore: `relu` of `aten::relu_`.
    pub fn operator(&self) -> &str {
        let name = self.kind.rsplit("::").next().unwrap_or(&self.kind);
        if self.kind.starts_with("aten::") { name.strip_suffix('_').unwrap_or(name) } else { name }
    }

    /// Whether some output is a tensor or a container of tensors; `size`, `dim` and the like only ask about one.
    fn is_query(&self) -> bool {
        self.kind.starts_with("aten::")
            && !self.tensors.is_empty()
            && self.tensors.iter().all(|tensor| !tensor)
            && matches!(self.operator(), "size" | "dim" | "len" | "sym_size" | "numel" | "is_floating_point" | "stride")
            || matches!(
                self.kind.as_str(),
                "prim::dtype" | "prim::device" | "prim::shape" | "prim::is_cuda" | "prim::layout"
            )
    }

    /// Whether the node only hands on what it reads.
    fn is_structural(&self) -> bool {
        matches!(
            self.kind.as_str(),
            "prim::ListConstruct"
                | "prim::TupleConstruct"
                | "prim::DictConstruct"
                | "prim::TupleUnpack"
                | "prim::ListUnpack"
                | "prim::If"
                | "prim::Loop"
                | "cleanai::parameters"
                | "prim::unchecked_cast"
                | "aten::_unwrap_optional"
                | "prim::unchecked_unwrap_optional"
        )
    }
}

/// One module of the module tree.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Module {
    /// Path from the root; the root's is empty.
    pub path: String,
    /// Qualified class; empty where the format does not keep it.
    pub class: String,
}

/// A buffer that a run changes. Every run starts from the exported values; a caller that wants the state to be kept makes
/// `value` an output and binds what it gives for the next run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateUpdate {
    /// The buffer's name in the state dict.
    pub buffer: String,
    /// The value that holds what it is after the run (once all nodes have run).
    pub value: ValueId,
    /// Which of the program's bound inputs, counted from 0, holds what it is before the run.
    pub bound: usize,
}

/// A whole model.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// Calls in execution order.
    pub nodes: Vec<Node>,
    /// The values fed with data: one for each argument of `forward`, or (torch.export) one for each tensor in them, in order.
    pub inputs: Vec<ValueId>,
    /// The arguments of `forward`.
    pub signature: Vec<Argument>,
    /// Whether `inputs` are the tensors within the arguments, not the arguments.
    pub flat: bool,
    /// The values returned.
    pub outputs: Vec<ValueId>,
    /// Modules in registration order, the root first.
    pub modules: Vec<Module>,
    /// Number of scalar parameters.
    pub parameters: u64,
    /// Type of the weights, where all floating ones are of one type: floating inputs are fed in it.
    pub weight_element: Option<ElementType>,
    /// Shape of one input, where the file tells it.
    pub input_shape: Option<Vec<usize>>,
    /// The only batch size the file allows, where there is one.
    pub fixed_batch: Option<usize>,
    /// Buffers that a run changes; empty where the format does not tell (TorchScript).
    pub state: Vec<StateUpdate>,
    /// Of the bound inputs in order, the name of each that is a parameter; empty where a module knows them (TorchScript).
    pub weights: Vec<Option<String>>,
}

/// Who makes and who reads each value, and what depends on the data.
#[derive(Debug)]
pub struct Flow<'a> {
    graph: &'a Graph,
    producers: HashMap<ValueId, usize>,
    readers: HashMap<ValueId, Vec<usize>>,
    live: HashSet<ValueId>,
}

impl<'a> Flow<'a> {
    /// Follows the values of a graph once.
    pub fn new(graph: &'a Graph) -> Self {
        let mut flow = Self { graph, producers: HashMap::new(), readers: HashMap::new(), live: HashSet::new() };
        flow.live.extend(&graph.inputs);
        for (index, node) in graph.nodes.iter().enumerate() {
            for output in &node.outputs {
                flow.producers.insert(*output, index);
            }
            for input in &node.inputs {
                let readers = flow.readers.entry(*input).or_default();
                if readers.last() != Some(&index) {
                    readers.push(index);
                }
            }
            if node.inputs.iter().any(|input| flow.live.contains(input)) {
                flow.live.extend(&node.outputs);
            }
        }
        flow
    }

    /// Whether a value, as it is or reshaped, is what an embedding or an index looks up: whole numbers.
    pub fn is_looked_up(&self, value: ValueId) -> bool {
        let (mut seen, mut open) = (HashSet::new(), vec![value]);
        while let Some(value) = open.pop() {
            if !seen.insert(value) {
                continue;
            }
            for node in self.readers(value) {
                let place = node.inputs.iter().position(|input| self.origin(*input) == self.origin(value));
                match node.operator() {
                    "embedding" | "embedding_bag" if place == Some(1) => return true,
                    "one_hot" if place == Some(0) => return true,
                    "index_select" | "gather" if place == Some(2) => return true,
                    "view" | "reshape" | "flatten" | "unsqueeze" | "squeeze" | "transpose" | "permute" | "t"
                    | "contiguous" | "slice" | "select" | "unbind" | "expand" => open.extend(&node.outputs),
                    _ => {}
                }
            }
        }
        false
    }

    /// Whether the course of the calculation depends on the numbers in the data, not only on their shapes: the condition of a
    /// branch or a loop is computed from them.
    pub fn branches_on_data(&self) -> bool {
        let mut numbers: HashSet<ValueId> = self.graph.inputs.iter().copied().collect();
        let mut branches = false;
        // A loop may feed what it computes to its own condition: until nothing new is found.
        loop {
            let before = numbers.len();
            for node in &self.graph.nodes {
                if node.is_query() || matches!(node.kind.as_str(), "aten::__is__" | "aten::__isnot__") {
                    continue;
                }
                let data = |input: &ValueId| numbers.contains(input);
                branches |= match node.kind.as_str() {
                    "prim::If" => node.inputs.first().is_some_and(data),
                    "prim::Loop" => {
                        // Trip count and first condition in front; the first of what its block returns is the next condition.
                        let returned = node.inputs.len().checked_sub(node.outputs.len() + 1);
                        node.inputs.iter().take(2).any(data)
                            || returned.and_then(|at| node.inputs.get(at)).is_some_and(data)
                    }
                    _ => false,
                };
                if node.inputs.iter().any(data) {
                    numbers.extend(&node.outputs);
                }
            }
            if branches || numbers.len() == before {
                return branches;
            }
        }
    }

    /// Whether a value is computed from the data.
    pub fn is_live(&self, value: ValueId) -> bool {
        self.live.contains(&value)
    }

    /// The node that makes a value; `None` for a graph input.
    pub fn producer(&self, value: ValueId) -> Option<&'a Node> {
        self.producers.get(&value).map(|index| &self.graph.nodes[*index])
    }

    /// Position of the node that makes a value in execution order.
    pub fn position(&self, value: ValueId) -> usize {
        self.producers.get(&value).copied().unwrap_or(0)
    }

    /// The first input of a node that depends on the data.
    pub fn first_live_input(&self, node: &Node) -> Option<ValueId> {
        node.inputs.iter().copied().find(|input| self.is_live(*input))
    }

    /// The nodes that compute with a value: questions about its shape do not count, lists, tuples and branches are looked through.
    pub fn readers(&self, value: ValueId) -> Vec<&'a Node> {
        let (mut found, mut seen, mut open) = (Vec::new(), HashSet::new(), vec![value]);
        while let Some(value) = open.pop() {
            if !seen.insert(value) {
                continue;
            }
            for index in self.readers.get(&value).into_iter().flatten() {
                let node = &self.graph.nodes[*index];
                if node.is_query() {
                    continue;
                }
                if node.is_structural() && !node.outputs.is_empty() {
                    open.extend(&node.outputs);
                } else {
                    found.push((*index, node));
                }
            }
        }
        found.sort_by_key(|(index, _)| *index);
        found.dedup_by_key(|(index, _)| *index);
        found.into_iter().map(|(_, node)| node).collect()
    }

    /// Steps back through lists, tuples and branches to the value of an operator call (or a graph input).
    pub fn origin(&self, mut value: ValueId) -> ValueId {
        let mut seen = HashSet::new();
        while let Some(node) = self.producer(value) {
            if !node.is_structural() || !seen.insert(value) {
                break;
            }
            let Some(input) = self.matching_input(node, value) else { break };
            value = input;
        }
        value
    }

    /// What a structural node's output hands on: the input at the same place where that is known, else the first that depends on the data.
    fn matching_input(&self, node: &Node, value: ValueId) -> Option<ValueId> {
        if node.kind == "prim::If" && !node.outputs.is_empty() {
            let place = node.outputs.iter().position(|output| *output == value)?;
            let returned = &node.inputs[1..];
            let branches = returned.chunks(node.outputs.len()).filter_map(|branch| branch.get(place).copied());
            return branches.into_iter().find(|input| self.is_live(*input));
        }
        if matches!(node.kind.as_str(), "prim::TupleUnpack" | "prim::ListUnpack") {
            let made = self.producer(node.inputs[0])?;
            if matches!(made.kind.as_str(), "prim::TupleConstruct" | "prim::ListConstruct") {
                let place = node.outputs.iter().position(|output| *output == value)?;
                return made.inputs.get(place).copied();
            }
        }
        self.first_live_input(node)
    }

    /// Whether a value is a tensor, as far as the graph tells.
    pub fn is_tensor(&self, value: ValueId) -> bool {
        let Some(node) = self.producer(value) else { return true };
        let place = node.outputs.iter().position(|output| *output == value);
        place.and_then(|place| node.tensors.get(place)).copied().unwrap_or(true)
    }

    /// Whether a value is read by a recurrent layer that has time on its first axis and the batch on its second.
    pub fn is_time_first(&self, value: ValueId) -> bool {
        self.readers(value).iter().any(|node| {
            // lstm(input, state, weights, has_biases, layers, dropout, train, bidirectional, batch_first)
            matches!(node.operator(), "lstm" | "gru" | "rnn_tanh" | "rnn_relu")
                && node.inputs.last().is_some_and(|last| self.constant(*last) == Some(&Constant::Bool(false)))
        })
    }

    /// The constant a value is, if it is one.
    pub fn constant(&self, value: ValueId) -> Option<&'a Constant> {
        self.producer(value)?.constant.as_ref()
    }

    /// Number of elements of a list value, where the graph tells it.
    pub fn list_length(&self, value: ValueId) -> Option<usize> {
        let node = self.producer(value)?;
        match (&node.constant, node.kind.as_str()) {
            (Some(Constant::Integers(list)), _) => Some(list.len()),
            (_, "prim::ListConstruct") => Some(node.inputs.len()),
            _ => None,
        }
    }
}
