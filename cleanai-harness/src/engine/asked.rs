//! What the command line asks for, as a test would declare it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::data::transform;
use crate::declare::{
    BaselinePolicy, DataChoice, DataLocation, Declaration, DeviceChoice, ModelChoice, NeuronKind, NonFinite,
    OnBadInput, Selector, TestIdentity, Tolerance,
};
use crate::{Error, ErrorKind, Result};

use crate::engine::model::ModelArguments;

/// The arguments that all measurements share.
pub struct Asked<'a> {
    pub model: &'a Path,
    pub data: &'a str,
    pub profile: Option<&'a str>,
    pub untrusted: Option<&'a str>,
    pub transform: &'a str,
    pub batch: usize,
    pub options: &'a ModelArguments,
}

impl Asked<'_> {
    /// The same as a declaration without requirements and baseline; everything else is as by default.
    pub fn declaration(&self, name: &str) -> Result<Declaration> {
        if self.batch == 0 || self.batch > 65_536 {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!("--batch {} is not between 1 and 65536", self.batch),
            ));
        }
        let root = std::env::current_dir()
            .map_err(|why| Error::new(ErrorKind::Io, format!("the current folder cannot be found: {why}")))?;
        let location = |path: &str| DataLocation { path: path.to_owned(), root: root.clone() };
        Ok(Declaration {
            test: TestIdentity {
                name: name.to_owned(),
                package: String::new(),
                target: String::new(),
                file: PathBuf::new(),
                line: 0,
            },
            model: ModelChoice {
                options: self.options.options()?,
                ..ModelChoice::file(self.model.display().to_string(), self.model, DeviceChoice::default())
            },
            against: None,
            data: DataChoice {
                name: self.data.to_owned(),
                profile: self.profile.map(location),
                untrusted: self.untrusted.map(location),
                test: location(self.data),
                transform: transform::parse(self.transform).map_err(|error| error.context("--transform"))?,
                on_bad_input: OnBadInput::Fail,
                augment: Vec::new(),
            },
            layers: Selector::Default,
            neurons: NeuronKind::Channel,
            batch: self.batch,
            non_finite: NonFinite::Error,
            requirements: Vec::new(),
            baseline: BaselinePolicy {
                tolerance: Tolerance::Absolute(0.0),
                per_criterion: BTreeMap::new(),
                enabled: false,
                ..BaselinePolicy::default()
            },
            report: Vec::new(),
        })
    }
}
