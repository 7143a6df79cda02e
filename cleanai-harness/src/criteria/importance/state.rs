//! What `idc` has seen.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::combinations::Combinations;
use crate::criteria::scope::Scope;
use crate::criteria::{Contribution, Figures, LayerFigures, LayerValues, Numbers, State};
use crate::{Error, ErrorKind, Result};

/// Combinations named in the report that no test input gives.
const WANTED: usize = 10;

/// A combination that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    /// The first input in the data set that gave it.
    first: u64,
    inputs: u64,
}

pub(super) struct ImportanceState {
    scope: Scope,
    layers: Vec<Combinations>,
    seen: Vec<HashMap<u128, Seen>>,
    /// Inputs without a combination in some layer, a value of theirs being not finite.
    skipped: u64,
    /// The combinations of the inputs since these were last asked for, once they have been.
    taken: Option<Taken>,
}

/// Combinations by number.
#[derive(Default)]
struct Taken {
    /// The numbers of combinations of layers, in the order in which they were met.
    numbers: HashMap<(usize, u128), u64>,
    recent: Vec<u64>,
}

impl Taken {
    fn take(&mut self, layer: usize, combination: u128) {
        let next = self.numbers.len() as u64;
        self.recent.push(*self.numbers.entry((layer, combination)).or_insert(next));
    }
}

impl ImportanceState {
    pub fn new(scope: Scope, layers: Vec<Combinations>) -> Self {
        let seen = layers.iter().map(|_| HashMap::new()).collect();
        Self { scope, layers, seen, skipped: 0, taken: None }
    }

    pub fn restore(scope: Scope, layers: Vec<Combinations>, saved: &[u8]) -> Result<Self> {
        let (seen, skipped): (Vec<Vec<(u128, Seen)>>, u64) = scope.restored(saved)?;
        let fits = seen.len() == layers.len()
            && skipped < 1 << 60
            && seen.iter().zip(&layers).all(|(seen, layer)| {
                let ascending = seen.windows(2).all(|pair| pair[0].0 < pair[1].0);
                ascending && seen.iter().all(|(at, seen)| *at < layer.total && (1..1 << 60).contains(&seen.inputs))
            });
        if !fits {
            return Err(scope.does_not_fit());
        }
        let seen = seen.into_iter().map(|seen| seen.into_iter().collect()).collect();
        Ok(Self { scope, layers, seen, skipped, taken: None })
    }

    fn take<T: Copy>(&mut self, rows: &[T], values: &LayerValues<'_>, number: impl Fn(T) -> f64) {
        let (layer, seen) = (&self.layers[values.layer], &mut self.seen[values.layer]);
        for (input, row) in rows.chunks_exact(values.neurons.max(1)).enumerate() {
            match layer.of(|neuron| number(row[neuron])) {
                Some(combination) => {
                    let first = (values.first + input) as u64;
                    seen.entry(combination).or_insert(Seen { first, inputs: 0 }).inputs += 1;
                    if let Some(taken) = &mut self.taken {
                        taken.take(values.layer, combination);
                    }
                }
                None => self.skipped += 1,
            }
        }
    }

    fn contributions(&self) -> Vec<Contribution> {
        let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
        for seen in self.seen.iter().flat_map(HashMap::values) {
            *counts.entry(seen.first).or_default() += 1;
        }
        counts.into_iter().map(|(input, covered)| Contribution { input, covered }).collect()
    }

    fn details(&self, layer: usize) -> Value {
        let (layer, seen) = (&self.layers[layer], &self.seen[layer]);
        let neurons = layer.neurons.iter().map(|neuron| {
            json!({
                "neuron": neuron.neuron,
                "relevance": neuron.relevance,
                "share": if layer.relevance > 0.0 { neuron.relevance.abs() / layer.relevance } else { 0.0 },
                "centroids": neuron.centroids,
                "sizes": neuron.sizes,
                "bounds": neuron.bounds(),
                "silhouette": neuron.silhouette,
                "histogram": neuron.histogram,
            })
        });
        let reached = layer.reachable.keys().filter(|combination| seen.contains_key(combination)).count();
        let mut wanted: Vec<(u128, u64)> = layer
            .reachable
            .iter()
            .filter(|(at, _)| !seen.contains_key(at))
            .map(|(at, inputs)| (*at, *inputs))
            .collect();
        wanted.sort_by_key(|(at, inputs)| (std::cmp::Reverse(*inputs), *at));
        let wanted = wanted
            .into_iter()
            .take(WANTED)
            .map(|(at, inputs)| json!({ "clusters": layer.clusters(at), "profile_inputs": inputs }));
        json!({
            "neurons": neurons.collect::<Vec<_>>(),
            "covered": seen.len(),
            "reachable": layer.reachable.len(),
            "reachable_covered": reached,
            // As text where JSON's numbers end.
            "uncovered": count(layer.total - seen.len() as u128),
            "combinations": count(layer.total),
            "wanted": wanted.collect::<Vec<_>>(),
            "inputs": layer.inputs,
            "amplification": layer.amplification,
        })
    }
}

