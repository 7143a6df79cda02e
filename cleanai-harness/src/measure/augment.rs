//! Inputs made of the test set's, batch by batch, while a pass runs.

use tch::{Device, Tensor};

use super::Augmented;
use super::importance::inputs_together;
use super::job::Job;
use super::pass::open_model;
use crate::data::{Batch, DataSet};
use crate::importance::{Explainer, Rules};
use crate::model::{LayerInfo, Model};
use crate::synthesis::{Augmentation, Noise};
use crate::{Error, ErrorKind, Result};

/// Makes the inputs of one augmentation after the other. They are counted on from those of the test set.
#[derive(Default)]
pub(super) struct Augmenter {
    noises: Vec<Noise>,
    /// Where some augmentation is told by relevance.
    explainer: Option<Explainer>,
    /// Inputs explained together.
    together: usize,
    /// How often the test set has been run.
    runs: usize,
    /// How many inputs it has, once it has been run.
    originals: usize,
}

impl Augmenter {
    /// # Errors
    /// If an augmentation does not fit the inputs or the transform.
    pub fn new(job: &Job, test: &DataSet) -> Result<Self> {
        let noise = |augmentation: &Augmentation| {
            Noise::new(augmentation, test.fields(), &job.data.transform)
                .map_err(|error| error.context(format!("augment {augmentation}")))
        };
        let noises = job.data.augment.iter().map(noise).collect::<Result<Vec<_>>>()?;
        Ok(Self { noises, ..Self::default() })
    }

    /// Opens the model once more, to be explained, where that is needed.
    ///
    /// # Errors
    /// If the model cannot be opened again, or has nothing to explain.
    pub fn prepare(&mut self, job: &Job, model: &Model, layers: &[LayerInfo]) -> Result<()> {
        let Some(noise) = self.noises.iter().find(|noise| noise.augmentation.needs_relevance()) else { return Ok(()) };
        let open = || {
            let mut own = open_model(&job.model)?;
            own.take_calibration(model);
            Explainer::new(own, Rules::default())
        };
        let explainer = open().map_err(|error| error.context(format!("augment {}", noise.augmentation)))?;
        self.together = if model.fixed_batch().is_some() { usize::MAX } else { inputs_together(layers) };
        self.explainer = Some(explainer);
        Ok(())
    }

    /// Says that the test set, which has so many inputs, has been run; whether it is to be run again.
    pub fn next_run(&mut self, originals: usize) -> bool {
        if self.runs == 0 {
            self.originals = originals;
        }
        self.runs += 1;
        self.runs <= self.noises.len()
    }

    /// Makes the inputs of this run of those of a batch, which stay as they are in the first.
    pub fn change(&mut self, set: &DataSet, batch: &mut Batch) -> Result<()> {
        let Some(noise) = self.runs.checked_sub(1).and_then(|at| self.noises.get(at)) else { return Ok(()) };
        let context = |error: Error| error.context(format!("augment {}", noise.augmentation));
        let relevance = match &mut self.explainer {
            Some(explainer) if noise.augmentation.needs_relevance() => {
                Some(relevance(explainer, batch, self.together).map_err(context)?)
            }
            _ => None,
        };
        noise.apply(batch, relevance.as_deref(), |index| set.names(index)).map_err(context)?;
        batch.first += self.runs * self.originals;
        Ok(())
    }

    /// The name of an input of the test set, or its parent's and how it was made.
    pub fn name(&self, set: &DataSet, index: usize) -> String {
        // In the first run the number of originals is not known yet, and every input is one.
        let made = index.checked_div(self.originals).and_then(|run| run.checked_sub(1));
        match made.and_then(|at| self.noises.get(at)) {
            Some(noise) => format!("{} + {}", set.names(index % self.originals), noise.augmentation),
            None => set.names(index),
        }
    }

    /// What was made, for the record.
    pub fn facts(&self) -> Vec<Augmented> {
        let fact = |noise: &Noise| Augmented { how: noise.augmentation.to_string(), inputs: self.originals };
        self.noises.iter().map(fact).collect()
    }
}

/// Relevance of every value of a batch, for the class predicted of each input.
fn relevance(explainer: &mut Explainer, batch: &Batch, together: usize) -> Result<Vec<f64>> {
    let fed = explainer.model().feed(batch)?;
    let (rows, values) = (batch.size, batch.fields.iter().map(|field| field.values.len()).sum::<usize>());
    let mut all = Vec::with_capacity(values);
    for first in (0..rows).step_by(together.min(rows).max(1)) {
        let part = together.min(rows - first) as i64;
        let part = fed
            .iter()
            .map(|(name, tensor)| Ok((name.as_str(), tensor.f_narrow(0, first as i64, part)?)))
            .collect::<Result<Vec<_>>>()?;
        let part: Vec<(&str, &Tensor)> = part.iter().map(|(name, tensor)| (*name, tensor)).collect();
        let explained = explainer.explain(&part, None, &[])?;
        if let [inputs] = &explained.inputs[..] {
            let flat = inputs.f_to_device(Device::Cpu)?.f_contiguous()?.f_view(-1)?;
            all.extend(Vec::<f64>::try_from(&flat)?);
        }
    }
    if all.len() != values {
        let what = format!("relevance reaches {} of the {values} values of a batch", all.len());
        return Err(Error::new(ErrorKind::Model, what).with_help("does the output depend on the input?"));
    }
    Ok(all)
}
