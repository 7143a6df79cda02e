//! `report` on what runs left, as a user runs it: several folders, formats, exit codes, and what is refused.

use std::fs;
use std::path::Path;
use std::process::Command;

use cleanai_harness::report::{Outcome, fragment};

/// Exit code and what was said.
fn report(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cleanai-engine"));
    for name in ["CI_PROJECT_DIR", "JENKINS_URL", "SOURCE_DATE_EPOCH"] {
        command.env_remove(name);
    }
    let output = command.current_dir(folder).arg("report").args(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

fn outcome(name: &str, target: &str, status: &str, started: u64) -> Outcome {
    let failed = status == "failed";
    serde_json::from_value(serde_json::json!({
        "schema": 1,
        "test": { "name": name, "package": "digits", "target": target, "file": "tests/coverage.rs", "line": 7 },
        "status": status,
        "measurement": null,
        "requirements": [],
        "baseline": {
            "status": "not_reached", "fails": false, "file": null, "pending": null, "changes": [], "next": null,
        },
        "body": failed.then_some("too little is covered"),
        "error": null,
        "started": started,
        "seconds": 0.25,
    }))
    .unwrap()
}

/// Two shards: a test that failed and then passed, one that passed, and where asked for one that failed.
fn shards(folder: &Path, failing: bool) {
    let runs = |shard: &str, target: &str| folder.join(shard).join("cleanai/digits").join(target).join("runs/ab-cd");
    for (shard, outcome) in [
        ("one", outcome("retried", "coverage", "failed", 1_795_317_247)),
        ("two", outcome("retried", "coverage", "passed", 1_795_317_300)),
        ("two", outcome("other", "more", "passed", 1_795_317_301)),
    ] {
        fragment::write(&runs(shard, &outcome.test.target), &outcome).unwrap();
    }
    if failing {
        fragment::write(&runs("two", "more"), &outcome("bad", "more", "failed", 1_795_317_302)).unwrap();
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn shards_are_one_report() {
    let folder = tempfile::tempdir().unwrap();
    shards(folder.path(), false);
    let (code, said) = report(folder.path(), &["one", "two", "--json", "out/all.json", "--junit", "out/all.xml"]);
    assert_eq!(code, 0, "{said}");
    for part in ["2 coverage tests: 2 passed", "out/all.json", "out/all.xml", "read two/cleanai/digits/more/runs/ab-cd"]
    {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    let all: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.path().join("out/all.json")).unwrap()).unwrap();
    let tests: Vec<_> = all["outcomes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|own| (own["test"]["name"].as_str().unwrap(), own["status"].as_str().unwrap(), own["attempts"].as_u64()))
        .collect();
    assert_eq!(tests, [("other", "passed", None), ("retried", "passed", Some(2))]);
    let junit = fs::read_to_string(folder.path().join("out/all.xml")).unwrap();
    assert!(junit.contains("2 attempts") && junit.contains("failures=\"0\""), "{junit}");
    assert_eq!(names(&folder.path().join("out")), ["all.json", "all.xml"]);
}

#[test]
fn the_exit_code_tells_of_failures() {
    let folder = tempfile::tempdir().unwrap();
    shards(folder.path(), true);
    let (code, said) = report(folder.path(), &["one", "two", "--all", "out", "--junit-strict"]);
    assert_eq!(code, 101, "{said}");
    assert!(said.contains("bad") && said.contains("too little is covered"), "{said}");
    let written = names(&folder.path().join("out"));
    for name in ["report.json", "report.junit.xml"] {
        assert!(written.iter().any(|own| own == name), "{written:?}");
    }
    assert_eq!(written.iter().any(|own| own == "report.pdf"), cfg!(feature = "pdf"), "{written:?}");
    let junit = fs::read_to_string(folder.path().join("out/report.junit.xml")).unwrap();
    assert!(!junit.contains("line=\"7\"") && !junit.contains("<properties>"), "{junit}");
    let (code, said) = report(folder.path(), &["one", "two", "--no-fail"]);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn bad_input_is_one_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    shards(folder.path(), false);
    fs::create_dir_all(folder.path().join("empty")).unwrap();
    fs::create_dir_all(folder.path().join("bad")).unwrap();
    fs::write(folder.path().join("bad/x.json"), "{\"schema\": 2}").unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    for (arguments, code, says) in [
        (&["one", "empty"][..], 2, "empty holds no outcome of a coverage test"),
        (&["gone"], 2, "cannot read gone: it is not there"),
        (&["file"], 2, "cannot read file: it is not a folder"),
        (&["one", "bad"], 1, "bad/x.json: it has version 2, this CleanAI reads version 1"),
        (&[], 2, "report needs a folder that a run left"),
        (&["one", "--json", "file/x.json"], 1, "cannot write file/x.json"),
        (&["one", "--model", "m.pt", "--data", "d"], 2, "cannot be used with"),
    ] {
        let (found, said) = report(folder.path(), arguments);
        assert_eq!(found, code, "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
        assert_eq!(said.matches("error").count() - said.matches("os error").count(), 1, "{said}");
    }
    assert_eq!(names(folder.path()), ["bad", "empty", "file", "one", "two"]);
}
