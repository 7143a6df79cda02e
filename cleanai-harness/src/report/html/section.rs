//! One test.

use maud::{Markup, html};

use super::page::{badge, class};
use super::pictures::Pictures;
use super::{baseline, cleanai, criterion, facts, layers, requirements};
use crate::report::{Outcome, Status, date, message, text};

/// Everything about one test; `id` is what its section is called.
pub(super) fn section(outcome: &Outcome, id: &str, pictures: &mut Pictures) -> Markup {
    let test = &outcome.test;
    html! {
        section.test #(id) aria-labelledby={ (id) "-name" } {
            div.title {
                h2 id={ (id) "-name" } { (test.name) }
                (badge(outcome.status))
            }
            p.meta {
                (test.package) "::" (test.target) " · " (test.file.display()) ":" (test.line) " · "
                (date::readable(outcome.started)) " · " (text::seconds(outcome.seconds))
            }
            (reasons(outcome))
            (error(outcome))
            @if let Some(measurement) = &outcome.measurement {
                @for warning in message::warnings(measurement) {
                    p { b.warn { "Warning: " } (warning) "." }
                }
            }
            (commands(outcome))
            @if let Some(body) = &outcome.body {
                h3 { "Test body" }
                (verbatim(body))
            }
            @if let Some(measurement) = &outcome.measurement {
                (requirements::requirements(outcome))
                (baseline::baseline(outcome))
                (criterion::overview(measurement))
                (layers::layers(measurement))
                (criterion::criteria(measurement, pictures))
                (cleanai::sections(measurement))
                (facts::facts(measurement))
            }
        }
    }
}

/// Why it did not pass.
fn reasons(outcome: &Outcome) -> Markup {
    let reasons = message::reasons(outcome);
    // An error is told in full below.
    let told = outcome.error.is_some() && reasons.len() == 1;
    html! {
        @if !reasons.is_empty() && !told {
            ul.reasons.(class(outcome.status)) aria-label="Reasons" {
                @for reason in &reasons { li { (reason.message) } }
            }
        }
    }
}

fn error(outcome: &Outcome) -> Markup {
    html! {
        @if let Some(error) = &outcome.error {
            (paragraph(error.what(), "warn"))
            @if let Some(place) = error.place() {
                p.meta { "at " (place.file.display()) ":" (place.line) ":" (place.column) }
                @if !place.snippet.is_empty() { (verbatim(&place.snippet)) }
            }
            @if let Some(help) = error.help() { p { b { "Help: " } (help) } }
        }
    }
}

/// The lines of a text as they are.
fn verbatim(body: &str) -> Markup {
    html! { pre { (text::lines(body).collect::<Vec<_>>().join("\n")) } }
}

fn paragraph(body: &str, class: &str) -> Markup {
    html! { p { b.(class) { (body) } } }
}

/// A sentence of ours: what stands between backticks is code.
fn with_code(sentence: &str) -> Markup {
    html! {
        @for (at, part) in sentence.split('`').enumerate() {
            @if at % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// What to do next, and the commands for it.
fn commands(outcome: &Outcome) -> Markup {
    let next = message::next_step(&outcome.baseline);
    html! {
        @if let Some(next) = next {
            p.next { b { "Next: " } (with_code(&next)) }
        }
        @if let Some(commands) = &outcome.commands {
            dl.commands {
                dt { "run this test alone" }
                dd { code { (commands.rerun) } }
                @if let Some(accept) = commands.accept.as_ref().filter(|_| outcome.status != Status::Passed) {
                    dt { "accept the change" }
                    dd { code { (accept) } }
                }
            }
        }
    }
}
