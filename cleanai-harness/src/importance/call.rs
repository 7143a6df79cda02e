//! What an operator call is to relevance, read from the graph alone.

use std::collections::HashSet;

use crate::model::graph::{Constant, Flow, Node, ValueId};
use crate::model::layers::{ACTIVATIONS, CONVOLUTIONS, DROPOUT, SOFTMAX};

/// How relevance goes through a call.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operator {
    /// It begins here: an input, or numbers looked up for one.
    Start,
    /// None goes on: what is before only weighs other values (softmax).
    Stop,
    /// Every input takes the relevance of its output.
    Pass,
    /// Numbers change places, or one of several is chosen: relevance goes where they came from.
    Move,
    /// A weighted mean or sum with fixed weights: in proportion.
    Average,
    /// Weights and a bias.
    Affine(Affine),
    /// A factor and a constant for each value: a bias with one input.
    Shift,
    /// Means and deviations of the input itself are taken for constants.
    Norm(Norm),
    /// The largest of each window.
    MaxPool(Window),
    /// The largest of each of so many windows.
    AdaptiveMaxPool,
    /// Two values, the second times a factor.
    Join(f64),
    /// Two values multiplied; one of them may take all.
    Product(Option<usize>),
    /// Values weighed by attention: the source of this place takes all.
    Attention(usize),
    /// There is no rule.
    Unknown,
}

/// A convolution, a linear operator or a product with a constant matrix, with what is merged into it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Affine {
    pub map: Map,
    pub weight: ValueId,
    pub bias: Option<ValueId>,
    pub bias_factor: f64,
    /// A batch norm behind it.
    pub norm: Option<FoldedNorm>,
    /// A pad before it: sizes, and the value of its cells.
    pub pad: Option<(Vec<i64>, f64)>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Map {
    Convolution {
        stride: Vec<i64>,
        padding: Padding,
        dilation: Vec<i64>,
        transposed: bool,
        output_padding: Vec<i64>,
        groups: i64,
    },
    /// `x @ weight.t()`
    Linear,
    /// `x @ weight`
    Right,
    /// `weight @ x`
    Left,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Padding {
    Sizes(Vec<i64>),
    /// `same` or `valid`.
    Word(String),
}

/// Constants of a batch norm.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FoldedNorm {
    pub weight: Option<ValueId>,
    pub bias: Option<ValueId>,
    pub mean: ValueId,
    pub variance: ValueId,
    pub epsilon: f64,
}

/// A norm over parts of the input.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Norm {
    pub over: Over,
    pub weight: Option<ValueId>,
    pub bias: Option<ValueId>,
    pub epsilon: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Over {
    /// So many of the last axes.
    Last(usize),
    /// Groups of channels; 0 for one group per channel.
    Groups(i64),
}

/// Windows of a pooling operator, one entry per spatial axis (or one for all).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Window {
    pub size: Vec<i64>,
    pub stride: Vec<i64>,
    pub padding: Vec<i64>,
    pub dilation: Vec<i64>,
}

/// Functions of one value.
const OF_ONE_VALUE: &[&str] = &[
    "threshold",
    "rrelu",
    "log_sigmoid",
    "softsign",
    "hardshrink",
    "softshrink",
    "abs",
    "neg",
    "exp",
    "log",
    "log1p",
    "expm1",
    "sqrt",
    "rsqrt",
    "reciprocal",
    "square",
    "pow",
    "sin",
    "cos",
    "erf",
    "clamp",
    "clamp_min",
    "clamp_max",
    "hardtanh",
    "to",
    "_to_copy",
    "float",
    "double",
    "type_as",
    "contiguous",
    "clone",
    "alias",
    "lift_fresh",
    "lift_fresh_copy",
    "detach",
    "positive",
    "nan_to_num",
    "masked_fill",
    "fake_quantize_per_tensor_affine",
];
const MOVES: &[&str] = &[
    "flatten",
    "unflatten",
    "view",
    "_unsafe_view",
    "view_as",
    "reshape",
    "reshape_as",
    "squeeze",
    "unsqueeze",
    "permute",
    "transpose",
    "t",
    "movedim",
    "swapaxes",
    "numpy_T",
    "slice",
    "select",
    "narrow",
    "expand",
    "expand_as",
    "repeat",
    "repeat_interleave",
    "tile",
    "cat",
    "concat",
    "stack",
    "hstack",
    "vstack",
    "chunk",
    "split",
    "split_with_sizes",
    "tensor_split",
    "unbind",
    "unsafe_chunk",
    "unsafe_split",
    "index",
    "index_select",
    "gather",
    "take_along_dim",
    "flip",
    "roll",
    "rot90",
    "pad",
    "constant_pad_nd",
    "reflection_pad1d",
    "reflection_pad2d",
    "reflection_pad3d",
    "replication_pad1d",
    "replication_pad2d",
    "replication_pad3d",
    "zero_pad2d",
    "pixel_shuffle",
    "pixel_unshuffle",
    "channel_shuffle",
    "native_channel_shuffle",
    "upsample_nearest1d",
    "upsample_nearest2d",
    "upsample_nearest3d",
    "where",
    "maximum",
    "minimum",
    "max",
    "min",
    "amax",
    "amin",
    "sort",
    "topk",
    "diagonal",
    "tril",
    "triu",
    "unfold",
    "im2col",
    "as_strided",
    "split_copy",
    "unbind_copy",
    "unsafe_split_with_sizes",
];
const AVERAGES: &[&str] = &[
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "_adaptive_avg_pool2d",
    "_adaptive_avg_pool3d",
    "mean",
    "sum",
    "upsample_linear1d",
    "upsample_bilinear2d",
    "upsample_trilinear3d",
    "upsample_bicubic2d",
    "_upsample_bilinear2d_aa",
    "cumsum",
    "fold",
    "col2im",
    "grid_sampler",
];
const BATCH_NORMS: &[&str] =
    &["batch_norm", "_native_batch_norm_legit_no_training", "native_batch_norm", "cudnn_batch_norm"];
