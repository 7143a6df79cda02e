//! What lies behind a fall, from the files that stand behind baselines.

use std::fs;

use cleanai_harness::gate::BaselineStatus;

use crate::baseline::{CI, figures};
use crate::child::Scenario;
use crate::sandbox::Sandbox;

pub const TESTS: &[(&str, fn())] = &[
    ("explained::a_fall_is_explained", a_fall_is_explained),
    ("explained::what_stood_behind_is_kept_with_the_snapshot", what_stood_behind_is_kept_with_the_snapshot),
];

fn with_inputs(nc: f64, inputs: &[&str]) -> Scenario {
    Scenario { inputs: inputs.iter().map(|name| (*name).to_owned()).collect(), ..figures(nc) }
}

const FOUR: [&str; 4] = ["0/a.png", "1/b.png", "2/c.png", "3/d.png"];

/// The files that stand behind baselines.
fn companions(sandbox: &Sandbox) -> Vec<String> {
    let entries = fs::read_dir(sandbox.snapshots()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".covered")).collect();
    names.sort();
    names
}

fn a_fall_is_explained() {
    let sandbox = Sandbox::new();
    sandbox.lenet5(&with_inputs(0.5, &FOUR), &[]);
    sandbox.accept();
    let text = Sandbox::figures(&sandbox.baseline()).unwrap();
    assert!(text.contains("nc: 0.500000  500/1000\n  relu1: 1.000000  4/4\n  relu2: 1.000000  4/4\n"), "{text}");
    let (code, outcome) = sandbox.lenet5(&with_inputs(0.45, &["0/a.png", "2/c.png", "3/d.png"]), &[CI]);
    assert_eq!((code, outcome.baseline.status), (101, BaselineStatus::Regressed));
    let change = outcome.baseline.changes.iter().find(|change| change.criterion == "nc").unwrap();
    let explanation = change.explanation.as_ref().unwrap();
    assert_eq!(explanation.unknown, None);
    assert_eq!(explanation.layers.iter().map(|layer| layer.name.as_str()).collect::<Vec<_>>(), ["relu1"]);
    let lost: Vec<_> = explanation.lost.largest.iter().map(|it| (it.layer.as_str(), it.neuron, it.gone)).collect();
    assert_eq!(lost, [("relu1", 2, true), ("relu1", 3, true)]);
    assert_eq!(explanation.lost.largest[0].first.as_deref(), Some("1/b.png"));
    assert_eq!((explanation.gone.inputs, explanation.gone.largest[0].name.as_str()), (1, "1/b.png"));
    let commands = outcome.commands.unwrap();
    assert_eq!(commands.rerun, "cargo test -p app --test coverage -- --exact lenet5");
    assert_eq!(commands.accept.as_deref(), Some("cargo insta test --accept -p app --test coverage -- --exact lenet5"));

    // Without its companion the baseline decides as ever, and says what it lacks.
    for name in companions(&sandbox) {
        fs::remove_file(sandbox.snapshots().join(name)).unwrap();
    }
    let (code, outcome) = sandbox.lenet5(&with_inputs(0.45, &FOUR[..3]), &[CI]);
    assert_eq!((code, outcome.baseline.status), (101, BaselineStatus::Regressed));
    let change = outcome.baseline.changes.iter().find(|change| change.criterion == "nc").unwrap();
    let explanation = change.explanation.as_ref().unwrap();
    assert_eq!(explanation.layers[0].name, "relu2", "the layers stand in the snapshot itself");
    assert!(explanation.unknown.as_ref().unwrap().contains("is missing: commit it"), "{explanation:?}");
}

fn what_stood_behind_is_kept_with_the_snapshot() {
    let sandbox = Sandbox::new();
    sandbox.lenet5(&with_inputs(0.5, &FOUR), &[CI]);
    assert!(!sandbox.snapshots().exists(), "nothing is written in CI");
    sandbox.lenet5(&with_inputs(0.5, &FOUR), &[]);
    let first = companions(&sandbox);
    assert_eq!(first.len(), 1);
    sandbox.accept();
    sandbox.lenet5(&with_inputs(0.5, &FOUR), &[]);
    assert_eq!(companions(&sandbox), first);
    // A pending snapshot has one of its own; a rejected one's is removed with the next run.
    sandbox.lenet5(&with_inputs(0.45, &FOUR[1..]), &[]);
    assert_eq!(companions(&sandbox).len(), 2);
    fs::remove_file(sandbox.pending()).unwrap();
    sandbox.lenet5(&with_inputs(0.5, &FOUR), &[]);
    assert_eq!(companions(&sandbox), first);
    // An accepted one's stays, and the old one goes.
    sandbox.lenet5(&with_inputs(0.45, &FOUR[1..]), &[]);
    sandbox.accept();
    sandbox.lenet5(&with_inputs(0.45, &FOUR[1..]), &[]);
    let second = companions(&sandbox);
    assert!(second.len() == 1 && second != first, "{second:?}");
}
