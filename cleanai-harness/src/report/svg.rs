//! Numbers and frames of drawings in HTML.

/// A coordinate with at most two decimals: `12.5`.
pub(crate) fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// The same in per cent of the width: `12.5%`.
pub(crate) fn percent(share: f64) -> String {
    format!("{}%", number(share * 100.0))
}

/// The points of a line: `0,100 12.5,40`.
pub(crate) fn points(points: impl IntoIterator<Item = (f64, f64)>) -> String {
    let points = points.into_iter().map(|(x, y)| format!("{},{}", number(x), number(y)));
    points.collect::<Vec<_>>().join(" ")
}

/// A share of 0 to 1 that can be drawn; none where it is no number.
pub(crate) fn share(value: Option<f64>) -> Option<f64> {
    value.filter(|value| value.is_finite()).map(|value| value.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_short() {
        assert_eq!([0.0, -0.001, 12.5, 7.456, 100.0].map(number), ["0", "0", "12.5", "7.46", "100"]);
        assert_eq!(percent(1.0 / 3.0), "33.33%");
        assert_eq!(points([(0.0, 1.0), (2.25, 3.0)]), "0,1 2.25,3");
    }

    #[test]
    fn what_cannot_be_drawn_is_none() {
        assert_eq!([Some(f64::NAN), Some(f64::INFINITY), None].map(share), [None; 3]);
        assert_eq!([Some(-0.5), Some(0.5), Some(3.0)].map(share), [Some(0.0), Some(0.5), Some(1.0)]);
    }
}
