//! The same by plain loops.

use super::Element;

/// Sweeps over all pairs after which what is left beside the diagonal is rounding.
const MOST_SWEEPS: usize = 60;

pub(super) fn products<T: Element>(left: &[T], right: &[T], width: usize, products: &mut [T]) {
    let columns = right.len() / width;
    for (row, line) in left.chunks_exact(width).zip(products.chunks_exact_mut(columns)) {
        for (other, product) in right.chunks_exact(width).zip(line) {
            let mut sum = T::default();
            for (one, other) in row.iter().zip(other) {
                sum += *one * *other;
            }
            *product = sum;
        }
    }
}

pub(super) fn cholesky(matrix: &[f64], width: usize) -> Option<Vec<f64>> {
    let mut factor = vec![0.0; matrix.len()];
    for row in 0..width {
        for column in 0..=row {
            let products = (0..column).map(|at| factor[row * width + at] * factor[column * width + at]);
            let rest = matrix[row * width + column] - products.sum::<f64>();
            factor[row * width + column] = if row > column {
                rest / factor[column * width + column]
            } else if rest > 0.0 && rest.is_finite() {
                rest.sqrt()
            } else {
                return None;
            };
        }
    }
    Some(factor)
}

pub(super) fn solve_lower(lower: &[f64], rows: &mut [f64], width: usize) {
    for row in rows.chunks_exact_mut(width) {
        for at in 0..width {
            let line = &lower[at * width..at * width + at];
            let known = line.iter().zip(&row[..at]).map(|(factor, value)| factor * value).sum::<f64>();
            row[at] = (row[at] - known) / lower[at * width + at];
        }
    }
}

/// Jacobi's rotations.
pub(super) fn eigenvalues(matrix: &[f64], width: usize) -> Vec<f64> {
    let mut matrix = matrix.to_vec();
    for _ in 0..MOST_SWEEPS {
        let size = |beside: bool| -> f64 {
            let all = (0..width * width).filter(|at| (at / width != at % width) == beside);
            all.map(|at| matrix[at] * matrix[at]).sum()
        };
        if size(true) <= size(false) * f64::EPSILON * f64::EPSILON * 1e-4 {
            break;
        }
        for one in 0..width {
            for other in one + 1..width {
                rotate(&mut matrix, width, one, other);
            }
        }
    }
    let mut values: Vec<f64> = (0..width).map(|at| matrix[at * width + at]).collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// Makes one pair of entries beside the diagonal 0.
fn rotate(matrix: &mut [f64], width: usize, one: usize, other: usize) {
    let beside = matrix[one * width + other];
    if beside == 0.0 {
        return;
    }
    let half = (matrix[other * width + other] - matrix[one * width + one]) / (2.0 * beside);
    let tangent = half.signum() / (half.abs() + half.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = tangent * cosine;
    for at in 0..width {
        let (first, second) = (matrix[at * width + one], matrix[at * width + other]);
        matrix[at * width + one] = cosine * first - sine * second;
        matrix[at * width + other] = sine * first + cosine * second;
    }
    for at in 0..width {
        let (first, second) = (matrix[one * width + at], matrix[other * width + at]);
        matrix[one * width + at] = cosine * first - sine * second;
        matrix[other * width + at] = sine * first + cosine * second;
    }
}
