//! Criteria: what is counted. One file per family; no torch, no files.
//!
//! [`registry::criterion`] turns a text into a [`Criterion`], which starts a [`State`] for a pass; the pass hands every
//! layer of every batch to it and reads the [`Figures`] in the end.

pub mod accuracy;
mod bit_set;
pub mod cleanai;
mod columns;
pub mod confidence;
pub mod corner;
mod coverage;
mod double_double;
mod exact_sum;
mod gram;
pub mod importance;
pub mod interaction;
mod kept_rows;
pub mod monitors;
mod most_active;
pub mod nearest;
pub mod nlc;
mod number;
pub(crate) mod parameters;
mod pattern_set;
pub mod profile;
mod ranges;
pub mod registry;
pub mod saved;
mod scope;
pub mod section;
pub mod surprise;
#[cfg(test)]
mod tests;
pub mod threshold;
pub mod top_k;
mod traces;
mod values;

use std::any::Any;
use std::collections::BTreeMap;

use crate::declare::{CriterionSpec, Selector};
use crate::importance::RelevanceNeeds;
use crate::model::LayerInfo;
use crate::{Error, ErrorKind, Result};

pub(crate) use kept_rows::KeptRows;
pub(crate) use most_active::MostActive;
pub(crate) use traces::predicted_class;
pub use traces::{LayerTraces, TraceInputs};
pub(crate) use values::PEAK_COLUMNS;
pub use values::{DeviceUnits, InputRange, LayerBatch, LayerValues, Numbers};

/// What ends a batch: everything that is known of its inputs beside the layers.
#[derive(Debug, Clone, Copy)]
pub struct BatchEnd<'a> {
    /// Index of the first input in the data set.
    pub first: usize,
    /// Real inputs.
    pub inputs: usize,
    /// Number of logits per input; 0 where the model has none (then `logits` is empty).
    pub classes: usize,
    /// `inputs * classes` logits, row-major.
    pub logits: &'a [f64],
    /// Labels, where the data has them.
    pub labels: Option<&'a [i64]>,
}

/// What a criterion asks of the pass.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Needs {
    /// Ranges from a profile set.
    pub profile: bool,
    /// Standard deviations from it, too.
    pub std: bool,
    /// Mean differences from it, too.
    pub mean_difference: bool,
    /// Of the profile set nothing but the range of each whole layer, from the smallest value of any neuron to the largest: a layer's profile is then
    /// that of a single neuron.
    pub whole_layers: bool,
    /// The relevance of neurons over it, too, and their values for the inputs that have it.
    pub relevance: Option<RelevanceNeeds>,
    /// The activation traces of the profile set's inputs ([`LayerProfile::traces`]).
    pub traces: bool,
    /// Those of the untrusted set's, where there is one ([`LayerProfile::untrusted`]).
    pub untrusted: bool,
    /// Activation modules as layers, in the order in which they were registered, instead of the layers in execution order
    /// (CRITERIA section 4).
    pub modules: bool,
    /// Labels with the test set.
    pub labels: bool,
    /// Logits.
    pub logits: bool,
    /// Whether units may be handed over where they lie ([`Numbers::Device`]); otherwise they are copied first.
    pub device: bool,
    /// Figures for the inputs of each label by themselves, too, where there are labels and memory ([`Criterion::bytes`]).
    pub classes: bool,
}

impl Needs {
    /// Whether anything is asked of the profile set: ranges, or traces.
    pub fn reads_profile(&self) -> bool {
        self.profile || self.traces
    }
}

/// Range of every neuron over the profile set (CRITERIA section 2), as [`profile::ProfileState`] gathers it.
///
/// A neuron the profile set had no value of has an empty range ([`LayerProfile::is_known`]). With [`Needs::whole_layers`] the layer counts as one
/// neuron.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LayerProfile {
    /// Smallest value per neuron.
    pub low: Vec<f64>,
    /// Largest value per neuron.
    pub high: Vec<f64>,
    /// Population standard deviation per neuron; empty unless [`Needs::std`] was asked for.
    pub std: Vec<f64>,
    /// Mean of |difference| over all unordered pairs of profile inputs per neuron; empty unless [`Needs::mean_difference`] was
    /// asked for.
    pub mean_difference: Vec<f64>,
    /// Relevance of the neurons, and their values; none unless [`Needs::relevance`] was asked for.
    pub importance: Option<LayerImportance>,
    /// The layer's activation traces; none unless [`Needs::traces`] was asked for. Without [`Needs::profile`] there are no ranges beside them.
    #[serde(skip)]
    pub traces: Option<LayerTraces>,
    /// Those of the untrusted set; none unless [`Needs::untrusted`] was asked for and there is such a set.
    #[serde(skip)]
    pub untrusted: Option<LayerTraces>,
}

