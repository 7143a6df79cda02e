//! Criteria on pairs of neurons of adjacent layers: `ss`, `sv`, `vs` and `vv`, after the modified condition/decision coverage of programs.
//!
//! A pair of inputs covers a pair of neurons if the first neuron changes in a certain way between the inputs and the second does so too.
//! `all` compares every two inputs, `consecutive` the first with the second, the third with the fourth and so on.

mod all;
mod consecutive;
mod cover;
mod groups;
mod signs;

use crate::declare::CriterionSpec;
use crate::{Error, ErrorKind, Result};

use super::coverage::Coverage;
use super::ranges::same_numbers;
use super::registry::{Arguments, CriterionDescription, ParameterDescription, ParameterKind, ValueKind};
use super::scope::Scope;
use super::{Criterion, Direction, Figures, LayerProfile, Needs, Start, State};

use all::AllState;
use consecutive::ConsecutiveState;

const PAIRS: ParameterDescription = ParameterDescription {
    name: "pairs",
    kind: ParameterKind::Choice(&["all", "consecutive"]),
    default_text: Some("all"),
    summary: "which inputs are compared: every two, or the 1st with the 2nd, the 3rd with the 4th, …",
};

const DISTANCE: ParameterDescription = ParameterDescription {
    name: "distance",
    kind: ParameterKind::Number { at_least: 0.0, at_most: f64::INFINITY },
    default_text: Some("the neuron's mean difference between profile inputs"),
    summary: "by how much more than this a value must change",
};

const REFERENCE: &str = "Sun, Huang, Kroening, Sharp, Hill, Ashmore: Structural Test Coverage Criteria for Deep Neural Networks, ACM TECS 2019";

/// `ss(pairs = "all")`, sign-sign coverage: the share of pairs of neurons, one of a layer and one of the next, of which the sign of the
/// second follows that of the first.
///
/// The sign of a value is whether it is above 0. Two inputs cover the pair of neuron i of a layer and neuron j of the next layer if i is
/// the only neuron of its layer whose sign differs between them, and the sign of j differs too. The layers are the selected ones in
/// execution order, each with the one after it; at least two are needed, and two inputs. The value is covered pairs / all pairs of
/// neurons, in 0..=1, with one figure for every two adjacent layers, named `a -> b`.
///
/// `pairs = "all"` compares every two test inputs (in time that grows with their number, not with that of their pairs), `"consecutive"`
/// the first with the second, the third with the fourth, … by their index in the data set.
///
/// A skipped value (NaN) counts as not above 0, as the comparison says, and never as changed in value. So it is for all four criteria.
///
/// Held for all pairs: one bit per neuron and input, and a bit per pair of neurons while two layers are compared; for consecutive ones a
/// bit per pair of neurons. Layers whose pairs take more than 16 GiB are refused. With `"consecutive"` the contribution of an input is what
/// it covered with the one before; all pairs have none.
///
/// Definition: Sun, Huang, Kroening, Sharp, Hill, Ashmore: Structural Test Coverage Criteria for Deep Neural Networks, ACM TECS 2019,
/// with channels or units as neurons.
///
/// ```
/// use cleanai_harness::criteria::{BatchEnd, LayerBatch, Start, registry};
/// use cleanai_harness::model::LayerInfo;
///
/// let layer = |name: &str| LayerInfo {
///     name: name.into(), class: "Linear".into(), operator: "linear".into(), shape: vec![2], channel_axis: 0,
/// };
/// let start = Start { layers: &[layer("a"), layer("b")], neurons: &[2, 2], profile: None };
/// let mut state = registry::criterion(&"ss".parse()?)?.start(start)?;
/// // Between the two inputs the first neuron of `a` and the second of `b` change their signs.
/// state.observe(LayerBatch::channels(2, vec![1.0, 1.0, -1.0, 2.0]).values(0, 0));
/// state.observe(LayerBatch::channels(2, vec![1.0, -3.0, 2.0, 4.0]).values(1, 0));
/// state.end_batch(BatchEnd { first: 0, inputs: 2, classes: 0, logits: &[], labels: None })?;
/// assert_eq!((state.figures().covered, state.figures().total), (Some(1), Some(4)));
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const SS: CriterionDescription = CriterionDescription {
    name: "ss",
    summary: "share of neuron pairs of adjacent layers: the first alone changes sign between two inputs, and so does the second",
    parameters: &[PAIRS],
    direction: Direction::HigherIsBetter,
    value: ValueKind::ItemShare,
    reference: REFERENCE,
};

