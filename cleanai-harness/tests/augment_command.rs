//! `augment` as a user runs it: pictures, arrays and their manifest; that they are read again as they were made; and what is refused.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

mod common;

use common::root;

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

fn augment(data: &str, attack: &str, out: &Path, more: &[&str]) -> (i32, String) {
    let out = out.display().to_string();
    let all =
        ["augment", "--model", MODEL, "--data", data, "--transform", TRANSFORM, "--attack", attack, "--out", &out];
    engine(&[&all[..], more].concat())
}

/// The lines of a manifest, by column.
fn manifest(folder: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(folder.join("manifest.csv")).unwrap();
    assert_eq!(
        reader.headers().unwrap().iter().collect::<Vec<_>>(),
        ["input", "parent", "label", "attack", "success", "distortion_l2", "distortion_linf"]
    );
    reader.deserialize().map(|line| line.unwrap()).collect()
}

/// What a measurement of what was written says of its accuracy.
fn accuracy(data: &Path, transform: &str) -> f64 {
    let data = data.display().to_string();
    let asked = ["measure", "--model", MODEL, "--data", &data, "--transform", transform, "--criterion", "accuracy"];
    let (code, said) = engine(&[&asked[..], &["--json", "-"]].concat());
    assert_eq!(code, 0, "{said}");
    let found: serde_json::Value = serde_json::from_str(&said).unwrap();
    found["criteria"]["accuracy"]["value"].as_f64().unwrap()
}

#[test]
fn pictures_are_read_again_as_they_were_made() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new/fgsm");
    let (code, said) = augment(&format!("{DATA}#..120"), "fgsm(eps=0.3)", &out, &[]);
    assert_eq!(code, 0, "{said}");
    let lines = manifest(&out);
    assert_eq!(lines.len(), 120);
    let of = |line: &BTreeMap<String, String>, column: &str| line[column].clone();
    let succeed = lines.iter().filter(|line| of(line, "success") == "true").count();
    assert!(said.contains(&format!("fgsm(eps=0.3, norm=\"inf\"): {succeed} of 120 inputs succeed")), "{said}");
    assert!(succeed > 30, "{succeed}");
    for (at, line) in lines.iter().enumerate() {
        let input = of(line, "input");
        assert!(input.starts_with(&format!("{}/{at:04}_", of(line, "label"))), "{input}");
        let picture = image::open(out.join(&input)).unwrap();
        assert_eq!((picture.width(), picture.height(), picture.color()), (28, 28, image::ColorType::L8));
        let parent = image::open(root().join(DATA).join(of(line, "parent"))).unwrap().to_luma8();
        let moved: Vec<f64> = picture
            .to_luma8()
            .iter()
            .zip(parent.iter())
            .map(|(made, own)| f64::from(made.abs_diff(*own)) / 255.0)
            .collect();
        let (length, largest) =
            (moved.iter().map(|by| by * by).sum::<f64>().sqrt(), moved.iter().copied().fold(0.0, f64::max));
        assert!(largest <= 0.3, "{input}: {largest}");
        let told = |column: &str| of(line, column).parse::<f64>().unwrap();
        assert!((told("distortion_l2") - length).abs() < 1e-4, "{input}: {length}");
        assert!((told("distortion_linf") - largest).abs() < 1e-6, "{input}: {largest}");
        assert_eq!(of(line, "attack"), "fgsm(eps=0.3, norm=\"inf\")");
    }
    // The folder is a data set of its own, and what succeeds is what is wrong in it.
    let wrong = (1.0 - accuracy(&out, TRANSFORM)) * 120.0;
    assert!((wrong - succeed as f64).abs() < 1e-6, "{wrong}, {succeed}");
    assert_eq!(std::fs::read_dir(out.parent().unwrap()).unwrap().count(), 1, "nothing else is left");
}

#[test]
fn arrays_are_read_again_as_they_were_made() {
    let folder = tempfile::tempdir().unwrap();
    for (at, attack) in ["gaussian(std=0.5, seed=3)", "bim(eps=0.2, target=3)"].into_iter().enumerate() {
        let out = folder.path().join(at.to_string());
        let (code, said) = augment(&format!("{DATA}#..50"), attack, &out, &["--format", "npz", "--batch", "7"]);
        assert_eq!(code, 0, "{said}");
        let lines = manifest(&out);
        assert_eq!((lines.len(), lines[49]["input"].as_str()), (50, "inputs.npz:x[49]"));
        let succeed = lines.iter().filter(|line| line["success"] == "true").count();
        let right = accuracy(&out.join("inputs.npz"), "[{ normalize = { mean = [0.5], std = [0.5] } }]") * 50.0;
        if at == 0 {
            assert!((50.0 - right - succeed as f64).abs() < 1e-6, "{right}, {succeed}");
        } else {
            assert!(succeed > 25 && right < 26.0, "{right}, {succeed}");
            assert!(lines.iter().all(|line| line["distortion_linf"].parse::<f64>().unwrap() < 0.2 + 1e-6));
        }
    }
}

#[test]
fn what_is_in_the_way_is_named_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let full = folder.path().join("full");
    std::fs::create_dir(&full).unwrap();
    std::fs::write(full.join("file"), b"mine").unwrap();
    let out = folder.path().join("out");
    let few = format!("{DATA}#..5");
    for (attack, out, more, says) in [
        ("fgsm(eps=-0.1)", &out, &[][..], "`eps` in `fgsm` must be more than 0 and at most 1\n"),
        ("fgsm(epz=0.1)", &out, &[], "unknown key `epz` in `fgsm`"),
        ("fgms", &out, &[], "there is no augmentation `fgms`"),
        ("fgsm(target=12)", &out, &[], "`target` is 12, but the model has 10 classes, numbered from 0"),
        ("fgsm(target=\"cat\")", &out, &[], "`target` is the class `cat`, which this data does not have"),
        ("fgsm(range=[0, 0.25])", &out, &[], "which the range [0.0, 0.25] is after the transform"),
        ("gaussian(range=[-1, 1])", &out, &["--format", "png"], "--format png is for inputs of the shape (1, H, W)"),
        ("fgsm", &full, &[], "already, and nothing is overwritten"),
    ] {
        let (code, said) = augment(&few, attack, out, more);
        assert!(code == 2 && said.contains(says), "{attack}: {says:?} is not in\n{said}");
    }
    let entries = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!((entries, std::fs::read(full.join("file")).unwrap()), (1, b"mine".to_vec()));
    assert!(!out.exists());
}
