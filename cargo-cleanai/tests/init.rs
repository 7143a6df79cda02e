//! `cargo cleanai init` as a whole, with an engine made of a shell script: what it writes, and what it refuses. The real engine is asked by
//! the functional tests.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

#[path = "support/machine.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod machine;
#[path = "support/make.rs"]
#[allow(dead_code, reason = "the unit tests use the rest")]
mod make;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use machine::{Machine, said};

/// Answers as the real engine does: a classifier of grey pictures whose only right scaling is -1 to 1.
const ENGINE: &str = r##"#!/bin/sh
echo "$*" >> "$FAKE/engine-log"
case "$*" in
inspect*bad*)
    echo "error: bad.pt is a state dict: weights without code" >&2
    exit 2 ;;
inspect*)
    echo '{"model":{"format":"torchscript","parameters":61706},"inputs":[{"name":"x","required":true}],"tried":[{"name":"x","shape":[1,28,28]}],'
    echo '"outputs":[[1,10]],"layers":[{},{}],"input":{"shape":[1,28,28],"source":"from the file"}}' ;;
measure*0.5*) echo '{"criteria":{"accuracy":{"value":0.9},"high_confidence(threshold=0.9)":{"value":0.8}}}' ;;
measure*) echo '{"criteria":{"accuracy":{"value":0.2},"high_confidence(threshold=0.9)":{"value":0.9}}}' ;;
data*)
    shift 3
    echo '['
    for location; do
        [ -n "$more" ] && echo ','
        more=yes
        case "$location" in
        *broken*) echo '{"location":"x","error":"no image can be decoded","help":null}' ;;
        *)
            echo '{"location":"x","inputs":300,"fields":[{"name":"x","shape":[3,32,32]}],"eight_bit":true,"one_shape":true,"classes":10,'
            echo '"lowest_label":0,"highest_label":9,"sample":"sample.csv"}' ;;
        esac
    done
    echo ']' ;;
esac
"##;

/// A machine with libtorch, an engine and a new package.
fn machine() -> Machine {
    let machine = Machine::new();
    machine.run(&["setup"], 0);
    machine.program("engine", ENGINE);
    machine.project();
    machine
}

/// With a model and data for training and testing.
fn furnished() -> Machine {
    let machine = machine();
    write(&machine, "here/models/lenet5.pt", "");
    for part in ["train", "test"] {
        for class in ["0", "1"] {
            write(&machine, &format!("here/data/{part}/{class}/1.png"), "");
        }
    }
    machine
}

fn write(machine: &Machine, path: &str, text: &str) {
    let path = machine.path(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn read(machine: &Machine, path: &str) -> String {
    fs::read_to_string(machine.path(path)).unwrap()
}

/// The files of the package by path, but for what set-up and builds make.
fn snapshot(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.file_name().and_then(|name| name.to_str()) {
                Some(".cargo" | "Cargo.lock" | "target") => {}
                _ if path.is_dir() => folders.push(path),
                _ => _ = files.insert(path.clone(), fs::read(&path).unwrap()),
            }
        }
    }
    files
}

