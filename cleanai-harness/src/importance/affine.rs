//! Relevance through convolutions, linear operators and products with constant matrices, batch norms and pads merged into them.

use std::collections::HashMap;

use tch::{Kind, Tensor, no_grad, with_grad};

use super::call::{Affine, Map, Padding};
use super::fused::{self, Given, Layout, Shared, Spread};
use super::lrp::numbers as values_of;
use super::plan::Plan;
use super::reach::{Axis, Reach};
use super::rule::{Bias, Rule, Stabiliser};
use super::through::{Through, stabiliser};
use crate::model::graph::ValueId;
use crate::model::tape::vector_jacobian;
use crate::model::tensor::Doubles;
use crate::{Error, ErrorKind, Result};

/// Constants of a run by the observer that saw them.
pub(super) type Weights = HashMap<usize, Tensor>;

/// How many inputs contribute to each output, as a function of an input of ones, kept for the next batch of the same shape.
#[derive(Debug)]
pub(super) struct Count {
    shape: Vec<i64>,
    ones: Tensor,
    counted: Tensor,
    /// Of one input: the part of what an output gives that each of its inputs gets.
    shares: Tensor,
}

/// What is read of a run for one call.
struct Numbers {
    weight: Tensor,
    /// Of every output, shaped to be added to it; none where it is 0.
    bias: Option<Tensor>,
}

impl Affine {
    /// The relevance of the input, of the relevance of the output.
    pub fn relevance(
        &self,
        through: &Through<'_>,
        plan: &Plan,
        weights: &Weights,
        count: &mut Option<Count>,
        rule: Rule,
    ) -> Result<Tensor> {
        let (input, output) = (through.source(0)?, through.output());
        let numbers = self.numbers(plan, weights, &output, &input, rule != Rule::Epsilon)?;
        match rule {
            Rule::Epsilon => self.epsilon(through, &input, &output, &numbers, count),
            Rule::ZPlus => self.alpha_beta(through, &input, &numbers, 1.0),
            Rule::AlphaBeta(alpha) => self.alpha_beta(through, &input, &numbers, alpha),
            Rule::Gamma(gamma) => self.gamma(through, &input, &output, &numbers, gamma),
        }
    }

    fn epsilon(
        &self,
        through: &Through<'_>,
        input: &Tensor,
        output: &Tensor,
        numbers: &Numbers,
        count: &mut Option<Count>,
    ) -> Result<Tensor> {
        let rules = through.rules;
        if let Some(relevance) = self.epsilon_at_once(through, input, output, numbers, count)? {
            return Ok(relevance);
        }
        let mut added = stabiliser(output, rules.eps)?;
        let shared = through.relevance.f_div(&output.f_add(&added)?)?;
        let mut relevance = through.product(&shared, false)?.f_mul_(input)?;
        // What is spread evenly: the stabiliser, the bias, or both.
        let spread = match (rules.stabiliser, rules.bias) {
            (Stabiliser::Plain, Bias::Absorb) => None,
            (Stabiliser::Plain, Bias::Spread) => numbers.bias.as_ref().map(|bias| shared.f_mul(bias)).transpose()?,
            (Stabiliser::Spread, bias) => {
                if let Some(bias) = numbers.bias.as_ref().filter(|_| bias == Bias::Spread) {
                    added = added.f_add_(bias)?;
                }
                Some(added.f_mul_(&shared)?)
            }
        };
        if let Some(spread) = spread {
            relevance = relevance.f_add_(&self.spread(&spread, input, numbers, count)?)?;
        }
        Ok(relevance)
    }

