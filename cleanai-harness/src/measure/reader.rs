//! A layer's output read once: neuron values per kind, computed when the first criterion asks and shared by the others.

use tch::{TchError, Tensor};

use crate::criteria::{KeptRows, LayerValues, MostActive, Numbers};
use crate::declare::{NeuronKind, NonFinite};
use crate::kernel::cpu;
use crate::kernel::device::{self, TensorUnits};
use crate::model::{LayerInfo, tensor};
use crate::{Error, ErrorKind, Result};

/// Reused buffers for the values of the current layer.
#[derive(Default)]
pub(crate) struct LayerReader {
    non_finite: NonFinite,
    skipped: u64,
    channels: Option<cpu::Channels>,
    units: Option<cpu::Units>,
    /// The current layer's units on their device.
    elsewhere: Option<TensorUnits>,
    /// The current layer in main memory, once it had to be brought there.
    copied: Option<tensor::Values>,
    /// Which of the two are those of the current layer.
    filled: [bool; 2],
    /// The most active of either, once some criterion asks for them.
    most_active: [MostActive; 2],
    /// The rows that some criterion keeps, of either.
    kept_rows: [KeptRows; 2],
}

/// Where a layer's output lies.
#[derive(Clone, Copy)]
pub(crate) enum Output<'a> {
    /// `inputs * shape` values in main memory, padding left out.
    Host(&'a [f32]),
    /// `[inputs, shape]` on another device, padding left out.
    Device(&'a Tensor),
}

/// The layer of one batch that criteria are looking at.
pub(crate) struct LayerRead<'a> {
    pub reader: &'a mut LayerReader,
    pub info: &'a LayerInfo,
    pub output: Output<'a>,
    /// Index of the first input in the data set.
    pub first: usize,
    pub inputs: usize,
    /// Their labels, where the data has them.
    pub labels: Option<&'a [i64]>,
    /// Names of inputs.
    pub name: &'a dyn Fn(usize) -> String,
}

impl LayerReader {
    pub fn new(non_finite: NonFinite) -> Self {
        Self { non_finite, ..Self::default() }
    }

    /// How many neuron values were NaN or infinite and skipped.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Forgets the last layer; gives why an answer about it could not be had.
    pub fn next_layer(&mut self) -> Result<()> {
        (self.filled, self.copied) = ([false; 2], None);
        self.most_active.iter_mut().for_each(MostActive::forget);
        self.kept_rows.iter_mut().for_each(KeptRows::forget);
        match self.elsewhere.take().and_then(|units| units.failure()) {
            Some(why) => Err(unreadable(why)),
            None => Ok(()),
        }
    }
}

pub(super) fn unreadable(why: TchError) -> Error {
    Error::new(ErrorKind::Model, format!("a layer's output cannot be read on its device: {why}"))
}

