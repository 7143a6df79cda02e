//! Inputs beyond the test set: made of its inputs by noise or by an attack, each with its parent's label (CRITERIA section 8).
//!
//! | `augment` | changes |
//! |---|---|
//! | `{ relevant_pixels = { share = 0.02, std = 0.3, seed = 0 } }` | noise on the pixels that the predicted class's logit owes most to, by layer-wise relevance propagation |
//! | `{ random_pixels = { share = 0.02, std = 0.3, seed = 0 } }` | noise on as many pixels drawn at random |
//! | `{ gaussian = { std = 0.3, seed = 0 } }` | noise on all pixels |
//! | `{ fgsm = { eps = 0.3, norm = "inf" } }` | one step along the gradient: [`Fgsm`] |
//! | `{ bim = { eps = 0.3, step = 0.05, iterations = 10 } }` | small steps along the gradient: [`Bim`] |
//! | `{ pgd = { eps = 0.3, step = 0.01, iterations = 40, seed = 0 } }` | the same from a random start: [`Pgd`] |
//! | `{ jsma = { theta = 1, gamma = 1 } }` | pairs of values that speak most for a class: [`Jsma`] |
//! | `{ cw = { confidence = 0, learning_rate = 5e-3, binary_search_steps = 5, max_iterations = 1000, abort_early = true, initial_const = 1e-2 } }` | as little as it takes: [`Cw`] |
//!
//! These are the defaults. A test on such data measures the union: the test set, then what is made of it, one augmentation after the
//! other (U_O + U_DI and U_O + U_S of DeepImportance); `accuracy` counts all of them. The profile set stays as it is. Each input made is named after its
//! parent: `7/12.png + gaussian(std=0.3, seed=0)`. `cargo cleanai augment` writes them to files.
//!
//! # The data's range
//!
//! All changes are made, and clipped, where the data lies before it is normalised: `range = [0, 1]` unless the augmentation says otherwise, which is where
//! 8-bit inputs lie. `std`, `eps`, `step` and `theta` are shares of the range's length. Each `normalize` at the end of the transform is accounted for: range
//! and changes go through it as the inputs do, and gradients back through it. No other step may follow one, because it could mix what has been scaled
//! differently. Data with a value outside the range is an error, as are several arrays and whole numbers.
//!
//! # Pixels and noise
//!
//! A pixel is a position with all its channels: of an input of shape (C, H, W), or of more axes, one of the H · W; of shape (H, W) or (F), where
//! there are no channels, each value. Its relevance is the sum over its channels, compared in f32 with the sign kept; of equals the first pixels
//! are taken. `share` of all are changed, rounded, one at least. Every value of a changed pixel gets noise of its own, normal with mean 0 and
//! `std` times the length of the range.
//!
//! Noise, and the random start of `pgd`, depend on nothing but the augmentation's name and seed, the input's number and the place of the value in it
//! (ChaCha8, Box and Muller): not on batches or threads. The most relevant pixels, and the sign of a gradient next to 0, could in principle depend on
//! the size of a batch, where two differ by no more than rounding.
//!
//! # Attacks
//!
//! See [`Attack`].

pub(crate) mod attack;
pub(crate) mod parameters;

#[cfg(feature = "torch")]
mod noise;
#[cfg(feature = "torch")]
mod pixels;
#[cfg(feature = "torch")]
mod scale;
#[cfg(all(test, feature = "torch"))]
mod tests;

use std::fmt;

#[cfg(feature = "torch")]
pub use attack::Attacker;
pub use attack::{Attack, Bim, Cw, Fgsm, Jsma, Method, Norm, Pgd, Target};
#[cfg(feature = "torch")]
pub(crate) use noise::Noise;
use parameters::{Field, Within};
#[cfg(feature = "torch")]
pub(crate) use scale::{Scale, normalize};

use crate::Result;

/// One way to make further inputs of those of the test set.
#[derive(Debug, Clone, PartialEq)]
pub enum Augmentation {
    /// Noise on pixels.
    Noise(PixelNoise),
    /// What a model takes for something else.
    Attack(Attack),
}

/// Noise on some of the pixels of an input.
#[derive(Debug, Clone, PartialEq)]
pub struct PixelNoise {
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

impl PixelNoise {
    /// The share of changed pixels unless it is said.
    pub const SHARE: f64 = 0.02;

