//! `cargo test` in a user's project: passing, failing, regressing, improving, first runs, and the command line.

use std::fs;
use std::time::Instant;

use functional_tests::{Configuration, Project};

#[test]
fn the_gate_under_cargo_test() {
    let project = Project::new("gated-by-cargo-test");

    // First run in CI: fails, writes nothing, says how a baseline is made.
    project.test(&["digits"], &[("CI", "true")]).expect(101).says("cargo insta").silent_about("panicked");
    assert!(!project.path("tests/snapshots").exists(), "CI wrote a snapshot");

    // First run at home: fails and leaves a pending snapshot; accepted, the next run passes.
    project.accept_baseline();
    let baseline = fs::read_to_string(project.snapshot()).unwrap();
    assert!(baseline.contains("kmnc(k=100)") && baseline.contains("tknc"), "{baseline}");
    project.test(&["digits"], &[]).expect(0).says("test digits").says("kmnc(k=100)");
    project.test(&["digits"], &[("CI", "true")]).expect(0);
    for file in ["coverage.pdf", "coverage.junit.xml", "coverage.json", "coverage.html", "coverage.md"] {
        assert!(project.report(file).is_file(), "no {file}");
    }

    // A threshold: fails in every mode of insta, and says what would pass.
    let strict = Configuration { requirements: "\"kmnc(k=100) >= 0.99\"", ..Configuration::default() };
    project.configure(&Configuration { requirements: "\"kmnc(k=100) >= 0.99\", \"tknc >= 0.1\"", ..strict });
    for mode in ["auto", "always", "new", "no", "force"] {
        let run = project.test(&["digits"], &[("INSTA_UPDATE", mode), ("INSTA_FORCE_PASS", "1")]).expect(101);
        run.says("kmnc(k=100)").says("0.99").silent_about("panicked");
    }
    fs::write(project.snapshot(), &baseline).unwrap();
    if project.pending().exists() {
        fs::remove_file(project.pending()).unwrap();
    }

    // Fewer inputs cover less: a regression, with a pending snapshot for the reviewer.
    project.configure(&Configuration { test: "data/test#0..80", ..Configuration::default() });
    let run = project.test(&["digits"], &[]).expect(101);
    run.says("kmnc(k=100)").silent_about("panicked");
    assert!(project.pending().is_file());
    assert_eq!(fs::read_to_string(project.snapshot()).unwrap(), baseline, "a regression touched the baseline");
    fs::remove_file(project.pending()).unwrap();
    project.test(&["digits"], &[("CI", "true")]).expect(101);
    assert!(!project.pending().exists(), "CI wrote a snapshot");

    // More inputs cover more: passes, or leaves a pending snapshot, or fails, as configured.
    let more = "data/test";
    project.configure(&Configuration { test: more, ..Configuration::default() });
    project.test(&["digits"], &[]).expect(0);
    assert!(!project.pending().exists());
    project.configure(&Configuration {
        test: more,
        baseline: "on_improvement = \"pending\"",
        ..Configuration::default()
    });
    project.test(&["digits"], &[]).expect(0);
    assert!(project.pending().is_file());
    fs::remove_file(project.pending()).unwrap();
    project.configure(&Configuration { test: more, baseline: "on_improvement = \"fail\"", ..Configuration::default() });
    project.test(&["digits"], &[]).expect(101);

    // Another set of criteria is its own verdict.
    project.configure(&Configuration {
        requirements: "\"kmnc(k=100) >= 0.3\", \"snac >= 0.0\"",
        ..Configuration::default()
    });
    project.test(&["digits"], &[("CI", "true")]).expect(101).says("snac");
}

#[test]
fn the_command_line_and_bad_input() {
    let project = Project::new("commanded-by-cargo-test");
    let names = "digits: test\nslow: test\ninner::body: test\n";
    let run = project.test(&["--list"], &[]).expect(0);
    for name in names.lines() {
        assert!(run.out.contains(name), "{name} is not listed:\n{}", run.out);
    }
    project
        .test(&["--list", "--ignored", "--format", "terse"], &[])
        .expect(0)
        .says("slow: test")
        .silent_about("digits: test");
    project.test(&["--skip", "digits"], &[]).expect(0).says("0 failed");
    project.test(&["nothing-of-this-name", "--exact"], &[]).expect(0).says("0 passed");
    let run = project
        .test(&["--ignored", "inner", "--format", "json", "-Z", "unstable-options"], &[("CI", "true")])
        .expect(101);
    for line in run.out.lines().filter(|line| !line.is_empty()) {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "not JSON: {line}");
    }
    project.test(&["inner::body", "--exact", "--include-ignored"], &[]).expect(101).says("no share is above two");

    // Configuration: one error, exit code 2, no test run.
    project.write("cleanai.toml", "[models.lenet5]\npath = \"models/lenet5.pt\"\ndevcie = \"cpu\"\n");
    let run = project.test(&["digits"], &[]).expect(2).says("devcie").says("device").says("cleanai.toml:3");
    run.silent_about("panicked");

    // Model and data: the test fails, and says what and why.
    let with = |model: &str, test: &str| {
        let text = format!(
            "[models.lenet5]\npath = \"{model}\"\n[data.digits]\nprofile = \"data/train\"\ntest = \"{test}\"\n"
        );
        project.write("cleanai.toml", &text);
        project.test(&["digits"], &[]).expect(101).silent_about("panicked")
    };
    with("models/lenet.pt", "data/test").says("does not exist").says("lenet5.pt");
    project.write("models/empty.pt", "");
    with("models/empty.pt", "data/test").says("empty");
    with("models/lenet5.pt", "data/tests").says("data/tests");
    project.write("data/none/readme.txt", "no pictures here");
    with("models/lenet5.pt", "data/none").says("none");
    project.write("data/broken/3/a.png", "not a picture");
    with("models/lenet5.pt", "data/broken").says("a.png");
}

#[test]
fn a_second_run_measures_nothing() {
    let project = Project::new("measured-once");
    project.accept_baseline();
    let folder = project.path("cache");
    let cache = [("CLEANAI_CACHE", folder.to_str().expect("UTF-8"))];
    let figures = || {
        let report = fs::read_to_string(project.report("coverage.json")).unwrap();
        let mut report: serde_json::Value = serde_json::from_str(&report).unwrap();
        let measured = report.pointer_mut("/outcomes/0/measurement").expect("a measurement").take();
        let cached = measured.get("cached").is_some();
        (measured["criteria"].clone(), measured["data"].clone(), cached)
    };
    project.test(&["digits", "--exact"], &cache).expect(0).silent_about("from the cache");
    let (criteria, data, cached) = figures();
    assert!(!cached);
    let start = Instant::now();
    project.test(&["digits", "--exact"], &cache).expect(0).says("from the cache, measured ");
    eprintln!("a run with nothing changed took {:?}, cargo included", start.elapsed());
    assert_eq!(figures(), (criteria, data, true));
}
