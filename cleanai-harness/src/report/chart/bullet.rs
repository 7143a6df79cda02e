//! A figure on a line, with what is required of it and what it was: beside the numbers themselves, so that nothing is lost to those who do not see it.

use maud::{Markup, html};

use crate::report::svg::{number, share};

/// Width and height in pixels.
const WIDE: f64 = 132.0;
const HIGH: f64 = 16.0;
/// Left and right of the line, where half of a mark may stand.
const EDGE: f64 = 5.0;

/// What is drawn on the line from 0 to `scale`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bullet<'a> {
    /// What the end of the line stands for: 1 for shares.
    pub scale: f64,
    /// The figure.
    pub observed: Option<f64>,
    /// What is required of it.
    pub bound: Option<f64>,
    /// Its baseline.
    pub baseline: Option<f64>,
    /// The class of the style sheet that colours the figure.
    pub class: &'a str,
}

/// A bar from 0 to the figure, a stroke for what is required and a ring for the baseline; nothing where there is no figure to draw.
pub(crate) fn bullet(bullet: Bullet<'_>) -> Markup {
    let inside = bullet.scale.is_finite() && bullet.scale > 0.0;
    let at = |value: Option<f64>| {
        let share = share(value.filter(|_| inside).map(|value| value / bullet.scale))?;
        Some(EDGE + share * (WIDE - 2.0 * EDGE))
    };
    let (observed, bound, baseline) = (at(bullet.observed), at(bullet.bound), at(bullet.baseline));
    if observed.or(baseline).is_none() {
        return html! {};
    }
    let middle = HIGH / 2.0;
    html! {
        svg.bullet width=(number(WIDE)) height=(number(HIGH)) viewBox={ "0 0 " (number(WIDE)) " " (number(HIGH)) } aria-hidden="true" {
            rect.track x=(number(EDGE)) y=(number(middle - 4.0)) width=(number(WIDE - 2.0 * EDGE)) height="8" rx="2" {}
            @if let Some(observed) = observed {
                // Something is never drawn as nothing.
                @let least = if bullet.observed > Some(0.0) { 1.0 } else { 0.0 };
                rect.(bullet.class) x=(number(EDGE)) y=(number(middle - 4.0)) width=(number((observed - EDGE).max(least))) height="8" rx="2" {}
            }
            @if let Some(baseline) = baseline {
                circle.was cx=(number(baseline)) cy=(number(middle)) r="3.5" {}
            }
            @if let Some(bound) = bound {
                rect.bound x=(number(bound - 1.0)) y="0" width="2" height=(number(HIGH)) {}
            }
        }
    }
}

/// A share of one as a bar.
pub(crate) fn bar(share: Option<f64>, class: &str) -> Markup {
    bullet(Bullet { scale: 1.0, observed: share, class, ..Bullet::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_stand_where_they_belong() {
        let drawn =
            bullet(Bullet { scale: 2.0, observed: Some(1.0), bound: Some(0.5), baseline: Some(9.0), class: "good" })
                .into_string();
        assert!(drawn.contains(r#"<rect class="good" x="5" y="4" width="61""#), "{drawn}");
        assert!(drawn.contains(r#"<rect class="bound" x="34.5""#), "{drawn}");
        assert!(drawn.contains(r#"<circle class="was" cx="127""#), "{drawn}");
    }

    #[test]
    fn what_is_no_number_is_not_drawn() {
        assert_eq!(bar(None, "good").into_string(), "");
        assert_eq!(bar(Some(f64::NAN), "good").into_string(), "");
        assert_eq!(bullet(Bullet { observed: Some(1.0), ..Bullet::default() }).into_string(), "");
        assert!(bar(Some(1e-9), "good").into_string().contains(r#"width="1""#));
        assert!(bar(Some(0.0), "good").into_string().contains(r#"<rect class="good" x="5" y="4" width="0""#));
    }
}
