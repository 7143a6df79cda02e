//! What is to be changed in which file, and writing it whole.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::place;
use super::record::{Source, Test, Threshold};
use crate::error::{Error, Result};

/// A file and what it will hold.
#[derive(Debug)]
pub struct Edit {
    /// The file.
    pub path: PathBuf,
    /// What it holds.
    pub old: String,
    /// What it will hold.
    pub new: String,
    /// What changes, a line for each, without the place.
    pub lines: Vec<Line>,
}

/// One thing that changes.
#[derive(Debug, PartialEq)]
pub struct Line {
    /// `lenet5: kmnc(k=100) >= 0.83 -> 0.8361`
    pub text: String,
    /// Where in the file; none for a baseline.
    pub line: Option<usize>,
}

/// Everything that is to be done, and why some of it is not.
#[derive(Debug, Default)]
pub struct Edits {
    /// The files.
    pub edits: Vec<Edit>,
    /// What is left alone and why: of tests that fail, and of what they share.
    pub left: Vec<String>,
    /// What should have been changed and cannot be.
    pub refused: Vec<String>,
}

/// What these tests would raise.
pub fn plan(tests: &[Test]) -> Result<Edits> {
    let mut all = Edits::default();
    for test in tests {
        if let Some(why) = &test.refused {
            all.left.push(format!("{}: {why}", test.name));
        }
    }
    let mut files: BTreeMap<&Path, Vec<(String, &Threshold)>> = BTreeMap::new();
    for users in by_place(tests).into_values() {
        match raise(&users) {
            Some((threshold, names)) => files.entry(&threshold.file).or_default().push((names, threshold)),
            None => all.left.extend(shared(&users)),
        }
    }
    for (path, raised) in files {
        let old = fs::read_to_string(path).map_err(Error::file("read", path))?;
        match thresholds(path, &old, &raised) {
            Ok(edit) => all.edits.push(edit),
            Err(why) => all.refused.push(format!("{}: {why}; nothing in it was changed", path.display())),
        }
    }
    for test in tests {
        let Some(baseline) = &test.baseline else { continue };
        let figure = |number: f64| format!("{number:.6}");
        let lines = baseline.raised.iter().map(|it| Line {
            text: format!("{}: baseline of {} {} -> {}", test.name, it.figure, figure(it.from), figure(it.to)),
            line: None,
        });
        let current = fs::read_to_string(&baseline.file).map_err(Error::file("read", &baseline.file))?;
        if current != baseline.old {
            let what = "it changed while the tests ran; nothing in it was changed";
            all.refused.push(format!("{}: {what}", baseline.file.display()));
            continue;
        }
        let (path, old, new) = (baseline.file.clone(), current, baseline.new.clone());
        all.edits.push(Edit { path, old, new, lines: lines.collect() });
    }
    Ok(all)
}

/// Thresholds with their tests, by file, line and column.
type ByPlace<'t> = BTreeMap<(&'t Path, usize, usize), Vec<(&'t Test, &'t Threshold)>>;

/// The requirements by where they stand, each with the tests that it holds for.
fn by_place(tests: &[Test]) -> ByPlace<'_> {
    let mut places: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for test in tests {
        for threshold in &test.thresholds {
            let place = (threshold.file.as_path(), threshold.line, threshold.column);
            places.entry(place).or_default().push((test, threshold));
        }
    }
    places
}

/// The weakest of what the tests could have, with their names, if that asks for more than now. None where one of them fails.
fn raise<'t>(users: &[(&Test, &'t Threshold)]) -> Option<(&'t Threshold, String)> {
    let mut weakest: Option<(f64, &Threshold)> = None;
    for (_, threshold) in users {
        let candidate = threshold.candidate?;
        let weaker = |than: f64| if threshold.lower { candidate < than } else { candidate > than };
        if weakest.is_none_or(|(than, _)| weaker(than)) {
            weakest = Some((candidate, threshold));
        }
    }
    let (candidate, threshold) = weakest?;
    let raises = if threshold.lower { candidate > threshold.old } else { candidate < threshold.old };
    let names: Vec<&str> = users.iter().map(|(test, _)| test.name.as_str()).collect();
    raises.then(|| (threshold, names.join(", ")))
}

/// Why a requirement that a test could raise stays: others share it.
fn shared(users: &[(&Test, &Threshold)]) -> Option<String> {
    let (test, threshold) = users.iter().find(|(test, _)| test.refused.is_none())?;
    let kept = users.iter().find(|(_, threshold)| threshold.candidate.is_none())?;
    let why = match &kept.0.refused {
        Some(_) => format!("it holds for {} too, which fails", kept.0.name),
        None if threshold.source == Source::Defaults => "it stands in [defaults], and not all tests ran".to_owned(),
        None => return None,
    };
    Some(format!("{}: {} stays: {why}", test.name, threshold.requirement))
}

/// The file with these numbers raised.
fn thresholds(path: &Path, old: &str, raised: &[(String, &Threshold)]) -> Result<Edit, String> {
    let mut places: Vec<(Range<usize>, &str)> = Vec::new();
    let mut lines = Vec::new();
    for (names, threshold) in raised {
        places.push((place::bound(old, threshold)?, &threshold.candidate_text));
        let text = format!("{names}: {} -> {}", threshold.requirement, threshold.candidate_text);
        lines.push(Line { text, line: Some(threshold.line) });
    }
    let mut new = old.to_owned();
    // From the end, so that what is before keeps its place.
    places.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    for (range, number) in places {
        new.replace_range(range, number);
    }
    Ok(Edit { path: path.to_owned(), old: old.to_owned(), new, lines })
}

