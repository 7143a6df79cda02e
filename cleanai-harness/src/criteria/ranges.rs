//! The profile's ranges of a layer's neurons cut into sections, and the kernel that finds the section of every value.

#[cfg(target_arch = "x86_64")]
use std::any::Any;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::coverage::{Coverage, FirstCover, PARALLEL_FROM};
use super::number::Number;
use super::{DeviceUnits, LayerProfile};
use crate::vectorise::{LINE, Level, level, prefetch, vectorised};

#[cfg(target_arch = "x86_64")]
mod avx512;
mod lanes;

use lanes::{DOUBTFUL, GROUP, Lane, Lanes, NONE, SINGLE_UP_TO, find};

/// Neurons handled together: their bits stay in the nearest cache while a batch passes.
const BLOCK: usize = 64;

/// Blocks that one thread takes at a time.
const BLOCKS: usize = 16;

/// Ranges of one layer.
#[derive(Debug)]
pub(crate) struct Ranges {
    /// Start of the range; NaN for a neuron without sections, so that nothing compares with it.
    low: Vec<f64>,
    /// End of the range, likewise.
    high: Vec<f64>,
    /// Both for lanes of f32, block by block, once some batch has asked for them.
    single: OnceLock<Vec<Lanes<f32>>>,
    sections: usize,
    /// Neurons without sections because the profile set does not move them.
    pub constant: u64,
    /// Neurons the profile set has no value of; they are among the constant ones.
    pub unknown: u64,
}

impl Ranges {
    /// What they take of memory for each neuron.
    pub(crate) const BYTES: usize = 2 * size_of::<f64>() + 3 * size_of::<f32>();

    pub(crate) fn new(profile: &LayerProfile, sections: usize) -> Self {
        let (mut low, mut high) = (profile.low.clone(), profile.high.clone());
        let mut constant = 0;
        for (low, high) in low.iter_mut().zip(&mut high) {
            // So written that NaN, from a profile of the caller's own making, counts as no range.
            if *high > *low {
                continue;
            }
            (*low, *high) = (f64::NAN, f64::NAN);
            constant += 1;
        }
        Self { low, high, single: OnceLock::new(), sections, constant, unknown: profile.unknown() }
    }

    pub(crate) fn neurons(&self) -> u64 {
        self.low.len() as u64
    }

    /// Whether both are of the same profile.
    pub(crate) fn are(&self, other: &Self) -> bool {
        same_numbers(&self.low, &other.low) && same_numbers(&self.high, &other.high)
    }

    /// Covers the section of every value, the items of a neuron being its sections filled up to whole words; gives how
    /// many values lay below and above the ranges.
    pub(crate) fn cover<T: Number>(&self, rows: &[T], first: usize, coverage: &mut Coverage) -> (u64, u64) {
        if rows.is_empty() || self.low.is_empty() {
            return (0, 0);
        }
        let words = self.sections.div_ceil(64);
        let (below, above) = (AtomicU64::new(0), AtomicU64::new(0));
        let keep = coverage.firsts().is_some();
        let single = T::as_single(rows).filter(|_| self.sections <= SINGLE_UP_TO);
        let single = single.map(|rows| (rows, self.single.get_or_init(|| self.single_lanes())));
        let level = level();
        let work = |index: usize, bits: &mut [u64], found: &mut Vec<FirstCover>| {
            let mut all = (0, 0);
            for (at, words) in bits.chunks_mut(BLOCK * words).enumerate() {
                let block = index * BLOCKS + at;
                let (ranges, start) = (self, block * BLOCK);
                let firsts = keep.then_some((first, &mut *found));
                let outside = match single {
                    Some((rows, lanes)) => Part { ranges, rows, start, level }.cover(&lanes[block], words, firsts),
                    None => Part { ranges, rows, start, level }.cover(&Lanes::<f64>::of(self, start), words, firsts),
                };
                all = (all.0 + outside.0, all.1 + outside.1);
            }
            below.fetch_add(all.0, Ordering::Relaxed);
            above.fetch_add(all.1, Ordering::Relaxed);
        };
        coverage.in_blocks(BLOCKS * BLOCK * words * 64, rows.len() >= PARALLEL_FROM, work);
        (below.into_inner(), above.into_inner())
    }

    fn single_lanes(&self) -> Vec<Lanes<f32>> {
        (0..self.low.len()).step_by(BLOCK).map(|start| Lanes::of(self, start)).collect()
    }
}

