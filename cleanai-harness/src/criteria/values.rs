//! What criteria read: the values of one layer's neurons for one batch.

use std::borrow::Cow;
use std::fmt;

use super::kept_rows::KeptRows;
use super::most_active::MostActive;
use super::number::Number;
use crate::vectorise::vectorised;

/// Neurons in a row whose largest value is told by itself ([`LayerValues::peak`]); a multiple of 64.
pub(crate) const PEAK_COLUMNS: usize = 1024;

/// Numbers in the precision in which they are exact.
#[derive(Clone, Copy)]
pub enum Numbers<'a> {
    /// Channel values: means over positions stay f64.
    Double(&'a [f64]),
    /// Unit values: the model's own f32.
    Single(&'a [f32]),
    /// Unit values that lie on another device; only for criteria that ask [`Needs::device`](super::Needs::device).
    Device(&'a dyn DeviceUnits),
}

/// The units of one layer for one batch where they lie, and what criteria may ask of them without copying them all.
///
/// The answers equal those that the copied values give. An implementation that fails answers as if there were no inputs and tells whoever
/// runs the pass.
pub trait DeviceUnits: Sync {
    /// How many values there are, inputs times units.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values of some units, row-major: one row for each input.
    fn columns(&self, units: &[u32]) -> Vec<f32>;

    /// For each unit the first input whose value reaches the cutoff of that input; `u32::MAX` where none does.
    fn first_at_least(&self, cutoffs: &[f32]) -> Vec<u32>;

    /// For each value the section `min(floor((v - low) / (high - low) * k), k - 1)` of its unit's range, computed in f64; `u32::MAX` outside of it.
    fn sections(&self, low: &[f64], high: &[f64], k: usize) -> Vec<u32>;

    /// For each input its `k` largest units, ties to the lowest index, NaN never.
    fn largest(&self, k: usize) -> Vec<Vec<u32>>;

    /// All values, row-major.
    fn copy(&self) -> Vec<f32>;
}

impl PartialEq for Numbers<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Double(own), Self::Double(others)) => own == others,
            (Self::Single(own), Self::Single(others)) => own == others,
            (Self::Device(own), Self::Device(others)) => own.copy() == others.copy(),
            _ => false,
        }
    }
}

impl fmt::Debug for Numbers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Double(values) => f.debug_tuple("Double").field(values).finish(),
            Self::Single(values) => f.debug_tuple("Single").field(values).finish(),
            Self::Device(values) => write!(f, "Device({} values)", values.len()),
        }
    }
}

impl<'a> Numbers<'a> {
    /// How many there are.
    pub fn len(self) -> usize {
        match self {
            Self::Double(values) => values.len(),
            Self::Single(values) => values.len(),
            Self::Device(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// All of them as f64, for criteria that do not care for the difference; units are copied.
    ///
    /// ```
    /// use cleanai_harness::criteria::Numbers;
    ///
    /// assert_eq!(*Numbers::Single(&[0.5, 2.0]).to_f64(), [0.5, 2.0]);
    /// ```
    pub fn to_f64(self) -> Cow<'a, [f64]> {
        match self {
            Self::Double(values) => Cow::Borrowed(values),
            Self::Single(values) => values.iter().copied().map(f64::from).collect(),
            Self::Device(values) => values.copy().into_iter().map(f64::from).collect(),
        }
    }
}

/// Smallest and largest finite scalar of a layer's whole output for one input; 0 and 0 where there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct InputRange {
    /// The smallest.
    pub low: f32,
    /// The largest.
    pub high: f32,
}

impl InputRange {
    /// How far apart the two are.
    pub fn span(self) -> f64 {
        f64::from(self.high) - f64::from(self.low)
    }
}

/// The values of one layer for the real inputs of one batch.
#[derive(Debug, Clone, Copy)]
pub struct LayerValues<'a> {
    /// Index of the layer among those the state was started with.
    pub layer: usize,
    /// Index of the first input in the data set.
    pub first: usize,
    /// Inputs (rows).
    pub inputs: usize,
    /// Neurons (columns).
    pub neurons: usize,
    /// `inputs * neurons` neuron values, row-major (CRITERIA section 1, "Neuron").
    /// With `non_finite = "ignore"` a skipped value is NaN: it covers nothing and enters no range.
    pub values: Numbers<'a>,
    /// For channels, what their scalars lie above the smallest of the layer's whole output on average ([`InputRange::low`]), `inputs * neurons`: more
    /// exact than the difference of the two where they are nearly equal. Empty for units, whose difference is exact.
    pub above: &'a [f64],
    /// The smallest finite value of each neuron over these inputs; infinity for one that has none.
    pub low: Numbers<'a>,
    /// The largest finite value of each neuron over these inputs; minus infinity for one that has none.
    pub high: Numbers<'a>,
    /// For each input the range of the layer's whole output, which `nc` scales by.
    pub ranges: &'a [InputRange],
    /// For [`LayerValues::peak`]: block by block the largest value of each input; empty where they are not known.
    pub(crate) peaks: &'a [f32],
    /// The most active neurons, once somebody has asked for them.
    pub(crate) most_active: &'a MostActive,
    /// Rows that outlive the batch, once somebody has kept them.
    pub(crate) kept_rows: &'a KeptRows,
}

