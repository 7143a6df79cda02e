//! From decoded inputs to the tensors a model takes.

use tch::Tensor;

use super::Model;
use super::graph::Flow;
use super::signature::{self, ElementType, Leaf};
use super::tensor;
use crate::data::{Batch, Values};
use crate::{Error, ErrorKind, Result};

impl Model {
    /// The tensors of a batch, by the names they are fed by, in the types the model takes and on its device.
    ///
    /// # Errors
    /// If a value does not fit its type.
    pub fn feed(&self, batch: &Batch) -> Result<Vec<(String, Tensor)>> {
        let fields = batch.fields.iter();
        fields
            .map(|field| {
                let size: Vec<i64> =
                    std::iter::once(batch.size).chain(field.shape.iter().copied()).map(|n| n as i64).collect();
                let element = self.element_of(&field.name, matches!(field.values, Values::Integer(_)));
                let flat = match &field.values {
                    Values::Float(values) => Tensor::f_from_slice(values),
                    Values::Integer(values) => Tensor::f_from_slice(values),
                };
                let made = flat
                    .and_then(|tensor| tensor.f_view(size.as_slice()))
                    .and_then(|tensor| tensor.f_to_kind(tensor::kind(element)))
                    .and_then(|tensor| tensor.f_to_device(self.device()));
                let made = made.map_err(|why| {
                    let what = format!("a batch of {} of shape {size:?} cannot be made: {why}", field.name);
                    Error::new(ErrorKind::Data, what)
                })?;
                Ok((field.name.clone(), made))
            })
            .collect()
    }

    /// A tensor as the model takes it under a name: of the right type, on its device.
    ///
    /// # Errors
    /// If it cannot be converted.
    pub(crate) fn fitting(&self, name: &str, tensor: &Tensor) -> Result<Tensor> {
        let element = self.element_of(name, tensor.kind() == tch::Kind::Int64);
        let made = tensor.f_to_kind(tensor::kind(element)).and_then(|tensor| tensor.f_to_device(self.device()));
        made.map_err(|why| Error::new(ErrorKind::Data, format!("{name} cannot be converted for the model: {why}")))
    }

    /// The element type of an input: what the table says, else the file, else whole numbers stay whole where a model takes several
    /// inputs, and all others are of the weights' type.
    pub(super) fn element_of(&self, name: &str, whole: bool) -> ElementType {
        let leaves = signature::leaves(&self.graph.signature);
        let name = self.fed_name(name, &leaves);
        let chosen = self.options.inputs.get(name).and_then(|choice| choice.element);
        let told = signature::type_of(&self.graph.signature, name).and_then(|tensor| tensor.element);
        chosen.or(told).unwrap_or(
            match whole && (leaves.len() > 1 || leaves.iter().any(|leaf| leaf.name.contains('.'))) {
                true => ElementType::Int64,
                false => self.graph.weight_element.unwrap_or(ElementType::Float32),
            },
        )
    }

    /// Finds the inputs that the model has its batch elsewhere than in front of: as the table says, else where a recurrent layer reads
    /// time first. Whoever feeds them has it in front.
    pub(super) fn find_batch_axes(&mut self) {
        let flow = Flow::new(&self.graph);
        let leaves = signature::leaves(&self.graph.signature);
        let matched = self.graph.inputs.len() == leaves.len();
        let axes = leaves.iter().enumerate().filter_map(|(place, leaf)| {
            let chosen = self.options.inputs.get(&leaf.name).and_then(|choice| choice.batch);
            let time_first = || matched && flow.is_time_first(self.graph.inputs[place]);
            let axis = chosen.or_else(|| growing_axis(leaf)).or_else(|| time_first().then_some(1));
            let axis = axis.filter(|axis| *axis != 0)?;
            Some((leaf.name.clone(), axis))
        });
        let axes: Vec<(String, i64)> = axes.collect();
        if !axes.is_empty() {
            let sizes = leaves.iter().filter(|leaf| leaf.required).filter_map(|leaf| {
                let axis = axes.iter().find(|(name, _)| *name == leaf.name).map_or(0, |(_, axis)| *axis);
                let shape = leaf.tensor.shape.as_ref()?;
                shape.get(usize::try_from(axis).unwrap_or(shape.len().wrapping_sub(1))).copied()
            });
            let sizes: Vec<Option<usize>> = sizes.collect();
            let same = sizes.first().copied().flatten().filter(|first| sizes.iter().all(|size| *size == Some(*first)));
            self.fixed_batch = same;
        }
        self.batch_axes = axes;
    }

    /// The only input goes by any name.
    pub(super) fn fed_name<'n>(&self, name: &'n str, leaves: &'n [Leaf<'_>]) -> &'n str {
        let mut required = leaves.iter().filter(|leaf| leaf.required);
        match (required.next(), required.next()) {
            (Some(only), None) if !leaves.iter().any(|leaf| leaf.name == name) => &only.name,
            _ => name,
        }
    }
}

/// The only axis that may vary, where the file tells it and it is not the first. A first size of 1 is a batch of one.
fn growing_axis(leaf: &Leaf<'_>) -> Option<i64> {
    let shape = leaf.tensor.shape.as_ref()?;
    let mut varying = (0..shape.len()).filter(|axis| shape[*axis].is_none());
    match (varying.next(), varying.next()) {
        (Some(axis), None) if axis > 0 && shape[0] != Some(1) => i64::try_from(axis).ok(),
        _ => None,
    }
}
