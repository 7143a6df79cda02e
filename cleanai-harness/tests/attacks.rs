//! Attacks on the LeNet-5 of the example against torchattacks and foolbox (`fixtures/golden/attacks.json`), what batches may not change, and
//! the errors of models and data that cannot be attacked.

use std::path::Path;

use base64::Engine;
use cleanai_harness::data::transform::{self, TransformStep};
use cleanai_harness::data::{Batch, DataSet, Values};
use cleanai_harness::declare::{DataLocation, DeviceChoice, ModelOptions, OnBadInput, StateChoice};
use cleanai_harness::model::{GradientModel, Model};
use cleanai_harness::synthesis::{Attack, Attacker, Bim, Cw, Fgsm, Jsma, Method, Norm, Pgd, Target};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

mod common;

use common::{fixture, json, root};

const DIGITS: &str = "[\"grayscale\", { normalize = { mean = 0.5, std = 0.5 } }]";
const PIXELS: usize = 28 * 28;

fn lenet() -> GradientModel {
    opened(&root().join("examples/digits/models/lenet5.pt"))
}

fn opened(path: &Path) -> GradientModel {
    GradientModel::new(Model::open(path, DeviceChoice::Cpu).unwrap()).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(path: &str, options: &ModelOptions) -> String {
    let model = Model::open_with(&fixture(path), options).unwrap();
    GradientModel::new(model).unwrap_err().to_string().replace(&fixture("").display().to_string(), "")
}

fn digits(range: &str, steps: &[TransformStep]) -> DataSet {
    let location = DataLocation { path: format!("data/test{range}"), root: root().join("examples/digits") };
    DataSet::open(&location, steps, OnBadInput::Fail).unwrap()
}

/// A data set and what an attack makes of it.
struct Attacked {
    made: Vec<Vec<f32>>,
    originals: Vec<Vec<f32>>,
    labels: Vec<i64>,
}

fn rows(batch: &Batch) -> Vec<Vec<f32>> {
    let Values::Float(values) = &batch.fields[0].values else { panic!("floats") };
    values.chunks(values.len() / batch.size).take(batch.inputs).map(<[f32]>::to_vec).collect()
}

fn attacked(attack: &Attack, range: &str, size: usize) -> Attacked {
    let steps = transform::parse(DIGITS).unwrap();
    let (set, mut model) = (digits(range, &steps), lenet());
    let attacker = Attacker::new(attack, &set, &steps).unwrap();
    let mut all = Attacked { made: Vec::new(), originals: Vec::new(), labels: Vec::new() };
    for batch in set.batches(size) {
        let mut batch = batch.unwrap();
        all.originals.extend(rows(&batch));
        all.labels.extend(batch.labels.as_deref().unwrap());
        attacker.apply(&mut model, &mut batch, &|index| set.names(index)).unwrap_or_else(|error| panic!("{error}"));
        let Values::Float(values) = &batch.fields[0].values else { panic!("floats") };
        let last = &values[(batch.inputs - 1) * PIXELS..][..PIXELS];
        assert!(values[batch.inputs * PIXELS..].chunks(PIXELS).all(|row| row == last), "padding is the last input");
        all.made.extend(rows(&batch));
    }
    all
}

fn classes(rows: &[Vec<f32>]) -> Vec<i64> {
    let input = Tensor::from_slice(&rows.concat()).view([rows.len() as i64, 1, 28, 28]);
    Vec::try_from(lenet().logits(&input).unwrap().argmax(1, false)).unwrap()
}

/// Distances between inputs in lengths of the range, which is 2 after the transform: Euclidean, largest.
fn distances(attacked: &Attacked) -> Vec<(f64, f64)> {
    let of = |(made, own): (&Vec<f32>, &Vec<f32>)| {
        let moved = made.iter().zip(own).map(|(made, own)| (f64::from(*made) - f64::from(*own)).abs() / 2.0);
        moved.fold((0.0, 0.0f64), |(sum, most), moved| (sum + moved * moved, most.max(moved)))
    };
    attacked.made.iter().zip(&attacked.originals).map(of).map(|(sum, most)| (f64::sqrt(sum), most)).collect()
}

struct Rates {
    successes: usize,
    euclidean: f64,
    largest: f64,
}

fn rates_of(attacked: &Attacked) -> Rates {
    let taken = classes(&attacked.made);
    let successes = taken.iter().zip(&attacked.labels).filter(|(taken, label)| taken != label).count();
    let (distances, inputs) = (distances(attacked), attacked.made.len() as f64);
    Rates {
        successes,
        euclidean: distances.iter().map(|one| one.0).sum::<f64>() / inputs,
        largest: distances.iter().map(|one| one.1).sum::<f64>() / inputs,
    }
}

fn golden() -> Value {
    json(&fixture("golden/attacks.json"))
}

/// Success and distortion over all test pictures.
fn compare(attack: &Attack, of_tool: &Value, slack: usize, close: f64) {
    let found = rates_of(&attacked(attack, "", 100));
    let expected = |key: &str| of_tool[key].as_f64().unwrap();
    let off = found.successes.abs_diff(of_tool["successes"].as_u64().unwrap() as usize);
    assert!(off <= slack, "{attack:?}: {} succeed, golden {}", found.successes, of_tool["successes"]);
    for (found, expected) in [(found.euclidean, expected("l2")), (found.largest, expected("linf"))] {
        assert!((found - expected).abs() <= close * expected, "{attack:?}: {found}, golden {expected}");
    }
}

/// The ten pictures that the golden file has, made by an attack and by a tool, from 0 to 1.
fn pictures(method: Method) -> (Vec<f32>, Vec<f32>, Value) {
    let golden = golden();
    let chosen: Vec<usize> =
        golden["chosen"].as_array().unwrap().iter().map(|at| at.as_u64().unwrap() as usize).collect();
    let name = method.name();
    let mut made = Vec::new();
    for at in &chosen {
        let one = attacked(&Attack::new(method.clone()), &format!("#{at}..{}", at + 1), 1);
        made.extend(one.made[0].iter().map(|value| (value + 1.0) / 2.0));
    }
    let text = golden["pictures"][name].as_str().unwrap_or_default();
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    let expected = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    (made, expected, golden)
}

fn far(found: &[f32], expected: &[f32]) -> usize {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).filter(|(found, expected)| (*found - *expected).abs() > 1e-5).count()
}

