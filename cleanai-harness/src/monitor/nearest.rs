//! The traces of a class themselves, and the distance to the nearest of them: `knn`.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::signature::{ClassSignature, Etas, Members, Signature};
use crate::vectorise::vectorised;

/// The trusted traces of a class, one row after the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Traces {
    rows: Vec<f32>,
    count: usize,
}

/// Inputs that are compared with the same traces while these are in the cache.
const TILE: usize = 16;

/// Values of traces that stay in the cache meanwhile.
const BLOCK: usize = 1 << 15;

/// Neurons after which a distance is compared with the nearest so far.
const PART: usize = 64;

impl Traces {
    /// The traces, and for each member the distance to its k-th nearest other.
    pub fn build(class: Members<'_>, neighbours: usize) -> (Self, Vec<f64>) {
        let mut rows = Vec::with_capacity(class.members.len() * class.neurons());
        for member in class.members {
            class.layers(*member).for_each(|(_, values)| rows.extend_from_slice(values));
        }
        let own = Self { rows, count: class.members.len() };
        let members: Vec<usize> = (0..own.count).collect();
        let neurons = class.neurons();
        let tiles = members.par_chunks(TILE).map(|tile| {
            let queries: Vec<Query<'_>> =
                tile.iter().map(|member| Query { row: own.row(*member, neurons), but: Some(*member) }).collect();
            own.nearest(&queries, neurons, neighbours)
        });
        let found: Vec<Vec<Found>> = tiles.collect();
        let eta = found.into_iter().flatten().map(|found| found.distance()).collect();
        (own, eta)
    }

    fn row(&self, at: usize, neurons: usize) -> &[f32] {
        &self.rows[at * neurons..(at + 1) * neurons]
    }

    /// The k-th nearest trace of each query.
    fn nearest(&self, queries: &[Query<'_>], neurons: usize, neighbours: usize) -> Vec<Found> {
        let mut best: Vec<Vec<Found>> = vec![Vec::with_capacity(neighbours.min(self.count) + 1); queries.len()];
        let block = (BLOCK / neurons.max(1)).max(1);
        for first in (0..self.count).step_by(block) {
            for (query, best) in queries.iter().zip(&mut best) {
                for at in first..self.count.min(first + block) {
                    if query.but == Some(at) {
                        continue;
                    }
                    let bound = if best.len() < neighbours { f64::INFINITY } else { best[neighbours - 1].squared };
                    let squared = squared_distance(query.row, self.row(at, neurons), bound);
                    // Of equals the earlier stays; what is no number is infinitely far.
                    let squared = if squared.is_nan() { f64::INFINITY } else { squared };
                    if best.len() < neighbours || squared < bound {
                        best.truncate(neighbours - 1);
                        let place = best.partition_point(|other| other.squared <= squared);
                        best.insert(place, Found { squared, at: Some(at) });
                    }
                }
            }
        }
        let kth = |best: Vec<Found>| best.get(neighbours - 1).copied().unwrap_or(Found::NONE);
        best.into_iter().map(kth).collect()
    }

    pub fn is_sound(&self, neurons: usize) -> bool {
        self.count > 0 && neurons.checked_mul(self.count) == Some(self.rows.len())
    }
}

struct Query<'a> {
    row: &'a [f32],
    /// The trace it is not compared with: itself.
    but: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
struct Found {
    squared: f64,
    at: Option<usize>,
}

impl Found {
    /// Where there are not as many traces.
    const NONE: Self = Self { squared: f64::INFINITY, at: None };

    fn distance(self) -> f64 {
        self.squared.sqrt()
    }
}

/// The distances of inputs to the traces of their classes.
pub(super) fn etas(signature: &Signature, neighbours: usize, rows: &[f32], classes: &[u32], etas: &mut Etas) {
    let (neurons, layers) = (signature.neurons(), signature.layers());
    let mut of_class: Vec<usize> = (0..classes.len()).collect();
    of_class.sort_by_key(|input| classes[*input]);
    let tiles: Vec<&[usize]> =
        of_class.chunk_by(|one, next| classes[*one] == classes[*next]).flat_map(|group| group.chunks(TILE)).collect();
    let row = |input: usize| &rows[input * neurons..(input + 1) * neurons];
    let judged = tiles.par_iter().map(|tile| -> Vec<(usize, f64, Vec<f64>)> {
        let mut costs = vec![0.0; layers];
        let Some(ClassSignature::Nearest(traces)) = signature.class(classes[tile[0]]) else {
            let eta = signature.farthest(&mut costs);
            return tile.iter().map(|input| (*input, eta, costs.clone())).collect();
        };
        let queries: Vec<Query<'_>> = tile.iter().map(|input| Query { row: row(*input), but: None }).collect();
        let found = traces.nearest(&queries, neurons, neighbours);
        let each = tile.iter().zip(found).map(|(input, found)| {
            for (cost, ends) in costs.iter_mut().zip(signature.offsets().windows(2)) {
                *cost = found.at.map_or(f64::INFINITY, |at| {
                    let own = &row(*input)[ends[0]..ends[1]];
                    squared_distance(own, &traces.row(at, neurons)[ends[0]..ends[1]], f64::INFINITY)
                });
            }
            (*input, found.distance(), costs.clone())
        });
        each.collect()
    });
    for (input, eta, costs) in judged.collect::<Vec<_>>().into_iter().flatten() {
        etas.eta[input] = eta;
        etas.layers[input * layers..(input + 1) * layers].copy_from_slice(&costs);
    }
}

vectorised! {
    /// The sum of squared differences in f64, in eight sums of every eighth; where it exceeds the bound, some larger number. Parts are added in one order, and sums
    /// of squares never fall, so what is not larger than the bound is the whole sum.
    fn squared_distance(row: &[f32], other: &[f32], bound: f64) -> f64 {
        let mut whole = 0.0;
        for (row, other) in row.chunks(PART).zip(other.chunks(PART)) {
            let mut sums = [0.0; 8];
            let (rows, rest) = row.as_chunks::<8>();
            let (others, others_rest) = other.as_chunks::<8>();
            for (row, other) in rows.iter().zip(others) {
                for ((sum, value), other) in sums.iter_mut().zip(row).zip(other) {
                    let difference = f64::from(*value) - f64::from(*other);
                    *sum += difference * difference;
                }
            }
            for ((sum, value), other) in sums.iter_mut().zip(rest).zip(others_rest) {
                let difference = f64::from(*value) - f64::from(*other);
                *sum += difference * difference;
            }
            whole += sums.iter().sum::<f64>();
            if whole > bound {
                break;
            }
        }
        whole
    }
}
