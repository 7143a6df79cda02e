//! Between tensors and plain slices.

use tch::{Device, Kind, Tensor};

use super::signature::ElementType;
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
        // unchanged by `self` for as long as the slice is borrowed: the graph that could write to it is paused in our callback, and
        // attacks write to none of the tensors they read.
        unsafe { std::slice::from_raw_parts(self.tensor.data_ptr().cast::<f32>().cast_const(), count) }
    }
}

/// A tensor of f64 in main memory, to be read row by row.
pub struct Doubles(Tensor);

impl Doubles {
    /// None where it lies elsewhere or is of another type. It is copied where its values lie in another order.
    pub fn of(tensor: &Tensor) -> Option<Self> {
        let is = tensor.device() == Device::Cpu && tensor.f_kind().ok()? == Kind::Double;
        is.then(|| tensor.f_detach().and_then(|tensor| tensor.f_contiguous()).ok())?.map(Self)
    }

    /// The values.
    pub fn as_slice(&self) -> &[f64] {
        let count = self.0.numel();
        if count == 0 {
            return &[];
        }
        // SAFETY: the tensor is contiguous f64 in main memory (`of` looked), has `count` elements, and is kept alive by `self`; whoever computes with it
        // on this thread changes none of a kept run's values.
        unsafe { std::slice::from_raw_parts(self.0.data_ptr().cast::<f64>().cast_const(), count) }
    }
}

/// A new tensor of f64 in main memory, its values as `fill` leaves them; they are 0 before.
pub fn filled(size: &[i64], fill: impl FnOnce(&mut [f64])) -> Result<Tensor> {
    let tensor = Tensor::f_zeros(size, (Kind::Double, Device::Cpu)).map_err(|why| {
        Error::new(ErrorKind::Model, format!("there is no room for numbers of shape {size:?}: {why}"))
    })?;
    let count = tensor.numel();
    if count > 0 {
        // SAFETY: the tensor was just made, contiguous, of `count` f64 in main memory, and nobody else knows of it.
        fill(unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast::<f64>(), count) });
    }
    Ok(tensor)
}

/// libtorch's name of an element type.
pub fn kind(element: ElementType) -> Kind {
    match element {
        ElementType::Bool => Kind::Bool,
        ElementType::Uint8 => Kind::Uint8,
        ElementType::Int8 => Kind::Int8,
        ElementType::Int16 => Kind::Int16,
        ElementType::Int32 => Kind::Int,
        ElementType::Int64 => Kind::Int64,
        ElementType::Float16 => Kind::Half,
        ElementType::Bfloat16 => Kind::BFloat16,
        ElementType::Float32 => Kind::Float,
        ElementType::Float64 => Kind::Double,
    }
}

/// A tensor to try a model with: numbers that differ from place to place and stay small; whole numbers are 0 and 1, which every
/// table has.
pub fn example(size: &[i64], element: ElementType, device: Device) -> Result<Tensor> {
    let count = size.iter().try_fold(1i64, |count, n| count.checked_mul(*n)).filter(|count| *count <= 1 << 31);
    let count = count.ok_or_else(|| {
        Error::new(ErrorKind::Configuration, format!("an input of shape {size:?} is too large to try"))
    })?;
    let make = || {
        let places = Tensor::f_arange(count, (Kind::Int64, Device::Cpu))?;
        let steps = places.f_multiply_scalar(7919)?;
        let values = if element.is_integer() {
            steps.f_remainder(2)?
        } else {
            steps.f_remainder(17)?.f_to_kind(Kind::Float)?.f_subtract_scalar(8.0)?.f_multiply_scalar(0.125)?
        };
        values.f_view(size)?.f_to_kind(kind(element))?.f_to_device(device)
    };
    make().map_err(|why: tch::TchError| {
        Error::new(ErrorKind::Configuration, format!("an input of shape {size:?} cannot be made: {why}"))
    })
}

/// The bytes of a tensor's elements, row-major.
pub fn bytes(tensor: &Tensor) -> Result<Vec<u8>> {
    let read = || {
        let tensor = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_contiguous()?;
        let mut bytes = vec![0; tensor.numel() * tensor.f_kind()?.elt_size_in_bytes()];
        tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
        Ok(bytes)
    };
    read().map_err(|why: tch::TchError| Error::new(ErrorKind::Model, format!("a weight cannot be read: {why}")))
}

/// The shape of a tensor.
pub fn shape(tensor: &Tensor) -> Vec<usize> {
    tensor.size().into_iter().map(|size| usize::try_from(size).unwrap_or(0)).collect()
}
