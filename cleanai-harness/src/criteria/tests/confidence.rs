//! `ece` and `high_confidence`: by hand on the edges of bins, against plain counting, and the laws of states.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::criteria::confidence::EDGES;

const BOTH: &[&str] = &["ece", "high_confidence", "high_confidence(threshold=0.5)"];

/// Inputs of two classes whose larger softmax is this, and whether the prediction, class 0, is right.
fn inputs(confidences: &[(f64, bool)]) -> Stream {
    let logits = confidences.iter().flat_map(|(confidence, _)| [(confidence / (1.0 - confidence)).ln(), 0.0]);
    Stream {
        inputs: confidences.len(),
        classes: 2,
        logits: logits.collect(),
        labels: Some(confidences.iter().map(|(_, right)| i64::from(!right)).collect()),
        ..Stream::default()
    }
}

fn close(found: &serde_json::Value, expected: f64) -> bool {
    found.as_f64().is_some_and(|found| (found - expected).abs() < 1e-12)
}

#[test]
fn the_error_is_what_confidence_and_accuracy_differ_by() {
    let stream = inputs(&[(0.7, true), (0.7, false), (0.95, true), (0.85, false)]);
    let figures = figures("ece", &stream, None);
    // Half of the inputs differ by 0.2, a quarter by 0.05 and a quarter by 0.85.
    assert!((figures.value.unwrap() - (0.5 * 0.2 + 0.25 * 0.05 + 0.25 * 0.85)).abs() < 1e-12);
    assert_eq!((figures.covered, figures.total), (None, None));
    let bins = figures.details["bins"].as_array().unwrap();
    assert_eq!(bins.len(), 6);
    for (bin, edges) in bins.iter().zip(EDGES.windows(2)) {
        assert_eq!((&bin["lower"], &bin["upper"]), (&edges[0].into(), &edges[1].into()));
    }
    let counts: Vec<u64> = bins.iter().map(|bin| bin["inputs"].as_u64().unwrap()).collect();
    assert_eq!(counts, [0, 0, 0, 2, 1, 1]);
    assert!(close(&bins[3]["mean_confidence"], 0.7) && close(&bins[5]["mean_confidence"], 0.95));
    assert_eq!(
        (&bins[3]["accuracy"], &bins[4]["accuracy"], &bins[5]["accuracy"]),
        (&json!(0.5), &json!(0.0), &json!(1.0))
    );
    assert_eq!((&bins[0]["accuracy"], &bins[0]["mean_confidence"]), (&json!(null), &json!(null)), "never 0");
    assert_eq!((&figures.details["bin_4"], &figures.details["bin_1"]), (&json!(0.5), &json!(null)));
    assert_eq!(figures.details["accuracy"], 0.5);
    assert!(close(&figures.details["mean_confidence"], 0.8));
    assert_eq!(figures.classes[&0].inputs, 2);
    assert!((figures.classes[&0].value.unwrap() - (0.5 * 0.3 + 0.5 * 0.05)).abs() < 1e-12);
}

#[test]
fn a_bin_includes_its_lower_edge_and_the_last_one_both() {
    // Softmaxes that are exact: two equal logits, five, and one that leaves nothing to the other.
    let of = |logits: &[f64]| {
        let stream = Stream {
            inputs: 1,
            classes: logits.len(),
            logits: logits.to_vec(),
            labels: Some(vec![0]),
            ..Stream::default()
        };
        let figures = figures("ece", &stream, None);
        let bins = figures.details["bins"].as_array().unwrap();
        (figures.per_input.columns[0].1[0], bins.iter().position(|bin| bin["inputs"] == 1).unwrap())
    };
    assert_eq!(of(&[0.0; 5]), (0.2, 1));
    assert_eq!(of(&[0.0; 10]), (0.1, 0));
    assert_eq!(of(&[7.0, 7.0]), (0.5, 2));
    assert_eq!(of(&[1000.0, -1000.0]), (1.0, 5), "no overflow");
    assert_eq!(of(&[0.0, f64::NEG_INFINITY]), (1.0, 5));
}

