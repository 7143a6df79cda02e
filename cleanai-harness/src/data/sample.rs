//! One input between decoding and the model.

use crate::data::array;
use crate::{Error, ErrorKind, Result};

/// A decoded 8-bit image: rows of pixels, channels together (HWC).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
    /// `height * width * channels` values.
    pub pixels: Vec<u8>,
}

/// Values in the model's layout (channels first), row-major.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tensor {
    /// Shape without the batch axis.
    pub shape: Vec<usize>,
    /// `shape.product()` values.
    pub values: Vec<f32>,
}

/// An input on its way through the transform.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Sample {
    /// Still 8-bit pixels.
    Image(Image),
    /// Floats; once here, an input never becomes 8-bit again.
    Tensor(Tensor),
}

impl Image {
    /// The tensor of the same image with values in 0..1: `f32(pixel) / f32(255)`, channels first.
    pub(crate) fn to_tensor(&self) -> Tensor {
        let mut values = Vec::with_capacity(self.pixels.len());
        if self.channels == 3 {
            let (pixels, _) = self.pixels.as_chunks::<3>();
            for channel in 0..3 {
                values.extend(pixels.iter().map(|pixel| array::unit_interval(pixel[channel])));
            }
        } else {
            values.extend(self.pixels.iter().map(|&pixel| array::unit_interval(pixel)));
        }
        Tensor { shape: vec![self.channels, self.height, self.width], values }
    }
}

impl Tensor {
    /// Channels, rows and columns of an image-like tensor; an error for any other rank.
    pub(crate) fn image_shape(&self) -> Result<(usize, usize, usize)> {
        match self.shape[..] {
            [channels, height, width] => Ok((channels, height, width)),
            _ => Err(Error::new(
                ErrorKind::Configuration,
                format!("needs images, but an input has shape {}", shape_text(&self.shape)),
            )
            .with_help(
                "inputs of this data are used as they are; remove the step, or store images as u8 (N, H, W, C)",
            )),
        }
    }

    /// The sample as it leaves the transform.
    pub(crate) fn from_sample(sample: Sample) -> Self {
        match sample {
            Sample::Image(image) => image.to_tensor(),
            Sample::Tensor(tensor) => tensor,
        }
    }
}

/// `(3, 32, 32)`, as numpy and torch write shapes.
pub(crate) fn shape_text(shape: &[usize]) -> String {
    let mut text = String::from("(");
    for (axis, size) in shape.iter().enumerate() {
        if axis > 0 {
            text.push_str(", ");
        }
        text.push_str(&size.to_string());
    }
    if shape.len() == 1 {
        text.push(',');
    }
    text.push(')');
    text
}
