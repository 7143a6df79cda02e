//! Optimal k-means in one dimension.
//!
//! In one dimension an optimal clustering cuts the sorted values into contiguous pieces, so dynamic programming finds
//! the exact optimum, without starting points or restarts (Wang & Song 2011, "Ckmeans.1d.dp: Optimal k-means
//! Clustering in One Dimension by Dynamic Programming", The R Journal 3(2)). The work is done on the distinct values
//! with their weights, so repeated values cost nothing and never part.

mod partition;

use std::ops::Range;

use super::silhouette::silhouette;
use crate::vectorise::vectorised;

/// Distinct values in ascending order with how often each occurs.
///
/// Both lists have one entry per distinct value. `kmeans` and `silhouette` rely on finite, strictly ascending values
/// and on weights of at least 1, which is what [`Weighted::new`] makes.
#[derive(Clone, Debug, PartialEq)]
pub struct Weighted {
    /// The distinct values, strictly ascending, in the unit of the input.
    pub values: Vec<f64>,
    /// How often each value occurs, at least 1.
    pub weights: Vec<u32>,
}

impl Weighted {
    /// Sorts the values and merges equal ones; `-0.0` and `0.0` are the same value.
    ///
    /// # Panics
    ///
    /// If a value is not finite, or from 2^32 values up.
    ///
    /// # Examples
    ///
    /// ```
    /// use cleanai_harness::importance::kmeans::Weighted;
    ///
    /// let values = Weighted::new([2.0, 0.0, -0.0, -1.5]);
    /// assert_eq!(values.values, [-1.5, 0.0, 2.0]);
    /// assert_eq!(values.weights, [1, 2, 1]);
    /// ```
    pub fn new(values: impl Into<Vec<f64>>) -> Self {
        // Integers sort about twice as fast as floats. With the sign bit flipped, and all others too in negative
        // numbers, the bits are in the order of the values. Adding 0.0 turns -0.0 into 0.0.
        const SIGN: u64 = 1 << 63;
        let key = |value: f64| {
            assert!(value.is_finite(), "values must be finite, got {value}");
            let bits = (value + 0.0).to_bits();
            if bits & SIGN == 0 { bits | SIGN } else { !bits }
        };
        let value = |key: u64| f64::from_bits(if key & SIGN == 0 { !key } else { key ^ SIGN });
        let mut keys: Vec<u64> = values.into().into_iter().map(key).collect();
        assert!(u32::try_from(keys.len()).is_ok(), "too many values: {}", keys.len());
        keys.sort_unstable();
        let (values, weights) = keys.chunk_by(u64::eq).map(|equal| (value(equal[0]), equal.len() as u32)).unzip();
        Self { values, weights }
    }
}

/// A clustering of sorted distinct values into contiguous clusters, in ascending order.
///
/// The three lists have one entry per cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Clusters {
    /// Index of the first distinct value of each cluster; the first is 0.
    pub starts: Vec<usize>,
    /// Mean of the members of each cluster, in the unit of the values, strictly ascending.
    pub centroids: Vec<f64>,
    /// Number of members of each cluster, repeated values counted as often as they occur.
    pub sizes: Vec<u64>,
    /// Sum over all members of the squared distance to the centroid of their cluster, in the unit of the values
    /// squared, at least 0.
    pub inertia: f64,
}

impl Clusters {
    fn new(values: &Weighted, starts: Vec<usize>) -> Self {
        let mut clusters = Self { starts, centroids: Vec::new(), sizes: Vec::new(), inertia: 0.0 };
        for range in clusters.ranges(values).collect::<Vec<_>>() {
            let (first, last) = (values.values[range.start], values.values[range.end - 1]);
            let (members, weights) = (&values.values[range.clone()], &values.weights[range]);
            // Offsets from the first member keep the digits that values far from zero would lose.
            let size: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
            let mean = sum_of_offsets(members, weights, first) / size as f64;
            clusters.inertia += sum_of_squares(members, weights, first, mean);
            clusters.centroids.push((first + mean).min(last));
            clusters.sizes.push(size);
        }
        clusters
    }

    /// The range of distinct values of each cluster, as indices into `values.values`, in ascending order.
    ///
    /// # Examples
    ///
    /// ```
    /// use cleanai_harness::importance::kmeans::{Weighted, kmeans};
    ///
    /// let values = Weighted::new([0.0, 0.1, 5.0, 5.1, 5.2]);
    /// let clusters = kmeans(&values, &[2]).remove(0);
    /// assert_eq!(clusters.ranges(&values).collect::<Vec<_>>(), [0..2, 2..5]);
    /// ```
    pub fn ranges(&self, values: &Weighted) -> impl Iterator<Item = Range<usize>> {
        let ends = self.starts.iter().skip(1).copied().chain([values.values.len()]);
        self.starts.iter().zip(ends).map(|(&start, end)| start..end)
    }
}

