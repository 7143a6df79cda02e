//! Coverage monitors as criteria: `src`, `mrc`, `topk`, `knn`, and `src_in_range` ([`crate::monitor`]).

mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::registry::{Arguments, CriterionDescription, ParameterDescription, ParameterKind, ValueKind};
use super::scope::Scope;
use super::{Criterion, Direction, LayerTraces, Needs, OfInputs, Start, State};
use crate::declare::{CriterionSpec, Value};
use crate::monitor::{Calibration, Method};
use crate::{Error, ErrorKind, Result};
use state::{Kept, MonitorState};

const REFERENCE: &str = "Rossolini, Biondi, Buttazzo: Increasing the Confidence of Deep Neural Networks by Coverage Analysis, IEEE TSE 2022";

const UNTRUSTED: ParameterDescription = ParameterDescription {
    name: "untrusted",
    kind: ParameterKind::Data,
    default_text: Some("the data's untrusted inputs, if it has any"),
    summary: "inputs that must not be accepted, as a path like that of the test set; they tell tau, AUROC and TPR",
};

/// `src`, single-range coverage: the share of test inputs that a monitor of neuron ranges accepts.
///
/// Of every class the trusted profile inputs (predicted as their label with a softmax of at least 0.9) give each neuron a range. Eta is the number of
/// neurons outside the range of the predicted class, over all layers. An input is accepted iff its eta is at most the tau of its class: the
/// eta that parts trusted from untrusted inputs best (Youden's J), or without untrusted inputs of that class the 99 % quantile of trusted inputs; each
/// trusted input counts as if it had had no part in the ranges. A class with fewer than two trusted inputs has no tau and accepts nothing.
///
/// The value is accepted / inputs, in 0..=1. Of each input: `eta`, `confidence` = exp(-eta ln 2 / tau), `accepted` (1 or 0) and `class`, the predicted one.
///
/// Details, those that are numbers fit for requirements (`src.auroc >= 0.95`): `acceptance_rate`, the value; `trusted_inputs`; `trusted_acceptance_rate` and
/// `false_alarm_rate` = 1 - it, on trusted inputs; `in_range` and `in_range_trusted`, shares of pairs of input and neuron; with labels `accuracy` and
/// `accuracy_accepted`, that of the accepted; with untrusted inputs `untrusted_inputs`, `untrusted_acceptance_rate`, `in_range_untrusted`, and `auroc` and
/// `tpr_at_5_fpr`, of untrusted against test inputs. `monitor` has trusted inputs and tau by class, and shares in range by layer.
///
/// ```
/// use std::sync::Arc;
/// use cleanai_harness::criteria::*;
/// use cleanai_harness::model::LayerInfo;
///
/// let layer = LayerInfo {
///     name: "fc".into(), class: "Linear".into(), operator: "linear".into(), shape: vec![1], channel_axis: 0,
/// };
/// // Three profile inputs of class 0, all predicted as it and surely.
/// let mut inputs = TraceInputs::default();
/// inputs.push(2, &[9.0, 0.0, 9.0, 0.0, 9.0, 0.0], Some(&[0, 0, 0]));
/// let traces = LayerTraces::new(Arc::new(vec![1.0, 1.0, 2.0]), 1, Arc::new(inputs));
/// let profile = LayerProfile { traces: Some(traces), ..LayerProfile::default() };
/// let start = Start { layers: &[layer], neurons: &[1], profile: Some(&[profile]) };
/// let mut state = registry::criterion(&"src".parse()?)?.start(start)?;
/// // The third input is outside the range of the first two, so tau is nearly 1: it accepts inputs that are not outside.
/// state.observe(LayerBatch::channels(2, vec![1.5, 3.0]).values(0, 0));
/// state.end_batch(BatchEnd { first: 0, inputs: 2, classes: 2, logits: &[5.0, 0.0, 5.0, 0.0], labels: None })?;
/// assert_eq!(state.figures().value, Some(0.5));
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const SRC: CriterionDescription = CriterionDescription {
    name: "src",
    summary: "share of inputs that a monitor of neuron ranges by class accepts",
    parameters: &[UNTRUSTED],
    direction: Direction::HigherIsBetter,
    value: ValueKind::ItemShare,
    reference: REFERENCE,
};

