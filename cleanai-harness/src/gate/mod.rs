//! Thresholds and the baseline: from a measurement to a verdict.
//!
//! [`thresholds`] judges every requirement; [`baseline`] holds the baseline's text and compares figures with it;
//! [`snapshot`] lets `insta` keep that text, so that `cargo insta review` is how a baseline changes.

mod allowance;
pub mod baseline;
mod covered;
mod explain;
mod explanation;
pub mod proposal;
pub(crate) mod quiet;
#[cfg(test)]
pub(crate) mod sample;
pub mod snapshot;
pub mod thresholds;
pub(crate) mod unreferenced;

use std::path::PathBuf;

pub(crate) use allowance::{check_tolerances, tolerance};
pub use explanation::{Explanation, GoneInput, GoneInputs, NeuronChange, NeuronChanges, PartChange};

use crate::criteria::LayerFigures;
use crate::declare::{Comparison, Origin};
use crate::measure::ClassFigures;

/// How one requirement came out.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RequirementVerdict {
    /// The requirement as text: `kmnc(k=1000) >= 0.5`.
    pub requirement: String,
    /// The criterion's canonical text, the key into `Measurement::criteria`.
    pub criterion: String,
    /// The comparison.
    pub comparison: Comparison,
    /// The bound; `None` where it is told by a baseline or another model that is not there.
    pub bound: Option<f64>,
    /// Where the bound comes from, if it is no plain number: `baseline - 0.01`, `against`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_text: Option<String>,
    /// What the model it is compared with reaches, where it is compared with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<f64>,
    /// What was observed; `None` where there was nothing to cover (fails).
    pub observed: Option<f64>,
    /// What the baseline holds.
    pub baseline: Option<f64>,
    /// Whether it holds.
    pub holds: bool,
    /// The tightest bound, as a user would write it, that the observation meets.
    pub passing_bound: Option<f64>,
    /// The layers with the lowest (for `<=`, `<` the highest) values, worst first, at most three.
    pub worst_layers: Vec<LayerFigures>,
    /// The classes with the lowest (for `<=`, `<` the highest) values, worst first, at most three; only for `.per_class(…)`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub worst_classes: Vec<ClassValue>,
    /// Why it fails where the numbers do not say it (nothing to cover, not finite), why it is not judged (no baseline yet), or
    /// that it always holds.
    pub note: Option<String>,
    /// Where the requirement stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

impl RequirementVerdict {
    /// Whether there was something to hold the figure against. What is not judged holds, but means nothing yet.
    pub fn is_judged(&self) -> bool {
        self.bound.is_some() || !self.holds
    }
}

/// A class and its figures.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ClassValue {
    /// Its name.
    pub name: String,
    /// Its figures.
    #[serde(flatten)]
    pub figures: ClassFigures,
}

/// How a figure stands to its baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Within tolerance.
    Unchanged,
    /// Better than tolerance.
    Improved,
    /// Worse than tolerance.
    Regressed,
    /// Not in the baseline.
    Added,
    /// Only in the baseline.
    Removed,
    /// NaN or infinite on either side.
    NotFinite,
}

/// One figure beside its baseline.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FigureChange {
    /// The criterion's canonical text.
    pub criterion: String,
    /// What the baseline holds.
    pub baseline: Option<f64>,
    /// What was observed.
    pub observed: Option<f64>,
    /// The tolerance applied.
    pub tolerance: f64,
    /// The verdict on it.
    pub change: Change,
    /// What lies behind it; only where it is worse or better than the baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Explanation>,
}

/// The whole baseline's verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum BaselineStatus {
    /// Turned off.
    Disabled,
    /// Not looked at: the measurement failed first.
    NotReached,
    /// All within tolerance.
    Unchanged,
    /// Something is better, nothing worse.
    Improved,
    /// Something is worse.
    Regressed,
    /// Criteria were added or removed.
    CriteriaChanged,
    /// There is none yet.
    Missing,
    /// A figure is NaN or infinite.
    NotFinite,
    /// The baseline file cannot be understood.
    Unreadable,
}

/// How the measurement stands to its baseline.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BaselineVerdict {
    /// The whole.
    pub status: BaselineStatus,
    /// Whether it fails the test (in `cargo insta test` a pending change does not).
    pub fails: bool,
    /// The baseline file looked at.
    pub file: Option<PathBuf>,
    /// The pending snapshot that was written.
    pub pending: Option<PathBuf>,
    /// Figure by figure, sorted by criterion.
    pub changes: Vec<FigureChange>,
    /// What to do next, one line, where there is something to do.
    pub next: Option<String>,
}
