//! Against plain counting, and the laws of states: any split into batches and any merge give the same.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const CRITERIA: &[&str] = &[
    "nc(threshold=0.5)",
    "nac",
    "nac(threshold=-1)",
    "kmnc(k=1)",
    "kmnc(k=7)",
    "kmnc(k=130)",
    "nbc",
    "nbc(sigma=0.5)",
    "snac",
    "snac(sigma=1)",
    "tknc",
    "tknc(k=1)",
    "tknc(k=40)",
    "tknp",
    "tknp(k=1)",
    "tknp(k=40)",
    "accuracy",
];

/// Values with ties, zeros of both signs and NaN.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-4i32..=4).prop_map(|half| f64::from(half) / 2.0),
        1 => Just(-0.0),
        1 => Just(f64::NAN),
        4 => -3.0..3.0,
    ]
}

fn stream_of(widths: Vec<usize>, inputs: std::ops::Range<usize>) -> impl Strategy<Value = Stream> {
    inputs.prop_flat_map(move |inputs| {
        let layers: Vec<_> =
            widths.iter().map(|width| (Just(*width), proptest::collection::vec(value(), inputs * width))).collect();
        let logits = proptest::collection::vec(value(), inputs * 3);
        let labels = proptest::collection::vec(-1i64..4, inputs);
        (layers, logits, labels).prop_map(move |(layers, logits, labels)| Stream {
            inputs,
            layers,
            classes: 3,
            logits,
            labels: Some(labels),
            units: false,
        })
    })
}

/// A profile and a test stream over the same layers.
pub(super) fn streams() -> impl Strategy<Value = (Stream, Stream)> {
    let width = prop_oneof![4 => 0usize..6, 1 => 60usize..70, 1 => 127usize..140];
    proptest::collection::vec(width, 0..4)
        .prop_flat_map(|widths| (stream_of(widths.clone(), 0..8), stream_of(widths, 0..12)))
}

fn sorted(row: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..row.len()).filter(|index| !row[*index].is_nan()).collect();
    order.sort_by(|left, right| row[*right].partial_cmp(&row[*left]).unwrap());
    order
}

/// Covered and total per layer, counted in the plainest way.
fn plain(text: &str, stream: &Stream, profile: &Stream) -> Vec<(usize, usize)> {
    let spec = spec(text);
    let number = |name: &str, default: f64| match spec.parameters.get(name) {
        Some(crate::declare::Value::Number(value)) => *value,
        Some(crate::declare::Value::Integer(value)) => *value as f64,
        _ => default,
    };
    let of_layer = |layer: usize| {
        let width = stream.layers[layer].0;
        let columns = |stream: &Stream| -> Vec<Vec<f64>> {
            let column =
                |neuron: usize| stream.rows(layer).map(|row| row[neuron]).filter(|value| !value.is_nan()).collect();
            (0..width).map(column).collect()
        };
        let (tested, profiled) = (columns(stream), columns(profile));
        let any =
            |test: &dyn Fn(f64) -> bool| tested.iter().filter(|column| column.iter().any(|value| test(*value))).count();
        let known = profiled.iter().filter(|column| !column.is_empty()).count();
        let corners = |upper: bool| {
            let beyond = |(tested, profiled): &(&Vec<f64>, &Vec<f64>)| {
                let low = profiled.iter().copied().fold(f64::INFINITY, f64::min);
                let high = profiled.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let mean = profiled.iter().sum::<f64>() / profiled.len() as f64;
                let variance = profiled.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / profiled.len() as f64;
                let margin = number("sigma", 0.0) * variance.sqrt();
                !profiled.is_empty()
                    && tested.iter().any(|value| if upper { *value > high + margin } else { *value < low - margin })
            };
            tested.iter().zip(&profiled).filter(beyond).count()
        };
        match spec.name.as_str() {
            "nc" => (any(&|value| value > number("threshold", 0.75)), width),
            "nac" => (any(&|value| value > number("threshold", 0.0)), width),
            "nbc" => (corners(true) + corners(false), 2 * known),
            "snac" => (corners(true), known),
            "tknc" => {
                let places = number("k", 3.0) as usize;
                let top: BTreeSet<usize> =
                    stream.rows(layer).flat_map(|row| sorted(row).into_iter().take(places)).collect();
                (top.len(), width)
            }
            "kmnc" => {
                let count = number("k", 1000.0);
                let (mut covered, mut live) = (BTreeSet::new(), 0);
                for (neuron, (tested, profiled)) in tested.iter().zip(&profiled).enumerate() {
                    let low = profiled.iter().copied().fold(f64::INFINITY, f64::min);
                    let high = profiled.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    if low >= high {
                        continue;
                    }
                    live += 1;
                    for value in tested.iter().filter(|value| (low..=high).contains(value)) {
                        let section = ((value - low) / (high - low) * count).floor().min(count - 1.0);
                        covered.insert((neuron, section as u64));
                    }
                }
                (covered.len(), live * count as usize)
            }
            _ => unreachable!("{text}"),
        }
    };
    (0..stream.layers.len()).map(of_layer).collect()
}

