//! What a few runs show of a model: the shape of every layer, which axis its inputs lie along, how often loops call it, and
//! whether it takes one batch size only.

use std::collections::{BTreeMap, HashMap};

use globset::Glob;
use tch::Tensor;

use super::Model;
use super::graph::{Constant, Flow};
use super::layer::LayerInfo;
use super::layers::{self, Layer};
use super::run::rows_of;
use super::tensor;
use crate::{Error, ErrorKind, Result};

/// Where the inputs of a batch lie in an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rows {
    /// The axis they lie along.
    pub axis: usize,
    /// Places on that axis for each input: windows, heads or time steps folded into the batch.
    pub per_input: usize,
    /// Whether neighbours on the axis are different inputs (time-first sequences folded), not places of one.
    pub inner: bool,
}

/// What calibration found.
#[derive(Debug, Clone)]
pub(super) struct Calibration {
    /// By layer.
    pub rows: Vec<Rows>,
    /// Of the logits.
    pub logits: Rows,
}

/// An operator call that would be a layer, but is none for these inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name.
    pub name: String,
    /// Why.
    pub why: &'static str,
}

const NEVER_REACHED: &str = "no input reaches it";
const NOT_PER_INPUT: &str = "its output does not grow with the batch: it belongs to no single input";
const MIXES: &str = "its output mixes the inputs of a batch";

/// The largest batch size that is looked for in a file's own numbers.
const LARGEST_FIXED: i64 = 4096;

/// The tensors of a batch, by the names they are fed by.
pub type NamedTensors = Vec<(String, Tensor)>;

/// An entry of `axes`: the layers it is for, their batch and their channel axis.
type Override = (globset::GlobMatcher, Option<i64>, Option<i64>);

/// One value as it was computed: the slot and the how-manieth time.
type Call = (usize, usize);

/// What is known of the calls of one run or of several.
#[derive(Default)]
struct Seen {
    /// Calls in execution order.
    order: Vec<Call>,
    found: HashMap<Call, Found>,
}

#[derive(Clone)]
struct Found {
    shape: Vec<usize>,
    inputs: usize,
    rows: std::result::Result<Rows, &'static str>,
}

impl Model {
    /// Takes over what calibration showed of the same model, opened twice.
    pub(crate) fn take_calibration(&mut self, other: &Self) {
        self.layers.clone_from(&other.layers);
        self.slots.clone_from(&other.slots);
        self.left_out.clone_from(&other.left_out);
        self.calibration.clone_from(&other.calibration);
        self.fixed_batch = other.fixed_batch;
    }