    /// The same where numbers lie in main memory and a bias is a number for each channel.
    fn epsilon_at_once(
        &self,
        through: &Through<'_>,
        input: &Tensor,
        output: &Tensor,
        numbers: &Numbers,
        count: &mut Option<Count>,
    ) -> Result<Option<Tensor>> {
        let rules = through.rules;
        let bias = match numbers.bias.as_ref().filter(|_| rules.bias == Bias::Spread) {
            Some(bias) => match Doubles::of(bias) {
                Some(bias) => Some(bias),
                None => return Ok(None),
            },
            None => None,
        };
        let (groups, axis, input_axis) = match &self.map {
            Map::Convolution { groups, .. } => (*groups, 1, 1),
            Map::Linear | Map::Right => (1, output.dim() - 1, input.dim() - 1),
            Map::Left => return Ok(None),
        };
        let layouts = Layout::new(&output.size(), axis, groups).zip(Layout::new(&input.size(), input_axis, groups));
        let Some((of_output, of_input)) = layouts.filter(|_| axis > 0 && input_axis > 0) else { return Ok(None) };
        let spread =
            Spread { stabiliser: rules.stabiliser == Stabiliser::Spread, bias: bias.as_ref().map(Doubles::as_slice) };
        let Some(Shared { shared, given }) = fused::shared(&through.relevance, output, of_output, rules.eps, spread)?
        else {
            return Ok(None);
        };
        let given = match (given, &self.map) {
            (None, _) => Given::Nothing,
            (Some(given), Map::Convolution { .. }) => {
                match self.reach(&numbers.weight, &input.size(), &output.size()) {
                    Some(reach) => Given::Reached(given, reach),
                    None => {
                        let mut size = output.size();
                        size[1] = groups;
                        let given = Tensor::f_from_slice(&given)?.f_view(size.as_slice())?;
                        Given::Shares(values_of(&self.spread_of_groups(&given, input, numbers, count)?)?)
                    }
                }
            }
            (Some(mut given), _) => {
                let inputs = of_input.channels as f64;
                given.iter_mut().for_each(|given| *given /= inputs);
                Given::Shares(given)
            }
        };
        fused::collected(through.product(&shared, false)?, input, &given, of_input)
    }

    /// Shares what every output has to give evenly among the inputs that contribute to it.
    fn spread(&self, given: &Tensor, input: &Tensor, numbers: &Numbers, count: &mut Option<Count>) -> Result<Tensor> {
        let size = input.size();
        match &self.map {
            Map::Linear | Map::Right => {
                let inputs = *size.last().unwrap_or(&1);
                let each = given.f_sum_dim_intlist(&[-1i64][..], true, None::<Kind>)?.f_div_scalar_(inputs as f64)?;
                expand(&each, &size)
            }
            Map::Left => {
                let inputs = size[size.len().saturating_sub(2)];
                let each = given.f_sum_dim_intlist(&[-2i64][..], true, None::<Kind>)?.f_div_scalar_(inputs as f64)?;
                expand(&each, &size)
            }
            Map::Convolution { groups, .. } => {
                let groups = *groups;
                let per_group = size[1] / groups;
                let mut split = given.size();
                split.splice(1..2, [groups, split[1] / groups]);
                let of_group = given.f_view(split.as_slice())?.f_sum_dim_intlist(&[2i64][..], false, None::<Kind>)?;
                let back = self.spread_of_groups(&of_group, input, numbers, count)?;
                let mut spread = size.clone();
                spread.splice(1..2, [groups, per_group]);
                Ok(expand(&back.f_unsqueeze(2)?, &spread)?.f_reshape(size.as_slice())?)
            }
        }
    }

    /// The same for a convolution whose outputs are summed over the channels of each group: what every channel of the group gets.
    fn spread_of_groups(
        &self,
        given: &Tensor,
        input: &Tensor,
        numbers: &Numbers,
        count: &mut Option<Count>,
    ) -> Result<Tensor> {
        let size = input.size();
        let groups = given.size()[1];
        if count.as_ref().is_none_or(|count| count.shape != size) {
            *count = Some(self.count(&size, &numbers.weight, groups)?);
        }
        let Some(count) = count.as_ref() else { unreachable!("it was just made") };
        let back = vector_jacobian(&count.counted, &given.f_mul(&count.shares)?, &[&count.ones], true, false)?;
        back.into_iter().next().flatten().ok_or_else(|| lost("a convolution of ones"))
    }

