//! The reader of `.pt` files.

#![no_main]

use cleanai_harness_fuzz::{mutate, open_and_run};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|bytes: &[u8]| open_and_run(bytes, ".pt"));

fuzz_mutator!(|bytes: &mut [u8], size: usize, most: usize, seed: u32| { mutate(bytes, size, most, seed) });
