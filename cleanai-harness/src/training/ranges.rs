//! Between which values trusted inputs of each class move each neuron.

use std::borrow::Borrow;

use tch::{Device, Kind, TchError, Tensor, no_grad};

use super::{check_labels, check_logits, neurons, unreadable};
use crate::{Error, ErrorKind, Result};

/// Inputs are trusted whose largest softmax is this or more, and whose class is their label.
pub const TRUSTED: f64 = 0.9;

/// The smallest and largest value of each neuron over the trusted inputs of each class.
///
/// Trusted are inputs that the network classifies correctly with a largest softmax of [`TRUSTED`] or more. A neuron is a channel: the mean
/// over what lies behind the second axis of a layer's output, (inputs, channels, ...).
///
/// ```
/// use cleanai_harness::training::TrustedRanges;
/// use tch::Tensor;
/// # fn main() -> cleanai_harness::Result<()> {
/// let mut ranges = TrustedRanges::new(2)?;
/// let logits = Tensor::from_slice2(&[[4.0, 0.0], [5.0, 0.0], [0.1, 0.0], [0.0, 4.0]]); // the third is not sure enough
/// let layer = Tensor::from_slice2(&[[0.0, 1.0], [2.0, 3.0], [9.0, 9.0], [1.0, 1.0]]);
/// ranges.observe(&logits, &Tensor::from_slice(&[0i64, 0, 0, 1]), &[&layer])?;
/// assert_eq!(ranges.trusted(), [2, 1]);
/// // Two more inputs, both classified as 0: the second moves both neurons out of their ranges.
/// let layer = Tensor::from_slice2(&[[1.0, 3.0], [-1.0, 4.0]]);
/// let outside = ranges.outside(&logits.narrow(0, 0, 2), &[&layer])?;
/// assert_eq!(Vec::<i64>::try_from(&outside).unwrap(), [0, 2]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TrustedRanges {
    trusted: Vec<u64>,
    /// One entry per layer, once some are known.
    layers: Vec<LayerRanges>,
}

/// Of one layer: (classes, neurons) each, f64; infinity and minus infinity where a class has no trusted input.
#[derive(Debug)]
pub(super) struct LayerRanges {
    pub low: Tensor,
    pub high: Tensor,
}

impl LayerRanges {
    fn empty(classes: usize, neurons: i64, device: Device) -> std::result::Result<Self, TchError> {
        let full = |value: f64| Tensor::f_full([classes as i64, neurons], value, (Kind::Double, device));
        Ok(Self { low: full(f64::INFINITY)?, high: full(f64::NEG_INFINITY)? })
    }

    /// Widens the range of a class to these values, (inputs, neurons).
    fn widen(&mut self, class: i64, values: &Tensor) -> std::result::Result<(), TchError> {
        let (mut low, mut high) = (self.low.f_select(0, class)?, self.high.f_select(0, class)?);
        low.f_copy_(&low.f_minimum(&values.f_amin(&[0i64][..], false)?)?)?;
        high.f_copy_(&high.f_maximum(&values.f_amax(&[0i64][..], false)?)?)
    }

    /// Smallest and largest values by the classes given, (inputs, neurons) each.
    pub fn of(&self, classes: &Tensor) -> std::result::Result<(Tensor, Tensor), TchError> {
        Ok((self.low.f_index_select(0, classes)?, self.high.f_index_select(0, classes)?))
    }
}

impl TrustedRanges {
    /// Ranges of a network of so many classes that has seen nothing.
    ///
    /// # Errors
    /// If there are fewer than two classes: the softmax of one is always 1.
    pub fn new(classes: usize) -> Result<Self> {
        if classes < 2 {
            let what = format!("trusted inputs are told by the softmax over classes, and there are {classes}");
            return Err(Error::new(ErrorKind::Configuration, what).with_help("give the number of logits, 2 or more"));
        }
        Ok(Self { trusted: vec![0; classes], layers: Vec::new() })
    }

