//! `cleanai::tknc`: how large the largest units are.

use std::any::Any;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Result;
use crate::criteria::coverage::PARALLEL_FROM;
use crate::criteria::exact_sum::{BLOCK, Parts, Sums};
use crate::criteria::registry::{CriterionDescription, ParameterDescription, ParameterKind, ValueKind};
use crate::criteria::scope::Scope;
use crate::criteria::top_k::{check_places, top_k};
use crate::criteria::{Criterion, Direction, Figures, LayerFigures, LayerValues, Needs, Start, State};
use crate::declare::CriterionSpec;
use crate::model::LayerInfo;

use super::{REFERENCE, arguments, needs, units};

/// `cleanai::tknc(k = 3)`: the mean of the k largest units of each layer.
///
/// A magnitude, no share: the largest units of every layer and input are added up in f64, and the sum is divided by k * layers *
/// inputs, also where a layer has fewer units than k; a requirement of layers that all have fewer is refused. Details: `sum`,
/// `selected` (k * layers * inputs), `first_input_sum` (the sum for the first input), `inputs`. A layer's value is its sum / (k * inputs).
///
/// Definition: the CleanAI library, top-k neuron coverage; not the one of DeepGauge, which is `tknc` and counts neurons.
///
/// ```
/// use cleanai_harness::criteria::{LayerBatch, Start, registry};
/// use cleanai_harness::model::LayerInfo;
///
/// let layer = LayerInfo {
///     name: "relu".into(), class: "ReLU".into(), operator: "relu".into(), shape: vec![3], channel_axis: 0,
/// };
/// let spec = "cleanai::tknc(k=2)".parse()?;
/// let mut state = registry::criterion(&spec)?.start(Start { layers: &[layer], neurons: &[3], profile: None })?;
/// let batch = LayerBatch::units(2, vec![1.0, 0.0, 5.0, 2.0, 2.0, 2.0]); // two inputs: 5 + 1 and 2 + 2
/// state.observe(batch.values(0, 0));
/// assert_eq!(state.figures().value, Some(2.5));
/// assert_eq!((&state.figures().details["sum"], &state.figures().details["selected"]), (&10.0.into(), &4.into()));
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const TKNC: CriterionDescription = CriterionDescription {
    name: "cleanai::tknc",
    summary: "mean of the k largest units of each layer, a magnitude",
    parameters: &[ParameterDescription {
        name: "k",
        kind: ParameterKind::Integer { at_least: 1, at_most: 1_000_000 },
        default_text: Some("3"),
        summary: "how many units per layer and input",
    }],
    direction: Direction::HigherIsBetter,
    value: ValueKind::Number,
    reference: REFERENCE,
};

pub(super) fn build(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    let places = arguments(spec, &TKNC)?.integer("k")? as usize;
    Ok(Box::new(Largest { spec: spec.clone(), places }))
}

struct Largest {
    spec: CriterionSpec,
    places: usize,
}

impl Criterion for Largest {
    fn spec(&self) -> &CriterionSpec {
        &self.spec
    }

    fn needs(&self) -> Needs {
        needs()
    }

    fn check_layers(&self, layers: &[LayerInfo], neurons: &[usize]) -> Result<()> {
        check_places(&self.spec, self.places, layers, neurons)
    }

    fn start(&self, start: Start<'_>) -> Result<Box<dyn State>> {
        Ok(Box::new(LargestState::new(Scope::new(&self.spec, &start)?, self.places)))
    }

    fn restore(&self, start: Start<'_>, saved: &[u8]) -> Result<Box<dyn State>> {
        Ok(Box::new(LargestState::restored(Scope::new(&self.spec, &start)?, self.places, saved)?))
    }
}

/// A layer's column among the exact sums.
fn column(layer: usize) -> (usize, usize) {
    (layer / BLOCK, layer % BLOCK)
}

struct LargestState {
    scope: Scope,
    places: usize,
    /// Each layer's sum, in the same bits whatever the order of inputs.
    sums: Vec<Sums>,
    layers: Vec<Layer>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Layer {
    inputs: u64,
    /// Index and sum of the first input.
    first: Option<(u64, f64)>,
}

impl LargestState {
    fn new(scope: Scope, places: usize) -> Self {
        let layers = scope.neurons.len();
        Self {
            sums: vec![Sums::default(); layers.div_ceil(BLOCK)],
            layers: vec![Layer::default(); layers],
            scope,
            places,
        }
    }

