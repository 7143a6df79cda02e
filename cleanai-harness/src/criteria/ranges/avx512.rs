//! The section of every value of f32, with vectors of 64 bytes called by name: whether the compiler finds them in the plain loop depends on
//! what surrounds it. Results are the same to the last bit.

use std::arch::x86_64::{
    __m512, __m512i, _CMP_GE_OQ, _CMP_GT_OQ, _CMP_LE_OQ, _CMP_LT_OQ, _CMP_NGE_UQ, _mm512_abs_ps, _mm512_add_epi32,
    _mm512_and_si512, _mm512_cmp_ps_mask, _mm512_cvttps_epi32, _mm512_mask_cmp_ps_mask, _mm512_mask_mov_epi32,
    _mm512_maskz_add_epi32, _mm512_maskz_sllv_epi32, _mm512_max_ps, _mm512_min_ps, _mm512_mul_ps, _mm512_mullo_epi32,
    _mm512_reduce_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setr_epi32, _mm512_srli_epi32, _mm512_sub_ps,
};

use super::{BLOCK, DOUBTFUL, GROUP, Lane, Lanes, NONE, Part};
use crate::vectorise::{vector, whole_numbers};

/// Values of a vector.
const WIDTH: usize = GROUP;

/// Vectors of a block.
const VECTORS: usize = BLOCK / WIDTH;

/// The numbers that finding sections takes.
struct Sections {
    half: __m512,
    last_half: __m512,
    tolerance: __m512,
}

/// Where the values of a vector lie.
struct Found {
    /// The section; of those inside alone, and not of doubtful ones.
    section: __m512i,
    inside: u16,
    doubtful: u16,
    below: u16,
    above: u16,
}

impl Sections {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
    fn of(count: usize) -> Self {
        Self {
            half: _mm512_set1_ps(0.5),
            last_half: _mm512_set1_ps(count as f32 - 0.5),
            tolerance: _mm512_set1_ps((count as f64 * f32::TOLERANCE) as f32),
        }
    }

    /// [`super::find`] for the neurons of a vector. Past the middle of the first section and of the last there is no edge between sections: what lies
    /// there is taken to the middle.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
    fn find(&self, value: __m512, low: __m512, high: __m512, scale: __m512) -> Found {
        // To the nearest whole number, exceptions left alone.
        const NEAREST: i32 = 8;
        let at = _mm512_mul_ps(_mm512_sub_ps(value, low), scale);
        // Where one of two is NaN they give the second.
        let at = _mm512_min_ps(self.last_half, _mm512_max_ps(self.half, at));
        let from_edge = _mm512_abs_ps(_mm512_reduce_ps::<NEAREST>(at));
        let inside = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(value, low);
        let inside = _mm512_mask_cmp_ps_mask::<_CMP_LE_OQ>(inside, value, high);
        Found {
            section: _mm512_cvttps_epi32(at),
            inside,
            doubtful: _mm512_mask_cmp_ps_mask::<_CMP_NGE_UQ>(inside, from_edge, self.tolerance),
            below: _mm512_cmp_ps_mask::<_CMP_LT_OQ>(value, low),
            above: _mm512_cmp_ps_mask::<_CMP_GT_OQ>(value, high),
        }
    }
}

/// What [`super::find`] does.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
pub(super) fn find(
    groups: &[[f32; GROUP]],
    first: usize,
    lanes: &Lanes<f32>,
    count: usize,
    sections: &mut [u32; BLOCK],
) -> u32 {
    let all = Sections::of(count);
    let (none, doubt) = (_mm512_set1_epi32(NONE as i32), _mm512_set1_epi32(DOUBTFUL as i32));
    let (mut below, mut above, mut doubts) = (0, 0, 0);
    for (at, values) in groups.iter().enumerate() {
        let (low, high, scale) = lanes.group(first + at);
        let found = all.find(vector(values), vector(low), vector(high), vector(scale));
        let section = _mm512_mask_mov_epi32(none, found.inside, found.section);
        sections.as_chunks_mut::<WIDTH>().0[first + at] =
            whole_numbers(_mm512_mask_mov_epi32(section, found.doubtful, doubt));
        below += found.below.count_ones();
        above += found.above.count_ones();
        doubts += found.doubtful.count_ones();
    }
    below | above << 10 | doubts << 20
}

/// What [`super::set_block`] does.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
pub(super) fn set_block(part: &Part<'_, f32>, lanes: &Lanes<f32>, words: &mut [u64]) -> (u64, u64) {
    let all = Sections::of(part.ranges.sections);
    let of_neuron = 2 * part.ranges.sections.div_ceil(64);
    // Where the bits of each neuron begin, in halves of words.
    let lanes_of = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let of_lanes = _mm512_mullo_epi32(lanes_of, _mm512_set1_epi32(of_neuron as i32));
    let mut first = [of_lanes; VECTORS];
    for (at, first) in first.iter_mut().enumerate() {
        *first = _mm512_add_epi32(of_lanes, _mm512_set1_epi32((at * WIDTH * of_neuron) as i32));
    }
    let mut ahead = part.ahead(words);
    // SAFETY: words are whole numbers of halves, aligned for them, and any bits are both. This processor has the lower half first.
    let halves = unsafe { words.align_to_mut::<u32>().1 };
    let (one, of_half) = (_mm512_set1_epi32(1), _mm512_set1_epi32(31));
    let (mut places, mut bits) = ([[0; WIDTH]; VECTORS], [[0; WIDTH]; VECTORS]);
    let mut outside = (0, 0);
    for row in part.rows() {
        ahead.row(row);
        let padded;
        let whole = match row.first_chunk() {
            Some(whole) => whole,
            None => {
                padded = padded_with_nan(row);
                &padded
            }
        };
        let mut doubts = 0u64;
        for (at, values) in whole.as_chunks::<WIDTH>().0.iter().enumerate() {
            let (low, high, scale) = lanes.group(at);
            let found = all.find(vector(values), vector(low), vector(high), vector(scale));
            let certain = found.inside & !found.doubtful;
            // A value in no section gives no bit, in whichever half.
            let half = _mm512_srli_epi32::<5>(found.section);
            places[at] = whole_numbers(_mm512_maskz_add_epi32(certain, first[at], half));
            let bit = _mm512_and_si512(found.section, of_half);
            bits[at] = whole_numbers(_mm512_maskz_sllv_epi32(certain, one, bit));
            outside.0 += u64::from(found.below.count_ones());
            outside.1 += u64::from(found.above.count_ones());
            doubts |= u64::from(found.doubtful) << (at * WIDTH);
        }
        for (places, bits) in places.iter().zip(&bits) {
            // So many that the compiler writes them one by one.
            places.iter().zip(bits).for_each(|(place, bit)| halves[*place as usize] |= bit);
        }
        while doubts != 0 {
            let column = doubts.trailing_zeros() as usize;
            doubts &= doubts - 1;
            let section = part.decide(lanes, row, column, &mut outside);
            if section != NONE {
                halves[column * of_neuron + section as usize / 32] |= 1 << (section % 32);
            }
        }
    }
    outside
}

/// The last neurons of a layer with values that are in no section.
#[cold]
fn padded_with_nan(row: &[f32]) -> [f32; BLOCK] {
    let mut padded = [f32::NAN; BLOCK];
    padded[..row.len()].copy_from_slice(row);
    padded
}
