//! The search for the best partition of sorted values into contiguous clusters.
//!
//! The inertia of a clustering is the sum of squares of all values less the sum over the clusters of
//! `(sum of values)^2 / weight`. The first term is fixed, so the second, here called the *gain*, is what the search
//! makes as large as it can. A row of the table holds, for one number of clusters, the best gain of the first 0 to n
//! values; it follows from the row for one cluster fewer. The best start of the last cluster never moves down as values
//! are added at the end, so divide and conquer fills a row in O(n log n), and all cluster counts share the rows. That
//! start never moves down as clusters are added either, so the lower part of a row is often not needed at all.
//!
//! A gain in `f64` is rounded relative to the sum of *all* squares. That would blur the choice where clusters are much
//! narrower than the gaps between them. So gains in `f64` only narrow the splits down to those within rounding error of
//! the best; where that leaves more than one, gains of about 32 digits decide.

use std::ops::{Add, Range, Sub};

use super::{Weighted, exact_sum, members};
use crate::vectorise::vectorised;

/// For each cluster count from 1 to `most`, where the clusters of the best partition start. `most` is at least 1 and,
/// if above 1, below the number of distinct values. Of equally good splits the lowest is taken, the last one first.
pub(super) fn starts(values: &Weighted, most: usize) -> Vec<Vec<usize>> {
    let mut starts = vec![vec![0]];
    if most == 1 {
        return starts;
    }
    let n = values.values.len();
    let search = Search::new(values, most);
    let mut rows = vec![search.first_row()];
    for count in 2..=most {
        // Of the row for `count` clusters the last entry is enough, unless there are rows to come.
        let last = search.last_start(&rows, n);
        let before = rows.iter().rev().scan(last, |start, row| {
            *start = row.splits[*start] as usize;
            Some(*start)
        });
        let mut found: Vec<usize> = [last].into_iter().chain(before).collect();
        found.reverse();
        starts.push(found);
        if count < most {
            rows.push(search.next_row(&rows, last, most));
        }
    }
    starts
}

/// The best gains of the first values in some number of clusters. Both lists are indexed by the number of distinct
/// values covered; entries below `lowest` are not filled in.
struct Row {
    lowest: usize,
    gains: Vec<f64>,
    /// Where the last cluster starts.
    splits: Vec<u32>,
}

/// Prefix sums over the first 0 to n distinct values, and the precision of gains made from them.
struct Search {
    weights: Vec<f64>,
    sums: Vec<Double>,
    /// The sums rounded to `f64`.
    rough: Vec<f64>,
    /// More than twice the rounding error of a gain in `f64`.
    margin: f64,
    /// Gains no further apart than this are equal.
    tie: f64,
}

impl Search {
    fn new(values: &Weighted, most: usize) -> Self {
        let n = values.values.len();
        // A power of two scales without rounding and keeps the squares in range.
        let largest = values.values[0].abs().max(values.values[n - 1].abs());
        let exponent = (largest.to_bits() >> 52) as i32 - 1023;
        let unit = 2f64.powi(-exponent);
        let total: f64 = members(values, 0..n).map(|(_, weight)| weight).sum();
        let mean = members(values, 0..n).map(|(value, weight)| value * unit * weight).sum::<f64>() / total;

        let list = || Vec::with_capacity(n + 1);
        let mut search =
            Self { weights: list(), sums: Vec::with_capacity(n + 1), rough: list(), margin: 0.0, tie: 0.0 };
        let (mut weight, mut sum, mut squares, mut largest_sum) = (0.0, Double::ZERO, 0.0, 0.0_f64);
        search.push(weight, sum);
        for (value, times) in members(values, 0..n) {
            let centred = Double::sum(value * unit, -mean);
            weight += times;
            sum = sum + centred.times(times);
            squares += centred.high * centred.high * times;
            largest_sum = largest_sum.max(sum.high.abs());
            search.push(weight, sum);
        }
        // A cluster's gain (a - b)^2 / w has an error of a few roundings of |a - b| / w * (|a| + |b|).
        let farthest = [0, n - 1].map(|end| (values.values[end] * unit - mean).abs()).into_iter().fold(0.0, f64::max);
        let scale = farthest * largest_sum + squares;
        search.margin = (8 * most) as f64 * f64::EPSILON * scale;
        search.tie = 2f64.powi(-98) * scale;
        search
    }

