//! From an attribute, the file and variables to what a test declares: variables over the attribute over `[tests.NAME]` over `[defaults]`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::notes::{DEFAULTS, Level, Notes};
use super::{Config, DataTable, ModelTable, Origin, ReportFile, ReportStyle, Setting, TestTable, Tolerances, header};
use crate::declare;
use crate::declare::nearest::{did_you_mean, listed, nearest, nearest_file};
use crate::declare::{
    DEFAULT_BATCH, DataChoice, DataLocation, Declaration, DeviceChoice, ModelChoice, ModelOptions, ModelSource,
    Reference, Requirement, Selector, TestIdentity, possible,
};
use crate::gate::check_tolerances;
use crate::private::{Registration, is_registered_model};
use crate::report::cleanai::Settings as CleanaiSettings;
use crate::{Error, ErrorKind, Place, Result};

/// What a test declares.
///
/// # Errors
/// If the model or the data cannot be told, if a text of the attribute is malformed, or if nothing is declared; with the
/// place of the attribute.
pub fn resolve(registration: &Registration, config: &Config) -> Result<Declaration> {
    settle(registration, config).declaration
}

/// What a test declares, and where each setting comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled {
    /// What it declares; an error as that of [`resolve`].
    pub declaration: Result<Declaration>,
    /// The settings that are known, those before the error where there is one.
    pub settings: Vec<Setting>,
    /// The requirements' texts.
    pub requirements: Vec<(String, Origin)>,
    /// The tables of the file that the test takes something from: `[models.lenet5]`.
    pub tables: Vec<String>,
}

/// Merges attribute, tables and variables, and notes where each setting comes from.
pub fn settle(registration: &Registration, config: &Config) -> Settled {
    let mut notes = Notes::new(registration, config);
    let declaration = merge(registration, config, &mut notes).map_err(|error| match error.place() {
        Some(_) => error,
        None => error.at(Place {
            file: PathBuf::from(registration.file),
            line: registration.line as usize,
            column: registration.column as usize,
            snippet: String::new(),
        }),
    });
    notes.of_all_tests();
    let Notes { settings, requirements, tables, .. } = notes;
    Settled { declaration, settings, requirements, tables }
}

