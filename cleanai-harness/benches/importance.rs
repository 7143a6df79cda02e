//! What importance costs: relevance against a forward and a backward pass to the input in the same precision, and the clustering of a
//! neuron's values: `cargo bench --bench importance`, with words for what to run (`lenet vgg resnet18 clusters`).
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

use cleanai_harness::declare::DeviceChoice;
use cleanai_harness::importance::kmeans::{self, Weighted};
use cleanai_harness::importance::{Explainer, Rules};
use cleanai_harness::model::Model;
use cleanai_harness::private::keep_freed_memory;
use common::root;
use resnet::Weights;
use support::{Clocks, Outcome, Samples, load};
use tch::{Device, Kind, Tensor};

/// Of relevance, against forward and backward.
const TARGET: f64 = 1.3;

/// Values that are clustered.
const VALUES: usize = 60_000;

fn main() -> ExitCode {
    support::main(|words| {
        keep_freed_memory();
        let folder = tempfile::tempdir()?;
        let chosen = |word: &str| words.is_empty() || words.contains(&word);
        println!(
            "{:<10} {:>5} {:>22} {:>13} {:>7} {:>7} {:>7}",
            "network", "batch", "forward+backward ms", "relevance ms", "ratio", "CPU", "target"
        );
        for (word, name, shape, rounds) in [
            ("lenet", "LeNet-5", [100, 1, 28, 28], 40),
            ("lenet", "LeNet-5", [16, 1, 28, 28], 80),
            ("vgg", "VGG16-BN", [16, 3, 32, 32], 7),
            ("resnet18", "ResNet-18", [4, 3, 224, 224], 5),
        ] {
            if chosen(word) {
                let path = folder.path().join(format!("{word}.pt"));
                match word {
                    "lenet" => std::fs::copy(root().join("examples/digits/models/lenet5.pt"), &path).map(drop)?,
                    "vgg" => vgg::write(&path)?,
                    _ => resnet::write(18, Weights::Full, &path)?,
                }
                relevance(name, &path, shape, rounds)?;
            }
        }
        if chosen("clusters") {
            clusters();
        }
        Ok(())
    })
}

fn relevance(name: &str, path: &Path, shape: [i64; 4], rounds: usize) -> Outcome<()> {
    let mut plain = load(path)?;
    plain.to(Device::Cpu, Kind::Double, false);
    for (_, weight) in plain.named_parameters()? {
        let _ = weight.f_set_requires_grad(false)?;
    }
    let input = Tensor::f_randn(shape.as_slice(), (Kind::Float, Device::Cpu))?;
    let double = input.f_to_kind(Kind::Double)?;
    let model = Model::open(path, DeviceChoice::Cpu)?;
    let layers: Vec<usize> = (0..model.layers().len()).collect();
    let mut explainer = Explainer::new(model, Rules::default())?;
    let (mut gradients, mut relevances) = (Samples::default(), Samples::default());
    let mut gradient = || -> Outcome<()> {
        let clocks = Clocks::start();
        let input = double.f_detach()?.f_set_requires_grad(true)?;
        let logits = plain.forward_ts(&[&input])?;
        let largest = logits.f_max_dim(1, false)?.0.f_sum(Kind::Double)?;
        black_box(Tensor::f_run_backward(&[largest], &[&input], false, false)?);
        gradients.push(clocks.elapsed());
        Ok(())
    };
    let mut explain = || -> Outcome<()> {
        let clocks = Clocks::start();
        black_box(explainer.explain(&[("x", &input)], None, &layers)?);
        relevances.push(clocks.elapsed());
        Ok(())
    };
    gradient()?;
    explain()?;
    for round in 0..rounds {
        if round % 2 == 0 {
            gradient()?;
            explain()?;
        } else {
            explain()?;
            gradient()?;
        }
    }
    let (plain, own) = (gradients.medians(), relevances.medians());
    println!(
        "{name:<10} {:>5} {:>22.2} {:>13.2} {:>7.3} {:>7.3} {TARGET:>7.2}",
        shape[0],
        plain.wall,
        own.wall,
        own.wall / plain.wall,
        own.cpu / plain.cpu
    );
    Ok(())
}

fn clusters() {
    println!(
        "\n{VALUES} values into 2, 3 and 4 clusters, in one thread\n{:<28} {:>7} {:>7} {:>7}",
        "values", "ms", "CPU ms", "target"
    );
    let normal: Vec<f64> =
        Vec::try_from(Tensor::randn([VALUES as i64], (Kind::Double, Device::Cpu))).unwrap_or_default();
    let rectified: Vec<f64> = normal.iter().map(|value| value.max(0.0)).collect();
    for (name, values) in [("normal", normal), ("normal, negative ones 0", rectified), ("all equal", vec![1.5; VALUES])]
    {
        let mut samples = Samples::default();
        for _ in 0..15 {
            let own = values.clone();
            let clocks = Clocks::start();
            black_box(kmeans::best(&Weighted::new(own), &[2, 3, 4]));
            samples.push(clocks.elapsed());
        }
        let own = samples.medians();
        println!("{name:<28} {:>7.1} {:>7.1} {:>7.1}", own.wall, own.cpu, 10.0);
    }
}
