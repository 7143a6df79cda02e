//! The loss against its definition, and what is refused. `tests/training.rs` has its gradient against differences.

use tch::nn::{self, Module};
use tch::{Device, Kind, Tensor};

use super::*;

fn rows<const WIDTH: usize>(rows: &[[f64; WIDTH]]) -> Tensor {
    Tensor::from_slice2(rows)
}

fn labels(labels: &[i64]) -> Tensor {
    Tensor::from_slice(labels)
}

/// Two classes; class 0 was seen between 0 and 2, and 1 and 1, class 1 between 10 and 20, and -1 and 1.
fn ranges() -> TrustedRanges {
    let mut ranges = TrustedRanges::new(2).unwrap();
    let logits = rows(&[[4.0, 0.0], [4.0, 0.0], [0.0, 4.0], [0.0, 4.0], [0.5, 0.0], [4.0, 0.0]]);
    // The last two are not trusted: one is not sure, one is wrong.
    let layer = rows(&[[0.0, 1.0], [2.0, 1.0], [10.0, -1.0], [20.0, 1.0], [99.0, 99.0], [-99.0, -99.0]]);
    ranges.observe(&logits, &labels(&[0, 0, 1, 1, 0, 1]), &[layer]).unwrap();
    ranges
}

fn number(tensor: &Tensor) -> f64 {
    tensor.double_value(&[])
}

#[test]
fn the_penalty_is_measured_in_widths() {
    let ranges = ranges();
    assert_eq!((ranges.trusted(), ranges.neurons()), (&[2u64, 2][..], 2));
    let loss = ConfidenceLoss::new(2.0, ranges).unwrap();
    let penalty = |label: i64, row: [f64; 2]| number(&loss.penalty(&labels(&[label]), &[rows(&[row])]).unwrap());
    // Class 0's second neuron is constant and left out, so the first counts alone.
    assert_eq!(penalty(0, [1.0, 7.0]), 0.0);
    assert_eq!(penalty(0, [2.0, 1.0]), 0.0, "the ends are inside");
    assert_eq!(penalty(0, [3.0, 1.0]), 0.5);
    assert_eq!(penalty(0, [-4.0, 1.0]), 2.0);
    assert_eq!(penalty(1, [25.0, -2.0]), (0.5 + 0.5) / 2.0);
    // The mean over the three neurons that have a width.
    let both = loss.penalty(&labels(&[0, 1]), &[rows(&[[3.0, 9.0], [25.0, -2.0]])]).unwrap();
    assert_eq!(number(&both), (0.5 + 0.5 + 0.5) / 3.0);
    let logits = rows(&[[3.0, 1.0]]);
    let whole = number(&loss.of(&logits, &labels(&[0]), &[rows(&[[3.0, 1.0]])]).unwrap());
    assert!((whole - ((-2f64).exp().ln_1p() + 2.0 * 0.5)).abs() < 1e-12);
    let none = ConfidenceLoss::new(0.0, self::ranges()).unwrap();
    let entropy = number(&none.of(&logits, &labels(&[0]), &[rows(&[[3.0, 1.0]])]).unwrap());
    assert!((entropy - (-2f64).exp().ln_1p()).abs() < 1e-12);
}

#[test]
fn layers_count_alike_and_maps_by_their_means() {
    let mut ranges = TrustedRanges::new(2).unwrap();
    let logits = rows(&[[4.0, 0.0], [4.0, 0.0], [0.0, 4.0]]);
    let wide = rows(&[[0.0], [4.0], [1.0]]);
    // One channel of 2 x 2 positions with the means 1, 2 and 0.
    let map = Tensor::from_slice(&[0.0, 1.0, 2.0, 1.0, 2.0, 2.0, 2.0, 2.0, 1.0, -1.0, 3.0, -3.0]).view([3, 1, 2, 2]);
    ranges.observe(&logits, &labels(&[0, 0, 1]), &[&wide, &map]).unwrap();
    assert_eq!(ranges.neurons(), 2);
    let loss = ConfidenceLoss::new(1.0, ranges).unwrap();
    let (value, map) = (rows(&[[6.0]]), Tensor::full([1, 1, 2, 2], 4.0, (Kind::Double, Device::Cpu)));
    assert_eq!(number(&loss.penalty(&labels(&[0]), &[&value, &map]).unwrap()), (0.5 + 2.0) / 2.0);
    // Class 1 has one trusted input: no neuron has a width.
    assert_eq!(number(&loss.penalty(&labels(&[1]), &[&value, &map]).unwrap()), 0.0);
    assert_eq!(number(&loss.penalty(&labels(&[]), &[&value.narrow(0, 0, 0), &map.narrow(0, 0, 0)]).unwrap()), 0.0);
}

