//! Coverage of what lies beyond the profile's ranges: `nbc` (both corners) and `snac` (the upper one).

use std::any::Any;

use crate::Result;
use crate::declare::CriterionSpec;

use super::columns::{End, NeuronBounds, mark_beyond};
use super::coverage::{Coverage, contributions, covered_neurons, take_covered};
use super::ranges::same_numbers;
use super::registry::{Arguments, CriterionDescription, ParameterDescription, ParameterKind, ValueKind};
use super::scope::Scope;
use super::{BatchEnd, Criterion, Direction, Figures, LayerProfile, LayerValues, Needs, OfInputs, Start, State};

const SIGMA: ParameterDescription = ParameterDescription {
    name: "sigma",
    kind: ParameterKind::Number { at_least: 0.0, at_most: f64::INFINITY },
    default_text: Some("0.0"),
    summary: "how many standard deviations beyond the profile's range a corner begins",
};

/// `nbc(sigma = 0.0)`, neuron boundary coverage: the share of corners beyond the profile's ranges that some input
/// reaches.
///
/// The profile set gives every neuron a range `[low, high]` and the population's standard deviation `std`. Its upper
/// corner is covered by a value > `high + sigma * std`, its lower one by a value < `low - sigma * std`, both strictly.
/// Constant neurons have corners like all others; a neuron the profile set has no value of has none.
/// The value is (upper + lower) / (2 * neurons), in 0..=1.
///
/// Details: `upper` and `lower` (covered corners), `unknown_neurons` (left out for want of profile values).
///
/// Definition: Ma et al.: DeepGauge, ASE 2018, section 3.
///
/// ```
/// use cleanai_harness::criteria::{LayerBatch, LayerProfile, Start, registry};
/// use cleanai_harness::model::LayerInfo;
///
/// let layer = LayerInfo {
///     name: "fc".into(), class: "Linear".into(), operator: "linear".into(), shape: vec![2], channel_axis: 0,
/// };
/// let profile = LayerProfile { low: vec![0.0, 0.0], high: vec![1.0, 1.0], std: vec![0.5, 0.5], ..Default::default() };
/// let start = Start { layers: &[layer], neurons: &[2], profile: Some(&[profile]) };
/// let mut state = registry::criterion(&"nbc".parse()?)?.start(start)?;
/// let batch = LayerBatch::channels(2, vec![1.1, -0.1, 1.0, 0.0]); // two inputs; on the bound is not beyond it
/// state.observe(batch.values(0, 0));
/// assert_eq!(state.figures().value, Some(0.5));
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const NBC: CriterionDescription = CriterionDescription {
    name: "nbc",
    summary: "share of the neurons' upper and lower corners, beyond their profile ranges, that some input reaches",
    parameters: &[SIGMA],
    direction: Direction::HigherIsBetter,
    value: ValueKind::NeuronShare,
    reference: "Ma et al.: DeepGauge, ASE 2018, section 3",
};

/// `snac(sigma = 0.0)`, strong neuron activation coverage: the share of neurons some input drives beyond the upper end
/// of their profile range.
///
/// The upper corner of [`NBC`] alone. The value is upper / neurons, in 0..=1; the detail `unknown_neurons` counts those
/// left out for want of profile values.
///
/// Definition: Ma et al.: DeepGauge, ASE 2018, section 3.
///
/// ```
/// use cleanai_harness::criteria::{LayerBatch, LayerProfile, Start, registry};
/// use cleanai_harness::model::LayerInfo;
///
/// let layer = LayerInfo {
///     name: "fc".into(), class: "Linear".into(), operator: "linear".into(), shape: vec![2], channel_axis: 0,
/// };
/// let profile = LayerProfile { low: vec![0.0, 0.0], high: vec![1.0, 1.0], std: vec![0.5, 0.5], ..Default::default() };
/// let start = Start { layers: &[layer], neurons: &[2], profile: Some(&[profile]) };
/// let mut state = registry::criterion(&"snac(sigma=1.0)".parse()?)?.start(start)?;
/// let batch = LayerBatch::channels(1, vec![1.5, 1.6]); // the first lies on the bound
/// state.observe(batch.values(0, 0));
/// assert_eq!(state.figures().covered, Some(1));
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const SNAC: CriterionDescription = CriterionDescription {
    name: "snac",
    summary: "share of neurons that some input drives above their profile range",
    parameters: &[SIGMA],
    direction: Direction::HigherIsBetter,
    value: ValueKind::NeuronShare,
    reference: "Ma et al.: DeepGauge, ASE 2018, section 3",
};

