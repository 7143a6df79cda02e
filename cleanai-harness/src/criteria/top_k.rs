//! Criteria on the most active neurons of each layer: `tknc` and `tknp`.

use std::any::Any;

use serde::{Deserialize, Serialize};

use crate::declare::CriterionSpec;
use crate::model::LayerInfo;
use crate::{Error, ErrorKind, Result};

use super::coverage::{Coverage, take_covered};
pub(crate) use super::most_active::top_k;
use super::pattern_set::PatternSet;
use super::registry::{Arguments, CriterionDescription, ParameterDescription, ParameterKind, ValueKind};
use super::scope::Scope;
use super::{
    BatchEnd, Contribution, Criterion, Direction, Figures, LayerFigures, LayerValues, Needs, OfInputs, Start, State,
};

const PLACES: ParameterKind = ParameterKind::Integer { at_least: 1, at_most: 1_000_000 };

/// `tknc(k = 3)`, top-k neuron coverage: the share of neurons that are among the k most active of their layer for some
/// input.
///
/// Ties go to the neuron of the lowest index; a layer of at most k neurons is covered whole by any input. The value is
/// covered neurons / neurons, in 0..=1. A value that is NaN is never among them. A requirement of layers that all have
/// fewer than k neurons is refused: no input could change the figure.
///
/// Definition: Ma et al.: DeepGauge, ASE 2018, section 3.
///
/// ```
/// use cleanai_harness::criteria::{LayerBatch, Start, registry};
/// use cleanai_harness::model::LayerInfo;
///
/// let layer = LayerInfo {
///     name: "fc".into(), class: "Linear".into(), operator: "linear".into(), shape: vec![4], channel_axis: 0,
/// };
/// let mut state = registry::criterion(&"tknc(k=2)".parse()?)?.start(Start { layers: &[layer], neurons: &[4], profile: None })?;
/// let batch = LayerBatch::channels(1, vec![0.5, 0.9, 0.5, 0.5]); // the second, and of the three equal ones the first
/// state.observe(batch.values(0, 0));
/// assert_eq!(state.figures().value, Some(0.5));
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const TKNC: CriterionDescription = CriterionDescription {
    name: "tknc",
    summary: "share of neurons that are among the k most active of their layer for some input",
    parameters: &[ParameterDescription {
        name: "k",
        kind: PLACES,
        default_text: Some("3"),
        summary: "how many neurons per layer and input",
    }],
    direction: Direction::HigherIsBetter,
    value: ValueKind::NeuronShare,
    reference: "Ma et al.: DeepGauge, ASE 2018, section 3",
};

/// `tknp(k = 2)`, top-k neuron patterns: how many distinct patterns the inputs make.
///
/// An input's pattern is the tuple, over the layers, of the *set* of the k most active neurons (chosen as in [`TKNC`]).
/// The value is a count >= 0, at most the number of inputs; per layer it is the count of that layer's sets alone.
/// The patterns themselves are held, at most about 4 bytes per input and layer besides the distinct sets.
///
/// Definition: Ma et al.: DeepGauge, ASE 2018, section 3.
///
/// ```
/// use cleanai_harness::criteria::{BatchEnd, LayerBatch, Start, registry};
/// use cleanai_harness::model::LayerInfo;
///
/// let layer = LayerInfo {
///     name: "fc".into(), class: "Linear".into(), operator: "linear".into(), shape: vec![2], channel_axis: 0,
/// };
/// let mut state = registry::criterion(&"tknp(k=1)".parse()?)?.start(Start { layers: &[layer], neurons: &[2], profile: None })?;
/// let batch = LayerBatch::channels(3, vec![1.0, 0.0, 0.0, 1.0, 3.0, 2.0]); // three inputs: {0}, {1}, {0}
/// state.observe(batch.values(0, 0));
/// state.end_batch(BatchEnd { first: 0, inputs: 3, classes: 0, logits: &[], labels: None })?;
/// assert_eq!(state.figures().value, Some(2.0));
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const TKNP: CriterionDescription = CriterionDescription {
    name: "tknp",
    summary: "number of distinct patterns, a pattern being each layer's set of k most active neurons for one input",
    parameters: &[ParameterDescription {
        name: "k",
        kind: PLACES,
        default_text: Some("2"),
        summary: "how many neurons per layer and input",
    }],
    direction: Direction::HigherIsBetter,
    value: ValueKind::Count,
    reference: "Ma et al.: DeepGauge, ASE 2018, section 3",
};

