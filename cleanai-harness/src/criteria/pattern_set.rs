//! A set of byte patterns of one length, numbered in the order they came.

use std::hash::{DefaultHasher, Hasher};

/// Distinct patterns, held exactly, one after the other: large test sets make millions of them, and a boxed pattern
/// each would cost several times its bytes.
#[derive(Debug, Clone)]
pub(crate) struct PatternSet {
    /// Bytes per pattern.
    width: usize,
    count: usize,
    /// `count * width` bytes, in the order of arrival.
    patterns: Vec<u8>,
    /// Numbers of patterns by hash, with linear probing; [`FREE`] where there is none.
    slots: Vec<u32>,
}

const FREE: u32 = u32::MAX;

impl PatternSet {
    pub(crate) fn new(width: usize) -> Self {
        Self { width, count: 0, patterns: Vec::new(), slots: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The pattern of this number.
    pub(crate) fn pattern(&self, number: usize) -> &[u8] {
        &self.patterns[number * self.width..(number + 1) * self.width]
    }

    /// How many patterns there are, and all of them one after the other in the order of arrival.
    pub(crate) fn contents(&self) -> (usize, &[u8]) {
        (self.count, &self.patterns)
    }

    /// Puts in what [`PatternSet::contents`] gave; whether these are distinct patterns of the right width.
    pub(crate) fn fill(&mut self, count: usize, contents: &[u8]) -> bool {
        if self.width == 0 {
            (0..count.min(1)).for_each(|_| _ = self.insert(&[]));
            return count <= 1 && contents.is_empty();
        }
        count.checked_mul(self.width) == Some(contents.len())
            && contents.chunks_exact(self.width).enumerate().all(|(at, pattern)| self.insert(pattern) as usize == at)
    }

    /// The number of `pattern`, which is put in if it is new.
    ///
    /// # Panics
    /// If the pattern has another width, or at 2^32 - 1 patterns (more than memory holds).
    pub(crate) fn insert(&mut self, pattern: &[u8]) -> u32 {
        assert_eq!(pattern.len(), self.width);
        if (self.count + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        let mut slot = self.first_slot(pattern);
        loop {
            match self.slots[slot] {
                FREE => break,
                number if self.pattern(number as usize) == pattern => return number,
                _ => slot = (slot + 1) & (self.slots.len() - 1),
            }
        }
        let number =
            u32::try_from(self.count).ok().filter(|number| *number != FREE).expect("fewer than 2^32 - 1 patterns");
        self.slots[slot] = number;
        self.patterns.extend_from_slice(pattern);
        self.count += 1;
        number
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(16);
        self.slots.clear();
        self.slots.resize(size, FREE);
        for number in 0..self.count {
            let mut slot = self.first_slot(self.pattern(number));
            while self.slots[slot] != FREE {
                slot = (slot + 1) & (size - 1);
            }
            self.slots[slot] = number as u32;
        }
    }

    fn first_slot(&self, pattern: &[u8]) -> usize {
        let mut hasher = DefaultHasher::new();
        hasher.write(pattern);
        hasher.finish() as usize & (self.slots.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn numbers_in_order_of_arrival() {
        let mut set = PatternSet::new(4);
        let mut plain = HashMap::new();
        for step in 0..20_000u32 {
            let pattern = (step % 7_000).wrapping_mul(2_654_435_761).to_le_bytes();
            let next = plain.len() as u32;
            let expected = *plain.entry(pattern).or_insert(next);
            assert_eq!(set.insert(&pattern), expected);
            assert_eq!(set.pattern(expected as usize), pattern);
        }
        assert_eq!(set.len(), plain.len());
        assert_eq!(set.len(), 7_000);
    }

    #[test]
    fn holds_one_empty_pattern() {
        let mut set = PatternSet::new(0);
        assert_eq!((set.insert(&[]), set.insert(&[]), set.len()), (0, 0, 1));
    }
}
