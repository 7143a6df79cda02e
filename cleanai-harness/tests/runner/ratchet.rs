//! What a run leaves for `cargo cleanai ratchet`.

use std::fs;

use cleanai_harness::declare::OnImprovement;

use crate::baseline::{accepted, figures};
use crate::child::Scenario;

pub const TESTS: &[(&str, fn())] = &[("ratchet::left_for_the_ratchet", left_for_the_ratchet)];

fn left_for_the_ratchet() {
    let sandbox = accepted();
    let before = fs::read_to_string(sandbox.baseline()).unwrap();
    let folder = sandbox.root().join("records");
    fs::create_dir(&folder).unwrap();
    let record = |scenario: &Scenario, more: &[(&str, &str)], arguments: &[&str]| -> serde_json::Value {
        let mut environment = vec![("CLEANAI_RATCHET", folder.to_str().unwrap()), ("INSTA_UPDATE", "no")];
        environment.extend_from_slice(more);
        sandbox.run(scenario, &environment, arguments);
        serde_json::from_str(&fs::read_to_string(folder.join("app.coverage.json")).unwrap()).unwrap()
    };
    let better = Scenario { require: vec!["nbc <= baseline".into()], ..figures(0.6) };
    let found = record(&better, &[], &["lenet5", "--exact"]);
    let test = &found["tests"][0];
    assert_eq!((&test["name"], &test["refused"]), (&"lenet5".into(), &serde_json::Value::Null));
    let thresholds = test["thresholds"].as_array().unwrap();
    assert_eq!(thresholds.len(), 1, "what compares with the baseline gets no number");
    assert_eq!(thresholds[0]["requirement"], "nc >= 0.4");
    assert_eq!(thresholds[0]["bound"], serde_json::json!([6, 9]));
    assert_eq!((&thresholds[0]["candidate"], &thresholds[0]["candidate_text"]), (&0.598.into(), &"0.598".into()));
    // The better figure goes in, the other stays, and so does the header.
    let (old, new) = (test["baseline"]["old"].as_str().unwrap(), test["baseline"]["new"].as_str().unwrap());
    assert_eq!(old, before);
    assert_eq!(new, before.replace("nc: 0.500000  500/1000", "nc: 0.600000  600/1000"));
    let with_margin = record(&better, &[("CLEANAI_RATCHET_MARGIN", "0.05")], &["lenet5", "--exact"]);
    assert_eq!(with_margin["tests"][0]["thresholds"][0]["candidate"], 0.55);
    // What fails is left alone; it says why.
    for (scenario, why) in [
        (figures(0.3), "it fails"),
        (Scenario { body: "fail".into(), ..figures(0.6) }, "it fails"),
        (figures(0.45), "it fails: its baseline differs"),
        (Scenario { broken: "measurement".into(), ..figures(0.6) }, "it could not be measured"),
    ] {
        let test = &record(&scenario, &[], &["lenet5", "--exact"])["tests"][0];
        assert_eq!((&test["refused"], &test["baseline"]), (&why.into(), &serde_json::Value::Null));
        for threshold in test["thresholds"].as_array().unwrap() {
            assert_eq!(threshold["candidate"], serde_json::Value::Null, "{why}");
        }
    }
    // An improvement that fails its test is what the ratchet is for.
    let strict = Scenario { on_improvement: OnImprovement::Fail, ..figures(0.6) };
    assert_eq!(record(&strict, &[], &["lenet5", "--exact"])["tests"][0]["refused"], serde_json::Value::Null);
    assert_eq!(fs::read_to_string(sandbox.baseline()).unwrap(), before, "nothing is written by the test itself");
}
