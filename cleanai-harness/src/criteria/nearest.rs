//! How many inputs lie apart from all before them: `cc`.

use std::any::Any;

use rayon::prelude::*;

use crate::declare::CriterionSpec;
use crate::{Error, ErrorKind, Result};

use super::coverage::PARALLEL_FROM;
use super::registry::{Arguments, CriterionDescription, ParameterDescription, ParameterKind, ValueKind};
use super::scope::Scope;
use super::{BatchEnd, Contribution, Criterion, Direction, Figures, LayerFigures, LayerValues, Needs, Start, State};
use crate::vectorise::vectorised;

/// `cc(threshold, layer)`, the coverage of TensorFuzz: how many inputs it takes to come near to all others in one layer.
///
/// Input by input in the order of the data, the vector of the layer's neurons joins a set if its squared Euclidean distance from every
/// member is greater than the threshold; the first one always joins. The value is the number of members, a count from 1 to the number of
/// inputs, and each member's input is told as a contribution. An input with a value that is not finite takes no part.
///
/// It looks at a single layer, so one must be named unless the test has just one. Which inputs join depends on their order. Merging
/// offers the members of the later part to the set of the earlier one: that part's other inputs are forgotten, and the count may
/// differ from that of one pass over both.
///
/// Details: `skipped_inputs`, which took no part.
///
/// All members are held, 8 bytes a neuron; above 4 GiB the pass ends with an error.
///
/// Definition: Odena, Olsson, Andersen, Goodfellow: TensorFuzz, ICML 2019, section 3, with the exact nearest member.
///
/// ```
/// use cleanai_harness::criteria::{LayerBatch, Start, registry};
/// use cleanai_harness::model::LayerInfo;
///
/// let layer = LayerInfo {
///     name: "fc".into(), class: "Linear".into(), operator: "linear".into(), shape: vec![2], channel_axis: 0,
/// };
/// let mut state = registry::criterion(&"cc(threshold=1.0)".parse()?)?.start(Start { layers: &[layer], neurons: &[2], profile: None })?;
/// let batch = LayerBatch::channels(3, vec![0.0, 0.0, 1.0, 0.0, 1.0, 1.0]); // squared distances from the first: 1 and 2
/// state.observe(batch.values(0, 0));
/// assert_eq!(state.figures().value, Some(2.0));
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const CC: CriterionDescription = CriterionDescription {
    name: "cc",
    summary: "number of inputs farther than a threshold from all before them that were so too, in one layer",
    parameters: &[ParameterDescription {
        name: "threshold",
        kind: ParameterKind::Number { at_least: 0.0, at_most: f64::INFINITY },
        default_text: None,
        summary: "what the squared distance from the nearest member must exceed",
    }],
    direction: Direction::HigherIsBetter,
    value: ValueKind::Count,
    reference: "Odena, Olsson, Andersen, Goodfellow: TensorFuzz, ICML 2019, section 3",
};

/// So many values are held at most: 4 GiB of them.
const MOST_HELD: usize = 1 << 29;

pub(super) fn build(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    let threshold = Arguments::check(spec, &CC)?.number("threshold")?;
    Ok(Box::new(Apart { spec: spec.clone(), threshold }))
}

struct Apart {
    spec: CriterionSpec,
    threshold: f64,
}

impl Apart {
    fn scope(&self, start: &Start<'_>) -> Result<Scope> {
        let scope = Scope::new(&self.spec, start)?;
        match scope.names.len() {
            1 => Ok(scope),
            layers => Err(Error::new(
                ErrorKind::Criterion,
                format!("`{}` looks at a single layer, and {layers} are selected", self.spec.name),
            )
            .with_help(format!("name one: `{}(threshold={}, layer=\"penultimate\")`", self.spec.name, self.threshold))),
        }
    }
}

impl Criterion for Apart {
    fn spec(&self) -> &CriterionSpec {
        &self.spec
    }

    fn needs(&self) -> Needs {
        Needs { classes: true, ..Needs::default() }
    }

    fn start(&self, start: Start<'_>) -> Result<Box<dyn State>> {
        let scope = self.scope(&start)?;
        Ok(Box::new(ApartState {
            scope,
            threshold: self.threshold,
            inputs: Vec::new(),
            members: Vec::new(),
            skipped: 0,
        }))
    }

    fn restore(&self, start: Start<'_>, saved: &[u8]) -> Result<Box<dyn State>> {
        let scope = self.scope(&start)?;
        let (inputs, members, skipped): (Vec<u64>, Vec<f64>, u64) = scope.restored(saved)?;
        let width = scope.neurons.first().copied().unwrap_or(0);
        let fits = inputs.len().checked_mul(width) == Some(members.len())
            && (width > 0 || inputs.len() <= 1)
            && members.iter().all(|value| value.is_finite());
        if !fits {
            return Err(scope.does_not_fit());
        }
        Ok(Box::new(ApartState { scope, threshold: self.threshold, inputs, members, skipped }))
    }
}

