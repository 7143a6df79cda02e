//! Single inputs: those that covered most first, those at the ends of a ranking, and heat maps.

use maud::{Markup, html};

use super::pictures::Pictures;
use crate::importance::Thumbnail;
use crate::measure::{CriterionResult, Ranked, RankedInput};
use crate::report::figure::{self, Style};
use crate::report::text;

/// An input as it is listed: its picture, its name, and what is said of it.
type Listed<'a> = (Option<&'a Thumbnail>, &'a str, String);

/// The inputs that covered most first.
pub(super) fn leading(result: &CriterionResult, pictures: &mut Pictures) -> Markup {
    let inputs = result.leading.iter().map(|own| {
        let covered = format!("{} covered first", text::grouped(own.covered));
        (own.picture.as_ref(), own.name.as_str(), covered)
    });
    list("Inputs that covered most first", inputs.collect(), pictures)
}

/// The inputs at both ends of a ranking; of a criterion of surprise they are more and less surprising.
pub(super) fn ranked(ranked: &Ranked, of_surprise: bool, pictures: &mut Pictures) -> Markup {
    let by = &ranked.by;
    let titles = if of_surprise {
        [format!("Most surprising inputs, by {by}"), format!("Least surprising inputs, by {by}")]
    } else {
        [format!("Inputs with the largest {by}"), format!("Inputs with the smallest {by}")]
    };
    let said = |own: &RankedInput| {
        let value = own.value.map_or_else(|| "infinite".to_owned(), |value| figure::value(Some(value), Style::Decimal));
        format!("{by} {value}")
    };
    let mut end = |title: &str, inputs: &[RankedInput]| {
        let inputs = inputs.iter().map(|own| (own.picture.as_ref(), own.name.as_str(), said(own))).collect();
        list(title, inputs, pictures)
    };
    html! {
        (end(&titles[0], &ranked.most))
        (end(&titles[1], &ranked.least))
    }
}

fn list(title: &str, inputs: Vec<Listed<'_>>, pictures: &mut Pictures) -> Markup {
    // Without a single picture there is no place kept for them.
    let any = inputs.iter().any(|(picture, ..)| picture.is_some());
    html! {
        @if !inputs.is_empty() {
            h4 { (title) }
            ol.inputs {
                @for (picture, name, said) in &inputs {
                    li {
                        @if any { (pictures.thumbnail(*picture)) }
                        div { code { (name) } }
                        div.note { (said) }
                    }
                }
            }
        }
    }
}

/// The heat maps of the inputs that covered most first.
pub(super) fn heat_maps(result: &CriterionResult, pictures: &mut Pictures) -> Markup {
    html! {
        @if !result.pictures.is_empty() {
            h4 { "Heat maps of the inputs that covered most first" }
            p.note { "The input, the relevance of its pixels, and both: red speaks for the class, blue against it." }
            div.maps {
                @for picture in &result.pictures {
                    figure {
                        @let shown = pictures.heat_map(picture);
                        @let missing = shown.is_none();
                        @if let Some(shown) = shown { (shown) }
                        figcaption {
                            code { (picture.name) }
                            @if let Some(class) = &picture.class { ": class " (class) }
                            @if missing { ", without its picture" }
                        }
                    }
                }
            }
        }
    }
}
