//! What a monitor says of the test inputs.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::SRC_IN_RANGE;
use crate::Result;
use crate::criteria::scope::{Scope, share};
use crate::criteria::{BatchEnd, Figures, LayerValues, Numbers, PerInput, State, TraceInputs};
use crate::monitor::{Calibration, Method, auroc, true_positives_at};

/// The share of false alarms that the share of alarms on untrusted inputs is given for.
const FALSE_ALARMS: f64 = 0.05;

/// What is kept of the inputs that were judged.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Index of each in the data set.
    inputs: Vec<u64>,
    classes: Vec<u32>,
    eta: Vec<f64>,
    /// Whether its label is the class it is predicted as, where it has one.
    right: Vec<Option<bool>>,
    /// By layer: pairs of input and neuron in range.
    inside: Vec<u64>,
}

impl Kept {
    pub fn of(scope: &Scope) -> Self {
        Self { inside: vec![0; scope.neurons.len()], ..Self::default() }
    }

    pub fn is_sound(&self, scope: &Scope) -> bool {
        let count = self.inputs.len();
        let inside = self.inside.iter().zip(&scope.neurons);
        [self.classes.len(), self.eta.len(), self.right.len()] == [count; 3]
            && self.inside.len() == scope.neurons.len()
            && inside.clone().all(|(inside, width)| u128::from(*inside) <= count as u128 * *width as u128)
            && self.eta.iter().all(|eta| *eta >= 0.0)
    }
}

#[derive(Debug)]
pub(super) struct MonitorState {
    scope: Scope,
    calibration: Arc<Calibration>,
    kept: Kept,
    /// The current batch: the neurons of all layers for each input; NaN where a layer is not reached.
    rows: Vec<f32>,
    /// Inputs of the current batch, once a layer of it was seen.
    begun: Option<usize>,
}

impl MonitorState {
    pub fn new(scope: Scope, calibration: Arc<Calibration>, kept: Kept) -> Self {
        Self { scope, calibration, kept, rows: Vec::new(), begun: None }
    }

    fn has_ranges(&self) -> bool {
        self.calibration.judge.signature.method() == Method::Ranges
    }
}

impl State for MonitorState {
    fn observe(&mut self, values: LayerValues<'_>) {
        let signature = &self.calibration.judge.signature;
        let (neurons, at) = (signature.neurons(), signature.offsets()[values.layer]);
        if self.begun.replace(values.inputs).is_none() {
            self.rows.clear();
            self.rows.resize(values.inputs * neurons, f32::NAN);
        }
        let rows = self.rows.chunks_exact_mut(neurons.max(1)).map(|row| &mut row[at..at + values.neurons]);
        let width = values.neurons.max(1);
        match values.values {
            // As traces are kept, so that an input of the profile set is inside its own ranges.
            Numbers::Double(all) => rows
                .zip(all.chunks_exact(width))
                .for_each(|(row, values)| row.iter_mut().zip(values).for_each(|(own, value)| *own = *value as f32)),
            Numbers::Single(all) => {
                rows.zip(all.chunks_exact(width)).for_each(|(row, values)| row.copy_from_slice(values));
            }
            Numbers::Device(units) => {
                rows.zip(units.copy().chunks_exact(width)).for_each(|(row, values)| row.copy_from_slice(values));
            }
        }
    }

    fn end_batch(&mut self, end: BatchEnd<'_>) -> Result<()> {
        let neurons = self.calibration.judge.signature.neurons();
        // Without classes there is nothing to compare with.
        if end.classes == 0 {
            self.begun = None;
            return Ok(());
        }
        if self.begun.take().is_none() {
            self.rows.clear();
            self.rows.resize(end.inputs * neurons, f32::NAN);
        }
        let mut known = TraceInputs::default();
        known.push(end.classes, end.logits, end.labels);
        let etas = self.calibration.judge.signature.etas(&self.rows, &known.predicted);
        let inside = self.calibration.judge.inside(&etas);
        self.kept.inside.iter_mut().zip(inside).for_each(|(own, inside)| *own += inside);
        self.kept.inputs.extend((end.first..end.first + end.inputs).map(|input| input as u64));
        let right = |(at, class): (usize, &u32)| Some(end.labels?[at] == i64::from(*class));
        self.kept.right.extend(known.predicted.iter().enumerate().map(right));
        self.kept.classes.extend(known.predicted);
        self.kept.eta.extend(etas.eta);
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn State>) -> Result<()> {
        let other: Self = self.scope.same_family(other)?;
        self.scope.agrees(&other.scope)?;
        if !Arc::ptr_eq(&self.calibration, &other.calibration) && self.calibration != other.calibration {
            return Err(self.scope.does_not_merge("a state with the signatures of another profile"));
        }
        self.kept.inputs.extend(other.kept.inputs);
        self.kept.classes.extend(other.kept.classes);
        self.kept.eta.extend(other.kept.eta);
        self.kept.right.extend(other.kept.right);
        self.kept.inside.iter_mut().zip(other.kept.inside).for_each(|(own, inside)| *own += inside);
        Ok(())
    }

    fn figures(&self) -> Figures {
        if self.scope.spec.name == SRC_IN_RANGE.name { self.in_range() } else { self.acceptance() }
    }

