//! `cleanai::tc`: units above a threshold.

use crate::Result;
use crate::criteria::registry::{CriterionDescription, ParameterDescription, ValueKind};
use crate::criteria::scope::Scope;
use crate::criteria::{Criterion, Direction, Needs, Start, State};
use crate::declare::CriterionSpec;

use super::counts::{CountState, Rule};
use super::kernel::not_above;
use super::{ANY_NUMBER, REFERENCE, arguments, needs};

/// `cleanai::tc(threshold = 0.75)`: the share of units above a threshold.
///
/// Raw values, strictly greater, compared in f64. Covered and total are summed over inputs and layers. Details: `first_input` (covered
/// and total of each layer for the first input), `inputs`.
///
/// Definition: the CleanAI library, threshold coverage.
///
/// ```
/// use cleanai_harness::criteria::{LayerBatch, Start, registry};
/// use cleanai_harness::model::LayerInfo;
///
/// let layer = LayerInfo {
///     name: "relu".into(), class: "ReLU".into(), operator: "relu".into(), shape: vec![2], channel_axis: 0,
/// };
/// let mut state = registry::criterion(&"cleanai::tc".parse()?)?.start(Start { layers: &[layer], neurons: &[2], profile: None })?;
/// let batch = LayerBatch::units(2, vec![0.75, 0.8, 0.0, 0.8]); // two inputs
/// state.observe(batch.values(0, 0));
/// // The second unit counts for each of them.
/// assert_eq!((state.figures().covered, state.figures().total), (Some(2), Some(4)));
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const TC: CriterionDescription = CriterionDescription {
    name: "cleanai::tc",
    summary: "share of units above a threshold, summed over inputs",
    parameters: &[ParameterDescription {
        name: "threshold",
        kind: ANY_NUMBER,
        default_text: Some("0.75"),
        summary: "what the raw value must exceed",
    }],
    direction: Direction::HigherIsBetter,
    value: ValueKind::ItemShare,
    reference: REFERENCE,
};

pub(super) fn build(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    let threshold = arguments(spec, &TC)?.number("threshold")?;
    Ok(Box::new(Above { spec: spec.clone(), rule: Rule::Above(not_above(threshold)) }))
}

struct Above {
    spec: CriterionSpec,
    rule: Rule,
}

impl Criterion for Above {
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
