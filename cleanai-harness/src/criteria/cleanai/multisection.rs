//! `cleanai::mnc`: units within intervals.

use crate::Result;
use crate::criteria::registry::{CriterionDescription, ParameterDescription, ParameterKind, ValueKind};
use crate::criteria::scope::Scope;
use crate::criteria::{Criterion, Direction, Needs, Start, State};
use crate::declare::CriterionSpec;

use super::counts::{CountState, Rule};
use super::kernel::{not_above, not_below};
use super::{REFERENCE, arguments, needs};

/// `cleanai::mnc(intervals = [[0, 0.1], [0.1, 0.2], [0.2, 0.3], [0.3, 0.4], [0.4, 0.5]])`: the share of units within intervals.
///
/// Intervals are closed and compared in f64, so that the f32 nearest to 0.1, which is a little larger, is not in `[0, 0.1]`. Every
/// interval has a figure of its own, `interval_1` and so on, the share of units in it; the value is the share of units in any of
/// them, a unit counted once. Covered and total are summed over inputs and layers. Further details: `intervals_covered` (units in each
/// interval), `first_input_intervals` (the same for the first input), `first_input` (units in any, by layer), `inputs`.
///
/// Definition: the CleanAI library, multisection neuron coverage, which has the figures of the intervals only.
///
/// ```
/// use cleanai_harness::criteria::{LayerBatch, Start, registry};
/// use cleanai_harness::model::LayerInfo;
///
/// let layer = LayerInfo {
///     name: "relu".into(), class: "ReLU".into(), operator: "relu".into(), shape: vec![4], channel_axis: 0,
/// };
/// let spec = "cleanai::mnc(intervals=[[0, 0.5], [0.5, 2]])".parse()?;
/// let mut state = registry::criterion(&spec)?.start(Start { layers: &[layer], neurons: &[4], profile: None })?;
/// let batch = LayerBatch::units(1, vec![0.0, 0.5, 1.0, 3.0]);
/// state.observe(batch.values(0, 0));
/// let figures = state.figures();
/// assert_eq!(figures.value, Some(0.75));
/// assert_eq!((&figures.details["interval_1"], &figures.details["interval_2"]), (&0.5.into(), &0.5.into()));
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const MNC: CriterionDescription = CriterionDescription {
    name: "cleanai::mnc",
    summary: "share of units in any of some closed intervals, and in each of them, summed over inputs",
    parameters: &[ParameterDescription {
        name: "intervals",
        kind: ParameterKind::Intervals,
        default_text: Some("[[0, 0.1], [0.1, 0.2], [0.2, 0.3], [0.3, 0.4], [0.4, 0.5]]"),
        summary: "the intervals, both ends of each included",
    }],
    direction: Direction::HigherIsBetter,
    value: ValueKind::ItemShare,
    reference: REFERENCE,
};

pub(super) fn build(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    let intervals = arguments(spec, &MNC)?.intervals("intervals")?;
    let rule = Rule::Within(intervals.into_iter().map(|(from, to)| (not_below(from), not_above(to))).collect());
    Ok(Box::new(Within { spec: spec.clone(), rule }))
}

struct Within {
    spec: CriterionSpec,
    rule: Rule,
}

impl Criterion for Within {
    fn spec(&self) -> &CriterionSpec {
        &self.spec
    }

    fn needs(&self) -> Needs {
        needs()
    }

    fn start(&self, start: Start<'_>) -> Result<Box<dyn State>> {
        Ok(Box::new(CountState::new(Scope::new(&self.spec, &start)?, self.rule.clone())))
    }

    fn restore(&self, start: Start<'_>, saved: &[u8]) -> Result<Box<dyn State>> {
        Ok(Box::new(CountState::restored(Scope::new(&self.spec, &start)?, self.rule.clone(), saved)?))
    }
}
