//! The report read back, by printpdf's own reader and by poppler where it is installed.

use std::process::Command;

use printpdf::{PdfDocument, PdfParseOptions};

use super::*;
use crate::report::sample;

mod criteria;

fn rendered_at(outcomes: &[Outcome], moment: Moment) -> Vec<u8> {
    render(outcomes, moment, &Origin::default()).unwrap()
}

/// The texts of every page.
fn pages(bytes: &[u8]) -> Vec<Vec<String>> {
    let mut warnings = Vec::new();
    PdfDocument::parse(bytes, &PdfParseOptions::default(), &mut warnings).unwrap().extract_text()
}

fn rendered(outcomes: &[Outcome]) -> Vec<u8> {
    let bytes = rendered_at(outcomes, moment_of(outcomes, None).unwrap());
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
        assert!(page.contains(&format!("{} / {count}", number + 1)), "page {}: {page:?}", number + 1);
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
    let at = |seconds, fixed| rendered_at(&outcomes, Moment { seconds: Some(seconds), fixed });
    assert!(at(1, false) != at(2, false) && at(1, true) != at(2, true));
}

#[test]
fn the_date_is_the_environments_or_the_earliest_start() {
    let mut outcomes = sample::all();
    outcomes[2].started -= 100;
    let of = |outcomes: &[Outcome], epoch| moment_of(outcomes, epoch).unwrap();
    assert_eq!(of(&outcomes, None), Moment { seconds: Some(1_795_317_147), fixed: false });
    assert_eq!(of(&outcomes, Some("86400")), Moment { seconds: Some(86_400), fixed: true });
    assert_eq!(of(&[], None), Moment { seconds: None, fixed: false });
    let error = moment_of(&outcomes, Some("yesterday")).unwrap_err();
    assert_eq!(error.what(), "SOURCE_DATE_EPOCH is `yesterday`, not a number of seconds since 1970");
    let bytes = rendered_at(&outcomes, of(&outcomes, Some("86400")));
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("D:19700102000000"), "the document's own date");
    let pages = pages(&bytes);
    assert!(has(&pages, "1970-01-02 00:00 UTC") && !has(&pages, "2026"));
    rendered_at(&outcomes, Moment { seconds: Some(u64::MAX), fixed: true });
}

#[test]
fn two_runs_of_one_moment_give_the_same_bytes() {
    let (one, mut other) = (sample::all(), sample::all());
    for (number, outcome) in other.iter_mut().enumerate() {
        outcome.started += 3_600 + number as u64;
        outcome.seconds *= 1.7;
        if let Some(measurement) = &mut outcome.measurement {
            measurement.seconds.forward = 12.0;
            measurement.seconds.total = 99.0;
            measurement.cached = Some(86_000);
        }
    }
    let fixed = moment_of(&one, Some("86400")).unwrap();
    assert!(rendered_at(&one, fixed) == rendered_at(&other, fixed));
    assert!(rendered(&one) != rendered(&other));
    assert!(has(&pages(&rendered(&other)), "from the cache, measured 1970-01-01"));
    let pages = pages(&rendered_at(&one, fixed));
    assert!(!has(&pages, "forward 118 ms") && !has(&pages, "835 ms"));
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
    // 517 rows of all criteria, about 60 a page, and a page or two for each criterion.
    assert!((12..=18).contains(&pages.len()), "{} pages", pages.len());
    for layer in &outcome.measurement.as_ref().unwrap().model.layers {
        assert!(has(&pages, &layer.name), "{}", layer.name);
    }
    for page in &pages[3..] {
        let rows = page.iter().filter(|text| text.starts_with("layer") && text.ends_with(".relu")).count();
        assert!(rows == 0 || page.iter().any(|text| text.ends_with("LAYER") || text.ends_with("LAYERS")), "{page:?}");
        assert_ne!(rows, 1, "no row stands alone: {page:?}");
        assert!(page.iter().any(|text| text == "resnet152"), "the running head");
    }
    assert!(has(&pages, "517 layers; all of them are in the table"));
    let worst = pages.iter().find(|page| page.iter().any(|text| text == "LOWEST LAYERS")).unwrap();
    assert!(worst.iter().any(|text| text == "0 / 256,000"), "{worst:?}");
}

