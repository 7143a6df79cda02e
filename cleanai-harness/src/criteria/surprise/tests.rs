//! Against plain definitions, and the laws of states.

use std::sync::Arc;

use proptest::prelude::*;

use super::nearest::squared_distance;
use crate::criteria::{BatchEnd, Figures, LayerBatch, LayerProfile, LayerTraces, Start, State, TraceInputs, registry};
use crate::model::LayerInfo;

/// Inputs with their traces, of one layer or several, and classes.
#[derive(Debug, Clone)]
struct Set {
    widths: Vec<usize>,
    rows: Vec<Vec<f32>>,
    classes: Vec<u32>,
}

impl Set {
    /// One neuron.
    fn line(values: &[(f32, u32)]) -> Self {
        let (rows, classes) = values.iter().map(|(value, class)| (vec![*value], *class)).unzip();
        Self { widths: vec![1], rows, classes }
    }

    fn layers(&self) -> Vec<LayerInfo> {
        let layer = |(at, width): (usize, &usize)| LayerInfo {
            name: format!("layer{at}"),
            class: "Linear".into(),
            operator: "linear".into(),
            shape: vec![*width],
            channel_axis: 0,
        };
        self.widths.iter().enumerate().map(layer).collect()
    }

    fn logits(&self, from: usize, to: usize) -> Vec<f64> {
        let one_hot = |class: &u32| (0..10).map(|at| f64::from(u8::from(at == *class))).collect::<Vec<_>>();
        self.classes[from..to].iter().flat_map(one_hot).collect()
    }

    /// The rows of one layer.
    fn layer_rows(&self, layer: usize, from: usize, to: usize) -> Vec<f32> {
        let start: usize = self.widths[..layer].iter().sum();
        self.rows[from..to].iter().flat_map(|row| row[start..start + self.widths[layer]].to_vec()).collect()
    }

    fn profile(&self) -> Vec<LayerProfile> {
        let mut inputs = TraceInputs::default();
        inputs.push(10, &self.logits(0, self.rows.len()), None);
        let inputs = Arc::new(inputs);
        let layer = |layer: usize| {
            let rows = self.layer_rows(layer, 0, self.rows.len());
            let traces = LayerTraces::new(Arc::new(rows), self.widths[layer], Arc::clone(&inputs));
            LayerProfile { traces: Some(traces), ..LayerProfile::default() }
        };
        (0..self.widths.len()).map(layer).collect()
    }

    fn feed(&self, state: &mut dyn State, from: usize, to: usize) {
        for layer in 0..self.widths.len() {
            let values = self.layer_rows(layer, from, to).into_iter().map(f64::from).collect();
            state.observe(LayerBatch::channels(to - from, values).values(layer, from));
        }
        // Labels are the classes but for every seventh.
        let labels: Vec<i64> = (from..to).map(|at| i64::from(self.classes[at] + u32::from(at % 7 == 0))).collect();
        let logits = self.logits(from, to);
        let end = BatchEnd { first: from, inputs: to - from, classes: 10, logits: &logits, labels: Some(&labels) };
        state.end_batch(end).unwrap();
    }
}

fn begin(text: &str, profile: &Set) -> crate::Result<Box<dyn State>> {
    let (layers, traces) = (profile.layers(), profile.profile());
    let start = Start { layers: &layers, neurons: &profile.widths, profile: Some(&traces) };
    registry::criterion(&text.parse().unwrap())?.start(start)
}

fn restored(text: &str, profile: &Set, saved: &[u8]) -> crate::Result<Box<dyn State>> {
    let (layers, traces) = (profile.layers(), profile.profile());
    let start = Start { layers: &layers, neurons: &profile.widths, profile: Some(&traces) };
    registry::criterion(&text.parse().unwrap())?.restore(start, saved)
}

fn figures(text: &str, profile: &Set, test: &Set) -> Figures {
    let mut state = begin(text, profile).unwrap();
    test.feed(state.as_mut(), 0, test.rows.len());
    state.figures()
}

