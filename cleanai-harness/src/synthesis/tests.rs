use super::noise::Noise;
use super::pixels::{Grid, Source};
use super::{Augmentation, PixelNoise, Pixels};
use crate::data::transform::{self, TransformStep};
use crate::data::{Batch, Field, FieldInfo, Values};

const LINE: Grid = Grid { channels: 1, positions: 10 };

fn source(input: u64) -> Source {
    Source::of("gaussian", 1, input)
}

fn field(shape: &[usize]) -> FieldInfo {
    FieldInfo { name: "x".into(), shape: shape.to_vec(), integer: false }
}

/// Inputs of this shape from `first` on, each value told by its place and its input's number, in a batch of this size.
fn batch(shape: &[usize], first: usize, inputs: usize, size: usize) -> Batch {
    let row: usize = shape.iter().product();
    let value = |at: usize| ((first + (at / row).min(inputs - 1)) * 31 + at % row * 7) as f32 % 97.0 / 96.0;
    let values = Values::Float((0..size * row).map(value).collect());
    Batch { first, inputs, size, fields: vec![Field { name: "x".into(), shape: shape.to_vec(), values }], labels: None }
}

fn values(batch: &Batch) -> &[f32] {
    match &batch.fields[0].values {
        Values::Float(values) => values,
        Values::Integer(_) => panic!("floats"),
    }
}

fn steps(text: &str) -> Vec<TransformStep> {
    transform::parse(text).unwrap()
}

fn applied(augmentation: &PixelNoise, mut batch: Batch, relevance: Option<&[f64]>) -> crate::Result<Vec<f32>> {
    let noise = Noise::new(augmentation, &[field(&batch.fields[0].shape)], &[])?;
    noise.apply(&mut batch, relevance, |index| format!("{index}.png"))?;
    Ok(values(&batch).to_vec())
}

#[test]
fn a_pixel_is_a_position_with_its_channels() {
    for (shape, channels, positions) in [
        (&[3, 4, 5][..], 3, 20),
        (&[1, 28, 28], 1, 784),
        (&[2, 3, 4, 5], 2, 60),
        (&[4, 5], 1, 20),
        (&[7], 1, 7),
        (&[], 1, 1),
    ] {
        assert_eq!(Grid::of(shape), Grid { channels, positions }, "{shape:?}");
    }
}

#[test]
fn a_share_is_rounded_and_one_at_least() {
    let grid = Grid { channels: 3, positions: 784 };
    for (share, count) in [(0.02, 16), (0.0191, 15), (0.001, 1), (1e-9, 1), (0.5, 392), (1.0, 784), (f64::NAN, 1)] {
        assert_eq!(grid.count(share), count, "{share}");
    }
    assert_eq!(Grid { channels: 1, positions: 5 }.count(0.5), 3, "half a pixel is one");
}

