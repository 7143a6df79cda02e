//! Ranges of a block of neurons, and the sections of their values found side by side.

use std::ops::{Add, Mul, Sub};

use super::super::number::Number;
use super::{BLOCK, Ranges};
use crate::vectorise::vectorised;

/// Neurons of a block whose sections are found together: a layer of a few does not wait for a whole block.
pub(super) const GROUP: usize = 16;

/// With more sections than this, too many values lie too near to an edge to be decided in f32.
pub(super) const SINGLE_UP_TO: usize = 1 << 14;

/// The section that `cover_elsewhere` is told of a value that is in none.
pub(super) const NONE: u32 = u32::MAX;

/// Stands for the section of a value that the lanes cannot tell.
pub(super) const DOUBTFUL: u32 = u32::MAX - 1;

/// What the lanes compute in.
pub(super) trait Lane: Number + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> {
    /// Adding this rounds to a whole number, which the lowest bits then are.
    const ROUND: Self;
    /// A little more than the relative error of a section: three roundings of the quotient, one of what is taken off.
    const TOLERANCE: f64;
    fn of(number: f64) -> Self;
    fn abs(self) -> Self;
    fn is_normal(self) -> bool;
    fn low_bits(self) -> u32;
}

impl Lane for f32 {
    const ROUND: Self = 12_582_912.0; // 1.5 * 2^23
    const TOLERANCE: f64 = 2.5e-7;

    #[inline(always)]
    fn of(number: f64) -> Self {
        number as Self
    }

    #[inline(always)]
    fn abs(self) -> Self {
        f32::abs(self)
    }

    #[inline(always)]
    fn is_normal(self) -> bool {
        f32::abs(self) >= f32::MIN_POSITIVE && f32::abs(self) <= f32::MAX
    }

    #[inline(always)]
    fn low_bits(self) -> u32 {
        self.to_bits() & 0x3f_ffff
    }
}

impl Lane for f64 {
    const ROUND: Self = 6_755_399_441_055_744.0; // 1.5 * 2^52
    const TOLERANCE: f64 = 4e-15;

    #[inline(always)]
    fn of(number: f64) -> Self {
        number
    }

    #[inline(always)]
    fn abs(self) -> Self {
        f64::abs(self)
    }

    #[inline(always)]
    fn is_normal(self) -> bool {
        f64::abs(self) >= f64::MIN_POSITIVE && f64::abs(self) <= f64::MAX
    }

    #[inline(always)]
    fn low_bits(self) -> u32 {
        self.to_bits() as u32
    }
}

/// The ranges of a block of neurons.
#[derive(Debug)]
pub(super) struct Lanes<L> {
    low: [L; BLOCK],
    high: [L; BLOCK],
    /// Sections per unit of value; NaN where the lanes are not to decide.
    scale: [L; BLOCK],
    edges: Edges<L>,
}

impl<L: Lane> Lanes<L> {
    /// Those of the neurons from `start` on.
    pub(super) fn of(ranges: &Ranges, start: usize) -> Self {
        let nothing = [L::of(f64::NAN); BLOCK];
        let edges = Edges::of(ranges.sections);
        let mut lanes = Self { low: nothing, high: nothing, scale: nothing, edges };
        fill_lanes(&mut lanes, ranges, start..ranges.low.len().min(start + BLOCK));
        lanes
    }

    /// Both ends of a neuron's range, where the lanes have them as they are.
    pub(super) fn exact(&self, column: usize) -> Option<(f64, f64)> {
        (!self.scale[column].is_nan()).then(|| (self.low[column].to_f64(), self.high[column].to_f64()))
    }

    /// Ends and scales of a group.
    #[inline(always)]
    pub(super) fn group(&self, at: usize) -> (&[L; GROUP], &[L; GROUP], &[L; GROUP]) {
        (&self.low.as_chunks().0[at], &self.high.as_chunks().0[at], &self.scale.as_chunks().0[at])
    }
}