    fn restored(scope: Scope, places: usize, saved: &[u8]) -> Result<Self> {
        let saved: Vec<(Layer, Parts)> = scope.restored(saved)?;
        let mut state = Self::new(scope, places);
        let sound = |layer: &Layer| match layer.first {
            Some((_, sum)) => sum.is_finite() && (1..=u64::from(u32::MAX)).contains(&layer.inputs),
            None => layer.inputs == 0,
        };
        let mut fits =
            saved.len() == state.layers.len() && saved.windows(2).all(|pair| pair[0].0.inputs == pair[1].0.inputs);
        for (index, (layer, parts)) in saved.into_iter().enumerate().take(state.layers.len()) {
            let (block, column) = column(index);
            fits &= sound(&layer) && state.sums[block].set_parts(column, parts);
            state.layers[index] = layer;
        }
        if fits { Ok(state) } else { Err(state.scope.does_not_fit()) }
    }

    fn sum(&self, layer: usize) -> f64 {
        let (block, column) = column(layer);
        self.sums[block].get(column).high
    }
}

/// The sum of a row's largest units, the largest first.
fn sum_of_largest(row: &[f32], places: usize) -> f64 {
    let mut largest: Vec<f32> = top_k(row, places).into_iter().map(|index| row[index as usize]).collect();
    largest.sort_unstable_by(|left, right| right.total_cmp(left));
    largest.into_iter().map(f64::from).sum()
}

impl State for LargestState {
    fn observe(&mut self, values: LayerValues<'_>) {
        let units = units(&values);
        let (width, places) = (values.neurons, self.places);
        let row = |row: &[f32]| sum_of_largest(row, places);
        let sums: Vec<f64> = if units.len() < PARALLEL_FROM {
            units.chunks_exact(width.max(1)).map(row).collect()
        } else {
            units.par_chunks_exact(width).map(row).collect()
        };
        let (block, column) = column(values.layer);
        let mut numbers = [0.0; BLOCK];
        for sum in &sums {
            numbers[column] = *sum;
            self.sums[block].add(&numbers);
        }
        let layer = &mut self.layers[values.layer];
        layer.inputs += values.inputs as u64;
        if let Some(sum) = sums.first()
            && layer.first.is_none_or(|(input, _)| (values.first as u64) < input)
        {
            layer.first = Some((values.first as u64, *sum));
        }
    }

    fn merge(&mut self, other: Box<dyn State>) -> Result<()> {
        let other: Self = self.scope.same_family(other)?;
        self.scope.agrees(&other.scope)?;
        self.sums.iter_mut().zip(&other.sums).for_each(|(own, other)| own.merge(other));
        for (own, other) in self.layers.iter_mut().zip(other.layers) {
            own.inputs += other.inputs;
            if let Some((input, sum)) = other.first
                && own.first.is_none_or(|(own, _)| input < own)
            {
                own.first = Some((input, sum));
            }
        }
        Ok(())
    }

    fn figures(&self) -> Figures {
        let places = self.places as u64;
        let mean = |sum: f64, selected: u64| (selected > 0).then(|| sum / selected as f64);
        let sums: Vec<f64> = (0..self.layers.len()).map(|layer| self.sum(layer)).collect();
        let names = self.scope.names.iter().zip(&self.layers).zip(&sums);
        let layers = names.map(|((name, layer), sum)| LayerFigures {
            name: name.clone(),
            value: mean(*sum, places * layer.inputs),
            ..LayerFigures::default()
        });
        let inputs = self.layers.first().map_or(0, |layer| layer.inputs);
        let selected = places * inputs * self.layers.len() as u64;
        let sum: f64 = sums.iter().sum();
        let by_layer: Map<String, Value> =
            self.scope.names.iter().cloned().zip(sums.iter().map(|sum| Value::from(*sum))).collect();
        let first: f64 = self.layers.iter().filter_map(|layer| layer.first).map(|(_, sum)| sum).sum();
        let details = [
            ("first_input_sum", first.into()),
            ("inputs", inputs.into()),
            ("selected", selected.into()),
            ("sum", sum.into()),
            ("sums", by_layer.into()),
        ];
        Figures {
            value: mean(sum, selected),
            layers: layers.collect(),
            details: details.map(|(name, value)| (name.to_owned(), value)).into(),
            ..Figures::default()
        }
    }

    fn save(&self) -> Result<Vec<u8>> {
        let saved = |(index, layer): (usize, &Layer)| {
            let (block, column) = column(index);
            (layer.clone(), self.sums[block].parts(column))
        };
        self.scope.saved(&self.layers.iter().enumerate().map(saved).collect::<Vec<_>>())
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