    /// Which inputs the outputs of a convolution over two axes see; none where a sum over ones has to tell.
    fn reach(&self, weight: &Tensor, inputs: &[i64], outputs: &[i64]) -> Option<Reach> {
        let Map::Convolution { stride, padding: Padding::Sizes(padding), dilation, transposed: false, groups, .. } =
            &self.map
        else {
            return None;
        };
        let (weight, cut_off) =
            (weight.size(), self.pad.as_ref().is_some_and(|(sizes, _)| sizes.iter().any(|size| *size < 0)));
        if weight.len() != 4 || inputs.len() != 4 || outputs.len() != 4 || cut_off {
            return None;
        }
        let axis = |axis: usize| -> Option<Axis> {
            let at = |list: &[i64]| usize::try_from(*list.get(if list.len() == 1 { 0 } else { axis })?).ok();
            // A pad goes from the last axis on, before and after each.
            let pad = self.pad.as_ref().and_then(|(sizes, _)| sizes.get(2 * (1 - axis)).copied()).unwrap_or(0);
            Some(Axis {
                cells: usize::try_from(weight[2 + axis]).ok()?,
                stride: at(stride)?,
                dilation: at(dilation)?,
                before: at(padding)? + usize::try_from(pad).ok()?,
                inputs: usize::try_from(inputs[2 + axis]).ok()?,
                outputs: usize::try_from(outputs[2 + axis]).ok()?,
            })
        };
        if self.pad.as_ref().is_some_and(|(sizes, _)| sizes.len() > 4) {
            return None;
        }
        Reach::new(axis(0)?, axis(1)?, usize::try_from(inputs[1] / groups).ok()?)
    }

    /// A convolution of ones with ones, one channel for each group.
    fn count(&self, size: &[i64], weight: &Tensor, groups: i64) -> Result<Count> {
        let mut shape = size.to_vec();
        shape[1] = groups;
        let mut kernel = weight.size();
        (kernel[0], kernel[1]) = (groups, 1);
        let options = (Kind::Double, weight.device());
        let ones = Tensor::f_ones(shape.as_slice(), options)?.f_requires_grad_(true)?;
        let kernel = Tensor::f_ones(kernel.as_slice(), options)?;
        let counted = with_grad(|| -> Result<Tensor> {
            let padded = match &self.pad {
                Some((sizes, _)) => ones.f_constant_pad_nd(sizes.as_slice())?,
                None => ones.shallow_clone(),
            };
            self.apply(&padded, &kernel)
        })?;
        // Outputs that see nothing but padding have nobody to give to.
        let seen = counted.f_detach()?;
        let inputs = seen.f_mul_scalar(size[1] as f64 / groups as f64)?;
        let shares = inputs.f_reciprocal()?.f_where_self(&seen.f_gt(0.0)?, &seen.f_zeros_like()?)?;
        // The same for every input.
        let shares = shares.f_narrow(0, 0, 1)?.f_contiguous()?;
        Ok(Count { shape: size.to_vec(), ones, counted, shares })
    }

    /// The map without bias and norm.
    fn apply(&self, input: &Tensor, weight: &Tensor) -> Result<Tensor> {
        Ok(match &self.map {
            Map::Linear => input.f_linear(weight, None::<Tensor>)?,
            Map::Right => input.f_matmul(weight)?,
            Map::Left => weight.f_matmul(input)?,
            Map::Convolution { stride, padding, dilation, transposed, output_padding, groups } => {
                let axes = weight.dim().saturating_sub(2);
                let wide = |list: &[i64]| if list.len() == 1 { vec![list[0]; axes] } else { list.to_vec() };
                let (stride, dilation) = (wide(stride), wide(dilation));
                match padding {
                    Padding::Sizes(sizes) => input.f_convolution(
                        weight,
                        None::<Tensor>,
                        stride,
                        wide(sizes),
                        dilation,
                        *transposed,
                        wide(output_padding),
                        *groups,
                    )?,
                    Padding::Word(word) => match axes {
                        1 => input.f_conv1d_padding(weight, None::<Tensor>, stride, word, dilation, *groups)?,
                        2 => input.f_conv2d_padding(weight, None::<Tensor>, stride, word, dilation, *groups)?,
                        _ => input.f_conv3d_padding(weight, None::<Tensor>, stride, word, dilation, *groups)?,
                    },
                }
            }
        })
    }