    /// The defaults on these pixels.
    pub fn new(pixels: Pixels) -> Self {
        Self { pixels, std: 0.3, seed: 0, range: [0.0, 1.0] }
    }

    /// Its key in `cleanai.toml`.
    pub fn name(&self) -> &'static str {
        match self.pixels {
            Pixels::Relevant(_) => Augmentation::NAMES[0],
            Pixels::Random(_) => Augmentation::NAMES[1],
            Pixels::All => Augmentation::NAMES[2],
        }
    }

    fn keys(&self) -> &'static [&'static str] {
        match self.pixels {
            Pixels::All => &["std", "seed", "range"],
            _ => &["share", "std", "seed", "range"],
        }
    }

    fn field(&mut self, key: &str) -> Option<Field<'_>> {
        Some(match (key, &mut self.pixels) {
            ("share", Pixels::Random(share) | Pixels::Relevant(share)) => Field::Number(share, Within::Share),
            ("std", _) => Field::Number(&mut self.std, Within::AboveZero),
            ("seed", _) => Field::Seed(&mut self.seed),
            ("range", _) => Field::Range(&mut self.range),
            _ => return None,
        })
    }
}

impl From<PixelNoise> for Augmentation {
    fn from(noise: PixelNoise) -> Self {
        Self::Noise(noise)
    }
}

impl From<Attack> for Augmentation {
    fn from(attack: Attack) -> Self {
        Self::Attack(attack)
    }
}

impl Augmentation {
    /// Every name there is.
    pub const NAMES: [&str; 8] = ["relevant_pixels", "random_pixels", "gaussian", "fgsm", "bim", "pgd", "jsma", "cw"];

    /// The one of this name with its defaults.
    ///
    /// ```
    /// use cleanai_harness::synthesis::Augmentation;
    ///
    /// assert_eq!(Augmentation::named("fgsm").unwrap().to_string(), r#"fgsm(eps=0.3, norm="inf")"#);
    /// ```
    pub fn named(name: &str) -> Option<Self> {
        let method = match name {
            "relevant_pixels" => return Some(PixelNoise::new(Pixels::Relevant(PixelNoise::SHARE)).into()),
            "random_pixels" => return Some(PixelNoise::new(Pixels::Random(PixelNoise::SHARE)).into()),
            "gaussian" => return Some(PixelNoise::new(Pixels::All).into()),
            "fgsm" => Method::Fgsm(Fgsm::default()),
            "bim" => Method::Bim(Bim::default()),
            "pgd" => Method::Pgd(Pgd::default()),
            "jsma" => Method::Jsma(Jsma::default()),
            "cw" => Method::Cw(Cw::default()),
            _ => return None,
        };
        Some(Attack::new(method).into())
    }

    /// Its key in `cleanai.toml`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Noise(noise) => noise.name(),
            Self::Attack(attack) => attack.method.name(),
        }
    }

    /// Where values lie before they are normalised.
    pub fn range(&self) -> [f64; 2] {
        match self {
            Self::Noise(noise) => noise.range,
            Self::Attack(attack) => attack.range,
        }
    }

    /// Whether it takes an explanation of the model to choose its pixels.
    pub fn needs_relevance(&self) -> bool {
        matches!(self, Self::Noise(PixelNoise { pixels: Pixels::Relevant(_), .. }))
    }

    /// The parameters it takes.
    pub(crate) fn keys(&self) -> &'static [&'static str] {
        match self {
            Self::Noise(noise) => noise.keys(),
            Self::Attack(attack) => attack.method.keys(),
        }
    }

    /// One of its parameters, to be read or set.
    pub(crate) fn field(&mut self, key: &str) -> Option<Field<'_>> {
        match self {
            Self::Noise(noise) => noise.field(key),
            Self::Attack(attack) => attack.field(key),
        }
    }

    /// Checks its numbers: those of a file are checked where they are read, others may come from anywhere.
    ///
    /// # Errors
    /// The first parameter that is out of bounds, and its bounds.
    pub fn check(&self) -> Result<()> {
        parameters::check(&mut self.clone())
    }
}

/// For example `relevant_pixels(share=0.02, std=0.3, seed=1)`.
impl fmt::Display for Augmentation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&parameters::text(&mut self.clone()))
    }
}
