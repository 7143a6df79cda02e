//! `report` as a user runs it: the PDF's text against figures measured by themselves, and what is refused.
#![cfg(feature = "pdf")]

mod common;

use std::path::Path;
use std::process::Command;

use cleanai_harness::declare::Declaration;
use cleanai_harness::measure::{self, Plan};
use cleanai_harness::report::cleanai::Settings;
use common::{Case, declaration, root};
use printpdf::{PdfDocument, PdfParseOptions};
use serde_json::Value;

const MODEL: &str = "examples/digits/models/lenet5.pt";
const DATA: &str = "examples/digits/data/test";
const TRANSFORM: &str = "[\"grayscale\", \"scale\", { normalize = { mean = [0.5], std = [0.5] } }]";

/// Exit code and what was said.
fn engine(arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_cleanai-engine"))
        .current_dir(root())
        .env("SOURCE_DATE_EPOCH", "1795317247")
        .args(arguments)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

fn report(arguments: &[&str], path: &Path) -> (i32, String) {
    let output = format!("--output={}", path.display());
    engine(&[&["report", "--model", MODEL, "--transform", TRANSFORM, &output], arguments].concat())
}

/// The texts of the report, in the order they are drawn, page after page.
fn texts(path: &Path) -> Vec<String> {
    let bytes = std::fs::read(path).unwrap();
    PdfDocument::parse(&bytes, &PdfParseOptions::default(), &mut Vec::new()).unwrap().extract_text().concat()
}

/// Whether these cells stand side by side.
fn has_row(texts: &[String], row: &[String]) -> bool {
    texts.windows(row.len()).any(|found| found == row)
}

fn measured(data: &str, criteria: &[&str], more: &[&str]) -> Value {
    let criteria: Vec<String> = criteria.iter().map(|text| format!("--criterion={text}")).collect();
    let mut arguments = vec!["measure", "--model", MODEL, "--transform", TRANSFORM, "--data", data, "--json", "-"];
    arguments.extend(["--batch", "16"]);
    arguments.extend(criteria.iter().map(String::as_str));
    arguments.extend(more);
    let (code, said) = engine(&arguments);
    assert_eq!(code, 0, "{said}");
    serde_json::from_str(&said).unwrap_or_else(|why| panic!("{why}\n{said}"))
}

/// `[covered, total, share]` as the report writes them.
fn counts(covered: &Value, total: &Value) -> Vec<String> {
    let share = covered.as_f64().unwrap() / total.as_f64().unwrap() * 100.0;
    vec![covered.to_string(), total.to_string(), format!("{share:.2}%")]
}

#[test]
fn rows_are_the_measured_figures() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.pdf");
    // Two inputs only: they are the pair, and the several inputs too.
    let data = format!("{DATA}#0..2");
    let (code, said) = report(&["--style=cleanai", "--data", &data, "--seed", "5", "--pairs"], &path);
    assert_eq!(code, 0, "{said}");
    let texts = texts(&path);
    let names: Vec<&String> = texts
        .windows(2)
        .filter(|pair| ["first input", "second input"].contains(&pair[0].as_str()))
        .map(|pair| &pair[1])
        .collect();
    let both = measured(&data, &["cleanai::nc", "cleanai::sign", "cleanai::value", "cleanai::ss", "cleanai::vv"], &[]);
    let in_order = both["criteria"]["cleanai::sign"]["details"]["inputs"][0] == **names[0];
    // The first drawn input by itself.
    let first = format!("{DATA}#{}", if in_order { "0..1" } else { "1..2" });
    let one = measured(
        &first,
        &["cleanai::nc", "cleanai::tc", "cleanai::tknc", "cleanai::nbc", "cleanai::mnc"],
        &["--profile", &data],
    );
    let nc = &one["criteria"]["cleanai::nc"];
    let details = &nc["details"];
    for layer in nc["layers"].as_array().unwrap() {
        let name = layer["name"].as_str().unwrap();
        let mut row = vec![format!("Layer {}", details["layer_index"][name]), "ReLU".to_owned()];
        row.extend(counts(&layer["covered"], &layer["total"]));
        row.push(format!("{:.2}", details["means"][name].as_f64().unwrap()));
        assert!(has_row(&texts, &row), "{row:?} is not in {texts:?}");
    }
    let row = |name: &[&str], result: &Value| -> Vec<String> {
        let name = name.iter().map(|text| (*text).to_owned());
        name.chain(counts(&result["covered"], &result["total"])).collect()
    };
    let one = &one["criteria"];
    let both = &both["criteria"];
    let intervals = &one["cleanai::mnc"]["details"]["intervals_covered"];
    let interval = serde_json::json!({ "covered": intervals[0], "total": one["cleanai::mnc"]["total"] });
    for row in [
        row(&["All model", "-"], nc),
        row(&["All model"], &both["cleanai::nc"]),
        row(&["All model", "-"], &one["cleanai::tc"]),
        row(&["Sign Coverage"], &both["cleanai::sign"]),
        row(&["Value Coverage"], &both["cleanai::value"]),
        row(&["Sign-Sign Coverage"], &both["cleanai::ss"]),
        row(&["Value-Value Coverage"], &both["cleanai::vv"]),
        row(&["Neuron Boundary Coverage"], &one["cleanai::nbc"]),
        row(&["0 - 0.1"], &interval),
        vec!["Informations".into(), MODEL.into(), "61706".into(), "12".into()],
        vec![
            "Top-K Neuron Coverage".into(),
            format!("{:.2}", one["cleanai::tknc"]["details"]["sum"].as_f64().unwrap()),
            "12".into(),
            format!("{:.2}", one["cleanai::tknc"]["value"].as_f64().unwrap()),
        ],
    ] {
        assert!(has_row(&texts, &row), "{row:?} is not in {texts:?}");
    }
}

