//! `cleanai.toml`: found upwards from the package, every key checked, errors with file, line, key and the nearest known one.
#![doc = include_str!("../../docs/configuration.md")]

mod augment;
mod baseline;
mod data;
mod document;
mod environment;
mod models;
mod notes;
mod origin;
mod reader;
mod reference;
mod report;
mod resolve;
mod tests;
#[cfg(test)]
mod unit_tests;

use std::collections::BTreeMap;
use std::env;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

pub use baseline::Tolerances;
pub use data::DataTable;
pub use document::Lines;
pub use environment::Environment;
pub use models::ModelTable;
pub use origin::{Origin, Setting};
pub use reference::{page as reference_page, schema};
pub use report::{ReportFile, ReportStyle, ReportTable};
pub use resolve::{Settled, resolve, settle};
pub use tests::TestTable;

use crate::declare::nearest::nearest;
use crate::declare::{BaselinePolicy, DataLocation};
use crate::{Error, ErrorKind, Result};
use document::Document;
use reader::{Table, Value};

/// The file's name.
pub const FILE_NAME: &str = "cleanai.toml";

/// Bytes of a `cleanai.toml` at most: no one writes more by hand, and the whole is held in memory.
const MAX_BYTES: u64 = 1 << 20;

/// A whole `cleanai.toml`, checked.
///
/// ```
/// let folder = tempfile::tempdir().unwrap();
/// let file = folder.path().join("cleanai.toml");
/// std::fs::write(&file, "[data.digits]\ntset = 'data/test'\n").unwrap();
/// let error = cleanai_harness::config::Config::load(&file).unwrap_err();
/// assert_eq!(error.what(), "unknown key `tset` in [data.digits]");
/// assert_eq!(error.help(), Some("did you mean `test`?"));
/// assert_eq!(error.place().unwrap().line, 2);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// The file; `None` where there is none and everything is a default.
    pub path: Option<PathBuf>,
    /// `[models.NAME]`
    pub models: BTreeMap<String, ModelTable>,
    /// `[data.NAME]`
    pub data: BTreeMap<String, DataTable>,
    /// `[tests.NAME]`
    pub tests: BTreeMap<String, TestTable>,
    /// `[defaults]`
    pub defaults: TestTable,
    /// `[baseline]`
    pub baseline: BaselinePolicy,
    /// `[report]`
    pub report: ReportTable,
    /// Where the keys stand.
    pub lines: Lines,
    /// What `CLEANAI_*` variables say over all that.
    pub environment: Environment,
}

impl Config {
    /// The first `cleanai.toml` in `start` or a folder above it, with what `CLEANAI_*` variables say over it; the defaults
    /// if there is none.
    ///
    /// # Errors
    /// As [`Config::load`], and if a variable is wrong.
    pub fn find(start: &Path) -> Result<Self> {
        Self::find_with(start, Environment::read(env::vars_os())?)
    }

    fn find_with(start: &Path, environment: Environment) -> Result<Self> {
        let start = std::path::absolute(start).map_err(|error| Error::io("resolve", start, error))?;
        let name = environment.config.as_deref().unwrap_or(Path::new(FILE_NAME));
        let mut config = match start.ancestors().map(|folder| folder.join(name)).find(|path| path.is_file()) {
            Some(path) => Self::load(&path)?,
            None if environment.config.is_some() => {
                let what = format!("CLEANAI_CONFIG names {}, which is no file", name.display());
                return Err(Error::new(ErrorKind::Configuration, what).with_help(match name.is_absolute() {
                    true => "name a file that is there, or unset it".to_owned(),
                    false => format!("a relative path is looked for in {} and the folders above it", start.display()),
                }));
            }
            None => Self::default(),
        };
        environment.apply(&mut config, &start);
        config.environment = environment;
        Ok(config)
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// If it cannot be read, is larger than 1 MiB, is no UTF-8 or no TOML, or if a key or value is wrong: with the place
    /// and the nearest known key.
    pub fn load(path: &Path) -> Result<Self> {
        let path = std::path::absolute(path).map_err(|error| Error::io("resolve", path, error))?;
        let mut bytes = Vec::new();
        let file = File::open(&path).map_err(|error| Error::io("read", &path, error))?;
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| Error::io("read", &path, error))?;
        let refused = |what: String| Error::new(ErrorKind::Configuration, format!("{} {what}", path.display()));
        if bytes.len() as u64 > MAX_BYTES {
            return Err(refused(format!("is larger than {MAX_BYTES} bytes")));
        }
        let text = String::from_utf8(bytes)
            .map_err(|error| refused(format!("is not UTF-8: byte {} is wrong", error.utf8_error().valid_up_to())))?;
        Self::parse(path.clone(), &text)
    }

    /// Checks the text of the file at `path`.
    fn parse(path: PathBuf, text: &str) -> Result<Self> {
        let document = Document::new(&path, text);
        let parsed = DeTable::parse(text).map_err(|error| {
            let end = text.len();
            document.error(error.span().unwrap_or(end..end), error.message().replace('\n', "; "))
        })?;
        let known = reference::SECTIONS.iter().map(|section| section.name).collect();
        let mut top = Table::new(&document, String::new(), 0..0, parsed.into_inner(), known)?;
        let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
        let models = named(&mut top, "models", models::read)?;
        let data = named(&mut top, "data", data::read)?;
        let tests = named(&mut top, "tests", |value| tests::read(value, &data))?;
        let defaults = table(&mut top, "defaults", |value| tests::defaults(value, &data))?;
        let baseline = table(&mut top, "baseline", baseline::read)?;
        let report = table(&mut top, "report", |value| report::read(value, &folder))?;
        drop(top);
        let lines = document.into_lines();
        let environment = Environment::default();
        Ok(Self { path: Some(path), models, data, tests, defaults, baseline, report, lines, environment })
    }