    fn push(&mut self, weight: f64, sum: Double) {
        self.weights.push(weight);
        self.sums.push(sum);
        self.rough.push(sum.high);
    }

    fn first_row(&self) -> Row {
        let gains = self.rough.iter().zip(&self.weights).map(|(sum, weight)| sum * sum / weight).collect();
        Row { lowest: 1, gains, splits: vec![0; self.sums.len()] }
    }

    /// The row for one cluster more than the last of the rows, given where its last cluster starts when it covers all
    /// values. `most` is the largest cluster count wanted.
    fn next_row(&self, rows: &[Row], last: usize, most: usize) -> Row {
        let n = self.sums.len();
        let previous = &rows[rows.len() - 1];
        // With more clusters the last one starts no lower. So each row asks the one below it for no entry below the
        // start of the last cluster in its own lowest entry, which is bounded here from the rows there are.
        let mut lowest = last.max(previous.lowest + 1);
        for _ in rows.len() + 2..most {
            lowest = self.last_start(rows, lowest).max(previous.lowest + 1);
        }
        let mut row = Row { lowest, gains: vec![0.0; n], splits: vec![0; n] };
        self.fill(rows, &mut row, lowest..n, previous.lowest, n - 1);
        row
    }

    /// Where the last cluster starts in the best clustering of the values before `end` into one more cluster than the
    /// last of the rows.
    fn last_start(&self, rows: &[Row], end: usize) -> usize {
        self.best_split(rows, rows[rows.len() - 1].lowest..end, end).0
    }

    /// Fills the entries `ends`, whose best splits are known to lie in `low..=high`.
    fn fill(&self, rows: &[Row], row: &mut Row, ends: Range<usize>, low: usize, high: usize) {
        if ends.is_empty() {
            return;
        }
        let middle = ends.start + ends.len() / 2;
        // One cluster fewer has its last split no higher; but rounding must not leave an empty range.
        let least = low.max(rows[rows.len() - 1].splits[middle] as usize).min(high);
        let (split, gain) = self.best_split(rows, least..middle.min(high + 1), middle);
        row.gains[middle] = gain;
        row.splits[middle] = split as u32;
        self.fill(rows, row, ends.start..middle, low, split);
        self.fill(rows, row, middle + 1..ends.end, split, high);
    }

    /// The best of the given starts of one more cluster, which ends before `end`, and the gain with it.
    fn best_split(&self, rows: &[Row], splits: Range<usize>, end: usize) -> (usize, f64) {
        let before = &rows[rows.len() - 1].gains[splits.clone()];
        let sums = &self.rough[splits.clone()];
        let weights = &self.weights[splits.clone()];
        let (sum, weight) = (self.rough[end], self.weights[end]);
        let (at, best, second) = best_two(before, sums, weights, sum, weight);
        if second < best - self.margin {
            return (splits.start + at, best);
        }
        let gains = before
            .iter()
            .zip(sums)
            .zip(weights)
            .map(|((before, sum_before), weight_before)| gain(*before, sum - sum_before, weight - weight_before));
        let close = gains.enumerate().filter(|(_, gain)| *gain >= best - self.margin);
        close
            .map(|(index, gain)| (splits.start + index, gain, self.exact_gain(rows, splits.start + index, end)))
            .reduce(|best, next| {
                let better = (next.2.high - best.2.high) + (next.2.low - best.2.low) > self.tie;
                if better { next } else { best }
            })
            .map(|(split, gain, _)| (split, gain))
            .expect("the best is close to itself")
    }

    /// The gain of the best clusters that the rows give for the values before `split`, and one more of `split..end`.
    fn exact_gain(&self, rows: &[Row], mut split: usize, mut end: usize) -> Double {
        let gain = |split: usize, end: usize| {
            (self.sums[end] - self.sums[split]).squared_over(self.weights[end] - self.weights[split])
        };
        let mut total = gain(split, end);
        for row in rows.iter().rev() {
            (split, end) = (row.splits[split] as usize, split);
            total = total + gain(split, end);
        }
        total
    }
}

