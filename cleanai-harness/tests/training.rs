//! Loaded models that are trained: their parameters are variables of a store, and their layers have gradients.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cleanai_harness::declare::DeviceChoice;
use cleanai_harness::model::{Model, Observed};
use cleanai_harness::training::{ConfidenceLoss, TrainableModel, TrustedRanges};
use common::{fixture, root};
use tch::nn::{self, Module, OptimizerConfig};
use tch::{Device, Kind, Tensor};

fn lenet(form: &str) -> PathBuf {
    match form {
        "scripted" => fixture("models/lenet5.scripted.pt"),
        form => root().join("examples/digits/models/lenet5").with_extension(form),
    }
}

fn open(path: &Path) -> Model {
    Model::open(path, DeviceChoice::Cpu).unwrap_or_else(|error| panic!("{error}"))
}

fn number(tensor: &Tensor) -> f64 {
    tensor.double_value(&[])
}

/// Numbers that differ from place to place.
fn input(shape: &[i64]) -> Tensor {
    let count = shape.iter().product::<i64>();
    ((Tensor::arange(count, (Kind::Float, Device::Cpu)) * 7919.0).remainder(17.0) / 8.0 - 1.0).view(shape)
}

fn trainable(path: &Path, store: &nn::VarStore, example: &Tensor) -> TrainableModel {
    TrainableModel::new(open(path), &[("x", example)], &store.root()).unwrap_or_else(|error| panic!("{error}"))
}

/// The gradients of the cross entropy by name.
fn gradients(store: &nn::VarStore, loss: &Tensor) -> BTreeMap<String, Tensor> {
    let mut variables = store.trainable_variables();
    variables.iter_mut().for_each(|variable| variable.zero_grad());
    loss.backward();
    store.variables().into_iter().map(|(name, variable)| (name, variable.grad().copy())).collect()
}

fn largest_difference(one: &BTreeMap<String, Tensor>, other: &BTreeMap<String, Tensor>) -> f64 {
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    let difference = |name: &String| (&one[name] - &other[name]).abs().max().double_value(&[]);
    one.keys().map(difference).fold(0.0, f64::max)
}

/// What libtorch's own forward of a TorchScript file has, under the names of ours.
fn reference(path: &Path, x: &Tensor, labels: &Tensor) -> BTreeMap<String, Tensor> {
    let store = nn::VarStore::new(Device::Cpu);
    let mut module = tch::TrainableCModule::load(path, store.root()).unwrap();
    module.set_eval();
    let loss = module.forward_ts(&[x]).unwrap().cross_entropy_for_logits(labels);
    let dotted = |name: String| {
        let (owner, last) = name.rsplit_once('_').unwrap();
        format!("{}.{last}", owner.replace('_', "."))
    };
    gradients(&store, &loss).into_iter().map(|(name, gradient)| (dotted(name), gradient)).collect()
}

#[test]
fn every_form_has_the_gradients_of_libtorch() {
    let (x, labels) = (input(&[6, 1, 28, 28]), Tensor::arange(6, (Kind::Int64, Device::Cpu)));
    let expected = reference(&lenet("pt"), &x, &labels);
    assert_eq!(expected.len(), 10);
    for form in ["pt", "scripted", "pt2"] {
        let store = nn::VarStore::new(Device::Cpu);
        let mut model = trainable(&lenet(form), &store, &x);
        let run = model.run(&[("x", &x)]).unwrap();
        let found = gradients(&store, &run.logits.cross_entropy_for_logits(&labels));
        assert!(found["conv1.weight"].abs().max().double_value(&[]) > 1e-4);
        let difference = largest_difference(&found, &expected);
        assert!(difference < 1e-6, "{form}: {difference}");
        // The same numbers with and without gradients, in (inputs, channels).
        let plain = model.evaluate(&[("x", &x)]).unwrap();
        assert!(plain.logits.equal(&run.logits) && !plain.logits.requires_grad(), "{form}");
        for ((seen, plain), info) in run.layers.iter().zip(&plain.layers).zip(model.layers()) {
            assert_eq!(seen.size(), [6, info.channels() as i64], "{form} {}", info.name);
            assert!(seen.equal(plain) && seen.requires_grad() && !plain.requires_grad(), "{form} {}", info.name);
        }
    }
}

