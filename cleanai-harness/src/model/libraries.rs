//! Libraries that bring operators of their own (`torchvision::nms`).

use std::path::{Path, PathBuf};

use crate::{Error, ErrorKind, Result};

/// Loads libraries for as long as the process runs; loading registers their operators.
///
/// # Errors
/// If one is missing or cannot be loaded.
pub fn load(libraries: &[PathBuf]) -> Result<()> {
    libraries.iter().try_for_each(|library| load_one(library))
}

#[cfg(unix)]
fn load_one(path: &Path) -> Result<()> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: the user names the library to run its initialisers, as a Python program that imports it does; the documentation of
    // `libraries` says that this runs its code.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) };
    let library = library.map_err(|why| {
        let error = Error::new(
            ErrorKind::Configuration,
            format!("library {} cannot be loaded: {}", path.display(), reason(&why)),
        );
        let bare = path.components().count() == 1;
        error.with_help(if bare || path.is_file() {
            "build it for the libtorch that is linked (`cargo cleanai doctor` says which), and give its path"
        } else {
            "there is no such file: correct the path"
        })
    })?;
    // Its operators stay registered, so it must stay loaded.
    std::mem::forget(library);
    Ok(())
}

#[cfg(not(unix))]
fn load_one(path: &Path) -> Result<()> {
    Err(Error::new(ErrorKind::Configuration, format!("library {}: this platform cannot load any", path.display())))
}

/// What the loader says, which hides behind a general word.
#[cfg(unix)]
fn reason(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}
