use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use quick_xml::events::Event;
use quick_xml::reader::Reader;

use super::*;
use crate::importance::Thumbnail;
use crate::measure::LeadingInput;
use crate::report::sample;

/// Elements of HTML that have no end.
const VOID: [&str; 4] = ["meta", "input", "br", "hr"];

/// An element: its name and its attributes.
type Element = (String, Vec<(String, String)>);

/// All elements of a page whose tags fit each other; what is between them must be escaped.
fn elements(page: &str) -> Vec<Element> {
    let body = page.strip_prefix("<!DOCTYPE html>").unwrap();
    // The one element whose text is no markup.
    let (head, rest) = body.split_once("<style>").unwrap();
    let (style, rest) = rest.split_once("</style>").unwrap();
    assert!(!style.contains('<'));
    let body = format!("{head}{rest}");
    let mut reader = Reader::from_str(&body);
    reader.config_mut().check_end_names = false;
    let (mut open, mut found) = (Vec::new(), Vec::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => {
                let name = String::from_utf8(start.name().as_ref().to_vec()).unwrap();
                let attributes = start.html_attributes().map(|attribute| {
                    let attribute = attribute.unwrap();
                    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                    (text(attribute.key.as_ref()), text(&attribute.value))
                });
                found.push((name.clone(), attributes.collect()));
                if !VOID.contains(&name.as_str()) {
                    open.push(name);
                }
            }
            Event::End(end) => assert_eq!(open.pop().unwrap().as_bytes(), end.name().as_ref()),
            Event::Text(text) => assert!(!text.contains(&b'>'), "{:?}", text),
            Event::GeneralRef(_) => {}
            Event::Eof => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(open.is_empty(), "{open:?}");
    found
}

fn of<'a>(elements: &'a [Element], name: &'a str) -> impl Iterator<Item = &'a Vec<(String, String)>> {
    elements.iter().filter(move |(own, _)| own == name).map(|(_, attributes)| attributes)
}

fn get<'a>(attributes: &'a [(String, String)], name: &str) -> Option<&'a str> {
    attributes.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

/// One of everything that is shown.
fn everything() -> Vec<Outcome> {
    let mut monitored = sample::passed();
    monitored.test.name = "lenet5_monitored".into();
    let criteria = &mut monitored.measurement.as_mut().unwrap().criteria;
    let mut monitor = criteria["nc"].clone();
    monitor.details = [
        (
            "monitor".to_owned(),
            serde_json::json!({
                "classes": [{ "class": 0, "trusted": 200, "tau": 0.91, "inputs": 48 }, { "class": 7, "trusted": 0, "tau": null, "inputs": 2 }],
                "layers": [{ "layer": "fc.fc1_relu", "in_range": 0.98, "in_range_trusted": 0.99, "in_range_untrusted": 0.61 }],
            }),
        ),
        ("acceptance_rate".to_owned(), 0.97.into()),
    ]
    .into();
    criteria.insert("box".into(), monitor);
    let mut compared = sample::threshold_failure();
    compared.requirements[0].against = Some(0.31);
    compared.requirements[0].bound_text = Some("against - 0.02".into());
    let special = [
        sample::deep(423),
        sample::important(),
        sample::surprising(),
        sample::calibrated(),
        monitored,
        compared,
        pictured(),
    ];
    [sample::all(), special.to_vec()].concat()
}

