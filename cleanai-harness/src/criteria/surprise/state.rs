//! What surprise criteria have seen.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Scores;
use super::buckets::Buckets;
use super::figures;
use crate::criteria::scope::Scope;
use crate::criteria::{BatchEnd, Figures, LayerTraces, LayerValues, Numbers, State, predicted_class};
use crate::{Error, ErrorKind, Result};

/// Inputs that are scored together at most.
const INPUTS: usize = 1024;

/// Values of theirs that are held at most, where there are not fewer than 16 inputs.
const VALUES: usize = 1 << 24;

/// A test input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Input {
    /// Its index in the data set.
    pub index: u64,
    /// The class the model predicts.
    pub class: u32,
    pub label: Option<i64>,
    /// Whether all its values are numbers.
    pub is_finite: bool,
}

/// Inputs that follow each other, from a multiple of their number on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Block {
    /// Those that have scores first; both parts ascend.
    inputs: Vec<Input>,
    /// The scores; NaN where there is none.
    scores: Vec<f64>,
    /// Traces of the inputs without scores.
    waiting: Vec<f32>,
}

pub(super) struct SurpriseState {
    scope: Scope,
    profile: Vec<LayerTraces>,
    /// Profile inputs left out.
    profile_skipped: u64,
    scores: Arc<Scores>,
    buckets: Option<Buckets>,
    /// Neurons of a trace.
    width: usize,
    /// Inputs of a block.
    size: u64,
    blocks: BTreeMap<u64, Block>,
    /// Traces of the batch that is running, and how many they are.
    batch: Vec<f32>,
    running: usize,
}

impl SurpriseState {
    pub fn new(
        scope: Scope,
        profile: Vec<LayerTraces>,
        profile_skipped: u64,
        scores: Scores,
        buckets: Option<Buckets>,
    ) -> Self {
        let width: usize = scope.neurons.iter().sum();
        let size = (VALUES / width.max(1)).clamp(16, INPUTS) as u64;
        let (blocks, batch) = (BTreeMap::new(), Vec::new());
        let scores = Arc::new(scores);
        Self { scope, profile, profile_skipped, scores, buckets, width, size, blocks, batch, running: 0 }
    }

    /// This state with what was saved.
    pub fn restored(mut self, saved: &[u8]) -> Result<Self> {
        let blocks: Vec<(u64, Block)> = self.scope.restored(saved)?;
        let ascend = |inputs: &[Input]| inputs.windows(2).all(|pair| pair[0].index <= pair[1].index);
        let is_sound = |(at, block): &(u64, Block)| {
            let Some((scored, waiting)) = block.inputs.split_at_checked(block.scores.len()) else { return false };
            let rows = waiting.iter().zip(block.waiting.chunks_exact(self.width));
            block.inputs.iter().all(|input| input.index / self.size == *at && input.index < 1 << 60)
                && ascend(scored)
                && ascend(waiting)
                && (waiting.len() as u64) < self.size
                && waiting.len().checked_mul(self.width) == Some(block.waiting.len())
                && rows.into_iter().all(|(input, row)| input.is_finite == is_finite(row))
                && block.scores.iter().all(|score| *score != f64::NEG_INFINITY)
        };
        if !blocks.windows(2).all(|pair| pair[0].0 < pair[1].0) || !blocks.iter().all(is_sound) {
            return Err(self.scope.does_not_fit());
        }
        self.blocks = blocks.into_iter().collect();
        Ok(self)
    }

    fn take<T: Copy>(&mut self, rows: &[T], values: &LayerValues<'_>, number: impl Fn(T) -> f32) {
        let before: usize = self.scope.neurons[..values.layer].iter().sum();
        if self.running != values.inputs {
            self.running = values.inputs;
            self.batch.clear();
            self.batch.resize(values.inputs * self.width, f32::NAN);
        }
        for (row, trace) in rows.chunks_exact(values.neurons.max(1)).zip(self.batch.chunks_exact_mut(self.width)) {
            let place = &mut trace[before..before + values.neurons];
            place.iter_mut().zip(row).for_each(|(place, value)| *place = number(*value));
        }
    }

    /// The scores of inputs with these traces.
    fn score(&self, inputs: &[Input], traces: &[f32]) -> Vec<f64> {
        let mut order: Vec<usize> = (0..inputs.len()).filter(|at| inputs[*at].is_finite).collect();
        order.sort_by_key(|at| inputs[*at].class);
        let mut rows = Vec::with_capacity(order.len() * self.width);
        order.iter().for_each(|at| rows.extend_from_slice(&traces[at * self.width..(at + 1) * self.width]));
        let classes: Vec<u32> = order.iter().map(|at| inputs[*at].class).collect();
        let mut scores = vec![f64::NAN; inputs.len()];
        for (at, score) in order.into_iter().zip(self.scores.of(&classes, &rows)) {
            scores[at] = score;
        }
        scores
    }

