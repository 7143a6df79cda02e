//! The page around the tests: its head, the summary of the run, its foot.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::pictures::Pictures;
use super::table::{numbers, table, words};
use super::{palette, section};
use crate::report::{Outcome, Status, date, message, text};

static STYLE: LazyLock<String> = LazyLock::new(|| palette::variables() + include_str!("style.css"));

/// Nothing but this style sheet, and pictures that stand in the page.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; form-action 'none'")
});

/// The whole page.
pub(super) fn page(outcomes: &[Outcome]) -> Markup {
    let overall = message::overall(outcomes);
    let mut pictures = Pictures::default();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(*POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (message::status_word(overall)) ": " (message::counts(outcomes)) }
                style { (PreEscaped(STYLE.as_str())) }
            }
            body {
                a.skip href="#tests" { "Skip to the tests" }
                header {
                    div.top {
                        div.title {
                            h1 { "Model coverage" }
                            (badge(overall))
                        }
                        (scheme())
                    }
                    p { (message::counts(outcomes)) "." }
                    p.meta { (ran(outcomes)) }
                }
                nav aria-label="Tests" { (summary(outcomes)) }
                main #tests {
                    @for (at, outcome) in outcomes.iter().enumerate() {
                        (section::section(outcome, &id(at), &mut pictures))
                    }
                }
                footer {
                    @if pictures.left_out > 0 {
                        p { (text::counted(pictures.left_out as u64, "picture", "pictures")) " left out, so that the page stays small." }
                    }
                    p {
                        "Written by CleanAI " (env!("CARGO_PKG_VERSION"))
                        ". The page is complete in itself: it loads nothing and runs no script."
                    }
                }
            }
        }
    }
}

/// What a test's section is called in the page; names from outside could be any.
fn id(at: usize) -> String {
    format!("test-{}", at + 1)
}

/// The colours, chosen without a script.
fn scheme() -> Markup {
    html! {
        fieldset.scheme {
            legend { "Colours" }
            @for (name, label, checked) in [("auto", "automatic", true), ("light", "light", false), ("dark", "dark", false)] {
                label {
                    input type="radio" name="scheme" id={ "scheme-" (name) } checked[checked];
                    (label)
                }
            }
        }
    }
}

/// The verdict as a word on its colour.
pub(super) fn badge(status: Status) -> Markup {
    html! { span.badge.(class(status)) { (message::status_word(status)) } }
}

/// The class of the style sheet for a verdict.
pub(super) fn class(status: Status) -> &'static str {
    match status {
        Status::Passed => "good",
        Status::Failed => "bad",
        Status::Error => "warn",
    }
}

/// When, and how long.
fn ran(outcomes: &[Outcome]) -> String {
    let Some(first) = outcomes.iter().map(|outcome| outcome.started).min() else { return "No test ran.".to_owned() };
    let seconds: f64 = outcomes.iter().map(|outcome| outcome.seconds).sum();
    format!("Started {}, {} of tests.", date::readable(first), text::seconds(seconds))
}

/// A row for each test, with a link to it.
fn summary(outcomes: &[Outcome]) -> Markup {
    let columns = [words("test"), words("verdict"), words("why"), numbers("requirements"), numbers("time")];
    let row = |(at, outcome): (usize, &Outcome)| {
        let reasons = message::reasons(outcome);
        let held = outcome.requirements.iter().filter(|verdict| verdict.holds).count();
        vec![
            html! { a href={ "#" (id(at)) } { (outcome.test.name) } },
            badge(outcome.status),
            html! {
                @if let Some(first) = reasons.first() {
                    (first.message)
                    @if reasons.len() > 1 { span.more { " and " (reasons.len() - 1) " more" } }
                }
            },
            html! { @if outcome.requirements.is_empty() { "-" } @else { (held) " of " (outcome.requirements.len()) } },
            html! { (text::seconds(outcome.seconds)) },
        ]
    };
    let rows: Vec<Vec<Markup>> = outcomes.iter().enumerate().map(row).collect();
    table("Tests", &columns, &rows)
}
