//! Errors of `#[coverage]`, each at the token concerned. `TRYBUILD=overwrite cargo test -p cleanai-macros` writes them
//! anew. They are found before the generated code names cleanai-harness, so none of it need be built.

#[test]
fn errors_point_at_the_token() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
