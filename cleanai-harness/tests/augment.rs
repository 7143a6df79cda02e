//! Inputs made of a test set: measured with it, told by nothing but seed, input and augmentation, and changed only where they are meant to be.

use std::cell::RefCell;
use std::rc::Rc;

use cleanai_harness::data::Values;
use cleanai_harness::data::transform::TransformStep;
use cleanai_harness::declare::{Declaration, DeviceChoice};
use cleanai_harness::importance::{Explainer, Rules};
use cleanai_harness::measure::probe::{self, Moment};
use cleanai_harness::measure::{Augmented, Measurement, Plan, once};
use cleanai_harness::model::Model;
use cleanai_harness::synthesis::{Attack, Fgsm, Method, PixelNoise, Pixels, Target};
use tch::Tensor;

mod common;

use common::{Case, root};

const DIGITS: Case<'_> = Case {
    model: "models/lenet5.pt",
    profile: Some("data/train"),
    test: "data/test",
    transform: "[\"grayscale\", \"scale\", { normalize = { mean = [0.5], std = [0.5] } }]",
};

fn digits(test: &str, augment: &[PixelNoise]) -> Declaration {
    let mut declaration = common::declaration(&root().join("examples/digits"), &Case { test, ..DIGITS });
    declaration.data.augment = augment.iter().cloned().map(Into::into).collect();
    declaration
}

fn relevant() -> PixelNoise {
    PixelNoise { seed: 1, ..PixelNoise::new(Pixels::Relevant(0.02)) }
}

fn measured(declaration: &Declaration, criteria: &[&str]) -> Measurement {
    let criteria: Vec<_> = criteria.iter().map(|text| text.parse().unwrap()).collect();
    once(declaration, &criteria).unwrap_or_else(|error| panic!("{error}"))
}

/// Inputs in order, with their labels, as the model gets them.
#[derive(Default, PartialEq)]
struct Seen {
    rows: Vec<Vec<f32>>,
    labels: Vec<i64>,
}

fn seen(declaration: &Declaration) -> Seen {
    let all = Rc::new(RefCell::new(Seen::default()));
    let noted = Rc::clone(&all);
    let note = move |moment: Moment<'_>| {
        let Moment::Before(batch) = moment else { return };
        let mut seen = noted.borrow_mut();
        assert_eq!(batch.first, seen.rows.len(), "inputs are counted on");
        let Values::Float(values) = &batch.fields[0].values else { panic!("images") };
        let rows = values.chunks(values.len() / batch.size).take(batch.inputs);
        seen.rows.extend(rows.map(<[f32]>::to_vec));
        seen.labels.extend(batch.labels.as_deref().unwrap());
    };
    // A criterion without a profile: only the test set passes.
    probe::watched(note, || measured(declaration, &["nc(threshold=0.25)"]));
    all.take()
}

/// Pixels that differ, by input.
fn changed(made: &[Vec<f32>], originals: &[Vec<f32>]) -> Vec<Vec<usize>> {
    let pairs = made.iter().zip(originals);
    pairs.map(|(made, own)| (0..own.len()).filter(|pixel| made[*pixel] != own[*pixel]).collect()).collect()
}

#[test]
fn the_union_covers_what_the_test_set_does_and_more() {
    let criteria = ["nc(threshold=0.25)", "kmnc(k=100)", "accuracy"];
    let own = measured(&digits("data/test", &[]), &criteria);
    let union = measured(&digits("data/test", &[relevant()]), &criteria);
    assert_eq!(own.data.augmented, []);
    assert_eq!(union.data.inputs, 2 * own.data.inputs);
    let how = "relevant_pixels(share=0.02, std=0.3, seed=1)".to_owned();
    assert_eq!(union.data.augmented, [Augmented { how, inputs: own.data.inputs }]);
    assert_eq!(union.data.profile_inputs, own.data.profile_inputs, "the profile set is as it was");
    for criterion in &criteria[..2] {
        let of = |measured: &Measurement| measured.criterion(criterion).unwrap().clone();
        let (own, union) = (of(&own), of(&union));
        assert_eq!(own.total, union.total);
        assert!(union.covered >= own.covered, "{criterion}");
        let known = own.contributions.len();
        assert_eq!(union.contributions[..known], own.contributions, "the test set comes first");
        let covered: u64 = union.contributions.iter().map(|one| one.covered).sum();
        assert_eq!(Some(covered), union.covered, "{criterion}");
    }
    let [own, union] = [&own, &union].map(|measured| measured.criterion("kmnc(k=100)").unwrap().covered.unwrap());
    assert!(union > own, "{union}, {own}");
}