/// The optimal clustering for each of the cluster counts, in their order.
///
/// Each clustering has the least inertia of all with that many clusters. Among equally good ones the last cluster
/// starts at the lowest possible value, then the last but one, and so on. Where there are fewer distinct values than
/// clusters, each distinct value is a cluster of its own.
///
/// Any finite values will do up to a magnitude of 1e300, but the inertia itself overflows to infinity beyond about
/// 1e150. Differences of inertia below about 1e-29 of that of a single cluster count as equal.
///
/// # Panics
///
/// If there are no values or a count is 0.
///
/// # Examples
///
/// ```
/// use cleanai_harness::importance::kmeans::{Weighted, kmeans};
///
/// let values = Weighted::new([0.0, 0.0, 0.0, 4.0, 5.0, 9.0]);
/// let clusters = kmeans(&values, &[2, 3]);
/// assert_eq!(clusters[0].centroids, [0.0, 6.0]);
/// assert_eq!(clusters[0].sizes, [3, 3]);
/// assert_eq!(clusters[0].inertia, 14.0);
/// assert_eq!(clusters[1].centroids, [0.0, 4.5, 9.0]);
/// ```
pub fn kmeans(values: &Weighted, counts: &[usize]) -> Vec<Clusters> {
    let distinct = values.values.len();
    assert!(distinct > 0, "no values to cluster");
    assert!(!counts.contains(&0), "a cluster count must be at least 1");
    // As many clusters as distinct values, or more, need no search.
    let most = counts.iter().copied().filter(|&count| count < distinct).max().unwrap_or(1);
    let starts = partition::starts(values, most);
    let singletons = || (0..distinct).collect();
    counts
        .iter()
        .map(|&count| if count < distinct { starts[count - 1].clone() } else { singletons() })
        .map(|starts| Clusters::new(values, starts))
        .collect()
}

/// The optimal clustering with the highest mean silhouette among the cluster counts, and that silhouette.
///
/// Ties go to fewer clusters. The silhouette is in -1 to 1; see [`silhouette`].
///
/// # Panics
///
/// If there are no values, no counts, or a count is 0.
///
/// # Examples
///
/// ```
/// use cleanai_harness::importance::kmeans::{Weighted, best};
///
/// let values = Weighted::new([0.0, 0.1, 0.2, 5.0, 5.1, 9.0, 9.1]);
/// let (clusters, silhouette) = best(&values, &[2, 3, 4]);
/// assert_eq!(clusters.starts, [0, 3, 5]);
/// assert!(silhouette > 0.9);
/// ```
pub fn best(values: &Weighted, counts: &[usize]) -> (Clusters, f64) {
    let mut counts: Vec<usize> = counts.iter().map(|&count| count.min(values.values.len())).collect();
    counts.sort_unstable();
    counts.dedup();
    kmeans(values, &counts)
        .into_iter()
        .map(|clusters| {
            let score = silhouette(values, &clusters);
            (clusters, score)
        })
        .reduce(|best, next| if next.1 > best.1 { next } else { best })
        .expect("no cluster counts")
}

/// Index of the centroid nearest to the value: the least `|value - centroid|` in `f64`, ties to the lower index.
///
/// # Panics
///
/// If there are no centroids.
///
/// # Examples
///
/// ```
/// use cleanai_harness::importance::kmeans::nearest;
///
/// assert_eq!(nearest(&[0.0, 2.0, 5.0], 1.0), 0);
/// assert_eq!(nearest(&[0.0, 2.0, 5.0], 1.1), 1);
/// ```
pub fn nearest(centroids: &[f64], value: f64) -> usize {
    assert!(!centroids.is_empty(), "no centroids");
    let (mut nearest, mut least) = (0, (value - centroids[0]).abs());
    for (index, centroid) in centroids.iter().enumerate().skip(1) {
        let distance = (value - centroid).abs();
        if distance < least {
            (nearest, least) = (index, distance);
        }
    }
    nearest
}

/// The values of a range, each with its weight as `f64`.
pub(super) fn members(values: &Weighted, range: Range<usize>) -> impl Iterator<Item = (f64, f64)> {
    values.values[range.clone()].iter().zip(&values.weights[range]).map(|(&value, &weight)| (value, f64::from(weight)))
}

vectorised! {
    /// The sum over weighted values of their offsets from a number.
    pub(super) fn sum_of_offsets(values: &[f64], weights: &[u32], from: f64) -> f64 {
        let mut sum = Sum::default();
        sum.add_each(values, weights, |value, weight| (value - from) * weight);
        sum.total()
    }
}

