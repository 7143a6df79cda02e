//! Sums and ranges of runs of values: what the means of channels are made of.

use crate::vectorise::vectorised;
#[cfg(target_arch = "x86_64")]
use crate::vectorise::{Level, level};

/// Partial sums; enough to fill the vector units, and a fixed number so that the order of summation is fixed.
pub(super) const LANES: usize = 16;

/// The sum of each run of `inner` values, NaN where one is not finite, and how many such there are; the range of all that is no NaN.
pub(super) fn sums_of_runs(raw: &[f32], inner: usize, values: &mut [f64]) -> (Found, usize) {
    #[cfg(target_arch = "x86_64")]
    if level() == Level::Avx512 {
        // SAFETY: the processor has these instructions, `level` has looked.
        return unsafe { avx512::sums_of_runs(raw, inner, values) };
    }
    sums_of_runs_anywhere(raw, inner, values)
}

/// A range that may still be empty (low above high).
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub low: f32,
    pub high: f32,
}

pub(super) const NO_RANGE: Found = Found { low: f32::INFINITY, high: f32::NEG_INFINITY };

impl Found {
    pub fn and(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }
}

vectorised! {
    /// The same on every processor.
    pub(super) fn sums_of_runs_anywhere(raw: &[f32], inner: usize, values: &mut [f64]) -> (Found, usize) {
        let mut lanes = Lanes::new();
        if inner == 1 {
            for (value, &raw) in values.iter_mut().zip(raw) {
                *value = f64::from(raw);
            }
            lanes.widen(raw);
        } else {
            for (value, run) in values.iter_mut().zip(raw.chunks_exact(inner)) {
                *value = lanes.sum(run);
            }
        }
        (lanes.range(), drop_non_finite(values))
    }
}

vectorised! {
    /// The same as [`sums_of_runs`] where the channels of one input recur in several blocks.
    pub(super) fn sums_across(raw: &[f32], channels: usize, inner: usize, values: &mut [f64]) -> (Found, usize) {
        let mut lanes = Lanes::new();
        values.fill(0.0);
        for block in raw.chunks_exact(channels * inner) {
            if inner == 1 {
                for (value, &raw) in values.iter_mut().zip(block) {
                    *value += f64::from(raw);
                }
                lanes.widen(block);
            } else {
                for (value, run) in values.iter_mut().zip(block.chunks_exact(inner)) {
                    *value += lanes.sum(run);
                }
            }
        }
        (lanes.range(), drop_non_finite(values))
    }
}

/// Running minima and maxima, side by side so that the compiler can use vectors.
pub(super) struct Lanes {
    pub low: [f32; LANES],
    pub high: [f32; LANES],
}

impl Lanes {
    #[inline(always)]
    pub fn new() -> Self {
        Self { low: [f32::INFINITY; LANES], high: [f32::NEG_INFINITY; LANES] }
    }

    /// The sum over fixed lanes, then over the lanes in pairs.
    #[inline(always)]
    fn sum(&mut self, run: &[f32]) -> f64 {
        let mut sums = [0.0; LANES];
        let (whole, rest) = run.as_chunks::<LANES>();
        for values in whole {
            for (lane, &value) in values.iter().enumerate() {
                sums[lane] += f64::from(value);
                self.low[lane] = if value < self.low[lane] { value } else { self.low[lane] };
                self.high[lane] = if value > self.high[lane] { value } else { self.high[lane] };
            }
        }
        for (lane, &value) in rest.iter().enumerate() {
            sums[lane] += f64::from(value);
            self.low[lane] = if value < self.low[lane] { value } else { self.low[lane] };
            self.high[lane] = if value > self.high[lane] { value } else { self.high[lane] };
        }
        let mut width = LANES / 2;
        while width > 0 {
            for lane in 0..width {
                sums[lane] += sums[lane + width];
            }
            width /= 2;
        }
        sums[0]
    }

    #[inline(always)]
    pub fn widen(&mut self, values: &[f32]) {
        let (whole, rest) = values.as_chunks::<LANES>();
        for values in whole {
            for (lane, &value) in values.iter().enumerate() {
                self.low[lane] = if value < self.low[lane] { value } else { self.low[lane] };
                self.high[lane] = if value > self.high[lane] { value } else { self.high[lane] };
            }
        }
        for (lane, &value) in rest.iter().enumerate() {
            self.low[lane] = if value < self.low[lane] { value } else { self.low[lane] };
            self.high[lane] = if value > self.high[lane] { value } else { self.high[lane] };
        }
    }

