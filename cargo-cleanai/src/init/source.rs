//! Where cleanai-harness comes from: the clone this command was built in, a git repository, or the registry.

use std::env;
use std::path::{Path, PathBuf};

use toml_edit::{InlineTable, Value};

use crate::error::{Error, Result};

use super::place;

/// The name of the package.
pub const HARNESS: &str = "cleanai-harness";
/// Stands in for what this command finds out about itself: a folder, a version or an address, as `--harness` takes.
const VARIABLE: &str = "CLEANAI_HARNESS";

/// A source of the harness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The folder of the package.
    Path(PathBuf),
    /// A git repository.
    Git {
        /// Its address.
        address: String,
        /// The revision, if one is known.
        revision: Option<String>,
    },
    /// A version in the registry.
    Version(String),
}

impl Source {
    /// Reads what `--harness` says.
    pub fn parse(text: &str) -> Result<Source> {
        let refused = |problem: String| Error::Init {
            problem,
            fix: "give the folder of a clone, a version such as 0.1, or the address of a git repository".into(),
        };
        if text.contains("://") || text.starts_with("git@") {
            return Ok(Source::Git { address: text.into(), revision: None });
        }
        if text.starts_with(|sign: char| sign.is_ascii_digit())
            && text.chars().all(|sign| sign.is_ascii_alphanumeric() || ".-+".contains(sign))
            && !Path::new(text).exists()
        {
            return Ok(Source::Version(text.into()));
        }
        let folder = Path::new(text);
        let found = [folder.to_path_buf(), folder.join(HARNESS)].into_iter().find(|folder| is_harness(folder));
        let found = found.ok_or_else(|| refused(format!("--harness {text} holds no {HARNESS}")))?;
        let found = found.canonicalize().map_err(Error::file("find", &found))?;
        Ok(Source::Path(found))
    }

    /// The source this command itself comes from.
    pub fn own() -> Result<Source> {
        if let Some(text) = env::var_os(VARIABLE).filter(|text| !text.is_empty()) {
            return Source::parse(&text.to_string_lossy());
        }
        let built = Path::new(env!("CARGO_MANIFEST_DIR"));
        Ok(Source::of_build(built, env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_REPOSITORY")))
    }

    /// The source of a command that was built in this folder.
    fn of_build(folder: &Path, version: &str, repository: &str) -> Source {
        let names: Vec<&str> = folder.components().filter_map(|part| part.as_os_str().to_str()).collect();
        // `cargo install --git` builds in git/checkouts/NAME-HASH/REVISION, which is cargo's to clear away.
        if let Some(at) = names.windows(2).position(|pair| pair == ["git", "checkouts"]) {
            let revision = names.get(at + 3).map(|revision| (*revision).to_string());
            return Source::Git { address: repository.into(), revision };
        }
        let sibling = folder.parent().map(|parent| parent.join(HARNESS)).filter(|sibling| is_harness(sibling));
        sibling.map_or_else(|| Source::Version(version.into()), Source::Path)
    }

    /// The folder of the clone that the harness lies in, where it does.
    pub fn clone(&self) -> Option<&Path> {
        match self {
            Source::Path(folder) => folder.parent(),
            _ => None,
        }
    }

    /// The value of the dependency in the manifest of a package in `package`.
    pub fn dependency(&self, package: &Path) -> Value {
        let pairs: Vec<(&str, String)> = match self {
            Source::Version(version) => return Value::from(version.as_str()),
            Source::Path(folder) => vec![("path", place::between(package, folder))],
            Source::Git { address, revision } => {
                let revision = revision.iter().map(|revision| ("rev", revision.clone()));
                [("git", address.clone())].into_iter().chain(revision).collect()
            }
        };
        Value::InlineTable(InlineTable::from_iter(pairs))
    }

    /// What a reader is told of it.
    pub fn describe(&self) -> String {
        match self {
            Source::Version(version) => format!("version {version}"),
            Source::Path(folder) => format!(
                "the clone in {} (a path of this machine; --harness takes a git address too)",
                folder.parent().unwrap_or(folder).display()
            ),
            Source::Git { address, revision: None } => address.clone(),
            Source::Git { address, revision: Some(revision) } => format!("{address} at {revision}"),
        }
    }
}

/// Whether a folder holds the package.
fn is_harness(folder: &Path) -> bool {
    let text = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    let name = text.parse::<toml::Table>().ok();
    let name = name.as_ref().and_then(|table| table.get("package")?.get("name")?.as_str());
    name == Some(HARNESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_is_told_by_where_the_command_was_built() {
        let folder = tempfile::tempdir().unwrap();
        let built = folder.path().join("clone/cargo-cleanai");
        let harness = folder.path().join("clone/cleanai-harness");
        let of = |built: &Path| Source::of_build(built, "1.2.3", "https://example.org/cleanai");
        assert_eq!(of(&built), Source::Version("1.2.3".into()));
        std::fs::create_dir_all(&harness).unwrap();
        std::fs::write(harness.join("Cargo.toml"), "[package]\nname = \"other\"\n").unwrap();
        assert_eq!(of(&built), Source::Version("1.2.3".into()));
        std::fs::write(harness.join("Cargo.toml"), "[package]\nname = \"cleanai-harness\"\n").unwrap();
        assert_eq!(of(&built), Source::Path(harness));
        let checkout = Path::new("/home/me/.cargo/git/checkouts/cleanai-0123/abcdef0/cargo-cleanai");
        let git = Source::Git { address: "https://example.org/cleanai".into(), revision: Some("abcdef0".into()) };
        assert_eq!(of(checkout), git);
    }

    #[test]
    fn what_is_asked_for_is_read() {
        assert_eq!(Source::parse("0.1").unwrap(), Source::Version("0.1".into()));
        let address = "https://example.org/cleanai.git";
        assert_eq!(Source::parse(address).unwrap(), Source::Git { address: address.into(), revision: None });
        assert!(matches!(Source::parse("/no/such/place"), Err(Error::Init { .. })));
        let clone = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().canonicalize().unwrap();
        for text in [clone.clone(), clone.join(HARNESS)] {
            assert_eq!(Source::parse(text.to_str().unwrap()).unwrap(), Source::Path(clone.join(HARNESS)));
        }
    }

    #[test]
    fn dependencies_are_written_as_cargo_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("a/user")).unwrap();
        let text = |source: &Source| source.dependency(&root.join("a/user")).to_string();
        assert_eq!(text(&Source::Version("0.1.0".into())), "\"0.1.0\"");
        assert_eq!(text(&Source::Path(root.join("b"))), "{ path = \"../../b\" }");
        assert_eq!(text(&Source::Path("/elsewhere/b".into())), "{ path = \"/elsewhere/b\" }");
        let git = Source::Git { address: "https://x.org/y".into(), revision: Some("ab\"c".into()) };
        assert_eq!(text(&git).parse::<Value>().unwrap().as_inline_table().unwrap()["rev"].as_str(), Some("ab\"c"));
    }
}
