//! A small network in the manner of VGG, written with tch's own modules, on 4,000 pictures of CIFAR-10.

use std::time::{Duration, Instant};

use cleanai_harness::training::TrainingRun;
use tch::nn::{self, Module, OptimizerConfig};
use tch::{Device, Kind, Tensor, no_grad};

use crate::data::Images;
use crate::study::{self, Network, Table, Training};
use crate::{Arguments, Outcome};

pub const TITLE: &str = "A small VGG on CIFAR-10";
pub const ABOUT: &str = "Six convolutions (16, 16, 32, 32, 64, 64) and two linear layers, trained from nothing on 3,200 labelled pictures with the cross \
                         entropy (Adam, 1e-3, 12 rounds and more until every class has trusted inputs, pictures mirrored by chance), then further (1e-4); \
                         the other 800 pictures are the test set. So few pictures make a poor classifier; what counts here is the comparison.";

/// Rounds of the first training at least and at most.
const LEAST: usize = 12;
const MOST: usize = 30;

/// Pictures to train with; the rest is the test set.
const TRAIN: i64 = 3_200;

struct Vgg {
    convolutions: Vec<nn::Conv2D>,
    hidden: nn::Linear,
    out: nn::Linear,
}

impl Vgg {
    fn new(path: &nn::Path<'_>) -> Self {
        let config = nn::ConvConfig { padding: 1, ..nn::ConvConfig::default() };
        let widths = [3, 16, 16, 32, 32, 64, 64];
        let convolution =
            |(at, pair): (usize, &[i64])| nn::conv2d(path / format!("conv{}", at + 1), pair[0], pair[1], 3, config);
        Self {
            convolutions: widths.windows(2).enumerate().map(convolution).collect(),
            hidden: nn::linear(path / "fc1", 64 * 4 * 4, 64, nn::LinearConfig::default()),
            out: nn::linear(path / "fc2", 64, study::CLASSES as i64, nn::LinearConfig::default()),
        }
    }
}

impl Network for Vgg {
    fn run(&mut self, inputs: &Tensor) -> Outcome<TrainingRun> {
        let (mut x, mut layers) = (inputs.shallow_clone(), Vec::new());
        for (at, convolution) in self.convolutions.iter().enumerate() {
            x = convolution.forward(&x).relu();
            layers.push(x.mean_dim(&[2i64, 3][..], false, Kind::Float));
            if at % 2 == 1 {
                x = x.max_pool2d_default(2);
            }
        }
        let hidden = self.hidden.forward(&x.flatten(1, -1)).relu();
        let logits = self.out.forward(&hidden);
        layers.extend([hidden, logits.shallow_clone()]);
        Ok(TrainingRun { logits, layers })
    }

    fn evaluate(&mut self, inputs: &Tensor) -> Outcome<TrainingRun> {
        no_grad(|| self.run(inputs))
    }
}

pub fn study(arguments: &Arguments, images: &Images, until: Duration) -> Outcome<Table> {
    let (train, test) = (images.part(0, TRAIN), images.part(TRAIN, images.len()));
    let (mut table, started) = (Table::new(), Instant::now());
    for seed in 1..=arguments.seeds {
        let each = started.elapsed() / u32::try_from(seed - 1)?.max(1);
        if seed > 1 && started.elapsed() + each > until {
            eprintln!("CIFAR-10: the time is up after {} of {} seeds", seed - 1, arguments.seeds);
            break;
        }
        let seed = i64::try_from(seed)?;
        tch::manual_seed(seed);
        let learnt = nn::VarStore::new(Device::Cpu);
        let mut network = Vgg::new(&learnt.root());
        first_training(&mut network, &learnt, &train)?;
        study::add(&mut table, "before", study::judge(&mut network, &train, &test, seed)?);
        for lambda in &arguments.lambdas {
            let mut store = nn::VarStore::new(Device::Cpu);
            let mut network = Vgg::new(&store.root());
            store.copy(&learnt)?;
            tch::manual_seed(seed);
            let training = Training { epochs: arguments.epochs, rate: 1e-4, lambda: *lambda };
            study::train(&mut network, &store, &train, training, &mirrored)?;
            let figures = study::judge(&mut network, &train, &test, seed)?;
            eprintln!("CIFAR-10, seed {seed}, {}: {figures:?}", study::how(*lambda));
            study::add(&mut table, &study::how(*lambda), figures);
        }
    }
    Ok(table)
}

/// With the cross entropy, until some inputs of every class are trusted.
fn first_training(network: &mut Vgg, store: &nn::VarStore, train: &Images) -> Outcome<()> {
    let mut optimiser = nn::Adam::default().build(store, 1e-3)?;
    for epoch in 1..=MOST {
        study::each_batch(train, |part| {
            let logits = network.run(&mirrored(&part.inputs))?.logits;
            optimiser.backward_step(&logits.cross_entropy_for_logits(&part.labels));
            Ok(())
        })?;
        let ranges = study::ranges(network, train)?;
        eprintln!("CIFAR-10, round {epoch}: trusted by class {:?}", ranges.trusted());
        if epoch >= LEAST && ranges.trusted().iter().all(|inputs| *inputs > 0) {
            break;
        }
    }
    Ok(())
}

/// The whole batch mirrored, every second time by chance.
fn mirrored(inputs: &Tensor) -> Tensor {
    match Tensor::rand([1], (Kind::Float, Device::Cpu)).double_value(&[0]) < 0.5 {
        true => inputs.flip([3]),
        false => inputs.shallow_clone(),
    }
}
