//! The rules of Jenkins' schema for JUnit files (`junit-10.xsd` of its xUnit plugin): the attributes each element may and must have,
//! and what it may contain.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// An element: its name, its attributes with those it must have, and what may stand in it in any order and number.
struct Rule {
    name: &'static str,
    needed: &'static [&'static str],
    allowed: &'static [&'static str],
    children: &'static [&'static str],
    text: bool,
}

const fn texts(name: &'static str, allowed: &'static [&'static str]) -> Rule {
    Rule { name, needed: &[], allowed, children: &[], text: true }
}

const RULES: [Rule; 10] = [
    Rule {
        name: "testsuites",
        needed: &[],
        allowed: &["name", "time", "tests", "failures", "errors"],
        children: &["testsuite"],
        text: false,
    },
    Rule {
        name: "testsuite",
        needed: &["name", "tests", "failures", "errors"],
        allowed: &["group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"],
        children: &["testsuite", "properties", "testcase", "system-out", "system-err"],
        text: false,
    },
    Rule {
        name: "testcase",
        needed: &["name"],
        allowed: &["time", "classname", "group"],
        children: &[
            "skipped",
            "error",
            "failure",
            "rerunFailure",
            "rerunError",
            "flakyFailure",
            "flakyError",
            "system-out",
            "system-err",
        ],
        text: false,
    },
    Rule { name: "properties", needed: &[], allowed: &[], children: &["property"], text: false },
    Rule { name: "property", needed: &["name", "value"], allowed: &[], children: &[], text: false },
    texts("failure", &["type", "message"]),
    texts("error", &["type", "message"]),
    texts("skipped", &["type", "message"]),
    texts("system-out", &[]),
    texts("system-err", &[]),
];

/// What a file has that the schema does not allow, each kind once, in the order found.
pub(super) fn violations(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut add = |what: String| {
        if !found.contains(&what) {
            found.push(what);
        }
    };
    let mut reader = Reader::from_str(text);
    let mut open: Vec<String> = Vec::new();
    loop {
        match reader.read_event().expect("the file is well-formed") {
            Event::Start(tag) => {
                open.push(element(&tag, open.last().map(String::as_str), &mut add));
            }
            Event::Empty(tag) => {
                element(&tag, open.last().map(String::as_str), &mut add);
            }
            Event::End(_) => {
                open.pop();
            }
            Event::Text(text) => {
                let blank = text.iter().all(u8::is_ascii_whitespace);
                let inside = open.last().and_then(|name| RULES.iter().find(|rule| rule.name == name));
                if !blank && !inside.is_some_and(|rule| rule.text) {
                    add(format!("text in {open:?}"));
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    found
}

/// Checks a tag and returns its name.
fn element(tag: &BytesStart<'_>, parent: Option<&str>, add: &mut impl FnMut(String)) -> String {
    let name = String::from_utf8(tag.name().as_ref().to_vec()).expect("names are text");
    let above = RULES.iter().find(|rule| Some(rule.name) == parent);
    match above {
        Some(rule) if !rule.children.contains(&name.as_str()) => add(format!("{} contains {name}", rule.name)),
        None if parent.is_none() && name != "testsuites" => add(format!("{name} is the root")),
        _ => {}
    }
    let Some(rule) = RULES.iter().find(|rule| rule.name == name) else {
        add(format!("unknown element {name}"));
        return name;
    };
    let attributes: Vec<(String, String)> = tag
        .attributes()
        .map(|attribute| {
            let attribute = attribute.expect("attributes are well-formed");
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("attributes are text");
            (text(attribute.key.as_ref()), text(&attribute.value))
        })
        .collect();
    for needed in rule.needed {
        if !attributes.iter().any(|(own, _)| own == needed) {
            add(format!("{name} lacks the attribute {needed}"));
        }
    }
    for (own, value) in &attributes {
        if !rule.needed.contains(&own.as_str()) && !rule.allowed.contains(&own.as_str()) {
            add(format!("{name} has the attribute {own}"));
        }
        // `SUREFIRE_TIME`, which a case is free of.
        let time = value.chars().all(|character| character.is_ascii_digit() || ".,".contains(character));
        if own == "time" && name != "testcase" && !time {
            add(format!("{name} has the time {value}"));
        }
    }
    name
}

#[test]
fn the_rules_are_kept() {
    assert!(violations("<testsuites name='a' time='0.5'></testsuites>").is_empty());
    for (text, what) in [
        ("<testsuite name='a' tests='1' failures='0' errors='0'/>", "testsuite is the root"),
        ("<testsuites><testcase name='a'/></testsuites>", "testsuites contains testcase"),
        ("<testsuites><testsuite name='a'/></testsuites>", "testsuite lacks the attribute tests"),
        ("<testsuites>text</testsuites>", "text in [\"testsuites\"]"),
        ("<testsuites time='1e5'/>", "testsuites has the time 1e5"),
        ("<testsuites><other/></testsuites>", "unknown element other"),
    ] {
        assert!(violations(text).iter().any(|found| found == what), "{text}: {:?}", violations(text));
    }
}
