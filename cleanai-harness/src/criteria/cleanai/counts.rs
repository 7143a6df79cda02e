//! The state of the criteria that count units input by input and add the inputs up.

use std::any::Any;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::Result;
use crate::criteria::scope::{Scope, share};
use crate::criteria::{Figures, LayerValues, State};

use super::kernel;
use super::units;

/// Which units count. Bounds are the f32 that decide as their f64 do.
#[derive(Debug, Clone)]
pub(super) enum Rule {
    /// Those above the mean of the layer's units for the same input.
    AboveMean,
    /// Those above a bound.
    Above(f32),
    /// Those outside the range of their layer.
    Outside(Vec<(f32, f32)>),
    /// Those in any of these closed intervals.
    Within(Vec<(f32, f32)>),
}

impl Rule {
    /// How many numbers there are per layer: those covered, then those of each interval.
    fn figures(&self) -> usize {
        match self {
            Self::Within(intervals) => 1 + intervals.len(),
            _ => 1,
        }
    }
}

/// One layer over all inputs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct LayerCounts {
    inputs: u64,
    counts: Vec<u64>,
    first: Option<FirstInput>,
}

/// One layer for the first input, which reports show by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct FirstInput {
    /// Index in the data set.
    input: u64,
    counts: Vec<u64>,
    /// The mean of the layer's units, where the rule reads it.
    mean: Option<f64>,
}

impl FirstInput {
    /// The one that comes first in the data set.
    fn earlier(own: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (own, other) {
            (Some(own), Some(other)) => Some(if other.input < own.input { other } else { own }),
            (own, other) => own.or(other),
        }
    }
}

/// More units than any test set has: 2^48.
const MOST_UNITS: u64 = 1 << 48;

#[derive(Debug)]
pub(super) struct CountState {
    scope: Scope,
    rule: Rule,
    layers: Vec<LayerCounts>,
}

impl CountState {
    pub fn new(scope: Scope, rule: Rule) -> Self {
        let layer = LayerCounts { counts: vec![0; rule.figures()], ..LayerCounts::default() };
        let layers = vec![layer; scope.neurons.len()];
        Self { scope, rule, layers }
    }

    /// The state that was saved, its numbers checked against each other and the layers.
    pub fn restored(scope: Scope, rule: Rule, saved: &[u8]) -> Result<Self> {
        let layers: Vec<LayerCounts> = scope.restored(saved)?;
        let figures = rule.figures();
        let sound = |layer: &LayerCounts, width: usize| {
            // As many inputs as there can be of such layers, so that no sum below can overflow.
            let Some(all) = layer.inputs.checked_mul(width as u64).filter(|all| *all <= MOST_UNITS) else {
                return false;
            };
            let first = match &layer.first {
                Some(first) => {
                    layer.inputs > 0
                        && first.counts.len() == figures
                        && first.counts.iter().zip(&layer.counts).all(|(own, all)| own <= all && *own <= width as u64)
                        && first.mean.is_none_or(f64::is_finite)
                        && (first.mean.is_none() || matches!(rule, Rule::AboveMean))
                }
                None => layer.inputs == 0,
            };
            let counted = layer.inputs <= u64::from(u32::MAX);
            first && counted && layer.counts.len() == figures && layer.counts.iter().all(|count| *count <= all)
        };
        let fits = layers.len() == scope.neurons.len()
            && layers.iter().zip(&scope.neurons).all(|(layer, width)| sound(layer, *width))
            && layers.windows(2).all(|pair| pair[0].inputs == pair[1].inputs);
        if fits { Ok(Self { scope, rule, layers }) } else { Err(scope.does_not_fit()) }
    }

    /// An object `{layer name: value}`, layers without one left out.
    fn by_layer(&self, value: impl Fn(&FirstInput, u64) -> Option<Value>) -> Value {
        let layers = self.scope.names.iter().zip(&self.layers).zip(&self.scope.neurons);
        layers
            .filter_map(|((name, layer), width)| Some((name.clone(), value(layer.first.as_ref()?, *width as u64)?)))
            .collect::<Map<_, _>>()
            .into()
    }

    /// Counts of one figure, over all layers and over the first input's.
    fn sums(&self, figure: usize) -> (u64, u64) {
        let first = self.layers.iter().filter_map(|layer| layer.first.as_ref());
        (self.layers.iter().map(|layer| layer.counts[figure]).sum(), first.map(|first| first.counts[figure]).sum())
    }
}