pub(super) fn build_tknc(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    build(spec, &TKNC, false)
}

pub(super) fn build_tknp(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    build(spec, &TKNP, true)
}

fn build(spec: &CriterionSpec, description: &CriterionDescription, patterns: bool) -> Result<Box<dyn Criterion>> {
    let places = Arguments::check(spec, description)?.integer("k")? as usize;
    Ok(Box::new(TopK { spec: spec.clone(), places, patterns }))
}

struct TopK {
    spec: CriterionSpec,
    places: usize,
    patterns: bool,
}

impl Criterion for TopK {
    fn spec(&self) -> &CriterionSpec {
        &self.spec
    }

    fn needs(&self) -> Needs {
        Needs { classes: true, device: true, ..Needs::default() }
    }

    fn of_inputs(&self) -> OfInputs {
        OfInputs::Items
    }

    fn check_layers(&self, layers: &[LayerInfo], neurons: &[usize]) -> Result<()> {
        check_places(&self.spec, self.places, layers, neurons)
    }

    fn start(&self, start: Start<'_>) -> Result<Box<dyn State>> {
        let scope = Scope::new(&self.spec, &start)?;
        Ok(match self.patterns {
            true => Box::new(PatternState::new(scope, self.places)),
            false => {
                let coverage = Coverage::of_layers(scope.neurons.iter().copied());
                Box::new(TopKState { scope, places: self.places, coverage })
            }
        })
    }

    fn restore(&self, start: Start<'_>, saved: &[u8]) -> Result<Box<dyn State>> {
        let scope = Scope::new(&self.spec, &start)?;
        Ok(match self.patterns {
            true => Box::new(PatternState::restored(scope, self.places, saved)?),
            false => {
                let coverage = scope.restored_coverage(saved, scope.neurons.iter().copied())?;
                Box::new(TopKState { scope, places: self.places, coverage })
            }
        })
    }
}

/// Refuses more places than any layer has neurons: whatever the input is, they are all of them.
pub(crate) fn check_places(spec: &CriterionSpec, places: usize, layers: &[LayerInfo], neurons: &[usize]) -> Result<()> {
    match layers.iter().zip(neurons).max_by_key(|(_, neurons)| **neurons) {
        Some((widest, neurons)) if *neurons < places => Err(Error::new(
            ErrorKind::Criterion,
            format!(
                "`{}` looks at the {places} most active neurons of a layer, and the widest, {}, has {neurons}",
                spec.name, widest.name
            ),
        )
        .with_help(format!("take `k` of {neurons} at most, fewer to tell inputs apart"))),
        _ => Ok(()),
    }
}

#[derive(Debug)]
pub(super) struct TopKState {
    scope: Scope,
    places: usize,
    coverage: Vec<Coverage>,
}

impl State for TopKState {
    fn observe(&mut self, values: LayerValues<'_>) {
        let coverage = &mut self.coverage[values.layer];
        if coverage.is_full() {
            return;
        }
        values.each_most_active(self.places, |input, neurons| {
            for neuron in neurons {
                coverage.insert(*neuron as usize, values.first + input);
            }
        });
    }

    fn end_batch(&mut self, end: BatchEnd<'_>) -> Result<()> {
        self.coverage.iter_mut().for_each(|coverage| coverage.end_batch(end.first));
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn State>) -> Result<()> {
        let other: Self = self.scope.same_family(other)?;
        self.scope.agrees(&other.scope)?;
        for (coverage, others) in self.coverage.iter_mut().zip(&other.coverage) {
            coverage.merge(others);
        }
        Ok(())
    }

