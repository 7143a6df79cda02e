//! What a pass gathers of single inputs beside the figures of its criteria.

use super::plan::once_on;
use super::{CriterionResult, InputFacts, Measurement};
use crate::criteria::accuracy::largest;
use crate::criteria::{BatchEnd, InputRange, KeptRows, LayerValues, MostActive, Numbers, OfInputs, State, registry};
use crate::data::DataSet;
use crate::declare::nearest::listed;
use crate::declare::{CriterionSpec, Declaration};
use crate::selection::CoveredItems;
use crate::{Error, ErrorKind, Result};

/// Measures criteria as [`once`](super::once) does, and tells of each input what is known of it, in the order of
/// [`CriterionResult::per_input`]'s indices.
///
/// # Errors
/// As [`once`](super::once); and where none of the criteria says anything of single inputs.
pub fn with_inputs(declaration: &Declaration, criteria: &[CriterionSpec]) -> Result<(Measurement, Vec<InputFacts>)> {
    let scores = |spec: &CriterionSpec| Ok(registry::criterion(spec)?.of_inputs() == OfInputs::Scores);
    let any = criteria.iter().map(scores).collect::<Result<Vec<bool>>>()?.contains(&true);
    let mut by_input = ByInput::default();
    if any {
        let measurement = once_on(declaration, criteria, None, Some(&mut by_input))?;
        // Some criteria say what they can only of some layers or data.
        let said = |result: &CriterionResult| !result.per_input.columns.is_empty();
        if measurement.criteria.values().any(said) {
            return Ok((measurement, by_input.facts));
        }
    }
    let texts: Vec<String> = criteria.iter().map(CriterionSpec::to_string).collect();
    let (says, verb) = match texts.len() {
        1 => (listed([texts[0].as_str()]), "gives no number"),
        _ => (listed(texts.iter().map(String::as_str)), "give no numbers"),
    };
    Err(Error::new(ErrorKind::Criterion, format!("{says} {verb} for single inputs"))
        .with_help(known("measure one that does", |of| of == OfInputs::Scores)))
}

/// Help that names the criteria that tell of single inputs.
pub(super) fn known(start: &str, tells: impl Fn(OfInputs) -> bool) -> String {
    let told = |name: &&str| {
        let criterion = name.parse().and_then(|spec| registry::criterion(&spec));
        criterion.is_ok_and(|criterion| tells(criterion.of_inputs()))
    };
    match listed(registry::names().into_iter().filter(told)).as_str() {
        "none" => "no criterion that is linked in does; one of your own can, by `Figures::per_input`".to_owned(),
        names => format!("{start}: {names}"),
    }
}

/// Bytes of one batch held at most, to be handed over input by input.
const MOST_HELD: usize = 4 << 30;

/// What is gathered.
#[derive(Default)]
pub(super) struct ByInput {
    /// The test set, once it is open.
    pub set: Option<DataSet>,
    /// In the order of the pass; names are filled in after it.
    pub facts: Vec<InputFacts>,
    /// Whether to gather what inputs cover, by the first criterion of the job.
    pub wants_items: bool,
    pub items: Option<Items>,
}

/// What each input covers.
pub(super) struct Items {
    state: Box<dyn State>,
    /// The layers of the batch under way.
    layers: Vec<Held>,
    pub covered: CoveredItems,
}

impl ByInput {
    /// To gather what inputs cover, too.
    pub fn with_items() -> Self {
        Self { wants_items: true, ..Self::default() }
    }

    /// Whether the pass has to hand over layers.
    pub fn reads_layers(&self) -> bool {
        self.items.is_some()
    }

    /// Holds a layer until the batch ends: a criterion sees all layers of an input before the next input.
    pub fn layer(&mut self, values: LayerValues<'_>) -> Result<()> {
        let Some(items) = &mut self.items else { return Ok(()) };
        if items.layers.len() <= values.layer {
            items.layers.resize_with(values.layer + 1, Held::default);
        }
        items.layers[values.layer].fill(values);
        let bytes: usize = items.layers.iter().map(Held::bytes).sum();
        if bytes <= MOST_HELD {
            return Ok(());
        }
        let what = format!(
            "the layers of {} inputs take more than {} GiB, too much to tell inputs apart",
            values.inputs,
            MOST_HELD >> 30
        );
        Err(Error::new(ErrorKind::Criterion, what)
            .with_help("use a smaller batch, fewer layers, or channels (`neurons = \"channel\"`)"))
    }

