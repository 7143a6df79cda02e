//! The baseline in `insta`'s keeping: `cargo insta review` and `accept` change it, a comparator with tolerance reads it.
//!
//! Rules, in this order:
//!
//! 1. A figure that is NaN or infinite fails in every mode, and nothing is written.
//! 2. While a requirement or the test's body fails (one that only compares with the baseline aside: what a review decides on), the baseline is compared and shown, but nothing is written, neither in
//!    place nor as a pending snapshot: what breaks its own requirements is never proposed as the next baseline.
//! 3. Otherwise `insta` decides what is written (`INSTA_UPDATE`, `CI`, `INSTA_FORCE_PASS`), as for any snapshot.

mod comparator;
mod metadata;
mod site;
mod stored;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::{env, fs, io};

use self::comparator::{Seen, Tap, lock};
use self::metadata::info;
pub(crate) use self::site::file_name;
pub(super) use self::site::snapshot_file;
pub use self::site::{Site, workspace_root};
pub use self::stored::Stored;
pub(super) use self::stored::header_of;
use self::stored::{LARGEST_FILE, body_of};
use crate::declare::{OnImprovement, Requirement};
use crate::gate::baseline::{self, BaselineText, Rules};
use crate::gate::covered::{self, Covered};
use crate::gate::{BaselineStatus, BaselineVerdict, explain, quiet};
use crate::measure::Measurement;
use crate::{Error, ErrorKind, Result};

/// Tells `insta` where the workspace is and keeps it from printing diffs between other tests' lines. Both only where the
/// user has not said otherwise. `root` is the folder that the paths of `file!()` start from.
///
/// # Safety
/// Changes the environment: no other thread may run yet.
pub(crate) unsafe fn prepare_environment(root: &Path) {
    for (name, value) in [("INSTA_OUTPUT", "none".as_ref()), ("INSTA_WORKSPACE_ROOT", root.as_os_str())] {
        if env::var_os(name).is_none_or(|it| it.is_empty()) {
            // SAFETY: the caller vouches that this is the only thread.
            unsafe { env::set_var(name, value) };
        }
    }
}

/// A test's baseline: what lies there, what was observed, and how they compare.
#[derive(Debug)]
pub struct Gate<'a> {
    site: Site<'a>,
    root: PathBuf,
    suffix: Option<String>,
    file: PathBuf,
    stored: Stored,
    observed: Arc<BaselineText>,
    rules: Arc<Rules>,
}

impl<'a> Gate<'a> {
    /// Reads the baseline of a test. `root` is `insta`'s workspace root. Measurements on a GPU have a baseline of their own
    /// (`name@cuda.snap`), because their figures differ in the last digits, and so have those by a release of libtorch
    /// (`name@libtorch-2.13.snap`, `name@cuda-libtorch-2.13.snap`) where the policy says so or such a file lies there.
    pub fn open(
        site: Site<'a>,
        root: &Path,
        rules: Rules,
        requirements: &[Requirement],
        measurement: &Measurement,
    ) -> Self {
        let suffix = site::suffix(&site, root, rules.policy(), &measurement.settings);
        let file = snapshot_file(&site, root, suffix.as_deref());
        let observed = Arc::new(BaselineText::of(measurement, requirements));
        let root = root.to_path_buf();
        let stored = if rules.policy().enabled { stored::read(&file) } else { Stored::Missing };
        Self { stored, root, suffix, file, observed, rules: Arc::new(rules), site }
    }

    /// What lies at the baseline's place.
    pub fn stored(&self) -> &Stored {
        &self.stored
    }

    /// Compares with the baseline and lets `insta` keep what is to be kept. `holds` says whether all requirements and the
    /// body hold; `measurement` and `requirements` become the snapshot's metadata.
    ///
    /// # Errors
    /// If `insta` fails for another reason than the comparison: an invalid setting of its own, a file it cannot write.
    pub fn verdict(
        &self,
        holds: bool,
        measurement: &Measurement,
        requirements: &[Requirement],
    ) -> Result<BaselineVerdict> {
        // Before anything is written, which may replace it.
        let then = self.then(measurement);
        let mut verdict = self.compared(holds, measurement, requirements)?;
        if let Some(baseline) = self.stored.text() {
            explain::explain(&mut verdict.changes, baseline, &then, measurement);
        }
        Ok(verdict)
    }

    /// What stood behind the baseline, or why that is not known.
    fn then(&self, measurement: &Measurement) -> explain::Then {
        if !matches!(
            self.stored_status(),
            BaselineStatus::Regressed | BaselineStatus::Improved | BaselineStatus::CriteriaChanged
        ) {
            return Err(None);
        }
        match covered::named_in(&self.file) {
            Some(digest) => Covered::read(&self.file, &digest).map_err(Some),
            None if Covered::of(measurement).is_empty() => Err(None),
            None => Err(Some(
                "neurons, classes and inputs of this baseline are not known: it was accepted before they were kept"
                    .to_owned(),
            )),
        }
    }

