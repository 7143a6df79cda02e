//! The peak of memory of every work, against that of the plain module, in processes of their own.

use std::hint::black_box;
use std::path::Path;

use cleanai_harness::declare::CriterionSpec;
use cleanai_harness::measure;
use tch::Tensor;

use crate::support::{Outcome, load, median, spawn, with_peak};
use crate::{NETWORKS, Network, WORKS, declared, file, inputs, specs};

/// Processes whose median is the peak of memory.
const PROCESSES: usize = 3;
const MEMORY_BATCH: usize = 16;
const MEMORY_INPUTS: usize = 64;

pub fn title() {
    println!(
        "\nbatches of {MEMORY_BATCH}, {MEMORY_INPUTS} profile and {MEMORY_INPUTS} test inputs: \
         medians of {PROCESSES} processes, which alternate\n{:<10} {:<9} {:>8} {:>6}",
        "network", "work", "peak MB", "ratio"
    );
}

/// The peak of memory of every work, in processes of their own.
pub fn peaks(network: &Network, folder: &Path) -> Outcome<()> {
    let mut works: Vec<(&str, Vec<f64>)> = vec![("plain", Vec::new())];
    for work in WORKS {
        if specs(&format!("{:<10} {:<9}", network.name, work.word), work.criteria)?.is_some() {
            works.push((work.word, Vec::new()));
        }
    }
    for _ in 0..PROCESSES {
        for (work, peaks) in &mut works {
            let [peak] = spawn(&["child", work, network.word], folder)?;
            peaks.push(peak);
        }
    }
    let plain = median(works[0].1.clone());
    for (work, peaks) in works {
        let peak = median(peaks);
        println!("{:<10} {work:<9} {peak:>8.0} {:>6.3}", network.name, peak / plain);
    }
    Ok(())
}

/// Prints the peak of memory of some work in this process.
pub fn child(work: &str, network: &str, folder: &Path) -> Outcome<()> {
    let network = NETWORKS.iter().find(|known| known.word == network).ok_or("no such network")?;
    let run = || match WORKS.iter().find(|known| known.word == work) {
        None => plain(network, folder),
        Some(work) => {
            let specs: Vec<CriterionSpec> = work.criteria.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
            let inputs = inputs(network, work.labelled, folder)?;
            let mut declaration = declared(network, &inputs, folder, MEMORY_BATCH, MEMORY_INPUTS, MEMORY_INPUTS);
            declaration.neurons = work.neurons;
            measure::once(&declaration, &specs)?;
            Ok(())
        }
    };
    let ((), peak) = with_peak(true, run)?;
    println!("{peak}");
    Ok(())
}

/// As many plain runs as a coverage pass has.
fn plain(network: &Network, folder: &Path) -> Outcome<()> {
    let module = load(&folder.join(file(network)))?;
    let [channels, height, width] = network.shape.map(|size| size as i64);
    let sizes = [MEMORY_BATCH as i64, channels, height, width];
    let input = Tensor::randn(sizes, (tch::Kind::Float, tch::Device::Cpu));
    for _ in 0..2 * MEMORY_INPUTS / MEMORY_BATCH {
        drop(black_box(tch::no_grad(|| module.forward_ts(&[&input]))?));
    }
    Ok(())
}
