//! Fragments and reports: every test leaves a fragment in the folder of its run, and whoever finishes writes the reports
//! from all fragments of the run. Under nextest, where every test is a process, the last one so leaves the whole.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::{Config, ReportFile};
use crate::report::{Outcome, file, junit};
use crate::{Error, ErrorKind, Result};

use super::places::Places;
use super::{Reporters, WriteReport, github};

/// Finished runs whose fragments are kept, the newest; another run may still be going on in one of them.
const KEPT_RUNS: usize = 4;

/// What helps where files of the run cannot be written.
const ROOM: &str =
    "make room, or have cargo build elsewhere with CARGO_TARGET_DIR; the tests themselves are not touched";

/// The reports of a run.
pub(super) struct Reports {
    places: Places,
    reporters: Reporters,
    files: Vec<(&'static str, WriteReport, PathBuf)>,
    markdown: Option<PathBuf>,
    /// Written after them, because it names them.
    junit: Option<PathBuf>,
    junit_strict: bool,
}

impl Reports {
    /// Settles which reports are written where, and sees to the folders, so that a path which cannot be written is known
    /// before anything is measured.
    pub fn open(reporters: Reporters, config: &Config, places: Places) -> Result<Self> {
        let table = &config.report;
        let beside = config.path.as_deref().and_then(Path::parent).unwrap_or(&places.root).to_path_buf();
        let place = |wanted: &ReportFile, ending: &str| match wanted {
            ReportFile::No => None,
            ReportFile::Default => Some(places.report(ending)),
            ReportFile::At(path) => Some(beside.join(path)),
        };
        let mut files: Vec<(&'static str, WriteReport, PathBuf)> = Vec::new();
        match (reporters.pdf, place(&table.pdf, ".pdf")) {
            (Some(write), Some(path)) => files.push(("PDF", write, path)),
            (None, Some(_)) if matches!(table.pdf, ReportFile::At(_)) => {
                let what = "`report.pdf` names a file, but this build has no PDF reports";
                return Err(Error::new(ErrorKind::Configuration, what)
                    .with_help("enable the feature `pdf` of cleanai-harness, or set `pdf = false`"));
            }
            _ => {}
        }
        // nextest writes a JUnit report of its own.
        let junit = if places.nextest && table.junit == ReportFile::Default { &ReportFile::No } else { &table.junit };
        let junit = place(junit, ".junit.xml");
        files.extend(place(&table.json, ".json").map(|path| ("JSON", reporters.json, path)));
        files.extend(place(&table.html, ".html").map(|path| ("HTML", reporters.html, path)));
        let markdown = place(&table.markdown, ".md");
        for path in files.iter().map(|(_, _, path)| path).chain(&junit).chain(&markdown) {
            let folder = path.parent().unwrap_or(Path::new("."));
            fs::create_dir_all(folder).map_err(|why| Error::io("create the folder of the report", path, why))?;
            if path.is_dir() {
                return Err(Error::io("write the report", path, "it is a folder"));
            }
            file::check(folder)?;
        }
        let failed = |why| Error::io("create", &places.run, why).with_help(ROOM);
        fs::create_dir_all(&places.run).map_err(failed)?;
        Ok(Self { places, reporters, files, markdown, junit, junit_strict: table.junit_strict })
    }

    /// Where this run writes.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// Leaves the fragments of these tests and writes the reports of the whole run so far: each format's name with
    /// its file as a user would name it, and what went wrong.
    pub fn write(&self, outcomes: &[Outcome]) -> (Vec<(&'static str, PathBuf)>, Vec<Error>) {
        let (mut written, mut errors) = (Vec::new(), Vec::new());
        let (all, _lock) = match self.merge(outcomes) {
            Ok((all, lock)) => (all, Some(lock)),
            // Of nextest this process knows one test, and a report of one would replace that of many.
            Err(error) if self.places.nextest => return (written, vec![error]),
            Err(error) => {
                errors.push(error);
                (outcomes.to_vec(), None)
            }
        };
        for (name, write, path) in &self.files {
            match write(&all, path) {
                Ok(()) => written.push((*name, self.places.shown(path))),
                Err(error) => errors.push(error),
            }
        }
        if let Some(path) = &self.junit {
            let readable = self.files.iter().filter(|(name, _, path)| {
                ["HTML", "PDF"].contains(name) && written.iter().any(|(_, own)| *own == self.places.shown(path))
            });
            let attachments = readable.map(|(_, _, path)| path.clone()).collect();
            match (self.reporters.junit)(&all, path, &junit::Options { strict: self.junit_strict, attachments }) {
                Ok(()) => written.push(("JUnit", self.places.shown(path))),
                Err(error) => errors.push(error),
            }
        }
        let others: Vec<(&str, PathBuf)> = written.clone();
        let others: Vec<(&str, &Path)> = others.iter().map(|(name, path)| (*name, path.as_path())).collect();
        if let Some(path) = &self.markdown {
            match file::write(path, (self.reporters.markdown)(&all, &others, usize::MAX).as_bytes()) {
                Ok(()) => written.push(("Markdown", self.places.shown(path))),
                Err(error) => errors.push(error),
            }
        }
        // Under nextest every process tells of its own tests.
        github::summarise(|limit| (self.reporters.markdown)(outcomes, &others, limit));
        (written, together(errors))
    }

    /// Leaves the fragments and reads those of the whole run. The lock is held until the caller has written the reports:
    /// whoever comes later has seen more.
    fn merge(&self, outcomes: &[Outcome]) -> Result<(Vec<Outcome>, File)> {
        let runs = self.places.stem.join("runs");
        let lock = lock(&runs)?;
        // Again, under the lock: another run may have tidied up meanwhile.
        fs::create_dir_all(&self.places.run).map_err(|why| Error::io("create", &self.places.run, why))?;
        for outcome in outcomes {
            (self.reporters.write_fragment)(&self.places.run, outcome).map_err(|error| error.with_help(ROOM))?;
        }
        let all = (self.reporters.read_fragments)(&self.places.run)?;
        tidy(&runs, &self.places.run)?;
        sweep(self.places.stem.parent().unwrap_or(&runs));
        Ok((all, lock))
    }
}

/// Files that cannot be written for one reason, a full disk say, are one error.
fn together(errors: Vec<Error>) -> Vec<Error> {
    let mut kept: Vec<(Error, Vec<String>, String)> = Vec::new();
    for error in errors {
        let parts = error.what().strip_prefix("cannot write ").and_then(|rest| rest.rsplit_once(": "));
        let (file, why) = parts.map_or((String::new(), String::new()), |(file, why)| (file.to_owned(), why.to_owned()));
        match kept.iter_mut().find(|(_, _, own)| !why.is_empty() && *own == why) {
            Some((_, files, _)) => files.push(file),
            None => kept.push((error, vec![file], why)),
        }
    }
    let one = |(error, files, why): (Error, Vec<String>, String)| match files.as_slice() {
        [first @ .., last] if !first.is_empty() => {
            let what = format!("cannot write {} and {last}: {why}", first.join(", "));
            Error::new(error.kind(), what).with_help(ROOM)
        }
        _ => error,
    };
    kept.into_iter().map(one).collect()
}

/// Waits until no other process merges.
fn lock(runs: &Path) -> Result<File> {
    let path = runs.join(".lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|why| Error::io("open", &path, why))?;
    file.lock().map_err(|why| Error::io("lock", &path, why))?;
    Ok(file)
}

/// Removes temporary files that processes left here when they were killed: nobody writes a report for an hour. Where that fails they stay.
fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let age = entry.metadata().and_then(|facts| facts.modified()).ok().and_then(|time| time.elapsed().ok());
        let old = age.is_some_and(|age| age > Duration::from_secs(3600));
        if name.starts_with(".cleanai-") && name.ends_with(".tmp") && old {
            _ = fs::remove_file(entry.path());
        }
    }
}

/// Removes the folders of older runs, but for this one and the newest few.
fn tidy(runs: &Path, current: &Path) -> Result<()> {
    let entries = fs::read_dir(runs).map_err(|why| Error::io("read", runs, why))?;
    let mut others: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.path() != current && entry.file_type().is_ok_and(|it| it.is_dir()))
        .map(|entry| (entry.metadata().and_then(|it| it.modified()).ok(), entry.path()))
        .collect();
    others.sort();
    others.truncate(others.len().saturating_sub(KEPT_RUNS));
    for (_, folder) in others {
        fs::remove_dir_all(&folder).map_err(|why| Error::io("remove", &folder, why))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reason_is_one_error() {
        let full =
            |path: &str| Error::io("write", Path::new(path), "No space left on device").with_help("as the writer says");
        let other = Error::io("write", Path::new("/d"), "it is a folder");
        let said = |errors| together(errors).into_iter().map(|error| error.what().to_owned()).collect::<Vec<_>>();
        assert_eq!(
            said(vec![full("/a"), other, full("/b"), full("/c: x")]),
            ["cannot write /a, /b and /c: x: No space left on device", "cannot write /d: it is a folder"]
        );
        assert_eq!(together(vec![full("/a")]), [full("/a")]);
        let broken = || Error::new(ErrorKind::Io, "cannot make the PDF report: why");
        assert_eq!(together(vec![broken(), broken()]).len(), 2);
    }
}
