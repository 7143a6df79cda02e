//! Against the plain way: every position visited by its index, its rounding made good.

use proptest::prelude::*;

use super::runs::{LANES, sums_of_runs_anywhere};
use super::*;

/// The channel of every scalar of one input, found by taking its index apart.
fn channel_of(shape: &[usize], channel_axis: usize, kind: NeuronKind, index: usize) -> usize {
    match kind {
        NeuronKind::Unit => index,
        NeuronKind::Channel => {
            let after: usize = shape.iter().skip(channel_axis + 1).product();
            shape.get(channel_axis).map_or(0, |channels| index / after % channels)
        }
    }
}

fn neurons(shape: &[usize], channel_axis: usize, kind: NeuronKind) -> usize {
    match kind {
        NeuronKind::Unit => shape.iter().product(),
        NeuronKind::Channel => shape.get(channel_axis).copied().unwrap_or(1),
    }
}

/// Means per input and neuron of what `map` makes of each scalar, given the finite range of its input.
fn plain(
    raw: &[f32],
    inputs: usize,
    shape: &[usize],
    channel_axis: usize,
    kind: NeuronKind,
    map: impl Fn(f64, f64, f64) -> f64,
) -> Vec<f64> {
    let units: usize = shape.iter().product();
    let neurons = neurons(shape, channel_axis, kind);
    let mut means = Vec::new();
    for input in 0..inputs {
        let own = &raw[input * units..(input + 1) * units];
        let finite = || own.iter().copied().filter(|value| value.is_finite()).map(f64::from);
        let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
        // Sum, what its rounding lost, and count.
        let mut sums = vec![(0.0f64, 0.0, 0.0); neurons];
        for (index, value) in own.iter().enumerate() {
            let (sum, lost, count) = &mut sums[channel_of(shape, channel_axis, kind, index)];
            let term = if value.is_finite() { map(f64::from(*value), low, high) } else { f64::NAN };
            let next = *sum + term;
            *lost += if sum.abs() >= term.abs() { (*sum - next) + term } else { (term - next) + *sum };
            (*sum, *count) = (next, *count + 1.0);
        }
        means.extend(sums.iter().map(|(sum, lost, count)| (sum + lost) / count));
    }
    means
}

/// The range of the finite scalars of every input.
fn plain_ranges(raw: &[f32], inputs: usize) -> Vec<InputRange> {
    let units = raw.len().checked_div(inputs).unwrap_or(0);
    let range = |input: usize| {
        let finite = || raw[input * units..(input + 1) * units].iter().copied().filter(|value| value.is_finite());
        match finite().next() {
            None => InputRange::default(),
            Some(_) => InputRange {
                low: finite().fold(f32::INFINITY, f32::min),
                high: finite().fold(f32::NEG_INFINITY, f32::max),
            },
        }
    };
    (0..inputs).map(range).collect()
}

/// Smallest and largest of every column, NaN and infinities left out.
fn plain_columns(values: &[f64], columns: usize) -> (Vec<f64>, Vec<f64>) {
    let column =
        |at: usize| values[at.min(values.len())..].iter().step_by(columns).copied().filter(|own| own.is_finite());
    (0..columns)
        .map(|at| (column(at).fold(f64::INFINITY, f64::min), column(at).fold(f64::NEG_INFINITY, f64::max)))
        .unzip()
}

/// For every 1024 units the largest finite value of each input.
fn plain_peaks(raw: &[f32], inputs: usize, units: usize) -> Vec<f32> {
    let peak = |block: usize, input: usize| {
        let row = &raw[input * units..(input + 1) * units];
        let own = row.iter().skip(block * 1024).take(1024).copied().filter(|value| value.is_finite());
        own.fold(f32::NEG_INFINITY, f32::max)
    };
    let blocks = 0..units.div_ceil(1024);
    blocks
        .flat_map(|block| (0..inputs).map(move |input| (block, input)))
        .map(|(block, input)| peak(block, input))
        .collect()
}

fn plain_scaled(value: f64, low: f64, high: f64) -> f64 {
    if high > low { (value - low) / (high - low) } else { 0.0 }
}

