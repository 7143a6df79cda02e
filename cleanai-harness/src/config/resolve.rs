//! From an attribute and the file to what a test declares: attribute over `[tests.NAME]` over `[defaults]`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Config, DataTable, ModelTable, ReportFile, ReportStyle, TestTable, Tolerances, header};
use crate::declare::nearest::{did_you_mean, listed, nearest, nearest_file};
use crate::declare::{
    DEFAULT_BATCH, DataChoice, DataLocation, Declaration, DeviceChoice, ModelChoice, ModelOptions, ModelSource, Origin,
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
    merge(registration, config).map_err(|error| match error.place() {
        Some(_) => error,
        None => error.at(Place {
            file: PathBuf::from(registration.file),
            line: registration.line as usize,
            column: registration.column as usize,
            snippet: String::new(),
        }),
    })
}

fn merge(registration: &Registration, config: &Config) -> Result<Declaration> {
    let name = registration.test_name();
    let (table_name, table) = test_table(registration, &name, config);
    let layered = [table, &config.defaults];
    let requirements = requirements(registration, layered)?;
    let mut baseline = config.baseline.clone();
    table.tolerance.apply(&mut baseline);
    check_tolerances(&baseline, &requirements)?;
    if requirements.is_empty() && registration.body.is_none() {
        return Err(wrong(format!("`{name}` declares nothing: it has no requirements and no body")).with_help(
            format!(
                "add a requirement such as `nc >= 0.4` to the attribute, or `require` to {}",
                header("tests", table_name)
            ),
        ));
    }
    let model = find_model(registration, registration.model, config)?;
    let against = registration.against.or(table.against.as_deref());
    check_references(&requirements, against.is_some(), baseline.enabled, table_name)?;
    let attribute_device = registration.device.map(str::parse::<DeviceChoice>).transpose()?;
    let choice = |name: &str, model: FoundModel| {
        let device = attribute_device.or(table.device).or(model.device).or(config.defaults.device).unwrap_or_default();
        let options = ModelOptions { device, ..model.options };
        ModelChoice { name: name.to_owned(), source: model.source, options }
    };
    let against = match against {
        Some(name) => {
            let found = find_model(registration, name, config).map_err(|error| error.context("`against`"))?;
            Some(choice(name, found))
        }
        None => None,
    };
    let layers = match registration.layers {
        Some(text) => Some(text.parse::<Selector>().map_err(|error| error.context("`layers`"))?),
        None => layered.iter().find_map(|table| table.layers.clone()),
    };
    Ok(Declaration {
        model: choice(registration.model, model),
        against,
        data: find_data(registration, layered, config)?,
        layers: layers.unwrap_or_default(),
        neurons: registration.neurons.or_else(|| layered.iter().find_map(|table| table.neurons)).unwrap_or_default(),
        batch: registration.batch.or_else(|| layered.iter().find_map(|table| table.batch)).unwrap_or(DEFAULT_BATCH),
        non_finite: registration
            .non_finite
            .or_else(|| layered.iter().find_map(|table| table.non_finite))
            .unwrap_or_default(),
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
fn test_table<'c>(registration: &Registration, name: &str, config: &'c Config) -> (&'static str, &'c TestTable) {
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
    (registration.name, config.tests.get(name).or_else(|| config.tests.get(registration.name)).unwrap_or(NOTHING))
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
        Some(Origin { file, line, column, .. }) => {
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

struct FoundModel {
    source: ModelSource,
    device: Option<DeviceChoice>,
    options: ModelOptions,
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

fn find_model(registration: &Registration, written: &str, config: &Config) -> Result<FoundModel> {
    let folder = config.folder();
    let path_of = |table: &ModelTable| table.path.as_ref().map(|path| join(folder, path));
    let of_table = |table: &ModelTable, path: PathBuf| FoundModel {
        source: match &table.function {
            Some(function) => ModelSource::Function(function.clone()),
            None => ModelSource::File(path),
        },
        device: table.device,
        options: options(table, folder),
    };
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
            Some(_) => return Ok(of_table(table, path)),
            None if path.is_file() => return Ok(of_table(table, path)),
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
        return Ok(FoundModel {
            source: ModelSource::Function(written.to_owned()),
            device: None,
            options: ModelOptions::default(),
        });
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
        let table = config.models.values().find(|table| path_of(table).is_some_and(|own| same_file(&own, path)));
        return Ok(match table {
            Some(table) => of_table(table, path.clone()),
            None => {
                FoundModel { source: ModelSource::File(path.clone()), device: None, options: ModelOptions::default() }
            }
        });
    }
    // `lenet5.pt` may stand for the one model of that file name, `models/lenet5.pt`.
    let is_named =
        |table: &&ModelTable| table.path.as_ref().is_some_and(|path| path.file_name() == Some(written.as_ref()));
    let named: Vec<_> = config.models.values().filter(is_named).collect();
    if let [only] = named.as_slice()
        && let Some(path) = path_of(only).filter(|path| path.is_file())
    {
        return Ok(of_table(only, path));
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

fn find_data(registration: &Registration, layered: [&TestTable; 2], config: &Config) -> Result<DataChoice> {
    let known = || config.data.keys().map(String::as_str);
    let chosen = registration.data.or_else(|| layered.iter().find_map(|table| table.data.as_deref()));
    let name = match chosen {
        Some(name) => name,
        None if config.data.len() == 1 => known().next().unwrap_or_default(),
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
    Ok(choice(name, table, config))
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