/// How much the outputs of a model are made of each neuron of a layer, over the profile inputs that are explained: those it classifies
/// correctly, or all where there are no labels (CRITERIA section 5).
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LayerImportance {
    /// By neuron: the sum of its relevance over the inputs, signs kept; a channel's is that of all its positions.
    pub relevance: Vec<f64>,
    /// Neuron by neuron: its values for these inputs.
    pub values: Vec<f64>,
    /// How many inputs these are.
    pub inputs: usize,
    /// The largest sum of magnitudes of an input's relevance, relative to what is explained of it.
    pub amplification: f64,
}

/// What a state is started with.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// The selected layers in execution order.
    pub layers: &'a [LayerInfo],
    /// Neurons of each of them (depends on the neuron kind).
    pub neurons: &'a [usize],
    /// Their profile, one entry per layer; there only if [`Needs::profile`] or [`Needs::traces`] was asked for.
    pub profile: Option<&'a [LayerProfile]>,
}

/// Which way a figure is better; baselines read it unless a requirement says otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// More is better.
    #[default]
    HigherIsBetter,
    /// Less is better.
    LowerIsBetter,
}

/// What a criterion can tell of single inputs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OfInputs {
    /// Nothing: it speaks of all together.
    #[default]
    Nothing,
    /// A number for each: [`Figures::per_input`].
    Scores,
    /// Which items each covers: [`State::take_covered`].
    Items,
}

/// A criterion with its parameters checked, ready to be started on a pass.
pub trait Criterion: Send + Sync {
    /// The criterion as the user wrote it.
    fn spec(&self) -> &CriterionSpec;

    /// What it asks of the pass.
    fn needs(&self) -> Needs;

    /// What it can tell of single inputs; for help that names the criteria that can.
    fn of_inputs(&self) -> OfInputs {
        OfInputs::Nothing
    }

    /// Refuses layers of which it says the same whatever the inputs are. Asked before anything is measured, and only where a figure is required.
    ///
    /// # Errors
    /// What of the criterion does not suit the layers, and what would.
    fn check_layers(&self, _layers: &[LayerInfo], _neurons: &[usize]) -> Result<()> {
        Ok(())
    }

    /// A fresh state.
    ///
    /// # Errors
    /// If the criterion cannot be computed on these layers.
    fn start(&self, start: Start<'_>) -> Result<Box<dyn State>>;

    /// The layers it looks at where neither it nor a requirement names any; none for those of the test.
    fn default_layers(&self) -> Option<Selector> {
        None
    }

    /// About how much memory a state takes on layers of so many neurons.
    fn bytes(&self, neurons: &[usize]) -> u64 {
        16 * neurons.iter().map(|neurons| *neurons as u64).sum::<u64>()
    }

    /// The state that [`State::save`] wrote, of the same criterion started on the same layers. [`saved`] checks that they are.
    ///
    /// # Errors
    /// If the bytes are no such state. The default refuses: states of this criterion cannot be saved.
    fn restore(&self, _start: Start<'_>, _saved: &[u8]) -> Result<Box<dyn State>> {
        Err(cannot_be_saved(self.spec()))
    }

    /// Which way its value is better.
    fn direction(&self) -> Direction {
        Direction::HigherIsBetter
    }

    /// The untrusted set it names itself, a path as the user wrote it; with [`Needs::untrusted`] and none named it is that of the data.
    fn untrusted(&self) -> Option<&str> {
        None
    }

    /// Names of the inputs it is about, where it is about some only; the pass refuses names that the test set has not.
    fn named_inputs(&self) -> &[String] {
        &[]
    }
}

/// What a criterion has seen so far. `merge` makes state(A) then state(B) equal to state(A followed by B).
pub trait State: Send {
    /// Begins a batch, before its first layer: the index of its first input, how many there are, and what each is called.
    fn begin_batch(&mut self, _first: usize, _inputs: usize, _name: &dyn Fn(usize) -> String) {}