#[test]
fn high_confidence_is_the_threshold_or_more() {
    let stream = inputs(&[(0.95, true), (0.5, true), (0.95, false), (0.6, false)]);
    let figures = figures("high_confidence", &stream, None);
    assert_eq!((figures.value, figures.covered, figures.total), (Some(0.5), Some(2), Some(4)));
    assert_eq!((&figures.details["count"], &figures.details["accuracy"]), (&json!(2), &json!(0.5)));
    assert_eq!((figures.classes[&0].covered, figures.classes[&1].value), (Some(1), Some(0.5)));
    let half = super::figures("high_confidence(threshold=0.5)", &stream, None);
    assert_eq!(half.covered, Some(4), "0.5 exactly is enough");
    let all = super::figures("high_confidence(threshold=0)", &stream, None);
    assert_eq!(all.value, Some(1.0));
    let none = super::figures("high_confidence(threshold=1)", &stream, None);
    assert_eq!((none.value, &none.details["accuracy"]), (Some(0.0), &json!(null)));

    let unlabelled = super::figures("high_confidence", &Stream { labels: None, ..stream }, None);
    assert_eq!((unlabelled.value, &unlabelled.details["accuracy"]), (Some(0.5), &json!(null)));
    assert!(unlabelled.classes.is_empty() && unlabelled.per_input.columns[2].1[0].is_nan());
}

#[test]
fn each_input_has_confidence_class_and_whether_it_is_right() {
    let mut stream = inputs(&[(0.75, true), (0.75, false)]);
    stream.inputs = 3;
    stream.logits.extend([f64::NAN, 1.0]);
    stream.labels.as_mut().unwrap().push(1);
    for text in BOTH {
        let PerInput { inputs, columns } = figures(text, &stream, None).per_input;
        assert_eq!(inputs, [0, 1, 2]);
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["confidence", "class", "correct"]);
        assert!((columns[0].1[0] - 0.75).abs() < 1e-12 && columns[0].1[2].is_nan());
        assert_eq!((&columns[1].1, &columns[2].1), (&vec![0.0, 0.0, 1.0], &vec![1.0, 0.0, 1.0]));
    }
}

#[test]
fn logits_that_are_not_finite_give_no_confidence() {
    let rows = [[f64::NAN, 0.0], [f64::INFINITY, 0.0], [f64::NEG_INFINITY; 2], [f64::NAN; 2], [0.0, 0.0]];
    let stream = Stream {
        inputs: rows.len(),
        classes: 2,
        logits: rows.concat(),
        labels: Some(vec![1, 0, 0, 0, 0]),
        ..Stream::default()
    };
    let error = figures("ece", &stream, None);
    assert_eq!((error.value, &error.details["without_confidence"]), (Some(0.5), &json!(4)));
    assert_eq!(error.details["accuracy"], 1.0, "of those with a confidence");
    let high = figures("high_confidence(threshold=0)", &stream, None);
    assert_eq!((high.covered, high.total), (Some(1), Some(5)), "none is not high");
}

#[test]
fn without_inputs_there_is_no_figure() {
    let none = Stream { classes: 2, labels: Some(Vec::new()), ..Stream::default() };
    let ece = figures("ece", &none, None);
    assert_eq!((ece.value, &ece.details["accuracy"], &ece.details["bin_6"]), (None, &json!(null), &json!(null)));
    assert!(ece.details["bins"].as_array().unwrap().iter().all(|bin| bin["accuracy"].is_null() && bin["inputs"] == 0));
    let high = figures("high_confidence", &none, None);
    assert_eq!((high.value, high.covered, high.total), (None, Some(0), Some(0)));
}

#[test]
fn a_single_output_is_one_clear_error() {
    for text in BOTH {
        let stream = Stream::default();
        let end = BatchEnd { first: 0, inputs: 1, classes: 1, logits: &[0.3], labels: Some(&[0]) };
        let error = start(text, &stream, None).end_batch(end).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Criterion);
        assert_eq!(error.what(), format!("`{text}` needs a score for each class, and the model has a single output"));
        assert!(error.help().unwrap().contains("two outputs or more"));
    }
}

