//! What a test declares by attribute, file and variables, and where each setting comes from.

use std::fs;
use std::path::PathBuf;

use crate::config::{Config, Environment, FILE_NAME, Origin, resolve, settle};
use crate::declare::{
    DEFAULT_BATCH, Declaration, DeviceChoice, ModelSource, NeuronKind, NonFinite, Requirement, Selector, StateChoice,
    Tolerance,
};
use crate::private::Registration;

/// A package with models on disk, and a file above it.
pub(super) struct Package {
    folder: tempfile::TempDir,
}

impl Package {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for path in ["models/lenet5.pt", "models/other.pt2", "package/local.pt", "package/x/twin.pt", "models/twin.pt"]
        {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            fs::write(path, "model").expect("a file");
        }
        Self { folder }
    }

    pub(super) fn registration(&self) -> Registration {
        let package = self.folder.path().join("package");
        Registration { module_path: "coverage::deep", ..Registration::sample(&package) }
    }

    pub(super) fn config(&self, text: &str) -> Config {
        Config::parse(self.folder.path().join(FILE_NAME), text).expect(text)
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }
}

pub(super) const BASE: &str =
    "[models.lenet5]\npath='models/lenet5.pt'\ndevice='cuda:1'\n[data.digits]\ntest='d'\nprofile='t'\n";

#[test]
fn the_attribute_wins_over_the_test_over_the_defaults() {
    let package = Package::new();
    let config = package.config(&format!(
        "{BASE}[tests.lenet]\nrequire=['nc >= 0.9', 'nac >= 0.2', 'nc <= 0.95']\nbatch=8\nneurons='unit'\n\
         [defaults]\nrequire=['nac > 0.1', 'accuracy >= 0.9']\nbatch=4\nlayers='logits'\nnon_finite='ignore'\ndevice='cpu'\n"
    ));
    let declaration = resolve(&package.registration(), &config).expect("a declaration");
    let texts: Vec<_> = declaration.requirements.iter().map(Requirement::to_string).collect();
    assert_eq!(texts, ["nc >= 0.4", "nac >= 0.2", "nc <= 0.95", "accuracy >= 0.9"]);
    assert_eq!((declaration.batch, declaration.neurons), (8, NeuronKind::Unit));
    assert_eq!((declaration.layers.clone(), declaration.non_finite), (Selector::Logits, NonFinite::Ignore));
    assert_eq!(
        declaration.model.options.device,
        DeviceChoice::Cuda(1),
        "the model's own device is nearer than the defaults"
    );
    assert_eq!((declaration.model.name.as_str(), file_of(&declaration)), ("lenet5", package.path("models/lenet5.pt")));
    assert_eq!(declaration.data.name, "digits");
    assert_eq!(
        (declaration.data.test.path.as_str(), declaration.data.test.root.as_path()),
        ("d", package.folder.path())
    );
    assert_eq!(declaration.data.profile.as_ref().map(|profile| profile.path.as_str()), Some("t"));
    assert_eq!(declaration.test.name, "deep::lenet");
    assert_eq!((declaration.test.line, declaration.test.target.as_str()), (7, "coverage"));

    let mut registration = package.registration();
    registration.batch = Some(2);
    registration.device = Some("cuda");
    registration.layers = Some("[\"conv1\",\"class:ReLU\"]");
    registration.neurons = Some(NeuronKind::Channel);
    registration.non_finite = Some(NonFinite::Error);
    let declaration = resolve(&registration, &config).expect("a declaration");
    assert_eq!(
        (declaration.batch, declaration.neurons, declaration.non_finite),
        (2, NeuronKind::Channel, NonFinite::Error)
    );
    assert_eq!(declaration.model.options.device, DeviceChoice::Cuda(0));
    assert_eq!(declaration.layers.to_string(), "[\"conv1\", \"class:ReLU\"]");

    let plain = resolve(&package.registration(), &package.config(BASE)).expect("a declaration");
    assert_eq!((plain.batch, plain.neurons, plain.layers), (DEFAULT_BATCH, NeuronKind::Channel, Selector::Default));
    let auto = resolve(&package.registration(), &package.config(&BASE.replace("device='cuda:1'\n", "")))
        .expect("a declaration");
    assert_eq!(auto.model.options.device, DeviceChoice::Auto);
}

