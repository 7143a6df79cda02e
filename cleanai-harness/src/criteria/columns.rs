//! Covering neurons by a test of their values: over a batch's extremes, or input by input.

use std::sync::OnceLock;

use super::coverage::{Coverage, FirstCover, PARALLEL_FROM};
use super::number::Number;
use super::{LayerValues, Numbers, PEAK_COLUMNS};
use crate::vectorise::{prefetch, vectorised};

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
    #[inline(always)]
    fn beyond<T: PartialOrd>(self, value: T, bound: T) -> bool {
        if self == Self::High { value > bound } else { value < bound }
    }

    /// The bound beyond which the same numbers of f32 lie: rounded away from them.
    fn single(self, bound: f64) -> f32 {
        let nearest = bound as f32;
        match self {
            Self::High if f64::from(nearest) > bound => nearest.next_down(),
            Self::Low if f64::from(nearest) < bound => nearest.next_up(),
            _ => nearest,
        }
    }
}

/// What each neuron of a layer must lie beyond; NaN for one that nothing lies beyond.
#[derive(Debug)]
pub(crate) struct NeuronBounds {
    end: End,
    numbers: Vec<f64>,
    /// The same for values of f32, once some batch has them.
    single: OnceLock<Vec<f32>>,
}

impl NeuronBounds {
    /// What they take of memory for each neuron.
    pub(crate) const BYTES: usize = size_of::<f64>() + size_of::<f32>();

    pub(crate) fn new(end: End, numbers: impl Iterator<Item = f64>) -> Self {
        Self { end, numbers: numbers.collect(), single: OnceLock::new() }
    }

    pub(crate) fn numbers(&self) -> &[f64] {
        &self.numbers
    }

    fn single(&self) -> &[f32] {
        self.single.get_or_init(|| self.numbers.iter().map(|bound| self.end.single(*bound)).collect())
    }
}

/// Bounds in the precision of the values.
#[derive(Debug, Clone, Copy)]
enum Bounds<'a, T> {
    /// All the same.
    Same(T),
    /// Each its own.
    Each(&'a [T]),
}

impl<T: Copy> Bounds<'_, T> {
    fn of(self, neuron: usize) -> T {
        match self {
            Self::Same(bound) => bound,
            Self::Each(bounds) => bounds[neuron],
        }
    }
}

/// Covers every neuron whose smallest or largest value of the batch lies beyond its bound, noting the first input that does.
///
/// A neuron without any value has the infinity that is beyond no bound.
pub(crate) fn mark_beyond(values: &LayerValues<'_>, bounds: &NeuronBounds, coverage: &mut Coverage) {
    mark_extremes(values, bounds.end, || Bounds::Each(bounds.numbers()), || Bounds::Each(bounds.single()), coverage);
}

/// The same, with one bound for the largest values of all.
pub(crate) fn mark_above(values: &LayerValues<'_>, bound: f64, coverage: &mut Coverage) {
    mark_extremes(values, End::High, || Bounds::Same(bound), || Bounds::Same(End::High.single(bound)), coverage);
}

fn mark_extremes<'a>(
    values: &LayerValues<'_>,
    end: End,
    double: impl Fn() -> Bounds<'a, f64>,
    single: impl Fn() -> Bounds<'a, f32>,
    coverage: &mut Coverage,
) {
    let extremes = if end == End::High { values.high } else { values.low };
    let neurons = values.neurons;
    match (extremes, values.values) {
        (Numbers::Double(extremes), Numbers::Double(rows)) => {
            mark_ends(extremes, rows, values, (end, double()), coverage);
        }
        (Numbers::Single(extremes), Numbers::Single(rows)) => {
            mark_ends(extremes, rows, values, (end, single()), coverage);
        }
        (Numbers::Single(extremes), Numbers::Device(units)) => {
            let bounds = single();
            // Only what is new has to be looked at input by input.
            let passed = |neuron: &u32| end.beyond(extremes[*neuron as usize], bounds.of(*neuron as usize));
            let new: Vec<u32> =
                (0..neurons as u32).filter(|neuron| passed(neuron) && !coverage.has(*neuron as usize)).collect();
            let rows = units.columns(&new);
            for (at, neuron) in new.iter().enumerate() {
                let bound = bounds.of(*neuron as usize);
                let mut column = rows.get(at..).unwrap_or_default().iter().step_by(new.len());
                let input = column.position(|value| end.beyond(*value, bound)).unwrap_or(0);
                coverage.insert(*neuron as usize, values.first + input);
            }
        }
        _ => unreachable!("a layer's values and their extremes are of one kind"),
    }
}

