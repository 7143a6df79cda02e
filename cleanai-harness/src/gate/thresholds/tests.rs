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
        let requirement =
            Requirement { figure: Some(Figure::Detail(name.into())), ..requirement("nc", None, AtLeast, 0.9) };
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
    assert!(figure("aurox", json!({"auroc": 0.93, "kind": "a"})).note.unwrap().ends_with("did you mean `auroc`?"));
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

/// The one verdict on a text.
fn of(text: &str, measurement: &Measurement, baseline: Option<&str>) -> RequirementVerdict {
    let baseline = baseline.map(|text| text.parse().unwrap());
    judge(&[text.parse().unwrap_or_else(|error| panic!("{error}"))], measurement, baseline.as_ref()).remove(0)
}

#[test]
fn the_baseline_is_a_bound_without_any_tolerance_but_the_one_written() {
    // Stored values are rounded: the very measurement a baseline came from must meet it, up or down.
    for (observed, stored) in [(0.254_191_4, "0.254191"), (0.254_191_6, "0.254192"), (0.75, "0.750000")] {
        let measured = measurement([("nc", value(observed))]);
        let baseline = format!("nc: {stored}\n");
        let holds = |text: &str| of(text, &measured, Some(&baseline)).holds;
        assert!(holds("nc >= baseline") && holds("nc <= baseline"), "{observed}");
        assert!(!holds("nc > baseline") && !holds("nc < baseline"), "{observed}");
        assert!(holds("nc > baseline - 0.000001") && !holds("nc >= baseline + 0.000001"), "{observed}");
    }
    let measured = measurement([("nc", value(0.55))]);
    let verdict = of("nc >= baseline - 0.02", &measured, Some("nc: 0.570000\n"));
    assert!(verdict.holds && verdict.is_judged());
    assert_eq!((verdict.bound, verdict.bound_text.as_deref()), (Some(0.55), Some("baseline - 0.02")));
    assert_eq!((verdict.baseline, verdict.note, verdict.against), (Some(0.57), None, None));
    assert!(!of("nc >= baseline - 0.019", &measured, Some("nc: 0.570000\n")).holds);
    assert_eq!(of("nc >= baseline * 0.9", &measured, Some("nc: 0.600000\n")).bound, Some(0.54));
}

#[test]
fn without_a_baseline_nothing_is_judged_yet() {
    let measured = measurement([("nc", value(0.5)), ("nbc", nothing())]);
    for baseline in [None, Some("nac: 0.500000\n"), Some("nc: none\n"), Some("nc: NaN\n")] {
        let verdict = of("nc >= baseline + 0.1", &measured, baseline);
        assert!(verdict.holds && !verdict.is_judged(), "{baseline:?}");
        assert_eq!((verdict.bound, verdict.note.as_deref()), (None, Some("no baseline yet")), "{baseline:?}");
        assert_eq!(verdict.bound_text.as_deref(), Some("baseline + 0.1"));
    }
    let nothing_covered = of("nbc >= baseline", &measured, None);
    assert!(!nothing_covered.holds && nothing_covered.is_judged());
    assert_eq!(nothing_covered.note.as_deref(), Some("there was nothing to cover"));
}

#[test]
fn another_model_is_a_bound() {
    let mut measured = measurement([("nc", value(0.28)), ("src", value(0.9))]);
    let figures = [("nc", Some(0.3)), ("src", Some(0.9)), ("src.auroc", None)];
    let figures = figures.map(|(name, value)| (name.to_owned(), value)).into();
    measured.against = Some(crate::measure::OtherModel { path: "old.pt".into(), sha256: String::new(), figures });
    // 0.3 - 0.02 is a last bit above 0.28 in binary.
    let verdict = of("nc >= against - 0.02", &measured, None);
    assert!(verdict.holds, "{verdict:?}");
    assert_eq!((verdict.bound, verdict.against), (Some(0.28), Some(0.3)));
    assert!(!of("nc > against - 0.02", &measured, None).holds);
    assert!(!of("nc >= against", &measured, None).holds);
    assert_eq!(of("nc >= 0.1", &measured, None).against, Some(0.3), "shown beside any requirement");
    assert!(of("src >= against", &measured, None).holds && !of("src > against", &measured, None).holds);
    measured.criteria.get_mut("src").unwrap().details.insert("auroc".into(), json!(0.9));
    let lacking = of("src.auroc >= against", &measured, None);
    assert!(!lacking.holds && lacking.is_judged());
    assert_eq!(lacking.note.as_deref(), Some("`old.pt` has no such figure to compare with"));
}

#[test]
fn figures_are_made_of_classes_layers_and_counts() {
    let class = |value| ClassFigures { inputs: 9, value, covered: None, total: None };
    let counted = |name: &str, covered, total| LayerFigures {
        covered: Some(covered),
        total: Some(total),
        ..layer(name, Some(covered as f64 / total as f64))
    };
    let result = CriterionResult {
        covered: Some(110),
        total: Some(200),
        layers: vec![counted("a", 50, 100), counted("b", 10, 10), counted("c", 50, 90), layer("d", None)],
        classes: [("cat", Some(0.5)), ("dog", Some(0.25)), ("fox", None), ("owl", Some(0.75)), ("yak", Some(0.6))]
            .map(|(name, value)| (name.to_owned(), class(value)))
            .into(),
        ..value(0.55)
    };
    let measured = measurement([("nc", result), ("nlc", value(3.5))]);
    let observed = |text: &str| of(text, &measured, None).observed;
    assert_eq!(observed("nc.covered >= 1"), Some(110.0));
    assert_eq!(observed("nc.uncovered <= 1"), Some(90.0));
    assert_eq!(observed("nc.per_class(min) >= 1"), Some(0.25));
    assert_eq!(observed("nc.per_class(mean) >= 1"), Some(0.525));
    assert_eq!(observed("nc.per_layer(max) >= 1"), Some(1.0));
    let worst = of("nc.per_class(min) >= 0.3", &measured, None);
    let names = |verdict: &RequirementVerdict| {
        verdict.worst_classes.iter().map(|class| class.name.clone()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!((worst.holds, names(&worst).as_str()), (false, "dog cat yak"));
    assert_eq!(worst.passing_bound, Some(0.25));
    assert!(worst.worst_layers.is_empty());
    assert_eq!(names(&of("nc.per_class(max) <= 0.3", &measured, None)), "owl yak cat");
    let layers = |text: &str| {
        let verdict = of(text, &measured, None);
        verdict.worst_layers.into_iter().map(|layer| layer.name).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(layers("nc.per_layer(min) >= 1"), "a c b");
    assert_eq!(layers("nc.uncovered <= 12"), "a c", "most left first, and none that has none");
    assert_eq!(layers("nc.covered >= 12"), "");
    for text in ["nlc.per_class(min) >= 1", "nlc.per_layer(min) >= 1", "nlc.covered >= 1"] {
        let verdict = of(text, &measured, None);
        assert!(!verdict.holds && verdict.note.is_some(), "{text}");
    }
}

#[test]
fn what_always_holds_says_so() {
    let measured = measurement([("nc", value(0.5))]);
    assert_eq!(of("nc >= 0", &measured, None).note.as_deref(), Some("it always holds: a share is never below 0"));
    assert_eq!(of("nc >= 0.1", &measured, None).note, None);
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
