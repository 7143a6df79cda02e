//! What surprise, monitors and confidence report beside their figures.

use maud::{Markup, html};

use super::table::{numbers, table, words};
use crate::report::chart::{bar, reliability};
use crate::report::details::{ACCEPTS_NOTHING, Bin, Monitor, MonitorClass, MonitorLayer, SurpriseClass, percent};
use crate::report::figure::{self, Style};
use crate::report::text;

/// Rows of a table of classes; the JSON report has all.
const MOST: usize = 100;

/// The classes that surprise was measured in.
pub(super) fn classes(classes: &[(&str, SurpriseClass)]) -> Markup {
    let columns = [
        words("class"),
        numbers("profile inputs"),
        numbers("test inputs"),
        numbers("mean"),
        words("drawn"),
        numbers("buckets"),
        numbers("shrinkage"),
    ];
    let largest = classes.iter().filter_map(|(_, own)| own.mean).fold(0.0, f64::max);
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let row = |(name, own): &(&str, SurpriseClass)| {
        vec![
            html! { (name) },
            html! { (text::grouped(own.profile_inputs)) },
            html! { (text::grouped(own.inputs)) },
            html! { (figure::value(own.mean, Style::Decimal)) },
            bar(own.mean.filter(|mean| largest > 0.0 && *mean >= 0.0).map(|mean| mean / largest), "plain"),
            html! { (or_dash(own.covered.map(text::grouped))) },
            html! { (or_dash(own.shrinkage.map(|share| format!("{share:e}")))) },
        ]
    };
    let rows: Vec<Vec<Markup>> = classes.iter().take(MOST).map(row).collect();
    html! {
        (table("Predicted classes", &columns, &rows))
        (left(classes.len()))
    }
}

/// What a monitor accepts.
pub(super) fn monitor(monitor: &Monitor, acceptance: Option<String>) -> Markup {
    let of_class = |own: &MonitorClass| {
        vec![
            html! { (text::grouped(own.class)) },
            html! { (text::grouped(own.trusted)) },
            html! { (own.tau.map_or_else(|| ACCEPTS_NOTHING.to_owned(), |tau| format!("{tau:.4}"))) },
            html! { (text::grouped(own.inputs)) },
        ]
    };
    let classes: Vec<Vec<Markup>> = monitor.classes.iter().take(MOST).map(of_class).collect();
    let share = |share: Option<f64>| html! { (share.map_or_else(|| "-".to_owned(), percent)) };
    let of_layer = |own: &MonitorLayer| {
        vec![
            html! { (own.layer) },
            share(own.in_range),
            share(own.in_range_trusted),
            bar(own.in_range_trusted, "plain"),
            share(own.in_range_untrusted),
            bar(own.in_range_untrusted, if own.tells_apart() { "bad" } else { "plain" }),
        ]
    };
    let layers: Vec<Vec<Markup>> = monitor.layers.iter().map(of_layer).collect();
    let class_columns = [words("predicted class"), numbers("trusted inputs"), numbers("tau"), numbers("test inputs")];
    let layer_columns = [
        words("layer"),
        numbers("test"),
        numbers("trusted"),
        words("trusted drawn"),
        numbers("untrusted"),
        words("untrusted drawn"),
    ];
    html! {
        @if let Some(acceptance) = acceptance { p { (acceptance) } }
        (table("Thresholds by class", &class_columns, &classes))
        (left(monitor.classes.len()))
        (table("Values in the range of the predicted class", &layer_columns, &layers))
    }
}

/// The reliability diagram with its table.
pub(super) fn reliability_of(bins: &[Bin]) -> Markup {
    let columns = [
        words("confidence"),
        numbers("inputs"),
        words("drawn"),
        numbers("accuracy"),
        numbers("mean confidence"),
        numbers("accuracy less confidence"),
    ];
    let all = bins.iter().map(|bin| bin.inputs as f64).sum::<f64>();
    let decimal = |number: Option<f64>| figure::value(number, Style::Decimal);
    let row = |(at, bin): (usize, &Bin)| {
        vec![
            html! { (bin.interval(at + 1 == bins.len())) },
            html! { (text::grouped(bin.inputs)) },
            bar((all > 0.0).then(|| bin.inputs as f64 / all), "plain"),
            html! { b { (decimal(bin.accuracy)) } },
            html! { (decimal(bin.mean_confidence)) },
            html! { (bin.difference()) },
        ]
    };
    let rows: Vec<Vec<Markup>> = bins.iter().enumerate().map(row).collect();
    html! {
        @if !bins.is_empty() {
            (reliability(bins))
            (table("Reliability: accuracy by confidence", &columns, &rows))
        }
    }
}

/// How many classes are not listed.
fn left(all: usize) -> Markup {
    let left = all.saturating_sub(MOST);
    html! { @if left > 0 { p.more { (text::grouped(left as u64)) " more are in the JSON report." } } }
}
