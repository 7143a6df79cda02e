//! A class is dropped from the test set: the failure explains itself, in every report, and its own commands work.

use std::fs;

use functional_tests::{Configuration, Project};

#[test]
fn a_dropped_class_is_explained_and_can_be_accepted() {
    let project = Project::new("dropped-class");
    let all = Configuration {
        test: "data/test",
        requirements: "\"kmnc(k=100) >= 0.3\", \"accuracy >= 0.9\"",
        ..Configuration::default()
    };
    project.configure(&all);
    project.accept_baseline();
    let text = fs::read_to_string(project.snapshot()).unwrap();
    assert!(text.contains("\n  relu1: "), "layers stand below their criterion:\n{text}");

    fs::remove_dir_all(project.path("data/test/7")).unwrap();
    let run = project.test(&["digits", "--exact"], &[("CI", "true")]).expect(101);
    for said in [
        "layers that fell",
        "classes that fell",
        "inputs that covered",
        "neurons lost",
        "(gone)",
        "7/",
        "rerun   cargo test -p dropped-class --test coverage -- --exact digits",
        "accept  cargo insta test --accept -p dropped-class --test coverage -- --exact digits",
    ] {
        assert!(run.out.contains(said), "no {said:?} in\n{}", run.out);
    }
    for (report, said) in
        [("coverage.junit.xml", "neurons lost"), ("coverage.json", "\"gone\""), ("coverage.html", "neurons lost")]
    {
        let text = fs::read_to_string(project.report(report)).unwrap();
        assert!(text.contains(said) && text.contains("7/"), "{report} does not explain it");
    }

    // A measurement from the cache explains as much as a new one, and each report says where it is from.
    let folder = project.path("cache");
    let cached = [("CI", "true"), ("CLEANAI_CACHE", folder.to_str().expect("UTF-8"))];
    project.test(&["digits", "--exact"], &cached).expect(101).silent_about("from the cache");
    let again = project.test(&["digits", "--exact"], &cached).expect(101).says("from the cache, measured ");
    let explanation = |out: &str| {
        let lines = out.lines().skip_while(|line| !line.contains("layers that fell"));
        lines.take_while(|line| !line.trim().starts_with("rerun")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(explanation(&run.out).len() > 20, "{}", run.out);
    assert_eq!(explanation(&again.out), explanation(&run.out));
    for report in ["coverage.junit.xml", "coverage.html", "coverage.md"] {
        let text = fs::read_to_string(project.report(report)).unwrap();
        assert!(text.contains("from the cache, measured "), "{report} does not say where its figures are from");
    }

    // The commands it prints are those that help.
    let command = |label: &str| -> Vec<String> {
        let line = run.out.lines().find_map(|line| line.trim().strip_prefix(label)).expect("the command is printed");
        line.split_whitespace().skip(1).map(str::to_owned).collect()
    };
    project.cargo(&command("rerun"), &[("CI", "true")]).expect(101).says("1 failed");
    project.cargo(&command("accept"), &[]).expect(0);
    assert!(!project.pending().exists(), "nothing is left to decide");
    project.cargo(&command("rerun"), &[("CI", "true")]).expect(0);
    // What stood behind the old baseline is gone with it.
    project.test(&["digits", "--exact"], &[]).expect(0);
    let entries = fs::read_dir(project.path("tests/snapshots")).unwrap();
    let companions =
        entries.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".covered"));
    assert_eq!(companions.count(), 1, "the accepted baseline has its companion alone");
}
