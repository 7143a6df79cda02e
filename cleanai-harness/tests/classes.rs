//! Figures of each class by itself are those of a measurement of its inputs alone.

use std::fs;

use cleanai_harness::declare::NeuronKind;
use cleanai_harness::measure::once;

mod common;

use common::{Case, root};

fn case(test: &str) -> Case<'_> {
    Case {
        model: "models/lenet5.pt",
        profile: Some("data/train#0..200"),
        test,
        transform: "[\"grayscale\", \"scale\", { normalize = { mean = [0.5], std = [0.5] } }]",
    }
}

#[test]
fn a_class_is_measured_as_if_its_inputs_were_all_there_are() {
    let folder = root().join("examples/digits");
    let texts = [
        "nc",
        "nac",
        "kmnc(k=50)",
        "nbc",
        "snac",
        "tknc",
        "tknp",
        "nlc(layers=\"penultimate\")",
        "cc(threshold=20, layer=\"penultimate\")",
    ];
    let specs: Vec<_> = texts.iter().map(|text| text.parse().unwrap()).collect();
    // Images come in the order of their paths: those of the class 4 lie together.
    let count = |class: u32| fs::read_dir(folder.join(format!("data/test/{class}"))).unwrap().count();
    let start: usize = (0..4).map(count).sum();
    let of_class = format!("data/test#{start}..{}", start + count(4));
    for neurons in [NeuronKind::Channel, NeuronKind::Unit] {
        let measured = |test: &str| {
            let mut declaration = common::declaration(&folder, &case(test));
            declaration.neurons = neurons;
            once(&declaration, &specs).unwrap_or_else(|error| panic!("{error}"))
        };
        let (all, alone) = (measured("data/test"), measured(&of_class));
        for (text, alone) in &alone.criteria {
            let class = all.criteria[text].classes.get("4").unwrap_or_else(|| panic!("{text} {neurons}: no class 4"));
            assert_eq!(class.inputs, count(4) as u64, "{text} {neurons}");
            assert_eq!(
                (class.value, class.covered, class.total),
                (alone.value, alone.covered, alone.total),
                "{text} {neurons}"
            );
            assert!(alone.value.is_some_and(|value| value > 0.0), "{text} {neurons}: {:?}", alone.value);
        }
    }
}
