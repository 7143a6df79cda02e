//! The section of every value of f32, with vectors of 64 bytes called by name: whether the compiler finds them in the plain loop depends on
//! what surrounds it. Results are the same to the last bit.

use std::arch::x86_64::{
    __m512i, _CMP_GE_OQ, _CMP_GT_OQ, _CMP_LE_OQ, _CMP_LT_OQ, _CMP_NGE_UQ, _CMP_NLE_UQ, _mm512_abs_ps, _mm512_add_ps,
    _mm512_and_si512, _mm512_castps_si512, _mm512_cmp_ps_mask, _mm512_mask_mov_epi32, _mm512_min_epu32, _mm512_mul_ps,
    _mm512_set1_epi32, _mm512_set1_ps, _mm512_sub_ps,
};

use super::{BLOCK, DOUBTFUL, Lane, Lanes, NONE};
use crate::vectorise::vector;

/// Values of a vector.
const WIDTH: usize = 16;

/// What [`super::find`] does.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
pub(super) fn find(row: &[f32; BLOCK], lanes: &Lanes<f32>, count: usize, sections: &mut [u32; BLOCK]) -> u32 {
    let last = count as u32 - 1;
    let last_edge = _mm512_set1_ps(last as f32);
    let reach = _mm512_set1_ps((0.5 - count as f64 * f32::TOLERANCE) as f32);
    let (half, zero, round) = (_mm512_set1_ps(0.5), _mm512_set1_ps(0.0), _mm512_set1_ps(f32::ROUND));
    let (last, low_bits) = (_mm512_set1_epi32(last as i32), _mm512_set1_epi32(0x3f_ffff));
    let (none, doubt) = (_mm512_set1_epi32(NONE as i32), _mm512_set1_epi32(DOUBTFUL as i32));
    let (mut below, mut above, mut doubts) = (0u64, 0u64, 0u64);
    // `BLOCK` is a multiple of the width.
    let columns = row.as_chunks::<WIDTH>().0.iter().zip(sections.as_chunks_mut::<WIDTH>().0);
    let lows = lanes.low.as_chunks::<WIDTH>().0.iter().zip(lanes.high.as_chunks::<WIDTH>().0);
    let ranges = lows.zip(lanes.scale.as_chunks::<WIDTH>().0);
    for ((row, sections), ((low, high), scale)) in columns.zip(ranges) {
        let (value, low, high, scale) = (vector(row), vector(low), vector(high), vector(scale));
        let past = _mm512_sub_ps(_mm512_mul_ps(_mm512_sub_ps(value, low), scale), half);
        let rounded = _mm512_add_ps(past, round);
        let off = _mm512_abs_ps(_mm512_sub_ps(past, _mm512_sub_ps(rounded, round)));
        let inside = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(value, low) & _mm512_cmp_ps_mask::<_CMP_LE_OQ>(value, high);
        let doubtful = inside
            & _mm512_cmp_ps_mask::<_CMP_NLE_UQ>(off, reach)
            & _mm512_cmp_ps_mask::<_CMP_NLE_UQ>(past, zero)
            & _mm512_cmp_ps_mask::<_CMP_NGE_UQ>(past, last_edge);
        let near = _mm512_min_epu32(_mm512_and_si512(_mm512_castps_si512(rounded), low_bits), last);
        let found = _mm512_mask_mov_epi32(_mm512_mask_mov_epi32(none, inside, near), doubtful, doubt);
        // SAFETY: both are 64 bytes of whole numbers.
        *sections = unsafe { std::mem::transmute::<__m512i, [u32; WIDTH]>(found) };
        // The vectors' bits one behind the other: the first ends up lowest.
        below = below >> WIDTH | u64::from(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(value, low)) << (BLOCK - WIDTH);
        above = above >> WIDTH | u64::from(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(value, high)) << (BLOCK - WIDTH);
        doubts = doubts >> WIDTH | u64::from(doubtful) << (BLOCK - WIDTH);
    }
    below.count_ones() | above.count_ones() << 10 | doubts.count_ones() << 20
}