#[test]
fn a_new_package_is_given_its_first_test() {
    let machine = furnished();
    let text = machine.run(&["init"], 0);
    for part in [
        "Model models/lenet5.pt: TorchScript, 61706 parameters, 2 layers, input (N, 1, 28, 28)",
        "Data data/test (300 inputs of 10 classes), with ranges from data/train (300 inputs of 10 classes)",
        "90.0 % of a sample correctly",
        "Created tests/coverage.rs",
        "cargo test --test coverage",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let manifest: toml::Table = read(&machine, "here/Cargo.toml").parse().unwrap();
    assert_eq!(manifest["dev-dependencies"]["cleanai-harness"].as_str(), Some(env!("CARGO_PKG_VERSION")));
    let configuration = read(&machine, "here/cleanai.toml");
    assert!(!configuration.contains("CHECK"), "{configuration}");
    let configuration: toml::Table = configuration.parse().unwrap();
    let data = &configuration["data"]["user"];
    assert_eq!((data["test"].as_str(), data["profile"].as_str()), (Some("data/test"), Some("data/train")));
    let steps = "[\"grayscale\", { resize = [28, 28] }, { normalize = { mean = [0.5], std = [0.5] } }]";
    assert_eq!(data["transform"], steps.parse::<toml::Value>().unwrap());
    let test = read(&machine, "here/tests/coverage.rs");
    for part in ["model = \"lenet5\"", "accuracy >=", "kmnc(k = 100) >=", "fn lenet5() {}", "cleanai_harness::main!();"]
    {
        assert!(test.contains(part), "{part} is not in\n{test}");
    }
    assert!(machine.path("here/.cargo/libtorch").exists(), "libtorch is not linked");

    // Twice changes nothing, says so, and asks nobody.
    let (before, asked) = (snapshot(&machine.path("here")), machine.log("engine-log").len());
    let text = machine.run(&["init"], 0);
    assert!(text.contains("Unchanged user has all it takes"), "{text}");
    assert_eq!(snapshot(&machine.path("here")), before);
    assert_eq!(machine.log("engine-log").len(), asked);

    // With a baseline the next step is another.
    write(&machine, "here/tests/snapshots/coverage__lenet5.snap", "");
    assert!(!machine.run(&["init"], 0).contains("insta"));
}

#[test]
fn what_is_there_stays_and_the_rest_is_added() {
    let machine = furnished();
    let manifest =
        "# mine\n[package]\nname = \"user\" # me\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dev-dependencies]\n";
    write(&machine, "here/Cargo.toml", manifest);
    write(&machine, "here/tests/other.rs", "#[test]\nfn other() {}\n");
    machine.run(&["init", "--test", "release-gate", "--harness", "https://example.org/cleanai.git"], 0);
    let text = read(&machine, "here/Cargo.toml");
    assert!(text.starts_with(manifest), "{text}");
    assert!(text.contains("cleanai-harness = { git = \"https://example.org/cleanai.git\" }"), "{text}");
    assert!(text.contains("name = \"release-gate\"") && machine.path("here/tests/release-gate.rs").is_file(), "{text}");

    // A file that was taken away is written again, alone.
    let before = snapshot(&machine.path("here"));
    fs::remove_file(machine.path("here/cleanai.toml")).unwrap();
    let text = machine.run(&["init", "--test", "release-gate"], 0);
    assert!(text.contains("Created cleanai.toml") && !text.contains("Added"), "{text}");
    assert_eq!(snapshot(&machine.path("here")), before);
}

#[test]
fn a_configuration_that_is_there_is_used() {
    let machine = furnished();
    let own = "[models.one]\npath = \"models/lenet5.pt\"\n[models.two]\nfunction = \"two\"\n\
               [data.a]\ntest = \"data/test\"\nprofile = \"data/train\"\n[data.b]\ntest = \"data/test\"\n";
    write(&machine, "here/cleanai.toml", own);
    machine.run(&["init"], 0);
    assert_eq!(read(&machine, "here/cleanai.toml"), own);
    let test = read(&machine, "here/tests/coverage.rs");
    for part in ["model = \"one\"", "data = \"a\"", "accuracy", "kmnc", "fn one()"] {
        assert!(test.contains(part), "{part} is not in\n{test}");
    }
    assert!(!read(&machine, "here/cleanai.toml").contains("tolerance"));

    // Another model than those it has is named by its path.
    write(&machine, "here/models/other.pt2", "");
    machine.run(&["init", "--test", "second", "--model", "models/other.pt2"], 0);
    assert!(read(&machine, "here/tests/second.rs").contains("model = \"models/other.pt2\""));
    // One without data says so.
    write(&machine, "here/cleanai.toml", "[models.one]\npath = \"models/lenet5.pt\"\n");
    let text = machine.run(&["init", "--test", "third"], 0);
    assert!(text.contains("has no [data.NAME]") && text.contains("look at the lines"), "{text}");
    // Broken, it is an error.
    write(&machine, "here/cleanai.toml", "[models\n");
    let text = machine.run(&["init", "--test", "fourth"], 2);
    assert!(text.contains("cleanai.toml is no TOML") && !machine.path("here/tests/fourth.rs").exists(), "{text}");
}

#[test]
fn a_member_of_a_workspace_shares_what_it_has() {
    let machine = furnished();
    let root =
        "[workspace]\nmembers = [\"here\"]\nresolver = \"3\"\n\n[workspace.dependencies]\ncleanai-harness = \"0.1\"\n";
    write(&machine, "Cargo.toml", root);
    machine.run(&["init"], 0);
    let manifest: toml::Table = read(&machine, "here/Cargo.toml").parse().unwrap();
    assert_eq!(manifest["dev-dependencies"]["cleanai-harness"]["workspace"].as_bool(), Some(true));
    assert!(!manifest.contains_key("profile"));
    let text = read(&machine, "Cargo.toml");
    assert!(
        text.starts_with(root) && text.contains("[profile.dev.package]\ncleanai-harness = { opt-level = 2"),
        "{text}"
    );
    assert!(machine.path(".cargo/libtorch").exists() && machine.path("here/cleanai.toml").is_file());

    let text = said(machine.command(&["init"]).current_dir(machine.path("")).output().unwrap(), 2);
    assert!(
        text.contains("is the manifest of a workspace") && text.contains("help: run the command in the folder"),
        "{text}"
    );
}

#[test]
fn a_model_that_does_not_open_is_told_in_the_engines_words() {
    let machine = furnished();
    write(&machine, "here/models/bad.pt", "");
    let before = snapshot(&machine.path("here"));
    let text = machine.run(&["init", "--model", "models/bad.pt"], 2);
    assert!(text.contains("error: bad.pt is a state dict: weights without code"), "{text}");
    assert_eq!(text.matches("error").count(), 1, "{text}");
    assert_eq!(snapshot(&machine.path("here")), before);
    // Where it is one of several that were found, the next is taken.
    let text = machine.run(&["init"], 0);
    assert!(
        text.contains("models/bad.pt is passed over: bad.pt is a state dict")
            && text.contains("Model models/lenet5.pt"),
        "{text}"
    );
}

#[test]
fn what_cannot_be_known_is_marked() {
    let machine = furnished();
    fs::remove_dir_all(machine.path("here/data")).unwrap();
    let text = machine.run(&["init"], 0);
    assert!(text.contains("no data was found") && text.contains("look at the lines marked CHECK"), "{text}");
    let configuration = read(&machine, "here/cleanai.toml");
    assert!(configuration.contains("# CHECK: no data") && configuration.contains("\n# [data."), "{configuration}");
    assert!(!read(&machine, "here/tests/coverage.rs").contains("kmnc"));

    // Data that is found and cannot be opened is passed over; named, it is an error.
    fs::remove_file(machine.path("here/cleanai.toml")).unwrap();
    write(&machine, "here/broken.npz", "");
    assert!(machine.run(&["init"], 0).contains("broken.npz is passed over: no image can be decoded"));
    fs::remove_file(machine.path("here/cleanai.toml")).unwrap();
    let text = machine.run(&["init", "--data", "broken.npz"], 2);
    assert!(text.contains("error: broken.npz cannot be taken as data: no image can be decoded"), "{text}");
    assert!(!machine.path("here/cleanai.toml").exists());
}

#[test]
fn what_is_named_is_taken_from_where_the_user_is() {
    let machine = furnished();
    write(&machine, "elsewhere/net.pt2", "");
    write(&machine, "elsewhere/a.npz", "");
    let line =
        ["init", "--model", "../../elsewhere/net.pt2", "--data", "../../elsewhere/a.npz#..50", "--profile", "train"];
    said(machine.command(&line).current_dir(machine.path("here/data")).output().unwrap(), 0);
    let configuration: toml::Table = read(&machine, "here/cleanai.toml").parse().unwrap();
    assert_eq!(configuration["models"]["net"]["path"].as_str(), Some("../elsewhere/net.pt2"));
    let data = configuration["data"].as_table().unwrap().values().next().unwrap();
    assert_eq!(
        (data["test"].as_str(), data["profile"].as_str()),
        (Some("../elsewhere/a.npz#..50"), Some("data/train"))
    );
}

#[test]
fn what_is_in_the_way_is_named_and_nothing_is_written() {
    // Outside any package.
    let machine = Machine::new();
    let text = machine.run(&["init"], 2);
    assert!(text.contains("there is no Cargo.toml") && text.contains("help: make a package first"), "{text}");

    // No model; one that is not there.
    let machine = self::machine();
    let before = snapshot(&machine.path("here"));
    let text = machine.run(&["init"], 2);
    assert!(
        text.contains("there is no model, no .pt, .pt2 or .ptl file, below") && text.contains("torch.jit.trace"),
        "{text}"
    );
    assert!(machine.run(&["init", "--model", "gone.pt"], 2).contains("there is no model gone.pt"));
    assert!(machine.run(&["init", "--harness", "nowhere"], 2).contains("--harness nowhere holds no cleanai-harness"));
    assert_eq!(snapshot(&machine.path("here")), before);

    // A test of another kind by that name.
    let machine = furnished();
    write(&machine, "here/tests/coverage.rs", "#[test]\nfn mine() {}\n");
    let before = snapshot(&machine.path("here"));
    let text = machine.run(&["init"], 2);
    assert!(text.contains("no file of coverage tests") && text.contains("--test release-gate"), "{text}");
    assert_eq!(snapshot(&machine.path("here")), before);
    machine.run(&["init", "--test", "gate"], 0);
    assert_eq!(read(&machine, "here/tests/coverage.rs"), "#[test]\nfn mine() {}\n");

    // A name that is none.
    for name in ["../up", "a b", ""] {
        machine.run(&["init", "--test", name], 2);
    }
}

#[test]
fn a_folder_that_cannot_be_written_to_is_told_before_anything_else() {
    use std::os::unix::fs::PermissionsExt;
    let machine = furnished();
    let folder = machine.path("here");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    let is_bound = fs::write(folder.join("probe"), "").is_err();
    if is_bound {
        let text = machine.run(&["init"], 1);
        assert!(text.contains("error: cannot write to") && machine.log("engine-log").is_empty(), "{text}");
    } else {
        eprintln!("SKIPPED: this user may write everywhere, so no folder is read-only");
        fs::remove_file(folder.join("probe")).unwrap();
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();

    // A file where the folder of tests belongs: the manifest does not name a test that is not there.
    let machine = furnished();
    write(&machine, "here/tests", "");
    let manifest = read(&machine, "here/Cargo.toml");
    let text = machine.run(&["init"], 1);
    assert!(text.contains("error: cannot"), "{text}");
    assert_eq!(read(&machine, "here/Cargo.toml"), manifest);
}
