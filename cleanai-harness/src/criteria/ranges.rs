//! The profile's ranges of a layer's neurons cut into sections, and the kernel that finds the section of every value.

use std::sync::atomic::{AtomicU64, Ordering};

use super::coverage::{Coverage, FirstCover, PARALLEL_FROM};
use super::number::Number;
use super::{DeviceUnits, LayerProfile};
use crate::vectorise::vectorised;

/// Neurons handled together: their rows of bits stay in the cache while the inputs of a batch stream past.
const BLOCK: usize = 64;

/// Ranges of one layer.
#[derive(Debug)]
pub(crate) struct Ranges {
    /// Start of the range; NaN for a neuron without sections, so that nothing compares with it.
    low: Vec<f64>,
    /// End of the range, likewise.
    high: Vec<f64>,
    /// Sections per unit of value.
    scale: Vec<f64>,
    sections: usize,
    /// Neurons without sections because the profile set does not move them.
    pub constant: u64,
    /// Neurons the profile set has no value of; they are among the constant ones.
    pub unknown: u64,
}

impl Ranges {
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
        let scale = low.iter().zip(&high).map(|(low, high)| sections as f64 / (high - low)).collect();
        Self { low, high, scale, sections, constant, unknown: profile.unknown() }
    }

    pub(crate) fn neurons(&self) -> u64 {
        self.low.len() as u64
    }

    /// Whether both are of the same profile.
    pub(crate) fn are(&self, other: &Self) -> bool {
        same_numbers(&self.low, &other.low) && same_numbers(&self.high, &other.high)
    }

    /// Covers the section of every value, the items of a neuron being its sections filled up to whole words; gives how many values lay
    /// below and above the ranges.
    pub(crate) fn cover<T: Number>(&self, rows: &[T], first: usize, coverage: &mut Coverage) -> (u64, u64) {
        let neurons = self.low.len();
        if rows.is_empty() || neurons == 0 {
            return (0, 0);
        }
        let stride = self.sections.next_multiple_of(64);
        let (below, above) = (AtomicU64::new(0), AtomicU64::new(0));
        let keep = coverage.firsts().is_some();
        let work = |index: usize, words: &mut [u64], found: &mut Vec<FirstCover>| {
            let start = index * BLOCK;
            let block = start..neurons.min(start + BLOCK);
            let bounds = Bounds {
                low: &self.low[block.clone()],
                high: &self.high[block.clone()],
                scale: &self.scale[block.clone()],
                sections: self.sections,
            };
            let row_words = stride / 64;
            let mut outside = (0, 0);
            let mut places = [NONE; BLOCK];
            for (input, row) in rows.chunks_exact(neurons).enumerate() {
                let row = &row[block.clone()];
                if places_of(row, &bounds, &mut places) {
                    bounds.places_exactly(row, &mut places);
                }
                let mut missed = false;
                for (neuron, &place) in places[..row.len()].iter().enumerate() {
                    // `NONE` lies beyond all words.
                    let Some(word) = words.get_mut(neuron * row_words + place as usize / 64) else {
                        missed = true;
                        continue;
                    };
                    let bit = 1 << (place % 64);
                    if keep && *word & bit == 0 {
                        let item = (start + neuron) * stride + place as usize;
                        found.push(FirstCover { input: (first + input) as u32, item: item as u32 });
                    }
                    // Also where it is covered already: at first hardly anything is, and no processor can guess which.
                    *word |= bit;
                }
                if missed {
                    let (below, above) = bounds.outside(row);
                    outside = (outside.0 + below, outside.1 + above);
                }
            }
            below.fetch_add(outside.0, Ordering::Relaxed);
            above.fetch_add(outside.1, Ordering::Relaxed);
        };
        coverage.in_blocks(BLOCK * stride, rows.len() >= PARALLEL_FROM, work);
        (below.into_inner(), above.into_inner())
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

/// The place of a value that is in no section.
const NONE: u32 = u32::MAX;

/// The ranges of up to [`BLOCK`] neurons.
struct Bounds<'a> {
    low: &'a [f64],
    high: &'a [f64],
    scale: &'a [f64],
    sections: usize,
}

impl Bounds<'_> {
    /// The definition as it stands.
    fn places_exactly<T: Number>(&self, row: &[T], places: &mut [u32; BLOCK]) {
        let last = (self.sections - 1) as f64;
        for (neuron, value) in row.iter().enumerate() {
            let (value, low, high) = (value.to_f64(), self.low[neuron], self.high[neuron]);
            let exact = (value - low) / (high - low) * self.sections as f64;
            let inside = value >= low && value <= high;
            places[neuron] = if inside { exact.floor().min(last) as u32 } else { NONE };
        }
    }

    /// How many values lie below and above.
    fn outside<T: Number>(&self, row: &[T]) -> (u64, u64) {
        row.iter().zip(self.low).zip(self.high).fold((0, 0), |(below, above), ((value, low), high)| {
            (below + u64::from(value.to_f64() < *low), above + u64::from(value.to_f64() > *high))
        })
    }
}

vectorised! {
    /// The section of every value, by a multiplication where the definition divides. Returns whether some value lies so near to the edge
    /// of a section that the two might differ.
    fn places_of<T: Number>(row: &[T], bounds: &Bounds<'_>, places: &mut [u32; BLOCK]) -> bool {
        // Adding this rounds to a whole number.
        const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52
        let count = bounds.sections as f64;
        let last = count - 1.0;
        // Both ways stay within four units of the last place of the true quotient.
        let tolerance = count * 4e-15;
        let mut doubtful = false;
        let columns = bounds.low.iter().zip(bounds.high).zip(bounds.scale);
        for ((place, value), ((&low, &high), &scale)) in places.iter_mut().zip(row).zip(columns) {
            let value = value.to_f64();
            let near = (value - low) * scale;
            let edge = (near + ROUND) - ROUND;
            let inside = (value >= low) & (value <= high);
            // The outer edges are no edges between sections.
            let apart = (near - edge).abs() >= tolerance;
            doubtful |= inside & !apart & (edge != 0.0) & (edge != count);
            let section = if near < last { near } else { last };
            *place = if inside { section as i32 as u32 } else { NONE };
        }
        doubtful
    }
}

/// Whether two columns are the same, NaN equal to NaN.
pub(crate) fn same_numbers(left: &[f64], right: &[f64]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(left, right)| left.to_bits() == right.to_bits())
}
