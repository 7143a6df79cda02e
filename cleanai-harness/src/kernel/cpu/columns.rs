//! Ranges of the columns of units, and of one input's part of them.

use super::runs::{Found, LANES, Lanes};
use crate::criteria::Origins;
#[cfg(target_arch = "x86_64")]
use crate::vectorise::{Level, level};
use crate::vectorise::{prefetch, vectorised};

/// Some columns of a layer: what all inputs have there.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a> {
    /// The whole layer, one row for each input.
    pub raw: &'a [f32],
    /// How many units a row has.
    pub units: usize,
    /// The first of the columns.
    pub start: usize,
}

impl<'a> Columns<'a> {
    /// What an input has from a column on.
    #[inline(always)]
    fn row(self, input: usize, column: usize) -> &'a [f32] {
        &self.raw[input * self.units + self.start + column..]
    }
}

/// One end of the values of every column, to be filled.
pub(super) struct End<'a> {
    pub values: &'a mut [f32],
    /// The first input that has it; 0 where none has a value.
    pub inputs: &'a mut [u32],
    /// The end of the inputs before that one; infinity, with the sign that is beyond nothing, where they have none.
    pub before: &'a mut [f32],
}

impl<'a> End<'a> {
    pub fn new(values: &'a mut [f32], origins: &'a mut Origins) -> Self {
        Self { values, inputs: &mut origins.inputs, before: &mut origins.before }
    }

    /// The same in parts of so many columns.
    pub fn parts(self, columns: usize) -> impl Iterator<Item = Self> {
        let origins = self.inputs.chunks_mut(columns).zip(self.before.chunks_mut(columns));
        let parts = self.values.chunks_mut(columns).zip(origins);
        parts.map(|(values, (inputs, before))| Self { values, inputs, before })
    }
}

/// Finds both ends of some columns, NaN passed over, and takes them into the ranges of the inputs; whether everything is finite.
pub(super) fn extremes_of<'a>(
    columns: Columns<'_>,
    inputs: &mut [Lanes],
    low: &mut End<'a>,
    high: &mut End<'a>,
) -> bool {
    let whole = low.values.len() / LANES * LANES;
    let finite = whole_tiles(columns, inputs, low, high);
    finite & rest_of(columns, whole, inputs, low, high)
}

fn whole_tiles(columns: Columns<'_>, inputs: &mut [Lanes], low: &mut End<'_>, high: &mut End<'_>) -> bool {
    #[cfg(target_arch = "x86_64")]
    if level() == Level::Avx512 {
        // SAFETY: the processor has these instructions, `level` has looked.
        return unsafe { avx512::whole_tiles(columns, inputs, low, high) };
    }
    whole_tiles_anywhere(columns, inputs, low, high)
}

vectorised! {
    /// As many columns as vectors hold, all inputs of some before the next: what is known of them stays at hand.
    fn whole_tiles_anywhere(columns: Columns<'_>, inputs: &mut [Lanes], low: &mut End<'_>, high: &mut End<'_>) -> bool {
        let mut magnitudes = [0; LANES];
        for at in (0..low.values.len() / LANES * LANES).step_by(LANES) {
            let (mut lowest, mut highest) = (Tile::of(f32::INFINITY), Tile::of(f32::NEG_INFINITY));
            for (input, seen) in inputs.iter_mut().enumerate() {
                let Some(values) = columns.row(input, at).first_chunk::<LANES>() else { continue };
                prefetch(values.as_ptr().wrapping_add(AHEAD));
                lowest.take(values, input as u32, |value, end| value < end);
                highest.take(values, input as u32, |value, end| value > end);
                seen.take(values);
                for (magnitude, value) in magnitudes.iter_mut().zip(values) {
                    *magnitude = larger(*magnitude, *value);
                }
            }
            lowest.put(low, at);
            highest.put(high, at);
        }
        are_finite(&magnitudes)
    }
}

/// So many columns further on memory is asked for.
const AHEAD: usize = 128;

/// One end of as many columns as vectors hold.
struct Tile {
    values: [f32; LANES],
    inputs: [u32; LANES],
    before: [f32; LANES],
}

impl Tile {
    #[inline(always)]
    fn of(nothing: f32) -> Self {
        Self { values: [nothing; LANES], inputs: [0; LANES], before: [nothing; LANES] }
    }

    #[inline(always)]
    fn take(&mut self, values: &[f32; LANES], input: u32, beyond: impl Fn(f32, f32) -> bool) {
        // Copied, so that the compiler need not fear that one lies where another is written.
        let (values, ends, inputs, before) = (*values, self.values, self.inputs, self.before);
        let mut chosen = [0; LANES];
        for lane in 0..LANES {
            chosen[lane] = if beyond(values[lane], ends[lane]) { u32::MAX } else { 0 };
        }
        for lane in 0..LANES {
            self.values[lane] = f32::from_bits(choose(chosen[lane], values[lane].to_bits(), ends[lane].to_bits()));
            self.inputs[lane] = choose(chosen[lane], input, inputs[lane]);
            self.before[lane] = f32::from_bits(choose(chosen[lane], ends[lane].to_bits(), before[lane].to_bits()));
        }
    }

