//! Likelihood-based surprise.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::classes::{ProfileTraces, layers_text};
use super::covariance::{Covariance, mean, variance};
use super::log_sum::LogSum;
use super::mdsa::centred;
use super::{ClassFacts, OnSingular, few_members, too_large};
use crate::criteria::scope::Scope;
use crate::kernel::matrix;
use crate::{Error, ErrorKind, Result};

/// Neurons that vary less in any class are dropped.
const LEAST_VARIANCE: f64 = 1e-5;

/// Rows and columns of the products that are held at once.
const ROWS: usize = 256;
const COLUMNS: usize = 2048;

/// A Gaussian kernel density estimate for every class.
pub(super) struct Likelihood {
    width: usize,
    /// The neurons that are looked at.
    pub kept: Vec<usize>,
    classes: BTreeMap<u32, Class>,
}

struct Class {
    mean: Vec<f64>,
    lower: Vec<f64>,
    /// By what whitened differences are divided: Scott's factor.
    bandwidth: f64,
    /// The whitened traces, and half the squared length of each.
    whitened: Vec<f64>,
    half: Vec<f64>,
    /// The logarithm of what a sum of exponentials is divided by, without that of the number of kernels.
    norm: f64,
    facts: ClassFacts,
}

impl Likelihood {
    /// # Errors
    /// If a class has one profile input only, its covariance is singular and is not to be shrunk, or every neuron is dropped.
    pub fn new(scope: &Scope, traces: &ProfileTraces, on_singular: OnSingular) -> Result<Self> {
        let (criterion, width) = (scope.spec.name.as_str(), traces.width());
        few_members(criterion, traces)?;
        let mut kept = vec![true; width];
        for inputs in traces.classes.values() {
            let rows = traces.rows(inputs);
            let variance = variance(&rows, &mean(&rows, width));
            kept.iter_mut().zip(variance).for_each(|(kept, variance)| *kept &= variance >= LEAST_VARIANCE);
        }
        let kept: Vec<usize> = (0..width).filter(|neuron| kept[*neuron]).collect();
        if kept.is_empty() {
            let what = format!(
                "`{criterion}`: every neuron of {} has a variance below {LEAST_VARIANCE} in some class",
                layers_text(&scope.names)
            );
            return Err(Error::new(ErrorKind::Criterion, what)
                .with_help("look at another layer, give more profile inputs, or measure `dsa` or `mdsa`"));
        }
        let held = kept.len() as u128 * (traces.len() + kept.len() * traces.classes.len()) as u128 * 8;
        too_large(criterion, "whitened profile traces", held)?;
        let mut own = Self { width, kept, classes: BTreeMap::new() };
        for (class, inputs) in &traces.classes {
            let estimate = own.estimate(&traces.rows(inputs), on_singular).ok_or_else(|| {
                let what = format!(
                    "`{criterion}`: the covariance of class {class} is singular ({} profile inputs, {} neurons of {})",
                    inputs.len(),
                    own.kept.len(),
                    layers_text(&scope.names)
                );
                let help = "give more profile inputs, look at fewer neurons, or shrink it: `on_singular = \"shrink\"`";
                Error::new(ErrorKind::Criterion, what).with_help(help)
            })?;
            own.classes.insert(*class, estimate);
        }
        Ok(own)
    }

    /// The estimate from the traces of a class; none where their covariance is singular.
    fn estimate(&self, rows: &[f32], on_singular: OnSingular) -> Option<Class> {
        let width = self.kept.len();
        let rows = self.kept_of(rows);
        let count = rows.len() / width;
        let mean = mean(&rows, width);
        let mut whitened = centred(&rows, &mean);
        let covariance = Covariance::of(&whitened, width, (count - 1) as f64);
        let (lower, shrinkage) = match (covariance.regular(count), on_singular) {
            (Some(lower), _) => (lower, None),
            (None, OnSingular::Refuse) => return None,
            (None, OnSingular::Shrink) => {
                let (lower, share) = covariance.shrunk()?;
                (lower, Some(share))
            }
        };
        let bandwidth = (count as f64).powf(-1.0 / (width as f64 + 4.0));
        let determinant: f64 = (0..width).map(|at| lower[at * width + at].ln()).sum();
        let norm = determinant + width as f64 * (bandwidth.ln() + 0.5 * std::f64::consts::TAU.ln());
        matrix::solve_lower(&lower, &mut whitened, width);
        whitened.iter_mut().for_each(|value| *value /= bandwidth);
        let half = half_squares(&whitened, width);
        let facts = ClassFacts { profile_inputs: count as u64, shrinkage };
        Some(Class { mean, lower, bandwidth, whitened, half, norm, facts })
    }

