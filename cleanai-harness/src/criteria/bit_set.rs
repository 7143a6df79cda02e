//! A set of small numbers as bits.

use serde::{Deserialize, Serialize};

use crate::allocator::prefer_large_pages;

/// A set of numbers below a fixed length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BitSet {
    words: Vec<u64>,
    length: usize,
}

impl BitSet {
    /// The empty set of numbers below `length`.
    pub(crate) fn new(length: usize) -> Self {
        let mut words = vec![0; length.div_ceil(64)];
        prefer_large_pages(&mut words);
        Self { words, length }
    }

    /// The numbers are below this.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// Whether `index` is in.
    pub(crate) fn has(&self, index: usize) -> bool {
        self.words[index / 64] >> (index % 64) & 1 == 1
    }

    /// Puts `index` in; gives whether it is new.
    pub(crate) fn insert(&mut self, index: usize) -> bool {
        debug_assert!(index < self.length);
        let (word, bit) = (&mut self.words[index / 64], 1 << (index % 64));
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Whether this is a set of numbers below `length`; for what was read from a file.
    pub(crate) fn is_sound(&self, length: usize) -> bool {
        let rest = length % 64;
        self.length == length
            && self.words.len() == length.div_ceil(64)
            && (rest == 0 || self.words.last().is_none_or(|word| word >> rest == 0))
    }

    /// Takes `index` out.
    pub(crate) fn remove(&mut self, index: usize) {
        self.words[index / 64] &= !(1 << (index % 64));
    }

    /// Takes all out, each handed to `each` in order.
    pub(crate) fn drain(&mut self, mut each: impl FnMut(usize)) {
        for (at, word) in self.words.iter_mut().enumerate().filter(|(_, word)| **word != 0) {
            let mut bits = std::mem::take(word);
            while bits != 0 {
                each(at * 64 + bits.trailing_zeros() as usize);
                bits &= bits - 1;
            }
        }
    }

    /// How many are in.
    pub(crate) fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Whether all are in.
    pub(crate) fn is_full(&self) -> bool {
        let whole = self.length / 64;
        let rest = self.length % 64;
        self.words[..whole].iter().all(|word| *word == u64::MAX) && (rest == 0 || self.words[whole] == (1 << rest) - 1)
    }

    /// Puts in all of `other`, which has the same length.
    pub(crate) fn union_with(&mut self, other: &Self) {
        debug_assert_eq!(self.length, other.length);
        for (word, others) in self.words.iter_mut().zip(&other.words) {
            *word |= others;
        }
    }

    /// The bits, 64 to a word, the lowest first.
    pub(crate) fn words(&self) -> &[u64] {
        &self.words
    }

    /// The same to be changed; bits past the length stay zero.
    pub(crate) fn words_mut(&mut self) -> &mut [u64] {
        &mut self.words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_fills() {
        for length in [0, 1, 63, 64, 65, 128, 200] {
            let mut set = BitSet::new(length);
            assert_eq!((set.count(), set.is_full()), (0, length == 0));
            for index in 0..length {
                assert!(!set.is_full());
                assert!(set.insert(index));
                assert!(!set.insert(index));
                assert_eq!(set.count(), index as u64 + 1);
            }
            assert!(set.is_full());
        }
    }

    #[test]
    fn is_emptied() {
        let mut set = BitSet::new(200);
        [0, 63, 64, 199].iter().for_each(|index| _ = set.insert(*index));
        set.remove(63);
        assert!(!set.has(63) && set.has(64));
        let mut taken = Vec::new();
        set.drain(|index| taken.push(index));
        assert_eq!((taken, set), (vec![0, 64, 199], BitSet::new(200)));
    }

    #[test]
    fn unites() {
        let (mut left, mut right) = (BitSet::new(100), BitSet::new(100));
        left.insert(3);
        left.insert(99);
        right.insert(3);
        right.insert(64);
        left.union_with(&right);
        assert_eq!(left.count(), 3);
    }
}
