//! The same by libtorch, on slices where they lie.

use std::marker::PhantomData;

use tch::{Device, Kind, TchError, Tensor};

use super::Element;

/// A tensor over the numbers of a slice, which it borrows.
struct View<'a, T> {
    tensor: Tensor,
    slice: PhantomData<&'a mut [T]>,
}

impl<'a, T: Element> View<'a, T> {
    /// For tensors that are only read.
    fn of(slice: &'a [T], width: usize) -> Result<Self, TchError> {
        Self::at(slice.as_ptr(), slice.len(), width)
    }

    /// For those that results are written to.
    fn of_mut(slice: &'a mut [T], width: usize) -> Result<Self, TchError> {
        Self::at(slice.as_mut_ptr(), slice.len(), width)
    }

    fn at(start: *const T, count: usize, width: usize) -> Result<Self, TchError> {
        let (rows, width) = ((count / width) as i64, width as i64);
        // SAFETY: there are `rows * width <= count` initialised numbers of this kind at `start`, which the view borrows for as long as the tensor lives: it
        // leaves neither the view nor this module, and is written to only where the slice was borrowed mutably.
        let tensor =
            unsafe { Tensor::f_from_blob(start.cast::<u8>(), &[rows, width], &[width, 1], T::KIND, Device::Cpu)? };
        Ok(Self { tensor, slice: PhantomData })
    }
}

pub(super) fn products<T: Element>(left: &[T], right: &[T], width: usize, products: &mut [T]) -> Result<(), TchError> {
    let columns = right.len() / width;
    let (left, right, products) = (View::of(left, width)?, View::of(right, width)?, View::of_mut(products, columns)?);
    // It gives the products back beside writing them.
    let _ = tch::no_grad(|| left.tensor.f_mm_out(&products.tensor, &right.tensor.f_transpose(0, 1)?))?;
    Ok(())
}

pub(super) fn cholesky(matrix: &[f64], width: usize) -> Result<Option<Vec<f64>>, TchError> {
    if width == 0 {
        return Ok(Some(Vec::new()));
    }
    let matrix = View::of(matrix, width)?;
    let (factor, failed) = tch::no_grad(|| matrix.tensor.f_linalg_cholesky_ex(false, false))?;
    if failed.f_int64_value(&[])? != 0 {
        return Ok(None);
    }
    let factor = to_vec(&factor)?;
    Ok(Some(factor).filter(|factor| factor.iter().all(|value| value.is_finite())))
}

pub(super) fn solve_lower(lower: &[f64], rows: &mut [f64], width: usize) -> Result<(), TchError> {
    let (lower, rows) = (View::of(lower, width)?, View::of_mut(rows, width)?);
    tch::no_grad(|| {
        // Rows z with z L' = v.
        let mut solved = lower.tensor.f_transpose(0, 1)?.f_linalg_solve_triangular(&rows.tensor, true, false, false)?;
        let mut place = rows.tensor.shallow_clone();
        if solved.size() != place.size() {
            solved = solved.f_view_as(&place)?;
        }
        place.f_copy_(&solved)
    })
}

pub(super) fn eigenvalues(matrix: &[f64], width: usize) -> Result<Vec<f64>, TchError> {
    if width == 0 {
        return Ok(Vec::new());
    }
    let matrix = View::of(matrix, width)?;
    to_vec(&tch::no_grad(|| matrix.tensor.f_linalg_eigvalsh("L"))?)
}

fn to_vec(tensor: &Tensor) -> Result<Vec<f64>, TchError> {
    let flat = tensor.f_to_kind(Kind::Double)?.f_contiguous()?.f_reshape([-1])?;
    let mut values = vec![0.0; flat.numel()];
    flat.f_copy_data(&mut values, flat.numel())?;
    Ok(values)
}
