//! What single criteria show beside their figures.

use super::*;

/// A test whose report is in the style of the CleanAI library, on a model of one activation module and data without profile set.
fn in_cleanai_style() -> Outcome {
    let result = |details: serde_json::Value| -> crate::measure::CriterionResult {
        let layers = serde_json::json!([{ "name": "features.1", "value": 0.25, "covered": 8, "total": 32 }]);
        let result =
            serde_json::json!({ "value": 0.25, "covered": 8, "total": 32, "layers": layers, "details": details });
        serde_json::from_value(result).unwrap()
    };
    let counts = serde_json::json!({
        "inputs": 4, "first_input": { "features.1": { "covered": 3, "total": 8 } }, "means": { "features.1": 0.125 },
        "layer_index": { "features.1": 3 }, "layer_class": { "features.1": "ReLU6" }, "modules": 7,
        "first_input_sum": 4.5, "first_input_intervals": [5, 0, 1, 0, 0],
    });
    let pair = serde_json::json!({ "inputs": ["0/first.png", "1/second.png"] });
    let settings = crate::report::cleanai::Settings::default();
    let mut figures = crate::measure::ReportFigures::default();
    for spec in settings.criteria() {
        let text = spec.to_string();
        match spec.name.trim_start_matches("cleanai::") {
            "nbc" => {
                let why = "cleanai::nbc needs ranges from a profile set, and the data names none";
                figures.missing.insert(text, why.to_owned());
            }
            "nc" | "tc" | "tknc" | "mnc" => {
                figures.criteria.insert(text, result(counts.clone()));
            }
            _ => {
                figures.criteria.insert(text, result(pair.clone()));
            }
        }
    }
    let mut outcome = sample::passed();
    outcome.measurement.as_mut().unwrap().report = Some(figures);
    outcome
}

#[test]
fn a_test_in_cleanai_style_has_its_tables_below_the_verdicts() {
    let outcome = in_cleanai_style();
    let found = pages(&rendered(&[outcome])).concat();
    let row = |cells: &[&str]| found.windows(cells.len()).any(|texts| texts == cells);
    for cells in [
        &["Layer 3", "ReLU6", "3", "8", "37.50%", "0.12"][..],
        &["All model", "-", "3", "8", "37.50%"],
        &["All model", "8", "32", "25.00%"],
        &["Sign Coverage", "8", "32", "25.00%"],
        &["Top-K Neuron Coverage", "4.50", "3", "1.50"],
        &["0.2 - 0.3", "1", "8", "12.50%"],
    ] {
        assert!(row(cells), "{cells:?} is not in {found:?}");
    }
    for text in ["Requirements", "'0/first.png'", "Not in this report: cleanai::nbc", "For Multiple Inputs) 4 Inputs"] {
        assert!(found.iter().any(|own| own.contains(text)), "{text:?} is not in {found:?}");
    }
    assert!(!found.iter().any(|text| text.starts_with("Neuron Boundary Coverage") || text.starts_with("Layers: ")));
}

#[test]
fn a_model_without_modules_keeps_the_default_style() {
    let mut outcome = in_cleanai_style();
    let figures = outcome.measurement.as_mut().unwrap().report.as_mut().unwrap();
    let why = "cleanai::nc: model.pt calls no module of class ReLU";
    figures.missing = figures.criteria.keys().map(|text| (text.clone(), why.to_owned())).collect();
    figures.criteria.clear();
    let found = pages(&rendered(&[outcome])).concat();
    assert!(found.iter().any(|text| text.starts_with("Layers: ")));
    assert!(found.iter().any(|text| text.contains("calls no module of class ReLU")), "{found:?}");
}

#[test]
fn important_neurons_are_a_table_with_their_pictures() {
    let bytes = rendered(&[sample::important()]);
    let found = pages(&bytes).concat();
    let has = |wanted: &str| found.iter().any(|text| text.contains(wanted));
    for text in [
        "Important neurons: fc.fc2_relu",
        "CLUSTERS: CENTROID (PROFILE INPUTS)",
        "14.2 %",
        "-4.9 %",
        "0 (1,204)",
        "97 of 288 combinations of clusters are covered, 191 are not. 1,968 profile inputs give 131 of them, of which 88",
        "1·0·2·1·0·1 - 37 profile inputs",
        "1·1·0·0·2·1 - 1 profile input",
        "skipped inputs:",
        "Heat maps of the inputs that covered most first",
        "0/0036.png: class zero",
    ] {
        assert!(has(text), "{text:?} is not in {found:?}");
    }
    assert!(!has("importance:") && !has("histogram"), "{found:?}");
    let images = |bytes: &[u8]| String::from_utf8_lossy(bytes).matches("/Subtype/Image").count();
    assert_eq!((images(&bytes), images(&rendered(&[sample::passed()]))), (3, 0));
}

