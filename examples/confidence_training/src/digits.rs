//! The LeNet-5 of `examples/digits`, loaded from its file and trained further.

use std::path::Path;

use cleanai_harness::declare::DeviceChoice;
use cleanai_harness::model::Model;
use cleanai_harness::training::{TrainableModel, TrainingRun};
use tch::nn;
use tch::{Device, Kind, Tensor};

use crate::data::{self, Images};
use crate::study::{self, Figures, Network, Table, Training};
use crate::{Arguments, Outcome};

pub const TITLE: &str = "LeNet-5 on the digits of examples/digits";
pub const ABOUT: &str = "The model file that `examples/digits` gates, loaded and trained further on its 1,197 training pictures (Adam, 1e-4, pictures \
                         shifted by up to 2 pixels); 600 test pictures. Before: the file as it is.";

struct Loaded(TrainableModel);

impl Network for Loaded {
    fn run(&mut self, inputs: &Tensor) -> Outcome<TrainingRun> {
        Ok(self.0.run(&[("x", inputs)])?)
    }

    fn evaluate(&mut self, inputs: &Tensor) -> Outcome<TrainingRun> {
        Ok(self.0.evaluate(&[("x", inputs)])?)
    }
}

pub fn study(arguments: &Arguments) -> Outcome<Table> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../digits");
    let root = root.canonicalize().map_err(|why| format!("{}: {why}", root.display()))?;
    let steps = "[\"grayscale\", \"scale\", { normalize = { mean = [0.5], std = [0.5] } }]";
    let (train, test) = (data::read(&root, "data/train", steps)?, data::read(&root, "data/test", steps)?);
    let mut table = Table::new();
    for seed in 1..=arguments.seeds {
        let seed = i64::try_from(seed)?;
        study::add(&mut table, "before", judged(&root, &train, &test, None, seed)?);
        for lambda in &arguments.lambdas {
            let training = Training { epochs: arguments.epochs, rate: 1e-4, lambda: *lambda };
            let figures = judged(&root, &train, &test, Some(training), seed)?;
            eprintln!("digits, seed {seed}, {}: {figures:?}", study::how(*lambda));
            study::add(&mut table, &study::how(*lambda), figures);
        }
    }
    Ok(table)
}

fn judged(root: &Path, train: &Images, test: &Images, training: Option<Training>, seed: i64) -> Outcome<Figures> {
    let store = nn::VarStore::new(Device::Cpu);
    let model = Model::open(&root.join("models/lenet5.pt"), DeviceChoice::Cpu)?;
    let mut network = Loaded(TrainableModel::new(model, &[("x", &train.inputs.narrow(0, 0, 2))], &store.root())?);
    tch::manual_seed(seed);
    if let Some(training) = training {
        study::train(&mut network, &store, train, training, &shifted)?;
    }
    study::judge(&mut network, train, test, seed)
}

/// A shift of up to two pixels, another for each batch.
fn shifted(inputs: &Tensor) -> Tensor {
    let by = Vec::<i64>::try_from(Tensor::randint_low(-2, 3, [2], (Kind::Int64, Device::Cpu))).unwrap_or_default();
    inputs.roll(by.as_slice(), &[2i64, 3][..])
}
