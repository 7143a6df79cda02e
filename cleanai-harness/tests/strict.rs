//! A user who is strict with their own code, and has names of their own for everything.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs, unused_qualifications)]

// Not a wildcard: the attribute needs no name in scope.
use cleanai_harness as cleanai;

#[cleanai::coverage(model = "lenet5.pt", nc >= 0.4)]
fn lenet5() {}

mod shadowed {
    #![allow(dead_code)]
    struct Option;
    struct Result;
    mod core {}
    mod std {}

    #[cleanai_harness::coverage(model = "lenet5.pt", nc >= 0.4)]
    fn shadowed(m: &cleanai_harness::prelude::Measurement) {
        let _ = m;
    }
}

#[test]
#[allow(unused_qualifications)] // the harness's own dependencies are in scope here, not with a user
fn both_are_registered() {
    let registered = cleanai_harness::private::inventory::iter::<cleanai_harness::private::Registration>().count();
    assert_eq!(registered, 2);
}
