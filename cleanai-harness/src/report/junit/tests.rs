//! Files read back by the library, against the rules of Jenkins' schema, and as they stand.

use super::schema::violations;
use super::*;
use crate::report::sample;

fn written(outcomes: &[Outcome]) -> (String, Report) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("junit.xml");
    write(outcomes, &path, &Options::default()).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let report = Report::deserialize_from_str(&text).unwrap();
    (text, report)
}

fn property<'a>(case: &'a TestCase, name: &str) -> &'a str {
    &case.properties.iter().find(|property| property.name.as_str() == name).unwrap_or_else(|| panic!("no {name}")).value
}

#[test]
fn a_suite_per_target_and_a_case_per_test() {
    let mut outcomes = sample::all();
    outcomes[3].test.target = "other".into();
    let (_, report) = written(&outcomes);
    assert_eq!((report.tests, report.failures, report.errors), (6, 4, 1));
    let suites: Vec<(&str, usize)> =
        report.test_suites.iter().map(|suite| (suite.name.as_str(), suite.tests)).collect();
    assert_eq!(suites, [("digits::coverage", 5), ("digits::other", 1)]);
    let cases: Vec<(&str, &str)> = report.test_suites[0]
        .test_cases
        .iter()
        .map(|case| (case.classname.as_ref().unwrap().as_str(), case.name.as_str()))
        .collect();
    assert_eq!(
        cases,
        [
            ("digits::coverage", "lenet5_digits"),
            ("digits::coverage::strict", "lenet5_strict"),
            ("digits::coverage", "lenet5_regressed"),
            ("digits::coverage", "broken_model"),
            ("digits::coverage::strict::nested", "everything_fails_for_this_model"),
        ]
    );
}

#[test]
fn a_case_has_its_place_and_its_figures() {
    let (text, report) = written(&[sample::threshold_failure()]);
    let case = &report.test_suites[0].test_cases[0];
    assert_eq!(&*case.extra["file"], "examples/digits/tests/coverage.rs");
    assert_eq!(&*case.extra["line"], "19");
    assert_eq!(case.time, Some(Duration::from_millis(835)));
    assert!(text.contains("timestamp=\"2026-11-22T03:14:07"), "{text}");
    assert_eq!(property(case, "criterion.kmnc(k=1000)"), "0.2541913043478261");
    assert_eq!(property(case, "criterion.kmnc(k=1000).covered"), "58464/230000");
    assert_eq!(property(case, "threshold.kmnc(k=1000)"), ">= 0.3");
    assert_eq!(property(case, "passing_threshold.kmnc(k=1000)"), "0.254");
    assert_eq!(property(case, "model.sha256").len(), 64);
    assert_eq!(property(case, "data.shape"), "1 x 28 x 28");
    assert_eq!(property(case, "device"), "cpu");
    assert_eq!(property(case, "libtorch"), "2.13.0");
    let TestCaseStatus::NonSuccess { kind, message, ty, description, .. } = &case.status else {
        panic!("{:?}", case.status)
    };
    assert_eq!(*kind, NonSuccessKind::Failure);
    assert_eq!(ty.as_deref(), Some("coverage.threshold"));
    assert_eq!(message.as_deref(), Some("kmnc(k=1000) 0.254 < 0.300"));
    for body in [description, &case.system_out] {
        let body = body.as_ref().unwrap();
        assert!(body.contains("largest threshold that would pass: >= 0.254"), "{body:?}");
        assert!(body.contains("27,980 / 117,000") && !body.contains('\u{1b}'));
    }
}

#[test]
fn the_type_says_what_failed() {
    let kinds: Vec<(NonSuccessKind, String)> = written(&sample::all()).1.test_suites[0]
        .test_cases
        .iter()
        .filter_map(|case| match &case.status {
            TestCaseStatus::NonSuccess { kind, ty, .. } => Some((*kind, ty.as_deref().unwrap().to_string())),
            _ => None,
        })
        .collect();
    let expected = [
        (NonSuccessKind::Failure, "coverage.threshold"),
        (NonSuccessKind::Failure, "coverage.regression"),
        (NonSuccessKind::Failure, "coverage.baseline"),
        (NonSuccessKind::Error, "coverage.error"),
        (NonSuccessKind::Failure, "coverage.threshold"),
    ];
    assert_eq!(kinds, expected.map(|(kind, id)| (kind, id.to_string())));
}

#[test]
fn hostile_text_stays_well_formed() {
    let mut outcome = sample::everything_fails();
    let hostile = "]]>&<\"'\u{1b}[31m\u{0}\u{fffe}\u{ffff}\r\n--層";
    outcome.test.name = format!("a{hostile}::b{hostile}");
    outcome.test.package = hostile.into();
    outcome.body = Some(hostile.into());
    outcome.measurement.as_mut().unwrap().model.path = hostile.into();
    let (text, report) = written(&[outcome]);
    let case = &report.test_suites[0].test_cases[0];
    assert!(property(case, "model.path").starts_with("]]>&<\"'"));
    assert!(text.chars().all(|character| character == '\n' || !(character.is_control() || character > '\u{fffd}')));
}

