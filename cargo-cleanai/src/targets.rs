//! The test targets that CleanAI runs: found in the manifests, built by cargo, asked for the settings of their tests.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::{Deserialize, Serialize};

use crate::arguments::Targets;
use crate::error::{Error, Result};
use crate::process;
use crate::run::plain_cargo;
use crate::workspace::Workspace;

/// The variable by which a test binary is asked.
const ASKED: &str = "CLEANAI_SHOW";
/// What its answer begins with.
const ANSWER: &str = "{\"cleanai\":\"settings\",";

/// The answer of a test binary. What is not needed here is passed on as it is.
#[derive(Debug, Deserialize)]
pub struct Answer {
    /// What is to be known beside the settings.
    pub warnings: Vec<String>,
    /// The configurations with their tables.
    pub files: Vec<File>,
    /// The tests.
    pub tests: Vec<Test>,
}

/// A configuration.
#[derive(Debug, Deserialize)]
pub struct File {
    /// Where it lies.
    pub path: PathBuf,
    /// Its tables whose names users choose: `[tests.lenet5]`.
    pub tables: Vec<String>,
}

/// A test.
#[derive(Debug, Deserialize, Serialize)]
pub struct Test {
    /// `module::function`
    pub name: String,
    /// Its package.
    pub package: String,
    /// Its test target.
    pub target: String,
    /// The source file.
    pub file: String,
    /// The line of its attribute.
    pub line: u32,
    /// Whether it runs only when asked for.
    pub ignored: bool,
    /// The configuration it reads, if there is one.
    pub configuration: Option<PathBuf>,
    /// The variables that may change its figures or its verdict.
    pub overridden: Vec<String>,
    /// What holds.
    pub settings: Vec<Setting>,
    /// What must hold.
    pub requirements: Vec<Requirement>,
    /// The tables it takes something from.
    pub tables: Vec<String>,
    /// Why it cannot run.
    pub error: Option<String>,
}

/// A setting.
#[derive(Debug, Deserialize, Serialize)]
pub struct Setting {
    /// Its name.
    pub key: String,
    /// What holds.
    pub value: String,
    /// Where it comes from, taken apart.
    pub origin: serde_json::Value,
    /// The same in words.
    pub from: String,
    /// Where its path leads, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Whether something is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
}

/// A requirement.
#[derive(Debug, Deserialize, Serialize)]
pub struct Requirement {
    /// As it is written.
    pub text: String,
    /// Where it comes from, taken apart.
    pub origin: serde_json::Value,
    /// The same in words.
    pub from: String,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    #[serde(default)]
    workspace_default_members: Vec<String>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
}