/// A surprise test whose inputs have thumbnails, classes and a saturation curve.
fn pictured() -> Outcome {
    let mut outcome = sample::surprising();
    outcome.test.name = "lenet5_pictured".into();
    let thumbnail = |seed: usize| {
        let pixel = |at: usize| {
            let (x, y) = ((at % 28) as f32 - 14.0, (at / 28) as f32 - 14.0);
            (-((x * x + y * y).sqrt() - 3.0 - seed as f32).powi(2) / 4.0).exp()
        };
        Thumbnail::of(&(0..784).map(pixel).collect::<Vec<f32>>(), &[1, 28, 28])
    };
    let criteria = &mut outcome.measurement.as_mut().unwrap().criteria;
    let dsc = criteria.get_mut("dsc").unwrap();
    let ranked = dsc.ranked.as_mut().unwrap();
    for (at, input) in ranked.most.iter_mut().chain(&mut ranked.least).enumerate() {
        input.picture = thumbnail(at % 12);
    }
    let kmnc = criteria.get_mut("kmnc(k=1000)").unwrap();
    kmnc.leading = (0..10)
        .map(|at| LeadingInput {
            name: format!("{at}/{:04}.png", at * 31),
            covered: 4_000 / (at as u64 + 1),
            picture: if at == 4 { None } else { thumbnail(at) },
        })
        .collect();
    kmnc.contributions =
        (0..500).map(|input| crate::criteria::Contribution { input, covered: 20_000 / (input + 3) }).collect();
    kmnc.classes = (0..10)
        .map(|class| {
            let covered = 20_000 + 900 * class;
            let value = Some(covered as f64 / 230_000.0);
            (
                class.to_string(),
                crate::measure::ClassFigures { inputs: 50, value, covered: Some(covered), total: Some(230_000) },
            )
        })
        .collect();
    outcome
}

/// `CLEANAI_SHOW_REPORT=FILE` leaves the page there, to be looked at.
#[test]
fn the_page_is_whole_and_needs_nothing_else() {
    let page = render(&everything());
    if let Some(path) = std::env::var_os("CLEANAI_SHOW_REPORT") {
        std::fs::write(path, &page).unwrap();
    }
    let elements = elements(&page);
    let mut ids = BTreeSet::new();
    for (name, attributes) in &elements {
        if let Some(id) = get(attributes, "id") {
            assert!(ids.insert(id), "{id} twice");
        }
        for (attribute, value) in attributes {
            assert!(!attribute.starts_with("on") && attribute != "style", "{name} {attribute}");
            if matches!(attribute.as_str(), "href" | "src" | "xlink:href" | "action" | "data") {
                let own = value.starts_with('#') || value.starts_with("data:image/");
                assert!(own, "{name} {attribute} {value}");
            }
        }
    }
    for (name, attributes) in &elements {
        let references = ["href", "aria-labelledby"].into_iter().filter_map(|key| get(attributes, key));
        for reference in references.filter(|it| !it.starts_with("data:")) {
            assert!(ids.contains(reference.trim_start_matches('#')), "{name} {reference}");
        }
    }
    for forbidden in ["script", "link", "iframe", "object", "embed", "base", "form", "img", "foreignObject"] {
        assert_eq!(of(&elements, forbidden).count(), 0, "{forbidden}");
    }
    assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("@import") && !page.contains("url("));
    assert!(page.contains("http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-"));
}

#[test]
fn everything_has_a_name() {
    let elements = elements(&render(&everything()));
    assert_eq!((of(&elements, "h1").count(), of(&elements, "main").count(), of(&elements, "nav").count()), (1, 1, 1));
    for svg in of(&elements, "svg") {
        let labelled = get(svg, "role") == Some("img") && get(svg, "aria-label").is_some_and(|label| !label.is_empty());
        let hidden = get(svg, "aria-hidden") == Some("true");
        // Those of a legend stand in an element that is hidden as a whole.
        assert!(labelled || hidden || matches!(get(svg, "width"), Some("120" | "12")), "{svg:?}");
    }
    assert_eq!(of(&elements, "table").count(), of(&elements, "caption").count());
    assert!(of(&elements, "th").all(|cell| matches!(get(cell, "scope"), Some("row" | "col"))));
    for region in elements.iter().filter(|(_, attributes)| get(attributes, "role") == Some("region")) {
        assert!(get(&region.1, "aria-label").is_some() && get(&region.1, "tabindex") == Some("0"), "{region:?}");
    }
    // Headings go down one step at a time.
    let levels = elements.iter().filter_map(|(name, _)| name.strip_prefix('h')?.parse::<u8>().ok());
    let levels: Vec<u8> = levels.collect();
    assert!(levels.windows(2).all(|two| two[1] <= two[0] + 1), "{levels:?}");
}

