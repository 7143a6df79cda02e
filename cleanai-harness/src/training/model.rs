//! A loaded model whose parameters are trained.

use std::collections::HashMap;

use tch::{Tensor, nn};

use crate::model::{LayerInfo, Model, Observed};
use crate::{Error, ErrorKind, Result};

/// A loaded model whose parameters are variables of a store, so that an optimiser of tch trains them, and whose layers can be seen with gradients.
///
/// It stays in evaluation mode, as it was opened: dropout does nothing and batch norms keep their statistics, while their weights are trained. A
/// file that was frozen or quantised holds constants in place of parameters and is refused.
///
/// ```no_run
/// use cleanai_harness::declare::DeviceChoice;
/// use cleanai_harness::model::Model;
/// use cleanai_harness::training::TrainableModel;
/// # fn main() -> cleanai_harness::Result<()> {
/// let store = tch::nn::VarStore::new(tch::Device::Cpu);
/// let model = Model::open("lenet5.pt".as_ref(), DeviceChoice::Cpu)?;
/// let example = tch::Tensor::zeros([2, 1, 28, 28], (tch::Kind::Float, tch::Device::Cpu));
/// let mut model = TrainableModel::new(model, &[("x", &example)], &store.root())?;
/// let run = model.run(&[("x", &example)])?;
/// assert_eq!(run.layers.len(), model.layers().len());
/// run.logits.sum(tch::Kind::Float).backward();
/// let gradient = store.variables()["conv1.weight"].grad();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TrainableModel {
    model: Model,
    layers: Vec<LayerInfo>,
}

/// What a run gives.
#[derive(Debug)]
pub struct TrainingRun {
    /// (inputs, classes)
    pub logits: Tensor,
    /// The neurons of every layer in execution order, (inputs, channels): means over positions.
    pub layers: Vec<Tensor>,
}

impl TrainableModel {
    /// Takes a model, runs the inputs of `example` to learn its layers, and makes its parameters variables below `path`, under their own names
    /// (`conv1.weight`). They stay the model's: what an optimiser changes, runs see.
    ///
    /// # Errors
    /// If the model has no logits or no parameters, if two parameters share their values, or if it cannot run on the example.
    pub fn new(mut model: Model, example: &[(&str, &Tensor)], path: &nn::Path<'_>) -> Result<Self> {
        let file = model.path().display().to_string();
        if !model.has_logits() {
            return Err(Error::new(
                ErrorKind::Model,
                format!("{file} has no logits: there is no class to train it for"),
            )
            .with_help("they are what the final softmax reads, else the output of the last layer with weights"));
        }
        let parameters = model.parameters()?;
        if parameters.is_empty() {
            return Err(Error::new(ErrorKind::Model, format!("{file} has no parameters to train"))
                .with_help("a frozen or quantised file holds constants: export the model as it was before that"));
        }
        let mut places: HashMap<(usize, usize), &str> = HashMap::new();
        for (name, tensor) in parameters.iter().filter(|(_, tensor)| tensor.numel() > 0) {
            if let Some(other) = places.insert((tensor.data_ptr() as usize, tensor.numel()), name) {
                let what = format!("{file}: the parameters {other} and {name} share their values");
                return Err(Error::new(ErrorKind::Model, what)
                    .with_help("each would be trained as if the other were not there: give them values of their own, or train in Python"));
            }
        }
        let layers = model.calibrate(example)?;
        for (name, tensor) in parameters {
            let (owners, last) = name.rsplit_once('.').map_or((None, name.as_str()), |(path, last)| (Some(path), last));
            let owner =
                owners.into_iter().flat_map(|path| path.split('.')).fold(path.clone(), |path, part| path.sub(part));
            let _variable = owner.add(last, tensor, true);
        }
        Ok(Self { model, layers })
    }

    /// Its layers, in execution order.
    pub fn layers(&self) -> &[LayerInfo] {
        &self.layers
    }

    /// The model itself.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Runs a batch of named tensors, [`Model::run_named`] tells how they find their place; logits and layers can be differentiated by the parameters.
    ///
    /// # Errors
    /// If the model cannot run on the inputs, does not reach a layer, or its logits do not depend on its parameters.
    pub fn run(&mut self, inputs: &[(&str, &Tensor)]) -> Result<TrainingRun> {
        let run = self.seen(inputs, true)?;
        if !run.logits.requires_grad() {
            let what = format!("the logits of {} have no gradient to its parameters", self.model.path().display());
            return Err(Error::new(ErrorKind::Model, what)
                .with_help("quantised operators have none, nor has what was exported within torch.no_grad()"));
        }
        Ok(run)
    }

    /// The same without gradients.
    ///
    /// # Errors
    /// As [`TrainableModel::run`].
    pub fn evaluate(&mut self, inputs: &[(&str, &Tensor)]) -> Result<TrainingRun> {
        self.seen(inputs, false)
    }

    fn seen(&mut self, inputs: &[(&str, &Tensor)], gradients: bool) -> Result<TrainingRun> {
        let mut layers: Vec<Option<Tensor>> = self.layers.iter().map(|_| None).collect();
        let mut logits = None;
        let infos = &self.layers;
        let failed =
            |what: &str, why: tch::TchError| Error::new(ErrorKind::Model, format!("{what} cannot be read: {why}"));
        let mut observe = |observed, tensor: &Tensor| {
            match observed {
                Observed::Layer(index) => {
                    let info = &infos[index];
                    let means = channel_means(tensor, info.channel_axis);
                    layers[index] = Some(means.map_err(|why| failed(&format!("layer {}", info.name), why))?);
                }
                Observed::Logits => {
                    logits = Some(tensor.f_flatten(1, -1).map_err(|why| failed("what gives the classes", why))?);
                }
            }
            Ok(())
        };
        match gradients {
            true => self.model.run_with_gradients(inputs, &mut observe)?,
            false => self.model.run_named(inputs, &mut observe)?,
        };
        let missed = |what: &str| {
            Error::new(
                ErrorKind::Model,
                format!("{} does not reach {what} for these inputs", self.model.path().display()),
            )
        };
        let layers = layers
            .into_iter()
            .zip(infos)
            .map(|(seen, info)| seen.ok_or_else(|| missed(&format!("layer {}", info.name))));
        Ok(TrainingRun { layers: layers.collect::<Result<_>>()?, logits: logits.ok_or_else(|| missed("its logits"))? })
    }
}

/// The means over positions, (inputs, channels), in memory of their own; the channel axis is counted behind that of the inputs.
fn channel_means(output: &Tensor, channel_axis: usize) -> std::result::Result<Tensor, tch::TchError> {
    let channel = channel_axis as i64 + 1;
    let positions: Vec<i64> = (1..output.dim() as i64).filter(|axis| *axis != channel).collect();
    match positions.is_empty() {
        true => output.f_mul_scalar(1.0),
        false => output.f_mean_dim(positions.as_slice(), false, None),
    }
}
