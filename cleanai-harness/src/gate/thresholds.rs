//! Requirements against a measurement: what was observed, whether it holds, and which bound would.

use std::collections::BTreeMap;

use crate::criteria::LayerFigures;
use crate::declare::{Comparison, Figure, Reference, Requirement, possible};
use crate::gate::baseline::{BaselineText, HALF_UNIT, rounded};
use crate::gate::{ClassValue, RequirementVerdict};
use crate::measure::{ClassFigures, CriterionResult, Measurement};

/// Layers and classes named beside a requirement.
const WORST: usize = 3;

/// Significant decimals of a [`RequirementVerdict::passing_bound`].
const BOUND_DIGITS: i32 = 4;

/// Judges every requirement, in the order given.
///
/// A figure that is missing, has nothing to cover or is not finite fails its requirement, with a note that says so. Without a
/// baseline, what is held against it is not judged yet ([`RequirementVerdict::is_judged`]).
pub fn judge(
    requirements: &[Requirement],
    measurement: &Measurement,
    baseline: Option<&BaselineText>,
) -> Vec<RequirementVerdict> {
    requirements.iter().map(|requirement| judge_one(requirement, measurement, baseline)).collect()
}

fn judge_one(
    requirement: &Requirement,
    measurement: &Measurement,
    baseline: Option<&BaselineText>,
) -> RequirementVerdict {
    let criterion = requirement.criterion.to_string();
    let subject = requirement.subject();
    let comparison = requirement.comparison;
    let result = measurement.criteria.get(&criterion);
    let baseline = baseline.and_then(|baseline| baseline.get(&subject)).and_then(|line| line.value);
    let other = measurement.against.as_ref();
    let against = other.and_then(|other| other.figures.get(&subject).copied().flatten());
    let reference = requirement.bound.reference();
    let bound = match reference {
        None => requirement.bound.number(),
        Some(reference) => match reference {
            Reference::Baseline => baseline,
            Reference::Against => against,
        }
        .filter(|held| held.is_finite())
        .map(|held| requirement.bound.at(held)),
    };
    let observed = observe(result, requirement.figure.as_ref());
    // The baseline holds six decimals, and with as many it is compared.
    let observed = observed.map(|it| if reference == Some(Reference::Baseline) { rounded(it) } else { it });
    let (holds, note) = match (&observed, bound) {
        (Err(why), _) => (false, Some(why.clone())),
        (Ok(observed), Some(bound)) => {
            let holds = meets(comparison, *observed, bound, reference);
            (holds, possible::always(requirement).filter(|_| holds))
        }
        // That there is no baseline fails the test by itself.
        (Ok(_), None) if reference == Some(Reference::Baseline) => (true, Some("no baseline yet".to_owned())),
        (Ok(_), None) => (false, Some(no_other_figure(measurement))),
    };
    let observed = observed.ok();
    RequirementVerdict {
        requirement: requirement.to_string(),
        comparison,
        bound,
        bound_text: reference.map(|_| requirement.bound.to_string()),
        against,
        observed,
        baseline,
        holds,
        passing_bound: observed.and_then(|observed| passing_bound(comparison, observed)),
        worst_layers: match (result, &requirement.figure) {
            (Some(result), None | Some(Figure::PerLayer(_))) => worst_layers(&result.layers, comparison),
            (Some(result), Some(Figure::Uncovered)) => most_uncovered(&result.layers),
            // Any other figure is not what the layers' values add up to.
            _ => Vec::new(),
        },
        worst_classes: match (result, &requirement.figure) {
            (Some(result), Some(Figure::PerClass(_))) => worst_classes(&result.classes, comparison),
            _ => Vec::new(),
        },
        criterion,
        note,
        origin: requirement.origin.clone(),
    }
}

/// The finite number a requirement is about, or why there is none.
fn observe(result: Option<&CriterionResult>, figure: Option<&Figure>) -> Result<f64, String> {
    let value = result.ok_or("it was not measured")?.figure(figure)?;
    if value.is_finite() { Ok(value) } else { Err(format!("the figure is {value}, not a finite number")) }
}

fn no_other_figure(measurement: &Measurement) -> String {
    match &measurement.against {
        Some(other) => format!("`{}` has no such figure to compare with", other.path),
        None => "no other model was measured to compare with".to_owned(),
    }
}

