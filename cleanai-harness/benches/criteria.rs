//! What criteria cost, against libtorch's own run of the same file on the same batches in the same process:
//! `cargo bench --bench criteria`. `docs/performance.md` holds figures, and a command that compiles less.
//!
//! Words choose among the rows: models (`lenet vgg resnet18 resnet50`), works (`observe channels units classes nlc cleanai pairs memory`) and
//! batches (`b1 b16 b50 b100`), as in `cargo bench --bench criteria -- lenet units b100`. The name of a criterion (`kmnc`) leaves
//! the others of a work out.
//!
//! Only the test pass is timed, batch by batch: every batch goes through the coverage pass and through the plain module, the one that
//! goes first taking turns, while nothing is decoded. Loading, calibration and the profile pass stay outside. Figures are ratios
//! of medians, of the clock and of the CPU; memory is the median peak of several processes. Compare only within one run. Below the units with `kmnc`
//! stands what its bits alone take to be read and written back.

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "criteria/memory.rs"]
mod memory;
#[path = "../tests/common/resnet/mod.rs"]
mod resnet;
mod support;
#[path = "../tests/common/vgg.rs"]
mod vgg;

use std::cell::RefCell;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use cleanai_harness::criteria::registry;
use cleanai_harness::data::Batch;
use cleanai_harness::declare::{CriterionSpec, DataLocation, Declaration, NeuronKind};
use cleanai_harness::measure::probe::{self, Moment};
use cleanai_harness::measure::{self, Measurement};
use cleanai_harness::private::keep_freed_memory;
use common::{Case, declaration, root};
use resnet::Weights;
use support::{Clocks, Outcome, Samples, Times, cpu_milliseconds, load, median, write_inputs, write_labelled};
use tch::{CModule, Tensor};

/// A network that is measured.
struct Network {
    /// The word that chooses it.
    word: &'static str,
    name: &'static str,
    shape: [usize; 3],
    batches: &'static [usize],
    /// Inputs that make enough batches.
    inputs: usize,
    /// Batches that are timed at most.
    rounds: usize,
}

const NETWORKS: &[Network] = &[
    Network {
        word: "lenet",
        name: "LeNet-5",
        shape: [1, 28, 28],
        batches: &[1, 16, 50, 100],
        inputs: 12_000,
        rounds: 1000,
    },
    Network { word: "vgg", name: "VGG16-BN", shape: [3, 32, 32], batches: &[1, 16, 50], inputs: 1600, rounds: 60 },
    Network {
        word: "resnet18",
        name: "ResNet-18",
        shape: [3, 224, 224],
        batches: &[1, 16, 50],
        inputs: 400,
        rounds: 15,
    },
    Network {
        word: "resnet50",
        name: "ResNet-50",
        shape: [3, 224, 224],
        batches: &[1, 16, 50],
        inputs: 400,
        rounds: 11,
    },
];

/// What is measured of a network.
struct Work {
    word: &'static str,
    criteria: &'static [&'static str],
    neurons: NeuronKind,
    /// Whether inputs have labels, so that every class has figures of its own.
    labelled: bool,
    /// By network and batch.
    target: fn(&str, usize) -> Option<f64>,
}

const COUNTING: &[&str] = &["nc", "kmnc(k=1000)", "nbc", "snac", "tknc", "tknp"];

const WORKS: &[Work] = &[
    Work { word: "observe", criteria: &[], neurons: NeuronKind::Channel, labelled: false, target: |_, _| None },
    Work {
        word: "channels",
        criteria: COUNTING,
        neurons: NeuronKind::Channel,
        labelled: false,
        target: |network, batch| match (network, batch) {
            ("lenet", 1) => Some(1.5),
            ("lenet", 100) => Some(1.15),
            ("lenet", _) => None,
            _ => Some(1.05),
        },
    },
    Work {
        word: "units",
        criteria: COUNTING,
        neurons: NeuronKind::Unit,
        labelled: false,
        target: |network, batch| ((network, batch) == ("resnet18", 16)).then_some(1.2),
    },
    Work { word: "classes", criteria: COUNTING, neurons: NeuronKind::Channel, labelled: true, target: |_, _| None },
    Work { word: "nlc", criteria: &["nlc"], neurons: NeuronKind::Channel, labelled: false, target: |_, _| Some(1.2) },
];

/// CleanAI's own quantities of single inputs, and those of pairs of inputs.
const SINGLE: &[&str] = &["cleanai::nc", "cleanai::tc", "cleanai::tknc", "cleanai::nbc", "cleanai::mnc"];
const PAIRS: &[&str] = &["cleanai::sign", "cleanai::value", "cleanai::ss", "cleanai::sv", "cleanai::vs", "cleanai::vv"];