#[test]
fn sections_stand_in_the_order_of_the_library() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.pdf");
    let (code, said) =
        report(&["--data", DATA, "--inputs", "7", "--pairs", "--intervals", "[[0, 1], [1, 2.5]]"], &path);
    assert_eq!(code, 0, "{said}");
    let found = texts(&path);
    let titles = [
        "CleanAI Analysis Report",
        "Model Informations",
        "Coverage Values of Layers (For Only One Input)",
        "Coverage Values of Layers (For Multiple Inputs) 7 Inputs",
        "Threshold Coverage Values of Layers (TH = 0.75)",
        "Sign Coverage and Value Coverage (TH = 0.75) Values of Model",
        "SS, SV, VS and VV Coverage (TH = 0.75) Values of Model",
        "Top-K Neuron Coverage (K = 3) Value of Model",
        "Neuron Boundary Coverage Value of Model (For 7 Inputs)",
        "Multisection Neuron Coverage Value of Model",
    ];
    let places: Vec<usize> = titles
        .iter()
        .map(|title| found.iter().position(|text| text == title).unwrap_or_else(|| panic!("no {title:?} in {found:?}")))
        .collect();
    assert!(places.is_sorted(), "{places:?}");
    for text in ["1 - 2.5", "Mean of Top-K Neurons", "Number of covered neuron pairs", "2026-11-22 03:14 UTC", "1 / 3"]
    {
        assert!(found.iter().any(|own| own.contains(text)), "no {text:?} in {found:?}");
    }
    // The same seed and date give the same bytes, another seed other inputs.
    let again = folder.path().join("again.pdf");
    report(&["--data", DATA, "--inputs", "7", "--pairs", "--intervals", "[[0, 1], [1, 2.5]]"], &again);
    assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(&again).unwrap());
    report(&["--data", DATA, "--inputs", "7", "--seed", "1"], &again);
    let other = texts(&again);
    assert!(!other.iter().any(|text| text.starts_with("SS, SV, VS")), "{other:?}");
    let first = |texts: &[String]| texts.windows(2).find(|pair| pair[0] == "first input").unwrap()[1].clone();
    assert_ne!(first(&found), first(&other));
}

