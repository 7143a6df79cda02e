//! The part of the command line that needs libtorch: `cargo cleanai inspect`, `measure`, `explain`, `augment`, `select`, `monitor`, `config`,
//! `report` and `cache` run it.

fn main() -> std::process::ExitCode {
    cleanai_harness::private::engine()
}
