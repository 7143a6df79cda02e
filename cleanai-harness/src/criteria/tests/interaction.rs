//! `ss`, `sv`, `vs` and `vv` against the comparison of every two inputs.

use proptest::prelude::*;

use super::*;

const KINDS: [&str; 4] = ["ss", "sv", "vs", "vv"];

/// Every way to write them: both kinds of pairs, with and without a distance.
fn texts() -> Vec<String> {
    let mut texts = Vec::new();
    for kind in KINDS {
        for pairs in ["all", "consecutive"] {
            texts.push(format!("{kind}(pairs=\"{pairs}\")"));
            if kind != "ss" {
                texts.push(format!("{kind}(pairs=\"{pairs}\", distance=0.5)"));
            }
        }
    }
    texts
}

/// Layers given input by input.
fn stream<const A: usize, const B: usize>(rows: &[([f64; A], [f64; B])]) -> Stream {
    let first = rows.iter().flat_map(|row| row.0).collect();
    let second = rows.iter().flat_map(|row| row.1).collect();
    Stream { inputs: rows.len(), layers: vec![(A, first), (B, second)], ..Stream::default() }
}

fn covered(text: &str, stream: &Stream) -> u64 {
    figures(text, stream, None).covered.expect("a count")
}

/// The covered pairs of every two adjacent layers, by the definition.
fn plain(text: &str, stream: &Stream, profile: &[LayerProfile]) -> Vec<u64> {
    let spec = spec(text);
    let text_of = |name: &str| spec.parameters.get(name).map(ToString::to_string);
    let inputs: Vec<(usize, usize)> = match text_of("pairs").as_deref() {
        Some("\"consecutive\"") => (1..stream.inputs).step_by(2).map(|second| (second - 1, second)).collect(),
        _ => (0..stream.inputs).flat_map(|second| (0..second).map(move |first| (first, second))).collect(),
    };
    let given: Option<f64> = text_of("distance").map(|text| text.parse().unwrap());
    let value = |layer: usize, input: usize, neuron: usize| {
        let (width, values) = &stream.layers[layer];
        values[input * width + neuron]
    };
    let sign = |layer, (one, other): (usize, usize), neuron| {
        (value(layer, one, neuron) > 0.0) != (value(layer, other, neuron) > 0.0)
    };
    let moved = |layer: usize, (one, other): (usize, usize), neuron: usize| {
        let known = profile.get(layer).is_some_and(|own| own.is_known(neuron));
        let distance = given.or(known.then(|| profile[layer].mean_difference[neuron]));
        distance.is_some_and(|distance| (value(layer, one, neuron) - value(layer, other, neuron)).abs() > distance)
    };
    let widths = stream.widths();
    let of_layers = |first: usize| {
        let mut covered = std::collections::BTreeSet::new();
        for &both in &inputs {
            let signs: Vec<usize> = (0..widths[first]).filter(|neuron| sign(first, both, *neuron)).collect();
            let left: Vec<usize> = match (spec.name.as_bytes()[0], signs.len()) {
                (b's', 1) => signs,
                (b'v', 0) => (0..widths[first]).filter(|neuron| moved(first, both, *neuron)).collect(),
                _ => continue,
            };
            let right = |j: &usize| match spec.name.as_bytes()[1] {
                b's' => sign(first + 1, both, *j),
                _ => moved(first + 1, both, *j) && !sign(first + 1, both, *j),
            };
            let right: Vec<usize> = (0..widths[first + 1]).filter(right).collect();
            covered.extend(left.iter().flat_map(|i| right.iter().map(move |j| (*i, *j))));
        }
        covered.len() as u64
    };
    (0..widths.len() - 1).map(of_layers).collect()
}

fn agrees_with_plain_comparison(text: &str, stream: &Stream, profile: &[LayerProfile]) {
    let figures = figures(text, stream, Some(profile));
    let found: Vec<u64> = figures.layers.iter().map(|layer| layer.covered.unwrap()).collect();
    assert_eq!(found, plain(text, stream, profile), "{text} of {stream:?}");
    let widths = stream.widths();
    let totals: Vec<u64> = widths.windows(2).map(|pair| (pair[0] * pair[1]) as u64).collect();
    assert_eq!(figures.layers.iter().map(|layer| layer.total.unwrap()).collect::<Vec<_>>(), totals);
    let (covered, total): (u64, u64) = (found.iter().sum(), totals.iter().sum());
    assert_eq!((figures.covered, figures.total), (Some(covered), Some(total)));
    assert_eq!(figures.value, (total > 0).then(|| covered as f64 / total as f64));
}

