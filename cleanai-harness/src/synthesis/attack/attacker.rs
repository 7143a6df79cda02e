//! An attack on the batches of one data set.

use tch::{Tensor, no_grad};

use super::subject::{Aim, Subject};
use super::{Attack, Method};
use crate::data::transform::TransformStep;
use crate::data::{Batch, FieldInfo, Values};
use crate::model::{GradientModel, tensor};
use crate::synthesis::scale::Scale;
use crate::{Error, ErrorKind, Result};

/// An attack on one data set.
///
/// ```no_run
/// use cleanai_harness::data::{DataSet, transform};
/// use cleanai_harness::declare::{DataLocation, DeviceChoice, OnBadInput};
/// use cleanai_harness::model::{GradientModel, Model};
/// use cleanai_harness::synthesis::{Attack, Attacker, Bim, Method};
/// # fn main() -> cleanai_harness::Result<()> {
/// let steps = transform::parse(r#"["grayscale", { normalize = { mean = 0.5, std = 0.5 } }]"#)?;
/// let digits = DataLocation { path: "data/test".into(), root: ".".into() };
/// let digits = DataSet::open(&digits, &steps, OnBadInput::Fail)?;
/// let mut model = GradientModel::new(Model::open("lenet5.pt".as_ref(), DeviceChoice::Cpu)?)?;
/// let attacker = Attacker::new(&Attack::new(Method::Bim(Bim::default())), &digits, &steps)?;
/// for batch in digits.batches(64) {
///     let mut batch = batch?;
///     attacker.apply(&mut model, &mut batch, &|index| digits.names(index))?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Attacker {
    method: Method,
    target: Option<i64>,
    scale: Scale,
    together: usize,
}

impl Attacker {
    /// On the inputs of a data set that go through this transform.
    ///
    /// # Errors
    /// If its numbers are none it can have, its target is no class of the data, if there are several fields or whole numbers, or if the transform cannot
    /// be undone.
    pub fn new(attack: &Attack, set: &crate::data::DataSet, steps: &[TransformStep]) -> Result<Self> {
        Self::of(attack, set.fields(), set.classes(), steps)
    }

    pub(super) fn of(
        attack: &Attack,
        fields: &[FieldInfo],
        classes: Option<&[String]>,
        steps: &[TransformStep],
    ) -> Result<Self> {
        let scale = Scale::new(&attack.clone().into(), fields, steps)?;
        let target = attack.target.as_ref().map(|target| target.class(classes)).transpose()?;
        Ok(Self { method: attack.method.clone(), target, scale, together: usize::MAX })
    }

    /// Attacks no more inputs together than this, one at least: their runs are kept in memory for the way back.
    pub fn at_most(&mut self, inputs: usize) {
        self.together = inputs.max(1);
    }

    /// Makes the inputs of a batch of those that are there, padding included; `name` tells the inputs.
    ///
    /// # Errors
    /// If a value lies outside the range, a label or the target is no class of the model, or the model cannot be run or has no gradient.
    pub fn apply(&self, model: &mut GradientModel, batch: &mut Batch, name: &dyn Fn(usize) -> String) -> Result<()> {
        let (first, inputs) = (batch.first, batch.inputs);
        let [field] = &mut batch.fields[..] else { return Err(no_values()) };
        let Values::Float(values) = &mut field.values else { return Err(no_values()) };
        let row: usize = field.shape.iter().product();
        for (at, own) in values.chunks_exact(row.max(1)).take(inputs).enumerate() {
            self.scale.check(own).map_err(|error| error.context(format!("input {}", name(first + at))))?;
        }
        let together = self.together.min(model.model().fixed_batch().unwrap_or(usize::MAX));
        for from in (0..inputs).step_by(together.min(inputs).max(1)) {
            let to = inputs.min(from.saturating_add(together));
            let aim = match (self.target, &batch.labels) {
                (Some(target), _) => Aim::To(target),
                (None, Some(labels)) => Aim::FromLabels(labels[from..to].to_vec()),
                (None, None) => Aim::FromPredicted,
            };
            let size: Vec<i64> =
                std::iter::once(to - from).chain(field.shape.iter().copied()).map(|n| n as i64).collect();
            let own = &mut values[from * row..to * row];
            no_grad(|| self.make(model, own, &size, aim, first + from, name))?;
        }
        // Padding repeats the last input, so it is made of the last one's.
        if let Some(last) = inputs.checked_sub(1) {
            for at in inputs..values.len() / row.max(1) {
                values.copy_within(last * row..(last + 1) * row, at * row);
            }
        }
        Ok(())
    }

    /// Attacks inputs of this size, the batch axis first.
    fn make(
        &self,
        model: &mut GradientModel,
        values: &mut [f32],
        size: &[i64],
        aim: Aim,
        first: usize,
        name: &dyn Fn(usize) -> String,
    ) -> Result<()> {
        let device = model.model().device();
        let numbers = |numbers: &[f32], size: &[i64]| -> Result<Tensor> {
            Ok(Tensor::f_from_slice(numbers)?.f_view(size)?.f_to_device(device)?)
        };
        let bound = |of: fn(&[f32; 2]) -> f32| {
            let bounds: Vec<f32> = self.scale.bounds.iter().map(of).collect();
            let mut along = vec![1; size.len()];
            if let Some(axis) = along.get_mut(1) {
                *axis = bounds.len() as i64;
            }
            numbers(&bounds, &along)
        };
        let originals: Vec<f32> = self.scale.units(values).into_iter().map(|unit| unit as f32).collect();
        let mut subject = Subject {
            model,
            low: bound(|[low, _]| *low)?,
            length: bound(|[low, high]| (f64::from(*high) - f64::from(*low)) as f32)?,
            originals: numbers(&originals, size)?,
            aim,
            first,
            name,
        };
        let made = match &self.method {
            Method::Fgsm(method) => method.make(&mut subject)?,
            Method::Bim(method) => method.make(&mut subject)?,
            Method::Pgd(method) => method.make(&mut subject)?,
            Method::Jsma(method) => method.make(&mut subject)?,
            Method::Cw(method) => method.make(&mut subject)?,
        };
        self.scale.place(tensor::Values::of(&made)?.as_slice(), &originals, values);
        Ok(())
    }
}

fn no_values() -> Error {
    Error::new(ErrorKind::Data, "there are no values to attack")
}
