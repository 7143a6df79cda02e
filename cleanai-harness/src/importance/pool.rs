//! Relevance through the largest of windows: it goes to the winner, evenly where several are as large.

use tch::{Kind, Tensor};

use super::call::Window;
use super::largest::largest;
use super::through::Through;
use crate::Result;

impl Window {
    /// The relevance of the input.
    pub fn relevance(&self, through: &Through<'_>) -> Result<Tensor> {
        let (input, output) = (through.source(0)?, through.output());
        if let Some(relevance) = largest(self, &through.relevance, &input, &output)? {
            return Ok(relevance);
        }
        // Spatial axes are the last ones.
        let axes = spatial(&self.size, &output);
        let first = input.dim() - axes;
        let at = |list: &[i64], axis: usize| list[if list.len() == 1 { 0 } else { axis }];
        let (sizes, outputs) = (input.size(), output.size());
        let reach = |axis: usize| (outputs[first + axis] - 1) * at(&self.stride, axis) + 1;
        let mut pad = Vec::new();
        for axis in (0..axes).rev() {
            let before = at(&self.padding, axis);
            // With ceil_mode windows may reach beyond the padding, and the last rows may be in no window.
            let needed = reach(axis) + at(&self.dilation, axis) * (at(&self.size, axis) - 1);
            pad.extend([before, (needed - sizes[first + axis] - before).max(0)]);
        }
        let padded = match pad.iter().all(|size| *size == 0) {
            true => input.shallow_clone(),
            false => input.f_pad(pad.as_slice(), "constant", f64::NEG_INFINITY)?,
        };
        let cells = cells(&self.size, axes);
        let cell = |tensor: &Tensor, cell: &[i64]| -> Result<Tensor> {
            let mut part = tensor.shallow_clone();
            for (axis, place) in cell.iter().enumerate() {
                let start = place * at(&self.dilation, axis);
                part = part.f_slice((first + axis) as i64, start, start + reach(axis), at(&self.stride, axis))?;
            }
            Ok(part)
        };
        let wins = |place: &[i64]| -> Result<Tensor> { Ok(cell(&padded, place)?.f_eq_tensor(&output)?) };
        let mut winners = output.f_zeros_like()?;
        for place in &cells {
            winners = winners.f_add_(&wins(place)?.f_to_kind(Kind::Double)?)?;
        }
        let each = through.relevance.f_div(&winners)?;
        let relevance = padded.f_zeros_like()?;
        for place in &cells {
            let mut target = cell(&relevance, place)?;
            let _ = target.f_add_(&wins(place)?.f_to_kind(Kind::Double)?.f_mul_(&each)?)?;
        }
        let mut own = relevance;
        for axis in 0..axes {
            own = own.f_narrow((first + axis) as i64, at(&self.padding, axis), sizes[first + axis])?;
        }
        Ok(own)
    }
}

/// The relevance of the input of adaptive max pooling, whose windows differ in size.
pub(super) fn adaptive(through: &Through<'_>) -> Result<Tensor> {
    let (input, output) = (through.source(0)?, through.output());
    let (sizes, outputs) = (input.size(), output.size());
    // Axes that keep their size have windows of one.
    let changed: Vec<usize> = (0..sizes.len()).filter(|axis| sizes[*axis] != outputs[*axis]).collect();
    let relevance = input.f_zeros_like()?;
    let counts: Vec<i64> = changed.iter().map(|axis| outputs[*axis]).collect();
    for place in cells(&counts, counts.len()) {
        let part = |tensor: &Tensor| -> Result<Tensor> {
            let mut part = tensor.shallow_clone();
            for (axis, at) in changed.iter().zip(&place) {
                let (size, count) = (sizes[*axis], outputs[*axis]);
                let start = at * size / count;
                let end = ((at + 1) * size + count - 1) / count;
                part = part.f_narrow(*axis as i64, start, end - start)?;
            }
            Ok(part)
        };
        let of_output = |tensor: &Tensor| -> Result<Tensor> {
            let mut one = tensor.shallow_clone();
            for (axis, at) in changed.iter().zip(&place) {
                one = one.f_narrow(*axis as i64, *at, 1)?;
            }
            Ok(one)
        };
        let wins = part(&input)?.f_eq_tensor(&of_output(&output)?)?.f_to_kind(Kind::Double)?;
        let axes: Vec<i64> = changed.iter().map(|axis| *axis as i64).collect();
        let winners = match axes.is_empty() {
            true => wins.shallow_clone(),
            false => wins.f_sum_dim_intlist(axes.as_slice(), true, None::<Kind>)?,
        };
        let mut target = part(&relevance)?;
        let _ = target.f_add_(&wins.f_mul(&of_output(&through.relevance)?.f_div(&winners)?)?)?;
    }
    Ok(relevance)
}

fn spatial(size: &[i64], output: &Tensor) -> usize {
    // One number may stand for all axes: behind the batch and the channels.
    if size.len() > 1 { size.len() } else { output.dim().saturating_sub(2).max(1) }
}

/// All places of a window.
fn cells(size: &[i64], axes: usize) -> Vec<Vec<i64>> {
    let mut cells = vec![Vec::new()];
    for axis in 0..axes {
        let length = size[if size.len() == 1 { 0 } else { axis }];
        cells =
            cells.into_iter().flat_map(|cell| (0..length).map(move |at| [cell.clone(), vec![at]].concat())).collect();
    }
    cells
}
