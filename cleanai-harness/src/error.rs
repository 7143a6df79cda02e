//! The one error every part of the harness speaks: what, where, why, and the nearest fix.

use std::fmt;
use std::path::{Path, PathBuf};

/// A result whose error is fit to be shown to the user as it is.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of trouble an [`Error`] is; decides the exit code and how reports classify it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// A wrong argument, declaration or `cleanai.toml`.
    Configuration,
    /// A model that is missing, damaged or not runnable.
    Model,
    /// Data that is missing, undecodable or of the wrong shape.
    Data,
    /// A criterion that cannot be computed on this model and data.
    Criterion,
    /// A file that cannot be read or written.
    Io,
    /// The user asked the run to stop ([`crate::interrupt`]).
    Interrupted,
}

/// A place in a text file of the user's.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The lines concerned with a marker below, ready to print; empty where there is nothing to show.
    pub snippet: String,
}

/// One clear error: what is wrong (with the file, key, layer or input it concerns), where, and the nearest fix.
///
/// ```
/// use cleanai_harness::{Error, ErrorKind};
/// let error = Error::new(ErrorKind::Model, "models/lenet5.pt does not exist").with_help("export it with torch.jit.trace");
/// assert_eq!(error.to_string(), "models/lenet5.pt does not exist\n  help: export it with torch.jit.trace");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Error {
    kind: ErrorKind,
    what: String,
    place: Option<Box<Place>>,
    help: Option<String>,
}

impl Error {
    /// An error that says `what` is wrong, in lower case unless it starts with a name, without a full stop.
    pub fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), place: None, help: None }
    }

    /// An error about a file: `cannot read PATH: why`.
    pub fn io(doing: &str, path: &Path, why: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Io, format!("cannot {doing} {}: {why}", path.display()))
    }

    /// Adds the nearest fix.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the place in the user's file.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(Box::new(place));
        self
    }

    /// Puts what was being done in front: `context: what`.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.what = format!("{context}: {}", self.what);
        self
    }

    /// The kind of trouble.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What is wrong, without place and help.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The nearest fix, if there is one.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The place in the user's file, if there is one.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        if let Some(place) = &self.place {
            write!(f, "\n  at {}:{}:{}", place.file.display(), place.line, place.column)?;
            for line in place.snippet.lines() {
                write!(f, "\n  {line}")?;
            }
        }
        if let Some(help) = &self.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
