//! Ranges of the neurons over the profile set, gathered batch by batch.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result};

use super::coverage::PARALLEL_FROM;
use super::double_double::square;
use super::exact_sum::{BLOCK, LIMIT, Parts, Sums};
use super::number::Number;
use super::{LayerProfile, LayerValues, Needs, Numbers};

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

/// Range of every neuron so far and, where they are asked for, standard deviation and mean difference.
///
/// Batches and merges of any sizes in any order give the same state to the last bit: low and high are exact, the sums behind mean and
/// standard deviation are kept in a form in which the order of addition does not show, and differences are taken of sorted values. Values
/// that are not finite are skipped. The mean difference takes every value to be held, 8 bytes each.
///
/// ```
/// use cleanai_harness::criteria::{LayerBatch, Needs};
/// use cleanai_harness::criteria::profile::ProfileState;
///
/// let mut state = ProfileState::new(&[2], Needs { std: true, mean_difference: true, ..Needs::default() })?;
/// let batch = LayerBatch::channels(2, vec![1.0, 5.0, 3.0, 5.0]); // two inputs of two neurons
/// state.observe(batch.values(0, 0));
/// let profile = &state.finish()?[0];
/// assert_eq!((profile.low[0], profile.high[0], profile.std[0], profile.mean_difference[0]), (1.0, 3.0, 1.0, 2.0));
/// assert_eq!((profile.low[1], profile.high[1], profile.std[1], profile.mean_difference[1]), (5.0, 5.0, 0.0, 0.0));
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ProfileState {
    layers: Vec<LayerState>,
}

impl ProfileState {
    /// Nothing seen yet of layers with this many neurons each. Of the needs only `std`, `mean_difference` and `whole_layers` count, of which the
    /// last leaves nothing of the others.
    ///
    /// # Errors
    /// Where mean differences are asked for of more neurons than a single input's values may fill memory with.
    pub fn new(neurons: &[usize], needs: Needs) -> Result<Self> {
        if needs.mean_difference && !needs.whole_layers {
            check_memory(neurons.iter().sum(), 1)?;
        }
        Ok(Self { layers: neurons.iter().map(|neurons| LayerState::new(*neurons, needs)).collect() })
    }

    /// Reads one layer of one batch.
    pub fn observe(&mut self, values: LayerValues<'_>) {
        self.layers[values.layer].observe(&values);
    }

    /// Ends a batch.
    ///
    /// # Errors
    /// Where values are held for mean differences: if they take more memory than is allowed.
    pub fn end_batch(&self) -> Result<()> {
        let held: usize = self.layers.iter().filter_map(|layer| Some(layer.rows.as_ref()?.len())).sum();
        check_memory(held, 1)
    }

    /// Takes in what was gathered over other inputs.
    ///
    /// # Errors
    /// If `other` was made for other layers or needs.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        let made_for = |state: &Self| {
            let layer =
                |layer: &LayerState| (layer.whole, layer.low.len(), layer.moments.is_some(), layer.rows.is_some());
            state.layers.iter().map(layer).collect::<Vec<_>>()
        };
        if made_for(self) != made_for(other) {
            return Err(Error::new(ErrorKind::Criterion, "a profile cannot take in one of other layers"));
        }
        for (own, others) in self.layers.iter_mut().zip(&other.layers) {
            own.merge(others);
        }
        Ok(())
    }

    /// The ranges, one entry per layer.
    ///
    /// # Errors
    /// If mean differences are asked for and there are fewer than two inputs.
    pub fn finish(&self) -> Result<Vec<LayerProfile>> {
        self.layers.iter().map(LayerState::finish).collect()
    }

    /// All it has seen, in bytes; equal states give equal bytes.
    ///
    /// # Errors
    /// If they cannot be written, which the types rule out.
    pub fn save(&self) -> Result<Vec<u8>> {
        let layers: Vec<SavedLayer> = self.layers.iter().map(LayerState::saved).collect();
        postcard::to_stdvec(&layers)
            .map_err(|why| Error::new(ErrorKind::Criterion, format!("a profile cannot be written: {why}")))
    }

    /// The state that [`ProfileState::save`] wrote, of the same layers and needs.
    ///
    /// # Errors
    /// If the bytes are no such state.
    pub fn restore(neurons: &[usize], needs: Needs, saved: &[u8]) -> Result<Self> {
        let does_not_fit = || Error::new(ErrorKind::Criterion, "the saved profile is none of these layers");
        let layers: Vec<SavedLayer> = match postcard::take_from_bytes(saved) {
            Ok((layers, [])) => layers,
            _ => return Err(does_not_fit()),
        };
        if layers.len() != neurons.len() {
            return Err(does_not_fit());
        }
        let layers = layers.iter().zip(neurons).map(|(layer, neurons)| layer.restored(*neurons, needs));
        Ok(Self { layers: layers.collect::<Option<_>>().ok_or_else(does_not_fit)? })
    }

    /// The means, one entry per layer and in it one per neuron; NaN for a neuron without any value, or where [`Needs::std`] was not asked for.
    pub fn means(&self) -> Vec<Vec<f64>> {
        self.layers.iter().map(LayerState::means).collect()
    }
}

