//! Equal buckets between two bounds, and which of them scores fall into.

use crate::{Error, ErrorKind, Result};

/// `count` equal buckets of `(lower, upper]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Buckets {
    pub count: usize,
    pub lower: f64,
    pub upper: f64,
}

/// Where a score falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// At the lower bound or below it.
    Below,
    /// In this bucket.
    Bucket(usize),
    /// Above the upper bound.
    Above,
}

impl Buckets {
    /// # Errors
    /// If the lower bound is not below the upper one; `why` says where they come from.
    pub fn new(criterion: &str, count: usize, (lower, upper): (f64, f64), why: &str) -> Result<Self> {
        if lower < upper && (upper - lower).is_finite() {
            return Ok(Self { count, lower, upper });
        }
        let what = format!(
            "`{criterion}`: its buckets would lie above {lower} and up to {upper}{why}: there is no room for them"
        );
        Err(Error::new(ErrorKind::Criterion, what).with_help("give a `lower` that is below `upper`"))
    }

    /// Where a score that is a number falls; infinity lies above.
    pub fn place(&self, score: f64) -> Place {
        if score <= self.lower {
            return Place::Below;
        }
        if score > self.upper {
            return Place::Above;
        }
        let at = ((score - self.lower) / (self.upper - self.lower) * self.count as f64).ceil();
        Place::Bucket((at as usize).clamp(1, self.count) - 1)
    }
}

/// The smallest score, and the one that 99.9 % of them reach at most, between two by linear interpolation.
pub(super) fn bounds_of(mut scores: Vec<f64>) -> (f64, f64) {
    scores.sort_unstable_by(f64::total_cmp);
    let (Some(first), Some(last)) = (scores.first(), scores.len().checked_sub(1)) else { return (0.0, 0.0) };
    let at = 0.999 * last as f64;
    let (below, share) = (at.floor() as usize, at.fract());
    let (one, other) = (scores[below], scores[(below + 1).min(last)]);
    (*first, one + (other - one) * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_its_upper_end() {
        let buckets = Buckets::new("dsc", 2, (0.0, 1.0), "").unwrap();
        let places = [0.0, 0.5, 0.500_000_1, 1.0, 1.0001, -3.0, f64::INFINITY].map(|score| buckets.place(score));
        use Place::{Above, Below, Bucket};
        assert_eq!(places, [Below, Bucket(0), Bucket(1), Bucket(1), Above, Below, Above]);
        let fine = Buckets::new("dsc", 4, (0.0, 1.0), "").unwrap();
        assert_eq!([0.25, 0.75, 1e-300].map(|score| fine.place(score)), [Bucket(0), Bucket(2), Bucket(0)]);
    }

    #[test]
    fn bounds_that_leave_no_room_are_refused() {
        let error = Buckets::new("lsc", 10, (2.0, 2.0), ", as given").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`lsc`: its buckets would lie above 2 and up to 2, as given: there is no room for them\n  \
             help: give a `lower` that is below `upper`"
        );
        assert!(Buckets::new("lsc", 10, (f64::NAN, 2.0), "").is_err());
        assert!(Buckets::new("lsc", 10, (-f64::MAX, f64::MAX), "").is_err());
    }

    #[test]
    fn default_bounds_leave_a_thousandth_above() {
        assert_eq!(bounds_of((0..=1000).map(f64::from).collect()), (0.0, 999.0));
        let (lower, upper) = bounds_of(vec![3.0, 1.0, 2.0]);
        assert!(lower == 1.0 && (upper - 2.998).abs() < 1e-12);
        assert_eq!(bounds_of(vec![5.0]), (5.0, 5.0));
    }
}