fn mark_ends<T: Number>(
    extremes: &[T],
    rows: &[T],
    values: &LayerValues<'_>,
    (end, bounds): (End, Bounds<'_, T>),
    coverage: &mut Coverage,
) {
    if extremes.is_empty() || coverage.is_full() {
        return;
    }
    let (neurons, keep) = (values.neurons, coverage.firsts().is_some());
    let work = |index: usize, words: &mut [u64], found: &mut Vec<FirstCover>| {
        let mut new = [0; BLOCK / 64];
        for (at, word) in words.iter_mut().enumerate().filter(|(_, word)| **word != u64::MAX) {
            let start = index * BLOCK + at * 64;
            let of_word = start..neurons.min(start + 64);
            let mut passed = [0; 64];
            match bounds {
                Bounds::Same(bound) => flag_beyond(&extremes[of_word], &[bound; 64], end, &mut passed),
                Bounds::Each(bounds) => flag_beyond(&extremes[of_word.clone()], &bounds[of_word], end, &mut passed),
            }
            new[at] = gather(&passed) & !*word;
            *word |= new[at];
        }
        if keep {
            find_firsts(rows, values, index * BLOCK, &new, found, |_| {
                move |neuron, value| end.beyond(value, bounds.of(neuron))
            });
        }
    };
    coverage.in_blocks(BLOCK, neurons >= PARALLEL_FROM, work);
}

/// Of the next neuron so many values are asked of memory while one is looked for; measured, eight do no better than four.
const ASKED_AHEAD: usize = 4;

/// Finds the first input that passes the test of each neuron whose bit is set, that of the lowest bit being `start`; there is one for all of them.
fn find_firsts<T: Number, Test: Fn(usize, T) -> bool>(
    rows: &[T],
    values: &LayerValues<'_>,
    start: usize,
    new: &[u64; BLOCK / 64],
    found: &mut Vec<FirstCover>,
    test_of: impl Fn(usize) -> Test,
) {
    let mut neurons = Vec::new();
    for (at, word) in new.iter().enumerate() {
        let mut bits = *word;
        while bits != 0 {
            neurons.push(start + at * 64 + bits.trailing_zeros() as usize);
            bits &= bits - 1;
        }
    }
    let place = |input: usize, neuron: usize| input * values.neurons + neuron;
    for (at, &neuron) in neurons.iter().enumerate() {
        if let Some(&next) = neurons.get(at + 1) {
            (0..values.inputs.min(ASKED_AHEAD)).for_each(|input| prefetch(&raw const rows[place(input, next)]));
        }
        let passes = |input: &usize| test_of(*input)(neuron, rows[place(*input, neuron)]);
        let input = (0..values.inputs).find(passes).unwrap_or(0);
        found.push(FirstCover { input: (values.first + input) as u32, item: neuron as u32 });
    }
}

vectorised! {
    /// Sets the flag of every extreme that lies beyond its bound.
    fn flag_beyond<T: Number>(extremes: &[T], bounds: &[T], end: End, passed: &mut [u8; 64]) {
        let all = passed.iter_mut().zip(extremes).zip(bounds);
        if end == End::High {
            all.for_each(|((passed, extreme), bound)| *passed = u8::from(*extreme > *bound));
        } else {
            all.for_each(|((passed, extreme), bound)| *passed = u8::from(*extreme < *bound));
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
    let (neurons, keep) = (values.neurons, coverage.firsts().is_some());
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
        let mut new = [0; BLOCK / 64];
        for ((new, word), passed) in new.iter_mut().zip(words).zip(passed.as_chunks().0) {
            *new = gather(passed) & !*word;
            *word |= *new;
        }
        if keep {
            find_firsts(rows, values, start, &new, found, |input| {
                let test = test_of(input);
                move |_, value| test(value)
            });
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::LayerBatch;
    use super::*;

    fn value() -> impl Strategy<Value = f32> {
        prop_oneof![6 => -2f32..2.0, 2 => any::<f32>().prop_filter("finite", |value| value.is_finite()), 1 => Just(0.0), 1 => Just(f32::NAN)]
    }

    /// The first input of each neuron whose value lies beyond, by the definition.
    fn plain(rows: &[f32], bounds: &[f64], end: End) -> Vec<FirstCover> {
        let first = |(neuron, bound): (usize, &f64)| {
            let beyond = |row: &[f32]| end.beyond(f64::from(row[neuron]), *bound);
            let input = rows.chunks_exact(bounds.len()).position(beyond)?;
            Some(FirstCover { input: input as u32, item: neuron as u32 })
        };
        let mut firsts: Vec<FirstCover> = bounds.iter().enumerate().filter_map(first).collect();
        firsts.sort_unstable();
        firsts
    }

    proptest! {
        #[test]
        fn bounds_of_single_precision_part_the_same_numbers(
            value in any::<f32>(),
            bound in prop_oneof![any::<f64>(), any::<f32>().prop_map(f64::from), -2f64..2.0],
            nudge in -1i32..2,
        ) {
            // Also bounds that lie next to the value.
            let next = [f64::from(value).next_down(), f64::from(value), f64::from(value).next_up()][(nudge + 1) as usize];
            for (end, bound) in [End::Low, End::High].into_iter().flat_map(|end| [(end, bound), (end, next)]) {
                prop_assert_eq!(end.beyond(value, end.single(bound)), end.beyond(f64::from(value), bound), "{:?} {}", end, bound);
            }
        }

        #[test]
        fn the_first_input_beyond_is_told(
            (neurons, rows) in (1usize..200).prop_flat_map(|neurons| {
                (Just(neurons), proptest::collection::vec(proptest::collection::vec(value(), neurons), 1..9))
            }),
            spread in 0.1f64..4.0,
            batch in 1usize..5,
        ) {
            let bounds: Vec<f64> = (0..neurons).map(|neuron| ((neuron * 7919 % 13) as f64 - 4.0) / 8.0 * spread).collect();
            for end in [End::Low, End::High] {
                let of_neurons = NeuronBounds::new(end, bounds.iter().copied());
                let mut coverage = [false, true].map(|_| Coverage::of_layers([neurons]).swap_remove(0));
                for (index, rows) in rows.chunks(batch).enumerate() {
                    let single = LayerBatch::units(rows.len(), rows.concat());
                    let double = LayerBatch::channels(rows.len(), rows.iter().flatten().copied().map(f64::from).collect());
                    for (batch_of, coverage) in [single, double].iter().zip(&mut coverage) {
                        mark_beyond(&batch_of.values(0, index * batch), &of_neurons, coverage);
                        coverage.end_batch(index * batch);
                    }
                }
                let expected = plain(&rows.concat(), &bounds, end);
                for coverage in &coverage {
                    prop_assert_eq!(coverage.firsts(), Some(&expected[..]));
                }
            }
        }
    }
}
