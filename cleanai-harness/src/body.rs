//! What a test's body says when it fails.

use std::fmt;

/// Why a test's body fails. Anything that can be displayed becomes one, so `?` works on every error.
///
/// ```
/// use cleanai_harness::prelude::*;
/// fn body() -> Result<(), Failed> {
///     let least: f64 = "0.25".parse()?;
///     ensure!(least > 0.2, "{least} is too little");
///     Ok(())
/// }
/// assert!(body().is_ok());
/// ```
// Not `Display` itself: that would make two conversions out of one below (as for libtest-mimic's type of the same name).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    message: String,
}

impl Failed {
    /// What to tell the reader.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl<M: fmt::Display> From<M> for Failed {
    fn from(message: M) -> Self {
        Self { message: message.to_string() }
    }
}

/// Leaves a test's body with an error unless a condition holds; NaN in a comparison does not hold.
///
/// `ensure!(condition)` or `ensure!(condition, "format", arguments…)`, in a function that returns
/// `Result<_, E>` where `E: From<String>`, such as [`Failed`](crate::prelude::Failed).
#[macro_export]
macro_rules! ensure {
    ($condition:expr $(,)?) => {
        $crate::ensure!($condition, "{} does not hold", ::core::stringify!($condition))
    };
    ($condition:expr, $($message:tt)+) => {
        if $condition {
        } else {
            return ::core::result::Result::Err(::core::convert::From::from($crate::private::format!($($message)+)));
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn above(value: f64) -> Result<(), Failed> {
        ensure!(value > 0.5, "{value} is {}", "low");
        Ok(())
    }

    fn above_plainly(value: f64) -> Result<(), Failed> {
        ensure!(value > 0.5);
        Ok(())
    }

    #[test]
    fn ensures() {
        assert_eq!(above(0.6), Ok(()));
        assert_eq!(above(0.25).unwrap_err().message(), "0.25 is low");
        assert_eq!(above(f64::NAN).unwrap_err().message(), "NaN is low");
        assert_eq!(above_plainly(0.25).unwrap_err().message(), "value > 0.5 does not hold");
    }
}
