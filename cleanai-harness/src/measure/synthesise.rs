//! Inputs made of a data set to be kept in files: what they are, and whether the model takes them for something else.

use tch::Tensor;

use super::augment::{Maker, Tools};
use super::batches::calibrate;
use super::observer::{self, Role, Stage};
use super::open::open_model;
use super::pass::class_name;
use crate::data::transform::{self, TransformStep};
use crate::data::{Batch, DataSet, Values};
use crate::declare::Declaration;
use crate::model::{Model, Observed, tensor};
use crate::synthesis::{Augmentation, Scale, Target, normalize};
use crate::{Error, ErrorKind, Result, interrupt};

/// The levels of a picture's pixel above 0.
const LEVELS: f64 = 255.0;

/// One augmentation of the test set of a declaration.
pub struct Synthesis {
    set: DataSet,
    model: Model,
    batch: usize,
    maker: Maker,
    tools: Tools,
    scale: Scale,
    /// The steps after which data is what files do not hold.
    normalize: Vec<TransformStep>,
}

/// An input that was made of another.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// The place of its parent in the data set.
    pub index: usize,
    /// The name of its parent.
    pub name: String,
    /// The label of its parent, where the data has labels.
    pub label: Option<i64>,
    /// What the model takes it for.
    pub class: i64,
    /// Whether that is the target, where there is one; else whether it is not the label (not what the parent is taken for, where there are no labels).
    pub success: bool,
    /// The Euclidean length of the change, in lengths of the data's range.
    pub euclidean: f64,
    /// The largest change of a value, likewise.
    pub largest: f64,
    /// The values before they are normalised.
    pub values: Vec<f32>,
}

impl Made {
    /// The pixels of a picture whose values lie from 0 to 1, channels last, so many to a position.
    pub fn pixels(&self, channels: usize) -> Vec<u8> {
        let plane = self.values.len() / channels.max(1);
        let at = |place: usize| f64::from(self.values[place % channels * plane + place / channels]);
        (0..self.values.len()).map(|place| (at(place) * LEVELS).round() as u8).collect()
    }
}

impl Synthesis {
    /// Opens model and data.
    ///
    /// # Errors
    /// Whatever stands in the way: the model, the data, an augmentation that does not fit them.
    pub fn open(declaration: &Declaration, augmentation: &Augmentation) -> Result<Self> {
        let mut model = open_model(&declaration.model)?;
        if !model.has_logits() {
            let what = format!("{} has no logits, so there is no class to tell success by", model.path().display());
            return Err(Error::new(ErrorKind::Model, what));
        }
        let data = &declaration.data;
        let set = DataSet::open(&data.test, &data.transform, data.on_bad_input)?;
        let maker = Maker::new(augmentation, &set, &data.transform)?;
        let scale = Scale::new(augmentation, set.fields(), &data.transform)?;
        let layers = calibrate(&mut model, None, &set, declaration.batch)?;
        let (mut tools, mut makers) = (Tools::default(), [maker]);
        tools.prepare(&mut makers, &declaration.model, &model, &layers)?;
        let [maker] = makers;
        let batch = model.fixed_batch().unwrap_or(declaration.batch);
        Ok(Self { set, model, batch, maker, tools, scale, normalize: normalize(&data.transform)?.to_vec() })
    }

    /// The shape of an input.
    pub fn shape(&self) -> &[usize] {
        self.set.shape()
    }

    /// The channels of pictures; `None` where inputs are none with one channel or three, or their values do not lie from 0 to 1.
    pub fn channels(&self) -> Option<usize> {
        match *self.shape() {
            [channels @ (1 | 3), _, _] if self.maker.augmentation.range() == [0.0, 1.0] => Some(channels),
            _ => None,
        }
    }

    /// Names of the classes, where the data has them, and the label of each.
    pub fn classes(&self) -> Option<&[String]> {
        self.set.classes()
    }

    /// The name of the class of a label.
    pub fn class_name(&self, label: i64) -> String {
        class_name(&self.set, label)
    }

    /// What is left of the transform for the inputs that are made.
    pub fn transform(&self) -> String {
        transform::text(&self.normalize)
    }

