//! What surprise costs beside the product of matrices it comes down to: `cargo bench --bench surprise`, with words for what to run
//! (`dsa lsa mdsa large`).
//!
//! dsa is compared with one product of the same traces and the minima of its rows; lsa with whitening by Cholesky for each class, distances by one product, and
//! logsumexp; mdsa with the same without the distances. All by libtorch, in the same process, rounds in turn; figures are medians and ratios
//! of them. Own figures take everything in, the start of the criterion too. Compare only within one run.

mod support;

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;

use cleanai_harness::criteria::{BatchEnd, LayerBatch, LayerProfile, LayerTraces, Start, TraceInputs, registry};
use cleanai_harness::model::LayerInfo;
use support::{Clocks, Outcome, Samples, Times, with_peak};
use tch::{Device, Kind, Tensor};

const CLASSES: usize = 10;

/// Inputs that a pass hands over at once.
const BATCH: usize = 500;

fn main() -> ExitCode {
    support::main(|words| {
        let chosen = |word: &str| words.is_empty() || words.contains(&word);
        println!(
            "{:<8} {:>8} {:>8} {:>7} {:>14} {:>10} {:>7} {:>7} {:>7}",
            "score", "profile", "test", "neurons", "prototype ms", "own ms", "ratio", "CPU", "target"
        );
        let (small, large) = (Traces::new(5_000, 1_000, 84)?, (60_000, 10_000, 84));
        for (word, target) in [("dsa", Some(1.5)), ("lsa", Some(1.2)), ("mdsa", None)] {
            if chosen(word) {
                small.compare(word, target, 15)?;
            }
        }
        if chosen("large") {
            let (profile, test, width) = large;
            let ((), peak) = with_peak(true, || Traces::new(profile, test, width)?.compare("dsa", Some(1.5), 3))?;
            println!("at most {peak:.0} MB in memory, those of the prototype among them");
        }
        Ok(())
    })
}

/// Clusters of classes, as the values of a layer after a rectifier are.
struct Traces {
    width: usize,
    profile: Tensor,
    profile_classes: Vec<usize>,
    test: Tensor,
    test_classes: Vec<usize>,
    started: Vec<LayerProfile>,
}

impl Traces {
    fn new(profile: usize, test: usize, width: usize) -> Outcome<Self> {
        tch::manual_seed(7);
        let size = |count: usize| [count as i64, width as i64];
        let middles = Tensor::f_randn(size(CLASSES), (Kind::Float, Device::Cpu))?;
        let set = |count: usize| -> Outcome<(Tensor, Vec<usize>)> {
            let classes: Vec<usize> = (0..count).map(|at| (at * 7 + at / 11) % CLASSES).collect();
            let index: Vec<i64> = classes.iter().map(|class| *class as i64).collect();
            let middle = middles.f_index_select(0, &Tensor::f_from_slice(&index)?)?;
            let noise = Tensor::f_randn(size(count), (Kind::Float, Device::Cpu))?;
            Ok((middle.f_add(&noise)?.f_add_scalar(1.0)?.f_leaky_relu()?, classes))
        };
        let (profile, profile_classes) = set(profile)?;
        let (test, test_classes) = set(test)?;
        let mut inputs = TraceInputs::default();
        inputs.push(CLASSES, &logits(&profile_classes), None);
        let rows: Vec<f32> = Vec::try_from(profile.f_reshape([-1])?)?;
        let traces = LayerTraces::new(Arc::new(rows), width, Arc::new(inputs));
        let started = vec![LayerProfile { traces: Some(traces), ..LayerProfile::default() }];
        Ok(Self { width, profile, profile_classes, test, test_classes, started })
    }

    fn compare(&self, word: &str, target: Option<f64>, rounds: usize) -> Outcome<()> {
        let (mut prototypes, mut owns) = (Samples::default(), Samples::default());
        let values: Vec<f32> = Vec::try_from(self.test.f_reshape([-1])?)?;
        let prototype = || -> Outcome<Times> {
            let clocks = Clocks::start();
            match word {
                "dsa" => drop(black_box(self.minima()?)),
                "lsa" => drop(black_box(self.densities(true)?)),
                _ => drop(black_box(self.densities(false)?)),
            }
            Ok(clocks.elapsed())
        };
        let own = || -> Outcome<Times> { self.own(word, &values) };
        prototype()?;
        own()?;
        for round in 0..rounds {
            if round % 2 == 0 {
                prototypes.push(prototype()?);
                owns.push(own()?);
            } else {
                owns.push(own()?);
                prototypes.push(prototype()?);
            }
        }
        let (prototype, own) = (prototypes.medians(), owns.medians());
        println!(
            "{word:<8} {:>8} {:>8} {:>7} {:>14.1} {:>10.1} {:>7.2} {:>7.2} {:>7}",
            self.profile_classes.len(),
            self.test_classes.len(),
            self.width,
            prototype.wall,
            own.wall,
            own.wall / prototype.wall,
            own.cpu / prototype.cpu,
            target.map_or_else(|| "-".to_owned(), |target| format!("{target:.2}"))
        );
        Ok(())
    }

