//! What must hold: requirements, the criteria they name, and the declaration a test resolves to.

mod bound;
mod device;
mod figure;
pub(crate) mod nearest;
mod neurons;
mod origin;
mod parse;
pub(crate) mod possible;
mod selector;
mod spec;
#[cfg(test)]
mod tests;
mod tolerance;

use std::path::PathBuf;

pub(crate) use bound::without_noise;
pub use bound::{Adjustment, Bound, Reference};
pub use figure::{Aggregate, Figure};
pub use origin::{Origin, Source};
pub use parse::SyntaxError;
pub(crate) use parse::{bound_of, criterion_and_figure};
pub use selector::Selector;
pub(crate) use spec::figure_key;
pub use spec::{Comparison, CriterionSpec, Requirement, Value};
pub use tolerance::Tolerance;

use crate::data::transform::TransformStep;
use crate::model::signature::ElementType;
use crate::synthesis::Augmentation;

/// Which scalars of a layer's output count as neurons (CRITERIA section 1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum NeuronKind {
    /// One neuron per channel or feature: its value is the mean over the positions.
    #[default]
    Channel,
    /// Every scalar of the layer's output for one input.
    Unit,
}

/// Where a model runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    /// The first GPU if libtorch sees one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU of this index.
    Cuda(usize),
}

/// What a NaN or infinite activation does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NonFinite {
    /// An error naming layer, neuron and input.
    #[default]
    Error,
    /// The value is skipped for that input, counted and reported.
    Ignore,
}

/// What an input that cannot be decoded does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnBadInput {
    /// An error naming it.
    #[default]
    Fail,
    /// It is left out, counted and reported.
    Skip,
}

/// What an improvement over the baseline does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnImprovement {
    /// The test passes; the baseline stays.
    #[default]
    Ignore,
    /// The test passes and leaves a pending snapshot to review.
    Pending,
    /// The test fails until the better baseline is accepted.
    Fail,
}

/// Which test a declaration belongs to and where it stands in the source.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TestIdentity {
    /// `module::function` without the crate name; the name the runner shows and filters by.
    pub name: String,
    /// The package the test belongs to.
    pub package: String,
    /// The test target (`coverage` for `tests/coverage.rs`).
    pub target: String,
    /// Source file of the attribute, as the compiler gives it (relative to the workspace root).
    pub file: PathBuf,
    /// Line of the attribute, from 1.
    pub line: u32,
}

/// A place where inputs lie: a path as the user wrote it (with an optional range suffix `#0..500`) and the folder it is relative to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct DataLocation {
    /// The path as written, for example `data/test#0..500`.
    pub path: String,
    /// The folder a relative path starts from.
    pub root: PathBuf,
}

/// What state a model starts a run with, where runs change it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StateChoice {
    /// The state in the file, for every batch anew.
    #[default]
    Fresh,
    /// What the last batch left.
    Keep,
}

/// Where the batch and the channels of a layer's output lie, against the rules (CRITERIA section 1). Axes count from 0, the
/// batch axis included; below zero from the end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AxisChoice {
    /// The layers it is for, a glob on their names.
    pub layers: String,
    /// The axis inputs are counted along.
    pub batch: Option<i64>,
    /// The axis neurons are counted along when a channel is a neuron.
    pub channel: Option<i64>,
}

/// What an input of a model is, against what the file says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct InputChoice {
    /// The type of its elements.
    pub element: Option<ElementType>,
    /// The axis the inputs of a batch lie along, 0 unless the model wants another: 1 for sequences with time first. Below zero
    /// from the end.
    pub batch: Option<i64>,
}

/// How a model is opened and fed, beside its file: the keys of `[models.NAME]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ModelOptions {
    /// Where it runs.
    pub device: DeviceChoice,
    /// Libraries that bring operators, loaded before the model is opened.
    pub libraries: Vec<PathBuf>,
    /// Whether its code may call operators that read and write files.
    pub allow_files: bool,
    /// The state a batch starts with.
    pub state: StateChoice,
    /// What inputs are, by name, against what the file says.
    pub inputs: std::collections::BTreeMap<String, InputChoice>,
    /// Axes of single layers.
    pub axes: Vec<AxisChoice>,
}

