//! Traces of the profile set by the class the model predicts.

use std::collections::BTreeMap;

use crate::criteria::scope::Scope;
use crate::criteria::{LayerTraces, Start};
use crate::{Error, ErrorKind, Result};

/// The traces that surprise is measured from: those of all selected layers side by side, in f32.
#[derive(Debug)]
pub(super) struct ProfileTraces {
    pub layers: Vec<LayerTraces>,
    width: usize,
    /// By predicted class, ascending: its profile inputs, in the order of the data.
    pub classes: BTreeMap<u32, Vec<usize>>,
    /// Profile inputs left out, a value of theirs being not finite.
    pub skipped: u64,
}

impl ProfileTraces {
    /// What a state is started with.
    ///
    /// # Errors
    /// If there is no profile set, it is empty or that of other layers, or there is no neuron to look at.
    pub fn new(scope: &Scope, start: &Start<'_>) -> Result<Self> {
        let name = &scope.spec.name;
        let refused = |what: String, help: &str| Err(Error::new(ErrorKind::Criterion, what).with_help(help));
        let Some(profile) = start.profile else {
            return refused(
                format!("`{name}` needs a profile set"),
                "name the inputs that test inputs are compared with as `profile` of the data, usually the training set",
            );
        };
        if scope.neurons.iter().sum::<usize>() == 0 {
            return refused(format!("`{name}` has no neuron to look at"), "select a layer: `layer = \"penultimate\"`");
        }
        let mut layers: Vec<LayerTraces> = Vec::new();
        for (at, layer) in scope.names.iter().enumerate() {
            let traces = profile.get(at).and_then(|profile| profile.traces.clone());
            match traces.filter(|traces| traces.width() == scope.neurons[at]) {
                Some(traces) if layers.first().is_none_or(|first| first.inputs() == traces.inputs()) => {
                    layers.push(traces);
                }
                _ => {
                    return refused(
                        format!("`{name}` is started without the activation traces of layer {layer}"),
                        "start it with a profile that was made for its needs",
                    );
                }
            }
        }
        let width = scope.neurons.iter().sum();
        let mut all = Self { layers, width, classes: BTreeMap::new(), skipped: 0 };
        let inputs = all.layers[0].shared_inputs();
        for (input, class) in inputs.predicted.iter().enumerate() {
            let is_finite =
                |layer: &LayerTraces| layer.row(input).iter().fold(true, |all, value| all & value.is_finite());
            match all.layers.iter().all(is_finite) {
                true => all.classes.entry(*class).or_default().push(input),
                false => all.skipped += 1,
            }
        }
        match (all.classes.is_empty(), all.skipped) {
            (false, _) => Ok(all),
            (true, 0) => refused(
                format!("`{name}` has nothing to compare with: the profile set has no input"),
                "name the training inputs as `profile` of the data",
            ),
            (true, skipped) => refused(
                format!(
                    "`{name}` has nothing to compare with: each of the {skipped} profile inputs has a value that is not finite in {}",
                    layers_text(&scope.names)
                ),
                "look at another layer, or repair the model: its activations overflow",
            ),
        }
    }

    /// Neurons of a trace.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Traces that are used.
    pub fn len(&self) -> usize {
        self.classes.values().map(Vec::len).sum()
    }

    /// Writes the trace of an input to `row`.
    pub fn copy(&self, input: usize, row: &mut [f32]) {
        let mut rest = row;
        for layer in &self.layers {
            let (own, next) = rest.split_at_mut(layer.width());
            own.copy_from_slice(layer.row(input));
            rest = next;
        }
    }

    /// The traces of some inputs, one after the other.
    pub fn rows(&self, inputs: &[usize]) -> Vec<f32> {
        let mut rows = vec![0.0; inputs.len() * self.width];
        inputs.iter().zip(rows.chunks_exact_mut(self.width)).for_each(|(input, row)| self.copy(*input, row));
        rows
    }
}

/// `layer fc2`, or `layers conv1, fc2`.
pub(super) fn layers_text(names: &[String]) -> String {
    match names {
        [only] => format!("layer {only}"),
        several => format!("layers {}", several.join(", ")),
    }
}
