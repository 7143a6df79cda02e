//! How coverage grows with the inputs, in numbers; HTML and PDF draw the same curve, each in its own way.

use super::axis;
use crate::criteria::Contribution;
use crate::measure::CriterionResult;

/// Steps nearer to each other than these parts of the width and of the height cannot be told apart: they would only make files larger.
const ACROSS: f64 = 240.0;
const UP: f64 = 120.0;

/// A curve that ends lower is drawn as if it ended here.
const LOWEST_TOP: f64 = 0.01;

/// The running sum of what inputs covered first.
pub(crate) struct Curve {
    /// The inputs that the right end stands for.
    pub inputs: u64,
    /// What they cover.
    pub covered: u64,
    /// What there is to cover, where that is known: shares are of this, else of what is covered in the end.
    pub total: Option<u64>,
    /// The share that the top stands for.
    top: f64,
    /// After how many inputs how much is covered.
    steps: Vec<(u64, u64)>,
}

impl Curve {
    /// That of a result over so many inputs; none where nothing is covered.
    pub fn of(result: &CriterionResult, inputs: u64, total: Option<u64>) -> Option<Self> {
        let contributions = &result.contributions;
        let covered = contributions.iter().fold(0u64, |sum, own| sum.saturating_add(own.covered));
        if covered == 0 {
            return None;
        }
        let last = contributions.iter().map(|own| own.input.saturating_add(1)).max().unwrap_or(0);
        let inputs = inputs.max(last);
        let total = total.filter(|total| *total >= covered);
        let mut curve = Self { inputs, covered, total, top: 1.0, steps: steps(contributions, inputs, covered) };
        // A curve that ends at a few per cent is drawn large: its scale stands beside it.
        curve.top = axis::ceiling(curve.share(covered)).max(LOWEST_TOP);
        Some(curve)
    }

    /// What is covered as a share of all.
    pub fn share(&self, covered: u64) -> f64 {
        covered as f64 / self.total.unwrap_or(self.covered) as f64
    }

    /// Where a number of inputs and a share of all stand, as shares of width and height.
    pub fn place(&self, inputs: u64, share: f64) -> (f64, f64) {
        (inputs as f64 / self.inputs as f64, share / self.top)
    }

    /// The line, as shares of width and height: level until an input covers something, and then straight up.
    pub fn line(&self) -> Vec<(f64, f64)> {
        let mut line = vec![(0.0, 0.0)];
        let mut height = 0.0;
        for (inputs, covered) in &self.steps {
            let (x, y) = self.place(*inputs, self.share(*covered));
            line.extend([(x, height), (x, y)]);
            height = y;
        }
        line.push((1.0, height));
        line
    }

    /// What stands beside the drawing at this share of its height.
    pub fn label(&self, height: f64) -> String {
        axis::percent(height * self.top)
    }

    /// The numbers of inputs that stand below it: at both ends and in the middle, where there is one.
    pub fn numbers(&self) -> Vec<u64> {
        let mut numbers = vec![0, self.inputs.div_ceil(2), self.inputs];
        numbers.dedup();
        numbers
    }
}

/// Number of inputs and what they covered together, without those that cannot be told from the step before.
fn steps(contributions: &[Contribution], inputs: u64, all: u64) -> Vec<(u64, u64)> {
    let (across, up) = (inputs as f64 / ACROSS, all as f64 / UP);
    let near =
        |from: (u64, u64), to: (u64, u64)| (to.0 as f64 - from.0 as f64) < across && (to.1 as f64 - from.1 as f64) < up;
    let (mut steps, mut last) = (Vec::new(), None);
    let mut covered = 0u64;
    for own in contributions {
        covered = covered.saturating_add(own.covered);
        let step = (own.input.saturating_add(1), covered);
        last = Some(step);
        if steps.last().is_none_or(|kept| !near(*kept, step)) {
            steps.push(step);
        }
    }
    // The end is shown as it is.
    if steps.last() != last.as_ref() {
        steps.extend(last);
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn curve(own: &[(u64, u64)], inputs: u64, total: Option<u64>) -> Option<Curve> {
        Curve::of(&sample::covering(own), inputs, total)
    }

    #[test]
    fn a_curve_is_level_until_an_input_covers_something() {
        let curve = curve(&[(0, 50), (3, 40), (9, 10)], 10, Some(200)).unwrap();
        let line = [(0.0, 0.0), (0.1, 0.0), (0.1, 0.5), (0.4, 0.5), (0.4, 0.9), (1.0, 0.9), (1.0, 1.0), (1.0, 1.0)];
        assert_eq!(curve.line(), line);
        assert_eq!((curve.share(curve.covered), curve.place(5, 0.25)), (0.5, (0.5, 0.5)));
        assert_eq!([0.0, 0.5, 1.0].map(|height| curve.label(height)), ["0 %", "25 %", "50 %"]);
        assert_eq!(curve.numbers(), [0, 5, 10]);
    }

    #[test]
    fn without_a_total_shares_are_of_what_is_covered() {
        for total in [None, Some(7)] {
            let curve = curve(&[(0, 50), (1, 50)], 1, total).unwrap();
            assert_eq!((curve.inputs, curve.total, curve.share(50)), (2, None, 0.5));
            assert_eq!(curve.label(1.0), "100 %");
        }
        assert_eq!(curve(&[(0, 1)], 1, None).unwrap().numbers(), [0, 1]);
        assert_eq!(curve(&[(0, 1)], 1, Some(1_000_000)).unwrap().label(1.0), "1 %");
    }

    #[test]
    fn many_steps_are_thinned_out_and_the_last_stays() {
        let many: Vec<(u64, u64)> = (0..50_000).map(|input| (input, if input % 7 == 0 { 20 } else { 1 })).collect();
        let all = sample::covering(&many).contributions;
        let found = steps(&all, 50_000, many.iter().map(|own| own.1).sum());
        assert!(found.len() <= (ACROSS + UP) as usize + 2, "{}", found.len());
        assert_eq!(found[0], (1, 20));
        assert_eq!(found.last().unwrap().0, 50_000);
        assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
        let few = sample::covering(&many[..100]).contributions;
        assert_eq!(steps(&few, 100, 385).len(), 100, "all of few");
    }

    #[test]
    fn files_may_hold_anything() {
        assert!(curve(&[], 500, Some(200)).is_none() && curve(&[(0, 0)], 500, None).is_none());
        let hostile = curve(&[(u64::MAX, u64::MAX), (3, u64::MAX)], 0, None).unwrap();
        assert!(hostile.line().into_iter().all(|(x, y)| (0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y)));
    }
}
