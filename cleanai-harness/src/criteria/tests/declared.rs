//! Names, parameters, descriptions, and criteria of users.

use super::registry::{CriterionDescription, CriterionRegistration, ParameterDescription, ParameterKind, ValueKind};
use super::*;
use crate::declare::{NeuronKind, Selector, Value};

fn refusal(text: &str) -> String {
    match registry::criterion(&spec(text)) {
        Ok(_) => panic!("`{text}` is accepted"),
        Err(error) => {
            assert_eq!(error.kind(), crate::ErrorKind::Configuration, "{text}");
            error.to_string()
        }
    }
}

/// What a criterion does not go without.
fn needed(name: &str) -> String {
    let descriptions = registry::descriptions();
    let own = descriptions.iter().find(|own| own.name == name).expect("a known name");
    let parameters = own.parameters.iter().filter(|parameter| parameter.default_text.is_none());
    parameters.map(|parameter| format!("{}=1", parameter.name)).collect::<Vec<_>>().join(", ")
}

/// Defaults in words.
const MEAN_DIFFERENCE: &str = "the neuron's mean difference between profile inputs";
const SMALLEST: &str = "the smallest score of the profile set";
const LARGEST: &str = "what 99.9 % of the profile set's scores reach at most";
const UNTRUSTED: &str = "the data's untrusted inputs, if it has any";

#[test]
fn unknown_names_get_the_nearest() {
    let known = "known are `nc`, `nac`, `kmnc`, `nbc`, `snac`, `tknc`, `tknp`, `cc`, `nlc`, `ss`, `sv`, `vs`, `vv`, \
                 `idc`, `lsa`, `dsa`, `mdsa`, `lsc`, `dsc`, `mdsc`, `src`, `src_in_range`, `mrc`, `topk`, `knn`, `accuracy`, `ece`, `high_confidence`, `cleanai::nc`, `cleanai::tc`, `cleanai::sign`, `cleanai::value`, `cleanai::ss`, `cleanai::sv`, \
                 `cleanai::vs`, `cleanai::vv`, `cleanai::tknc`, `cleanai::nbc`, `cleanai::mnc` and `test::inputs`";
    assert_eq!(refusal("kmcn"), format!("there is no criterion `kmcn`\n  help: did you mean `kmnc`? {known}"));
    assert!(refusal("acuracy").contains("did you mean `accuracy`?"));
    assert_eq!(refusal("acme::dead"), format!("there is no criterion `acme::dead`\n  help: {known}"));
    assert!(refusal("zzzzzzz").ends_with(&format!("help: {known}")));
}

#[test]
fn unknown_parameters_get_the_nearest() {
    assert_eq!(
        refusal("nc(treshold=0.5)"),
        "`nc` has no parameter `treshold`\n  help: did you mean `threshold`? it accepts `threshold`, `layers`, `layer` and `neurons`"
    );
    assert_eq!(
        refusal("accuracy(k=1)"),
        "`accuracy` has no parameter `k`\n  help: it accepts `layers`, `layer` and `neurons`"
    );
}

#[test]
fn values_are_checked() {
    assert_eq!(refusal("kmnc(k=0)"), "parameter `k` of `kmnc` must be a whole number from 1 to 1000000, not 0");
    assert_eq!(refusal("kmnc(k=10.0)"), "parameter `k` of `kmnc` must be a whole number from 1 to 1000000, not 10.0");
    assert_eq!(refusal("nbc(sigma=-0.5)"), "parameter `sigma` of `nbc` must be a finite number >= 0, not -0.5");
    assert_eq!(refusal("nc(threshold=true)"), "parameter `threshold` of `nc` must be a finite number, not true");
    for text in [
        "kmnc(k=-1)",
        "kmnc(k=1000001)",
        "tknc(k=0)",
        "tknp(k=0)",
        "tknc(k=\"3\")",
        "tknp(k=[3])",
        "kmnc(k=1..=3)",
        "snac(sigma=-1)",
    ] {
        assert!(refusal(text).contains("must be"), "{text}");
    }
    for bound in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for (name, parameter) in [("nc", "threshold"), ("nac", "threshold"), ("nbc", "sigma"), ("snac", "sigma")] {
            let mut spec = CriterionSpec::named(name);
            spec.parameters.insert(parameter.to_owned(), Value::Number(bound));
            assert!(registry::criterion(&spec).is_err(), "{name}({parameter}={bound})");
        }
    }
    for text in
        ["kmnc(k=1000000)", "nc(threshold=-3)", "nbc(sigma=2)", "tknp(k=1, layers=\"penultimate\")", "kmnc@conv2"]
    {
        assert_eq!(registry::criterion(&spec(text)).unwrap().spec(), &spec(text));
    }
}

