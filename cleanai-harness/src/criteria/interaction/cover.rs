//! Which pairs of neurons two adjacent layers' inputs cover, all inputs compared with all without looking at every two of them.
//!
//! `v1 - v2` in f64 never grows as `v1` falls or `v2` rises, rounding included: some two values of two sets differ by more than a distance
//! exactly if the largest of one and the smallest of the other do. So extremes stand for sets.

use rayon::prelude::*;

use super::groups::{Groups, Neighbours};
use super::signs::{Signs, ones};
use crate::vectorise::vectorised;

/// Neurons handled together.
const SIDE: usize = 16;

/// The values of up to [`SIDE`] neurons for one input; NaN where there are fewer.
type Line = [f64; SIDE];

/// The values of a layer in blocks of neurons, the inputs of each in the order of the groups.
pub(super) struct Columns {
    blocks: Vec<Vec<Line>>,
    /// What counts as a change of each neuron.
    distances: Vec<Line>,
}

impl Columns {
    pub(super) fn of(rows: &[f64], distances: &[f64], groups: &Groups) -> Self {
        let neurons = distances.len();
        let line = |row: &[f64], first: usize| {
            let part = &row[first..neurons.min(first + SIDE)];
            let mut line = [f64::NAN; SIDE];
            line[..part.len()].copy_from_slice(part);
            line
        };
        let block = |block: usize| {
            let row = |input: &u32| &rows[*input as usize * neurons..(*input as usize + 1) * neurons];
            groups.order.iter().map(|input| line(row(input), block * SIDE)).collect()
        };
        let blocks = neurons.div_ceil(SIDE);
        Self {
            blocks: (0..blocks).into_par_iter().map(block).collect(),
            distances: (0..blocks).map(|block| line(distances, block * SIDE)).collect(),
        }
    }
}

/// Smallest and largest values; infinities where there are none, which differ from nothing.
#[derive(Debug, Clone, Copy)]
struct Extremes {
    low: Line,
    high: Line,
}

impl Extremes {
    const NONE: Self = Self { low: [f64::INFINITY; SIDE], high: [f64::NEG_INFINITY; SIDE] };

    #[inline(always)]
    fn take(&mut self, line: &Line) {
        for ((low, high), &value) in self.low.iter_mut().zip(&mut self.high).zip(line) {
            *low = if value < *low { value } else { *low };
            *high = if value > *high { value } else { *high };
        }
    }
}

/// Extremes of the values above 0 and of the others.
#[derive(Debug, Clone, Copy)]
struct BySign {
    above: Extremes,
    below: Extremes,
}

impl BySign {
    const NONE: Self = Self { above: Extremes::NONE, below: Extremes::NONE };

    #[inline(always)]
    fn take(&mut self, line: &Line) {
        let mut above = *line;
        let mut below = *line;
        for ((above, below), &value) in above.iter_mut().zip(&mut below).zip(line) {
            *above = if value > 0.0 { value } else { f64::NAN };
            *below = if value > 0.0 { f64::NAN } else { value };
        }
        self.above.take(&above);
        self.below.take(&below);
    }
}

/// A bit per neuron.
#[inline(always)]
fn mask(flags: &[bool; SIDE]) -> u16 {
    flags.iter().rev().fold(0, |mask, flag| mask << 1 | u16::from(*flag))
}

/// Where some value of one and some of the other differ by more than the distance.
#[inline(always)]
fn far(one: &Extremes, other: &Extremes, distance: &Line) -> u16 {
    let mut flags = [false; SIDE];
    for (at, flag) in flags.iter_mut().enumerate() {
        *flag = (one.high[at] - other.low[at] > distance[at]) | (other.high[at] - one.low[at] > distance[at]);
    }
    mask(&flags)
}

vectorised! {
    fn extremes_of(lines: &[Line]) -> Extremes {
        let mut extremes = Extremes::NONE;
        lines.iter().for_each(|line| extremes.take(line));
        extremes
    }
}

vectorised! {
    fn by_sign_of(lines: &[Line]) -> BySign {
        let mut extremes = BySign::NONE;
        lines.iter().for_each(|line| extremes.take(line));
        extremes
    }
}

vectorised! {
    fn far_with_equal_sign(one: &BySign, other: &BySign, distance: &Line) -> u16 {
        far(&one.above, &other.above, distance) | far(&one.below, &other.below, distance)
    }
}

/// Inputs after which it is worth asking whether the answer is there.
const STRETCH: usize = 64;