fn scores(text: &str, profile: &Set, test: &Set) -> Vec<f64> {
    figures(text, profile, test).per_input.columns[0].1.clone()
}

fn refusal(text: &str, profile: &Set) -> String {
    begin(text, profile).err().expect("refused").to_string()
}

/// Numbers that scatter around 0, a few hundred standard deviations of nothing.
fn scattered(count: usize, mut seed: u64) -> Vec<f32> {
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as f32 / (1u32 << 30) as f32 - 1.0
    };
    (0..count).map(|_| next() + next() + next()).collect()
}

/// Classes in turn, each around a place of its own.
fn clusters(inputs: usize, widths: &[usize], classes: u32, seed: u64) -> Set {
    let width: usize = widths.iter().sum();
    let values = scattered(inputs * width, seed);
    let classes: Vec<u32> = (0..inputs).map(|at| (at as u32 * 7 + at as u32 / 13) % classes).collect();
    let place = |class: u32, neuron: usize| f32::from(u8::from(neuron % 5 == class as usize)) * 1.5;
    let row = |at: usize| {
        let own = &values[at * width..(at + 1) * width];
        own.iter().enumerate().map(|(neuron, value)| value + place(classes[at], neuron)).collect()
    };
    Set { widths: widths.to_vec(), rows: (0..inputs).map(row).collect(), classes }
}

fn plain_distance(one: &[f32], other: &[f32]) -> f64 {
    let square = |(one, other): (&f32, &f32)| (f64::from(*one) - f64::from(*other)).powi(2);
    one.iter().zip(other).map(square).sum::<f64>().sqrt()
}

/// The definition, input by input. Distances are added up as the criterion does, so that near ties fall the same way.
fn plain_dsa(profile: &Set, test: &Set) -> Vec<f64> {
    let nearest = |row: &[f32], wanted: &dyn Fn(u32) -> bool| {
        let of_class = (0..profile.rows.len()).filter(|at| wanted(profile.classes[*at]));
        let distances = of_class.map(|at| (squared_distance(row, &profile.rows[at]), at));
        distances.min_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)))
    };
    let score = |(row, class): (&Vec<f32>, &u32)| {
        let Some((a, t)) = nearest(row, &|own| own == *class) else { return f64::NAN };
        let b = nearest(&profile.rows[t], &|own| own != *class).expect("another class").0;
        match (a, b) {
            (0.0, _) => 0.0,
            (_, 0.0) => f64::INFINITY,
            (a, b) => a.sqrt() / b.sqrt(),
        }
    };
    test.rows.iter().zip(&test.classes).map(score).collect()
}

fn same(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(found == expected || (found.is_nan() && expected.is_nan()), "{at}: {found}, not {expected}");
    }
}

fn close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() <= tolerance * expected.abs().max(1.0), "{at}: {found}, not {expected}");
    }
}

#[test]
fn distances_by_hand() {
    let profile = Set::line(&[(0.0, 0), (1.0, 0), (10.0, 1), (14.0, 1)]);
    let test = Set::line(&[(3.0, 0), (10.0, 1), (5.0, 7)]);
    let found = figures("dsa", &profile, &test);
    // 3 of class 0: nearest is 1, 2 away; from 1 the nearest of another class is 10.
    same(&found.per_input.columns[0].1, &[2.0 / 9.0, 0.0, f64::NAN]);
    assert_eq!(found.per_input.columns[0].0, "dsa");
    assert_eq!(found.per_input.columns[1], ("class".to_owned(), vec![0.0, 1.0, 7.0]));
    assert_eq!(found.value, Some(1.0 / 9.0));
    assert_eq!((found.covered, found.total), (None, None));
    assert_eq!(found.details["unknown_class"], 1);
    let classes = &found.details["predicted_classes"];
    assert_eq!(classes["0"], serde_json::json!({ "inputs": 1, "profile_inputs": 2, "mean": 2.0 / 9.0 }));
    assert_eq!(classes["7"], serde_json::json!({ "inputs": 1, "profile_inputs": 0, "mean": null }));
    // Labels are the classes but for the first input's, which is one more.
    assert_eq!((found.classes[&1].inputs, found.classes[&1].value), (2, Some(1.0 / 9.0)));
    assert_eq!((found.classes[&7].inputs, found.classes[&7].value), (1, None));
    assert_eq!(found.layers[0].value, found.value);
}