#[test]
fn one_step_and_many_are_those_of_the_tools_pixel_for_pixel() {
    for method in [Method::Fgsm(Fgsm::default()), Method::Bim(Bim::default())] {
        let (found, expected, _) = pictures(method.clone());
        assert_eq!(far(&found, &expected), 0, "{method:?}");
    }
}

#[test]
fn success_and_distortion_are_those_of_the_tools() {
    let golden = golden();
    let rates = &golden["rates"];
    compare(&Attack::new(Method::Fgsm(Fgsm::default())), &rates["fgsm"], 1, 1e-3);
    compare(&Attack::new(Method::Bim(Bim::default())), &rates["bim"], 1, 5e-3);
    compare(&Attack::new(Method::Fgsm(Fgsm { eps: 2.0, norm: Norm::Euclidean })), &rates["fgsm_2"], 1, 1e-3);
    // From other starts, on other pictures.
    let pgd = rates_of(&attacked(&Attack::new(Method::Pgd(Pgd::default())), "#..150", 75));
    let of_tool = &rates["pgd"];
    assert_eq!((pgd.successes, of_tool["successes"].as_u64()), (150, Some(150)));
    assert!((pgd.euclidean - of_tool["l2"].as_f64().unwrap()).abs() < 0.5, "{}", pgd.euclidean);
}

#[test]
fn pairs_of_pixels_are_those_of_torchattacks() {
    let (found, expected, golden) = pictures(Method::Jsma(Jsma::default()));
    let labels = golden["labels"].as_array().unwrap();
    let mut same = 0;
    for ((found, expected), label) in found.chunks(PIXELS).zip(expected.chunks(PIXELS)).zip(labels) {
        let normalised: Vec<f32> = found.iter().map(|value| value * 2.0 - 1.0).collect();
        assert_eq!(classes(&[normalised]), [(label.as_i64().unwrap() + 1) % 10]);
        same += usize::from(far(found, expected) == 0);
    }
    // Where two pairs are all but equal rounding decides, and all that follows is other.
    assert!(same >= 9, "{same} of 10 are the same");
}

