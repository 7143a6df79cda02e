//! What a layer's inputs have covered, and which input came first.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::bit_set::BitSet;
use super::{Contribution, CoveredNeurons};

/// Work on fewer values than this is not worth spreading over threads.
pub(crate) const PARALLEL_FROM: usize = 100_000;

/// The first cover of an item: a neuron, a corner, a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct FirstCover {
    /// Index of the input in the data set.
    pub input: u32,
    /// Index of the item within the layer.
    pub item: u32,
}

/// The covered items of one layer. Two of them are equal if the same items are covered, each by the same input first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Coverage {
    covered: BitSet,
    /// Who covered what first, in the order of the data; nothing where a criterion has too many items to keep that.
    firsts: Option<Vec<FirstCover>>,
}

/// Above this many items, over all layers, a criterion only counts them: the first covers take 8 bytes an item.
const MOST_FIRSTS: u64 = 1 << 25;

impl Coverage {
    /// Nothing covered of layers that have this many items each.
    pub(crate) fn of_layers(items: impl IntoIterator<Item = usize>) -> Vec<Self> {
        let items: Vec<usize> = items.into_iter().collect();
        let all: u64 = items.iter().map(|items| *items as u64).sum();
        let firsts = (all <= MOST_FIRSTS).then(Vec::new);
        items.into_iter().map(|items| Self { covered: BitSet::new(items), firsts: firsts.clone() }).collect()
    }

    /// How many items there are.
    pub(crate) fn items(&self) -> usize {
        self.covered.length()
    }

    /// How many are covered.
    pub(crate) fn count(&self) -> u64 {
        self.covered.count()
    }

    /// The bits, 64 to a word, the lowest first.
    pub(crate) fn words(&self) -> &[u64] {
        self.covered.words()
    }

    /// Whether all are.
    pub(crate) fn is_full(&self) -> bool {
        self.covered.is_full()
    }

    /// Whether this item is covered.
    pub(crate) fn has(&self, item: usize) -> bool {
        self.covered.has(item)
    }

    /// Who covered what first; nothing where it is not kept.
    pub(crate) fn firsts(&self) -> Option<&[FirstCover]> {
        self.firsts.as_deref()
    }

    /// Forgets who covered what first, and notes it no more.
    pub(crate) fn count_only(&mut self) {
        self.firsts = None;
    }

    /// Covers an item. Inputs come in order; of one batch in any.
    pub(crate) fn insert(&mut self, item: usize, input: usize) {
        if self.covered.insert(item) {
            self.note([FirstCover { input: input as u32, item: item as u32 }]);
        }
    }

    fn note(&mut self, firsts: impl IntoIterator<Item = FirstCover>) {
        if let Some(own) = &mut self.firsts {
            own.extend(firsts);
        }
    }

    /// The bits of blocks of `block` items (a multiple of 64) are handed to `work` in any order, which gives back what is new.
    pub(crate) fn in_blocks(
        &mut self,
        block: usize,
        parallel: bool,
        work: impl Fn(usize, &mut [u64], &mut Vec<FirstCover>) + Sync,
    ) {
        debug_assert!(block.is_multiple_of(64));
        let keep = self.firsts.is_some();
        let words = self.covered.words_mut();
        let one = |(index, words): (usize, &mut [u64]), mut found: Vec<FirstCover>| {
            work(index, words, &mut found);
            if !keep {
                found.clear();
            }
            found
        };
        let found = if parallel {
            let parts = words.par_chunks_mut(block / 64).enumerate();
            parts.fold(Vec::new, |found, part| one(part, found)).reduce(Vec::new, |mut left, mut right| {
                left.append(&mut right);
                left
            })
        } else {
            words.chunks_mut(block / 64).enumerate().fold(Vec::new(), |found, part| one(part, found))
        };
        self.note(found);
    }

    /// Ends a batch: what it covered gets the order of the data, whatever the order of the work was.
    pub(crate) fn end_batch(&mut self, first: usize) {
        if let Some(own) = &mut self.firsts {
            let start = own.partition_point(|cover| (cover.input as usize) < first);
            order(&mut own[start..]);
        }
    }

