//! Which profile traces may be the nearest, by products in f32 whose rounding is bounded.
//!
//! Traces are measured from the profile's mean `c` and scaled by a power of two, both rounded to f32: `q` of the one looked for, `t` of a profile trace. Nearest is
//! the one with the smallest `|t|² / 2 - q·t`. With `u = 2^-24`, `n` neurons and any order of the sum, what is computed differs from the true
//! value of the unrounded traces by less than
//!
//! - `(2u + 3u²) |q||t|` and `(u + u²) |t|²` because `q` and `t` are rounded,
//! - `n u / (1 - n u) |q||t|` for the product (Higham: Accuracy and Stability of Numerical Algorithms, 2nd edition, section 3.1),
//! - `u |t|² / 2` for half the norm, and `u (|t|² / 2 + |q||t|) (1 + ...)` for the difference,
//!
//! and by what underflows. [`rounding`] bounds the sum of them.

use rayon::prelude::*;

use super::classes::ProfileTraces;
use super::covariance::mean_of;
use crate::vectorise::vectorised;

/// Half the distance between 1 and the next number in f32.
const UNIT: f64 = 1.0 / (1u32 << 24) as f64;

/// Values looked at together.
const CHUNK: usize = 64;

/// Candidates that are kept before they are looked at closely.
const MOST_CANDIDATES: usize = 512;

/// From where traces are measured, in which scale, and how long they are.
pub(super) struct Norms {
    origin: Vec<f32>,
    scale: f32,
    /// By profile input: half the squared length.
    half: Vec<f32>,
}

impl Norms {
    pub fn new(traces: &ProfileTraces) -> Self {
        let origin: Vec<f32> = mean_of(traces).into_iter().map(|mean| mean as f32).collect();
        let inputs: Vec<usize> = traces.classes.values().flatten().copied().collect();
        let mut own = Self { origin, scale: 1.0, half: Vec::new() };
        let lengths = own.lengths(traces, &inputs);
        let longest = lengths.iter().map(|(_, length)| *length).fold(0.0, f64::max);
        if longest > 0.0 && longest.is_finite() {
            own.scale = (-longest.log2()).ceil().clamp(-120.0, 120.0).exp2() as f32;
        }
        own.half = vec![0.0; inputs.iter().max().map_or(0, |last| last + 1)];
        for (input, length) in lengths {
            // Powers of two do not round.
            let length = length * f64::from(own.scale);
            own.half[input] = (length * length / 2.0) as f32;
        }
        own
    }

    fn lengths(&self, traces: &ProfileTraces, inputs: &[usize]) -> Vec<(usize, f64)> {
        let of_inputs = |inputs: &[usize]| {
            let mut row = vec![0.0; traces.width()];
            let length = |input: &usize| {
                traces.copy(*input, &mut row);
                self.place(&mut row);
                (*input, length(&row))
            };
            inputs.iter().map(length).collect::<Vec<_>>()
        };
        inputs.par_chunks(256).flat_map_iter(of_inputs).collect()
    }

    /// Measures a trace from the origin, scaled.
    pub fn place(&self, row: &mut [f32]) {
        place(row, &self.origin, self.scale);
    }

    /// Half the squared lengths of profile traces, and the largest length.
    pub fn of(&self, inputs: &[usize], half: &mut Vec<f32>) -> f64 {
        half.clear();
        half.extend(inputs.iter().map(|input| self.half[*input]));
        // One rounding up covers that of the halves.
        (2.0 * f64::from(half.iter().copied().fold(0.0, f32::max).next_up())).sqrt()
    }
}

vectorised! {
    fn place(row: &mut [f32], origin: &[f32], scale: f32) {
        for (value, origin) in row.iter_mut().zip(origin) {
            *value = (*value - origin) * scale;
        }
    }
}

vectorised! {
    /// The length of a row.
    fn length(row: &[f32]) -> f64 {
        let mut sums = [0.0; 8];
        for values in row.chunks(8) {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += f64::from(*value) * f64::from(*value);
            }
        }
        sums.iter().sum::<f64>().sqrt()
    }
}

/// By how much half a squared norm less the product may differ from the true one, of traces of at most these lengths; infinity where nothing is known.
fn rounding(width: usize, query: f64, longest: f64) -> f64 {
    let terms = width as f64 * UNIT;
    let largest = query.max(longest);
    // Not beyond where products overflow, or lengths are no numbers.
    if terms > 0.5 || !largest.is_finite() || largest > 1e15 {
        return f64::INFINITY;
    }
    let product = query * longest;
    let underflow = (width as f64 + 8.0) * (1.0 + query + longest) * 2f64.powi(-120);
    1.01 * UNIT * ((width as f64 / (1.0 - terms) + 8.0) * product + 4.0 * longest * longest) + underflow
}

