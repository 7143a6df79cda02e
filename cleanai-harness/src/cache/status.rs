//! What the cache holds, and removing it. Both look at names of files alone, so that they work on a damaged cache.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::lock::remove_unused;
use super::{Cache, Kind, Settings};
use crate::report::date;
use crate::{Error, ErrorKind, Result};

/// What the cache holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// Its folder; `None` where it is turned off.
    pub folder: Option<PathBuf>,
    /// Bytes that all entries may take together.
    pub bound: u64,
    /// Every kind, in a fixed order.
    pub kinds: Vec<StatusOfKind>,
}

/// What the cache holds of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StatusOfKind {
    /// The kind.
    pub kind: Kind,
    /// How many entries.
    pub entries: usize,
    /// Bytes they take.
    pub bytes: u64,
    /// When the entry that has not been used for longest was used, in seconds since 1970.
    pub oldest_use: Option<u64>,
    /// When one was used last.
    pub newest_use: Option<u64>,
}

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cleaned {
    /// Of which kind how many entries.
    pub removed: Vec<(Kind, usize)>,
    /// Bytes that they took, temporary files included.
    pub bytes: u64,
    /// Temporary files of processes that had ended.
    pub temporary: usize,
    /// Entries left because a process reads them.
    pub in_use: usize,
}

/// What the cache that the environment names holds.
///
/// # Errors
/// If `CLEANAI_CACHE_SIZE` is no size.
///
/// ```no_run
/// let status = cleanai_harness::cache::status()?;
/// println!("{} bytes", status.kinds.iter().map(|kind| kind.bytes).sum::<u64>());
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub fn status() -> Result<Status> {
    let Settings { folder, size } = Settings::of_environment()?;
    let entries = folder.clone().map(|folder| Cache { folder, size }.entries()).unwrap_or_default();
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let of_kind = |kind| {
        let own = || entries.iter().filter(move |entry| entry.kind == kind);
        StatusOfKind {
            kind,
            entries: own().count(),
            bytes: own().map(|entry| entry.length).sum(),
            oldest_use: own().map(|entry| seconds(entry.used)).min(),
            newest_use: own().map(|entry| seconds(entry.used)).max(),
        }
    };
    Ok(Status { kinds: Kind::ALL.map(of_kind).to_vec(), folder, bound: size })
}

/// Removes all entries of some kinds from the cache that the environment names, and what killed processes left.
///
/// # Errors
/// If an entry cannot be removed; the others are.
pub fn clean(kinds: &[Kind]) -> Result<Cleaned> {
    // How large it may grow does not matter here.
    let Settings { folder, size } = Settings::default();
    folder.map_or_else(|| Ok(Cleaned::default()), |folder| Cache { folder, size }.clean(kinds))
}

impl Cache {
    /// Removes all entries of some kinds, and what killed processes left.
    pub(super) fn clean(&self, kinds: &[Kind]) -> Result<Cleaned> {
        let (temporary, bytes) = self.sweep();
        let removed = kinds.iter().map(|kind| (*kind, 0)).collect();
        let mut cleaned = Cleaned { temporary, bytes, removed, in_use: 0 };
        let mut failures = Vec::new();
        for entry in self.entries() {
            let Some((_, count)) = cleaned.removed.iter_mut().find(|(kind, _)| *kind == entry.kind) else { continue };
            match remove_unused(&entry.path) {
                Ok(true) => {
                    *count += 1;
                    cleaned.bytes += entry.length;
                }
                Ok(false) => cleaned.in_use += 1,
                // Another process has.
                Err(why) if why.kind() == std::io::ErrorKind::NotFound => {}
                Err(why) => failures.push(Error::io("remove", &entry.path, why)),
            }
        }
        let Some(first) = failures.first() else { return Ok(cleaned) };
        let others = match failures.len() - 1 {
            0 => String::new(),
            1 => ", nor another entry".to_owned(),
            more => format!(", nor {more} other entries"),
        };
        let error = Error::new(ErrorKind::Io, format!("{}{others}", first.what()));
        Err(error.with_help("may you write to the cache's folder?"))
    }
}