fn merge(registration: &Registration, config: &Config, notes: &mut Notes<'_>) -> Result<Declaration> {
    let name = registration.test_name();
    let (table_name, table) = test_table(registration, &name, config);
    let own = header("tests", &table_name);
    if config.tests.contains_key(&table_name) {
        notes.table(own.clone());
    }
    let layered = [table, &config.defaults];
    let requirements = requirements(registration, layered)?;
    notes.requirements(&requirements, &own, layered);
    let mut baseline = config.baseline.clone();
    if config.environment.tolerance.is_none() {
        table.tolerance.apply(&mut baseline);
        notes.tolerances(&table.tolerance, &own);
    }
    check_tolerances(&baseline, &requirements)?;
    if requirements.is_empty() && registration.body.is_none() {
        return Err(wrong(format!("`{name}` declares nothing: it has no requirements and no body")).with_help(
            format!(
                "add a requirement such as `nc >= 0.4` to the attribute, or `require` to {}",
                header("tests", registration.name)
            ),
        ));
    }
    let model = find_model(registration, config, notes)?;
    let against = notes.choose_if_any(
        "against",
        [(registration.against, Level::Attribute), (table.against.as_deref(), Level::Table(&own))],
    );
    check_references(&requirements, against.is_some(), baseline.enabled, &table_name)?;
    let attribute_device = registration.device.map(str::parse::<DeviceChoice>).transpose()?;
    let device = notes.choose(
        "device",
        [
            (config.environment.device, Level::Environment("CLEANAI_DEVICE")),
            (attribute_device, Level::Attribute),
            (table.device, Level::Table(&own)),
            (model.device, Level::Table(&model.table)),
            (config.defaults.device, Level::Table(DEFAULTS)),
        ],
    );
    let attribute_layers = registration.layers.map(str::parse::<Selector>).transpose();
    let layers = notes.choose(
        "layers",
        [
            (attribute_layers.map_err(|error| error.context("`layers`"))?, Level::Attribute),
            (table.layers.clone(), Level::Table(&own)),
            (config.defaults.layers.clone(), Level::Table(DEFAULTS)),
        ],
    );
    let neurons = notes.choose(
        "neurons",
        [
            (registration.neurons, Level::Attribute),
            (table.neurons, Level::Table(&own)),
            (config.defaults.neurons, Level::Table(DEFAULTS)),
        ],
    );
    let batch = notes.choose(
        "batch",
        [
            (config.environment.batch, Level::Environment("CLEANAI_BATCH")),
            (registration.batch, Level::Attribute),
            (table.batch, Level::Table(&own)),
            (config.defaults.batch, Level::Table(DEFAULTS)),
            (Some(DEFAULT_BATCH), Level::Default),
        ],
    );
    let non_finite = notes.choose(
        "non_finite",
        [
            (registration.non_finite, Level::Attribute),
            (table.non_finite, Level::Table(&own)),
            (config.defaults.non_finite, Level::Table(DEFAULTS)),
        ],
    );
    let data = find_data(registration, table, &own, config, notes)?;
    let against = match against {
        Some(name) => {
            let found = look_for_model(registration, name, config).map_err(|error| error.context("`against`"))?;
            // Both run on one device, unless the other's own table says otherwise.
            let chosen = [config.environment.device, attribute_device, table.device, found.device];
            let device = chosen.into_iter().flatten().next().or(config.defaults.device).unwrap_or_default();
            let options = ModelOptions { device, ..found.options };
            Some(ModelChoice { name: name.to_owned(), source: found.source, options })
        }
        None => None,
    };
    Ok(Declaration {
        model: ModelChoice {
            name: registration.model.to_owned(),
            source: model.source,
            options: ModelOptions { device, ..model.options },
        },
        against,
        data,
        layers,
        neurons,
        batch,
        non_finite,
        requirements,
        baseline,
        report: match config.report.style {
            ReportStyle::Cleanai if cfg!(feature = "pdf") && config.report.pdf != ReportFile::No => {
                CleanaiSettings::default().criteria()
            }
            _ => Vec::new(),
        },
        test: TestIdentity {
            name,
            package: registration.package.to_owned(),
            target: registration.target.to_owned(),
            file: PathBuf::from(registration.file),
            line: registration.line,
        },
    })
}

fn wrong(what: String) -> Error {
    Error::new(ErrorKind::Configuration, what)
}

/// `[tests."module::function"]`, else `[tests.function]`, else nothing; with the name it has or would have.
fn test_table<'c>(registration: &Registration, name: &str, config: &'c Config) -> (String, &'c TestTable) {
    const NOTHING: &TestTable = &TestTable {
        against: None,
        tolerance: Tolerances { default: None, per_criterion: BTreeMap::new() },
        data: None,
        require: Vec::new(),
        layers: None,
        neurons: None,
        batch: None,
        device: None,
        non_finite: None,
    };
    let named = [name, registration.name].into_iter().find_map(|name| Some((name, config.tests.get(name)?)));
    let (name, table) = named.unwrap_or((registration.name, NOTHING));
    (name.to_owned(), table)
}

/// Those of the attribute, then those of the tables that bound something else.
fn requirements(registration: &Registration, layered: [&TestTable; 2]) -> Result<Vec<Requirement>> {
    let mut all: Vec<Requirement> = Vec::new();
    for (index, text) in registration.requirements.iter().enumerate() {
        let origin = registration.origin(index);
        let requirement = Requirement { origin: Some(origin), ..text.parse()? };
        if let Some(first) = all.iter().find(|first| first.replaces(&requirement)) {
            let what = format!("`{requirement}` bounds what `{first}` bounds already");
            return Err(at(&requirement, wrong(what).with_help("keep one of them")));
        }
        all.push(requirement);
    }
    for table in layered {
        // One table has no two of a kind, so what replaces is always from a level above.
        let new: Vec<_> =
            table.require.iter().filter(|new| !all.iter().any(|above| above.replaces(new))).cloned().collect();
        all.extend(new);
    }
    for (index, requirement) in all.iter().enumerate() {
        let contradiction = || all[..index].iter().find_map(|first| possible::contradiction(first, requirement));
        if let Some(impossible) = possible::impossible(requirement).or_else(contradiction) {
            return Err(at(requirement, wrong(impossible.what).with_help(impossible.help)));
        }
    }
    Ok(all)
}