fn count(number: u128) -> Value {
    u64::try_from(number).map_or_else(|_| number.to_string().into(), Value::from)
}

impl State for ImportanceState {
    fn observe(&mut self, values: LayerValues<'_>) {
        match values.values {
            Numbers::Double(rows) => self.take(rows, &values, |value| value),
            Numbers::Single(rows) => self.take(rows, &values, f64::from),
            Numbers::Device(units) => self.take(&units.copy(), &values, f64::from),
        }
    }

    fn merge(&mut self, other: Box<dyn State>) -> Result<()> {
        let other: Self = self.scope.same_family(other)?;
        self.scope.agrees(&other.scope)?;
        if self.layers != other.layers {
            return Err(self.scope.does_not_merge("a state with the clusters of another profile"));
        }
        for (own, others) in self.seen.iter_mut().zip(other.seen) {
            for (combination, seen) in others {
                let known = own.entry(combination).or_insert(Seen { inputs: 0, ..seen });
                known.inputs = known.inputs.saturating_add(seen.inputs);
                known.first = known.first.min(seen.first);
            }
        }
        self.skipped = self.skipped.saturating_add(other.skipped);
        Ok(())
    }

    fn check(&self) -> Result<()> {
        if self.layers.is_empty() {
            return Err(Error::new(
                ErrorKind::Criterion,
                format!("`{}` has no layer to look at", self.scope.spec.name),
            ));
        }
        Ok(())
    }

    fn figures(&self) -> Figures {
        let figure = |((name, layer), seen): ((&String, &Combinations), &HashMap<u128, Seen>)| LayerFigures {
            name: name.clone(),
            value: Some(seen.len() as f64 / layer.total as f64),
            covered: u64::try_from(layer.total).is_ok().then_some(seen.len() as u64),
            total: u64::try_from(layer.total).ok(),
        };
        let layers: Vec<LayerFigures> = self.scope.names.iter().zip(&self.layers).zip(&self.seen).map(figure).collect();
        let details: serde_json::Map<String, Value> =
            self.scope.names.iter().enumerate().map(|(at, name)| (name.clone(), self.details(at))).collect();
        // Layers are covered each by itself: of several the worst counts.
        let worst =
            layers.iter().min_by(|first, second| first.value.unwrap_or(0.0).total_cmp(&second.value.unwrap_or(0.0)));
        let (covered, total) = match layers.as_slice() {
            [only] => (only.covered, only.total),
            _ => (None, None),
        };
        Figures {
            value: worst.and_then(|layer| layer.value),
            covered,
            total,
            contributions: self.contributions(),
            details: [("importance".to_owned(), details.into()), ("skipped_inputs".to_owned(), self.skipped.into())]
                .into(),
            layers,
            ..Figures::default()
        }
    }

    fn take_covered(&mut self) -> Option<Vec<u64>> {
        let taken = self.taken.get_or_insert_with(|| {
            let mut all: Vec<(usize, u128)> = self
                .seen
                .iter()
                .enumerate()
                .flat_map(|(layer, seen)| seen.keys().map(move |at| (layer, *at)))
                .collect();
            all.sort_unstable();
            let mut taken = Taken::default();
            all.into_iter().for_each(|(layer, combination)| taken.take(layer, combination));
            taken
        });
        Some(std::mem::take(&mut taken.recent))
    }

    fn save(&self) -> Result<Vec<u8>> {
        let sorted = self.seen.iter().map(|seen| {
            let mut all: Vec<(u128, Seen)> = seen.iter().map(|(at, seen)| (*at, *seen)).collect();
            all.sort_unstable_by_key(|(at, _)| *at);
            all
        });
        self.scope.saved(&(sorted.collect::<Vec<_>>(), self.skipped))
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
