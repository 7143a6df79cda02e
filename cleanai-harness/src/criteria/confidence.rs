//! How sure the model is of its answers, and whether it is rightly so: `ece` and `high_confidence`.

use std::any::Any;
use std::collections::BTreeMap;

use serde_json::json;

use crate::declare::CriterionSpec;
use crate::{Error, ErrorKind, Result};

use super::accuracy::largest;
use super::registry::{Arguments, CriterionDescription, ParameterDescription, ParameterKind, ValueKind};
use super::scope::{Scope, share};
use super::{
    BatchEnd, Criterion, Direction, Figures, LabelFigures, LayerValues, Needs, OfInputs, PerInput, Start, State,
};

/// Where bins of confidence begin and end: `[0, 0.2)`, `[0.2, 0.4)`, ..., and `[0.9, 1]`.
pub const EDGES: [f64; 7] = [0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0];

/// `ece`: the expected calibration error, how far the model's confidence is from how often it is right.
///
/// An input's confidence is the largest softmax of its logits, in 0..=1; they are what the final softmax reads where the model has one. Confidences
/// fall into the bins of [`EDGES`]. The value is the sum over bins of `inputs / all inputs * |accuracy - mean confidence|`, in 0..=1; less is better.
/// Layers and neuron kind make no difference. An input with a logit that is NaN or plus infinity has no confidence: it is left out and counted.
///
/// Details: `bins`, a list of `{"lower", "upper", "inputs", "accuracy", "mean_confidence"}`, the last two null where a bin is empty; `bin_1` to `bin_6`, the
/// accuracy in each, so that a requirement can bound it (`ece.bin_6 >= 0.99`); `accuracy` and `mean_confidence` of all, `without_confidence`. The
/// inputs of each label have a value of their own. Of each input: `confidence`, the predicted `class`, and whether it is `correct`, 1 or 0.
///
/// Definition: Naeini, Cooper, Hauskrecht: Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015; with bins of equal width. Bins:
/// Rossolini, Biondi, Buttazzo: Increasing the Confidence of Deep Neural Networks by Coverage Analysis, IEEE TSE 2022.
///
/// ```
/// use cleanai_harness::criteria::{BatchEnd, Start, registry};
///
/// let mut state = registry::criterion(&"ece".parse()?)?.start(Start { layers: &[], neurons: &[], profile: None })?;
/// let logits = [f64::ln(3.0), 0.0, 0.0, f64::ln(3.0)]; // two inputs of two classes, each with a confidence of 3/4
/// state.end_batch(BatchEnd { first: 0, inputs: 2, classes: 2, logits: &logits, labels: Some(&[0, 0]) })?;
/// assert!((state.figures().value.unwrap() - 0.25).abs() < 1e-12); // right once in two
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const ECE: CriterionDescription = CriterionDescription {
    name: "ece",
    summary: "expected calibration error: how far confidence is from accuracy, over bins of the largest softmax",
    parameters: &[],
    direction: Direction::LowerIsBetter,
    value: ValueKind::Share,
    reference: "Naeini, Cooper, Hauskrecht: Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015",
};

/// `high_confidence(threshold = 0.9)`: the share of inputs whose confidence, the largest softmax of their logits, is the threshold or more.
///
/// Layers and neuron kind make no difference, and labels are not needed. An input with a logit that is NaN or plus infinity has no confidence and
/// does not count as one of high confidence. The value is such inputs / inputs, in 0..=1.
///
/// Details: `count`, how many these are, and `accuracy` among them, null where there are none or no labels. The inputs of each label have a value of
/// their own. Of each input: `confidence`, the predicted `class`, and whether it is `correct`, 1 or 0.
///
/// Definition: Rossolini, Biondi, Buttazzo: Increasing the Confidence of Deep Neural Networks by Coverage Analysis, IEEE TSE 2022.
///
/// ```
/// use cleanai_harness::criteria::{BatchEnd, Start, registry};
///
/// let criterion = registry::criterion(&"high_confidence(threshold=0.7)".parse()?)?;
/// let mut state = criterion.start(Start { layers: &[], neurons: &[], profile: None })?;
/// let logits = [f64::ln(3.0), 0.0, 0.1, 0.0]; // two inputs of two classes, with confidences of 0.75 and 0.52
/// state.end_batch(BatchEnd { first: 0, inputs: 2, classes: 2, logits: &logits, labels: None })?;
/// assert_eq!(state.figures().value, Some(0.5));
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const HIGH_CONFIDENCE: CriterionDescription = CriterionDescription {
    name: "high_confidence",
    summary: "share of inputs whose largest softmax is a threshold or more",
    parameters: &[ParameterDescription {
        name: "threshold",
        kind: ParameterKind::Number { at_least: 0.0, at_most: 1.0 },
        default_text: Some("0.9"),
        summary: "what the largest softmax must reach",
    }],
    direction: Direction::HigherIsBetter,
    value: ValueKind::ItemShare,
    reference: "Rossolini, Biondi, Buttazzo: Increasing the Confidence of Deep Neural Networks by Coverage Analysis, IEEE TSE 2022",
};

