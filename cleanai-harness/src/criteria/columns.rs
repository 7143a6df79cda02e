//! Largest and smallest value of every neuron of a batch, a block of neurons at a time.

use rayon::prelude::*;

use super::bit_set::BitSet;

/// Work on fewer values than this is not worth spreading over threads.
pub(crate) const PARALLEL_FROM: usize = 100_000;

/// Neurons handled together: their maxima stay in the first-level cache while the inputs stream past.
const BLOCK: usize = 512;
const WORDS: usize = BLOCK / 64;

/// Which end of a neuron's values decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extreme {
    Largest,
    Smallest,
}

/// Marks every neuron whose extreme value over the batch passes `test(neuron, value)`.
///
/// `values` is row-major, one row of `neurons` values per input. NaN is passed over; the test of a neuron that has
/// nothing else sees the infinity no value is beyond, and must fail then.
pub(crate) fn mark(
    values: &[f64],
    neurons: usize,
    extreme: Extreme,
    marked: &mut BitSet,
    test: impl Fn(usize, f64) -> bool + Sync,
) {
    if values.is_empty() || neurons == 0 {
        return;
    }
    let block = |(index, words): (usize, &mut [u64])| {
        if words.iter().all(|word| *word == u64::MAX) {
            return;
        }
        let first = index * BLOCK;
        let width = BLOCK.min(neurons - first);
        let mut found = [0.0; BLOCK];
        let found = &mut found[..width];
        match extreme {
            Extreme::Largest => {
                found.fill(f64::NEG_INFINITY);
                for row in values.chunks_exact(neurons) {
                    for (found, &value) in found.iter_mut().zip(&row[first..first + width]) {
                        *found = if value > *found { value } else { *found };
                    }
                }
            }
            Extreme::Smallest => {
                found.fill(f64::INFINITY);
                for row in values.chunks_exact(neurons) {
                    for (found, &value) in found.iter_mut().zip(&row[first..first + width]) {
                        *found = if value < *found { value } else { *found };
                    }
                }
            }
        }
        for (offset, value) in found.iter().enumerate() {
            words[offset / 64] |= u64::from(test(first + offset, *value)) << (offset % 64);
        }
    };
    let words = marked.words_mut();
    if values.len() < PARALLEL_FROM {
        words.chunks_mut(WORDS).enumerate().for_each(block);
    } else {
        words.par_chunks_mut(WORDS).enumerate().for_each(block);
    }
}
