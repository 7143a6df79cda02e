//! What the trusted inputs of each class make of a model's neurons, and how far others are from it.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{nearest, ranges, top_k};
use crate::criteria::{LayerTraces, TraceInputs};
use crate::{Error, ErrorKind, Result};

/// The softmax from which on a correctly classified profile input is trusted.
pub const TRUSTED: f64 = 0.9;

/// Signatures larger than this are refused rather than left to the system's memory killer.
const LARGEST: u128 = 16 << 30;

/// Values judged together at least, before threads share the work.
pub(super) const PARALLEL_FROM: usize = 1 << 16;

/// Values of traces that are gathered into rows at once.
const GATHERED: usize = 1 << 22;

/// What a signature is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    /// `src`: the range of every neuron; eta is the number of neurons outside.
    Ranges,
    /// `mrc`: the range of every neuron in sections, and the share of trusted inputs in each; a neuron costs 1 outside its range, else 1 - the share
    /// of its section; eta is the sum.
    Sections {
        /// Sections of each range.
        sections: usize,
    },
    /// `topk`: the neurons of each layer that are most often among the `places` most active; eta is the share of an input's own that are none of them.
    TopK {
        /// Most active neurons of each layer; all of a layer that has no more.
        places: usize,
    },
    /// `knn`: the traces themselves; eta is the Euclidean distance to the `neighbours`-th nearest.
    Nearest {
        /// Which neighbour's distance counts.
        neighbours: usize,
    },
}

impl Method {
    /// Trusted inputs that a class needs to have a tau: two, and for the k-th nearest k others beside each input.
    pub fn least_trusted(self) -> usize {
        match self {
            Self::Nearest { neighbours } => neighbours + 1,
            _ => 2,
        }
    }

    /// Bytes of the signature of a class.
    fn bytes(self, neurons: usize, trusted: usize) -> u128 {
        let neurons = neurons as u128;
        match self {
            Self::Ranges => 8 * neurons,
            Self::Sections { sections } => neurons * (8 + 4 * sections as u128),
            // Counts while it is made.
            Self::TopK { .. } => 4 * neurons,
            Self::Nearest { .. } => 4 * neurons * trusted as u128,
        }
    }
}

/// The trusted inputs of a profile set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trusted {
    /// By predicted class, up to the largest that has any: indices of its trusted inputs in the profile set, ascending.
    pub classes: Vec<Vec<usize>>,
}

