//! What is evaluated: networks and data.

use std::path::{Path, PathBuf};

use clap::Parser;
use clap::builder::RangedU64ValueParser;
use cleanai_harness::data::{DataSet, transform};
use cleanai_harness::declare::{
    BaselinePolicy, DataChoice, DataLocation, Declaration, DeviceChoice, ModelChoice, NeuronKind, NonFinite,
    OnBadInput, Selector, TestIdentity,
};
use cleanai_harness::synthesis::Augmentation;

use crate::{Outcome, store};

/// The evaluation of importance-driven coverage.
#[derive(Debug, Parser)]
pub struct Arguments {
    /// Networks, by name (lenet1, lenet4, lenet5, digits); all there are unless some are named
    #[arg(long, value_delimiter = ',')]
    pub networks: Vec<String>,
    /// Research questions of the paper to answer
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 3, 4, 5], value_parser = clap::value_parser!(u8).range(1..=5))]
    pub questions: Vec<u8>,
    /// How often what is drawn is drawn anew, in questions 1, 2 and 5
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..1000))]
    pub seeds: u64,
    /// Inputs of the profile set at most
    #[arg(long, default_value_t = 60_000, value_parser = at_least_one())]
    pub profile: usize,
    /// Inputs of the test set at most, in questions 1, 2 and 5
    #[arg(long, default_value_t = 10_000, value_parser = at_least_one())]
    pub test: usize,
    /// Inputs of the test set at most that are attacked, in questions 3 and 4: the budget of the attacks
    #[arg(long, default_value_t = 200, value_parser = at_least_one())]
    pub inputs: usize,
    /// Where results go, and from where a stopped run goes on
    #[arg(long, default_value = "target/deepimportance")]
    pub out: PathBuf,
}

fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

/// A network with its data.
pub struct Network {
    /// As it is chosen and as files are named.
    pub key: String,
    pub name: String,
    pub model: PathBuf,
    pub data: String,
    profile: DataLocation,
    test: DataLocation,
    transform: &'static str,
}

/// Neurons that count as important where the paper says no other number.
pub const IMPORTANT: usize = 6;

impl Arguments {
    /// Whether one of these questions is to be answered.
    pub fn asks(&self, questions: &[u8]) -> bool {
        questions.iter().any(|question| self.questions.contains(question))
    }
}

/// The networks there are, with so many inputs of the test set at most.
pub fn networks(arguments: &Arguments, test: usize) -> Outcome<Vec<Network>> {
    let all = match std::env::var_os("CLEANAI_DATA").map(PathBuf::from) {
        Some(data) if data.join("mnist").is_dir() => on_mnist(&data, arguments.profile, test),
        Some(data) => {
            return Err(format!("CLEANAI_DATA is {}, and there is no folder mnist in it", data.display()).into());
        }
        None => vec![on_digits(arguments, test)?],
    };
    if let Some(unknown) = arguments.networks.iter().find(|word| !all.iter().any(|network| network.key == **word)) {
        let known: Vec<&str> = all.iter().map(|network| network.key.as_str()).collect();
        return Err(format!("there is no network `{unknown}`; there are {}", known.join(", ")).into());
    }
    let chosen = |network: &Network| arguments.networks.is_empty() || arguments.networks.contains(&network.key);
    Ok(all.into_iter().filter(chosen).collect())
}

fn on_mnist(data: &Path, profile: usize, test: usize) -> Vec<Network> {
    let location = |path: String| DataLocation { path, root: data.to_owned() };
    let network = |number: u32| Network {
        key: format!("lenet{number}"),
        name: format!("LeNet-{number}"),
        model: data.join(format!("lenet/deepxplore_lenet{number}.pt2")),
        data: "MNIST".to_owned(),
        profile: location(format!("mnist/train-images-idx3-ubyte.gz#0..{}", profile.min(60_000))),
        test: location(format!("mnist/t10k-images-idx3-ubyte.gz#0..{}", test.min(10_000))),
        transform: "[\"scale\"]",
    };
    [1, 4, 5].map(network).into()
}

fn on_digits(arguments: &Arguments, test: usize) -> Outcome<Network> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../digits");
    let root = root.canonicalize().map_err(|why| format!("{}: {why}", root.display()))?;
    Ok(Network {
        key: "digits".to_owned(),
        name: "LeNet-5 of examples/digits".to_owned(),
        model: root.join("models/lenet5.pt2"),
        data: "the digits of examples/digits (set CLEANAI_DATA for MNIST)".to_owned(),
        profile: first(&root, "data/train", arguments.profile, &arguments.out)?,
        test: first(&root, "data/test", test, &arguments.out)?,
        transform: "[\"grayscale\", { normalize = { mean = [0.5], std = [0.5] } }]",
    })
}

/// The first inputs of a folder of classes by the names of their files, which number the digits over all classes: a manifest lists them.
fn first(root: &Path, folder: &str, inputs: usize, out: &Path) -> Outcome<DataLocation> {
    let all = DataLocation { path: folder.to_owned(), root: root.to_owned() };
    let set = DataSet::open(&all, &[], OnBadInput::Fail)?;
    if inputs >= set.len() {
        return Ok(all);
    }
    let mut order: Vec<usize> = (0..set.len()).collect();
    order.sort_by_cached_key(|input| Path::new(&set.names(*input)).file_name().map(ToOwned::to_owned));
    order.truncate(inputs);
    let path = format!("{}-{inputs}.csv", folder.replace('/', "-"));
    let folder = std::path::absolute(out)?;
    std::fs::create_dir_all(&folder).map_err(|why| format!("cannot make {}: {why}", folder.display()))?;
    let folder = folder.canonicalize()?;
    let file = folder.join(&path);
    store::write(&file, &set.manifest(&order, &[], &file)?)?;
    Ok(DataLocation { path, root: folder })
}

impl Network {
    /// What is measured of it, the test set augmented by these.
    pub fn declaration(&self, augment: Vec<Augmentation>) -> Outcome<Declaration> {
        Ok(Declaration {
            test: TestIdentity {
                name: self.key.clone(),
                package: env!("CARGO_PKG_NAME").to_owned(),
                target: String::new(),
                file: PathBuf::new(),
                line: 0,
            },
            model: ModelChoice::file(self.key.as_str(), self.model.clone(), DeviceChoice::Auto),
            against: None,
            data: DataChoice {
                name: self.key.clone(),
                profile: Some(self.profile.clone()),
                untrusted: None,
                test: self.test.clone(),
                transform: transform::parse(self.transform)?,
                on_bad_input: OnBadInput::Fail,
                augment,
            },
            layers: Selector::Default,
            neurons: NeuronKind::Channel,
            batch: 250,
            non_finite: NonFinite::Error,
            requirements: Vec::new(),
            baseline: BaselinePolicy::default(),
            report: Vec::new(),
        })
    }
}
