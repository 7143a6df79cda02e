//! Inputs made of the test set's, batch by batch, while a pass runs.

use tch::{Device, Tensor};

use super::Augmented;
use super::importance::inputs_together;
use super::job::Job;
use super::open::open_model;
use crate::data::transform::TransformStep;
use crate::data::{Batch, DataSet};
use crate::declare::ModelChoice;
use crate::importance::{Explainer, Rules};
use crate::model::{GradientModel, LayerInfo, Model};
use crate::synthesis::{Attacker, Augmentation, Noise};
use crate::{Error, ErrorKind, Result};

/// Makes the inputs of one augmentation after the other. They are counted on from those of the test set.
#[derive(Default)]
pub(super) struct Augmenter {
    makers: Vec<Maker>,
    /// How often the test set has been run.
    runs: usize,
    /// How many inputs it has, once it has been run.
    originals: usize,
    tools: Tools,
}

/// Makes the inputs of one augmentation.
pub(super) struct Maker {
    pub augmentation: Augmentation,
    how: How,
}

enum How {
    Noise(Noise),
    Attack(Attacker),
}

/// The models that augmentations ask.
#[derive(Default)]
pub(super) struct Tools {
    /// Where some augmentation is told by relevance.
    explainer: Option<Explainer>,
    /// Where some is an attack.
    gradients: Option<GradientModel>,
    /// Inputs explained together.
    together: usize,
}

impl Maker {
    /// # Errors
    /// If the augmentation does not fit the inputs or the transform.
    pub fn new(augmentation: &Augmentation, set: &DataSet, steps: &[TransformStep]) -> Result<Self> {
        let how = match augmentation {
            Augmentation::Noise(noise) => Noise::new(noise, set.fields(), steps).map(How::Noise),
            Augmentation::Attack(attack) => Attacker::new(attack, set, steps).map(How::Attack),
        };
        let how = how.map_err(|error| error.context(format!("augment {augmentation}")))?;
        Ok(Self { augmentation: augmentation.clone(), how })
    }

    /// Makes the inputs of a batch of those that are there.
    pub fn make(&self, tools: &mut Tools, set: &DataSet, batch: &mut Batch) -> Result<()> {
        let mut make = || match (&self.how, &mut tools.gradients) {
            (How::Attack(attacker), Some(model)) => attacker.apply(model, batch, &|index| set.names(index)),
            (How::Attack(_), None) => Err(Error::new(ErrorKind::Model, "there is no model to attack")),
            (How::Noise(noise), _) => {
                let relevance = match &mut tools.explainer {
                    Some(explainer) if self.augmentation.needs_relevance() => {
                        Some(relevance(explainer, batch, tools.together)?)
                    }
                    _ => None,
                };
                noise.apply(batch, relevance.as_deref(), |index| set.names(index))
            }
        };
        make().map_err(|error| error.context(format!("augment {}", self.augmentation)))
    }
}

impl Tools {
    /// Opens the model once more, to be explained or attacked, where that is needed.
    ///
    /// # Errors
    /// If the model cannot be opened again, has nothing to explain, or no gradient.
    pub fn prepare(
        &mut self,
        makers: &mut [Maker],
        choice: &ModelChoice,
        model: &Model,
        layers: &[LayerInfo],
    ) -> Result<()> {
        let open = || {
            let mut own = open_model(choice)?;
            own.take_calibration(model);
            Ok(own)
        };
        let together = if model.fixed_batch().is_some() { usize::MAX } else { inputs_together(layers) };
        self.together = together;
        for Maker { augmentation, how } in makers {
            let context = |error: Error| error.context(format!("augment {augmentation}"));
            if augmentation.needs_relevance() && self.explainer.is_none() {
                let explainer = open().and_then(|own| Explainer::new(own, Rules::default()));
                self.explainer = Some(explainer.map_err(context)?);
            }
            if let How::Attack(attacker) = how {
                attacker.at_most(together);
                if self.gradients.is_none() {
                    self.gradients = Some(open().and_then(GradientModel::new).map_err(context)?);
                }
            }
        }
        Ok(())
    }
}

impl Augmenter {
    /// # Errors
    /// If an augmentation does not fit the inputs or the transform.
    pub fn new(job: &Job, test: &DataSet) -> Result<Self> {
        let all = job.data.augment.iter();
        let makers =
            all.map(|augmentation| Maker::new(augmentation, test, &job.data.transform)).collect::<Result<_>>()?;
        Ok(Self { makers, ..Self::default() })
    }

    /// Opens the model once more where that is needed.
    ///
    /// # Errors
    /// As [`Tools::prepare`].
    pub fn prepare(&mut self, job: &Job, model: &Model, layers: &[LayerInfo]) -> Result<()> {
        self.tools.prepare(&mut self.makers, &job.model, model, layers)
    }

    /// Says that the test set, which has so many inputs, has been run; whether it is to be run again.
    pub fn next_run(&mut self, originals: usize) -> bool {
        if self.runs == 0 {
            self.originals = originals;
        }
        self.runs += 1;
        self.runs <= self.makers.len()
    }

    /// Makes the inputs of this run of those of a batch, which stay as they are in the first.
    pub fn change(&mut self, set: &DataSet, batch: &mut Batch) -> Result<()> {
        let Some(maker) = self.runs.checked_sub(1).and_then(|at| self.makers.get(at)) else { return Ok(()) };
        maker.make(&mut self.tools, set, batch)?;
        batch.first += self.runs * self.originals;
        Ok(())
    }

    /// The name of an input of the test set, or its parent's and how it was made.
    pub fn name(&self, set: &DataSet, index: usize) -> String {
        // In the first run the number of originals is not known yet, and every input is one.
        let made = index.checked_div(self.originals).and_then(|run| run.checked_sub(1));
        match made.and_then(|at| self.makers.get(at)) {
            Some(maker) => format!("{} + {}", set.names(index % self.originals), maker.augmentation),
            None => set.names(index),
        }
    }

    /// What was made, for the record.
    pub fn facts(&self) -> Vec<Augmented> {
        let fact = |maker: &Maker| Augmented { how: maker.augmentation.to_string(), inputs: self.originals };
        self.makers.iter().map(fact).collect()
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
