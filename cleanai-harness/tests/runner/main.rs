//! The runner and the gate against the real `insta`: every test starts this binary again, as a test binary of a user's
//! would run, in a workspace of its own with the environment under test.

mod baseline;
mod child;
mod command_line;
mod disk;
mod explained;
mod ratchet;
mod sandbox;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    if let Some(scenario) = std::env::var_os(child::SCENARIO) {
        return child::main(&scenario.to_string_lossy());
    }
    let tests = [baseline::TESTS, explained::TESTS, ratchet::TESTS, command_line::TESTS, disk::TESTS];
    let trials = tests.into_iter().flatten().map(|(name, test)| {
        Trial::test(*name, || {
            test();
            Ok(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}
