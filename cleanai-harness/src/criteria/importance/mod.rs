//! Importance-driven coverage: `idc`.

mod combinations;
mod state;
#[cfg(test)]
mod tests;

use super::registry::{Arguments, CriterionDescription, ParameterDescription, ParameterKind, ValueKind};
use super::scope::Scope;
use super::{Criterion, Direction, LayerImportance, Needs, OfInputs, Start, State};
use crate::declare::{CriterionSpec, Selector};
use crate::importance::{Bias, RelevanceNeeds, Rule, Stabiliser};
use crate::{Error, ErrorKind, Result};
use combinations::{Combinations, ImportantNeuron};
use state::ImportanceState;

/// `idc(m = 6, clusters = 2..=4)`: the share of combinations of the important neurons' clusters that some test input gives.
///
/// Of every layer (by default the one before the logits) the `m` neurons with the most relevance over the profile set are important
/// ([`LayerImportance`]; ties go to the lower index). The values that each of them has for the profile inputs are clustered, with every number of
/// clusters in `clusters`; the one with the best mean silhouette is taken, the smallest of equals. A test input, right or wrong, gives the combination
/// of the nearest centroids, ties to the lower one. The value is distinct combinations / the product of the numbers of clusters, in 0..=1; of several
/// layers the smallest, all of them per layer.
///
/// Parameters: `m`; `clusters`, a range; `relevance`, the rule of operators with weights: `"epsilon"`, `"gamma"` (of 0.25), `"alpha_beta"` (of 2
/// and 1) or `"z_plus"`; `eps`, its stabiliser; `bias` and `stabiliser`, what becomes of both (`"spread"`, or `"absorb"` and `"plain"`: the simple rule of
/// the authors' code is `bias = "absorb", eps = 1e-16`); `zeros`, whether zeros are clustered with the rest (`"keep"`) or left out (`"drop"`, as the authors'
/// code does); `task`, `"regression"` explains all outputs of all profile inputs, not the predicted class of those classified correctly;
/// `fallback = "gradient"` for operators without a rule.
///
/// Details: `importance`, for each layer its important neurons with relevance and its share, cluster sizes, centroids, the bounds between them, silhouette
/// and a histogram of the values that were clustered; combinations covered, reachable by profile inputs, and uncovered; `wanted`, the combinations no test input gives that most profile inputs do; `inputs`, those
/// explained; and `amplification`, the largest sum of magnitudes of relevance relative to what is explained.
///
/// Definition: Gerasimou, Eniser, Sen, Cakan: Importance-Driven Deep Learning System Testing, ICSE 2020, section 3; CRITERIA section 5 says where
/// their code differs.
///
/// ```
/// use cleanai_harness::criteria::{LayerBatch, LayerImportance, LayerProfile, Start, registry};
/// use cleanai_harness::model::LayerInfo;
///
/// let layer = LayerInfo {
///     name: "fc".into(), class: "Linear".into(), operator: "linear".into(), shape: vec![2], channel_axis: 0,
/// };
/// // Two neurons, four profile inputs; both fall into two clusters.
/// let importance = LayerImportance {
///     relevance: vec![2.0, 1.0], values: vec![0.0, 0.1, 5.0, 5.1, 1.0, 1.1, 3.0, 3.1], inputs: 4, amplification: 1.0,
/// };
/// let profile = LayerProfile {
///     low: vec![0.0, 1.0], high: vec![5.1, 3.1], importance: Some(importance), ..LayerProfile::default()
/// };
/// let start = Start { layers: &[layer], neurons: &[2], profile: Some(&[profile]) };
/// let mut state = registry::criterion(&"idc(m=2, clusters=2..=2)".parse()?)?.start(start)?;
/// let batch = LayerBatch::channels(2, vec![0.2, 0.9, 4.0, 2.9]); // low and low, high and high: two of four
/// state.observe(batch.values(0, 0));
/// assert_eq!(state.figures().value, Some(0.5));
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub const IDC: CriterionDescription = CriterionDescription {
    name: "idc",
    summary: "share of combinations of the important neurons' clusters that some test input gives",
    parameters: &[
        ParameterDescription {
            name: "m",
            kind: ParameterKind::Integer { at_least: 1, at_most: 128 },
            default_text: Some("6"),
            summary: "important neurons of each layer",
        },
        ParameterDescription {
            name: "clusters",
            kind: ParameterKind::Range { at_least: 2, at_most: 64 },
            default_text: Some("2..=4"),
            summary: "numbers of clusters that are tried",
        },
        ParameterDescription {
            name: "relevance",
            kind: ParameterKind::Choice(Rule::NAMES),
            default_text: Some("epsilon"),
            summary: "the rule that shares relevance among the inputs of operators with weights",
        },
        ParameterDescription {
            name: "eps",
            kind: ParameterKind::Number { at_least: f64::MIN_POSITIVE, at_most: 1.0 },
            default_text: Some("0.01"),
            summary: "the rule's stabiliser, relative to the largest value of the node for that input",
        },
        ParameterDescription {
            name: "bias",
            kind: ParameterKind::Choice(&["spread", "absorb"]),
            default_text: Some("spread"),
            summary: "what becomes of the relevance of biases",
        },
        ParameterDescription {
            name: "stabiliser",
            kind: ParameterKind::Choice(&["spread", "plain"]),
            default_text: Some("spread"),
            summary: "what becomes of the relevance of the stabiliser",
        },
        ParameterDescription {
            name: "zeros",
            kind: ParameterKind::Choice(&["keep", "drop"]),
            default_text: Some("keep"),
            summary: "whether zeros are clustered with the other values",
        },
        ParameterDescription {
            name: "task",
            kind: ParameterKind::Choice(&["classification", "regression"]),
            default_text: Some("classification"),
            summary: "what the model does: whether the predicted class is explained, or all outputs",
        },
        ParameterDescription {
            name: "fallback",
            kind: ParameterKind::Choice(&["none", "gradient"]),
            default_text: Some("none"),
            summary: "what operators without a rule for relevance are taken for",
        },
    ],
    direction: Direction::HigherIsBetter,
    value: ValueKind::ItemShare,
    reference: "Gerasimou, Eniser, Sen, Cakan: Importance-Driven Deep Learning System Testing, ICSE 2020, section 3",
};

