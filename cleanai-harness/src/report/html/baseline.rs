//! How figures stand to their baseline, and what lies behind those that fell.

use maud::{Markup, html};

use super::requirements::{change_class, delta, scale};
use super::table::{self, numbers, table, words};
use crate::gate::{BaselineStatus, FigureChange};
use crate::report::chart::{Bullet, bullet};
use crate::report::{Outcome, explanation, figure, message, text};

/// The baseline's verdict, figure by figure.
pub(super) fn baseline(outcome: &Outcome) -> Markup {
    let baseline = &outcome.baseline;
    let class = match baseline.status {
        _ if baseline.fails => "bad",
        BaselineStatus::Improved => "good",
        BaselineStatus::Unchanged | BaselineStatus::Disabled => "",
        _ => "warn",
    };
    let mut sentence = message::baseline_sentence(baseline.status).to_owned();
    sentence[..1].make_ascii_uppercase();
    let columns = [
        words("criterion"),
        words("trend"),
        numbers("baseline"),
        numbers("observed"),
        numbers("delta"),
        numbers("tolerance"),
        words("change"),
    ];
    let rows: Vec<Vec<Markup>> = baseline.changes.iter().map(|change| row(outcome, change)).collect();
    html! {
        h3 { "Baseline" }
        p { b.(class) { (sentence) "." } }
        @if baseline.file.is_some() || baseline.pending.is_some() {
            dl {
                @for (label, path) in [("baseline", &baseline.file), ("pending", &baseline.pending)] {
                    @if let Some(path) = path {
                        dt { (label) }
                        dd { code { (path.display()) } }
                    }
                }
            }
        }
        (table("Trend: ring, the baseline; bar, now", &columns, &rows))
        (behind(outcome))
    }
}

fn row(outcome: &Outcome, change: &FigureChange) -> Vec<Markup> {
    let style = message::style(outcome, &change.criterion);
    let class = match change_class(change.change) {
        "note" => "plain",
        class => class,
    };
    let trend = bullet(Bullet {
        scale: scale([change.observed, change.baseline, None]),
        observed: change.observed,
        baseline: change.baseline,
        bound: None,
        class,
    });
    vec![
        html! { code { (change.criterion) } },
        trend,
        html! { (figure::value(change.baseline, style)) },
        html! { b { (figure::value(change.observed, style)) } },
        delta(change.observed, change.baseline, style, Some(change.change)),
        html! { (figure::bound_text(change.tolerance)) },
        html! { span.(change_class(change.change)) { (message::change_word(change.change)) } },
    ]
}

/// The tables on what fell.
fn behind(outcome: &Outcome) -> Markup {
    let unknown = outcome.baseline.changes.iter().filter_map(explanation::unknown).next();
    html! {
        @for (change, sections) in explanation::explained(outcome) {
            h4 { "What lies behind " (message::change_line(change, message::style(outcome, &change.criterion))) }
            div.side {
                @for section in &sections { (table::section(section)) }
            }
        }
        @if let Some(why) = unknown {
            p.note { "Neurons, classes and inputs of the baseline are not known: " (text::line(why)) "." }
        }
    }
}
