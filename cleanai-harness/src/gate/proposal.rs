//! Thresholds that today's figures meet with something to spare: for a test's first run, and for the ratchet.

use crate::criteria::Direction;
use crate::criteria::registry::{self, ValueKind};
use crate::declare::{Bound, Comparison, CriterionSpec, Figure, Requirement, without_noise};
use crate::gate::RequirementVerdict;
use crate::gate::thresholds::passing_bound;
use crate::measure::Measurement;

/// By how much a proposed threshold stays below what was measured: so many hundredths of a share, so many per cent of any other figure.
pub const PERCENT_TO_SPARE: f64 = 1.0;

/// The bound of few digits that an observation still meets when it gets worse by a margin; `None` where there is none. What
/// counts gets a whole number, a share stays within 0 and 1.
///
/// ```
/// use cleanai_harness::declare::Requirement;
/// use cleanai_harness::gate::proposal::bound_with_margin;
/// let bound = |text: &str, observed, margin| bound_with_margin(&text.parse::<Requirement>().unwrap(), observed, margin);
/// assert_eq!(bound("kmnc(k=100) >= 0.8", 0.838147, 0.002), Some(0.8361));
/// assert_eq!(bound("nbc <= 0.3", 0.199312, 0.002), Some(0.2014));
/// assert_eq!(bound("tknp >= 300", 411.0, 0.002), Some(411.0));
/// ```
pub fn bound_with_margin(requirement: &Requirement, observed: f64, margin: f64) -> Option<f64> {
    let comparison = requirement.comparison;
    let lower = comparison.is_lower_bound();
    let worse = without_noise(if lower { observed - margin } else { observed + margin });
    if !worse.is_finite() {
        return None;
    }
    let kind = registry::description(&requirement.criterion.name).map(|description| description.value);
    let (share, count) = match &requirement.figure {
        Some(Figure::Detail(_)) => (false, false),
        Some(figure) if figure.is_count() => (false, true),
        None => (kind.is_some_and(ValueKind::is_share), kind == Some(ValueKind::Count)),
        Some(_) => (kind.is_some_and(ValueKind::is_share), false),
    };
    if count {
        // The last whole number that is not worse than that.
        let whole = if lower { worse.ceil() } else { worse.floor() };
        return Some(match comparison {
            Comparison::AtLeast | Comparison::AtMost => whole,
            Comparison::Above => whole - 1.0,
            Comparison::Below => whole + 1.0,
        });
    }
    passing_bound(comparison, if share { worse.clamp(0.0, 1.0) } else { worse })
}

