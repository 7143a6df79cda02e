//! The crate that ships the digit classifier; its release is gated by `tests/coverage.rs`.
