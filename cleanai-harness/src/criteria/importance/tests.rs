use proptest::prelude::*;

use crate::criteria::{LayerBatch, LayerImportance, LayerProfile, Start, State, registry};
use crate::model::LayerInfo;

fn layer(width: usize) -> LayerInfo {
    LayerInfo {
        name: "fc".into(),
        class: "Linear".into(),
        operator: "linear".into(),
        shape: vec![width],
        channel_axis: 0,
    }
}

/// A profile of these values, neuron by neuron.
fn profile(relevance: &[f64], columns: &[Vec<f64>]) -> LayerProfile {
    let inputs = columns[0].len();
    LayerProfile {
        low: vec![0.0; columns.len()],
        high: vec![1.0; columns.len()],
        importance: Some(LayerImportance {
            relevance: relevance.to_vec(),
            values: columns.concat(),
            inputs,
            amplification: 1.0,
        }),
        ..LayerProfile::default()
    }
}

fn start(text: &str, profile: &LayerProfile, width: usize) -> crate::Result<Box<dyn State>> {
    let start = Start { layers: &[layer(width)], neurons: &[width], profile: Some(std::slice::from_ref(profile)) };
    registry::criterion(&text.parse().unwrap())?.start(start)
}

#[test]
fn the_most_relevant_are_taken_ties_to_the_lower() {
    let two = vec![0.0, 0.0, 1.0, 1.0];
    let profile = profile(&[1.0, 3.0, -9.0, 3.0], &[two.clone(), two.clone(), two.clone(), two]);
    let state = start("idc(m=2)", &profile, 4).unwrap();
    let neurons = &state.figures().details["importance"]["fc"]["neurons"];
    let important: Vec<u64> = neurons.as_array().unwrap().iter().map(|each| each["neuron"].as_u64().unwrap()).collect();
    assert_eq!(important, [1, 3]);
    assert_eq!(neurons[0]["share"], 3.0 / 16.0);
    assert_eq!(neurons[0]["centroids"], serde_json::json!([0.0, 1.0]));
    assert_eq!(neurons[0]["sizes"], serde_json::json!([2, 2]));
    assert_eq!(neurons[0]["silhouette"], 1.0);
}

#[test]
fn a_histogram_shows_what_was_clustered() {
    let values = vec![0.0, 0.5, 1.0, 6.0, 6.0, 12.0];
    let state = start("idc(m=1, clusters=3..=3)", &profile(&[1.0], std::slice::from_ref(&values)), 1).unwrap();
    let neuron = &state.figures().details["importance"]["fc"]["neurons"][0];
    assert_eq!((&neuron["histogram"]["low"], &neuron["histogram"]["high"]), (&0.0.into(), &12.0.into()));
    let mut counts = [0u64; 24];
    (counts[0], counts[1], counts[2], counts[12], counts[23]) = (1, 1, 1, 2, 1);
    assert_eq!(neuron["histogram"]["counts"], serde_json::json!(counts));
    assert_eq!(neuron["bounds"], serde_json::json!([3.25, 9.0]), "midway between 0.5, 6 and 12");
    // What is left out of the clusters is left out here.
    let state = start("idc(m=1, clusters=2..=2, zeros=\"drop\")", &profile(&[1.0], &[values]), 1).unwrap();
    assert_eq!(state.figures().details["importance"]["fc"]["neurons"][0]["histogram"]["low"], 0.5);
}

#[test]
fn combinations_by_hand() {
    let profile = profile(&[2.0, 1.0], &[vec![0.0, 0.0, 1.0, 1.0], vec![0.0, 1.0, 1.0, 2.0]]);
    // Three distinct values at most: clusters for each of them are best.
    let mut state = start("idc(m=2, clusters=2..=3)", &profile, 2).unwrap();
    // Midway between two centroids the lower one is the nearest.
    state.observe(LayerBatch::channels(3, vec![0.5, 0.5, 0.4, 0.1, 9.0, 1.6]).values(0, 4));
    let figures = state.figures();
    assert_eq!((figures.value, figures.covered, figures.total), (Some(2.0 / 6.0), Some(2), Some(6)));
    let detail = &figures.details["importance"]["fc"];
    assert_eq!(
        (&detail["reachable"], &detail["reachable_covered"], &detail["uncovered"]),
        (&4.into(), &2.into(), &4.into())
    );
    assert_eq!(detail["wanted"][0], serde_json::json!({ "clusters": [0, 1], "profile_inputs": 1 }));
    let first: Vec<(u64, u64)> = figures.contributions.iter().map(|each| (each.input, each.covered)).collect();
    assert_eq!(first, [(4, 1), (6, 1)]);
}

#[test]
fn zeros_can_be_left_out() {
    let columns = [vec![0.0, 0.0, 0.0, 5.0, 6.0, 5.1, 6.1]];
    let keep = start("idc(m=1, clusters=2..=2)", &profile(&[1.0], &columns), 1).unwrap().figures();
    let drop = start("idc(m=1, clusters=2..=2, zeros=\"drop\")", &profile(&[1.0], &columns), 1).unwrap().figures();
    assert_eq!(keep.details["importance"]["fc"]["neurons"][0]["centroids"][0], 0.0);
    let centroid = drop.details["importance"]["fc"]["neurons"][0]["centroids"][0].as_f64().unwrap();
    assert!((centroid - 5.05).abs() < 1e-12);
}