    /// Runs a few inputs and learns the layers: gives them in the order of [`Model::layers`], shapes without the batch axis. The
    /// first rows are repeated as needed; two that differ tell most.
    ///
    /// # Errors
    /// Why the model cannot take these inputs.
    pub fn calibrate(&mut self, inputs: &[(&str, &Tensor)]) -> Result<Vec<LayerInfo>> {
        let mut owned =
            Some(inputs.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.shallow_clone())).collect());
        self.calibrate_on(&mut |_| owned.take().map(Ok))
    }

    /// As [`Model::calibrate`], on the batches that `next` gives; where branches depend on the data every batch is run, input by input, so that every layer that any
    /// of them reaches is known. Else only the first batch is taken.
    ///
    /// # Errors
    /// As [`Model::calibrate`], those of the batches, and if there is none.
    pub fn calibrate_on(
        &mut self,
        next: &mut dyn FnMut(&Self) -> Option<Result<NamedTensors>>,
    ) -> Result<Vec<LayerInfo>> {
        self.calibration = None;
        self.layers.clone_from(&self.declared);
        for slot in &mut self.slots {
            slot.layers.truncate(1);
        }
        let first = next(self).unwrap_or_else(|| Err(Error::new(ErrorKind::Data, "there is no input to run")))?;
        let seen = if self.branches_on_data && self.fixed_batch.is_none_or(|fixed| fixed == 1) {
            let mut seen = self.each_row(&first)?;
            while let Some(batch) = next(self) {
                seen.join(self.each_row(&batch?)?);
            }
            seen
        } else {
            self.probe(&first)?
        };
        self.learn(seen)
    }

    /// As [`Model::calibrate`], on made-up inputs of these shapes (batch axis left out), by the names they are fed by.
    ///
    /// # Errors
    /// As [`Model::calibrate`].
    pub fn calibrate_on_shapes(&mut self, shapes: &[(String, Vec<usize>)]) -> Result<Vec<LayerInfo>> {
        let made = self.examples(shapes)?;
        self.calibrate(&borrowed(&made))
    }

    /// The shapes of the outputs, flattened, for a batch of such made-up inputs.
    ///
    /// # Errors
    /// As [`Model::run`].
    pub fn output_shapes(&mut self, shapes: &[(String, Vec<usize>)]) -> Result<Vec<Vec<i64>>> {
        let made = self.examples(shapes)?;
        let outputs = self.run_raw(&borrowed(&made), &mut |_, _| Ok(()))?;
        Ok(outputs.iter().map(Tensor::size).collect())
    }

    fn examples(&self, shapes: &[(String, Vec<usize>)]) -> Result<Vec<(String, Tensor)>> {
        let rows = self.fixed_batch().unwrap_or(2);
        let made = shapes.iter().map(|(name, shape)| {
            let sizes = std::iter::once(rows).chain(shape.iter().copied());
            let size: Vec<i64> = sizes.map(|n| i64::try_from(n).unwrap_or(i64::MAX)).collect();
            Ok((name.clone(), tensor::example(&size, self.element_of(name, false), self.device)?))
        });
        made.collect()
    }

    /// Every input of a batch by itself.
    fn each_row(&mut self, batch: &[(String, Tensor)]) -> Result<Seen> {
        let mut seen = Seen::default();
        for row in 0..rows_of(&borrowed(batch)) {
            seen.join(self.watch(&take_rows(batch, &[row])?, 1, None)?);
        }
        Ok(seen)
    }

    /// Two runs of different size tell which axis grows; a file that allows one size gets it.
    fn probe(&mut self, batch: &[(String, Tensor)]) -> Result<Seen> {
        if let Some(fixed) = self.fixed_batch {
            return self.watch(&repeat(batch, fixed)?, fixed, None);
        }
        let pair = self.watch(&repeat(batch, 2)?, 2, None);
        let error = match pair {
            Ok(pair) => match self.watch(&repeat_first_two(batch)?, 3, Some(&pair)) {
                // A loop over the batch calls its layers as often as there are inputs.
                Ok(triple) if triple.order == pair.order => return Ok(triple),
                Ok(_) => None,
                Err(error) => Some(error),
            },
            Err(error) => Some(error),
        };
        for size in self.batch_sizes() {
            let fixed = usize::try_from(size).unwrap_or(1);
            if let Ok(seen) = self.watch(&repeat(batch, fixed)?, fixed, None) {
                self.fixed_batch = Some(fixed);
                return Ok(seen);
            }
        }
        Err(error.unwrap_or_else(|| {
            Error::new(
                ErrorKind::Model,
                format!("{} calls its layers as often as a batch has inputs", self.path.display()),
            )
        }))
    }

    /// Batch sizes the file may be fixed to: 1, and the first sizes it reshapes to.
    fn batch_sizes(&self) -> Vec<i64> {
        let flow = Flow::new(&self.graph);
        let mut sizes = vec![1];
        let reshapes = ["view", "reshape", "expand", "repeat", "unflatten"];
        for node in self.graph.nodes.iter().filter(|node| reshapes.contains(&node.operator())) {
            let list = node.inputs.get(1).copied();
            let first = match list.and_then(|list| flow.constant(list)) {
                Some(Constant::Integers(list)) => list.first().copied(),
                _ => list.and_then(|list| flow.producer(list)).and_then(|made| {
                    match flow.constant(*made.inputs.first()?) {
                        Some(Constant::Integer(size)) => Some(*size),
                        _ => None,
                    }
                }),
            };
            sizes.extend(first.filter(|size| (2..=LARGEST_FIXED).contains(size)));
        }
        let mut seen = std::collections::HashSet::new();
        sizes.retain(|size| seen.insert(*size));
        sizes
    }

    /// Runs a batch and notes every call. `smaller` is what a smaller batch showed.
    fn watch(&mut self, batch: &[(String, Tensor)], inputs: usize, smaller: Option<&Seen>) -> Result<Seen> {
        let mut seen = Seen::default();
        let mut calls = vec![0usize; self.slots.len()];
        self.run_raw(&borrowed(batch), &mut |slot, output| {
            let call = (slot, calls[slot]);
            calls[slot] += 1;
            let shape = tensor::shape(&output);
            let rows = match smaller {
                None => fixed_rows(&shape, inputs),
                Some(smaller) => match smaller.found.get(&call) {
                    Some(before) => growing_rows(&before.shape, before.inputs, &shape, inputs)
                        .and_then(|rows| settle(rows, &output, inputs)),
                    None => Err(NEVER_REACHED),
                },
            };
            seen.order.push(call);
            seen.found.insert(call, Found { shape, inputs, rows });
            Ok(())
        })?;
        Ok(seen)
    }

    /// Takes what was seen for the layers from now on.
    fn learn(&mut self, seen: Seen) -> Result<Vec<LayerInfo>> {
        let overrides = self.overrides()?;
        let mut calls_of: BTreeMap<usize, usize> = BTreeMap::new();
        for (slot, call) in &seen.order {
            let calls = calls_of.entry(*slot).or_default();
            *calls = (*calls).max(call + 1);
        }
        let mut layers: Vec<(Layer, Call)> = Vec::new();
        for call in &seen.order {
            if let Some(declared) = self.declared_of(call.0) {
                layers.push((declared.clone(), *call));
            }
        }
        layers::number(layers.iter_mut().map(|(layer, _)| layer));
        let mut left_out: Vec<LeftOut> = self
            .declared
            .iter()
            .enumerate()
            .filter(|(index, _)| {
                !seen.order.iter().any(|(slot, _)| self.slots[*slot].layers.first() == Some(&Some(*index)))
            })
            .map(|(_, layer)| LeftOut { name: layer.name.clone(), why: NEVER_REACHED })
            .collect();
        let (mut kept, mut infos, mut all_rows) = (Vec::new(), Vec::new(), Vec::new());
        let mut by_call: HashMap<Call, usize> = HashMap::new();
        for (layer, call) in layers {
            let Found { shape, inputs, rows } = &seen.found[&call];
            let choice = overrides.iter().filter(|(matcher, ..)| matcher.is_match(&layer.name));
            let (batch, channel) =
                choice.fold((None, None), |(b, c), (_, batch, channel)| (batch.or(b), channel.or(c)));
            let rows = match batch {
                Some(axis) => chosen(&layer, "batch", axis, shape).and_then(|axis| {
                    let per_input = shape[axis] / inputs.max(&1);
                    if per_input * inputs == shape[axis] && per_input > 0 {
                        Ok(Rows { axis, per_input, inner: false })
                    } else {
                        Err(Error::new(
                            ErrorKind::Configuration,
                            format!("layer {}: axis {axis} of its shape {shape:?} is no batch axis", layer.name),
                        ))
                    }
                })?,
                None => match rows {
                    Ok(rows) => *rows,
                    Err(why) => {
                        left_out.push(LeftOut { name: layer.name.clone(), why });
                        continue;
                    }
                },
            };
            let channel = match channel {
                Some(axis) => chosen(&layer, "channel", axis, shape)?,
                None => layer.axis.within(shape.len()),
            };
            infos.push(layer_info(&layer, shape, rows, channel));
            by_call.insert(call, kept.len());
            kept.push(layer);
            all_rows.push(rows);
        }
        let mut slots = self.slots.clone();
        let mut logits = Rows { axis: 0, per_input: 1, inner: false };
        for (index, slot) in slots.iter_mut().enumerate() {
            let calls = calls_of.get(&index).copied().unwrap_or(0);
            if slot.logits {
                let last = calls.checked_sub(1).and_then(|call| seen.found.get(&(index, call)));
                if let Some(Ok(rows)) = last.map(|found| found.rows) {
                    logits = rows;
                }
            }
            slot.layers = match slot.layers.is_empty() {
                true => Vec::new(),
                // Keeps a place for a layer no input reached, so that the next calibration knows it.
                false if calls == 0 => vec![slot.layers[0]],
                false => (0..calls).map(|call| by_call.get(&(index, call)).copied()).collect(),
            };
        }
        self.slots = slots;
        self.layers = kept;
        self.left_out = left_out;
        self.calibration = Some(Calibration { rows: all_rows, logits });
        Ok(infos)
    }

    fn declared_of(&self, slot: usize) -> Option<&Layer> {
        let value = self.observed[slot];
        self.declared.iter().find(|layer| layer.value == value)
    }

    /// `axes` of the model's table, ready to be matched.
    fn overrides(&self) -> Result<Vec<Override>> {
        let axes = self.options.axes.iter();
        axes.map(|choice| {
            let glob = Glob::new(&choice.layers).map_err(|why| {
                Error::new(ErrorKind::Configuration, format!("`axes`: {:?} is no glob: {why}", choice.layers))
            })?;
            let matcher = glob.compile_matcher();
            if !self.declared.iter().any(|layer| matcher.is_match(&layer.name)) {
                return Err(Error::new(
                    ErrorKind::Configuration,
                    format!("`axes` names the layers {:?}, and {} has none", choice.layers, self.path.display()),
                )
                .with_help("`cargo cleanai inspect` lists the layers"));
            }
            Ok((matcher, choice.batch, choice.channel))
        })
        .collect()
    }
}

