//! Tests of the file and of what a test declares by it.

mod requirements;

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::data::transform::TransformStep;
use crate::declare::{
    Declaration, DeviceChoice, ModelSource, NeuronKind, NonFinite, OnBadInput, OnImprovement, Requirement, Selector,
    Source, StateChoice, Tolerance,
};
use crate::private::Registration;

fn parse(text: &str) -> Result<Config> {
    Config::parse(PathBuf::from("/p/cleanai.toml"), text)
}

#[track_caller]
fn refused(text: &str) -> String {
    parse(text).expect_err(text).to_string()
}

/// What is wrong, the marked text and the help.
#[track_caller]
fn parts(text: &str) -> (String, String, Option<String>) {
    let error = parse(text).expect_err(text);
    let place = error.place().expect("a place");
    let lines: Vec<&str> = place.snippet.lines().collect();
    let from = lines[2].find('^').expect("a marker");
    let marked: String = lines[1].chars().skip(from).take(lines[2].len() - from).collect();
    (error.what().to_owned(), marked, error.help().map(str::to_owned))
}

fn requirement(text: &str) -> Requirement {
    text.parse().expect(text)
}

#[test]
fn reads_everything() {
    let config = parse(
        r#"
[models.lenet5]
path = "models/lenet5.pt"            # .pt TorchScript or .pt2 torch.export
device = "cuda:1"
[models]
other = { path = 'b.pt2' }
[data.digits]
profile = "data/train"
untrusted = "data/noise"
test = "data/test#0..500"
transform = ["grayscale", { normalize = { mean = [0.5], std = [0.5] } }]
on_bad_input = "skip"
[tests.lenet5_digits]
data = "digits"
require = ["kmnc(k=1000) >= 0.5", "nbc <= 0.2", "accuracy >= 0.98", "kmnc(k=1000)@conv2 >= 0.4"]
layers = ["conv1", "class:ReLU"]
neurons = "unit"
batch = 16
device = "cpu"
non_finite = "ignore"
against = "other"
tolerance = { default = { neurons = 3 }, nbc = { items = 5 } }
[tests."deep::lenet5"]
layers = "layer4.*"
[defaults]
batch = 0x20
[baseline]
tolerance = { default = 0.01, "kmnc( k = 1000 )" = 0.05, nc = 0, "src.auroc" = { relative = 0.01 } }
on_improvement = "pending"
enabled = false
[report]
pdf = true
junit = "target/cleanai/junit.xml"
json = false
style = "cleanai"
"#,
    )
    .expect("a good file");
    assert_eq!(config.folder(), Some(Path::new("/p")));
    assert_eq!(
        config.models["lenet5"],
        ModelTable {
            path: Some("models/lenet5.pt".into()),
            device: Some(DeviceChoice::Cuda(1)),
            ..ModelTable::default()
        }
    );
    assert_eq!(config.models["other"], ModelTable { path: Some("b.pt2".into()), ..ModelTable::default() });
    assert_eq!(
        config.data["digits"],
        DataTable {
            profile: Some("data/train".into()),
            untrusted: Some("data/noise".into()),
            test: "data/test#0..500".into(),
            transform: vec![TransformStep::Grayscale, TransformStep::Normalize { mean: vec![0.5], std: vec![0.5] }],
            on_bad_input: OnBadInput::Skip,
            augment: Vec::new(),
        }
    );
    assert_eq!(
        config.tests["lenet5_digits"],
        TestTable {
            data: Some("digits".into()),
            require: ["kmnc(k=1000) >= 0.5", "nbc <= 0.2", "accuracy >= 0.98", "kmnc(k=1000)@conv2 >= 0.4"]
                .map(requirement)
                .to_vec(),
            layers: Some(Selector::Any(vec![Selector::Glob("conv1".into()), Selector::Class("ReLU".into())])),
            neurons: Some(NeuronKind::Unit),
            batch: Some(16),
            device: Some(DeviceChoice::Cpu),
            non_finite: Some(NonFinite::Ignore),
            against: Some("other".into()),
            tolerance: Tolerances {
                default: Some(Tolerance::Neurons(3)),
                per_criterion: [("nbc".to_owned(), Tolerance::Items(5))].into(),
            },
        }
    );
    let origin = config.tests["lenet5_digits"].require[1].origin.clone().expect("a place");
    assert_eq!((origin.to_string().as_str(), origin.column), ("cleanai.toml:15", 35));
    assert_eq!((origin.text.as_str(), origin.source), ("nbc <= 0.2", Source::Test));
    assert_eq!(config.tests["deep::lenet5"].layers, Some(Selector::Glob("layer4.*".into())));
    assert_eq!(config.defaults.batch, Some(32));
    assert_eq!(config.baseline.tolerance, Tolerance::Absolute(0.01));
    assert_eq!(
        config.baseline.per_criterion,
        BTreeMap::from([
            ("kmnc(k=1000)".into(), Tolerance::Absolute(0.05)),
            ("nc".into(), Tolerance::Absolute(0.0)),
            ("src.auroc".into(), Tolerance::Relative(0.01)),
        ])
    );
    assert_eq!((config.baseline.on_improvement, config.baseline.enabled), (OnImprovement::Pending, false));
    assert_eq!(config.report.pdf, ReportFile::Default);
    assert_eq!(config.report.junit, ReportFile::At("/p/target/cleanai/junit.xml".into()));
    assert_eq!(config.report.json, ReportFile::No);
    assert_eq!(config.report.style, ReportStyle::Cleanai);
}