/// Above this sums of relevance carry no information in f64.
const MOST_AMPLIFIED: f64 = 1e11;

pub(super) fn build(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    let arguments = Arguments::check(spec, &IDC)?;
    let is = |name: &str, word: &str| Ok::<bool, Error>(arguments.choice(name)? == word);
    let clusters = arguments.range("clusters")?;
    Ok(Box::new(Importance {
        spec: spec.clone(),
        most: arguments.integer("m")? as usize,
        clusters: clusters.map(|count| count as usize).collect(),
        drop_zeros: is("zeros", "drop")?,
        needs: RelevanceNeeds {
            rule: Rule::named(&arguments.choice("relevance")?).unwrap_or_default(),
            eps: arguments.number("eps")?,
            bias: if is("bias", "absorb")? { Bias::Absorb } else { Bias::Spread },
            stabiliser: if is("stabiliser", "plain")? { Stabiliser::Plain } else { Stabiliser::Spread },
            gradient_fallback: is("fallback", "gradient")?,
            outputs: is("task", "regression")?,
        },
    }))
}

struct Importance {
    spec: CriterionSpec,
    most: usize,
    clusters: Vec<usize>,
    drop_zeros: bool,
    needs: RelevanceNeeds,
}

impl Criterion for Importance {
    fn spec(&self) -> &CriterionSpec {
        &self.spec
    }

    fn needs(&self) -> Needs {
        Needs { profile: true, relevance: Some(self.needs), ..Needs::default() }
    }

    fn default_layers(&self) -> Option<Selector> {
        Some(Selector::Penultimate)
    }

    fn of_inputs(&self) -> OfInputs {
        OfInputs::Items
    }

    fn start(&self, start: Start<'_>) -> Result<Box<dyn State>> {
        let scope = Scope::new(&self.spec, &start)?;
        let layers = self.combinations(&scope, &start)?;
        Ok(Box::new(ImportanceState::new(scope, layers)))
    }

