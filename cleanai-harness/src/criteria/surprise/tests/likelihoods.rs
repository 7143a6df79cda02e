//! Likelihoods and Mahalanobis distances, and the covariances they rest on.

use super::*;
use crate::criteria::surprise::bounds_of;

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
    let expected = bounds_of(plain_lsa(&profile, &profile, true));
    let found = figures("lsc", &profile, &test);
    let bounds = |found: &Figures| [found.details["lower"].as_f64().unwrap(), found.details["upper"].as_f64().unwrap()];
    close(&bounds(&found), &[expected.0, expected.1], 1e-10);
    assert!(found.covered.unwrap() > 50, "{found:?}");
    let all = found.covered.unwrap() as f64 / 1000.0;
    assert_eq!(found.value, Some(all));
    let expected = bounds_of(plain_mdsa(&profile, &profile));
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