#[test]
fn needs_directions_and_thresholds() {
    let criterion = |text: &str| registry::criterion(&spec(text));
    let (ece, high) = (criterion("ece").unwrap(), criterion("high_confidence").unwrap());
    assert!(ece.needs().labels && ece.needs().logits && !ece.needs().profile && high.needs().logits);
    assert!(!high.needs().labels, "a share needs none");
    assert_eq!((ece.direction(), high.direction()), (Direction::LowerIsBetter, Direction::HigherIsBetter));
    for text in
        ["high_confidence(threshold=1.1)", "high_confidence(threshold=-0.1)", "high_confidence(threshold=\"x\")"]
    {
        let error = criterion(text).err().expect("refused").to_string();
        assert!(error.contains("must be a number from 0 to 1"), "{error}");
    }
    assert!(criterion("ece(bins=10)").is_err());
}

#[test]
fn other_states_do_not_merge() {
    let stream = inputs(&[(0.75, true)]);
    let refused = |left: &str, right: &str| {
        state(left, &stream, None).merge(state(right, &stream, None)).unwrap_err().to_string()
    };
    for (left, right) in [
        ("ece", "accuracy"),
        ("accuracy", "ece"),
        ("ece", "high_confidence"),
        ("high_confidence", "high_confidence(threshold=0.5)"),
    ] {
        assert!(refused(left, right).contains("cannot take in the state of another criterion"), "{left} {right}");
    }
}

fn logit() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => -6.0..6.0,
        4 => (-3i32..=3).prop_map(f64::from),
        1 => prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY)],
    ]
}

fn stream() -> impl Strategy<Value = Stream> {
    (0usize..40, 2usize..5).prop_flat_map(|(inputs, classes)| {
        let logits = proptest::collection::vec(logit(), inputs * classes);
        let labels = proptest::collection::vec(-1i64..5, inputs);
        (logits, labels).prop_map(move |(logits, labels)| Stream {
            inputs,
            classes,
            logits,
            labels: Some(labels),
            ..Stream::default()
        })
    })
}

/// Confidence and whether the prediction is right, in the plainest way.
fn plain(stream: &Stream) -> Vec<(f64, bool)> {
    let one = |input: usize| {
        let logits = &stream.logits[input * stream.classes..(input + 1) * stream.classes];
        let finite = logits.iter().all(|logit| !logit.is_nan() && *logit != f64::INFINITY);
        let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
        let softmax: Vec<f64> = logits.iter().map(|logit| logit.exp() / sum).collect();
        let most = softmax.iter().copied().fold(f64::NAN, f64::max);
        let class =
            (0..stream.classes).filter(|class| !logits[*class].is_nan()).fold(None, |best: Option<usize>, class| {
                if best.is_none_or(|best| logits[class] > logits[best]) { Some(class) } else { best }
            });
        let right = class.map(|class| class as i64) == Some(stream.labels.as_ref().unwrap()[input]);
        (if finite { most } else { f64::NAN }, right)
    };
    (0..stream.inputs).map(one).collect()
}

