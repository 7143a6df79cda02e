//! The one record everything below reads: what was measured, on what, with which settings.

#[cfg(feature = "torch")]
mod analyse;
#[cfg(feature = "torch")]
mod augment;
mod batches;
#[cfg(feature = "torch")]
mod by_input;
#[cfg(feature = "torch")]
mod cached;
#[cfg(feature = "torch")]
mod classes;
#[cfg(feature = "torch")]
mod explain;
mod figures;
#[cfg(feature = "torch")]
mod importance;
#[cfg(feature = "torch")]
mod job;
#[cfg(feature = "torch")]
mod leading;
#[cfg(feature = "torch")]
mod monitor;
#[cfg(feature = "torch")]
mod needs;
pub mod observer;
#[cfg(feature = "torch")]
mod open;
#[cfg(feature = "torch")]
mod pass;
mod per_input;
#[cfg(feature = "torch")]
mod pictures;
#[cfg(feature = "torch")]
mod plan;
#[cfg(feature = "torch")]
#[doc(hidden)]
pub mod probe;
#[cfg(feature = "torch")]
mod profile;
mod query;
#[cfg(feature = "torch")]
pub(crate) mod reader;
mod saturation;
#[cfg(feature = "torch")]
mod selection;
#[cfg(feature = "torch")]
mod synthesise;
#[cfg(feature = "torch")]
mod thumbnails;

use std::collections::BTreeMap;
use std::sync::Arc;

#[cfg(feature = "torch")]
pub use analyse::analyse;
#[cfg(feature = "torch")]
pub use by_input::with_inputs;
#[cfg(feature = "torch")]
pub use explain::{Explanation, LayerRelevance, NeuronRelevance, Request, explain};
#[cfg(feature = "torch")]
pub use monitor::{ExportedMonitor, export_monitor};
pub use per_input::{InputFacts, Ranked, RankedInput};
#[cfg(feature = "torch")]
pub use plan::{Plan, once};
pub use query::{LayerValue, LayerValuesView};
#[cfg(feature = "torch")]
pub use selection::{Chosen, Misclassified, Reached, Selection, Wanted, Why, select};
#[cfg(feature = "torch")]
pub use synthesise::{Made, Synthesis};

use crate::criteria::{Contribution, CoveredNeurons, Direction, LabelFigures, LayerFigures, PerInput};
use crate::declare::NeuronKind;
use crate::importance::{Picture, Thumbnail};
use crate::model::LayerInfo;

/// Result of one measurement: model, data, settings and the figures of every criterion.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Measurement {
    /// Version of this record's JSON form, 1.
    pub schema: u32,
    /// The model.
    pub model: ModelFacts,
    /// The data.
    pub data: DataFacts,
    /// The settings that change figures.
    pub settings: Settings,
    /// Figures by canonical criterion text.
    pub criteria: BTreeMap<String, CriterionResult>,
    /// What the style of the report shows beside; no requirement, test body or baseline reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportFigures>,
    /// The model it is compared with, measured on the same data with the same criteria, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<OtherModel>,
    /// Wall-clock seconds; where it was read from the cache, those of the run that made it.
    pub seconds: Seconds,
    /// What each test input is called, by its index; not part of the record's JSON form.
    #[serde(skip)]
    pub names: Arc<Vec<String>>,
    /// When it was made, in seconds since 1970, where it was read from the cache ([`crate::cache`]); no model ran for it then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached: Option<u64>,
}

/// Figures that were measured for the report alone.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReportFigures {
    /// Figures by canonical criterion text.
    pub criteria: BTreeMap<String, CriterionResult>,
    /// Why a criterion could not be measured.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub missing: BTreeMap<String, String>,
}

/// A model that another is compared with, and its figures.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OtherModel {
    /// Its path as the user wrote it.
    pub path: String,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
    /// Values by canonical criterion text, and further figures that requirements name (`src.auroc`, `nc.per_class(min)`); none
    /// where there was nothing to cover.
    pub figures: BTreeMap<String, Option<f64>>,
}

/// What is known of the model.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ModelFacts {
    /// Its path as the user wrote it.
    pub path: String,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
    /// `torchscript` or `torch.export`.
    pub format: String,
    /// Number of scalar parameters.
    pub parameters: u64,
    /// The layers of the default set, in execution order.
    pub layers: Vec<LayerInfo>,
}

