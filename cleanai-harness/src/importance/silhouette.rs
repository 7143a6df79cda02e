//! Exact mean silhouette of contiguous clusters in one dimension.
//!
//! The silhouette of a point is `(b - a) / max(a, b)`, where `a` is its mean distance to the other members of its
//! cluster and `b` the least mean distance to the members of another cluster (Rousseeuw 1987, "Silhouettes: a
//! graphical aid to the interpretation and validation of cluster analysis", Journal of Computational and Applied
//! Mathematics 20). On a line, `b` belongs to the cluster next below or next above, and all of that lies on one side of
//! the point, so `b` is the distance to its mean; `a` follows from running sums. One pass over the values replaces the
//! distances between all pairs.

use std::ops::Range;

use super::kmeans::{Clusters, Sum, Weighted, sum_of_offsets};
use crate::vectorise::vectorised;

/// Mean silhouette over all values, each counted as often as it occurs; in -1 to 1, without a unit.
///
/// A value that is alone in its cluster has silhouette 0, and so has one with `a = b = 0`. With only one cluster there
/// is nothing to compare with, and the result is defined as 0.
///
/// # Examples
///
/// ```
/// use cleanai_harness::importance::kmeans::{Weighted, kmeans};
/// use cleanai_harness::importance::silhouette::silhouette;
///
/// let values = Weighted::new([0.0, 1.0, 4.0]);
/// let clusters = kmeans(&values, &[2]).remove(0);
/// // 0: a = 1, b = 4; 1: a = 1, b = 3; 4 is alone.
/// assert!((silhouette(&values, &clusters) - (3.0 / 4.0 + 2.0 / 3.0 + 0.0) / 3.0).abs() < 1e-15);
/// ```
pub fn silhouette(values: &Weighted, clusters: &Clusters) -> f64 {
    let pieces: Vec<Piece> = clusters.ranges(values).map(|range| Piece::new(values, range)).collect();
    if pieces.len() < 2 {
        return 0.0;
    }
    let total = pieces.iter().enumerate().map(|(index, piece)| {
        let below = index.checked_sub(1).map(|below| &pieces[below]);
        piece.silhouettes(values, below, pieces.get(index + 1))
    });
    total.sum::<f64>() / pieces.iter().map(|piece| piece.weight).sum::<f64>()
}

/// One cluster, measured from its first member so that values far from zero keep their digits.
struct Piece {
    range: Range<usize>,
    first: f64,
    weight: f64,
    /// Sum over the members of their offsets from the first.
    offsets: f64,
}

impl Piece {
    fn new(values: &Weighted, range: Range<usize>) -> Self {
        let first = values.values[range.start];
        let weight = values.weights[range.clone()].iter().map(|&weight| u64::from(weight)).sum::<u64>() as f64;
        let offsets = sum_of_offsets(&values.values[range.clone()], &values.weights[range.clone()], first);
        Self { range, first, weight, offsets }
    }

    /// The sum of the silhouettes of all members, given the neighbouring clusters.
    fn silhouettes(&self, values: &Weighted, below: Option<&Self>, above: Option<&Self>) -> f64 {
        if self.weight == 1.0 {
            return 0.0;
        }
        // Distance from the first member to the mean of each neighbour; infinite where there is none.
        let distance = |other: &Self| ((other.first - self.first) + other.offsets / other.weight).abs();
        let to_below = below.map_or(f64::INFINITY, distance);
        let to_above = above.map_or(f64::INFINITY, distance);

        sum_of_silhouettes(
            self,
            &values.values[self.range.clone()],
            &values.weights[self.range.clone()],
            to_below,
            to_above,
        )
    }
}

/// Members whose running sums are made before their silhouettes, so that these are computed several at once.
const BLOCK: usize = 64;

