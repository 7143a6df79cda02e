//! How coverage grows with the inputs.

use maud::{Markup, html};

use crate::criteria::Contribution;
use crate::report::svg::{number, points};
use crate::report::text;

/// Width and height of the drawing, and what stands left of it, below and around.
const WIDE: f64 = 400.0;
const HIGH: f64 = 190.0;
const LEFT: f64 = 44.0;
const BELOW: f64 = 34.0;
const EDGE: f64 = 10.0;

/// Points of the line.
const MOST: usize = 240;

/// The running sum of what inputs covered first, of `inputs` altogether, as a share of `total`, where that is known, else of all that was covered.
pub(crate) fn saturation(criterion: &str, contributions: &[Contribution], inputs: u64, total: Option<u64>) -> Markup {
    let all: u64 = contributions.iter().map(|own| own.covered).sum();
    let Some(last) = contributions.last().filter(|_| all > 0) else { return html! {} };
    let inputs = inputs.max(last.input.saturating_add(1)).max(2);
    let whole = total.filter(|total| *total >= all).unwrap_or(all);
    let steps = steps(contributions);
    let top = all as f64 / whole as f64;
    // A curve that ends at a few per cent is drawn large: its scale stands beside it.
    let scale = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5].into_iter().find(|scale| top <= *scale).unwrap_or(1.0);
    let x = |input: u64| LEFT + input as f64 / inputs as f64 * (WIDE - LEFT - EDGE);
    let y = |share: f64| EDGE + (1.0 - share / scale) * (HIGH - BELOW - EDGE);
    let mut line = vec![(x(0), y(0.0))];
    for (input, covered) in &steps {
        let height = y(*covered as f64 / whole as f64);
        line.push((x(*input), line[line.len() - 1].1));
        line.push((x(*input), height));
    }
    line.push((x(inputs), line[line.len() - 1].1));
    let area = [(x(0), y(0.0))].into_iter().chain(line.iter().copied()).chain([(x(inputs), y(0.0))]);
    let of = if total.is_some() { "of all there is to cover" } else { "of what is covered in the end" };
    let title = format!("{criterion}: coverage by the number of inputs");
    let description = format!(
        "{} {} {} {of}; {}.",
        text::counted(inputs, "input covers", "inputs cover"),
        percent(top),
        if whole == all { String::new() } else { format!("({} of {})", text::grouped(all), text::grouped(whole)) },
        reached(contributions, all)
    );
    html! {
        figure.chart {
            svg role="img" aria-label={ (title) ". " (description) } viewBox={ "0 0 " (number(WIDE)) " " (number(HIGH)) } {
                title { (title) }
                desc { (description) }
                @for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
                    @let height = y(share * scale);
                    line.grid x1=(number(LEFT)) x2=(number(WIDE - EDGE)) y1=(number(height)) y2=(number(height)) {}
                    text x=(number(LEFT - 5.0)) y=(number(height + 4.0)) text-anchor="end" { (percent(share * scale)) }
                }
                polygon.area points=(points(area)) {}
                polyline.curve points=(points(line.iter().copied())) {}
                @for (share, anchor) in [(0.0, "start"), (0.5, "middle"), (1.0, "end")] {
                    @let input = (inputs as f64 * share).round() as u64;
                    text x=(number(x(input))) y=(number(HIGH - BELOW + 15.0)) text-anchor=(anchor) { (text::grouped(input)) }
                }
                text x=(number((LEFT + WIDE - EDGE) / 2.0)) y=(number(HIGH - 4.0)) text-anchor="middle" { "inputs, in the order of the data" }
            }
            figcaption { (description) }
        }
    }
}

/// `50 % of it after 3 inputs, 90 % after 40, all after 391`
fn reached(contributions: &[Contribution], all: u64) -> String {
    let after = |share: f64| {
        let mut covered = 0;
        let reached = contributions.iter().find(|own| {
            covered += own.covered;
            covered as f64 >= share * all as f64
        });
        text::grouped(reached.map_or(0, |own| own.input.saturating_add(1)))
    };
    format!("50 % of that after {}, 90 % after {}, all after {}", after(0.5), after(0.9), after(1.0))
}

/// Number of inputs and what they covered together, thinned out where there are many.
fn steps(contributions: &[Contribution]) -> Vec<(u64, u64)> {
    let mut covered = 0;
    let sums: Vec<(u64, u64)> = contributions
        .iter()
        .map(|own| {
            covered += own.covered;
            (own.input.saturating_add(1), covered)
        })
        .collect();
    // At the beginning, where it is steep, all of them.
    let (head, rest) = sums.split_at(sums.len().min(MOST / 2));
    let every = rest.len().div_ceil(MOST / 2).max(1);
    let rest = rest.iter().rev().step_by(every).rev();
    head.iter().chain(rest).copied().collect()
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let digits = if percent.fract() == 0.0 {
        0
    } else if percent < 10.0 {
        2
    } else {
        1
    };
    format!("{percent:.digits$} %")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(own: &[(u64, u64)]) -> Vec<Contribution> {
        own.iter().map(|&(input, covered)| Contribution { input, covered }).collect()
    }

    #[test]
    fn a_curve_tells_what_it_shows() {
        let drawn = saturation("nc", &of(&[(0, 50), (3, 40), (9, 10)]), 500, Some(200)).into_string();
        assert!(drawn.contains("<title>nc: coverage by the number of inputs</title>"), "{drawn}");
        assert!(
            drawn.contains("500 inputs cover 50 % (100 of 200) of all there is to cover; 50 % of that after 1, 90 % after 4, all after 10."),
            "{drawn}"
        );
        assert!(drawn.contains(">50 %</text>") && !drawn.contains(">100 %</text>"), "{drawn}");
    }

    #[test]
    fn many_steps_are_thinned_out_and_the_last_stays() {
        let many: Vec<(u64, u64)> = (0..50_000).map(|input| (input, 1)).collect();
        let found = steps(&of(&many));
        assert!(found.len() <= MOST, "{}", found.len());
        assert_eq!((found[0], *found.last().unwrap()), ((1, 1), (50_000, 50_000)));
        assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert_eq!(saturation("nc", &[], 500, Some(200)).into_string(), "");
        assert_eq!(saturation("nc", &of(&[(0, 0)]), 500, None).into_string(), "");
        assert!(saturation("nc", &of(&[(u64::MAX, 3)]), 0, None).into_string().contains("100 %"));
    }
}