impl State for CountState {
    fn observe(&mut self, values: LayerValues<'_>) {
        let units = units(&values);
        let width = values.neurons;
        let figures = self.rule.figures();
        let means = match self.rule {
            Rule::AboveMean => kernel::means(&units, width),
            _ => Vec::new(),
        };
        // Without a mean nothing is above it.
        let bars: Vec<f32> = means.iter().map(|mean| mean.map_or(f32::INFINITY, kernel::not_above)).collect();
        let rule = &self.rule;
        let counts = kernel::counts(&units, width, figures, |input, part, sums| match rule {
            Rule::AboveMean => sums[0] += u64::from(kernel::above(part, bars[input])),
            Rule::Above(bound) => sums[0] += u64::from(kernel::above(part, *bound)),
            Rule::Outside(ranges) => {
                let (low, high) = ranges[values.layer];
                sums[0] += u64::from(kernel::outside(part, low, high));
            }
            Rule::Within(intervals) => within(part, intervals, sums),
        });
        let layer = &mut self.layers[values.layer];
        layer.inputs += values.inputs as u64;
        for row in counts.chunks_exact(figures) {
            layer.counts.iter_mut().zip(row).for_each(|(sum, count)| *sum += count);
        }
        if values.inputs > 0 {
            let counts = counts.get(..figures).map_or_else(|| vec![0; figures], <[u64]>::to_vec);
            let mean = means.first().copied().flatten();
            let found = FirstInput { input: values.first as u64, counts, mean };
            layer.first = FirstInput::earlier(layer.first.take(), Some(found));
        }
    }

    fn merge(&mut self, other: Box<dyn State>) -> Result<()> {
        let other: Self = self.scope.same_family(other)?;
        self.scope.agrees(&other.scope)?;
        for (own, other) in self.layers.iter_mut().zip(other.layers) {
            own.inputs += other.inputs;
            own.counts.iter_mut().zip(other.counts).for_each(|(sum, count)| *sum += count);
            own.first = FirstInput::earlier(own.first.take(), other.first);
        }
        Ok(())
    }

    fn figures(&self) -> Figures {
        let totals = self.layers.iter().zip(&self.scope.neurons).map(|(layer, width)| layer.inputs * *width as u64);
        let counts = self.layers.iter().zip(totals).map(|(layer, total)| (layer.counts[0], total));
        let mut figures = self.scope.shares(counts);
        let total = figures.total.unwrap_or(0);
        let details = &mut figures.details;
        details.insert("inputs".to_owned(), self.layers.first().map_or(0, |layer| layer.inputs).into());
        let first = self.by_layer(|first, width| Some(json!({ "covered": first.counts[0], "total": width })));
        details.insert("first_input".to_owned(), first);
        match &self.rule {
            Rule::AboveMean => {
                details.insert("means".to_owned(), self.by_layer(|first, _| first.mean.map(Value::from)));
            }
            Rule::Outside(ranges) => {
                let range = |(low, high): &(f32, f32)| json!([f64::from(*low), f64::from(*high)]);
                let ranges = self.scope.names.iter().cloned().zip(ranges.iter().map(range));
                details.insert("bounds".to_owned(), ranges.collect::<Map<_, _>>().into());
            }
            Rule::Within(intervals) => {
                let sums: Vec<(u64, u64)> = (1..=intervals.len()).map(|figure| self.sums(figure)).collect();
                for (index, (all, _)) in sums.iter().enumerate() {
                    details.insert(format!("interval_{}", index + 1), share(*all, total).into());
                }
                let counts = |which: fn(&(u64, u64)) -> u64| sums.iter().map(which).collect::<Vec<_>>();
                details.insert("intervals_covered".to_owned(), counts(|sums| sums.0).into());
                details.insert("first_input_intervals".to_owned(), counts(|sums| sums.1).into());
            }
            Rule::Above(_) => {}
        }
        figures
    }

    fn save(&self) -> Result<Vec<u8>> {
        self.scope.saved(&self.layers)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Adds how many units lie in any interval, then how many in each, from one read of the part.
fn within(part: &[f32], intervals: &[(f32, f32)], sums: &mut [u64]) {
    for part in part.chunks(kernel::FLAGS) {
        let mut flags = [0; kernel::FLAGS];
        for ((low, high), sum) in intervals.iter().zip(&mut sums[1..]) {
            *sum += u64::from(kernel::within(part, *low, *high, &mut flags));
        }
        sums[0] += u64::from(kernel::set(&flags));
    }
}
