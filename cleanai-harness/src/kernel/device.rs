//! The same readings as [`cpu`](super::cpu) by tensor operators, for activations that lie on a GPU: of channels only the means are copied,
//! of units only what criteria ask for.
//!
//! Units give exactly what the CPU gives: comparisons, and the sections' arithmetic in f64, are the same operations. Sums over positions run in f64
//! on both, in another order: a channel's mean may differ in its last bit.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tch::{Kind, TchError, Tensor};

use super::cpu::Channels;
use crate::criteria::{DeviceUnits, InputRange};

/// Values that are computed on at once in f64.
const CHUNK: i64 = 1 << 24;

/// Whether every activation is finite.
///
/// # Errors
/// What the device says.
pub fn is_finite(output: &Tensor) -> Result<bool, TchError> {
    Ok(output.f_isfinite()?.f_all()?.f_int64_value(&[])? != 0)
}

/// Smallest and largest scalar of each input.
///
/// # Errors
/// What the device says.
pub fn ranges(output: &Tensor, inputs: usize) -> Result<Vec<InputRange>, TchError> {
    if output.numel() == 0 {
        return Ok(vec![InputRange::default(); inputs]);
    }
    let rows = output.f_reshape([inputs as i64, -1])?;
    let (low, high) =
        (to_host(&rows.f_amin([1i64].as_slice(), false)?)?, to_host(&rows.f_amax([1i64].as_slice(), false)?)?);
    Ok(low.into_iter().zip(high).map(|(low, high)| InputRange { low, high }).collect())
}

/// Reads a layer whose neurons are channels; all activations are finite. The output has one row for each input, `channel_axis` is counted behind it.
///
/// # Errors
/// What the device says.
pub fn channels(output: &Tensor, channel_axis: usize, read: &mut Channels) -> Result<(), TchError> {
    let size = output.size();
    let inputs = size.first().copied().unwrap_or(0);
    let axis = channel_axis as i64 + 1;
    let positions: Vec<i64> = (1..size.len() as i64).filter(|own| *own != axis).collect();
    let wide = output.f_to_kind(Kind::Double)?;
    let mean = |values: &Tensor| -> Result<Tensor, TchError> {
        match positions.is_empty() {
            true => values.f_reshape([inputs, -1]),
            false => values.f_mean_dim(positions.as_slice(), false, Kind::Double)?.f_reshape([inputs, -1]),
        }
    };
    let means = mean(&wide)?;
    read.ranges = ranges(output, inputs as usize)?;
    read.values = to_host(&means)?;
    let lows: Vec<f64> = read.ranges.iter().map(|range| f64::from(range.low)).collect();
    let lows = Tensor::f_from_slice(&lows)?.f_to_device(output.device())?;
    let mut beside_inputs = vec![1; size.len()];
    if let Some(first) = beside_inputs.first_mut() {
        *first = inputs;
    }
    read.above = to_host(&mean(&wide.f_sub(&lows.f_reshape(beside_inputs.as_slice())?)?)?)?;
    if inputs > 0 && !read.values.is_empty() {
        read.low = to_host(&means.f_amin([0i64].as_slice(), false)?)?;
        read.high = to_host(&means.f_amax([0i64].as_slice(), false)?)?;
    }
    Ok(())
}

/// Units of one layer for one batch, all finite, where they lie.
pub struct TensorUnits {
    /// `[inputs, units]`, f32. One thread asks at a time.
    values: Mutex<Tensor>,
    inputs: i64,
    units: i64,
    failed: Mutex<Option<TchError>>,
}

impl TensorUnits {
    /// The units of a layer's output, which has one row for each input.
    ///
    /// # Errors
    /// What the device says.
    pub fn new(output: &Tensor) -> Result<Self, TchError> {
        let inputs = output.size().first().copied().unwrap_or(0);
        let units = output.numel() as i64 / inputs.max(1);
        let values = output.f_to_kind(Kind::Float)?.f_reshape([inputs, units])?;
        Ok(Self { values: Mutex::new(values), inputs, units, failed: Mutex::new(None) })
    }

    /// Smallest and largest value of each unit over the inputs.
    ///
    /// # Errors
    /// What the device says.
    pub fn extremes(&self) -> Result<(Vec<f32>, Vec<f32>), TchError> {
        if self.inputs == 0 {
            return Ok((vec![f32::INFINITY; self.units as usize], vec![f32::NEG_INFINITY; self.units as usize]));
        }
        let values = lock(&self.values);
        let (low, high) = (values.f_amin([0i64].as_slice(), false)?, values.f_amax([0i64].as_slice(), false)?);
        Ok((to_host(&low)?, to_host(&high)?))
    }

