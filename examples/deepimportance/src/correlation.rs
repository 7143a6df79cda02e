//! Correlation of ranks.

/// Spearman's rank correlation of pairs of values, from -1 to 1: Pearson's of their ranks, of equal values the mean rank.
///
/// Given several groups, values are ranked within their own: what the level of a group is makes no difference. There is none where one side is
/// constant in all groups, or a value is no number.
pub fn spearman(groups: &[(Vec<f64>, Vec<f64>)]) -> Option<f64> {
    let (mut products, mut left_squares, mut right_squares) = (0.0, 0.0, 0.0);
    for (left, right) in groups {
        if left.iter().chain(right).any(|value| value.is_nan()) {
            return None;
        }
        let mean = (left.len() as f64 + 1.0) / 2.0;
        for (left, right) in ranks(left).into_iter().zip(ranks(right)) {
            products += (left - mean) * (right - mean);
            left_squares += (left - mean).powi(2);
            right_squares += (right - mean).powi(2);
        }
    }
    // Ranks are halves of whole numbers, so these sums are exact and 0 only where all ranks are the same.
    (left_squares > 0.0 && right_squares > 0.0).then(|| products / f64::sqrt(left_squares * right_squares))
}

/// Ranks from 1 on.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|left, right| values[*left].total_cmp(&values[*right]));
    let mut ranks = vec![0.0; values.len()];
    let mut lower = 0;
    for equal in order.chunk_by(|left, right| values[*left] == values[*right]) {
        for place in equal {
            ranks[*place] = lower as f64 + (equal.len() as f64 + 1.0) / 2.0;
        }
        lower += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(left: &[f64], right: &[f64]) -> Option<f64> {
        spearman(&[(left.to_vec(), right.to_vec())])
    }

    fn near(found: Option<f64>, expected: f64) {
        assert!(found.is_some_and(|found| (found - expected).abs() < 1e-12), "{found:?} is not {expected}");
    }

    #[test]
    fn ranks_of_equal_values_are_their_mean() {
        assert_eq!(ranks(&[0.3, 0.1, 0.3, 0.7]), [2.5, 1.0, 2.5, 4.0]);
        assert_eq!(ranks(&[5.0, 5.0, 5.0]), [2.0, 2.0, 2.0]);
        assert_eq!(ranks(&[0.0, -0.0, -1.0]), [2.5, 2.5, 1.0], "both zeros are equal");
        assert_eq!(ranks(&[f64::INFINITY, 1.0]), [2.0, 1.0]);
        assert_eq!(ranks(&[]), [0.0; 0]);
    }

    #[test]
    fn without_ties_it_is_the_formula_of_differences() {
        // Ranks 1 2 3 4 5 6 and 2 1 4 3 6 5: 1 - 6 * 6 / (6 * 35).
        near(of(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[0.2, 0.1, 0.4, 0.3, 0.6, 0.5]), 1.0 - 36.0 / 210.0);
        near(of(&[1.0, 2.0, 3.0], &[1.0, 10.0, 1000.0]), 1.0);
        near(of(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]), -1.0);
    }

    #[test]
    fn ties_by_hand() {
        // Ranks 1 2.5 2.5 4 and 1 3 2 4, from their mean 2.5: products 2.25 + 0 + 0 + 2.25, squares 4.5 and 5.
        near(of(&[0.1, 0.2, 0.2, 0.3], &[1.0, 3.0, 2.0, 4.0]), 4.5 / f64::sqrt(4.5 * 5.0));
    }

    #[test]
    fn a_constant_has_none() {
        assert_eq!(of(&[0.7, 0.7, 0.7], &[1.0, 2.0, 3.0]), None);
        assert_eq!(of(&[1.0, 2.0, 3.0], &[0.1, 0.1, 0.1]), None);
        assert_eq!(of(&[1.0], &[2.0]), None);
        assert_eq!(of(&[], &[]), None);
        assert_eq!(spearman(&[]), None);
        assert_eq!(of(&[f64::NAN, 1.0], &[1.0, 2.0]), None);
    }

    #[test]
    fn groups_are_ranked_by_themselves() {
        // Within each group they go together; the second lies lower on the right and higher on the left.
        let groups = [(vec![1.0, 2.0, 3.0], vec![7.0, 8.0, 9.0]), (vec![10.0, 20.0, 30.0], vec![0.1, 0.2, 0.3])];
        near(spearman(&groups), 1.0);
        // One group where the left is constant takes part by the squares of the right: 2 / sqrt(2 * 4).
        let groups = [(vec![1.0, 2.0, 3.0], vec![1.0, 2.0, 3.0]), (vec![5.0, 5.0, 5.0], vec![1.0, 2.0, 3.0])];
        near(spearman(&groups), 2.0 / f64::sqrt(8.0));
    }
}
