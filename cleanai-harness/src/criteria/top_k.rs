//! Criteria on the most active neurons of each layer: `tknc` and `tknp`.

use std::any::Any;

use rayon::prelude::*;

use crate::Result;
use crate::declare::CriterionSpec;

use super::bit_set::BitSet;
use super::columns::PARALLEL_FROM;
use super::pattern_set::PatternSet;
use super::registry::{Arguments, CriterionDescription, ParameterDescription, ParameterKind};
use super::scope::Scope;
use super::{BatchEnd, Criterion, Direction, Figures, LayerFigures, LayerValues, Needs, Start, State};

const PLACES: ParameterKind = ParameterKind::Integer { at_least: 1, at_most: 1_000_000 };

/// `tknc(k = 3)`, top-k neuron coverage: the share of neurons that are among the k most active of their layer for some
/// input.
///
/// Ties go to the neuron of the lowest index; a layer of at most k neurons is covered whole by any input. The value is
/// covered neurons / neurons, in 0..=1. A value that is NaN is never among them.
///
/// Definition: Ma et al.: DeepGauge, ASE 2018, section 3.
///
/// ```
/// use cleanai_harness::criteria::{LayerValues, Start, registry};
/// use cleanai_harness::model::LayerInfo;
///
/// let layer = LayerInfo {
///     name: "fc".into(), class: "Linear".into(), operator: "linear".into(), shape: vec![4], channel_axis: 0,
/// };
/// let mut state = registry::criterion(&"tknc(k=2)".parse()?)?.start(Start { layers: &[layer], neurons: &[4], profile: None })?;
/// let values = [0.5, 0.9, 0.5, 0.5]; // the second, and of the three equal ones the first
/// state.observe(LayerValues { layer: 0, first: 0, inputs: 1, neurons: 4, values: &values, scaled: None });
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
/// use cleanai_harness::criteria::{BatchEnd, LayerValues, Start, registry};
/// use cleanai_harness::model::LayerInfo;
///
/// let layer = LayerInfo {
///     name: "fc".into(), class: "Linear".into(), operator: "linear".into(), shape: vec![2], channel_axis: 0,
/// };
/// let mut state = registry::criterion(&"tknp(k=1)".parse()?)?.start(Start { layers: &[layer], neurons: &[2], profile: None })?;
/// let values = [1.0, 0.0, 0.0, 1.0, 3.0, 2.0]; // three inputs: {0}, {1}, {0}
/// state.observe(LayerValues { layer: 0, first: 0, inputs: 3, neurons: 2, values: &values, scaled: None });
/// state.end_batch(BatchEnd { first: 0, inputs: 3, classes: 0, logits: &[], labels: None });
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
        Needs::default()
    }

    fn start(&self, start: Start<'_>) -> Result<Box<dyn State>> {
        let scope = Scope::new(&self.spec, &start)?;
        Ok(match self.patterns {
            true => Box::new(PatternState::new(scope, self.places)),
            false => {
                let covered = scope.neurons.iter().map(|width| BitSet::new(*width)).collect();
                Box::new(TopKState { scope, places: self.places, covered })
            }
        })
    }
}

/// Up to this many places a sorted list beats partial selection.
const FEW: usize = 32;

/// Indices of the `places` largest values, in no particular order: ties go to the lowest index, NaN never counts.
pub(crate) fn top_k(row: &[f64], places: usize) -> Vec<u32> {
    if places <= FEW && places < row.len() { few(row, places) } else { many(row, places) }
}

fn few(row: &[f64], places: usize) -> Vec<u32> {
    // Largest first, equal ones in the order of their index.
    let mut best: Vec<(f64, u32)> = Vec::with_capacity(places + 1);
    let mut bar = f64::NAN;
    const STRIDE: usize = 16;
    for (stride, values) in row.chunks(STRIDE).enumerate() {
        // Nothing is above NaN, so the first test is for a list that is full.
        if best.len() == places && !values.iter().fold(false, |any, value| any | (*value > bar)) {
            continue;
        }
        for (offset, &value) in values.iter().enumerate() {
            let enters = if best.len() == places { value > bar } else { !value.is_nan() };
            if enters {
                best.truncate(places - 1);
                let position = best.partition_point(|other| other.0 >= value);
                best.insert(position, (value, (stride * STRIDE + offset) as u32));
                bar = best[best.len() - 1].0;
            }
        }
    }
    best.into_iter().map(|(_, index)| index).collect()
}

