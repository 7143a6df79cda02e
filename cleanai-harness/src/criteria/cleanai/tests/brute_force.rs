//! Against plain loops over units, and over all pairs of units.

use proptest::prelude::*;

use super::*;

/// Few different values, so that units are often equal, zero or at a bound.
fn unit() -> impl Strategy<Value = f32> {
    prop_oneof![
        3 => prop_oneof![Just(0.0f32), Just(1.0), Just(-1.0), Just(0.75), Just(0.1), Just(0.5), Just(0.05)],
        2 => -2f32..2.0,
    ]
}

/// Rows often equal the row before but for a unit or two, so that single changes of sign happen.
pub(super) fn stream() -> impl Strategy<Value = Stream> {
    let widths = proptest::collection::vec(1usize..6, 1..5);
    (widths, 2usize..6).prop_flat_map(|(widths, inputs)| {
        let layer = |width: usize| {
            let rows = proptest::collection::vec(proptest::collection::vec(unit(), width), inputs);
            let same = proptest::collection::vec(prop_oneof![2 => Just(true), 1 => Just(false)], inputs * width);
            (rows, same).prop_map(move |(mut rows, same)| {
                for input in 1..rows.len() {
                    for unit in (0..width).filter(|unit| same[input * width + unit]) {
                        rows[input][unit] = rows[input - 1][unit].abs() + 0.5;
                        rows[input - 1][unit] = rows[input][unit];
                    }
                }
                rows.concat()
            })
        };
        let layers: Vec<_> = widths.into_iter().map(layer).collect();
        layers.prop_map(move |layers| Stream { inputs, layers })
    })
}

/// Counts over all inputs, layers and units.
fn counted(stream: &Stream, test: impl Fn(usize, usize, f64) -> bool) -> (u64, u64) {
    let (mut covered, mut total) = (0, 0);
    for layer in 0..stream.layers.len() {
        for input in 0..stream.inputs {
            for unit in stream.row(layer, input) {
                covered += u64::from(test(layer, input, f64::from(*unit)));
                total += 1;
            }
        }
    }
    (covered, total)
}

/// The definition word by word: whether the pair `(i, j)` of layers k and k + 1 is covered.
fn pair_is_covered(stream: &Stream, kind: &str, k: usize, (i, j): (usize, usize), threshold: f64) -> bool {
    let values = |layer: usize, unit: usize| (stream.row(layer, 0)[unit], stream.row(layer, 1)[unit]);
    let sign = |layer: usize, unit: usize| {
        let (first, second) = values(layer, unit);
        first * second <= 0.0
    };
    let value = |layer: usize, unit: usize, threshold: f64| {
        let (first, second) = values(layer, unit);
        f64::from((first - second).abs()) > threshold
    };
    let others = (0..stream.row(k, 0).len()).filter(|unit| *unit != i).all(|unit| !sign(k, unit));
    let left = others && if kind.starts_with('s') { sign(k, i) } else { value(k, i, threshold) };
    let right_threshold = if kind == "vv" { 0.05 } else { threshold };
    let right = if kind.ends_with('s') { sign(k + 1, j) } else { value(k + 1, j, right_threshold) && !sign(k + 1, j) };
    left && right
}

