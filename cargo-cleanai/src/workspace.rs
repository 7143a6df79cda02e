//! The Cargo workspace that is worked in: what cargo says of it, and its link to libtorch.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::libtorch::find::same_place;
use crate::libtorch::platform::Platform;
use crate::libtorch::{Libtorch, Origin, VERSION, version_for};
use crate::process;
use crate::progress::{say, warn};

/// The link as it is written in `.cargo/config.toml`.
const LINK: &str = ".cargo/libtorch";
/// The line that makes cargo set `LIBTORCH` to it for every build.
const LINE: &str = "LIBTORCH = { value = \".cargo/libtorch\", relative = true }";

/// A Cargo workspace.
#[derive(Debug)]
pub struct Workspace {
    /// Its folder.
    pub root: PathBuf,
    /// Where cargo builds to.
    pub target: PathBuf,
    /// Whether it is CleanAI's own.
    pub is_ours: bool,
    /// The libtorch that its torch-sys takes.
    pub version: &'static str,
}

#[derive(Deserialize)]
struct Metadata {
    workspace_root: PathBuf,
    target_directory: PathBuf,
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
}

impl Workspace {
    /// The workspace of the current folder; none outside a Cargo project.
    pub fn find() -> Result<Option<Workspace>> {
        let here = env::current_dir().map_err(Error::file("find", Path::new(".")))?;
        if !here.ancestors().any(|folder| folder.join("Cargo.toml").is_file()) {
            return Ok(None);
        }
        Workspace::of(&here).map(Some)
    }

    /// The workspace of a folder that is in one.
    pub fn of(folder: &Path) -> Result<Workspace> {
        let mut command = process::cargo();
        command.args(["metadata", "--format-version", "1", "--no-deps"]).current_dir(folder).stdin(Stdio::null());
        let answer = command.output().map_err(|source| Error::Start { program: process::name(&command), source })?;
        if !answer.status.success() {
            let said = String::from_utf8_lossy(&answer.stderr).trim().trim_start_matches("error: ").to_string();
            return Err(Error::Metadata { said });
        }
        let metadata: Metadata =
            serde_json::from_slice(&answer.stdout).map_err(|e| Error::Metadata { said: e.to_string() })?;
        let has = |name: &str| metadata.packages.iter().any(|package| package.name == name);
        Ok(Workspace {
            is_ours: has("cargo-cleanai") && has("cleanai-harness"),
            version: locked_version(&metadata.workspace_root).unwrap_or(VERSION),
            root: metadata.workspace_root,
            target: metadata.target_directory,
        })
    }

    /// The path of the link to libtorch.
    pub fn link_path(&self) -> PathBuf {
        self.root.join(LINK)
    }

    /// The libtorch that the link leads to, if it is there.
    pub fn linked_to(&self) -> Option<PathBuf> {
        fs::read_link(self.link_path()).ok()
    }

    /// The libtorch that the user named, with where: in `LIBTORCH`, or in the project's cargo configuration. Our own
    /// link, which cargo puts into `LIBTORCH` for all it runs, is not one.
    pub fn own_libtorch(&self) -> Result<Option<(String, PathBuf)>> {
        let named = match env::var_os("LIBTORCH").filter(|value| !value.is_empty()) {
            Some(value) => Some(("LIBTORCH".to_string(), PathBuf::from(value))),
            None => {
                let file = self.configuration_file();
                let set = configured(&read_or_empty(&file)?, &file)?;
                set.map(|value| (file.display().to_string(), self.root.join(value)))
            }
        };
        Ok(named.filter(|(_, path)| *path != self.link_path()))
    }

    /// The libtorch that plain `cargo test` finds through the link, or what is wrong.
    pub fn linked(&self, platform: Platform) -> Result<Libtorch, String> {
        let link = self.link_path();
        let target = fs::read_link(&link).map_err(|_| match fs::symlink_metadata(&link) {
            Ok(_) => "it is not a link".to_string(),
            Err(_) => "it is not there".to_string(),
        })?;
        let root = self.root.join(".cargo").join(target);
        let libtorch = Libtorch::check(&root, Origin::Link, self.version, platform)?;
        let file = self.configuration_file();
        let set = read_or_empty(&file).and_then(|text| configured(&text, &file)).map_err(|e| e.to_string())?;
        match set {
            Some(_) => Ok(libtorch),
            None => Err(format!("{} does not name it", file.display())),
        }
    }

    /// Points the link at a libtorch and makes cargo use it.
    pub fn link(&self, libtorch: &Libtorch) -> Result<()> {
        let link = self.link_path();
        let folder = self.root.join(".cargo");
        fs::create_dir_all(&folder).map_err(Error::file("make", &folder))?;
        match fs::symlink_metadata(&link) {
            Ok(metadata) if !metadata.is_symlink() => return Err(Error::LinkTaken { path: link }),
            _ => {}
        }
        if !same_place(&libtorch.root, &link) {
            let new = folder.join(format!(".libtorch-{}", std::process::id()));
            symlink(&libtorch.root, &new).map_err(Error::file("make the link", &new))?;
            fs::rename(&new, &link).map_err(Error::file("replace", &link))?;
            say("Linked", format!("{LINK} to {}", libtorch.root.display()));
        }
        self.configure()?;
        self.ignore()
    }

