//! From a model file to a graph whose every layer can be observed.

pub mod layer;

pub use layer::LayerInfo;
