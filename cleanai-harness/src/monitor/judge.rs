//! A signature with its thresholds, and what is known from finding them.

use serde::{Deserialize, Serialize};

use super::signature::{Etas, LeftOut, Method, Signature, Trusted};
use super::tau::{confidence, quantile, youden};
use crate::criteria::LayerTraces;
use crate::{Error, ErrorKind, Result};

/// The share of the trusted inputs of a class below its tau, where no untrusted inputs tell better.
const ACCEPTED: f64 = 0.99;

/// What judges inputs: signatures, and the tau of each class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judge {
    /// The signatures.
    pub signature: Signature,
    /// By class; none for a class with fewer trusted inputs than [`Method::least_trusted`] says, which accepts nothing.
    pub tau: Vec<Option<f64>>,
}

/// Inputs that were judged.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JudgedInputs {
    /// The class each is predicted as.
    pub classes: Vec<u32>,
    /// How far each is from its class.
    pub eta: Vec<f64>,
    /// How many are accepted.
    pub accepted: u64,
    /// By layer: pairs of input and neuron that are in range; zeros for methods without ranges.
    pub inside: Vec<u64>,
}

/// A judge, and what the inputs it was made with are to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// The judge.
    pub judge: Judge,
    /// By class: how many inputs are trusted.
    pub trusted: Vec<u64>,
    /// The trusted inputs, each left out of its own signature, class by class.
    pub left_out: JudgedInputs,
    /// The untrusted inputs, where there are any.
    pub untrusted: Option<JudgedInputs>,
}

impl Judge {
    /// The confidence in an input of this eta that is predicted as this class, and whether it is accepted.
    pub fn confidence(&self, class: u32, eta: f64) -> (f64, bool) {
        confidence(eta, self.tau.get(class as usize).copied().flatten())
    }

    /// Pairs of input and neuron in range, by layer.
    pub fn inside(&self, etas: &Etas) -> Vec<u64> {
        let mut inside = vec![0; self.signature.layers()];
        if self.signature.method() == Method::Ranges && !inside.is_empty() {
            for costs in etas.layers.chunks_exact(inside.len()) {
                for ((inside, cost), width) in inside.iter_mut().zip(costs).zip(self.signature.widths()) {
                    *inside += width as u64 - *cost as u64;
                }
            }
        }
        inside
    }

    fn judged(&self, classes: Vec<u32>, etas: Etas, inside: Vec<u64>) -> JudgedInputs {
        let accepted = classes.iter().zip(&etas.eta).filter(|(class, eta)| self.confidence(**class, **eta).1).count();
        JudgedInputs { classes, eta: etas.eta, accepted: accepted as u64, inside }
    }
}

impl Calibration {
    /// Signatures of the trusted inputs of a profile set, and thresholds: Youden's J against the untrusted inputs that are predicted as the class, or where
    /// there are none the 99 % quantile; both on the etas of trusted inputs, each left out of its own signature. Traces are one for each layer.
    ///
    /// # Errors
    /// If no profile input is trusted, or if it takes too much memory.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use cleanai_harness::criteria::{LayerTraces, TraceInputs};
    /// use cleanai_harness::monitor::{Calibration, Method};
    ///
    /// let inputs = TraceInputs { predicted: vec![0; 3], confidence: vec![1.0; 3], labels: Some(vec![0; 3]) };
    /// let profile = [LayerTraces::new(Arc::new(vec![0.0, 1.0, 3.0]), 1, Arc::new(inputs))];
    /// let found = Calibration::new(Method::Nearest { neighbours: 1 }, &profile, None)?;
    /// assert_eq!(found.left_out.eta, [1.0, 1.0, 2.0]);
    /// assert!(found.judge.confidence(0, 1.5).1 && !found.judge.confidence(0, 2.0).1);
    /// # Ok::<(), cleanai_harness::Error>(())
    /// ```
    pub fn new(method: Method, profile: &[LayerTraces], untrusted: Option<&[LayerTraces]>) -> Result<Self> {
        let inputs = profile.first().map(LayerTraces::inputs).ok_or_else(|| {
            Error::new(ErrorKind::Criterion, "a monitor of no layers can tell nothing").with_help("name a layer")
        })?;
        let trusted = Trusted::of(inputs)?;
        let (signature, LeftOut { eta, inside }) = Signature::build(method, profile, &trusted)?;
        let untrusted = untrusted.map(|traces| {
            let classes = traces.first().map_or(Vec::new(), |layer| layer.inputs().predicted.clone());
            (classes, signature.etas_of(traces))
        });
        let tau = |(class, trusted): (usize, &Vec<f64>)| {
            if trusted.len() < method.least_trusted() {
                return None;
            }
            let untrusted = untrusted.as_ref().map_or(Vec::new(), |(classes, etas)| {
                let of_class = classes.iter().zip(&etas.eta).filter(|(own, _)| **own as usize == class);
                of_class.map(|(_, eta)| *eta).collect()
            });
            youden(trusted, &untrusted).or_else(|| quantile(trusted, ACCEPTED))
        };
        let judge = Judge { tau: eta.iter().enumerate().map(tau).collect(), signature };
        let classes = eta.iter().enumerate().flat_map(|(class, etas)| std::iter::repeat_n(class as u32, etas.len()));
        let (classes, etas) =
            (classes.collect(), Etas { eta: eta.into_iter().flatten().collect(), layers: Vec::new() });
        let left_out = judge.judged(classes, etas, inside);
        let untrusted = untrusted.map(|(classes, etas)| {
            let inside = judge.inside(&etas);
            judge.judged(classes, etas, inside)
        });
        let trusted = trusted.classes.iter().map(|class| class.len() as u64).collect();
        Ok(Self { judge, trusted, left_out, untrusted })
    }
}

impl JudgedInputs {
    /// The share that is accepted; `None` of no inputs.
    pub fn acceptance_rate(&self) -> Option<f64> {
        (!self.eta.is_empty()).then(|| self.accepted as f64 / self.eta.len() as f64)
    }
}
