//! `nlc` against the plain two-pass covariance, `cc` against the comparison with every member.

use proptest::prelude::*;

use super::*;

/// The mean absolute covariance of a layer in two passes, rows with NaN left out.
fn plain(stream: &Stream, layer: usize) -> Option<f64> {
    let rows: Vec<&[f64]> = stream.rows(layer).filter(|row| row.iter().all(|value| value.is_finite())).collect();
    let (width, count) = (stream.layers[layer].0, rows.len() as f64);
    if rows.is_empty() || width == 0 {
        return None;
    }
    let mean = |neuron: usize| rows.iter().map(|row| row[neuron]).sum::<f64>() / count;
    let means: Vec<f64> = (0..width).map(mean).collect();
    let mut sum = 0.0;
    for one in 0..width {
        for other in 0..width {
            let products = rows.iter().map(|row| (row[one] - means[one]) * (row[other] - means[other]));
            sum += (products.sum::<f64>() / count).abs();
        }
    }
    Some(sum / (width * width) as f64)
}

fn is_close(found: Option<f64>, expected: Option<f64>) -> bool {
    match (found, expected) {
        (Some(found), Some(expected)) => (found - expected).abs() <= 1e-12 * expected + 1e-25,
        (found, expected) => found == expected,
    }
}

fn agrees_with_two_passes(stream: &Stream) {
    let figures = figures("nlc", stream, None);
    let mut sum = None;
    for (layer, found) in figures.layers.iter().enumerate() {
        let expected = plain(stream, layer);
        assert!(is_close(found.value, expected), "{:?} for {expected:?}", found.value);
        sum = expected.map(|own| sum.unwrap_or(0.0) + own).or(sum);
    }
    assert!(is_close(figures.value, sum), "{:?} for {sum:?}", figures.value);
}

fn scattered(inputs: usize, widths: &[usize], mut seed: u64) -> Stream {
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as f64 / f64::from(1u32 << 30) + 3.0
    };
    let layers = widths.iter().map(|width| (*width, (0..inputs * width).map(|_| next()).collect()));
    Stream { inputs, layers: layers.collect(), ..Stream::default() }
}

#[test]
fn covariances_by_hand() {
    let of = |stream: &Stream| figures("nlc", stream, None).value;
    assert_eq!(of(&Stream::one_layer(&[[0.0, 0.0], [2.0, -4.0]])), Some(9.0 / 4.0));
    assert_eq!(of(&Stream::one_neuron(&[1.0, 2.0, 3.0, 6.0])), Some(3.5));
    assert_eq!(of(&Stream::one_neuron(&[7.0])), Some(0.0));
    assert_eq!(of(&Stream::one_neuron(&[])), None);
    assert_eq!(of(&Stream::one_layer(&[[0.1, 1e300], [0.1, 1e300], [0.1, 1e300]])), Some(0.0));
    assert_eq!(of(&Stream { inputs: 2, layers: vec![(0, vec![])], ..Stream::default() }), None);
    let layers = vec![(1, vec![0.0, 2.0]), (0, vec![]), (2, vec![0.0, 5.0, 2.0, 5.0])];
    let sum = figures("nlc", &Stream { inputs: 2, layers, ..Stream::default() }, None);
    assert_eq!(sum.value, Some(1.25));
    assert_eq!(sum.layers.iter().map(|layer| layer.value).collect::<Vec<_>>(), [Some(1.0), None, Some(0.25)]);
    assert_eq!((sum.covered, sum.total), (None, None));
}

#[test]
fn inputs_with_skipped_values_are_left_out_of_their_layer() {
    let nan = f64::NAN;
    let stream = Stream {
        inputs: 3,
        layers: vec![(2, vec![nan, 9.0, 0.0, 0.0, 2.0, -4.0]), (1, vec![0.0, 2.0, nan])],
        ..Stream::default()
    };
    let figures = figures("nlc", &stream, None);
    assert_eq!(figures.value, Some(9.0 / 4.0 + 1.0));
    assert_eq!(figures.details["skipped_inputs"], 2);
    assert_eq!(figures.details["skipped_per_layer"], serde_json::json!({ "layer0": 1, "layer1": 1 }));
}

#[test]
fn what_is_too_large_or_out_of_order_is_refused() {
    let wide = Stream { layers: vec![(3, vec![]), (200_000, vec![])], ..Stream::default() };
    let start_of = Start { layers: &wide.infos(), neurons: &wide.widths(), profile: None };
    let error = registry::criterion(&spec("nlc")).unwrap().start(start_of).err().expect("refused");
    assert_eq!(
        error.to_string(),
        "`nlc` would need 149.0 GiB of memory for products of neurons, most of it for layer `layer1` with 200000 of them\n  \
         help: count channels (`neurons = \"channel\"`) or take fewer layers"
    );
    let stream = Stream::one_neuron(&[1.0, 2.0]);
    let error = state("nlc", &stream, None).merge(state("nlc", &stream, None)).expect_err("twice the beginning");
    assert!(error.to_string().contains("first input"), "{error}");
    assert!(state("nlc", &stream, None).merge(state("nac", &stream, None)).is_err());
}

