//! k-multisection neuron coverage: `kmnc`.

use std::any::Any;

use serde::{Deserialize, Serialize};

use crate::declare::CriterionSpec;
use crate::{Error, ErrorKind, Result};

use super::coverage::{Coverage, take_covered};
use super::ranges::Ranges;
use super::registry::{Arguments, CriterionDescription, ParameterDescription, ParameterKind, ValueKind};
use super::scope::Scope;
use super::{BatchEnd, Criterion, Direction, Figures, LayerValues, Needs, Numbers, OfInputs, Start, State};

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
/// use cleanai_harness::criteria::{LayerBatch, LayerProfile, Start, registry};
/// use cleanai_harness::model::LayerInfo;
///
/// let layer = LayerInfo {
///     name: "fc".into(), class: "Linear".into(), operator: "linear".into(), shape: vec![1], channel_axis: 0,
/// };
/// let profile = LayerProfile { low: vec![0.0], high: vec![1.0], ..Default::default() };
/// let start = Start { layers: &[layer], neurons: &[1], profile: Some(&[profile]) };
/// let mut state = registry::criterion(&"kmnc(k=4)".parse()?)?.start(start)?;
/// let batch = LayerBatch::channels(3, vec![0.25, 1.0, 1.5]); // three inputs: the second section, the last, none
/// state.observe(batch.values(0, 0));
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
    value: ValueKind::NeuronShare,
    reference: "Ma et al.: DeepGauge, ASE 2018, section 3",
};

/// A state larger than this is refused rather than left to the system's memory killer.
const LARGEST_STATE: u128 = 16 << 30;

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
        Needs { profile: true, classes: true, device: true, ..Needs::default() }
    }

    fn bytes(&self, neurons: &[usize]) -> u64 {
        neurons.iter().map(|neurons| (*neurons * (self.stride() / 8 + Ranges::BYTES)) as u64).sum()
    }

    fn of_inputs(&self) -> OfInputs {
        OfInputs::Items
    }

    fn start(&self, start: Start<'_>) -> Result<Box<dyn State>> {
        let scope = Scope::new(&self.spec, &start)?;
        let layers = self.ranges(&scope, &start)?;
        let coverage = Coverage::of_layers(self.items(&scope));
        Ok(Box::new(SectionState { scope, sections: self.sections, layers, coverage, outside: Outside::default() }))
    }

    fn restore(&self, start: Start<'_>, saved: &[u8]) -> Result<Box<dyn State>> {
        let scope = Scope::new(&self.spec, &start)?;
        let layers = self.ranges(&scope, &start)?;
        let (coverage, outside): (Vec<Coverage>, Outside) = scope.restored(saved)?;
        let fits = coverage.len() == scope.neurons.len()
            && coverage.iter().zip(self.items(&scope)).all(|(own, items)| own.is_sound(items))
            // Sums that start from a damaged file do not overflow.
            && outside.below.max(outside.above) < 1 << 60;
        if !fits {
            return Err(scope.does_not_fit());
        }
        Ok(Box::new(SectionState { scope, sections: self.sections, layers, coverage, outside }))
    }
}

impl Sections {
    /// The ranges, after a check that there is memory for their sections.
    fn ranges(&self, scope: &Scope, start: &Start<'_>) -> Result<Vec<Ranges>> {
        let profile = scope.profile(start)?;
        let neurons: u128 = scope.neurons.iter().map(|width| *width as u128).sum();
        let bytes = neurons * (self.stride() / 8 + Ranges::BYTES) as u128;
        let refused = || too_large(&self.spec, self.sections, neurons, bytes);
        if bytes > LARGEST_STATE {
            return Err(refused());
        }
        // The zeroed allocation of the bits aborts on failure, a reservation says so.
        Vec::<u8>::new().try_reserve_exact(bytes as usize).map_err(|_| refused())?;
        Ok(profile.iter().map(|layer| Ranges::new(layer, self.sections)).collect())
    }

    /// Bits for each neuron: whole words.
    fn stride(&self) -> usize {
        self.sections.next_multiple_of(64)
    }

    fn items(&self, scope: &Scope) -> impl Iterator<Item = usize> {
        scope.neurons.iter().map(|width| *width * self.stride())
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

/// How many values lay outside the ranges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Outside {
    below: u64,
    above: u64,
}

#[derive(Debug)]
pub(super) struct SectionState {
    scope: Scope,
    sections: usize,
    layers: Vec<Ranges>,
    coverage: Vec<Coverage>,
    outside: Outside,
}

impl State for SectionState {
    fn observe(&mut self, values: LayerValues<'_>) {
        let (ranges, coverage) = (&self.layers[values.layer], &mut self.coverage[values.layer]);
        let (below, above) = match values.values {
            Numbers::Double(rows) => ranges.cover(rows, values.first, coverage),
            Numbers::Single(rows) => ranges.cover(rows, values.first, coverage),
            Numbers::Device(units) => ranges.cover_elsewhere(units, values.first, coverage),
        };
        self.outside.below += below;
        self.outside.above += above;
    }

    fn end_batch(&mut self, end: BatchEnd<'_>) -> Result<()> {
        self.coverage.iter_mut().for_each(|coverage| coverage.end_batch(end.first));
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn State>) -> Result<()> {
        let other: Self = self.scope.same_family(other)?;
        self.scope.agrees(&other.scope)?;
        if !self.layers.iter().zip(&other.layers).all(|(own, others)| own.are(others)) {
            return Err(self.scope.does_not_merge("a state with the ranges of another profile"));
        }
        for (own, others) in self.coverage.iter_mut().zip(&other.coverage) {
            own.merge(others);
        }
        self.outside.below += other.outside.below;
        self.outside.above += other.outside.above;
        Ok(())
    }

    fn count_only(&mut self) {
        self.coverage.iter_mut().for_each(Coverage::count_only);
    }

    fn figures(&self) -> Figures {
        let layers = || self.layers.iter();
        let live = layers().map(|layer| (layer.neurons() - layer.constant) as usize * self.sections);
        let mut figures = self.scope.covered(&self.coverage, &live.collect::<Vec<_>>());
        figures.details = [
            ("constant_neurons", layers().map(|layer| layer.constant).sum::<u64>().into()),
            ("constant_per_layer", self.scope.by_layer(layers().map(|layer| layer.constant))),
            ("unknown_neurons", layers().map(|layer| layer.unknown).sum::<u64>().into()),
            ("below", self.outside.below.into()),
            ("above", self.outside.above.into()),
        ]
        .map(|(name, value): (&str, serde_json::Value)| (name.to_owned(), value))
        .into();
        figures
    }

    fn take_covered(&mut self) -> Option<Vec<u64>> {
        Some(take_covered(&mut self.coverage))
    }

    fn save(&self) -> Result<Vec<u8>> {
        self.scope.saved(&(&self.coverage, self.outside))
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
