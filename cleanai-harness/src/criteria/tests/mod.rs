//! Tests of the criteria through the registry, as the pass uses them.

mod by_hand;
mod confidence;
mod declared;
mod interaction;
mod items;
mod profiles;
mod properties;
mod spread;

use super::*;
use crate::declare::CriterionSpec;
use crate::model::LayerInfo;

/// What a pass would stream: per layer the values of all inputs, and what ends the batches.
#[derive(Debug, Clone, Default)]
struct Stream {
    inputs: usize,
    /// Width and `inputs * width` values.
    layers: Vec<(usize, Vec<f64>)>,
    classes: usize,
    logits: Vec<f64>,
    labels: Option<Vec<i64>>,
    /// Whether the values are handed over as units, in f32.
    units: bool,
}

impl Stream {
    /// One layer, given row by row.
    fn one_layer<const WIDTH: usize>(rows: &[[f64; WIDTH]]) -> Self {
        Self { inputs: rows.len(), layers: vec![(WIDTH, rows.concat())], ..Self::default() }
    }

    /// One neuron.
    fn one_neuron(values: &[f64]) -> Self {
        Self { inputs: values.len(), layers: vec![(1, values.to_vec())], ..Self::default() }
    }

    fn rows(&self, layer: usize) -> impl Iterator<Item = &[f64]> {
        let (width, values) = &self.layers[layer];
        (0..self.inputs).map(move |input| &values[input * width..(input + 1) * width])
    }

    fn infos(&self) -> Vec<LayerInfo> {
        let info = |(index, (width, _)): (usize, &(usize, Vec<f64>))| LayerInfo {
            name: format!("layer{index}"),
            class: "Linear".to_owned(),
            operator: "linear".to_owned(),
            shape: vec![*width],
            channel_axis: 0,
        };
        self.layers.iter().enumerate().map(info).collect()
    }

    fn widths(&self) -> Vec<usize> {
        self.layers.iter().map(|(width, _)| *width).collect()
    }

    /// The ranges of these inputs.
    fn profile(&self) -> Vec<LayerProfile> {
        let needs = Needs { std: true, mean_difference: self.inputs > 1, ..Needs::default() };
        let mut state = profile::ProfileState::new(&self.widths(), needs).expect("little memory");
        for layer in 0..self.layers.len() {
            state.observe(self.batch(layer, 0, self.inputs).values(layer, 0));
        }
        state.finish().expect("two inputs")
    }

    /// The values of one layer for inputs `from..to`, in a range that scales them to themselves.
    fn batch(&self, layer: usize, from: usize, to: usize) -> LayerBatch {
        let (width, values) = &self.layers[layer];
        let values = &values[from * width..to * width];
        let batch = match self.units {
            true => LayerBatch::units(to - from, values.iter().map(|value| *value as f32).collect()),
            false => LayerBatch::channels(to - from, values.to_vec()),
        };
        batch.with_ranges(vec![InputRange { low: 0.0, high: 1.0 }; to - from])
    }

    /// Hands inputs `from..to` to `state` in one batch.
    fn feed(&self, state: &mut dyn State, from: usize, to: usize) {
        for layer in 0..self.layers.len() {
            let batch = self.batch(layer, from, to);
            let neurons = self.layers[layer].0;
            state.observe(LayerValues { neurons, ..batch.values(layer, from) });
        }
        let ended = state.end_batch(BatchEnd {
            first: from,
            inputs: to - from,
            classes: self.classes,
            logits: &self.logits[from * self.classes..to * self.classes],
            labels: self.labels.as_ref().map(|labels| &labels[from..to]),
        });
        ended.expect("a small stream");
    }
}

fn spec(text: &str) -> CriterionSpec {
    text.parse().expect("a criterion")
}

fn start(text: &str, stream: &Stream, profile: Option<&[LayerProfile]>) -> Box<dyn State> {
    let criterion = registry::criterion(&spec(text)).expect("a known criterion");
    let start = Start { layers: &stream.infos(), neurons: &stream.widths(), profile };
    criterion.start(start).expect("a criterion that can be started")
}

/// The state that was saved.
fn restore(text: &str, stream: &Stream, profile: Option<&[LayerProfile]>, saved: &[u8]) -> Result<Box<dyn State>> {
    let criterion = registry::criterion(&spec(text)).expect("a known criterion");
    criterion.restore(Start { layers: &stream.infos(), neurons: &stream.widths(), profile }, saved)
}

/// The state after the whole stream in one batch.
fn state(text: &str, stream: &Stream, profile: Option<&[LayerProfile]>) -> Box<dyn State> {
    let mut state = start(text, stream, profile);
    stream.feed(state.as_mut(), 0, stream.inputs);
    state
}

fn figures(text: &str, stream: &Stream, profile: Option<&[LayerProfile]>) -> Figures {
    state(text, stream, profile).figures()
}

/// Everything a state holds, so that two can be compared to the last bit.
fn contents(state: Box<dyn State>) -> Vec<u8> {
    state.save().expect("the state of a built-in criterion")
}