#[test]
fn the_first_neuron_changes_alone() {
    let alone = stream(&[([1.0, 1.0], [1.0, -3.0, 5.0]), ([-1.0, 2.0], [1.0, 4.0, 9.0])]);
    let figures = figures("ss", &alone, None);
    assert_eq!((figures.covered, figures.total, figures.value), (Some(1), Some(6), Some(1.0 / 6.0)));
    assert_eq!(figures.layers[0].name, "layer0 -> layer1");
    assert!(figures.contributions.is_empty());
    assert_eq!(covered("sv(distance=1)", &alone), 1, "the third keeps its sign and moves by 4");
    assert_eq!(covered("vs(distance=0)", &alone), 0);

    let both = stream(&[([1.0, 1.0], [1.0]), ([-1.0, -1.0], [-1.0])]);
    assert_eq!((covered("ss", &both), covered("sv(distance=0)", &both)), (0, 0));
    let none = stream(&[([1.0, 1.0], [1.0, 1.0]), ([1.0, 3.0], [-1.0, 3.0])]);
    assert_eq!(covered("ss", &none), 0);
    assert_eq!(covered("vs(distance=1)", &none), 1);
    assert_eq!(covered("vv(distance=1)", &none), 1);
}

#[test]
fn zero_is_not_positive() {
    let of = |from: f64, to: f64| covered("ss", &stream(&[([from], [from]), ([to], [to])]));
    assert_eq!([of(0.0, 1.0), of(0.0, -1.0), of(-0.0, 0.0), of(-0.0, 1e-300), of(1.0, 2.0)], [1, 0, 0, 1, 0]);
}

#[test]
fn the_distance_itself_is_no_change() {
    for pairs in ["all", "consecutive"] {
        let of = |kind: &str, to: f64| {
            let text = format!("{kind}(distance=0.5, pairs=\"{pairs}\")");
            let (first, second) = if kind == "vs" { ([1.0, to], [1.0, -1.0]) } else { ([1.0, -1.0], [1.0, to]) };
            covered(&text, &stream(&[([first[0]], [second[0]]), ([first[1]], [second[1]])]))
        };
        for kind in ["sv", "vs"] {
            assert_eq!(
                [of(kind, 1.5), of(kind, 0.5), of(kind, 1.5000001), of(kind, 0.4999999)],
                [0, 0, 1, 1],
                "{kind}"
            );
        }
        let text = format!("vv(distance=0.5, pairs=\"{pairs}\")");
        assert_eq!(covered(&text, &stream(&[([1.0], [1.0]), ([1.5], [2.0])])), 0);
        assert_eq!(covered(&text, &stream(&[([1.0], [1.0]), ([2.0], [1.5])])), 0);
        assert_eq!(covered(&text, &stream(&[([1.0], [1.0]), ([2.0], [2.0])])), 1);
        assert_eq!(covered(&text, &stream(&[([1.0], [2.0]), ([2.0], [-2.0])])), 0, "the sign changes too");
    }
}

#[test]
fn without_a_distance_the_profile_tells() {
    // Mean differences 2 and 1; the second layer's second neuron is constant, its third unknown.
    let profile = stream(&[([0.0], [0.0, 7.0, f64::NAN]), ([2.0], [1.0, 7.0, f64::NAN])]).profile();
    let of = |text: &str, to: f64| {
        let stream = stream(&[([1.0], [1.0, 1.0, 1.0]), ([to], [2.0, 1.1, 9.0])]);
        figures(text, &stream, Some(&profile)).covered
    };
    assert_eq!(
        [of("sv", -1.0), of("sv", 5.0)],
        [Some(1), Some(0)],
        "1 is no change of the first, anything one of the second"
    );
    assert_eq!([of("vv", 3.0), of("vv", 3.0000001)], [Some(0), Some(1)]);
    assert_eq!(of("vv(distance=0.05)", 3.0), Some(3), "a given distance needs no profile");
    let needs = |text: &str| registry::criterion(&spec(text)).unwrap().needs();
    let all = Needs { profile: true, mean_difference: true, ..Needs::default() };
    assert_eq!(
        [needs("ss"), needs("sv"), needs("vs(distance=0)"), needs("vv")],
        [Needs::default(), all, Needs::default(), all]
    );
}

