//! One pass: the profile set through the model into ranges, then the test set into the criteria, each layer read once while it is hot.

use std::collections::BTreeMap;
use std::time::Instant;

use tch::{Device, Tensor};

use super::classes::{Classes, by_label};
use super::profile::{self, Profiles};
use super::reader::{LayerRead, LayerReader, Output, unreadable};
use super::{CriterionResult, DataFacts, Measurement, ModelFacts, Seconds, Settings};
use crate::criteria::{BatchEnd, Needs, Start, State, registry};
use crate::data::transform;
use crate::data::{Batch, DataSet};
use crate::declare::{
    CriterionSpec, DataChoice, Declaration, ModelChoice, ModelSource, NeuronKind, NonFinite, Selector, StateChoice,
};
use crate::model::{LayerInfo, Model, Observed, constructor, tensor};
use crate::{Error, ErrorKind, Result};

/// One criterion of a pass.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    pub text: String,
    pub spec: CriterionSpec,
    pub needs: Needs,
    pub layers: Selector,
    pub neurons: NeuronKind,
}

/// Everything one pass depends on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Job {
    pub model: ModelChoice,
    pub data: DataChoice,
    batch: usize,
    pub non_finite: NonFinite,
    pub items: Vec<Item>,
}

impl Job {
    pub fn of(declaration: &Declaration) -> Self {
        Self {
            model: declaration.model.clone(),
            data: declaration.data.clone(),
            batch: declaration.batch,
            non_finite: declaration.non_finite,
            items: Vec::new(),
        }
    }

    /// Whether a profile may be used again by other runs: what a library's operators do, or what state earlier inputs left, is not told by the
    /// model's file.
    pub fn is_cacheable(&self) -> bool {
        let options = &self.model.options;
        matches!(self.model.source, ModelSource::File(_))
            && options.libraries.is_empty()
            && options.state == StateChoice::Fresh
            && !options.allow_files
    }

    /// Whether the same forward passes serve both.
    pub fn shares_a_pass_with(&self, other: &Self) -> bool {
        self.model.source == other.model.source
            && self.model.options == other.model.options
            && self.data.profile == other.data.profile
            && self.data.test == other.data.test
            && self.data.transform == other.data.transform
            && self.data.on_bad_input == other.data.on_bad_input
            && self.batch == other.batch
            && self.non_finite == other.non_finite
    }

    /// Adds a criterion unless it is there; gives its text and index.
    pub fn add(&mut self, item: Item) -> (String, usize) {
        let text = item.text.clone();
        let index = self.items.iter().position(|known| *known == item).unwrap_or_else(|| {
            self.items.push(item);
            self.items.len() - 1
        });
        (text, index)
    }
}

/// What a pass gives.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    model: ModelFacts,
    data: DataFacts,
    device: String,
    batch: usize,
    non_finite_skipped: u64,
    results: Vec<CriterionResult>,
    seconds: Seconds,
}

impl Measured {
    /// The part of it that one declaration asked for.
    pub fn measurement(&self, declaration: &Declaration, items: &[(String, usize)]) -> Result<Measurement> {
        let criteria = items.iter().map(|(text, index)| (text.clone(), self.results[*index].clone()));
        Ok(Measurement {
            schema: 1,
            model: ModelFacts { path: declaration.model.name.clone(), ..self.model.clone() },
            data: self.data.clone(),
            settings: Settings {
                device: self.device.clone(),
                batch: self.batch,
                layers: declaration.layers.to_string(),
                neurons: declaration.neurons,
                libtorch: crate::model::libtorch_version(),
                cleanai: env!("CARGO_PKG_VERSION").to_owned(),
                non_finite_skipped: self.non_finite_skipped,
            },
            criteria: criteria.collect::<BTreeMap<_, _>>(),
            seconds: self.seconds,
        })
    }
}

