//! The baseline in every mode of `insta`.

use std::fs;

use cleanai_harness::declare::OnImprovement;
use cleanai_harness::gate::{BaselineStatus, Change};
use cleanai_harness::report::{Outcome, Status};

use crate::child::Scenario;
use crate::sandbox::Sandbox;

pub const TESTS: &[(&str, fn())] = &[
    ("baseline::first_run_on_a_machine", first_run_on_a_machine),
    ("baseline::first_run_in_ci", first_run_in_ci),
    ("baseline::within_tolerance", within_tolerance),
    ("baseline::regression", regression),
    ("baseline::improvement_ignored", improvement_ignored),
    ("baseline::improvement_pending", improvement_pending),
    ("baseline::improvement_fails", improvement_fails),
    ("baseline::criteria_changed", criteria_changed),
    ("baseline::not_finite", not_finite),
    ("baseline::not_finite_in_the_file", not_finite_in_the_file),
    ("baseline::under_cargo_insta_test", under_cargo_insta_test),
    ("baseline::updates_in_place", updates_in_place),
    ("baseline::threshold_fails_in_every_mode", threshold_fails_in_every_mode),
    ("baseline::a_failing_body_proposes_nothing", a_failing_body_proposes_nothing),
    ("baseline::garbled", garbled),
    ("baseline::header_unreadable", header_unreadable),
    ("baseline::full_match", full_match),
    ("baseline::turned_off", turned_off),
    ("baseline::gpu_has_its_own", gpu_has_its_own),
    ("baseline::a_release_of_libtorch_may_have_its_own", a_release_of_libtorch_may_have_its_own),
    ("baseline::workspace_found_at_run_time", workspace_found_at_run_time),
    ("baseline::pending_folder", pending_folder),
    ("baseline::insta_misconfigured", insta_misconfigured),
    ("baseline::baselines_of_no_test_are_told", baselines_of_no_test_are_told),
    ("baseline::as_a_bound", as_a_bound),
];

pub const CI: (&str, &str) = ("CI", "true");
/// What `cargo insta test` sets.
const INSTA_TEST: [(&str, &str); 2] = [("INSTA_FORCE_PASS", "1"), ("INSTA_UPDATE", "new")];

pub fn figures(nc: f64) -> Scenario {
    let figures = [("nc".to_owned(), Some(nc)), ("nbc".to_owned(), Some(0.1))].into();
    Scenario { figures, at_least: 0.4, ..Scenario::default() }
}

/// A workspace whose accepted baseline has `nc` at 0.5.
pub fn accepted() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.lenet5(&figures(0.5), &[]);
    sandbox.accept();
    sandbox
}

fn next(outcome: &Outcome) -> &str {
    outcome.baseline.next.as_deref().unwrap_or_default()
}

const AT_HALF: &str = "nbc: 0.100000  100/1000\nnc: 0.500000  500/1000\n";

fn first_run_on_a_machine() {
    let sandbox = Sandbox::new();
    let (code, outcome) = sandbox.lenet5(&figures(0.5), &[]);
    assert_eq!((code, outcome.status), (101, Status::Failed));
    assert_eq!((outcome.baseline.status, outcome.baseline.fails), (BaselineStatus::Missing, true));
    assert!(sandbox.root().join(outcome.baseline.pending.as_ref().unwrap()).is_file(), "relative to the workspace");
    assert!(next(&outcome).contains("`cargo insta review`"), "{}", next(&outcome));
    assert_eq!(Sandbox::figures(&sandbox.pending()).as_deref(), Some(AT_HALF));
    assert!(!sandbox.baseline().exists());
    // What it was measured on stands in the header; nothing that changes from run to run.
    let header = fs::read_to_string(sandbox.pending()).unwrap();
    for fact in ["model: lenet5", &format!("sha256: {}", "5d".repeat(32)), "inputs: 360", "nc >= 0.4", "2.13.0"] {
        assert!(header.contains(fact), "{fact} is not in\n{header}");
    }
    assert!(!header.contains("expression:") && !header.contains("seconds"), "{header}");

    sandbox.accept();
    let (code, outcome) = sandbox.lenet5(&figures(0.5), &[]);
    assert_eq!((code, outcome.status, outcome.baseline.status), (0, Status::Passed, BaselineStatus::Unchanged));
    assert_eq!(outcome.requirements[0].baseline, Some(0.5));
    assert_eq!(outcome.baseline.next, None);
}