#[test]
fn a_detail_that_is_another_criterions_is_listed_as_before() {
    let mut outcome = sample::important();
    let idc = outcome.measurement.as_mut().unwrap().criteria.get_mut("idc(m=6)").unwrap();
    idc.details.insert("importance".into(), serde_json::json!({ "fc.fc2_relu": 3, "else": 4 }));
    idc.pictures[0].png = b"no picture".to_vec();
    let found = pages(&rendered(&[outcome])).concat();
    let has = |wanted: &str| found.iter().any(|text| text.contains(wanted));
    assert!(has("importance:") && has("fc.fc2_relu 3") && has("0/0030.png: class 0, damaged"), "{found:?}");
}

#[test]
fn surprise_has_a_table_of_classes_and_names_inputs() {
    let found = pages(&rendered(&[sample::surprising()])).concat();
    let row = |cells: &[&str]| found.windows(cells.len()).any(|texts| texts == cells);
    for cells in [
        &["0", "5,923", "1,204", "0.5000", "211", "-"][..],
        &["3", "0", "2", "-", "0", "-"],
        &["10", "6,001", "800", "0.2500", "62", "1e-8"],
        &["digits/0029.png", "infinite", "digits/0000.png", "0.0000"],
        &["digits/0028.png", "1.7500", "digits/0001.png", "0.0625"],
        &["outside above:", "17"],
    ] {
        assert!(row(cells), "{cells:?} is not in {found:?}");
    }
    assert!(!found.iter().any(|text| text.contains("predicted classes:")), "{found:?}");
}

#[test]
fn of_many_classes_the_most_surprising_are_shown() {
    let mut outcome = sample::surprising();
    let dsc = outcome.measurement.as_mut().unwrap().criteria.get_mut("dsc").unwrap();
    let class =
        |at: u32| (at.to_string(), serde_json::json!({ "inputs": 1, "profile_inputs": 2, "mean": f64::from(at) }));
    dsc.details.insert("predicted_classes".into(), (0..100).map(class).collect::<serde_json::Map<_, _>>().into());
    let found = pages(&rendered(&[outcome.clone()])).concat();
    let row = |at: &str| found.windows(3).any(|texts| texts == [at, "2", "1"]);
    assert!(row("99") && row("60") && !row("59"), "{found:?}");
    assert!(found.iter().any(|text| text == "60 more with smaller means."), "{found:?}");
    let dsc = outcome.measurement.as_mut().unwrap().criteria.get_mut("dsc").unwrap();
    dsc.details.insert("predicted_classes".into(), serde_json::json!({ "0": 3 }));
    let found = pages(&rendered(&[outcome])).concat();
    assert!(found.iter().any(|text| text.contains("predicted classes:")), "{found:?}");
}

#[test]
fn reliability_is_a_diagram_with_its_table() {
    let outcome = sample::calibrated();
    let bytes = rendered(std::slice::from_ref(&outcome));
    let found = pages(&bytes).concat();
    let has = |wanted: &str| found.iter().any(|text| text == wanted);
    for text in [
        "Layers: ece",
        "Reliability: accuracy by confidence",
        "[0.8, 0.9)",
        "[0.9, 1]",
        "481",
        "0.5556",
        "0.6978",
        "-0.1423",
        "without confidence:",
    ] {
        assert!(has(text), "{text:?} is not in {found:?}");
    }
    assert!(!has("bins:") && !has("bin 4:"), "{found:?}");
    assert!(!found.iter().any(|text| text.contains("mean_confidence")), "{found:?}");
}

