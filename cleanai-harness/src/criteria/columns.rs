//! Covering neurons by a test of their values: over a batch's extremes, or input by input.

use super::coverage::{Coverage, FirstCover, PARALLEL_FROM};
use super::number::Number;
use super::{LayerValues, Numbers, PEAK_COLUMNS};
use crate::vectorise::vectorised;

/// Neurons handled together; a multiple of 64.
const BLOCK: usize = PEAK_COLUMNS;

/// Which end of a neuron's values decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Low,
    High,
}

impl End {
    /// Whether a value lies beyond a bound; none lies beyond NaN.
    fn beyond(self, value: f64, bound: f64) -> bool {
        if self == End::High { value > bound } else { value < bound }
    }
}

/// What neurons must lie beyond.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bounds<'a> {
    /// All the same.
    Same(f64),
    /// Each its own.
    Each(&'a [f64]),
}

impl Bounds<'_> {
    fn of(self, neuron: usize) -> f64 {
        match self {
            Self::Same(bound) => bound,
            Self::Each(bounds) => bounds[neuron],
        }
    }
}

/// Covers every neuron whose smallest or largest value of the batch lies beyond its bound, noting the first input that does.
///
/// A neuron without any value has the infinity that is beyond no bound.
pub(crate) fn mark_extremes(values: &LayerValues<'_>, end: End, bounds: Bounds<'_>, coverage: &mut Coverage) {
    let extremes = if end == End::High { values.high } else { values.low };
    let neurons = values.neurons;
    match (extremes, values.values) {
        (Numbers::Double(extremes), Numbers::Double(rows)) => {
            mark_ends(extremes, rows, values, (end, bounds), coverage);
        }
        (Numbers::Single(extremes), Numbers::Single(rows)) => {
            mark_ends(extremes, rows, values, (end, bounds), coverage);
        }
        (Numbers::Single(extremes), Numbers::Device(units)) => {
            // Only what is new has to be looked at input by input.
            let passed = |neuron: &u32| end.beyond(f64::from(extremes[*neuron as usize]), bounds.of(*neuron as usize));
            let new: Vec<u32> =
                (0..neurons as u32).filter(|neuron| passed(neuron) && !coverage.has(*neuron as usize)).collect();
            let rows = units.columns(&new);
            for (at, neuron) in new.iter().enumerate() {
                let input = first_beyond(&rows, at, new.len(), (end, bounds.of(*neuron as usize)));
                coverage.insert(*neuron as usize, values.first + input);
            }
        }
        _ => unreachable!("a layer's values and their extremes are of one kind"),
    }
}

/// The first input whose value in this column lies beyond the bound.
fn first_beyond<T: Number>(rows: &[T], column: usize, columns: usize, (end, bound): (End, f64)) -> usize {
    let column = rows.get(column..).unwrap_or_default().iter().step_by(columns);
    column.into_iter().position(|value| end.beyond(value.to_f64(), bound)).unwrap_or(0)
}

fn mark_ends<T: Number>(
    extremes: &[T],
    rows: &[T],
    values: &LayerValues<'_>,
    (end, bounds): (End, Bounds<'_>),
    coverage: &mut Coverage,
) {
    if extremes.is_empty() || coverage.is_full() {
        return;
    }
    let (neurons, first, keep) = (values.neurons, values.first, coverage.firsts().is_some());
    let work = |index: usize, words: &mut [u64], found: &mut Vec<FirstCover>| {
        for (at, word) in words.iter_mut().enumerate().filter(|(_, word)| **word != u64::MAX) {
            let start = index * BLOCK + at * 64;
            let of_word = start..neurons.min(start + 64);
            let mut passed = [0; 64];
            match bounds {
                Bounds::Same(bound) => flag_beyond(&extremes[of_word], &[bound; 64], end, &mut passed),
                Bounds::Each(bounds) => flag_beyond(&extremes[of_word.clone()], &bounds[of_word], end, &mut passed),
            }
            let mut new = gather(&passed) & !*word;
            *word |= new;
            while keep && new != 0 {
                let neuron = start + new.trailing_zeros() as usize;
                new &= new - 1;
                let input = first_beyond(rows, neuron, neurons, (end, bounds.of(neuron)));
                found.push(FirstCover { input: (first + input) as u32, item: neuron as u32 });
            }
        }
    };
    coverage.in_blocks(BLOCK, neurons >= PARALLEL_FROM, work);
}

vectorised! {
    /// Sets the flag of every extreme that lies beyond its bound.
    fn flag_beyond<T: Number>(extremes: &[T], bounds: &[f64], end: End, passed: &mut [u8; 64]) {
        let all = passed.iter_mut().zip(extremes).zip(bounds);
        if end == End::High {
            all.for_each(|((passed, extreme), bound)| *passed = u8::from(extreme.to_f64() > *bound));
        } else {
            all.for_each(|((passed, extreme), bound)| *passed = u8::from(extreme.to_f64() < *bound));
        }
    }
}

/// Covers every neuron whose value passes the test of its input, which all larger values pass, too.
pub(crate) fn mark_rows<T: Number, Test: Fn(T) -> bool>(
    rows: &[T],
    values: &LayerValues<'_>,
    coverage: &mut Coverage,
    test_of: impl Fn(usize) -> Test + Sync,
) {
    if rows.is_empty() || coverage.is_full() {
        return;
    }
    let (neurons, first, keep) = (values.neurons, values.first, coverage.firsts().is_some());
    let work = |index: usize, words: &mut [u64], found: &mut Vec<FirstCover>| {
        if words.iter().all(|word| *word == u64::MAX) {
            return;
        }
        let start = index * BLOCK;
        let end = neurons.min(start + BLOCK);
        let mut passed = [0u8; BLOCK];
        for (input, row) in rows.chunks_exact(neurons).enumerate() {
            let test = test_of(input);
            if values.peak(index, input).is_none_or(|peak| test(T::from_f32(peak))) {
                any_of(&row[start..end], &test, &mut passed);
            }
        }
        for ((at, word), passed) in words.iter_mut().enumerate().zip(passed.as_chunks().0) {
            let mut new = gather(passed) & !*word;
            *word |= new;
            while keep && new != 0 {
                let neuron = start + at * 64 + new.trailing_zeros() as usize;
                new &= new - 1;
                let input = (0..values.inputs).find(|input| test_of(*input)(rows[input * neurons + neuron]));
                found.push(FirstCover { input: (first + input.unwrap_or(0)) as u32, item: neuron as u32 });
            }
        }
    };
    coverage.in_blocks(BLOCK, rows.len() >= PARALLEL_FROM, work);
}

/// 64 flags, 0 or 1 each, as the bits of a word.
fn gather(flags: &[u8; 64]) -> u64 {
    flags.as_chunks::<8>().0.iter().enumerate().fold(0, |word, (at, eight)| {
        // The product has the flags side by side in its highest byte.
        let bits = u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        word | bits << (8 * at)
    })
}

vectorised! {
    /// Sets the flag of every value that passes.
    fn any_of<T: Number, Test: Passes<T>>(row: &[T], test: &Test, passed: &mut [u8; BLOCK]) {
        for (passed, value) in passed.iter_mut().zip(row) {
            *passed |= u8::from(test.passes(*value));
        }
    }
}

/// A test of a value, for bounds that macros can read.
trait Passes<T> {
    fn passes(&self, value: T) -> bool;
}

impl<T, Test: Fn(T) -> bool> Passes<T> for Test {
    #[inline(always)]
    fn passes(&self, value: T) -> bool {
        self(value)
    }
}
