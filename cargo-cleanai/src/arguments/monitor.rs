//! `cargo cleanai monitor`: its arguments, and the same for the engine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{Opening, device, option};

/// `cargo cleanai monitor`.
#[derive(Debug, Args)]
pub struct Monitor {
    /// What to do
    #[command(subcommand)]
    pub command: MonitorCommand,
}

/// What can be done with monitors.
#[derive(Debug, Subcommand)]
pub enum MonitorCommand {
    /// Write the signature file of a monitor, which a service loads beside its model
    Export(Export),
}

/// `cargo cleanai monitor export`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo cleanai monitor export --model lenet5.pt --profile data/train --out lenet5.monitor \\
      --transform '[{ resize = [28, 28] }, \"grayscale\", \"scale\"]'
  cargo cleanai monitor export --model lenet5.pt --profile train.idx.gz --untrusted noise.npy --by 'mrc(q=10)' \\
      --out lenet5.monitor

The profile needs labels: trusted are inputs that the model predicts as their label with a softmax of at least 0.9. A service loads
both with cleanai_harness::monitor::Monitor::load(model, signature); examples/monitor is one.")]
pub struct Export {
    /// A TorchScript (.pt) or torch.export (.pt2) file
    #[arg(long, value_name = "FILE")]
    pub model: PathBuf,
    /// The inputs the signature is made of (the training set): an image folder, .npy, .npz or idx[.gz] file; #A..B takes a range of them
    #[arg(long, value_name = "DATA")]
    pub profile: String,
    /// Inputs that must not be accepted, written like --profile; they tell the thresholds
    #[arg(long, value_name = "DATA")]
    pub untrusted: Option<String>,
    /// The monitor: src, 'mrc(q=10)', 'topk(k=3)' or 'knn(k=1)' (src if not given)
    #[arg(long, value_name = "MONITOR")]
    pub by: Option<String>,
    /// The signature file
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The steps from a file to a model input, as in cleanai.toml: '[{ resize = [28, 28] }, "grayscale", "scale"]'
    #[arg(long, value_name = "TOML")]
    pub transform: Option<String>,
    /// The layers it looks at, as in cleanai.toml: a name, or a glob like 'conv*' (all layers if not given)
    #[arg(long, value_name = "SELECTOR")]
    pub layers: Option<String>,
    /// What a neuron of a convolution is: a channel (its spatial mean) or a single unit
    #[arg(long, value_name = "KIND", value_parser = ["channel", "unit"])]
    pub neurons: Option<String>,
    /// Inputs per forward pass; best the size of the service's own batches
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch: Option<u32>,
    /// Where to run the model: cpu, cuda, cuda:N, or auto (a GPU if there is one)
    #[arg(long, value_name = "DEVICE", value_parser = device)]
    pub device: Option<String>,
    #[command(flatten)]
    pub opening: Opening,
    /// What to do about an input that cannot be decoded: fail, or skip it
    #[arg(long, value_name = "POLICY", value_parser = ["fail", "skip"])]
    pub on_bad_input: Option<String>,
    /// What to do about NaN and infinite activations: an error, or leave them out
    #[arg(long, value_name = "POLICY", value_parser = ["error", "ignore"])]
    pub non_finite: Option<String>,
}

impl Monitor {
    /// The model it is about.
    pub fn model(&self) -> &Path {
        let MonitorCommand::Export(export) = &self.command;
        &export.model
    }

    /// The same request for the engine.
    pub fn forward(&self) -> Vec<OsString> {
        let MonitorCommand::Export(export) = &self.command;
        let mut words = vec!["monitor".into(), "export".into()];
        option(&mut words, "--model", Some(&export.model));
        option(&mut words, "--profile", Some(&export.profile));
        option(&mut words, "--untrusted", export.untrusted.as_ref());
        option(&mut words, "--by", export.by.as_ref());
        option(&mut words, "--out", Some(&export.out));
        option(&mut words, "--transform", export.transform.as_ref());
        option(&mut words, "--layers", export.layers.as_ref());
        option(&mut words, "--neurons", export.neurons.as_ref());
        option(&mut words, "--batch", export.batch.map(|n| n.to_string()).as_ref());
        option(&mut words, "--device", export.device.as_ref());
        export.opening.forward(&mut words);
        option(&mut words, "--on-bad-input", export.on_bad_input.as_ref());
        option(&mut words, "--non-finite", export.non_finite.as_ref());
        words
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::arguments::{Arguments, Command};

    #[test]
    fn it_is_forwarded_word_for_word() {
        let line = "x monitor export --model m.pt --profile d#0..5 --untrusted u.npy --by mrc(q=5) --out o --batch 16 --neurons unit";
        let Command::Monitor(monitor) = Arguments::parse_from(line.split_whitespace()).command else { panic!() };
        let expected = "monitor export --model=m.pt --profile=d#0..5 --untrusted=u.npy --by=mrc(q=5) --out=o --neurons=unit --batch=16";
        assert_eq!(monitor.forward(), expected.split_whitespace().collect::<Vec<_>>());
        assert_eq!(monitor.model().to_str(), Some("m.pt"));
        for wrong in ["x monitor", "x monitor export --model m --profile d", "x monitor export --profile d --out o"] {
            assert_eq!(Arguments::try_parse_from(wrong.split_whitespace()).unwrap_err().exit_code(), 2);
        }
    }
}