#[test]
fn norms_and_what_is_done_in_place_have_their_gradients() {
    for (name, shape) in [("resnet", [4, 3, 16, 16]), ("in_place", [4, 2, 8, 8])] {
        let path = fixture(&format!("models/{name}.pt"));
        let x = input(&shape);
        let store = nn::VarStore::new(Device::Cpu);
        let mut model = trainable(&path, &store, &x);
        let run = model.run(&[("x", &x)]).unwrap();
        let labels = Tensor::zeros([4], (Kind::Int64, Device::Cpu));
        let found = gradients(&store, &run.logits.cross_entropy_for_logits(&labels));
        let other = nn::VarStore::new(Device::Cpu);
        let mut module = tch::TrainableCModule::load(&path, other.root()).unwrap();
        module.set_eval();
        let loss = module.forward_ts(&[&x]).unwrap().cross_entropy_for_logits(&labels);
        let expected: BTreeMap<String, Tensor> = gradients(&other, &loss);
        let found = found.into_iter().map(|(name, gradient)| (name.replace('.', "_"), gradient)).collect();
        assert!(largest_difference(&found, &expected) < 1e-5, "{name}");
        // Layers keep their values though later operators overwrite them: they are what a run without gradients hands over at once.
        let mut plain = open(&path);
        let infos = plain.calibrate(&[("x", &x)]).unwrap();
        plain
            .run(&[&x], &mut |observed, tensor| {
                if let Observed::Layer(at) = observed {
                    let axes: Vec<i64> =
                        (1..tensor.dim() as i64).filter(|axis| *axis != infos[at].channel_axis as i64 + 1).collect();
                    let means =
                        if axes.is_empty() { tensor.copy() } else { tensor.mean_dim(axes.as_slice(), false, None) };
                    assert!(means.equal(&run.layers[at]), "{name} {}", infos[at].name);
                }
                Ok(())
            })
            .unwrap();
    }
}

#[test]
fn layers_of_a_loaded_model_have_the_gradients_of_the_loss() {
    let x = input(&[40, 1, 28, 28]) * Tensor::linspace(-1.0, 1.0, 40, (Kind::Float, Device::Cpu)).view([40, 1, 1, 1]);
    let store = nn::VarStore::new(Device::Cpu);
    let mut model = trainable(&lenet("pt"), &store, &x);
    // Every class has a trusted input if logits say so that are given.
    let labels = Tensor::arange(40, (Kind::Int64, Device::Cpu)).remainder(10);
    let mut ranges = TrustedRanges::new(10).unwrap();
    let seen = model.evaluate(&[("x", &x)]).unwrap();
    ranges.observe(&(labels.one_hot(10).to_kind(Kind::Float) * 20.0), &labels, &seen.layers).unwrap();
    let loss = ConfidenceLoss::new(0.5, ranges).unwrap();
    let x = &x * 1.5;
    let run = model.run(&[("x", &x)]).unwrap();
    let found = gradients(&store, &loss.of(&run.logits, &labels, &run.layers).unwrap());
    // The same network written by hand on the same variables.
    let variables = store.variables();
    let weight = |name: &str| &variables[name];
    let conv = |x: &Tensor, name: &str, padding: i64| {
        let bias = weight(&format!("{name}.bias"));
        x.conv2d(weight(&format!("{name}.weight")), Some(bias), [1], [padding], [1], 1)
    };
    let linear =
        |x: &Tensor, name: &str| x.linear(weight(&format!("{name}.weight")), Some(weight(&format!("{name}.bias"))));
    let padding = model.layers()[0].shape[1] as i64 - 24;
    let first = conv(&x, "conv1", padding / 2).relu();
    let second = conv(&first.max_pool2d_default(2), "conv2", 0).relu();
    let third = linear(&second.max_pool2d_default(2).flatten(1, -1), "fc1").relu();
    let fourth = linear(&third, "fc2").relu();
    let logits = linear(&fourth, "fc3");
    assert!((&logits - &run.logits).abs().max().double_value(&[]) < 1e-4);
    let layers = [first, second, third, fourth, logits.shallow_clone()];
    let by_hand = gradients(&store, &loss.of(&logits, &labels, &layers).unwrap());
    let difference = largest_difference(&found, &by_hand);
    assert!(difference < 1e-5, "{difference}");
    // And they are not those of the cross entropy alone.
    let run = model.run(&[("x", &x)]).unwrap();
    let entropy = gradients(&store, &run.logits.cross_entropy_for_logits(&labels));
    assert!(largest_difference(&found, &entropy) > 1e-3);
}