/// The model of a declaration.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModelChoice {
    /// As the user wrote it: the key in `[models]`, or the path.
    pub name: String,
    /// The resolved file, or the constructor's name.
    pub source: ModelSource,
    /// How it is opened and fed.
    pub options: ModelOptions,
}

impl ModelChoice {
    /// A file, opened on a device and fed as the file itself says.
    pub fn file(name: impl Into<String>, path: impl Into<PathBuf>, device: DeviceChoice) -> Self {
        let options = ModelOptions { device, ..ModelOptions::default() };
        Self { name: name.into(), source: ModelSource::File(path.into()), options }
    }
}

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ModelSource {
    /// A file.
    File(PathBuf),
    /// A registered constructor (`#[cleanai::model]`), by its name.
    Function(String),
}

/// The data of a declaration.
#[derive(Debug, Clone, PartialEq)]
pub struct DataChoice {
    /// The key in `[data]`, or the path.
    pub name: String,
    /// The inputs that give ranges, if there are any.
    pub profile: Option<DataLocation>,
    /// Inputs that must not be accepted, for the monitors that name none themselves.
    pub untrusted: Option<DataLocation>,
    /// The inputs that are judged.
    pub test: DataLocation,
    /// Steps applied to each input, in order.
    pub transform: Vec<TransformStep>,
    /// What an undecodable input does.
    pub on_bad_input: OnBadInput,
    /// Further inputs made of the test set, which are judged with it.
    pub augment: Vec<Augmentation>,
}

/// How a measurement is compared with its baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct BaselinePolicy {
    /// A figure may fall by this much before it counts as a regression.
    pub tolerance: Tolerance,
    /// Tolerances of single criteria, by their canonical text or their name.
    pub per_criterion: std::collections::BTreeMap<String, Tolerance>,
    /// What an improvement does.
    pub on_improvement: OnImprovement,
    /// False turns the baseline off: thresholds only.
    pub enabled: bool,
    /// Whether measurements on a GPU have a baseline of their own (`lenet5@cuda.snap`).
    pub by_device: bool,
    /// Whether every release of libtorch has one (`lenet5@libtorch-2.13.snap`). Where such a file lies it is used in any case.
    pub by_libtorch: bool,
}

impl Default for BaselinePolicy {
    fn default() -> Self {
        Self {
            tolerance: Tolerance::default(),
            per_criterion: Default::default(),
            on_improvement: OnImprovement::Ignore,
            enabled: true,
            by_device: true,
            by_libtorch: false,
        }
    }
}

/// Everything one test declares, after attribute, `[tests.NAME]` and `[defaults]` are merged.
#[derive(Debug, Clone, PartialEq)]
pub struct Declaration {
    /// The test.
    pub test: TestIdentity,
    /// The model.
    pub model: ModelChoice,
    /// The model it is compared with, on the same data, if there is one.
    pub against: Option<ModelChoice>,
    /// The data.
    pub data: DataChoice,
    /// The layers criteria see unless they name their own.
    pub layers: Selector,
    /// The neurons criteria see unless they name their own.
    pub neurons: NeuronKind,
    /// Inputs per forward pass; one size for profile and test (CRITERIA, "batch size").
    pub batch: usize,
    /// What NaN or infinity does.
    pub non_finite: NonFinite,
    /// What must hold.
    pub requirements: Vec<Requirement>,
    /// How the baseline is compared.
    pub baseline: BaselinePolicy,
    /// Criteria that only the report shows, measured in the same pass where the model and data have them.
    pub report: Vec<CriterionSpec>,
}

/// Inputs per forward pass unless the user says otherwise.
pub const DEFAULT_BATCH: usize = 64;
