//! How often a model is right against how sure it is.

use maud::{Markup, html};

use crate::report::details::Bin;
use crate::report::svg::number;

/// Width and height of the drawing, and what stands left of it, below and around.
const WIDE: f64 = 400.0;
const HIGH: f64 = 230.0;
const LEFT: f64 = 36.0;
const BELOW: f64 = 36.0;
const EDGE: f64 = 8.0;

/// A bar for the accuracy of each bin, a mark for its mean confidence, and the line where both are the same.
pub(crate) fn reliability(bins: &[Bin]) -> Markup {
    let x = |share: f64| LEFT + share * (WIDE - LEFT - EDGE);
    let y = |share: f64| EDGE + (1.0 - share) * (HIGH - BELOW - EDGE);
    let title = "Accuracy by confidence";
    let description = "Bars: how often the model is right where it is this confident (its largest softmax). Marks: its mean confidence there. \
                       Bars that stay below their marks tell of too much confidence.";
    html! {
        figure.chart {
            svg role="img" aria-label={ (title) ". " (description) " The table has the numbers." } viewBox={ "0 0 " (number(WIDE)) " " (number(HIGH)) } {
                title { (title) }
                desc { (description) }
                @for share in [0.0, 0.2, 0.4, 0.6, 0.8, 1.0] {
                    line.grid x1=(number(LEFT)) x2=(number(WIDE - EDGE)) y1=(number(y(share))) y2=(number(y(share))) {}
                    text x=(number(LEFT - 5.0)) y=(number(y(share) + 4.0)) text-anchor="end" { (format!("{share:.1}")) }
                    text x=(number(x(share))) y=(number(HIGH - BELOW + 15.0)) text-anchor="middle" { (format!("{share:.1}")) }
                }
                @for bin in bins.iter().filter(|bin| bin.inputs > 0) {
                    @let (from, wide) = (x(bin.lower) + 1.0, (x(bin.upper) - x(bin.lower) - 2.0).max(0.5));
                    @if let Some(accuracy) = bin.accuracy {
                        // Never right is still to be seen.
                        @let high = (y(0.0) - y(accuracy)).max(1.0);
                        rect.plain x=(number(from)) y=(number(y(0.0) - high)) width=(number(wide)) height=(number(high)) {}
                    }
                }
                line.same x1=(number(x(0.0))) y1=(number(y(0.0))) x2=(number(x(1.0))) y2=(number(y(1.0))) {}
                @for bin in bins.iter().filter(|bin| bin.inputs > 0) {
                    @if let Some(confidence) = bin.mean_confidence {
                        @let (from, wide) = (x(bin.lower) + 1.0, (x(bin.upper) - x(bin.lower) - 2.0).max(0.5));
                        rect.mark x=(number(from)) y=(number(y(confidence) - 1.5)) width=(number(wide)) height="3" {}
                    }
                }
                text x=(number((LEFT + WIDE - EDGE) / 2.0)) y=(number(HIGH - 4.0)) text-anchor="middle" { "confidence" }
            }
            figcaption { (description) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_bins_are_not_drawn() {
        let bin = |lower: f64, inputs: u64, accuracy: Option<f64>| Bin {
            lower,
            upper: lower + 0.5,
            inputs,
            accuracy,
            mean_confidence: accuracy.map(|_| lower + 0.25),
        };
        let drawn = reliability(&[bin(0.0, 0, None), bin(0.5, 4, Some(0.0))]).into_string();
        assert_eq!((drawn.matches(r#"class="plain""#).count(), drawn.matches(r#"class="mark""#).count()), (1, 1));
        assert!(drawn.contains(r#"width="176" height="1""#), "{drawn}");
    }
}