const OTHERS: [&str; 3] = ["cleanai", "pairs", "memory"];

/// Of the inputs that have labels.
const CLASSES: usize = 10;

/// Batches of the profile set.
const PROFILE_BATCHES: usize = 2;

fn main() -> ExitCode {
    support::main(|arguments| match arguments {
        ["child", work, network, folder] => memory::child(work, network, Path::new(folder)),
        words => bench(&Choice::of(words)?),
    })
}

/// The words of the command line by what they choose; none of a sort chooses all.
struct Choice<'a> {
    networks: Vec<&'a str>,
    works: Vec<&'a str>,
    batches: Vec<&'a str>,
    criteria: Vec<&'a str>,
}

impl<'a> Choice<'a> {
    fn of(words: &[&'a str]) -> Outcome<Self> {
        let mut choice = Self { networks: Vec::new(), works: Vec::new(), batches: Vec::new(), criteria: Vec::new() };
        for word in words {
            let batches = NETWORKS.iter().flat_map(|network| network.batches);
            if NETWORKS.iter().any(|network| network.word == *word) {
                choice.networks.push(word);
            } else if WORKS.iter().any(|work| work.word == *word) || OTHERS.contains(word) {
                choice.works.push(word);
            } else if batches.into_iter().any(|batch| format!("b{batch}") == *word) {
                choice.batches.push(word);
            } else if COUNTING.iter().any(|text| name(text) == *word) {
                choice.criteria.push(word);
            } else {
                return Err(format!(
                    "no network, work or batch is called `{word}`; see the top of benches/criteria.rs"
                )
                .into());
            }
        }
        Ok(choice)
    }

    fn network(&self, network: &Network) -> bool {
        self.networks.is_empty() || self.networks.contains(&network.word)
    }

    fn work(&self, word: &str) -> bool {
        self.works.is_empty() || self.works.contains(&word)
    }

    fn criteria(&self, work: &Work) -> Vec<&'static str> {
        let chosen = |text: &&&str| self.criteria.is_empty() || self.criteria.contains(&name(text));
        work.criteria.iter().filter(chosen).copied().collect()
    }

    fn batch(&self, batch: usize) -> bool {
        self.batches.is_empty() || self.batches.contains(&format!("b{batch}").as_str())
    }
}

/// `kmnc` of `kmnc(k=1000)`.
fn name(text: &str) -> &str {
    text.split('(').next().unwrap_or(text)
}

fn bench(choice: &Choice<'_>) -> Outcome<()> {
    keep_freed_memory();
    let folder = tempfile::tempdir()?;
    let networks = || NETWORKS.iter().filter(|network| choice.network(network));
    for network in networks() {
        write_network(network, folder.path())?;
    }
    if WORKS.iter().any(|work| choice.work(work.word)) {
        println!(
            "{:<10} {:<9} {:>5} {:>9} {:>7} {:>7} {:>9} {:>9} {:>7}",
            "network", "work", "batch", "plain ms", "ratio", "CPU", "ns/elem", "CPU ns", "target"
        );
    }
    for network in networks() {
        for work in WORKS.iter().filter(|work| choice.work(work.word)) {
            let title = format!("{:<10} {:<9}", network.name, work.word);
            let Some(specs) = specs(&title, &choice.criteria(work))? else { continue };
            for &batch in network.batches.iter().filter(|batch| choice.batch(**batch)) {
                row(network, work, &specs, batch, folder.path())?;
            }
        }
    }
    if let Some(network) = networks().find(|network| network.word == "resnet18") {
        if choice.work("cleanai") {
            cleanai(network, folder.path())?;
        }
        if choice.work("pairs") {
            pairs(network, folder.path())?;
        }
    }
    if choice.work("memory") {
        memory::title();
        for network in networks() {
            memory::peaks(network, folder.path())?;
        }
    }
    Ok(())
}

/// Writes the network and its inputs.
fn write_network(network: &Network, folder: &Path) -> Outcome<()> {
    let path = folder.join(file(network));
    match network.word {
        "lenet" => std::fs::copy(root().join("examples/digits/models/lenet5.pt"), path).map(drop)?,
        "vgg" => vgg::write(&path)?,
        "resnet18" => resnet::write(18, Weights::Full, &path)?,
        _ => resnet::write(50, Weights::Full, &path)?,
    }
    let inputs = folder.join(format!("{}.npy", network.word));
    match NETWORKS
        .iter()
        .find(|other| other.shape == network.shape && folder.join(format!("{}.npy", other.word)).exists())
    {
        // The same will do.
        Some(other) => std::fs::hard_link(folder.join(format!("{}.npy", other.word)), inputs)?,
        None => write_inputs(&inputs, network.inputs, network.shape)?,
    }
    Ok(())
}