    /// Reads one layer of one batch. Called once per layer and batch, layers in execution order.
    fn observe(&mut self, values: LayerValues<'_>);

    /// Ends a batch, after its last layer.
    ///
    /// # Errors
    /// If the criterion cannot go on, as where what it must hold no longer fits in memory. The pass ends with it.
    fn end_batch(&mut self, _end: BatchEnd<'_>) -> Result<()> {
        Ok(())
    }

    /// Takes in the state of inputs that follow those of this one.
    ///
    /// # Errors
    /// If `other` is the state of another criterion, parameter set or layer set.
    fn merge(&mut self, other: Box<dyn State>) -> Result<()>;

    /// Whether what was seen suffices; asked once, after the last input.
    ///
    /// # Errors
    /// If it does not, such as a single input where two are compared.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Told before the first batch that nobody will ask which inputs covered what: [`Figures::contributions`] and [`CoveredNeurons::first`] need not
    /// be kept. The default keeps them.
    fn count_only(&mut self) {}

    /// The figures of what was seen.
    fn figures(&self) -> Figures;

    /// Which items the inputs since the last call have covered, in any order, as numbers that stand for the same items in every call; the figures may
    /// forget them. `None` for criteria that do not count what inputs cover each by itself: what several cover must be the union of what each does.
    ///
    /// ```
    /// use cleanai_harness::criteria::{LayerBatch, Start, registry};
    /// use cleanai_harness::model::LayerInfo;
    ///
    /// let layer = LayerInfo {
    ///     name: "fc".into(), class: "Linear".into(), operator: "linear".into(), shape: vec![2], channel_axis: 0,
    /// };
    /// let mut state = registry::criterion(&"nac".parse()?)?.start(Start { layers: &[layer], neurons: &[2], profile: None })?;
    /// state.observe(LayerBatch::channels(1, vec![0.0, 4.0]).values(0, 0));
    /// assert_eq!(state.take_covered(), Some(vec![1])); // the second neuron
    /// assert_eq!(state.take_covered(), Some(vec![]));
    /// # Ok::<(), cleanai_harness::Error>(())
    /// ```
    fn take_covered(&mut self) -> Option<Vec<u64>> {
        None
    }

    /// All it has seen, in bytes; equal states give equal bytes.
    ///
    /// # Errors
    /// The default refuses: states of this criterion cannot be saved.
    fn save(&self) -> Result<Vec<u8>> {
        Err(Error::new(ErrorKind::Criterion, "states of this criterion cannot be saved"))
    }

    /// For `merge`.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// What a criterion has to say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// The value; `None` where there was nothing to cover.
    pub value: Option<f64>,
    /// What was covered, for criteria that count.
    pub covered: Option<u64>,
    /// Of how many.
    pub total: Option<u64>,
    /// The same per layer, in execution order.
    pub layers: Vec<LayerFigures>,
    /// How much each input was the first to cover, in the order of the data, those left out that covered nothing new; their running
    /// sum is the saturation curve. Empty for criteria that do not count, and where there are too many items to keep it.
    pub contributions: Vec<Contribution>,
    /// Which neurons are covered, a table for each layer, for criteria whose items belong to neurons; empty for others, and where there are
    /// more than 65,536 neurons.
    pub neurons: Vec<CoveredNeurons>,
    /// What it says of single inputs; nothing for criteria that speak of all together. [`Criterion::of_inputs`] announces it.
    pub per_input: PerInput,
    /// The figures of the inputs of each label by themselves, for criteria that can tell without being started once for each
    /// ([`Needs::classes`]).
    pub classes: BTreeMap<i64, LabelFigures>,
    /// Whatever else the criterion reports, by name.
    pub details: BTreeMap<String, serde_json::Value>,
}

/// Which neurons of a layer are covered.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CoveredNeurons {
    /// By neuron: how many of its items are covered (itself, its corners, its sections).
    pub covered: Vec<u32>,
    /// By neuron: index of the input that covered the first of them; `None` where none is covered or it is not known.
    pub first: Vec<Option<u32>>,
}

/// What a criterion says of single inputs: a table, a row for each input it says something of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PerInput {
    /// Index of each input in the data set, ascending.
    pub inputs: Vec<u64>,
    /// Names of the columns and their numbers, one for each input; NaN where there is none, infinity where it is infinite. Of several, reports
    /// rank inputs by the first.
    pub columns: Vec<(String, Vec<f64>)>,
}

/// Figures of the inputs of one label.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LabelFigures {
    /// Inputs with this label.
    pub inputs: u64,
    /// The value over them; `None` where there was nothing to cover.
    pub value: Option<f64>,
    /// What they covered.
    pub covered: Option<u64>,
    /// Of how many.
    pub total: Option<u64>,
}

/// What one input covered that none before it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Contribution {
    /// Index of the input in the data set.
    pub input: u64,
    /// Items it was the first to cover.
    pub covered: u64,
}

/// Figures of one layer.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LayerFigures {
    /// The layer's name.
    pub name: String,
    /// The value; `None` where there was nothing to cover.
    pub value: Option<f64>,
    /// What was covered.
    pub covered: Option<u64>,
    /// Of how many.
    pub total: Option<u64>,
}

fn cannot_be_saved(spec: &CriterionSpec) -> Error {
    Error::new(ErrorKind::Criterion, format!("states of `{}` cannot be saved", spec.name))
}
