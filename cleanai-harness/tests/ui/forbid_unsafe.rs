#![deny(warnings)]
#![deny(unused_qualifications, missing_docs)]
//! A user who is strict with their own code.

// Not a wildcard: the attribute needs no name in scope.
use cleanai_harness::prelude::coverage;

#[coverage(model = "lenet5.pt", nc >= 0.4)]
fn lenet5() {}

mod shadowed {
    #![allow(dead_code)]
    struct Option;
    struct Result;
    mod core {}
    mod std {}

    #[cleanai_harness::prelude::coverage(model = "lenet5.pt", nc >= 0.4)]
    fn shadowed(m: &cleanai_harness::prelude::Measurement) {
        let _ = m;
    }
}

fn main() {}