#[test]
fn what_an_optimiser_changes_runs_see() {
    let x = input(&[6, 1, 28, 28]);
    let labels = Tensor::arange(6, (Kind::Int64, Device::Cpu));
    for form in ["pt", "pt2"] {
        let store = nn::VarStore::new(Device::Cpu);
        let mut model = trainable(&lenet(form), &store, &x);
        let mut optimiser = nn::Adam::default().build(&store, 1e-3).unwrap();
        let mut entropy = || {
            let loss = model.run(&[("x", &x)]).unwrap().logits.cross_entropy_for_logits(&labels);
            optimiser.backward_step(&loss);
            loss.double_value(&[])
        };
        let before = entropy();
        let after = (0..30).map(|_| entropy()).last().unwrap();
        assert!(after < 0.5 * before, "{form}: {before} became {after}");
        let evaluated =
            model.evaluate(&[("x", &x)]).unwrap().logits.cross_entropy_for_logits(&labels).double_value(&[]);
        assert!(evaluated < after, "{form}");
    }
}

#[test]
fn a_model_written_in_rust_trains_its_own_variables() {
    tch::manual_seed(1);
    let own = nn::VarStore::new(Device::Cpu);
    let path = own.root();
    let (first, last) =
        (nn::linear(&path / "first", 3, 4, Default::default()), nn::linear(&path / "last", 4, 2, Default::default()));
    let x = input(&[5, 3]);
    let model = Model::from_module(&own, |x| last.forward(&first.forward(x).relu()), &x).unwrap();
    let store = nn::VarStore::new(Device::Cpu);
    let mut model = TrainableModel::new(model, &[("x", &x)], &store.root()).unwrap();
    let mut names: Vec<String> = store.variables().into_keys().collect();
    names.sort();
    assert_eq!(names, ["first.bias", "first.weight", "last.bias", "last.weight"]);
    model.run(&[("x", &x)]).unwrap().logits.sum(Kind::Float).backward();
    assert!(own.variables()["first.weight"].grad().defined(), "they are the same tensors");
    assert!(store.variables()["first.weight"].grad().equal(&own.variables()["first.weight"].grad()));
}

#[test]
fn what_cannot_be_trained_is_refused() {
    let refused = |path: &str, x: &Tensor| {
        let store = nn::VarStore::new(Device::Cpu);
        let result = TrainableModel::new(open(&fixture(path)), &[("x", x)], &store.root());
        assert!(store.is_empty(), "{path}: nothing is left behind");
        result.expect_err(path).to_string()
    };
    assert!(
        refused("kinds/vgg.frozen.pt", &input(&[2, 3, 32, 32]))
            .contains("vgg.frozen.pt has no parameters to train\n  help: a frozen")
    );
    assert!(refused("models/resnet.pt", &input(&[2, 3, 16])).contains("cannot run on an input of shape"));
}