    fn count_only(&mut self) {
        self.coverage.iter_mut().for_each(Coverage::count_only);
    }

    fn figures(&self) -> Figures {
        self.scope.covered(&self.coverage, &self.scope.neurons)
    }

    fn take_covered(&mut self) -> Option<Vec<u64>> {
        Some(take_covered(&mut self.coverage))
    }

    fn save(&self) -> Result<Vec<u8>> {
        self.scope.saved(&self.coverage)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// How a set of neurons is written in bytes, all sets of a layer in the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writing {
    /// The sorted indices, `bytes` each, padded with the layer's width.
    Indices { bytes: usize, places: usize },
    /// A bit per neuron.
    Bits,
}

impl Writing {
    /// The shorter one.
    fn of(width: usize, places: usize) -> Self {
        let places = places.min(width);
        let bytes = match width {
            0..=0xff => 1,
            0x100..=0xffff => 2,
            _ => 4,
        };
        if places * bytes < width.div_ceil(8) { Self::Indices { bytes, places } } else { Self::Bits }
    }

    fn length(self, width: usize) -> usize {
        match self {
            Self::Indices { bytes, places } => bytes * places,
            Self::Bits => width.div_ceil(8),
        }
    }

    /// Writes `set` over `record`, which has the right length; the set is changed.
    fn write(self, set: &mut Vec<u32>, width: usize, record: &mut [u8]) {
        match self {
            Self::Indices { bytes, places } => {
                set.sort_unstable();
                set.resize(places, width as u32);
                for (index, place) in set.iter().zip(record.chunks_exact_mut(bytes)) {
                    place.copy_from_slice(&index.to_le_bytes()[..bytes]);
                }
            }
            Self::Bits => {
                record.fill(0);
                for index in set {
                    record[*index as usize / 8] |= 1 << (*index % 8);
                }
            }
        }
    }
}

/// What a state knows, as it is written.
#[derive(Serialize, Deserialize)]
struct SavedPatterns {
    /// Each layer's distinct sets: how many, and one after the other.
    sets: Vec<(usize, Vec<u8>)>,
    /// The distinct patterns: per layer the number of its set.
    patterns: Vec<u32>,
    /// For each pattern the first input that made it.
    firsts: Vec<u32>,
}

#[derive(Debug)]
pub(super) struct PatternState {
    scope: Scope,
    places: usize,
    /// Each layer's distinct sets.
    sets: Vec<PatternSet>,
    /// The distinct patterns: per layer the number of its set, four bytes.
    patterns: PatternSet,
    /// For each pattern the first input that made it.
    firsts: Vec<u32>,
    /// The same numbers for the inputs of the batch that is under way.
    under_way: Vec<u32>,
    /// The patterns of the inputs since these were last asked for, once they have been.
    taken: Option<Vec<u64>>,
}

impl PatternState {
    fn new(scope: Scope, places: usize) -> Self {
        let sets =
            scope.neurons.iter().map(|width| PatternSet::new(Writing::of(*width, places).length(*width))).collect();
        let patterns = PatternSet::new(4 * scope.neurons.len());
        Self { scope, places, sets, patterns, firsts: Vec::new(), under_way: Vec::new(), taken: None }
    }

    /// The sets and patterns in their order of arrival say all there is.
    fn restored(scope: Scope, places: usize, saved: &[u8]) -> Result<Self> {
        let SavedPatterns { sets, patterns, firsts } = scope.restored(saved)?;
        let mut state = Self::new(scope, places);
        let layers = state.sets.len();
        let counts = sets.len() == layers && patterns.len() == firsts.len() * layers && firsts.is_sorted();
        if !counts || (layers == 0 && !firsts.is_empty()) {
            return Err(state.scope.does_not_fit());
        }
        for (own, (count, saved)) in state.sets.iter_mut().zip(&sets) {
            if !own.fill(*count, saved) {
                return Err(state.scope.does_not_fit());
            }
        }
        for (numbers, first) in patterns.chunks_exact(layers.max(1)).zip(firsts) {
            let known = numbers.iter().zip(&state.sets).all(|(number, sets)| (*number as usize) < sets.len());
            if !known || !state.insert(numbers.iter().copied(), first).1 {
                return Err(state.scope.does_not_fit());
            }
        }
        Ok(state)
    }

