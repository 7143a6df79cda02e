//! From a changed figure to what lies behind it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

use super::baseline::{BaselineLine, BaselineText};
use super::covered::{Covered, CoveredCriterion, CoveredLayer};
use super::{Change, Explanation, FigureChange, GoneInput, GoneInputs, NeuronChange, NeuronChanges, PartChange};
use crate::criteria::{CoveredNeurons, Direction, LayerFigures};
use crate::measure::{ClassFigures, CriterionResult, Measurement};

/// Neurons listed in a record; reports show fewer.
const NEURONS: usize = 20;

/// Inputs listed in a record.
const INPUTS: usize = 10;

/// A difference that six decimals do not show is none.
const NOTHING: f64 = 0.5e-6;

/// What is known of the baseline beside its text.
pub(super) type Then = Result<Covered, Option<String>>;

/// Explains every figure that is worse or better than its baseline. `then` is what stood behind the baseline, or why that is not known (nothing where
/// there is nothing to know).
pub(super) fn explain(changes: &mut [FigureChange], baseline: &BaselineText, then: &Then, measurement: &Measurement) {
    let now: HashSet<&str> = measurement.names.iter().map(String::as_str).collect();
    for change in changes.iter_mut().filter(|it| matches!(it.change, Change::Regressed | Change::Improved)) {
        // A figure of the details has no layers or neurons of its own.
        let Some(result) = measurement.criteria.get(&change.criterion) else { continue };
        let mut explanation =
            Explanation { layers: layers(baseline.layers(&change.criterion), result), ..Explanation::default() };
        match then {
            Ok(covered) => {
                if let Some(then) = covered.criteria.get(&change.criterion) {
                    explanation.classes = classes(then, result);
                    (explanation.lost, explanation.gained) = neurons(then, covered, result, measurement, &now);
                    explanation.gone = gone(then, covered, &now);
                }
            }
            Err(why) => explanation.unknown.clone_from(why),
        }
        change.explanation = Some(explanation);
    }
}

/// How much worse `now` is than `then`; `None` where it is not.
fn fall(then: Option<f64>, now: Option<f64>, direction: Direction) -> Option<f64> {
    let worse = match (then, now) {
        (Some(then), Some(now)) => match direction {
            Direction::HigherIsBetter => then - now,
            Direction::LowerIsBetter => now - then,
        },
        (Some(_), None) => f64::INFINITY,
        (None, _) => return None,
    };
    (worse > NOTHING).then_some(worse)
}

fn layers(then: &[(String, BaselineLine)], result: &CriterionResult) -> Vec<PartChange> {
    let now: BTreeMap<&str, &LayerFigures> = result.layers.iter().map(|layer| (layer.name.trim(), layer)).collect();
    let part = |(name, line): &(String, BaselineLine)| {
        let now = now.get(name.as_str()).copied();
        let worse = fall(line.value, now.and_then(|now| now.value), result.direction)?;
        let part = PartChange {
            name: name.clone(),
            baseline: line.value,
            observed: now.and_then(|now| now.value),
            baseline_covered: line.counts.map(|counts| counts.0),
            covered: now.and_then(|now| now.covered),
            total: now.and_then(|now| now.total),
            ..PartChange::default()
        };
        Some((worse, part))
    };
    sorted(then.iter().filter_map(part).collect())
}

fn classes(then: &CoveredCriterion, result: &CriterionResult) -> Vec<PartChange> {
    let part = |(name, then): (&String, &ClassFigures)| {
        let now = result.classes.get(name);
        let worse = fall(then.value, now.and_then(|now| now.value), result.direction)?;
        let part = PartChange {
            name: name.clone(),
            baseline: then.value,
            observed: now.and_then(|now| now.value),
            baseline_covered: then.covered,
            covered: now.map_or(then.covered.map(|_| 0), |now| now.covered),
            total: now.and_then(|now| now.total),
            baseline_inputs: Some(then.inputs),
            inputs: Some(now.map_or(0, |now| now.inputs)),
        };
        Some((worse, part))
    };
    sorted(then.classes.iter().filter_map(part).collect())
}

/// What fell furthest first; of equals, in the order they came.
fn sorted(mut parts: Vec<(f64, PartChange)>) -> Vec<PartChange> {
    parts.sort_by(|a, b| b.0.total_cmp(&a.0));
    parts.into_iter().map(|(_, part)| part).collect()
}

