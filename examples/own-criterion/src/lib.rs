//! How to write a criterion of your own: `acme::dead`, the share of neurons that no test input wakes.
//!
//! A criterion is three things, all below:
//!
//! 1. a [`CriterionRegistration`]: its name, what it accepts, and the function that builds it,
//! 2. a [`Criterion`]: the parameters of one use of it, checked, which starts a state for a pass,
//! 3. a [`State`]: what it has seen of the test set so far, and the figures of that.
//!
//! Whoever links this crate into a test (`use own_criterion as _;`) can require it in the attribute and in `cleanai.toml`; reports and
//! baselines treat it as they treat the built-in ones.

use std::any::Any;

use cleanai_harness::criteria::registry::{
    Arguments, CriterionDescription, CriterionRegistration, ParameterDescription, ParameterKind, ValueKind,
};
use cleanai_harness::criteria::{Criterion, Direction, Figures, LayerFigures, LayerValues, Needs, Start, State};
use cleanai_harness::declare::CriterionSpec;
use cleanai_harness::{Error, ErrorKind, Result};

inventory::submit! {
    CriterionRegistration { description: DEAD, build: |spec| Ok(Box::new(Dead::new(spec)?)) }
}

/// `acme::dead(above = 0.0)`: the share of neurons whose value exceeds `above` for no test input. Lower is better.
pub const DEAD: CriterionDescription = CriterionDescription {
    // The part before :: is yours; bare names and `cleanai::` belong to CleanAI.
    name: "acme::dead",
    summary: "share of neurons that no input wakes",
    // Names, types and bounds are checked before `build` sees them. `layers` and `neurons` come by themselves.
    parameters: &[ParameterDescription {
        name: "above",
        kind: ParameterKind::Number { at_least: f64::NEG_INFINITY, at_most: f64::INFINITY },
        default_text: Some("0.0"),
        summary: "a neuron is awake above this value",
    }],
    // Decides which way a baseline may move.
    direction: Direction::LowerIsBetter,
    // Decides which thresholds can hold (none above 1) and which tolerances make sense (so many neurons).
    value: ValueKind::NeuronShare,
    reference: "an example",
};

/// The criterion with its parameters.
struct Dead {
    spec: CriterionSpec,
    above: f64,
}

impl Dead {
    fn new(spec: &CriterionSpec) -> Result<Self> {
        Ok(Self { spec: spec.clone(), above: Arguments::check(spec, &DEAD)?.number("above")? })
    }

    /// The state of the layers it is started on, of which `awake` is known.
    fn state(&self, start: Start<'_>, awake: Vec<Vec<bool>>) -> Box<dyn State> {
        let names = start.layers.iter().map(|layer| layer.name.clone()).collect();
        Box::new(Awake { spec: self.spec.clone(), above: self.above, names, awake })
    }
}

impl Criterion for Dead {
    fn spec(&self) -> &CriterionSpec {
        &self.spec
    }

    // No profile set, no labels, no class scores.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn direction(&self) -> Direction {
        DEAD.direction
    }

    fn start(&self, start: Start<'_>) -> Result<Box<dyn State>> {
        let asleep = start.neurons.iter().map(|neurons| vec![false; *neurons]).collect();
        Ok(self.state(start, asleep))
    }

    // The reverse of `save`: one byte for each neuron, layer by layer. Bytes may come from anywhere, so they are checked.
    fn restore(&self, start: Start<'_>, saved: &[u8]) -> Result<Box<dyn State>> {
        if saved.len() != start.neurons.iter().sum::<usize>() || saved.iter().any(|byte| *byte > 1) {
            return Err(Error::new(ErrorKind::Criterion, "these bytes are no state of `acme::dead` on these layers"));
        }
        let mut rest = saved.iter().map(|byte| *byte == 1);
        let awake = start.neurons.iter().map(|neurons| rest.by_ref().take(*neurons).collect()).collect();
        Ok(self.state(start, awake))
    }
}

/// Which neurons were awake for some input so far.
struct Awake {
    spec: CriterionSpec,
    above: f64,
    names: Vec<String>,
    awake: Vec<Vec<bool>>,
}