    /// Makes all inputs in order, as they will be read from files. With `levels` values are those that 8 bits can hold: the nearest, but none farther from
    /// the parent's than the attack may go.
    ///
    /// # Errors
    /// Whatever stands in the way of an input, and what `on_input` returns.
    pub fn each(&mut self, levels: bool, on_input: &mut dyn FnMut(Made) -> Result<()>) -> Result<()> {
        let [low, high] = self.maker.augmentation.range();
        let target = self.target()?;
        let farthest = match &self.maker.augmentation {
            Augmentation::Attack(attack) => attack.method.farthest(),
            Augmentation::Noise(_) => None,
        };
        let name = self.model.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let shown = observer::begin(Stage { model: &name, role: Role::Test, inputs: self.set.len() });
        for batch in self.set.batches(self.batch) {
            interrupt::check()?;
            let original = batch?;
            let parents = match (target, &original.labels) {
                (None, None) => Some(predicted(&mut self.model, &original)?),
                _ => None,
            };
            let mut made = original.clone();
            self.maker.make(&mut self.tools, &self.set, &mut made)?;
            let before = self.scale.units(floats(&original)?);
            let after = self.scale.units(floats(&made)?);
            let kept = before.iter().zip(&after).map(|(before, after)| {
                if levels { level(*before, *after, farthest) } else { low + after * (high - low) }
            });
            let kept: Vec<f32> = kept.map(|value| value as f32).collect();
            let row = self.set.shape().iter().product::<usize>().max(1);
            let mut read = Vec::with_capacity(kept.len());
            for own in kept.chunks_exact(row) {
                read.extend(transform::apply_to_floats(own.to_vec(), self.set.shape().to_vec(), &self.normalize)?);
            }
            if let Some(field) = made.fields.first_mut() {
                field.values = Values::Float(read);
            }
            let classes = predicted(&mut self.model, &made)?;
            for input in 0..original.inputs {
                let own = input * row..(input + 1) * row;
                let label = original.labels.as_ref().map(|labels| labels[input]);
                let leaves = label.or_else(|| parents.as_ref().map(|parents| parents[input]));
                let moved = before[own.clone()].iter().zip(&kept[own.clone()]);
                let moved = moved.map(|(before, kept)| ((f64::from(*kept) - low) / (high - low) - before).abs());
                let (squares, largest) =
                    moved.fold((0.0, 0.0f64), |(sum, most), moved| (sum + moved * moved, most.max(moved)));
                let number = original.first + input;
                on_input(Made {
                    index: self.set.candidate(number),
                    name: self.set.names(number),
                    label,
                    class: classes[input],
                    success: target.map_or_else(|| leaves != Some(classes[input]), |target| classes[input] == target),
                    euclidean: f64::sqrt(squares),
                    largest,
                    values: kept[own].to_vec(),
                })?;
            }
            shown.advance(original.inputs);
        }
        Ok(())
    }

    fn target(&self) -> Result<Option<i64>> {
        match &self.maker.augmentation {
            Augmentation::Attack(attack) => {
                attack.target.as_ref().map(|target: &Target| target.class(self.set.classes())).transpose()
            }
            Augmentation::Noise(_) => Ok(None),
        }
    }
}

fn floats(batch: &Batch) -> Result<&[f32]> {
    match batch.fields.first().map(|field| &field.values) {
        Some(Values::Float(values)) => Ok(values),
        _ => Err(Error::new(ErrorKind::Data, "there are no values to change")),
    }
}

/// The value of the level that a value from 0 to 1 is kept as.
fn level(before: f64, after: f64, farthest: Option<f64>) -> f64 {
    let level = (after * LEVELS).round();
    let too_far = farthest.is_some_and(|farthest| (level / LEVELS - before).abs() > farthest + 1e-6);
    let level = if too_far { level - (level / LEVELS - before).signum() } else { level };
    // As it is read again.
    f64::from(level as f32 / LEVELS as f32)
}

/// What the model takes the inputs of a batch for, padding included; of equal logits the first.
fn predicted(model: &mut Model, batch: &Batch) -> Result<Vec<i64>> {
    let fed = model.feed(batch)?;
    let fed: Vec<(&str, &Tensor)> = fed.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let mut classes = Vec::new();
    model.run_named(&fed, &mut |observed, output| {
        if observed == Observed::Logits {
            let values = tensor::Values::of(output)?;
            let width = values.as_slice().len() / batch.size.max(1);
            classes = values
                .as_slice()
                .chunks(width.max(1))
                .map(|row| (0..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best }) as i64)
                .collect();
        }
        Ok(())
    })?;
    match classes.len() {
        rows if rows == batch.size => Ok(classes),
        rows => {
            let what = format!("the model gives {rows} rows of logits for a batch of {}", batch.size);
            Err(Error::new(ErrorKind::Model, what))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_the_nearest_within_reach() {
        let of = |number: u8| f64::from(f32::from(number) / 255.0);
        assert_eq!(level(of(100), of(100) + 0.3, None), of(177), "176.5 is as near to both");
        assert_eq!(level(of(100), of(100) + 0.3, Some(0.3)), of(176));
        assert_eq!(level(of(100), of(100) - 0.3, Some(0.3)), of(24));
        assert_eq!(level(of(10), 0.0, Some(0.3)), 0.0);
        assert_eq!(level(of(250), 1.0, Some(0.3)), 1.0);
        assert_eq!(level(of(100), of(100), Some(0.001)), of(100));
    }

    #[test]
    fn pixels_have_their_channels_together() {
        let values = vec![0.0, 1.0, 0.2, 0.4, 0.6, 0.8];
        let made = Made {
            index: 0,
            name: String::new(),
            label: None,
            class: 0,
            success: true,
            euclidean: 0.0,
            largest: 0.0,
            values,
        };
        assert_eq!(made.pixels(1), [0, 255, 51, 102, 153, 204]);
        assert_eq!(made.pixels(3), [0, 51, 153, 255, 102, 204]);
    }
}