fn first_run_in_ci() {
    let sandbox = Sandbox::new();
    let (code, outcome) = sandbox.lenet5(&figures(0.5), &[CI]);
    assert_eq!((code, outcome.baseline.status, outcome.baseline.fails), (101, BaselineStatus::Missing, true));
    assert_eq!(outcome.baseline.pending, None);
    assert!(next(&outcome).contains("nothing was written (CI)"), "{}", next(&outcome));
    assert!(next(&outcome).contains("cargo insta test --review"), "{}", next(&outcome));
    assert!(next(&outcome).contains("runner__child__lenet5.snap"), "{}", next(&outcome));
    assert!(!sandbox.snapshots().exists());
}

fn within_tolerance() {
    let sandbox = accepted();
    let before = fs::read(sandbox.baseline()).unwrap();
    fs::write(sandbox.pending(), "stale").unwrap();
    let (code, outcome) = sandbox.lenet5(&figures(0.498), &[]);
    assert_eq!((code, outcome.baseline.status, outcome.baseline.fails), (0, BaselineStatus::Unchanged, false));
    assert_eq!(fs::read(sandbox.baseline()).unwrap(), before, "small steps do not add up");
    assert!(!sandbox.pending().exists(), "insta removes what is no longer pending");
}

fn regression() {
    let sandbox = accepted();
    let (code, outcome) = sandbox.lenet5(&figures(0.45), &[]);
    assert_eq!((code, outcome.status), (101, Status::Failed));
    assert_eq!((outcome.baseline.status, outcome.baseline.fails), (BaselineStatus::Regressed, true));
    assert!(outcome.requirements[0].holds, "the threshold holds");
    assert!(next(&outcome).contains("add test inputs"), "{}", next(&outcome));
    let changes: Vec<_> = outcome.baseline.changes.iter().map(|it| (it.criterion.as_str(), it.change)).collect();
    assert_eq!(changes, [("nbc", Change::Unchanged), ("nc", Change::Regressed)]);
    assert_eq!(Sandbox::figures(&sandbox.baseline()).as_deref(), Some(AT_HALF));
    assert!(Sandbox::figures(&sandbox.pending()).unwrap().contains("nc: 0.450000"));

    // In CI the same, but nothing is written, and a stale pending snapshot is not taken for one of this run.
    fs::write(sandbox.pending(), "---\n---\nnc: 0.440000\n").unwrap();
    let (code, outcome) = sandbox.lenet5(&figures(0.45), &[CI]);
    assert_eq!(
        (code, outcome.baseline.status, outcome.baseline.pending.is_some()),
        (101, BaselineStatus::Regressed, false)
    );
    assert!(next(&outcome).contains("nothing was written (CI)"), "{}", next(&outcome));
    // And where nothing shall be updated.
    let (code, outcome) = sandbox.lenet5(&figures(0.45), &[("INSTA_UPDATE", "no")]);
    assert_eq!((code, outcome.baseline.fails), (101, true));
    assert!(next(&outcome).contains("nothing was written (INSTA_UPDATE=no)"), "{}", next(&outcome));

    // Lower is better for nbc by itself.
    let mut worse = figures(0.5);
    worse.figures.insert("nbc".into(), Some(0.2));
    assert_eq!(sandbox.lenet5(&worse, &[CI]).1.baseline.status, BaselineStatus::Regressed);
    // What was covered and now has nothing to cover is worse, too.
    worse.figures.insert("nbc".into(), None);
    assert_eq!(sandbox.lenet5(&worse, &[CI]).1.baseline.status, BaselineStatus::Regressed);
}

