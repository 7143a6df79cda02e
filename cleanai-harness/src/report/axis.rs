//! Where the axes of plots end, and what stands there.

/// The smallest of 1, 2 and 5 times a power of ten that is not below.
pub(crate) fn ceiling(largest: f64) -> f64 {
    let mut power = 10f64.powf(largest.log10().floor());
    // Numbers so small that they have no power of their own.
    if !(power.is_finite() && power > 0.0) {
        power = f64::MIN_POSITIVE;
    }
    [1.0, 2.0, 5.0, 10.0].map(|step| step * power).into_iter().find(|top| *top >= largest).unwrap_or(largest)
}

/// A share with as few digits as tell it from its neighbours: `50 %`, `2.5 %` as `2.50 %`.
pub(crate) fn percent(share: f64) -> String {
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

    #[test]
    fn axes_end_at_round_numbers() {
        for (largest, top) in [(0.34, 0.5), (1.0, 1.0), (0.1, 0.1), (411.0, 500.0), (1.2, 2.0), (60.0, 100.0)] {
            assert!((ceiling(largest) - top).abs() < top * 1e-9, "{largest}: {}", ceiling(largest));
        }
        for odd in [0.0, 1e-320, f64::MAX] {
            assert!(ceiling(odd) >= odd, "{odd}");
        }
    }

    #[test]
    fn shares_have_few_digits() {
        assert_eq!([0.0, 0.5, 1.0, 0.025, 0.125].map(percent), ["0 %", "50 %", "100 %", "2.50 %", "12.5 %"]);
        // Tops of axes are whole.
        for top in [0.01, 0.02, 0.05, 0.1, 0.2, 0.5] {
            assert!(!percent(ceiling(top * 0.999)).contains('.'), "{top}");
        }
    }
}
