//! Seconds since the Unix epoch as a calendar date in UTC, without a date library.

/// The last second of the year 9999, beyond which neither PDF nor RFC 3339 has a way to write a year.
const LAST: u64 = 253_402_300_799;

/// Year, month, day, hour, minute, second in UTC (proleptic Gregorian calendar); times after the year 9999 are held there.
fn parts(seconds: u64) -> (u64, u64, u64, u64, u64, u64) {
    let seconds = seconds.min(LAST);
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Years that start in March, so that the leap day is the last: day 0 is 1 March of year 0.
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day, rest / 3_600, rest / 60 % 60, rest % 60)
}

/// RFC 3339: `2026-11-22T03:14:07Z`.
pub(crate) fn rfc3339(seconds: u64) -> String {
    let (year, month, day, hour, minute, second) = parts(seconds);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// For people: `2026-11-22 03:14 UTC`.
pub(crate) fn readable(seconds: u64) -> String {
    let (year, month, day, hour, minute, _) = parts(seconds);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

/// The same second, held before the year 10000.
#[cfg_attr(not(feature = "pdf"), allow(dead_code))]
pub(crate) fn held(seconds: u64) -> u64 {
    seconds.min(LAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_seconds() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_827_696), "2000-02-29T12:34:56Z");
        assert_eq!(rfc3339(1_709_251_199), "2024-02-29T23:59:59Z");
        assert_eq!(rfc3339(1_709_251_200), "2024-03-01T00:00:00Z");
        assert_eq!(rfc3339(4_107_542_399), "2100-02-28T23:59:59Z");
        assert_eq!(rfc3339(4_107_542_400), "2100-03-01T00:00:00Z");
        assert_eq!(readable(1_795_317_247), "2026-11-22 03:14 UTC");
        assert_eq!(rfc3339(u64::MAX), "9999-12-31T23:59:59Z");
    }
}