/// Channels as `nc` scales them.
fn scaled(read: &Channels) -> Vec<f64> {
    let channels = read.low.len().max(1);
    let spans = read.ranges.iter().flat_map(|range| std::iter::repeat_n(range.span(), channels));
    read.above.iter().zip(spans).map(|(above, span)| if span > 0.0 { above / span } else { above * 0.0 }).collect()
}

fn assert_close(found: &[f64], expected: &[f64], scale: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let close = (found - expected).abs() <= 4e-15 * scale || (found.is_nan() && expected.is_nan());
        assert!(close, "{found:e} for {expected:e}");
    }
}

/// Buffers that hold what a read of another layer left.
fn used() -> Channels {
    let mut read = Channels::default();
    channels(&[7.0, f32::NAN, 3.0], 1, &[3], 0, &mut read);
    read
}

fn agrees(raw: &[f32], inputs: usize, shape: &[usize], channel_axis: usize, kind: NeuronKind) {
    let largest = raw
        .iter()
        .filter(|value| value.is_finite())
        .fold(0.0, |largest: f64, value| largest.max(f64::from(value.abs())));
    let expected = plain(raw, inputs, shape, channel_axis, kind, |value, _, _| value);
    match kind {
        NeuronKind::Channel => {
            let mut read = used();
            let skipped = channels(raw, inputs, shape, channel_axis, &mut read);
            assert_close(&read.values, &expected, largest);
            assert_eq!(skipped, expected.iter().filter(|value| value.is_nan()).count());
            assert_eq!(read.ranges, plain_ranges(raw, inputs));
            assert_close(&scaled(&read), &plain(raw, inputs, shape, channel_axis, kind, plain_scaled), 1.0);
            let neurons = neurons(shape, channel_axis, kind);
            assert_eq!((read.low, read.high), plain_columns(&read.values, neurons));
        }
        NeuronKind::Unit => {
            let mut read = Units { cleared: vec![1.0], ..Units::default() };
            let count: usize = shape.iter().product();
            let skipped = units(raw, inputs, count, &mut read);
            assert_eq!(skipped, raw.iter().filter(|value| !value.is_finite()).count());
            assert_eq!(read.cleared.is_empty(), skipped == 0);
            assert_eq!(read.ranges, plain_ranges(raw, inputs));
            let alone = inputs == 1 && skipped == 0;
            let columns = plain_columns(&raw.iter().copied().map(f64::from).collect::<Vec<_>>(), count);
            // A single input's units are the ends themselves.
            let (low, high) = if alone { (Vec::new(), Vec::new()) } else { columns };
            assert_eq!(read.low.into_iter().map(f64::from).collect::<Vec<_>>(), low);
            assert_eq!(read.high.into_iter().map(f64::from).collect::<Vec<_>>(), high);
            assert_eq!(read.peaks, plain_peaks(raw, inputs, count));
        }
    }

    let units: usize = shape.iter().product();
    let expected = (0..raw.len())
        .filter(|at| !raw[*at].is_finite())
        .map(|at| (at / units, channel_of(shape, channel_axis, kind, at % units)))
        .min();
    let found = first_non_finite(raw, inputs, shape, channel_axis, kind);
    assert_eq!(found.map(|found| (found.input, found.neuron)), expected);
    assert!(found.is_none_or(|found| !found.value.is_finite()));
}

fn value() -> impl Strategy<Value = f32> {
    prop_oneof![6 => -3f32..3.0, 2 => (-2i8..3).prop_map(f32::from), 1 => -1e30f32..1e30, 1 => any::<f32>()]
}

