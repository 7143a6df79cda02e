//! A monitor in a service: judges inputs as they come.

use std::path::Path;
use std::sync::{Arc, Mutex};

use tch::{Device, Tensor};

use super::file::{Facts, MonitorFile};
use super::judge::Judge;
use super::signature::Method;
use crate::criteria::{Numbers, TraceInputs};
use crate::declare::{ModelOptions, NonFinite};
use crate::measure::reader::{LayerRead, LayerReader, Output};
use crate::model::{LayerInfo, Model, Observed, tensor};
use crate::{Error, ErrorKind, Result};

/// Layers that a decision names.
const NAMED: usize = 3;

/// What a monitor says of an input.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The class the model predicts.
    pub class: usize,
    /// The confidence in that, in 0..=1; of an accepted input at least one half.
    pub confidence: f64,
    /// How far the input is from what the class usually does, >= 0; infinite where it can be compared with nothing.
    pub eta: f64,
    /// Whether to trust the prediction.
    pub accepted: bool,
    /// The layers that deviate most, the most first, at most three; those left out that do not deviate.
    pub worst_layers: Vec<LayerDeviation>,
}

/// How much a layer deviates.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerDeviation {
    /// The layer's name.
    pub layer: Arc<str>,
    /// In 0..=1: `src` the share of its neurons outside their ranges, `mrc` what its neurons cost on average, `topk` the share of its most active neurons that
    /// are unusual, `knn` its part in the squared distance.
    pub share: f64,
}

/// A model with its monitor. Threads share it by reference; forward passes run one after the other, each with all the threads libtorch has.
///
/// ```no_run
/// use cleanai_harness::monitor::Monitor;
/// use tch::{Device, Kind, Tensor};
///
/// # fn main() -> cleanai_harness::Result<()> {
/// let monitor = Monitor::load("lenet5.pt".as_ref(), "lenet5.monitor".as_ref())?;
/// let decision = monitor.check(&Tensor::zeros([1, 28, 28], (Kind::Float, Device::Cpu)))?;
/// if decision.accepted {
///     println!("class {}", decision.class);
/// } else {
///     println!("not sure: {:?}", decision.worst_layers);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Monitor {
    facts: Facts,
    judge: Judge,
    names: Vec<Arc<str>>,
    running: Mutex<Running>,
}

/// What one forward pass at a time uses.
struct Running {
    model: Model,
    reader: LayerReader,
    layers: Vec<LayerInfo>,
    /// By the model's layer: which of the signature's it is.
    places: Vec<Option<usize>>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("model", &self.model).field("places", &self.places).finish_non_exhaustive()
    }
}

/// What a forward pass gives: rows of neurons, and predictions.
#[derive(Default)]
struct Passed {
    rows: Vec<f32>,
    known: TraceInputs,
}

impl Monitor {
    /// A model file and the signature that `cargo cleanai monitor export` wrote for it, on the CPU.
    ///
    /// # Errors
    /// If the signature cannot be read, is damaged, of another version or of another model, or if the model cannot be opened.
    pub fn load(model: &Path, signature: &Path) -> Result<Self> {
        Self::load_with(
            model,
            signature,
            &ModelOptions { device: crate::declare::DeviceChoice::Cpu, ..ModelOptions::default() },
        )
    }

    /// The same with everything `[models.NAME]` can say of a model.
    ///
    /// # Errors
    /// As [`Monitor::load`].
    pub fn load_with(model: &Path, signature: &Path, options: &ModelOptions) -> Result<Self> {
        let MonitorFile { facts, judge } = MonitorFile::read(signature)?;
        let mut opened = Model::open_with(model, options)?;
        let again = "export it again for this model: `cargo cleanai monitor export`";
        let refused = |what: String| {
            Error::new(ErrorKind::Criterion, format!("{} is the monitor signature of {what}", signature.display()))
                .with_help(again)
        };
        if facts.model != opened.sha256() {
            let short = |hash: &str| hash.get(..12).unwrap_or(hash).to_owned();
            let what = format!(
                "another model (SHA-256 {}, {} has {})",
                short(&facts.model),
                model.display(),
                short(opened.sha256())
            );
            return Err(refused(what));
        }
        let layers = opened.calibrate_on_shapes(&facts.inputs)?;
        let mut places = vec![None; layers.len()];
        for (place, layer) in facts.layers.iter().enumerate() {
            match layers.iter().position(|own| own == layer) {
                Some(own) => places[own] = Some(place),
                None => {
                    return Err(refused(format!("a layer `{}` that the model has not in this shape", layer.name)));
                }
            }
        }
        let names = facts.layers.iter().map(|layer| Arc::from(layer.name.as_str())).collect();
        // A value that is no number is no reason to stop: it is in no range.
        let reader = LayerReader::new(NonFinite::Ignore);
        Ok(Self { facts, judge, names, running: Mutex::new(Running { model: opened, reader, layers, places }) })
    }

