//! Signatures, thresholds and scores against their definitions computed by brute force.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::criteria::{LayerTraces, TraceInputs};

/// Traces of random inputs: values with many ties and zeros, predicted and labelled class, confidence.
#[derive(Debug, Clone)]
struct Inputs {
    widths: Vec<usize>,
    rows: Vec<Vec<f32>>,
    classes: Vec<u32>,
    trusted: Vec<bool>,
}

impl Inputs {
    fn traces(&self) -> Vec<LayerTraces> {
        let inputs = Arc::new(TraceInputs {
            predicted: self.classes.clone(),
            confidence: self.trusted.iter().map(|trusted| if *trusted { 0.95 } else { 0.5 }).collect(),
            labels: Some(self.classes.iter().map(|class| i64::from(*class)).collect()),
        });
        let mut at = 0;
        let layer = |width: &usize| {
            let rows: Vec<f32> = self.rows.iter().flat_map(|row| row[at..at + width].to_vec()).collect();
            at += width;
            LayerTraces::new(Arc::new(rows), *width, Arc::clone(&inputs))
        };
        self.widths.iter().map(layer).collect()
    }

    /// Trusted inputs of a class, in order.
    fn members(&self, class: u32) -> Vec<&[f32]> {
        let all = self.rows.iter().zip(&self.classes).zip(&self.trusted);
        all.filter(|((_, own), trusted)| **own == class && **trusted).map(|((row, _), _)| row.as_slice()).collect()
    }

    fn all_rows(&self) -> Vec<f32> {
        self.rows.concat()
    }

    fn layers<'r>(&self, row: &'r [f32]) -> Vec<&'r [f32]> {
        let mut rest = row;
        let cut = |width: &usize| {
            let (layer, others) = rest.split_at(*width);
            rest = others;
            layer
        };
        self.widths.iter().map(cut).collect()
    }
}

/// Up to 90 inputs of three classes, so that a class has from none to about 30 or more.
fn inputs() -> impl Strategy<Value = Inputs> {
    let widths = prop::collection::vec(1usize..6, 1..4);
    (widths, 1usize..90, 1u32..4).prop_flat_map(|(widths, count, classes)| {
        let width: usize = widths.iter().sum();
        // Few values, so that there are ties, zeros of both signs and constant neurons.
        let value = prop_oneof![Just(0.0f32), Just(-0.0), Just(1.0), Just(-2.5), -1.0f32..3.0];
        let rows = prop::collection::vec(prop::collection::vec(value, width), count);
        let class = prop::collection::vec(0..classes, count);
        let trusted = prop::collection::vec(prop::bool::weighted(0.8), count);
        (Just(widths), rows, class, trusted).prop_map(|(widths, rows, classes, mut trusted)| {
            trusted[0] = true;
            Inputs { widths, rows, classes, trusted }
        })
    })
}

