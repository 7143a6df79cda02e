//! Measurements and requirements for the tests of this module and the runner's.

use std::collections::BTreeMap;

use crate::criteria::{Direction, LayerFigures};
use crate::declare::{Comparison, CriterionSpec, NeuronKind, Requirement, Value};
use crate::measure::{CriterionResult, DataFacts, Measurement, ModelFacts, Seconds, Settings};

pub(crate) fn measurement(criteria: impl IntoIterator<Item = (&'static str, CriterionResult)>) -> Measurement {
    Measurement {
        schema: 1,
        model: ModelFacts {
            path: "models/lenet5.pt".into(),
            sha256: "0".repeat(64),
            format: "torchscript".into(),
            parameters: 61_706,
            layers: Vec::new(),
        },
        data: DataFacts {
            path: "data/test".into(),
            inputs: 360,
            skipped: 0,
            shape: vec![1, 28, 28],
            profile: Some("data/train".into()),
            profile_inputs: Some(1437),
            profile_skipped: Some(0),
            augmented: Vec::new(),
            transform: "grayscale".into(),
        },
        settings: Settings {
            device: "cpu".into(),
            batch: 64,
            layers: "default".into(),
            neurons: NeuronKind::Channel,
            libtorch: "2.13.0".into(),
            cleanai: "0.1.0".into(),
            non_finite_skipped: 0,
            overridden: Vec::new(),
        },
        criteria: criteria.into_iter().map(|(name, result)| (name.to_owned(), result)).collect(),
        report: None,
        against: None,
        seconds: Seconds::default(),
        names: Default::default(),
        cached: None,
    }
}

pub(crate) fn value(value: f64) -> CriterionResult {
    CriterionResult {
        value: Some(value),
        covered: None,
        total: None,
        layers: Vec::new(),
        classes: BTreeMap::new(),
        contributions: Vec::new(),
        leading: Vec::new(),
        neurons: Vec::new(),
        ranked: None,
        per_input: Default::default(),
        pictures: Vec::new(),
        details: BTreeMap::new(),
        direction: Direction::HigherIsBetter,
    }
}

pub(crate) fn nothing() -> CriterionResult {
    CriterionResult { value: None, ..value(0.0) }
}

pub(crate) fn layer(name: &str, value: Option<f64>) -> LayerFigures {
    LayerFigures { name: name.into(), value, covered: None, total: None }
}

/// `name op bound` with an optional `k`.
pub(crate) fn requirement(name: &str, k: Option<i64>, comparison: Comparison, bound: f64) -> Requirement {
    let parameters = k.map(|k| ("k".to_owned(), Value::Integer(k))).into_iter().collect();
    Requirement {
        criterion: CriterionSpec { name: name.into(), parameters },
        figure: None,
        comparison,
        bound: bound.into(),
        origin: None,
    }
}
