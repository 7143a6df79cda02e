//! `cargo cleanai report`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};

use super::{Opening, device, option};

/// The heading of what is about a model.
const MODEL: &str = "Without a test, on a model";

/// `cargo cleanai report`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("runs").multiple(true), after_help = "\
Examples:
  cargo cleanai report                                  the newest run of this project, in every format
  cargo cleanai report shard-1 shard-2 --pdf coverage.pdf --junit coverage.xml
  cargo cleanai report --style cleanai --model resnet18.pt --data images --seed 7 \\
      --transform '[{ resize = [224, 224] }, \"scale\"]' --pairs --output resnet18.pdf

Every test leaves its outcome below the target folder, in cleanai/PACKAGE/TARGET/runs. This command puts them together: tests that
nextest ran in processes of their own, several packages and test targets, or the shards of a CI run, whose target/cleanai were copied to
this machine. A test that is there twice (a retry) counts as it came out last, and the report names its attempts.

Exit codes: 0 if every test passed, 101 if one did not (0 with --no-fail), 2 for usage and for a folder without outcomes, 1 for a file
that cannot be read or written.

With --model no test is needed: inputs are drawn from the data, and the same seed draws the same ones, which the report names. It shows
modules of class ReLU, Sigmoid, Tanh, LeakyReLU, ELU and ReLU6, so a model without one has no such report.")]
pub struct Report {
    /// Folders that runs left, or folders above them, where the newest run counts: of each test target, or of nextest the one run. The
    /// target folder's cleanai if none is given
    #[arg(value_name = "FOLDER", group = "runs")]
    pub folders: Vec<PathBuf>,
    /// Write a PDF: cover, contents, a section per test
    #[arg(long, value_name = "FILE", group = "runs")]
    pub pdf: Option<PathBuf>,
    /// Write JSON: everything, with all digits
    #[arg(long, value_name = "FILE", group = "runs")]
    pub json: Option<PathBuf>,
    /// Write a page for the browser: one file, without a network
    #[arg(long, value_name = "FILE", group = "runs")]
    pub html: Option<PathBuf>,
    /// Write a summary in Markdown
    #[arg(long, value_name = "FILE", group = "runs")]
    pub markdown: Option<PathBuf>,
    /// Write JUnit XML for a CI server
    #[arg(long, value_name = "FILE", group = "runs")]
    pub junit: Option<PathBuf>,
    /// Write every format into this folder, as report.pdf and so on (the target folder's cleanai, where no format is asked for)
    #[arg(long, value_name = "FOLDER", group = "runs")]
    pub all: Option<PathBuf>,
    /// Leave out of the JUnit file what the schema of Jenkins' xUnit plugin does not know
    #[arg(long, group = "runs")]
    pub junit_strict: bool,
    /// End with 0 even if a test did not pass
    #[arg(long, group = "runs")]
    pub no_fail: bool,
    /// What it looks like: cleanai, the tables of the CleanAI library (the only style so far)
    #[arg(long, value_name = "STYLE", value_parser = ["cleanai"], requires = "model", help_heading = MODEL)]
    pub style: Option<String>,
    /// A TorchScript (.pt) or torch.export (.pt2) file
    #[arg(long, value_name = "FILE", requires = "data", conflicts_with = "runs", help_heading = MODEL)]
    pub model: Option<PathBuf>,
    /// What inputs are drawn from: an image folder, .npy, .npz or idx[.gz] file; #A..B takes a range of them
    #[arg(long, value_name = "DATA", requires = "model", help_heading = MODEL)]
    pub data: Option<String>,
    /// How many inputs are drawn for the sections on several inputs (50 if not given)
    #[arg(long = "inputs", value_name = "N", value_parser = clap::value_parser!(u32).range(1..), requires = "model", help_heading = MODEL)]
    pub several: Option<u32>,
    /// The seed they are drawn with (0 if not given)
    #[arg(long, value_name = "N", requires = "model", help_heading = MODEL)]
    pub seed: Option<u64>,
    /// What a neuron must exceed in threshold coverage (0.75 if not given)
    #[arg(long, value_name = "X", allow_negative_numbers = true, requires = "model", help_heading = MODEL)]
    pub threshold: Option<f64>,
    /// What a difference must exceed in value coverage and in pairs (0.75 if not given)
    #[arg(long, value_name = "X", allow_negative_numbers = true, requires = "model", help_heading = MODEL)]
    pub value_threshold: Option<f64>,
    /// How many neurons of each layer top-k coverage adds up (3 if not given)
    #[arg(long, value_name = "K", requires = "model", help_heading = MODEL)]
    pub top_k: Option<u64>,
    /// The intervals of multisection coverage: '[[0, 0.1], [0.1, 0.2]]' (five up to 0.5 if not given)
    #[arg(long, value_name = "LIST", requires = "model", help_heading = MODEL)]
    pub intervals: Option<String>,
    /// Add the section on pairs of neurons
    #[arg(long, requires = "model", help_heading = MODEL)]
    pub pairs: bool,
    /// Inputs that give the boundaries in place of the several inputs, written like --data
    #[arg(long, value_name = "DATA", requires = "model", help_heading = MODEL)]
    pub profile: Option<String>,
    /// The steps from a file to a model input, as in cleanai.toml: '[{ resize = [28, 28] }, "grayscale", "scale"]'
    #[arg(long, value_name = "TOML", requires = "model", help_heading = MODEL)]
    pub transform: Option<String>,
    /// Inputs per forward pass (16 if not given)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), requires = "model", help_heading = MODEL)]
    pub batch: Option<u32>,
    /// Where to run the model: cpu, cuda, cuda:N, or auto (a GPU if there is one)
    #[arg(long, value_name = "DEVICE", value_parser = device, requires = "model", help_heading = MODEL)]
    pub device: Option<String>,
    #[command(flatten, next_help_heading = MODEL)]
    pub opening: Opening,
    /// The PDF (Analysis_NAME.pdf for a model NAME.pt if not given)
    #[arg(long, value_name = "FILE", requires = "model", help_heading = MODEL)]
    pub output: Option<PathBuf>,
}

