//! What lies behind a figure that differs from its baseline: layers, classes, neurons and inputs.

use serde::{Deserialize, Serialize};

/// What lies behind one changed figure, each list with what changed most first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Explanation {
    /// The layers that are worse than in the baseline.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<PartChange>,
    /// The classes that are worse; a class without inputs now has no observed figure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<PartChange>,
    /// The neurons that are covered less than in the baseline.
    #[serde(default)]
    pub lost: NeuronChanges,
    /// The neurons that are covered more.
    #[serde(default)]
    pub gained: NeuronChanges,
    /// Inputs that covered something first in the baseline, and are no longer in the test set.
    #[serde(default)]
    pub gone: GoneInputs,
    /// Why neurons, classes and inputs of the baseline are not known, where they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

/// A layer or a class beside its baseline.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PartChange {
    /// The layer's or the class's name.
    pub name: String,
    /// The value in the baseline.
    pub baseline: Option<f64>,
    /// The value now.
    pub observed: Option<f64>,
    /// What was covered in the baseline, for criteria that count.
    pub baseline_covered: Option<u64>,
    /// What is covered now.
    pub covered: Option<u64>,
    /// Of how many, now.
    pub total: Option<u64>,
    /// Inputs of a class in the baseline; none for a layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline_inputs: Option<u64>,
    /// Inputs of a class now; none for a layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<u64>,
}

/// Neurons that are covered less, or more, than in the baseline.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NeuronChanges {
    /// How many neurons.
    pub neurons: u64,
    /// How many items: neurons, corners or sections, whatever the criterion counts.
    pub items: u64,
    /// Those that changed most, at most twenty.
    pub largest: Vec<NeuronChange>,
}

/// A neuron beside its baseline.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NeuronChange {
    /// Its layer.
    pub layer: String,
    /// Its index within the layer: the channel, or the unit.
    pub neuron: u64,
    /// Items of it that were covered in the baseline.
    pub baseline: u64,
    /// Items of it that are covered now.
    pub observed: u64,
    /// The input that covered it first: in the baseline where it is no longer covered at all, now where it was not.
    pub first: Option<String>,
    /// Whether that input is no longer in the test set.
    pub gone: bool,
}

/// Inputs of the baseline that the test set no longer has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GoneInputs {
    /// How many there are of those that covered something first.
    pub inputs: u64,
    /// What they covered first, all together.
    pub items: u64,
    /// Those that covered most, at most ten.
    pub largest: Vec<GoneInput>,
}

/// An input of the baseline that the test set no longer has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GoneInput {
    /// Its name.
    pub name: String,
    /// Items it was the first to cover.
    pub covered: u64,
}