    fn save(&self) -> Result<Vec<u8>> {
        self.scope.saved(&self.kept)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl MonitorState {
    /// The figures of a monitor.
    fn acceptance(&self) -> Figures {
        let Calibration { judge, left_out, untrusted, .. } = &*self.calibration;
        let Kept { classes, eta, right, .. } = &self.kept;
        let mut order: Vec<usize> = (0..eta.len()).collect();
        order.sort_by_key(|at| self.kept.inputs[*at]);
        let judged: Vec<(f64, bool)> =
            classes.iter().zip(eta).map(|(class, eta)| judge.confidence(*class, *eta)).collect();
        let column = |name: &str, number: &dyn Fn(usize) -> f64| {
            (name.to_owned(), order.iter().map(|at| number(*at)).collect::<Vec<f64>>())
        };
        let per_input = PerInput {
            inputs: order.iter().map(|at| self.kept.inputs[*at]).collect(),
            columns: vec![
                column("eta", &|at| eta[at]),
                column("confidence", &|at| judged[at].0),
                column("accepted", &|at| f64::from(u8::from(judged[at].1))),
                column("class", &|at| f64::from(classes[at])),
            ],
        };
        let accepted = judged.iter().filter(|(_, accepted)| *accepted).count() as u64;
        let value = share(accepted, eta.len() as u64);
        let mut details = self.details();
        let mut add = |name: &str, number: Option<f64>| {
            if let Some(number) = number {
                details.insert(name.to_owned(), number.into());
            }
        };
        add("acceptance_rate", value);
        let trusted = left_out.acceptance_rate();
        add("trusted_acceptance_rate", trusted);
        add(
            "false_alarm_rate",
            trusted.map(|_| (left_out.eta.len() as u64 - left_out.accepted) as f64 / left_out.eta.len() as f64),
        );
        if let Some(untrusted) = untrusted {
            add("untrusted_acceptance_rate", untrusted.acceptance_rate());
            add("auroc", auroc(&untrusted.eta, eta));
            add("tpr_at_5_fpr", true_positives_at(FALSE_ALARMS, &untrusted.eta, eta));
        }
        let accuracy = |all: &mut dyn Iterator<Item = Option<bool>>| {
            let (mut right, mut total) = (0, 0);
            for own in all {
                right += u64::from(own?);
                total += 1;
            }
            share(right, total)
        };
        add("accuracy", accuracy(&mut right.iter().copied()));
        let of_accepted = judged.iter().zip(right).filter(|((_, accepted), _)| *accepted);
        add("accuracy_accepted", accuracy(&mut of_accepted.map(|(_, right)| *right)));
        Figures {
            value,
            covered: Some(accepted),
            total: Some(eta.len() as u64),
            per_input,
            details,
            ..Figures::default()
        }
    }

    /// The figures of `src_in_range`.
    fn in_range(&self) -> Figures {
        let inputs = self.kept.eta.len() as u64;
        let totals = self.scope.neurons.iter().map(|width| inputs * *width as u64);
        let mut figures = self.scope.shares(self.kept.inside.iter().copied().zip(totals));
        figures.details = self.details();
        figures
    }

    /// What both report.
    fn details(&self) -> BTreeMap<String, Value> {
        let Calibration { judge, trusted, left_out, untrusted } = &*self.calibration;
        let mut details = BTreeMap::new();
        details.insert("trusted_inputs".to_owned(), Value::from(left_out.eta.len()));
        if let Some(untrusted) = untrusted {
            details.insert("untrusted_inputs".to_owned(), untrusted.eta.len().into());
        }
        let mut monitor = Map::new();
        if self.scope.spec.name != SRC_IN_RANGE.name {
            let mut inputs = vec![0u64; trusted.len()];
            for class in &self.kept.classes {
                let class = *class as usize;
                inputs.resize(inputs.len().max(class + 1), 0);
                inputs[class] += 1;
            }
            let classes = inputs.iter().enumerate().map(|(class, inputs)| {
                let trusted = trusted.get(class).copied().unwrap_or(0);
                let tau = judge.tau.get(class).copied().flatten();
                json!({ "class": class, "trusted": trusted, "tau": tau, "inputs": inputs })
            });
            monitor.insert("classes".to_owned(), classes.collect::<Vec<_>>().into());
        }
        if self.has_ranges() {
            let inputs = [
                ("", Some((&self.kept.inside, self.kept.eta.len()))),
                ("_trusted", Some((&left_out.inside, left_out.eta.len()))),
                ("_untrusted", untrusted.as_ref().map(|own| (&own.inside, own.eta.len()))),
            ];
            let widths = || self.scope.neurons.iter().map(|width| *width as u64);
            for (of, inside) in &inputs {
                let Some((inside, count)) = inside else { continue };
                let total: u64 = widths().map(|width| width * *count as u64).sum();
                if let Some(share) = share(inside.iter().sum(), total) {
                    details.insert(format!("in_range{of}"), share.into());
                }
            }
            let layers = self.scope.names.iter().zip(widths()).enumerate().map(|(layer, (name, width))| {
                let mut row = Map::from_iter([("layer".to_owned(), Value::from(name.as_str()))]);
                for (of, inside) in &inputs {
                    let Some((inside, count)) = inside else { continue };
                    row.insert(format!("in_range{of}"), share(inside[layer], width * *count as u64).into());
                }
                Value::from(row)
            });
            monitor.insert("layers".to_owned(), layers.collect::<Vec<_>>().into());
        }
        details.insert("monitor".to_owned(), monitor.into());
        details
    }
}