/// Cuts a stream into batches, the parts into states that are merged, and saves and restores in between.
fn no_split_matters(text: &str, stream: &Stream, cuts: &[usize]) {
    let whole = state(text, stream, None);
    let (whole_figures, whole) = (whole.figures(), contents(whole));
    let (infos, widths) = (stream.infos(), stream.widths());
    let begin = Start { layers: &infos, neurons: &widths, profile: None };
    let criterion = registry::criterion(&spec(text)).unwrap();
    let mut batched = start(text, stream, None);
    let mut parts: Vec<Box<dyn State>> = Vec::new();
    for cut in cuts.windows(2) {
        stream.feed(batched.as_mut(), cut[0], cut[1]);
        batched = criterion.restore(begin, &contents(batched)).unwrap();
        let mut part = start(text, stream, None);
        stream.feed(part.as_mut(), cut[0], cut[1]);
        parts.push(criterion.restore(begin, &contents(part)).unwrap());
    }
    assert_eq!(batched.figures(), whole_figures);
    assert_eq!(contents(batched), whole);
    if text == "nlc" {
        let mut merged = start(text, stream, None);
        if let (Some(last), Some(mut before)) = (parts.pop(), parts.pop()) {
            before.merge(last).unwrap();
            parts.push(before);
        } else {
            merged = state(text, stream, None);
        }
        for part in parts {
            merged.merge(part).unwrap();
        }
        assert_eq!(merged.figures(), whole_figures);
        assert_eq!(contents(merged), whole);
    }
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![4 => (-4i32..=4).prop_map(|half| f64::from(half) / 2.0), 1 => Just(-0.0), 12 => -3.0..3.0, 4 => 99.0..101.0]
}

fn streams() -> impl Strategy<Value = Stream> {
    let width = prop_oneof![4 => 0usize..6, 1 => 15usize..18, 1 => 31usize..34];
    (0usize..150, proptest::collection::vec(width, 1..3)).prop_flat_map(|(inputs, widths)| {
        let rare = prop_oneof![200 => value(), 1 => Just(f64::NAN)];
        let layer = move |width: usize| (Just(width), proptest::collection::vec(rare.clone(), inputs * width));
        let layers: Vec<_> = widths.into_iter().map(layer).collect();
        layers.prop_map(move |layers| Stream { inputs, layers, ..Stream::default() })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn covariances_are_those_of_two_passes(stream in streams()) {
        agrees_with_two_passes(&stream);
    }

    #[test]
    fn no_split_matters_to_sums_or_members(stream in streams(), mut cuts in proptest::collection::vec(0usize..150, 0..5)) {
        cuts.iter_mut().for_each(|cut| *cut %= stream.inputs + 1);
        cuts.extend([0, stream.inputs]);
        cuts.sort_unstable();
        no_split_matters("nlc", &stream, &cuts);
        let single = Stream { layers: stream.layers[..1].to_vec(), ..stream };
        no_split_matters("cc(threshold=2)", &single, &cuts);
    }

    #[test]
    fn members_are_those_of_plain_comparison(stream in streams(), threshold in prop_oneof![Just(0.0), 0.0..60.0]) {
        let stream = Stream { layers: stream.layers[..1].to_vec(), ..stream };
        let figures = figures(&format!("cc(threshold={threshold})"), &stream, None);
        let mut members: Vec<(usize, &[f64])> = Vec::new();
        for (input, row) in stream.rows(0).enumerate().filter(|(_, row)| row.iter().all(|value| value.is_finite())) {
            let distance = |other: &[f64]| row.iter().zip(other).map(|(one, other)| (one - other).powi(2)).sum::<f64>();
            if members.iter().all(|(_, other)| distance(other) > threshold) {
                members.push((input, row));
            }
        }
        prop_assert_eq!(figures.value, Some(members.len() as f64));
        let inputs: Vec<u64> = figures.contributions.iter().map(|own| own.input).collect();
        prop_assert_eq!(inputs, members.iter().map(|(input, _)| *input as u64).collect::<Vec<_>>());
    }

    #[test]
    fn damaged_states_do_no_harm(
        stream in streams(),
        text in proptest::sample::select(&["nlc", "cc(threshold=2)"][..]),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
        end in any::<Option<proptest::sample::Index>>(),
        from in 0usize..2,
    ) {
        let stream = if text == "nlc" { stream } else { Stream { layers: stream.layers[..1].to_vec(), ..stream } };
        let mut seen = start(text, &stream, None);
        stream.feed(seen.as_mut(), from.min(stream.inputs), stream.inputs);
        let mut saved = contents(seen);
        for (at, byte) in damage {
            let at = at.index(saved.len());
            saved[at] ^= byte;
        }
        saved.truncate(end.map_or(saved.len(), |end| end.index(saved.len() + 1)));
        let begin = Start { layers: &stream.infos(), neurons: &stream.widths(), profile: None };
        if let Ok(mut restored) = registry::criterion(&spec(text)).unwrap().restore(begin, &saved) {
            let _ = restored.figures();
            let mut more = start(text, &stream, None);
            stream.feed(more.as_mut(), stream.inputs / 2, stream.inputs);
            let _ = restored.merge(more);
            let _ = restored.figures();
        }
    }
}

#[test]
fn wide_layers_are_summed_the_same_by_all_threads() {
    let stream = scattered(150, &[301, 40], 3);
    let with = |threads: usize, cuts: &[usize]| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut state = start("nlc", &stream, None);
            cuts.windows(2).for_each(|cut| stream.feed(state.as_mut(), cut[0], cut[1]));
            (state.figures(), contents(state))
        })
    };
    assert_eq!(with(1, &[0, 150]), with(4, &[0, 1, 77, 150]));
    agrees_with_two_passes(&Stream { inputs: 70, ..scattered(70, &[131], 4) });
}

