//! Relevance through the largest of windows over one or two axes, where numbers lie in main memory.

use rayon::prelude::*;
use tch::Tensor;

use super::call::Window;
use super::reach::Axis;
use crate::Result;
use crate::model::tensor::{Doubles, filled};
use crate::vectorise::vectorised;

/// Relevance of the inputs of max pooling: it goes to the winner of each window, evenly where several are as large. None where numbers lie elsewhere.
pub(super) fn largest(window: &Window, relevance: &Tensor, input: &Tensor, output: &Tensor) -> Result<Option<Tensor>> {
    let (sizes, outputs) = (input.size(), output.size());
    let Some(axes) = axes(window, &sizes, &outputs) else { return Ok(None) };
    let (Some(relevance), Some(values), Some(largest)) =
        (Doubles::of(relevance), Doubles::of(input), Doubles::of(output))
    else {
        return Ok(None);
    };
    let (relevance, values, largest) = (relevance.as_slice(), values.as_slice(), largest.as_slice());
    let [area, summed] = [axes[0].inputs * axes[1].inputs, axes[0].outputs * axes[1].outputs];
    if area == 0 || summed == 0 || values.len() / area != largest.len() / summed || relevance.len() != largest.len() {
        return Ok(None);
    }
    let side_by_side = axes.iter().all(|axis| {
        (axis.cells, axis.stride, axis.dilation, axis.before) == (2, 2, 1, 0) && 2 * axis.outputs <= axis.inputs
    });
    filled(&sizes, |shares| {
        let planes = shares.par_chunks_mut(area).zip(values.par_chunks(area));
        let planes = planes.zip(relevance.par_chunks(summed)).zip(largest.par_chunks(summed));
        planes.with_min_len(8).for_each(|(((shares, values), relevance), largest)| {
            if side_by_side {
                to_winner_of_four(shares, values, relevance, largest, &axes);
            } else {
                to_winner(shares, values, relevance, largest, &axes, &mut vec![0.0; axes[1].outputs]);
            }
        });
    })
    .map(Some)
}

/// Rows and columns of the windows; one axis is a picture of one row.
fn axes(window: &Window, sizes: &[i64], outputs: &[i64]) -> Option<[Axis; 2]> {
    let (axes, rank) = (window.size.len(), sizes.len());
    if axes > 2 || rank < axes + 1 || (axes == 1 && rank > 3) || outputs.len() != rank {
        return None;
    }
    let axis = |axis: usize| -> Option<Axis> {
        let Some(axis) = (axis + axes).checked_sub(2) else {
            return Some(Axis { cells: 1, stride: 1, dilation: 1, before: 0, inputs: 1, outputs: 1 });
        };
        let at = |list: &[i64], missing: i64| {
            let number = list.get(if list.len() == 1 { 0 } else { axis }).copied().unwrap_or(missing);
            usize::try_from(number).ok()
        };
        let place = rank - axes + axis;
        Some(Axis {
            cells: at(&window.size, 1)?,
            stride: at(&window.stride, 1).filter(|stride| *stride > 0)?,
            dilation: at(&window.dilation, 1)?,
            before: at(&window.padding, 0)?,
            inputs: usize::try_from(sizes[place]).ok()?,
            outputs: usize::try_from(outputs[place]).ok()?,
        })
    };
    Some([axis(0)?, axis(1)?])
}

vectorised! {
    /// For one plane; `each` has room for a row of outputs.
    fn to_winner(
        shares: &mut [f64], values: &[f64], relevance: &[f64], largest: &[f64], axes: &[Axis; 2], each: &mut [f64],
    ) {
        let [rows, columns] = axes;
        let planes = relevance.chunks_exact(columns.outputs).zip(largest.chunks_exact(columns.outputs));
        for (row, (relevance, largest)) in planes.enumerate() {
            each.fill(0.0);
            let cells = (0..rows.cells).filter(|cell| rows.outputs(*cell).contains(&row));
            let cells = cells.flat_map(|row_cell| (0..columns.cells).map(move |cell| (row_cell, cell)));
            let cells = cells.filter_map(|(row_cell, cell)| {
                let outputs = columns.outputs(cell);
                (!outputs.is_empty()).then(|| {
                    let first = columns.input(cell, outputs.start);
                    (rows.input(row_cell, row) * columns.inputs + first, outputs)
                })
            });
            // How many of a window are as large.
            for (start, outputs) in cells.clone() {
                let seen = values[start..].iter().step_by(columns.stride);
                for ((equal, largest), value) in each[outputs.clone()].iter_mut().zip(&largest[outputs]).zip(seen) {
                    *equal += if value == largest { 1.0 } else { 0.0 };
                }
            }
            each.iter_mut().zip(relevance).for_each(|(each, relevance)| *each = relevance / *each);
            for (start, outputs) in cells {
                let seen = values[start..].iter().zip(&mut shares[start..]).step_by(columns.stride);
                for ((each, largest), (value, share)) in each[outputs.clone()].iter().zip(&largest[outputs]).zip(seen) {
                    *share += if value == largest { *each } else { 0.0 };
                }
            }
        }
    }
}

vectorised! {
    /// The same for windows of two by two side by side.
    fn to_winner_of_four(
        shares: &mut [f64], values: &[f64], relevance: &[f64], largest: &[f64], axes: &[Axis; 2],
    ) {
        let [_, columns] = axes;
        let rows = shares.chunks_exact_mut(2 * columns.inputs).zip(values.chunks_exact(2 * columns.inputs));
        let rows = rows.zip(relevance.chunks_exact(columns.outputs)).zip(largest.chunks_exact(columns.outputs));
        for (((shares, values), relevance), largest) in rows {
            let (upper, lower) = values.split_at(columns.inputs);
            let (upper_shares, lower_shares) = shares.split_at_mut(columns.inputs);
            let upper = upper.as_chunks::<2>().0.iter().zip(upper_shares.as_chunks_mut::<2>().0);
            let lower = lower.as_chunks::<2>().0.iter().zip(lower_shares.as_chunks_mut::<2>().0);
            for (((upper, lower), relevance), largest) in upper.zip(lower).zip(relevance).zip(largest) {
                let ((upper, upper_shares), (lower, lower_shares)) = (upper, lower);
                let wins = [upper[0] == *largest, upper[1] == *largest, lower[0] == *largest, lower[1] == *largest];
                let [first, second, third, fourth] = wins.map(|wins| if wins { 1.0 } else { 0.0 });
                let each = relevance / ((first + second) + (third + fourth));
                let of = |wins: bool| if wins { each } else { 0.0 };
                *upper_shares = [of(wins[0]), of(wins[1])];
                *lower_shares = [of(wins[2]), of(wins[3])];
            }
        }
    }
}
