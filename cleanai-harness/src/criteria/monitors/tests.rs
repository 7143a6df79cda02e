//! The monitors through the registry: by hand, in any batches, merged, saved, and what they refuse.

use std::sync::Arc;

use proptest::prelude::*;

use crate::criteria::{BatchEnd, Figures, LayerBatch, LayerProfile, LayerTraces, Start, State, TraceInputs, registry};
use crate::model::LayerInfo;

const MONITORS: &[&str] = &["src", "mrc(q=3)", "topk(k=2)", "knn", "knn(k=2)", "src_in_range"];

/// Inputs of two layers, three neurons and one; two classes.
#[derive(Debug, Clone)]
struct Set {
    rows: Vec<[f32; 4]>,
    /// Logits of class 1; those of class 0 are 0.
    logits: Vec<f64>,
    labels: Option<Vec<i64>>,
}

impl Set {
    fn logits(&self) -> Vec<f64> {
        self.logits.iter().flat_map(|logit| [0.0, *logit]).collect()
    }

    fn traces(&self) -> [LayerTraces; 2] {
        let mut inputs = TraceInputs::default();
        inputs.push(2, &self.logits(), self.labels.as_deref());
        let inputs = Arc::new(inputs);
        let rows = |from: usize, to: usize| -> Arc<Vec<f32>> {
            Arc::new(self.rows.iter().flat_map(|row| row[from..to].to_vec()).collect())
        };
        [LayerTraces::new(rows(0, 3), 3, Arc::clone(&inputs)), LayerTraces::new(rows(3, 4), 1, inputs)]
    }
}

fn profiles(profile: &Set, untrusted: Option<&Set>) -> Vec<LayerProfile> {
    let untrusted = untrusted.map_or([None, None], |set| set.traces().map(Some));
    let both = profile.traces().into_iter().zip(untrusted);
    both.map(|(traces, untrusted)| LayerProfile { traces: Some(traces), untrusted, ..LayerProfile::default() })
        .collect()
}

fn layers() -> [LayerInfo; 2] {
    [("conv", 3), ("fc", 1)].map(|(name, width)| LayerInfo {
        name: name.into(),
        class: "ReLU".into(),
        operator: "relu".into(),
        shape: vec![width],
        channel_axis: 0,
    })
}

