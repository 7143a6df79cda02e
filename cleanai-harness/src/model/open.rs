//! A model that is open and can be run.

use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tch::{Device, Tensor};

use super::file::{self, Format};
use super::graph::{Graph, ValueId};
use super::layer::LayerInfo;
use super::layers::{self, Layer};
use super::torchscript::{self, ffi::Program};
use super::{device, exported, tensor};
use crate::declare::DeviceChoice;
use crate::{Error, ErrorKind, Result};

/// What a run hands over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// The output of the layer of this index in [`Model::layers`].
    Layer(usize),
    /// The logits (handed over after the layer, where they are one).
    Logits,
}

/// An open model.
///
/// ```no_run
/// use cleanai_harness::declare::DeviceChoice;
/// use cleanai_harness::model::{Model, Observed};
/// # fn main() -> cleanai_harness::Result<()> {
/// let mut model = Model::open("models/lenet5.pt".as_ref(), DeviceChoice::Auto)?;
/// let input = tch::Tensor::zeros([1, 1, 28, 28], (tch::Kind::Float, model.device()));
/// let names: Vec<String> = model.layers().iter().map(|layer| layer.name.clone()).collect();
/// model.run(&[&input], &mut |observed, tensor| {
///     if let Observed::Layer(index) = observed {
///         println!("{} {:?}", names[index], tensor.size());
///     }
///     Ok(())
/// })?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Model {
    path: PathBuf,
    format: Format,
    sha256: String,
    device: Device,
    program: Program,
    graph: Graph,
    layers: Vec<Layer>,
    logits: Option<ValueId>,
}

impl Model {
    /// Opens a model file on a device, in evaluation mode.
    ///
    /// # Errors
    /// If the file is missing, damaged or of another kind, if it calls operators this libtorch lacks, or if the device is not there.
    pub fn open(path: &Path, device: DeviceChoice) -> Result<Self> {
        let format = file::format(path)?;
        let index = device::choose(device)?;
        let sha256 = sha256(path)?;
        let (mut program, graph) = match format {
            Format::TorchScript => torchscript::open(path, index)?,
            Format::Exported => exported::open(path, index)?,
        };
        let layers = layers::layers(&graph);
        let logits = layers::logits(&graph);
        let mut wanted: Vec<ValueId> = layers.iter().map(|layer| layer.value).collect();
        if let Some(logits) = logits.filter(|logits| !wanted.contains(logits)) {
            wanted.push(logits);
        }
        wanted.sort_unstable();
        wanted.dedup();
        program.observe(&wanted)?;
        let device = index.map_or(Device::Cpu, Device::Cuda);
        Ok(Self { path: path.to_owned(), format, sha256, device, program, graph, layers, logits })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `torchscript` or `torch.export`.
    pub fn format(&self) -> &'static str {
        self.format.name()
    }

    /// SHA-256 of the file, lower-case hex.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Where it runs.
    pub fn device(&self) -> Device {
        self.device
    }

    /// The flat graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The layers of the default set in execution order.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Index of the layer that is the logits, if one is.
    pub fn logits_layer(&self) -> Option<usize> {
        self.layers.iter().position(|layer| Some(layer.value) == self.logits)
    }

    /// Whether there is a value to take classes from.
    pub fn has_logits(&self) -> bool {
        self.logits.is_some()
    }

    /// Runs one batch and gives the model's output tensors, flattened. Every layer's output is handed to `observe` when it
    /// is computed; it shares memory with the running model, so read or copy it at once.
    ///
    /// # Errors
    /// What `observe` returns, or why the model cannot take these inputs.
    pub fn run(
        &mut self,
        inputs: &[&Tensor],
        observe: &mut dyn FnMut(Observed, &Tensor) -> Result<()>,
    ) -> Result<Vec<Tensor>> {
        let (layers, logits) = (&self.layers, self.logits);
        let mut observer_failed = false;
        let mut dispatch = |value: ValueId, tensor: Tensor| {
            let mut hand = |observed| observe(observed, &tensor).inspect_err(|_| observer_failed = true);
            for (index, _) in layers.iter().enumerate().filter(|(_, layer)| layer.value == value) {
                hand(Observed::Layer(index))?;
            }
            if Some(value) == logits { hand(Observed::Logits) } else { Ok(()) }
        };
        let result = self.program.run(inputs, &mut dispatch);
        if observer_failed {
            return result;
        }
        result.map_err(|error| self.explain_run(inputs, &error))
    }

    /// What every layer looks like for inputs of this shape (without the batch axis), from a run on zeros.
    ///
    /// # Errors
    /// If the model cannot take inputs of this shape.
    pub fn layer_shapes(&mut self, input: &[usize]) -> Result<Vec<LayerInfo>> {
        // One row is a special case for some operators; the file's own batch size goes first.
        let rows = self.graph.fixed_batch.unwrap_or(2);
        let shape: Vec<i64> =
            std::iter::once(rows).chain(input.iter().copied()).map(|n| i64::try_from(n).unwrap_or(i64::MAX)).collect();
        let zeros = Tensor::f_zeros(shape.as_slice(), (tch::Kind::Float, self.device)).map_err(|why| {
            Error::new(ErrorKind::Configuration, format!("an input of shape {input:?} cannot be made: {why}"))
        })?;
        self.shapes(&zeros)
    }

    /// What every layer looks like on this batch.
    ///
    /// # Errors
    /// If the model cannot take it.
    pub fn shapes(&mut self, batch: &Tensor) -> Result<Vec<LayerInfo>> {
        let mut seen: Vec<Vec<usize>> = vec![Vec::new(); self.layers.len()];
        self.run(&[batch], &mut |observed, output| {
            if let Observed::Layer(index) = observed {
                seen[index] = tensor::shape(output);
            }
            Ok(())
        })?;
        Ok(self.layers.iter().zip(&seen).map(|(layer, shape)| layer.with_shape(shape)).collect())
    }

    fn explain_run(&self, inputs: &[&Tensor], error: &Error) -> Error {
        let shapes: Vec<String> = inputs.iter().map(|input| format!("{:?}", &input.size())).collect();
        let why = torchscript::first_paragraph(error.what());
        let what = format!("{} cannot run on an input of shape {}: {why}", self.path.display(), shapes.join(", "));
        let error = Error::new(ErrorKind::Model, what);
        match &self.graph.input_shape {
            Some(shape) => error.with_help(format!(
                "it was exported for inputs of shape {shape:?} behind the batch; adapt the data or its transform"
            )),
            None => error.with_help(
                "adapt the data's transform to the shape the model was exported with (resize, grayscale, rgb)",
            ),
        }
    }
}

fn sha256(path: &Path) -> Result<String> {
    let mut file = std::fs::File::open(path).map_err(|why| Error::io("open", path, why))?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        let read = file.read(&mut buffer).map_err(|why| Error::io("read", path, why))?;
        if read == 0 {
            return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        hasher.update(&buffer[..read]);
    }
}

/// `cpu` or `cuda:0`.
pub fn device_name(device: Device) -> String {
    match device {
        Device::Cpu => "cpu".to_owned(),
        Device::Cuda(index) => format!("cuda:{index}"),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// Version of the libtorch that is linked, `2.13.0`.
pub fn libtorch_version() -> String {
    torchscript::ffi::version()
}
