//! What attacks cost: ten steps of `bim` against ten forward and backward passes to the input, and `jsma` on five inputs against forward passes of a
//! hundred: `cargo bench --bench attacks`, with words for what to run (`lenet vgg resnet18 jsma cw`).
//!
//! Weights take no gradient in either. Rounds alternate between the two; figures are medians and ratios of them. Compare only within one run.

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/common/resnet/mod.rs"]
mod resnet;
mod support;
#[path = "../tests/common/vgg.rs"]
mod vgg;

use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;

use cleanai_harness::data::transform::TransformStep;
use cleanai_harness::data::{Batch, DataSet, transform};
use cleanai_harness::declare::{DataLocation, DeviceChoice, OnBadInput};
use cleanai_harness::model::{GradientModel, Model};
use cleanai_harness::private::keep_freed_memory;
use cleanai_harness::synthesis::{Attack, Attacker, Bim, Cw, Jsma, Method};
use common::root;
use resnet::Weights;
use support::{Clocks, Outcome, Samples, load, write_inputs};
use tch::{Device, Kind, Tensor, no_grad};

/// Of ten steps, against ten times forward and backward.
const TARGET: f64 = 1.05;

/// Of `jsma` on five inputs, in forward passes of a hundred.
const PASSES: f64 = 60.0;

const DIGITS: &str = "[\"grayscale\", { normalize = { mean = 0.5, std = 0.5 } }]";

fn main() -> ExitCode {
    support::main(|words| {
        keep_freed_memory();
        let folder = tempfile::tempdir()?;
        let chosen = |word: &str| words.is_empty() || words.contains(&word);
        println!(
            "{:<10} {:>5} {:>27} {:>9} {:>7} {:>7} {:>7}",
            "network", "batch", "10 x forward+backward ms", "bim-10 ms", "ratio", "CPU", "target"
        );
        for (word, name, inputs, shape, rounds) in [
            ("lenet", "LeNet-5", 100, [1, 28, 28], 20),
            ("lenet", "LeNet-5", 16, [1, 28, 28], 40),
            ("vgg", "VGG16-BN", 16, [3, 32, 32], 3),
            ("resnet18", "ResNet-18", 4, [3, 224, 224], 3),
        ] {
            if chosen(word) {
                let path = folder.path().join(format!("{word}.pt"));
                match word {
                    "lenet" => std::fs::copy(root().join("examples/digits/models/lenet5.pt"), &path).map(drop)?,
                    "vgg" => vgg::write(&path)?,
                    _ => resnet::write(18, Weights::Full, &path)?,
                }
                let data = folder.path().join("inputs.npy");
                write_inputs(&data, inputs, shape)?;
                steps(name, &path, &data, rounds)?;
            }
        }
        if chosen("jsma") {
            jsma()?;
        }
        if chosen("cw") {
            cw()?;
        }
        Ok(())
    })
}

fn open(path: &Path, steps: &[TransformStep]) -> Outcome<DataSet> {
    let location = DataLocation { path: path.display().to_string(), root: root() };
    Ok(DataSet::open(&location, steps, OnBadInput::Fail)?)
}

fn first(set: &DataSet, inputs: usize) -> Outcome<Batch> {
    Ok(set.batches(inputs).next().ok_or("there are no inputs")??)
}

fn opened(path: &Path) -> Outcome<GradientModel> {
    Ok(GradientModel::new(Model::open(path, DeviceChoice::Cpu)?)?)
}