    /// The criterion, as a pass drives it; its values for a batch are made outside of the clocks.
    fn own(&self, word: &str, values: &[f32]) -> Outcome<Times> {
        let batches: Vec<LayerBatch> = values
            .chunks(BATCH * self.width)
            .map(|rows| LayerBatch::units(rows.len() / self.width, rows.to_vec()))
            .collect();
        let logits: Vec<Vec<f64>> = self.test_classes.chunks(BATCH).map(logits).collect();
        let layer = LayerInfo {
            name: "fc".into(),
            class: "Linear".into(),
            operator: "linear".into(),
            shape: vec![self.width],
            channel_axis: 0,
        };
        let clocks = Clocks::start();
        let start = Start { layers: &[layer], neurons: &[self.width], profile: Some(&self.started) };
        let mut state = registry::criterion(&word.parse()?)?.start(start)?;
        for (at, (batch, logits)) in batches.iter().zip(&logits).enumerate() {
            let first = at * BATCH;
            state.observe(batch.values(0, first));
            let inputs = logits.len() / CLASSES;
            state.end_batch(BatchEnd { first, inputs, classes: CLASSES, logits, labels: None })?;
        }
        black_box(state.figures());
        Ok(clocks.elapsed())
    }

    /// One product of all test traces with all of the profile, and the minimum of each row: for large sets in blocks of 1,000 rows.
    fn minima(&self) -> Outcome<Vec<Tensor>> {
        let norms = |rows: &Tensor| rows.f_square()?.f_sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
        let (profile, turned) = (norms(&self.profile)?, self.profile.f_mul_scalar(-2.0)?.f_transpose(0, 1)?);
        let mut minima = Vec::new();
        for first in (0..self.test_classes.len()).step_by(1000) {
            let rows = self.test.f_narrow(0, first as i64, 1000)?;
            let nearest = profile.f_addmm(&rows, &turned)?.f_amin([1i64].as_slice(), false)?;
            minima.push(nearest.f_add(&norms(&rows)?)?);
        }
        Ok(minima)
    }

    /// Whitening by Cholesky for each class; with the densities of kernels, or the lengths alone.
    fn densities(&self, kernels: bool) -> Outcome<Vec<Tensor>> {
        let of_class = |rows: &Tensor, classes: &[usize], class: usize| -> Outcome<Tensor> {
            let index: Vec<i64> = (0..classes.len()).filter(|at| classes[*at] == class).map(|at| at as i64).collect();
            Ok(rows.f_index_select(0, &Tensor::f_from_slice(&index)?)?.f_to_kind(Kind::Double)?)
        };
        let mut all = Vec::new();
        for class in 0..CLASSES {
            let profile = of_class(&self.profile, &self.profile_classes, class)?;
            let test = of_class(&self.test, &self.test_classes, class)?;
            let count = profile.size()[0] as f64;
            let mean = profile.f_mean_dim([0i64].as_slice(), true, Kind::Double)?;
            let (profile, test) = (profile.f_sub(&mean)?, test.f_sub(&mean)?);
            let covariance = profile.f_transpose(0, 1)?.f_mm(&profile)?.f_div_scalar(count - 1.0)?;
            let turned = covariance.f_linalg_cholesky(false)?.f_transpose(0, 1)?;
            let whitened = |rows: &Tensor| turned.f_linalg_solve_triangular(rows, true, false, false);
            let squares =
                |rows: &Tensor, keep: bool| rows.f_square()?.f_sum_dim_intlist([1i64].as_slice(), keep, Kind::Double);
            let test = whitened(&test)?;
            if !kernels {
                all.push(squares(&test, false)?.f_sqrt()?);
                continue;
            }
            let profile = whitened(&profile)?;
            let factor = count.powf(-2.0 / (self.width as f64 + 4.0));
            let turned = profile.f_mul_scalar(1.0 / factor)?.f_transpose(0, 1)?;
            let exponents = squares(&profile, false)?.f_mul_scalar(-0.5 / factor)?.f_addmm(&test, &turned)?;
            let own = squares(&test, false)?.f_mul_scalar(0.5 / factor)?;
            all.push(own.f_sub(&exponents.f_logsumexp([1i64].as_slice(), false)?)?);
        }
        Ok(all)
    }
}

fn logits(classes: &[usize]) -> Vec<f64> {
    let one_hot = |class: &usize| (0..CLASSES).map(|at| f64::from(u8::from(at == *class))).collect::<Vec<_>>();
    classes.iter().flat_map(one_hot).collect()
}
