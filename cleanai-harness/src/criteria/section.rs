//! k-multisection neuron coverage: `kmnc`.

use std::any::Any;

use rayon::prelude::*;

use crate::declare::CriterionSpec;
use crate::{Error, ErrorKind, Result};

use super::columns::PARALLEL_FROM;
use super::registry::{Arguments, CriterionDescription, ParameterDescription, ParameterKind};
use super::scope::Scope;
use super::{Criterion, Direction, Figures, LayerProfile, LayerValues, Needs, Start, State};

/// `kmnc(k = 1000)`: the share of sections of the neurons' ranges that some input falls into.
///
/// The profile set gives every neuron a range `[low, high]`, cut into `k` equal sections. A value `v` in the range
/// covers section `min(floor((v - low) / (high - low) * k), k - 1)`, computed in f64; a value outside covers nothing.
/// A neuron that is constant over the profile set has no sections: it is left out and reported, and so is one the
/// profile set has no value of. The value is covered sections / (k * remaining neurons), in 0..=1.
///
/// Details: `constant_neurons` (and `constant_per_layer`), `unknown_neurons` (without any profile value, among the
/// constant ones too), `below` and `above` (values outside the ranges, over all inputs).
///
/// Definition: Ma et al.: DeepGauge, ASE 2018, section 3. One bit per section is held: k / 8 bytes per neuron.
///
/// ```
/// use cleanai_harness::criteria::{LayerProfile, LayerValues, Start, registry};
/// use cleanai_harness::model::LayerInfo;
///
/// let layer = LayerInfo {
///     name: "fc".into(), class: "Linear".into(), operator: "linear".into(), shape: vec![1], channel_axis: 0,
/// };
/// let profile = LayerProfile { low: vec![0.0], high: vec![1.0], std: vec![0.5] };
/// let start = Start { layers: &[layer], neurons: &[1], profile: Some(&[profile]) };
/// let mut state = registry::criterion(&"kmnc(k=4)".parse()?)?.start(start)?;
/// let values = [0.25, 1.0, 1.5]; // three inputs: the second section, the last, none
/// state.observe(LayerValues { layer: 0, first: 0, inputs: 3, neurons: 1, values: &values, scaled: None });
/// assert_eq!(state.figures().value, Some(0.5));
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const KMNC: CriterionDescription = CriterionDescription {
    name: "kmnc",
    summary: "share of k equal sections of every neuron's profile range that some input falls into",
    parameters: &[ParameterDescription {
        name: "k",
        kind: ParameterKind::Integer { at_least: 1, at_most: 1_000_000 },
        default_text: Some("1000"),
        summary: "sections per neuron",
    }],
    direction: Direction::HigherIsBetter,
    reference: "Ma et al.: DeepGauge, ASE 2018, section 3",
};

/// A state larger than this is refused rather than left to the system's memory killer.
const LARGEST_STATE: u128 = 16 << 30;

/// Neurons handled together: their sections stay in cache while the inputs stream past.
const BLOCK: usize = 64;

pub(super) fn build(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    let sections = Arguments::check(spec, &KMNC)?.integer("k")?;
    Ok(Box::new(Sections { spec: spec.clone(), sections: sections as usize }))
}

struct Sections {
    spec: CriterionSpec,
    sections: usize,
}

impl Criterion for Sections {
    fn spec(&self) -> &CriterionSpec {
        &self.spec
    }

    fn needs(&self) -> Needs {
        Needs { profile: true, ..Needs::default() }
    }

    fn start(&self, start: Start<'_>) -> Result<Box<dyn State>> {
        let scope = Scope::new(&self.spec, &start)?;
        let profile = scope.profile(&start)?;
        let words = self.sections.div_ceil(64);
        let neurons: u128 = scope.neurons.iter().map(|width| *width as u128).sum();
        let bytes = neurons * (words as u128 * 8 + 24);
        if bytes > LARGEST_STATE {
            return Err(too_large(&self.spec, self.sections, neurons, bytes));
        }
        let layers = profile
            .iter()
            .map(|layer| {
                LayerSections::new(layer, words).ok_or_else(|| too_large(&self.spec, self.sections, neurons, bytes))
            })
            .collect::<Result<_>>()?;
        Ok(Box::new(SectionState { scope, sections: self.sections, layers }))
    }
}

fn too_large(spec: &CriterionSpec, sections: usize, neurons: u128, bytes: u128) -> Error {
    let gib = bytes as f64 / (1u64 << 30) as f64;
    Error::new(
        ErrorKind::Criterion,
        format!("`{}` with k = {sections} on {neurons} neurons would need {gib:.1} GiB of memory", spec.name),
    )
    .with_help("take a smaller k, fewer layers, or channels as neurons (`neurons = \"channel\"`)")
}

/// One layer: the ranges and a row of bits per neuron.
#[derive(Debug)]
struct LayerSections {
    /// Start of the range; NaN for a neuron without sections, so that nothing compares with it.
    low: Vec<f64>,
    /// End of the range, likewise.
    high: Vec<f64>,
    /// `words` 64-bit words per neuron.
    covered: Vec<u64>,
    words: usize,
    constant: u64,
    unknown: u64,
    below: u64,
    above: u64,
}

