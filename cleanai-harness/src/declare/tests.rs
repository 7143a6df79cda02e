//! Tests of the grammar.

use proptest::prelude::*;

use super::*;

fn requirement(text: &str) -> Requirement {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// The message and the marked part of the text.
fn refused(text: &str) -> (String, &str) {
    let error = Requirement::parse(text).expect_err(text);
    (error.what().to_owned(), &text[error.span()])
}

#[test]
fn canonical_text() {
    for (text, canonical) in [
        ("nc >= 0.4", "nc >= 0.4"),
        ("nc()>=0.40", "nc >= 0.4"),
        ("  nc ( threshold = 0.5 )  <  1 ", "nc(threshold=0.5) < 1"),
        ("kmnc(k=1000)@conv2 >= 0.4", "kmnc(k=1000,layers=\"conv2\") >= 0.4"),
        ("kmnc(k = 1_000, layer = \"conv2\",) >= 0.4", "kmnc(k=1000,layers=\"conv2\") >= 0.4"),
        ("nc@layer4.*>0.25", "nc(layers=\"layer4.*\") > 0.25"),
        ("nc@layer4.0.relu#2 > .25", ""),
        ("nc@layer4.0/relu#2 <= -0.25", "nc(layers=\"layer4.0/relu#2\") <= -0.25"),
        ("nc @ class:ReLU <= 1e-9", "nc(layers=\"class:ReLU\") <= 1e-9"),
        ("nc@\" layer 4 \" > 0", "nc(layers=\"layer 4\") > 0"),
        ("nc@[\"a\",\"class:ReLU\"] > 0", "nc(layers=[\"a\",\"class:ReLU\"]) > 0"),
        ("nc@\"[\\\"a\\\"]\" > 0", "nc(layers=[\"a\"]) > 0"),
        ("nc(layers=[\"a\", \"b\"]) > 0", "nc(layers=[\"a\",\"b\"]) > 0"),
        ("nc@[ab]* > 0", "nc(layers=\"[ab]*\") > 0"),
        ("cleanai::nc >= 0.1", "cleanai::nc >= 0.1"),
        (
            "acme::deep::thing(a=-3, b=-1e-3, c=true, d=2..=4, e=[1, [2.0, \"x\"]]) > 10.0",
            "acme::deep::thing(a=-3,b=-0.001,c=true,d=2..=4,e=[1,[2.0,\"x\"]]) > 10",
        ),
        ("x::y(z = 10.0, w = 1e300, v = 0) > 1e300", "x::y(v=0,w=1e300,z=10.0) > 1e300"),
        ("src(untrusted=\"x\").auroc >= 0.95", "src(untrusted=\"x\").auroc >= 0.95"),
        ("src.auroc >= 0.95", "src.auroc >= 0.95"),
        ("src@\"conv2\".auroc >= 0.95", "src(layers=\"conv2\").auroc >= 0.95"),
        ("src.auroc@conv2 >= 0.95", "src(layers=\"conv2\").auroc >= 0.95"),
        ("tknp >= 100", "tknp >= 100"),
        ("nc>=baseline", "nc >= baseline"),
        ("nc >= baseline-0.010", "nc >= baseline - 0.01"),
        ("nc < against + 1_0", "nc < against + 10"),
        ("nc <= baseline  *  1.02", "nc <= baseline * 1.02"),
        ("nc >= baseline - 0.0", "nc >= baseline"),
        ("nc >= against * 1e-9", "nc >= against * 1e-9"),
        ("kmnc(k=10) . uncovered <= 12", "kmnc(k=10).uncovered <= 12"),
        ("kmnc.covered@conv2 >= 12", "kmnc(layers=\"conv2\").covered >= 12"),
        ("kmnc . per_class ( min ) >= 0.3", "kmnc.per_class(min) >= 0.3"),
        ("nc@\"conv*\".per_layer(mean) > baseline", "nc(layers=\"conv*\").per_layer(mean) > baseline"),
        ("nc.per_layer(max) <= 0.9", "nc.per_layer(max) <= 0.9"),
        ("nc@head.uncovered.relu >= 0.1", "nc(layers=\"head.uncovered.relu\") >= 0.1"),
        ("nc@\"head.uncovered\" >= 0.1", "nc(layers=\"head.uncovered\") >= 0.1"),
    ] {
        if canonical.is_empty() {
            assert!(Requirement::parse(text).is_err(), "{text}");
            continue;
        }
        let read = requirement(text);
        assert_eq!(read.to_string(), canonical, "{text}");
        assert_eq!(requirement(canonical), read);
    }
}

#[test]
fn figures_and_layers_do_not_mix_up() {
    let read = requirement("src@conv2.auroc >= 0.95");
    assert_eq!(read.figure, None);
    assert_eq!(read.criterion.layers().unwrap(), Some(Selector::Glob("conv2.auroc".into())));
}

#[test]
fn errors_point_at_the_text() {
    for (text, what, marked) in [
        ("", "expected the name of a criterion, found the end", ""),
        ("0.4 <= nc", "expected the name of a criterion, found `0`", "0"),
        ("nc", "expected one of `>=`, `>`, `<=` and `<`, found the end", ""),
        ("nc >= high", "expected a number, `baseline` or `against` after `>=`, found `high`", "high"),
        ("nc >= \"0.4\"", "expected a number, `baseline` or `against` after `>=`, found `\"`", "\""),
        ("nc >=", "expected a number, `baseline` or `against` after `>=`, found the end", ""),
        ("nc = 0.4", "`=` is no comparison", "="),
        ("nc == 0.4", "`==` is no comparison", "=="),
        ("nc => 0.4", "`=>` is no comparison", "=>"),
        ("nc ≥ 0.4", "`≥` is no comparison", "≥"),
        ("nc != 0.4", "`!=` is no comparison", "!="),
        ("nc >= 40%", "expected nothing after the bound, found `%`", "%"),
        ("nc >= 0.4 0.5", "expected nothing after the bound, found `0`", "0"),
        ("nc >= .4", "expected a digit before the point, found `.`", "."),
        ("nc >= 1.", "expected a digit after the point, found the end", ""),
        ("nc >= 1e", "expected the digits of the exponent, found the end", ""),
        ("nc >= 1e999", "a bound must be finite", "1e999"),
        ("nc >= inf", "a bound must be finite", "inf"),
        ("nc >= -inf", "expected a number, found `-`", "-"),
        ("nc >= NaN", "a bound must be finite", "NaN"),
        ("nc >= 0.4f64", "`0.4f64` is not a number", "0.4f64"),
        ("nc >= 0x10", "`0x10` is not a number", "0x10"),
        ("nc(k=1e999) >= 1", "a number must be finite", "1e999"),
        ("nc(k=99999999999999999999) >= 1", "`99999999999999999999` is out of range", "99999999999999999999"),
        ("nc(k) >= 1", "expected `=` after `k`, found `)`", ")"),
        ("nc(k=) >= 1", "expected a value, found `)`", ")"),
        ("nc(k=1 j=2) >= 1", "expected `,` or `)`, found `j`", "j"),
        ("nc(k=1, k=2) >= 1", "parameter `k` is given twice", "k"),
        ("nc(layers=\"a\", layer=\"b\") >= 1", "parameter `layer` is given twice", "layer"),
        ("nc(layers=\"a\")@b >= 1", "the layers are given twice", "@b "),
        ("nc(k=1", "`(` is not closed", "("),
        ("nc(k=[1, 2", "`[` is not closed", "["),
        ("nc(k=\"a) >= 1", "the string is not closed", "\"a) >= 1"),
        ("nc(k=\"a\\q\") >= 1", "unknown escape `\\q`", "\\q"),
        ("nc(k=\"\\u{110000}\") >= 1", "unknown escape `\\u`", "\\u"),
        ("nc(k=deep) >= 1", "`deep` is not a value", "deep"),
        ("nc(k=2..4) >= 1", "a range names its last element", ".."),
        ("nc(k=4..=2) >= 1", "the range is empty", "4..=2"),
        ("nc(k=1.5..=2) >= 1", "a range goes from one integer to another", "1.5..=2"),
        ("nc(k=1..=) >= 1", "expected the end of the range, found `)`", ")"),
        ("nc@ >= 1", "expected layers after `@`, found `>`", ">"),
        ("nc@conv 2 >= 1", "a space within the layers", " "),
        ("nc@class: >= 1", "`class:` needs the name of a class", "class:"),
        ("nc@[a >= 1", "`[a` is no glob: unclosed character class; missing ']'", "[a"),
        ("nc(layers=3) >= 1", "layers are a string or a list of strings, not an integer", "3"),
        ("nc(layers=[]) >= 1", "an empty list names no layers", "[]"),
        ("nc(layers=[1]) >= 1", "a layer is named by a string, not by an integer", "[1]"),
        ("cleanai:nc >= 1", "a namespace ends in two colons", ":"),
        ("cleanai:: >= 1", "expected a name after `cleanai::`, found ` `", " "),
        ("src. >= 1", "expected the name of a figure after `.`, found `>`", ">"),
        ("src.a.b >= 1", "a second figure", ".b"),
        ("nc >= baselin", "expected a number, `baseline` or `against` after `>=`, found `baselin`", "baselin"),
        ("nc >= baseline -", "expected a number after `baseline -`, found the end", ""),
        ("nc >= baseline - -1", "expected a number after `baseline -`, found `-`", "-"),
        ("nc >= baseline + x", "expected a number after `baseline +`, found `x`", "x"),
        ("nc >= against * 0", "`against * 0` is no bound", "0"),
        ("nc >= baseline / 2", "expected nothing after the bound, found `/`", "/"),
        ("nc >= 0.98 * baseline", "expected nothing after the bound, found `*`", "*"),
        ("nc >= baseline - 1e999", "a number must be finite", "1e999"),
        ("nc >= baseline - 1%", "expected nothing after the bound, found `%`", "%"),
        ("nc.per_class >= 1", "`per_class` does not say what of its values is bounded", "per_class"),
        ("nc.per_class( >= 1", "expected one of `min`, `max` and `mean`, found `>`", ">"),
        ("nc.per_layer(median) >= 1", "expected one of `min`, `max` and `mean`, found `median`", "median"),
        ("nc.per_layer(min >= 1", "expected `)`, found `>`", ">"),
        ("nc@conv2.per_layer(min) >= 1", "`.per_layer(min)` stands within the layers", ".per_layer(min)"),
        ("nc@conv2.uncovered <= 1", "`.uncovered` stands within the layers", ".uncovered"),
        ("per_class(min) >= 1", "`per_class(min)` is a figure, and no criterion stands before it", "per_class(min)"),
        ("uncovered <= 12", "`uncovered` is a figure, and no criterion stands before it", "uncovered"),
    ] {
        assert_eq!(refused(text), (what.to_owned(), marked), "{text}");
    }
}

#[test]
fn errors_read_well_by_themselves() {
    assert_eq!(
        "größe => 0.4".parse::<Requirement>().unwrap_err().to_string(),
        "`=>` is no comparison, at column 7 of `größe => 0.4`\n  help: write `>=`"
    );
    assert_eq!(
        "src.auroc".parse::<CriterionSpec>().unwrap_err().to_string(),
        "`.auroc` names a figure where a criterion is wanted, at column 4 of `src.auroc`"
    );
}

#[test]
fn deep_nesting_is_refused_not_overflowed() {
    let text = format!("nc(k={}) >= 1", "[".repeat(100_000));
    assert_eq!(refused(&text), ("lists nest too deeply".to_owned(), "["));
    let mut selector = Selector::Logits;
    for _ in 0..10 {
        selector = Selector::Any(vec![selector]);
    }
    assert_eq!(selector.to_string().parse::<Selector>(), Ok(selector));
}

#[test]
fn comparisons() {
    let at = |c: Comparison| [c.holds(0.5, 0.4), c.holds(0.4, 0.4), c.holds(0.3, 0.4)];
    assert_eq!(at(Comparison::AtLeast), [true, true, false]);
    assert_eq!(at(Comparison::Above), [true, false, false]);
    assert_eq!(at(Comparison::AtMost), [false, true, true]);
    assert_eq!(at(Comparison::Below), [false, false, true]);
    for comparison in [Comparison::AtLeast, Comparison::Above, Comparison::AtMost, Comparison::Below] {
        assert!(!comparison.holds(f64::NAN, 0.4));
    }
}

#[test]
fn replacing() {
    let replaces = |a: &str, b: &str| requirement(a).replaces(&requirement(b));
    assert!(replaces("nc >= 0.4", "nc() > 0.5"));
    assert!(!replaces("nc >= 0.4", "nc <= 0.5"));
    assert!(!replaces("nc >= 0.4", "nc@conv1 >= 0.5"));
    assert!(!replaces("src.auroc >= 0.4", "src >= 0.4"));
    assert!(!replaces("nc >= baseline", "nc >= 0.4"), "a floor beside the baseline");
    assert!(!replaces("nc >= baseline", "nc >= against"));
    assert!(replaces("nc >= baseline - 0.1", "nc > baseline"));
    assert!(!replaces("nc.per_class(min) >= 0.4", "nc.per_class(max) >= 0.4"));
}

#[test]
fn a_figure_alone_is_of_the_criterion_before() {
    let before: CriterionSpec = "kmnc(k=10)@conv2".parse().unwrap();
    let after = |text| Requirement::parse_after(text, Some(&before)).map(|read| read.to_string());
    assert_eq!(after("uncovered <= 12").unwrap(), "kmnc(k=10,layers=\"conv2\").uncovered <= 12");
    assert_eq!(after(" per_class(min)>=0.3").unwrap(), "kmnc(k=10,layers=\"conv2\").per_class(min) >= 0.3");
    assert_eq!(after("nc.covered >= 1").unwrap(), "nc.covered >= 1", "a criterion of its own");
    assert_eq!(after("covered::nc >= 1").unwrap(), "covered::nc >= 1", "a namespace");
    assert!(after("auroc >= 1").unwrap().starts_with("auroc "), "only what every criterion may have");
    assert_eq!(after("per_class(mni) >= 1").unwrap_err().help(), Some("did you mean `min`?"));
}

#[test]
fn the_bytes_of_a_bound_are_known() {
    for (text, bound) in
        [("nc >= 0.40 ", "0.40"), ("  nc  <  -1e-9", "-1e-9"), ("nc>=baseline - 0.01 ", "baseline - 0.01")]
    {
        assert_eq!(&text[parse::bound_of(text, None).unwrap()], bound, "{text}");
    }
}

#[test]
fn where_a_requirement_stands_is_not_what_it_says() {
    let origin = Origin { source: Source::Test, file: "/p/cleanai.toml".into(), line: 24, column: 5, text: "x".into() };
    assert_eq!(origin.to_string(), "cleanai.toml:24");
    let placed = Requirement { origin: Some(origin), ..requirement("nc >= 0.4") };
    assert_eq!(placed, requirement("nc >= 0.4"));
}

#[test]
fn settings_of_a_criterion() {
    let spec: CriterionSpec = "nc(neurons=\"unit\")@logits".parse().unwrap();
    assert_eq!(spec.neurons().unwrap(), Some(NeuronKind::Unit));
    assert_eq!(spec.layers().unwrap(), Some(Selector::Logits));
    let wrong = |text: &str| text.parse::<CriterionSpec>().unwrap().neurons().unwrap_err().to_string();
    assert_eq!(
        wrong("nc(neurons=\"units\")"),
        "`nc(neurons=\"units\")`: unknown neurons `units`\n  help: did you mean `unit`?"
    );
    assert_eq!(
        wrong("nc(neurons=3)"),
        "`nc(neurons=3)`: neurons are a string, not an integer\n  help: write `neurons=\"channel\"` or `neurons=\"unit\"`"
    );
}

fn selectors() -> impl Strategy<Value = Selector> {
    let leaf = prop_oneof![
        Just(Selector::Default),
        Just(Selector::Penultimate),
        Just(Selector::Logits),
        "[A-Z][a-zA-Z0-9]{0,6}".prop_map(Selector::Class),
        "[a-z][a-z0-9.#/*? ]{0,8}[a-z0-9*]".prop_filter_map("a word of its own", |text| {
            let reserved = ["default", "penultimate", "logits"].contains(&text.as_str());
            (!reserved && globset::Glob::new(&text).is_ok()).then_some(Selector::Glob(text))
        }),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| prop::collection::vec(inner, 1..4).prop_map(Selector::Any))
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Integer),
        any::<f64>().prop_filter("finite", |x| x.is_finite()).prop_map(Value::Number),
        (any::<i64>(), any::<i64>()).prop_map(|(a, b)| Value::Range { from: a.min(b), to: a.max(b) }),
        any::<String>().prop_map(Value::Text),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| prop::collection::vec(inner, 0..4).prop_map(Value::List))
}

