use cleanai_macros as cleanai;

#[cleanai::coverage(model = "m", nc >= basline, nac >= agianst - 0.1, tknc >= baseline -, nbc <= baseline + +0.1)]
fn words() {}

#[cleanai::coverage(model = "m", nc >= baseline * 0, nac >= baseline - -0.1, tknc >= baseline / 2, kmnc >= 0.98 * baseline)]
fn adjustments() {}

#[cleanai::coverage(model = "m", nc >= baseline, nc > baseline - 0.1, nc >= 0.4, nac >= against - 1%, against = "")]
fn twice() {}

#[cleanai::coverage(model = "m", nc >= 1.2, nac > 1, tknc >= 40, nbc <= -0.1, snac < 0, kmnc.per_class(min) > 1.5)]
fn never() {}

fn main() {}
