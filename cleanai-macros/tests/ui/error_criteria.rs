use cleanai_macros as cleanai;

#[cleanai::coverage(model = "m", kmcn >= 0.4)]
fn misspelt() {}

#[cleanai::coverage(model = "m", thoroughness >= 0.4)]
fn unknown() {}

#[cleanai::coverage(model = "m", nc >= 0.4, nc() > 0.5)]
fn repeated() {}

#[cleanai::coverage(model = "m", nc(treshold = 0.4) >= 0.4, kmnc(k = 3, k = 4) >= 0.1, accuracy(k = 3) >= 0.9)]
fn parameters() {}

#[cleanai::coverage(model = "m", kmnc(k = "x") >= 0.4, kmnc(k = 0) >= 0.4, nbc(sigma = -1.0) <= 0.1, nc(threshold) >= 0.4)]
fn parameter_types() {}

#[cleanai::coverage(model = "m", nc(neurons = "units") >= 0.4, nc(layers = 3) >= 0.4, nc(layer = "a", layers = "b") >= 0.4)]
fn common_parameters() {}

#[cleanai::coverage(model = "m", nc@conv 2 >= 0.4, nc@ >= 0.4, nc(layers = "a")@b >= 0.4, accuracy@conv2 >= 0.9)]
fn layers() {}

#[cleanai::coverage(model = "m", cleanai:nc >= 0.4, acme:: >= 0.4, "nc >= 0.4", acme::own. >= 0.4)]
fn names() {}

fn main() {}
