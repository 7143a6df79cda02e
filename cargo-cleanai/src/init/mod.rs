//! `cargo cleanai init`: a package's first coverage test.
//!
//! Everything is found out and every text made before the first file is written; what is there stays as it is.

mod ask;
mod build;
mod engine;
mod existing;
mod find;
mod look;
mod manifest;
mod place;
mod role;
pub mod source;
mod steps;
mod texts;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anstyle::Style;

use crate::arguments;
use crate::error::{Error, Result};
use crate::progress::{say, warn};
use crate::run::tool;
use crate::setup;
use crate::workspace::{Workspace, write};

use build::Build;
use engine::{Engine, Refused};
use existing::Existing;
use look::Look;
use manifest::Manifest;
use source::Source;
use texts::{DataTable, MARK, ModelTable, Requirements};

/// The configuration's name.
const CONFIGURATION: &str = "cleanai.toml";

/// Why it goes no further.
enum Stop {
    /// An error of this command.
    Error(Error),
    /// The engine said all there is to say.
    Refused(Refused),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Error(error)
    }
}

/// `cargo cleanai init`.
pub fn init(arguments: &arguments::Init) -> Result<u8> {
    match package(arguments) {
        Ok(()) => Ok(0),
        Err(Stop::Error(error)) => Err(error),
        Err(Stop::Refused(Refused { said, code })) => {
            eprintln!("{said}");
            Ok(code)
        }
    }
}

/// The files of a package that are to be there.
struct Files {
    /// Their paths and texts, in the order in which they are written.
    new: Vec<(PathBuf, String)>,
    /// What the user is told of each.
    told: Vec<(&'static str, String)>,
    /// Whether one has a line that the user has to look at.
    marked: bool,
}

fn package(arguments: &arguments::Init) -> Result<(), Stop> {
    let folder = package_folder()?;
    let workspace = Workspace::of(&folder)?;
    let mut own = Manifest::open(&folder.join("Cargo.toml"))?;
    let name = own.package()?.to_string();
    let source = arguments.harness.as_deref().map_or_else(Source::own, Source::parse)?;
    let mut files = Files { new: Vec::new(), told: Vec::new(), marked: false };

    // The manifest of the package, and that of the workspace, which has the profile.
    let root_path = workspace.root.join("Cargo.toml");
    let is_root = same(&root_path, own.path());
    let mut root = if is_root { None } else { Some(Manifest::open(&root_path)?) };
    if !own.has_harness() {
        let from_workspace = root.as_ref().unwrap_or(&own).offers_harness();
        own.add_harness(&source, from_workspace)?;
        let place = if from_workspace { "of the workspace".to_string() } else { source.describe() };
        files.told.push(("Added", format!("cleanai-harness to the dev-dependencies, {place}")));
    }
    let target = own.target(&arguments.test)?;
    let test_file = folder.join(&target.file);
    let has_test = is_test_file(&test_file, &target.file)?;
    let existing = Existing::find(&folder)?;
    if !target.was_there {
        files.told.push(("Added", format!("the test target {}", arguments.test)));
    }
    if root.as_mut().unwrap_or(&mut own).add_profile()? {
        files.told.push(("Added", "[profile.dev.package], which optimises what counts and decodes".to_string()));
    }
    let manifests = [Some(&own), root.as_ref()].into_iter().flatten();
    let manifests = manifests.map(|manifest| Ok(manifest.changed()?.map(|text| (manifest.path().to_path_buf(), text))));
    let manifests: Vec<(PathBuf, String)> = manifests.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();

    if !has_test || existing.is_none() {
        check_writable(&folder)?;
        let first = First { folder: &folder, package: &name, arguments, test_file: &test_file, has_test };
        let build = Build { source, workspace: &workspace, manifest: root.as_ref().unwrap_or(&own) };
        first.files(build, existing.as_ref(), &mut files)?;
    }
    // Last, so that no target is named before its file is there.
    files.new.extend(manifests);
    for (path, text) in &files.new {
        let parent = path.parent().unwrap_or(&folder);
        fs::create_dir_all(parent).map_err(Error::file("make", parent))?;
        write(path, text)?;
    }
    for (verb, text) in &files.told {
        say(verb, text);
    }
    if files.new.is_empty() {
        say("Unchanged", format!("{name} has all it takes: Cargo.toml, {CONFIGURATION} and {}", target.file.display()));
    }
    let snapshots = test_file.parent().unwrap_or(&folder).join("snapshots");
    next(&arguments.test, &files, has_baseline(&snapshots, &arguments.test));
    Ok(())
}

/// The folder of the package that is worked in.
fn package_folder() -> Result<PathBuf> {
    let here = env::current_dir().map_err(Error::file("find", Path::new(".")))?;
    let found = here.ancestors().find(|folder| folder.join("Cargo.toml").is_file());
    found.map(Path::to_path_buf).ok_or_else(|| Error::Init {
        problem: "there is no Cargo.toml in this folder or above it".into(),
        fix: "make a package first: cargo new NAME, then run the command in its folder".into(),
    })
}

fn same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// Whether the test file is there; an error if it is another kind of test.
fn is_test_file(path: &Path, shown: &Path) -> Result<bool> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Error::file("read", path)(error)),
    };
    if text.contains("main!(") {
        return Ok(true);
    }
    Err(Error::Init {
        problem: format!(
            "{} is there and is no file of coverage tests: it has no `cleanai_harness::main!();`",
            shown.display()
        ),
        fix: "give the coverage tests a file of their own: cargo cleanai init --test release-gate".into(),
    })
}

