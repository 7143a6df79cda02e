//! The parts of the rules that read every value, in one go where numbers lie in main memory: tensor operators read and write them ten times over.
//! Each gives none where they do not, and the rules then do without.

use rayon::prelude::*;
use tch::Tensor;

use super::call::Window;
use crate::Result;
use crate::model::tensor::{Doubles, filled};

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
    pub given: Option<Tensor>,
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
                share(shared, relevance, values, Some(given), layout, eps, spread);
            });
        } else {
            inputs
                .for_each(|((shared, relevance), values)| share(shared, relevance, values, None, layout, eps, spread));
        }
    })?;
    let summed = [layout.inputs as i64, layout.summed() as i64];
    let given = spreads.then(|| filled(&summed, |sums| sums.copy_from_slice(&given))).transpose()?;
    Ok(Some(Shared { shared, given }))
}

/// The same for one input.
fn share(
    shared: &mut [f64],
    relevance: &[f64],
    values: &[f64],
    mut given: Option<&mut [f64]>,
    layout: Layout,
    eps: f64,
    spread: Spread<'_>,
) {
    let largest = values.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    let size = if largest > 0.0 { eps * largest } else { eps };
    let one = if spread.stabiliser { 1.0 } else { 0.0 };
    let rows = shared.chunks_exact_mut(layout.inner).zip(relevance.chunks_exact(layout.inner));
    for (row, ((shared, relevance), values)) in rows.zip(values.chunks_exact(layout.inner)).enumerate() {
        let channel = row % (layout.groups * layout.channels);
        let bias = spread.bias.map_or(0.0, |bias| bias[channel]);
        let sums = row / layout.channels;
        let mut given = given.as_mut().map(|given| given[sums * layout.inner..(sums + 1) * layout.inner].iter_mut());
        for ((shared, relevance), value) in shared.iter_mut().zip(relevance).zip(values) {
            let added = if *value >= 0.0 { size } else { -size };
            *shared = relevance / (value + added);
            if let Some(sum) = given.as_mut().and_then(Iterator::next) {
                *sum += (one * added + bias) * *shared;
            }
        }
    }
}

/// Relevance of the inputs of an operator: the product with the Jacobian times the value, and each input's part of what is spread over its group.
/// `spread` is `[inputs, outer * groups * inner]`.
pub(super) fn collected(
    product: &Tensor,
    input: &Tensor,
    spread: Option<&Tensor>,
    layout: Layout,
) -> Result<Option<Tensor>> {
    let spread = match spread.map(Doubles::of) {
        Some(None) => return Ok(None),
        Some(found) => found,
        None => None,
    };
    let (Some(product), Some(values)) = (Doubles::of(product), Doubles::of(input)) else { return Ok(None) };
    let (product, values) = (product.as_slice(), values.as_slice());
    let spread = spread.as_ref().map(Doubles::as_slice);
    let all = layout.inputs * layout.input();
    if [product.len(), values.len()] != [all; 2]
        || spread.is_some_and(|own| own.len() != layout.inputs * layout.summed())
    {
        return Ok(None);
    }
    let collect = |(at, relevance): (usize, &mut [f64])| {
        let of_input = at * layout.input()..(at + 1) * layout.input();
        let (product, values) = (&product[of_input.clone()], &values[of_input]);
        for (row, relevance) in relevance.chunks_exact_mut(layout.inner).enumerate() {
            let of_row = row * layout.inner..(row + 1) * layout.inner;
            let (product, values) = (&product[of_row.clone()], &values[of_row]);
            match spread {
                Some(spread) => {
                    let start = at * layout.summed() + row / layout.channels * layout.inner;
                    let spread = &spread[start..start + layout.inner];
                    for (((relevance, product), value), spread) in
                        relevance.iter_mut().zip(product).zip(values).zip(spread)
                    {
                        *relevance = product * value + spread;
                    }
                }
                None => {
                    for ((relevance, product), value) in relevance.iter_mut().zip(product).zip(values) {
                        *relevance = product * value;
                    }
                }
            }
        }
    };
    filled(&input.size(), |relevance| relevance.par_chunks_mut(layout.input()).enumerate().for_each(collect)).map(Some)
}

/// Which inputs the outputs of a convolution over two axes see.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    /// Cells of padding before the first input.
    pub before: [usize; 2],
}

impl Reach {
    /// The inputs that output `at` sees along an axis of so many.
    fn seen(&self, axis: usize, at: usize, inputs: usize) -> impl Iterator<Item = usize> + Clone {
        let (first, before, dilation) = (at * self.stride[axis], self.before[axis], self.dilation[axis]);
        let places = (0..self.kernel[axis]).filter_map(move |cell| (first + cell * dilation).checked_sub(before));
        places.filter(move |place| *place < inputs)
    }
}

