//! What lies at a baseline's place, read from its file.

use std::path::Path;
use std::{fs, io};

use crate::gate::baseline::BaselineText;

/// A baseline holds a line per criterion; anything larger is another file.
pub(super) const LARGEST_FILE: u64 = 1 << 20;

/// What lies at a baseline's place.
#[derive(Debug, Clone, PartialEq)]
pub enum Stored {
    /// No file.
    Missing,
    /// A file that holds no baseline, and why.
    Unreadable(String),
    /// A baseline.
    Text(BaselineText),
}

impl Stored {
    /// The baseline, if there is one.
    pub fn text(&self) -> Option<&BaselineText> {
        match self {
            Stored::Text(text) => Some(text),
            Stored::Missing | Stored::Unreadable(_) => None,
        }
    }
}

/// Reads the baseline for the verdicts on requirements; `insta` reads it again for the assertion.
pub(super) fn read(file: &Path) -> Stored {
    match fs::metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Stored::Missing,
        Err(error) => return Stored::Unreadable(error.to_string()),
        Ok(facts) if facts.len() > LARGEST_FILE => {
            return Stored::Unreadable(format!("it is larger than {LARGEST_FILE} bytes"));
        }
        Ok(_) => {}
    }
    match body_of(file) {
        None => Stored::Unreadable("it is not a snapshot of insta's".to_owned()),
        Some(body) => match body.parse() {
            Ok(text) => Stored::Text(text),
            Err(error) => Stored::Unreadable(error.what().to_owned()),
        },
    }
}

/// The text of a snapshot file, without its header; `None` if there is no such file or it is none of insta's.
pub(super) fn body_of(file: &Path) -> Option<String> {
    Some(parts(file)?.1)
}

/// The header of a snapshot file: its metadata in YAML.
pub(in crate::gate) fn header_of(file: &Path) -> Option<String> {
    Some(parts(file)?.0)
}

/// Header and text of a snapshot file.
fn parts(file: &Path) -> Option<(String, String)> {
    fs::metadata(file).ok().filter(|facts| facts.len() <= LARGEST_FILE)?;
    let text = fs::read_to_string(file).ok()?;
    let mut lines = text.lines();
    if lines.next()?.trim_end() != "---" {
        return None;
    }
    let mut header = Vec::new();
    loop {
        match lines.next()? {
            line if line.trim_end() == "---" => break,
            line => header.push(line),
        }
    }
    Some((header.join("\n"), lines.collect::<Vec<_>>().join("\n").trim_end().to_owned()))
}