impl LayerValues<'_> {
    /// The largest value of an input among the `block`th [`PEAK_COLUMNS`] neurons, where it is known.
    pub(crate) fn peak(&self, block: usize, input: usize) -> Option<f32> {
        self.peaks.get(block * self.inputs + input).copied()
    }

    /// The smallest and the largest finite value of any neuron for any of these inputs; infinity and minus infinity where there is none.
    pub(crate) fn whole_range(&self) -> (f64, f64) {
        // An input's 0 and 0 may stand for no value at all, and channels have other values than the scalars that their ranges are of.
        let is_told = |range: &InputRange| range.low != 0.0 || range.high != 0.0;
        let ends = |low: f64, high: f64, ends: (f64, f64)| (f64::min(ends.0, low), f64::max(ends.1, high));
        let nothing = (f64::INFINITY, f64::NEG_INFINITY);
        match (self.low, self.high) {
            (Numbers::Single(_), _) if self.ranges.iter().all(is_told) => {
                let ranges = self.ranges.iter();
                ranges.fold(nothing, |all, range| ends(f64::from(range.low), f64::from(range.high), all))
            }
            (low, high) => {
                let finite = |end: f64, nothing: f64| if end.is_finite() { end } else { nothing };
                let (low, high) = (low.to_f64(), high.to_f64());
                let both = low.iter().zip(high.iter());
                both.fold(nothing, |all, (low, high)| ends(finite(*low, nothing.0), finite(*high, nothing.1), all))
            }
        }
    }
}

/// Values of a layer that own their memory; what the examples and tests of criteria hand to a state.
///
/// ```
/// use cleanai_harness::criteria::{LayerBatch, Numbers};
///
/// let batch = LayerBatch::channels(2, vec![1.0, 4.0, 3.0, 2.0]); // two inputs of two neurons
/// let values = batch.values(0, 0);
/// assert_eq!((values.low, values.high), (Numbers::Double(&[1.0, 2.0]), Numbers::Double(&[3.0, 4.0])));
/// ```
#[derive(Debug, Clone)]
pub struct LayerBatch {
    inputs: usize,
    neurons: usize,
    values: Owned,
    above: Vec<f64>,
    low: Owned,
    high: Owned,
    ranges: Vec<InputRange>,
    peaks: Vec<f32>,
    most_active: MostActive,
    kept_rows: KeptRows,
}

#[derive(Debug, Clone)]
enum Owned {
    Double(Vec<f64>),
    Single(Vec<f32>),
}