impl Report {
    /// Whether it is about runs of tests, not about a model.
    pub fn is_about_runs(&self) -> bool {
        self.model.is_none()
    }

    /// The same request for the engine, about a model.
    pub fn forward(&self) -> Vec<OsString> {
        let mut words = vec!["report".into()];
        option(&mut words, "--style", self.style.as_ref());
        option(&mut words, "--model", self.model.as_ref());
        option(&mut words, "--data", self.data.as_ref());
        option(&mut words, "--inputs", self.several.map(|n| n.to_string()).as_ref());
        option(&mut words, "--seed", self.seed.map(|n| n.to_string()).as_ref());
        option(&mut words, "--threshold", self.threshold.map(|x| x.to_string()).as_ref());
        option(&mut words, "--value-threshold", self.value_threshold.map(|x| x.to_string()).as_ref());
        option(&mut words, "--top-k", self.top_k.map(|n| n.to_string()).as_ref());
        option(&mut words, "--intervals", self.intervals.as_ref());
        if self.pairs {
            words.push("--pairs".into());
        }
        option(&mut words, "--profile", self.profile.as_ref());
        option(&mut words, "--transform", self.transform.as_ref());
        option(&mut words, "--batch", self.batch.map(|n| n.to_string()).as_ref());
        option(&mut words, "--device", self.device.as_ref());
        self.opening.forward(&mut words);
        option(&mut words, "--output", self.output.as_ref());
        words
    }

    /// The same request for the engine, about runs; `home` is where a run of this project leaves its outcomes.
    pub fn forward_runs(&self, home: Option<&Path>) -> Vec<OsString> {
        let mut words = vec!["report".into()];
        let files = [
            ("--pdf", &self.pdf),
            ("--json", &self.json),
            ("--html", &self.html),
            ("--markdown", &self.markdown),
            ("--junit", &self.junit),
        ];
        for (name, file) in files {
            option(&mut words, name, file.as_ref());
        }
        let home = home.unwrap_or(Path::new("."));
        let nothing_asked = files.iter().all(|(_, file)| file.is_none());
        option(&mut words, "--all", self.all.clone().or_else(|| nothing_asked.then(|| home.to_path_buf())).as_ref());
        for (name, set) in [("--junit-strict", self.junit_strict), ("--no-fail", self.no_fail)] {
            if set {
                words.push(name.into());
            }
        }
        // What starts with a hyphen is a folder all the same.
        words.push("--".into());
        match self.folders.as_slice() {
            [] => words.push(home.into()),
            folders => words.extend(folders.iter().map(Into::into)),
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::{Arguments, Command};
    use super::*;

    fn parse(line: &str) -> Result<Report, clap::Error> {
        let words = ["x", "report"].into_iter().chain(line.split_whitespace());
        match Arguments::try_parse_from(words)?.command {
            Command::Report(report) => Ok(report),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_model_is_forwarded_word_for_word() {
        let line = "--style cleanai --model m.pt --data d --seed 7 --threshold -0.5 --top-k 4 --intervals [[0,1]] --pairs \
                    --output o.pdf";
        let report = parse(line).unwrap();
        let expected = "report --style=cleanai --model=m.pt --data=d --seed=7 --threshold=-0.5 --top-k=4 --intervals=[[0,1]] --pairs \
                        --output=o.pdf";
        assert_eq!(report.forward(), expected.split_whitespace().collect::<Vec<_>>());
    }

    #[test]
    fn runs_are_forwarded_word_for_word() {
        let words = |line: &str, home: Option<&str>| {
            let report = parse(line).unwrap();
            assert!(report.is_about_runs());
            report
                .forward_runs(home.map(Path::new))
                .iter()
                .map(|word| word.to_string_lossy().into_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(words("", Some("t/cleanai")), ["report", "--all=t/cleanai", "--", "t/cleanai"]);
        assert_eq!(words("", None), ["report", "--all=.", "--", "."]);
        assert_eq!(
            words("a b --pdf p --junit j --junit-strict --no-fail", Some("t")),
            ["report", "--pdf=p", "--junit=j", "--junit-strict", "--no-fail", "--", "a", "b"]
        );
        assert_eq!(words("a --all o --json -", Some("t")), ["report", "--json=-", "--all=o", "--", "a"]);
    }

    #[test]
    fn runs_and_models_do_not_mix() {
        for line in [
            "--model m",
            "--data d",
            "--style cleanai",
            "--seed 3",
            "folder --model m --data d",
            "--pdf p --model m --data d",
            "--no-fail --model m --data d",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