    /// Scores the inputs of a block if all are there.
    fn finish(&mut self, at: u64) {
        let Some(mut block) = self.blocks.remove(&at) else { return };
        let scored = block.scores.len();
        if (block.inputs.len() - scored) as u64 >= self.size {
            block.scores.extend(self.score(&block.inputs[scored..], &block.waiting));
            block.waiting = Vec::new();
        }
        self.blocks.insert(at, block);
    }

    /// Every input with its score, in the order of the data.
    fn scored(&self) -> Vec<(Input, f64)> {
        let of_block = |block: &Block| {
            let mut scores = block.scores.clone();
            scores.extend(self.score(&block.inputs[scores.len()..], &block.waiting));
            let mut all: Vec<(Input, f64)> = block.inputs.iter().copied().zip(scores).collect();
            all.sort_by_key(|(input, _)| input.index);
            all
        };
        self.blocks.values().flat_map(of_block).collect()
    }
}

fn is_finite(row: &[f32]) -> bool {
    row.iter().fold(true, |all, value| all & value.is_finite())
}

impl State for SurpriseState {
    fn observe(&mut self, values: LayerValues<'_>) {
        match values.values {
            Numbers::Double(rows) => self.take(rows, &values, |value| value as f32),
            Numbers::Single(rows) => self.take(rows, &values, |value| value),
            Numbers::Device(units) => self.take(&units.copy(), &values, |value| value),
        }
    }

    fn end_batch(&mut self, end: BatchEnd<'_>) -> Result<()> {
        let traces = std::mem::take(&mut self.batch);
        self.running = 0;
        let logits = (0..end.inputs).map(|at| &end.logits[at * end.classes..(at + 1) * end.classes]);
        for (at, (trace, logits)) in traces.chunks_exact(self.width).zip(logits).enumerate() {
            let index = (end.first + at) as u64;
            let block = self.blocks.entry(index / self.size).or_default();
            let class = predicted_class(logits) as u32;
            let label = end.labels.and_then(|labels| labels.get(at).copied());
            block.inputs.push(Input { index, class, label, is_finite: is_finite(trace) });
            block.waiting.extend_from_slice(trace);
            if (index + 1).is_multiple_of(self.size) {
                self.finish(index / self.size);
            }
        }
        self.batch = traces;
        self.batch.clear();
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn State>) -> Result<()> {
        let other: Self = self.scope.same_family(other)?;
        self.scope.agrees(&other.scope)?;
        if self.buckets != other.buckets
            || !self.profile.iter().zip(&other.profile).all(|(own, others)| is_same(own, others))
        {
            return Err(self.scope.does_not_merge("a state with the traces of another profile"));
        }
        for (at, others) in other.blocks {
            let own = self.blocks.remove(&at).unwrap_or_default();
            self.blocks.insert(at, own.with(others, self.width));
            self.finish(at);
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        if self.blocks.is_empty() {
            let what = format!("`{}` has seen no input", self.scope.spec.name);
            return Err(Error::new(ErrorKind::Criterion, what));
        }
        Ok(())
    }

    fn figures(&self) -> Figures {
        figures::of(&self.scope, &self.scores, self.buckets, self.profile_skipped, &self.scored())
    }

    fn save(&self) -> Result<Vec<u8>> {
        self.scope.saved(&self.blocks.iter().collect::<Vec<_>>())
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl Block {
    /// Both, each part in the order of the data.
    fn with(self, others: Self, width: usize) -> Self {
        let parts = [&self, &others].map(|block| block.inputs.split_at(block.scores.len()));
        let mut scored: Vec<(Input, f64)> = Vec::new();
        let mut waiting: Vec<(Input, &[f32])> = Vec::new();
        for ((inputs, left), block) in parts.into_iter().zip([&self, &others]) {
            scored.extend(inputs.iter().copied().zip(block.scores.iter().copied()));
            waiting.extend(left.iter().copied().zip(block.waiting.chunks_exact(width)));
        }
        scored.sort_by_key(|(input, _)| input.index);
        waiting.sort_by_key(|(input, _)| input.index);
        Self {
            inputs: scored.iter().map(|(input, _)| *input).chain(waiting.iter().map(|(input, _)| *input)).collect(),
            scores: scored.iter().map(|(_, score)| *score).collect(),
            waiting: waiting.iter().flat_map(|(_, row)| row.iter().copied()).collect(),
        }
    }
}

/// Whether the traces are the same, those that are no numbers among them.
fn is_same(own: &LayerTraces, others: &LayerTraces) -> bool {
    let (rows, other_rows) = (own.rows(), others.rows());
    let same = || rows.iter().zip(other_rows).all(|(one, other)| one.to_bits() == other.to_bits());
    own.width() == others.width()
        && own.inputs().predicted == others.inputs().predicted
        && (std::ptr::eq(rows, other_rows) || (rows.len() == other_rows.len() && same()))
}
