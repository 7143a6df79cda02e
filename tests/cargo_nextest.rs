//! `cargo nextest run` in a user's project: a process per test, one report for the run.

use functional_tests::{Configuration, Project, cleanai};

#[test]
fn the_gate_under_nextest() {
    let project = Project::new("gated-by-nextest");
    let list = project.cargo(&["nextest", "list", "--test", "coverage", "--run-ignored", "all"], &[]).expect(0);
    assert!(list.out.contains("digits") && list.out.contains("inner::body"), "{}", list.out);

    let run = ["nextest", "run", "--test", "coverage"];
    project.cargo(&run, &[("CI", "true")]).expect(100).says("cargo insta");
    project.accept_baseline();
    project.cargo(&run, &[("CI", "true")]).expect(0).says("1 passed");

    // Both tests of the run are in the one report, though each had a process of its own.
    project.cargo(&["nextest", "run", "--test", "coverage", "--run-ignored", "all", "--no-fail-fast"], &[]).expect(100);
    let report = std::fs::read_to_string(project.report("coverage.json")).expect("the run's report");
    let report: serde_json::Value = serde_json::from_str(&report).expect("the report is JSON");
    let names: Vec<&str> =
        report["outcomes"].as_array().expect("outcomes").iter().filter_map(|o| o["test"]["name"].as_str()).collect();
    assert_eq!(names, ["digits", "slow", "inner::body"]);
    assert!(project.report("coverage.pdf").is_file());

    // One command puts the run together again, from the outcome that each process left.
    let merged = project.path("merged");
    let merged = merged.to_str().expect("the path is text");
    let runs = project.report("").display().to_string();
    cleanai(&["report", &runs, "--all", merged]).expect(101).says("3 coverage tests: 1 passed, 2 failed");
    cleanai(&["report", &runs, "--no-fail"]).expect(0);
    let again: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(project.path("merged/report.json")).expect("the merged report"))
            .expect("the report is JSON");
    assert_eq!(again["outcomes"], report["outcomes"]);
    assert!(project.path("merged/report.pdf").is_file() && project.path("merged/report.junit.xml").is_file());

    // A retry is one test with two attempts.
    let retry = ["nextest", "run", "--test", "coverage", "--run-ignored", "all", "--retries", "1", "--no-fail-fast"];
    project.cargo(&retry, &[]).expect(100);
    cleanai(&["report", &runs, "--all", merged]).expect(101).says("3 coverage tests: 1 passed, 2 failed");
    let junit = std::fs::read_to_string(project.path("merged/report.junit.xml")).expect("the merged report");
    assert_eq!(junit.matches("2 attempts").count(), 4, "in the text and the failure of those that were tried again");

    project.configure(&Configuration { test: "data/test#0..80", ..Configuration::default() });
    project.cargo(&run, &[("CI", "true")]).expect(100).says("kmnc(k=100)");
}