impl Edit {
    /// Writes the file whole, unless it is no longer what it was.
    pub fn apply(&self) -> Result<()> {
        let current = fs::read_to_string(&self.path).map_err(Error::file("read", &self.path))?;
        if current != self.old {
            return Err(Error::Changed { path: self.path.clone() });
        }
        // Through a link to the file itself, whose permissions stay.
        let target = fs::canonicalize(&self.path).map_err(Error::file("find", &self.path))?;
        let permissions = fs::metadata(&target).map_err(Error::file("read", &target))?.permissions();
        let folder = target.parent().unwrap_or(Path::new("."));
        let failed = || Error::file("write", &target);
        let mut file = tempfile::Builder::new().prefix(".cleanai-").tempfile_in(folder).map_err(failed())?;
        file.write_all(self.new.as_bytes()).and_then(|()| file.flush()).map_err(failed())?;
        fs::set_permissions(file.path(), permissions).map_err(failed())?;
        file.persist(&target).map_err(|why| failed()(why.error))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "[tests.a]\nrequire = [\"nc >= 0.4\", \"nbc <= 0.3\"]  # kept\n";

    fn threshold(file: &Path, text: &str, column: usize, candidate: Option<f64>) -> Threshold {
        let (subject, bound) = text.rsplit_once(' ').unwrap();
        let operator = subject.rsplit_once(' ').unwrap().1;
        Threshold {
            requirement: text.into(),
            source: Source::Test,
            file: file.into(),
            line: 2,
            column,
            text: text.into(),
            bound: (subject.len() + 1, text.len()),
            words: Vec::new(),
            operator: operator.into(),
            lower: operator.starts_with('>'),
            old: bound.parse().unwrap(),
            candidate,
            candidate_text: candidate.map(|it| it.to_string()).unwrap_or_default(),
        }
    }

    fn test(name: &str, refused: Option<&str>, thresholds: Vec<Threshold>) -> Test {
        Test { name: name.into(), refused: refused.map(str::to_owned), thresholds, baseline: None }
    }

    fn file() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cleanai.toml");
        fs::write(&path, TABLE).unwrap();
        (folder, path)
    }

    #[test]
    fn numbers_rise_in_place_and_never_fall() {
        let (_folder, path) = file();
        let plan_of = |nc, nbc| {
            let thresholds = vec![threshold(&path, "nc >= 0.4", 12, nc), threshold(&path, "nbc <= 0.3", 25, nbc)];
            plan(&[test("a", None, thresholds)]).unwrap()
        };
        let all = plan_of(Some(0.4567), Some(0.25));
        assert_eq!(all.edits[0].new, "[tests.a]\nrequire = [\"nc >= 0.4567\", \"nbc <= 0.25\"]  # kept\n");
        let texts: Vec<_> = all.edits[0].lines.iter().map(|line| (line.text.as_str(), line.line)).collect();
        assert_eq!(texts, [("a: nc >= 0.4 -> 0.4567", Some(2)), ("a: nbc <= 0.3 -> 0.25", Some(2))]);
        all.edits[0].apply().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), all.edits[0].new);
        fs::write(&path, TABLE).unwrap();
        for (nc, nbc) in [(Some(0.4), Some(0.3)), (Some(0.39), Some(0.31)), (None, None)] {
            assert!(plan_of(nc, nbc).edits.is_empty(), "{nc:?} {nbc:?}");
        }
    }

    #[test]
    fn what_several_tests_share_rises_to_the_weakest() {
        let (_folder, path) = file();
        let of = |candidate| vec![threshold(&path, "nc >= 0.4", 12, candidate)];
        let all = plan(&[test("a", None, of(Some(0.6))), test("b", None, of(Some(0.5)))]).unwrap();
        assert_eq!(all.edits[0].lines[0].text, "a, b: nc >= 0.4 -> 0.5");
        let failing = plan(&[test("a", None, of(Some(0.6))), test("b", Some("it fails"), of(None))]).unwrap();
        assert!(failing.edits.is_empty());
        assert_eq!(failing.left, ["b: it fails", "a: nc >= 0.4 stays: it holds for b too, which fails"]);
    }

    #[test]
    fn a_file_that_changed_is_left() {
        let (_folder, path) = file();
        let tests = [test("a", None, vec![threshold(&path, "nc >= 0.4", 12, Some(0.5))])];
        let before = plan(&tests).unwrap();
        fs::write(&path, TABLE.replace("0.4", "0.45")).unwrap();
        let after = plan(&tests).unwrap();
        assert!(after.edits.is_empty() && after.refused[0].contains("line 2 no longer says `nc >= 0.4`"), "{after:?}");
        assert!(matches!(before.edits[0].apply(), Err(Error::Changed { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), TABLE.replace("0.4", "0.45"));
    }

    #[test]
    fn a_baseline_is_replaced_whole_if_it_is_what_was_read() {
        use super::super::record::{Baseline, Raised};
        let (_folder, path) = file();
        let raised = vec![Raised { figure: "nc".into(), from: 0.5, to: 0.6 }];
        let baseline =
            |old: &str| Baseline { file: path.clone(), old: old.into(), new: "new".into(), raised: raised.clone() };
        let with = |baseline| [Test { baseline: Some(baseline), ..test("a", None, Vec::new()) }];
        let all = plan(&with(baseline(TABLE))).unwrap();
        assert_eq!(all.edits[0].lines[0].text, "a: baseline of nc 0.500000 -> 0.600000");
        all.edits[0].apply().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert!(plan(&with(baseline(TABLE))).unwrap().refused[0].contains("changed while the tests ran"));
    }

    #[cfg(unix)]
    #[test]
    fn permissions_stay() {
        use std::os::unix::fs::PermissionsExt;
        let (_folder, path) = file();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let edit = Edit { path: path.clone(), old: TABLE.into(), new: "new".into(), lines: Vec::new() };
        edit.apply().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    }
}
