//! Loops over units: counts and sums of a layer's rows, and what changes from one row to another.
//!
//! Rows are cut into parts of a fixed length, whose results are added in order: neither batch nor threads show in them.

use rayon::prelude::*;

use crate::criteria::coverage::PARALLEL_FROM;
use crate::vectorise::vectorised;

/// Units of a part.
const PART: usize = 1 << 15;

/// Partial sums of a part; enough to fill the vector units.
const LANES: usize = 32;

/// The largest f32 that is not above a bound: `value > bound` in f64 is `value > not_above(bound)` in f32.
pub(super) fn not_above(bound: f64) -> f32 {
    let near = bound as f32;
    if f64::from(near) > bound { near.next_down() } else { near }
}

/// The smallest f32 that is not below a bound: `value < bound` in f64 is `value < not_below(bound)` in f32.
pub(super) fn not_below(bound: f64) -> f32 {
    let near = bound as f32;
    if f64::from(near) < bound { near.next_up() } else { near }
}

/// For every row what `count` adds to its `figures` numbers, part by part; row-major.
pub(super) fn counts(
    units: &[f32],
    width: usize,
    figures: usize,
    count: impl Fn(usize, &[f32], &mut [u64]) + Sync,
) -> Vec<u64> {
    let add = |row: usize, part: &[f32], sums: &mut Vec<u64>| count(row, part, sums);
    let parts = over_parts(
        units,
        width,
        || vec![0; figures],
        add,
        |sums: &mut Vec<u64>, part| {
            sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        },
    );
    parts.concat()
}

/// The mean of every row's finite units; nothing where there are none.
pub(super) fn means(units: &[f32], width: usize) -> Vec<Option<f64>> {
    let add = |_: usize, part: &[f32], total: &mut (f64, usize)| *total = sum_and_count(part);
    let sums = over_parts(
        units,
        width,
        || (0.0, 0),
        add,
        |total: &mut (f64, usize), part| {
            total.0 += part.0;
            total.1 += part.1;
        },
    );
    sums.into_iter().map(|(sum, count)| (count > 0).then(|| sum / count as f64)).collect()
}

/// Sum and number of the finite units; those that are left out are NaN.
fn sum_and_count(part: &[f32]) -> (f64, usize) {
    let all = sum(part);
    if all.is_finite() {
        return (all, part.len());
    }
    let finite: Vec<f32> = part.iter().copied().filter(|value| value.is_finite()).collect();
    (sum(&finite), finite.len())
}

/// How a part's units change between two inputs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Changes {
    /// Units whose sign changes: the product is not above 0.
    pub signs: u64,
    /// Units whose value changes by more than the threshold.
    pub values: u64,
    /// Units that are both.
    pub both: u64,
    /// Units whose value changes by more than the right side's threshold, and whose sign does not change.
    pub right: u64,
}

/// The changes of a layer in one read of both inputs' units.
pub(super) fn changes(first: &[f32], second: &[f32], threshold: f32, right: f32) -> Changes {
    let parts = first.par_chunks(PART).zip(second.par_chunks(PART));
    let count = |(first, second): (&[f32], &[f32])| {
        let [signs, values, both, right] = changes_of_part(first, second, threshold, right).map(u64::from);
        Changes { signs, values, both, right }
    };
    let add = |left: Changes, other: Changes| Changes {
        signs: left.signs + other.signs,
        values: left.values + other.values,
        both: left.both + other.both,
        right: left.right + other.right,
    };
    if first.len() < PARALLEL_FROM {
        first.chunks(PART).zip(second.chunks(PART)).map(count).fold(Changes::default(), add)
    } else {
        parts.map(count).reduce(Changes::default, add)
    }
}

/// Folds each row's parts in order.
fn over_parts<T: Send>(
    units: &[f32],
    width: usize,
    start: impl Fn() -> T + Sync,
    of_part: impl Fn(usize, &[f32], &mut T) + Sync,
    add: impl Fn(&mut T, T),
) -> Vec<T> {
    if width == 0 {
        return Vec::new();
    }
    let (rows, parts) = (units.len() / width, width.div_ceil(PART));
    let one = |index: usize| {
        let (row, part) = (index / parts, index % parts);
        let units = &units[row * width..(row + 1) * width];
        let mut result = start();
        of_part(row, &units[part * PART..width.min((part + 1) * PART)], &mut result);
        result
    };
    let all: Vec<T> = if units.len() < PARALLEL_FROM {
        (0..rows * parts).map(one).collect()
    } else {
        (0..rows * parts).into_par_iter().map(one).collect()
    };
    let mut all = all.into_iter();
    let row = |_| {
        let mut total = start();
        all.by_ref().take(parts).for_each(|part| add(&mut total, part));
        total
    };
    (0..rows).map(row).collect()
}