proptest! {
    #[test]
    fn values_are_those_of_the_plain_way(
        (shape, inputs, raw) in (proptest::collection::vec(1usize..6, 0..4), 0usize..4, any::<bool>()).prop_flat_map(|(shape, inputs, wild)| {
            let count = inputs * shape.iter().product::<usize>();
            let value = if wild { value().boxed() } else { (-3f32..3.0).boxed() };
            (Just(shape), Just(inputs), proptest::collection::vec(value, count))
        }),
        axis in 0usize..4,
    ) {
        for kind in [NeuronKind::Channel, NeuronKind::Unit] {
            agrees(&raw, inputs, &shape, axis.min(shape.len()), kind);
        }
    }

    #[test]
    fn sums_are_those_of_sixteen_lanes_to_the_last_bit(
        (inner, raw) in (1usize..70, 0usize..40).prop_flat_map(|(inner, runs)| {
            (Just(inner), proptest::collection::vec(value(), inner * runs))
        }),
    ) {
        let (mut found, mut anywhere) = (vec![1.0; raw.len() / inner], vec![2.0; raw.len() / inner]);
        let (range, bad) = sums_of_runs(&raw, inner, &mut found);
        let (range_anywhere, bad_anywhere) = sums_of_runs_anywhere(&raw, inner, &mut anywhere);
        let expected: Vec<f64> = raw.chunks_exact(inner).map(|run| {
            let mut sums = [0.0; LANES];
            run.iter().enumerate().for_each(|(at, value)| sums[at % LANES] += f64::from(*value));
            for width in [8, 4, 2, 1] {
                (0..width).for_each(|lane| sums[lane] += sums[lane + width]);
            }
            // A single value is itself, -0 too.
            let sum = if inner == 1 { f64::from(run[0]) } else { sums[0] };
            if sum.is_finite() { sum } else { f64::NAN }
        }).collect();
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(&found), bits(&expected));
        prop_assert_eq!(bits(&anywhere), bits(&expected));
        let whole = raw.iter().copied().filter(|value| !value.is_nan());
        let low = whole.clone().fold(f32::INFINITY, f32::min);
        let high = whole.fold(f32::NEG_INFINITY, f32::max);
        let none = expected.iter().filter(|sum| sum.is_nan()).count();
        for (range, bad) in [(range, bad), (range_anywhere, bad_anywhere)] {
            prop_assert_eq!((range.low, range.high, bad), (low, high, none));
        }
    }

    #[test]
    fn a_value_is_the_same_in_any_batch(
        raw in proptest::collection::vec(value(), 5 * 3 * 40),
        axis in 0usize..2,
    ) {
        let (shape, units) = ([3, 40], 120);
        let (mut whole, mut one) = (used(), used());
        channels(&raw, 5, &shape, axis, &mut whole);
        let (mut joined, mut joined_above) = (Vec::new(), Vec::new());
        for raw in raw.chunks(units) {
            channels(raw, 1, &shape, axis, &mut one);
            joined.extend_from_slice(&one.values);
            joined_above.extend_from_slice(&one.above);
        }
        for (joined, whole) in [(joined, whole.values), (joined_above, whole.above)] {
            prop_assert!(joined.iter().zip(&whole).all(|(one, whole)| one.to_bits() == whole.to_bits()));
        }
    }
}

/// Numbers without a pattern in -1..1.
fn scattered(count: usize) -> Vec<f32> {
    (0..count).map(|index| ((index * 2_654_435_761) % 1_000_003) as f32 / 500_001.5 - 1.0).collect()
}

#[test]
fn large_layers_are_read_the_same_by_all_threads() {
    // Channels first, last and in the middle; fully connected; a long run.
    for (shape, axis) in
        [(vec![96, 32, 32], 0), (vec![197, 480], 1), (vec![25, 37, 96], 1), (vec![100_000], 0), (vec![1, 90_001], 0)]
    {
        // Few inputs are split by their channels, many among themselves.
        for inputs in [3, 19] {
            let raw = scattered(inputs * shape.iter().product::<usize>());
            assert!(raw.len() > PARALLEL_FROM);
            for kind in [NeuronKind::Channel, NeuronKind::Unit] {
                agrees(&raw, inputs, &shape, axis, kind);
                // Alone an input may take the path of small layers: no bit may differ.
                let units: usize = shape.iter().product();
                let (mut whole, mut one) = (used(), used());
                channels(&raw, inputs, &shape, axis, &mut whole);
                channels(&raw[units..2 * units], 1, &shape, axis, &mut one);
                assert_eq!(whole.values[one.values.len()..2 * one.values.len()], one.values);
                assert_eq!(whole.above[one.above.len()..2 * one.above.len()], one.above);
            }
        }
    }
}

