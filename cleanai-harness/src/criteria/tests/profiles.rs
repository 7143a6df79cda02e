//! Ranges, means and standard deviations.

use proptest::prelude::*;

use super::profile::ProfileState;
use super::*;

const ALL: Needs = Needs {
    std: true,
    mean_difference: true,
    whole_layers: false,
    profile: true,
    traces: false,
    untrusted: false,
    labels: false,
    logits: false,
    modules: false,
    classes: false,
    device: false,
    relevance: None,
};

fn new(widths: &[usize]) -> ProfileState {
    ProfileState::new(widths, ALL).expect("little memory")
}

fn observe(state: &mut ProfileState, stream: &Stream, from: usize, to: usize) {
    for layer in 0..stream.layers.len() {
        state.observe(stream.batch(layer, from, to).values(layer, from));
    }
}

#[test]
fn by_hand() {
    let stream =
        Stream::one_layer(&[[1.0, 5.0, -0.1], [3.0, 5.0, 0.1], [1.0, 5.0, f64::NAN], [3.0, 5.0, f64::INFINITY]]);
    let profile = &stream.profile()[0];
    assert_eq!(profile.low, [1.0, 5.0, -0.1]);
    assert_eq!(profile.high, [3.0, 5.0, 0.1]);
    assert_eq!(profile.std, [1.0, 0.0, 0.1]);
    let mut state = new(&[3]);
    observe(&mut state, &stream, 0, 4);
    assert_eq!(state.means(), [[2.0, 5.0, 0.0]]);
    assert_eq!(profile.unknown(), 0);
}

#[test]
fn a_whole_layer_has_the_range_of_all_its_neurons() {
    let (nan, infinity) = (f32::NAN, f32::INFINITY);
    let whole = Needs { whole_layers: true, ..ALL };
    for rows in [
        vec![[1.0, 5.0, -0.5], [3.0, 4.0, 0.25]],
        // A row of nothing but 0, whose range is told as that of a row without any value is.
        vec![[2.0, 3.0, 4.0], [0.0, 0.0, 0.0]],
        vec![[2.0, 3.0, 4.0], [nan, infinity, -infinity]],
        vec![[-1.0, nan, -3.0], [-2.0, -2.0, -infinity]],
        vec![[nan; 3], [nan; 3]],
        vec![],
    ] {
        let all: Vec<f32> = rows.iter().flatten().copied().collect();
        let finite = || all.iter().filter(|value| value.is_finite()).copied().map(f64::from);
        let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
        let (mut state, mut one_by_one) =
            (ProfileState::new(&[3], whole).unwrap(), ProfileState::new(&[3], whole).unwrap());
        if !rows.is_empty() {
            state.observe(LayerBatch::units(rows.len(), all.clone()).values(0, 0));
        }
        for (input, row) in rows.iter().enumerate().rev() {
            let mut other = ProfileState::new(&[3], whole).unwrap();
            other.observe(LayerBatch::units(1, row.to_vec()).values(0, input));
            one_by_one.merge(&other).unwrap();
        }
        assert_eq!(state, one_by_one);
        assert_eq!(ProfileState::restore(&[3], whole, &state.save().unwrap()).unwrap(), state);
        assert!(ProfileState::restore(&[3], ALL, &state.save().unwrap()).is_err());
        assert!(state.merge(&new(&[3])).is_err());
        let profile = &state.finish().unwrap()[0];
        assert_eq!((&profile.low[..], &profile.high[..]), (&[low][..], &[high][..]), "{rows:?}");
        assert_eq!((profile.std.len(), profile.mean_difference.len()), (0, 0));
    }
    // Channels have other values than the scalars that the ranges of inputs are of.
    let mut state = ProfileState::new(&[2], whole).unwrap();
    let ranges = vec![InputRange { low: -9.0, high: 9.0 }];
    state.observe(LayerBatch::channels(1, vec![0.5, 2.0]).with_ranges(ranges).values(0, 0));
    assert_eq!((state.finish().unwrap()[0].low[0], state.finish().unwrap()[0].high[0]), (0.5, 2.0));
}

#[test]
fn a_neuron_without_values_is_unknown() {
    let profile = &Stream::one_layer(&[[f64::NAN, 1.0]]).profile()[0];
    assert!(!profile.is_known(0) && profile.is_known(1));
    assert_eq!((profile.unknown(), profile.std[0]), (1, 0.0));
    let nothing = ProfileState::new(&[2, 0], Needs { std: true, ..Needs::default() }).unwrap().finish().unwrap();
    assert_eq!((nothing[0].unknown(), nothing[1].unknown()), (2, 0));
    assert!(new(&[1]).means()[0][0].is_nan());
}

#[test]
fn constants_vary_by_exactly_nothing() {
    // No multiple of a power of two, so that sums round.
    for value in [0.1, 1.0 / 3.0, 1e17 + 16.0, -7.3e-30, f64::from(f32::MAX)] {
        let profile = &Stream::one_neuron(&[value; 977]).profile()[0];
        assert_eq!((profile.low[0], profile.high[0], profile.std[0]), (value, value, 0.0));
    }
}

