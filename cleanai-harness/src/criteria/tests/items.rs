//! What inputs cover one by one is what they cover together.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::properties::streams;
use super::*;

const CRITERIA: &[&str] = &[
    "nc(threshold=0.5)",
    "nac",
    "kmnc(k=7)",
    "kmnc(k=130)",
    "nbc",
    "snac(sigma=1)",
    "tknc",
    "tknc(k=1)",
    "tknp",
    "tknp(k=1)",
];

/// The items of every input, each fed by itself to one state.
fn items(text: &str, stream: &Stream, profile: Option<&[LayerProfile]>) -> Vec<BTreeSet<u64>> {
    let mut state = start(text, stream, profile);
    assert_eq!(state.take_covered(), Some(Vec::new()), "{text}: nothing is covered at first");
    (0..stream.inputs)
        .map(|input| {
            stream.feed(state.as_mut(), input, input + 1);
            let taken = state.take_covered().expect(text);
            let distinct: BTreeSet<u64> = taken.iter().copied().collect();
            assert_eq!(distinct.len(), taken.len(), "{text}: an item is taken twice");
            distinct
        })
        .collect()
}

fn covered(text: &str, figures: &Figures) -> u64 {
    if text.starts_with("tknp") { figures.value.expect(text) as u64 } else { figures.covered.expect(text) }
}

/// What neurons cover is what is covered, and who covered a neuron first contributed to it.
fn of_neurons(text: &str, stream: &Stream, figures: &Figures) {
    if text.starts_with("tknp") || text.starts_with("idc") {
        assert!(figures.neurons.is_empty(), "{text}: its items belong to no neuron");
        return;
    }
    assert_eq!(figures.neurons.iter().map(|layer| layer.covered.len()).collect::<Vec<_>>(), stream.widths(), "{text}");
    for (layer, neurons) in figures.layers.iter().zip(&figures.neurons) {
        let covered: u64 = neurons.covered.iter().map(|covered| u64::from(*covered)).sum();
        assert_eq!(Some(covered), layer.covered, "{text}: {}", layer.name);
        for (covered, first) in neurons.covered.iter().zip(&neurons.first) {
            assert_eq!(*covered > 0, first.is_some(), "{text}");
            let contributed = |first: &u32| figures.contributions.iter().any(|own| own.input == u64::from(*first));
            assert!(first.iter().all(contributed), "{text}");
        }
    }
}

fn agree(text: &str, stream: &Stream, profile: Option<&[LayerProfile]>) {
    let items = items(text, stream, profile);
    let all: BTreeSet<u64> = items.iter().flatten().copied().collect();
    assert_eq!(all.len() as u64, covered(text, &figures(text, stream, profile)), "{text}");
    of_neurons(text, stream, &figures(text, stream, profile));
    // Every input by itself, and the first half.
    for (input, own) in items.iter().enumerate() {
        let mut alone = start(text, stream, profile);
        stream.feed(alone.as_mut(), input, input + 1);
        assert_eq!(own.len() as u64, covered(text, &alone.figures()), "{text}: input {input}");
    }
    let half = stream.inputs / 2;
    let mut first = start(text, stream, profile);
    stream.feed(first.as_mut(), 0, half);
    let of_half: BTreeSet<u64> = items[..half].iter().flatten().copied().collect();
    assert_eq!(of_half.len() as u64, covered(text, &first.figures()), "{text}: the first {half}");
    // Who only counts finds the same.
    let mut counting = start(text, stream, profile);
    counting.count_only();
    stream.feed(counting.as_mut(), 0, half);
    stream.feed(counting.as_mut(), half, stream.inputs);
    let (counting, figures) = (counting.figures(), figures(text, stream, profile));
    assert_eq!((counting.covered, counting.total), (figures.covered, figures.total), "{text}");
    assert_eq!((counting.value, counting.layers), (figures.value, figures.layers), "{text}");
    // Asked only in the end, it tells all at once.
    let mut whole = state(text, stream, profile);
    let at_once: BTreeSet<u64> = whole.take_covered().expect(text).into_iter().collect();
    assert_eq!(at_once.len(), all.len(), "{text}");
    if !text.starts_with("tknp") {
        assert_eq!(at_once, all, "{text}: items are numbered by what they are");
    }
    assert_eq!(whole.take_covered(), Some(Vec::new()), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn inputs_cover_together_what_they_cover_each((profile, stream) in streams()) {
        let profile = profile.profile();
        for text in CRITERIA {
            agree(text, &stream, Some(&profile));
        }
    }
}

#[test]
fn combinations_of_clusters_are_items() {
    // Two neurons in two clusters each; the third input has no value, so no combination.
    let stream = Stream::one_layer(&[[0.0, 1.0], [5.0, 3.0], [f64::NAN, 1.0], [0.1, 1.1], [5.0, 1.0]]);
    let importance = LayerImportance {
        relevance: vec![2.0, 1.0],
        values: vec![0.0, 0.1, 5.0, 5.1, 1.0, 1.1, 3.0, 3.1],
        inputs: 4,
        amplification: 1.0,
    };
    let profile = LayerProfile {
        low: vec![0.0, 1.0],
        high: vec![5.1, 3.1],
        importance: Some(importance),
        ..LayerProfile::default()
    };
    let profile = Some(&[profile][..]);
    agree("idc(m=2, clusters=2..=2)", &stream, profile);
    let counts: Vec<usize> = items("idc(m=2, clusters=2..=2)", &stream, profile).iter().map(BTreeSet::len).collect();
    assert_eq!(counts, [1, 1, 0, 1, 1]);
}

#[test]
fn every_criterion_keeps_its_word() {
    let stream = Stream {
        classes: 2,
        logits: vec![0.0, 1.0, 1.0, 0.0],
        labels: Some(vec![0, 1]),
        ..Stream::one_layer(&[[0.5, 1.0], [1.0, 0.0]])
    };
    let profile = stream.profile();
    for name in registry::names() {
        let Ok(criterion) = name.parse().map_err(drop).and_then(|spec| registry::criterion(&spec).map_err(drop)) else {
            continue;
        };
        let (infos, widths) = (stream.infos(), stream.widths());
        let Ok(mut state) = criterion.start(Start { layers: &infos, neurons: &widths, profile: Some(&profile) }) else {
            continue;
        };
        stream.feed(state.as_mut(), 0, 2);
        let scores = !state.figures().per_input.columns.is_empty();
        let of = match (state.take_covered().is_some(), scores) {
            (true, _) => OfInputs::Items,
            (false, true) => OfInputs::Scores,
            (false, false) => OfInputs::Nothing,
        };
        assert_eq!(criterion.of_inputs(), of, "{name}");
    }
}
