//! The report read back, by printpdf's own reader and by poppler where it is installed.

use std::process::Command;

use printpdf::PdfParseOptions;

use super::*;
use crate::report::sample;

/// The texts of every page.
fn pages(bytes: &[u8]) -> Vec<Vec<String>> {
    let mut warnings = Vec::new();
    PdfDocument::parse(bytes, &PdfParseOptions::default(), &mut warnings).unwrap().extract_text()
}

fn rendered(outcomes: &[Outcome]) -> Vec<u8> {
    let bytes = render(outcomes, date_of(outcomes, None).unwrap()).unwrap();
    // To look at: CLEANAI_KEEP_PDF=folder cargo test report::pdf
    if let Some(folder) = std::env::var_os("CLEANAI_KEEP_PDF") {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("test").replace("::", "-");
        file::write(&Path::new(&folder).join(name).with_extension("pdf"), &bytes).unwrap();
    }
    bytes
}

fn has(pages: &[Vec<String>], text: &str) -> bool {
    pages.iter().flatten().any(|chunk| chunk.contains(text))
}

#[test]
fn everything_is_in_the_report() {
    let outcomes = sample::all();
    let bytes = rendered(&outcomes);
    let pages = pages(&bytes);
    let count = pages.len();
    for (number, page) in pages.iter().enumerate() {
        assert!(page.contains(&format!("page {} of {count}", number + 1)), "page {}: {page:?}", number + 1);
    }
    let texts = [
        "CleanAI coverage report",
        "lenet5_digits",
        "strict::lenet5_strict",
        "models/lenet5.pt",
        "88dd9dd5f13442504044392fda17634127b38337b37255b27730926deb373664",
        "torchscript",
        "61,706",
        "data/test#0..500",
        "data/train#0..2000",
        "2,000",
        "grayscale, resize = [28, 28], scale",
        "500 of shape 1 x 28 x 28",
        "cpu",
        "2.13.0",
        "one per channel",
        ">= 0.25",
        "0.2542",
        "kmnc(k=1000) 0.254 < 0.300",
        "largest threshold that would pass: >= 0.254",
        "27,980 / 117,000",
        "block1_relu",
        "Worse than the baseline",
        "-0.0243",
        "regressed",
        "There is no baseline yet",
        "accept it with `cargo insta review`",
        "models/lenet6.pt does not exist",
        "at examples/digits/cleanai.toml:3:8",
        "did you mean it?",
        "block1_relu is nearly untested",
        "3 more skipped because they could not be decoded",
        "constant neurons:",
        "nothing to cover: every neuron",
        "2026-11-22 03:14 UTC",
        "PASS",
        "FAIL",
        "ERROR",
        "411",
    ];
    for text in texts {
        assert!(has(&pages, text), "{text} is missing");
    }
    assert!(!has(&pages, "\\u{"), "nothing had to be replaced");
}

#[test]
fn the_same_outcomes_give_the_same_bytes() {
    let outcomes = sample::all();
    assert!(rendered(&outcomes) == rendered(&outcomes));
    assert!(render(&outcomes, Some(1)).unwrap() != render(&outcomes, Some(2)).unwrap());
}

#[test]
fn the_date_is_the_environments_or_the_earliest_start() {
    let mut outcomes = sample::all();
    outcomes[2].started -= 100;
    assert_eq!(date_of(&outcomes, None).unwrap(), Some(1_795_317_147));
    assert_eq!(date_of(&outcomes, Some("86400")).unwrap(), Some(86_400));
    assert_eq!(date_of(&[], None).unwrap(), None);
    let error = date_of(&outcomes, Some("yesterday")).unwrap_err();
    assert_eq!(error.what(), "SOURCE_DATE_EPOCH is `yesterday`, not a number of seconds since 1970");
    let bytes = render(&outcomes, Some(86_400)).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("D:19700102000000"), "the document's own date");
    assert!(has(&pages(&bytes), "1970-01-02 00:00 UTC"));
    render(&outcomes, Some(u64::MAX)).unwrap();
}

#[test]
fn no_test_at_all_is_one_page() {
    let pages = pages(&rendered(&[]));
    assert_eq!(pages.len(), 1);
    assert!(has(&pages, "No coverage test ran."));
}

