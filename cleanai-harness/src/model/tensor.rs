//! Between tensors and plain slices.

use tch::{Device, Kind, Tensor};

use crate::{Error, ErrorKind, Result};

/// The values of a tensor as contiguous f32 on the CPU. Nothing is copied if it already is that.
pub struct Values {
    tensor: Tensor,
}

impl Values {
    /// Brings a tensor into reach.
    ///
    /// # Errors
    /// If it is no dense tensor of numbers.
    pub fn of(tensor: &Tensor) -> Result<Self> {
        let convert = || {
            let tensor = tensor.f_to_device(Device::Cpu)?;
            let tensor = if tensor.f_kind()? == Kind::Float { tensor } else { tensor.f_to_kind(Kind::Float)? };
            tensor.f_contiguous()
        };
        let tensor = convert().map_err(|why: tch::TchError| {
            Error::new(ErrorKind::Model, format!("a layer's output cannot be read as numbers: {why}"))
        })?;
        Ok(Self { tensor })
    }

    /// The values, row-major.
    pub fn as_slice(&self) -> &[f32] {
        let count = self.tensor.numel();
        if count == 0 {
            return &[];
        }
        // SAFETY: the tensor is contiguous f32 in main memory (made so in `of`), has `count` elements, and is kept alive and
        // unchanged by `self` for as long as the slice is borrowed: the graph that could write to it is paused in our callback.
        unsafe { std::slice::from_raw_parts(self.tensor.data_ptr().cast::<f32>().cast_const(), count) }
    }
}

/// The shape of a tensor.
pub fn shape(tensor: &Tensor) -> Vec<usize> {
    tensor.size().into_iter().map(|size| usize::try_from(size).unwrap_or(0)).collect()
}