    /// The neurons that are looked at of each row.
    fn kept_of(&self, rows: &[f32]) -> Vec<f32> {
        let of_row = |row: &[f32], kept: &mut [f32]| {
            kept.iter_mut().zip(&self.kept).for_each(|(value, neuron)| *value = row[*neuron]);
        };
        let width = self.kept.len();
        let mut kept = vec![0.0; rows.len() / self.width * width];
        rows.chunks_exact(self.width).zip(kept.chunks_exact_mut(width)).for_each(|(row, kept)| of_row(row, kept));
        kept
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
        let width = self.kept.len();
        let mut scores = Vec::with_capacity(rows.len() / self.width);
        for rows in rows.chunks(ROWS * self.width) {
            let mut whitened = centred(&self.kept_of(rows), &class.mean);
            matrix::solve_lower(&class.lower, &mut whitened, width);
            whitened.iter_mut().for_each(|value| *value /= class.bandwidth);
            scores.extend(class.scores(&whitened, &half_squares(&whitened, width), None));
        }
        Some(scores)
    }

    /// The profile's own scores, each without its own kernel.
    pub fn own_scores(&self) -> Vec<f64> {
        let width = self.kept.len();
        let mut scores = Vec::new();
        for class in self.classes.values() {
            let parts = class.whitened.chunks(ROWS * width).zip(class.half.chunks(ROWS)).enumerate();
            for (part, (whitened, half)) in parts {
                scores.extend(class.scores(whitened, half, Some(part * ROWS)));
            }
        }
        scores
    }
}

impl Class {
    /// The scores of whitened traces; those from `own` on are the class's, and each is left out of its own.
    fn scores(&self, whitened: &[f64], half: &[f64], own: Option<usize>) -> Vec<f64> {
        let (count, width) = (half.len(), self.mean.len());
        let mut sums = vec![LogSum::default(); count];
        let mut products = Vec::new();
        let blocks = self.whitened.chunks(COLUMNS * width).zip(self.half.chunks(COLUMNS)).enumerate();
        for (block, (kernels, kernel_halves)) in blocks {
            let columns = kernel_halves.len();
            products.resize(count * columns, 0.0);
            matrix::products(whitened, kernels, width, &mut products);
            if let Some(own) = own {
                for (row, line) in products.chunks_exact_mut(columns).enumerate() {
                    let place = (own + row).checked_sub(block * COLUMNS);
                    if let Some(product) = place.and_then(|place| line.get_mut(place)) {
                        *product = f64::NEG_INFINITY;
                    }
                }
            }
            let add = |(sums, products): (&mut [LogSum], &[f64])| {
                sums.iter_mut()
                    .zip(products.chunks_exact(columns))
                    .for_each(|(sum, line)| sum.add(line, kernel_halves));
            };
            sums.par_chunks_mut(8).zip(products.par_chunks(8 * columns)).for_each(add);
        }
        let kernels = (self.half.len() - usize::from(own.is_some())) as f64;
        sums.iter().zip(half).map(|(sum, half)| kernels.ln() + self.norm + half - sum.logarithm()).collect()
    }
}

/// Half the squared length of each row.
fn half_squares(rows: &[f64], width: usize) -> Vec<f64> {
    rows.chunks_exact(width).map(|row| row.iter().map(|value| value * value).sum::<f64>() / 2.0).collect()
}
