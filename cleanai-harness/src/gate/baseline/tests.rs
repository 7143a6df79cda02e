use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::criteria::{CoveredNeurons, LayerFigures};
use crate::declare::Figure;
use crate::gate::sample::{measurement, nothing, requirement, value};
use crate::measure::{ClassFigures, CriterionResult};
use crate::model::LayerInfo;
use Comparison::{Above, AtLeast, AtMost, Below};

fn text(lines: &str) -> BaselineText {
    lines.parse().unwrap()
}

/// Compares two texts whose one line is `nc`.
fn change_of(old: &str, new: &str, rules: &Rules) -> Change {
    let line = |figure: &str| if figure.is_empty() { text("") } else { text(&format!("nc: {figure}")) };
    let changes = rules.compare(&line(old), &line(new));
    assert_eq!(changes.len(), 1, "{old} {new}");
    changes[0].change
}

fn tolerance(tolerance: f64) -> Rules {
    let tolerance = Tolerance::Absolute(tolerance);
    Rules { policy: BaselinePolicy { tolerance, ..Default::default() }, ..Rules::default() }
}

fn lower_is_better() -> Rules {
    Rules { directions: BTreeMap::from([("nc".to_owned(), Direction::LowerIsBetter)]), ..tolerance(0.002) }
}

#[test]
fn the_text_is_sorted_fixed_and_read_back() {
    let counted = CriterionResult { covered: Some(58464), total: Some(230_000), ..value(0.254_191_304) };
    let measurement = measurement([("nc", value(-1e-9)), ("kmnc(k=1000)", counted), ("nbc", nothing())]);
    let written = BaselineText::of(&measurement, &[]);
    let expected = "kmnc(k=1000): 0.254191  58464/230000\nnbc: none\nnc: 0.000000\n";
    assert_eq!(written.to_string(), expected);
    assert_eq!(text(expected), written);
    assert_eq!(text(&expected.replace('\n', "\r\n")), written);
    assert_eq!(text("").to_string(), "");
}

#[test]
fn figures_that_requirements_name_have_lines_of_their_own() {
    let details = [("auroc".to_owned(), json!(0.93)), ("spread".to_owned(), json!(4))].into();
    let measurement = measurement([("src(m=2)", CriterionResult { details, ..value(0.5) })]);
    let mut wanted = requirement("src", None, AtLeast, 0.9);
    wanted.criterion.parameters.insert("m".into(), crate::declare::Value::Integer(2));
    wanted.figure = Some(Figure::Detail("auroc".into()));
    assert_eq!(BaselineText::of(&measurement, &[wanted]).to_string(), "src(m=2): 0.500000\nsrc(m=2).auroc: 0.930000\n");
}

#[test]
fn a_criterion_stays_on_its_line() {
    let odd = "kmnc(layers=\"a: b\n\u{1b}c\")";
    let lines = BaselineText::of(&measurement([(odd, value(0.5))]), &[]);
    assert_eq!(lines.to_string().lines().count(), 1);
    assert_eq!(text(&lines.to_string()), lines);
    assert_eq!(lines.get(odd).unwrap().value, Some(0.5));
}

#[test]
fn layers_stand_below_their_criterion() {
    let layer = |name: &str, covered: u64| crate::criteria::LayerFigures {
        name: name.into(),
        value: Some(covered as f64 / 4.0),
        covered: Some(covered),
        total: Some(4),
    };
    let nc = CriterionResult {
        covered: Some(4),
        total: Some(8),
        layers: vec![layer("relu2", 1), layer("relu1", 3)],
        ..value(0.5)
    };
    let one = CriterionResult { layers: vec![layer("relu1", 2)], ..value(0.5) };
    let written = BaselineText::of(&measurement([("nc", nc), ("nac", one)]), &[]);
    let expected = "nac: 0.500000\nnc: 0.500000  4/8\n  relu2: 0.250000  1/4\n  relu1: 0.750000  3/4\n";
    assert_eq!(written.to_string(), expected, "in the order of execution, and none where there is one");
    assert_eq!(text(expected), written);
    assert_eq!(written.layers("nc")[1].0, "relu1");
    assert!(written.layers("nac").is_empty());
    // Layers are not compared.
    let other = text(&expected.replace("0.250000  1/4", "0.500000  2/4"));
    assert_eq!(status(&tolerance(0.0).compare(&other, &written)), BaselineStatus::Unchanged);
}

