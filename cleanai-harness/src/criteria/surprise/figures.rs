//! From scores to figures.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::buckets::{Buckets, Place};
use super::state::Input;
use super::{Kind, Scores};
use crate::criteria::scope::{Scope, share};
use crate::criteria::{Contribution, Figures, LabelFigures, LayerFigures, PerInput};

/// Scores of some inputs, added up.
#[derive(Debug, Clone, Default)]
struct Tally {
    inputs: u64,
    sum: f64,
    finite: u64,
    infinite: u64,
    buckets: Vec<usize>,
    below: u64,
    above: u64,
}

impl Tally {
    fn add(&mut self, score: f64, buckets: Option<Buckets>) {
        self.inputs += 1;
        if score.is_nan() {
            return;
        }
        if score.is_finite() {
            self.finite += 1;
            self.sum += score;
        } else {
            self.infinite += 1;
        }
        match buckets.map(|buckets| buckets.place(score)) {
            None => {}
            Some(Place::Below) => self.below += 1,
            Some(Place::Above) => self.above += 1,
            Some(Place::Bucket(at)) => self.buckets.push(at),
        }
    }

    /// Of the scores that are not infinite.
    fn mean(&self) -> Option<f64> {
        (self.finite > 0).then(|| self.sum / self.finite as f64)
    }

    /// Distinct buckets.
    fn covered(&self) -> u64 {
        let mut buckets = self.buckets.clone();
        buckets.sort_unstable();
        buckets.dedup();
        buckets.len() as u64
    }

    fn figures(&self, buckets: Option<Buckets>) -> LabelFigures {
        match buckets {
            None => LabelFigures { inputs: self.inputs, value: self.mean(), covered: None, total: None },
            Some(buckets) => {
                let (covered, total) = (self.covered(), buckets.count as u64);
                let (value, covered, total) = (share(covered, total), Some(covered), Some(total));
                LabelFigures { inputs: self.inputs, value, covered, total }
            }
        }
    }
}

/// The figures of these scores, in the order of the data; NaN where there is none.
pub(super) fn of(
    scope: &Scope,
    scores: &Scores,
    buckets: Option<Buckets>,
    profile_skipped: u64,
    scored: &[(Input, f64)],
) -> Figures {
    let mut whole = Tally::default();
    let (mut classes, mut labels): (BTreeMap<u32, Tally>, BTreeMap<i64, Tally>) = Default::default();
    scores.classes().into_iter().for_each(|class| drop(classes.insert(class, Tally::default())));
    let (mut unknown, mut skipped) = (0u64, 0u64);
    for (input, score) in scored {
        whole.add(*score, buckets);
        classes.entry(input.class).or_default().add(*score, buckets);
        if let Some(label) = input.label {
            labels.entry(label).or_default().add(*score, buckets);
        }
        if !input.is_finite {
            skipped += 1;
        } else if score.is_nan() {
            unknown += 1;
        }
    }
    let own = whole.figures(buckets);
    let mut details: BTreeMap<String, Value> = [
        ("infinite".to_owned(), whole.infinite.into()),
        ("unknown_class".to_owned(), unknown.into()),
        ("skipped_inputs".to_owned(), skipped.into()),
        ("profile_skipped_inputs".to_owned(), profile_skipped.into()),
        ("predicted_classes".to_owned(), of_classes(&classes, scores, buckets)),
    ]
    .into();
    if let Some(buckets) = buckets {
        details.insert("lower".to_owned(), buckets.lower.into());
        details.insert("upper".to_owned(), buckets.upper.into());
        details.insert("outside_below".to_owned(), whole.below.into());
        details.insert("outside_above".to_owned(), whole.above.into());
        details.insert(format!("mean_{}", scores.kind().score()), json!(whole.mean()));
    }
    if let Scores::Likelihood(likelihood) = scores {
        let mut from = 0;
        let dropped = scope.neurons.iter().map(|neurons| {
            let layer = from..from + neurons;
            from += neurons;
            (*neurons - likelihood.kept.iter().filter(|neuron| layer.contains(neuron)).count()) as u64
        });
        details.insert("dropped_neurons".to_owned(), scope.by_layer(dropped));
    }
    let layers = match scope.names.as_slice() {
        // The figures of several layers are those of all together.
        [name] => {
            vec![LayerFigures { name: name.clone(), value: own.value, covered: own.covered, total: own.total }]
        }
        _ => Vec::new(),
    };
    Figures {
        value: own.value,
        covered: own.covered,
        total: own.total,
        layers,
        contributions: buckets.map(|buckets| contributions(scored, buckets)).unwrap_or_default(),
        neurons: Vec::new(),
        per_input: per_input(scores.kind(), scored),
        classes: labels.into_iter().map(|(label, tally)| (label, tally.figures(buckets))).collect(),
        details,
    }
}

/// By predicted class, those of the profile that no test input is predicted as among them.
fn of_classes(classes: &BTreeMap<u32, Tally>, scores: &Scores, buckets: Option<Buckets>) -> Value {
    let of_class = |(class, tally): (&u32, &Tally)| {
        let facts = scores.facts(*class);
        let mut own = Map::new();
        own.insert("inputs".to_owned(), tally.inputs.into());
        own.insert("profile_inputs".to_owned(), facts.map_or(0, |facts| facts.profile_inputs).into());
        own.insert("mean".to_owned(), json!(tally.mean()));
        if buckets.is_some() {
            own.insert("covered".to_owned(), tally.covered().into());
        }
        if let Some(shrinkage) = facts.and_then(|facts| facts.shrinkage) {
            own.insert("shrinkage".to_owned(), shrinkage.into());
        }
        (class.to_string(), Value::from(own))
    };
    classes.iter().map(of_class).collect::<Map<_, _>>().into()
}

/// The first input in each bucket.
fn contributions(scored: &[(Input, f64)], buckets: Buckets) -> Vec<Contribution> {
    let mut seen = vec![false; buckets.count];
    let is_new = |(input, score): &(Input, f64)| match buckets.place(*score) {
        Place::Bucket(at) if !score.is_nan() && !std::mem::replace(&mut seen[at], true) => {
            Some(Contribution { input: input.index, covered: 1 })
        }
        _ => None,
    };
    scored.iter().filter_map(is_new).collect()
}

fn per_input(kind: Kind, scored: &[(Input, f64)]) -> PerInput {
    PerInput {
        inputs: scored.iter().map(|(input, _)| input.index).collect(),
        columns: vec![
            (kind.score().to_owned(), scored.iter().map(|(_, score)| *score).collect()),
            ("class".to_owned(), scored.iter().map(|(input, _)| f64::from(input.class)).collect()),
        ],
    }
}
