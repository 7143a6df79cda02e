//! The basic iterative method.

#[cfg(feature = "torch")]
use tch::Tensor;

#[cfg(feature = "torch")]
use super::sign_steps::SignSteps;
#[cfg(feature = "torch")]
use super::subject::{Goal, Subject, not_finite};
#[cfg(feature = "torch")]
use crate::Result;
use crate::synthesis::parameters::{Field, Within};

/// The basic iterative method of Kurakin, Goodfellow and Bengio, "Adversarial Examples in the Physical World" (ICLR Workshop 2017): [`Fgsm`](super::Fgsm)
/// with `step` in place of `eps`, `iterations` times, after each clipped to `eps` about the original and to the range. All iterations are made,
/// whatever the model says meanwhile. As torchattacks' `BIM` and foolbox's `LinfBasicIterativeAttack` without a random start.
#[derive(Debug, Clone, PartialEq)]
pub struct Bim {
    /// The most that a value is changed, as a share of the range: more than 0, at most 1.
    pub eps: f64,
    /// How much it is changed at a time, likewise.
    pub step: f64,
    /// How often, from 1 on.
    pub iterations: u32,
}

impl Default for Bim {
    fn default() -> Self {
        Self { eps: 0.3, step: 0.05, iterations: 10 }
    }
}

impl Bim {
    pub(super) const KEYS: &[&str] = &["eps", "step", "iterations", "target", "range"];

    pub(super) fn field(&mut self, key: &str) -> Option<Field<'_>> {
        Some(match key {
            "eps" => Field::Number(&mut self.eps, Within::Share),
            "step" => Field::Number(&mut self.step, Within::Share),
            "iterations" => Field::Count(&mut self.iterations),
            _ => return None,
        })
    }

    #[cfg(feature = "torch")]
    pub(super) fn make(&self, subject: &mut Subject<'_>) -> Result<Tensor> {
        let start = subject.originals.shallow_clone();
        self.go_on(subject, start, None)
    }

    /// From a start. Where the goal is not known the start is the originals.
    #[cfg(feature = "torch")]
    pub(super) fn go_on(&self, subject: &mut Subject<'_>, start: Tensor, mut goal: Option<Goal>) -> Result<Tensor> {
        let mut steps = SignSteps::new(&subject.originals, &start, self.eps, self.step)?;
        for _ in 0..self.iterations {
            let run = subject.run(&steps.inputs()?)?;
            let goal = match &mut goal {
                Some(goal) => goal,
                unknown => unknown.insert(subject.goal(run.logits())?),
            };
            let gradient = subject.model.gradient(&run, &goal.uphill(run.logits())?, false)?;
            if !steps.step(&gradient)? {
                return Err(not_finite());
            }
        }
        steps.inputs()
    }
}