/// A trace whose nearest is looked for.
pub(super) struct Query<'a> {
    row: &'a [f32],
    /// Its length from the origin, scaled.
    length: f64,
    /// No nearest trace is farther: half its squared norm less the product.
    most: f64,
    /// Traces that may be the nearest, each with what its own figure is at least.
    candidates: Vec<(f64, usize)>,
    found: Found,
}

/// Squared distance and profile input of the nearest trace, the earliest of equals.
pub(super) type Found = Option<(f64, usize)>;

impl<'a> Query<'a> {
    /// `placed` is the row as [`Norms::place`] makes it.
    pub fn new(row: &'a [f32], placed: &[f32]) -> Self {
        Self { row, length: length(placed), most: f64::INFINITY, candidates: Vec::new(), found: None }
    }

    /// Looks at a block of profile traces: their products with this one, half their squared lengths, and the largest length.
    pub fn look(&mut self, traces: &ProfileTraces, inputs: &[usize], products: &[f32], half: &[f32], longest: f64) {
        let error = rounding(self.row.len(), self.length, longest);
        if error.is_finite() {
            scan(products, half, error, self, traces, inputs);
        } else {
            self.candidates.extend(inputs.iter().map(|input| (f64::NEG_INFINITY, *input)));
            self.settle(traces);
        }
    }

    /// What a figure of the next block may be at most for its trace to be a candidate.
    #[inline(always)]
    fn limit(&self, error: f64) -> f32 {
        ((self.most + error) as f32).next_up()
    }

    /// Keeps the candidates of a chunk.
    #[inline(never)]
    fn take(&mut self, products: &[f32], half: &[f32], error: f64, traces: &ProfileTraces, inputs: &[usize]) {
        for ((product, half), input) in products.iter().zip(half).zip(inputs) {
            let figure = f64::from(half - product);
            if figure - error <= self.most {
                self.most = self.most.min(figure + error);
                self.candidates.push((figure - error, *input));
            }
        }
        if self.candidates.len() > MOST_CANDIDATES {
            self.candidates.retain(|(least, _)| *least <= self.most);
            if self.candidates.len() > MOST_CANDIDATES / 2 {
                self.settle(traces);
            }
        }
    }

    /// Computes the distances to the candidates from differences, and keeps the nearest.
    fn settle(&mut self, traces: &ProfileTraces) {
        let mut other = vec![0.0; self.row.len()];
        for (least, input) in std::mem::take(&mut self.candidates) {
            if least <= self.most {
                traces.copy(input, &mut other);
                let distance = squared_distance(self.row, &other);
                let is_nearer = |(known, at): (f64, usize)| distance < known || (distance == known && input < at);
                if self.found.is_none_or(is_nearer) {
                    self.found = Some((distance, input));
                }
            }
        }
    }

    /// The nearest of all that were looked at.
    pub fn nearest(mut self, traces: &ProfileTraces) -> Found {
        self.settle(traces);
        self.found
    }
}

vectorised! {
    fn scan(products: &[f32], half: &[f32], error: f64, query: &mut Query<'_>, traces: &ProfileTraces, inputs: &[usize]) {
        let mut limit = query.limit(error);
        let chunks = products.chunks(CHUNK).zip(half.chunks(CHUNK)).zip(inputs.chunks(CHUNK));
        for ((products, half), inputs) in chunks {
            let mut least = [f32::INFINITY; 16];
            let lines = products.chunks_exact(16).zip(half.chunks_exact(16));
            for (products, half) in lines {
                for ((least, product), half) in least.iter_mut().zip(products).zip(half) {
                    let figure = half - product;
                    *least = if figure < *least { figure } else { *least };
                }
            }
            let whole = products.len() / 16 * 16;
            for (product, half) in products[whole..].iter().zip(&half[whole..]) {
                least[0] = least[0].min(half - product);
            }
            if least.into_iter().fold(f32::INFINITY, f32::min) <= limit {
                query.take(products, half, error, traces, inputs);
                limit = query.limit(error);
            }
        }
    }
}

vectorised! {
    /// The sum of the squared differences in f64: eight sums side by side, whatever the processor.
    pub(super) fn squared_distance(one: &[f32], other: &[f32]) -> f64 {
        let mut sums = [0.0; 8];
        let (ones, others) = (one.chunks_exact(8), other.chunks_exact(8));
        let rest = ones.remainder().iter().zip(others.remainder());
        for (one, other) in ones.zip(others) {
            for ((sum, one), other) in sums.iter_mut().zip(one).zip(other) {
                let difference = f64::from(*one) - f64::from(*other);
                *sum += difference * difference;
            }
        }
        for (sum, (one, other)) in sums.iter_mut().zip(rest) {
            let difference = f64::from(*one) - f64::from(*other);
            *sum += difference * difference;
        }
        ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]))
    }
}