/// The inputs, once more with labels where they are wanted.
fn inputs(network: &Network, labelled: bool, folder: &Path) -> Outcome<String> {
    let plain = format!("{}.npy", network.word);
    let archive = format!("{}.npz", network.word);
    if !labelled {
        return Ok(plain);
    }
    if !folder.join(&archive).exists() {
        write_labelled(&folder.join(&archive), &folder.join(plain), network.inputs, CLASSES)?;
    }
    Ok(archive)
}

fn file(network: &Network) -> PathBuf {
    format!("{}.pt", network.word).into()
}

/// The criteria, or none and a word to the reader where this build lacks one.
fn specs(row: &str, texts: &[&str]) -> Outcome<Option<Vec<CriterionSpec>>> {
    let specs: Vec<CriterionSpec> = texts.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
    match specs.iter().find(|spec| !registry::names().contains(&spec.name.as_str())) {
        Some(missing) => {
            println!("{row} skipped: there is no criterion {}", missing.name);
            Ok(None)
        }
        None => Ok(Some(specs)),
    }
}

/// Measures the first `profile` inputs and the `test` inputs behind them.
fn declared(network: &Network, inputs: &str, folder: &Path, batch: usize, profile: usize, test: usize) -> Declaration {
    let model = file(network);
    let case = Case { model: model.to_str().unwrap_or_default(), profile: None, test: inputs, transform: "[]" };
    let mut declaration = declaration(folder, &case);
    let part = |range: String| DataLocation { path: format!("{inputs}#{range}"), root: folder.to_owned() };
    declaration.data.profile = Some(part(format!("0..{profile}")));
    declaration.data.test = part(format!("{profile}..{}", profile + test));
    declaration.batch = batch;
    declaration
}

/// The plain module's run of the batches of a pass, and the clocks of both.
struct Race {
    module: CModule,
    shape: [usize; 3],
    /// Batches that are not timed: those of the profile set.
    skip: usize,
    seen: usize,
    input: Option<Tensor>,
    clocks: Option<Clocks>,
    plain: Samples,
    observed: Samples,
}

impl Race {
    fn tell(&mut self, moment: &Moment<'_>) {
        match moment {
            Moment::Before(batch) => {
                if self.seen >= self.skip {
                    settle();
                    self.input = Some(self.tensor(batch));
                    if self.seen.is_multiple_of(2) {
                        self.run();
                    }
                    self.clocks = Some(Clocks::start());
                }
            }
            Moment::After => {
                if let Some(clocks) = self.clocks.take() {
                    self.observed.push(clocks.elapsed());
                    self.run();
                }
                self.seen += 1;
            }
        }
    }

    fn tensor(&self, batch: &Batch) -> Tensor {
        let sizes: Vec<i64> = std::iter::once(batch.size).chain(self.shape).map(|size| size as i64).collect();
        Tensor::from_slice(&batch.fields[0].values.to_floats()).view(sizes.as_slice())
    }

    /// Runs the module unless it has seen the batch.
    fn run(&mut self) {
        if let Some(input) = self.input.take() {
            let clocks = Clocks::start();
            drop(black_box(tch::no_grad(|| self.module.forward_ts(&[&input])).expect("the plain module runs")));
            self.plain.push(clocks.elapsed());
        }
    }
}

/// Waits until the batches ahead are decoded.
fn settle() {
    for _ in 0..200 {
        let before = cpu_milliseconds();
        std::thread::sleep(Duration::from_micros(500));
        if cpu_milliseconds() - before < 0.1 {
            return;
        }
    }
}

/// Times of the plain module and of the pass.
fn race(
    network: &Network,
    folder: &Path,
    declaration: &Declaration,
    profile: usize,
    specs: &[CriterionSpec],
) -> Outcome<(Times, Times, Measurement)> {
    let needs = specs.iter().map(registry::criterion).collect::<Result<Vec<_>, _>>()?;
    let profiled = needs.iter().any(|criterion| criterion.needs().profile);
    let race = Rc::new(RefCell::new(Race {
        module: load(&folder.join(file(network)))?,
        shape: network.shape,
        skip: if profiled { profile.div_ceil(declaration.batch) } else { 0 },
        seen: 0,
        input: None,
        clocks: None,
        plain: Samples::default(),
        observed: Samples::default(),
    }));
    let hook = Rc::clone(&race);
    let measured = probe::watched(move |moment| hook.borrow_mut().tell(&moment), || measure::once(declaration, specs))?;
    let race = race.borrow();
    Ok((race.plain.medians(), race.observed.medians(), measured))
}

