//! One file per test, so that tests which ran in processes of their own (nextest) can be reported together.
//!
//! The folder belongs to one run: `target/cleanai/<package>/<test target>/runs/<run>/`. [`merge`] puts the runs of several test targets,
//! or of several machines, together.

mod merge;

use std::borrow::Cow;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Outcome, file};
use crate::{Error, ErrorKind, Result};

pub use merge::{Merged, merge};

/// The version of [`Outcome`] written and understood.
const SCHEMA: u32 = 1;

/// A fragment is refused beyond this: hundreds of layers and dozens of criteria take a few megabytes.
const LIMIT: u64 = 256 << 20;

/// All fragments of a folder are refused beyond this, and beyond so many: nobody has tests for them.
const LIMIT_OF_ALL: u64 = 2 << 30;
const MOST: usize = 100_000;

/// Characters of the test's name kept in a file name.
const NAME: usize = 80;

/// Writes the outcome of one test into the folder of its run and returns the file. A test that runs again (a retry)
/// replaces what it wrote, and counts its attempts.
///
/// # Errors
/// If the file cannot be written.
pub fn write(folder: &Path, outcome: &Outcome) -> Result<PathBuf> {
    let path = folder.join(file_name(outcome));
    let mut outcome = Cow::Borrowed(outcome);
    // What cannot be read is no attempt that counts, and is replaced.
    if let Some(before) = path.is_file().then(|| read(&path).ok()).flatten() {
        outcome.to_mut().attempts = Some(attempts(&before.0).saturating_add(attempts(&outcome)));
    }
    let text = serde_json::to_string(&*outcome).map_err(|why| Error::io("write", &path, why))?;
    file::write(&path, text.as_bytes())?;
    Ok(path)
}

/// How often a test ran.
fn attempts(outcome: &Outcome) -> u32 {
    outcome.attempts.unwrap_or(1).max(1)
}

/// Reads every fragment of a folder, in the order of declaration (file, line), then by name. Files that do not end in
/// `.json` are left alone; a folder that does not exist holds none.
///
/// # Errors
/// If a fragment cannot be read, is of another version, or is no outcome at all; if there are more, or larger ones, than tests leave.
pub fn read_all(folder: &Path) -> Result<Vec<Outcome>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(why) => return Err(Error::io("read", folder, why)),
    };
    let (mut outcomes, mut bytes) = (Vec::new(), 0u64);
    for entry in entries {
        let path = entry.map_err(|why| Error::io("read", folder, why))?.path();
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|extension| extension == "json") {
            let (outcome, size) = read(&path)?;
            outcomes.push(outcome);
            bytes += size;
            if bytes > LIMIT_OF_ALL || outcomes.len() > MOST {
                let what = format!("{} holds more outcomes than tests leave", folder.display());
                return Err(Error::new(ErrorKind::Io, what).with_help("delete it and run the tests again"));
            }
        }
    }
    sort(&mut outcomes);
    Ok(outcomes)
}

fn sort(outcomes: &mut [Outcome]) {
    outcomes.sort_by(|a, b| order(a).cmp(&order(b)));
}

fn order(outcome: &Outcome) -> (&Path, u32, &str, &str, &str) {
    let test = &outcome.test;
    (&test.file, test.line, &test.name, &test.package, &test.target)
}

/// A fragment and its size.
fn read(path: &Path) -> Result<(Outcome, u64)> {
    let bad = |why: &dyn std::fmt::Display| {
        let folder = path.parent().unwrap_or(path).display();
        Error::io("read", path, why).with_help(format!("delete {folder} and run the tests again"))
    };
    // Opening something else than a plain file (a pipe, say) could wait for ever.
    if !std::fs::metadata(path).map_err(|why| bad(&why))?.is_file() {
        return Err(bad(&"it is not a plain file"));
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|why| bad(&why))?;
    file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(|why| bad(&why))?;
    if bytes.len() as u64 > LIMIT {
        return Err(bad(&format_args!("it is larger than {} MiB", LIMIT >> 20)));
    }
    let outcome = parse(&bytes).map_err(|why| bad(&why))?;
    Ok((outcome, bytes.len() as u64))
}

fn parse(bytes: &[u8]) -> std::result::Result<Outcome, String> {
    #[derive(serde::Deserialize)]
    struct Version {
        schema: u64,
    }
    let version: Version = serde_json::from_slice(bytes).map_err(|why| format!("it is not a test's outcome: {why}"))?;
    if version.schema != u64::from(SCHEMA) {
        return Err(format!("it has version {}, this CleanAI reads version {SCHEMA}", version.schema));
    }
    let outcome: Outcome = serde_json::from_slice(bytes).map_err(|why| format!("it is not a test's outcome: {why}"))?;
    if outcome.test.name.is_empty() {
        return Err("it names no test".to_string());
    }
    Ok(outcome)
}