/// Values held at once for mean differences; 4 GiB of them.
const MOST_HELD: usize = 1 << 29;

fn check_memory(neurons: usize, inputs: usize) -> Result<()> {
    if neurons.saturating_mul(inputs) <= MOST_HELD {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Criterion,
        "the mean differences between profile inputs would take more than 4 GiB: every value is held until all are sorted",
    )
    .with_help("name the distance that counts as a change (`distance = 0.5`), or take fewer layers or profile inputs"))
}

#[derive(Debug, Clone, PartialEq)]
struct LayerState {
    /// Whether the layer counts as one neuron.
    whole: bool,
    inputs: u64,
    low: Vec<f64>,
    high: Vec<f64>,
    moments: Option<Vec<Moments>>,
    /// All values seen, row by row.
    rows: Option<Vec<f64>>,
}

/// A layer as it is written: the parts of the sums of its values and of their squares by neuron, and how many values each has not.
#[derive(Serialize, Deserialize)]
struct SavedLayer {
    inputs: u64,
    low: Vec<f64>,
    high: Vec<f64>,
    moments: Option<(Vec<Parts>, Vec<Parts>, Vec<u64>)>,
    rows: Option<Vec<f64>>,
}

impl SavedLayer {
    fn restored(&self, neurons: usize, needs: Needs) -> Option<LayerState> {
        let mut layer = LayerState::new(neurons, needs);
        let widths_fit = self.low.len() == layer.low.len()
            && self.high.len() == layer.high.len()
            && self.moments.is_some() == layer.moments.is_some()
            && self.rows.is_some() == layer.rows.is_some()
            && self.low.iter().chain(&self.high).all(|end| !end.is_nan())
            && self.inputs < 1 << 40;
        if !widths_fit {
            return None;
        }
        layer.inputs = self.inputs;
        layer.low.clone_from(&self.low);
        layer.high.clone_from(&self.high);
        if let (Some(own), Some((sums, squares, skipped))) = (&mut layer.moments, &self.moments) {
            if [sums.len(), squares.len(), skipped.len()] != [neurons; 3] {
                return None;
            }
            for neuron in 0..neurons {
                let (moments, place) = (&mut own[neuron / BLOCK], neuron % BLOCK);
                let read = moments.sum.set_parts(place, sums[neuron])
                    && moments.squares.set_parts(place, squares[neuron])
                    && skipped[neuron] <= self.inputs;
                if !read {
                    return None;
                }
                if skipped[neuron] > 0 {
                    moments.skipped.get_or_insert_with(|| Box::new([0; BLOCK]))[place] = skipped[neuron];
                }
            }
        }
        if let (Some(own), Some(rows)) = (&mut layer.rows, &self.rows) {
            if rows.len() as u64 != self.inputs * neurons as u64 {
                return None;
            }
            own.clone_from(rows);
        }
        Some(layer)
    }
}

/// Sums over the values of up to [`BLOCK`] neurons.
#[derive(Debug, Clone, Default, PartialEq)]
struct Moments {
    sum: Sums,
    squares: Sums,
    /// Values skipped as not finite, once there are any.
    skipped: Option<Box<[u64; BLOCK]>>,
}

impl LayerState {
    fn new(neurons: usize, needs: Needs) -> Self {
        let whole = needs.whole_layers;
        let ends = if whole { 1 } else { neurons };
        Self {
            whole,
            inputs: 0,
            low: vec![f64::INFINITY; ends],
            high: vec![f64::NEG_INFINITY; ends],
            moments: (needs.std && !whole).then(|| vec![Moments::default(); neurons.div_ceil(BLOCK)]),
            rows: (needs.mean_difference && !whole).then(Vec::new),
        }
    }

