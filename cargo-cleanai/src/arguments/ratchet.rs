//! `cargo cleanai ratchet`.

use std::ffi::OsString;

use clap::Args;

use super::option;

/// Raise thresholds and baselines to what today's test data reaches, less a tolerance; nothing is ever lowered
///
/// The tests are run first. Better figures then go into the baselines (snapshots), and numbers in `cleanai.toml` and in
/// `#[cleanai::coverage(…)]` rise to today's figures less the margin; comments and layout stay. What belongs to a test that
/// fails is left alone, and so is a requirement that compares with the baseline.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo cleanai ratchet --dry-run         what would be raised
  cargo cleanai ratchet lenet5            one test, or all with this in their names
  cargo cleanai ratchet --margin 0.01     leave a percentage point to spare")]
pub struct Ratchet {
    /// Tests by name, or a part of it (all if none is given)
    #[arg(value_name = "TEST")]
    pub tests: Vec<String>,
    /// What thresholds stay below today's figures, in the figures' own unit (the tolerance of each figure if not given)
    #[arg(long, value_name = "X", value_parser = margin, allow_negative_numbers = true)]
    pub margin: Option<f64>,
    /// Show what would be raised and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// A package, as `cargo test` takes it; once for each
    #[arg(short, long = "package", value_name = "NAME")]
    pub packages: Vec<String>,
    /// A test target, as `cargo test` takes it; once for each (all if not given)
    #[arg(long = "test", value_name = "TARGET")]
    pub targets: Vec<String>,
}

impl Ratchet {
    /// The words after `cargo test`.
    pub fn forward(&self) -> Vec<OsString> {
        let mut words = vec!["--no-fail-fast".into()];
        if self.targets.is_empty() {
            // No documentation: its examples measure nothing.
            words.push("--tests".into());
        }
        self.packages.iter().for_each(|name| option(&mut words, "--package", Some(name)));
        self.targets.iter().for_each(|name| option(&mut words, "--test", Some(name)));
        if !self.tests.is_empty() {
            words.push("--".into());
            words.extend(self.tests.iter().map(OsString::from));
        }
        words
    }
}

fn margin(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| "a margin is a number from 0 on, such as 0.002".to_owned())
}
