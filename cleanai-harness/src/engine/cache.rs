//! `cache`: what is kept of earlier runs, and removing it.

use crate::cache::{self, Kind};
use crate::{Error, ErrorKind, Result};
use clap::{Args, Subcommand};
use serde::Serialize;

/// Arguments of `cache`; `cargo cleanai cache --help` describes them.
#[derive(Args)]
pub struct Cache {
    #[command(subcommand)]
    command: CacheCommand,
}

#[derive(Subcommand)]
enum CacheCommand {
    /// Shows what is there.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Removes it.
    Clean(Clean),
}

/// What is removed; everything where no kind is named.
#[derive(Args)]
struct Clean {
    /// Profiles.
    #[arg(long)]
    profiles: bool,
    /// Activation traces.
    #[arg(long)]
    traces: bool,
    /// Whole measurements.
    #[arg(long)]
    measurements: bool,
    /// Digests of files.
    #[arg(long)]
    digests: bool,
    /// All of these.
    #[arg(long)]
    all: bool,
    /// Says what was removed as JSON.
    #[arg(long)]
    json: bool,
}

impl Cache {
    /// Shows or cleans.
    pub fn run(&self) -> Result<()> {
        match &self.command {
            CacheCommand::Status { json } => {
                let status = cache::status()?;
                print(*json, &status, &status.text())
            }
            CacheCommand::Clean(clean) => {
                let cleaned = cache::clean(&clean.kinds())?;
                print(clean.json, &cleaned, &cleaned.text())
            }
        }
    }
}

impl Clean {
    fn kinds(&self) -> Vec<Kind> {
        let named = [
            (self.profiles, Kind::Profiles),
            (self.traces, Kind::Traces),
            (self.measurements, Kind::Measurements),
            (self.digests, Kind::Digests),
        ];
        let any = named.iter().any(|(named, _)| *named);
        let all = self.all || !any;
        named.into_iter().filter(|(named, _)| *named || all).map(|(_, kind)| kind).collect()
    }
}

fn print(json: bool, value: &impl Serialize, text: &str) -> Result<()> {
    if json {
        let written = serde_json::to_string_pretty(value);
        let failed = |why| Error::new(ErrorKind::Io, format!("the answer cannot be written as JSON: {why}"));
        anstream::println!("{}", written.map_err(failed)?);
    } else {
        anstream::print!("{text}");
    }
    Ok(())
}