#[test]
fn an_empty_file_is_all_defaults() {
    let config = parse("").expect("an empty file");
    assert_eq!(config, Config { path: Some("/p/cleanai.toml".into()), ..Config::default() });
    assert_eq!(parse("[models]\n[report]\n[baseline]\n").expect("empty tables"), config);
}

#[test]
fn errors_as_the_user_sees_them() {
    assert_eq!(
        refused("[baseline]\n  tolerence = 0.01 # too much\n"),
        "unknown key `tolerence` in [baseline]
  at /p/cleanai.toml:2:3
    |
  2 |   tolerence = 0.01 # too much
    |   ^^^^^^^^^
  help: did you mean `tolerance`?"
    );
    assert_eq!(
        refused("\n[tests.lenet]\nrequire = [\n  'nc >= 0.4',\n  'kmnc(k=1000) => 0.4',\n]\n"),
        "an element of `require` in [tests.lenet]: `=>` is no comparison
  at /p/cleanai.toml:5:17
    |
  5 |   'kmnc(k=1000) => 0.4',
    |                 ^^
  help: write `>=`"
    );
    assert_eq!(
        refused("[data.digits]\ntest = 'a'\n[data.letters]\ntest = 'b'\n[tests.x]\ndata = 'digit'\n"),
        "`data` in [tests.x] names no data: there is no [data.digit]
  at /p/cleanai.toml:6:8
    |
  6 | data = 'digit'
    |        ^^^^^^^
  help: did you mean `digits`?"
    );
    assert_eq!(
        refused("[models.a]\ndevice = 'cpu'\n"),
        "[models.a] lacks `path`
  at /p/cleanai.toml:1:1
    |
  1 | [models.a]
    | ^^^^^^^^^^
  help: add `path = \"models/lenet5.pt\"`"
    );
    assert_eq!(
        refused("[models.a]\npath = 'x'\n[models.a]\n"),
        "duplicate key
  at /p/cleanai.toml:3:9
    |
  3 | [models.a]
    |         ^"
    );
}

