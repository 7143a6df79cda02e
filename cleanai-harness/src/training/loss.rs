//! Cross entropy, and a penalty on neurons that leave the ranges of trusted inputs.

use std::borrow::Borrow;

use tch::{Kind, Reduction, TchError, Tensor};

use super::ranges::LayerRanges;
use super::{TrustedRanges, check_labels, check_logits};
use crate::{Error, ErrorKind, Result};

/// Cross entropy + lambda * mean over layers of `(relu(v - max) + relu(min - v)) / (max - min)`, where `min` and `max` are those of the
/// trusted inputs of the input's label ([`TrustedRanges`]).
///
/// In a layer the penalty is the mean over the inputs of a batch and their neurons. A neuron that all trusted inputs of a class give the same value has
/// no width to measure by and is left out for that class. The penalty is 0 as long as every neuron stays in its range; outside it has a gradient.
///
/// Definition: Rossolini, Biondi, Buttazzo: Increasing the Confidence of Deep Neural Networks by Coverage Analysis, IEEE TSE 2022. (The notebook
/// published with it counts what is outside, which has no gradient.)
///
/// ```
/// use cleanai_harness::training::{ConfidenceLoss, TrustedRanges};
/// use tch::Tensor;
/// # fn main() -> cleanai_harness::Result<()> {
/// let logits = Tensor::from_slice2(&[[4.0, 0.0], [4.0, 0.0], [0.0, 4.0], [0.0, 4.0]]);
/// let labels = Tensor::from_slice(&[0i64, 0, 1, 1]);
/// let mut ranges = TrustedRanges::new(2)?;
/// ranges.observe(&logits, &labels, &[&Tensor::from_slice2(&[[0.0], [2.0], [5.0], [6.0]])])?;
/// let loss = ConfidenceLoss::new(0.5, ranges)?;
/// // Inputs of class 0, whose range is 0 to 2: one inside, one above it by twice its width.
/// let (logits, labels) = (logits.narrow(0, 0, 2), labels.narrow(0, 0, 2));
/// let layer = Tensor::from_slice2(&[[1.0], [6.0]]);
/// assert_eq!(loss.penalty(&labels, &[&layer])?.double_value(&[]), 1.0);
/// let whole = loss.of(&logits, &labels, &[&layer])?.double_value(&[]);
/// assert!((whole - (0.018_149_9 + 0.5)).abs() < 1e-6); // cross entropy of both: ln(1 + e^-4)
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ConfidenceLoss {
    lambda: f64,
    ranges: TrustedRanges,
}

impl ConfidenceLoss {
    /// The loss with this weight of the penalty; 0 leaves the cross entropy.
    ///
    /// # Errors
    /// If lambda is negative, NaN or infinite, or some class has no trusted input.
    pub fn new(lambda: f64, ranges: TrustedRanges) -> Result<Self> {
        if !(lambda.is_finite() && lambda >= 0.0) {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!("the weight lambda of the penalty is {lambda}: it must be a finite number >= 0"),
            ));
        }
        ranges.check_complete()?;
        Ok(Self { lambda, ranges })
    }

    /// The ranges it keeps neurons in.
    pub fn ranges(&self) -> &TrustedRanges {
        &self.ranges
    }

    /// The loss of a batch, a scalar: logits (inputs, classes), labels (inputs) as Int64, and of each layer (inputs, channels, ...).
    ///
    /// # Errors
    /// If shapes do not fit each other or the ranges, or a label is no class.
    pub fn of<T: Borrow<Tensor>>(&self, logits: &Tensor, labels: &Tensor, layers: &[T]) -> Result<Tensor> {
        let inputs = check_logits(logits, self.ranges.classes())?;
        check_labels(labels, inputs, self.ranges.classes())?;
        let penalty = self.penalty(labels, layers)?;
        let whole = || {
            let labels = labels.f_to_device(logits.device())?;
            let entropy = logits.f_cross_entropy_loss::<Tensor>(&labels, None, Reduction::Mean, -100, 0.0)?;
            let penalty = penalty.f_to_device(logits.device())?.f_to_kind(entropy.f_kind()?)?;
            entropy.f_add(&penalty.f_mul_scalar(self.lambda)?)
        };
        whole().map_err(|why| Error::new(ErrorKind::Data, format!("the loss cannot be computed: {why}")))
    }

    /// The mean over layers by itself, without its weight: a scalar.
    ///
    /// # Errors
    /// As [`ConfidenceLoss::of`].
    pub fn penalty<T: Borrow<Tensor>>(&self, labels: &Tensor, layers: &[T]) -> Result<Tensor> {
        let inputs = labels.size().first().copied().unwrap_or(0);
        check_labels(labels, inputs, self.ranges.classes())?;
        let values = self.ranges.values(layers, inputs)?;
        let of_layer = |(at, (values, ranges)): (usize, (&Tensor, &LayerRanges))| {
            let what = |why| Error::new(ErrorKind::Data, format!("the loss of layer {at} cannot be computed: {why}"));
            beyond(values, labels, ranges).map_err(|why: TchError| what(why))
        };
        let layers = values.iter().zip(self.ranges.layers()).enumerate().map(of_layer).collect::<Result<Vec<_>>>()?;
        let first = layers[0].device();
        let mean = || {
            let here: Vec<Tensor> =
                layers.iter().map(|layer| layer.f_to_device(first)).collect::<std::result::Result<_, _>>()?;
            Tensor::f_stack(&here, 0)?.f_mean(None)
        };
        mean().map_err(|why| Error::new(ErrorKind::Data, format!("the loss cannot be computed: {why}")))
    }
}

/// How far values lie beyond their ranges, in widths of these: the mean over what has one.
fn beyond(values: &Tensor, labels: &Tensor, ranges: &LayerRanges) -> std::result::Result<Tensor, TchError> {
    let kind = values.f_kind()?;
    let (low, high) = ranges.of(&labels.f_to_device(ranges.low.device())?)?;
    let wide = high.f_gt_tensor(&low)?;
    // In f64, as a width may vanish in the values' own type.
    let width = high.f_sub(&low)?.f_where_self(&wide, &high.f_ones_like()?)?;
    let (low, high) = (low.f_to_device(values.device())?, high.f_to_device(values.device())?);
    let (wide, width) = (wide.f_to_device(values.device())?, width.f_to_device(values.device())?);
    let values = values.f_to_kind(Kind::Double)?;
    let beyond = values.f_sub(&high)?.f_relu()?.f_add(&low.f_sub(&values)?.f_relu()?)?.f_div(&width)?;
    let counted = beyond.f_where_self(&wide, &beyond.f_zeros_like()?)?;
    let count = wide.f_sum(Kind::Double)?.f_clamp_min(1.0)?;
    counted.f_sum(Kind::Double)?.f_div(&count)?.f_to_kind(if kind == Kind::Double { kind } else { Kind::Float })
}