    /// With `scaled` the weight is that of the merged batch norm; otherwise it only tells its shape.
    fn numbers(
        &self,
        plan: &Plan,
        weights: &Weights,
        output: &Tensor,
        input: &Tensor,
        scaled: bool,
    ) -> Result<Numbers> {
        let get =
            |value: ValueId| plan.place(value).and_then(|place| weights.get(&place)).ok_or_else(|| lost("a weight"));
        let maybe = |value: Option<ValueId>| value.map(get).transpose();
        let mut weight = get(self.weight)?.shallow_clone();
        if weight.dim() < 2 || (self.is_convolution() && input.dim() != weight.dim()) {
            let what = format!(
                "no relevance: an input of shape {:?} meets a weight of shape {:?}",
                input.size(),
                weight.size()
            );
            return Err(Error::new(ErrorKind::Model, what).with_help("give the model inputs with a batch axis"));
        }
        let mut bias = maybe(self.bias)?.map(Tensor::shallow_clone);
        if let Some(own) = bias.as_ref().filter(|_| self.bias_factor != 1.0) {
            bias = Some(own.f_mul_scalar(self.bias_factor)?);
        }
        // Behind a pad whose cells are not 0 these are part of the bias.
        let padded = match &self.pad {
            Some((sizes, value)) if *value != 0.0 => {
                let zeros = input.f_zeros_like()?.f_constant_pad_nd(sizes.as_slice())?;
                let ones = input.f_ones_like()?.f_constant_pad_nd(sizes.as_slice())?;
                let cells = ones.f_neg()?.f_add_scalar(1.0)?.f_mul_scalar(*value)?;
                Some(self.apply(&zeros.f_add(&cells)?, &weight)?)
            }
            _ => None,
        };
        let mut offset = padded;
        if let Some(norm) = &self.norm {
            let deviation = get(norm.variance)?.f_add_scalar(norm.epsilon)?.f_sqrt()?;
            let mut scale = deviation.f_reciprocal()?;
            if let Some(own) = maybe(norm.weight)? {
                scale = scale.f_mul(own)?;
            }
            let before = match bias {
                Some(bias) => bias.f_sub(get(norm.mean)?)?,
                None => get(norm.mean)?.f_neg()?,
            };
            let after = before.f_mul(&scale)?;
            bias = Some(match maybe(norm.bias)? {
                Some(own) => after.f_add(own)?,
                None => after,
            });
            if let Some(own) = offset.take() {
                offset = Some(own.f_mul(&self.of_channels(&scale, output)?)?);
            }
            if scaled {
                weight = self.scaled(&weight, &scale)?;
            }
        }
        let bias = bias.map(|bias| self.of_channels(&bias, output)).transpose()?;
        let bias = match (bias, offset) {
            (Some(bias), Some(offset)) => Some(offset.f_add(&bias)?),
            (bias, offset) => bias.or(offset),
        };
        Ok(Numbers { weight, bias })
    }

    fn is_convolution(&self) -> bool {
        matches!(self.map, Map::Convolution { .. })
    }

    /// Numbers of the output's channels, shaped to meet it.
    fn of_channels(&self, numbers: &Tensor, output: &Tensor) -> Result<Tensor> {
        let mut shape = vec![1; output.dim()];
        let axis = if self.is_convolution() { 1 } else { output.dim().saturating_sub(1) };
        if numbers.numel() > 1 {
            shape[axis] = -1;
        }
        Ok(numbers.f_reshape(shape.as_slice())?)
    }

    /// The weight with every output channel times its factor.
    fn scaled(&self, weight: &Tensor, scale: &Tensor) -> Result<Tensor> {
        match &self.map {
            Map::Convolution { transposed: true, groups, .. } => {
                // [inputs, outputs / groups, ...]: the inputs of a group meet that group's outputs.
                let mut split = weight.size();
                let inputs = split[0];
                split.splice(0..1, [*groups, inputs / groups]);
                let mut shape = vec![1; split.len()];
                (shape[0], shape[2]) = (*groups, split[2]);
                let scaled = weight.f_view(split.as_slice())?.f_mul(&scale.f_view(shape.as_slice())?)?;
                Ok(scaled.f_view(weight.size().as_slice())?)
            }
            Map::Right => Ok(weight.f_mul(scale)?),
            _ => {
                let mut shape = vec![1; weight.dim()];
                shape[0] = -1;
                Ok(weight.f_mul(&scale.f_view(shape.as_slice())?)?)
            }
        }
    }

    /// The sums of the positive and of the negative contributions of the inputs, each as a function of them.
    fn parts(&self, input: &Tensor, weight: &Tensor) -> Result<[Part; 2]> {
        let inputs = [input.f_clamp_min(0.0)?, input.f_clamp_max(0.0)?];
        let weights = [weight.f_clamp_min(0.0)?, weight.f_clamp_max(0.0)?];
        let part = |pairs: [(usize, usize); 2]| -> Result<Part> {
            let terms = pairs.into_iter().map(|(input, weight)| {
                let leaf = inputs[input].f_detach()?.f_requires_grad_(true)?;
                let sum = with_grad(|| -> Result<Tensor> {
                    let padded = match &self.pad {
                        Some((sizes, _)) => leaf.f_constant_pad_nd(sizes.as_slice())?,
                        None => leaf.shallow_clone(),
                    };
                    self.apply(&padded, &weights[weight])
                })?;
                Ok((leaf, sum))
            });
            Ok(Part { terms: terms.collect::<Result<Vec<_>>>()? })
        };
        Ok([part([(0, 0), (1, 1)])?, part([(0, 1), (1, 0)])?])
    }

