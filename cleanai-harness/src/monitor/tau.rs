//! From etas to a threshold, and from a threshold to a confidence.

use std::cmp::Ordering;

/// The value below which this share of the values lies, interpolated linearly between the two beside it; also right with infinities. `None` of no values.
///
/// ```
/// use cleanai_harness::monitor::quantile;
///
/// assert_eq!(quantile(&[3.0, 1.0, 2.0], 0.75), Some(2.5));
/// assert_eq!(quantile(&[], 0.75), None);
/// ```
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    // Where it lies is computed as numpy does: an eta that is the quantile itself must not lie beside it.
    let place = share * sorted.len().checked_sub(1)? as f64;
    let below = place.floor();
    let low = *sorted.get(below as usize)?;
    let high = sorted.get(below as usize + 1).copied().unwrap_or(low);
    Some(if low == high || place == below { low } else { low + (place - below) * (high - low) })
}

/// The eta that parts trusted from untrusted inputs best (Youden's J): of those that occur the one with the largest share of untrusted above it less the
/// share of trusted above it, the smallest of equals. `None` where there are none of one of them.
///
/// ```
/// use cleanai_harness::monitor::youden;
///
/// // One of three trusted inputs lies above 1, all untrusted ones do; up to 2 it is none and two of three.
/// assert_eq!(youden(&[0.0, 1.0, 2.0], &[2.0, 5.0, 9.0]), Some(1.0));
/// assert_eq!(youden(&[1.0, 1.0], &[0.5, 0.5]), Some(1.0));
/// ```
pub fn youden(trusted: &[f64], untrusted: &[f64]) -> Option<f64> {
    if trusted.is_empty() || untrusted.is_empty() {
        return None;
    }
    let sorted = |values: &[f64]| {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted
    };
    let (trusted, untrusted) = (sorted(trusted), sorted(untrusted));
    let (mut best, mut tau) = (i128::MIN, None);
    let (mut below_trusted, mut below_untrusted) = (0, 0);
    loop {
        let next = match (trusted.get(below_trusted), untrusted.get(below_untrusted)) {
            (Some(one), Some(other)) => one.min(*other),
            (Some(only), None) | (None, Some(only)) => *only,
            (None, None) => return tau,
        };
        let is_up_to = |value: &&f64| value.partial_cmp(&&next) != Some(Ordering::Greater);
        below_trusted += trusted[below_trusted..].iter().take_while(is_up_to).count();
        below_untrusted += untrusted[below_untrusted..].iter().take_while(is_up_to).count();
        // Shares over one denominator: whole numbers, so that equals are equal.
        let above = |all: &[f64], below: usize| (all.len() - below) as i128;
        let parted = above(&untrusted, below_untrusted) * trusted.len() as i128
            - above(&trusted, below_trusted) * untrusted.len() as i128;
        if parted > best {
            (best, tau) = (parted, Some(next));
        }
    }
}

/// The confidence in an input, exp(-eta ln 2 / tau) in 0..=1, and whether it is accepted, which is eta <= tau. A tau of 0 accepts an eta of 0 alone, with
/// a confidence of 1; without a tau nothing is accepted, with one of 0.
///
/// ```
/// use cleanai_harness::monitor::confidence;
///
/// assert_eq!(confidence(3.0, Some(3.0)), (0.5, true));
/// assert_eq!(confidence(0.0, Some(0.0)), (1.0, true));
/// assert_eq!(confidence(0.0, None), (0.0, false));
/// ```
pub fn confidence(eta: f64, tau: Option<f64>) -> (f64, bool) {
    let Some(tau) = tau else { return (0.0, false) };
    let confidence = if eta.is_nan() {
        0.0
    } else if tau == 0.0 {
        f64::from(u8::from(eta == 0.0))
    } else if eta == tau {
        0.5
    } else {
        (-eta * std::f64::consts::LN_2 / tau).exp()
    };
    (confidence, eta <= tau)
}
