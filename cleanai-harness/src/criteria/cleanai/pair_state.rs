//! The state of the criteria that compare two inputs: units are kept until the second input comes, then only counts.

use std::any::Any;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::criteria::scope::{Scope, share};
use crate::criteria::{Figures, LayerFigures, LayerValues, Start, State};
use crate::declare::CriterionSpec;
use crate::{Error, ErrorKind, Result};

use super::kernel::{self, Changes};
use super::units;

/// What is counted of a layer, or of two adjacent ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// Units whose sign changes.
    Sign,
    /// Units whose value changes.
    Value,
    /// Pairs: the left side by sign or value, then the right side.
    Pairs { left: Side, right: Side },
}

/// What must change of one unit of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Sign,
    Value,
}

/// Parameters, checked.
#[derive(Debug, Clone)]
pub(super) struct Comparison {
    pub counted: Counted,
    /// What a difference must exceed, as the f32 that decides as the f64 does.
    pub threshold: f32,
    /// The same for the right side of a pair.
    pub right: f32,
    /// Names of the two inputs; `None` for the first two of the data set.
    pub inputs: Option<[String; 2]>,
}

/// One layer: of each of the two inputs its units until both are there, shared by all criteria that keep them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum LayerPair {
    Waiting(#[serde(with = "as_lists")] KeptPair),
    Compared(Changes),
}

type KeptPair = [Option<Arc<[f32]>>; 2];

/// Kept rows are written as if each state had its own.
mod as_lists {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::KeptPair;

    pub fn serialize<S: Serializer>(rows: &KeptPair, serializer: S) -> Result<S::Ok, S::Error> {
        rows.each_ref().map(Option::as_deref).serialize(serializer)
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(deserializer: D) -> Result<KeptPair, D::Error> {
        let rows = <[Option<Vec<f32>>; 2]>::deserialize(deserializer)?;
        Ok(rows.map(|row| row.map(Into::into)))
    }
}

#[derive(Debug)]
pub(super) struct PairState {
    scope: Scope,
    comparison: Comparison,
    layers: Vec<LayerPair>,
    /// Index and name of each of the two inputs; the first two have their index from the start.
    found: [Option<Found>; 2],
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Found {
    input: u64,
    name: Option<String>,
}

impl PairState {
    pub fn new(spec: &CriterionSpec, start: &Start<'_>, comparison: &Comparison) -> Result<Self> {
        let scope = Scope::new(spec, start)?;
        let totals = scope.neurons.windows(2).map(|pair| pair[0] as u64 * pair[1] as u64);
        if totals.into_iter().try_fold(0u64, u64::checked_add).is_none() {
            let what = format!("`{}` has more pairs of units than can be counted", spec.name);
            return Err(Error::new(ErrorKind::Criterion, what).with_help("select fewer layers"));
        }
        let layers = vec![LayerPair::Waiting([None, None]); scope.neurons.len()];
        let found = match comparison.inputs {
            Some(_) => [None, None],
            None => [0, 1].map(|input| Some(Found { input, name: None })),
        };
        Ok(Self { scope, comparison: comparison.clone(), layers, found })
    }

    /// The state that was saved, its numbers checked against each other and the layers.
    pub fn restored(spec: &CriterionSpec, start: &Start<'_>, comparison: &Comparison, saved: &[u8]) -> Result<Self> {
        let mut state = Self::new(spec, start, comparison)?;
        let (layers, found): (Vec<LayerPair>, [Option<Found>; 2]) = state.scope.restored(saved)?;
        let sound = |layer: &LayerPair, width: usize| match layer {
            LayerPair::Waiting([Some(_), Some(_)]) => false,
            LayerPair::Waiting(units) => units.iter().flatten().all(|units| units.len() == width),
            LayerPair::Compared(Changes { signs, values, both, right }) => {
                let width = width as u64;
                *signs <= width && *values <= width && *right <= width - signs && both <= signs && both <= values
            }
        };
        let named = comparison.inputs.is_some();
        let indices = found.iter().zip(&state.found).all(|(saved, own)| match (saved, own) {
            (Some(saved), Some(own)) => saved.input == own.input,
            (None, Some(_)) => false,
            (_, None) => named,
        });
        let fits = layers.len() == state.scope.neurons.len()
            && layers.iter().zip(&state.scope.neurons).all(|(layer, width)| sound(layer, *width))
            && indices;
        if !fits {
            return Err(state.scope.does_not_fit());
        }
        (state.layers, state.found) = (layers, found);
        Ok(state)
    }

    /// The row of one of the two inputs in a batch, and its place.
    fn row<'u>(&self, which: usize, values: &LayerValues<'_>, units: &'u [f32]) -> Option<(usize, &'u [f32])> {
        let input = self.found[which].as_ref()?.input;
        let row = usize::try_from(input).ok()?.checked_sub(values.first).filter(|row| *row < values.inputs)?;
        Some((row, units.get(row * values.neurons..(row + 1) * values.neurons)?))
    }

    /// The layers that have been compared, all of them or none.
    fn compared(&self) -> Option<Vec<Changes>> {
        let changes = |layer: &LayerPair| match layer {
            LayerPair::Compared(changes) => Some(*changes),
            LayerPair::Waiting(_) => None,
        };
        self.layers.iter().map(changes).collect()
    }

    /// Covered pairs of two adjacent layers: the closed form of "some left unit and some right unit".
    fn covered(left: &Changes, right: &Changes, (left_side, right_side): (Side, Side)) -> u64 {
        let left = match (left_side, left.signs) {
            (Side::Sign, 1) => 1,
            (Side::Sign, _) => 0,
            (Side::Value, 0) => left.values,
            // One unit changes its sign: only it leaves the other units of the layer without a change.
            (Side::Value, 1) => left.both,
            (Side::Value, _) => 0,
        };
        let right = match right_side {
            Side::Sign => right.signs,
            Side::Value => right.right,
        };
        left * right
    }

