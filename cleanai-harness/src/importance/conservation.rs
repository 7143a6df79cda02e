//! Whether relevance is conserved: the sum over every cut through the graph is what is explained.

use tch::{Kind, Tensor};

use super::lrp::numbers;
use crate::Result;

/// The sums over cuts.
pub(super) struct Conservation {
    outputs: Tensor,
    /// Of relevance that has arrived where it ends, and its magnitude.
    rest: (Tensor, Tensor),
    errors: Tensor,
    excess: Tensor,
}

impl Conservation {
    pub fn new(outputs: &Tensor) -> Result<Self> {
        let zeros = || outputs.f_zeros_like();
        Ok(Self { outputs: outputs.shallow_clone(), rest: (zeros()?, zeros()?), errors: zeros()?, excess: zeros()? })
    }

    fn sums(&self, relevance: &Tensor) -> Result<(Tensor, Tensor)> {
        let flat = relevance.f_reshape([self.outputs.size()[0], -1].as_slice())?;
        let sum = |tensor: &Tensor| tensor.f_sum_dim_intlist(&[1i64][..], false, None::<Kind>);
        Ok((sum(&flat)?, sum(&flat.f_abs()?)?))
    }

    pub fn rest(&mut self, relevance: &Tensor) -> Result<()> {
        let (sum, size) = self.sums(relevance)?;
        self.rest = (self.rest.0.f_add(&sum)?, self.rest.1.f_add(&size)?);
        Ok(())
    }

    pub fn check(&mut self, waiting: &[Option<Tensor>]) -> Result<()> {
        let (mut sum, mut size) = (self.rest.0.f_add_scalar(0.0)?, self.rest.1.f_add_scalar(0.0)?);
        for relevance in waiting.iter().flatten() {
            let (more, larger) = self.sums(relevance)?;
            sum = sum.f_add_(&more)?;
            size = size.f_add_(&larger)?;
        }
        let error = sum.f_sub(&self.outputs)?.f_abs()?;
        let scale = self.outputs.f_abs()?.f_clamp_min(1e-300)?;
        let allowed = scale.f_mul_scalar(1e-6)?.f_maximum(&size.f_mul_scalar(1e-14)?)?;
        self.errors = self.errors.f_maximum(&error.f_div(&scale)?)?;
        self.excess = self.excess.f_maximum(&error.f_div(&allowed)?)?;
        Ok(())
    }

    pub fn finish(self) -> Result<(Vec<f64>, Vec<f64>)> {
        Ok((numbers(&self.errors)?, numbers(&self.excess)?))
    }
}
