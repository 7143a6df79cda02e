//! Requirements against a measurement: what was observed, whether it holds, and which bound would.

use crate::criteria::LayerFigures;
use crate::declare::{Comparison, Requirement};
use crate::gate::RequirementVerdict;
use crate::gate::baseline::{BaselineText, figure_key};
use crate::measure::{CriterionResult, Measurement};

/// Layers named beside a requirement.
const WORST_LAYERS: usize = 3;

/// Significant decimals of a [`RequirementVerdict::passing_bound`].
const BOUND_DIGITS: i32 = 4;

/// Judges every requirement, in the order given.
///
/// A figure that is missing, has nothing to cover or is not finite fails its requirement, with a note that says so.
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
    let comparison = requirement.comparison;
    let result = measurement.criteria.get(&criterion);
    let (observed, note) = match observe(result, requirement.figure.as_deref()) {
        Ok(observed) => (Some(observed), None),
        Err(note) => (None, Some(note)),
    };
    let key = figure_key(&criterion, requirement.figure.as_deref());
    RequirementVerdict {
        requirement: requirement.to_string(),
        comparison,
        bound: Some(requirement.bound),
        bound_text: None,
        against: None,
        observed,
        baseline: baseline.and_then(|baseline| baseline.get(&key)).and_then(|line| line.value),
        holds: observed.is_some_and(|observed| comparison.holds(observed, requirement.bound)),
        passing_bound: observed.and_then(|observed| passing_bound(comparison, observed)),
        // A figure from the details is not what the layers' values add up to.
        worst_layers: match (result, &requirement.figure) {
            (Some(result), None) => worst_layers(&result.layers, comparison),
            _ => Vec::new(),
        },
        criterion,
        note,
    }
}

/// The finite number a requirement is about, or why there is none.
fn observe(result: Option<&CriterionResult>, figure: Option<&str>) -> Result<f64, String> {
    let result = result.ok_or("it was not measured")?;
    let value = match figure {
        None => result.value.ok_or("there was nothing to cover")?,
        Some(figure) => numeric_detail(result, figure).ok_or_else(|| missing_figure(result, figure))?,
    };
    if value.is_finite() { Ok(value) } else { Err(format!("the figure is {value}, not a finite number")) }
}

/// A figure of the details, if it is a number.
pub(crate) fn numeric_detail(result: &CriterionResult, figure: &str) -> Option<f64> {
    result.details.get(figure).and_then(serde_json::Value::as_f64)
}

fn missing_figure(result: &CriterionResult, figure: &str) -> String {
    let known: Vec<&str> =
        result.details.iter().filter(|(_, value)| value.is_number()).map(|(name, _)| name.as_str()).collect();
    match (result.details.contains_key(figure), known.is_empty()) {
        (true, _) => format!("its figure `{figure}` is not a number"),
        (false, true) => format!("it has no figure `{figure}`, only its value"),
        (false, false) => format!("it has no figure `{figure}`; it has {}", known.join(", ")),
    }
}

/// The layers with the lowest values (highest for `<=` and `<`), worst first; layers without a value are left out.
fn worst_layers(layers: &[LayerFigures], comparison: Comparison) -> Vec<LayerFigures> {
    let mut valued: Vec<(f64, &LayerFigures)> = layers
        .iter()
        .filter_map(|layer| layer.value.filter(|value| !value.is_nan()).map(|value| (value, layer)))
        .collect();
    // Stable, so that ties stay in execution order.
    match comparison {
        Comparison::AtLeast | Comparison::Above => valued.sort_by(|a, b| a.0.total_cmp(&b.0)),
        Comparison::AtMost | Comparison::Below => valued.sort_by(|a, b| b.0.total_cmp(&a.0)),
    }
    valued.into_iter().take(WORST_LAYERS).map(|(_, layer)| layer.clone()).collect()
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
