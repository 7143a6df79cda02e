//! Whole measurements are made once: with a warm cache no model runs, and every figure is the same.

#![cfg(unix)]

mod common;

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use cleanai_harness::criteria::registry::{CriterionDescription, CriterionRegistration, ValueKind};
use cleanai_harness::criteria::{BatchEnd, Criterion, Direction, Figures, LayerValues, Needs, Start, State};
use cleanai_harness::declare::{CriterionSpec, DataLocation, Declaration, NeuronKind, OnBadInput, Requirement};
use cleanai_harness::measure::probe::{Moment, watched};
use cleanai_harness::measure::{self, Measurement, Plan};
use common::{Case, declaration, root};

const CASE: Case<'static> = Case {
    model: "models/lenet5.pt",
    profile: Some("train"),
    test: "test",
    transform: "[\"grayscale\", \"scale\", { normalize = { mean = [0.5], std = [0.5] } }]",
};

/// What `work` gives, and how many inputs a model was run on for it.
fn counted<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let inputs = Rc::new(Cell::new(0));
    let seen = Rc::clone(&inputs);
    let count = move |moment: Moment<'_>| {
        if let Moment::Before(batch) = moment {
            seen.set(seen.get() + batch.inputs);
        }
    };
    let done = watched(count, work);
    (done, inputs.get())
}

fn specs(texts: &[&str]) -> Vec<CriterionSpec> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn once(declaration: &Declaration, texts: &[&str]) -> (Measurement, usize) {
    let (measured, inputs) = counted(|| measure::once(declaration, &specs(texts)));
    (measured.unwrap_or_else(|error| panic!("{error}")), inputs)
}

/// As text, in which NaN is NaN, without what tells where it is from.
fn text(measurement: &Measurement) -> String {
    format!("{:#?}", Measurement { cached: None, ..measurement.clone() })
}

/// Twenty images of each class of the digits, in a folder of their own, and the model.
fn copied() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let digits = root().join("examples/digits");
    for (from, to) in [("data/train", "train"), ("data/test", "test")] {
        for class in 0..10 {
            let (from, to) =
                (digits.join(from).join(class.to_string()), folder.path().join(to).join(class.to_string()));
            fs::create_dir_all(&to).unwrap();
            let mut images: Vec<PathBuf> = fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).collect();
            images.sort();
            for image in &images[..20] {
                fs::copy(image, to.join(image.file_name().unwrap())).unwrap();
            }
        }
    }
    fs::create_dir(folder.path().join("models")).unwrap();
    fs::copy(digits.join("models/lenet5.pt"), folder.path().join("models/lenet5.pt")).unwrap();
    folder
}

/// A criterion of another crate: how many inputs there were.
struct Inputs(CriterionSpec);

struct Seen(u64);

