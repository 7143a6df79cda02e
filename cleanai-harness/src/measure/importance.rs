//! Relevance of the profile inputs, gathered beside the pass that observes their values.

use tch::{Kind, Tensor};

use super::job::Job;
use super::open::open_model;
use crate::criteria::{LayerImportance, LayerValues};
use crate::declare::NeuronKind;
use crate::importance::{Explained, Explainer, RelevanceNeeds};
use crate::model::{LayerInfo, Model};
use crate::{Error, ErrorKind, Result};

/// Bytes that the values of a run which is kept may take; so many inputs are explained together.
const KEPT: usize = 1 << 30;

/// Bytes kept for each scalar that layers have: its layer, what is between layers, and as much for the way back.
const BYTES_A_SCALAR: usize = 24;

/// Values held until all inputs are explained: 2 GiB of them.
const MOST_HELD: usize = 1 << 28;

/// How many inputs of a model with these layers are explained together.
pub(super) fn inputs_together(layers: &[LayerInfo]) -> usize {
    let scalars: usize = layers.iter().map(LayerInfo::units).sum();
    (KEPT / (scalars * BYTES_A_SCALAR).max(1)).max(1)
}

/// Gathers the importance of some layers.
pub(super) struct Gather {
    explainer: Explainer,
    needs: RelevanceNeeds,
    neurons: NeuronKind,
    /// Indices of the layers in the model, in order.
    layers: Vec<usize>,
    infos: Vec<LayerInfo>,
    /// By layer: the rows of this batch.
    batch: Vec<Vec<f64>>,
    /// By layer: the rows of all inputs that were explained.
    rows: Vec<Vec<f64>>,
    relevance: Vec<Vec<f64>>,
    amplification: Vec<f64>,
    inputs: usize,
    together: usize,
}

impl Gather {
    /// # Errors
    /// If the model cannot be opened again, or has nothing to explain.
    pub fn new(
        job: &Job,
        model: &Model,
        layers: &[LayerInfo],
        chosen: &[usize],
        neurons: NeuronKind,
        needs: RelevanceNeeds,
    ) -> Result<Self> {
        let mut own = open_model(&job.model)?;
        own.take_calibration(model);
        let explainer = Explainer::new(own, needs.rules())?;
        let infos: Vec<LayerInfo> = chosen.iter().map(|layer| layers[*layer].clone()).collect();
        let zeros = |info: &LayerInfo| vec![0.0; info.neurons(neurons)];
        Ok(Self {
            explainer,
            needs,
            neurons,
            layers: chosen.to_vec(),
            batch: vec![Vec::new(); chosen.len()],
            rows: vec![Vec::new(); chosen.len()],
            relevance: infos.iter().map(zeros).collect(),
            amplification: vec![0.0; chosen.len()],
            inputs: 0,
            together: inputs_together(layers),
            infos,
        })
    }

    /// Reads one of the layers of a batch.
    pub fn observe(&mut self, values: &LayerValues<'_>) {
        self.batch[values.layer] = values.values.to_f64().into_owned();
    }

    /// Ends a batch: explains the inputs that the model classifies correctly, all where there are no labels.
    pub fn end_batch(
        &mut self,
        inputs: &[(&str, &Tensor)],
        labels: Option<&[i64]>,
        classes: usize,
        logits: &[f64],
        count: usize,
    ) -> Result<()> {
        let predicted = |row: usize| {
            let row = &logits[row * classes..(row + 1) * classes];
            (0..classes).fold(0, |best, class| if row[class] > row[best] { class } else { best }) as i64
        };
        // A single output is a number, not a class.
        let by_class = !self.needs.outputs && classes > 1;
        let right = |row: &usize| !by_class || labels.is_none_or(|labels| labels[*row] == predicted(*row));
        let chosen: Vec<usize> = (0..count).filter(right).collect();
        for part in chosen.chunks(self.together) {
            let index: Vec<i64> = part.iter().map(|row| *row as i64).collect();
            let own = inputs
                .iter()
                .map(|(name, tensor)| {
                    let index = Tensor::f_from_slice(&index)?.f_to_device(tensor.device())?;
                    Ok((*name, tensor.f_index_select(0, &index)?))
                })
                .collect::<Result<Vec<_>>>()?;
            let own: Vec<(&str, &Tensor)> = own.iter().map(|(name, tensor)| (*name, tensor)).collect();
            let of_class: Vec<i64> =
                if by_class { part.iter().map(|row| predicted(*row)).collect() } else { Vec::new() };
            let explained = if by_class { Explained::Class(&of_class) } else { Explained::Outputs };
            let relevance = self.explainer.explain_output(&own, explained, &self.layers, false)?;
            for layer in 0..self.layers.len() {
                self.add(layer, &relevance.layers[layer], &relevance.outputs)?;
            }
        }
        for (rows, batch) in self.rows.iter_mut().zip(&self.batch) {
            let width = batch.len() / count.max(1);
            for row in &chosen {
                rows.extend_from_slice(&batch[row * width..(row + 1) * width]);
            }
        }
        self.inputs += chosen.len();
        if self.rows.iter().map(Vec::len).sum::<usize>() > MOST_HELD {
            return Err(Error::new(
                ErrorKind::Criterion,
                "the values that importance is clustered by would take more than 2 GiB: those of every neuron of its layers for every profile input",
            )
            .with_help("take fewer layers, channels as neurons (`neurons = \"channel\"`), or fewer profile inputs"));
        }
        Ok(())
    }