#[test]
fn scaling_keeps_its_digits_where_the_range_is_small() {
    // The range is one step of f32 beside the values: the mean less the minimum would have eight digits left.
    let (low, high) = (1.0e6f32, 1.0e6f32.next_up());
    let raw: Vec<f32> = (0..300).map(|index| if index % 3 == 0 { high } else { low }).collect();
    let mut read = used();
    channels(&raw, 1, &[1, 300], 0, &mut read);
    let values = scaled(&read);
    assert!((values[0] - 1.0 / 3.0).abs() < 1e-15, "{}", values[0]);
}

#[test]
fn scaled_ends_are_exact() {
    let mut read = used();
    // The second channel is the maximum everywhere, the first the minimum, the third exactly between.
    let raw = [[-0.1f32; 7], [0.3; 7], [0.1; 7]].concat();
    channels(&raw, 1, &[3, 7], 0, &mut read);
    assert_eq!(scaled(&read)[..2], [0.0, 1.0]);
    channels(&[5.0; 12], 2, &[3, 2], 0, &mut read);
    assert_eq!(scaled(&read), [0.0; 6]);
    channels(&[f32::MAX, f32::MIN, 0.0], 1, &[3], 0, &mut read);
    assert_eq!(scaled(&read), [1.0, 0.0, 0.5]);
}

#[test]
fn values_that_are_not_finite_are_counted_and_left_out_of_the_range() {
    let (nan, infinity) = (f32::NAN, f32::INFINITY);
    let raw = [1.0, nan, 0.0, 4.0, infinity, -infinity];
    let mut read = used();
    assert_eq!(channels(&raw, 1, &[3, 2], 0, &mut read), 2);
    assert!(read.values[0].is_nan() && read.values[1] == 2.0 && read.values[2].is_nan());
    assert_eq!(read.ranges, [InputRange { low: 0.0, high: 4.0 }]);
    let values = scaled(&read);
    assert!(values[0].is_nan() && values[1] == 0.5 && values[2].is_nan());
    let mut read = Units::default();
    assert_eq!(units(&raw, 1, 6, &mut read), 3);
    assert_eq!(read.ranges, [InputRange { low: 0.0, high: 4.0 }]);
    assert!(read.cleared[1].is_nan() && read.cleared[3] == 4.0 && read.cleared[4].is_nan());
    assert_eq!((read.low[1], read.high[1], read.low[3]), (f32::INFINITY, f32::NEG_INFINITY, 4.0));
    assert_eq!(units(&[nan, infinity], 1, 2, &mut read), 2);
    assert_eq!(read.ranges, [InputRange::default()]);
    let found = first_non_finite(&raw, 1, &[3, 2], 0, NeuronKind::Channel).unwrap();
    assert!((found.input, found.neuron) == (0, 0) && found.value.is_nan());
    // By channel the second step's first feature comes before the first step's second.
    let found = first_non_finite(&[0.0, nan, infinity, 0.0], 1, &[2, 2], 1, NeuronKind::Channel).unwrap();
    assert_eq!((found.neuron, found.value), (0, infinity));
    assert_eq!(first_non_finite(&[0.0, f32::MAX], 2, &[1], 0, NeuronKind::Unit), None);
}

#[test]
fn shapes_without_positions_or_channels() {
    let mut read = used();
    assert_eq!(channels(&[1.5, 2.5], 2, &[], 0, &mut read), 0);
    assert_eq!(read.values, [1.5, 2.5], "a scalar per input is one neuron");
    assert_eq!(channels(&[], 2, &[3, 0], 0, &mut read), 6);
    for values in [&read.values, &read.above] {
        assert!(values.len() == 6 && values.iter().all(|value| value.is_nan()), "no mean over nothing");
    }
    for shape in [vec![0], vec![0, 4], vec![4, 0]] {
        let axis = shape.iter().position(|size| *size == 0).unwrap();
        assert_eq!(channels(&[], 2, &shape, axis, &mut read), 0);
        assert!(read.values.is_empty());
        assert_eq!(units(&[], 2, 0, &mut Units::default()), 0);
    }
    assert_eq!(channels(&[], 0, &[3, 2], 0, &mut read), 0);
    assert!(read.values.is_empty() && read.ranges.is_empty());
    assert_eq!((&read.low[..], &read.high[..]), (&[f64::INFINITY; 3][..], &[f64::NEG_INFINITY; 3][..]));
    assert_eq!(first_non_finite(&[], 2, &[3, 0], 0, NeuronKind::Channel), None);
}