impl Status {
    /// As text.
    pub fn text(&self) -> String {
        let Some(folder) = &self.folder else { return "The cache is turned off (CLEANAI_CACHE=off).\n".to_owned() };
        let mut text = format!("{}\n\n", folder.display());
        let line = |kind: &str, entries: &dyn std::fmt::Display, size: &str, oldest: &str, newest: &str| {
            format!("{kind:<12}  {entries:>7}  {size:>9}  {oldest:<20}  {newest}").trim_end().to_owned() + "\n"
        };
        text += &line("kind", &"entries", "size", "oldest use", "newest use");
        let when = |time: Option<u64>| time.map(date::readable).unwrap_or_default();
        for StatusOfKind { kind, entries, bytes, oldest_use, newest_use } in &self.kinds {
            text += &line(kind.name(), entries, &bytes_text(*bytes), &when(*oldest_use), &when(*newest_use));
        }
        let (all, bytes) =
            self.kinds.iter().fold((0, 0), |(all, bytes), kind| (all + kind.entries, bytes + kind.bytes));
        text += &line("all", &all, &bytes_text(bytes), "", "");
        // Writing to a string cannot fail.
        _ = writeln!(text, "\nat most {} (CLEANAI_CACHE_SIZE)", bytes_text(self.bound));
        text
    }
}

impl Cleaned {
    /// As text.
    pub fn text(&self) -> String {
        let removed = self.removed.iter().filter(|(_, count)| *count > 0);
        let mut parts: Vec<String> = removed.map(|(kind, count)| format!("{count} {kind}")).collect();
        if self.temporary > 0 {
            parts.push(format!("{} temporary files", self.temporary));
        }
        let mut text = match parts.is_empty() {
            true => "nothing to remove\n".to_owned(),
            false => format!("removed {}: {}\n", parts.join(", "), bytes_text(self.bytes)),
        };
        if self.in_use > 0 {
            // Writing to a string cannot fail.
            _ = writeln!(text, "{} left, which other processes read", self.in_use);
        }
        text
    }
}

/// `1.5 MB`
fn bytes_text(bytes: u64) -> String {
    let units = [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
    let bytes_as = bytes as f64;
    match units.iter().find(|(_, size)| bytes_as >= *size) {
        Some((unit, size)) => format!("{:.1} {unit}", bytes_as / size),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_at_a_glance() {
        let of = |kind, entries, bytes, time: Option<u64>| StatusOfKind {
            kind,
            entries,
            bytes,
            oldest_use: time,
            newest_use: time.map(|time| time + 86_400),
        };
        let status = Status {
            folder: Some("/home/ada/.cache/cleanai".into()),
            bound: 4 << 30,
            kinds: vec![
                of(Kind::Profiles, 3, 1_234_567, Some(1_764_000_000)),
                of(Kind::Traces, 0, 0, None),
                of(Kind::Measurements, 12, 999, Some(1_764_000_000)),
            ],
        };
        let expected = "\
/home/ada/.cache/cleanai

kind          entries       size  oldest use            newest use
profiles            3     1.2 MB  2025-11-24 16:00 UTC  2025-11-25 16:00 UTC
traces              0        0 B
measurements       12      999 B  2025-11-24 16:00 UTC  2025-11-25 16:00 UTC
all                15     1.2 MB

at most 4.3 GB (CLEANAI_CACHE_SIZE)
";
        assert_eq!(status.text(), expected);
        let off = Status { folder: None, ..status };
        assert_eq!(off.text(), "The cache is turned off (CLEANAI_CACHE=off).\n");
    }

    #[test]
    fn what_was_removed_is_said() {
        let mut cleaned =
            Cleaned { removed: vec![(Kind::Profiles, 0), (Kind::Traces, 2)], bytes: 5_000, ..Cleaned::default() };
        assert_eq!(cleaned.text(), "removed 2 traces: 5.0 kB\n");
        cleaned.in_use = 1;
        assert_eq!(cleaned.text(), "removed 2 traces: 5.0 kB\n1 left, which other processes read\n");
        assert_eq!(Cleaned::default().text(), "nothing to remove\n");
    }
}