fn plain_patterns(stream: &Stream, places: usize) -> (usize, Vec<usize>) {
    let set = |layer: usize, input: usize| -> BTreeSet<usize> {
        sorted(stream.rows(layer).nth(input).unwrap()).into_iter().take(places).collect()
    };
    let layers = stream.layers.len();
    let per_layer =
        (0..layers).map(|layer| (0..stream.inputs).map(|input| set(layer, input)).collect::<BTreeSet<_>>().len());
    let whole: BTreeSet<Vec<_>> =
        (0..stream.inputs).map(|input| (0..layers).map(|layer| set(layer, input)).collect()).collect();
    (if layers == 0 { 0 } else { whole.len() }, per_layer.collect())
}

fn agrees_with_plain_counting(text: &str, stream: &Stream, profile: &Stream) {
    let figures = figures(text, stream, Some(&profile.profile()));
    if let Some(places) = text.strip_prefix("tknp") {
        let places = places.trim_matches(|other: char| !other.is_ascii_digit()).parse().unwrap_or(2);
        let (whole, per_layer) = plain_patterns(stream, places);
        assert_eq!(figures.value, Some(whole as f64), "{text}");
        let found: Vec<_> = figures.layers.iter().map(|layer| layer.value.unwrap() as usize).collect();
        assert_eq!(found, per_layer, "{text}");
        return;
    }
    let layers = plain(text, stream, profile);
    let found: Vec<_> =
        figures.layers.iter().map(|layer| (layer.covered.unwrap() as usize, layer.total.unwrap() as usize)).collect();
    assert_eq!(found, layers, "{text}");
    let sum = layers.iter().fold((0, 0), |sum, layer| (sum.0 + layer.0, sum.1 + layer.1));
    assert_eq!((figures.covered, figures.total), (Some(sum.0 as u64), Some(sum.1 as u64)), "{text}");
    assert_eq!(figures.value, (sum.1 > 0).then(|| sum.0 as f64 / sum.1 as f64), "{text}");
    for layer in &figures.layers {
        let (covered, total) = (layer.covered.unwrap(), layer.total.unwrap());
        assert_eq!(layer.value, (total > 0).then(|| covered as f64 / total as f64), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn counts_as_plain_counting_does((profile, stream) in streams()) {
        for text in CRITERIA.iter().filter(|text| **text != "accuracy") {
            agrees_with_plain_counting(text, &stream, &profile);
        }
        let right = |input: usize| {
            let logits = &stream.logits[input * 3..input * 3 + 3];
            sorted(logits).first().map(|class| *class as i64) == Some(stream.labels.as_ref().unwrap()[input])
        };
        let accuracy = figures("accuracy", &stream, None);
        prop_assert_eq!(accuracy.covered, Some((0..stream.inputs).filter(|input| right(*input)).count() as u64));
        prop_assert_eq!(accuracy.total, Some(stream.inputs as u64));
    }

    #[test]
    fn units_count_as_channels_do((mut profile, mut stream) in streams()) {
        for stream in [&mut profile, &mut stream] {
            stream.layers.iter_mut().flat_map(|layer| &mut layer.1).for_each(|value| *value = f64::from(*value as f32));
        }
        let profile = profile.profile();
        let units = Stream { units: true, ..stream.clone() };
        for text in CRITERIA {
            let (channels, units) = (state(text, &stream, Some(&profile)), state(text, &units, Some(&profile)));
            prop_assert_eq!(channels.figures(), units.figures(), "{}", text);
            prop_assert_eq!(contents(channels), contents(units), "{}", text);
        }
        prop_assert_eq!(units.profile(), stream.profile());
    }

    #[test]
    fn batches_and_merges_change_nothing(
        (profile, stream) in streams(),
        mut cuts in proptest::collection::vec(0usize..12, 0..5),
        text in proptest::sample::select(CRITERIA),
        damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..4),
    ) {
        let profile = profile.profile();
        cuts.iter_mut().for_each(|cut| *cut %= stream.inputs + 1);
        cuts.extend([0, stream.inputs]);
        cuts.sort_unstable();
        let whole = state(text, &stream, Some(&profile));
        let (whole_figures, whole) = (whole.figures(), contents(whole));

        let mut batched = start(text, &stream, Some(&profile));
        let mut merged = start(text, &stream, Some(&profile));
        let mut parts: Vec<Box<dyn State>> = Vec::new();
        for cut in cuts.windows(2) {
            stream.feed(batched.as_mut(), cut[0], cut[1]);
            let mut part = start(text, &stream, Some(&profile));
            stream.feed(part.as_mut(), cut[0], cut[1]);
            parts.push(part);
        }
        // Merged in pairs from the right, then from the left: no order of merging matters.
        if let Some(mut last) = parts.pop() {
            if let Some(mut before) = parts.pop() {
                before.merge(last).unwrap();
                last = before;
            }
            parts.push(last);
        }
        for part in parts {
            merged.merge(part).unwrap();
        }
        prop_assert_eq!(&batched.figures(), &whole_figures);
        prop_assert_eq!(&merged.figures(), &whole_figures);
        prop_assert_eq!(contents(batched), whole.clone());
        prop_assert_eq!(contents(merged), whole.clone());

        // Saved half-way and read again, it goes on as if nothing had been.
        let half = cuts[cuts.len() / 2];
        let mut before = start(text, &stream, Some(&profile));
        stream.feed(before.as_mut(), 0, half);
        let mut after = restore(text, &stream, Some(&profile), &contents(before)).unwrap();
        stream.feed(after.as_mut(), half, stream.inputs);
        prop_assert_eq!(&after.figures(), &whole_figures);
        prop_assert_eq!(contents(after), whole.clone());

        // A damaged one is refused or is another state, but never ends the program.
        let mut damaged = whole;
        for (at, byte) in &damage {
            if let Some(own) = at.checked_rem(damaged.len()).and_then(|at| damaged.get_mut(at)) {
                *own = *byte;
            }
        }
        damaged.truncate(damaged.len().saturating_sub(damage.len() % 3));
        if let Ok(mut state) = restore(text, &stream, Some(&profile), &damaged) {
            stream.feed(state.as_mut(), stream.inputs, stream.inputs);
            state.figures();
        }
    }
}

/// Numbers without a pattern, some of them equal.
fn scattered(count: usize, mut seed: u64) -> Vec<f64> {
    let next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((seed >> 33) % 5_000) as f64 / 700.0 - 3.0
    };
    std::iter::repeat_with(next).take(count).collect()
}

