//! Where a requirement stands.

use std::fmt;
use std::path::PathBuf;

/// Where a requirement stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Origin {
    /// What it is part of.
    pub source: Source,
    /// The file: of an attribute as the compiler gives it (relative to the workspace root), else the `cleanai.toml`.
    pub file: PathBuf,
    /// Its line, from 1.
    pub line: usize,
    /// Its column in characters, from 1; in `cleanai.toml` that of the opening quote.
    pub column: usize,
    /// The text in the file, quotes left out; empty for an attribute, whose text the compiler does not keep.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// What a requirement is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Source {
    /// `#[cleanai::coverage(…)]`
    Attribute,
    /// `[tests.NAME]`
    Test,
    /// `[defaults]`
    Defaults,
}

/// `cleanai.toml:24`, the file's name without its folders where it is a `cleanai.toml`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = match self.source {
            Source::Attribute => self.file.as_path(),
            Source::Test | Source::Defaults => self.file.file_name().map_or(self.file.as_path(), AsRef::as_ref),
        };
        write!(f, "{}:{}", file.display(), self.line)
    }
}
