//! How often values fall between edges, coloured by cluster.

use maud::{Markup, html};

use crate::report::svg::number;

/// Width and height in pixels.
const WIDE: f64 = 132.0;
const HIGH: f64 = 28.0;

/// Bars that are drawn.
const MOST: usize = 132;

/// A bar for each count, as high as its share of the largest; each with the number of its cluster.
pub(crate) fn histogram(bars: &[(u64, usize)], label: &str) -> Markup {
    let bars = &bars[..bars.len().min(MOST)];
    let highest = bars.iter().map(|(count, _)| *count).max().unwrap_or(0).max(1) as f64;
    let wide = WIDE / bars.len().max(1) as f64;
    html! {
        svg.histogram role="img" aria-label=(label) width=(number(WIDE)) height=(number(HIGH)) viewBox={ "0 0 " (number(WIDE)) " " (number(HIGH)) } {
            title { (label) }
            @for (at, (count, cluster)) in bars.iter().enumerate() {
                @if *count > 0 {
                    // Few are still to be seen.
                    @let high = (*count as f64 / highest * HIGH).max(1.0);
                    rect.{ "c" (cluster % 6) } x=(number(at as f64 * wide)) y=(number(HIGH - high)) width=(number((wide - 0.5).max(0.5))) height=(number(high)) {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_shares_of_the_largest() {
        let drawn = histogram(&[(10, 0), (0, 0), (5, 7)], "values of neuron 3").into_string();
        assert_eq!(drawn.matches("<rect").count(), 2);
        assert!(drawn.contains(r#"<rect class="c0" x="0" y="0" width="43.5" height="28">"#), "{drawn}");
        assert!(drawn.contains(r#"<rect class="c1" x="88" y="14""#), "{drawn}");
        assert!(histogram(&[], "none").into_string().contains("<title>none</title>"));
        assert_eq!(histogram(&vec![(1, 0); 1000], "many").into_string().matches("<rect").count(), MOST);
    }
}
