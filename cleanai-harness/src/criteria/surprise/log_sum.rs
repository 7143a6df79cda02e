//! The logarithm of a sum of exponentials, term by term, without ever leaving the range of f64.

use crate::vectorise::vectorised;

/// Terms looked at together.
const CHUNK: usize = 64;

/// Sums that run side by side.
const LANES: usize = 8;

/// Terms smaller than the largest by this factor's logarithm add nothing, however many they are.
const NOTHING: f64 = 80.0;

/// A sum of exponentials so far, over that of the largest exponent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct LogSum {
    largest: f64,
    sums: [f64; LANES],
}

impl Default for LogSum {
    fn default() -> Self {
        Self { largest: f64::NEG_INFINITY, sums: [0.0; LANES] }
    }
}

impl LogSum {
    /// Adds the exponentials of `products - half`, one by one; minus infinity adds nothing.
    pub fn add(&mut self, products: &[f64], half: &[f64]) {
        add(self, products, half);
    }

    /// The logarithm; minus infinity of nothing.
    pub fn logarithm(&self) -> f64 {
        self.largest + self.sums.iter().sum::<f64>().ln()
    }
}

vectorised! {
    fn add(own: &mut LogSum, products: &[f64], half: &[f64]) {
        for (products, half) in products.chunks(CHUNK).zip(half.chunks(CHUNK)) {
            let mut terms = [f64::NEG_INFINITY; CHUNK];
            for ((term, product), half) in terms.iter_mut().zip(products).zip(half) {
                *term = product - half;
            }
            let mut largest = [f64::NEG_INFINITY; LANES];
            for terms in terms.chunks_exact(LANES) {
                for (largest, term) in largest.iter_mut().zip(terms) {
                    *largest = if *term > *largest { *term } else { *largest };
                }
            }
            let largest = largest.into_iter().fold(f64::NEG_INFINITY, f64::max);
            if largest == f64::NEG_INFINITY || largest < own.largest - NOTHING {
                continue;
            }
            if largest > own.largest {
                let scale = exponential(own.largest - largest);
                own.sums.iter_mut().for_each(|sum| *sum *= scale);
                own.largest = largest;
            }
            for terms in terms.chunks_exact(LANES) {
                for (sum, term) in own.sums.iter_mut().zip(terms) {
                    *sum += exponential(term - own.largest);
                }
            }
        }
    }
}

/// e to a power that is not above 0, to a few units in the last place; of powers below -700 it is as good as 0.
#[inline(always)]
fn exponential(power: f64) -> f64 {
    /// Added to a number, leaves its nearest integer in the lowest bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    // The logarithm of 2 in two parts: the first has so few digits that its multiples are exact.
    const LN_2_HIGH: f64 = 0.693_147_180_369_123_8;
    const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    let power = if power < -700.0 { -700.0 } else { power };
    let shifted = power * std::f64::consts::LOG2_E + ROUND;
    let exponent = shifted - ROUND;
    let rest = (power - exponent * LN_2_HIGH) - exponent * LN_2_LOW;
    // Taylor's series: the rest is at most half the logarithm of 2.
    let mut series = 1.0 / 6_227_020_800.0;
    for factor in [
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        series = series * rest + factor;
    }
    f64::from_bits(series.to_bits().wrapping_add(shifted.to_bits() << 52))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_right_to_the_last_places() {
        for at in 0..100_000 {
            let power = -f64::from(at) * 0.006_997;
            let (found, expected) = (exponential(power), power.exp());
            assert!((found - expected).abs() <= 1e-15 * expected, "{power}: {found}, not {expected}");
        }
        assert_eq!(exponential(0.0), 1.0);
        assert!(exponential(f64::NEG_INFINITY) < 1e-300);
    }

    #[test]
    fn sums_do_not_overflow_and_know_nothing() {
        let of = |products: &[f64]| {
            let mut sum = LogSum::default();
            sum.add(products, &vec![0.0; products.len()]);
            sum.logarithm()
        };
        assert_eq!(of(&[]), f64::NEG_INFINITY);
        assert_eq!(of(&[f64::NEG_INFINITY]), f64::NEG_INFINITY);
        assert_eq!(of(&[-1e300]), -1e300);
        assert!((of(&[1e5, 1e5]) - 1e5 - 2f64.ln()).abs() < 1e-10);
        let ascending: Vec<f64> = (0..1000).map(|at| f64::from(at) * 0.1 - 5000.0).collect();
        let geometric = -5000.0 + 99.9 + (1.0 / (1.0 - (-0.1f64).exp())).ln();
        assert!((of(&ascending) - geometric).abs() < 1e-11);
        let descending: Vec<f64> = ascending.iter().rev().copied().collect();
        assert!((of(&descending) - geometric).abs() < 1e-11);
    }
}
