//! Mahalanobis-distance-based surprise.

use std::collections::BTreeMap;

use super::classes::ProfileTraces;
use super::covariance::{Covariance, mean};
use super::{ClassFacts, few_members, too_large};
use crate::Result;
use crate::kernel::matrix;

/// Values of test traces that are computed on at once.
const CHUNK: usize = 1 << 21;

/// The traces of every class as a mean and the factor of their covariance.
pub(super) struct Mahalanobis {
    width: usize,
    classes: BTreeMap<u32, Class>,
}

struct Class {
    mean: Vec<f64>,
    lower: Vec<f64>,
    facts: ClassFacts,
}

impl Mahalanobis {
    /// # Errors
    /// If a class has one profile input only, or all its traces are the same.
    pub fn new(criterion: &str, traces: &ProfileTraces) -> Result<Self> {
        let width = traces.width();
        few_members(criterion, traces)?;
        too_large(criterion, "covariances of classes", traces.classes.len() as u128 * (width as u128).pow(2) * 8)?;
        let mut classes = BTreeMap::new();
        for (class, inputs) in &traces.classes {
            let rows = traces.rows(inputs);
            let mean = mean(&rows, width);
            let centred = centred(&rows, &mean);
            let shrunk = Covariance::of(&centred, width, inputs.len() as f64).shrunk();
            let Some((lower, shrinkage)) = shrunk else {
                return Err(super::all_the_same(criterion, *class, inputs.len()));
            };
            let facts = ClassFacts { profile_inputs: inputs.len() as u64, shrinkage: Some(shrinkage) };
            classes.insert(*class, Class { mean, lower, facts });
        }
        Ok(Self { width, classes })
    }

    pub fn facts(&self, class: u32) -> Option<ClassFacts> {
        self.classes.get(&class).map(|class| class.facts)
    }

    pub fn classes(&self) -> Vec<u32> {
        self.classes.keys().copied().collect()
    }

    /// The scores of traces that are all of one class; none of a class that the profile has not.
    pub fn scores(&self, class: u32, rows: &[f32]) -> Option<Vec<f64>> {
        let class = self.classes.get(&class)?;
        let mut scores = Vec::with_capacity(rows.len() / self.width);
        for rows in rows.chunks((CHUNK / self.width).max(1) * self.width) {
            let mut differences = centred(rows, &class.mean);
            matrix::solve_lower(&class.lower, &mut differences, self.width);
            let length = |row: &[f64]| row.iter().map(|value| value * value).sum::<f64>().sqrt();
            scores.extend(differences.chunks_exact(self.width).map(length));
        }
        Some(scores)
    }

    /// The profile's own scores.
    pub fn own_scores(&self, traces: &ProfileTraces) -> Vec<f64> {
        let of_class = |(class, inputs): (&u32, &Vec<usize>)| {
            let parts = inputs.chunks((CHUNK / self.width).max(1));
            parts.filter_map(|part| self.scores(*class, &traces.rows(part))).flatten().collect::<Vec<f64>>()
        };
        traces.classes.iter().flat_map(of_class).collect()
    }
}

/// Differences from the mean.
pub(super) fn centred(rows: &[f32], mean: &[f64]) -> Vec<f64> {
    let mut differences = vec![0.0; rows.len()];
    for (row, own) in rows.chunks_exact(mean.len()).zip(differences.chunks_exact_mut(mean.len())) {
        for ((difference, value), mean) in own.iter_mut().zip(row).zip(mean) {
            *difference = f64::from(*value) - mean;
        }
    }
    differences
}