vectorised! {
    fn fill_lanes<L: Lane>(lanes: &mut Lanes<L>, ranges: &Ranges, columns: std::ops::Range<usize>) {
        let count = ranges.sections as f64;
        let own = lanes.low.iter_mut().zip(&mut lanes.high).zip(&mut lanes.scale);
        for (((own_low, own_high), own_scale), (&low, &high)) in
            own.zip(ranges.low[columns.clone()].iter().zip(&ranges.high[columns]))
        {
            let span = high - low;
            let scale = L::of(count / span);
            let exact = (L::of(low).to_f64() == low) & (L::of(high).to_f64() == high);
            let fit = exact & scale.is_normal() & (L::of(span) < L::INFINITY);
            // A neuron without sections takes nothing in; one whose range does not fit takes in all, for a closer look.
            let closely = (low < high) & !fit;
            *own_low = if closely { L::NEG_INFINITY } else { L::of(low) };
            *own_high = if closely { L::INFINITY } else { L::of(high) };
            *own_scale = if closely { L::of(f64::NAN) } else { scale };
        }
    }
}

/// Finds the sections of the values of groups, from the block's `first` on, by a multiplication where the definition divides; what lies so near to the
/// edge of a section that the two might differ is doubtful. Gives three counts of ten bits: of what is below, above, doubtful.
#[inline(always)]
pub(super) fn find<T: Number, L: Lane>(
    groups: &[[T; GROUP]],
    first: usize,
    lanes: &Lanes<L>,
    sections: &mut [u32; BLOCK],
) -> u32 {
    let mut met = [0; GROUP];
    for (at, values) in groups.iter().enumerate() {
        let sections = &mut sections.as_chunks_mut().0[first + at];
        find_group(values, lanes.group(first + at), &lanes.edges, sections, &mut met);
    }
    met.iter().fold(0, |all, met| all.wrapping_add(*met))
}

/// Where so many sections have their edges.
#[derive(Debug, Clone, Copy)]
struct Edges<L> {
    /// The last section.
    last: u32,
    /// How far its middle lies past that of the first.
    to_last: L,
    /// Within this of the middle of a section a value is surely in it.
    reach: L,
}

impl<L: Lane> Edges<L> {
    fn of(count: usize) -> Self {
        let last = count as u32 - 1;
        Self { last, to_last: L::of(f64::from(last)), reach: L::of(0.5 - count as f64 * L::TOLERANCE) }
    }
}

#[inline(always)]
#[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN is doubtful")]
fn find_group<T: Number, L: Lane>(
    row: &[T; GROUP],
    (low, high, scale): (&[L; GROUP], &[L; GROUP], &[L; GROUP]),
    edges: &Edges<L>,
    sections: &mut [u32; GROUP],
    met: &mut [u32; GROUP],
) {
    for at in 0..GROUP {
        let (value, low, high) = (L::of(row[at].to_f64()), low[at], high[at]);
        // How far past the middle of the first section.
        let past = (value - low) * scale[at] - L::of(0.5);
        let rounded = past + L::ROUND;
        let off = (past - (rounded - L::ROUND)).abs();
        let inside = (value >= low) & (value <= high);
        // The outer edges are no edges between sections.
        let doubtful = inside & !(off <= edges.reach) & !(past <= L::of(0.0)) & !(past >= edges.to_last);
        let near = if doubtful { DOUBTFUL } else { rounded.low_bits().min(edges.last) };
        sections[at] = if inside { near } else { NONE };
        // Wrapping, as checks of what cannot overflow would keep the compiler from vectors.
        met[at] = met[at].wrapping_add(if value < low { 1 } else { 0 });
        met[at] = met[at].wrapping_add(if value > high { 1 << 10 } else { 0 });
        met[at] = met[at].wrapping_add(if doubtful { 1 << 20 } else { 0 });
    }
}