#[test]
fn bins_that_are_no_bins_are_listed_as_before() {
    for bins in [
        serde_json::json!([]),
        serde_json::json!({ "lower": 0 }),
        serde_json::json!([{ "lower": 0.5, "upper": 0.5, "inputs": 1 }]),
        serde_json::json!([{ "lower": 0.0, "upper": 1.0, "inputs": 1, "accuracy": 7.0 }]),
        vec![serde_json::json!({ "lower": 0.0, "upper": 1.0, "inputs": 1 }); 101].into(),
    ] {
        let mut outcome = sample::calibrated();
        let measurement = outcome.measurement.as_mut().unwrap();
        measurement.criteria.get_mut("ece").unwrap().details.insert("bins".into(), bins);
        let found = pages(&rendered(&[outcome])).concat();
        assert!(found.iter().any(|text| text == "bins:") && !found.iter().any(|text| text.starts_with("Reliability")));
    }
}

#[test]
fn a_monitor_is_two_tables_and_a_sentence() {
    let mut outcome = sample::important();
    let criteria = &mut outcome.measurement.as_mut().unwrap().criteria;
    let mut src = criteria["idc(m=6)"].clone();
    src.pictures.clear();
    src.details = serde_json::from_value(serde_json::json!({
        "acceptance_rate": 0.986, "trusted_acceptance_rate": 0.9934, "untrusted_acceptance_rate": 0.25, "auroc": 0.99988,
        "tpr_at_5_fpr": 1.0, "accuracy": 0.978, "accuracy_accepted": 0.98, "false_alarm_rate": 0.0066,
        "monitor": {
            "classes": [
                { "class": 0, "trusted": 1840, "tau": 3.17, "inputs": 42 },
                { "class": 1, "trusted": 1, "tau": null, "inputs": 7 },
            ],
            "layers": [
                { "layer": "block1_relu", "in_range": 0.9805, "in_range_trusted": 0.989, "in_range_untrusted": 0.0 },
                { "layer": "before_softmax", "in_range": 0.97, "in_range_trusted": 0.98, "in_range_untrusted": null },
            ],
        },
    }))
    .unwrap();
    criteria.insert("src".into(), src);
    let found = pages(&rendered(&[outcome])).concat();
    let has = |wanted: &str| found.iter().any(|text| text.contains(wanted));
    for text in [
        "It accepts 98.60 % of the test inputs, 99.34 % of the trusted profile inputs",
        "AUROC of 0.9999",
        "Thresholds by class",
        "1,840",
        "3.1700",
        "none: accepts nothing",
        "Values in the range of the predicted class",
        "98.05 %",
        "98.90 %",
        "false alarm rate:",
    ] {
        assert!(has(text), "{text:?} is not in {found:?}");
    }
    assert!(!has("monitor:"), "{found:?}");
}

#[test]
fn the_curve_tells_how_many_inputs_it_takes() {
    let found = pages(&rendered(&[sample::important()])).concat();
    for text in [
        "Of what is covered in the end, after so many inputs",
        "500 inputs",
        "50 % after 2, 90 % after 5, 99 % after 5",
    ] {
        assert!(found.iter().any(|own| own == text), "{text} is not in {found:?}");
    }
    assert!(found.iter().any(|own| own == "Value of each layer, from input to output"));
}

#[test]
fn the_worst_classes_are_those_with_the_worst_figures() {
    let said = |direction| {
        let mut outcome = sample::passed();
        let result = outcome.measurement.as_mut().unwrap().criteria.get_mut("nbc").unwrap();
        result.direction = direction;
        result.classes = (0..12)
            .map(|class: u32| {
                let value = (class != 7).then(|| f64::from(class) / 20.0);
                (format!("c{class}"), crate::measure::ClassFigures { inputs: 5, value, covered: None, total: None })
            })
            .collect();
        let found = pages(&rendered(&[outcome])).concat();
        let at = found.iter().position(|text| text.ends_with("classes:")).unwrap();
        (found[at].clone(), found[at + 1].clone())
    };
    let (label, classes) = said(crate::criteria::Direction::HigherIsBetter);
    assert_eq!(label, "lowest classes:");
    assert!(classes.starts_with("c0 0.0000, c1 0.0500, ") && !classes.contains("c7"), "{classes}");
    let (label, classes) = said(crate::criteria::Direction::LowerIsBetter);
    assert_eq!(label, "highest classes:");
    assert!(classes.starts_with("c11 0.5500, c10 0.5000, ") && !classes.contains("c7"), "{classes}");
}