    fn configuration_file(&self) -> PathBuf {
        // Cargo still reads the name of old, and prefers it.
        let old = self.root.join(".cargo/config");
        if old.is_file() { old } else { self.root.join(".cargo/config.toml") }
    }

    /// Adds the line for `LIBTORCH` to the cargo configuration, unless it has one.
    fn configure(&self) -> Result<()> {
        let file = self.configuration_file();
        let text = read_or_empty(&file)?;
        if let Some(set) = configured(&text, &file)? {
            if self.root.join(&set) != self.link_path() {
                warn(format!("{} sets LIBTORCH to {}, which stays", file.display(), set.display()));
            }
            return Ok(());
        }
        let new = with_line(&text, &file)?;
        write(&file, &new)?;
        say("Added", format!("LIBTORCH to {}, so that plain cargo test finds libtorch", file.display()));
        Ok(())
    }

    /// Keeps the link, which only this machine has, out of git.
    fn ignore(&self) -> Result<()> {
        if !self.root.ancestors().any(|folder| folder.join(".git").exists()) {
            return Ok(());
        }
        let file = self.root.join(".gitignore");
        let text = read_or_empty(&file)?;
        let ignored = [LINK, "/.cargo/libtorch", ".cargo", "/.cargo", ".cargo/", "/.cargo/"];
        if text.lines().any(|line| ignored.contains(&line.trim())) {
            return Ok(());
        }
        let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        write(&file, &format!("{text}{gap}/{LINK}\n"))?;
        say("Added", format!("/{LINK} to {}", file.display()));
        Ok(())
    }
}

/// The libtorch that the torch-sys in `Cargo.lock` takes, if the file is there and it is one that is known.
fn locked_version(root: &Path) -> Option<&'static str> {
    let text = fs::read_to_string(root.join("Cargo.lock")).ok()?;
    let lock = text.parse::<toml::Table>().ok()?;
    let packages = lock.get("package")?.as_array()?;
    let package = packages.iter().find(|package| package.get("name").and_then(|n| n.as_str()) == Some("torch-sys"))?;
    version_for(package.get("version")?.as_str()?)
}

/// The value of `LIBTORCH` in a cargo configuration, as cargo reads it: relative to the project if it says so.
fn configured(text: &str, file: &Path) -> Result<Option<PathBuf>> {
    let table = parse(text, file)?;
    let Some(value) = table.get("env").and_then(|env| env.get("LIBTORCH")) else {
        return Ok(None);
    };
    let text = value.as_str().or_else(|| value.get("value").and_then(|value| value.as_str()));
    Ok(text.map(PathBuf::from))
}

fn parse(text: &str, file: &Path) -> Result<toml::Table> {
    text.parse().map_err(|e: toml::de::Error| Error::Configuration { path: file.into(), problem: e.to_string() })
}

/// The configuration with our line and everything else as it was, to the byte.
///
/// The line goes below `[env]` if there is such a header, else below a new one at the end. Tables can be written in
/// other ways, so the result is read back, and must say what it said before and our line.
fn with_line(text: &str, file: &Path) -> Result<String> {
    let mut wanted = parse(text, file)?;
    let ours: toml::Table = parse(LINE, file)?;
    let env = wanted.entry("env").or_insert_with(|| toml::Value::Table(toml::Table::new()));
    match env.as_table_mut() {
        Some(env) => env.extend(ours),
        None => {
            return Err(Error::Configuration { path: file.into(), problem: "its env is not a table".into() });
        }
    }
    let end_of_header = text.split_inclusive('\n').scan(0, |at, line| {
        *at += line.len();
        Some((line, *at))
    });
    let below = end_of_header
        .filter(|(line, _)| line.split('#').next().is_some_and(|code| code.trim() == "[env]"))
        .map(|(line, at)| {
            let gap = if line.ends_with('\n') { "" } else { "\n" };
            format!("{}{gap}{LINE}\n{}", &text[..at], &text[at..])
        });
    let gap = match text {
        "" => "",
        _ if text.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    let at_end = format!("{text}{gap}# `cargo cleanai setup` makes this a link to libtorch.\n[env]\n{LINE}\n");
    below
        .chain([at_end])
        .find(|candidate| candidate.parse::<toml::Table>().is_ok_and(|found| found == wanted))
        .ok_or_else(|| Error::Configuration {
            path: file.into(),
            problem: "its [env] is written in a way that a line cannot be added to".into(),
        })
}

fn read_or_empty(file: &Path) -> Result<String> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(text),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(Error::file("read", file)(source)),
    }
}

