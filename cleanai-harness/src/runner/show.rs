//! What `cargo cleanai config show` asks a test binary: the settings of its tests and where each comes from. No model is opened.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::{self, Config, Origin};
use crate::private::Registration;
use crate::{Error, Result};

/// The variable that makes a test binary answer in place of running tests.
pub(super) const VARIABLE: &str = "CLEANAI_SHOW";

/// The answer, one line of JSON.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    /// Tells the line from whatever else a binary prints: always `settings`.
    cleanai: &'static str,
    schema: u32,
    /// What is to be known beside the settings.
    warnings: Vec<String>,
    /// The configurations, each with its tables whose names users choose.
    files: Vec<File>,
    tests: Vec<Test>,
}

#[derive(Debug, Serialize)]
struct File {
    path: PathBuf,
    tables: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Test {
    name: String,
    package: &'static str,
    target: &'static str,
    file: &'static str,
    line: u32,
    ignored: bool,
    /// The file read; none where there is none.
    configuration: Option<PathBuf>,
    /// The variables that are set and may change figures or verdicts.
    overridden: Vec<String>,
    settings: Vec<Setting>,
    requirements: Vec<Requirement>,
    /// The tables that the test takes something from.
    tables: Vec<String>,
    /// Why the test cannot run.
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Setting {
    key: String,
    value: String,
    origin: Origin,
    /// The origin in words.
    from: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<PathBuf>,
    /// Whether something is at the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    exists: Option<bool>,
}

#[derive(Debug, Serialize)]
struct Requirement {
    text: String,
    origin: Origin,
    from: String,
}

/// The settings of all tests, in the order of the source.
pub(super) fn answer<'r>(
    registrations: impl IntoIterator<Item = &'r Registration>,
    find: fn(&Path) -> Result<Config>,
) -> Answer {
    let mut registrations: Vec<_> = registrations.into_iter().collect();
    registrations.sort_by_key(|it| (it.file, it.line, it.name));
    let mut configs: BTreeMap<PathBuf, Result<Config>> = BTreeMap::new();
    let mut tests = Vec::new();
    for registration in registrations {
        let folder = registration.package_dir();
        let config = configs.entry(folder.clone()).or_insert_with(|| find(&folder));
        tests.push(test(registration, config.as_ref()));
    }
    let mut answer = Answer { cleanai: "settings", schema: 1, warnings: Vec::new(), files: Vec::new(), tests };
    for config in configs.values().flatten() {
        for warning in &config.environment.unknown {
            if !answer.warnings.contains(warning) {
                answer.warnings.push(warning.clone());
            }
        }
        if let Some(path) = &config.path
            && answer.files.iter().all(|file| file.path != *path)
        {
            answer.files.push(File { path: path.clone(), tables: config.tables() });
        }
    }
    answer
}

fn test(registration: &Registration, config: Result<&Config, &Error>) -> Test {
    let mut shown = Test {
        name: registration.test_name(),
        package: registration.package,
        target: registration.target,
        file: registration.file,
        line: registration.line,
        ignored: registration.ignored,
        configuration: None,
        overridden: Vec::new(),
        settings: Vec::new(),
        requirements: Vec::new(),
        tables: Vec::new(),
        error: None,
    };
    let config = match config {
        Ok(config) => config,
        Err(error) => return Test { error: Some(error.to_string()), ..shown },
    };
    let settled = config::settle(registration, config);
    shown.configuration = config.path.clone();
    shown.overridden = config.environment.deciding();
    let settings = settled.settings.into_iter().map(|config::Setting { key, value, origin, path }| Setting {
        key,
        value,
        from: origin.to_string(),
        origin,
        exists: path.as_deref().map(Path::exists),
        path,
    });
    shown.settings = settings.collect();
    let requirements = settled.requirements.into_iter();
    shown.requirements =
        requirements.map(|(text, origin)| Requirement { text, from: origin.to_string(), origin }).collect();
    shown.tables = settled.tables;
    shown.error = settled.declaration.err().map(|error| error.to_string());
    shown
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn registration(folder: &Path, name: &'static str, line: u32) -> Registration {
        Registration { name, line, column: 1, ..Registration::sample(folder) }
    }

    #[test]
    fn tells_all_tests_in_order_with_what_is_missing() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("lenet5.pt"), "model").expect("a file");
        let text = "[models.lenet5]\npath = 'lenet5.pt'\n[data.d]\ntest = 'gone'\n[tests.first]\n\
                    require = [\n  'nbc <= 0.2',\n  'accuracy >= 0.5',\n]\n[tests.other]\n";
        fs::write(folder.path().join("cleanai.toml"), text).expect("a file");
        let second = Registration { model: "lenet6", ..registration(folder.path(), "second", 9) };
        let first = registration(folder.path(), "first", 4);
        let answer =
            serde_json::to_value(answer([&second, &first], |folder| Config::load(&folder.join("cleanai.toml"))))
                .expect("JSON");
        assert_eq!(
            answer["files"][0]["tables"].to_string(),
            r#"["[models.lenet5]","[data.d]","[tests.first]","[tests.other]"]"#
        );
        let [first, second] = answer["tests"].as_array().expect("tests").as_slice() else { panic!("{answer}") };
        assert_eq!((&first["name"], &second["name"]), (&"first".into(), &"second".into()));
        assert_eq!(first["tables"].to_string(), r#"["[tests.first]","[models.lenet5]","[data.d]"]"#);
        let requirements: Vec<_> = first["requirements"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|it| (it["text"].as_str(), it["from"].as_str()))
            .collect();
        assert_eq!(
            requirements,
            [
                (Some("nc >= 0.4"), Some("attribute tests/coverage.rs:4")),
                (Some("nbc <= 0.2"), Some("cleanai.toml:7 [tests.first]")),
                (Some("accuracy >= 0.5"), Some("cleanai.toml:8 [tests.first]")),
            ]
        );
        let setting =
            |key: &str| first["settings"].as_array().expect("a list").iter().find(|it| it["key"] == key).expect(key);
        assert_eq!(
            (setting("model.path")["exists"].as_bool(), setting("data.test")["exists"].as_bool()),
            (Some(true), Some(false))
        );
        assert_eq!(setting("data")["from"], "the only one: [data.d]");
        assert_eq!((&setting("batch")["value"], &setting("batch")["from"]), (&"64".into(), &"default".into()));
        assert!(first["error"].is_null());
        let error = second["error"].as_str().expect("an error");
        assert!(error.starts_with("there is no model `lenet6`\n  at tests/coverage.rs:9:1"), "{error}");
        assert_eq!(second["requirements"].as_array().map(Vec::len), Some(1), "what was known before the error is told");
    }

    #[test]
    fn a_broken_file_is_told_with_every_test() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = registration(folder.path(), "first", 4);
        let answer = answer([&first], |folder| Config::load(&folder.join("gone.toml")));
        assert!(answer.files.is_empty());
        assert!(answer.tests[0].error.as_deref().is_some_and(|error| error.contains("gone.toml")));
    }
}
