//! Tests of the criteria through the registry, as the pass uses them.

mod by_hand;
mod declared;
mod profiles;
mod properties;

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
        let mut state = profile::ProfileState::new(&self.widths());
        for (layer, (width, values)) in self.layers.iter().enumerate() {
            let (inputs, neurons) = (self.inputs, *width);
            state.observe(LayerValues { layer, first: 0, inputs, neurons, values, scaled: None });
        }
        state.finish()
    }

    /// Hands inputs `from..to` to `state` in one batch. The values double as scaled ones.
    fn feed(&self, state: &mut dyn State, from: usize, to: usize) {
        for (layer, (width, values)) in self.layers.iter().enumerate() {
            let values = &values[from * width..to * width];
            let (inputs, neurons) = (to - from, *width);
            state.observe(LayerValues { layer, first: from, inputs, neurons, values, scaled: Some(values) });
        }
        state.end_batch(BatchEnd {
            first: from,
            inputs: to - from,
            classes: self.classes,
            logits: &self.logits[from * self.classes..to * self.classes],
            labels: self.labels.as_ref().map(|labels| &labels[from..to]),
        });
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
fn contents(state: Box<dyn State>) -> String {
    let state = state.into_any();
    macro_rules! first_of {
        ($($kind:ty),*) => {
            $(if let Some(state) = state.downcast_ref::<$kind>() { return format!("{state:?}"); })*
        };
    }
    first_of!(
        threshold::ThresholdState,
        section::SectionState,
        corner::CornerState,
        top_k::TopKState,
        top_k::PatternState,
        accuracy::AccuracyState
    );
    panic!("a state of another kind")
}
