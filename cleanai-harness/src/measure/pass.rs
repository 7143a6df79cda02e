//! One pass: the profile set through the model into ranges, then the test set into the criteria, each layer read once while it is hot.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::augment::Augmenter;
use super::batches::{Inputs, Watch, calibrate, each_batch};
use super::by_input::{ByInput, Items as CoveredByInput};
use super::classes::{Classes, by_label};
use super::job::{Item, Items, Job, Sets};
use super::leading::leading;
use super::needs::{check_needs, no_profile, select};
use super::observer::Role;
use super::open::{check_shape, open, open_model, open_profile, open_untrusted};
use super::per_input::Ranked;
use super::pictures;
use super::profile::{self, Profiles};
use super::thumbnails;
use super::{CriterionResult, DataFacts, Measurement, ModelFacts, ReportFigures, Seconds, Settings};
use crate::criteria::{BatchEnd, Start, State, registry};
use crate::data::{DataSet, transform};
use crate::declare::{Declaration, NeuronKind};
use crate::model::{ActivationModule, LayerInfo, Model};
use crate::{Error, Result};

/// What a pass gives.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Measured {
    model: ModelFacts,
    data: DataFacts,
    device: String,
    batch: usize,
    non_finite_skipped: u64,
    /// One per item; an error where one that is not required could not be measured.
    pub results: Vec<Result<CriterionResult>>,
    seconds: Seconds,
    /// What each test input is called.
    names: Arc<Vec<String>>,
    /// When it was made, in seconds since 1970, where it is from the cache.
    #[serde(skip)]
    pub cached: Option<u64>,
}

impl Measured {
    /// The part of it that one declaration asked for.
    pub fn measurement(&self, declaration: &Declaration, items: &Items) -> Result<Measurement> {
        let criteria = items.required.iter().map(|(text, index)| Ok((text.clone(), self.results[*index].clone()?)));
        let mut report = ReportFigures::default();
        for (text, index) in &items.report {
            match &self.results[*index] {
                Ok(result) => {
                    report.criteria.insert(text.clone(), result.clone());
                }
                Err(why) => {
                    report.missing.insert(text.clone(), why.what().to_owned());
                }
            }
        }
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
                overridden: Vec::new(),
            },
            criteria: criteria.collect::<Result<BTreeMap<_, _>>>()?,
            report: (!items.report.is_empty()).then_some(report),
            against: None,
            seconds: self.seconds,
            names: Arc::clone(&self.names),
            cached: self.cached,
        })
    }
}

/// Runs a job, on these inputs where there are any, else on those it names; gathers what is told of single inputs where that is wanted.
pub(super) fn run(job: &Job, sets: Option<Sets>, by_input: Option<&mut ByInput>) -> Result<Measured> {
    let started = Instant::now();
    let model = open_model(&job.model)?;
    let load = started.elapsed().as_secs_f64();
    let (test, profile) = sets.map_or((None, None), |sets| (Some(sets.test), sets.profile));
    // Selectors that match nothing are told before data is decoded, where the graph alone can tell.
    let has_profile = profile.is_some() || job.data.profile.is_some();
    let possible = |item: &Item| {
        select(&model, item)?;
        if item.needs.reads_profile() && !has_profile { Err(no_profile(item)) } else { Ok(()) }
    };
    let mut left_out: BTreeMap<usize, Error> = BTreeMap::new();
    for (index, item) in job.items.iter().enumerate() {
        match possible(item) {
            Err(why) if !item.required => {
                left_out.insert(index, why);
            }
            result => result?,
        }
    }
    let test = test.map_or_else(|| open(job, &job.data.test, "test"), Ok)?;
    let measured = |(index, _): &(usize, &Item)| !left_out.contains_key(index);
    let items = job.items.iter().enumerate().filter(measured).map(|(_, item)| item.clone()).collect();
    let mut measured =
        run_items(&Job { items, drawn: profile.is_some(), ..job.clone() }, model, test, profile, by_input, started)?;
    measured.seconds.load = load;
    for (index, why) in left_out {
        measured.results.insert(index, Err(why));
    }
    Ok(measured)
}

