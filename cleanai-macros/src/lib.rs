//! The `#[coverage]` attribute.
