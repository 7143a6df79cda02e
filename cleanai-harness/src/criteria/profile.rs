//! Ranges of the neurons over the profile set, gathered batch by batch.

use rayon::prelude::*;

use crate::{Error, ErrorKind, Result};

use super::columns::PARALLEL_FROM;
use super::double_double::{DoubleDouble, square};
use super::{LayerProfile, LayerValues};

impl LayerProfile {
    /// Whether the profile set had any value of this neuron. If not (all were skipped as not finite, or there were no
    /// inputs) its range is empty: `low` is infinity, `high` minus infinity, `std` 0.
    pub fn is_known(&self, neuron: usize) -> bool {
        self.low[neuron] <= self.high[neuron]
    }

    /// How many neurons the profile set had no value of.
    pub fn unknown(&self) -> u64 {
        (0..self.low.len()).filter(|neuron| !self.is_known(*neuron)).count() as u64
    }
}

/// Range, mean and standard deviation of every neuron so far.
///
/// Low and high are exact. The sums behind mean and standard deviation are kept in twice the precision of f64: batches
/// and merges of any sizes in any order give the same numbers, up to the last bit where variance all but vanishes
/// beside the mean. Values that are not finite are skipped.
///
/// ```
/// use cleanai_harness::criteria::LayerValues;
/// use cleanai_harness::criteria::profile::ProfileState;
///
/// let mut state = ProfileState::new(&[2]);
/// let values = [1.0, 5.0, 3.0, 5.0]; // two inputs of two neurons
/// state.observe(LayerValues { layer: 0, first: 0, inputs: 2, neurons: 2, values: &values, scaled: None });
/// let profile = state.finish();
/// assert_eq!((profile[0].low[0], profile[0].high[0], profile[0].std[0]), (1.0, 3.0, 1.0));
/// assert_eq!((profile[0].low[1], profile[0].high[1], profile[0].std[1]), (5.0, 5.0, 0.0));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ProfileState {
    layers: Vec<LayerState>,
}

impl ProfileState {
    /// Nothing seen yet of layers with this many neurons each.
    pub fn new(neurons: &[usize]) -> Self {
        Self { layers: neurons.iter().map(|width| LayerState::new(*width)).collect() }
    }

    /// Reads one layer of one batch.
    ///
    /// # Panics
    /// If the values are not of a layer this was made for.
    pub fn observe(&mut self, values: LayerValues<'_>) {
        let layer = &mut self.layers[values.layer];
        assert_eq!((values.neurons, values.values.len()), (layer.neurons, values.inputs * values.neurons));
        layer.observe(values.values, values.inputs);
    }

    /// Takes in what was gathered over inputs that follow those of this one.
    ///
    /// # Errors
    /// If `other` was made for other layers.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        let widths = |state: &Self| state.layers.iter().map(|layer| layer.neurons).collect::<Vec<_>>();
        if widths(self) != widths(other) {
            return Err(Error::new(ErrorKind::Criterion, "a profile cannot take in one of other layers"));
        }
        for (own, others) in self.layers.iter_mut().zip(&other.layers) {
            own.merge(others);
        }
        Ok(())
    }

    /// The ranges, one entry per layer.
    pub fn finish(&self) -> Vec<LayerProfile> {
        self.layers.iter().map(LayerState::finish).collect()
    }

    /// The means, one entry per layer and in it one per neuron; NaN for a neuron without any value.
    pub fn means(&self) -> Vec<Vec<f64>> {
        self.layers.iter().map(LayerState::means).collect()
    }
}

/// Neurons handled together.
const BLOCK: usize = 64;

#[derive(Debug, Clone, PartialEq)]
struct LayerState {
    neurons: usize,
    inputs: u64,
    blocks: Vec<Block>,
}

/// What is known of up to [`BLOCK`] neurons; unused places at the end of a layer stay as they were made.
#[derive(Debug, Clone, PartialEq)]
struct Block {
    low: [f64; BLOCK],
    high: [f64; BLOCK],
    sum: Sums,
    squares: Sums,
    /// Values skipped as not finite, once there are any.
    skipped: Option<Box<[u64; BLOCK]>>,
}

/// Sums in twice the precision of f64, one per neuron, their parts side by side so that the compiler can use vector instructions.
#[derive(Debug, Clone, PartialEq)]
struct Sums {
    high: [f64; BLOCK],
    low: [f64; BLOCK],
}

impl Sums {
    #[inline(always)]
    fn get(&self, place: usize) -> DoubleDouble {
        DoubleDouble { high: self.high[place], low: self.low[place] }
    }

    #[inline(always)]
    fn set(&mut self, place: usize, sum: DoubleDouble) {
        (self.high[place], self.low[place]) = (sum.high, sum.low);
    }
}