#[test]
fn bad_input_is_one_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.pdf");
    let one = format!("{DATA}#0..1");
    for (arguments, says) in [
        (&["--data", DATA, "--top-k", "0"][..], "parameter `k` of `cleanai::tknc` must be a whole number"),
        (&["--data", DATA, "--threshold", "NaN"], "parameter `threshold` of `cleanai::tc` must be a finite number"),
        (&["--data", DATA, "--value-threshold", "inf"], "must be a finite number"),
        (&["--data", DATA, "--intervals", "[[0.2, 0.1]]"], "is no list of intervals"),
        (&["--data", DATA, "--intervals", "[[0, 1]], layers=\"x\""], "is no list of intervals"),
        (&["--data", DATA, "--inputs", "0"], "at least one"),
        (&["--data", &one], "the report compares two inputs"),
        (&["--data", DATA, "--style", "plain"], "invalid value 'plain'"),
    ] {
        let (code, said) = report(arguments, &path);
        assert_eq!(code, 2, "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
        assert!(!path.exists());
    }
    for (criterion, says) in [
        ("cleanai::sign(inputs=[\"nobody.png\", \"0/0.png\"])", "has no input `nobody.png`"),
        ("cleanai::nc(neurons=\"channel\")", "counts units, not channels"),
        ("cleanai::nbc", "needs ranges from a profile set"),
        ("cleanai::nc@rleu1", "matches no activation module"),
        ("cleanai::tc@fc3", "matches no activation module"),
    ] {
        let arguments =
            ["measure", "--model", MODEL, "--transform", TRANSFORM, "--data", &one, "--criterion", criterion];
        let (code, said) = engine(&arguments);
        assert_eq!(code, 2, "{criterion}: {said}");
        assert!(said.contains(says), "{criterion}: {said}");
    }
    let arguments =
        ["measure", "--model", MODEL, "--transform", TRANSFORM, "--data", &one, "--criterion", "cleanai::sign"];
    let (code, said) = engine(&arguments);
    assert!(code == 2 && said.contains("compares two inputs, and there are fewer"), "{said}");
}

#[test]
fn test_settings_of_layers_and_neurons_are_not_for_modules() {
    let data = format!("{DATA}#0..2");
    let plain = measured(&data, &["cleanai::nc"], &[]);
    let other = measured(&data, &["cleanai::nc"], &["--layers", "fc3", "--neurons", "channel"]);
    assert_eq!(plain["criteria"], other["criteria"]);
    let some = measured(&data, &["cleanai::ss(layers=[\"relu1\",\"relu3\"])"], &[]);
    let layers = &some["criteria"]["cleanai::ss(layers=[\"relu1\",\"relu3\"])"]["layers"];
    assert_eq!(layers[0]["name"], "relu1 -> relu3");
}

/// What a test with `[report] style = "cleanai"` declares, on files of the repository.
fn in_cleanai_style(model: &str, data: &str, profile: Option<&str>) -> Declaration {
    let case = Case { model, profile, test: data, transform: "[]" };
    let requirements = vec!["nc >= 0.0".parse().unwrap()];
    Declaration { requirements, report: Settings::default().criteria(), ..declaration(&root(), &case) }
}

#[test]
fn what_the_report_shows_is_measured_beside_what_is_required() {
    let data = "fixtures/data/resnet_test.npz";
    let plan = Plan::new(vec![in_cleanai_style("fixtures/models/shared.pt", data, None)]);
    let measurement = plan.measure(0).unwrap();
    assert_eq!(measurement.criteria.keys().collect::<Vec<_>>(), ["nc"]);
    let report = measurement.report.unwrap();
    assert_eq!(report.missing.keys().collect::<Vec<_>>(), ["cleanai::nbc"]);
    assert!(report.missing["cleanai::nbc"].contains("needs ranges from a profile set"));
    assert_eq!(report.criteria.len(), 10);
    // `relu` is called twice; it is one layer, by its own name.
    let layers = &report.criteria["cleanai::nc"].layers;
    assert_eq!(layers.iter().map(|layer| layer.name.as_str()).collect::<Vec<_>>(), ["relu"]);
    let units = measurement.model.layers.iter().find(|layer| layer.name == "relu#2").unwrap().units();
    assert_eq!(layers[0].total, Some((units * measurement.data.inputs) as u64));
    let whole = in_cleanai_style("fixtures/models/shared.pt", data, Some(data));
    let report = Plan::new(vec![whole]).measure(0).unwrap().report.unwrap();
    assert_eq!((report.criteria.len(), report.criteria["cleanai::nbc"].covered), (11, Some(0)));
}

#[test]
fn a_model_without_activation_modules_is_still_judged() {
    let data = "fixtures/data/root_one_negative.npz#0..5";
    let declaration = in_cleanai_style("fixtures/models/root.pt", data, None);
    let measurement = Plan::new(vec![declaration.clone()]).measure(0).unwrap();
    let report = measurement.report.unwrap();
    assert!(report.criteria.is_empty() && measurement.criteria.contains_key("nc"));
    assert_eq!(report.missing.len(), 11);
    let required = ["cleanai::tc".parse().unwrap()];
    let error = measure::once(&declaration, &required).unwrap_err();
    assert!(error.what().contains("calls no module of class ReLU"), "{error}");
    assert!(error.help().unwrap().contains("`nc`, `nac`"), "{error}");
}
