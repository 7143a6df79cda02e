//! libtorch and the plain loops agree, and both are right.

use proptest::prelude::*;

use super::*;

/// Numbers in -1..1.
fn scattered(count: usize, mut seed: u64) -> Vec<f64> {
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as f64 / f64::from(1u32 << 30) - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// `A A' + I` of random `A`.
fn positive_definite(width: usize, seed: u64) -> Vec<f64> {
    let half = scattered(width * width, seed);
    let mut matrix = vec![0.0; width * width];
    plain::products(&half, &half, width, &mut matrix);
    (0..width).for_each(|at| matrix[at * width + at] += 1.0);
    matrix
}

fn close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() <= tolerance, "{at}: {found}, not {expected}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn products_are_those_of_plain_loops(rows in 1usize..40, columns in 1usize..70, width in 1usize..90, seed in any::<u64>()) {
        let (left, right) = (scattered(rows * width, seed), scattered(columns * width, seed ^ 5));
        let (mut found, mut expected) = (vec![0.0; rows * columns], vec![0.0; rows * columns]);
        products(&left, &right, width, &mut found);
        plain::products(&left, &right, width, &mut expected);
        close(&found, &expected, 1e-14 * width as f64);
        let single = |values: &[f64]| values.iter().map(|value| *value as f32).collect::<Vec<f32>>();
        let mut found = vec![0f32; rows * columns];
        products(&single(&left), &single(&right), width, &mut found);
        let found: Vec<f64> = found.into_iter().map(f64::from).collect();
        close(&found, &expected, 1e-6 * width as f64);
    }

    #[test]
    fn factors_solve_what_they_are_of(width in 1usize..40, rows in 1usize..20, seed in any::<u64>()) {
        let matrix = positive_definite(width, seed);
        let lower = cholesky(&matrix, width).expect("positive definite");
        close(&lower, &plain::cholesky(&matrix, width).expect("positive definite"), 1e-9);
        let mut again = vec![0.0; width * width];
        plain::products(&lower, &lower, width, &mut again);
        close(&again, &matrix, 1e-10);
        let right = scattered(rows * width, seed ^ 7);
        let (mut found, mut expected) = (right.clone(), right.clone());
        solve_lower(&lower, &mut found, width);
        plain::solve_lower(&lower, &mut expected, width);
        close(&found, &expected, 1e-9);
        let mut back = vec![0.0; rows * width];
        plain::products(&found, &lower, width, &mut back);
        close(&back, &right, 1e-10);
    }

    #[test]
    fn eigenvalues_are_those_of_rotations(width in 1usize..30, seed in any::<u64>()) {
        let matrix = positive_definite(width, seed);
        let found = eigenvalues(&matrix, width);
        close(&found, &plain::eigenvalues(&matrix, width), 1e-10);
        let trace: f64 = (0..width).map(|at| matrix[at * width + at]).sum();
        prop_assert!((found.iter().sum::<f64>() - trace).abs() < 1e-9 * trace);
        prop_assert!(found.windows(2).all(|pair| pair[0] <= pair[1]) && found[0] > 0.99);
    }
}

#[test]
fn eigenvalues_by_hand() {
    for values in [eigenvalues, plain::eigenvalues] {
        close(&values(&[2.0, 1.0, 1.0, 2.0], 2), &[1.0, 3.0], 1e-14);
        close(&values(&[5.0, 0.0, 0.0, 0.0], 2), &[0.0, 5.0], 0.0);
        close(&values(&[], 0), &[], 0.0);
    }
}

#[test]
fn what_is_not_positive_definite_has_no_factor() {
    for factor in [cholesky, plain::cholesky] {
        assert_eq!(factor(&[1.0, 2.0, 2.0, 1.0], 2), None);
        assert_eq!(factor(&[0.0], 1), None);
        assert_eq!(factor(&[f64::NAN], 1), None);
        assert_eq!(factor(&[4.0], 1), Some(vec![2.0]));
        assert_eq!(factor(&[], 0), Some(vec![]));
    }
}

#[test]
fn nothing_times_something_is_nothing() {
    let mut none: [f64; 0] = [];
    products(&[], &[1.0, 2.0], 2, &mut none);
    products(&[] as &[f64], &[], 0, &mut none);
    solve_lower(&[1.0], &mut none, 1);
}