#[test]
fn what_cannot_be_clustered_is_told() {
    let refused = |text: &str, profile: &LayerProfile, width| start(text, profile, width).err().unwrap().to_string();
    let good = profile(&[1.0, 2.0], &[vec![0.0, 1.0], vec![0.0, 1.0]]);
    assert!(refused("idc(m=3)", &good, 2).contains("3 important neurons of layer fc, which has 2"));
    let constant = profile(&[1.0, 2.0], &[vec![0.0, 1.0], vec![4.0, 4.0]]);
    assert!(refused("idc(m=1)", &constant, 2).contains("neuron 1 of layer fc"));
    let none = profile(&[1.0], &[vec![]]);
    assert!(refused("idc(m=1)", &none, 1).contains("classifies no profile input correctly"));
    let one = profile(&[1.0], &[vec![1.0]]);
    assert!(refused("idc(m=1)", &one, 1).contains("there is one"));
    let mut loud = good.clone();
    loud.importance.as_mut().unwrap().amplification = 1e12;
    assert!(refused("idc(m=1)", &loud, 2).contains("1.0e12 times"));
    let without = LayerProfile { importance: None, ..good };
    assert!(refused("idc(m=1)", &without, 2).contains("without the relevance"));
    for text in ["idc(m=0)", "idc(clusters=1..=4)", "idc(eps=0)", "idc(relevance=\"deep\")"] {
        assert!(registry::criterion(&text.parse().unwrap()).is_err(), "{text}");
    }
}

#[test]
fn more_combinations_than_a_word_are_exact() {
    let columns: Vec<Vec<f64>> = (0..80).map(|_| vec![0.0, 1.0, 5.0, 9.0]).collect();
    let state = start("idc(m=80, clusters=4..=4)", &profile(&[1.0; 80], &columns), 80);
    assert!(state.err().unwrap().to_string().contains("128 bits"));
    let mut state = start("idc(m=60, clusters=4..=4)", &profile(&[1.0; 80], &columns), 80).unwrap();
    state.observe(LayerBatch::channels(1, vec![9.0; 80]).values(0, 0));
    let figures = state.figures();
    assert_eq!((figures.covered, figures.total), (None, None));
    assert_eq!(figures.value, Some(0.25f64.powi(60)));
    assert_eq!(figures.details["importance"]["fc"]["combinations"], (1u128 << 120).to_string());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Two parts merged are the whole, saved and restored or not, and the count is that of a brute force.
    #[test]
    fn parts_make_the_whole(
        columns in prop::collection::vec(prop::collection::vec(-3i8..3, 12), 3),
        rows in prop::collection::vec(prop::collection::vec(-40i8..40, 3), 0..30),
        cut in 0usize..30,
    ) {
        let columns: Vec<Vec<f64>> =
            columns.into_iter().map(|column| [vec![-9.0], column.into_iter().map(f64::from).collect()].concat()).collect();
        prop_assume!(columns.iter().all(|column| column.iter().any(|value| *value != -9.0)));
        let profile = profile(&[0.5, 2.0, 1.0], &columns);
        let cut = cut.min(rows.len());
        let batch = |rows: &[Vec<i8>]| {
            LayerBatch::channels(rows.len(), rows.iter().flatten().map(|value| f64::from(*value) / 10.0).collect())
        };
        let observed = |rows: &[Vec<i8>], first: usize| {
            let mut state = start("idc(m=3, clusters=2..=3)", &profile, 3).unwrap();
            if !rows.is_empty() {
                state.observe(batch(rows).values(0, first));
            }
            state
        };
        let whole = observed(&rows, 0);
        let mut merged = observed(&rows[..cut], 0);
        merged.merge(observed(&rows[cut..], cut)).unwrap();
        prop_assert_eq!(merged.save().unwrap(), whole.save().unwrap());
        prop_assert_eq!(merged.figures(), whole.figures());
        let infos = [layer(3)];
        let again = Start { layers: &infos, neurons: &[3], profile: Some(std::slice::from_ref(&profile)) };
        let criterion = registry::criterion(&"idc(m=3, clusters=2..=3)".parse().unwrap()).unwrap();
        prop_assert_eq!(criterion.restore(again, &whole.save().unwrap()).unwrap().figures(), whole.figures());

        let details = &whole.figures().details["importance"]["fc"]["neurons"];
        let nearest = |row: &[i8]| -> Vec<usize> {
            details.as_array().unwrap().iter().map(|neuron| {
                let value = f64::from(row[neuron["neuron"].as_u64().unwrap() as usize]) / 10.0;
                let apart = |centroid: &serde_json::Value| (centroid.as_f64().unwrap() - value).abs();
                let centroids = neuron["centroids"].as_array().unwrap();
                (0..centroids.len()).min_by(|a, b| apart(&centroids[*a]).total_cmp(&apart(&centroids[*b]))).unwrap()
            }).collect()
        };
        let distinct: std::collections::HashSet<Vec<usize>> = rows.iter().map(|row| nearest(row)).collect();
        prop_assert_eq!(whole.figures().covered, Some(distinct.len() as u64));
    }
}