#[test]
fn of_equals_the_first_are_the_most_relevant() {
    let relevance = [0.0, 2.0, -9.0, 1.0, 2.0, 1.0, 1.0, 0.0, -0.0, 0.0];
    for (count, chosen) in [
        (1, &[1][..]),
        (2, &[1, 4]),
        (3, &[1, 3, 4]),
        (5, &[1, 3, 4, 5, 6]),
        (6, &[0, 1, 3, 4, 5, 6]),
        (8, &[0, 1, 3, 4, 5, 6, 7, 8]),
        (10, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ] {
        assert_eq!(LINE.most_relevant(&relevance, count), chosen);
    }
    // Differences in the last digits of f64 are none.
    let nearly: Vec<f64> = (0..10).map(|place| 1.0 + f64::from(place) * f64::EPSILON).collect();
    assert_eq!(LINE.most_relevant(&nearly, 2), [0, 1]);
    // Channels are added up.
    let grid = Grid { channels: 2, positions: 3 };
    assert_eq!(grid.most_relevant(&[5.0, 3.0, 0.0, -4.0, 0.0, 2.0], 1), [1]);
}

#[test]
fn drawn_pixels_are_distinct_and_told_by_seed_input_and_name() {
    for count in [1, 3, 10] {
        let drawn = LINE.at_random(&source(4), count);
        assert_eq!(drawn.len(), count);
        assert!(drawn.is_sorted_by(|a, b| a < b) && drawn.iter().all(|pixel| *pixel < 10));
        assert_eq!(LINE.at_random(&source(4), count), drawn);
    }
    let grid = Grid { channels: 1, positions: 1000 };
    let drawn = grid.at_random(&source(4), 20);
    for other in [source(5), Source::of("gaussian", 2, 4), Source::of("random_pixels", 1, 4)] {
        assert_ne!(grid.at_random(&other, 20), drawn);
    }
    // Every pixel has its turn.
    let mut times = [0; 10];
    for input in 0..2000 {
        LINE.at_random(&source(input), 3).into_iter().for_each(|pixel| times[pixel] += 1);
    }
    assert!(times.iter().all(|times| (500..700).contains(times)), "{times:?}");
}

#[test]
fn noise_is_normal_and_told_by_place() {
    let grid = Grid { channels: 2, positions: 20_000 };
    let mut all = vec![0.0; 40_000];
    grid.disturb(&mut all, None, 0.5, &[[-50.0, 50.0]], &source(0));
    let mean = all.iter().map(|value| f64::from(*value)).sum::<f64>() / 40_000.0;
    let variance = all.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>() / 40_000.0;
    assert!(mean.abs() < 0.8, "50 a deviation: {mean}");
    // Clipped at one deviation.
    assert!((variance.sqrt() / 50.0 - 0.7184).abs() < 0.01, "{}", variance.sqrt());
    // A chosen pixel gets the noise it gets with all, in every channel; no other is touched.
    let chosen = [3, 4, 17_000];
    let mut some = vec![0.0; 40_000];
    grid.disturb(&mut some, Some(&chosen), 0.5, &[[-50.0, 50.0]], &source(0));
    for (place, value) in some.iter().enumerate() {
        let expected = if chosen.contains(&(place % 20_000)) { all[place] } else { 0.0 };
        assert_eq!(value.to_bits(), f32::to_bits(expected), "{place}");
    }
}

#[test]
fn the_noise_is_the_same_for_ever() {
    // By another implementation of ChaCha8, in Python.
    let expected = [0.455_591, 0.544_502, 0.589_958, 0.402_814, 0.5, 0.5, 0.5, 0.5, 0.5, 0.554_630_f32];
    let mut values = [0.5f32; 10];
    LINE.disturb(&mut values, Some(&[0, 1, 2, 3, 9]), 0.1, &[[0.0, 1.0]], &source(7));
    assert!(values.iter().zip(expected).all(|(value, expected)| (value - expected).abs() < 1e-6), "{values:?}");
    assert_eq!(LINE.at_random(&source(7), 4), [5, 6, 8, 9]);
}

#[test]
fn values_are_clipped_where_the_transform_takes_the_range() {
    let steps = steps("[\"scale\", { normalize = { mean = [0.5, 0.25], std = [0.5, 0.25] } }]");
    let augmentation = PixelNoise { std: 5.0, ..PixelNoise::new(Pixels::All) };
    let noise = Noise::new(&augmentation, &[field(&[2, 3, 3])], &steps).unwrap();
    let mut batch = batch(&[2, 3, 3], 0, 4, 4);
    noise.apply(&mut batch, None, |_| String::new()).unwrap();
    let mut ends = [0; 4];
    for input in values(&batch).chunks(18) {
        for (channel, [low, high]) in [[-1.0, 1.0], [-1.0, 3.0]].into_iter().enumerate() {
            for value in &input[channel * 9..][..9] {
                assert!((low..=high).contains(value));
                ends[channel * 2] += usize::from(*value == low);
                ends[channel * 2 + 1] += usize::from(*value == high);
            }
        }
    }
    assert!(ends.iter().all(|count| *count > 5), "{ends:?}");
}

#[test]
fn batches_decide_nothing() {
    let shape = [3, 4, 4];
    let relevance = |first: usize, size: usize| -> Vec<f64> {
        (0..size * 48).map(|at| ((first + at / 48) * 13 + at % 48 * 5) as f64 % 11.0).collect()
    };
    for pixels in [Pixels::All, Pixels::Random(0.2), Pixels::Relevant(0.2)] {
        let augmentation = PixelNoise::new(pixels);
        let whole = applied(&augmentation, batch(&shape, 0, 10, 10), Some(&relevance(0, 10))).unwrap();
        for size in [1, 3, 7] {
            let mut parts = Vec::new();
            for first in (0..10).step_by(size) {
                let inputs = size.min(10 - first);
                let mut relevance = relevance(first, inputs);
                while relevance.len() < size * 48 {
                    relevance.extend_from_within(relevance.len() - 48..);
                }
                let made = applied(&augmentation, batch(&shape, first, inputs, size), Some(&relevance)).unwrap();
                assert_eq!(
                    made[inputs * 48..].chunks(48).filter(|row| *row != &made[(inputs - 1) * 48..][..48]).count(),
                    0
                );
                parts.extend_from_slice(&made[..inputs * 48]);
            }
            assert_eq!(parts, whole, "{augmentation:?}, {size} at a time");
        }
        let other = applied(&PixelNoise { seed: 1, ..augmentation }, batch(&shape, 0, 10, 10), Some(&relevance(0, 10)));
        assert_ne!(other.unwrap(), whole);
    }
}

#[test]
fn says_what_noise_cannot_be_added_to() {
    let gaussian = PixelNoise::new(Pixels::All);
    let refused = |augmentation: &PixelNoise, fields: &[FieldInfo], transform: &str| {
        Noise::new(augmentation, fields, &steps(transform)).expect_err(transform).to_string()
    };
    let image = [field(&[3, 4, 4])];
    assert_eq!(
        refused(&gaussian, &[field(&[3]), FieldInfo { name: "mask".into(), ..field(&[2]) }], "[]"),
        "an input has 2 fields (`x`, `mask`), and `gaussian` is for one
  help: leave out `augment` for this data"
    );
    assert_eq!(
        refused(&gaussian, &[FieldInfo { integer: true, ..field(&[3]) }], "[]"),
        "the inputs are whole numbers, which `gaussian` would turn into others
  help: save them as floats if they are quantities; leave out `augment` if they are indices"
    );
    assert_eq!(
        refused(&gaussian, &image, "[{ normalize = { mean = 0.5, std = 0.5 } }, { resize = 4 }]"),
        "what the transform makes of the data's range cannot be told: { resize = [4, 4] } follows a `normalize`
  help: put `normalize` last"
    );
    for (augmentation, what) in [
        (PixelNoise::new(Pixels::Random(0.0)), "`share` must be more than 0 and at most 1, not 0"),
        (PixelNoise::new(Pixels::Relevant(f64::NAN)), "`share` must be more than 0 and at most 1, not NaN"),
        (PixelNoise { std: f64::INFINITY, ..gaussian.clone() }, "`std` must be finite and more than 0, not inf"),
        (
            PixelNoise { range: [1.0, 1.0], ..gaussian.clone() },
            "`range` must be two finite numbers, the lower first, not [1.0, 1.0]",
        ),
        (
            PixelNoise { range: [0.0, 1e300], ..gaussian.clone() },
            "`range` [0.0, 1e300] leaves no finite numbers between its ends in f32",
        ),
    ] {
        assert_eq!(refused(&augmentation, &image, "[]"), what);
    }

    let mut outside = batch(&[4], 8, 2, 2);
    if let Values::Float(values) = &mut outside.fields[0].values {
        values[6] = 1.5;
    }
    assert_eq!(
        applied(&gaussian, outside.clone(), None).unwrap_err().to_string(),
        "input 9.png: the value 1.5 lies outside 0 to 1, which the range [0.0, 1.0] is after the transform
  help: say where the data lies before it is normalised: `range = [LOW, HIGH]` in `gaussian`"
    );
    applied(&PixelNoise { range: [0.0, 2.0], ..gaussian }, outside, None).unwrap();
    let relevant = PixelNoise::new(Pixels::Relevant(0.5));
    for relevance in [None, Some(&[0.0, 1.0, f64::NAN, 0.0, 0.0, 0.0, 0.0, 0.0][..])] {
        let said = applied(&relevant, batch(&[4], 0, 2, 2), relevance).unwrap_err().to_string();
        assert!(said.starts_with("input 0.png: the relevance of its pixels is not finite"), "{said}");
    }
}

#[test]
fn says_how_inputs_are_made() {
    let texts = [Pixels::Relevant(0.02), Pixels::Random(1.0), Pixels::All]
        .map(|pixels| Augmentation::from(PixelNoise::new(pixels)).to_string());
    assert_eq!(
        texts,
        [
            "relevant_pixels(share=0.02, std=0.3, seed=0)",
            "random_pixels(share=1, std=0.3, seed=0)",
            "gaussian(std=0.3, seed=0)"
        ]
    );
    let wide = PixelNoise { range: [-1.5, 2.0], ..PixelNoise::new(Pixels::All) };
    assert_eq!(Augmentation::from(wide).to_string(), "gaussian(std=0.3, seed=0, range=[-1.5, 2])");
}
