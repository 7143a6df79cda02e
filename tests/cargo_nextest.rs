//! `cargo nextest run` in a user's project: a process per test, one report for the run.

use functional_tests::{Configuration, Project};

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

    project.configure(&Configuration { test: "data/test#0..80", ..Configuration::default() });
    project.cargo(&run, &[("CI", "true")]).expect(100).says("kmnc(k=100)");
}