/// The gain with one more cluster of this sum and weight.
#[inline(always)]
fn gain(before: f64, sum: f64, weight: f64) -> f64 {
    before + sum * sum / weight
}

/// The first of the largest gains, that gain, and the largest of all others.
fn best_two(before: &[f64], sums: &[f64], weights: &[f64], sum: f64, weight: f64) -> (usize, f64, f64) {
    // Most ranges of the search are short.
    if before.len() >= 4 * LANES {
        return best_two_of_many(before, sums, weights, sum, weight);
    }
    let (mut at, mut best, mut second) = (0, f64::NEG_INFINITY, f64::NEG_INFINITY);
    for (index, ((before, sum_before), weight_before)) in before.iter().zip(sums).zip(weights).enumerate() {
        let gain = gain(*before, sum - sum_before, weight - weight_before);
        if gain > best {
            (at, best, second) = (index, gain, best);
        } else if gain > second {
            second = gain;
        }
    }
    (at, best, second)
}

/// Gains that are compared at once, each with the best of every so many.
const LANES: usize = 16;

vectorised! {
    fn best_two_of_many(before: &[f64], sums: &[f64], weights: &[f64], sum: f64, weight: f64) -> (usize, f64, f64) {
        let (chunks, last_before) = before.as_chunks::<LANES>();
        let ((sums, last_sums), (weights, last_weights)) = (sums.as_chunks::<LANES>(), weights.as_chunks::<LANES>());
        let (mut best, mut second) = ([f64::NEG_INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
        let mut at = [0u64; LANES];
        for (chunk, ((before, sums), weights)) in (0u64..).zip(chunks.iter().zip(sums).zip(weights)) {
            for lane in 0..LANES {
                let gain = gain(before[lane], sum - sums[lane], weight - weights[lane]);
                let better = gain > best[lane];
                let lesser = if better { best[lane] } else { gain };
                second[lane] = if lesser > second[lane] { lesser } else { second[lane] };
                best[lane] = if better { gain } else { best[lane] };
                at[lane] = if better { chunk } else { at[lane] };
            }
        }
        let rest = last_before.iter().zip(last_sums).zip(last_weights).enumerate();
        let rest = rest.map(|(index, ((before, sum_before), weight_before))| {
            (chunks.len() * LANES + index, gain(*before, sum - sum_before, weight - weight_before))
        });
        let lanes = (0..LANES).map(|lane| (at[lane] as usize * LANES + lane, best[lane]));
        let (mut first, mut most, mut next) = (usize::MAX, f64::NEG_INFINITY, f64::NEG_INFINITY);
        for (index, gain) in lanes.chain(rest) {
            if gain > most {
                (first, most, next) = (index, gain, most);
            } else {
                next = next.max(gain);
                first = if gain == most { first.min(index) } else { first };
            }
        }
        (first, most, second.iter().fold(next, |next, gain| next.max(*gain)))
    }
}

/// A number of about 32 digits as the unevaluated sum of two `f64`, the second at most half a unit in the last place
/// of the first.
#[derive(Clone, Copy)]
struct Double {
    high: f64,
    low: f64,
}

impl Double {
    const ZERO: Self = Self { high: 0.0, low: 0.0 };

    /// The exact sum of two numbers.
    fn sum(a: f64, b: f64) -> Self {
        let (high, low) = exact_sum(a, b);
        Self { high, low }
    }

    /// The exact product of two numbers.
    fn product(a: f64, b: f64) -> Self {
        let high = a * b;
        Self { high, low: a.mul_add(b, -high) }
    }

    /// The exact sum of two numbers, the first the larger in magnitude.
    fn normal(high: f64, low: f64) -> Self {
        let total = high + low;
        Self { high: total, low: low - (total - high) }
    }

    fn times(self, factor: f64) -> Self {
        let product = Self::product(self.high, factor);
        Self::normal(product.high, product.low + self.low * factor)
    }

    /// `self^2 / weight`.
    fn squared_over(self, weight: f64) -> Self {
        let square = Self::product(self.high, self.high);
        let quotient = square.high / weight;
        let rest = (-quotient).mul_add(weight, square.high) + (square.low + 2.0 * self.high * self.low);
        Self::normal(quotient, rest / weight)
    }
}

impl Add for Double {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let (high, low) = (Self::sum(self.high, other.high), Self::sum(self.low, other.low));
        let partial = Self::normal(high.high, high.low + low.high);
        Self::normal(partial.high, partial.low + low.low)
    }
}

impl Sub for Double {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + Self { high: -other.high, low: -other.low }
    }
}

