//! Blocks as a person sees them.

use super::figures::bar;
use super::grid::Grid;
use super::*;
use crate::report::sample;

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

fn checked(outcome: &Outcome) -> String {
    let text = plain(&render(outcome));
    for line in text.lines() {
        assert_eq!(line, line.trim_end());
        let command = line.starts_with("  rerun  ") || line.starts_with("  accept ");
        assert!(command || text::width(line) <= WIDTH, "{} columns: {line}", text::width(line));
    }
    text
}

#[test]
fn golden_blocks() {
    let outcomes = [
        ("passed", sample::passed()),
        ("threshold", sample::threshold_failure()),
        ("regression", sample::regression()),
        ("missing_local", sample::missing_local()),
        ("missing_ci", sample::missing_ci()),
        ("error", sample::error()),
        ("everything", sample::everything_fails()),
    ];
    for (name, outcome) in outcomes {
        insta::assert_snapshot!(name, checked(&outcome));
    }
}

#[test]
fn golden_summary() {
    let reports = [
        ("PDF", Path::new("target/cleanai/digits/coverage.pdf")),
        ("JUnit", Path::new("target/cleanai/digits/coverage.junit.xml")),
    ];
    insta::assert_snapshot!("summary", plain(&summary(&sample::all(), &reports)));
}

#[test]
fn colours_mark_verdicts() {
    let failed = render(&sample::threshold_failure());
    assert!(failed.contains("\u{1b}[1m\u{1b}[31m✗ FAIL\u{1b}[0m"), "{failed:?}");
    assert!(failed.contains("\u{1b}[32m✓ pass\u{1b}[0m"), "{failed:?}");
    assert!(!render(&sample::passed()).contains("\u{1b}[31m"), "nothing red in a passing block");
}

#[test]
fn a_bar_is_empty_only_for_nothing_and_full_only_for_all() {
    let shown = |share| {
        let mut grid = Grid::new("");
        grid.row(vec![bar(share, RED)]);
        plain(&grid.render(0, 40).pop().unwrap()).trim().to_string()
    };
    assert_eq!(shown(Some(0.0)), "··········");
    assert_eq!(shown(Some(1e-9)), "▏·········");
    assert_eq!(shown(Some(0.5)), "█████·····");
    assert_eq!(shown(Some(0.999_999)), "█████████▉");
    assert_eq!(shown(Some(1.0)), "██████████");
    assert_eq!(shown(Some(7.0)), "██████████");
    assert_eq!(shown(None), "");
}

#[test]
fn hostile_names_neither_steer_the_terminal_nor_break_the_grid() {
    let mut outcome = sample::everything_fails();
    let name = "\u{1b}]0;owned\u{7}\u{1b}[2J層層\n".repeat(9);
    outcome.test.name = name.clone();
    outcome.requirements[0].requirement = format!("{name} >= 0.25");
    outcome.requirements[3].worst_layers[0].name = name.clone();
    outcome.measurement.as_mut().unwrap().model.path = name;
    let text = checked(&outcome);
    assert!(text.chars().all(|character| character == '\n' || !character.is_control()));
}

#[test]
fn a_figure_other_than_the_value_finds_its_baseline() {
    let mut outcome = sample::regression();
    let mut verdict = sample::requirement("nc", crate::declare::Comparison::AtLeast, 0.9, Some(0.95), Some(0.97));
    verdict.requirement = "nc.auroc >= 0.9".into();
    outcome.requirements.push(verdict);
    let mut change = outcome.baseline.changes[0].clone();
    (change.criterion, change.baseline, change.observed) = ("nc.auroc".into(), Some(0.97), Some(0.95));
    outcome.baseline.changes.push(change);
    let text = render(&outcome);
    let row = text.lines().find(|line| line.contains("nc.auroc")).unwrap();
    assert!(row.contains("\u{1b}[31m-0.0200"), "{row:?}");
    assert!(!row.contains('█'), "no bar: the ratio is not known: {row:?}");
    assert!(plain(&text).lines().any(|line| line.starts_with("  nc ")), "the value itself is still listed");
}

#[test]
fn what_is_compared_with_another_model_or_not_judged_yet_is_shown() {
    let mut outcome = sample::missing_local();
    let measurement = outcome.measurement.as_mut().unwrap();
    let figures = [("nbc", Some(0.25)), ("accuracy", Some(0.97))].map(|(name, value)| (name.to_owned(), value));
    let (path, sha256) = ("models/old.pt".to_owned(), "5d".repeat(32));
    measurement.against = Some(crate::measure::OtherModel { path, sha256, figures: figures.into() });
    let verdict = |text: &str| crate::gate::RequirementVerdict {
        requirement: text.into(),
        bound: None,
        bound_text: Some(text.rsplit(' ').next().unwrap().into()),
        ..sample::requirement(
            text.split(' ').next().unwrap(),
            crate::declare::Comparison::AtLeast,
            0.0,
            Some(0.25),
            None,
        )
    };
    let pending =
        crate::gate::RequirementVerdict { note: Some("no baseline yet".into()), ..verdict("kmnc(k=1000) >= baseline") };
    let against = crate::gate::RequirementVerdict {
        bound: Some(0.27),
        bound_text: Some("against + 0.02".into()),
        against: Some(0.25),
        holds: false,
        worst_classes: vec![crate::gate::ClassValue {
            name: "seven".into(),
            figures: crate::measure::ClassFigures { inputs: 36, value: Some(0.2), covered: Some(20), total: Some(100) },
        }],
        ..verdict("nbc.per_class(min) >= against")
    };
    let idle = crate::gate::RequirementVerdict {
        bound: Some(0.0),
        bound_text: None,
        note: Some("it always holds: a share is never below 0".into()),
        ..verdict("nc >= 0")
    };
    outcome.requirements = vec![pending, against, idle];
    insta::assert_snapshot!("against", checked(&outcome));
}

#[test]
fn any_figure_can_be_shown() {
    for value in [
        None,
        Some(f64::NAN),
        Some(f64::INFINITY),
        Some(-0.0),
        Some(1e300),
        Some(5e-324),
        Some(0.299_999_999_999_999_9),
    ] {
        let mut outcome = sample::threshold_failure();
        outcome.requirements[0].observed = value;
        outcome.requirements[0].baseline = value;
        outcome.requirements[0].worst_layers[0].value = value;
        checked(&outcome);
    }
}
