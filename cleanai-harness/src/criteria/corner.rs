//! Coverage of what lies beyond the profile's ranges: `nbc` (both corners) and `snac` (the upper one).

use std::any::Any;

use crate::Result;
use crate::declare::CriterionSpec;

use super::bit_set::BitSet;
use super::columns::{Extreme, mark};
use super::registry::{Arguments, CriterionDescription, ParameterDescription, ParameterKind};
use super::scope::Scope;
use super::section::same_numbers;
use super::{Criterion, Direction, Figures, LayerProfile, LayerValues, Needs, Start, State};

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
/// use cleanai_harness::criteria::{LayerProfile, LayerValues, Start, registry};
/// use cleanai_harness::model::LayerInfo;
///
/// let layer = LayerInfo {
///     name: "fc".into(), class: "Linear".into(), operator: "linear".into(), shape: vec![2], channel_axis: 0,
/// };
/// let profile = LayerProfile { low: vec![0.0, 0.0], high: vec![1.0, 1.0], std: vec![0.5, 0.5] };
/// let start = Start { layers: &[layer], neurons: &[2], profile: Some(&[profile]) };
/// let mut state = registry::criterion(&"nbc".parse()?)?.start(start)?;
/// let values = [1.1, -0.1, 1.0, 0.0]; // two inputs; on the bound is not beyond it
/// state.observe(LayerValues { layer: 0, first: 0, inputs: 2, neurons: 2, values: &values, scaled: None });
/// assert_eq!(state.figures().value, Some(0.5));
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const NBC: CriterionDescription = CriterionDescription {
    name: "nbc",
    summary: "share of the neurons' upper and lower corners, beyond their profile ranges, that some input reaches",
    parameters: &[SIGMA],
    direction: Direction::HigherIsBetter,
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
/// use cleanai_harness::criteria::{LayerProfile, LayerValues, Start, registry};
/// use cleanai_harness::model::LayerInfo;
///
/// let layer = LayerInfo {
///     name: "fc".into(), class: "Linear".into(), operator: "linear".into(), shape: vec![2], channel_axis: 0,
/// };
/// let profile = LayerProfile { low: vec![0.0, 0.0], high: vec![1.0, 1.0], std: vec![0.5, 0.5] };
/// let start = Start { layers: &[layer], neurons: &[2], profile: Some(&[profile]) };
/// let mut state = registry::criterion(&"snac(sigma=1.0)".parse()?)?.start(start)?;
/// let values = [1.5, 1.6]; // the first lies on the bound
/// state.observe(LayerValues { layer: 0, first: 0, inputs: 1, neurons: 2, values: &values, scaled: None });
/// assert_eq!(state.figures().covered, Some(1));
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const SNAC: CriterionDescription = CriterionDescription {
    name: "snac",
    summary: "share of neurons that some input drives above their profile range",
    parameters: &[SIGMA],
    direction: Direction::HigherIsBetter,
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
        Needs { profile: true, ..Needs::default() }
    }

    fn start(&self, start: Start<'_>) -> Result<Box<dyn State>> {
        let scope = Scope::new(&self.spec, &start)?;
        let profile = scope.profile(&start)?;
        let layers = profile
            .iter()
            .map(|layer| LayerCorners {
                upper: Corner::new(layer, |high, _, std| high + self.sigma * std),
                lower: self.lower_too.then(|| Corner::new(layer, |_, low, std| low - self.sigma * std)),
                unknown: layer.unknown(),
            })
            .collect();
        Ok(Box::new(CornerState { scope, layers }))
    }
}

/// One end of a layer's neurons.
#[derive(Debug)]
struct Corner {
    /// What must be passed; NaN for a neuron without a range, so that nothing passes it.
    bound: Vec<f64>,
    covered: BitSet,
}

impl Corner {
    fn new(profile: &LayerProfile, bound: impl Fn(f64, f64, f64) -> f64) -> Self {
        let bound: Vec<f64> = (0..profile.low.len())
            .map(|neuron| match profile.is_known(neuron) {
                true => bound(profile.high[neuron], profile.low[neuron], profile.std[neuron]),
                false => f64::NAN,
            })
            .collect();
        let covered = BitSet::new(bound.len());
        Self { bound, covered }
    }
}

#[derive(Debug)]
struct LayerCorners {
    upper: Corner,
    lower: Option<Corner>,
    unknown: u64,
}

impl LayerCorners {
    fn corners(&self) -> impl Iterator<Item = &Corner> {
        std::iter::once(&self.upper).chain(&self.lower)
    }
}

#[derive(Debug)]
pub(super) struct CornerState {
    scope: Scope,
    layers: Vec<LayerCorners>,
}

impl State for CornerState {
    fn observe(&mut self, values: LayerValues<'_>) {
        let LayerCorners { upper, lower, .. } = &mut self.layers[values.layer];
        let bound = &upper.bound;
        mark(values.values, values.neurons, Extreme::Largest, &mut upper.covered, |neuron, value| {
            value > bound[neuron]
        });
        if let Some(lower) = lower {
            let bound = &lower.bound;
            mark(values.values, values.neurons, Extreme::Smallest, &mut lower.covered, |neuron, value| {
                value < bound[neuron]
            });
        }
    }

    fn merge(&mut self, other: Box<dyn State>) -> Result<()> {
        let other: Self = self.scope.same_family(other)?;
        self.scope.agrees(&other.scope)?;
        let same_bounds = self.layers.iter().zip(&other.layers).all(|(own, others)| {
            own.corners().zip(others.corners()).all(|(own, others)| same_numbers(&own.bound, &others.bound))
        });
        if !same_bounds {
            return Err(self.scope.does_not_merge("a state with the ranges of another profile"));
        }
        for (own, others) in self.layers.iter_mut().zip(&other.layers) {
            own.upper.covered.union_with(&others.upper.covered);
            if let (Some(own), Some(others)) = (&mut own.lower, &others.lower) {
                own.covered.union_with(&others.covered);
            }
        }
        Ok(())
    }

    fn figures(&self) -> Figures {
        let mut figures = self.scope.shares(self.layers.iter().map(|layer| {
            layer.corners().fold((0, 0), |(covered, total), corner| {
                (covered + corner.covered.count(), total + corner.bound.len() as u64 - layer.unknown)
            })
        }));
        let unknown: u64 = self.layers.iter().map(|layer| layer.unknown).sum();
        figures.details.insert("unknown_neurons".to_owned(), unknown.into());
        if self.layers.iter().any(|layer| layer.lower.is_some()) {
            let upper: u64 = self.layers.iter().map(|layer| layer.upper.covered.count()).sum();
            let lower: u64 =
                self.layers.iter().filter_map(|layer| layer.lower.as_ref()).map(|own| own.covered.count()).sum();
            figures.details.insert("upper".to_owned(), upper.into());
            figures.details.insert("lower".to_owned(), lower.into());
        }
        figures
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
