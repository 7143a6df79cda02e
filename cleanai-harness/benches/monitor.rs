//! What a monitor costs in a service, against libtorch's own run of the same file on the same inputs in the same process:
//! `cargo bench --bench monitor`. Words choose: `lenet`, `resnet18`; `src`, `mrc`, `topk`, `knn`.
//!
//! Times are medians over rounds in which both take turns, of the clock and of the CPU. Compare figures only within one run.

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/common/resnet/mod.rs"]
mod resnet;
mod support;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use cleanai_harness::criteria::{LayerTraces, TraceInputs};
use cleanai_harness::declare::{DeviceChoice, NeuronKind};
use cleanai_harness::model::{LayerInfo, Model};
use cleanai_harness::monitor::file::{Facts, MonitorFile};
use cleanai_harness::monitor::{Calibration, Method, Monitor};
use cleanai_harness::private::keep_freed_memory;
use common::root;
use resnet::Weights;
use support::{Clocks, Outcome, Samples, Times, load};
use tch::{Device, Kind, Tensor};

const MONITORS: &[(&str, &str, Method)] = &[
    ("src", "src", Method::Ranges),
    ("mrc", "mrc(q=10)", Method::Sections { sections: 10 }),
    ("topk", "topk(k=3)", Method::TopK { places: 3 }),
    ("knn", "knn(k=1)", Method::Nearest { neighbours: 1 }),
];

struct Network {
    word: &'static str,
    name: &'static str,
    path: PathBuf,
    input: [i64; 4],
    rounds: usize,
    classes: usize,
    /// Trusted profile inputs of each class.
    trusted: usize,
    /// Of `src` and `mrc`.
    target: f64,
}

fn main() -> ExitCode {
    support::main(bench)
}

fn bench(words: &[&str]) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let resnet18 = folder.path().join("resnet18.pt");
    let lenet = root().join("examples/digits/models/lenet5.pt");
    let networks = [
        Network {
            word: "lenet",
            name: "LeNet-5",
            path: lenet,
            input: [1, 1, 28, 28],
            rounds: 3000,
            classes: 10,
            trusted: 200,
            target: 1.3,
        },
        Network {
            word: "resnet18",
            name: "ResNet-18",
            path: resnet18,
            input: [16, 3, 224, 224],
            rounds: 15,
            classes: 1000,
            trusted: 2,
            target: 1.1,
        },
    ];
    let known = |word: &&str| {
        networks.iter().any(|network| network.word == *word) || MONITORS.iter().any(|(name, ..)| name == word)
    };
    if let Some(unknown) = words.iter().find(|word| !known(word)) {
        return Err(format!("no network or monitor is called `{unknown}`; see the top of benches/monitor.rs").into());
    }
    // None of a sort chooses all.
    let chosen =
        |word: &str, of_sort: &dyn Fn(&str) -> bool| words.contains(&word) || !words.iter().any(|word| of_sort(word));
    let is_network = |word: &str| networks.iter().any(|network| network.word == word);
    let is_monitor = |word: &str| MONITORS.iter().any(|(name, ..)| *name == word);
    keep_freed_memory();
    println!(
        "{:<10} {:<6} {:>5} {:>10} {:>13} {:>6} {:>10} {:>7}",
        "model", "by", "batch", "plain ms", "monitored ms", "ratio", "CPU ratio", "target"
    );
    for network in networks.iter().filter(|network| chosen(network.word, &is_network)) {
        if network.word == "resnet18" {
            resnet::write(18, Weights::Full, &network.path)?;
        }
        for (word, text, method) in MONITORS.iter().filter(|(word, ..)| chosen(word, &is_monitor)) {
            let signature = folder.path().join("signature");
            write_signature(network, text, *method, &signature)?;
            let [plain, monitored] = times(network, &signature)?;
            let target = match *word {
                "src" | "mrc" => format!("{:.2}", network.target),
                _ => "-".to_owned(),
            };
            println!(
                "{:<10} {word:<6} {:>5} {:>10.3} {:>13.3} {:>6.3} {:>10.3} {target:>7}",
                network.name,
                network.input[0],
                plain.wall,
                monitored.wall,
                monitored.wall / plain.wall,
                monitored.cpu / plain.cpu
            );
        }
    }
    Ok(())
}

/// A signature of random traces: what judging costs does not depend on them.
fn write_signature(network: &Network, text: &str, method: Method, path: &Path) -> Outcome<()> {
    let mut model = Model::open(&network.path, DeviceChoice::Cpu)?;
    let shape: Vec<usize> = network.input[1..].iter().map(|size| *size as usize).collect();
    let inputs = vec![("x".to_owned(), shape)];
    let layers: Vec<LayerInfo> = model.calibrate_on_shapes(&inputs)?;
    let inputs_of = network.classes * network.trusted;
    let predicted: Vec<u32> = (0..inputs_of).map(|input| (input % network.classes) as u32).collect();
    let labels = Some(predicted.iter().map(|class| i64::from(*class)).collect());
    let known = Arc::new(TraceInputs { predicted, confidence: vec![1.0; inputs_of], labels });
    let traces = layers.iter().map(|layer| {
        let width = layer.neurons(NeuronKind::Channel);
        let rows: Vec<f32> = Vec::try_from(Tensor::randn([(inputs_of * width) as i64], (Kind::Float, Device::Cpu)))?;
        Ok(LayerTraces::new(Arc::new(rows), width, Arc::clone(&known)))
    });
    let traces = traces.collect::<Outcome<Vec<_>>>()?;
    let calibration = Calibration::new(method, &traces, None)?;
    let facts = Facts {
        model: model.sha256().to_owned(),
        monitor: text.to_owned(),
        neurons: NeuronKind::Channel,
        layers,
        inputs,
        batch: network.input[0] as usize,
        trusted: calibration.trusted,
    };
    Ok(MonitorFile { facts, judge: calibration.judge }.write(path)?)
}

const WARM_UP: usize = 3;

/// Medians of a plain run and of a check.
fn times(network: &Network, signature: &Path) -> Outcome<[Times; 2]> {
    let input = Tensor::randn(network.input.as_slice(), (Kind::Float, Device::Cpu));
    let module = load(&network.path)?;
    let monitor = Monitor::load(&network.path, signature)?;
    let run = |monitored: bool| -> Outcome<()> {
        if monitored {
            drop(black_box(monitor.check_batch(&input)?));
        } else {
            drop(black_box(tch::no_grad(|| module.forward_ts(&[&input]))?));
        }
        Ok(())
    };
    let mut samples = [Samples::default(), Samples::default()];
    for round in 0..WARM_UP + network.rounds {
        // Each goes first as often as the other.
        for which in [round % 2, 1 - round % 2] {
            let clocks = Clocks::start();
            run(which == 1)?;
            let times = clocks.elapsed();
            if round >= WARM_UP {
                samples[which].push(times);
            }
        }
    }
    Ok(samples.map(|samples| samples.medians()))
}
