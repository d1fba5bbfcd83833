//! Moments and their spelling in ASN.1, property lists and exports.
//!
//! The crate never asks what time it is; a host says so with every decision. [`Timestamp`] counts whole seconds, which is what
//! certificates, property lists and MDM messages carry.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "every operand is bounded by the range of Timestamp and of its digits"
)]

use std::fmt;
use std::time::Duration;

use rustls_pki_types::UnixTime;
use serde::{Deserialize, Serialize};

/// Seconds since 1970-01-01T00:00:00Z, leap seconds not counted. Negative before.
///
/// ```
/// use mdm_core::time::Timestamp;
///
/// let at: Timestamp = "2026-02-28T23:59:59Z".parse()?;
/// assert_eq!(at.plus_seconds(1).to_string(), "2026-03-01T00:00:00Z");
/// # Ok::<(), mdm_core::time::ParseTimestampError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

/// A moment spelled out in the proleptic Gregorian calendar, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Year, 0 to 9999.
    pub year: u16,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day of the month, 1 to 31.
    pub day: u8,
    /// Hour, 0 to 23.
    pub hour: u8,
    /// Minute, 0 to 59.
    pub minute: u8,
    /// Second, 0 to 59.
    pub second: u8,
}

/// The text is not `YYYY-MM-DDThh:mm:ssZ`, or no such moment exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a moment in the form 2026-01-31T12:00:00Z")]
pub struct ParseTimestampError;

const DAY: i64 = 86_400;

impl Timestamp {
    /// 0000-01-01T00:00:00Z, the earliest moment that has a spelling.
    pub const MIN: Timestamp = Timestamp(-62_167_219_200);
    /// 9999-12-31T23:59:59Z, which RFC 5280 section 4.1.2.5 also uses for "no expiry".
    pub const MAX: Timestamp = Timestamp(253_402_300_799);

    /// From seconds since the epoch; out of range is brought to [`Timestamp::MIN`] or [`Timestamp::MAX`].
    pub const fn from_unix(seconds: i64) -> Self {
        if seconds < Self::MIN.0 {
            Self::MIN
        } else if seconds > Self::MAX.0 {
            Self::MAX
        } else {
            Timestamp(seconds)
        }
    }

    /// Seconds since the epoch.
    pub const fn unix(self) -> i64 {
        self.0
    }

    /// This moment moved by so many seconds, held within the range.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self::from_unix(self.0.saturating_add(seconds))
    }

    /// This moment moved by so many days of 86,400 seconds, held within the range.
    #[must_use]
    pub const fn plus_days(self, days: i64) -> Self {
        self.plus_seconds(days.saturating_mul(DAY))
    }

    /// Seconds from `earlier` to this moment; negative when `earlier` is later.
    pub const fn seconds_since(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The calendar's spelling of this moment.
    pub fn civil(self) -> Civil {
        // Days to civil: eras of 400 years, each 146,097 days long, counted from 0000-03-01.
        let days = self.0.div_euclid(DAY);
        let seconds = self.0.rem_euclid(DAY);
        let shifted = days.saturating_add(719_468);
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        // The range of `Timestamp` keeps every part within its type.
        Civil {
            year: year as u16,
            month: month as u8,
            day: day as u8,
            hour: (seconds / 3_600) as u8,
            minute: (seconds / 60 % 60) as u8,
            second: (seconds % 60) as u8,
        }
    }

    /// The moment that the calendar spells so, when there is one.
    pub fn from_civil(civil: Civil) -> Option<Self> {
        let Civil { year, month, day, hour, minute, second } = civil;
        if year > 9_999 || !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        if day == 0 || day > days_in_month(year, month) {
            return None;
        }
        let shifted_year = i64::from(year) - i64::from(month <= 2);
        let era = shifted_year.div_euclid(400);
        let year_of_era = shifted_year.rem_euclid(400);
        let shifted_month = (i64::from(month) + 9) % 12;
        let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * 146_097 + day_of_era - 719_468;
        let seconds = days * DAY + i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second);
        Some(Timestamp(seconds))
    }
}

const fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

impl From<UnixTime> for Timestamp {
    fn from(time: UnixTime) -> Self {
        Timestamp::from_unix(i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
    }
}

impl From<std::time::SystemTime> for Timestamp {
    /// A fraction of a second is dropped, towards the past.
    fn from(time: std::time::SystemTime) -> Self {
        let whole = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
        match time.duration_since(std::time::UNIX_EPOCH) {
            Ok(after) => Timestamp::from_unix(whole(after)),
            Err(before) => {
                let span = before.duration();
                let rounded = whole(span).saturating_add(i64::from(span.subsec_nanos() > 0));
                Timestamp::from_unix(rounded.saturating_neg())
            }
        }
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, whole seconds: the spelling of property lists and of the exports.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, hour, minute, second } = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

impl std::str::FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes: &[u8; 20] = text.as_bytes().try_into().map_err(|_| ParseTimestampError)?;
        let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T', h0, h1, b':', n0, n1, b':', s0, s1, b'Z'] = *bytes else {
            return Err(ParseTimestampError);
        };
        let two = |high, low| two_digits(high, low).ok_or(ParseTimestampError);
        Timestamp::from_civil(Civil {
            year: u16::from(two(y0, y1)?) * 100 + u16::from(two(y2, y3)?),
            month: two(m0, m1)?,
            day: two(d0, d1)?,
            hour: two(h0, h1)?,
            minute: two(n0, n1)?,
            second: two(s0, s1)?,
        })
        .ok_or(ParseTimestampError)
    }
}

/// Two ASCII digits as a number, 0 to 99.
pub(crate) fn two_digits(high: u8, low: u8) -> Option<u8> {
    (high.is_ascii_digit() && low.is_ascii_digit()).then(|| (high - b'0') * 10 + (low - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn civil_and_back_over_every_day_of_eight_centuries() {
        let mut at = "1600-01-01T12:34:56Z".parse::<Timestamp>().unwrap();
        let end = "2400-01-01T00:00:00Z".parse::<Timestamp>().unwrap();
        while at < end {
            assert_eq!(Timestamp::from_civil(at.civil()), Some(at));
            assert_eq!(at.to_string().parse(), Ok(at));
            at = at.plus_days(1);
        }
    }

    #[test]
    fn known_moments() {
        assert_eq!("1970-01-01T00:00:00Z".parse(), Ok(Timestamp::from_unix(0)));
        assert_eq!("2000-02-29T00:00:00Z".parse(), Ok(Timestamp::from_unix(951_782_400)));
        assert_eq!("9999-12-31T23:59:59Z".parse(), Ok(Timestamp::MAX));
        assert_eq!("0000-01-01T00:00:00Z".parse(), Ok(Timestamp::MIN));
    }

    #[test]
    fn moments_that_do_not_exist_are_refused() {
        for text in [
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:60Z",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(ParseTimestampError), "{text}");
        }
        for text in ["", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00:00.5Z", "+026-01-01T00:00:00Z"] {
            assert_eq!(text.parse::<Timestamp>(), Err(ParseTimestampError), "{text}");
        }
    }

    #[test]
    fn arithmetic_stops_at_the_ends() {
        assert_eq!(Timestamp::MAX.plus_days(i64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.plus_seconds(i64::MIN), Timestamp::MIN);
    }
}
