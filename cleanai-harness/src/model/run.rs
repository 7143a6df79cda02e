//! Running a model: arguments from named tensors, every layer handed over with one row for each input.

use tch::Tensor;

use super::Model;
use super::calibrate::Rows;
use super::signature::{self, Fed};
use super::torchscript;
use crate::{Error, ErrorKind, Result};

/// What a run hands over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// The output of the layer of this index in [`Model::layers`].
    Layer(usize),
    /// The logits (handed over after the layer, where they are one).
    Logits,
}

/// One observed value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    /// The layers it is, one for each time it is computed in a run; a loop computes it several times.
    pub layers: Vec<Option<usize>>,
    /// Whether it is the logits.
    pub logits: bool,
}

impl Model {
    /// Runs one batch and gives the model's output tensors, flattened. Inputs go to `forward`'s tensors in order; see
    /// [`Model::run_named`] for more than that. Every layer's output is handed to `observe` when it is computed: after a calibration
    /// with one row for each input, before it as it is. It may share memory with the running model, so read or copy it at once.
    ///
    /// # Errors
    /// What `observe` returns, or why the model cannot take these inputs.
    pub fn run(
        &mut self,
        inputs: &[&Tensor],
        observe: &mut dyn FnMut(Observed, &Tensor) -> Result<()>,
    ) -> Result<Vec<Tensor>> {
        let names: Vec<String> = signature::leaves(&self.graph.signature).into_iter().map(|leaf| leaf.name).collect();
        if inputs.len() > names.len() {
            let (takes, given) = (names.len(), inputs.len());
            return Err(Error::new(
                ErrorKind::Model,
                format!("{} takes {takes} input(s), it is given {given}", self.path.display()),
            ));
        }
        let named: Vec<(&str, &Tensor)> = names.iter().map(String::as_str).zip(inputs.iter().copied()).collect();
        self.run_named(&named, observe)
    }

    /// Runs one batch of named tensors: `tokens`, `pair.0`, `batch.image` ([`signature::bind`] tells how names find their place).
    ///
    /// # Errors
    /// As [`Model::run`].
    pub fn run_named(
        &mut self,
        inputs: &[(&str, &Tensor)],
        observe: &mut dyn FnMut(Observed, &Tensor) -> Result<()>,
    ) -> Result<Vec<Tensor>> {
        self.check_batch(inputs)?;
        let slots = std::mem::take(&mut self.slots);
        let result = self.dispatch(&slots, inputs, observe);
        self.slots = slots;
        result
    }

    fn dispatch(
        &mut self,
        slots: &[Slot],
        inputs: &[(&str, &Tensor)],
        observe: &mut dyn FnMut(Observed, &Tensor) -> Result<()>,
    ) -> Result<Vec<Tensor>> {
        let Some(calibration) = self.calibration.take() else {
            return self.run_raw(inputs, &mut |slot, tensor| {
                // Which call of a loop it is, is not known before a calibration.
                if let Some(Some(layer)) = slots[slot].layers.first() {
                    observe(Observed::Layer(*layer), &tensor)?;
                }
                if slots[slot].logits { observe(Observed::Logits, &tensor) } else { Ok(()) }
            });
        };
        let rows = rows_of(inputs);
        let mut calls = vec![0usize; slots.len()];
        let (layers, path) = (self.layers.clone(), self.path.clone());
        let result = self.run_raw(inputs, &mut |slot, tensor| {
            let call = calls[slot];
            calls[slot] += 1;
            let Slot { layers: of_call, logits } = &slots[slot];
            match of_call.get(call) {
                Some(Some(layer)) => {
                    let tensor = calibration.rows[*layer].first(&tensor, rows).map_err(|why| {
                        Error::new(ErrorKind::Model, format!("{}: layer {} {why}", path.display(), layers[*layer].name))
                    })?;
                    observe(Observed::Layer(*layer), &tensor)?;
                }
                Some(None) => {}
                None if of_call.is_empty() => {}
                None => {
                    let name = of_call.iter().flatten().next().map_or("", |layer| layers[*layer].name.as_str());
                    return Err(Error::new(
                        ErrorKind::Model,
                        format!(
                            "{}: layer {name} is called {} times for these inputs, for those it was calibrated with {} times",
                            path.display(),
                            call + 1,
                            of_call.len()
                        ),
                    )
                    .with_help("give inputs of one length, padded to the longest"));
                }
            }
            if *logits {
                let tensor = calibration.logits.first(&tensor, rows).map_err(|why| {
                    Error::new(ErrorKind::Model, format!("{}: the logits {why}", path.display()))
                })?;
                observe(Observed::Logits, &tensor)?;
            }
            Ok(())
        });
        self.calibration = Some(calibration);
        result
    }