    /// Takes in the trusted inputs of a batch: logits (inputs, classes), labels (inputs) as Int64, and of each layer (inputs, channels, ...). Nothing is
    /// recorded for gradients.
    ///
    /// # Errors
    /// If shapes do not fit each other or earlier batches, a label is no class, or a trusted input has a value that is not finite.
    pub fn observe<T: Borrow<Tensor>>(&mut self, logits: &Tensor, labels: &Tensor, layers: &[T]) -> Result<()> {
        no_grad(|| {
            let inputs = check_logits(logits, self.trusted.len())?;
            let labels = check_labels(labels, inputs, self.trusted.len())?;
            let values = self.values(layers, inputs)?;
            if self.layers.is_empty() {
                let empty = |(at, values): (usize, &Tensor)| {
                    LayerRanges::empty(self.trusted.len(), values.size()[1], values.device())
                        .map_err(|why| unreadable(at, &why))
                };
                self.layers = values.iter().enumerate().map(empty).collect::<Result<_>>()?;
            }
            let (confidence, predicted) = prediction(logits).map_err(|why| unreadable_logits(&why))?;
            let mut by_class: std::collections::BTreeMap<i64, Vec<i64>> = std::collections::BTreeMap::new();
            for (input, label) in labels.iter().enumerate() {
                if predicted[input] == *label && confidence[input] >= TRUSTED {
                    by_class.entry(*label).or_default().push(input as i64);
                }
            }
            for (at, values) in values.iter().enumerate() {
                let trusted: Vec<i64> = by_class.values().flatten().copied().collect();
                let rows = |inputs: &[i64]| {
                    let inputs = Tensor::f_from_slice(inputs)?.f_to_device(values.device())?;
                    values.f_index_select(0, &inputs)?.f_to_kind(Kind::Double)
                };
                let finite = |rows: Tensor| Ok(rows.f_isfinite()?.f_all()?.f_int64_value(&[])? != 0);
                if !rows(&trusted).and_then(finite).map_err(|why| unreadable(at, &why))? {
                    let what = format!("a trusted input gives layer {at} a value that is NaN or infinite");
                    return Err(Error::new(ErrorKind::Data, what)
                        .with_help("lower the learning rate, or look for overflow in the layer"));
                }
            }
            for (at, (values, ranges)) in values.iter().zip(&mut self.layers).enumerate() {
                for (class, inputs) in &by_class {
                    let widened = Tensor::f_from_slice(inputs)
                        .and_then(|inputs| inputs.f_to_device(values.device()))
                        .and_then(|inputs| values.f_index_select(0, &inputs)?.f_to_kind(Kind::Double))
                        .and_then(|rows| ranges.widen(*class, &rows));
                    widened.map_err(|why| unreadable(at, &why))?;
                }
            }
            for (class, inputs) in &by_class {
                self.trusted[*class as usize] += inputs.len() as u64;
            }
            Ok(())
        })
    }

    /// Trusted inputs seen, by class.
    pub fn trusted(&self) -> &[u64] {
        &self.trusted
    }

    /// Neurons of all layers; 0 before anything was seen.
    pub fn neurons(&self) -> usize {
        self.layers.iter().map(|layer| usize::try_from(layer.low.size()[1]).unwrap_or(0)).sum()
    }