    /// What the signature belongs to.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Judges one input, with or without a batch axis of one.
    ///
    /// # Errors
    /// If the input does not have the shape that the model was monitored with, the model takes several inputs, or it cannot run.
    pub fn check(&self, input: &Tensor) -> Result<Decision> {
        let (_, shape) = self.only_input()?;
        let alone = tensor::shape(input) == *shape;
        let batch = if alone { input.f_unsqueeze(0).map_err(|why| cannot_run(&why))? } else { input.shallow_clone() };
        let mut decisions = self.check_batch(&batch)?;
        match (decisions.pop(), decisions.len()) {
            (Some(decision), 0) => Ok(decision),
            (_, more) => Err(Error::new(ErrorKind::Data, format!("one input is wanted, there are {}", more + 1))
                .with_help("`check_batch` judges several")),
        }
    }

    /// Judges a batch: the inputs along the first axis, a decision for each.
    ///
    /// # Errors
    /// As [`Monitor::check`].
    pub fn check_batch(&self, batch: &Tensor) -> Result<Vec<Decision>> {
        let (name, _) = self.only_input()?;
        self.check_named(&[(name, batch)])
    }

    /// Judges a batch of a model that takes several inputs, by their names as [`Model::run_named`] takes them.
    ///
    /// # Errors
    /// As [`Monitor::check`].
    pub fn check_named(&self, inputs: &[(&str, &Tensor)]) -> Result<Vec<Decision>> {
        let rows = self.rows(inputs)?;
        let mut passed = Passed::default();
        {
            let mut running = self.running.lock().map_err(|_| {
                Error::new(ErrorKind::Model, "an earlier check stopped the model in the middle of a run")
                    .with_help("load the monitor again")
            })?;
            match running.model.fixed_batch() {
                // The last inputs are repeated where the model takes one size only.
                Some(size) if size != rows => {
                    for first in (0..rows).step_by(size.max(1)) {
                        let real = size.min(rows - first);
                        let part = |tensor: &Tensor| {
                            let places: Vec<i64> = (0..size).map(|at| (first + at.min(real - 1)) as i64).collect();
                            tensor.f_index_select(0, &Tensor::from_slice(&places).to_device(tensor.device()))
                        };
                        let parts = inputs.iter().map(|(name, tensor)| Ok((*name, part(tensor)?)));
                        let parts =
                            parts.collect::<std::result::Result<Vec<_>, _>>().map_err(|why| cannot_run(&why))?;
                        let parts: Vec<(&str, &Tensor)> = parts.iter().map(|(name, tensor)| (*name, tensor)).collect();
                        self.run(&mut running, &parts, real, &mut passed)?;
                    }
                }
                _ if rows == 0 => {}
                _ => self.run(&mut running, inputs, rows, &mut passed)?,
            }
        }
        Ok(self.decide(&passed))
    }

    fn only_input(&self) -> Result<&(String, Vec<usize>)> {
        match &self.facts.inputs[..] {
            [only] => Ok(only),
            several => {
                let names = several.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
                Err(Error::new(ErrorKind::Data, format!("the model takes several inputs: {names}"))
                    .with_help("`check_named` judges inputs by their names"))
            }
        }
    }

    /// Inputs in a batch whose tensors have the shapes they were monitored with.
    fn rows(&self, inputs: &[(&str, &Tensor)]) -> Result<usize> {
        let mut rows = None;
        for (name, wanted) in &self.facts.inputs {
            let Some((_, tensor)) = inputs.iter().find(|(own, _)| own == name) else {
                return Err(Error::new(ErrorKind::Data, format!("the input {name} is missing")));
            };
            let shape = tensor::shape(tensor);
            let fits = shape.get(1..) == Some(&wanted[..]) && rows.is_none_or(|rows| rows == shape[0]);
            if !fits {
                return Err(Error::new(
                    ErrorKind::Data,
                    format!("{name} has the shape {shape:?}, the monitor was made for a batch of {wanted:?}"),
                )
                .with_help("give inputs the transform that the monitor was exported with"));
            }
            rows = Some(shape[0]);
        }
        Ok(rows.unwrap_or(0))
    }

