//! One pass: the profile set through the model into ranges, then the test set into the criteria, each layer read once while it is hot.

use std::collections::BTreeMap;
use std::time::Instant;

use tch::Tensor;

use super::probe::{self, Moment};
use super::reader::{LayerRead, LayerReader};
use super::{CriterionResult, DataFacts, Measurement, ModelFacts, Seconds, Settings};
use crate::criteria::profile::ProfileState;
use crate::criteria::{BatchEnd, LayerProfile, Needs, Start, State, registry};
use crate::data::transform;
use crate::data::{Batch, DataSet};
use crate::declare::{
    CriterionSpec, DataChoice, Declaration, ModelChoice, ModelSource, NeuronKind, NonFinite, Selector,
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
    model: ModelChoice,
    data: DataChoice,
    batch: usize,
    non_finite: NonFinite,
    items: Vec<Item>,
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
    let mut watch = Watch { reader: LayerReader::new(job.non_finite), ..Watch::default() };
    let profile = match &profile_set {
        Some(set) => profile_pass(job, &mut model, set, batch, &layers, &selected, &mut watch)?,
        None => Vec::new(),
    };
    seconds.profile = if profile_set.is_some() { profile_started.elapsed().as_secs_f64() } else { 0.0 };
    let (profile_inputs, profile_skipped) =
        (profile_set.as_ref().map(|_| watch.inputs), profile_set.as_ref().map(|_| watch.skipped));

    watch = Watch { reader: watch.reader, ..Watch::default() };
    let mut states = start(job, &layers, &selected, &profile)?;
    test_pass(job, &mut model, &test, batch, &layers, &selected, &mut states, &mut watch)?;

    let finishing = Instant::now();
    let results =
        job.items.iter().zip(&states).map(|(item, state)| result(item, state.as_ref())).collect::<Result<Vec<_>>>()?;
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
        non_finite_skipped: watch.reader.skipped(),
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

fn result(item: &Item, state: &dyn State) -> Result<CriterionResult> {
    let figures = state.figures();
    Ok(CriterionResult {
        value: figures.value,
        covered: figures.covered,
        total: figures.total,
        layers: figures.layers,
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
struct Watch {
    reader: LayerReader,
    decode: f64,
    forward: f64,
    criteria: f64,
    inputs: usize,
    skipped: usize,
}

/// What is gathered over the profile set for the criteria that count the same neurons and ask for the same things.
struct ProfilePart {
    neurons: NeuronKind,
    needs: Needs,
    /// Indices of the layers that any of them looks at, in order.
    layers: Vec<usize>,
    profile: Vec<LayerProfile>,
}

impl ProfilePart {
    fn serves(&self, item: &Item) -> bool {
        // Mean differences hold every value, so they are kept apart from the rest.
        self.neurons == item.neurons && self.needs.mean_difference == item.needs.mean_difference
    }

    fn of(&self, layers: &[usize]) -> Vec<LayerProfile> {
        let places = layers.iter().filter_map(|layer| self.layers.binary_search(layer).ok());
        places.map(|at| self.profile[at].clone()).collect()
    }
}

fn profile_parts(job: &Job, selected: &[Vec<usize>]) -> Vec<ProfilePart> {
    let mut parts: Vec<ProfilePart> = Vec::new();
    for (item, selection) in job.items.iter().zip(selected).filter(|(item, _)| item.needs.profile) {
        let at = parts.iter().position(|part| part.serves(item)).unwrap_or_else(|| {
            parts.push(ProfilePart {
                neurons: item.neurons,
                needs: item.needs,
                layers: Vec::new(),
                profile: Vec::new(),
            });
            parts.len() - 1
        });
        parts[at].needs.std |= item.needs.std;
        parts[at].layers.extend(selection);
    }
    for part in &mut parts {
        part.layers.sort_unstable();
        part.layers.dedup();
    }
    parts
}

fn profile_pass(
    job: &Job,
    model: &mut Model,
    set: &DataSet,
    batch: usize,
    layers: &[LayerInfo],
    selected: &[Vec<usize>],
    watch: &mut Watch,
) -> Result<Vec<ProfilePart>> {
    let mut parts = profile_parts(job, selected);
    let new_state = |part: &ProfilePart| {
        let neurons: Vec<usize> = part.layers.iter().map(|layer| layers[*layer].neurons(part.neurons)).collect();
        ProfileState::new(&neurons, part.needs)
    };
    let states = parts.iter().map(new_state).collect::<Result<Vec<_>>>()?;
    let states = std::cell::RefCell::new(states);
    each_batch(
        model,
        set,
        batch,
        layers,
        watch,
        &mut |layer, read| {
            for (part, state) in parts.iter().zip(states.borrow_mut().iter_mut()) {
                if let Ok(at) = part.layers.binary_search(&layer) {
                    state.observe(read.values(at, part.neurons)?);
                }
            }
            Ok(())
        },
        &mut |_, _, _| states.borrow().iter().try_for_each(ProfileState::end_batch),
    )?;
    for (part, state) in parts.iter_mut().zip(states.into_inner()) {
        part.profile = state.finish()?;
    }
    Ok(parts)
}

fn start(
    job: &Job,
    layers: &[LayerInfo],
    selected: &[Vec<usize>],
    profiles: &[ProfilePart],
) -> Result<Vec<Box<dyn State>>> {
    let items = job.items.iter().zip(selected);
    items
        .map(|(item, selection)| {
            let infos: Vec<LayerInfo> = selection.iter().map(|layer| layers[*layer].clone()).collect();
            let neurons: Vec<usize> = infos.iter().map(|info| info.neurons(item.neurons)).collect();
            let part = profiles.iter().find(|part| item.needs.profile && part.serves(item));
            let profile = part.map(|part| part.of(selection));
            let criterion = registry::criterion(&item.spec)?;
            criterion.start(Start { layers: &infos, neurons: &neurons, profile: profile.as_deref() })
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
    states: &mut [Box<dyn State>],
    watch: &mut Watch,
) -> Result<()> {
    // For each layer: the criteria that look at it, and its index in their selection.
    let mut readers: Vec<Vec<(usize, usize)>> = vec![Vec::new(); layers.len()];
    for (item, selection) in selected.iter().enumerate() {
        for (at, layer) in selection.iter().enumerate() {
            readers[*layer].push((item, at));
        }
    }
    let states = std::cell::RefCell::new(states);
    each_batch(
        model,
        set,
        batch,
        layers,
        watch,
        &mut |layer, read| {
            for (item, at) in &readers[layer] {
                let values = read.values(*at, job.items[*item].neurons)?;
                states.borrow_mut()[*item].observe(values);
            }
            Ok(())
        },
        &mut |batch, classes, logits| {
            let end =
                BatchEnd { first: batch.first, inputs: batch.inputs, classes, logits, labels: batch.labels.as_deref() };
            for state in states.borrow_mut().iter_mut() {
                state.end_batch(end);
            }
            Ok(())
        },
    )
}

/// Runs a data set batch by batch; `on_layer` gets each layer, `on_end` each batch with its logits.
fn each_batch(
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
        let mut batch = batch?;
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
        model.run_named(&inputs, &mut |observed, output| {
            let reading = Instant::now();
            let values = tensor::Values::of(output)?;
            let rows = output.size().first().map_or(1, |rows| usize::try_from(*rows).unwrap_or(0));
            if rows != size {
                return Err(shape_error(observed, layers, rows, size));
            }
            let all = values.as_slice();
            let width = all.len() / size.max(1);
            let raw = &all[..width * batch.inputs];
            match observed {
                Observed::Layer(layer) => {
                    if tensor::shape(output).get(1..) != Some(&layers[layer].shape[..]) {
                        return Err(Error::new(
                            ErrorKind::Model,
                            format!("layer {} changes its shape from batch to batch", layers[layer].name),
                        ));
                    }
                    reader.next_layer();
                    let mut read =
                        LayerRead { reader, info: &layers[layer], raw, first: batch.first, inputs: batch.inputs, set };
                    on_layer(layer, &mut read)?;
                }
                Observed::Logits => {
                    classes = width;
                    logits = raw.iter().map(|value| f64::from(*value)).collect();
                }
            }
            observing += reading.elapsed().as_secs_f64();
            Ok(())
        })?;
        watch.forward += running.elapsed().as_secs_f64() - observing;
        let ending = Instant::now();
        on_end(&batch, classes, &logits)?;
        watch.criteria += observing + ending.elapsed().as_secs_f64();
        watch.inputs += batch.inputs;
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
