//! What the criteria are called, what they mean and accept.

use crate::criteria::Direction;
use crate::criteria::registry::{CriterionDescription, ParameterDescription, ParameterKind, ValueKind};

const ON_SINGULAR: ParameterDescription = ParameterDescription {
    name: "on_singular",
    kind: ParameterKind::Choice(&["error", "shrink"]),
    default_text: Some("error"),
    summary: "what becomes of a class with a singular covariance: an error, or shrinkage as in mdsa",
};

const N: ParameterDescription = ParameterDescription {
    name: "n",
    kind: ParameterKind::Integer { at_least: 1, at_most: 1_000_000 },
    default_text: Some("1000"),
    summary: "buckets",
};

const ANY: ParameterKind = ParameterKind::Number { at_least: f64::NEG_INFINITY, at_most: f64::INFINITY };

const fn lower(default_text: &'static str) -> ParameterDescription {
    ParameterDescription {
        name: "lower",
        kind: ANY,
        default_text: Some(default_text),
        summary: "scores up to this fall into no bucket",
    }
}

const fn upper(default_text: &'static str) -> ParameterDescription {
    ParameterDescription {
        name: "upper",
        kind: ANY,
        default_text: Some(default_text),
        summary: "scores above this fall into no bucket",
    }
}

/// Default bounds from the profile's own scores, in words.
const SMALLEST: &str = "the smallest score of the profile set";
const LARGEST: &str = "what 99.9 % of the profile set's scores reach at most";

const KIM: &str = "Kim, Feldt, Yoo: Guiding Deep Learning System Testing Using Surprise Adequacy, ICSE 2019";
const KIM_MAHALANOBIS: &str = "Kim, Ju, Feldt, Yoo: Reducing DNN Labelling Cost using Surprise Adequacy, ESEC/FSE 2020";

/// `lsa`, likelihood-based surprise: how unlikely an input's activation trace is among those of its class. The value is the mean over the test set.
///
/// Neurons whose (population) variance is below 1e-5 over some class of the profile are dropped. Of the others the traces of every class give a
/// Gaussian kernel density estimate with their covariance (divisor `n - 1`) and Scott's factor `n^(-1/(d+4))`; an input's score is minus the logarithm of the density
/// of its class there, any number. A test set that is more surprising counts as better: it tests more than was learnt.
///
/// A class with a single profile input is an error that names it, and so is one whose covariance is singular (`n <= d`, or the smallest eigenvalue is
/// at most `d 2^-52` of the largest), unless `on_singular = "shrink"`, which takes the one of [`MDSA`]. An input of a class that the model
/// predicts for no profile input has no score; nor has one with a value that is not finite. Profile inputs with such a value are left out.
///
/// Per input: `lsa` and `class`, the predicted one. Details: `predicted_classes`, an object `{class: {"inputs", "profile_inputs", "mean", "shrinkage"}}` (the last
/// where the covariance was shrunk); `dropped_neurons` per layer; how many inputs have no score, `unknown_class` and `skipped_inputs`, or an
/// infinite one, which the mean leaves out, `infinite`; and `profile_skipped_inputs`.
///
/// Held: 8 bytes for each kept neuron and profile input; more than 8 GiB are refused.
///
/// Definition: Kim, Feldt, Yoo: Guiding Deep Learning System Testing Using Surprise Adequacy, ICSE 2019.
///
/// ```
/// use std::sync::Arc;
/// use cleanai_harness::criteria::{BatchEnd, LayerBatch, LayerProfile, LayerTraces, Start, TraceInputs, registry};
/// use cleanai_harness::model::LayerInfo;
///
/// let layer = LayerInfo {
///     name: "fc".into(), class: "Linear".into(), operator: "linear".into(), shape: vec![1], channel_axis: 0,
/// };
/// // Three profile inputs of one class.
/// let mut inputs = TraceInputs::default();
/// inputs.push(1, &[1.0, 1.0, 1.0], None);
/// let traces = LayerTraces::new(Arc::new(vec![-1.0, 0.0, 1.0]), 1, Arc::new(inputs));
/// let profile = [LayerProfile { traces: Some(traces), ..LayerProfile::default() }];
/// let start = Start { layers: &[layer], neurons: &[1], profile: Some(&profile) };
/// let mut state = registry::criterion(&"lsa".parse()?)?.start(start)?;
/// state.observe(LayerBatch::channels(1, vec![0.0]).values(0, 0));
/// state.end_batch(BatchEnd { first: 0, inputs: 1, classes: 1, logits: &[1.0], labels: None })?;
/// // Variance 1 times the squared factor 3^(-2/5).
/// let h2 = 3f64.powf(-0.4);
/// let density = (1.0 + 2.0 * (-0.5 / h2).exp()) / 3.0 / (std::f64::consts::TAU * h2).sqrt();
/// assert!((state.figures().value.unwrap() + density.ln()).abs() < 1e-12);
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const LSA: CriterionDescription = CriterionDescription {
    name: "lsa",
    summary: "mean surprise by likelihood: minus the log density of a test input's trace in its predicted class",
    parameters: &[ON_SINGULAR],
    direction: Direction::HigherIsBetter,
    value: ValueKind::Number,
    reference: KIM,
};