    fn alpha_beta(&self, through: &Through<'_>, input: &Tensor, numbers: &Numbers, alpha: f64) -> Result<Tensor> {
        let [positive, negative] = self.parts(input, &numbers.weight)?;
        let bias = |clamp: fn(&Tensor) -> std::result::Result<Tensor, tch::TchError>| {
            numbers.bias.as_ref().map(clamp).transpose()
        };
        let share = |part: &Part, bias: Option<Tensor>, factor: f64| -> Result<Tensor> {
            let mut sum = part.sum()?;
            if let Some(bias) = bias {
                sum = sum.f_add(&bias)?;
            }
            // Where nothing contributes nothing is shared.
            let shared = through.relevance.f_div(&sum)?.f_mul_scalar_(factor)?;
            part.back(&shared.f_where_self(&sum.f_ne(0.0)?, &sum.f_zeros_like()?)?)
        };
        let gained = share(&positive, bias(|bias| bias.f_clamp_min(0.0))?, alpha)?;
        if alpha == 1.0 {
            return Ok(gained);
        }
        Ok(gained.f_sub(&share(&negative, bias(|bias| bias.f_clamp_max(0.0))?, alpha - 1.0)?)?)
    }

    fn gamma(
        &self,
        through: &Through<'_>,
        input: &Tensor,
        output: &Tensor,
        numbers: &Numbers,
        gamma: f64,
    ) -> Result<Tensor> {
        let parts = self.parts(input, &numbers.weight)?;
        let up = output.f_ge(0.0)?;
        let mut sums = [parts[0].sum()?, parts[1].sum()?];
        if let Some(bias) = &numbers.bias {
            sums = [sums[0].f_add(&bias.f_clamp_min(0.0)?)?, sums[1].f_add(&bias.f_clamp_max(0.0)?)?];
        }
        let favoured = sums[0].f_where_self(&up, &sums[1])?;
        let total = output.f_add(&favoured.f_mul_scalar(gamma)?)?;
        let shared = through.relevance.f_div(&total.f_add(&stabiliser(&total, through.rules.eps)?)?)?;
        let mut relevance = through.product(&shared, false)?.f_mul_(input)?;
        let none = shared.f_zeros_like()?;
        for (part, favoured) in parts.iter().zip([up.shallow_clone(), up.f_logical_not()?]) {
            let favoured = shared.f_where_self(&favoured, &none)?;
            relevance = relevance.f_add_(&part.back(&favoured)?.f_mul_scalar_(gamma)?)?;
        }
        Ok(relevance)
    }
}

/// A sum of contributions of one sign.
struct Part {
    /// The inputs of one sign as a leaf, and what they contribute.
    terms: Vec<(Tensor, Tensor)>,
}

impl Part {
    fn sum(&self) -> Result<Tensor> {
        no_grad(|| Ok(self.terms[0].1.f_detach()?.f_add(&self.terms[1].1.f_detach()?)?))
    }

    /// What each input gets of what the outputs share in proportion to the contributions.
    fn back(&self, shared: &Tensor) -> Result<Tensor> {
        let mut sum: Option<Tensor> = None;
        for (leaf, computed) in &self.terms {
            let product = vector_jacobian(computed, shared, &[leaf], true, false)?.into_iter().next().flatten();
            let got = product.ok_or_else(|| lost("an input"))?.f_mul(&leaf.f_detach()?)?;
            sum = Some(match sum {
                Some(sum) => sum.f_add(&got)?,
                None => got,
            });
        }
        sum.ok_or_else(|| lost("an input"))
    }
}

fn expand(tensor: &Tensor, size: &[i64]) -> Result<Tensor> {
    Ok(tensor.f_expand(size, true)?)
}

pub(super) fn lost(what: &str) -> Error {
    Error::new(ErrorKind::Model, format!("no relevance: {what} was not seen in the run"))
}
