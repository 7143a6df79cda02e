//! Pictures and labels as tensors, and what is made of them.

use std::path::{Path, PathBuf};

use cleanai_harness::data::{DataSet, Values, transform};
use cleanai_harness::declare::{DataLocation, OnBadInput};
use tch::{Device, Kind, Tensor};

use crate::Outcome;

/// Labelled pictures, scaled to -1..1.
pub struct Images {
    pub inputs: Tensor,
    pub labels: Tensor,
}

impl Images {
    pub fn len(&self) -> i64 {
        self.labels.size()[0]
    }

    /// Those at these places.
    pub fn at(&self, places: &Tensor) -> Self {
        Self { inputs: self.inputs.index_select(0, places), labels: self.labels.index_select(0, places) }
    }

    /// From one place up to another.
    pub fn part(&self, from: i64, to: i64) -> Self {
        let of = |tensor: &Tensor| tensor.narrow(0, from, to - from);
        Self { inputs: of(&self.inputs), labels: of(&self.labels) }
    }
}

/// Reads a data set whole.
pub fn read(root: &Path, path: &str, steps: &str) -> Outcome<Images> {
    let location = DataLocation { path: path.to_owned(), root: root.to_owned() };
    let set = DataSet::open(&location, &transform::parse(steps)?, OnBadInput::Fail)?;
    let shape: Vec<i64> = set.shape().iter().map(|size| *size as i64).collect();
    let (mut numbers, mut labels) = (Vec::new(), Vec::new());
    for batch in set.batches(256) {
        let batch = batch?;
        let [field] = batch.fields.as_slice() else { return Err(format!("{path} has several inputs").into()) };
        let Values::Float(values) = &field.values else { return Err(format!("{path} holds no pictures").into()) };
        numbers.extend_from_slice(&values[..values.len() / batch.size * batch.inputs]);
        labels.extend(batch.labels.ok_or_else(|| format!("{path} has no labels"))?);
    }
    let size: Vec<i64> = std::iter::once(labels.len() as i64).chain(shape).collect();
    Ok(Images { inputs: Tensor::from_slice(&numbers).view(size.as_slice()), labels: Tensor::from_slice(&labels) })
}

/// Black and white exchanged.
pub fn inverted(inputs: &Tensor) -> Tensor {
    -inputs
}

/// With noise of a standard deviation of 0.3 of the range of pixels, which here is -1..1, cut off at its ends.
pub fn noisy(inputs: &Tensor, seed: i64) -> Tensor {
    tch::manual_seed(seed);
    (inputs + Tensor::randn(inputs.size(), (Kind::Float, Device::Cpu)) * 0.6).clamp(-1.0, 1.0)
}

/// The 4,000 labelled pictures of CIFAR-10; none where this machine has not got them.
pub fn cifar() -> Outcome<Option<Images>> {
    let Some(data) = std::env::var_os("CLEANAI_DATA").map(PathBuf::from) else { return Ok(None) };
    if !data.join("cifar10").is_dir() {
        return Ok(None);
    }
    let path = "cifar10/convnetjs_train4000_u8_nhwc.npy,cifar10/convnetjs_train4000_labels_matched_u8.npy";
    let steps = "[\"scale\", { normalize = { mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5] } }]";
    read(&data, path, steps).map(Some)
}