#[test]
fn skipped_values_are_not_positive_and_never_move() {
    let nan = f64::NAN;
    for pairs in ["all", "consecutive"] {
        let of = |kind: &str, rows: [([f64; 1], [f64; 1]); 2]| {
            covered(&format!("{kind}, pairs=\"{pairs}\")"), &stream(&rows))
        };
        let ss = |rows: [([f64; 1], [f64; 1]); 2]| covered(&format!("ss(pairs=\"{pairs}\")"), &stream(&rows));
        assert_eq!(ss([([nan], [nan]), ([1.0], [1.0])]), 1);
        assert_eq!(ss([([nan], [nan]), ([-1.0], [1.0])]), 0);
        assert_eq!(of("sv(distance=0", [([1.0], [nan]), ([-1.0], [-5.0])]), 0);
        assert_eq!(of("vs(distance=0", [([nan], [1.0]), ([-1.0], [-5.0])]), 0);
        assert_eq!(of("vv(distance=0", [([nan], [1.0]), ([-1.0], [5.0])]), 0);
        assert_eq!(of("vv(distance=0", [([-1.0], [nan]), ([-2.0], [-5.0])]), 0);
    }
}

#[test]
fn consecutive_pairs_go_by_the_index() {
    let rows = [([1.0], [1.0]), ([2.0], [1.0]), ([-1.0], [-1.0]), ([-2.0], [-1.0]), ([1.0], [1.0])];
    let stream = stream(&rows);
    assert_eq!(covered("ss", &stream), 1);
    assert_eq!(
        covered("ss(pairs=\"consecutive\")", &stream),
        0,
        "the second and third are no pair, the fifth is left over"
    );
    // The same inputs with one before them.
    let mut state = start("ss(pairs=\"consecutive\")", &stream, None);
    for layer in 0..2 {
        state.observe(stream.batch(layer, 0, 5).values(layer, 1));
    }
    state.end_batch(BatchEnd { first: 1, inputs: 5, classes: 0, logits: &[], labels: None }).unwrap();
    let figures = state.figures();
    assert_eq!(figures.covered, Some(1));
    assert_eq!(figures.contributions, [Contribution { input: 3, covered: 1 }]);
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let refusal = |text: &str, stream: &Stream, profile: Option<&[LayerProfile]>| {
        let start = Start { layers: &stream.infos(), neurons: &stream.widths(), profile };
        let error = registry::criterion(&spec(text)).unwrap().start(start).err().expect(text);
        assert_eq!(error.kind(), crate::ErrorKind::Criterion);
        error.to_string()
    };
    let one = Stream::one_neuron(&[1.0]);
    assert_eq!(
        refusal("ss", &one, None),
        "`ss` compares layers with the next ones and needs two, only one is selected\n  \
         help: select more layers: `layers = \"default\"` takes all"
    );
    assert!(refusal("vv(distance=1)", &Stream::default(), None).contains("none is selected"));
    let two = stream(&[([1.0], [1.0]), ([2.0], [2.0])]);
    assert!(refusal("sv", &two, None).contains("needs a profile set"));
    let mut profile = two.profile();
    profile[1].mean_difference.clear();
    assert!(refusal("vv", &two, Some(&profile)).contains("has no mean differences"));

    let wide = Stream { layers: vec![(400_000, vec![]), (400_000, vec![])], ..Stream::default() };
    let message = refusal("ss", &wide, None);
    assert!(message.contains("18.6 GiB") && message.contains("neurons = \"channel\""), "{message}");

    let refused = |left: &str, right: Box<dyn State>| {
        state(left, &two, Some(&two.profile())).merge(right).expect_err(left).to_string()
    };
    assert!(refused("ss", start("ss(pairs=\"consecutive\")", &two, None)).contains("another criterion"));
    assert!(refused("vs(distance=1)", start("vs(distance=2)", &two, None)).contains("other parameters"));
    let other = stream(&[([1.0], [1.0]), ([2.0], [9.0])]).profile();
    for text in ["vv", "vv(pairs=\"consecutive\")"] {
        assert!(refused(text, start(text, &two, Some(&other))).contains("another profile"));
    }
}

/// Values with ties, zeros of both signs and NaN; mostly positive, so that few neurons differ in sign.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => Just(1.0),
        4 => (-2i32..=4).prop_map(|half| f64::from(half) / 2.0),
        1 => Just(-0.0),
        1 => Just(f64::NAN),
        4 => 0.1..3.0,
    ]
}

fn stream_of(widths: Vec<usize>, inputs: std::ops::Range<usize>) -> impl Strategy<Value = Stream> {
    inputs.prop_flat_map(move |inputs| {
        let layers: Vec<_> =
            widths.iter().map(|width| (Just(*width), proptest::collection::vec(value(), inputs * width))).collect();
        layers.prop_map(move |layers| Stream { inputs, layers, ..Stream::default() })
    })
}