/// What weighs other values, in a product of two.
const GATES: &[&str] = &["sigmoid", "hardsigmoid", "softmax", "_softmax"];
/// What a weight passes on its way to the product.
const ON_THE_WAY: &[&str] = &[
    "dropout",
    "native_dropout",
    "view",
    "_unsafe_view",
    "reshape",
    "expand",
    "flatten",
    "unflatten",
    "squeeze",
    "unsqueeze",
    "transpose",
    "permute",
    "contiguous",
    "clone",
    "to",
    "_to_copy",
    "type_as",
    "float",
    "alias",
    "detach",
];

/// Reads operator calls.
pub(super) struct Reader<'a> {
    pub flow: &'a Flow<'a>,
}

impl Reader<'_> {
    /// How relevance goes through the call that makes an output.
    pub fn operator(&self, node: &Node) -> Operator {
        let name = node.operator();
        let live = |at: usize| node.inputs.get(at).is_some_and(|input| self.is_data(*input));
        match name {
            _ if !node.kind.starts_with("aten::") => Operator::Unknown,
            _ if SOFTMAX.contains(&name) => Operator::Stop,
            "embedding" | "embedding_bag" | "one_hot" => Operator::Start,
            _ if CONVOLUTIONS.contains(&name) || matches!(name, "linear" | "addmm") => {
                self.affine(node).map_or(Operator::Unknown, Operator::Affine)
            }
            _ if BATCH_NORMS.contains(&name) => match self.merged(node) {
                Some(inner) => {
                    let affine = self.affine(inner).zip(self.folded_norm(node));
                    affine.map_or(Operator::Unknown, |(affine, norm)| {
                        Operator::Affine(Affine { norm: Some(norm), ..affine })
                    })
                }
                None if self.folded_norm(node).is_some() => Operator::Shift,
                None => Operator::Unknown,
            },
            "layer_norm" | "native_layer_norm" | "group_norm" | "native_group_norm" | "instance_norm" => {
                self.norm(node).map_or(Operator::Unknown, Operator::Norm)
            }
            "rms_norm" | "_fused_rms_norm" => Operator::Pass,
            "max_pool1d"
            | "max_pool2d"
            | "max_pool3d"
            | "max_pool2d_with_indices"
            | "max_pool3d_with_indices"
            | "max_pool1d_with_indices" => self.window(node).map_or(Operator::Unknown, Operator::MaxPool),
            "adaptive_max_pool1d" | "adaptive_max_pool2d" | "adaptive_max_pool3d" => Operator::AdaptiveMaxPool,
            "add" | "sub" => match (live(0), live(1)) {
                (true, true) if self.flow.origin(node.inputs[0]) == self.flow.origin(node.inputs[1]) => Operator::Pass,
                (true, true) => {
                    let alpha = node.inputs.get(2).map_or(Some(1.0), |alpha| self.number(*alpha));
                    let sign = if name == "add" { 1.0 } else { -1.0 };
                    alpha.map_or(Operator::Unknown, |alpha| Operator::Join(sign * alpha))
                }
                _ => Operator::Shift,
            },
            "rsub" => {
                if live(1) {
                    Operator::Unknown
                } else {
                    Operator::Shift
                }
            }
            "mul" => match (live(0), live(1)) {
                (true, true) if self.flow.origin(node.inputs[0]) == self.flow.origin(node.inputs[1]) => Operator::Pass,
                (true, true) => Operator::Product(match (self.is_gate(node.inputs[0]), self.is_gate(node.inputs[1])) {
                    (true, false) => Some(1),
                    (false, true) => Some(0),
                    _ => None,
                }),
                _ => Operator::Pass,
            },
            "div" | "floor_divide" | "true_divide" => {
                if live(0) && live(1) {
                    Operator::Product(Some(0))
                } else {
                    Operator::Pass
                }
            }
            "matmul" | "mm" | "bmm" => match (live(0), live(1)) {
                (true, true) if self.is_gate(node.inputs[0]) => Operator::Attention(1),
                (true, true) => Operator::Product(None),
                (first, _) => {
                    let (map, weight) = if first { (Map::Right, 1) } else { (Map::Left, 0) };
                    let weight = node.inputs[weight];
                    Operator::Affine(Affine { map, weight, bias: None, bias_factor: 1.0, norm: None, pad: None })
                }
            },
            "einsum" => Operator::Product(None),
            "scaled_dot_product_attention" => Operator::Attention(2),
            _ if ACTIVATIONS.contains(&name) || DROPOUT.contains(&name) || OF_ONE_VALUE.contains(&name) => {
                Operator::Pass
            }
            _ if MOVES.contains(&name) => Operator::Move,
            _ if AVERAGES.contains(&name) => Operator::Average,
            _ => Operator::Unknown,
        }
    }

    /// The convolution or linear operator that a batch norm is merged into: the norm is all that reads it.
    pub fn merged(&self, node: &Node) -> Option<&Node> {
        if !BATCH_NORMS.contains(&node.operator()) || self.folded_norm(node).is_none() {
            return None;
        }
        let before = self.flow.producer(*node.inputs.first()?)?;
        let mergeable = CONVOLUTIONS.contains(&before.operator()) || matches!(before.operator(), "linear" | "addmm");
        (mergeable && self.flow.readers(before.outputs[0]).len() == 1 && self.affine(before).is_some())
            .then_some(before)
    }

    /// A pad with a constant that only a convolution reads.
    pub fn pad_before(&self, convolution: &Node) -> Option<(&Node, Vec<i64>, f64)> {
        let pad = self.flow.producer(*convolution.inputs.first()?)?;
        let value = match pad.operator() {
            "constant_pad_nd" => pad.inputs.get(2).and_then(|value| self.number(*value)).unwrap_or(0.0),
            "pad" => {
                let mode = pad.inputs.get(2).and_then(|mode| self.flow.constant(*mode));
                if mode.is_some_and(|mode| *mode != Constant::Text("constant".to_owned())) {
                    return None;
                }
                pad.inputs.get(3).and_then(|value| self.number(*value)).unwrap_or(0.0)
            }
            _ => return None,
        };
        let sizes = self.integers(*pad.inputs.get(1)?)?;
        (self.flow.readers(pad.outputs[0]).len() == 1 && self.is_data(*pad.inputs.first()?))
            .then_some((pad, sizes, value))
    }

    fn affine(&self, node: &Node) -> Option<Affine> {
        let input = |at: usize| node.inputs.get(at).copied();
        let constant = |at: usize| input(at).filter(|value| !self.is_data(*value));
        let tensor = |at: usize| constant(at).filter(|value| self.flow.is_tensor(*value));
        let plain = |map, weight, bias| Some(Affine { map, weight, bias, bias_factor: 1.0, norm: None, pad: None });
        let list = |at: usize| self.integers(input(at)?);
        let name = node.operator();
        match name {
            "linear" => plain(Map::Linear, constant(1)?, tensor(2)),
            "addmm" => {
                let factor = |at: usize| input(at).map_or(Some(1.0), |value| self.number(value));
                let bias_factor = factor(3)?;
                factor(4).filter(|alpha| *alpha == 1.0)?;
                let affine = plain(Map::Right, constant(2)?, Some(tensor(0)?))?;
                self.is_data(input(1)?).then_some(Affine { bias_factor, ..affine })
            }
            _ => {
                let (weight, bias) = (constant(1)?, tensor(2));
                let stride = list(3)?;
                let general = matches!(name, "convolution" | "_convolution");
                let transposed = match general {
                    true => matches!(self.flow.constant(input(6)?)?, Constant::Bool(true)),
                    false => name.starts_with("conv_transpose"),
                };
                let padding = match self.flow.constant(input(4)?) {
                    Some(Constant::Text(word)) => Padding::Word(word.clone()),
                    _ => Padding::Sizes(list(4)?),
                };
                let (dilation, output_padding, groups) = match (general, transposed) {
                    (true, _) => (list(5)?, list(7)?, input(8)?),
                    (false, true) => (list(7)?, list(5)?, input(6)?),
                    (false, false) => (list(5)?, vec![0], input(6)?),
                };
                let Constant::Integer(groups) = *self.flow.constant(groups)? else { return None };
                let map = Map::Convolution { stride, padding, dilation, transposed, output_padding, groups };
                let pad = self.pad_before(node).map(|(_, sizes, value)| (sizes, value));
                Some(Affine { pad, ..plain(map, weight, bias)? })
            }
        }
    }

    fn folded_norm(&self, node: &Node) -> Option<FoldedNorm> {
        let constant = |at: usize| node.inputs.get(at).copied().filter(|value| !self.is_data(*value));
        let tensor = |at: usize| constant(at).filter(|value| self.flow.is_tensor(*value));
        let legit = node.operator() == "_native_batch_norm_legit_no_training";
        if !legit && self.flow.constant(*node.inputs.get(5)?) != Some(&Constant::Bool(false)) {
            return None;
        }
        let epsilon = self.number(*node.inputs.get(if legit { 6 } else { 7 })?)?;
        Some(FoldedNorm { weight: tensor(1), bias: tensor(2), mean: tensor(3)?, variance: tensor(4)?, epsilon })
    }

    fn norm(&self, node: &Node) -> Option<Norm> {
        let tensor = |at: usize| {
            let input = node.inputs.get(at).copied()?;
            (!self.is_data(input) && self.flow.is_tensor(input)).then_some(input)
        };
        let number = |at: usize| self.number(*node.inputs.get(at)?);
        let (over, weight, epsilon) = match node.operator() {
            "layer_norm" | "native_layer_norm" => {
                let axes = self.flow.list_length(*node.inputs.get(1)?)?;
                (Over::Last(axes), 2, number(4)?)
            }
            "group_norm" => (Over::Groups(number(1)? as i64), 2, number(4)?),
            "native_group_norm" => (Over::Groups(number(6)? as i64), 1, number(7)?),
            _ => {
                let own = self.flow.constant(*node.inputs.get(5)?) == Some(&Constant::Bool(true));
                (own.then_some(Over::Groups(0))?, 1, number(7)?)
            }
        };
        Some(Norm { over, weight: tensor(weight), bias: tensor(weight + 1), epsilon })
    }

    fn window(&self, node: &Node) -> Option<Window> {
        let list = |at: usize| node.inputs.get(at).and_then(|value| self.integers(*value));
        let size = list(1)?;
        let stride = list(2).filter(|stride| !stride.is_empty()).unwrap_or_else(|| size.clone());
        Some(Window { size, stride, padding: list(3).unwrap_or(vec![0]), dilation: list(4).unwrap_or(vec![1]) })
    }

    /// Whether a value weighs others: what a softmax or a sigmoid makes, also reshaped.
    fn is_gate(&self, value: ValueId) -> bool {
        let (mut value, mut seen) = (self.flow.origin(value), HashSet::new());
        while let Some(node) = self.flow.producer(value) {
            if GATES.contains(&node.operator()) {
                return true;
            }
            if !ON_THE_WAY.contains(&node.operator()) || !seen.insert(value) {
                return false;
            }
            let Some(input) = self.flow.first_live_input(node) else { return false };
            value = self.flow.origin(input);
        }
        false
    }

    /// Whether a value is a tensor that depends on the data.
    fn is_data(&self, value: ValueId) -> bool {
        self.flow.is_live(value) && self.flow.is_tensor(self.flow.origin(value))
    }

    fn number(&self, value: ValueId) -> Option<f64> {
        match self.flow.constant(value)? {
            Constant::Number(number) => Some(*number),
            Constant::Integer(number) => Some(*number as f64),
            _ => None,
        }
    }

    fn integers(&self, value: ValueId) -> Option<Vec<i64>> {
        match self.flow.constant(value) {
            Some(Constant::Integers(list)) => Some(list.clone()),
            Some(Constant::Integer(number)) => Some(vec![*number]),
            Some(_) => None,
            None => {
                let node = self.flow.producer(value).filter(|node| node.kind == "prim::ListConstruct")?;
                let element = |value: &ValueId| match self.flow.constant(*value) {
                    Some(Constant::Integer(number)) => Some(*number),
                    _ => None,
                };
                node.inputs.iter().map(element).collect()
            }
        }
    }
}