impl Criterion for Inputs {
    fn spec(&self) -> &CriterionSpec {
        &self.0
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn start(&self, _: Start<'_>) -> cleanai_harness::Result<Box<dyn State>> {
        Ok(Box::new(Seen(0)))
    }
}

impl State for Seen {
    fn observe(&mut self, _: LayerValues<'_>) {}

    fn end_batch(&mut self, batch: BatchEnd<'_>) -> cleanai_harness::Result<()> {
        self.0 += batch.inputs as u64;
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn State>) -> cleanai_harness::Result<()> {
        self.0 += other.into_any().downcast::<Seen>().expect("a state of this criterion").0;
        Ok(())
    }

    fn figures(&self) -> Figures {
        Figures { value: Some(self.0 as f64), ..Figures::default() }
    }

    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any> {
        self
    }
}

cleanai_harness::private::inventory::submit! {
    CriterionRegistration {
        description: CriterionDescription {
            name: "acme::inputs",
            summary: "counts inputs",
            parameters: &[],
            direction: Direction::HigherIsBetter,
            value: ValueKind::Number,
            reference: "ours",
        },
        build: |spec| Ok(Box::new(Inputs(spec.clone()))),
    }
}

const PROFILE: usize = 200;
const TEST: usize = 200;

/// The only test of this program: it sets a variable of the environment.
#[test]
fn a_warm_cache_runs_no_model() {
    let cache = tempfile::tempdir().unwrap();
    // SAFETY: no other test of this program reads the environment meanwhile, and the model runs later.
    unsafe { std::env::set_var("CLEANAI_CACHE", cache.path()) };
    let data = copied();
    every_figure_is_the_same(data.path(), cache.path());
    whatever_figures_depend_on_measures_anew(data.path());
    tests_share_what_is_there(data.path());
    what_files_do_not_tell_is_measured_anew(data.path());
    damage_is_repaired(data.path(), cache.path());
    of_two_at_once_one_measures(data.path());
}

fn entries(cache: &Path) -> Vec<PathBuf> {
    fs::read_dir(cache.join("measurements")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn every_figure_is_the_same(data: &Path, cache: &Path) {
    let texts = [
        "nc",
        "nac(threshold=0.5)@relu3",
        "kmnc(k=100)",
        "kmnc(k=10, neurons=\"unit\")",
        "nbc",
        "snac",
        "tknc(k=3)",
        "tknp(k=2)",
        "nlc",
        "ss",
        "idc(m=4, clusters=2..=3)",
        "dsa",
        "lsa(on_singular=\"shrink\")",
        "dsc",
        "src",
        "accuracy",
        "ece",
        "high_confidence",
    ];
    let declaration = declaration(data, &CASE);
    let (cold, inputs) = once(&declaration, &texts);
    assert_eq!((inputs, cold.cached), (PROFILE + TEST, None));
    assert_eq!(entries(cache).len(), 1);
    let (warm, inputs) = once(&declaration, &texts);
    assert_eq!(inputs, 0, "no model runs");
    assert!(warm.cached.is_some());
    assert_eq!(text(&warm), text(&cold));
    // Values of single inputs are there too, and not a number where there was none.
    assert_eq!(warm.criteria["dsa"].per_input.inputs.len(), TEST);
    // What tells of single inputs is measured.
    let ((_, facts), inputs) = counted(|| measure::with_inputs(&declaration, &specs(&["dsa"])).unwrap());
    assert_eq!((facts.len(), inputs), (TEST, TEST), "the traces of the profile set are in the cache");
}

fn whatever_figures_depend_on_measures_anew(data: &Path) {
    let texts = ["nc", "accuracy", "kmnc(k=10)"];
    let plain = declaration(data, &CASE);
    once(&plain, &texts);
    let hit = |declaration: &Declaration, texts: &[&str]| once(declaration, texts).1 == 0;
    assert!(hit(&plain, &texts));
    assert!(!hit(&plain, &["nc", "accuracy", "kmnc(k=11)"]));
    assert!(!hit(&plain, &["nc", "accuracy"]));
    assert!(!hit(&Declaration { batch: 7, ..plain.clone() }, &texts));
    assert!(!hit(&Declaration { neurons: NeuronKind::Unit, ..plain.clone() }, &texts));
    assert!(!hit(&Declaration { layers: "relu*".parse().unwrap(), ..plain.clone() }, &texts));
    let mut other = plain.clone();
    other.data.on_bad_input = OnBadInput::Skip;
    assert!(!hit(&other, &texts));
    let mut other = plain.clone();
    other.data.test.path = "test#..100".into();
    assert!(!hit(&other, &texts));
    let mut other = plain.clone();
    other.data.transform.pop();
    assert!(!hit(&other, &texts));
    let mut other = plain.clone();
    other.data.augment = vec!["gaussian(std=0.1, seed=1)".parse().unwrap()];
    assert!(!hit(&other, &texts));
    assert!(hit(&other, &texts));

    // A byte of an image, an image's name, a class that moves labels, a byte of the model.
    let image = fs::read_dir(data.join("test/3")).unwrap().next().unwrap().unwrap().path();
    let (own, elsewhere) = (fs::read(&image).unwrap(), image.with_file_name("zzz.png"));
    fs::write(&image, fs::read(data.join("test/4").join(first(&data.join("test/4")))).unwrap()).unwrap();
    assert!(!hit(&plain, &texts));
    fs::write(&image, own).unwrap();
    assert!(hit(&plain, &texts), "the same bytes again");
    fs::rename(&image, &elsewhere).unwrap();
    assert!(!hit(&plain, &texts));
    fs::rename(&elsewhere, &image).unwrap();
    assert!(hit(&plain, &texts));
    let model = data.join("models/lenet5.pt");
    let own = fs::read(&model).unwrap();
    fs::copy(root().join("examples/digits/models/lenet5.pt2"), &model).unwrap();
    assert!(!hit(&plain, &texts));
    fs::write(&model, own).unwrap();
    assert!(hit(&plain, &texts));

    // Elsewhere with the same bytes it is the same.
    let moved = copied();
    assert!(hit(&declaration(moved.path(), &CASE), &texts));
    // An image that cannot be read is no reason to say something else than the pass does.
    fs::remove_file(&image).unwrap();
    std::os::unix::fs::symlink("nowhere.png", &image).unwrap();
    let error = measure::once(&plain, &specs(&texts)).unwrap_err();
    assert!(error.what().contains(image.file_name().unwrap().to_str().unwrap()), "{error}");
    fs::remove_file(&image).unwrap();
    fs::copy(moved.path().join(image.strip_prefix(data).unwrap()), &image).unwrap();
}

fn first(folder: &Path) -> PathBuf {
    fs::read_dir(folder).unwrap().next().unwrap().unwrap().file_name().into()
}

fn tests_share_what_is_there(data: &Path) {
    let test = |requirement: &str| {
        let requirements = vec![requirement.parse::<Requirement>().unwrap()];
        Declaration { requirements, report: specs(&["cleanai::tc(threshold=0.5)"]), ..declaration(data, &CASE) }
    };
    let plan = || Plan::new(vec![test("nbc <= 1"), test("kmnc(k=20) >= 0.01")]);
    let measured = |plan: Plan| counted(|| [plan.measure(0).unwrap(), plan.measure(1).unwrap()]);
    let (cold, inputs) = measured(plan());
    assert_eq!(inputs, TEST, "the profile is in the cache");
    let (warm, inputs) = measured(plan());
    assert_eq!(inputs, 0);
    for (warm, cold) in warm.iter().zip(&cold) {
        assert_eq!((text(warm), warm.cached.is_some()), (text(cold), true));
        assert!(warm.report.is_some());
    }
}

fn what_files_do_not_tell_is_measured_anew(data: &Path) {
    let plain = declaration(data, &CASE);
    let mut files = plain.clone();
    files.model.options.allow_files = true;
    for _ in 0..2 {
        assert_eq!(once(&files, &["nc"]).1, TEST);
    }
    let untrusted = |path: &str| {
        let mut declaration = plain.clone();
        declaration.data.untrusted = Some(DataLocation { path: path.into(), root: data.into() });
        declaration
    };
    let hit = |path: &str| once(&untrusted(path), &["mrc"]).1 == 0;
    assert!(!hit("train#..50"));
    assert!(hit("train#..50"));
    assert!(!hit("train#..60"));
    // With a criterion of another crate the executable counts, which is the same here.
    let (foreign, inputs) = once(&plain, &["acme::inputs", "nc"]);
    assert_eq!((foreign.value("acme::inputs").unwrap(), inputs), (TEST as f64, TEST));
    let (foreign, inputs) = once(&plain, &["acme::inputs", "nc"]);
    assert_eq!((foreign.value("acme::inputs").unwrap(), inputs), (TEST as f64, 0));
}

fn damage_is_repaired(data: &Path, cache: &Path) {
    let plain = declaration(data, &CASE);
    let (cold, _) = once(&plain, &["nc"]);
    for entry in entries(cache) {
        let whole = fs::read(&entry).unwrap();
        fs::write(&entry, &whole[..whole.len() - 1]).unwrap();
    }
    let (again, inputs) = once(&plain, &["nc"]);
    assert_eq!((inputs, again.cached), (TEST, None));
    assert_eq!(again.criteria, cold.criteria);
    assert_eq!(once(&plain, &["nc"]).1, 0);
}

fn of_two_at_once_one_measures(data: &Path) {
    let plain = declaration(data, &CASE);
    let one = || once(&plain, &["tknc(k=4)", "kmnc(k=30)"]);
    let (first, second) = std::thread::scope(|scope| {
        let (first, second) = (scope.spawn(one), scope.spawn(one));
        (first.join().unwrap(), second.join().unwrap())
    });
    let mut inputs = [first.1, second.1];
    inputs.sort_unstable();
    assert!(inputs == [0, TEST] || inputs == [0, PROFILE + TEST], "{inputs:?}");
    assert_eq!(first.0.criteria, second.0.criteria);
}