#[test]
fn the_outline_leads_to_every_test_and_its_parts() {
    let outcomes = sample::all();
    let pages = pages(&rendered(&outcomes));
    assert!(pages[1].iter().any(|text| text == "Contents"));
    let document = lopdf::Document::load_mem(&rendered(&outcomes)).unwrap();
    let outline = document.get_toc().unwrap().toc;
    assert_eq!((outline[0].level, outline[0].title.as_str(), outline[0].page), (1, "Contents", 2));
    let tests = outline.iter().filter(|entry| entry.level == 1).count();
    assert_eq!(tests, 1 + outcomes.len());
    for entry in &outline {
        let found = pages[entry.page - 1].contains(&entry.title);
        assert!(found || entry.title.len() > 60, "{} is not on page {}", entry.title, entry.page);
        assert!(entry.level <= 2, "{entry:?}");
    }
}

#[test]
fn what_lies_behind_a_regression_is_told() {
    let found = pages(&rendered(&[sample::regression()])).concat();
    let row = |cells: &[&str]| found.windows(cells.len()).any(|texts| texts == cells);
    for cells in [
        &["What fell: kmnc(k=1000) 0.2785 -> 0.2542"][..],
        &["fc.fc1_relu", "0.2685", "0.2391", "-0.0294", "31,420 -> 27,980"],
        &["7", "0.0922", "-", "-", "21,204 -> 0", "50 -> 0"],
        &["118 neurons lost (5,701 covered items)", "LAYER", "NEURON", "BASELINE", "OBSERVED", "FIRST COVERED BY"],
        &["fc.fc1_relu", "90", "230", "0", "7/0144.png (gone)"],
        &["and 115 more"],
        &["What fell: accuracy 0.9880 -> 0.9840"],
        &["Rerun", "cargo test -p digits --test coverage -- --exact lenet5_regressed"],
    ] {
        assert!(row(cells), "{cells:?} is not in {found:?}");
    }
    let mut outcome = sample::regression();
    outcome.baseline.changes[0].explanation.as_mut().unwrap().unknown = Some("the baseline is older".into());
    assert!(has(&pages(&rendered(&[outcome])), "Note: the baseline is older."));
    let passed = pages(&rendered(&[sample::passed()]));
    assert!(!has(&passed, "What fell") && !has(&passed, "Rerun"));
}

#[test]
fn bounds_that_are_told_by_others_say_so() {
    let mut outcome = sample::passed();
    let requirement = &mut outcome.requirements[0];
    (requirement.bound, requirement.bound_text) = (Some(0.244), Some("baseline - 0.01".into()));
    assert!(has(&pages(&rendered(&[outcome])), ">= 0.244 (baseline - 0.01)"));
}

#[test]
fn who_made_it_is_told() {
    let origin = Origin {
        place: Some("Jenkins, gate".into()),
        commit: Some("0123abcd".into()),
        job: Some("https://ci/7".into()),
    };
    let outcomes = [sample::passed()];
    let bytes = render(&outcomes, moment_of(&outcomes, None).unwrap(), &origin).unwrap();
    let pages = pages(&bytes);
    let cover = &pages[0..1].to_vec();
    for text in ["CleanAI 0.1.0 in Jenkins, gate", "0123abcd", "https://ci/7", "Every requirement holds."] {
        let text = text.replace("0.1.0", env!("CARGO_PKG_VERSION"));
        assert!(has(cover, &text), "{text} is not in {cover:?}");
    }
    assert!(bytes != rendered(&outcomes));
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
        rendered(&[outcome]);
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
    let output = Command::new("pdffonts").arg(&path).output().unwrap();
    let fonts = String::from_utf8(output.stdout).unwrap();
    let embedded = fonts.lines().skip(2).map(|line| line.contains(" yes yes yes ")).collect::<Vec<_>>();
    assert_eq!(embedded, [true; 3], "{fonts}");
    let output = Command::new("pdfinfo").arg(&path).output().unwrap();
    let info = String::from_utf8(output.stdout).unwrap();
    assert!(info.contains("CleanAI coverage report: ERROR") && !info.contains("PDF/X"), "{info}");
}
