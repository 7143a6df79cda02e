//! What test binaries say of a run: the record that cleanai-harness leaves where `CLEANAI_RATCHET` names a folder.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, Result};

/// What one test binary says.
#[derive(Debug, Deserialize)]
struct Record {
    schema: u32,
    tests: Vec<Test>,
}

/// What one test says.
#[derive(Debug, Clone, Deserialize)]
pub struct Test {
    /// Its name.
    pub name: String,
    /// Why nothing that it depends on may be touched.
    pub refused: Option<String>,
    /// Its requirements with numbers.
    pub thresholds: Vec<Threshold>,
    /// Its baseline with better figures in it.
    pub baseline: Option<Baseline>,
}

/// A requirement with a number.
#[derive(Debug, Clone, Deserialize)]
pub struct Threshold {
    /// `kmnc(k=100) >= 0.83`
    pub requirement: String,
    /// Where it stands.
    pub source: Source,
    /// The file.
    pub file: PathBuf,
    /// Line and column in characters, from 1.
    pub line: usize,
    /// As above.
    pub column: usize,
    /// In a `cleanai.toml` the text between the quotes.
    pub text: String,
    /// The bytes of the bound in it.
    pub bound: (usize, usize),
    /// In an attribute, the words it may begin with.
    pub words: Vec<String>,
    /// `>=`, `>`, `<=` or `<`.
    pub operator: String,
    /// Whether it asks for much.
    pub lower: bool,
    /// The bound.
    pub old: f64,
    /// The bound that today's figure meets with the margin; none where nothing may be said.
    pub candidate: Option<f64>,
    /// That bound as text.
    pub candidate_text: String,
}

/// What a requirement is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// `#[cleanai::coverage(…)]`
    Attribute,
    /// `[tests.NAME]`
    Test,
    /// `[defaults]`
    Defaults,
}

/// A baseline with better figures in it.
#[derive(Debug, Clone, Deserialize)]
pub struct Baseline {
    /// The file.
    pub file: PathBuf,
    /// What it held when the test read it.
    pub old: String,
    /// What it would hold.
    pub new: String,
    /// The better figures.
    pub raised: Vec<Raised>,
}

/// A better figure.
#[derive(Debug, Clone, Deserialize)]
pub struct Raised {
    /// Its key in the baseline.
    pub figure: String,
    /// What the baseline holds.
    pub from: f64,
    /// What was measured.
    pub to: f64,
}

/// All tests that left a record in a folder.
pub fn read(folder: &Path) -> Result<Vec<Test>> {
    let entries = fs::read_dir(folder).map_err(Error::file("read", folder))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let mut tests = Vec::new();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|ending| ending == "json")) {
        let bytes = fs::read(path).map_err(Error::file("read", path))?;
        let record: Record =
            serde_json::from_slice(&bytes).map_err(|why| Error::Record { problem: why.to_string() })?;
        if record.schema != 1 {
            return Err(Error::Record { problem: format!("its schema is {}, not 1", record.schema) });
        }
        tests.extend(record.tests);
    }
    Ok(tests)
}
