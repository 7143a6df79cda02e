use cleanai_macros as cleanai;

#[cleanai::coverage]
fn nothing() {}

#[cleanai::coverage(nc >= 0.4)]
fn no_model() {}

#[cleanai::coverage(model = "a", nc >= 0.4, model = "b")]
fn two_models() {}

#[cleanai::coverage(modle = "m", nc >= 0.4)]
fn misspelt() {}

#[cleanai::coverage(model = "m", profile = "data/train", colour = "red")]
fn unknown() {}

#[cleanai::coverage(model = 5)]
fn integer_model() {}

#[cleanai::coverage(model = lenet5)]
fn bare_model() {}

#[cleanai::coverage(model = "", batch = 0, neurons = "units", device = "cude", layers = 3, non_finite = "skip")]
fn values() {}

#[cleanai::coverage(model = "m", batch = "big", device = "cuda:900", device = "gpu", layers = [], data = )]
fn more_values() {}

#[cleanai::coverage(model = "m" nc >= 0.4)]
fn no_comma() {}

fn main() {}

#[cleanai::coverage(model = "m",, nc >= 0.4,)]
fn two_commas() {}
