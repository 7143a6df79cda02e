//! One list of outcomes from several folders: test targets, packages, shards of a CI run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{MOST, attempts, read_all, sort};
use crate::report::Outcome;
use crate::{Error, ErrorKind, Result};

/// Folders below a given one that are looked into.
const DEEPEST: usize = 8;

/// The outcomes of one or several runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// The tests, each once, in the order of declaration.
    pub outcomes: Vec<Outcome>,
    /// The folders that were read.
    pub runs: Vec<PathBuf>,
}

/// Reads the outcomes of several folders. Each is the folder of one run, or one above folders of runs (`target/cleanai`, or a copy of it
/// from another machine), where the newest run counts: of nextest the run of that id, in whatever test targets it ran; of `cargo test`,
/// where every test target has runs of its own, the newest of each. A test that is in several folders counts as it came out last, with all
/// its attempts.
///
/// ```no_run
/// # fn main() -> cleanai_harness::Result<()> {
/// use cleanai_harness::report::fragment;
/// let shards = ["shard-1".into(), "shard-2".into()];
/// println!("{} tests", fragment::merge(&shards)?.outcomes.len());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// If a folder is not there or holds no outcome, and as [`read_all`].
pub fn merge(folders: &[PathBuf]) -> Result<Merged> {
    let mut runs: Vec<PathBuf> = Vec::new();
    for folder in folders {
        for run in newest(folder)? {
            let same = |own: &PathBuf| {
                own.canonicalize().ok().is_some_and(|own| run.canonicalize().is_ok_and(|run| run == own))
            };
            if !runs.iter().any(same) {
                runs.push(run);
            }
        }
    }
    let mut tests: BTreeMap<(String, String, String), Outcome> = BTreeMap::new();
    for run in &runs {
        let outcomes = read_all(run)?;
        if outcomes.is_empty() {
            return Err(no_outcome(run));
        }
        for mut outcome in outcomes {
            let test = &outcome.test;
            let key = (test.package.clone(), test.target.clone(), test.name.clone());
            if let Some(before) = tests.remove(&key) {
                let sum = attempts(&before).saturating_add(attempts(&outcome));
                if before.started > outcome.started {
                    outcome = before;
                }
                outcome.attempts = Some(sum);
            }
            tests.insert(key, outcome);
        }
    }
    let mut outcomes: Vec<Outcome> = tests.into_values().collect();
    sort(&mut outcomes);
    Ok(Merged { outcomes, runs })
}

fn no_outcome(folder: &Path) -> Error {
    let what = format!("{} holds no outcome of a coverage test", folder.display());
    Error::new(ErrorKind::Data, what)
        .with_help("name the folder of a run or one above it, like target/cleanai; a shard without tests has none")
}

/// A folder of fragments.
struct Run {
    folder: PathBuf,
    id: String,
    written: SystemTime,
}

impl Run {
    /// Whether the runner gave it its id, `<milliseconds>-<process>`; otherwise nextest did, to all test targets.
    fn is_of_one_target(&self) -> bool {
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        self.id.split_once('-').is_some_and(|(time, process)| digits(time) && digits(process))
    }

    /// What sorts runs by time.
    fn age(&self) -> (SystemTime, &str) {
        (self.written, &self.id)
    }
}

/// The folders of the newest run below a folder, or the folder itself if there is no `runs` below it.
fn newest(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |why: &dyn std::fmt::Display| Error::io("read", folder, why);
    let about = fs::metadata(folder).map_err(|why| {
        let help = "run the tests first, or name the folder of a run";
        let why: &dyn std::fmt::Display =
            if why.kind() == std::io::ErrorKind::NotFound { &"it is not there" } else { &why };
        let error = failed(why);
        Error::new(ErrorKind::Data, error.what()).with_help(help)
    })?;
    if !about.is_dir() {
        let error = failed(&"it is not a folder");
        return Err(Error::new(ErrorKind::Data, error.what()).with_help("name the folder of a run, or one above it"));
    }
    let mut found = Vec::new();
    let mut looked = 0;
    find(folder, DEEPEST, &mut looked, &mut found)?;
    if found.is_empty() {
        return Ok(vec![folder.to_path_buf()]);
    }
    // A run that was killed before its first test ended has left nothing.
    let mut stems: BTreeMap<PathBuf, Vec<Run>> = BTreeMap::new();
    for run in found.into_iter().filter(|run| holds_fragments(&run.folder)) {
        let stem = run.folder.parent().unwrap_or(folder).to_path_buf();
        stems.entry(stem).or_default().push(run);
    }
    let newest = stems.values().flatten().max_by(|left, right| left.age().cmp(&right.age()));
    let Some(newest) = newest else { return Err(no_outcome(folder)) };
    let (id, of_one_target) = (newest.id.clone(), newest.is_of_one_target());
    let chosen = stems.into_values().filter_map(|runs| {
        let fits = |run: &Run| if of_one_target { run.is_of_one_target() } else { run.id == id };
        runs.into_iter().filter(fits).max_by(|left, right| left.age().cmp(&right.age()))
    });
    Ok(chosen.map(|run| run.folder).collect())
}

/// Whether there is a fragment in a folder of a run.
fn holds_fragments(run: &Path) -> bool {
    let json = |entry: fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "json");
    fs::read_dir(run).is_ok_and(|entries| entries.flatten().any(json))
}

