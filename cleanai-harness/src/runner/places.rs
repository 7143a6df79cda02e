//! Where a run writes: the target folder, found from the running binary, and what lies below it.

use std::env;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::declare::TestIdentity;

/// The folders of one run of one test binary.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Places {
    /// `<target>/cleanai/<package>/<test target>`; default reports have its name and an ending.
    pub stem: PathBuf,
    /// The folder of this run's fragments, in `<stem>/runs`.
    pub run: PathBuf,
    /// Whether nextest runs one process per test.
    pub nextest: bool,
    /// Paths are shown relative to this.
    pub root: PathBuf,
}

impl Places {
    pub fn find(test: &TestIdentity, root: &Path) -> Self {
        let binary = env::current_exe().unwrap_or_default();
        let named = env::var_os("CARGO_TARGET_DIR").filter(|it| !it.is_empty()).map(PathBuf::from);
        let target = target_folder(&binary)
            // A relative one starts where cargo was called, which is not known here.
            .or_else(|| named.filter(|it| it.is_absolute()))
            .unwrap_or_else(|| root.join("target"));
        let nextest_run = env::var("NEXTEST_RUN_ID").ok().filter(|id| is_plain(id));
        let nextest = nextest_run.is_some() || env::var_os("NEXTEST").is_some_and(|it| it == "1");
        let stem = target.join("cleanai").join(component(&test.package)).join(component(&test.target));
        let run = stem.join("runs").join(nextest_run.unwrap_or_else(own_run_id));
        Self { stem, run, nextest, root: root.to_path_buf() }
    }

    /// A file of the default name with this ending.
    pub fn report(&self, ending: &str) -> PathBuf {
        // Not `with_extension`: the name may have dots of its own.
        let mut file = self.stem.clone().into_os_string();
        file.push(ending);
        file.into()
    }

    /// A path as a user would name it.
    pub fn shown(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).unwrap_or(path).to_path_buf()
    }
}

/// cargo's target folder, from a binary in `<target>[/<triple>]/<profile>/deps`.
fn target_folder(binary: &Path) -> Option<PathBuf> {
    let tagged = |folder: &&Path| folder.join("CACHEDIR.TAG").is_file();
    let built = binary.parent().filter(|it| it.file_name().is_some_and(|name| name == "deps"))?.parent()?.parent()?;
    // With `--target` both the triple's folder and the one above it carry cargo's tag.
    let is_triple = built.file_name().and_then(|it| it.to_str()).is_some_and(|name| name.matches('-').count() >= 2);
    let above = built.parent().filter(|_| is_triple).filter(tagged);
    Some(above.unwrap_or(built).to_path_buf())
}

/// An id that sorts by time.
fn own_run_id() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:013}-{}", since.as_millis(), std::process::id())
}

/// Whether a text from outside can be a folder's name as it is.
fn is_plain(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.chars().all(|it| it.is_ascii_alphanumeric() || it == '-' || it == '_')
}

/// A name as one component of a path.
fn component(name: &str) -> String {
    let plain = |it: char| if it.is_alphanumeric() || matches!(it, '-' | '_') { it } else { '_' };
    let name: String = name.chars().map(plain).collect();
    if name.is_empty() { "_".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_target_folder_is_above_the_profile() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        let of = |path: &str| target_folder(&target.join(path));
        assert_eq!(of("debug/deps/coverage-0123"), Some(target.clone()));
        let triple = target.join("x86_64-unknown-linux-gnu");
        assert_eq!(of("x86_64-unknown-linux-gnu/release/deps/coverage-0123"), Some(triple.clone()));
        fs::create_dir_all(&triple).unwrap();
        fs::write(target.join("CACHEDIR.TAG"), "").unwrap();
        assert_eq!(of("x86_64-unknown-linux-gnu/release/deps/coverage-0123"), Some(target.clone()));
        // A tag further up is somebody else's: the whole project may lie in a cache.
        fs::write(folder.path().join("CACHEDIR.TAG"), "").unwrap();
        assert_eq!(of("debug/deps/coverage-0123"), Some(target.clone()));
        assert_eq!(target_folder(Path::new("/opt/app/coverage")), None);
    }

    #[test]
    fn names_from_outside_stay_inside() {
        assert!(is_plain("0c1f2e3d-0000-4a4b-8c8d-ffffffffffff"));
        for hostile in ["", "..", "../../etc", "a/b", "a b", &"x".repeat(65)] {
            assert!(!is_plain(hostile), "{hostile}");
        }
        assert_eq!(component("../etc"), "___etc");
        assert_eq!(component("digits-example"), "digits-example");
        assert_eq!(component(""), "_");
    }

    #[test]
    fn reports_stand_beside_the_folder_of_runs() {
        let places = Places {
            stem: "/w/target/cleanai/app/coverage".into(),
            run: "/w/target/cleanai/app/coverage/runs/1".into(),
            nextest: false,
            root: "/w".into(),
        };
        assert_eq!(places.report(".junit.xml"), Path::new("/w/target/cleanai/app/coverage.junit.xml"));
        assert_eq!(places.shown(&places.report(".pdf")), Path::new("target/cleanai/app/coverage.pdf"));
        assert_eq!(places.shown(Path::new("/elsewhere/x.pdf")), Path::new("/elsewhere/x.pdf"));
    }
}