impl Trusted {
    /// Those the model predicts as their label, with a softmax of at least [`TRUSTED`].
    ///
    /// # Errors
    /// If the inputs have no labels, or if none is trusted.
    ///
    /// ```
    /// use cleanai_harness::criteria::TraceInputs;
    /// use cleanai_harness::monitor::Trusted;
    ///
    /// let mut inputs = TraceInputs::default();
    /// // Right and sure, right and unsure, wrong.
    /// inputs.push(2, &[0.0, 5.0, 0.0, 1.0, 5.0, 0.0], Some(&[1, 1, 1]));
    /// assert_eq!(Trusted::of(&inputs)?.classes, [vec![], vec![0]]);
    /// # Ok::<(), cleanai_harness::Error>(())
    /// ```
    pub fn of(inputs: &TraceInputs) -> Result<Self> {
        let Some(labels) = &inputs.labels else {
            return Err(Error::new(
                ErrorKind::Data,
                "the profile inputs have no labels, so none of them can be trusted",
            )
            .with_help("put images into one folder per class, or give an array `y` (npz) or a labels file (idx)"));
        };
        let mut classes: Vec<Vec<usize>> = Vec::new();
        for (input, ((class, confidence), label)) in
            inputs.predicted.iter().zip(&inputs.confidence).zip(labels).enumerate()
        {
            if i64::from(*class) == *label && *confidence >= TRUSTED {
                let class = *class as usize;
                if classes.len() <= class {
                    classes.resize_with(class + 1, Vec::new);
                }
                classes[class].push(input);
            }
        }
        if classes.is_empty() {
            let what = format!(
                "none of the {} profile inputs is trusted: the model predicts none as its label with a softmax of at least {TRUSTED}",
                inputs.len()
            );
            return Err(Error::new(ErrorKind::Data, what).with_help(
                "look whether the labels are numbered as the model's outputs are, and whether the transform is the one of the training",
            ));
        }
        Ok(Self { classes })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.classes.iter().map(Vec::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The signature of one class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum ClassSignature {
    Ranges(ranges::Ranges),
    Sections(ranges::Sections),
    TopK(top_k::Usual),
    Nearest(nearest::Traces),
}

/// Signatures of all classes over the same layers. Rows of values are the neurons of all layers, one layer after the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signature {
    method: Method,
    /// Where each layer begins in a row, and where the last one ends.
    offsets: Vec<usize>,
    /// By class; none for a class without trusted inputs.
    pub(super) classes: Vec<Option<ClassSignature>>,
}

/// How far inputs are from the signatures of their classes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Etas {
    /// One for each input, >= 0.
    pub eta: Vec<f64>,
    /// What each layer has in it, input by input: neurons outside, costs, misses, or squared distance.
    pub layers: Vec<f64>,
}

/// What trusted inputs are to the signature of their class made without each of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LeftOut {
    /// By class, in the order of [`Trusted::classes`]: eta of each input.
    pub eta: Vec<Vec<f64>>,
    /// By layer: pairs of input and neuron that are in range. Zeros for methods that have no ranges.
    pub inside: Vec<u64>,
}

impl Signature {
    /// The signatures of the trusted inputs of these traces, one for each layer; and what each trusted input is to its class without it.
    ///
    /// # Errors
    /// If they would take more than 16 GiB.
    pub fn build(method: Method, traces: &[LayerTraces], trusted: &Trusted) -> Result<(Self, LeftOut)> {
        let mut offsets = vec![0];
        for layer in traces {
            offsets.push(offsets[offsets.len() - 1] + layer.width());
        }
        let neurons = offsets[offsets.len() - 1];
        let bytes = trusted.classes.iter().filter(|class| !class.is_empty());
        let bytes: u128 = bytes.map(|class| method.bytes(neurons, class.len())).sum();
        if bytes > LARGEST {
            let gib = bytes as f64 / (1u64 << 30) as f64;
            let what = format!(
                "signatures of {} classes and {neurons} neurons would take {gib:.1} GiB",
                trusted.classes.len()
            );
            return Err(Error::new(ErrorKind::Criterion, what)
                .with_help("take fewer layers, or channels as neurons (`neurons = \"channel\"`)"));
        }
        let mut left_out = LeftOut { eta: Vec::new(), inside: vec![0; traces.len()] };
        let mut classes = Vec::new();
        for members in &trusted.classes {
            if members.is_empty() {
                left_out.eta.push(Vec::new());
                classes.push(None);
                continue;
            }
            let class = Members { traces, offsets: &offsets, members };
            let (signature, eta, inside) = match method {
                Method::Ranges => {
                    let (own, eta, inside) = ranges::Ranges::build(class);
                    (ClassSignature::Ranges(own), eta, inside)
                }
                Method::Sections { sections } => {
                    let (own, eta, inside) = ranges::Sections::build(class, sections);
                    (ClassSignature::Sections(own), eta, inside)
                }
                Method::TopK { places } => {
                    let (own, eta) = top_k::Usual::build(class, places);
                    (ClassSignature::TopK(own), eta, Vec::new())
                }
                Method::Nearest { neighbours } => {
                    let (own, eta) = nearest::Traces::build(class, neighbours);
                    (ClassSignature::Nearest(own), eta, Vec::new())
                }
            };
            left_out.inside.iter_mut().zip(inside).for_each(|(all, own)| *all += own);
            left_out.eta.push(eta);
            classes.push(Some(signature));
        }
        Ok((Self { method, offsets, classes }, left_out))
    }

