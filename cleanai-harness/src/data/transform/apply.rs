//! What the steps do to an input.

use crate::data::sample::{Image, Sample, Tensor, shape_text};
use crate::data::transform::resize::{resize_f32, resize_u8};
use crate::data::transform::{ResizeFilter, TransformStep};
use crate::{Error, ErrorKind, Result};

/// Applies the steps in order; what is still 8-bit afterwards is scaled to 0..1.
pub(crate) fn apply(mut sample: Sample, steps: &[TransformStep]) -> Result<Tensor> {
    for step in steps {
        sample = apply_step(sample, step).map_err(|error| error.context(format!("transform step {step}")))?;
    }
    Ok(Tensor::from_sample(sample))
}

/// Applies the steps to floats of this shape.
#[cfg(feature = "torch")]
pub(crate) fn apply_to_floats(values: Vec<f32>, shape: Vec<usize>, steps: &[TransformStep]) -> Result<Vec<f32>> {
    Ok(apply(Sample::Tensor(Tensor { shape, values }), steps)?.values)
}

fn apply_step(sample: Sample, step: &TransformStep) -> Result<Sample> {
    Ok(match (step, sample) {
        (&TransformStep::Resize { height, width, filter }, sample) => resize(sample, to(height, width), filter)?,
        (&TransformStep::CenterCrop { height, width }, sample) => center_crop(sample, to(height, width))?,
        (TransformStep::Grayscale, Sample::Image(image)) => Sample::Image(grayscale(image)),
        (TransformStep::Grayscale, Sample::Tensor(tensor)) => Sample::Tensor(grayscale_tensor(tensor)?),
        (TransformStep::Rgb, Sample::Image(image)) => Sample::Image(rgb(image)),
        (TransformStep::Rgb, Sample::Tensor(tensor)) => Sample::Tensor(rgb_tensor(tensor)?),
        (TransformStep::Scale, Sample::Image(image)) => Sample::Tensor(image.to_tensor()),
        (TransformStep::Scale, Sample::Tensor(_)) => {
            return Err(Error::new(
                ErrorKind::Configuration,
                "turns 8-bit pixels into 0..1, but the values are floats already",
            )
            .with_help("remove the step; 8-bit inputs are scaled once, by `scale` or by `normalize`"));
        }
        (TransformStep::Normalize { mean, std }, sample) => {
            Sample::Tensor(normalize(Tensor::from_sample(sample), mean, std)?)
        }
    })
}

fn to(height: u32, width: u32) -> (usize, usize) {
    (height as usize, width as usize)
}

/// An image-like tensor with `change` done to every channel.
fn each_plane(
    tensor: Tensor,
    size: (usize, usize),
    change: impl Fn(&[f32], (usize, usize)) -> Vec<f32>,
) -> Result<Tensor> {
    let (channels, height, width) = tensor.image_shape()?;
    let values = tensor.values.chunks_exact(height * width).flat_map(|plane| change(plane, (height, width))).collect();
    Ok(Tensor { shape: vec![channels, size.0, size.1], values })
}

fn resize(sample: Sample, size: (usize, usize), filter: ResizeFilter) -> Result<Sample> {
    Ok(match sample {
        Sample::Image(image) => {
            let pixels = resize_u8(&image.pixels, image.channels, (image.height, image.width), size, filter);
            Sample::Image(Image { height: size.0, width: size.1, channels: image.channels, pixels })
        }
        Sample::Tensor(tensor) => {
            Sample::Tensor(each_plane(tensor, size, |plane, from| resize_f32(plane, from, size, filter))?)
        }
    })
}

fn center_crop(sample: Sample, size: (usize, usize)) -> Result<Sample> {
    Ok(match sample {
        Sample::Image(image) => {
            let pixels = middle(&image.pixels, image.channels, (image.height, image.width), size);
            Sample::Image(Image { height: size.0, width: size.1, channels: image.channels, pixels })
        }
        Sample::Tensor(tensor) => Sample::Tensor(each_plane(tensor, size, |plane, from| middle(plane, 1, from, size))?),
    })
}