impl LayerRead<'_> {
    /// The layer's values as a criterion sees them that counts it as its `layer`th. Units on another device are copied unless `device`
    /// says that they may stay there.
    ///
    /// # Errors
    /// A NaN or infinite activation, unless they are to be ignored.
    pub fn values(&mut self, layer: usize, kind: NeuronKind, device: bool) -> Result<LayerValues<'_>> {
        let filled = &mut self.reader.filled[usize::from(kind == NeuronKind::Unit)];
        if !std::mem::replace(filled, true) {
            self.fill(kind)?;
        }
        let (first, inputs, neurons) = (self.first, self.inputs, self.info.neurons(kind));
        let reader = &mut *self.reader;
        let most_active = &reader.most_active[usize::from(kind == NeuronKind::Unit)];
        let kept_rows = &reader.kept_rows[usize::from(kind == NeuronKind::Unit)];
        match kind {
            NeuronKind::Channel => {
                let cpu::Channels { values, above, low, high, ranges } = reader.channels.get_or_insert_default();
                let (values, low, high) = (Numbers::Double(values), Numbers::Double(low), Numbers::Double(high));
                let peaks = &[];
                Ok(LayerValues {
                    layer,
                    first,
                    inputs,
                    neurons,
                    values,
                    above,
                    low,
                    high,
                    ranges,
                    peaks,
                    most_active,
                    kept_rows,
                })
            }
            NeuronKind::Unit => {
                let cpu::Units { low, high, ranges, peaks, cleared } = reader.units.get_or_insert_default();
                let values = match (&reader.elsewhere, self.output) {
                    (Some(units), _) if device => Numbers::Device(units),
                    _ if !cleared.is_empty() => Numbers::Single(cleared),
                    (_, Output::Host(raw)) => Numbers::Single(raw),
                    (_, Output::Device(output)) => {
                        if reader.copied.is_none() {
                            reader.copied = Some(tensor::Values::of(output)?);
                        }
                        Numbers::Single(reader.copied.as_ref().map_or(&[][..], tensor::Values::as_slice))
                    }
                };
                let (low, high) = match values {
                    // A single input's values are the ends, too.
                    Numbers::Single(_) if low.is_empty() => (values, values),
                    _ => (Numbers::Single(low), Numbers::Single(high)),
                };
                let above = &[];
                Ok(LayerValues {
                    layer,
                    first,
                    inputs,
                    neurons,
                    values,
                    above,
                    low,
                    high,
                    ranges,
                    peaks,
                    most_active,
                    kept_rows,
                })
            }
        }
    }

    /// Reads the output, with the kernel of the device where it lies.
    fn fill(&mut self, kind: NeuronKind) -> Result<()> {
        match self.output {
            Output::Host(raw) => self.fill_from(raw, kind),
            Output::Device(output) if device::is_finite(output).map_err(unreadable)? => {
                let reader = &mut *self.reader;
                match kind {
                    NeuronKind::Channel => {
                        let read = reader.channels.get_or_insert_default();
                        device::channels(output, self.info.channel_axis, read).map_err(unreadable)
                    }
                    NeuronKind::Unit => {
                        let units = TensorUnits::new(output).map_err(unreadable)?;
                        let (low, high) = units.extremes().map_err(unreadable)?;
                        let ranges = device::ranges(output, self.inputs).map_err(unreadable)?;
                        reader.units = Some(cpu::Units { low, high, ranges, ..cpu::Units::default() });
                        reader.elsewhere = Some(units);
                        Ok(())
                    }
                }
            }
            Output::Device(output) => {
                let copied = tensor::Values::of(output)?;
                self.fill_from(copied.as_slice(), kind)
            }
        }
    }

    fn fill_from(&mut self, raw: &[f32], kind: NeuronKind) -> Result<()> {
        let Self { reader, info, first, inputs, name, .. } = self;
        let bad = match kind {
            NeuronKind::Channel => {
                let read = reader.channels.get_or_insert_default();
                cpu::channels(raw, *inputs, &info.shape, info.channel_axis, read)
            }
            NeuronKind::Unit => cpu::units(raw, *inputs, info.units(), reader.units.get_or_insert_default()),
        };
        if bad > 0 && reader.non_finite == NonFinite::Error {
            return Err(non_finite(info, raw, *first, *inputs, kind, name));
        }
        reader.skipped += bad as u64;
        Ok(())
    }
}