/// `digits-coverage-lenet5_digits-1a2b3c4d5e6f7081.json`: readable, safe on every file system, and different for
/// different tests.
fn file_name(outcome: &Outcome) -> String {
    let test = &outcome.test;
    let mut hash = Sha256::new();
    for part in [&test.package, &test.target, &test.name] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let hash: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let readable: String = format!("{}-{}-{}", test.package, test.target, test.name)
        .replace("::", ".")
        .chars()
        .map(|character| if character.is_ascii_alphanumeric() || "-_.".contains(character) { character } else { '_' })
        .take(NAME)
        .collect();
    format!("{}-{hash}.json", readable.trim_start_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn what_is_written_is_read_in_the_order_of_declaration() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("cleanai/run");
        assert_eq!(read_all(&run).unwrap(), []);
        let outcomes = sample::all();
        for outcome in outcomes.iter().rev() {
            write(&run, outcome).unwrap();
        }
        std::fs::write(run.join("notes.txt"), "no outcome").unwrap();
        std::fs::write(run.join(".cleanai-x.json"), "half").unwrap();
        assert_eq!(read_all(&run).unwrap(), outcomes);
    }

    #[test]
    fn a_retry_replaces_and_counts() {
        let folder = tempfile::tempdir().unwrap();
        let (mut failed, passed) = (sample::passed(), sample::passed());
        failed.status = crate::report::Status::Failed;
        let path = write(folder.path(), &failed).unwrap();
        write(folder.path(), &failed).unwrap();
        write(folder.path(), &passed).unwrap();
        let read = read_all(folder.path()).unwrap();
        assert_eq!(read, [Outcome { attempts: Some(3), ..passed.clone() }]);
        std::fs::write(&path, "half of somethi").unwrap();
        write(folder.path(), &passed).unwrap();
        assert_eq!(read_all(folder.path()).unwrap(), [passed]);
    }

    #[test]
    fn names_are_safe_and_distinct() {
        let mut outcome = sample::passed();
        let mut names = std::collections::BTreeSet::new();
        for name in ["a::b", "a.b", "../../etc/passwd", "a/b", "a\\b", "層", "CON", &"x".repeat(500), "a\0b"] {
            outcome.test.name = name.into();
            let file = file_name(&outcome);
            assert!(file.len() < 120 && !file.starts_with('.'), "{file}");
            assert!(
                file.chars().all(|character| character.is_ascii_alphanumeric() || "-_.".contains(character)),
                "{file}"
            );
            assert!(names.insert(file));
        }
        outcome.test.name = "a::b".into();
        let (mut other, mut third) = (outcome.clone(), outcome.clone());
        other.test.target = "coverage-a".into();
        other.test.name = "b".into();
        third.test.package = "digits-coverage".into();
        assert!(names.insert(file_name(&other)) && names.insert(file_name(&third)));
    }

    #[test]
    fn hostile_fragments_are_clear_errors() {
        let good = serde_json::to_string(&sample::passed()).unwrap();
        let no_name = good.replace("\"name\":\"lenet5_digits\"", "\"name\":\"\"");
        let cases = [
            (String::new(), "it is not a test's outcome: EOF"),
            ("[".repeat(100_000), "it is not a test's outcome:"),
            ("{}".into(), "missing field `schema`"),
            (good.replacen("\"schema\":1", "\"schema\":2", 1), "it has version 2, this CleanAI reads version 1"),
            (good.replacen("\"schema\":1", "\"schema\":-1", 1), "invalid value"),
            (good.replacen("\"status\":\"passed\"", "\"status\":\"great\"", 1), "unknown variant `great`"),
            (good[..good.len() - 5].to_string(), "it is not a test's outcome:"),
            (no_name, "it names no test"),
        ];
        for (text, why) in cases {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("test.json");
            std::fs::write(&path, text).unwrap();
            let error = read_all(folder.path()).unwrap_err();
            assert!(error.what().starts_with(&format!("cannot read {}: ", path.display())), "{error}");
            assert!(error.what().contains(why), "{error} does not say {why}");
            assert!(error.help().unwrap().starts_with("delete "));
        }
    }

    #[test]
    fn a_folder_or_a_dangling_link_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("test.json")).unwrap();
        assert!(read_all(folder.path()).unwrap_err().what().ends_with("it is not a plain file"));
        assert!(read_all(&folder.path().join("test.json")).unwrap().is_empty());
    }

    #[test]
    fn figures_that_are_no_numbers_do_not_lose_the_test() {
        let folder = tempfile::tempdir().unwrap();
        let mut outcome = sample::passed();
        outcome.requirements[0].observed = Some(f64::NAN);
        write(folder.path(), &outcome).unwrap();
        let read = read_all(folder.path()).unwrap();
        assert_eq!(read[0].requirements[0].observed, None);
    }
}
