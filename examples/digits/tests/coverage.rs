//! The release gate of the digit classifier. What is not said here is in `cleanai.toml`.

use cleanai_harness::prelude::*;

/// The test pictures exercise the network, stay within what training showed it, and are answered correctly.
#[cleanai::coverage(
    model = "lenet5",
    accuracy >= 0.98,
    nc(threshold = 0.25) >= 0.72,
    tknc >= 0.62,
    kmnc(k = 100) >= 0.83,
    nbc <= 0.22
)]
fn lenet5() {}

/// No single layer may hide behind the others: the body sees the numbers.
#[cleanai::coverage(model = "lenet5", kmnc(k = 10) >= 0.98)]
fn lenet5_layers(m: &Measurement) -> Result<(), Failed> {
    let worst = m.layers("kmnc(k=10)")?.min_by_value();
    ensure!(worst.value > 0.9, "{} is nearly untested", worst.name);
    Ok(())
}

/// The file of torch.export is the same network; what it must reach is in `cleanai.toml`.
#[cleanai::coverage(model = "lenet5_exported")]
fn lenet5_exported() {}

cleanai_harness::main!();
