//! The profile cache as a user meets it: the second run of `measure` does not run the profile set, and says the same.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::Value;

mod common;

use common::root;

const TRANSFORM: &str = "[\"grayscale\", \"scale\", { normalize = { mean = [0.5], std = [0.5] } }]";

/// The measurement with the cache in this folder, of which profiles are looked at here: whole measurements are forgotten.
fn measure(cache: &str, arguments: &[&str]) -> Value {
    _ = fs::remove_dir_all(Path::new(cache).join("measurements"));
    let digits =
        ["--model", "models/lenet5.pt", "--transform", TRANSFORM, "--data", "data/test", "--profile", "data/train"];
    let output = Command::new(env!("CARGO_BIN_EXE_cleanai-engine"))
        .current_dir(root().join("examples/digits"))
        .env("CLEANAI_CACHE", cache)
        .arg("measure")
        .args(digits)
        .args([
            "--criterion",
            "kmnc(k=50)",
            "--criterion",
            "nbc(sigma=0.5)",
            "--criterion",
            "kmnc(k=5, neurons=\"unit\")",
        ])
        .args(arguments)
        .args(["--json", "-"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut measured: Value = serde_json::from_slice(&output.stdout).unwrap();
    measured.as_object_mut().unwrap().remove("seconds").unwrap();
    measured
}

fn profiles(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("profiles")).map(|all| all.map(|entry| entry.unwrap().path()).collect());
    entries.unwrap_or_default()
}

#[test]
fn a_profile_is_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().to_str().unwrap();
    let without = measure("off", &[]);
    assert_eq!(measure(cache, &[]), without);
    let made = profiles(folder.path());
    assert_eq!(made.len(), 2, "one of channels, one of units: {made:?}");

    // Used again it is marked as used, not written anew.
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let age = |path: &PathBuf| fs::File::options().append(true).open(path).unwrap().set_modified(long_ago).unwrap();
    made.iter().for_each(age);
    let inode = |path: &PathBuf| fs::metadata(path).unwrap().ino();
    let before: Vec<u64> = made.iter().map(inode).collect();
    assert_eq!(measure(cache, &[]), without);
    assert_eq!(made.iter().map(inode).collect::<Vec<_>>(), before);
    assert!(made.iter().all(|path| fs::metadata(path).unwrap().modified().unwrap() > long_ago));
    assert_eq!(profiles(folder.path()).len(), 2);

    // Another transform, batch size or neuron kind is another profile.
    measure(cache, &["--batch", "7"]);
    assert_eq!(profiles(folder.path()).len(), 4);

    // Damage is noticed, and repaired.
    let whole = fs::read(&made[0]).unwrap();
    fs::write(&made[0], &whole[..whole.len() / 2]).unwrap();
    assert_eq!(measure(cache, &[]), without);
    assert_eq!(fs::read(&made[0]).unwrap(), whole);
}

#[test]
fn a_folder_that_cannot_be_written_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "in the way").unwrap();
    assert_eq!(measure(file.to_str().unwrap(), &[]), measure("off", &[]));
}

#[test]
fn other_settings_of_idc_do_not_explain_the_profile_set_again() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().to_str().unwrap();
    let idc = |text: &str| measure(cache, &["--criterion", text])["criteria"][text].clone();
    let first = idc("idc(m=4)");
    let made: Vec<(PathBuf, u64)> =
        profiles(folder.path()).into_iter().map(|path| (path.clone(), fs::metadata(&path).unwrap().ino())).collect();
    assert_eq!(made.len(), 3, "one of channels, one of units, one with importance");
    let others = ["idc(clusters=2..=3, m=6)", "idc(m=4, zeros=\"drop\")"];
    for text in others {
        assert_ne!(idc(text)["details"], first["details"], "{text}");
    }
    for (path, inode) in &made {
        assert_eq!(fs::metadata(path).unwrap().ino(), *inode, "{}", path.display());
    }
    assert_eq!(profiles(folder.path()).len(), 3);
    // The rule of relevance is another matter.
    idc("idc(m=4, relevance=\"z_plus\")");
    assert_eq!(profiles(folder.path()).len(), 4);
    assert_eq!(measure("off", &["--criterion", "idc(m=4)"])["criteria"]["idc(m=4)"], first);
}
