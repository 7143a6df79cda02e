//! Coverage monitors: whether an input makes a model's neurons do what inputs of its class usually do.
//!
//! Of every class the trusted inputs of a profile set (labelled, predicted as their label, with a softmax of at least [`TRUSTED`]) leave a
//! [`Signature`]. What an input deviates from the signature of its predicted class is its eta. A class's tau is the eta that
//! parts trusted from untrusted inputs; an input is accepted iff its eta is at most tau, which is a confidence of at least one half. The criteria
//! [`crate::criteria::monitors`] measure monitors on data; [`mod@file`] keeps one for a service, where `Monitor` judges inputs as they come.
//!
//! Definition: Rossolini, Biondi, Buttazzo: Increasing the Confidence of Deep Neural Networks by Coverage Analysis, IEEE TSE 2022; CRITERIA
//! section 7.

pub mod file;
mod judge;
mod nearest;
mod ranges;
#[cfg(feature = "torch")]
mod run;
mod score;
mod signature;
mod tau;
#[cfg(test)]
mod tests;
mod top_k;

pub use judge::{Calibration, Judge, JudgedInputs};
#[cfg(feature = "torch")]
pub use run::{Decision, LayerDeviation, Monitor};
pub use score::{auroc, true_positives_at};
pub use signature::{Etas, LeftOut, Method, Signature, TRUSTED, Trusted};
pub use tau::{confidence, quantile, youden};