    /// The folder relative paths of the file start from; `None` without a file.
    pub fn folder(&self) -> Option<&Path> {
        self.path.as_deref()?.parent()
    }

    /// Where the value of a key comes from that no attribute has: `[report]`, `pdf`. Its variable wins over the file.
    pub fn origin(&self, header: &str, key: &str) -> Origin {
        let section = header.trim_matches(['[', ']']).split('.').next().unwrap_or_default();
        let variable = reference::key(section, key).and_then(|key| key.variable);
        match variable.filter(|variable| self.environment.set.contains_key(variable)) {
            Some(variable) => Origin::Environment { variable: variable.to_owned() },
            None => self.table_origin(header, key).unwrap_or(Origin::Default),
        }
    }

    /// Where a key of the file stands, if it does.
    fn table_origin(&self, header: &str, key: &str) -> Option<Origin> {
        let line = *self.lines.get(&(header.to_owned(), key.to_owned()))?;
        Some(Origin::Table { table: header.to_owned(), file: self.path.clone()?, line })
    }

    /// The tables whose names the user chose: `[models.lenet5]`, `[tests.lenet5]`.
    pub fn tables(&self) -> Vec<String> {
        let models = self.models.keys().map(|name| header("models", name));
        let data = self.data.keys().map(|name| header("data", name));
        models.chain(data).chain(self.tests.keys().map(|name| header("tests", name))).collect()
    }

    /// What is not where the file says: models and data, each with its key.
    pub fn missing(&self) -> Vec<Error> {
        let folder = self.folder().unwrap_or(Path::new(""));
        let gone = |what: String, table: String, key: &str| {
            let error = Error::new(ErrorKind::Configuration, what);
            match self.table_origin(&table, key) {
                Some(Origin::Table { file, line, .. }) => {
                    error.at(crate::Place { file, line, column: 1, snippet: String::new() })
                }
                _ => error,
            }
        };
        let models = self.models.iter().filter_map(|(name, table)| {
            let path = folder.join(table.path.as_ref()?);
            let what = format!("the model of {} does not exist: {}", header("models", name), path.display());
            (!path.is_file()).then(|| gone(what, header("models", name), "path"))
        });
        let data = self.data.iter().flat_map(|(name, table)| {
            let sets = [
                ("profile", table.profile.as_ref()),
                ("test", Some(&table.test)),
                ("untrusted", table.untrusted.as_ref()),
            ];
            sets.into_iter().filter_map(move |(key, path)| {
                let location = DataLocation { path: path?.clone(), root: folder.to_owned() };
                let why = crate::data::inputs_at(&location).err()?;
                Some(gone(format!("`{key}` in {}: {}", header("data", name), why.what()), header("data", name), key))
            })
        });
        models.chain(data).collect()
    }

    /// The `[tests.NAME]` tables that match none of these tests (`function` or `module::function`), each with the
    /// nearest of their names: slips, unless another test binary of the package has the test.
    pub fn unused_tests<'n>(&self, names: &[&'n str]) -> Vec<(&str, Option<&'n str>)> {
        let function = |name: &'n str| name.rsplit("::").next().unwrap_or(name);
        let matches = |key: &str| names.iter().any(|&name| name == key || function(name) == key);
        let unused = self.tests.keys().filter(|key| !matches(key));
        unused.map(|key| (key.as_str(), nearest(key, names.iter().flat_map(|&name| [name, function(name)])))).collect()
    }
}

/// `[tables.NAME]`, each read by `read`.
fn named<'d, T>(
    top: &mut Table<'d>,
    tables: &'static str,
    read: impl Fn(Value<'d>) -> Result<T>,
) -> Result<BTreeMap<String, T>> {
    let Some(mut value) = top.take(tables) else { return Ok(BTreeMap::new()) };
    value.name = format!("[{tables}]");
    let mut all = BTreeMap::new();
    for (key, mut value) in value.entries()? {
        if key.text.trim().is_empty() {
            return Err(key.error(format!("a name in [{tables}] is empty")));
        }
        value.name = header(tables, &key.text);
        if !value.is_table() {
            let help = format!("write {} and its keys below", header(tables, "NAME"));
            return Err(key.error(format!("`{}` in [{tables}] must be a table", key.text)).with_help(help));
        }
        all.insert(key.text, read(value)?);
    }
    Ok(all)
}

/// `[table]`, read by `read`; its defaults if it is not there.
fn table<'d, T: Default>(top: &mut Table<'d>, name: &'static str, read: impl Fn(Value<'d>) -> Result<T>) -> Result<T> {
    let Some(mut value) = top.take(name) else { return Ok(T::default()) };
    value.name = format!("[{name}]");
    read(value)
}

/// `[tests.lenet5]` as TOML has it, with quotes where the name needs them.
pub(crate) fn header(tables: &str, name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if bare { format!("[{tables}.{name}]") } else { format!("[{tables}.{name:?}]") }
}
