//! GitHub Actions: the summary of a step, and annotations. Neither ever fails a run.

use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::report::annotations;
use crate::{Error, Result};

/// A step's summary may have so many bytes, together with what is there already.
const LIMIT: u64 = 1 << 20;

/// Whether this runs in a job of GitHub Actions.
pub(super) fn is_there() -> bool {
    env::var_os("GITHUB_ACTIONS").is_some_and(|it| it == "true")
}

/// The folder of a workspace below that of its repository.
pub(super) fn workspace(root: &Path) -> PathBuf {
    let checkout = env::var_os("GITHUB_WORKSPACE").filter(|it| !it.is_empty()).map(PathBuf::from);
    annotations::below_repository(root, checkout.as_deref())
}

/// Adds a text to the summary of the step, where there is one; it is told how many bytes it may have. What goes wrong is a warning.
pub(super) fn summarise(text: impl Fn(usize) -> String) {
    let Some(path) = env::var_os("GITHUB_STEP_SUMMARY").filter(|it| !it.is_empty()).map(PathBuf::from) else { return };
    if let Err(error) = append(&path, text) {
        let style = anstyle::AnsiColor::Yellow.on_default().bold();
        anstream::eprintln!("{style}warning{style:#}: {error}");
    }
}

fn append(path: &Path, text: impl Fn(usize) -> String) -> Result<()> {
    let failed = |why: &dyn std::fmt::Display| Error::io("add to the summary of the step,", path, why);
    // Opening something else than a plain file (a pipe, say) could wait for ever.
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => return Err(failed(&"it is no plain file")),
        Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(failed(&why)),
        _ => {}
    }
    let mut file = File::options().create(true).append(true).open(path).map_err(|why| failed(&why))?;
    // Other processes of this run add to it, too.
    file.lock().map_err(|why| failed(&why))?;
    let there = file.metadata().map_err(|why| failed(&why))?.len();
    let room = usize::try_from(LIMIT.saturating_sub(there)).unwrap_or(0);
    let text = text(room.saturating_sub(1));
    if text.is_empty() || text.len() >= room {
        return Err(failed(&format_args!("it holds {there} bytes, and may have no more than {LIMIT}")));
    }
    file.write_all(format!("{text}\n").as_bytes()).and_then(|()| file.flush()).map_err(|why| failed(&why))
}

/// Prints annotations.
///
/// # Errors
/// If the standard output cannot be written; that nobody reads it is none.
pub(super) fn annotate(lines: &str) -> Result<()> {
    let mut output = io::stdout().lock();
    match output.write_all(lines.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::io("write to", Path::new("the standard output"), error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_follow_each_other_within_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("summary.md");
        append(&path, |_| "one".to_owned()).unwrap();
        append(&path, |_| "two".to_owned()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        append(&path, |room| "x".repeat(room)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), LIMIT);
        let error = append(&path, |room| "x".repeat(room)).unwrap_err();
        assert!(error.what().ends_with("it holds 1048576 bytes, and may have no more than 1048576"), "{error}");
        assert_eq!(fs::metadata(&path).unwrap().len(), LIMIT);
    }

    #[test]
    fn what_is_no_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = append(folder.path(), |_| "one".to_owned()).unwrap_err();
        assert!(error.what().ends_with("it is no plain file"), "{error}");
        let missing = folder.path().join("no/such/summary.md");
        assert!(append(&missing, |_| "one".to_owned()).is_err());
    }
}