impl State for Awake {
    // Called for every layer of every batch. `values.values` holds a row for each input; here the largest of each column will do.
    fn observe(&mut self, values: LayerValues<'_>) {
        for (awake, high) in self.awake[values.layer].iter_mut().zip(&*values.high.to_f64()) {
            *awake |= *high > self.above;
        }
    }

    // Inputs seen in two parts must give what they give in one. States of other parameters or layers are refused.
    fn merge(&mut self, other: Box<dyn State>) -> Result<()> {
        let refused =
            || Error::new(ErrorKind::Criterion, "`acme::dead` merges with its own states on the same layers only");
        let other = other.into_any().downcast::<Self>().map_err(|_| refused())?;
        let neurons = |state: &Self| state.awake.iter().map(Vec::len).collect::<Vec<_>>();
        if self.spec != other.spec || self.names != other.names || neurons(self) != neurons(&other) {
            return Err(refused());
        }
        for (own, others) in self.awake.iter_mut().flatten().zip(other.awake.into_iter().flatten()) {
            *own |= others;
        }
        Ok(())
    }

    // `None` where there is nothing to count: a share of no neurons is no number.
    fn figures(&self) -> Figures {
        let share = |dead: u64, total: u64| (total > 0).then(|| dead as f64 / total as f64);
        let layer = |(name, awake): (&String, &Vec<bool>)| {
            let (dead, total) = (awake.iter().filter(|awake| !**awake).count() as u64, awake.len() as u64);
            LayerFigures { name: name.clone(), value: share(dead, total), covered: Some(dead), total: Some(total) }
        };
        let layers: Vec<LayerFigures> = self.names.iter().zip(&self.awake).map(layer).collect();
        let dead = layers.iter().filter_map(|layer| layer.covered).sum();
        let total = layers.iter().filter_map(|layer| layer.total).sum();
        Figures { value: share(dead, total), covered: Some(dead), total: Some(total), layers, ..Figures::default() }
    }

    fn save(&self) -> Result<Vec<u8>> {
        Ok(self.awake.iter().flatten().map(|awake| u8::from(*awake)).collect())
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use cleanai_harness::criteria::{LayerBatch, registry};
    use cleanai_harness::model::LayerInfo;

    use super::*;

    /// Two layers; the criterion is found by its name.
    fn with_start<T>(text: &str, work: impl FnOnce(&dyn Criterion, Start<'_>) -> T) -> T {
        let layer = |name: &str, neurons| LayerInfo {
            name: name.to_owned(),
            class: "ReLU".to_owned(),
            operator: "relu".to_owned(),
            shape: vec![neurons],
            channel_axis: 0,
        };
        let criterion = registry::criterion(&text.parse().unwrap()).unwrap();
        work(&*criterion, Start { layers: &[layer("a", 2), layer("b", 1)], neurons: &[2, 1], profile: None })
    }

    #[test]
    fn it_counts_merges_and_survives_being_saved() {
        with_start("acme::dead(above=0.5)", |criterion, start| {
            let (mut first, mut second) = (criterion.start(start).unwrap(), criterion.start(start).unwrap());
            first.observe(LayerBatch::channels(2, vec![0.0, 0.5, 1.0, 0.2]).values(0, 0));
            assert_eq!(first.figures().value, Some(2.0 / 3.0));
            second.observe(LayerBatch::units(1, vec![0.75]).values(1, 2));
            let second = criterion.restore(start, &second.save().unwrap()).unwrap();
            first.merge(second).unwrap();
            let figures = first.figures();
            assert_eq!((figures.covered, figures.total, figures.layers[0].value), (Some(1), Some(3), Some(0.5)));
        });
    }

    #[test]
    fn strangers_are_refused() {
        with_start("acme::dead", |criterion, start| {
            assert!(criterion.restore(start, &[0, 1]).is_err());
            let mut state = criterion.start(start).unwrap();
            let other = with_start("acme::dead(above=1)", |other, start| other.start(start).unwrap());
            assert!(state.merge(other).is_err());
        });
        assert!(registry::criterion(&"acme::dead(abvoe=1)".parse().unwrap()).is_err());
    }
}