fn with<T>(
    text: &str,
    profile: &[LayerProfile],
    work: impl FnOnce(&dyn crate::criteria::Criterion, Start<'_>) -> T,
) -> T {
    let criterion = registry::criterion(&text.parse().unwrap()).unwrap();
    work(criterion.as_ref(), Start { layers: &layers(), neurons: &[3, 1], profile: Some(profile) })
}

fn start(text: &str, profile: &[LayerProfile]) -> Box<dyn State> {
    with(text, profile, |criterion, start| criterion.start(start).unwrap())
}

fn feed(state: &mut dyn State, set: &Set, from: usize, to: usize, units: bool) {
    for (layer, (first, last)) in [(0, 3), (3, 4)].into_iter().enumerate() {
        let values: Vec<f32> = set.rows[from..to].iter().flat_map(|row| row[first..last].to_vec()).collect();
        let batch = match units {
            true => LayerBatch::units(to - from, values),
            // Means in f64 are compared as f32, as traces are kept.
            false => {
                LayerBatch::channels(to - from, values.iter().map(|value| f64::from(*value) * (1.0 + 1e-12)).collect())
            }
        };
        state.observe(batch.values(layer, from));
    }
    let (logits, labels) = (set.logits(), set.labels.as_ref().map(|labels| &labels[from..to]));
    let logits = &logits[2 * from..2 * to];
    state.end_batch(BatchEnd { first: from, inputs: to - from, classes: 2, logits, labels }).unwrap();
}

fn figures(text: &str, profile: &[LayerProfile], set: &Set) -> Figures {
    let mut state = start(text, profile);
    feed(state.as_mut(), set, 0, set.rows.len(), true);
    state.figures()
}

fn set(rows: &[[f32; 4]], logits: &[f64], labels: Option<&[i64]>) -> Set {
    Set { rows: rows.to_vec(), logits: logits.to_vec(), labels: labels.map(<[i64]>::to_vec) }
}

#[test]
fn src_by_hand() {
    // Class 1: neurons 0..=1, 0..=2, constant 5, 1..=3. Of class 0 one input is right but unsure, of class 1 one is wrong.
    let rows = [[0.0, 0.0, 5.0, 1.0], [1.0, 2.0, 5.0, 3.0], [0.0, 2.0, 5.0, 1.0], [9.0; 4], [-9.0; 4]];
    let profile = set(&rows, &[9.0, 9.0, 9.0, -1.0, 9.0], Some(&[1, 1, 1, 0, 0]));
    let test = set(
        &[[0.5, 1.0, 5.0, 2.0], [0.5, 3.0, 5.0, 2.0], [7.0, 7.0, 7.0, 7.0], [0.0, 0.0, 5.0, 1.0]],
        &[4.0, 4.0, 4.0, -4.0],
        Some(&[1, 1, 0, 0]),
    );
    let untrusted = set(&[[0.5, 3.0, 4.0, 2.0], [7.0, 7.0, 7.0, 7.0]], &[1.0, 1.0], None);
    let found = figures("src", &profiles(&profile, Some(&untrusted)), &test);
    // Left out: 1 (0.0 in neuron 1 alone), 2 (1.0 and 3.0), 0; of the untrusted ones 2 and 4 are outside. J is largest at 2 with 1/2,
    // less than at 1 with 1 - 1/3.
    let column = |name: &str| found.per_input.columns.iter().find(|(own, _)| own == name).unwrap().1.clone();
    assert_eq!(column("eta"), [0.0, 1.0, 4.0, 4.0]);
    assert_eq!(column("class"), [1.0, 1.0, 1.0, 0.0]);
    assert_eq!(column("accepted"), [1.0, 1.0, 0.0, 0.0]);
    assert_eq!(column("confidence"), [1.0, 0.5, (-4.0 * std::f64::consts::LN_2).exp(), 0.0]);
    assert_eq!((found.value, found.covered, found.total), (Some(0.5), Some(2), Some(4)));
    let detail = |name: &str| found.details[name].as_f64().unwrap();
    assert_eq!(detail("acceptance_rate"), 0.5);
    assert_eq!((detail("trusted_inputs"), detail("untrusted_inputs")), (3.0, 2.0));
    assert_eq!((detail("trusted_acceptance_rate"), detail("false_alarm_rate")), (2.0 / 3.0, 1.0 / 3.0));
    assert_eq!(detail("untrusted_acceptance_rate"), 0.0);
    // Untrusted etas 2 and 4 against 0, 1, 4, 4: 2 of 4 pairs and 2 + 1 of 4.
    assert_eq!(detail("auroc"), 5.0 / 8.0);
    assert_eq!(detail("tpr_at_5_fpr"), 0.0);
    assert_eq!((detail("accuracy"), detail("accuracy_accepted")), (0.75, 1.0));
    assert_eq!(detail("in_range"), 7.0 / 16.0);
    assert_eq!((detail("in_range_trusted"), detail("in_range_untrusted")), (9.0 / 12.0, 2.0 / 8.0));
    assert_eq!(
        found.details["monitor"],
        serde_json::json!({
            "classes": [
                { "class": 0, "trusted": 0, "tau": null, "inputs": 1 },
                { "class": 1, "trusted": 3, "tau": 1.0, "inputs": 3 },
            ],
            "layers": [
                { "layer": "conv", "in_range": 5.0 / 12.0, "in_range_trusted": 7.0 / 9.0, "in_range_untrusted": 1.0 / 6.0 },
                { "layer": "fc", "in_range": 0.5, "in_range_trusted": 2.0 / 3.0, "in_range_untrusted": 0.5 },
            ],
        })
    );
    let shares = figures("src_in_range", &profiles(&profile, None), &test);
    assert_eq!((shares.value, shares.covered, shares.total), (Some(7.0 / 16.0), Some(7), Some(16)));
    let names: Vec<_> = shares.layers.iter().map(|layer| (layer.name.as_str(), layer.covered, layer.total)).collect();
    assert_eq!(names, [("conv", Some(5), Some(12)), ("fc", Some(2), Some(4))]);
    assert!(shares.per_input.inputs.is_empty() && !shares.details.contains_key("in_range_untrusted"));
}

#[test]
fn others_have_no_ranges_and_name_no_labels_they_have_not() {
    let profile = set(&[[0.0; 4], [1.0; 4], [2.0; 4]], &[9.0; 3], Some(&[1, 1, 1]));
    let test = set(&[[0.5; 4]], &[9.0], None);
    for text in ["mrc", "topk", "knn"] {
        let found = figures(text, &profiles(&profile, None), &test);
        assert_eq!(found.value, Some(1.0), "{text}");
        for absent in ["in_range", "in_range_trusted", "auroc", "untrusted_inputs", "accuracy", "accuracy_accepted"] {
            assert!(!found.details.contains_key(absent), "{text} {absent}");
        }
        assert!(found.details["monitor"].get("layers").is_none());
    }
}

#[test]
fn no_input_is_nothing_to_accept() {
    let profile = profiles(&set(&[[0.0; 4], [1.0; 4]], &[9.0; 2], Some(&[1, 1])), None);
    for text in MONITORS {
        let found = start(text, &profile).figures();
        assert_eq!((found.value, found.total), (None, Some(0)), "{text}");
    }
}

#[test]
fn what_cannot_be_a_monitor_is_refused() {
    let refused = |text: &str, profile: &[LayerProfile]| {
        with(text, profile, |criterion, start| criterion.start(start).err().expect("refused").to_string())
    };
    let unsure = profiles(&set(&[[0.0; 4]], &[1.0], Some(&[1])), None);
    assert_eq!(
        refused("knn(k=2)", &unsure),
        "knn(k=2): none of the 1 profile inputs is trusted: the model predicts none as its label with a softmax of at least 0.9\n  \
         help: look whether the labels are numbered as the model's outputs are, and whether the transform is the one of the training"
    );
    let unlabelled = profiles(&set(&[[0.0; 4]], &[9.0], None), None);
    assert_eq!(
        refused("src", &unlabelled),
        "src: the profile inputs have no labels, so none of them can be trusted\n  \
         help: put images into one folder per class, or give an array `y` (npz) or a labels file (idx)"
    );
    assert_eq!(
        refused("src", &[LayerProfile::default(), LayerProfile::default()]),
        "src: it needs the activation traces of a profile set\n  \
         help: name the inputs that the model was trained with as `profile` of the data"
    );
    let wrong = |text: &str| registry::criterion(&text.parse().unwrap()).err().expect(text).to_string();
    assert_eq!(
        wrong("src(untrusted=\" \")").lines().next(),
        Some(
            "parameter `untrusted` of `src` must be a path in quotes to an image folder, .npz, .npy or idx file, not \" \""
        )
    );
    assert!(wrong("mrc(q=0)").contains("a whole number from 1 to 100000"), "{}", wrong("mrc(q=0)"));
    let named = registry::criterion(&"src(untrusted=\"data/noise\")".parse().unwrap()).unwrap();
    assert_eq!(named.untrusted(), Some("data/noise"));
    assert!(named.needs().untrusted && named.needs().traces && named.needs().logits);
}

#[test]
fn states_of_other_signatures_do_not_merge() {
    let one = profiles(&set(&[[0.0; 4], [1.0; 4]], &[9.0; 2], Some(&[1, 1])), None);
    let other = profiles(&set(&[[0.0; 4], [2.0; 4]], &[9.0; 2], Some(&[1, 1])), None);
    let error = start("src", &one).merge(start("src", &other)).unwrap_err();
    assert_eq!(error.what(), "a state of `src` cannot take in a state with the signatures of another profile");
    assert!(start("src", &one).merge(start("src", &one)).is_ok());
    assert!(start("mrc(q=3)", &one).merge(start("mrc(q=4)", &one)).is_err());
    assert!(start("src", &one).merge(start("knn", &one)).is_err());
}

fn any_set(labelled: bool) -> impl Strategy<Value = Set> {
    let value = || prop_oneof![Just(0.0f32), Just(1.0), -1.0f32..2.0];
    let input = ([value(), value(), value(), value()], prop_oneof![Just(9.0f64), Just(-9.0), -3.0..3.0], 0i64..2);
    prop::collection::vec(input, 1..25).prop_map(move |inputs| Set {
        rows: inputs.iter().map(|(row, ..)| *row).collect(),
        logits: inputs.iter().map(|(_, logit, _)| *logit).collect(),
        labels: labelled.then(|| inputs.iter().map(|(.., label)| *label).collect()),
    })
}

proptest! {
    #[test]
    fn any_batches_give_the_same(
        profile in any_set(true), untrusted in any_set(false), test in any_set(true),
        with_untrusted: bool, cut in 0usize..25, text in prop::sample::select(MONITORS),
    ) {
        let mut profile = profile;
        // One of each class is trusted.
        profile.rows.extend([[0.5; 4], [0.25; 4]]);
        profile.logits.extend([9.0, -9.0]);
        profile.labels.as_mut().unwrap().extend([1, 0]);
        let profiles = profiles(&profile, with_untrusted.then_some(&untrusted));
        let count = test.rows.len();
        let cut = cut.min(count);
        let mut whole = start(text, &profiles);
        feed(whole.as_mut(), &test, 0, count, true);
        let expected = whole.save().unwrap();
        // One by one.
        let mut single = start(text, &profiles);
        (0..count).for_each(|at| feed(single.as_mut(), &test, at, at + 1, true));
        prop_assert_eq!(&single.save().unwrap(), &expected);
        // In two parts, channels in place of units, one of them saved meanwhile.
        let (mut first, mut second) = (start(text, &profiles), start(text, &profiles));
        feed(first.as_mut(), &test, 0, cut, false);
        feed(second.as_mut(), &test, cut, count, true);
        let saved = first.save().unwrap();
        let mut merged = with(text, &profiles, |criterion, start| criterion.restore(start, &saved).unwrap());
        merged.merge(second).unwrap();
        prop_assert_eq!(&merged.save().unwrap(), &expected);
        prop_assert_eq!(merged.figures(), whole.figures());
        // What is damaged is refused or is another state, never a panic.
        for at in 0..saved.len() {
            let damaged = &saved[..at];
            prop_assert!(with(text, &profiles, |criterion, start| criterion.restore(start, damaged).is_err()));
        }
        // The profile's own inputs are accepted as often as their left-out etas, or more often.
        let own = figures(text, &profiles, &profile);
        if let Some(trusted) = own.details.get("trusted_acceptance_rate") {
            prop_assert!((0.0..=1.0).contains(&trusted.as_f64().unwrap()));
        }
    }
}
