//! Neuron values on the CPU (CRITERIA section 1, "Neuron"): one read of a layer's output gives what all criteria need.
//!
//! All functions read the output of one layer for a batch: f32, contiguous, row-major, `inputs` times the layer's
//! shape. Sums run in f64 over fixed lanes, so a value depends on the input's own numbers alone, whatever the batch
//! and the number of threads.

use std::ops::Range;

use rayon::prelude::*;

use crate::criteria::{InputRange, PEAK_COLUMNS};
use crate::declare::NeuronKind;
use crate::vectorise::vectorised;

mod columns;
mod runs;

use columns::{extremes_of, range_of};
use runs::{Found, NO_RANGE, sums_across, sums_of_runs};

/// Fewer values than this are not worth spreading over threads.
const PARALLEL_FROM: usize = 1 << 18;

/// How many values one task takes.
const TASK: usize = 1 << 16;

/// One input's output seen as `outer` blocks of `channels` runs of `inner` values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    outer: usize,
    channels: usize,
    inner: usize,
}

impl Layout {
    /// The layout that gives the neurons of `kind`; every scalar a channel for units.
    fn new(shape: &[usize], channel_axis: usize, kind: NeuronKind) -> Self {
        let product = |axes: Range<usize>| shape[axes].iter().product::<usize>();
        let all = 0..shape.len();
        match (kind, shape.get(channel_axis)) {
            (NeuronKind::Unit, _) => Self { outer: 1, channels: product(all), inner: 1 },
            (NeuronKind::Channel, None) => Self { outer: 1, channels: 1, inner: product(all) },
            (NeuronKind::Channel, Some(&channels)) => {
                let (outer, inner) = (product(0..channel_axis), product(channel_axis + 1..shape.len()));
                Self { outer, channels, inner }
            }
        }
    }

    fn positions(self) -> usize {
        self.outer * self.inner
    }

    fn units(self) -> usize {
        self.positions() * self.channels
    }

    fn check(self, raw: &[f32], inputs: usize) {
        assert_eq!(raw.len(), inputs * self.units(), "a layer's values fill its shape once per input");
    }
}

/// What a read of channels gives; its memory is used again by the next.
#[derive(Debug, Clone, Default)]
pub struct Channels {
    /// `inputs * channels` means over the positions, row-major. NaN where NaN or infinity enters, or where there are no positions.
    pub values: Vec<f64>,
    /// Likewise the means of what the scalars lie above the smallest of their input, for [`crate::criteria::LayerValues::above`].
    pub above: Vec<f64>,
    /// The smallest of each channel over the inputs; infinity where all are NaN.
    pub low: Vec<f64>,
    /// The largest of each channel over the inputs; minus infinity where all are NaN.
    pub high: Vec<f64>,
    /// For each input the range of its finite scalars.
    pub ranges: Vec<InputRange>,
}