#[test]
fn counts_are_left_out_where_the_value_is_not_their_ratio() {
    let odd = CriterionResult { covered: Some(1), total: Some(4), ..value(0.5) };
    assert_eq!(BaselineText::of(&measurement([("odd", odd)]), &[]).to_string(), "odd: 0.500000\n");
}

#[test]
fn garbled_texts_are_refused_with_the_line() {
    for (garbled, line) in [
        ("nc: 0.5\n<<<<<<< HEAD\nnbc: 0.1\n", 2),
        ("nc", 1),
        ("nc:0.5", 1),
        ("nc: ", 1),
        ("nc: half", 1),
        ("nc: 0.5 12", 1),
        ("nc: 0.5  12/x", 1),
        ("nc: 0.5  -1/2", 1),
        ("nc: 0.5  1/2 more", 1),
        (": 0.5", 1),
        (" nc: 0.5", 1),
        ("nc: 0.5\n\nnc: 0.6", 3),
        ("  relu: 0.5", 1),
        ("nc: 0.500000  3/4", 1),
        ("nc: 1.500000  3/2", 1),
        ("nc: 0.750000  3/4\n  relu: 0.700000  3/4", 2),
        ("\u{1b}[31mnc", 1),
    ] {
        let error = garbled.parse::<BaselineText>().unwrap_err();
        assert!(error.what().starts_with(&format!("line {line} of the baseline")), "{garbled:?}: {error}");
        assert!(!error.what().contains('\u{1b}'), "{error}");
    }
    let error = "x".repeat(10_000).parse::<BaselineText>().unwrap_err();
    assert!(error.what().len() < 200, "{error}");
}

#[test]
fn exactly_at_tolerance_is_unchanged() {
    let rules = tolerance(0.002);
    assert_eq!(change_of("0.254191", "0.252191", &rules), Change::Unchanged);
    assert_eq!(change_of("0.254191", "0.252190", &rules), Change::Regressed);
    assert_eq!(change_of("0.254191", "0.256191", &rules), Change::Unchanged);
    assert_eq!(change_of("0.254191", "0.256192", &rules), Change::Improved);
}

#[test]
fn without_tolerance_one_unit_counts() {
    let rules = tolerance(0.0);
    assert_eq!(change_of("0.254191", "0.254191", &rules), Change::Unchanged);
    assert_eq!(change_of("0.254191", "0.254190", &rules), Change::Regressed);
    assert_eq!(change_of("0.254191", "0.254192", &rules), Change::Improved);
}

#[test]
fn observed_is_rounded_as_it_would_be_stored() {
    let observed = BaselineText::of(&measurement([("nc", value(0.252_190_6))]), &[]);
    let changes = tolerance(0.002).compare(&text("nc: 0.254191"), &observed);
    assert_eq!((changes[0].observed, changes[0].change), (Some(0.252191), Change::Unchanged));
}

#[test]
fn counts_are_equal_or_not() {
    let rules = tolerance(0.002);
    assert_eq!(change_of("5823.000000", "5823.000000", &rules), Change::Unchanged);
    assert_eq!(change_of("5823.000000", "5822.000000", &rules), Change::Regressed);
    assert_eq!(change_of("123456789012345.000000", "123456789012346.000000", &rules), Change::Improved);
}

#[test]
fn lower_can_be_better() {
    let rules = lower_is_better();
    assert_eq!(change_of("0.2", "0.3", &rules), Change::Regressed);
    assert_eq!(change_of("0.2", "0.1", &rules), Change::Improved);
    assert_eq!(change_of("0.2", "0.202", &rules), Change::Unchanged);
}

#[test]
fn what_cannot_be_compared_has_a_name() {
    for rules in [tolerance(0.002), lower_is_better()] {
        assert_eq!(change_of("", "0.5", &rules), Change::Added);
        assert_eq!(change_of("0.5", "", &rules), Change::Removed);
        assert_eq!(change_of("none", "none", &rules), Change::Unchanged);
        assert_eq!(change_of("none", "0.5", &rules), Change::Added);
        assert_eq!(change_of("0.5", "none", &rules), Change::Regressed);
        for bad in ["NaN", "inf", "-inf"] {
            for other in ["0.5", "none", "", bad] {
                assert_eq!(change_of(bad, other, &rules), Change::NotFinite, "{bad} {other}");
                assert_eq!(change_of(other, bad, &rules), Change::NotFinite, "{other} {bad}");
            }
        }
    }
}

