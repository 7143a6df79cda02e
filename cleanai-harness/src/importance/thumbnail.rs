//! Thumbnails: inputs as small as a list of them wants them.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use super::picture::{colours, from_base64, image_shape, reduce, to_base64};

/// None is wider or higher.
const SIDE: usize = 64;
/// No file is larger: what does not fit is reduced further.
const BYTES: usize = 8 << 10;

/// A small picture of an input, as it stands in a report.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Thumbnail {
    /// Pixels across, at most 64.
    pub width: u32,
    /// Pixels down, at most 64.
    pub height: u32,
    /// The file, at most 8 KiB; in JSON as base64.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub png: Vec<u8>,
}

impl Thumbnail {
    /// Of an input of shape (C, H, W) or (H, W), its values scaled from their least and largest to black and white over all channels; three
    /// channels are red, green and blue, other numbers of them are averaged. Large inputs are reduced by a whole factor, each pixel the mean of
    /// those it stands for. `None` where the input is no picture.
    ///
    /// ```
    /// use cleanai_harness::importance::Thumbnail;
    ///
    /// let thumbnail = Thumbnail::of(&[0.5; 3 * 224 * 224], &[3, 224, 224]).unwrap();
    /// assert_eq!((thumbnail.width, thumbnail.height), (56, 56));
    /// assert_eq!(Thumbnail::of(&[0.5; 10], &[10]), None);
    /// ```
    pub fn of(input: &[f32], shape: &[usize]) -> Option<Self> {
        let (channels, height, width) = image_shape(shape)?;
        let area = height.checked_mul(width)?;
        if area.checked_mul(channels) != Some(input.len()) {
            return None;
        }
        let pixel = colours(input, channels, area);
        let mut factor = width.max(height).div_ceil(SIDE);
        loop {
            let pixels = reduce(&pixel, area, width, factor);
            let (width, height) = (width.div_ceil(factor) as u32, height.div_ceil(factor) as u32);
            let shown = if channels == 3 { 3 } else { 1 };
            let levels = pixels.iter().flat_map(|colour| &colour[..shown]).map(|level| level.round() as u8);
            let levels: Vec<u8> = levels.collect();
            let colour = if shown == 3 { ExtendedColorType::Rgb8 } else { ExtendedColorType::L8 };
            let mut png = Vec::new();
            PngEncoder::new_with_quality(&mut png, CompressionType::Best, FilterType::Adaptive)
                .write_image(&levels, width, height, colour)
                .ok()?;
            if png.len() <= BYTES {
                return Some(Self { width, height, png });
            }
            factor += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixels(thumbnail: &Thumbnail) -> image::DynamicImage {
        image::load_from_memory_with_format(&thumbnail.png, image::ImageFormat::Png).unwrap()
    }

    #[test]
    fn small_inputs_keep_their_pixels() {
        let grey = Thumbnail::of(&[-1.0, 0.0, 0.5, 1.0], &[1, 2, 2]).unwrap();
        assert_eq!((grey.width, grey.height), (2, 2));
        assert_eq!(pixels(&grey).to_luma8().into_raw(), [0, 128, 191, 255]);
        let colours = Thumbnail::of(&[1.0, 0.0, 0.0, 1.0, 0.0, 0.0], &[3, 1, 2]).unwrap();
        assert_eq!(pixels(&colours).to_rgb8().into_raw(), [255, 0, 0, 0, 255, 0]);
        let constant = Thumbnail::of(&[f32::NAN, 3.0], &[1, 2]).unwrap();
        assert_eq!(pixels(&constant).to_luma8().into_raw(), [0, 0]);
    }

    #[test]
    fn what_is_large_is_reduced_until_it_fits() {
        let noise: Vec<f32> = (0..3 * 200 * 120_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 8) as f32).collect();
        let thumbnail = Thumbnail::of(&noise, &[3, 200, 120]).unwrap();
        assert!(thumbnail.png.len() <= BYTES && thumbnail.height <= 64, "{}", thumbnail.png.len());
        let found = pixels(&thumbnail);
        assert_eq!((found.width(), found.height()), (thumbnail.width, thumbnail.height));
        let line = Thumbnail::of(&vec![0.0; 100_000], &[1, 100_000]).unwrap();
        assert_eq!((line.width, line.height), (64, 1));
    }

    #[test]
    fn what_is_no_picture_has_none() {
        for (shape, length) in [(&[4][..], 4), (&[1, 1, 2, 2], 4), (&[0, 4], 0), (&[2, 2], 3), (&[usize::MAX, 2, 2], 4)]
        {
            assert_eq!(Thumbnail::of(&vec![0.0; length], shape), None, "{shape:?}");
        }
    }

    #[test]
    fn it_survives_json() {
        let thumbnail = Thumbnail::of(&[0.0, 1.0], &[1, 2]).unwrap();
        let text = serde_json::to_string(&thumbnail).unwrap();
        assert!(text.starts_with(r#"{"width":2,"height":1,"png":"iVBORw0KGgo"#), "{text}");
        assert_eq!(serde_json::from_str::<Thumbnail>(&text).unwrap(), thumbnail);
    }
}
