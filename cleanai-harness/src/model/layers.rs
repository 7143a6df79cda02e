//! Which operator calls are layers, what they are called, and where their channels lie (CRITERIA section 1).

use std::collections::{HashMap, HashSet};

use super::graph::{Constant, Flow, Graph, Node, ValueId};

pub(crate) const ACTIVATIONS: &[&str] = &[
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "selu",
    "celu",
    "gelu",
    "silu",
    "mish",
    "sigmoid",
    "tanh",
    "hardtanh",
    "hardswish",
    "hardsigmoid",
    "softplus",
    "prelu",
];
pub(crate) const CONVOLUTIONS: &[&str] = &[
    "conv1d",
    "conv2d",
    "conv3d",
    "convolution",
    "_convolution",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
];
const LINEAR: &[&str] = &["linear", "linear_dynamic", "addmm", "baddbmm"];
/// Quantised operators with the activation inside.
const WITH_ACTIVATION: &[&str] = &["conv1d_relu", "conv2d_relu", "conv3d_relu", "linear_relu", "linear_relu_dynamic"];
/// Whole blocks as one operator, which libtorch's fast path puts in place of their parts.
const BLOCKS: &[&str] = &["_transformer_encoder_layer_fwd", "_native_multi_head_attention"];
const MATRIX: &[&str] = &["matmul", "bmm", "mm", "einsum", "scaled_dot_product_attention"];
const RECURRENT: &[&str] = &[
    "lstm",
    "gru",
    "rnn_tanh",
    "rnn_relu",
    "lstm_cell",
    "gru_cell",
    "rnn_tanh_cell",
    "rnn_relu_cell",
    "quantized_lstm",
    "quantized_gru",
];
const NORMS: &[&str] = &[
    "batch_norm",
    "layer_norm",
    "group_norm",
    "native_batch_norm",
    "_native_batch_norm_legit_no_training",
    "native_layer_norm",
    "native_group_norm",
    "cudnn_batch_norm",
];
const CHANNEL_NORMS: &[&str] = &[
    "batch_norm",
    "group_norm",
    "native_batch_norm",
    "_native_batch_norm_legit_no_training",
    "native_group_norm",
    "cudnn_batch_norm",
];
/// Operators that move the channels somewhere else.
const MOVES: &[&str] =
    &["flatten", "unflatten", "view", "_unsafe_view", "reshape", "squeeze", "unsqueeze", "permute", "transpose", "t"];
const RESHAPES: &[&str] = &[
    "flatten",
    "unflatten",
    "view",
    "_unsafe_view",
    "reshape",
    "squeeze",
    "unsqueeze",
    "contiguous",
    "clone",
    "alias",
    "to",
    "_to_copy",
    "float",
    "dequantize",
];
pub(crate) const SOFTMAX: &[&str] = &["softmax", "log_softmax", "_softmax", "_log_softmax"];
pub(crate) const DROPOUT: &[&str] =
    &["dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "native_dropout"];

/// Where the channels of a layer's output lie, batch axis included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelAxis {
    /// Axis 1, as after a convolution.
    First,
    /// The last axis, as after a linear operator.
    Last,
    /// Axis 1 from rank 4 on, the last below.
    ByRank,
}

impl ChannelAxis {
    /// The axis in an output of this rank, the batch axis included.
    pub(super) fn within(self, rank: usize) -> usize {
        match self {
            Self::First => 1,
            Self::ByRank if rank >= 4 => 1,
            Self::Last | Self::ByRank => rank.saturating_sub(1),
        }
    }
}

/// A layer before its shape is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Stable name.
    pub name: String,
    /// Module class or operator.
    pub class: String,
    /// Operator.
    pub operator: String,
    /// The value that is observed.
    pub value: ValueId,
    /// Where its channels lie.
    pub axis: ChannelAxis,
    /// The name without the number of the call.
    pub(super) base: String,
}

/// The layers of the default set in execution order.
pub fn layers(graph: &Graph) -> Vec<Layer> {
    let flow = Flow::new(graph);
    let mut chosen: Vec<(&Node, ValueId)> = Vec::new();
    for node in &graph.nodes {
        let operator = node.operator();
        let Some(output) = node.outputs.first().copied().filter(|output| flow.is_live(*output)) else { continue };
        if !["aten::", "quantized::"].iter().any(|namespace| node.kind.starts_with(namespace))
            || !flow.is_tensor(output)
        {
            continue;
        }
        if ACTIVATIONS.contains(&operator) || WITH_ACTIVATION.contains(&operator) {
            chosen.push((node, output));
        } else if [CONVOLUTIONS, LINEAR, RECURRENT, BLOCKS].iter().any(|set| set.contains(&operator)) {
            let value = normalised(&flow, output);
            if !flow.readers(value).iter().any(|reader| ACTIVATIONS.contains(&reader.operator())) {
                chosen.push((node, value));
            }
        }
    }
    // Where branches interleave, a norm may come later than its convolution: the observed value decides.
    chosen.sort_by_key(|(_, value)| flow.position(*value));
    name(graph, &flow, &chosen)
}