vectorised! {
    /// The sum of the silhouettes of all members, given how far the means of the neighbours are from the first.
    fn sum_of_silhouettes(piece: &Piece, values: &[f64], weights: &[u32], to_below: f64, to_above: f64) -> f64 {
        let (mut weight_before, mut offsets_before) = (0.0, 0.0);
        let (mut before, mut terms) = ([[0.0; BLOCK]; 2], [0.0; BLOCK]);
        let mut sum = Sum::default();
        for (values, weights) in values.chunks(BLOCK).zip(weights.chunks(BLOCK)) {
            for (at, (value, weight)) in values.iter().zip(weights).enumerate() {
                (before[0][at], before[1][at]) = (weight_before, offsets_before);
                weight_before += f64::from(*weight);
                offsets_before += (value - piece.first) * f64::from(*weight);
            }
            let running = before[0].iter().zip(&before[1]);
            for (term, ((value, weight), (weight_before, offsets_before))) in
                terms.iter_mut().zip(values.iter().zip(weights).zip(running))
            {
                let (offset, weight) = (value - piece.first, f64::from(*weight));
                let weight_after = piece.weight - weight_before - weight;
                let offsets_after = piece.offsets - offsets_before - offset * weight;
                let distances = offset * (weight_before - weight_after) - offsets_before + offsets_after;

                let own = (distances / (piece.weight - 1.0)).max(0.0);
                let other = (to_below + offset).min(to_above - offset);
                let larger = own.max(other);
                let silhouette = weight * (other - own) / larger;
                *term = if larger > 0.0 { silhouette } else { 0.0 };
            }
            terms[values.len()..].fill(0.0);
            terms.as_chunks().0.iter().for_each(|terms| sum.add(terms));
        }
        sum.total()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::importance::kmeans::kmeans;
    use proptest::prelude::*;

    /// Four sets of 150 values: three modes, ReLU-like, many repeats, skew.
    pub fn sets() -> [Vec<f64>; 4] {
        let mut state = 7_u64;
        let uniform: Vec<f64> = (0..150)
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 11) as f64 / (1_u64 << 53) as f64
            })
            .collect();
        let each = |change: fn(f64) -> f64| uniform.iter().copied().map(change).collect();
        [
            uniform.iter().enumerate().map(|(index, u)| u + 2.0 * (index % 3) as f64).collect(),
            each(|u| (u - 0.4).max(0.0)),
            each(|u| (20.0 * u * u).floor()),
            each(|u| 1.0 / (0.05 + u)),
        ]
    }

    /// The definition, from the distances between all pairs.
    fn from_pairs(values: &Weighted, clusters: &Clusters) -> f64 {
        let all: Vec<Vec<f64>> = clusters
            .ranges(values)
            .map(|range| range.flat_map(|at| vec![values.values[at]; values.weights[at] as usize]).collect())
            .collect();
        let mut total = 0.0;
        for (own, members) in all.iter().enumerate() {
            for value in members.iter().filter(|_| members.len() > 1 && all.len() > 1) {
                let distances = |others: &[f64]| others.iter().map(|other| (value - other).abs()).sum::<f64>();
                let a = distances(members) / (members.len() - 1) as f64;
                let others = all.iter().enumerate().filter(|(other, _)| *other != own);
                let b = others.map(|(_, o)| distances(o) / o.len() as f64).fold(f64::INFINITY, f64::min);
                total += (b - a) / a.max(b);
            }
        }
        total / all.iter().map(Vec::len).sum::<usize>() as f64
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn agrees_with_pairs(
            values in prop::collection::vec(prop_oneof![-9.0..9.0_f64, (0..4_u8).prop_map(f64::from)], 1..60),
            offset in prop_oneof![Just(0.0), Just(1e8)],
        ) {
            let values = Weighted::new(values.into_iter().map(|value| value + offset).collect::<Vec<_>>());
            for clusters in kmeans(&values, &[1, 2, 3, 4, 9]) {
                let (fast, slow) = (silhouette(&values, &clusters), from_pairs(&values, &clusters));
                prop_assert!((fast - slow).abs() <= 1e-12, "{} instead of {}", fast, slow);
            }
        }

        #[test]
        fn holds_for_any_partition(
            values in prop::collection::vec(0..40_u8, 30..60), cuts in prop::collection::btree_set(1..10_usize, 1..5),
        ) {
            let values = Weighted::new(values.into_iter().map(f64::from).collect::<Vec<_>>());
            let starts = [0].into_iter().chain(cuts).filter(|&start| start < values.values.len()).collect();
            let clusters = Clusters { starts, centroids: Vec::new(), sizes: Vec::new(), inertia: 0.0 };
            let (fast, slow) = (silhouette(&values, &clusters), from_pairs(&values, &clusters));
            prop_assert!((fast - slow).abs() <= 1e-12, "{} instead of {}", fast, slow);
        }
    }

    #[test]
    fn agrees_with_sklearn() {
        // sklearn 1.9.1 silhouette_score with the labels of an optimal clustering into 2, 3, 4 and 7 clusters.
        for (set, expected) in sets().into_iter().zip([
            [0.6647327897956334, 0.8250382713720756, 0.759497649017095, 0.6297298042758528],
            [0.7506611281526381, 0.7487615468454031, 0.7430632166086667, 0.7670081839922599],
            [0.6947551156127629, 0.6624777804013814, 0.6465412225759921, 0.678438107859297],
            [0.773839566897528, 0.748558352087617, 0.6843833810674861, 0.6178498250709085],
        ]) {
            let values = Weighted::new(set);
            for (clusters, expected) in kmeans(&values, &[2, 3, 4, 7]).iter().zip(expected) {
                let score = silhouette(&values, clusters);
                assert!((score - expected).abs() < 1e-12, "{score} instead of {expected}");
            }
        }
    }

    #[test]
    fn singletons_and_single_values() {
        let score = |values: &[f64], count| {
            let values = Weighted::new(values);
            silhouette(&values, &kmeans(&values, &[count])[0])
        };
        assert_eq!(score(&[1.0, 2.0, 3.0], 1), 0.0);
        assert_eq!(score(&[1.0, 2.0, 3.0], 3), 0.0);
        assert_eq!(score(&[4.0; 5], 2), 0.0);
        assert_eq!(score(&[0.1, 0.1, 0.1, 0.7], 2), 0.75);
    }
}
