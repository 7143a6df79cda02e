//! Cases small enough to be counted by hand, on the boundaries of the definitions.

use super::*;

fn covered(figures: &Figures) -> (Option<f64>, Option<u64>, Option<u64>) {
    (figures.value, figures.covered, figures.total)
}

fn detail(figures: &Figures, name: &str) -> serde_json::Value {
    figures.details.get(name).unwrap_or_else(|| panic!("no detail `{name}`")).clone()
}

#[test]
fn thresholds_are_strict() {
    let stream = Stream::one_layer(&[[0.75, 0.5, -1.0, f64::NAN], [0.0, 0.75000001, 0.75, f64::NAN]]);
    for text in ["nc", "nc(threshold=0.75)", "nac(threshold=0.75)"] {
        assert_eq!(covered(&figures(text, &stream, None)), (Some(0.25), Some(1), Some(4)), "{text}");
    }
    assert_eq!(figures("nac", &stream, None).covered, Some(3), "a neuron with nothing but NaN stays uncovered");
    assert_eq!(figures("nac(threshold=-1)", &stream, None).covered, Some(3));
    assert_eq!(figures("nac(threshold=-1e300)", &stream, None).covered, Some(3));
    let zeros = Stream::one_layer(&[[0.0, -0.0]]);
    assert_eq!(figures("nac", &zeros, None).covered, Some(0));
}

#[test]
fn nc_scales_by_the_whole_output() {
    let ranges = |low, high| vec![InputRange { low, high }];
    let covered = |batch: LayerBatch, text: &str| {
        let mut state = start(text, &Stream::one_layer(&[[0.0, 0.0]]), None);
        state.observe(batch.values(0, 0));
        state.figures().covered
    };
    // Means of channels whose scalars go from 4 to 8: 5 scales to a quarter, 7 to three quarters.
    for (text, count) in [("nc", 0), ("nc(threshold=0.74)", 1), ("nc(threshold=0.2)", 2), ("nc(threshold=-1)", 2)] {
        assert_eq!(
            covered(LayerBatch::channels(1, vec![5.0, 7.0]).with_ranges(ranges(4.0, 8.0)), text),
            Some(count),
            "{text}"
        );
        assert_eq!(
            covered(LayerBatch::units(1, vec![5.0, 7.0]).with_ranges(ranges(4.0, 8.0)), text),
            Some(count),
            "{text}"
        );
    }
    // A constant output scales to 0.
    for batch in [LayerBatch::channels(1, vec![5.0, 5.0]), LayerBatch::units(1, vec![5.0, 5.0])] {
        assert_eq!(covered(batch.clone(), "nc(threshold=0)"), Some(0));
        assert_eq!(covered(batch, "nc(threshold=-0.1)"), Some(2));
    }
}

#[test]
fn the_first_to_cover_is_told() {
    let stream = Stream::one_layer(&[[0.0, 0.0, 1.0], [0.0, 0.0, 2.0], [3.0, 0.0, 1.0], [3.0, 3.0, 1.0]]);
    let expected: Vec<_> = [(0, 1), (2, 1), (3, 1)].map(|(input, covered)| Contribution { input, covered }).into();
    for text in ["nac", "nc(threshold=0.5)", "tknc(k=1)"] {
        let mut batched = start(text, &stream, None);
        for (from, to) in [(0, 1), (1, 4)] {
            stream.feed(batched.as_mut(), from, to);
        }
        let tied = text.starts_with("tknc");
        // The last input ties the first two neurons, which the lower index wins.
        let expected = if tied { &expected[..2] } else { &expected[..] };
        assert_eq!(batched.figures().contributions, expected, "{text}");
        assert_eq!(figures(text, &stream, None).contributions, expected, "{text}");
    }
    let profile = Stream::one_neuron(&[0.0, 4.0]).profile();
    let sections = figures("kmnc(k=4)", &Stream::one_neuron(&[9.0, 1.0, 1.5, 0.5, 0.6, 3.0]), Some(&profile));
    let inputs: Vec<u64> = sections.contributions.iter().map(|own| own.input).collect();
    assert_eq!(inputs, [1, 3, 5]);
    let corners = figures("nbc", &Stream::one_neuron(&[1.0, 5.0, 6.0, -1.0]), Some(&profile));
    assert_eq!(corners.contributions.iter().map(|own| own.input).collect::<Vec<_>>(), [1, 3]);
    let patterns = figures("tknp(k=1)", &stream, None);
    assert_eq!(patterns.contributions.iter().map(|own| own.input).collect::<Vec<_>>(), [0, 2]);
}

