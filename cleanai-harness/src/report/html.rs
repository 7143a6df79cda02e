//! HTML: one file for all tests of a run that needs nothing else, neither the network nor a script.
//!
//! Colours follow the reader's scheme, or the choice at the top of the page. Every drawing stands beside its numbers or tells in words what it
//! shows. What comes from outside (names, paths, messages) is escaped, and the page's own policy forbids scripts and anything from elsewhere.

mod baseline;
mod cleanai;
mod criterion;
mod facts;
mod importance;
mod inputs;
mod layers;
mod page;
mod palette;
mod pictures;
mod requirements;
mod section;
mod surprise;
mod table;
#[cfg(test)]
mod tests;

use std::path::Path;

use super::{Outcome, file, text};
use crate::Result;

/// A run as a page.
///
/// ```
/// let page = cleanai_harness::report::html::render(&[]);
/// assert!(page.starts_with("<!DOCTYPE html>") && page.contains("0 coverage tests"));
/// ```
pub fn render(outcomes: &[Outcome]) -> String {
    text::document(&page::page(outcomes).into_string())
}

/// Writes [`render`] to a file.
///
/// # Errors
/// If the file cannot be written.
pub fn write(outcomes: &[Outcome], path: &Path) -> Result<()> {
    file::write(path, render(outcomes).as_bytes())
}
