//! A model in double precision whose runs are kept, value by value, so that relevance can be passed back through them.

use tch::{Kind, Tensor};

use super::Model;
use super::graph::{Graph, ValueId};
use super::torchscript;
pub(crate) use super::torchscript::ffi::{Role, Step, sole_doubles, vector_jacobian};
use crate::declare::StateChoice;
use crate::{Error, ErrorKind, Result};

/// A model in double precision.
#[derive(Debug)]
pub(crate) struct TapeModel {
    model: Model,
    calls: Graph,
    roles: Vec<Role>,
}

impl Model {
    /// The same model in double precision, no longer for observing: its runs are kept.
    pub(crate) fn into_tape(mut self) -> Result<TapeModel> {
        if self.options.state == StateChoice::Keep {
            let what = format!("{}: relevance is not told where inputs change the model's state", self.path.display());
            return Err(Error::new(ErrorKind::Model, what)
                .with_help("leave out `state = \"keep\"`: every input then starts from a fresh state"));
        }
        self.program.make_double()?;
        let calls = torchscript::calls(&mut self.program, &self.graph)?;
        Ok(TapeModel { model: self, calls, roles: Vec::new() })
    }
}

impl TapeModel {
    /// The operator calls as they run, with every argument where the operator's schema has it.
    pub fn calls(&self) -> &Graph {
        &self.calls
    }

    /// The model itself.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// A tensor of a layer's shape with one row for each of the inputs, as a run of the calibrated model hands the layer over.
    pub fn rows(&self, layer: usize, tensor: &Tensor, inputs: usize) -> Result<Tensor> {
        match self.model.calibration.as_ref().and_then(|calibration| calibration.rows.get(layer)) {
            Some(rows) => rows.first(tensor, inputs).map_err(|why| {
                Error::new(ErrorKind::Model, format!("the relevance of layer {} {why}", self.model.layers[layer].name))
            }),
            None => Ok(tensor.shallow_clone()),
        }
    }

    /// The value that classes are taken from.
    pub fn logits(&self) -> Option<ValueId> {
        self.model.logits
    }

    /// Says which values runs keep, and how; they are known by their index here. Called once.
    pub fn keep(&mut self, values: &[(ValueId, Role)]) -> Result<()> {
        let wanted: Vec<ValueId> = values.iter().map(|(value, _)| *value).collect();
        self.model.program.observe(&wanted, self.model.observed.len())?;
        self.roles = values.iter().map(|(_, role)| *role).collect();
        Ok(())
    }

    /// Runs a batch and gives the steps of the run in order.
    pub fn run(&mut self, inputs: &[(&str, &Tensor)]) -> Result<Vec<Step>> {
        let moved = self.model.batch_in_place(inputs)?;
        let double = moved.iter().map(|tensor| match tensor.is_floating_point() {
            true => tensor.f_to_kind(Kind::Double),
            false => Ok(tensor.shallow_clone()),
        });
        let double = double
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|why| Error::new(ErrorKind::Model, format!("a batch cannot be made double precision: {why}")))?;
        let fed: Vec<(&str, &Tensor)> = inputs.iter().map(|(name, _)| *name).zip(&double).collect();
        let arguments = self.model.arguments(&fed)?;
        let first = self.model.observed.len();
        self.model.program.tape(&arguments, &self.roles, first).map_err(|error| self.explain(&fed, &error))
    }

    /// Why a run failed: a model that has run in its own precision fails because of the other.
    fn explain(&self, inputs: &[(&str, &Tensor)], error: &Error) -> Error {
        let why = torchscript::first_paragraph(error.what());
        let by_type = ["dtype", "scalar type", "Double", "double"].iter().any(|word| why.contains(word));
        if self.model.calibration.is_none() && !by_type {
            return self.model.explain_run(inputs, error);
        }
        let path = self.model.path.display();
        let what = format!("{path} cannot run in double precision, which relevance is computed in: {why}");
        Error::new(ErrorKind::Model, what)
            .with_help("quantised operators have no double precision: explain the model as it was before quantisation")
    }
}
