//! Monitors as a service has them: exported, loaded, asked; and everything that is refused.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use cleanai_harness::declare::{CriterionSpec, DataLocation, Declaration, ModelSource};
use cleanai_harness::measure::{self, Measurement};
use cleanai_harness::model::Model;
use cleanai_harness::monitor::file::MonitorFile;
use cleanai_harness::monitor::{Decision, Monitor};
use common::{Case, declaration, root};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

const TRANSFORM: &str = "[\"grayscale\", \"scale\", { normalize = { mean = [0.5], std = [0.5] } }]";
const BATCH: usize = 16;

fn digits() -> PathBuf {
    root().join("examples/digits")
}

fn digits_declaration(model: &str) -> Declaration {
    let case = Case { model, profile: Some("data/train"), test: "data/test#0..96", transform: TRANSFORM };
    let mut declaration = declaration(&digits(), &case);
    declaration.batch = BATCH;
    declaration
}

fn location(path: &str) -> DataLocation {
    DataLocation { path: path.to_owned(), root: digits() }
}

fn spec(text: &str) -> CriterionSpec {
    text.parse().unwrap()
}

fn engine(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_cleanai-engine"))
        .current_dir(digits())
        .env("CLEANAI_CACHE", "off")
        .args(arguments)
        .output()
        .unwrap()
}

/// The test inputs as batches, as the pass runs them.
fn batches(declaration: &Declaration) -> Vec<Tensor> {
    let set = cleanai_harness::data::DataSet::open(
        &declaration.data.test,
        &declaration.data.transform,
        declaration.data.on_bad_input,
    );
    let set = set.unwrap();
    let batches = set.batches(BATCH).map(|batch| {
        let batch = batch.unwrap();
        let size: Vec<i64> = [batch.size].iter().chain(set.shape()).map(|size| *size as i64).collect();
        Tensor::from_slice(&batch.fields[0].values.to_floats()).view(size.as_slice())
    });
    batches.collect()
}

fn column<'m>(measured: &'m Measurement, text: &str, name: &str) -> &'m [f64] {
    let columns = &measured.criteria[text].per_input.columns;
    &columns.iter().find(|(own, _)| own == name).unwrap().1
}

#[test]
fn a_service_decides_as_the_criteria_measure() {
    let folder = tempfile::tempdir().unwrap();
    let signature = folder.path().join("digits.monitor");
    for model in ["models/lenet5.pt", "models/lenet5.pt2"] {
        let mut declaration = digits_declaration(model);
        declaration.data.untrusted = Some(location("data/test#96..200"));
        let inputs = batches(&declaration);
        for text in ["src", "mrc(q=10)", "topk(k=3)", "knn(k=1)", "src(layers=\"penultimate\",neurons=\"unit\")"] {
            let exported = measure::export_monitor(&declaration, &spec(text)).unwrap();
            exported.file.write(&signature).unwrap();
            let measured = measure::once(&declaration, &[spec(text)]).unwrap();
            let details = &measured.criteria[text].details;
            assert_eq!(details["trusted_acceptance_rate"].as_f64(), exported.trusted_acceptance_rate, "{text}");
            assert_eq!(details["untrusted_acceptance_rate"].as_f64(), exported.untrusted_acceptance_rate, "{text}");
            let monitor = Monitor::load(&digits().join(model), &signature).unwrap();
            let decide =
                || -> Vec<Decision> { inputs.iter().flat_map(|batch| monitor.check_batch(batch).unwrap()).collect() };
            let decisions = decide();
            let numbers = |number: &dyn Fn(&Decision) -> f64| decisions.iter().map(number).collect::<Vec<f64>>();
            assert_eq!(numbers(&|own| own.eta), column(&measured, text, "eta"), "{model} {text}");
            assert_eq!(numbers(&|own| own.confidence), column(&measured, text, "confidence"), "{model} {text}");
            assert_eq!(numbers(&|own| own.class as f64), column(&measured, text, "class"), "{model} {text}");
            let accepted = numbers(&|own| f64::from(u8::from(own.accepted)));
            assert_eq!(accepted, column(&measured, text, "accepted"), "{model} {text}");
            assert!(decisions.iter().any(|own| !own.worst_layers.is_empty()), "{model} {text}");
            for decision in &decisions {
                let shares: Vec<f64> = decision.worst_layers.iter().map(|layer| layer.share).collect();
                assert!(shares.len() <= 3 && shares.is_sorted_by(|one, next| one >= next), "{shares:?}");
                assert!(shares.iter().all(|share| *share > 0.0 && *share <= 1.0), "{shares:?}");
            }
            // Threads get the same, each for itself.
            std::thread::scope(|scope| {
                let threads: Vec<_> = (0..3)
                    .map(|_| {
                        let inputs: Vec<Tensor> = inputs.iter().map(Tensor::shallow_clone).collect();
                        let monitor = &monitor;
                        scope.spawn(move || {
                            inputs.iter().flat_map(|batch| monitor.check_batch(batch).unwrap()).collect::<Vec<_>>()
                        })
                    })
                    .collect();
                for thread in threads {
                    assert_eq!(thread.join().unwrap(), decisions);
                }
            });
            // One input alone: with a batch axis or without one it is the same.
            let one = inputs[0].get(3);
            assert_eq!(monitor.check(&one).unwrap(), monitor.check(&one.unsqueeze(0)).unwrap());
            assert_eq!(monitor.check(&one).unwrap().class, decisions[3].class);
        }
    }
}