    fn compared(
        &self,
        holds: bool,
        measurement: &Measurement,
        requirements: &[Requirement],
    ) -> Result<BaselineVerdict> {
        if !self.rules.policy().enabled {
            return Ok(BaselineVerdict {
                status: BaselineStatus::Disabled,
                fails: false,
                file: None,
                pending: None,
                changes: Vec::new(),
                next: None,
            });
        }
        let not_finite: Vec<&str> = self.observed.not_finite().collect();
        if !not_finite.is_empty() {
            self.mark_referenced();
            let next =
                format!("{} must become a number: nothing was written, the baseline stays", not_finite.join(", "));
            return Ok(self.unwritten(BaselineStatus::NotFinite, next));
        }
        if !holds || self.too_large() {
            self.mark_referenced();
            let next = match (&self.stored, holds) {
                (Stored::Unreadable(why), _) => format!("{why}: restore the file from version control, or delete it"),
                (Stored::Missing, _) => "meet the requirements first: then a baseline is proposed".to_owned(),
                (Stored::Text(_), _) => {
                    "meet the requirements first: figures that miss one cannot become the baseline".to_owned()
                }
            };
            return Ok(self.unwritten(self.stored_status(), next));
        }
        self.assert(measurement, requirements)
    }

    fn too_large(&self) -> bool {
        fs::metadata(&self.file).is_ok_and(|it| it.len() > LARGEST_FILE)
    }

    /// The verdict where `insta` is not asked.
    fn unwritten(&self, status: BaselineStatus, next: String) -> BaselineVerdict {
        let fails = match status {
            BaselineStatus::Unchanged | BaselineStatus::Disabled | BaselineStatus::NotReached => false,
            BaselineStatus::Improved => self.rules.policy().on_improvement == OnImprovement::Fail,
            _ => true,
        };
        BaselineVerdict {
            status,
            fails,
            file: Some(self.shown(&self.file)),
            pending: None,
            changes: self.stored.text().map(|text| self.rules.compare(text, &self.observed)).unwrap_or_default(),
            next: Some(next),
        }
    }

    fn stored_status(&self) -> BaselineStatus {
        match &self.stored {
            Stored::Missing => BaselineStatus::Missing,
            Stored::Unreadable(_) => BaselineStatus::Unreadable,
            Stored::Text(text) => baseline::status(&self.rules.compare(text, &self.observed)),
        }
    }

    /// Runs the user's assertion with our comparator and reads off what became of it.
    fn assert(&self, measurement: &Measurement, requirements: &[Requirement]) -> Result<BaselineVerdict> {
        let text = self.observed.to_string();
        let covered = Some(Covered::of(measurement)).filter(|covered| !covered.is_empty());
        let (existed, before) = (self.file.exists(), body_of(&self.file));
        let seen = Arc::new(Mutex::new(None));
        let tap = Tap { observed: self.observed.clone(), rules: self.rules.clone(), seen: seen.clone() };
        let mut settings = insta::Settings::new();
        settings.set_comparator(Box::new(tap));
        settings.set_omit_expression(true);
        settings.set_info(&info(measurement, requirements, covered.as_ref()));
        if let Some(suffix) = &self.suffix {
            settings.set_snapshot_suffix(suffix);
        }
        let panicked = quiet::catch(|| settings.bind(|| (self.site.assert)(self.site.name, &text))).err();
        if let Some(caught) = panicked.as_ref().filter(|it| !it.message.starts_with("snapshot assertion for ")) {
            let what = format!("insta could not look after the baseline of {}: {}", self.site.name, caught.message);
            return Err(Error::new(ErrorKind::Io, what)
                .with_help("check the INSTA_ variables, insta.yaml and that the snapshots folder can be written"));
        }
        let seen = lock(&seen).take();
        let status = match &seen {
            Some(seen) => seen.status,
            // insta takes a file whose header it cannot read for none.
            None if existed => BaselineStatus::Unreadable,
            None => BaselineStatus::Missing,
        };
        let policy = self.rules.policy();
        let tolerated = status == BaselineStatus::Improved && policy.on_improvement == OnImprovement::Pending;
        let pending = self.pending_file();
        let after = Aftermath {
            status,
            accepted: seen.as_ref().is_some_and(|it| it.accepted),
            fails: panicked.is_some() && !tolerated,
            rewritten: before.as_deref() != Some(text.trim_end())
                && body_of(&self.file).as_deref() == Some(text.trim_end()),
            pending: body_of(&pending).as_deref() == Some(text.trim_end()),
        };
        let kept = self.keep(covered.as_ref(), after.pending || after.rewritten);
        let next = self.next(&after, seen.as_ref());
        Ok(BaselineVerdict {
            status,
            fails: after.fails,
            file: Some(self.shown(&self.file)),
            next: match (next, kept) {
                (next, Ok(())) => next,
                (next, Err(why)) => {
                    let why = format!(
                        "what the baseline covers could not be kept, so that a later fall is explained less: {}",
                        why.what()
                    );
                    Some(next.map_or_else(|| why.clone(), |next| format!("{next}\n{why}")))
                }
            },
            pending: after.pending.then(|| self.shown(&pending)),
            changes: seen.map(|it| it.changes).unwrap_or_default(),
        })
    }