    /// Puts a pattern in; gives its number and whether it is new.
    fn insert(&mut self, numbers: impl Iterator<Item = u32>, input: u32) -> (u32, bool) {
        let record: Vec<u8> = numbers.flat_map(u32::to_le_bytes).collect();
        let number = self.patterns.insert(&record);
        let new = number as usize == self.firsts.len();
        if new {
            self.firsts.push(input);
        }
        (number, new)
    }

    /// The pattern of this number: per layer the number of its set.
    fn numbers(&self, pattern: usize) -> impl Iterator<Item = u32> {
        self.patterns.pattern(pattern).as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes))
    }
}

impl State for PatternState {
    fn observe(&mut self, values: LayerValues<'_>) {
        let (layer, layers) = (values.layer, self.scope.neurons.len());
        let writing = Writing::of(values.neurons, self.places);
        let (mut set, mut record) = (Vec::new(), vec![0; writing.length(values.neurons)]);
        let (sets, under_way) = (&mut self.sets[layer], &mut self.under_way);
        under_way.resize(values.inputs * layers, 0);
        values.each_most_active(self.places, |input, neurons| {
            set.clear();
            set.extend_from_slice(neurons);
            writing.write(&mut set, values.neurons, &mut record);
            under_way[input * layers + layer] = sets.insert(&record);
        });
    }

    fn end_batch(&mut self, end: BatchEnd<'_>) -> Result<()> {
        let numbers = std::mem::take(&mut self.under_way);
        // Without layers there are no numbers, and then no rows of none.
        for (input, row) in numbers.chunks_exact(self.scope.neurons.len().max(1)).enumerate() {
            let (number, _) = self.insert(row.iter().copied(), (end.first + input) as u32);
            if let Some(taken) = &mut self.taken {
                taken.push(number.into());
            }
        }
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn State>) -> Result<()> {
        let other: Self = self.scope.same_family(other)?;
        self.scope.agrees(&other.scope)?;
        // The other's numbers in ours. Sets and patterns are taken over in the order they came to the other, so ours get
        // the numbers they would have had if the other's inputs had come here.
        let renumbered: Vec<Vec<u32>> = self
            .sets
            .iter_mut()
            .zip(&other.sets)
            .map(|(own, others)| (0..others.len()).map(|number| own.insert(others.pattern(number))).collect())
            .collect();
        for (pattern, first) in other.firsts.iter().enumerate() {
            self.insert(other.numbers(pattern).zip(&renumbered).map(|(number, own)| own[number as usize]), *first);
        }
        Ok(())
    }

    fn figures(&self) -> Figures {
        let layers = self.scope.names.iter().zip(&self.sets).map(|(name, sets)| LayerFigures {
            name: name.clone(),
            value: Some(sets.len() as f64),
            ..LayerFigures::default()
        });
        let contributions = self.firsts.iter().map(|input| Contribution { input: (*input).into(), covered: 1 });
        Figures {
            value: Some(self.patterns.len() as f64),
            layers: layers.collect(),
            contributions: contributions.collect(),
            ..Figures::default()
        }
    }

    fn take_covered(&mut self) -> Option<Vec<u64>> {
        // Patterns keep their numbers, so they stay.
        let all = || (0..self.firsts.len() as u64).collect();
        Some(self.taken.replace(Vec::new()).unwrap_or_else(all))
    }

    fn save(&self) -> Result<Vec<u8>> {
        let contents = |sets: &PatternSet| {
            let (count, contents) = sets.contents();
            (count, contents.to_vec())
        };
        let sets = self.sets.iter().map(contents).collect();
        let patterns: Vec<u32> = (0..self.patterns.len()).flat_map(|pattern| self.numbers(pattern)).collect();
        self.scope.saved(&SavedPatterns { sets, patterns, firsts: self.firsts.clone() })
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
