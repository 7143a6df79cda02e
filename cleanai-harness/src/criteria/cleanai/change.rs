//! `cleanai::sign` and `cleanai::value`: units that change between two inputs.

use crate::Result;
use crate::criteria::registry::{CriterionDescription, ValueKind};
use crate::criteria::{Criterion, Direction};
use crate::declare::CriterionSpec;

use super::REFERENCE;
use super::pair::{self, INPUTS, THRESHOLD};
use super::pair_state::Counted;

/// `cleanai::sign(inputs = [])`: the share of units whose sign changes between two inputs.
///
/// A sign changes where the product of the two values, in f32, is not above 0: two zeros count. The inputs are the first two of the
/// data set, or those that `inputs` names. Details: `inputs`, their names.
///
/// Definition: the CleanAI library, sign coverage.
///
/// ```
/// use cleanai_harness::criteria::{LayerBatch, Start, registry};
/// use cleanai_harness::model::LayerInfo;
///
/// let layer = LayerInfo {
///     name: "relu".into(), class: "ReLU".into(), operator: "relu".into(), shape: vec![3], channel_axis: 0,
/// };
/// let mut state = registry::criterion(&"cleanai::sign".parse()?)?.start(Start { layers: &[layer], neurons: &[3], profile: None })?;
/// let batch = LayerBatch::units(2, vec![0.0, 1.0, 2.0, 0.0, 0.0, 1.0]); // two inputs
/// state.observe(batch.values(0, 0));
/// assert_eq!((state.figures().covered, state.figures().total), (Some(2), Some(3)));
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const SIGN: CriterionDescription = CriterionDescription {
    name: "cleanai::sign",
    summary: "share of units whose sign changes between two inputs",
    parameters: &[INPUTS],
    direction: Direction::HigherIsBetter,
    value: ValueKind::ItemShare,
    reference: REFERENCE,
};

/// `cleanai::value(threshold = 0.75, inputs = [])`: the share of units whose value changes between two inputs.
///
/// A value changes where the difference, in f32, exceeds the threshold, compared in f64. The inputs are the first two of the data set,
/// or those that `inputs` names. Details: `inputs`, their names.
///
/// Definition: the CleanAI library, value coverage.
///
/// ```
/// use cleanai_harness::criteria::{LayerBatch, Start, registry};
/// use cleanai_harness::model::LayerInfo;
///
/// let layer = LayerInfo {
///     name: "relu".into(), class: "ReLU".into(), operator: "relu".into(), shape: vec![2], channel_axis: 0,
/// };
/// let mut state = registry::criterion(&"cleanai::value".parse()?)?.start(Start { layers: &[layer], neurons: &[2], profile: None })?;
/// let batch = LayerBatch::units(2, vec![0.0, 1.0, 0.75, 0.0]); // two inputs
/// state.observe(batch.values(0, 0));
/// assert_eq!(state.figures().value, Some(0.5));
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const VALUE: CriterionDescription = CriterionDescription {
    name: "cleanai::value",
    summary: "share of units whose value changes between two inputs",
    parameters: &[THRESHOLD, INPUTS],
    direction: Direction::HigherIsBetter,
    value: ValueKind::ItemShare,
    reference: REFERENCE,
};

pub(super) fn build_sign(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    pair::build(spec, &SIGN, Counted::Sign)
}

pub(super) fn build_value(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    pair::build(spec, &VALUE, Counted::Value)
}