#[test]
fn wide_layers_are_counted_the_same_by_all_threads() {
    let (inputs, width) = (48, 3_001);
    let stream = |seed| Stream { inputs, layers: vec![(width, scattered(inputs * width, seed))], ..Stream::default() };
    let (mut stream, profile) = (stream(1), stream(2));
    assert!(stream.layers[0].1.len() > coverage::PARALLEL_FROM);
    for at in (0..inputs * width).step_by(977) {
        stream.layers[0].1[at] = f64::NAN;
    }
    for text in [
        "nac(threshold=4.13)",
        "kmnc(k=20)",
        "nbc",
        "snac(sigma=0.01)",
        "tknc(k=5)",
        "tknc(k=33)",
        "tknp(k=3)",
        "tknp(k=2000)",
    ] {
        agrees_with_plain_counting(text, &stream, &profile);
    }
    // The same one input at a time, which takes the paths of small batches.
    let ranges = profile.profile();
    for text in CRITERIA {
        let stream = Stream { classes: 1, logits: vec![0.0; inputs], labels: Some(vec![0; inputs]), ..stream.clone() };
        let mut single = start(text, &stream, Some(&ranges));
        (0..inputs).for_each(|input| stream.feed(single.as_mut(), input, input + 1));
        assert_eq!(contents(single), contents(state(text, &stream, Some(&ranges))), "{text}");
    }
}

#[test]
fn states_of_other_criteria_layers_or_profiles_do_not_merge() {
    let stream = Stream::one_layer(&[[0.0, 1.0]]);
    let (profile, other_profile) = (
        Stream::one_layer(&[[0.0, 0.0], [1.0, 1.0]]).profile(),
        Stream::one_layer(&[[0.0, 0.0], [2.0, 2.0]]).profile(),
    );
    let refused = |left: &str, right: Box<dyn State>| {
        let error = state(left, &stream, Some(&profile)).merge(right).expect_err(left);
        assert_eq!(error.kind(), crate::ErrorKind::Criterion);
        error.to_string()
    };
    let families: BTreeMap<&str, &str> = [
        ("nc", "kmnc"),
        ("nac", "nc"),
        ("kmnc", "nbc"),
        ("nbc", "snac"),
        ("tknc", "tknp"),
        ("tknp", "tknc"),
        ("accuracy", "nc"),
    ]
    .into();
    for (left, right) in families {
        let message = refused(left, state(right, &stream, Some(&profile)));
        assert!(message.contains(&format!("a state of `{left}` cannot take in")), "{message}");
    }
    for (left, right) in
        [("kmnc(k=2)", "kmnc(k=3)"), ("nac", "nac(threshold=1)"), ("nbc", "nbc(sigma=1)"), ("tknc(k=1)", "tknc(k=2)")]
    {
        assert!(refused(left, state(right, &stream, Some(&profile))).contains("other parameters"));
    }
    let narrow = Stream::one_neuron(&[0.0]);
    for text in ["nc", "kmnc", "snac", "tknc", "tknp", "accuracy"] {
        assert!(refused(text, state(text, &narrow, Some(&narrow.profile()))).contains("other layers"));
    }
    for text in ["kmnc", "nbc", "snac"] {
        assert!(refused(text, state(text, &stream, Some(&other_profile))).contains("another profile"));
    }
}
