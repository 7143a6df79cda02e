//! The kinds of report that are files, in one list: what writes all of them, or asks which, goes by it.

use std::path::Path;

#[cfg(feature = "pdf")]
use super::pdf;
use super::{Outcome, file, html, json, junit, markdown};
use crate::Result;

/// A kind of report that is a file.
#[derive(Clone, Copy)]
pub struct Format {
    /// What a user calls it: `PDF`.
    pub name: &'static str,
    /// The option that asks for it: `pdf`.
    pub option: &'static str,
    /// What its files end in: `.pdf`.
    pub ending: &'static str,
    /// Writes a report on several tests; only JUnit looks at the options.
    pub write: fn(&[Outcome], &Path, &junit::Options) -> Result<()>,
}

/// All of them. JUnit comes last, because it names the others.
pub const FORMATS: &[Format] = &[
    #[cfg(feature = "pdf")]
    Format { name: "PDF", option: "pdf", ending: ".pdf", write: |outcomes, path, _| pdf::write(outcomes, path) },
    Format { name: "JSON", option: "json", ending: ".json", write: |outcomes, path, _| json::write(outcomes, path) },
    Format { name: "HTML", option: "html", ending: ".html", write: |outcomes, path, _| html::write(outcomes, path) },
    Format {
        name: "Markdown",
        option: "markdown",
        ending: ".md",
        write: |outcomes, path, _| file::write(path, markdown::render(outcomes, &[], usize::MAX).as_bytes()),
    },
    Format { name: "JUnit", option: "junit", ending: ".junit.xml", write: junit::write },
];

impl Format {
    /// Whether people read it, so that JUnit names it.
    pub fn is_readable(&self) -> bool {
        ["html", "pdf"].contains(&self.option)
    }
}
