use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::gate::sample::{layer, measurement, nothing, requirement, value};
use Comparison::{Above, AtLeast, AtMost, Below};

fn one(requirement: Requirement, result: CriterionResult) -> RequirementVerdict {
    let name = if requirement.criterion.parameters.is_empty() { "nc" } else { "kmnc(k=1000)" };
    judge(&[requirement], &measurement([(name, result)]), None).remove(0)
}

#[test]
fn a_requirement_is_judged_by_its_criterion() {
    let verdict = one(requirement("kmnc", Some(1000), AtLeast, 0.25), value(0.254191));
    assert!(verdict.holds);
    assert_eq!(verdict.requirement, "kmnc(k=1000) >= 0.25");
    assert_eq!(verdict.criterion, "kmnc(k=1000)");
    assert_eq!((verdict.observed, verdict.passing_bound), (Some(0.254191), Some(0.2541)));
    assert_eq!((verdict.baseline, verdict.note), (None, None));
}

#[test]
fn the_bound_itself_holds_only_where_it_is_included() {
    for (comparison, holds) in [(AtLeast, true), (Above, false), (AtMost, true), (Below, false)] {
        assert_eq!(one(requirement("nc", None, comparison, 0.75), value(0.75)).holds, holds, "{comparison}");
    }
    assert!(one(requirement("nc", None, Above, 0.75), value(0.75f64.next_up())).holds);
    assert!(one(requirement("nc", None, Below, 0.75), value(0.75f64.next_down())).holds);
}

#[test]
fn nothing_to_cover_fails_either_way() {
    for comparison in [AtLeast, Above, AtMost, Below] {
        let verdict = one(requirement("nc", None, comparison, 0.0), nothing());
        assert!(!verdict.holds, "{comparison}");
        assert_eq!((verdict.observed, verdict.passing_bound), (None, None));
        assert!(verdict.note.unwrap().contains("nothing to cover"));
    }
}

#[test]
fn what_is_not_finite_fails_either_way() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for comparison in [AtLeast, Above, AtMost, Below] {
            let verdict = one(requirement("nc", None, comparison, 0.5), value(bad));
            assert!(!verdict.holds, "{bad} {comparison}");
            assert!(verdict.note.unwrap().contains("not a finite number"));
        }
    }
}

#[test]
fn a_criterion_that_was_not_measured_fails() {
    let verdict = judge(&[requirement("nbc", None, AtMost, 1.0)], &measurement([("nc", value(0.5))]), None).remove(0);
    assert!(!verdict.holds);
    assert_eq!(verdict.note.as_deref(), Some("it was not measured"));
}

#[test]
fn figures_come_from_the_details() {
    let figure = |name: &str, details: serde_json::Value| {
        let requirement = Requirement { figure: Some(name.into()), ..requirement("nc", None, AtLeast, 0.9) };
        let serde_json::Value::Object(details) = details else { panic!("not an object") };
        let layers = vec![layer("conv1", Some(0.1))];
        one(requirement, CriterionResult { details: details.into_iter().collect(), layers, ..value(0.5) })
    };
    let verdict = figure("auroc", json!({"auroc": 0.93}));
    assert!(verdict.holds && verdict.worst_layers.is_empty());
    assert_eq!((verdict.requirement.as_str(), verdict.observed), ("nc.auroc >= 0.9", Some(0.93)));
    assert!(figure("auroc", json!({"auroc": 1})).holds);
    assert!(figure("auroc", json!({"auroc": "high"})).note.unwrap().contains("is not a number"));
    assert!(figure("auroc", json!({"auroc": null})).note.unwrap().contains("is not a number"));
    assert!(figure("aurox", json!({"auroc": 0.93, "kind": "a"})).note.unwrap().ends_with("it has auroc"));
    assert!(figure("auroc", json!({})).note.unwrap().contains("only its value"));
}

