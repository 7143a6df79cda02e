use cleanai_harness::prelude::*;

#[cleanai::coverage(model = "m", nc >= 0.4)]
fn other_parameter(_: &str) {}

#[cleanai::coverage(model = "m", nc >= 0.4)]
fn returns_number(_: &Measurement) -> f64 {
    0.5
}

struct Opaque;

#[cleanai::coverage(model = "m", nc >= 0.4)]
fn opaque_error(_: &Measurement) -> Result<(), Opaque> {
    Ok(())
}

fn main() {}
