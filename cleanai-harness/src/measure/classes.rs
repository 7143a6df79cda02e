//! Figures of each class by itself: the same criteria started once more for every label.

use std::collections::BTreeMap;

use crate::Result;
use crate::criteria::{BatchEnd, Criterion, Figures, LabelFigures, LayerBatch, LayerValues, Start, State};

/// Memory that the states of all classes of one criterion may take.
const MOST_MEMORY: u64 = 256 << 20;

/// One criterion's states by label.
pub(super) struct Classes {
    states: BTreeMap<i64, Class>,
}

struct Class {
    state: Box<dyn State>,
    inputs: usize,
}

impl Classes {
    /// States for every label that occurs; none where they would take too much memory.
    ///
    /// # Errors
    /// If the criterion cannot be computed on these layers.
    pub fn start(criterion: &dyn Criterion, start: Start<'_>, labels: &[i64]) -> Result<Option<Self>> {
        let mut states = BTreeMap::new();
        let count = labels.iter().collect::<std::collections::BTreeSet<_>>().len() as u64;
        if criterion.bytes(start.neurons).saturating_mul(count) > MOST_MEMORY {
            return Ok(None);
        }
        for label in labels {
            if !states.contains_key(label) {
                let mut state = criterion.start(start)?;
                state.count_only();
                states.insert(*label, Class { state, inputs: 0 });
            }
        }
        Ok(Some(Self { states }))
    }

    /// Reads one layer of one batch, cut by label.
    pub fn observe(&mut self, layer: usize, parts: &[(i64, LayerBatch)]) {
        for (label, part) in parts {
            if let Some(class) = self.states.get_mut(label) {
                class.state.observe(part.values(layer, class.inputs));
            }
        }
    }

    /// Ends a batch.
    ///
    /// # Errors
    /// If the criterion cannot go on.
    pub fn end_batch(&mut self, labels: &[i64]) -> Result<()> {
        for (label, class) in &mut self.states {
            let inputs = labels.iter().filter(|own| *own == label).count();
            let first = class.inputs;
            if inputs > 0 {
                class.state.end_batch(BatchEnd { first, inputs, classes: 0, logits: &[], labels: None })?;
                class.inputs += inputs;
            }
        }
        Ok(())
    }

    /// What was seen, by label.
    pub fn figures(&self) -> BTreeMap<i64, LabelFigures> {
        let figures = self.states.iter().map(|(label, class)| {
            let Figures { value, covered, total, .. } = class.state.figures();
            (*label, LabelFigures { inputs: class.inputs as u64, value, covered, total })
        });
        figures.collect()
    }
}

/// The rows of each label that occurs.
pub(super) fn by_label(values: &LayerValues<'_>, labels: &[i64]) -> Vec<(i64, LayerBatch)> {
    let mut inputs: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (input, label) in labels.iter().enumerate().take(values.inputs) {
        inputs.entry(*label).or_default().push(input);
    }
    inputs.into_iter().map(|(label, inputs)| (label, LayerBatch::of_inputs(values, &inputs))).collect()
}