    fn observe(&mut self, values: &LayerValues<'_>) {
        self.inputs += values.inputs as u64;
        if self.whole {
            let (low, high) = values.whole_range();
            self.widen(&[low], &[high]);
            return;
        }
        match (values.low, values.high) {
            (Numbers::Double(low), Numbers::Double(high)) => self.widen(low, high),
            (Numbers::Single(low), Numbers::Single(high)) => self.widen(low, high),
            _ => unreachable!("both ends are of one kind"),
        }
        match values.values {
            Numbers::Double(rows) => self.sum(rows, Moments::take_any),
            Numbers::Single(rows) => self.sum(rows, Moments::take_single),
            Numbers::Device(units) if self.moments.is_some() => self.sum(&units.copy(), Moments::take_single),
            Numbers::Device(_) => {}
        }
        if let Some(rows) = &mut self.rows {
            rows.extend_from_slice(&values.values.to_f64());
        }
    }

    fn widen<T: Number>(&mut self, low: &[T], high: &[T]) {
        for (own, low) in self.low.iter_mut().zip(low) {
            *own = lower(*own, finite_or(low.to_f64(), f64::INFINITY));
        }
        for (own, high) in self.high.iter_mut().zip(high) {
            *own = higher(*own, finite_or(high.to_f64(), f64::NEG_INFINITY));
        }
    }

    fn sum<T: Number>(&mut self, rows: &[T], take: impl Fn(&mut Moments, &[T]) + Sync) {
        let neurons = self.low.len();
        let Some(moments) = self.moments.as_mut().filter(|_| !rows.is_empty()) else { return };
        let block = |(index, moments): (usize, &mut Moments)| {
            let (first, last) = (index * BLOCK, neurons.min((index + 1) * BLOCK));
            for row in rows.chunks_exact(neurons) {
                take(moments, &row[first..last]);
            }
        };
        if rows.len() < PARALLEL_FROM {
            moments.iter_mut().enumerate().for_each(block);
        } else {
            moments.par_iter_mut().enumerate().for_each(block);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.inputs += other.inputs;
        self.widen(&other.low, &other.high);
        if let (Some(own), Some(others)) = (&mut self.moments, &other.moments) {
            own.iter_mut().zip(others).for_each(|(own, others)| own.merge(others));
        }
        if let (Some(own), Some(others)) = (&mut self.rows, &other.rows) {
            own.extend_from_slice(others);
        }
    }

    fn saved(&self) -> SavedLayer {
        let moments = self.moments.as_ref().map(|moments| {
            let places = || (0..self.low.len()).map(|neuron| (&moments[neuron / BLOCK], neuron % BLOCK));
            let skipped = |(own, place): (&Moments, usize)| own.skipped.as_ref().map_or(0, |skipped| skipped[place]);
            (
                places().map(|(own, place)| own.sum.parts(place)).collect(),
                places().map(|(own, place)| own.squares.parts(place)).collect(),
                places().map(skipped).collect(),
            )
        });
        SavedLayer {
            inputs: self.inputs,
            low: self.low.clone(),
            high: self.high.clone(),
            moments,
            rows: self.rows.clone(),
        }
    }

    fn finish(&self) -> Result<LayerProfile> {
        let std = match &self.moments {
            None => Vec::new(),
            Some(_) => (0..self.low.len()).map(|neuron| self.std(neuron)).collect(),
        };
        let mean_difference = match &self.rows {
            None => Vec::new(),
            Some(rows) => {
                let neurons = self.low.len();
                if self.inputs < 2 {
                    return Err(Error::new(
                        ErrorKind::Criterion,
                        format!(
                            "the mean difference between profile inputs needs two of them, there are {}",
                            self.inputs
                        ),
                    )
                    .with_help(
                        "give more profile inputs, or the distance that counts as a change (`distance = 0.5`)",
                    ));
                }
                let column = |neuron| rows[neuron..].iter().step_by(neurons).copied().filter(|value| value.is_finite());
                (0..neurons).into_par_iter().map(|neuron| mean_difference(column(neuron).collect())).collect()
            }
        };
        Ok(LayerProfile {
            low: self.low.clone(),
            high: self.high.clone(),
            std,
            mean_difference,
            ..LayerProfile::default()
        })
    }

    fn std(&self, neuron: usize) -> f64 {
        // Exactly 0 for a constant, and for a neuron without any value.
        let Some((moments, place, count)) = self.moments_of(neuron) else { return 0.0 };
        if self.low[neuron] >= self.high[neuron] {
            return 0.0;
        }
        let around_mean = moments.squares.get(place).minus(moments.sum.get(place).squared().over(count));
        around_mean.over(count).high.max(0.0).sqrt()
    }

    fn means(&self) -> Vec<f64> {
        let mean = |neuron| {
            self.moments_of(neuron).map_or(f64::NAN, |(moments, place, count)| moments.sum.get(place).over(count).high)
        };
        (0..self.low.len()).map(mean).collect()
    }

    /// A neuron's sums, its place among them, and of how many values they are.
    fn moments_of(&self, neuron: usize) -> Option<(&Moments, usize, f64)> {
        let (moments, place) = (&self.moments.as_ref()?[neuron / BLOCK], neuron % BLOCK);
        let skipped = moments.skipped.as_ref().map_or(0, |skipped| skipped[place]);
        Some((moments, place, (self.inputs - skipped) as f64))
    }
}

/// The mean of |difference| over all unordered pairs: in ascending order the value of rank i enters 2 i - n + 1 times.
fn mean_difference(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let count = values.len() as f64;
    if values.len() < 2 || values[0] == values[values.len() - 1] {
        return 0.0;
    }
    let sum = values.iter().enumerate().fold(0.0, |sum, (rank, value)| sum + (2.0 * rank as f64 - count + 1.0) * value);
    sum / (count * (count - 1.0) / 2.0)
}

impl Moments {
    /// Takes in units of one input; their squares are exact in f64.
    fn take_single(&mut self, row: &[f32]) {
        let mut wide = [0.0; BLOCK];
        let wide = &mut wide[..row.len()];
        wide.iter_mut().zip(row).for_each(|(wide, value)| *wide = f64::from(*value));
        self.skip(wide);
        self.sum.add(wide);
        wide.iter_mut().for_each(|value| *value *= *value);
        self.squares.add(wide);
    }

