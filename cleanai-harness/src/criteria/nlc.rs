//! How far the neurons of a layer vary, and together: `nlc`.

use std::any::Any;

use serde::{Deserialize, Serialize};

use crate::declare::CriterionSpec;
use crate::{Error, ErrorKind, Result};

use super::gram::{Gram, ROWS};
use super::registry::{Arguments, CriterionDescription, ValueKind};
use super::scope::Scope;
use super::{BatchEnd, Criterion, Direction, Figures, LayerFigures, LayerValues, Needs, Start, State};

/// `nlc`, neural coverage: how large the covariances of a layer's neurons are over the test set.
///
/// A layer's figure is the mean of |covariance| over all pairs of its neurons, each with itself among them (population covariance: the
/// divisor is the number of inputs). The value is the sum over the layers: a number >= 0, and 0 after a single input. There is no upper
/// bound, so it is compared with that of other data for the same model. An input of which a layer has a value that is not finite is left
/// out of that layer.
///
/// Details: `skipped_inputs` (left out for that reason, over all layers) and `skipped_per_layer`.
///
/// The released code adds 1 per batch and keeps a batch only if the figure grows; then batch sizes change the result. Neither is done
/// here. Sums are taken input by input in the order of the data, so that the figures depend on the inputs alone. A state of inputs that are
/// not the data set's first holds all their values until it is merged into one whose are.
///
/// Held for a layer of n neurons: 4 n² bytes, and 512 n for the 64 last inputs. Layers that take more than 8 GiB are refused.
///
/// Definition: Yuan, Pang, Wang: Revisiting Neuron Coverage for DNN Testing, ICSE 2023.
///
/// ```
/// use cleanai_harness::criteria::{LayerBatch, Start, registry};
/// use cleanai_harness::model::LayerInfo;
///
/// let layer = LayerInfo {
///     name: "fc".into(), class: "Linear".into(), operator: "linear".into(), shape: vec![2], channel_axis: 0,
/// };
/// let mut state = registry::criterion(&"nlc".parse()?)?.start(Start { layers: &[layer], neurons: &[2], profile: None })?;
/// let batch = LayerBatch::channels(2, vec![0.0, 0.0, 2.0, -4.0]); // variances 1 and 4, covariance -2
/// state.observe(batch.values(0, 0));
/// assert_eq!(state.figures().value, Some((1.0 + 4.0 + 2.0 + 2.0) / 4.0));
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const NLC: CriterionDescription = CriterionDescription {
    name: "nlc",
    summary: "mean absolute covariance of a layer's neurons over the test set, summed over the layers",
    parameters: &[],
    direction: Direction::HigherIsBetter,
    value: ValueKind::Number,
    reference: "Yuan, Pang, Wang: Revisiting Neuron Coverage for DNN Testing, ICSE 2023",
};

/// Matrices larger than this are refused rather than left to the system's memory killer.
const LARGEST_STATE: u128 = 8 << 30;

/// So many values are held at most for a state to be merged later: 4 GiB of them.
const MOST_HELD: usize = 1 << 29;

pub(super) fn build(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    Arguments::check(spec, &NLC)?;
    Ok(Box::new(Spread { spec: spec.clone() }))
}

struct Spread {
    spec: CriterionSpec,
}

impl Criterion for Spread {
    fn spec(&self) -> &CriterionSpec {
        &self.spec
    }

    fn needs(&self) -> Needs {
        Needs { classes: true, ..Needs::default() }
    }

