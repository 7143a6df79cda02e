//! The inputs with the largest numbers.

use crate::criteria::PerInput;

/// The `count` inputs with the largest numbers in the first column, the largest first, the earlier of equals first; those without a
/// number are left out.
///
/// ```
/// use cleanai_harness::criteria::PerInput;
/// use cleanai_harness::selection::highest;
///
/// let scores = PerInput { inputs: vec![0, 1, 5], columns: vec![("dsa".into(), vec![0.5, f64::NAN, f64::INFINITY])] };
/// assert_eq!(highest(&scores, 2), [(5, f64::INFINITY), (0, 0.5)]);
/// ```
pub fn highest(scores: &PerInput, count: usize) -> Vec<(usize, f64)> {
    let numbers = scores.columns.first().map_or(&[][..], |(_, numbers)| numbers);
    let mut ranked: Vec<(usize, f64)> =
        scores.inputs.iter().zip(numbers).map(|(input, number)| (*input as usize, *number)).collect();
    ranked.retain(|(_, number)| !number.is_nan());
    // Zeros of both signs are equal.
    ranked.sort_by(|one, other| (other.1 + 0.0).total_cmp(&(one.1 + 0.0)).then(one.0.cmp(&other.0)));
    ranked.truncate(count);
    ranked
}