/// A profile and a test stream over the same layers.
fn streams() -> impl Strategy<Value = (Stream, Stream)> {
    let width = prop_oneof![8 => 0usize..5, 1 => 15usize..18, 1 => 62usize..67];
    proptest::collection::vec(width, 2..4)
        .prop_flat_map(|widths| (stream_of(widths.clone(), 2..6), stream_of(widths, 0..14)))
}

/// Whether two figures are of the same size and shares.
fn is_sane(figures: &Figures) -> bool {
    figures.covered <= figures.total && figures.layers.iter().all(|layer| layer.covered <= layer.total)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn counts_as_the_comparison_of_every_two((profile, stream) in streams()) {
        for text in texts() {
            agrees_with_plain_comparison(&text, &stream, &profile.profile());
        }
    }

    #[test]
    fn batches_merges_and_saving_change_nothing(
        (profile, stream) in streams(),
        mut cuts in proptest::collection::vec(0usize..14, 0..5),
        text in proptest::sample::select(texts()),
    ) {
        let profile = profile.profile();
        cuts.iter_mut().for_each(|cut| *cut %= stream.inputs + 1);
        cuts.extend([0, stream.inputs]);
        cuts.sort_unstable();
        let whole = state(&text, &stream, Some(&profile));
        let (whole_figures, whole) = (whole.figures(), contents(whole));
        let infos = stream.infos();
        let widths = stream.widths();
        let begin = Start { layers: &infos, neurons: &widths, profile: Some(&profile) };
        let criterion = registry::criterion(&spec(&text)).unwrap();

        let mut batched = start(&text, &stream, Some(&profile));
        let mut merged = start(&text, &stream, Some(&profile));
        let mut parts: Vec<Box<dyn State>> = Vec::new();
        for cut in cuts.windows(2) {
            stream.feed(batched.as_mut(), cut[0], cut[1]);
            batched = criterion.restore(begin, &contents(batched)).unwrap();
            let mut part = start(&text, &stream, Some(&profile));
            stream.feed(part.as_mut(), cut[0], cut[1]);
            parts.push(part);
        }
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
        prop_assert_eq!(contents(merged), whole);
    }

    #[test]
    fn damaged_states_do_no_harm(
        (profile, stream) in streams(),
        text in proptest::sample::select(texts()),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
        end in any::<Option<proptest::sample::Index>>(),
    ) {
        let profile = profile.profile();
        let mut saved = contents(state(&text, &stream, Some(&profile)));
        for (at, byte) in damage {
            let at = at.index(saved.len());
            saved[at] ^= byte;
        }
        saved.truncate(end.map_or(saved.len(), |end| end.index(saved.len() + 1)));
        let start = Start { layers: &stream.infos(), neurons: &stream.widths(), profile: Some(&profile) };
        if let Ok(mut restored) = registry::criterion(&spec(&text)).unwrap().restore(start, &saved) {
            prop_assert!(is_sane(&restored.figures()));
            let mut more = super::start(&text, &stream, Some(&profile));
            stream.feed(more.as_mut(), 0, stream.inputs);
            restored.merge(more).unwrap();
            prop_assert!(is_sane(&restored.figures()));
        }
    }
}

/// Inputs of few sign patterns, and values without one.
fn scattered(inputs: usize, widths: &[usize], mut seed: u64) -> Stream {
    let mut next = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize
    };
    let mut layers: Vec<(usize, Vec<f64>)> = widths.iter().map(|width| (*width, Vec::new())).collect();
    for _ in 0..inputs {
        for (width, values) in &mut layers {
            let odd = next() % 5;
            values.extend((0..*width).map(|neuron| {
                let value = (next() % 5_000) as f64 / 700.0 + 0.1;
                if neuron == odd { -value } else { value }
            }));
        }
    }
    Stream { inputs, layers, ..Stream::default() }
}

#[test]
fn wide_layers_are_compared_the_same_by_all_threads() {
    let (stream, profile) = (scattered(90, &[70, 36, 65], 1), scattered(20, &[70, 36, 65], 2).profile());
    for text in texts() {
        agrees_with_plain_comparison(&text, &stream, &profile);
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let state = state(&text, &stream, Some(&profile));
                (state.figures(), contents(state))
            })
        };
        assert_eq!(with(1), with(4), "{text}");
        let units = Stream { units: true, ..stream.clone() };
        assert!(is_sane(&figures(&text, &units, Some(&profile))));
    }
}