/// The middle of `pixels`; what lies outside is 0.
fn middle<T: Copy + Default>(pixels: &[T], channels: usize, from: (usize, usize), to: (usize, usize)) -> Vec<T> {
    let mut result = vec![T::default(); to.0 * to.1 * channels];
    let (rows, columns) = (overlap(from.0, to.0), overlap(from.1, to.1));
    for row in 0..rows.length {
        let source = ((rows.source + row) * from.1 + columns.source) * channels;
        let target = ((rows.target + row) * to.1 + columns.target) * channels;
        let length = columns.length * channels;
        result[target..target + length].copy_from_slice(&pixels[source..source + length]);
    }
    result
}

/// Which part of one axis is kept, and where it goes.
struct Overlap {
    source: usize,
    target: usize,
    length: usize,
}

/// Positions as torchvision's `center_crop` chooses them: padding gets its odd pixel at the end, a crop starts at
/// half the difference rounded to the even number.
fn overlap(from: usize, to: usize) -> Overlap {
    if to >= from {
        return Overlap { source: 0, target: (to - from) / 2, length: from };
    }
    let difference = from - to;
    let half = difference / 2;
    let source = half + usize::from(difference % 2 == 1 && half % 2 == 1);
    Overlap { source, target: 0, length: to }
}

fn grayscale(image: Image) -> Image {
    if image.channels == 1 {
        return image;
    }
    let luma = |pixel: &[u8]| {
        let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
        ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16) as u8
    };
    Image { pixels: image.pixels.chunks_exact(3).map(luma).collect(), channels: 1, ..image }
}

fn grayscale_tensor(tensor: Tensor) -> Result<Tensor> {
    match tensor.image_shape()? {
        (1, _, _) => Ok(tensor),
        (3, height, width) => {
            let (red, others) = tensor.values.split_at(height * width);
            let (green, blue) = others.split_at(height * width);
            let luma =
                red.iter().zip(green).zip(blue).map(|((red, green), blue)| 0.299 * red + 0.587 * green + 0.114 * blue);
            Ok(Tensor { shape: vec![1, height, width], values: luma.collect() })
        }
        (channels, _, _) => Err(wrong_channels(channels)),
    }
}

fn rgb(image: Image) -> Image {
    if image.channels == 3 {
        return image;
    }
    Image { pixels: image.pixels.iter().flat_map(|&pixel| [pixel; 3]).collect(), channels: 3, ..image }
}

fn rgb_tensor(mut tensor: Tensor) -> Result<Tensor> {
    match tensor.image_shape()? {
        (3, _, _) => Ok(tensor),
        (1, height, width) => {
            tensor.values = tensor.values.repeat(3);
            tensor.shape = vec![3, height, width];
            Ok(tensor)
        }
        (channels, _, _) => Err(wrong_channels(channels)),
    }
}

fn wrong_channels(channels: usize) -> Error {
    Error::new(ErrorKind::Configuration, format!("needs 1 or 3 channels, but an input has {channels}"))
}

fn normalize(mut tensor: Tensor, mean: &[f32], std: &[f32]) -> Result<Tensor> {
    let channels = tensor.shape.first().copied().unwrap_or(1);
    for (what, numbers) in [("mean", mean), ("std", std)] {
        if numbers.len() != 1 && numbers.len() != channels {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!(
                    "has {} numbers as {what}, but inputs of shape {} have {channels} channel{}",
                    numbers.len(),
                    shape_text(&tensor.shape),
                    if channels == 1 { "" } else { "s" }
                ),
            )
            .with_help("give one number per channel, or a single one for all"));
        }
    }
    let plane = (tensor.values.len() / channels.max(1)).max(1);
    for (channel, values) in tensor.values.chunks_exact_mut(plane).enumerate() {
        let of = |numbers: &[f32]| if numbers.len() == 1 { numbers[0] } else { numbers[channel] };
        let (mean, std) = (of(mean), of(std));
        values.iter_mut().for_each(|value| *value = (*value - mean) / std);
    }
    Ok(tensor)
}
