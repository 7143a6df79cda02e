//! The parts of the rules that read every value, in one go where numbers lie in main memory: tensor operators read and write them ten times over.
//! Each gives none where they do not, and the rules then do without.

use rayon::prelude::*;
use tch::Tensor;

use super::reach::Reach;
use crate::Result;
use crate::model::tape::sole_doubles;
use crate::model::tensor::{Doubles, filled};
use crate::vectorise::vectorised;

/// How the values of an operator with weights lie: `[inputs, outer, groups, channels of a group, inner]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub inputs: usize,
    /// Positions before the channels, as of sequences.
    pub outer: usize,
    pub groups: usize,
    /// Channels of one group.
    pub channels: usize,
    /// Positions behind the channels, as of pictures.
    pub inner: usize,
}

impl Layout {
    /// Of values whose channels lie on this axis.
    pub fn new(size: &[i64], axis: usize, groups: i64) -> Option<Self> {
        let size: Vec<usize> = size.iter().map(|size| usize::try_from(*size).ok()).collect::<Option<_>>()?;
        let groups = usize::try_from(groups).ok().filter(|groups| *groups > 0)?;
        let channels = *size.get(axis)?;
        let (inputs, outer) = if axis == 0 { (1, 1) } else { (size[0], size[1..axis].iter().product()) };
        let layout =
            Self { inputs, outer, groups, channels: channels / groups, inner: size[axis + 1..].iter().product() };
        (layout.input() > 0 && channels.is_multiple_of(groups)).then_some(layout)
    }

    /// Values of one input.
    fn input(self) -> usize {
        self.outer * self.groups * self.channels * self.inner
    }

    /// Sums over the channels of groups for one input.
    fn summed(self) -> usize {
        self.outer * self.groups * self.inner
    }
}

/// What an operator passes back.
pub(super) struct Shared {
    /// By output: relevance over what it gives and the stabiliser.
    pub shared: Tensor,
    /// `[inputs, outer * groups * inner]`: what outputs have to spread, summed over the channels of a group.
    pub given: Option<Vec<f64>>,
}

/// What is spread: the stabiliser, the bias of each channel, both, or neither.
#[derive(Clone, Copy)]
pub(super) struct Spread<'a> {
    pub stabiliser: bool,
    pub bias: Option<&'a [f64]>,
}

pub(super) fn shared(
    relevance: &Tensor,
    output: &Tensor,
    layout: Layout,
    eps: f64,
    spread: Spread<'_>,
) -> Result<Option<Shared>> {
    let (Some(relevance), Some(values)) = (Doubles::of(relevance), Doubles::of(output)) else { return Ok(None) };
    let (relevance, values) = (relevance.as_slice(), values.as_slice());
    let all = layout.inputs * layout.input();
    let bias_fits = spread.bias.is_none_or(|bias| bias.len() == layout.groups * layout.channels);
    if relevance.len() != all || values.len() != all || !bias_fits {
        return Ok(None);
    }
    let spreads = spread.stabiliser || spread.bias.is_some();
    let mut given = vec![0.0; if spreads { layout.inputs * layout.summed() } else { 0 }];
    let shared = filled(&output.size(), |shared| {
        let inputs = shared.par_chunks_mut(layout.input()).zip(relevance.par_chunks(layout.input()));
        let inputs = inputs.zip(values.par_chunks(layout.input()));
        if spreads {
            let inputs = inputs.zip(given.par_chunks_mut(layout.summed()));
            inputs.for_each(|(((shared, relevance), values), given)| {
                let size = divide(shared, relevance, values, eps);
                give(given, shared, values, size, layout, spread);
            });
        } else {
            inputs.for_each(|((shared, relevance), values)| {
                divide(shared, relevance, values, eps);
            });
        }
    })?;
    Ok(Some(Shared { shared, given: spreads.then_some(given) }))
}

vectorised! {
    /// Relevance over the values of one input and their stabiliser, whose size it gives back.
    fn divide(shared: &mut [f64], relevance: &[f64], values: &[f64], eps: f64) -> f64 {
        let size = stabiliser_of(values, eps);
        for ((shared, relevance), value) in shared.iter_mut().zip(relevance).zip(values) {
            *shared = relevance / (value + stabiliser(*value, size));
        }
        size
    }
}

