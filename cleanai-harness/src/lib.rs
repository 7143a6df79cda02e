//! Coverage of neural networks in `cargo test`.
//!
//! Data flows one way: [`declare`] what must hold, [`measure`] it by one pass of the [`data`] through the [`model`]
//! into the [`criteria`], [`gate`] the result, [`report`] the outcome.

mod body;
pub mod config;
pub mod criteria;
pub mod data;
pub mod declare;
mod error;
pub mod gate;
pub mod kernel;
pub mod measure;
pub mod model;
pub mod prelude;
#[doc(hidden)]
pub mod private;
pub mod report;
pub mod runner;

/// Writes the `main` of a file of coverage tests: `cleanai_harness::main!();`.
///
/// The test target needs `harness = false` in `Cargo.toml`.
#[cfg(feature = "torch")]
#[macro_export]
macro_rules! main {
    () => {
        fn main() -> ::std::process::ExitCode {
            $crate::private::main()
        }
    };
}

pub use cleanai_macros::coverage;
pub use error::{Error, ErrorKind, Place, Result};
