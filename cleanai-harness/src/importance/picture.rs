//! Heat maps: an input, the relevance of its pixels, and that relevance over the input.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageFormat, Rgb, RgbImage};
use serde::{Deserialize, Deserializer, Serializer};

use crate::{Error, ErrorKind, Result};

/// A panel is at least so wide: smaller inputs are enlarged.
const WIDE: usize = 168;

/// Enlarging ends where a panel would be higher than this.
const HIGH: usize = 2048;

/// Inputs wider or higher than this are reduced: pictures go into reports.
const LARGE: usize = 448;

/// Between panels, and its colour.
const GAP: usize = 4;
const LINE: [f64; 3] = [208.0, 214.0, 220.0];

const WHITE: [f64; 3] = [255.0; 3];
/// For the largest relevance, and the smallest.
const RED: [f64; 3] = [202.0, 0.0, 32.0];
const BLUE: [f64; 3] = [5.0, 80.0, 176.0];

/// A heat map of an input, as it stands in a report.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Picture {
    /// The name of the input.
    pub name: String,
    /// The class whose logit is explained; `None` where all outputs are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Pixels across, all three panels together.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// The file; in JSON as base64.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub png: Vec<u8>,
}

impl Picture {
    /// The [`heat_map`] of an input; `None` where the input is no picture.
    ///
    /// # Errors
    /// If it cannot be encoded.
    pub fn of(
        name: &str,
        class: Option<&str>,
        input: &[f32],
        relevance: &[f64],
        shape: &[usize],
    ) -> Result<Option<Self>> {
        let Some(image) = heat_map(input, relevance, shape) else { return Ok(None) };
        let mut png = Vec::new();
        let (width, height) = image.dimensions();
        PngEncoder::new(&mut png).write_image(&image, width, height, ExtendedColorType::Rgb8).map_err(|why| {
            Error::new(ErrorKind::Io, format!("the heat map of {name} cannot be encoded as PNG: {why}"))
        })?;
        Ok(Some(Self { name: name.to_owned(), class: class.map(str::to_owned), width, height, png }))
    }

    /// The pixels; `None` where the file is damaged.
    pub fn pixels(&self) -> Option<RgbImage> {
        image::load_from_memory_with_format(&self.png, ImageFormat::Png).ok().map(|image| image.to_rgb8())
    }
}

pub(super) fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

