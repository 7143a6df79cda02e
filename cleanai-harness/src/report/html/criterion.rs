//! What each criterion says.

use maud::{Markup, html};

use super::pictures::Pictures;
use super::table::{numbers, table, words};
use super::{importance, inputs, surprise};
use crate::criteria::Direction;
use crate::measure::{ClassFigures, CriterionResult, Measurement};
use crate::report::chart::{bar, saturation};
use crate::report::details::{Details, acceptance};
use crate::report::figure::{self, Style};
use crate::report::text;

/// Classes that are listed; the JSON report has all.
const MOST_CLASSES: usize = 40;

/// Criteria that are unfolded where there are no more.
const UNFOLDED: usize = 4;

/// All criteria in one table.
pub(super) fn overview(measurement: &Measurement) -> Markup {
    let columns =
        [words("criterion"), numbers("value"), words("drawn"), numbers("covered"), numbers("total"), words("better")];
    let count = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), text::grouped);
    let row = |(name, result): (&String, &CriterionResult)| {
        let better = match result.direction {
            Direction::HigherIsBetter => "higher",
            Direction::LowerIsBetter => "lower",
        };
        vec![
            html! { code { (name) } },
            html! { b { (figure::value(result.value, Style::of(result))) } },
            bar(result.value.filter(|_| result.total.is_some()), "plain"),
            html! { (count(result.covered)) },
            html! { (count(result.total)) },
            html! { (better) },
        ]
    };
    let rows: Vec<Vec<Markup>> = measurement.criteria.iter().map(row).collect();
    html! {
        h3 { "Criteria" }
        @if rows.is_empty() {
            p.note { "No criterion was measured." }
        } @else {
            (table("All that was measured", &columns, &rows))
        }
    }
}

/// Criterion by criterion: what there is beside its figures.
pub(super) fn criteria(measurement: &Measurement, pictures: &mut Pictures) -> Markup {
    let all: Vec<(&String, Markup)> = measurement
        .criteria
        .iter()
        .map(|(name, result)| (name, criterion(measurement, name, result, pictures)))
        .filter(|(_, shown)| !shown.0.is_empty())
        .collect();
    html! {
        @if !all.is_empty() {
            h3 { "Criterion by criterion" }
            @for (name, shown) in &all {
                details.box open[all.len() <= UNFOLDED] {
                    summary { code { (name) } }
                    (shown)
                }
            }
        }
    }
}

fn criterion(measurement: &Measurement, name: &str, result: &CriterionResult, pictures: &mut Pictures) -> Markup {
    let details = Details::of(result);
    html! {
        (saturation(name, result, measurement.data.inputs as u64))
        (inputs::leading(result, pictures))
        @if let Some(ranked) = &result.ranked { (inputs::ranked(ranked, !details.classes.is_empty(), pictures)) }
        (classes(result))
        @for (layer, important) in &details.importance { (importance::neurons(layer, important)) }
        (inputs::heat_maps(result, pictures))
        (surprise::classes(&details.classes))
        @if let Some(monitor) = &details.monitor { (surprise::monitor(monitor, acceptance(result))) }
        (surprise::reliability_of(&details.bins))
        (others(&details.others))
    }
}

/// What single classes reach by themselves, the lowest first.
fn classes(result: &CriterionResult) -> Markup {
    let style = Style::of(result);
    let mut classes: Vec<(&String, &ClassFigures)> = result.classes.iter().collect();
    let key = |figures: &ClassFigures| figures.value.unwrap_or(f64::NEG_INFINITY);
    classes.sort_by(|one, other| key(one.1).total_cmp(&key(other.1)));
    if result.direction == Direction::LowerIsBetter {
        classes.reverse();
    }
    let left = classes.len().saturating_sub(MOST_CLASSES);
    let columns = [words("class"), numbers("inputs"), numbers("covered / total"), numbers("value"), words("drawn")];
    let row = |(name, own): &(&String, &ClassFigures)| {
        let counts = match (own.covered, own.total) {
            (Some(covered), Some(total)) => format!("{} / {}", text::grouped(covered), text::grouped(total)),
            _ => "-".to_owned(),
        };
        vec![
            html! { (name) },
            html! { (text::grouped(own.inputs)) },
            html! { (counts) },
            html! { b { (figure::value(own.value, style)) } },
            bar(own.value.filter(|_| own.total.is_some()), "plain"),
        ]
    };
    let rows: Vec<Vec<Markup>> = classes.iter().take(MOST_CLASSES).map(row).collect();
    html! {
        (table("Classes by themselves, the worst first", &columns, &rows))
        @if left > 0 { p.more { (text::grouped(left as u64)) " more are in the JSON report." } }
    }
}

fn others(others: &[(String, String)]) -> Markup {
    html! {
        @if !others.is_empty() {
            dl {
                @for (name, value) in others {
                    dt { (name) }
                    dd { (text::ellipsis(value, 600)) }
                }
            }
        }
    }
}