fn non_finite(
    info: &LayerInfo,
    raw: &[f32],
    first: usize,
    inputs: usize,
    kind: NeuronKind,
    name: &dyn Fn(usize) -> String,
) -> Error {
    let what = match cpu::first_non_finite(raw, inputs, &info.shape, info.channel_axis, kind) {
        Some(found) => {
            let input = name(first + found.input);
            format!("layer {}, neuron {}, input {input}: the activation is {}", info.name, found.neuron, found.value)
        }
        None => format!("layer {}: a neuron has no value", info.name),
    };
    Error::new(ErrorKind::Model, what).with_help(
        "find out why the model gives no finite number for this input, or set non_finite = \"ignore\" to skip and count such values",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::criteria::profile::ProfileState;
    use crate::criteria::{LayerProfile, Needs, Start, State, registry};

    const BATCHES: usize = 3;
    const INPUTS: usize = 5;

    /// Layers with ties, constants, and several positions for a channel, or features alone.
    fn outputs(seed: i64) -> Vec<(LayerInfo, Vec<Tensor>)> {
        let layer = |name: &str, shape: &[i64], axis: usize| {
            let info = LayerInfo {
                name: name.into(),
                class: "ReLU".into(),
                operator: "relu".into(),
                shape: shape.iter().map(|size| *size as usize).collect(),
                channel_axis: axis,
            };
            let batch = |batch: i64| {
                let size = [&[INPUTS as i64], shape].concat();
                let count: i64 = size.iter().product();
                let places = Tensor::arange(count, (tch::Kind::Int64, tch::Device::Cpu)) + batch * 977 + seed;
                // Multiples of a sixteenth: whole sums, so that both kernels' means are the same to the last bit.
                let values = (places * 7919i64).remainder(203).to_kind(tch::Kind::Float) / 16.0 - 4.0;
                values.view(size.as_slice()).relu()
            };
            (info, (0..BATCHES as i64).map(batch).collect())
        };
        vec![layer("conv", &[6, 5, 4], 0), layer("steps", &[7, 9], 1), layer("features", &[33], 0)]
    }

    struct Run {
        reader: LayerReader,
        on_device: bool,
    }

    impl Run {
        fn new(on_device: bool) -> Self {
            Self { reader: LayerReader::new(NonFinite::Ignore), on_device }
        }

        fn read<T>(
            &mut self,
            info: &LayerInfo,
            output: &Tensor,
            work: impl FnOnce(&mut LayerRead<'_>) -> Result<T>,
        ) -> Result<T> {
            let values = tensor::Values::of(output)?;
            let output = if self.on_device { Output::Device(output) } else { Output::Host(values.as_slice()) };
            self.reader.next_layer()?;
            let (reader, name) = (&mut self.reader, &|input: usize| input.to_string());
            work(&mut LayerRead { reader, info, output, first: 0, inputs: INPUTS, labels: None, name })
        }

        fn profile(&mut self, kind: NeuronKind) -> Vec<LayerProfile> {
            let outputs = outputs(1);
            let neurons: Vec<usize> = outputs.iter().map(|(info, _)| info.neurons(kind)).collect();
            let needs = Needs { std: true, mean_difference: true, ..Needs::default() };
            let mut state = ProfileState::new(&neurons, needs).unwrap();
            for (layer, (info, batches)) in outputs.iter().enumerate() {
                for output in batches {
                    let read = |read: &mut LayerRead<'_>| {
                        state.observe(read.values(layer, kind, true)?);
                        Ok(())
                    };
                    self.read(info, output, read).unwrap();
                }
            }
            state.finish().unwrap()
        }

        fn state(&mut self, text: &str, kind: NeuronKind, profile: &[LayerProfile]) -> Box<dyn State> {
            let outputs = outputs(40);
            let layers: Vec<LayerInfo> = outputs.iter().map(|(info, _)| info.clone()).collect();
            let neurons: Vec<usize> = layers.iter().map(|info| info.neurons(kind)).collect();
            let criterion = registry::criterion(&text.parse().unwrap()).unwrap();
            let start = Start { layers: &layers, neurons: &neurons, profile: Some(profile) };
            let mut state = criterion.start(start).unwrap();
            for batch in 0..BATCHES {
                for (layer, (info, outputs)) in outputs.iter().enumerate() {
                    let read = |read: &mut LayerRead<'_>| {
                        let values = read.values(layer, kind, criterion.needs().device)?;
                        state.observe(LayerValues { first: batch * INPUTS, ..values });
                        Ok(())
                    };
                    self.read(info, &outputs[batch], read).unwrap();
                }
                let (first, inputs) = (batch * INPUTS, INPUTS);
                let end = crate::criteria::BatchEnd { first, inputs, classes: 0, logits: &[], labels: None };
                state.end_batch(end).unwrap();
            }
            assert!(self.reader.next_layer().is_ok());
            state
        }
    }

    #[test]
    fn both_kernels_count_the_same() {
        for kind in [NeuronKind::Channel, NeuronKind::Unit] {
            let (mut host, mut device) = (Run::new(false), Run::new(true));
            let profile = host.profile(kind);
            assert_eq!(device.profile(kind), profile, "{kind}");
            for text in [
                "nc",
                "nc(threshold=0.25)",
                "nac",
                "nac(threshold=6.5)",
                "kmnc(k=10)",
                "kmnc",
                "nbc",
                "nbc(sigma=0.1)",
                "snac",
                "tknc",
                "tknc(k=40)",
                "tknp",
                "tknp(k=1)",
            ] {
                let (own, other) = (host.state(text, kind, &profile), device.state(text, kind, &profile));
                assert_eq!(own.figures(), other.figures(), "{text} {kind}");
                assert_eq!(own.save().unwrap(), other.save().unwrap(), "{text} {kind}");
            }
        }
    }

    #[test]
    fn what_is_not_finite_is_left_to_the_processor() {
        let (info, batches) = outputs(3).swap_remove(2);
        let output = batches[0].copy();
        let _ = output.get(1).get(2).fill_(f64::NAN);
        for kind in [NeuronKind::Channel, NeuronKind::Unit] {
            for on_device in [false, true] {
                let mut run = Run::new(on_device);
                run.read(&info, &output, |read| {
                    let values = read.values(0, kind, true)?.values.to_f64().into_owned();
                    assert!(values[33 + 2].is_nan() && values[33 + 1].is_finite());
                    Ok(())
                })
                .unwrap();
                assert_eq!(run.reader.skipped(), 1);
                run.reader = LayerReader::new(NonFinite::Error);
                let refused = run.read(&info, &output, |read| read.values(0, kind, true).map(|_| ()));
                assert!(refused.unwrap_err().to_string().contains("neuron 2"));
            }
        }
    }
}
