//! Report files: complete or not there.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;

use tempfile::NamedTempFile;

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
    let mut file = temporary(folder).map_err(|why| failed(&plain(&why)))?;
    // Some file systems tell of a full disk only here; what has the name is whole.
    file.as_file_mut().write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(|why| failed(&why))?;
    file.persist(path).map_err(|why| failed(&why.error))?;
    Ok(())
}

/// Whether files can be made in a folder: a read-only one is known before anything is measured.
///
/// # Errors
/// `cannot write into PATH: why`.
pub(crate) fn check(folder: &Path) -> Result<()> {
    let made = temporary(folder).and_then(|file| file.close());
    made.map_err(|why| {
        Error::io("write into", folder, plain(&why))
            .with_help("name a folder that can be written, or turn this report off")
    })
}

/// The reason without the temporary file's name, which nobody knows.
fn plain(why: &std::io::Error) -> String {
    let inner = why.get_ref().and_then(|inner| inner.source());
    inner.map_or_else(|| why.to_string(), ToString::to_string)
}

fn temporary(folder: &Path) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".cleanai-").suffix(".tmp");
    // Temporary files are private; a report is for everyone the umask lets in.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
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

    /// A small file system of its own, unmounted in the end; `None`, said aloud, where the tests may not mount.
    #[cfg(target_os = "linux")]
    struct Disk(tempfile::TempDir);

    #[cfg(target_os = "linux")]
    impl Disk {
        fn new() -> Option<Self> {
            let folder = tempfile::tempdir().unwrap();
            let mut mount = std::process::Command::new("mount");
            mount.args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(folder.path());
            if mount.output().is_ok_and(|output| output.status.success()) {
                return Some(Self(folder));
            }
            eprintln!("SKIPPED: a small file system cannot be mounted here (that takes root)");
            None
        }

        fn read_only(&self) {
            let mut mount = std::process::Command::new("mount");
            assert!(mount.args(["-o", "remount,ro"]).arg(self.0.path()).status().unwrap().success());
        }
    }

    #[cfg(target_os = "linux")]
    impl Drop for Disk {
        fn drop(&mut self) {
            let unmounted = std::process::Command::new("umount").arg(self.0.path()).status();
            assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_keeps_the_old_file_and_no_half_one() {
        let Some(disk) = Disk::new() else { return };
        let path = disk.0.path().join("report.json");
        write(&path, b"old").unwrap();
        let error = write(&path, &vec![b'x'; 1 << 20]).unwrap_err();
        assert_eq!(error.what(), format!("cannot write {}: No space left on device (os error 28)", path.display()));
        assert_eq!(entries(disk.0.path()), ["report.json"]);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_read_only_folder_is_known_beforehand() {
        let Some(disk) = Disk::new() else { return };
        let path = disk.0.path().join("report.json");
        write(&path, b"old").unwrap();
        check(disk.0.path()).unwrap();
        disk.read_only();
        let error = check(disk.0.path()).unwrap_err();
        assert!(error.what().starts_with(&format!("cannot write into {}: ", disk.0.path().display())), "{error}");
        assert!(error.what().contains("Read-only file system") && error.help().is_some(), "{error}");
        assert!(write(&path, b"new").unwrap_err().what().contains("Read-only file system"));
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(entries(disk.0.path()), ["report.json"]);
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