#[test]
fn a_test_is_named_by_its_module_first() {
    let package = Package::new();
    let config = package.config(&format!("{BASE}[tests.lenet]\nbatch=8\n[tests.'deep::lenet']\nbatch=9\n"));
    assert_eq!(resolve(&package.registration(), &config).expect("a declaration").batch, 9);
}

fn file_of(declaration: &Declaration) -> PathBuf {
    match &declaration.model.source {
        ModelSource::File(path) => path.clone(),
        ModelSource::Function(name) => panic!("a function: {name}"),
    }
}

#[test]
fn models_are_found() {
    let package = Package::new();
    let config =
        package.config(&format!("{BASE}[models.a]\npath='models/twin.pt'\n[models.b]\npath='package/x/twin.pt'\n"));
    let found = |model: &'static str| {
        let registration = Registration { model, ..package.registration() };
        resolve(&registration, &config).map(|declaration| (file_of(&declaration), declaration.model.options.device))
    };
    let auto = DeviceChoice::Auto;
    let lenet = Ok((package.path("models/lenet5.pt"), DeviceChoice::Cuda(1)));
    assert_eq!(found("lenet5"), lenet);
    assert_eq!(found("models/lenet5.pt"), lenet, "beside the file, with the device of its table");
    assert_eq!(found("../models/lenet5.pt").map(|(_, device)| device), Ok(DeviceChoice::Cuda(1)));
    assert_eq!(found("lenet5.pt"), lenet, "by its file name");
    assert_eq!(found("local.pt"), Ok((package.path("package/local.pt"), auto)), "beside the package");
    assert_eq!(found("models/other.pt2"), Ok((package.path("models/other.pt2"), auto)));

    let said = |model| found(model).unwrap_err().to_string().replace(&*package.folder.path().to_string_lossy(), "ROOT");
    assert_eq!(said("lenet"), "there is no model `lenet`\n  at tests/coverage.rs:7:3\n  help: did you mean `lenet5`?");
    assert_eq!(
        said("resnet"),
        "there is no model `resnet`\n  at tests/coverage.rs:7:3\n  help: known: `a`, `b` and `lenet5`"
    );
    assert_eq!(
        said("lenet6.pt"),
        "there is no model lenet6.pt: looked for ROOT/package/lenet6.pt and ROOT/lenet6.pt\n  at tests/coverage.rs:7:3\n  \
         help: did you mean `lenet5` of [models]?"
    );
    assert!(said("twin.pt").ends_with("help: several models have this file name; name one by its key in [models]"));
    assert!(said("none/zzz.pt").ends_with("help: paths start at the package's folder or that of cleanai.toml"));
    let gone = package.config(&BASE.replace("lenet5.pt", "gone.pt"));
    assert_eq!(
        resolve(&package.registration(), &gone).unwrap_err().what(),
        format!("the model of [models.lenet5] does not exist: {}", package.path("models/gone.pt").display())
    );
}

#[test]
fn without_a_file_the_package_is_enough_for_the_model() {
    let package = Package::new();
    let registration = Registration { model: "local.pt", ..package.registration() };
    let error = resolve(&registration, &Config::default()).unwrap_err();
    assert_eq!(error.what(), "there is no data to measure on");
    let registration = Registration { model: "lenet5", ..package.registration() };
    let error = resolve(&registration, &Config::default()).unwrap_err();
    assert_eq!(error.help(), Some("add [models.lenet5] with its `path` to cleanai.toml, or name a file, `lenet5.pt`"));
}

#[test]
fn data_is_chosen() {
    let package = Package::new();
    let two = format!("{BASE}[data.letters]\ntest='l'\n");
    let mut registration = package.registration();
    let error = resolve(&registration, &package.config(&two)).unwrap_err();
    assert_eq!(error.what(), "the data is not chosen; there are `digits` and `letters`");
    assert_eq!(error.help(), Some("add `data = \"…\"` to the attribute, to [tests.lenet] or to [defaults]"));
    let chosen = |config: &str, registration: &Registration| {
        resolve(registration, &package.config(config)).map(|declaration| declaration.data.name)
    };
    assert_eq!(chosen(&format!("{two}[defaults]\ndata='letters'"), &registration), Ok("letters".to_owned()));
    registration.data = Some("digits");
    assert_eq!(chosen(&format!("{two}[defaults]\ndata='letters'"), &registration), Ok("digits".to_owned()));
    registration.data = Some("digit");
    let error = chosen(&two, &registration).unwrap_err();
    assert_eq!((error.what(), error.help()), ("there is no data `digit`", Some("did you mean `digits`?")));
}

