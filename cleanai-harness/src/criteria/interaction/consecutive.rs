//! The first input compared with the second, the third with the fourth: two inputs at a time, by their index in the data set.

use std::any::Any;

use super::signs::{Signs, are_within, ones};
use super::{Change, Frame};
use crate::Result;
use crate::criteria::coverage::{Coverage, FirstCover};
use crate::criteria::{BatchEnd, Figures, LayerValues, State};

#[derive(Debug)]
pub(super) struct ConsecutiveState {
    frame: Frame,
    /// Indices of the inputs seen; nothing before the first.
    seen: Option<Seen>,
    /// By layer the values of the first input, where its partner came before it; empty where not.
    head: Vec<Vec<f64>>,
    /// By layer the values of the last input, where its partner is still to come; empty where not.
    tail: Vec<Vec<f64>>,
    /// By first layer; a row of bits for each of its neurons.
    coverage: Vec<Coverage>,
    /// Of the batch under way: what the last layer's neurons do as first neurons, by pair of inputs.
    first_neurons: Vec<Vec<u64>>,
}

/// Inputs from `first` up to `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Seen {
    first: u64,
    end: u64,
}

/// Two inputs, and the index of the second.
struct Two<'a> {
    input: usize,
    values: (&'a [f64], &'a [f64]),
}

impl ConsecutiveState {
    pub(super) fn new(frame: Frame) -> Self {
        let layers = frame.scope.neurons.len();
        let none = vec![Vec::new(); layers];
        let coverage = Coverage::of_layers((0..frame.adjacent()).map(|first| frame.bits(first) as usize));
        Self { frame, seen: None, head: none.clone(), tail: none, coverage, first_neurons: Vec::new() }
    }

    pub(super) fn restored(frame: Frame, saved: &[u8]) -> Result<Self> {
        type Rows = Vec<Vec<f64>>;
        let (seen, head, tail, coverage): (Option<Seen>, Rows, Rows, Vec<Coverage>) = frame.scope.restored(saved)?;
        let has = |rows: &Rows, there: bool| {
            let expected = |neurons: &usize| if there { *neurons } else { 0 };
            rows.len() == frame.scope.neurons.len()
                && rows.iter().zip(&frame.scope.neurons).all(|(row, neurons)| row.len() == expected(neurons))
        };
        let covers = |(first, coverage): (usize, &Coverage)| {
            coverage.is_sound(frame.bits(first) as usize)
                && are_within(coverage.words(), frame.scope.neurons[first + 1])
        };
        let fits = seen.is_none_or(|seen| seen.first < seen.end)
            && has(&head, seen.is_some_and(|seen| is_odd(seen.first)))
            && has(&tail, seen.is_some_and(|seen| is_odd(seen.end)))
            && coverage.len() == frame.adjacent()
            && coverage.iter().enumerate().all(covers);
        if !fits {
            return Err(frame.scope.does_not_fit());
        }
        Ok(Self { seen, head, tail, coverage, ..Self::new(frame) })
    }

    /// What the neurons of a layer do between two inputs that counts for a first neuron: the bits of those that do.
    fn as_first(&self, layer: usize, two: &Two<'_>) -> Vec<u64> {
        let signs = self.changed_signs(layer, two);
        let changed = ones(&signs).take(2).count();
        match (self.frame.changes.0, changed) {
            (Change::Sign, 1) => signs,
            (Change::Value, 0) => self.changed_values(layer, two),
            _ => vec![0; signs.len()],
        }
    }

    /// The same for a second neuron.
    fn as_second(&self, layer: usize, two: &Two<'_>) -> Vec<u64> {
        let signs = self.changed_signs(layer, two);
        match self.frame.changes.1 {
            Change::Sign => signs,
            Change::Value => {
                let values = self.changed_values(layer, two);
                values.iter().zip(&signs).map(|(values, signs)| values & !signs).collect()
            }
        }
    }

    fn changed_signs(&self, layer: usize, two: &Two<'_>) -> Vec<u64> {
        let neurons = self.frame.scope.neurons[layer];
        let (one, other) = (Signs::of(two.values.0, neurons), Signs::of(two.values.1, neurons));
        one.bits().iter().zip(other.bits()).map(|(one, other)| one ^ other).collect()
    }

    fn changed_values(&self, layer: usize, two: &Two<'_>) -> Vec<u64> {
        let distances = self.frame.distances[layer].chunks(64);
        let values = two.values.0.chunks(64).zip(two.values.1.chunks(64));
        let word = |((one, other), distances): ((&[f64], &[f64]), &[f64])| {
            let changed =
                one.iter().zip(other).zip(distances).map(|((one, other), distance)| (one - other).abs() > *distance);
            changed.rev().fold(0, |word, changed| word << 1 | u64::from(changed))
        };
        values.zip(distances).map(word).collect()
    }