/// Every folder in a folder `runs` below `folder`. Links are not followed, so that nothing is read twice or for ever.
fn find(folder: &Path, deep: usize, looked: &mut usize, found: &mut Vec<Run>) -> Result<()> {
    let failed = |why: std::io::Error| Error::io("read", folder, why);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        *looked += 1;
        if *looked > MOST {
            let what = format!("{} holds more files than runs leave", folder.display());
            return Err(Error::new(ErrorKind::Data, what).with_help("name the folder of a run, like target/cleanai"));
        }
        if !entry.file_type().map_err(failed)?.is_dir() {
            continue;
        }
        let path = entry.path();
        if folder.file_name().is_some_and(|name| name == "runs") {
            let written = entry.metadata().and_then(|about| about.modified()).map_err(failed)?;
            found.push(Run { folder: path, id: entry.file_name().to_string_lossy().into_owned(), written });
        } else if deep > 0 {
            find(&path, deep - 1, looked, found)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::write;
    use super::*;
    use crate::report::{Status, sample};

    /// A run with these tests.
    fn run(folder: &Path, outcomes: &[Outcome]) {
        for outcome in outcomes {
            write(folder, outcome).unwrap();
        }
    }

    fn of_target(target: &str, started: u64) -> Outcome {
        let mut outcome = sample::passed();
        outcome.test.target = target.into();
        outcome.started = started;
        outcome
    }

    fn started(folders: &[&Path]) -> Vec<u64> {
        let folders: Vec<PathBuf> = folders.iter().map(|folder| folder.to_path_buf()).collect();
        merge(&folders).unwrap().outcomes.iter().map(|outcome| outcome.started).collect()
    }

    /// Sets when a folder was written last, in seconds.
    fn age(folder: &Path, seconds: u64) {
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        fs::File::open(folder).unwrap().set_modified(time).unwrap();
    }

    #[test]
    fn of_cargo_test_the_newest_run_of_each_target_counts() {
        let folder = tempfile::tempdir().unwrap();
        let runs = |target: &str| folder.path().join("cleanai/digits").join(target).join("runs");
        for (target, id, started, time) in
            [("a", "0000000000100-7", 1, 100), ("a", "0000000000300-7", 2, 300), ("b", "0000000000200-7", 3, 200)]
        {
            run(&runs(target).join(id), &[of_target(target, started)]);
            age(&runs(target).join(id), time);
        }
        // The report of a target beside its folder is no fragment, and a run that was killed has none.
        fs::write(folder.path().join("cleanai/digits/a.json"), "{}").unwrap();
        fs::create_dir_all(runs("b").join("0000000000400-7")).unwrap();
        assert_eq!(started(&[folder.path()]), [2, 3]);
        assert_eq!(started(&[&runs("a").join("0000000000100-7")]), [1]);
        // A newer run of nextest is one over all targets.
        run(&runs("b").join("0c1f2e3d-aaaa-bbbb"), &[of_target("b", 9)]);
        age(&runs("b").join("0c1f2e3d-aaaa-bbbb"), 900);
        assert_eq!(started(&[folder.path()]), [9]);
    }

    #[test]
    fn a_test_in_two_shards_counts_as_it_came_out_last() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        let mut failed = of_target("a", 200);
        failed.status = Status::Failed;
        run(&one, &[failed]);
        run(&two, &[of_target("a", 100), of_target("b", 50)]);
        let merged = merge(&[one.clone(), two.clone(), one.clone()]).unwrap();
        assert_eq!(merged.runs, [one, two]);
        let seen: Vec<_> =
            merged.outcomes.iter().map(|own| (own.test.target.as_str(), own.status, own.attempts)).collect();
        assert_eq!(seen, [("a", Status::Failed, Some(2)), ("b", Status::Passed, None)]);
    }

    #[test]
    fn a_folder_without_tests_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (empty, gone) = (folder.path().join("empty"), folder.path().join("gone"));
        fs::create_dir_all(empty.join("cleanai/digits/coverage/runs/1-2")).unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let bad = |path: &Path| merge(&[path.to_path_buf()]).unwrap_err();
        assert_eq!(bad(&empty).what(), format!("{} holds no outcome of a coverage test", empty.display()));
        assert_eq!(bad(&gone).what(), format!("cannot read {}: it is not there", gone.display()));
        assert!(bad(&folder.path().join("file")).what().ends_with("it is not a folder"));
        let shard = folder.path().join("shard");
        fs::create_dir(&shard).unwrap();
        assert_eq!(bad(&shard).what(), format!("{} holds no outcome of a coverage test", shard.display()));
        for error in [bad(&empty), bad(&gone), bad(&shard)] {
            assert_eq!((error.kind(), error.help().is_some()), (ErrorKind::Data, true));
        }
    }

    #[test]
    fn a_damaged_fragment_is_named() {
        let folder = tempfile::tempdir().unwrap();
        run(folder.path(), &sample::all());
        fs::write(folder.path().join("zz.json"), "{\"schema\":99}").unwrap();
        let error = merge(&[folder.path().to_path_buf()]).unwrap_err();
        let path = folder.path().join("zz.json");
        assert_eq!(
            error.what(),
            format!("cannot read {}: it has version 99, this CleanAI reads version 1", path.display())
        );
    }

    #[cfg(unix)]
    #[test]
    fn links_in_circles_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let runs = folder.path().join("digits/coverage/runs");
        run(&runs.join("1-2"), &[of_target("a", 7)]);
        std::os::unix::fs::symlink(folder.path(), folder.path().join("digits/again")).unwrap();
        assert_eq!(started(&[folder.path()]), [7]);
    }
}
