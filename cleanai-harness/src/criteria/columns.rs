//! Covering neurons by a test of their values: over a batch's extremes, or input by input.

use super::coverage::{Coverage, FirstCover, PARALLEL_FROM};
use super::number::Number;
use super::{LayerValues, Numbers};
use crate::vectorise::vectorised;

/// Neurons handled together; a multiple of 64.
const BLOCK: usize = 512;

/// Which end of a neuron's values decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Low,
    High,
}

/// Covers every neuron whose smallest or largest value of the batch passes `test(neuron, value)`, noting the first input that does.
///
/// The test of a neuron without any value sees the infinity that no value is beyond, and must fail then. It must pass for every
/// value beyond one that passes.
pub(crate) fn mark_extremes(
    values: &LayerValues<'_>,
    end: End,
    coverage: &mut Coverage,
    test: impl Fn(usize, f64) -> bool + Sync,
) {
    let extremes = if end == End::High { values.high } else { values.low };
    let neurons = values.neurons;
    match (extremes, values.values) {
        (Numbers::Double(extremes), Numbers::Double(rows)) => {
            mark_ends(extremes, values, coverage, test, &|neuron, test| first_of(rows, neuron, neurons, test));
        }
        (Numbers::Single(extremes), Numbers::Single(rows)) => {
            mark_ends(extremes, values, coverage, test, &|neuron, test| first_of(rows, neuron, neurons, test));
        }
        (Numbers::Single(extremes), Numbers::Device(units)) => {
            // Only what is new has to be looked at input by input.
            let passed = |neuron: &u32| test(*neuron as usize, f64::from(extremes[*neuron as usize]));
            let new: Vec<u32> =
                (0..neurons as u32).filter(|neuron| passed(neuron) && !coverage.has(*neuron as usize)).collect();
            let rows = units.columns(&new);
            for (at, neuron) in new.iter().enumerate() {
                let input = first_of(&rows, at, new.len(), &|value| test(*neuron as usize, value));
                coverage.insert(*neuron as usize, values.first + input);
            }
        }
        _ => unreachable!("a layer's values and their extremes are of one kind"),
    }
}

/// The first input whose value of a neuron passes a test.
type FirstOf<'a> = dyn Fn(usize, &dyn Fn(f64) -> bool) -> usize + Sync + 'a;

/// The first input whose value in this column passes.
fn first_of<T: Number>(rows: &[T], column: usize, columns: usize, test: &dyn Fn(f64) -> bool) -> usize {
    let column = rows.get(column..).unwrap_or_default().iter().step_by(columns);
    column.into_iter().position(|value| test(value.to_f64())).unwrap_or(0)
}

fn mark_ends<T: Number>(
    extremes: &[T],
    values: &LayerValues<'_>,
    coverage: &mut Coverage,
    test: impl Fn(usize, f64) -> bool + Sync,
    first_of: &FirstOf<'_>,
) {
    if extremes.is_empty() || coverage.is_full() {
        return;
    }
    let (neurons, first) = (values.neurons, values.first);
    let work = |index: usize, words: &mut [u64], found: &mut Vec<FirstCover>| {
        for (at, word) in words.iter_mut().enumerate().filter(|(_, word)| **word != u64::MAX) {
            let start = index * BLOCK + at * 64;
            let mut passed = 0;
            for (offset, extreme) in extremes[start..neurons.min(start + 64)].iter().enumerate() {
                passed |= u64::from(test(start + offset, extreme.to_f64())) << offset;
            }
            let mut new = passed & !*word;
            *word |= new;
            while new != 0 {
                let neuron = start + new.trailing_zeros() as usize;
                new &= new - 1;
                let input = first_of(neuron, &|value| test(neuron, value));
                found.push(FirstCover { input: (first + input) as u32, item: neuron as u32 });
            }
        }
    };
    coverage.in_blocks(BLOCK, neurons >= PARALLEL_FROM, work);
}

/// Covers every neuron whose value passes the test of its input.
pub(crate) fn mark_rows<T: Number, Test: Fn(T) -> bool>(
    rows: &[T],
    values: &LayerValues<'_>,
    coverage: &mut Coverage,
    test_of: impl Fn(usize) -> Test + Sync,
) {
    if rows.is_empty() || coverage.is_full() {
        return;
    }
    let (neurons, first) = (values.neurons, values.first);
    let work = |index: usize, words: &mut [u64], found: &mut Vec<FirstCover>| {
        if words.iter().all(|word| *word == u64::MAX) {
            return;
        }
        let start = index * BLOCK;
        let end = neurons.min(start + BLOCK);
        let mut passed = [0u8; BLOCK];
        for (input, row) in rows.chunks_exact(neurons).enumerate() {
            any_of(&row[start..end], &test_of(input), &mut passed);
        }
        for (at, word) in words.iter_mut().enumerate() {
            let mut new = gather(&passed[at * 64..(at + 1) * 64]) & !*word;
            *word |= new;
            while new != 0 {
                let neuron = start + at * 64 + new.trailing_zeros() as usize;
                new &= new - 1;
                let input = (0..values.inputs).find(|input| test_of(*input)(rows[input * neurons + neuron]));
                found.push(FirstCover { input: (first + input.unwrap_or(0)) as u32, item: neuron as u32 });
            }
        }
    };
    coverage.in_blocks(BLOCK, rows.len() >= PARALLEL_FROM, work);
}

/// 64 flags as the bits of a word.
fn gather(flags: &[u8]) -> u64 {
    flags.iter().rev().fold(0, |word, flag| word << 1 | u64::from(*flag != 0))
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
