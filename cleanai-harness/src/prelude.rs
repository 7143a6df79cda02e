//! What a file of coverage tests needs: `use cleanai_harness::prelude::*;`.
//!
//! The attribute is written with a path, `#[cleanai::coverage(…)]`: the bare name `coverage` is a built-in attribute of
//! the compiler (unstable, but reserved since Rust 1.74), and no import can take its place.

pub use cleanai_macros::{coverage, model};

pub use crate as cleanai;
pub use crate::body::Failed;
pub use crate::ensure;
pub use crate::measure::Measurement;