fn improvement_ignored() {
    let sandbox = accepted();
    let (code, outcome) = sandbox.lenet5(&figures(0.6), &[]);
    assert_eq!((code, outcome.baseline.status, outcome.baseline.fails), (0, BaselineStatus::Improved, false));
    assert!(next(&outcome).contains("--force-update-snapshots"), "{}", next(&outcome));
    assert!(!sandbox.pending().exists());
    assert_eq!(Sandbox::figures(&sandbox.baseline()).as_deref(), Some(AT_HALF));
    // What the hint says works.
    let (code, outcome) = sandbox.lenet5(&figures(0.6), &[("INSTA_UPDATE", "force"), ("INSTA_FORCE_PASS", "1")]);
    assert_eq!((code, outcome.baseline.fails), (0, false));
    assert!(Sandbox::figures(&sandbox.baseline()).unwrap().contains("nc: 0.600000"));
    assert!(next(&outcome).contains("written in place"), "{}", next(&outcome));
}

fn improvement_pending() {
    let sandbox = accepted();
    let better = Scenario { on_improvement: OnImprovement::Pending, ..figures(0.6) };
    let (code, outcome) = sandbox.lenet5(&better, &[]);
    assert_eq!((code, outcome.status), (0, Status::Passed));
    assert_eq!((outcome.baseline.status, outcome.baseline.fails), (BaselineStatus::Improved, false));
    assert!(outcome.baseline.pending.is_some());
    assert!(Sandbox::figures(&sandbox.pending()).unwrap().contains("nc: 0.600000"));
    fs::remove_file(sandbox.pending()).unwrap();
    let (code, outcome) = sandbox.lenet5(&better, &[CI]);
    assert_eq!((code, outcome.baseline.fails, outcome.baseline.pending), (0, false, None));
    // Worse is worse all the same.
    assert_eq!(sandbox.lenet5(&Scenario { on_improvement: OnImprovement::Pending, ..figures(0.45) }, &[CI]).0, 101);
}

fn improvement_fails() {
    let sandbox = accepted();
    let better = Scenario { on_improvement: OnImprovement::Fail, ..figures(0.6) };
    let (code, outcome) = sandbox.lenet5(&better, &[]);
    assert_eq!((code, outcome.baseline.status, outcome.baseline.fails), (101, BaselineStatus::Improved, true));
    assert!(outcome.baseline.pending.is_some());
    assert_eq!(sandbox.lenet5(&better, &INSTA_TEST).0, 0);
    sandbox.accept();
    assert_eq!(sandbox.lenet5(&better, &[]).0, 0);
}

fn criteria_changed() {
    let sandbox = accepted();
    let mut other = figures(0.5);
    other.figures.remove("nbc");
    other.figures.insert("kmnc(k=1000)".into(), Some(0.25));
    let (code, outcome) = sandbox.lenet5(&other, &[]);
    assert_eq!((code, outcome.baseline.status, outcome.baseline.fails), (101, BaselineStatus::CriteriaChanged, true));
    let changes: Vec<_> = outcome.baseline.changes.iter().map(|it| (it.criterion.as_str(), it.change)).collect();
    let expected = [("kmnc(k=1000)", Change::Added), ("nbc", Change::Removed), ("nc", Change::Unchanged)];
    assert_eq!(changes, expected);
    sandbox.accept();
    assert_eq!(sandbox.lenet5(&other, &[]).0, 0);
}

