//! How coverage grows with the inputs.

use maud::{Markup, html};

use crate::measure::CriterionResult;
use crate::report::axis::percent;
use crate::report::curve::Curve;
use crate::report::svg::{number, points};
use crate::report::text;

/// Width and height of the drawing, and what stands left of it, below and around.
const WIDE: f64 = 400.0;
const HIGH: f64 = 190.0;
const LEFT: f64 = 44.0;
const BELOW: f64 = 34.0;
const EDGE: f64 = 10.0;

/// The running sum of what inputs covered first, of `inputs` altogether, as a share of what there is to cover, where that is known, else of all that was
/// covered.
pub(crate) fn saturation(criterion: &str, result: &CriterionResult, inputs: u64) -> Markup {
    let Some(curve) = Curve::of(result, inputs, result.total) else { return html! {} };
    let x = |share: f64| LEFT + share * (WIDE - LEFT - EDGE);
    let y = |share: f64| EDGE + (1.0 - share) * (HIGH - BELOW - EDGE);
    let line: Vec<(f64, f64)> = curve.line().into_iter().map(|(across, up)| (x(across), y(up))).collect();
    let area = line.iter().copied().chain([(x(1.0), y(0.0))]);
    let of = if curve.total.is_some() { "of all there is to cover" } else { "of what is covered in the end" };
    let title = format!("{criterion}: coverage by the number of inputs");
    let counts = match curve.total.filter(|total| *total != curve.covered) {
        Some(total) => format!(" ({} of {})", text::grouped(curve.covered), text::grouped(total)),
        None => String::new(),
    };
    let description = format!(
        "{} {}{counts} {of}; {}.",
        text::counted(curve.inputs, "input covers", "inputs cover"),
        percent(curve.share(curve.covered)),
        reached(result)
    );
    html! {
        figure.chart {
            svg role="img" aria-label={ (title) ". " (description) } viewBox={ "0 0 " (number(WIDE)) " " (number(HIGH)) } {
                title { (title) }
                desc { (description) }
                @for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
                    @let height = y(share);
                    line.grid x1=(number(LEFT)) x2=(number(WIDE - EDGE)) y1=(number(height)) y2=(number(height)) {}
                    text x=(number(LEFT - 5.0)) y=(number(height + 4.0)) text-anchor="end" { (curve.label(share)) }
                }
                polygon.area points=(points(area)) {}
                polyline.curve points=(points(line.iter().copied())) {}
                @for inputs in curve.numbers() {
                    @let anchor = if inputs == 0 { "start" } else if inputs < curve.inputs { "middle" } else { "end" };
                    text x=(number(x(curve.place(inputs, 0.0).0))) y=(number(HIGH - BELOW + 15.0)) text-anchor=(anchor) { (text::grouped(inputs)) }
                }
                text x=(number((LEFT + WIDE - EDGE) / 2.0)) y=(number(HIGH - 4.0)) text-anchor="middle" { "inputs, in the order of the data" }
            }
            figcaption { (description) }
        }
    }
}

/// `50 % of that after 3, 90 % after 40, all after 391`
fn reached(result: &CriterionResult) -> String {
    let after = |share: f64| text::grouped(result.inputs_to_cover(share).unwrap_or(0));
    format!("50 % of that after {}, 90 % after {}, all after {}", after(0.5), after(0.9), after(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn drawn(own: &[(u64, u64)], inputs: u64, total: Option<u64>) -> String {
        saturation("nc", &CriterionResult { total, ..sample::covering(own) }, inputs).into_string()
    }

    #[test]
    fn a_curve_tells_what_it_shows() {
        let drawn = drawn(&[(0, 50), (3, 40), (9, 10)], 500, Some(200));
        assert!(drawn.contains("<title>nc: coverage by the number of inputs</title>"), "{drawn}");
        assert!(
            drawn.contains("500 inputs cover 50 % (100 of 200) of all there is to cover; 50 % of that after 1, 90 % after 4, all after 10."),
            "{drawn}"
        );
        assert!(drawn.contains(">50 %</text>") && !drawn.contains(">100 %</text>"), "{drawn}");
        assert!(drawn.contains(">250</text>") && drawn.contains(">500</text>"), "{drawn}");
    }

    #[test]
    fn one_input_is_one() {
        let drawn = drawn(&[(0, 50)], 1, None);
        let said =
            "1 input covers 100 % of what is covered in the end; 50 % of that after 1, 90 % after 1, all after 1.";
        assert!(drawn.contains(said), "{drawn}");
        assert_eq!(drawn.matches(">1</text>").count(), 1, "{drawn}");
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert_eq!(drawn(&[], 500, Some(200)), "");
        assert_eq!(drawn(&[(0, 0)], 500, None), "");
        assert!(drawn(&[(u64::MAX, 3)], 0, None).contains("100 %"));
    }
}
