//! The section of every value of f32, with vectors of 64 bytes called by name: whether the compiler finds them in the plain loop depends on
//! what surrounds it. Results are the same to the last bit.

use std::arch::x86_64::{
    _CMP_GE_OQ, _CMP_GT_OQ, _CMP_LE_OQ, _CMP_LT_OQ, _CMP_NGE_UQ, _CMP_NLE_UQ, _mm512_abs_ps, _mm512_add_ps,
    _mm512_and_si512, _mm512_castps_si512, _mm512_cmp_ps_mask, _mm512_loadu_ps, _mm512_mask_mov_epi32,
    _mm512_min_epu32, _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_storeu_si512, _mm512_sub_ps,
};

use super::{BLOCK, DOUBTFUL, Lane, Lanes, NONE};

/// Values of a vector.
const WIDTH: usize = 16;

/// What [`super::find`] does.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) fn find(row: &[f32; BLOCK], lanes: &Lanes<f32>, count: usize, sections: &mut [u32; BLOCK]) -> u32 {
    let last = count as u32 - 1;
    let last_edge = _mm512_set1_ps(last as f32);
    let reach = _mm512_set1_ps((0.5 - count as f64 * f32::TOLERANCE) as f32);
    let (half, zero, round) = (_mm512_set1_ps(0.5), _mm512_set1_ps(0.0), _mm512_set1_ps(f32::ROUND));
    let (last, low_bits) = (_mm512_set1_epi32(last as i32), _mm512_set1_epi32(0x3f_ffff));
    let (none, doubt) = (_mm512_set1_epi32(NONE as i32), _mm512_set1_epi32(DOUBTFUL as i32));
    let (mut below, mut above, mut doubts) = (0u64, 0u64, 0u64);
    for at in (0..BLOCK).step_by(WIDTH) {
        // SAFETY: every array has `BLOCK` values, a multiple of those of a vector.
        let (value, low, high, scale) = unsafe {
            (
                _mm512_loadu_ps(row.as_ptr().add(at)),
                _mm512_loadu_ps(lanes.low.as_ptr().add(at)),
                _mm512_loadu_ps(lanes.high.as_ptr().add(at)),
                _mm512_loadu_ps(lanes.scale.as_ptr().add(at)),
            )
        };
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
        // SAFETY: as above.
        unsafe { _mm512_storeu_si512(sections.as_mut_ptr().add(at).cast(), found) };
        below |= u64::from(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(value, low)) << at;
        above |= u64::from(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(value, high)) << at;
        doubts |= u64::from(doubtful) << at;
    }
    if below | above | doubts == 0 {
        return 0;
    }
    below.count_ones() | above.count_ones() << 10 | doubts.count_ones() << 20
}
