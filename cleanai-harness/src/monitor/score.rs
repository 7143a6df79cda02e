//! How well etas part two sets of inputs.

/// The probability that an untrusted input's eta is larger than a trusted one's, ties counted half: the area under the ROC curve, in 0..=1. `None` where
/// there are none of one of them.
///
/// ```
/// use cleanai_harness::monitor::auroc;
///
/// assert_eq!(auroc(&[2.0, 3.0], &[1.0, 2.0]), Some(0.875));
/// ```
pub fn auroc(untrusted: &[f64], trusted: &[f64]) -> Option<f64> {
    if untrusted.is_empty() || trusted.is_empty() {
        return None;
    }
    let mut sorted = trusted.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let twice: u128 = untrusted
        .iter()
        .map(|eta| {
            let below = sorted.partition_point(|other| other < eta);
            let up_to = sorted.partition_point(|other| other <= eta);
            (below + up_to) as u128
        })
        .sum();
    Some(twice as f64 / 2.0 / (untrusted.len() as f64 * trusted.len() as f64))
}

/// The largest share of untrusted inputs that a threshold (eta >= it) finds which finds at most this share of the trusted ones. `None` where there are
/// none of one of them.
///
/// ```
/// use cleanai_harness::monitor::true_positives_at;
///
/// assert_eq!(true_positives_at(0.25, &[2.0, 3.0], &[0.0, 1.0, 1.0, 2.0]), Some(1.0));
/// assert_eq!(true_positives_at(0.05, &[2.0, 3.0], &[0.0, 1.0, 1.0, 2.0]), Some(0.5));
/// ```
pub fn true_positives_at(false_positives: f64, untrusted: &[f64], trusted: &[f64]) -> Option<f64> {
    if untrusted.is_empty() || trusted.is_empty() {
        return None;
    }
    let at_least = |all: &[f64], threshold: f64| all.iter().filter(|eta| **eta >= threshold).count() as f64;
    let mut thresholds: Vec<f64> = untrusted.to_vec();
    thresholds.sort_unstable_by(f64::total_cmp);
    thresholds.dedup();
    // The share of trusted inputs falls with the threshold, so the first that meets it finds most.
    let meets = |threshold: &f64| at_least(trusted, *threshold) / trusted.len() as f64 <= false_positives;
    let first = thresholds.partition_point(|threshold| !meets(threshold));
    let found = thresholds.get(first).map_or(0.0, |threshold| at_least(untrusted, *threshold));
    Some(found / untrusted.len() as f64)
}