/// `mrc(q = 10)`, multi-range coverage: as [`SRC`], with ranges cut into `q` sections as `kmnc` cuts them. A neuron costs 1 outside its range, else 1 - the
/// share of the class's trusted inputs in its section; eta is the sum over all neurons. There are no shares in range among the details.
pub const MRC: CriterionDescription = CriterionDescription {
    name: "mrc",
    summary: "share of inputs that a monitor of sections of neuron ranges by class accepts",
    parameters: &[
        ParameterDescription {
            name: "q",
            kind: ParameterKind::Integer { at_least: 1, at_most: 100_000 },
            default_text: Some("10"),
            summary: "sections of every range",
        },
        UNTRUSTED,
    ],
    direction: Direction::HigherIsBetter,
    value: ValueKind::ItemShare,
    reference: REFERENCE,
};

/// `topk(k = 3)`: as [`SRC`], by the neurons that are most often among the `k` most active of their layer for the class's trusted inputs (ties: the lowest
/// index). Eta is the share of an input's own most active neurons, over all layers, that are none of these. There are no shares in range among the details.
pub const TOPK: CriterionDescription = CriterionDescription {
    name: "topk",
    summary: "share of inputs that a monitor of the usually most active neurons by class accepts",
    parameters: &[
        ParameterDescription {
            name: "k",
            kind: ParameterKind::Integer { at_least: 1, at_most: 1_000_000 },
            default_text: Some("3"),
            summary: "most active neurons of each layer",
        },
        UNTRUSTED,
    ],
    direction: Direction::HigherIsBetter,
    value: ValueKind::ItemShare,
    reference: REFERENCE,
};

/// `knn(k = 1)`: as [`SRC`], by the Euclidean distance to the `k`-th nearest trusted input of the class, over the neurons of all layers. A class with no more
/// than `k` trusted inputs has no tau. There are no shares in range among the details.
pub const KNN: CriterionDescription = CriterionDescription {
    name: "knn",
    summary: "share of inputs that a monitor of distances to trusted inputs of the class accepts",
    parameters: &[
        ParameterDescription {
            name: "k",
            kind: ParameterKind::Integer { at_least: 1, at_most: 1_000_000 },
            default_text: Some("1"),
            summary: "which neighbour's distance counts",
        },
        UNTRUSTED,
    ],
    direction: Direction::HigherIsBetter,
    value: ValueKind::ItemShare,
    reference: REFERENCE,
};

/// `src_in_range`: the share of pairs of test input and neuron in the range that trusted profile inputs of the predicted class give the neuron ([`SRC`]).
///
/// Details: `in_range_trusted`, each trusted input left out of the ranges it is compared with, and `in_range_untrusted` where there are untrusted inputs;
/// `monitor` has both by layer. A class without trusted inputs has no ranges, and all is outside.
pub const SRC_IN_RANGE: CriterionDescription = CriterionDescription {
    name: "src_in_range",
    summary: "share of neuron values in the range that trusted inputs of the predicted class give",
    parameters: &[UNTRUSTED],
    direction: Direction::HigherIsBetter,
    value: ValueKind::ItemShare,
    reference: REFERENCE,
};

pub(super) fn build(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    let (method, description) = method_of(spec)?;
    let arguments = Arguments::check(spec, description)?;
    let untrusted = match spec.parameters.get("untrusted") {
        Some(Value::Text(path)) => Some(path.clone()),
        _ => None,
    };
    let method = method(&arguments)?;
    Ok(Box::new(Monitored { spec: spec.clone(), method, untrusted }))
}

