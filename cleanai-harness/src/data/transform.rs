//! Steps applied to each input in the order written.

/// One step of `transform`.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
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
        /// Standard deviation per channel, not 0.
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
