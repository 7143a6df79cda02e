use cleanai_macros as cleanai;

#[cleanai::coverage(model = "m", nc >= 0.4)]
struct NotAFunction;

#[cleanai::coverage(model = "m", nc >= 0.4)]
async fn asynchronous() {}

#[cleanai::coverage(model = "m", nc >= 0.4)]
unsafe fn not_safe() {}

#[cleanai::coverage(model = "m", nc >= 0.4)]
extern "C" fn foreign() {}

#[cleanai::coverage(model = "m", nc >= 0.4)]
fn generic<T, const N: usize>() {}

#[cleanai::coverage(model = "m", nc >= 0.4)]
fn two(_: &Measurement, _: &Measurement) {}

#[cleanai::coverage(model = "m", nc >= 0.4)]
fn by_value(_: Measurement) {}

#[cleanai::coverage(model = "m", nc >= 0.4)]
fn exclusive(_: &mut Measurement) {}

#[cleanai::coverage(model = "m", nc >= 0.4)]
#[test]
#[should_panic]
fn tested() {}

// What is wrong with a function does not make its callers wrong.
fn main() {
    two_calls();
}

#[cleanai::coverage(nc >= 0.4)]
fn two_calls() {}
