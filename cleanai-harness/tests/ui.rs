//! Errors of `#[coverage]`, each at the token concerned. `TRYBUILD=overwrite cargo test --test ui` writes them anew.

#[test]
fn errors_point_at_the_token() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/forbid_unsafe.rs");
    cases.compile_fail("tests/ui/error_*.rs");
}
