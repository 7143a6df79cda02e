//! The user's Python: its own torch may serve, and its pip fetches one.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process;

/// How long Python may take to answer; loading a large environment from a slow disk takes seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks for the version of torch and its folder without importing it, which would take seconds.
const TORCH: &str = "
import importlib.util, importlib.metadata
spec = importlib.util.find_spec('torch')
if spec and spec.submodule_search_locations:
    print(importlib.metadata.version('torch'))
    print(list(spec.submodule_search_locations)[0])
";

/// A Python interpreter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Python {
    /// Where it lies.
    pub path: PathBuf,
}

/// The torch of a Python.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonTorch {
    /// As Python's packages have it: `2.13.0+cu130`.
    pub version: String,
    /// The folder with `include` and `lib`.
    pub root: PathBuf,
}

impl Python {
    /// The Python of the active virtual environment, else `python3` on PATH.
    pub fn find() -> Option<Python> {
        let active = env::var_os("VIRTUAL_ENV").map(|folder| Path::new(&folder).join("bin/python"));
        let path = active.filter(|path| path.is_file()).or_else(|| process::find("python3"))?;
        Some(Python { path })
    }

    /// A command that runs it.
    pub fn command(&self) -> Command {
        Command::new(&self.path)
    }

    /// Its torch, if it has one.
    pub fn torch(&self) -> Option<PythonTorch> {
        let answer = process::ask(self.command().args(["-c", TORCH]), PATIENCE)?;
        let mut lines = answer.output.lines();
        let (version, root) = (lines.next()?, lines.next()?);
        answer.success.then(|| PythonTorch { version: version.into(), root: root.into() })
    }

    /// The version of its pip, or why there is none.
    pub fn pip(&self) -> Result<String, String> {
        let answer = process::ask(self.command().args(["-m", "pip", "--version"]), PATIENCE);
        match answer {
            None => Err("it cannot be started".into()),
            Some(answer) if answer.success => {
                Ok(answer.output.split_whitespace().nth(1).unwrap_or("of unknown version").to_string())
            }
            Some(answer) => Err(answer.last_line()),
        }
    }

    /// Its version.
    pub fn version(&self) -> Option<String> {
        let answer = process::ask(self.command().arg("--version"), PATIENCE).filter(|answer| answer.success)?;
        answer.output.split_whitespace().nth(1).map(str::to_string)
    }
}
