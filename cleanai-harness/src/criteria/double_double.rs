//! Sums in twice the precision of f64, so that the order of the summands does not show after rounding.

/// An unevaluated sum `high + low` with `|low|` at most half a unit in the last place of `high`: about 106 bits.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct DoubleDouble {
    pub(crate) high: f64,
    pub(crate) low: f64,
}

impl DoubleDouble {
    /// This plus a number.
    #[inline(always)]
    pub(crate) fn plus(self, number: f64) -> Self {
        let (sum, error) = two_sum(self.high, number);
        Self::renormalised(sum, error + self.low)
    }

    /// This plus another.
    #[inline(always)]
    pub(crate) fn add(self, other: Self) -> Self {
        let (sum, error) = two_sum(self.high, other.high);
        let (low_sum, low_error) = two_sum(self.low, other.low);
        let first = Self::renormalised(sum, error + low_sum);
        Self::renormalised(first.high, first.low + low_error)
    }

    /// This minus another.
    pub(crate) fn minus(self, other: Self) -> Self {
        self.add(Self { high: -other.high, low: -other.low })
    }

    /// The square of this.
    pub(crate) fn squared(self) -> Self {
        let square = square(self.high);
        Self::renormalised(square.high, square.low + 2.0 * self.high * self.low)
    }

    /// This divided by a number.
    pub(crate) fn over(self, divisor: f64) -> Self {
        let first = self.high / divisor;
        let rest = self.minus(product(first, divisor));
        Self::renormalised(first, rest.high / divisor)
    }

    /// `high + low` made exact, where `|low| <= |high|` or `high` is 0.
    #[inline(always)]
    fn renormalised(high: f64, low: f64) -> Self {
        let sum = high + low;
        Self { high: sum, low: low - (sum - high) }
    }
}

/// The rounded sum and its exact error (Knuth).
#[inline(always)]
fn two_sum(left: f64, right: f64) -> (f64, f64) {
    let sum = left + right;
    let part = sum - left;
    (sum, (left - (sum - part)) + (right - part))
}

/// The exact square of a number whose square is in range.
#[inline(always)]
pub(crate) fn square(number: f64) -> DoubleDouble {
    let high = number * number;
    let (upper, lower) = split(number);
    DoubleDouble { high, low: ((upper * upper - high) + 2.0 * upper * lower) + lower * lower }
}

/// The exact product of two numbers whose product is in range (Dekker).
#[inline(always)]
fn product(left: f64, right: f64) -> DoubleDouble {
    let high = left * right;
    let ((left_upper, left_lower), (right_upper, right_lower)) = (split(left), split(right));
    let low = ((left_upper * right_upper - high) + left_upper * right_lower + left_lower * right_upper)
        + left_lower * right_lower;
    DoubleDouble { high, low }
}

/// Two halves of 26 bits each (Veltkamp). Plain arithmetic rather than a fused multiply-add: the latter is a function
/// call wherever the compiler may not assume the instruction.
#[inline(always)]
fn split(number: f64) -> (f64, f64) {
    let scaled = 134_217_729.0 * number; // 2^27 + 1
    let upper = scaled - (scaled - number);
    (upper, number - upper)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn squares_and_products_are_exact(left in -1e100f64..1e100, right in -1e30f64..1e30) {
            let exact = square(left);
            prop_assert_eq!(exact.low, left.mul_add(left, -exact.high));
            let exact = product(left, right);
            prop_assert_eq!(exact.low, left.mul_add(right, -exact.high));
        }

        #[test]
        fn sums_of_integers_are_exact(numbers in proptest::collection::vec(-(1i128 << 90)..(1i128 << 90), 1..50)) {
            // Numbers of 53 bits far apart, whose sum needs more.
            let numbers: Vec<f64> = numbers.iter().map(|number| *number as f64).collect();
            let exact: i128 = numbers.iter().map(|number| *number as i128).sum();
            let sum = numbers.iter().fold(DoubleDouble::default(), |sum, number| sum.plus(*number));
            prop_assert_eq!(sum.high as i128 + sum.low as i128, exact);
        }
    }

    #[test]
    fn divides_beyond_double_precision() {
        let third = DoubleDouble { high: 1.0, low: 0.0 }.over(3.0);
        let back = product(third.high, 3.0).plus(third.low * 3.0);
        assert_eq!(back.high, 1.0);
        assert!(back.low.abs() < 1e-31);
    }
}
