//! The clusters of a layer's important neurons, and the combinations of them.

use std::collections::HashMap;

use crate::criteria::LayerImportance;
use crate::importance::kmeans::{self, Weighted};
use crate::{Error, ErrorKind, Result};

/// An important neuron and the clusters of its values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ImportantNeuron {
    pub neuron: usize,
    pub relevance: f64,
    /// Ascending.
    pub centroids: Vec<f64>,
    /// Profile inputs in each cluster.
    pub sizes: Vec<u64>,
    pub silhouette: f64,
    pub histogram: Histogram,
}

/// Bins of a histogram.
const BINS: usize = 24;

/// How many values lie where, in bins of equal width.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub(super) struct Histogram {
    low: f64,
    high: f64,
    counts: [u64; BINS],
}

impl Histogram {
    fn new(values: &[f64]) -> Self {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut counts = [0; BINS];
        for value in values {
            counts[((value - low) / (high - low) * BINS as f64).min(BINS as f64 - 1.0) as usize] += 1;
        }
        Self { low, high, counts }
    }
}

impl ImportantNeuron {
    /// Clusters values that are not all equal, with the number of clusters among these whose silhouette is best.
    pub fn new(neuron: usize, relevance: f64, values: Vec<f64>, clusters: &[usize]) -> Self {
        let histogram = Histogram::new(&values);
        let (clusters, silhouette) = kmeans::best(&Weighted::new(values), clusters);
        Self { neuron, relevance, centroids: clusters.centroids, sizes: clusters.sizes, silhouette, histogram }
    }

    /// Where one cluster ends and the next begins.
    pub fn bounds(&self) -> Vec<f64> {
        self.centroids.windows(2).map(|pair| pair[0].midpoint(pair[1])).collect()
    }
}

/// The combinations of a layer's clusters, numbered with the first neuron as the lowest digit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Combinations {
    pub neurons: Vec<ImportantNeuron>,
    /// How many there are.
    pub total: u128,
    /// Those that profile inputs give, and how many of them do.
    pub reachable: HashMap<u128, u64>,
    /// The sum of the magnitudes of all neurons' relevance.
    pub relevance: f64,
    pub inputs: usize,
    pub amplification: f64,
}

impl Combinations {
    /// # Errors
    /// If there are more than can be numbered.
    pub fn new(
        neurons: Vec<ImportantNeuron>,
        importance: &LayerImportance,
        criterion: &str,
        layer: &str,
    ) -> Result<Self> {
        let total = neurons.iter().try_fold(1u128, |total, neuron| total.checked_mul(neuron.centroids.len() as u128));
        let Some(total) = total else {
            let what = format!(
                "`{criterion}`: the clusters of {} neurons of layer {layer} have more combinations than 128 bits can number",
                neurons.len()
            );
            return Err(Error::new(ErrorKind::Criterion, what).with_help("take a smaller `m` or fewer `clusters`"));
        };
        let relevance = importance.relevance.iter().map(|relevance| relevance.abs()).sum();
        let (inputs, amplification) = (importance.inputs, importance.amplification);
        let mut all = Self { neurons, total, reachable: HashMap::new(), relevance, inputs, amplification };
        for input in 0..importance.inputs {
            if let Some(combination) = all.of(|neuron| importance.of_neuron(neuron)[input]) {
                *all.reachable.entry(combination).or_default() += 1;
            }
        }
        Ok(all)
    }

    /// The combination of an input with these values; none if one of them is missing.
    pub fn of(&self, value: impl Fn(usize) -> f64) -> Option<u128> {
        let (mut combination, mut digit) = (0, 1);
        for neuron in &self.neurons {
            let value = value(neuron.neuron);
            if !value.is_finite() {
                return None;
            }
            combination += digit * kmeans::nearest(&neuron.centroids, value) as u128;
            digit *= neuron.centroids.len() as u128;
        }
        Some(combination)
    }

    /// The clusters of a combination, one for each neuron.
    pub fn clusters(&self, mut combination: u128) -> Vec<u64> {
        let digit = |neuron: &ImportantNeuron| {
            let count = neuron.centroids.len() as u128;
            let digit = combination % count;
            combination /= count;
            digit as u64
        };
        self.neurons.iter().map(digit).collect()
    }
}
