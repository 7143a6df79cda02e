//! One step on the way back through a kept run, and the numbers that all rules need.

use tch::{Kind, Tensor};

use super::affine::lost;
use super::rule::Rules;
use crate::Result;
use crate::model::tape::{Step, vector_jacobian};

/// One step on the way back.
pub(super) struct Through<'a> {
    pub rules: &'a Rules,
    pub steps: &'a [Step],
    pub step: &'a Step,
    /// Of the output.
    pub relevance: Tensor,
}

impl Through<'_> {
    /// What the step computed.
    pub fn output(&self) -> Tensor {
        self.step.computed.detach()
    }

    pub fn computed(&self) -> &Tensor {
        &self.step.computed
    }

    /// How many values it was computed from.
    pub fn sources(&self) -> usize {
        self.step.sources.len()
    }

    /// A value it was computed from.
    pub fn source(&self, place: usize) -> Result<Tensor> {
        Ok(self.leaf(place)?.f_detach()?)
    }

    pub fn leaf(&self, place: usize) -> Result<&Tensor> {
        let source = self.step.sources.get(place).and_then(|source| self.steps.get(*source));
        source.and_then(|step| step.value.as_ref()).ok_or_else(|| lost("an input"))
    }

    /// The product of a cotangent with the Jacobian by the first source.
    pub fn product(&self, cotangent: &Tensor, keep: bool) -> Result<Tensor> {
        self.product_of(0, cotangent, keep)
    }

    /// The same by any source.
    pub fn product_of(&self, place: usize, cotangent: &Tensor, keep: bool) -> Result<Tensor> {
        let leaf = self.leaf(place)?;
        let product = vector_jacobian(self.computed(), cotangent, &[leaf], keep, false)?.into_iter().next().flatten();
        match product {
            Some(product) => Ok(product),
            None => Ok(self.source(place)?.f_zeros_like()?),
        }
    }

    /// The same by all of them.
    pub fn products(&self, cotangent: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let leaves = (0..self.sources()).map(|place| self.leaf(place)).collect::<Result<Vec<_>>>()?;
        vector_jacobian(self.computed(), cotangent, &leaves, true, false)
    }

    /// The relevance as it is, summed where one input became several outputs.
    pub fn passed(&self) -> Result<Tensor> {
        self.passed_to(0)
    }

    pub fn passed_to(&self, place: usize) -> Result<Tensor> {
        column(&self.relevance, &self.leaf(place)?.size())
    }
}

/// Sums over the axes that a tensor of this size was expanded along.
pub(super) fn column(tensor: &Tensor, size: &[i64]) -> Result<Tensor> {
    let own = tensor.size();
    if own == size {
        return Ok(tensor.shallow_clone());
    }
    let more = own.len().saturating_sub(size.len());
    let expanded = |axis: &usize| *axis < more || size[*axis - more] != own[*axis];
    let axes: Vec<i64> = (0..own.len()).filter(expanded).map(|axis| axis as i64).collect();
    let summed = tensor.f_sum_dim_intlist(axes.as_slice(), true, None::<Kind>)?;
    Ok(summed.f_reshape(size)?)
}

/// The largest magnitude over the values of each input, shaped to meet them.
fn per_input_max(output: &Tensor) -> Result<Tensor> {
    let size = output.size();
    let rows = *size.first().unwrap_or(&1);
    let flat = output.f_reshape([rows, -1].as_slice())?;
    let (low, high) = flat.f_aminmax(1, true)?;
    let mut shape = vec![1; size.len().max(1)];
    shape[0] = rows;
    Ok(high.f_maximum(&low.f_neg()?)?.f_reshape(shape.as_slice())?)
}

/// `eps` times the largest magnitude of that input, with the sign of each value; of 0 it is positive. Where all are 0 it is `eps`.
pub(super) fn stabiliser(output: &Tensor, eps: f64) -> Result<Tensor> {
    let largest = per_input_max(output)?.f_mul_scalar(eps)?;
    let size = largest.f_where_self(&largest.f_gt(0.0)?, &largest.f_full_like(eps)?)?;
    // A negative zero becomes a positive one.
    Ok(size.f_copysign(&output.f_add_scalar(0.0)?)?)
}