#[test]
fn sections_include_both_ends() {
    let profile = Stream::one_neuron(&[-1.0, 3.0]).profile();
    let of = |values: &[f64]| figures("kmnc(k=4)", &Stream::one_neuron(values), Some(&profile));
    assert_eq!(covered(&of(&[-1.0])), (Some(0.25), Some(1), Some(4)));
    assert_eq!(covered(&of(&[3.0])), (Some(0.25), Some(1), Some(4)));
    // An inner edge belongs to the section above it.
    assert_eq!(of(&[-1.0, 0.0]).covered, Some(2));
    assert_eq!(of(&[0.0, 0.99]).covered, Some(1));
    // The upper end shares the last section with what lies just below.
    assert_eq!(of(&[2.0, 3.0]).covered, Some(1));
    assert_eq!(of(&[-1.0, 0.0, 1.0, 2.0]).value, Some(1.0));

    let outside = of(&[-1.0000001, 3.0000001, 4.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
    assert_eq!(outside.covered, Some(0));
    assert_eq!((detail(&outside, "below"), detail(&outside, "above")), (2.into(), 3.into()));

    let whole = |values: &[f64]| figures("kmnc(k=1)", &Stream::one_neuron(values), Some(&profile));
    assert_eq!(covered(&whole(&[0.5])), (Some(1.0), Some(1), Some(1)));
    assert_eq!(covered(&whole(&[3.5])), (Some(0.0), Some(0), Some(1)));
}

#[test]
fn sections_fill_words_exactly() {
    let profile = Stream::one_layer(&[[0.0, 0.0], [1.0, 2.0]]).profile();
    for sections in [63usize, 64, 65, 128, 1000] {
        let rows: Vec<[f64; 2]> = (0..sections)
            .map(|section| {
                let middle = (section as f64 + 0.5) / sections as f64;
                [middle, 2.0 * middle]
            })
            .collect();
        let figures = figures(&format!("kmnc(k={sections})"), &Stream::one_layer(&rows), Some(&profile));
        assert_eq!(covered(&figures), (Some(1.0), Some(2 * sections as u64), Some(2 * sections as u64)));
    }
}

#[test]
fn constant_and_unknown_neurons_have_no_sections() {
    let profile = Stream::one_layer(&[[1.0, 0.0, f64::NAN], [1.0, 1.0, f64::NAN]]).profile();
    let stream = Stream::one_layer(&[[1.0, 0.5, 0.5], [9.0, 0.5, 0.5]]);
    let figures = figures("kmnc(k=2)", &stream, Some(&profile));
    assert_eq!(covered(&figures), (Some(0.5), Some(1), Some(2)));
    assert_eq!(detail(&figures, "constant_neurons"), 2);
    assert_eq!(detail(&figures, "constant_per_layer"), serde_json::json!({ "layer0": 2 }));
    assert_eq!(detail(&figures, "unknown_neurons"), 1);
    assert_eq!((detail(&figures, "below"), detail(&figures, "above")), (0.into(), 0.into()));

    let constant = Stream::one_neuron(&[2.0, 2.0]).profile();
    let nothing = super::figures("kmnc(k=2)", &Stream::one_neuron(&[2.0]), Some(&constant));
    assert_eq!(covered(&nothing), (None, Some(0), Some(0)), "nothing to cover is neither 0 nor 1");
    assert_eq!(nothing.layers[0].value, None);
}

#[test]
fn corners_are_strict() {
    // low 0, high 2, std 1
    let profile = Stream::one_neuron(&[0.0, 2.0]).profile();
    let of = |text: &str, values: &[f64]| figures(text, &Stream::one_neuron(values), Some(&profile)).covered;
    assert_eq!(of("nbc", &[0.0, 2.0]), Some(0));
    assert_eq!(of("nbc", &[2.0000001]), Some(1));
    assert_eq!(of("nbc", &[-0.0000001]), Some(1));
    assert_eq!(of("nbc", &[-1.0, 3.0]), Some(2));
    assert_eq!(of("nbc(sigma=1)", &[-1.0, 3.0]), Some(0));
    assert_eq!(of("nbc(sigma=1)", &[-1.1, 3.1]), Some(2));
    assert_eq!(of("nbc(sigma=0.5)", &[-0.6, 2.4]), Some(1));
    assert_eq!(of("snac", &[-9.0, 2.0]), Some(0));
    assert_eq!(of("snac(sigma=1.0)", &[3.0]), Some(0));
    assert_eq!(of("snac(sigma=1.0)", &[3.5]), Some(1));
    assert_eq!(of("nbc", &[f64::NAN]), Some(0));
}

#[test]
fn corners_count_both_sides() {
    let profile = Stream::one_layer(&[[0.0, 5.0, f64::NAN], [1.0, 5.0, f64::NAN]]).profile();
    let stream = Stream::one_layer(&[[2.0, 4.0, 7.0], [-1.0, 4.0, -7.0], [2.0, 5.0, 7.0]]);
    let both = figures("nbc", &stream, Some(&profile));
    assert_eq!(covered(&both), (Some(0.75), Some(3), Some(4)), "a constant neuron has corners, an unknown one none");
    assert_eq!((detail(&both, "upper"), detail(&both, "lower")), (1.into(), 2.into()));
    assert_eq!(detail(&both, "unknown_neurons"), 1);
    let upper = figures("snac", &stream, Some(&profile));
    assert_eq!(covered(&upper), (Some(0.5), Some(1), Some(2)));
    assert!(!upper.details.contains_key("lower"));
}

#[test]
fn top_k_gives_ties_to_the_lowest_index() {
    let stream = Stream::one_layer(&[[1.0, 2.0, 2.0, 2.0, 0.0]]);
    assert_eq!(figures("tknc(k=1)", &stream, None).covered, Some(1));
    assert_eq!(top_k::top_k(&[1.0, 2.0, 2.0, 2.0, 0.0], 1), [1]);
    let sorted = |row: &[f64], places: usize| {
        let mut chosen = top_k::top_k(row, places);
        chosen.sort_unstable();
        chosen
    };
    assert_eq!(sorted(&[1.0, 2.0, 2.0, 2.0, 0.0], 2), [1, 2]);
    assert_eq!(sorted(&[1.0, 2.0, 2.0, 2.0, 0.0], 4), [0, 1, 2, 3]);
    assert_eq!(sorted(&[0.0, -0.0, 0.0], 1), [0], "zeros of either sign tie");
    assert_eq!(sorted(&[-0.0, 0.0, 0.0], 2), [0, 1]);
    assert_eq!(sorted(&[f64::NAN, -3.0, f64::NAN, -4.0, -5.0], 2), [1, 3]);
    assert_eq!(sorted(&[f64::NAN, -3.0, f64::NAN], 2), [1], "NaN never fills a place");
    assert_eq!(sorted(&[f64::NEG_INFINITY, f64::NAN, f64::NEG_INFINITY], 1), [0]);
    assert_eq!(sorted(&[3.0, 1.0], 2), [0, 1]);
    assert_eq!(sorted(&[3.0, 1.0], 1_000_000), [0, 1], "more places than neurons take all");
    assert_eq!(sorted(&[], 3), [0u32; 0]);
    let zeros = vec![0.0; 1000];
    assert_eq!(sorted(&zeros, 3), [0, 1, 2]);
    assert_eq!(sorted(&zeros, 40), (0..40).collect::<Vec<u32>>());
}

#[test]
fn patterns_are_sets_over_all_layers() {
    let stream = Stream {
        inputs: 4,
        layers: vec![
            (3, vec![3.0, 2.0, 1.0, /**/ 2.0, 3.0, 1.0, /**/ 3.0, 2.0, 1.0, /**/ 1.0, 2.0, 3.0]),
            (2, vec![1.0, 0.0, /**/ 1.0, 0.0, /**/ 0.0, 1.0, /**/ 0.0, 1.0]),
        ],
        ..Stream::default()
    };
    let pairs = figures("tknp", &stream, None);
    assert_eq!((pairs.value, pairs.covered, pairs.total), (Some(2.0), None, None), "{{0,1}} twice, then {{1,2}}");
    assert_eq!(pairs.layers.iter().map(|layer| layer.value).collect::<Vec<_>>(), [Some(2.0), Some(1.0)]);
    let single = figures("tknp(k=1)", &stream, None);
    assert_eq!(single.value, Some(4.0));
    assert_eq!(single.layers.iter().map(|layer| layer.value).collect::<Vec<_>>(), [Some(3.0), Some(2.0)]);
}

#[test]
fn patterns_tell_widths_apart_where_the_writing_changes() {
    for width in [1usize, 2, 8, 9, 255, 256, 257, 65_535, 65_536, 65_537] {
        // One input per neuron of a few, that neuron alone active; then one with nothing but NaN.
        let active: Vec<usize> =
            [0, 1, width / 2, width.saturating_sub(2), width - 1].into_iter().filter(|at| *at < width).collect();
        let mut values = Vec::new();
        for at in &active {
            values.extend((0..width).map(|neuron| f64::from(neuron == *at)));
        }
        values.extend(vec![f64::NAN; width]);
        let distinct = active.iter().collect::<std::collections::BTreeSet<_>>().len();
        let stream = Stream { inputs: active.len() + 1, layers: vec![(width, values)], ..Stream::default() };
        let figures = figures("tknp(k=1)", &stream, None);
        assert_eq!(figures.value, Some(distinct as f64 + 1.0), "{width}");
    }
}

#[test]
fn accuracy_gives_ties_to_the_lowest_class() {
    let stream = Stream {
        inputs: 6,
        classes: 3,
        logits: [
            [1.0, 1.0, 0.0],
            [1.0, 1.0, 0.0],
            [f64::NAN, 0.0, -1.0],
            [f64::NAN; 3],
            [0.0, 0.0, 1.0],
            [0.0, 0.0, 1.0],
        ]
        .concat(),
        labels: Some(vec![0, 1, 1, 0, 7, -1]),
        ..Stream::default()
    };
    let figures = figures("accuracy", &stream, None);
    assert_eq!(covered(&figures), (Some(2.0 / 6.0), Some(2), Some(6)));
    assert_eq!(detail(&figures, "correct"), 2);
    let per_class = serde_json::json!({
        "-1": { "correct": 0, "total": 1 },
        "0": { "correct": 1, "total": 2 },
        "1": { "correct": 1, "total": 2 },
        "7": { "correct": 0, "total": 1 },
    });
    assert_eq!(detail(&figures, "per_class"), per_class);
    let needs = registry::criterion(&spec("accuracy")).unwrap().needs();
    assert!(needs.labels && needs.logits && !needs.profile);
}

#[test]
fn without_inputs_or_neurons() {
    let none = Stream { layers: vec![(2, vec![])], ..Stream::default() };
    let profile = Stream::one_layer(&[[0.0, 0.0], [1.0, 1.0]]).profile();
    for (text, total) in [("nc", 2), ("nac", 2), ("kmnc", 2000), ("nbc", 4), ("snac", 2), ("tknc", 2)] {
        assert_eq!(covered(&figures(text, &none, Some(&profile))), (Some(0.0), Some(0), Some(total)), "{text}");
    }
    assert_eq!(figures("tknp", &none, None).value, Some(0.0));
    assert_eq!(covered(&figures("accuracy", &none, None)), (None, Some(0), Some(0)));

    let empty = Stream { inputs: 2, layers: vec![(0, vec![])], ..Stream::default() };
    for text in ["nc", "nac", "kmnc", "nbc", "snac", "tknc"] {
        assert_eq!(covered(&figures(text, &empty, Some(&empty.profile()))), (None, Some(0), Some(0)), "{text}");
    }
    // All inputs share the one pattern of nothing.
    assert_eq!(figures("tknp", &empty, None).value, Some(1.0));
    let unseen = Stream { layers: vec![(1, vec![])], ..Stream::default() }.profile();
    let one = Stream::one_neuron(&[1.0]);
    for text in ["kmnc", "nbc", "snac"] {
        let figures = figures(text, &one, Some(&unseen));
        assert_eq!(covered(&figures), (None, Some(0), Some(0)), "{text}");
        assert_eq!(detail(&figures, "unknown_neurons"), 1, "{text}");
    }
}