/// Runs a job.
pub(super) fn run(job: &Job) -> Result<Measured> {
    let started = Instant::now();
    let mut seconds = Seconds::default();
    let mut model = open_model(&job.model)?;
    seconds.load = started.elapsed().as_secs_f64();
    // Selectors that match nothing are told before data is decoded, where the graph alone can tell.
    for item in &job.items {
        select(&model, item)?;
    }
    let test = open(job, &job.data.test, "test")?;
    check_needs(job, &model, &test)?;
    let profile_set = if job.items.iter().any(|item| item.needs.profile) { Some(open_profile(job)?) } else { None };
    if let Some(profile) = profile_set.as_ref().filter(|profile| profile.shape() != test.shape()) {
        let what = format!(
            "after the transform a profile input has the shape {:?}, a test input {:?}",
            profile.shape(),
            test.shape()
        );
        return Err(
            Error::new(ErrorKind::Data, what).with_help("add a resize to the transform, so that both are alike")
        );
    }
    let layers = calibrate(&mut model, profile_set.as_ref(), &test, job.batch)?;
    let batch = model.fixed_batch().unwrap_or(job.batch);
    let selected = job.items.iter().map(|item| select(&model, item)).collect::<Result<Vec<_>>>()?;

    let profile_started = Instant::now();
    let profiles = match &profile_set {
        Some(set) => profile::gather(job, &mut model, set, batch, &layers, &selected)?,
        None => Profiles::default(),
    };
    seconds.profile = if profile_set.is_some() { profile_started.elapsed().as_secs_f64() } else { 0.0 };
    let (profile_inputs, profile_skipped) =
        (profile_set.as_ref().map(|_| profiles.inputs), profile_set.as_ref().map(|_| profiles.skipped));

    let mut watch = Watch::new(job.non_finite);
    let mut running = start(job, &layers, &selected, &profiles, test.labels())?;
    test_pass(job, &mut model, &test, batch, &layers, &selected, &mut running, &mut watch)?;

    let finishing = Instant::now();
    let results = job
        .items
        .iter()
        .zip(&running)
        .map(|(item, running)| result(item, running, &test))
        .collect::<Result<Vec<_>>>()?;
    seconds.decode = watch.decode;
    seconds.forward = watch.forward;
    seconds.criteria = watch.criteria + finishing.elapsed().as_secs_f64();
    seconds.total = started.elapsed().as_secs_f64();
    Ok(Measured {
        model: ModelFacts {
            path: job.model.name.clone(),
            sha256: model.sha256().to_owned(),
            format: model.format().to_owned(),
            parameters: model.graph().parameters,
            layers,
        },
        data: DataFacts {
            path: job.data.test.path.clone(),
            inputs: watch.inputs,
            skipped: watch.skipped,
            shape: test.shape().to_vec(),
            profile: job.data.profile.as_ref().map(|location| location.path.clone()),
            profile_inputs,
            profile_skipped,
            transform: transform::text(&job.data.transform),
        },
        device: crate::model::device_name(model.device()),
        batch,
        non_finite_skipped: profiles.non_finite_skipped + watch.reader.skipped(),
        results,
        seconds,
    })
}

fn open_model(choice: &ModelChoice) -> Result<Model> {
    match &choice.source {
        ModelSource::File(path) => Model::open_with(path, &choice.options),
        ModelSource::Function(name) => constructor::build(name, &choice.options),
    }
}

fn result(item: &Item, Running { state, classes }: &Running, test: &DataSet) -> Result<CriterionResult> {
    let figures = state.figures();
    let class_name = |label: i64| {
        let names = test.classes().unwrap_or_default();
        usize::try_from(label).ok().and_then(|at| names.get(at)).cloned().unwrap_or_else(|| label.to_string())
    };
    Ok(CriterionResult {
        value: figures.value,
        covered: figures.covered,
        total: figures.total,
        layers: figures.layers,
        classes: classes.as_ref().map(|classes| classes.figures(class_name)).unwrap_or_default(),
        contributions: figures.contributions,
        details: figures.details,
        direction: registry::criterion(&item.spec)?.direction(),
    })
}

fn select(model: &Model, item: &Item) -> Result<Vec<usize>> {
    model.select(&item.layers).map_err(|error| error.context(&item.text))
}

fn open(job: &Job, location: &crate::declare::DataLocation, role: &str) -> Result<DataSet> {
    DataSet::open(location, &job.data.transform, job.data.on_bad_input)
        .map_err(|error| error.context(format!("{role} data")))
}

fn open_profile(job: &Job) -> Result<DataSet> {
    match &job.data.profile {
        Some(location) => open(job, location, "profile"),
        None => {
            let wants = job.items.iter().find(|item| item.needs.profile).map_or("a criterion", |item| &item.text);
            Err(Error::new(
                ErrorKind::Configuration,
                format!("{wants} needs ranges from a profile set, and the data names none"),
            )
            .with_help("give the training inputs: `profile = \"data/train\"` in the data's table, or `--profile`"))
        }
    }
}

/// Labels and logits are asked for before anything runs.
fn check_needs(job: &Job, model: &Model, test: &DataSet) -> Result<()> {
    for item in &job.items {
        if item.needs.labels && test.labels().is_none() {
            return Err(Error::new(
                ErrorKind::Data,
                format!("{} needs labels, and {} has none", item.text, job.data.test.path),
            )
            .with_help("put images into one folder per class, or give an array `y` (npz) or a labels file (idx)"));
        }
        if item.needs.logits && !model.has_logits() {
            return Err(Error::new(
                ErrorKind::Criterion,
                format!("{} needs class scores, and {} has none in its output", item.text, model.path().display()),
            ));
        }
    }
    Ok(())
}