impl Ranges {
    /// The same for units that lie on another device.
    pub(crate) fn cover_elsewhere(&self, units: &dyn DeviceUnits, first: usize, coverage: &mut Coverage) -> (u64, u64) {
        let (neurons, stride) = (self.low.len(), self.sections.next_multiple_of(64));
        let places = units.sections(&self.low, &self.high, self.sections);
        let mut outside: Vec<u32> = Vec::new();
        for (input, places) in places.chunks_exact(neurons.max(1)).enumerate() {
            for (neuron, place) in places.iter().enumerate() {
                if *place != NONE {
                    coverage.insert(neuron * stride + *place as usize, first + input);
                } else if self.low[neuron] < self.high[neuron] {
                    outside.push(neuron as u32);
                }
            }
        }
        // Which end they lie beyond is a question for the values themselves.
        outside.sort_unstable();
        outside.dedup();
        let rows = units.columns(&outside);
        rows.chunks_exact(outside.len().max(1)).flat_map(|row| row.iter().zip(&outside)).fold(
            (0, 0),
            |(below, above), (value, neuron)| {
                let value = f64::from(*value);
                let (low, high) = (self.low[*neuron as usize], self.high[*neuron as usize]);
                (below + u64::from(value < low), above + u64::from(value > high))
            },
        )
    }
}

/// The values of a block of neurons.
struct Part<'a, T> {
    ranges: &'a Ranges,
    rows: &'a [T],
    /// The first of the neurons.
    start: usize,
    /// What the processor can do.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "there is one way only"))]
    level: Level,
}

impl<'a, T: Number> Part<'a, T> {
    #[inline(always)]
    fn columns(&self) -> std::ops::Range<usize> {
        self.start..self.ranges.low.len().min(self.start + BLOCK)
    }

    /// One row for each input; those of the last block may be short.
    #[inline(always)]
    fn rows(&self) -> impl Iterator<Item = &'a [T]> {
        let columns = self.columns();
        self.rows.chunks_exact(self.ranges.low.len()).map(move |row| &row[columns.clone()])
    }

    /// The section of a value that the lanes left open, by the definition as it stands.
    #[cold]
    #[inline(never)]
    fn decide<L: Lane>(&self, lanes: &Lanes<L>, row: &[T], column: usize, outside: &mut (u64, u64)) -> u32 {
        let count = self.ranges.sections;
        let value = row[column].to_f64();
        let (low, high) = match lanes.exact(column) {
            // In the cache already, unlike the ranges themselves.
            Some(ends) => ends,
            None => (self.ranges.low[self.start + column], self.ranges.high[self.start + column]),
        };
        let exact = (value - low) / (high - low) * count as f64;
        outside.0 += u64::from(value < low);
        outside.1 += u64::from(value > high);
        let inside = value >= low && value <= high;
        if inside { exact.floor().min((count - 1) as f64) as u32 } else { NONE }
    }
}

vectorised! {
    /// Covers what a block's values lie in.
    fn set_block<T: Number, L: Lane>(part: &Part<'_, T>, lanes: &Lanes<L>, words: &mut [u64]) -> (u64, u64) {
        let row_words = part.ranges.sections.div_ceil(64);
        let first: [u32; BLOCK] = std::array::from_fn(|column| (column * row_words) as u32);
        let (mut sections, mut word, mut bit) = ([NONE; BLOCK], [0; BLOCK], [0; BLOCK]);
        let mut outside = (0, 0);
        let mut ahead = part.ahead(words);
        for row in part.rows() {
            ahead.row(row);
            part.sections(row, lanes, &mut sections, &mut outside);
            place(&sections, &first, &mut word, &mut bit);
            set(words, &word[..row.len()], &bit[..row.len()]);
        }
        outside
    }
}

/// The word and the bit of every section. A value in no section gives no bit, in whichever word: no processor can guess which do. Indices here and in
/// [`find_group`] are those of arrays: iterators over several are not always inlined, and then take longer than the rest.
#[inline(always)]
fn place(sections: &[u32; BLOCK], first: &[u32; BLOCK], words: &mut [u32; BLOCK], bits: &mut [u64; BLOCK]) {
    for at in 0..BLOCK {
        let section = sections[at];
        words[at] = if section == NONE { 0 } else { first[at].wrapping_add(section / 64) };
    }
    for at in 0..BLOCK {
        bits[at] = u64::from(sections[at] != NONE) << (sections[at] % 64);
    }
}

/// Not inlined, as loops around it would take registers that addresses need.
#[inline(never)]
fn set(words: &mut [u64], places: &[u32], bits: &[u64]) {
    for (place, bit) in places.iter().zip(bits) {
        words[*place as usize] |= bit;
    }
}

/// What will be read next, of which memory is asked for in time.
struct Ahead {
    next: *const u64,
    /// Lines of bits a row.
    lines: usize,
}

impl Ahead {
    /// Asks for some of the next block's bits, and for its values of this input.
    #[inline(always)]
    fn row<T>(&mut self, row: &[T]) {
        for line in 0..size_of::<T>() * BLOCK / LINE {
            prefetch(row.as_ptr().wrapping_add(BLOCK + line * (LINE / size_of::<T>())));
        }
        for _ in 0..self.lines {
            prefetch(self.next);
            self.next = self.next.wrapping_byte_add(LINE);
        }
    }
}