/// What is known of the data.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DataFacts {
    /// The test set as the user wrote it.
    pub path: String,
    /// Test inputs measured, those that were made of others included.
    pub inputs: usize,
    /// Test inputs left out because they could not be decoded.
    pub skipped: usize,
    /// Shape of one input after the transform.
    pub shape: Vec<usize>,
    /// The profile set as the user wrote it.
    pub profile: Option<String>,
    /// Profile inputs.
    pub profile_inputs: Option<usize>,
    /// Profile inputs left out.
    pub profile_skipped: Option<usize>,
    /// The transform, as text.
    pub transform: String,
    /// The inputs among those measured that were made of the test set, in this order after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub augmented: Vec<Augmented>,
}

/// Inputs made of a test set.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Augmented {
    /// By which augmentation: `relevant_pixels(share=0.02, std=0.3, seed=1)`.
    pub how: String,
    /// How many.
    pub inputs: usize,
}

/// Settings that change figures.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Settings {
    /// `cpu` or `cuda:0`.
    pub device: String,
    /// Inputs per forward pass.
    pub batch: usize,
    /// Layer selector.
    pub layers: String,
    /// Neuron kind.
    pub neurons: NeuronKind,
    /// Version of libtorch, `2.13.0`.
    pub libtorch: String,
    /// Version of CleanAI.
    pub cleanai: String,
    /// Activations that were NaN or infinite and skipped.
    pub non_finite_skipped: u64,
    /// The `CLEANAI_*` variables that were set and may change figures or verdicts, as `CLEANAI_BATCH=16`.
    #[serde(default)]
    pub overridden: Vec<String>,
}

/// Figures of one criterion.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CriterionResult {
    /// The value; `None` where there was nothing to cover.
    pub value: Option<f64>,
    /// What was covered.
    pub covered: Option<u64>,
    /// Of how many.
    pub total: Option<u64>,
    /// Per layer, in execution order.
    pub layers: Vec<LayerFigures>,
    /// The inputs of each class by themselves, by its name; only where there are labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub classes: BTreeMap<String, ClassFigures>,
    /// How much each input was the first to cover; their running sum is the saturation curve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contributions: Vec<Contribution>,
    /// The inputs that covered most of what none before them had, at most ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leading: Vec<LeadingInput>,
    /// Which neurons are covered, by layer; empty where the criterion does not count neurons, or there are too many to tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub neurons: Vec<CoveredNeurons>,
    /// The inputs at both ends of what the criterion says of single inputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranked: Option<Ranked>,
    /// What it says of each; not part of the record's JSON form, `cargo cleanai measure --per-input` writes it.
    #[serde(skip)]
    pub per_input: PerInput,
    /// Heat maps of the first of these, where relevance was asked for and inputs are pictures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<Picture>,
    /// Whatever else the criterion reports.
    pub details: BTreeMap<String, serde_json::Value>,
    /// Which way the value is better.
    #[serde(default)]
    pub direction: Direction,
}

/// An input that covered much of what none before it had.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LeadingInput {
    /// Its name: an image's path below its folder, or the array's file and the position in it.
    pub name: String,
    /// Items it was the first to cover.
    pub covered: u64,
    /// What it looks like, where inputs are pictures; of those that noise made of others none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<Thumbnail>,
}

/// Figures of the inputs of one class.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ClassFigures {
    /// Inputs with this label.
    pub inputs: u64,
    /// The value over them; `None` where there was nothing to cover.
    pub value: Option<f64>,
    /// What they covered.
    pub covered: Option<u64>,
    /// Of how many.
    pub total: Option<u64>,
}

impl From<LabelFigures> for ClassFigures {
    fn from(LabelFigures { inputs, value, covered, total }: LabelFigures) -> Self {
        Self { inputs, value, covered, total }
    }
}

/// Wall-clock seconds of the parts of a measurement.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Seconds {
    /// Reading and preparing the model.
    pub load: f64,
    /// Waiting for inputs to be decoded, and making further ones of them.
    pub decode: f64,
    /// The whole pass over the profile set.
    pub profile: f64,
    /// The model's forward passes over the test set, observers excluded.
    pub forward: f64,
    /// Criteria on the test set.
    pub criteria: f64,
    /// Everything.
    pub total: f64,
}
