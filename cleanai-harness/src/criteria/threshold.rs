//! Neuron coverage by a threshold: `nc` on scaled values, `nac` on raw ones.

use std::any::Any;

use crate::Result;
use crate::declare::CriterionSpec;

use super::columns::{mark_above, mark_rows};
use super::coverage::{Coverage, take_covered};
use super::registry::{Arguments, CriterionDescription, ParameterDescription, ParameterKind, ValueKind};
use super::scope::Scope;
use super::{BatchEnd, Criterion, Direction, Figures, InputRange, LayerValues, Needs, Numbers, OfInputs, Start, State};

const ANY_NUMBER: ParameterKind = ParameterKind::Number { at_least: f64::NEG_INFINITY, at_most: f64::INFINITY };

/// `nc(threshold = 0.75)`: the share of neurons whose scaled value exceeds the threshold for some input.
///
/// Per input and layer every scalar `a` of the output is scaled to `(a - min) / (max - min)` over that layer's whole
/// output, then averaged over a channel's positions; a layer whose output is constant scales to 0. Scaled values lie
/// in 0..=1, so a threshold below 0 covers all and one of 1 or more nothing. Strictly greater counts.
/// The value is covered neurons / neurons, in 0..=1.
///
/// Definition: Pei, Cao, Yang, Jana: DeepXplore, SOSP 2017, section 4.1, with the scaling of its implementation.
///
/// ```
/// use cleanai_harness::criteria::{LayerBatch, Start, registry};
/// use cleanai_harness::model::LayerInfo;
///
/// let layer = LayerInfo {
///     name: "fc".into(), class: "Linear".into(), operator: "linear".into(), shape: vec![3], channel_axis: 0,
/// };
/// let mut state = registry::criterion(&"nc(threshold=0.5)".parse()?)?.start(Start { layers: &[layer], neurons: &[3], profile: None })?;
/// let batch = LayerBatch::channels(1, vec![-1.0, 3.0, 1.0]); // one input; scaled: 0, 1, 0.5
/// state.observe(batch.values(0, 0));
/// assert_eq!(state.figures().covered, Some(1));
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const NC: CriterionDescription = CriterionDescription {
    name: "nc",
    summary: "share of neurons whose value, scaled per input and layer to 0..1, exceeds a threshold for some input",
    parameters: &[ParameterDescription {
        name: "threshold",
        kind: ANY_NUMBER,
        default_text: Some("0.75"),
        summary: "what the scaled value must exceed",
    }],
    direction: Direction::HigherIsBetter,
    value: ValueKind::NeuronShare,
    reference: "Pei, Cao, Yang, Jana: DeepXplore, SOSP 2017, section 4.1",
};

/// `nac(threshold = 0.0)`: the share of neurons whose raw value exceeds the threshold for some input.
///
/// Raw values are the model's own: any finite number. Strictly greater counts. The value is covered neurons /
/// neurons, in 0..=1.
///
/// Definition: Pei, Cao, Yang, Jana: DeepXplore, SOSP 2017, section 4.1 (there without the scaling of [`NC`]).
///
/// ```
/// use cleanai_harness::criteria::{LayerBatch, Start, registry};
/// use cleanai_harness::model::LayerInfo;
///
/// let layer = LayerInfo {
///     name: "fc".into(), class: "Linear".into(), operator: "linear".into(), shape: vec![3], channel_axis: 0,
/// };
/// let mut state = registry::criterion(&"nac".parse()?)?.start(Start { layers: &[layer], neurons: &[3], profile: None })?;
/// let batch = LayerBatch::channels(2, vec![0.0, 0.1, -1.0, 0.0, -0.1, 2.0]); // two inputs
/// state.observe(batch.values(0, 0));
/// assert_eq!(state.figures().value, Some(2.0 / 3.0));
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const NAC: CriterionDescription = CriterionDescription {
    name: "nac",
    summary: "share of neurons whose raw value exceeds a threshold for some input",
    parameters: &[ParameterDescription {
        name: "threshold",
        kind: ANY_NUMBER,
        default_text: Some("0.0"),
        summary: "what the raw value must exceed",
    }],
    direction: Direction::HigherIsBetter,
    value: ValueKind::NeuronShare,
    reference: "Pei, Cao, Yang, Jana: DeepXplore, SOSP 2017, section 4.1",
};

pub(super) fn build_nc(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    build(spec, &NC, true)
}

pub(super) fn build_nac(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    build(spec, &NAC, false)
}

fn build(spec: &CriterionSpec, description: &CriterionDescription, scaled: bool) -> Result<Box<dyn Criterion>> {
    let threshold = Arguments::check(spec, description)?.number("threshold")?;
    Ok(Box::new(Threshold { spec: spec.clone(), scaled, threshold }))
}

struct Threshold {
    spec: CriterionSpec,
    scaled: bool,
    threshold: f64,
}

impl Criterion for Threshold {
    fn spec(&self) -> &CriterionSpec {
        &self.spec
    }

    fn needs(&self) -> Needs {
        Needs { classes: true, device: true, ..Needs::default() }
    }

    fn of_inputs(&self) -> OfInputs {
        OfInputs::Items
    }

    fn start(&self, start: Start<'_>) -> Result<Box<dyn State>> {
        let scope = Scope::new(&self.spec, &start)?;
        let coverage = Coverage::of_layers(scope.neurons.iter().copied());
        Ok(Box::new(ThresholdState { scope, scaled: self.scaled, threshold: self.threshold, coverage }))
    }

