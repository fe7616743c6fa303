//! A notification as one account finds it: something of an app that it sees broke, and what came of it.
//!
//! Every break is kept once, whoever else is told of it by routes; only the mark that it was read is an account's own.

use crate::alarm::{AlarmKey, Turn};
use crate::app::AppName;
use crate::id::UserNotificationId;
use crate::letter::{plain, span};
use crate::notice::headline;
use crate::pipeline::Stage;
use crate::time::Timestamp;

/// An account's list has so many that it has not read, and so many that it has. The official command line marks all that it shows at
/// the same moment, with a request each: no more than connections wait for it at once.
pub const LISTED: u32 = 50;

/// So many are kept of an app, for as long as the events that they came of ([`crate::event::KEPT_FOR`]): what breaks more often is not
/// read one by one.
pub const KEPT_OF_APP: u32 = 100;

/// How something that was broken came to work again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mended {
    /// In one line.
    pub what: String,
    /// How often it had failed.
    pub failures: u32,
    /// When.
    pub at: Timestamp,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserNotification {
    /// Its id, the same for all accounts.
    pub id: UserNotificationId,
    /// What broke.
    pub key: AlarmKey,
    /// The app's name now.
    pub app_name: AppName,
    /// Where in a pipeline the app was.
    pub stage: Option<Stage>,
    /// In one line.
    pub what: String,
    /// The first line that says why, if there was one.
    pub first_line: Option<String>,
    /// Whose change it was: an e-mail address.
    pub author: Option<String>,
    /// When it broke.
    pub created_at: Timestamp,
    /// `None`: it is still broken, as far as anybody knows.
    pub mended: Option<Mended>,
    /// Has this account read it?
    pub read: bool,
}

impl UserNotification {
    /// `shop (production): build broken`.
    #[must_use]
    pub fn title(&self) -> String {
        headline(&self.app_name, self.stage, &self.key, Turn::Broke)
    }

    /// What happened and why, whose change it was, and the command that shows more: a line each.
    #[must_use]
    pub fn body(&self) -> String {
        let why = self.first_line.as_ref().map(|line| format!("First line that says why: {}", plain(line)));
        let author = self.author.as_ref().map(|author| format!("Change by: {}", plain(author)));
        let next = format!("See: {} -a {}", self.key.kind.look(), self.app_name);
        [Some(plain(&self.what)), why, author, Some(next)].into_iter().flatten().collect::<Vec<_>>().join("\n")
    }

    /// That it works again, since when and how often it had failed.
    #[must_use]
    pub fn followup(&self) -> Option<(String, Timestamp)> {
        let Mended { what, failures, at } = self.mended.as_ref()?;
        let times = if *failures == 1 { "once".to_owned() } else { format!("{failures} times") };
        let title = headline(&self.app_name, self.stage, &self.key, Turn::Fixed);
        let broken_for = span(self.created_at, *at);
        Some((format!("{title}\n{}\nIt was broken for {broken_for}, failed {times}.", plain(what)), *at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::AlarmKind;
    use crate::id::AppId;
    use uuid::Uuid;

    fn notification() -> UserNotification {
        UserNotification {
            id: UserNotificationId(Uuid::nil()),
            key: AlarmKey { app: AppId(Uuid::nil()), kind: AlarmKind::Crash, thing: "web.1".into() },
            app_name: "shop".parse().unwrap(),
            stage: Some(Stage::Production),
            what: "web.1 of v3 crashes\u{7} again and again".into(),
            first_line: Some("Exception:\nno database".into()),
            author: Some("ada@example.org".into()),
            created_at: Timestamp(0),
            mended: None,
            read: false,
        }
    }

    #[test]
    fn it_says_what_broke_why_whose_change_it_was_and_what_to_type_next() {
        let mut one = notification();
        assert_eq!(one.title(), "shop (production): crash of web.1 broken");
        let lines = [
            "web.1 of v3 crashes  again and again",
            "First line that says why: Exception: no database",
            "Change by: ada@example.org",
            "See: flowline logs -a shop",
        ];
        assert_eq!(one.body(), lines.join("\n"), "a line each, whatever is in them");
        (one.stage, one.first_line, one.author) = (None, None, None);
        assert_eq!(one.title(), "shop: crash of web.1 broken");
        assert_eq!(one.body(), [lines[0], lines[3]].join("\n"));
    }

    #[test]
    fn what_is_mended_says_how_long_it_was_broken() {
        let mut one = notification();
        assert_eq!(one.followup(), None);
        let at = Timestamp(125_000_000);
        one.mended = Some(Mended { what: "web.1 has run for 120 seconds".into(), failures: 3, at });
        let said = "shop (production): crash of web.1 fixed\nweb.1 has run for 120 seconds\n\
             It was broken for 2 min 5 s, failed 3 times.";
        assert_eq!(one.followup(), Some((said.to_owned(), at)));
        one.mended = Some(Mended { what: "It runs".into(), failures: 1, at });
        assert!(one.followup().unwrap().0.ends_with("failed once."));
    }
}