/// Eta by its definition: `others` are the trusted inputs of the class.
fn brute_force(method: Method, all: &Inputs, row: &[f32], others: &[&[f32]]) -> f64 {
    let neurons = row.len();
    let outside = |neuron: usize| {
        let values = others.iter().map(|other| other[neuron]);
        let low = values.clone().fold(f32::INFINITY, f32::min);
        let high = values.fold(f32::NEG_INFINITY, f32::max);
        row[neuron] < low || row[neuron] > high
    };
    match method {
        Method::Ranges => (0..neurons).filter(|neuron| outside(*neuron)).count() as f64,
        Method::Sections { sections } => (0..neurons)
            .map(|neuron| {
                if outside(neuron) {
                    return 1.0;
                }
                let values = others.iter().map(|other| f64::from(other[neuron]));
                let (low, high) =
                    (values.clone().fold(f64::INFINITY, f64::min), values.clone().fold(-f64::INFINITY, f64::max));
                let place = |value: f64| match high > low {
                    true => (((value - low) / (high - low) * sections as f64).floor() as usize).min(sections - 1),
                    false => 0,
                };
                let own = place(f64::from(row[neuron]));
                1.0 - values.filter(|value| place(*value) == own).count() as f64 / others.len() as f64
            })
            .sum(),
        Method::TopK { places } => {
            let most = |values: &[f64], places: usize| {
                let mut order: Vec<usize> = (0..values.len()).collect();
                order.sort_by(|one, other| values[*other].total_cmp(&values[*one]).then(one.cmp(other)));
                order.truncate(places);
                order
            };
            // Zeros of both signs are equal.
            let plain = |layer: &[f32]| layer.iter().map(|value| f64::from(*value) + 0.0).collect::<Vec<f64>>();
            let (mut misses, mut all_places) = (0, 0);
            for (at, layer) in all.layers(row).into_iter().enumerate() {
                let places = places.min(layer.len());
                all_places += places;
                let mut counts = vec![0.0; layer.len()];
                for other in others {
                    most(&plain(all.layers(other)[at]), places).into_iter().for_each(|neuron| counts[neuron] += 1.0);
                }
                let usual = if others.is_empty() { Vec::new() } else { most(&counts, places) };
                misses += most(&plain(layer), places).iter().filter(|neuron| !usual.contains(neuron)).count();
            }
            misses as f64 / all_places as f64
        }
        Method::Nearest { neighbours } => {
            let distance = |other: &&[f32]| -> f64 {
                let squares = row.iter().zip(*other).map(|(one, other)| (f64::from(*one) - f64::from(*other)).powi(2));
                squares.sum::<f64>().sqrt()
            };
            let mut distances: Vec<f64> = others.iter().map(distance).collect();
            distances.sort_by(f64::total_cmp);
            distances.get(neighbours - 1).copied().unwrap_or(f64::INFINITY)
        }
    }
}

fn methods() -> impl Strategy<Value = Method> {
    prop_oneof![
        Just(Method::Ranges),
        (1usize..12).prop_map(|sections| Method::Sections { sections }),
        (1usize..8).prop_map(|places| Method::TopK { places }),
        (1usize..5).prop_map(|neighbours| Method::Nearest { neighbours }),
    ]
}

fn close(one: f64, other: f64) -> bool {
    one == other || (one - other).abs() <= 1e-9 * other.abs().max(1.0)
}