#[cfg(test)]
mod tests {
    use super::super::kmeans;
    use super::*;
    use proptest::prelude::*;

    /// Least inertia for each count from 1 to `most` by trying every split of every row.
    fn least_inertias(sorted: &[f64], most: usize) -> Vec<f64> {
        let (mut sums, mut squares) = (vec![0.0], vec![0.0]);
        for (before, value) in sorted.iter().enumerate() {
            sums.push(sums[before] + value);
            squares.push(squares[before] + value * value);
        }
        let alone = |a: usize, b: usize| squares[b] - squares[a] - f64::powi(sums[b] - sums[a], 2) / (b - a) as f64;
        let mut row: Vec<f64> = (0..=sorted.len()).map(|end| if end == 0 { 0.0 } else { alone(0, end) }).collect();
        let mut least = vec![row[sorted.len()]];
        for _ in 2..=most {
            let best = |end| (0..end).map(|split| row[split] + alone(split, end)).fold(f64::INFINITY, f64::min);
            row = (0..=sorted.len()).map(|end| if end == 0 { 0.0 } else { best(end) }).collect();
            least.push(row[sorted.len()]);
        }
        least
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn agrees_with_all_splits_of_all_rows(
            mut values in prop_oneof![
                prop::collection::vec(-1.0..1.0_f64, 20..150),
                prop::collection::vec((-30..30_i8).prop_map(f64::from), 20..150),
                prop::collection::vec((-1.0..1.0_f64).prop_map(|v| v.powi(7).max(-1e-3)), 20..150),
            ],
            most in 2..12_usize,
        ) {
            values.sort_by(f64::total_cmp);
            let least = least_inertias(&values, most);
            let values = Weighted::new(values);
            let counts: Vec<usize> = (1..=most).collect();
            for ((count, least), clusters) in (1..).zip(least).zip(kmeans(&values, &counts)) {
                prop_assert!((clusters.inertia - least).abs() < 1e-9, "{} instead of {}", clusters.inertia, least);
                // How much of a row is needed depends on the largest count.
                prop_assert_eq!(&kmeans(&values, &[count])[0], &clusters);
            }
        }
    }

    #[test]
    fn many_gains_at_once_are_compared_as_one_by_one() {
        for length in [1, 15, 64, 65, 79, 100, 257] {
            for distinct in [1, 2, 5, 1000] {
                let before: Vec<f64> = (0..length).map(|at| f64::from((at * 7919 + 13) % distinct)).collect();
                let (sums, weights) = (vec![1.0; before.len()], vec![0.0; before.len()]);
                let gains: Vec<f64> = before.iter().map(|before| gain(*before, 1.0, 2.0)).collect();
                let (mut at, mut second) = (0, f64::NEG_INFINITY);
                for index in 1..gains.len() {
                    at = if gains[index] > gains[at] { index } else { at };
                }
                for (_, gain) in gains.iter().enumerate().filter(|(index, _)| *index != at) {
                    second = second.max(*gain);
                }
                assert_eq!(best_two(&before, &sums, &weights, 2.0, 2.0), (at, gains[at], second));
                assert_eq!(best_two_of_many(&before, &sums, &weights, 2.0, 2.0), (at, gains[at], second));
            }
        }
    }

    #[test]
    fn double_keeps_32_digits() {
        let third = Double { high: 1.0, low: 0.0 }.squared_over(3.0);
        let rest = third.times(3.0) - Double { high: 1.0, low: 0.0 };
        assert!(third.low != 0.0 && rest.high.abs() < 1e-31);
        let sum = Double::sum(1e16, 1e-8) + Double::sum(-1e16, 1e-8);
        assert_eq!((sum.high, sum.low), (2e-8, 0.0));
    }
}
