//! Training with the loss, and what is measured of a network then.

use cleanai_harness::training::{ConfidenceLoss, TrainingRun, TrustedRanges};
use tch::nn::{self, OptimizerConfig};
use tch::{Device, Kind, Tensor};

use crate::Outcome;
use crate::data::{self, Images};

/// Inputs in a batch of training, and of measuring.
const BATCH: i64 = 32;
const WHOLE: i64 = 256;

/// Both data sets have ten classes.
pub const CLASSES: usize = 10;

/// A network that gives its layers beside its logits.
pub trait Network {
    /// With gradients to its parameters.
    fn run(&mut self, inputs: &Tensor) -> Outcome<TrainingRun>;
    /// Without.
    fn evaluate(&mut self, inputs: &Tensor) -> Outcome<TrainingRun>;
}

/// Figures of one network, as shares of one.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// Of the test set.
    pub accuracy: f64,
    /// Neurons of test inputs within the ranges of the class they are classified as.
    pub in_range: f64,
    /// How well the number of neurons outside tells inverted inputs from those of the test set, and noisy ones.
    pub inverted: f64,
    pub noisy: f64,
}

/// By how it was trained: the figures of every seed.
pub type Table = Vec<(String, Vec<Figures>)>;

/// Adds the figures of a seed.
pub fn add(table: &mut Table, how: &str, figures: Figures) {
    match table.iter_mut().find(|(known, _)| known == how) {
        Some((_, all)) => all.push(figures),
        None => table.push((how.to_owned(), vec![figures])),
    }
}

/// What a row of the table is called.
pub fn how(lambda: f64) -> String {
    if lambda == 0.0 { "cross entropy".to_owned() } else { format!("and penalty, lambda = {lambda}") }
}

/// Parts of a data set in order.
fn parts(images: &Images) -> impl Iterator<Item = Images> + '_ {
    (0..images.len()).step_by(WHOLE as usize).map(|from| images.part(from, (from + WHOLE).min(images.len())))
}

/// The ranges of trusted inputs of the network as it is.
pub fn ranges(network: &mut dyn Network, images: &Images) -> Outcome<TrustedRanges> {
    let mut ranges = TrustedRanges::new(CLASSES)?;
    for part in parts(images) {
        let run = network.evaluate(&part.inputs)?;
        ranges.observe(&run.logits, &part.labels, &run.layers)?;
    }
    Ok(ranges)
}

/// Trains with a penalty of this weight. Each round begins with the ranges that the network has then. `vary` makes a batch anew, by a shift for example.
pub fn train(
    network: &mut dyn Network,
    store: &nn::VarStore,
    images: &Images,
    Training { epochs, rate, lambda }: Training,
    vary: &dyn Fn(&Tensor) -> Tensor,
) -> Outcome<()> {
    let mut optimiser = nn::Adam::default().build(store, rate)?;
    for _ in 0..epochs {
        let loss = ConfidenceLoss::new(lambda, ranges(network, images)?)?;
        each_batch(images, |part| {
            let run = network.run(&vary(&part.inputs))?;
            optimiser.backward_step(&loss.of(&run.logits, &part.labels, &run.layers)?);
            Ok(())
        })?;
    }
    Ok(())
}

/// How long and how fast, and with what weight of the penalty.
#[derive(Debug, Clone, Copy)]
pub struct Training {
    pub epochs: usize,
    pub rate: f64,
    pub lambda: f64,
}

/// Every input once, in an order drawn.
pub fn each_batch(images: &Images, mut step: impl FnMut(Images) -> Outcome<()>) -> Outcome<()> {
    let order = Tensor::randperm(images.len(), (Kind::Int64, Device::Cpu));
    for from in (0..images.len()).step_by(BATCH as usize) {
        step(images.at(&order.narrow(0, from, BATCH.min(images.len() - from))))?;
    }
    Ok(())
}

/// All figures of a network as it is.
pub fn judge(network: &mut dyn Network, train: &Images, test: &Images, seed: i64) -> Outcome<Figures> {
    let ranges = ranges(network, train)?;
    let (mut right, mut own) = (0, Vec::new());
    for part in parts(test) {
        let run = network.evaluate(&part.inputs)?;
        right += run.logits.argmax(1, false).eq_tensor(&part.labels).sum(Kind::Int64).int64_value(&[]);
        own.extend(Vec::<i64>::try_from(&ranges.outside(&run.logits, &run.layers)?)?);
    }
    let mut foreign = |inputs: &Tensor| -> Outcome<f64> {
        let mut outside = Vec::new();
        for part in parts(&Images { inputs: inputs.shallow_clone(), labels: test.labels.shallow_clone() }) {
            let run = network.evaluate(&part.inputs)?;
            outside.extend(Vec::<i64>::try_from(&ranges.outside(&run.logits, &run.layers)?)?);
        }
        Ok(area_under_curve(&outside, &own))
    };
    let (inverted, noisy) = (foreign(&data::inverted(&test.inputs))?, foreign(&data::noisy(&test.inputs, seed))?);
    let all = (ranges.neurons() * own.len()) as f64;
    Ok(Figures {
        accuracy: right as f64 / test.len() as f64,
        in_range: 1.0 - own.iter().sum::<i64>() as f64 / all,
        inverted,
        noisy,
    })
}

/// The share of pairs in which the foreign input has more neurons outside; equal ones count half.
fn area_under_curve(foreign: &[i64], own: &[i64]) -> f64 {
    let mut sorted = own.to_vec();
    sorted.sort_unstable();
    let below = |outside: &i64| {
        let less = sorted.partition_point(|own| own < outside);
        let not_more = sorted.partition_point(|own| own <= outside);
        (less + not_more) as f64 / 2.0
    };
    foreign.iter().map(below).sum::<f64>() / (foreign.len() * own.len()) as f64
}

#[cfg(test)]
mod tests {
    use super::area_under_curve;

    #[test]
    fn pairs_are_counted() {
        assert_eq!(area_under_curve(&[2, 3], &[0, 1]), 1.0);
        assert_eq!(area_under_curve(&[0], &[1, 2]), 0.0);
        assert_eq!(area_under_curve(&[1, 1], &[1, 1]), 0.5);
        assert_eq!(area_under_curve(&[1, 5], &[1, 2]), (0.5 + 0.0 + 1.0 + 1.0) / 4.0);
    }
}