/// What is between tags of the section of one test.
fn words(page: &str) -> String {
    let (_, main) = page.split_once("<main").unwrap();
    let mut text = String::new();
    let mut inside = true;
    for character in main.chars() {
        match character {
            '<' => inside = true,
            '>' if inside => {
                inside = false;
                text.push('\n');
            }
            _ if !inside => text.push(character),
            _ => {}
        }
    }
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[test]
fn samples() {
    insta::assert_snapshot!("regression", words(&render(&[sample::regression()])));
    insta::assert_snapshot!("error", words(&render(&[sample::error()])));
    insta::assert_snapshot!("important", words(&render(&[sample::important()])));
    insta::assert_snapshot!("pictured", words(&render(&[pictured()])));
}

#[test]
fn hostile_names_stay_text() {
    let hostile = "<script>alert(\"1\")</script>'&lt;\u{202e}\0\u{7}\u{2028}</title></style>--><svg onload=x>";
    let mut outcome = everything().pop().unwrap();
    outcome.status = crate::report::Status::Failed;
    outcome.test.name = hostile.into();
    outcome.test.package = hostile.into();
    outcome.test.file = PathBuf::from(hostile);
    outcome.body = Some(format!("{hostile}\n{hostile}"));
    outcome.error = Some(crate::Error::new(crate::ErrorKind::Data, hostile).with_help(hostile));
    outcome.commands = Some(crate::report::Commands { rerun: hostile.into(), accept: Some(hostile.into()) });
    outcome.baseline = sample::regression().baseline;
    outcome.baseline.next = Some(hostile.into());
    for change in &mut outcome.baseline.changes {
        change.criterion += hostile;
        if let Some(explanation) = &mut change.explanation {
            explanation.layers.iter_mut().chain(&mut explanation.classes).for_each(|part| part.name = hostile.into());
            explanation.lost.largest.iter_mut().for_each(|neuron| neuron.first = Some(hostile.into()));
            explanation.unknown = Some(hostile.into());
        }
    }
    let measurement = outcome.measurement.as_mut().unwrap();
    measurement.model.path = hostile.into();
    measurement.data.path = hostile.into();
    let mut criteria = std::mem::take(&mut measurement.criteria);
    for result in criteria.values_mut() {
        result.layers.iter_mut().for_each(|layer| layer.name = hostile.into());
        result.leading.iter_mut().for_each(|input| input.name = hostile.into());
        if let Some(ranked) = &mut result.ranked {
            ranked.most.iter_mut().for_each(|input| input.name = hostile.into());
            ranked.by = hostile.into();
        }
        result.classes =
            std::mem::take(&mut result.classes).into_values().map(|own| (hostile.to_owned(), own)).collect();
        result.details.insert(hostile.into(), hostile.into());
    }
    measurement.criteria = criteria.into_iter().map(|(name, result)| (name + hostile, result)).collect();
    let page = render(&[outcome]);
    let elements = elements(&page);
    assert_eq!(of(&elements, "script").count(), 0);
    assert!(elements.iter().all(|(_, attributes)| attributes.iter().all(|(name, _)| !name.starts_with("on"))));
    assert_eq!(of(&elements, "title").filter(|it| it.is_empty()).count(), of(&elements, "title").count());
    let control = |it: char| it != '\n' && (it.is_control() || matches!(it, '\u{202a}'..='\u{202e}' | '\u{2028}'));
    assert!(!page.contains(control));
}

#[test]
fn a_resnet_152_takes_less_than_two_megabytes() {
    let mut deep = sample::deep(423);
    let criteria = &mut deep.measurement.as_mut().unwrap().criteria;
    // Several criteria on the 51 rows of its ReLUs, with pictures as large as they may be.
    let noise = |seed: u32| {
        let value = |at: u32| ((at ^ seed.wrapping_mul(97)).wrapping_mul(2_654_435_761) >> 8) as f32;
        Thumbnail::of(&(0..3 * 64 * 64).map(value).collect::<Vec<f32>>(), &[3, 64, 64])
    };
    for criterion in 0..8_u32 {
        let mut result = criteria["nc"].clone();
        result.layers.truncate(51);
        result.contributions = (0..50_000)
            .map(|input| crate::criteria::Contribution { input, covered: 1 + u64::from(criterion) })
            .collect();
        result.leading = (0..10)
            .map(|at| LeadingInput {
                name: format!("val/n0{at}.JPEG"),
                covered: 9,
                picture: noise(criterion * 10 + at),
            })
            .collect();
        result.classes = (0..1000)
            .map(|class| {
                let own =
                    crate::measure::ClassFigures { inputs: 50, value: Some(0.1), covered: Some(1), total: Some(10) };
                (format!("n{class:08}"), own)
            })
            .collect();
        criteria.insert(format!("nc(threshold=0.{criterion})"), result);
    }
    let page = render(&[deep]);
    assert!(page.len() < 2 << 20, "{} bytes", page.len());
    assert!(page.contains("layer10.20.relu"), "the last layers are there");
}

#[test]
fn the_same_run_gives_the_same_page() {
    assert_eq!(render(&everything()), render(&everything()));
    assert!(render(&[]).contains("No test ran."));
}

/// A browser, where there is one.
fn chromium() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CHROMIUM").filter(|it| !it.is_empty()) {
        return Some(PathBuf::from(named));
    }
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|path| path.is_file())
}