vectorised! {
    /// Where some value of an input whose bit is set in the column and some of one whose bit is not differ by more than the distance.
    /// The inputs begin at `start` of the column. Stops once all `wanted` are found.
    fn far_across(lines: &[Line], column: &[u64], start: usize, distance: &Line, wanted: u16) -> u16 {
        let mut sides = [Extremes::NONE; 2];
        let mut found = 0;
        for (part, lines) in lines.chunks(STRETCH).enumerate() {
            for (at, line) in lines.iter().enumerate() {
                let place = start + part * STRETCH + at;
                sides[(column[place / 64] >> (place % 64) & 1) as usize].take(line);
            }
            found = far(&sides[0], &sides[1], distance);
            if wanted & !found == 0 {
                break;
            }
        }
        found
    }
}

vectorised! {
    /// Where some value and one of equal sign before it differ by more than the distance; each place of the order may be compared with as
    /// many before it as `reach` says. Stops once all `wanted` are found.
    fn far_within(lines: &[Line], order: &[(f64, u32)], reach: &[u32], distance: &Line, wanted: u16) -> u16 {
        let mut before = BySign::NONE;
        let mut taken = 0;
        let mut flags = [0u64; SIDE];
        let mut found = 0;
        // The first ones reach nothing.
        let from = reach.partition_point(|reach| *reach == 0);
        for (order_part, reach_part) in order[from..].chunks(STRETCH).zip(reach[from..].chunks(STRETCH)) {
            for ((_, place), reach) in order_part.iter().zip(reach_part) {
                while taken < *reach {
                    before.take(&lines[order[taken as usize].1 as usize]);
                    taken += 1;
                }
                let line = &lines[*place as usize];
                for (at, flag) in flags.iter_mut().enumerate() {
                    let (value, above) = (line[at], line[at] > 0.0);
                    let low = if above { before.above.low[at] } else { before.below.low[at] };
                    let high = if above { before.above.high[at] } else { before.below.high[at] };
                    *flag |= u64::from((value - low > distance[at]) | (high - value > distance[at]));
                }
            }
            found = mask(&flags.map(|flag| flag != 0));
            if wanted & !found == 0 {
                break;
            }
        }
        found
    }
}

/// The bits of a block of neurons in a row.
fn block_of(row: &[u64], block: usize) -> u16 {
    (row[block / 4] >> (block % 4 * SIDE)) as u16
}

fn set_block(row: &mut [u64], block: usize, bits: u16) {
    row[block / 4] |= u64::from(bits) << (block % 4 * SIDE);
}

/// The bits of any row of each group, and those of all its rows.
fn summaries(groups: &Groups, signs: &Signs, words: usize) -> (Vec<u64>, Vec<u64>) {
    let (mut any, mut all) = (vec![0; groups.count() * words], vec![u64::MAX; groups.count() * words]);
    for (group, places) in groups.all().enumerate() {
        for place in places {
            for (at, bits) in signs.row(place).iter().enumerate() {
                any[group * words + at] |= bits;
                all[group * words + at] &= bits;
            }
        }
    }
    (any, all)
}

/// `ss`: for each two groups that differ in neuron i alone, the neurons that have both signs in the two of them together. `right` are the
/// signs of the next layer in the order of the groups.
pub(super) fn sign_sign(groups: &Groups, neighbours: &[Neighbours], right: &Signs, bits: &mut [u64], words: usize) {
    let (any, all) = summaries(groups, right, words);
    for Neighbours { neuron, groups: (one, other) } in neighbours {
        let row = &mut bits[neuron * words..(neuron + 1) * words];
        for (at, word) in row.iter_mut().enumerate() {
            let (one, other) = (one * words + at, other * words + at);
            *word |= (any[one] | any[other]) & !(all[one] & all[other]);
        }
    }
}

/// `sv`: for each two groups that differ in neuron i alone, the neurons whose values of equal sign lie far apart between the two.
pub(super) fn sign_value(groups: &Groups, neighbours: &[Neighbours], right: &Columns, bits: &mut [u64], words: usize) {
    let neurons = bits.len() / words;
    let of_block = |(block, lines): (usize, &Vec<Line>)| {
        let extremes: Vec<BySign> = groups.all().map(|places| by_sign_of(&lines[places])).collect();
        let mut found = vec![0u16; neurons];
        for Neighbours { neuron, groups: (one, other) } in neighbours {
            if found[*neuron] != u16::MAX {
                found[*neuron] |= far_with_equal_sign(&extremes[*one], &extremes[*other], &right.distances[block]);
            }
        }
        found
    };
    let found: Vec<Vec<u16>> = right.blocks.par_iter().enumerate().map(of_block).collect();
    for (block, found) in found.iter().enumerate() {
        for (neuron, found) in found.iter().enumerate() {
            set_block(&mut bits[neuron * words..], block, *found);
        }
    }
}