    /// Keeps what stands behind a snapshot that was written, beside it, and removes what no snapshot names any more.
    fn keep(&self, covered: Option<&Covered>, written: bool) -> Result<()> {
        if let Some(covered) = covered.filter(|_| written) {
            covered.write(&self.file)?;
        }
        if why_nothing_is_written().is_none() {
            let named = [&self.file, &self.pending_file()].map(|file| covered::named_in(file));
            covered::tidy(&self.file, &named.into_iter().flatten().collect::<Vec<_>>());
        }
        Ok(())
    }

    /// What to do next, in one line; what is the matter stands beside it in every report.
    fn next(&self, after: &Aftermath, seen: Option<&Seen>) -> Option<String> {
        let shown = self.shown(&self.file);
        let shown = shown.display();
        if after.rewritten {
            return Some(format!("{shown} was written in place: look at it and commit it"));
        }
        if after.accepted {
            let raise = "`cargo insta test --force-update-snapshots` raises the baseline to the better figures";
            return (after.status == BaselineStatus::Improved).then(|| raise.to_owned());
        }
        let accept = match (after.pending, after.status) {
            (true, BaselineStatus::Regressed) => {
                "add test inputs that restore it, or accept the lower figures with `cargo insta review`".to_owned()
            }
            (true, _) => format!("accept the figures with `cargo insta review` and commit {shown}"),
            (false, _) => {
                let why = why_nothing_is_written().unwrap_or("insta's settings");
                format!(
                    "nothing was written ({why}): run `cargo insta test --review` on your machine and commit {shown}"
                )
            }
        };
        Some(match (after.status, seen.and_then(|it| it.unreadable.as_ref())) {
            (BaselineStatus::Unchanged, _) => format!("a full match is asked for and the snapshot differs: {accept}"),
            (BaselineStatus::Unreadable, Some(why)) => format!("{why}: restore the file, or {accept}"),
            (BaselineStatus::Unreadable, None) => {
                format!("insta cannot read its header: restore the file, or {accept}")
            }
            _ => accept,
        })
    }

    /// A path as a user would name it. Where the source is not found below the root, the root is likely wrong, and only the
    /// full path says so.
    fn shown(&self, path: &Path) -> PathBuf {
        let relative = path.strip_prefix(&self.root).ok().filter(|_| self.root.join(self.site.file).is_file());
        relative.unwrap_or(path).to_path_buf()
    }

    /// Where `insta` puts a pending snapshot.
    fn pending_file(&self) -> PathBuf {
        let pending = env::var_os("INSTA_PENDING_DIR").filter(|it| !it.is_empty());
        let place = match (pending, self.file.strip_prefix(&self.root)) {
            (Some(folder), Ok(relative)) => Path::new(&folder).join(relative),
            _ => self.file.clone(),
        };
        place.with_extension("snap.new")
    }

    /// Keeps `cargo insta test --unreferenced=delete` from deleting a baseline whose assertion was not reached.
    fn mark_referenced(&self) {
        let Some(list) = env::var_os("INSTA_SNAPSHOT_REFERENCES_FILE") else { return };
        // At worst insta calls the snapshot unreferenced, as it does for any test that failed early.
        let _ = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(list)
            .and_then(|mut list| io::Write::write_all(&mut list, format!("{}\n", self.file.display()).as_bytes()));
    }
}

/// What became of an assertion.
struct Aftermath {
    status: BaselineStatus,
    accepted: bool,
    fails: bool,
    rewritten: bool,
    pending: bool,
}

/// Why `insta` writes nothing, as its own rules have it; `None` where it writes.
pub(crate) fn why_nothing_is_written() -> Option<&'static str> {
    let ci = match env::var("CI").as_deref() {
        Ok("" | "0" | "false") => false,
        Ok(_) => true,
        Err(_) => env::var_os("TF_BUILD").is_some(),
    };
    match env::var("INSTA_UPDATE").as_deref() {
        Ok("no") => Some("INSTA_UPDATE=no"),
        Err(_) | Ok("" | "auto") if ci => Some("CI"),
        _ => None,
    }
}