fn layers() -> impl Strategy<Value = Value> {
    selectors().prop_map(|selector| match selector {
        Selector::Any(all) => Value::List(all.iter().map(|one| Value::Text(one.to_string())).collect()),
        one => Value::Text(one.to_string()),
    })
}

fn figures() -> impl Strategy<Value = Figure> {
    let aggregate = || prop::sample::select(Aggregate::ALL.to_vec());
    prop_oneof![
        Just(Figure::Covered),
        Just(Figure::Uncovered),
        aggregate().prop_map(Figure::PerClass),
        aggregate().prop_map(Figure::PerLayer),
        "[a-z_][a-z0-9_]{0,5}".prop_map(Figure::Detail),
    ]
}

fn bounds() -> impl Strategy<Value = Bound> {
    let finite = || any::<f64>().prop_filter("finite", |x| x.is_finite());
    let not_zero = || finite().prop_filter("not zero", |x| *x != 0.0);
    let adjustment = prop_oneof![
        Just(Adjustment::None),
        not_zero().prop_map(Adjustment::Add),
        not_zero().prop_map(|factor| Adjustment::Times(factor.abs())),
    ];
    let reference = prop::sample::select(vec![Reference::Baseline, Reference::Against]);
    prop_oneof![
        finite().prop_map(Bound::Number),
        (reference, adjustment).prop_map(|(to, adjustment)| Bound::Relative { to, adjustment }),
    ]
}