type Reader = fn(&Arguments<'_>) -> Result<Method>;

/// How a criterion's parameters are read.
fn method_of(spec: &CriterionSpec) -> Result<(Reader, &'static CriterionDescription)> {
    Ok(match spec.name.as_str() {
        "src" => (|_| Ok(Method::Ranges), &SRC),
        "src_in_range" => (|_| Ok(Method::Ranges), &SRC_IN_RANGE),
        "mrc" => (|arguments| Ok(Method::Sections { sections: arguments.integer("q")? as usize }), &MRC),
        "topk" => (|arguments| Ok(Method::TopK { places: arguments.integer("k")? as usize }), &TOPK),
        "knn" => (|arguments| Ok(Method::Nearest { neighbours: arguments.integer("k")? as usize }), &KNN),
        other => {
            return Err(Error::new(ErrorKind::Configuration, format!("`{other}` is no monitor"))
                .with_help("monitors are `src`, `mrc(q=10)`, `topk(k=3)` and `knn(k=1)`"));
        }
    })
}

/// What a monitor is made of, by its criterion's text.
///
/// # Errors
/// If the criterion is none that judges single inputs, or a parameter is wrong.
pub(crate) fn method(spec: &CriterionSpec) -> Result<Method> {
    let (method, description) = method_of(spec)?;
    if spec.name == SRC_IN_RANGE.name {
        return Err(Error::new(ErrorKind::Configuration, "`src_in_range` judges no single inputs")
            .with_help("`src` is the monitor with the same ranges"));
    }
    method(&Arguments::check(spec, description)?)
}

struct Monitored {
    spec: CriterionSpec,
    method: Method,
    untrusted: Option<String>,
}

impl Monitored {
    fn state(&self, start: Start<'_>, kept: impl FnOnce(&Scope) -> Result<Kept>) -> Result<Box<dyn State>> {
        let scope = Scope::new(&self.spec, &start)?;
        let calibration = calibrate(self.method, &scope, &start).map_err(|error| error.context(&self.spec))?;
        let kept = kept(&scope)?;
        Ok(Box::new(MonitorState::new(scope, Arc::new(calibration), kept)))
    }
}

/// Signatures and thresholds from the traces a criterion is started with.
fn calibrate(method: Method, scope: &Scope, start: &Start<'_>) -> Result<Calibration> {
    let layers = start.profile.unwrap_or_default();
    let fitting = |traces: Vec<&LayerTraces>| -> Option<Vec<LayerTraces>> {
        let fits = traces.len() == scope.neurons.len()
            && traces.iter().zip(&scope.neurons).all(|(layer, width)| layer.width() == *width);
        fits.then(|| traces.into_iter().cloned().collect())
    };
    let profile = fitting(layers.iter().filter_map(|layer| layer.traces.as_ref()).collect()).ok_or_else(|| {
        Error::new(ErrorKind::Criterion, "it needs the activation traces of a profile set")
            .with_help("name the inputs that the model was trained with as `profile` of the data")
    })?;
    let untrusted: Vec<&LayerTraces> = layers.iter().filter_map(|layer| layer.untrusted.as_ref()).collect();
    let untrusted = match untrusted.is_empty() {
        true => None,
        false => Some(fitting(untrusted).ok_or_else(|| {
            Error::new(ErrorKind::Criterion, "the activation traces of the untrusted set are of other layers")
        })?),
    };
    Calibration::new(method, &profile, untrusted.as_deref())
}

impl Criterion for Monitored {
    fn spec(&self) -> &CriterionSpec {
        &self.spec
    }

    fn needs(&self) -> Needs {
        Needs { traces: true, untrusted: true, logits: true, ..Needs::default() }
    }

    fn of_inputs(&self) -> OfInputs {
        match self.spec.name == SRC_IN_RANGE.name {
            true => OfInputs::Nothing,
            false => OfInputs::Scores,
        }
    }

    fn untrusted(&self) -> Option<&str> {
        self.untrusted.as_deref()
    }

    fn start(&self, start: Start<'_>) -> Result<Box<dyn State>> {
        self.state(start, |scope| Ok(Kept::of(scope)))
    }

    fn restore(&self, start: Start<'_>, saved: &[u8]) -> Result<Box<dyn State>> {
        self.state(start, |scope| {
            let kept: Kept = scope.restored(saved)?;
            if kept.is_sound(scope) { Ok(kept) } else { Err(scope.does_not_fit()) }
        })
    }
}