    /// The first failure of an answer, if there was one.
    pub fn failure(&self) -> Option<TchError> {
        lock(&self.failed).take()
    }

    /// The answer, or none with the failure noted.
    fn answer<T: Default>(&self, answer: impl FnOnce(&Tensor) -> Result<T, TchError>) -> T {
        answer(&lock(&self.values)).unwrap_or_else(|why| {
            lock(&self.failed).get_or_insert(why);
            T::default()
        })
    }

    /// Answers about parts of the units, joined column by column: whole numbers, those below 0 being none.
    fn in_chunks(
        &self,
        values: &Tensor,
        answer: impl Fn(&Tensor, i64, i64) -> Result<Tensor, TchError>,
    ) -> Result<Vec<u32>, TchError> {
        let step = (CHUNK / self.inputs.max(1)).max(1);
        let mut parts = Vec::new();
        for start in (0..self.units).step_by(step as usize) {
            let width = step.min(self.units - start);
            parts.push(answer(&values.f_narrow(1, start, width)?, start, width)?);
        }
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        let joined = Tensor::f_cat(&parts, parts[0].dim() as i64 - 1)?.f_to_kind(Kind::Int)?;
        let numbers: Vec<i32> = to_host(&joined)?;
        Ok(numbers.into_iter().map(|number| u32::try_from(number).unwrap_or(u32::MAX)).collect())
    }
}

/// A lock whose holder panicked guards nothing that could be half-done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl DeviceUnits for TensorUnits {
    fn len(&self) -> usize {
        (self.inputs * self.units) as usize
    }

    fn columns(&self, units: &[u32]) -> Vec<f32> {
        self.answer(|values| {
            let indices: Vec<i64> = units.iter().copied().map(i64::from).collect();
            let indices = Tensor::f_from_slice(&indices)?.f_to_device(values.device())?;
            to_host(&values.f_index_select(1, &indices)?)
        })
    }

    fn first_at_least(&self, cutoffs: &[f32]) -> Vec<u32> {
        self.answer(|values| {
            let device = values.device();
            let cutoffs = Tensor::f_from_slice(cutoffs)?.f_to_device(device)?.f_unsqueeze(1)?;
            let order = Tensor::f_arange(self.inputs, (Kind::Int64, device))?.f_unsqueeze(1)?;
            self.in_chunks(values, |values, _, _| {
                let missed = values.f_lt_tensor(&cutoffs)?;
                let order = order.f_expand_as(&missed)?;
                let first = order.f_masked_fill(&missed, self.inputs)?.f_amin([0i64].as_slice(), false)?;
                first.f_masked_fill(&first.f_eq(self.inputs)?, -1)
            })
        })
    }

    fn sections(&self, low: &[f64], high: &[f64], k: usize) -> Vec<u32> {
        self.answer(|values| {
            let device = values.device();
            let (low, high) =
                (Tensor::f_from_slice(low)?.f_to_device(device)?, Tensor::f_from_slice(high)?.f_to_device(device)?);
            self.in_chunks(values, |values, start, width| {
                let values = values.f_to_kind(Kind::Double)?;
                let (low, high) = (low.f_narrow(0, start, width)?, high.f_narrow(0, start, width)?);
                let inside = values.f_ge_tensor(&low)?.f_logical_and(&values.f_le_tensor(&high)?)?;
                let share = values.f_sub(&low)?.f_div(&high.f_sub(&low)?)?;
                let section = share.f_multiply_scalar(k as f64)?.f_floor()?.f_clamp_max((k - 1) as f64)?;
                section.f_masked_fill(&inside.f_logical_not()?, -1)
            })
        })
    }

    fn largest(&self, k: usize) -> Vec<Vec<u32>> {
        let places = (k as i64).min(self.units);
        self.answer(|values| {
            // A stable sort leaves equal ones in the order of their index.
            let (_, order) = values.f_sort_stable(true, 1, true)?;
            let indices: Vec<i64> = to_host(&order.f_narrow(1, 0, places)?)?;
            let row = |input: i64| {
                let row = &indices[(input * places) as usize..((input + 1) * places) as usize];
                row.iter().map(|index| u32::try_from(*index).unwrap_or(u32::MAX)).collect()
            };
            Ok((0..self.inputs).map(row).collect())
        })
    }

    fn copy(&self) -> Vec<f32> {
        self.answer(to_host)
    }
}

fn to_host<T: tch::kind::Element + Copy + Default>(tensor: &Tensor) -> Result<Vec<T>, TchError> {
    let count = tensor.numel();
    let mut values = vec![T::default(); count];
    if count > 0 {
        tensor.f_contiguous()?.f_to_device(tch::Device::Cpu)?.f_copy_data(&mut values, count)?;
    }
    Ok(values)
}
