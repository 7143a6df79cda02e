//! Pictures inside the page: each once, and no more of them than a page can bear.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, ImageFormat, ImageReader, Limits};
use maud::{Markup, html};

use crate::importance::{Picture, Thumbnail};
use crate::report::svg::number;

/// Bytes of all pictures together, as they stand in the page.
const MOST: usize = 900 << 10;

/// A heat map whose file is larger is made smaller.
const LARGE: usize = 48 << 10;
/// So wide, in pixels.
const WIDE: u32 = 640;
/// How good a smaller one is, of 100.
const QUALITY: u8 = 80;

/// No picture with more pixels across or down is opened: files may hold anything.
const SIDE: u32 = 4096;

/// The pictures of a page.
#[derive(Default)]
pub(super) struct Pictures {
    /// Those that stand in it, by their files: number, width and height.
    known: BTreeMap<Vec<u8>, (usize, u32, u32)>,
    bytes: usize,
    /// Pictures that had no room.
    pub left_out: usize,
}

impl Pictures {
    /// A thumbnail, or what stands in its place.
    pub fn thumbnail(&mut self, thumbnail: Option<&Thumbnail>) -> Markup {
        let shown = thumbnail.and_then(|thumbnail| self.show(&thumbnail.png, "", "thumbnail", Some(64.0)));
        shown.unwrap_or_else(|| html! { span.none aria-hidden="true" { "no picture" } })
    }

    /// A heat map; none where it is damaged or has no room.
    pub fn heat_map(&mut self, picture: &Picture) -> Option<Markup> {
        let class = picture.class.as_ref().map(|class| format!(", class {class}")).unwrap_or_default();
        let label = format!("Heat map of {}{class}: the input, the relevance of its pixels, and both", picture.name);
        self.show(&picture.png, &label, "map", None)
    }

    /// The first time the picture itself, later a reference to it. Without a label it is no more than an ornament of what stands beside it.
    fn show(&mut self, png: &[u8], label: &str, class: &str, side: Option<f64>) -> Option<Markup> {
        let (new, (at, width, height)) = match self.known.get(png) {
            Some(known) => (None, *known),
            None => {
                let (url, width, height) = data_url(png)?;
                if self.bytes + url.len() > MOST {
                    self.left_out += 1;
                    return None;
                }
                self.bytes += url.len();
                let known = (self.known.len() + 1, width, height);
                self.known.insert(png.to_vec(), known);
                (Some(url), known)
            }
        };
        let scale = side.map(|side| side / f64::from(width.max(height)));
        let size = |pixels: u32| scale.map(|scale| number((f64::from(pixels) * scale).max(1.0)));
        let named = !label.is_empty();
        Some(html! {
            svg.(class) width=[size(width)] height=[size(height)] viewBox={ "0 0 " (width) " " (height) }
                role=[named.then_some("img")] aria-label=[named.then_some(label)] aria-hidden=[(!named).then_some("true")] {
                @match new {
                    Some(url) => { image id={ "picture-" (at) } width=(width) height=(height) href=(url) {} }
                    None => { use href={ "#picture-" (at) } {} }
                }
            }
        })
    }
}

/// The file as an address that holds it, with its width and height; none where it is no PNG. Only pixels go on, whatever else the file holds.
fn data_url(png: &[u8]) -> Option<(String, u32, u32)> {
    let image = open(png)?;
    let (width, height) = (image.width(), image.height());
    if png.len() <= LARGE {
        return Some((format!("data:image/png;base64,{}", STANDARD.encode(png)), width, height));
    }
    let image = if width > WIDE {
        let high = (u64::from(height) * u64::from(WIDE)).div_ceil(u64::from(width)).max(1) as u32;
        image.resize_exact(WIDE, high, FilterType::Triangle)
    } else {
        image
    };
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY).encode_image(&image.to_rgb8()).ok()?;
    Some((format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg)), image.width(), image.height()))
}

fn open(png: &[u8]) -> Option<DynamicImage> {
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(SIDE), Some(SIDE));
    let mut reader = ImageReader::with_format(std::io::Cursor::new(png), ImageFormat::Png);
    reader.limits(limits);
    reader.decode().ok().filter(|image| image.width() > 0 && image.height() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pixels without any order, so that nothing is saved by compressing them.
    fn noise(seed: u32, side: usize) -> Thumbnail {
        let value = |at: usize| {
            let mixed = (at as u32 + 1).wrapping_mul(2_654_435_761) ^ seed.wrapping_mul(2_246_822_519);
            let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(3_266_489_917);
            ((mixed ^ (mixed >> 13)) % 256) as f32
        };
        Thumbnail::of(&(0..side * side).map(value).collect::<Vec<f32>>(), &[side, side]).unwrap()
    }

    #[test]
    fn a_picture_stands_in_the_page_once() {
        let mut pictures = Pictures::default();
        let (one, other) = (noise(1, 28), noise(2, 28));
        let first = pictures.thumbnail(Some(&one)).into_string();
        assert!(
            first.contains(r##"<image id="picture-1" width="28" height="28" href="data:image/png;base64,iVBOR"##),
            "{first}"
        );
        let again = pictures.thumbnail(Some(&one)).into_string();
        assert!(again.contains(r##"<use href="#picture-1"></use>"##), "{again}");
        assert!(pictures.thumbnail(Some(&other)).into_string().contains(r#"id="picture-2""#));
        assert!(pictures.thumbnail(None).into_string().contains("no picture"));
    }

    #[test]
    fn what_is_no_picture_is_not_put_in() {
        let mut pictures = Pictures::default();
        let script = Thumbnail { width: 1, height: 1, png: b"<svg onload=alert(1)>".to_vec() };
        assert!(pictures.thumbnail(Some(&script)).into_string().contains("no picture"));
        assert_eq!(pictures.bytes, 0);
    }

    #[test]
    fn the_page_does_not_grow_without_end() {
        let mut pictures = Pictures::default();
        for seed in 0..300 {
            pictures.thumbnail(Some(&noise(seed, 64)));
        }
        assert!(pictures.bytes <= MOST && pictures.left_out > 0, "{}, {}", pictures.bytes, pictures.left_out);
    }

    #[test]
    fn large_heat_maps_are_made_smaller() {
        let input: Vec<f32> = (0..3 * 224 * 224_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 8) as f32).collect();
        let relevance: Vec<f64> = input.iter().map(|value| f64::from(*value) - 8e6).collect();
        let picture = Picture::of("<b>", Some("cat"), &input, &relevance, &[3, 224, 224]).unwrap().unwrap();
        assert!(picture.png.len() > LARGE);
        let mut pictures = Pictures::default();
        let shown = pictures.heat_map(&picture).unwrap().into_string();
        assert!(shown.contains("data:image/jpeg;base64,") && shown.contains(r#"width="640""#));
        assert!(shown.contains("Heat map of &lt;b&gt;, class cat"), "{}", &shown[..200]);
        assert!(pictures.bytes < 200_000, "{}", pictures.bytes);
        assert!(pictures.heat_map(&Picture { png: vec![1, 2, 3], ..picture }).is_none());
    }
}
