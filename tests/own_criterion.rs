//! A criterion of a user's own crate, that of `examples/own-criterion`: in every report, in the baseline, and saying no.

use std::fs;
use std::process::Command;

use functional_tests::{Configuration, Project, workspace};

#[test]
fn a_criterion_of_ones_own_is_gated_and_reported() {
    let project = Project::new("own-criterion-gated");
    let manifest = fs::read_to_string(project.path("Cargo.toml")).expect("the manifest");
    let (before, after) = manifest.split_once("[dev-dependencies]").expect("the harness is a dependency");
    project.write("Cargo.toml", &format!("{before}[dependencies]\ninventory = \"0.3\"{after}"));
    let source = fs::read_to_string(workspace().join("examples/own-criterion/src/lib.rs")).expect("the example");
    project.write("src/lib.rs", &source);
    project.write(
        "tests/coverage.rs",
        "use own_criterion_gated as _;\n\nuse cleanai_harness::prelude::*;\n\n\
         #[cleanai::coverage(model = \"lenet5\", acme::dead <= 0.25)]\nfn digits() {}\n\ncleanai_harness::main!();\n",
    );
    let requirements = "\"acme::dead(above = 0.1)@relu* <= 0.3\"";
    project.configure(&Configuration { requirements, ..Configuration::default() });

    project.accept_baseline();
    let texts = ["acme::dead", "acme::dead(above=0.1,layers=\"relu*\")"];
    let baseline = fs::read_to_string(project.snapshot()).expect("the baseline");
    let run = project.test(&["digits"], &[]).expect(0);
    let junit = fs::read_to_string(project.report("coverage.junit.xml")).expect("the JUnit report");
    let json = fs::read_to_string(project.report("coverage.json")).expect("the JSON report");
    let json: serde_json::Value = serde_json::from_str(&json).expect("the report is JSON");
    let criteria = &json["outcomes"][0]["measurement"]["criteria"];
    for text in texts {
        assert!(baseline.contains(text), "{text} is not in the baseline\n{baseline}");
        assert!(run.out.contains("acme::dead") || run.err.contains("acme::dead"), "{}{}", run.out, run.err);
        assert!(junit.contains(&text.replace('"', "&quot;")), "{text} is not in\n{junit}");
        let result = &criteria[text];
        assert!(result["value"].is_number() && result["direction"] == "lower_is_better", "{text}: {result}");
        assert!(result["layers"].as_array().is_some_and(|layers| layers.len() > 1), "{text}: {result}");
    }
    // What a PDF says is compressed; poppler reads it where there is one.
    let pdf = project.report("coverage.pdf");
    assert!(fs::read(&pdf).expect("the PDF report").starts_with(b"%PDF-"));
    if let Ok(output) = Command::new("pdftotext").arg(&pdf).arg("-").output() {
        assert!(String::from_utf8_lossy(&output.stdout).contains("acme::dead"), "not in the PDF report");
    }

    // Lower is better: with fewer inputs more neurons stay dead, which the baseline does not let pass.
    project.configure(&Configuration { requirements, test: "data/test#0..5", ..Configuration::default() });
    project.test(&["digits"], &[("CI", "true")]).expect(101).says("acme::dead").silent_about("panicked");
    // A parameter it does not describe is named before anything runs.
    let requirements = "\"acme::dead(abvoe = 0.1) <= 0.3\"";
    project.configure(&Configuration { requirements, ..Configuration::default() });
    project.test(&["digits"], &[("CI", "true")]).expect(101).says("abvoe").says("above");
}
