//! Looks for libtorch where it may be: named by the user, in Python's torch, in the cache; else has it fetched.

use std::env;
use std::path::{Path, PathBuf};

use super::install;
use super::platform::{Platform, System};
use super::{Libtorch, Origin, plain_version};
use crate::error::{Error, Result};
use crate::progress::say;
use crate::python::Python;

/// What decides where libtorch comes from.
#[derive(Debug)]
pub struct Wanted {
    /// The version, exactly.
    pub version: &'static str,
    /// The machine.
    pub platform: Platform,
    /// The folder the user named, with where it was named; our own link is not one.
    pub own: Option<(String, PathBuf)>,
}

impl Wanted {
    /// The folder the user named, checked; none if the user named none.
    pub fn own(&self) -> Result<Option<Libtorch>> {
        if env::var_os("LIBTORCH_USE_PYTORCH").is_some() {
            let refused = |problem| Error::UsePytorch { problem, version: self.version.into() };
            return self.python_torch().map(Some).map_err(refused);
        }
        let Some((setting, path)) = &self.own else {
            return Ok(None);
        };
        // A link to it must not depend on the folder it was named in.
        let path = &std::path::absolute(path).map_err(Error::file("find", path))?;
        Libtorch::check(path, Origin::Own(setting.clone()), self.version, self.platform).map(Some).map_err(|problem| {
            Error::OwnLibtorch { setting: setting.clone(), path: path.clone(), problem, version: self.version.into() }
        })
    }

    /// The torch of the user's Python, or why it will not do.
    pub fn python_torch(&self) -> Result<Libtorch, String> {
        let python = Python::find().ok_or("there is no python3")?;
        let torch = python.torch().ok_or_else(|| format!("{} has no torch", python.path.display()))?;
        if plain_version(&torch.version) != self.version {
            return Err(format!(
                "the torch of {} is {}, and {} is needed",
                python.path.display(),
                torch.version,
                self.version
            ));
        }
        let mut found = Libtorch::check(&torch.root, Origin::Python(python.path), self.version, self.platform)?;
        found.version = Some(torch.version);
        Ok(found)
    }

    /// Where the cached libtorch lies or will lie.
    pub fn cache_folder(&self) -> Result<PathBuf> {
        Ok(cache(self.platform)?.join(format!("libtorch-{}-cpu", self.version)))
    }

    /// The libtorch in the cache, or what is wrong with it.
    pub fn cached(&self) -> Result<Result<Libtorch, String>> {
        let folder = self.cache_folder()?;
        Ok(Libtorch::check(&folder, Origin::Cache, self.version, self.platform))
    }

    /// Finds libtorch, or fetches it.
    pub fn provide(&self) -> Result<Libtorch> {
        if let Some(own) = self.own()? {
            return Ok(own);
        }
        let none = match self.python_torch() {
            Ok(found) => return Ok(found),
            Err(problem) => problem,
        };
        if let Ok(found) = self.cached()? {
            return Ok(found);
        }
        say(
            "Providing",
            format!("libtorch {}, once for this user: LIBTORCH is not set, {none}, none is cached", self.version),
        );
        install::install(self.version, self.platform, &self.cache_folder()?)?;
        self.cached()?.map_err(|problem| Error::Incomplete { problem, version: self.version.into() })
    }
}

/// The folder of this user that CleanAI keeps things in.
pub fn cache(platform: Platform) -> Result<PathBuf> {
    if let Some(folder) = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute()) {
        return Ok(folder.join("cleanai"));
    }
    let home = env::home_dir().filter(|home| home.is_absolute()).ok_or(Error::NoCache)?;
    Ok(match platform.system {
        System::Linux => home.join(".cache/cleanai"),
        System::Macos => home.join("Library/Caches/cleanai"),
    })
}

/// The platform of this machine, if libtorch exists for it.
pub fn host(version: &str) -> Result<Platform> {
    Platform::host().map_err(|platform| Error::Platform { platform, version: version.into() })
}

/// Whether two paths lead to the same place, links followed.
pub fn same_place(one: &Path, other: &Path) -> bool {
    one == other
        || match (one.canonicalize(), other.canonicalize()) {
            (Ok(one), Ok(other)) => one == other,
            _ => false,
        }
}