pub(super) fn build_nbc(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    build(spec, &NBC, true)
}

pub(super) fn build_snac(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    build(spec, &SNAC, false)
}

fn build(spec: &CriterionSpec, description: &CriterionDescription, lower_too: bool) -> Result<Box<dyn Criterion>> {
    let sigma = Arguments::check(spec, description)?.number("sigma")?;
    Ok(Box::new(Corners { spec: spec.clone(), sigma, lower_too }))
}

struct Corners {
    spec: CriterionSpec,
    sigma: f64,
    lower_too: bool,
}

impl Criterion for Corners {
    fn spec(&self) -> &CriterionSpec {
        &self.spec
    }

    fn needs(&self) -> Needs {
        Needs { profile: true, std: self.sigma > 0.0, classes: true, device: true, ..Needs::default() }
    }

    fn of_inputs(&self) -> OfInputs {
        OfInputs::Items
    }

    fn bytes(&self, neurons: &[usize]) -> u64 {
        // A bit of coverage beside each bound.
        let ends: usize = if self.lower_too { 2 } else { 1 };
        neurons.iter().map(|neurons| (ends * (*neurons * NeuronBounds::BYTES + neurons.div_ceil(8))) as u64).sum()
    }

    fn start(&self, start: Start<'_>) -> Result<Box<dyn State>> {
        let scope = Scope::new(&self.spec, &start)?;
        let profile = scope.profile(&start)?;
        let layers: Vec<LayerBounds> = profile.iter().map(|layer| LayerBounds::new(layer, self)).collect();
        let (upper, lower) = self.nothing_covered(&scope);
        Ok(Box::new(CornerState { scope, layers, upper, lower }))
    }

    fn restore(&self, start: Start<'_>, saved: &[u8]) -> Result<Box<dyn State>> {
        let scope = Scope::new(&self.spec, &start)?;
        let profile = scope.profile(&start)?;
        let layers: Vec<LayerBounds> = profile.iter().map(|layer| LayerBounds::new(layer, self)).collect();
        let (upper, lower): (Vec<Coverage>, Vec<Coverage>) = scope.restored(saved)?;
        let widths = |ends: &[Coverage]| {
            ends.len() == scope.neurons.len()
                && ends.iter().zip(&scope.neurons).all(|(end, width)| end.is_sound(*width))
        };
        if !widths(&upper) || !(if self.lower_too { widths(&lower) } else { lower.is_empty() }) {
            return Err(scope.does_not_fit());
        }
        Ok(Box::new(CornerState { scope, layers, upper, lower }))
    }
}

impl Corners {
    fn nothing_covered(&self, scope: &Scope) -> (Vec<Coverage>, Vec<Coverage>) {
        let ends = if self.lower_too { 2 } else { 1 };
        let mut upper = Coverage::of_layers(scope.neurons.iter().cycle().take(ends * scope.neurons.len()).copied());
        let lower = upper.split_off(scope.neurons.len());
        (upper, lower)
    }
}

/// What a layer's values must pass; NaN for a neuron without a range, so that nothing passes it.
#[derive(Debug)]
struct LayerBounds {
    upper: NeuronBounds,
    /// Of no neurons where only the upper corners count.
    lower: NeuronBounds,
    unknown: u64,
}

