//! Inputs beyond the test set: made of its inputs by noise, each with its parent's label (CRITERIA section 8).
//!
//! | `augment` | noise on |
//! |---|---|
//! | `{ relevant_pixels = { share = 0.02, std = 0.3, seed = 0 } }` | the pixels that the predicted class's logit owes most to, by layer-wise relevance propagation |
//! | `{ random_pixels = { share = 0.02, std = 0.3, seed = 0 } }` | as many pixels drawn at random |
//! | `{ gaussian = { std = 0.3, seed = 0 } }` | all pixels |
//!
//! These are the defaults. A test on such data measures the union: the test set, then what is made of it, one augmentation after the
//! other (U_O + U_DI and U_O + U_S of DeepImportance); `accuracy` counts all of them. The profile set stays as it is. Each input made is named after its
//! parent: `7/12.png + gaussian(std=0.3, seed=0)`.
//!
//! # Pixels
//!
//! A pixel is a position with all its channels: of an input of shape (C, H, W), or of more axes, one of the H · W; of shape (H, W) or (F), where
//! there are no channels, each value. Its relevance is the sum over its channels, compared in f32 with the sign kept; of equals the first pixels
//! are taken. `share` of all are changed, rounded, one at least.
//!
//! # Noise
//!
//! Every value of a changed pixel gets noise of its own, normal with mean 0 and `std` times the length of the data's range, and is clipped to that
//! range. It is `range = [0, 1]` unless the augmentation says otherwise: where 8-bit inputs lie before they are normalised. Each `normalize` at the
//! end of the transform is accounted for: range and noise go through it as the inputs do. No other step may follow one, because it could mix what has been
//! scaled differently. Data with a value outside the range is an error, as are several arrays and whole numbers.
//!
//! Noise depends on nothing but the augmentation's name and seed, the input's number and the place of the value in it (ChaCha8, Box and Muller): not on
//! batches or threads. The most relevant pixels could in principle depend on the size of a batch, where two differ by no more than the rounding of f64.

#[cfg(feature = "torch")]
mod noise;
#[cfg(feature = "torch")]
mod pixels;
#[cfg(all(test, feature = "torch"))]
mod tests;

use std::fmt;

#[cfg(feature = "torch")]
pub(crate) use noise::Noise;

/// One way to make further inputs of those of the test set.
#[derive(Debug, Clone, PartialEq)]
pub struct Augmentation {
    /// Which pixels get noise.
    pub pixels: Pixels,
    /// Standard deviation of the noise as a share of the range's length: finite, more than 0.
    pub std: f64,
    /// Other seeds give other noise.
    pub seed: u64,
    /// Where values lie before they are normalised: finite, the lower end first.
    pub range: [f64; 2],
}

/// Which pixels of an input are meant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pixels {
    /// All.
    All,
    /// So many of them at random: more than 0, at most 1.
    Random(f64),
    /// So many of them, the most relevant ones.
    Relevant(f64),
}

impl Augmentation {
    /// Every name there is.
    pub const NAMES: [&str; 3] = ["relevant_pixels", "random_pixels", "gaussian"];

    /// The share of changed pixels unless it is said.
    pub const SHARE: f64 = 0.02;

    /// The defaults on these pixels.
    pub fn new(pixels: Pixels) -> Self {
        Self { pixels, std: 0.3, seed: 0, range: [0.0, 1.0] }
    }

    /// Its key in `cleanai.toml`.
    pub fn name(&self) -> &'static str {
        match self.pixels {
            Pixels::Relevant(_) => Self::NAMES[0],
            Pixels::Random(_) => Self::NAMES[1],
            Pixels::All => Self::NAMES[2],
        }
    }

    /// Whether it takes an explanation of the model to choose its pixels.
    pub fn needs_relevance(&self) -> bool {
        matches!(self.pixels, Pixels::Relevant(_))
    }
}

/// For example `relevant_pixels(share=0.02, std=0.3, seed=1)`.
impl fmt::Display for Augmentation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.name())?;
        if let Pixels::Relevant(share) | Pixels::Random(share) = self.pixels {
            write!(f, "share={share}, ")?;
        }
        write!(f, "std={}, seed={}", self.std, self.seed)?;
        match self.range {
            [0.0, 1.0] => f.write_str(")"),
            [low, high] => write!(f, ", range=[{low}, {high}])"),
        }
    }
}