vectorised! {
    /// The sum in f64 over fixed lanes.
    fn sum(part: &[f32]) -> f64 {
        let mut lanes = [0.0f64; LANES];
        let (strides, rest) = part.as_chunks::<LANES>();
        for stride in strides {
            for (lane, value) in lanes.iter_mut().zip(stride) {
                *lane += f64::from(*value);
            }
        }
        for (lane, value) in lanes.iter_mut().zip(rest) {
            *lane += f64::from(*value);
        }
        lanes.iter().sum()
    }
}

vectorised! {
    /// How many units are above a bound. A part has few enough for 32 bits; sums wrap here and below, as checks of what cannot overflow would keep
    /// the compiler from vectors.
    pub(super) fn above(part: &[f32], bound: f32) -> u32 {
        part.iter().fold(0u32, |count, value| count.wrapping_add(u32::from(*value > bound)))
    }
}

vectorised! {
    /// How many units are below `low` or above `high`.
    pub(super) fn outside(part: &[f32], low: f32, high: f32) -> u32 {
        part.iter().fold(0u32, |count, value| count.wrapping_add(u32::from((*value < low) | (*value > high))))
    }
}

/// Units looked at together: their flags stay in the first cache for all intervals.
pub(super) const FLAGS: usize = 1024;

vectorised! {
    /// How many units lie in the closed interval; sets their flags.
    pub(super) fn within(part: &[f32], low: f32, high: f32, flags: &mut [u8; FLAGS]) -> u32 {
        let mut count = 0u32;
        for (flag, value) in flags.iter_mut().zip(part) {
            let inside = (*value >= low) & (*value <= high);
            *flag |= u8::from(inside);
            count = count.wrapping_add(u32::from(inside));
        }
        count
    }
}

vectorised! {
    /// How many flags are set.
    pub(super) fn set(flags: &[u8; FLAGS]) -> u32 {
        flags.iter().fold(0u32, |count, flag| count.wrapping_add(u32::from(*flag)))
    }
}

vectorised! {
    /// Signs, values, both, and values of the right side without a change of sign.
    fn changes_of_part(first: &[f32], second: &[f32], threshold: f32, right: f32) -> [u32; 4] {
        let (mut signs, mut values, mut both, mut rights) = (0u32, 0u32, 0u32, 0u32);
        for (first, second) in first.iter().zip(second) {
            // Both in f32: a product too small for it is 0, and 0 counts as a change.
            let sign = u32::from(first * second <= 0.0);
            let difference = (first - second).abs();
            let value = u32::from(difference > threshold);
            signs = signs.wrapping_add(sign);
            values = values.wrapping_add(value);
            both = both.wrapping_add(sign & value);
            rights = rights.wrapping_add(u32::from(difference > right) & (sign ^ 1));
        }
        [signs, values, both, rights]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bounds_in_f32_decide_as_in_f64(
            bound in prop_oneof![any::<f64>(), -2f64..2.0, Just(0.1), Just(0.0), any::<f32>().prop_map(f64::from)],
            value in any::<f32>(),
        ) {
            prop_assume!(bound.is_finite() && value.is_finite());
            let near = [not_above(bound), not_below(bound)];
            let values = near.into_iter().flat_map(|near| [near, near.next_up(), near.next_down()]).chain([value]);
            for value in values.filter(|value| value.is_finite()) {
                prop_assert_eq!(value > not_above(bound), f64::from(value) > bound);
                prop_assert_eq!(value < not_below(bound), f64::from(value) < bound);
                prop_assert_eq!(value >= not_below(bound), f64::from(value) >= bound);
                prop_assert_eq!(value <= not_above(bound), f64::from(value) <= bound);
            }
        }
    }

    #[test]
    fn rows_of_several_parts_are_whole() {
        let width = 3 * PART + 17;
        let units: Vec<f32> = (0..2 * width).map(|index| (index % 1000) as f32).collect();
        let count = |_: usize, part: &[f32], sums: &mut [u64]| sums[0] += u64::from(above(part, 499.0));
        let expected: Vec<u64> =
            units.chunks(width).map(|row| row.iter().filter(|value| **value > 499.0).count() as u64).collect();
        assert_eq!(counts(&units, width, 1, count), expected);
        for (mean, row) in means(&units, width).into_iter().zip(units.chunks(width)) {
            // Whole numbers are added exactly.
            assert_eq!(mean, Some(row.iter().map(|value| f64::from(*value)).sum::<f64>() / width as f64));
        }
        assert_eq!(changes(&units[..width], &units[..width], 0.0, 0.0).values, 0);
        assert_eq!(changes(&units[..width], &units[width..], 0.5, 0.5).values, width as u64);
    }

    #[test]
    fn what_is_left_out_enters_no_mean() {
        assert_eq!(means(&[1.0, f32::NAN, 3.0, f32::NAN, f32::NAN, f32::NAN], 3), [Some(2.0), None]);
        assert_eq!(means(&[], 0), []);
    }
}