    /// Covers what the neurons of a layer and those of the next do together between the same pairs of inputs.
    fn cover(&mut self, first: usize, pairs: &[(usize, Vec<u64>, Vec<u64>)]) {
        let words = self.frame.words(first + 1);
        if words == 0 || pairs.iter().all(|(_, left, _)| left.iter().all(|word| *word == 0)) {
            return;
        }
        let work = |neuron: usize, row: &mut [u64], found: &mut Vec<FirstCover>| {
            for (input, left, right) in pairs {
                if left[neuron / 64] >> (neuron % 64) & 1 == 0 {
                    continue;
                }
                for (at, (word, right)) in row.iter_mut().zip(right).enumerate() {
                    let new = right & !*word;
                    *word |= new;
                    found.extend(ones(&[new]).map(|bit| FirstCover {
                        input: *input as u32,
                        item: ((neuron * words + at) * 64 + bit) as u32,
                    }));
                }
            }
        };
        self.coverage[first].in_blocks(words * 64, false, work);
    }
}

fn is_odd(index: u64) -> bool {
    index % 2 == 1
}

impl State for ConsecutiveState {
    fn observe(&mut self, values: LayerValues<'_>) {
        if values.inputs == 0 {
            return;
        }
        let (layer, neurons, first) = (values.layer, values.neurons, values.first);
        let rows = values.values.to_f64();
        let row = |index: usize| &rows[index * neurons..(index + 1) * neurons];
        let tail = std::mem::take(&mut self.tail[layer]);
        let mut pairs = Vec::new();
        if first % 2 == 1 {
            match self.seen {
                None => self.head[layer] = row(0).to_vec(),
                Some(seen) if seen.end == first as u64 => pairs.push(Two { input: first, values: (&tail, row(0)) }),
                Some(_) => {}
            }
        }
        for second in (1..values.inputs).filter(|second| (first + second) % 2 == 1) {
            pairs.push(Two { input: first + second, values: (row(second - 1), row(second)) });
        }
        if (first + values.inputs) % 2 == 1 {
            self.tail[layer] = row(values.inputs - 1).to_vec();
        }
        if layer > 0 {
            let before = std::mem::take(&mut self.first_neurons).into_iter();
            let both = before.zip(&pairs).map(|(left, two)| (two.input, left, self.as_second(layer, two)));
            let both: Vec<_> = both.collect();
            self.cover(layer - 1, &both);
        }
        self.first_neurons = pairs.iter().map(|two| self.as_first(layer, two)).collect();
    }

    fn end_batch(&mut self, end: BatchEnd<'_>) -> Result<()> {
        if end.inputs > 0 {
            let first = end.first as u64;
            let seen = self.seen.get_or_insert(Seen { first, end: first });
            seen.end = first + end.inputs as u64;
            self.first_neurons.clear();
            self.coverage.iter_mut().for_each(|coverage| coverage.end_batch(end.first));
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        self.frame.check(self.seen.map_or(0, |seen| seen.end - seen.first))
    }

    fn merge(&mut self, other: Box<dyn State>) -> Result<()> {
        let other: Self = self.frame.scope.same_family(other)?;
        self.frame.agrees(&other.frame)?;
        let (own, others) = match (self.seen, other.seen) {
            (_, None) => return Ok(()),
            (None, Some(_)) => {
                *self = other;
                return Ok(());
            }
            (Some(own), Some(others)) => (own, others),
        };
        // The last input of this one and the first of the other may be partners.
        if own.end == others.first && is_odd(others.first) {
            let input = others.first as usize;
            for first in 0..self.frame.adjacent() {
                let two = |layer: usize| Two { input, values: (&self.tail[layer], &other.head[layer]) };
                let both = [(input, self.as_first(first, &two(first)), self.as_second(first + 1, &two(first + 1)))];
                self.cover(first, &both);
            }
            self.coverage.iter_mut().for_each(|coverage| coverage.end_batch(input));
        }
        for (own, others) in self.coverage.iter_mut().zip(&other.coverage) {
            own.merge(others);
        }
        self.seen = Some(Seen { first: own.first, end: others.end });
        self.tail = other.tail;
        Ok(())
    }

    fn figures(&self) -> Figures {
        self.frame.covered(&self.coverage)
    }

    fn save(&self) -> Result<Vec<u8>> {
        self.frame.scope.saved(&(self.seen, &self.head, &self.tail, &self.coverage))
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
