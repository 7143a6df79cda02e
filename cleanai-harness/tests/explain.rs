//! `explain` as a user runs it: pictures and JSON of digits, of inputs that are no pictures, what is refused; and the pictures of `idc`.

use std::path::Path;
use std::process::Command;

use cleanai_harness::importance::Picture;
use serde_json::Value;

mod common;

use common::{json, root};

const MODEL: &str = "examples/digits/models/lenet5.pt";
const DATA: &str = "examples/digits/data/test";
const TRANSFORM: &str = "[\"grayscale\", \"scale\", { normalize = { mean = [0.5], std = [0.5] } }]";

/// Exit code and what was said.
fn engine(arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cleanai-engine"));
    let output = command.current_dir(root()).args(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

fn digits(out: &Path, arguments: &[&str]) -> (i32, String) {
    let out = format!("--out={}", out.display());
    engine(&[&["explain", MODEL, "--data", DATA, "--transform", TRANSFORM, &out], arguments].concat())
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// An array of floats as a file.
fn npy(path: &Path, shape: &str, values: &[f32]) {
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn digits_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new/pictures");
    let (code, said) =
        digits(&out, &["--inputs", "0/0036.png,77", "--inputs", "0", "--layer", "fc3", "--layer", "relu*"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(files(&out), ["0000_0_0030.png", "0001_0_0036.png", "0077_1_0586.png", "relevance.json"]);
    for line in ["0001_0_0036.png  class 0, logit 13.89", "(label 0)", "relevance.json", "Red speaks for", "Next: "] {
        assert!(said.contains(line), "{line:?} is not in\n{said}");
    }
    let image = image::open(out.join("0001_0_0036.png")).unwrap().to_rgb8();
    assert_eq!(image.dimensions(), (3 * 168 + 8, 168));
    let strongest = image.pixels().filter(|pixel| pixel.0 == [202, 0, 32] || pixel.0 == [5, 80, 176]).count();
    assert!(strongest >= 2 * 36, "the most relevant pixel has the full colour in two panels: {strongest}");
    let found = json(&out.join("relevance.json"));
    let names: Vec<&str> =
        found["inputs"].as_array().unwrap().iter().map(|each| each["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["0/0036.png", "1/0586.png", "0/0030.png"], "in the order they are named");
    let first = &found["inputs"][0];
    assert_eq!(
        (&first["label"], &first["class"], &first["file"]),
        (&"0".into(), &"0".into(), &"0001_0_0036.png".into())
    );
    let layers = first["layers"].as_array().unwrap();
    let names: Vec<&str> = layers.iter().map(|each| each["layer"].as_str().unwrap()).collect();
    assert_eq!(names, ["relu1", "relu2", "relu3", "relu4", "fc3"]);
    // All relevance starts at the logit of the class, and a layer of six channels has no more.
    assert_eq!(layers[4]["neurons"][0], serde_json::json!({ "neuron": 0, "relevance": first["logit"] }));
    let of = |layer: usize| -> Vec<f64> {
        layers[layer]["neurons"].as_array().unwrap().iter().map(|each| each["relevance"].as_f64().unwrap()).collect()
    };
    let logit = first["logit"].as_f64().unwrap();
    assert!((of(0).iter().sum::<f64>() - logit).abs() < 1e-6 * logit, "{:?}", of(0));
    assert!(of(3).len() == 10 && of(3).is_sorted_by(|left, right| left >= right), "{:?}", of(3));
}

#[test]
fn the_first_inputs_and_the_penultimate_layer_by_default() {
    let folder = tempfile::tempdir().unwrap();
    let (code, said) = digits(folder.path(), &["--relevance", "z_plus"]);
    assert_eq!((code, files(folder.path()).len()), (0, 9), "{said}");
    let found = json(&folder.path().join("relevance.json"));
    assert_eq!((&found["relevance"], &found["inputs"][7]["index"]), (&"z_plus".into(), &7.into()));
    assert_eq!(found["inputs"][0]["layers"][0]["layer"], "relu4");
}

#[test]
fn inputs_that_are_no_pictures_are_in_the_json_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("x.npy");
    let values: Vec<f32> = (0..24).map(|at| (at as f32 * 0.7).sin()).collect();
    npy(&data, "(4, 6)", &values);
    let out = folder.path().join("out");
    let run = |model: &str| {
        let (data, out) = (data.display().to_string(), out.display().to_string());
        engine(&["explain", model, "--data", &data, "--out", &out, "--count", "3"])
    };
    let (code, said) = run("fixtures/kinds/activations.pt");
    assert_eq!(code, 0, "{said}");
    assert_eq!(files(&out), ["relevance.json"]);
    assert!(said.contains("note: 3 of 3 inputs have no picture") && !said.contains("Red speaks"), "{said}");
    let found = json(&out.join("relevance.json"));
    assert_eq!((found["inputs"].as_array().unwrap().len(), &found["inputs"][2]["file"]), (3, &Value::Null));
    // A model of a fixed batch takes one input after another all the same.
    let values: Vec<f32> = (0..5 * 36).map(|at| (at as f32 * 0.3).cos()).collect();
    npy(&data, "(5, 1, 6, 6)", &values);
    let (code, said) = run("fixtures/kinds/fixed_batch_four.pt");
    assert_eq!((code, files(&out).len()), (0, 4), "{said}");
}

#[test]
fn what_is_in_the_way_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("x.npy");
    npy(&data, "(2, 5, 8)", &[0.5; 80]);
    let (data, out) = (data.display().to_string(), folder.path().join("out"));
    let out_argument = out.display().to_string();
    let (code, said) =
        engine(&["explain", "fixtures/kinds/transformer_fused.pt", "--data", &data, "--out", &out_argument]);
    assert!(code == 2 && said.contains("aten::_transformer_encoder_layer_fwd"), "{said}");
    for (arguments, says) in [
        (&["--inputs", "0/0037.png"][..], "has no input `0/0037.png`"),
        (&["--inputs", "0/0037.png"], "did you mean `0/0030.png`?"),
        (&["--inputs", "0,9999"], "has no input number 9999"),
        (&["--inputs", ","], "no input is named"),
        (&["--count", "0"], "there is nothing to explain"),
        (&["--eps", "-1"], "the stabiliser `eps` of relevance must be above 0, not -1"),
        (&["--layer", "relu9"], "layer selector relu9 matches no layer"),
        (&["--relevance", "deep"], "invalid value 'deep'"),
    ] {
        let (code, said) = digits(&out, arguments);
        assert!(code == 2 && said.contains(says), "{arguments:?}: {says:?} is not in\n{said}");
    }
    assert!(!out.exists(), "nothing is written before an error");
}

#[test]
fn idc_shows_the_inputs_that_covered_most_first() {
    let profile = "examples/digits/data/train";
    let arguments = ["--profile", profile, "--transform", TRANSFORM, "--criterion", "idc(m=4)", "--criterion", "nc"];
    let (code, said) =
        engine(&[&["measure", "--model", MODEL, "--data", DATA, "--json", "-"], &arguments[..]].concat());
    assert_eq!(code, 0, "{said}");
    let found: Value = serde_json::from_str(&said).unwrap();
    let idc = &found["criteria"]["idc(m=4)"];
    let pictures: Vec<Picture> = serde_json::from_value(idc["pictures"].clone()).unwrap();
    let leading: Vec<&str> =
        idc["leading"].as_array().unwrap().iter().map(|each| each["name"].as_str().unwrap()).take(3).collect();
    assert_eq!(pictures.iter().map(|picture| picture.name.as_str()).collect::<Vec<_>>(), leading);
    for picture in &pictures {
        assert_eq!(picture.pixels().unwrap().dimensions(), (picture.width, picture.height));
        assert!(picture.class.is_some());
    }
    assert!(found["criteria"]["nc"].get("pictures").is_none());
}