prop_compose! {
    fn specs()(
        name in "[a-z_][a-z0-9_]{0,5}(::[a-z_][a-z0-9_]{0,5}){0,2}",
        mut parameters in prop::collection::btree_map("[a-z_][a-z0-9_]{0,4}", values(), 0..4),
        layers in prop::option::of(layers()),
    ) -> CriterionSpec {
        if let Some(layers) = layers {
            parameters.insert("layers".to_owned(), layers);
        }
        CriterionSpec { name, parameters }
    }
}

prop_compose! {
    fn requirements()(
        criterion in specs(),
        figure in prop::option::of(figures()),
        comparison in prop::sample::select(vec![Comparison::AtLeast, Comparison::Above, Comparison::AtMost, Comparison::Below]),
        bound in bounds(),
    ) -> Requirement {
        Requirement { criterion, figure, comparison, bound, origin: None }
    }
}

proptest! {
    #[test]
    fn selectors_read_back(selector in selectors()) {
        prop_assert_eq!(selector.to_string().parse::<Selector>(), Ok(selector));
    }

    #[test]
    fn criteria_read_back(spec in specs()) {
        prop_assert_eq!(spec.to_string().parse::<CriterionSpec>(), Ok(spec));
    }

    #[test]
    fn requirements_read_back(requirement in requirements()) {
        prop_assert_eq!(requirement.to_string().parse::<Requirement>(), Ok(requirement));
    }

    #[test]
    fn anything_is_read_or_refused_at_a_place_within(text in "([a-z0-9@(){}\\[\\]\"\\\\.,:=<>≥ *+_-]|baseline|against|per_class|uncovered){0,40}") {
        match Requirement::parse(&text) {
            Ok(read) => prop_assert_eq!(requirement(&read.to_string()), read),
            Err(error) => prop_assert!(text.get(error.span()).is_some(), "{:?} of {text:?}", error),
        }
    }
}