#[test]
fn a_value_that_is_no_number_is_not_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let signature = folder.path().join("digits.monitor");
    for text in ["src", "mrc", "topk", "knn"] {
        let exported = measure::export_monitor(&digits_declaration("models/lenet5.pt"), &spec(text)).unwrap();
        exported.file.write(&signature).unwrap();
        let monitor = Monitor::load(&digits().join("models/lenet5.pt"), &signature).unwrap();
        let decision = monitor.check(&Tensor::full([1, 28, 28], f64::NAN, (Kind::Float, Device::Cpu))).unwrap();
        assert!(!decision.accepted && decision.confidence < 0.5, "{text}: {decision:?}");
    }
}

#[test]
fn it_is_exported_on_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("digits.monitor");
    let arguments =
        ["monitor", "export", "--model", "models/lenet5.pt", "--profile", "data/train", "--transform", TRANSFORM];
    let output =
        engine(&[&arguments[..], &["--by", "mrc(q=5)", "--batch", "16", "--out", out.to_str().unwrap()]].concat());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let exported = measure::export_monitor(&digits_declaration("models/lenet5.pt"), &spec("mrc(q=5)")).unwrap();
    assert_eq!(MonitorFile::read(&out).unwrap(), exported.file);
    assert_eq!(std::fs::read(&out).unwrap(), exported.file.to_bytes().unwrap());
    for text in ["mrc(q=5) over ", " of 10 classes", "  class 9: ", " % of the trusted inputs"] {
        assert!(said.contains(text), "{text:?} is not in {said}");
    }
    let wrong = |more: &[&str]| {
        let output = engine(&[&arguments[..], more].concat());
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let none = folder.path().join("none");
    let said = wrong(&["--by", "nc", "--out", none.to_str().unwrap()]);
    assert!(said.contains("`nc` is no monitor"), "{said}");
    assert!(!none.exists());
}

