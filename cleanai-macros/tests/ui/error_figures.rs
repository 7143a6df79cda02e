use cleanai_macros as cleanai;

#[cleanai::coverage(model = "m", per_class(min) >= 0.3, uncovered <= 12)]
fn no_criterion_before() {}

#[cleanai::coverage(model = "m", nc.per_class >= 0.3, nac.per_class() >= 0.3, tknc.per_layer(median) >= 0.3)]
fn no_aggregate() {}

#[cleanai::coverage(model = "m", nc.per_layer(min, max) >= 0.3, nac.per_layer(0.5) >= 0.3, kmnc.per_class(mni) >= 0.3)]
fn wrong_aggregate() {}

#[cleanai::coverage(model = "m", nc@conv2.per_layer(min) >= 0.3, nac@relu.uncovered <= 12, nc.a.b >= 1, nc. >= 1)]
fn within_the_layers() {}

fn main() {}