pub(super) fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<u8>, D::Error> {
    STANDARD.decode(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

/// Three panels side by side: the input, the relevance of its pixels, and the relevance over the greyed input. Red is positive, blue
/// negative, white nothing; the largest magnitude of this input has the full colour.
///
/// The shape is (C, H, W), or (H, W) for one channel. Values are scaled from their least and largest to black and white, over all channels;
/// three channels are red, green and blue, other numbers of them are averaged. Relevance is summed over channels. Small inputs are enlarged
/// by a whole factor, large ones reduced by one, each pixel the mean of those it stands for. `None` where the input is no picture.
///
/// ```
/// use cleanai_harness::importance::picture::heat_map;
///
/// let map = heat_map(&[0.0, 1.0], &[0.0, 3.0], &[1, 1, 2]).unwrap();
/// assert_eq!(map.dimensions(), (3 * 168 + 2 * 4, 84)); // each pixel is 84 wide and high
/// assert_eq!(heat_map(&[0.0, 1.0], &[0.0, 3.0], &[2]), None);
/// ```
pub fn heat_map(input: &[f32], relevance: &[f64], shape: &[usize]) -> Option<RgbImage> {
    let (channels, height, width) = image_shape(shape)?;
    let area = height.checked_mul(width)?;
    if area.checked_mul(channels) != Some(input.len()) || input.len() != relevance.len() {
        return None;
    }
    let reduced = width.max(height).div_ceil(LARGE);
    let summed = summed(relevance, area);
    let colours = reduce(colours(input, channels, area), area, width, reduced);
    let heat = heat(reduce(|pixel| summed[pixel], area, width, reduced));
    let (width, height) = (width.div_ceil(reduced), height.div_ceil(reduced));
    let factor = WIDE.div_ceil(width).min(HIGH / height).max(1);
    let panel = width.checked_mul(factor)?;
    let across = u32::try_from(panel.checked_mul(3)?.checked_add(2 * GAP)?).ok()?;
    let down = u32::try_from(height.checked_mul(factor)?).ok()?;
    let colour = |x: u32, y: u32| {
        let (place, x) = (x as usize / (panel + GAP), x as usize % (panel + GAP));
        if x >= panel {
            return LINE;
        }
        let at = y as usize / factor * width + x / factor;
        match place {
            0 => colours[at],
            1 => toward(WHITE, heat[at]),
            _ => toward(pale(colours[at]), heat[at]),
        }
    };
    Some(RgbImage::from_fn(across, down, |x, y| Rgb(colour(x, y).map(|level| level.round() as u8))))
}

/// The means of squares of so many pixels each way; at the right and the lower edge of what is left of them.
pub(super) fn reduce<const N: usize>(
    pixel: impl Fn(usize) -> [f64; N],
    area: usize,
    width: usize,
    factor: usize,
) -> Vec<[f64; N]> {
    if factor <= 1 {
        return (0..area).map(pixel).collect();
    }
    let (across, down) = (width.div_ceil(factor), (area / width).div_ceil(factor));
    let (mut sums, mut counts) = (vec![[0.0; N]; across * down], vec![0.0; across * down]);
    for at in 0..area {
        let place = at / width / factor * across + at % width / factor;
        sums[place].iter_mut().zip(pixel(at)).for_each(|(sum, value)| *sum += value);
        counts[place] += 1.0;
    }
    sums.iter().zip(&counts).map(|(sum, count)| sum.map(|sum| sum / count)).collect()
}

/// Channels, rows and columns of what can be shown.
pub(super) fn image_shape(shape: &[usize]) -> Option<(usize, usize, usize)> {
    let sizes = match *shape {
        [height, width] => (1, height, width),
        [channels, height, width] => (channels, height, width),
        _ => return None,
    };
    (!shape.contains(&0)).then_some(sizes)
}

/// The colour of every pixel, 0 to 255.
pub(super) fn colours(input: &[f32], channels: usize, area: usize) -> impl Fn(usize) -> [f64; 3] {
    let finite = || input.iter().filter(|value| value.is_finite()).map(|value| f64::from(*value));
    let least = finite().fold(f64::INFINITY, f64::min);
    let range = finite().fold(f64::NEG_INFINITY, f64::max) - least;
    let level = move |value: f64| if range > 0.0 { ((value - least) / range * 255.0).clamp(0.0, 255.0) } else { 0.0 };
    let at = move |channel: usize, pixel: usize| f64::from(input[channel * area + pixel]);
    move |pixel: usize| match channels {
        3 => [0, 1, 2].map(|channel| level(at(channel, pixel))),
        _ => [level((0..channels).map(|channel| at(channel, pixel)).sum::<f64>() / channels as f64); 3],
    }
}

/// The relevance of every pixel, all channels together.
fn summed(relevance: &[f64], area: usize) -> Vec<[f64; 1]> {
    let mut sums = vec![[0.0]; area];
    for channel in relevance.chunks_exact(area) {
        sums.iter_mut().zip(channel).for_each(|([sum], relevance)| *sum += relevance);
    }
    sums
}

/// The same as a share of the largest magnitude, -1 to 1.
fn heat(sums: Vec<[f64; 1]>) -> Vec<f64> {
    let sums = || sums.iter().map(|[sum]| *sum);
    let largest = sums().filter(|sum| sum.is_finite()).fold(0.0, |largest: f64, sum| largest.max(sum.abs()));
    let share = |sum: f64| if largest > 0.0 && sum.is_finite() { sum / largest } else { 0.0 };
    sums().map(share).collect()
}

/// So far from a colour to that of the largest relevance, or the smallest.
fn toward(from: [f64; 3], share: f64) -> [f64; 3] {
    let to = if share < 0.0 { BLUE } else { RED };
    std::array::from_fn(|channel| from[channel] + (to[channel] - from[channel]) * share.abs())
}

/// Grey, and light enough for colours to be seen on it.
fn pale(colour: [f64; 3]) -> [f64; 3] {
    [128.0 + colour.iter().sum::<f64>() / 3.0 * 0.45; 3]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The colours of a pixel in the three panels.
    fn panels(image: &RgbImage, x: u32, y: u32) -> [[u8; 3]; 3] {
        let step = (image.width() - 2 * GAP as u32) / 3 + GAP as u32;
        [0, 1, 2].map(|panel| image.get_pixel(x + panel * step, y).0)
    }

    #[test]
    fn red_speaks_for_and_blue_against() {
        let image = heat_map(&[-1.0, 0.0, 1.0, 3.0], &[2.0, 0.0, -4.0, 1.0], &[2, 2]).unwrap();
        assert_eq!(image.dimensions(), (3 * 168 + 8, 168));
        // Every pixel is 84 wide and high.
        assert_eq!(panels(&image, 0, 0), [[0; 3], [229, 128, 144], [165, 64, 80]], "half of the largest magnitude");
        assert_eq!(panels(&image, 84, 0), [[64; 3], [255; 3], [157; 3]], "zero");
        assert_eq!(panels(&image, 0, 84), [[128; 3], [5, 80, 176], [5, 80, 176]], "the largest magnitude, negative");
        assert_eq!(panels(&image, 83, 83), panels(&image, 0, 0));
        assert_eq!(panels(&image, 167, 167)[0], [255; 3]);
        assert_eq!(image.get_pixel(168, 0).0, LINE.map(|level| level as u8));
    }

    #[test]
    fn large_inputs_are_reduced_to_means() {
        // 900 wide: squares of three pixels each way, the last row one of a single pixel's height.
        let (width, height) = (900, 4);
        let input: Vec<f32> = (0..width * height).map(|at| if at % width % 3 == 0 { 1.0 } else { 0.0 }).collect();
        let relevance: Vec<f64> = (0..width * height).map(|at| if at < width { 3.0 } else { 0.0 }).collect();
        let image = heat_map(&input, &relevance, &[height, width]).unwrap();
        assert_eq!(image.dimensions(), (3 * 300 + 8, 2));
        assert_eq!(panels(&image, 7, 0)[..2], [[85; 3], [202, 0, 32]]);
        assert_eq!(panels(&image, 7, 1)[..2], [[85; 3], [255; 3]]);
    }

    #[test]
    fn channels_are_colours_or_averaged_and_their_relevance_is_summed() {
        let colours = heat_map(&[0.0, 1.0, 0.5], &[1.0, -3.0, 1.0], &[3, 1, 1]).unwrap();
        assert_eq!(panels(&colours, 0, 0)[..2], [[0, 255, 128], [5, 80, 176]]);
        let averaged = heat_map(&[0.0, 1.0], &[1.0, -1.0], &[2, 1, 1]).unwrap();
        assert_eq!(panels(&averaged, 0, 0)[..2], [[128; 3], [255; 3]]);
    }

    #[test]
    fn nothing_relevant_is_white_and_a_flat_input_black() {
        let image = heat_map(&[7.0; 4], &[0.0; 4], &[1, 2, 2]).unwrap();
        assert_eq!(panels(&image, 100, 100), [[0; 3], [255; 3], [128; 3]]);
    }

    #[test]
    fn one_pixel_and_numbers_that_are_none_are_shown() {
        let image = heat_map(&[5.0], &[-1.0], &[1, 1, 1]).unwrap();
        assert_eq!((image.dimensions(), panels(&image, 167, 167)[1]), ((512, 168), [5, 80, 176]));
        let image = heat_map(&[f32::NAN, 1.0, 2.0], &[f64::NAN, 1.0, f64::INFINITY], &[1, 3]).unwrap();
        assert_eq!(panels(&image, 60, 0)[1], [202, 0, 32]);
    }

    #[test]
    fn small_inputs_are_enlarged_as_far_as_their_height_allows() {
        let size = |height: usize, width: usize| {
            let area = height * width;
            heat_map(&vec![0.0; area], &vec![0.0; area], &[height, width]).unwrap().dimensions()
        };
        assert_eq!(size(2, 300), (908, 2));
        assert_eq!(size(28, 28), (512, 168));
        // Reduced to 417 high, then enlarged by 4.
        assert_eq!(size(5000, 1), (20, 1668));
    }

    #[test]
    fn what_is_no_picture_has_none() {
        for (shape, length) in [(&[4][..], 4), (&[1, 1, 2, 2], 4), (&[0, 4], 0), (&[2, 2], 3), (&[usize::MAX, 2, 2], 4)]
        {
            assert_eq!(heat_map(&vec![0.0; length], &vec![0.0; length], shape), None, "{shape:?}");
        }
        assert_eq!(heat_map(&[0.0; 4], &[0.0; 3], &[2, 2]), None);
    }

    #[test]
    fn a_picture_survives_json() {
        let picture = Picture::of("a.png", Some("cat"), &[0.0, 1.0], &[1.0, -1.0], &[1, 2]).unwrap().unwrap();
        let text = serde_json::to_string(&picture).unwrap();
        assert!(
            text.starts_with(r#"{"name":"a.png","class":"cat","width":512,"height":84,"png":"iVBORw0KGgo"#),
            "{text}"
        );
        let back: Picture = serde_json::from_str(&text).unwrap();
        assert_eq!(back, picture);
        assert_eq!(back.pixels(), heat_map(&[0.0, 1.0], &[1.0, -1.0], &[1, 2]));
        assert_eq!(Picture { png: vec![1, 2, 3], ..picture }.pixels(), None);
        assert!(serde_json::from_str::<Picture>(r#"{"name":"a","width":1,"height":1,"png":"?"}"#).is_err());
    }
}