    #[inline(always)]
    fn put(&self, end: &mut End<'_>, at: usize) {
        let of_tile = at..at + LANES;
        end.values[of_tile.clone()].copy_from_slice(&self.values);
        end.inputs[of_tile.clone()].copy_from_slice(&self.inputs);
        end.before[of_tile].copy_from_slice(&self.before);
    }
}

/// The bits of one or the other.
#[inline(always)]
fn choose(chosen: u32, one: u32, other: u32) -> u32 {
    one & chosen | other & !chosen
}

/// The columns from `first` on, fewer than vectors hold.
fn rest_of<'a>(
    columns: Columns<'_>,
    first: usize,
    inputs: &mut [Lanes],
    low: &mut End<'a>,
    high: &mut End<'a>,
) -> bool {
    let mut finite = true;
    for column in first..low.values.len() {
        for (end, nothing) in [(&mut *low, f32::INFINITY), (&mut *high, f32::NEG_INFINITY)] {
            (end.values[column], end.inputs[column], end.before[column]) = (nothing, 0, nothing);
        }
        for (input, seen) in inputs.iter_mut().enumerate() {
            let value = columns.row(input, column)[0];
            for (further, end) in [(value < low.values[column], &mut *low), (value > high.values[column], &mut *high)] {
                if further {
                    end.before[column] = std::mem::replace(&mut end.values[column], value);
                    end.inputs[column] = input as u32;
                }
            }
            seen.widen(&[value]);
            finite &= value.is_finite();
        }
    }
    finite
}

/// The range of a part of an input's row, NaN passed over, and whether all of it is finite.
pub(super) fn range_of(row: &[f32]) -> (Found, bool) {
    let (rows, rest) = row.as_chunks();
    let (mut lanes, mut finite) = range_of_whole(rows);
    finite &= rest.iter().all(|value| value.is_finite());
    lanes.widen(rest);
    (lanes.range(), finite)
}

fn range_of_whole(rows: &[[f32; LANES]]) -> (Lanes, bool) {
    #[cfg(target_arch = "x86_64")]
    if level() == Level::Avx512 {
        // SAFETY: the processor has these instructions, `level` has looked.
        return unsafe { avx512::range_of_whole(rows) };
    }
    range_of_whole_anywhere(rows)
}

vectorised! {
    fn range_of_whole_anywhere(rows: &[[f32; LANES]]) -> (Lanes, bool) {
        let (mut low, mut high) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
        let mut magnitudes = [0; LANES];
        for values in rows {
            for (lane, value) in values.iter().copied().enumerate() {
                low[lane] = if value < low[lane] { value } else { low[lane] };
                high[lane] = if value > high[lane] { value } else { high[lane] };
                magnitudes[lane] = larger(magnitudes[lane], value);
            }
        }
        (Lanes { low, high }, are_finite(&magnitudes))
    }
}

/// The larger magnitude, as bits: those of infinity and NaN lie above all others.
#[inline(always)]
fn larger(magnitude: u32, value: f32) -> u32 {
    magnitude.max(value.to_bits() & (u32::MAX >> 1))
}

#[inline(always)]
fn are_finite(magnitudes: &[u32; LANES]) -> bool {
    magnitudes.iter().fold(true, |finite, magnitude| finite & (*magnitude < f32::INFINITY.to_bits()))
}