/// Shares what outputs give, `[inputs, groups, rows, columns]`, evenly among the inputs they see in all channels of their group: what each
/// channel gets, `[inputs, groups, height, width]`.
pub(super) fn spread(given: &Tensor, reach: &Reach, size: &[i64]) -> Result<Option<Tensor>> {
    let &[inputs, channels, height, width] = size else { return Ok(None) };
    let &[_, groups, rows, columns] = &given.size()[..] else { return Ok(None) };
    let Some(given) = Doubles::of(given) else { return Ok(None) };
    let given = given.as_slice();
    let per_group = (channels / groups.max(1)) as f64;
    let (area, summed) = ((height * width) as usize, (rows * columns) as usize);
    if area == 0 || summed == 0 || given.len() != (inputs * groups) as usize * summed {
        return Ok(None);
    }
    let (width, columns) = (width as usize, columns as usize);
    // The same for every row.
    let seen: Vec<Vec<usize>> = (0..columns).map(|at| reach.seen(1, at, width).collect()).collect();
    let each_plane = |(spread, given): (&mut [f64], &[f64])| {
        for (row, given) in given.chunks_exact(columns).enumerate() {
            let lines = reach.seen(0, row, height as usize);
            let high = lines.clone().count() as f64;
            for (given, seen) in given.iter().zip(&seen) {
                let inputs = high * seen.len() as f64 * per_group;
                // Outputs that see nothing but padding have nobody to give to: there is no line or no column.
                let each = given / inputs;
                for line in lines.clone() {
                    seen.iter().for_each(|column| spread[line * width + column] += each);
                }
            }
        }
    };
    let size = [inputs, groups, height, width as i64];
    filled(&size, |spread| {
        spread.par_chunks_mut(area).zip(given.par_chunks(summed)).with_min_len(8).for_each(each_plane);
    })
    .map(Some)
}

/// Relevance through the largest of windows over one or two axes.
pub(super) fn largest(window: &Window, relevance: &Tensor, input: &Tensor, output: &Tensor) -> Result<Option<Tensor>> {
    let (sizes, outputs) = (input.size(), output.size());
    let axes = window.size.len();
    let rank = sizes.len();
    if axes > 2 || rank < axes + 1 || (axes == 1 && rank > 3) {
        return Ok(None);
    }
    let (Some(relevance), Some(values), Some(largest)) =
        (Doubles::of(relevance), Doubles::of(input), Doubles::of(output))
    else {
        return Ok(None);
    };
    let (relevance, values, largest) = (relevance.as_slice(), values.as_slice(), largest.as_slice());
    // One axis is a picture of one row.
    let two = |list: &[i64], missing: i64| match (list, axes) {
        ([only], 2) => [*only; 2],
        ([first, second], _) => [*first, *second],
        ([only], _) => [missing, *only],
        _ => [missing; 2],
    };
    let plane = |size: &[i64]| if axes == 2 { [size[rank - 2], size[rank - 1]] } else { [1, size[rank - 1]] };
    let ([height, width], [rows, columns]) = (plane(&sizes), plane(&outputs));
    let (cells, stride) = (two(&window.size, 1), two(&window.stride, 1));
    let (padding, dilation) = (two(&window.padding, 0), two(&window.dilation, 1));
    let (area, summed) = ((height * width) as usize, (rows * columns) as usize);
    if area == 0 || summed == 0 || values.len() / area != largest.len() / summed {
        return Ok(None);
    }
    let winners = |row: i64, column: i64, place: &mut dyn FnMut(usize)| {
        for cell_row in 0..cells[0] {
            let y = row * stride[0] - padding[0] + cell_row * dilation[0];
            if !(0..height).contains(&y) {
                continue;
            }
            for cell_column in 0..cells[1] {
                let x = column * stride[1] - padding[1] + cell_column * dilation[1];
                if (0..width).contains(&x) {
                    place((y * width + x) as usize);
                }
            }
        }
    };
    filled(&sizes, |shares| {
        let planes = shares.par_chunks_mut(area).zip(values.par_chunks(area));
        let planes = planes.zip(relevance.par_chunks(summed)).zip(largest.par_chunks(summed));
        planes.with_min_len(16).for_each(|(((shares, values), relevance), largest)| {
            for row in 0..rows {
                for column in 0..columns {
                    let at = (row * columns + column) as usize;
                    let mut equal = 0u32;
                    winners(row, column, &mut |place| equal += u32::from(values[place] == largest[at]));
                    let each = relevance[at] / f64::from(equal);
                    winners(row, column, &mut |place| {
                        if values[place] == largest[at] {
                            shares[place] += each;
                        }
                    });
                }
            }
        });
    })
    .map(Some)
}
