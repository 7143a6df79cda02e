//! The engine, built in the target folder of the package that asks for it: its first `cargo test` then finds everything compiled.
//!
//! A package of its own does nothing but call the harness's engine. It has the profiles, the resolver and the lock file of the user's workspace, and
//! is built from the workspace's folder, so that cargo makes of every dependency what the user's tests link.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use toml_edit::{DocumentMut, Item, Table, value};

use crate::error::{Error, Result};
use crate::process;
use crate::progress::say;
use crate::run;
use crate::setup;
use crate::workspace::Workspace;

use super::manifest::Manifest;
use super::source::{HARNESS, Source};

const MAIN: &str = "fn main() -> std::process::ExitCode {\n    cleanai_harness::private::engine()\n}\n";

/// What the engine of a package is built from.
pub struct Build<'a> {
    /// Where the harness comes from.
    pub source: Source,
    /// The workspace of the package.
    pub workspace: &'a Workspace,
    /// The workspace's manifest, as it will be.
    pub manifest: &'a Manifest,
}

/// A line of what cargo says in JSON.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
}

impl Build<'_> {
    /// A command that starts the engine, which is built first.
    pub fn command(&self) -> Result<Command> {
        if self.workspace.is_ours {
            return run::engine_command(&self.source);
        }
        let folder = self.folder();
        let is_new = !folder.join("Cargo.lock").is_file();
        self.write(&folder)?;
        let libtorch = setup::ensure(Some(self.workspace))?;
        let mut command = run::plain_cargo(self.workspace);
        command.current_dir(&self.workspace.root).args(["build", "--message-format=json-render-diagnostics"]);
        command.arg("--manifest-path").arg(folder.join("Cargo.toml"));
        command.arg("--target-dir").arg(&self.workspace.target);
        if is_new {
            say("Building", "the harness, which the tests will find compiled (the first build takes minutes)");
        } else {
            command.arg("--quiet");
        }
        command.stdin(Stdio::null()).stderr(Stdio::inherit());
        let output = command.output().map_err(|source| Error::Start { program: process::name(&command), source })?;
        let messages = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut programs = messages.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok()?.executable);
        match programs.next_back() {
            Some(program) if output.status.success() => {
                let wanted = setup::wanted(Some(self.workspace))?;
                Ok(run::with_libtorch(&program, &libtorch, wanted.platform.loader_variable()))
            }
            _ => Err(Error::Engine { version: run::OWN_VERSION }),
        }
    }

    /// The package's folder: workspaces may share a target folder.
    fn folder(&self) -> PathBuf {
        self.workspace.target.join("cleanai-init").join(self.name())
    }

    /// The name of package and program.
    fn name(&self) -> String {
        let digest = Sha256::digest(self.workspace.root.as_os_str().as_encoded_bytes());
        digest.iter().take(4).fold("cleanai-init-".to_string(), |name, byte| format!("{name}{byte:02x}"))
    }

    /// Writes the package; what is the same stays untouched, so that cargo takes it for the same.
    fn write(&self, folder: &Path) -> Result<()> {
        let source = folder.join("src");
        fs::create_dir_all(&source).map_err(Error::file("make", &source))?;
        for (path, text) in [(folder.join("Cargo.toml"), self.text(folder)), (source.join("main.rs"), MAIN.into())] {
            if fs::read_to_string(&path).ok().as_ref() != Some(&text) {
                fs::write(&path, text).map_err(Error::file("write", &path))?;
            }
        }
        let (lock, copy) = (self.workspace.root.join("Cargo.lock"), folder.join("Cargo.lock"));
        match fs::copy(&lock, &copy) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Error::file("copy", &lock)(error)),
        }
    }

    /// Its manifest.
    fn text(&self, folder: &Path) -> String {
        let mut document = DocumentMut::new();
        let mut package = Table::new();
        for (key, text) in [("name", &*self.name()), ("version", "0.0.0"), ("edition", "2024")] {
            package.insert(key, value(text));
        }
        document.insert("package", Item::Table(package));
        let mut dependencies = Table::new();
        dependencies.insert(HARNESS, value(self.source.dependency(folder)));
        document.insert("dependencies", Item::Table(dependencies));
        let mut workspace = Table::new();
        workspace.insert("resolver", value(self.manifest.resolver()));
        document.insert("workspace", Item::Table(workspace));
        if let Some(profile) = self.manifest.profile() {
            document.insert("profile", profile.clone());
        }
        document.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_is_built_as_the_tests_of_the_user_are() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_path_buf();
        let path = root.join("Cargo.toml");
        let text = "[package]\nname = \"user\"\nedition = \"2021\"\n[profile.dev]\ndebug = false\n";
        fs::write(&path, text).unwrap();
        fs::write(root.join("Cargo.lock"), "version = 4\n").unwrap();
        let mut manifest = Manifest::open(&path).unwrap();
        manifest.add_profile().unwrap();
        let workspace = Workspace { target: root.join("target"), root, is_ours: false, version: "2.13.0" };
        let build = Build { source: Source::Version("0.1.0".into()), workspace: &workspace, manifest: &manifest };
        let package = build.folder();
        build.write(&package).unwrap();
        let written = fs::read_to_string(package.join("Cargo.toml")).unwrap();
        let table: toml::Table = written.parse().unwrap();
        assert_eq!(table["workspace"]["resolver"].as_str(), Some("2"));
        assert_eq!(table["dependencies"][HARNESS].as_str(), Some("0.1.0"));
        assert_eq!(table["profile"]["dev"]["debug"].as_bool(), Some(false));
        assert_eq!(table["profile"]["dev"]["package"][HARNESS]["opt-level"].as_integer(), Some(2));
        assert!(package.join("Cargo.lock").is_file());
        // Written again, it is the same file.
        let time = |name: &str| fs::metadata(package.join(name)).unwrap().modified().unwrap();
        let before = [time("Cargo.toml"), time("src/main.rs")];
        build.write(&package).unwrap();
        assert_eq!([time("Cargo.toml"), time("src/main.rs")], before);
    }
}
