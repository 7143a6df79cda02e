//! Whole measurements: from the cache, or made once for all processes that want the same.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::job::{Item, Job};
use super::pass::{self, Measured};
use crate::Result;
use crate::cache::digests;
use crate::cache::{self, Cache, Kind, hex};
use crate::criteria::PerInput;
use crate::data::{SourceFiles, transform};
use crate::declare::{DataLocation, ModelSource};
use crate::model;

/// Everything the figures of a pass depend on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct MeasurementKey {
    /// SHA-256 of the model file.
    model: String,
    /// How it is opened: state, inputs, axes.
    options: String,
    test: SetKey,
    profile: Option<SetKey>,
    transform: String,
    on_bad_input: String,
    augment: Vec<String>,
    batch: usize,
    non_finite: String,
    items: Vec<ItemKey>,
    machine: model::Machine,
    /// What the program is built of.
    build: String,
    /// SHA-256 of the running executable, where criteria of other crates are in it.
    executable: Option<String>,
}

/// A data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct SetKey {
    /// As the user wrote it: the record tells it.
    path: String,
    /// SHA-256 over the bytes, names and order of its files.
    contents: String,
}

/// A criterion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ItemKey {
    criterion: String,
    layers: String,
    neurons: String,
    required: bool,
    untrusted: Option<SetKey>,
}

/// What is kept.
#[derive(Serialize, Deserialize)]
struct Stored {
    measured: Measured,
    /// What each result says of single inputs, which its own form leaves out.
    per_input: Vec<PerInputColumns>,
    /// Seconds since 1970.
    made: u64,
}

/// Inputs, and columns by name.
type PerInputColumns = (Vec<u64>, Vec<(String, Vec<f64>)>);

/// Runs a job on the inputs it names, unless the cache has its result.
pub(super) fn run(job: &Job) -> Result<Measured> {
    let cache = Cache::find().filter(|_| job.is_cacheable() && !job.items.is_empty());
    let Some((cache, key)) = cache.and_then(|cache| key(&cache, job).map(|key| (cache, key))) else {
        return pass::run(job, None, None);
    };
    if let Some(measured) = load(&cache, &key) {
        return Ok(measured);
    }
    let path = cache.path(Kind::Measurements, &key);
    let _held = cache.hold(path.as_deref().map(|path| (Kind::Measurements, path)))?;
    // Another process may have made it meanwhile.
    if let Some(measured) = load(&cache, &key) {
        return Ok(measured);
    }
    let mut measured = pass::run(job, None, None)?;
    // Files that changed while the model ran are not those of the key.
    if self::key(&cache, job).is_some_and(|after| after == key) {
        measured = store(&cache, &key, measured);
    }
    Ok(measured)
}

fn load(cache: &Cache, key: &MeasurementKey) -> Option<Measured> {
    cache.read_measurement(key, |contents| {
        let Stored { mut measured, per_input, made } = rmp_serde::from_slice(contents).ok()?;
        if measured.results.len() != key.items.len() || per_input.len() != measured.results.len() {
            return None;
        }
        for (result, (inputs, columns)) in measured.results.iter_mut().zip(per_input) {
            if let Ok(result) = result {
                result.per_input = PerInput { inputs, columns };
            }
        }
        measured.cached = Some(made);
        Some(measured)
    })
}

/// Keeps a result and gives it back.
fn store(cache: &Cache, key: &MeasurementKey, measured: Measured) -> Measured {
    let columns = measured.results.iter().map(|result| match result {
        Ok(result) => (result.per_input.inputs.clone(), result.per_input.columns.clone()),
        Err(_) => PerInputColumns::default(),
    });
    let made = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let stored = Stored { per_input: columns.collect(), measured, made };
    if let Ok(contents) = rmp_serde::to_vec_named(&stored) {
        cache.write_measurement(key, &contents);
    }
    stored.measured
}

/// What a job's figures depend on. Nothing where that cannot be told: whatever stands in the way the pass tells better.
fn key(cache: &Cache, job: &Job) -> Option<MeasurementKey> {
    let ModelSource::File(path) = &job.model.source else { return None };
    let item = |item: &Item| {
        let untrusted = match &item.untrusted {
            Some(location) => Some(set(cache, location)?),
            None => None,
        };
        Some(ItemKey {
            criterion: item.text.clone(),
            layers: item.layers.to_string(),
            neurons: item.neurons.to_string(),
            required: item.required,
            untrusted,
        })
    };
    let profile = match &job.data.profile {
        Some(location) => Some(set(cache, location)?),
        None => None,
    };
    let executable = match job.items.iter().any(is_foreign) {
        true => Some(sum(cache, &std::env::current_exe().ok()?)?),
        false => None,
    };
    Some(MeasurementKey {
        model: sum(cache, path)?,
        options: format!("{:?}", job.model.options),
        test: set(cache, &job.data.test)?,
        profile,
        transform: transform::text(&job.data.transform),
        on_bad_input: format!("{:?}", job.data.on_bad_input),
        augment: job.data.augment.iter().map(ToString::to_string).collect(),
        batch: job.batch,
        non_finite: format!("{:?}", job.non_finite),
        items: job.items.iter().map(item).collect::<Option<_>>()?,
        machine: model::machine(job.model.options.device).ok()?,
        build: cache::build().to_owned(),
        executable,
    })
}

/// SHA-256 of a file.
fn sum(cache: &Cache, path: &PathBuf) -> Option<String> {
    digests::sums(Some(cache), path, std::slice::from_ref(path)).ok()?.first().map(|sum| hex(sum))
}

/// Whether another crate brings a criterion: names without a namespace and those of `cleanai` are this crate's.
fn is_foreign(item: &Item) -> bool {
    item.spec.name.split_once("::").is_some_and(|(namespace, _)| namespace != "cleanai")
}

/// What lies at a location, by the bytes of its files.
fn set(cache: &Cache, location: &DataLocation) -> Option<SetKey> {
    let SourceFiles { root, files, beside } = SourceFiles::of(location).ok()?;
    let sums = digests::sums(Some(cache), &root, &files).ok()?;
    let mut hash = Sha256::new();
    hash.update((beside.len() as u64).to_le_bytes());
    hash.update(beside);
    sums.iter().for_each(|sum| hash.update(sum));
    Some(SetKey { path: location.path.clone(), contents: hex(&hash.finalize()) })
}
