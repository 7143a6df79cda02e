//! `cleanai::ss`, `sv`, `vs` and `vv`: pairs of units in adjacent layers, by how both change between two inputs.

use crate::Result;
use crate::criteria::registry::{CriterionDescription, ParameterDescription, ParameterKind, ValueKind};
use crate::criteria::{Criterion, Direction, Needs, Start, State};
use crate::declare::CriterionSpec;

use super::kernel::not_above;
use super::pair_state::{Comparison, Counted, PairState, Side};
use super::{ANY_NUMBER, REFERENCE, arguments, needs};

/// Two named inputs.
pub(super) const INPUTS: ParameterDescription = ParameterDescription {
    name: "inputs",
    kind: ParameterKind::TwoNames,
    default_text: Some("[]"),
    summary: "the names of the two inputs; an empty list stands for the first two of the data set",
};

pub(super) const THRESHOLD: ParameterDescription = ParameterDescription {
    name: "threshold",
    kind: ANY_NUMBER,
    default_text: Some("0.75"),
    summary: "what a difference must exceed",
};

/// The right side of `vv` has a threshold of its own, whatever is given.
const RIGHT_OF_VV: f64 = 0.05;

/// `cleanai::ss(threshold = 0.75, inputs = [])`: sign-sign coverage, the share of pairs of units in adjacent layers that a change of two
/// signs covers.
///
/// Adjacent are the selected modules in the order of registration. With s and v the units of a layer whose sign or value changes between
/// the two inputs (as `cleanai::sign` and `cleanai::value` have it), a pair is covered if its left unit is the only one of its layer in s,
/// and its right unit is in s. The value is covered pairs / pairs, and nothing for a single layer. Layers are named
/// `relu1 -> relu2`. Details: `inputs`, the names of the two inputs.
///
/// The threshold is there because all four have it; nothing here depends on it.
///
/// Definition: the CleanAI library, after Sun et al.: Testing Deep Neural Networks, section 4; `ss` is the latter's.
///
/// ```
/// use cleanai_harness::criteria::{LayerBatch, Start, registry};
/// use cleanai_harness::model::LayerInfo;
///
/// let layer = |name: &str| LayerInfo {
///     name: name.into(), class: "ReLU".into(), operator: "relu".into(), shape: vec![2], channel_axis: 0,
/// };
/// let layers = [layer("relu1"), layer("relu2")];
/// let start = Start { layers: &layers, neurons: &[2, 2], profile: None };
/// let mut state = registry::criterion(&"cleanai::ss".parse()?)?.start(start)?;
/// // Two inputs. In relu1 the first unit alone becomes 0, in relu2 both do.
/// state.observe(LayerBatch::units(2, vec![1.0, 1.0, 0.0, 1.0]).values(0, 0));
/// state.observe(LayerBatch::units(2, vec![1.0, 1.0, 0.0, 0.0]).values(1, 0));
/// assert_eq!((state.figures().covered, state.figures().total), (Some(2), Some(4)));
/// assert_eq!(state.figures().layers[0].name, "relu1 -> relu2");
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const SS: CriterionDescription = description(
    "cleanai::ss",
    "share of pairs of units in adjacent layers: the left one alone changes its sign, the right one its sign",
);

/// `cleanai::sv(threshold = 0.75, inputs = [])`: sign-value coverage, as [`SS`], but the right unit changes its value and not its sign.
pub const SV: CriterionDescription = description(
    "cleanai::sv",
    "share of pairs of units in adjacent layers: the left one alone changes its sign, the right one its value",
);

/// `cleanai::vs(threshold = 0.75, inputs = [])`: value-sign coverage, as [`SS`], but the left unit changes its value, and no other unit of
/// its layer changes its sign.
pub const VS: CriterionDescription = description(
    "cleanai::vs",
    "share of pairs of units in adjacent layers: the left one changes its value, the right one its sign",
);

/// `cleanai::vv(threshold = 0.75, inputs = [])`: value-value coverage: the left unit as in [`VS`], the right one as in [`SV`], but by more
/// than 0.05 whatever the threshold.
pub const VV: CriterionDescription =
    description("cleanai::vv", "share of pairs of units in adjacent layers: both change their values");

const fn description(name: &'static str, summary: &'static str) -> CriterionDescription {
    CriterionDescription {
        name,
        summary,
        parameters: &[THRESHOLD, INPUTS],
        direction: Direction::HigherIsBetter,
        value: ValueKind::ItemShare,
        reference: REFERENCE,
    }
}

pub(super) fn build_ss(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    build(spec, &SS, Counted::Pairs { left: Side::Sign, right: Side::Sign })
}

pub(super) fn build_sv(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    build(spec, &SV, Counted::Pairs { left: Side::Sign, right: Side::Value })
}

pub(super) fn build_vs(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    build(spec, &VS, Counted::Pairs { left: Side::Value, right: Side::Sign })
}

pub(super) fn build_vv(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    build(spec, &VV, Counted::Pairs { left: Side::Value, right: Side::Value })
}

/// Any of those that compare two inputs.
pub(super) fn build(
    spec: &CriterionSpec,
    description: &CriterionDescription,
    counted: Counted,
) -> Result<Box<dyn Criterion>> {
    let arguments = arguments(spec, description)?;
    let threshold = match counted {
        Counted::Sign => 0.0,
        _ => arguments.number("threshold")?,
    };
    let right = match counted {
        Counted::Pairs { left: Side::Value, right: Side::Value } => RIGHT_OF_VV,
        _ => threshold,
    };
    let inputs = arguments.two_names("inputs")?;
    let comparison = Comparison { counted, threshold: not_above(threshold), right: not_above(right), inputs };
    Ok(Box::new(TwoInputs { spec: spec.clone(), comparison }))
}

struct TwoInputs {
    spec: CriterionSpec,
    comparison: Comparison,
}

impl Criterion for TwoInputs {
    fn spec(&self) -> &CriterionSpec {
        &self.spec
    }

    fn needs(&self) -> Needs {
        needs()
    }

    fn named_inputs(&self) -> &[String] {
        self.comparison.inputs.as_ref().map_or(&[], |names| names.as_slice())
    }

    fn start(&self, start: Start<'_>) -> Result<Box<dyn State>> {
        Ok(Box::new(PairState::new(&self.spec, &start, &self.comparison)?))
    }

    fn restore(&self, start: Start<'_>, saved: &[u8]) -> Result<Box<dyn State>> {
        Ok(Box::new(PairState::restored(&self.spec, &start, &self.comparison, saved)?))
    }
}
