//! Noise on the inputs of batches.

use rayon::prelude::*;

use super::pixels::{Grid, Source};
use super::{Augmentation, Pixels};
use crate::data::transform::{self, TransformStep};
use crate::data::{Batch, FieldInfo, Values};
use crate::{Error, ErrorKind, Result};

/// An augmentation of one data set.
#[derive(Debug)]
pub(crate) struct Noise {
    pub augmentation: Augmentation,
    grid: Grid,
    /// The ends of the range after the transform, for each place on the first axis.
    bounds: Vec<[f32; 2]>,
}

impl Noise {
    /// Of inputs of these fields after this transform.
    ///
    /// # Errors
    /// If the numbers of the augmentation are none it can have, if there are several fields or whole numbers, or if the transform cannot be
    /// undone.
    pub fn new(augmentation: &Augmentation, fields: &[FieldInfo], steps: &[TransformStep]) -> Result<Self> {
        let wrong = |what: String| Error::new(ErrorKind::Configuration, what);
        check(augmentation)?;
        let field = match fields {
            [field] => field,
            several => {
                let names: Vec<_> = several.iter().map(|field| format!("`{}`", field.name.escape_debug())).collect();
                let what = format!("an input has {} fields ({}), and noise is for one", names.len(), names.join(", "));
                return Err(wrong(what).with_help("leave out `augment` for this data"));
            }
        };
        if field.integer {
            return Err(wrong("the inputs are whole numbers, which noise would turn into others".to_owned())
                .with_help("save them as floats if they are quantities; leave out `augment` if they are indices"));
        }
        let (first, rest) = match field.shape.split_first() {
            Some((first, rest)) => (*first, rest),
            None => (1, &[][..]),
        };
        if first == 0 || rest.contains(&0) {
            return Err(wrong(format!("inputs of shape {:?} have no values", field.shape)));
        }
        let normalize = normalize(steps)?;
        let [low, high] =
            augmentation.range.map(|end| transform::apply_to_floats(vec![end as f32; first], vec![first], normalize));
        let bounds: Vec<_> = low?.into_iter().zip(high?).map(|(low, high)| [low, high]).collect();
        if bounds.iter().any(|[low, high]| low >= high || !(high - low).is_finite()) {
            let what = format!("`range` {:?} leaves no finite numbers between its ends in f32", augmentation.range);
            return Err(wrong(what));
        }
        Ok(Self { augmentation: augmentation.clone(), grid: Grid::of(&field.shape), bounds })
    }

    /// Makes the inputs of a batch of those that are there, padding included. `relevance` is that of all their values.
    ///
    /// # Errors
    /// If a value lies outside the range, or relevance that is needed is missing or not finite; `name` tells the inputs.
    pub fn apply(&self, batch: &mut Batch, relevance: Option<&[f64]>, name: impl Fn(usize) -> String) -> Result<()> {
        let (first, inputs) = (batch.first, batch.inputs);
        let Some(Values::Float(values)) = batch.fields.first_mut().map(|field| &mut field.values) else {
            return Err(Error::new(ErrorKind::Data, "there are no values to add noise to"));
        };
        let row = self.grid.channels * self.grid.positions;
        // Padding repeats the last input, so it is that input's.
        let input = |at: usize| at.min(inputs.saturating_sub(1));
        let wrong = values.par_chunks_exact_mut(row).enumerate().filter_map(|(at, values)| {
            let own = relevance.and_then(|all| all.get(at * row..(at + 1) * row));
            self.change(values, own, first + input(at)).err().map(|what| (input(at), what))
        });
        match wrong.min_by_key(|(at, _)| *at) {
            Some((at, error)) => Err(error.context(format!("input {}", name(first + at)))),
            None => Ok(()),
        }
    }

    /// Makes one input of another, by its number.
    fn change(&self, values: &mut [f32], relevance: Option<&[f64]>, input: usize) -> Result<()> {
        let Augmentation { pixels, std, seed, range } = self.augmentation;
        let plane = (values.len() / self.bounds.len()).max(1);
        let outside = |(place, value): (usize, &f32)| {
            let [low, high] = self.bounds[place / plane];
            (!(low..=high).contains(value)).then_some((*value, low, high))
        };
        if let Some((value, low, high)) = values.iter().enumerate().find_map(outside) {
            let what = format!(
                "the value {value} lies outside {low} to {high}, which the range {range:?} is after the transform"
            );
            return Err(Error::new(ErrorKind::Data, what)
                .with_help("say where the data lies before it is normalised: `range = [LOW, HIGH]` beside `std`"));
        }
        let source = Source::of(self.augmentation.name(), seed, input as u64);
        let chosen = match pixels {
            Pixels::All => None,
            Pixels::Random(share) => Some(self.grid.at_random(&source, self.grid.count(share))),
            Pixels::Relevant(share) => {
                let relevance = relevance.filter(|all| all.iter().all(|one| one.is_finite())).ok_or_else(|| {
                    Error::new(ErrorKind::Model, "the relevance of its pixels is not finite")
                        .with_help("does the model give NaN or infinity for it?")
                })?;
                Some(self.grid.most_relevant(relevance, self.grid.count(share)))
            }
        };
        self.grid.disturb(values, chosen.as_deref(), std, &self.bounds, &source);
        Ok(())
    }
}

/// The file's numbers are checked where they are read; these may come from anywhere.
fn check(augmentation: &Augmentation) -> Result<()> {
    let Augmentation { pixels, std, range: [low, high], .. } = *augmentation;
    let what = match pixels {
        Pixels::Random(share) | Pixels::Relevant(share) if !(share > 0.0 && share <= 1.0) => {
            format!("`share` must be more than 0 and at most 1, not {share}")
        }
        _ if !(std.is_finite() && std > 0.0) => format!("`std` must be finite and more than 0, not {std}"),
        _ if !(low.is_finite() && high.is_finite() && low < high) => {
            format!("`range` must be two finite numbers, the lower first, not {:?}", [low, high])
        }
        _ => return Ok(()),
    };
    Err(Error::new(ErrorKind::Configuration, what))
}

/// The steps that end a transform and tell where the data's range goes: those from the first `normalize` on.
///
/// # Errors
/// If another step is among them.
fn normalize(steps: &[TransformStep]) -> Result<&[TransformStep]> {
    let is_normalize = |step: &TransformStep| matches!(step, TransformStep::Normalize { .. });
    let last = &steps[steps.iter().position(is_normalize).unwrap_or(steps.len())..];
    match last.iter().find(|step| !is_normalize(step)) {
        None => Ok(last),
        Some(step) => {
            let what =
                format!("what the transform makes of the data's range cannot be told: {step} follows a `normalize`");
            Err(Error::new(ErrorKind::Configuration, what).with_help("put `normalize` last"))
        }
    }
}
