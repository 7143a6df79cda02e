//! A model run on a data set, batch by batch: each layer is handed over while it is hot.

use std::time::Instant;

use tch::{Device, Tensor};

use super::augment::Augmenter;
use super::observer::{self, Role, Stage};
use super::probe::{self, Moment};
use super::reader::{LayerRead, LayerReader, Output, unreadable};
use crate::data::{Batch, DataSet};
use crate::declare::NonFinite;
use crate::model::{LayerInfo, Model, Observed, tensor};
use crate::{Error, ErrorKind, Result, interrupt};

/// Shapes of the layers, from the first inputs; from all of them where branches depend on the data.
pub(super) fn calibrate(
    model: &mut Model,
    profile: Option<&DataSet>,
    test: &DataSet,
    batch: usize,
) -> Result<Vec<LayerInfo>> {
    let sets = profile.into_iter().chain([test]);
    let mut batches = sets.flat_map(|set| set.batches(batch));
    model.calibrate_on(&mut |model| {
        let batch = batches.next()?;
        Some(interrupt::check().and_then(|()| model.feed(&batch?)))
    })
}

/// What happens beside the criteria: clocks, counts and the reader's buffers.
#[derive(Default)]
pub(super) struct Watch {
    pub reader: LayerReader,
    pub decode: f64,
    pub forward: f64,
    pub criteria: f64,
    pub inputs: usize,
    pub skipped: usize,
}

impl Watch {
    pub fn new(non_finite: NonFinite) -> Self {
        Self { reader: LayerReader::new(non_finite), ..Self::default() }
    }
}

/// What is done when a batch is through: it, what the model was fed, the number of classes, and its logits.
type OnEnd<'a> = &'a mut dyn FnMut(&Batch, &[(&str, &Tensor)], usize, &[f64]) -> Result<()>;

/// What is run: a data set, or the inputs that an augmenter makes of it.
pub(super) struct Inputs<'a> {
    pub set: &'a DataSet,
    pub augmenter: Option<&'a mut Augmenter>,
    pub role: Role,
}

/// Runs a data set batch by batch; `on_layer` gets each layer, `on_end` each batch with its logits.
pub(super) fn each_batch(
    model: &mut Model,
    inputs: Inputs<'_>,
    size: usize,
    layers: &[LayerInfo],
    watch: &mut Watch,
    on_layer: &mut dyn FnMut(usize, &mut LayerRead<'_>) -> Result<()>,
    on_end: OnEnd<'_>,
) -> Result<()> {
    let Inputs { set, mut augmenter, role } = inputs;
    let name = model.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    let shown = observer::begin(Stage { model: &name, role, inputs: set.len() });
    let mut batches = set.batches(size);
    loop {
        interrupt::check()?;
        let waiting = Instant::now();
        let Some(batch) = batches.next() else { break };
        let mut batch = batch?;
        if let Some(augmenter) = &mut augmenter {
            augmenter.change(set, &mut batch)?;
        }
        watch.decode += waiting.elapsed().as_secs_f64();
        probe::tell(Moment::Before(&batch));
        let running = Instant::now();
        let mut observing = 0.0;
        let (mut logits, mut classes) = (Vec::new(), 0);
        let inputs = model.feed(&batch)?;
        // The model has its own copy.
        batches.recycle(std::mem::take(&mut batch.fields));
        let inputs: Vec<(&str, &Tensor)> = inputs.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let reader = &mut watch.reader;
        let name = |index| augmenter.as_ref().map_or_else(|| set.names(index), |augmenter| augmenter.name(set, index));
        model.run_named(&inputs, &mut |observed, output| {
            let reading = Instant::now();
            let rows = output.size().first().map_or(1, |rows| usize::try_from(*rows).unwrap_or(0));
            if rows != size {
                return Err(shape_error(observed, layers, rows, size));
            }
            let (values, real);
            let shape = tensor::shape(output);
            let output = if output.device() == Device::Cpu || observed == Observed::Logits {
                values = tensor::Values::of(output)?;
                let all = values.as_slice();
                Output::Host(&all[..all.len() / size.max(1) * batch.inputs])
            } else {
                real = output.f_narrow(0, 0, batch.inputs as i64).map_err(unreadable)?;
                Output::Device(&real)
            };
            match (observed, output) {
                (Observed::Layer(layer), output) => {
                    if shape.get(1..) != Some(&layers[layer].shape[..]) {
                        return Err(Error::new(
                            ErrorKind::Model,
                            format!("layer {} changes its shape from batch to batch", layers[layer].name),
                        ));
                    }
                    reader.next_layer()?;
                    let (first, inputs, labels) = (batch.first, batch.inputs, batch.labels.as_deref());
                    let mut read =
                        LayerRead { reader, info: &layers[layer], output, first, inputs, labels, name: &name };
                    on_layer(layer, &mut read)?;
                }
                (Observed::Logits, Output::Host(raw)) => {
                    classes = raw.len() / batch.inputs.max(1);
                    logits = raw.iter().map(|value| f64::from(*value)).collect();
                }
                (Observed::Logits, Output::Device(_)) => unreachable!("logits are brought to main memory"),
            }
            observing += reading.elapsed().as_secs_f64();
            Ok(())
        })?;
        reader.next_layer()?;
        watch.forward += running.elapsed().as_secs_f64() - observing;
        let ending = Instant::now();
        on_end(&batch, &inputs, classes, &logits)?;
        watch.criteria += observing + ending.elapsed().as_secs_f64();
        watch.inputs += batch.inputs;
        shown.advance(batch.inputs);
        probe::tell(Moment::After);
    }
    watch.skipped = set.skipped().len();
    Ok(())
}

fn shape_error(observed: Observed, layers: &[LayerInfo], rows: usize, size: usize) -> Error {
    let name = match observed {
        Observed::Layer(layer) => layers[layer].name.as_str(),
        Observed::Logits => "the logits",
    };
    Error::new(
        ErrorKind::Model,
        format!("layer {name} gives {rows} rows for a batch of {size} inputs; its first axis is no batch axis"),
    )
    .with_help("was the model exported for one batch size? Export it with a dynamic batch dimension, or set `batch`")
}
