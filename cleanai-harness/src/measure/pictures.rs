//! Heat maps of the inputs that covered most first, for criteria that ask for relevance.

use super::CriterionResult;
use super::explain::each;
use super::job::Job;
use super::leading::by_covered;
use super::open::open_model;
use crate::Result;
use crate::data::DataSet;
use crate::importance::{Explained, Explainer, Picture, RelevanceNeeds};
use crate::model::Model;

/// Pictures of one criterion.
const MOST: usize = 3;

/// Adds the pictures of every criterion that has some.
pub(super) fn add(job: &Job, model: &Model, test: &DataSet, results: &mut [Result<CriterionResult>]) -> Result<()> {
    if !is_picture(test) {
        return Ok(());
    }
    let originals = (test.len() - test.skipped().len()) as u64;
    for (item, result) in job.items.iter().zip(results) {
        let (Some(needs), Ok(measured)) = (item.needs.relevance, &mut *result) else { continue };
        // Inputs made of others by noise come behind the test set's own.
        let leading = by_covered(&measured.contributions).into_iter().filter(|own| own.input < originals).take(MOST);
        let leading: Vec<usize> = leading.map(|own| test.candidate(own.input as usize)).collect();
        if leading.is_empty() {
            continue;
        }
        match pictures(job, model, &test.choose(&leading), needs) {
            Ok(pictures) => measured.pictures = pictures,
            Err(why) if item.required => return Err(why.context(&item.text)),
            Err(why) => *result = Err(why),
        }
    }
    Ok(())
}

/// Whether inputs are pictures.
pub(super) fn is_picture(set: &DataSet) -> bool {
    matches!(set.fields(), [only] if !only.integer && matches!(only.shape.len(), 2 | 3))
}

/// A model opened once more, since this one is for observing.
fn pictures(job: &Job, model: &Model, set: &DataSet, needs: RelevanceNeeds) -> Result<Vec<Picture>> {
    let mut own = open_model(&job.model)?;
    own.take_calibration(model);
    let mut explainer = Explainer::new(own, needs.rules())?;
    let explained = if needs.outputs { Explained::Outputs } else { Explained::Predicted };
    let mut pictures = Vec::new();
    each(&mut explainer, set, explained, &[], &mut |one| {
        pictures.extend(one.picture);
        Ok(())
    })?;
    Ok(pictures)
}
