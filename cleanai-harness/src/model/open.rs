//! A model that is open: what is known of it.

use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tch::{Device, Tensor};

use super::calibrate::{Calibration, LeftOut};
use super::file::{self, Format};
use super::graph::{Flow, Graph, ValueId};
use super::layers::{self, Layer};
use super::run::Slot;
use super::torchscript::{self, ffi::Program};
use super::{device, exported, libraries, tensor};
use crate::declare::{DeviceChoice, ModelOptions, StateChoice};
use crate::{Error, Result};

/// An open model.
///
/// [`Model::open`] reads the file; [`Model::calibrate`] runs a few inputs and learns the shape of every layer and where its
/// inputs lie; [`Model::run`] runs a batch and hands over every layer.
///
/// ```no_run
/// use cleanai_harness::declare::DeviceChoice;
/// use cleanai_harness::model::{Model, Observed};
/// # fn main() -> cleanai_harness::Result<()> {
/// let mut model = Model::open("models/lenet5.pt".as_ref(), DeviceChoice::Auto)?;
/// let input = tch::Tensor::zeros([1, 1, 28, 28], (tch::Kind::Float, model.device()));
/// let layers = model.calibrate(&[("x", &input)])?;
/// model.run(&[&input], &mut |observed, tensor| {
///     if let Observed::Layer(index) = observed {
///         println!("{} {:?}", layers[index].name, tensor.size());
///     }
///     Ok(())
/// })?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Model {
    pub(super) path: PathBuf,
    format: Format,
    sha256: String,
    pub(super) device: Device,
    pub(super) options: ModelOptions,
    pub(super) program: Program,
    pub(super) graph: Graph,
    /// Layers as the graph tells them, one for each value.
    pub(super) declared: Vec<Layer>,
    /// The values that are observed, by the index a run hands them over under.
    pub(super) observed: Vec<ValueId>,
    /// What is observed, by the index a run hands it over under.
    pub(super) slots: Vec<Slot>,
    /// Layers as runs show them; as declared before the first calibration.
    pub(super) layers: Vec<Layer>,
    pub(super) left_out: Vec<LeftOut>,
    pub(super) calibration: Option<Calibration>,
    pub(super) fixed_batch: Option<usize>,
    pub(super) branches_on_data: bool,
    pub(super) logits: Option<ValueId>,
    /// Whether what runs hand over can be differentiated by the inputs.
    pub(super) gradients: bool,
    /// The batch axis of each input that has it elsewhere than in front, by the name it is fed by.
    pub(super) batch_axes: Vec<(String, i64)>,
}

impl Model {
    /// Opens a model file on a device, in evaluation mode.
    ///
    /// # Errors
    /// If the file is missing, damaged or of another kind, if it calls operators this libtorch lacks, or if the device is not there.
    pub fn open(path: &Path, device: DeviceChoice) -> Result<Self> {
        Self::open_with(path, &ModelOptions { device, ..ModelOptions::default() })
    }

    /// Opens a model file with everything `[models.NAME]` can say.
    ///
    /// # Errors
    /// As [`Model::open`], and if a library cannot be loaded.
    pub fn open_with(path: &Path, options: &ModelOptions) -> Result<Self> {
        let format = file::format(path)?;
        libraries::load(&options.libraries)?;
        let index = device::choose(options.device)?;
        let sha256 = sha256(path)?;
        let (mut program, graph) = match format {
            Format::TorchScript => torchscript::open(path, index, options)?,
            Format::Exported => exported::open(path, index)?,
            Format::Function => unreachable!("no file is a function"),
        };
        if options.state == StateChoice::Keep {
            graph.state.iter().try_for_each(|update| program.keep(update.value, update.bound))?;
        }
        let device = index.map_or(Device::Cpu, Device::Cuda);
        Self::assemble(path.to_owned(), format, sha256, device, options, program, graph)
    }

    fn assemble(
        path: PathBuf,
        format: Format,
        sha256: String,
        device: Device,
        options: &ModelOptions,
        mut program: Program,
        graph: Graph,
    ) -> Result<Self> {
        let declared = layers::layers(&graph);
        let logits = layers::logits(&graph);
        let mut wanted: Vec<ValueId> = declared.iter().map(|layer| layer.value).collect();
        wanted.extend(logits);
        let mut seen = std::collections::HashSet::new();
        wanted.retain(|value| seen.insert(*value));
        program.observe(&wanted, 0)?;
        let slots = wanted.iter().map(|value| Slot {
            layers: declared.iter().position(|layer| layer.value == *value).map(Some).into_iter().collect(),
            logits: Some(*value) == logits,
        });
        let mut model = Self {
            path,
            format,
            sha256,
            device,
            options: options.clone(),
            slots: slots.collect(),
            observed: wanted,
            layers: declared.clone(),
            declared,
            left_out: Vec::new(),
            calibration: None,
            branches_on_data: Flow::new(&graph).branches_on_data(),
            fixed_batch: graph.fixed_batch,
            logits,
            program,
            graph,
            gradients: false,
            batch_axes: Vec::new(),
        };
        model.find_batch_axes();
        Ok(model)
    }