#[test]
fn made_inputs_are_named_after_their_parents() {
    let declaration = digits("data/test#0..3", &[relevant(), PixelNoise::new(Pixels::All)]);
    let measured = measured(&declaration, &["kmnc(k=1000)"]);
    assert_eq!((measured.data.inputs, measured.data.augmented.len()), (9, 2));
    let result = measured.criterion("kmnc(k=1000)").unwrap();
    assert_eq!(result.contributions.iter().map(|one| one.input).collect::<Vec<_>>(), (0..9).collect::<Vec<_>>());
    let names: Vec<&str> = result.leading.iter().map(|one| one.name.as_str()).collect();
    let originals: Vec<&str> = names.iter().copied().filter(|name| name.ends_with(".png")).collect();
    assert_eq!(originals.len(), 3);
    for original in originals {
        for made in ["relevant_pixels(share=0.02, std=0.3, seed=1)", "gaussian(std=0.3, seed=0)"] {
            assert!(names.contains(&format!("{original} + {made}").as_str()), "{original} + {made}: {names:?}");
        }
    }
    assert_eq!(result.classes.values().map(|class| class.inputs).sum::<u64>(), 9);
}

#[test]
fn batches_decide_nothing_and_labels_are_kept() {
    let augment = [relevant(), PixelNoise::new(Pixels::Random(0.02)), PixelNoise::new(Pixels::All)];
    let mut declaration = digits("data/test#..50", &augment);
    let by_64 = seen(&declaration);
    assert_eq!(by_64.rows.len(), 200);
    for part in by_64.labels.chunks(50) {
        assert_eq!(part, &by_64.labels[..50]);
    }
    declaration.batch = 7;
    assert!(seen(&declaration) == by_64);
    assert!(by_64.rows.iter().flatten().all(|value| (-1.0..=1.0).contains(value)));
}

#[test]
fn noise_is_on_the_pixels_the_model_looks_at() {
    let random = PixelNoise { seed: 1, ..PixelNoise::new(Pixels::Random(0.02)) };
    let seen = seen(&digits("data/test#..40", &[relevant(), random]));
    let (originals, made) = seen.rows.split_at(40);
    let pixels = originals[0].len();
    let count = (pixels as f64 * 0.02).round().max(1.0) as usize;
    let (relevant, random) = (changed(&made[..40], originals), changed(&made[40..], originals));
    assert!(relevant.iter().chain(&random).all(|changed| changed.len() <= count));
    assert!(relevant.iter().zip(&random).filter(|(one, other)| one == other).count() < 4);
    // Half of the noise leads out of the range where a pixel is black or white, and is clipped.
    for changed in [&relevant, &random] {
        let all: usize = changed.iter().map(Vec::len).sum();
        assert!(all > 40 * count / 3, "{all} of {}", 40 * count);
    }

    let path = root().join("examples/digits/models/lenet5.pt");
    let model = Model::open(&path, DeviceChoice::Cpu).unwrap();
    let mut explainer = Explainer::new(model, Rules::default()).unwrap();
    let side = (pixels as f64).sqrt() as i64;
    for (original, changed) in originals.iter().zip(&relevant) {
        let input = Tensor::from_slice(original).view([1, 1, side, side]);
        let relevance = explainer.explain(&[("x", &input)], None, &[]).unwrap();
        let relevance: Vec<f64> = Vec::try_from(relevance.inputs[0].contiguous().view(-1)).unwrap();
        let mut order: Vec<usize> = (0..pixels).collect();
        order.sort_by(|a, b| (relevance[*b] as f32).total_cmp(&(relevance[*a] as f32)).then(a.cmp(b)));
        assert!(changed.iter().all(|pixel| order[..count].contains(pixel)), "{changed:?}, {:?}", &order[..count]);
    }
}