impl Owned {
    fn numbers(&self) -> Numbers<'_> {
        match self {
            Self::Double(values) => Numbers::Double(values),
            Self::Single(values) => Numbers::Single(values),
        }
    }

    /// Smallest and largest finite value of each column.
    fn column_ranges(&self, neurons: usize) -> (Self, Self) {
        fn of<T: Number>(values: &[T], neurons: usize) -> (Vec<T>, Vec<T>) {
            let (mut low, mut high) = (vec![T::INFINITY; neurons], vec![T::NEG_INFINITY; neurons]);
            values.chunks_exact(neurons.max(1)).for_each(|row| widen(row, &mut low, &mut high));
            (low, high)
        }
        match self {
            Self::Double(values) => {
                let (low, high) = of(values, neurons);
                (Self::Double(low), Self::Double(high))
            }
            Self::Single(values) => {
                let (low, high) = of(values, neurons);
                (Self::Single(low), Self::Single(high))
            }
        }
    }
}

impl LayerBatch {
    /// Channel values, `inputs` rows of them. The range of an input is that of its row.
    ///
    /// # Panics
    /// If the values do not fill the rows.
    pub fn channels(inputs: usize, values: Vec<f64>) -> Self {
        Self::new(inputs, Owned::Double(values))
    }

    /// Unit values, `inputs` rows of them.
    ///
    /// # Panics
    /// If the values do not fill the rows.
    pub fn units(inputs: usize, values: Vec<f32>) -> Self {
        Self::new(inputs, Owned::Single(values))
    }

    /// The same with other ranges, as of a layer whose channels have several positions.
    pub fn with_ranges(mut self, ranges: Vec<InputRange>) -> Self {
        self.ranges = ranges;
        if let Owned::Double(values) = &self.values {
            let lows = self.ranges.iter().flat_map(|range| std::iter::repeat_n(range.low, self.neurons));
            self.above = values.iter().zip(lows).map(|(value, low)| value - f64::from(low)).collect();
        }
        self
    }

    /// The values of some inputs.
    pub(crate) fn of_inputs(values: &LayerValues<'_>, inputs: &[usize]) -> Self {
        fn rows_of<T: Copy>(all: &[T], neurons: usize, inputs: &[usize]) -> Vec<T> {
            let mut rows = Vec::with_capacity(inputs.len() * neurons);
            inputs.iter().for_each(|input| rows.extend_from_slice(&all[input * neurons..(input + 1) * neurons]));
            rows
        }
        let neurons = values.neurons;
        let own = match values.values {
            Numbers::Double(all) => Owned::Double(rows_of(all, neurons, inputs)),
            Numbers::Single(all) => Owned::Single(rows_of(all, neurons, inputs)),
            Numbers::Device(units) => Owned::Single(rows_of(&units.copy(), neurons, inputs)),
        };
        let (low, high) = own.column_ranges(neurons);
        let blocks = values.peaks.chunks_exact(values.inputs.max(1));
        Self {
            inputs: inputs.len(),
            neurons,
            values: own,
            above: if values.above.is_empty() { Vec::new() } else { rows_of(values.above, neurons, inputs) },
            low,
            high,
            ranges: inputs.iter().map(|input| values.ranges[*input]).collect(),
            peaks: blocks.flat_map(|block| inputs.iter().map(|input| block[*input])).collect(),
            most_active: MostActive::default(),
            kept_rows: KeptRows::default(),
        }
    }

    fn new(inputs: usize, values: Owned) -> Self {
        let count = values.numbers().len();
        assert!(if inputs == 0 { count == 0 } else { count.is_multiple_of(inputs) }, "values fill their rows");
        let neurons = count.checked_div(inputs).unwrap_or(0);
        let (low, high) = values.column_ranges(neurons);
        let all = values.numbers().to_f64();
        let range = |row: usize| {
            let row = &all[row * neurons..(row + 1) * neurons];
            let finite = || row.iter().filter(|value| value.is_finite()).map(|value| *value as f32);
            let range = finite().fold(None, |range: Option<(f32, f32)>, value| {
                let (low, high) = range.unwrap_or((value, value));
                Some((low.min(value), high.max(value)))
            });
            range.map_or_else(InputRange::default, |(low, high)| InputRange { low, high })
        };
        let ranges = (0..inputs).map(range).collect();
        drop(all);
        let peaks = match &values {
            Owned::Double(_) => Vec::new(),
            Owned::Single(values) => peaks(values, inputs, neurons),
        };
        let (above, most_active, kept_rows) = (Vec::new(), MostActive::default(), KeptRows::default());
        Self { inputs, neurons, values, above, low, high, ranges: Vec::new(), peaks, most_active, kept_rows }
            .with_ranges(ranges)
    }