#[test]
fn batches_of_trusted_inputs_add_up() {
    tch::manual_seed(1);
    let options = (Kind::Float, Device::Cpu);
    let (logits, layer) = (Tensor::randn([40, 3], options) * 6.0, Tensor::randn([40, 5, 2, 2], options));
    let labels = logits.argmax(1, false);
    let mut whole = TrustedRanges::new(3).unwrap();
    whole.observe(&logits, &labels, &[&layer]).unwrap();
    let mut parts = TrustedRanges::new(3).unwrap();
    for from in (0..40).step_by(10) {
        let part = |tensor: &Tensor| tensor.narrow(0, from, 10);
        parts.observe(&part(&logits), &part(&labels), &[part(&layer)]).unwrap();
    }
    assert_eq!(whole.trusted(), parts.trusted());
    assert!(
        whole.layers()[0].low.equal(&parts.layers()[0].low) && whole.layers()[0].high.equal(&parts.layers()[0].high)
    );
    // In plain numbers.
    let softmax = logits.softmax(1, Kind::Double);
    let means = layer.mean_dim(&[2i64, 3][..], false, Kind::Double);
    for class in 0..3 {
        let trusted = (0..40)
            .filter(|row| labels.int64_value(&[*row]) == class && softmax.double_value(&[*row, class]) >= TRUSTED);
        let trusted: Vec<i64> = trusted.collect();
        assert_eq!(trusted.len() as u64, whole.trusted()[class as usize]);
        for channel in 0..5 {
            let values = || trusted.iter().map(|row| means.double_value(&[*row, channel]));
            let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
            let of = |ranges: &Tensor| ranges.double_value(&[class, channel]);
            assert!(
                (of(&whole.layers()[0].low) - low).abs() < 1e-6 && (of(&whole.layers()[0].high) - high).abs() < 1e-6
            );
        }
    }
    // By the very inputs they are made of nothing is outside, and nothing to be paid.
    let trusted: Vec<i64> =
        (0..40).filter(|row| softmax.double_value(&[*row, labels.int64_value(&[*row])]) >= TRUSTED).collect();
    let chosen = |tensor: &Tensor| tensor.index_select(0, &Tensor::from_slice(&trusted));
    assert_eq!(whole.outside(&chosen(&logits), &[chosen(&layer)]).unwrap().sum(Kind::Int64).int64_value(&[]), 0);
    let loss = ConfidenceLoss::new(1.0, whole).unwrap();
    assert_eq!(number(&loss.penalty(&chosen(&labels), &[chosen(&layer)]).unwrap()), 0.0);
}

#[test]
fn what_lies_outside_is_counted() {
    let ranges = ranges();
    let logits = rows(&[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]);
    let layer = rows(&[[2.0, 1.0], [2.5, 1.5], [10.0, f64::NAN], [f64::INFINITY, 0.0]]);
    let outside = ranges.outside(&logits, &[layer]).unwrap();
    assert_eq!(Vec::<i64>::try_from(&outside).unwrap(), [0, 2, 1, 1]);
    let mut one = TrustedRanges::new(2).unwrap();
    one.observe(&rows(&[[4.0, 0.0]]), &labels(&[0]), &[rows(&[[1.0, 2.0]])]).unwrap();
    let outside = one.outside(&rows(&[[0.0, 1.0]]), &[rows(&[[1.0, 2.0]])]).unwrap();
    assert_eq!(outside.int64_value(&[0]), 2, "a class without trusted inputs has nothing inside");
}

#[test]
fn training_with_it_brings_neurons_back() {
    tch::manual_seed(3);
    let store = nn::VarStore::new(Device::Cpu);
    let layer = nn::linear(store.root(), 4, 6, Default::default());
    let inputs = Tensor::randn([64, 4], (Kind::Float, Device::Cpu));
    let wanted = inputs.select(1, 0).gt(0.0).to_kind(Kind::Int64);
    // Trusted is who says so: logits that are given, not computed.
    let logits = wanted.one_hot(2).to_kind(Kind::Float) * 9.0;
    let forward = |inputs: &Tensor| layer.forward(inputs).tanh();
    let mut ranges = TrustedRanges::new(2).unwrap();
    ranges.observe(&logits, &wanted, &[forward(&inputs)]).unwrap();
    let loss = ConfidenceLoss::new(1.0, ranges).unwrap();
    let others = Tensor::randn([64, 4], (Kind::Float, Device::Cpu)) * 1.5;
    let penalty = || loss.penalty(&wanted, &[forward(&others)]).unwrap();
    let before = number(&penalty());
    let mut optimiser = nn::OptimizerConfig::build(nn::Adam::default(), &store, 1e-2).unwrap();
    for _ in 0..100 {
        optimiser.backward_step(&penalty());
    }
    assert!(number(&penalty()) < 0.5 * before, "{before} became {}", number(&penalty()));
}