vectorised! {
    /// The sum over weighted values of the squares of their offsets from `from + mean`.
    fn sum_of_squares(values: &[f64], weights: &[u32], from: f64, mean: f64) -> f64 {
        let mut sum = Sum::default();
        sum.add_each(values, weights, |value, weight| {
            let offset = value - from - mean;
            offset * offset * weight
        });
        sum.total()
    }
}

/// Terms that are summed at once.
const LANES: usize = 8;

/// A sum in several parts with the rounding error of each addition made good at the end.
#[derive(Default)]
pub(super) struct Sum {
    totals: [f64; LANES],
    errors: [f64; LANES],
}

impl Sum {
    #[inline(always)]
    pub fn add(&mut self, terms: &[f64; LANES]) {
        for ((total, error), term) in self.totals.iter_mut().zip(&mut self.errors).zip(terms) {
            let (next, rest) = exact_sum(*total, *term);
            (*total, *error) = (next, *error + rest);
        }
    }

    /// Adds what a function makes of each value and its weight.
    #[inline(always)]
    fn add_each(&mut self, values: &[f64], weights: &[u32], term: impl Fn(f64, f64) -> f64) {
        let ((chunks, last), (weights, last_weights)) = (values.as_chunks::<LANES>(), weights.as_chunks::<LANES>());
        for (values, weights) in chunks.iter().zip(weights) {
            self.add(&std::array::from_fn(|lane| term(values[lane], f64::from(weights[lane]))));
        }
        let mut terms = [0.0; LANES];
        for (term_of, (value, weight)) in terms.iter_mut().zip(last.iter().zip(last_weights)) {
            *term_of = term(*value, f64::from(*weight));
        }
        self.add(&terms);
    }

    #[inline(always)]
    pub fn total(&self) -> f64 {
        let (mut total, mut error) = (0.0, 0.0);
        for (part, own) in self.totals.iter().zip(&self.errors) {
            let (next, rest) = exact_sum(total, *part);
            (total, error) = (next, error + rest + own);
        }
        total + error
    }
}