    /// The values as those of the `layer`th layer, their first input being the `first` of the data set.
    pub fn values(&self, layer: usize, first: usize) -> LayerValues<'_> {
        LayerValues {
            layer,
            first,
            inputs: self.inputs,
            neurons: self.neurons,
            values: self.values.numbers(),
            above: &self.above,
            low: self.low.numbers(),
            high: self.high.numbers(),
            ranges: &self.ranges,
            peaks: &self.peaks,
            most_active: &self.most_active,
            kept_rows: &self.kept_rows,
        }
    }
}

/// Block by block the largest value of each input.
fn peaks(values: &[f32], inputs: usize, neurons: usize) -> Vec<f32> {
    let of_block = |block: usize| {
        let columns = block * PEAK_COLUMNS..neurons.min((block + 1) * PEAK_COLUMNS);
        let rows = values.chunks_exact(neurons).take(inputs);
        rows.map(move |row| row[columns.clone()].iter().copied().fold(f32::NEG_INFINITY, f32::max))
    };
    (0..neurons.div_ceil(PEAK_COLUMNS)).flat_map(of_block).collect()
}

vectorised! {
    /// Takes the finite values of a row into the ranges of the columns.
    fn widen<T: Number>(row: &[T], low: &mut [T], high: &mut [T]) {
        for ((low, high), &value) in low.iter_mut().zip(high).zip(row) {
            *low = if (value < *low) & (value > T::NEG_INFINITY) { value } else { *low };
            *high = if (value > *high) & (value < T::INFINITY) { value } else { *high };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number() -> impl Strategy<Value = f32> {
        prop_oneof![6 => -2f32..2.0, 1 => Just(0.0), 1 => Just(f32::NAN)]
    }

    /// Everything that criteria read of it, as text, so that NaN equals NaN.
    fn told(batch: &LayerBatch) -> String {
        format!("{:?}", batch.values(0, 0))
    }

    proptest! {
        #[test]
        fn some_inputs_are_as_if_alone(
            (neurons, values) in (1usize..40).prop_flat_map(|neurons| {
                (Just(neurons), proptest::collection::vec(number(), neurons * 6))
            }),
            inputs in proptest::sample::subsequence(vec![0usize, 1, 2, 3, 4, 5], 0..6),
        ) {
            let picked: Vec<f32> =
                inputs.iter().flat_map(|input| values[input * neurons..(input + 1) * neurons].to_vec()).collect();
            let units = LayerBatch::units(6, values.clone());
            let own = LayerBatch::of_inputs(&units.values(0, 0), &inputs);
            prop_assert_eq!(own.neurons, neurons);
            if !inputs.is_empty() {
                prop_assert_eq!(told(&own), told(&LayerBatch::units(inputs.len(), picked.clone())));
            }

            let double = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<_>>();
            let range = |input: usize| InputRange { low: -3.0 - input as f32, high: 4.0 };
            let channels = LayerBatch::channels(6, double(&values)).with_ranges((0..6).map(range).collect());
            let own = LayerBatch::of_inputs(&channels.values(0, 0), &inputs);
            if !inputs.is_empty() {
                let ranges = inputs.iter().map(|input| range(*input)).collect();
                let alone = LayerBatch::channels(inputs.len(), double(&picked)).with_ranges(ranges);
                prop_assert_eq!(told(&own), told(&alone));
            }
        }
    }
}