    fn restore(&self, start: Start<'_>, saved: &[u8]) -> Result<Box<dyn State>> {
        let scope = Scope::new(&self.spec, &start)?;
        let layers = self.combinations(&scope, &start)?;
        Ok(Box::new(ImportanceState::restore(scope, layers, saved)?))
    }
}

impl Importance {
    /// The important neurons of every layer with their clusters.
    fn combinations(&self, scope: &Scope, start: &Start<'_>) -> Result<Vec<Combinations>> {
        let profile = scope.profile(start)?;
        let layers = profile.iter().zip(&scope.names).zip(&scope.neurons);
        layers
            .map(|((profile, name), width)| {
                let refused = |what: String, help: &str| Err(Error::new(ErrorKind::Criterion, what).with_help(help));
                let criterion = &self.spec.name;
                if self.most > *width {
                    let what = format!("`{criterion}` asks for {} important neurons of layer {name}, which has {width}", self.most);
                    return Err(Error::new(ErrorKind::Criterion, what).with_help(format!("take `m` of {width} at most")));
                }
                let Some(importance) = profile.importance.as_ref().filter(|importance| importance.fits(*width)) else {
                    return refused(
                        format!("`{criterion}` is started without the relevance of layer {name}"),
                        "start it with a profile that was made for its needs",
                    );
                };
                match importance.inputs {
                    0 => {
                        return refused(
                            format!("`{criterion}` has nothing to explain: the model classifies no profile input correctly"),
                            "do the labels belong to the profile set, and is the transform the one the model was trained with?",
                        );
                    }
                    1 => {
                        return refused(
                            format!("`{criterion}` needs two profile inputs that the model classifies correctly, there is one"),
                            "give more profile inputs, usually the training set",
                        );
                    }
                    _ => {}
                }
                if importance.amplification.is_nan() || importance.amplification > MOST_AMPLIFIED {
                    return refused(
                        format!(
                            "`{criterion}`: the relevance of layer {name} sums magnitudes up to {:.1e} times what is explained, too much for its sums to mean anything",
                            importance.amplification
                        ),
                        "take a larger `eps`, or a layer nearer the output",
                    );
                }
                Combinations::new(self.important(importance, name)?, importance, criterion, name)
            })
            .collect()
    }

    fn important(&self, importance: &LayerImportance, layer: &str) -> Result<Vec<ImportantNeuron>> {
        let mut order: Vec<usize> = (0..importance.relevance.len()).collect();
        order.sort_by(|first, second| importance.relevance[*second].total_cmp(&importance.relevance[*first]));
        order.truncate(self.most);
        order.into_iter().map(|neuron| self.clustered(importance, neuron, layer)).collect()
    }

    fn clustered(&self, importance: &LayerImportance, neuron: usize, layer: &str) -> Result<ImportantNeuron> {
        let values = importance.of_neuron(neuron).iter().copied();
        let values: Vec<f64> =
            values.filter(|value| value.is_finite() && !(self.drop_zeros && *value == 0.0)).collect();
        let constant = values.iter().all(|value| *value == values[0]);
        if constant {
            let what = format!(
                "`{}`: neuron {neuron} of layer {layer} is among the {} most important and constant over the profile set: it has no clusters",
                self.spec.name, self.most
            );
            return Err(Error::new(ErrorKind::Criterion, what)
                .with_help("take a smaller `m`, more profile inputs, or another layer"));
        }
        Ok(ImportantNeuron::new(neuron, importance.relevance[neuron], values, &self.clusters))
    }
}

impl LayerImportance {
    /// The values of a neuron for all inputs.
    pub fn of_neuron(&self, neuron: usize) -> &[f64] {
        &self.values[neuron * self.inputs..(neuron + 1) * self.inputs]
    }

    /// Whether it is of so many neurons.
    fn fits(&self, neurons: usize) -> bool {
        self.relevance.len() == neurons && self.values.len() == neurons * self.inputs
    }
}