/// Replaces a file at once; one that is a link is written through, so that it stays a link.
pub fn write(file: &Path, text: &str) -> Result<()> {
    let file = file.canonicalize().unwrap_or_else(|_| file.to_path_buf());
    let folder = file.parent().unwrap_or(Path::new("."));
    let new = tempfile::Builder::new().prefix(".cleanai-").tempfile_in(folder).map_err(Error::file("write", &file))?;
    fs::write(new.path(), text).map_err(Error::file("write", &file))?;
    if let Ok(metadata) = fs::metadata(&file) {
        fs::set_permissions(new.path(), metadata.permissions()).map_err(Error::file("write", &file))?;
    } else {
        readable(new.path()).map_err(Error::file("write", &file))?;
    }
    new.persist(&file).map_err(|e| Error::file("write", &file)(e.error))?;
    Ok(())
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(not(unix))]
fn symlink(_: &Path, _: &Path) -> std::io::Result<()> {
    Err(std::io::Error::from(std::io::ErrorKind::Unsupported))
}

/// Temporary files are for their owner only; a file of a project is for all who may see the project.
#[cfg(unix)]
fn readable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::libtorch::tests::{PLATFORM, libtorch};

    fn added(text: &str) -> String {
        with_line(text, Path::new("config.toml")).unwrap()
    }

    #[test]
    fn the_line_is_added_and_the_rest_stays() {
        let new = "# `cargo cleanai setup` makes this a link to libtorch.\n[env]\n";
        assert_eq!(added(""), format!("{new}{LINE}\n"));
        assert_eq!(added("[build]\njobs = 2"), format!("[build]\njobs = 2\n\n{new}{LINE}\n"));
        assert_eq!(added("[env] # mine\nA = \"1\"\n"), format!("[env] # mine\n{LINE}\nA = \"1\"\n"));
        assert_eq!(added("[env]"), format!("[env]\n{LINE}\n"));
        assert_eq!(added("[env]\r\nA = \"1\"\r\n"), format!("[env]\r\n{LINE}\nA = \"1\"\r\n"));
        assert_eq!(added("[env.A]\nvalue = \"1\"\n"), format!("[env.A]\nvalue = \"1\"\n\n{new}{LINE}\n"));
        let text = "[x]\ny = \"\"\"\n[env]\n\"\"\"\n";
        assert_eq!(added(text), format!("{text}\n{new}{LINE}\n"));
    }

    #[test]
    fn what_cannot_be_added_to_is_refused() {
        for text in ["env = { A = \"1\" }\n", "env.A = \"1\"\n", "env = 1\n", "[env\n"] {
            let error = with_line(text, Path::new("config.toml")).unwrap_err();
            assert!(matches!(error, Error::Configuration { .. }) && error.exit_code() == 2, "{text}");
        }
    }

    #[test]
    fn values_are_read_in_both_forms() {
        let value = |text: &str| configured(text, Path::new("c")).unwrap().map(|path| path.display().to_string());
        assert_eq!(value(&format!("[env]\n{LINE}\n")).as_deref(), Some(".cargo/libtorch"));
        assert_eq!(value("env.LIBTORCH = \"/opt/t\"").as_deref(), Some("/opt/t"));
        assert_eq!(value("[env]\nOTHER = \"1\""), None);
    }

    #[test]
    fn linking_is_idempotent_and_follows() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("project");
        fs::create_dir_all(root.join(".git")).unwrap();
        fs::write(root.join(".gitignore"), "/target").unwrap();
        let workspace = Workspace { root: root.clone(), target: root.join("target"), is_ours: false, version: VERSION };
        assert_eq!(workspace.linked(PLATFORM).unwrap_err(), "it is not there");
        for name in ["one", "one", "two"] {
            let place = folder.path().join(name);
            libtorch(&place, "2.13.0+cpu");
            let found = Libtorch::check(&place, Origin::Cache, VERSION, PLATFORM).unwrap();
            workspace.link(&found).unwrap();
            assert_eq!(workspace.linked(PLATFORM).unwrap().root, place);
        }
        assert_eq!(fs::read_to_string(root.join(".gitignore")).unwrap(), "/target\n/.cargo/libtorch\n");
        assert_eq!(fs::read_to_string(root.join(".cargo/config.toml")).unwrap().matches("LIBTORCH").count(), 1);
        assert_eq!(fs::read_dir(root.join(".cargo")).unwrap().count(), 2);
        fs::remove_file(root.join(".cargo/libtorch")).unwrap();
        fs::create_dir(root.join(".cargo/libtorch")).unwrap();
        let found = Libtorch::check(&folder.path().join("one"), Origin::Cache, VERSION, PLATFORM).unwrap();
        assert!(matches!(workspace.link(&found), Err(Error::LinkTaken { .. })));
    }

    #[test]
    fn the_lock_decides_the_version() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(locked_version(folder.path()), None);
        let lock = folder.path().join("Cargo.lock");
        fs::write(&lock, "version = 4\n[[package]]\nname = \"torch-sys\"\nversion = \"0.24.1\"\n").unwrap();
        assert_eq!(locked_version(folder.path()), Some("2.11.0"));
        fs::write(&lock, "broken [").unwrap();
        assert_eq!(locked_version(folder.path()), None);
    }
}
