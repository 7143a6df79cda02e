//! Importance: which neurons an output is made of, by layer-wise relevance propagation (CRITERIA section 5).

mod affine;
mod call;
pub mod kmeans;
mod lrp;
mod norm;
mod plan;
mod pool;
mod rule;
pub mod silhouette;

pub use lrp::{Explained, Explainer, Relevance};
pub use rule::{Bias, Rule, Rules, Stabiliser};

use crate::{Error, ErrorKind};

impl From<tch::TchError> for Error {
    /// What libtorch has to say, in one line.
    fn from(why: tch::TchError) -> Self {
        let text = why.to_string();
        let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("libtorch gives no reason");
        Self::new(ErrorKind::Model, format!("libtorch cannot compute this: {line}"))
    }
}