#[test]
fn measure_takes_an_untrusted_set() {
    let measured = |more: &[&str]| -> Value {
        let arguments = [
            "measure",
            "--model",
            "models/lenet5.pt",
            "--data",
            "data/test#0..96",
            "--profile",
            "data/train",
            "--transform",
            TRANSFORM,
            "--json",
            "-",
        ];
        let output = engine(&[&arguments[..], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let own = "knn(untrusted=\"data/test#96..130\")";
    let all = measured(&[
        "--untrusted",
        "data/test#96..200",
        "--criterion",
        "src",
        "--criterion",
        own,
        "--criterion",
        "src_in_range",
    ]);
    let details = |text: &str| &all["criteria"][text]["details"];
    assert_eq!(details("src")["untrusted_inputs"], 104);
    assert_eq!(details("src_in_range")["untrusted_inputs"], 104);
    // What names its own does not look at that of the data.
    assert_eq!(details(own)["untrusted_inputs"], 34);
    assert!(details("src")["auroc"].is_number() && details("src")["tpr_at_5_fpr"].is_number());
    assert!(all["criteria"]["src"].get("per_input").is_none());
    let without = measured(&["--criterion", "src"]);
    assert!(without["criteria"]["src"]["details"].get("auroc").is_none());
}

#[test]
fn figures_of_a_monitor_can_be_required() {
    let mut declaration = digits_declaration("models/lenet5.pt");
    let text = "src(untrusted = \"data/test#96..200\").auroc >= 0.0";
    declaration.requirements = vec![text.parse().unwrap()];
    let criteria: Vec<CriterionSpec> = declaration.requirements.iter().map(|own| own.criterion.clone()).collect();
    let measured = measure::once(&declaration, &criteria).unwrap();
    let auroc = measured.value("src(untrusted=\"data/test#96..200\").auroc").unwrap();
    assert!((0.0..=1.0).contains(&auroc));
    let verdicts = cleanai_harness::gate::thresholds::judge(&declaration.requirements, &measured, None);
    assert!(verdicts[0].holds && verdicts[0].observed == Some(auroc), "{verdicts:?}");
}

/// An error with its paths relative to a folder.
fn text(error: &cleanai_harness::Error, folder: &Path) -> String {
    error.to_string().replace(&format!("{}/", folder.display()), "").replace(&format!("{}/", root().display()), "")
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let signature = folder.path().join("digits.monitor");
    let digits_model = digits().join("models/lenet5.pt");
    let exported = measure::export_monitor(&digits_declaration("models/lenet5.pt"), &spec("src")).unwrap();
    exported.file.write(&signature).unwrap();
    let refused = |model: &Path| text(&Monitor::load(model, &signature).unwrap_err(), folder.path());

    // Another model.
    let other = digits().join("models/lenet5.pt2");
    let hash = |path: &Path| Model::open(path, Default::default()).unwrap().sha256()[..12].to_owned();
    assert_eq!(
        refused(&other),
        format!(
            "digits.monitor is the monitor signature of another model (SHA-256 {}, examples/digits/models/lenet5.pt2 has {})\n  \
             help: export it again for this model: `cargo cleanai monitor export`",
            hash(&digits_model),
            hash(&other)
        )
    );
    // Another version of the format, a file that was tampered with, no signature.
    let whole = std::fs::read(&signature).unwrap();
    let help = "\n  help: export it again: `cargo cleanai monitor export`";
    let with = |bytes: &[u8]| {
        std::fs::write(&signature, bytes).unwrap();
        refused(&digits_model)
    };
    let mut changed = whole.clone();
    changed[8] = 2;
    assert_eq!(
        with(&changed),
        format!(
            "digits.monitor: the saved monitor signature is of format 2, this version of CleanAI reads format 1{help}"
        )
    );
    let mut changed = whole.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    assert_eq!(with(&changed), format!("digits.monitor: the saved monitor signature is damaged{help}"));
    assert_eq!(with(b"no signature"), format!("digits.monitor: this is no saved monitor signature{help}"));
    // A layer that the model has not.
    let mut file = exported.file.clone();
    file.facts.layers[0].name = "elsewhere".into();
    assert_eq!(
        with(&file.to_bytes().unwrap()),
        "digits.monitor is the monitor signature of a layer `elsewhere` that the model has not in this shape\n  \
         help: export it again for this model: `cargo cleanai monitor export`"
    );
    // Inputs of another shape, or too many of them.
    std::fs::write(&signature, &whole).unwrap();
    let monitor = Monitor::load(&digits_model, &signature).unwrap();
    let zeros = |size: &[i64]| Tensor::zeros(size, (Kind::Float, Device::Cpu));
    assert_eq!(
        monitor.check(&zeros(&[3, 28, 28])).unwrap_err().to_string(),
        "x has the shape [3, 28, 28], the monitor was made for a batch of [1, 28, 28]\n  \
         help: give inputs the transform that the monitor was exported with"
    );
    assert_eq!(
        monitor.check(&zeros(&[2, 1, 28, 28])).unwrap_err().to_string(),
        "one input is wanted, there are 2\n  help: `check_batch` judges several"
    );
    assert_eq!(monitor.check_batch(&zeros(&[0, 1, 28, 28])).unwrap(), []);
    assert!(monitor.check(&zeros(&[1, 28, 28])).is_ok());
}

/// A model whose output does not depend on its input.
#[cleanai_harness::model]
fn scoreless(device: Device) -> cleanai_harness::Result<Model> {
    let example = Tensor::zeros([2, 1, 28, 28], (Kind::Float, device));
    let forward = |x: &Tensor| {
        drop(x.relu());
        Tensor::ones([2, 3], (Kind::Float, device))
    };
    Model::from_fn(forward, &example)
}

#[test]
fn what_cannot_be_a_monitor_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |declaration: &Declaration| {
        text(&measure::export_monitor(declaration, &spec("src")).unwrap_err(), folder.path())
    };
    // A model without logits.
    let mut without = digits_declaration("scoreless");
    without.model.source = ModelSource::Function("scoreless".into());
    let scoreless = "src needs class scores, and scoreless has none in its output";
    assert_eq!(refused(&without), scoreless);
    // Profile inputs without labels.
    let images = folder.path().join("inputs.npy");
    let npy = |shape: &str, count: usize| {
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
        let header = format!("{header:<117}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend(118u16.to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.resize(bytes.len() + 4 * count, 0);
        std::fs::write(&images, bytes).unwrap();
    };
    npy("(2, 1, 28, 28)", 2 * 28 * 28);
    let array = DataLocation { path: images.to_str().unwrap().to_owned(), root: PathBuf::new() };
    let mut declaration = digits_declaration("models/lenet5.pt");
    declaration.data.transform = Vec::new();
    declaration.data.profile = Some(array.clone());
    let labels = "the profile inputs have no labels, so none of them can be trusted\n  \
                  help: put images into one folder per class, or give an array `y` (npz) or a labels file (idx)";
    assert_eq!(refused(&declaration), labels);
    declaration.data.test = array.clone();
    let error = measure::once(&declaration, &[spec("src")]).unwrap_err();
    assert_eq!(error.to_string(), format!("src: {labels}"));
    // An untrusted set of another shape.
    let mut declaration = digits_declaration("models/lenet5.pt");
    npy("(2, 1, 14, 14)", 2 * 14 * 14);
    declaration.data.transform.clear();
    declaration.data.transform =
        cleanai_harness::data::transform::parse("[{ normalize = { mean = 0.5, std = 0.5 } }]").unwrap();
    declaration.data.untrusted = Some(array);
    let shapes = |own: &str| {
        format!(
            "after the transform an untrusted input has the shape [1, 14, 14], a {own} input [1, 28, 28]\n  \
         help: add a resize to the transform, so that both are alike"
        )
    };
    assert_eq!(refused(&declaration), shapes("profile"));
    let error = measure::once(&declaration, &[spec("src")]).unwrap_err();
    assert_eq!(error.to_string(), shapes("test"));
    // No profile set, and one that is not there.
    let mut declaration = digits_declaration("models/lenet5.pt");
    declaration.data.profile = None;
    assert_eq!(
        measure::once(&declaration, &[spec("src")]).unwrap_err().what(),
        "src needs the activation traces of a profile set, and the data names none"
    );
    let mut declaration = digits_declaration("models/lenet5.pt");
    declaration.data.untrusted = Some(location("data/nose"));
    let error = measure::once(&declaration, &[spec("src")]).unwrap_err();
    assert!(error.what().starts_with("untrusted data: "), "{error}");
}

#[test]
fn classes_without_trusted_inputs_accept_nothing() {
    // Images of two classes alone are trusted.
    let mut declaration = digits_declaration("models/lenet5.pt");
    declaration.data.profile = Some(location("data/train#0..200"));
    declaration.data.test = location("data/test");
    let measured = measure::once(&declaration, &[spec("src")]).unwrap();
    let classes = measured.criteria["src"].details["monitor"]["classes"].as_array().unwrap();
    let without: Vec<u64> = classes
        .iter()
        .filter(|class| class["trusted"] == 0)
        .map(|class| {
            assert!(class["tau"].is_null());
            class["class"].as_u64().unwrap()
        })
        .collect();
    assert!(without.len() >= 5, "{classes:?}");
    let of_class = column(&measured, "src", "class").iter().zip(column(&measured, "src", "accepted"));
    let refused = of_class.filter(|(class, _)| without.contains(&(**class as u64))).map(|(_, accepted)| *accepted);
    let refused: Vec<f64> = refused.collect();
    assert!(refused.len() > 100 && refused.iter().all(|accepted| *accepted == 0.0));
}