/// `vs`: within each group, the neurons i with values far apart between inputs that differ in the sign of j. `right` are the signs of the
/// next layer in the order of the groups.
pub(super) fn value_sign(groups: &Groups, left: &Columns, right: &Signs, bits: &mut [u64], words: usize) {
    let (any, all) = summaries(groups, right, words);
    let columns = right.columns(groups.order.len());
    let of_block = |(block, rows): (usize, &mut [u64])| {
        let (lines, distance) = (&left.blocks[block], &left.distances[block]);
        for (group, places) in groups.all().enumerate().filter(|(_, places)| places.len() > 1) {
            let lines = &lines[places.clone()];
            let extremes = extremes_of(lines);
            let movable = far(&extremes, &extremes, distance);
            if movable == 0 {
                continue;
            }
            for at in 0..words {
                let mixed = any[group * words + at] & !all[group * words + at];
                for bit in ones(&[mixed]) {
                    let covered = rows.iter().skip(at).step_by(words).enumerate();
                    let covered = covered.fold(0, |covered, (row, word)| covered | ((word >> bit & 1) as u16) << row);
                    let wanted = movable & !covered;
                    if wanted == 0 {
                        continue;
                    }
                    let found = far_across(lines, columns.row(at * 64 + bit), places.start, distance, wanted) & wanted;
                    for row in ones(&[u64::from(found)]) {
                        rows[row * words + at] |= 1 << bit;
                    }
                }
            }
        }
    };
    bits.par_chunks_mut(SIDE * words).enumerate().for_each(of_block);
}

/// `vv`: within each group, the neurons j with values of equal sign far apart between inputs whose values of i are far apart. With the
/// inputs sorted by the value of i, those far below one are the first so many.
pub(super) fn value_value(groups: &Groups, left: &Columns, right: &Columns, bits: &mut [u64], words: usize) {
    // For each block the neurons of each group that move within a sign at all.
    let movable = |(block, lines): (usize, &Vec<Line>)| {
        let distance = &right.distances[block];
        let of_group = |places| {
            let extremes = by_sign_of(&lines[places]);
            far_with_equal_sign(&extremes, &extremes, distance)
        };
        groups.all().map(of_group).collect()
    };
    let movable: Vec<Vec<u16>> = right.blocks.par_iter().enumerate().map(movable).collect();
    let of_neuron = |(sorted, reach): &mut (Vec<(f64, u32)>, Vec<u32>), (neuron, row): (usize, &mut [u64])| {
        let (lines, at) = (&left.blocks[neuron / SIDE], neuron % SIDE);
        let distance = left.distances[neuron / SIDE][at];
        for (group, places) in groups.all().enumerate().filter(|(_, places)| places.len() > 1) {
            let wanted = |block: usize, row: &[u64]| movable[block][group] & !block_of(row, block);
            if (0..movable.len()).all(|block| wanted(block, row) == 0) {
                continue;
            }
            sorted.clear();
            sorted.extend(places.map(|place| (lines[place][at], place as u32)).filter(|(value, _)| !value.is_nan()));
            sorted.sort_unstable_by(|left, right| left.0.total_cmp(&right.0));
            reach_below(sorted, distance, reach);
            if reach.last().is_none_or(|reach| *reach == 0) {
                continue;
            }
            for (block, lines) in right.blocks.iter().enumerate() {
                let wanted = wanted(block, row);
                if wanted != 0 {
                    set_block(row, block, wanted & far_within(lines, sorted, reach, &right.distances[block], wanted));
                }
            }
        }
    };
    bits.par_chunks_mut(words).enumerate().for_each_init(Default::default, of_neuron);
}

/// For each of the sorted values how many lie below it by more than the distance.
fn reach_below(sorted: &[(f64, u32)], distance: f64, reach: &mut Vec<u32>) {
    reach.clear();
    let mut below = 0;
    for (place, (value, _)) in sorted.iter().enumerate() {
        while below < place && *value - sorted[below].0 > distance {
            below += 1;
        }
        reach.push(below as u32);
    }
}