fn steps(name: &str, path: &Path, data: &Path, rounds: usize) -> Outcome<()> {
    let mut plain = load(path)?;
    for (_, weight) in plain.named_parameters()? {
        let _ = weight.f_set_requires_grad(false)?;
    }
    plain.f_set_eval()?;
    let set = open(data, &[])?;
    let batch = first(&set, set.len())?;
    let mut model = opened(path)?;
    let input = model.model().feed(&batch)?.remove(0).1;
    let bim = Method::Bim(Bim { eps: 0.3, step: 0.05, iterations: 10 });
    // Of normal numbers.
    let attack = Attack { range: [-10.0, 10.0], ..Attack::new(bim) };
    let attacker = Attacker::new(&attack, &set, &[])?;
    let (mut gradients, mut attacks) = (Samples::default(), Samples::default());
    let mut gradient = || -> Outcome<()> {
        let clocks = Clocks::start();
        for _ in 0..10 {
            let input = input.f_detach()?.f_set_requires_grad(true)?;
            let logits = plain.forward_ts(&[&input])?;
            let largest = logits.f_max_dim(1, false)?.0.f_sum(Kind::Float)?;
            drop(black_box(Tensor::f_run_backward(&[largest], &[&input], false, false)?));
        }
        gradients.push(clocks.elapsed());
        Ok(())
    };
    let mut attack = || -> Outcome<()> {
        let mut batch = batch.clone();
        let clocks = Clocks::start();
        attacker.apply(&mut model, &mut batch, &|index| index.to_string())?;
        attacks.push(clocks.elapsed());
        black_box(batch);
        Ok(())
    };
    gradient()?;
    attack()?;
    for round in 0..rounds {
        if round % 2 == 0 {
            gradient()?;
            attack()?;
        } else {
            attack()?;
            gradient()?;
        }
    }
    let (plain, own) = (gradients.medians(), attacks.medians());
    println!(
        "{name:<10} {:>5} {:>27.2} {:>9.2} {:>7.3} {:>7.3} {TARGET:>7.2}",
        batch.size,
        plain.wall,
        own.wall,
        own.wall / plain.wall,
        own.cpu / plain.cpu
    );
    Ok(())
}

/// The first digits of the example, and what a forward pass of a hundred takes.
fn digits(inputs: usize) -> Outcome<(Vec<TransformStep>, DataSet, Batch, GradientModel, f64)> {
    let folder = root().join("examples/digits");
    let steps = transform::parse(DIGITS)?;
    let set = open(&folder.join("data/test"), &steps)?;
    let batch = first(&set, inputs)?;
    let path = folder.join("models/lenet5.pt");
    let plain = load(&path)?;
    let hundred = Tensor::f_randn([100, 1, 28, 28], (Kind::Float, Device::Cpu))?;
    let mut forwards = Samples::default();
    for _ in 0..50 {
        let clocks = Clocks::start();
        drop(black_box(no_grad(|| plain.forward_ts(&[&hundred]))?));
        forwards.push(clocks.elapsed());
    }
    Ok((steps, set, batch, opened(&path)?, forwards.medians().cpu))
}

fn attacked(method: Method, inputs: usize, rounds: usize) -> Outcome<(f64, f64)> {
    let (steps, set, batch, mut model, forward) = digits(inputs)?;
    let attacker = Attacker::new(&Attack::new(method), &set, &steps)?;
    let mut samples = Samples::default();
    for _ in 0..rounds {
        let mut batch = batch.clone();
        let clocks = Clocks::start();
        attacker.apply(&mut model, &mut batch, &|index| index.to_string())?;
        samples.push(clocks.elapsed());
        black_box(batch);
    }
    Ok((samples.medians().cpu, forward))
}

fn jsma() -> Outcome<()> {
    let (own, forward) = attacked(Method::Jsma(Jsma::default()), 5, 9)?;
    println!(
        "\njsma on 5 digits: {own:.1} ms of CPU, a forward pass of 100 {forward:.2}: {:.1} of them, target {PASSES}",
        own / forward
    );
    Ok(())
}

fn cw() -> Outcome<()> {
    let method = Cw { max_iterations: 100, ..Cw::default() };
    let (own, forward) = attacked(Method::Cw(method), 100, 3)?;
    println!(
        "cw, up to 500 iterations on 100 digits: {own:.0} ms of CPU, a forward pass of 100 {forward:.2}: {:.0} of them",
        own / forward
    );
    Ok(())
}
