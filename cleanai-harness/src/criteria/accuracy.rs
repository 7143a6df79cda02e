//! How often the model is right: `accuracy`.

use std::any::Any;
use std::collections::BTreeMap;

use crate::Result;
use crate::declare::CriterionSpec;

use super::registry::{Arguments, CriterionDescription, ValueKind};
use super::scope::{Scope, share};
use super::{BatchEnd, Criterion, Direction, Figures, LabelFigures, LayerValues, Needs, Start, State};

/// `accuracy`: the share of inputs whose largest logit is that of their label.
///
/// Ties go to the lowest class; a logit that is NaN is never the largest; a label the model has no logit for is never
/// met. Layers and neuron kind make no difference. The value is correct / inputs, in 0..=1.
///
/// Details: `correct`, and `per_class`, an object `{label: {"correct", "total"}}` of the labels that occur. The inputs of each label have a value of
/// their own.
///
/// ```
/// use cleanai_harness::criteria::{BatchEnd, Start, registry};
///
/// let mut state = registry::criterion(&"accuracy".parse()?)?.start(Start { layers: &[], neurons: &[], profile: None })?;
/// let logits = [2.0, 1.0, 0.5, 0.5]; // two inputs of two classes
/// state.end_batch(BatchEnd { first: 0, inputs: 2, classes: 2, logits: &logits, labels: Some(&[0, 1]) })?;
/// assert_eq!(state.figures().value, Some(0.5));
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const ACCURACY: CriterionDescription = CriterionDescription {
    name: "accuracy",
    summary: "share of inputs whose largest logit is that of their label",
    parameters: &[],
    direction: Direction::HigherIsBetter,
    value: ValueKind::ItemShare,
    reference: "common usage",
};

pub(super) fn build(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    Arguments::check(spec, &ACCURACY)?;
    Ok(Box::new(Accuracy { spec: spec.clone() }))
}

struct Accuracy {
    spec: CriterionSpec,
}

impl Criterion for Accuracy {
    fn spec(&self) -> &CriterionSpec {
        &self.spec
    }

    fn needs(&self) -> Needs {
        Needs { labels: true, logits: true, ..Needs::default() }
    }

    fn start(&self, start: Start<'_>) -> Result<Box<dyn State>> {
        Ok(Box::new(AccuracyState { scope: Scope::new(&self.spec, &start)?, classes: BTreeMap::new() }))
    }

    fn restore(&self, start: Start<'_>, saved: &[u8]) -> Result<Box<dyn State>> {
        let scope = Scope::new(&self.spec, &start)?;
        let classes: BTreeMap<i64, Tally> = scope.restored(saved)?;
        // As many inputs as no data set has: sums of a damaged file do not overflow.
        match classes.values().all(|tally| tally.correct <= tally.total && tally.total < 1 << 40) {
            true => Ok(Box::new(AccuracyState { scope, classes })),
            false => Err(scope.does_not_fit()),
        }
    }
}

#[derive(Debug, Clone, Copy, Default, serde::Serialize, serde::Deserialize)]
struct Tally {
    correct: u64,
    total: u64,
}

#[derive(Debug)]
pub(super) struct AccuracyState {
    scope: Scope,
    /// By label.
    classes: BTreeMap<i64, Tally>,
}

impl State for AccuracyState {
    fn observe(&mut self, _values: LayerValues<'_>) {}

    fn end_batch(&mut self, end: BatchEnd<'_>) -> Result<()> {
        // A pass without labels or logits has nothing to be right about: the total stays what it is.
        let Some(labels) = end.labels.filter(|_| end.classes > 0) else { return Ok(()) };
        for (logits, &label) in end.logits.chunks_exact(end.classes).zip(labels) {
            let tally = self.classes.entry(label).or_default();
            tally.total += 1;
            tally.correct += u64::from(largest(logits).is_some_and(|class| i64::try_from(class) == Ok(label)));
        }
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn State>) -> Result<()> {
        let other: Self = self.scope.same_family(other)?;
        self.scope.agrees(&other.scope)?;
        for (label, tally) in other.classes {
            let own = self.classes.entry(label).or_default();
            own.correct += tally.correct;
            own.total += tally.total;
        }
        Ok(())
    }

    fn figures(&self) -> Figures {
        let (correct, total) =
            self.classes.values().fold((0, 0), |sum, tally| (sum.0 + tally.correct, sum.1 + tally.total));
        let per_class: serde_json::Map<_, _> = self
            .classes
            .iter()
            .map(|(label, tally)| {
                (label.to_string(), serde_json::json!({ "correct": tally.correct, "total": tally.total }))
            })
            .collect();
        let classes = self.classes.iter().map(|(label, Tally { correct, total })| {
            let value = share(*correct, *total);
            (*label, LabelFigures { inputs: *total, value, covered: Some(*correct), total: Some(*total) })
        });
        Figures {
            classes: classes.collect(),
            value: share(correct, total),
            covered: Some(correct),
            total: Some(total),
            details: [("correct".to_owned(), correct.into()), ("per_class".to_owned(), per_class.into())].into(),
            ..Figures::default()
        }
    }

    fn save(&self) -> Result<Vec<u8>> {
        self.scope.saved(&self.classes)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// The class of the largest logit, the lowest of equal ones.
pub(crate) fn largest(logits: &[f64]) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (class, &logit) in logits.iter().enumerate() {
        if !logit.is_nan() && best.is_none_or(|(_, largest)| logit > largest) {
            best = Some((class, logit));
        }
    }
    best.map(|(class, _)| class)
}