/// `sv(pairs = "all", distance)`, sign-value coverage: as [`SS`], but the second neuron keeps its sign and changes its value.
///
/// A value changes if it differs by more than the distance: the parameter, or unless that is given the mean |difference| of the neuron over
/// all pairs of profile inputs. A neuron the profile set has no value of never changes its value then.
///
/// Held for all pairs: 8 bytes per value of every layer but the first, and up to twice the values of two adjacent layers while they are
/// compared. Where values take more than 4 GiB the pass ends with an error; `pairs = "consecutive"` holds no more than two inputs.
pub const SV: CriterionDescription = CriterionDescription {
    name: "sv",
    summary: "share of neuron pairs of adjacent layers: the first alone changes sign, the second its value but not its sign",
    parameters: &[PAIRS, DISTANCE],
    ..SS
};

/// `vs(pairs = "all", distance)`, value-sign coverage: as [`SS`], but no neuron of the first layer changes its sign, the first neuron changes
/// its value as for [`SV`], and the second its sign.
///
/// Time for all pairs grows with the number of inputs, times that of pairs of neurons not covered yet; held is what [`SV`] holds, for every
/// layer but the last.
pub const VS: CriterionDescription = CriterionDescription {
    name: "vs",
    summary: "share of neuron pairs of adjacent layers: the first changes its value in a layer that keeps its signs, the second its sign",
    parameters: &[PAIRS, DISTANCE],
    ..SS
};

/// `vv(pairs = "all", distance)`, value-value coverage: as [`VS`], but the second neuron changes its value and not its sign.
///
/// Time is that of [`VS`]; held is what [`SV`] holds, for every layer.
pub const VV: CriterionDescription = CriterionDescription {
    name: "vv",
    summary: "share of neuron pairs of adjacent layers: both change their values, in a first layer that keeps its signs, the second its sign",
    parameters: &[PAIRS, DISTANCE],
    ..SS
};

/// How a neuron changes between two inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Sign,
    Value,
}

/// The change asked of the first neuron and of the second.
type Changes = (Change, Change);

pub(super) fn build_ss(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    build(spec, &SS, (Change::Sign, Change::Sign))
}

pub(super) fn build_sv(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    build(spec, &SV, (Change::Sign, Change::Value))
}

pub(super) fn build_vs(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    build(spec, &VS, (Change::Value, Change::Sign))
}

pub(super) fn build_vv(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    build(spec, &VV, (Change::Value, Change::Value))
}

fn build(spec: &CriterionSpec, description: &CriterionDescription, changes: Changes) -> Result<Box<dyn Criterion>> {
    let arguments = Arguments::check(spec, description)?;
    let consecutive = arguments.choice("pairs")? == "consecutive";
    let distance =
        if changes == (Change::Sign, Change::Sign) { Some(0.0) } else { arguments.number_if_given("distance")? };
    Ok(Box::new(Interaction { spec: spec.clone(), changes, consecutive, distance }))
}

struct Interaction {
    spec: CriterionSpec,
    changes: Changes,
    consecutive: bool,
    /// What counts as a change of value; nothing where the profile says it.
    distance: Option<f64>,
}

impl Criterion for Interaction {
    fn spec(&self) -> &CriterionSpec {
        &self.spec
    }

    fn needs(&self) -> Needs {
        let profile = self.distance.is_none();
        Needs { profile, mean_difference: profile, ..Needs::default() }
    }

    fn bytes(&self, neurons: &[usize]) -> u64 {
        let bits: u128 = neurons.windows(2).map(|pair| pair[0] as u128 * pair[1] as u128).sum();
        u64::try_from(bits / 8).unwrap_or(u64::MAX)
    }

    fn start(&self, start: Start<'_>) -> Result<Box<dyn State>> {
        let frame = self.frame(&start)?;
        Ok(match self.consecutive {
            true => Box::new(ConsecutiveState::new(frame)),
            false => Box::new(AllState::new(frame)),
        })
    }

    fn restore(&self, start: Start<'_>, saved: &[u8]) -> Result<Box<dyn State>> {
        let frame = self.frame(&start)?;
        Ok(match self.consecutive {
            true => Box::new(ConsecutiveState::restored(frame, saved)?),
            false => Box::new(AllState::restored(frame, saved)?),
        })
    }
}

/// Bits for pairs of neurons are refused above this many bytes.
const MOST_PAIRS: u128 = 16 << 30;