fn not_finite() {
    let sandbox = accepted();
    let before = fs::read(sandbox.baseline()).unwrap();
    // Not the criterion of the requirement, which would fail by itself.
    let nan = Scenario { nan: Some("nbc".into()), ..figures(0.5) };
    for environment in [&[][..], &INSTA_TEST, &[("INSTA_UPDATE", "always")], &[("INSTA_UPDATE", "force")], &[CI]] {
        let (code, outcome) = sandbox.lenet5(&nan, environment);
        assert_eq!((code, outcome.status), (101, Status::Failed), "{environment:?}");
        assert_eq!((outcome.baseline.status, outcome.baseline.fails), (BaselineStatus::NotFinite, true));
        assert!(next(&outcome).starts_with("nbc "), "{}", next(&outcome));
    }
    assert_eq!(fs::read(sandbox.baseline()).unwrap(), before);
    assert!(!sandbox.pending().exists());
    // Nor is it ever the first one.
    fs::remove_file(sandbox.baseline()).unwrap();
    assert_eq!(sandbox.lenet5(&nan, &[("INSTA_UPDATE", "always")]).0, 101);
    assert!(!sandbox.baseline().exists() && !sandbox.pending().exists());
}

fn not_finite_in_the_file() {
    let sandbox = accepted();
    let broken = fs::read_to_string(sandbox.baseline()).unwrap().replace("nc: 0.500000", "nc: NaN");
    fs::write(sandbox.baseline(), broken).unwrap();
    let (code, outcome) = sandbox.lenet5(&figures(0.5), &[]);
    assert_eq!((code, outcome.baseline.status), (101, BaselineStatus::NotFinite));
    sandbox.accept();
    assert_eq!(sandbox.lenet5(&figures(0.5), &[]).0, 0);
}

fn under_cargo_insta_test() {
    let sandbox = Sandbox::new();
    let (code, outcome) = sandbox.lenet5(&figures(0.5), &INSTA_TEST);
    assert_eq!((code, outcome.baseline.status, outcome.baseline.fails), (0, BaselineStatus::Missing, false));
    sandbox.accept();
    let (code, outcome) = sandbox.lenet5(&figures(0.45), &INSTA_TEST);
    assert_eq!((code, outcome.status), (0, Status::Passed), "a pending change does not fail here");
    assert_eq!((outcome.baseline.status, outcome.baseline.fails), (BaselineStatus::Regressed, false));
    assert!(outcome.baseline.pending.is_some());
    sandbox.accept();
    assert_eq!(sandbox.lenet5(&figures(0.45), &[]).0, 0, "accepted");
}

fn updates_in_place() {
    for (mode, existing) in [("always", true), ("force", true), ("unseen", false)] {
        let sandbox = Sandbox::new();
        let mode = [("INSTA_UPDATE", mode)];
        let (code, outcome) = sandbox.lenet5(&figures(0.5), &mode);
        assert_eq!(
            (code, outcome.baseline.status, outcome.baseline.fails),
            (0, BaselineStatus::Missing, false),
            "{mode:?}"
        );
        assert!(next(&outcome).contains("written in place"), "{}", next(&outcome));
        assert_eq!(Sandbox::figures(&sandbox.baseline()).as_deref(), Some(AT_HALF));
        let (code, outcome) = sandbox.lenet5(&figures(0.45), &mode);
        assert_eq!(outcome.baseline.status, BaselineStatus::Regressed);
        assert_eq!((code == 0, outcome.baseline.fails), (existing, !existing), "{mode:?}");
        assert_eq!(Sandbox::figures(&sandbox.baseline()).unwrap().contains("nc: 0.450000"), existing, "{mode:?}");
    }
}