/// An error about a requirement, at its place.
fn at(requirement: &Requirement, error: Error) -> Error {
    match &requirement.origin {
        Some(declare::Origin { file, line, column, .. }) => {
            error.at(Place { file: file.clone(), line: *line, column: *column, snippet: String::new() })
        }
        None => error,
    }
}

/// Refuses bounds that are relative to what will not be there.
fn check_references(requirements: &[Requirement], against: bool, baseline: bool, table: &str) -> Result<()> {
    for requirement in requirements {
        let refused = match requirement.bound.reference() {
            Some(Reference::Against) if !against => {
                wrong(format!("`{requirement}` compares with another model, and none is named"))
                    .with_help(format!("add `against = \"old.pt\"` to the attribute or to {}", header("tests", table)))
            }
            Some(Reference::Baseline) if !baseline => {
                wrong(format!("`{requirement}` compares with the baseline, which is turned off"))
                    .with_help("remove `enabled = false` from [baseline], or require a number")
            }
            _ => continue,
        };
        return Err(at(requirement, refused));
    }
    Ok(())
}

/// A model as it was found.
pub(super) struct FoundModel {
    pub source: ModelSource,
    pub device: Option<DeviceChoice>,
    pub options: ModelOptions,
    /// Its table, if it has one: `[models.lenet5]`.
    pub table: String,
}

/// What the table says beside the file and the device.
fn options(table: &ModelTable, folder: Option<&Path>) -> ModelOptions {
    // A bare name is for the loader to find.
    let place = |library: &PathBuf| match library.components().count() {
        1 => library.clone(),
        _ => join(folder, library),
    };
    ModelOptions {
        device: DeviceChoice::default(),
        libraries: table.libraries.iter().map(place).collect(),
        allow_files: table.allow_files,
        state: table.state,
        inputs: table.inputs.clone(),
        axes: table.axes.clone(),
    }
}

fn find_model(registration: &Registration, config: &Config, notes: &mut Notes<'_>) -> Result<FoundModel> {
    notes.model();
    let found = look_for_model(registration, registration.model, config)?;
    notes.model_found(&found);
    Ok(found)
}

fn look_for_model(registration: &Registration, written: &str, config: &Config) -> Result<FoundModel> {
    let folder = config.folder();
    let path_of = |table: &ModelTable| table.path.as_ref().map(|path| join(folder, path));
    let of_table = |name: &str, table: &ModelTable, path: PathBuf| FoundModel {
        source: match &table.function {
            Some(function) => ModelSource::Function(function.clone()),
            None => ModelSource::File(path),
        },
        device: table.device,
        options: options(table, folder),
        table: header("models", name),
    };
    let without_table =
        |source| FoundModel { source, device: None, options: ModelOptions::default(), table: String::new() };
    if let Some(table) = config.models.get(written) {
        let path = path_of(table).unwrap_or_default();
        match &table.function {
            Some(function) if !is_registered_model(function) => {
                return Err(wrong(format!(
                    "{} names the function `{function}`, which is no model",
                    header("models", written)
                ))
                .with_help(format!("mark it: #[cleanai::model] fn {function}(device: tch::Device) -> Result<Model>")));
            }
            Some(_) => return Ok(of_table(written, table, path)),
            None if path.is_file() => return Ok(of_table(written, table, path)),
            None => {}
        }
        let what = format!("the model of {} does not exist: {}", header("models", written), path.display());
        let correct = format!("correct its `path` in {}", file_name(config));
        return Err(Error::new(ErrorKind::Model, what).with_help(match nearest_file(&path) {
            Some(near) => format!("{correct}; did you mean {}?", near.display()),
            None => correct,
        }));
    }
    if is_registered_model(written) {
        return Ok(without_table(ModelSource::Function(written.to_owned())));
    }
    if !is_path(written) {
        let error = wrong(format!("there is no model `{written}`"));
        return Err(match nearest(written, config.models.keys().map(String::as_str)) {
            Some(near) => error.with_help(format!("did you mean `{near}`?")),
            None if config.models.is_empty() => error.with_help(format!(
                "add {} with its `path` to {}, or name a file, `{written}.pt`",
                header("models", written),
                file_name(config)
            )),
            None => error.with_help(format!("known: {}", listed(config.models.keys().map(String::as_str)))),
        });
    }
    let package = registration.package_dir();
    let mut places = vec![package.join(written)];
    places.extend(folder.map(|folder| folder.join(written)).filter(|place| *place != places[0]));
    if let Some(path) = places.iter().find(|place| place.is_file()) {
        let table = config.models.iter().find(|(_, table)| path_of(table).is_some_and(|own| same_file(&own, path)));
        return Ok(match table {
            Some((name, table)) => of_table(name, table, path.clone()),
            None => without_table(ModelSource::File(path.clone())),
        });
    }
    // `lenet5.pt` may stand for the one model of that file name, `models/lenet5.pt`.
    let is_named =
        |table: &&ModelTable| table.path.as_ref().is_some_and(|path| path.file_name() == Some(written.as_ref()));
    let named: Vec<_> = config.models.iter().filter(|(_, table)| is_named(table)).collect();
    if let [(name, only)] = named.as_slice()
        && let Some(path) = path_of(only).filter(|path| path.is_file())
    {
        return Ok(of_table(name, only, path));
    }
    let looked = places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(" and ");
    let error = Error::new(ErrorKind::Model, format!("there is no model {written}: looked for {looked}"));
    let known = config.models.keys().map(String::as_str);
    Err(match Path::new(written).file_stem().and_then(|stem| nearest(stem.to_str()?, known)) {
        Some(near) => error.with_help(format!("did you mean `{near}` of [models]?")),
        None if named.len() > 1 => {
            error.with_help("several models have this file name; name one by its key in [models]")
        }
        None => error.with_help("paths start at the package's folder or that of cleanai.toml"),
    })
}