#[test]
fn bad_weights_and_classes_without_trusted_inputs_are_refused() {
    for lambda in [-1.0, f64::NAN, f64::INFINITY] {
        let error = ConfidenceLoss::new(lambda, ranges()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.what().ends_with("must be a finite number >= 0"), "{error}");
    }
    let mut some = TrustedRanges::new(4).unwrap();
    let logits = rows(&[[9.0, 0.0, 0.0, 0.0], [0.0, 0.0, 9.0, 0.0]]);
    some.observe(&logits, &labels(&[0, 1]), &[rows(&[[1.0], [2.0]])]).unwrap();
    let error = ConfidenceLoss::new(1.0, some).unwrap_err();
    assert!(error.what().starts_with("classes 1, 2, 3 have no trusted input"), "{error}");
    assert!(error.help().unwrap().contains("cross entropy first"));
    let error = ConfidenceLoss::new(1.0, TrustedRanges::new(30).unwrap()).unwrap_err();
    assert!(error.what().contains("7, 8, 9 and 20 more have"), "{error}");
    for classes in [0, 1] {
        assert!(TrustedRanges::new(classes).unwrap_err().what().ends_with(&format!("there are {classes}")));
    }
}

#[test]
fn what_does_not_fit_is_one_clear_error() {
    let loss = ConfidenceLoss::new(1.0, ranges()).unwrap();
    let (logits, right, layer) = (rows(&[[1.0, 0.0], [0.0, 1.0]]), labels(&[0, 1]), rows(&[[1.0, 1.0], [1.0, 1.0]]));
    let flat = Tensor::from_slice(&[1.0, 2.0]);
    let whole = right.to_kind(Kind::Int);
    let cases: Vec<(&str, Result<Tensor>)> = vec![
        (
            "the logits have the shape [2, 3] where (inputs, 2) is wanted",
            loss.of(&rows(&[[1.0; 3]; 2]), &right, &[&layer]),
        ),
        ("the logits have the shape [2] where", loss.of(&flat, &right, &[&layer])),
        ("the labels have the shape [3] where [2] is wanted", loss.of(&logits, &labels(&[0, 1, 0]), &[&layer])),
        ("the label of input 1 is 2, and the classes are 0 to 1", loss.of(&logits, &labels(&[0, 2]), &[&layer])),
        ("the label of input 0 is -1", loss.of(&logits, &labels(&[-1, 0]), &[&layer])),
        ("the labels are of kind Int, not Int64", loss.of(&logits, &whole, &[&layer])),
        ("2 layers are given where 1 are wanted", loss.of(&logits, &right, &[&layer, &layer])),
        ("0 layers are given where 1 are wanted", loss.of::<Tensor>(&logits, &right, &[])),
        (
            "layer 0 has the shape [1, 2] where (2, 2, ...) is wanted",
            loss.of(&logits, &right, &[&layer.narrow(0, 0, 1)]),
        ),
        (
            "layer 0 has the shape [2, 3] where (2, 2, ...) is wanted",
            loss.of(&logits, &right, &[&rows(&[[1.0; 3]; 2])]),
        ),
        ("layer 0 has the shape [2]: it needs inputs", loss.of(&logits, &right, &[&flat])),
        ("layer 0 has the shape [2, 1] where", loss.ranges().outside(&logits, &[&layer.narrow(1, 0, 1)])),
    ];
    for (wanted, result) in cases {
        let error = result.expect_err(wanted);
        assert_eq!(error.kind(), ErrorKind::Data, "{error}");
        assert!(error.what().contains(wanted), "{error} is not {wanted}");
    }
    let mut ranges = TrustedRanges::new(2).unwrap();
    let sure = rows(&[[9.0, 0.0]]);
    for value in [f64::NAN, f64::INFINITY] {
        let error = ranges.observe(&sure, &labels(&[0]), &[rows(&[[1.0, value]])]).unwrap_err();
        assert!(error.what().contains("layer 0 a value that is NaN or infinite"), "{error}");
    }
    // What is not trusted may have any value, and what was refused left nothing behind.
    ranges.observe(&rows(&[[0.1, 0.0]]), &labels(&[0]), &[rows(&[[f64::NAN, 1.0]])]).unwrap();
    assert_eq!(ranges.trusted(), [0, 0]);
    let error = ranges.observe(&sure, &labels(&[0]), &[rows(&[[1.0]])]).unwrap_err();
    assert!(error.what().contains("where (1, 2, ...) is wanted"), "{error}");
}
