//! Against plain definitions, and the laws of states.

mod distances;
mod likelihoods;
mod refused;
mod states;

use std::sync::Arc;

use proptest::prelude::*;

use crate::criteria::{BatchEnd, Figures, LayerBatch, LayerProfile, LayerTraces, Start, State, TraceInputs, registry};
use crate::model::LayerInfo;

/// Inputs with their traces, of one layer or several, and classes.
#[derive(Debug, Clone)]
struct Set {
    widths: Vec<usize>,
    rows: Vec<Vec<f32>>,
    classes: Vec<u32>,
}

impl Set {
    /// One neuron.
    fn line(values: &[(f32, u32)]) -> Self {
        let (rows, classes) = values.iter().map(|(value, class)| (vec![*value], *class)).unzip();
        Self { widths: vec![1], rows, classes }
    }

    fn layers(&self) -> Vec<LayerInfo> {
        let layer = |(at, width): (usize, &usize)| LayerInfo {
            name: format!("layer{at}"),
            class: "Linear".into(),
            operator: "linear".into(),
            shape: vec![*width],
            channel_axis: 0,
        };
        self.widths.iter().enumerate().map(layer).collect()
    }

    fn logits(&self, from: usize, to: usize) -> Vec<f64> {
        let one_hot = |class: &u32| (0..10).map(|at| f64::from(u8::from(at == *class))).collect::<Vec<_>>();
        self.classes[from..to].iter().flat_map(one_hot).collect()
    }

    /// The rows of one layer.
    fn layer_rows(&self, layer: usize, from: usize, to: usize) -> Vec<f32> {
        let start: usize = self.widths[..layer].iter().sum();
        self.rows[from..to].iter().flat_map(|row| row[start..start + self.widths[layer]].to_vec()).collect()
    }

    fn profile(&self) -> Vec<LayerProfile> {
        let mut inputs = TraceInputs::default();
        inputs.push(10, &self.logits(0, self.rows.len()), None);
        let inputs = Arc::new(inputs);
        let layer = |layer: usize| {
            let rows = self.layer_rows(layer, 0, self.rows.len());
            let traces = LayerTraces::new(Arc::new(rows), self.widths[layer], Arc::clone(&inputs));
            LayerProfile { traces: Some(traces), ..LayerProfile::default() }
        };
        (0..self.widths.len()).map(layer).collect()
    }

    fn feed(&self, state: &mut dyn State, from: usize, to: usize) {
        for layer in 0..self.widths.len() {
            let values = self.layer_rows(layer, from, to).into_iter().map(f64::from).collect();
            state.observe(LayerBatch::channels(to - from, values).values(layer, from));
        }
        // Labels are the classes but for every seventh.
        let labels: Vec<i64> = (from..to).map(|at| i64::from(self.classes[at] + u32::from(at % 7 == 0))).collect();
        let logits = self.logits(from, to);
        let end = BatchEnd { first: from, inputs: to - from, classes: 10, logits: &logits, labels: Some(&labels) };
        state.end_batch(end).unwrap();
    }
}

fn begin(text: &str, profile: &Set) -> crate::Result<Box<dyn State>> {
    let (layers, traces) = (profile.layers(), profile.profile());
    let start = Start { layers: &layers, neurons: &profile.widths, profile: Some(&traces) };
    registry::criterion(&text.parse().unwrap())?.start(start)
}

fn restored(text: &str, profile: &Set, saved: &[u8]) -> crate::Result<Box<dyn State>> {
    let (layers, traces) = (profile.layers(), profile.profile());
    let start = Start { layers: &layers, neurons: &profile.widths, profile: Some(&traces) };
    registry::criterion(&text.parse().unwrap())?.restore(start, saved)
}

fn figures(text: &str, profile: &Set, test: &Set) -> Figures {
    let mut state = begin(text, profile).unwrap();
    test.feed(state.as_mut(), 0, test.rows.len());
    state.figures()
}

fn scores(text: &str, profile: &Set, test: &Set) -> Vec<f64> {
    figures(text, profile, test).per_input.columns[0].1.clone()
}

fn refusal(text: &str, profile: &Set) -> String {
    begin(text, profile).err().expect("refused").to_string()
}

/// Numbers that scatter around 0, a few hundred standard deviations of nothing.
fn scattered(count: usize, mut seed: u64) -> Vec<f32> {
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as f32 / (1u32 << 30) as f32 - 1.0
    };
    (0..count).map(|_| next() + next() + next()).collect()
}

/// Classes in turn, each around a place of its own.
fn clusters(inputs: usize, widths: &[usize], classes: u32, seed: u64) -> Set {
    let width: usize = widths.iter().sum();
    let values = scattered(inputs * width, seed);
    let classes: Vec<u32> = (0..inputs).map(|at| (at as u32 * 7 + at as u32 / 13) % classes).collect();
    let place = |class: u32, neuron: usize| f32::from(u8::from(neuron % 5 == class as usize)) * 1.5;
    let row = |at: usize| {
        let own = &values[at * width..(at + 1) * width];
        own.iter().enumerate().map(|(neuron, value)| value + place(classes[at], neuron)).collect()
    };
    Set { widths: widths.to_vec(), rows: (0..inputs).map(row).collect(), classes }
}

fn same(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(found == expected || (found.is_nan() && expected.is_nan()), "{at}: {found}, not {expected}");
    }
}

fn close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() <= tolerance * expected.abs().max(1.0), "{at}: {found}, not {expected}");
    }
}

fn small() -> impl Strategy<Value = (Set, Set)> {
    let value = prop_oneof![3 => (-2i32..=2).prop_map(|value| value as f32), 2 => -2f32..2.0];
    let scale = prop_oneof![4 => Just((1.0f32, 0.0f32)), 1 => Just((1e-25, 0.0)), 1 => Just((1e18, 0.0)), 1 => Just((1e-3, 1e4)), 1 => Just((1e30, -3e30))];
    (1usize..20, 2usize..60, 1usize..20, scale).prop_flat_map(move |(width, profile, test, (scale, offset))| {
        let set = |count: usize| {
            let rows = proptest::collection::vec(proptest::collection::vec(value.clone(), width), count);
            (rows, proptest::collection::vec(0u32..3, count)).prop_map(move |(mut rows, classes)| {
                rows.iter_mut().flatten().for_each(|value| *value = *value * scale + offset);
                Set { widths: vec![width], rows, classes }
            })
        };
        (set(profile), set(test)).prop_map(|(mut profile, test)| {
            (profile.classes[0], profile.classes[1]) = (0, 1);
            (profile, test)
        })
    })
}
