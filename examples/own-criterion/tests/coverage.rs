//! A gate that requires the criterion of `src/lib.rs`.

// Registered is what is linked: without this line nothing of the crate would be in the test program, and no criterion of this name.
use own_criterion as _;

use cleanai_harness::prelude::*;

/// The attribute requires it of all layers, `cleanai.toml` with another bound of the activations.
#[cleanai::coverage(model = "lenet5", acme::dead <= 0.25, nc(threshold = 0.25) >= 0.7)]
fn lenet5() {}

/// A body reads its figures as those of any other.
#[cleanai::coverage(model = "lenet5", acme::dead <= 0.25)]
fn lenet5_layers(m: &Measurement) -> Result<(), Failed> {
    for layer in m.layers("acme::dead")? {
        ensure!(layer.value < 0.5, "half of {} never answers", layer.name);
    }
    Ok(())
}

cleanai_harness::main!();