#[test]
fn nothing_over_nothing_is_nothing_and_something_over_nothing_is_outside() {
    let profile = Set::line(&[(0.0, 0), (0.0, 1), (5.0, 1)]);
    let test = Set::line(&[(0.0, 0), (2.0, 0), (4.0, 1)]);
    same(&scores("dsa", &profile, &test), &[0.0, f64::INFINITY, 1.0 / 5.0]);
    let found = figures("dsa", &profile, &test);
    assert_eq!((found.value, &found.details["infinite"]), (Some(0.1), &1.into()));
    let found = figures("dsc", &profile, &test);
    assert_eq!((found.covered, found.total), (Some(1), Some(1000)));
    assert_eq!((&found.details["outside_below"], &found.details["outside_above"]), (&1.into(), &1.into()));
    assert_eq!(found.details["mean_dsa"], 0.1);
    assert_eq!(found.contributions.iter().map(|own| (own.input, own.covered)).collect::<Vec<_>>(), [(2, 1)]);
    assert_eq!(found.details["predicted_classes"]["1"]["covered"], 1);
    assert_eq!(
        figures("dsc(n=4, lower=-1, upper=3)", &profile, &test).covered,
        Some(2),
        "0 and 0.2 lie in two buckets"
    );
}

#[test]
fn ties_go_to_the_earliest() {
    // Both of class 0 are 1 away from 0; the first is 2 from class 1, the second 8.
    let profile = Set::line(&[(1.0, 0), (-1.0, 0), (3.0, 1), (-9.0, 1)]);
    same(&scores("dsa", &profile, &Set::line(&[(0.0, 0)])), &[1.0 / 2.0]);
    let other = Set::line(&[(-1.0, 0), (1.0, 0), (3.0, 1), (-9.0, 1)]);
    same(&scores("dsa", &other, &Set::line(&[(0.0, 0)])), &[1.0 / 4.0]);
}

#[test]
fn inputs_of_the_profile_are_no_surprise() {
    let profile = clusters(300, &[12], 3, 1);
    assert!(scores("dsa", &profile, &profile).iter().all(|score| *score == 0.0));
    // So is their mean of f64, which the profile keeps in f32.
    let mut state = begin("dsa", &profile).unwrap();
    let row: Vec<f64> = profile.rows[0].iter().map(|value| f64::from(*value) * (1.0 + 1e-12)).collect();
    state.observe(LayerBatch::channels(1, row).values(0, 0));
    let logits = profile.logits(0, 1);
    state.end_batch(BatchEnd { first: 0, inputs: 1, classes: 10, logits: &logits, labels: None }).unwrap();
    assert_eq!(state.figures().value, Some(0.0));
}

