//! A package that has a `cleanai.toml` already: the first test takes its model and data from there.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::progress::{say, warn};

use super::build::Build;
use super::engine::{self, Engine};
use super::look::Look;
use super::texts::{self, Requirements};
use super::{CONFIGURATION, Stop, ask, place, role, same};

/// A configuration that is there.
pub struct Existing {
    path: PathBuf,
    table: toml::Table,
}

/// What the first test says.
pub struct Test {
    /// Its name.
    pub function: String,
    /// The model: a key of the configuration, or a path.
    pub model: String,
    /// The data, where there are several.
    pub data: Option<String>,
    /// What can be required.
    pub requirements: Requirements,
    /// Whether the configuration has no data.
    pub lacks_data: bool,
}

impl Existing {
    /// The configuration in a folder or above it, as the harness finds it.
    pub fn find(folder: &Path) -> Result<Option<Existing>> {
        let Some(path) = folder.ancestors().map(|folder| folder.join(CONFIGURATION)).find(|path| path.is_file()) else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(&path).map_err(Error::file("read", &path))?;
        let table = text.parse::<toml::Table>().map_err(|error| Error::Init {
            problem: format!("{} is no TOML: {}", path.display(), error.to_string().trim().replace('\n', "\n  ")),
            fix: "correct it, then run the command again".into(),
        })?;
        Ok(Some(Existing { path, table }))
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// The names of the tables below a key.
    fn keys(&self, of: &str) -> Vec<String> {
        self.table
            .get(of)
            .and_then(toml::Value::as_table)
            .map(|table| table.keys().cloned().collect())
            .unwrap_or_default()
    }

    fn text(&self, of: &str, name: &str, key: &str) -> Option<&str> {
        self.table.get(of)?.get(name)?.get(key)?.as_str()
    }

    /// Proposes a test for a model and data of the configuration. `provide` is called before the engine is.
    pub fn test(&self, look: &Look<'_>, build: Build<'_>, provide: impl FnOnce() -> Result<()>) -> Result<Test, Stop> {
        let (model, file) = self.model(look)?;
        let mut engine = Engine::new(build, look.folder);
        let facts = match &file {
            Some(file) => {
                provide()?;
                Some(look.model(std::slice::from_ref(file), &mut engine)?.facts)
            }
            None => None,
        };
        let names = self.keys("data");
        let default = self.table.get("defaults").and_then(|table| table.get("data")?.as_str());
        let name = match (default, &names[..]) {
            (Some(name), _) => Some(name.to_string()),
            (None, []) => None,
            (None, [only]) => Some(only.clone()),
            (None, several) if look.asks => {
                Some(several[ask::which("Which data is the model judged on?", several)].clone())
            }
            (None, [first, ..]) => Some(first.clone()),
        };
        let mut requirements = Requirements { accuracy: false, sections: false };
        match &name {
            Some(name) => {
                requirements.sections = self.text("data", name, "profile").is_some();
                let location = self.text("data", name, "test").filter(|_| facts.is_some());
                if let Some(location) = location {
                    let facts_of_data = self.data(location, look, &mut engine)?;
                    requirements.accuracy = facts_of_data.labels_fit(facts.as_ref().and_then(engine::Model::classes));
                    say("Data", format!("{name}: {location} ({})", facts_of_data.describe()));
                }
            }
            None => warn(format!("{} has no [data.NAME]: add one with `test = \"data/test\"`", self.path.display())),
        }
        let stem = Path::new(&model).file_stem().unwrap_or_default().to_string_lossy();
        Ok(Test {
            function: texts::name(&stem, "model"),
            model,
            data: name.filter(|_| default.is_none() && names.len() > 1),
            requirements,
            lacks_data: names.is_empty(),
        })
    }

    /// How an attribute names the model, and its file from the package's folder, unless a function builds it.
    fn model(&self, look: &Look<'_>) -> Result<(String, Option<String>), Stop> {
        let mut names = self.keys("models");
        let file = |name: &str| self.text("models", name, "path").map(|path| self.folder().join(path));
        let from_package = |name: &str| file(name).map(|path| place::of_file(look.folder, &path)).transpose();
        if look.arguments.model.is_none() && !names.is_empty() {
            let chosen =
                if look.asks && names.len() > 1 { ask::which("Which model is the first test for?", &names) } else { 0 };
            let name = names.swap_remove(chosen);
            let path = from_package(&name).map_err(|_| Error::NoModel { path: file(&name).unwrap_or_default() })?;
            return Ok((name, path));
        }
        let path = look.model_candidates()?.swap_remove(0);
        let named = names.into_iter().find(|name| file(name).is_some_and(|file| same(&file, &look.folder.join(&path))));
        // Without a separator a name may be a key.
        let written = if path.contains('/') { path.clone() } else { format!("./{path}") };
        Ok((named.unwrap_or(written), Some(path)))
    }

    /// What lies at a location of the configuration; nothing is known of one that cannot be opened, and the tests will say why.
    fn data(&self, location: &str, look: &Look<'_>, engine: &mut Engine<'_>) -> Result<engine::Data, Stop> {
        let facts = engine.data(self.folder(), &[location.to_string()], &look.samples)?;
        let mut facts = facts.map_err(Stop::Refused)?;
        let first = if facts.is_empty() { engine::Data::default() } else { facts.swap_remove(0) };
        if let Some(error) = &first.error {
            warn(format!("{location} cannot be opened: {error}"));
        }
        Ok(first)
    }
}

/// A key for data by what its path says beside its role; the package's name if it says nothing.
pub fn data_key(location: &str, package: &str) -> String {
    const SAYS_NOTHING: [&str; 16] = [
        "data", "dataset", "datasets", "images", "image", "npz", "npy", "gz", "csv", "x", "y", "idx3", "idx", "ubyte",
        "labels", "inputs",
    ];
    let words = role::role(location).map_or_else(|| role::stem(location), |(_, rest)| role::stem(&rest));
    let word = words
        .into_iter()
        .rfind(|word| !SAYS_NOTHING.contains(&&**word) && !word.chars().all(|sign| sign.is_ascii_digit()));
    texts::name(&word.unwrap_or_else(|| package.to_string()), "data")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_named_by_what_its_path_says() {
        for (location, expected) in [
            ("data/test", "user"),
            ("data/digits/test", "digits"),
            ("digits.npz", "digits"),
            ("mnist/t10k-images-idx3-ubyte.gz", "mnist"),
            ("a/x_test.npy,a/y_test.npy", "a"),
            ("../data/test#0..500", "user"),
        ] {
            assert_eq!(data_key(location, "user"), expected, "{location}");
        }
    }
}