    /// A run that hands over what is computed as it is, by slot.
    pub(super) fn run_raw(
        &mut self,
        inputs: &[(&str, &Tensor)],
        observe: &mut dyn FnMut(usize, Tensor) -> Result<()>,
    ) -> Result<Vec<Tensor>> {
        let moved;
        let inputs = if self.batch_axes.is_empty() {
            inputs
        } else {
            moved = self.batch_in_place(inputs)?;
            &moved.iter().zip(inputs).map(|(tensor, (name, _))| (*name, tensor)).collect::<Vec<_>>()
        };
        let arguments = self.arguments(inputs)?;
        let mut observer_failed = false;
        let result = self.program.run(&arguments, self.gradients, &mut |slot, tensor| {
            observe(slot, tensor).inspect_err(|_| observer_failed = true)
        });
        if observer_failed { result } else { result.map_err(|error| self.explain_run(inputs, &error)) }
    }

    /// What the program is given: the arguments of `forward`, or the tensors in them.
    pub(super) fn arguments<'t>(&self, inputs: &[(&str, &'t Tensor)]) -> Result<Vec<Fed<&'t Tensor>>> {
        self.check_shapes(inputs)?;
        let bound = signature::bind(&self.graph.signature, inputs)
            .map_err(|error| error.context(format!("{}", self.path.display())))?;
        // torch.export flattens its arguments.
        Ok(if self.graph.flat { bound.into_iter().flat_map(flatten).collect() } else { bound })
    }

    /// Every input with its batch on the axis that the model has it on.
    pub(super) fn batch_in_place(&self, inputs: &[(&str, &Tensor)]) -> Result<Vec<Tensor>> {
        let leaves = signature::leaves(&self.graph.signature);
        let moved = inputs.iter().map(|(name, tensor)| {
            let fed = self.fed_name(name, &leaves);
            match self.batch_axes.iter().find(|(known, _)| known == fed) {
                Some((_, axis)) => {
                    tensor.f_movedim_int(0, *axis).and_then(|moved| moved.f_contiguous()).map_err(|_| {
                        let what = format!("input {fed} of shape {:?} has no axis {axis} for the batch", tensor.size());
                        Error::new(ErrorKind::Data, what)
                    })
                }
                None => Ok(tensor.shallow_clone()),
            }
        });
        moved.collect()
    }

    /// The sizes a file was exported for, where it tells them: its operators were checked for no others, and libtorch does not check
    /// them all again.
    fn check_shapes(&self, inputs: &[(&str, &Tensor)]) -> Result<()> {
        let leaves = signature::leaves(&self.graph.signature);
        for (name, tensor) in inputs {
            let fed = self.fed_name(name, &leaves);
            let told = signature::type_of(&self.graph.signature, fed).and_then(|told| told.shape.as_deref());
            let Some(told) = told else { continue };
            let size = tensor.size();
            let fits = |(size, told): (&i64, &Option<usize>)| told.is_none_or(|told| *size == told as i64);
            if size.len() != told.len() || !size.iter().zip(told).all(fits) {
                let sizes = told.iter().map(|size| size.map_or("any".to_owned(), |size| size.to_string()));
                return Err(Error::new(
                    ErrorKind::Model,
                    format!(
                        "{} cannot run on an input of shape {size:?}: it was exported for {fed} of shape [{}]",
                        self.path.display(),
                        sizes.collect::<Vec<_>>().join(", ")
                    ),
                )
                .with_help("adapt the data or its transform, or export it again with these sizes dynamic"));
            }
        }
        Ok(())
    }

    /// The only batch size there is, before libtorch has its own words for it.
    fn check_batch(&self, inputs: &[(&str, &Tensor)]) -> Result<()> {
        match (self.fixed_batch, rows_of(inputs)) {
            (Some(fixed), given) if fixed != given && !inputs.is_empty() => Err(Error::new(
                ErrorKind::Model,
                format!(
                    "{} was exported for batches of exactly {fixed} inputs, it is given {given}",
                    self.path.display()
                ),
            )
            .with_help(
                "export it with a dynamic batch dimension: torch.export.export(model, (example,), dynamic_shapes=...)",
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn explain_run(&self, inputs: &[(&str, &Tensor)], error: &Error) -> Error {
        let shapes: Vec<String> = match inputs {
            [(_, only)] => vec![format!("{:?}", only.size())],
            several => several.iter().map(|(name, tensor)| format!("{name} {:?}", tensor.size())).collect(),
        };
        let why = torchscript::first_paragraph(error.what());
        let place = torchscript::last_place(error.what()).map_or(String::new(), |place| format!(", at {place}"));
        let what =
            format!("{} cannot run on an input of shape {}: {why}{place}", self.path.display(), shapes.join(", "));
        let error = Error::new(ErrorKind::Model, what);
        if why.contains("scalar type") || why.contains("dtype") || why.contains("Long") {
            return error.with_help(
                "name the type it wants in the model's table: `inputs = { x = \"int64\" }`; `cargo cleanai inspect` lists the inputs",
            );
        }
        match &self.graph.input_shape {
            Some(shape) => error.with_help(format!(
                "it was exported for inputs of shape {shape:?} behind the batch; adapt the data or its transform"
            )),
            None => error.with_help(
                "adapt the data's transform to the shape the model was exported with (resize, grayscale, rgb)",
            ),
        }
    }
}

/// The tensors of an argument, in order.
fn flatten(fed: Fed<&Tensor>) -> Vec<Fed<&Tensor>> {
    match fed {
        Fed::Tensor(_) => vec![fed],
        Fed::None | Fed::Default => Vec::new(),
        Fed::Structure(parts) | Fed::List(parts) => parts.into_iter().flat_map(flatten).collect(),
        Fed::Dictionary(entries) => entries.into_iter().flat_map(|(_, part)| flatten(part)).collect(),
    }
}

/// Inputs in a batch: the first axis of its first tensor that has one.
pub(super) fn rows_of(inputs: &[(&str, &Tensor)]) -> usize {
    let first = inputs.iter().find_map(|(_, tensor)| tensor.size().first().copied());
    first.and_then(|rows| usize::try_from(rows).ok()).unwrap_or(1)
}

impl Rows {
    /// The tensor with one row for each of `inputs`, the batch axis first.
    pub(super) fn first(&self, tensor: &Tensor, inputs: usize) -> std::result::Result<Tensor, String> {
        let size = tensor.size();
        let (axis, inputs) = (self.axis, inputs as i64);
        let per_input = self.per_input as i64;
        if size.get(axis) != Some(&(inputs * per_input)) {
            return Err(format!(
                "has the shape {size:?} for {inputs} input(s), which does not fit what calibration showed"
            ));
        }
        if axis == 0 && per_input == 1 {
            return Ok(tensor.shallow_clone());
        }
        let (mut split, mut batch) = (size, axis);
        if per_input > 1 {
            split.splice(axis..=axis, if self.inner { [per_input, inputs] } else { [inputs, per_input] });
            batch += usize::from(self.inner);
        }
        let arranged = tensor.f_reshape(&split).and_then(|tensor| tensor.f_movedim_int(batch as i64, 0));
        arranged.map_err(|why| why.to_string())
    }
}
