//! From decoded inputs to the tensors a model takes.

use tch::Tensor;

use super::Model;
use super::signature::{self, ElementType};
use super::tensor;
use crate::data::Batch;
use crate::{Error, ErrorKind, Result};

impl Model {
    /// The tensors of a batch, by the names they are fed by, in the types the model takes and on its device.
    ///
    /// # Errors
    /// If a value does not fit its type.
    pub fn feed(&self, batch: &Batch) -> Result<Vec<(String, Tensor)>> {
        let size: Vec<i64> = std::iter::once(batch.size).chain(batch.shape.iter().copied()).map(|n| n as i64).collect();
        let element = self.element_of("x", false);
        let made = Tensor::f_from_slice(&batch.values)
            .and_then(|tensor| tensor.f_view(size.as_slice()))
            .and_then(|tensor| tensor.f_to_kind(tensor::kind(element)))
            .and_then(|tensor| tensor.f_to_device(self.device()));
        let made = made
            .map_err(|why| Error::new(ErrorKind::Data, format!("a batch of shape {size:?} cannot be made: {why}")))?;
        Ok(vec![("x".to_owned(), made)])
    }

    /// The element type of an input: what the table says, else the file, else whole numbers stay whole where a model takes several
    /// inputs, and all others are of the weights' type.
    pub(super) fn element_of(&self, name: &str, whole: bool) -> ElementType {
        let leaves = signature::leaves(&self.graph.signature);
        let required: Vec<_> = leaves.iter().filter(|leaf| leaf.required).collect();
        let known = match &required[..] {
            // The only input goes by any name.
            [only] if !leaves.iter().any(|leaf| leaf.name == name) => Some((only.name.as_str(), only.tensor)),
            _ => None,
        };
        let chosen = self.options.inputs.get(name).or_else(|| self.options.inputs.get(known?.0));
        let told = known.map(|(_, tensor)| tensor).or_else(|| signature::type_of(&self.graph.signature, name));
        chosen.copied().or_else(|| told?.element).unwrap_or(match whole && leaves.len() > 1 {
            true => ElementType::Int64,
            false => self.graph.weight_element.unwrap_or(ElementType::Float32),
        })
    }
}