proptest! {
    #[test]
    fn etas_are_those_of_the_definition(profile in inputs(), method in methods(), seed in 0usize..7) {
        let traces = profile.traces();
        let trusted = Trusted::of(traces[0].inputs()).unwrap();
        let (signature, left_out) = Signature::build(method, &traces, &trusted).unwrap();
        // Each trusted input against its class made without it.
        for (class, members) in trusted.classes.iter().enumerate() {
            prop_assert_eq!(left_out.eta[class].len(), members.len());
            let all = profile.members(class as u32);
            for (at, eta) in left_out.eta[class].iter().enumerate() {
                let others: Vec<&[f32]> =
                    all.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, row)| *row).collect();
                let expected = brute_force(method, &profile, all[at], &others);
                prop_assert!(close(*eta, expected), "{eta} is {expected}, class {class}, member {at}");
            }
        }
        // Inputs beside them, whatever class they are predicted as.
        let classes: Vec<u32> = (0..profile.rows.len()).map(|at| ((at + seed) % 4) as u32).collect();
        let mut rows = profile.all_rows();
        rows.rotate_left(seed % profile.rows[0].len());
        let etas = signature.etas(&rows, &classes);
        let width = signature.neurons();
        for (at, (class, row)) in classes.iter().zip(rows.chunks_exact(width)).enumerate() {
            let expected = brute_force(method, &profile, row, &profile.members(*class));
            prop_assert!(close(etas.eta[at], expected), "{} is {expected}", etas.eta[at]);
            // By itself it is the same to the last bit.
            let alone = signature.etas(row, &[*class]);
            prop_assert_eq!(alone.eta[0].to_bits(), etas.eta[at].to_bits());
            let layers = &etas.layers[at * signature.layers()..(at + 1) * signature.layers()];
            let sum: f64 = layers.iter().sum();
            let places: usize = profile.widths.iter().map(|width| match method {
                Method::TopK { places } => places.min(*width),
                _ => 1,
            }).sum();
            let of_layers = match method {
                Method::Nearest { .. } => sum.sqrt(),
                Method::TopK { .. } => sum / places as f64,
                _ => sum,
            };
            prop_assert!(close(of_layers, etas.eta[at]), "layers {sum}, eta {}", etas.eta[at]);
        }
    }

    #[test]
    fn shares_in_range_are_those_of_the_etas(profile in inputs()) {
        let traces = profile.traces();
        let trusted = Trusted::of(traces[0].inputs()).unwrap();
        let (signature, left_out) = Signature::build(Method::Ranges, &traces, &trusted).unwrap();
        let outside: f64 = left_out.eta.iter().flatten().sum();
        let inside: u64 = left_out.inside.iter().sum();
        prop_assert_eq!(inside as f64 + outside, (trusted.len() * signature.neurons()) as f64);
    }

    #[test]
    fn youden_parts_best(trusted in etas(), untrusted in etas()) {
        let share = |all: &[f64], tau: f64| all.iter().filter(|eta| **eta > tau).count() * 1_000_000_007;
        let parted = |tau: f64| {
            (share(&untrusted, tau) * trusted.len()) as i128 - (share(&trusted, tau) * untrusted.len()) as i128
        };
        let mut candidates: Vec<f64> = trusted.iter().chain(&untrusted).copied().collect();
        candidates.sort_by(f64::total_cmp);
        let best = candidates.iter().map(|tau| parted(*tau)).max().unwrap();
        let expected = candidates.into_iter().find(|tau| parted(*tau) == best);
        prop_assert_eq!(youden(&trusted, &untrusted), expected);
    }

    #[test]
    fn scores_are_those_of_all_pairs(untrusted in etas(), trusted in etas()) {
        let pairs = untrusted.iter().flat_map(|one| trusted.iter().map(move |other| {
            if one > other { 1.0 } else if one == other { 0.5 } else { 0.0 }
        }));
        let expected = pairs.sum::<f64>() / (untrusted.len() * trusted.len()) as f64;
        prop_assert!((auroc(&untrusted, &trusted).unwrap() - expected).abs() < 1e-12);
        let at_least = |all: &[f64], threshold: f64| {
            all.iter().filter(|eta| **eta >= threshold).count() as f64 / all.len() as f64
        };
        let thresholds = untrusted.iter().chain(&trusted).copied().chain([f64::INFINITY]);
        let allowed = thresholds.filter(|threshold| at_least(&trusted, *threshold) <= 0.25);
        let expected = allowed.map(|threshold| at_least(&untrusted, threshold)).fold(0.0, f64::max);
        prop_assert_eq!(true_positives_at(0.25, &untrusted, &trusted), Some(expected));
    }

    #[test]
    fn an_input_is_accepted_iff_its_confidence_is_one_half(eta in 0.0f64..20.0, tau in 0.0f64..20.0) {
        let (confidence, accepted) = confidence(eta, Some(tau));
        prop_assert_eq!(accepted, eta <= tau);
        prop_assert_eq!(accepted, confidence >= 0.5);
        prop_assert!((0.0..=1.0).contains(&confidence));
    }
}

fn etas() -> impl Strategy<Value = Vec<f64>> {
    let eta = prop_oneof![(0u32..6).prop_map(f64::from), 0.0f64..6.0, Just(f64::INFINITY)];
    prop::collection::vec(eta, 1..30)
}

/// One layer, a row for each input, classes, all trusted.
fn profile(rows: &[&[f32]], classes: &[u32]) -> Inputs {
    Inputs {
        widths: vec![rows[0].len()],
        rows: rows.iter().map(|row| row.to_vec()).collect(),
        classes: classes.to_vec(),
        trusted: vec![true; rows.len()],
    }
}

fn calibration(method: Method, profile: &Inputs, untrusted: Option<&Inputs>) -> Calibration {
    Calibration::new(method, &profile.traces(), untrusted.map(Inputs::traces).as_deref()).unwrap()
}