impl LayerBounds {
    fn new(profile: &LayerProfile, Corners { sigma, lower_too, .. }: &Corners) -> Self {
        // Without a margin the deviation is not asked for.
        let margin = |neuron: usize| if *sigma > 0.0 { sigma * profile.std[neuron] } else { 0.0 };
        let known = |neuron: usize, bound: f64| if profile.is_known(neuron) { bound } else { f64::NAN };
        let upper = (0..profile.high.len()).map(|neuron| known(neuron, profile.high[neuron] + margin(neuron)));
        let lower = (0..if *lower_too { profile.low.len() } else { 0 })
            .map(|neuron| known(neuron, profile.low[neuron] - margin(neuron)));
        Self {
            upper: NeuronBounds::new(End::High, upper),
            lower: NeuronBounds::new(End::Low, lower),
            unknown: profile.unknown(),
        }
    }
}

#[derive(Debug)]
pub(super) struct CornerState {
    scope: Scope,
    layers: Vec<LayerBounds>,
    upper: Vec<Coverage>,
    /// Empty where only the upper corners count.
    lower: Vec<Coverage>,
}

impl CornerState {
    fn both(&self) -> impl Iterator<Item = &Coverage> {
        self.upper.iter().chain(&self.lower)
    }
}

impl State for CornerState {
    fn observe(&mut self, values: LayerValues<'_>) {
        let LayerBounds { upper, lower, .. } = &self.layers[values.layer];
        let upper_corner = &mut self.upper[values.layer];
        mark_beyond(&values, upper, upper_corner);
        if let Some(lower_corner) = self.lower.get_mut(values.layer) {
            mark_beyond(&values, lower, lower_corner);
        }
    }

    fn end_batch(&mut self, end: BatchEnd<'_>) -> Result<()> {
        self.upper.iter_mut().chain(&mut self.lower).for_each(|corner| corner.end_batch(end.first));
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn State>) -> Result<()> {
        let other: Self = self.scope.same_family(other)?;
        self.scope.agrees(&other.scope)?;
        let same_bounds = self.layers.iter().zip(&other.layers).all(|(own, others)| {
            same_numbers(own.upper.numbers(), others.upper.numbers())
                && same_numbers(own.lower.numbers(), others.lower.numbers())
        });
        if !same_bounds {
            return Err(self.scope.does_not_merge("a state with the ranges of another profile"));
        }
        let others = other.upper.iter().chain(&other.lower);
        self.upper.iter_mut().chain(&mut self.lower).zip(others).for_each(|(own, others)| own.merge(others));
        Ok(())
    }

    fn count_only(&mut self) {
        self.upper.iter_mut().chain(&mut self.lower).for_each(Coverage::count_only);
    }

    fn figures(&self) -> Figures {
        let counts = self.layers.iter().enumerate().map(|(index, layer)| {
            let ends = [self.upper.get(index), self.lower.get(index)].into_iter().flatten();
            ends.fold((0, 0), |(covered, total), end| {
                (covered + end.count(), total + end.items() as u64 - layer.unknown)
            })
        });
        let mut figures = self.scope.shares(counts);
        figures.contributions = contributions(self.both());
        figures.neurons = covered_neurons(&self.scope.neurons, &[&self.upper, &self.lower]);
        let unknown: u64 = self.layers.iter().map(|layer| layer.unknown).sum();
        figures.details.insert("unknown_neurons".to_owned(), unknown.into());
        if !self.lower.is_empty() {
            let count = |ends: &[Coverage]| ends.iter().map(Coverage::count).sum::<u64>();
            figures.details.insert("upper".to_owned(), count(&self.upper).into());
            figures.details.insert("lower".to_owned(), count(&self.lower).into());
        }
        figures
    }

    fn take_covered(&mut self) -> Option<Vec<u64>> {
        Some(take_covered(self.upper.iter_mut().chain(&mut self.lower)))
    }

    fn save(&self) -> Result<Vec<u8>> {
        self.scope.saved(&(&self.upper, &self.lower))
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