#[test]
fn the_baseline_stands_beside() {
    let baseline: BaselineText = "kmnc(k=1000): 0.250000\nnc: none\n".parse().unwrap();
    let measurement = measurement([("nc", value(0.5)), ("kmnc(k=1000)", value(0.3))]);
    let requirements = [requirement("nc", None, AtLeast, 0.4), requirement("kmnc", Some(1000), AtLeast, 0.4)];
    let verdicts = judge(&requirements, &measurement, Some(&baseline));
    assert_eq!(verdicts.iter().map(|it| it.baseline).collect::<Vec<_>>(), [None, Some(0.25)]);
    assert_eq!(verdicts.iter().map(|it| it.holds).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn the_worst_layers_are_the_lowest_or_for_upper_bounds_the_highest() {
    let layers = vec![
        layer("a", Some(0.5)),
        layer("b", None),
        layer("c", Some(0.2)),
        layer("d", Some(0.5)),
        layer("e", Some(0.9)),
    ];
    let named = |comparison, layers: &[LayerFigures]| {
        let result = CriterionResult { layers: layers.to_vec(), ..value(0.5) };
        let verdict = one(requirement("nc", None, comparison, 0.5), result);
        verdict.worst_layers.into_iter().map(|it| it.name).collect::<Vec<_>>().join("")
    };
    assert_eq!(named(AtLeast, &layers), "cad");
    assert_eq!(named(Above, &layers), "cad");
    assert_eq!(named(AtMost, &layers), "ead");
    assert_eq!(named(Below, &layers), "ead");
    assert_eq!(named(AtLeast, &layers[..2]), "a");
    assert_eq!(named(AtLeast, &[layer("x", Some(f64::NAN))]), "");
    assert_eq!(named(AtLeast, &[]), "");
}

#[test]
fn passing_bounds_read_as_a_user_would_write_them() {
    for (comparison, observed, bound) in [
        (AtLeast, 0.254191, 0.2541),
        (AtMost, 0.254191, 0.2542),
        (Above, 0.254191, 0.2541),
        (Below, 0.254191, 0.2542),
        // Already short: it meets itself, the strict ones need the next step.
        (AtLeast, 0.75, 0.75),
        (AtMost, 0.75, 0.75),
        (Above, 0.75, 0.7499),
        (Below, 0.75, 0.7501),
        // 0.29 and its like are not whole ten-thousandths in binary.
        (AtLeast, 0.29, 0.29),
        (AtLeast, 0.57, 0.57),
        (AtMost, 0.0001, 0.0001),
        (AtLeast, 1.0, 1.0),
        (Above, 1.0, 0.999),
        (Below, 0.0, 0.0001),
        (AtLeast, 0.0, 0.0),
        (AtLeast, 0.000123456, 0.0001234),
        (AtMost, -0.254191, -0.2541),
        (AtLeast, -0.254191, -0.2542),
        // Counts.
        (AtLeast, 5823.0, 5823.0),
        (Above, 5823.0, 5822.0),
        (Below, 5823.0, 5824.0),
        (AtLeast, 12.3456, 12.34),
        (AtLeast, 123456.7, 123456.0),
        (AtLeast, 1e18, 1e18),
    ] {
        assert_eq!(passing_bound(comparison, observed), Some(bound), "{comparison} {observed}");
    }
    assert_eq!(passing_bound(AtLeast, f64::NAN), None);
    assert_eq!(passing_bound(AtMost, f64::INFINITY), None);
}

fn comparisons() -> impl Strategy<Value = Comparison> {
    prop_oneof![Just(AtLeast), Just(Above), Just(AtMost), Just(Below)]
}

proptest! {
    #[test]
    fn a_passing_bound_passes_and_is_near(comparison in comparisons(), observed in -1e12f64..1e12) {
        let bound = passing_bound(comparison, observed).unwrap();
        prop_assert!(comparison.holds(observed, bound));
        // Within a step of the fourth significant digit, or one for what is (or looks) whole.
        prop_assert!((observed - bound).abs() <= 1f64.max(observed.abs() * 1.1e-3), "{observed} {bound}");
    }

    #[test]
    fn ratios_get_at_most_a_thousandth_less(comparison in comparisons(), observed in 0f64..=1.0) {
        let bound = passing_bound(comparison, observed).unwrap();
        prop_assert!(comparison.holds(observed, bound));
        prop_assert!((observed - bound).abs() <= 0.001 + 1e-12, "{observed} {bound}");
    }
}