    fn bytes(&self, neurons: &[usize]) -> u64 {
        let bytes: u128 = neurons.iter().map(|width| Gram::bytes(*width)).sum();
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    fn start(&self, start: Start<'_>) -> Result<Box<dyn State>> {
        let scope = self.scope(&start)?;
        let layers = vec![LayerSums::default(); scope.neurons.len()];
        Ok(Box::new(SpreadState { scope, place: None, layers }))
    }

    fn restore(&self, start: Start<'_>, saved: &[u8]) -> Result<Box<dyn State>> {
        let scope = self.scope(&start)?;
        let (place, layers): (Option<Place>, Vec<LayerSums>) = scope.restored(saved)?;
        let inputs = layers.first().map(LayerSums::seen);
        let fits = layers.len() == scope.neurons.len()
            && layers
                .iter()
                .zip(&scope.neurons)
                .all(|(own, width)| own.is_sound(*width, place) && Some(own.seen()) == inputs);
        if fits { Ok(Box::new(SpreadState { scope, place, layers })) } else { Err(scope.does_not_fit()) }
    }
}

impl Spread {
    /// Checks that there is memory for the matrices.
    fn scope(&self, start: &Start<'_>) -> Result<Scope> {
        let scope = Scope::new(&self.spec, start)?;
        let bytes: u128 = scope.neurons.iter().map(|width| Gram::bytes(*width)).sum();
        let room = usize::try_from(bytes).is_ok_and(|bytes| Vec::<u8>::new().try_reserve_exact(bytes).is_ok());
        if bytes <= LARGEST_STATE && room {
            return Ok(scope);
        }
        let widest = (0..scope.neurons.len()).max_by_key(|layer| scope.neurons[*layer]).unwrap_or(0);
        Err(Error::new(
            ErrorKind::Criterion,
            format!(
                "`{}` would need {:.1} GiB of memory for products of neurons, most of it for layer `{}` with {} of them",
                self.spec.name,
                bytes as f64 / (1u64 << 30) as f64,
                scope.names[widest],
                scope.neurons[widest]
            ),
        )
        .with_help("count channels (`neurons = \"channel\"`) or take fewer layers"))
    }
}

/// Where the inputs of a state lie in the data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Place {
    /// They are its first.
    First,
    /// Others come before them.
    Later,
}

/// What is known of one layer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct LayerSums {
    /// Inputs counted, waiting ones among them.
    inputs: u64,
    /// Inputs left out.
    skipped: u64,
    /// The first input's values, from which all others are measured: so sums stay small and a constant neuron's 0.
    origin: Vec<f64>,
    /// Sum of the values of each neuron.
    sums: Vec<f64>,
    /// Sums of products; there once 64 inputs are.
    products: Option<Gram>,
    /// The values of inputs not yet added: the last ones up to 64, or all of those that come later in the data set.
    waiting: Vec<f64>,
}

impl LayerSums {
    /// Inputs seen.
    fn seen(&self) -> u64 {
        self.inputs.saturating_add(self.skipped)
    }

    /// Whether this could be of a layer of `width` neurons; for what was read from a file.
    fn is_sound(&self, width: usize, place: Option<Place>) -> bool {
        let waiting = self.waiting.len().checked_div(width).unwrap_or(0);
        let added = place == Some(Place::First) && self.inputs >= ROWS as u64 && width > 0;
        let expected = if added { self.inputs % ROWS as u64 } else { self.inputs };
        let finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
        let counted = match width {
            0 => self.waiting.is_empty(),
            width => waiting as u64 == expected && self.waiting.len().is_multiple_of(width),
        };
        counted
            && (place.is_some() || self.seen() == 0)
            && [&self.origin, &self.sums].iter().all(|own| own.len() == if added { width } else { 0 } && finite(own))
            && finite(&self.waiting)
            && self.products.is_some() == added
            && self.products.as_ref().is_none_or(|products| products.is_sound(width))
    }

    /// Takes in inputs in the order of the data.
    fn take(&mut self, rows: &[f64], width: usize, place: Place) {
        for row in rows.chunks_exact(width.max(1)) {
            if !row.iter().fold(true, |all, value| all & value.is_finite()) {
                self.skipped = self.skipped.saturating_add(1);
                continue;
            }
            self.inputs = self.inputs.saturating_add(1);
            self.waiting.extend_from_slice(row);
            if place == Place::First && self.waiting.len() == ROWS * width {
                self.add();
            }
        }
    }

    /// Adds the inputs that wait.
    fn add(&mut self) {
        let mut rows = std::mem::take(&mut self.waiting);
        let width = rows.len() / ROWS;
        if self.origin.is_empty() {
            self.origin = rows[..width].to_vec();
            self.sums = vec![0.0; width];
        }
        shift(&mut rows, &self.origin, &mut self.sums);
        self.products.get_or_insert_with(|| Gram::new(width)).add(&rows, width);
        rows.clear();
        self.waiting = rows;
    }