#[test]
fn every_key_and_value_is_checked() {
    let some = |text: &str| Some(text.to_owned());
    for (text, what, marked, help) in [
        ("[model.a]", "unknown key `model` at the top", "model", some("did you mean `models`?")),
        (
            "[report]\nhtml = true",
            "unknown key `html` in [report]",
            "html",
            some("known: `pdf`, `junit`, `json` and `style`"),
        ),
        ("[defaults]\nzeta = 1\nalpha = 1", "unknown key `zeta` in [defaults]", "zeta", None),
        ("[models.a]\npath = 3", "`path` in [models.a] must be a string, not a whole number", "3", None),
        ("[models.a]\npath = ' '", "`path` in [models.a] is empty", "' '", None),
        ("[models.'a b']\npath = []", "`path` in [models.\"a b\"] must be a string, not a list", "[]", None),
        (
            "[models]\npath = 'a.pt'",
            "`path` in [models] must be a table",
            "path",
            some("write [models.NAME] and its keys below"),
        ),
        ("models = 3", "[models] must be a table, not a whole number", "3", None),
        ("[[report]]", "[report] must be a table, not a list", "[[report]]", None),
        ("[models.'']\npath='a'", "a name in [models] is empty", "''", None),
        (
            "[models.a]\npath='a'\ndevice='gpu'",
            "`device` in [models.a]: unknown device `gpu`",
            "'gpu'",
            some("a GPU is `cuda`, or `cuda:1` for the second"),
        ),
        ("[data.a]\nprofile='a'", "[data.a] lacks `test`", "[data.a]", some("add `test = \"data/test\"`")),
        (
            "[data.a]\ntest='a'\non_bad_input='skp'",
            "`on_bad_input` in [data.a] cannot be `skp`",
            "'skp'",
            some("did you mean `skip`?"),
        ),
        (
            "[data.a]\ntest='a'\ntransform='grayscale'",
            "`transform` in [data.a] must be a list, not a string",
            "'grayscale'",
            None,
        ),
        (
            "[tests.a]\ndata='a'",
            "`data` in [tests.a] names no data: there is no [data.a]",
            "'a'",
            some("add it: [data.a] with `test = \"data/test\"`"),
        ),
        (
            "[tests.a]\nrequire='nc >= 0.4'",
            "`require` in [tests.a] must be a list",
            "'nc >= 0.4'",
            some("write `require = [\"nc >= 0.4\"]`"),
        ),
        ("[tests.a]\nrequire=3", "`require` in [tests.a] must be a list of strings", "3", None),
        (
            "[tests.a]\nrequire=[0.4]",
            "an element of `require` in [tests.a] must be a string, not a number",
            "0.4",
            None,
        ),
        (
            "[tests.a]\nrequire=[\"nc >= high\"]",
            "an element of `require` in [tests.a]: expected a number, `baseline` or `against` after `>=`, found `high`",
            "high",
            None,
        ),
        (
            "[tests.a]\nrequire=['nc > 0.1', 'nc() >= 0.2']",
            "`nc >= 0.2` bounds what `nc > 0.1` bounds already",
            "'nc() >= 0.2'",
            some("keep one of them"),
        ),
        (
            "[tests.a]\nrequire=['nc >= 40']",
            "`nc >= 40` can never hold: a share is never above 1",
            "'nc >= 40'",
            some("40 % is `nc >= 0.4`"),
        ),
        (
            "[defaults]\nrequire=['nc >= 0.5', 'nac >= 0.1', 'nc < 0.4']",
            "`nc < 0.4` contradicts `nc >= 0.5` (cleanai.toml:2): no figure meets both",
            "'nc < 0.4'",
            some("remove one, or swap the bounds: `nc >= 0.4` and `nc < 0.5`"),
        ),
        (
            "[tests.a]\nrequire=['per_class(min) >= 0.5', 'nc >= 0.1']",
            "an element of `require` in [tests.a]: `per_class(min)` is a figure, and no criterion stands before it",
            "per_class(min)",
            some("name the criterion, as in `nc.per_class(min)`"),
        ),
        ("[tests.a]\nagainst=' '", "`against` in [tests.a] is empty", "' '", None),
        (
            "[defaults]\nagainst='a'",
            "unknown key `against` in [defaults]",
            "against",
            some("known: `data`, `require`, `layers`, `neurons`, `batch`, `device` and `non_finite`"),
        ),
        // With an escape the text's bytes are not the file's: the whole string is marked.
        (
            "[tests.a]\nrequire=[\"nc\\u0020>= high\"]",
            "an element of `require` in [tests.a]: expected a number, `baseline` or `against` after `>=`, found `high`",
            "\"nc\\u0020>= high\"",
            None,
        ),
        (
            "[tests.a]\nrequire=['''nc >= high''']",
            "an element of `require` in [tests.a]: expected a number, `baseline` or `against` after `>=`, found `high`",
            "high",
            None,
        ),
        (
            "[tests.a]\nlayers='a['",
            "`layers` in [tests.a]: `a[` is no glob: unclosed character class; missing ']'",
            "a[",
            None,
        ),
        ("[tests.a]\nlayers=[]", "`layers` in [tests.a] names no layers", "[]", None),
        (
            "[tests.a]\nlayers=['a', 1]",
            "an element of `layers` in [tests.a] must be a string, not a whole number",
            "1",
            None,
        ),
        ("[tests.a]\nlayers=1.5", "`layers` in [tests.a] must be a string, not a number", "1.5", None),
        (
            "[tests.a]\nneurons='units'",
            "`neurons` in [tests.a] cannot be `units`",
            "'units'",
            some("did you mean `unit`?"),
        ),
        ("[tests.a]\nbatch=0", "`batch` in [tests.a] must be from 1 to 65536", "0", None),
        ("[tests.a]\nbatch=65537", "`batch` in [tests.a] must be from 1 to 65536", "65537", None),
        ("[tests.a]\nbatch=-1", "`batch` in [tests.a] must be from 1 to 65536", "-1", None),
        ("[tests.a]\nbatch=99999999999999999999", "`batch` in [tests.a] is out of range", "99999999999999999999", None),
        ("[tests.a]\nbatch=1.0", "`batch` in [tests.a] must be a whole number, not a number", "1.0", None),
        ("[tests.a]\nnon_finite=true", "`non_finite` in [tests.a] must be a string, not true or false", "true", None),
        ("[baseline]\ntolerance=nan", "`tolerance` in [baseline] must be finite", "nan", None),
        ("[baseline]\ntolerance=inf", "`tolerance` in [baseline] must be finite", "inf", None),
        ("[baseline]\ntolerance=1e999", "`tolerance` in [baseline] must be finite", "1e999", None),
        (
            "[baseline]\ntolerance=-0.1",
            "`tolerance` in [baseline] must not be negative",
            "-0.1",
            some("0 lets nothing fall"),
        ),
        ("[baseline]\ntolerance='a'", "`tolerance` in [baseline] must be a number, not a string", "'a'", None),
        (
            "[baseline]\ntolerance={ neurons=-1 }",
            "`neurons` in `tolerance` in [baseline] must not be negative",
            "-1",
            some("0 lets nothing fall"),
        ),
        (
            "[baseline]\ntolerance={ items=1.5 }",
            "`items` in `tolerance` in [baseline] must be a whole number, not a number",
            "1.5",
            None,
        ),
        (
            "[baseline]\ntolerance={ relative=5 }",
            "`relative` in `tolerance` in [baseline] is a share from 0 to 1",
            "5",
            some("`relative = 0.01` lets a figure fall by 1 % of what it was"),
        ),
        (
            "[baseline]\ntolerance={ relative=0.1, items=2 }",
            "`items` in `tolerance` in [baseline] stands beside another",
            "2",
            some("keep one of them"),
        ),
        (
            "[baseline]\ntolerance={ nc=0.1, items=2 }",
            "`items` stands beside criteria",
            "items",
            some("write `default = { items = … }`"),
        ),
        (
            "[baseline]\ntolerance={ nc={} }",
            "`nc` in `tolerance` in [baseline] says nothing",
            "{}",
            some("write `{ relative = 0.01 }`"),
        ),
        (
            "[baseline]\ntolerance={ nc={ neuron=1 } }",
            "unknown key `neuron` in `nc` in `tolerance` in [baseline]",
            "neuron",
            some("did you mean `neurons`?"),
        ),
        ("[tests.a]\ntolerance=-1", "`tolerance` in [tests.a] must not be negative", "-1", some("0 lets nothing fall")),
        ("[baseline.tolerance]\n'nc(' = 0.1", "`nc(` is no criterion: `(` is not closed", "'nc('", None),
        ("[baseline.tolerance]\nkmcn = 0.1", "unknown criterion `kmcn`", "kmcn", some("did you mean `kmnc`?")),
        ("[baseline.tolerance]\n'nc()' = 0.1\nnc = 0.1", "`nc` has a tolerance already", "nc", None),
        ("[baseline.tolerance]\nnc = nan", "`nc` in `tolerance` in [baseline] must be finite", "nan", None),
        (
            "[baseline]\non_improvement='fial'",
            "`on_improvement` in [baseline] cannot be `fial`",
            "'fial'",
            some("did you mean `fail`?"),
        ),
        ("[baseline]\nenabled=1", "`enabled` in [baseline] must be true or false, not a whole number", "1", None),
        ("[report]\npdf=1", "`pdf` in [report] must be true, false or a path", "1", None),
        (
            "[report]\nstyle='clean-ai'",
            "`style` in [report] cannot be `clean-ai`",
            "'clean-ai'",
            some("did you mean `cleanai`?"),
        ),
        ("[report]\npdf=''", "`pdf` in [report] is empty", "''", None),
        ("[report]\npdf=1979-05-27", "`pdf` in [report] must be true, false or a path", "1979-05-27", None),
    ] {
        let found = parts(text);
        assert_eq!((found.0.as_str(), found.1.as_str()), (what, marked), "{text}");
        if help.is_some() {
            assert_eq!(found.2, help, "{text}");
        }
    }
}

