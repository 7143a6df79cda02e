use cleanai_macros as cleanai;

#[cleanai::coverage(model = "m", nc >= high, nac >= "0.4")]
fn not_a_number() {}

#[cleanai::coverage(model = "m", nc = 0.4, nac == 0.4, tknc => 0.4, kmnc =< 0.4, nbc != 0.4)]
fn operators() {}

#[cleanai::coverage(model = "m", nc >= 40%, nac >= 0.4f32, tknc >= 0x10, kmnc >= .4, nbc >= 1., snac >= 1e999)]
fn numbers() {}

#[cleanai::coverage(model = "m", nc >= 0.4 0.5, nac 0.4, tknc >= , kmnc >= -, nbc)]
fn incomplete() {}

#[cleanai::coverage(model = "m", acme::own(k = deep) >= 0, acme::own(k = 2..4) >= 0, acme::own(k = 4..=2) >= 0, acme::own(k = ) >= 0)]
fn values() {}

fn main() {}