/// `dsa`, distance-based surprise: how far an input's activation trace is from its class, relative to how near other classes are. The value is the
/// mean over the test set.
///
/// With `a` the distance from the trace to the nearest profile trace `t` of its class (the earliest of equally near ones), and `b` the distance from `t` to the
/// nearest profile trace of another class, the score is `a / b`, a number >= 0; it is 0 where `a` is 0, and infinite where only `b` is. Distances are
/// Euclidean and exact: sums of squared differences in f64. A test set that is more surprising counts as better: it tests more than was learnt.
///
/// A profile set of one class is an error. A class may have a single profile input. An input of a class that the model predicts for no profile input has no
/// score; nor has one with a value that is not finite. Profile inputs with such a value are left out.
///
/// Per input: `dsa` and `class`, the predicted one. Details: `predicted_classes`, an object `{class: {"inputs", "profile_inputs", "mean"}}`; how many inputs have no
/// score, `unknown_class` and `skipped_inputs`, or an infinite one, which the mean leaves out, `infinite`; and `profile_skipped_inputs`.
///
/// Definition: Kim, Feldt, Yoo: Guiding Deep Learning System Testing Using Surprise Adequacy, ICSE 2019.
///
/// ```
/// use std::sync::Arc;
/// use cleanai_harness::criteria::{BatchEnd, LayerBatch, LayerProfile, LayerTraces, Start, TraceInputs, registry};
/// use cleanai_harness::model::LayerInfo;
///
/// let layer = LayerInfo {
///     name: "fc".into(), class: "Linear".into(), operator: "linear".into(), shape: vec![1], channel_axis: 0,
/// };
/// // Profile inputs at 0 and 1 of class 0, at 10 and 14 of class 1.
/// let mut inputs = TraceInputs::default();
/// inputs.push(2, &[1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0], None);
/// let traces = LayerTraces::new(Arc::new(vec![0.0, 1.0, 10.0, 14.0]), 1, Arc::new(inputs));
/// let profile = [LayerProfile { traces: Some(traces), ..LayerProfile::default() }];
/// let start = Start { layers: &[layer], neurons: &[1], profile: Some(&profile) };
/// let mut state = registry::criterion(&"dsa".parse()?)?.start(start)?;
/// state.observe(LayerBatch::channels(1, vec![3.0]).values(0, 0));
/// state.end_batch(BatchEnd { first: 0, inputs: 1, classes: 2, logits: &[1.0, 0.0], labels: None })?;
/// assert_eq!(state.figures().value, Some(2.0 / 9.0)); // from 3 to 1, and from there to 10
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const DSA: CriterionDescription = CriterionDescription {
    name: "dsa",
    summary: "mean surprise by distance: how far a test input's trace is from its predicted class, relative to other classes",
    parameters: &[],
    direction: Direction::HigherIsBetter,
    value: ValueKind::Number,
    reference: KIM,
};

/// `mdsa`, surprise by Mahalanobis distance: how far an input's activation trace is from the middle of its class. The value is the mean over the
/// test set.
///
/// The score is `sqrt((v - m)' S^-1 (v - m))`, a number >= 0, with `m` the mean and `S` the population covariance of the profile's traces of the class. Of `S` its
/// condition number must be at most 1e10; else it is shrunk to `(1 - l) S + l tr(S) / d I`, with the smallest `l` of 1e-12, 1e-11 ... 1 that suffices. A test set that is
/// more surprising counts as better: it tests more than was learnt.
///
/// A class with a single profile input, or whose traces are all the same, is an error that names it. An input of a class that the model predicts for no profile
/// input has no score; nor has one with a value that is not finite. Profile inputs with such a value are left out.
///
/// Per input: `mdsa` and `class`, the predicted one. Details: `predicted_classes`, an object `{class: {"inputs", "profile_inputs", "mean", "shrinkage"}}`, the last being
/// `l`; how many inputs have no score, `unknown_class` and `skipped_inputs`, or an infinite one, which the mean leaves out, `infinite`; and
/// `profile_skipped_inputs`.
///
/// Held for a class and a trace of n neurons: 8 n² bytes; more than 8 GiB for all classes are refused.
///
/// Definition: Kim, Ju, Feldt, Yoo: Reducing DNN Labelling Cost using Surprise Adequacy, ESEC/FSE 2020.
///
/// ```
/// use std::sync::Arc;
/// use cleanai_harness::criteria::{BatchEnd, LayerBatch, LayerProfile, LayerTraces, Start, TraceInputs, registry};
/// use cleanai_harness::model::LayerInfo;
///
/// let layer = LayerInfo {
///     name: "fc".into(), class: "Linear".into(), operator: "linear".into(), shape: vec![1], channel_axis: 0,
/// };
/// let mut inputs = TraceInputs::default();
/// inputs.push(1, &[1.0, 1.0], None);
/// let traces = LayerTraces::new(Arc::new(vec![1.0, 5.0]), 1, Arc::new(inputs)); // mean 3, variance 4
/// let profile = [LayerProfile { traces: Some(traces), ..LayerProfile::default() }];
/// let start = Start { layers: &[layer], neurons: &[1], profile: Some(&profile) };
/// let mut state = registry::criterion(&"mdsa".parse()?)?.start(start)?;
/// state.observe(LayerBatch::channels(1, vec![8.0]).values(0, 0));
/// state.end_batch(BatchEnd { first: 0, inputs: 1, classes: 1, logits: &[1.0], labels: None })?;
/// assert_eq!(state.figures().value, Some(2.5));
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const MDSA: CriterionDescription = CriterionDescription {
    name: "mdsa",
    summary: "mean surprise by Mahalanobis distance of a test input's trace from the middle of its predicted class",
    parameters: &[],
    direction: Direction::HigherIsBetter,
    value: ValueKind::Number,
    reference: KIM_MAHALANOBIS,
};