/// Loads a page without a window: what it looks like in the end, and what the browser complains about.
fn browse(browser: &Path, folder: &Path, page: &Path, arguments: &[&str]) -> (String, Vec<String>) {
    let profile = tempfile::tempdir_in(folder).unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .args(["--enable-logging=stderr", "--log-level=0", "--virtual-time-budget=4000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(arguments)
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let complaints = said.lines().filter(|line| line.contains(":CONSOLE")).map(str::to_owned).collect();
    (String::from_utf8_lossy(&output.stdout).into_owned(), complaints)
}

#[test]
fn a_browser_shows_it() {
    let Some(browser) = chromium() else {
        eprintln!("SKIPPED a_browser_shows_it: there is no Chromium; install it, or name it in CHROMIUM");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    let page = render(&everything());
    std::fs::write(&path, &page).unwrap();
    let (dom, complaints) = browse(&browser, folder.path(), &path, &[]);
    assert!(dom.contains("lenet5_pictured"), "{}", &dom[..dom.len().min(500)]);
    assert_eq!(complaints, Vec::<String>::new());

    // A page around it, which may run a script, looks at it as wide as a telephone and as a desk.
    let around = folder.path().join("around.html");
    let quoted = page.replace('&', "&amp;").replace('"', "&quot;");
    let frames = [400, 1280]
        .map(|wide| format!("<iframe id=\"f{wide}\" width=\"{wide}\" height=\"800\" srcdoc=\"{quoted}\"></iframe>"));
    let script = r#"onload = () => {
        const told = [];
        for (const wide of [400, 1280]) {
            const page = document.getElementById('f' + wide).contentDocument;
            for (const box of page.querySelectorAll('details')) box.open = true;
            told.push(wide + ' overflow ' + (page.documentElement.scrollWidth - page.documentElement.clientWidth));
            const ground = () => page.defaultView.getComputedStyle(page.documentElement).backgroundColor;
            for (const scheme of ['light', 'dark']) {
                page.getElementById('scheme-' + scheme).click();
                told.push(wide + ' ' + scheme + ' ' + ground());
            }
            const broken = [...page.querySelectorAll('.strip rect')].filter(cell => cell.getBoundingClientRect().width < 3);
            told.push(wide + ' thin cells ' + broken.length);
        }
        document.body.innerHTML = '<pre>' + told.join('\n') + '</pre>';
    };"#;
    std::fs::write(&around, format!("<!DOCTYPE html><body>{}<script>{script}</script></body>", frames.concat()))
        .unwrap();
    let (dom, complaints) = browse(&browser, folder.path(), &around, &[]);
    let told = dom.split_once("<pre>").and_then(|(_, rest)| rest.split_once("</pre>")).map(|(told, _)| told);
    let expected = "400 overflow 0\n400 light rgb(255, 255, 255)\n400 dark rgb(15, 20, 26)\n400 thin cells 0\n\
                    1280 overflow 0\n1280 light rgb(255, 255, 255)\n1280 dark rgb(15, 20, 26)\n1280 thin cells 0";
    assert_eq!(told, Some(expected), "{complaints:?}");
    assert_eq!(complaints, Vec::<String>::new());
}