vectorised! {
    /// Adds to `given` what the outputs of one input have to spread.
    fn give(given: &mut [f64], shared: &[f64], values: &[f64], size: f64, layout: Layout, spread: Spread<'_>) {
        let size = if spread.stabiliser { size } else { 0.0 };
        let channels = layout.channels;
        if layout.inner == 1 {
            let rows = shared.chunks_exact(channels).zip(values.chunks_exact(channels)).zip(given);
            for (row, ((shared, values), given)) in rows.enumerate() {
                let first = row % layout.groups * channels;
                let bias = spread.bias.map(|bias| &bias[first..first + channels]);
                for (channel, (shared, value)) in shared.iter().zip(values).enumerate() {
                    *given += (stabiliser(*value, size) + bias.map_or(0.0, |bias| bias[channel])) * shared;
                }
            }
            return;
        }
        let rows = shared.chunks_exact(layout.inner).zip(values.chunks_exact(layout.inner));
        for (row, (shared, values)) in rows.enumerate() {
            let bias = spread.bias.map_or(0.0, |bias| bias[row % (layout.groups * channels)]);
            let first = row / channels * layout.inner;
            let given = &mut given[first..first + layout.inner];
            for ((given, shared), value) in given.iter_mut().zip(shared).zip(values) {
                *given += (stabiliser(*value, size) + bias) * shared;
            }
        }
    }
}

/// The size of the stabiliser of the values of one input.
#[inline(always)]
fn stabiliser_of(values: &[f64], eps: f64) -> f64 {
    const LANES: usize = 32;
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut largest = [0.0f64; LANES];
    for chunk in chunks {
        for (largest, value) in largest.iter_mut().zip(chunk) {
            let magnitude = value.abs();
            *largest = if magnitude > *largest { magnitude } else { *largest };
        }
    }
    let largest = largest.iter().chain(rest).fold(0.0, |largest, value| f64::max(largest, value.abs()));
    if largest > 0.0 { eps * largest } else { eps }
}

/// The stabiliser of this size for a value: with its sign, of 0 positive.
#[inline(always)]
fn stabiliser(value: f64, size: f64) -> f64 {
    if value >= 0.0 { size } else { -size }
}

/// What outputs spread over the inputs of their group.
pub(super) enum Given {
    Nothing,
    /// What each output has to give, to be shared by what it reaches: `[inputs, groups, rows, columns]` of the outputs.
    Reached(Vec<f64>, Reach),
    /// What each input gets: `[inputs, outer * groups * inner]` of the inputs.
    Shares(Vec<f64>),
}

impl Given {
    /// Whether it is meant for inputs that lie so.
    fn fits(&self, layout: Layout) -> bool {
        match self {
            Self::Nothing => true,
            Self::Reached(given, reach) => {
                given.len() == layout.inputs * layout.groups * reach.outputs()
                    && (layout.outer, layout.channels, layout.inner) == (1, reach.channels(), reach.inputs())
            }
            Self::Shares(shares) => shares.len() == layout.inputs * layout.summed(),
        }
    }

    /// Adds to the relevance of one input.
    fn add(&self, at: usize, relevance: &mut [f64], layout: Layout) {
        match self {
            Self::Nothing => {}
            Self::Reached(given, reach) => {
                let outputs = layout.groups * reach.outputs();
                reach.spread(relevance, &given[at * outputs..(at + 1) * outputs]);
            }
            Self::Shares(shares) => {
                add_shares(relevance, &shares[at * layout.summed()..(at + 1) * layout.summed()], layout);
            }
        }
    }
}

/// Relevance of the inputs of an operator: the product with the Jacobian times the value, and each input's part of what is spread over its group.
pub(super) fn collected(mut product: Tensor, input: &Tensor, given: &Given, layout: Layout) -> Result<Option<Tensor>> {
    let Some(values) = Doubles::of(input) else { return Ok(None) };
    let values = values.as_slice();
    let all = layout.inputs * layout.input();
    if [product.numel(), values.len()] != [all; 2] || !given.fits(layout) {
        return Ok(None);
    }
    let of_input = |(at, (relevance, values)): (usize, (&mut [f64], &[f64]))| {
        multiply(relevance, values);
        given.add(at, relevance, layout);
    };
    let collect = |relevance: &mut [f64]| {
        let inputs = relevance.par_chunks_mut(layout.input()).zip(values.par_chunks(layout.input()));
        inputs.enumerate().for_each(of_input);
    };
    // Nobody else needs the product.
    if let Some(relevance) = sole_doubles(&mut product) {
        collect(relevance);
        return Ok(Some(product));
    }
    let Some(product) = Doubles::of(&product) else { return Ok(None) };
    let relevance = filled(&input.size(), |relevance| {
        relevance.copy_from_slice(product.as_slice());
        collect(relevance);
    })?;
    Ok(Some(relevance))
}

