//! By how much a figure may fall below its baseline.

use std::fmt;

/// By how much a figure may fall before it counts as a regression.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tolerance {
    /// By this much in the figure's own unit: 0.002 of a share is 0.2 percentage points.
    Absolute(f64),
    /// By this share of what the baseline holds.
    Relative(f64),
    /// By what belongs to so many neurons.
    Neurons(u64),
    /// By so many of what the criterion counts: neurons, corners, sections, inputs.
    Items(u64),
}

impl Default for Tolerance {
    fn default() -> Self {
        Self::Absolute(0.002)
    }
}

/// As `cleanai.toml` has it: `0.002`, `{ relative = 0.01 }`.
impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absolute(much) => write!(f, "{much}"),
            Self::Relative(share) => write!(f, "{{ relative = {share} }}"),
            Self::Neurons(neurons) => write!(f, "{{ neurons = {neurons} }}"),
            Self::Items(items) => write!(f, "{{ items = {items} }}"),
        }
    }
}