fn threshold_fails_in_every_mode() {
    let modes: [&[(&str, &str)]; 7] = [
        &[],
        &[CI],
        &INSTA_TEST,
        &[("INSTA_UPDATE", "always")],
        &[("INSTA_UPDATE", "force")],
        &[("INSTA_UPDATE", "no")],
        &[("INSTA_UPDATE", "always"), ("INSTA_FORCE_PASS", "1")],
    ];
    let sandbox = Sandbox::new();
    for mode in modes {
        let (code, outcome) = sandbox.lenet5(&figures(0.3), mode);
        assert_eq!((code, outcome.status), (101, Status::Failed), "{mode:?}");
        assert!(!outcome.requirements[0].holds);
        assert_eq!(outcome.requirements[0].passing_bound, Some(0.3));
        assert_eq!(outcome.baseline.status, BaselineStatus::Missing);
    }
    assert!(!sandbox.snapshots().exists(), "what fails its requirements is not proposed");

    let sandbox = accepted();
    let before = fs::read(sandbox.baseline()).unwrap();
    let references = sandbox.root().join("references");
    for mode in modes {
        let mut mode = mode.to_vec();
        mode.push(("INSTA_SNAPSHOT_REFERENCES_FILE", references.to_str().unwrap()));
        let (code, outcome) = sandbox.lenet5(&figures(0.3), &mode);
        assert_eq!((code, outcome.status), (101, Status::Failed), "{mode:?}");
        assert_eq!(outcome.baseline.status, BaselineStatus::Regressed, "compared and shown");
        assert_eq!(outcome.requirements[0].baseline, Some(0.5));
    }
    assert_eq!(fs::read(sandbox.baseline()).unwrap(), before);
    assert!(!sandbox.pending().exists());
    let referenced = fs::read_to_string(references).unwrap();
    assert!(referenced.lines().all(|line| line == sandbox.baseline().to_str().unwrap()), "or it would be deleted");
    assert_eq!(referenced.lines().count(), modes.len());
}

fn a_failing_body_proposes_nothing() {
    let sandbox = Sandbox::new();
    for (what, said) in [("fail", "360 inputs are too few"), ("panic", "the body panics")] {
        let (code, outcome) = sandbox.lenet5(&Scenario { body: what.into(), ..figures(0.5) }, &INSTA_TEST);
        assert_eq!((code, outcome.status), (101, Status::Failed));
        let body = outcome.body.unwrap();
        assert!(body.starts_with(said), "{body}");
        assert_eq!(body.contains("child.rs:"), what == "panic", "{body}");
    }
    assert!(!sandbox.snapshots().exists());
}

fn garbled() {
    let sandbox = accepted();
    let conflict = "<<<<<<< HEAD\nnc: 0.500000\n=======\nnc: 0.6\n>>>>>>> other\n";
    let header = fs::read_to_string(sandbox.baseline()).unwrap().replace("nc: 0.500000  500/1000\n", conflict);
    fs::write(sandbox.baseline(), header).unwrap();
    let (code, outcome) = sandbox.lenet5(&figures(0.5), &[]);
    assert_eq!((code, outcome.baseline.status, outcome.baseline.fails), (101, BaselineStatus::Unreadable, true));
    assert!(
        next(&outcome).contains("line 2 of the baseline") && next(&outcome).contains("<<<<<<< HEAD"),
        "{}",
        next(&outcome)
    );
    sandbox.accept();
    assert_eq!(sandbox.lenet5(&figures(0.5), &[]).0, 0);
    // Something else altogether is neither read nor rewritten.
    fs::write(sandbox.baseline(), "x".repeat(2 << 20)).unwrap();
    let (code, outcome) = sandbox.lenet5(&figures(0.5), &[("INSTA_UPDATE", "always")]);
    assert_eq!((code, outcome.baseline.status), (101, BaselineStatus::Unreadable));
    assert!(next(&outcome).contains("larger than"), "{}", next(&outcome));
    assert_eq!(fs::metadata(sandbox.baseline()).unwrap().len(), 2 << 20);
}

fn header_unreadable() {
    let sandbox = accepted();
    fs::write(sandbox.baseline(), "---\n<<<<<<< : [\n---\nnc: 0.500000\n").unwrap();
    // insta warns on the standard error by itself here.
    let run = sandbox.run(&figures(0.5), &[], &["lenet5", "--exact"]);
    assert_eq!((run.code, run.outcomes[0].baseline.status), (101, BaselineStatus::Unreadable));
    assert!(next(&run.outcomes[0]).contains("header"), "{}", next(&run.outcomes[0]));
    assert!(sandbox.pending().is_file());
}