pub(super) fn build_ece(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    Arguments::check(spec, &ECE)?;
    Ok(Box::new(Confidence { spec: spec.clone(), asked: Asked::CalibrationError }))
}

pub(super) fn build_high_confidence(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    let threshold = Arguments::check(spec, &HIGH_CONFIDENCE)?.number("threshold")?;
    Ok(Box::new(Confidence { spec: spec.clone(), asked: Asked::Share { threshold } }))
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Asked {
    CalibrationError,
    Share { threshold: f64 },
}

struct Confidence {
    spec: CriterionSpec,
    asked: Asked,
}

impl Criterion for Confidence {
    fn spec(&self) -> &CriterionSpec {
        &self.spec
    }

    fn needs(&self) -> Needs {
        Needs { labels: self.asked == Asked::CalibrationError, logits: true, ..Needs::default() }
    }

    fn of_inputs(&self) -> OfInputs {
        OfInputs::Scores
    }

    fn start(&self, start: Start<'_>) -> Result<Box<dyn State>> {
        let scope = Scope::new(&self.spec, &start)?;
        Ok(Box::new(ConfidenceState { scope, asked: self.asked, rows: Vec::new() }))
    }

    fn restore(&self, start: Start<'_>, saved: &[u8]) -> Result<Box<dyn State>> {
        let scope = Scope::new(&self.spec, &start)?;
        let rows: Vec<Row> = scope.restored(saved)?;
        let sound = rows.iter().all(|row| row.confidence.is_nan() || (0.0..=1.0).contains(&row.confidence));
        match sound && rows.is_sorted_by(|one, next| one.input < next.input) {
            true => Ok(Box::new(ConfidenceState { scope, asked: self.asked, rows })),
            false => Err(scope.does_not_fit()),
        }
    }

    fn direction(&self) -> Direction {
        match self.asked {
            Asked::CalibrationError => ECE.direction,
            Asked::Share { .. } => HIGH_CONFIDENCE.direction,
        }
    }
}

/// What is known of an input.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
struct Row {
    /// Its index in the data set.
    input: u64,
    /// The class of its largest logit; none where all are NaN.
    class: Option<u64>,
    label: Option<i64>,
    /// The largest softmax; NaN where there is none.
    confidence: f64,
}

impl Row {
    /// Whether the predicted class is the label; none without a label.
    fn correct(&self) -> Option<bool> {
        self.label.map(|label| self.class.is_some_and(|class| i64::try_from(class) == Ok(label)))
    }
}

#[derive(Debug)]
pub(super) struct ConfidenceState {
    scope: Scope,
    asked: Asked,
    /// In the order of the data.
    rows: Vec<Row>,
}

impl State for ConfidenceState {
    fn observe(&mut self, _values: LayerValues<'_>) {}

    fn end_batch(&mut self, end: BatchEnd<'_>) -> Result<()> {
        // As for the accuracy: a pass without what is needed has nothing to tell.
        if end.classes == 0 || (end.labels.is_none() && self.asked == Asked::CalibrationError) {
            return Ok(());
        }
        if end.classes == 1 {
            let what = format!("`{}` needs a score for each class, and the model has a single output", self.scope.spec);
            return Err(Error::new(ErrorKind::Criterion, what).with_help(
                "the softmax of one number is always 1: give a model of two outputs or more, or leave the criterion out",
            ));
        }
        for (at, logits) in end.logits.chunks_exact(end.classes).take(end.inputs).enumerate() {
            self.rows.push(Row {
                input: (end.first + at) as u64,
                class: largest(logits).map(|class| class as u64),
                label: end.labels.and_then(|labels| labels.get(at).copied()),
                confidence: confidence(logits),
            });
        }
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn State>) -> Result<()> {
        let mut other: Self = self.scope.same_family(other)?;
        self.scope.agrees(&other.scope)?;
        self.rows.append(&mut other.rows);
        Ok(())
    }

    fn figures(&self) -> Figures {
        let mut of_label: BTreeMap<i64, Vec<Row>> = BTreeMap::new();
        for row in &self.rows {
            if let Some(label) = row.label {
                of_label.entry(label).or_default().push(*row);
            }
        }
        let label_figures = |rows: &Vec<Row>| {
            let Figures { value, covered, total, .. } = self.summary(rows);
            LabelFigures { inputs: rows.len() as u64, value, covered, total }
        };
        Figures {
            classes: of_label.iter().map(|(label, rows)| (*label, label_figures(rows))).collect(),
            per_input: per_input(&self.rows),
            ..self.summary(&self.rows)
        }
    }

    fn save(&self) -> Result<Vec<u8>> {
        self.scope.saved(&self.rows)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl ConfidenceState {
    /// Value, counts and details over these inputs.
    fn summary(&self, rows: &[Row]) -> Figures {
        match self.asked {
            Asked::CalibrationError => calibration(rows),
            Asked::Share { threshold } => high_confidence(rows, threshold),
        }
    }
}

/// The largest softmax: 1 over the sum of e^(logit - largest). NaN where a logit is NaN or the largest is infinite.
fn confidence(logits: &[f64]) -> f64 {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    1.0 / logits.iter().map(|logit| (logit - largest).exp()).sum::<f64>()
}

/// The bin a confidence is in; none for NaN.
fn bin_of(confidence: f64) -> Option<usize> {
    let bins = EDGES.len() - 1;
    let above = EDGES.iter().filter(|edge| confidence >= **edge).count();
    above.checked_sub(1).map(|bin| bin.min(bins - 1))
}

/// Accuracy and mean confidence of some inputs; none where there are none.
struct Group {
    inputs: u64,
    accuracy: Option<f64>,
    mean: Option<f64>,
}

impl Group {
    fn of<'r>(rows: impl Iterator<Item = &'r Row>) -> Self {
        let mut correct = 0;
        let mut confidences: Vec<f64> =
            rows.inspect(|row| correct += u64::from(row.correct() == Some(true))).map(|row| row.confidence).collect();
        // Summed in order of size, so that the order of the inputs does not show.
        confidences.sort_by(f64::total_cmp);
        let inputs = confidences.len() as u64;
        let mean = (inputs > 0).then(|| confidences.iter().sum::<f64>() / inputs as f64);
        Self { inputs, accuracy: share(correct, inputs), mean }
    }

    fn gap(&self) -> f64 {
        self.accuracy.zip(self.mean).map_or(0.0, |(accuracy, mean)| (accuracy - mean).abs())
    }
}

fn calibration(rows: &[Row]) -> Figures {
    let known = || rows.iter().filter(|row| !row.confidence.is_nan());
    let all = Group::of(known());
    let bins = (0..EDGES.len() - 1).map(|bin| Group::of(known().filter(|row| bin_of(row.confidence) == Some(bin))));
    let bins: Vec<Group> = bins.collect();
    let weighted = |bin: &Group| bin.inputs as f64 / all.inputs as f64 * bin.gap();
    let value = (all.inputs > 0).then(|| bins.iter().map(weighted).sum());
    let mut details = BTreeMap::new();
    let listed = bins.iter().zip(EDGES.windows(2)).map(|(bin, edges)| {
        json!({
            "lower": edges[0], "upper": edges[1],
            "inputs": bin.inputs, "accuracy": bin.accuracy, "mean_confidence": bin.mean,
        })
    });
    details.insert("bins".to_owned(), listed.collect::<Vec<_>>().into());
    for (at, bin) in bins.iter().enumerate() {
        details.insert(format!("bin_{}", at + 1), bin.accuracy.into());
    }
    details.insert("accuracy".to_owned(), all.accuracy.into());
    details.insert("mean_confidence".to_owned(), all.mean.into());
    details.insert("without_confidence".to_owned(), (rows.len() as u64 - all.inputs).into());
    Figures { value, details, ..Figures::default() }
}

fn high_confidence(rows: &[Row], threshold: f64) -> Figures {
    let high = || rows.iter().filter(|row| row.confidence >= threshold);
    let (count, total) = (high().count() as u64, rows.len() as u64);
    let labelled = high().filter(|row| row.label.is_some()).count() as u64;
    let correct = high().filter(|row| row.correct() == Some(true)).count() as u64;
    Figures {
        value: share(count, total),
        covered: Some(count),
        total: Some(total),
        details: [("count".to_owned(), count.into()), ("accuracy".to_owned(), share(correct, labelled).into())].into(),
        ..Figures::default()
    }
}

fn per_input(rows: &[Row]) -> PerInput {
    let column = |name: &str, number: &dyn Fn(&Row) -> f64| (name.to_owned(), rows.iter().map(number).collect());
    PerInput {
        inputs: rows.iter().map(|row| row.input).collect(),
        columns: vec![
            column("confidence", &|row| row.confidence),
            column("class", &|row| row.class.map_or(f64::NAN, |class| class as f64)),
            column("correct", &|row| row.correct().map_or(f64::NAN, |correct| f64::from(u8::from(correct)))),
        ],
    }
}
