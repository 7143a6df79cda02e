//! `[report]`

use std::path::{Path, PathBuf};

use super::reader::{Table, Value};
use crate::Result;

/// `[report]`: what is written besides the terminal, and where.
#[derive(Debug, Clone, Default, PartialEq)]
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
    /// Here; a relative path of the file has been joined to the file's folder.
    At(PathBuf),
}

pub(super) fn read(value: Value<'_>, folder: &Path) -> Result<ReportTable> {
    let mut table = Table::open(value, &["pdf", "junit", "json"])?;
    let mut file = |key| table.take(key).map(|value| file(&value, folder)).transpose().map(Option::unwrap_or_default);
    Ok(ReportTable { pdf: file("pdf")?, junit: file("junit")?, json: file("json")? })
}

fn file(value: &Value<'_>, folder: &Path) -> Result<ReportFile> {
    match value.boolean() {
        Some(true) => Ok(ReportFile::Default),
        Some(false) => Ok(ReportFile::No),
        None => match value.name() {
            Ok(path) => Ok(ReportFile::At(folder.join(path))),
            Err(error) if error.what().ends_with("is empty") => Err(error),
            Err(_) => Err(value.error(format!("{} must be true, false or a path", value.name))),
        },
    }
}