    fn restore(&self, start: Start<'_>, saved: &[u8]) -> Result<Box<dyn State>> {
        let scope = Scope::new(&self.spec, &start)?;
        let coverage = scope.restored_coverage(saved, scope.neurons.iter().copied())?;
        Ok(Box::new(ThresholdState { scope, scaled: self.scaled, threshold: self.threshold, coverage }))
    }
}

#[derive(Debug)]
pub(super) struct ThresholdState {
    scope: Scope,
    scaled: bool,
    threshold: f64,
    coverage: Vec<Coverage>,
}

impl State for ThresholdState {
    fn observe(&mut self, values: LayerValues<'_>) {
        let coverage = &mut self.coverage[values.layer];
        let threshold = self.threshold;
        match (self.scaled, values.values) {
            // The threshold is finite, so a neuron without a value (minus infinity) stays below it.
            (false, _) => mark_above(&values, threshold, coverage),
            (true, Numbers::Double(_)) => mark_rows(values.above, &values, coverage, |input| {
                let span = values.ranges[input].span();
                // Where all scalars are equal they scale to 0.
                move |above: f64| if span > 0.0 { above / span > threshold } else { above * 0.0 > threshold }
            }),
            (true, Numbers::Single(rows)) => {
                let cutoffs = cutoffs(values.ranges, threshold);
                mark_rows(rows, &values, coverage, |input| {
                    let cutoff = cutoffs[input];
                    move |value: f32| value >= cutoff
                });
            }
            (true, Numbers::Device(units)) => {
                let cutoffs = cutoffs(values.ranges, threshold);
                for (neuron, input) in units.first_at_least(&cutoffs).into_iter().enumerate() {
                    if input != u32::MAX {
                        coverage.insert(neuron, values.first + input as usize);
                    }
                }
            }
        }
    }

    fn end_batch(&mut self, end: BatchEnd<'_>) -> Result<()> {
        self.coverage.iter_mut().for_each(|coverage| coverage.end_batch(end.first));
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn State>) -> Result<()> {
        let other: Self = self.scope.same_family(other)?;
        self.scope.agrees(&other.scope)?;
        for (coverage, others) in self.coverage.iter_mut().zip(&other.coverage) {
            coverage.merge(others);
        }
        Ok(())
    }

    fn count_only(&mut self) {
        self.coverage.iter_mut().for_each(Coverage::count_only);
    }

    fn figures(&self) -> Figures {
        self.scope.covered(&self.coverage, &self.scope.neurons)
    }

    fn take_covered(&mut self) -> Option<Vec<u64>> {
        Some(take_covered(&mut self.coverage))
    }

    fn save(&self) -> Result<Vec<u8>> {
        self.scope.saved(&self.coverage)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// What the values of each input must reach.
fn cutoffs(ranges: &[InputRange], threshold: f64) -> Vec<f32> {
    ranges.iter().map(|range| cutoff(*range, threshold)).collect()
}

/// The smallest f32 within the range that scales to more than `threshold`; minus infinity where all do, infinity where none does.
/// Scaling is monotonic, rounding included, so that comparing with it is the same as scaling every scalar in f64.
fn cutoff(range: InputRange, threshold: f64) -> f32 {
    let InputRange { low, high } = range;
    let (start, span) = (f64::from(low), range.span());
    let passes = |value: f32| {
        let scaled = if span > 0.0 { (f64::from(value) - start) / span } else { 0.0 };
        scaled > threshold
    };
    if passes(low) {
        return f32::NEG_INFINITY;
    }
    if !passes(high) {
        return f32::INFINITY;
    }
    let (mut below, mut above) = (ordered(low), ordered(high));
    while above - below > 1 {
        let middle = below + (above - below) / 2;
        if passes(from_ordered(middle)) { above = middle } else { below = middle }
    }
    from_ordered(above)
}

/// A whole number for every f32, in the same order.
fn ordered(value: f32) -> i64 {
    let bits = i64::from(value.to_bits() & 0x7fff_ffff);
    if value.is_sign_negative() { -bits } else { bits }
}

fn from_ordered(number: i64) -> f32 {
    let value = f32::from_bits(number.unsigned_abs() as u32);
    if number < 0 { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn comparing_with_the_cutoff_is_scaling(
            ends in (any::<f32>(), any::<f32>()),
            share in 0f32..1.0,
            threshold in prop_oneof![Just(0.0), Just(0.25), Just(0.75), Just(1.0), -0.5f64..1.5],
        ) {
            prop_assume!(ends.0.is_finite() && ends.1.is_finite());
            let range = InputRange { low: ends.0.min(ends.1), high: ends.0.max(ends.1) };
            let cutoff = cutoff(range, threshold);
            let middle = (f64::from(range.low) + f64::from(share) * (f64::from(range.high) - f64::from(range.low))) as f32;
            for value in [range.low, range.high, middle, cutoff, cutoff.next_down(), cutoff.next_up()] {
                if !(range.low..=range.high).contains(&value) {
                    continue;
                }
                let span = range.span();
                let scaled = if span > 0.0 { (f64::from(value) - f64::from(range.low)) / span } else { 0.0 };
                prop_assert_eq!(value >= cutoff, scaled > threshold, "{} in {:?}", value, range);
            }
        }
    }
}