#[test]
fn a_parameter_of_two_names_is_trained_once_and_two_that_share_values_are_refused() {
    let x = input(&[2, 3]);
    for (path, x) in [("exported/tied.pt2", &x), ("kinds/unused_layer.pt", &input(&[2, 6]))] {
        let store = nn::VarStore::new(Device::Cpu);
        let mut model = trainable(&fixture(path), &store, x);
        let variables = store.trainable_variables();
        let mut places: Vec<_> = variables.iter().map(|variable| variable.data_ptr()).collect();
        places.sort();
        places.dedup();
        assert_eq!(places.len(), variables.len(), "{path}");
        model.run(&[("x", x)]).unwrap().logits.square().sum(Kind::Float).backward();
        assert!(variables.iter().any(|variable| variable.grad().defined()), "{path}");
    }
    // Two tensors over the same numbers: an optimiser would change each without knowing of the other.
    let own = nn::VarStore::new(Device::Cpu);
    let weight = input(&[3, 3]);
    let first = own.root().add("first", weight.detach(), true);
    let second = own.root().add("second", weight.detach(), true);
    let model = Model::from_module(&own, |x| x.matmul(&first).relu().matmul(&second), &x).unwrap();
    let store = nn::VarStore::new(Device::Cpu);
    let error = TrainableModel::new(model, &[("x", &x)], &store.root()).unwrap_err();
    assert!(error.what().contains("share their values"), "{error}");
    assert!(store.is_empty());
}

struct Net {
    conv: nn::Conv2D,
    hidden: nn::Linear,
    out: nn::Linear,
}

impl Net {
    fn new(path: &nn::Path<'_>) -> Self {
        Self {
            conv: nn::conv2d(path / "conv", 2, 3, 3, Default::default()),
            hidden: nn::linear(path / "hidden", 3 * 4 * 4, 5, Default::default()),
            out: nn::linear(path / "out", 5, 3, Default::default()),
        }
    }

    fn forward(&self, x: &Tensor) -> (Tensor, Vec<Tensor>) {
        let map = self.conv.forward(x).tanh();
        let hidden = self.hidden.forward(&map.flatten(1, -1)).tanh();
        let logits = self.out.forward(&hidden) * 8.0;
        (logits.shallow_clone(), vec![map, hidden, logits])
    }
}

#[test]
fn the_gradient_is_that_of_differences() {
    tch::manual_seed(7);
    let mut store = nn::VarStore::new(Device::Cpu);
    let net = Net::new(&store.root());
    store.double();
    let options = (Kind::Double, Device::Cpu);
    let seen = Tensor::randn([200, 2, 6, 6], options);
    let (logits, layers) = net.forward(&seen);
    let mut ranges = TrustedRanges::new(3).unwrap();
    ranges.observe(&logits, &logits.argmax(1, false), &layers).unwrap();
    assert!(ranges.trusted().iter().all(|inputs| *inputs >= 5), "{:?}", ranges.trusted());
    // Inputs far from those, under labels that are not what is predicted: much is outside, above and below.
    let inputs = Tensor::randn([12, 2, 6, 6], options) * 4.0;
    let wanted = Tensor::arange(12, (Kind::Int64, Device::Cpu)).remainder(3);
    let loss = ConfidenceLoss::new(0.7, ranges).unwrap();
    let value = || {
        let (logits, layers) = net.forward(&inputs);
        loss.of(&logits, &wanted, &layers).unwrap()
    };
    let (_, layers) = net.forward(&inputs);
    let penalty = loss.penalty(&wanted, &layers).unwrap();
    assert!(number(&penalty) > 0.02, "{}", number(&penalty));
    value().backward();
    let mut largest: f64 = 0.0;
    for variable in store.trainable_variables() {
        let gradient = variable.grad().view(-1);
        for at in 0..variable.numel() as i64 {
            const STEP: f64 = 1e-6;
            let moved = |by: f64| {
                tch::no_grad(|| {
                    let mut place = variable.view(-1).get(at);
                    let _ = place.g_add_scalar_(by);
                    let value = number(&value());
                    let _ = place.g_sub_scalar_(by);
                    value
                })
            };
            let difference = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
            let own = gradient.double_value(&[at]);
            assert!((own - difference).abs() <= 1e-6 * (1.0 + own.abs()), "{own} against {difference}");
            largest = largest.max(own.abs());
        }
    }
    assert!(largest > 0.1, "there is something to compare: {largest}");
    // The penalty has a gradient of its own.
    store.trainable_variables().iter_mut().for_each(|variable| variable.zero_grad());
    loss.penalty(&wanted, &net.forward(&inputs).1).unwrap().backward();
    let norm = |variable: &Tensor| number(&variable.grad().square().sum(Kind::Double));
    assert!(store.trainable_variables().iter().map(norm).sum::<f64>() > 1e-6);
}
