//! Opening what a job names: its model, and its profile, test and untrusted sets.

use super::job::Job;
use super::needs::no_profile;
use crate::data::DataSet;
use crate::declare::{DataLocation, ModelChoice, ModelSource};
use crate::model::{Model, constructor};
use crate::{Error, ErrorKind, Result};

/// The model of a job.
pub(super) fn open_model(choice: &ModelChoice) -> Result<Model> {
    match &choice.source {
        ModelSource::File(path) => Model::open_with(path, &choice.options),
        ModelSource::Function(name) => constructor::build(name, &choice.options),
    }
}

/// A data set of a job, under the job's transform; errors say which role it plays.
pub(super) fn open(job: &Job, location: &DataLocation, role: &str) -> Result<DataSet> {
    DataSet::open(location, &job.data.transform, job.data.on_bad_input)
        .map_err(|error| error.context(format!("{role} data")))
}

/// The profile set of a job.
pub(super) fn open_profile(job: &Job) -> Result<DataSet> {
    match &job.data.profile {
        Some(location) => open(job, location, "profile"),
        None => {
            let wants = job.items.iter().find(|item| item.needs.reads_profile());
            Err(wants.map_or_else(|| Error::new(ErrorKind::Configuration, "the data names no profile set"), no_profile))
        }
    }
}

/// The untrusted sets of the job's items, each once; their inputs are like those of the other set, a test or a profile set.
pub(super) fn open_untrusted(job: &Job, other: &DataSet, role: &str) -> Result<Vec<(DataLocation, DataSet)>> {
    let mut sets: Vec<(DataLocation, DataSet)> = Vec::new();
    for location in job.items.iter().filter_map(|item| item.untrusted.as_ref()) {
        if sets.iter().any(|(known, _)| known == location) {
            continue;
        }
        let set = open(job, location, "untrusted")?;
        check_shape("an untrusted", &set, role, other)?;
        sets.push((location.clone(), set));
    }
    Ok(sets)
}

/// Whether the inputs of a set are like those of another.
pub(super) fn check_shape(own_role: &str, own: &DataSet, role: &str, other: &DataSet) -> Result<()> {
    if own.shape() == other.shape() {
        return Ok(());
    }
    let (own, other) = (own.shape(), other.shape());
    let what = format!("after the transform {own_role} input has the shape {own:?}, a {role} input {other:?}");
    Err(Error::new(ErrorKind::Data, what).with_help("add a resize to the transform, so that both are alike"))
}