vectorised! {
    /// The same, telling who was first.
    fn cover_block<T: Number, L: Lane>(
        part: &Part<'_, T>,
        lanes: &Lanes<L>,
        words: &mut [u64],
        first: usize,
        found: &mut Vec<FirstCover>,
    ) -> (u64, u64) {
        let row_words = part.ranges.sections.div_ceil(64);
        let of_neuron = (row_words * 64) as u32;
        let first_word: [u32; BLOCK] = std::array::from_fn(|column| (column * row_words) as u32);
        let (mut sections, mut word, mut bit) = ([NONE; BLOCK], [0; BLOCK], [0; BLOCK]);
        let mut covers = [FirstCover { input: 0, item: 0 }; BLOCK];
        let mut outside = (0, 0);
        for (input, row) in part.rows().enumerate() {
            part.sections(row, lanes, &mut sections, &mut outside);
            place(&sections, &first_word, &mut word, &mut bit);
            let input = (first + input) as u32;
            let mut item = part.start as u32 * of_neuron;
            let mut new = 0;
            for ((word, bit), section) in word.iter().zip(&bit).zip(&sections[..row.len()]) {
                // Every cover is written, those that are not new over each other: no processor can guess which are.
                covers[new % BLOCK] = FirstCover { input, item: item.wrapping_add(*section) };
                let word = &mut words[*word as usize];
                new += usize::from(*word & bit != *bit);
                *word |= bit;
                item = item.wrapping_add(of_neuron);
            }
            found.extend_from_slice(&covers[..new]);
        }
        outside
    }
}

impl<T: Number> Part<'_, T> {
    /// Covers what the values lie in; where it is wanted, noting who was first. Gives how many lie below and above the ranges.
    fn cover<L: Lane>(
        &self,
        lanes: &Lanes<L>,
        words: &mut [u64],
        firsts: Option<(usize, &mut Vec<FirstCover>)>,
    ) -> (u64, u64) {
        if let Some((first, found)) = firsts {
            return cover_block(self, lanes, words, first, found);
        }
        #[cfg(target_arch = "x86_64")]
        if self.level == Level::Avx512
            && let Some(rows) = T::as_single(self.rows)
            && let Some(lanes) = (lanes as &dyn Any).downcast_ref()
        {
            let part = Part { ranges: self.ranges, rows, start: self.start, level: self.level };
            // SAFETY: the processor has these instructions, `level` has looked.
            return unsafe { avx512::set_block(&part, lanes, words) };
        }
        set_block(self, lanes, words)
    }

    /// What to ask memory for while these rows pass, beside them `words`.
    #[inline(always)]
    fn ahead(&self, words: &[u64]) -> Ahead {
        let inputs = self.rows.len() / self.ranges.low.len();
        let lines = size_of_val(words).div_ceil(LINE).div_ceil(inputs);
        Ahead { next: words.as_ptr().wrapping_add(words.len()), lines }
    }

    /// [`find`], in the fastest way.
    #[inline(always)]
    fn find<L: Lane>(&self, groups: &[[T; GROUP]], first: usize, lanes: &Lanes<L>, sections: &mut [u32; BLOCK]) -> u32 {
        #[cfg(target_arch = "x86_64")]
        if self.level == Level::Avx512
            && let Some(values) = T::as_single(groups.as_flattened())
            && let Some(lanes) = (lanes as &dyn Any).downcast_ref()
        {
            // SAFETY: the processor has these instructions, `level` has looked.
            return unsafe { avx512::find(values.as_chunks().0, first, lanes, self.ranges.sections, sections) };
        }
        find(groups, first, lanes, sections)
    }

    /// Finds the section of every value of a row, and counts what lies outside.
    #[inline(always)]
    fn sections<L: Lane>(&self, row: &[T], lanes: &Lanes<L>, sections: &mut [u32; BLOCK], outside: &mut (u64, u64)) {
        let (groups, rest) = row.as_chunks();
        let mut met = self.find(groups, 0, lanes, sections);
        if !rest.is_empty() {
            let mut padded = [T::INFINITY; GROUP];
            // So few that a call to copy them would take longer.
            padded.iter_mut().zip(rest).for_each(|(padded, value)| *padded = *value);
            met = met.wrapping_add(self.find(&[padded], groups.len(), lanes, sections));
        }
        outside.0 += u64::from(met & 0x3ff);
        outside.1 += u64::from(met >> 10 & 0x3ff);
        if met >> 20 != 0 {
            let doubtful = sections[..row.len()].iter_mut().enumerate().filter(|(_, section)| **section == DOUBTFUL);
            doubtful.for_each(|(column, section)| *section = self.decide(lanes, row, column, outside));
        }
    }
}

/// Whether two columns are the same, NaN equal to NaN.
pub(crate) fn same_numbers(left: &[f64], right: &[f64]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(left, right)| left.to_bits() == right.to_bits())
}

#[cfg(test)]
mod tests;
