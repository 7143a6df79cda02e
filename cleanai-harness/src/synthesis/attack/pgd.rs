//! Projected gradient descent.

#[cfg(feature = "torch")]
use tch::Tensor;

#[cfg(feature = "torch")]
use super::{Bim, subject::Subject};
#[cfg(feature = "torch")]
use crate::Result;
use crate::synthesis::parameters::{Field, Within};
#[cfg(feature = "torch")]
use crate::synthesis::pixels::Source;

/// Projected gradient descent of Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks" (ICLR 2018), in the largest norm: as
/// [`Bim`](super::Bim) from a start drawn for each input, every value within `eps` of the original at even odds, and clipped. The defaults are the paper's for MNIST. As
/// torchattacks' `PGD` and foolbox's `LinfProjectedGradientDescentAttack`, whose starts are others.
#[derive(Debug, Clone, PartialEq)]
pub struct Pgd {
    /// The most that a value is changed, as a share of the range: more than 0, at most 1.
    pub eps: f64,
    /// How much it is changed at a time, likewise.
    pub step: f64,
    /// How often, from 1 on.
    pub iterations: u32,
    /// Other seeds give other starts.
    pub seed: u64,
}

impl Default for Pgd {
    fn default() -> Self {
        Self { eps: 0.3, step: 0.01, iterations: 40, seed: 0 }
    }
}

impl Pgd {
    pub(super) const KEYS: &[&str] = &["eps", "step", "iterations", "seed", "target", "range"];

    pub(super) fn field(&mut self, key: &str) -> Option<Field<'_>> {
        Some(match key {
            "eps" => Field::Number(&mut self.eps, Within::Share),
            "step" => Field::Number(&mut self.step, Within::Share),
            "iterations" => Field::Count(&mut self.iterations),
            "seed" => Field::Seed(&mut self.seed),
            _ => return None,
        })
    }

    #[cfg(feature = "torch")]
    pub(super) fn make(&self, subject: &mut Subject<'_>) -> Result<Tensor> {
        let originals = subject.originals.shallow_clone();
        let logits = subject.logits(&originals)?;
        let goal = subject.goal(&logits)?;
        let width = originals.numel() / subject.inputs().max(1);
        let mut moves = Vec::with_capacity(originals.numel());
        for row in 0..subject.inputs() {
            let source = Source::of("pgd", self.seed, subject.number(row) as u64);
            moves.extend(source.uniform().take(width).map(|at| ((2.0 * at - 1.0) * self.eps) as f32));
        }
        let moves =
            Tensor::f_from_slice(&moves)?.f_view(originals.size().as_slice())?.f_to_device(originals.device())?;
        let start = originals.f_add(&moves)?.f_clamp(0.0, 1.0)?;
        let steps = Bim { eps: self.eps, step: self.step, iterations: self.iterations };
        steps.go_on(subject, start, Some(goal))
    }
}