/// `lsc(n = 1000)`, surprise coverage by likelihood: the share of `n` equal buckets of `(lower, upper]` that some test input's [`LSA`] falls into, in 0..=1.
///
/// Where bounds are not given they are the smallest of the profile inputs' own scores and their 99.9 % quantile (linear interpolation, all
/// classes together), each scored without its own kernel: with it scores would pile up where no other input reaches. Scores outside, among them infinite
/// ones, cover nothing and are counted. Many scores are negative, so the literature's `lower = 0, upper = 2000` can cover nothing.
///
/// Details, beside those of [`LSA`]: `lower`, `upper`, `outside_below`, `outside_above`, `mean_lsa`, and of each predicted class the buckets `covered`. Per input: `lsa` and `class`.
///
/// Definition: Kim, Feldt, Yoo: Guiding Deep Learning System Testing Using Surprise Adequacy, ICSE 2019.
///
/// ```
/// use cleanai_harness::criteria::registry;
///
/// assert!(registry::criterion(&"lsc(n=500, lower=-100, upper=100, on_singular=\"shrink\")".parse()?)?.needs().traces);
/// let error = registry::criterion(&"lsc(lower=1, upper=0)".parse()?).err().expect("no room");
/// assert!(error.help().unwrap().contains("`lower` that is below `upper`"));
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const LSC: CriterionDescription = CriterionDescription {
    name: "lsc",
    summary: "share of equal buckets of surprise by likelihood that some test input falls into",
    parameters: &[N, lower(SMALLEST), upper(LARGEST), ON_SINGULAR],
    direction: Direction::HigherIsBetter,
    value: ValueKind::ItemShare,
    reference: KIM,
};

/// `dsc(n = 1000, lower = 0, upper = 2)`, surprise coverage by distance: the share of `n` equal buckets of `(lower, upper]` that some test input's [`DSA`] falls into, in
/// 0..=1. Scores outside, among them infinite ones and those of inputs that are in the profile set, which are 0, cover nothing and are counted.
///
/// Details, beside those of [`DSA`]: `lower`, `upper`, `outside_below`, `outside_above`, `mean_dsa`, and of each predicted class the buckets `covered`. Per input: `dsa` and `class`.
///
/// Definition: Kim, Feldt, Yoo: Guiding Deep Learning System Testing Using Surprise Adequacy, ICSE 2019.
///
/// ```
/// use cleanai_harness::criteria::registry;
///
/// assert!(registry::criterion(&"dsc(n=100)".parse()?)?.needs().traces);
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const DSC: CriterionDescription = CriterionDescription {
    name: "dsc",
    summary: "share of equal buckets of surprise by distance that some test input falls into",
    parameters: &[N, lower("0"), upper("2")],
    direction: Direction::HigherIsBetter,
    value: ValueKind::ItemShare,
    reference: KIM,
};

/// `mdsc(n = 1000)`, surprise coverage by Mahalanobis distance: the share of `n` equal buckets of `(lower, upper]` that some test input's [`MDSA`] falls into, in 0..=1.
///
/// Where bounds are not given they are the smallest of the profile inputs' own scores and their 99.9 % quantile (linear interpolation, all
/// classes together). Scores outside cover nothing and are counted.
///
/// Details, beside those of [`MDSA`]: `lower`, `upper`, `outside_below`, `outside_above`, `mean_mdsa`, and of each predicted class the buckets `covered`. Per input: `mdsa` and `class`.
///
/// Definition: Kim, Ju, Feldt, Yoo: Reducing DNN Labelling Cost using Surprise Adequacy, ESEC/FSE 2020.
///
/// ```
/// use cleanai_harness::criteria::registry;
///
/// assert!(registry::criterion(&"mdsc(n=100, upper=50)".parse()?)?.needs().traces);
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const MDSC: CriterionDescription = CriterionDescription {
    name: "mdsc",
    summary: "share of equal buckets of Mahalanobis distances that some test input falls into",
    parameters: &[N, lower(SMALLEST), upper(LARGEST)],
    direction: Direction::HigherIsBetter,
    value: ValueKind::ItemShare,
    reference: KIM_MAHALANOBIS,
};
