//! Where the data's range lies after the transform.

use super::Augmentation;
use crate::data::FieldInfo;
use crate::data::transform::{self, TransformStep};
use crate::{Error, ErrorKind, Result};

/// The range of one data set, for an augmentation.
#[derive(Debug, Clone)]
pub(crate) struct Scale {
    /// The ends of the range after the transform, for each place on the first axis.
    pub bounds: Vec<[f32; 2]>,
    /// Values of a place on the first axis.
    plane: usize,
    range: [f64; 2],
    name: &'static str,
}

impl Scale {
    /// For inputs of these fields after this transform.
    ///
    /// # Errors
    /// If the augmentation's numbers are none it can have, if there are several fields or whole numbers, or if the transform cannot be
    /// undone.
    pub fn new(augmentation: &Augmentation, fields: &[FieldInfo], steps: &[TransformStep]) -> Result<Self> {
        let wrong = |what: String| Error::new(ErrorKind::Configuration, what);
        augmentation.check()?;
        let (name, range) = (augmentation.name(), augmentation.range());
        let field = match fields {
            [field] => field,
            several => {
                let names: Vec<_> = several.iter().map(|field| format!("`{}`", field.name.escape_debug())).collect();
                let what =
                    format!("an input has {} fields ({}), and `{name}` is for one", names.len(), names.join(", "));
                return Err(wrong(what).with_help("leave out `augment` for this data"));
            }
        };
        if field.integer {
            return Err(wrong(format!("the inputs are whole numbers, which `{name}` would turn into others"))
                .with_help("save them as floats if they are quantities; leave out `augment` if they are indices"));
        }
        let (first, rest) = match field.shape.split_first() {
            Some((first, rest)) => (*first, rest),
            None => (1, &[][..]),
        };
        if first == 0 || rest.contains(&0) {
            return Err(wrong(format!("inputs of shape {:?} have no values", field.shape)));
        }
        let normalize = normalize(steps)?;
        let [low, high] = range.map(|end| transform::apply_to_floats(vec![end as f32; first], vec![first], normalize));
        let bounds: Vec<_> = low?.into_iter().zip(high?).map(|(low, high)| [low, high]).collect();
        if bounds.iter().any(|[low, high]| low >= high || !(high - low).is_finite()) {
            return Err(wrong(format!("`range` {range:?} leaves no finite numbers between its ends in f32")));
        }
        let plane = rest.iter().product();
        Ok(Self { bounds, plane, range, name })
    }

    /// Where the values of inputs lie between the lower end of the range, 0, and the upper, 1.
    pub fn units(&self, values: &[f32]) -> Vec<f64> {
        let mut units = Vec::with_capacity(values.len());
        for (plane, [low, high]) in self.planes(values) {
            let (low, length) = (f64::from(low), f64::from(high) - f64::from(low));
            units.extend(plane.iter().map(|value| (f64::from(*value) - low) / length));
        }
        units
    }

    /// Moves the values of inputs to where `units` lie in the range, those that differ from `before`: what is not moved stays what it was to the last
    /// bit.
    pub fn place(&self, units: &[f32], before: &[f32], values: &mut [f32]) {
        let planes = values.chunks_mut(self.plane).zip(self.bounds.iter().cycle());
        for ((plane, [low, high]), (units, before)) in
            planes.zip(units.chunks(self.plane).zip(before.chunks(self.plane)))
        {
            let (from, length) = (f64::from(*low), f64::from(*high) - f64::from(*low));
            for ((value, unit), before) in plane.iter_mut().zip(units).zip(before) {
                let placed = ((from + f64::from(*unit) * length) as f32).clamp(*low, *high);
                *value = if unit == before { *value } else { placed };
            }
        }
    }

    /// # Errors
    /// If a value of an input lies outside.
    pub fn check(&self, values: &[f32]) -> Result<()> {
        let outside = |(plane, [low, high]): (&[f32], [f32; 2])| {
            // Without a way out, all of a plane at once.
            let all = plane.iter().fold(true, |all, value| all & (*value >= low) & (*value <= high));
            let value = if all { None } else { plane.iter().find(|value| !(low..=high).contains(*value)) };
            value.map(|value| (*value, low, high))
        };
        match self.planes(values).find_map(outside) {
            None => Ok(()),
            Some((value, low, high)) => {
                let range = self.range;
                let what = format!(
                    "the value {value} lies outside {low} to {high}, which the range {range:?} is after the transform"
                );
                let name = self.name;
                Err(Error::new(ErrorKind::Data, what).with_help(format!(
                    "say where the data lies before it is normalised: `range = [LOW, HIGH]` in `{name}`"
                )))
            }
        }
    }

    /// The values of inputs by their place on the first axis, each with the ends of the range there.
    fn planes<'a>(&'a self, values: &'a [f32]) -> impl Iterator<Item = (&'a [f32], [f32; 2])> {
        values.chunks(self.plane).zip(self.bounds.iter().copied().cycle())
    }
}

/// The steps that end a transform and tell where the data's range goes: those from the first `normalize` on.
///
/// # Errors
/// If another step is among them.
pub(crate) fn normalize(steps: &[TransformStep]) -> Result<&[TransformStep]> {
    let is_normalize = |step: &TransformStep| matches!(step, TransformStep::Normalize { .. });
    let last = &steps[steps.iter().position(is_normalize).unwrap_or(steps.len())..];
    match last.iter().find(|step| !is_normalize(step)) {
        None => Ok(last),
        Some(step) => {
            let what =
                format!("what the transform makes of the data's range cannot be told: {step} follows a `normalize`");
            Err(Error::new(ErrorKind::Configuration, what).with_help("put `normalize` last"))
        }
    }
}
