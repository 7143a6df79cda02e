//! Report files: complete or not there.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;

use crate::{Error, Result};

/// Writes a whole file: into a temporary file beside it, which then takes its name, so that a reader never sees half of it.
/// Parent folders are created. An existing file is replaced.
///
/// # Errors
/// `cannot write PATH: why` where the folder cannot be created or written, or `path` names a folder.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |why: &dyn std::fmt::Display| {
        Error::io("write", path, why).with_help("name a file in a folder that can be written, or turn this report off")
    };
    if path.file_name().is_none() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(failed(&"it names no file"));
    }
    // Replacing an empty folder would succeed on some systems.
    if path.is_dir() {
        return Err(failed(&"there is a folder of this name"));
    }
    let folder = match path.parent() {
        Some(parent) if parent.as_os_str() != OsStr::new("") => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder)
        .map_err(|why| failed(&format_args!("cannot create the folder {}: {why}", folder.display())))?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".cleanai-").suffix(".tmp");
    // Temporary files are private; a report is for everyone the umask lets in.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder).map_err(|why| failed(&why))?;
    file.write_all(bytes).and_then(|()| file.flush()).map_err(|why| failed(&why))?;
    file.persist(path).map_err(|why| failed(&why.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn creates_folders_and_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/report.json");
        write(&path, b"first").unwrap();
        write(&path, b"second").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
        assert_eq!(entries(path.parent().unwrap()), ["report.json"]);
    }

    #[test]
    fn an_unwritable_path_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), b"").unwrap();
        std::fs::create_dir(folder.path().join("folder")).unwrap();
        for (name, why) in [
            ("file/report.pdf", "cannot create the folder"),
            ("folder", "there is a folder of this name"),
            ("new/", "it names no file"),
            ("..", "it names no file"),
        ] {
            let path = folder.path().join(name);
            let error = write(&path, b"text").unwrap_err();
            assert!(error.what().starts_with(&format!("cannot write {}: {why}", path.display())), "{error}");
            assert!(error.help().is_some());
        }
        assert_eq!(entries(folder.path()), ["file", "folder"]);
        assert!(entries(&folder.path().join("folder")).is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn others_may_read_it_as_far_as_the_umask_allows() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (plain, ours) = (folder.path().join("plain"), folder.path().join("ours"));
        std::fs::write(&plain, b"").unwrap();
        write(&ours, b"").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }
}
