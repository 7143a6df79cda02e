//! Every two inputs compared: all values are held, and compared in the end.

use std::any::Any;

use serde::{Deserialize, Serialize};

use super::cover::{Columns, sign_sign, sign_value, value_sign, value_value};
use super::groups::Groups;
use super::signs::{Signs, are_within};
use super::{Change, Frame};
use crate::criteria::{BatchEnd, Figures, LayerValues, State};
use crate::{Error, ErrorKind, Result};

/// Bytes held at most.
const MOST_HELD: usize = 4 << 30;

/// What is held of a layer, for all inputs.
#[derive(Debug, Clone, PartialEq)]
enum Held {
    /// The signs, where no change of value is asked for.
    Signs(Signs),
    /// The values.
    Values(Vec<f64>),
}

impl Held {
    fn new(values: bool, neurons: usize) -> Self {
        if values { Self::Values(Vec::new()) } else { Self::Signs(Signs::of(&[], neurons)) }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Signs(signs) => size_of_val(signs.bits()),
            Self::Values(values) => size_of_val(&values[..]),
        }
    }

    fn values(&self) -> &[f64] {
        match self {
            Self::Values(values) => values,
            Self::Signs(_) => &[],
        }
    }

    /// The signs of the inputs in this order, or their own.
    fn signs(&self, neurons: usize, order: Option<&[u32]>) -> Signs {
        match (self, order) {
            (Self::Signs(signs), None) => signs.clone(),
            (Self::Signs(signs), Some(order)) => signs.ordered(order),
            (Self::Values(values), None) => Signs::of(values, neurons),
            (Self::Values(values), Some(order)) => Signs::of(values, neurons).ordered(order),
        }
    }
}

/// What is written of a layer.
#[derive(Serialize, Deserialize)]
enum Saved<Bits, Values> {
    Signs(Bits),
    Values(Values),
}

#[derive(Debug)]
pub(super) struct AllState {
    frame: Frame,
    inputs: u64,
    layers: Vec<Held>,
}

impl AllState {
    pub(super) fn new(frame: Frame) -> Self {
        let layers = frame.scope.neurons.iter().enumerate();
        let layers = layers.map(|(layer, neurons)| Held::new(frame.holds_values(layer), *neurons)).collect();
        Self { frame, inputs: 0, layers }
    }

    pub(super) fn restored(frame: Frame, saved: &[u8]) -> Result<Self> {
        type Layers = Vec<Saved<Vec<u64>, Vec<f64>>>;
        let (inputs, saved): (u64, Layers) = frame.scope.restored(saved)?;
        let mut state = Self { inputs, ..Self::new(frame) };
        let neurons = &state.frame.scope.neurons;
        if saved.len() != neurons.len() {
            return Err(state.frame.scope.does_not_fit());
        }
        for ((own, saved), neurons) in state.layers.iter_mut().zip(saved).zip(neurons) {
            let fits = |length: usize, row: usize| Some(length as u64) == inputs.checked_mul(row as u64);
            *own = match (saved, &own) {
                (Saved::Signs(bits), Held::Signs(_))
                    if fits(bits.len(), neurons.div_ceil(64)) && are_within(&bits, *neurons) =>
                {
                    Held::Signs(Signs::of_bits(bits, *neurons))
                }
                (Saved::Values(values), Held::Values(_)) if fits(values.len(), *neurons) => Held::Values(values),
                _ => return Err(state.frame.scope.does_not_fit()),
            };
        }
        Ok(state)
    }

    fn check_memory(&self) -> Result<()> {
        if self.layers.iter().map(Held::bytes).sum::<usize>() <= MOST_HELD {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Criterion,
            format!(
                "`{}` holds what it compares until all inputs are there, and after {} of them that is more than 4 GiB",
                self.frame.scope.spec, self.inputs
            ),
        )
        .with_help("take `pairs = \"consecutive\"`, which holds only two inputs, or fewer layers or inputs"))
    }

    /// How many pairs of neurons of a layer and the next one are covered.
    fn count(&self, first: usize) -> u64 {
        let (neurons, words) = (self.frame.scope.neurons[first], self.frame.words(first + 1));
        // Without neurons the number of inputs is nothing to go by.
        if neurons == 0 || words == 0 {
            return 0;
        }
        let (left, right) = (&self.layers[first], &self.layers[first + 1]);
        let width = self.frame.scope.neurons[first + 1];
        let changes = self.frame.changes;
        let (groups, neighbours) =
            Groups::of(&left.signs(neurons, None), self.inputs as usize, neurons, changes.0 == Change::Sign);
        let left = || Columns::of(left.values(), &self.frame.distances[first], &groups);
        let right_signs = || right.signs(width, Some(&groups.order));
        let right = || Columns::of(right.values(), &self.frame.distances[first + 1], &groups);
        let mut bits = vec![0; neurons * words];
        match changes {
            (Change::Sign, Change::Sign) => sign_sign(&groups, &neighbours, &right_signs(), &mut bits, words),
            (Change::Sign, Change::Value) => sign_value(&groups, &neighbours, &right(), &mut bits, words),
            (Change::Value, Change::Sign) => value_sign(&groups, &left(), &right_signs(), &mut bits, words),
            (Change::Value, Change::Value) => value_value(&groups, &left(), &right(), &mut bits, words),
        }
        bits.iter().map(|word| u64::from(word.count_ones())).sum()
    }
}

impl Frame {
    /// Whether some comparison asks for a change of value in this layer.
    fn holds_values(&self, layer: usize) -> bool {
        let as_first = layer < self.adjacent() && self.changes.0 == Change::Value;
        as_first || (layer > 0 && self.changes.1 == Change::Value)
    }
}

impl State for AllState {
    fn observe(&mut self, values: LayerValues<'_>) {
        let rows = values.values.to_f64();
        match &mut self.layers[values.layer] {
            Held::Signs(signs) => signs.extend(&rows, values.neurons),
            Held::Values(held) => held.extend_from_slice(&rows),
        }
    }

    fn end_batch(&mut self, end: BatchEnd<'_>) -> Result<()> {
        self.inputs = self.inputs.saturating_add(end.inputs as u64);
        self.check_memory()
    }

    fn check(&self) -> Result<()> {
        self.frame.check(self.inputs)
    }

    fn merge(&mut self, other: Box<dyn State>) -> Result<()> {
        let other: Self = self.frame.scope.same_family(other)?;
        self.frame.agrees(&other.frame)?;
        self.inputs = self.inputs.saturating_add(other.inputs);
        for (own, others) in self.layers.iter_mut().zip(&other.layers) {
            match (own, others) {
                (Held::Signs(own), Held::Signs(others)) => own.append(others),
                (Held::Values(own), Held::Values(others)) => own.extend_from_slice(others),
                _ => return Err(self.frame.scope.does_not_merge("the state of another criterion")),
            }
        }
        self.check_memory()
    }

    fn figures(&self) -> Figures {
        let counts = (0..self.frame.adjacent()).map(|first| (self.count(first), self.frame.pairs(first)));
        self.frame.figures_scope().shares(counts)
    }

    fn save(&self) -> Result<Vec<u8>> {
        let layers: Vec<Saved<&[u64], &[f64]>> = self
            .layers
            .iter()
            .map(|layer| match layer {
                Held::Signs(signs) => Saved::Signs(signs.bits()),
                Held::Values(values) => Saved::Values(&values[..]),
            })
            .collect();
        self.frame.scope.saved(&(self.inputs, layers))
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
