//! A layer's output read once: neuron values per kind, computed when the first criterion asks and shared by the others.

use crate::criteria::LayerValues;
use crate::data::DataSet;
use crate::declare::{NeuronKind, NonFinite};
use crate::kernel::cpu;
use crate::model::LayerInfo;
use crate::{Error, ErrorKind, Result};

/// Reused buffers for the values of the current layer.
#[derive(Debug, Default)]
pub(super) struct LayerReader {
    non_finite: NonFinite,
    skipped: u64,
    /// Channel and unit values.
    plain: [Buffer; 2],
    /// The same, scaled.
    scaled: [Buffer; 2],
}

#[derive(Debug, Default)]
struct Buffer {
    filled: bool,
    values: Vec<f64>,
}

/// The layer of one batch that criteria are looking at.
pub(super) struct LayerRead<'a> {
    pub reader: &'a mut LayerReader,
    pub info: &'a LayerInfo,
    /// `inputs * shape` values, padding left out.
    pub raw: &'a [f32],
    /// Index of the first input in the data set.
    pub first: usize,
    pub inputs: usize,
    /// For the names of inputs.
    pub set: &'a DataSet,
}

impl LayerReader {
    pub fn new(non_finite: NonFinite) -> Self {
        Self { non_finite, ..Self::default() }
    }

    /// How many neuron values were NaN or infinite and skipped.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Forgets the last layer.
    pub fn next_layer(&mut self) {
        for buffer in self.plain.iter_mut().chain(&mut self.scaled) {
            buffer.filled = false;
        }
    }
}

impl LayerRead<'_> {
    /// The layer's values as a criterion sees them that counts it as its `layer`th.
    ///
    /// # Errors
    /// A NaN or infinite activation, unless they are to be ignored.
    pub fn values(&mut self, layer: usize, kind: NeuronKind, scaled: bool) -> Result<LayerValues<'_>> {
        let at = usize::from(kind == NeuronKind::Unit);
        let Self { reader, info, raw, first, inputs, set } = self;
        let (shape, axis) = (info.shape.as_slice(), info.channel_axis);
        if !reader.plain[at].filled {
            let bad = cpu::neuron_values(raw, *inputs, shape, axis, kind, &mut reader.plain[at].values);
            if bad > 0 && reader.non_finite == NonFinite::Error {
                return Err(non_finite(info, raw, *first, *inputs, kind, set));
            }
            reader.skipped += bad as u64;
            reader.plain[at].filled = true;
        }
        if scaled && !reader.scaled[at].filled {
            cpu::scaled_values(raw, *inputs, shape, axis, kind, &mut reader.scaled[at].values);
            reader.scaled[at].filled = true;
        }
        let neurons = info.neurons(kind);
        let scaled = scaled.then_some(reader.scaled[at].values.as_slice());
        Ok(LayerValues { layer, first: *first, inputs: *inputs, neurons, values: &reader.plain[at].values, scaled })
    }
}

fn non_finite(info: &LayerInfo, raw: &[f32], first: usize, inputs: usize, kind: NeuronKind, set: &DataSet) -> Error {
    let what = match cpu::first_non_finite(raw, inputs, &info.shape, info.channel_axis, kind) {
        Some(found) => {
            let input = set.names(first + found.input);
            format!("layer {}, neuron {}, input {input}: the activation is {}", info.name, found.neuron, found.value)
        }
        None => format!("layer {}: a neuron has no value", info.name),
    };
    Error::new(ErrorKind::Model, what).with_help(
        "find out why the model gives no finite number for this input, or set non_finite = \"ignore\" to skip and count such values",
    )
}
