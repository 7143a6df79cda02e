//! Traces are made once: with a warm cache surprise does not run the profile set, and criteria share one file for each layer.

mod common;

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;

use cleanai_harness::declare::CriterionSpec;
use cleanai_harness::measure::probe::{Moment, watched};
use cleanai_harness::measure::{self, Measurement};
use common::{Case, declaration, root};

const CASE: Case<'static> = Case {
    model: "models/lenet5.pt",
    profile: Some("data/train"),
    test: "data/test",
    transform: "[\"grayscale\", \"scale\", { normalize = { mean = [0.5], std = [0.5] } }]",
};

/// The measurement, and how many inputs the model was run on for it.
fn measured(cache: &Path, texts: &[&str]) -> (Measurement, usize) {
    // Whole measurements are another matter.
    _ = std::fs::remove_dir_all(cache.join("measurements"));
    let specs: Vec<CriterionSpec> = texts.iter().map(|text| text.parse().unwrap()).collect();
    let declaration = declaration(&root().join("examples/digits"), &CASE);
    let inputs = Rc::new(Cell::new(0));
    let seen = Rc::clone(&inputs);
    let count = move |moment: Moment<'_>| {
        if let Moment::Before(batch) = moment {
            seen.set(seen.get() + batch.inputs);
        }
    };
    let measured = watched(count, || measure::once(&declaration, &specs)).unwrap_or_else(|error| panic!("{error}"));
    (measured, inputs.get())
}

fn files(folder: &Path) -> usize {
    let all = std::fs::read_dir(folder.join("traces")).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.extension().is_some_and(|own| own == "traces")).count()
}

/// The only test of this program: it sets a variable of the environment.
#[test]
fn a_warm_cache_does_not_run_the_profile_set() {
    const TRAIN: usize = 1197;
    const TEST: usize = 600;
    let folder = tempfile::tempdir().unwrap();
    // SAFETY: no other test of this program reads the environment meanwhile, and the model runs later.
    unsafe { std::env::set_var("CLEANAI_CACHE", folder.path()) };
    let texts =
        ["dsa", "dsc", "mdsa", "mdsc(n=50)", "lsa(on_singular=\"shrink\")", "lsc(n=20, on_singular=\"shrink\")"];
    let (cold, inputs) = measured(folder.path(), &texts);
    assert_eq!((inputs, files(folder.path())), (TRAIN + TEST, 1), "one file for the layer before the logits");
    let (warm, inputs) = measured(folder.path(), &texts);
    assert_eq!((inputs, files(folder.path())), (TEST, 1));
    // As text, in which no number equals itself.
    assert_eq!(format!("{:?}", warm.criteria), format!("{:?}", cold.criteria));
    for (text, result) in &cold.criteria {
        assert!(result.value.is_some_and(f64::is_finite), "{text}");
        assert_eq!(result.per_input.inputs.len(), TEST, "{text}");
        assert_eq!(result.ranked.as_ref().unwrap().most.len(), 10, "{text}");
        assert_eq!(result.classes.len(), 10, "{text}");
    }
    // Another layer is another file, beside that which is known.
    let (both, inputs) = measured(folder.path(), &["dsa(layers=[\"relu3\", \"penultimate\"])", "dsa"]);
    assert_eq!((inputs, files(folder.path())), (TRAIN + TEST, 2));
    let value = |text: &str| both.criteria[&text.parse::<CriterionSpec>().unwrap().to_string()].value;
    assert_ne!(value("dsa"), value("dsa(layers=[\"relu3\", \"penultimate\"])"));
    assert_eq!(value("dsa"), cold.criteria["dsa"].value);
    let (_, inputs) = measured(folder.path(), &["mdsa(layer=\"relu3\")", "dsa(layers=[\"relu3\", \"penultimate\"])"]);
    assert_eq!((inputs, files(folder.path())), (TEST, 2));
}
