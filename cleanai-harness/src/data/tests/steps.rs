//! Transforms: reading, writing, and what they do to values.

use proptest::prelude::*;

use super::{noise, sha256, sha256_of_f32};
use crate::data::sample::{Image, Sample, Tensor};
use crate::data::transform::{ResizeFilter, TransformStep, apply, parse, text};

fn image(height: usize, width: usize, channels: usize, pixels: Vec<u8>) -> Sample {
    Sample::Image(Image { height, width, channels, pixels })
}

fn tensor(shape: &[usize], values: Vec<f32>) -> Sample {
    Sample::Tensor(Tensor { shape: shape.to_vec(), values })
}

fn run(sample: Sample, steps: &str) -> Tensor {
    apply(sample, &parse(steps).unwrap()).unwrap()
}

/// The pixels an image step made, read back from the scaled output (x * 255 is exact enough to round).
fn pixels(output: &Tensor) -> Vec<u8> {
    let positions = output.shape[1] * output.shape[2];
    let pixel = |at: usize, channel: usize| (output.values[channel * positions + at] * 255.0).round() as u8;
    (0..positions)
        .flat_map(|at| (0..output.shape[0]).map(move |channel| (at, channel)))
        .map(|(a, c)| pixel(a, c))
        .collect()
}

#[test]
fn resize_equals_pillow() {
    let mut compared = 0;
    for line in include_str!("pillow_resize.txt").lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split(' ').collect();
        let [height, width, channels, to_height, to_width, filter, digest] = fields[..] else { panic!("{line}") };
        let number = |text: &str| text.parse::<usize>().unwrap();
        let (height, width, channels) = (number(height), number(width), number(channels));
        let steps = format!("[{{ resize = {{ size = [{to_height}, {to_width}], filter = \"{filter}\" }} }}]");
        let found = if channels == 0 {
            let floats = noise(height * width).into_iter().map(|pixel| f32::from(pixel) / 255.0).collect();
            sha256_of_f32(&run(tensor(&[1, height, width], floats), &steps).values)
        } else {
            sha256(&pixels(&run(image(height, width, channels, noise(height * width * channels)), &steps)))
        };
        assert_eq!(found[..16], *digest, "{line}");
        compared += 1;
    }
    assert_eq!(compared, 172);
}

