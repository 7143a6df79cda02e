//! Where a setting comes from.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// Where a setting comes from.
///
/// ```
/// use cleanai_harness::config::Origin;
/// let origin = Origin::Table { table: "[tests.lenet5]".into(), file: "/p/cleanai.toml".into(), line: 24 };
/// assert_eq!(origin.to_string(), "cleanai.toml:24 [tests.lenet5]");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Origin {
    /// A `CLEANAI_*` variable.
    Environment {
        /// Its name.
        variable: String,
    },
    /// The attribute of the test.
    Attribute {
        /// The source file.
        file: PathBuf,
        /// The line of the attribute, from 1.
        line: u32,
    },
    /// A key of the file.
    Table {
        /// `[tests.lenet5]`
        table: String,
        /// The file.
        file: PathBuf,
        /// The line of the key, from 1.
        line: usize,
    },
    /// There is one such table only, which need not be named.
    Only {
        /// `[data.digits]`
        table: String,
    },
    /// Nobody said otherwise.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment { variable } => write!(f, "environment {variable}"),
            Self::Attribute { file, line } => write!(f, "attribute {}:{line}", file.display()),
            Self::Table { table, file, line } => {
                let name = file.file_name().map_or(file.as_path(), Path::new);
                write!(f, "{}:{line} {table}", name.display())
            }
            Self::Only { table } => write!(f, "the only one: {table}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A setting of a test: what holds, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its name, with the table in front where it is not the test's own: `batch`, `model.path`, `report.pdf`.
    pub key: String,
    /// What holds, as text.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
    /// Where its path leads, if it is one.
    pub path: Option<PathBuf>,
}
