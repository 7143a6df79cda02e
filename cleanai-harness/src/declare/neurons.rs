//! Text forms of the settings that are one word: neuron kind and what NaN does.

use std::fmt;
use std::str::FromStr;

use super::nearest::did_you_mean;
use super::{NeuronKind, NonFinite};
use crate::{Error, ErrorKind};

impl FromStr for NeuronKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "channel" => Ok(Self::Channel),
            "unit" => Ok(Self::Unit),
            _ => Err(Error::new(ErrorKind::Configuration, format!("unknown neurons `{text}`"))
                .with_help(did_you_mean(text, ["channel", "unit"]))),
        }
    }
}

impl fmt::Display for NeuronKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Channel => "channel",
            Self::Unit => "unit",
        })
    }
}

impl FromStr for NonFinite {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "error" => Ok(Self::Error),
            "ignore" => Ok(Self::Ignore),
            _ => Err(Error::new(ErrorKind::Configuration, format!("unknown way to treat NaN `{text}`"))
                .with_help(did_you_mean(text, ["error", "ignore"]))),
        }
    }
}

impl fmt::Display for NonFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Ignore => "ignore",
        })
    }
}
