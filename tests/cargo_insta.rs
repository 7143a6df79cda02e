//! `cargo insta` in a user's project: test, pending, accept, reject, review by answer.

use std::fs;

use functional_tests::{Configuration, Project};

#[test]
fn baselines_are_reviewed_with_cargo_insta() {
    let project = Project::new("reviewed-with-insta");

    // `cargo insta test` collects what is pending; accepting makes the baseline.
    project.cargo(&["insta", "test", "--test", "coverage"], &[]);
    assert!(project.pending().is_file());
    project.cargo(&["insta", "pending-snapshots"], &[]).expect(0).says("coverage__digits.snap");
    project.cargo(&["insta", "accept"], &[]).expect(0);
    assert!(project.snapshot().is_file());
    let baseline = fs::read_to_string(project.snapshot()).unwrap();
    project.cargo(&["insta", "test", "--check", "--test", "coverage"], &[]).expect(0);

    // A regression is pending there, and refused by a reviewer it fails again.
    project.configure(&Configuration { test: "data/test#0..80", ..Configuration::default() });
    project.cargo(&["insta", "test", "--test", "coverage"], &[]);
    assert!(project.pending().is_file());
    project.cargo(&["insta", "reject"], &[]).expect(0);
    assert!(!project.pending().exists());
    assert_eq!(fs::read_to_string(project.snapshot()).unwrap(), baseline);
    project.test(&["digits"], &[("CI", "true")]).expect(101);

    // In a review the reviewer sees both figures, and accepts what she will.
    #[cfg(target_os = "linux")]
    {
        project.test(&["digits"], &[]).expect(101);
        project.review("r").expect(0).says("kmnc(k=100)").says("reject");
        assert!(!project.pending().exists());
        assert_eq!(fs::read_to_string(project.snapshot()).unwrap(), baseline);
        project.test(&["digits"], &[]).expect(101);
        project.review("a").expect(0);
        project.test(&["digits"], &[("CI", "true")]).expect(0);
        fs::write(project.snapshot(), &baseline).unwrap();
    }

    // Accepted at once, the lower figures are the baseline.
    project.cargo(&["insta", "test", "--accept", "--test", "coverage"], &[]);
    assert_ne!(fs::read_to_string(project.snapshot()).unwrap(), baseline);
    project.test(&["digits"], &[("CI", "true")]).expect(0);

    // A threshold fails here too, whatever insta makes of the snapshot.
    project.configure(&Configuration {
        requirements: "\"kmnc(k=100) >= 0.99\", \"tknc >= 0.1\"",
        ..Configuration::default()
    });
    let run = project.cargo(&["insta", "test", "--test", "coverage"], &[]);
    assert_ne!(run.code, 0, "a missed threshold passed under cargo insta:\n{}", run.out);

    // With nextest as its runner.
    project.configure(&Configuration { test: "data/test#0..80", ..Configuration::default() });
    project.cargo(&["insta", "test", "--check", "--test-runner", "nextest", "--test", "coverage"], &[]).expect(0);
}