/// The same with vectors of 64 bytes called by name: what the compiler makes of the plain loops compares addresses for every vector.
#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::{
        __m512, __m512i, _CMP_GT_OQ, _CMP_LE_OQ, _CMP_LT_OQ, _mm512_abs_ps, _mm512_cmp_ps_mask,
        _mm512_mask_cmp_ps_mask, _mm512_mask_mov_epi32, _mm512_mask_mov_ps, _mm512_max_ps, _mm512_min_ps,
        _mm512_set1_epi32, _mm512_set1_ps,
    };

    use super::{AHEAD, Columns, End, LANES, Lanes};
    use crate::vectorise::{array, prefetch, vector, whole_numbers};

    /// Ranges so far, and which lanes have seen finite values alone.
    struct Seen {
        low: __m512,
        high: __m512,
        finite: u16,
    }

    impl Seen {
        #[inline]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
        fn nothing() -> Self {
            let (low, high) = (_mm512_set1_ps(f32::INFINITY), _mm512_set1_ps(f32::NEG_INFINITY));
            Self { low, high, finite: u16::MAX }
        }

        #[inline]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
        fn take(&mut self, values: __m512) {
            // Where one of two is NaN they give the second.
            self.low = _mm512_min_ps(values, self.low);
            self.high = _mm512_max_ps(values, self.high);
            let largest = _mm512_set1_ps(f32::MAX);
            self.finite = _mm512_mask_cmp_ps_mask::<_CMP_LE_OQ>(self.finite, _mm512_abs_ps(values), largest);
        }

        #[inline]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
        fn found(&self) -> (Lanes, bool) {
            (Lanes { low: array(self.low), high: array(self.high) }, self.finite == u16::MAX)
        }
    }

    /// One end of some vectors of columns.
    struct Tile<const VECTORS: usize> {
        values: [__m512; VECTORS],
        inputs: [__m512i; VECTORS],
        before: [__m512; VECTORS],
    }

    impl<const VECTORS: usize> Tile<VECTORS> {
        #[inline]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
        fn of(nothing: f32) -> Self {
            let nothing = [_mm512_set1_ps(nothing); VECTORS];
            Self { values: nothing, inputs: [_mm512_set1_epi32(0); VECTORS], before: nothing }
        }

        /// Takes in values of an input where they lie beyond what there is.
        #[inline]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
        fn take(&mut self, at: usize, beyond: u16, values: __m512, input: __m512i) {
            self.before[at] = _mm512_mask_mov_ps(self.before[at], beyond, self.values[at]);
            self.inputs[at] = _mm512_mask_mov_epi32(self.inputs[at], beyond, input);
            self.values[at] = _mm512_mask_mov_ps(self.values[at], beyond, values);
        }

        #[inline]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
        fn put(self, end: &mut End<'_>, first: usize) {
            for at in 0..VECTORS {
                let place = first + at * LANES..first + (at + 1) * LANES;
                end.values[place.clone()].copy_from_slice(&array(self.values[at]));
                end.inputs[place.clone()].copy_from_slice(&whole_numbers(self.inputs[at]));
                end.before[place].copy_from_slice(&array(self.before[at]));
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
    pub(super) fn whole_tiles(
        columns: Columns<'_>,
        inputs: &mut [Lanes],
        low: &mut End<'_>,
        high: &mut End<'_>,
    ) -> bool {
        // What is known of four vectors of columns takes 24 of the 32 registers.
        const MANY: usize = 4;
        let count = low.values.len();
        let (mut at, mut finite) = (0, true);
        while count - at >= MANY * LANES {
            finite &= tile::<MANY>(columns, at, inputs, low, high);
            at += MANY * LANES;
        }
        while count - at >= LANES {
            finite &= tile::<1>(columns, at, inputs, low, high);
            at += LANES;
        }
        finite
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
    fn tile<const VECTORS: usize>(
        columns: Columns<'_>,
        first: usize,
        inputs: &mut [Lanes],
        low: &mut End<'_>,
        high: &mut End<'_>,
    ) -> bool {
        let (mut lowest, mut highest) = (Tile::<VECTORS>::of(f32::INFINITY), Tile::<VECTORS>::of(f32::NEG_INFINITY));
        let mut finite = u16::MAX;
        let largest = _mm512_set1_ps(f32::MAX);
        for (input, seen) in inputs.iter_mut().enumerate() {
            let Some(row) = columns.row(input, first).as_chunks::<LANES>().0.first_chunk::<VECTORS>() else { continue };
            let (mut row_low, mut row_high) = (vector(&seen.low), vector(&seen.high));
            let input = _mm512_set1_epi32(input as i32);
            for (at, values) in row.iter().enumerate() {
                prefetch(values.as_ptr().wrapping_add(AHEAD));
                let values = vector(values);
                lowest.take(at, _mm512_cmp_ps_mask::<_CMP_LT_OQ>(values, lowest.values[at]), values, input);
                highest.take(at, _mm512_cmp_ps_mask::<_CMP_GT_OQ>(values, highest.values[at]), values, input);
                // Where one of two is NaN they give the second.
                row_low = _mm512_min_ps(values, row_low);
                row_high = _mm512_max_ps(values, row_high);
                finite = _mm512_mask_cmp_ps_mask::<_CMP_LE_OQ>(finite, _mm512_abs_ps(values), largest);
            }
            (seen.low, seen.high) = (array(row_low), array(row_high));
        }
        lowest.put(low, first);
        highest.put(high, first);
        finite == u16::MAX
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
    pub(super) fn range_of_whole(rows: &[[f32; LANES]]) -> (Lanes, bool) {
        let mut seen = Seen::nothing();
        for values in rows {
            seen.take(vector(values));
        }
        seen.found()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bits(lanes: &Lanes) -> [u32; 2 * LANES] {
        std::array::from_fn(|at| if at < LANES { lanes.low[at] } else { lanes.high[at - LANES] }.to_bits())
    }

    /// The ends of `width` columns and all that is known of them, in bits; what was there before is written over.
    fn ends(width: usize, find: impl for<'a> FnOnce(&mut End<'a>, &mut End<'a>)) -> [Vec<u32>; 6] {
        let numbers = || (vec![7.0f32; width], vec![7u32; width], vec![7.0f32; width]);
        let ((mut low, mut low_inputs, mut low_before), (mut high, mut high_inputs, mut high_before)) =
            (numbers(), numbers());
        find(
            &mut End { values: &mut low, inputs: &mut low_inputs, before: &mut low_before },
            &mut End { values: &mut high, inputs: &mut high_inputs, before: &mut high_before },
        );
        let [low, low_before, high, high_before] =
            [low, low_before, high, high_before].map(|values| values.into_iter().map(f32::to_bits).collect());
        [low, low_inputs, low_before, high, high_inputs, high_before]
    }

    /// The same by the definition.
    fn plain(raw: &[f32], units: usize, columns: std::ops::Range<usize>) -> [Vec<u32>; 6] {
        let mut found = [const { Vec::new() }; 6];
        for column in columns {
            let values = || raw.iter().skip(column).step_by(units).copied();
            for (at, nothing, beyond) in [
                (0, f32::INFINITY, (|value, end| value < end) as fn(f32, f32) -> bool),
                (3, f32::NEG_INFINITY, |value, end| value > end),
            ] {
                let end_of = |values: &mut dyn Iterator<Item = f32>| {
                    values.fold(nothing, |end, value| if beyond(value, end) { value } else { end })
                };
                let end = end_of(&mut values());
                let input = if beyond(end, nothing) { values().position(|value| value == end) } else { None };
                let input = input.unwrap_or(0);
                found[at].push(end.to_bits());
                found[at + 1].push(input as u32);
                found[at + 2].push(end_of(&mut values().take(input)).to_bits());
            }
        }
        found
    }

    fn value() -> impl Strategy<Value = f32> {
        prop_oneof![8 => -3f32..3.0, 3 => (-2i8..3).prop_map(f32::from), 1 => any::<f32>(), 1 => Just(0.0), 1 => Just(-0.0)]
    }

    proptest! {
        #[test]
        fn ends_and_who_gave_them_are_as_defined(
            // Several tiles, a single vector and fewer columns than that; columns of others on both sides.
            (inputs, before, width, after, raw) in (0usize..7, 0usize..3, 0usize..150, 0usize..3).prop_flat_map(|(inputs, before, width, after)| {
                let raw = proptest::collection::vec(value(), inputs * (before + width + after));
                (Just(inputs), Just(before), Just(width), Just(after), raw)
            }),
        ) {
            let columns = Columns { raw: &raw, units: before + width + after, start: before };
            let expected = plain(&raw, columns.units.max(1), before..before + width);
            let whole = width / LANES * LANES;
            let seen_by = |find: &dyn for<'a> Fn(&mut [Lanes], &mut End<'a>, &mut End<'a>) -> bool| {
                let mut seen: Vec<Lanes> = (0..inputs).map(|_| Lanes::new()).collect();
                let mut finite = false;
                let ends = ends(width, |low, high| finite = find(&mut seen, low, high));
                (ends, seen, finite)
            };
            let (found, seen, finite) = seen_by(&|seen, low, high| extremes_of(columns, seen, low, high));
            let (anywhere, seen_anywhere, finite_anywhere) = seen_by(&|seen, low, high| {
                whole_tiles_anywhere(columns, seen, low, high) & rest_of(columns, whole, seen, low, high)
            });
            prop_assert_eq!(&found, &expected);
            prop_assert_eq!(&anywhere, &expected);
            let rows = || (0..inputs).map(|input| &raw[input * columns.units + before..][..width]);
            prop_assert_eq!(finite, rows().flatten().all(|value| value.is_finite()));
            prop_assert_eq!(finite_anywhere, finite);
            for ((row, seen), seen_anywhere) in rows().zip(&seen).zip(&seen_anywhere) {
                prop_assert_eq!(bits(seen), bits(seen_anywhere));
                let mut lanes = Lanes::new();
                lanes.widen(row);
                let (own, expected) = (seen.range(), lanes.range());
                prop_assert_eq!((own.low, own.high), (expected.low, expected.high));
            }
        }

        #[test]
        fn every_processor_finds_the_same_range(
            rows in proptest::collection::vec(proptest::array::uniform16(value()), 0..5),
        ) {
            let (lanes, finite) = range_of_whole(&rows);
            let (plain, plain_finite) = range_of_whole_anywhere(&rows);
            prop_assert_eq!((bits(&lanes), finite), (bits(&plain), plain_finite));
            prop_assert_eq!(finite, rows.iter().flatten().all(|value| value.is_finite()));
        }
    }
}
