use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// A neuron's range and its values, an input each.
type Neuron = ((f64, f64), Vec<f64>);

/// The definition: the section of a value, and whether it lies below or above.
fn plain(value: f64, (low, high): (f64, f64), sections: usize) -> (Option<usize>, u64, u64) {
    if low >= high {
        return (None, 0, 0);
    }
    let section = ((value - low) / (high - low) * sections as f64).floor().min((sections - 1) as f64);
    let inside = low <= value && value <= high;
    (inside.then_some(section as usize), u64::from(value < low), u64::from(value > high))
}

/// Covers batch by batch, with first covers and without; both must be as defined.
fn check<T: Number>(neurons: &[Neuron], sections: usize, batch: usize, of: impl Fn(f64) -> T) {
    let (low, high) = neurons.iter().map(|(range, _)| *range).unzip();
    let ranges = Ranges::new(&LayerProfile { low, high, ..Default::default() }, sections);
    let stride = sections.next_multiple_of(64);
    let items = neurons.len() * stride;
    let inputs = neurons[0].1.len();
    let rows: Vec<T> =
        (0..inputs).flat_map(|input| neurons.iter().map(move |(_, values)| values[input])).map(of).collect();

    let (mut covered, mut firsts, mut outside) = (BTreeSet::new(), Vec::new(), (0, 0));
    for (at, value) in rows.iter().enumerate() {
        let neuron = at % neurons.len();
        let (section, below, above) = plain(value.to_f64(), neurons[neuron].0, sections);
        outside = (outside.0 + below, outside.1 + above);
        if let Some(item) = section.map(|section| neuron * stride + section)
            && covered.insert(item)
        {
            firsts.push(FirstCover { input: (at / neurons.len()) as u32, item: item as u32 });
        }
    }

    // Of too many items first covers are not kept.
    for coverage in [Coverage::of_layers([items]), Coverage::of_layers([items, 1 << 25])] {
        let mut coverage = coverage.into_iter().next().unwrap();
        let mut found = (0, 0);
        for (index, rows) in rows.chunks(batch * neurons.len()).enumerate() {
            let (below, above) = ranges.cover(rows, index * batch, &mut coverage);
            coverage.end_batch(index * batch);
            found = (found.0 + below, found.1 + above);
        }
        assert_eq!(found, outside);
        assert_eq!((0..items).filter(|item| coverage.has(*item)).collect::<BTreeSet<_>>(), covered);
        assert!(coverage.firsts().is_none_or(|own| own == firsts));
    }
}

/// Numbers of all magnitudes, most of them ones that f32 has.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => any::<f32>().prop_map(f64::from),
        4 => (-4f32..4.0).prop_map(f64::from),
        2 => Just(0.0),
        1 => Just(-0.0),
        2 => (0u32..2000).prop_map(|bits| f64::from(f32::from_bits(bits))),
        1 => (0u64..2000).prop_map(f64::from_bits),
        1 => Just(f64::from(f32::MAX)),
        1 => Just(f64::from(f32::MIN)),
        1 => -1f64..1.0,
        1 => any::<f64>(),
    ]
}

/// A range; some are empty, some narrow beside what they lie at.
fn range() -> impl Strategy<Value = (f64, f64)> {
    let narrow = (number(), 0u32..5000).prop_map(|(low, steps)| {
        (f64::from(low as f32), f64::from((0..steps).fold(low as f32, |high, _| high.next_up())))
    });
    prop_oneof![
        6 => (number(), number()).prop_map(|(one, other)| if one > other { (other, one) } else { (one, other) }),
        3 => number().prop_map(|high| (0.0, high.abs())),
        2 => narrow,
        1 => Just((1.0, 1.0)),
        1 => Just((f64::INFINITY, f64::NEG_INFINITY)),
        1 => Just((f64::NEG_INFINITY, f64::INFINITY)),
    ]
}

/// Values at the edges of sections and beside them, at the ends, and anywhere.
fn value((low, high): (f64, f64), sections: usize) -> impl Strategy<Value = f64> {
    let edge = move |section: usize| low + (high - low) * (section as f64 / sections as f64);
    let beside = (0..=sections, -3i32..=3).prop_map(move |(section, steps)| {
        let step = if steps < 0 { f32::next_down } else { f32::next_up };
        f64::from((0..steps.abs()).fold(edge(section) as f32, |value, _| step(value)))
    });
    let exactly_beside = (0..=sections, -3i32..=3).prop_map(move |(section, steps)| {
        let step = if steps < 0 { f64::next_down } else { f64::next_up };
        (0..steps.abs()).fold(edge(section), |value, _| step(value))
    });
    prop_oneof![
        6 => beside,
        3 => exactly_beside,
        3 => (0f64..=1.0).prop_map(move |share| low + (high - low) * share),
        2 => Just(low),
        2 => Just(high),
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(f64::NEG_INFINITY),
        1 => Just(-0.0),
        1 => number(),
    ]
}

/// Some neurons, a number of sections and the inputs of a batch.
fn case() -> impl Strategy<Value = (Vec<Neuron>, usize, usize)> {
    let sections = prop_oneof![
        4 => Just(1000usize),
        4 => 1usize..70,
        2 => 1000usize..1100,
        1 => Just(SINGLE_UP_TO),
        1 => Just(SINGLE_UP_TO + 1),
        1 => Just(1_000_000),
    ];
    (sections, 1usize..20, 1usize..8).prop_flat_map(|(sections, inputs, batch)| {
        let neuron = range()
            .prop_flat_map(move |range| (Just(range), proptest::collection::vec(value(range, sections), inputs)));
        let neurons = if sections > 100_000 { 1..3usize } else { 1..2 * BLOCK + 6 };
        (proptest::collection::vec(neuron, neurons), Just(sections), Just(batch))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sections_are_as_defined((neurons, sections, batch) in case()) {
        check(&neurons, sections, batch, |value| value as f32);
        check(&neurons, sections, batch, |value| value);
    }
}

#[test]
fn every_edge_is_as_defined() {
    let ends = [1.0f32, 0.1, 3.0, 1.7e-5, 7.3e8, f32::MAX, 1e-36, 1e-40, f32::from_bits(1)];
    for sections in [1000, 7] {
        for (low, high) in ends.iter().flat_map(|end| [(0.0, *end), (-*end, *end), (-end / 3.0, *end)]) {
            let (low, high) = (f64::from(low), f64::from(high));
            let values = (0..=sections).flat_map(|section| {
                let edge = (low + (high - low) * section as f64 / sections as f64) as f32;
                [edge.next_down().next_down(), edge.next_down(), edge, edge.next_up(), edge.next_up().next_up()]
            });
            // Inputs of one neuron, then as many neurons of one input.
            let values: Vec<f64> = values.map(f64::from).collect();
            let neurons: Vec<Neuron> = values.iter().map(|value| ((low, high), vec![*value])).collect();
            check(&neurons, sections, 1, |value| value as f32);
            check(&[((low, high), values)], sections, 16, |value| value as f32);
        }
    }
}

#[test]
fn all_threads_cover_the_same() {
    let values = |neuron: usize| (0..17).map(move |input| ((neuron * 31 + input * 7_919) % 1009) as f64 / 1e3 - 0.01);
    let neurons: Vec<Neuron> =
        (0..PARALLEL_FROM / 8 + 3).map(|neuron| ((0.0, 0.9), values(neuron).collect())).collect();
    check(&neurons, 100, 16, |value| value as f32);
}
