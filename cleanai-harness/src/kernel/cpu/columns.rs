//! Ranges of the columns of units, and of one input's part of them.

use super::runs::{Found, LANES, Lanes};
#[cfg(target_arch = "x86_64")]
use crate::vectorise::{Level, level};
use crate::vectorise::{prefetch, vectorised};

/// Takes a part of an input's row into the extremes of its columns; gives its range and whether all of it is finite. NaN is passed over.
/// Meanwhile `next` comes from memory: the processor does not guess that other rows follow.
pub(super) fn extremes_of(row: &[f32], next: *const f32, low: &mut [f32], high: &mut [f32]) -> (Found, bool) {
    let (rows, rest) = row.as_chunks();
    let (lows, low_rest) = low.as_chunks_mut();
    let (highs, high_rest) = high.as_chunks_mut();
    let (mut lanes, mut finite) = whole(rows, next, lows, highs);
    for ((&value, low), high) in rest.iter().zip(low_rest).zip(high_rest) {
        *low = if value < *low { value } else { *low };
        *high = if value > *high { value } else { *high };
        finite &= value.is_finite();
    }
    lanes.widen(rest);
    (lanes.range(), finite)
}

/// The range of a part of an input's row, NaN passed over, and whether all of it is finite.
pub(super) fn range_of(row: &[f32]) -> (Found, bool) {
    let (rows, rest) = row.as_chunks();
    let (mut lanes, mut finite) = range_of_whole(rows);
    finite &= rest.iter().all(|value| value.is_finite());
    lanes.widen(rest);
    (lanes.range(), finite)
}

fn whole(
    rows: &[[f32; LANES]],
    next: *const f32,
    lows: &mut [[f32; LANES]],
    highs: &mut [[f32; LANES]],
) -> (Lanes, bool) {
    #[cfg(target_arch = "x86_64")]
    if level() == Level::Avx512 {
        // SAFETY: the processor has these instructions, `level` has looked.
        return unsafe { avx512::whole(rows, next, lows, highs) };
    }
    whole_anywhere(rows, next, lows, highs)
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
    /// The same on every processor. What is read is copied first, so that the compiler need not fear that it lies where something is written.
    fn whole_anywhere(rows: &[[f32; LANES]], next: *const f32, lows: &mut [[f32; LANES]], highs: &mut [[f32; LANES]]) -> (Lanes, bool) {
        let (mut all_low, mut all_high) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
        let mut magnitudes = [0; LANES];
        let mut next = next;
        for ((values, low), high) in rows.iter().zip(lows).zip(highs) {
            prefetch(next);
            next = next.wrapping_add(LANES);
            let (values, mut own_low, mut own_high) = (*values, *low, *high);
            for (lane, value) in values.into_iter().enumerate() {
                own_low[lane] = if value < own_low[lane] { value } else { own_low[lane] };
                own_high[lane] = if value > own_high[lane] { value } else { own_high[lane] };
                all_low[lane] = if value < all_low[lane] { value } else { all_low[lane] };
                all_high[lane] = if value > all_high[lane] { value } else { all_high[lane] };
                magnitudes[lane] = larger(magnitudes[lane], value);
            }
            (*low, *high) = (own_low, own_high);
        }
        (Lanes { low: all_low, high: all_high }, are_finite(&magnitudes))
    }
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
        __m512, _CMP_LE_OQ, _mm512_abs_ps, _mm512_mask_cmp_ps_mask, _mm512_max_ps, _mm512_min_ps, _mm512_set1_ps,
    };

    use super::{LANES, Lanes};
    use crate::vectorise::{array, prefetch, vector};

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

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
    pub(super) fn whole(
        rows: &[[f32; LANES]],
        mut next: *const f32,
        lows: &mut [[f32; LANES]],
        highs: &mut [[f32; LANES]],
    ) -> (Lanes, bool) {
        let mut seen = Seen::nothing();
        for ((values, low), high) in rows.iter().zip(lows).zip(highs) {
            prefetch(next);
            next = next.wrapping_add(LANES);
            let values = vector(values);
            *low = array(_mm512_min_ps(values, vector(low)));
            *high = array(_mm512_max_ps(values, vector(high)));
            seen.take(values);
        }
        seen.found()
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

    fn all_bits(rows: &[[f32; LANES]]) -> Vec<u32> {
        rows.iter().flatten().map(|value| value.to_bits()).collect()
    }

    proptest! {
        #[test]
        fn every_processor_finds_the_same(
            rows in proptest::collection::vec(proptest::array::uniform16(prop_oneof![
                8 => -3f32..3.0, 1 => any::<f32>(), 1 => Just(0.0), 1 => Just(-0.0),
            ]), 0..5),
            before in -1f32..1.0,
        ) {
            let ends = || vec![[before; LANES]; rows.len()];
            let (mut low, mut high, mut plain_low, mut plain_high) = (ends(), ends(), ends(), ends());
            let next = rows.as_ptr().cast();
            let (lanes, finite) = whole(&rows, next, &mut low, &mut high);
            let (plain, plain_finite) = whole_anywhere(&rows, next, &mut plain_low, &mut plain_high);
            prop_assert_eq!((bits(&lanes), finite), (bits(&plain), plain_finite));
            prop_assert_eq!((all_bits(&low), all_bits(&high)), (all_bits(&plain_low), all_bits(&plain_high)));
            prop_assert_eq!(finite, rows.iter().flatten().all(|value| value.is_finite()));
            for (alone, alone_finite) in [range_of_whole(&rows), range_of_whole_anywhere(&rows)] {
                prop_assert_eq!((bits(&alone), alone_finite), (bits(&lanes), finite));
            }
        }
    }
}
