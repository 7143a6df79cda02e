//! The command line, what is printed, and what is written.

use std::fs;
use std::path::PathBuf;

use cleanai_harness::report::{Outcome, Status};

use crate::child::{ReportSetting, Scenario};
use crate::sandbox::{Run, Sandbox};

pub const TESTS: &[(&str, fn())] = &[
    ("command_line::listing_opens_nothing", listing_opens_nothing),
    ("command_line::all_in_the_order_of_the_source", all_in_the_order_of_the_source),
    ("command_line::filters_choose_what_is_planned", filters_choose_what_is_planned),
    ("command_line::json_is_nothing_but_json", json_is_nothing_but_json),
    ("command_line::terse_prints_no_blocks", terse_prints_no_blocks),
    ("command_line::log_file", log_file),
    ("command_line::colours", colours),
    ("command_line::wrong_arguments", wrong_arguments),
    ("command_line::broken_configuration", broken_configuration),
    ("command_line::variables_and_slips_are_told", variables_and_slips_are_told),
    ("command_line::broken_declaration_fails_its_test", broken_declaration_fails_its_test),
    ("command_line::broken_measurement_is_an_error", broken_measurement_is_an_error),
    ("command_line::two_tests_of_one_name", two_tests_of_one_name),
    ("command_line::two_tests_of_one_baseline", two_tests_of_one_baseline),
    ("command_line::report_that_cannot_be_written", report_that_cannot_be_written),
    ("command_line::nextest_merges_the_run", nextest_merges_the_run),
    ("command_line::github_is_told", github_is_told),
    ("command_line::old_runs_are_removed", old_runs_are_removed),
    ("command_line::threads", threads),
    #[cfg(unix)]
    ("command_line::interruption_leaves_whole_reports", interruption_leaves_whole_reports),
];

/// Passes without a baseline.
pub fn good() -> Scenario {
    let figures = [("nc".to_owned(), Some(0.5))].into();
    Scenario { figures, at_least: 0.4, no_baseline: true, ..Scenario::default() }
}

fn bad() -> Scenario {
    Scenario { at_least: 0.6, ..good() }
}

fn names(outcomes: &[Outcome]) -> Vec<&str> {
    outcomes.iter().map(|it| it.test.name.as_str()).collect()
}

fn planned(sandbox: &Sandbox) -> Option<String> {
    fs::read_to_string(sandbox.root().join("planned")).ok()
}

fn runs(sandbox: &Sandbox) -> Vec<PathBuf> {
    let runs = fs::read_dir(sandbox.root().join("target/cleanai/app/coverage/runs")).expect("runs");
    runs.map(|it| it.expect("an entry").path()).filter(|it| it.is_dir()).collect()
}

