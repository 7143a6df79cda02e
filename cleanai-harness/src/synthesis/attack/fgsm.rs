//! The fast gradient sign method.

#[cfg(feature = "torch")]
use tch::{Kind, Tensor};

#[cfg(feature = "torch")]
use super::subject::{Subject, by_row};
#[cfg(feature = "torch")]
use crate::Result;
use crate::synthesis::parameters::{Field, Within};

/// The fast gradient sign method of Goodfellow, Shlens and Szegedy, "Explaining and Harnessing Adversarial Examples" (ICLR 2015):
/// `x + eps * sign(g)`, clipped to the range, g the gradient of the cross entropy; of a target's, `x - eps * sign(g)`. With `norm = "2"` it is
/// `x + eps * g / |g|`, g of Euclidean length |g|; an input whose gradient is 0 stays as it is. As torchattacks' `FGSM` and foolbox's `LinfFastGradientAttack`
/// and `L2FastGradientAttack`.
#[derive(Debug, Clone, PartialEq)]
pub struct Fgsm {
    /// The length of the step as a share of the range: more than 0, and at most 1 where the norm is the largest change.
    pub eps: f64,
    /// What is `eps`.
    pub norm: Norm,
}

/// How the size of a change is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Norm {
    /// `inf`: the largest change of a value.
    #[default]
    Largest,
    /// `2`: the Euclidean length.
    Euclidean,
}

impl Norm {
    /// Every norm and its name.
    pub const NAMES: [(&'static str, Self); 2] = [("inf", Self::Largest), ("2", Self::Euclidean)];

    /// Its name in `cleanai.toml`.
    pub fn name(self) -> &'static str {
        Self::NAMES[usize::from(self == Self::Euclidean)].0
    }
}

impl Default for Fgsm {
    fn default() -> Self {
        Self { eps: 0.3, norm: Norm::Largest }
    }
}

impl Fgsm {
    pub(super) const KEYS: &[&str] = &["eps", "norm", "target", "range"];

    pub(super) fn field(&mut self, key: &str) -> Option<Field<'_>> {
        Some(match key {
            "eps" if self.norm == Norm::Largest => Field::Number(&mut self.eps, Within::Share),
            "eps" => Field::Number(&mut self.eps, Within::AboveZero),
            "norm" => Field::Norm(&mut self.norm),
            _ => return None,
        })
    }

    #[cfg(feature = "torch")]
    pub(super) fn make(&self, subject: &mut Subject<'_>) -> Result<Tensor> {
        let originals = subject.originals.shallow_clone();
        let run = subject.run(&originals)?;
        let goal = subject.goal(run.logits())?;
        let gradient = subject.gradient(&run, &goal.uphill(run.logits())?, false)?;
        let step = match self.norm {
            Norm::Largest => gradient.f_sign()?,
            Norm::Euclidean => {
                let length = gradient.f_flatten(1, -1)?.f_norm_scalaropt_dim(2, 1i64, false)?;
                // A gradient of 0 has no direction.
                let length = length.f_clamp_min(f64::from(f32::MIN_POSITIVE))?;
                gradient.f_div(&by_row(&length, &gradient)?)?
            }
        };
        debug_assert_eq!(step.kind(), Kind::Float);
        Ok(originals.f_add(&step.f_mul_scalar(self.eps)?)?.f_clamp(0.0, 1.0)?)
    }
}