/// Reads a layer whose neurons are channels; a channel's value is the mean over its positions.
///
/// `shape` is that of one input, `channel_axis` the axis within it; a scalar per input (empty shape) is one channel. Returns how many values are
/// NaN, so 0 says that everything is finite.
///
/// # Panics
/// If `raw` has not `inputs * shape.product()` values.
///
/// ```
/// use cleanai_harness::kernel::cpu::{Channels, channels};
///
/// // One input of two channels with three positions each.
/// let raw = [1.0, 2.0, 6.0, 0.0, 0.0, 0.5];
/// let mut read = Channels::default();
/// assert_eq!(channels(&raw, 1, &[2, 3], 0, &mut read), 0);
/// assert_eq!(read.values, [3.0, 0.5 / 3.0]);
/// assert_eq!((read.ranges[0].low, read.ranges[0].high), (0.0, 6.0));
/// // The same numbers as a sequence of two steps with three features.
/// channels(&raw, 1, &[2, 3], 1, &mut read);
/// assert_eq!(read.values, [0.5, 1.0, 3.25]);
/// ```
pub fn channels(raw: &[f32], inputs: usize, shape: &[usize], channel_axis: usize, read: &mut Channels) -> usize {
    let layout = Layout::new(shape, channel_axis, NeuronKind::Channel);
    layout.check(raw, inputs);
    let Channels { values, above, low, high, ranges } = read;
    // What stays from the last call is written over.
    values.resize(inputs * layout.channels, f64::NAN);
    above.resize(values.len(), f64::NAN);
    ranges.clear();
    ranges.resize(inputs, InputRange::default());
    let mut skipped = values.len();
    if layout.positions() == 0 {
        values.fill(f64::NAN);
        above.fill(f64::NAN);
    } else if !values.is_empty() {
        let parallel = raw.len() >= PARALLEL_FROM;
        let of_input = |values: &mut [f64], above: &mut [f64], raw: &[f32], range: &mut InputRange| {
            let (found, skipped) = if layout.outer > 1 {
                sums_across(raw, layout.channels, layout.inner, values)
            } else if parallel && inputs < 4 {
                // Few inputs are cut by their channels: every value is the sum of a contiguous run.
                let runs = (TASK / layout.inner).clamp(1, layout.channels);
                let parts = values.par_chunks_mut(runs).zip(raw.par_chunks(runs * layout.inner));
                parts.map(|(values, raw)| sums_of_runs(raw, layout.inner, values)).reduce(|| (NO_RANGE, 0), join)
            } else {
                sums_of_runs(raw, layout.inner, values)
            };
            *range = checked(found, raw);
            means(values, above, range.low, layout.positions() as f64);
            skipped
        };
        skipped = if parallel {
            let rows = values.par_chunks_mut(layout.channels).zip(above.par_chunks_mut(layout.channels));
            let rows = rows.zip(raw.par_chunks(layout.units())).zip(&mut *ranges);
            let rows = rows.with_min_len((TASK / layout.units()).max(1));
            rows.map(|(((values, above), raw), range)| of_input(values, above, raw, range)).sum()
        } else {
            let rows = values.chunks_mut(layout.channels).zip(above.chunks_mut(layout.channels));
            let rows = rows.zip(raw.chunks(layout.units())).zip(&mut *ranges);
            rows.map(|(((values, above), raw), range)| of_input(values, above, raw, range)).sum()
        };
    }
    low.clear();
    low.resize(layout.channels, f64::INFINITY);
    high.clear();
    high.resize(layout.channels, f64::NEG_INFINITY);
    if !values.is_empty() {
        widen(values, low, high);
    }
    skipped
}

vectorised! {
    /// Sums become means over the positions, those of the scalars and those of what they lie above `low`. The difference is taken of the sums:
    /// where the range is small beside the values these are exact, and a mean would already be rounded.
    fn means(values: &mut [f64], above: &mut [f64], low: f32, positions: f64) {
        let base = positions * f64::from(low);
        if positions == 1.0 {
            // Dividing by one changes nothing, and takes longer than all the rest.
            for (value, above) in values.iter().zip(above) {
                *above = *value - base;
            }
        } else {
            for (value, above) in values.iter_mut().zip(above) {
                *above = (*value - base) / positions;
                *value /= positions;
            }
        }
    }
}

/// What a read of units gives beside the units themselves; its memory is used again by the next.
#[derive(Debug, Clone, Default)]
pub struct Units {
    /// The smallest finite value of each unit over the inputs; infinity where there is none. Empty for a single input all of whose units are
    /// finite: they are the units themselves.
    pub low: Vec<f32>,
    /// The largest finite value of each unit over the inputs, likewise; minus infinity where there is none.
    pub high: Vec<f32>,
    /// For each input the range of its finite scalars.
    pub ranges: Vec<InputRange>,
    /// For every 1024 units in a row the largest finite value of each input; minus infinity where there is none.
    pub peaks: Vec<f32>,
    /// The units with NaN in place of infinities; empty if everything is finite.
    pub cleared: Vec<f32>,
}

