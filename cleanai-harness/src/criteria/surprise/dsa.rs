//! Distance-based surprise.
//!
//! The nearest trace is looked for by products of matrices in f32, whose rounding has a proven bound: every trace that might be the nearest within it is
//! kept, and the distances of these few are computed again from differences in f64. So scores are exact, and the same in whatever order,
//! blocks or threads they are computed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use super::ClassFacts;
use super::classes::ProfileTraces;
use super::nearest::{Found, Norms, Query};
use crate::kernel::matrix;
use crate::{Error, ErrorKind, Result};

/// Products that are held at once: they stay in the processor's cache until they are read.
const PRODUCTS: usize = 1 << 20;

/// Values of profile traces that are copied at once, at most.
const COPIED: usize = 1 << 23;

/// Among which profile traces the nearest is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Among {
    OwnClass,
    OtherClasses,
}

/// Scores of test traces as the distance to the nearest profile trace of their class, over that from there to the nearest of another class.
pub(super) struct Distance {
    traces: ProfileTraces,
    norms: Norms,
    /// Of profile traces that were the nearest of some test trace: how far from them the nearest of another class is.
    apart: Mutex<BTreeMap<usize, f64>>,
}

impl Distance {
    /// # Errors
    /// If the profile inputs are all of one class.
    pub fn new(criterion: &str, traces: ProfileTraces) -> Result<Self> {
        if let (1, Some((class, inputs))) = (traces.classes.len(), traces.classes.first_key_value()) {
            let what = format!(
                "`{criterion}` compares classes, and the model predicts class {class} for every profile input ({})",
                inputs.len()
            );
            return Err(Error::new(ErrorKind::Criterion, what).with_help(
                "is the transform the one the model was trained with? Else give a profile set of several classes",
            ));
        }
        let norms = Norms::new(&traces);
        Ok(Self { traces, norms, apart: Mutex::default() })
    }

    pub fn facts(&self, class: u32) -> Option<ClassFacts> {
        let inputs = self.traces.classes.get(&class)?;
        Some(ClassFacts { profile_inputs: inputs.len() as u64, shrinkage: None })
    }

    pub fn classes(&self) -> Vec<u32> {
        self.traces.classes.keys().copied().collect()
    }

    /// The scores of traces whose classes ascend; none for a class that the profile has not.
    pub fn scores(&self, classes: &[u32], rows: &[f32]) -> Vec<Option<f64>> {
        let rows: Vec<&[f32]> = rows.chunks_exact(self.traces.width()).collect();
        let nearest = self.nearest(&rows, classes, Among::OwnClass);
        self.measure_apart(classes, &nearest);
        let apart = self.apart();
        let score = |(distance, to): (f64, usize)| match (distance.sqrt(), apart.get(&to)) {
            (0.0, _) => 0.0,
            (_, Some(0.0) | None) => f64::INFINITY,
            (distance, Some(apart)) => distance / apart,
        };
        nearest.into_iter().map(|nearest| nearest.map(score)).collect()
    }

    fn apart(&self) -> MutexGuard<'_, BTreeMap<usize, f64>> {
        self.apart.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Computes how far traces of other classes are from these nearest traces, as far as it is not known.
    fn measure_apart(&self, classes: &[u32], nearest: &[Found]) {
        let known = self.apart();
        let mut new: Vec<(u32, usize)> = Vec::new();
        for (class, found) in classes.iter().zip(nearest) {
            if let Some((distance, input)) = found
                && *distance > 0.0
                && !known.contains_key(input)
            {
                new.push((*class, *input));
            }
        }
        drop(known);
        new.sort_unstable();
        new.dedup();
        let (classes, inputs): (Vec<u32>, Vec<usize>) = new.into_iter().unzip();
        let rows = self.traces.rows(&inputs);
        let rows: Vec<&[f32]> = rows.chunks_exact(self.traces.width()).collect();
        let found = self.nearest(&rows, &classes, Among::OtherClasses);
        let distances = found.into_iter().map(|found| found.map_or(f64::INFINITY, |(distance, _)| distance.sqrt()));
        self.apart().extend(inputs.into_iter().zip(distances));
    }

    /// The nearest profile trace of each of these traces, whose classes ascend.
    fn nearest(&self, rows: &[&[f32]], classes: &[u32], among: Among) -> Vec<Found> {
        let width = self.traces.width();
        let mut placed = rows.concat();
        placed
            .par_chunks_mut(width * 64)
            .for_each(|rows| rows.chunks_exact_mut(width).for_each(|row| self.norms.place(row)));
        let mut queries: Vec<Query<'_>> =
            rows.iter().zip(placed.chunks_exact(width)).map(|(row, placed)| Query::new(row, placed)).collect();
        let mut block = Block::default();
        for (class, inputs) in &self.traces.classes {
            let own = classes.partition_point(|own| own < class)..classes.partition_point(|own| own <= class);
            let asked: [Range<usize>; 2] = match among {
                Among::OwnClass => [own, 0..0],
                Among::OtherClasses => [0..own.start, own.end..rows.len()],
            };
            let most = asked.iter().map(Range::len).max().unwrap_or(0);
            if most == 0 {
                continue;
            }
            let together = (PRODUCTS / most).clamp(512, 8192).min((COPIED / width).max(1));
            for inputs in inputs.chunks(together) {
                block.fill(&self.traces, &self.norms, inputs);
                for asked in &asked {
                    block.look(
                        &self.traces,
                        inputs,
                        &placed[asked.start * width..asked.end * width],
                        &mut queries[asked.clone()],
                    );
                }
            }
        }
        queries.into_par_iter().map(|query| query.nearest(&self.traces)).collect()
    }
}

/// Profile traces that are looked at together.
#[derive(Default)]
struct Block {
    rows: Vec<f32>,
    half: Vec<f32>,
    longest: f64,
    products: Vec<f32>,
}

impl Block {
    fn fill(&mut self, traces: &ProfileTraces, norms: &Norms, inputs: &[usize]) {
        let width = traces.width();
        self.rows.resize(inputs.len() * width, 0.0);
        let copy = |(inputs, rows): (&[usize], &mut [f32])| {
            for (input, row) in inputs.iter().zip(rows.chunks_exact_mut(width)) {
                traces.copy(*input, row);
                norms.place(row);
            }
        };
        inputs.par_chunks(256).zip(self.rows.par_chunks_mut(256 * width)).for_each(copy);
        self.longest = norms.of(inputs, &mut self.half);
    }

    /// Shows the block to queries, whose placed rows these are.
    fn look(&mut self, traces: &ProfileTraces, inputs: &[usize], placed: &[f32], queries: &mut [Query<'_>]) {
        let Self { rows, half, longest, products } = self;
        let (width, columns) = (traces.width(), inputs.len());
        let together = (PRODUCTS / columns).max(1);
        for (placed, queries) in placed.chunks(together * width).zip(queries.chunks_mut(together)) {
            products.resize(queries.len() * columns, 0.0);
            matrix::products(placed, rows, width, products);
            let look = |(queries, products): (&mut [Query<'_>], &[f32])| {
                for (query, products) in queries.iter_mut().zip(products.chunks_exact(columns)) {
                    query.look(traces, inputs, products, half, *longest);
                }
            };
            queries.par_chunks_mut(16).zip(products.par_chunks(16 * columns)).for_each(look);
        }
    }
}
