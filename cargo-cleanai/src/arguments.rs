//! The command line: what can be asked, and the words that explain it.

mod augment;
mod cache;
mod config;
mod explain;
mod init;
mod monitor;
mod ratchet;
mod report;
mod select;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::Styles;
use clap::builder::styling::AnsiColor;
use clap::{Args, Parser, Subcommand};

pub use augment::Augment;
pub use cache::Cache;
pub use config::{Check, Config, ConfigCommand, Show, Targets};
pub use explain::Explain;
pub use init::Init;
pub use monitor::Monitor;
pub use ratchet::Ratchet;
pub use report::Report;
pub use select::Select;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Gate neural-network releases in `cargo test` by how thoroughly the test data exercises the model.
///
/// A coverage test declares what must hold (`#[coverage(model = "lenet5.pt", nc >= 0.4)]`); this command provides what
/// running it takes. New here? `cargo cleanai demo` fetches libtorch once and shows the whole on real digits.
#[derive(Debug, Parser)]
#[command(
    name = "cargo cleanai",
    bin_name = "cargo cleanai",
    version,
    styles = STYLES,
    max_term_width = 110,
    arg_required_else_help = true,
    after_help = "\
Examples:
  cargo cleanai demo                        see it at work, in a checkout of the repository
  cargo cleanai init                        a first coverage test in your own package
  cargo cleanai test                        run the tests of this project, set-up included
  cargo cleanai inspect models/lenet5.pt    the layers and neurons that criteria can name
  cargo cleanai doctor                      what is set up, what is not, and the one fix

Exit codes: those of what was run; 1 for trouble in set-up, 2 for usage and configuration."
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the whole product on handwritten digits: coverage table, verdicts, reports
    Demo,
    /// Give this package its first coverage test: dependency, test target, cleanai.toml, for a model and data it looks for
    Init(Init),
    /// Run `cargo test` (or nextest), with libtorch set up first
    Test(Test),
    Ratchet(Ratchet),
    /// Find or fetch libtorch, and make plain `cargo test` find it
    ///
    /// Takes the first of: the folder that LIBTORCH names; the torch of your Python, if it is the right version; the
    /// copy in the user's cache folder; a copy fetched with pip (about 0.5 GB, once per user). It is verified before it
    /// is used, may be interrupted at any time, and changes nothing when all is in place.
    Setup,
    /// Say what is set up, what is not, and the one fix
    Doctor,
    /// Show a model's layers, neurons and parameters
    Inspect(Inspect),
    /// Measure coverage criteria without a test, as text or JSON
    Measure(Measure),
    /// Write heat maps of inputs: which pixels and neurons speak for the class a model predicts
    Explain(Explain),
    /// Choose the inputs that add most coverage, the fewest that keep it, or the most surprising, as a manifest
    Select(Select),
    /// Make a monitor that tells a service which predictions not to trust
    Monitor(Monitor),
    /// Make adversarial and noisy inputs of a data set: pictures or arrays with a manifest
    Augment(Augment),
    /// Show, check and explain the configuration: cleanai.toml, attributes and CLEANAI_* variables
    Config(Config),
    /// Put the outcomes of test runs, shards or retries into one report; or describe a model in the tables of the CleanAI library
    Report(Report),
    /// Show or remove what is kept of earlier runs: profiles, activation traces, whole measurements
    Cache(Cache),
}

/// `cargo cleanai test`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo cleanai test                              the whole suite
  cargo cleanai test -p digits --test coverage    one target
  cargo cleanai test -- --list                    arguments after -- go to the tests
  cargo cleanai test --nextest --no-fail-fast     with cargo nextest run")]
pub struct Test {
    /// Run `cargo nextest run` in place of `cargo test`
    #[arg(long)]
    pub nextest: bool,
    /// Arguments for `cargo test`, or for `cargo nextest run`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    pub arguments: Vec<OsString>,
}