fn small() -> impl Strategy<Value = (Set, Set)> {
    let value = prop_oneof![3 => (-2i32..=2).prop_map(|value| value as f32), 2 => -2f32..2.0];
    let scale = prop_oneof![4 => Just((1.0f32, 0.0f32)), 1 => Just((1e-25, 0.0)), 1 => Just((1e18, 0.0)), 1 => Just((1e-3, 1e4)), 1 => Just((1e30, -3e30))];
    (1usize..20, 2usize..60, 1usize..20, scale).prop_flat_map(move |(width, profile, test, (scale, offset))| {
        let set = |count: usize| {
            let rows = proptest::collection::vec(proptest::collection::vec(value.clone(), width), count);
            (rows, proptest::collection::vec(0u32..3, count)).prop_map(move |(mut rows, classes)| {
                rows.iter_mut().flatten().for_each(|value| *value = *value * scale + offset);
                Set { widths: vec![width], rows, classes }
            })
        };
        (set(profile), set(test)).prop_map(|(mut profile, test)| {
            (profile.classes[0], profile.classes[1]) = (0, 1);
            (profile, test)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn distances_are_those_of_plain_comparison((profile, test) in small()) {
        same(&scores("dsa", &profile, &test), &plain_dsa(&profile, &test));
    }

    #[test]
    fn damaged_states_do_no_harm(
        (profile, test) in small(),
        text in proptest::sample::select(&["dsa", "dsc(n=5)"][..]),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
        end in any::<Option<proptest::sample::Index>>(),
    ) {
        let mut state = begin(text, &profile).unwrap();
        test.feed(state.as_mut(), 0, test.rows.len());
        let mut saved = state.save().unwrap();
        for (at, byte) in damage {
            let at = at.index(saved.len());
            saved[at] ^= byte;
        }
        saved.truncate(end.map_or(saved.len(), |end| end.index(saved.len() + 1)));
        if let Ok(mut other) = restored(text, &profile, &saved) {
            let _ = other.figures();
            let _ = other.merge(state);
            let _ = other.figures();
        }
    }
}

#[test]
fn distances_of_many_are_those_of_plain_comparison() {
    // More than a block of test inputs and several of candidates, many of them the same.
    let profile = clusters(3000, &[7, 4], 3, 2);
    let mut test = clusters(1500, &[7, 4], 3, 3);
    same(&scores("dsa", &profile, &test), &plain_dsa(&profile, &test));
    let mut constant = profile.clone();
    constant.rows.iter_mut().skip(40).for_each(|row| row.fill(0.25));
    test.rows.truncate(40);
    test.classes.truncate(40);
    same(&scores("dsa", &constant, &test), &plain_dsa(&constant, &test));
    // Far from all others, where products in f32 tell nothing.
    test.rows[3].fill(1e30);
    test.rows[4].fill(f32::MAX);
    test.rows[5].fill(-1e12);
    same(&scores("dsa", &profile, &test), &plain_dsa(&profile, &test));
}

/// The mean, the covariance and its inverse, by Gauss and Jordan.
fn moments(rows: &[&Vec<f32>], divisor: f64) -> (Vec<f64>, Vec<Vec<f64>>, f64) {
    let (count, width) = (rows.len() as f64, rows[0].len());
    let mean: Vec<f64> = (0..width).map(|at| rows.iter().map(|row| f64::from(row[at])).sum::<f64>() / count).collect();
    let difference = |row: &Vec<f32>, at: usize| f64::from(row[at]) - mean[at];
    let entry = |one: usize, other: usize| {
        rows.iter().map(|row| difference(row, one) * difference(row, other)).sum::<f64>() / divisor
    };
    let mut matrix: Vec<Vec<f64>> = (0..width)
        .map(|one| {
            let identity = (0..width).map(|at| f64::from(u8::from(at == one)));
            (0..width).map(|other| entry(one, other)).chain(identity).collect()
        })
        .collect();
    let mut determinant = 1.0;
    for at in 0..width {
        let pivot = matrix[at][at];
        determinant *= pivot;
        matrix[at].iter_mut().for_each(|value| *value /= pivot);
        for other in (0..width).filter(|other| *other != at) {
            let factor = matrix[other][at];
            let line = matrix[at].clone();
            matrix[other].iter_mut().zip(line).for_each(|(value, own)| *value -= factor * own);
        }
    }
    (mean, matrix.into_iter().map(|row| row[width..].to_vec()).collect(), determinant)
}

/// `v' S^-1 v`.
fn square_form(inverse: &[Vec<f64>], difference: &[f64]) -> f64 {
    let of_row =
        |(row, own): (&Vec<f64>, &f64)| own * row.iter().zip(difference).map(|(one, other)| one * other).sum::<f64>();
    inverse.iter().zip(difference).map(of_row).sum()
}

fn of_class(set: &Set, class: u32) -> Vec<&Vec<f32>> {
    set.rows.iter().zip(&set.classes).filter(|(_, own)| **own == class).map(|(row, _)| row).collect()
}

/// The definition; `own` leaves the input's own kernel out.
fn plain_lsa(profile: &Set, test: &Set, own: bool) -> Vec<f64> {
    let score = |(row, class): (&Vec<f32>, &u32)| {
        let rows = of_class(profile, *class);
        let (count, width) = (rows.len() as f64, row.len() as f64);
        let (_, inverse, determinant) = moments(&rows, count - 1.0);
        let factor = count.powf(-1.0 / (width + 4.0));
        let kernels = rows.iter().filter(|other| !own || !std::ptr::eq(**other, row) && **other != row);
        let density: f64 = kernels
            .map(|other| {
                let difference: Vec<f64> =
                    row.iter().zip(*other).map(|(one, other)| f64::from(*one) - f64::from(*other)).collect();
                (-0.5 * square_form(&inverse, &difference) / (factor * factor)).exp()
            })
            .sum();
        let norm = (std::f64::consts::TAU.powf(width) * determinant * factor.powf(2.0 * width)).sqrt();
        -(density / (count - f64::from(u8::from(own))) / norm).ln()
    };
    test.rows.iter().zip(&test.classes).map(score).collect()
}

fn plain_mdsa(profile: &Set, test: &Set) -> Vec<f64> {
    let score = |(row, class): (&Vec<f32>, &u32)| {
        let rows = of_class(profile, *class);
        let (mean, inverse, _) = moments(&rows, rows.len() as f64);
        let difference: Vec<f64> = row.iter().zip(&mean).map(|(value, mean)| f64::from(*value) - mean).collect();
        square_form(&inverse, &difference).sqrt()
    };
    test.rows.iter().zip(&test.classes).map(score).collect()
}

#[test]
fn likelihoods_and_mahalanobis_distances_are_those_of_the_definition() {
    let (profile, test) = (clusters(240, &[3, 2], 3, 4), clusters(90, &[3, 2], 3, 5));
    close(&scores("lsa", &profile, &test), &plain_lsa(&profile, &test, false), 1e-11);
    close(&scores("mdsa", &profile, &test), &plain_mdsa(&profile, &test), 1e-12);
    let mean = |scores: &[f64]| scores.iter().sum::<f64>() / scores.len() as f64;
    let found = figures("mdsa", &profile, &test);
    close(&[found.value.unwrap()], &[mean(&plain_mdsa(&profile, &test))], 1e-12);
    assert!(found.layers.is_empty(), "the figure is that of both layers together");
    assert_eq!(found.details["predicted_classes"]["2"]["shrinkage"], 0.0);
}

#[test]
fn bounds_come_from_the_profile_without_its_own_kernels() {
    let (profile, test) = (clusters(240, &[4], 3, 6), clusters(90, &[4], 3, 7));
    let expected = super::bounds_of(plain_lsa(&profile, &profile, true));
    let found = figures("lsc", &profile, &test);
    let bounds = |found: &Figures| [found.details["lower"].as_f64().unwrap(), found.details["upper"].as_f64().unwrap()];
    close(&bounds(&found), &[expected.0, expected.1], 1e-10);
    assert!(found.covered.unwrap() > 50, "{found:?}");
    let all = found.covered.unwrap() as f64 / 1000.0;
    assert_eq!(found.value, Some(all));
    let expected = super::bounds_of(plain_mdsa(&profile, &profile));
    let found = figures("mdsc(n=10)", &profile, &test);
    close(&bounds(&found), &[expected.0, expected.1], 1e-12);
    let given = figures("mdsc(n=10, upper=1000)", &profile, &test);
    close(&bounds(&given), &[expected.0, 1000.0], 1e-12);
    assert!(found.covered > given.covered);
    let sum: u64 = found.contributions.iter().map(|own| own.covered).sum();
    assert_eq!(found.covered, Some(sum));
}

#[test]
fn neurons_that_hardly_vary_are_dropped() {
    let (mut profile, mut test) = (clusters(240, &[3, 2], 3, 8), clusters(60, &[3, 2], 3, 9));
    let (narrow, rest) = (
        |set: &Set| {
            let mut set = set.clone();
            set.widths = vec![4];
            set.rows.iter_mut().for_each(|row| {
                row.remove(1);
            });
            set
        },
        1e-3,
    );
    let expected = scores("lsa", &narrow(&profile), &narrow(&test));
    for set in [&mut profile, &mut test] {
        // Of class 1 only; the others vary there.
        for (row, class) in set.rows.iter_mut().zip(&set.classes) {
            row[1] = if *class == 1 { row[1] * rest } else { row[1] };
        }
    }
    let found = figures("lsa", &profile, &test);
    same(&found.per_input.columns[0].1, &expected);
    assert_eq!(found.details["dropped_neurons"], serde_json::json!({ "layer0": 1, "layer1": 0 }));
    profile.rows.iter_mut().for_each(|row| row.fill(0.5));
    assert_eq!(
        refusal("lsa", &profile),
        "`lsa`: every neuron of layers layer0, layer1 has a variance below 0.00001 in some class\n  \
         help: look at another layer, give more profile inputs, or measure `dsa` or `mdsa`"
    );
}

#[test]
fn singular_covariances_are_refused_or_shrunk() {
    let (mut profile, mut test) = (clusters(60, &[4], 2, 10), clusters(30, &[4], 2, 11));
    for set in [&mut profile, &mut test] {
        set.rows.iter_mut().for_each(|row| row[3] = 2.0 * row[0]);
    }
    assert_eq!(
        refusal("lsa", &profile),
        "`lsa`: the covariance of class 0 is singular (32 profile inputs, 4 neurons of layer layer0)\n  \
         help: give more profile inputs, look at fewer neurons, or shrink it: `on_singular = \"shrink\"`"
    );
    let found = figures("lsa(on_singular=\"shrink\")", &profile, &test);
    assert!(found.value.unwrap().is_finite());
    let shrinkage = found.details["predicted_classes"]["0"]["shrinkage"].as_f64().unwrap();
    assert!((1e-12..1e-8).contains(&shrinkage), "{shrinkage}");
    let found = figures("mdsa", &profile, &test);
    assert!(found.value.unwrap().is_finite() && found.value.unwrap() < 1e3, "{found:?}");
    assert_eq!(found.details["predicted_classes"]["1"]["shrinkage"].as_f64().unwrap(), shrinkage);
    // A neuron that never changes is singular too, unless it is dropped.
    for set in [&mut profile, &mut test] {
        set.rows.iter_mut().for_each(|row| row[3] = 1.0);
    }
    assert_eq!(figures("lsa", &profile, &test).details["dropped_neurons"]["layer0"], 1);
    assert!(figures("mdsa", &profile, &test).value.unwrap().is_finite());
    // Fewer inputs than neurons.
    let few = clusters(8, &[4], 2, 12);
    assert!(
        refusal("lsc", &few).starts_with("`lsc`: the covariance of class 0 is singular (4 profile inputs, 4 neurons")
    );
    assert!(figures("lsc(on_singular=\"shrink\")", &few, &test).value.is_some());
}

#[test]
fn what_cannot_be_compared_is_one_clear_error() {
    let lonely = Set::line(&[(0.0, 0), (1.0, 0), (2.0, 4)]);
    for name in ["lsa", "mdsa", "lsc", "mdsc"] {
        assert_eq!(
            refusal(name, &lonely),
            format!(
                "`{name}` needs two profile inputs of each class, and the model predicts class 4 for one only\n  \
                 help: give more profile inputs, usually the training set, or measure `dsa`"
            )
        );
    }
    same(&scores("dsa", &lonely, &Set::line(&[(3.0, 4)])), &[1.0]);
    assert_eq!(
        refusal("dsa", &Set::line(&[(0.0, 3), (1.0, 3)])),
        "`dsa` compares classes, and the model predicts class 3 for every profile input (2)\n  \
         help: is the transform the one the model was trained with? Else give a profile set of several classes"
    );
    assert_eq!(
        refusal("mdsa", &Set::line(&[(2.0, 3), (2.0, 3)])),
        "`mdsa`: all 2 profile inputs of class 3 have the same activation trace\n  \
         help: give more profile inputs, or look at another layer"
    );
    let pair = Set::line(&[(1.0, 3), (2.0, 3)]);
    assert_eq!(
        refusal("mdsc", &pair),
        "`mdsc`: its buckets would lie above 1 and up to 1, bounds from the profile's own scores where not given: there is no room for them\n  \
         help: give a `lower` that is below `upper`"
    );
    assert_eq!(
        refusal("mdsc(lower=3, upper=2)", &pair),
        "`mdsc`: its buckets would lie above 3 and up to 2: there is no room for them\n  \
         help: give a `lower` that is below `upper`"
    );
    let nothing = Set { widths: vec![1], rows: vec![], classes: vec![] };
    assert_eq!(
        refusal("dsa", &nothing),
        "`dsa` has nothing to compare with: the profile set has no input\n  \
         help: name the training inputs as `profile` of the data"
    );
    let broken = Set::line(&[(f32::NAN, 0), (f32::INFINITY, 1)]);
    assert_eq!(
        refusal("dsa", &broken),
        "`dsa` has nothing to compare with: each of the 2 profile inputs has a value that is not finite in layer layer0\n  \
         help: look at another layer, or repair the model: its activations overflow"
    );
    let empty = Set { widths: vec![0], rows: vec![vec![]; 2], classes: vec![0, 1] };
    assert_eq!(
        refusal("dsa", &empty),
        "`dsa` has no neuron to look at\n  help: select a layer: `layer = \"penultimate\"`"
    );
    let started = |profile: Option<&[LayerProfile]>| {
        let start = Start { layers: &pair.layers(), neurons: &pair.widths, profile };
        registry::criterion(&"dsa".parse().unwrap()).unwrap().start(start).err().expect("refused").to_string()
    };
    assert_eq!(
        started(None),
        "`dsa` needs a profile set\n  \
         help: name the inputs that test inputs are compared with as `profile` of the data, usually the training set"
    );
    assert_eq!(
        started(Some(&[LayerProfile::default()])),
        "`dsa` is started without the activation traces of layer layer0\n  \
         help: start it with a profile that was made for its needs"
    );
    let wide = Set {
        widths: vec![40_000],
        rows: (0..4).map(|at| vec![at as f32; 40_000]).collect(),
        classes: vec![0, 0, 1, 1],
    };
    assert_eq!(
        refusal("mdsa", &wide),
        "`mdsa` would need 23.8 GiB of memory for the covariances of classes\n  \
         help: count channels (`neurons = \"channel\"`), take fewer layers, or measure `dsa`"
    );
}

#[test]
fn values_that_are_no_numbers_are_left_out_and_counted() {
    let (mut profile, mut test) = (clusters(200, &[3, 2], 2, 13), clusters(50, &[3, 2], 2, 14));
    for text in ["lsa", "dsa", "mdsa"] {
        let expected = scores(text, &profile, &test);
        let (whole, own) = (profile.clone(), test.clone());
        profile.rows.insert(5, vec![0.0, f32::NAN, 0.0, 0.0, 0.0]);
        profile.classes.insert(5, 1);
        test.rows[7][4] = f32::INFINITY;
        let found = figures(text, &profile, &test);
        let scores = &found.per_input.columns[0].1;
        assert!(scores[7].is_nan() && found.value.unwrap().is_finite());
        for at in (0..50).filter(|at| *at != 7) {
            // Products of matrices may differ in the last place where rows stand elsewhere; distances do not.
            let tolerance = if text == "dsa" { 0.0 } else { 1e-13 * expected[at].abs().max(1.0) };
            assert!((scores[at] - expected[at]).abs() <= tolerance, "{text} {at}");
        }
        assert_eq!(
            (&found.details["skipped_inputs"], &found.details["profile_skipped_inputs"]),
            (&1.into(), &1.into())
        );
        assert_eq!(found.details["unknown_class"], 0);
        (profile, test) = (whole, own);
    }
}

/// Splits into batches and states, saved and restored in between, on one thread or several.
#[test]
fn no_split_and_no_thread_matters() {
    let (profile, test) = (clusters(400, &[5, 3], 3, 15), clusters(2300, &[5, 3], 4, 16));
    for text in ["lsa", "dsa", "mdsa", "lsc(n=50)", "dsc(n=50)", "mdsc(n=50, upper=7)"] {
        let mut whole = begin(text, &profile).unwrap();
        test.feed(whole.as_mut(), 0, 2300);
        let (expected, bytes) = (whole.figures(), whole.save().unwrap());
        assert!(expected.details["unknown_class"].as_u64() > Some(500), "the profile has no class 3");
        // As text, in which no number equals itself.
        let expected = format!("{expected:?}");
        let cuts = [0, 1, 64, 700, 1023, 1024, 1025, 1500, 2047, 2200, 2300];
        let with = |threads: usize, order: &[usize]| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut batched = begin(text, &profile).unwrap();
                let mut parts = Vec::new();
                for cut in cuts.windows(2) {
                    test.feed(batched.as_mut(), cut[0], cut[1]);
                    batched = restored(text, &profile, &batched.save().unwrap()).unwrap();
                    let mut part = begin(text, &profile).unwrap();
                    test.feed(part.as_mut(), cut[0], cut[1]);
                    parts.push(Some(restored(text, &profile, &part.save().unwrap()).unwrap()));
                }
                assert_eq!(format!("{:?}", batched.figures()), expected, "{text}");
                assert_eq!(batched.save().unwrap(), bytes, "{text}");
                let mut merged = begin(text, &profile).unwrap();
                for at in order {
                    merged.merge(parts[*at].take().unwrap()).unwrap();
                }
                assert_eq!(format!("{:?}", merged.figures()), expected, "{text}");
                assert_eq!(merged.save().unwrap(), bytes, "{text}");
            });
        };
        with(1, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        with(3, &[9, 3, 1, 0, 2, 8, 7, 4, 6, 5]);
    }
}

#[test]
fn only_what_is_needed_is_held() {
    let (profile, test) = (clusters(50, &[40], 2, 17), clusters(5000, &[40], 2, 18));
    let mut state = begin("dsa", &profile).unwrap();
    for from in (0..5000).step_by(100) {
        test.feed(state.as_mut(), from, from + 100);
        // Traces of at most 1,024 inputs, and what is known of all.
        assert!(state.save().unwrap().len() < 1024 * 40 * 4 + (from + 100) * 20, "{from}");
    }
}

#[test]
fn states_of_others_do_not_merge() {
    let (profile, other) = (clusters(40, &[3], 2, 19), clusters(40, &[3], 2, 20));
    let mut state = begin("dsa", &profile).unwrap();
    let refused = |error: crate::Error| error.to_string();
    assert_eq!(
        refused(state.merge(begin("dsa", &other).unwrap()).unwrap_err()),
        "a state of `dsa` cannot take in a state with the traces of another profile"
    );
    assert_eq!(
        refused(state.merge(begin("dsc", &profile).unwrap()).unwrap_err()),
        "a state of `dsa` cannot take in the state of another criterion or other parameters"
    );
    assert_eq!(refused(state.check().unwrap_err()), "`dsa` has seen no input");
    assert_eq!(
        refused(restored("dsa", &profile, &[1, 2, 3]).err().unwrap()),
        "the saved state is none of `dsa` on these layers"
    );
}

#[test]
fn plain_distances_are_those_of_eight_sums() {
    let (one, other) = (scattered(61, 21), scattered(61, 22));
    let (found, expected) = (squared_distance(&one, &other).sqrt(), plain_distance(&one, &other));
    assert!((found - expected).abs() < 1e-14 * expected);
}