/// Shapes of the layers, from the first inputs; from all of them where branches depend on the data.
fn calibrate(model: &mut Model, profile: Option<&DataSet>, test: &DataSet, batch: usize) -> Result<Vec<LayerInfo>> {
    let sets = profile.into_iter().chain([test]);
    let mut batches = sets.flat_map(|set| set.batches(batch));
    model.calibrate_on(&mut |model| Some(batches.next()?.and_then(|batch| model.feed(&batch))))
}

/// What happens beside the criteria: clocks, counts and the reader's buffers.
#[derive(Default)]
pub(super) struct Watch {
    pub reader: LayerReader,
    decode: f64,
    forward: f64,
    criteria: f64,
    pub inputs: usize,
    pub skipped: usize,
}

impl Watch {
    pub fn new(non_finite: NonFinite) -> Self {
        Self { reader: LayerReader::new(non_finite), ..Self::default() }
    }
}

/// A criterion while the test set is run.
struct Running {
    state: Box<dyn State>,
    classes: Option<Classes>,
}

fn start(
    job: &Job,
    layers: &[LayerInfo],
    selected: &[Vec<usize>],
    profiles: &Profiles,
    labels: Option<&[i64]>,
) -> Result<Vec<Running>> {
    let items = job.items.iter().zip(selected);
    items
        .map(|(item, selection)| {
            let infos: Vec<LayerInfo> = selection.iter().map(|layer| layers[*layer].clone()).collect();
            let neurons: Vec<usize> = infos.iter().map(|info| info.neurons(item.neurons)).collect();
            let profile = profiles.of(item, selection);
            let criterion = registry::criterion(&item.spec)?;
            let start = Start { layers: &infos, neurons: &neurons, profile: profile.as_deref() };
            let state = criterion.start(start)?;
            let labels = labels.filter(|_| criterion.needs().classes && item.neurons == NeuronKind::Channel);
            let classes = labels.map(|labels| Classes::start(criterion.as_ref(), start, labels)).transpose()?.flatten();
            Ok(Running { state, classes })
        })
        .collect()
}

#[allow(clippy::too_many_arguments)]
fn test_pass(
    job: &Job,
    model: &mut Model,
    set: &DataSet,
    batch: usize,
    layers: &[LayerInfo],
    selected: &[Vec<usize>],
    running: &mut [Running],
    watch: &mut Watch,
) -> Result<()> {
    // For each layer: the criteria that look at it, and its index in their selection.
    let mut readers: Vec<Vec<(usize, usize)>> = vec![Vec::new(); layers.len()];
    for (item, selection) in selected.iter().enumerate() {
        for (at, layer) in selection.iter().enumerate() {
            readers[*layer].push((item, at));
        }
    }
    let running = std::cell::RefCell::new(running);
    each_batch(
        model,
        set,
        batch,
        layers,
        watch,
        &mut |layer, read| {
            // The rows of each class, once some criterion wants them.
            let mut parts = None;
            for (item, at) in &readers[layer] {
                let Running { state, classes } = &mut running.borrow_mut()[*item];
                let labels = read.labels;
                let values = read.values(*at, job.items[*item].neurons, job.items[*item].needs.device)?;
                state.observe(values);
                if let (Some(classes), Some(labels)) = (classes, labels) {
                    classes.observe(*at, parts.get_or_insert_with(|| by_label(&values, labels)));
                }
            }
            Ok(())
        },
        &mut |batch, classes, logits| {
            let end =
                BatchEnd { first: batch.first, inputs: batch.inputs, classes, logits, labels: batch.labels.as_deref() };
            for Running { state, classes } in running.borrow_mut().iter_mut() {
                state.end_batch(end)?;
                if let (Some(classes), Some(labels)) = (classes, end.labels) {
                    classes.end_batch(labels)?;
                }
            }
            Ok(())
        },
    )
}

/// Runs a data set batch by batch; `on_layer` gets each layer, `on_end` each batch with its logits.
pub(super) fn each_batch(
    model: &mut Model,
    set: &DataSet,
    size: usize,
    layers: &[LayerInfo],
    watch: &mut Watch,
    on_layer: &mut dyn FnMut(usize, &mut LayerRead<'_>) -> Result<()>,
    on_end: &mut dyn FnMut(&Batch, usize, &[f64]) -> Result<()>,
) -> Result<()> {
    let mut batches = set.batches(size);
    loop {
        let waiting = Instant::now();
        let Some(batch) = batches.next() else { break };
        let batch = batch?;
        watch.decode += waiting.elapsed().as_secs_f64();
        let running = Instant::now();
        let mut observing = 0.0;
        let (mut logits, mut classes) = (Vec::new(), 0);
        let inputs = model.feed(&batch)?;
        let inputs: Vec<(&str, &Tensor)> = inputs.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let reader = &mut watch.reader;
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
                    let mut read = LayerRead { reader, info: &layers[layer], output, first, inputs, labels, set };
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
        on_end(&batch, classes, &logits)?;
        watch.criteria += observing + ending.elapsed().as_secs_f64();
        watch.inputs += batch.inputs;
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