impl Seen {
    /// Adds the calls of another run; those that are new go behind the last one they follow in the graph.
    fn join(&mut self, other: Self) {
        if other.order.len() > self.order.len() {
            let mut other = other;
            std::mem::swap(self, &mut other);
            return self.join(other);
        }
        for call in other.order {
            if !self.found.contains_key(&call) {
                let place = self.order.iter().rposition(|(slot, time)| (*time, *slot) < (call.1, call.0));
                self.order.insert(place.map_or(0, |place| place + 1), call);
                self.found.insert(call, other.found[&call].clone());
            }
        }
    }
}

fn borrowed(batch: &[(String, Tensor)]) -> Vec<(&str, &Tensor)> {
    batch.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect()
}

/// These rows of every tensor.
fn take_rows(batch: &[(String, Tensor)], rows: &[usize]) -> Result<Vec<(String, Tensor)>> {
    let wanted: Vec<i64> = rows.iter().map(|row| *row as i64).collect();
    batch
        .iter()
        .map(|(name, tensor)| {
            let index = Tensor::f_from_slice(&wanted).and_then(|index| index.f_to_device(tensor.device()));
            let taken = index.and_then(|index| tensor.f_index_select(0, &index));
            let taken = taken.map_err(|why| {
                Error::new(ErrorKind::Data, format!("rows of the input {name} cannot be taken: {why}"))
            })?;
            Ok((name.clone(), taken))
        })
        .collect()
}