fn listing_opens_nothing() {
    let sandbox = Sandbox::new();
    // Not even a broken configuration is looked at.
    let scenario = Scenario { broken: "configuration".into(), ..good() };
    let run = sandbox.run(&scenario, &[], &["--list", "--format", "terse"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert_eq!(run.stdout, "lenet5: test\ndeep::second: test\nslow: test\n");
    let run = sandbox.run(&scenario, &[], &["--list", "--format", "terse", "--ignored"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "slow: test\n"));
    // What is filtered out needs none either, and `cargo bench` runs no tests.
    assert_eq!(sandbox.run(&scenario, &[], &["nothing-is-called-so"]).code, 0);
    assert_eq!(sandbox.run(&scenario, &[], &["--bench"]).code, 0);
    assert_eq!(planned(&sandbox), None);
    assert!(!sandbox.root().join("target/cleanai").exists());
}

fn all_in_the_order_of_the_source() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&good(), &[], &[]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
    assert_eq!(names(&run.outcomes), ["lenet5", "deep::second"]);
    assert_eq!(planned(&sandbox).as_deref(), Some("lenet5 deep::second"));
    let (before, after) =
        run.stdout.split_once("test result: ok. 2 passed; 0 failed; 1 ignored").expect("libtest's line");
    assert!(before.contains("test deep::second ... ok") && !before.contains("BLOCK"), "{before}");
    let place = |what: &str| after.find(what).unwrap_or_else(|| panic!("{what} is not in {after}"));
    assert!(place("BLOCK lenet5 Passed") < place("BLOCK deep::second Passed"));
    assert!(place("BLOCK deep::second Passed") < place("SUMMARY 2 tests"));
    assert!(after.contains("JSON target/cleanai/app/coverage.json"), "{after}");
    assert!(after.contains("JUnit target/cleanai/app/coverage.junit.xml"), "{after}");
    assert!(sandbox.root().join("target/cleanai/app/coverage.junit.xml").is_file());

    // A failing test's block stands in libtest's list of failures, once.
    let run = sandbox.run(&bad(), &[], &[]);
    assert_eq!(run.code, 101);
    assert!(run.stdout.contains("---- lenet5 ----\nBLOCK lenet5 Failed"), "{}", run.stdout);
    assert_eq!(run.stdout.matches("BLOCK lenet5").count(), 1);
}

fn filters_choose_what_is_planned() {
    let sandbox = Sandbox::new();
    let cases: [(&[&str], &str); 6] = [
        (&["deep"], "deep::second"),
        (&["lenet5", "--exact", "--nocapture"], "lenet5"),
        (&["--skip", "deep"], "lenet5"),
        (&["--ignored"], "slow"),
        (&["--include-ignored"], "lenet5 deep::second slow"),
        (&["--no-capture", "--report-time", "--show-output", "deep"], "deep::second"),
    ];
    for (arguments, expected) in cases {
        let run = sandbox.run(&good(), &[], arguments);
        assert_eq!(run.code, 0, "{arguments:?}: {}{}", run.stdout, run.stderr);
        assert_eq!(planned(&sandbox).as_deref(), Some(expected), "{arguments:?}");
        assert_eq!(names(&run.outcomes).join(" "), expected, "only what ran is reported");
    }
}

fn json_is_nothing_but_json() {
    let sandbox = Sandbox::new();
    for (scenario, code) in [(good(), 0), (bad(), 101)] {
        let run = sandbox.run(&scenario, &[], &["--format", "json", "--color", "always"]);
        assert_eq!((run.code, run.stderr.as_str()), (code, ""));
        for line in run.stdout.lines() {
            let event: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
            let said = event["stdout"].as_str().unwrap_or_default();
            assert_eq!(said.contains("BLOCK"), event["event"] == "failed" && event["type"] == "test", "{line}");
            assert!(!said.contains('\u{1b}'), "{line}");
        }
        assert!(!run.stdout.contains("SUMMARY"), "{}", run.stdout);
    }
}

fn terse_prints_no_blocks() {
    let sandbox = Sandbox::new();
    for arguments in [&["-q"][..], &["--format", "terse"]] {
        let run = sandbox.run(&good(), &[], arguments);
        assert_eq!(run.code, 0);
        assert!(run.stdout.contains("2 passed") && !run.stdout.contains("BLOCK"), "{}", run.stdout);
        assert_eq!(run.outcomes.len(), 2, "reports are written all the same");
    }
}

fn log_file() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&good(), &[], &["--logfile", "log.txt"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""));
    let log = fs::read_to_string(sandbox.root().join("log.txt")).unwrap();
    assert!(log.contains("2 passed") && log.contains("BLOCK lenet5 Passed") && !log.contains('\u{1b}'), "{log}");
}

fn colours() {
    let sandbox = Sandbox::new();
    let blocks = |run: Run| run.stdout.contains("\u{1b}[1mBLOCK lenet5");
    assert!(!blocks(sandbox.run(&good(), &[], &[])), "not a terminal");
    assert!(blocks(sandbox.run(&good(), &[], &["--color", "always"])));
    assert!(blocks(sandbox.run(&bad(), &[], &["--color", "always"])));
    assert!(!blocks(sandbox.run(&bad(), &[], &["--color", "never"])));
}