#[test]
fn grayscale_equals_pillow() {
    // Pillow 13.0.0: Image.fromarray(noise(7, 5, 3)).convert("L"), noise as in pillow_resize.txt.
    let output = run(image(7, 5, 3, noise(7 * 5 * 3)), r#"["grayscale"]"#);
    assert_eq!(output.shape, [1, 7, 5]);
    assert_eq!(sha256(&pixels(&output))[..16], *"0ed200703de2d4fb");
    let grey = run(image(2, 1, 1, vec![3, 250]), r#"["grayscale"]"#);
    assert_eq!(pixels(&grey), [3, 250]);
}

#[test]
fn scale_and_normalize_round_as_float32_does() {
    let rounded = |pixel: u8, mean: f32, std: f32| (f32::from(pixel) / 255.0 - mean) / std;
    let every: Vec<u8> = (0..=255).collect();
    let output = run(image(16, 16, 1, every.clone()), "[{ normalize = { mean = 0.1307, std = 0.3081 } }]");
    for (pixel, value) in every.iter().zip(&output.values) {
        assert_eq!(*value, rounded(*pixel, 0.1307, 0.3081));
    }
    for steps in ["[]", r#"["scale"]"#] {
        assert_eq!(run(image(1, 3, 1, vec![0, 51, 255]), steps).values, [0.0, 51.0 / 255.0, 1.0]);
    }
    // Channels first, one number per channel.
    let output = run(
        image(1, 2, 3, vec![0, 51, 102, 255, 204, 153]),
        "[{ normalize = { mean = [0, 0.5, 1], std = [1, 2, 4] } }]",
    );
    assert_eq!(output.shape, [3, 1, 2]);
    assert_eq!(
        output.values,
        [0.0, 1.0, rounded(51, 0.5, 2.0), rounded(204, 0.5, 2.0), rounded(102, 1.0, 4.0), rounded(153, 1.0, 4.0)]
    );
    // A feature vector: along its only axis.
    assert_eq!(
        run(tensor(&[2], vec![3.0, 5.0]), "[{ normalize = { mean = [1, 1], std = [2, 4] } }]").values,
        [1.0, 1.0]
    );
}

#[test]
fn center_crop_takes_and_pads_as_torchvision() {
    // Positions from torchvision.transforms.functional.center_crop: int(round((from - to) / 2)), halves to the even number;
    // padding (to - from) // 2 before and the rest behind.
    for (from, to, expected) in [
        (4usize, 2u32, vec![2, 3]),
        (5, 2, vec![3, 4]),
        (3, 2, vec![1, 2]),
        (7, 2, vec![3, 4]),
        (2, 2, vec![1, 2]),
        (2, 3, vec![1, 2, 0]),
        (2, 5, vec![0, 1, 2, 0, 0]),
        (1, 4, vec![0, 1, 0, 0]),
    ] {
        let row: Vec<u8> = (1..=from as u8).collect();
        let output = run(image(1, from, 1, row.clone()), &format!("[{{ center_crop = [1, {to}] }}]"));
        assert_eq!(pixels(&output), expected, "{from} to {to}");
        let floats = tensor(&[1, from, 1], row.into_iter().map(f32::from).collect());
        let column = run(floats, &format!("[{{ center_crop = [{to}, 1] }}]"));
        assert_eq!(column.values, expected.iter().map(|&pixel| f32::from(pixel)).collect::<Vec<_>>());
    }
}

#[test]
fn floats_take_image_steps_where_they_mean_something() {
    let output = run(tensor(&[3, 1, 2], vec![1.0, 0.0, 0.0, 1.0, 0.0, 0.0]), r#"["grayscale", "rgb"]"#);
    assert_eq!((output.shape, output.values), (vec![3, 1, 2], [0.299f32, 0.587].repeat(3)));
    let grey = run(image(1, 1, 1, vec![255]), r#"["scale", "rgb"]"#);
    assert_eq!((grey.shape, grey.values), (vec![3, 1, 1], vec![1.0; 3]));
    for (sample, steps, says) in [
        (tensor(&[4], vec![0.0; 4]), r#"["rgb"]"#, "needs images, but an input has shape (4,)"),
        (tensor(&[2, 1, 1], vec![0.0; 2]), r#"["grayscale"]"#, "needs 1 or 3 channels, but an input has 2"),
        (tensor(&[1, 1, 1], vec![0.0]), r#"["scale"]"#, "floats already"),
        (image(1, 1, 1, vec![0]), r#"["scale", "scale"]"#, "floats already"),
        (
            image(1, 1, 1, vec![0]),
            "[{ normalize = { mean = [0, 0, 0], std = 1 } }]",
            "3 numbers as mean, but inputs of shape (1, 1, 1) have 1 channel",
        ),
    ] {
        let error = apply(sample, &parse(steps).unwrap()).unwrap_err();
        assert!(error.what().contains(says), "{error}");
        assert!(error.what().starts_with("transform step "), "{error}");
    }
}

#[test]
fn a_transform_is_read_in_every_form() {
    let bilinear = ResizeFilter::Bilinear;
    let steps = parse(
        r#"[{ resize = 28 }, { resize = [28, 30] }, { resize = { size = [1, 2], filter = "bicubic" } }, { resize = { size = 9 } },
            { center_crop = 24 }, { center_crop = [24, 20] }, "grayscale", "rgb", "scale",
            { normalize = { mean = [0.485, 0], std = 1 } }]"#,
    );
    let resize = |height, width, filter| TransformStep::Resize { height, width, filter };
    assert_eq!(
        steps.unwrap(),
        [
            resize(28, 28, bilinear),
            resize(28, 30, bilinear),
            resize(1, 2, ResizeFilter::Bicubic),
            resize(9, 9, bilinear),
            TransformStep::CenterCrop { height: 24, width: 24 },
            TransformStep::CenterCrop { height: 24, width: 20 },
            TransformStep::Grayscale,
            TransformStep::Rgb,
            TransformStep::Scale,
            TransformStep::Normalize { mean: vec![0.485, 0.0], std: vec![1.0] },
        ]
    );
    assert_eq!(parse("\"rgb\"").unwrap(), [TransformStep::Rgb]);
    assert_eq!(parse(" [] ").unwrap(), []);
}

#[test]
fn a_wrong_transform_says_what_belongs_there() {
    for (steps, says) in [
        (r#"["grayscal"]"#, "unknown transform step `grayscal`; did you mean `grayscale`?"),
        (r#"["ToTensor"]"#, "did you mean `scale`?"),
        (r#"[{ rezise = 28 }]"#, "did you mean `resize`?"),
        (r#"["flip"]"#, "unknown transform step `flip`; there are `resize`, `center_crop`"),
        (r#"["resize"]"#, "needs its numbers: write `{ resize = [28, 28] }`"),
        (r#"[{ grayscale = true }]"#, "takes nothing: write `\"grayscale\"`"),
        (r#"[{ resize = [28] }]"#, "two numbers"),
        (r#"[{ resize = [28, 28, 3] }]"#, "two numbers"),
        (r#"[{ resize = [0, 28] }]"#, "from 1 to 16384, not 0"),
        (r#"[{ resize = -3 }]"#, "-3 is not a size"),
        (r#"[{ resize = 20000 }]"#, "not 20000"),
        (r#"[{ resize = "big" }]"#, "expected a height and width such as `[28, 28]`"),
        (r#"[{ resize = { size = 28, filter = "cubic" } }]"#, "unknown filter `cubic`; did you mean `bicubic`?"),
        (r#"[{ resize = { sice = 28 } }]"#, "did you mean `size`?"),
        (r#"[{ resize = { filter = "bicubic" } }]"#, "`size` is missing"),
        (r#"[{ center_crop = { size = 3, filter = "bicubic" } }]"#, "unknown key `filter`"),
        (r#"[{ resize = 28, center_crop = 24 }]"#, "stands in the same table as"),
        ("[{}]", "empty table"),
        ("[3]", "expected a transform step"),
        ("[{ normalize = { mean = 0.5 } }]", "needs both mean and std"),
        ("[{ normalize = { mean = [], std = [] } }]", "at least one number"),
        ("[{ normalize = { mean = [0.5, 0.5], std = [1, 1, 1] } }]", "2 means but 3 deviations"),
        ("[{ normalize = { mean = 0, std = 0 } }]", "more than 0, not 0"),
        ("[{ normalize = { mean = 0, std = 1e-60 } }]", "more than 0, not 0"),
        ("[{ normalize = { mean = 0, std = -1 } }]", "more than 0, not -1"),
        ("[{ normalize = { mean = nan, std = 1 } }]", "finite means, not NaN"),
        ("[{ normalize = { mean = 0, std = inf } }]", "finite and more than 0, not inf"),
        ("[{ normalize = { mean = \"x\", std = 1 } }]", "expected a list of numbers"),
        ("grayscale", "transform `grayscale`"),
        ("[\"rgb\"", "transform `[\"rgb\"`"),
    ] {
        let error = parse(steps).unwrap_err();
        assert!(error.what().contains(says), "{steps}: {error}");
    }
}

#[test]
fn errors_point_at_the_word_in_the_file() {
    #[derive(Debug, serde::Deserialize)]
    struct Table {
        #[allow(dead_code, reason = "only the error matters")]
        transform: Vec<TransformStep>,
    }
    for (file, word) in [
        ("transform = [\"rgb\", \"grayscal\"]", "\"grayscal\""),
        ("transform = [{ rezise = 28 }]", "rezise"),
        ("transform = [{ resize = [0, 28] }]", "[0, 28]"),
        ("transform = [{ resize = { size = 28, filter = \"cubic\" } }]", "\"cubic\""),
        ("transform = [{ normalize = { mean = 0, std = 0 } }]", "{ mean = 0, std = 0 }"),
    ] {
        let span = toml::from_str::<Table>(file).unwrap_err().span().unwrap();
        assert!(file[span.clone()].contains(word), "{file}: points at `{}`", &file[span]);
    }
}

fn any_step() -> impl Strategy<Value = TransformStep> {
    let side = 1u32..=16384;
    let filter = prop::sample::select(ResizeFilter::ALL.to_vec());
    let deviation = (f32::MIN_POSITIVE..f32::MAX).prop_filter("not 0", |value| *value > 0.0);
    prop_oneof![
        (side.clone(), side.clone(), filter).prop_map(|(height, width, filter)| TransformStep::Resize {
            height,
            width,
            filter
        }),
        (side.clone(), side).prop_map(|(height, width)| TransformStep::CenterCrop { height, width }),
        Just(TransformStep::Grayscale),
        Just(TransformStep::Rgb),
        Just(TransformStep::Scale),
        prop::collection::vec((-f32::MAX..f32::MAX, deviation), 1..4).prop_map(|numbers| {
            let (mean, std) = numbers.into_iter().unzip();
            TransformStep::Normalize { mean, std }
        }),
    ]
}

proptest! {
    #[test]
    fn text_and_json_read_back(steps in prop::collection::vec(any_step(), 0..5)) {
        prop_assert_eq!(&parse(&text(&steps)).unwrap(), &steps);
        let json = serde_json::to_string(&steps).unwrap();
        prop_assert_eq!(serde_json::from_str::<Vec<TransformStep>>(&json).unwrap(), steps);
    }

    #[test]
    fn reading_never_panics(text in ".{0,60}") {
        let _ = parse(&text);
    }

    #[test]
    fn a_constant_image_stays_constant_through_any_resize(
        level in 0u8..=255, height in 1usize..20, width in 1usize..20, to in (1u32..30, 1u32..30),
        filter in prop::sample::select(ResizeFilter::ALL.to_vec()),
    ) {
        let step = TransformStep::Resize { height: to.0, width: to.1, filter };
        let output = apply(image(height, width, 1, vec![level; height * width]), &[step]).unwrap();
        prop_assert!(pixels(&output).iter().all(|pixel| *pixel == level));
    }
}