#[test]
fn the_worst_change_decides() {
    let status_of = |old: &str, new: &str| status(&tolerance(0.002).compare(&text(old), &text(new)));
    assert_eq!(status_of("a: 1\nb: 1", "a: 1\nb: 1"), BaselineStatus::Unchanged);
    assert_eq!(status_of("a: 1\nb: 1", "a: 1\nb: 2"), BaselineStatus::Improved);
    assert_eq!(status_of("a: 1\nb: 1", "a: 0\nb: 2"), BaselineStatus::Regressed);
    assert_eq!(status_of("a: 1\nb: 1", "a: 2\nc: 2"), BaselineStatus::CriteriaChanged);
    assert_eq!(status_of("a: 1\nb: 1", "a: 0\nc: 2"), BaselineStatus::Regressed);
    assert_eq!(status_of("a: 1\nb: 1", "a: 0\nb: NaN"), BaselineStatus::NotFinite);
    assert_eq!(status_of("", ""), BaselineStatus::Unchanged);
}

#[test]
fn changes_are_sorted_and_carry_both_figures() {
    let changes = tolerance(0.002).compare(&text("b: 0.5\nc: 0.5"), &text("c: 0.4\na: 0.1"));
    let seen: Vec<_> = changes.iter().map(|it| (it.criterion.as_str(), it.baseline, it.observed, it.change)).collect();
    assert_eq!(
        seen,
        [
            ("a", None, Some(0.1), Change::Added),
            ("b", Some(0.5), None, Change::Removed),
            ("c", Some(0.5), Some(0.4), Change::Regressed),
        ]
    );
}

#[test]
fn the_nearest_tolerance_counts() {
    let per_criterion = [
        ("kmnc", 0.1),
        ("kmnc(k=10)", 0.2),
        ("acme::x", 0.3),
        ("src", 0.4),
        ("src.auroc", 0.5),
        ("kmnc(k=10).mean", 0.6),
    ];
    let per_criterion = per_criterion.map(|(name, tolerance)| (name.to_owned(), Tolerance::Absolute(tolerance))).into();
    let policy = BaselinePolicy { per_criterion, ..Default::default() };
    let rules = Rules { policy, ..Rules::default() };
    for (key, tolerance) in [
        ("kmnc(k=1000)", 0.1),
        ("kmnc", 0.1),
        ("kmnc(k=10)", 0.2),
        ("kmnc(k=10).auroc", 0.2),
        ("kmnc(k=10).mean", 0.6),
        ("kmnc(k=10).per_class(min)", 0.2),
        ("kmnc(k=11).per_class(min)", 0.1),
        ("kmnc(layers=\"a\\n\").x", 0.1),
        ("acme::x(layers=\"a.b(c)\")", 0.3),
        ("src.rate", 0.4),
        ("src.auroc", 0.5),
        ("nc", 0.002),
    ] {
        assert_eq!(rules.tolerance(key), Tolerance::Absolute(tolerance), "{key}");
    }
}

/// Rules for what these texts require, with this tolerance for all.
fn counting(tolerance: Tolerance, texts: &[&str], measurement: &Measurement) -> Result<Rules, Error> {
    let wanted: Vec<Requirement> = texts.iter().map(|text| text.parse().expect(text)).collect();
    Rules::of(&BaselinePolicy { tolerance, ..Default::default() }, &wanted, measurement)
}

/// `kmnc(k=10)` on two layers of 6 and 100 neurons, and two classes.
fn sections() -> Measurement {
    let layer = |name: &str, covered: u64, total: u64| LayerFigures {
        name: name.into(),
        value: Some(covered as f64 / total as f64),
        covered: Some(covered),
        total: Some(total),
    };
    let class = |covered: u64| ClassFigures {
        inputs: 9,
        value: Some(covered as f64 / 1060.0),
        covered: Some(covered),
        total: Some(1060),
    };
    let mut measured = measurement([(
        "kmnc(k=10)",
        CriterionResult {
            covered: Some(530),
            total: Some(1060),
            layers: vec![layer("a", 48, 60), layer("b", 482, 1000)],
            classes: BTreeMap::from([("0".to_owned(), class(212)), ("1".to_owned(), class(424))]),
            ..value(0.5)
        },
    )]);
    let shape = |name: &str, channels| LayerInfo {
        name: name.into(),
        class: "ReLU".into(),
        operator: "relu".into(),
        shape: vec![channels, 4, 4],
        channel_axis: 0,
    };
    measured.model.layers = vec![shape("a", 6), shape("b", 100)];
    measured
}

