//! `cleanai.toml`: found upwards from the package, every key checked, errors with file, line, key and the nearest known one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::data::transform::TransformStep;
use crate::declare::{BaselinePolicy, DeviceChoice, NeuronKind, NonFinite, OnBadInput, Requirement, Selector};

/// A whole `cleanai.toml`, checked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// The file; `None` where there is none and everything is a default.
    pub path: Option<PathBuf>,
    /// `[models.NAME]`
    pub models: BTreeMap<String, ModelTable>,
    /// `[data.NAME]`
    pub data: BTreeMap<String, DataTable>,
    /// `[tests.NAME]`
    pub tests: BTreeMap<String, TestTable>,
    /// `[defaults]`
    pub defaults: TestTable,
    /// `[baseline]`
    pub baseline: BaselinePolicy,
    /// `[report]`
    pub report: ReportTable,
}

/// `[models.NAME]`
#[derive(Debug, Clone, PartialEq)]
pub struct ModelTable {
    /// `path`, relative to the file.
    pub path: PathBuf,
    /// `device`
    pub device: DeviceChoice,
}

/// `[data.NAME]`
#[derive(Debug, Clone, PartialEq)]
pub struct DataTable {
    /// `profile`
    pub profile: Option<String>,
    /// `test`
    pub test: String,
    /// `transform`
    pub transform: Vec<TransformStep>,
    /// `on_bad_input`
    pub on_bad_input: OnBadInput,
}

/// `[tests.NAME]` and `[defaults]`: what an attribute leaves open.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TestTable {
    /// `data`: a key of `[data]`.
    pub data: Option<String>,
    /// `require`
    pub require: Vec<Requirement>,
    /// `layers`
    pub layers: Option<Selector>,
    /// `neurons`
    pub neurons: Option<NeuronKind>,
    /// `batch`
    pub batch: Option<usize>,
    /// `device`
    pub device: Option<DeviceChoice>,
    /// `non_finite`
    pub non_finite: Option<NonFinite>,
}

/// `[report]`: what is written besides the terminal, and where (relative paths start at the file).
#[derive(Debug, Clone, PartialEq)]
pub struct ReportTable {
    /// `pdf = true | false | "path"`; `true` is `target/cleanai/<package>/<target>.pdf`.
    pub pdf: ReportFile,
    /// `junit`, likewise with `.junit.xml`; under nextest `true` writes none, because nextest writes its own.
    pub junit: ReportFile,
    /// `json`, likewise with `.json`.
    pub json: ReportFile,
}

/// Whether and where a report is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ReportFile {
    /// Not at all.
    No,
    /// In the default place.
    #[default]
    Default,
    /// Here.
    At(PathBuf),
}

impl Default for ReportTable {
    fn default() -> Self {
        Self { pdf: ReportFile::Default, junit: ReportFile::Default, json: ReportFile::Default }
    }
}