/// The neurons that lost and that gained items.
fn neurons(
    then: &CoveredCriterion,
    covered: &Covered,
    result: &CriterionResult,
    measurement: &Measurement,
    names: &HashSet<&str>,
) -> (NeuronChanges, NeuronChanges) {
    let now: BTreeMap<&str, &CoveredNeurons> =
        result.layers.iter().zip(&result.neurons).map(|(layer, neurons)| (layer.name.as_str(), neurons)).collect();
    let (mut lost, mut gained) = (NeuronChanges::default(), NeuronChanges::default());
    for (layer, now) in then.layers.iter().filter_map(|layer| Some((layer, *now.get(layer.name.as_str())?))) {
        let CoveredLayer { name, covered: before, first } = layer;
        // A layer of another width is another layer.
        if before.len() != now.covered.len() {
            continue;
        }
        for (neuron, (before, observed)) in before.iter().zip(&now.covered).enumerate() {
            let change = |first: Option<String>, gone: bool| NeuronChange {
                layer: name.clone(),
                neuron: neuron as u64,
                baseline: u64::from(*before),
                observed: u64::from(*observed),
                first,
                gone,
            };
            if observed < before {
                // Of a neuron that is still covered in part, the first input need not be the one that is missed.
                let input = first[neuron].filter(|_| *observed == 0).and_then(|input| covered.name(input));
                let gone = input.is_some_and(|input| !names.contains(input));
                lost.items += u64::from(before - observed);
                lost.largest.push(change(input.map(str::to_owned), gone));
            } else if observed > before {
                let input = now.first.get(neuron).copied().flatten().filter(|_| *before == 0);
                let input = input.and_then(|input| measurement.names.get(input as usize)).cloned();
                gained.items += u64::from(observed - before);
                gained.largest.push(change(input, false));
            }
        }
    }
    for changes in [&mut lost, &mut gained] {
        changes.neurons = changes.largest.len() as u64;
        // Neurons that are covered no more come first, then those that lost most; of equals in the order of the layers.
        changes
            .largest
            .sort_by_key(|own| (own.observed != 0 && own.baseline != 0, Reverse(own.baseline.abs_diff(own.observed))));
        changes.largest.truncate(NEURONS);
    }
    (lost, gained)
}

