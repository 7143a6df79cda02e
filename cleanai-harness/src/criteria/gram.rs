//! Sums of products of every two neurons of a layer, gathered in the order of the inputs.
//!
//! Every entry is the plain sum over the rows, one after the other, so it depends on the rows alone. What makes it fast is that 64 rows
//! are kept until a tile of the matrix is read: each tile then passes through the processor's registers once for all of them.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::vectorise::vectorised;

/// Rows that are added at once.
pub(super) const ROWS: usize = 64;

/// Neurons along a side of a tile.
const SIDE: usize = 16;

/// Products fewer than this are not worth spreading over threads.
const PARALLEL_FROM: usize = 1 << 21;

/// One line of a tile.
type Line = [f64; SIDE];

type Tile = [Line; SIDE];

/// The upper triangle of the matrix of sums, as tiles, those of the first neurons first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Gram {
    tiles: Vec<Tile>,
}

/// Tiles from the diagonal of this many neurons up.
fn tiles_of(neurons: usize) -> usize {
    let blocks = neurons.div_ceil(SIDE);
    blocks * (blocks + 1) / 2
}

impl Gram {
    /// All zeros.
    pub(super) fn new(neurons: usize) -> Self {
        Self { tiles: vec![[[0.0; SIDE]; SIDE]; tiles_of(neurons)] }
    }

    /// Bytes held for a layer.
    pub(super) fn bytes(neurons: usize) -> u128 {
        let blocks = neurons.div_ceil(SIDE) as u128;
        blocks * (blocks + 1) / 2 * size_of::<Tile>() as u128
    }

    /// Whether this could be the matrix of so many neurons; for what was read from a file.
    pub(super) fn is_sound(&self, neurons: usize) -> bool {
        self.tiles.len() == tiles_of(neurons)
            && self.tiles.as_flattened().as_flattened().iter().all(|sum| sum.is_finite())
    }

    /// Adds the products of these rows, at most [`ROWS`] of them.
    pub(super) fn add(&mut self, rows: &[f64], neurons: usize) {
        let panels = Panels::of(rows, neurons);
        let mut rest = self.tiles.as_mut_slice();
        let mut bands = Vec::with_capacity(panels.blocks.len());
        for first in 0..panels.blocks.len() {
            let (band, below) = rest.split_at_mut(panels.blocks.len() - first);
            bands.push((first, band));
            rest = below;
        }
        let add = |(first, band): (usize, &mut [Tile])| {
            for (tile, right) in band.iter_mut().zip(&panels.blocks[first..]) {
                add_products(tile, &panels.blocks[first], right);
            }
        };
        if rows.len().saturating_mul(neurons) < PARALLEL_FROM {
            bands.into_iter().for_each(add);
        } else {
            bands.into_par_iter().for_each(add);
        }
    }

    /// The whole matrix, row-major.
    pub(super) fn matrix(&self, neurons: usize) -> Vec<f64> {
        let blocks = neurons.div_ceil(SIDE);
        let mut matrix = vec![0.0; neurons * neurons];
        let places = (0..blocks).flat_map(|first| (first..blocks).map(move |second| (first, second)));
        for (tile, (first, second)) in self.tiles.iter().zip(places) {
            for (one, line) in (first * SIDE..neurons).zip(tile) {
                for (other, entry) in (second * SIDE..neurons).zip(line) {
                    matrix[one * neurons + other] = *entry;
                    matrix[other * neurons + one] = *entry;
                }
            }
        }
        matrix
    }

    /// The sum of `value(neuron, other, entry)` over the whole matrix, of which `value` is asked for one half. The products of `rows` count
    /// as added, but are not kept.
    pub(super) fn fold(&self, rows: &[f64], neurons: usize, value: impl Fn(usize, usize, f64) -> f64 + Sync) -> f64 {
        let panels = Panels::of(rows, neurons);
        let blocks = neurons.div_ceil(SIDE);
        // One sum per band, added up in order: threads make no difference.
        let band = |first: usize| {
            let above = first * blocks - first * first.saturating_sub(1) / 2;
            let mut sum = 0.0;
            for second in first..blocks {
                let mut tile = self.tiles[above + second - first];
                if let (Some(left), Some(right)) = (panels.blocks.get(first), panels.blocks.get(second)) {
                    add_products(&mut tile, left, right);
                }
                for (row, line) in tile.iter().enumerate() {
                    let one = first * SIDE + row;
                    for (column, entry) in line.iter().enumerate() {
                        let other = second * SIDE + column;
                        if one < neurons && other < neurons && one <= other {
                            let entry = value(one, other, *entry);
                            sum += if one == other { entry } else { 2.0 * entry };
                        }
                    }
                }
            }
            sum
        };
        (0..blocks).into_par_iter().map(band).collect::<Vec<_>>().into_iter().sum()
    }
}

/// Rows cut into blocks of neurons that lie together; what lacks in the last block is zero.
struct Panels {
    blocks: Vec<Vec<Line>>,
}

impl Panels {
    fn of(rows: &[f64], neurons: usize) -> Self {
        let block = |first: usize| {
            let line = |row: &[f64]| {
                let part = &row[first..neurons.min(first + SIDE)];
                let mut line = [0.0; SIDE];
                line[..part.len()].copy_from_slice(part);
                line
            };
            rows.chunks_exact(neurons).map(line).collect()
        };
        Self { blocks: (0..neurons).step_by(SIDE).map(block).collect() }
    }
}

#[inline(always)]
fn plus_product(sums: Line, factor: f64, line: &Line) -> Line {
    let mut next = sums;
    for (next, value) in next.iter_mut().zip(line) {
        *next += factor * value;
    }
    next
}

vectorised! {
    /// Adds the products of every neuron of `left` with every one of `right`, row after row.
    fn add_products(tile: &mut Tile, left: &[Line], right: &[Line]) {
        // Four lines at a time stay in registers; so written out because arrays of lines would not.
        for first in (0..SIDE).step_by(4) {
            let (mut a, mut b, mut c, mut d) = (tile[first], tile[first + 1], tile[first + 2], tile[first + 3]);
            for (left, right) in left.iter().zip(right) {
                a = plus_product(a, left[first], right);
                b = plus_product(b, left[first + 1], right);
                c = plus_product(c, left[first + 2], right);
                d = plus_product(d, left[first + 3], right);
            }
            (tile[first], tile[first + 1], tile[first + 2], tile[first + 3]) = (a, b, c, d);
        }
    }
}
