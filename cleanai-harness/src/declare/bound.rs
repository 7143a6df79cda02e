//! What a figure is held against: a number, the baseline, or another model.

use std::fmt;

/// The bound of a requirement.
///
/// ```
/// use cleanai_harness::declare::{Adjustment, Bound, Reference, Requirement};
/// let requirement: Requirement = "idc(m=6) >= against - 0.02".parse()?;
/// assert_eq!(requirement.bound, Bound::Relative { to: Reference::Against, adjustment: Adjustment::Add(-0.02) });
/// assert_eq!(requirement.bound.at(0.75), 0.73);
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// A number, finite.
    Number(f64),
    /// What the reference has, adjusted.
    Relative {
        /// Whose figure it is.
        to: Reference,
        /// How much more or less than that.
        adjustment: Adjustment,
    },
}

/// Whose figure a bound is relative to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    /// `baseline`: the committed baseline's.
    Baseline,
    /// `against`: that of the model which the test compares with, on the same data.
    Against,
}

/// What is done to the figure of a [`Reference`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Adjustment {
    /// Nothing.
    None,
    /// `+ 0.01` or, below zero, `- 0.01`: a number is added; finite and not zero.
    Add(f64),
    /// `* 0.98`: it is multiplied by a number; finite and above zero.
    Times(f64),
}

impl Bound {
    /// The number, if it is one.
    pub fn number(self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Relative { .. } => None,
        }
    }

    /// Whose figure it is relative to, if it is.
    pub fn reference(self) -> Option<Reference> {
        match self {
            Self::Number(_) => None,
            Self::Relative { to, .. } => Some(to),
        }
    }

    /// The number it comes to where the reference has this figure, without the noise of binary fractions (0.57 - 0.02 is 0.55).
    pub fn at(self, reference: f64) -> f64 {
        match self {
            Self::Number(number) => number,
            Self::Relative { adjustment: Adjustment::None, .. } => reference,
            Self::Relative { adjustment: Adjustment::Add(more), .. } => without_noise(reference + more),
            Self::Relative { adjustment: Adjustment::Times(factor), .. } => without_noise(reference * factor),
        }
    }
}

/// The number of fifteen digits nearest to one.
pub(crate) fn without_noise(number: f64) -> f64 {
    if number.is_finite() { format!("{number:.14e}").parse().unwrap_or(number) } else { number }
}

impl From<f64> for Bound {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl Reference {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Against => "against",
        }
    }
}

/// Canonical; reads back as the same.
impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Number(number) => write_number(f, number),
            Self::Relative { to, adjustment } => {
                f.write_str(to.as_str())?;
                let (operator, number) = match adjustment {
                    Adjustment::None => return Ok(()),
                    Adjustment::Add(more) if more < 0.0 => ("-", -more),
                    Adjustment::Add(more) => ("+", more),
                    Adjustment::Times(factor) => ("*", factor),
                };
                write!(f, " {operator} ")?;
                write_number(f, number)
            }
        }
    }
}

/// A bound is always a number, so it needs no point to stay one; far from 1 an exponent reads better than zeros.
fn write_number(f: &mut fmt::Formatter<'_>, number: f64) -> fmt::Result {
    let size = number.abs();
    if size == 0.0 || (1e-5..1e16).contains(&size) { write!(f, "{number}") } else { write!(f, "{number:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_differences_are_decimal() {
        let baseline = |adjustment| Bound::Relative { to: Reference::Baseline, adjustment };
        assert_eq!(baseline(Adjustment::Add(-0.02)).at(0.57), 0.55);
        assert_eq!(baseline(Adjustment::Add(0.1)).at(0.2), 0.3);
        assert_eq!(baseline(Adjustment::Times(0.98)).at(0.5), 0.49);
        assert_eq!(baseline(Adjustment::None).at(0.123_456_789_012_345_67), 0.123_456_789_012_345_67);
        assert!(baseline(Adjustment::Add(1.0)).at(f64::NAN).is_nan());
        assert_eq!(Bound::Number(0.4).at(0.9), 0.4);
    }
}
