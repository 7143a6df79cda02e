//! Two models on one data set: the pass of each is shared with other tests, and figures of one are bounds of the other.
#![cfg(feature = "torch")]

mod common;

use cleanai_harness::declare::{Declaration, DeviceChoice, ModelChoice, ModelSource, Requirement};
use cleanai_harness::gate::thresholds;
use cleanai_harness::measure::Plan;
use cleanai_harness::model::Model;
use cleanai_harness::prelude::*;
use common::{Case, declaration, root};
use tch::nn::Module;
use tch::{Device, Kind, Tensor, nn};

const NEW: &str = "examples/digits/models/lenet5.pt";
/// The same weights as a script: another file with the same figures.
const OLD: &str = "fixtures/models/lenet5.scripted.pt";

fn declared(model: &str, requirements: &[&str]) -> Declaration {
    let transform = "['grayscale', 'scale', { normalize = { mean = [0.5], std = [0.5] } }]";
    let profile = Some("examples/digits/data/train");
    let case = Case { model, profile, test: "examples/digits/data/test#0..100", transform };
    let requirements = requirements.iter().map(|text| text.parse::<Requirement>().expect(text)).collect();
    Declaration { requirements, ..declaration(&root(), &case) }
}

fn against(declaration: Declaration, model: &str) -> Declaration {
    Declaration { against: Some(ModelChoice::file(model, root().join(model), DeviceChoice::Cpu)), ..declaration }
}

#[test]
fn the_other_model_is_measured_on_the_same_data_with_the_same_criteria() {
    let texts =
        ["accuracy >= against", "nc(threshold=0.25) >= against - 0.01", "kmnc(k=10).per_class(min) >= against * 0.9"];
    let plan = Plan::new(vec![
        against(declared(NEW, &texts), OLD),
        declared(OLD, &["accuracy >= 0.1", "nc(threshold=0.25) >= 0", "kmnc(k=10).per_class(min) >= 0.1"]),
        against(declared(NEW, &texts), NEW),
    ]);
    let compared = plan.measure(0).unwrap();
    let alone = plan.measure(1).unwrap();
    assert_eq!(alone.against, None);
    let other = compared.against.as_ref().expect("another model");
    assert_eq!((other.path.as_str(), &other.sha256), (OLD, &alone.model.sha256));
    assert_ne!(other.sha256, compared.model.sha256);
    // The other test's pass gave the very same figures.
    assert_eq!(other.figures.len(), 4, "{:?}", other.figures);
    for (criterion, result) in &alone.criteria {
        assert_eq!(other.figures[criterion], result.value, "{criterion}");
    }
    let worst = |measurement: &cleanai_harness::measure::Measurement| {
        let values = measurement.criteria["kmnc(k=10)"].classes.values().filter_map(|class| class.value);
        values.reduce(f64::min)
    };
    assert!(worst(&alone).is_some());
    assert_eq!(other.figures["kmnc(k=10).per_class(min)"], worst(&alone));

    let requirements = declared(NEW, &texts).requirements;
    let verdicts = thresholds::judge(&requirements, &compared, None);
    for (verdict, requirement) in verdicts.iter().zip(&requirements) {
        let held = other.figures[&requirement.subject()].expect("a figure");
        assert_eq!((verdict.against, verdict.bound), (Some(held), Some(requirement.bound.at(held))));
        assert_eq!(verdict.holds, verdict.observed.expect("a figure") >= verdict.bound.expect("a bound"));
    }
    // A model compared with itself reaches itself, to the last bit.
    let itself = plan.measure(2).unwrap();
    assert_eq!(itself.against.as_ref().map(|other| &other.sha256), Some(&itself.model.sha256));
    assert!(thresholds::judge(&requirements, &itself, None).iter().all(|verdict| verdict.holds));
    assert_eq!(itself.criteria, compared.criteria);
}

#[test]
fn the_other_model_s_trouble_says_whose_it_is() {
    let plan = Plan::new(vec![against(declared(NEW, &["accuracy >= against"]), "fixtures/bad/none.pt")]);
    let error = plan.measure(0).unwrap_err();
    assert!(error.what().starts_with("comparing with the model `fixtures/bad/none.pt`: "), "{error}");
}

/// Another network for the same pictures: two linear layers that nobody trained.
#[cleanai::model]
fn untrained(device: Device) -> cleanai::Result<Model> {
    tch::manual_seed(5);
    let store = nn::VarStore::new(device);
    let hidden = nn::linear(store.root() / "hidden", 28 * 28, 20, Default::default());
    let head = nn::linear(store.root() / "head", 20, 10, Default::default());
    let example = Tensor::zeros([2, 1, 28, 28], (Kind::Float, device));
    Model::from_module(&store, |x| head.forward(&hidden.forward(&x.flatten(1, -1)).relu()), &example)
}

#[test]
fn networks_with_other_layers_and_neurons_are_compared_by_their_figures() {
    let texts = ["accuracy >= against + 0.5", "nc(threshold=0.25) >= 0", "nc(threshold=0.25).uncovered <= against"];
    let new = declared(NEW, &texts);
    let old = ModelChoice {
        source: ModelSource::Function("untrained".to_owned()),
        ..ModelChoice::file("untrained", "", DeviceChoice::Cpu)
    };
    let alone = Declaration { model: old.clone(), ..declared(NEW, &["accuracy >= 0", "nc(threshold=0.25) >= 0"]) };
    let plan = Plan::new(vec![Declaration { against: Some(old), ..new.clone() }, alone]);
    let (compared, alone) = (plan.measure(0).unwrap(), plan.measure(1).unwrap());
    assert_ne!(compared.model.layers.len(), alone.model.layers.len());
    let other = compared.against.as_ref().expect("another model");
    let accuracy = alone.criteria["accuracy"].value.expect("labels");
    assert_eq!(other.figures["accuracy"], Some(accuracy));
    let neurons = &alone.criteria["nc(threshold=0.25)"];
    let uncovered = neurons.total.expect("neurons") - neurons.covered.expect("neurons");
    let verdicts = thresholds::judge(&new.requirements, &compared, None);
    assert!(accuracy < 0.4 && verdicts[0].holds, "an untrained network knows {accuracy} of the digits");
    assert_eq!(verdicts[0].bound, Some(accuracy + 0.5));
    assert_eq!(verdicts[2].bound, Some(uncovered as f64));
    assert_eq!(verdicts[2].holds, verdicts[2].observed.expect("a figure") <= uncovered as f64);
}