/// Requirements that a test's first run proposes, as text: one for every figure that was measured and has no number required of
/// it yet. What is proposed holds with [`PERCENT_TO_SPARE`]; what would always hold is left out.
pub fn proposals(measurement: &Measurement, verdicts: &[RequirementVerdict]) -> Vec<String> {
    let asked: Vec<(&RequirementVerdict, Requirement)> =
        verdicts.iter().filter_map(|verdict| Some((verdict, verdict.requirement.parse().ok()?))).collect();
    // Figures that requirements name, then the values of all criteria.
    let named = asked.iter().filter_map(|(verdict, requirement)| Some((requirement.clone(), verdict.observed?)));
    let values = measurement.criteria.iter().filter_map(|(criterion, result)| {
        let comparison = match result.direction {
            Direction::HigherIsBetter => Comparison::AtLeast,
            Direction::LowerIsBetter => Comparison::AtMost,
        };
        let criterion: CriterionSpec = criterion.parse().ok()?;
        let requirement = Requirement { criterion, figure: None, comparison, bound: Bound::Number(0.0), origin: None };
        Some((requirement, result.value?))
    });
    let mut proposed: Vec<Requirement> = Vec::new();
    for (requirement, observed) in named.chain(values).filter(|(_, observed)| observed.is_finite()) {
        let has_number =
            |other: &Requirement| other.is_about_the_same_as(&requirement) && other.bound.number().is_some();
        if asked.iter().any(|(_, other)| has_number(other)) || proposed.iter().any(has_number) {
            continue;
        }
        let is_share = registry::description(&requirement.criterion.name).is_some_and(|description| {
            description.value.is_share() && !matches!(&requirement.figure, Some(figure) if !figure.is_value())
        });
        let margin = PERCENT_TO_SPARE / 100.0 * if is_share { 1.0 } else { observed.abs() };
        let Some(bound) = bound_with_margin(&requirement, observed, margin) else { continue };
        let proposal = Requirement { bound: Bound::Number(bound), origin: None, ..requirement };
        let possible = crate::declare::possible::impossible(&proposal).is_none();
        if possible && crate::declare::possible::always(&proposal).is_none() {
            proposed.push(proposal);
        }
    }
    proposed.iter().map(Requirement::to_string).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::gate::sample::{measurement, nothing, value};
    use crate::gate::thresholds::judge;
    use crate::measure::CriterionResult;

    fn bound(text: &str, observed: f64, margin: f64) -> Option<f64> {
        bound_with_margin(&text.parse().expect(text), observed, margin)
    }

    #[test]
    fn margins_make_bounds_worse() {
        assert_eq!(bound("kmnc >= 0", 0.8381, 0.002), Some(0.8361));
        assert_eq!(bound("kmnc > 0", 0.8381, 0.002), Some(0.836));
        assert_eq!(bound("nbc <= 1", 0.2, 0.01), Some(0.21));
        assert_eq!(bound("nc >= 0", 0.001, 0.01), Some(0.0), "a share is never below 0");
        assert_eq!(bound("nc <= 1", 0.999, 0.01), Some(1.0));
        assert_eq!(bound("tknp >= 0", 411.0, 0.0), Some(411.0));
        assert_eq!(bound("tknp > 0", 411.0, 4.1), Some(406.0));
        assert_eq!(bound("nc.uncovered <= 0", 12.0, 0.12), Some(12.0));
        assert_eq!(bound("nc.uncovered < 0", 12.0, 1.2), Some(14.0));
        assert_eq!(bound("nlc >= 0", 712.345, 0.5), Some(711.8));
        assert_eq!(bound("nc >= 0", f64::NAN, 0.5), None);
    }

    #[test]
    fn a_first_run_proposes_a_line_for_every_figure() {
        let lower = CriterionResult { direction: Direction::LowerIsBetter, ..value(0.0312) };
        let counted = CriterionResult { covered: Some(930), total: Some(1000), ..value(0.93) };
        let measured = measurement([
            ("accuracy", value(0.983333)),
            ("ece", lower),
            ("kmnc(k=10)", counted),
            ("nac", nothing()),
            ("nbc", value(0.005)),
            ("nc", value(0.75)),
            ("nlc", value(712.0)),
            ("snac", value(f64::NAN)),
            ("tknp", value(411.0)),
        ]);
        let wanted =
            ["nc >= 0.7", "kmnc(k=10) >= baseline", "kmnc(k=10).uncovered <= baseline", "accuracy <= baseline"];
        let wanted: Vec<Requirement> = wanted.iter().map(|text| text.parse().unwrap()).collect();
        let proposed = proposals(&measured, &judge(&wanted, &measured, None));
        assert_eq!(
            proposed,
            [
                "kmnc(k=10) >= 0.92",
                "kmnc(k=10).uncovered <= 70",
                "accuracy <= 0.9934",
                "ece <= 0.0412",
                "nlc >= 704.8",
                "tknp >= 407",
            ]
        );
        // They hold on what was measured.
        let read: Vec<Requirement> = proposed.iter().map(|text| text.parse().unwrap()).collect();
        assert!(judge(&read, &measured, None).iter().all(|verdict| verdict.holds));
        assert!(proposals(&measurement([]), &[]).is_empty());
    }

    proptest! {
        #[test]
        fn what_is_proposed_holds_now_and_with_the_margin(observed in 0f64..=1.0, margin in 0f64..0.5, which in 0usize..4) {
            let comparison = [Comparison::AtLeast, Comparison::Above, Comparison::AtMost, Comparison::Below][which];
            let bound = bound(&format!("nc {comparison} 0.5"), observed, margin).unwrap();
            let worse = if comparison.is_lower_bound() { observed - margin } else { observed + margin };
            // At the ends of what a share can be, a strict bound lies just beyond them.
            prop_assert!(comparison.holds(observed, bound), "{observed} {comparison} {bound}");
            prop_assert!(comparison.holds(worse.clamp(0.0, 1.0), bound) || (worse.clamp(0.0, 1.0) - bound).abs() < 1e-12);
        }
    }
}
