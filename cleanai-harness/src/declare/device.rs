//! Text form of a device: `auto`, `cpu`, `cuda`, `cuda:1`.

use std::fmt;
use std::str::FromStr;

use super::DeviceChoice;
use super::nearest::nearest;
use crate::{Error, ErrorKind};

/// libtorch holds a device's index in a signed byte.
const MAX_INDEX: usize = 127;

impl FromStr for DeviceChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let unknown = || {
            let help = match nearest(text, ["auto", "cpu", "cuda"]) {
                _ if text.starts_with("gpu") => "a GPU is `cuda`, or `cuda:1` for the second".to_owned(),
                Some(name) => format!("did you mean `{name}`?"),
                None => "write `auto`, `cpu`, `cuda` or `cuda:1`".to_owned(),
            };
            Error::new(ErrorKind::Configuration, format!("unknown device `{text}`")).with_help(help)
        };
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => {
                let index = text.strip_prefix("cuda:").ok_or_else(unknown)?;
                match index.parse::<usize>() {
                    Ok(index) if index <= MAX_INDEX && text.len() <= "cuda:127".len() && !text.contains('+') => {
                        Ok(Self::Cuda(index))
                    }
                    _ => Err(Error::new(ErrorKind::Configuration, format!("`{text}` does not name a GPU"))
                        .with_help(format!("the index is a number from 0 to {MAX_INDEX}, as in `cuda:1`"))),
                }
            }
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        for (text, choice, canonical) in [
            ("auto", DeviceChoice::Auto, "auto"),
            ("cpu", DeviceChoice::Cpu, "cpu"),
            ("cuda", DeviceChoice::Cuda(0), "cuda:0"),
            ("cuda:7", DeviceChoice::Cuda(7), "cuda:7"),
            ("cuda:127", DeviceChoice::Cuda(127), "cuda:127"),
        ] {
            assert_eq!(text.parse::<DeviceChoice>(), Ok(choice));
            assert_eq!(choice.to_string(), canonical);
            assert_eq!(canonical.parse::<DeviceChoice>(), Ok(choice));
        }
    }

    #[test]
    fn refuses_with_the_nearest() {
        let message = |text: &str| text.parse::<DeviceChoice>().unwrap_err().to_string();
        assert_eq!(message("gpu"), "unknown device `gpu`\n  help: a GPU is `cuda`, or `cuda:1` for the second");
        assert_eq!(message("cpuu"), "unknown device `cpuu`\n  help: did you mean `cpu`?");
        assert_eq!(message("cude"), "unknown device `cude`\n  help: did you mean `cuda`?");
        assert_eq!(message("tpu:0"), "unknown device `tpu:0`\n  help: write `auto`, `cpu`, `cuda` or `cuda:1`");
        for text in ["cuda:", "cuda:-1", "cuda:+1", "cuda:128", "cuda:one", "cuda:99999999999999999999"] {
            assert_eq!(
                message(text),
                format!("`{text}` does not name a GPU\n  help: the index is a number from 0 to 127, as in `cuda:1`")
            );
        }
    }
}