/// As many rows, the first ones over and over.
fn repeat(batch: &[(String, Tensor)], rows: usize) -> Result<Vec<(String, Tensor)>> {
    let there = rows_of(&borrowed(batch)).max(1);
    take_rows(batch, &(0..rows).map(|row| row % there).collect::<Vec<_>>())
}

/// Three rows, the third equal to the first.
fn repeat_first_two(batch: &[(String, Tensor)]) -> Result<Vec<(String, Tensor)>> {
    let there = rows_of(&borrowed(batch)).max(1);
    take_rows(batch, &[0, 1 % there, 0])
}

/// For the one size there is: the axis of that size, else the first that it divides.
fn fixed_rows(shape: &[usize], inputs: usize) -> std::result::Result<Rows, &'static str> {
    let exact = shape.iter().position(|size| *size == inputs);
    let axis = exact
        .or_else(|| shape.iter().position(|size| *size > 0 && size.is_multiple_of(inputs)))
        .ok_or(NOT_PER_INPUT)?;
    Ok(Rows { axis, per_input: shape[axis] / inputs, inner: false })
}

/// The one axis that grows with the batch.
fn growing_rows(small: &[usize], few: usize, large: &[usize], many: usize) -> std::result::Result<Rows, &'static str> {
    if small.len() != large.len() {
        return Err(NOT_PER_INPUT);
    }
    let mut growing = (0..small.len()).filter(|axis| small[*axis] != large[*axis]);
    match (growing.next(), growing.next()) {
        (None, _) => Err(NOT_PER_INPUT),
        (Some(_), Some(_)) => Err(MIXES),
        (Some(axis), None) if small[axis] * many == large[axis] * few && small[axis].is_multiple_of(few) => {
            Ok(Rows { axis, per_input: small[axis] / few, inner: false })
        }
        (Some(_), None) => Err(NOT_PER_INPUT),
    }
}