#[test]
fn tables_break_over_pages_and_repeat_their_header() {
    const LAYERS: usize = 517;
    let outcome = sample::deep(LAYERS);
    let pages = pages(&rendered(std::slice::from_ref(&outcome)));
    // Three criteria of 517 rows and 40 to 47 rows a page.
    assert!((36..=44).contains(&pages.len()), "{} pages", pages.len());
    for layer in &outcome.measurement.as_ref().unwrap().model.layers {
        let times = pages.iter().flatten().filter(|text| **text == layer.name).count();
        assert_eq!(times, 3, "{}", layer.name);
    }
    for page in &pages[3..] {
        let rows = page.iter().filter(|text| text.starts_with("layer") && text.ends_with(".relu")).count();
        assert!(rows == 0 || page.iter().any(|text| text == "LAYER"), "{page:?}");
        assert_ne!(rows, 1, "no row stands alone: {page:?}");
        assert!(page.iter().any(|text| text == "resnet152"), "the running head");
    }
}

#[test]
fn thirty_tests_and_their_pages() {
    let mut outcomes = vec![sample::deep(517), sample::deep(517)];
    while outcomes.len() < 30 {
        let mut all = sample::all();
        outcomes.push(all.swap_remove(outcomes.len() % 6));
    }
    for (number, outcome) in outcomes.iter_mut().enumerate() {
        outcome.test.name = format!("test_{number:02}");
    }
    let pages = pages(&rendered(&outcomes));
    // The overview's row of each test names the page on which its section starts.
    let front: Vec<&String> = pages[0].iter().chain(&pages[1]).collect();
    for outcome in &outcomes {
        let name = &outcome.test.name;
        assert!(front.contains(&name), "{name}");
        let first = pages
            .iter()
            .enumerate()
            .skip(1)
            .find(|(_, page)| page.contains(name) && page.iter().any(|text| text.starts_with("digits::coverage")));
        let number = (first.unwrap().0 + 1).to_string();
        assert!(front.contains(&&number), "page {number} of {name}");
    }
}

#[test]
fn hostile_and_foreign_names_are_spelt_out() {
    let mut outcome = sample::everything_fails();
    outcome.test.name = "層\u{1b}[2J\u{0}".repeat(40);
    let measurement = outcome.measurement.as_mut().unwrap();
    measurement.criteria.get_mut("nc").unwrap().layers[0].name = "conv層1".into();
    measurement.model.path = "x".repeat(5_000);
    measurement.data.transform = String::new();
    outcome.body = Some("y ".repeat(20_000));
    let pages = pages(&rendered(&[outcome]));
    assert!(has(&pages, "conv\\u{5c64}1"));
    assert!(has(&pages, "are written as \\u{...}"));
}

#[test]
fn figures_without_numbers_do_not_stop_it() {
    for value in [None, Some(f64::NAN), Some(f64::INFINITY), Some(1e300), Some(-5e-324)] {
        let mut outcome = sample::everything_fails();
        outcome.requirements[0].observed = value;
        outcome.baseline.changes[0].observed = value;
        let measurement = outcome.measurement.as_mut().unwrap();
        for result in measurement.criteria.values_mut() {
            result.value = value;
            result.layers.iter_mut().for_each(|layer| layer.value = value);
        }
        measurement.seconds.total = f64::NAN;
        outcome.seconds = f64::INFINITY;
        render(&[outcome], None).unwrap();
    }
}

#[test]
fn written_to_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/report.pdf");
    write(&sample::all(), &path).unwrap();
    assert!(std::fs::read(&path).unwrap().starts_with(b"%PDF-"));
    let error = write(&sample::all(), folder.path()).unwrap_err();
    assert!(error.what().starts_with("cannot write "), "{error}");
}

/// Another reader than the one that wrote it; skipped where poppler is not installed.
#[test]
fn poppler_reads_it() {
    if Command::new("pdftotext").arg("-v").output().is_err() {
        eprintln!("pdftotext is not installed: skipped");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.pdf");
    std::fs::write(&path, rendered(&sample::all())).unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).arg(&path).arg("-").output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = run("pdftotext", &["-layout"]);
    for part in ["CleanAI coverage report", "kmnc(k=1000) 0.254 < 0.300", "27,980 / 117,000"] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    let output = Command::new("pdfinfo").arg(&path).output().unwrap();
    let info = String::from_utf8(output.stdout).unwrap();
    assert!(info.contains("CleanAI coverage report: ERROR") && !info.contains("PDF/X"), "{info}");
}

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
    assert_eq!((images(&bytes), images(&render(&[sample::passed()], None).unwrap())), (3, 0));
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
