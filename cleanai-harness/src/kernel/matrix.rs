//! Linear algebra for criteria, which know arrays and no tensors: products, triangular systems, factors and eigenvalues of symmetric matrices.
//!
//! libtorch's BLAS and LAPACK do the work. Where the crate is built without it, or it fails (as for lack of memory), plain loops give the same up to
//! rounding. All matrices are row-major.

mod plain;
#[cfg(test)]
mod tests;
#[cfg(feature = "torch")]
mod torch;

/// Numbers that matrices are made of: f32 and f64.
pub(crate) trait Element:
    Copy + Default + Send + Sync + std::ops::Mul<Output = Self> + std::ops::AddAssign
{
    #[cfg(feature = "torch")]
    const KIND: tch::Kind;
}

impl Element for f32 {
    #[cfg(feature = "torch")]
    const KIND: tch::Kind = tch::Kind::Float;
}

impl Element for f64 {
    #[cfg(feature = "torch")]
    const KIND: tch::Kind = tch::Kind::Double;
}

/// The product of every row of `left` with every row of `right`, both of this width: row `i` of `products` holds those of row `i` of `left`.
/// Each is a sum of rounded products in some order, in the precision of the numbers.
///
/// # Panics
/// If the lengths do not fit.
pub(crate) fn products<T: Element>(left: &[T], right: &[T], width: usize, products: &mut [T]) {
    let (rows, columns) = (left.len().checked_div(width).unwrap_or(0), right.len().checked_div(width).unwrap_or(0));
    assert!(rows * width == left.len() && columns * width == right.len(), "rows are of one width");
    assert_eq!(products.len(), rows * columns, "a place for each product");
    if products.is_empty() {
        return;
    }
    #[cfg(feature = "torch")]
    if torch::products(left, right, width, products).is_ok() {
        return;
    }
    plain::products(left, right, width, products);
}

/// The lower factor `L` of a symmetric matrix `L L'`, the rest of it 0; none where the matrix is not positive definite.
///
/// # Panics
/// If it is not square.
pub(crate) fn cholesky(matrix: &[f64], width: usize) -> Option<Vec<f64>> {
    assert_eq!(matrix.len(), width * width, "a square matrix");
    #[cfg(feature = "torch")]
    if let Ok(factor) = torch::cholesky(matrix, width) {
        return factor;
    }
    plain::cholesky(matrix, width)
}

/// Replaces every row `v` by the `z` with `L z = v`, where `lower` is `L`.
///
/// # Panics
/// If the lengths do not fit.
pub(crate) fn solve_lower(lower: &[f64], rows: &mut [f64], width: usize) {
    assert!(lower.len() == width * width && rows.len().checked_rem(width).unwrap_or(0) == 0, "rows are of one width");
    if rows.is_empty() {
        return;
    }
    #[cfg(feature = "torch")]
    if torch::solve_lower(lower, rows, width).is_ok() {
        return;
    }
    plain::solve_lower(lower, rows, width);
}

/// The eigenvalues of a symmetric matrix, ascending.
///
/// # Panics
/// If it is not square.
pub(crate) fn eigenvalues(matrix: &[f64], width: usize) -> Vec<f64> {
    assert_eq!(matrix.len(), width * width, "a square matrix");
    #[cfg(feature = "torch")]
    if let Ok(values) = torch::eigenvalues(matrix, width) {
        return values;
    }
    plain::eigenvalues(matrix, width)
}
