//! Distances to the nearest inputs, of this class and of others.

use super::*;
use crate::criteria::surprise::nearest::squared_distance;

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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn distances_are_those_of_plain_comparison((profile, test) in small()) {
        same(&scores("dsa", &profile, &test), &plain_dsa(&profile, &test));
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

#[test]
fn plain_distances_are_those_of_eight_sums() {
    let (one, other) = (scattered(61, 21), scattered(61, 22));
    let (found, expected) = (squared_distance(&one, &other).sqrt(), plain_distance(&one, &other));
    assert!((found - expected).abs() < 1e-14 * expected);
}