#[test]
fn serde_errors_point_into_the_file() {
    let (what, marked, _) = parts("[data.a]\ntest='a'\ntransform=['grayscale', 'greyscale']");
    assert!(what.starts_with("an element of `transform` in [data.a]: "), "{what}");
    assert_eq!(marked, "'greyscale'");
    let (_, marked, _) = parts("[data.a]\ntest='a'\ntransform=[{ normalize = { mean = ['x'], std = [0.5] } }]");
    assert_eq!(marked, "'x'");
}

#[test]
fn broken_toml_is_shown() {
    for (text, line) in [("[models.a", 1), ("a = \n", 1), ("[report]\npdf = \"x", 2), ("\u{0}", 1)] {
        let error = parse(text).expect_err(text);
        assert_eq!(error.place().expect("a place").line, line, "{error}");
        assert!(!error.what().contains('\n'), "{error}");
    }
    // Neither overflows the stack.
    assert!(parse(&format!("a = {}", "[".repeat(100_000))).is_err());
    assert!(parse(&format!("{}x = 1", "a.".repeat(100_000))).is_err());
}

#[test]
fn files_are_found_and_bounded() {
    let folder = tempfile::tempdir().expect("a folder");
    let package = folder.path().join("a/b");
    fs::create_dir_all(&package).expect("folders");
    // A folder of that name is not the file.
    fs::create_dir(package.join(FILE_NAME)).expect("a folder");
    let file = folder.path().join(FILE_NAME);
    fs::write(&file, "[report]\npdf = false\n").expect("a file");
    let found = Config::find(&package).expect("a good file");
    assert_eq!(found.path.as_deref(), Some(file.as_path()));
    assert_eq!(found.report.pdf, ReportFile::No);

    let small = "# comment\n".repeat(1 << 16);
    fs::write(&file, &small).expect("a file");
    assert!(Config::find(&package).is_ok());
    fs::write(&file, small.repeat(2)).expect("a file");
    let error = Config::find(&package).unwrap_err();
    assert_eq!(error.what(), format!("{} is larger than 1048576 bytes", file.display()));
    fs::write(&file, b"a = '\xff'").expect("a file");
    assert_eq!(Config::load(&file).unwrap_err().what(), format!("{} is not UTF-8: byte 5 is wrong", file.display()));
    let missing = Config::load(&folder.path().join("none.toml")).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Io);
}