impl LayerSections {
    /// Nothing covered; `None` if the memory is not to be had.
    fn new(profile: &LayerProfile, words: usize) -> Option<Self> {
        let neurons = profile.low.len();
        // The zeroed allocation below aborts on failure, a reservation says so.
        Vec::<u64>::new().try_reserve_exact(neurons * words).ok()?;
        let (mut low, mut high) = (profile.low.clone(), profile.high.clone());
        let mut constant = 0;
        for (low, high) in low.iter_mut().zip(&mut high) {
            // So written that NaN, from a profile of the caller's own making, counts as no range.
            if *high > *low {
                continue;
            }
            (*low, *high) = (f64::NAN, f64::NAN);
            constant += 1;
        }
        Some(Self {
            low,
            high,
            covered: vec![0; neurons * words],
            words,
            constant,
            unknown: profile.unknown(),
            below: 0,
            above: 0,
        })
    }

    fn observe(&mut self, values: &[f64], sections: usize) {
        let neurons = self.low.len();
        if values.is_empty() || neurons == 0 {
            return;
        }
        let (low, high, words) = (&self.low, &self.high, self.words);
        let block = |(index, covered): (usize, &mut [u64])| {
            let first = index * BLOCK;
            let last = neurons.min(first + BLOCK);
            observe_block(values, neurons, first, &low[first..last], &high[first..last], sections, covered)
        };
        let add = |left: (u64, u64), right: (u64, u64)| (left.0 + right.0, left.1 + right.1);
        let (below, above) = if values.len() < PARALLEL_FROM {
            self.covered.chunks_mut(BLOCK * words).enumerate().map(block).fold((0, 0), add)
        } else {
            self.covered.par_chunks_mut(BLOCK * words).enumerate().map(block).reduce(|| (0, 0), add)
        };
        self.below += below;
        self.above += above;
    }

    fn live(&self) -> u64 {
        self.low.len() as u64 - self.constant
    }
}

/// Marks the sections of the neurons from `first` on; returns how many values lay below and above.
fn observe_block(
    values: &[f64],
    neurons: usize,
    first: usize,
    low: &[f64],
    high: &[f64],
    sections: usize,
    covered: &mut [u64],
) -> (u64, u64) {
    let words = sections.div_ceil(64);
    let width = low.len();
    let (count, last) = (sections as f64, (sections - 1) as f64);
    let (mut below, mut above) = (0, 0);
    let mut section = [0.0; BLOCK];
    for row in values.chunks_exact(neurons) {
        let row = &row[first..first + width];
        // First the arithmetic, which the compiler turns into vector instructions, then the scattering.
        for (((section, &value), &low), &high) in section.iter_mut().zip(row).zip(low).zip(high) {
            let exact = (value - low) / (high - low) * count;
            *section = if exact < last { exact } else { last };
        }
        for (neuron, &value) in row.iter().enumerate() {
            if value >= low[neuron] && value <= high[neuron] {
                let section = section[neuron] as u32 as usize;
                covered[neuron * words + section / 64] |= 1 << (section % 64);
            } else {
                below += u64::from(value < low[neuron]);
                above += u64::from(value > high[neuron]);
            }
        }
    }
    (below, above)
}

#[derive(Debug)]
pub(super) struct SectionState {
    scope: Scope,
    sections: usize,
    layers: Vec<LayerSections>,
}

impl State for SectionState {
    fn observe(&mut self, values: LayerValues<'_>) {
        self.layers[values.layer].observe(values.values, self.sections);
    }

    fn merge(&mut self, other: Box<dyn State>) -> Result<()> {
        let other: Self = self.scope.same_family(other)?;
        self.scope.agrees(&other.scope)?;
        let same_ranges = self
            .layers
            .iter()
            .zip(&other.layers)
            .all(|(own, others)| same_numbers(&own.low, &others.low) && same_numbers(&own.high, &others.high));
        if !same_ranges {
            return Err(self.scope.does_not_merge("a state with the ranges of another profile"));
        }
        for (own, others) in self.layers.iter_mut().zip(&other.layers) {
            for (word, other) in own.covered.iter_mut().zip(&others.covered) {
                *word |= other;
            }
            own.below += others.below;
            own.above += others.above;
        }
        Ok(())
    }

    fn figures(&self) -> Figures {
        let mut figures = self.scope.shares(self.layers.iter().map(|layer| {
            let covered = layer.covered.iter().map(|word| u64::from(word.count_ones())).sum();
            (covered, layer.live() * self.sections as u64)
        }));
        let sum = |count: fn(&LayerSections) -> u64| self.layers.iter().map(count).sum::<u64>();
        figures.details = [
            ("constant_neurons", sum(|layer| layer.constant).into()),
            ("constant_per_layer", self.scope.by_layer(self.layers.iter().map(|layer| layer.constant))),
            ("unknown_neurons", sum(|layer| layer.unknown).into()),
            ("below", sum(|layer| layer.below).into()),
            ("above", sum(|layer| layer.above).into()),
        ]
        .map(|(name, value): (&str, serde_json::Value)| (name.to_owned(), value))
        .into();
        figures
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Whether two columns are the same, NaN equal to NaN.
pub(super) fn same_numbers(left: &[f64], right: &[f64]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(left, right)| left.to_bits() == right.to_bits())
}