/// The inputs that are no longer there.
fn gone(then: &CoveredCriterion, covered: &Covered, names: &HashSet<&str>) -> GoneInputs {
    let mut gone = GoneInputs::default();
    for (input, items) in &then.contributions {
        let Some(name) = covered.name(*input).filter(|name| !names.contains(name)) else { continue };
        gone.inputs += 1;
        gone.items += items;
        if gone.largest.len() < INPUTS {
            gone.largest.push(GoneInput { name: name.to_owned(), covered: *items });
        }
    }
    gone
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::criteria::Contribution;
    use crate::gate::sample;

    /// `nc` on two layers of three neurons; inputs `0` to `3`, of which some cover these neurons first.
    fn measurement(inputs: &[&str], firsts: [[Option<u32>; 3]; 2]) -> Measurement {
        let layers = ["a", "b"].iter().zip(firsts).map(|(name, firsts)| {
            let covered = firsts.iter().flatten().count() as u64;
            LayerFigures {
                name: (*name).into(),
                value: Some(covered as f64 / 3.0),
                covered: Some(covered),
                total: Some(3),
            }
        });
        let covered = firsts.iter().flatten().flatten().count() as u64;
        let of_input = |input: u32| firsts.iter().flatten().flatten().filter(|first| **first == input).count() as u64;
        let nc = CriterionResult {
            covered: Some(covered),
            total: Some(6),
            layers: layers.collect(),
            neurons: firsts
                .iter()
                .map(|firsts| CoveredNeurons {
                    covered: firsts.iter().map(|first| u32::from(first.is_some())).collect(),
                    first: firsts.to_vec(),
                })
                .collect(),
            contributions: (0..inputs.len() as u32)
                .map(|input| Contribution { input: input.into(), covered: of_input(input) })
                .filter(|own| own.covered > 0)
                .collect(),
            classes: inputs
                .iter()
                .map(|name| {
                    (
                        name[..1].to_owned(),
                        ClassFigures { inputs: 1, value: Some(0.5), covered: Some(3), total: Some(6) },
                    )
                })
                .collect(),
            ..sample::value(covered as f64 / 6.0)
        };
        let mut measurement = sample::measurement([("nc", nc)]);
        measurement.names = Arc::new(inputs.iter().map(|name| (*name).to_owned()).collect());
        measurement
    }

    fn explained(then: &Measurement, now: &Measurement) -> Explanation {
        let (baseline, observed) = (BaselineText::of(then, &[]), BaselineText::of(now, &[]));
        let mut changes = crate::gate::baseline::Rules::default().compare(&baseline, &observed);
        explain(&mut changes, &baseline, &Ok(Covered::of(then)), now);
        changes.remove(0).explanation.unwrap()
    }

    #[test]
    fn a_removed_input_is_named_with_what_it_covered() {
        let then =
            measurement(&["1/x.png", "2/y.png", "3/z.png"], [[Some(0), Some(1), None], [Some(1), Some(1), Some(2)]]);
        // Without `2/y.png`, `3/z.png` covers one of its neurons, and another is new.
        let now = measurement(&["1/x.png", "3/z.png"], [[Some(0), None, Some(1)], [None, Some(1), None]]);
        let explanation = explained(&then, &now);
        assert_eq!(explanation.layers.iter().map(|layer| layer.name.as_str()).collect::<Vec<_>>(), ["b"]);
        assert_eq!((explanation.layers[0].baseline_covered, explanation.layers[0].covered), (Some(3), Some(1)));
        let class = &explanation.classes[0];
        assert_eq!((class.name.as_str(), class.observed, class.inputs), ("2", None, Some(0)));
        assert_eq!(explanation.classes.len(), 1, "the other classes reach what they did");
        assert_eq!((explanation.lost.neurons, explanation.lost.items), (3, 3));
        let lost = |at: usize| {
            let NeuronChange { layer, neuron, first, gone, .. } = &explanation.lost.largest[at];
            (layer.as_str(), *neuron, first.as_deref(), *gone)
        };
        assert_eq!(lost(0), ("a", 1, Some("2/y.png"), true));
        assert_eq!(lost(1), ("b", 0, Some("2/y.png"), true));
        assert_eq!(lost(2), ("b", 2, Some("3/z.png"), false));
        assert_eq!(explanation.gained.neurons, 1);
        assert_eq!(explanation.gained.largest[0].first.as_deref(), Some("3/z.png"));
        assert_eq!((explanation.gone.inputs, explanation.gone.items), (1, 3));
        assert_eq!(explanation.gone.largest[0], GoneInput { name: "2/y.png".into(), covered: 3 });
        assert_eq!(explanation.unknown, None);
    }

    #[test]
    fn a_layer_that_is_gone_fell_and_one_of_another_width_has_no_lost_neurons() {
        let then = measurement(&["1/x.png"], [[Some(0), Some(0), None], [Some(0), None, None]]);
        let mut now = then.clone();
        let nc = now.criteria.get_mut("nc").unwrap();
        (nc.value, nc.covered) = (Some(0.0), Some(0));
        nc.layers[0].name = "renamed".into();
        nc.neurons[1] = CoveredNeurons { covered: vec![0; 2], first: vec![None; 2] };
        let explanation = explained(&then, &now);
        assert_eq!((explanation.layers[0].name.as_str(), explanation.layers[0].observed), ("a", None));
        assert_eq!(explanation.lost, NeuronChanges::default());
    }

    #[test]
    fn where_less_is_better_what_rose_is_worse() {
        let then = measurement(&["1/x.png"], [[Some(0), None, None], [None; 3]]);
        let mut then = then;
        then.criteria.get_mut("nc").unwrap().direction = Direction::LowerIsBetter;
        let mut now = measurement(&["1/x.png"], [[Some(0), Some(0), None], [None; 3]]);
        now.criteria.get_mut("nc").unwrap().direction = Direction::LowerIsBetter;
        let (baseline, observed) = (BaselineText::of(&then, &[]), BaselineText::of(&now, &[]));
        let rules = crate::gate::baseline::Rules::of(&Default::default(), &[], &now).unwrap();
        let mut changes = rules.compare(&baseline, &observed);
        explain(&mut changes, &baseline, &Err(Some("it is missing".into())), &now);
        let explanation = changes[0].explanation.as_ref().unwrap();
        assert_eq!(explanation.layers[0].name, "a");
        assert_eq!(explanation.unknown.as_deref(), Some("it is missing"));
    }
}
