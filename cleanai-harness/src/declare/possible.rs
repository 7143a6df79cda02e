//! Which requirements no figure can meet, told before anything is measured.

use crate::criteria::registry::{self, ValueKind};

use super::{Adjustment, Bound, Comparison, Figure, Requirement};

/// Why a requirement can never hold, and the nearest that can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Impossible {
    pub what: String,
    pub help: String,
}

/// What a figure can be, both ends included.
#[derive(Debug, Clone, Copy)]
struct Extent {
    most: f64,
    what: &'static str,
}

const SHARE: Extent = Extent { most: 1.0, what: "a share" };
const COUNT: Extent = Extent { most: f64::INFINITY, what: "a count" };

/// Why a requirement by itself can never hold; `None` where it can, or where nothing is known of the criterion.
pub(crate) fn impossible(requirement: &Requirement) -> Option<Impossible> {
    no_such_figure(requirement).or_else(|| out_of_extent(requirement))
}

fn no_such_figure(requirement: &Requirement) -> Option<Impossible> {
    let figure = requirement.figure.as_ref().filter(|figure| figure.is_count())?;
    let kind = registry::description(&requirement.criterion.name)?.value;
    let name = &requirement.criterion.name;
    if kind.has_items() {
        return None;
    }
    let what =
        format!("`{requirement}` can never hold: `{name}` counts nothing out of a total, so it has no `.{figure}`");
    let help = match (kind, figure) {
        (ValueKind::Count, Figure::Covered) => {
            format!(
                "its value is the count: `{} {} {}`",
                requirement.criterion, requirement.comparison, requirement.bound
            )
        }
        (ValueKind::Count, _) => format!("its value is the count: `{} >= …`", requirement.criterion),
        _ => format!("bound its value, `{} {} …`", requirement.criterion, requirement.comparison),
    };
    Some(Impossible { what, help })
}

fn out_of_extent(requirement: &Requirement) -> Option<Impossible> {
    let bound = requirement.bound.number()?;
    let Extent { most, what: kind } = extent(requirement)?;
    let instead = |comparison: Comparison, bound: f64| {
        Requirement { comparison, bound: Bound::Number(bound), ..requirement.clone() }.to_string()
    };
    let (why, help) = match requirement.comparison {
        Comparison::AtLeast | Comparison::Above if bound > most => (
            format!("{kind} is never above {most}"),
            match bound {
                // Nobody means more than all; somebody may mean per cent.
                2.0..=100.0 => {
                    format!("{bound} % is `{}`", instead(requirement.comparison, super::without_noise(bound / 100.0)))
                }
                _ => format!("the most that can be asked for is `{}`", instead(Comparison::AtLeast, most)),
            },
        ),
        Comparison::Above if bound == most => {
            (format!("{kind} is never above {most}"), format!("write `{}`", instead(Comparison::AtLeast, most)))
        }
        Comparison::AtMost | Comparison::Below if bound < 0.0 => (
            format!("{kind} is never below 0"),
            format!("the least that can be asked for is `{}`", instead(Comparison::AtMost, 0.0)),
        ),
        Comparison::Below if bound == 0.0 => {
            (format!("{kind} is never below 0"), format!("write `{}`", instead(Comparison::AtMost, 0.0)))
        }
        _ => return None,
    };
    Some(Impossible { what: format!("`{requirement}` can never hold: {why}"), help })
}

/// Why a requirement holds whatever is measured; `None` where it may fail.
pub(crate) fn always(requirement: &Requirement) -> Option<String> {
    let bound = requirement.bound.number()?;
    let Extent { most, what } = extent(requirement)?;
    match requirement.comparison {
        Comparison::AtLeast if bound <= 0.0 => Some(format!("it always holds: {what} is never below 0")),
        Comparison::Above if bound < 0.0 => Some(format!("it always holds: {what} is never below 0")),
        Comparison::AtMost if bound >= most => Some(format!("it always holds: {what} is never above {most}")),
        Comparison::Below if bound > most => Some(format!("it always holds: {what} is never above {most}")),
        _ => None,
    }
}