/// The norm's output if a norm is the only reader of a convolution's.
fn normalised(flow: &Flow<'_>, value: ValueId) -> ValueId {
    match flow.readers(value).as_slice() {
        [norm] if NORMS.contains(&norm.operator()) => norm.outputs[0],
        _ => value,
    }
}

fn name(graph: &Graph, flow: &Flow<'_>, chosen: &[(&Node, ValueId)]) -> Vec<Layer> {
    let parents: HashSet<&str> = graph
        .modules
        .iter()
        // What a quantised module packs its weights into is no submodule of its own.
        .filter(|module| !module.class.contains("PackedParams"))
        .filter_map(|module| module.path.rsplit_once('.').map(|(parent, _)| parent))
        .chain([""])
        .collect();
    let mut layers = Vec::with_capacity(chosen.len());
    for (node, value) in chosen {
        let operator = operator_name(flow, node);
        // A call of a module: an operator inside a torch.nn module without submodules. Anything else is functional.
        let own = ["torch.nn.", "torch.ao.nn."].iter().any(|library| node.class.starts_with(library))
            && !parents.contains(node.path.as_str());
        let (base, class) = if own {
            (node.path.clone(), node.class.rsplit('.').next().unwrap_or(&node.class).to_owned())
        } else if node.path.is_empty() {
            (operator.clone(), operator.clone())
        } else {
            (format!("{}/{operator}", node.path), operator.clone())
        };
        layers.push(Layer {
            name: String::new(),
            class,
            operator,
            value: *value,
            axis: channel_axis(flow, *value),
            base,
        });
    }
    number(layers.iter_mut());
    layers
}

/// Names every layer: `relu`, and `relu#2` for the second of that name.
pub(super) fn number<'l>(layers: impl Iterator<Item = &'l mut Layer>) {
    let mut calls: HashMap<String, usize> = HashMap::new();
    for layer in layers {
        let call = calls.entry(layer.base.clone()).or_default();
        *call += 1;
        layer.name = if *call == 1 { layer.base.clone() } else { format!("{}#{call}", layer.base) };
    }
}

/// Tracing writes every convolution as `_convolution`; its arguments tell which one it was.
fn operator_name(flow: &Flow<'_>, node: &Node) -> String {
    let operator = node.operator();
    if !matches!(operator, "_convolution" | "convolution") {
        return operator.to_owned();
    }
    let dimensions = node.inputs.get(3).and_then(|stride| flow.list_length(*stride));
    let transposed = node.inputs.get(6).and_then(|value| flow.constant(*value));
    match (dimensions, transposed) {
        (Some(dimensions), Some(Constant::Bool(true))) => format!("conv_transpose{dimensions}d"),
        (Some(dimensions), _) => format!("conv{dimensions}d"),
        _ => "convolution".to_owned(),
    }
}

/// Looks back along first inputs to the nearest operator that decides where channels lie.
fn channel_axis(flow: &Flow<'_>, value: ValueId) -> ChannelAxis {
    let (mut value, mut seen) = (value, HashSet::new());
    while let Some(node) = flow.producer(value) {
        if !seen.insert(value) {
            break;
        }
        let operator = node.operator();
        let plain = operator.trim_end_matches("_relu");
        if CONVOLUTIONS.contains(&plain) || CHANNEL_NORMS.contains(&operator) {
            return ChannelAxis::First;
        }
        if plain.starts_with("linear") || [LINEAR, RECURRENT, MATRIX, BLOCKS].iter().any(|set| set.contains(&operator))
        {
            return ChannelAxis::Last;
        }
        if MOVES.contains(&operator) {
            return ChannelAxis::ByRank;
        }
        let Some(input) = flow.first_live_input(node) else { break };
        value = input;
    }
    ChannelAxis::ByRank
}

/// The value the final softmax reads, else the output; dropout, reshapes and changes of type are looked through.
pub fn logits(graph: &Graph) -> Option<ValueId> {
    let flow = Flow::new(graph);
    let mut value = flow.origin(*graph.outputs.first()?);
    let mut seen = HashSet::new();
    while let Some(node) = flow.producer(value) {
        let looked_through = [SOFTMAX, RESHAPES, DROPOUT].iter().any(|set| set.contains(&node.operator()));
        if !looked_through || !seen.insert(value) {
            break;
        }
        value = flow.origin(flow.first_live_input(node)?);
    }
    (flow.is_live(value) && flow.is_tensor(value)).then_some(value)
}
