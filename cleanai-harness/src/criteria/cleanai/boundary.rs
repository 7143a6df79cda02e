//! `cleanai::nbc`: units outside their layer's range over the profile set.

use crate::Result;
use crate::criteria::registry::{CriterionDescription, ValueKind};
use crate::criteria::scope::Scope;
use crate::criteria::{Criterion, Direction, LayerProfile, Needs, Start, State};
use crate::declare::CriterionSpec;

use super::counts::{CountState, Rule};
use super::kernel::{not_above, not_below};
use super::{REFERENCE, arguments, needs};

/// `cleanai::nbc`: the share of units outside the range of their layer.
///
/// A layer has one range: the smallest and the largest value of any of its units over the profile inputs. Strictly below or above
/// counts. Covered and total are summed over inputs and layers. Details: `bounds` of each layer, `first_input` (covered and total of
/// each layer for the first input), `inputs`.
///
/// Definition: the CleanAI library, neuron boundary coverage; not the one of DeepGauge, which is `nbc` and has a range for every
/// neuron.
///
/// ```
/// use cleanai_harness::criteria::{LayerBatch, LayerProfile, Start, registry};
/// use cleanai_harness::model::LayerInfo;
///
/// let layer = LayerInfo {
///     name: "relu".into(), class: "ReLU".into(), operator: "relu".into(), shape: vec![2], channel_axis: 0,
/// };
/// let profile = [LayerProfile { low: vec![0.0, 0.5], high: vec![1.0, 3.0], ..LayerProfile::default() }];
/// let start = Start { layers: &[layer], neurons: &[2], profile: Some(&profile) };
/// let mut state = registry::criterion(&"cleanai::nbc".parse()?)?.start(start)?;
/// let batch = LayerBatch::units(2, vec![2.0, 0.2, 3.0, 3.5]); // two inputs; the layer's range is 0 to 3
/// state.observe(batch.values(0, 0));
/// assert_eq!((state.figures().covered, state.figures().total), (Some(1), Some(4)));
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const NBC: CriterionDescription = CriterionDescription {
    name: "cleanai::nbc",
    summary: "share of units outside their layer's range over the profile set, summed over inputs",
    parameters: &[],
    direction: Direction::HigherIsBetter,
    value: ValueKind::ItemShare,
    reference: REFERENCE,
};

pub(super) fn build(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    arguments(spec, &NBC)?;
    Ok(Box::new(Boundary { spec: spec.clone() }))
}

struct Boundary {
    spec: CriterionSpec,
}

impl Boundary {
    fn rule(&self, scope: &Scope, start: &Start<'_>) -> Result<Rule> {
        Ok(Rule::Outside(scope.profile_of_layers(start)?.iter().map(range).collect()))
    }
}

/// The range of a whole layer. Units without a value in the profile set have infinite ends the wrong way round, which no fold keeps
/// unless there are no others; then nothing is outside.
fn range(profile: &LayerProfile) -> (f32, f32) {
    let low = profile.low.iter().copied().fold(f64::INFINITY, f64::min);
    let high = profile.high.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if low <= high { (not_below(low), not_above(high)) } else { (f32::NEG_INFINITY, f32::INFINITY) }
}

impl Criterion for Boundary {
    fn spec(&self) -> &CriterionSpec {
        &self.spec
    }

    fn needs(&self) -> Needs {
        Needs { profile: true, whole_layers: true, ..needs() }
    }

    fn start(&self, start: Start<'_>) -> Result<Box<dyn State>> {
        let scope = Scope::new(&self.spec, &start)?;
        let rule = self.rule(&scope, &start)?;
        Ok(Box::new(CountState::new(scope, rule)))
    }

    fn restore(&self, start: Start<'_>, saved: &[u8]) -> Result<Box<dyn State>> {
        let scope = Scope::new(&self.spec, &start)?;
        let rule = self.rule(&scope, &start)?;
        Ok(Box::new(CountState::restored(scope, rule, saved)?))
    }
}