/// Why two requirements can never both hold; `later` is the one to complain of.
pub(crate) fn contradiction(earlier: &Requirement, later: &Requirement) -> Option<Impossible> {
    if !earlier.is_about_the_same_as(later) {
        return None;
    }
    let (lower, upper) = match (earlier.comparison.is_lower_bound(), later.comparison.is_lower_bound()) {
        (true, false) => (earlier, later),
        (false, true) => (later, earlier),
        _ => return None,
    };
    let strict = lower.comparison == Comparison::Above || upper.comparison == Comparison::Below;
    let (least, most) = comparable(lower.bound, upper.bound)?;
    if least < most || (least == most && !strict) {
        return None;
    }
    let place = earlier.origin.as_ref().map(|origin| format!(" ({origin})")).unwrap_or_default();
    let help = if least > most {
        let swapped = |of: &Requirement, bound| Requirement { bound, ..of.clone() };
        format!(
            "remove one, or swap the bounds: `{}` and `{}`",
            swapped(lower, upper.bound),
            swapped(upper, lower.bound)
        )
    } else {
        "remove one".to_owned()
    };
    Some(Impossible { what: format!("`{later}` contradicts `{earlier}`{place}: no figure meets both"), help })
}

/// Two bounds as numbers that stand to each other as they do, where that is known before anything is measured.
fn comparable(lower: Bound, upper: Bound) -> Option<(f64, f64)> {
    let added = |adjustment| match adjustment {
        Adjustment::None => Some(0.0),
        Adjustment::Add(more) => Some(more),
        Adjustment::Times(_) => None,
    };
    match (lower, upper) {
        (Bound::Number(least), Bound::Number(most)) => Some((least, most)),
        (Bound::Relative { to: one, adjustment: least }, Bound::Relative { to: other, adjustment: most })
            if one == other =>
        {
            Some((added(least)?, added(most)?))
        }
        _ => None,
    }
}