/// `cargo cleanai inspect`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo cleanai inspect models/lenet5.pt
  cargo cleanai inspect models/lenet5.pt --input-shape 1,28,28 --json layers.json
  cargo cleanai inspect models/captions.pt --input-shape image=3,32,32 --input-shape tokens=16")]
pub struct Inspect {
    /// A TorchScript (.pt) or torch.export (.pt2) file
    pub model: PathBuf,
    /// Where to run it: cpu, cuda, cuda:N, or auto (a GPU if there is one)
    #[arg(long, value_name = "DEVICE", value_parser = device)]
    pub device: Option<String>,
    #[command(flatten)]
    pub opening: Opening,
    /// The shape of one input without the batch, to learn the shapes of the layers: 1,28,28; or tokens=16 for each input
    /// of a model that takes several
    #[arg(long = "input-shape", value_name = "SHAPE", value_parser = shape)]
    pub input_shapes: Vec<String>,
    /// Write the layers as JSON to this file too
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// `cargo cleanai measure`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo cleanai measure --model lenet5.pt --data data/test \\
      --transform '[{ resize = [28, 28] }, \"grayscale\", \"scale\"]' --criterion nc
  cargo cleanai measure --model lenet5.pt --data 't10k.idx.gz#0..500' --profile train.idx.gz \\
      --criterion 'kmnc(k=1000)' --criterion nbc --json coverage.json")]
pub struct Measure {
    /// A TorchScript (.pt) or torch.export (.pt2) file
    #[arg(long, value_name = "FILE")]
    pub model: PathBuf,
    /// The inputs to measure: an image folder, .npy, .npz or idx[.gz] file, or a manifest (.csv); #A..B takes a range of them
    #[arg(long, value_name = "DATA")]
    pub data: String,
    /// The inputs whose neuron ranges kmnc, nbc and snac are measured against (the training set), written like --data
    #[arg(long, value_name = "DATA")]
    pub profile: Option<String>,
    /// Inputs that monitors (src, mrc, topk, knn) must not accept, unless they name their own, written like --data
    #[arg(long, value_name = "DATA")]
    pub untrusted: Option<String>,
    /// The steps from a file to a model input, as in cleanai.toml: '[{ resize = [28, 28] }, "grayscale", "scale"]'
    #[arg(long, value_name = "TOML")]
    pub transform: Option<String>,
    /// The layers to measure, as in cleanai.toml: a name, or a glob like 'conv*' (all layers if not given)
    #[arg(long, value_name = "SELECTOR")]
    pub layers: Option<String>,
    /// What a neuron of a convolution is: a channel (its spatial mean) or a single unit
    #[arg(long, value_name = "KIND", value_parser = ["channel", "unit"])]
    pub neurons: Option<String>,
    /// Inputs per forward pass
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch: Option<u32>,
    /// Where to run the model: cpu, cuda, cuda:N, or auto (a GPU if there is one)
    #[arg(long, value_name = "DEVICE", value_parser = device)]
    pub device: Option<String>,
    #[command(flatten)]
    pub opening: Opening,
    /// A criterion with its parameters, like nc, 'kmnc(k=1000)' or 'tknc(k=3)@conv2'; give it once for each criterion
    #[arg(long = "criterion", value_name = "CRITERION", required = true)]
    pub criteria: Vec<String>,
    /// What to do about an input that cannot be decoded: fail, or skip and count it
    #[arg(long, value_name = "POLICY", value_parser = ["fail", "skip"])]
    pub on_bad_input: Option<String>,
    /// What to do about NaN and infinite activations: an error, or leave them out
    #[arg(long, value_name = "POLICY", value_parser = ["error", "ignore"])]
    pub non_finite: Option<String>,
    /// Write the measurement as JSON (schema 1, values with all digits) to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write every input's name, label, prediction and numbers as a table to this file (.csv or .json); for criteria that score inputs
    #[arg(long, value_name = "FILE")]
    pub per_input: Option<PathBuf>,
}

/// How a model is opened: the keys of [models.NAME] as arguments.
#[derive(Debug, Args)]
pub struct Opening {
    /// A library that brings operators (libtorchvision.so), loaded before the model; once for each. This runs its code
    #[arg(long = "library", value_name = "FILE")]
    pub libraries: Vec<PathBuf>,
    /// Let the model's code call operators that read and write files
    #[arg(long)]
    pub allow_files: bool,
    /// What a batch starts with where runs change the model's state: fresh (the state in the file) or keep
    #[arg(long, value_name = "STATE", value_parser = ["fresh", "keep"])]
    pub state: Option<String>,
    /// The element type of an input, tokens=int64; once for each
    #[arg(long = "input", value_name = "NAME=TYPE")]
    pub inputs: Vec<String>,
}

impl Opening {
    fn forward(&self, words: &mut Vec<OsString>) {
        for library in &self.libraries {
            option(words, "--library", Some(library));
        }
        if self.allow_files {
            words.push("--allow-files".into());
        }
        option(words, "--state", self.state.as_ref());
        for input in &self.inputs {
            option(words, "--input", Some(input));
        }
    }
}

impl Inspect {
    /// The same request for the engine.
    pub fn forward(&self) -> Vec<OsString> {
        let mut words = vec!["inspect".into(), self.model.clone().into_os_string()];
        option(&mut words, "--device", self.device.as_ref());
        self.opening.forward(&mut words);
        for shape in &self.input_shapes {
            option(&mut words, "--input-shape", Some(shape));
        }
        option(&mut words, "--json", self.json.as_ref());
        words
    }
}

impl Measure {
    /// The same request for the engine.
    pub fn forward(&self) -> Vec<OsString> {
        let mut words = vec!["measure".into()];
        option(&mut words, "--model", Some(&self.model));
        option(&mut words, "--data", Some(&self.data));
        option(&mut words, "--profile", self.profile.as_ref());
        option(&mut words, "--untrusted", self.untrusted.as_ref());
        option(&mut words, "--transform", self.transform.as_ref());
        option(&mut words, "--layers", self.layers.as_ref());
        option(&mut words, "--neurons", self.neurons.as_ref());
        option(&mut words, "--batch", self.batch.map(|n| n.to_string()).as_ref());
        option(&mut words, "--device", self.device.as_ref());
        self.opening.forward(&mut words);
        for criterion in &self.criteria {
            option(&mut words, "--criterion", Some(criterion));
        }
        option(&mut words, "--on-bad-input", self.on_bad_input.as_ref());
        option(&mut words, "--non-finite", self.non_finite.as_ref());
        option(&mut words, "--json", self.json.as_ref());
        option(&mut words, "--per-input", self.per_input.as_ref());
        words
    }
}

/// Adds `--name=value`: joined, so that a value that starts with a hyphen stays a value.
fn option<T: Clone + Into<OsString>>(words: &mut Vec<OsString>, name: &str, value: Option<&T>) {
    if let Some(value) = value {
        let mut word = OsString::from(name);
        word.push("=");
        word.push(value.clone().into());
        words.push(word);
    }
}

fn device(text: &str) -> Result<String, String> {
    let known = match text {
        "auto" | "cpu" | "cuda" => true,
        _ => text.strip_prefix("cuda:").is_some_and(|index| index.parse::<u16>().is_ok()),
    };
    if known { Ok(text.to_string()) } else { Err("a device is auto, cpu, cuda or cuda:N".to_string()) }
}

fn shape(text: &str) -> Result<String, String> {
    let sizes = text.split_once('=').map_or(text, |(_, sizes)| sizes);
    if sizes.is_empty() && text != sizes
        || sizes.split(',').all(|size| size.trim().parse::<u32>().is_ok_and(|size| size > 0))
    {
        Ok(text.to_string())
    } else {
        Err("a shape is sizes with commas between them, like 1,28,28, or tokens=16".to_string())
    }
}

/// The arguments as clap shall see them, for both ways of being started.
///
/// As an installed subcommand cargo runs `cargo-cleanai cleanai test`, so a first `cleanai` is dropped. And clap takes
/// the first `--` of `test` as its own although all that follows belongs to `cargo test`, so it is given another one.
pub fn normalise(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = words.into_iter().collect();
    if words.get(1).is_some_and(|word| word == "cleanai") {
        words.remove(1);
    }
    if words.get(1).is_some_and(|word| word == "test") {
        let own = words[2..].iter().take_while(|word| *word == "--nextest").count();
        if words.get(2 + own).is_some_and(|word| word == "--") {
            words.insert(2 + own, "--".into());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &[&str]) -> Arguments {
        Arguments::try_parse_from(normalise(line.iter().map(OsString::from))).unwrap()
    }

    fn test_arguments(line: &[&str]) -> (bool, Vec<String>) {
        match parse(line).command {
            Command::Test(test) => {
                (test.nextest, test.arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn both_ways_of_being_started() {
        for line in [&["cargo-cleanai", "cleanai", "doctor"][..], &["cargo-cleanai", "doctor"]] {
            assert!(matches!(parse(line).command, Command::Doctor));
        }
    }

    #[test]
    fn test_passes_everything_on() {
        for (line, nextest, expected) in [
            (&["x", "test"][..], false, &[][..]),
            (&["x", "test", "--", "--list"], false, &["--", "--list"]),
            (&["x", "cleanai", "test", "--", "--list"], false, &["--", "--list"]),
            (&["x", "test", "-p", "a", "--", "--list"], false, &["-p", "a", "--", "--list"]),
            (&["x", "test", "name", "--", "-q", "--", "z"], false, &["name", "--", "-q", "--", "z"]),
            (&["x", "test", "--nextest", "--", "--exact"], true, &["--", "--exact"]),
            (
                &["x", "test", "--nextest", "--no-fail-fast", "-E", "test(a)"],
                true,
                &["--no-fail-fast", "-E", "test(a)"],
            ),
            (&["x", "test", "--workspace", "--nextest"], false, &["--workspace", "--nextest"]),
        ] {
            let (found, rest) = test_arguments(line);
            assert_eq!(
                (found, rest.iter().map(String::as_str).collect::<Vec<_>>()),
                (nextest, expected.to_vec()),
                "{line:?}"
            );
        }
    }

    #[test]
    fn measure_is_forwarded_word_for_word() {
        let line = [
            "x",
            "measure",
            "--model",
            "a b.pt",
            "--data",
            "d#0..5",
            "--criterion",
            "kmnc(k=10)",
            "--criterion",
            "nc",
            "--batch",
            "7",
            "--device",
            "cuda:1",
            "--json",
            "-",
            "--neurons",
            "unit",
            "--per-input",
            "i.csv",
        ];
        let Command::Measure(measure) = parse(&line).command else { panic!() };
        assert_eq!(
            measure.forward(),
            [
                "measure",
                "--model=a b.pt",
                "--data=d#0..5",
                "--neurons=unit",
                "--batch=7",
                "--device=cuda:1",
                "--criterion=kmnc(k=10)",
                "--criterion=nc",
                "--json=-",
                "--per-input=i.csv"
            ]
        );
    }

    #[test]
    fn wrong_values_are_usage_errors() {
        for line in [
            &["x", "measure", "--model", "m", "--data", "d"][..],
            &["x", "measure", "--model", "m", "--data", "d", "--criterion", "nc", "--batch", "0"],
            &["x", "measure", "--model", "m", "--data", "d", "--criterion", "nc", "--device", "gpu"],
            &["x", "inspect"],
            &["x", "inspect", "m", "--input-shape", "1,,2"],
            &["x", "nonsense"],
        ] {
            let error = Arguments::try_parse_from(line).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line:?}");
        }
    }
}