#[test]
fn no_test_at_all_is_an_empty_report() {
    let (_, report) = written(&[]);
    assert_eq!((report.tests, report.test_suites.len()), (0, 0));
}

#[test]
fn odd_durations_do_not_panic() {
    let mut outcome = sample::passed();
    for seconds in [f64::NAN, -1.0, f64::INFINITY, 1e300] {
        outcome.seconds = seconds;
        written(std::slice::from_ref(&outcome));
    }
}

fn strict(outcomes: &[Outcome]) -> String {
    render(outcomes, true, "").unwrap()
}

#[test]
fn a_regression_as_it_stands() {
    insta::assert_snapshot!("regression", render(&[sample::regression()], false, "").unwrap());
}

#[test]
fn a_strict_file_as_it_stands() {
    insta::assert_snapshot!("strict", strict(&[sample::passed(), sample::regression(), sample::error()]));
}

#[test]
fn a_strict_file_is_what_jenkins_takes() {
    // To check against the real schema: CLEANAI_KEEP_JUNIT=folder cargo test report::junit
    if let Some(folder) = std::env::var_os("CLEANAI_KEEP_JUNIT") {
        file::write(&Path::new(&folder).join("strict.xml"), strict(&sample::all()).as_bytes()).unwrap();
        file::write(&Path::new(&folder).join("empty.xml"), strict(&[]).as_bytes()).unwrap();
    }
    assert_eq!(violations(&strict(&sample::all())), Vec::<String>::new());
    assert_eq!(violations(&strict(&[])), Vec::<String>::new());
    // What is left out is what it does not take.
    let found = violations(&render(&[sample::passed()], false, "").unwrap());
    assert_eq!(
        found,
        [
            "testsuites has the attribute skipped",
            "testcase has the attribute timestamp",
            "testcase has the attribute file",
            "testcase has the attribute line",
            "testcase contains properties",
        ]
    );
}

#[test]
fn only_the_first_tag_loses_its_number_of_skipped_tests() {
    let text = strict(&sample::all());
    assert!(!text.lines().nth(1).unwrap().contains("skipped"), "{text}");
    assert!(text.lines().nth(2).unwrap().contains("skipped=\"0\""), "{text}");
}

#[test]
fn a_second_test_of_one_name_is_kept() {
    let (_, report) = written(&[sample::passed(), sample::passed(), sample::passed()]);
    let names: Vec<&str> = report.test_suites[0].test_cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names, ["lenet5_digits", "lenet5_digits (2)", "lenet5_digits (3)"]);
}

#[test]
fn long_texts_are_cut_and_say_so() {
    let text = "first line\nsecond line\nthird line\n";
    assert_eq!(cut(text, text.len()), text);
    assert_eq!(
        cut(text, 26),
        "first line\nsecond line\n... cut here, 1 line not shown: the JSON report has everything\n"
    );
    assert!(cut(&"層".repeat(1_000), 400).starts_with("層層層"));
    assert_eq!(cut(text, 0), "\n... cut here, 3 lines not shown: the JSON report has everything\n");
    let mut outcome = sample::everything_fails();
    outcome.body = Some("a line of a very talkative test\n".repeat(200_000));
    let (text, report) = written(&[outcome]);
    assert!(text.len() < 3 * TEXTS[0], "{}", text.len());
    let case = &report.test_suites[0].test_cases[0];
    assert!(case.system_out.as_ref().unwrap().contains("... cut here, "), "{text}");
}

#[test]
fn many_talkative_tests_stay_below_what_gitlab_takes() {
    let mut outcome = sample::error();
    outcome.error = None;
    outcome.body = Some("a line of a very talkative test\n".repeat(8_000));
    let outcomes: Vec<Outcome> = (0..100)
        .map(|number| {
            let mut own = outcome.clone();
            own.test.name = format!("test_{number}");
            own
        })
        .collect();
    let text = render(&outcomes, false, "").unwrap();
    assert!((2_000_000..LARGEST).contains(&text.len()), "{}", text.len());
}

#[test]
fn attachments_stand_on_lines_of_their_own() {
    let text = render(&[sample::passed()], true, "[[ATTACHMENT|/ci/a.pdf]]\n").unwrap();
    assert!(text.contains("\n[[ATTACHMENT|/ci/a.pdf]]\n"), "{text}");
    assert!(violations(&text).is_empty());
}

#[test]
fn attempts_are_told() {
    let mut outcome = sample::passed();
    outcome.attempts = Some(2);
    let (text, report) = written(&[outcome]);
    assert_eq!(property(&report.test_suites[0].test_cases[0], "attempts"), "2");
    assert!(text.contains("2 attempts"), "{text}");
}
