//! Attacks: inputs changed until a model takes them for something else.

mod bim;
mod cw;
mod fgsm;
mod jsma;
mod pgd;

#[cfg(feature = "torch")]
mod attacker;
#[cfg(feature = "torch")]
mod sign_steps;
#[cfg(feature = "torch")]
mod subject;
#[cfg(all(test, feature = "torch"))]
mod tests;

use std::fmt;

#[cfg(feature = "torch")]
pub use attacker::Attacker;
pub use bim::Bim;
pub use cw::Cw;
pub use fgsm::{Fgsm, Norm};
pub use jsma::Jsma;
pub use pgd::Pgd;

use super::parameters::Field;
use crate::declare::nearest::did_you_mean;
use crate::{Error, ErrorKind, Result};

/// An attack: how inputs are changed, and what for.
///
/// Gradients are those of the logits, what the final softmax reads, through whatever the model does before: a softmax inside the file does not weaken an
/// attack. The model classifies one input of floats; operators without a gradient (quantised ones) are an error that names them.
///
/// Without a `target` an attack leads away from the label, or from the class that the model predicts of the original where the data has no
/// labels; an input that is misclassified already is attacked all the same. With one it leads to that class.
///
/// Every input is attacked for itself: what is made of it depends on no other input of its batch. Batches only decide how many are run together, and
/// an input that is finished leaves its batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Attack {
    /// How.
    pub method: Method,
    /// The class to be taken for; any other than the own one where there is none.
    pub target: Option<Target>,
    /// Where values lie before they are normalised: finite, the lower end first.
    pub range: [f64; 2],
}

/// How inputs are changed.
#[derive(Debug, Clone, PartialEq)]
pub enum Method {
    /// Fast gradient sign method.
    Fgsm(Fgsm),
    /// Basic iterative method.
    Bim(Bim),
    /// Projected gradient descent.
    Pgd(Pgd),
    /// Jacobian-based saliency map attack.
    Jsma(Jsma),
    /// Carlini and Wagner's attack with the Euclidean norm.
    Cw(Cw),
}

/// A class that inputs are to be taken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The number of its logit, from 0 on.
    Number(u32),
    /// Its name in the data, the name of a folder.
    Name(String),
}

/// `3` or `"cat"`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => write!(f, "{name:?}"),
        }
    }
}

impl Target {
    /// The number of its logit, given the names of the data's classes.
    ///
    /// # Errors
    /// If the data has no class of this name.
    pub fn class(&self, classes: Option<&[String]>) -> Result<i64> {
        let name = match self {
            Self::Number(number) => return Ok(i64::from(*number)),
            Self::Name(name) => name,
        };
        let wrong = |what: String| Error::new(ErrorKind::Configuration, what);
        let Some(classes) = classes else {
            return Err(wrong(format!("`target` is the class `{name}`, but this data has no names of classes"))
                .with_help("name the class by the number of its logit, from 0 on: `target = 3`"));
        };
        // Folders named by different numbers are labelled by these.
        let numbers: Option<Vec<i64>> = classes.iter().map(|known| known.parse().ok()).collect();
        match classes.iter().position(|known| known == name) {
            Some(place) => Ok(numbers.map_or(place as i64, |numbers| numbers[place])),
            None => Err(wrong(format!("`target` is the class `{name}`, which this data does not have"))
                .with_help(did_you_mean(name, classes.iter().map(String::as_str)))),
        }
    }
}

impl Attack {
    /// Without a target, on data from 0 to 1.
    pub fn new(method: Method) -> Self {
        Self { method, target: None, range: [0.0, 1.0] }
    }

    pub(super) fn field(&mut self, key: &str) -> Option<Field<'_>> {
        match key {
            "target" => Some(Field::Target(&mut self.target)),
            "range" => Some(Field::Range(&mut self.range)),
            _ => self.method.field(key),
        }
    }
}

impl Method {
    /// Its key in `cleanai.toml`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Fgsm(_) => "fgsm",
            Self::Bim(_) => "bim",
            Self::Pgd(_) => "pgd",
            Self::Jsma(_) => "jsma",
            Self::Cw(_) => "cw",
        }
    }

    /// The farthest that a value may be moved, as a share of the range, where the method bounds it.
    pub fn farthest(&self) -> Option<f64> {
        match self {
            Self::Fgsm(Fgsm { eps, norm: Norm::Largest }) | Self::Bim(Bim { eps, .. }) | Self::Pgd(Pgd { eps, .. }) => {
                Some(*eps)
            }
            Self::Fgsm(_) | Self::Jsma(_) | Self::Cw(_) => None,
        }
    }

    pub(super) fn keys(&self) -> &'static [&'static str] {
        match self {
            Self::Fgsm(_) => Fgsm::KEYS,
            Self::Bim(_) => Bim::KEYS,
            Self::Pgd(_) => Pgd::KEYS,
            Self::Jsma(_) => Jsma::KEYS,
            Self::Cw(_) => Cw::KEYS,
        }
    }

    fn field(&mut self, key: &str) -> Option<Field<'_>> {
        match self {
            Self::Fgsm(method) => method.field(key),
            Self::Bim(method) => method.field(key),
            Self::Pgd(method) => method.field(key),
            Self::Jsma(method) => method.field(key),
            Self::Cw(method) => method.field(key),
        }
    }
}