/// Whether a figure meets a bound. What both were rounded or computed by decides nothing.
fn meets(comparison: Comparison, observed: f64, bound: f64, reference: Option<Reference>) -> bool {
    let last_bits = 4.0 * f64::EPSILON * observed.abs().max(bound.abs());
    let slack = match reference {
        None => return comparison.holds(observed, bound),
        Some(Reference::Baseline) => HALF_UNIT.max(last_bits),
        Some(Reference::Against) => last_bits,
    };
    match comparison {
        Comparison::AtLeast => observed - bound >= -slack,
        Comparison::Above => observed - bound > slack,
        Comparison::AtMost => observed - bound <= slack,
        Comparison::Below => observed - bound < -slack,
    }
}

/// The layers with the lowest values (highest for `<=` and `<`), worst first; layers without a value are left out.
fn worst_layers(layers: &[LayerFigures], comparison: Comparison) -> Vec<LayerFigures> {
    worst(layers.iter().map(|layer| (layer.value, layer)), comparison).cloned().collect()
}

/// The layers with most items left, most first; layers without counts are left out.
fn most_uncovered(layers: &[LayerFigures]) -> Vec<LayerFigures> {
    let left = |layer: &LayerFigures| Some(layer.total?.saturating_sub(layer.covered?) as f64);
    let some = layers.iter().filter(|layer| left(layer) > Some(0.0));
    worst(some.map(|layer| (left(layer), layer)), Comparison::AtMost).cloned().collect()
}

/// The classes with the lowest values (highest for `<=` and `<`), worst first; classes without a value are left out.
fn worst_classes(classes: &BTreeMap<String, ClassFigures>, comparison: Comparison) -> Vec<ClassValue> {
    let valued = classes.iter().map(|(name, figures)| (figures.value, (name, figures)));
    worst(valued, comparison).map(|(name, figures)| ClassValue { name: name.clone(), figures: *figures }).collect()
}

fn worst<T>(parts: impl Iterator<Item = (Option<f64>, T)>, comparison: Comparison) -> impl Iterator<Item = T> {
    let mut valued: Vec<(f64, T)> =
        parts.filter_map(|(value, part)| value.filter(|value| !value.is_nan()).map(|value| (value, part))).collect();
    // Stable, so that ties stay in execution order.
    match comparison {
        Comparison::AtLeast | Comparison::Above => valued.sort_by(|a, b| a.0.total_cmp(&b.0)),
        Comparison::AtMost | Comparison::Below => valued.sort_by(|a, b| b.0.total_cmp(&a.0)),
    }
    valued.into_iter().take(WORST).map(|(_, part)| part)
}

/// The tightest bound with few digits that `observed` still meets; `None` if `observed` is not finite.
///
/// `>=` rounds down and `<=` up to four significant decimals; `>` and `<` go on to the next step.
/// Whole numbers of two and more are taken for counts and step by one.
///
/// ```
/// use cleanai_harness::declare::Comparison;
/// use cleanai_harness::gate::thresholds::passing_bound;
/// assert_eq!(passing_bound(Comparison::AtLeast, 0.254191), Some(0.2541));
/// assert_eq!(passing_bound(Comparison::AtMost, 0.254191), Some(0.2542));
/// assert_eq!(passing_bound(Comparison::Above, 57.0), Some(56.0));
/// ```
pub fn passing_bound(comparison: Comparison, observed: f64) -> Option<f64> {
    if !observed.is_finite() {
        return None;
    }
    let upwards = matches!(comparison, Comparison::AtMost | Comparison::Below);
    let strict = matches!(comparison, Comparison::Above | Comparison::Below);
    // Beyond this a number has no decimals left to round, and what follows counts in whole steps of an i64.
    if observed.abs() >= 1e15 {
        return Some(match (strict, upwards) {
            (false, _) => observed,
            (true, false) => observed.next_down(),
            (true, true) => observed.next_up(),
        });
    }
    let decimals = decimals_of(observed);
    let nearest = (observed * 10f64.powi(decimals)).round() as i64;
    // The product may have been rounded across a step: start beyond it and come back to the first bound that holds.
    (-2..=2)
        .map(|offset| decimal(if upwards { nearest + offset } else { nearest - offset }, decimals))
        .find(|&bound| comparison.holds(observed, bound))
}

/// Decimals that leave [`BOUND_DIGITS`] significant digits; none for whole numbers that look like counts.
fn decimals_of(value: f64) -> i32 {
    let size = value.abs();
    if size == 0.0 {
        return BOUND_DIGITS;
    }
    if size >= 2.0 && value.fract() == 0.0 {
        return 0;
    }
    let magnitude = size.log10().floor() as i32;
    (BOUND_DIGITS - 1 - magnitude).clamp(0, 300)
}

/// `steps / 10^decimals`, as its decimal text reads.
fn decimal(steps: i64, decimals: i32) -> f64 {
    format!("{steps}e-{decimals}").parse().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests;
