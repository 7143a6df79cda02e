//! Neuron values on the CPU (CRITERIA section 1, "Neuron", and `nc` in section 2).
//!
//! All functions read the output of one layer for a batch: f32, contiguous, row-major, `inputs` times the layer's
//! shape. Sums run in f64 over fixed lanes, so a value depends on the input's own numbers alone, whatever the batch
//! and the number of threads.

use std::ops::Range;

use rayon::prelude::*;

use crate::declare::NeuronKind;

/// Fewer values than this are not worth spreading over threads.
const PARALLEL_FROM: usize = 100_000;

/// How many values one task takes at least.
const TASK: usize = 1 << 14;

/// Partial sums; enough to fill the vector units, and a fixed number so that the order of summation is fixed.
const LANES: usize = 16;

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

/// Neuron values of a batch, `inputs * neurons`, row-major, in f64: a channel's mean over its positions, or the
/// scalars themselves for units.
///
/// `shape` is that of one input, `channel_axis` the axis within it; a scalar per input (empty shape) is one neuron.
/// Where NaN or infinity enters, the value is NaN; the function returns how many of them there are, so 0 says that
/// everything is finite. A channel without positions has no mean: NaN too.
///
/// # Panics
/// If `raw` has not `inputs * shape.product()` values.
///
/// ```
/// use cleanai_harness::declare::NeuronKind;
/// use cleanai_harness::kernel::cpu::neuron_values;
///
/// // One input of two channels with three positions each.
/// let raw = [1.0, 2.0, 6.0, 0.0, 0.0, 0.5];
/// let mut values = Vec::new();
/// assert_eq!(neuron_values(&raw, 1, &[2, 3], 0, NeuronKind::Channel, &mut values), 0);
/// assert_eq!(values, [3.0, 0.5 / 3.0]);
/// // The same numbers as a sequence of two steps with three features.
/// neuron_values(&raw, 1, &[2, 3], 1, NeuronKind::Channel, &mut values);
/// assert_eq!(values, [0.5, 1.0, 3.25]);
/// ```
pub fn neuron_values(
    raw: &[f32],
    inputs: usize,
    shape: &[usize],
    channel_axis: usize,
    kind: NeuronKind,
    values: &mut Vec<f64>,
) -> usize {
    let layout = Layout::new(shape, channel_axis, kind);
    layout.check(raw, inputs);
    if layout.positions() == 0 {
        values.clear();
    }
    // What stays from the last call is written over.
    values.resize(inputs * layout.channels, f64::NAN);
    if values.is_empty() || layout.positions() == 0 {
        return values.len();
    }
    if layout.outer == 1 {
        // Every value is the mean of a contiguous run, whichever input it belongs to.
        let runs = (TASK / layout.inner).max(1);
        let task = |(values, raw): (&mut [f64], &[f32])| means_of_runs(raw, layout.inner, values, |value| value);
        return in_tasks(raw, runs * layout.inner, values, runs, task);
    }
    let task = |(values, raw): (&mut [f64], &[f32])| means_across(raw, layout, values, |value| value);
    in_tasks(raw, layout.units(), values, layout.channels, task)
}

/// Neuron values as `nc` scales them: per input every scalar becomes `(a - min) / (max - min)` with minimum and maximum
/// over the layer's whole output for that input (its finite values), then a channel takes the mean; 0 where max = min.
///
/// Arguments, layout, NaN and the returned count are those of [`neuron_values`]. The division is done once per value,
/// after the mean: `mean(a - min) / (max - min)`. The differences are taken first because `mean(a) - min` would
/// cancel where the range is small beside the values; so it stays within a few units of the last place of scaling
/// every scalar.
///
/// # Panics
/// If `raw` has not `inputs * shape.product()` values.
///
/// ```
/// use cleanai_harness::declare::NeuronKind;
/// use cleanai_harness::kernel::cpu::scaled_values;
///
/// let raw = [-1.0, 3.0, 1.0, 5.0, 5.0, 5.0]; // two inputs of three features, the second constant
/// let mut values = Vec::new();
/// scaled_values(&raw, 2, &[3], 0, NeuronKind::Channel, &mut values);
/// assert_eq!(values, [0.0, 1.0, 0.5, 0.0, 0.0, 0.0]);
/// ```
pub fn scaled_values(
    raw: &[f32],
    inputs: usize,
    shape: &[usize],
    channel_axis: usize,
    kind: NeuronKind,
    values: &mut Vec<f64>,
) -> usize {
    let layout = Layout::new(shape, channel_axis, kind);
    layout.check(raw, inputs);
    if layout.positions() == 0 {
        values.clear();
    }
    // What stays from the last call is written over.
    values.resize(inputs * layout.channels, f64::NAN);
    if values.is_empty() || layout.positions() == 0 {
        return values.len();
    }
    let task = |(values, raw): (&mut [f64], &[f32])| {
        let (low, high) = finite_range(raw);
        let (low, span) = (f64::from(low), f64::from(high) - f64::from(low));
        let above = |value: f64| value - low;
        let skipped = match layout.outer {
            1 => means_of_runs(raw, layout.inner, values, above),
            _ => means_across(raw, layout, values, above),
        };
        for value in values {
            // NaN stays NaN either way; with an empty range it is all there is.
            *value = if span > 0.0 { *value / span } else { *value * 0.0 };
        }
        skipped
    };
    in_tasks(raw, layout.units(), values, layout.channels, task)
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
/// those of [`neuron_values`], whose returned count says whether there is any.
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

/// Cuts both sides into tasks of corresponding chunks; the sum of what the tasks return.
fn in_tasks<'a>(
    raw: &'a [f32],
    raw_chunk: usize,
    values: &'a mut [f64],
    values_chunk: usize,
    task: impl Fn((&'a mut [f64], &'a [f32])) -> usize + Sync + Send,
) -> usize {
    if raw.len() < PARALLEL_FROM {
        values.chunks_mut(values_chunk).zip(raw.chunks(raw_chunk)).map(task).sum()
    } else {
        values.par_chunks_mut(values_chunk).zip(raw.par_chunks(raw_chunk)).map(task).sum()
    }
}

