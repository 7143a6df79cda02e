//! Tests of the file and of what a test declares by it.

mod environment;
mod keys;
mod requirements;
mod settle;

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::data::transform::TransformStep;
use crate::declare::{
    DeviceChoice, NeuronKind, NonFinite, OnBadInput, OnImprovement, Requirement, Selector, Source, Tolerance,
};

pub(super) fn parse(text: &str) -> Result<Config> {
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
html = "out/page.html"
markdown = false
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
    assert_eq!(config.tests["deep::lenet5"].layers, Some(Selector::Glob("layer4.*".into())));
    assert_eq!(config.defaults.batch, Some(32));
    let origin = config.tests["lenet5_digits"].require[1].origin.clone().expect("a place");
    assert_eq!((origin.to_string().as_str(), origin.column), ("cleanai.toml:15", 35));
    assert_eq!((origin.text.as_str(), origin.source), ("nbc <= 0.2", Source::Test));
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
    assert_eq!(config.report.html, ReportFile::At("/p/out/page.html".into()));
    assert_eq!(config.report.markdown, ReportFile::No);
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

#[test]
fn junit_may_be_strict() {
    let report = |text: &str| parse(text).expect("a sound file").report;
    let strict = report("[report]\njunit = { path = 'a/junit.xml', strict = true }");
    assert_eq!((strict.junit, strict.junit_strict), (ReportFile::At("/p/a/junit.xml".into()), true));
    let strict = report("[report.junit]\nstrict = true");
    assert_eq!((strict.junit, strict.junit_strict), (ReportFile::Default, true));
    assert!(!report("[report]\njunit = 'a.xml'").junit_strict && !report("").junit_strict);
    for (text, what) in [
        ("[report]\njunit = { strict = 1 }", "`strict` in `junit` in [report]"),
        ("[report]\njunit = { strickt = true }", "unknown key `strickt`"),
        ("[report]\njunit = { path = '' }", "is empty"),
        ("[report]\njunit = 3", "`junit` in [report] must be true, false or a path"),
    ] {
        let error = parse(text).expect_err(text);
        assert!(error.what().contains(what), "{error}");
    }
}