impl Interaction {
    fn frame(&self, start: &Start<'_>) -> Result<Frame> {
        let scope = Scope::new(&self.spec, start)?;
        if scope.names.len() < 2 {
            return Err(Error::new(
                ErrorKind::Criterion,
                format!(
                    "`{}` compares layers with the next ones and needs two, {} selected",
                    self.spec.name,
                    counted(&scope)
                ),
            )
            .with_help("select more layers: `layers = \"default\"` takes all"));
        }
        let distances = match self.distance {
            Some(distance) => scope.neurons.iter().map(|width| vec![distance; *width]).collect(),
            None => scope.profile(start)?.iter().map(|layer| distances(&scope, layer)).collect::<Result<_>>()?,
        };
        let frame = Frame { scope, changes: self.changes, distances };
        let bytes: u128 = (0..frame.adjacent()).map(|first| frame.bits(first) / 8).sum();
        let room = usize::try_from(bytes).is_ok_and(|bytes| Vec::<u8>::new().try_reserve_exact(bytes).is_ok());
        if bytes > MOST_PAIRS || !room {
            return Err(Error::new(
                ErrorKind::Criterion,
                format!(
                    "`{}` would need {:.1} GiB of memory for a bit per pair of neurons of adjacent layers",
                    self.spec.name,
                    bytes as f64 / (1u64 << 30) as f64
                ),
            )
            .with_help("count channels (`neurons = \"channel\"`) or take fewer layers"));
        }
        Ok(frame)
    }
}

fn counted(scope: &Scope) -> &'static str {
    if scope.names.is_empty() { "none is" } else { "only one is" }
}

/// The distances of a layer's neurons by its profile.
fn distances(scope: &Scope, profile: &LayerProfile) -> Result<Vec<f64>> {
    if profile.mean_difference.len() != profile.low.len() {
        return Err(Error::new(
            ErrorKind::Criterion,
            format!("the profile given to `{}` has no mean differences", scope.spec.name),
        )
        .with_help("ask for them when the profile is gathered (`Needs::mean_difference`), or give `distance`"));
    }
    // No difference is greater than NaN.
    let known = |neuron: usize| if profile.is_known(neuron) { profile.mean_difference[neuron] } else { f64::NAN };
    Ok((0..profile.low.len()).map(known).collect())
}

/// What states of both kinds are started with.
#[derive(Debug)]
struct Frame {
    scope: Scope,
    changes: Changes,
    /// What counts as a change of value, by layer and neuron.
    distances: Vec<Vec<f64>>,
}

impl Frame {
    /// How many layers have a next one.
    fn adjacent(&self) -> usize {
        self.scope.neurons.len().saturating_sub(1)
    }

    /// Words of bits for the neurons of a layer.
    fn words(&self, layer: usize) -> usize {
        self.scope.neurons[layer].div_ceil(64)
    }

    /// Bits for the pairs of a layer and the next one: a row of whole words for each neuron of the first.
    fn bits(&self, first: usize) -> u128 {
        self.scope.neurons[first] as u128 * self.words(first + 1) as u128 * 64
    }

    /// Pairs of neurons of a layer and the next one.
    fn pairs(&self, first: usize) -> u64 {
        self.scope.neurons[first] as u64 * self.scope.neurons[first + 1] as u64
    }

    /// The scope of figures: an entry for every two adjacent layers.
    fn figures_scope(&self) -> Scope {
        let names = self.scope.names.windows(2).map(|names| format!("{} -> {}", names[0], names[1]));
        Scope { spec: self.scope.spec.clone(), names: names.collect(), neurons: Vec::new() }
    }

    fn covered(&self, coverage: &[Coverage]) -> Figures {
        let totals: Vec<usize> = (0..self.adjacent()).map(|first| self.pairs(first) as usize).collect();
        self.figures_scope().covered(coverage, &totals)
    }

    /// Refuses to tell anything of so few inputs.
    fn check(&self, inputs: u64) -> Result<()> {
        match inputs {
            0 | 1 => Err(self.scope.compares_two_inputs()),
            _ => Ok(()),
        }
    }

    /// Whether states of both may be merged.
    fn agrees(&self, other: &Self) -> Result<()> {
        self.scope.agrees(&other.scope)?;
        match self.distances.iter().zip(&other.distances).all(|(own, others)| same_numbers(own, others)) {
            true => Ok(()),
            false => Err(self.scope.does_not_merge("a state with the distances of another profile")),
        }
    }
}
