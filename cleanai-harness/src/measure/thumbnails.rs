//! Small pictures of the inputs that results name, so that reports can show them without reading data.

use std::collections::{BTreeMap, BTreeSet};

use super::leading::first_named;
use super::per_input::{Ranked, ends};
use super::pictures::is_picture;
use super::{CriterionResult, RankedInput};
use crate::Result;
use crate::data::{DataSet, Values};
use crate::importance::Thumbnail;

/// Inputs of a pass that are decoded again, at most: those at the ends of rankings before those that covered most first.
const MOST: usize = 96;

/// Inputs decoded together.
const BATCH: usize = 16;

/// Adds the thumbnails of inputs of the test set; what was made of these has none.
pub(super) fn add(test: &DataSet, results: &mut [Result<CriterionResult>]) {
    if !is_picture(test) {
        return;
    }
    let originals = test.len() - test.skipped().len();
    let known = || results.iter().flatten();
    let ranked = known().filter_map(|result| ends(&result.per_input)).flat_map(|[most, least]| [most, least].concat());
    let leading = known().flat_map(|result| first_named(&result.contributions)).map(|own| own.input);
    let mut wanted = BTreeSet::new();
    for input in ranked.map(|(input, _)| input).chain(leading).filter_map(|input| usize::try_from(input).ok()) {
        if input < originals && wanted.len() < MOST {
            wanted.insert(input);
        }
    }
    if wanted.is_empty() {
        return;
    }
    let shown = thumbnails(test, &wanted);
    let picture = |input: u64| shown.get(&usize::try_from(input).ok()?).cloned();
    for result in results.iter_mut().flatten() {
        if let (Some(Ranked { most, least, .. }), Some(found)) = (&mut result.ranked, ends(&result.per_input)) {
            for (named, inputs) in [most, least].into_iter().zip(found) {
                let add = |(named, (input, _)): (&mut RankedInput, (u64, f64))| named.picture = picture(input);
                named.iter_mut().zip(inputs).for_each(add);
            }
        }
        for (named, own) in result.leading.iter_mut().zip(first_named(&result.contributions)) {
            named.picture = picture(own.input);
        }
    }
}

/// By the numbers that batches give inputs.
fn thumbnails(test: &DataSet, wanted: &BTreeSet<usize>) -> BTreeMap<usize, Thumbnail> {
    let wanted: Vec<usize> = wanted.iter().copied().collect();
    let candidates: Vec<usize> = wanted.iter().map(|input| test.candidate(*input)).collect();
    let mut shown = BTreeMap::new();
    // The figures stand without pictures: a file that is gone meanwhile ends them, and is no failure of the test.
    let chosen = test.choose(&candidates);
    for batch in chosen.batches(BATCH).map_while(Result::ok) {
        let Some(field) = batch.fields.first() else { continue };
        let Values::Float(values) = &field.values else { continue };
        let width: usize = field.shape.iter().product();
        for (row, input) in values.chunks(width.max(1)).take(batch.inputs).enumerate() {
            let Some(number) = wanted.get(chosen.candidate(batch.first + row)) else { continue };
            shown.extend(Thumbnail::of(input, &field.shape).map(|thumbnail| (*number, thumbnail)));
        }
    }
    shown
}