fn wrong_arguments() {
    let sandbox = Sandbox::new();
    let cases: [(&str, &[&str], &str); 3] = [
        ("", &["--frobnicate"], "--frobnicate"),
        ("", &["--test-threads", "0"], "--test-threads must be at least 1"),
        ("many", &[], "RUST_TEST_THREADS"),
    ];
    for (threads, arguments, said) in cases {
        let run = sandbox.run(&good(), &[("RUST_TEST_THREADS", threads)], arguments);
        assert_eq!(run.code, 2, "{arguments:?}");
        assert!(run.stderr.contains(said), "{}", run.stderr);
    }
    assert_eq!(planned(&sandbox), None);
}

fn broken_configuration() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&Scenario { broken: "configuration".into(), ..good() }, &[], &[]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert_eq!(run.stderr, "error: unknown key `modles` in cleanai.toml\n  help: models\n");
    assert_eq!(planned(&sandbox), None);
}

fn variables_and_slips_are_told() {
    let sandbox = Sandbox::new();
    let tables = ["lenet5", "second", "lenett5", "other test"].map(str::to_owned).to_vec();
    let scenario = Scenario { tables, ..good() };
    let variables = [("CLEANAI_BATCH", "16"), ("CLEANAI_BACH", "x"), ("CLEANAI_CACHE", "off")];
    let run = sandbox.run(&scenario, &variables, &["--format", "json"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let file = sandbox.root().join("cleanai.toml");
    let expected = format!(
        "warning: the variable CLEANAI_BACH is not known; did you mean CLEANAI_BATCH?\nwarning: {} has [tests.lenett5] (did you mean \
         `lenet5`?), [tests.\"other test\"], but no test of this binary has one of these names\n",
        file.display()
    );
    assert_eq!(run.stderr, expected);
    assert!(run.stdout.lines().all(|line| line.starts_with('{')), "{}", run.stdout);
    for outcome in &run.outcomes {
        let settings = &outcome.measurement.as_ref().expect("it was measured").settings;
        assert_eq!(settings.overridden, ["CLEANAI_BATCH=16"], "what changes no figure is left out");
    }
    // Every process of nextest has one test, so the others' tables say nothing.
    let run = sandbox.run(&scenario, &[("NEXTEST", "1"), ("NEXTEST_RUN_ID", "r")], &["lenet5", "--exact"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let run = sandbox.run(&scenario, &[("CLEANAI_BATCH", "many")], &[]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert!(
        run.stderr.starts_with("error: CLEANAI_BATCH is `many`: it must be a whole number from 1 to 65536\n"),
        "{}",
        run.stderr
    );
}

fn broken_declaration_fails_its_test() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&Scenario { broken: "declaration".into(), ..good() }, &[], &[]);
    assert_eq!(run.code, 101);
    let status: Vec<_> = run.outcomes.iter().map(|it| it.status).collect();
    assert_eq!(status, [Status::Error, Status::Passed]);
    assert!(run.stdout.contains("no model `lenet6`\n  help: did you mean `lenet5`?"), "{}", run.stdout);
    assert_eq!(planned(&sandbox).as_deref(), Some("deep::second"));
}

fn broken_measurement_is_an_error() {
    let sandbox = Sandbox::new();
    for (broken, said) in
        [("measurement", "lenet5.pt does not exist"), ("measurement panic", "measuring panicked: index out of bounds")]
    {
        let run = sandbox.run(&Scenario { broken: broken.into(), ..good() }, &[], &[]);
        assert_eq!((run.code, run.stderr.as_str()), (101, ""));
        assert!(run.outcomes.iter().all(|it| it.status == Status::Error && it.requirements.is_empty()));
        assert!(run.stdout.contains(said), "{}", run.stdout);
    }
}

fn two_tests_of_one_baseline() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&Scenario { one_baseline: true, ..good() }, &[], &[]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{}", run.stderr);
    let files = run.stderr.matches("runner__child__lenet5.snap").count();
    assert!(
        run.stderr.contains("`lenet5` (") && run.stderr.contains("`other::lenet5` (") && files == 1,
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("help: rename one of them, or its module"), "{}", run.stderr);
    assert_eq!(planned(&sandbox), None);
}

fn two_tests_of_one_name() {
    let run = Sandbox::new().run(&Scenario { twice: true, ..good() }, &[], &["--list"]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert!(
        run.stderr.contains("two tests are named `lenet5`") && run.stderr.contains("child.rs:40"),
        "{}",
        run.stderr
    );
}

fn report_that_cannot_be_written() {
    let sandbox = Sandbox::new();
    // Known before anything is measured where it can be.
    fs::write(sandbox.root().join("file"), "").unwrap();
    for path in ["file/report.json", "target"] {
        let run = sandbox.run(&Scenario { json: ReportSetting::At(path.into()), ..good() }, &[], &[]);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{path}");
        assert!(run.stderr.contains(path), "{}", run.stderr);
        assert_eq!(planned(&sandbox), None);
    }
    // Otherwise it is seen at the end; the other reports are there.
    for (scenario, code) in [(good(), 2), (bad(), 101)] {
        let run = sandbox.run(&scenario, &[("RUNNER_TEST_BREAK_REPORT", "1")], &[]);
        assert_eq!(run.code, code);
        assert!(run.stderr.contains("coverage.json: no space left"), "{}", run.stderr);
        assert!(run.stdout.contains("JUnit ") && !run.stdout.contains("JSON "), "{}", run.stdout);
    }
    // A path of the user's starts at cleanai.toml.
    let run = sandbox.run(&Scenario { json: ReportSetting::At("out/report.json".into()), ..good() }, &[], &[]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(sandbox.root().join("out/report.json").is_file());
}

fn nextest_merges_the_run() {
    let sandbox = Sandbox::new();
    let run_id =
        |id: &'static str| [("NEXTEST", "1"), ("NEXTEST_RUN_ID", id), ("NEXTEST_EXECUTION_MODE", "process-per-test")];
    let one = |name: &str, id| sandbox.run(&good(), &run_id(id), &[name, "--nocapture", "--exact"]);
    std::thread::scope(|scope| {
        for name in ["lenet5", "deep::second"] {
            scope.spawn(move || assert_eq!(one(name, "first").code, 0));
        }
    });
    let run = one("lenet5", "first");
    assert_eq!(names(&run.outcomes), ["lenet5", "deep::second"], "the last process leaves the whole");
    assert!(run.stdout.contains("BLOCK lenet5 Passed") && !run.stdout.contains("SUMMARY"), "{}", run.stdout);
    assert!(!sandbox.root().join("target/cleanai/app/coverage.junit.xml").exists(), "nextest writes its own");
    assert_eq!(names(&one("deep::second", "second").outcomes), ["deep::second"], "another run begins anew");
    // An id that is no plain name is not made a folder.
    let run = sandbox.run(&good(), &run_id("../../../escaped"), &["lenet5", "--exact"]);
    assert_eq!((run.code, names(&run.outcomes)), (0, vec!["lenet5"]));
    assert!(!sandbox.root().join("target/cleanai/escaped").exists());
}

fn github_is_told() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.root().join(".git")).unwrap();
    let summary = sandbox.root().join("summary.md");
    let summary_text = summary.display().to_string();
    let github = [("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", summary_text.as_str())];
    let run = sandbox.run(&bad(), &github, &[]);
    assert_eq!((run.code, run.stderr.as_str()), (101, ""));
    assert!(run.stdout.ends_with("\n::error file=::lenet5\n::error file=::deep::second\n"), "{}", run.stdout);
    let told = "DIGEST of lenet5 deep::second, limited, beside JSON HTML JUnit\n";
    assert_eq!(fs::read_to_string(&summary).unwrap(), told);
    let file = fs::read_to_string(sandbox.root().join("target/cleanai/app/coverage.md")).unwrap();
    assert_eq!(file, "DIGEST of lenet5 deep::second, whole, beside JSON HTML JUnit");
    assert!(run.stdout.contains("Markdown target/cleanai/app/coverage.md"), "{}", run.stdout);
    assert!(sandbox.root().join("target/cleanai/app/coverage.html").is_file());
    // A list runs nothing and tells nothing; JSON is nothing but JSON.
    let run = sandbox.run(&bad(), &github, &["--list"]);
    assert!(!run.stdout.contains("::error"), "{}", run.stdout);
    let run = sandbox.run(&bad(), &github, &["--format", "json"]);
    assert!(!run.stdout.contains("::error"), "{}", run.stdout);
    // Under nextest every process adds its own test.
    fs::remove_file(&summary).unwrap();
    let nextest = [github[0], github[1], ("NEXTEST", "1"), ("NEXTEST_RUN_ID", "one")];
    for name in ["lenet5", "deep::second"] {
        let run = sandbox.run(&bad(), &nextest, &[name, "--nocapture", "--exact"]);
        assert!(run.stdout.contains(&format!("::error file=::{name}\n")), "{}", run.stdout);
    }
    let told = "DIGEST of lenet5, limited, beside JSON HTML\nDIGEST of deep::second, limited, beside JSON HTML\n";
    assert_eq!(fs::read_to_string(&summary).unwrap(), told);
    // A summary that cannot be written is a warning, and one only.
    let folder = sandbox.root().display().to_string();
    let run = sandbox.run(&good(), &[("GITHUB_STEP_SUMMARY", folder.as_str())], &[]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.starts_with("warning: cannot add to the summary of the step, "), "{}", run.stderr);
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
}

fn old_runs_are_removed() {
    let sandbox = Sandbox::new();
    for _ in 0..8 {
        assert_eq!(sandbox.run(&good(), &[], &[]).code, 0);
    }
    assert_eq!(runs(&sandbox).len(), 5, "the last and four before it");
    // So is what a run left that was killed, unless another may be writing it.
    let left = ["old", "new"].map(|name| sandbox.root().join(format!("target/cleanai/app/.cleanai-{name}.tmp")));
    left.iter().for_each(|path| fs::write(path, "half a rep").unwrap());
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
    fs::File::options().append(true).open(&left[0]).unwrap().set_modified(long_ago).unwrap();
    assert_eq!(sandbox.run(&good(), &[], &[]).code, 0);
    assert_eq!(left.map(|path| path.exists()), [false, true]);
}

fn threads() {
    let sandbox = Sandbox::new();
    for (environment, arguments) in [(&[][..], &["--test-threads", "4"][..]), (&[("RUST_TEST_THREADS", "3")], &[])] {
        let run = sandbox.run(&good(), environment, arguments);
        assert_eq!((run.code, names(&run.outcomes)), (0, vec!["lenet5", "deep::second"]));
    }
}

#[cfg(unix)]
fn interruption_leaves_whole_reports() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let sandbox = Sandbox::new();
        let scenario = Scenario { broken: "interruption".into(), ..good() };
        let measuring = sandbox.root().join("measuring");
        // The ignored test stands after the one that is interrupted.
        let run = sandbox.run_while(&scenario, &[], &["--include-ignored"], |process| {
            while !measuring.exists() {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            let kill = std::process::Command::new("kill").args([signal, &process.to_string()]).status();
            assert!(kill.unwrap().success());
        });
        assert_eq!(run.code, code, "{}{}", run.stdout, run.stderr);
        assert_eq!(names(&run.outcomes), ["lenet5"], "{}", run.stdout);
        assert!(run.stdout.contains("BLOCK lenet5 Passed"), "{}", run.stdout);
        assert!(run.stdout.contains("slow         ... ignored (interrupted)"), "{}", run.stdout);
        assert!(run.stdout.contains("---- deep::second ----\ninterrupted\n"), "{}", run.stdout);
        let said = "error: interrupted: 1 of 3 tests finished, and the reports hold no others\n";
        assert_eq!(run.stderr, said);
        // Nothing half-written, and the next run is like any other.
        let left = fs::read_dir(sandbox.root().join("target/cleanai/app")).unwrap();
        assert!(left.flatten().all(|entry| !entry.file_name().to_string_lossy().ends_with(".tmp")));
        assert_eq!(sandbox.run(&good(), &[], &[]).code, 0);
    }
}
