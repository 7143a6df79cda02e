//! Which figure of a criterion is bounded, if it is not the value.

use std::fmt;

/// A figure of a criterion other than its value: what follows the point in `kmnc(k=100).per_class(min) >= 0.3`.
///
/// ```
/// use cleanai_harness::declare::{Aggregate, Figure, Requirement};
/// let requirement: Requirement = "kmnc(k=100).per_class(min) >= 0.3".parse()?;
/// assert_eq!(requirement.figure, Some(Figure::PerClass(Aggregate::Min)));
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Figure {
    /// `.covered`: how many items are covered.
    Covered,
    /// `.uncovered`: how many are not.
    Uncovered,
    /// `.per_class(min)`: over the values of the inputs of each class by themselves; classes with nothing to cover are left out.
    PerClass(Aggregate),
    /// `.per_layer(min)`: over the values of the layers; layers with nothing to cover are left out.
    PerLayer(Aggregate),
    /// `.auroc`: a number among the result's details, by its key.
    Detail(String),
}

/// What is made of several values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aggregate {
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// The arithmetic mean, each value of equal weight.
    Mean,
}

impl Figure {
    /// Whether it is a count of items rather than a value.
    pub fn is_count(&self) -> bool {
        matches!(self, Self::Covered | Self::Uncovered)
    }

    /// Whether it is made of the criterion's values, so that it lies where they do.
    pub fn is_value(&self) -> bool {
        matches!(self, Self::PerClass(_) | Self::PerLayer(_))
    }
}

impl Aggregate {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Min, Self::Max, Self::Mean];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Min => "min",
            Self::Max => "max",
            Self::Mean => "mean",
        }
    }

    /// That of these values; none of none.
    ///
    /// ```
    /// use cleanai_harness::declare::Aggregate;
    /// assert_eq!(Aggregate::Min.of([0.5, 0.25, 0.75]), Some(0.25));
    /// assert_eq!(Aggregate::Mean.of([0.5, 0.25, 0.75]), Some(0.5));
    /// assert_eq!(Aggregate::Max.of([]), None);
    /// ```
    pub fn of(self, values: impl IntoIterator<Item = f64>) -> Option<f64> {
        let values: Vec<f64> = values.into_iter().collect();
        // Not `f64::min`, which passes over NaN: what is not a number must be seen.
        let extreme = |better: fn(&f64, &f64) -> bool| {
            values.iter().copied().reduce(|found, next| {
                if found.is_nan() || (!next.is_nan() && !better(&next, &found)) { found } else { next }
            })
        };
        match self {
            Self::Min => extreme(f64::lt),
            Self::Max => extreme(f64::gt),
            Self::Mean => (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Covered => f.write_str("covered"),
            Self::Uncovered => f.write_str("uncovered"),
            Self::PerClass(aggregate) => write!(f, "per_class({})", aggregate.as_str()),
            Self::PerLayer(aggregate) => write!(f, "per_layer({})", aggregate.as_str()),
            Self::Detail(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aggregates_see_what_is_not_a_number() {
        for aggregate in Aggregate::ALL {
            assert_eq!(aggregate.of([]), None);
            assert_eq!(aggregate.of([0.25]), Some(0.25));
            for values in [[0.5, f64::NAN], [f64::NAN, 0.5]] {
                assert!(aggregate.of(values).unwrap().is_nan(), "{aggregate:?} of {values:?}");
            }
        }
        assert_eq!(Aggregate::Max.of([0.5, 0.75, 0.75, 0.1]), Some(0.75));
        assert_eq!(Aggregate::Min.of([0.5, 0.1, 0.75, 0.1]), Some(0.1));
    }
}
