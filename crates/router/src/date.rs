//! The `Date` of a response whose app gives none (RFC 9110 5.6.7).

use model::time::Timestamp;
use std::cell::Cell;

/// `Sun, 06 Nov 1994 08:49:37 GMT`
pub(crate) type Text = [u8; 29];

const DAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// A thread's last date: it is written once a second.
#[derive(Debug)]
pub(crate) struct Date(Cell<(i64, Text)>);

impl Default for Date {
    fn default() -> Self {
        Self(Cell::new((0, text(0))))
    }
}

impl Date {
    pub(crate) fn text(&self, now: Timestamp) -> Text {
        let second = now.0.div_euclid(1_000_000);
        if self.0.get().0 != second {
            self.0.set((second, text(second)));
        }
        self.0.get().1
    }
}

/// Of a second after 1970.
fn text(second: i64) -> Text {
    let (days, second) = (second.div_euclid(86_400), second.rem_euclid(86_400));
    // Counted from 1 March of year 0, so that the leap day is a year's last (H. Hinnant, "chrono-compatible low-level
    // date algorithms").
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 2 } else { shifted_month - 10 };
    let year = year_of_era + era * 400 + i64::from(month < 2);
    let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    let part = |index: i64, of: usize| usize::try_from(index).unwrap_or(0) % of;
    text[..3].copy_from_slice(DAYS[part(days.rem_euclid(7), 7)]);
    text[8..11].copy_from_slice(MONTHS[part(month, 12)]);
    for (at, number) in [
        (5, day),
        (12, year.rem_euclid(10_000) / 100),
        (14, year.rem_euclid(100)),
        (17, second / 3_600),
        (20, second / 60 % 60),
        (23, second % 60),
    ] {
        let digit = |number: i64| b'0' + u8::try_from(number.rem_euclid(10)).unwrap_or(0);
        text[at] = digit(number / 10);
        text[at + 1] = digit(number);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_9110_5_6_7_dates() {
        for (second, expected) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT"),
            (1_767_225_599, "Wed, 31 Dec 2025 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ] {
            let date = Date::default();
            assert_eq!(date.text(Timestamp(second * 1_000_000 + 5)), *expected.as_bytes(), "{second}");
        }
    }
}