#[derive(Debug)]
struct ApartState {
    scope: Scope,
    threshold: f64,
    /// Index of each member's input in the data set.
    inputs: Vec<u64>,
    /// The members' values, one after the other.
    members: Vec<f64>,
    /// Inputs with a value that is not finite.
    skipped: u64,
}

impl ApartState {
    /// Offers inputs to the set, in this order.
    fn offer(&mut self, rows: &[f64], width: usize, input: impl Fn(usize) -> u64) {
        let finite = |row: &[f64]| row.iter().fold(true, |all, value| all & value.is_finite());
        // Members so far are compared with all rows at once, those that join now one by one.
        let known = self.members.len();
        let near_known = |row: &[f64]| self.members.chunks_exact(width).any(|member| self.is_near(row, member));
        let near: Vec<bool> = match rows.len() / width * known < PARALLEL_FROM {
            true => rows.chunks_exact(width).map(near_known).collect(),
            false => rows.par_chunks_exact(width).map(near_known).collect(),
        };
        for (at, (row, near)) in rows.chunks_exact(width).zip(near).enumerate() {
            if !finite(row) {
                self.skipped = self.skipped.saturating_add(1);
            } else if !near && !self.members[known..].chunks_exact(width).any(|member| self.is_near(row, member)) {
                self.inputs.push(input(at));
                self.members.extend_from_slice(row);
            }
        }
    }

    /// Whether the squared distance is at most the threshold.
    fn is_near(&self, row: &[f64], member: &[f64]) -> bool {
        let mut distance = 0.0;
        // Sums of squares never fall, so the first part that exceeds the threshold decides.
        for (row, member) in row.chunks(PART).zip(member.chunks(PART)) {
            distance += squared_distance(row, member);
            if distance > self.threshold {
                return false;
            }
        }
        true
    }

    fn check_memory(&self) -> Result<()> {
        if self.members.len() <= MOST_HELD {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Criterion,
            format!("the {} members of `{}` take more than 4 GiB of memory", self.inputs.len(), self.scope.spec),
        )
        .with_help("take a larger threshold, a narrower layer, or channels as neurons (`neurons = \"channel\"`)"))
    }
}

/// Neurons after which a distance is compared with the threshold.
const PART: usize = 64;

vectorised! {
    /// The sum of squared differences, in eight sums of every eighth that are added up in the end.
    fn squared_distance(row: &[f64], member: &[f64]) -> f64 {
        let mut sums = [0.0; 8];
        let (rows, rest) = row.as_chunks::<8>();
        let (members, members_rest) = member.as_chunks::<8>();
        for (row, member) in rows.iter().zip(members) {
            for ((sum, value), other) in sums.iter_mut().zip(row).zip(member) {
                *sum += (value - other) * (value - other);
            }
        }
        for ((sum, value), other) in sums.iter_mut().zip(rest).zip(members_rest) {
            *sum += (value - other) * (value - other);
        }
        sums.iter().sum()
    }
}

impl State for ApartState {
    fn observe(&mut self, values: LayerValues<'_>) {
        if values.inputs == 0 {
            return;
        }
        match values.neurons {
            // All inputs are alike: the first joins.
            0 if self.inputs.is_empty() => self.inputs.push(values.first as u64),
            0 => {}
            width => self.offer(&values.values.to_f64(), width, |row| (values.first + row) as u64),
        }
    }

    fn end_batch(&mut self, _end: BatchEnd<'_>) -> Result<()> {
        self.check_memory()
    }

    fn merge(&mut self, other: Box<dyn State>) -> Result<()> {
        let other: Self = self.scope.same_family(other)?;
        self.scope.agrees(&other.scope)?;
        match self.scope.neurons.first().copied().unwrap_or(0) {
            0 if self.inputs.is_empty() => self.inputs = other.inputs,
            0 => {}
            width => self.offer(&other.members, width, |member| other.inputs[member]),
        }
        self.skipped = self.skipped.saturating_add(other.skipped);
        self.check_memory()
    }

    fn figures(&self) -> Figures {
        let value = Some(self.inputs.len() as f64);
        let layers =
            self.scope.names.iter().map(|name| LayerFigures { name: name.clone(), value, ..LayerFigures::default() });
        let mut contributions: Vec<Contribution> =
            self.inputs.iter().map(|input| Contribution { input: *input, covered: 1 }).collect();
        contributions.sort_by_key(|own| own.input);
        Figures {
            value,
            layers: layers.collect(),
            contributions,
            details: [("skipped_inputs".to_owned(), self.skipped.into())].into(),
            ..Figures::default()
        }
    }

    fn save(&self) -> Result<Vec<u8>> {
        self.scope.saved(&(&self.inputs, &self.members, self.skipped))
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