    /// What it is made of.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Neurons of all layers: the length of a row.
    pub fn neurons(&self) -> usize {
        self.offsets[self.offsets.len() - 1]
    }

    /// Neurons of each layer.
    pub fn widths(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.offsets.windows(2).map(|ends| ends[1] - ends[0])
    }

    /// Layers.
    pub fn layers(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Where each layer begins in a row, and where the last one ends.
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// How far inputs are from the signatures of the classes they are predicted as; `rows` has [`Signature::neurons`] values for each. NaN is in no range,
    /// among no most active ones, and infinitely far. To a class without trusted inputs everything is as far as can be.
    ///
    /// An input's eta depends on its own row alone, whatever the others and the number of threads.
    ///
    /// # Panics
    /// If the rows are not those of as many inputs.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use cleanai_harness::criteria::{LayerTraces, TraceInputs};
    /// use cleanai_harness::monitor::{Method, Signature, Trusted};
    ///
    /// let inputs = TraceInputs { predicted: vec![0, 0], confidence: vec![1.0; 2], labels: Some(vec![0, 0]) };
    /// let traces = [LayerTraces::new(Arc::new(vec![0.0, 5.0, 1.0, 7.0]), 2, Arc::new(inputs))];
    /// let trusted = Trusted::of(traces[0].inputs())?;
    /// let (signature, left_out) = Signature::build(Method::Ranges, &traces, &trusted)?;
    /// // Each of the two is outside the other's range of one value.
    /// assert_eq!(left_out.eta, [[2.0, 2.0]]);
    /// assert_eq!(signature.etas(&[0.5, 6.0, 0.5, 8.0], &[0, 0]).eta, [0.0, 1.0]);
    /// # Ok::<(), cleanai_harness::Error>(())
    /// ```
    pub fn etas(&self, rows: &[f32], classes: &[u32]) -> Etas {
        let (neurons, layers) = (self.neurons(), self.layers());
        assert_eq!(rows.len(), neurons * classes.len(), "as many rows as inputs");
        let mut etas = Etas { eta: vec![0.0; classes.len()], layers: vec![0.0; classes.len() * layers] };
        if let Method::Nearest { neighbours } = self.method {
            nearest::etas(self, neighbours, rows, classes, &mut etas);
            return etas;
        }
        let judge = |(input, (eta, costs)): (usize, (&mut f64, &mut [f64]))| {
            *eta = self.eta(classes[input], &rows[input * neurons..(input + 1) * neurons], costs);
        };
        // A model without layers or neurons deviates by nothing; chunks of none are not allowed.
        if layers == 0 {
            return etas;
        }
        if rows.len() < PARALLEL_FROM {
            etas.eta.iter_mut().zip(etas.layers.chunks_mut(layers)).enumerate().for_each(judge);
        } else {
            etas.eta.par_iter_mut().zip(etas.layers.par_chunks_mut(layers)).enumerate().for_each(judge);
        }
        etas
    }

    fn eta(&self, class: u32, row: &[f32], costs: &mut [f64]) -> f64 {
        match self.class(class) {
            Some(ClassSignature::Ranges(own)) => own.eta(&self.offsets, row, costs),
            Some(ClassSignature::Sections(own)) => own.eta(&self.offsets, row, costs),
            Some(ClassSignature::TopK(own)) => own.eta(&self.offsets, row, costs),
            Some(ClassSignature::Nearest(_)) | None => self.farthest(costs),
        }
    }

    pub(super) fn class(&self, class: u32) -> Option<&ClassSignature> {
        self.classes.get(class as usize)?.as_ref()
    }

    /// What an input is to a class that has no trusted inputs.
    pub(super) fn farthest(&self, costs: &mut [f64]) -> f64 {
        for (cost, width) in costs.iter_mut().zip(self.widths()) {
            *cost = match self.method {
                Method::Ranges | Method::Sections { .. } => width as f64,
                Method::TopK { places } => places.min(width) as f64,
                Method::Nearest { .. } => f64::INFINITY,
            };
        }
        match self.method {
            Method::Ranges | Method::Sections { .. } => self.neurons() as f64,
            Method::TopK { .. } if self.neurons() == 0 => 0.0,
            Method::TopK { .. } => 1.0,
            Method::Nearest { .. } => f64::INFINITY,
        }
    }

    /// The etas of inputs whose traces there are, of the same layers.
    ///
    /// # Panics
    /// If the traces are those of other layers.
    pub fn etas_of(&self, traces: &[LayerTraces]) -> Etas {
        let neurons = self.neurons();
        let predicted: &[u32] = traces.first().map_or(&[], |layer| &layer.inputs().predicted);
        let mut all = Etas::default();
        for first in (0..predicted.len()).step_by((GATHERED / neurons.max(1)).max(1)) {
            let classes = &predicted[first..predicted.len().min(first + (GATHERED / neurons.max(1)).max(1))];
            let mut rows = Vec::with_capacity(classes.len() * neurons);
            for input in first..first + classes.len() {
                traces.iter().for_each(|layer| rows.extend_from_slice(layer.row(input)));
            }
            let etas = self.etas(&rows, classes);
            all.eta.extend(etas.eta);
            all.layers.extend(etas.layers);
        }
        all
    }

    /// Whether its parts fit each other, so that it can judge rows of these widths; of one from a file that is not known.
    pub(super) fn is_sound(&self, widths: &[usize]) -> bool {
        let sizes = match self.method {
            Method::Ranges => true,
            Method::Sections { sections } => (1..=1_000_000).contains(&sections),
            Method::TopK { places } => (1..=1_000_000).contains(&places),
            Method::Nearest { neighbours } => (1..=1_000_000).contains(&neighbours),
        };
        let mut ends = vec![0usize];
        for width in widths {
            let Some(end) = ends[ends.len() - 1].checked_add(*width) else { return false };
            ends.push(end);
        }
        sizes
            && ends == self.offsets
            && self.classes.iter().flatten().all(|class| match (class, self.method) {
                (ClassSignature::Ranges(own), Method::Ranges) => own.is_sound(self.neurons()),
                (ClassSignature::Sections(own), Method::Sections { sections }) => {
                    own.is_sound(self.neurons(), sections)
                }
                (ClassSignature::TopK(own), Method::TopK { places }) => own.is_sound(widths, places),
                (ClassSignature::Nearest(own), Method::Nearest { .. }) => own.is_sound(self.neurons()),
                _ => false,
            })
    }
}

/// The trusted inputs of one class.
#[derive(Clone, Copy)]
pub(super) struct Members<'a> {
    pub traces: &'a [LayerTraces],
    pub offsets: &'a [usize],
    pub members: &'a [usize],
}

impl Members<'_> {
    pub fn neurons(&self) -> usize {
        self.offsets[self.offsets.len() - 1]
    }

    /// What a member makes of each layer: where it begins in a row, and its values.
    pub fn layers(&self, member: usize) -> impl Iterator<Item = (usize, &[f32])> {
        self.traces.iter().zip(self.offsets).map(move |(layer, at)| (*at, layer.row(member)))
    }

    /// The values of all layers.
    pub fn row(&self, member: usize, row: &mut Vec<f32>) {
        row.clear();
        self.layers(member).for_each(|(_, values)| row.extend_from_slice(values));
    }

    /// What `work` gives for every member's row, in order.
    pub fn map<T: Send>(&self, work: impl Fn(&[f32]) -> T + Sync) -> Vec<T> {
        let one = |row: &mut Vec<f32>, member: &usize| {
            self.row(*member, row);
            work(row)
        };
        if self.members.len() * self.neurons() < PARALLEL_FROM {
            let mut row = Vec::new();
            return self.members.iter().map(|member| one(&mut row, member)).collect();
        }
        self.members.par_iter().map_init(Vec::new, one).collect()
    }
}