/// A path rather than a key: it has a separator or the extension of a model.
fn is_path(written: &str) -> bool {
    let extension = Path::new(written).extension().and_then(|extension| extension.to_str());
    written.contains(['/', std::path::MAIN_SEPARATOR]) || matches!(extension, Some("pt" | "pt2" | "pth"))
}

fn same_file(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

fn join(folder: Option<&Path>, path: &Path) -> PathBuf {
    folder.map_or_else(|| path.to_owned(), |folder| folder.join(path))
}

fn file_name(config: &Config) -> String {
    config.path.as_ref().map_or_else(|| super::FILE_NAME.to_owned(), |path| path.display().to_string())
}

fn find_data(
    registration: &Registration,
    table: &TestTable,
    own: &str,
    config: &Config,
    notes: &mut Notes<'_>,
) -> Result<DataChoice> {
    let known = || config.data.keys().map(String::as_str);
    let only = if config.data.len() == 1 { known().next() } else { None };
    let only_table = header("data", only.unwrap_or_default());
    let chosen = notes.choose_if_any(
        "data",
        [
            (registration.data, Level::Attribute),
            (table.data.as_deref(), Level::Table(own)),
            (config.defaults.data.as_deref(), Level::Table(DEFAULTS)),
            (only, Level::Only(&only_table)),
        ],
    );
    let name = match chosen {
        Some(name) => name,
        None if config.data.is_empty() => {
            let example = "[data.digits]` with `test = \"data/test\"`";
            return Err(wrong("there is no data to measure on".to_owned())
                .with_help(format!("add `{example} to {}", file_name(config))));
        }
        None => {
            let what = format!("the data is not chosen; there are {}", listed(known()));
            return Err(wrong(what).with_help(format!(
                "add `data = \"…\"` to the attribute, to {} or to [defaults]",
                header("tests", registration.name)
            )));
        }
    };
    let Some(table) = config.data.get(name) else {
        let error = wrong(format!("there is no data `{name}`"));
        return Err(if config.data.is_empty() {
            error.with_help(format!("add {} with its `test` to {}", header("data", name), file_name(config)))
        } else {
            error.with_help(did_you_mean(name, known()))
        });
    };
    let choice = choice(name, table, config);
    notes.data_found(&choice);
    Ok(choice)
}

fn choice(name: &str, table: &DataTable, config: &Config) -> DataChoice {
    let location = |path: &String| DataLocation {
        path: path.clone(),
        root: config.folder().map(Path::to_owned).unwrap_or_default(),
    };
    DataChoice {
        name: name.to_owned(),
        profile: table.profile.as_ref().map(location),
        untrusted: table.untrusted.as_ref().map(location),
        test: location(&table.test),
        transform: table.transform.clone(),
        on_bad_input: table.on_bad_input,
        augment: table.augment.clone(),
    }
}