/// The mean of each run of `inner` values after `map`; returns how many are not finite, which become NaN.
#[inline(always)]
fn means_of_runs(raw: &[f32], inner: usize, values: &mut [f64], map: impl Fn(f64) -> f64) -> usize {
    if inner == 1 {
        for (value, &raw) in values.iter_mut().zip(raw) {
            *value = map(f64::from(raw));
        }
    } else {
        for (value, run) in values.iter_mut().zip(raw.chunks_exact(inner)) {
            *value = sum(run, &map) / inner as f64;
        }
    }
    drop_non_finite(values)
}

/// The mean per channel where the channels of one input recur in several blocks.
#[inline(always)]
fn means_across(raw: &[f32], layout: Layout, values: &mut [f64], map: impl Fn(f64) -> f64) -> usize {
    values.fill(0.0);
    for block in raw.chunks_exact(layout.channels * layout.inner) {
        if layout.inner == 1 {
            for (value, &raw) in values.iter_mut().zip(block) {
                *value += map(f64::from(raw));
            }
        } else {
            for (value, run) in values.iter_mut().zip(block.chunks_exact(layout.inner)) {
                *value += sum(run, &map);
            }
        }
    }
    let positions = layout.positions() as f64;
    for value in values.iter_mut() {
        *value /= positions;
    }
    drop_non_finite(values)
}

/// Makes every infinity NaN; returns how many NaN there are. Sums of f32 cannot overflow f64, so what is not finite
/// here came in.
#[inline(always)]
fn drop_non_finite(values: &mut [f64]) -> usize {
    // As good as always there is none, which a look at all of them without a branch finds soonest.
    if values.iter().fold(true, |finite, value| finite & value.is_finite()) {
        return 0;
    }
    let mut count = 0;
    for value in values {
        if !value.is_finite() {
            *value = f64::NAN;
            count += 1;
        }
    }
    count
}

/// The sum over fixed lanes, then over the lanes in pairs.
#[inline(always)]
fn sum(run: &[f32], map: &impl Fn(f64) -> f64) -> f64 {
    let mut lanes = [0.0; LANES];
    let (whole, rest) = run.as_chunks::<LANES>();
    for values in whole {
        for (lane, &value) in lanes.iter_mut().zip(values) {
            *lane += map(f64::from(value));
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(rest) {
        *lane += map(f64::from(value));
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// Smallest and largest finite value; `(0, 0)` where there is none.
fn finite_range(raw: &[f32]) -> (f32, f32) {
    let (mut low, mut high) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
    let (whole, rest) = raw.as_chunks::<LANES>();
    // NaN fails both comparisons.
    let mut widen = |lane: usize, value: f32| {
        low[lane] = if value < low[lane] { value } else { low[lane] };
        high[lane] = if value > high[lane] { value } else { high[lane] };
    };
    for values in whole {
        for (lane, &value) in values.iter().enumerate() {
            widen(lane, value);
        }
    }
    for (lane, &value) in rest.iter().enumerate() {
        widen(lane, value);
    }
    let range = (low.into_iter().fold(f32::INFINITY, f32::min), high.into_iter().fold(f32::NEG_INFINITY, f32::max));
    if range.0.is_finite() && range.1.is_finite() {
        return range;
    }
    let finite = || raw.iter().copied().filter(|value| value.is_finite());
    match finite().next() {
        None => (0.0, 0.0),
        Some(first) => (finite().fold(first, f32::min), finite().fold(first, f32::max)),
    }
}

#[cfg(test)]
mod tests;
