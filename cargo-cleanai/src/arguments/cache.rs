//! `cargo cleanai cache`: its arguments, and the same for the engine.

use std::ffi::OsString;

use clap::{Args, Subcommand};

/// `cargo cleanai cache`.
#[derive(Debug, Args)]
pub struct Cache {
    /// What to do
    #[command(subcommand)]
    pub command: CacheCommand,
}

/// What can be done with the cache.
#[derive(Debug, Subcommand)]
pub enum CacheCommand {
    /// Show what is kept of earlier runs: entries, size, when they were used, and the folder
    #[command(after_help = "\
The folder is the one that CLEANAI_CACHE names, else cleanai in your cache folder; CLEANAI_CACHE=off turns the cache off.
CLEANAI_CACHE_SIZE says how large it may grow (4GiB if not set); what was not used for longest goes first.")]
    Status {
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove what is kept of earlier runs; the next run computes it again
    Clean(Clean),
}

/// `cargo cleanai cache clean`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo cleanai cache clean                   everything
  cargo cleanai cache clean --measurements    measure anew, with the profiles that are there

It works on a damaged cache, and while tests run: what they read just now stays.")]
pub struct Clean {
    /// Remove profiles: what criteria want to know of a training set
    #[arg(long)]
    pub profiles: bool,
    /// Remove activation traces
    #[arg(long)]
    pub traces: bool,
    /// Remove whole measurements
    #[arg(long)]
    pub measurements: bool,
    /// Remove the digests of models and data
    #[arg(long)]
    pub digests: bool,
    /// Remove all of these, as without any option
    #[arg(long)]
    pub all: bool,
    /// Print what was removed as JSON
    #[arg(long)]
    pub json: bool,
}

impl Cache {
    /// The same request for the engine.
    pub fn forward(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["cache".into()];
        let mut flag = |name: &str, given: bool| {
            if given {
                words.push(name.into());
            }
        };
        match &self.command {
            CacheCommand::Status { json } => {
                flag("status", true);
                flag("--json", *json);
            }
            CacheCommand::Clean(clean) => {
                flag("clean", true);
                flag("--profiles", clean.profiles);
                flag("--traces", clean.traces);
                flag("--measurements", clean.measurements);
                flag("--digests", clean.digests);
                flag("--all", clean.all);
                flag("--json", clean.json);
            }
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::arguments::{Arguments, Command};

    #[test]
    fn it_is_forwarded_word_for_word() {
        for words in [
            "cache status",
            "cache status --json",
            "cache clean",
            "cache clean --profiles --traces --measurements --digests --all --json",
        ] {
            let line = ["x"].into_iter().chain(words.split_whitespace());
            let Command::Cache(cache) = Arguments::parse_from(line).command else { panic!("{words}") };
            assert_eq!(cache.forward(), words.split_whitespace().collect::<Vec<_>>());
        }
        for wrong in ["x cache", "x cache empty", "x cache status --all", "x cache clean everything"] {
            assert_eq!(Arguments::try_parse_from(wrong.split_whitespace()).unwrap_err().exit_code(), 2, "{wrong}");
        }
    }
}
