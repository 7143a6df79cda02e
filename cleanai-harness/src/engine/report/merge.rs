//! `report FOLDER`: one report on what test runs left.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::report::format::{FORMATS, Format};
use crate::report::{Outcome, Status, fragment, junit, message, terminal};
use crate::{Error, ErrorKind, Result};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};

/// The exit code of a test binary with a failed test.
const FAILED: u8 = 101;

/// What of `report` is about runs.
#[derive(Args)]
pub struct Merge {
    /// Folders that runs left, or folders above them; the newest run below each counts.
    #[arg(value_name = "FOLDER", conflicts_with = "model")]
    folders: Vec<PathBuf>,
    /// Writes a report of every format into this folder.
    #[arg(long, value_name = "FOLDER", conflicts_with = "model")]
    all: Option<PathBuf>,
    /// Leaves out of the JUnit report what Jenkins' schema does not know.
    #[arg(long, conflicts_with = "model")]
    junit_strict: bool,
    /// Ends with 0 even if a test did not pass.
    #[arg(long, conflicts_with = "model")]
    no_fail: bool,
    #[command(flatten)]
    files: Files,
}

/// The files asked for, by their format: an option for each of the list.
struct Files(Vec<(&'static Format, PathBuf)>);

impl Args for Files {
    fn augment_args(command: Command) -> Command {
        FORMATS.iter().fold(command, |command, format| {
            let arg = Arg::new(format.option).long(format.option).value_name("FILE").action(ArgAction::Set);
            let help = format!("Writes a {} report to this file", format.name);
            command.arg(arg.value_parser(value_parser!(PathBuf)).conflicts_with("model").help(help))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Files {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        let file = |format: &'static Format| Some((format, matches.get_one::<PathBuf>(format.option)?.clone()));
        Ok(Self(FORMATS.iter().filter_map(file).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Merge {
    /// Reads, writes, and says what came out.
    pub fn run(&self) -> Result<ExitCode> {
        if self.folders.is_empty() {
            return Err(Error::new(
                ErrorKind::Configuration,
                "report needs a folder that a run left, or --model and --data",
            )
            .with_help("as in `cargo cleanai report target/cleanai --pdf coverage.pdf`"));
        }
        let merged = fragment::merge(&self.folders)?;
        let written = self.write(&merged.outcomes)?;
        for run in &merged.runs {
            anstream::println!("read {}", run.display());
        }
        let written: Vec<(&str, &Path)> = written.iter().map(|(name, path)| (*name, path.as_path())).collect();
        anstream::print!("{}", terminal::summary(&merged.outcomes, &written));
        let passed = message::overall(&merged.outcomes) == Status::Passed;
        Ok(if passed || self.no_fail { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
    }

    /// The formats asked for, each with its file.
    fn write(&self, outcomes: &[Outcome]) -> Result<Vec<(&'static str, PathBuf)>> {
        let mut files: Vec<(&'static Format, PathBuf)> = self.files.0.clone();
        if let Some(folder) = &self.all {
            for format in FORMATS {
                if !files.iter().any(|(own, _)| own.option == format.option) {
                    files.push((format, folder.join(format!("report{}", format.ending))));
                }
            }
        }
        let mut options = junit::Options { strict: self.junit_strict, attachments: Vec::new() };
        let mut written = Vec::new();
        // In the order of the list, so that JUnit can name those before it.
        for format in FORMATS {
            for (_, path) in files.iter().filter(|(own, _)| own.option == format.option) {
                (format.write)(outcomes, path, &options)?;
                if format.is_readable() {
                    options.attachments.push(path.clone());
                }
                written.push((format.name, path.clone()));
            }
        }
        Ok(written)
    }
}
