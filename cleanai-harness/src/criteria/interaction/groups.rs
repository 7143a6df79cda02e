//! Inputs grouped by the signs of a layer, and the groups that differ in a single sign.

use std::ops::Range;

use rayon::prelude::*;

use super::signs::{Signs, ones};

/// Inputs with equal signs, group by group. Groups are numbered in the order of their first inputs.
#[derive(Debug)]
pub(super) struct Groups {
    /// The inputs, those of one group together.
    pub(super) order: Vec<u32>,
    /// Where each group begins in the order, and in the end its length.
    starts: Vec<usize>,
}

/// Two groups that differ in the sign of one neuron alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Neighbours {
    pub(super) neuron: usize,
    pub(super) groups: (usize, usize),
}

/// A number without pattern for each neuron; a row's hash is the exclusive or of those whose bits are set, so that one that differs in
/// one bit has a hash known without looking at the row.
fn key(neuron: usize) -> u64 {
    let mut state = (neuron as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

fn hash(row: &[u64]) -> u64 {
    ones(row).fold(0, |hash, neuron| hash ^ key(neuron))
}

/// Numbers of groups by hash, with linear probing.
struct Table {
    slots: Vec<u32>,
    /// The hash of each group.
    hashes: Vec<u64>,
}

/// A slot without a group.
const FREE: u32 = u32::MAX;

impl Table {
    fn for_rows(count: usize) -> Self {
        Self { slots: vec![FREE; (2 * count).next_power_of_two().max(2)], hashes: Vec::new() }
    }

    /// The group of this hash that passes the test, or the slot where it would be.
    fn find(&self, hash: u64, is_it: impl Fn(usize) -> bool) -> Result<usize, usize> {
        let last = self.slots.len() - 1;
        let mut slot = hash as usize & last;
        loop {
            match self.slots[slot] {
                FREE => return Err(slot),
                group if self.hashes[group as usize] == hash && is_it(group as usize) => return Ok(group as usize),
                _ => slot = (slot + 1) & last,
            }
        }
    }
}

impl Groups {
    /// Groups the rows, and finds the groups that differ in one sign if `neighbours` is set.
    pub(super) fn of(signs: &Signs, inputs: usize, neurons: usize, neighbours: bool) -> (Self, Vec<Neighbours>) {
        let mut table = Table::for_rows(inputs);
        // The first input of each group, and the group of each input.
        let mut firsts: Vec<u32> = Vec::new();
        let mut group_of: Vec<u32> = Vec::with_capacity(inputs);
        for input in 0..inputs {
            let row = signs.row(input);
            let hash = hash(row);
            let group = table.find(hash, |group| signs.row(firsts[group] as usize) == row).unwrap_or_else(|slot| {
                table.slots[slot] = firsts.len() as u32;
                table.hashes.push(hash);
                firsts.push(input as u32);
                firsts.len() - 1
            });
            group_of.push(group as u32);
        }
        let found = if neighbours { neighbours_of(signs, &table, &firsts, neurons) } else { Vec::new() };
        (Self::ordered(&group_of, firsts.len()), found)
    }

    fn ordered(group_of: &[u32], count: usize) -> Self {
        let mut starts = vec![0; count + 1];
        group_of.iter().for_each(|group| starts[*group as usize + 1] += 1);
        for group in 0..count {
            starts[group + 1] += starts[group];
        }
        let (mut next, mut order) = (starts.clone(), vec![0; group_of.len()]);
        for (input, group) in group_of.iter().enumerate() {
            order[next[*group as usize]] = input as u32;
            next[*group as usize] += 1;
        }
        Self { order, starts }
    }

    pub(super) fn count(&self) -> usize {
        self.starts.len() - 1
    }

    /// Places of a group's inputs in the order.
    pub(super) fn places(&self, group: usize) -> Range<usize> {
        self.starts[group]..self.starts[group + 1]
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = Range<usize>> {
        (0..self.count()).map(|group| self.places(group))
    }
}

fn neighbours_of(signs: &Signs, table: &Table, firsts: &[u32], neurons: usize) -> Vec<Neighbours> {
    let row_of = |group: usize| signs.row(firsts[group] as usize);
    let keys: Vec<u64> = (0..neurons).map(key).collect();
    let of_group = |group: usize| {
        let row = row_of(group);
        let keys = &keys;
        // Each two are found once, from the one whose sign is not set.
        (0..neurons).filter(move |neuron| row[neuron / 64] >> (neuron % 64) & 1 == 0).filter_map(move |neuron| {
            let flipped = |other: usize| {
                let at = neuron / 64;
                let other = row_of(other);
                other[at] == row[at] | 1 << (neuron % 64)
                    && other[..at] == row[..at]
                    && other[at + 1..] == row[at + 1..]
            };
            let other = table.find(table.hashes[group] ^ keys[neuron], flipped).ok()?;
            Some(Neighbours { neuron, groups: (group, other) })
        })
    };
    (0..firsts.len()).into_par_iter().flat_map_iter(of_group).collect()
}