/// Runs a job all of whose items can be measured.
fn run_items(
    job: &Job,
    mut model: Model,
    test: DataSet,
    profile: Option<DataSet>,
    mut by_input: Option<&mut ByInput>,
    started: Instant,
) -> Result<Measured> {
    let mut seconds = Seconds::default();
    check_needs(job, &model, &test)?;
    let mut augmenter = Augmenter::new(job, &test)?;
    let profile_set = match profile {
        _ if !job.items.iter().any(|item| item.needs.reads_profile()) => None,
        None => Some(open_profile(job)?),
        given => given,
    };
    if let Some(profile) = &profile_set {
        check_shape("a profile", profile, "test", &test)?;
    }
    let untrusted_sets = open_untrusted(job, &test, "test")?;
    let layers = calibrate(&mut model, profile_set.as_ref(), &test, job.batch)?;
    augmenter.prepare(job, &model, &layers)?;
    let batch = model.fixed_batch().unwrap_or(job.batch);
    let selected = job.items.iter().map(|item| select(&model, item)).collect::<Result<Vec<_>>>()?;
    let modules = model.activation_modules();
    check_layers(job, &layers, &selected)?;

    let profile_started = Instant::now();
    let mut profiles = match &profile_set {
        Some(set) => profile::gather(job, &mut model, set, batch, &layers, &selected)?,
        None => Profiles::default(),
    };
    profile::gather_untrusted(job, &mut model, &untrusted_sets, batch, &layers, &selected, &mut profiles)?;
    seconds.profile = if profile_set.is_some() { profile_started.elapsed().as_secs_f64() } else { 0.0 };
    let (profile_inputs, profile_skipped) =
        (profile_set.as_ref().map(|_| profiles.inputs), profile_set.as_ref().map(|_| profiles.skipped));

    let mut watch = Watch::new(job.non_finite);
    let mut running = start(job, &layers, &modules, &selected, &profiles, test.labels())?;
    if let Some(by_input) = &mut by_input {
        by_input.set = Some(test.clone());
        if by_input.wants_items && running[0].state.take_covered().is_some() {
            let first = Job { items: vec![job.items[0].clone()], ..job.clone() };
            let again = start(&first, &layers, &modules, &selected, &profiles, None)?.into_iter().next();
            by_input.items = again.and_then(|running| CoveredByInput::of(running.state));
        }
    }
    // The test set, then what is made of it.
    loop {
        let inputs = Inputs { set: &test, augmenter: Some(&mut augmenter), role: Role::Test };
        let by_input = by_input.as_deref_mut();
        test_pass(job, &mut model, inputs, batch, &layers, &selected, &mut running, by_input, &mut watch)?;
        if !augmenter.next_run(watch.inputs) {
            break;
        }
    }

    let finishing = Instant::now();
    for (input, facts) in by_input.into_iter().flat_map(|by_input| by_input.facts.iter_mut().enumerate()) {
        facts.name = augmenter.name(&test, input);
    }
    let mut results = Vec::new();
    for (item, running) in job.items.iter().zip(&running) {
        match result(item, running, &test, &augmenter, &model, &modules) {
            Err(why) if item.required => return Err(why),
            result => results.push(result),
        }
    }
    pictures::add(job, &model, &test, &mut results)?;
    thumbnails::add(&test, &mut results);
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
            augmented: augmenter.facts(),
        },
        device: crate::model::device_name(model.device()),
        batch,
        non_finite_skipped: profiles.non_finite_skipped + watch.reader.skipped(),
        results,
        seconds,
        names: Arc::new((0..watch.inputs).map(|input| augmenter.name(&test, input)).collect()),
        cached: None,
    })
}

fn result(
    item: &Item,
    Running { state, classes }: &Running,
    test: &DataSet,
    augmenter: &Augmenter,
    model: &Model,
    modules: &[ActivationModule],
) -> Result<CriterionResult> {
    state.check().map_err(|error| of_item(error, item))?;
    let mut figures = state.figures();
    if item.needs.modules {
        // Where each layer stands in the module tree, by which reports name it.
        let mut of_modules = |key: &str, value: &dyn Fn(&ActivationModule) -> serde_json::Value| {
            let all = modules.iter().filter(|module| module.layer.is_some());
            let all: serde_json::Map<_, _> = all.map(|module| (module.path.clone(), value(module))).collect();
            figures.details.insert(key.to_owned(), all.into());
        };
        of_modules("layer_index", &|module| module.index.into());
        of_modules("layer_class", &|module| module.class.clone().into());
        figures.details.insert("modules".to_owned(), model.graph().modules.len().into());
    }
    let of_classes = match classes {
        Some(classes) => classes.figures(),
        None => std::mem::take(&mut figures.classes),
    };
    let name = |input: usize| augmenter.name(test, input);
    Ok(CriterionResult {
        value: figures.value,
        covered: figures.covered,
        total: figures.total,
        layers: figures.layers,
        classes: of_classes.into_iter().map(|(label, own)| (class_name(test, label), own.into())).collect(),
        ranked: Ranked::of(&figures.per_input, name),
        per_input: figures.per_input,
        leading: leading(&figures.contributions, name),
        neurons: figures.neurons,
        pictures: Vec::new(),
        contributions: figures.contributions,
        details: figures.details,
        direction: registry::criterion(&item.spec)?.direction(),
    })
}

/// What the class of a label, or of a logit, is called.
pub(super) fn class_name(set: &DataSet, label: i64) -> String {
    set.class(label).map_or_else(|| label.to_string(), str::to_owned)
}

