//! Reports of a real measurement: the run document is what its schema says, and inputs have pictures.

mod common;

use std::path::Path;

use cleanai_harness::declare::TestIdentity;
use cleanai_harness::gate::{BaselineStatus, BaselineVerdict};
use cleanai_harness::importance::Thumbnail;
use cleanai_harness::measure::Measurement;
use cleanai_harness::report::{Outcome, Status, html, json};
use common::{Case, declaration, measured, root};
use serde_json::Value;

/// Digits that a LeNet sees.
fn measurement() -> Measurement {
    let case = Case {
        model: "models/lenet5.pt",
        profile: Some("data/train#0..200"),
        test: "data/test#0..60",
        transform: "[\"grayscale\", \"scale\", { normalize = { mean = [0.5], std = [0.5] } }]",
    };
    let specs = ["nc", "kmnc(k=100)", "dsc"].map(|text| (text.to_owned(), text.parse().expect("a criterion")));
    measured(&declaration(&root().join("examples/digits"), &case), &specs)
}

fn outcome(measurement: Measurement) -> Outcome {
    Outcome {
        schema: 1,
        test: TestIdentity {
            name: "digits".into(),
            package: "app".into(),
            target: "coverage".into(),
            file: "tests/coverage.rs".into(),
            line: 3,
        },
        status: Status::Passed,
        measurement: Some(measurement),
        requirements: Vec::new(),
        baseline: BaselineVerdict {
            status: BaselineStatus::Disabled,
            fails: false,
            file: None,
            pending: None,
            changes: Vec::new(),
            next: None,
        },
        body: None,
        error: None,
        commands: None,
        attempts: None,
        started: 0,
        seconds: 0.5,
    }
}

/// The levels of a picture, row by row.
fn pixels(thumbnail: &Thumbnail) -> Vec<u8> {
    image::load_from_memory(&thumbnail.png).expect("a picture").to_luma8().into_raw()
}

#[test]
fn a_real_run_is_a_valid_document_with_pictures() {
    let measurement = measurement();
    let kmnc = &measurement.criteria["kmnc(k=100)"];
    let ranked = measurement.criteria["dsc"].ranked.as_ref().expect("inputs at both ends");
    let named = kmnc.leading.iter().map(|own| (&own.name, &own.picture));
    let ranked = ranked.most.iter().chain(&ranked.least).map(|own| (&own.name, &own.picture));
    let named: Vec<_> = named.chain(ranked).collect();
    assert!(named.len() >= 30, "{}", named.len());
    for (name, picture) in named {
        let picture = picture.as_ref().unwrap_or_else(|| panic!("{name} has no picture"));
        assert!((picture.width, picture.height) == (28, 28) && picture.png.len() < 8 << 10, "{name}: {picture:?}");
        // The transform keeps black and white apart, so that the picture is the file itself.
        let file = root().join("examples/digits/data/test").join(Path::new(name));
        let original = image::open(&file).unwrap_or_else(|why| panic!("{}: {why}", file.display())).to_luma8();
        let least = original.pixels().map(|pixel| pixel.0[0]).min().expect("pixels");
        let most = original.pixels().map(|pixel| pixel.0[0]).max().expect("pixels");
        let stretched = original
            .pixels()
            .map(|pixel| (f64::from(pixel.0[0] - least) / f64::from(most - least) * 255.0).round() as i32);
        let largest = stretched.zip(pixels(picture)).map(|(one, other)| (one - i32::from(other)).abs()).max();
        assert!(largest <= Some(1), "{name} differs by {largest:?}");
    }

    let outcomes = [outcome(measurement)];
    let schema: Value = serde_json::from_str(json::run_schema()).expect("the schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("the schema is a schema");
    let document: Value = serde_json::from_str(&json::run(&outcomes)).expect("the document is JSON");
    if let Err(error) = validator.validate(&document) {
        panic!("{error} at {}", error.instance_path());
    }

    let page = html::render(&outcomes);
    assert!(page.contains("data:image/png;base64,") && page.contains("Most surprising inputs"), "{}", page.len());
    assert!(page.len() < 1 << 20, "{} bytes", page.len());
}