#[test]
fn something_must_be_declared() {
    let package = Package::new();
    let mut registration = Registration { requirements: &[], ..package.registration() };
    let error = resolve(&registration, &package.config(BASE)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`deep::lenet` declares nothing: it has no requirements and no body\n  at tests/coverage.rs:7:3\n  \
         help: add a requirement such as `nc >= 0.4` to the attribute, or `require` to [tests.lenet]"
    );
    registration.body = Some(|_| Ok(()));
    assert!(resolve(&registration, &package.config(BASE)).is_ok());
    let registration = Registration {
        requirements: &["nc >= 0.4", "nc@\"[\\\"a\\\"]\" >= 1", "nc(layers=[\"a\"]) >= 2"],
        ..package.registration()
    };
    let error = resolve(&registration, &package.config(BASE)).unwrap_err();
    assert_eq!(error.what(), "`nc(layers=[\"a\"]) >= 2` bounds what `nc(layers=[\"a\"]) >= 1` bounds already");
}

#[test]
fn a_table_s_options_reach_the_declaration() {
    let package = Package::new();
    let config = package.config(&BASE.replace(
        "[models.lenet5]",
        "[models.lenet5]\nlibraries = ['libtorchvision.so', 'lib/own.so']\nstate = 'keep'",
    ));
    let options = resolve(&package.registration(), &config).expect("a declaration").model.options;
    assert_eq!(options.state, StateChoice::Keep);
    assert_eq!(
        options.libraries,
        [PathBuf::from("libtorchvision.so"), package.path("lib/own.so")],
        "a bare name is the loader's"
    );
    let missing = package.config(&BASE.replace("path='models/lenet5.pt'", "function='lenet'"));
    let error = resolve(&package.registration(), &missing).unwrap_err().to_string();
    assert!(error.contains("names the function `lenet`, which is no model"), "{error}");
}

/// The origin of a setting in words, with its value.
fn setting(settled: &crate::config::Settled, key: &str) -> (String, String) {
    let setting = settled.settings.iter().find(|setting| setting.key == key).unwrap_or_else(|| panic!("no {key}"));
    (setting.value.clone(), setting.origin.to_string())
}

#[test]
fn every_setting_knows_where_it_comes_from() {
    let package = Package::new();
    let config = package.config(&format!(
        "{BASE}transform=['scale']\n[tests.'deep::lenet']\nrequire=[\n  'nac >= 0.2',\n  'nbc <= 0.2',\n]\nbatch=8\n\
         [defaults]\nrequire=['nac > 0.1', 'accuracy >= 0.9']\nbatch=4\nlayers='logits'\n\
         [baseline]\ntolerance={{ default=0.01, nc=0.1 }}\n[report]\npdf='out/c.pdf'\n"
    ));
    let registration = Registration { neurons: Some(NeuronKind::Unit), ..package.registration() };
    let settled = settle(&registration, &config);
    let attribute = "attribute tests/coverage.rs:7";
    for (key, value, origin) in [
        ("model", "lenet5", attribute),
        ("model.path", &package.path("models/lenet5.pt").display().to_string(), "cleanai.toml:2 [models.lenet5]"),
        ("model.state", "fresh", "default"),
        ("device", "cuda:1", "cleanai.toml:3 [models.lenet5]"),
        ("data", "digits", "the only one: [data.digits]"),
        ("data.test", "d", "cleanai.toml:5 [data.digits]"),
        ("data.profile", "t", "cleanai.toml:6 [data.digits]"),
        ("data.transform", "[\"scale\"]", "cleanai.toml:7 [data.digits]"),
        ("data.on_bad_input", "fail", "default"),
        ("batch", "8", "cleanai.toml:13 [tests.\"deep::lenet\"]"),
        ("layers", "logits", "cleanai.toml:17 [defaults]"),
        ("neurons", "unit", attribute),
        ("non_finite", "error", "default"),
        ("baseline.tolerance", "0.01", "cleanai.toml:19 [baseline]"),
        ("baseline.tolerance.nc", "0.1", "cleanai.toml:19 [baseline]"),
        ("baseline.on_improvement", "ignore", "default"),
        ("report.pdf", &package.path("out/c.pdf").display().to_string(), "cleanai.toml:21 [report]"),
        ("report.json", "true", "default"),
    ] {
        assert_eq!(setting(&settled, key), (value.to_owned(), origin.to_owned()), "{key}");
    }
    let requirements: Vec<_> =
        settled.requirements.iter().map(|(text, origin)| (text.as_str(), origin.to_string())).collect();
    let expected = [
        ("nc >= 0.4", attribute),
        ("nac >= 0.2", "cleanai.toml:10 [tests.\"deep::lenet\"]"),
        ("nbc <= 0.2", "cleanai.toml:11 [tests.\"deep::lenet\"]"),
        ("accuracy >= 0.9", "cleanai.toml:15 [defaults]"),
    ];
    assert_eq!(requirements, expected.map(|(text, origin)| (text, origin.to_owned())));
    assert_eq!(settled.tables, ["[tests.\"deep::lenet\"]", "[models.lenet5]", "[data.digits]"]);
    let declaration = settled.declaration.expect("a declaration");
    assert_eq!((declaration.batch, declaration.neurons), (8, NeuronKind::Unit));
}

