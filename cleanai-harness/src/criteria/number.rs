//! The two kinds of numbers that criteria compute with.

/// f32 or f64.
pub(crate) trait Number: Copy + PartialOrd + Send + Sync + 'static {
    const INFINITY: Self;
    const NEG_INFINITY: Self;
    const NAN: Self;
    fn from_f32(number: f32) -> Self;
    fn to_f64(self) -> f64;
    fn is_nan(self) -> bool;
    /// The numbers themselves where they are f32.
    fn as_single(numbers: &[Self]) -> Option<&[f32]>;
}

impl Number for f32 {
    const INFINITY: Self = f32::INFINITY;
    const NEG_INFINITY: Self = f32::NEG_INFINITY;
    const NAN: Self = f32::NAN;

    #[inline(always)]
    fn from_f32(number: f32) -> Self {
        number
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn is_nan(self) -> bool {
        f32::is_nan(self)
    }

    #[inline(always)]
    fn as_single(numbers: &[Self]) -> Option<&[f32]> {
        Some(numbers)
    }
}

impl Number for f64 {
    const INFINITY: Self = f64::INFINITY;
    const NEG_INFINITY: Self = f64::NEG_INFINITY;
    const NAN: Self = f64::NAN;

    #[inline(always)]
    fn from_f32(number: f32) -> Self {
        number.into()
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }

    #[inline(always)]
    fn is_nan(self) -> bool {
        f64::is_nan(self)
    }

    #[inline(always)]
    fn as_single(_: &[Self]) -> Option<&[f32]> {
        None
    }
}