/// A criterion's error, with its parameters where it has some.
fn of_item(error: Error, item: &Item) -> Error {
    if item.text == item.spec.name { error } else { error.context(&item.text) }
}

/// Refuses what is required of layers of which the criterion could tell nothing.
fn check_layers(job: &Job, layers: &[LayerInfo], selected: &[Vec<usize>]) -> Result<()> {
    for (item, selection) in job.items.iter().zip(selected).filter(|(item, _)| item.required) {
        let infos: Vec<LayerInfo> = selection.iter().map(|layer| layers[*layer].clone()).collect();
        let neurons: Vec<usize> = infos.iter().map(|info| info.neurons(item.neurons)).collect();
        registry::criterion(&item.spec)?.check_layers(&infos, &neurons).map_err(|error| of_item(error, item))?;
    }
    Ok(())
}

/// A criterion while the test set is run.
struct Running {
    state: Box<dyn State>,
    classes: Option<Classes>,
}

fn start(
    job: &Job,
    layers: &[LayerInfo],
    modules: &[ActivationModule],
    selected: &[Vec<usize>],
    profiles: &Profiles,
    labels: Option<&[i64]>,
) -> Result<Vec<Running>> {
    let items = job.items.iter().zip(selected);
    items
        .map(|(item, selection)| {
            let info = |layer: &usize| {
                // Under the module's own name, not that of its last call.
                let module = modules.iter().find(|module| item.needs.modules && module.layer == Some(*layer));
                module.and_then(|module| module.info(layers)).unwrap_or_else(|| layers[*layer].clone())
            };
            let infos: Vec<LayerInfo> = selection.iter().map(info).collect();
            let neurons: Vec<usize> = infos.iter().map(|info| info.neurons(item.neurons)).collect();
            let profile = profiles.of(item, selection);
            let criterion = registry::criterion(&item.spec)?;
            let start = Start { layers: &infos, neurons: &neurons, profile: profile.as_deref() };
            let state = criterion.start(start)?;
            let labels = labels.filter(|_| criterion.needs().classes);
            let classes = labels.map(|labels| Classes::start(criterion.as_ref(), start, labels)).transpose()?.flatten();
            Ok(Running { state, classes })
        })
        .collect()
}

#[allow(clippy::too_many_arguments)]
fn test_pass(
    job: &Job,
    model: &mut Model,
    inputs: Inputs<'_>,
    batch: usize,
    layers: &[LayerInfo],
    selected: &[Vec<usize>],
    running: &mut [Running],
    by_input: Option<&mut ByInput>,
    watch: &mut Watch,
) -> Result<()> {
    // For each layer: the criteria that look at it, and its index in their selection.
    let mut readers: Vec<Vec<(usize, usize)>> = vec![Vec::new(); layers.len()];
    for (item, selection) in selected.iter().enumerate() {
        for (at, layer) in selection.iter().enumerate() {
            readers[*layer].push((item, at));
        }
    }
    let (running, by_input) = (std::cell::RefCell::new(running), std::cell::RefCell::new(by_input));
    let mut begun = None;
    each_batch(
        model,
        inputs,
        batch,
        layers,
        watch,
        &mut |layer, read| {
            if begun.replace(read.first) != Some(read.first) {
                for Running { state, .. } in running.borrow_mut().iter_mut() {
                    state.begin_batch(read.first, read.inputs, read.name);
                }
            }
            // The rows of each class, of channels and of units, once some criterion wants them.
            let mut parts = [None, None];
            for (item, at) in &readers[layer] {
                let Running { state, classes } = &mut running.borrow_mut()[*item];
                let labels = read.labels;
                let values = read.values(*at, job.items[*item].neurons, job.items[*item].needs.device)?;
                state.observe(values);
                if let (Some(classes), Some(labels)) = (classes, labels) {
                    let parts = &mut parts[usize::from(job.items[*item].neurons == NeuronKind::Unit)];
                    classes.observe(*at, parts.get_or_insert_with(|| by_label(&values, labels)));
                }
                if let Some(by_input) = by_input.borrow_mut().as_mut().filter(|own| *item == 0 && own.reads_layers()) {
                    by_input.layer(read.values(*at, job.items[*item].neurons, false)?)?;
                }
            }
            Ok(())
        },
        &mut |batch, _, classes, logits| {
            let end =
                BatchEnd { first: batch.first, inputs: batch.inputs, classes, logits, labels: batch.labels.as_deref() };
            for Running { state, classes } in running.borrow_mut().iter_mut() {
                state.end_batch(end)?;
                if let (Some(classes), Some(labels)) = (classes, end.labels) {
                    classes.end_batch(labels)?;
                }
            }
            if let Some(by_input) = by_input.borrow_mut().as_mut() {
                by_input.end_batch(end)?;
            }
            Ok(())
        },
    )
}