fn many(row: &[f64], places: usize) -> Vec<u32> {
    let mut indices: Vec<u32> = (0..row.len() as u32).filter(|index| !row[*index as usize].is_nan()).collect();
    if indices.len() > places {
        indices.select_nth_unstable_by(places - 1, |left, right| {
            let (left_value, right_value) = (row[*left as usize], row[*right as usize]);
            right_value.partial_cmp(&left_value).expect("NaN is left out").then(left.cmp(right))
        });
        indices.truncate(places);
    }
    indices
}

/// The most active neurons of every input of a batch.
fn top_of_rows(values: &LayerValues<'_>, places: usize) -> Vec<Vec<u32>> {
    let row = |input: usize| top_k(&values.values[input * values.neurons..(input + 1) * values.neurons], places);
    if values.values.len() < PARALLEL_FROM {
        (0..values.inputs).map(row).collect()
    } else {
        (0..values.inputs).into_par_iter().map(row).collect()
    }
}

#[derive(Debug)]
pub(super) struct TopKState {
    scope: Scope,
    places: usize,
    covered: Vec<BitSet>,
}

impl State for TopKState {
    fn observe(&mut self, values: LayerValues<'_>) {
        let covered = &mut self.covered[values.layer];
        if covered.is_full() {
            return;
        }
        for index in top_of_rows(&values, self.places).into_iter().flatten() {
            covered.insert(index as usize);
        }
    }

    fn merge(&mut self, other: Box<dyn State>) -> Result<()> {
        let other: Self = self.scope.same_family(other)?;
        self.scope.agrees(&other.scope)?;
        for (covered, others) in self.covered.iter_mut().zip(&other.covered) {
            covered.union_with(others);
        }
        Ok(())
    }

    fn figures(&self) -> Figures {
        self.scope.shares(self.covered.iter().zip(&self.scope.neurons).map(|(set, width)| (set.count(), *width as u64)))
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

    /// Writes `set` over `record`, which has the right length.
    fn write(self, mut set: Vec<u32>, width: usize, record: &mut [u8]) {
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
                    record[index as usize / 8] |= 1 << (index % 8);
                }
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct PatternState {
    scope: Scope,
    places: usize,
    /// Each layer's distinct sets.
    sets: Vec<PatternSet>,
    /// The distinct patterns: per layer the number of its set, four bytes.
    patterns: PatternSet,
    /// The same numbers for the inputs of the batch that is under way.
    under_way: Vec<u32>,
}

impl PatternState {
    fn new(scope: Scope, places: usize) -> Self {
        let sets =
            scope.neurons.iter().map(|width| PatternSet::new(Writing::of(*width, places).length(*width))).collect();
        let patterns = PatternSet::new(4 * scope.neurons.len());
        Self { scope, places, sets, patterns, under_way: Vec::new() }
    }

    fn insert(&mut self, numbers: impl Iterator<Item = u32>) {
        let record: Vec<u8> = numbers.flat_map(u32::to_le_bytes).collect();
        self.patterns.insert(&record);
    }
}

impl State for PatternState {
    fn observe(&mut self, values: LayerValues<'_>) {
        let (layer, layers) = (values.layer, self.scope.neurons.len());
        let writing = Writing::of(values.neurons, self.places);
        let mut record = vec![0; writing.length(values.neurons)];
        self.under_way.resize(values.inputs * layers, 0);
        for (input, set) in top_of_rows(&values, self.places).into_iter().enumerate() {
            writing.write(set, values.neurons, &mut record);
            self.under_way[input * layers + layer] = self.sets[layer].insert(&record);
        }
    }

    fn end_batch(&mut self, _end: BatchEnd<'_>) {
        let numbers = std::mem::take(&mut self.under_way);
        // Without layers there are no numbers, and then no rows of none.
        for row in numbers.chunks_exact(self.scope.neurons.len().max(1)) {
            self.insert(row.iter().copied());
        }
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
        for pattern in 0..other.patterns.len() {
            let numbers =
                other.patterns.pattern(pattern).as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes));
            self.insert(numbers.zip(&renumbered).map(|(number, own)| own[number as usize]));
        }
        Ok(())
    }

    fn figures(&self) -> Figures {
        let layers = self.scope.names.iter().zip(&self.sets).map(|(name, sets)| LayerFigures {
            name: name.clone(),
            value: Some(sets.len() as f64),
            ..LayerFigures::default()
        });
        Figures { value: Some(self.patterns.len() as f64), layers: layers.collect(), ..Figures::default() }
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