#[test]
fn as_little_is_changed_as_by_foolbox() {
    let golden = golden();
    let steps = golden["parameters"]["cw"]["steps"].as_u64().unwrap() as u32;
    let (found, _, golden) = pictures(Method::Cw(Cw { max_iterations: steps, ..Cw::default() }));
    let chosen = golden["chosen"].as_array().unwrap();
    let distances = golden["cw"]["distances"].as_array().unwrap();
    for (at, found) in found.chunks(PIXELS).enumerate().take(distances.len()) {
        let place = chosen[at].as_u64().unwrap();
        let normalised: Vec<f32> = found.iter().map(|value| value * 2.0 - 1.0).collect();
        assert_ne!(classes(&[normalised])[0], golden["labels"][at].as_i64().unwrap());
        let own = attacked(&Attack::new(Method::Bim(Bim::default())), &format!("#{place}..{}", place + 1), 1);
        let moved =
            found.iter().zip(&own.originals[0]).map(|(found, own)| f64::from(found - (own + 1.0) / 2.0).powi(2));
        let (distance, expected) = (moved.sum::<f64>().sqrt(), distances[at].as_f64().unwrap());
        assert!((distance - expected).abs() < 0.01 * expected, "input {place}: {distance}, foolbox {expected}");
    }
}

#[test]
fn batches_decide_nothing() {
    let cw = Cw { max_iterations: 60, binary_search_steps: 2, initial_const: 1.0, ..Cw::default() };
    for method in [
        Method::Fgsm(Fgsm::default()),
        Method::Bim(Bim::default()),
        Method::Pgd(Pgd { iterations: 3, ..Pgd::default() }),
        Method::Jsma(Jsma { gamma: 0.05, ..Jsma::default() }),
        Method::Cw(cw),
    ] {
        let attack = Attack::new(method);
        let [whole, parts, again] = [30, 7, 30].map(|size| attacked(&attack, "#270..300", size).made);
        assert_eq!(whole, again, "{attack:?}");
        // Rounding may turn the sign of a gradient next to 0.
        let off = whole.iter().zip(&parts).map(|(one, other)| far(one, other)).sum::<usize>();
        let allowed = if matches!(attack.method, Method::Cw(_)) { 30 * PIXELS / 50 } else { 30 * PIXELS / 500 };
        assert!(off <= allowed, "{attack:?}: {off} values differ");
        let taken = [classes(&whole), classes(&parts)];
        assert!(taken[0].iter().zip(&taken[1]).filter(|(one, other)| one != other).count() <= 1, "{attack:?}");
    }
    // Starts are told by seed and number.
    let pgd = |seed: u64| Attack::new(Method::Pgd(Pgd { iterations: 1, step: 1e-6, seed, eps: 0.3 }));
    let [all, later] = ["#270..300", "#280..300"].map(|range| attacked(&pgd(0), range, 10).made);
    assert!(far(&attacked(&pgd(1), "#270..300", 10).made.concat(), &all.concat()) > PIXELS * 10);
    assert!(far(&all[10..].concat(), &later.concat()) > PIXELS * 5, "another number is another start");
}

#[test]
fn changes_stay_within_eps_and_the_range_and_nothing_else_moves() {
    for (method, eps) in [
        (Method::Fgsm(Fgsm { eps: 0.1, norm: Norm::Largest }), Some(0.1)),
        (Method::Bim(Bim { eps: 0.1, ..Bim::default() }), Some(0.1)),
        (Method::Pgd(Pgd { eps: 0.1, iterations: 5, ..Pgd::default() }), Some(0.1)),
        (Method::Jsma(Jsma { theta: -1.0, gamma: 0.1 }), None),
    ] {
        let all = attacked(&Attack::new(method.clone()), "#..20", 20);
        assert!(all.made.iter().flatten().all(|value| (-1.0..=1.0).contains(value)), "{method:?}");
        if let Some(eps) = eps {
            assert!(distances(&all).iter().all(|(_, largest)| *largest <= eps + 1e-6), "{method:?}");
        } else {
            for (made, own) in all.made.iter().zip(&all.originals) {
                let moved: Vec<usize> = (0..PIXELS).filter(|at| made[*at].to_bits() != own[*at].to_bits()).collect();
                assert!(moved.len() <= 80 && moved.iter().all(|at| made[*at] == -1.0), "downwards, and 10 % at most");
            }
        }
    }
}

#[test]
fn a_target_is_reached() {
    for method in [Method::Bim(Bim { iterations: 20, ..Bim::default() }), Method::Jsma(Jsma::default())] {
        for target in [Target::Number(3), Target::Name("3".into())] {
            let attack = Attack { target: Some(target), ..Attack::new(method.clone()) };
            let taken = classes(&attacked(&attack, "#100..120", 20).made);
            let there = taken.iter().filter(|class| **class == 3).count();
            assert!(there >= 15, "{attack:?}: {there} of 20");
        }
    }
}