    /// A model written in Rust: `forward` is run on `example` and traced, so every input takes the course that the example took. What
    /// `example` has on its first axis is taken for the batch; give two inputs or more, so that nothing is fixed to one.
    ///
    /// Operators have no module to be named by; [`Model::from_module`] names them by the variables of a store.
    ///
    /// ```
    /// use cleanai_harness::model::Model;
    /// use tch::nn::Module;
    /// # fn main() -> cleanai_harness::Result<()> {
    /// let store = tch::nn::VarStore::new(tch::Device::Cpu);
    /// let fc = tch::nn::linear(store.root() / "fc", 3, 2, Default::default());
    /// let example = tch::Tensor::zeros([2, 3], (tch::Kind::Float, tch::Device::Cpu));
    /// let model = Model::from_fn(|x| fc.forward(x).relu(), &example)?;
    /// assert_eq!(model.layers()[0].name, "relu");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If libtorch cannot trace it.
    pub fn from_fn(mut forward: impl FnMut(&Tensor) -> Tensor, example: &Tensor) -> Result<Self> {
        Self::traced(&mut forward, example, &|_| None)
    }

    /// As [`Model::from_fn`], with every operator that reads a variable of `store` named by it: what reads `conv1.weight` is `conv1`.
    ///
    /// # Errors
    /// As [`Model::from_fn`].
    pub fn from_module(
        store: &tch::nn::VarStore,
        mut forward: impl FnMut(&Tensor) -> Tensor,
        example: &Tensor,
    ) -> Result<Self> {
        let variables = store.variables();
        let name = |weight: &Tensor| {
            let same = |variable: &Tensor| variable.data_ptr() == weight.data_ptr() && variable.size() == weight.size();
            variables.iter().find(|(_, variable)| same(variable)).map(|(name, _)| name.clone())
        };
        Self::traced(&mut forward, example, &name)
    }

    fn traced(
        forward: &mut dyn FnMut(&Tensor) -> Tensor,
        example: &Tensor,
        name: &dyn Fn(&Tensor) -> Option<String>,
    ) -> Result<Self> {
        let (program, graph, weights) = torchscript::trace(forward, example, name)?;
        let device = example.device();
        let choice = match device {
            Device::Cuda(index) => DeviceChoice::Cuda(index),
            _ => DeviceChoice::Cpu,
        };
        let mut hasher = Sha256::new();
        hasher.update(format!("{:?}", graph.nodes));
        for weight in &weights {
            hasher.update(tensor::bytes(weight)?);
        }
        let options = ModelOptions { device: choice, ..ModelOptions::default() };
        Self::assemble(
            PathBuf::from("a model written in Rust"),
            Format::Function,
            hex(hasher),
            device,
            &options,
            program,
            graph,
        )
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

    /// The layers of the default set in execution order. Calibration adds later calls in loops and leaves out what
    /// [`Model::left_out`] lists.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Operator calls that would be layers, but have no output of each input's own, and why.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// The only batch size the model takes: one the file was exported for, or 1 where branches depend on the data.
    pub fn fixed_batch(&self) -> Option<usize> {
        if self.branches_on_data { self.fixed_batch.or(Some(1)) } else { self.fixed_batch }
    }

    /// Whether branches or loops depend on the numbers in the data: inputs are then run one by one.
    pub fn branches_on_data(&self) -> bool {
        self.branches_on_data
    }

    /// Index of the layer that is the logits, if one is.
    pub fn logits_layer(&self) -> Option<usize> {
        self.layers.iter().rposition(|layer| Some(layer.value) == self.logits)
    }

    /// Whether there is a value to take classes from.
    pub fn has_logits(&self) -> bool {
        self.logits.is_some()
    }
}

fn hex(hasher: Sha256) -> String {
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(path: &Path) -> Result<String> {
    let mut file = std::fs::File::open(path).map_err(|why| Error::io("open", path, why))?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        let read = file.read(&mut buffer).map_err(|why| Error::io("read", path, why))?;
        if read == 0 {
            return Ok(hex(hasher));
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
