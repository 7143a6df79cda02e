//! Model, data and settings, for whoever audits the figures.

use maud::{Markup, html};

use crate::measure::Measurement;
use crate::report::facts;

/// What was measured, on what, with which settings.
pub(super) fn facts(measurement: &Measurement) -> Markup {
    html! {
        h3 { "Model, data and settings" }
        div.facts {
            @for group in facts::facts(measurement, true) {
                div {
                    h4 { (group.title) }
                    dl {
                        @for fact in group.facts {
                            dt { (fact.label) }
                            dd { @if fact.exact { code { (fact.value) } } @else { (fact.value) } }
                        }
                    }
                }
            }
        }
    }
}
