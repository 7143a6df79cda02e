//! From a model file to a graph whose every layer can be observed.
//!
//! [`Model::open`] reads TorchScript (`.pt`) and torch.export (`.pt2`) files into the same kind of graph; libtorch's own
//! interpreter runs it and hands every layer's output over while it is hot.

pub mod layer;

#[cfg(feature = "torch")]
mod calibrate;
#[cfg(feature = "torch")]
pub(crate) mod constructor;
#[cfg(feature = "torch")]
mod container;
#[cfg(feature = "torch")]
mod device;
#[cfg(feature = "torch")]
mod exported;
#[cfg(feature = "torch")]
mod feed;
#[cfg(feature = "torch")]
mod file;
#[cfg(feature = "torch")]
pub mod graph;
#[cfg(feature = "torch")]
pub mod layers;
#[cfg(feature = "torch")]
mod libraries;
#[cfg(feature = "torch")]
mod open;
#[cfg(feature = "torch")]
mod run;
#[cfg(feature = "torch")]
mod select;
pub mod signature;
#[cfg(feature = "torch")]
mod sketch;
#[cfg(feature = "torch")]
pub(crate) mod tensor;
#[cfg(feature = "torch")]
mod torchscript;

#[cfg(feature = "torch")]
pub use calibrate::LeftOut;
pub use layer::LayerInfo;
#[cfg(feature = "torch")]
pub use open::{Model, device_name, libtorch_version};
#[cfg(feature = "torch")]
pub use run::Observed;
