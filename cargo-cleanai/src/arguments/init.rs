//! `cargo cleanai init`.

use std::path::PathBuf;

use clap::Args;

/// `cargo cleanai init`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo cleanai init                                   look around, and ask where there are several models or data sets
  cargo cleanai init --model models/lenet5.pt --data data/test --profile data/train
  cargo cleanai init --yes                             take the best guess, and say why
  cargo cleanai init --harness ../cleanai              depend on a clone of the repository

It adds the dev-dependency and the test target to Cargo.toml, and writes cleanai.toml and tests/coverage.rs for a model that it
has opened and data that it has tried. What is there already stays as it is.")]
pub struct Init {
    /// A TorchScript (.pt, .ptl) or torch.export (.pt2) file; looked for below the package if not given
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// The inputs that are judged: an image folder, .npy, .npz or idx[.gz] file, or a manifest (.csv); #A..B takes a range of them
    #[arg(long, value_name = "DATA")]
    pub data: Option<String>,
    /// The inputs that give neurons their ranges (the training set), written like --data
    #[arg(long, value_name = "DATA")]
    pub profile: Option<String>,
    /// The name of the test target: tests/NAME.rs
    #[arg(long, value_name = "NAME", default_value = "coverage", value_parser = target)]
    pub test: String,
    /// Where cleanai-harness comes from: the folder of a clone, a version, or the address of a git repository
    #[arg(long, value_name = "PATH|VERSION|URL")]
    pub harness: Option<String>,
    /// Ask nothing: take the best guess
    #[arg(long)]
    pub yes: bool,
}

/// A name of a test target is a file's and, with hyphens as underscores, a crate's.
fn target(text: &str) -> Result<String, String> {
    let starts = text.starts_with(|sign: char| sign.is_ascii_alphabetic() || sign == '_');
    if starts && text.chars().all(|sign| sign.is_ascii_alphanumeric() || "-_".contains(sign)) {
        Ok(text.to_string())
    } else {
        Err("a test target is named with letters, digits, - and _, and starts with a letter".to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_names_of_files() {
        for good in ["coverage", "release-gate", "_x1"] {
            assert_eq!(target(good).as_deref(), Ok(good));
        }
        for bad in ["", "1st", "../up", "a b", "a/b", "a.rs", "\u{202e}x"] {
            assert!(target(bad).is_err(), "{bad}");
        }
    }
}
