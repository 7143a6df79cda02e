//! `cargo cleanai select`: its arguments, and the same for the engine.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::{Opening, device, option};

/// `cargo cleanai select`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("wanted").required(true).args(["count", "minimize"]))]
#[command(after_help = "\
Examples:
  cargo cleanai select --model lenet5.pt --data data/test --profile data/train --by 'kmnc(k=1000)' --minimize --out few.csv
  cargo cleanai select --model lenet5.pt --data 't10k.idx.gz' --by nc --count 100 --out first.csv --json first.json

The manifest is data itself: `--data few.csv` here and `test = \"few.csv\"` in cleanai.toml. Its rows are in order of rank: by what an input
adds to those before it where the criterion covers something (nc, kmnc, idc, ...), else by the number it gives each input, the largest first.
--minimize prints how few inputs could do at all, so that you see how good the choice is.")]
pub struct Select {
    /// A TorchScript (.pt) or torch.export (.pt2) file
    #[arg(long, value_name = "FILE")]
    pub model: PathBuf,
    /// The inputs to choose from: an image folder, .npy, .npz or idx[.gz] file, or a manifest (.csv); #A..B takes a range of them
    #[arg(long, value_name = "DATA")]
    pub data: String,
    /// The criterion to choose by, with its parameters: nc, 'kmnc(k=1000)', 'idc(m=6)'
    #[arg(long, value_name = "CRITERION")]
    pub by: String,
    /// How many inputs: those that add most, or have the largest numbers
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub count: Option<u32>,
    /// The fewest inputs that can be found that keep all coverage
    #[arg(long)]
    pub minimize: bool,
    /// The manifest to write (.csv); paths in it start from its folder
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Write the choice with its bounds as JSON to this file too
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// The inputs whose neuron ranges kmnc, nbc and snac are measured against (the training set), written like --data
    #[arg(long, value_name = "DATA")]
    pub profile: Option<String>,
    /// The steps from a file to a model input, as in cleanai.toml: '[{ resize = [28, 28] }, "grayscale", "scale"]'
    #[arg(long, value_name = "TOML")]
    pub transform: Option<String>,
    /// The layers to look at, as in cleanai.toml: a name, or a glob like 'conv*' (all layers if not given)
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
    /// What to do about an input that cannot be decoded: fail, or skip it
    #[arg(long, value_name = "POLICY", value_parser = ["fail", "skip"])]
    pub on_bad_input: Option<String>,
    /// What to do about NaN and infinite activations: an error, or leave them out
    #[arg(long, value_name = "POLICY", value_parser = ["error", "ignore"])]
    pub non_finite: Option<String>,
}

impl Select {
    /// The same request for the engine.
    pub fn forward(&self) -> Vec<OsString> {
        let mut words = vec!["select".into()];
        option(&mut words, "--model", Some(&self.model));
        option(&mut words, "--data", Some(&self.data));
        option(&mut words, "--by", Some(&self.by));
        option(&mut words, "--count", self.count.map(|n| n.to_string()).as_ref());
        if self.minimize {
            words.push("--minimize".into());
        }
        option(&mut words, "--out", Some(&self.out));
        option(&mut words, "--json", self.json.as_ref());
        option(&mut words, "--profile", self.profile.as_ref());
        option(&mut words, "--transform", self.transform.as_ref());
        option(&mut words, "--layers", self.layers.as_ref());
        option(&mut words, "--neurons", self.neurons.as_ref());
        option(&mut words, "--batch", self.batch.map(|n| n.to_string()).as_ref());
        option(&mut words, "--device", self.device.as_ref());
        self.opening.forward(&mut words);
        option(&mut words, "--on-bad-input", self.on_bad_input.as_ref());
        option(&mut words, "--non-finite", self.non_finite.as_ref());
        words
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::arguments::{Arguments, Command};

    #[test]
    fn it_is_forwarded_word_for_word() {
        for (line, expected) in [
            (
                "x select --model m.pt --data d#0..5 --by kmnc(k=10) --minimize --out o.csv --profile p --neurons unit",
                "select --model=m.pt --data=d#0..5 --by=kmnc(k=10) --minimize --out=o.csv --profile=p --neurons=unit",
            ),
            (
                "x select --model m.pt --data d --by nc --count 7 --out o.csv --json o.json --layers fc --batch 3 --non-finite ignore",
                "select --model=m.pt --data=d --by=nc --count=7 --out=o.csv --json=o.json --layers=fc --batch=3 --non-finite=ignore",
            ),
        ] {
            let Command::Select(select) = Arguments::parse_from(line.split_whitespace()).command else { panic!() };
            assert_eq!(select.forward(), expected.split_whitespace().collect::<Vec<_>>());
        }
    }

    #[test]
    fn one_of_both_is_wanted() {
        for wrong in ["", "--count 5 --minimize", "--count 0"] {
            let line = format!("x select --model m.pt --data d --by nc --out o.csv {wrong}");
            assert_eq!(Arguments::try_parse_from(line.split_whitespace()).unwrap_err().exit_code(), 2, "{wrong}");
        }
    }
}