    /// Takes in the coverage of other inputs; which of the two came first makes no difference.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.covered.union_with(&other.covered);
        let (Some(own), Some(others)) = (&mut self.firsts, &other.firsts) else {
            self.firsts = None;
            return;
        };
        own.extend(others);
        own.sort_unstable_by_key(|cover| (cover.item, cover.input));
        own.dedup_by_key(|cover| cover.item);
        own.sort_unstable();
    }

    /// Moves out what is covered, as numbers from `start` on; nothing is then. Gives where the numbers of the next layer start.
    fn take(&mut self, start: u64, taken: &mut Vec<u64>) -> u64 {
        let covered = &mut self.covered;
        match &mut self.firsts {
            Some(firsts) => firsts.drain(..).for_each(|cover| {
                covered.remove(cover.item as usize);
                taken.push(start + u64::from(cover.item));
            }),
            None => covered.drain(|item| taken.push(start + item as u64)),
        }
        start + self.items() as u64
    }

    /// Adds what is covered to a table of the layer's neurons, each of which has as many items in a row.
    fn add_to(&self, table: &mut CoveredNeurons) {
        let neurons = table.covered.len();
        let stride = self.items().checked_div(neurons).unwrap_or(0);
        if stride == 0 {
            return;
        }
        if stride.is_multiple_of(64) {
            let words = self.words().chunks_exact(stride / 64);
            for (covered, words) in table.covered.iter_mut().zip(words) {
                *covered += words.iter().map(|word| word.count_ones()).sum::<u32>();
            }
        } else {
            (0..self.items()).filter(|item| self.has(*item)).for_each(|item| table.covered[item / stride] += 1);
        }
        for cover in self.firsts.iter().flatten() {
            let first = &mut table.first[cover.item as usize / stride];
            *first = Some(first.map_or(cover.input, |other: u32| other.min(cover.input)));
        }
    }

    /// Whether this could be the coverage of so many items: bits and first covers agree. For what was read from a file.
    pub(crate) fn is_sound(&self, items: usize) -> bool {
        self.covered.is_sound(items)
            && self.firsts.as_ref().is_none_or(|firsts| {
                let mut seen = BitSet::new(items);
                firsts.is_sorted()
                    && firsts.iter().all(|cover| (cover.item as usize) < items && seen.insert(cover.item as usize))
                    && seen == self.covered
            })
    }
}

/// No batch has more inputs.
const LARGEST_BATCH: usize = 1 << 16;

/// Sorts the first covers of one batch: by counting the inputs, whose items are as good as always in order already.
fn order(covers: &mut [FirstCover]) {
    if covers.is_sorted() {
        return;
    }
    let ends =
        covers.iter().fold((u32::MAX, 0), |(first, last), cover| (first.min(cover.input), last.max(cover.input)));
    let (first, last) = ends;
    let span = (last - first) as usize;
    if span > LARGEST_BATCH {
        // What was read from a file may name any input.
        covers.sort_unstable();
        return;
    }
    let mut starts = vec![0; span + 2];
    covers.iter().for_each(|cover| starts[(cover.input - first) as usize + 1] += 1);
    for at in 1..starts.len() {
        starts[at] += starts[at - 1];
    }
    let mut sorted = covers.to_vec();
    let mut next = starts.clone();
    for cover in &*covers {
        let place = &mut next[(cover.input - first) as usize];
        sorted[*place] = *cover;
        *place += 1;
    }
    for ends in starts.windows(2) {
        let of_input = &mut sorted[ends[0]..ends[1]];
        if !of_input.is_sorted() {
            of_input.sort_unstable();
        }
    }
    covers.copy_from_slice(&sorted);
}

/// Moves out what is covered of all layers, numbered through.
pub(crate) fn take_covered<'a>(coverage: impl IntoIterator<Item = &'a mut Coverage>) -> Vec<u64> {
    let mut taken = Vec::new();
    coverage.into_iter().fold(0, |start, layer| layer.take(start, &mut taken));
    taken
}

/// How many items each input was the first to cover, in the order of the data; inputs that covered nothing new are left out. Nothing where
/// first covers are not kept.
pub(crate) fn contributions<'a>(coverage: impl IntoIterator<Item = &'a Coverage>) -> Vec<Contribution> {
    let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
    for coverage in coverage {
        let Some(firsts) = &coverage.firsts else { return Vec::new() };
        // They are in the order of the data, so those of an input lie together.
        for of_input in firsts.chunk_by(|left, right| left.input == right.input) {
            *counts.entry(of_input[0].input).or_default() += of_input.len() as u64;
        }
    }
    counts.into_iter().map(|(input, covered)| Contribution { input: input.into(), covered }).collect()
}

/// Neurons, over all layers, of which it is told which are covered; of more only how many.
const MOST_NEURONS: usize = 1 << 16;

/// Which neurons of each layer are covered, of layers that have so many; several coverages of one layer add up. Nothing where there are too many.
pub(crate) fn covered_neurons(neurons: &[usize], coverage: &[&[Coverage]]) -> Vec<CoveredNeurons> {
    if neurons.iter().sum::<usize>() > MOST_NEURONS {
        return Vec::new();
    }
    let table = |(layer, neurons): (usize, &usize)| {
        let mut table = CoveredNeurons { covered: vec![0; *neurons], first: vec![None; *neurons] };
        coverage.iter().filter_map(|layers| layers.get(layer)).for_each(|coverage| coverage.add_to(&mut table));
        table
    };
    neurons.iter().enumerate().map(table).collect()
}
