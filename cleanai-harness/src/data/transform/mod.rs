//! Steps applied to each input in the order written.
//!
//! | step | does | as in |
//! |---|---|---|
//! | `{ resize = [28, 28] }` | to height and width; `resize = 28` is `[28, 28]` | Pillow's `Image.resize` (version 13), to the last bit |
//! | `{ resize = { size = [28, 28], filter = "bicubic" } }` | `nearest`, `bilinear` (the default), `bicubic`, `lanczos` | Pillow's filters of these names |
//! | `{ center_crop = [24, 24] }` | the middle; a smaller image is padded with 0; `center_crop = 24` is `[24, 24]` | torchvision's `CenterCrop` |
//! | `"grayscale"` | one channel, `L = (19595 R + 38470 G + 7471 B + 32768) / 65536` | Pillow's mode `L` |
//! | `"rgb"` | three channels; a single one is repeated | Pillow's mode `RGB` |
//! | `"scale"` | 8 bit to `f32(pixel) / f32(255)`, channels first | torchvision's `ToTensor` |
//! | `{ normalize = { mean = [0.5], std = [0.5] } }` | `(x - mean) / std` per channel in f32; one number serves all channels | torchvision's `Normalize` |
//!
//! 8-bit inputs are always scaled to 0..1: by `scale` where it is written, else by `normalize`, else at the end. Inputs that are
//! floats already (see [`DataSet`](crate::data::DataSet)) are taken as they are: `scale` is an error for them, `normalize` works along their
//! first axis, the other steps on inputs of three axes (C, H, W). A resize after `scale` works on floats, with sums in f64.
//!
//! Unlike torchvision's `Resize(28)`, `resize = 28` does not keep the aspect ratio. Pillow before version 13 differs by 1 of 255 in some pixels where the
//! height shrinks by more than twice as many pixels as the width; elsewhere it is equal too.
//!
//! ```
//! use cleanai_harness::data::transform;
//!
//! let steps = transform::parse(r#"[{ resize = 28 }, "grayscale", { normalize = { mean = 0.5, std = 0.5 } }]"#)?;
//! assert_eq!(transform::text(&steps), r#"[{ resize = [28, 28] }, "grayscale", { normalize = { mean = [0.5], std = [0.5] } }]"#);
//! # Ok::<(), cleanai_harness::Error>(())
//! ```

mod apply;
mod read;
mod resize;

use std::fmt;

pub(crate) use read::STEPS;
pub use read::parse;

pub(crate) use apply::apply;
#[cfg(feature = "torch")]
pub(crate) use apply::apply_to_floats;

use crate::{Error, ErrorKind, Result};

/// Most pixels on a side of a resized or cropped image.
pub(crate) const LONGEST_SIDE: u32 = 1 << 14;

/// One step of `transform`.
#[derive(Debug, Clone, PartialEq)]
pub enum TransformStep {
    /// To this height and width with this filter.
    Resize {
        /// Rows.
        height: u32,
        /// Columns.
        width: u32,
        /// How samples between pixels are made.
        filter: ResizeFilter,
    },
    /// The middle of this height and width.
    CenterCrop {
        /// Rows.
        height: u32,
        /// Columns.
        width: u32,
    },
    /// One channel, ITU-R 601 luma.
    Grayscale,
    /// Three channels; a single one is repeated.
    Rgb,
    /// u8 0..255 to f32 0..1.
    Scale,
    /// `(x - mean) / std` per channel in f32; one number serves all channels.
    Normalize {
        /// Mean per channel.
        mean: Vec<f32>,
        /// Standard deviation per channel, more than 0.
        std: Vec<f32>,
    },
}

/// How a resize samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResizeFilter {
    /// The nearest pixel.
    Nearest,
    /// Triangle filter with antialiasing, as Pillow's and torchvision's `BILINEAR`.
    #[default]
    Bilinear,
    /// Cubic filter with antialiasing (a = -0.5), as Pillow's `BICUBIC`.
    Bicubic,
    /// Lanczos of three lobes, as Pillow's `LANCZOS`.
    Lanczos,
}

impl ResizeFilter {
    /// Every filter.
    pub const ALL: [Self; 4] = [Self::Nearest, Self::Bilinear, Self::Bicubic, Self::Lanczos];

    /// Its name in `cleanai.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nearest => "nearest",
            Self::Bilinear => "bilinear",
            Self::Bicubic => "bicubic",
            Self::Lanczos => "lanczos",
        }
    }
}

impl TransformStep {
    /// The key or word of the step in `cleanai.toml`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Resize { .. } => "resize",
            Self::CenterCrop { .. } => "center_crop",
            Self::Grayscale => "grayscale",
            Self::Rgb => "rgb",
            Self::Scale => "scale",
            Self::Normalize { .. } => "normalize",
        }
    }

    /// Checks the numbers: sizes in 1..=16384, finite means, deviations above 0, as many of one as of the other.
    pub fn check(&self) -> Result<()> {
        let fault = |what: String| Err(Error::new(ErrorKind::Configuration, format!("{} {what}", self.name())));
        match self {
            Self::Resize { height, width, .. } | Self::CenterCrop { height, width } => {
                for size in [height, width] {
                    if !(1..=LONGEST_SIDE).contains(size) {
                        return fault(format!("takes sizes from 1 to {LONGEST_SIDE}, not {size}"));
                    }
                }
            }
            Self::Normalize { mean, std } => {
                if mean.is_empty() || std.is_empty() {
                    return fault("needs at least one number each for mean and std".to_owned());
                }
                if mean.len() != std.len() && mean.len() != 1 && std.len() != 1 {
                    return fault(format!("has {} means but {} deviations", mean.len(), std.len()));
                }
                if let Some(value) = mean.iter().find(|value| !value.is_finite()) {
                    return fault(format!("takes finite means, not {value}"));
                }
                if let Some(value) = std.iter().find(|value| !(value.is_finite() && **value > 0.0)) {
                    return fault(format!("divides by std, which must be finite and more than 0, not {value}"));
                }
            }
            Self::Grayscale | Self::Rgb | Self::Scale => {}
        }
        Ok(())
    }
}

/// The step as TOML, for example `{ resize = [28, 28] }`.
impl fmt::Display for TransformStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resize { height, width, filter } if *filter == ResizeFilter::default() => {
                write!(f, "{{ resize = [{height}, {width}] }}")
            }
            Self::Resize { height, width, filter } => {
                write!(f, "{{ resize = {{ size = [{height}, {width}], filter = \"{}\" }} }}", filter.name())
            }
            Self::CenterCrop { height, width } => write!(f, "{{ center_crop = [{height}, {width}] }}"),
            Self::Grayscale | Self::Rgb | Self::Scale => write!(f, "\"{}\"", self.name()),
            Self::Normalize { mean, std } => {
                // `{:?}` keeps the shortest text that reads back as the same number, and `.0` on whole ones.
                write!(f, "{{ normalize = {{ mean = {mean:?}, std = {std:?} }} }}")
            }
        }
    }
}

/// A whole transform as TOML, for example `[{ resize = [28, 28] }, "grayscale"]`; [`parse`] reads it back.
pub fn text(steps: &[TransformStep]) -> String {
    let steps: Vec<String> = steps.iter().map(TransformStep::to_string).collect();
    format!("[{}]", steps.join(", "))
}