fn full_match() {
    let sandbox = accepted();
    let full = [("INSTA_REQUIRE_FULL_MATCH", "1")];
    assert_eq!(sandbox.lenet5(&figures(0.5), &full).0, 0);
    let (code, outcome) = sandbox.lenet5(&figures(0.499), &full);
    assert_eq!((code, outcome.baseline.status, outcome.baseline.fails), (101, BaselineStatus::Unchanged, true));
    assert!(next(&outcome).contains("full match"), "{}", next(&outcome));
    // Other metadata, same figures.
    let (code, _) = sandbox.lenet5(&Scenario { at_least: 0.45, ..figures(0.5) }, &full);
    assert_eq!(code, 101);
    assert_eq!(sandbox.lenet5(&Scenario { at_least: 0.45, ..figures(0.5) }, &[]).0, 0);
}

fn turned_off() {
    let sandbox = Sandbox::new();
    let off = |nc| Scenario { no_baseline: true, ..figures(nc) };
    let (code, outcome) = sandbox.lenet5(&off(0.5), &[]);
    assert_eq!((code, outcome.baseline.status, outcome.baseline.fails), (0, BaselineStatus::Disabled, false));
    assert!(!sandbox.snapshots().exists());
    assert_eq!(sandbox.lenet5(&off(0.3), &[]).0, 101);
}

fn gpu_has_its_own() {
    let sandbox = accepted();
    let gpu = Scenario { device: "cuda:0".into(), ..figures(0.45) };
    let (code, outcome) = sandbox.lenet5(&gpu, &[]);
    assert_eq!((code, outcome.baseline.status), (101, BaselineStatus::Missing));
    assert!(sandbox.snapshots().join("runner__child__lenet5@cuda.snap.new").is_file());
    assert_eq!(outcome.requirements[0].baseline, None);
}

fn a_release_of_libtorch_may_have_its_own() {
    let sandbox = accepted();
    // Accepted for this release alone: it goes before the one for all.
    let own = sandbox.snapshots().join("runner__child__lenet5@libtorch-2.13.snap");
    let text = fs::read_to_string(sandbox.baseline()).unwrap();
    fs::write(&own, text.replace("nc: 0.500000  500/1000", "nc: 0.450000  450/1000")).unwrap();
    let (code, outcome) = sandbox.lenet5(&figures(0.45), &[CI]);
    assert_eq!((code, outcome.baseline.status), (0, BaselineStatus::Unchanged));
    assert!(outcome.baseline.file.unwrap().ends_with("runner__child__lenet5@libtorch-2.13.snap"));
    fs::rename(&own, sandbox.snapshots().join("runner__child__lenet5@libtorch-2.11.snap")).unwrap();
    assert_eq!(sandbox.lenet5(&figures(0.45), &[CI]).1.baseline.status, BaselineStatus::Regressed);
}

fn workspace_found_at_run_time() {
    let sandbox = accepted();
    let nowhere = [("PATH", "")];
    assert_eq!(sandbox.lenet5(&figures(0.5), &nowhere).0, 0, "no cargo needed");
    let root = sandbox.root().to_str().unwrap();
    assert_eq!(sandbox.lenet5(&figures(0.5), &[("INSTA_WORKSPACE_ROOT", root)]).0, 0);
    assert_eq!(sandbox.lenet5(&figures(0.5), &[("NEXTEST_WORKSPACE_ROOT", root)]).0, 0);
    // A wrong root shows in the path that is named.
    let other = Sandbox::new();
    let elsewhere = other.root().join("elsewhere");
    let (code, outcome) = sandbox.lenet5(&figures(0.5), &[("INSTA_WORKSPACE_ROOT", elsewhere.to_str().unwrap()), CI]);
    assert_eq!((code, outcome.baseline.status), (101, BaselineStatus::Missing));
    assert!(next(&outcome).contains(elsewhere.to_str().unwrap()), "{}", next(&outcome));
}