/// Reads a layer whose neurons are its scalars. Returns how many are NaN or infinite.
///
/// # Panics
/// If `raw` has not `inputs * units` values.
///
/// ```
/// use cleanai_harness::kernel::cpu::{Units, units};
///
/// let mut read = Units::default();
/// assert_eq!(units(&[1.0, 2.0, 0.0, 5.0], 2, 2, &mut read), 0);
/// assert_eq!((&read.low[..], &read.high[..]), (&[0.0, 2.0][..], &[1.0, 5.0][..]));
/// ```
pub fn units(raw: &[f32], inputs: usize, units: usize, read: &mut Units) -> usize {
    assert_eq!(raw.len(), inputs * units, "a layer's values fill its shape once per input");
    read.cleared.clear();
    let finite = if inputs == 1 { ranges_of_one(raw, read) } else { extremes(raw, inputs, units, read) };
    if finite {
        return 0;
    }
    read.cleared.extend(raw.iter().map(|value| if value.is_finite() { *value } else { f32::NAN }));
    let cleared = std::mem::take(&mut read.cleared);
    extremes(&cleared, inputs, units, read);
    read.cleared = cleared;
    read.cleared.iter().filter(|value| value.is_nan()).count()
}

/// The range and the peaks of a single input; whether everything is finite.
fn ranges_of_one(raw: &[f32], Units { low, high, ranges, peaks, .. }: &mut Units) -> bool {
    low.clear();
    high.clear();
    // What stays from the last call is written over.
    peaks.resize(raw.len().div_ceil(COLUMNS), f32::NEG_INFINITY);
    let block = |(raw, peak): (&[f32], &mut f32)| {
        let (found, finite) = range_of(raw);
        *peak = found.high;
        (found, finite)
    };
    let merge = |(left, left_finite): (Found, bool), (right, right_finite): (Found, bool)| {
        (left.and(right), left_finite & right_finite)
    };
    let (found, finite) = if raw.len() >= PARALLEL_FROM {
        let parts = raw.par_chunks(COLUMNS).zip(peaks).with_min_len(TASK / COLUMNS);
        parts.map(block).reduce(|| (NO_RANGE, true), merge)
    } else {
        raw.chunks(COLUMNS).zip(peaks).map(block).fold((NO_RANGE, true), merge)
    };
    ranges.clear();
    ranges.push(checked(found, raw));
    finite
}

/// Smallest and largest values of units, and the peaks of their blocks, to be filled.
type Extremes<'a> = ((&'a mut [f32], &'a mut [f32]), &'a mut [f32]);

/// Ranges of units and inputs, NaN passed over; whether everything is finite.
fn extremes(raw: &[f32], inputs: usize, units: usize, Units { low, high, ranges, peaks, .. }: &mut Units) -> bool {
    low.clear();
    low.resize(units, f32::INFINITY);
    high.clear();
    high.resize(units, f32::NEG_INFINITY);
    ranges.clear();
    ranges.resize(inputs, InputRange::default());
    // What stays from the last call is written over.
    peaks.resize(units.div_ceil(COLUMNS) * inputs, f32::NEG_INFINITY);
    if raw.is_empty() {
        return true;
    }
    let task = (TASK / inputs).next_multiple_of(COLUMNS);
    let part = |(index, ((low, high), peaks)): (usize, Extremes<'_>)| {
        let mut found = vec![NO_RANGE; inputs];
        let mut finite = true;
        let blocks = low.chunks_mut(COLUMNS).zip(high.chunks_mut(COLUMNS)).zip(peaks.chunks_mut(inputs));
        for (block, ((low, high), peaks)) in blocks.enumerate() {
            let start = index * task + block * COLUMNS;
            for ((input, found), peak) in found.iter_mut().enumerate().zip(peaks) {
                let at = input * units + start;
                // What is read next: the same columns of the next input, or the next ones of the first.
                let next = if input + 1 < inputs { at + units } else { start + COLUMNS };
                let next = raw.as_ptr().wrapping_add(next);
                let (own, own_finite) = extremes_of(&raw[at..at + low.len()], next, low, high);
                *peak = own.high;
                *found = found.and(own);
                finite &= own_finite;
            }
        }
        (found, finite)
    };
    let merge = |(mut left, left_finite): (Vec<Found>, bool), (right, right_finite): (Vec<Found>, bool)| {
        left.iter_mut().zip(right).for_each(|(left, right)| *left = left.and(right));
        (left, left_finite & right_finite)
    };
    let none = || (vec![NO_RANGE; inputs], true);
    let of_task = task / COLUMNS * inputs;
    let (found, finite) = if raw.len() >= PARALLEL_FROM {
        let parts = low.par_chunks_mut(task).zip(high.par_chunks_mut(task)).zip(peaks.par_chunks_mut(of_task));
        parts.enumerate().map(part).reduce(none, merge)
    } else {
        let parts = low.chunks_mut(task).zip(high.chunks_mut(task)).zip(peaks.chunks_mut(of_task));
        parts.enumerate().map(part).fold(none(), merge)
    };
    for ((range, found), row) in ranges.iter_mut().zip(found).zip(raw.chunks_exact(units)) {
        *range = checked(found, row);
    }
    finite
}

