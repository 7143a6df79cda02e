//! Figures as text: as few digits as tell the truth.

use crate::declare::Comparison;
use crate::gate::RequirementVerdict;
use crate::measure::CriterionResult;

/// Digits after the point where nothing asks for more.
const DECIMALS: usize = 4;

/// How the figures of a criterion are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Style {
    /// With decimals: `0.2542`.
    #[default]
    Decimal,
    /// A criterion that counts without a denominator (`tknp`): `411`.
    Count,
}

impl Style {
    /// Counts have no total and are whole numbers in every layer.
    pub(crate) fn of(result: &CriterionResult) -> Self {
        let whole = |value: Option<f64>| value.is_none_or(|value| value.fract() == 0.0);
        let counts = result.total.is_none()
            && result.value.is_some()
            && whole(result.value)
            && result.layers.iter().all(|layer| layer.total.is_none() && whole(layer.value));
        if counts && (result.value.is_some_and(|value| value > 1.0) || !result.layers.is_empty()) {
            Self::Count
        } else {
            Self::Decimal
        }
    }
}

/// A figure; `-` where there was nothing to cover.
pub(crate) fn value(value: Option<f64>, style: Style) -> String {
    value.map_or_else(|| "-".to_string(), |value| number(value, style, DECIMALS))
}

/// Baselines hold six decimals; a difference below half of the last says nothing.
const BASELINE_ROUNDING: f64 = 5.000001e-7;

/// The difference to the baseline with its sign; `=` where there is none that six decimals show.
pub(crate) fn delta(observed: Option<f64>, baseline: Option<f64>, style: Style) -> String {
    let (Some(observed), Some(baseline)) = (observed, baseline) else { return "-".to_string() };
    let difference = observed - baseline;
    if difference.abs() <= BASELINE_ROUNDING {
        return "=".to_string();
    }
    let text = number(difference, style, DECIMALS);
    if difference > 0.0 { format!("+{text}") } else { text }
}

/// What was observed, with enough digits to stand to the bound as the number itself does: `0.24998` beside `>= 0.25`.
pub(crate) fn observed(verdict: &RequirementVerdict, style: Style) -> String {
    match (verdict.observed, verdict.bound) {
        (Some(observed), Some(bound)) => apart(observed, bound, style, DECIMALS),
        (observed, _) => value(observed, style),
    }
}

/// `observed` with at least `decimals` digits, and more until it compares with `bound` as the number itself does.
fn apart(observed: f64, bound: f64, style: Style, decimals: usize) -> String {
    for decimals in decimals..=17 {
        let text = number(observed, style, decimals);
        if text.parse::<f64>().is_ok_and(|shown| shown.partial_cmp(&bound) == observed.partial_cmp(&bound)) {
            return text;
        }
    }
    format!("{observed:?}")
}

/// Observed figure and bound for a sentence, equally many digits: `("0.180", "0.250")`.
pub(crate) fn pair(observed: f64, bound: f64, style: Style) -> (String, String) {
    let exact = bound_text(bound);
    let of_bound = exact.split_once('.').map_or(0, |(_, digits)| digits.len());
    if exact.contains('e') || (style == Style::Count && bound.fract() == 0.0) {
        return (apart(observed, bound, style, DECIMALS), exact);
    }
    let decimals = of_bound.max(3);
    (apart(observed, bound, Style::Decimal, decimals), format!("{bound:.decimals$}"))
}

/// A bound as a user would write it.
pub(crate) fn bound_text(bound: f64) -> String {
    let plain = bound == 0.0 || (1e-6..1e15).contains(&bound.abs());
    if plain { format!("{bound}") } else { format!("{bound:e}") }
}

/// What is required, with its sign: `>= 0.25`, `>= 0.8281 (baseline - 0.01)`, `>= baseline` where that is not known.
pub(crate) fn required(verdict: &RequirementVerdict) -> String {
    let sign = sign(verdict.comparison);
    match (verdict.bound, &verdict.bound_text) {
        (Some(bound), Some(text)) => format!("{sign} {} ({text})", bound_text(bound)),
        (Some(bound), None) => format!("{sign} {}", bound_text(bound)),
        (None, text) => format!("{sign} {}", text.as_deref().unwrap_or("-")),
    }
}

/// A number with all its digits, as JUnit properties hold it.
pub(crate) fn exact(value: f64) -> String {
    format!("{value:?}")
}

