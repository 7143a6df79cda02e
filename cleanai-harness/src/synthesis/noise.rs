//! Noise on the inputs of batches.

use rayon::prelude::*;

use super::pixels::{Grid, Source};
use super::scale::Scale;
use super::{PixelNoise, Pixels};
use crate::data::transform::TransformStep;
use crate::data::{Batch, FieldInfo, Values};
use crate::{Error, ErrorKind, Result};

/// Noise on one data set.
#[derive(Debug)]
pub(crate) struct Noise {
    noise: PixelNoise,
    grid: Grid,
    scale: Scale,
}

impl Noise {
    /// On inputs of these fields after this transform.
    ///
    /// # Errors
    /// If its numbers are none it can have, if there are several fields or whole numbers, or if the transform cannot be undone.
    pub fn new(noise: &PixelNoise, fields: &[FieldInfo], steps: &[TransformStep]) -> Result<Self> {
        let scale = Scale::new(&noise.clone().into(), fields, steps)?;
        Ok(Self { noise: noise.clone(), grid: Grid::of(&fields[0].shape), scale })
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
        let PixelNoise { pixels, std, seed, .. } = self.noise;
        self.scale.check(values)?;
        let source = Source::of(self.noise.name(), seed, input as u64);
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
        self.grid.disturb(values, chosen.as_deref(), std, &self.scale.bounds, &source);
        Ok(())
    }
}
