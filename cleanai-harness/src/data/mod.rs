//! Inputs: formats, transforms, and the loader that decodes them in parallel ahead of the forward pass.

pub mod transform;

/// One batch of inputs, ready for the model: f32, row-major, batch axis first.
///
/// Every batch has exactly `size` rows: the last is padded by repeating its last input, so that results do not
/// depend on how the data is split (CRITERIA, "batch size").
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Index of the first input in the data set (after skipped inputs are left out).
    pub first: usize,
    /// How many rows are real; the rest is padding.
    pub inputs: usize,
    /// Rows, padding included.
    pub size: usize,
    /// Shape of one input.
    pub shape: Vec<usize>,
    /// `size * shape.product()` values.
    pub values: Vec<f32>,
    /// Labels of the real inputs, where the data has labels.
    pub labels: Option<Vec<i64>>,
}
