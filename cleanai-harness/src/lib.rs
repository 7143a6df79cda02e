//! Coverage of neural networks in `cargo test`: declare how thoroughly the test data must exercise a model, and the test
//! fails when it falls short, or falls behind the figures a reviewer accepted.
//!
//! # A file of coverage tests
//!
//! A test target with `harness = false`, a `cleanai.toml` ([`config`]) beside the package, and:
//!
//! ```no_run
//! use cleanai_harness::prelude::*;
//!
//! #[cleanai::coverage(model = "models/lenet5.pt", nc >= 0.4, kmnc(k = 100)@conv2 >= 0.2)]
//! fn lenet5() {}
//!
//! #[cleanai::coverage(model = "lenet5", kmnc(k = 1000) >= 0.1)]
//! fn no_layer_is_untested(m: &Measurement) -> Result<(), Failed> {
//!     let worst = m.layers("kmnc(k=1000)")?.min_by_value();
//!     ensure!(worst.value > 0.05, "{} is nearly untested", worst.name);
//!     Ok(())
//! }
//!
//! cleanai_harness::main!();
//! ```
//!
//! `cargo test`, `cargo nextest run` and `cargo insta test` run them; `cargo insta review` decides on baselines.
//! What an attribute leaves open comes from `[tests.NAME]`, then `[defaults]`; requirements of the three add up, and the
//! nearer one replaces a bound on the same figure.
//!
//! New here? [`guide::quick_start`] leads from a package to its first gate; the [`guide`] has a page for each question after that.
//!
//! # How data flows
//!
//! One way, a module each: [`declare`] what must hold, [`measure::Plan`] the passes it takes (tests over one model and
//! data share one), open the [`mod@model`] and its layers, decode the [`data`] and what [`synthesis`] makes of it, stream every
//! layer's values into the [`criteria`], judge the measurement in the [`gate`], and [`report`] the outcome to the terminal, JUnit, PDF and JSON.
//!
//! # Criteria
//!
//! [`criteria::registry::descriptions`] lists them with parameters, defaults and the paper each comes from. A crate adds
//! its own with [`criteria::registry::CriterionRegistration`], under a name with a namespace (`acme::spread`). Bare names are the
//! literature's criteria; those of [`criteria::cleanai`] are the CleanAI library's, whose report `[report] style = "cleanai"` gives.
//!
//! # Features
//!
//! - `torch` (default): run models through libtorch, which `cargo cleanai setup` provides. Without it the crate reads
//!   declarations, data, states and reports only.
//! - `pdf` (default): the PDF report.

// What only a run needs stands beside what every reader needs: the full build tells what nobody calls.
#![cfg_attr(not(feature = "torch"), allow(dead_code, unused_imports))]

mod allocator;
mod body;
#[cfg(feature = "torch")]
pub mod cache;
pub mod config;
pub mod criteria;
pub mod data;
pub mod declare;
mod error;
pub mod gate;
pub mod guide;
pub mod importance;
pub mod interrupt;
pub mod kernel;
pub mod measure;
pub mod model;
pub mod monitor;
pub mod prelude;
#[doc(hidden)]
pub mod private;
#[cfg(feature = "torch")]
pub mod progress;
pub mod report;
pub mod runner;
pub mod selection;
pub mod synthesis;
#[cfg(feature = "torch")]
pub mod training;
mod vectorise;

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

pub use cleanai_macros::{coverage, model};
pub use error::{Error, ErrorKind, Place, Result};
