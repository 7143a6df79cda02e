//! `cleanai::nc`: units above the mean of their layer.

use crate::Result;
use crate::criteria::registry::{CriterionDescription, ValueKind};
use crate::criteria::scope::Scope;
use crate::criteria::{Criterion, Direction, Needs, Start, State};
use crate::declare::CriterionSpec;

use super::counts::{CountState, Rule};
use super::{REFERENCE, arguments, needs};

/// `cleanai::nc`: the share of units above the mean of their layer for the same input.
///
/// Strictly greater counts, compared in f64. Covered and total are summed over inputs and layers. Details: `first_input` (covered and
/// total of each layer for the first input), `means` (the mean of each layer for it), `inputs`.
///
/// Definition: the CleanAI library, neuron coverage of all layers; not the neuron coverage of DeepXplore, which is `nc`.
///
/// ```
/// use cleanai_harness::criteria::{LayerBatch, Start, registry};
/// use cleanai_harness::model::LayerInfo;
///
/// let layer = LayerInfo {
///     name: "relu".into(), class: "ReLU".into(), operator: "relu".into(), shape: vec![3], channel_axis: 0,
/// };
/// let mut state = registry::criterion(&"cleanai::nc".parse()?)?.start(Start { layers: &[layer], neurons: &[3], profile: None })?;
/// let batch = LayerBatch::units(2, vec![0.0, 0.0, 3.0, 2.0, 2.0, 2.0]); // two inputs; the second equals its mean everywhere
/// state.observe(batch.values(0, 0));
/// let figures = state.figures();
/// assert_eq!((figures.covered, figures.total), (Some(1), Some(6)));
/// assert_eq!(figures.details["means"]["relu"], 1.0);
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const NC: CriterionDescription = CriterionDescription {
    name: "cleanai::nc",
    summary: "share of units above the mean of their layer, summed over inputs",
    parameters: &[],
    direction: Direction::HigherIsBetter,
    value: ValueKind::ItemShare,
    reference: REFERENCE,
};

pub(super) fn build(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    arguments(spec, &NC)?;
    Ok(Box::new(AboveMean { spec: spec.clone() }))
}

struct AboveMean {
    spec: CriterionSpec,
}

impl Criterion for AboveMean {
    fn spec(&self) -> &CriterionSpec {
        &self.spec
    }

    fn needs(&self) -> Needs {
        needs()
    }

    fn start(&self, start: Start<'_>) -> Result<Box<dyn State>> {
        Ok(Box::new(CountState::new(Scope::new(&self.spec, &start)?, Rule::AboveMean)))
    }

    fn restore(&self, start: Start<'_>, saved: &[u8]) -> Result<Box<dyn State>> {
        Ok(Box::new(CountState::restored(Scope::new(&self.spec, &start)?, Rule::AboveMean, saved)?))
    }
}
