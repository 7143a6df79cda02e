//! Neuron coverage by a threshold: `nc` on scaled values, `nac` on raw ones.

use std::any::Any;

use crate::Result;
use crate::declare::CriterionSpec;

use super::bit_set::BitSet;
use super::columns::{Extreme, mark};
use super::registry::{Arguments, CriterionDescription, ParameterDescription, ParameterKind};
use super::scope::Scope;
use super::{Criterion, Direction, Figures, LayerValues, Needs, Start, State};

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
/// use cleanai_harness::criteria::{LayerValues, Start, registry};
/// use cleanai_harness::model::LayerInfo;
///
/// let layer = LayerInfo {
///     name: "fc".into(), class: "Linear".into(), operator: "linear".into(), shape: vec![3], channel_axis: 0,
/// };
/// let mut state = registry::criterion(&"nc(threshold=0.5)".parse()?)?.start(Start { layers: &[layer], neurons: &[3], profile: None })?;
/// // One input: its values, and the same scaled.
/// let (values, scaled) = ([-1.0, 3.0, 1.0], [0.0, 1.0, 0.5]);
/// state.observe(LayerValues { layer: 0, first: 0, inputs: 1, neurons: 3, values: &values, scaled: Some(&scaled) });
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
/// use cleanai_harness::criteria::{LayerValues, Start, registry};
/// use cleanai_harness::model::LayerInfo;
///
/// let layer = LayerInfo {
///     name: "fc".into(), class: "Linear".into(), operator: "linear".into(), shape: vec![3], channel_axis: 0,
/// };
/// let mut state = registry::criterion(&"nac".parse()?)?.start(Start { layers: &[layer], neurons: &[3], profile: None })?;
/// let values = [0.0, 0.1, -1.0, 0.0, -0.1, 2.0]; // two inputs
/// state.observe(LayerValues { layer: 0, first: 0, inputs: 2, neurons: 3, values: &values, scaled: None });
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
        Needs { scaled: self.scaled, ..Needs::default() }
    }

    fn start(&self, start: Start<'_>) -> Result<Box<dyn State>> {
        let scope = Scope::new(&self.spec, &start)?;
        let covered = scope.neurons.iter().map(|width| BitSet::new(*width)).collect();
        Ok(Box::new(ThresholdState { scope, scaled: self.scaled, threshold: self.threshold, covered }))
    }
}

#[derive(Debug)]
pub(super) struct ThresholdState {
    scope: Scope,
    scaled: bool,
    threshold: f64,
    covered: Vec<BitSet>,
}

impl State for ThresholdState {
    fn observe(&mut self, values: LayerValues<'_>) {
        let read = match self.scaled {
            true => values.scaled.expect("the pass gives scaled values to a criterion that asks for them"),
            false => values.values,
        };
        // The threshold is finite, so a neuron without a value (minus infinity) stays below it.
        mark(read, values.neurons, Extreme::Largest, &mut self.covered[values.layer], |_, largest| {
            largest > self.threshold
        });
    }

    fn merge(&mut self, other: Box<dyn State>) -> Result<()> {
        let other: Self = self.scope.same_family(other)?;
        self.scope.agrees(&other.scope)?;
        for (covered, others) in self.covered.iter_mut().zip(&other.covered) {
            covered.union_with(others);
        }
        Ok(())
    }

    fn figures(&self) -> Figures {
        self.scope.shares(self.covered.iter().zip(&self.scope.neurons).map(|(set, width)| (set.count(), *width as u64)))
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