fn pending_folder() {
    let sandbox = Sandbox::new();
    let folder = sandbox.root().join("pending");
    let (code, outcome) = sandbox.lenet5(&figures(0.5), &[("INSTA_PENDING_DIR", folder.to_str().unwrap())]);
    assert_eq!((code, outcome.baseline.status), (101, BaselineStatus::Missing));
    let pending = sandbox.root().join(outcome.baseline.pending.unwrap());
    assert!(pending.starts_with(&folder) && pending.is_file(), "{}", pending.display());
    assert!(!sandbox.pending().exists());
}

fn insta_misconfigured() {
    let sandbox = accepted();
    let (code, outcome) = sandbox.lenet5(&figures(0.5), &[("INSTA_UPDATE", "sometimes")]);
    assert_eq!((code, outcome.status), (101, Status::Error));
    let error = outcome.error.unwrap().to_string();
    assert!(error.contains("INSTA_UPDATE"), "{error}");
    assert!(outcome.requirements[0].holds && outcome.measurement.is_some(), "what was measured is shown");
}

fn baselines_of_no_test_are_told() {
    let sandbox = accepted();
    let old = sandbox.snapshots().join("runner__child__before.snap");
    fs::rename(sandbox.baseline(), &old).unwrap();
    let all = |sandbox: &Sandbox| sandbox.run(&figures(0.5), &[], &[]).stdout;
    let said = all(&sandbox);
    let expected =
        "runner__child__before.snap belongs to no test; if its test was renamed to `lenet5`, keep it: `git mv ";
    assert!(said.contains(expected), "{said}");
    // With the baseline of its own, the test was not renamed.
    fs::copy(&old, sandbox.baseline()).unwrap();
    let said = all(&sandbox);
    assert!(said.contains("belongs to no test of this binary"), "{said}");
    // One test alone tells nothing of the others.
    let one = sandbox.run(&figures(0.5), &[], &["lenet5"]).stdout;
    assert!(!one.contains("belongs to no test"), "{one}");
    fs::remove_file(old).unwrap();
    assert!(!all(&sandbox).contains("belongs to no test"));
}

fn as_a_bound() {
    let wanting = |nc: f64, bound: &str| Scenario { require: vec![format!("nc >= {bound}")], ..figures(nc) };
    let sandbox = Sandbox::new();
    // Without a baseline it is not judged, and keeps none from being proposed.
    let (code, outcome) = sandbox.lenet5(&wanting(0.5, "baseline"), &[]);
    assert_eq!((code, outcome.baseline.status), (101, BaselineStatus::Missing));
    let verdict = &outcome.requirements[1];
    assert!(verdict.holds && !verdict.is_judged());
    assert_eq!((verdict.bound_text.as_deref(), verdict.note.as_deref()), (Some("baseline"), Some("no baseline yet")));
    let origin = outcome.requirements[0].origin.as_ref().expect("a place");
    assert_eq!((origin.file.as_path(), origin.line), (std::path::Path::new("cleanai.toml"), 2));
    sandbox.accept();
    let (code, outcome) = sandbox.lenet5(&wanting(0.5, "baseline"), &[]);
    assert_eq!((code, outcome.requirements[1].bound), (0, Some(0.5)));
    // Within the tolerance of the baseline, which is not that of the requirement.
    let (code, outcome) = sandbox.lenet5(&wanting(0.499, "baseline"), &[]);
    assert_eq!((code, outcome.baseline.status), (101, BaselineStatus::Unchanged));
    assert!(!outcome.requirements[1].holds);
    let (code, _) = sandbox.lenet5(&wanting(0.499, "baseline - 0.001"), &[]);
    assert_eq!(code, 0);
    // What falls below it is a reviewer's to accept, as long as every number holds.
    let (code, outcome) = sandbox.lenet5(&wanting(0.4, "baseline"), &[]);
    assert_eq!((code, outcome.baseline.status, sandbox.pending().exists()), (101, BaselineStatus::Regressed, true));
    fs::remove_file(sandbox.pending()).unwrap();
    let (_, outcome) = sandbox.lenet5(&wanting(0.39, "baseline"), &[]);
    assert_eq!((outcome.baseline.status, sandbox.pending().exists()), (BaselineStatus::Regressed, false));
}
