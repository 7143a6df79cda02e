//! A layer's output read once: neuron values per kind, computed when the first criterion asks and shared by the others.

use crate::criteria::{LayerValues, Numbers};
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
    /// Filled for the current layer.
    filled: [bool; 2],
    channels: cpu::Channels,
    units: cpu::Units,
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
    /// Their labels, where the data has them.
    pub labels: Option<&'a [i64]>,
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
        self.filled = [false; 2];
    }
}

impl LayerRead<'_> {
    /// The layer's values as a criterion sees them that counts it as its `layer`th.
    ///
    /// # Errors
    /// A NaN or infinite activation, unless they are to be ignored.
    pub fn values(&mut self, layer: usize, kind: NeuronKind) -> Result<LayerValues<'_>> {
        let Self { reader, info, raw, first, inputs, set, .. } = self;
        let filled = &mut reader.filled[usize::from(kind == NeuronKind::Unit)];
        if !*filled {
            let bad = match kind {
                NeuronKind::Channel => {
                    cpu::channels(raw, *inputs, &info.shape, info.channel_axis, &mut reader.channels)
                }
                NeuronKind::Unit => cpu::units(raw, *inputs, info.units(), &mut reader.units),
            };
            if bad > 0 && reader.non_finite == NonFinite::Error {
                return Err(non_finite(info, raw, *first, *inputs, kind, set));
            }
            reader.skipped += bad as u64;
            *filled = true;
        }
        let (first, inputs, neurons) = (*first, *inputs, info.neurons(kind));
        Ok(match kind {
            NeuronKind::Channel => {
                let cpu::Channels { values, low, high, ranges } = &reader.channels;
                let (values, low, high) = (Numbers::Double(values), Numbers::Double(low), Numbers::Double(high));
                LayerValues { layer, first, inputs, neurons, values, low, high, ranges }
            }
            NeuronKind::Unit => {
                let cpu::Units { low, high, ranges, cleared } = &reader.units;
                let values = Numbers::Single(if cleared.is_empty() { raw } else { cleared });
                let (low, high) = (Numbers::Single(low), Numbers::Single(high));
                LayerValues { layer, first, inputs, neurons, values, low, high, ranges }
            }
        })
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
