//! Baselines that belong to no test: of one that was renamed or removed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::snapshot::{Site, header_of};
use super::{covered, snapshot};

/// A baseline that no test of the binary refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreferenced {
    /// The snapshot.
    pub file: PathBuf,
    /// What its metadata say of the model, the data and the requirements: equal for a test that was only renamed.
    pub facts: Facts,
}

/// What a baseline was measured on, as its metadata tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub model: String,
    pub data: String,
    pub sha256: String,
}

impl Facts {
    /// From a header; `None` where it is not one of ours.
    fn of(header: &str) -> Option<Self> {
        let value = |key: &str| {
            let lines = header.lines().map(str::trim);
            let value = lines.filter_map(|line| line.strip_prefix(key)?.strip_prefix(':')).next()?;
            Some(value.trim().trim_matches(['"', '\'']).to_owned())
        };
        // Other snapshots of the same file are the user's own.
        value("cleanai")?;
        Some(Self { model: value("model")?, data: value("data")?, sha256: value("sha256")? })
    }
}

/// The baselines beside the sources of these tests that none of them refers to, sorted. Only those of the same test binary are looked at. Files that
/// stood behind a baseline which is no longer there are removed where `writes` allows it.
pub(crate) fn unreferenced(sites: &[Site<'_>], root: &Path, writes: bool) -> Vec<Unreferenced> {
    let mut stems = BTreeSet::new();
    let mut places = BTreeSet::new();
    for site in sites {
        let file = snapshot::snapshot_file(site, root, None);
        let name = site.module_path.split("::").next().unwrap_or(site.module_path);
        if let (Some(folder), Some(stem)) = (file.parent(), file.file_stem().and_then(|stem| stem.to_str())) {
            places.insert((folder.to_path_buf(), format!("{name}__")));
            stems.insert(stem.to_owned());
        }
    }
    let mut found = Vec::new();
    for (folder, prefix) in places {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| name.starts_with(&prefix))
            else {
                continue;
            };
            if let Some(stem) = name.strip_suffix(".snap") {
                let plain = stem.split_once('@').map_or(stem, |(stem, _)| stem);
                let facts = header_of(&path).as_deref().and_then(Facts::of);
                if let Some(facts) = facts.filter(|_| !stems.contains(plain)) {
                    found.push(Unreferenced { file: path, facts });
                }
            } else if let Some(stem) = covered::stem(name).filter(|_| writes)
                && !["snap", "snap.new"].iter().any(|ending| folder.join(format!("{stem}.{ending}")).exists())
            {
                // What cannot be removed is only in the way of nobody.
                _ = fs::remove_file(&path);
            }
        }
    }
    found.sort_by(|a, b| a.file.cmp(&b.file));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(name: &'static str) -> Site<'static> {
        Site { name, module_path: "coverage::strict", file: "tests/coverage.rs", assert: |_, _| {} }
    }

    #[test]
    fn only_baselines_of_the_binary_that_no_test_has_are_found() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("tests/snapshots");
        fs::create_dir_all(&folder).unwrap();
        let ours = "---\nsource: tests/coverage.rs\ninfo:\n  model: lenet5\n  sha256: \"12\"\n  data: data/test\n  cleanai: 0.1.0\n---\nnc: 0.5\n";
        for (name, text) in [
            ("coverage__strict__kept.snap", ours),
            ("coverage__strict__kept@cuda.snap", ours),
            ("coverage__strict__removed@cuda.snap", ours),
            ("coverage__own.snap", "---\nsource: tests/coverage.rs\n---\nhello\n"),
            ("other__strict__removed.snap", ours),
            ("coverage__strict__kept.0123456789abcdef.covered", ""),
            ("coverage__strict__gone.0123456789abcdef.covered", ""),
            ("coverage__strict__gone.covered", ""),
        ] {
            fs::write(folder.join(name), text).unwrap();
        }
        let found = unreferenced(&[site("kept")], root.path(), false);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].file, folder.join("coverage__strict__removed@cuda.snap"));
        assert_eq!(found[0].facts, Facts { model: "lenet5".into(), data: "data/test".into(), sha256: "12".into() });
        assert!(folder.join("coverage__strict__gone.0123456789abcdef.covered").exists());
        unreferenced(&[site("kept")], root.path(), true);
        assert!(!folder.join("coverage__strict__gone.0123456789abcdef.covered").exists());
        assert!(folder.join("coverage__strict__kept.0123456789abcdef.covered").exists());
        assert!(folder.join("coverage__strict__gone.covered").exists(), "what only looks like one stays");
        assert!(unreferenced(&[site("kept")], Path::new("/nowhere/at/all"), true).is_empty());
    }
}
