//! Activation traces: what the neurons of a layer were for every input of a set, which surprise and monitors compare others with.

use std::fmt;
use std::sync::Arc;

/// What is known of the inputs whose traces are kept.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct TraceInputs {
    /// The class the model predicts for each: the largest logit, ties to the lowest index.
    pub predicted: Vec<u32>,
    /// The softmax of that class for each, in 0..=1.
    pub confidence: Vec<f64>,
    /// Their labels, where the data has them.
    pub labels: Option<Vec<i64>>,
}

impl TraceInputs {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.predicted.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.predicted.is_empty()
    }

    /// Takes in a batch: `logits` are `inputs` rows of `classes`.
    ///
    /// ```
    /// use cleanai_harness::criteria::TraceInputs;
    ///
    /// let mut inputs = TraceInputs::default();
    /// inputs.push(2, &[0.0, 0.0, -1.0, 5.0], Some(&[1, 1]));
    /// assert_eq!((&inputs.predicted[..], inputs.confidence[0]), (&[0, 1][..], 0.5));
    /// ```
    pub fn push(&mut self, classes: usize, logits: &[f64], labels: Option<&[i64]>) {
        for row in logits.chunks_exact(classes.max(1)) {
            let best = predicted_class(row);
            let sum: f64 = row.iter().map(|logit| (logit - row[best]).exp()).sum();
            self.predicted.push(best as u32);
            self.confidence.push(1.0 / sum);
        }
        match (labels, &mut self.labels) {
            (Some(labels), Some(own)) => own.extend(labels),
            (Some(labels), own) if self.predicted.len() == labels.len() => *own = Some(labels.to_vec()),
            (_, own) => *own = None,
        }
    }
}

/// The class of the largest logit, ties to the lowest index.
pub(crate) fn predicted_class(logits: &[f64]) -> usize {
    (0..logits.len()).fold(0, |best, class| if logits[class] > logits[best] { class } else { best })
}

/// Traces of one layer, where they lie: a row of f32 for each input, in memory or in a file that is mapped into it.
#[derive(Clone)]
pub struct LayerTraces {
    rows: Arc<dyn AsRef<[f32]> + Send + Sync>,
    width: usize,
    inputs: Arc<TraceInputs>,
}

impl LayerTraces {
    /// Rows of `width` neurons.
    ///
    /// # Panics
    /// If the rows are not those of as many inputs.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use cleanai_harness::criteria::{LayerTraces, TraceInputs};
    ///
    /// let mut inputs = TraceInputs::default();
    /// inputs.push(2, &[0.0, 1.0, 1.0, 0.0], None);
    /// let traces = LayerTraces::new(Arc::new(vec![0.5, 1.0, 2.0, 0.0, 0.25, 3.0]), 3, Arc::new(inputs));
    /// assert_eq!(traces.row(1), [0.0, 0.25, 3.0]);
    /// ```
    pub fn new(rows: Arc<dyn AsRef<[f32]> + Send + Sync>, width: usize, inputs: Arc<TraceInputs>) -> Self {
        assert_eq!((*rows).as_ref().len(), width * inputs.len(), "as many rows as inputs");
        Self { rows, width, inputs }
    }

    /// All rows, one after the other.
    pub fn rows(&self) -> &[f32] {
        (*self.rows).as_ref()
    }

    /// The row of an input.
    ///
    /// # Panics
    /// If there is no such input.
    pub fn row(&self, input: usize) -> &[f32] {
        &self.rows()[input * self.width..(input + 1) * self.width]
    }

    /// Neurons.
    pub fn width(&self) -> usize {
        self.width
    }

    /// What is known of the inputs; the same for every layer.
    pub fn inputs(&self) -> &TraceInputs {
        &self.inputs
    }

    /// The same, shared.
    pub fn shared_inputs(&self) -> Arc<TraceInputs> {
        Arc::clone(&self.inputs)
    }
}

impl fmt::Debug for LayerTraces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LayerTraces({} inputs of {} neurons)", self.inputs.len(), self.width)
    }
}

impl PartialEq for LayerTraces {
    fn eq(&self, other: &Self) -> bool {
        self.width == other.width && self.inputs == other.inputs && self.rows() == other.rows()
    }
}
