//! What the merge of attribute, tables and variables notes on its way: each setting and where it comes from.

use std::fmt::Display;
use std::path::PathBuf;

use super::resolve::FoundModel;
use super::{Config, Origin, ReportFile, Setting, TestTable, Tolerances, header};
use crate::data::{inputs_at, transform};
use crate::declare::{AxisChoice, DataChoice, DataLocation, InputChoice, ModelSource, Requirement};
use crate::private::Registration;

/// The header of the table for all tests.
pub(super) const DEFAULTS: &str = "[defaults]";

/// The levels that may have a setting.
#[derive(Debug, Clone, Copy)]
pub(super) enum Level<'l> {
    /// A variable.
    Environment(&'static str),
    /// The attribute.
    Attribute,
    /// The table with this header.
    Table(&'l str),
    /// The only table of its kind, with this header.
    Only(&'l str),
    /// Nobody said otherwise.
    Default,
}

/// The notes on one test.
pub(super) struct Notes<'r> {
    registration: &'r Registration,
    config: &'r Config,
    pub settings: Vec<Setting>,
    pub requirements: Vec<(String, Origin)>,
    pub tables: Vec<String>,
}

impl<'r> Notes<'r> {
    pub fn new(registration: &'r Registration, config: &'r Config) -> Self {
        Self { registration, config, settings: Vec::new(), requirements: Vec::new(), tables: Vec::new() }
    }

    /// The first that says something, else the default.
    pub fn choose<'l, T: Display + Default>(
        &mut self,
        key: &'static str,
        levels: impl IntoIterator<Item = (Option<T>, Level<'l>)>,
    ) -> T {
        let levels = levels.into_iter().chain([(Some(T::default()), Level::Default)]);
        self.choose_if_any(key, levels).unwrap_or_default()
    }

    /// The first that says something.
    pub fn choose_if_any<'l, T: Display>(
        &mut self,
        key: &'static str,
        levels: impl IntoIterator<Item = (Option<T>, Level<'l>)>,
    ) -> Option<T> {
        let (value, level) = levels.into_iter().find_map(|(value, level)| Some((value?, level)))?;
        let origin = self.origin(level, key);
        self.note(key, value.to_string(), origin, None);
        Some(value)
    }

    fn origin(&self, level: Level<'_>, key: &str) -> Origin {
        match level {
            Level::Environment(variable) => Origin::Environment { variable: variable.to_owned() },
            Level::Attribute => Origin::Attribute { file: self.registration.file.into(), line: self.registration.line },
            Level::Table(table) => self.config.table_origin(table, key).unwrap_or_else(|| Origin::Table {
                table: table.to_owned(),
                file: self.config.path.clone().unwrap_or_default(),
                line: 0,
            }),
            Level::Only(table) => Origin::Only { table: table.to_owned() },
            Level::Default => Origin::Default,
        }
    }

    fn note(&mut self, key: impl Into<String>, value: impl Into<String>, origin: Origin, path: Option<PathBuf>) {
        self.settings.push(Setting { key: key.into(), value: value.into(), origin, path });
    }

    /// Notes that the test takes something from a table.
    pub fn table(&mut self, header: String) {
        self.tables.push(header);
    }

    /// Notes the requirements: those of the attribute come first, then those of its table, then those of the defaults.
    pub fn requirements(&mut self, requirements: &[Requirement], own: &str, [table, defaults]: [&TestTable; 2]) {
        let of_attribute = self.registration.requirements.len();
        for (index, requirement) in requirements.iter().enumerate() {
            let place = |table: &TestTable| table.require.iter().position(|it| it == requirement);
            let origin = match (place(table), place(defaults)) {
                _ if index < of_attribute => self.origin(Level::Attribute, "require"),
                (Some(place), _) => self.origin(Level::Table(own), &format!("require[{place}]")),
                (None, place) => {
                    self.origin(Level::Table(DEFAULTS), &format!("require[{}]", place.unwrap_or_default()))
                }
            };
            self.requirements.push((requirement.to_string(), origin));
        }
    }

    /// Notes the tolerances of the test's own table.
    pub fn tolerances(&mut self, tolerances: &Tolerances, own: &str) {
        let origin = self.origin(Level::Table(own), "tolerance");
        if let Some(tolerance) = &tolerances.default {
            self.note("tolerance", tolerance.to_string(), origin.clone(), None);
        }
        for (criterion, tolerance) in &tolerances.per_criterion {
            self.note(format!("tolerance.{criterion}"), tolerance.to_string(), origin.clone(), None);
        }
    }

    /// Notes the model as it was named.
    pub fn model(&mut self) {
        let origin = self.origin(Level::Attribute, "model");
        self.note("model", self.registration.model, origin, None);
    }

    /// Notes the model as it was found.
    pub fn model_found(&mut self, found: &FoundModel) {
        if !found.table.is_empty() {
            self.table(found.table.clone());
        }
        let named = |notes: &Self, key: &str| match found.table.is_empty() {
            true => notes.origin(Level::Attribute, key),
            false => notes.config.origin(&found.table, key),
        };
        match &found.source {
            ModelSource::File(path) => {
                let origin = named(self, "path");
                self.note("model.path", path.display().to_string(), origin, Some(path.clone()));
            }
            ModelSource::Function(function) => {
                let origin = named(self, "function");
                self.note("model.function", function, origin, None);
            }
        }
        let options = &found.options;
        let of_table = |notes: &Self, key: &str| match found.table.is_empty() {
            true => Origin::Default,
            false => notes.config.origin(&found.table, key),
        };
        for library in &options.libraries {
            let origin = of_table(self, "libraries");
            // A bare name is for the loader to find.
            let path = (library.components().count() > 1).then(|| library.clone());
            self.note("model.libraries", library.display().to_string(), origin, path);
        }
        let origin = of_table(self, "allow_files");
        self.note("model.allow_files", options.allow_files.to_string(), origin, None);
        let origin = of_table(self, "state");
        self.note("model.state", word(&options.state), origin, None);
        for (name, InputChoice { element, batch }) in &options.inputs {
            let origin = of_table(self, &format!("inputs.{name}"));
            let element = element.map(|element| element.name().to_owned());
            let batch = batch.map(|axis| format!("batch along axis {axis}"));
            self.note(format!("model.inputs.{name}"), joined([element, batch]), origin, None);
        }
        for AxisChoice { layers, batch, channel } in &options.axes {
            let origin = of_table(self, &format!("axes.{layers}"));
            let batch = batch.map(|axis| format!("batch along axis {axis}"));
            let channel = channel.map(|axis| format!("channels along axis {axis}"));
            self.note(format!("model.axes.{layers}"), joined([batch, channel]), origin, None);
        }
    }

    /// Notes the data as it was found.
    pub fn data_found(&mut self, data: &DataChoice) {
        let table = header("data", &data.name);
        let sets =
            [("profile", data.profile.as_ref()), ("test", Some(&data.test)), ("untrusted", data.untrusted.as_ref())];
        for (key, location) in sets {
            let Some(location) = location else { continue };
            self.note(format!("data.{key}"), &location.path, self.config.origin(&table, key), Some(place(location)));
        }
        let transform = transform::text(&data.transform);
        self.note("data.transform", transform, self.config.origin(&table, "transform"), None);
        self.note("data.on_bad_input", word(&data.on_bad_input), self.config.origin(&table, "on_bad_input"), None);
        for augmentation in &data.augment {
            self.note("data.augment", augmentation.to_string(), self.config.origin(&table, "augment"), None);
        }
        self.table(table);
    }

    /// Notes what is the same for all tests.
    pub fn of_all_tests(&mut self) {
        let config = self.config;
        let baseline = &config.baseline;
        let origin = |key| config.origin("[baseline]", key);
        let tolerance = match config.table_origin("[baseline]", "tolerance.default") {
            Some(line) if config.environment.tolerance.is_none() => line,
            _ if baseline.per_criterion.is_empty() => origin("tolerance"),
            // A table without `default` leaves that as it is.
            _ => Origin::Default,
        };
        self.note("baseline.tolerance", baseline.tolerance.to_string(), tolerance, None);
        for (criterion, tolerance) in &baseline.per_criterion {
            self.note(format!("baseline.tolerance.{criterion}"), tolerance.to_string(), origin("tolerance"), None);
        }
        self.note("baseline.on_improvement", word(&baseline.on_improvement), origin("on_improvement"), None);
        self.note("baseline.enabled", baseline.enabled.to_string(), origin("enabled"), None);
        let by = [(baseline.by_device, "device"), (baseline.by_libtorch, "libtorch")];
        let by = by.into_iter().filter_map(|(set, word)| set.then_some(word)).collect::<Vec<_>>();
        self.note("baseline.by", format!("{by:?}"), origin("by"), None);
        let report = &config.report;
        for (key, file) in [
            ("pdf", &report.pdf),
            ("junit", &report.junit),
            ("json", &report.json),
            ("html", &report.html),
            ("markdown", &report.markdown),
        ] {
            let (value, path) = match file {
                ReportFile::No => ("false".to_owned(), None),
                ReportFile::Default => ("true".to_owned(), None),
                ReportFile::At(path) => (path.display().to_string(), Some(path.clone())),
            };
            self.note(format!("report.{key}"), value, config.origin("[report]", key), path);
        }
        // It stands in the table of `junit`, if it is set at all.
        let strict = config.table_origin("[report]", "junit").filter(|_| report.junit_strict);
        let strict = strict.unwrap_or(Origin::Default);
        self.note("report.junit.strict", report.junit_strict.to_string(), strict, None);
        self.note("report.style", word(&report.style), config.origin("[report]", "style"), None);
    }
}

/// Where a location leads, as far as that can be told.
fn place(location: &DataLocation) -> PathBuf {
    inputs_at(location).unwrap_or_else(|_| location.root.join(&location.path))
}

/// The word that stands for a choice in the file.
fn word(choice: &impl serde::Serialize) -> String {
    match serde_json::to_value(choice) {
        Ok(serde_json::Value::String(word)) => word,
        // Choices are written as words, all of them.
        other => format!("{other:?}"),
    }
}

fn joined(parts: [Option<String>; 2]) -> String {
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