    /// The mean of the absolute covariances; nothing without inputs or neurons.
    fn mean_covariance(&self, width: usize) -> Option<f64> {
        if self.inputs == 0 || width == 0 {
            return None;
        }
        if self.waiting.len() >= ROWS * width {
            // Later inputs on their own: as if they were the first.
            let mut first = Self::default();
            first.take(&self.waiting, width, Place::First);
            return first.mean_covariance(width);
        }
        let mut rows = self.waiting.clone();
        let (origin, mut sums) = match &self.products {
            Some(_) => (self.origin.clone(), self.sums.clone()),
            None => (rows[..width].to_vec(), vec![0.0; width]),
        };
        shift(&mut rows, &origin, &mut sums);
        let inputs = self.inputs as f64;
        let covariance =
            |one: usize, other: usize, products: f64| ((products - sums[one] * sums[other] / inputs) / inputs).abs();
        let sum = match &self.products {
            Some(products) => products.fold(&rows, width, covariance),
            None => Gram::new(width).fold(&rows, width, covariance),
        };
        Some(sum / (width as f64 * width as f64))
    }
}

/// Makes the rows differences from the origin and adds them up.
fn shift(rows: &mut [f64], origin: &[f64], sums: &mut [f64]) {
    for row in rows.chunks_exact_mut(origin.len()) {
        for ((value, origin), sum) in row.iter_mut().zip(origin).zip(sums.iter_mut()) {
            *value -= origin;
            *sum += *value;
        }
    }
}

#[derive(Debug)]
struct SpreadState {
    scope: Scope,
    /// Nothing before the first input.
    place: Option<Place>,
    layers: Vec<LayerSums>,
}

impl SpreadState {
    fn check_memory(&self) -> Result<()> {
        let held: usize = self.layers.iter().map(|layer| layer.waiting.len()).sum();
        if self.place != Some(Place::Later) || held <= MOST_HELD {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Criterion,
            format!(
                "`{}` holds all values of inputs from the middle of the data set until those before are known, here more than 4 GiB",
                self.scope.spec.name
            ),
        )
        .with_help("split the data set into more parts and merge them in order, or measure it in one pass"))
    }
}

impl State for SpreadState {
    fn observe(&mut self, values: LayerValues<'_>) {
        if values.inputs == 0 {
            return;
        }
        let place = *self.place.get_or_insert(if values.first == 0 { Place::First } else { Place::Later });
        let layer = &mut self.layers[values.layer];
        match values.neurons {
            0 => layer.inputs = layer.inputs.saturating_add(values.inputs as u64),
            width => layer.take(&values.values.to_f64(), width, place),
        }
    }

    fn end_batch(&mut self, _end: BatchEnd<'_>) -> Result<()> {
        self.check_memory()
    }

    fn merge(&mut self, other: Box<dyn State>) -> Result<()> {
        let other: Self = self.scope.same_family(other)?;
        self.scope.agrees(&other.scope)?;
        match (self.place, other.place) {
            (_, None) => {}
            (None, Some(_)) => *self = other,
            (Some(_), Some(Place::First)) => {
                return Err(self
                    .scope
                    .does_not_merge("a state that begins with the data set's first input")
                    .with_help("merge the parts in the order of the data"));
            }
            (Some(place), Some(Place::Later)) => {
                for ((own, others), width) in self.layers.iter_mut().zip(other.layers).zip(&self.scope.neurons) {
                    match *width {
                        0 => own.inputs = own.inputs.saturating_add(others.inputs),
                        width => own.take(&others.waiting, width, place),
                    }
                    own.skipped = own.skipped.saturating_add(others.skipped);
                }
            }
        }
        self.check_memory()
    }

    fn figures(&self) -> Figures {
        let layers = || self.scope.names.iter().zip(&self.layers).zip(&self.scope.neurons);
        let layers: Vec<LayerFigures> = layers()
            .map(|((name, layer), width)| LayerFigures {
                name: name.clone(),
                value: layer.mean_covariance(*width),
                ..LayerFigures::default()
            })
            .collect();
        let known = layers.iter().filter_map(|layer| layer.value);
        let skipped = || self.layers.iter().map(|layer| layer.skipped);
        Figures {
            value: known.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value)),
            layers,
            details: [
                ("skipped_inputs".to_owned(), skipped().fold(0, u64::saturating_add).into()),
                ("skipped_per_layer".to_owned(), self.scope.by_layer(skipped())),
            ]
            .into(),
            ..Figures::default()
        }
    }

    fn save(&self) -> Result<Vec<u8>> {
        self.scope.saved(&(self.place, &self.layers))
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