impl LayerState {
    fn new(neurons: usize) -> Self {
        let zero = Sums { high: [0.0; BLOCK], low: [0.0; BLOCK] };
        let empty = Block {
            low: [f64::INFINITY; BLOCK],
            high: [f64::NEG_INFINITY; BLOCK],
            sum: zero.clone(),
            squares: zero,
            skipped: None,
        };
        Self { neurons, inputs: 0, blocks: vec![empty; neurons.div_ceil(BLOCK)] }
    }

    fn observe(&mut self, values: &[f64], inputs: usize) {
        self.inputs += inputs as u64;
        if values.is_empty() {
            return;
        }
        let neurons = self.neurons;
        let block = |(index, block): (usize, &mut Block)| {
            let (first, last) = (index * BLOCK, neurons.min((index + 1) * BLOCK));
            for row in values.chunks_exact(neurons) {
                block.observe(&row[first..last]);
            }
        };
        if values.len() < PARALLEL_FROM {
            self.blocks.iter_mut().enumerate().for_each(block);
        } else {
            self.blocks.par_iter_mut().enumerate().for_each(block);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.inputs += other.inputs;
        for (own, others) in self.blocks.iter_mut().zip(&other.blocks) {
            own.merge(others);
        }
    }

    /// The place of every neuron, and of how many values it has.
    fn places(&self) -> impl Iterator<Item = (&Block, usize, f64)> {
        (0..self.neurons).map(|neuron| {
            let (block, place) = (&self.blocks[neuron / BLOCK], neuron % BLOCK);
            let skipped = block.skipped.as_ref().map_or(0, |skipped| skipped[place]);
            (block, place, (self.inputs - skipped) as f64)
        })
    }

    fn finish(&self) -> LayerProfile {
        LayerProfile {
            low: self.places().map(|(block, place, _)| block.low[place]).collect(),
            high: self.places().map(|(block, place, _)| block.high[place]).collect(),
            std: self
                .places()
                .map(|(block, place, count)| {
                    // Exactly 0 for a constant, and for a neuron without any value.
                    if block.low[place] >= block.high[place] {
                        return 0.0;
                    }
                    let around_mean = block.squares.get(place).minus(block.sum.get(place).squared().over(count));
                    around_mean.over(count).high.max(0.0).sqrt()
                })
                .collect(),
        }
    }

    fn means(&self) -> Vec<f64> {
        self.places().map(|(block, place, count)| block.sum.get(place).over(count).high).collect()
    }
}

impl Block {
    /// Takes in the values of one input.
    fn observe(&mut self, row: &[f64]) {
        // Values that were f32 have exact squares in f64, which saves half the work; NaN and infinity fail the test.
        let exact = row.iter().fold(true, |all, &value| {
            let short = value as f32;
            all & short.is_finite() & (f64::from(short) == value)
        });
        if exact {
            self.take(row, |squares, value| squares.plus(value * value));
        } else if row.iter().all(|value| value.is_finite()) {
            self.take(row, |squares, value| squares.add(square(value)));
        } else {
            self.take_finite(row);
        }
    }

    #[inline(always)]
    fn take(&mut self, row: &[f64], add_square: impl Fn(DoubleDouble, f64) -> DoubleDouble) {
        // No more values than places, which spares the checks of every index.
        let row = &row[..row.len().min(BLOCK)];
        for (place, &value) in row.iter().enumerate() {
            self.low[place] = lower(self.low[place], value);
            self.high[place] = higher(self.high[place], value);
            self.sum.set(place, self.sum.get(place).plus(value));
            self.squares.set(place, add_square(self.squares.get(place), value));
        }
    }

    fn take_finite(&mut self, row: &[f64]) {
        for (place, &value) in row.iter().enumerate() {
            if value.is_finite() {
                self.low[place] = lower(self.low[place], value);
                self.high[place] = higher(self.high[place], value);
                self.sum.set(place, self.sum.get(place).plus(value));
                self.squares.set(place, self.squares.get(place).add(square(value)));
            } else {
                self.skipped.get_or_insert_with(|| Box::new([0; BLOCK]))[place] += 1;
            }
        }
    }

    fn merge(&mut self, other: &Self) {
        for place in 0..BLOCK {
            self.low[place] = lower(self.low[place], other.low[place]);
            self.high[place] = higher(self.high[place], other.high[place]);
            self.sum.set(place, self.sum.get(place).add(other.sum.get(place)));
            self.squares.set(place, self.squares.get(place).add(other.squares.get(place)));
        }
        if let Some(others) = &other.skipped {
            let own = self.skipped.get_or_insert_with(|| Box::new([0; BLOCK]));
            own.iter_mut().zip(others.iter()).for_each(|(own, others)| *own += others);
        }
    }
}

/// The smaller one; the first of 0 and -0, so that merging leaves the same bits as observing.
#[inline(always)]
fn lower(first: f64, second: f64) -> f64 {
    if second < first { second } else { first }
}

/// The larger one, likewise.
#[inline(always)]
fn higher(first: f64, second: f64) -> f64 {
    if second > first { second } else { first }
}