    #[inline(always)]
    pub fn range(&self) -> Found {
        let (mut low, mut high) = (self.low, self.high);
        let mut width = LANES / 2;
        while width > 0 {
            for lane in 0..width {
                low[lane] = if low[lane + width] < low[lane] { low[lane + width] } else { low[lane] };
                high[lane] = if high[lane + width] > high[lane] { high[lane + width] } else { high[lane] };
            }
            width /= 2;
        }
        Found { low: low[0], high: high[0] }
    }
}

/// Makes every infinity NaN; returns how many NaN there are. Sums of f32 cannot overflow f64, so what is not finite
/// here came in.
#[inline(always)]
fn drop_non_finite(values: &mut [f64]) -> usize {
    // As good as always there is none, which a look at all of them without a branch finds soonest.
    if values.iter().fold(true, |finite, value| finite & value.is_finite()) {
        return 0;
    }
    let mut count = 0;
    for value in values {
        if !value.is_finite() {
            *value = f64::NAN;
            count += 1;
        }
    }
    count
}

/// The sums once more with vectors of 64 bytes called by name: left alone, the compiler takes them apart. The additions are the same, in the
/// same order.
#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::{
        __m512, __m512d, _mm_add_pd, _mm_cvtsd_f64, _mm_unpackhi_pd, _mm256_add_pd, _mm256_castpd256_pd128,
        _mm256_extractf128_pd, _mm512_add_pd, _mm512_castpd512_pd256, _mm512_castps512_ps256, _mm512_cvtps_pd,
        _mm512_extractf32x8_ps, _mm512_extractf64x4_pd, _mm512_mask_max_ps, _mm512_mask_min_ps, _mm512_mask_storeu_pd,
        _mm512_maskz_loadu_ps, _mm512_reduce_max_ps, _mm512_reduce_min_ps, _mm512_set1_ps, _mm512_setzero_pd,
    };

    use super::{Found, LANES, drop_non_finite};
    use crate::vectorise::vector;

    /// Up to 16 values as f64, 0 where there are fewer, and which of them there are.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
    fn load(values: &[f32]) -> (__m512, u16) {
        // The usual case by itself, as it needs no mask.
        if let Some(values) = values.first_chunk::<LANES>() {
            return (vector(values), u16::MAX);
        }
        let own = (1 << values.len()) - 1;
        // SAFETY: only as many values are read as there are.
        (unsafe { _mm512_maskz_loadu_ps(own, values.as_ptr()) }, own)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
    fn halves(values: __m512) -> (__m512d, __m512d) {
        (_mm512_cvtps_pd(_mm512_castps512_ps256(values)), _mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(values)))
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
    pub(super) fn sums_of_runs(raw: &[f32], inner: usize, values: &mut [f64]) -> (Found, usize) {
        let (mut low, mut high) = (_mm512_set1_ps(f32::INFINITY), _mm512_set1_ps(f32::NEG_INFINITY));
        if inner == 1 {
            for (values, raw) in values.chunks_mut(LANES).zip(raw.chunks(LANES)) {
                let (raw, own) = load(raw);
                let (first, second) = halves(raw);
                assert_eq!(values.len(), own.count_ones() as usize, "a value for each sum");
                // SAFETY: only as many values are written as there are.
                unsafe {
                    _mm512_mask_storeu_pd(values.as_mut_ptr(), own as u8, first);
                    _mm512_mask_storeu_pd(values.as_mut_ptr().wrapping_add(LANES / 2), (own >> 8) as u8, second);
                }
                // Where one of two is NaN they give the second.
                low = _mm512_mask_min_ps(low, own, raw, low);
                high = _mm512_mask_max_ps(high, own, raw, high);
            }
        } else {
            for (value, run) in values.iter_mut().zip(raw.chunks_exact(inner)) {
                let (mut first, mut second) = (_mm512_setzero_pd(), _mm512_setzero_pd());
                for raw in run.chunks(LANES) {
                    let (raw, own) = load(raw);
                    // Lanes without a value add 0 to a sum that began with 0, which changes nothing: it is never -0.
                    let (more_first, more_second) = halves(raw);
                    first = _mm512_add_pd(first, more_first);
                    second = _mm512_add_pd(second, more_second);
                    low = _mm512_mask_min_ps(low, own, raw, low);
                    high = _mm512_mask_max_ps(high, own, raw, high);
                }
                let eight = _mm512_add_pd(first, second);
                let four = _mm256_add_pd(_mm512_castpd512_pd256(eight), _mm512_extractf64x4_pd::<1>(eight));
                let two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd::<1>(four));
                *value = _mm_cvtsd_f64(_mm_add_pd(two, _mm_unpackhi_pd(two, two)));
            }
        }
        (Found { low: _mm512_reduce_min_ps(low), high: _mm512_reduce_max_ps(high) }, drop_non_finite(values))
    }
}