/// A NaN or infinite activation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NonFiniteActivation {
    /// Index of the input within the batch.
    pub input: usize,
    /// Index of the neuron within the layer.
    pub neuron: usize,
    /// NaN, or infinity with its sign.
    pub value: f32,
}

/// The first activation of a batch that is NaN or infinite: lowest input, then lowest neuron. Arguments and layout are
/// those of [`channels`].
///
/// # Panics
/// If `raw` has not `inputs * shape.product()` values.
///
/// ```
/// use cleanai_harness::declare::NeuronKind;
/// use cleanai_harness::kernel::cpu::first_non_finite;
///
/// let raw = [0.0, 1.0, 2.0, f32::INFINITY];
/// let found = first_non_finite(&raw, 2, &[2], 0, NeuronKind::Channel).unwrap();
/// assert_eq!((found.input, found.neuron, found.value), (1, 1, f32::INFINITY));
/// ```
pub fn first_non_finite(
    raw: &[f32],
    inputs: usize,
    shape: &[usize],
    channel_axis: usize,
    kind: NeuronKind,
) -> Option<NonFiniteActivation> {
    let layout = Layout::new(shape, channel_axis, kind);
    layout.check(raw, inputs);
    let at = raw.iter().position(|value| !value.is_finite())?;
    let input = at / layout.units();
    let own = &raw[input * layout.units()..(input + 1) * layout.units()];
    own.iter()
        .enumerate()
        .filter(|(_, value)| !value.is_finite())
        .map(|(index, value)| (index / layout.inner % layout.channels, *value))
        .min_by_key(|(neuron, _)| *neuron)
        .map(|(neuron, value)| NonFiniteActivation { input, neuron, value })
}

fn join(left: (Found, usize), right: (Found, usize)) -> (Found, usize) {
    (left.0.and(right.0), left.1 + right.1)
}

/// The range of the finite scalars: what was found unless infinities are among them.
fn checked(found: Found, raw: &[f32]) -> InputRange {
    if found.low.is_finite() && found.high.is_finite() {
        return InputRange { low: found.low, high: found.high };
    }
    let finite = || raw.iter().copied().filter(|value| value.is_finite());
    match finite().next() {
        None => InputRange::default(),
        Some(first) => InputRange { low: finite().fold(first, f32::min), high: finite().fold(first, f32::max) },
    }
}

vectorised! {
    /// Smallest and largest of every column.
    fn widen(values: &[f64], low: &mut [f64], high: &mut [f64]) {
        for row in values.chunks_exact(low.len()) {
            for ((low, high), &value) in low.iter_mut().zip(high.iter_mut()).zip(row) {
                *low = if value < *low { value } else { *low };
                *high = if value > *high { value } else { *high };
            }
        }
    }
}

/// Units whose extremes are found together.
const COLUMNS: usize = PEAK_COLUMNS;

#[cfg(test)]
mod tests;