proptest! {
    #[test]
    fn pairs_are_those_of_the_definition(stream in stream(), threshold in prop_oneof![Just(0.75), Just(0.05), Just(0.0), Just(0.3)]) {
        for kind in ["ss", "sv", "vs", "vv"] {
            let (mut covered, mut total) = (0, 0);
            for k in 0..stream.layers.len() - 1 {
                for i in 0..stream.row(k, 0).len() {
                    for j in 0..stream.row(k + 1, 0).len() {
                        covered += u64::from(pair_is_covered(&stream, kind, k, (i, j), threshold));
                        total += 1;
                    }
                }
            }
            let text = format!("cleanai::{kind}(threshold={threshold:?})");
            prop_assert_eq!(stream.counts(&text), (covered, total), "{}", text);
        }
    }

    #[test]
    fn counts_are_those_of_plain_loops(stream in stream(), threshold in prop_oneof![Just(0.75), Just(0.1), -1f64..1.0]) {
        let mean = |layer: usize, input: usize| {
            let row = stream.row(layer, input);
            row.iter().map(|unit| f64::from(*unit)).sum::<f64>() / row.len() as f64
        };
        prop_assert_eq!(stream.counts("cleanai::nc"), counted(&stream, |layer, input, unit| unit > mean(layer, input)));
        let text = format!("cleanai::tc(threshold={threshold:?})");
        prop_assert_eq!(stream.counts(&text), counted(&stream, |_, _, unit| unit > threshold));
        let intervals = [(0.0, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5)];
        let inside = |unit: f64, (from, to): &(f64, f64)| *from <= unit && unit <= *to;
        let any = counted(&stream, |_, _, unit| intervals.iter().any(|interval| inside(unit, interval)));
        let figures = stream.figures("cleanai::mnc");
        prop_assert_eq!((figures.covered.unwrap(), figures.total.unwrap()), any);
        for (index, interval) in intervals.iter().enumerate() {
            let (covered, total) = counted(&stream, |_, _, unit| inside(unit, interval));
            prop_assert_eq!(&figures.details[&format!("interval_{}", index + 1)], covered as f64 / total as f64);
        }
    }

    #[test]
    fn changes_are_those_of_plain_loops(stream in stream(), threshold in prop_oneof![Just(0.75), Just(0.1), -1f64..1.0]) {
        let count = |test: &dyn Fn(f32, f32) -> bool| {
            let layers = 0..stream.layers.len();
            let pairs = layers.flat_map(|layer| stream.row(layer, 0).iter().zip(stream.row(layer, 1)));
            pairs.filter(|(first, second)| test(**first, **second)).count() as u64
        };
        prop_assert_eq!(stream.counts("cleanai::sign").0, count(&|first, second| first * second <= 0.0));
        let text = format!("cleanai::value(threshold={threshold:?})");
        prop_assert_eq!(stream.counts(&text).0, count(&|first, second| f64::from((first - second).abs()) > threshold));
    }

    #[test]
    fn boundaries_are_those_of_plain_loops(stream in stream(), cut in 1usize..5) {
        let cut = cut.min(stream.inputs - 1);
        let rows = |layer: usize| (0..cut).flat_map(|input| stream.row(layer, input).to_vec()).map(f64::from).collect::<Vec<_>>();
        let ranges: Vec<(f64, f64)> = (0..stream.layers.len())
            .map(|layer| rows(layer).into_iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), unit| (low.min(unit), high.max(unit))))
            .collect();
        let part = |from: usize, to: usize| Stream {
            inputs: to - from,
            layers: (0..stream.layers.len()).map(|layer| (from..to).flat_map(|input| stream.row(layer, input).to_vec()).collect()).collect(),
        };
        let test = part(cut, stream.inputs);
        let figures = test.state("cleanai::nbc", &part(0, cut).profile(), (0, test.inputs), 2).figures();
        let expected = counted(&test, |layer, _, unit| unit < ranges[layer].0 || unit > ranges[layer].1);
        prop_assert_eq!((figures.covered.unwrap(), figures.total.unwrap()), expected);
    }

    #[test]
    fn the_largest_are_those_of_a_sorted_row(stream in stream(), k in 1usize..7) {
        let mut sum = 0.0;
        for layer in 0..stream.layers.len() {
            for input in 0..stream.inputs {
                let mut row = stream.row(layer, input).to_vec();
                row.sort_by(|left, right| right.total_cmp(left));
                sum += row.iter().take(k).map(|unit| f64::from(*unit)).sum::<f64>();
            }
        }
        let figures = stream.figures(&format!("cleanai::tknc(k={k})"));
        let selected = (k * stream.inputs * stream.layers.len()) as f64;
        prop_assert!((figures.value.unwrap() - sum / selected).abs() <= 1e-12);
    }
}