    /// Adds the relevance of some inputs, input by input, so that the sums do not depend on batches.
    fn add(&mut self, layer: usize, relevance: &Tensor, outputs: &[f64]) -> Result<()> {
        let info = &self.infos[layer];
        let rows = outputs.len() as i64;
        let size = relevance.size();
        if size.iter().product::<i64>() != rows * info.units() as i64 {
            let what = format!("the relevance of layer {} has the shape {size:?} for {rows} inputs", info.name);
            return Err(Error::new(ErrorKind::Model, what));
        }
        let flat = relevance.f_reshape([rows, -1].as_slice())?;
        let magnitudes = flat.f_abs()?.f_sum_dim_intlist(&[1i64][..], false, None::<Kind>)?;
        let by_neuron = numbers(&by_neuron(relevance, info, self.neurons)?)?;
        let width = by_neuron.len() / outputs.len().max(1);
        for row in by_neuron.chunks_exact(width.max(1)) {
            self.relevance[layer].iter_mut().zip(row).for_each(|(sum, relevance)| *sum += relevance);
        }
        for (magnitude, output) in numbers(&magnitudes)?.iter().zip(outputs) {
            let factor = if *output == 0.0 {
                if *magnitude > 0.0 { f64::INFINITY } else { 0.0 }
            } else {
                magnitude / output.abs()
            };
            self.amplification[layer] = self.amplification[layer].max(factor);
        }
        Ok(())
    }

    /// The importance of each layer.
    pub fn finish(self) -> Vec<LayerImportance> {
        let inputs = self.inputs;
        let of_layer = |((relevance, rows), amplification): ((Vec<f64>, Vec<f64>), f64)| {
            let width = relevance.len();
            let values =
                (0..width).flat_map(|neuron| rows[neuron.min(rows.len())..].iter().step_by(width.max(1)).copied());
            LayerImportance { values: values.collect(), relevance, inputs, amplification }
        };
        self.relevance.into_iter().zip(self.rows).zip(self.amplification).map(of_layer).collect()
    }
}

/// The relevance of each neuron of a layer, one row for each input: a channel's is the sum over its map.
pub(super) fn by_neuron(relevance: &Tensor, info: &LayerInfo, neurons: NeuronKind) -> Result<Tensor> {
    let size = relevance.size();
    let rows = size.first().copied().unwrap_or(1);
    if neurons == NeuronKind::Unit || size.len() < 2 {
        return Ok(relevance.f_reshape([rows, -1].as_slice())?);
    }
    let channels = relevance.f_movedim_int(info.channel_axis as i64 + 1, 1)?;
    let maps = channels.f_reshape([rows, info.channels() as i64, -1].as_slice())?;
    Ok(maps.f_sum_dim_intlist(&[2i64][..], false, None::<Kind>)?)
}

/// The numbers of a tensor of double precision.
pub(super) fn numbers(tensor: &Tensor) -> Result<Vec<f64>> {
    let flat = tensor.f_to_device(tch::Device::Cpu)?.f_contiguous()?.f_view(-1)?;
    Ok(Vec::<f64>::try_from(&flat)?)
}