#[test]
fn tau_by_hand() {
    // Left out: 0 and 4 are outside, 1 and 3 within, 2 too.
    let one_class = profile(&[&[0.0], &[1.0], &[2.0], &[3.0], &[4.0]], &[0; 5]);
    let found = calibration(Method::Ranges, &one_class, None);
    assert_eq!(found.left_out.eta, [1.0, 0.0, 0.0, 0.0, 1.0]);
    assert_eq!((found.judge.tau.as_slice(), found.left_out.accepted), (&[Some(1.0)][..], 5));
    // An untrusted input of the class at 9 and one at 2: J is largest at tau = 0.
    let noise = profile(&[&[9.0], &[2.0], &[9.0]], &[0, 0, 1]);
    let found = calibration(Method::Ranges, &one_class, Some(&noise));
    assert_eq!(found.judge.tau, [Some(0.0)]);
    let untrusted = found.untrusted.unwrap();
    assert_eq!((untrusted.eta.as_slice(), untrusted.accepted), (&[1.0, 0.0, 1.0][..], 1));
    assert_eq!((untrusted.inside.as_slice(), found.left_out.inside.as_slice()), (&[1][..], &[3][..]));
    // Untrusted inputs of other classes leave the quantile.
    let elsewhere = profile(&[&[9.0]], &[3]);
    assert_eq!(calibration(Method::Ranges, &one_class, Some(&elsewhere)).judge.tau, [Some(1.0)]);
}

#[test]
fn classes_with_too_few_trusted_inputs_accept_nothing() {
    let rows: &[&[f32]] = &[&[0.0, 1.0], &[0.0, 1.0], &[5.0, 5.0]];
    let few = profile(rows, &[0, 0, 2]);
    for method in [Method::Ranges, Method::Sections { sections: 4 }, Method::TopK { places: 1 }] {
        let judge = calibration(method, &few, None).judge;
        assert_eq!(judge.tau, [Some(0.0), None, None], "{method:?}");
        assert_eq!(judge.confidence(2, 0.0), (0.0, false));
        assert_eq!(judge.confidence(7, 0.0), (0.0, false));
        assert_eq!(judge.confidence(0, 0.0), (1.0, true));
    }
    // For the second nearest a class needs three: without one of two there is no second.
    let judge = calibration(Method::Nearest { neighbours: 2 }, &few, None).judge;
    assert_eq!(judge.tau, [None, None, None]);
    assert_eq!(judge.signature.etas(&[0.0, 1.0, 5.0, 5.0], &[0, 2]).eta, [0.0, f64::INFINITY]);
}

#[test]
fn what_is_no_number_is_in_no_range() {
    let odd = profile(&[&[0.0, f32::NAN], &[1.0, 2.0], &[2.0, f32::NAN], &[1.0, 2.0]], &[0; 4]);
    let found = calibration(Method::Ranges, &odd, None);
    assert_eq!(found.left_out.eta, [2.0, 0.0, 2.0, 0.0]);
    let etas = |method| calibration(method, &odd, None).judge.signature.etas(&[f32::NAN, 2.0], &[0]);
    assert_eq!(etas(Method::Ranges).eta, [1.0]);
    assert_eq!(etas(Method::Sections { sections: 2 }).eta, [1.5]);
    assert_eq!(etas(Method::TopK { places: 2 }).eta, [0.5]);
    assert_eq!(etas(Method::Nearest { neighbours: 1 }).eta, [f64::INFINITY]);
}

#[test]
fn without_trusted_inputs_there_is_no_monitor() {
    let mut none = profile(&[&[0.0], &[1.0]], &[0, 1]);
    none.trusted = vec![false; 2];
    let error = Calibration::new(Method::Ranges, &none.traces(), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "none of the 2 profile inputs is trusted: the model predicts none as its label with a softmax of at least 0.9\n  \
         help: look whether the labels are numbered as the model's outputs are, and whether the transform is the one of the training"
    );
    let unlabelled = TraceInputs { labels: None, predicted: vec![0], confidence: vec![1.0] };
    assert_eq!(
        Trusted::of(&unlabelled).unwrap_err().to_string(),
        "the profile inputs have no labels, so none of them can be trusted\n  \
         help: put images into one folder per class, or give an array `y` (npz) or a labels file (idx)"
    );
}