    /// Takes in any numbers of one input; what rounding a square loses is added too.
    fn take_any(&mut self, row: &[f64]) {
        let mut numbers = [0.0; BLOCK];
        let numbers = &mut numbers[..row.len()];
        numbers.copy_from_slice(row);
        self.skip(numbers);
        self.sum.add(numbers);
        let mut lost = [0.0; BLOCK];
        for (number, lost) in numbers.iter_mut().zip(&mut lost) {
            let exact = square(*number);
            (*number, *lost) = (exact.high, exact.low);
        }
        self.squares.add(numbers);
        self.squares.add(&lost[..row.len()]);
    }

    /// Counts what is not finite and makes it 0, which leaves the sums as they are.
    fn skip(&mut self, row: &mut [f64]) {
        if !row.iter().fold(true, |all, value| all & (value.abs() < LIMIT)) {
            let skipped = self.skipped.get_or_insert_with(|| Box::new([0; BLOCK]));
            for (value, skipped) in row.iter_mut().zip(skipped.iter_mut()) {
                if value.is_nan() || value.abs() >= LIMIT {
                    *value = 0.0;
                    *skipped += 1;
                }
            }
        }
    }

    fn merge(&mut self, other: &Self) {
        self.sum.merge(&other.sum);
        self.squares.merge(&other.squares);
        if let Some(others) = &other.skipped {
            let own = self.skipped.get_or_insert_with(|| Box::new([0; BLOCK]));
            own.iter_mut().zip(others.iter()).for_each(|(own, others)| *own += others);
        }
    }
}

fn finite_or(value: f64, other: f64) -> f64 {
    // A zero is 0, whichever sign came first.
    if value.is_finite() { value + 0.0 } else { other }
}

/// The smaller one.
#[inline(always)]
fn lower(first: f64, second: f64) -> f64 {
    if second < first { second } else { first }
}

/// The larger one.
#[inline(always)]
fn higher(first: f64, second: f64) -> f64 {
    if second > first { second } else { first }
}
