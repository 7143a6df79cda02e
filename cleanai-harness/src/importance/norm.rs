//! Relevance through norms over parts of the input itself. Its means move with it, its deviations are taken for constants (Ali et al.: XAI for
//! Transformers, ICML 2022, section 3), so that a norm is a linear operator whose inputs are those of its group.

use tch::{Kind, Tensor};

use super::affine::{Weights, lost};
use super::call::{Norm, Over};
use super::plan::Plan;
use super::rule::{Bias, Stabiliser};
use super::through::{Through, stabiliser};
use crate::Result;
use crate::model::graph::ValueId;

impl Norm {
    /// The relevance of the input.
    pub fn relevance(&self, through: &Through<'_>, plan: &Plan, weights: &Weights) -> Result<Tensor> {
        let (input, output) = (through.source(0)?, through.output());
        let size = input.size();
        // [rows, members]: the mean is over the members of a row.
        let rows: Vec<i64> = match self.over {
            Over::Last(axes) => vec![size[..size.len() - axes].iter().product(), -1],
            Over::Groups(0) => vec![size[0] * size[1], -1],
            Over::Groups(groups) => vec![size[0] * groups, -1],
        };
        let wide = |value: Option<ValueId>| -> Result<Option<Tensor>> {
            let Some(value) = value else { return Ok(None) };
            let numbers = plan.place(value).and_then(|place| weights.get(&place)).ok_or_else(|| lost("a weight"))?;
            let shaped = match self.over {
                Over::Last(_) => numbers.shallow_clone(),
                Over::Groups(_) => {
                    let mut shape = vec![1; size.len()];
                    shape[1] = -1;
                    numbers.f_view(shape.as_slice())?
                }
            };
            Ok(Some(shaped.f_expand(size.as_slice(), true)?.f_reshape(rows.as_slice())?))
        };
        let (weight, bias) = (wide(self.weight)?, wide(self.bias)?);
        let mean = |tensor: &Tensor| tensor.f_mean_dim(&[-1i64][..], true, None::<Kind>);
        let flat = input.f_reshape(rows.as_slice())?;
        let centred = flat.f_sub(&mean(&flat)?)?;
        let variance = mean(&centred.f_square()?)?;
        let factor = variance.f_add_scalar(self.epsilon)?.f_rsqrt()?;

        let added = stabiliser(&output, through.rules.eps)?;
        let shared = through.relevance.f_div(&output.f_add(&added)?)?.f_reshape(rows.as_slice())?;
        let mut slope = shared.f_mul(&factor)?;
        if let Some(weight) = &weight {
            slope = slope.f_mul(weight)?;
        }
        let mut relevance = slope.f_sub(&mean(&slope)?)?.f_mul(&flat)?;
        let mut spread = match through.rules.stabiliser {
            Stabiliser::Spread => Some(added.f_reshape(rows.as_slice())?),
            Stabiliser::Plain => None,
        };
        if let Some(bias) = bias.filter(|_| through.rules.bias == Bias::Spread) {
            spread = Some(match spread {
                Some(spread) => spread.f_add(&bias)?,
                None => bias,
            });
        }
        if let Some(spread) = spread {
            relevance = relevance.f_add(&mean(&spread.f_mul(&shared)?)?)?;
        }
        Ok(relevance.f_reshape(size.as_slice())?)
    }
}
