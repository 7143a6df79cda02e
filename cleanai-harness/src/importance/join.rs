//! Relevance through what meets without weights of its own: sums, products, means, attention, and operators taken for their gradient.

use tch::Tensor;

use super::affine::lost;
use super::fused;
use super::rule::{Bias, Stabiliser};
use super::through::{Through, column, stabiliser};
use crate::Result;
use crate::model::tape::vector_jacobian;

/// The relevance of a value that is a factor and a constant for each input: the constant is a bias with one input.
pub(super) fn shift(through: &Through<'_>) -> Result<Tensor> {
    let rules = through.rules;
    if rules.bias == Bias::Spread && rules.stabiliser == Stabiliser::Spread {
        return through.passed();
    }
    let output = through.output();
    let term = through.product(&output.f_ones_like()?, true)?.f_mul(&through.source(0)?)?;
    if term.size() != output.size() {
        return through.passed();
    }
    let added = stabiliser(&output, rules.eps)?;
    let mut kept = term.shallow_clone();
    if rules.bias == Bias::Spread {
        kept = kept.f_add(&output.f_sub(&term)?)?;
    }
    if rules.stabiliser == Stabiliser::Spread {
        kept = kept.f_add(&added)?;
    }
    Ok(kept.f_mul(&through.relevance.f_div(&output.f_add(&added)?)?)?)
}

/// The relevance of two values of which one, times a factor, was added to the other. The stabiliser is shared by the size of the terms.
pub(super) fn join(through: &Through<'_>, factor: f64) -> Result<Vec<Tensor>> {
    let output = through.output();
    let spreads = through.rules.stabiliser == Stabiliser::Spread;
    let sources = [&through.source(0)?, &through.source(1)?];
    if let Some(shares) = fused::joined(&through.relevance, &output, sources, factor, through.rules.eps, spreads)? {
        return Ok(shares.into());
    }
    let added = stabiliser(&output, through.rules.eps)?;
    let shared = through.relevance.f_div(&output.f_add(&added)?)?;
    let size = output.size();
    let terms =
        [through.source(0)?.f_expand(size.as_slice(), true)?, through.source(1)?.f_expand(size.as_slice(), true)?];
    let terms = [terms[0].shallow_clone(), terms[1].f_mul_scalar(factor)?];
    let sizes = [terms[0].f_abs()?, terms[1].f_abs()?];
    let both = sizes[0].f_add(&sizes[1])?;
    let half = both.f_full_like(0.5)?;
    let mut relevance = Vec::new();
    for ((place, term), magnitude) in terms.iter().enumerate().zip(&sizes) {
        let mut part = term.shallow_clone();
        if spreads {
            let mut share = magnitude.f_div(&both)?.f_where_self(&both.f_gt(0.0)?, &half)?;
            part = part.f_add(&share.f_mul_(&added)?)?;
        }
        relevance.push(column(&part.f_mul(&shared)?, &through.source(place)?.size())?);
    }
    Ok(relevance)
}

/// The relevance of the input of a weighted mean or sum with fixed weights. `counted` are the sums of the weights; they are the Jacobian's product
/// with ones, by way of the product with a cotangent, which is linear in it.
pub(super) fn average(through: &Through<'_>, place: usize, counted: &mut Option<(Vec<i64>, Tensor)>) -> Result<Tensor> {
    let output = through.output();
    let input = through.source(place)?;
    let added = stabiliser(&output, through.rules.eps)?;
    let shared = through.relevance.f_div(&output.f_add(&added)?)?;
    let relevance = through.product_of(place, &shared, true)?.f_mul(&input)?;
    if through.rules.stabiliser == Stabiliser::Plain {
        return Ok(relevance);
    }
    let size = input.size();
    if counted.as_ref().is_none_or(|(known, _)| *known != size) {
        let cotangent = output.f_zeros_like()?.f_requires_grad_(true)?;
        let leaf = through.leaf(place)?;
        let product =
            vector_jacobian(through.computed(), &cotangent, &[leaf], true, true)?.into_iter().next().flatten();
        let product = product.ok_or_else(|| lost("an input"))?;
        let sums = vector_jacobian(&product, &leaf.f_detach()?.f_ones_like()?, &[&cotangent], true, false)?;
        let sums = sums.into_iter().next().flatten().ok_or_else(|| lost("an input"))?;
        *counted = Some((size, sums));
    }
    let Some((_, sums)) = counted.as_ref() else { unreachable!("it was just made") };
    let given = added.f_mul(&shared)?;
    let each = given.f_div(sums)?.f_where_self(&sums.f_ne(0.0)?, &given.f_zeros_like()?)?;
    Ok(relevance.f_add(&through.product_of(place, &each, true)?)?)
}

/// The relevance of values weighed by attention, the weights taken for constants that sum to 1 (Ali et al.: XAI for Transformers: Better
/// Explanations through Conservative Propagation, ICML 2022, section 3).
pub(super) fn attention(through: &Through<'_>, place: usize) -> Result<Tensor> {
    let output = through.output();
    let added = stabiliser(&output, through.rules.eps)?;
    let shared = through.relevance.f_div(&output.f_add(&added)?)?;
    let relevance = through.product_of(place, &shared, true)?.f_mul(&through.source(place)?)?;
    if through.rules.stabiliser == Stabiliser::Plain {
        return Ok(relevance);
    }
    Ok(relevance.f_add(&through.product_of(place, &added.f_mul(&shared)?, true)?)?)
}

/// The relevance of the factors of a product, half for each (Achtibat et al.: AttnLRP, ICML 2024, proposition 3.3).
pub(super) fn product(through: &Through<'_>) -> Result<Vec<Tensor>> {
    let output = through.output();
    let shared = through.relevance.f_div(&output.f_add(&stabiliser(&output, through.rules.eps)?)?)?;
    let sources = through.sources();
    (0..sources)
        .map(|place| {
            let product = through.product_of(place, &shared, true)?.f_mul(&through.source(place)?)?;
            Ok(product.f_div_scalar(sources as f64)?)
        })
        .collect()
}

/// What an operator without a rule passes on if it is taken for its gradient at this input.
pub(super) fn gradient(through: &Through<'_>) -> Result<Vec<Tensor>> {
    let output = through.output();
    let shared = through.relevance.f_div(&output.f_add(&stabiliser(&output, through.rules.eps)?)?)?;
    (0..through.sources())
        .map(|place| Ok(through.product_of(place, &shared, true)?.f_mul(&through.source(place)?)?))
        .collect()
}