fn row(network: &Network, work: &Work, specs: &[CriterionSpec], batch: usize, folder: &Path) -> Outcome<()> {
    let profile = PROFILE_BATCHES * batch;
    let test = batch * network.rounds.min((network.inputs - profile) / batch);
    let inputs = inputs(network, work.labelled, folder)?;
    let mut declaration = declared(network, &inputs, folder, batch, profile, test);
    declaration.neurons = work.neurons;
    let (plain, observed, measured) = race(network, folder, &declaration, profile, specs)?;
    let elements: usize = measured.model.layers.iter().map(|layer| layer.shape.iter().product::<usize>()).sum();
    let nanoseconds = |milliseconds: f64| milliseconds * 1e6 / (elements * batch) as f64;
    let target = (work.target)(network.word, batch).map_or("-".to_owned(), |target| format!("{target:.2}"));
    println!(
        "{:<10} {:<9} {batch:>5} {:>9.3} {:>7.3} {:>7.3} {:>9.3} {:>9.3} {target:>7}",
        network.name,
        work.word,
        plain.wall,
        observed.wall / plain.wall,
        observed.cpu / plain.cpu,
        nanoseconds(observed.wall - plain.wall),
        nanoseconds(observed.cpu - plain.cpu),
    );
    if work.word == "units" && specs.iter().any(|spec| spec.name == "kmnc") {
        let floor = floor(elements);
        println!(
            "{:<10} {:<9} {batch:>5} {:>9.3} {:>7.3} {:>7.3} {:>9.3} {:>9.3} {:>7}",
            network.name,
            "its bits",
            floor.wall,
            1.0 + floor.wall / plain.wall,
            1.0 + floor.cpu / plain.cpu,
            nanoseconds(floor.wall),
            nanoseconds(floor.cpu),
            "-"
        );
    }
    Ok(())
}

/// What it takes all processors to read the bits of `kmnc(k=1000)` from memory and write them back, once: the least of a batch that covers some section
/// of as good as every neuron.
fn floor(neurons: usize) -> Times {
    const WORDS: usize = 1000usize.div_ceil(64);
    let mut words = vec![1u64; neurons * WORDS];
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let part = words.len().div_ceil(threads).max(1);
    let mut samples = Samples::default();
    for round in 0..15 {
        let clocks = Clocks::start();
        std::thread::scope(|scope| {
            for words in words.chunks_mut(part) {
                scope.spawn(move || words.iter_mut().for_each(|word| *word |= 1 << round));
            }
        });
        samples.push(clocks.elapsed());
        black_box(&mut words);
    }
    samples.medians()
}

/// CleanAI's quantities of single inputs: two profile inputs and five test inputs, one by one, against as many plain runs.
fn cleanai(network: &Network, folder: &Path) -> Outcome<()> {
    let Some(specs) = specs("CleanAI, all but pairs", SINGLE)? else { return Ok(()) };
    let declaration = declared(network, &inputs(network, false, folder)?, folder, 1, 2, 5);
    let mut parts = [const { Vec::new() }; 4];
    for _ in 0..7 {
        let (plain, _, measured) = race(network, folder, &declaration, 2, &specs)?;
        let seconds = measured.seconds;
        let (profile, forward, criteria) = (seconds.profile, seconds.forward, seconds.criteria);
        for (part, seconds) in parts.iter_mut().zip([profile + forward + criteria, profile, forward, criteria]) {
            part.push(seconds * 1e3 / (7.0 * plain.wall));
        }
    }
    let [all, profile, forward, criteria] = parts.map(median);
    println!(
        "CleanAI, all but pairs, {}: {all:.3} of 7 plain runs (target 1.15): profile of 2 {profile:.3}, model {forward:.3}, criteria {criteria:.3}",
        network.name
    );
    Ok(())
}

/// CleanAI's quantities of pairs of inputs: everything but the model's own runs.
fn pairs(network: &Network, folder: &Path) -> Outcome<()> {
    let Some(specs) = specs("CleanAI, pairs", PAIRS)? else { return Ok(()) };
    let declaration = declared(network, &inputs(network, false, folder)?, folder, 1, 1, 2);
    let mut times = Vec::new();
    for _ in 0..7 {
        times.push(measure::once(&declaration, &specs)?.seconds.criteria * 1e3);
    }
    println!("CleanAI, pairs, {}: {:.2} ms (target 10)", network.name, median(times));
    Ok(())
}