#[test]
fn variables_win_and_say_so() {
    let package = Package::new();
    let text = format!(
        "{BASE}[tests.lenet]\nbatch=8\n[baseline]\ntolerance={{ default=0.01, nc=0.1 }}\n[report]\npdf=false\n"
    );
    fs::write(package.path(FILE_NAME), text).expect("a file");
    let variables = [
        ("CLEANAI_DEVICE", "cpu"),
        ("CLEANAI_BATCH", "3"),
        ("CLEANAI_BASELINE_TOLERANCE", "0.5"),
        ("CLEANAI_REPORT_PDF", "out.pdf"),
        ("CLEANAI_REPORT_JSON", "off"),
        ("CLEANAI_CACHE", "off"),
    ];
    let environment =
        Environment::read(variables.map(|(name, value)| (name.into(), value.into()))).expect("good variables");
    let config = Config::find_with(&package.path("package"), environment).expect("a good file");
    let registration = Registration { batch: Some(2), device: Some("cuda"), ..package.registration() };
    let settled = settle(&registration, &config);
    for (key, value, variable) in [
        ("device", "cpu", "CLEANAI_DEVICE"),
        ("batch", "3", "CLEANAI_BATCH"),
        ("baseline.tolerance", "0.5", "CLEANAI_BASELINE_TOLERANCE"),
        ("report.pdf", &package.path("out.pdf").display().to_string(), "CLEANAI_REPORT_PDF"),
        ("report.json", "false", "CLEANAI_REPORT_JSON"),
    ] {
        let found = settled.settings.iter().find(|setting| setting.key == key).expect(key);
        assert_eq!(
            (found.value.as_str(), &found.origin),
            (value, &Origin::Environment { variable: variable.to_owned() })
        );
    }
    assert_eq!(setting(&settled, "report.junit").1, "default");
    let declaration = settled.declaration.expect("a declaration");
    assert_eq!((declaration.batch, declaration.model.options.device), (3, DeviceChoice::Cpu));
    assert_eq!(
        (declaration.baseline.tolerance, declaration.baseline.per_criterion.len()),
        (Tolerance::Absolute(0.5), 0)
    );
    assert_eq!(
        config.environment.deciding(),
        ["CLEANAI_DEVICE=cpu", "CLEANAI_BATCH=3", "CLEANAI_BASELINE_TOLERANCE=0.5"]
    );
}

#[test]
fn what_is_missing_is_told_with_its_line() {
    let package = Package::new();
    let config = package.config(&format!("{BASE}[models.gone]\npath='models/gone.pt'\n[models.own]\nfunction='f'\n"));
    let said: Vec<String> = config
        .missing()
        .iter()
        .map(|error| error.to_string().replace(&package.folder.path().display().to_string(), "ROOT"))
        .collect();
    assert_eq!(said[0], "the model of [models.gone] does not exist: ROOT/models/gone.pt\n  at ROOT/cleanai.toml:8:1");
    assert!(
        said[1].starts_with("`profile` in [data.digits]: ") && said[1].ends_with("at ROOT/cleanai.toml:6:1"),
        "{}",
        said[1]
    );
    assert!(
        said[2].starts_with("`test` in [data.digits]: ") && said[2].ends_with("at ROOT/cleanai.toml:5:1"),
        "{}",
        said[2]
    );
    assert_eq!(said.len(), 3);
}