#[test]
fn layers_and_neurons_are_for_all() {
    for name in registry::names() {
        let needed = needed(name);
        let text = |parameters: &str| {
            format!(
                "{name}({})",
                [needed.as_str(), parameters]
                    .iter()
                    .filter(|own| !own.is_empty())
                    .copied()
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        };
        let layers = |parameters: &str| registry::layers_of(&spec(&text(parameters)));
        registry::criterion(&spec(&text("layers=\"conv*\", neurons=\"unit\""))).unwrap();
        registry::criterion(&spec(&text("layer=[\"logits\", \"class:ReLU\"]"))).unwrap();
        assert_eq!(layers("").unwrap(), None);
        assert_eq!(layers("layers=\"conv*\"").unwrap(), Some(Selector::Glob("conv*".to_owned())));
        assert_eq!(layers("layer=\"logits\"").unwrap(), Some(Selector::Logits));
        let both = Selector::Any(vec![Selector::Penultimate, Selector::Class("ReLU".to_owned())]);
        assert_eq!(layers("layers=[\"penultimate\", \"class:ReLU\"]").unwrap(), Some(both));

        // Some of these the grammar refuses already; a spec may also be put together by hand.
        let by_hand = |parameter: &str, value: Value| {
            let mut spec = spec(&text(""));
            spec.parameters.insert(parameter.to_owned(), value);
            spec
        };
        for parameter in ["layers", "layer"] {
            for wrong in [Value::Integer(3), Value::List(vec![]), Value::List(vec![Value::Bool(true)])] {
                let error = registry::criterion(&by_hand(parameter, wrong)).err().expect("refused").to_string();
                assert!(error.contains(&format!("parameter `{parameter}` of `{name}`")), "{error}");
            }
        }
        let mut twice = by_hand("layers", Value::Text("conv1".to_owned()));
        twice.parameters.insert("layer".to_owned(), Value::Text("conv1".to_owned()));
        let error = registry::criterion(&twice).err().expect("refused").to_string();
        assert!(error.contains("both `layers` and `layer`"), "{error}");

        let neurons = |value: &str| registry::neurons_of(&by_hand("neurons", Value::Text(value.to_owned())));
        assert_eq!(neurons("unit").unwrap(), Some(NeuronKind::Unit));
        assert_eq!(neurons("channel").unwrap(), Some(NeuronKind::Channel));
        assert!(neurons("units").unwrap_err().to_string().contains("did you mean `unit`?"));
        assert_eq!(registry::neurons_of(&spec(name)).unwrap(), None);
        assert!(registry::criterion(&by_hand("neurons", Value::Integer(1))).is_err());
    }
}

#[test]
fn profiles_are_asked_for_and_checked() {
    let stream = Stream::one_layer(&[[0.0, 1.0]]);
    let (layers, neurons) = (stream.infos(), stream.widths());
    for name in ["kmnc", "nbc", "snac"] {
        let criterion = registry::criterion(&spec(name)).unwrap();
        assert!(criterion.needs().profile);
        let without = criterion.start(Start { layers: &layers, neurons: &neurons, profile: None });
        assert!(without.err().expect("refused").to_string().contains("needs a profile set"));
        for wrong in [vec![], Stream::one_neuron(&[1.0]).profile()] {
            let other = criterion.start(Start { layers: &layers, neurons: &neurons, profile: Some(&wrong) });
            assert!(other.err().expect("refused").to_string().contains("of other layers"));
        }
    }
    for name in ["nc", "nac", "tknc", "tknp", "accuracy", "ece", "high_confidence"] {
        let criterion = registry::criterion(&spec(name)).unwrap();
        assert!(!criterion.needs().profile);
        assert!(criterion.start(Start { layers: &layers, neurons: &[], profile: None }).is_err());
        let endless = criterion.start(Start { layers: &layers, neurons: &[usize::MAX], profile: None });
        assert!(endless.err().expect("refused").to_string().contains("more than"));
    }
}

#[test]
fn memory_is_bounded() {
    let neurons = 200_000;
    let layer = LayerInfo {
        name: "wide".to_owned(),
        class: "Conv2d".to_owned(),
        operator: "conv2d".to_owned(),
        shape: vec![neurons],
        channel_axis: 0,
    };
    let profile = LayerProfile {
        low: vec![0.0; neurons],
        high: vec![1.0; neurons],
        std: vec![0.5; neurons],
        ..LayerProfile::default()
    };
    let start = Start { layers: &[layer], neurons: &[neurons], profile: Some(&[profile]) };
    let error = registry::criterion(&spec("kmnc(k=1000000)")).unwrap().start(start).err().expect("refused");
    assert_eq!(
        error.to_string(),
        "`kmnc` with k = 1000000 on 200000 neurons would need 23.3 GiB of memory\n  \
         help: take a smaller k, fewer layers, or channels as neurons (`neurons = \"channel\"`)"
    );
}

#[test]
fn descriptions_tell_what_is_accepted() {
    for description in registry::descriptions() {
        assert!(!description.summary.is_empty() && !description.reference.is_empty());
        let needed = needed(description.name);
        let criterion = registry::criterion(&spec(&format!("{}({needed})", description.name))).unwrap();
        assert_eq!(criterion.direction(), description.direction);
        for parameter in description.accepted() {
            assert!(!parameter.summary.is_empty());
        }
        // A described default is a value one may write, and writing it changes nothing but the name.
        for ParameterDescription { name, kind, default_text, .. } in description.parameters {
            let text = match (kind, default_text) {
                (_, None) | (_, Some(MEAN_DIFFERENCE | SMALLEST | LARGEST)) | (ParameterKind::Data, _) => continue,
                (ParameterKind::Choice(_), Some(word)) => format!("{}({name}=\"{word}\")", description.name),
                (_, Some(value)) => format!("{}({name}={value})", description.name),
            };
            registry::criterion(&spec(&text)).unwrap();
        }
    }
    let defaults: Vec<_> = registry::descriptions()
        .into_iter()
        .flat_map(|own| {
            own.parameters.iter().map(|parameter| (own.name, parameter.name, parameter.default_text.unwrap_or("none")))
        })
        .collect();
    let expected = [
        ("nc", "threshold", "0.75"),
        ("nac", "threshold", "0.0"),
        ("kmnc", "k", "1000"),
        ("nbc", "sigma", "0.0"),
        ("snac", "sigma", "0.0"),
        ("tknc", "k", "3"),
        ("tknp", "k", "2"),
        ("cc", "threshold", "none"),
        ("ss", "pairs", "all"),
        ("sv", "pairs", "all"),
        ("sv", "distance", MEAN_DIFFERENCE),
        ("vs", "pairs", "all"),
        ("vs", "distance", MEAN_DIFFERENCE),
        ("vv", "pairs", "all"),
        ("vv", "distance", MEAN_DIFFERENCE),
        ("idc", "m", "6"),
        ("idc", "clusters", "2..=4"),
        ("idc", "relevance", "epsilon"),
        ("idc", "eps", "0.01"),
        ("idc", "bias", "spread"),
        ("idc", "stabiliser", "spread"),
        ("idc", "zeros", "keep"),
        ("idc", "task", "classification"),
        ("idc", "fallback", "none"),
        ("lsa", "on_singular", "error"),
        ("lsc", "n", "1000"),
        ("lsc", "lower", SMALLEST),
        ("lsc", "upper", LARGEST),
        ("lsc", "on_singular", "error"),
        ("dsc", "n", "1000"),
        ("dsc", "lower", "0"),
        ("dsc", "upper", "2"),
        ("mdsc", "n", "1000"),
        ("mdsc", "lower", SMALLEST),
        ("mdsc", "upper", LARGEST),
        ("src", "untrusted", UNTRUSTED),
        ("src_in_range", "untrusted", UNTRUSTED),
        ("mrc", "q", "10"),
        ("mrc", "untrusted", UNTRUSTED),
        ("topk", "k", "3"),
        ("topk", "untrusted", UNTRUSTED),
        ("knn", "k", "1"),
        ("knn", "untrusted", UNTRUSTED),
        ("high_confidence", "threshold", "0.9"),
        ("cleanai::tc", "threshold", "0.75"),
        ("cleanai::sign", "inputs", "[]"),
        ("cleanai::value", "threshold", "0.75"),
        ("cleanai::value", "inputs", "[]"),
        ("cleanai::ss", "threshold", "0.75"),
        ("cleanai::ss", "inputs", "[]"),
        ("cleanai::sv", "threshold", "0.75"),
        ("cleanai::sv", "inputs", "[]"),
        ("cleanai::vs", "threshold", "0.75"),
        ("cleanai::vs", "inputs", "[]"),
        ("cleanai::vv", "threshold", "0.75"),
        ("cleanai::vv", "inputs", "[]"),
        ("cleanai::tknc", "k", "3"),
        ("cleanai::mnc", "intervals", "[[0, 0.1], [0.1, 0.2], [0.2, 0.3], [0.3, 0.4], [0.4, 0.5]]"),
        ("test::inputs", "at_least", "1"),
    ];
    assert_eq!(defaults, expected);
}

/// A criterion of a user's: inputs seen, in units of `at_least`.
struct Inputs(CriterionSpec, u64);

struct InputsState(u64, u64);

impl Criterion for Inputs {
    fn spec(&self) -> &CriterionSpec {
        &self.0
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn start(&self, _: Start<'_>) -> Result<Box<dyn State>> {
        Ok(Box::new(InputsState(0, self.1)))
    }

    fn direction(&self) -> Direction {
        INPUTS.direction
    }
}

impl State for InputsState {
    fn observe(&mut self, _: LayerValues<'_>) {}

    fn end_batch(&mut self, end: BatchEnd<'_>) -> Result<()> {
        self.0 += end.inputs as u64;
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn State>) -> Result<()> {
        self.0 += other.into_any().downcast::<Self>().expect("a state of this criterion").0;
        Ok(())
    }

    fn figures(&self) -> Figures {
        Figures { value: Some((self.0 / self.1) as f64), ..Figures::default() }
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

const INPUTS: CriterionDescription = CriterionDescription {
    name: "test::inputs",
    summary: "inputs seen",
    parameters: &[ParameterDescription {
        name: "at_least",
        kind: ParameterKind::Integer { at_least: 1, at_most: 10 },
        default_text: Some("1"),
        summary: "the unit",
    }],
    direction: Direction::LowerIsBetter,
    value: ValueKind::Number,
    reference: "this test",
};

fn build_inputs(spec: &CriterionSpec) -> Result<Box<dyn Criterion>> {
    let unit = registry::Arguments::check(spec, &INPUTS)?.integer("at_least")?;
    Ok(Box::new(Inputs(spec.clone(), unit as u64)))
}

inventory::submit! { CriterionRegistration { description: INPUTS, build: build_inputs } }

#[test]
fn users_add_their_own() {
    assert_eq!(registry::names().last(), Some(&"test::inputs"));
    let stream = Stream::one_neuron(&[1.0, 2.0, 3.0, 4.0]);
    assert_eq!(figures("test::inputs", &stream, None).value, Some(4.0));
    assert_eq!(figures("test::inputs(at_least=2)@logits", &stream, None).value, Some(2.0));
    assert!(refusal("test::inputs(at_least=11)").contains("from 1 to 10"));
    assert!(refusal("test::inptus").contains("did you mean `test::inputs`?"));
}

#[test]
fn registrations_are_checked() {
    const fn named(name: &'static str, parameters: &'static [ParameterDescription]) -> CriterionRegistration {
        CriterionRegistration { description: CriterionDescription { name, parameters, ..INPUTS }, build: build_inputs }
    }
    const LAYERS: ParameterDescription =
        ParameterDescription { name: "layers", kind: ParameterKind::Flag, default_text: None, summary: "shadows" };
    static GOOD: CriterionRegistration = named("acme::one", &[]);
    static DEEP: CriterionRegistration = named("acme::deep::two", &[]);
    static BARE: CriterionRegistration = named("dead", &[]);
    static OURS: CriterionRegistration = named("cleanai::dead", &[]);
    static ODD: CriterionRegistration = named("acme::de ad", &[]);
    static EMPTY: CriterionRegistration = named("acme::", &[]);
    static SHADOWS: CriterionRegistration = named("acme::shadows", &[LAYERS]);
    let message = |users: &[&'static CriterionRegistration]| match registry::with_users(users.iter().copied()) {
        Ok(known) => {
            let names = known.iter().map(|known| known.description.name);
            names.filter(|name| name.starts_with("acme::")).collect::<Vec<_>>().join(" ")
        }
        Err(error) => error.what().to_owned(),
    };
    assert_eq!(message(&[&GOOD, &DEEP]), "acme::deep::two acme::one");
    assert_eq!(message(&[&GOOD, &DEEP, &GOOD]), "criterion `acme::one` is registered twice");
    for (wrong, name) in [(&BARE, "dead"), (&OURS, "cleanai::dead"), (&ODD, "acme::de ad"), (&EMPTY, "acme::")] {
        assert_eq!(
            message(&[&GOOD, wrong]),
            format!("criterion `{name}` is registered without a namespace of its own")
        );
    }
    assert!(message(&[&SHADOWS]).contains("its parameter `layers`"));
}

#[test]
fn every_kind_of_parameter_is_checked_and_read() {
    const fn parameter(
        name: &'static str,
        kind: ParameterKind,
        default_text: Option<&'static str>,
    ) -> ParameterDescription {
        ParameterDescription { name, kind, default_text, summary: "for the test" }
    }
    const DESCRIPTION: CriterionDescription = CriterionDescription {
        name: "test::all",
        parameters: &[
            parameter("must", ParameterKind::Number { at_least: 0.0, at_most: 1.0 }, None),
            parameter("flag", ParameterKind::Flag, Some("false")),
            parameter("word", ParameterKind::Choice(&["all", "consecutive"]), Some("all")),
            parameter("range", ParameterKind::Range { at_least: 2, at_most: 9 }, Some("2..=4")),
        ],
        ..INPUTS
    };
    let check = |text: &str| {
        registry::Arguments::check(&spec(text), &DESCRIPTION).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(
        check("test::all").unwrap_err(),
        "`test::all` needs the parameter `must`\n  help: `must` is a number from 0 to 1: for the test"
    );
    assert!(check("test::all(must=1.5)").unwrap_err().ends_with("must be a number from 0 to 1, not 1.5"));
    assert!(check("test::all(must=1, flag=1)").unwrap_err().ends_with("must be true or false, not 1"));
    assert!(
        check("test::all(must=1, word=\"some\")")
            .unwrap_err()
            .ends_with("must be \"all\" or \"consecutive\", not \"some\"")
    );
    for wrong in ["1..=3", "3..=10", "3"] {
        assert!(
            check(&format!("test::all(must=1, range={wrong})"))
                .unwrap_err()
                .contains("a range like 2..=4 within 2..=9")
        );
    }
    let given = spec("test::all(must=1, flag=true, word=\"consecutive\", range=3..=9)");
    let arguments = registry::Arguments::check(&given, &DESCRIPTION).unwrap();
    assert_eq!(arguments.number("must"), Ok(1.0));
    assert_eq!(arguments.flag("flag"), Ok(true));
    assert_eq!(arguments.choice("word").as_deref(), Ok("consecutive"));
    assert_eq!(arguments.range("range"), Ok(3..=9));
    assert!(arguments.integer("flag").is_err() && arguments.integer("other").is_err());
    let least = spec("test::all(must=0.5)");
    let arguments = registry::Arguments::check(&least, &DESCRIPTION).unwrap();
    assert_eq!(arguments.number("must"), Ok(0.5));
    assert_eq!(arguments.flag("flag"), Ok(false));
    assert_eq!(arguments.choice("word").as_deref(), Ok("all"));
    assert_eq!(arguments.range("range"), Ok(2..=4));
}

/// What the attribute checks at compile time.
#[allow(dead_code)]
#[path = "../../../../cleanai-macros/src/names.rs"]
mod names;

#[test]
fn the_attribute_knows_the_same_criteria() {
    let bare: Vec<_> = registry::descriptions().into_iter().filter(|own| !own.name.contains("::")).collect();
    assert_eq!(bare.len(), names::CRITERIA.len());
    for description in bare {
        let theirs = names::Criterion::find(description.name).expect(description.name);
        let kind = |kind: ParameterKind| match kind {
            ParameterKind::Integer { at_least: 1, .. } => names::Kind::Count,
            ParameterKind::Number { at_least: 0.0, .. } => names::Kind::Distance,
            ParameterKind::Number { .. } => names::Kind::Number,
            ParameterKind::Layers => names::Kind::Layers,
            ParameterKind::Neurons => names::Kind::Neurons,
            ParameterKind::Choice(words) => names::Kind::Word(words),
            ParameterKind::Data => names::Kind::Data,
            ParameterKind::Range { at_least: 2, .. } => names::Kind::Range,
            other => panic!("the attribute has no word for {other}"),
        };
        let own: Vec<_> = match theirs.observes_layers() {
            true => description.accepted().map(|own| (own.name, kind(own.kind))).collect(),
            false => description.parameters.iter().map(|own| (own.name, kind(own.kind))).collect(),
        };
        assert!(theirs.parameters().eq(own), "{}", description.name);
    }
}

#[test]
fn corners_take_a_bound_in_both_precisions_and_a_bit() {
    let bytes = |text: &str| registry::criterion(&spec(text)).unwrap().bytes(&[10, 8]);
    // Of each end: 12 bytes a neuron, and whole bytes of bits for each layer.
    assert_eq!((bytes("nbc"), bytes("snac")), (2 * (18 * 12 + 2 + 1), 18 * 12 + 2 + 1));
}
