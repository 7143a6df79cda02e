//! From a layer's output tensor to neuron values: means over positions, extremes, the check for NaN and infinity. Two kernels give the same:
//! one for main memory, one of tensor operators for activations on a GPU.
//! Beside them, what criteria need of linear algebra: `matrix`.

pub mod cpu;
#[cfg(feature = "torch")]
pub mod device;
pub(crate) mod matrix;
