//! `cargo cleanai ratchet` on a project as a user has it: numbers rise in place in the source, the configuration and the baseline.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use functional_tests::{Configuration, Project, Run, workspace};

/// The folder that `cargo cleanai` lies in, built as it is now.
fn command_line() -> PathBuf {
    let exe = std::env::current_exe().expect("a running test has a path");
    let target = exe.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file()).expect("a target folder");
    let mut command = Command::new("cargo");
    command.args(["build", "--quiet", "--package", "cargo-cleanai"]).current_dir(workspace());
    let status = command.env("CARGO_TARGET_DIR", target).status();
    assert!(status.expect("cargo runs").success(), "cargo-cleanai cannot be built");
    target.join("debug")
}

fn ratchet(project: &Project, arguments: &[&str]) -> Run {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::env::join_paths([command_line()].into_iter().chain(std::env::split_paths(&paths)));
    let path = paths.expect("PATH can be joined").into_string().expect("UTF-8");
    project.cargo(&[&["cleanai", "ratchet"], arguments].concat(), &[("PATH", &path)])
}

const SOURCE: &str = "use cleanai_harness::prelude::*;\n\n\
    #[cleanai::coverage(\n    model = \"lenet5\",\n    // The ramp-up: see the issue.\n    \
    nc(threshold = 0.25) >= 0.3, /* half */ tknc >= 0.1,\n    uncovered <= 200,\n    nbc >= baseline\n)]\n\
    fn digits() {}\n\n\
    #[cleanai::coverage(model = \"lenet5\", nac >= 0.99)]\nfn failing() {}\n\ncleanai_harness::main!();\n";

#[test]
fn numbers_rise_in_place_and_nothing_else_changes() {
    let project = Project::new("ratcheted");
    project.write("tests/coverage.rs", SOURCE);
    let requirements = "\n  \"kmnc(k=100) >= 0.3\",   # sections\n  'per_layer(min) >= 0.01'\n";
    let of = |test| Configuration { test, requirements, ..Configuration::default() };
    project.configure(&of("data/test#0..120"));
    project.accept_baseline();
    // More pictures cover more.
    project.configure(&of("data/test"));
    let files = ["tests/coverage.rs", "cleanai.toml", "tests/snapshots/coverage__digits.snap"];
    let read = || files.map(|file| fs::read_to_string(project.path(file)).expect("a file"));
    let before = read();

    let dry = ratchet(&project, &["--dry-run"]).expect(101);
    assert_eq!(read(), before, "a dry run changes nothing");
    let dry = dry
        .says("digits: kmnc(k=100) >= 0.3 -> 0.8")
        .says("(cleanai.toml:12)")
        .says("digits: nc(threshold=0.25) >= 0.3 -> 0.")
        .says("(tests/coverage.rs:6)")
        .says("digits: baseline of kmnc(k=100) 0.")
        .says("failing: it fails")
        .says("nothing was written (--dry-run)");
    assert!(!dry.out.contains("nbc >= baseline ->") && !dry.out.contains("nac >= 0.99 ->"), "{}", dry.out);

    ratchet(&project, &[]).expect(101).says("run the tests again and commit the change");
    let after = read();
    let changed = |index: usize| {
        let lines = before[index].lines().zip(after[index].lines());
        assert_eq!(before[index].lines().count(), after[index].lines().count(), "{}", after[index]);
        lines.filter(|(old, new)| old != new).map(|(_, new)| new.trim().to_owned()).collect::<Vec<_>>()
    };
    let source = changed(0);
    assert_eq!(source.len(), 2, "{source:?}");
    assert!(source[0].starts_with("nc(threshold = 0.25) >= 0.") && source[0].contains(", /* half */ tknc >= 0."));
    assert!(source[1].starts_with("uncovered <= ") && !source[1].contains("200"), "{source:?}");
    let table = changed(1);
    assert_eq!(table.len(), 2, "{table:?}");
    assert!(table[0].starts_with("\"kmnc(k=100) >= 0.8") && table[0].ends_with("\",   # sections"), "{table:?}");
    assert!(table[1].starts_with("'per_layer(min) >= 0.") && table[1].ends_with('\''), "{table:?}");
    assert!(!changed(2).is_empty() && !project.pending().exists());

    // What was raised holds, and there is nothing more to raise.
    project.test(&["digits", "--exact"], &[("CI", "true")]).expect(0);
    ratchet(&project, &["digits"]).expect(0).says("nothing to raise");
    assert_eq!(read(), after);
    // Fewer pictures lower nothing.
    project.configure(&of("data/test#0..120"));
    let before = read();
    ratchet(&project, &["digits"]).expect(101).says("digits: it fails");
    assert_eq!(read(), before);
    ratchet(&project, &["--margin", "-1"]).expect(2).says("a margin is a number from 0 on");
}
