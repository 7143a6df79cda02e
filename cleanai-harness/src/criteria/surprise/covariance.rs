//! Mean and covariance of a class, and its factor.

use super::classes::ProfileTraces;
use crate::criteria::gram::{Gram, ROWS};
use crate::kernel::matrix;

/// Condition numbers up to this are kept: activations in f32 carry no information below it.
const MOST_CONDITION: f64 = 1e10;

/// The shares of the identity that are tried, the smallest first.
const SHARES: [f64; 14] = [0.0, 1e-12, 1e-11, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0];

/// The mean of each column, added up in the order of the rows.
pub(super) fn mean(rows: &[f32], width: usize) -> Vec<f64> {
    let mut mean = vec![0.0; width];
    for row in rows.chunks_exact(width) {
        mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    let count = (rows.len() / width) as f64;
    mean.iter_mut().for_each(|sum| *sum /= count);
    mean
}

/// The mean of all traces.
pub(super) fn mean_of(traces: &ProfileTraces) -> Vec<f64> {
    let mut row = vec![0.0; traces.width()];
    let mut sums = vec![0.0; traces.width()];
    for input in traces.classes.values().flatten() {
        traces.copy(*input, &mut row);
        sums.iter_mut().zip(&row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    let count = traces.len() as f64;
    sums.iter_mut().for_each(|sum| *sum /= count);
    sums
}

/// The population's variance of each column.
pub(super) fn variance(rows: &[f32], mean: &[f64]) -> Vec<f64> {
    let mut variance = vec![0.0; mean.len()];
    for row in rows.chunks_exact(mean.len()) {
        for ((sum, value), mean) in variance.iter_mut().zip(row).zip(mean) {
            let difference = f64::from(*value) - mean;
            *sum += difference * difference;
        }
    }
    let count = (rows.len() / mean.len()) as f64;
    variance.iter_mut().for_each(|sum| *sum /= count);
    variance
}

/// A symmetric matrix with nothing below 0 in it but rounding.
#[derive(Debug)]
pub(super) struct Covariance {
    matrix: Vec<f64>,
    width: usize,
}

impl Covariance {
    /// Of rows that are differences from their mean, divided by `divisor`. Sums run in the order of the rows, and those of 64 rows are added without loss: what
    /// rounding leaves of small eigenvalues is what surprise is made of.
    pub fn of(centred: &[f64], width: usize, divisor: f64) -> Self {
        let mut matrix = vec![0.0; width * width];
        let mut lost = vec![0.0; width * width];
        for rows in centred.chunks(ROWS * width) {
            let mut products = Gram::new(width);
            products.add(rows, width);
            // Kahan's summation.
            for ((sum, lost), product) in matrix.iter_mut().zip(&mut lost).zip(products.matrix(width)) {
                let product = product - *lost;
                let next = *sum + product;
                *lost = (next - *sum) - product;
                *sum = next;
            }
        }
        matrix.iter_mut().for_each(|entry| *entry /= divisor);
        Self { matrix, width }
    }

    fn trace(&self) -> f64 {
        (0..self.width).map(|at| self.matrix[at * self.width + at]).sum()
    }

    /// The lower factor if the condition number is certainly below `most`: no more than the product of the traces of the matrix and of its inverse.
    fn factor_if_certain(&self, most: f64) -> Option<Vec<f64>> {
        let factor = matrix::cholesky(&self.matrix, self.width)?;
        let mut inverse = identity(self.width);
        matrix::solve_lower(&factor, &mut inverse, self.width);
        let inverse: f64 = inverse.iter().map(|entry| entry * entry).sum();
        (self.trace() * inverse < most / 2.0).then_some(factor)
    }

    /// The lower factor, where the matrix of so many rows is regular: more rows than columns, and the smallest eigenvalue above
    /// `columns * 2^-52` of the largest.
    pub fn regular(&self, rows: usize) -> Option<Vec<f64>> {
        if rows <= self.width {
            return None;
        }
        let least = self.width as f64 * f64::EPSILON;
        // Of ill-conditioned matrices the inverse is known too roughly.
        if let Some(factor) = self.factor_if_certain((1.0 / least).min(1e12)) {
            return Some(factor);
        }
        let eigenvalues = matrix::eigenvalues(&self.matrix, self.width);
        let (first, last) = (eigenvalues.first()?, eigenvalues.last()?);
        (*last > 0.0 && *first > least * last).then(|| matrix::cholesky(&self.matrix, self.width)).flatten()
    }

    /// The lower factor of `(1 - l) S + l tr(S) / d I` with the smallest `l` for which its condition number is at most 1e10, and this `l`. None where the
    /// matrix is 0.
    pub fn shrunk(&self) -> Option<(Vec<f64>, f64)> {
        if let Some(factor) = self.factor_if_certain(MOST_CONDITION) {
            return Some((factor, 0.0));
        }
        let mean = self.trace() / self.width as f64;
        let eigenvalues = matrix::eigenvalues(&self.matrix, self.width);
        let (first, last) = (*eigenvalues.first()?, *eigenvalues.last()?);
        SHARES.into_iter().find_map(|share| {
            let shifted = |eigenvalue: f64| (1.0 - share) * eigenvalue + share * mean;
            let suffices = shifted(last) > 0.0 && shifted(first) * MOST_CONDITION >= shifted(last);
            let factor = suffices.then(|| self.mixed(share, mean)).flatten()?;
            Some((factor, share))
        })
    }

    fn mixed(&self, share: f64, mean: f64) -> Option<Vec<f64>> {
        let mut mixed: Vec<f64> = self.matrix.iter().map(|entry| (1.0 - share) * entry).collect();
        (0..self.width).for_each(|at| mixed[at * self.width + at] += share * mean);
        matrix::cholesky(&mixed, self.width)
    }
}

fn identity(width: usize) -> Vec<f64> {
    let mut identity = vec![0.0; width * width];
    (0..width).for_each(|at| identity[at * width + at] = 1.0);
    identity
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagonal(entries: &[f64]) -> Covariance {
        let mut matrix = identity(entries.len());
        entries.iter().enumerate().for_each(|(at, entry)| matrix[at * entries.len() + at] = *entry);
        Covariance { matrix, width: entries.len() }
    }

    #[test]
    fn covariances_by_hand() {
        let rows = [0.0f32, 0.0, 2.0, -4.0];
        let mean = mean(&rows, 2);
        assert_eq!(mean, [1.0, -2.0]);
        assert_eq!(variance(&rows, &mean), [1.0, 4.0]);
        let centred: Vec<f64> = rows.iter().zip(mean.iter().cycle()).map(|(v, m)| f64::from(*v) - m).collect();
        assert_eq!(Covariance::of(&centred, 2, 2.0).matrix, [1.0, -2.0, -2.0, 4.0]);
        // More columns than a tile has, and rows than are added at once.
        let (width, count) = (37, 150);
        let rows: Vec<f64> = (0..width * count).map(|at| ((at * 7919) % 101) as f64 / 50.0 - 1.0).collect();
        let found = Covariance::of(&rows, width, 1.0).matrix;
        for one in 0..width {
            for other in 0..width {
                let sum: f64 = rows.chunks(width).map(|row| row[one] * row[other]).sum();
                assert!((found[one * width + other] - sum).abs() < 1e-10);
            }
        }
    }

    #[test]
    fn regular_is_more_rows_than_columns_and_no_eigenvalue_lost() {
        assert!(diagonal(&[1.0, 1.0]).regular(2).is_none() && diagonal(&[1.0, 1.0]).regular(3).is_some());
        assert!(diagonal(&[1.0, 0.0]).regular(9).is_none());
        assert!(diagonal(&[0.0, 0.0]).regular(9).is_none());
        let edge = 2.0 * f64::EPSILON;
        assert!(diagonal(&[1.0, edge]).regular(9).is_none());
        assert_eq!(diagonal(&[4.0, 4.1 * edge]).regular(9).unwrap()[0], 2.0);
    }

    #[test]
    fn shrinkage_is_the_smallest_that_suffices() {
        assert_eq!(diagonal(&[1.0, 1e-10]).shrunk().unwrap().1, 0.0);
        assert_eq!(diagonal(&[1.0, 0.9e-10]).shrunk().unwrap().1, 1e-10);
        let (factor, share) = diagonal(&[1.0, 0.0]).shrunk().unwrap();
        assert_eq!(share, 1e-9);
        assert!(
            (factor[0] * factor[0] - (1.0 - 0.5e-9)).abs() < 1e-12 && (factor[3] * factor[3] - 0.5e-9).abs() < 1e-20
        );
        assert!(diagonal(&[0.0, 0.0]).shrunk().is_none());
    }
}
