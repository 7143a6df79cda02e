//! `report`: the outcomes of test runs in one report, or a PDF on a model without a test.

mod analyse;
mod merge;

use std::process::ExitCode;

use crate::Result;
use clap::Args;

/// Arguments of `report`; `cargo cleanai report --help` describes them.
#[derive(Args)]
pub struct Report {
    #[command(flatten)]
    merge: merge::Merge,
    #[command(flatten)]
    analyse: analyse::Analyse,
}

impl Report {
    /// Writes what is asked for; the code is 101 where a test did not pass.
    pub fn run(&self) -> Result<ExitCode> {
        if self.analyse.run()? { Ok(ExitCode::SUCCESS) } else { self.merge.run() }
    }
}