    fn run(&self, running: &mut Running, inputs: &[(&str, &Tensor)], real: usize, passed: &mut Passed) -> Result<()> {
        let Running { model, reader, layers, places } = running;
        let fed = inputs.iter().map(|(name, tensor)| Ok((*name, model.fitting(name, tensor)?)));
        let fed = fed.collect::<Result<Vec<(&str, Tensor)>>>()?;
        let fed: Vec<(&str, &Tensor)> = fed.iter().map(|(name, tensor)| (*name, tensor)).collect();
        let neurons = self.judge.signature.neurons();
        let begin = passed.rows.len();
        // A layer that is not reached has no values.
        passed.rows.resize(begin + real * neurons, f32::NAN);
        let (rows, known, offsets) = (&mut passed.rows[begin..], &mut passed.known, self.judge.signature.offsets());
        let before = known.len();
        model.run_named(&fed, &mut |observed, output| match observed {
            Observed::Layer(layer) => {
                let Some(place) = places[layer] else { return Ok(()) };
                if tensor::shape(output).get(1..) != Some(&layers[layer].shape[..]) {
                    let what = format!("layer {} changes its shape from batch to batch", layers[layer].name);
                    return Err(Error::new(ErrorKind::Model, what));
                }
                let (values, narrowed);
                let output = if output.device() == Device::Cpu {
                    values = tensor::Values::of(output)?;
                    Output::Host(&values.as_slice()[..real * layers[layer].units()])
                } else {
                    narrowed = output.f_narrow(0, 0, real as i64).map_err(|why| cannot_run(&why))?;
                    Output::Device(&narrowed)
                };
                reader.next_layer()?;
                let (info, name) = (&layers[layer], &|input: usize| input.to_string());
                let mut read = LayerRead { reader, info, output, first: 0, inputs: real, labels: None, name };
                let values = read.values(place, self.facts.neurons, false)?;
                let width = values.neurons.max(1);
                let into =
                    rows.chunks_exact_mut(neurons).map(|row| &mut row[offsets[place]..offsets[place] + values.neurons]);
                match values.values {
                    Numbers::Double(all) => into.zip(all.chunks_exact(width)).for_each(|(row, all)| {
                        row.iter_mut().zip(all).for_each(|(own, value)| *own = *value as f32);
                    }),
                    Numbers::Single(all) => {
                        into.zip(all.chunks_exact(width)).for_each(|(row, all)| row.copy_from_slice(all));
                    }
                    Numbers::Device(units) => {
                        into.zip(units.copy().chunks_exact(width)).for_each(|(row, all)| row.copy_from_slice(all));
                    }
                }
                Ok(())
            }
            Observed::Logits => {
                let values = tensor::Values::of(output)?;
                let classes = values.as_slice().len() / tensor::shape(output).first().copied().unwrap_or(1).max(1);
                let logits: Vec<f64> =
                    values.as_slice()[..real * classes].iter().map(|value| f64::from(*value)).collect();
                known.push(classes, &logits, None);
                Ok(())
            }
        })?;
        reader.next_layer()?;
        if known.len() == before + real {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Model, format!("{} gives no class scores for these inputs", model.path().display())))
    }

    fn decide(&self, passed: &Passed) -> Vec<Decision> {
        let etas = self.judge.signature.etas(&passed.rows, &passed.known.predicted);
        let layers = self.judge.signature.layers();
        let each = passed.known.predicted.iter().zip(&etas.eta).zip(etas.layers.chunks_exact(layers.max(1)));
        each.map(|((class, eta), costs)| {
            let (confidence, accepted) = self.judge.confidence(*class, *eta);
            Decision { class: *class as usize, confidence, eta: *eta, accepted, worst_layers: self.worst(costs) }
        })
        .collect()
    }

    fn worst(&self, costs: &[f64]) -> Vec<LayerDeviation> {
        let squared: f64 = costs.iter().sum();
        let share = |(layer, (cost, width)): (usize, (&f64, usize))| {
            let of = match self.judge.signature.method() {
                Method::Ranges | Method::Sections { .. } => width as f64,
                Method::TopK { places } => places.min(width) as f64,
                Method::Nearest { .. } => squared,
            };
            (layer, cost / of)
        };
        let shares = costs.iter().zip(self.judge.signature.widths()).enumerate().map(share);
        let mut shares: Vec<(usize, f64)> = shares.filter(|(_, share)| *share > 0.0).collect();
        shares.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
        shares.truncate(NAMED);
        shares
            .into_iter()
            .map(|(layer, share)| LayerDeviation { layer: Arc::clone(&self.names[layer]), share })
            .collect()
    }
}

fn cannot_run(why: &tch::TchError) -> Error {
    Error::new(ErrorKind::Model, format!("the inputs cannot be handed to the model: {why}"))
}
