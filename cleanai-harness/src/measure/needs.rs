//! What criteria ask of the model and the data, checked before anything runs.

use super::job::{Item, Job};
use crate::criteria::registry;
use crate::data::DataSet;
use crate::declare::nearest::{listed, nearest};
use crate::model::Model;
use crate::{Error, ErrorKind, Result};

/// The layers an item looks at: in execution order, or those of modules in the order of registration.
pub(super) fn select(model: &Model, item: &Item) -> Result<Vec<usize>> {
    let selected = match item.needs.modules {
        true => model
            .select_modules(&item.layers)
            .map(|modules| modules.into_iter().filter_map(|module| module.layer).collect()),
        false => model.select(&item.layers),
    };
    selected.map_err(|error| error.context(&item.text))
}

pub(super) fn no_profile(item: &Item) -> Error {
    let what = if item.needs.profile { "ranges from" } else { "the activation traces of" };
    Error::new(ErrorKind::Configuration, format!("{} needs {what} a profile set, and the data names none", item.text))
        .with_help("give the training inputs: `profile = \"data/train\"` in the data's table, or `--profile`")
}

pub(super) fn no_logits(item: &Item, model: &Model) -> Error {
    Error::new(
        ErrorKind::Criterion,
        format!("{} needs class scores, and {} has none in its output", item.text, model.path().display()),
    )
}

/// Labels, logits and named inputs are asked for before anything runs.
pub(super) fn check_needs(job: &Job, model: &Model, test: &DataSet) -> Result<()> {
    for item in &job.items {
        for name in registry::criterion(&item.spec)?.named_inputs() {
            check_name(item, name, test, &job.data.test.path)?;
        }
        if item.needs.labels && test.labels().is_none() {
            return Err(Error::new(
                ErrorKind::Data,
                format!("{} needs labels, and {} has none", item.text, job.data.test.path),
            )
            .with_help("put images into one folder per class, or give an array `y` (npz) or a labels file (idx)"));
        }
        if item.needs.logits && !model.has_logits() {
            return Err(no_logits(item, model));
        }
    }
    Ok(())
}

fn check_name(item: &Item, name: &str, test: &DataSet, path: &str) -> Result<()> {
    let names: Vec<String> = test.candidates().collect();
    if names.iter().any(|known| known == name) {
        return Ok(());
    }
    Err(no_input(name, &names, path).context(&item.text))
}

/// The error of a name that no input has.
pub(super) fn no_input(name: &str, names: &[String], path: &str) -> Error {
    let known = || names.iter().map(String::as_str);
    Error::new(ErrorKind::Data, format!("{path} has no input `{name}`")).with_help(match nearest(name, known()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("its inputs are named like {}", listed(known().take(3))),
    })
}
