//! Parameters of augmentations: what each may be, and how it is written. One list of them serves files, the command line and messages.

use super::Augmentation;
use super::attack::{Norm, Target};
use crate::{Error, ErrorKind, Result};

/// Most repetitions of anything.
pub(crate) const MOST: u32 = 1_000_000;

/// A parameter.
#[derive(Debug)]
pub(crate) enum Field<'a> {
    Number(&'a mut f64, Within),
    /// 1 at least and [`MOST`] at most.
    Count(&'a mut u32),
    Seed(&'a mut u64),
    Flag(&'a mut bool),
    Norm(&'a mut Norm),
    Target(&'a mut Option<Target>),
    Range(&'a mut [f64; 2]),
}

/// The bounds of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Within {
    /// More than 0, at most 1.
    Share,
    /// A share up or down.
    SignedShare,
    AboveZero,
    AtLeastZero,
}

impl Within {
    pub fn holds(self, number: f64) -> bool {
        match self {
            Self::Share => number > 0.0 && number <= 1.0,
            Self::SignedShare => number != 0.0 && (-1.0..=1.0).contains(&number),
            Self::AboveZero => number.is_finite() && number > 0.0,
            Self::AtLeastZero => number.is_finite() && number >= 0.0,
        }
    }

    /// What stands behind "must be".
    pub fn text(self) -> &'static str {
        match self {
            Self::Share => "more than 0 and at most 1",
            Self::SignedShare => "from -1 to 1 and not 0",
            Self::AboveZero => "finite and more than 0",
            Self::AtLeastZero => "finite and 0 or more",
        }
    }
}

/// The error of the first parameter that is out of bounds.
pub(super) fn check(augmentation: &mut Augmentation) -> Result<()> {
    for key in augmentation.keys() {
        let what = match augmentation.field(key) {
            Some(Field::Number(number, within)) if !within.holds(*number) => {
                format!("`{key}` must be {}, not {number}", within.text())
            }
            Some(Field::Count(count)) if !(1..=MOST).contains(count) => {
                format!("`{key}` must be from 1 to {MOST}, not {count}")
            }
            Some(Field::Range(range)) if !(range[0].is_finite() && range[1].is_finite() && range[0] < range[1]) => {
                format!("`{key}` must be two finite numbers, the lower first, not {range:?}")
            }
            _ => continue,
        };
        return Err(Error::new(ErrorKind::Configuration, what));
    }
    Ok(())
}

/// Name and parameters; the range and the target only where they are not the usual.
pub(super) fn text(augmentation: &mut Augmentation) -> String {
    let mut parts = Vec::new();
    for key in augmentation.keys() {
        parts.push(match augmentation.field(key) {
            Some(Field::Number(number, _)) => format!("{key}={number}"),
            Some(Field::Count(count)) => format!("{key}={count}"),
            Some(Field::Seed(seed)) => format!("{key}={seed}"),
            Some(Field::Flag(flag)) => format!("{key}={flag}"),
            Some(Field::Norm(norm)) => format!("{key}=\"{}\"", norm.name()),
            Some(Field::Target(Some(target))) => format!("{key}={target}"),
            Some(Field::Range([low, high])) if [*low, *high] != [0.0, 1.0] => format!("{key}=[{low}, {high}]"),
            Some(Field::Target(None) | Field::Range(_)) | None => continue,
        });
    }
    format!("{}({})", augmentation.name(), parts.join(", "))
}