#[test]
fn attacks_are_measured_with_the_test_set() {
    let mut declaration = digits("data/test#..60", &[]);
    let attack = Attack::new(Method::Fgsm(Fgsm::default()));
    declaration.data.augment = vec![attack.clone().into(), PixelNoise::new(Pixels::All).into()];
    let before = measured(&digits("data/test#..60", &[]), &["accuracy"]);
    let union = measured(&declaration, &["accuracy", "nc(threshold=0.25)"]);
    let value = |measured: &Measurement| measured.criterion("accuracy").unwrap().value.unwrap();
    assert_eq!(union.data.inputs, 180);
    assert_eq!(union.data.augmented[0], Augmented { how: "fgsm(eps=0.3, norm=\"inf\")".into(), inputs: 60 });
    // All attacks succeed on a model that has not met any.
    assert!(value(&before) > 0.95 && value(&union) < 0.67, "{}, {}", value(&before), value(&union));

    // What is measured is what the attack makes, after the originals.
    let Seen { rows, labels } = seen(&declaration);
    assert_eq!((rows.len(), &labels[..60]), (180, &labels[60..120]));
    for (made, own) in rows[60..120].iter().zip(&rows[..60]) {
        let largest = made.iter().zip(own).map(|(made, own)| (made - own).abs()).fold(0.0, f32::max);
        assert!((largest - 0.6).abs() < 1e-6 && made.iter().all(|value| (-1.0..=1.0).contains(value)), "{largest}");
    }

    // Each in a pass of its own batches, and where the model cannot be attacked.
    declaration.batch = 7;
    let parts = seen(&declaration).rows;
    let differ = changed(&parts[60..120], &rows[60..120]).iter().map(Vec::len).sum::<usize>();
    assert!(differ < 60, "rounding turns a sign at most: {differ}");
    declaration.data.augment = vec![Attack { target: Some(Target::Number(10)), ..attack }.into()];
    let said = once(&declaration, &["nc".parse().unwrap()]).unwrap_err().to_string();
    assert_eq!(
        said,
        "augment fgsm(eps=0.3, norm=\"inf\", target=10): `target` is 10, but the model has 10 classes, numbered from 0"
    );
}

#[test]
fn augmented_data_has_a_pass_of_its_own() {
    let require = |mut declaration: Declaration| {
        declaration.requirements = vec!["nc >= 0".parse().unwrap()];
        declaration
    };
    let plan = Plan::new([digits("data/test#..5", &[]), digits("data/test#..5", &[relevant()])].map(require).to_vec());
    let inputs = [0, 1].map(|index| plan.measure(index).unwrap().data.inputs);
    assert_eq!(inputs, [5, 10]);
}

#[test]
fn says_what_is_in_the_way() {
    let refused = |declaration: &Declaration| once(declaration, &["nc".parse().unwrap()]).unwrap_err().to_string();
    let narrow = PixelNoise { range: [0.0, 0.5], ..PixelNoise::new(Pixels::All) };
    let said = refused(&digits("data/test#..5", &[narrow]));
    assert!(said.starts_with("augment gaussian(std=0.3, seed=0, range=[0, 0.5]): input 0/"), "{said}");
    assert!(said.contains("lies outside -1 to 0, which the range [0.0, 0.5] is after the transform"), "{said}");

    let mut declaration = digits("data/test#..5", &[relevant()]);
    declaration.data.transform.push(TransformStep::Grayscale);
    let said = refused(&declaration);
    assert!(said.contains("\"grayscale\" follows a `normalize`"), "{said}");
}