vectorised! {
    fn multiply(relevance: &mut [f64], values: &[f64]) {
        relevance.iter_mut().zip(values).for_each(|(relevance, value)| *relevance *= value);
    }
}

vectorised! {
    fn add_shares(relevance: &mut [f64], shares: &[f64], layout: Layout) {
        let rows = relevance.chunks_exact_mut(layout.channels * layout.inner).zip(shares.chunks_exact(layout.inner));
        for (relevance, shares) in rows {
            if let [share] = shares {
                relevance.iter_mut().for_each(|relevance| *relevance += share);
                continue;
            }
            for relevance in relevance.chunks_exact_mut(layout.inner) {
                relevance.iter_mut().zip(shares).for_each(|(relevance, share)| *relevance += share);
            }
        }
    }
}

/// Relevance of the terms of a sum of two values, the second times a factor, as in `join`; all are of one shape with this many values for each input.
pub(super) fn joined(
    relevance: &Tensor,
    output: &Tensor,
    terms: [&Tensor; 2],
    factor: f64,
    eps: f64,
    spreads: bool,
) -> Result<Option<[Tensor; 2]>> {
    let size = output.size();
    let lists =
        [relevance, output, terms[0], terms[1]].map(|tensor| (tensor.size() == size).then(|| Doubles::of(tensor)));
    let [Some(Some(relevance)), Some(Some(output)), Some(Some(first)), Some(Some(second))] = lists else {
        return Ok(None);
    };
    let input: usize = output.as_slice().len() / usize::try_from(*size.first().unwrap_or(&1)).unwrap_or(1).max(1);
    if input == 0 {
        return Ok(None);
    }
    let given = relevance.as_slice().par_chunks(input).zip(output.as_slice().par_chunks(input));
    let terms = first.as_slice().par_chunks(input).zip(second.as_slice().par_chunks(input));
    let mut other = None;
    let one = filled(&size, |of_first| {
        other = Some(filled(&size, |of_second| {
            let shares = of_first.par_chunks_mut(input).zip(of_second.par_chunks_mut(input));
            shares.zip(given).zip(terms).for_each(|((shares, (relevance, output)), terms)| {
                join(shares, relevance, output, terms, factor, eps, spreads);
            });
        }));
    })?;
    other.map(|other| Ok([one, other?])).transpose()
}

vectorised! {
    fn join(
        shares: (&mut [f64], &mut [f64]), relevance: &[f64], output: &[f64], terms: (&[f64], &[f64]), factor: f64, eps: f64, spreads: bool,
    ) {
        let size = stabiliser_of(output, eps);
        let shares = shares.0.iter_mut().zip(shares.1.iter_mut());
        let terms = terms.0.iter().zip(terms.1);
        for (((shares, relevance), output), terms) in shares.zip(relevance).zip(output).zip(terms) {
            let added = stabiliser(*output, size);
            let shared = relevance / (output + added);
            let (first, second) = (*terms.0, terms.1 * factor);
            let spread = if spreads { added } else { 0.0 };
            let both = first.abs() + second.abs();
            let (mut to_first, mut to_second) = (first.abs() / both, second.abs() / both);
            to_first = if both > 0.0 { to_first } else { 0.5 };
            to_second = if both > 0.0 { to_second } else { 0.5 };
            *shares.0 = (first + to_first * spread) * shared;
            *shares.1 = (second + to_second * spread) * shared;
        }
    }
}

/// Whether all values are finite.
pub(super) fn finite(tensor: &Tensor) -> Option<bool> {
    let values = Doubles::of(tensor)?;
    Some(values.as_slice().par_chunks(1 << 16).all(all_finite))
}

vectorised! {
    fn all_finite(values: &[f64]) -> bool {
        const EXPONENT: u64 = 0x7ff << 52;
        values.iter().fold(0, |found, value| found | u64::from(value.to_bits() & EXPONENT == EXPONENT)) == 0
    }
}