    pub fn end_batch(&mut self, end: BatchEnd<'_>) -> Result<()> {
        for input in 0..end.inputs {
            let logits = &end.logits[input * end.classes..(input + 1) * end.classes];
            let predicted = largest(logits).and_then(|class| i64::try_from(class).ok());
            let label = end.labels.map(|labels| labels[input]);
            self.facts.push(InputFacts { name: String::new(), label, predicted });
        }
        let (Some(items), Some(set)) = (&mut self.items, &self.set) else { return Ok(()) };
        for input in 0..end.inputs {
            let first = end.first + input;
            items.state.begin_batch(first, 1, &|input| set.names(input));
            for (layer, held) in items.layers.iter_mut().enumerate() {
                held.hand_over(layer, input, first, items.state.as_mut());
            }
            items.state.end_batch(BatchEnd {
                first,
                inputs: 1,
                classes: end.classes,
                logits: &end.logits[input * end.classes..(input + 1) * end.classes],
                labels: end.labels.map(|labels| &labels[input..=input]),
            })?;
            items.covered.push(items.state.take_covered().unwrap_or_default())?;
        }
        items.layers.iter_mut().for_each(|held| held.ranges.clear());
        Ok(())
    }
}

impl Items {
    /// Of a state that has seen nothing; nothing where it cannot tell.
    pub fn of(mut state: Box<dyn State>) -> Option<Self> {
        state.take_covered()?;
        Some(Self { state, layers: Vec::new(), covered: CoveredItems::default() })
    }
}

/// The values of one layer for one batch.
#[derive(Default)]
struct Held {
    neurons: usize,
    double: Vec<f64>,
    single: Vec<f32>,
    /// Whether the values are the second.
    units: bool,
    above: Vec<f64>,
    /// One for each input; none where the layer is not held.
    ranges: Vec<InputRange>,
    /// Smallest and largest values of an input that lacks some.
    ends: [Ends; 2],
}

#[derive(Default)]
struct Ends {
    double: Vec<f64>,
    single: Vec<f32>,
}

impl Held {
    fn fill(&mut self, values: LayerValues<'_>) {
        self.neurons = values.neurons;
        self.double.clear();
        self.single.clear();
        match values.values {
            Numbers::Double(all) => self.double.extend_from_slice(all),
            Numbers::Single(all) => self.single.extend_from_slice(all),
            Numbers::Device(units) => self.single = units.copy(),
        }
        self.units = !matches!(values.values, Numbers::Double(_));
        self.above.clear();
        self.above.extend_from_slice(values.above);
        self.ranges.clear();
        self.ranges.extend_from_slice(values.ranges);
    }

    fn bytes(&self) -> usize {
        8 * (self.double.len() + self.above.len() + self.ranges.len()) + 4 * self.single.len()
    }

    /// Hands one input's values to a state, whose number in the data set is `first`.
    fn hand_over(&mut self, layer: usize, input: usize, first: usize, state: &mut dyn State) {
        let Some(range) = self.ranges.get(input..=input) else { return };
        let (neurons, own) = (self.neurons, input * self.neurons..(input + 1) * self.neurons);
        let [low, high] = &mut self.ends;
        let (values, low, high) = if self.units {
            let row = &self.single[own.clone()];
            let whole = row.iter().all(|value| value.is_finite());
            let ends = if whole {
                [row, row]
            } else {
                [
                    known_or(row, &mut low.single, f32::is_finite, f32::INFINITY),
                    known_or(row, &mut high.single, f32::is_finite, f32::NEG_INFINITY),
                ]
            };
            (Numbers::Single(row), Numbers::Single(ends[0]), Numbers::Single(ends[1]))
        } else {
            let row = &self.double[own.clone()];
            let whole = row.iter().all(|value| value.is_finite());
            let ends = if whole {
                [row, row]
            } else {
                [
                    known_or(row, &mut low.double, f64::is_finite, f64::INFINITY),
                    known_or(row, &mut high.double, f64::is_finite, f64::NEG_INFINITY),
                ]
            };
            (Numbers::Double(row), Numbers::Double(ends[0]), Numbers::Double(ends[1]))
        };
        let above = self.above.get(own).unwrap_or_default();
        let (ranges, peaks, most_active, kept_rows) = (range, &[], &MostActive::default(), &KeptRows::default());
        state.observe(LayerValues {
            layer,
            first,
            inputs: 1,
            neurons,
            values,
            above,
            low,
            high,
            ranges,
            peaks,
            most_active,
            kept_rows,
        });
    }
}

/// A row in which `missing` stands for what is no number.
fn known_or<'a, T: Copy>(row: &[T], filled: &'a mut Vec<T>, is_known: fn(T) -> bool, missing: T) -> &'a [T] {
    filled.clear();
    filled.extend(row.iter().map(|value| if is_known(*value) { *value } else { missing }));
    filled
}
