//! Training that keeps neurons where trusted inputs have shown them: [`ConfidenceLoss`].
//!
//! A network is trusted on the inputs that it classifies rightly and with confidence. [`TrustedRanges`] holds, for each class, between which values
//! these inputs move each neuron; [`ConfidenceLoss`] is the cross entropy and a penalty on what leaves them, so that leaving them tells more of
//! an input (Rossolini, Biondi, Buttazzo: Increasing the Confidence of Deep Neural Networks by Coverage Analysis, IEEE TSE 2022).
//!
//! Both take logits, labels and the outputs of layers as tensors, so that they train any network of [`tch::nn`] whose `forward` gives its layers
//! beside its logits. [`TrainableModel`] gives them of a loaded model, with gradients to its parameters. The package `confidence_training` in the folder
//! `examples` of the repository trains one of each.
//!
//! ```no_run
//! use cleanai_harness::declare::DeviceChoice;
//! use cleanai_harness::model::Model;
//! use cleanai_harness::training::{ConfidenceLoss, TrainableModel, TrustedRanges};
//! use tch::nn::{self, OptimizerConfig};
//! # fn batches() -> Vec<(tch::Tensor, tch::Tensor)> { Vec::new() }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = nn::VarStore::new(tch::Device::Cpu);
//! let model = Model::open("lenet5.pt".as_ref(), DeviceChoice::Cpu)?;
//! let example = tch::Tensor::zeros([2, 1, 28, 28], (tch::Kind::Float, tch::Device::Cpu));
//! let mut model = TrainableModel::new(model, &[("x", &example)], &store.root())?;
//!
//! let mut ranges = TrustedRanges::new(10)?;
//! for (inputs, labels) in batches() {
//!     let run = model.evaluate(&[("x", &inputs)])?;
//!     ranges.observe(&run.logits, &labels, &run.layers)?;
//! }
//! let loss = ConfidenceLoss::new(1.0, ranges)?;
//! let mut optimiser = nn::Adam::default().build(&store, 1e-4)?;
//! for (inputs, labels) in batches() {
//!     let run = model.run(&[("x", &inputs)])?;
//!     optimiser.backward_step(&loss.of(&run.logits, &labels, &run.layers)?);
//! }
//! store.save("lenet5.safetensors")?;
//! # Ok(())
//! # }
//! ```

mod loss;
mod model;
mod ranges;
#[cfg(test)]
mod tests;

use tch::{Kind, TchError, Tensor};

pub use loss::ConfidenceLoss;
pub use model::{TrainableModel, TrainingRun};
pub use ranges::{TRUSTED, TrustedRanges};

use crate::{Error, ErrorKind, Result};

/// The neurons of a layer's output: (inputs, channels), each the mean over what lies behind the second axis. Differentiable.
///
/// # Errors
/// If the output has no second axis.
fn neurons(output: &Tensor, layer: usize) -> Result<Tensor> {
    let size = output.size();
    if size.len() < 2 {
        return Err(Error::new(
            ErrorKind::Data,
            format!(
                "the output of layer {layer} has the shape {size:?}: it needs inputs on the first axis and channels on the second"
            ),
        ));
    }
    if size.len() == 2 {
        return Ok(output.shallow_clone());
    }
    let means = output.f_flatten(2, -1).and_then(|flat| flat.f_mean_dim(&[2i64][..], false, None));
    means.map_err(|why| unreadable(layer, &why))
}

fn unreadable(layer: usize, why: &TchError) -> Error {
    Error::new(ErrorKind::Data, format!("the output of layer {layer} cannot be read: {why}"))
}

/// That there is one row of as many logits as classes for each of the inputs; gives how many inputs there are.
fn check_logits(logits: &Tensor, classes: usize) -> Result<i64> {
    match logits.size()[..] {
        [inputs, given] if given == classes as i64 => Ok(inputs),
        ref size => Err(Error::new(
            ErrorKind::Data,
            format!("the logits have the shape {size:?} where (inputs, {classes}) is wanted: one for each class"),
        )),
    }
}

/// The labels, one for each input, all of them classes.
fn check_labels(labels: &Tensor, inputs: i64, classes: usize) -> Result<Vec<i64>> {
    let size = labels.size();
    if size != [inputs] {
        return Err(Error::new(
            ErrorKind::Data,
            format!("the labels have the shape {size:?} where [{inputs}] is wanted: one for each row of logits"),
        ));
    }
    let given = labels.f_kind().map_err(|why| Error::new(ErrorKind::Data, format!("labels cannot be read: {why}")))?;
    if given != Kind::Int64 {
        return Err(Error::new(ErrorKind::Data, format!("the labels are of kind {given:?}, not Int64"))
            .with_help("convert them: `labels.to_kind(Kind::Int64)`"));
    }
    let read = labels.f_to_device(tch::Device::Cpu).and_then(|labels| Vec::<i64>::try_from(&labels));
    let read = read.map_err(|why| Error::new(ErrorKind::Data, format!("labels cannot be read: {why}")))?;
    match read.iter().position(|label| !(0..classes as i64).contains(label)) {
        None => Ok(read),
        Some(at) => Err(Error::new(
            ErrorKind::Data,
            format!("the label of input {at} is {}, and the classes are 0 to {}", read[at], classes - 1),
        )),
    }
}
