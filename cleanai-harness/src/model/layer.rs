//! What is known of a layer without running the model; no torch here.

/// One observed layer: an operator call whose output is looked at.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LayerInfo {
    /// Stable name (CRITERIA section 1): module path, or path/operator for functional calls, `#2` for later calls.
    pub name: String,
    /// The module's class, or the operator's name for functional calls.
    pub class: String,
    /// The operator without namespace and trailing underscore: `conv2d`, `relu`.
    pub operator: String,
    /// Shape of the output for one input, the batch axis left out: `[6, 24, 24]`.
    pub shape: Vec<usize>,
    /// The channel axis within `shape` (0 is the axis after the batch).
    pub channel_axis: usize,
}

impl LayerInfo {
    /// Neurons when a channel is a neuron.
    pub fn channels(&self) -> usize {
        self.shape.get(self.channel_axis).copied().unwrap_or(1)
    }

    /// Neurons when every scalar is a neuron.
    pub fn units(&self) -> usize {
        self.shape.iter().product()
    }

    /// Neurons of this kind.
    pub fn neurons(&self, kind: crate::declare::NeuronKind) -> usize {
        match kind {
            crate::declare::NeuronKind::Channel => self.channels(),
            crate::declare::NeuronKind::Unit => self.units(),
        }
    }
}