#[test]
fn neurons_are_counted_as_the_figure_counts() {
    let measured = sections();
    let texts = [
        "kmnc(k=10).uncovered <= 900",
        "kmnc(k=10).per_class(min) >= 0.1",
        "kmnc(k=10).per_layer(max) >= 0.1",
        "kmnc(k=10).per_layer(mean) >= 0.1",
    ];
    let much = |tolerance, key: &str| {
        let rules = counting(tolerance, &texts, &measured).unwrap();
        let line = BaselineLine { value: Some(0.5), counts: None };
        rules.allowed(key, Some(&line)).much
    };
    let near = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-12, "{found} {wanted}");
    // 106 neurons of ten sections each.
    near(much(Tolerance::Neurons(3), "kmnc(k=10)"), 30.0 / 1060.0);
    near(much(Tolerance::Neurons(3), "kmnc(k=10).uncovered"), 30.0);
    near(much(Tolerance::Neurons(3), "kmnc(k=10).per_class(min)"), 30.0 / 1060.0);
    // The layer with the largest value has six.
    near(much(Tolerance::Neurons(3), "kmnc(k=10).per_layer(max)"), 0.5);
    near(much(Tolerance::Neurons(3), "kmnc(k=10).per_layer(mean)"), 30.0 / 1060.0);
    near(much(Tolerance::Items(5), "kmnc(k=10)"), 5.0 / 1060.0);
    near(much(Tolerance::Items(5), "kmnc(k=10).uncovered"), 5.0);
    near(much(Tolerance::Relative(0.01), "kmnc(k=10)"), 0.005);
    // Tables of the neurons themselves go before what the shapes say.
    let mut told = sections();
    let table = |neurons: usize| CoveredNeurons { covered: vec![0; neurons], first: Vec::new() };
    told.criteria.get_mut("kmnc(k=10)").unwrap().neurons = vec![table(3), table(50)];
    let rules = counting(Tolerance::Neurons(3), &[], &told).unwrap();
    near(rules.allowed("kmnc(k=10)", None).much, 60.0 / 1060.0);
}

#[test]
fn exactly_so_many_items_are_tolerated() {
    // A million and more items: six decimals do not tell one from the next.
    let total = 7_000_003;
    let result = |covered: u64| CriterionResult {
        covered: Some(covered),
        total: Some(total),
        ..value(covered as f64 / total as f64)
    };
    let of = |covered: u64| measurement([("nc", result(covered))]);
    for (tolerance, direction) in [(0, AtLeast), (5, AtLeast), (5, AtMost)] {
        let wanted = [requirement("nc", None, direction, 0.5)];
        let policy = BaselinePolicy { tolerance: Tolerance::Items(tolerance), ..Default::default() };
        let rules = Rules::of(&policy, &wanted, &of(3_000_000)).unwrap();
        let change =
            |to: u64| rules.compare(&BaselineText::of(&of(3_000_000), &[]), &BaselineText::of(&of(to), &[]))[0].change;
        let worse = |by: u64| if direction == AtLeast { 3_000_000 - by } else { 3_000_000 + by };
        assert_eq!(change(worse(tolerance)), Change::Unchanged, "{tolerance} {direction}");
        // Far enough that the values differ too.
        assert_eq!(change(worse(tolerance + 20)), Change::Regressed, "{tolerance} {direction}");
    }
}

