//! What a user's test binary answers when it is asked for the settings of its tests, as `cargo cleanai config show` does.

use functional_tests::Project;
use serde_json::Value;

/// The answer of the project's test binary.
fn answer(project: &Project, variables: &[(&str, &str)]) -> Value {
    let asked = [variables, &[("CLEANAI_SHOW", "settings")]].concat();
    let run = project.test(&["--list"], &asked).expect(0).silent_about("panicked");
    let line = run.out.lines().find(|line| line.starts_with("{\"cleanai\":\"settings\",")).expect("an answer");
    assert!(!run.out.contains(": test"), "it lists beside the answer: {}", run.out);
    serde_json::from_str(line).expect("JSON")
}

/// Value and origin of a setting.
fn setting<'a>(test: &'a Value, key: &str) -> (&'a str, &'a str) {
    let setting = test["settings"].as_array().expect("settings").iter().find(|setting| setting["key"] == key);
    let setting = setting.unwrap_or_else(|| panic!("no {key} in {test}"));
    (setting["value"].as_str().expect("a value"), setting["from"].as_str().expect("an origin"))
}

#[test]
fn settings_and_where_they_come_from() {
    let project = Project::new("asked-for-settings");
    // No model is opened: one that is no model at all does not matter.
    project.write("models/lenet5.pt", "nothing");
    let all = answer(&project, &[("CLEANAI_DEVCE", "cpu")]);
    assert_eq!(all["warnings"][0], "the variable CLEANAI_DEVCE is not known; did you mean CLEANAI_DEVICE?");
    let tests = all["tests"].as_array().expect("tests");
    let names: Vec<&str> = tests.iter().filter_map(|test| test["name"].as_str()).collect();
    assert_eq!(names, ["digits", "slow", "inner::body"]);
    let digits = &tests[0];
    assert_eq!(setting(digits, "device"), ("cpu", "cleanai.toml:3 [models.lenet5]"));
    assert_eq!(setting(digits, "batch"), ("64", "default"));
    assert_eq!(setting(digits, "data.test"), ("data/test#0..300", "cleanai.toml:7 [data.digits]"));
    let requirements = digits["requirements"].as_array().expect("requirements").iter();
    let requirements: Vec<_> = requirements.map(|it| (it["text"].as_str(), it["from"].as_str())).collect();
    assert_eq!(
        requirements,
        [
            (Some("nc(threshold=0.25) >= 0.3"), Some("attribute tests/coverage.rs:3")),
            (Some("kmnc(k=100) >= 0.3"), Some("cleanai.toml:11 [tests.digits]")),
            (Some("tknc >= 0.1"), Some("cleanai.toml:11 [tests.digits]")),
        ]
    );
    assert_eq!((&tests[1]["ignored"], digits["error"].is_null()), (&true.into(), true));

    // What is the same for all tests is there, too, in every form that the file knows.
    let plain = std::fs::read_to_string(project.path("cleanai.toml")).expect("the configuration");
    assert_eq!(setting(digits, "baseline.by"), ("[\"device\"]", "default"));
    assert_eq!(setting(digits, "report.junit.strict"), ("false", "default"));
    let more = "by = [\"libtorch\"]\n[report]\nstyle = \"cleanai\"\njunit = { strict = true }\n";
    project.write("cleanai.toml", &format!("{plain}{more}"));
    let all = answer(&project, &[]);
    let line = plain.lines().count() + 1;
    assert_eq!(
        setting(&all["tests"][0], "baseline.by"),
        ("[\"libtorch\"]", &*format!("cleanai.toml:{line} [baseline]"))
    );
    let strict = format!("cleanai.toml:{} [report]", line + 3);
    assert_eq!(setting(&all["tests"][0], "report.junit.strict"), ("true", &*strict));
    project.write("cleanai.toml", &plain);

    // Variables win; what is gone, and what is wrong, is told and nothing fails.
    std::fs::remove_file(project.path("models/lenet5.pt")).expect("a file");
    let all = answer(&project, &[("CLEANAI_BATCH", "7"), ("CLEANAI_REPORT_PDF", "off")]);
    let digits = &all["tests"][0];
    assert_eq!(setting(digits, "report.pdf"), ("false", "environment CLEANAI_REPORT_PDF"));
    assert!(digits["error"].as_str().is_some_and(|error| error.contains("does not exist")), "{digits}");
    assert_eq!(digits["overridden"].to_string(), "[\"CLEANAI_BATCH=7\"]");
    let all = answer(&project, &[("CLEANAI_BATCH", "none")]);
    assert!(
        all["tests"][0]["error"].as_str().is_some_and(|error| error.starts_with("CLEANAI_BATCH is `none`")),
        "{all}"
    );
}