proptest! {
    #[test]
    fn counts_as_plain_counting_does(stream in stream()) {
        let all = plain(&stream);
        let known: Vec<&(f64, bool)> = all.iter().filter(|(confidence, _)| !confidence.is_nan()).collect();
        // Where rounding may tip an input over an edge there is nothing to compare.
        let near = |edge: f64| known.iter().any(|(confidence, _)| (confidence - edge).abs() < 1e-12 && *confidence != edge);
        prop_assume!(!EDGES[1..6].iter().any(|edge| near(*edge)) && !near(0.5));
        let mut error = 0.0;
        let figures = figures("ece", &stream, None);
        for (at, edges) in EDGES.windows(2).enumerate() {
            let inside: Vec<_> = known.iter().filter(|(own, _)| *own >= edges[0] && (*own < edges[1] || at == 5)).collect();
            let bin = &figures.details["bins"][at];
            prop_assert_eq!(bin["inputs"].as_u64(), Some(inside.len() as u64));
            if inside.is_empty() {
                prop_assert!(bin["accuracy"].is_null() && bin["mean_confidence"].is_null());
                continue;
            }
            let count = inside.len() as f64;
            let accuracy = inside.iter().filter(|(_, right)| *right).count() as f64 / count;
            let mean = inside.iter().map(|(confidence, _)| confidence).sum::<f64>() / count;
            prop_assert!(close(&bin["accuracy"], accuracy) && close(&bin["mean_confidence"], mean));
            error += count / known.len() as f64 * (accuracy - mean).abs();
        }
        match figures.value {
            Some(value) => prop_assert!((value - error).abs() < 1e-12 && (0.0..=1.0).contains(&value)),
            None => prop_assert!(known.is_empty()),
        }
        let high = super::figures("high_confidence(threshold=0.5)", &stream, None);
        prop_assert_eq!(high.covered, Some(known.iter().filter(|(confidence, _)| *confidence >= 0.5).count() as u64));
        prop_assert_eq!(high.total, Some(stream.inputs as u64));
        prop_assert_eq!(high.classes.values().map(|own| own.inputs).sum::<u64>(), stream.inputs as u64);
    }

    #[test]
    fn the_order_of_inputs_does_not_show(stream in stream()) {
        let mut turned = stream.clone();
        turned.logits = stream.logits.chunks(stream.classes).rev().flatten().copied().collect();
        turned.labels.as_mut().unwrap().reverse();
        for text in BOTH {
            let (one, other) = (figures(text, &stream, None), figures(text, &turned, None));
            prop_assert_eq!((one.value, one.details, one.classes), (other.value, other.details, other.classes));
        }
    }

    #[test]
    fn batches_merges_and_files_change_nothing(
        stream in stream(),
        mut cuts in proptest::collection::vec(0usize..40, 0..5),
        text in proptest::sample::select(BOTH),
        damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..4),
    ) {
        cuts.iter_mut().for_each(|cut| *cut %= stream.inputs + 1);
        cuts.extend([0, stream.inputs]);
        cuts.sort_unstable();
        let whole = state(text, &stream, None);
        // NaN is no confidence's equal; bytes tell all.
        let (whole_value, whole_details, whole) = (whole.figures().value, whole.figures().details, contents(whole));
        let mut batched = start(text, &stream, None);
        let mut parts: Vec<Box<dyn State>> = Vec::new();
        for cut in cuts.windows(2) {
            stream.feed(batched.as_mut(), cut[0], cut[1]);
            let mut part = start(text, &stream, None);
            stream.feed(part.as_mut(), cut[0], cut[1]);
            parts.push(part);
        }
        // Merged in pairs from the right, then from the left.
        let mut last = parts.pop().expect("a part");
        if let Some(mut before) = parts.pop() {
            before.merge(last).unwrap();
            last = before;
        }
        parts.push(last);
        let mut merged = start(text, &stream, None);
        parts.into_iter().for_each(|part| merged.merge(part).unwrap());
        prop_assert_eq!((merged.figures().value, merged.figures().details), (whole_value, whole_details));
        prop_assert_eq!(contents(batched), whole.clone());
        prop_assert_eq!(contents(merged), whole.clone());

        // Saved half-way and read again, it goes on as if nothing had been.
        let half = cuts[cuts.len() / 2];
        let mut before = start(text, &stream, None);
        stream.feed(before.as_mut(), 0, half);
        let mut after = restore(text, &stream, None, &contents(before)).unwrap();
        stream.feed(after.as_mut(), half, stream.inputs);
        prop_assert_eq!(contents(after), whole.clone());

        // A damaged one is refused or is another state, but never ends the program.
        let mut damaged = whole;
        for (at, byte) in &damage {
            if let Some(own) = at.checked_rem(damaged.len()).and_then(|at| damaged.get_mut(at)) {
                *own = *byte;
            }
        }
        damaged.truncate(damaged.len().saturating_sub(damage.len() % 3));
        if let Ok(state) = restore(text, &stream, None, &damaged) {
            state.figures();
        }
    }
}