#[test]
fn a_softmax_inside_does_not_weaken_a_gradient() {
    // The softmax of `mlp` is behind its logits, whose gradient this is.
    let mut models = ["models/mlp.pt", "models/mlp.scripted.pt", "models/mlp.pt2"].map(|path| opened(&fixture(path)));
    let input = Tensor::arange(24, (Kind::Float, Device::Cpu)).view([3, 8]) / 7.0;
    let mut first: Option<Tensor> = None;
    for model in &mut models {
        let run = model.run(&input).unwrap();
        let cotangent = run.logits().ones_like() * 2.0;
        let gradient = model.gradient(&run, &cotangent, true).unwrap();
        // Of the sum of all probabilities it would be 0.
        assert!(f64::try_from(gradient.abs().max()).unwrap() > 0.01);
        // As differences tell it.
        for place in 0..8 {
            let moved = |by: f64| {
                let step = Tensor::zeros([3, 8], (Kind::Float, Device::Cpu));
                let _ = step.narrow(1, place, 1).fill_(by);
                step + &input
            };
            let [up, down] =
                [1e-2, -1e-2].map(|by| model.logits(&moved(by)).unwrap().sum_dim_intlist(1i64, false, Kind::Double));
            let expected: Vec<f64> = Vec::try_from((up - down) / 1e-2).unwrap();
            let found: Vec<f64> = Vec::try_from(gradient.select(1, place).to_kind(Kind::Double)).unwrap();
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 0.02 * expected.abs().max(0.1), "{found}, {expected}");
            }
        }
        let again = model.gradient(&run, &cotangent, false).unwrap();
        assert!(again.equal(&gradient), "a run that is kept can be asked again");
        match &first {
            None => first = Some(gradient),
            Some(first) => assert!(f64::try_from((first - gradient).abs().max()).unwrap() < 1e-6),
        }
    }
}

#[test]
fn models_of_many_kinds_have_a_gradient() {
    for (path, shape) in [
        ("models/in_place.pt", &[2, 2, 8, 8][..]),
        ("models/in_place.pt2", &[2, 2, 8, 8]),
        ("models/resnet.scripted.pt", &[2, 3, 16, 16]),
        ("kinds/fixed_batch_four.pt2", &[3, 1, 6, 6]),
        ("kinds/vgg.frozen.pt", &[2, 3, 8, 8]),
        ("kinds/half.pt", &[2, 1, 6, 6]),
    ] {
        let mut model = opened(&fixture(path));
        let input = (Tensor::arange(shape.iter().product::<i64>(), (Kind::Float, Device::Cpu)) * 0.7).sin().view(shape);
        let run = model.run(&input).unwrap_or_else(|error| panic!("{path}: {error}"));
        let gradient = model.gradient(&run, &run.logits().ones_like(), false).unwrap();
        assert_eq!((gradient.size(), gradient.kind()), (shape.to_vec(), Kind::Float), "{path}");
        assert!(f64::try_from(gradient.abs().sum(Kind::Float)).unwrap() > 0.0, "{path}");
        let plain = model.logits(&input).unwrap();
        assert!(f64::try_from((plain - run.logits()).abs().max()).unwrap() < 2e-3, "{path}");
    }
}