#[test]
fn wide_members_are_compared_the_same_by_all_threads() {
    let stream = scattered(400, &[301], 5);
    // Squared distances lie around 301 * 2 * 4 / 12.
    let text = "cc(threshold=195)";
    let with = |threads: usize, batch: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut state = start(text, &stream, None);
            (0..400).step_by(batch).for_each(|from| stream.feed(state.as_mut(), from, from + batch));
            (state.figures().value, contents(state))
        })
    };
    let (value, bytes) = with(1, 1);
    assert!(value > Some(3.0) && value < Some(400.0), "{value:?}");
    assert_eq!((value, bytes), with(4, 200));
}

#[test]
fn the_distance_must_be_exceeded() {
    let line = Stream::one_neuron(&[0.0, 1.0, 2.5, 2.9, -1.0000001]);
    let figures = figures("cc(threshold=1)", &line, None);
    assert_eq!((figures.value, figures.covered, figures.total), (Some(3.0), None, None));
    assert_eq!(figures.contributions.iter().map(|own| own.input).collect::<Vec<_>>(), [0, 2, 4]);
    assert_eq!(figures.layers[0].value, Some(3.0));
    let of = |threshold: f64, values: &[f64]| {
        super::figures(&format!("cc(threshold={threshold})"), &Stream::one_neuron(values), None).value
    };
    assert_eq!(of(0.0, &[1.0, 1.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(of(0.0, &[]), Some(0.0));
    assert_eq!(of(4.0, &[5.0]), Some(1.0), "the first always joins");
    let skipped = super::figures("cc(threshold=0)", &Stream::one_layer(&[[f64::NAN, 1.0], [0.0, 1.0]]), None);
    assert_eq!((skipped.value, &skipped.details["skipped_inputs"]), (Some(1.0), &1.into()));
    let empty = Stream { inputs: 3, layers: vec![(0, vec![])], ..Stream::default() };
    assert_eq!(super::figures("cc(threshold=0)", &empty, None).value, Some(1.0));
}

#[test]
fn merging_offers_the_members_again() {
    // Of the second part 1.5 keeps 2.2 out; it is near to the first part's member itself, but 2.2 is not offered again.
    let stream = Stream::one_neuron(&[1.0, 1.5, 2.2, 9.0]);
    let text = "cc(threshold=1)";
    assert_eq!(figures(text, &stream, None).value, Some(3.0));
    let (mut first, mut second) = (start(text, &stream, None), start(text, &stream, None));
    stream.feed(first.as_mut(), 0, 1);
    stream.feed(second.as_mut(), 1, 4);
    first.merge(second).unwrap();
    let merged = first.figures();
    assert_eq!(merged.value, Some(2.0));
    assert_eq!(merged.contributions.iter().map(|own| own.input).collect::<Vec<_>>(), [0, 3]);
}

#[test]
fn one_layer_and_a_threshold_are_needed() {
    let error = registry::criterion(&spec("cc")).err().expect("refused").to_string();
    assert!(error.contains("`cc` needs the parameter `threshold`"), "{error}");
    assert!(registry::criterion(&spec("cc(threshold=-1)")).is_err());
    let two = Stream { layers: vec![(1, vec![]), (1, vec![])], ..Stream::default() };
    let begin = Start { layers: &two.infos(), neurons: &two.widths(), profile: None };
    let error = registry::criterion(&spec("cc(threshold=2.5)")).unwrap().start(begin).err().expect("refused");
    assert_eq!(
        error.to_string(),
        "`cc` looks at a single layer, and 2 are selected\n  help: name one: `cc(threshold=2.5, layer=\"penultimate\")`"
    );
}