#[test]
fn unused_tests_are_told_with_their_likeness() {
    let config = parse("[tests.lenet]\n[tests.'deep::lenet']\n[tests.lenett]\n[tests.other]\n").expect("a good file");
    assert_eq!(config.unused_tests(&["lenet", "deep::lenet"]), [("lenett", Some("lenet")), ("other", None)]);
}

/// A package with models on disk, and a file above it.
struct Package {
    folder: tempfile::TempDir,
    manifest: &'static str,
}

impl Package {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for path in ["models/lenet5.pt", "models/other.pt2", "package/local.pt", "package/x/twin.pt", "models/twin.pt"]
        {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            fs::write(path, "model").expect("a file");
        }
        // Tests end soon; a registration holds nothing shorter-lived.
        let manifest = Box::leak(folder.path().join("package").display().to_string().into_boxed_str());
        Self { folder, manifest }
    }

    fn registration(&self) -> Registration {
        Registration {
            name: "lenet",
            module_path: "coverage::deep",
            file: "tests/coverage.rs",
            line: 7,
            column: 3,
            manifest_dir: self.manifest,
            // Not the package that runs this test, whose folder cargo names.
            package: "of-a-test",
            target: "coverage",
            model: "lenet5",
            against: None,
            requirements: &["nc >= 0.4"],
            places: &[(8, 5)],
            data: None,
            layers: None,
            neurons: None,
            batch: None,
            device: None,
            non_finite: None,
            ignored: false,
            body: None,
            assert_snapshot: |_, _| {},
        }
    }

    fn config(&self, text: &str) -> Config {
        Config::parse(self.folder.path().join(FILE_NAME), text).expect(text)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }
}

const BASE: &str = "[models.lenet5]\npath='models/lenet5.pt'\ndevice='cuda:1'\n[data.digits]\ntest='d'\nprofile='t'\n";

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
    assert_eq!((plain.batch, plain.neurons, plain.layers), (DEFAULT, NeuronKind::Channel, Selector::Default));
    let auto = resolve(&package.registration(), &package.config(&BASE.replace("device='cuda:1'\n", "")))
        .expect("a declaration");
    assert_eq!(auto.model.options.device, DeviceChoice::Auto);
}

const DEFAULT: usize = crate::declare::DEFAULT_BATCH;

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