#[test]
fn small_variance_beside_a_large_mean_is_found() {
    // Around 1e9, apart by 2^-10: in f64 the squares would round to steps of a hundred.
    let step = 1.0 / f64::from(1 << 10);
    let values: Vec<f64> = (0..1000).map(|index| 1e9 + f64::from(index % 2) * step).collect();
    let std = Stream::one_neuron(&values).profile()[0].std[0];
    assert!((std / (step / 2.0) - 1.0).abs() < 1e-6, "{std:e}");
}

#[test]
fn profiles_of_other_layers_do_not_merge() {
    let error = new(&[2]).merge(&new(&[3])).unwrap_err();
    assert_eq!(error.to_string(), "a profile cannot take in one of other layers");
    assert!(new(&[2]).merge(&new(&[2, 2])).is_err());
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => (-100i32..100).prop_map(|number| f64::from(number) / 3.0),
        3 => any::<i16>().prop_map(f64::from),
        2 => (-1f32..1.0).prop_map(f64::from),
        1 => Just(f64::NAN),
    ]
}

proptest! {
    #[test]
    fn order_and_batches_do_not_show(
        columns in (1usize..40).prop_flat_map(|inputs| proptest::collection::vec(proptest::collection::vec(value(), inputs), 1..80)),
        cut in 0usize..40,
    ) {
        let (width, inputs) = (columns.len(), columns[0].len());
        let cut = cut % (inputs + 1);
        let values = (0..inputs).flat_map(|input| columns.iter().map(move |column| column[input])).collect();
        let stream = Stream { inputs, layers: vec![(width, values)], ..Stream::default() };
        let whole = &stream.profile()[0];
        let new = |widths: &[usize]| ProfileState::new(widths, Needs { mean_difference: inputs > 1, ..ALL }).unwrap();

        let mut first = new(&[width]);
        let mut second = new(&[width]);
        observe(&mut first, &stream, 0, cut);
        (cut..inputs).for_each(|input| observe(&mut second, &stream, input, input + 1));
        let mut forward = first.clone();
        forward.merge(&second).unwrap();
        second.merge(&first).unwrap();
        prop_assert_eq!(&forward.finish().unwrap()[0], whole);
        prop_assert_eq!(&second.finish().unwrap()[0], whole, "in the other order");
        let needs = Needs { mean_difference: inputs > 1, ..ALL };
        let again = ProfileState::restore(&[width], needs, &forward.save().unwrap()).unwrap();
        prop_assert_eq!(again.save().unwrap(), forward.save().unwrap());
        if inputs < 2 {
            // No rows are held, whose order is that of merging.
            prop_assert_eq!(forward.save().unwrap(), second.save().unwrap());
        }
        let saved = forward.save().unwrap();
        prop_assert!(ProfileState::restore(&[width], needs, &saved[..saved.len() - 1]).is_err());
        prop_assert!(ProfileState::restore(&[width + 1], needs, &saved).is_err());

        for (neuron, column) in columns.iter().enumerate() {
            let known: Vec<f64> = column.iter().copied().filter(|value| !value.is_nan()).collect();
            prop_assert_eq!(whole.is_known(neuron), !known.is_empty());
            if known.is_empty() {
                continue;
            }
            prop_assert_eq!(whole.low[neuron], known.iter().copied().fold(f64::INFINITY, f64::min));
            prop_assert_eq!(whole.high[neuron], known.iter().copied().fold(f64::NEG_INFINITY, f64::max));
            let mean = known.iter().sum::<f64>() / known.len() as f64;
            let variance = known.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / known.len() as f64;
            // The plain way is itself off by the rounding of the mean.
            let close = 1e-12 * variance.sqrt() + 1e-13 * mean.abs();
            prop_assert!((whole.std[neuron] - variance.sqrt()).abs() <= close, "{} {}", whole.std[neuron], variance.sqrt());
            prop_assert!((forward.means()[0][neuron] - mean).abs() <= 1e-12 * (1.0 + mean.abs()));
        }
    }
}

#[test]
fn wide_layers_take_the_same_values_by_all_threads() {
    let (inputs, width) = (40, 3_000);
    let values: Vec<f64> = (0..inputs * width).map(|index| ((index * 7_919) % 10_007) as f64 / 3.0).collect();
    let stream = Stream { inputs, layers: vec![(width, values)], ..Stream::default() };
    let mut single = new(&[width]);
    (0..inputs).for_each(|input| observe(&mut single, &stream, input, input + 1));
    assert_eq!(single.finish().unwrap(), stream.profile());
}

#[test]
fn a_profile_can_be_stored() {
    let profile = Stream::one_layer(&[[1.0, 0.1], [2.0, 1.0 / 3.0]]).profile();
    let text = serde_json::to_string(&profile).unwrap();
    assert_eq!(serde_json::from_str::<Vec<LayerProfile>>(&text).unwrap(), profile);
}