fn number(value: f64, style: Style, decimals: usize) -> String {
    if !value.is_finite() {
        return if value.is_nan() { "NaN".to_string() } else { format!("{value}") };
    }
    let magnitude = value.abs();
    if style == Style::Count && value.fract() == 0.0 && magnitude < 1e15 {
        return format!("{value:.0}");
    }
    if magnitude >= 1e9 || (magnitude > 0.0 && magnitude < 1e-6) {
        return format!("{value:.2e}");
    }
    // What would be rounded to nothing keeps two digits.
    let vanishes = magnitude > 0.0 && magnitude < 0.5 * 10f64.powi(-(decimals as i32));
    let decimals = if vanishes { (1.0 - magnitude.log10().floor()) as usize } else { decimals };
    format!("{value:.decimals$}")
}

/// How a comparison is written.
pub(crate) fn sign(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::AtLeast => ">=",
        Comparison::Above => ">",
        Comparison::AtMost => "<=",
        Comparison::Below => "<",
    }
}

/// What holds where the comparison does not.
pub(crate) fn opposite(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::AtLeast => "<",
        Comparison::Above => "<=",
        Comparison::AtMost => ">",
        Comparison::Below => ">=",
    }
}

/// Whether more of the figure is better for this comparison.
pub(crate) fn wants_more(comparison: Comparison) -> bool {
    matches!(comparison, Comparison::AtLeast | Comparison::Above)
}

/// The requirement without comparison and bound, with its selector or figure: `src.auroc` of `src.auroc >= 0.9`.
pub(crate) fn label(verdict: &RequirementVerdict) -> &str {
    verdict
        .requirement
        .rsplit_once(sign(verdict.comparison))
        .map(|(label, _)| label.trim())
        .filter(|label| !label.is_empty())
        .unwrap_or(&verdict.criterion)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn figures_are_short() {
        assert_eq!(value(Some(0.2541913043478261), Style::Decimal), "0.2542");
        assert_eq!(value(Some(1.0), Style::Decimal), "1.0000");
        assert_eq!(value(Some(411.0), Style::Count), "411");
        assert_eq!(value(Some(0.00000123), Style::Decimal), "0.0000012");
        assert_eq!(value(Some(0.00000012), Style::Decimal), "1.20e-7");
        assert_eq!(value(Some(0.0123), Style::Decimal), "0.0123");
        assert_eq!(value(Some(2.5e12), Style::Decimal), "2.50e12");
        assert_eq!(value(Some(f64::NAN), Style::Count), "NaN");
        assert_eq!(value(None, Style::Decimal), "-");
    }

    #[test]
    fn a_delta_has_a_sign() {
        assert_eq!(delta(Some(0.25), Some(0.3), Style::Decimal), "-0.0500");
        assert_eq!(delta(Some(0.3), Some(0.25), Style::Decimal), "+0.0500");
        assert_eq!(delta(Some(0.3), Some(0.3), Style::Decimal), "=");
        assert_eq!(delta(Some(0.300001), Some(0.3), Style::Decimal), "+0.0000010");
        assert_eq!(delta(Some(0.7245762711), Some(0.724576), Style::Decimal), "=");
        assert_eq!(delta(Some(409.0), Some(411.0), Style::Count), "-2");
        assert_eq!(delta(None, Some(0.3), Style::Decimal), "-");
    }

    #[test]
    fn what_is_shown_never_contradicts_the_verdict() {
        assert_eq!(apart(0.249999, 0.25, Style::Decimal, 4), "0.249999");
        assert_eq!(apart(0.25, 0.25, Style::Decimal, 4), "0.2500");
        let nearly = f64::from_bits(0.3f64.to_bits() - 1);
        assert!(apart(nearly, 0.3, Style::Decimal, 4).parse::<f64>().unwrap() < 0.3);
        assert!(apart(0.3, nearly, Style::Decimal, 4).parse::<f64>().unwrap() > nearly);
    }

    #[test]
    fn a_pair_has_equally_many_digits() {
        assert_eq!(pair(0.18, 0.25, Style::Decimal), ("0.180".into(), "0.250".into()));
        assert_eq!(pair(0.2542, 0.2505, Style::Decimal), ("0.2542".into(), "0.2505".into()));
        assert_eq!(pair(411.0, 500.0, Style::Count), ("411".into(), "500".into()));
        assert_eq!(pair(0.1, 1e-9, Style::Decimal), ("0.1000".into(), "1e-9".into()));
        assert_eq!(pair(0.24999, 0.25, Style::Decimal), ("0.24999".into(), "0.250".into()));
    }

    #[test]
    fn a_label_keeps_selector_and_figure() {
        let mut verdict = sample::requirement("src", Comparison::AtLeast, 0.9, Some(0.8), None);
        verdict.requirement = "src.auroc >= 0.9".into();
        assert_eq!(label(&verdict), "src.auroc");
        verdict.requirement = "src(layers=\">=\")>=0.9".into();
        assert_eq!(label(&verdict), "src(layers=\">=\")");
        verdict.requirement = String::new();
        assert_eq!(label(&verdict), "src");
    }
}
