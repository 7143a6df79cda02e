//! Sums of many columns of numbers that come out the same to the last bit in whatever order the numbers are added.
//!
//! Every number is cut at fixed places, the powers of 2^26, into digits of 26 bits. The digits at one place are whole multiples of its unit, so
//! that their sum is exact in f64 for 2^27 numbers and more. Four places are kept, from the one of the largest number so far downwards;
//! that is at least 77 bits below the largest number. What lies further down is left out of every number alike, which is
//! why the order cannot show. The idea is that of Demmel and Nguyen: Fast Reproducible Floating-Point Summation, ARITH 2013.

use super::double_double::DoubleDouble;
use crate::vectorise::vectorised;

/// Columns summed together.
pub(crate) const BLOCK: usize = 64;

/// Numbers at least this large (2^480) are not summed: the squares of larger ones would overflow.
pub(crate) const LIMIT: f64 = f64::from_bits((1023 + 480) << 52);

/// The lowest place, 2^(26 * 36) below 1.
const LOWEST: i32 = -36;

/// 2^26
const BASE: f64 = 67_108_864.0;

const PLACES: usize = 4;

/// A column's unit and digits.
pub(crate) type Parts = [f64; 1 + PLACES];

/// Sums of a block of columns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sums {
    /// The unit of the highest place, a power of 2^26.
    unit: [f64; BLOCK],
    /// What was summed at the highest place and those below, as numbers.
    digits: [[f64; BLOCK]; PLACES],
}

impl Default for Sums {
    fn default() -> Self {
        Self { unit: [unit_of(LOWEST); BLOCK], digits: [[0.0; BLOCK]; PLACES] }
    }
}

impl Sums {
    /// Adds a row of numbers smaller than 2^960 in magnitude, one to a column.
    pub(crate) fn add(&mut self, row: &[f64]) {
        if !fits(&self.unit, row) {
            for (column, value) in row.iter().enumerate() {
                while value.abs() > self.unit[column] * (BASE / 2.0) {
                    self.raise(column);
                }
            }
        }
        add_digits(&self.unit, &mut self.digits, row);
    }

    /// Makes room for larger numbers.
    fn raise(&mut self, column: usize) {
        self.unit[column] *= BASE;
        for place in (1..PLACES).rev() {
            self.digits[place][column] = self.digits[place - 1][column];
        }
        self.digits[0][column] = 0.0;
    }

    /// Adds the sums of other numbers.
    pub(crate) fn merge(&mut self, other: &Self) {
        let mut other = other.clone();
        for column in 0..BLOCK {
            while self.unit[column] < other.unit[column] {
                self.raise(column);
            }
            while other.unit[column] < self.unit[column] {
                other.raise(column);
            }
        }
        for (own, others) in self.digits.iter_mut().flatten().zip(other.digits.iter().flatten()) {
            *own += others;
        }
    }

    /// A column's sum.
    pub(crate) fn get(&self, column: usize) -> DoubleDouble {
        self.digits.iter().fold(DoubleDouble::default(), |sum, digits| sum.plus(digits[column]))
    }

    /// Units and digits of a column.
    pub(crate) fn parts(&self, column: usize) -> Parts {
        let [first, second, third, fourth] = &self.digits;
        [self.unit[column], first[column], second[column], third[column], fourth[column]]
    }

    /// The reverse of [`Sums::parts`]; gives whether they are such.
    pub(crate) fn set_parts(&mut self, column: usize, [unit, digits @ ..]: Parts) -> bool {
        let known = (LOWEST..=-LOWEST).any(|place| unit_of(place) == unit);
        let mut own_unit = unit;
        for (own, digit) in self.digits.iter_mut().zip(digits) {
            if !known || !digit.is_finite() || (digit / own_unit).fract() != 0.0 {
                return false;
            }
            own[column] = digit;
            own_unit /= BASE;
        }
        self.unit[column] = unit;
        true
    }
}

/// 2^(26 * place)
fn unit_of(place: i32) -> f64 {
    f64::from_bits(((1023 + 26 * place) as u64) << 52)
}

vectorised! {
    /// Whether every number rounds to nothing at the place above the highest.
    fn fits(unit: &[f64; BLOCK], row: &[f64]) -> bool {
        row.iter().zip(unit).fold(true, |all, (value, unit)| all & (value.abs() <= unit * (BASE / 2.0)))
    }
}

vectorised! {
    /// Adds the digits of every number.
    fn add_digits(unit: &[f64; BLOCK], digits: &mut [[f64; BLOCK]; PLACES], row: &[f64]) {
        // Adding this many units and taking them off again rounds to whole units.
        const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52
        let [first, second, third, fourth] = digits;
        let columns = first.iter_mut().zip(second).zip(third).zip(fourth);
        for ((value, unit), (((first, second), third), fourth)) in row.iter().zip(unit).zip(columns) {
            let (mut rest, mut round) = (*value, unit * ROUND);
            for sum in [first, second, third, fourth] {
                let digit = (rest + round) - round;
                *sum += digit;
                rest -= digit;
                round *= 1.0 / BASE;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sums(values: &[f64]) -> Sums {
        let mut sums = Sums::default();
        values.iter().for_each(|value| sums.add(&[*value]));
        sums
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<f32>().prop_filter("finite", |value| value.is_finite()).prop_map(f64::from),
            -1e3f64..1e3,
            (-1e3f64..1e3).prop_map(|value| value * 1e-30),
            Just(0.0),
        ]
    }

    proptest! {
        #[test]
        fn order_does_not_show(mut values in proptest::collection::vec(value(), 0..50), cut in 0usize..50) {
            let whole = sums(&values);
            let cut = cut.min(values.len());
            let mut merged = sums(&values[cut..]);
            merged.merge(&sums(&values[..cut]));
            prop_assert_eq!(&merged, &whole);
            values.reverse();
            prop_assert_eq!(&sums(&values), &whole);
            let mut read = Sums::default();
            prop_assert!(read.set_parts(0, whole.parts(0)));
            prop_assert_eq!(read.parts(0), whole.parts(0));
        }

        #[test]
        fn sums_are_right(values in proptest::collection::vec(-1e6f64..1e6, 1..200)) {
            let sum = sums(&values).get(0);
            let exact = values.iter().fold(DoubleDouble::default(), |sum, value| sum.plus(*value));
            prop_assert!((sum.high - exact.high).abs() <= 1e-9, "{} {}", sum.high, exact.high);
        }
    }

    #[test]
    fn nothing_is_lost_beside_large_numbers() {
        let values = [1.0, 4_503_599_627_370_495.0, 0.001, -4_503_599_627_370_495.0];
        assert!((sums(&values).get(0).high - 1.001).abs() < 1e-8);
    }

    #[test]
    fn parts_of_no_sum_are_refused() {
        let mut sums = Sums::default();
        let nan = f64::NAN;
        for parts in
            [[3.0, 0.0, 0.0, 0.0, 0.0], [1.0, 0.5, 0.0, 0.0, 0.0], [1.0, nan, 0.0, 0.0, 0.0], [nan, 0.0, 0.0, 0.0, 0.0]]
        {
            assert!(!sums.set_parts(0, parts), "{parts:?}");
        }
    }
}