    /// How many neurons of each input lie outside the ranges of the class it is classified as: (inputs), Int64. A class without trusted inputs has
    /// none inside. This is the `eta` of the monitor by ranges in the paper, there and in CRITERIA section 7 called `src`.
    ///
    /// # Errors
    /// If shapes do not fit each other or what was seen.
    pub fn outside<T: Borrow<Tensor>>(&self, logits: &Tensor, layers: &[T]) -> Result<Tensor> {
        no_grad(|| {
            let inputs = check_logits(logits, self.trusted.len())?;
            let values = self.values(layers, inputs)?;
            let (_, predicted) = prediction(logits).map_err(|why| unreadable_logits(&why))?;
            let mut sum =
                Tensor::f_zeros([inputs], (Kind::Int64, Device::Cpu)).map_err(|why| unreadable_logits(&why))?;
            for (at, (values, ranges)) in values.iter().zip(&self.layers).enumerate() {
                let count = || {
                    let classes = Tensor::f_from_slice(&predicted)?.f_to_device(values.device())?;
                    let (low, high) = ranges.of(&classes)?;
                    let values = values.f_to_kind(Kind::Double)?;
                    let inside = values.f_ge_tensor(&low)?.f_logical_and(&values.f_le_tensor(&high)?)?;
                    // What is NaN is not inside.
                    inside.f_logical_not()?.f_sum_dim_intlist(&[1i64][..], false, Kind::Int64)?.f_to_device(Device::Cpu)
                };
                sum = count().and_then(|count| sum.f_add(&count)).map_err(|why| unreadable(at, &why))?;
            }
            Ok(sum)
        })
    }

    /// What a loss needs: every class has been seen.
    pub(super) fn check_complete(&self) -> Result<()> {
        let missing: Vec<String> = self
            .trusted
            .iter()
            .enumerate()
            .filter(|(_, seen)| **seen == 0)
            .map(|(class, _)| class.to_string())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let (classes, have) = if missing.len() == 1 { ("class", "has") } else { ("classes", "have") };
        let shown = missing.iter().take(10).cloned().collect::<Vec<_>>().join(", ");
        let more = if missing.len() > 10 { format!(" and {} more", missing.len() - 10) } else { String::new() };
        let what = format!(
            "{classes} {shown}{more} {have} no trusted input (classified correctly with a confidence of {TRUSTED} or more), so no ranges to stay in"
        );
        Err(Error::new(ErrorKind::Data, what).with_help(
            "train with the cross entropy first, until some inputs of every class are trusted, and observe these",
        ))
    }

    pub(super) fn classes(&self) -> usize {
        self.trusted.len()
    }

    pub(super) fn layers(&self) -> &[LayerRanges] {
        &self.layers
    }

    /// The neurons of every layer, of which there are as many as before.
    pub(super) fn values<T: Borrow<Tensor>>(&self, layers: &[T], inputs: i64) -> Result<Vec<Tensor>> {
        if layers.is_empty() || !self.layers.is_empty() && self.layers.len() != layers.len() {
            let known = if self.layers.is_empty() { "1 or more".to_owned() } else { self.layers.len().to_string() };
            let what = format!("{} layers are given where {known} are wanted", layers.len());
            return Err(
                Error::new(ErrorKind::Data, what).with_help("give the same layers in the same order every time")
            );
        }
        let of_layer = |(at, layer): (usize, &T)| {
            let values = neurons(layer.borrow(), at)?;
            let known = self.layers.get(at).map(|known| known.low.size()[1]);
            let size = values.size();
            if size[0] != inputs || known.is_some_and(|known| known != size[1]) {
                let channels = known.map_or("channels".to_owned(), |known| known.to_string());
                return Err(Error::new(
                    ErrorKind::Data,
                    format!(
                        "the output of layer {at} has the shape {:?} where ({inputs}, {channels}, ...) is wanted",
                        layer.borrow().size()
                    ),
                ));
            }
            Ok(values)
        };
        layers.iter().enumerate().map(of_layer).collect()
    }
}

/// The largest softmax of each input, and its class.
fn prediction(logits: &Tensor) -> std::result::Result<(Vec<f64>, Vec<i64>), TchError> {
    let (confidence, class) = logits.f_softmax(1, Kind::Double)?.f_max_dim(1, false)?;
    let (confidence, class) = (confidence.f_to_device(Device::Cpu)?, class.f_to_device(Device::Cpu)?);
    Ok((Vec::try_from(&confidence)?, Vec::try_from(&class)?))
}

fn unreadable_logits(why: &TchError) -> Error {
    Error::new(ErrorKind::Data, format!("the logits cannot be read: {why}"))
}