/// A folder that cannot be written to is told before the engine is built.
fn check_writable(folder: &Path) -> Result<()> {
    tempfile::tempfile_in(folder).map(drop).map_err(Error::file("write to", folder))
}

/// The first test of a package.
struct First<'a> {
    folder: &'a Path,
    package: &'a str,
    arguments: &'a arguments::Init,
    test_file: &'a Path,
    has_test: bool,
}

impl First<'_> {
    /// Looks for a model and data, and makes the texts of the files that are missing.
    fn files(&self, build: Build<'_>, existing: Option<&Existing>, files: &mut Files) -> Result<(), Stop> {
        let samples = tempfile::tempdir().map_err(Error::file("make", &env::temp_dir()))?;
        let look = Look {
            folder: self.folder,
            arguments: self.arguments,
            asks: !self.arguments.yes && ask::is_possible(),
            found: find::look(self.folder),
            samples: samples.path().into(),
        };
        if let Some(existing) = existing {
            let workspace = build.workspace;
            let libtorch = || provide(workspace);
            let test = existing.test(&look, build, libtorch)?;
            let text =
                texts::test_file(self.package, &test.function, &test.model, test.data.as_deref(), test.requirements);
            files.marked |= test.lacks_data;
            self.create_test(text, files);
            return Ok(());
        }
        let candidates = look.model_candidates()?;
        provide(build.workspace)?;
        let mut engine = Engine::new(build, self.folder);
        let mut model = look.model(&candidates, &mut engine)?;
        let data = look.data(&mut model, &mut engine)?;

        let stem = Path::new(&model.path).file_stem().unwrap_or_default().to_string_lossy();
        let key = texts::name(&stem, "model");
        let doubt = match () {
            () if !model.facts.runs() => {
                Some("it could not be tried: `cargo cleanai inspect MODEL --input-shape 3,224,224` tries a shape")
            }
            () if model.facts.is_assumed() && !data.as_ref().is_some_and(|data| data.confirms) => {
                Some("the file does not tell the shape of its input; this one runs, and others may")
            }
            () => None,
        };
        let facts = model.facts.describe();
        let model_table = ModelTable { key: &key, path: &model.path, facts: &facts, doubt };
        let data_key = data.as_ref().map(|data| existing::data_key(&data.test, self.package)).unwrap_or_default();
        let data_table = data.as_ref().map(|data| DataTable {
            key: &data_key,
            test: &data.test,
            test_facts: &data.facts,
            profile: data.profile.as_ref().map(|(path, facts)| (path.as_str(), facts.as_str())),
            steps: &data.steps,
        });
        if data.is_none() {
            warn("no data was found that the model could be judged on");
        }
        let text = texts::configuration(self.package, &model_table, data_table.as_ref());
        files.marked = text.contains(&format!("{MARK}: "));
        files.new.push((self.folder.join(CONFIGURATION), text));
        files.told.push(("Created", CONFIGURATION.into()));
        if !self.has_test {
            let requirements = Requirements {
                accuracy: data.as_ref().is_some_and(|data| data.labels_fit),
                sections: data.as_ref().is_some_and(|data| data.profile.is_some()),
            };
            self.create_test(texts::test_file(self.package, &key, &key, None, requirements), files);
        }
        Ok(())
    }

    fn create_test(&self, text: String, files: &mut Files) {
        files.told.push(("Created", place::between(self.folder, self.test_file)));
        files.new.push((self.test_file.into(), text));
    }
}

/// libtorch for the package, so that the command printed last works.
fn provide(workspace: &Workspace) -> Result<()> {
    let libtorch = setup::ensure(Some(workspace))?;
    let named =
        env::var_os("LIBTORCH").is_some_and(|value| !value.is_empty() && Path::new(&value) != workspace.link_path());
    // What only this shell names is linked too, as by `cargo cleanai setup`; the repository itself is left as it is.
    if named && !workspace.is_ours && workspace.linked_to() != Some(libtorch.root.clone()) {
        workspace.link(&libtorch)?;
    }
    Ok(())
}

/// Whether a test of this target has an accepted baseline.
fn has_baseline(snapshots: &Path, test: &str) -> bool {
    let start = format!("{}__", test.replace('-', "_"));
    let names =
        fs::read_dir(snapshots).into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.into_iter().any(|name| name.starts_with(&start) && name.ends_with(".snap"))
}

/// Says what to do next.
fn next(test: &str, files: &Files, has_baseline: bool) {
    let bold = Style::new().bold();
    anstream::println!("\n{bold}Next{bold:#}");
    let line = |what: &str, why: &str| anstream::println!("  {what:<34} {why}");
    if files.marked {
        line(CONFIGURATION, &format!("look at the lines marked {MARK}: they could not be found out"));
    }
    let run = format!("cargo test --test {test}");
    if has_baseline {
        return line(&run, "holds today's figures against the accepted baseline");
    }
    line(&run, "measures, and shows the first figures");
    if tool("cargo-insta").is_none() {
        line("cargo install --locked cargo-insta", "once, for what follows");
    }
    line("cargo insta review", "accepts them as the baseline; commit the .snap file");
}