fn extent(requirement: &Requirement) -> Option<Extent> {
    let kind = registry::description(&requirement.criterion.name)?.value;
    match &requirement.figure {
        Some(Figure::Covered | Figure::Uncovered) => Some(COUNT),
        // The area under a curve, whoever reports it.
        Some(Figure::Detail(name)) => (name == "auroc").then_some(SHARE),
        None | Some(Figure::PerClass(_) | Figure::PerLayer(_)) if kind.is_share() => Some(SHARE),
        None | Some(Figure::PerClass(_) | Figure::PerLayer(_)) => (kind == ValueKind::Count).then_some(COUNT),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn requirement(text: &str) -> Requirement {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn what_no_figure_meets_is_told_with_what_could() {
        for (text, why, help) in [
            ("nc >= 1.2", "a share is never above 1", "the most that can be asked for is `nc >= 1`"),
            ("nc > 1", "a share is never above 1", "write `nc >= 1`"),
            ("nc >= 40", "a share is never above 1", "40 % is `nc >= 0.4`"),
            ("accuracy > 98.5", "a share is never above 1", "98.5 % is `accuracy > 0.985`"),
            ("nc >= 1000", "a share is never above 1", "the most that can be asked for is `nc >= 1`"),
            ("nbc <= -0.1", "a share is never below 0", "the least that can be asked for is `nbc <= 0`"),
            ("nbc < 0", "a share is never below 0", "write `nbc <= 0`"),
            ("ece < -1", "a share is never below 0", "the least that can be asked for is `ece <= 0`"),
            ("kmnc(k=10).per_class(min) > 1", "a share is never above 1", "write `kmnc(k=10).per_class(min) >= 1`"),
            ("src.auroc >= 1.1", "a share is never above 1", "the most that can be asked for is `src.auroc >= 1`"),
            ("tknp < 0", "a count is never below 0", "write `tknp <= 0`"),
            ("nc.uncovered < 0", "a count is never below 0", "write `nc.uncovered <= 0`"),
        ] {
            let found = impossible(&requirement(text)).unwrap_or_else(|| panic!("{text} can hold"));
            assert_eq!(found.what, format!("`{text}` can never hold: {why}"));
            assert_eq!(found.help, help, "{text}");
        }
        let found = impossible(&requirement("nlc.uncovered <= 12")).unwrap();
        assert!(found.what.ends_with("`nlc` counts nothing out of a total, so it has no `.uncovered`"), "{found:?}");
        assert_eq!(impossible(&requirement("tknp.covered >= 9")).unwrap().help, "its value is the count: `tknp >= 9`");
    }

    #[test]
    fn what_may_hold_is_left_alone() {
        for text in [
            "nc >= 1",
            "nc <= 0",
            "nc >= 0",
            "nlc >= 700",
            "nlc <= -1",
            "tknp >= 5000",
            "nc.uncovered <= 12",
            "nc >= baseline + 7",
            "acme::own >= 12",
            "src.rate >= 12",
            "idc.per_layer(mean) < 1",
        ] {
            assert_eq!(impossible(&requirement(text)), None, "{text}");
        }
    }

    #[test]
    fn what_always_holds_is_known() {
        for text in ["nc >= 0", "nc > -1", "nbc <= 1", "nbc < 1.5", "nbc <= 20", "tknp >= 0", "nc.uncovered >= 0"] {
            assert!(always(&requirement(text)).unwrap().starts_with("it always holds"), "{text}");
        }
        for text in ["nc > 0", "nbc < 1", "tknp <= 1e9", "nlc >= 0", "nc >= baseline", "acme::own >= 0"] {
            assert_eq!(always(&requirement(text)), None, "{text}");
        }
    }

    #[test]
    fn contradictions_name_both() {
        let found = |one: &str, other: &str| contradiction(&requirement(one), &requirement(other));
        let both = found("nc >= 0.5", "nc <= 0.4").unwrap();
        assert_eq!(both.what, "`nc <= 0.4` contradicts `nc >= 0.5`: no figure meets both");
        assert_eq!(both.help, "remove one, or swap the bounds: `nc >= 0.4` and `nc <= 0.5`");
        assert_eq!(found("nc <= 0.4", "nc > 0.4").unwrap().help, "remove one");
        assert!(found("nc >= baseline + 0.1", "nc < baseline").is_some());
        for (one, other) in [
            ("nc >= 0.4", "nc <= 0.4"),
            ("nc >= 0.4", "nc <= 0.5"),
            ("nc >= 0.5", "nc >= 0.4"),
            ("nc >= 0.5", "nac <= 0.4"),
            ("nc >= 0.5", "nc.per_layer(min) <= 0.4"),
            ("nc >= baseline", "nc <= baseline"),
            ("nc >= baseline", "nc <= 0.1"),
            ("nc >= baseline * 2", "nc <= baseline"),
            ("nc >= baseline", "nc <= against - 0.1"),
        ] {
            assert_eq!(found(one, other), None, "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn a_share_meets_what_is_not_called_impossible(bound in -2f64..3.0, which in 0usize..4, value in 0f64..=1.0) {
            let comparison = [Comparison::AtLeast, Comparison::Above, Comparison::AtMost, Comparison::Below][which];
            let wanted = Requirement { comparison, bound: Bound::Number(bound), ..requirement("nc >= 0") };
            let met = [0.0, value, 1.0].map(|value| comparison.holds(value, bound));
            prop_assert!(impossible(&wanted).is_none() || met == [false; 3], "{wanted}");
            prop_assert_eq!(impossible(&wanted).is_some(), !met[0] && !met[2]);
            prop_assert_eq!(always(&wanted).is_some(), met[0] && met[2]);
        }
    }
}
