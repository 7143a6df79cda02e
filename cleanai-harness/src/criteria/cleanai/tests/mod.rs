//! Tests of the quantities through the registry, as the pass uses them.

mod brute_force;
mod by_hand;
mod states;

use crate::criteria::{
    BatchEnd, Criterion, Figures, LayerBatch, LayerProfile, Needs, Start, State, profile::ProfileState, registry,
};
use crate::declare::CriterionSpec;
use crate::model::LayerInfo;

/// Units of each layer, `inputs` rows of them.
#[derive(Debug, Clone)]
struct Stream {
    inputs: usize,
    layers: Vec<Vec<f32>>,
}

impl Stream {
    /// Layers as lists of rows.
    fn of(layers: &[&[&[f32]]]) -> Self {
        Self { inputs: layers[0].len(), layers: layers.iter().map(|rows| rows.concat()).collect() }
    }

    fn widths(&self) -> Vec<usize> {
        self.layers.iter().map(|units| units.len() / self.inputs).collect()
    }

    fn row(&self, layer: usize, input: usize) -> &[f32] {
        let width = self.layers[layer].len() / self.inputs;
        &self.layers[layer][input * width..(input + 1) * width]
    }

    fn infos(&self) -> Vec<LayerInfo> {
        let info = |(index, width): (usize, usize)| LayerInfo {
            name: format!("relu{index}"),
            class: "ReLU".to_owned(),
            operator: "relu".to_owned(),
            shape: vec![width],
            channel_axis: 0,
        };
        self.widths().into_iter().enumerate().map(info).collect()
    }

    fn profile(&self) -> Vec<LayerProfile> {
        let mut state = ProfileState::new(&self.widths(), Needs::default()).unwrap();
        for layer in 0..self.layers.len() {
            state.observe(self.batch(layer, 0, self.inputs).values(layer, 0));
        }
        state.finish().unwrap()
    }

    fn batch(&self, layer: usize, from: usize, to: usize) -> LayerBatch {
        let units = (from..to).flat_map(|input| self.row(layer, input).iter().copied()).collect();
        LayerBatch::units(to - from, units)
    }

    /// Hands inputs `from..to` to a state in one batch; they are named `0`, `1` and so on.
    fn feed(&self, state: &mut dyn State, from: usize, to: usize) {
        state.begin_batch(from, to - from, &|input| input.to_string());
        for layer in 0..self.layers.len() {
            state.observe(self.batch(layer, from, to).values(layer, from));
        }
        let end = BatchEnd { first: from, inputs: to - from, classes: 0, logits: &[], labels: None };
        state.end_batch(end).unwrap();
    }

    /// A state that has seen inputs `from..to`, `size` at a time.
    fn state(&self, text: &str, profile: &[LayerProfile], (from, to): (usize, usize), size: usize) -> Box<dyn State> {
        let (infos, widths) = (self.infos(), self.widths());
        let mut state = criterion(text).start(start(&infos, &widths, profile)).unwrap();
        let mut at = from;
        while at < to {
            self.feed(state.as_mut(), at, to.min(at + size));
            at += size;
        }
        state
    }

    fn figures(&self, text: &str) -> Figures {
        self.state(text, &self.profile(), (0, self.inputs), self.inputs).figures()
    }

    /// Covered and total.
    fn counts(&self, text: &str) -> (u64, u64) {
        let figures = self.figures(text);
        (figures.covered.unwrap(), figures.total.unwrap())
    }
}

fn start<'a>(layers: &'a [LayerInfo], neurons: &'a [usize], profile: &'a [LayerProfile]) -> Start<'a> {
    Start { layers, neurons, profile: Some(profile) }
}

fn spec(text: &str) -> CriterionSpec {
    text.parse().unwrap()
}

fn criterion(text: &str) -> Box<dyn Criterion> {
    registry::criterion(&spec(text)).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// All of them, with parameters that make a difference.
const ALL: [&str; 14] = [
    "cleanai::nc",
    "cleanai::tc",
    "cleanai::tc(threshold=0.25)",
    "cleanai::sign",
    "cleanai::value(threshold=0.3)",
    "cleanai::ss",
    "cleanai::sv(threshold=0.3)",
    "cleanai::vs(threshold=0.3)",
    "cleanai::vv(threshold=0.3)",
    "cleanai::tknc",
    "cleanai::tknc(k=2)",
    "cleanai::nbc",
    "cleanai::mnc",
    "cleanai::mnc(intervals=[[-1, 0.5], [0.25, 1]])",
];
