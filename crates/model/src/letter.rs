//! A letter: notices as people read them in a mail, and as a line of a log.

use crate::alarm::Turn;
use crate::notice::Notice;
use crate::time::Timestamp;
use std::fmt::Write;
use std::time::Duration;

/// Notices that one letter tells in full; it says how many more there are.
pub const TOLD_LIMIT: usize = 20;

/// What a mail says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// In one line.
    pub subject: String,
    /// All of it.
    pub text: String,
}

/// A token that resets a password is good for so long: mail may be slow, mailboxes are read by others later.
pub const RESET_LIFE: Duration = Duration::from_secs(3600);

/// The letter to somebody who forgot their password.
#[must_use]
pub fn password_reset(token: &str, server: &str) -> Letter {
    let minutes = RESET_LIFE.as_secs() / 60;
    let text = format!(
        "Somebody, probably you, asked for another password for your account.\n\n    flowline passwd:reset {token}\n\n\
         sets it within {minutes} minutes, once. If it was not you, do nothing: your password stays.\n\n\
         -- \nFlowline at {server}.\n"
    );
    Letter { subject: "Another password for your account".to_owned(), text }
}

/// The letter of notices that go together, oldest first.
#[must_use]
pub fn letter(notices: &[Notice], server: &str) -> Letter {
    let subject = match notices {
        [] => String::new(),
        [one] => one.headline(),
        [one, more @ ..] => format!("{} and {} more", one.headline(), more.len()),
    };
    let mut text = String::new();
    for notice in notices.iter().take(TOLD_LIMIT) {
        text.push_str(&told(notice));
        text.push('\n');
    }
    if let Some(more) = notices.len().checked_sub(TOLD_LIMIT).filter(|more| *more > 0) {
        let _ok = writeln!(text, "… and {more} more.\n").is_ok();
    }
    let _ok = write!(text, "-- \nFlowline at {server}. Who is told of what: flowline notifications\n").is_ok();
    Letter { subject: plain(&subject), text }
}

fn told(notice: &Notice) -> String {
    let mut text = format!("{}\n\n    {}\n", notice.headline(), plain(&notice.what));
    if let Some(line) = &notice.first_line {
        let _ok = write!(text, "\n    First line that says why:\n      {}\n", plain(line)).is_ok();
    }
    let _ok = write!(text, "\n    {}\n", since(notice)).is_ok();
    if let Some(author) = &notice.author {
        let _ok = writeln!(text, "    Change by: {}", plain(author)).is_ok();
    }
    let _ok = writeln!(text, "    See: {} -a {}", notice.key.kind.look(), notice.app_name).is_ok();
    text
}

fn since(notice: &Notice) -> String {
    let times = if notice.failures == 1 { "once".to_owned() } else { format!("{} times", notice.failures) };
    match notice.turn {
        Turn::Broke => format!("Since {}.", notice.since),
        Turn::StillBroken => format!("Since {}, failed {times}.", notice.since),
        Turn::Fixed => format!("It was broken for {}, failed {times}.", span(notice.since, notice.created_at)),
        Turn::Well | Turn::Test => format!("At {}.", notice.created_at),
    }
}

/// `2 h 5 min`: the two largest parts.
#[must_use]
pub fn span(from: Timestamp, to: Timestamp) -> String {
    let seconds = to.since(from).as_secs();
    let parts = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let first = parts.iter().position(|(count, _)| *count > 0).unwrap_or(3);
    let two = parts.iter().skip(first).take(2).filter(|(count, unit)| *count > 0 || (first == 3 && *unit == "s"));
    two.map(|(count, unit)| format!("{count} {unit}")).collect::<Vec<_>>().join(" ")
}

/// The same in one line, for the app's log.
#[must_use]
pub fn log_line(notice: &Notice) -> String {
    let why = notice.first_line.as_ref().map(|line| format!(" ({})", plain(line))).unwrap_or_default();
    format!("Alarm: {}: {}{why}", notice.headline(), plain(&notice.what))
}

/// One line that ends no header and moves no cursor.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::tests::notice;

    #[test]
    fn a_letter_says_what_since_when_who_and_where_to_look() {
        let mut one = notice(1, "a", 0);
        (one.what, one.author) = ("the pack ended with 1".into(), Some("ada@example.org".into()));
        one.first_line = Some("npm ERR! missing\r\nscript".into());
        let said = letter(&[one.clone()], "http://flow");
        assert_eq!(said.subject, "shop: build broken");
        for words in [
            "the pack ended with 1",
            "npm ERR! missing  script",
            "Since 1970-01-01T00:00:00Z",
            "ada@example.org",
            "flowline builds -a shop",
            "http://flow",
        ] {
            assert!(said.text.contains(words), "`{words}` is not in {}", said.text);
        }
        let mut fixed = one.clone();
        (fixed.turn, fixed.failures, fixed.created_at) = (Turn::Fixed, 3, Timestamp(7_500_000_000));
        let said = letter(&[one.clone(), fixed.clone()], "");
        assert_eq!(said.subject, "shop: build broken and 1 more");
        assert!(said.text.contains("It was broken for 2 h 5 min, failed 3 times."), "{}", said.text);
        assert_eq!(log_line(&one), "Alarm: shop: build broken: the pack ended with 1 (npm ERR! missing  script)");
        let many: Vec<Notice> = vec![one; TOLD_LIMIT + 5];
        assert!(letter(&many, "").text.contains("… and 5 more."));
    }

    #[test]
    fn spans_have_two_parts() {
        for (seconds, text) in [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3661, "1 h 1 min"), (90_061, "1 d 1 h")] {
            assert_eq!(span(Timestamp(0), Timestamp(seconds * 1_000_000)), text);
        }
    }
}