/// The rounded sum of two numbers and what the rounding left out (Knuth's two-sum).
#[inline(always)]
fn exact_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Least inertia over all partitions of the sorted values into `count` contiguous clusters, in two passes.
    fn least_inertia(sorted: &[f64], count: usize) -> f64 {
        let alone = |members: &[f64]| {
            let mean = members.iter().map(|v| v - members[0]).sum::<f64>() / members.len() as f64;
            members.iter().map(|v| (v - members[0] - mean).powi(2)).sum::<f64>()
        };
        if count == 1 {
            return alone(sorted);
        }
        let splits = count - 1..sorted.len();
        splits.map(|at| least_inertia(&sorted[..at], count - 1) + alone(&sorted[at..])).fold(f64::INFINITY, f64::min)
    }

    fn check_optimal(mut values: Vec<f64>) -> Result<(), TestCaseError> {
        let weighted = Weighted::new(values.clone());
        values.sort_by(f64::total_cmp);
        for (count, clusters) in (1..).zip(kmeans(&weighted, &[1, 2, 3, 4, 5])) {
            let count = weighted.values.len().min(count);
            let least = least_inertia(&values, count);
            prop_assert_eq!(clusters.starts.len(), count);
            let error = (clusters.inertia - least).abs();
            prop_assert!(error <= 1e-12 * least, "{} instead of {}", clusters.inertia, least);
            prop_assert!(clusters.centroids.is_sorted_by(|a, b| a < b));
            prop_assert_eq!(clusters.sizes.iter().sum::<u64>(), values.len() as u64);
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn optimal(values in prop::collection::vec(-9.0..9.0_f64, 1..13)) {
            check_optimal(values)?;
        }

        #[test]
        fn optimal_with_repeats(values in prop::collection::vec(0..6_u8, 1..14)) {
            check_optimal(values.into_iter().map(f64::from).collect())?;
        }

        #[test]
        fn optimal_in_narrow_clusters(values in prop::collection::vec((0..3_u8, 0.0..1.0_f64), 1..12)) {
            // Inertia of about 1e-14 of the sum of squares, far from zero.
            check_optimal(values.into_iter().map(|(mode, v)| 1e3 + f64::from(mode) + 1e-7 * v).collect())?;
        }

        #[test]
        fn optimal_at_any_scale(values in prop::collection::vec(-1.0..1.0_f64, 1..12), exponent in -140..140_i32) {
            check_optimal(values.into_iter().map(|v| v * 10f64.powi(exponent)).collect())?;
        }

        #[test]
        fn order_is_of_no_account(values in prop::collection::vec(-5..5_i8, 1..80).prop_shuffle()) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            prop_assert_eq!(best(&Weighted::new(values), &[2, 3, 4]), best(&Weighted::new(sorted), &[4, 3, 2]));
        }

        #[test]
        fn counts_do_not_influence_each_other(values in prop::collection::vec(0.0..1.0_f64, 70..200)) {
            let values = Weighted::new(values);
            let counts = [64, 2, 3, 7, 4, 20];
            for (count, clusters) in counts.iter().zip(kmeans(&values, &counts)) {
                prop_assert_eq!(&kmeans(&values, &[*count])[0], &clusters);
            }
        }

        #[test]
        fn members_are_nearest_to_their_centroid(values in prop::collection::vec(-1e3..1e3_f64, 5..300)) {
            let values = Weighted::new(values);
            let clusters = kmeans(&values, &[4]).remove(0);
            for (cluster, range) in clusters.ranges(&values).enumerate() {
                for &value in &values.values[range] {
                    prop_assert_eq!(nearest(&clusters.centroids, value), cluster);
                }
            }
        }
    }

    #[test]
    fn merges_equal_values() {
        let values = Weighted::new([3.0, -0.0, -2.0, 0.0, 3.0, f64::MIN, 3.0, -5e-324]);
        assert_eq!(values.values, [f64::MIN, -2.0, -5e-324, 0.0, 3.0]);
        assert_eq!(values.weights, [1, 1, 1, 2, 3]);
        assert!(values.values[3].is_sign_positive());
    }

    #[test]
    fn few_distinct_values() {
        let equal = Weighted::new(vec![7.5; 9]);
        let (clusters, score) = best(&equal, &[2, 3, 4]);
        assert_eq!((clusters.centroids, clusters.sizes, clusters.inertia, score), (vec![7.5], vec![9], 0.0, 0.0));
        let two = Weighted::new([1.0, 1.0, 4.0]);
        for clusters in kmeans(&two, &[2, 3, 64]) {
            assert_eq!((clusters.centroids, clusters.sizes, clusters.inertia), (vec![1.0, 4.0], vec![2, 1], 0.0));
        }
        assert_eq!(kmeans(&Weighted::new([2.0]), &[1, 5])[1].starts, [0]);
        assert_eq!(kmeans(&two, &[]), []);
    }

    #[test]
    fn ties_go_to_the_lowest_split() {
        let starts = |values: &[f64], count| kmeans(&Weighted::new(values), &[count]).remove(0).starts;
        assert_eq!(starts(&[0.0, 1.0, 2.0], 2), [0, 1]);
        assert_eq!(starts(&[5.0, 6.0, 7.0, 8.0], 3), [0, 1, 2]);
        assert_eq!(starts(&[-1.0, -1.0, 0.0, 1.0, 1.0], 2), [0, 1]);
        for half in 1..50 {
            // The mean, which the search centres on, is rounded for most of these.
            let values = [(0..=2 * half).map(f64::from).collect(), vec![-1000.0; half as usize]].concat();
            assert_eq!(starts(&values, 3), [0, 1, half as usize + 1]);
        }
    }

    #[test]
    fn far_from_zero() {
        let near: Vec<f64> = [0, 1, 2, 64, 65, 67, 200, 201].map(f64::from).to_vec();
        let far = near.iter().map(|v| 1e8 + v / 1024.0).collect::<Vec<_>>();
        let [near, far] = [near, far].map(|values| kmeans(&Weighted::new(values), &[2, 3, 4]));
        for (near, far) in near.iter().zip(&far) {
            assert_eq!(near.starts, far.starts);
            assert!((near.inertia - far.inertia * 1024.0 * 1024.0).abs() < 1e-12 * near.inertia);
        }
    }

    #[test]
    fn no_worse_than_sklearn() {
        // Inertia of sklearn 1.9.1 KMeans(n_init=50, random_state=0) on the sets of the silhouette tests.
        for (set, expected) in crate::importance::silhouette::tests::sets().into_iter().zip([
            [113.97782125041932, 12.06524231901342, 8.416462002501143, 2.36366330260956],
            [0.9962213748634146, 0.3565008851875151, 0.186444820275846, 0.046611507697703],
            [1068.1568627450988, 442.40633290543406, 251.0508588186006, 69.97484330484335],
            [318.41539588589745, 167.6333893996573, 64.26079350218431, 18.507690816146678],
        ]) {
            for (clusters, expected) in kmeans(&Weighted::new(set), &[2, 3, 4, 7]).iter().zip(expected) {
                assert!(clusters.inertia <= expected * (1.0 + 1e-12), "{} > {expected}", clusters.inertia);
            }
        }
    }

    #[test]
    fn nearest_ties_go_to_the_lower_index() {
        assert_eq!([-9.0, 0.5, 0.6, 2.0, 9.0].map(|value| nearest(&[0.0, 1.0, 3.0], value)), [0, 0, 1, 1, 2]);
    }

    #[test]
    #[should_panic(expected = "finite")]
    fn rejects_nan() {
        Weighted::new([1.0, f64::NAN]);
    }
}
