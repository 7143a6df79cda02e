//! Importance: which neurons an output is made of, by layer-wise relevance propagation (CRITERIA section 5).
//!
//! [`Explainer`] runs the model once in double precision, keeps what it computes, and passes the logit of a class (or all outputs) back to the layers
//! and inputs. With the default [`Rules`] relevance is conserved: the sum over everything that carries it is what is explained, whatever the stabiliser.
//! Weights take no gradient. A run that moves its inputs off the first axis, as attention does, is explained input by input.
//!
//! # How relevance goes through operators
//!
//! `z` is what an operator gives, `e` its stabiliser: `eps` times the largest `|z|` of that input, with the sign of `z`.
//!
//! | operators | rule |
//! |---|---|
//! | convolutions (1d to 3d, transposed, grouped), `linear`, `addmm`, products with constant matrices; a batch norm behind them and a constant pad before them are merged into them | [`Rule`]: by default `(a w + (b + e) / N) / (z + e)`, N inputs contributing (Bach et al., 2015) |
//! | activations and other functions of one value, dropout, changes of type, factors | passes as it is |
//! | a batch norm by itself, an added constant | passes as it is; with biases absorbed, in proportion |
//! | layer, group and instance norm | their deviations are constants, so they are linear (Ali et al.: XAI for Transformers, ICML 2022) |
//! | average pooling, mean, sum, interpolation | in proportion, the stabiliser by their weights |
//! | max pooling, also adaptive | to the winner, evenly among equals |
//! | add and subtract | in proportion, the stabiliser by the size of the terms |
//! | flatten, reshape, permute, slice, cat, split, index, pad, maximum and the like | goes where the numbers came from; what constants gave is lost |
//! | softmax | stops: inside attention its values are constants (Ali et al.) |
//! | values weighed by attention (`matmul` behind a softmax, `scaled_dot_product_attention`) | all to the values |
//! | a product with what a sigmoid or a softmax gives | all to the other factor (Arras et al.: Explaining Recurrent Neural Network Predictions, 2017) |
//! | any other product of two values, `einsum` | half for each factor (Achtibat et al.: AttnLRP, ICML 2024) |
//! | division of two values | all to the numerator |
//! | `embedding` | ends: its output is what is explained |
//! | recurrent layers, fused blocks, quantised operators and the rest | none: an error names it; `fallback = "gradient"` takes it for its gradient at this input |
//!
//! [`kmeans`] and [`silhouette`] cluster the values of one neuron, which importance-driven coverage (`idc`, [`crate::criteria::importance`]) does.

#[cfg(feature = "torch")]
mod affine;
#[cfg(feature = "torch")]
mod call;
#[cfg(feature = "torch")]
mod conservation;
#[cfg(feature = "torch")]
mod fused;
#[cfg(feature = "torch")]
mod join;
pub mod kmeans;
#[cfg(feature = "torch")]
mod largest;
#[cfg(feature = "torch")]
mod lrp;
#[cfg(feature = "torch")]
mod norm;
pub mod picture;
#[cfg(feature = "torch")]
mod plan;
#[cfg(feature = "torch")]
mod pool;
#[cfg(feature = "torch")]
mod reach;
mod rule;
pub mod silhouette;
#[cfg(feature = "torch")]
mod through;
mod thumbnail;

#[cfg(feature = "torch")]
pub use lrp::{Explained, Explainer, Relevance};
pub use picture::Picture;
pub use rule::{Bias, RelevanceNeeds, Rule, Rules, Stabiliser};
pub use thumbnail::Thumbnail;

#[cfg(feature = "torch")]
impl From<tch::TchError> for crate::Error {
    /// What libtorch has to say, in one line.
    fn from(why: tch::TchError) -> Self {
        let text = why.to_string();
        let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("libtorch gives no reason");
        Self::new(crate::ErrorKind::Model, format!("libtorch cannot compute this: {line}"))
    }
}