/// Builds test targets of these packages and asks them; the exit code of cargo where it cannot build them.
pub fn ask(
    workspace: &Workspace,
    meant: Vec<(String, Vec<String>)>,
    arguments: &[OsString],
) -> Result<std::result::Result<Vec<Answer>, u8>> {
    let mut answers = Vec::new();
    for (package, targets) in meant {
        let mut command = plain_cargo(workspace);
        command.args(["test", "--package", &package]);
        for target in &targets {
            command.args(["--test", target]);
        }
        // A binary that does not know the question only lists its tests.
        command.args(arguments).args(["--", "--list"]);
        command.env(ASKED, "settings").stdin(Stdio::null()).stdout(Stdio::piped());
        let start = |source| Error::Start { program: "cargo".into(), source };
        let output = command.spawn().and_then(|child| child.wait_with_output()).map_err(start)?;
        if !output.status.success() {
            return Ok(Err(process::exit_code(output.status)));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let before = answers.len();
        for line in text.lines().filter(|line| line.starts_with(ANSWER)) {
            let answer = serde_json::from_str(line);
            answers.push(answer.map_err(|why| Error::Answer { package: package.clone(), said: why.to_string() })?);
        }
        if answers.len() == before {
            let said = format!("of {}, no test target says so", targets.join(", "));
            return Err(Error::Answer { package, said });
        }
    }
    Ok(Ok(answers))
}

/// The packages that are meant, with the test targets that CleanAI runs: those without libtest's harness in packages that depend on it.
pub fn find(wanted: &Targets) -> Result<Vec<(String, Vec<String>)>> {
    let metadata = metadata()?;
    if let Some(unknown) = wanted.packages.iter().find(|name| metadata.packages.iter().all(|it| it.name != **name)) {
        let names = metadata.packages.iter().map(|package| package.name.as_str());
        return Err(Error::NoPackage { name: unknown.clone(), near: nearest(unknown, names) });
    }
    let here = env::current_dir().map_err(Error::file("find", Path::new(".")))?;
    let nearest_manifest = here.ancestors().map(|folder| folder.join("Cargo.toml")).find(|file| file.is_file());
    let own = metadata.packages.iter().find(|package| Some(&package.manifest_path) == nearest_manifest.as_ref());
    let meant = |package: &Package| match own {
        _ if wanted.workspace => true,
        _ if !wanted.packages.is_empty() => wanted.packages.contains(&package.name),
        Some(own) => own.id == package.id,
        None => metadata.workspace_default_members.contains(&package.id),
    };
    let mut found = Vec::new();
    for package in metadata.packages.iter().filter(|package| meant(package)) {
        if package.dependencies.iter().all(|dependency| dependency.name != "cleanai-harness") {
            continue;
        }
        let mut targets = without_harness(&package.manifest_path)?;
        targets.retain(|target| wanted.tests.is_empty() || wanted.tests.contains(target));
        if !targets.is_empty() {
            found.push((package.name.clone(), targets));
        }
    }
    if found.is_empty() { Err(Error::NoTargets) } else { Ok(found) }
}

fn metadata() -> Result<Metadata> {
    let mut command = process::cargo();
    command.args(["metadata", "--format-version", "1", "--no-deps"]).stdin(Stdio::null());
    let answer = command.output().map_err(|source| Error::Start { program: process::name(&command), source })?;
    if !answer.status.success() {
        let said = String::from_utf8_lossy(&answer.stderr).trim().trim_start_matches("error: ").to_string();
        return Err(Error::Metadata { said });
    }
    serde_json::from_slice(&answer.stdout).map_err(|why| Error::Metadata { said: why.to_string() })
}

/// The test targets of a manifest that have a main of their own. `cargo metadata` does not tell.
fn without_harness(manifest: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(manifest).map_err(Error::file("read", manifest))?;
    let table: toml::Table = text.parse().map_err(|why: toml::de::Error| Error::Metadata { said: why.to_string() })?;
    let tests = table.get("test").and_then(|tests| tests.as_array()).map(Vec::as_slice).unwrap_or_default();
    let own = tests.iter().filter(|test| test.get("harness").and_then(|it| it.as_bool()) == Some(false));
    Ok(own.filter_map(|test| Some(test.get("name")?.as_str()?.to_owned())).collect())
}

/// The name nearest to one that is not known, if one is near enough to be meant.
pub fn nearest<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Option<String> {
    let far = |other: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &other.to_lowercase());
    let near = |other: &&str| far(other) <= (name.chars().count().max(other.chars().count()) / 3).max(1);
    names.into_iter().filter(near).min_by_key(|other| far(other)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_with_a_main_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = folder.path().join("Cargo.toml");
        let text = "[package]\nname = 'a'\n[[test]]\nname = 'coverage'\nharness = false\n[[test]]\nname = 'unit'\n\
                    [[test]]\nharness = true\nname = 'other'\n[[test]]\nname = 'deep'\nharness = false\n";
        fs::write(&manifest, text).unwrap();
        assert_eq!(without_harness(&manifest).unwrap(), ["coverage", "deep"]);
        fs::write(&manifest, "[package]\nname = 'a'\ntest = 3\n").unwrap();
        assert!(without_harness(&manifest).unwrap().is_empty());
        assert!(without_harness(&folder.path().join("none")).is_err());
    }

    #[test]
    fn the_nearest_name() {
        assert_eq!(nearest("lenet", ["resnet", "lenet5"]).as_deref(), Some("lenet5"));
        assert_eq!(nearest("zzz", ["resnet", "lenet5"]), None);
        assert_eq!(nearest("x", []), None);
    }
}
