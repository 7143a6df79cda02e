//! The parameters of a model, and runs that can be differentiated by them.

use tch::Tensor;

use super::torchscript::ffi::Parameter;
use super::{Model, Observed};
use crate::Result;

impl Model {
    /// The floating-point parameters by name: what runs read, not copies. A module that stands in the model twice has its parameters once.
    ///
    /// # Errors
    /// What libtorch says against it.
    pub(crate) fn parameters(&self) -> Result<Vec<(String, Tensor)>> {
        let mut named = Vec::new();
        for Parameter { name, place, tensor } in self.program.parameters()? {
            // Weights that are bound by themselves have their names in the graph.
            let known = self.graph.weights.get(place).cloned().flatten();
            let Some(name) = (if name.is_empty() { known } else { Some(name) }) else { continue };
            if tensor.is_floating_point() {
                named.push((name, tensor));
            }
        }
        Ok(named)
    }

    /// As [`Model::run_named`], with outputs and observed tensors that can be differentiated by parameters that require it. What is observed keeps
    /// its values, whatever later operators do in place.
    ///
    /// # Errors
    /// As [`Model::run_named`].
    pub(crate) fn run_with_gradients(
        &mut self,
        inputs: &[(&str, &Tensor)],
        observe: &mut dyn FnMut(Observed, &Tensor) -> Result<()>,
    ) -> Result<Vec<Tensor>> {
        self.gradients = true;
        let ran = tch::with_grad(|| self.run_named(inputs, observe));
        self.gradients = false;
        ran
    }
}