#[test]
fn what_cannot_be_attacked_is_named() {
    let plain = ModelOptions { device: DeviceChoice::Cpu, ..ModelOptions::default() };
    let constant = Model::from_fn(
        |_| Tensor::ones([2, 3], (Kind::Float, Device::Cpu)),
        &Tensor::zeros([2, 3], (Kind::Float, Device::Cpu)),
    )
    .unwrap();
    assert_eq!(
        GradientModel::new(constant).unwrap_err().to_string(),
        "a model written in Rust has no logits, so there is no class whose gradient could be taken
  help: they are what the final softmax reads, else the output of the last layer with weights"
    );
    assert_eq!(
        refused("kinds/several_inputs.pt", &plain),
        "kinds/several_inputs.pt takes 2 inputs (`image`, `tokens`), and gradients are for one
  help: export the model with the other inputs as constants"
    );
    assert_eq!(
        refused("kinds/lstm.pt", &plain),
        "kinds/lstm.pt takes whole numbers as `tokens` (int64), which have no gradient
  help: export the part of the model behind the embedding, with its floats as input"
    );
    let keep = ModelOptions { state: StateChoice::Keep, ..plain };
    assert_eq!(
        refused("kinds/stateful.pt", &keep),
        "kinds/stateful.pt keeps a state from run to run, and gradients are of single runs
  help: leave out `state = \"keep\"`: every input then starts from a fresh state"
    );
    for (path, shape, operator) in [
        ("kinds/quantised_linear.pt", &[2, 8][..], "quantized::linear_dynamic"),
        ("kinds/quantised_conv.pt", &[2, 1, 6, 6], "aten::quantize_per_tensor"),
    ] {
        let mut model = opened(&fixture(path));
        let run = model.run(&Tensor::ones(shape, (Kind::Float, Device::Cpu))).unwrap_or_else(|error| panic!("{error}"));
        let cotangent = run.logits().ones_like();
        let said = model.gradient(&run, &cotangent, false).unwrap_err().to_string();
        let said = said.replace(&fixture("").display().to_string(), "");
        let start = format!("the logits of {path} have no gradient to its input: {operator}");
        assert!(said.starts_with(&start) && said.contains(" has none\n  help: quantised operators"), "{said}");
    }
}

#[test]
fn what_an_attack_cannot_use_is_named() {
    let steps = transform::parse(DIGITS).unwrap();
    let set = digits("", &steps);
    let new = |attack: &Attack| Attacker::new(attack, &set, &steps);
    let fgsm = |eps: f64| Attack::new(Method::Fgsm(Fgsm { eps, norm: Norm::Largest }));
    let to = |target: Target| Attack { target: Some(target), ..fgsm(0.3) };
    for (attack, what) in [
        (fgsm(-0.1), "`eps` must be more than 0 and at most 1, not -0.1"),
        (fgsm(1.5), "`eps` must be more than 0 and at most 1, not 1.5"),
        (fgsm(f64::NAN), "`eps` must be more than 0 and at most 1, not NaN"),
        (Attack::new(Method::Jsma(Jsma { theta: 0.0, gamma: 1.0 })), "`theta` must be from -1 to 1 and not 0, not 0"),
        (
            Attack::new(Method::Jsma(Jsma { theta: 1.0, gamma: 2.0 })),
            "`gamma` must be more than 0 and at most 1, not 2",
        ),
        (
            Attack::new(Method::Bim(Bim { iterations: 0, ..Bim::default() })),
            "`iterations` must be from 1 to 1000000, not 0",
        ),
        (
            to(Target::Name("seven".into())),
            "`target` is the class `seven`, which this data does not have
  help: known: `0`, `1`, `2`, `3`, `4`, `5`, `6`, `7`, `8` and `9`",
        ),
        (
            Attack { range: [0.0, 0.0], ..fgsm(0.3) },
            "`range` must be two finite numbers, the lower first, not [0.0, 0.0]",
        ),
    ] {
        assert_eq!(new(&attack).unwrap_err().to_string(), what);
    }
    let apply = |attack: &Attack, change: &dyn Fn(&mut Batch)| {
        let mut batch = set.batches(5).next().unwrap().unwrap();
        change(&mut batch);
        let result = new(attack).unwrap().apply(&mut lenet(), &mut batch, &|index| set.names(index));
        result.unwrap_err().to_string()
    };
    assert_eq!(
        apply(&to(Target::Number(10)), &|_| {}),
        "`target` is 10, but the model has 10 classes, numbered from 0"
    );
    let names = set.names(3);
    assert_eq!(
        apply(&fgsm(0.3), &|batch| batch.labels.as_mut().unwrap()[3] = 12),
        format!(
            "input {names}: its label is 12, but the model has 10 classes, numbered from 0
  help: are the labels those of this model? Attacks lead away from them"
        )
    );
    assert_eq!(
        apply(&Attack { range: [0.0, 0.25], ..fgsm(0.3) }, &|_| {}).split(": the value").next().unwrap(),
        format!("input {}", set.names(0))
    );
    let nan = |batch: &mut Batch| {
        if let Values::Float(values) = &mut batch.fields[0].values {
            values[PIXELS] = f32::NAN;
        }
    };
    assert_eq!(
        apply(&fgsm(0.3), &nan),
        format!(
            "input {}: the value NaN lies outside -1 to 1, which the range [0.0, 1.0] is after the transform
  help: say where the data lies before it is normalised: `range = [LOW, HIGH]` in `fgsm`",
            set.names(1)
        )
    );
}
