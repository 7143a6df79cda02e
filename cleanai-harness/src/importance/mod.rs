//! Importance: which neurons an output is made of, by layer-wise relevance propagation (CRITERIA section 5).

#[cfg(feature = "torch")]
mod affine;
#[cfg(feature = "torch")]
mod call;
pub mod kmeans;
#[cfg(feature = "torch")]
mod lrp;
#[cfg(feature = "torch")]
mod norm;
pub mod picture;
#[cfg(feature = "torch")]
mod plan;
#[cfg(feature = "torch")]
mod pool;
mod rule;
pub mod silhouette;

#[cfg(feature = "torch")]
pub use lrp::{Explained, Explainer, Relevance};
pub use picture::Picture;
pub use rule::{Bias, RelevanceNeeds, Rule, Rules, Stabiliser};

#[cfg(feature = "torch")]
impl From<tch::TchError> for crate::Error {
    /// What libtorch has to say, in one line.
    fn from(why: tch::TchError) -> Self {
        let text = why.to_string();
        let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("libtorch gives no reason");
        Self::new(crate::ErrorKind::Model, format!("libtorch cannot compute this: {line}"))
    }
}