    fn pairs(&self, layers: &[Changes], sides: (Side, Side)) -> Figures {
        let widths = self.scope.neurons.windows(2).zip(self.scope.names.windows(2));
        let layers: Vec<LayerFigures> = layers
            .windows(2)
            .zip(widths)
            .map(|(layers, (widths, names))| {
                let (covered, total) =
                    (Self::covered(&layers[0], &layers[1], sides), widths[0] as u64 * widths[1] as u64);
                LayerFigures {
                    name: format!("{} -> {}", names[0], names[1]),
                    value: share(covered, total),
                    covered: Some(covered),
                    total: Some(total),
                }
            })
            .collect();
        let covered = layers.iter().filter_map(|layer| layer.covered).sum();
        let total = layers.iter().filter_map(|layer| layer.total).sum();
        Figures {
            value: share(covered, total),
            covered: Some(covered),
            total: Some(total),
            layers,
            ..Figures::default()
        }
    }
}

impl State for PairState {
    fn begin_batch(&mut self, first: usize, inputs: usize, name: &dyn Fn(usize) -> String) {
        match &self.comparison.inputs {
            None => {
                for found in self.found.iter_mut().flatten() {
                    let own = usize::try_from(found.input).ok().filter(|own| (first..first + inputs).contains(own));
                    if let Some(own) = own {
                        found.name = Some(name(own));
                    }
                }
            }
            Some(wanted) => {
                for input in first..first + inputs {
                    if self.found.iter().all(Option::is_some) {
                        break;
                    }
                    let name = name(input);
                    for (found, _) in self.found.iter_mut().zip(wanted).filter(|(_, wanted)| **wanted == name) {
                        found.get_or_insert(Found { input: input as u64, name: Some(name.clone()) });
                    }
                }
            }
        }
    }

    fn observe(&mut self, values: LayerValues<'_>) {
        let all = units(&values);
        let rows = [self.row(0, &values, &all), self.row(1, &values, &all)];
        let (threshold, right) = (self.comparison.threshold, self.comparison.right);
        let layer = &mut self.layers[values.layer];
        let LayerPair::Waiting(kept) = layer else { return };
        let [first, second] = [0, 1].map(|which| kept[which].as_deref().or(rows[which].map(|(_, row)| row)));
        match (first, second) {
            (Some(first), Some(second)) => {
                *layer = LayerPair::Compared(kernel::changes(first, second, threshold, right));
            }
            _ => {
                for (kept, row) in kept.iter_mut().zip(rows) {
                    if let (None, Some((place, row))) = (&kept, row) {
                        *kept = Some(values.kept_rows.keep(place, row));
                    }
                }
            }
        }
    }

    fn check(&self) -> Result<()> {
        if self.compared().is_some() {
            return Ok(());
        }
        let spec = &self.scope.spec;
        let wrong = |what: String| Error::new(ErrorKind::Data, what);
        match &self.comparison.inputs {
            None => Err(self.scope.compares_two_inputs()),
            Some(wanted) => {
                let missing: Vec<String> = wanted
                    .iter()
                    .zip(&self.found)
                    .filter(|(_, found)| found.is_none())
                    .map(|(name, _)| format!("`{name}`"))
                    .collect();
                Err(wrong(format!(
                    "`{}` compares two inputs by name, and {} was not read",
                    spec.name,
                    missing.join(" nor ")
                ))
                .with_help(
                    "name inputs as the data does: an image by its path below the folder, an array's input by the \
                                file and its position",
                ))
            }
        }
    }

    fn merge(&mut self, other: Box<dyn State>) -> Result<()> {
        let other: Self = self.scope.same_family(other)?;
        self.scope.agrees(&other.scope)?;
        for (own, other) in self.found.iter_mut().zip(other.found) {
            match (own.as_mut(), other) {
                (None, other) => *own = other,
                (Some(own), Some(other)) if own.name.is_none() && own.input == other.input => own.name = other.name,
                _ => {}
            }
        }
        let (threshold, right) = (self.comparison.threshold, self.comparison.right);
        for (own, other) in self.layers.iter_mut().zip(other.layers) {
            let LayerPair::Waiting(kept) = own else { continue };
            match other {
                LayerPair::Compared(_) => *own = other,
                LayerPair::Waiting(others) => {
                    for (own, other) in kept.iter_mut().zip(others) {
                        if own.is_none() {
                            *own = other;
                        }
                    }
                    if let [Some(first), Some(second)] = kept {
                        *own = LayerPair::Compared(kernel::changes(first, second, threshold, right));
                    }
                }
            }
        }
        Ok(())
    }

    fn figures(&self) -> Figures {
        let Some(layers) = self.compared() else { return Figures::default() };
        let counts = |count: fn(&Changes) -> u64| {
            self.scope.shares(layers.iter().map(count).zip(self.scope.neurons.iter().map(|width| *width as u64)))
        };
        let mut figures = match self.comparison.counted {
            Counted::Sign => counts(|changes| changes.signs),
            Counted::Value => counts(|changes| changes.values),
            Counted::Pairs { left, right } => self.pairs(&layers, (left, right)),
        };
        let found = self.found.iter().flatten();
        let names: Vec<String> =
            found.map(|found| found.name.clone().unwrap_or_else(|| found.input.to_string())).collect();
        figures.details.insert("inputs".to_owned(), names.into());
        figures
    }

    fn save(&self) -> Result<Vec<u8>> {
        self.scope.saved(&(&self.layers, &self.found))
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