#[test]
fn what_counts_no_neurons_is_refused() {
    let accuracy = CriterionResult { covered: Some(9), total: Some(10), ..value(0.9) };
    let measured = || measurement([("accuracy", accuracy.clone()), ("nlc", value(3.5)), ("tknp", value(411.0))]);
    let said = |tolerance, name: &str| {
        let mut only = measured();
        only.criteria.retain(|criterion, _| criterion == name);
        counting(tolerance, &[], &only).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(
        said(Tolerance::Neurons(3), "accuracy").unwrap_err(),
        "`accuracy` counts no neurons, so the tolerance `{ neurons = 3 }` says nothing of it\n  \
         help: give it one of its own in [baseline]: `tolerance = { default = { neurons = 3 }, accuracy = 0.002 }`, or \
         `{ relative = 0.01 }`"
    );
    assert!(said(Tolerance::Neurons(3), "nlc").is_err() && said(Tolerance::Neurons(3), "tknp").is_err());
    assert!(said(Tolerance::Items(3), "nlc").unwrap_err().contains("`nlc` counts no items out of a total"));
    assert_eq!((said(Tolerance::Items(3), "accuracy"), said(Tolerance::Items(3), "tknp")), (Ok(()), Ok(())));
    // Where there was nothing to cover, and where the baseline is off, nothing is asked.
    let empty = measurement([("nlc", nothing())]);
    assert!(counting(Tolerance::Items(3), &[], &empty).is_ok());
    let off = BaselinePolicy { tolerance: Tolerance::Items(3), enabled: false, ..Default::default() };
    assert!(Rules::of(&off, &[], &measured()).is_ok());
}

#[test]
fn a_tolerance_that_says_nothing_is_known_before_measuring() {
    let check = |tolerance, text: &str| {
        let policy = BaselinePolicy { tolerance, ..Default::default() };
        allowance::check_tolerances(&policy, &[text.parse().expect(text)])
    };
    for (tolerance, text, fits) in [
        (Tolerance::Neurons(1), "nbc.uncovered <= 3", true),
        (Tolerance::Neurons(1), "idc >= 0.3", false),
        (Tolerance::Items(1), "idc >= 0.3", true),
        (Tolerance::Items(1), "tknp >= 3", true),
        (Tolerance::Items(1), "ece <= 0.3", false),
        (Tolerance::Items(1), "src.auroc >= 0.3", false),
        (Tolerance::Relative(0.1), "nlc >= 0.3", true),
        (Tolerance::Neurons(1), "acme::unknown >= 0.3", true),
    ] {
        assert_eq!(check(tolerance, text).is_ok(), fits, "{tolerance} {text}");
    }
}

#[test]
fn requirements_decide_the_direction() {
    let lower = CriterionResult { direction: Direction::LowerIsBetter, ..value(0.5) };
    let measured = || {
        measurement([
            ("a", value(0.5)),
            ("b", value(0.5)),
            ("c", value(0.5)),
            ("d", lower.clone()),
            ("e", lower.clone()),
        ])
    };
    let wanted = [
        requirement("a", None, AtLeast, 0.1),
        requirement("b", None, Below, 0.9),
        // Both: the criterion's own.
        requirement("c", None, Above, 0.1),
        requirement("c", None, AtMost, 0.9),
        requirement("e", None, Above, 0.1),
    ];
    let rules = Rules::of(&BaselinePolicy::default(), &wanted, &measured()).unwrap();
    let worse = text("a: 0.4\nb: 0.4\nc: 0.4\nd: 0.4\ne: 0.4");
    let changes = rules.compare(&BaselineText::of(&measured(), &[]), &worse);
    let seen: Vec<_> = changes.iter().map(|it| it.change).collect();
    use Change::{Improved, Regressed};
    assert_eq!(seen, [Regressed, Improved, Regressed, Improved, Regressed]);
}

proptest! {
    #[test]
    fn any_figures_are_read_back(values in proptest::collection::btree_map("[a-z]{1,6}(\\([a-z]=[0-9]{1,3}\\))?", (proptest::option::of(-1e9f64..1e9), proptest::option::of((0u64..99, 1u64..99))), 0..8)) {
        let line = |(value, counts): (Option<f64>, Option<(u64, u64)>)| match counts.filter(|(covered, total)| covered <= total) {
            Some((covered, total)) => BaselineLine::of(Some(covered as f64 / total as f64), Some((covered, total))),
            None => BaselineLine::of(value, None),
        };
        let layers = values.iter().map(|(key, own)| (key.clone(), vec![("relu1: x".to_owned(), line(*own)), ("b".to_owned(), line((None, None)))]));
        let lines = BaselineText {
            layers: layers.collect(),
            lines: values.iter().map(|(key, own)| (key.clone(), line(*own))).collect(),
        };
        prop_assert_eq!(text(&lines.to_string()), lines.clone());
        // And nothing changes against itself, at any tolerance.
        prop_assert_eq!(status(&tolerance(0.0).compare(&lines, &lines)), BaselineStatus::Unchanged);
    }

    #[test]
    fn hostile_text_never_panics(garbage in ".{0,200}") {
        let _ = garbage.parse::<BaselineText>();
    }

    #[test]
    fn better_one_way_is_worse_the_other(old in 0u32..2_000_000, new in 0u32..2_000_000) {
        let figure = |units: u32| format!("{:.6}", f64::from(units) / 1e6);
        let (up, down) = (change_of(&figure(old), &figure(new), &tolerance(0.002)), change_of(&figure(old), &figure(new), &lower_is_better()));
        let expected = match old.abs_diff(new) {
            0..=2000 => (Change::Unchanged, Change::Unchanged),
            _ if new > old => (Change::Improved, Change::Regressed),
            _ => (Change::Regressed, Change::Improved),
        };
        prop_assert_eq!((up, down), expected);
    }
}