/// Which of the places folded into the batch axis belong to one input: the third input is the first one again.
fn settle(rows: Rows, output: &Tensor, inputs: usize) -> std::result::Result<Rows, &'static str> {
    if rows.per_input == 1 || !output.is_floating_point() {
        return Ok(rows);
    }
    let alike = |inner: bool| -> std::result::Result<bool, tch::TchError> {
        let (outer_size, inner_size) = if inner { (rows.per_input, inputs) } else { (inputs, rows.per_input) };
        let mut shape = output.size();
        shape.splice(rows.axis..=rows.axis, [outer_size as i64, inner_size as i64]);
        let split = output.f_reshape(&shape)?;
        let axis = (rows.axis + usize::from(inner)) as i64;
        let (first, last) = (split.f_select(axis, 0)?, split.f_select(axis, inputs as i64 - 1)?);
        first.f_allclose(&last, 1e-3, 1e-5, true)
    };
    match (alike(false), alike(true)) {
        (Ok(true), _) => Ok(rows),
        (Ok(false), Ok(true)) => Ok(Rows { inner: true, ..rows }),
        _ => Err(MIXES),
    }
}

/// An axis as the user gives it, from the end if it is below zero.
fn chosen(layer: &Layer, what: &str, axis: i64, shape: &[usize]) -> Result<usize> {
    let rank = shape.len() as i64;
    let counted = if axis < 0 { axis + rank } else { axis };
    usize::try_from(counted).ok().filter(|axis| *axis < shape.len()).ok_or_else(|| {
        Error::new(
            ErrorKind::Configuration,
            format!("`axes`: layer {} has the shape {shape:?}, which has no {what} axis {axis}", layer.name),
        )
    })
}

fn layer_info(layer: &Layer, shape: &[usize], rows: Rows, channel: usize) -> LayerInfo {
    // Axes of one input's part: the batch axis stays where several places on it belong to an input.
    let axes: Vec<usize> = (0..shape.len()).filter(|axis| *axis != rows.axis || rows.per_input > 1).collect();
    // Channels cannot lie along the batch: then it is the axis behind it, else the last.
    let channel =
        axes.iter().position(|axis| *axis == channel).or_else(|| axes.iter().position(|axis| *axis > channel));
    LayerInfo {
        name: layer.name.clone(),
        class: layer.class.clone(),
        operator: layer.operator.clone(),
        shape: axes.iter().map(|axis| if *axis == rows.axis { rows.per_input } else { shape[*axis] }).collect(),
        channel_axis: channel.unwrap_or(axes.len().saturating_sub(1)),
    }
}
