//! `[report]`

use std::path::{Path, PathBuf};

use super::reader::{Table, Value};
use super::reference;
use crate::Result;

/// `[report]`: what is written besides the terminal, and where.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReportTable {
    /// `pdf = true | false | "path"`; `true` is `target/cleanai/<package>/<target>.pdf`.
    pub pdf: ReportFile,
    /// `junit`, likewise with `.junit.xml`; under nextest `true` writes none, because nextest writes its own.
    pub junit: ReportFile,
    /// `junit = { path = "path", strict = true }`: only what Jenkins' schema for JUnit files knows. Without a path it is written in the
    /// default place.
    pub junit_strict: bool,
    /// `json`, likewise with `.json`.
    pub json: ReportFile,
    /// `html`, likewise with `.html`.
    pub html: ReportFile,
    /// `markdown`, likewise with `.md`; on GitHub Actions it is added to the summary of the step too, whatever is said here.
    pub markdown: ReportFile,
    /// `style`: what the PDF shows of a test.
    pub style: ReportStyle,
}

impl ReportTable {
    /// The file of a key, if it has one.
    pub(super) fn file(&mut self, key: &str) -> Option<&mut ReportFile> {
        match key {
            "pdf" => Some(&mut self.pdf),
            "junit" => Some(&mut self.junit),
            "json" => Some(&mut self.json),
            "html" => Some(&mut self.html),
            "markdown" => Some(&mut self.markdown),
            _ => None,
        }
    }
}

/// What the PDF shows of a test.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReportStyle {
    /// `style = "default"`: requirements, baseline and layers.
    #[default]
    Default,
    /// `style = "cleanai"`: the tables of the CleanAI library's report below the requirements. What they need is measured in
    /// the same pass: the first input of the test set is the one input, the first two are the two inputs, all are the several
    /// inputs, and the profile set gives the boundaries. A model without activation modules is shown in the default style.
    Cleanai,
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
    let mut table = Table::open(value, reference::REPORT)?;
    let mut file = |key| table.take(key).map(|value| file(&value, folder)).transpose().map(Option::unwrap_or_default);
    let (pdf, json, html, markdown) = (file("pdf")?, file("json")?, file("html")?, file("markdown")?);
    let (junit, junit_strict) = table.take("junit").map(|value| junit(value, folder)).transpose()?.unwrap_or_default();
    let styles = [("default", ReportStyle::Default), ("cleanai", ReportStyle::Cleanai)];
    let style = table.take("style").map(|value| value.word(&styles)).transpose()?.unwrap_or_default();
    Ok(ReportTable { pdf, junit, junit_strict, json, html, markdown, style })
}

/// `true`, `false`, a path, or a table of path and `strict`.
fn junit(value: Value<'_>, folder: &Path) -> Result<(ReportFile, bool)> {
    if !value.is_table() {
        return Ok((file(&value, folder)?, false));
    }
    let mut table = Table::open(value, reference::JUNIT)?;
    let path =
        table.take("path").map(|value| value.name().map(|path| ReportFile::At(folder.join(path)))).transpose()?;
    let strict = table.take("strict").map(|value| value.needed_boolean()).transpose()?.unwrap_or_default();
    Ok((path.unwrap_or_default(), strict))
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
